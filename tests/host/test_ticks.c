/* SPDX-License-Identifier: MIT */
/*
 * Periodic timers under a host that is late: a guest that counts ticks keeps the right time, however
 * late and irregularly the host gets to serve them, and no period keeps the host busy.
 */
#include "devices/board.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define MS		1000000ull
#define SECOND		1000000000ull
#define VECTOR		0x30
#define MOST_OWED	250u		/* docs/options.md, ticks= */
#define FASTEST		50000u		/* ns, likewise */

static struct board board;
static unsigned ticks;

static void console_out(void *ctx, const u8 *bytes, size_t n)
{
}

static void debug_out(void *ctx, u8 byte)
{
}

static void power(void *ctx, enum board_power what, u32 value)
{
}

static void kick(void *ctx, unsigned vcpu)
{
}

static void apic_event(void *ctx, unsigned vcpu, enum apic_delivery delivery, u8 vector)
{
}

static u64 tsc_to_ns(void *ctx, unsigned vcpu, u64 tsc)
{
	return tsc;
}

static const struct board_ops ops = {
	.console_out = console_out, .debug_out = debug_out, .power = power, .kick = kick,
	.apic_event = apic_event, .tsc_to_ns = tsc_to_ns,
};

static void out(u16 port, u8 value, u64 now)
{
	board_io_write(&board, 0, port, 1, value, now);
}

static void lapic(u32 offset, u32 value, u64 now)
{
	board_mmio_write(&board, 0, GPA(0xfee00000 + offset), 4, value, now);
}

static void ioapic_entry(unsigned pin, u32 low)
{
	board_mmio_write(&board, 0, GPA(0xfec00000), 4, 0x10 + 2 * pin, 0);
	board_mmio_write(&board, 0, GPA(0xfec00010), 4, low, 0);
}

static void setup(bool merge)
{
	board_init(&board, &(struct board_config){
		.memory_below_4g = 256ull << 20, .nr_vcpus = 1, .unix_time = 1700000000,
		.merge_ticks = merge, .ops = &ops,
	});
	ticks = 0;
	lapic(0xf0, 0x1ff, 0);
}

/* ---- the sources: each makes some 250 interrupts a second, by another way ---- */

#define PIT_RELOAD	4773u
#define LAPIC_PERIOD	(4 * MS)

static void pit_start(u16 reload, u64 now)
{
	out(0x43, 0x34, now);
	out(0x40, reload & 0xff, now);
	out(0x40, reload >> 8, now);
}

static void start_pit_ioapic(void)
{
	ioapic_entry(2, VECTOR);
	pit_start(PIT_RELOAD, 0);
}

static void start_pit_pic(void)
{
	static const u8 words[] = { 0x11, VECTOR, 0x04, 0x01, 0xfe };

	for (unsigned i = 0; i < 5; i++)
		out(0x20 + !!i, words[i], 0);
	pit_start(PIT_RELOAD, 0);
}

static void start_lapic(void)
{
	lapic(0x3e0, 0xb, 0);
	lapic(0x320, 0x20000 | VECTOR, 0);
	lapic(0x380, LAPIC_PERIOD, 0);
}

static void start_rtc(void)
{
	ioapic_entry(8, VECTOR);
	out(0x70, 10, 0);
	out(0x71, 0x28, 0);	/* 256 Hz */
	out(0x70, 11, 0);
	out(0x71, 0x42, 0);
	out(0x70, 12, 0);	/* as the handler reads it */
}

static void end_apic(u64 now)
{
	lapic(0xb0, 0, now);
}

static void end_pic(u64 now)
{
	out(0x20, 0x20, now);
}

static void end_rtc(u64 now)
{
	assert_int_equal(board_io_read(&board, 0, 0x71, 1, now) & 0xc0, 0xc0);
	end_apic(now);
}

static const struct source {
	const char *name;
	void (*start)(void), (*end)(u64 now);
	double ns;		/* a period */
} sources[] = {
	{ "PIT, IOAPIC", start_pit_ioapic, end_apic, PIT_RELOAD * 1e9 / 1193182 },
	{ "PIT, 8259A", start_pit_pic, end_pic, PIT_RELOAD * 1e9 / 1193182 },
	{ "LAPIC", start_lapic, end_apic, LAPIC_PERIOD },
	{ "RTC", start_rtc, end_rtc, 1e9 / 256 },
};

/* The guest takes what there is: its handler counts, then ends the interrupt. */
static void guest_runs(const struct source *s, u64 now)
{
	unsigned before = ticks;

	while (board_interrupt_pending(&board, 0)) {
		assert_int_equal(board_interrupt_accept(&board, 0), VECTOR);
		ticks++;
		s->end(now);
		assert_true(ticks - before <= MOST_OWED + 1);
	}
}

/* The host serves its timer when it's due and 0 to `late` ns after that. Returns how far the guest's
 * count of ticks is from the time that passed, at the worst. */
static double worst_error(const struct source *s, u64 late, u64 until, u64 *seed)
{
	double worst = 0, error;
	u64 now;

	s->start();
	for (;;) {
		now = board_next_event(&board, 0) + xorshift(seed) % (late + 1);
		if (now > until)
			return worst;
		board_tick(&board, 0, now);
		guest_runs(s, now);
		assert_true(board_next_event(&board, 0) > now);
		error = now / s->ns - ticks;
		worst = MAX(worst, error < 0 ? -error : error);
	}
}

