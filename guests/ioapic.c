/* SPDX-License-Identifier: MIT */
/*
 * The IOAPIC: its registers, edge and level, remote IRR and EOI, masks while something waits, and
 * destinations on four CPUs (82093AA, "I/O Redirection Table Registers"; SDM vol. 3A, "Signaling
 * Interrupt Servicing Completion"). The source is COM1's interrupt for an empty transmitter, a
 * line that the test raises and lowers as it likes; and the RTC.
 */
#include "guests/lib/smp.h"

#define IOAPIC		0xfec00000ul
#define ID		0
#define VERSION		1
#define ARBITRATION	2
#define PINS		24
#define PIN(n)		(0x10 + 2 * (n))
#define UART_PIN	4
#define RTC_PIN		8
#define VECTOR		0x50
#define RTC_VECTOR	0x58
#define COM1		0x3f8
#define UART_OUT2	0x08
#define THRE		0x02
#define ENTRY_LOWEST	0x100u
#define ENTRY_NMI	0x400u
#define ENTRY_LOGICAL	0x800u
#define ENTRY_PENDING	0x1000u
#define ENTRY_REMOTE_IRR 0x4000u
#define ENTRY_LEVEL	0x8000u
#define ENTRY_MASKED	0x10000u
#define RTC_PERIODIC	0x40
#define RTC_ALARM	0x20
#define RTC_UPDATE	0x10

static unsigned nr_cpus;
static volatile u32 counts[MAX_CPUS], nmis[MAX_CPUS], rtc_count, release_aps, ready;
static volatile u32 lower_after, in_irr, in_tmr;
static volatile bool mask_in_handler;
static volatile u8 rtc_cause;

static u32 get(u32 reg)
{
	*(volatile u32 *)IOAPIC = reg;
	return *(volatile u32 *)(IOAPIC + 0x10);
}

static void set(u32 reg, u32 v)
{
	*(volatile u32 *)IOAPIC = reg;
	*(volatile u32 *)(IOAPIC + 0x10) = v;
}

static void set_pin(unsigned pin, u32 dest, u32 low)
{
	set(PIN(pin), ENTRY_MASKED);
	set(PIN(pin) + 1, dest << 24);
	set(PIN(pin), low);
}

/* The line of pin 4. Reading IIR takes away what an empty transmitter has asked for. */
static void line(bool up)
{
	outb(COM1 + 1, up ? THRE : 0);
	if (!up)
		inb(COM1 + 2);
}

static void on_vector(struct frame *f)
{
	u32 n = add_fetch(&counts[this_cpu()], 1);

	in_irr = get(PIN(UART_PIN)) & ENTRY_REMOTE_IRR;
	in_tmr = apic_bit(LAPIC_TMR, VECTOR);
	if (mask_in_handler)
		set(PIN(UART_PIN), get(PIN(UART_PIN)) | ENTRY_MASKED);
	if (n == lower_after)
		line(false);
	apic_set(LAPIC_EOI, 0);
}

/* Several CPUs get it: the IOAPIC's index register is the boot processor's. */
static void on_edge(struct frame *f)
{
	add_fetch(&counts[this_cpu()], 1);
	apic_set(LAPIC_EOI, 0);
}

static void on_nmi(struct frame *f)
{
	add_fetch(&nmis[this_cpu()], 1);
}

