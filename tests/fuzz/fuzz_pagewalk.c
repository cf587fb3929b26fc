/* SPDX-License-Identifier: MIT */
/* mm/pagewalk against the recursive oracle of its test, on tables, modes and addresses of the input. */
#include "tests/fuzz/input.h"

#define main test_main
int test_main(void);
#include "tests/host/test_pagewalk.c"
#undef main

#define WALKS_AN_INPUT	200

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	input_begin(data, size);
	random_world();
	for (unsigned i = 0; i < WALKS_AN_INPUT; i++)
		random_walk();
	return 0;
}
