/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hypervisor's virtual address space and its segment selectors, as plain numbers that assembly
 * can include too.
 *
 *	ffff8000_00000000  direct map: hpa x is at DIRECT_MAP + x. RAM is write-back, read-write;
 *	                   device memory is there once map_mmio() was asked for it
 *	ffffff00_00000000  the CPUs' own blocks (percpu.h), 64 KiB each, with unmapped guard pages
 *	ffffffff_80000000  the image: its physical address x is at IMAGE_OFFSET + x
 */
#pragma once

#define DIRECT_MAP		0xffff800000000000
#define PERCPU_BASE		0xffffff0000000000
#define IMAGE_OFFSET		0xffffffff80000000

/* How much of physical memory the direct map of the boot code covers, until paging_init(). */
#define BOOT_DIRECT_MAP_SIZE	0x100000000
/* No physical address above this one can be in the direct map. */
#define DIRECT_MAP_LIMIT	0x400000000000

#define MAX_CPUS		64
#define PERCPU_SHIFT		16
#define PERCPU_SIZE		0x10000

/* Selectors, the same in the boot code's GDT and in each CPU's own. */
#define SEL_CODE64		0x08
#define SEL_DATA		0x10
#define SEL_TSS			0x18
