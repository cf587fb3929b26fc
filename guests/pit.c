/* SPDX-License-Identifier: MIT */
/*
 * The 8254's counters in each mode, by counter 2 whose gate and output port 61H has: what reads
 * back, when the output moves, what the gate does (8254 data sheet, "Mode Definitions", "Read-Back
 * Command"); the LAPIC timer's divider and modes; and whether all clocks of the machine agree.
 */
#include "guests/lib/guest.h"

#define CONTROL		0x43
#define COUNTER(n)	(0x40 + (n))
#define GATE		1
#define OUT		0x20
#define STATUS_NULL	0x40
#define STATUS_OUT	0x80
#define PIT_HZ		1193182ull
#define PM_HZ		3579545ull
#define LAPIC_HZ	1000000000ull	/* both machines' */
#define TIMER_VECTOR	0x41
#define PERIODIC	0x20000u
#define MASKED		0x10000u
#define PERCENT		100

static volatile bool never;
static volatile unsigned ticks;

static void on_timer(struct frame *f)
{
	ticks++;
	lapic_write(LAPIC_EOI, 0);
}

static void ms(unsigned n)
{
	wait_for(&never, n, false);
}

static void gate(bool up)
{
	outb(0x61, (inb(0x61) & 0x0c) | (up ? GATE : 0));
}

static bool output(void)
{
	return inb(0x61) & OUT;
}

/* Control word of counter `n`: both bytes, binary. */
static void program(unsigned n, unsigned mode, unsigned count)
{
	outb(CONTROL, (u8)(n << 6 | 0x30 | mode << 1));
	outb(COUNTER(n), (u8)count);
	outb(COUNTER(n), (u8)(count >> 8));
}

static unsigned latched(unsigned n)
{
	unsigned low;

	outb(CONTROL, (u8)(n << 6));
	low = inb(COUNTER(n));
	return low | (unsigned)inb(COUNTER(n)) << 8;
}

static u8 status(unsigned n)
{
	outb(CONTROL, (u8)(0xe0 | 2u << n));
	return inb(COUNTER(n));
}

/* What QEMU's simpler PIT gets wrong: it knows neither null counts nor most of what gates do, and
 * port 61H shows its output at the moment of the last change. */
static void check_exact(const char *group, const char *id, u64 value, u64 expected)
{
	if (under_plinth())
		check_in(group, id, value, expected);
}

/* ---- reading ---- */

static void check_reading(void)
{
	unsigned first, second;

	for (unsigned mode = 0; mode < 6; mode++) {
		const char name[] = { (char)('0' + mode), 0 };

		gate(true);
		program(2, mode, 0x4000);
		check_in("status: mode", name, status(2) & 0x3f, 0x30 | mode << 1);
		outb(CONTROL, (u8)(0xb0 | mode << 1));
		check_exact("control word: null count", name, status(2) & STATUS_NULL, STATUS_NULL);
		check_exact("control word: output", name, status(2) & STATUS_OUT,
			 mode ? STATUS_OUT : 0);
	}
	program(2, 2, 0);
	outb(CONTROL, 0x80);
	ms(2);
	first = inb(COUNTER(2));
	first |= (unsigned)inb(COUNTER(2)) << 8;
	second = latched(2);
	check_true("latch: holds", ((first - second) & 0xffff) > 1000);
	outb(CONTROL, 0x80);
	first = inb(COUNTER(2));
	ms(2);
	outb(CONTROL, 0x80);	/* the second latch command counts for nothing */
	first |= (unsigned)inb(COUNTER(2)) << 8;
	second = latched(2);
	check_true("latch: the high byte waits", ((first - second) & 0xffff) > 1000);
	outb(CONTROL, 0xc8);	/* status and count */
	check("read-back: status first", inb(COUNTER(2)) & 0x3f, 0x34);
	inb(COUNTER(2));
	inb(COUNTER(2));
	outb(CONTROL, 0x94);	/* the low byte only */
	outb(COUNTER(2), 0x80);
	check("low byte only: status", status(2) & 0x3f, 0x14);
	check_true("low byte only: counts", inb(COUNTER(2)) <= 0x80);
	outb(CONTROL, 0xa4);
	outb(COUNTER(2), 0x80);
	check("high byte only: status", status(2) & 0x3f, 0x24);
	ms(1);
	check_true("high byte only: counts", inb(COUNTER(2)) <= 0x80);
}

