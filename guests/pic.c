/* SPDX-License-Identifier: MIT */
/*
 * The two 8259A: initialization, masks, fixed and rotating priority, EOIs, automatic EOI, poll,
 * special mask mode, the slave, edge and level (ELCR). Sources that the test moves: the PIT (IRQ
 * 0), COM1's interrupt for an empty transmitter (IRQ 4), the RTC (IRQ 8). Intel 8259A data sheet,
 * "Operation Command Words", "Priority Rotation", "Poll Command", "Special Mask Mode".
 */
#include "guests/lib/guest.h"

#define MASTER		0x20
#define SLAVE		0xa0
#define ELCR		0x4d0
#define COM1		0x3f8
#define UART_OUT2	0x08
#define THRE		0x02
#define READ_IRR	0x0a
#define READ_ISR	0x0b
#define POLL		0x0c
#define SET_MASK_MODE	0x68
#define END_MASK_MODE	0x48
#define EOI		0x20
#define SPECIFIC_EOI	0x60
#define ROTATE_ON_EOI	0xa0
#define ROTATE_IN_AEOI	0x80
#define STOP_ROTATE	0x00
#define SET_LOWEST	0xc0
#define VECTORS		0x20
#define LINT_EXTINT	0x700u
#define PM_HZ		3579545u
#define IRQ_PIT		0
#define IRQ_UART	4
#define IRQ_RTC		8
#define SOURCES		((1u << IRQ_PIT) | (1u << IRQ_UART))

static volatile u8 order[16];
static volatile unsigned nr_order;
static volatile bool nest;
static volatile u8 isr_seen, eoi_command;

/* ---- results, kept while printing would move COM1's line ---- */

static struct { const char *id; u64 value, expected; } notes[16];
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

/* ---- sources ---- */

static u8 master(u8 what)
{
	outb(MASTER, what);
	return inb(MASTER);
}

/* Mode 0: the output is low until the count is over, so a rising edge comes soon. With IF clear,
 * until the PIC has seen it, or a second is over. */
static void pit_edge(void)
{
	u32 last = pm_timer(), ticks = 0;

	outb(0x43, 0x30);
	outb(0x40, 20);
	outb(0x40, 0);
	while (!(master(READ_IRR) & 1 << IRQ_PIT) && ticks < PM_HZ) {
		u32 now = pm_timer();

		ticks += (now - last) & 0xffffff;
		last = now;
	}
}

static void pit_low(void)
{
	outb(0x43, 0x30);	/* the output is low until a count is written */
}

static void uart(bool up)
{
	outb(COM1 + 1, up ? THRE : 0);
	if (!up)
		inb(COM1 + 2);
}

static void both(void)
{
	uart(false);
	pit_low();
	uart(true);
	pit_edge();
}

/* ---- handlers ---- */

static void on_irq(struct frame *f)
{
	unsigned irq = (unsigned)f->vector - VECTORS;

	order[nr_order++ & 15] = (u8)(irq + 1);
	isr_seen = master(READ_ISR);
	if (nest) {
		nest = false;
		__asm__ volatile("sti; nop; nop; cli" ::: "memory");
		order[nr_order++ & 15] = 0xee;
	}
	if (irq >= 8)
		outb(SLAVE, EOI);
	if (eoi_command)
		outb(MASTER, eoi_command);
}

static void open_gate(void)
{
	sti();
	for (volatile unsigned i = 0; i < 200; i++)
		pause();
	cli();
}

/* The interrupts that came since the last time: IRQ + 1 each, EE where a handler went on. */
static u64 sequence(void)
{
	u64 all = 0;

	open_gate();
	for (unsigned i = 0; i < nr_order && i < 8; i++)
		all = all << 8 | order[i];
	nr_order = 0;
	return all;
}

/* Both PICs with ICW4 of the master as said; only the sources come through. */
static void begin(u8 icw4, u16 unmasked)
{
	pit_low();
	uart(false);
	pic_setup(unmasked);
	outb(MASTER, 0x11);
	outb(MASTER + 1, VECTORS);
	outb(MASTER + 1, 4);
	outb(MASTER + 1, icw4);
	outb(MASTER + 1, (u8)~unmasked);
	eoi_command = EOI;
	sequence();
}

/* ---- tests ---- */

