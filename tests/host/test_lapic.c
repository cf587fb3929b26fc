/* SPDX-License-Identifier: MIT */
/* Local APICs, I/O APIC and the bus between them, against the SDM's APIC chapter and the 82093AA. */
#include "devices/ioapic.h"
#include "devices/lapic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NR	20

static struct lapic apic[NR];
static struct ioapic ioapic;
static unsigned kicks, nmis[NR], inits[NR], sipis[NR], sipi_vector;

static unsigned send(void *ctx, const struct apic_message *message)
{
	return apic_bus_send(apic, NR, message);
}

static void eoi(void *ctx, u8 vector)
{
	ioapic_eoi(&ioapic, vector);
}

static void kick(void *ctx, u32 index)
{
	kicks++;
}

static void event(void *ctx, u32 index, enum apic_delivery delivery, u8 vector)
{
	nmis[index] += delivery == APIC_NMI;
	inits[index] += delivery == APIC_INIT;
	if (delivery == APIC_INIT)
		lapic_reset(&apic[index]);		/* as the vCPU does */
	sipis[index] += delivery == APIC_STARTUP;
	sipi_vector = vector;
}

/* A TSC of 2 GHz that read `tsc_ahead` at time 0. */
static u64 tsc_ahead;

static u64 tsc_to_ns(void *ctx, u32 index, u64 tsc)
{
	return tsc < tsc_ahead ? 0 : (tsc - tsc_ahead) / 2;
}

static const struct lapic_ops ops = { send, eoi, kick, event, tsc_to_ns };

static void setup(void)
{
	kicks = 0;
	tsc_ahead = 0;
	memset(nmis, 0, sizeof(nmis));
	memset(inits, 0, sizeof(inits));
	memset(sipis, 0, sizeof(sipis));
	ioapic_init(&ioapic, send, NULL);
	for (unsigned i = 0; i < NR; i++) {
		lapic_init(&apic[i], i, i == 0, &ops, NULL);
		lapic_write(&apic[i], 0xf0, 4, 0x1ff, 0);
	}
}

static u32 rd(unsigned i, u32 offset)
{
	return lapic_read(&apic[i], offset, 4, 0);
}

static void wr(unsigned i, u32 offset, u32 value)
{
	lapic_write(&apic[i], offset, 4, value, 0);
}

static void ipi(unsigned from, u32 high, u32 low)
{
	wr(from, 0x310, high);
	wr(from, 0x300, low);
}

/* Which APICs have `vector` requested, as a bit mask; and forget it. */
static u32 take(u8 vector)
{
	u32 mask = 0;

	for (unsigned i = 0; i < NR; i++) {
		if (!(rd(i, 0x200 + (vector >> 5 << 4)) >> (vector & 31) & 1))
			continue;
		mask |= 1u << i;
		lapic_accept(&apic[i], vector);
		lapic_eoi(&apic[i]);
	}
	return mask;
}

/* SDM: "Local APIC State After Power-Up or Reset". */
static void test_reset_state(void **state)
{
	static const u32 lvts[] = { 0x320, 0x330, 0x340, 0x350, 0x360, 0x370 };

	setup();
	lapic_init(&apic[3], 3, false, &ops, NULL);
	assert_int_equal(rd(3, 0x20), 3u << 24);
	assert_int_equal(rd(3, 0x30), 0x00050014);
	assert_int_equal(rd(3, 0xf0), 0xff);
	assert_int_equal(rd(3, 0xe0), 0xffffffff);
	assert_int_equal(rd(3, 0xd0), 0);
	assert_int_equal(rd(3, 0x80), 0);
	for (size_t i = 0; i < ARRAY_SIZE(lvts); i++)
		assert_int_equal(rd(3, lvts[i]), 0x10000);
	assert_int_equal(rd(3, 0x280), 0);
	assert_false(apic[3].extint);
	/* The boot processor as firmware leaves it. */
	assert_int_equal(rd(0, 0x350) & 0x10700, 0x700);
	assert_int_equal(rd(0, 0x360) & 0x10700, 0x400);
	assert_true(apic[0].extint);
}

