/* SPDX-License-Identifier: MIT */
/* mm/format compared with the model of the manuals' sentences, over all its inputs. */
#include "mm/format/format.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "include/x86/cr.h"
#include "tests/host/random.h"
#include "tests/host/model_paging.c"

static u64 random_state = 0x123456789abcdef1ull;

static u64 next_random(void)
{
	return xorshift(&random_state) * 0x2545f4914f6cdd1dull;
}

/* The same mode in both languages. */
static u32 mode_of(const struct model *m)
{
	static const u32 kind[] = { 0, 1, 2, 3, 4, 5, 6 };

	return kind[m->kind] | m->maxphy << 20 | (m->pse || m->ept_2m) << 3 | m->pse36 << 4 |
	       m->gib << 5 | m->nxe << 6 | m->wp << 7 | m->smep << 8 | m->smap << 9 | m->pke << 10 |
	       m->npt << 11 | m->xo << 12 | m->mbec << 13 | m->ad << 14 | m->bit8 << 15;
}

static unsigned grants(const struct model_entry *d)
{
	return d->r * RIGHT_R | d->w * RIGHT_W | d->xs * RIGHT_XS | d->xu * RIGHT_XU |
	       d->u * RIGHT_U;
}

static u64 compared, all_compared;

static void compare_entry(const struct page_format *f, const struct model *m, unsigned level, u64 e)
{
	struct model_entry d = m_decode(m, level, e);
	bool leaf, ok;

	compared++;
	ok = fmt_is_present(f, e) == d.present;
	if (ok && d.present) {
		leaf = fmt_is_leaf(f, e, level);
		/* where it is bad, whether it would be a leaf is of no interest */
		ok = fmt_is_reserved(f, e, leaf, level) == d.bad;
		if (ok && !d.bad)
			ok = leaf == d.leaf && fmt_rights(f, e, level) == grants(&d) &&
			     fmt_address(f, e, leaf, level) == d.address &&
			     fmt_accessed(f, level) == d.a && (!leaf || f->dirty == d.d) &&
			     (!leaf || fmt_pkey(f, e) == d.key);
	}
	if (!ok)
		fail_msg("mode %08x level %u entry %016llx: present %d leaf %d bad %d grants %x "
			 "address %llx", f->mode, level, (unsigned long long)e, d.present, d.leaf,
			 d.bad, grants(&d),
			 (unsigned long long)d.address);
}

/* Every pair of bits over each base, and random entries. */
static void compare_entries(const struct model *m, const u64 *bases, unsigned nr_bases)
{
	unsigned width = m->kind == M_32 ? 32 : 64;
	struct page_format f;

	fmt_compile(&f, mode_of(m));
	assert_int_equal(f.levels, m_levels(m));
	for (unsigned level = 1; level <= f.levels; level++) {
		for (unsigned b = 0; b < nr_bases; b++)
			for (unsigned i = 0; i < width; i++)
				for (unsigned j = i; j < width; j++)
					compare_entry(&f, m, level,
						      bases[b] ^ 1ull << i ^ 1ull << j);
		for (unsigned i = 0; i < 200; i++)
			compare_entry(&f, m, level, next_random() >> (64 - width));
	}
}

static void test_ordinary_entries(void **state)
{
	static const u64 bases[] = { 0x1, 0x81, 0x87 };
	struct model m;

	compared = 0;
	for (unsigned maxphy = 32; maxphy <= 52; maxphy++) {
		for (unsigned c = 0; c < 16; c++) {
			bool c0 = c & 1, c1 = c & 2, c2 = c & 4, c3 = c & 8;

			m = (struct model){ .kind = M_32, .maxphy = maxphy, .pse = c0,
					    .pse36 = c1, .npt = c2 };
			if (c < 8)
				compare_entries(&m, bases, 3);
			m = (struct model){ .kind = M_PAE, .maxphy = maxphy, .nxe = c0, .npt = c1 };
			if (c < 4)
				compare_entries(&m, bases, 3);
			m = (struct model){ .kind = M_LONG4 + c3, .maxphy = maxphy, .gib = c1,
					    .nxe = c0,
					    .pke = c2, .bit8 = next_random() & 1 };
			compare_entries(&m, bases, 3);
			m.bit8 = !m.bit8;
			compare_entries(&m, bases, 3);
		}
	}
	print_message("%llu ordinary entries compared\n", (unsigned long long)compared);
	all_compared += compared;
}

