/* SPDX-License-Identifier: MIT */
/*
 * mm/pagewalk: the walker against a slow recursive oracle on random tables, in every format and
 * pair of stages; then each rule by itself: reserved bits, error codes, PDPTRs, single fetch, lost
 * races.
 */
#include "mm/pagewalk/pagewalk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "tests/host/model_walk.c"
#include "tests/host/model_tables.c"

/* --- The walker against the oracle --- */

static unsigned bits_of(struct model_grant g)
{
	return g.r * RIGHT_R | g.w * RIGHT_W | g.xs * RIGHT_XS | g.xu * RIGHT_XU | g.u * RIGHT_U;
}

/* Fails where they differ, and says what made the walk. */
#define SAME(a, b) do { \
	if ((u64)(a) != (u64)(b)) \
		fail_msg(#a " = %llx, expected %llx: modes %08x %08x address %llx access %x", \
			 (unsigned long long)(a), (unsigned long long)(b), stage[0].f.mode, \
			 nr_stages > 1 ? stage[1].f.mode : 0, (unsigned long long)address, flags); \
} while (0)

static void compare_ok(const struct walk_result *r, const struct outcome *o, u64 address,
		       unsigned flags)
{
	SAME(r->gpa.v, o->gpa);
	SAME(r->output, o->output);
	SAME(r->level, o->level);
	SAME(r->page_shift, o->shift);
	SAME(r->pkey, o->key);
	SAME(r->dirty, o->dirty);
	SAME(r->rights, bits_of(o->g));
	SAME(r->next_rights, bits_of(o->next_g));
	SAME(r->staged, nr_stages > 1);
	SAME(r->nr_steps, top_path.nr);
	for (unsigned i = 0; i < r->nr_steps; i++) {
		SAME(r->step[i].address, top_path.v[i].address);
		SAME(r->step[i].at.v, top_path.v[i].at);
		if (!repeated)
			SAME(r->step[i].entry, top_path.v[i].entry);
	}
}

static void compare_fault(const struct walk_result *r, const struct outcome *o, u64 address,
			  unsigned flags)
{
	SAME(r->fault.stage == &stage[1].w, o->fault_stage);
	SAME(r->fault.address, o->fault_address);
	SAME(r->fault.error, o->error);
	if (o->status == WALK_NOT_MEMORY)
		return;
	SAME(r->fault.final, o->final);
	SAME(r->fault.level, o->fault_level);
	/* an entry of NPT that isn't present, or has reserved bits, says nothing of rights */
	if (o->status == WALK_NESTED_FAULT && (stage[o->fault_stage].f.ept || (o->error & 9) == 1))
		SAME(r->fault.rights, bits_of(o->g));
}

/* Memory holds just the flags that it should. */
static void compare_memory(u64 address, unsigned flags)
{
	for (unsigned i = 0; i < nr_writes; i++) {
		u64 now = load(write_log[i].at, write_log[i].bytes), expected = write_log[i].old;
		unsigned first = 0;

		while (write_log[first].at != write_log[i].at)
			first++;
		expected = write_log[first].old;
		for (unsigned j = 0; j < nr_overlay; j++)
			if (memory_at(overlay[j].at) == write_log[i].at)
				expected |= overlay[j].set;
		SAME(now, expected);
	}
	for (unsigned j = 0; j < nr_overlay; j++)
		SAME(load(memory_at(overlay[j].at), overlay[j].bytes) & overlay[j].set,
		     overlay[j].set);
}

static void undo_writes(void)
{
	while (nr_writes) {
		nr_writes--;
		memcpy(write_log[nr_writes].at, &write_log[nr_writes].old,
		       write_log[nr_writes].bytes);
	}
}

/*
 * Another CPU that writes something else over each entry of the first stage as soon as it was read,
 * and puts it back before an entry is exchanged: whoever reads one twice, sees that.
 */
static struct { u8 *at; unsigned bytes; u64 was; } flipped[64];
static unsigned nr_flipped;
static u64 flips, flipped_walks;

static void flip(void *ctx, u8 *at, unsigned bytes)
{
	u64 other = next_random();

	if (ctx != &stage[0])
		return;
	assert_in_range(nr_flipped, 0, ARRAY_SIZE(flipped) - 1);
	flipped[nr_flipped].at = at;
	flipped[nr_flipped].bytes = bytes;
	flipped[nr_flipped++].was = load(at, bytes);
	memcpy(at, &other, bytes);
	flips++;
}

static void flip_back(void)
{
	while (nr_flipped) {
		nr_flipped--;
		memcpy(flipped[nr_flipped].at, &flipped[nr_flipped].was,
		       flipped[nr_flipped].bytes);
	}
}

