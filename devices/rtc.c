/* SPDX-License-Identifier: GPL-2.0-only */
/* The MC146818. See rtc.h. */
#include "devices/rtc.h"

enum {
	SECONDS = 0, SECONDS_ALARM = 1, MINUTES = 2, MINUTES_ALARM = 3, HOURS = 4, HOURS_ALARM = 5,
	WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9, REG_A = 10, REG_B = 11, REG_C = 12, REG_D = 13,
	BASE_MEMORY = 0x15, EXTENDED_MEMORY = 0x17, EXTENDED_MEMORY_2 = 0x30, MEMORY_ABOVE_16M = 0x34,
	MEMORY_ABOVE_4G = 0x5b, OTHER_CPUS = 0x5f, EQUIPMENT = 0x14,
};

#define A_UIP		0x80u
#define A_DIVIDER	0x70u
#define A_DIVIDER_RESET	0x60u	/* both bits: held in reset */
#define A_RATE		0x0fu
#define B_SET		0x80u
#define B_PIE		0x40u
#define B_AIE		0x20u
#define B_UIE		0x10u
#define B_BINARY	0x04u
#define B_24H		0x02u
#define C_IRQ		0x80u
#define C_PF		0x40u
#define C_AF		0x20u
#define C_UF		0x10u
#define D_VALID		0x80u
#define HOUR_PM		0x80u
#define ALARM_ANY	0xc0u
#define INDEX_MASK	0x7fu

#define CRYSTAL_HZ	32768ull
#define UIP_NS		244141u		/* UIP rises that long before the update */
#define DAY_SECONDS	86400u

static u32 decode(const struct rtc *rtc, u8 value)
{
	return rtc->cmos[REG_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15);
}

