/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The i8042 keyboard controller with nothing plugged in, ports 0x60 and 0x64 (IBM PS/2 Hardware
 * Interface Technical Reference, "Keyboard and Auxiliary Device Controller"): it passes its
 * self-test, answers for absent devices with a time-out, and pulses the reset line.
 */
#pragma once

#include "devices/irq.h"

#define I8042_DATA_PORT		0x60u
#define I8042_COMMAND_PORT	0x64u

struct i8042 {
	u8 mode;		/* the "command byte" */
	u8 output;		/* the output buffer */
	u8 output_port;
	u8 command;		/* whose data byte is awaited, 0 = none */
	u8 flags;		/* of the status register, for what the buffer holds */
	struct irq_out keyboard, aux;
	void (*reset)(void *ctx);
	void *ctx;
};

/* `keyboard` and `aux` get the two interrupt lines; `reset` is called for a pulse on the CPU's
 * reset. */
void i8042_init(struct i8042 *kbc, struct irq_out keyboard, struct irq_out aux,
		void (*reset)(void *ctx), void *ctx);

/* One byte at either port. */
u8 i8042_read(struct i8042 *kbc, u16 port);
void i8042_write(struct i8042 *kbc, u16 port, u8 value);
