/* SPDX-License-Identifier: MIT */
/* mm/shadow under the model of its test (the laziest TLB that is legal), driven by the input. */
#include "tests/fuzz/input.h"

#define main test_main
int test_main(void);
#include "tests/host/test_mmu.c"
#undef main

#define STEPS_AN_INPUT	40

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct machine *m;

	input_begin(data, size);
	m = machine_start(&flavours[rnd(NR_FLAVOURS)], 16, 16u << rnd(4));
	random_memory(m);
	m->async = rnd(2);
	for (unsigned step = 0; step < STEPS_AN_INPUT; step++) {
		random_step(m);
		machine_check(m);
		check_cpus(m);
	}
	machine_ack_all(m);
	m->async = false;
	machine_end(m);
	return 0;
}
