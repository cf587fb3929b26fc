/* SPDX-License-Identifier: MIT */
/* The MC146818 against its data sheet, its calendar against the C library's. */
#include "devices/rtc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define SECOND	1000000000ull

static bool line;

static void on_irq(void *ctx, unsigned number, bool level)
{
	line = level;
}

/* 2024-02-28 23:59:50 UTC, a Wednesday. */
#define START	1709164790ull

static void setup(struct rtc *rtc)
{
	line = false;
	rtc_init(rtc, (struct irq_out){ .set = on_irq }, START, 256ull << 20, 1ull << 30, 4, 0);
}

static u8 get(struct rtc *rtc, u8 index, u64 now)
{
	rtc_write(rtc, 0x70, index, now);
	return rtc_read(rtc, 0x71, now);
}

static void put(struct rtc *rtc, u8 index, u8 value, u64 now)
{
	rtc_write(rtc, 0x70, index, now);
	rtc_write(rtc, 0x71, value, now);
}

static void test_time(void **state)
{
	struct rtc rtc;

	setup(&rtc);
	assert_int_equal(get(&rtc, 0, 0), 0x50);
	assert_int_equal(get(&rtc, 2, 0), 0x59);
	assert_int_equal(get(&rtc, 4, 0), 0x23);
	assert_int_equal(get(&rtc, 6, 0), 4);		/* Wednesday; Sunday is 1 */
	assert_int_equal(get(&rtc, 7, 0), 0x28);
	assert_int_equal(get(&rtc, 8, 0), 0x02);
	assert_int_equal(get(&rtc, 9, 0), 0x24);
	assert_int_equal(get(&rtc, 0x32, 0), 0x20);
	assert_int_equal(get(&rtc, 7, 10 * SECOND - 1), 0x28);
	assert_int_equal(get(&rtc, 7, 10 * SECOND), 0x29);	/* a leap year */
	assert_int_equal(get(&rtc, 4, 10 * SECOND), 0x00);
	assert_int_equal(get(&rtc, 13, 0), 0x80);
	assert_int_equal(rtc_read(&rtc, 0x70, 0), 0xff);
}

static void test_formats(void **state)
{
	struct rtc rtc;

	setup(&rtc);
	put(&rtc, 11, 0x06, 0);			/* binary */
	assert_int_equal(get(&rtc, 0, 0), 50);
	assert_int_equal(get(&rtc, 4, 0), 23);
	put(&rtc, 11, 0x04, 0);			/* 12 hours */
	assert_int_equal(get(&rtc, 4, 0), 0x80 | 11);
	put(&rtc, 11, 0x00, 0);
	assert_int_equal(get(&rtc, 4, 0), 0x80 | 0x11);
	assert_int_equal(get(&rtc, 4, 10 * SECOND), 0x12);	/* midnight is 12 AM */
	put(&rtc, 4, 0x92, 10 * SECOND);	/* noon is 12 PM */
	put(&rtc, 11, 0x02, 10 * SECOND);
	assert_int_equal(get(&rtc, 4, 10 * SECOND), 0x12);
}

/* Every fifth day or so of 1970 to 2400, by random seconds, in binary. */
static void test_calendar(void **state)
{
	struct rtc rtc;

	srandom(4);
	for (u64 t = 0; t < 13569465600ull; t += random() % 800000) {
		time_t seconds = t;
		struct tm tm;

		gmtime_r(&seconds, &tm);
		rtc_init(&rtc, (struct irq_out){ .set = on_irq }, t, 0, 0, 1, 0);
		put(&rtc, 11, 0x06, 0);
		assert_int_equal(get(&rtc, 0, 0), tm.tm_sec);
		assert_int_equal(get(&rtc, 2, 0), tm.tm_min);
		assert_int_equal(get(&rtc, 4, 0), tm.tm_hour);
		assert_int_equal(get(&rtc, 6, 0), tm.tm_wday + 1);
		assert_int_equal(get(&rtc, 7, 0), tm.tm_mday);
		assert_int_equal(get(&rtc, 8, 0), tm.tm_mon + 1);
		assert_int_equal(get(&rtc, 9, 0), tm.tm_year % 100);
		assert_int_equal(get(&rtc, 0x32, 0), tm.tm_year / 100 + 19);
		/* Writing a time back changes nothing. */
		put(&rtc, 7, tm.tm_mday, 0);
		assert_int_equal(get(&rtc, 0, 0), tm.tm_sec);
		assert_int_equal(get(&rtc, 7, 0), tm.tm_mday);
	}
}

