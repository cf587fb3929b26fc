/* SPDX-License-Identifier: MIT */
/*
 * The clocks against each other over a year and longer: TSC, guest time, PIT, LAPIC timer, PM timer
 * and RTC all count what their frequencies say, to the tick, by 128-bit arithmetic.
 */
#include "devices/lapic.h"
#include "devices/pit.h"
#include "devices/pm.h"
#include "devices/rtc.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

typedef unsigned __int128 u128;

#define SECOND	1000000000ull
#define YEAR	(365ull * 86400 * SECOND)

static unsigned interrupts;

static void on_irq(void *ctx, unsigned line, bool level)
{
	interrupts += level;
}

static void power_off(void *ctx)
{
}

static unsigned send(void *ctx, const struct apic_message *message)
{
	return 0;
}

static void eoi(void *ctx, u8 vector)
{
}

static void kick(void *ctx, u32 index)
{
}

static void event(void *ctx, u32 index, enum apic_delivery delivery, u8 vector)
{
}

static u64 tsc_to_ns(void *ctx, u32 index, u64 tsc)
{
	return tsc;
}

static const struct lapic_ops ops = { send, eoi, kick, event, tsc_to_ns };

static void test_scale(void **state)
{
	/* kHz of TSCs, as measured: odd ones, slow ones, fast ones. */
	static const u64 khz[] = { 15001, 100000, 999999, 1000000, 1000001, 2345679, 2399998, 5123457 };
	u64 seed = 17;

	for (size_t i = 0; i < ARRAY_SIZE(khz); i++) {
		for (unsigned n = 0; n < 100000; n++) {
			u64 ns = xorshift(&seed) % (10 * YEAR) >> xorshift(&seed) % 60;
			u64 ticks = scale_up(ns, khz[i], 1000000);

			assert_true(scale_down(ns, khz[i], 1000000) == (u128)ns * khz[i] / 1000000);
			assert_true(ticks == ((u128)ns * khz[i] + 999999) / 1000000);
			/* There and back: the timer set for `ns` goes off when the clock says `ns`. */
			assert_true(scale_down(ticks, 1000000, khz[i]) >= ns);
			assert_true(!ticks || scale_down(ticks - 1, 1000000, khz[i]) < ns || !ns);
		}
	}
}

/* Random looks during ten years; nobody looks in between. */
static void test_counters(void **state)
{
	u64 seed = 23, now = 12345;
	struct lapic lapic;
	struct rtc rtc;
	struct pit pit;
	struct pm pm;
	u64 pit_start = (u128)now * 1193182 / SECOND + 1, start = now;

	pit_init(&pit, (struct irq_out){ .set = on_irq }, now);
	pm_init(&pm, (struct irq_out){ .set = on_irq }, power_off, NULL, 0);
	rtc_init(&rtc, (struct irq_out){ .set = on_irq }, 0, 0, 0, 1, now);
	lapic_init(&lapic, 0, true, &ops, NULL);
	pit_write(&pit, 0x43, 0x34, now);
	pit_write(&pit, 0x40, 11932 & 0xff, now);
	pit_write(&pit, 0x40, 11932 >> 8, now);
	lapic_write(&lapic, 0x3e0, 4, 0x9, now);		/* by 64 */
	lapic_write(&lapic, 0x320, 4, 0x30041, now);		/* periodic, masked */
	lapic_write(&lapic, 0x380, 4, 1000003, now);
	rtc_write(&rtc, 0x70, 0, now);
	while (now < 10 * YEAR) {
		u64 tick = (u128)now * 1193182 / SECOND, seconds = (now - start) / SECOND;
		u64 left = 64ull * 1000003 - (now - start) % (64ull * 1000003);
		u16 count;

		pit_write(&pit, 0x43, 0x00, now);
		count = pit_read(&pit, 0x40, now);
		count |= pit_read(&pit, 0x40, now) << 8;
		assert_int_equal(count, tick < pit_start ? 11932 : 11932 - (tick - pit_start) % 11932);
		assert_int_equal(pm_read(&pm, 8, 4, now), (u128)now * 3579545 / SECOND & 0xffffff);
		assert_int_equal(rtc_read(&rtc, 0x71, now), seconds % 10 + seconds / 10 % 6 * 16);
		assert_int_equal(lapic_read(&lapic, 0x390, 4, now), (left + 63) / 64);
		now += xorshift(&seed) % (YEAR / 5000);
	}
}

/* Each edge at the first nanosecond at which the counter is there, after a year as at the start. */
static void test_edges(void **state)
{
	static const u64 from[] = { 0, YEAR, 300 * YEAR };
	struct pit pit;

	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		u64 now = from[i], start = (u128)now * 1193182 / SECOND + 1;

		pit_init(&pit, (struct irq_out){ .set = on_irq }, now);
		pit_write(&pit, 0x43, 0x34, now);
		pit_write(&pit, 0x40, 4773 & 0xff, now);
		pit_write(&pit, 0x40, 4773 >> 8, now);
		interrupts = 0;
		for (u64 n = 1; n <= 100000; n++) {
			u128 edge = start + n * 4773;

			now = pit_next_event(&pit);
			assert_true(now == (edge * SECOND + 1193181) / 1193182);
			pit_tick(&pit, now);
		}
		/* Each time the line is driven: by the edge and by the level after it. */
		assert_int_equal(interrupts, 200000);
	}
}

/* RTC: 1024 Hz makes 1024 interrupts in every second of a day, and one update. */
static void test_rtc_rates(void **state)
{
	struct rtc rtc;
	u64 now = 0, periodic = 0, updates = 0;

	rtc_init(&rtc, (struct irq_out){ .set = on_irq }, 0, 0, 0, 1, 0);
	rtc_write(&rtc, 0x70, 11, 0);
	rtc_write(&rtc, 0x71, 0x52, 0);
	rtc_write(&rtc, 0x70, 12, 0);
	while ((now = rtc_next_event(&rtc)) <= 600 * SECOND) {
		u8 flags;

		rtc_tick(&rtc, now);
		flags = rtc_read(&rtc, 0x71, now);
		periodic += flags >> 6 & 1;
		updates += flags >> 4 & 1;
		if (now % SECOND == 0)
			assert_int_equal(periodic, now / SECOND * 1024);
	}
	assert_int_equal(periodic, 600 * 1024);
	assert_int_equal(updates, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scale), cmocka_unit_test(test_counters),
		cmocka_unit_test(test_edges), cmocka_unit_test(test_rtc_rates),
	};

	return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
