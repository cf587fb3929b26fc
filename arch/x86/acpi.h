/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine's ACPI tables (acpi_tables.h), and the registers that they name. */
#pragma once

#include "arch/x86/acpi_tables.h"
#include "include/bootinfo.h"

/* What the tables say; as of a machine without ACPI until acpi_init(). */
extern struct acpi_info acpi;

/* Reads the tables. After paging_init(). False: there are none, or the root table is damaged. */
bool acpi_init(const struct boot_info *boot);

/* Reads and writes a register at its width. A register in memory must have been mapped by
 * acpi_init(). False: there is none, or it lies in a space that we can't reach. */
bool acpi_register_read(const struct acpi_register *reg, u32 *value);
bool acpi_register_write(const struct acpi_register *reg, u32 value);
