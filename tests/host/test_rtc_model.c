/* SPDX-License-Identifier: MIT */
/*
 * The MC146818 against a model that counts second by second, with a table of the months: random
 * settings, alarms and times, every register and the interrupt line after each step. Rates: the
 * MC146818's table of periodic interrupt rates, by a crystal of 32768 Hz.
 */
#include "devices/rtc.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HZ	32768u
#define START	1709164790ull	/* 2024-02-28 23:59:50 UTC */

enum { SEC, MIN_, HOUR, DAY, MONTH, YEAR, NR };

static struct rtc rtc;
static bool line;

static struct {
	u64 tick;		/* of the crystal; the divider was zero at 0 */
	unsigned t[NR];		/* the year in full */
	unsigned alarm[3];	/* as in the registers */
	unsigned a, b, c;
} m;

static void on_irq(void *ctx, unsigned number, bool level)
{
	line = level;
}

static u64 now(void)
{
	return ((unsigned __int128)m.tick * 1000000000 + HZ - 1) / HZ;
}

static unsigned in(u8 index)
{
	rtc_write(&rtc, 0x70, index, now());
	return rtc_read(&rtc, 0x71, now());
}

static void out(u8 index, u8 value)
{
	rtc_write(&rtc, 0x70, index, now());
	rtc_write(&rtc, 0x71, value, now());
}

/* ---- the model ---- */

static unsigned month_days(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);

	return days[month - 1] + (month == 2 && leap);
}

static unsigned number(unsigned n)
{
	return m.b & 4 ? n : n / 10 * 16 + n % 10;
}

static unsigned hour_register(unsigned hour)
{
	static const unsigned char twelve[] = { 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };

	if (m.b & 2)
		return number(hour);
	return number(twelve[hour % 12]) + (hour >= 12 ? 0x80 : 0);
}

static bool alarm_hits(void)
{
	unsigned regs[3] = { number(m.t[SEC]), number(m.t[MIN_]), hour_register(m.t[HOUR]) };

	for (int i = 0; i < 3; i++)
		if (m.alarm[i] < 0xc0 && m.alarm[i] != regs[i])
			return false;
	return true;
}

static void update_cycle(void)
{
	if (m.b & 0x80)
		return;
	if (++m.t[SEC] == 60) {
		m.t[SEC] = 0;
		if (++m.t[MIN_] == 60) {
			m.t[MIN_] = 0;
			m.t[HOUR]++;
		}
	}
	if (m.t[HOUR] == 24) {
		m.t[HOUR] = 0;
		if (++m.t[DAY] > month_days(m.t[YEAR], m.t[MONTH])) {
			m.t[DAY] = 1;
			if (++m.t[MONTH] > 12) {
				m.t[MONTH] = 1;
				m.t[YEAR]++;
			}
		}
	}
	m.c |= 0x10 | (alarm_hits() ? 0x20 : 0);
}

/* In ticks of the crystal, by the data sheet's table. */
static unsigned rate(void)
{
	static const unsigned hz[16] = { 0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8,
					 4, 2 };

	return m.a & 15 ? HZ / hz[m.a & 15] : 0;
}

static void advance(u64 ticks)
{
	u64 end = m.tick + ticks;

	while (m.tick < end) {
		u64 next = MIN(end, (m.tick / HZ + 1) * HZ);

		if (rate() && next / rate() > m.tick / rate())
			m.c |= 0x40;
		m.tick = next;
		if (m.tick % HZ == 0)
			update_cycle();
	}
}

static unsigned flags(void)
{
	return m.c | (m.c & m.b & 0x70 ? 0x80 : 0);
}

/* ---- both ---- */

static void compare(void)
{
	assert_int_equal(in(0), number(m.t[SEC]));
	assert_int_equal(in(2), number(m.t[MIN_]));
	assert_int_equal(in(4), hour_register(m.t[HOUR]));
	assert_int_equal(in(7), number(m.t[DAY]));
	assert_int_equal(in(8), number(m.t[MONTH]));
	assert_int_equal(in(9), number(m.t[YEAR] % 100));
	assert_int_equal(in(0x32), number(m.t[YEAR] / 100));
	assert_int_equal(in(1), m.alarm[0]);
	assert_int_equal(in(3), m.alarm[1]);
	assert_int_equal(in(5), m.alarm[2]);
	assert_int_equal(in(11), m.b);
	/* UIP is set during the 244 µs, 8 ticks, before an update. */
	assert_int_equal(in(10), m.a | (m.tick % HZ >= HZ - 8 && !(m.b & 0x80) ? 0x80 : 0));
}

static void check_line(void)
{
	rtc_tick(&rtc, now());
	assert_int_equal(line, flags() >> 7);
	assert_true(rtc_next_event(&rtc) > now());
}

