/* SPDX-License-Identifier: MIT */
/* The state that a multiboot 1 loader hands over (Multiboot Specification, 3.2 and 3.3). */
#include "guests/lib/guest.h"

#define MBI_MEMORY	0x01
#define MBI_CMDLINE	0x04
#define MBI_MMAP	0x40

static u32 info32(u32 info, u32 offset)
{
	return *(const u32 *)(word)(info + offset);
}

static u64 info64(u32 at)
{
	return *(const u64 __attribute__((aligned(4))) *)(word)at;
}

static void check_entry(void)
{
	check("eax", boot_state[0], 0x2badb002);
	check("cr0 PE and PG", boot_state[2] & 0x80000001, 1);
	check("eflags IF and VM", boot_state[7] & 0x20200, 0);
	check("limit of DS", boot_state[8], 0xffffffff);
	check("DS, ES and SS differ", (boot_state[4] ^ boot_state[5]) |
	      (boot_state[4] ^ boot_state[6]), 0);
}

static void check_memory(u32 info)
{
	check_true("memory and map given", (info32(info, 0) & (MBI_MEMORY | MBI_MMAP)) ==
		   (MBI_MEMORY | MBI_MMAP));
	check_true("mem_lower", info32(info, 4) >= 512 && info32(info, 4) <= 640);
	check_true("mem_upper", info32(info, 8) >= 1024);
}

/* Entries don't overlap, what is above 1 MiB agrees with mem_upper, and this kernel lies in RAM. */
static void check_map(u32 info)
{
	u32 at = info32(info, 48), end = at + info32(info, 44);
	bool in_ram = false, agrees = false, apart = true;

	for (; at < end; at += info32(at, 0) + 4) {
		u64 base = info64(at + 4), size = info64(at + 12);
		bool ram = info32(at, 20) == 1;

		in_ram |= ram && base <= 0x100000 && base + size > (word)check_map;
		agrees |= ram && base == 0x100000 && (size >> 10) == info32(info, 8);
		for (u32 other = info32(info, 48); other < at; other += info32(other, 0) + 4)
			apart &= info64(other + 4) + info64(other + 12) <= base ||
				 base + size <= info64(other + 4);
	}
	check_true("map: entries are apart", apart);
	check_true("map: the kernel is in RAM", in_ram);
	check_true("map: agrees with mem_upper", agrees);
}

void guest_main(u32 magic, u32 info)
{
	const char *line;

	check_entry();
	check_memory(info);
	check_map(info);
	check_true("command line given", info32(info, 0) & MBI_CMDLINE);
	/* The first word is the kernel's name, which differs. */
	for (line = (const char *)(word)info32(info, 16); *line && *line != ' '; line++)
		;
	print("# arguments:%s\n", line);
}
