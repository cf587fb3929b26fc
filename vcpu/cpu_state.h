/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands between the vCPU's plain C and the CPU on which it runs: the guest's registers that no
 * hardware block holds, and events that are the host's. Every privileged instruction that exits,
 * registers and policies need is behind these functions, so that all of them are tested anywhere.
 */
#pragma once

#include "emulate/emulate.h"

/* XCR0. The caller has checked the value, as XSETBV would, and that the CPU has XSAVE. */
u64 cpu_state_xcr0(void);
void cpu_state_set_xcr0(u64 value);

/* TSC_AUX, of a CPU that has RDTSCP. */
u64 cpu_state_tsc_aux(void);
void cpu_state_set_tsc_aux(u64 value);

/* DR0 to DR3, the linear addresses of breakpoints. */
u64 cpu_state_dr(unsigned index);
void cpu_state_set_dr(unsigned index, u64 value);

/* PKRU, of a CPU that has protection keys. */
u32 cpu_state_pkru(void);

/*
 * MM0-7 (size 8), XMM0-15 (16), YMM0-15 (32: the guest's XCR0 must have AVX). `clear`: what is
 * above `size` becomes 0, which needs AVX too. MM and x87: no exception may be waiting.
 */
void cpu_state_vector(unsigned reg, unsigned size, void *to);
void cpu_state_set_vector(unsigned reg, unsigned size, bool clear, const void *from);
/* Carries out x->opcode /x->reg on x->operand, on the guest's x87. */
void cpu_state_x87(struct emulate_x87 *x);
u16 cpu_state_fsw(void);
u32 cpu_state_mxcsr(void);
void cpu_state_set_mxcsr(u32 value);	/* only bits of the mask */
/* Which bits of MXCSR this CPU has (SDM vol. 1, "Guidelines for Writing to the MXCSR Register"). */
u32 cpu_state_mxcsr_mask(void);

/* x87, SSE, AVX, XCR0 and DR0-3 as a reset leaves them. `xcr0`: every component that the guest may
 * use; 0: it has no XSAVE. */
void cpu_state_reset(u64 xcr0);

/* DR0-3 alone. */
void cpu_state_reset_debug(void);

/* Lets the host take its pending interrupts, in their handlers, which do the work. */
void cpu_take_interrupts(void);

/* The host's own machine check, taken while a guest ran: Plinth's handler decides. */
void cpu_take_machine_check(void);
