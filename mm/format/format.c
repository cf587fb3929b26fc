/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compiling a mode word into a page format, and making entries. What the bits mean stands in
 * rows.c; who may do what stands here, once for all formats.
 */
#include "mm/format/format.h"

#include "include/assert.h"
#include "lib/string.h"
#include "mm/format/rows.h"

#define PKRU_AD	1u	/* access disable */
#define PKRU_WD	2u	/* write disable */

/* The rights that an entry grants only if the bit of this meaning allows them. */
static const u8 rights_that_need[NR_MEANS] = {
	[MEANS_R] = RIGHT_R,
	[MEANS_W] = RIGHT_W,
	[MEANS_U] = RIGHT_U | RIGHT_XU,
	[MEANS_X] = RIGHT_XS | RIGHT_XU,
	[MEANS_NX] = RIGHT_XS | RIGHT_XU,
	[MEANS_XS] = RIGHT_XS,
	[MEANS_XU] = RIGHT_XU,
};

static unsigned maxphyaddr(u32 mode)
{
	unsigned bits = mode >> FMT_MAXPHY_SHIFT & 63;

	return MIN(MAX(bits, 32u), 52u);
}

/* The bits of an entry that a row describes: addresses end at maxphyaddr. */
static u64 row_mask(const struct fmt_field *row, u32 mode)
{
	u64 mask = BITS(row->hi, row->lo);

	if (row->means == MEANS_ADDRESS)
		mask &= BITS(maxphyaddr(mode) - 1, 0);
	if (row->means == MEANS_ADDRESS_HIGH)	/* bit 13 of the entry is bit 32 of the address */
		mask &= BITS(maxphyaddr(mode) - 1, 0) >> 19;
	return mask;
}

static void add_meaning(struct page_format *f, const struct fmt_field *row, bool leaf,
			unsigned level, u64 mask)
{
	for (unsigned n = 0; n < ARRAY_SIZE(f->grant); n++)
		if (rights_that_need[row->means] & 1u << n)
			f->grant[n] |= mask;

	switch (row->means) {
	case MEANS_PRESENT:
		f->present |= mask;
		break;
	case MEANS_NX:
		f->inverted |= mask;
		break;
	case MEANS_ACCESSED:
		f->accessed |= mask;
		break;
	case MEANS_DIRTY:
		f->dirty |= mask;
		break;
	case MEANS_KEY:
		f->pkey |= mask;
		break;
	case MEANS_SIZE:
		f->size[level] = mask;
		break;
	case MEANS_ADDRESS:
		f->address[leaf][level] |= mask;
		break;
	case MEANS_ADDRESS_HIGH:
		f->address_high |= mask;
		break;
	default:
		break;
	}
}

/* What no row describes is reserved. */
static void compile_kind(struct page_format *f, const struct fmt_layout *l, bool leaf,
			 unsigned level)
{
	u64 described = f->entry_bytes == 4 ? BITS(63, 32) : 0;

	for (unsigned i = 0; i < l->nr_rows; i++) {
		const struct fmt_field *row = &l->rows[i];

		if (!(row->where & (leaf ? LEAF(level) : TABLE(level))))
			continue;
		if ((f->mode & row->needs) != row->needs || (f->mode & row->without))
			continue;
		described |= row_mask(row, f->mode);
		add_meaning(f, row, leaf, level, row_mask(row, f->mode));
	}
	f->reserved[leaf][level] = ~described;
}

/* SDM vol. 3A, "Determination of Access Rights", for the combinations that the mode allows. */
static bool ordinary_faults(u32 mode, unsigned rights, bool write, bool user, bool fetch,
			    bool smap_off)
{
	if (!(rights & RIGHT_R))
		return true;
	if (user && !(rights & RIGHT_U))
		return true;
	if (fetch && user)
		return !(rights & RIGHT_XU);
	if (fetch)
		return !(rights & RIGHT_XS) || ((mode & FMT_SMEP) && (rights & RIGHT_U));
	if (!user && (mode & FMT_SMAP) && (rights & RIGHT_U) && !smap_off)
		return true;
	return write && !(rights & RIGHT_W) && (user || (mode & FMT_WP));
}

