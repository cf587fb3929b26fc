/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI configuration mechanism 1, ports 0xcf8 and 0xcfc (PCI Local Bus 3.0, 3.2.2.3), with bus 0 of
 * an i440FX board: host bridge 00:00.0, ISA bridge 00:01.0 and power management 00:01.3. Firmware may
 * give the power management registers another place; they stay where PM_PORT says as well, as Plinth's
 * own ACPI tables have it.
 */
#pragma once

#include "include/types.h"

#define PCI_ADDRESS_PORT	0xcf8u
#define PCI_DATA_PORT		0xcfcu
#define PCI_CONFIG_SIZE		256u
#define PCI_NR_FUNCTIONS	3u

struct pci {
	u32 address;
	u8 config[PCI_NR_FUNCTIONS][PCI_CONFIG_SIZE];
};

void pci_init(struct pci *pci);

/* `size` 1, 2 or 4 bytes at 0xcf8-0xcff. The address register answers only whole double words. */
u32 pci_read(const struct pci *pci, u16 port, unsigned size);
void pci_write(struct pci *pci, u16 port, unsigned size, u32 value);

/* The other place of the power management registers, a multiple of PM_NR_PORTS. */
u16 pci_pm_base(const struct pci *pci);
