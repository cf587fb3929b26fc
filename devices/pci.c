/* SPDX-License-Identifier: GPL-2.0-only */
/* PCI configuration space. See pci.h. */
#include "devices/pci.h"

#include "devices/pm.h"

#define ADDRESS_ENABLE		0x80000000u
#define ADDRESS_WRITABLE	0x80fffffcu
#define NO_FUNCTION		PCI_NR_FUNCTIONS

enum { HOST_BRIDGE, ISA_BRIDGE, POWER };

/* Bus, device and function of each, as in bits 23:8 of the address. */
static const u16 function_at[PCI_NR_FUNCTIONS] = {
	[HOST_BRIDGE] = 0x0000, [ISA_BRIDGE] = 0x0008, [POWER] = 0x000b,
};

/* What a register holds after reset, and which of its bits can be written. */
struct config_row {
	u8 function, offset;
	u32 value, writable;
};

/* 82441FX data sheet, "PCI Configuration Space"; 82371SB and 82371AB data sheets, functions 0
 * and 3. */
static const struct config_row config_rows[] = {
	{ HOST_BRIDGE,	0x00,	0x12378086,	0 },
	{ HOST_BRIDGE,	0x04,	0x02800006,	0x00000100 },
	{ HOST_BRIDGE,	0x08,	0x06000002,	0 },
	{ HOST_BRIDGE,	0x0c,	0x00000000,	0x0000ff00 },
	{ HOST_BRIDGE,	0x2c,	0x11001af4,	0 },
	{ HOST_BRIDGE,	0x58,	0x00000000,	0xffffff00 },	/* programmable attribute map */
	{ HOST_BRIDGE,	0x5c,	0x00000000,	0xffffffff },
	{ ISA_BRIDGE,	0x00,	0x70008086,	0 },
	{ ISA_BRIDGE,	0x04,	0x02000007,	0x00000108 },
	{ ISA_BRIDGE,	0x08,	0x06010000,	0 },
	{ ISA_BRIDGE,	0x0c,	0x00800000,	0 },		/* several functions */
	{ ISA_BRIDGE,	0x2c,	0x11001af4,	0 },
	{ ISA_BRIDGE,	0x4c,	0x0003004d,	0xffffffff },
	{ ISA_BRIDGE,	0x60,	0x80808080,	0x8f8f8f8f },	/* PIRQ routing: none */
	{ POWER,	0x00,	0x71138086,	0 },
	{ POWER,	0x04,	0x02800001,	0x00000001 },
	{ POWER,	0x08,	0x06800003,	0 },
	{ POWER,	0x2c,	0x11001af4,	0 },
	{ POWER,	0x3c,	0x00000109,	0x000000ff },	/* IRQ 9 by INTA# */
	{ POWER,	0x40,	PM_PORT | 1,	0x0000ffc0 },	/* PMBA: where the PM registers are */
	{ POWER,	0x58,	0x02000000,	0 },		/* APMC enabled: no SMM is left to set up */
	{ POWER,	0x80,	0x00000001,	0 },		/* PM registers enabled */
};

/* The function and first byte that the address register selects. */
static unsigned selected(const struct pci *pci)
{
	if (!(pci->address & ADDRESS_ENABLE))
		return NO_FUNCTION;
	for (unsigned i = 0; i < PCI_NR_FUNCTIONS; i++)
		if (function_at[i] == (pci->address >> 8 & 0xffff))
			return i;
	return NO_FUNCTION;
}

static u8 writable_bits(unsigned function, unsigned offset)
{
	for (size_t i = 0; i < ARRAY_SIZE(config_rows); i++) {
		const struct config_row *row = &config_rows[i];

		if (row->function == function && row->offset == (offset & ~3u))
			return row->writable >> 8 * (offset & 3);
	}
	return 0;
}

void pci_init(struct pci *pci)
{
	*pci = (struct pci){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(config_rows); i++) {
		const struct config_row *row = &config_rows[i];

		for (unsigned byte = 0; byte < 4; byte++)
			pci->config[row->function][row->offset + byte] = row->value >> 8 * byte;
	}
}

u32 pci_read(const struct pci *pci, u16 port, unsigned size)
{
	unsigned function = selected(pci), first = (pci->address & 0xfc) + (port & 3);
	u32 value = 0;

	if (port < PCI_DATA_PORT)
		return port == PCI_ADDRESS_PORT && size == 4 ? pci->address : ~0u;
	if (function == NO_FUNCTION)
		return ~0u;
	for (unsigned i = 0; i < size; i++) {
		/* What reaches past the double word leaves the data port. */
		u8 byte = (port & 3) + i < 4 ? pci->config[function][first + i] : 0xff;

		value |= (u32)byte << 8 * i;
	}
	return value;
}

u16 pci_pm_base(const struct pci *pci)
{
	const u8 *base = &pci->config[POWER][0x40];

	return (u16)(base[1] << 8 | (base[0] & 0xc0));
}

void pci_write(struct pci *pci, u16 port, unsigned size, u32 value)
{
	unsigned function = selected(pci), first = (pci->address & 0xfc) + (port & 3);

	if (port == PCI_ADDRESS_PORT && size == 4)
		pci->address = value & ADDRESS_WRITABLE;
	if (port < PCI_DATA_PORT || function == NO_FUNCTION)
		return;
	for (unsigned i = 0; i < size && (port & 3) + i < 4; i++) {
		u8 *byte = &pci->config[function][first + i];
		u8 bits = writable_bits(function, first + i);

		*byte = (*byte & ~bits) | (value >> 8 * i & bits);
	}
}
