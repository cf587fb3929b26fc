/* SPDX-License-Identifier: MIT */
/* The whole board under a hostile guest, its surroundings and jumps of time. */
#include "tests/host/board_program.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (size)
		program_run(data + 1, size - 1, data[0] & 1);
	return 0;
}
