/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's time: the TSC, with a frequency that was measured. All CPUs' TSCs are taken to run
 * together.
 */
#pragma once

#include "arch/x86/acpi_tables.h"
#include "include/types.h"

/* TSC ticks a millisecond; 0 before time_init(). */
extern u64 tsc_khz;

/* Measures the TSC against the ACPI PM timer or, where it is missing or stands still, the PIT.
 * Once, on the first CPU, in about 20 ms. False: neither counts. */
bool must_check time_init(const struct acpi_info *tables);

/* Nanoseconds a tick, in 32.32 fixed point. */
extern u64 ns_per_tick;

static inline u64 tsc_to_ns(u64 ticks)
{
	return (u64)((unsigned __int128)ticks * ns_per_tick >> 32);
}

u64 ns_to_tsc(u64 ns);	/* rounded up */

/* Waits at least `us` microseconds. Before time_init(), roughly. */
void udelay(u64 us);
