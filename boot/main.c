/* SPDX-License-Identifier: GPL-2.0-only */
/* Puts the parts together, in the order in which they need each other. */
#include "arch/x86/image.h"
#include "arch/x86/layout.h"
#include "boot/multiboot.h"
#include "console/console.h"
#include "include/version.h"

static struct boot_info boot_info;

void boot_main(u32 magic, u32 info);

static void say_hello(void)
{
	kprintf("Plinth %s (build %s), loaded at %#lx by %s", plinth_version, image_build_id(),
		boot_info.image_base.v, boot_info.loader[0] ? boot_info.loader : "an unnamed boot loader");
}

/* Called by entry.S, on the early stack and page tables. */
void boot_main(u32 magic, u32 info)
{
	bool known = multiboot_parse(&boot_info, magic, info, (const u8 *)DIRECT_MAP);

	boot_info.image_base = image_physical_base();
	boot_info.image_size = image_size();
	console_init(&boot_info, (u8 *)DIRECT_MAP);
	say_hello();
	if (!known)
		kprintf("cannot start: this boot loader speaks neither multiboot 1 nor 2");
	for (;;)
		asm volatile("hlt");
}
