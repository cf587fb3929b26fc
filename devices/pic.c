/* SPDX-License-Identifier: GPL-2.0-only */
/* The i8259A pair. See pic.h. */
#include "devices/pic.h"

#define ICW1_INIT	0x10u
#define ICW1_SINGLE	0x02u
#define ICW1_ICW4	0x01u
#define ICW2_BASE	0xf8u
#define ICW4_AUTO_EOI	0x02u
#define ICW4_NESTED	0x10u
#define OCW3		0x08u
#define OCW3_SET_MASK	0x40u	/* bit 5 counts */
#define OCW3_MASK_ON	0x20u
#define OCW3_POLL	0x04u
#define OCW3_READ	0x02u	/* bit 0 counts */
#define OCW3_READ_ISR	0x01u
#define OCW2_ROTATE	0x80u
#define OCW2_SPECIFIC	0x40u
#define OCW2_EOI	0x20u
#define OCW2_LEVEL	0x07u
#define POLL_REQUEST	0x80u
#define NONE		8u	/* a priority below all */

/* Inputs that can be made level triggered: not the timer, keyboard, cascade, RTC and FPU. */
static const u8 elcr_mask[2] = { 0xf8, 0xde };

/* How far the most urgent bit of `bits` is from the top: 0 = most urgent, NONE = no bit. */
static unsigned chip_priority(const struct pic_chip *chip, u8 bits)
{
	unsigned rotated = ((unsigned)bits | (unsigned)bits << 8) >> chip->top;

	return rotated & 0xff ? (unsigned)__builtin_ctz(rotated) : NONE;
}

static unsigned chip_input(const struct pic_chip *chip, unsigned priority)
{
	return (chip->top + priority) & 7;
}

/* The request that the chip puts forward, or NONE. */
static unsigned chip_request(const struct pic_chip *chip, bool master)
{
	unsigned wanted = chip_priority(chip, chip->irr & ~chip->imr);
	u8 blocking = chip->special_mask ? chip->isr & ~chip->imr : chip->isr;
	unsigned served = chip_priority(chip, blocking);

	if (wanted == NONE)
		return NONE;
	/* Special fully nested mode: the cascade in service doesn't block more of its own. */
	if (wanted == served && master && chip->special_nested &&
	    chip_input(chip, wanted) == PIC_CASCADE)
		return PIC_CASCADE;
	return wanted < served ? chip_input(chip, wanted) : NONE;
}

/* The cascade input follows the slave's output; then INTR. */
static void pic_update(struct pic *pic)
{
	struct pic_chip *master = &pic->chip[0];
	bool output;

	master->irr &= ~BIT(PIC_CASCADE);
	if (chip_request(&pic->chip[1], false) != NONE)
		master->irr |= BIT(PIC_CASCADE);
	output = chip_request(master, true) != NONE;
	if (output == pic->output)
		return;
	pic->output = output;
	irq_set(&pic->intr, output);
}

static void chip_accept(struct pic_chip *chip, unsigned input)
{
	if (!(chip->elcr & BIT(input)))
		chip->irr &= ~BIT(input);
	if (!chip->auto_eoi)
		chip->isr |= BIT(input);
	else if (chip->rotate_on_auto_eoi)
		chip->top = (input + 1) & 7;
}

/* ICW1: masks and edges are forgotten, input 7 has the lowest priority. */
static void chip_begin_init(struct pic_chip *chip, u8 value)
{
	chip->irr = chip->lines & chip->elcr;
	chip->isr = chip->imr = chip->top = 0;
	chip->special_mask = chip->poll = chip->read_isr = false;
	chip->auto_eoi = chip->rotate_on_auto_eoi = chip->special_nested = false;
	chip->single = value & ICW1_SINGLE;
	chip->wants_icw4 = value & ICW1_ICW4;
	chip->icw = 2;
}

static void chip_write_icw(struct pic_chip *chip, u8 value)
{
	switch (chip->icw) {
	case 2:
		chip->base = value & ICW2_BASE;
		chip->icw = !chip->single ? 3 : chip->wants_icw4 ? 4 : 0;
		break;
	case 3:		/* the wiring of a PC is fixed */
		chip->icw = chip->wants_icw4 ? 4 : 0;
		break;
	default:
		chip->auto_eoi = value & ICW4_AUTO_EOI;
		chip->special_nested = value & ICW4_NESTED;
		chip->icw = 0;
	}
}