/* Only where the tables don't ask for a second look: one entry at two levels, or in two stages. */
static void choose_flips(void)
{
	bool twice = mixed || repeated;

	for (unsigned i = 0; i < top_path.nr; i++)
		for (unsigned j = 0; j < i; j++)
			twice |= memory_at(top_path.v[i].at) == memory_at(top_path.v[j].at);
	if (twice || !one_in(2))
		return;
	after_read = flip;
	before_exchange = flip_back;
	flipped_walks++;
}

static u64 walks, outcomes[WALK_RETRY + 1], skipped;

static void random_walk(void)
{
	struct walk_result r;
	struct outcome o;
	unsigned flags;
	struct tried t = random_access(&flags);
	u64 address = random_address();

	random_roots();
	forget_logs();
	nr_overlay = oracle_reads = 0;
	mixed = repeated = false;
	oracle(0, address, t, &o);
	lose_at = one_in(6) ? 1 + next_random() % 4 : 0;
	choose_flips();
	memset(&r, 0xa5, sizeof(r));
	walks++;
	if (mixed) {
		walk_translate(&stage[0].w, address, flags, &r);
		skipped++;
	} else {
		SAME(walk_translate(&stage[0].w, address, flags, &r), o.status);
		flip_back();
		outcomes[o.status]++;
		if (o.status == WALK_OK)
			compare_ok(&r, &o, address, flags);
		else if (o.status != WALK_NOT_CANONICAL)
			compare_fault(&r, &o, address, flags);
		compare_memory(address, flags);
		/* each entry is read once a pass, so as often as by the oracle, if there was one
		 * pass */
		if (!repeated && (!lose_at || exchanges < lose_at))
			SAME(reads, oracle_reads);
	}
	undo_writes();
}

static void test_against_oracle(void **state)
{
	static const char *const names[] = { "ok", "#PF", "nested", "not canonical", "no memory" };
	const char *wanted = getenv("WALKS");
	u64 limit = wanted ? strtoull(wanted, NULL, 0) : 400000;

	while (walks < limit) {
		random_world();
		for (unsigned i = 0; i < 500; i++)
			random_walk();
	}
	hole = PAGES;
	print_message("%llu walks: ", (unsigned long long)walks);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		print_message("%llu %s, ", (unsigned long long)outcomes[i], names[i]);
	print_message("%llu without comparison\n", (unsigned long long)skipped);
	printf("figure R16-walks: %llu walks with each entry changed as soon as it was read\n",
	       (unsigned long long)flipped_walks);
	assert_true(flipped_walks > limit / 10 && flips > flipped_walks);
	for (unsigned s = WALK_OK; s <= WALK_NOT_MEMORY; s++)
		assert_true(outcomes[s] > limit / 200);
	assert_true(outcomes[WALK_OK] > limit / 10);
	assert_true(skipped < limit / 10);
}

/* --- One rule at a time --- */

/* Stage s maps `address` by tables in pages first, first + 1, … with these leaf bits; returns
 * where the entry of `level` is. */
static u64 build_path(unsigned s, unsigned first, u64 address, unsigned leaf_level, u64 leaf,
		      unsigned level)
{
	const struct model *m = &stage[s].m;
	unsigned bytes = m->kind == M_32 ? 4 : 8, page = first, bits = m->mbec ? 0x407 : 7;
	u64 found = 0;

	stage[s].root = (u64)first << 12;
	for (unsigned l = m_levels(m); l >= leaf_level; l--, page++) {
		u64 index = address >> m_shift(m, l) & (m->kind == M_32 ? 1023 : 511);
		u64 at = ((u64)page << 12) + index * bytes;
		bool bare = m->kind == M_PAE && l == 3;

		store(at, bytes, l == leaf_level ? leaf : (u64)(page + 1) << 12 |
		      (bare ? 1 : bits));
		if (bare)
			for (unsigned i = 0; i < 4; i++)
				stage[s].pdptr[i] = (u64)(page + 1) << 12 | 1;
		if (l == level)
			found = at;
	}
	return found;
}

static void clear_world(void)
{
	memset(memory, 0, sizeof(memory));
	memset(stage, 0, sizeof(stage));
	hole = PAGES;
	forget_logs();
}

struct reserved_row { struct model m; unsigned level, leaf_level; u64 mask; };

