/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page formats as data: what the bits of an entry of any x86 paging structure mean, for reading one
 * and for making one. Owns no memory and reads none: entries are numbers here.
 *
 * A format is compiled once from a mode word (which tables, and every control that changes their
 * meaning) and never changes after that, so it is shared by whoever has the same mode.
 * Levels count as in the manuals: 1 is the level of 4 KiB pages. Sources: SDM vol. 3A, "Paging";
 * SDM vol. 3C, "The Extended Page Table Mechanism (EPT)"; APM vol. 2, "Page Translation and
 * Protection", "Nested Paging".
 */
#pragma once

#include "include/rights.h"
#include "include/types.h"
#include "lib/spinlock.h"

#define FMT_MAX_LEVELS	5
#define FMT_RIGHTS	32u			/* combinations of RIGHT_*, RIGHT_U included */
#define FMT_EVERY_RIGHT	(RIGHTS_ALL | RIGHT_U)

/*
 * The mode word:
 *
 *  31    26 25     20 19                     3 2    0
 * |   0    | maxphy  |        controls        | kind |
 */
enum fmt_kind {
	FMT_NONE,	/* no paging */
	FMT_32,		/* 2 levels, 4-byte entries */
	FMT_PAE,	/* 3 levels */
	FMT_LONG4, FMT_LONG5,
	FMT_EPT4, FMT_EPT5,
	NR_FMT_KINDS
};

#define FMT_KIND	0x00000007u
#define FMT_PSE		0x00000008u	/* 32-bit: CR4.PSE; EPT: 2 MiB pages; elsewhere 0 */
#define FMT_PSE36	0x00000010u	/* 4 MiB pages above 4 GiB */
#define FMT_GIB		0x00000020u	/* 1 GiB pages */
#define FMT_NX		0x00000040u	/* EFER.NXE */
#define FMT_WP		0x00000080u	/* CR0.WP */
#define FMT_SMEP	0x00000100u
#define FMT_SMAP	0x00000200u
#define FMT_PKE		0x00000400u
#define FMT_NPT		0x00000800u	/* nested paging of AMD: all accesses are a user's */
#define FMT_EPT_XO	0x00001000u	/* execute-only pages */
#define FMT_EPT_MBEC	0x00002000u	/* mode-based execute control */
#define FMT_EPT_AD	0x00004000u	/* accessed and dirty flags */
#define FMT_BIT8_RESERVED 0x00008000u	/* bit 8 of PML4E and PML5E is reserved */
#define FMT_MAXPHY_SHIFT 20
#define FMT_MAXPHYADDR(bits) ((u32)(bits) << FMT_MAXPHY_SHIFT)	/* 32..52 */

/* Memory types, numbered as in EPT entries and MTRRs (SDM vol. 3A, "Memory Types That Can Be
 * Encoded"). */
#define MEMORY_UC	0u
#define MEMORY_WC	1u
#define MEMORY_WT	4u
#define MEMORY_WP	5u
#define MEMORY_WB	6u

/* Read-only for all but fmt_compile(). The arrays' first index is "is a leaf", the second the
 * level. */
struct page_format {
	u32 mode;
	u8 levels;		/* 0: no paging */
	u8 entry_bytes;		/* 4 or 8 */
	u8 index_bits;		/* of the address, a level */
	u8 input_bits;		/* width of the addresses that it translates */
	u8 bare_level;		/* whose entries have no rights, no accessed flag: 3 in PAE */
	u8 bad_types;		/* bit n: memory type n is reserved */
	bool nested;		/* EPT, NPT */
	bool ept;
	bool canonical;		/* addresses are sign-extended from input_bits */
	bool reports_fetch;	/* a fault of a fetch says so in its error code */
	u32 bad_grants;		/* bit per combination of rights that an entry must not have */
	u64 present;		/* any of these bits: the entry is present */
	u64 inverted;		/* bits that grant when they are 0 */
	u64 grant[5];		/* right 1 << n needs all of these bits (after inversion) */
	u64 grant_bits[FMT_RIGHTS];	/* of an entry made with these rights; 0: none can be */
	u8 narrow[FMT_RIGHTS];	/* what such an entry really grants */
	u64 accessed, dirty;	/* dirty: leaves only; 0 if there is none */
	u64 pkey;
	u64 address_high;	/* of a 4 MiB leaf: bits 32 and up of its address */
	u64 root;		/* address bits of CR3, EPTP, nCR3 */
	u64 size[FMT_MAX_LEVELS + 1];	/* the bit that makes a leaf above level 1 */
	u64 reserved[2][FMT_MAX_LEVELS + 1];
	u64 address[2][FMT_MAX_LEVELS + 1];
	u32 fault[16];		/* by fmt_access_index(): bit n: faults with rights n */
	u8 key_fault[16];	/* the same: bits of a PKRU field (AD, WD) that deny it */
};

/* Fills in `f` for a mode word. The kind must be one of enum fmt_kind, maxphyaddr is brought
 * into 32..52. */
void fmt_compile(struct page_format *f, u32 mode);

/*
 * Mode words. `cpu` holds what doesn't change while the machine runs, as the guest sees it:
 * FMT_MAXPHYADDR(n) | FMT_GIB | FMT_PSE36 | FMT_BIT8_RESERVED. Bits that mean nothing in the mode
 * found are left out, so that equal meaning gives equal words.
 */
/* The CPU's own paging (SDM vol. 3A, "Paging Modes and Control Bits"). EFER.LMA decides on long
 * mode. */
