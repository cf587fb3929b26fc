/* SPDX-License-Identifier: GPL-2.0-only */
/* The local APIC's timer. See lapic_timer.h. */
#include "devices/lapic_timer.h"

static u32 timer_mode(u32 lvt)
{
	return lvt & APIC_LVT_TIMER_MODE;
}

static bool is_deadline(const struct lapic *lapic)
{
	return timer_mode(lapic->lvt[LVT_TIMER]) == APIC_LVT_TIMER_DEADLINE;
}

/* The divide configuration as a shift: 000 = 2, 001 = 4, … 110 = 128, 111 = 1. */
static unsigned timer_shift(const struct lapic *lapic)
{
	u32 code = (lapic->timer_divide & 3) | (lapic->timer_divide >> 1 & 4);

	return (code + 1) & 7;
}

bool lapic_timer_expire(struct lapic *lapic, u64 now)
{
	u64 period = (u64)lapic->timer_initial << timer_shift(lapic), missed;
	u32 lvt = lapic->lvt[LVT_TIMER];

	if (now < lapic->timer_at || lapic->timer_at == CLOCK_NEVER)
		return false;
	lapic->tsc_deadline = 0;
	if (timer_mode(lvt) != APIC_LVT_TIMER_PERIODIC || !period) {
		lapic->timer_at = CLOCK_NEVER;
		return true;
	}
	missed = (now - lapic->timer_at) / period;
	lapic->timer_at = clock_after(lapic->timer_at, (missed + 1) * period);
	lapic->timer_not_before = clock_after(now, CLOCK_FASTEST);
	if (lapic->catch_up && period >= CLOCK_FASTEST && !(lvt & APIC_LVT_MASKED))
		lapic->timer_owed = clock_owe(lapic->timer_owed, missed);
	return true;
}

u32 lapic_timer_current(const struct lapic *lapic, u64 now)
{
	unsigned shift = timer_shift(lapic);

	if (is_deadline(lapic) || lapic->timer_at == CLOCK_NEVER || now >= lapic->timer_at)
		return 0;
	return (lapic->timer_at - now + (1u << shift) - 1) >> shift;
}

static void run(struct lapic *lapic, u32 count, u64 now)
{
	lapic->timer_at = count ? clock_after(now, (u64)count << timer_shift(lapic)) : CLOCK_NEVER;
	lapic->timer_not_before = 0;
	lapic->timer_owed = 0;
}

void lapic_timer_start(struct lapic *lapic, u32 count, u64 now)
{
	if (is_deadline(lapic))
		return;
	lapic->timer_initial = count;
	run(lapic, count, now);
}

void lapic_timer_divide(struct lapic *lapic, u32 value, u64 now)
{
	u32 left = lapic_timer_current(lapic, now);

	lapic->timer_divide = value & LAPIC_DIVIDE_WRITABLE;
	if (left)
		run(lapic, left, now);
}

void lapic_timer_lvt_changed(struct lapic *lapic, u32 before)
{
	u32 lvt = lapic->lvt[LVT_TIMER], mode = timer_mode(lvt);

	if (lvt != before)
		lapic->timer_owed = 0;
	if (mode == timer_mode(before))
		return;
	lapic->timer_not_before = 0;
	/* "Changing to or from TSC-deadline mode disarms the timer." */
	if (mode == APIC_LVT_TIMER_DEADLINE || timer_mode(before) == APIC_LVT_TIMER_DEADLINE) {
		lapic->timer_at = CLOCK_NEVER;
		lapic->tsc_deadline = 0;
	}
}

void lapic_timer_deadline(struct lapic *lapic, u64 tsc)
{
	if (!is_deadline(lapic))
		return;
	lapic->tsc_deadline = tsc;
	lapic->timer_at = tsc ? lapic->ops->tsc_to_ns(lapic->ctx, lapic->index, tsc) : CLOCK_NEVER;
}