/* The reserved bits with MAXPHYADDR = 40, typed from the tables of the manuals. */
static const struct reserved_row reserved_rows[] = {
	{ { .kind = M_32 }, 2, 1, 0 },
	{ { .kind = M_32 }, 1, 1, 0 },
	{ { .kind = M_32, .pse = true }, 2, 2, 0x003fe000 },
	{ { .kind = M_32, .pse = true, .pse36 = true }, 2, 2, 0x00200000 },
	{ { .kind = M_PAE, .npt = true, .nxe = true }, 3, 1, 0xffffff00000001e6 },
	{ { .kind = M_PAE }, 2, 1, 0xffffff0000000000 },
	{ { .kind = M_PAE, .nxe = true }, 2, 1, 0x7fffff0000000000 },
	{ { .kind = M_PAE, .nxe = true }, 2, 2, 0x7fffff00001fe000 },
	{ { .kind = M_PAE, .nxe = true }, 1, 1, 0x7fffff0000000000 },
	{ { .kind = M_LONG4 }, 4, 1, 0x800fff0000000080 },
	{ { .kind = M_LONG4, .nxe = true }, 4, 1, 0x000fff0000000080 },
	{ { .kind = M_LONG4, .nxe = true, .bit8 = true }, 4, 1, 0x000fff0000000180 },
	{ { .kind = M_LONG4, .nxe = true, .bit8 = true }, 3, 1, 0x000fff0000000080 },
	{ { .kind = M_LONG4, .nxe = true, .gib = true }, 3, 3, 0x000fff003fffe000 },
	{ { .kind = M_LONG4, .nxe = true }, 2, 2, 0x000fff00001fe000 },
	{ { .kind = M_LONG4, .nxe = true }, 1, 1, 0x000fff0000000000 },
	{ { .kind = M_LONG5, .nxe = true }, 5, 1, 0x000fff0000000080 },
	{ { .kind = M_LONG5, .bit8 = true }, 5, 1, 0x800fff0000000180 },
	{ { .kind = M_LONG5, .nxe = true, .npt = true }, 4, 1, 0x000fff0000000080 },
	{ { .kind = M_EPT4 }, 4, 1, 0x000fff00000000f8 },
	{ { .kind = M_EPT4, .gib = true }, 3, 3, 0x000fff003ffff000 },
	{ { .kind = M_EPT4 }, 3, 1, 0x000fff00000000f8 },
	{ { .kind = M_EPT4, .ept_2m = true }, 2, 2, 0x000fff00001ff000 },
	{ { .kind = M_EPT4 }, 2, 1, 0x000fff00000000f8 },
	{ { .kind = M_EPT5, .ad = true, .mbec = true }, 5, 1, 0x000fff00000000f8 },
	{ { .kind = M_EPT5 }, 1, 1, 0x000fff0000000000 },
};

/* Every single bit of every kind of entry: a fault with RSVD for the reserved ones, and never
 * else. */
static void test_each_reserved_bit(void **state)
{
	for (unsigned n = 0; n < ARRAY_SIZE(reserved_rows); n++) {
		struct reserved_row row = reserved_rows[n];
		unsigned bytes = row.m.kind == M_32 ? 4 : 8;
		unsigned flags = ACCESS_USER, ps = row.leaf_level > 1 ? 0x80 : 0;
		struct walk_result r;
		u64 address = 0x40000123, at, e;

		clear_world();
		row.m.maxphy = 40;
		set_stage(0, row.m);
		at = build_path(0, 8, address, row.leaf_level, 7 | ps, row.level);
		e = load(memory_at(at), bytes);
		SAME(walk_translate(&stage[0].w, address, flags, &r), WALK_OK);
		for (unsigned bit = 0; bit < bytes * 8; bit++) {
			/* not the present bits, the address, or the rights of EPT: other tests' */
			bool other = bit == 0 || (row.mask >> bit & 1 ? false : bit < 3 ||
						  bit == 7 ||
						  (bit >= 12 && bit < 40) || bit == 63 ||
						  (m_is_ept(&row.m) && (bit < 6 || bit == 10)));

			if (other)
				continue;
			store(at, bytes, e ^ 1ull << bit);
			if (row.mask >> bit & 1) {
				SAME(walk_translate(&stage[0].w, address, flags, &r),
				     stage[0].f.nested ? WALK_NESTED_FAULT : WALK_PAGE_FAULT);
				SAME(r.fault.error, PF_ERR_P | PF_ERR_RSVD | PF_ERR_U);
				SAME(r.fault.level, row.level);
			} else {
				SAME(walk_translate(&stage[0].w, address, flags, &r), WALK_OK);
			}
		}
	}
}

static u32 error_of(u64 address, unsigned access)
{
	struct walk_result r;

	return walk_translate(&stage[0].w, address, access, &r) == WALK_OK ? 0 : r.fault.error;
}

