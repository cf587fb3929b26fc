/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver of the physical IOAPICs (82093AA data sheet). Only what the hypervisor itself uses is
 * ever unmasked.
 */
#include "arch/x86/ioapic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "include/x86/apic.h"

#define PIC1_DATA	0x21
#define PIC2_DATA	0xa1
#define PIC_MASK_ALL	0xff
#define MAX_DESTINATION	254

struct ioapic {
	u8 *registers;
	u32 gsi_base;
	u32 nr;			/* of its interrupts */
};

static struct ioapic ioapics[ACPI_MAX_IOAPICS];
static unsigned nr_ioapics;
static struct acpi_isa_irq isa_irqs[ACPI_ISA_IRQS];

static u32 ioapic_read(const struct ioapic *io, u32 reg)
{
	mmio_write32(io->registers + IOAPIC_SELECT, reg);
	return mmio_read32(io->registers + IOAPIC_WINDOW);
}

static void ioapic_write(const struct ioapic *io, u32 reg, u32 value)
{
	mmio_write32(io->registers + IOAPIC_SELECT, reg);
	mmio_write32(io->registers + IOAPIC_WINDOW, value);
}

/* The entry is masked while its halves don't fit together. */
static void write_entry(const struct ioapic *io, u32 pin, u64 entry)
{
	u32 reg = IOAPIC_REG_TABLE + 2 * pin;

	ioapic_write(io, reg, IOAPIC_ENTRY_MASKED);
	ioapic_write(io, reg + 1, (u32)(entry >> 32));
	ioapic_write(io, reg, (u32)entry);
}

static void add_ioapic(const struct acpi_ioapic *from)
{
	struct ioapic *io = &ioapics[nr_ioapics];

	io->registers = map_mmio(HPA(from->address), IOAPIC_EOI + 4);
	if (!io->registers)
		return;
	io->gsi_base = from->gsi_base;
	io->nr = (ioapic_read(io, IOAPIC_REG_VERSION) >> 16 & 0xff) + 1;
	for (u32 pin = 0; pin < io->nr; pin++)
		write_entry(io, pin, IOAPIC_ENTRY_MASKED);
	nr_ioapics++;
}

void host_ioapic_init(const struct acpi_info *tables)
{
	out8(PIC1_DATA, PIC_MASK_ALL);
	out8(PIC2_DATA, PIC_MASK_ALL);
	for (unsigned i = 0; i < tables->nr_ioapics; i++)
		add_ioapic(&tables->ioapic[i]);
	for (unsigned i = 0; i < ACPI_ISA_IRQS; i++)
		isa_irqs[i] = tables->isa[i];
}

bool host_ioapic_route(unsigned irq, u8 vector, u32 apic_id)
{
	const struct acpi_isa_irq *isa;
	u64 entry = vector | (u64)apic_id << IOAPIC_ENTRY_DEST_SHIFT;

	if (irq >= ACPI_ISA_IRQS || apic_id > MAX_DESTINATION)
		return false;
	isa = &isa_irqs[irq];
	entry |= isa->active_low ? IOAPIC_ENTRY_ACTIVE_LOW : 0;
	entry |= isa->level ? IOAPIC_ENTRY_LEVEL : 0;
	for (unsigned i = 0; i < nr_ioapics; i++) {
		const struct ioapic *io = &ioapics[i];

		if (isa->gsi >= io->gsi_base && isa->gsi - io->gsi_base < io->nr) {
			write_entry(io, isa->gsi - io->gsi_base, entry);
			return true;
		}
	}
	return false;
}
