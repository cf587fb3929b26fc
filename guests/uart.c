/* SPDX-License-Identifier: MIT */
/* COM1 as a 16550A. Nothing is printed while the loop is closed: values are gathered first. */
#include "guests/lib/guest.h"

#define COM1 0x3f8
#define RBR (COM1 + 0)
#define IER (COM1 + 1)
#define IIR (COM1 + 2)
#define LCR (COM1 + 3)
#define MCR (COM1 + 4)
#define LSR (COM1 + 5)
#define MSR (COM1 + 6)
#define SCR (COM1 + 7)
#define UART_VECTOR 0x24

static volatile bool never;
static volatile bool interrupted;
static volatile u8 cause;

static void uart_interrupt(struct frame *f)
{
	cause = inb(IIR) & 0x0f;
	outb(IER, 0);
	interrupted = true;
	pic_eoi(4);
}

static void drain(void)
{
	while (!(inb(LSR) & 0x40))
		pause();
}

static void check_registers(void)
{
	u8 a, b, low, high;

	outb(SCR, 0x5a);
	a = inb(SCR);
	outb(SCR, 0xa5);
	b = inb(SCR);
	check("scratch", (u64)a << 8 | b, 0x5aa5);
	drain();
	outb(LCR, 0x83);
	outb(COM1, 0x0c);
	outb(COM1 + 1, 0);
	low = inb(COM1);
	high = inb(COM1 + 1);
	outb(COM1, 0x01);
	outb(LCR, 0x03);
	check("divisor latch", (u64)high << 8 | low, 0x000c);
	check("LCR", inb(LCR), 0x03);
	outb(IER, 0xff);
	a = inb(IER);
	outb(IER, 0);
	check("IER keeps four bits", a, 0x0f);
	drain();
	check("LSR when idle", inb(LSR) & 0x7e, 0x60);
	check("IIR: nothing pending", inb(IIR) & 0x0f, 0x01);
	drain();			/* switching the FIFOs on or off empties them */
	outb(IIR, 0x01);
	a = inb(IIR);
	outb(IIR, 0x00);
	b = inb(IIR);
	check("IIR: FIFO on", a & 0xc0, 0xc0);
	check("IIR: FIFO off", b & 0xc0, 0);
}

static void check_loop(void)
{
	u8 ready, got, status, before;

	drain();
	outb(IIR, 0x07);
	outb(MCR, 0x10);
	before = inb(LSR) & 1;
	outb(RBR, 0x42);
	for (unsigned i = 0; i < 1000000 && !(inb(LSR) & 1); i++)
		pause();
	ready = inb(LSR) & 1;
	got = inb(RBR);
	outb(MCR, 0x1f);
	status = inb(MSR) & 0xf0;
	outb(MCR, 0x10);
	(void)inb(MSR);
	outb(MCR, 0x08);
	outb(IIR, 0x07);
	check("loop: empty at first", before, 0);
	check("loop: data ready", ready, 1);
	check("loop: the byte", got, 0x42);
	check("loop: MSR shows MCR", status, 0xf0);
}

static void check_interrupts(void)
{
	bool transmit, receive;
	u8 transmit_cause, receive_cause;

	set_handler(UART_VECTOR, uart_interrupt);
	pic_setup(1 << 4);
	drain();
	outb(MCR, 0x08);
	outb(IER, 0x02);
	sti();
	transmit = wait_for(&interrupted, 500, false);
	transmit_cause = cause;
	cli();
	outb(IER, 0);
	interrupted = false;
	outb(MCR, 0x18);
	outb(IIR, 0x01);
	outb(IER, 0x01);
	outb(RBR, 0x55);
	sti();
	receive = wait_for(&interrupted, 500, false);
	receive_cause = cause;
	cli();
	outb(IER, 0);
	(void)inb(RBR);
	outb(MCR, 0x08);
	pic_setup(0);
	check_true("interrupt: transmitter empty", transmit);
	check("IIR: transmitter empty", transmit_cause, 0x02);
	check_true("interrupt: data received", receive);
	check("IIR: data received", receive_cause == 0x0c ? 0x04 : receive_cause, 0x04);
}

/* Sixteen bytes through the closed loop, then one too many; trigger level and time-out. */
static void check_fifo(void)
{
	u8 full, overrun, after, below, at_level, timeout, timed = 0;
	u64 order = 0;

	drain();
	outb(IIR, 0x87);	/* trigger level 8 */
	outb(MCR, 0x10);
	outb(IER, 0x01);
	for (unsigned i = 0; i < 7; i++)
		outb(RBR, (u8)i);
	below = inb(IIR) & 0x0f;
	for (unsigned i = 0; i < 1000 && !timed; i++) {
		wait_for(&never, 1, false);
		timed = (inb(IIR) & 0x0f) == 0x0c;
	}
	timeout = inb(IIR) & 0x0f;
	(void)inb(RBR);
	outb(RBR, 7);
	outb(RBR, 8);
	at_level = inb(IIR) & 0x0f;
	for (unsigned i = 9; i < 17; i++)
		outb(RBR, (u8)i);
	wait_for(&never, 3, false);
	full = inb(LSR) & 0x03;
	outb(RBR, 17);
	wait_for(&never, 2, false);
	overrun = inb(LSR) & 0x03;
	after = inb(LSR) & 0x03;
	for (unsigned i = 0; i < 16; i++)
		order = order << 4 | (inb(RBR) & 0x0f);
	outb(IER, 0);
	outb(IIR, 0x07);
	outb(MCR, 0x08);
	outb(IIR, 0x00);
	check_true("FIFO: below the trigger level", below == 0x01 || below == 0x0c);
	check("FIFO: character time-out", timeout, 0x0c);
	/* On a busy host the time-out may have come again. */
	check("FIFO: data at the trigger level", at_level & 0x07, 0x04);
	check("FIFO: sixteen fit", full, 0x01);
	check("FIFO: one more is an overrun", overrun, 0x03);
	check("FIFO: which is told once", after, 0x01);
	check("FIFO: first in, first out", order, 0x123456789abcdef0);
}

/* The loop's modem lines and their deltas. */
static void check_modem(void)
{
	u8 deltas, ring, trailing, quiet;

	drain();
	outb(MCR, 0x10);
	(void)inb(MSR);
	outb(MCR, 0x13);
	deltas = inb(MSR);
	outb(MCR, 0x17);
	ring = inb(MSR) & 0xf4;
	outb(MCR, 0x13);
	trailing = inb(MSR) & 0xf4;
	quiet = inb(MSR) & 0x0f;
	outb(MCR, 0x10);
	(void)inb(MSR);
	outb(MCR, 0x08);
	check("modem: DTR and RTS come back as DSR and CTS", deltas & 0xf0, 0x30);
	check("modem: OUT1 is RI, without a delta", ring, 0x70);
	check("modem: RI's trailing edge", trailing & 0xf0, 0x30);
	check("modem: deltas are told once", quiet, 0);
}

void guest_main(u32 magic, u32 info)
{
	check_registers();
	check_loop();
	check_interrupts();
	check_fifo();
	check_modem();
}
