/* SPDX-License-Identifier: MIT */
/* The state that a multiboot 2 loader hands over (Multiboot2 Specification 2.0, 3.3 to 3.6). */
#include "guests/lib/guest.h"

enum { CMDLINE = 1, LOADER, MODULE, BASIC_MEMORY, MEMORY_MAP = 6, ACPI_OLD = 14, ACPI_NEW };

struct tag {
	u32 type, size, word[];
};

struct range {
	u64 base, size;
	u32 type, reserved;
};

static const u32 *info_block;

static const struct tag *next_tag(const struct tag *t)
{
	return (const struct tag *)((word)t + ((t->size + 7) & ~7u));
}

static const struct tag *first_tag(void)
{
	return (const struct tag *)(info_block + 2);
}

/* The tag of a type, number `nr` from 0 on, or NULL. */
static const struct tag *find(u32 type, unsigned nr)
{
	for (const struct tag *t = first_tag(); t->type; t = next_tag(t))
		if (t->type == type && !nr--)
			return t;
	return NULL;
}

static void check_entry(void)
{
	check("eax", boot_state[0], 0x36d76289);
	check("cr0 PE and PG", boot_state[2] & 0x80000001, 1);
	check("eflags IF and VM", boot_state[7] & 0x20200, 0);
	check("limit of DS", boot_state[8], 0xffffffff);
	check("DS, ES and SS differ", (boot_state[4] ^ boot_state[5]) |
	      (boot_state[4] ^ boot_state[6]), 0);
}

static void check_shape(void)
{
	word end = (word)info_block + info_block[0];
	const struct tag *t = first_tag();
	bool inside = true;

	check("information: alignment", (word)info_block & 7, 0);
	check("information: reserved", info_block[1], 0);
	for (; t->type && inside; t = next_tag(t))
		inside = t->size >= 8 && (word)next_tag(t) < end;
	check_true("information: each tag inside", inside);
	check("information: end tag", t->type | (u64)t->size << 32, 8ull << 32);
	check("information: ends there", end - (word)next_tag(t), 0);
}

static void check_memory(void)
{
	const struct tag *basic = find(BASIC_MEMORY, 0), *map = find(MEMORY_MAP, 0);
	const struct range *r = (const struct range *)&map->word[2];
	u32 nr = (map->size - 16) / map->word[0];
	bool in_ram = false, apart = true;

	check_true("mem_lower", basic->word[0] >= 512 && basic->word[0] <= 640);
	check_true("mem_upper", basic->word[1] >= 1024);
	check("map: size of an entry", map->word[0], sizeof(*r));
	check("map: version", map->word[1], 0);
	for (u32 i = 0; i < nr; i++) {
		in_ram |= r[i].type == 1 && r[i].base <= 0x100000 &&
			  r[i].base + r[i].size > (word)check_memory;
		for (u32 j = 0; j < i; j++)
			apart &= r[j].base + r[j].size <= r[i].base ||
				 r[i].base + r[i].size <= r[j].base;
	}
	check_true("map: the kernel is in RAM", in_ram);
	check_true("map: entries are apart", apart);
}

static void check_rsdp(void)
{
	const struct tag *t = find(ACPI_NEW, 0);
	const struct tag *old = find(ACPI_OLD, 0);
	const u8 *rsdp = (const u8 *)(t ? t->word : old ? old->word : NULL);
	u8 sum = 0;

	check_true("RSDP given", rsdp && rsdp[0] == 'R' && rsdp[7] == ' ');
	for (unsigned i = 0; rsdp && i < 20; i++)
		sum += rsdp[i];
	check("sum of the RSDP", sum, 0);
}

static u64 text_sum(const char *text)
{
	u64 sum = 0;

	while (*text)
		sum = sum * 31 + (u8)*text++;
	return sum;
}

static void check_modules(void)
{
	const struct tag *t;
	bool on_page = true, apart = true;
	u64 bytes = 0, texts = 0;
	unsigned nr = 0;

	for (; (t = find(MODULE, nr)); nr++) {
		on_page &= !(t->word[0] & (PAGE - 1));
		apart &= t->word[0] >= (word)image_end || t->word[1] <= 0x100000;
		for (word at = t->word[0]; at < t->word[1]; at++)
			bytes = bytes * 31 + *(const u8 *)at;
		texts += text_sum((const char *)&t->word[2]);
	}
	tell("modules", nr);
	check_true("modules: on pages", on_page);
	check_true("modules: apart from the kernel", apart);
	tell("modules: sum of their bytes", bytes);
	tell("modules: their command lines", texts);
}

void guest_main(u32 magic, u32 info)
{
	info_block = (const u32 *)(word)info;
	check_entry();
	check_shape();
	check_true("loader's name", find(LOADER, 0) && *(const char *)find(LOADER, 0)->word);
	tell("command line", find(CMDLINE, 0) ? text_sum((const char *)find(CMDLINE, 0)->word) : 0);
	check_memory();
	check_rsdp();
	check_modules();
}
