/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSRs as a guest sees them: a table of what exists, default deny. An MSR without a row gives #GP
 * and is counted.
 */
#pragma once

#include "include/types.h"

struct vcpu;

#define MTRR_VARIABLE	8
#define MTRR_FIXED	11

/* MSRs that a guest owns and that nothing but the guest reads. */
struct msr_state {
	u64 mtrr_def_type;
	u64 mtrr_variable[MTRR_VARIABLE * 2];	/* base, mask */
	u64 mtrr_fixed[MTRR_FIXED];
	u64 mcg_status;
	u64 misc_enable;	/* where the guest's CPU has it */
	u64 unknown_reads, unknown_writes;
	u32 last_unknown;
};

/* What a reset leaves. */
void msr_state_init(struct msr_state *s);

/* RDMSR and WRMSR of `v`. False: #GP(0), and nothing has changed. */
bool must_check msr_read(struct vcpu *v, u32 index, u64 *value);
bool must_check msr_write(struct vcpu *v, u32 index, u64 value);

/* Tells the backend which MSRs the current context's guest touches without exits. */
void msr_pass_through(struct vcpu *v);
