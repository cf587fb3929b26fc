/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the boot loader handed over, in one neutral form for multiboot 1 and 2. Filled in by boot/,
 * which copies everything out of the loader's memory but the modules themselves.
 */
#pragma once

#include "include/types.h"

#define BOOT_MAX_RANGES		256
#define BOOT_MAX_MODULES	32
#define BOOT_CMDLINE_SIZE	4096

struct boot_range {
	hpa_t base;
	u64 size;	/* in bytes */
	bool ram;	/* usable RAM; else reserved in some way */
};

struct boot_module {
	hpa_t base;
	u64 size;	/* in bytes */
	char cmdline[BOOT_CMDLINE_SIZE];
};

struct boot_framebuffer {
	hpa_t base;	/* base.v == 0: none */
	u32 pitch, width, height;	/* pitch in bytes */
	u8 bpp;
	bool text;	/* VGA text cells instead of pixels */
	u8 red_shift, red_size, green_shift, green_size, blue_shift, blue_size;
};

struct boot_info {
	char cmdline[BOOT_CMDLINE_SIZE];
	char loader[64];
	unsigned nr_ranges, nr_modules;
	unsigned modules_left_out;	/* more than BOOT_MAX_MODULES were given */
	struct boot_range range[BOOT_MAX_RANGES];
	struct boot_module module[BOOT_MAX_MODULES];
	struct boot_framebuffer fb;
	bool has_rsdp;
	u8 rsdp[36];	/* a copy from the ACPI tag, or of what the scan found */
	hpa_t image_base;	/* where the hypervisor's image lies */
	u64 image_size;
	bool uefi;
};
