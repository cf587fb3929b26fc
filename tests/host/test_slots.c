/* SPDX-License-Identifier: MIT */
/*
 * The memory slots against a flat model: for each page of a small guest, which host page is there
 * and with which rights, and a byte array that holds what the guest's memory must hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/slots.h"
#include "tests/host/random.h"

#define PAGES	96u
#define PAGE	4096u
#define HOST	0x7000000ull	/* hpa of host_memory's first byte, as the slots are told */

struct model_page {
	bool memory;
	unsigned host;		/* index of the host page */
	u8 rights;
};

static struct memory_slots slots;
static struct model_page model[PAGES];
static u8 host_memory[2 * PAGES * PAGE];
static u8 expected[2 * PAGES * PAGE];	/* what host_memory must hold */
static u64 seed;

static u64 rnd(u64 below)
{
	return xorshift(&seed) % below;
}

static void start(void)
{
	slots_init(&slots);
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < sizeof(host_memory); i++)
		host_memory[i] = expected[i] = (u8)rnd(256);
}

static int set_up(void **state)
{
	seed = 0x9e3779b97f4a7c15ull;
	start();
	return 0;
}

static bool add(u64 page, u64 count, unsigned host, u8 rights)
{
	return slots_add(&slots, GPA(page * PAGE), count * PAGE, HPA(HOST + host * PAGE),
			 host_memory + host * PAGE, rights);
}

/* What the table promises about itself. */
static void check_table(void)
{
	u64 last_end = 0;

	assert_true(slots.nr <= SLOTS_MAX);
	for (unsigned i = 0; i < slots.nr; i++) {
		const struct memory_slot *slot = &slots.slot[i];

		assert_true(slot->size && slot->base.v >= last_end);
		assert_int_equal((slot->base.v | slot->size | slot->host.v) % PAGE, 0);
		last_end = slot->base.v + slot->size;
	}
}

static void check_against_model(void)
{
	check_table();
	for (unsigned page = 0; page < PAGES; page++) {
		u64 offset = rnd(PAGE), at = page * PAGE + offset;
		const struct memory_slot *slot = slots_find(&slots, GPA(at));
		const struct model_page *want = &model[page];

		assert_int_equal(slot != NULL, want->memory);
		if (!slot)
			continue;
		assert_int_equal(slot->rights, want->rights);
		assert_int_equal(slot->host.v + (at - slot->base.v),
				 HOST + want->host * PAGE + offset);
		assert_ptr_equal(slot->memory + (at - slot->base.v),
				 host_memory + want->host * PAGE + offset);
	}
}

static bool model_range(u64 at, u64 size, u8 rights, bool contiguous)
{
	for (u64 page = at / PAGE; page <= (at + size - 1) / PAGE; page++) {
		if (page >= PAGES || !model[page].memory)
			return false;
		if ((model[page].rights & rights) != rights)
			return false;
		if (contiguous && page > at / PAGE && model[page].host != model[page - 1].host + 1)
			return false;
	}
	return true;
}

static void test_add_refuses(void **state)
{
	assert_true(add(4, 4, 0, RIGHTS_ALL));
	assert_int_equal(slots.generation, 1);
	assert_false(add(4, 4, 8, RIGHTS_ALL));
	assert_false(add(3, 2, 8, RIGHTS_ALL));
	assert_false(add(7, 1, 8, RIGHTS_ALL));
	assert_false(add(0, 16, 8, RIGHTS_ALL));
	assert_false(add(5, 1, 8, RIGHTS_ALL));
	assert_false(add(10, 0, 8, RIGHTS_ALL));
	assert_false(add(10, 1, 8, 16));
	assert_false(slots_add(&slots, GPA(0x800), PAGE, HPA(HOST), host_memory, RIGHTS_ALL));
	assert_false(slots_add(&slots, GPA(0), 0x800, HPA(HOST), host_memory, RIGHTS_ALL));
	assert_false(slots_add(&slots, GPA(0), PAGE, HPA(HOST + 8), host_memory, RIGHTS_ALL));
	assert_false(slots_add(&slots, GPA(~0xfffull), PAGE, HPA(HOST), host_memory, 1));
	assert_false(slots_add(&slots, GPA(~0x1fffull), 2 * PAGE, HPA(HOST), host_memory, 1));
	assert_false(slots_add(&slots, GPA(0), PAGE, HPA(~0xfffull), host_memory, 1));
	assert_int_equal(slots.generation, 1);
	assert_int_equal(slots.nr, 1);
	assert_true(add(3, 1, 8, RIGHTS_ALL));
	assert_true(add(8, 1, 9, 0));
	assert_int_equal(slots.nr, 3);
	assert_int_equal(slots.generation, 3);
}

static void test_full(void **state)
{
	for (unsigned i = 0; i < SLOTS_MAX; i++)
		assert_true(add(i * 4, 3, i, RIGHTS_ALL));
	assert_false(add(SLOTS_MAX * 4, 1, 0, RIGHTS_ALL));
	check_table();
}

