/* SPDX-License-Identifier: MIT */
/*
 * For fuzz targets that are made of a host test: its random numbers come from the fuzzer's input, and
 * when that is used up, from a generator that the input has seeded. To be included before the test.
 */
#pragma once

#include <string.h>

#include "tests/host/random.h"

static const u8 *input_at, *input_end;
static u64 input_tail;

/* The next eight bytes, or fewer. */
static u64 input_word(u64 *unused)
{
	u64 word = 0;
	size_t left = (size_t)(input_end - input_at), n = left < 8 ? left : 8;

	(void)unused;
	if (!n)
		return xorshift(&input_tail);
	memcpy(&word, input_at, n);
	input_at += n;
	input_tail = (input_tail ^ word) * 0x9e3779b97f4a7c15ull | 1;
	return word;
}

static void input_begin(const u8 *data, size_t size)
{
	input_at = data;
	input_end = data + size;
	input_tail = 1;
}

#define xorshift(state) input_word(state)
