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

/* The Gregorian calendar, with years that begin in March so that the leap day comes last. */
static u64 days_of(const struct rtc_time *t)
{
	u64 year = t->month <= 2 ? t->year - 1 : t->year;
	u64 month = (t->month + 9) % 12;

	return year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + t->day - 1;
}

#define DAYS_TO_1970	719468u		/* from 0000-03-01 */
#define DAYS_400_YEARS	146097u

static struct rtc_time calendar(u64 unix_second)
{
	u64 days = unix_second / DAY_SECONDS + DAYS_TO_1970;
	u32 seconds = unix_second % DAY_SECONDS;
	u32 era = days / DAYS_400_YEARS, in_era = days % DAYS_400_YEARS;
	u32 year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	u32 in_year = in_era - (365 * year + year / 4 - year / 100);
	u32 month = (5 * in_year + 2) / 153;	/* from March */

	return (struct rtc_time){
		.year = era * 400 + year + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = in_year - (153 * month + 2) / 5 + 1,
		.weekday = (days + 3) % 7 + 1,
		.hour = seconds / 3600, .minute = seconds / 60 % 60, .second = seconds % 60,
	};
}

/* Whatever the guest wrote becomes a time; years before 1970 become 1970. */
static u64 unix_second_of(const struct rtc_time *time)
{
	struct rtc_time t = *time;
	u64 days;

	t.month = t.month < 1 || t.month > 12 ? 1 : t.month;
	t.day = t.day < 1 || t.day > 31 ? 1 : t.day;
	t.year = MAX(t.year, 1970u);
	days = days_of(&t) - DAYS_TO_1970;
	return days * DAY_SECONDS + t.hour % 24 * 3600 + t.minute % 60 * 60 + t.second % 60;
}

static u64 unix_ns(const struct rtc *rtc, u64 now)
{
	return now + rtc->offset;
}

static u64 unix_second(const struct rtc *rtc, u64 now)
{
	return unix_ns(rtc, now) / NS_PER_SECOND;
}

static struct rtc_time time_at(const struct rtc *rtc, u64 now)
{
	return rtc->held ? rtc->time : calendar(unix_second(rtc, now));
}

static void set_time(struct rtc *rtc, const struct rtc_time *time, u64 fraction, u64 now)
{
	rtc->offset = unix_second_of(time) * NS_PER_SECOND + fraction - now;
	rtc->checked_second = unix_second(rtc, now);
}

/* A register of the alarm as a number; ANY: each value will do. */
#define ANY	~0u

static u32 alarm_field(u8 alarm, u32 value)
{
	return (alarm & ALARM_ANY) == ALARM_ANY ? ANY : value;
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
 * minutes that don't match; as there is a match, that are at most some 24 + 60 + 60 steps.
 */
static u64 next_alarm(const struct rtc *rtc, u64 after)
{
	const u8 *cmos = rtc->cmos;
	u32 h = alarm_field(cmos[HOURS_ALARM], decode_hour(rtc, cmos[HOURS_ALARM]));
	u32 m = alarm_field(cmos[MINUTES_ALARM], decode(rtc, cmos[MINUTES_ALARM]));
	u32 s = alarm_field(cmos[SECONDS_ALARM], decode(rtc, cmos[SECONDS_ALARM]));
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
	u64 second = unix_second(rtc, now), tick = clock_ticks(now, CRYSTAL_HZ), p = period(rtc);
	u64 periods = p && !rtc->held ? tick / p - rtc->checked_tick / p : 0;

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
	return clock_after(now, (second - unix_second(rtc, now)) * NS_PER_SECOND -
				unix_ns(rtc, now) % NS_PER_SECOND);
}

/* When the next enabled interrupt is due; none while one is already signalled. */
static u64 find_deadline(const struct rtc *rtc, u64 now)
{
	u8 b = rtc->cmos[REG_B];
	u64 second = unix_second(rtc, now), deadline = CLOCK_NEVER, p = period(rtc), alarm;

	if (rtc->held || (rtc->cmos[REG_C] & C_IRQ))
		return CLOCK_NEVER;
	if (b & B_UIE)
		deadline = time_of_second(rtc, second + 1, now);
	if (b & B_AIE) {
		alarm = next_alarm(rtc, second);
		if (alarm != CLOCK_NEVER)
			deadline = MIN(deadline, time_of_second(rtc, alarm, now));
	}
	if ((b & B_PIE) && p)
		deadline = MIN(deadline, clock_time((clock_ticks(now, CRYSTAL_HZ) / p + 1) * p,
						    CRYSTAL_HZ));
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

/* SET or the divider's reset may have begun or ended. After a reset the next update is half a
 * second off. */
static void update_held(struct rtc *rtc, bool was_reset, u64 now)
{
	bool reset = (rtc->cmos[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
	bool held = reset || (rtc->cmos[REG_B] & B_SET);

	if (was_reset && !reset)
		rtc->fraction = NS_PER_SECOND / 2;
	if (held == rtc->held)
		return;
	if (held) {
		rtc->time = calendar(unix_second(rtc, now));
		rtc->fraction = unix_ns(rtc, now) % NS_PER_SECOND;
	} else {
		set_time(rtc, &rtc->time, rtc->fraction, now);
	}
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
		set_time(rtc, &time, unix_ns(rtc, now) % NS_PER_SECOND, now);
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
		.irq = irq, .offset = unix_seconds * NS_PER_SECOND - now,
		.checked_second = unix_seconds, .checked_tick = clock_ticks(now, CRYSTAL_HZ),
		.deadline = CLOCK_NEVER,
	};
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
		if (!rtc->held && unix_ns(rtc, now) % NS_PER_SECOND >= NS_PER_SECOND - UIP_NS)
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
	bool was_reset = (rtc->cmos[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;

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
