/* SPDX-License-Identifier: MIT */
/*
 * Random page tables of every format, with random roots, addresses and accesses: mostly such that
 * walks get far, with a fault of any kind here and there. Included by test_pagewalk.c after
 * model_walk.c.
 */
#include "tests/host/random.h"

static u64 random_state = 0x9d3c1e5f7a8b2461ull;

static u64 next_random(void)
{
	return xorshift(&random_state) * 0x2545f4914f6cdd1dull >> 7;
}

static bool one_in(unsigned n)
{
	return next_random() % n == 0;
}

/* Stage 0 has its tables in even pages. Stage 1 has those of level L in pages 2L - 1 modulo 16
 * and maps even pages to even ones, so that no page serves both. */
static u64 random_page(unsigned s, unsigned to_level)
{
	u64 page = next_random() & 0xff;

	page = s == 0 ? page & ~1ull : to_level ? (page & ~15ull) + 2 * to_level - 1 : page & ~1ull;
	if (one_in(60))
		page |= 1ull << (8 + next_random() % 32);
	return page;
}

static u64 random_ept_entry(const struct model *m, unsigned s, unsigned level)
{
	bool large = (level == 2 || level == 3) ? one_in(4) : one_in(60);
	bool leaf = level == 1 || large;
	u64 e = random_page(s, leaf ? 0 : level - 1) << 12;

	for (unsigned bit = 0; bit < 3; bit++)
		e |= (u64)!one_in(40) << bit;
	if (large)
		e = (e & ~(one_in(40) ? 0 : (1ull << m_shift(m, level)) - 1000)) | 0x80 | (e & 7);
	if (leaf)
		e |= (one_in(30) ? next_random() % 8 : one_in(2) ? 6 : 0) << 3;
	return e | (u64)one_in(2) << 8 | (u64)one_in(2) << 9 | (u64)!one_in(10) << 10;
}

static u64 random_ordinary_entry(const struct model *m, unsigned s, unsigned level)
{
	bool large = (level == 2 || level == 3) ? one_in(4) : one_in(60);
	u64 e = random_page(s, level == 1 || large ? 0 : level - 1) << 12;

	if (large && !one_in(40))
		e &= ~((1ull << m_shift(m, level)) - 1);
	for (unsigned bit = 0; bit < 3; bit++)
		e |= (u64)!one_in(bit == 2 ? 20 : 30) << bit;
	if (m->kind == M_PAE && level == 3 && !one_in(30))
		e &= ~6ull;
	else
		e |= (u64)one_in(2) << 5 | (u64)one_in(2) << 6;
	e |= (u64)large << 7 | (u64)(m->nxe && one_in(10)) << 63;
	if (m->kind >= M_LONG4)
		e |= (next_random() & 15) << 59;
	return e;
}

static u64 random_entry(unsigned s, unsigned level)
{
	const struct model *m = &stage[s].m;
	u64 e = m_is_ept(m) ? random_ept_entry(m, s, level) : random_ordinary_entry(m, s, level);

	if (one_in(80))
		e ^= 1ull << next_random() % 64;
	return m->kind == M_32 ? (u32)e : e;
}

static void fill_page(unsigned page)
{
	unsigned s = nr_stages > 1 ? page & 1 : 0;
	unsigned bytes = stage[s].m.kind == M_32 ? 4 : 8;
	unsigned level = s ? (page % 16 + 1) / 2 % 6 : 0;

	for (unsigned i = 0; i < 4096 / bytes; i++) {
		unsigned l = level ? level : 1 + next_random() % 5;

		store(page * 4096 + i * bytes, bytes, random_entry(s, l));
	}
}

static struct model random_model(unsigned s, bool nested)
{
	static const unsigned widths[] = { 32, 36, 40, 46, 48, 52 };
	struct model m = { .maxphy = widths[next_random() % 6] };

	if (nested && one_in(2)) {
		m.kind = one_in(2) ? M_EPT4 : M_EPT5;
		m.ept_2m = !one_in(8);
		m.gib = !one_in(4);
		m.xo = one_in(2);
		m.mbec = one_in(2);
		m.ad = one_in(2);
		return m;
	}
	m.kind = M_32 + next_random() % 4;
	if (!nested && one_in(10))
		m.kind = M_NONE;
	m.npt = nested;
	m.bit8 = one_in(2) && m.kind >= M_LONG4;
	m.nxe = !one_in(4) && m.kind != M_32 && m.kind != M_NONE;
	m.pse = !one_in(4) && m.kind == M_32;
	m.pse36 = m.pse && one_in(2);
	m.gib = !one_in(4) && m.kind >= M_LONG4;
	if (nested || m.kind == M_NONE)
		return m;
	m.wp = one_in(2);
	m.smep = one_in(2);
	m.smap = one_in(2);
	m.pke = one_in(2) && m.kind >= M_LONG4;
	return m;
}

static void random_world(void)
{
	unsigned stages = one_in(2) ? 2 : 1;

	set_stage(0, random_model(0, stages == 1 && one_in(3)));
	if (stages == 2)
		set_stage(1, random_model(1, true));
	stage[0].w.pdptr_in_memory = stages == 2 && !m_is_ept(&stage[1].m);
	for (unsigned page = 0; page < PAGES; page++)
		fill_page(page);
}

static void random_roots(void)
{
	for (unsigned s = 0; s < nr_stages; s++) {
		u64 page = next_random() & 0xff;

		page = s ? (page & ~15ull) + 2 * m_levels(&stage[s].m) - 1 : page & ~1ull;
		stage[s].root = page << 12 | (next_random() & 0xfff);
		if (stage[s].m.kind == M_PAE && s)
			stage[s].root &= ~0xfe0ull;
		stage[s].pkru = next_random() & next_random();
		for (unsigned i = 0; i < 4; i++)
			stage[s].pdptr[i] = random_page(s, 2) << 12 | !one_in(10);
	}
	hole = one_in(4) ? next_random() % PAGES : PAGES;
}

static u64 random_address(void)
{
	u64 address = next_random() << 7 ^ next_random();

	if (one_in(3))
		address &= 0x3fffff | next_random() << 30;
	if (one_in(8))
		return address;		/* most likely not canonical */
	address = (u64)((s64)(address << 16) >> 16);
	return one_in(4) ? (u32)address : address & ~(1ull << 47) ? address : 0;
}

static struct tried random_access(unsigned *flags)
{
	struct tried t = { .a = { .user = one_in(2), .ac = one_in(2) }, .peek = one_in(10) };

	t.a.fetch = one_in(3);
	t.a.write = !t.a.fetch && one_in(2);
	t.a.implicit = !t.a.user && !t.a.fetch && one_in(4);
	*flags = t.a.write * ACCESS_WRITE | t.a.user * ACCESS_USER | t.a.fetch * ACCESS_FETCH |
		 t.a.implicit * ACCESS_IMPLICIT | t.a.ac * ACCESS_AC | t.peek * WALK_PEEK;
	return t;
}
