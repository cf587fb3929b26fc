/* SPDX-License-Identifier: MIT */
/* PIT, LAPIC timer and PM timer: they count, interrupt as often as they should, agree roughly. */
#include "guests/lib/guest.h"

#define PIT_HZ		1193182u
#define PIT_VECTOR	0x20
#define TIMER_VECTOR	0x41
#define PERIODIC	0x20000u
#define TSC_DEADLINE	0x40000u
#define MASKED		0x10000u
#define MSR_TSC		0x10
#define MSR_DEADLINE	0x6e0
#define PM_KHZ		3580u

static volatile unsigned pit_ticks, apic_ticks;
static volatile bool enough;
static unsigned wanted;
static volatile unsigned *wanted_of;

static void count(volatile unsigned *ticks)
{
	(*ticks)++;
	if (ticks == wanted_of && *ticks >= wanted)
		enough = true;
}

static void pit_tick(struct frame *f)
{
	count(&pit_ticks);
	pic_eoi(0);
}

static void apic_tick(struct frame *f)
{
	count(&apic_ticks);
	lapic_write(LAPIC_EOI, 0);
}

static void expect(volatile unsigned *ticks, unsigned n)
{
	*ticks = 0;
	wanted_of = ticks;
	wanted = n;
	enough = false;
}

static void pit_program(u8 mode, unsigned divisor)
{
	outb(0x43, mode);
	outb(0x40, (u8)divisor);
	outb(0x40, (u8)(divisor >> 8));
}

static unsigned pit_read(void)
{
	unsigned low;

	outb(0x43, 0);	/* latch */
	low = inb(0x40);
	return low | (unsigned)inb(0x40) << 8;
}

static volatile bool never;

/* Interrupts that come during `ms` with the CPU spinning. */
static void idle(unsigned ms)
{
	sti();
	wait_for(&never, ms, false);
	cli();
}

/* How far the PIT has counted down in 1 ms: 1193 and a little more. Where the host takes the CPU away
 * meanwhile it is anything, so the first of some tries counts that wasn't disturbed. */
static bool counts_down(void)
{
	for (unsigned i = 0; i < 300; i++) {
		unsigned first = pit_read(), gone;

		wait_for(&never, 1, false);
		gone = (first - pit_read()) & 0xffff;
		if (gone >= 1180 && gone <= 1800)
			return true;
	}
	return false;
}

static void check_pit(void)
{
	pit_program(0x34, 0);
	check_true("PIT: counts down", counts_down());
	outb(0x43, 0xe2);	/* read back the status of counter 0 */
	check("PIT: status", inb(0x40) & 0x3f, 0x34);

	/* The control word stops it; then the PIC forgets what mode 2 has asked for. */
	outb(0x43, 0x30);
	pic_setup(1);
	expect(&pit_ticks, 1);
	outb(0x40, (u8)(PIT_HZ / 100));
	outb(0x40, PIT_HZ / 100 >> 8);
	sti();
	check_true("PIT: one-shot interrupts", wait_for(&enough, 1000, false));
	cli();
	idle(40);
	check("PIT: one-shot only once", pit_ticks, 1);

	expect(&pit_ticks, 10);
	pit_program(0x34, PIT_HZ / 100);
	check_true("PIT: periodic, waiting in HLT", wait_for(&enough, 2000, true));
	pic_setup(0);
}

static void check_speaker_gate(void)
{
	/* Counter 2 in mode 0, its output read at port 61H. From the control word on it is low. */
	outb(0x61, (inb(0x61) & ~2) | 1);
	outb(0x43, 0xb0);
	check("counter 2: output low at first", inb(0x61) & 0x20, 0);
	outb(0x42, 0xa9);
	outb(0x42, 0x04);	/* 1 ms */
	wait_for(&never, 5, false);
	check("counter 2: output high at the end", inb(0x61) & 0x20, 0x20);
}

static void check_pm_timer(void)
{
	u32 first = pm_timer(), second;

	for (unsigned i = 0; i < 1000; i++)
		inb(0x80);
	second = pm_timer();
	check_true("PM timer advances", second != first);
}

static void check_lapic(void)
{
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_LVTT, TIMER_VECTOR);
	expect(&apic_ticks, 1);
	lapic_write(LAPIC_TMICT, 1000000);
	check_true("LAPIC: counts down", lapic_read(LAPIC_TMCCT) <= 1000000);
	sti();
	check_true("LAPIC: one-shot interrupts", wait_for(&enough, 1000, false));
	cli();
	idle(20);
	check("LAPIC: one-shot only once", apic_ticks, 1);
	check("LAPIC: count is zero then", lapic_read(LAPIC_TMCCT), 0);

	expect(&apic_ticks, 10);
	lapic_write(LAPIC_LVTT, PERIODIC | TIMER_VECTOR);
	lapic_write(LAPIC_TMICT, 1000000);
	check_true("LAPIC: periodic, waiting in HLT", wait_for(&enough, 2000, true));

	/* One that was requested before still comes. */
	lapic_write(LAPIC_LVTT, MASKED | PERIODIC | TIMER_VECTOR);
	idle(1);
	apic_ticks = 0;
	idle(20);
	check("LAPIC: masked, no interrupt", apic_ticks, 0);
	lapic_write(LAPIC_TMICT, 0);
}

/* The deadline is compared with the TSC as it is, wherever that was before. */
static void check_deadline_set_back(void)
{
	wrmsr(MSR_TSC, 0);
	apic_ticks = 0;
	wrmsr(MSR_DEADLINE, rdtsc() + (1ull << 40));	/* minutes */
	idle(20);
	check("TSC deadline: ahead of a TSC that was set back", apic_ticks, 0);
	expect(&apic_ticks, 1);
	wrmsr(MSR_DEADLINE, rdtsc() + 1000000);
	sti();
	check_true("TSC deadline: reached by a TSC that was set back",
		   wait_for(&enough, 1000, false));
	cli();
}

