/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator against a bitmap: one bit a frame says whether it is free. Every operation
 * of the allocator is done on both, and they must agree on what is free and on what can be had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/frames.h"
#include "tests/host/random.h"

#define ARENA_FRAMES	4096u
#define FIRST		16u		/* number of the arena's first frame, as its hpa says */

static u8 *arena;
static struct frames frames;
static bool model[FIRST + ARENA_FRAMES];	/* [frame number]: is free */
static u64 seed;

static u64 rnd(u64 below)
{
	return xorshift(&seed) % below;
}

static void start(void)
{
	u64 at = (u64)(uintptr_t)arena;

	frames_init(&frames, at - FIRST * PAGE_SIZE);
	memset(model, 0, sizeof(model));
}

static int set_up(void **state)
{
	arena = aligned_alloc(PAGE_SIZE, ARENA_FRAMES * PAGE_SIZE);
	seed = 88172645463325252ull;
	start();
	return arena ? 0 : -1;
}

static int tear_down(void **state)
{
	free(arena);
	return 0;
}

static void model_set(u64 first, u64 count, bool is_free)
{
	for (u64 i = first; i < first + count; i++)
		model[i] = is_free;
}

static bool model_all(u64 first, u64 count, bool is_free)
{
	for (u64 i = first; i < first + count; i++) {
		if (i >= FIRST + ARENA_FRAMES || model[i] != is_free)
			return false;
	}
	return true;
}

static u64 model_free(void)
{
	u64 count = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(model); i++)
		count += model[i];
	return count;
}

/* The lowest frame where `count` frames are free; 0: nowhere. */
static u64 model_find(u64 count, u64 align, u64 limit)
{
	for (u64 at = align; at + count <= ARRAY_SIZE(model); at += align) {
		if (limit && at + count > limit)
			return 0;
		if (model_all(at, count, true))
			return at;
	}
	return 0;
}

/* The table's promises: sorted, page-aligned, no two ranges touch, and what it holds is what is
 * free. */
static void check_table(void)
{
	u64 last_end = 0;

	for (unsigned i = 0; i < frames.nr; i++) {
		u64 base = frames.free[i].base, size = frames.free[i].size;

		assert_true(base > last_end && size && !((base | size) & 0xfff));
		last_end = base + size;
		assert_true(model_all(base >> 12, size >> 12, true));
	}
	assert_int_equal(frames_available(&frames), model_free() * 4096);
}

static void test_add_rounds_inwards(void **state)
{
	assert_true(frames_add(&frames, HPA(0x10001), 0x2fff));
	assert_int_equal(frames_available(&frames), 0x2000);
	assert_int_equal(frames.free[0].base, 0x11000);
	assert_true(frames_add(&frames, HPA(0x20fff), 0x1000));		/* no whole page */
	assert_true(frames_add(&frames, HPA(0x30000), 0));
	assert_true(frames_add(&frames, HPA(~0ull - 5), 5));
	assert_int_equal(frames_available(&frames), 0x2000);
	assert_true(frames_add(&frames, HPA(0xfffffffffffff000ull - 0x1000), ~0ull));	/* wraps */
	assert_int_equal(frames_available(&frames), 0x2000 + 0x1000);
}

static void test_page_0_is_never_given(void **state)
{
	assert_true(frames_add(&frames, HPA(0), 0x3000));
	assert_int_equal(frames_available(&frames), 0x2000);
	assert_int_equal(frames_alloc(&frames, 1, PAGE_SIZE, 0).v, 0x1000);
	assert_int_equal(frames_alloc(&frames, 1, PAGE_SIZE, 0).v, 0x2000);
	assert_int_equal(frames_alloc(&frames, 1, PAGE_SIZE, 0).v, 0);
	assert_true(frames_add(&frames, HPA(0), 0xfff));
	assert_int_equal(frames_available(&frames), 0);
}

static void test_overlaps_merge(void **state)
{
	assert_true(frames_add(&frames, HPA(0x10000), 0x4000));
	assert_true(frames_add(&frames, HPA(0x18000), 0x4000));
	assert_int_equal(frames.nr, 2);
	assert_true(frames_add(&frames, HPA(0x12000), 0x8000));
	assert_int_equal(frames.nr, 1);
	assert_int_equal(frames_available(&frames), 0xc000);
	assert_true(frames_add(&frames, HPA(0x1c000), 0x1000));		/* touches */
	assert_int_equal(frames.nr, 1);
	assert_int_equal(frames_available(&frames), 0xd000);
}