static void test_access_sizes(void **state)
{
	setup();
	wr(1, 0x80, 0x5a);
	assert_int_equal(lapic_read(&apic[1], 0x80, 1, 0), 0x5a);
	assert_int_equal(lapic_read(&apic[1], 0x81, 1, 0), 0);
	assert_int_equal(lapic_read(&apic[1], 0x30, 2, 0), 0x0014);
	assert_int_equal(lapic_read(&apic[1], 0x32, 2, 0), 0x0005);
	assert_int_equal(lapic_read(&apic[1], 0x30, 8, 0), 0x00050014);
	assert_int_equal(lapic_read(&apic[1], 0x84, 4, 0), 0);
	lapic_write(&apic[1], 0x80, 1, 0x10, 0);
	lapic_write(&apic[1], 0x84, 4, 0x10, 0);
	assert_int_equal(rd(1, 0x80), 0x5a);
	/* Reserved registers: ESR bit 7, readable after a write. */
	rd(1, 0x3f0);
	assert_int_equal(rd(1, 0x280), 0);
	wr(1, 0x280, 0);
	assert_int_equal(rd(1, 0x280), 0x80);
	wr(1, 0x280, 0);
	assert_int_equal(rd(1, 0x280), 0);
}

static void test_priorities(void **state)
{
	setup();
	for (unsigned v = 16; v < 256; v++) {
		ipi(0, 1u << 24, v);
		assert_int_equal(lapic_pending(&apic[1]), v);
		assert_int_equal(vector_set_highest(&apic[1].irr), v);
		wr(1, 0x80, v & 0xf0);			/* TPR of its class holds it back */
		assert_int_equal(lapic_pending(&apic[1]), -1);
		wr(1, 0x80, v - 16);
		assert_int_equal(lapic_pending(&apic[1]), v);
		wr(1, 0x80, 0);
		lapic_accept(&apic[1], v);
		assert_int_equal(rd(1, 0x100 + (v >> 5) * 16), 1u << (v & 31));
		assert_int_equal(rd(1, 0x200 + (v >> 5) * 16), 0);
		assert_int_equal(rd(1, 0xa0), v & 0xf0);
		wr(1, 0xb0, 0);
		assert_int_equal(rd(1, 0x100 + (v >> 5) * 16), 0);
		assert_int_equal(rd(1, 0xa0), 0);
		assert_int_equal(lapic_pending(&apic[1]), -1);
	}
	/* Nesting. */
	ipi(0, 1u << 24, 0x41);
	lapic_accept(&apic[1], 0x41);
	ipi(0, 1u << 24, 0x4f);
	assert_int_equal(lapic_pending(&apic[1]), -1);
	ipi(0, 1u << 24, 0x50);
	assert_int_equal(lapic_pending(&apic[1]), 0x50);
	lapic_accept(&apic[1], 0x50);
	wr(1, 0xb0, 0);
	assert_int_equal(rd(1, 0xa0), 0x40);
	wr(1, 0xb0, 0);
	assert_int_equal(lapic_pending(&apic[1]), 0x4f);
	/* PPR takes TPR's low bits only when TPR's class decides. */
	wr(1, 0x80, 0x47);
	assert_int_equal(rd(1, 0xa0), 0x47);
	lapic_set_tpr(&apic[1], 0x90);
	assert_int_equal(rd(1, 0x80), 0x90);
}

/* SDM: "Task and Processor Priorities": what they hold back is delivered when they fall, so whoever runs
 * the processor has to hear of that; and of nothing while it is still held back. */
static void test_priority_falls(void **state)
{
	setup();
	ipi(0, 0, 0x40060);
	lapic_accept(&apic[0], 0x60);
	ipi(0, 0, 0x40040);
	ipi(0, 0, 0x40044);
	kicks = 0;
	wr(0, 0x80, 0x20);
	assert_int_equal(kicks, 0);
	wr(0, 0xb0, 0);
	assert_int_equal(kicks, 1);
	lapic_accept(&apic[0], 0x44);
	wr(0, 0xb0, 0);
	assert_int_equal(kicks, 2);
	lapic_accept(&apic[0], 0x40);
	wr(0, 0xb0, 0);
	assert_int_equal(kicks, 2);

	lapic_set_tpr(&apic[0], 0x50);
	ipi(0, 0, 0x40040);
	kicks = 0;
	lapic_set_tpr(&apic[0], 0x40);
	assert_int_equal(kicks, 0);
	lapic_set_tpr(&apic[0], 0x30);
	assert_int_equal(kicks, 1);
}

