/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the bits of the entries mean. A bit that no row describes for a kind of entry is reserved
 * there. Checked against two sources each: SDM vol. 3A, "Paging" (the tables "Format of …"), and
 * APM vol. 2, "Page Translation and Protection"; for EPT SDM vol. 3C, "EPT Translation Mechanism",
 * and "EPT Misconfigurations".
 */
#include "mm/format/rows.h"

/* SDM "32-Bit Paging". With CR4.PSE = 0 bit 7 of a PDE is ignored. */
static const struct fmt_field fields_32[] = {
	/* bits  where             means                needs         without */
	{  0,  0, ALL,              MEANS_PRESENT,       0,            0 },
	{  0,  0, ALL,              MEANS_R,             0,            0 },
	{  1,  1, ALL,              MEANS_W,             0,            0 },
	{  2,  2, ALL,              MEANS_U,             0,            0 },
	{  3,  4, ALL,              MEANS_IGNORED,       0,            0 }, /* PWT, PCD */
	{  5,  5, ALL,              MEANS_ACCESSED,      0,            0 },
	{  6,  6, TABLES,           MEANS_IGNORED,       0,            0 },
	{  6,  6, LEAVES,           MEANS_DIRTY,         0,            0 },
	{  7,  7, TABLES,           MEANS_IGNORED,       0,            FMT_PSE },
	{  7,  7, LEAF(1),          MEANS_IGNORED,       0,            0 }, /* PAT */
	{  7,  7, LEAF(2),          MEANS_SIZE,          FMT_PSE,      0 },
	{  8, 11, ALL,              MEANS_IGNORED,       0,            0 }, /* G, available */
	{ 12, 31, TABLES | LEAF(1), MEANS_ADDRESS,       0,            0 },
	{ 12, 12, LEAF(2),          MEANS_IGNORED,       0,            0 }, /* PAT */
	{ 13, 20, LEAF(2),          MEANS_ADDRESS_HIGH,  FMT_PSE36,    0 },
	{ 22, 31, LEAF(2),          MEANS_ADDRESS,       0,            0 },
};

#define BELOW_PDPTE	(TABLE(2) | LEAF(2) | LEAF(1))

/* SDM "PAE Paging". A PDPTE has no rights, no accessed flag, and most of its bits are reserved. */
static const struct fmt_field fields_pae[] = {
	{  0,  0, ALL,              MEANS_PRESENT,       0,            0 },
	{  0,  0, BELOW_PDPTE,      MEANS_R,             0,            0 },
	{  1,  1, BELOW_PDPTE,      MEANS_W,             0,            0 },
	{  2,  2, BELOW_PDPTE,      MEANS_U,             0,            0 },
	{  3,  4, ALL,              MEANS_IGNORED,       0,            0 }, /* PWT, PCD */
	{  5,  5, BELOW_PDPTE,      MEANS_ACCESSED,      0,            0 },
	{  6,  6, TABLE(2),         MEANS_IGNORED,       0,            0 },
	{  6,  6, LEAF(1) | LEAF(2), MEANS_DIRTY,         0,            0 },
	{  7,  7, LEAF(1),          MEANS_IGNORED,       0,            0 }, /* PAT */
	{  7,  7, LEAF(2),          MEANS_SIZE,          0,            0 },
	{  8,  8, BELOW_PDPTE,      MEANS_IGNORED,       0,            0 }, /* G */
	{  9, 11, ALL,              MEANS_IGNORED,       0,            0 },
	{ 12, 51, TABLES | LEAF(1), MEANS_ADDRESS,       0,            0 },
	{ 12, 12, LEAF(2),          MEANS_IGNORED,       0,            0 }, /* PAT */
	{ 21, 51, LEAF(2),          MEANS_ADDRESS,       0,            0 },
	{ 63, 63, BELOW_PDPTE,      MEANS_NX,            FMT_NX,       0 },
};

/* Bit 8: global in a leaf, ignored in the tables of these levels. */
#define G_PLACES	(TABLE(2) | TABLE(3) | LEAVES)

