/* SPDX-License-Identifier: GPL-2.0-only */
/* A linear framebuffer of 15, 16, 24 or 32 bits a pixel. It is written and never read: reading
 * video memory is slow. */
#include "console/display.h"

#include "console/font.h"

#define EARLY_LIMIT	GIB(4)

static void put_pixel(volatile u8 *at, u32 value, unsigned bytes)
{
	switch (bytes) {
	case 2:
		*(volatile u16 *)at = (u16)value;
		break;
	case 3:
		at[0] = (u8)value;
		at[1] = (u8)(value >> 8);
		at[2] = (u8)(value >> 16);
		break;
	default:
		*(volatile u32 *)at = value;
	}
}

static void draw(const struct display *d, unsigned row, unsigned column, u8 latin1)
{
	volatile u8 *line = d->memory + (u64)row * FONT_HEIGHT * d->pitch +
			    (u64)column * FONT_WIDTH * d->pixel_bytes;

	for (unsigned y = 0; y < FONT_HEIGHT; y++, line += d->pitch) {
		u8 bits = font_glyph[latin1][y];

		for (unsigned x = 0; x < FONT_WIDTH; x++, bits <<= 1)
			put_pixel(line + x * d->pixel_bytes, bits & 0x80 ? d->colour : 0,
				  d->pixel_bytes);
	}
}

static void clear(const struct display *d)
{
	u64 at;

	for (at = 0; at + 8 <= d->size; at += 8)
		*(volatile u64 *)(d->memory + at) = 0;
	for (; at < d->size; at++)
		d->memory[at] = 0;
}

static bool is_field(u8 shift, u8 size)
{
	return size && size <= 16 && shift + size <= 32;
}

/* Three quarters of full brightness. */
static u32 grey(u8 shift, u8 size)
{
	u32 full = (1u << size) - 1;

	return (full - full / 4) << shift;
}

bool framebuffer_find(struct display *d, const struct boot_info *info, u8 *memory)
{
	const struct boot_framebuffer *fb = &info->fb;
	unsigned bytes = (fb->bpp + 7u) / 8;

	if (!fb->base.v || fb->text || bytes < 2 || bytes > 4 || fb->pitch < (u64)fb->width * bytes)
		return false;
	if (!is_field(fb->red_shift, fb->red_size) || !is_field(fb->green_shift, fb->green_size) ||
	    !is_field(fb->blue_shift, fb->blue_size))
		return false;
	*d = (struct display){
		.columns = fb->width / FONT_WIDTH, .rows = fb->height / FONT_HEIGHT, .base = fb->base,
		.size = (u64)fb->pitch * fb->height, .pitch = fb->pitch, .pixel_bytes = (u8)bytes,
		.colour = grey(fb->red_shift, fb->red_size) | grey(fb->green_shift, fb->green_size) |
			  grey(fb->blue_shift, fb->blue_size),
		.draw = draw, .clear = clear,
	};
	if (d->base.v < EARLY_LIMIT && d->size <= EARLY_LIMIT - d->base.v)
		d->memory = memory + d->base.v;
	return d->size && d->base.v + d->size > d->base.v;
}
