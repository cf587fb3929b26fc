/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's firmware configuration port, 0x510 and 0x511, as far as test kernels look: signature,
 * number of CPUs, memory size, an empty file directory (QEMU, docs/specs/fw_cfg).
 */
#pragma once

#include "include/types.h"

#define FWCFG_SELECT_PORT	0x510u
#define FWCFG_DATA_PORT		0x511u

struct fwcfg {
	u16 key;
	u32 offset;		/* of the next byte of the item */
	u16 nr_cpus;
	u64 memory;		/* bytes */
};

void fwcfg_init(struct fwcfg *fwcfg, unsigned nr_cpus, u64 memory);

/* Choose an item (a 16-bit write to 0x510); its bytes come from the first one on. */
void fwcfg_select(struct fwcfg *fwcfg, u16 key);

/* The item's next byte; 0 after its end and of items that aren't there. */
u8 fwcfg_read(struct fwcfg *fwcfg);