u32 fmt_mode_cpu(u64 cr0, u64 cr4, u64 efer, u32 cpu);
/* Nested tables in the mode of the host (the hypervisor that owns them) at VMRUN. */
u32 fmt_mode_npt(u64 cr0, u64 cr4, u64 efer, u32 cpu);
/* EPT: `levels` 4 or 5, `controls` of FMT_PSE, FMT_GIB, FMT_EPT_*; of `cpu` only maxphyaddr
 * counts. */
u32 fmt_mode_ept(unsigned levels, u32 controls, u32 cpu);

/* --- Reading an entry --- */

static inline bool fmt_is_present(const struct page_format *f, u64 entry)
{
	return (entry & f->present) != 0;
}

/* Of a present entry. Level 1 is always a leaf. */
static inline bool fmt_is_leaf(const struct page_format *f, u64 entry, unsigned level)
{
	return level == 1 || (entry & f->size[level]) != 0;
}

/* A present EPT entry with a forbidden combination of rights or memory type. */
bool fmt_is_misconfigured(const struct page_format *f, u64 entry, bool leaf, unsigned level);

/* Of a present entry: #PF with RSVD, or an EPT misconfiguration. */
static inline bool fmt_is_reserved(const struct page_format *f, u64 entry, bool leaf,
				   unsigned level)
{
	return (entry & f->reserved[leaf][level]) != 0 ||
	       (f->ept && fmt_is_misconfigured(f, entry, leaf, level));
}

/* What the entry grants: RIGHT_*, RIGHT_U. A translation grants what all its entries grant. */
unsigned fmt_rights(const struct page_format *f, u64 entry, unsigned level);

/* Physical address that the entry holds: of a table, or of the first byte of a page. */
static inline u64 fmt_address(const struct page_format *f, u64 entry, bool leaf, unsigned level)
{
	u64 address = entry & f->address[leaf][level];

	/* bits 20:13 of a 4 MiB page are bits 39:32 of its address */
	return leaf && level == 2 ? address | (entry & f->address_high) << 19 : address;
}

/* The first table's address in CR3, EPTP or nCR3. */
static inline u64 fmt_root(const struct page_format *f, u64 root)
{
	return root & f->root;
}

/* log2 of the bytes that an entry of the level spans. */
static inline unsigned fmt_shift(const struct page_format *f, unsigned level)
{
	return PAGE_SHIFT + (level - 1) * f->index_bits;
}

static inline unsigned fmt_index(const struct page_format *f, unsigned level, u64 address)
{
	return address >> fmt_shift(f, level) & ((1u << f->index_bits) - 1);
}

/* May a leaf of this level exist? */
static inline bool fmt_has_leaf(const struct page_format *f, unsigned level)
{
	return level == 1 || f->size[level] != 0;
}

/* The accessed flag of entries of a level; 0: they have none. */
static inline u64 fmt_accessed(const struct page_format *f, unsigned level)
{
	return level == f->bare_level ? 0 : f->accessed;
}

static inline unsigned fmt_pkey(const struct page_format *f, u64 leaf)
{
	return (leaf & f->pkey) >> 59;
}

/* --- Permission --- */

/* 0..15: write, user, fetch, SMAP lifted. */
static inline unsigned fmt_access_index(unsigned access)
{
	bool smap_off = (access & (ACCESS_AC | ACCESS_IMPLICIT)) == ACCESS_AC;

	return (access >> 1 & 3) | (access >> 2 & 4) | (unsigned)smap_off << 3;
}

/* May this access be made where a translation grants `rights`? Protection keys apart. */
static inline bool fmt_allows(const struct page_format *f, unsigned rights, unsigned access)
{
	return !(f->fault[fmt_access_index(access)] >> (rights & FMT_EVERY_RIGHT) & 1);
}

/* Does the protection key of the page, with this PKRU, deny the access? */
static inline bool fmt_key_denies(const struct page_format *f, unsigned rights, unsigned access,
				  unsigned key, u32 pkru)
{
	return (rights & RIGHT_U) && (pkru >> 2 * key & f->key_fault[fmt_access_index(access)]);
}

/* --- Making an entry --- */

/* What an entry made with `rights` will really grant: the most that the format can express
 * without granting more than was asked (but execution, where there is no NX). Nested formats
 * always add RIGHT_U. */
static inline unsigned fmt_narrow(const struct page_format *f, unsigned rights)
{
	return f->narrow[rights & FMT_EVERY_RIGHT];
}

/* A leaf at a level for which fmt_has_leaf(), its accessed and dirty flags set. `type` is
 * MEMORY_*; ordinary formats, which have the PAT's reset value in mind, turn WC and WP into UC.
 * 0 if nothing is granted. */
u64 fmt_make_leaf(const struct page_format *f, unsigned level, u64 address, unsigned rights,
		  unsigned type);

/* An entry of `level` that points to a table of level - 1, its accessed flag set. 0 if nothing
 * is granted. */
u64 fmt_make_table(const struct page_format *f, unsigned level, u64 address, unsigned rights);

/* --- The formats of a VM --- */

/*
 * For one `cpu` there are 1 + 16 (32-bit) + 16 (PAE) + 2 * 32 (long) modes of the CPU's own paging,
 * 1 + 2 + 2 + 2 * 2 of NPT, and 2 * 2 * 2 of EPT where XO and page sizes are fixed: 114 together.
 */
#define FORMAT_SET_SIZE 128

struct format_set {
	struct spinlock lock;	/* for adding; finding needs none */
	u32 key[FORMAT_SET_SIZE];	/* mode + 1 of the slot; 0: free. Written last */
	struct page_format format[FORMAT_SET_SIZE];
};

void fmt_set_init(struct format_set *set);

/* The format for a mode, compiled if nobody has asked for it before. Lives as long as the set.
 * NULL: the set is full, which takes more modes than one `cpu` has. */
const struct page_format *fmt_find(struct format_set *set, u32 mode);