static void check_deadline(void)
{
	if (!(cpuid(1, 0).ecx >> 24 & 1)) {
		skip("TSC deadline", "not offered");
		skip("TSC deadline: MSR is zero then", "not offered");
		skip("TSC deadline: all ones is far away", "not offered");
		skip("TSC deadline: ahead of a TSC that was set back", "not offered");
		skip("TSC deadline: reached by a TSC that was set back", "not offered");
		return;
	}
	expect(&apic_ticks, 1);
	lapic_write(LAPIC_LVTT, TSC_DEADLINE | TIMER_VECTOR);
	wrmsr(MSR_DEADLINE, rdtsc() + 1000000);
	sti();
	check_true("TSC deadline", wait_for(&enough, 1000, false));
	cli();
	check("TSC deadline: MSR is zero then", rdmsr(MSR_DEADLINE), 0);
	apic_ticks = 0;
	wrmsr(MSR_DEADLINE, ~0ull);	/* the TSC counts without a sign: some hundred years */
	idle(20);
	check("TSC deadline: all ones is far away", apic_ticks, 0);
	wrmsr(MSR_DEADLINE, 0);
	check_deadline_set_back();
}

/* The LAPIC's rate, measured twice against the PIT and once against the PM timer, is the same to a
 * quarter. */
static u32 lapic_ticks_of_pit(void)
{
	u32 used;

	lapic_write(LAPIC_LVTT, MASKED | TIMER_VECTOR);
	pit_program(0x30, 11932);	/* 10 ms */
	lapic_write(LAPIC_TMICT, 0xffffffff);
	do
		outb(0x43, 0xe2);
	while (!(inb(0x40) & 0x80));	/* OUT */
	used = 0xffffffff - lapic_read(LAPIC_TMCCT);
	lapic_write(LAPIC_TMICT, 0);
	return used;
}

static u32 lapic_ticks_of_pm(void)
{
	lapic_write(LAPIC_TMICT, 0xffffffff);
	wait_for(&never, 10, false);
	return 0xffffffff - lapic_read(LAPIC_TMCCT);
}

static bool near(u32 a, u32 b)
{
	return a / 4 * 5 > b && b / 4 * 5 > a && a && b;
}

/* The host may be busy: one good try of many is enough. */
static void check_ratio(void)
{
	bool good = false;

	for (unsigned i = 0; i < 50 && !good; i++) {
		u32 a = lapic_ticks_of_pit(), b = lapic_ticks_of_pit(), c = lapic_ticks_of_pm();

		good = near(a, b) && near(a, c);
	}
	check_true("PIT, LAPIC and PM timer agree", good);
}

/* All clocks at one moment, as counts that go up; the PIT's is counter 2, which has no interrupt. */
struct clocks {
	u64 pm, pit, lapic, tsc;
};

static void read_clocks(struct clocks *c)
{
	unsigned low;

	c->pm = pm_timer();
	c->tsc = rdtsc();
	c->lapic = 0xffffffff - lapic_read(LAPIC_TMCCT);
	outb(0x43, 0x80);
	low = inb(0x42);
	c->pit = 0xffff - (low | (unsigned)inb(0x42) << 8);
}

/* a / b equals c / d to a hundredth. */
static bool same_rate(u64 a, u64 b, u64 c, u64 d)
{
	u64 left = a * d, right = c * b, apart = left > right ? left - right : right - left;

	return apart <= left / 100;
}

/* Two stretches of 20 ms after each other: no clock gains on another, and the PIT's crystal is a
 * third of the PM timer's. */
static bool rates_hold(void)
{
	struct clocks c[3];
	u64 pm[2];
	bool good = true;

	lapic_write(LAPIC_LVTT, MASKED | TIMER_VECTOR);
	lapic_write(LAPIC_TMICT, 0xffffffff);
	outb(0x61, (inb(0x61) & ~2) | 1);
	outb(0x43, 0xb0);
	outb(0x42, 0xff);
	outb(0x42, 0xff);
	for (unsigned i = 0; i < 3; i++) {
		wait_for(&never, i ? 20 : 1, false);
		read_clocks(&c[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		pm[i] = (c[i + 1].pm - c[i].pm) & 0xffffff;
	for (unsigned i = 0; i < 2; i++)
		good = good && same_rate(3 * (c[i + 1].pit - c[i].pit), 1, pm[i], 1);
	good = good && same_rate(c[1].tsc - c[0].tsc, pm[0], c[2].tsc - c[1].tsc, pm[1]) &&
	       same_rate(c[1].lapic - c[0].lapic, pm[0], c[2].lapic - c[1].lapic, pm[1]);
	lapic_write(LAPIC_TMICT, 0);
	return good;
}

/* The host may be busy between two looks: one good try of many is enough. */
static void check_rates(void)
{
	bool good = false;

	for (unsigned i = 0; i < 50 && !good; i++)
		good = rates_hold();
	check_true("PIT, LAPIC, TSC and PM timer keep step to 1 %", good);
}

void guest_main(u32 magic, u32 info)
{
	set_handler(PIT_VECTOR, pit_tick);
	set_handler(TIMER_VECTOR, apic_tick);
	check_pm_timer();
	check_pit();
	check_speaker_gate();
	check_lapic();
	check_deadline();
	check_ratio();
	check_rates();
}