/* Error codes by hand for a few situations that every kernel meets. */
static void test_error_codes(void **state)
{
	struct model m = { .kind = M_LONG4, .maxphy = 40, .nxe = true, .wp = true, .smep = true,
			   .smap = true, .pke = true };
	u64 at;

	clear_world();
	set_stage(0, m);
	at = build_path(0, 8, 0x1000, 1, 0x5000, 1);
	assert_int_equal(error_of(0x1000, ACCESS_WRITE | ACCESS_USER), 0x6);
	assert_int_equal(error_of(0x1000, ACCESS_FETCH), 0x10);
	store(at, 8, 0x5003);	/* a supervisor's page */
	assert_int_equal(error_of(0x1000, ACCESS_WRITE), 0);
	assert_int_equal(error_of(0x1000, ACCESS_USER), 0x5);
	assert_int_equal(error_of(0x1000, ACCESS_USER | ACCESS_FETCH), 0x15);
	store(at, 8, 0x5001);	/* read-only */
	assert_int_equal(error_of(0x1000, ACCESS_WRITE), 0x3);
	store(at, 8, 0x5007);	/* the user's: SMAP, SMEP */
	assert_int_equal(error_of(0x1000, ACCESS_READ), 0x1);
	assert_int_equal(error_of(0x1000, ACCESS_READ | ACCESS_AC), 0);
	assert_int_equal(error_of(0x1000, ACCESS_READ | ACCESS_AC | ACCESS_IMPLICIT), 0x1);
	assert_int_equal(error_of(0x1000, ACCESS_FETCH | ACCESS_AC), 0x11);
	assert_int_equal(error_of(0x1000, ACCESS_FETCH | ACCESS_USER), 0);
	store(at, 8, 0x8000000000005007);	/* not executable */
	assert_int_equal(error_of(0x1000, ACCESS_FETCH | ACCESS_USER), 0x15);
	store(at, 8, 0x1000000000005007);	/* key 2 */
	stage[0].pkru = 1u << 4;
	assert_int_equal(error_of(0x1000, ACCESS_USER), 0x25);
	assert_int_equal(error_of(0x1000, ACCESS_USER | ACCESS_FETCH), 0);
	stage[0].pkru = 2u << 4;
	assert_int_equal(error_of(0x1000, ACCESS_USER), 0);
	assert_int_equal(error_of(0x1000, ACCESS_USER | ACCESS_WRITE), 0x27);
	/* without NX and SMEP nobody learns that it was a fetch */
	m = (struct model){ .kind = M_LONG4, .maxphy = 40 };
	set_stage(0, m);
	build_path(0, 8, 0x1000, 1, 0x5000, 1);
	assert_int_equal(error_of(0x1000, ACCESS_FETCH), 0);
	assert_int_equal(error_of(0x1000, ACCESS_FETCH | ACCESS_USER), 0x4);
}

static void test_canonical(void **state)
{
	static const struct {
		enum model_kind kind;
		u64 address;
		enum walk_status status;
	} rows[] = {
		{ M_LONG4, 0x00007fffffffffff, WALK_PAGE_FAULT },
		{ M_LONG4, 0x0000800000000000, WALK_NOT_CANONICAL },
		{ M_LONG4, 0xffff7fffffffffff, WALK_NOT_CANONICAL },
		{ M_LONG4, 0xffff800000000000, WALK_PAGE_FAULT },
		{ M_LONG4, 0x8000000000000000, WALK_NOT_CANONICAL },
		{ M_LONG5, 0x0000800000000000, WALK_PAGE_FAULT },
		{ M_LONG5, 0x00ffffffffffffff, WALK_PAGE_FAULT },
		{ M_LONG5, 0x0100000000000000, WALK_NOT_CANONICAL },
		{ M_LONG5, 0xff00000000000000, WALK_PAGE_FAULT },
		{ M_LONG5, 0xfeffffffffffffff, WALK_NOT_CANONICAL },
		{ M_PAE, 0xffffffff00000000, WALK_PAGE_FAULT },
		{ M_EPT4, 0x0000800000000000, WALK_NESTED_FAULT },
		{ M_EPT4, 0x0001000000000000, WALK_NESTED_FAULT },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct walk_result r;

		clear_world();
		set_stage(0, (struct model){ .kind = rows[i].kind, .maxphy = 52 });
		assert_int_equal(walk_translate(&stage[0].w, rows[i].address, 0, &r),
				 rows[i].status);
	}
	assert_int_equal(reads, 0);	/* more bits than EPT translates: no table is looked at */
}

/* 40-bit addresses from 32-bit tables. */
static void test_pse36(void **state)
{
	struct walk_result r;

	clear_world();
	set_stage(0, (struct model){ .kind = M_32, .maxphy = 40, .pse = true, .pse36 = true });
	build_path(0, 8, 0xfec12345, 2, 0x80400087 | 0xa5 << 13, 2);
	assert_int_equal(walk_translate(&stage[0].w, 0xfec12345, ACCESS_WRITE, &r), WALK_OK);
	assert_int_equal(r.gpa.v, 0xa580412345);
	assert_int_equal(r.page_shift, 22);
}

