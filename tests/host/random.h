/* SPDX-License-Identifier: MIT */
/* Random numbers for the host tests: the same ones in every run. */
#pragma once

#include "include/types.h"

/* The next state of Marsaglia's xorshift generator (13, 7, 17); a state is never 0. */
static inline u64 xorshift(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