static u8 rtc_read(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static void rtc_write(u8 reg, u8 v)
{
	outb(0x70, reg);
	outb(0x71, v);
}

static void on_rtc(struct frame *f)
{
	rtc_cause = rtc_read(0x0c);
	add_fetch(&rtc_count, 1);
	apic_set(LAPIC_EOI, 0);
}

/* With interrupts on until *v has come to `expected`, and then a little longer. */
static u32 comes(volatile u32 *v, u32 expected)
{
	sti();
	wait_least(v, expected, 1000);
	delay_us(300);
	cli();
	return *v;
}

/* ---- registers ---- */

static void check_registers(void)
{
	static const u32 patterns[] = { 0x1a5ff | 0, 0x10041, 0x1ffff, 0x12fff };

	set(ID, 0x05000000);
	check("ID: four bits", get(ID), 0x05000000);
	set(ID, ~0u);
	check("ID: all ones", get(ID), 0x0f000000);
	set(ID, 0);
	check("pins", get(VERSION) >> 16 & 0xff, PINS - 1);
	tell("version", get(VERSION) & 0xff);
	set(VERSION, 0);
	check("version can't be written", get(VERSION) >> 16 & 0xff, PINS - 1);
	for (unsigned i = 0; i < COUNT(patterns); i++) {
		set(PIN(UART_PIN), patterns[i]);
		check_in("entry, low half:", (const char[]){ (char)('0' + i), 0 },
			 get(PIN(UART_PIN)), patterns[i] & ~(ENTRY_PENDING | ENTRY_REMOTE_IRR));
	}
	set(PIN(UART_PIN) + 1, 0xff000000);
	check("entry, high half", get(PIN(UART_PIN) + 1), 0xff000000);
	set(PIN(UART_PIN), ENTRY_MASKED);
	*(volatile u32 *)IOAPIC = 0x12;
	check("index", *(volatile u32 *)IOAPIC & 0xff, 0x12);
	for (unsigned pin = 0; pin < PINS; pin++)
		set(PIN(pin), ENTRY_MASKED | (pin + 0x20));
	for (unsigned pin = 0; pin < PINS; pin += 5)
		check_in("pin's own entry:", (const char[]){ (char)('A' + pin), 0 }, get(PIN(pin)),
			 ENTRY_MASKED | (pin + 0x20));
	for (unsigned pin = 0; pin < PINS; pin++)
		set(PIN(pin), ENTRY_MASKED);
}

/* ---- edge and level ---- */

static void forget(void)
{
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		counts[cpu] = nmis[cpu] = 0;
}

/* Results are kept until the line is down: printing would move it. */
static struct { const char *id; u64 value, expected; } notes[24];
static unsigned nr_notes;

static void note(const char *id, u64 value, u64 expected)
{
	notes[nr_notes].id = id;
	notes[nr_notes].value = value;
	notes[nr_notes++].expected = expected;
}

static void tell_notes(void)
{
	for (unsigned i = 0; i < nr_notes; i++)
		check(notes[i].id, notes[i].value, notes[i].expected);
	nr_notes = 0;
}

static void check_edge(void)
{
	forget();
	lower_after = 0;
	set_pin(UART_PIN, 0, VECTOR);
	note("edge: nothing yet", comes(counts, 0), 0);
	line(true);
	note("edge: one", comes(counts, 1), 1);
	note("edge: no remote IRR", in_irr, 0);
	note("edge: TMR", in_tmr, 0);
	note("edge: the line stays up, no more", comes(counts, 1), 1);
	line(false);
	note("edge: falling, none", comes(counts, 1), 1);
	line(true);
	note("edge: the next", comes(counts, 2), 2);
	line(false);
	line(true);
	line(false);
	line(true);
	note("edge: two while IF is clear are one", comes(counts, 3), 3);
	line(false);
	set(PIN(UART_PIN), ENTRY_MASKED | VECTOR);
	line(true);
	set(PIN(UART_PIN), VECTOR);
	note("edge while masked: is lost", comes(counts, 3), 3);
	line(false);
	tell_notes();
}

static void check_level(void)
{
	forget();
	lower_after = 3;
	set_pin(UART_PIN, 0, VECTOR | ENTRY_LEVEL);
	note("level: nothing yet", comes(counts, 0), 0);
	line(true);
	note("level: until the line is down", comes(counts, 3), 3);
	note("level: remote IRR in the handler", in_irr, ENTRY_REMOTE_IRR);
	note("level: TMR in the handler", in_tmr, 1);
	note("level: no remote IRR behind EOI", get(PIN(UART_PIN)) & ENTRY_REMOTE_IRR, 0);
	line(true);
	note("level: waits with IF clear", apic_bit(LAPIC_IRR, VECTOR), 1);
	note("level: remote IRR while it waits", get(PIN(UART_PIN)) & ENTRY_REMOTE_IRR,
	      ENTRY_REMOTE_IRR);
	line(false);
	note("level: line down, still remote IRR", get(PIN(UART_PIN)) & ENTRY_REMOTE_IRR,
	      ENTRY_REMOTE_IRR);
	note("level: comes once", comes(counts, 4), 4);
	set(PIN(UART_PIN), VECTOR | ENTRY_LEVEL | ENTRY_MASKED);
	lower_after = 5;
	line(true);
	note("level, masked: none", comes(counts, 4), 4);
	set(PIN(UART_PIN), VECTOR | ENTRY_LEVEL);
	note("level, then unmasked: comes", comes(counts, 5), 5);
	lower_after = 0;
	mask_in_handler = true;
	line(true);
	note("level, masked by the handler: one", comes(counts, 6), 6);
	mask_in_handler = false;
	lower_after = 7;
	set(PIN(UART_PIN), VECTOR | ENTRY_LEVEL);
	note("level, unmasked later: again", comes(counts, 7), 7);
	line(false);
	set(PIN(UART_PIN), ENTRY_MASKED);
	tell_notes();
}

/* Remote IRR is stuck where the EOI is missing; edge mode clears it (what Linux does). */
static void check_stuck(void)
{
	set_pin(UART_PIN, 0, VECTOR | ENTRY_LEVEL);
	line(true);
	line(false);
	set(PIN(UART_PIN), VECTOR | ENTRY_MASKED);
	set(PIN(UART_PIN), VECTOR | ENTRY_MASKED | ENTRY_LEVEL);
	note("edge and back: no remote IRR", get(PIN(UART_PIN)) & ENTRY_REMOTE_IRR, 0);
	forget();
	lower_after = 0;
	note("edge and back: the request in IRR still comes", comes(counts, 1), 1);
	set(PIN(UART_PIN), ENTRY_MASKED);
	tell_notes();
}

/* ---- destinations ---- */

static void listen(void *arg)
{
	apic_set(LAPIC_SVR, 0x1ff);
	apic_set(LAPIC_DFR, ~0u);
	apic_set(LAPIC_LDR, 1u << 24 << this_cpu());
	add_fetch(&ready, 1);
	sti();
	while (!release_aps)
		pause();
	cli();
}

static u32 digits(volatile u32 *v)
{
	u32 sum = 0;

	for (unsigned cpu = 0; cpu < nr_cpus; cpu++)
		sum |= (v[cpu] > 15 ? 15 : v[cpu]) << 4 * cpu;
	return sum;
}

static u32 gathered(volatile u32 *v, u32 expected)
{
	sti();
	for (unsigned i = 0; i < 1000 && digits(v) != expected; i++)
		delay_us(1000);
	delay_us(300);
	cli();
	return digits(v);
}

static const struct { const char *name; u32 dest, low, expected; } rows[] = {
	{ "physical 0", 0, 0, 0x0001 },
	{ "physical 1", 1, 0, 0x0010 },
	{ "physical 2", 2, 0, 0x0100 },
	{ "physical 3", 3, 0, 0x1000 },
	{ "physical, all", 0xff, 0, 0x1111 },
	{ "physical, absent", 9, 0, 0 },
	{ "logical 01", 0x01, ENTRY_LOGICAL, 0x0001 },
	{ "logical 08", 0x08, ENTRY_LOGICAL, 0x1000 },
	{ "logical 06", 0x06, ENTRY_LOGICAL, 0x0110 },
	{ "logical 0F", 0x0f, ENTRY_LOGICAL, 0x1111 },
	{ "logical F0: none", 0xf0, ENTRY_LOGICAL, 0 },
	{ "lowest priority of one", 0x04, ENTRY_LOGICAL | ENTRY_LOWEST, 0x0100 },
	{ "lowest priority, physical 3", 3, ENTRY_LOWEST, 0x1000 },
};

static void check_destinations(void)
{
	u32 got;

	set_handler(VECTOR, on_edge);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		run_on(cpu, listen, NULL);
	apic_set(LAPIC_LDR, 0x01000000);
	check("all listen", wait_least(&ready, nr_cpus - 1, 2000), 1);
	for (unsigned i = 0; i < COUNT(rows); i++) {
		forget();
		set_pin(UART_PIN, rows[i].dest, VECTOR | rows[i].low);
		line(true);
		got = gathered(counts, rows[i].expected);
		line(false);
		check_in("to", rows[i].name, got, rows[i].expected);
	}
	forget();
	set_pin(UART_PIN, 0x0e, VECTOR | ENTRY_LOGICAL | ENTRY_LOWEST);
	for (u32 i = 0; i < 5; i++) {
		line(true);
		for (unsigned ms = 0; ms < 1000 && counts[1] + counts[2] + counts[3] <= i; ms++)
			delay_us(1000);
		line(false);
	}
	check("lowest priority of three: one each", counts[1] + counts[2] + counts[3], 5);
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		forget();
		set_pin(UART_PIN, cpu, ENTRY_NMI);
		line(true);
		got = gathered(nmis, 1u << 4 * cpu);
		line(false);
		check_in("NMI to", (const char[]){ (char)('0' + cpu), 0 }, got, 1u << 4 * cpu);
	}
	set(PIN(UART_PIN), ENTRY_MASKED);
	release_aps = 1;
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		check_in("listener ends", (const char[]){ (char)('0' + cpu), 0 },
			 job_done(cpu, 1000), 1);
}