static void set_two_stages(struct model first, struct model second)
{
	clear_world();
	first.maxphy = second.maxphy = 40;
	set_stage(0, first);
	set_stage(1, second);
}

/* Identity map of the first GiB in stage 1, 4 KiB pages of the first 2 MiB, in pages 40 and up. */
static u64 identity_entry(unsigned page)
{
	return (40ull + m_levels(&stage[1].m) - 1) * 4096 + page * 8ull;
}

static void build_identity(u64 leaf_bits)
{
	build_path(1, 40, 0, 1, leaf_bits, 1);
	for (unsigned page = 0; page < 64; page++)
		store(identity_entry(page), 8, (u64)page << 12 | leaf_bits);
}

/* Which access the next stage refuses, and how it says so: tables and final, EPT and NPT. */
static void test_nested_faults(void **state)
{
	struct model guest = { .kind = M_LONG4, .nxe = true };
	struct walk_result r;

	/* NPT: the reading of a table is a write of user mode */
	set_two_stages(guest, (struct model){ .kind = M_LONG4, .npt = true, .nxe = true });
	build_identity(7);
	build_path(0, 8, 0x1000, 1, 0x5007, 1);
	assert_int_equal(walk_translate(&stage[0].w, 0x1234, ACCESS_FETCH, &r), WALK_OK);
	assert_int_equal(r.gpa.v, 0x5234);
	store(identity_entry(9), 8, 0x9005);
	assert_int_equal(walk_translate(&stage[0].w, 0x1234, ACCESS_FETCH, &r), WALK_NESTED_FAULT);
	assert_int_equal(r.fault.error, PF_ERR_P | PF_ERR_W | PF_ERR_U);
	assert_int_equal(r.fault.address, 0x9000);
	assert_false(r.fault.final);
	assert_ptr_equal(r.fault.stage, &stage[1].w);
	store(identity_entry(9), 8, 0x9007);
	store(identity_entry(5), 8, 0x8000000000005007);
	assert_int_equal(walk_translate(&stage[0].w, 0x1234, ACCESS_FETCH, &r), WALK_NESTED_FAULT);
	assert_int_equal(r.fault.error, PF_ERR_P | PF_ERR_I | PF_ERR_U);
	assert_int_equal(r.fault.address, 0x5234);
	assert_true(r.fault.final);

	/* EPT without accessed flags: a read, until the guest's own accessed flag is to be set */
	set_two_stages(guest, (struct model){ .kind = M_EPT4 });
	build_identity(7);
	build_path(0, 8, 0x1000, 1, 0x5007, 1);
	store(identity_entry(9), 8, 0x9005);
	assert_int_equal(walk_translate(&stage[0].w, 0x1234, WALK_PEEK, &r), WALK_OK);
	assert_int_equal(walk_translate(&stage[0].w, 0x1234, 0, &r), WALK_NESTED_FAULT);
	assert_int_equal(r.fault.address, 0x9000);
	assert_int_equal(r.fault.error & ~PF_ERR_U, PF_ERR_P | PF_ERR_W);
	assert_false(r.fault.final);
	assert_int_equal(nr_writes, 0);		/* not even page 8's flag was set */
	assert_int_equal(r.fault.rights & RIGHTS_ALL, RIGHT_R | RIGHT_XS | RIGHT_XU);

	/* with them: a write */
	set_two_stages(guest, (struct model){ .kind = M_EPT4, .ad = true });
	build_identity(7);
	build_path(0, 8, 0x1000, 1, 0x5007, 1);
	store(identity_entry(9), 8, 0x9005);
	assert_int_equal(walk_translate(&stage[0].w, 0x1234, WALK_PEEK, &r), WALK_NESTED_FAULT);
	assert_int_equal(r.fault.error & ~PF_ERR_U, PF_ERR_P | PF_ERR_W);

	/* mode-based execute control goes by the address's mode, not by who fetches */
	set_two_stages(guest, (struct model){ .kind = M_EPT4, .mbec = true });
	build_identity(0x407);
	build_path(0, 8, 0x1000, 1, 0x5007, 1);
	store(identity_entry(5), 8, 0x5003 | 0x400);
	assert_int_equal(walk_translate(&stage[0].w, 0x1234, ACCESS_FETCH, &r), WALK_OK);
	store(identity_entry(5), 8, 0x5007);
	assert_int_equal(walk_translate(&stage[0].w, 0x1234, ACCESS_FETCH, &r), WALK_NESTED_FAULT);
	assert_int_equal(r.fault.error, PF_ERR_P | PF_ERR_I | PF_ERR_U);
	assert_int_equal(r.fault.rights & RIGHTS_ALL, RIGHT_R | RIGHT_W | RIGHT_XS);

	/* misconfigured: writable, not readable */
	store(identity_entry(5), 8, 0x5002);
	assert_int_equal(walk_translate(&stage[0].w, 0x1234, 0, &r), WALK_NESTED_FAULT);
	assert_int_equal(r.fault.error & PF_ERR_RSVD, PF_ERR_RSVD);
}

