/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's time: the TSC, with a frequency that was measured. All CPUs' TSCs are taken to run
 * together.
 */
#pragma once

#include "arch/x86/acpi_tables.h"
#include "include/types.h"
#include "lib/scale.h"

#define NS_PER_MS	1000000ull

/* TSC ticks a millisecond; 0 before time_init(). */
extern u64 tsc_khz;

/* Measures the TSC against the ACPI PM timer or, where it is missing or stands still, the PIT.
 * Once, on the first CPU, in about 20 ms. False: neither counts. */
bool must_check time_init(const struct acpi_info *tables);

/* Whole nanoseconds in `ticks`, and the fewest nanoseconds that hold them. */
static inline u64 tsc_to_ns(u64 ticks)
{
	return scale_down(ticks, NS_PER_MS, tsc_khz);
}

static inline u64 tsc_to_ns_up(u64 ticks)
{
	return scale_up(ticks, NS_PER_MS, tsc_khz);
}

/* The fewest ticks that make tsc_to_ns() give `ns`. */
static inline u64 ns_to_tsc(u64 ns)
{
	return scale_up(ns, tsc_khz, NS_PER_MS);
}

/* Waits at least `us` microseconds. Before time_init(), roughly. */
void udelay(u64 us);