/* SDM vol. 3C, "EPT Violations". */
static bool ept_faults(unsigned rights, bool write, bool user, bool fetch)
{
	if (fetch)
		return !(rights & (user ? RIGHT_XU : RIGHT_XS));
	return !(rights & (write ? RIGHT_W : RIGHT_R));
}

static bool faults(const struct page_format *f, unsigned rights, unsigned access)
{
	bool write = access & 1, fetch = access & 4;
	bool user = (access & 2) || (f->mode & FMT_NPT);

	if (!f->levels)
		return false;
	if (f->ept)
		return ept_faults(rights, write, user, fetch);
	return ordinary_faults(f->mode, rights, write, user, fetch, access & 8);
}

/* The part of a PKRU field that matters (SDM vol. 3A, "Protection Keys"): data accesses only; a
 * supervisor may write in spite of WD where CR0.WP is 0. */
static u8 key_fault(u32 mode, unsigned access)
{
	bool write = access & 1, user = access & 2, fetch = access & 4;

	if (!(mode & FMT_PKE) || fetch)
		return 0;
	return PKRU_AD | (write && (user || (mode & FMT_WP)) ? PKRU_WD : 0);
}

static void compile_permissions(struct page_format *f)
{
	for (unsigned access = 0; access < ARRAY_SIZE(f->fault); access++) {
		for (unsigned rights = 0; rights < FMT_RIGHTS; rights++)
			f->fault[access] |= (u32)faults(f, rights, access) << rights;
		f->key_fault[access] = key_fault(f->mode, access);
	}
}

/* SDM vol. 3C, "EPT Misconfigurations": write without read; execute without read where that
 * isn't offered; memory types 2, 3 and 7. */
static void compile_misconfigurations(struct page_format *f)
{
	for (unsigned rights = 0; rights < FMT_RIGHTS; rights++) {
		bool write = rights & RIGHT_W, execute = rights & (RIGHT_XS | RIGHT_XU);

		if (!(rights & RIGHT_R) && (write || (execute && !(f->mode & FMT_EPT_XO))))
			f->bad_grants |= 1u << rights;
	}
	f->bad_types = 1u << 2 | 1u << 3 | 1u << 7;
}

static unsigned narrow_ept(const struct page_format *f, unsigned rights)
{
	unsigned execute = rights & (RIGHT_XS | RIGHT_XU);

	if (!(f->mode & FMT_EPT_MBEC) && execute != (RIGHT_XS | RIGHT_XU))
		execute = 0;
	if (!(rights & RIGHT_R))
		return RIGHT_U | (f->mode & FMT_EPT_XO ? execute : 0);
	return RIGHT_U | (rights & (RIGHT_R | RIGHT_W)) | execute;
}

/* One bit, NX, speaks for the supervisor and, on a user page, for the user too; but with SMEP
 * the supervisor can't execute a user page whatever NX says. */
static unsigned narrow_ordinary(const struct page_format *f, unsigned rights)
{
	unsigned confers = rights & RIGHT_U ? RIGHT_XS | RIGHT_XU : RIGHT_XS;
	unsigned matters = rights & RIGHT_U && f->mode & FMT_SMEP ? RIGHT_XU : confers;

	if (!(rights & RIGHT_R))
		return 0;
	if ((rights & matters) == matters || !(f->mode & FMT_NX))
		rights |= confers;
	else
		rights &= ~confers;
	return rights & (confers | RIGHT_R | RIGHT_W | RIGHT_U);
}

static unsigned narrow(const struct page_format *f, unsigned rights)
{
	if (f->ept)
		return narrow_ept(f, rights);
	return narrow_ordinary(f, f->nested ? rights | RIGHT_U : rights);
}

