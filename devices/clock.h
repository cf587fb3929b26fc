/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest time for the devices: u64 nanoseconds since the guest started. A device never reads a
 * clock; `now` is handed in. A deadline is a point in that time, or CLOCK_NEVER.
 */
#pragma once

#include "include/types.h"
#include "lib/scale.h"

#define CLOCK_NEVER	(~0ull)
#define NS_PER_SECOND	1000000000ull

/*
 * Ticks of a periodic timer that passed while the host was busy elsewhere are owed: they follow one
 * by one, each when the guest has ended the one before. No more than this many are owed; and the
 * host's timer is never asked to run for a periodic one more often than each CLOCK_FASTEST ns, so
 * that no period, however short, keeps the host from its work. What comes faster is merged.
 */
#define CLOCK_MOST_OWED	250u
#define CLOCK_FASTEST	50000u

/* `owed` and `missed` more. */
static inline u32 clock_owe(u32 owed, u64 missed)
{
	return MIN(owed + missed, (u64)CLOCK_MOST_OWED);
}

/* Whole periods of a clock of `hz` (< 2^34) since time 0. */
static inline u64 clock_ticks(u64 now, u64 hz)
{
	return scale_down(now, hz, NS_PER_SECOND);
}

/* The first nanosecond at which clock_ticks() gives `tick`; CLOCK_NEVER if that is beyond the end
 * of time. */
static inline u64 clock_time(u64 tick, u64 hz)
{
	if (tick / hz >= CLOCK_NEVER / NS_PER_SECOND)
		return CLOCK_NEVER;
	return scale_up(tick, NS_PER_SECOND, hz);
}

/* `now + delay`, or CLOCK_NEVER if that does not fit. */
static inline u64 clock_after(u64 now, u64 delay)
{
	return delay >= CLOCK_NEVER - now ? CLOCK_NEVER : now + delay;
}
