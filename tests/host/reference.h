/* SPDX-License-Identifier: MIT */
/*
 * Another implementation's view of one instruction: given the state of `m` and the code, it carries
 * it out on its own registers and memory, and says how that ended. Here: libunicorn.
 */
#pragma once

#include "tests/host/machine.h"

#include <unicorn/unicorn.h>

/* The window of the machine's memory that takes part, by pages: RW RW R, and one that is absent. */
#define WINDOW		0xc000u
#define WINDOW_SIZE	0x4000u

struct reference {
	uc_engine *uc;
	uc_context *fresh;
	enum cpu_mode mode;
	u8 *data;		/* WINDOW_SIZE bytes, as they are in it after the instruction */
	u8 *code;
	unsigned slot, branch_slot;
	/* How it ended. */
	uc_err error;
	int exception;		/* vector, or -1 */
	u64 gpr[16], rip, rflags;
	unsigned in_value;	/* what the next IN gives */
	u32 last_out;
};

void reference_open(struct reference *r, enum cpu_mode mode);
void reference_close(struct reference *r);

/* Where the next instruction is to be, with m's RIP. */
u64 reference_rip(const struct reference *r, bool branches);

/* May an instruction at `rip` branch there? Not into the code of others. */
bool reference_can_branch(u64 rip, u64 to);

/*
 * Gives the reference the state of `m` and lets it carry out the instruction in code[16], whose
 * rest is HLT. `until`: where the next instruction is, for all that is known. `repeats`: it counts
 * the instruction more than once.
 */
void reference_run(struct reference *r, const u8 *code, u64 until, bool repeats);
