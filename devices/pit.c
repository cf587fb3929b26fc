/* SPDX-License-Identifier: GPL-2.0-only */
/* The i8254. See pit.h. */
#include "devices/pit.h"

#define CONTROL_CHANNEL_SHIFT	6
#define CONTROL_READ_BACK	3u	/* as a channel */
#define CONTROL_ACCESS_SHIFT	4
#define CONTROL_BCD		0x01u
#define CONTROL_KEPT		0x3fu	/* "exactly as written", in the status */
#define READ_BACK_NO_COUNT	0x20u
#define READ_BACK_NO_STATUS	0x10u
#define STATUS_OUT		0x80u
#define STATUS_NULL		0x40u
#define ACCESS_LATCH		0u
#define ACCESS_LOW		1u
#define ACCESS_HIGH		2u
#define ACCESS_BOTH		3u
#define PORT_B_GATE		0x01u
#define PORT_B_WRITABLE		0x0fu
#define PORT_B_REFRESH		0x10u
#define PORT_B_OUT		0x20u
#define FASTEST			(CLOCK_FASTEST * PIT_HZ / NS_PER_SECOND)	/* in ticks */
#define REFRESH_NS		15085u	/* half the period of the refresh request */

static bool is_periodic(const struct pit_channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

static bool is_triggered(const struct pit_channel *c)
{
	return c->mode == 1 || c->mode == 5;
}

static u32 modulus(const struct pit_channel *c)
{
	return c->bcd ? 10000 : 65536;
}

static u16 to_bcd(u32 n)
{
	return n % 10 | n / 10 % 10 << 4 | n / 100 % 10 << 8 | n / 1000 % 10 << 12;
}

static u32 from_bcd(u16 n)
{
	return (n & 15) + (n >> 4 & 15) * 10 + (n >> 8 & 15) * 100 + (n >> 12) * 1000;
}

/* Has the count that was written, or the trigger, not reached the counter yet? That takes the tick
 * after it. */
static bool is_loading(const struct pit_channel *c, u64 tick)
{
	return c->counting && (s64)(tick - c->start) < 0;
}

/* Ticks since the counter was loaded. */
static u64 elapsed(const struct pit_channel *c, u64 tick)
{
	if (c->stopped)
		return c->stopped_at;
	return is_loading(c, tick) ? 0 : tick - c->start;
}

/* For how long OUT is high in a period of mode 3. */
static u32 high_half(u32 reload)
{
	return (reload + 1) / 2;
}

/* A count written to a running periodic counter takes over at the end of the period, in mode 3 of
 * the half of it. */
static void settle(struct pit_channel *c, u64 tick)
{
	if (!c->next_reload || !is_periodic(c) || c->stopped || tick < c->switch_at)
		return;
	c->reload = c->next_reload;
	c->next_reload = 0;
	c->start = c->switch_at - (c->switch_low ? high_half(c->reload) : 0);
}

/* OUT, by the timing diagrams of modes 0 to 5. */
static bool output(const struct pit_channel *c, u64 tick)
{
	u64 e = elapsed(c, tick);

	if (!c->counting)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
	case 1:
		return e >= c->reload;
	case 2:
		return !c->gate || e % c->reload != c->reload - 1;
	case 3:
		return !c->gate || e % c->reload < high_half(c->reload);
	default:
		return e != c->reload || c->strobed;
	}
}

/* What the counter holds, before it is made BCD. In mode 3 it steps by two, twice a period. */
static u32 plain_count(const struct pit_channel *c, u64 tick)
{
	u64 e = elapsed(c, tick);
	u32 half, phase;

	if (!c->counting)
		return c->reload;
	if (c->mode == 2)
		return c->reload - e % c->reload;
	if (c->mode == 3) {
		half = high_half(c->reload);
		phase = e % c->reload;
		return (c->reload & ~1u) - 2 * (phase < half ? phase : phase - half);
	}
	return e <= c->reload ? c->reload - e : modulus(c) - (e - c->reload) % modulus(c);
}

static u16 count(const struct pit_channel *c, u64 tick)
{
	u32 value = plain_count(c, tick) % modulus(c);

	return c->bcd ? to_bcd(value) : value;
}

/* The tick after `tick` at which the running period ends. */
static u64 period_end(const struct pit_channel *c, u64 tick)
{
	return c->start + (elapsed(c, tick) / c->reload + 1) * c->reload;
}

