/* SPDX-License-Identifier: MIT */
/*
 * The table of instruction forms: what the emulator is to have, one row for each form that the
 * manuals' opcode maps list. test_forms.c says of each row whether the emulator does it, and
 * compares those with another implementation.
 */
#pragma once

#include "emulate/insn.h"

#define ANY_REG		8	/* ModRM.reg is an operand */

enum form_prefix {		/* mandatory prefix, or VEX.pp */
	PFX_ANY,		/* none is mandatory: 66H is the operand size */
	PFX_NP,			/* none of 66H, F2H, F3H may stand */
	PFX_66, PFX_F3, PFX_F2,
};

enum form_rm {			/* what r/m is */
	RM_NONE,		/* there is no ModRM byte */
	RM_MEM,			/* memory only; a register is another instruction or #UD */
	RM_REG,
	RM_BOTH,
};

/* Modes in which the form exists. */
#define IN_64	1u
#define IN_32	2u
#define IN_16	4u
#define IN_ALL	7u

/* With what random cases of it are compared. */
#define BY_UNICORN	1u
#define BY_CPU		2u	/* the test machine's own CPU, 64-bit mode */
#define BY_OTHER	4u	/* another test file */

/* VEX: */
#define VEX		0x01u	/* the form is VEX-encoded … */
#define VEX_L1		0x02u	/* … with L = 1; else L = 0 */
#define VEX_W1		0x04u	/* W must be 1 … */
#define VEX_WIG		0x08u	/* … or is ignored; else W must be 0 */
#define VEX_NDS		0x10u	/* vvvv names a register; else it must be 1111B */
#define VEX_LIG		0x400u	/* L is ignored */
/* Others: */
#define LOCKS		0x20u	/* LOCK is allowed with memory */
#define REPEATS		0x40u	/* REP is allowed */
#define REXW		0x80u	/* REX.W is part of the form */
#define OPSIZE		0x100u	/* 66H is the operand size beside a mandatory prefix */
#define BRANCHES	0x200u	/* RIP goes elsewhere */

struct form {
	const char *name;	/* as in the manuals */
	u8 map;			/* enum opcode_map but MAP_VECTOR */
	u8 opcode, count;	/* the first opcode, and how many are this form */
	u8 reg;			/* 0 to 7, or ANY_REG */
	u8 prefix;		/* enum form_prefix */
	u8 rm;			/* enum form_rm */
	u8 modes;		/* IN_* */
	u8 by;			/* BY_* */
	u16 flags;		/* VEX*, LOCKS … BRANCHES */
};

extern const struct form forms[];
extern const unsigned nr_forms;