/* All controls, all widths; also every value of the bits 11:0, where rights and memory types
 * are. */
static void test_ept_entries(void **state)
{
	static const u64 bases[] = { 0x7, 0xb7 };

	compared = 0;
	for (unsigned c = 0; c < 64; c++) {
		struct model m = { .kind = c & 1 ? M_EPT5 : M_EPT4, .xo = c & 2, .mbec = c & 4,
				   .ad = c & 8,
				   .ept_2m = c & 16, .gib = c & 32 };
		struct page_format f;

		m.maxphy = 40;
		fmt_compile(&f, mode_of(&m));
		for (unsigned level = 1; level <= f.levels; level++)
			for (u64 low = 0; low < 4096; low++) {
				compare_entry(&f, &m, level, low);
				compare_entry(&f, &m, level, low | 0xfff000ff40000000ull);
			}
		for (m.maxphy = 32 + c % 5; m.maxphy <= 52; m.maxphy += 5)
			compare_entries(&m, bases, 2);
	}
	print_message("%llu EPT entries compared\n", (unsigned long long)compared);
	all_compared += compared;
}

static void compare_access(const struct page_format *f, const struct model *m, unsigned bits,
			   unsigned a)
{
	struct model_access access = { .write = a & 1, .user = a & 2, .fetch = a & 4,
				       .implicit = a & 8,
				       .ac = a & 16 };
	unsigned flags = access.write * 2 | access.user * 4 | access.fetch * 16 |
			 access.implicit * 32 | access.ac * 64;
	struct model_grant g = { .r = bits & 1, .w = bits & 2, .xs = bits & 4, .xu = bits & 8,
				 .u = bits & 16 };

	compared++;
	if (fmt_allows(f, bits, flags) != m_rights_allow(m, g, access))
		fail_msg("mode %08x rights %x access %x", f->mode, bits, flags);
	for (unsigned field = 0; field < 4; field++)
		for (unsigned key = 0; key < 16; key++) {
			u32 others = (u32)next_random() & ~(3u << 2 * key);
			u32 pkru = others | field << 2 * key;

			compared++;
			if (fmt_key_denies(f, bits, flags, key, pkru) !=
			    m_key_denies(m, g, access, key, pkru))
				fail_msg("mode %08x rights %x access %x key %u pkru %08x",
					 f->mode, bits, flags,
					 key, pkru);
		}
}

/* Rights of a translation of an ordinary format: R, and XU exactly where XS and U are. */
static bool is_ordinary_grant(unsigned bits)
{
	return (bits & 1) && !(bits & 8) == !((bits & 4) && (bits & 16));
}

/* Every mode x rights x access x key field. */
static void test_permissions(void **state)
{
	compared = 0;
	for (unsigned c = 0; c < 64; c++) {
		for (unsigned kind = M_32; kind <= M_EPT5; kind++) {
			struct model m = { .kind = kind, .maxphy = 46, .nxe = c & 1, .wp = c & 2,
					   .smep = c & 4,
					   .smap = c & 8, .pke = c & 16, .npt = c & 32 };
			struct page_format f;

			if (m.pke && m.kind != M_LONG4 && m.kind != M_LONG5)
				continue;
			if (m_is_ept(&m) && c)
				continue;
			if (m.npt && c != 32 && c != 33)
				continue;	/* nested tables know none of these */
			fmt_compile(&f, mode_of(&m));
			for (unsigned bits = 0; bits < 32; bits++)
				for (unsigned a = 0; a < 32; a++)
					if ((m_is_ept(&m) || is_ordinary_grant(bits)) &&
					    (a & 10) != 10)
						compare_access(&f, &m, bits, a);
		}
	}
	print_message("%llu permissions compared\n", (unsigned long long)compared);
	all_compared += compared;
}

static void test_no_paging_allows_all(void **state)
{
	struct page_format f;

	fmt_compile(&f, FMT_NONE | FMT_MAXPHYADDR(40));
	assert_int_equal(f.levels, 0);
	for (unsigned rights = 0; rights < 32; rights++)
		for (unsigned access = 0; access < 128; access++)
			assert_true(fmt_allows(&f, rights, access));
}

