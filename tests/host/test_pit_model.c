/* SPDX-License-Identifier: MIT */
/*
 * The 8254 against a model that is stepped CLK by CLK, written from the data sheet's "Mode
 * Definitions": OUT and the count at every tick of random programs of counter 2, whose gate is the
 * only one that a PC can move, and of counter 0.
 */
#include "devices/pit.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* Of one counter: the names are those of the data sheet's block diagram. */
struct counter {
	unsigned mode, rw;		/* 1 low byte, 2 high byte, 3 both */
	bool bcd;
	unsigned cr, ce;		/* count register, counting element; 0-65535, or 0-9999 */
	bool cr_full;			/* CR has a count that CE has not got yet */
	bool written;			/* a count was written since the control word */
	bool loaded;			/* CE was loaded since then */
	bool trigger;			/* the gate's edge, until the next CLK */
	bool gate, out;
	bool disabled;			/* mode 0: between the two bytes */
	bool half_written;
	unsigned char low;
	bool odd, strobe_done;
};

static unsigned modulus(const struct counter *c)
{
	return c->bcd ? 10000 : 65536;
}

static void decrement(struct counter *c, unsigned by)
{
	c->ce = (c->ce + modulus(c) - by) % modulus(c);
}

static void load_ce(struct counter *c)
{
	c->ce = c->cr;
	c->cr_full = false;
	c->loaded = true;
	c->strobe_done = false;
}

/* "The initial count, less one if odd, is loaded on one CLK pulse." */
static void load_square(struct counter *c)
{
	load_ce(c);
	c->odd = c->cr & 1;
	c->ce = c->cr & ~1u;
}

static void clk_mode_0(struct counter *c)
{
	if (c->cr_full && !c->disabled) {
		load_ce(c);
	} else if (c->loaded && c->gate && !c->disabled) {
		decrement(c, 1);
		c->out = c->out || c->ce == 0;
	}
}

static void clk_mode_1(struct counter *c)
{
	if (c->trigger && c->written) {
		load_ce(c);
		c->out = false;
	} else if (c->loaded) {
		decrement(c, 1);
		c->out = c->out || c->ce == 0;
	}
}

static void clk_mode_2(struct counter *c)
{
	if ((c->cr_full && !c->loaded) || (c->trigger && c->loaded)) {
		load_ce(c);
	} else if (c->loaded && c->gate) {
		if (c->ce == 1)
			load_ce(c);
		else
			decrement(c, 1);
	}
	c->out = !c->gate || !c->loaded || c->ce != 1;
}

static void clk_mode_3(struct counter *c)
{
	if ((c->cr_full && !c->loaded) || (c->trigger && c->loaded)) {
		load_square(c);
		c->out = true;
	} else if (c->loaded && c->gate) {
		if (c->ce == (c->out && c->odd ? 0 : 2)) {
			load_square(c);
			c->out = !c->out;
		} else {
			decrement(c, 2);
		}
	}
}

static void clk_strobe(struct counter *c, bool load, bool counts)
{
	if (load) {
		load_ce(c);
		c->out = true;
	} else if (c->loaded && counts) {
		decrement(c, 1);
		c->out = c->ce != 0 || c->strobe_done;
		c->strobe_done = c->strobe_done || c->ce == 0;
	} else {
		c->out = true;
	}
}

static void clk(struct counter *c)
{
	switch (c->mode) {
	case 0: clk_mode_0(c); break;
	case 1: clk_mode_1(c); break;
	case 2: clk_mode_2(c); break;
	case 3: clk_mode_3(c); break;
	case 4: clk_strobe(c, c->cr_full, c->gate); break;
	default: clk_strobe(c, c->trigger && c->written, true);
	}
	c->trigger = false;
}

static void control(struct counter *c, unsigned value)
{
	unsigned mode = value >> 1 & 7;

	*c = (struct counter){ .mode = mode & 2 ? mode & 3 : mode, .rw = value >> 4 & 3,
			       .bcd = value & 1, .gate = c->gate };
	c->out = c->mode != 0;
}

static unsigned decimal(unsigned n)
{
	return (n >> 12) * 1000 + (n >> 8 & 15) * 100 + (n >> 4 & 15) * 10 + (n & 15);
}

static void count_written(struct counter *c, unsigned n)
{
	c->cr = c->bcd ? decimal(n) : n;
	c->cr_full = c->written = true;
	c->disabled = false;
	if (c->mode == 0)
		c->out = false;
}

static void write_byte(struct counter *c, unsigned char byte)
{
	if (c->rw == 3 && !c->half_written) {
		c->low = byte;
		c->half_written = true;
		if (c->mode == 0) {
			c->disabled = true;
			c->out = false;
		}
		return;
	}
	count_written(c, c->rw == 1 ? byte : c->rw == 2 ? byte << 8 : byte << 8 | c->low);
	c->half_written = false;
}

static void set_gate(struct counter *c, bool level)
{
	c->trigger = c->trigger || (level && !c->gate);
	c->gate = level;
	if (!level && (c->mode == 2 || c->mode == 3))
		c->out = true;
}

static unsigned encode(const struct counter *c, unsigned n)
{
	if (!c->bcd)
		return n;
	return n / 1000 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10;
}

/* ---- the device beside it ---- */

static struct pit pit;
static struct counter model;
static unsigned channel;
static char history[64][40];
static unsigned steps;

static void on_irq(void *ctx, unsigned line, bool level)
{
}

