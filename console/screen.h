/* SPDX-License-Identifier: GPL-2.0-only */
/* The screen: VGA text or a linear framebuffer, as a grid of characters that text is written into.
 */
#pragma once

#include "include/bootinfo.h"
#include "include/types.h"

/* As console_init(). With no screen, or one of a kind that we can't write, the others do nothing.
 */
void screen_init(const struct boot_info *info, u8 *memory);

/* Text with \n, \r, \b, \t, UTF-8; escape sequences are left out, but for those that erase. */
void screen_write(const char *text, size_t n);

/* As console_screen_memory() and console_screen_move(). */
bool must_check screen_memory(hpa_t *base, u64 *size);
void screen_move(void *memory);
