/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes to registers that mean more than storing a value: checks, modes, the TLB, the walks. Used
 * by the exit handlers and by the emulator alike, for the context that is current.
 */
#pragma once

#include "vcpu/vcpu.h"

/* MOV to a control register, CLTS and LMSW included (SDM vol. 2B, "MOV—Move to/from Control
 * Registers"). False: #GP(0), and nothing has changed. CR8 is the local APIC's. */
bool must_check vcpu_write_cr0(struct vcpu *v, u64 value);
bool must_check vcpu_write_cr3(struct vcpu *v, u64 value);
bool must_check vcpu_write_cr4(struct vcpu *v, u64 value);
/* Any of CR0, CR2, CR3, CR4, CR8 by its number; false also for the others. */
bool must_check vcpu_write_cr(struct vcpu *v, unsigned index, u64 value);
u64 vcpu_read_cr(struct vcpu *v, unsigned index);

/* MOV to and from DR0-3, DR6 and DR7, once it's allowed. False: #GP(0), and nothing has changed. */
bool must_check vcpu_write_dr(struct vcpu *v, unsigned index, u64 value);
u64 vcpu_read_dr(struct vcpu *v, unsigned index);

/* WRMSR to EFER. False: #GP(0). */
bool must_check vcpu_write_efer(struct vcpu *v, u64 value);

/* The debug registers that exit where the CPU must not hold the guest's DR7: it and its alias. */
#define DR7_ACCESSES	((u16)(BIT(5) | BIT(7)))

/* What MOV to DR7 leaves there, all checks done; GD makes every access to a debug register exit,
 * where the CPU can't be left to find it. */
void vcpu_set_dr7(struct vcpu *v, u64 value);

/* XCR0 as it is loaded in the CPU; it stays the guest's while its vCPU is on the CPU. */
u64 vcpu_xcr0(struct vcpu *v);
bool must_check vcpu_write_xcr(struct vcpu *v, u32 index, u64 value);

/* Puts this CPU's state that no hardware block holds (x87, SSE, AVX, XCR0, DR0-3, TSC_AUX) into the
 * state of a reset: nothing of who ran here before is left. For a vCPU that starts on this CPU. */
void vcpu_load_cpu_state(struct vcpu *v);

/* TSC_AUX is loaded in the CPU while the vCPU is on it. */
u64 vcpu_tsc_aux(struct vcpu *v);
void vcpu_set_tsc_aux(struct vcpu *v, u64 value);

/* The MSRs that are registers of the context: SYSENTER_*, STAR … SFMASK, FS, GS and KERNEL_GS base.
 */
u64 *vcpu_msr_register(struct vcpu *v, u32 index);
void vcpu_set_msr_register(struct vcpu *v, u32 index, u64 value);

/* Gives gva_walk the format of the current mode. To be called before each use of gva_walk: CR0, CR4
 * or EFER may have changed. */
void vcpu_refresh_walk(struct vcpu *v);

/* What a walk takes from the vCPU for an access at its present CPL: ACCESS_USER, ACCESS_AC. */
unsigned vcpu_access_context(struct vcpu *v);

extern const struct walk_ops vcpu_walk_ops;