/* Field by field, in any order, with and without SET: what counts is what stands there at the end. */
static void set_time(u64 *seed)
{
	static const u8 reg[NR] = { 0, 2, 4, 7, 8, 9 };
	unsigned first = xorshift(seed) % NR;

	if (m.tick % HZ > HZ - 100)
		return;
	m.t[YEAR] = xorshift(seed) % 4 ? 1970 + xorshift(seed) % 150 : xorshift(seed) % 10000;
	m.t[MONTH] = 1 + xorshift(seed) % 12;
	m.t[DAY] = xorshift(seed) % 2 ? month_days(m.t[YEAR], m.t[MONTH]) :
		   1 + xorshift(seed) % month_days(m.t[YEAR], m.t[MONTH]);
	m.t[HOUR] = xorshift(seed) % 2 ? 23 : xorshift(seed) % 24;
	m.t[MIN_] = xorshift(seed) % 2 ? 59 : xorshift(seed) % 60;
	m.t[SEC] = xorshift(seed) % 2 ? 59 : xorshift(seed) % 60;
	out(0x32, number(m.t[YEAR] / 100));
	for (unsigned i = 0; i < NR; i++) {
		unsigned n = (first + i) % NR, value = m.t[n];

		out(reg[n], n == HOUR ? hour_register(value) : number(n == YEAR ? value % 100 : value));
	}
}

static void set_alarm(u64 *seed)
{
	unsigned near[3] = { (m.t[SEC] + 1) % 60, m.t[MIN_], m.t[HOUR] };

	for (int i = 0; i < 3; i++) {
		unsigned kind = xorshift(seed) % 4;

		m.alarm[i] = kind == 0 ? 0xff : i == 2 ? hour_register(near[i]) : number(near[i]);
		if (kind == 1)
			m.alarm[i] = number(xorshift(seed) % 60);
		out(1 + 2 * i, m.alarm[i]);
	}
}

/* BCD, binary, 12 and 24 hours: "the time and alarm bytes must be written anew" after a change. */
static void set_mode(u64 *seed)
{
	m.b = (m.b & 0x70) | (xorshift(seed) & 0x06);
	out(11, m.b);
	set_alarm(seed);
}

static void step(u64 *seed)
{
	switch (xorshift(seed) % 12) {
	case 0:
		set_time(seed);
		break;
	case 1:
		set_alarm(seed);
		break;
	case 2:
		set_mode(seed);
		break;
	case 3:
		m.a = 0x20 | (xorshift(seed) & 15);
		out(10, m.a);
		break;
	case 4:
		m.b = (m.b & 0x06) | (xorshift(seed) & 0xf0);
		m.b &= m.b & 0x80 ? ~0x10u : ~0u;	/* "cleared by SET going high" */
		out(11, m.b);
		break;
	case 5: case 6:
		assert_int_equal(in(12), flags());
		m.c = 0;
		break;
	case 7:
		advance(xorshift(seed) % (3 * HZ));
		break;
	case 8:
		if (xorshift(seed) % 16 == 0)
			advance((xorshift(seed) % 100000) * HZ);
		break;
	default:
		advance(xorshift(seed) % 200);
	}
}

static void test_random(void **state)
{
	u64 seed = 3, interrupts = 0;

	memset(&m, 0, sizeof(m));
	rtc_init(&rtc, (struct irq_out){ .set = on_irq }, START, 0, 0, 1, 0);
	memcpy(m.t, (unsigned[]){ 50, 59, 23, 28, 2, 2024 }, sizeof(m.t));
	m.a = 0x26;
	m.b = 0x02;
	for (unsigned i = 0; i < 60000; i++) {
		step(&seed);
		check_line();
		compare();
		interrupts += line;
	}
	assert_true(interrupts > 1000);
}

/* The 31st is written while it is February, and a month that has one after it. */
static void test_order_of_writing(void **state)
{
	rtc_init(&rtc, (struct irq_out){ .set = on_irq }, START, 0, 0, 1, 0);
	rtc_write(&rtc, 0x70, 7, 0);
	rtc_write(&rtc, 0x71, 0x31, 0);
	assert_int_equal(rtc_read(&rtc, 0x71, 0), 0x31);
	rtc_write(&rtc, 0x70, 8, 0);
	rtc_write(&rtc, 0x71, 0x03, 0);
	rtc_write(&rtc, 0x70, 7, 0);
	assert_int_equal(rtc_read(&rtc, 0x71, 2000000000), 0x31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random), cmocka_unit_test(test_order_of_writing),
	};

	return cmocka_run_group_tests_name("rtc_model", tests, NULL, NULL);
}
