/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a multiboot 1 or 2 loader hands over, turned into struct boot_info
 * (Multiboot Specification 0.6.96; Multiboot2 Specification 2.0).
 */
#pragma once

#define MULTIBOOT1_HEADER_MAGIC	0x1badb002
#define MULTIBOOT1_MAGIC	0x2badb002	/* in EAX at entry */
#define MULTIBOOT2_HEADER_MAGIC	0xe85250d6
#define MULTIBOOT2_MAGIC	0x36d76289	/* in EAX at entry */

#ifndef __ASSEMBLER__
#include "include/bootinfo.h"

/*
 * Fills in `to` (but for where our own image lies) from what the loader left at physical address
 * `at`; `magic` is what it left in EAX, and physical address 0, with the 4 GiB from there on, is to
 * be found at `memory`. Everything but the modules themselves is copied; what is damaged or doesn't
 * fit is left out. False: `magic` is neither multiboot's.
 */
bool must_check multiboot_parse(struct boot_info *to, u32 magic, u32 at, const u8 *memory);
#endif
