/* SPDX-License-Identifier: MIT */
/*
 * The pair of 8259As against a model with the priorities written out as a list, from the data
 * sheet's "Operation Command Words": random programs, every register and INTR after each step.
 */
#include "devices/pic.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOBODY	-1

struct chip {
	bool irr[8], isr[8], imr[8], line[8], level[8];
	int order[8];			/* inputs, the one of highest priority first */
	int icw;			/* expected next, 0 = none */
	bool single, icw4, aeoi, rotate_in_aeoi, smm, sfnm, poll, read_isr, master;
	unsigned base;
};

static struct pic pic;
static struct chip m[2];
static bool intr;
static char history[32][60];
static unsigned steps;

static void on_intr(void *ctx, unsigned line, bool level)
{
	intr = level;
}

/* "Assigns the lowest priority to": the others follow in a circle. */
static void make_lowest(struct chip *c, int input)
{
	for (int i = 0; i < 8; i++)
		c->order[i] = (input + 1 + i) & 7;
}

static int resolve(const struct chip *c)
{
	for (int i = 0; i < 8; i++) {
		int n = c->order[i];
		bool wanted = c->irr[n] && !c->imr[n];

		if (c->isr[n] && !(c->smm && c->imr[n]))
			return c->sfnm && c->master && n == 2 && wanted ? n : NOBODY;
		if (wanted)
			return n;
	}
	return NOBODY;
}

static void cascade(void)
{
	m[0].irr[2] = resolve(&m[1]) != NOBODY;
}

static void accept(struct chip *c, int n)
{
	if (!c->level[n])
		c->irr[n] = false;
	if (!c->aeoi)
		c->isr[n] = true;
	else if (c->rotate_in_aeoi)
		make_lowest(c, n);
}

static int inta(void)
{
	int n = resolve(&m[0]), k;

	if (n == NOBODY)
		return m[0].base + 7;
	accept(&m[0], n);
	if (n != 2 || m[0].single)
		return m[0].base + n;
	k = resolve(&m[1]);
	if (k != NOBODY)
		accept(&m[1], k);
	return m[1].base + (k == NOBODY ? 7 : k);
}

static void icw1(struct chip *c, unsigned v)
{
	for (int i = 0; i < 8; i++) {
		c->irr[i] = c->line[i] && c->level[i];
		c->isr[i] = c->imr[i] = false;
	}
	make_lowest(c, 7);
	c->smm = c->poll = c->read_isr = c->aeoi = c->rotate_in_aeoi = c->sfnm = false;
	c->single = v & 2;
	c->icw4 = v & 1;
	c->icw = 2;
}

static void next_icw(struct chip *c, unsigned v)
{
	if (c->icw == 2)
		c->base = v & 0xf8;
	if (c->icw == 4) {
		c->sfnm = v & 0x10;
		c->aeoi = v & 2;
	}
	c->icw++;
	if (c->icw == 3 && c->single)
		c->icw++;
	if (c->icw == 4 && !c->icw4)
		c->icw++;
	if (c->icw > 4)
		c->icw = 0;
}

static void ocw2(struct chip *c, unsigned v)
{
	int n = NOBODY;

	switch (v >> 5) {
	case 1: case 5:		/* non-specific: the one of highest priority in service */
		for (int i = 7; i >= 0; i--)
			if (c->isr[c->order[i]] && !(c->smm && c->imr[c->order[i]]))
				n = c->order[i];
		break;
	case 3: case 7:
		n = v & 7;
		break;
	case 0: case 4:
		c->rotate_in_aeoi = v & 0x80;
		return;
	case 6:			/* "set priority" */
		make_lowest(c, v & 7);
		return;
	default:
		return;
	}
	if (n == NOBODY)
		return;
	c->isr[n] = false;
	if (v & 0x80)
		make_lowest(c, n);
}

static void ocw3(struct chip *c, unsigned v)
{
	if (v & 0x40)
		c->smm = v & 0x20;
	c->poll = v & 4;
	if (v & 2)
		c->read_isr = v & 1;
}

static void write_chip(struct chip *c, bool a0, unsigned v)
{
	if (!a0 && (v & 0x10))
		icw1(c, v);
	else if (!a0 && (v & 8))
		ocw3(c, v);
	else if (!a0)
		ocw2(c, v);
	else if (c->icw)
		next_icw(c, v);
	else
		for (int i = 0; i < 8; i++)
			c->imr[i] = v >> i & 1;
}

static void write_elcr(struct chip *c, unsigned v, unsigned fixed)
{
	for (int i = 0; i < 8; i++) {
		c->level[i] = (v & ~fixed) >> i & 1;
		if (c->level[i])
			c->irr[i] = c->line[i];
	}
}

