/* SPDX-License-Identifier: MIT */
/* What the manuals leave undefined. */
#pragma once

#include "tests/host/cases.h"

/* Flags after the instruction, by its page in SDM vol. 2, "Flags Affected". */
u64 undefined_flags(const struct test_case *c, const struct machine *before);

/*
 * Is all of the result? SDM vol. 2B, "SHLD": "If a count is greater than the operand size, the
 * result is undefined."
 * vol. 2A, "BSWAP": "When the BSWAP instruction references a 16-bit register, the result is
 * undefined."
 */
bool result_undefined(const struct test_case *c, const struct machine *before);
