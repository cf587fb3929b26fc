/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The I/O APIC with 24 inputs (82093AA data sheet). Lines are logical: polarity bits are kept and
 * don't matter. Owns the redirection table; finding targets is the bus's business.
 */
#pragma once

#include "devices/apic_bus.h"

#define IOAPIC_NR_PINS	24u

struct ioapic {
	u64 entry[IOAPIC_NR_PINS];
	u32 lines;		/* levels of the inputs */
	u32 waiting;		/* level-triggered inputs whose message no LAPIC has accepted yet */
	u8 select;
	u8 id;
	unsigned (*send)(void *ctx, const struct apic_message *message);
	void *ctx;
};

/* All inputs masked. `send(ctx, message)` gets what is to be delivered, and says how many accepted
 * it. */
void ioapic_init(struct ioapic *ioapic, unsigned (*send)(void *, const struct apic_message *),
		 void *ctx);

/* The MMIO registers: `offset` < 4096. Only aligned accesses of 4 bytes or more write. */
u64 ioapic_read(struct ioapic *ioapic, u32 offset, unsigned size);
void ioapic_write(struct ioapic *ioapic, u32 offset, unsigned size, u64 value);

/* Drive input `pin` (< IOAPIC_NR_PINS). An edge on a masked pin is forgotten. */
void ioapic_set_pin(struct ioapic *ioapic, unsigned pin, bool level);

/* LAPICs have changed: what waits is sent again. */
void ioapic_retry(struct ioapic *ioapic);

/* A LAPIC has ended the level-triggered interrupt `vector`. */
void ioapic_eoi(struct ioapic *ioapic, u8 vector);
