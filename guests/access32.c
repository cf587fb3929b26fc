/* SPDX-License-Identifier: MIT */
/* All accesses on 32-bit paging, against the model: see guests/lib/accesses.h. The kernel itself is
 * mapped with 4K pages, as CR4.PSE is tried on and off. */
#include "guests/lib/accesses.h"

#define CR0_PG		0x80000000ul
#define CR0_WP		0x10000ul
#define CR4_PSE		0x10ul
#define CR4_PGE		0x80ul
#define CR4_SMEP	0x100000ul
#define CR4_SMAP	0x200000ul
#define CR4_PKE		0x400000ul
#define EFER		0xc0000080u
#define EFER_NXE	0x800u
#define AT		0x80000000ul
#define ALIAS		0x40000000ul

static u32 directory[1024] __attribute__((aligned(4096)));
static u32 low[1024] __attribute__((aligned(4096)));
static u32 alias_table[1024] __attribute__((aligned(4096)));
static u32 table[1024] __attribute__((aligned(4096)));
static u8 page[PAGE] __attribute__((aligned(4096)));
static u8 user_stack[PAGE] __attribute__((aligned(4096)));

static void with(word *cr, word bit, bool on)
{
	*cr = on ? *cr | bit : *cr & ~bit;
}

static void set_mode(const struct access_mode *m)
{
	word cr0 = READ_CR(0), cr4 = READ_CR(4);

	with(&cr0, CR0_WP, m->wp);
	with(&cr4, CR4_SMEP, m->smep);
	with(&cr4, CR4_SMAP, m->smap);
	with(&cr4, CR4_PKE, m->pke);
	with(&cr4, CR4_PSE, m->pse);
	WRITE_CR(0, cr0);
	WRITE_CR(4, cr4);
}

static void start_paging(void)
{
	for (u32 i = 0; i < 1024; i++)
		low[i] = i << 12 | PTE_P | PTE_W;
	alias_table[0] = (word)user_code_page | PTE_P | PTE_U;
	alias_table[1] = (word)user_stack | PTE_P | PTE_W | PTE_U;
	directory[0] = (word)low | PTE_P | PTE_W;
	directory[ALIAS >> 22] = (word)alias_table | PTE_P | PTE_W | PTE_U;
	wrmsr(EFER, rdmsr(EFER) | EFER_NXE);	/* which must mean nothing here */
	WRITE_CR(4, READ_CR(4) | CR4_PGE);
	WRITE_CR(3, directory);
	WRITE_CR(0, READ_CR(0) | CR0_PG | CR0_WP);
}

void guest_main(u32 magic, u32 info)
{
	word here = (word)page;
	const struct access_layout layouts[] = {
		{ "4K", 1, AT, { NULL, &table[0], &directory[AT >> 22] },
		  { 0, here, (word)table } },
		{ "4M", 2, AT + (1ul << 22) + here % (1ul << 22),
		  { NULL, NULL, &directory[(AT >> 22) + 1] }, { 0, 0, here & ~0x3ffffful } },
	};
	const struct access_front front = {
		.layouts = layouts, .nr_layouts = COUNT(layouts), .levels = 2,
		.leaf_reserved = { 0, 0, 1ull << 21 }, .has_pse = true,
		.set_mode = set_mode, .page = page,
	};

	start_paging();
	access_user_code = ALIAS;
	access_user_stack = ALIAS + 2 * PAGE;
	access_enumerate(&front);
}
