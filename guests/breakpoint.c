/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest: sets breakpoints on an address of the hypervisor's, for execution and for writing,
 * and exits. The address is the last word of the command line, in hexadecimal.
 */
#include "guests/lib/guest.h"

#define MBI_CMDLINE	4		/* its flag is bit 2 (Multiboot Specification, "Boot information format") */
#define EXECUTE		0x402ul		/* DR7: G0 */
#define WRITE_8		0x90402ul	/* DR7: G0, R/W0 = write, LEN0 = 8 bytes */

static u64 last_word(const char *text)
{
	u64 value = 0;

	for (; *text; text++) {
		u8 c = (u8)*text;

		if (c == ' ')
			value = 0;
		else
			value = value << 4 | (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	return value;
}

static void exit_often(u64 address, u64 control)
{
	u64 read;

	__asm__ volatile("mov %0, %%dr0; mov %1, %%dr7" :: "r"(address), "r"(control));
	for (unsigned i = 0; i < 100; i++)
		__asm__ volatile("cpuid" : : "a"(0) : "rbx", "rcx", "rdx");
	__asm__ volatile("mov %%dr7, %0" : "=r"(read));
	check_in(control == EXECUTE ? "execute" : "write", "DR7 is as written", read, control);
}

void guest_main(u32 magic, u32 info)
{
	const u32 *mbi = (const u32 *)(word)info;
	u64 address = last_word((const char *)(word)mbi[MBI_CMDLINE]);

	exit_often(address, EXECUTE);
	exit_often(address & ~7ul, WRITE_8);
	__asm__ volatile("mov %0, %%dr7" :: "r"(0x400ul));
}
