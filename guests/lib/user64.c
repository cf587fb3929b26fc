/* SPDX-License-Identifier: MIT */
/* What the enumerations need of a 64-bit kernel beside guest.c: a GDT with room for an LDT. */
#include "guests/lib/accesses.h"

#define LDT 0x48

static u64 own_gdt[12];

void access_setup(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) pointer = {
		sizeof(own_gdt) - 1, (u64)own_gdt
	};

	memcpy(own_gdt, gdt, 9 * sizeof(gdt[0]));
	__asm__ volatile("lgdt %0" :: "m"(pointer));
}

void access_set_ldt(word base)
{
	own_gdt[LDT / 8] = 0xfff | (base & 0xffffff) << 16 | 0x82ull << 40 |
			   (base >> 24 & 0xff) << 56;
	own_gdt[LDT / 8 + 1] = base >> 32;
	__asm__ volatile("lldt %w0" :: "r"(LDT) : "memory");
}