/* The tick after `tick` at which OUT next rises. */
static u64 next_rise(const struct pit_channel *c, u64 tick)
{
	u64 rise = c->start + c->reload;

	if (!c->counting || c->stopped)
		return CLOCK_NEVER;
	if (is_periodic(c)) {
		if (c->next_reload)
			return c->switch_at + (c->switch_low ? c->next_reload / 2 : 0);
		/* A period of one never ends: illegal in modes 2 and 3, and harmless here. */
		return c->reload < 2 ? CLOCK_NEVER : period_end(c, tick);
	}
	if (c->mode >= 4)
		rise++;		/* the end of a strobe of one tick */
	return rise > tick ? rise : CLOCK_NEVER;
}

/* The counter is loaded with the newest count. */
static void restart(struct pit_channel *c, u64 tick)
{
	if (c->next_reload)
		c->reload = c->next_reload;
	c->next_reload = 0;
	c->counting = true;
	c->stopped = !c->gate && !is_triggered(c);
	c->strobed = false;
	c->stopped_at = 0;
	c->start = tick + 1;
}

/* A new count waits, for the end of the period or for a trigger. */
static void load_later(struct pit_channel *c, u32 value, u64 tick)
{
	u64 end = period_end(c, tick);
	u64 middle = end - c->reload + high_half(c->reload);

	c->next_reload = value;
	c->switch_low = c->mode == 3 && (s64)(tick - middle) < 0;
	c->switch_at = c->switch_low ? middle : end;
}

static void load(struct pit_channel *c, u16 written, u64 tick)
{
	u32 value = c->bcd ? from_bcd(written) % 10000 : written;

	if (!value)
		value = modulus(c);
	c->armed = true;
	if (!c->counting || is_loading(c, tick))
		c->reload = value;
	else if (is_periodic(c) || is_triggered(c))
		load_later(c, value, tick);
	else
		c->next_reload = value;
	if ((!c->counting && !is_triggered(c)) || c->mode == 0 || c->mode == 4)
		restart(c, tick);
}

static void write_count(struct pit_channel *c, u8 value, u64 tick)
{
	if (c->access == ACCESS_LOW) {
		load(c, value, tick);
	} else if (c->access == ACCESS_HIGH) {
		load(c, value << 8, tick);
	} else if (!c->write_high) {
		c->write_low = value;
		c->write_high = true;
		if (c->mode == 0 && c->counting) {	/* the first byte stops the count */
			c->reload = plain_count(c, tick);
			c->counting = false;
		}
	} else {
		c->write_high = false;
		load(c, value << 8 | c->write_low, tick);
	}
}

static void gate_rises(struct pit_channel *c, u64 tick)
{
	if ((is_triggered(c) && c->armed) || (is_periodic(c) && c->counting)) {
		restart(c, tick);
	} else if (c->counting && c->stopped) {
		c->stopped = false;
		if (!is_loading(c, tick))
			c->start = tick - c->stopped_at;
	}
}

static void gate_falls(struct pit_channel *c, u64 tick)
{
	u64 e = elapsed(c, tick);

	if (!c->counting || is_triggered(c))
		return;
	c->stopped = true;
	c->stopped_at = e;
	c->strobed = c->strobed || e >= c->reload;
}

static void set_gate(struct pit_channel *c, bool level, u64 tick)
{
	bool before = c->gate;

	c->gate = level;
	if (level && !before)
		gate_rises(c, tick);
	else if (!level && before)
		gate_falls(c, tick);
}

static void latch_count(struct pit_channel *c, u64 tick)
{
	if (c->latch_bytes)
		return;
	c->latch = count(c, tick);
	c->latch_bytes = c->access == ACCESS_BOTH ? 2 : 1;
}

static void latch_status(struct pit_channel *c, u64 tick)
{
	bool null = !c->armed || c->next_reload || is_loading(c, tick) ||
		    (is_triggered(c) && !c->counting);

	if (c->status_latched)
		return;
	c->status_latched = true;
	c->status = (output(c, tick) ? STATUS_OUT : 0) | (null ? STATUS_NULL : 0) | c->control;
}

static void read_back(struct pit *pit, u8 value, u64 tick)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!(value & (2u << i)))
			continue;
		if (!(value & READ_BACK_NO_COUNT))
			latch_count(&pit->channel[i], tick);
		if (!(value & READ_BACK_NO_STATUS))
			latch_status(&pit->channel[i], tick);
	}
}

/* Channel 0 is programmed anew: what it owed was of another rate. */
static void forget_owed(struct pit *pit)
{
	pit->owed = 0;
	pit->not_before = 0;
}

