/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way to the ACPI tables in physical memory, and to registers in memory, I/O ports and PCI
 * configuration space. Reading the tables is acpi_tables.c's.
 */
#include "arch/x86/acpi.h"

#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"

/* PCI Local Bus Specification, "Configuration Mechanism #1". */
#define PCI_ADDRESS	0xcf8
#define PCI_DATA	0xcfc
#define PCI_ENABLE	0x80000000u

struct acpi_info acpi = {
	.pm1a_control.space = ACPI_SPACE_NONE,
	.pm1b_control.space = ACPI_SPACE_NONE,
	.pm_timer.space = ACPI_SPACE_NONE,
	.reset.space = ACPI_SPACE_NONE,
	.sleep_control.space = ACPI_SPACE_NONE,
};

static const void *map_table(void *context, u64 at, u64 size)
{
	return map_firmware(HPA(at), size);
}

/* A register that can't be mapped is as one that isn't there. */
static void map_register(struct acpi_register *reg)
{
	if (reg->space == ACPI_SPACE_MEMORY && !map_mmio(HPA(reg->address), reg->bytes))
		reg->space = ACPI_SPACE_NONE;
}

bool acpi_init(const struct boot_info *boot)
{
	bool found;

	acpi_clear(&acpi);
	if (!boot->has_rsdp)
		return false;
	found = acpi_parse(&acpi, boot->rsdp, map_table, NULL);
	map_register(&acpi.pm1a_control);
	map_register(&acpi.pm1b_control);
	map_register(&acpi.pm_timer);
	map_register(&acpi.reset);
	map_register(&acpi.sleep_control);
	return found;
}

static u32 port_read(u16 port, u8 bytes)
{
	return bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
}

static void port_write(u16 port, u8 bytes, u32 value)
{
	if (bytes == 1)
		out8(port, (u8)value);
	else if (bytes == 2)
		out16(port, (u16)value);
	else
		out32(port, value);
}

/* Selects a register on bus 0 and gives the port that it appears at. In the address of the
 * register: device 47:32, function 31:16, offset 15:0 (ACPI Specification, "Generic Address
 * Structure"). */
static u16 select_pci(const struct acpi_register *reg)
{
	u32 device = reg->address >> 32 & 0x1f, function = reg->address >> 16 & 7;
	u32 offset = reg->address & 0xff;

	out32(PCI_ADDRESS, PCI_ENABLE | device << 11 | function << 8 | (offset & ~3u));
	return (u16)(PCI_DATA + (offset & 3));
}

bool acpi_register_read(const struct acpi_register *reg, u32 *value)
{
	void *at = phys_to_virt(HPA(reg->address));

	switch (reg->space) {
	case ACPI_SPACE_MEMORY:
		*value = reg->bytes == 1 ? mmio_read8(at) :
			 reg->bytes == 2 ? mmio_read16(at) : mmio_read32(at);
		return true;
	case ACPI_SPACE_IO:
		*value = port_read((u16)reg->address, reg->bytes);
		return true;
	case ACPI_SPACE_PCI:
		*value = port_read(select_pci(reg), reg->bytes);
		return true;
	}
	return false;
}

bool acpi_register_write(const struct acpi_register *reg, u32 value)
{
	void *at = phys_to_virt(HPA(reg->address));

	switch (reg->space) {
	case ACPI_SPACE_MEMORY:
		if (reg->bytes == 1)
			mmio_write8(at, (u8)value);
		else if (reg->bytes == 2)
			mmio_write16(at, (u16)value);
		else
			mmio_write32(at, value);
		return true;
	case ACPI_SPACE_IO:
		port_write((u16)reg->address, reg->bytes, value);
		return true;
	case ACPI_SPACE_PCI:
		port_write(select_pci(reg), reg->bytes, value);
		return true;
	}
	return false;
}