/* A fault says that it was a fetch only with NX or SMEP; EPT's always do. */
static void test_fetch_is_reported(void **state)
{
	struct page_format f;

	for (u32 kind = FMT_32; kind <= FMT_EPT5; kind++)
		for (u32 c = 0; c < 4; c++) {
			fmt_compile(&f, kind | (c & 1 ? FMT_NX : 0) | (c & 2 ? FMT_SMEP : 0) |
				    FMT_MAXPHYADDR(40));
			assert_int_equal(f.reports_fetch, c || kind >= FMT_EPT4);
		}
}

/* Rights that count: with SMEP, supervisor execution of a user page is none. */
static unsigned effective(const struct model *m, unsigned rights)
{
	return m->smep && (rights & RIGHT_U) ? rights & ~RIGHT_XS : rights;
}

/* Does an entry that grants `got` stay within what was asked? */
static bool is_within(const struct model *m, unsigned got, unsigned asked)
{
	unsigned free = 0;

	if (m_is_ept(m) || m->npt)
		free |= RIGHT_U;
	if (!m_is_ept(m) && !m->nxe)
		free |= RIGHT_XS | RIGHT_XU;
	return !(effective(m, got) & ~(asked | free));
}

/* No other setting of the permission bits grants more without granting too much. */
static void check_no_better(const struct model *m, unsigned level, u64 entry, unsigned got,
			    unsigned asked)
{
	u64 bits[6] = { 1, 2, 4, m->mbec ? 0x400 : 0, m->nxe ? 1ull << 63 : 0 };

	for (unsigned c = 0; c < 32; c++) {
		u64 other = entry;
		struct model_entry d;

		for (unsigned i = 0; i < 5; i++)
			other = c >> i & 1 ? other | bits[i] : other & ~bits[i];
		d = m_decode(m, level, other);
		if (!d.present || d.bad || !is_within(m, grants(&d), asked))
			continue;
		if (m->npt && !d.u)
			continue;	/* nobody could use it */
		if ((grants(&d) & got) == got && effective(m, grants(&d)) & ~got)
			fail_msg("mode %08x asked %x made %016llx, but %016llx grants more",
				 mode_of(m), asked,
				 (unsigned long long)entry, (unsigned long long)other);
	}
}

static void check_made(const struct page_format *f, const struct model *m, unsigned level,
		       bool leaf,
		       unsigned asked)
{
	u64 address = m_bits(next_random(), m->maxphy - 1, leaf ? m_shift(m, level) : 12);
	unsigned type = next_random() & 1 ? MEMORY_WB : MEMORY_UC;
	struct model_entry d;
	u64 e;

	if (m->kind == M_32 && !(leaf && level == 2 && m->pse36))
		address = (u32)address;
	if (m->kind == M_32)
		address &= 0xffffffffffull;	/* PSE-36 ends at 40 bits */
	e = leaf ? fmt_make_leaf(f, level, address, asked, type)
		 : fmt_make_table(f, level, address, asked);
	compared++;
	if (!e) {
		/* nothing of what was asked can be granted */
		if ((asked & RIGHT_R) || (m->kind == M_PAE && level == 3))
			fail_msg("mode %08x level %u asked %x: nothing made", f->mode, level,
				 asked);
		if (m_is_ept(m) && m->xo)
			check_no_better(m, level, address | (leaf && level > 1 ? 0x80 : 0), 0,
					asked);
		return;
	}
	d = m_decode(m, level, e);
	assert_true(d.present && !d.bad && d.leaf == leaf);
	assert_int_equal(d.address, address);
	assert_int_equal(e & (d.a | d.d), d.a | d.d);
	if (m->kind == M_PAE && level == 3)
		return;
	if (leaf && m_is_ept(m))
		assert_int_equal(e >> 3 & 7, type);
	else if (leaf)	/* PAT 0 is WB, PAT 3 is UC */
		assert_int_equal(e & 0x18, type == MEMORY_WB ? 0 : 0x18);
	assert_int_equal(fmt_narrow(f, asked), grants(&d));
	if (!is_within(m, grants(&d), asked))
		fail_msg("mode %08x asked %x made %016llx", f->mode, asked, (unsigned long long)e);
	check_no_better(m, level, e, grants(&d), asked);
}

/* What is made reads back, by the model, as what was asked: never more, and the most that is
 * possible. */