static void check_setup(void)
{
	begin(1, SOURCES);
	note("mask", inb(MASTER + 1), 0xff & ~SOURCES);
	note("IRR after ICW1", master(READ_IRR) & SOURCES, 0);
	note("ISR after ICW1", master(READ_ISR), 0);
	outb(MASTER + 1, 0xa5);
	outb(SLAVE + 1, 0x5a);
	note("masks are kept", (u64)inb(SLAVE + 1) << 8 | inb(MASTER + 1), 0x5aa5);
	outb(MASTER + 1, 0xff);
	outb(SLAVE + 1, 0xff);
	both();
	note("masked: requested", master(READ_IRR) & SOURCES, SOURCES);
	note("masked: none", sequence(), 0);
	outb(MASTER + 1, 0xff & ~SOURCES);
	note("unmasked: by priority", sequence(), 0x0105);
	note("IRR is empty then", master(READ_IRR) & (1 << IRQ_PIT), 0);
	note("ISR is empty then", master(READ_ISR), 0);
	note("ISR in the handler", isr_seen, 1 << IRQ_UART);
	uart(false);
	tell_notes();
}

static void check_eoi(void)
{
	begin(1, SOURCES);
	eoi_command = 0;
	both();
	note("no EOI: the next one waits", sequence(), 0x01);
	note("no EOI: ISR", master(READ_ISR), 1);
	outb(MASTER, SPECIFIC_EOI | IRQ_UART);
	note("specific EOI of another", sequence(), 0);
	outb(MASTER, SPECIFIC_EOI | IRQ_PIT);
	note("specific EOI", sequence(), 0x05);
	pit_low();
	pit_edge();
	note("a higher one comes in", sequence(), 0x01);
	note("ISR has both", master(READ_ISR), SOURCES);
	outb(MASTER, EOI);
	note("EOI ends the highest", master(READ_ISR), 1 << IRQ_UART);
	outb(MASTER, EOI);
	note("EOI ends the other", master(READ_ISR), 0);
	eoi_command = EOI;
	nest = true;
	uart(false);
	uart(true);
	pit_low();
	pit_edge();
	note("in the handler of the higher: none", sequence(), 0x01ee05);
	uart(false);
	tell_notes();
}

static void check_rotation(void)
{
	begin(1, SOURCES);
	outb(MASTER, SET_LOWEST | IRQ_PIT);
	both();
	note("lowest is 0: 4 is before 0", sequence(), 0x0501);
	outb(MASTER, SET_LOWEST | 3);
	both();
	note("lowest is 3: 4 is the highest", sequence(), 0x0501);
	outb(MASTER, SET_LOWEST | 4);
	both();
	note("lowest is 4: 0 is before 4", sequence(), 0x0105);
	outb(MASTER, SET_LOWEST | 7);
	eoi_command = ROTATE_ON_EOI;
	both();
	note("rotate on EOI: 0, then 4", sequence(), 0x0105);
	both();
	note("rotated: 0 again, 4 was the last", sequence(), 0x0105);
	pit_low();
	pit_edge();
	note("rotate: 0 alone", sequence(), 0x01);
	both();
	note("rotated: 4 is before 0", sequence(), 0x0501);
	eoi_command = 0xe0 | IRQ_PIT;
	pit_low();
	pit_edge();
	note("rotate on specific EOI", sequence(), 0x01);
	eoi_command = EOI;
	both();
	note("rotated: 4 before 0", sequence(), 0x0501);
	uart(false);
	outb(MASTER, SET_LOWEST | 7);
	tell_notes();
}

static void check_aeoi(void)
{
	begin(3, SOURCES);
	eoi_command = 0;
	both();
	note("automatic EOI: both", sequence(), 0x0105);
	note("automatic EOI: ISR in the handler", isr_seen, 0);
	nest = true;
	uart(false);
	uart(true);
	note("automatic EOI: none left", sequence(), 0x05ee);
	outb(MASTER, ROTATE_IN_AEOI);
	pit_low();
	pit_edge();
	note("automatic EOI, rotating: 0", sequence(), 0x01);
	both();
	note("automatic EOI, rotated: 4 is before 0", sequence(), 0x0501);
	outb(MASTER, STOP_ROTATE);
	outb(MASTER, SET_LOWEST | 7);
	uart(false);
	tell_notes();
}

