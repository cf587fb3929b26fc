/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the real-time clock (MC146818 data sheet). It is never written: it belongs to the
 * machine's owner.
 */
#include "arch/x86/rtc.h"

#include "arch/x86/cpu.h"
#include "arch/x86/time.h"

#define RTC_INDEX		0x70
#define RTC_DATA		0x71
#define RTC_SECONDS		0x00
#define RTC_MINUTES		0x02
#define RTC_HOURS		0x04
#define RTC_DAY			0x07
#define RTC_MONTH		0x08
#define RTC_YEAR		0x09
#define RTC_STATUS_A		0x0a
#define RTC_STATUS_B		0x0b
#define STATUS_A_UPDATING	0x80
#define STATUS_B_24_HOURS	0x02
#define STATUS_B_BINARY		0x04
#define HOURS_PM		0x80
#define CENTURY			2000
#define UPDATE_US		3000	/* an update takes at most 2228 us */
#define TRIES			10

struct rtc_time {
	unsigned second, minute, hour, day, month, year;
};

static u8 rtc_read(u8 reg)
{
	out8(RTC_INDEX, reg);
	return in8(RTC_DATA);
}

static struct rtc_time read_raw(void)
{
	/* The clock's own update, if one is going on, is let pass. */
	for (unsigned waited = 0; waited < UPDATE_US / 10; waited++) {
		if (!(rtc_read(RTC_STATUS_A) & STATUS_A_UPDATING))
			break;
		udelay(10);
	}
	return (struct rtc_time){
		.second = rtc_read(RTC_SECONDS), .minute = rtc_read(RTC_MINUTES),
		.hour = rtc_read(RTC_HOURS), .day = rtc_read(RTC_DAY),
		.month = rtc_read(RTC_MONTH), .year = rtc_read(RTC_YEAR),
	};
}

static bool is_same(const struct rtc_time *a, const struct rtc_time *b)
{
	return a->second == b->second && a->minute == b->minute && a->hour == b->hour &&
	       a->day == b->day && a->month == b->month && a->year == b->year;
}

static unsigned from_bcd(unsigned v)
{
	return (v >> 4) * 10 + (v & 0xf);
}

static void decode(struct rtc_time *t, u8 status_b)
{
	bool pm = t->hour & HOURS_PM;

	t->hour &= (unsigned)~HOURS_PM;
	if (!(status_b & STATUS_B_BINARY)) {
		t->second = from_bcd(t->second);
		t->minute = from_bcd(t->minute);
		t->hour = from_bcd(t->hour);
		t->day = from_bcd(t->day);
		t->month = from_bcd(t->month);
		t->year = from_bcd(t->year);
	}
	if (!(status_b & STATUS_B_24_HOURS))
		t->hour = t->hour % 12 + (pm ? 12 : 0);
	t->year += CENTURY;
}

/* Days since 1970-01-01. With the year beginning in March, the leap day is its last, and the
 * months' days follow (153 m + 2) / 5. */
static u64 days_since_1970(unsigned year, unsigned month, unsigned day)
{
	unsigned m = month > 2 ? month - 3 : month + 9;
	u64 y = month > 2 ? year : year - 1;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

u64 rtc_unix_time(void)
{
	struct rtc_time t = read_raw(), again;

	for (unsigned i = 0; i < TRIES; i++) {
		again = read_raw();
		if (is_same(&t, &again))
			break;
		t = again;
	}
	decode(&t, rtc_read(RTC_STATUS_B));
	if (t.second > 59 || t.minute > 59 || t.hour > 23 || t.day < 1 || t.day > 31 ||
	    t.month < 1 || t.month > 12 || t.year > CENTURY + 99)
		return 0;
	return days_since_1970(t.year, t.month, t.day) * 86400 + t.hour * 3600u + t.minute * 60u +
	       t.second;
}
