/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The MC146818 real-time clock and its CMOS memory, ports 0x70 and 0x71 (MC146818 data sheet;
 * 82371AB). The divider chain runs from a point in guest time; the time of day is a number of seconds
 * more than it has counted. Flags are found when somebody looks or when an enabled interrupt is due,
 * never second by second. The day of the week follows from the date.
 */
#pragma once

#include "devices/clock.h"
#include "devices/irq.h"

#define RTC_PORT	0x70u
#define RTC_CMOS_SIZE	128u
#define RTC_CENTURY	0x32u	/* where the FADT says that the century is */

struct rtc_time {
	u32 year;		/* in full */
	u32 month, day;		/* from 1 */
	u32 weekday;		/* 1 = Sunday */
	u32 hour, minute, second;
};

struct rtc {
	u8 index;
	u8 cmos[RTC_CMOS_SIZE];	/* the time registers of it count only for the alarm */
	bool held;		/* SET or the divider's reset: the time stands still in `time` */
	struct rtc_time time;
	u64 written_second;	/* until it ends the registers hold `time`, as it was written */
	u64 divider;		/* guest time at which the divider chain was zero, modulo 2^64 */
	u64 base;		/* the time of day = base + seconds of the divider, modulo 2^64 */
	u64 checked_second;	/* time of day up to which update and alarm flags are known */
	u64 checked_tick;	/* tick of 32768 Hz up to which the periodic flag is known */
	u64 deadline;
	u32 owed;		/* periodic interrupts that the host missed and that are yet to be given */
	bool catch_up;		/* are missed ones owed, or merged? */
	struct irq_out irq;
};

/* At guest time `now` it is `unix_seconds`. `below_4g` and `above_4g` are the guest's memory in bytes,
 * as firmware would leave it in CMOS. Missed periodic interrupts are merged until `catch_up` is set. */
void rtc_init(struct rtc *rtc, struct irq_out irq, u64 unix_seconds, u64 below_4g, u64 above_4g,
	      unsigned nr_cpus, u64 now);

/* One byte at 0x70 (write only) or 0x71. */
u8 rtc_read(struct rtc *rtc, u16 port, u64 now);
void rtc_write(struct rtc *rtc, u16 port, u8 value, u64 now);

void rtc_tick(struct rtc *rtc, u64 now);

static inline u64 rtc_next_event(const struct rtc *rtc)
{
	return rtc->deadline;
}
