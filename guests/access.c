/* SPDX-License-Identifier: MIT */
/* All accesses on 4-level paging, against the model: see guests/lib/accesses.h. */
#include "guests/lib/accesses.h"

#define CR0_WP		0x10000ul
#define CR4_SMEP	0x100000ul
#define CR4_SMAP	0x200000ul
#define CR4_PKE		0x400000ul
#define CR4_PGE		0x80ul
#define EFER		0xc0000080u
#define EFER_NXE	0x800u
#define AT		(4ul << 39)	/* the fourth entry of the PML4, all of it ours */
#define ALIAS		(WINDOW + 0x100000)

extern u64 boot_pml4[];

static u64 pdpt[512] __attribute__((aligned(4096)));
static u64 directory[512] __attribute__((aligned(4096)));
static u64 table[512] __attribute__((aligned(4096)));
static u8 page[PAGE] __attribute__((aligned(4096)));
static u8 user_stack[PAGE] __attribute__((aligned(4096)));

static void with(word *cr, word bit, bool on)
{
	*cr = on ? *cr | bit : *cr & ~bit;
}

static void set_mode(const struct access_mode *m)
{
	word cr0 = READ_CR(0), cr4 = READ_CR(4);
	u64 efer = rdmsr(EFER);

	with(&cr0, CR0_WP, m->wp);
	with(&cr4, CR4_SMEP, m->smep);
	with(&cr4, CR4_SMAP, m->smap);
	with(&cr4, CR4_PKE, m->pke);
	WRITE_CR(0, cr0);
	WRITE_CR(4, cr4);
	wrmsr(EFER, m->nxe ? efer | EFER_NXE : efer & ~(u64)EFER_NXE);
}

void guest_main(u32 magic, u32 info)
{
	word here = (word)page;
	const struct access_layout layouts[] = {
		{ "4K", 1, AT, { NULL, &table[0], &directory[0], &pdpt[0], &boot_pml4[4] },
		  { 0, here, (word)table, (word)directory, (word)pdpt } },
		{ "2M", 2, AT + (1ul << 21) + here % (1ul << 21),
		  { NULL, NULL, &directory[1], &pdpt[0], &boot_pml4[4] },
		  { 0, 0, here & ~0x1ffffful, (word)directory, (word)pdpt } },
		{ "1G", 3, AT + (1ul << 30) + here % (1ul << 30),
		  { NULL, NULL, NULL, &pdpt[1], &boot_pml4[4] }, { 0, 0, 0, 0, (word)pdpt } },
	};
	bool gib = cpuid(0x80000001, 0).edx >> 26 & 1;
	const struct access_front front = {
		.layouts = layouts, .nr_layouts = gib ? 3 : 2, .levels = 4,
		.table_reserved = 1ul << 51, .leaf_reserved = { 0, 1ul << 51, 1ul << 13, 1ul << 29 },
		.set_mode = set_mode, .page = page,
	};

	map(ALIAS, user_code_page, PTE_P | PTE_U);
	map(ALIAS + PAGE, user_stack, PTE_P | PTE_W | PTE_U);
	access_user_code = ALIAS;
	access_user_stack = ALIAS + 2 * PAGE;
	WRITE_CR(4, READ_CR(4) | CR4_PGE);
	access_enumerate(&front);
}