static void test_late_host(void **state)
{
	u64 seed = 7;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		for (u64 late = 0; late <= 200 * MS; late = late * 5 + MS) {
			setup(false);
			/* The first tick may come up to a period early or late: phases differ. */
			if (worst_error(&sources[i], late, 20 * SECOND, &seed) > 1.5)
				fail_msg("%s, up to %lu ns late", sources[i].name, late);
		}
	}
}

/* Merged: of all that were due at one time, one comes; nothing is given later. */
static void test_merge(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		setup(true);
		sources[i].start();
		for (unsigned n = 1; n <= 20; n++) {
			board_tick(&board, 0, n * SECOND);
			guest_runs(&sources[i], n * SECOND);
			assert_int_equal(ticks, n);
		}
	}
}

static void test_bound(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		setup(false);
		sources[i].start();
		board_tick(&board, 0, 3600 * SECOND);
		guest_runs(&sources[i], 3600 * SECOND);
		assert_int_equal(ticks, MOST_OWED + 1);
		assert_false(board_interrupt_pending(&board, 0));
	}
}

/* The host is in time, but the guest takes no interrupt for 40 ms: as on hardware, one comes. */
static void test_guest_masks(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		setup(false);
		sources[i].start();
		while (board_next_event(&board, 0) < 40 * MS)
			board_tick(&board, 0, board_next_event(&board, 0));
		guest_runs(&sources[i], 40 * MS);
		assert_int_equal(ticks, 1);
	}
}

/* What is owed is forgotten with the timer's old rate, and with nobody listening. */
static void test_forgotten(void **state)
{
	u64 now = SECOND / 10;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		setup(false);
		sources[i].start();
		board_tick(&board, 0, now);
		sources[i].start();
		guest_runs(&sources[i], now);
		assert_int_equal(ticks, 1);
	}
	setup(false);
	start_pit_ioapic();
	board_tick(&board, 0, now);
	ioapic_entry(2, 0x10000 | VECTOR);
	guest_runs(&sources[0], now);
	ioapic_entry(2, VECTOR);
	guest_runs(&sources[0], now);
	assert_int_equal(ticks, 1);
	setup(false);
	start_lapic();
	board_tick(&board, 0, now);
	lapic(0x320, 0x30000 | VECTOR, now);
	guest_runs(&sources[2], now);
	lapic(0x320, 0x20000 | VECTOR, now);
	guest_runs(&sources[2], now);
	assert_int_equal(ticks, 1);
}

/* Linux's timer_irq_works(): more than 4 ticks of 4 ms within 64 ms of the TSC, in which the host
 * gave the guest just three slices. Nothing is seen between them, and the last one ends the wait. */
static void test_linux_check_timer(void **state)
{
	static const u64 slices[] = { 21 * MS, 43 * MS, 64 * MS };

	for (unsigned merge = 0; merge <= 1; merge++) {
		for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
			setup(merge);
			sources[i].start();
			for (unsigned n = 0; n < 3; n++) {
				board_tick(&board, 0, slices[n]);
				guest_runs(&sources[i], slices[n]);
			}
			assert_int_equal(ticks > 4, !merge);
		}
	}
}

/* A period of a nanosecond, or of two ticks of the PIT: the host is asked 20 000 times a second. */
static void test_fastest(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		u64 now = 0, next;
		unsigned services = 0;

		setup(false);
		sources[i].start();
		if (i == 2)
			lapic(0x380, 1, 0);
		else
			pit_start(2, 0);
		while (now < SECOND) {
			board_tick(&board, 0, now);
			guest_runs(&sources[i], now);
			next = board_next_event(&board, 0);
			now = next;
			services++;
		}
		assert_in_range(services, 19000, SECOND / FASTEST + 40);	/* and another timer's */
		assert_in_range(ticks, 18999, SECOND / FASTEST + 40);
	}
}

/* Every tick of 10 000 is there once, in whatever order ticks, reads and handlers come: as often as
 * the count went round. */
static void test_exactly_once(void **state)
{
	u64 seed = 99, now = 0;

	setup(false);
	start_lapic();
	while (now < 10000 * LAPIC_PERIOD) {
		now += xorshift(&seed) % (3 * LAPIC_PERIOD);
		if (xorshift(&seed) & 1)
			board_tick(&board, 0, now);
		else
			board_io_read(&board, 0, 0x608, 4, now);
		if (xorshift(&seed) & 1)
			lapic(0x310, 0, now);	/* any access lets the timer look at the clock */
		if (now >= board_next_event(&board, 0))
			board_tick(&board, 0, now);
		guest_runs(&sources[2], now);
		assert_int_equal(ticks, now / LAPIC_PERIOD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_host), cmocka_unit_test(test_merge),
		cmocka_unit_test(test_bound), cmocka_unit_test(test_guest_masks),
		cmocka_unit_test(test_forgotten), cmocka_unit_test(test_linux_check_timer),
		cmocka_unit_test(test_fastest), cmocka_unit_test(test_exactly_once),
	};

	return cmocka_run_group_tests_name("ticks", tests, NULL, NULL);
}
