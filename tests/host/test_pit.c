/* SPDX-License-Identifier: MIT */
/* The 8254 against the data sheet, and as Linux calibrates with it. */
#include "devices/pit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static unsigned rises;
static bool line;

static void on_irq(void *ctx, unsigned number, bool level)
{
	rises += level && !line;
	line = level;
}

static void setup(struct pit *pit)
{
	rises = 0;
	line = false;
	pit_init(pit, (struct irq_out){ .set = on_irq }, 0);
	rises = 0;
}

/* A time safely inside tick `tick` of the 1.193182 MHz clock: 838.095 ns each. */
static u64 in_tick(u64 tick)
{
	return (u64)((double)tick * 1e9 / 1193182 + 419);
}

static void program(struct pit *pit, unsigned channel, u8 mode, u16 count, u64 tick)
{
	pit_write(pit, 0x43, channel << 6 | 0x30 | mode << 1, in_tick(tick));
	pit_write(pit, 0x40 + channel, count & 0xff, in_tick(tick));
	pit_write(pit, 0x40 + channel, count >> 8, in_tick(tick));
}

static u16 latched(struct pit *pit, unsigned channel, u64 tick)
{
	u16 low;

	pit_write(pit, 0x43, channel << 6, in_tick(tick));
	low = pit_read(pit, 0x40 + channel, in_tick(tick));
	return low | pit_read(pit, 0x40 + channel, in_tick(tick)) << 8;
}

static u8 status(struct pit *pit, unsigned channel, u64 tick)
{
	pit_write(pit, 0x43, 0xe0 | 2 << channel, in_tick(tick));
	return pit_read(pit, 0x40 + channel, in_tick(tick));
}

static void test_clock(void **state)
{
	assert_int_equal(clock_ticks(1000000000, PIT_HZ), 1193182);
	assert_int_equal(clock_ticks(999999999, PIT_HZ), 1193181);
	assert_int_equal(clock_time(1193182, PIT_HZ), 1000000000);
	assert_int_equal(clock_time(1, PIT_HZ), 839);
	/* Three hundred years: nothing overflows. */
	assert_int_equal(clock_ticks(9460800000000000000ull, PIT_HZ), 9460800000ull * 1193182);
	for (u64 tick = 0; tick < 100000; tick++) {
		assert_int_equal(clock_ticks(clock_time(tick, PIT_HZ), PIT_HZ), tick);
		if (tick)
			assert_int_equal(clock_ticks(clock_time(tick, PIT_HZ) - 1, PIT_HZ), tick - 1);
	}
}

/* "OUT will go high N + 1 CLK pulses after the initial count is written." */
static void test_mode_0(void **state)
{
	struct pit pit;

	setup(&pit);
	program(&pit, 0, 0, 100, 1000);
	assert_false(line);
	assert_int_equal(status(&pit, 0, 1000) & 0x40, 0x40);	/* not loaded yet */
	assert_int_equal(latched(&pit, 0, 1001), 100);
	assert_int_equal(latched(&pit, 0, 1051), 50);
	assert_int_equal(status(&pit, 0, 1100), 0x30);
	assert_in_range(pit_next_event(&pit), in_tick(1100), in_tick(1101));
	pit_tick(&pit, in_tick(1100));
	assert_int_equal(rises, 0);
	pit_tick(&pit, in_tick(1101));
	assert_int_equal(rises, 1);
	assert_int_equal(status(&pit, 0, 1101), 0xb0);
	assert_int_equal(latched(&pit, 0, 1102), 0xffff);	/* it counts on */
	assert_int_equal(pit_next_event(&pit), CLOCK_NEVER);
	pit_tick(&pit, in_tick(9999999));
	assert_int_equal(rises, 1);
}

static void test_mode_2(void **state)
{
	struct pit pit;

	setup(&pit);
	program(&pit, 0, 2, 11932, 0);	/* 100 Hz, as Linux */
	assert_int_equal(latched(&pit, 0, 1), 11932);
	assert_int_equal(latched(&pit, 0, 11932), 1);
	assert_int_equal(status(&pit, 0, 11932), 0x34);		/* low for one clock */
	assert_int_equal(status(&pit, 0, 11931), 0xb4);
	assert_int_equal(latched(&pit, 0, 11933), 11932);
	rises = 0;
	setup(&pit);
	program(&pit, 0, 2, 11932, 0);
	rises = 0;
	/* Ten seconds, stepped from event to event: no drift. */
	while (pit_next_event(&pit) <= 10000000000ull)
		pit_tick(&pit, pit_next_event(&pit));
	assert_int_equal(rises, (11931820 - 1) / 11932);
	/* Missed edges give one interrupt. */
	rises = 0;
	pit_tick(&pit, 20000000000ull);
	assert_int_equal(rises, 1);
	assert_true(pit_next_event(&pit) > 20000000000ull);
	assert_true(pit_next_event(&pit) <= 20010001000ull);
}

