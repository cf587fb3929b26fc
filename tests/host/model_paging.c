/* SPDX-License-Identifier: MIT */
/*
 * A model of x86 paging, written from the sentences of the manuals (SDM vol. 3A, "Paging"; vol. 3C,
 * "The Extended Page Table Mechanism (EPT)"; APM vol. 2, "Page Translation and Protection", "Nested
 * Paging"), not from mm/. Slow and plain. Included by the tests that compare mm/format and
 * mm/pagewalk with it.
 */
#include "include/types.h"

enum model_kind { M_NONE, M_32, M_PAE, M_LONG4, M_LONG5, M_EPT4, M_EPT5 };

struct model {
	enum model_kind kind;
	unsigned maxphy;
	bool pse, pse36, gib, nxe, wp, smep, smap, pke, bit8;
	bool npt;			/* nested tables in one of the first four forms */
	bool ept_2m, xo, mbec, ad;
};

struct model_entry {
	bool present, leaf, bad;	/* bad: reserved bits, or an EPT misconfiguration */
	bool r, w, u, xs, xu;		/* what it grants */
	u64 address;
	u64 a, d;			/* its accessed and dirty flags, 0: none */
	unsigned key;
};

/* Bits hi..lo of e, in place; none if hi < lo. */
static u64 m_bits(u64 e, int hi, int lo)
{
	u64 out = 0;

	for (int i = lo; i <= hi; i++)
		out |= e & (1ull << i);
	return out;
}

static bool m_is_ept(const struct model *m)
{
	return m->kind == M_EPT4 || m->kind == M_EPT5;
}

static unsigned m_levels(const struct model *m)
{
	static const unsigned levels[] = { 0, 2, 3, 4, 5, 4, 5 };

	return levels[m->kind];
}

static unsigned m_shift(const struct model *m, unsigned level)
{
	return m->kind == M_32 ? (level == 1 ? 12 : 22) : 12 + 9 * (level - 1);
}

/* "32-Bit Paging": formats of PDE and PTE. */
static struct model_entry m_decode_32(const struct model *m, unsigned level, u64 e)
{
	struct model_entry d = { .present = e & 1, .r = true, .w = e & 2, .u = e & 4, .a = 0x20 };

	if (level == 1 || (m->pse && (e & 0x80))) {
		d.leaf = true;
		d.d = 0x40;
	}
	if (d.leaf && level == 2) {
		/* "(M-20):13 bits (M-1):32 of physical address", "21:(M-19) reserved", M =
		 * min(40, MAXPHYADDR); without PSE-36 "21:13 reserved" */
		int limit = m->pse36 ? (m->maxphy < 40 ? m->maxphy : 40) : 32;

		d.bad = m_bits(e, 21, limit - 19);
		d.address = m_bits(e, 31, 22) | m_bits(e, limit - 20, 13) << 19;
	} else {
		d.address = m_bits(e, 31, 12);
	}
	d.xs = true;
	d.xu = d.u;
	return d;
}

/* "PAE Paging": formats of PDPTE, PDE, PTE. */
static struct model_entry m_decode_pae(const struct model *m, unsigned level, u64 e)
{
	struct model_entry d = { .present = e & 1, .r = true, .w = e & 2, .u = e & 4, .a = 0x20 };
	bool xd = e >> 63;

	d.address = m_bits(e, m->maxphy - 1, 12);
	if (level == 3) {
		/* "2:1 reserved", "8:5 reserved", "63:M reserved"; no flags of any kind */
		d.bad = m_bits(e, 2, 1) | m_bits(e, 8, 5) | m_bits(e, 63, m->maxphy);
		d.w = d.u = d.xs = d.xu = true;
		d.a = 0;
		return d;
	}
	d.bad = m_bits(e, 62, m->maxphy) || (xd && !m->nxe);
	if (level == 1 || (e & 0x80)) {
		d.leaf = true;
		d.d = 0x40;
	}
	if (d.leaf && level == 2) {
		d.bad |= m_bits(e, 20, 13) != 0;
		d.address = m_bits(e, m->maxphy - 1, 21);
	}
	d.xs = !xd;
	d.xu = !xd && d.u;
	return d;
}

/* "4-Level Paging and 5-Level Paging". */
static struct model_entry m_decode_long(const struct model *m, unsigned level, u64 e)
{
	struct model_entry d = { .present = e & 1, .r = true, .w = e & 2, .u = e & 4, .a = 0x20 };
	bool xd = e >> 63;

