/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rows that the formats are made of: which bits of which entries mean what, and under which
 * controls. Private to mm/format.
 */
#pragma once

#include "mm/format/format.h"

enum fmt_means {
	MEANS_IGNORED,
	MEANS_PRESENT,
	MEANS_R, MEANS_W, MEANS_U, MEANS_X, MEANS_XS, MEANS_XU, MEANS_NX,
	MEANS_ACCESSED, MEANS_DIRTY, MEANS_SIZE, MEANS_KEY, MEANS_TYPE,
	MEANS_ADDRESS, MEANS_ADDRESS_HIGH,
	NR_MEANS
};

#define TABLE(level)	(1u << (level))
#define LEAF(level)	(1u << (8 + (level)))
#define TABLES		(TABLE(2) | TABLE(3) | TABLE(4) | TABLE(5))
#define LEAVES		(LEAF(1) | LEAF(2) | LEAF(3))
#define ALL		(TABLES | LEAVES)

struct fmt_field {
	u8 lo, hi;	/* bits of the entry, both included */
	u16 where;	/* in which entries: TABLE(), LEAF() */
	u8 means;	/* enum fmt_means */
	u32 needs;	/* the row counts if the mode has all of these */
	u32 without;	/* and none of these */
};

struct fmt_layout {
	const struct fmt_field *rows;
	u8 nr_rows;
	u8 levels, entry_bytes, index_bits, input_bits, bare_level;
	u8 root_shift, root_end;	/* the root is bits root_shift..root_end - 1 of CR3 */
	bool canonical, ept;
};

extern const struct fmt_layout fmt_layouts[NR_FMT_KINDS];

#define EPT_TYPE_SHIFT	3	/* memory type of an EPT leaf */
#define PTE_PWT		0x08ull
#define PTE_PCD		0x10ull
