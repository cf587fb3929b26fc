/* SPDX-License-Identifier: MIT */
/* Owns the page tables of the test window. */
#include "guests/lib/guest.h"

#define NR_TABLES 16

extern u64 boot_pml4[];

static u64 tables[NR_TABLES][512] __attribute__((aligned(4096)));
static unsigned nr_tables;
static u8 code_page[PAGE] __attribute__((aligned(4096)));
static u8 stack_page[PAGE] __attribute__((aligned(4096)));

static u64 *next_table(u64 *entry)
{
	if (!(*entry & PTE_P)) {
		if (nr_tables == NR_TABLES) {
			print("# out of page tables\n");
			debug_exit(3);
		}
		*entry = (u64)tables[nr_tables++] | PTE_P | PTE_W | PTE_U;
	}
	return (u64 *)(*entry & ~0xffful & ~PTE_NX);
}

u64 *entry_of(u64 va, unsigned level)
{
	u64 *table = boot_pml4;

	for (unsigned at = 4; at > level; at--)
		table = next_table(&table[va >> (12 + 9 * (at - 1)) & 511]);
	return &table[va >> (12 + 9 * (level - 1)) & 511];
}

void map(u64 va, const void *page, u64 flags)
{
	*entry_of(va, 1) = (u64)page | flags;
	invlpg((const void *)va);
}

u64 user_code(const void *code, size_t size)
{
	memcpy(code_page, code, size);
	map(WINDOW + 0x10000, code_page, PTE_P | PTE_U);
	map(WINDOW + 0x11000, stack_page, PTE_P | PTE_W | PTE_U);
	return WINDOW + 0x10000;
}
