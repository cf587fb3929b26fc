/* SPDX-License-Identifier: MIT */
/* Ends in a triple fault: there is no IDT when the exception comes. */
#include "guests/lib/guest.h"

void guest_main(u32 magic, u32 info)
{
	static const struct { u16 limit; u64 base; } __attribute__((packed)) none;

	print("# triple fault\n");
	print_drain();
	__asm__ volatile("lidt %0; ud2" :: "m"(none));
}
