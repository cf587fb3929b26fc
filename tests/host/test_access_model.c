/* SPDX-License-Identifier: MIT */
/*
 * The walker against the model that the guests `access*` carry (guests/lib/access_model.c), over
 * random entries in every paging mode: what those kernels expect of a CPU is what the walker does,
 * 5 levels and CPUs without 1 GiB pages included.
 */
#include "mm/pagewalk/pagewalk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guests/lib/access_model.c"
#include "include/x86/cr.h"
#include "tests/host/random.h"

#define CASES	2000000u
#define TABLE(level) ((level) * 0x1000ull)	/* whose first entry is the only one used */

static u64 seed = 88172645463325252ull;
static struct access_mode mode;
static u64 entry[6];			/* in memory: by level */
static u32 pkru;

static u64 next_random(void)
{
	return xorshift(&seed);
}

static bool one_in(unsigned n)
{
	return next_random() % n == 0;
}

static u64 op_root(void *ctx)
{
	return TABLE(mode.levels);
}

static u64 op_pdptr(void *ctx, unsigned index)
{
	return entry[3];
}

static u32 op_pkru(void *ctx)
{
	return pkru;
}

static bool op_read(void *ctx, gpa_t at, unsigned bytes, u64 *value)
{
	assert_true(at.v >= TABLE(1) && at.v <= TABLE(5) && !(at.v & 0xfff));
	*value = entry[at.v >> 12];
	return true;
}

static enum walk_exchange op_exchange(void *ctx, gpa_t at, unsigned bytes, u64 old, u64 new)
{
	assert_true(entry[at.v >> 12] == old);
	entry[at.v >> 12] = new;
	return EXCHANGE_DONE;
}

static void random_mode(void)
{
	static const u8 widths[] = { 36, 40, 46, 52 };
	u64 r = next_random() >> 8;

	mode = (struct access_mode){
		.levels = 2 + r % 4, .maxphyaddr = widths[r >> 8 & 3], .wp = r >> 10 & 1,
		.smep = r >> 11 & 1, .smap = r >> 12 & 1, .pke = r >> 13 & 1, .nxe = r >> 14 & 1,
		.pse = r >> 15 & 1, .gib = r >> 16 & 1,
	};
}

static u32 mode_word(void)
{
	u64 cr0 = CR0_PE | CR0_PG | (mode.wp ? CR0_WP : 0);
	u64 cr4 = (mode.smep ? CR4_SMEP : 0) | (mode.smap ? CR4_SMAP : 0) |
		  (mode.pke ? CR4_PKE : 0) | (mode.pse ? CR4_PSE : 0) |
		  (mode.levels > 2 ? CR4_PAE : 0) | (mode.levels > 4 ? CR4_LA57 : 0);
	u64 efer = (mode.nxe ? EFER_NXE : 0) | (mode.levels > 3 ? EFER_LME | EFER_LMA : 0);

	return fmt_mode_cpu(cr0, cr4, efer, FMT_MAXPHYADDR(mode.maxphyaddr) | FMT_PSE36 |
			    (mode.gib ? FMT_GIB : 0));
}

/* Flags that often let the walk go on; the address is that of the next table, or of a page. */
static void random_path(void)
{
	unsigned free = mode.maxphyaddr;	/* bits from there on are in no address */

	for (unsigned level = 1; level <= mode.levels; level++) {
		u64 e = AM_P | AM_W | AM_U | TABLE(level - 1);

		e ^= next_random() & next_random() & next_random() & 0xe7f;
		if (one_in(4))
			e ^= AM_PS;
		if (access_is_leaf(&mode, level, e | AM_P))
			e = (e & 0xfff) | (one_in(6) ? next_random() & 0x3fff000 : 0);
		if (mode.levels > 2) {
			e |= one_in(6) ? AM_XD : 0;
			e |= one_in(8) ? 1ull << (free + next_random() % (63 - free)) : 0;
			e |= (next_random() & 1) << 59;
		}
		entry[level] = mode.levels == 2 ? (u32)e : e;
	}
	if (mode.levels == 3)
		entry[3] = AM_P | TABLE(2);
}

static unsigned random_access(struct access *a)
{
	u64 r = next_random() >> 8;

	*a = (struct access){ .write = r & 1, .ac = r >> 3 & 1 };
	a->fetch = !a->write && (r & 2);
	a->implicit = !a->fetch && !(r >> 4 & 3);
	a->user = !a->implicit && (r & 4);
	a->pkru = pkru = (u32)next_random() & (u32)next_random();
	return (a->write ? ACCESS_WRITE : 0) | (a->fetch ? ACCESS_FETCH : 0) |
	       (a->user ? ACCESS_USER : 0) | (a->implicit ? ACCESS_IMPLICIT : 0) |
	       (a->ac ? ACCESS_AC : 0);
}

static u64 nr_ok, nr_faults;

static void one_case(struct pagewalk *w)
{
	struct access_path path = { { 0 } }, before;
	struct access a;
	struct walk_result r;
	struct access_result expected;
	enum walk_status status;
	unsigned access = random_access(&a);

	random_path();
	for (unsigned level = 1; level <= mode.levels; level++)
		path.entry[level] = entry[level];
	before = path;
	expected = access_model(&mode, &a, &path);
	status = walk_translate(w, 0, access, &r);
	if (status != (expected.faults ? WALK_PAGE_FAULT : WALK_OK) ||
	    (expected.faults && (r.fault.error != expected.error ||
				 r.fault.level != expected.level)))
		fail_msg("mode %08x access %x: %d %x, expected %d %x; entries %llx %llx %llx",
			 w->format->mode, access, status, r.fault.error, expected.faults,
			 expected.error, (unsigned long long)before.entry[3],
			 (unsigned long long)before.entry[2], (unsigned long long)before.entry[1]);
	/* what the manual leaves open, the walker leaves alone */
	for (unsigned level = 1; level <= mode.levels; level++)
		assert_int_equal(entry[level], path.entry[level]);
	nr_faults += expected.faults;
	nr_ok += !expected.faults;
}

static void test_walker_does_as_the_model(void **state)
{
	static const struct walk_ops ops = { op_root, op_pdptr, op_pkru, op_read, op_exchange };
	static struct page_format format;
	struct pagewalk w = { .format = &format, .ops = &ops };

	for (unsigned i = 0; i < CASES; i++) {
		if (i % 100 == 0) {
			random_mode();
			fmt_compile(&format, mode_word());
		}
		one_case(&w);
	}
	print_message("%llu accesses go, %llu fault\n", (unsigned long long)nr_ok,
		      (unsigned long long)nr_faults);
	assert_true(nr_ok > CASES / 10 && nr_faults > CASES / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_walker_does_as_the_model) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
