/* SPDX-License-Identifier: GPL-2.0-only */
/* The physical interrupt controllers outside the CPUs: IOAPICs, and the 8259s, which are only
 * silenced. */
#pragma once

#include "arch/x86/acpi_tables.h"
#include "include/types.h"

/* Maps the IOAPICs and masks every interrupt of theirs and of the 8259s. Those that can't be mapped
 * are left alone. */
void host_ioapic_init(const struct acpi_info *tables);

/* Sends ISA interrupt `irq` (0-15) as `vector` to the CPU with this APIC id. False: no IOAPIC has
 * it, or the id is out of an IOAPIC's reach. */
bool must_check host_ioapic_route(unsigned irq, u8 vector, u32 apic_id);
