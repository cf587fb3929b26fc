/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's own page table: what host_table_map() builds is read back by a walker of this file,
 * written from the SDM's sentences ("4-Level Paging and 5-Level Paging"), and compared with a list of
 * what was asked for, page by page.
 */
#include "arch/x86/host_table.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define POOL_PAGES	256u
#define POOL_BASE	0x5000000ull

static u64 pool[POOL_PAGES][512] aligned_to(4096);
static unsigned pool_used, pool_limit;
static struct host_table t;

static hpa_t allocate(void *context)
{
	if (pool_used == pool_limit)
		return HPA(0);
	memset(pool[pool_used], 0, PAGE_SIZE);
	return HPA(POOL_BASE + PAGE_SIZE * pool_used++);
}

static u64 *pointer(void *context, hpa_t at)
{
	u64 page = (at.v - POOL_BASE) / PAGE_SIZE;

	if (at.v < POOL_BASE || at.v % PAGE_SIZE || page >= pool_used)
		fail_msg("no table is at %llx", (unsigned long long)at.v);
	return pool[page];
}

static int set_up(void **state)
{
	pool_used = 0;
	pool_limit = POOL_PAGES;
	t = (struct host_table){
		.has_nx = true, .has_1g = true, .allocate = allocate, .pointer = pointer,
	};
	t.root = allocate(NULL);
	return 0;
}

struct translation {
	bool present;
	u64 phys, size;
	bool writable, executable, user, global;
	unsigned pat;		/* index: PAT, PCD, PWT */
};

/* Bits 47:39, 38:30, 29:21 and 20:12 select an entry each; bit 7 (PS) of a PDPTE or PDE ends it. Rights
 * are those that all entries on the way grant. */
static struct translation walk(u64 virt)
{
	static const unsigned shift[] = { 39, 30, 21, 12 };
	struct translation r = { .writable = true, .executable = true, .user = true };
	u64 table = t.root.v;

	for (unsigned i = 0; i < 4; i++) {
		u64 entry = pointer(NULL, HPA(table))[(virt >> shift[i]) & 0x1ff];

		if (!(entry & 1))
			return (struct translation){ 0 };
		r.writable &= entry >> 1 & 1;
		r.user &= entry >> 2 & 1;
		r.executable &= !(entry >> 63);
		table = entry & 0x000ffffffffff000ull;
		if (i == 3 || (i > 0 && (entry & 0x80))) {
			u64 size = 1ull << shift[i];

			/* Reserved: the address bits below a large page's size, but bit 12 (PAT). */
			assert_int_equal(table & (size - 1), 0);
			r.present = true;
			r.size = size;
			r.phys = table + (virt & (size - 1));
			r.global = entry >> 8 & 1;
			r.pat = entry >> 3 & 3;
			return r;
		}
		assert_int_equal(entry & 0x98, 0);
	}
	return r;
}

static void check(u64 virt, u64 phys, u64 size, unsigned flags)
{
	struct translation r = walk(virt);

	assert_true(r.present && !r.user);
	assert_int_equal(r.phys, phys);
	if (size)
		assert_int_equal(r.size, size);
	assert_int_equal(r.writable, !!(flags & HOST_W));
	assert_int_equal(r.executable, !!(flags & HOST_X));
	assert_int_equal(r.pat, flags & HOST_UC ? 3 : flags & HOST_WC ? 1 : 0);
	assert_int_equal(r.global, !(flags & HOST_LOCAL));
}

#define V	0xffff800000000000ull

static void largest_pages(void **state)
{
	/* 1 MiB up to 3 GiB + 4 KiB: from 1 MiB to 2 MiB small, to 1 GiB large, 1 GiB twice, one small. */
	assert_true(host_table_map(&t, V + MIB(1), HPA(MIB(1)), GIB(3) - MIB(1) + 0x1000, HOST_W));
	check(V + MIB(1), MIB(1), 0x1000, HOST_W);
	check(V + MIB(2) - 1, MIB(2) - 1, 0x1000, HOST_W);
	check(V + MIB(2), MIB(2), MIB(2), HOST_W);
	check(V + GIB(1) - 1, GIB(1) - 1, MIB(2), HOST_W);
	check(V + GIB(1), GIB(1), GIB(1), HOST_W);
	check(V + GIB(3) - 1, GIB(3) - 1, GIB(1), HOST_W);
	check(V + GIB(3) + 0xfff, GIB(3) + 0xfff, 0x1000, HOST_W);
	assert_false(walk(V + MIB(1) - 1).present);
	assert_false(walk(V + GIB(3) + 0x1000).present);
	assert_false(walk(0).present);
	/* Root, PDPT, two PDs, two PTs. */
	assert_int_equal(pool_used, 6);
}

static void old_cpu(void **state)
{
	t.has_1g = false;
	t.has_nx = false;
	assert_true(host_table_map(&t, V, HPA(0), GIB(2), 0));
	check(V + GIB(1), GIB(1), MIB(2), HOST_X);
	assert_int_equal(pool_used, 4);
}

static void misaligned(void **state)
{
	assert_true(host_table_map(&t, V + 0x1000, HPA(0), MIB(8), HOST_X));
	check(V + MIB(4), MIB(4) - 0x1000, 0x1000, HOST_X);
}