static void test_load_pdptrs(void **state)
{
	struct page_format pae;
	struct walk_result r;
	u64 pdptr[4] = { 1, 2, 3, 4 };

	clear_world();
	set_stage(0, (struct model){ .kind = M_NONE, .maxphy = 40 });
	fmt_compile(&pae, FMT_PAE | FMT_NX | FMT_MAXPHYADDR(40));
	for (unsigned i = 0; i < 4; i++)
		store(0x3fe0 + 8 * i, 8, 0x1000 * i + 0x1e18 + (i != 2));
	/* reserved bits count only in entries that are present */
	for (unsigned bit = 1; bit < 64; bit++) {
		bool reserved = 0xffffff00000001e6 >> bit & 1;

		store(0x3fe8, 8, 0x1001ull | 1ull << bit);
		store(0x3ff0, 8, 1ull << bit);
		pdptr[1] = 0x77;
		assert_int_equal(walk_load_pdptrs(&stage[0].w, &pae, 0x3ff8, pdptr, &r),
				 reserved ? WALK_BAD_PDPTE : WALK_OK);
		assert_int_equal(pdptr[1], reserved ? 0x77 : 0x1001ull | 1ull << bit);
	}
	forget_logs();
	store(0x3fe8, 8, 1);
	assert_int_equal(walk_load_pdptrs(&stage[0].w, &pae, 0xfffffff000003fe0, pdptr, &r),
			 WALK_OK);
	assert_int_equal(reads, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(read_log[i].at.v, 0x3fe0 + 8 * i);
	hole = 3;
	assert_int_equal(walk_load_pdptrs(&stage[0].w, &pae, 0x3fe0, pdptr, &r), WALK_NOT_MEMORY);
	assert_int_equal(r.fault.address, 0x3fe0);

	/* through EPT: a read, though tables count as written */
	set_two_stages((struct model){ .kind = M_PAE }, (struct model){ .kind = M_EPT4,
									.ad = true });
	build_identity(5);
	store(0x3000, 8, 0x7001);
	assert_int_equal(walk_load_pdptrs(&stage[0].w, &pae, 0x3000, pdptr, &r), WALK_OK);
	assert_int_equal(pdptr[0], 0x7001);
	store(identity_entry(3), 8, 0);
	assert_int_equal(walk_load_pdptrs(&stage[0].w, &pae, 0x3000, pdptr, &r), WALK_NESTED_FAULT);
	assert_int_equal(r.fault.address, 0x3000);
	assert_false(r.fault.final);
}

/* PDPTEs in the CPU stay in force whatever memory says; on nested paging of AMD memory counts. */
static void test_pdptrs_are_cpu_state(void **state)
{
	struct walk_result r;

	clear_world();
	set_stage(0, (struct model){ .kind = M_PAE, .maxphy = 40 });
	build_path(0, 8, 0x80001000, 1, 0x5007, 1);
	store(0x8000 + 2 * 8, 8, 0);
	assert_int_equal(walk_translate(&stage[0].w, 0x80001000, 0, &r), WALK_OK);
	assert_int_equal(r.nr_steps, 2);
	stage[0].w.pdptr_in_memory = true;
	assert_int_equal(walk_translate(&stage[0].w, 0x80001000, 0, &r), WALK_PAGE_FAULT);
	assert_int_equal(r.fault.error, 0);
	store(0x8000 + 2 * 8, 8, 0x9003);
	assert_int_equal(walk_translate(&stage[0].w, 0x80001000, 0, &r), WALK_PAGE_FAULT);
	assert_int_equal(r.fault.error, PF_ERR_P | PF_ERR_RSVD);
	store(0x8000 + 2 * 8, 8, 0x9021);	/* as TCG marks it */
	assert_int_equal(walk_translate(&stage[0].w, 0x80001000, 0, &r), WALK_OK);
	store(0x8000 + 2 * 8, 8, 0x9041);
	assert_int_equal(walk_translate(&stage[0].w, 0x80001000, 0, &r), WALK_PAGE_FAULT);
	assert_int_equal(r.fault.error, PF_ERR_P | PF_ERR_RSVD);
	store(0x8000 + 2 * 8, 8, 0x9001);
	assert_int_equal(walk_translate(&stage[0].w, 0x80001000, 0, &r), WALK_OK);
	assert_int_equal(r.nr_steps, 3);
	/* a PDPTE has no accessed flag */
	assert_int_equal(load(memory_at(0x8010), 8), 0x9001);
}

/* Each entry exactly once, and the leaf's neighbours never. */
static void test_single_fetch(void **state)
{
	static const enum model_kind kinds[] = { M_32, M_PAE, M_LONG4, M_LONG5, M_EPT4, M_EPT5 };

	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct walk_result r;
		unsigned in_memory;

		clear_world();
		set_stage(0, (struct model){ .kind = kinds[k], .maxphy = 40 });
		build_path(0, 8, 0x40201000, 1, 0x5007, 1);
		in_memory = kinds[k] == M_PAE ? 2 : m_levels(&stage[0].m);
		assert_int_equal(walk_translate(&stage[0].w, 0x40201000, ACCESS_USER, &r), WALK_OK);
		assert_int_equal(reads, in_memory);
		assert_int_equal(r.nr_steps, in_memory);
		for (unsigned i = 0; i < reads; i++) {
			assert_int_equal(read_log[i].at.v, r.step[i].at.v);
			assert_int_equal(read_log[i].bytes, kinds[k] == M_32 ? 4 : 8);
			for (unsigned j = 0; j < i; j++)
				assert_int_not_equal(read_log[i].at.v, read_log[j].at.v);
		}
	}
}

