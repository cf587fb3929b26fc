/* SPDX-License-Identifier: MIT */
/* The state that a PVH loader hands over (Xen, docs/misc/pvh.pandoc; start_info.h). */
#include "guests/lib/guest.h"

#define START_MAGIC	0x336ec578u
#define MAX_MODULES	4

struct start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist, cmdline, rsdp, memmap;
	u32 memmap_entries, reserved;
};

struct module {
	u64 at, size, cmdline, reserved;
};

struct range {
	u64 base, size;
	u32 type, reserved;
};

static void check_entry(const struct start_info *s)
{
	check("magic", s->magic, START_MAGIC);
	check("cr0 PE and PG", boot_state[2] & 0x80000001, 1);
	check("eflags IF, VM and TF", boot_state[7] & 0x20300, 0);
	check("limit of DS", boot_state[8], 0xffffffff);
	check("DS, ES and SS differ", (boot_state[4] ^ boot_state[5]) |
	      (boot_state[4] ^ boot_state[6]), 0);
}

static void check_info(const struct start_info *s)
{
	const char *rsdp = (const char *)(word)s->rsdp;
	u8 sum = 0;

	check("version", s->version, 1);
	check("flags", s->flags, 0);
	check("reserved", s->reserved, 0);
	check_true("RSDP given", s->rsdp && rsdp[0] == 'R' && rsdp[7] == ' ');
	for (unsigned i = 0; s->rsdp && i < 20; i++)
		sum += (u8)rsdp[i];
	check("sum of the RSDP", sum, 0);
	print("# arguments: %s\n", s->cmdline ? (const char *)(word)s->cmdline : "none");
	check_true("command line given", s->cmdline != 0);
}

static void check_map(const struct start_info *s)
{
	const struct range *r = (const struct range *)(word)s->memmap;
	bool in_ram = false, apart = true, low = false;

	for (u32 i = 0; i < s->memmap_entries; i++) {
		bool ram = r[i].type == 1;

		in_ram |= ram && r[i].base <= 0x100000 &&
			  r[i].base + r[i].size > (word)check_map;
		low |= ram && r[i].base == 0 && r[i].size >= 0x80000;
		for (u32 j = 0; j < i; j++)
			apart &= r[j].base + r[j].size <= r[i].base ||
				 r[i].base + r[i].size <= r[j].base;
	}
	check_true("map: there is one", s->memmap_entries >= 2);
	check_true("map: entries are apart", apart);
	check_true("map: the kernel is in RAM", in_ram);
	check_true("map: low memory", low);
}

static bool overlaps(u64 base, u64 end, u64 other, u64 other_end)
{
	return base < other_end && other < end;
}

/* Modules are apart from each other, from the kernel and from the information. */
static void check_modules(const struct start_info *s)
{
	const struct module *m = (const struct module *)(word)s->modlist;
	bool apart = true;
	u64 sum = 0;

	tell("modules", s->nr_modules);
	for (u32 i = 0; i < s->nr_modules && i < MAX_MODULES; i++) {
		const u8 *bytes = (const u8 *)(word)m[i].at;

		apart &= !overlaps(m[i].at, m[i].at + m[i].size, 0x100000, (word)image_end);
		apart &= !overlaps(m[i].at, m[i].at + m[i].size, (word)s, (word)(s + 1));
		for (u32 j = 0; j < i; j++)
			apart &= !overlaps(m[i].at, m[i].at + m[i].size, m[j].at,
					   m[j].at + m[j].size);
		for (u64 j = 0; j < m[i].size; j++)
			sum = sum * 31 + bytes[j];
	}
	check_true("modules: apart", apart);
	tell("modules: sum of their bytes", sum);
}

void guest_main(u32 magic, u32 info)
{
	const struct start_info *s = (const struct start_info *)(word)info;

	check_entry(s);
	check_info(s);
	check_map(s);
	check_modules(s);
}