/* ---- modes ---- */

/* Whether the output comes to `up` within 200 ms. */
static bool becomes(bool up)
{
	for (unsigned i = 0; i < 200; i++) {
		if (output() == up)
			return true;
		ms(1);
	}
	return false;
}

/* The output just after counter 2 was programmed, or, with no count, after an edge of the gate: in
 * a try that took less than 10 ms, of which the host lets one in many happen. */
static bool output_after(unsigned mode, unsigned count)
{
	bool up;
	u32 begin;

	do {
		begin = pm_timer();
		if (count)
			program(2, mode, count);
		else
			gate(false);
		gate(true);
		up = output();
	} while (((pm_timer() - begin) & 0xffffff) > PM_HZ / 100);
	return up;
}

static void check_modes(void)
{
	unsigned first;

	gate(true);
	check("mode 0: low at first", output_after(0, 0xffff), 0);
	check("mode 0: high at the end", becomes(true), 1);
	ms(2);
	check("mode 0: stays", output(), 1);
	program(2, 0, 0xffff);
	gate(false);
	first = latched(2);
	ms(2);
	check_exact("mode 0:", "the gate stops it", first - latched(2), 0);
	gate(true);
	check("mode 0: and lets it go on", becomes(true), 1);

	gate(false);
	program(2, 1, 0xf000);
	ms(1);
	check("mode 1: high before the gate", output(), 1);
	check_exact("mode 1:", "the gate's edge starts it", output_after(1, 0), 0);
	check("mode 1: high at the end", becomes(true), 1);
	check_exact("mode 1:", "the next edge again", output_after(1, 0), 0);
	check("mode 1: high again", becomes(true), 1);

	program(2, 2, 0x8000);
	check_exact("mode 2:", "high", output(), 1);
	gate(false);
	check_exact("mode 2:", "gate low, output high", output(), 1);
	first = latched(2);
	ms(2);
	check_exact("mode 2:", "the gate stops it", first - latched(2), 0);
	check("mode 3: high", output_after(3, 0xe000), 1);
	check("mode 3: low half", becomes(false), 1);
	check("mode 3: high half", becomes(true), 1);
	check("mode 3: low half again", becomes(false), 1);
	gate(false);
	check_exact("mode 3:", "gate low, output high", output(), 1);
	gate(true);
	program(2, 4, 0x8000);
	check_exact("mode 4:", "high", output(), 1);
	gate(false);
	first = latched(2);
	ms(2);
	check_exact("mode 4:", "the gate stops it", first - latched(2), 0);
	gate(false);
	program(2, 5, 0x8000);
	check_exact("mode 5:", "high", output(), 1);
	gate(true);
	check_exact("mode 5:", "high while it counts", output(), 1);
	gate(false);
}

/* ---- the LAPIC timer ---- */

static void check_lapic(void)
{
	static const struct { const char *name; u32 value; unsigned shift; } rows[] = {
		{ "2", 0x0, 1 }, { "4", 0x1, 2 }, { "8", 0x2, 3 }, { "16", 0x3, 4 }, { "32", 0x8, 5 },
		{ "64", 0x9, 6 }, { "128", 0xa, 7 }, { "1", 0xb, 0 },
	};

	lapic_write(LAPIC_LVTT, MASKED | TIMER_VECTOR);
	for (unsigned i = 0; i < COUNT(rows); i++) {
		bool good = false;

		lapic_write(LAPIC_TDCR, rows[i].value);
		check_in("divider", rows[i].name, lapic_read(LAPIC_TDCR), rows[i].value);
		/* Against divider 1, which is the same clock: a try that nothing disturbs. */
		for (unsigned n = 0; n < 50 && !good; n++) {
			u64 begin = rdtsc(), count, whole;

			lapic_write(LAPIC_TDCR, 0xb);
			lapic_write(LAPIC_TMICT, ~0u);
			while (rdtsc() - begin < 4000000)
				pause();
			whole = ~0u - lapic_read(LAPIC_TMCCT);
			lapic_write(LAPIC_TDCR, rows[i].value);
			begin = rdtsc();
			lapic_write(LAPIC_TMICT, ~0u);
			while (rdtsc() - begin < 4000000)
				pause();
			count = (u64)(~0u - lapic_read(LAPIC_TMCCT)) << rows[i].shift;
			good = count > whole - whole / 10 && count < whole + whole / 10;
		}
		check_in("divider: the rate", rows[i].name, good, 1);
	}
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_TMICT, 1000000);
	ms(5);
	check("one-shot: over", lapic_read(LAPIC_TMCCT), 0);
	check("initial count stays", lapic_read(LAPIC_TMICT), 1000000);
	lapic_write(LAPIC_LVTT, MASKED | PERIODIC | TIMER_VECTOR);
	lapic_write(LAPIC_TMICT, 1000000);
	ms(5);
	check_true("periodic: counts on", lapic_read(LAPIC_TMCCT) > 0);
	lapic_write(LAPIC_TMICT, 0);
	check("initial count 0 stops it", lapic_read(LAPIC_TMCCT), 0);
	lapic_write(LAPIC_LVTT, TIMER_VECTOR);
	lapic_write(LAPIC_TMICT, 100000000);
	lapic_write(LAPIC_TMICT, 0);
	sti();
	ms(5);
	cli();
	check("stopped: no interrupt", ticks, 0);
}

