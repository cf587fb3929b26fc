/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The i8254 interval timer and the PC's system control port B, 0x61, which holds channel 2's gate
 * and output (8254 data sheet). A counter is not stepped: what it holds follows from the tick at
 * which it was loaded. Channel 0 drives IRQ 0; of rising edges that the host missed one is given at
 * once, and the others are owed (clock.h): who hears the line knows when the next one can follow.
 */
#pragma once

#include "devices/clock.h"
#include "devices/irq.h"

#define PIT_HZ		1193182ull
#define PIT_PORT	0x40u
#define PIT_CONTROL	0x43u
#define PIT_PORT_B	0x61u

struct pit_channel {
	u8 control;		/* the control word's low six bits, as written */
	u8 mode;		/* 0-5 */
	u8 access;		/* 1 low byte, 2 high byte, 3 low then high */
	bool bcd, gate;
	bool counting;		/* has a count and, in modes 1 and 5, was triggered */
	bool armed;		/* has a count */
	bool stopped;		/* by the gate, `stopped_at` ticks after the start */
	bool strobed;		/* in mode 4: the strobe was before that */
	bool read_high, write_high;
	u8 write_low;
	bool status_latched;
	u8 status;
	u8 latch_bytes;		/* of `latch` still to be read */
	u16 latch;
	u32 reload;		/* 1 .. 65536 */
	u32 next_reload;	/* takes over at `switch_at` or at the next trigger; 0 = none */
	bool switch_low;	/* in mode 3: in the middle of the period, where OUT falls */
	u64 start;		/* tick at which the counter held `reload`; modulo 2^64 */
	u64 stopped_at;
	u64 switch_at;
};

struct pit {
	struct pit_channel channel[3];
	u8 port_b;
	u64 next_rise;		/* tick of channel 0's next rising edge, CLOCK_NEVER if none */
	u64 deadline;		/* the same in nanoseconds */
	u64 not_before;		/* until then the host isn't asked to look at it again */
	u32 owed;		/* edges that the host missed and that are yet to be given */
	bool catch_up;		/* are missed edges owed, or merged? */
	struct irq_out irq;
};

/* Firmware's state: channel 0 in mode 3 with 65536, channel 2 closed. `irq` gets channel 0's output.
 * Missed edges are merged until `catch_up` is set. */
void pit_init(struct pit *pit, struct irq_out irq, u64 now);

/* One byte at 0x40-0x43 or 0x61. */
u8 pit_read(struct pit *pit, u16 port, u64 now);
void pit_write(struct pit *pit, u16 port, u8 value, u64 now);

/* Let time pass: raises IRQ 0 if an edge is due. */
void pit_tick(struct pit *pit, u64 now);

/* Gives one of the edges that are owed (> 0). */
void pit_pay(struct pit *pit, u64 now);

/* When pit_tick() has something to do. */
static inline u64 pit_next_event(const struct pit *pit)
{
	return MAX(pit->deadline, pit->not_before);
}
