/* SPDX-License-Identifier: MIT */
/* Prints a line each 100 ms by the PIT's interrupts, forever. */
#include "guests/lib/guest.h"

#define PIT_HZ 1193182u

static volatile unsigned ticks;

static void tick(struct frame *f)
{
	ticks++;
	pic_eoi(0);
}

void guest_main(u32 magic, u32 info)
{
	const unsigned divisor = PIT_HZ / 100;

	set_handler(0x20, tick);
	pic_setup(1);
	outb(0x43, 0x34);
	outb(0x40, (u8)divisor);
	outb(0x40, (u8)(divisor >> 8));
	for (unsigned beat = 1;; beat++) {
		while (ticks < beat * 10)
			sti_hlt_cli();
		print("beat %u\n", beat);
	}
}