static void test_making(void **state)
{
	compared = 0;
	for (unsigned c = 0; c < 512; c++) {
		struct model m = { .kind = M_32 + c % 6, .maxphy = 32 + (c * 5) % 21,
				   .pse = c & 8 };
		struct page_format f;

		if (m_is_ept(&m)) {
			m = (struct model){ .kind = m.kind, .maxphy = m.maxphy, .xo = c & 16,
					    .mbec = c & 32,
					    .ad = c & 64, .ept_2m = c & 128, .gib = c & 256 };
		} else {
			m.nxe = m.kind != M_32 && (c & 16);
			m.npt = c & 32;
			m.smep = (c & 64) && !m.npt;
			m.gib = (c & 128) && m.kind >= M_LONG4;
			m.pse = m.kind == M_32 && (c & 256);
			m.pse36 = m.pse && (c & 8);
		}
		fmt_compile(&f, mode_of(&m));
		for (unsigned level = 1; level <= f.levels; level++)
			for (unsigned asked = 0; asked < 32; asked++) {
				if (level > 1)
					check_made(&f, &m, level, false, asked);
				if (fmt_has_leaf(&f, level))
					check_made(&f, &m, level, true, asked);
			}
	}
	print_message("%llu made entries checked\n", (unsigned long long)compared);
	all_compared += compared;
}

/* Types that the reset PAT doesn't hold become UC, never something that caches. */
static void test_memory_types(void **state)
{
	struct page_format f;

	fmt_compile(&f, FMT_LONG4 | FMT_MAXPHYADDR(40));
	assert_int_equal(fmt_make_leaf(&f, 1, 0x1000, RIGHTS_ALL, MEMORY_WB), 0x1063);
	assert_int_equal(fmt_make_leaf(&f, 1, 0x1000, RIGHTS_ALL, MEMORY_WT), 0x106b);
	assert_int_equal(fmt_make_leaf(&f, 1, 0x1000, RIGHTS_ALL, MEMORY_WC), 0x107b);
	assert_int_equal(fmt_make_leaf(&f, 1, 0x1000, RIGHTS_ALL, MEMORY_WP), 0x107b);
	fmt_compile(&f, FMT_LONG4 | FMT_NPT | FMT_NX | FMT_MAXPHYADDR(40));
	assert_int_equal(fmt_make_leaf(&f, 2, 0x200000, RIGHTS_ALL, MEMORY_WB), 0x2000e7);
	assert_int_equal(fmt_make_leaf(&f, 2, 0x200000, RIGHT_R, MEMORY_WB), 0x80000000002000e5);
	assert_int_equal(fmt_make_table(&f, 4, 0x5000, RIGHTS_ALL), 0x5027);
	fmt_compile(&f, FMT_EPT4 | FMT_PSE | FMT_EPT_AD | FMT_MAXPHYADDR(40));
	assert_int_equal(fmt_make_leaf(&f, 2, 0x200000, RIGHTS_ALL, MEMORY_WB), 0x2003b7);
	assert_int_equal(fmt_make_table(&f, 2, 0x5000, RIGHTS_ALL), 0x5107);
}

/* "Paging Modes and Control Bits", and which controls matter in which. */
static u32 expected_mode(u64 cr0, u64 cr4, u64 efer, u32 cpu, bool npt)
{
	struct model m = { .maxphy = cpu >> 20 };

	if (!(cr0 >> 31 & 1))
		m.kind = M_NONE;
	else if (efer >> 10 & 1)
		m.kind = cr4 >> 12 & 1 ? M_LONG5 : M_LONG4;
	else
		m.kind = cr4 >> 5 & 1 ? M_PAE : M_32;
	if (m.kind == M_32) {
		m.pse = cr4 >> 4 & 1;
		m.pse36 = m.pse && (cpu & FMT_PSE36);
	}
	if (m.kind == M_PAE || m.kind >= M_LONG4)
		m.nxe = efer >> 11 & 1;
	if (m.kind >= M_LONG4) {
		m.gib = cpu & FMT_GIB;
		m.bit8 = cpu & FMT_BIT8_RESERVED;
	}
	m.npt = npt;
	if (m.kind != M_NONE && !npt) {
		m.wp = cr0 >> 16 & 1;
		m.smep = cr4 >> 20 & 1;
		m.smap = cr4 >> 21 & 1;
		m.pke = m.kind >= M_LONG4 && (cr4 >> 22 & 1);
	}
	return mode_of(&m);
}