static void test_destinations(void **state)
{
	setup();
	ipi(0, 5u << 24, 0x30);
	assert_int_equal(take(0x30), 1u << 5);
	ipi(0, 0xffu << 24, 0x30);
	assert_int_equal(take(0x30), 0xfffff);
	ipi(2, 0, 0x40030);				/* self */
	assert_int_equal(take(0x30), 1u << 2);
	ipi(2, 0, 0x80030);				/* all */
	assert_int_equal(take(0x30), 0xfffff);
	ipi(2, 0, 0xc0030);				/* all but self */
	assert_int_equal(take(0x30), 0xfffff & ~4u);
	/* Flat model. */
	for (unsigned i = 0; i < 8; i++)
		wr(i, 0xd0, 1u << (24 + i));
	ipi(0, 0xa5u << 24, 0x830);
	assert_int_equal(take(0x30), 0xa5);
	/* Cluster model: cluster 3, members 0 and 2. */
	for (unsigned i = 0; i < 8; i++) {
		wr(i, 0xe0, 0x0fffffff);
		wr(i, 0xd0, (i < 4 ? 0x20u : 0x30u) << 24 | 1u << (24 + i % 4));
	}
	ipi(0, 0x35u << 24, 0x830);
	assert_int_equal(take(0x30), 1u << 4 | 1u << 6);
	/* Lowest priority: the least busy. */
	for (unsigned i = 0; i < NR; i++)
		wr(i, 0x80, i == 7 ? 0x10 : 0x20);
	ipi(0, 0xffu << 24, 0x130);
	assert_int_equal(take(0x30), 1u << 7);
	/* Software-disabled APICs take no fixed interrupt. */
	wr(5, 0xf0, 0xff);
	ipi(0, 5u << 24, 0x30);
	assert_int_equal(take(0x30), 0);
}

static void test_init_sipi_nmi(void **state)
{
	setup();
	wr(6, 0x80, 0x33);
	ipi(0, 6u << 24, 0x0c500);			/* INIT, level assert */
	assert_int_equal(inits[6], 1);
	assert_int_equal(rd(6, 0x80), 0);
	assert_int_equal(rd(6, 0xf0), 0xff);
	ipi(0, 6u << 24, 0x08500);			/* de-assert: nothing */
	assert_int_equal(inits[6], 1);
	ipi(0, 6u << 24, 0x0069a);
	assert_int_equal(sipis[6], 1);
	assert_int_equal(sipi_vector, 0x9a);
	ipi(0, 0, 0xc0400);
	assert_int_equal(nmis[0], 0);
	for (unsigned i = 1; i < NR; i++)
		assert_int_equal(nmis[i], 1);
	ipi(0, 0, 0x40400);				/* NMI to self by shorthand isn't allowed */
	assert_int_equal(nmis[0], 0);
	ipi(0, 0, 0x00400);				/* by ID it is */
	assert_int_equal(nmis[0], 1);
}

static void test_illegal_vectors(void **state)
{
	setup();
	wr(1, 0x370, 0xfe);				/* the error interrupt */
	ipi(1, 2u << 24, 0x0f);
	wr(1, 0x280, 0);
	assert_int_equal(rd(1, 0x280), 0x20);
	assert_int_equal(take(0xfe), 1u << 1);
	assert_int_equal(vector_set_highest(&apic[2].irr), -1);
}