/* SDM "4-Level Paging and 5-Level Paging". */
static const struct fmt_field fields_long[] = {
	{  0,  0, ALL,              MEANS_PRESENT,       0,            0 },
	{  0,  0, ALL,              MEANS_R,             0,            0 },
	{  1,  1, ALL,              MEANS_W,             0,            0 },
	{  2,  2, ALL,              MEANS_U,             0,            0 },
	{  3,  4, ALL,              MEANS_IGNORED,       0,            0 }, /* PWT, PCD */
	{  5,  5, ALL,              MEANS_ACCESSED,      0,            0 },
	{  6,  6, TABLES,           MEANS_IGNORED,       0,            0 },
	{  6,  6, LEAVES,           MEANS_DIRTY,         0,            0 },
	{  7,  7, LEAF(1),          MEANS_IGNORED,       0,            0 }, /* PAT */
	{  7,  7, LEAF(2),          MEANS_SIZE,          0,            0 },
	{  7,  7, LEAF(3),          MEANS_SIZE,          FMT_GIB,      0 },
	{  8,  8, G_PLACES,         MEANS_IGNORED,       0,            0 }, /* leaves: G */
	{  8,  8, TABLE(4) | TABLE(5), MEANS_IGNORED,       0,            FMT_BIT8_RESERVED },
	{  9, 11, ALL,              MEANS_IGNORED,       0,            0 },
	{ 12, 51, TABLES | LEAF(1), MEANS_ADDRESS,       0,            0 },
	{ 12, 12, LEAF(2) | LEAF(3), MEANS_IGNORED,       0,            0 }, /* PAT */
	{ 21, 51, LEAF(2),          MEANS_ADDRESS,       0,            0 },
	{ 30, 51, LEAF(3),          MEANS_ADDRESS,       0,            0 },
	{ 52, 58, ALL,              MEANS_IGNORED,       0,            0 },
	{ 59, 62, TABLES,           MEANS_IGNORED,       0,            0 },
	{ 59, 62, LEAVES,           MEANS_IGNORED,       0,            FMT_PKE },
	{ 59, 62, LEAVES,           MEANS_KEY,           FMT_PKE,      0 },
	{ 63, 63, ALL,              MEANS_NX,            FMT_NX,       0 },
};

/* SDM "EPT Translation Mechanism". Without mode-based execute control bit 2 speaks for both
 * modes. */
static const struct fmt_field fields_ept[] = {
	{  0,  2, ALL,              MEANS_PRESENT,       0,            0 },
	{ 10, 10, ALL,              MEANS_PRESENT,       FMT_EPT_MBEC, 0 },
	{  0,  0, ALL,              MEANS_R,             0,            0 },
	{  1,  1, ALL,              MEANS_W,             0,            0 },
	{  2,  2, ALL,              MEANS_X,             0,            FMT_EPT_MBEC },
	{  2,  2, ALL,              MEANS_XS,            FMT_EPT_MBEC, 0 },
	{  3,  5, LEAVES,           MEANS_TYPE,          0,            0 },
	{  6,  6, LEAVES,           MEANS_IGNORED,       0,            0 }, /* ignore PAT */
	{  7,  7, LEAF(1),          MEANS_IGNORED,       0,            0 },
	{  7,  7, LEAF(2),          MEANS_SIZE,          FMT_PSE,      0 },
	{  7,  7, LEAF(3),          MEANS_SIZE,          FMT_GIB,      0 },
	{  8,  8, ALL,              MEANS_ACCESSED,      FMT_EPT_AD,   0 },
	{  9,  9, LEAVES,           MEANS_DIRTY,         FMT_EPT_AD,   0 },
	{  8,  9, ALL,              MEANS_IGNORED,       0,            0 },
	{ 10, 10, ALL,              MEANS_XU,            FMT_EPT_MBEC, 0 },
	{ 10, 11, ALL,              MEANS_IGNORED,       0,            0 },
	{ 12, 51, TABLES | LEAF(1), MEANS_ADDRESS,       0,            0 },
	{ 21, 51, LEAF(2),          MEANS_ADDRESS,       0,            0 },
	{ 30, 51, LEAF(3),          MEANS_ADDRESS,       0,            0 },
	{ 52, 63, ALL,              MEANS_IGNORED,       0,            0 },
};

#define ROWS(a)	.rows = (a), .nr_rows = ARRAY_SIZE(a)

const struct fmt_layout fmt_layouts[NR_FMT_KINDS] = {
	[FMT_NONE]  = { .input_bits = 32 },
	[FMT_32]    = { ROWS(fields_32),
			.levels = 2, .entry_bytes = 4, .index_bits = 10, .input_bits = 32,
			.root_shift = 12, .root_end = 32 },
	[FMT_PAE]   = { ROWS(fields_pae),
			.levels = 3, .entry_bytes = 8, .index_bits = 9, .input_bits = 32,
			.bare_level = 3, .root_shift = 5, .root_end = 32 },
	[FMT_LONG4] = { ROWS(fields_long),
			.levels = 4, .entry_bytes = 8, .index_bits = 9, .input_bits = 48,
			.root_shift = 12, .root_end = 52, .canonical = true },
	[FMT_LONG5] = { ROWS(fields_long),
			.levels = 5, .entry_bytes = 8, .index_bits = 9, .input_bits = 57,
			.root_shift = 12, .root_end = 52, .canonical = true },
	[FMT_EPT4]  = { ROWS(fields_ept),
			.levels = 4, .entry_bytes = 8, .index_bits = 9, .input_bits = 48,
			.root_shift = 12, .root_end = 52, .ept = true },
	[FMT_EPT5]  = { ROWS(fields_ept),
			.levels = 5, .entry_bytes = 8, .index_bits = 9, .input_bits = 57,
			.root_shift = 12, .root_end = 52, .ept = true },
};
