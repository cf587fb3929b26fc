/* SPDX-License-Identifier: GPL-2.0-only */
/* The screen. For now there is none. */
#include "console/screen.h"

void screen_init(const struct boot_info *info, u8 *memory)
{
}

void screen_write(const char *text, size_t n)
{
}

bool screen_memory(hpa_t *base, u64 *size)
{
	return false;
}

void screen_move(void *memory)
{
}
