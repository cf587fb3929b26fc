/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two cascaded i8259A interrupt controllers of a PC with the PIIX's edge/level registers
 * (8259A data sheet; 82371AB data sheet, "ELCR1", "ELCR2"). Owns requests, masks and service state;
 * who drives the inputs and who takes the vector is the board's business.
 */
#pragma once

#include "devices/irq.h"

#define PIC_MASTER_PORT	0x20u
#define PIC_SLAVE_PORT	0xa0u
#define PIC_ELCR_PORT	0x4d0u
#define PIC_NR_IRQS	16u
#define PIC_CASCADE	2u

struct pic_chip {
	u8 irr, isr, imr;
	u8 lines;		/* levels of the inputs */
	u8 elcr;		/* 1 = level triggered */
	u8 base;		/* vector of input 0 */
	u8 top;			/* the input of highest priority */
	u8 icw;			/* the initialisation word that is expected next, 0 = none */
	bool single, wants_icw4;
	bool auto_eoi, rotate_on_auto_eoi;
	bool special_mask, special_nested;
	bool poll, read_isr;
};

struct pic {
	struct pic_chip chip[2];
	bool output;		/* INTR */
	struct irq_out intr;
};

/* Power-on state: nothing is delivered before the guest has masked and initialised. `intr` gets
 * INTR's level. */
void pic_init(struct pic *pic, struct irq_out intr);

/* One byte at 0x20, 0x21, 0xa0, 0xa1, 0x4d0 or 0x4d1. A poll read acknowledges. */
u8 pic_read(struct pic *pic, u16 port);
void pic_write(struct pic *pic, u16 port, u8 value);

/* Drive input `irq` (< PIC_NR_IRQS). An edge stays requested until it is acknowledged, even if the
 * line falls before: a timer tick that the host delivers late is then late, not lost. */
void pic_set_irq(struct pic *pic, unsigned irq, bool level);

/* The INTA cycle: the vector of the highest request, which comes into service. With no request it
 * is the spurious vector, IRQ 7, and nothing comes into service. */
u8 pic_acknowledge(struct pic *pic);

/* INTR's level. */
static inline bool pic_output(const struct pic *pic)
{
	return pic->output;
}