/* Linux's mc146818_set_time(). */
static void test_set_time(void **state)
{
	struct rtc rtc;

	setup(&rtc);
	put(&rtc, 11, 0x82, 0);
	put(&rtc, 10, 0x76, 0);
	put(&rtc, 9, 0x31, SECOND);
	put(&rtc, 8, 0x12, SECOND);
	put(&rtc, 7, 0x31, SECOND);
	put(&rtc, 4, 0x23, SECOND);
	put(&rtc, 2, 0x59, SECOND);
	put(&rtc, 0, 0x59, SECOND);
	assert_int_equal(get(&rtc, 0, 5 * SECOND), 0x59);	/* stands still */
	put(&rtc, 11, 0x02, 5 * SECOND);
	assert_int_equal(get(&rtc, 0, 6 * SECOND), 0x59);	/* the divider is in reset */
	put(&rtc, 10, 0x26, 10 * SECOND);
	/* "The first update cycle begins one-half second later." */
	assert_int_equal(get(&rtc, 0, 10 * SECOND + SECOND / 2 - 1), 0x59);
	assert_int_equal(get(&rtc, 0, 10 * SECOND + SECOND / 2), 0x00);
	assert_int_equal(get(&rtc, 9, 10 * SECOND + SECOND / 2), 0x32);
	assert_int_equal(get(&rtc, 6, 10 * SECOND + SECOND / 2), 5);	/* 2032-01-01: a Thursday */
}

/* UIP rises 244 µs before the update and is seen once a second. */
static void test_update_in_progress(void **state)
{
	struct rtc rtc;

	setup(&rtc);
	assert_int_equal(get(&rtc, 10, 0), 0x26);
	assert_int_equal(get(&rtc, 10, SECOND - 245000), 0x26);
	assert_int_equal(get(&rtc, 10, SECOND - 243000), 0xa6);
	assert_int_equal(get(&rtc, 10, SECOND), 0x26);
	put(&rtc, 11, 0x82, 0);
	assert_int_equal(get(&rtc, 10, SECOND - 1), 0x26);
}

static void test_update_interrupt(void **state)
{
	struct rtc rtc;

	setup(&rtc);
	assert_int_equal(rtc_next_event(&rtc), CLOCK_NEVER);
	put(&rtc, 11, 0x12, SECOND / 4);
	assert_int_equal(rtc_next_event(&rtc), SECOND);
	rtc_tick(&rtc, SECOND - 1);
	assert_false(line);
	rtc_tick(&rtc, SECOND);
	assert_true(line);
	assert_int_equal(get(&rtc, 12, SECOND) & 0xb0, 0x90);
	assert_false(line);
	assert_int_equal(get(&rtc, 12, SECOND), 0);
	assert_int_equal(rtc_next_event(&rtc), 2 * SECOND);
}

static void test_alarm_interrupt(void **state)
{
	struct rtc rtc;

	setup(&rtc);
	put(&rtc, 1, 0x05, 0);
	put(&rtc, 3, 0x00, 0);
	put(&rtc, 5, 0x00, 0);
	put(&rtc, 11, 0x22, 0);
	assert_int_equal(rtc_next_event(&rtc), 15 * SECOND);
	rtc_tick(&rtc, 15 * SECOND);
	assert_true(line);
	assert_int_equal(get(&rtc, 12, 15 * SECOND) & 0xa0, 0xa0);
	assert_int_equal(rtc_next_event(&rtc), (15 + 86400) * SECOND);
	put(&rtc, 5, 0xff, 15 * SECOND);	/* any hour */
	assert_int_equal(rtc_next_event(&rtc), (15 + 3600) * SECOND);
	put(&rtc, 3, 0xc0, 15 * SECOND);	/* any minute */
	assert_int_equal(rtc_next_event(&rtc), (15 + 60) * SECOND);
	put(&rtc, 1, 0xff, 15 * SECOND);	/* any second */
	assert_int_equal(rtc_next_event(&rtc), 16 * SECOND);
	put(&rtc, 1, 0x75, 15 * SECOND);	/* a second that there isn't */
	assert_int_equal(rtc_next_event(&rtc), CLOCK_NEVER);
	/* Without the interrupt the flag comes all the same. */
	put(&rtc, 1, 0x10, 15 * SECOND);
	put(&rtc, 11, 0x02, 15 * SECOND);
	get(&rtc, 12, 15 * SECOND);
	assert_int_equal(get(&rtc, 12, 19 * SECOND) & 0xa0, 0);
	assert_int_equal(get(&rtc, 12, 21 * SECOND) & 0xa0, 0x20);
}

