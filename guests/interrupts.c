/* SPDX-License-Identifier: MIT */
/* How interrupts are delivered: the two PICs, the IOAPIC, self-IPIs, priorities, STI's shadow. */
#include "guests/lib/guest.h"

#define IOAPIC		0xfec00000ul
#define IOAPIC_VERSION	1
#define IOAPIC_PIN(n)	(0x10 + 2 * (n))
#define PIT_VECTOR	0x20
#define IPI_LOW		0x40
#define IPI_HIGH	0x60
#define IOAPIC_VECTOR	0x50
#define ICR_SELF	0x40000u
#define MASKED		0x10000u
#define LINT_EXTINT	0x700u
#define PIT_PIN		2	/* ISA interrupt 0 comes here */

static volatile unsigned counts[256];
static volatile bool seen;
static u8 order[8];
static unsigned nr_order;

static void pit(struct frame *f)
{
	counts[f->vector]++;
	seen = true;
	pic_eoi(0);
}

static void lapic(struct frame *f)
{
	counts[f->vector]++;
	seen = true;
	if (nr_order < sizeof(order))
		order[nr_order++] = (u8)f->vector;
	lapic_write(LAPIC_EOI, 0);
}

static u32 ioapic_read(u32 reg)
{
	*(volatile u32 *)IOAPIC = reg;
	return *(volatile u32 *)(IOAPIC + 0x10);
}

static void ioapic_write(u32 reg, u32 v)
{
	*(volatile u32 *)IOAPIC = reg;
	*(volatile u32 *)(IOAPIC + 0x10) = v;
}

static void pit_once(void)
{
	outb(0x43, 0x30);
	outb(0x40, 0x00);
	outb(0x40, 0x08);
}

static bool comes(unsigned ms)
{
	bool result;

	seen = false;
	pit_once();
	sti();
	result = wait_for(&seen, ms, false);
	cli();
	return result;
}

static void check_pic(void)
{
	pic_setup(1);
	check("mask registers", (u64)inb(0xa1) << 8 | inb(0x21), 0xfffe);
	check_true("IRQ 0 through the PIC", comes(500));
	pic_setup(0);
	check("masked: does not come", comes(30), 0);
	outb(0x20, 0x0a);
	check("masked: requested", inb(0x20) & 1, 1);
	pic_setup(1);
	seen = false;
	pit_once();
	wait_for(&seen, 20, false);
	check("IF clear: does not come", seen, 0);
	sti();
	check_true("then it comes", wait_for(&seen, 500, false));
	cli();
	pic_setup(0);
}

/* STI; NOP: the interrupt comes behind the NOP at the earliest. */
static void check_shadow(void)
{
	lapic_write(LAPIC_ICR, ICR_SELF | IPI_LOW);
	counts[IPI_LOW] = 0;
	__asm__ volatile("sti; cli" ::: "memory");
	check("STI; CLI lets nothing through", counts[IPI_LOW], 0);
	__asm__ volatile("sti; nop; cli" ::: "memory");
	check("STI; NOP; CLI does", counts[IPI_LOW], 1);
}

static void check_priorities(void)
{
	nr_order = 0;
	lapic_write(LAPIC_ICR, ICR_SELF | IPI_LOW);
	lapic_write(LAPIC_ICR, ICR_SELF | IPI_HIGH);
	__asm__ volatile("sti; nop; nop; nop; cli" ::: "memory");
	check("two self-IPIs: the higher first", (u64)order[0] << 8 | order[1], IPI_HIGH << 8 |
	      IPI_LOW);
	counts[IPI_LOW] = 0;
	lapic_write(LAPIC_TPR, 0x50);
	lapic_write(LAPIC_ICR, ICR_SELF | IPI_LOW);
	__asm__ volatile("sti; nop; nop; cli" ::: "memory");
	check("TPR holds it back", counts[IPI_LOW], 0);
	sti();
	lapic_write(LAPIC_TPR, 0);
	__asm__ volatile("nop; nop; cli" ::: "memory");
	check("TPR lets it go", counts[IPI_LOW], 1);
	counts[IPI_LOW] = 0;
	WRITE_CR(8, 5);
	lapic_write(LAPIC_ICR, ICR_SELF | IPI_LOW);
	__asm__ volatile("sti; nop; nop; cli" ::: "memory");
	check("CR8 holds it back", counts[IPI_LOW], 0);
	check("CR8 is TPR", lapic_read(LAPIC_TPR), 0x50);
	sti();
	WRITE_CR(8, 0);
	__asm__ volatile("nop; nop; cli" ::: "memory");
	check("CR8 lets it go", counts[IPI_LOW], 1);
}

static void check_ioapic(void)
{
	check_true("IOAPIC: pins", (ioapic_read(IOAPIC_VERSION) >> 16 & 0xff) >= 23);
	ioapic_write(IOAPIC_PIN(PIT_PIN) + 1, 0);
	ioapic_write(IOAPIC_PIN(PIT_PIN), MASKED | IOAPIC_VECTOR);
	check("IOAPIC: entry", ioapic_read(IOAPIC_PIN(PIT_PIN)) & 0x100ff, MASKED | IOAPIC_VECTOR);
	check("IOAPIC: masked", comes(30), 0);
	ioapic_write(IOAPIC_PIN(PIT_PIN), IOAPIC_VECTOR);
	counts[IOAPIC_VECTOR] = 0;
	check_true("IOAPIC: IRQ 0", comes(500));
	check_true("IOAPIC: its vector", counts[IOAPIC_VECTOR] >= 1);
	ioapic_write(IOAPIC_PIN(PIT_PIN), MASKED);
}

static void check_hlt(void)
{
	lapic_write(LAPIC_ICR, ICR_SELF | IPI_LOW);
	counts[IPI_LOW] = 0;
	sti_hlt_cli();
	check("HLT with an interrupt pending", counts[IPI_LOW], 1);
}

void guest_main(u32 magic, u32 info)
{
	set_handler(PIT_VECTOR, pit);
	set_handler(IPI_LOW, lapic);
	set_handler(IPI_HIGH, lapic);
	set_handler(IOAPIC_VECTOR, lapic);
	lapic_write(LAPIC_LINT0, LINT_EXTINT);
	lapic_write(LAPIC_SVR, 0x1ff);
	check_pic();
	check_shadow();
	check_priorities();
	check_ioapic();
	check_hlt();
}