static u64 raced_entry;

static void another_cpu_unmaps(void)
{
	store(raced_entry, 8, 0);
}

static void another_cpu_sets_dirty(void)
{
	store(raced_entry, 8, load(memory_at(raced_entry), 8) | 0x60);
}

static void another_cpu_counts(void)
{
	store(raced_entry, 8, load(memory_at(raced_entry), 8) + 0x0010000000000000);
}

static void test_lost_races(void **state)
{
	struct walk_result r;

	clear_world();
	set_stage(0, (struct model){ .kind = M_LONG4, .maxphy = 40 });
	raced_entry = build_path(0, 8, 0x1000, 1, 0x5007, 1);
	before_exchange = another_cpu_sets_dirty;
	assert_int_equal(walk_translate(&stage[0].w, 0x1000, ACCESS_WRITE, &r), WALK_OK);
	assert_int_equal(load(memory_at(raced_entry), 8), 0x5067);
	assert_true(r.dirty);

	/* unmapped under our hands: the walk sees it, and doesn't write the old entry back */
	store(raced_entry, 8, 0x5007);
	before_exchange = another_cpu_unmaps;
	assert_int_equal(walk_translate(&stage[0].w, 0x1000, ACCESS_WRITE, &r), WALK_PAGE_FAULT);
	assert_int_equal(r.fault.error, PF_ERR_W);
	assert_int_equal(load(memory_at(raced_entry), 8), 0);

	/* changed for ever: gives up after a bounded number of passes */
	store(raced_entry, 8, 0x5007);
	before_exchange = another_cpu_counts;
	reads = 0;
	assert_int_equal(walk_translate(&stage[0].w, 0x1000, ACCESS_WRITE, &r), WALK_RETRY);
	assert_in_range(reads, 8, 4 * 16);
	assert_int_equal(load(memory_at(raced_entry), 8) & 0x60, 0);

	/* and so does the walk of a stage before it */
	set_two_stages((struct model){ .kind = M_NONE },
		       (struct model){ .kind = M_LONG4, .npt = true });
	raced_entry = build_path(1, 8, 0x1000, 1, 0x5007, 1);
	before_exchange = another_cpu_counts;
	assert_int_equal(walk_translate(&stage[0].w, 0x1000, 0, &r), WALK_RETRY);
	assert_in_range(reads, 8, 4 * 16 * 16);
}

/* One table that is its own parent at all levels: flags settle although each write changes an
 * entry that was read before. */
static void test_table_that_maps_itself(void **state)
{
	struct walk_result r;

	clear_world();
	set_stage(0, (struct model){ .kind = M_LONG5, .maxphy = 40 });
	stage[0].root = 0x8000;
	store(0x8000, 8, 0x8007);
	assert_int_equal(walk_translate(&stage[0].w, 0x123, ACCESS_WRITE | ACCESS_USER, &r),
			 WALK_OK);
	assert_int_equal(load(memory_at(0x8000), 8), 0x8067);
	assert_int_equal(r.gpa.v, 0x8123);
}

