/* SPDX-License-Identifier: GPL-2.0-only */
/* The opcode tables (SDM vol. 2D, "Opcode Map"; APM vol. 3, "Opcode and Operand Encodings"). */
#pragma once

#include "emulate/insn.h"

enum opcode_imm {
	IMM_NONE,
	IMM_8,			/* one byte, sign extended */
	IMM_16,
	IMM_Z,			/* 1, 2 or 4 bytes by operand size, 4 for 8 */
	IMM_V,			/* 2, 4 or 8 bytes by operand size */
	IMM_RELZ,		/* displacement of a near branch: 2 or 4 bytes, 4 in 64-bit mode */
	IMM_FAR,		/* offset of operand size, then a selector */
	IMM_16_8,		/* ENTER */
	IMM_ADDR,		/* an absolute offset of address size */
};

/* Opcode extensions that share tables. */
enum opcode_group {
	GROUP_1, GROUP_1A, GROUP_2, GROUP_3, GROUP_4, GROUP_5, GROUP_6, GROUP_7, GROUP_8, GROUP_9,
	GROUP_11, GROUP_15, GROUP_17, NR_GROUPS
};

extern const struct opcode opcodes_one[256];
extern const struct opcode opcodes_0f[256];
extern const struct opcode opcode_movsxd;	/* 63H in 64-bit mode, where ARPL is not */
extern const struct opcode opcode_groups[NR_GROUPS][8];

/*
 * Op of 0F 01H with a register form (mod = 11B), by the whole ModRM byte; OP_INVALID where
 * reserved.
 */
u8 opcode_0f01(u8 modrm);

/* Row of the 0F 38H map: without a name, ModRM and no immediate. `rep` is F2H, F3H or 0. */
struct opcode opcode_0f38(u8 opcode, u8 rep, bool opsize);

/* Row of a VEX-encoded instruction of general registers; `op` OP_VECTOR: it is none of those. */
struct opcode opcode_vex(u8 map, u8 pp, u8 opcode);