static u8 encode(const struct rtc *rtc, u32 value)
{
	return rtc->cmos[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10;
}

static u32 decode_hour(const struct rtc *rtc, u8 value)
{
	u32 hour = decode(rtc, rtc->cmos[REG_B] & B_24H ? value : value & ~HOUR_PM);

	if (rtc->cmos[REG_B] & B_24H)
		return hour;
	return hour % 12 + (value & HOUR_PM ? 12 : 0);
}

static u8 encode_hour(const struct rtc *rtc, u32 hour)
{
	if (rtc->cmos[REG_B] & B_24H)
		return encode(rtc, hour);
	return encode(rtc, (hour + 11) % 12 + 1) | (hour >= 12 ? HOUR_PM : 0);
}

/*
 * The time of day as one number: seconds since the first of March 400 years before the year 0, so
 * that each year that the registers can hold has one.
 */
#define YEARS_BEFORE	400u
#define DAYS_TO_1970	(719468u + DAYS_400_YEARS)
#define DAYS_400_YEARS	146097u

/* The Gregorian calendar, with years that begin in March so that the leap day comes last. */
static u64 days_of(const struct rtc_time *t)
{
	u64 year = t->year + YEARS_BEFORE - (t->month <= 2);
	u64 month = (t->month + 9) % 12;

	return year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + t->day - 1;
}

static struct rtc_time calendar(u64 second)
{
	u64 days = second / DAY_SECONDS;
	u32 seconds = second % DAY_SECONDS;
	u32 era = days / DAYS_400_YEARS, in_era = days % DAYS_400_YEARS;
	u32 year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	u32 in_year = in_era - (365 * year + year / 4 - year / 100);
	u32 month = (5 * in_year + 2) / 153;	/* from March */

	return (struct rtc_time){
		.year = era * 400 + year + (month >= 10) - YEARS_BEFORE,
		.month = month < 10 ? month + 3 : month - 9,
		.day = in_year - (153 * month + 2) / 5 + 1,
		.weekday = (days + 3) % 7 + 1,
		.hour = seconds / 3600, .minute = seconds / 60 % 60, .second = seconds % 60,
	};
}

/* Whatever the guest wrote becomes a time. */
static u64 second_of(const struct rtc_time *time)
{
	struct rtc_time t = *time;

	t.month = t.month < 1 || t.month > 12 ? 1 : t.month;
	t.day = t.day < 1 || t.day > 31 ? 1 : t.day;
	return days_of(&t) * DAY_SECONDS + t.hour % 24 * 3600 + t.minute % 60 * 60 + t.second % 60;
}

/* ---- the divider chain, and the seconds that it counts ---- */

static bool is_reset(const struct rtc *rtc)
{
	return (rtc->cmos[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

static u64 divider_ticks(const struct rtc *rtc, u64 now)
{
	return clock_ticks(now - rtc->divider, CRYSTAL_HZ);
}

/* Nanoseconds into the second. */
static u64 fraction(const struct rtc *rtc, u64 now)
{
	return (now - rtc->divider) % NS_PER_SECOND;
}

static u64 second_at(const struct rtc *rtc, u64 now)
{
	return rtc->base + (now - rtc->divider) / NS_PER_SECOND;
}

/* The registers change at the next update only: till then they hold what was written, be it the 31st
 * of February on the way to another month. */
static struct rtc_time time_at(const struct rtc *rtc, u64 now)
{
	u64 second = second_at(rtc, now);

	return rtc->held || second == rtc->written_second ? rtc->time : calendar(second);
}

static void set_time(struct rtc *rtc, const struct rtc_time *time, u64 now)
{
	u64 second = second_of(time);

	rtc->time = *time;
	rtc->base += second - second_at(rtc, now);
	rtc->checked_second = rtc->written_second = second;
}

/* A register of the alarm as a number. ANY: each value will do. NONE: what stands there is how no
 * number is written, so it equals none of the clock's registers. */
#define ANY	~0u
#define NONE	(~0u - 1)

static u32 alarm_field(u8 alarm, u32 value, u8 encoded)
{
	if ((alarm & ALARM_ANY) == ALARM_ANY)
		return ANY;
	return alarm == encoded ? value : NONE;
}

static u32 alarm_number(const struct rtc *rtc, u8 index)
{
	u8 alarm = rtc->cmos[index];
	u32 value = decode(rtc, alarm);

	return alarm_field(alarm, value, encode(rtc, value));
}

static u32 alarm_hour(const struct rtc *rtc)
{
	u8 alarm = rtc->cmos[HOURS_ALARM];
	u32 value = decode_hour(rtc, alarm);

	return alarm_field(alarm, value, encode_hour(rtc, value));
}

static bool matches(u32 wanted, u32 value)
{
	return wanted == ANY || wanted == value;
}

static bool is_possible(u32 wanted, u32 values)
{
	return wanted == ANY || wanted < values;
}

/*
 * The first second after `after` that the alarm matches, or CLOCK_NEVER. It skips whole hours and
 * minutes that don't match: as there is a match, it takes some 24 + 60 + 60 steps at most.
 */
static u64 next_alarm(const struct rtc *rtc, u64 after)
{
	u32 h = alarm_hour(rtc), m = alarm_number(rtc, MINUTES_ALARM);
	u32 s = alarm_number(rtc, SECONDS_ALARM);
	u64 t = after + 1;

	if (!is_possible(h, 24) || !is_possible(m, 60) || !is_possible(s, 60))
		return CLOCK_NEVER;
	for (;;) {
		if (!matches(h, t / 3600 % 24))
			t += 3600 - t % 3600;
		else if (!matches(m, t / 60 % 60))
			t += 60 - t % 60;
		else if (!matches(s, t % 60))
			t++;
		else
			return t;
	}
}

/* The periodic interrupt's period in ticks of the crystal; 0 = off. */
static u64 period(const struct rtc *rtc)
{
	unsigned rate = rtc->cmos[REG_A] & A_RATE;

	if (!rate)
		return 0;
	return 1u << ((rate < 3 ? rate + 7 : rate) - 1);
}

/* Sets the flags for all that happened up to `now`. Returns how many periods of the periodic
 * interrupt that were. */
static u64 collect(struct rtc *rtc, u64 now)
{
	u64 second = second_at(rtc, now), tick = divider_ticks(rtc, now), p = period(rtc);
	u64 periods = p && !is_reset(rtc) ? tick / p - rtc->checked_tick / p : 0;

	if (periods)
		rtc->cmos[REG_C] |= C_PF;
	rtc->checked_tick = tick;
	if (rtc->held || second <= rtc->checked_second)
		return periods;
	rtc->cmos[REG_C] |= C_UF;
	if (next_alarm(rtc, rtc->checked_second) <= second)
		rtc->cmos[REG_C] |= C_AF;
	rtc->checked_second = second;
	return periods;
}

static u64 time_of_second(const struct rtc *rtc, u64 second, u64 now)
{
	return clock_after(now, (second - second_at(rtc, now)) * NS_PER_SECOND - fraction(rtc, now));
}

static u64 time_of_tick(const struct rtc *rtc, u64 tick, u64 now)
{
	return clock_after(now, clock_time(tick, CRYSTAL_HZ) - (now - rtc->divider));
}

/* When the next enabled interrupt is due; none while one is already signalled. */
static u64 find_deadline(const struct rtc *rtc, u64 now)
{
	u8 b = rtc->cmos[REG_B];
	u64 second = second_at(rtc, now), deadline = CLOCK_NEVER, p = period(rtc), alarm;

	if (is_reset(rtc) || (rtc->cmos[REG_C] & C_IRQ))
		return CLOCK_NEVER;
	if ((b & B_PIE) && p)
		deadline = time_of_tick(rtc, (divider_ticks(rtc, now) / p + 1) * p, now);
	if (rtc->held)
		return deadline;
	if (b & B_UIE)
		deadline = MIN(deadline, time_of_second(rtc, second + 1, now));
	if (b & B_AIE) {
		alarm = next_alarm(rtc, second);
		if (alarm != CLOCK_NEVER)
			deadline = MIN(deadline, time_of_second(rtc, alarm, now));
	}
	return deadline;
}

static void update(struct rtc *rtc, u64 now)
{
	bool irq = rtc->cmos[REG_B] & rtc->cmos[REG_C] & (C_PF | C_AF | C_UF);

	rtc->cmos[REG_C] = (rtc->cmos[REG_C] & ~C_IRQ) | (irq ? C_IRQ : 0);
	irq_set(&rtc->irq, irq);
	rtc->deadline = find_deadline(rtc, now);
}

static u8 read_flags(struct rtc *rtc, u64 now)
{
	u64 periods = collect(rtc, now);
	u8 value;

	update(rtc, now);
	value = rtc->cmos[REG_C];
	rtc->cmos[REG_C] = 0;
	update(rtc, now);
	if (!rtc->owed)
		return value;
	/* The next one that the host missed follows; and what came while we caught up is owed. */
	rtc->owed = clock_owe(rtc->owed, periods) - 1;
	rtc->cmos[REG_C] |= C_PF;
	update(rtc, now);
	return value;
}

/* SET or the divider's reset may have begun or ended. SET only holds off the update: the divider
 * goes on. After a reset "the first update cycle begins one-half second later". */
static void update_held(struct rtc *rtc, bool was_reset, u64 now)
{
	bool reset = is_reset(rtc), held = reset || (rtc->cmos[REG_B] & B_SET);

	if (held && !rtc->held)
		rtc->time = time_at(rtc, now);
	if (was_reset && !reset) {
		rtc->divider = now - NS_PER_SECOND / 2;
		rtc->checked_tick = divider_ticks(rtc, now);
	}
	if (!held && rtc->held)
		set_time(rtc, &rtc->time, now);
	rtc->held = held;
}

static void write_time(struct rtc *rtc, u8 index, u8 value, u64 now)
{
	struct rtc_time time = time_at(rtc, now);
	u32 n = decode(rtc, value);

	switch (index) {
	case SECONDS:	time.second = n; break;
	case MINUTES:	time.minute = n; break;
	case HOURS:	time.hour = decode_hour(rtc, value); break;
	case WEEKDAY:	return;		/* follows from the date */
	case DAY:	time.day = n; break;
	case MONTH:	time.month = n; break;
	case YEAR:	time.year = time.year / 100 * 100 + n % 100; break;
	default:	time.year = n * 100 + time.year % 100; break;
	}
	if (rtc->held)
		rtc->time = time;
	else
		set_time(rtc, &time, now);
}

static u8 read_time(const struct rtc *rtc, u8 index, u64 now)
{
	struct rtc_time time = time_at(rtc, now);

	switch (index) {
	case SECONDS:	return encode(rtc, time.second);
	case MINUTES:	return encode(rtc, time.minute);
	case HOURS:	return encode_hour(rtc, time.hour);
	case WEEKDAY:	return time.weekday;
	case DAY:	return encode(rtc, time.day);
	case MONTH:	return encode(rtc, time.month);
	case YEAR:	return encode(rtc, time.year % 100);
	default:	return encode(rtc, time.year / 100);
	}
}

static bool is_time(u8 index)
{
	return index == SECONDS || index == MINUTES || index == HOURS ||
	       (index >= WEEKDAY && index <= YEAR) || index == RTC_CENTURY;
}

static void store(u8 *cmos, unsigned at, u64 value, unsigned bytes)
{
	value = MIN(value, (1ull << 8 * bytes) - 1);
	for (unsigned i = 0; i < bytes; i++)
		cmos[at + i] = value >> 8 * i;
}

/* What a PC's firmware notes about memory: KiB above 1 MiB, 64 KiB blocks above 16 MiB and above 4
 * GiB. */
static void store_memory(u8 *cmos, u64 below_4g, u64 above_4g)
{
	u64 above_1m = below_4g > MIB(1) ? below_4g - MIB(1) : 0;

	store(cmos, BASE_MEMORY, 640, 2);
	store(cmos, EXTENDED_MEMORY, above_1m >> 10, 2);
	store(cmos, EXTENDED_MEMORY_2, above_1m >> 10, 2);
	store(cmos, MEMORY_ABOVE_16M, below_4g > MIB(16) ? (below_4g - MIB(16)) >> 16 : 0, 2);
	store(cmos, MEMORY_ABOVE_4G, above_4g >> 16, 3);
}

void rtc_init(struct rtc *rtc, struct irq_out irq, u64 unix_seconds, u64 below_4g, u64 above_4g,
	      unsigned nr_cpus, u64 now)
{
	*rtc = (struct rtc){
		.irq = irq, .divider = now, .base = DAYS_TO_1970 * (u64)DAY_SECONDS + unix_seconds,
		.written_second = CLOCK_NEVER, .deadline = CLOCK_NEVER,
	};
	rtc->checked_second = rtc->base;
	rtc->cmos[REG_A] = 0x26;	/* 32768 Hz, 1024 Hz periodic */
	rtc->cmos[REG_B] = B_24H;
	rtc->cmos[EQUIPMENT] = 0x02;	/* a coprocessor, no diskette drive */
	rtc->cmos[OTHER_CPUS] = nr_cpus - 1;
	store_memory(rtc->cmos, below_4g, above_4g);
}

u8 rtc_read(struct rtc *rtc, u16 port, u64 now)
{
	u8 value = rtc->cmos[rtc->index];

	if (port == RTC_PORT)
		return 0xff;
	if (is_time(rtc->index))
		return read_time(rtc, rtc->index, now);
	switch (rtc->index) {
	case REG_A:
		if (!rtc->held && fraction(rtc, now) >= NS_PER_SECOND - UIP_NS)
			value |= A_UIP;
		return value;
	case REG_C:
		return read_flags(rtc, now);
	case REG_D:
		return D_VALID;
	default:
		return value;
	}
}

void rtc_write(struct rtc *rtc, u16 port, u8 value, u64 now)
{
	bool was_reset = is_reset(rtc);

	if (port == RTC_PORT) {
		rtc->index = value & INDEX_MASK;
		return;
	}
	collect(rtc, now);
	if (rtc->index == REG_A || rtc->index == REG_B)
		rtc->owed = 0;
	if (is_time(rtc->index))
		write_time(rtc, rtc->index, value, now);
	else if (rtc->index == REG_A)
		rtc->cmos[REG_A] = value & (A_DIVIDER | A_RATE);
	else if (rtc->index == REG_B)
		rtc->cmos[REG_B] = value & B_SET ? value & ~B_UIE : value;	/* SET clears UIE */
	else if (rtc->index != REG_C && rtc->index != REG_D)
		rtc->cmos[rtc->index] = value;
	update_held(rtc, was_reset, now);
	update(rtc, now);
}

void rtc_tick(struct rtc *rtc, u64 now)
{
	u64 periods;

	if (likely(now < rtc->deadline))
		return;
	periods = collect(rtc, now);
	if (rtc->catch_up && (rtc->cmos[REG_B] & B_PIE) && periods)
		rtc->owed = clock_owe(rtc->owed, periods - 1);
	update(rtc, now);
}