/* The entry's bits that grant these rights; 0 if it wouldn't be present. */
static u64 grant_bits(const struct page_format *f, unsigned rights)
{
	u64 bits = 0;

	rights = narrow(f, rights);
	for (unsigned n = 0; n < ARRAY_SIZE(f->grant); n++)
		if (rights & 1u << n)
			bits |= f->grant[n];
	return fmt_is_present(f, bits) ? bits ^ f->inverted : 0;
}

/* What can be granted, and how, for each combination of rights. */
static void compile_grants(struct page_format *f)
{
	for (unsigned rights = 0; rights < FMT_RIGHTS; rights++) {
		f->narrow[rights] = (u8)narrow(f, rights);
		f->grant_bits[rights] = grant_bits(f, rights);
	}
}

void fmt_compile(struct page_format *f, u32 mode)
{
	const struct fmt_layout *l;

	assert((mode & FMT_KIND) < NR_FMT_KINDS);
	l = &fmt_layouts[mode & FMT_KIND];
	memset(f, 0, sizeof(*f));
	f->mode = mode;
	f->levels = l->levels;
	f->entry_bytes = l->entry_bytes;
	f->index_bits = l->index_bits;
	f->input_bits = l->input_bits;
	f->bare_level = l->bare_level;
	f->ept = l->ept;
	f->nested = l->ept || (mode & FMT_NPT);
	f->canonical = l->canonical && !f->nested;
	f->reports_fetch = l->ept || (mode & (FMT_NX | FMT_SMEP));
	if (l->levels)
		f->root = BITS(MIN(maxphyaddr(mode), l->root_end) - 1, l->root_shift);
	for (unsigned level = 1; level <= l->levels; level++) {
		compile_kind(f, l, false, level);
		compile_kind(f, l, true, level);
	}
	compile_permissions(f);
	compile_grants(f);
	if (f->ept)
		compile_misconfigurations(f);
}

bool fmt_is_misconfigured(const struct page_format *f, u64 entry, bool leaf, unsigned level)
{
	unsigned type = entry >> EPT_TYPE_SHIFT & 7;

	if (leaf && (f->bad_types >> type & 1))
		return true;
	return f->bad_grants >> fmt_rights(f, entry, level) & 1;
}

unsigned fmt_rights(const struct page_format *f, u64 entry, unsigned level)
{
	unsigned rights = 0;

	if (level == f->bare_level)
		return FMT_EVERY_RIGHT;
	entry ^= f->inverted;
	for (unsigned n = 0; n < ARRAY_SIZE(f->grant); n++)
		rights |= (unsigned)((entry & f->grant[n]) == f->grant[n]) << n;
	return rights;
}

static u64 type_bits(const struct page_format *f, unsigned type)
{
	if (f->ept)
		return (u64)type << EPT_TYPE_SHIFT;
	if (type == MEMORY_WB)
		return 0;
	return type == MEMORY_WT ? PTE_PWT : PTE_PCD | PTE_PWT;
}

u64 fmt_make_leaf(const struct page_format *f, unsigned level, u64 address, unsigned rights,
		  unsigned type)
{
	u64 bits = f->grant_bits[rights & FMT_EVERY_RIGHT];

	if (!bits)
		return 0;
	if (level == 2)
		bits |= address >> 19 & f->address_high;
	return bits | (address & f->address[true][level]) | type_bits(f, type) | f->size[level] |
	       f->accessed | f->dirty;
}

u64 fmt_make_table(const struct page_format *f, unsigned level, u64 address, unsigned rights)
{
	u64 bits = level == f->bare_level ? f->present : f->grant_bits[rights & FMT_EVERY_RIGHT];

	if (!bits)
		return 0;
	return bits | (address & f->address[false][level]) | fmt_accessed(f, level);
}
