/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's part of the probe guest: see probe_guest.h. */
#include "arch/x86/probe_guest.h"

#include "arch/x86/cpu.h"
#include "arch/x86/trap.h"
#include "include/x86/cr.h"

/* Where the breakpoint is. Whoever calls it reads memory anew. */
static __attribute__((noinline)) void breakpoint_here(void)
{
	asm volatile("" : : : "memory");
}

void probe_breakpoint_set(void)
{
	write_dr0((u64)breakpoint_here);
}

bool probe_breakpoint_hits(void)
{
	u32 before = trap_stray_debugs;

	breakpoint_here();
	return trap_stray_debugs != before;
}

void probe_breakpoint_end(void)
{
	write_dr7(DR7_FIXED);
	write_dr0(0);
}
