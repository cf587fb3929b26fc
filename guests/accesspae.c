/* SPDX-License-Identifier: MIT */
/* All accesses on PAE paging, against the model: see guests/lib/accesses.h. */
#include "guests/lib/accesses.h"

#define CR0_PG		0x80000000ul
#define CR0_WP		0x10000ul
#define CR4_PAE		0x20ul
#define CR4_PGE		0x80ul
#define CR4_SMEP	0x100000ul
#define CR4_SMAP	0x200000ul
#define CR4_PKE		0x400000ul
#define EFER		0xc0000080u
#define EFER_NXE	0x800u
#define AT		0x80000000ul	/* the third PDPTE's, all of it ours */
#define ALIAS		0x40000000ul

static u64 pdpt[4] __attribute__((aligned(32)));
static u64 low[512] __attribute__((aligned(4096)));
static u64 alias_directory[512] __attribute__((aligned(4096)));
static u64 alias_table[512] __attribute__((aligned(4096)));
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

static void start_paging(void)
{
	for (u32 i = 0; i < 512; i++)
		low[i] = i << 21 | PTE_P | PTE_W | PTE_PS;
	alias_table[0] = (word)user_code_page | PTE_P | PTE_U;
	alias_table[1] = (word)user_stack | PTE_P | PTE_W | PTE_U;
	alias_directory[0] = (word)alias_table | PTE_P | PTE_W | PTE_U;
	pdpt[0] = (word)low | PTE_P;
	pdpt[1] = (word)alias_directory | PTE_P;
	pdpt[2] = (word)directory | PTE_P;
	WRITE_CR(4, READ_CR(4) | CR4_PAE | CR4_PGE);
	WRITE_CR(3, pdpt);
	WRITE_CR(0, READ_CR(0) | CR0_PG | CR0_WP);
}

void guest_main(u32 magic, u32 info)
{
	word here = (word)page;
	const struct access_layout layouts[] = {
		{ "4K", 1, AT, { NULL, &table[0], &directory[0] },
		  { 0, here, (word)table, (word)directory } },
		{ "2M", 2, AT + (1ul << 21) + here % (1ul << 21), { NULL, NULL, &directory[1] },
		  { 0, 0, here & ~0x1ffffful, (word)directory } },
	};
	const struct access_front front = {
		.layouts = layouts, .nr_layouts = COUNT(layouts), .levels = 3,
		.table_reserved = 1ull << 62, .leaf_reserved = { 0, 1ull << 52, 1ull << 13 },
		.set_mode = set_mode, .page = page,
	};

	start_paging();
	access_user_code = ALIAS;
	access_user_stack = ALIAS + 2 * PAGE;
	access_enumerate(&front);
}