/* Accessed and dirty flags, and who must not set any. */
static void test_flags(void **state)
{
	struct walk_result r;
	u64 leaf, table;

	clear_world();
	set_stage(0, (struct model){ .kind = M_LONG4, .maxphy = 40, .wp = true });
	table = build_path(0, 8, 0x1000, 1, 0x5005, 3);
	leaf = build_path(0, 8, 0x1000, 1, 0x5005, 1);
	walk_translate(&stage[0].w, 0x1000, ACCESS_WRITE, &r);
	assert_int_equal(nr_writes, 0);		/* refused: nothing is set */
	walk_translate(&stage[0].w, 0x1000, WALK_PEEK, &r);
	assert_int_equal(nr_writes, 0);
	assert_false(r.dirty);
	walk_translate(&stage[0].w, 0x1000, 0, &r);
	assert_int_equal(load(memory_at(leaf), 8), 0x5025);
	assert_int_equal(load(memory_at(table), 8), 0xa027);
	assert_false(r.dirty);
	store(leaf, 8, 0x5027);
	walk_translate(&stage[0].w, 0x1000, ACCESS_WRITE, &r);
	assert_int_equal(load(memory_at(leaf), 8), 0x5067);
	assert_int_equal(load(memory_at(table), 8), 0xa027);
	assert_true(r.dirty);

	/* the neighbour of a 4-byte entry stays what it is */
	clear_world();
	set_stage(0, (struct model){ .kind = M_32, .maxphy = 40 });
	leaf = build_path(0, 8, 0x2000, 1, 0x5007, 1);
	store(leaf - 4, 4, 0xdeadbeef);
	store(leaf + 4, 4, 0xfeedface);
	walk_translate(&stage[0].w, 0x2000, ACCESS_WRITE, &r);
	assert_int_equal(load(memory_at(leaf), 4), 0x5067);
	assert_int_equal(load(memory_at(leaf - 4), 4), 0xdeadbeef);
	assert_int_equal(load(memory_at(leaf + 4), 4), 0xfeedface);
}

static bool read_nothing_written(void *ctx, gpa_t at, unsigned bytes, u64 *value)
{
	return op_read(ctx, at, bytes, value);
}

static enum walk_exchange refuse_write(void *ctx, gpa_t at, unsigned bytes, u64 old, u64 new)
{
	return EXCHANGE_NOT_MEMORY;
}

static enum walk_exchange drop_write(void *ctx, gpa_t at, unsigned bytes, u64 old, u64 new)
{
	return EXCHANGE_DONE;
}

/* Tables where writing isn't possible: refused or dropped, as the memory says. */
static void test_tables_in_rom(void **state)
{
	struct walk_ops rom = { op_root, op_pdptr, op_pkru, read_nothing_written, refuse_write };
	struct walk_result r;

	clear_world();
	set_stage(0, (struct model){ .kind = M_LONG4, .maxphy = 40 });
	build_path(0, 8, 0x1000, 1, 0x5007, 1);
	stage[0].w.ops = &rom;
	assert_int_equal(walk_translate(&stage[0].w, 0x1000, 0, &r), WALK_NOT_MEMORY);
	assert_int_equal(r.fault.address, 0x8000);
	assert_int_equal(r.fault.error, PF_ERR_W);
	rom.exchange = drop_write;
	assert_int_equal(walk_translate(&stage[0].w, 0x1000, 0, &r), WALK_OK);
	assert_int_equal(load(memory_at(0x8000), 8), 0x9007);
}

static struct format_set set;

static void test_set_mode(void **state)
{
	struct pagewalk w = { 0 };
	u32 cpu = FMT_MAXPHYADDR(40);
	const struct page_format *before;

	fmt_set_init(&set);
	assert_true(walk_set_mode(&w, &set, CR0_PE, 0, 0, cpu));
	assert_int_equal(w.format->levels, 0);
	assert_true(walk_set_mode(&w, &set, CR0_PE | CR0_PG, CR4_PAE, EFER_LMA | EFER_NXE, cpu));
	assert_int_equal(w.format->levels, 4);
	assert_true(w.format->pkey == 0 && w.format->mode & FMT_NX);
	before = w.format;
	for (unsigned c = 0; c < 11 * 32; c++)
		fmt_find(&set, FMT_LONG4 | (c & 31) << 6 | FMT_MAXPHYADDR(41 + c / 32));
	assert_false(walk_set_mode(&w, &set, CR0_PE | CR0_PG, CR4_PAE | CR4_LA57, EFER_LMA, cpu));
	assert_ptr_equal(w.format, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_oracle),
		cmocka_unit_test(test_each_reserved_bit),
		cmocka_unit_test(test_error_codes),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_pse36),
		cmocka_unit_test(test_nested_faults),
		cmocka_unit_test(test_load_pdptrs),
		cmocka_unit_test(test_pdptrs_are_cpu_state),
		cmocka_unit_test(test_single_fetch),
		cmocka_unit_test(test_lost_races),
		cmocka_unit_test(test_table_that_maps_itself),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_tables_in_rom),
		cmocka_unit_test(test_set_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
