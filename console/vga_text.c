/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VGA text cells. A multiboot 2 loader says whether they are there; where it doesn't (QEMU's
 * -kernel), a BIOS's data area says which mode its video BIOS has set, and the memory must keep
 * what is written.
 */
#include "console/display.h"

#include "console/port.h"

#define TEXT_BASE	0xb8000
#define BDA_VIDEO_MODE	0x449	/* IBM PC BIOS data area */
#define BDA_COLUMNS	0x44a
#define MODE_TEXT_GREY	2
#define MODE_TEXT	3
#define GREY_ON_BLACK	0x0700u
#define BLANK		(GREY_ON_BLACK | ' ')

#define CRTC_INDEX	0x3d4
#define CRTC_DATA	0x3d5
#define CRTC_CURSOR	0x0a
#define CURSOR_OFF	0x20

static void put_cell(const struct display *d, unsigned row, unsigned column, u16 cell)
{
	*(volatile u16 *)(d->memory + row * d->pitch + column * 2) = cell;
}

/* The characters of a VGA agree with Latin-1 only where that is ASCII. */
static void draw(const struct display *d, unsigned row, unsigned column, u8 latin1)
{
	put_cell(d, row, column, GREY_ON_BLACK | (latin1 < 0x7f ? latin1 : '?'));
}

static void clear(const struct display *d)
{
	port_write(CRTC_INDEX, CRTC_CURSOR);
	port_write(CRTC_DATA, CURSOR_OFF);
	for (unsigned row = 0; row < d->rows; row++)
		for (unsigned column = 0; column < d->columns; column++)
			put_cell(d, row, column, BLANK);
}

static bool keeps(volatile u16 *cell, u16 value)
{
	*cell = value;
	return *cell == value;
}

static bool bios_has_text(u8 *memory)
{
	u8 mode = memory[BDA_VIDEO_MODE];
	volatile u16 *cell = (volatile u16 *)(memory + TEXT_BASE);

	if ((mode != MODE_TEXT && mode != MODE_TEXT_GREY) || memory[BDA_COLUMNS] != 80)
		return false;
	return keeps(cell, 0x0755) && keeps(cell, 0x072a);
}

bool vga_text_find(struct display *d, const struct boot_info *info, u8 *memory)
{
	const struct boot_framebuffer *fb = &info->fb;

	*d = (struct display){
		.columns = 80, .rows = 25, .base = HPA(TEXT_BASE), .memory = memory + TEXT_BASE,
		.pitch = 160, .draw = draw, .clear = clear,
	};
	if (fb->base.v && !fb->text)
		return false;
	if (fb->base.v && fb->base.v != TEXT_BASE)
		return false;
	if (fb->base.v && fb->width && fb->height && fb->width * 2 <= fb->pitch) {
		d->columns = fb->width;
		d->rows = fb->height;
		d->pitch = fb->pitch;
	}
	d->size = (u64)d->pitch * d->rows;
	if (d->size > KIB(32))
		return false;
	return fb->base.v || (!info->uefi && bios_has_text(memory));
}