/* All the bits of CR0, CR4 and EFER that mean something to paging. */
static void registers_of(unsigned c, u64 *cr0, u64 *cr4, u64 *efer)
{
	*cr0 = (c & 1 ? CR0_PG : 0) | (c & 2 ? CR0_WP : 0) | CR0_PE;
	*cr4 = (c & 4 ? CR4_PAE : 0) | (c & 8 ? CR4_PSE : 0) | (c & 16 ? CR4_SMEP : 0) |
	       (c & 32 ? CR4_SMAP : 0) | (c & 64 ? CR4_PKE : 0) | (c & 128 ? CR4_LA57 : 0) |
	       CR4_PGE;
	*efer = (c & 256 ? EFER_LMA | EFER_LME : 0) | (c & 512 ? EFER_NXE : 0) | EFER_SCE;
}

static void test_mode_words(void **state)
{
	u64 cr0, cr4, efer;

	for (unsigned c = 0; c < 1024; c++)
		for (unsigned b = 0; b < 8; b++) {
			u32 cpu = FMT_MAXPHYADDR(39) | (b & 1 ? FMT_GIB : 0) |
				  (b & 2 ? FMT_PSE36 : 0) | (b & 4 ? FMT_BIT8_RESERVED : 0);

			registers_of(c, &cr0, &cr4, &efer);
			assert_int_equal(fmt_mode_cpu(cr0, cr4, efer, cpu),
					 expected_mode(cr0, cr4, efer, cpu, false));
			assert_int_equal(fmt_mode_npt(cr0, cr4, efer, cpu),
					 expected_mode(cr0, cr4, efer, cpu, true));
		}
	/* unknown controls and the CPU's own page sizes are left out */
	assert_int_equal(fmt_mode_ept(4, FMT_PSE | FMT_EPT_AD | FMT_WP,
				      FMT_MAXPHYADDR(40) | FMT_GIB),
			 FMT_EPT4 | FMT_PSE | FMT_EPT_AD | FMT_MAXPHYADDR(40));
	assert_int_equal(fmt_mode_ept(5, FMT_GIB | FMT_EPT_XO | FMT_EPT_MBEC, FMT_MAXPHYADDR(52)),
			 FMT_EPT5 | FMT_GIB | FMT_EPT_XO | FMT_EPT_MBEC | FMT_MAXPHYADDR(52));
}

static struct format_set set;	/* too big for the stack */

/* All the modes of one CPU find room; equal modes are one object; a full set says so. */
static void test_format_set(void **state)
{
	u32 cpu = FMT_MAXPHYADDR(40) | FMT_GIB | FMT_PSE36;
	const struct page_format *first[1024];
	unsigned distinct = 0;
	u64 cr0, cr4, efer;

	fmt_set_init(&set);
	for (unsigned c = 0; c < 1024; c++) {
		registers_of(c, &cr0, &cr4, &efer);
		first[c] = fmt_find(&set, fmt_mode_cpu(cr0, cr4, efer, cpu));
		assert_non_null(first[c]);
		assert_int_equal(first[c]->mode, fmt_mode_cpu(cr0, cr4, efer, cpu));
		assert_non_null(fmt_find(&set, fmt_mode_npt(cr0, cr4, efer, cpu)));
	}
	for (unsigned c = 0; c < 16; c++)
		assert_non_null(fmt_find(&set, fmt_mode_ept(4 + (c & 1), FMT_PSE | FMT_GIB |
				(c & 2 ? FMT_EPT_AD : 0) | (c & 4 ? FMT_EPT_MBEC : 0), cpu)));
	for (unsigned c = 0; c < 1024; c++) {
		registers_of(c, &cr0, &cr4, &efer);
		assert_ptr_equal(fmt_find(&set, fmt_mode_cpu(cr0, cr4, efer, cpu)), first[c]);
	}
	for (unsigned i = 0; i < FORMAT_SET_SIZE; i++)
		distinct += set.key[i] != 0;
	print_message("%u modes of one CPU\n", distinct);
	assert_int_equal(distinct, 114);
	for (unsigned maxphy = 41; maxphy < 52; maxphy++)
		for (u32 c = 0; c < 16; c++)
			fmt_find(&set, FMT_LONG4 | c << 7 | FMT_MAXPHYADDR(maxphy));
	assert_null(fmt_find(&set, FMT_LONG5 | FMT_MAXPHYADDR(52)));
	assert_ptr_equal(fmt_find(&set, first[1023]->mode), first[1023]);
}

