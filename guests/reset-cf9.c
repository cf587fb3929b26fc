/* SPDX-License-Identifier: MIT */
/* Resets by the chip set's reset control register. */
#include "guests/lib/guest.h"

void guest_main(u32 magic, u32 info)
{
	print("# reset by port CF9\n");
	print_drain();
	outb(0xcf9, 0x02);
	outb(0xcf9, 0x06);
	for (;;)
		__asm__ volatile("hlt");
}
