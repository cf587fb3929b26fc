/* SPDX-License-Identifier: GPL-2.0-only */
/* Segment registers in the neutral form: the attributes as in a descriptor's bytes 5 and 6. */
#pragma once

#include "include/types.h"

enum segment_register {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, NR_SEGMENTS
};

/*
 *  15  14  13  12  11   8  7  6  5  4  3      0
 * | G | D | L |AVL|  0   | P | DPL | S |  type  |
 *
 * An unusable segment has P = 0, whatever the vendor's block calls it.
 */
#define SEG_ATTR_TYPE		0x000fu
#define SEG_ATTR_S		0x0010u
#define SEG_ATTR_DPL_SHIFT	5
#define SEG_ATTR_DPL		0x0060u
#define SEG_ATTR_P		0x0080u
#define SEG_ATTR_AVL		0x1000u
#define SEG_ATTR_L		0x2000u
#define SEG_ATTR_DB		0x4000u
#define SEG_ATTR_G		0x8000u
/* Bits of the type of a code or data segment. */
#define SEG_TYPE_CODE		0x8u
#define SEG_TYPE_EXPAND_DOWN	0x4u	/* data */
#define SEG_TYPE_CONFORMING	0x4u	/* code */
#define SEG_TYPE_WRITABLE	0x2u	/* data */
#define SEG_TYPE_READABLE	0x2u	/* code */
#define SEG_TYPE_ACCESSED	0x1u

struct segment {
	u16 selector;
	u16 attr;	/* SEG_ATTR_* */
	u32 limit;	/* in bytes, expanded by G */
	u64 base;
};

struct table {
	u64 base;
	u32 limit;
};

/* General registers in the order of their encoding. */
enum gpr {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15, NR_GPRS
};