/* An alarm that never comes costs no search through the day: the guest asks as often as it likes. */
static void test_impossible_alarm(void **state)
{
	static const u8 impossible[][3] = {	/* seconds, minutes, hours; FFH: any */
		{ 0x60, 0xff, 0xff }, { 0xff, 0x60, 0xff }, { 0xff, 0xff, 0x24 },
	};
	clock_t begin = clock();
	struct rtc rtc;

	setup(&rtc);
	put(&rtc, 11, 0x22, 0);
	for (unsigned i = 0; i < 30000; i++) {
		put(&rtc, 1, impossible[i % 3][0], 0);
		put(&rtc, 3, impossible[i % 3][1], 0);
		put(&rtc, 5, impossible[i % 3][2], 0);
		assert_int_equal(rtc_next_event(&rtc), CLOCK_NEVER);
	}
	assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
	put(&rtc, 5, 0x23, 0);
	put(&rtc, 3, 0x59, 0);
	put(&rtc, 1, 0x59, 0);
	assert_int_equal(rtc_next_event(&rtc), 9 * SECOND);
}

/* 1024 Hz at rate 6, 8192 Hz at rate 3, 128 Hz at rate 2. */
static void test_periodic_interrupt(void **state)
{
	static const struct { u8 rate; unsigned hz; } rows[] = {
		{ 6, 1024 }, { 3, 8192 }, { 2, 128 }, { 1, 256 }, { 15, 2 },
	};
	struct rtc rtc;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned count = 0;

		setup(&rtc);
		put(&rtc, 10, 0x20 | rows[i].rate, 0);
		put(&rtc, 11, 0x42, 0);
		while (rtc_next_event(&rtc) <= SECOND) {
			u64 now = rtc_next_event(&rtc);

			rtc_tick(&rtc, now);
			assert_true(line);
			assert_int_equal(rtc_next_event(&rtc), CLOCK_NEVER);	/* until C is read */
			assert_int_equal(get(&rtc, 12, now) & 0xc0, 0xc0);
			count++;
		}
		assert_int_equal(count, rows[i].hz);
	}
	put(&rtc, 10, 0x20, SECOND);
	assert_int_equal(rtc_next_event(&rtc), CLOCK_NEVER);
}

static void test_memory_size(void **state)
{
	struct rtc rtc;

	setup(&rtc);
	assert_int_equal(get(&rtc, 0x15, 0) | get(&rtc, 0x16, 0) << 8, 640);
	assert_int_equal(get(&rtc, 0x17, 0) | get(&rtc, 0x18, 0) << 8, 0xffff);	/* 255 MiB in KiB */
	assert_int_equal(get(&rtc, 0x34, 0) | get(&rtc, 0x35, 0) << 8, 240 * 16);
	assert_int_equal(get(&rtc, 0x5b, 0) | get(&rtc, 0x5c, 0) << 8 | get(&rtc, 0x5d, 0) << 16, 16384);
	assert_int_equal(get(&rtc, 0x5f, 0), 3);
	put(&rtc, 0x7f, 0xa5, 0);
	assert_int_equal(get(&rtc, 0xff, 0), 0xa5);	/* bit 7 is the NMI mask */
}

static void test_random(void **state)
{
	struct rtc rtc;
	u64 now = 0;

	srandom(5);
	setup(&rtc);
	for (unsigned i = 0; i < 500000; i++) {
		now += random() % 3 ? random() % 100000ull : random() * 10ull;
		if (random() & 1)
			put(&rtc, random() % 20, random(), now);
		else
			get(&rtc, random(), now);
		rtc_tick(&rtc, now);
		assert_true(rtc_next_event(&rtc) > now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time), cmocka_unit_test(test_formats),
		cmocka_unit_test(test_calendar), cmocka_unit_test(test_set_time),
		cmocka_unit_test(test_update_in_progress), cmocka_unit_test(test_update_interrupt),
		cmocka_unit_test(test_alarm_interrupt), cmocka_unit_test(test_impossible_alarm),
		cmocka_unit_test(test_periodic_interrupt),
		cmocka_unit_test(test_memory_size), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("rtc", tests, NULL, NULL);
}
