/* SPDX-License-Identifier: MIT */
/*
 * Random instructions of a form, and registers and memory in `m` with which they make sense: most
 * memory operands lie in the window of memory, some over a page's end, some where they fault.
 */
#pragma once

#include "tests/host/forms.h"
#include "tests/host/machine.h"

struct test_case {
	const struct form *form;
	enum cpu_mode mode;
	u8 code[16];		/* after the instruction: HLT */
	int length;		/* as decoded, or one of DECODE_* */
	struct insn insn;	/* as decoded, if length is above 0 */
	bool locked;		/* there is a LOCK prefix */
	u8 modrm;		/* if the form has it */
	unsigned disp_at;	/* where a displacement would begin */
	u64 target;		/* linear address that the memory operand is to have */
};

/* The machine as the cases want it: four pages at `window`: RW, RW, R, absent. */
void cases_begin(enum cpu_mode mode, u64 window);

/*
 * An instruction of the form, in one of its modes, at `rip`; m's registers and flags set for it,
 * and sometimes m's memory.
 */
void make_case(const struct form *form, enum cpu_mode mode, u64 rip, struct test_case *c);

/* Is the form's mnemonic this? */
bool is_named(const struct form *form, const char *mnemonic);