static void test_find_borders(void **state)
{
	assert_null(slots_find(&slots, GPA(0)));
	assert_true(add(2, 2, 0, RIGHTS_ALL));
	assert_true(add(4, 1, 8, RIGHT_R));
	assert_null(slots_find(&slots, GPA(2 * PAGE - 1)));
	assert_ptr_equal(slots_find(&slots, GPA(2 * PAGE)), &slots.slot[0]);
	assert_ptr_equal(slots_find(&slots, GPA(4 * PAGE - 1)), &slots.slot[0]);
	assert_ptr_equal(slots_find(&slots, GPA(4 * PAGE)), &slots.slot[1]);
	assert_null(slots_find(&slots, GPA(5 * PAGE)));
	assert_null(slots_find(&slots, GPA(~0ull)));
}

static void test_rights_split_and_join(void **state)
{
	assert_true(add(0, 8, 0, RIGHTS_ALL));
	assert_true(slots_set_rights(&slots, GPA(2 * PAGE), 2 * PAGE, RIGHT_R));
	assert_int_equal(slots.nr, 3);
	assert_int_equal(slots.generation, 2);
	assert_int_equal(slots.slot[1].host.v, HOST + 2 * PAGE);
	assert_int_equal(slots.slot[2].host.v, HOST + 4 * PAGE);
	assert_false(slots_set_rights(&slots, GPA(7 * PAGE), 2 * PAGE, 0));
	assert_false(slots_set_rights(&slots, GPA(PAGE), 0, 0));
	assert_false(slots_set_rights(&slots, GPA(1), PAGE, 0));
	assert_false(slots_set_rights(&slots, GPA(0), PAGE, 0x10));
	assert_false(slots_set_rights(&slots, GPA(PAGE), ~0xfffull, 0));
	assert_int_equal(slots.nr, 3);
	assert_int_equal(slots.generation, 2);
	assert_true(slots_set_rights(&slots, GPA(2 * PAGE), 2 * PAGE, RIGHTS_ALL));
	assert_int_equal(slots.nr, 1);
	assert_int_equal(slots.slot[0].size, 8 * PAGE);
}

/* Neighbours in the guest that aren't neighbours in the host stay apart. */
static void test_no_join_across_hosts(void **state)
{
	assert_true(add(0, 2, 0, RIGHT_R));
	assert_true(add(2, 2, 4, RIGHT_R));
	assert_true(slots_set_rights(&slots, GPA(0), 4 * PAGE, RIGHTS_ALL));
	assert_int_equal(slots.nr, 2);
	/* The hpa continues, the pointer doesn't. */
	assert_true(slots_add(&slots, GPA(4 * PAGE), PAGE, HPA(HOST + 6 * PAGE), host_memory,
			      RIGHT_R));
	assert_true(slots_set_rights(&slots, GPA(0), 5 * PAGE, RIGHT_W));
	assert_int_equal(slots.nr, 3);
}

/* At the limit of slots a change that needs no more of them in the end still works, one that does
 * changes nothing. */
static void test_rights_at_the_limit(void **state)
{
	struct memory_slots before;

	for (unsigned i = 0; i < SLOTS_MAX - 2; i++)
		assert_true(add(16 + i * 2, 1, i, RIGHTS_ALL));
	assert_true(add(0, 4, 100, RIGHT_R));
	assert_true(add(4, 4, 104, RIGHTS_ALL));
	assert_int_equal(slots.nr, SLOTS_MAX);
	before = slots;
	assert_false(slots_set_rights(&slots, GPA(2 * PAGE), PAGE, RIGHT_W));
	assert_false(slots_set_rights(&slots, GPA(0), PAGE, RIGHT_W));
	assert_false(slots_set_rights(&slots, GPA(3 * PAGE), 2 * PAGE, RIGHT_W));
	assert_int_equal(before.nr, slots.nr);
	assert_int_equal(before.generation, slots.generation);
	assert_memory_equal(before.slot, slots.slot, SLOTS_MAX * sizeof(slots.slot[0]));
	assert_true(slots_set_rights(&slots, GPA(2 * PAGE), 2 * PAGE, RIGHTS_ALL));
	assert_int_equal(slots.nr, SLOTS_MAX);
	assert_int_equal(slots_find(&slots, GPA(0))->size, 2 * PAGE);
	assert_int_equal(slots_find(&slots, GPA(2 * PAGE))->size, 6 * PAGE);
}

