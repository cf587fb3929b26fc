/* SPDX-License-Identifier: MIT */
/* Of three CPUs one halts for good, one ends in a triple fault, and the first waits for that. */
#include "guests/lib/smp.h"

static void halt(void *arg)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void die(void *arg)
{
	static const struct { u16 limit; u64 base; } __attribute__((packed)) none;

	__asm__ volatile("lidt %0; ud2" :: "m"(none));
}

void guest_main(u32 magic, u32 info)
{
	print("# %u CPUs\n", start_all());
	run_on(2, halt, NULL);
	delay_us(50000);
	run_on(1, die, NULL);
	for (;;)
		inb(0x21);
}