/* Inside of tick `tick`. */
static u64 at(u64 tick)
{
	return clock_time(tick, PIT_HZ) + 400;
}

#define NOTE(...) snprintf(history[steps++ % 64], sizeof(history[0]), __VA_ARGS__)

static void differs(u64 tick, const char *what, unsigned got, unsigned wanted)
{
	for (unsigned i = steps > 64 ? steps - 64 : 0; i < steps; i++)
		print_message("%s\n", history[i % 64]);
	fail_msg("tick %lu, mode %u: %s is %#x, should be %#x", tick, model.mode, what, got, wanted);
}

/* Status and count by the read-back command: it disturbs nothing. */
static void compare(u64 tick)
{
	unsigned status, count, wanted;

	pit_write(&pit, 0x43, 0xc0 | 2 << channel, at(tick));
	status = pit_read(&pit, 0x40 + channel, at(tick));
	count = pit_read(&pit, 0x40 + channel, at(tick));
	if (model.rw == 3)
		count |= pit_read(&pit, 0x40 + channel, at(tick)) << 8;
	else if (model.rw == 2)
		count <<= 8;
	if (status >> 7 != model.out)
		differs(tick, "OUT", status >> 7, model.out);
	if ((status >> 6 & 1) != (model.cr_full || !model.written))
		differs(tick, "null count", status >> 6 & 1, model.cr_full || !model.written);
	if (!model.loaded)
		return;		/* what CE holds is nowhere said */
	wanted = encode(&model, model.ce);
	wanted &= model.rw == 3 ? 0xffff : model.rw == 2 ? 0xff00 : 0x00ff;
	if (count != wanted)
		differs(tick, "count", count, wanted);
}

static void do_control(u64 *seed, u64 tick)
{
	unsigned value = xorshift(seed) & 0xf, rw = xorshift(seed) % 3 + 1;

	NOTE("%lu: control mode %u rw %u bcd %u", tick, value >> 1, rw, value & 1);
	value |= rw << 4;
	pit_write(&pit, 0x43, channel << 6 | value, at(tick));
	control(&model, value);
}

/* Small counts, so that much happens; 0 and 1 where they are legal. */
static void do_count(u64 *seed, u64 tick)
{
	unsigned n = xorshift(seed) % 8 ? 2 + xorshift(seed) % 12 : xorshift(seed) & 0xffff;
	bool periodic = model.mode == 2 || model.mode == 3;
	unsigned char byte = n;

	if (model.bcd)
		byte = (byte & 0x0f) % 10 | (byte >> 4) % 10 << 4;
	if (model.rw == 3 && model.half_written)
		byte = xorshift(seed) % 8 ? 0 : xorshift(seed) % 10;
	/* "A count of 1 is illegal" there. */
	if (periodic && model.rw != 2 && byte == 1 && !model.half_written)
		byte = 3;
	NOTE("%lu: count byte %#x", tick, byte);
	pit_write(&pit, 0x40 + channel, byte, at(tick));
	write_byte(&model, byte);
}

static void do_gate(u64 *seed, u64 tick)
{
	bool level = xorshift(seed) & 1;

	if (channel != 2)
		return;
	NOTE("%lu: gate %u", tick, level);
	pit_write(&pit, 0x61, level, at(tick));
	set_gate(&model, level);
}

static void do_something(u64 *seed, u64 tick)
{
	switch (xorshift(seed) % 8) {
	case 0:
		do_control(seed, tick);
		break;
	case 1: case 2: case 3:
		if (model.rw)
			do_count(seed, tick);
		break;
	case 4: case 5:
		do_gate(seed, tick);
		break;
	default:
		break;
	}
}

static void run(u64 seed, u64 ticks)
{
	pit_init(&pit, (struct irq_out){ .set = on_irq }, 0);
	model = (struct counter){ .gate = channel != 2 };
	steps = 0;
	do_control(&seed, 0);
	for (u64 tick = 1; tick < ticks; tick++) {
		clk(&model);
		compare(tick);
		if (xorshift(&seed) % 6 == 0)
			do_something(&seed, tick);
	}
}

static void test_random_programs(void **state)
{
	for (channel = 0; channel < 3; channel++)
		for (u64 seed = 1; seed <= 400; seed++)
			run(seed * 0x9e3779b97f4a7c15, 3000);
}

/* The rising edges of counter 0's OUT are when pit_next_event() says, and no others. */
static void test_edges(void **state)
{
	u64 seed = 5, tick, edges = 0, written = 0;
	bool before;

	channel = 0;
	pit_init(&pit, (struct irq_out){ .set = on_irq }, 0);
	model = (struct counter){ .gate = true };
	do_control(&seed, 0);
	before = model.out;
	for (tick = 1; tick < 300000; tick++) {
		u64 expected = pit.next_rise;

		clk(&model);
		if (model.out && !before) {
			edges++;
			/* A write may end a strobe, at once or a tick later. */
			if (expected != tick && written != tick - 1)
				differs(tick, "next edge", expected, tick);
		} else if (expected <= tick) {
			differs(tick, "edge at", expected, 0);
		}
		pit_tick(&pit, at(tick));
		if (xorshift(&seed) % 40 == 0) {
			do_something(&seed, tick);
			written = tick;
		}
		before = model.out;
	}
	assert_true(edges > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_programs), cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests_name("pit_model", tests, NULL, NULL);
}
