/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's firmware configuration device by ports, with its DMA interface (QEMU, docs/specs/fw_cfg):
 * the items that test kernels and boot code ask for, and one file, "etc/e820". Owns the items; the
 * guest's memory is reached through its maker.
 */
#pragma once

#include "include/types.h"

#define FWCFG_PORT		0x510u	/* the selector, 16 bits; data, 8 bits, at the next one */
#define FWCFG_DMA_PORT		0x514u	/* 64-bit address register, big-endian */
#define FWCFG_DMA_NR_PORTS	8u
#define FWCFG_DMA_MOST		KIB(64)	/* bytes that one command may ask for */
#define FWCFG_NR_ITEMS		11u
#define FWCFG_STORE_SIZE	256u

/* Copies `size` bytes between guest memory at `at` and `bytes`; false: not all of it is memory that
 * the guest may read, or write. Whole or in part, nothing else happens. */
typedef bool fwcfg_copy(void *ctx, gpa_t at, void *bytes, size_t size, bool to_guest);

struct fwcfg_item {
	u16 key, at, size;	/* `at` in the store */
};

struct fwcfg {
	u16 key;
	u32 offset;		/* of the next byte of the item */
	u32 dma_high;		/* the upper half of the address, till the lower one is written */
	unsigned nr_items, used;
	struct fwcfg_item item[FWCFG_NR_ITEMS];
	u8 store[FWCFG_STORE_SIZE];
	fwcfg_copy *copy;
	void *ctx;
};

/* `below_4g` and `above_4g`: the guest's memory in bytes. `copy` serves the DMA interface. */
void fwcfg_init(struct fwcfg *fwcfg, unsigned nr_cpus, u64 below_4g, u64 above_4g,
		fwcfg_copy *copy, void *ctx);

/* `size` bytes at FWCFG_PORT + offset, within the two ports. Only a 16-bit write selects an item;
 * its bytes then come from the first one on, and zeroes behind it. */
u32 fwcfg_read(struct fwcfg *fwcfg, unsigned offset, unsigned size);
void fwcfg_write(struct fwcfg *fwcfg, unsigned offset, unsigned size, u32 value);

/* `size` bytes at FWCFG_DMA_PORT + offset, within the register, which reads as "QEMU CFG". The
 * write of its lower half (32 bits) carries out the command that stands there. */
u32 fwcfg_dma_read(const struct fwcfg *fwcfg, unsigned offset, unsigned size);
void fwcfg_dma_write(struct fwcfg *fwcfg, unsigned offset, unsigned size, u32 value);
