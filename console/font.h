/* SPDX-License-Identifier: GPL-2.0-only */
/* The glyphs of Latin-1, 8 pixels by 16, the leftmost in bit 7: made by tools/mkfont.py when
 * building. */
#pragma once

#include "include/types.h"

#define FONT_WIDTH	8
#define FONT_HEIGHT	16

extern const u8 font_glyph[256][FONT_HEIGHT];