static void write_control(struct pit *pit, u8 value, u64 tick)
{
	struct pit_channel *c = &pit->channel[(value >> CONTROL_CHANNEL_SHIFT) % 3];
	u8 mode = value >> 1 & 7;

	if (value >> CONTROL_CHANNEL_SHIFT == CONTROL_READ_BACK) {
		read_back(pit, value, tick);
		return;
	}
	if ((value >> CONTROL_ACCESS_SHIFT & 3) == ACCESS_LATCH) {
		latch_count(c, tick);
		return;
	}
	if (c == pit->channel)
		forget_owed(pit);
	*c = (struct pit_channel){
		.control = value & CONTROL_KEPT,
		.mode = mode > 5 ? mode - 4 : mode,	/* 6 and 7 are 2 and 3 */
		.access = value >> CONTROL_ACCESS_SHIFT & 3,
		.bcd = value & CONTROL_BCD,
		.gate = c->gate,
		.reload = c->reload,
	};
}

static u8 read_count(struct pit_channel *c, u64 tick)
{
	u16 value = c->latch_bytes ? c->latch : count(c, tick);
	bool high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	if (c->latch_bytes)
		c->latch_bytes--;
	if (c->access == ACCESS_BOTH)
		c->read_high = !c->read_high;
	return high ? value >> 8 : value;
}

static u8 read_port_b(const struct pit *pit, u64 tick, u64 now)
{
	return pit->port_b | (now / REFRESH_NS & 1 ? PORT_B_REFRESH : 0) |
	       (output(&pit->channel[2], tick) ? PORT_B_OUT : 0);
}

/* After any change: the line, and when it next rises. */
static void update(struct pit *pit, u64 tick)
{
	struct pit_channel *c = &pit->channel[0];

	settle(c, tick);
	irq_set(&pit->irq, output(c, tick));
	pit->next_rise = next_rise(c, tick);
	pit->deadline = pit->next_rise == CLOCK_NEVER ? CLOCK_NEVER :
			clock_time(pit->next_rise, PIT_HZ);
}

void pit_init(struct pit *pit, struct irq_out irq, u64 now)
{
	*pit = (struct pit){ .irq = irq, .next_rise = CLOCK_NEVER, .deadline = CLOCK_NEVER };
	for (unsigned i = 0; i < 3; i++)
		pit->channel[i] = (struct pit_channel){
			.control = 0x36, .mode = 3, .access = ACCESS_BOTH, .gate = i < 2, .reload = 65536,
		};
	restart(&pit->channel[0], clock_ticks(now, PIT_HZ));
	update(pit, clock_ticks(now, PIT_HZ));
}

u8 pit_read(struct pit *pit, u16 port, u64 now)
{
	u64 tick = clock_ticks(now, PIT_HZ);
	struct pit_channel *c = &pit->channel[(port - PIT_PORT) % 3];

	pit_tick(pit, now);
	settle(&pit->channel[2], tick);
	if (port == PIT_PORT_B)
		return read_port_b(pit, tick, now);
	if (port == PIT_CONTROL)
		return 0xff;	/* the data sheet's "no operation (3-state)" */
	settle(c, tick);
	return read_count(c, tick);
}

void pit_write(struct pit *pit, u16 port, u8 value, u64 now)
{
	u64 tick = clock_ticks(now, PIT_HZ);

	pit_tick(pit, now);
	for (unsigned i = 0; i < 3; i++)
		settle(&pit->channel[i], tick);
	if (port == PIT_PORT_B) {
		pit->port_b = value & PORT_B_WRITABLE;
		set_gate(&pit->channel[2], value & PORT_B_GATE, tick);
		return;
	}
	if (port == PIT_CONTROL)
		write_control(pit, value, tick);
	else
		write_count(&pit->channel[(port - PIT_PORT) % 3], value, tick);
	if (port == PIT_PORT)
		forget_owed(pit);
	update(pit, tick);
}

/* An edge, whatever the line was before; then the line as it is. */
static void pulse(struct pit *pit, u64 tick)
{
	irq_set(&pit->irq, false);
	irq_set(&pit->irq, true);
	update(pit, tick);
}

void pit_tick(struct pit *pit, u64 now)
{
	struct pit_channel *c = &pit->channel[0];
	u64 tick = clock_ticks(now, PIT_HZ);

	if (likely(now < pit->deadline))
		return;
	settle(c, tick);
	if (is_periodic(c)) {
		pit->not_before = clock_after(now, CLOCK_FASTEST);
		if (pit->catch_up && c->reload >= FASTEST)
			pit->owed = clock_owe(pit->owed, (tick - pit->next_rise) / c->reload);
	}
	pulse(pit, tick);
}

void pit_pay(struct pit *pit, u64 now)
{
	pit->owed--;
	pulse(pit, clock_ticks(now, PIT_HZ));
}
