/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the hypervisor wants to know from the machine's ACPI tables (ACPI Specification 6.5, chapter
 * "ACPI Software Programming Model"), read with bounds and checksums and kept in a form that
 * doesn't need them any more. Pure: compiled into host tests too. AML is not interpreted; the sleep
 * type for power-off is found by the shape of its bytes.
 */
#pragma once

#include "arch/x86/layout.h"
#include "include/types.h"

#define ACPI_MAX_IOAPICS	16
#define ACPI_ISA_IRQS		16

enum acpi_space {
	ACPI_SPACE_MEMORY = 0,
	ACPI_SPACE_IO = 1,
	ACPI_SPACE_PCI = 2,	/* configuration space of bus 0 */
	ACPI_SPACE_NONE = 0xff,
};

struct acpi_register {
	u8 space;	/* enum acpi_space; any other can't be used */
	u8 bytes;	/* how wide accesses are: 1, 2, 4 */
	u64 address;
};

struct acpi_ioapic {
	u64 address;
	u32 gsi_base;
};

/* Where an ISA interrupt comes in. */
struct acpi_isa_irq {
	u32 gsi;
	bool active_low, level;
};

struct acpi_info {
	bool has_madt, has_fadt, has_s5;
	unsigned nr_cpus;		/* enabled ones */
	unsigned nr_cpus_left_out;	/* enabled, but beyond MAX_CPUS */
	u32 cpu[MAX_CPUS];		/* their APIC ids */
	unsigned nr_ioapics;
	struct acpi_ioapic ioapic[ACPI_MAX_IOAPICS];
	struct acpi_isa_irq isa[ACPI_ISA_IRQS];

	struct acpi_register pm1a_control, pm1b_control, pm_timer, reset, sleep_control;
	bool pm_timer_is_32_bit;
	bool hw_reduced;		/* only sleep_control, no PM1 registers */
	u8 reset_value;
	u16 smi_command;		/* 0: none */
	u8 acpi_enable;
	u8 s5_type[2];			/* SLP_TYPa, SLP_TYPb */
};

/* Gives a pointer to [at, at + size) of physical memory, or NULL. */
typedef const void *acpi_map(void *context, u64 at, u64 size);

/* Reads everything that hangs on the copy of an RSDP. Tables that are damaged are left out. False:
 * there is no root table that holds; *info is set as for a machine without ACPI. */
bool acpi_parse(struct acpi_info *info, const u8 rsdp[36], acpi_map *map, void *context);

/* As a machine without any table: no CPU, ISA interrupts one to one. */
void acpi_clear(struct acpi_info *info);