static void chip_end_of_interrupt(struct pic_chip *chip, u8 value)
{
	u8 candidates = chip->special_mask ? chip->isr & ~chip->imr : chip->isr;
	unsigned priority = chip_priority(chip, candidates);
	unsigned input = value & OCW2_LEVEL;

	if (!(value & OCW2_SPECIFIC)) {
		if (priority == NONE)
			return;
		input = chip_input(chip, priority);
	}
	chip->isr &= ~BIT(input);
	if (value & OCW2_ROTATE)
		chip->top = (input + 1) & 7;
}

static void chip_write_ocw2(struct pic_chip *chip, u8 value)
{
	if (value & OCW2_EOI)
		chip_end_of_interrupt(chip, value);
	else if (!(value & OCW2_SPECIFIC))
		chip->rotate_on_auto_eoi = value & OCW2_ROTATE;
	else if (value & OCW2_ROTATE)
		chip->top = ((value & OCW2_LEVEL) + 1) & 7;
}

static void chip_write_ocw3(struct pic_chip *chip, u8 value)
{
	if (value & OCW3_SET_MASK)
		chip->special_mask = value & OCW3_MASK_ON;
	chip->poll = value & OCW3_POLL;
	if (value & OCW3_READ)
		chip->read_isr = value & OCW3_READ_ISR;
}

static void chip_write(struct pic_chip *chip, bool command, u8 value)
{
	if (command && (value & ICW1_INIT))
		chip_begin_init(chip, value);
	else if (command && (value & OCW3))
		chip_write_ocw3(chip, value);
	else if (command)
		chip_write_ocw2(chip, value);
	else if (chip->icw)
		chip_write_icw(chip, value);
	else
		chip->imr = value;
}

static u8 pic_poll(struct pic *pic, unsigned n)
{
	unsigned input = chip_request(&pic->chip[n], n == 0);

	pic->chip[n].poll = false;
	if (input == NONE)
		return 0;
	chip_accept(&pic->chip[n], input);
	pic_update(pic);
	return POLL_REQUEST | input;
}

void pic_init(struct pic *pic, struct irq_out intr)
{
	*pic = (struct pic){ .intr = intr };
	pic->chip[0].base = 0x08;	/* as firmware leaves them, all masked */
	pic->chip[1].base = 0x70;
	pic->chip[0].imr = pic->chip[1].imr = 0xff;
}

u8 pic_read(struct pic *pic, u16 port)
{
	unsigned n = port >> 7 & 1;
	struct pic_chip *chip = &pic->chip[n];

	if ((port & ~1u) == PIC_ELCR_PORT)
		return pic->chip[port & 1].elcr;
	if (unlikely(chip->poll))
		return pic_poll(pic, n);
	if (port & 1)
		return chip->imr;
	return chip->read_isr ? chip->isr : chip->irr;
}

void pic_write(struct pic *pic, u16 port, u8 value)
{
	if ((port & ~1u) == PIC_ELCR_PORT) {
		struct pic_chip *chip = &pic->chip[port & 1];

		chip->elcr = value & elcr_mask[port & 1];
		chip->irr = (chip->irr & ~chip->elcr) | (chip->lines & chip->elcr);
	} else {
		chip_write(&pic->chip[port >> 7 & 1], !(port & 1), value);
	}
	pic_update(pic);
}

void pic_set_irq(struct pic *pic, unsigned irq, bool level)
{
	struct pic_chip *chip = &pic->chip[irq >> 3 & 1];
	u8 bit = BIT(irq & 7);

	if (irq == PIC_CASCADE || level == !!(chip->lines & bit))
		return;
	chip->lines ^= bit;
	if (level)
		chip->irr |= bit;
	else if (chip->elcr & bit)
		chip->irr &= ~bit;
	pic_update(pic);
}

u8 pic_acknowledge(struct pic *pic)
{
	struct pic_chip *chip = &pic->chip[0];
	unsigned input = chip_request(chip, true);

	if (input == NONE)
		return chip->base + 7;
	chip_accept(chip, input);
	if (input == PIC_CASCADE && !chip->single) {
		chip = &pic->chip[1];
		input = chip_request(chip, false);
		if (input == NONE)
			input = 7;
		else
			chip_accept(chip, input);
	}
	pic_update(pic);
	return chip->base + input;
}
