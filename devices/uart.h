/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A 16550A UART (PC16550D data sheet). The transmitter is instantaneous: its holding register is
 * always empty again at once. The divisor and the line control register set the length of a
 * character, which counts only for the receiver's time-out. Owns the receive FIFO; where bytes go to
 * is the board's business.
 */
#pragma once

#include "devices/clock.h"
#include "devices/irq.h"

#define UART_COM1_PORT	0x3f8u
#define UART_NR_PORTS	8u
#define UART_FIFO_SIZE	16u

struct uart {
	u8 ier, fcr, lcr, mcr, msr, scr;
	u8 errors;		/* of LSR: overrun and the like, until LSR is read */
	u16 divisor;
	bool thre_pending;	/* the "transmitter empty" interrupt was not yet seen in IIR */
	bool timed_out;		/* the character timeout interrupt */
	bool uses_rts;		/* the guest has raised RTS at least once: it means something */
	u8 rx[UART_FIFO_SIZE];
	u8 rx_head, rx_count;
	u64 deadline;		/* of the character timeout */
	struct irq_out irq;
	void (*transmit)(void *ctx, u8 byte);
	void *ctx;
};

/* Reset state with 115200 baud; `transmit(ctx, byte)` gets what the guest sends. */
void uart_init(struct uart *uart, struct irq_out irq, void (*transmit)(void *ctx, u8 byte),
	       void *ctx);

/* Register `reg` (0-7), one byte. */
u8 uart_read(struct uart *uart, unsigned reg, u64 now);
void uart_write(struct uart *uart, unsigned reg, u8 value, u64 now);

/* A byte arrives at the line; false: not now, as the receiver is full or looped back, or the guest
 * has taken RTS away. Whoever sends keeps it and tries again. */
bool uart_receive(struct uart *uart, u8 byte, u64 now);

void uart_tick(struct uart *uart, u64 now);

static inline u64 uart_next_event(const struct uart *uart)
{
	return uart->deadline;
}