static void check_poll(void)
{
	begin(1, 0);
	outb(MASTER + 1, 0xff & ~SOURCES);
	note("poll: nothing", master(POLL) & 0x80, 0);
	both();
	note("poll: 0", master(POLL) & 0x87, 0x80 | IRQ_PIT);
	note("poll: ISR", master(READ_ISR), 1 << IRQ_PIT);
	note("poll: 4 waits for the EOI", master(POLL) & 0x80, 0);
	outb(MASTER, EOI);
	note("poll: 4", master(POLL) & 0x87, 0x80 | IRQ_UART);
	note("poll: read once only", inb(MASTER) & 0x10, 0x10);
	outb(MASTER, EOI);
	note("poll: none left", master(POLL) & 0x80, 0);
	note("poll: no interrupt", sequence(), 0);
	uart(false);
	tell_notes();
}

static void check_special_mask(void)
{
	begin(1, SOURCES);
	eoi_command = 0;
	pit_edge();
	note("special mask: 0 in service", sequence(), 0x01);
	uart(true);
	note("special mask: 4 waits", sequence(), 0);
	outb(MASTER + 1, 0xff & ~(1u << IRQ_UART));
	note("special mask: masking 0 isn't enough", sequence(), 0);
	outb(MASTER, SET_MASK_MODE);
	outb(MASTER + 1, 0xff & ~(1u << IRQ_UART));	/* QEMU looks again only now */
	note("special mask: 4 comes", sequence(), 0x05);
	note("special mask: ISR has both", master(READ_ISR), SOURCES);
	outb(MASTER, SPECIFIC_EOI | IRQ_UART);
	outb(MASTER, SPECIFIC_EOI | IRQ_PIT);
	outb(MASTER, END_MASK_MODE);
	note("special mask: ISR is empty", master(READ_ISR), 0);
	uart(false);
	tell_notes();
}

static void check_level(void)
{
	u8 before = inb(ELCR);

	begin(1, SOURCES);
	uart(true);
	note("edge: one", sequence(), 0x05);
	note("edge: no more while it is up", sequence(), 0);
	uart(false);
	outb(ELCR, before | 1 << IRQ_UART);
	note("ELCR", inb(ELCR), before | 1u << IRQ_UART);
	uart(true);
	eoi_command = 0;
	note("level: comes", sequence(), 0x05);
	outb(MASTER, EOI);
	note("level: again behind EOI", sequence(), 0x05);
	uart(false);
	outb(MASTER, EOI);
	note("level: not when it is down", sequence(), 0);
	note("level: IRR is down too", master(READ_IRR) & 1 << IRQ_UART, 0);
	outb(ELCR, 0xff);
	note("ELCR: 0, 1 and 2 are edges", inb(ELCR), 0xf8);
	outb(ELCR, before);
	tell_notes();
}

/* Through the slave: in service in both, the slave's mask and the master's. */
static void check_slave(void)
{
	u8 b, rtc_isr;

	begin(1, 1u << IRQ_RTC | 4);
	outb(0x70, 0x0b);
	b = inb(0x71) & 0x0f;
	outb(0x70, 0x0a);
	outb(0x71, 0x26);
	outb(0x70, 0x0c);
	inb(0x71);
	outb(0x70, 0x0b);
	outb(0x71, b | 0x40);
	for (unsigned i = 0; i < 1000000 && !nr_order; i++) {
		open_gate();
	}
	rtc_isr = isr_seen;
	outb(0x70, 0x0b);
	outb(0x71, b);
	check("slave: IRQ 8", sequence() & 0xff, IRQ_RTC + 1);
	check("slave: in service at the master's IRQ 2", rtc_isr, 4);
	check("slave: all is over", master(READ_ISR), 0);
	outb(SLAVE, READ_ISR);
	check("slave: ISR is empty", inb(SLAVE), 0);
	outb(0x70, 0x0c);
	inb(0x71);
}

void guest_main(u32 magic, u32 info)
{
	for (unsigned irq = 0; irq < 16; irq++)
		set_handler(VECTORS + irq, on_irq);
	lapic_write(LAPIC_LINT0, LINT_EXTINT);
	lapic_write(LAPIC_SVR, 0x1ff);
	outb(COM1 + 4, UART_OUT2);
	check_setup();
	check_eoi();
	check_rotation();
	check_aeoi();
	check_poll();
	check_special_mask();
	check_level();
	check_slave();
	pic_setup(0);
}
