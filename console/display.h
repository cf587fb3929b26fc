/* SPDX-License-Identifier: GPL-2.0-only */
/* What screen.c needs of the hardware: a memory of cells that characters can be put into. */
#pragma once

#include "include/bootinfo.h"
#include "include/types.h"

struct display {
	unsigned columns, rows;		/* of characters */
	hpa_t base;
	u64 size;			/* of its memory, in bytes */
	volatile u8 *memory;		/* NULL: not mapped yet, nothing is drawn */
	u32 pitch;			/* bytes from one line (of pixels or of cells) to the next */
	u32 colour;			/* pixels only: of the characters */
	u8 pixel_bytes;
	void (*draw)(const struct display *d, unsigned row, unsigned column, u8 latin1);
	void (*clear)(const struct display *d);
};

/*
 * The two kinds. `memory` is where physical address 0 and the 4 GiB from there on are mapped;
 * false: there is no such screen, or its geometry makes no sense.
 */
bool must_check framebuffer_find(struct display *d, const struct boot_info *info, u8 *memory);
bool must_check vga_text_find(struct display *d, const struct boot_info *info, u8 *memory);