static void replace_and_keep(void **state)
{
	hpa_t phys;

	assert_true(host_table_map(&t, V, HPA(0), GIB(2), HOST_W));
	assert_true(host_table_map(&t, V + MIB(2), HPA(MIB(2)), 0x3000, 0));
	check(V + MIB(2), MIB(2), 0x1000, 0);
	check(V + MIB(2) + 0x2fff, MIB(2) + 0x2fff, 0x1000, 0);
	check(V + MIB(2) + 0x3000, MIB(2) + 0x3000, 0x1000, HOST_W);
	check(V + MIB(4), MIB(4), MIB(2), HOST_W);
	check(V, 0, MIB(2), HOST_W);
	check(V + GIB(1), GIB(1), GIB(1), HOST_W);
	/* What is there stays, holes are filled; large or small. */
	assert_true(host_table_unmap(&t, V + MIB(6) + 0x5000));
	assert_false(walk(V + MIB(6) + 0x5000).present);
	check(V + MIB(6) + 0x6000, MIB(6) + 0x6000, 0x1000, HOST_W);
	assert_true(host_table_map(&t, V, HPA(0), GIB(3), HOST_UC | HOST_KEEP));
	check(V + MIB(2), MIB(2), 0x1000, 0);
	check(V + MIB(6) + 0x5000, MIB(6) + 0x5000, 0x1000, HOST_UC);
	check(V + MIB(6) + 0x6000, MIB(6) + 0x6000, 0x1000, HOST_W);
	check(V + GIB(1), GIB(1), GIB(1), HOST_W);
	check(V + GIB(2), GIB(2), GIB(1), HOST_UC);
	assert_true(host_table_lookup(&t, V + GIB(1) + 0x12345678, &phys));
	assert_int_equal(phys.v, GIB(1) + 0x12345678);
	assert_false(host_table_lookup(&t, V + GIB(3), &phys));
}

static void flags(void **state)
{
	static const unsigned each[] = { HOST_W, HOST_X, HOST_UC | HOST_W, HOST_WC, HOST_LOCAL | HOST_X };

	for (unsigned i = 0; i < ARRAY_SIZE(each); i++) {
		assert_true(host_table_map(&t, V + i * GIB(4), HPA(0), GIB(2) + 0x1000, each[i]));
		check(V + i * GIB(4), 0, GIB(1), each[i]);
		check(V + i * GIB(4) + GIB(2), GIB(2), 0x1000, each[i]);
		/* And when large pages are split. */
		assert_true(host_table_unmap(&t, V + i * GIB(4) + 0x3000));
		check(V + i * GIB(4) + 0x4000, 0x4000, 0x1000, each[i]);
		check(V + i * GIB(4) + MIB(2), MIB(2), MIB(2), each[i]);
	}
}

/* Random ranges over 8 MiB, one mapping over the other, against a list of pages. */
static void random_ranges(void **state)
{
	enum { PAGES = 2048 };
	static struct { bool present; u64 phys; unsigned flags; } want[PAGES];

	srand(2);
	for (unsigned round = 0; round < 200; round++) {
		set_up(NULL);
		memset(want, 0, sizeof(want));
		for (unsigned n = 0; n < 8; n++) {
			unsigned align = rand() % 2 ? 512 : 1;
			unsigned first = rand() % PAGES / align * align;
			unsigned wanted = (1 + rand() % 1500u) / align * align;
			unsigned count = MIN(wanted, PAGES - first);
			u64 phys = ((u64)rand() % 4096 / align * align) << 12;
			unsigned f = rand() % 16 | (rand() % 4 ? 0 : HOST_KEEP);

			f &= f & HOST_UC ? ~HOST_WC : ~0u;
			assert_true(host_table_map(&t, V + first * 4096ull, HPA(phys), count * 4096ull, f));
			for (unsigned i = 0; i < count; i++) {
				if ((f & HOST_KEEP) && want[first + i].present)
					continue;
				want[first + i].present = true;
				want[first + i].phys = phys + i * 4096ull;
				want[first + i].flags = f;
			}
		}
		for (unsigned i = 0; i < PAGES; i++) {
			if (want[i].present)
				check(V + i * 4096ull, want[i].phys, 0, want[i].flags);
			else
				assert_false(walk(V + i * 4096ull).present);
		}
	}
}

/* With any number of pages too few: a refusal, and what was mapped before still is. */
static void no_memory(void **state)
{
	for (unsigned left = 0;; left++) {
		bool done;

		set_up(NULL);
		assert_true(host_table_map(&t, V, HPA(0), GIB(1), HOST_W));
		pool_limit = pool_used + left;
		done = host_table_map(&t, V + MIB(5), HPA(MIB(5)), 0x1000, 0) &&
		       host_table_map(&t, V + GIB(600), HPA(0x1000), 0x1000, HOST_X);
		check(V + MIB(3), MIB(3), 0, HOST_W);
		check(V + MIB(5) + 0x1000, MIB(5) + 0x1000, 0, HOST_W);
		if (done) {
			assert_int_equal(left, 5);
			return;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(largest_pages, set_up),
		cmocka_unit_test_setup(old_cpu, set_up),
		cmocka_unit_test_setup(misaligned, set_up),
		cmocka_unit_test_setup(replace_and_keep, set_up),
		cmocka_unit_test_setup(flags, set_up),
		cmocka_unit_test_setup(random_ranges, set_up),
		cmocka_unit_test_setup(no_memory, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