	d.bad = m_bits(e, 51, m->maxphy) || (xd && !m->nxe);
	d.address = m_bits(e, m->maxphy - 1, 12);
	if (level == 1)
		d.leaf = true;
	if (e & 0x80) {
		/* "PS: reserved (must be 0)" in PML5E and PML4E; in a PDPTE where 1-GByte pages
		 * aren't offered */
		if (level >= 4 || (level == 3 && !m->gib))
			d.bad = true;
		else
			d.leaf = true;
	}
	if (m->bit8 && level >= 4 && (e & 0x100))
		d.bad = true;	/* APM: bit 8 of a PML4E or PML5E must be zero */
	if (d.leaf && level == 2) {
		d.bad |= m_bits(e, 20, 13) != 0;
		d.address = m_bits(e, m->maxphy - 1, 21);
	}
	if (d.leaf && level == 3) {
		d.bad |= m_bits(e, 29, 13) != 0;
		d.address = m_bits(e, m->maxphy - 1, 30);
	}
	if (d.leaf) {
		d.d = 0x40;
		d.key = m->pke ? e >> 59 & 15 : 0;
	}
	d.xs = !xd;
	d.xu = !xd && d.u;
	return d;
}

/* "EPT Translation Mechanism", "EPT Misconfigurations". */
static struct model_entry m_decode_ept(const struct model *m, unsigned level, u64 e)
{
	struct model_entry d = { .r = e & 1, .w = e & 2, .u = true };
	unsigned type = e >> 3 & 7;

	d.xs = e & 4;
	d.xu = m->mbec ? (e >> 10 & 1) : (e >> 2 & 1);
	/* "present if any of bits 2:0 is 1 or, with mode-based execute control, if bit 10 is 1" */
	d.present = (e & 7) || (m->mbec && (e & 0x400));
	d.address = m_bits(e, m->maxphy - 1, 12);
	d.leaf = level == 1 || (level == 2 && m->ept_2m && (e & 0x80)) ||
		 (level == 3 && m->gib && (e & 0x80));
	if (d.leaf && level == 2) {
		d.bad |= m_bits(e, 20, 12) != 0;
		d.address = m_bits(e, m->maxphy - 1, 21);
	}
	if (d.leaf && level == 3) {
		d.bad |= m_bits(e, 29, 12) != 0;
		d.address = m_bits(e, m->maxphy - 1, 30);
	}
	if (!d.leaf)
		d.bad |= m_bits(e, 7, 3) != 0;	/* 6:3 and, as no page is mapped, 7 */
	d.bad |= m_bits(e, 51, m->maxphy) != 0;
	d.bad |= !(e & 1) && (e & 2);			/* writable, not readable */
	d.bad |= !(e & 1) && (d.xs || d.xu) && !m->xo;	/* execute-only not offered */
	d.bad |= d.leaf && (type == 2 || type == 3 || type == 7);
	d.a = m->ad ? 0x100 : 0;
	d.d = m->ad && d.leaf ? 0x200 : 0;
	return d;
}

static struct model_entry m_decode(const struct model *m, unsigned level, u64 e)
{
	switch (m->kind) {
	case M_32:
		return m_decode_32(m, level, e);
	case M_PAE:
		return m_decode_pae(m, level, e);
	case M_LONG4:
	case M_LONG5:
		return m_decode_long(m, level, e);
	default:
		return m_decode_ept(m, level, e);
	}
}

/* What a whole translation grants: the conjunction over its entries. */
struct model_grant { bool r, w, u, xs, xu; };

/* An access as the CPU sees it. */
struct model_access { bool write, user, fetch, implicit, ac; };

/*
 * "Determination of Access Rights", sentence by sentence. A page is a user-mode page if U/S is 1 in
 * every entry. The permission of an execute by NX is the caller's xs/xu.
 */
static bool m_rights_allow(const struct model *m, struct model_grant g, struct model_access a)
{
	if (m_is_ept(m)) {
		if (a.fetch)
			return a.user ? g.xu : g.xs;
		return a.write ? g.w : g.r;
	}
	if (a.user || m->npt) {
		/* user-mode accesses: never to supervisor pages */
		if (!g.u)
			return false;
		if (a.fetch)
			return g.xs;	/* every entry with XD = 0 */
		return a.write ? g.w : true;
	}
	if (a.fetch) {
		/* "for supervisor-mode pages: XD = 0; for user-mode pages: SMEP = 0 and XD = 0" */
		if (g.u && m->smep)
			return false;
		return g.xs;
	}
	/* "data reads/writes of user-mode pages: SMAP = 0, or EFLAGS.AC = 1 and the access is
	 * explicit" */
	if (g.u && m->smap && !(a.ac && !a.implicit))
		return false;
	if (!a.write)
		return true;
	/* "CR0.WP = 0: to any page; CR0.WP = 1: with R/W = 1 in every entry" */
	return !m->wp || g.w;
}

/* "Protection Keys": ADi denies data accesses to user-mode pages; WDi denies writes, of the
 * supervisor only with CR0.WP = 1. */
static bool m_key_denies(const struct model *m, struct model_grant g, struct model_access a,
			 unsigned key,
			 u32 pkru)
{
	bool ad = pkru >> (2 * key) & 1, wd = pkru >> (2 * key + 1) & 1;

	if (!m->pke || !g.u || a.fetch)
		return false;
	if (ad)
		return true;
	return wd && a.write && (a.user || m->wp);
}