/* "The new count will be loaded at the end of the current counting cycle." */
static void test_mode_2_new_count(void **state)
{
	struct pit pit;

	setup(&pit);
	program(&pit, 0, 2, 1000, 0);
	pit_write(&pit, 0x40, 500 & 0xff, in_tick(400));
	pit_write(&pit, 0x40, 500 >> 8, in_tick(400));
	assert_int_equal(latched(&pit, 0, 401), 600);
	assert_int_equal(status(&pit, 0, 402) & 0x40, 0x40);
	assert_int_equal(latched(&pit, 0, 1000), 1);
	assert_int_equal(latched(&pit, 0, 1001), 500);
	assert_int_equal(status(&pit, 0, 1002) & 0x40, 0);
	assert_int_equal(latched(&pit, 0, 1500), 1);
	assert_int_equal(latched(&pit, 0, 1501), 500);
}

static void test_mode_3(void **state)
{
	struct pit pit;

	setup(&pit);
	program(&pit, 0, 3, 10, 0);
	assert_int_equal(latched(&pit, 0, 1), 10);
	assert_int_equal(latched(&pit, 0, 2), 8);
	assert_int_equal(latched(&pit, 0, 5), 2);
	assert_int_equal(status(&pit, 0, 5) & 0x80, 0x80);
	assert_int_equal(latched(&pit, 0, 6), 10);
	assert_int_equal(status(&pit, 0, 6) & 0x80, 0);
	/* Odd: high for (N + 1) / 2, low for (N - 1) / 2. */
	program(&pit, 0, 3, 5, 100);
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(status(&pit, 0, 101 + i) >> 7, i % 5 < 3);
}

static void test_mode_4(void **state)
{
	struct pit pit;

	setup(&pit);
	program(&pit, 0, 4, 3, 0);
	assert_int_equal(status(&pit, 0, 3) >> 7, 1);
	assert_int_equal(status(&pit, 0, 4) >> 7, 0);	/* N + 1 after the write, for one clock */
	assert_int_equal(status(&pit, 0, 5) >> 7, 1);
	assert_int_equal(status(&pit, 0, 70000) >> 7, 1);
}

/* Mode 1 by channel 2's gate: low from the trigger for N clocks. */
static void test_mode_1(void **state)
{
	struct pit pit;

	setup(&pit);
	program(&pit, 2, 1, 20, 0);
	assert_int_equal(pit_read(&pit, 0x61, in_tick(50)) & 0x20, 0x20);
	pit_write(&pit, 0x61, 1, in_tick(100));
	assert_int_equal(pit_read(&pit, 0x61, in_tick(101)) & 0x20, 0);
	assert_int_equal(pit_read(&pit, 0x61, in_tick(120)) & 0x20, 0);
	assert_int_equal(pit_read(&pit, 0x61, in_tick(121)) & 0x20, 0x20);
	pit_write(&pit, 0x61, 0, in_tick(130));
	pit_write(&pit, 0x61, 1, in_tick(140));		/* again */
	assert_int_equal(pit_read(&pit, 0x61, in_tick(150)) & 0x20, 0);
}

/* Linux's pit_calibrate_tsc(): 10 ms by channel 2 in mode 0. */
static void test_linux_calibration(void **state)
{
	struct pit pit;
	u64 start = 123456789, now;

	setup(&pit);
	pit_write(&pit, 0x61, (pit_read(&pit, 0x61, start) & ~0x02) | 0x01, start);
	pit_write(&pit, 0x43, 0xb0, start);
	pit_write(&pit, 0x42, 11931 & 0xff, start);
	pit_write(&pit, 0x42, 11931 >> 8, start);
	for (now = start; !(pit_read(&pit, 0x61, now) & 0x20); now += 100)
		assert_true(now < start + 11000000);
	assert_in_range(now - start, 9999000, 10001000);
}

