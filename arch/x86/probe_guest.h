/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probe guest: a few instructions in the host's own address space, at CPL 0, each run by a backend
 * to its exit, to measure what a CPU really does: its capability bits promise less, and emulators do
 * less than they promise (docs/emulators.md). What follows each instruction is UD2.
 */
#pragma once

#include "include/types.h"

extern const u8 probe_cpuid[];	/* CPUID, of two bytes */
extern const u8 probe_xsetbv[];	/* writes XCR0 as it is: only with CR4.OSXSAVE */
extern const u8 probe_rdtscp[];
extern const u8 probe_nops[];	/* two of them */
extern const u8 probe_dr7[];	/* DR7: a breakpoint at DR0 */
extern const u8 probe_iret[];	/* with a frame on the stack */

/* A place of the host's code goes into DR0; the next one executes it: true, once a guest has left that
 * breakpoint on; and the last one forgets it. Reading DR7 doesn't tell. */
void probe_breakpoint_set(void);
bool probe_breakpoint_hits(void);
void probe_breakpoint_end(void);