/* Asks for every mode of a CPU, in an order of its own; counts answers that are another mode's. */
static void *find_all(void *arg)
{
	unsigned step = *(unsigned *)arg, wrong = 0;
	u64 cr0, cr4, efer;

	for (unsigned i = 0; i < 1024; i++) {
		u32 mode;

		registers_of(i * step % 1024, &cr0, &cr4, &efer);
		mode = fmt_mode_cpu(cr0, cr4, efer, FMT_MAXPHYADDR(40));
		wrong += fmt_find(&set, mode)->mode != mode;
	}
	*(unsigned *)arg = wrong;
	return NULL;
}

/* Two vCPUs fill one set: each gets what it asked for. */
static void test_format_set_is_shared(void **state)
{
	for (unsigned round = 0; round < 100; round++) {
		unsigned step[2] = { 1, 513 + 2 * round };
		pthread_t thread;

		fmt_set_init(&set);
		assert_int_equal(pthread_create(&thread, NULL, find_all, &step[1]), 0);
		find_all(&step[0]);
		pthread_join(thread, NULL);
		assert_int_equal(step[0] + step[1], 0);
	}
}

/* Where an address's bits go: the pictures "Linear-Address Translation" of the SDM. */
static void test_geometry(void **state)
{
	struct page_format f;

	fmt_compile(&f, FMT_32 | FMT_MAXPHYADDR(40));
	assert_int_equal(f.entry_bytes, 4);
	assert_int_equal(fmt_index(&f, 2, 0xffc01000), 0x3ff);
	assert_int_equal(fmt_index(&f, 1, 0xffc01fff), 1);
	assert_int_equal(fmt_root(&f, 0xfffffffffffff018), 0xfffff000);
	fmt_compile(&f, FMT_PAE | FMT_MAXPHYADDR(52));
	assert_int_equal(fmt_index(&f, 3, 0xc0000000), 3);
	assert_int_equal(fmt_index(&f, 2, 0xc0200000), 1);
	assert_int_equal(fmt_root(&f, 0xfffffffffffff03f), 0xfffff020);
	fmt_compile(&f, FMT_LONG5 | FMT_MAXPHYADDR(46));
	assert_int_equal(fmt_index(&f, 5, 0x0123456789abcdef), 0x123456789abcdef >> 48 & 511);
	assert_int_equal(fmt_index(&f, 4, 0x0123456789abcdef), 0x123456789abcdef >> 39 & 511);
	assert_int_equal(fmt_shift(&f, 3), 30);
	assert_int_equal(f.input_bits, 57);
	assert_int_equal(fmt_root(&f, ~0ull), 0x3ffffffff000);
	fmt_compile(&f, FMT_EPT4 | FMT_MAXPHYADDR(40));
	assert_int_equal(fmt_root(&f, 0xffff001234567e5e), 0x1234567000);
	assert_int_equal(f.input_bits, 48);
	assert_true(f.nested && !f.canonical);
	/* nonsense widths are brought into range */
	fmt_compile(&f, FMT_LONG4 | FMT_MAXPHYADDR(5));
	assert_int_equal(fmt_root(&f, ~0ull), 0xfffff000);
	fmt_compile(&f, FMT_LONG4 | FMT_MAXPHYADDR(63));
	assert_int_equal(fmt_root(&f, ~0ull), 0xffffffffff000);
	assert_true(f.canonical);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordinary_entries),
		cmocka_unit_test(test_ept_entries),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_no_paging_allows_all),
		cmocka_unit_test(test_fetch_is_reported),
		cmocka_unit_test(test_making),
		cmocka_unit_test(test_memory_types),
		cmocka_unit_test(test_mode_words),
		cmocka_unit_test(test_format_set),
		cmocka_unit_test(test_format_set_is_shared),
		cmocka_unit_test(test_geometry),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	printf("figure R2: %llu entries and accesses compared, %d tests with a mismatch\n",
	       (unsigned long long)all_compared, failed);
	return failed;
}