static unsigned byte_of(const bool *bits)
{
	unsigned v = 0;

	for (int i = 0; i < 8; i++)
		v |= (unsigned)bits[i] << i;
	return v;
}

static unsigned read_chip(struct chip *c, bool a0)
{
	int n;

	if (c->poll) {
		c->poll = false;
		n = resolve(c);
		if (n == NOBODY)
			return 0;
		accept(c, n);
		return 0x80 | n;
	}
	return byte_of(a0 ? c->imr : c->read_isr ? c->isr : c->irr);
}

static void set_line(int irq, bool level)
{
	struct chip *c = &m[irq >> 3];
	int n = irq & 7;

	if (irq == 2)
		return;
	if (c->level[n])
		c->irr[n] = level;
	else if (level && !c->line[n])
		c->irr[n] = true;
	c->line[n] = level;
}

static void check(const char *what, unsigned got, unsigned wanted)
{
	if (got == wanted)
		return;
	for (unsigned i = steps > 32 ? steps - 32 : 0; i < steps; i++)
		print_message("%s\n", history[i % 32]);
	fail_msg("%s: %#x, should be %#x", what, got, wanted);
}

/* All that can be seen without changing it. */
static void compare(void)
{
	cascade();
	for (int i = 0; i < 2; i++) {
		check("IRR", pic.chip[i].irr, byte_of(m[i].irr));
		check("ISR", pic.chip[i].isr, byte_of(m[i].isr));
		check("IMR", pic.chip[i].imr, byte_of(m[i].imr));
	}
	check("INTR", pic_output(&pic), resolve(&m[0]) != NOBODY);
	check("the line", intr, resolve(&m[0]) != NOBODY);
}

static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1 };

#define NOTE(...) snprintf(history[steps++ % 32], sizeof(history[0]), __VA_ARGS__)

static void do_write(u16 port, unsigned v)
{
	NOTE("out %#x, %#x", port, v);
	pic_write(&pic, port, v);
	if (port >= 0x4d0)
		write_elcr(&m[port & 1], v, port & 1 ? 0x21 : 0x07);
	else
		write_chip(&m[port >> 7], port & 1, v);
}

static void do_init(u64 *seed)
{
	unsigned chip = xorshift(seed) & 1, icw = 0x11 | (xorshift(seed) % 8 == 0) << 1;

	do_write(0x20 + 0x80 * chip, icw);
	do_write(0x21 + 0x80 * chip, xorshift(seed));
	if (!(icw & 2))
		do_write(0x21 + 0x80 * chip, 4);
	do_write(0x21 + 0x80 * chip, 1 | (xorshift(seed) & 0x12));
	do_write(0x21 + 0x80 * chip, xorshift(seed) & xorshift(seed));
}

static void do_step(u64 *seed)
{
	unsigned irq = xorshift(seed) & 15, n = xorshift(seed) & 3, value = xorshift(seed) & 0xff;

	switch (xorshift(seed) % 16) {
	case 0:
		if (value < 32)
			do_init(seed);
		break;
	case 1:
		do_write(0x4d0 + (n & 1), value);
		break;
	case 2: case 3: case 4: case 5:
		NOTE("line %u %u", irq, value & 1);
		pic_set_irq(&pic, irq, value & 1);
		set_line(irq, value & 1);
		break;
	case 6: case 7: case 8:
		NOTE("INTA");
		if (pic_output(&pic) || value < 8)
			check("vector", pic_acknowledge(&pic), inta());
		break;
	case 9: case 10:		/* any command but ICW1 */
		do_write(ports[n & 2], value & ~0x10);
		break;
	case 11: case 12:
		do_write(ports[n & 2], 0x20);
		break;
	case 13:
		do_write(ports[n | 1], value & xorshift(seed));
		break;
	default:
		NOTE("in %#x", ports[n]);
		check("read", pic_read(&pic, ports[n]), read_chip(&m[n >> 1], n & 1));
	}
}

static void test_random_programs(void **state)
{
	u64 interrupts = 0;

	for (u64 start = 1; start <= 300; start++) {
		u64 seed = start * 0x9e3779b97f4a7c15;

		pic_init(&pic, (struct irq_out){ .set = on_intr });
		memset(m, 0, sizeof(m));
		intr = false;
		steps = 0;
		m[0].master = true;
		for (int i = 0; i < 2; i++) {
			make_lowest(&m[i], 7);
			memset(m[i].imr, true, 8);
			m[i].base = i ? 0x70 : 0x08;
		}
		do_init(&seed);
		for (unsigned i = 0; i < 2000; i++) {
			do_step(&seed);
			compare();
			interrupts += intr;
		}
	}
	assert_true(interrupts > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_programs) };

	return cmocka_run_group_tests_name("pic_model", tests, NULL, NULL);
}