/* quick_pit_calibrate(): the high byte falls by one every 256 clocks; reads come in pairs. */
static void test_linux_quick_calibration(void **state)
{
	struct pit pit;
	u8 high = 0xff;

	setup(&pit);
	pit_write(&pit, 0x61, 0x01, 0);
	pit_write(&pit, 0x43, 0xb0, 0);
	pit_write(&pit, 0x42, 0xff, 0);
	pit_write(&pit, 0x42, 0xff, 0);
	for (u64 tick = 1; tick < 60000; tick += 16, high = 0xff - (tick - 1) / 256) {
		pit_read(&pit, 0x42, in_tick(tick));
		assert_int_equal(pit_read(&pit, 0x42, in_tick(tick)), high);
	}
}

/* The gate holds mode 0's count, and a counter without a gate counts nothing. */
static void test_gate_pauses(void **state)
{
	struct pit pit;

	setup(&pit);
	program(&pit, 2, 0, 1000, 0);
	assert_int_equal(latched(&pit, 2, 500), 1000);
	pit_write(&pit, 0x61, 1, in_tick(500));
	assert_int_equal(latched(&pit, 2, 600), 900);
	pit_write(&pit, 0x61, 0, in_tick(600));
	assert_int_equal(latched(&pit, 2, 800), 900);
	pit_write(&pit, 0x61, 1, in_tick(800));
	assert_int_equal(latched(&pit, 2, 900), 800);
}

static void test_access_and_bcd(void **state)
{
	struct pit pit;

	setup(&pit);
	pit_write(&pit, 0x43, 0x14, 0);		/* low byte only, mode 2 */
	pit_write(&pit, 0x40, 50, 0);
	assert_int_equal(pit_read(&pit, 0x40, in_tick(11)), 40);
	assert_int_equal(pit_read(&pit, 0x40, in_tick(12)), 39);
	pit_write(&pit, 0x43, 0x24, 0);		/* high byte only */
	pit_write(&pit, 0x40, 2, 0);
	assert_int_equal(pit_read(&pit, 0x40, in_tick(1)), 2);
	assert_int_equal(pit_read(&pit, 0x40, in_tick(2)), 1);
	pit_write(&pit, 0x43, 0x35, 0);		/* BCD, mode 2 */
	pit_write(&pit, 0x40, 0x34, 0);
	pit_write(&pit, 0x40, 0x12, 0);
	assert_int_equal(latched(&pit, 0, 1), 0x1234);
	assert_int_equal(latched(&pit, 0, 36), 0x1199);
	/* A latch holds until it is read; a second one doesn't count. */
	program(&pit, 0, 0, 1000, 100);
	pit_write(&pit, 0x43, 0x00, in_tick(201));
	pit_write(&pit, 0x43, 0x00, in_tick(301));
	assert_int_equal(pit_read(&pit, 0x40, in_tick(401)), 900 & 0xff);
	assert_int_equal(pit_read(&pit, 0x40, in_tick(401)), 900 >> 8);
	/* Read-back of both: the status comes first. */
	pit_write(&pit, 0x43, 0xc2, in_tick(601));
	assert_int_equal(pit_read(&pit, 0x40, in_tick(700)), 0x30);
	assert_int_equal(pit_read(&pit, 0x40, in_tick(700)), 500 & 0xff);
	assert_int_equal(pit_read(&pit, 0x40, in_tick(700)), 500 >> 8);
}

static void test_random(void **state)
{
	struct pit pit;
	u64 now = 0;

	srandom(2);
	setup(&pit);
	for (unsigned i = 0; i < 1000000; i++) {
		u16 port = random() % 5 == 4 ? 0x61 : 0x40 + random() % 4;

		now += random() % 100000;
		if (random() & 1)
			pit_write(&pit, port, random() % 3 ? random() : random() % 3, now);
		else
			pit_read(&pit, port, now);
		if (random() % 3 == 0)
			pit_tick(&pit, now);
		assert_true(pit_next_event(&pit) > now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock), cmocka_unit_test(test_mode_0),
		cmocka_unit_test(test_mode_1), cmocka_unit_test(test_mode_2),
		cmocka_unit_test(test_mode_2_new_count), cmocka_unit_test(test_mode_3),
		cmocka_unit_test(test_mode_4), cmocka_unit_test(test_linux_calibration),
		cmocka_unit_test(test_linux_quick_calibration), cmocka_unit_test(test_gate_pauses),
		cmocka_unit_test(test_access_and_bcd), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("pit", tests, NULL, NULL);
}