static void test_timer(void **state)
{
	static const struct { u32 code; unsigned divide; } rows[] = {
		{ 0, 2 }, { 1, 4 }, { 2, 8 }, { 3, 16 }, { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 end = 5000 + 1000 * rows[i].divide;

		setup();
		wr(1, 0x3e0, rows[i].code);
		assert_int_equal(rd(1, 0x3e0), rows[i].code);
		lapic_write(&apic[1], 0x320, 4, 0x51, 5000);
		lapic_write(&apic[1], 0x380, 4, 1000, 5000);
		assert_int_equal(lapic_next_event(&apic[1]), end);
		assert_int_equal(lapic_read(&apic[1], 0x390, 4, 5000), 1000);
		assert_int_equal(lapic_read(&apic[1], 0x390, 4, 5000 + 250 * rows[i].divide), 750);
		lapic_tick(&apic[1], end - 1);
		assert_int_equal(vector_set_highest(&apic[1].irr), -1);
		lapic_tick(&apic[1], end);
		assert_int_equal(vector_set_highest(&apic[1].irr), 0x51);
		assert_int_equal(lapic_read(&apic[1], 0x390, 4, end), 0);
		assert_int_equal(lapic_next_event(&apic[1]), CLOCK_NEVER);
	}
}

static void test_timer_periodic(void **state)
{
	unsigned count = 0;

	setup();
	wr(1, 0x3e0, 0xb);
	wr(1, 0x320, 0x20051);
	lapic_write(&apic[1], 0x380, 4, 1000000, 123);
	while (lapic_next_event(&apic[1]) <= 1000000000) {
		u64 now = lapic_next_event(&apic[1]);

		assert_int_equal((now - 123) % 1000000, 0);
		lapic_tick(&apic[1], now);
		count += take(0x51) == 2;
	}
	assert_int_equal(count, 999);
	/* Late by ten and a half periods: one interrupt, and back in step. */
	lapic_tick(&apic[1], 1010500123);
	assert_int_equal(take(0x51), 2);
	assert_int_equal(lapic_next_event(&apic[1]), 1011000123);
	assert_int_equal(lapic_read(&apic[1], 0x390, 4, 1010600123), 400000);
	/* Masked: time passes without interrupts, and none comes at unmasking. */
	lapic_write(&apic[1], 0x320, 4, 0x30051, 1010600123);
	assert_int_equal(lapic_next_event(&apic[1]), CLOCK_NEVER);
	lapic_write(&apic[1], 0x320, 4, 0x20051, 1020600123);
	assert_int_equal(take(0x51), 0);
	assert_int_equal(lapic_next_event(&apic[1]), 1021000123);
	lapic_write(&apic[1], 0x380, 4, 0, 1020600123);
	assert_int_equal(lapic_next_event(&apic[1]), CLOCK_NEVER);
}

static void test_tsc_deadline(void **state)
{
	u64 value;

	setup();
	assert_true(lapic_wrmsr(&apic[1], 0x6e0, 5000, 0));	/* ignored in another mode */
	assert_true(lapic_rdmsr(&apic[1], 0x6e0, 0, &value));
	assert_int_equal(value, 0);
	wr(1, 0x320, 0x40052);
	assert_true(lapic_wrmsr(&apic[1], 0x6e0, 5000, 0));
	assert_int_equal(lapic_next_event(&apic[1]), 2500);
	assert_true(lapic_rdmsr(&apic[1], 0x6e0, 2499, &value));
	assert_int_equal(value, 5000);
	assert_int_equal(rd(1, 0x390), 0);
	wr(1, 0x380, 77);					/* ignored */
	assert_int_equal(lapic_next_event(&apic[1]), 2500);
	lapic_tick(&apic[1], 2500);
	assert_int_equal(take(0x52), 2);
	assert_true(lapic_rdmsr(&apic[1], 0x6e0, 2501, &value));
	assert_int_equal(value, 0);
	assert_true(lapic_wrmsr(&apic[1], 0x6e0, 100, 3000));	/* already past */
	assert_int_equal(take(0x52), 2);
	assert_true(lapic_wrmsr(&apic[1], 0x6e0, 9000, 3000));
	assert_true(lapic_wrmsr(&apic[1], 0x6e0, 0, 3000));	/* disarm */
	assert_int_equal(lapic_next_event(&apic[1]), CLOCK_NEVER);
	assert_true(lapic_wrmsr(&apic[1], 0x6e0, 9000, 3000));
	lapic_write(&apic[1], 0x320, 4, 0x00052, 3000);		/* a change of mode disarms */
	assert_int_equal(lapic_next_event(&apic[1]), CLOCK_NEVER);
}

static void test_software_disable(void **state)
{
	setup();
	wr(1, 0x320, 0x51);
	wr(1, 0xf0, 0x0ff);
	assert_int_equal(rd(1, 0x320), 0x10051);
	wr(1, 0x320, 0x51);
	assert_int_equal(rd(1, 0x320), 0x10051);	/* can't be unmasked */
	wr(1, 0xf0, 0x1ff);
	wr(1, 0x320, 0x51);
	assert_int_equal(rd(1, 0x320), 0x51);
}

/* SDM, "x2APIC State Transitions", every pair of EN and EXTD. */
static void test_base_transitions(void **state)
{
	static const bool allowed[4][4] = {	/* [from][to], 1 = EN, 2 = EXTD */
		[0] = { true, true, false, false },
		[1] = { true, true, false, true },
		[3] = { true, false, false, true },
	};

	for (unsigned from = 0; from < 4; from++) {
		for (unsigned to = 0; to < 4 && from != 2; to++) {
			setup();
			apic[1].base = 0xfee00000 | (from & 1 ? 0x800 : 0) | (from & 2 ? 0x400 : 0);
			assert_int_equal(lapic_wrmsr(&apic[1], 0x1b, 0xfee00000 |
					 (to & 1 ? 0x800 : 0) | (to & 2 ? 0x400 : 0), 0),
					 allowed[from][to]);
		}
	}
	setup();
	for (unsigned bit = 0; bit < 8; bit++)
		assert_false(lapic_wrmsr(&apic[1], 0x1b, 0xfee00800 | 1u << bit, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x1b, 0xfee00a00, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x1b, 0xfee00800 | 1ull << 52, 0));
	/* Off: the 8259A reaches the CPU directly, and what was set is lost. */
	wr(1, 0x80, 0x20);
	assert_true(lapic_wrmsr(&apic[1], 0x1b, 0xfee00000, 0));
	assert_true(apic[1].extint);
	assert_true(lapic_wrmsr(&apic[1], 0x1b, 0xfee00800, 0));
	assert_false(apic[1].extint);
	assert_int_equal(rd(1, 0x80), 0);
}

static u64 x2(unsigned i, u32 msr)
{
	u64 value = 0;

	assert_true(lapic_rdmsr(&apic[i], msr, 0, &value));
	return value;
}

static void test_x2apic(void **state)
{
	static const u32 readable[] = {
		0x802, 0x803, 0x808, 0x80a, 0x80d, 0x80f, 0x828, 0x830, 0x832, 0x833, 0x834, 0x835,
		0x836, 0x837, 0x838, 0x839, 0x83e,
	};
	u64 value;

	setup();
	assert_false(lapic_rdmsr(&apic[1], 0x802, 0, &value));	/* xAPIC mode */
	for (unsigned i = 0; i < NR; i++)
		assert_true(lapic_wrmsr(&apic[i], 0x1b, x2(i, 0x1b) | 0xc00, 0));
	for (u32 msr = 0x800; msr < 0x900; msr++) {
		bool there = msr >= 0x810 && msr < 0x828;

		for (size_t i = 0; i < ARRAY_SIZE(readable); i++)
			there |= readable[i] == msr;
		assert_int_equal(lapic_rdmsr(&apic[1], msr, 0, &value), there);
	}
	assert_int_equal(x2(19, 0x802), 19);
	assert_int_equal(x2(19, 0x80d), 0x00010008);
	assert_int_equal(x2(3, 0x80d), 0x00000008);
	/* Read only, or reserved bits: #GP. */
	assert_false(lapic_wrmsr(&apic[1], 0x802, 1, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x80d, 1, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x80e, 0, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x831, 0, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x839, 0, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x80b, 1, 0));
	assert_true(lapic_wrmsr(&apic[1], 0x80b, 0, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x828, 1, 0));
	assert_true(lapic_wrmsr(&apic[1], 0x828, 0, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x808, 0x100, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x838, 1ull << 32, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x832, 0x80000, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x83f, 0x100, 0));
	assert_false(lapic_wrmsr(&apic[1], 0x830, 0x100000, 0));
	/* IPIs. */
	assert_true(lapic_wrmsr(&apic[1], 0x830, 18ull << 32 | 0x44, 0));
	assert_int_equal(x2(1, 0x830), 18ull << 32 | 0x44);
	assert_true(apic[18].irr.word[2] == 0x10 && apic[17].irr.summary == 0);
	assert_true(lapic_wrmsr(&apic[1], 0x830, 0x0001000cull << 32 | 0x845, 0));
	assert_int_equal(vector_set_highest(&apic[18].irr), 0x45);
	assert_int_equal(vector_set_highest(&apic[19].irr), 0x45);
	assert_int_equal(vector_set_highest(&apic[17].irr), -1);
	assert_int_equal(vector_set_highest(&apic[2].irr), -1);
	assert_true(lapic_wrmsr(&apic[1], 0x83f, 0x46, 0));
	assert_int_equal(vector_set_highest(&apic[1].irr), 0x46);
	assert_true(lapic_wrmsr(&apic[1], 0x830, 0xffffffffull << 32 | 0x60, 0));
	for (unsigned i = 0; i < NR; i++)
		assert_int_equal(vector_set_highest(&apic[i].irr), 0x60);
}

static void test_lint(void **state)
{
	setup();
	wr(1, 0x350, 0x00031);				/* fixed, edge: Linux's "virtual wire" */
	lapic_set_lint(&apic[1], 0, true);
	lapic_set_lint(&apic[1], 0, true);
	assert_int_equal(take(0x31), 2);
	lapic_set_lint(&apic[1], 0, false);
	assert_int_equal(take(0x31), 0);
	wr(1, 0x350, 0x08031);				/* level */
	lapic_set_lint(&apic[1], 0, true);
	assert_int_equal(rd(1, 0x350), 0x0c031);	/* remote IRR */
	lapic_accept(&apic[1], 0x31);
	wr(1, 0xb0, 0);
	assert_int_equal(lapic_pending(&apic[1]), 0x31);	/* still high */
	lapic_set_lint(&apic[1], 0, false);
	assert_int_equal(take(0x31), 2);
	assert_int_equal(rd(1, 0x350), 0x08031);
	lapic_set_lint(&apic[0], 1, true);
	assert_int_equal(nmis[0], 1);
	wr(1, 0x350, 0x00700);
	assert_true(apic[1].extint);
	wr(1, 0x350, 0x10700);
	assert_false(apic[1].extint);
}

static void io_write(u8 reg, u32 value)
{
	ioapic_write(&ioapic, 0x00, 4, reg);
	ioapic_write(&ioapic, 0x10, 4, value);
}

static u32 io_read(u8 reg)
{
	ioapic_write(&ioapic, 0x00, 4, reg);
	return ioapic_read(&ioapic, 0x10, 4);
}

static void test_ioapic_registers(void **state)
{
	setup();
	assert_int_equal(io_read(1), 0x00170011);
	for (unsigned pin = 0; pin < 24; pin++) {
		assert_int_equal(io_read(0x10 + 2 * pin), 0x00010000);
		assert_int_equal(io_read(0x11 + 2 * pin), 0);
		io_write(0x10 + 2 * pin, 0xffffffff);
		io_write(0x11 + 2 * pin, 0xffffffff);
		/* Delivery status and remote IRR are read only, the rest is reserved. */
		assert_int_equal(io_read(0x10 + 2 * pin), 0x0001afff);
		assert_int_equal(io_read(0x11 + 2 * pin), 0xff000000);
	}
	io_write(0, 0xffffffff);
	assert_int_equal(io_read(0), 0x0f000000);
	assert_int_equal(io_read(2), 0x0f000000);
	assert_int_equal(io_read(0x40), 0);
	assert_int_equal(io_read(0xff), 0);
	assert_int_equal(io_read(3), 0);
}

/* Linux's check_timer(): pin 2, edge, vector 0x30, by physical destination 0. */
static void test_ioapic_edge(void **state)
{
	setup();
	io_write(0x15, 0);
	io_write(0x14, 0x10030);
	ioapic_set_pin(&ioapic, 2, true);
	assert_int_equal(take(0x30), 0);
	io_write(0x14, 0x00030);			/* an edge on a masked pin is forgotten */
	assert_int_equal(take(0x30), 0);
	ioapic_set_pin(&ioapic, 2, false);
	ioapic_set_pin(&ioapic, 2, true);
	assert_int_equal(take(0x30), 1);
	ioapic_set_pin(&ioapic, 2, true);
	assert_int_equal(take(0x30), 0);
	assert_int_equal(rd(0, 0x180 + 0x10), 0);	/* TMR: edge */
	io_write(0x14, 0x00430);			/* NMI */
	ioapic_set_pin(&ioapic, 2, false);
	ioapic_set_pin(&ioapic, 2, true);
	assert_int_equal(nmis[0], 1);
}

static void test_ioapic_level(void **state)
{
	setup();
	io_write(0x23, 4u << 24);
	io_write(0x22, 0x18061);
	ioapic_set_pin(&ioapic, 9, true);
	assert_int_equal(vector_set_highest(&apic[4].irr), -1);
	io_write(0x22, 0x08061);			/* unmasking delivers */
	assert_int_equal(vector_set_highest(&apic[4].irr), 0x61);
	assert_int_equal(io_read(0x22), 0x0c061);
	assert_int_equal(rd(4, 0x180 + 0x30), 2);	/* TMR: level */
	lapic_accept(&apic[4], 0x61);
	ioapic_set_pin(&ioapic, 9, false);
	ioapic_set_pin(&ioapic, 9, true);
	assert_int_equal(vector_set_highest(&apic[4].irr), -1);	/* remote IRR holds it */
	wr(4, 0xb0, 0);
	assert_int_equal(vector_set_highest(&apic[4].irr), 0x61);
	lapic_accept(&apic[4], 0x61);
	ioapic_set_pin(&ioapic, 9, false);
	wr(4, 0xb0, 0);
	assert_int_equal(vector_set_highest(&apic[4].irr), -1);
	assert_int_equal(io_read(0x22), 0x08061);
	/* Edge and back to level clears a stuck remote IRR. */
	ioapic_set_pin(&ioapic, 9, true);
	assert_int_equal(io_read(0x22), 0x0c061);
	io_write(0x22, 0x10061);
	io_write(0x22, 0x18061);
	assert_int_equal(io_read(0x22), 0x18061);
}

/* 82093AA, "Remote IRR": "set to 1 when local APIC(s) accept the level interrupt"; "Delivery Status":
 * 1 is "Send Pending", while they don't. */
static void test_ioapic_not_accepted(void **state)
{
	setup();
	lapic_write(&apic[4], 0xf0, 4, 0xff, 0);	/* off in software */
	io_write(0x23, 4u << 24);
	io_write(0x22, 0x08061);
	ioapic_set_pin(&ioapic, 9, true);
	assert_int_equal(io_read(0x22), 0x09061);
	ioapic_retry(&ioapic);
	assert_int_equal(io_read(0x22), 0x09061);
	wr(4, 0xf0, 0x1ff);
	ioapic_retry(&ioapic);
	assert_int_equal(io_read(0x22), 0x0c061);
	assert_int_equal(vector_set_highest(&apic[4].irr), 0x61);
	lapic_accept(&apic[4], 0x61);
	wr(4, 0xb0, 0);					/* still high: again */
	assert_int_equal(vector_set_highest(&apic[4].irr), 0x61);
	lapic_accept(&apic[4], 0x61);
	ioapic_set_pin(&ioapic, 9, false);
	wr(4, 0xb0, 0);
	/* The line falls, or the pin is masked, before somebody accepts it. */
	io_write(0x23, 77u << 24);
	ioapic_set_pin(&ioapic, 9, true);
	assert_int_equal(io_read(0x22), 0x09061);
	ioapic_set_pin(&ioapic, 9, false);
	assert_int_equal(io_read(0x22), 0x08061);
	ioapic_set_pin(&ioapic, 9, true);
	io_write(0x22, 0x18061);
	assert_int_equal(io_read(0x22), 0x18061);
	io_write(0x23, 4u << 24);
	ioapic_retry(&ioapic);
	assert_int_equal(vector_set_highest(&apic[4].irr), -1);
}

/* NMI "is treated as an edge triggered interrupt even if it is programmed as level". */
static void test_ioapic_level_nmi(void **state)
{
	setup();
	io_write(0x23, 0);
	io_write(0x22, 0x08400);
	for (unsigned n = 1; n <= 3; n++) {
		ioapic_set_pin(&ioapic, 9, true);
		ioapic_set_pin(&ioapic, 9, true);
		assert_int_equal(nmis[0], n);
		assert_int_equal(io_read(0x22), 0x08400);
		ioapic_set_pin(&ioapic, 9, false);
	}
}

/* "An access to a reserved register" is one that "is not implemented": read-only ones aren't that. */
static void test_read_only(void **state)
{
	static const u32 read_only[] = { 0x20, 0x30, 0x90, 0xa0, 0xc0, 0x100, 0x170, 0x180, 0x1f0, 0x200,
					 0x270, 0x390 };
	static const u32 reserved[] = { 0x00, 0x10, 0x40, 0x70, 0x290, 0x2f0, 0x3a0, 0x3d0, 0x3f0, 0x400,
					0xff0 };

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(read_only); i++) {
		u32 before = rd(1, read_only[i]);

		wr(1, read_only[i], ~before);
		assert_int_equal(rd(1, read_only[i]), before);
		wr(1, 0x280, 0);
		assert_int_equal(rd(1, 0x280), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		wr(1, reserved[i], 5);
		wr(1, 0x280, 0);
		assert_int_equal(rd(1, 0x280), 0x80);
		assert_int_equal(rd(1, reserved[i]), 0);
		wr(1, 0x280, 0);
		assert_int_equal(rd(1, 0x280), 0x80);
		wr(1, 0x280, 0);
	}
}

/* The TSC is set while a deadline is armed: what counts is the TSC. */
static void test_tsc_moves(void **state)
{
	setup();
	wr(1, 0x320, 0x40052);
	assert_true(lapic_wrmsr(&apic[1], 0x6e0, 5000, 0));
	assert_int_equal(lapic_next_event(&apic[1]), 2500);
	tsc_ahead = 4000;
	lapic_tsc_changed(&apic[1]);
	assert_int_equal(lapic_next_event(&apic[1]), 500);
	tsc_ahead = 6000;
	lapic_tsc_changed(&apic[1]);
	lapic_tick(&apic[1], 1);
	assert_int_equal(take(0x52), 2);
	lapic_tsc_changed(&apic[1]);		/* nothing is armed any more */
	assert_int_equal(lapic_next_event(&apic[1]), CLOCK_NEVER);
}

/* The slow way to find the highest vector, for comparison. */
static int highest(unsigned i, u32 at)
{
	for (int v = 255; v >= 0; v--)
		if (rd(i, at + (v >> 5) * 16) >> (v & 31) & 1)
			return v;
	return -1;
}

static void random_step(unsigned i, u64 now)
{
	u32 offset = random() % 2 ? random() % 0x400 : (random() % 0x40) << 4;
	u64 value = random() % 4 ? random() : random() % 0x200;

	switch (random() % 8) {
	case 0: case 1:
		lapic_write(&apic[i], offset, 1u << random() % 4, value, now);
		break;
	case 2:
		lapic_read(&apic[i], offset, 1u << random() % 4, now);
		break;
	case 3:
		lapic_wrmsr(&apic[i], 0x800 + random() % 0x100, value | (u64)(random() & 31) << 32, now);
		break;
	case 4:
		lapic_wrmsr(&apic[i], random() % 8 ? 0x6e0 : 0x1b, random() % 2 ? value : 0xfee00800, now);
		break;
	case 5:
		io_write(random() % 0x44, random() % 2 ? random() : random() & 0x8fff);
		break;
	case 6:
		ioapic_set_pin(&ioapic, random() % 24, random() & 1);
		lapic_set_lint(&apic[i], random() & 1, random() & 1);
		break;
	default:
		if (lapic_pending(&apic[i]) >= 0)
			lapic_accept(&apic[i], lapic_pending(&apic[i]));
	}
}

static void test_random(void **state)
{
	u64 now = 0;

	srandom(6);
	setup();
	for (unsigned n = 0; n < 500000; n++) {
		unsigned i = random() % NR;

		now += random() % 10000;
		random_step(i, now);
		lapic_tick(&apic[i], now);
		assert_true(lapic_next_event(&apic[i]) > now);
		if (n % 16)
			continue;
		assert_int_equal(vector_set_highest(&apic[i].irr), highest(i, 0x200));
		assert_int_equal(vector_set_highest(&apic[i].isr), highest(i, 0x100));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset_state), cmocka_unit_test(test_access_sizes),
		cmocka_unit_test(test_priorities), cmocka_unit_test(test_priority_falls),
		cmocka_unit_test(test_destinations),
		cmocka_unit_test(test_init_sipi_nmi), cmocka_unit_test(test_illegal_vectors),
		cmocka_unit_test(test_timer), cmocka_unit_test(test_timer_periodic),
		cmocka_unit_test(test_tsc_deadline), cmocka_unit_test(test_software_disable),
		cmocka_unit_test(test_base_transitions), cmocka_unit_test(test_x2apic),
		cmocka_unit_test(test_lint), cmocka_unit_test(test_ioapic_registers),
		cmocka_unit_test(test_ioapic_edge), cmocka_unit_test(test_ioapic_level),
		cmocka_unit_test(test_ioapic_not_accepted), cmocka_unit_test(test_ioapic_level_nmi),
		cmocka_unit_test(test_read_only), cmocka_unit_test(test_tsc_moves),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("lapic", tests, NULL, NULL);
}
