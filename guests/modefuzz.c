/* SPDX-License-Identifier: MIT */
/*
 * Control registers and EFER in random combinations, with paging off and then on if the CPU lets
 * it, and intercepted instructions in each: whatever a guest does here, the host lives, and so does
 * the guest. A 32-bit kernel; with EFER.LME it runs on as compatibility mode, where nothing may
 * fault, as the IDT is a 32-bit one. QEMU's TCG alone doesn't get through it: it checks too little.
 */
#include "guests/lib/guest.h"

#define ROUNDS		1500
#define CR0_PG		0x80000000u
#define CR4_PSE		0x10u
#define CR4_PAE		0x20u
#define CR4_PGE		0x80u
#define CR4_LA57	0x1000u
#define EFER		0xc0000080u
#define EFER_LME	0x100u
#define CR0_CHOICES	0x6005002eu	/* MP, EM, TS, NE, WP, AM, NW, CD */
#define CR4_CHOICES	0x007517ffu	/* all to UMIP and LA57, FSGSBASE, OSXSAVE, SMEP, SMAP, PKE */
#define EFER_CHOICES	0x901u		/* SCE, LME, NXE */

static u32 directory[1024] __attribute__((aligned(4096)));
static u32 directory_4m[1024] __attribute__((aligned(4096)));
static u32 low[2][1024] __attribute__((aligned(4096)));
static u64 pdpt_pae[4] __attribute__((aligned(32)));
static u64 pdpt_long[512] __attribute__((aligned(4096)));
static u64 pml4[512] __attribute__((aligned(4096)));
static u64 pml5[512] __attribute__((aligned(4096)));
static u64 directory_pae[512] __attribute__((aligned(4096)));
static u8 page[PAGE] __attribute__((aligned(4096)));
static u32 state = 12345;

/* The first 8 MiB in each format. */
static void build_tables(void)
{
	for (u32 i = 0; i < 2048; i++)
		low[i / 1024][i % 1024] = i << 12 | PTE_P | PTE_W;
	for (u32 i = 0; i < 2; i++) {
		directory[i] = (word)low[i] | PTE_P | PTE_W;
		directory_4m[i] = i << 22 | PTE_P | PTE_W | PTE_PS;
	}
	for (u32 i = 0; i < 4; i++)
		directory_pae[i] = i << 21 | PTE_P | PTE_W | PTE_PS;
	pdpt_pae[0] = (word)directory_pae | PTE_P;
	pdpt_long[0] = (word)directory_pae | PTE_P | PTE_W;
	pml4[0] = (word)pdpt_long | PTE_P | PTE_W;
	pml5[0] = (word)pml4 | PTE_P | PTE_W;
}

static u32 next(void)
{
	state = state * 1664525 + 1013904223;
	return state >> 4 ^ state << 28;
}

static void write_cr0(void *value) { WRITE_CR(0, value); }
static void write_cr4(void *value) { WRITE_CR(4, value); }
static void write_efer(void *value) { wrmsr(EFER, (word)value); }

/* What exits, each in its way: by opcode, by decoding, by a walk of the hypervisor's own. */
static void make_exits(void)
{
	void *at = page;

	cpuid(0, 0);
	(void)READ_CR(4);
	__asm__ volatile("outsb" : "+S"(at) : "d"(0x80) : "memory");
	at = page;
	__asm__ volatile("insb" : "+D"(at) : "d"(0x80) : "memory");
	(void)rdmsr(EFER);
}

static word fitting_tables(void)
{
	if (!(READ_CR(4) & CR4_PAE))
		return READ_CR(4) & CR4_PSE ? (word)directory_4m : (word)directory;
	if (!(rdmsr(EFER) & EFER_LME))
		return (word)pdpt_pae;
	return READ_CR(4) & CR4_LA57 ? (word)pml5 : (word)pml4;
}

/* A bit of CR4 that may change with paging on. */
static void toggle_cr4(void)
{
	static const u32 bits[] = { CR4_PGE, 0x8, 0x100, 0x100000, 0x200000 };
	word cr4 = READ_CR(4);

	WRITE_CR(4, cr4 ^ bits[next() % 5]);
	make_exits();
	WRITE_CR(4, cr4);
}

static unsigned paged, in_long_mode;

static void one_round(void)
{
	guest_try(write_cr0, (void *)((next() & CR0_CHOICES) | 0x11));
	make_exits();
	guest_try(write_efer, (void *)(word)(next() & EFER_CHOICES));
	make_exits();
	guest_try(write_cr4, (void *)(next() & CR4_CHOICES));
	make_exits();
	guest_try(write_efer, (void *)(word)(next() & EFER_CHOICES));
	make_exits();
	WRITE_CR(3, fitting_tables());
	guest_try(write_cr0, (void *)(READ_CR(0) | CR0_PG));
	make_exits();
	if (!(READ_CR(0) & CR0_PG))
		return;
	paged++;
	in_long_mode += (rdmsr(EFER) & 0x400) != 0;
	toggle_cr4();
	WRITE_CR(3, READ_CR(3));
	invlpg(page);
	make_exits();
	WRITE_CR(0, READ_CR(0) & ~CR0_PG);
	make_exits();
}

void guest_main(u32 magic, u32 info)
{
	word cr0 = READ_CR(0), cr4 = READ_CR(4);

	build_tables();
	for (unsigned i = 0; i < ROUNDS; i++)
		one_round();
	WRITE_CR(4, cr4);
	WRITE_CR(0, cr0);
	print("# %u times with paging, %u of them in long mode\n", paged, in_long_mode);
	check_true("paging was often on", paged > ROUNDS / 2);
	check_true("and long mode", in_long_mode > ROUNDS / 16);
	check("CR0 as it was", READ_CR(0), cr0);
}
