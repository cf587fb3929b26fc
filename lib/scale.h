/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * value * num / den, exactly, though the product may need more than 64 bits: from one clock's ticks
 * to another's. Whoever converts a whole count, not differences that he adds up, gets no drift.
 * den > 0 and num * den < 2^64; a result of more than 64 bits is cut off.
 */
#pragma once

#include "include/types.h"

static inline u64 scale_down(u64 value, u64 num, u64 den)
{
	return value / den * num + value % den * num / den;
}

/* Rounded up: the first `x` for which scale_down(x, den, num) gives `value`. */
static inline u64 scale_up(u64 value, u64 num, u64 den)
{
	return value / den * num + (value % den * num + den - 1) / den;
}
