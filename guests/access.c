/* SPDX-License-Identifier: MIT */
/* All accesses on 4-level paging, or 5-level paging where the CPU has that, against the model: see
 * guests/lib/accesses.h. */
#include "guests/lib/accesses.h"
#include "guests/lib/modes.h"

#define CR0_WP		0x10000ul
#define CR4_SMEP	0x100000ul
#define CR4_SMAP	0x200000ul
#define CR4_PKE		0x400000ul
#define AT		(4ul << 39)	/* the fourth entry of the PML4, all of it ours */
#define AT_5		(1ul << 48 | AT)	/* the same by way of the PML5's second entry */
#define ALIAS		(WINDOW + 0x100000)

extern u64 boot_pml4[];

static u64 pml5[512] __attribute__((aligned(4096)));
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

/* On tables of this many levels, which are in use. */
static void enumerate(unsigned levels)
{
	word here = (word)page, at = levels > 4 ? AT_5 : AT;
	u64 *top = levels > 4 ? &pml5[AT_5 >> 48] : NULL;
	const struct access_layout layouts[] = {
		{ "4K", 1, at, { NULL, &table[0], &directory[0], &pdpt[0], &boot_pml4[4], top },
		  { 0, here, (word)table, (word)directory, (word)pdpt, (word)boot_pml4 } },
		{ "2M", 2, at + (1ul << 21) + here % (1ul << 21),
		  { NULL, NULL, &directory[1], &pdpt[0], &boot_pml4[4], top },
		  { 0, 0, here & ~0x1ffffful, (word)directory, (word)pdpt, (word)boot_pml4 } },
		{ "1G", 3, at + (1ul << 30) + here % (1ul << 30),
		  { NULL, NULL, NULL, &pdpt[1], &boot_pml4[4], top },
		  { 0, 0, 0, 0, (word)pdpt, (word)boot_pml4 } },
	};
	bool gib = cpuid(0x80000001, 0).edx >> 26 & 1;
	const struct access_front front = {
		.layouts = layouts, .nr_layouts = gib ? 3 : 2, .levels = levels,
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

static void with_5_levels(void)
{
	enumerate(5);
	finish();
}

void guest_main(u32 magic, u32 info)
{
	struct paging_mode m = {
		(u32)READ_CR(0), (u32)(word)pml5, (u32)READ_CR(4) | CR4_LA57, EFER_LME | EFER_NXE,
		(u32)(word)with_5_levels, true
	};

	if (!(cpuid(7, 0).ecx >> 16 & 1)) {
		enumerate(4);
		return;
	}
	pml5[0] = (word)boot_pml4 | PTE_P | PTE_W | PTE_U;
	run_in_mode(&m);
}