static void test_reserve_rounds_outwards(void **state)
{
	assert_true(frames_add(&frames, HPA(0x10000), 0x10000));
	assert_true(frames_reserve(&frames, HPA(0x12fff), 2));		/* two pages */
	assert_int_equal(frames_available(&frames), 0xe000);
	assert_true(frames_reserve(&frames, HPA(0), 0x10001));
	assert_int_equal(frames_available(&frames), 0xd000);
	assert_true(frames_reserve(&frames, HPA(0x1f001), ~0ull));
	assert_int_equal(frames_available(&frames), 0xc000);
	assert_true(frames_reserve(&frames, HPA(~0ull), 2));
	assert_true(frames_reserve(&frames, HPA(0x15000), 0));
	assert_int_equal(frames_available(&frames), 0xc000);
	assert_true(frames_reserve(&frames, HPA(0), 0x100000));
	assert_int_equal(frames_available(&frames), 0);
	assert_int_equal(frames.nr, 0);
}

static void test_align_and_limit(void **state)
{
	assert_true(frames_add(&frames, HPA(0x11000), 0xf000));
	assert_int_equal(frames_alloc(&frames, 2, 0x8000, 0).v, 0x18000);
	assert_int_equal(frames_alloc(&frames, 1, 0x10000, 0).v, 0);
	assert_int_equal(frames_alloc(&frames, 7, 0x1000, 0x17fff).v, 0);
	assert_int_equal(frames_alloc(&frames, 7, 0x1000, 0x18000).v, 0x11000);
	assert_int_equal(frames_alloc(&frames, 1, 0x1000, 0x11000).v, 0);
	assert_int_equal(frames_alloc(&frames, 0, 0x1000, 0).v, 0);
	assert_int_equal(frames_alloc(&frames, ~0ull >> 12, 0x1000, 0).v, 0);
	assert_int_equal(frames_alloc(&frames, 1ull << 52, 0x1000, 0).v, 0);
	assert_int_equal(frames_alloc(&frames, (1ull << 52) + 1, 0x1000, 0).v, 0);
	assert_int_equal(frames_alloc(&frames, 1, 1ull << 63, 0).v, 0);
	assert_int_equal(frames_available(&frames), 0x6000);
}

static void fill_table(void)
{
	for (unsigned i = 0; i < FRAMES_MAX_RANGES; i++) {
		assert_true(frames_add(&frames, HPA((FIRST + 4ull * i) << 12), 0x3000));
		model_set(FIRST + 4 * i, 3, true);
	}
}

static void test_full_table(void **state)
{
	struct frames before;

	fill_table();
	check_table();
	before = frames;
	assert_false(frames_add(&frames, HPA(0x40000000), 0x1000));
	assert_false(frames_reserve(&frames, HPA((FIRST + 1) << 12), 1));
	assert_memory_equal(&before, &frames, offsetof(struct frames, lock));
	assert_memory_equal(before.free, frames.free, sizeof(frames.free));
	assert_int_equal(frames.nr, FRAMES_MAX_RANGES);
	/* Cutting at an end, and merging, need no row. */
	assert_true(frames_reserve(&frames, HPA(FIRST << 12), 1));
	assert_true(frames_add(&frames, HPA((FIRST + 3) << 12), 0x1000));
	model_set(FIRST, 1, false);
	model_set(FIRST + 3, 1, true);
	check_table();
}

/* With a full table nothing is taken out of the middle of a range: the next that fits serves. */
static void test_alloc_from_full_table(void **state)
{
	u64 last = FIRST + 4 * FRAMES_MAX_RANGES;

	/* Frames 17 to 19, 21 to 23, … are free, and 18, 22, … are their middles. */
	for (u64 i = FIRST; i < last - 4; i += 4)
		assert_true(frames_add(&frames, HPA((i + 1) << 12), 0x3000));
	assert_true(frames_add(&frames, HPA(last << 12), 0x3000));
	assert_int_equal(frames.nr, FRAMES_MAX_RANGES);
	/* A multiple of 4 only begins the last range; an even one is the middle of any other. */
	assert_int_equal(frames_alloc(&frames, 1, 0x4000, 0).v, last << 12);
	assert_int_equal(frames_alloc(&frames, 1, 0x2000, 0).v, (last + 2) << 12);
	assert_int_equal(frames_alloc(&frames, 1, 0x2000, 0).v, 0);
	assert_int_equal(frames_alloc(&frames, 3, 0x1000, 0).v, (FIRST + 1) << 12);
	assert_int_equal(frames_alloc(&frames, 1, 0x2000, 0).v, (FIRST + 6) << 12);
}

