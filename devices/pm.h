/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PIIX4's ACPI registers: PM1 status, enable and control, and the 24-bit PM timer
 * (82371AB data sheet, "Power Management I/O Registers"; ACPI, "PM1 Event Grouping").
 * SCI_EN is always set: there is no SMM that would own the hardware before.
 */
#pragma once

#include "devices/clock.h"
#include "devices/irq.h"

#define PM_HZ		3579545ull
#define PM_PORT		0x600u
#define PM_NR_PORTS	0x40u
#define PM_PORT_EVENT	PM_PORT		/* PM1a_EVT_BLK: status, enable */
#define PM_PORT_CONTROL	(PM_PORT + 4)
#define PM_PORT_TIMER	(PM_PORT + 8)
#define PM_SLEEP_S5	0u		/* SLP_TYP for soft-off */

struct pm {
	u16 status, enable, control;
	u64 toggles;		/* of the timer's top bit, up to which TMR_STS is known */
	u64 deadline;
	struct irq_out sci;
	void (*power_off)(void *ctx);
	void *ctx;
};

void pm_init(struct pm *pm, struct irq_out sci, void (*power_off)(void *ctx), void *ctx, u64 now);

/* `size` 1, 2 or 4 bytes at PM_PORT + offset (< PM_NR_PORTS). */
u32 pm_read(struct pm *pm, unsigned offset, unsigned size, u64 now);
void pm_write(struct pm *pm, unsigned offset, unsigned size, u32 value, u64 now);

/* The power button is pressed: a kernel that listens shuts down. */
void pm_power_button(struct pm *pm, u64 now);

void pm_tick(struct pm *pm, u64 now);

static inline u64 pm_next_event(const struct pm *pm)
{
	return pm->deadline;
}