/* ---- the RTC ---- */

static void check_rtc(void)
{
	u8 b = rtc_read(0x0b) & 0x0f;

	set_pin(RTC_PIN, 0, RTC_VECTOR);
	rtc_write(0x0a, 0x2a);		/* 64 Hz */
	rtc_read(0x0c);
	rtc_count = 0;
	rtc_write(0x0b, b | RTC_PERIODIC);
	sti();
	check("RTC: periodic", wait_least(&rtc_count, 5, 3000), 1);
	cli();
	check("RTC: periodic: cause", rtc_cause & 0xc0, 0xc0);
	rtc_write(0x0b, b);
	comes(&rtc_count, 0);
	rtc_count = 0;
	check("RTC: off", comes(&rtc_count, 0), 0);
	rtc_write(0x01, 0xff);		/* any second, minute, hour */
	rtc_write(0x03, 0xff);
	rtc_write(0x05, 0xff);
	rtc_read(0x0c);
	rtc_write(0x0b, b | RTC_ALARM);
	sti();
	check("RTC: alarm, each second", wait_least(&rtc_count, 1, 3000), 1);
	cli();
	check("RTC: alarm: cause", rtc_cause & 0xa0, 0xa0);
	rtc_write(0x0b, b);
	rtc_read(0x0c);
	rtc_count = 0;
	rtc_write(0x0b, b | RTC_UPDATE);
	sti();
	check("RTC: update ended", wait_least(&rtc_count, 1, 3000), 1);
	cli();
	check("RTC: update ended: cause", rtc_cause & 0x90, 0x90);
	rtc_write(0x0b, b);
	rtc_read(0x0c);
	set(PIN(RTC_PIN), ENTRY_MASKED);
}

void guest_main(u32 magic, u32 info)
{
	set_handler(VECTOR, on_vector);
	set_handler(RTC_VECTOR, on_rtc);
	set_handler(2, on_nmi);
	apic_set(LAPIC_SVR, 0x1ff);
	apic_set(LAPIC_LINT0, 0x10000);		/* the PIC has the lines too */
	outb(COM1 + 4, UART_OUT2);
	nr_cpus = start_all();
	check("CPUs", nr_cpus, 4);
	if (nr_cpus != 4)
		return;
	check_registers();
	check_edge();
	check_level();
	check_stuck();
	check_destinations();
	check_rtc();
}
