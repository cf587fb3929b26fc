/* SPDX-License-Identifier: GPL-2.0-only */
/* The local APIC's timer (SDM vol. 3A, "APIC Timer"): what lapic.c asks of it. Interrupts are its
 * caller's. */
#pragma once

#include "devices/lapic.h"

#define LAPIC_DIVIDE_WRITABLE	0x0bu

/* Did the timer reach zero by `now`? If so it is set to its next period, or stops. */
bool lapic_timer_expire(struct lapic *lapic, u64 now);

/* The current-count register. lapic_tick() comes before. */
u32 lapic_timer_current(const struct lapic *lapic, u64 now);

/* A write of the initial-count register: starts the timer with `count`, or stops it with 0. Nothing
 * in TSC-deadline mode. */
void lapic_timer_start(struct lapic *lapic, u32 count, u64 now);

/* A write of the divide configuration: it changes the speed of what is left. */
void lapic_timer_divide(struct lapic *lapic, u32 value, u64 now);

/* The timer's LVT entry was `before`, and has been written. */
void lapic_timer_lvt_changed(struct lapic *lapic, u32 before);

/* A write of IA32_TSC_DEADLINE: 0 disarms; ignored in other modes. lapic_tick() comes after: `tsc`
 * may be past. */
void lapic_timer_deadline(struct lapic *lapic, u64 tsc);