static void test_copy_is_all_or_nothing(void **state)
{
	u8 in[3 * PAGE], out[3 * PAGE];

	memset(in, 0xa5, sizeof(in));
	memset(out, 0x11, sizeof(out));
	assert_true(add(0, 1, 0, RIGHT_R | RIGHT_W));
	assert_true(add(1, 1, 8, RIGHT_R));
	assert_false(slots_write(&slots, GPA(PAGE - 1), in, 2));
	assert_false(slots_read(&slots, GPA(2 * PAGE - 1), out, 2));
	assert_false(slots_write_any(&slots, GPA(PAGE), in, PAGE + 1));
	assert_false(slots_read(&slots, GPA(~0ull), out, 2));
	assert_false(slots_read(&slots, GPA(0), out, ~0ull));
	assert_memory_equal(host_memory, expected, sizeof(expected));
	assert_int_equal(out[0], 0x11);
	assert_true(slots_read(&slots, GPA(100 * PAGE), out, 0));
	assert_true(slots_write(&slots, GPA(100 * PAGE), in, 0));
	assert_true(slots_write_any(&slots, GPA(100 * PAGE), in, 0));
	assert_true(slots_write_any(&slots, GPA(PAGE - 1), in, 2));
	expected[PAGE - 1] = expected[8 * PAGE] = 0xa5;
	assert_memory_equal(host_memory, expected, sizeof(expected));
	assert_true(slots_read(&slots, GPA(PAGE - 1), out, 3));
	assert_int_equal(out[0], 0xa5);
	assert_int_equal(out[2], expected[8 * PAGE + 1]);
}

static void random_set_up(void)
{
	unsigned page = 0;

	start();
	while (page < PAGES) {
		unsigned count = 1 + (unsigned)rnd(12), host = (unsigned)rnd(2 * PAGES - 12);
		u8 rights = (u8)rnd(16);

		if (count > PAGES - page)
			count = PAGES - page;
		if (rnd(4)) {	/* else a hole. Overlaps in the host are allowed, some continue. */
			if (page && model[page - 1].memory && rnd(2))
				host = model[page - 1].host + 1;
			if (host + count > 2 * PAGES)
				host = 0;
			assert_true(add(page, count, host, rights));
			for (unsigned i = 0; i < count; i++)
				model[page + i] = (struct model_page){ true, host + i, rights };
		}
		page += count;
	}
}

static void random_rights(void)
{
	u64 page = rnd(PAGES), count = 1 + rnd(rnd(3) ? 4 : 40);
	u8 rights = rnd(2) ? RIGHTS_ALL : (u8)rnd(16);
	u32 generation = slots.generation;
	unsigned nr = slots.nr;
	bool done = slots_set_rights(&slots, GPA(page * PAGE), count * PAGE, rights);

	assert_int_equal(slots.generation, generation + done);
	if (!model_range(page * PAGE, count * PAGE, 0, false)) {
		assert_false(done);
		return;
	}
	if (!done) {	/* memory, but too many slots: then it was close */
		assert_true(nr + 2 > SLOTS_MAX);
		return;
	}
	for (u64 i = page; i < page + count; i++)
		model[i].rights = rights;
}

static void random_copy(void)
{
	u8 buffer[6 * PAGE];
	u64 at = rnd(PAGES * PAGE), size = 1 + rnd(rnd(2) ? 16 : sizeof(buffer)), way = rnd(3);
	u8 needed = way == 0 ? RIGHT_R : way == 1 ? RIGHT_W : 0;
	bool done;

	for (u64 i = 0; i < size; i++)
		buffer[i] = (u8)rnd(256);
	if (way == 0)
		done = slots_read(&slots, GPA(at), buffer, size);
	else if (way == 1)
		done = slots_write(&slots, GPA(at), buffer, size);
	else
		done = slots_write_any(&slots, GPA(at), buffer, size);
	assert_int_equal(done, model_range(at, size, needed, false));
	for (u64 i = at; done && i < at + size; i++) {
		u8 *byte = &expected[model[i / PAGE].host * PAGE + i % PAGE];

		if (way == 0)
			assert_int_equal(buffer[i - at], *byte);
		else
			*byte = buffer[i - at];
	}
}

static void random_pointer(void)
{
	u64 at = rnd(PAGES * PAGE), size = rnd(rnd(2) ? 64 : 5 * PAGE);
	u8 rights = (u8)rnd(16) & (u8)rnd(16);
	void *got = slots_pointer(&slots, GPA(at), size, rights);

	if (!size || !model_range(at, size, rights, true))
		assert_null(got);
	else
		assert_ptr_equal(got, host_memory + model[at / PAGE].host * PAGE + at % PAGE);
}

static void test_random_against_model(void **state)
{
	for (unsigned round = 0; round < 60; round++) {
		random_set_up();
		check_against_model();
		for (unsigned step = 0; step < 250; step++) {
			random_rights();
			check_against_model();
			random_copy();
			random_pointer();
		}
		assert_memory_equal(host_memory, expected, sizeof(expected));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_add_refuses, set_up),
		cmocka_unit_test_setup(test_full, set_up),
		cmocka_unit_test_setup(test_find_borders, set_up),
		cmocka_unit_test_setup(test_rights_split_and_join, set_up),
		cmocka_unit_test_setup(test_no_join_across_hosts, set_up),
		cmocka_unit_test_setup(test_rights_at_the_limit, set_up),
		cmocka_unit_test_setup(test_copy_is_all_or_nothing, set_up),
		cmocka_unit_test_setup(test_random_against_model, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
