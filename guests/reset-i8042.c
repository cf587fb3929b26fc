/* SPDX-License-Identifier: MIT */
/* Resets by the keyboard controller. */
#include "guests/lib/guest.h"

void guest_main(u32 magic, u32 info)
{
	print("# reset by the i8042\n");
	print_drain();
	outb(0x64, 0xfe);
	for (;;)
		__asm__ volatile("hlt");
}
