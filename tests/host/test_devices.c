/* SPDX-License-Identifier: MIT */
/* The whole board: every port of the first and the last 4096 in every size with telling values, and
 * random programs with jumps of time. What must hold after each step stands in board_program.h. */
#include "tests/host/board_program.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_every_port(void **state)
{
	static const u32 values[] = { 0, 1, 0x80, 0xff, 0x7f, 0x5aa5, 0xffff, 0x80000000, 0xffffffff };
	static u8 bytes[4096 * 12];

	for (unsigned v = 0; v < ARRAY_SIZE(values); v++) {
		for (unsigned size = 1, code = 0; size <= 4; size *= 2, code++) {
			for (unsigned first = 0; first < 65536; first += 61440) {
				u8 *at = bytes;

				for (unsigned port = first; port < first + 4096; port++) {
					*at++ = 0x02 | code << 6;	/* OUT */
					*at++ = 255;
					*at++ = port;
					*at++ = port >> 8;
					for (unsigned i = 0; i < size; i++)
						*at++ = values[v] >> 8 * i;
					*at++ = 0x01 | code << 6;	/* IN */
					*at++ = 255;
					*at++ = port;
					*at++ = port >> 8;
				}
				program_run(bytes, at - bytes, false);
			}
		}
	}
}

static void test_random_programs(void **state)
{
	static u8 bytes[20000];
	u64 seed = 11;

	for (unsigned n = 0; n < 100; n++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = xorshift(&seed) >> 20;
		program_run(bytes, sizeof(bytes), n & 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_port), cmocka_unit_test(test_random_programs),
	};

	return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