/* Every second frame comes back: far more runs than rows. Nothing may be lost. */
static void test_free_never_loses(void **state)
{
	hpa_t base = HPA((u64)FIRST << 12);

	assert_true(frames_add(&frames, base, ARENA_FRAMES * PAGE_SIZE));
	assert_int_equal(frames_alloc(&frames, ARENA_FRAMES, PAGE_SIZE, 0).v, base.v);
	for (unsigned i = 0; i < ARENA_FRAMES; i += 2)
		frames_free(&frames, HPA(base.v + i * PAGE_SIZE), 1);
	assert_int_equal(frames.nr, FRAMES_MAX_RANGES);
	assert_int_equal(frames_available(&frames), ARENA_FRAMES / 2 * PAGE_SIZE);
	for (unsigned i = 1; i < ARENA_FRAMES; i += 2)
		frames_free(&frames, HPA(base.v + i * PAGE_SIZE), 1);
	assert_int_equal(frames.nr, 1);
	assert_int_equal(frames_available(&frames), ARENA_FRAMES * PAGE_SIZE);
	assert_int_equal(frames_alloc(&frames, ARENA_FRAMES, PAGE_SIZE, 0).v, base.v);
}

/* Allocation brings parked runs back into the table too. */
static void test_alloc_unparks(void **state)
{
	hpa_t base = HPA((u64)FIRST << 12);
	unsigned got = 0;

	assert_true(frames_add(&frames, base, ARENA_FRAMES * PAGE_SIZE));
	assert_int_equal(frames_alloc(&frames, ARENA_FRAMES, PAGE_SIZE, 0).v, base.v);
	for (unsigned i = 0; i < ARENA_FRAMES; i += 2)
		frames_free(&frames, HPA(base.v + i * PAGE_SIZE), 1);
	while (frames_alloc(&frames, 1, PAGE_SIZE, 0).v)
		got++;
	assert_int_equal(got, ARENA_FRAMES / 2);
	assert_int_equal(frames_available(&frames), 0);
}

struct run { u64 at, count; };

static void random_alloc(struct run *runs, unsigned *nr)
{
	u64 count = 1 + rnd(rnd(8) ? 9 : 300), align = 1ull << rnd(6);
	u64 limit = rnd(3) ? 0 : FIRST + rnd(ARENA_FRAMES);
	u64 expected = model_find(count, align, limit);
	hpa_t got = frames_alloc(&frames, count, align << 12, limit << 12);

	assert_int_equal(got.v, expected << 12);
	if (!got.v)
		return;
	model_set(expected, count, false);
	runs[(*nr)++] = (struct run){ expected, count };
}

/* Gives a run back, or one end of it. */
static void random_free(struct run *runs, unsigned *nr)
{
	struct run *run = &runs[rnd(*nr)];
	u64 part = rnd(2) ? run->count : 1 + rnd(run->count);

	frames_free(&frames, HPA(run->at << 12), part);
	model_set(run->at, part, true);
	run->at += part;
	run->count -= part;
	if (!run->count)
		*run = runs[--*nr];
}

static void test_random_against_bitmap(void **state)
{
	static struct run runs[ARENA_FRAMES + 1];
	unsigned nr = 0;

	for (unsigned i = 0; i < 12; i++) {
		u64 at = FIRST + rnd(ARENA_FRAMES - 600), count = 100 + rnd(500);

		assert_true(frames_add(&frames, HPA(at << 12), count << 12));
		model_set(at, count, true);
		at = FIRST + rnd(ARENA_FRAMES - 40);
		assert_true(frames_reserve(&frames, HPA(at << 12), 40 << 12));
		model_set(at, 40, false);
		check_table();
	}
	for (unsigned step = 0; step < 60000; step++) {
		bool more = nr && rnd(1000) < (step / 5000 % 2 ? 350u : 650u);

		if (nr < ARENA_FRAMES && (!nr || more))
			random_alloc(runs, &nr);
		else
			random_free(runs, &nr);
		if (step % 16 == 0)
			check_table();
	}
	while (nr)
		random_free(runs, &nr);
	check_table();
}

/* The n-th from now fails and changes nothing; those before and behind it don't. */
static void test_fail(void **state)
{
	u64 available;

	assert_true(frames_add(&frames, HPA(FIRST * PAGE_SIZE), ARENA_FRAMES * PAGE_SIZE));
	for (unsigned n = 1; n <= 5; n++) {
		assert_int_equal(frames_fail(&frames, n), 0);
		for (unsigned i = 1; i <= 6; i++) {
			available = frames_available(&frames);
			assert_int_equal(frames_alloc(&frames, 2, PAGE_SIZE, 0).v != 0, i != n);
			assert_int_equal(frames_available(&frames),
					 available - (i != n ? 2 * PAGE_SIZE : 0));
		}
	}
	assert_int_equal(frames_fail(&frames, 3), 0);
	assert_int_not_equal(frames_alloc(&frames, 1, PAGE_SIZE, 0).v, 0);
	assert_int_equal(frames_fail(&frames, 0), 2);
	for (unsigned i = 0; i < 5; i++)
		assert_int_not_equal(frames_alloc(&frames, 1, PAGE_SIZE, 0).v, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_add_rounds_inwards, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_page_0_is_never_given, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overlaps_merge, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reserve_rounds_outwards, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_align_and_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alloc_from_full_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_free_never_loses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alloc_unparks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_random_against_bitmap, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