/* ---- clocks ---- */

struct clocks {
	u64 tsc, pm, lapic, pit;
};

/* What each advances in some 20 ms; the PIT's 16 bits are enough for 54. */
static struct clocks interval(void)
{
	struct clocks c;
	u32 pm, lapic;
	unsigned pit;
	u64 tsc;

	program(0, 2, 0);
	lapic_write(LAPIC_LVTT, MASKED | TIMER_VECTOR);
	lapic_write(LAPIC_TMICT, ~0u);
	pit = latched(0);
	tsc = rdtsc();
	pm = pm_timer();
	lapic = lapic_read(LAPIC_TMCCT);
	ms(20);
	c.pit = (pit - latched(0)) & 0xffff;
	c.tsc = rdtsc() - tsc;
	c.pm = (pm_timer() - pm) & 0xffffff;
	c.lapic = lapic - lapic_read(LAPIC_TMCCT);
	return c;
}

/* a ticks at rate ra and b at rate rb are the same time, to two per cent. */
static bool agree(u64 a, u64 ra, u64 b, u64 rb)
{
	u64 x = a * (rb / 1000), y = b * (ra / 1000);

	return x > y - y / PERCENT * 2 && x < y + y / PERCENT * 2;
}

static u8 rtc_second(void)
{
	outb(0x70, 0);
	return inb(0x71);
}

/* PM timer ticks in one second of the RTC. */
static u64 rtc_ticks(void)
{
	u8 second = rtc_second();
	u32 begin, sum = 0, now;

	while (rtc_second() == second)
		pause();
	second = rtc_second();
	begin = pm_timer();
	while (rtc_second() == second) {
		now = pm_timer();
		sum += (now - begin) & 0xffffff;
		begin = now;
	}
	return sum;
}

/* The host may be busy: one good try of many is enough. */
static void check_clocks(void)
{
	bool pit = false, lapic = false, tsc = false, rtc = false;
	u64 hz = 0;

	for (unsigned i = 0; i < 50 && !(pit && lapic && tsc); i++) {
		struct clocks c = interval();
		u64 now = c.tsc * (PM_HZ / 1000) / (c.pm ? c.pm : 1) * 1000;

		pit |= agree(c.pit, PIT_HZ, c.pm, PM_HZ);
		lapic |= agree(c.lapic, LAPIC_HZ, c.pm, PM_HZ);
		tsc |= hz && now > hz - hz / PERCENT && now < hz + hz / PERCENT;
		hz = now;
	}
	check_true("PIT and PM timer within 2 %", pit);
	check_true("LAPIC timer and PM timer within 2 %", lapic);
	check_true("the TSC's rate twice within 1 %", tsc);
	for (unsigned i = 0; i < 10 && !rtc; i++) {
		u64 n = rtc_ticks();

		rtc = agree(n, PM_HZ, 1000, 1000);
		if (!rtc)
			print("# a second of the RTC: %u\n", (u32)n);
	}
	check_true("RTC and PM timer within 2 %", rtc);
}

void guest_main(u32 magic, u32 info)
{
	set_handler(TIMER_VECTOR, on_timer);
	lapic_write(LAPIC_SVR, 0x1ff);
	check_reading();
	check_modes();
	check_lapic();
	check_clocks();
}
