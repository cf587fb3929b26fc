/* SPDX-License-Identifier: GPL-2.0-only */
/* The ACPI power management registers. See pm.h. */
#include "devices/pm.h"

#define STATUS_TIMER	0x0001u
#define STATUS_BUTTON	0x0100u
#define STATUS_ALL	0x8d31u
#define ENABLE_ALL	0x0521u
#define CONTROL_SCI	0x0001u
#define CONTROL_TYPE	0x1c00u
#define CONTROL_TYPE_SHIFT	10
#define CONTROL_SLEEP	0x2000u		/* write only */
#define CONTROL_KEPT	0x1c02u
#define TIMER_MASK	0x00ffffffu
#define TIMER_TOGGLE	23		/* TMR_STS: the top bit of the 24 changed */

static u64 toggles(u64 now)
{
	return clock_ticks(now, PM_HZ) >> TIMER_TOGGLE;
}

static void collect(struct pm *pm, u64 now)
{
	if (toggles(now) != pm->toggles)
		pm->status |= STATUS_TIMER;
	pm->toggles = toggles(now);
}

static void update(struct pm *pm)
{
	bool wanted = (pm->enable & STATUS_TIMER) && !(pm->status & STATUS_TIMER);

	irq_set(&pm->sci, pm->status & pm->enable);
	pm->deadline = wanted ? clock_time((pm->toggles + 1) << TIMER_TOGGLE, PM_HZ) : CLOCK_NEVER;
}

/* The registers as one array of bytes, little-endian; a byte that is no register reads 0. */
static u8 read_byte(const struct pm *pm, unsigned offset, u64 now)
{
	u32 timer = clock_ticks(now, PM_HZ) & TIMER_MASK;

	switch (offset) {
	case 0:
	case 1:
		return pm->status >> 8 * offset;
	case 2:
	case 3:
		return pm->enable >> 8 * (offset - 2);
	case 4:
	case 5:
		return pm->control >> 8 * (offset - 4);
	case 8:
	case 9:
	case 10:
		return timer >> 8 * (offset - 8);
	default:
		return 0;
	}
}

static u16 merge(u16 old, unsigned byte, u8 value)
{
	return byte ? (old & 0x00ff) | value << 8 : (old & 0xff00) | value;
}

/* SLP_EN acts, on the type that this write or an earlier one gave. */
static void write_control(struct pm *pm, unsigned byte, u8 value)
{
	u16 written = merge(pm->control, byte, value);

	pm->control = (written & CONTROL_KEPT) | CONTROL_SCI;
	if ((written & CONTROL_SLEEP) &&
	    (written & CONTROL_TYPE) >> CONTROL_TYPE_SHIFT == PM_SLEEP_S5)
		pm->power_off(pm->ctx);
}

static void write_byte(struct pm *pm, unsigned offset, u8 value)
{
	switch (offset) {
	case 0:
	case 1:		/* write 1 to clear */
		pm->status &= ~(value << 8 * offset);
		break;
	case 2:
	case 3:
		pm->enable = merge(pm->enable, offset - 2, value) & ENABLE_ALL;
		break;
	case 4:
	case 5:
		write_control(pm, offset - 4, value);
		break;
	default:
		break;
	}
}

void pm_init(struct pm *pm, struct irq_out sci, void (*power_off)(void *ctx), void *ctx, u64 now)
{
	*pm = (struct pm){
		.sci = sci, .power_off = power_off, .ctx = ctx, .control = CONTROL_SCI,
		.toggles = toggles(now), .deadline = CLOCK_NEVER,
	};
}

u32 pm_read(struct pm *pm, unsigned offset, unsigned size, u64 now)
{
	u32 value = 0;

	if (likely(offset == PM_PORT_TIMER - PM_PORT && size == 4))
		return clock_ticks(now, PM_HZ) & TIMER_MASK;
	collect(pm, now);
	for (unsigned i = 0; i < size; i++)
		value |= (u32)read_byte(pm, offset + i, now) << 8 * i;
	update(pm);
	return value;
}

void pm_write(struct pm *pm, unsigned offset, unsigned size, u32 value, u64 now)
{
	collect(pm, now);
	for (unsigned i = 0; i < size; i++)
		write_byte(pm, offset + i, value >> 8 * i);
	update(pm);
}

void pm_power_button(struct pm *pm, u64 now)
{
	collect(pm, now);
	pm->status |= STATUS_BUTTON;
	update(pm);
}

void pm_tick(struct pm *pm, u64 now)
{
	if (likely(now < pm->deadline))
		return;
	collect(pm, now);
	update(pm);
}
