/* SPDX-License-Identifier: MIT */
/* PAE paging, whose PDPTEs are loaded with CR3 (SDM vol. 3A, "PAE Paging"). */
#include "guests/lib/access.h"

#define P	1ull
#define W	2ull
#define A	0x20ull
#define D	0x40ull
#define PS	0x80ull
#define NX	(1ull << 63)
#define CR0_PG	0x80000000ul
#define CR0_WP	0x10000ul
#define CR4_PAE	0x20ul
#define EFER	0xc0000080u
#define EFER_NXE 0x800u
#define AT	0x80000000ul	/* in the third PDPTE */
#define LARGE	0x80200000ul

static u64 pdpt[4] __attribute__((aligned(32)));
static u64 directory[3][512] __attribute__((aligned(4096)));
static u64 table[512] __attribute__((aligned(4096)));
static u64 other[512] __attribute__((aligned(4096)));
static u8 page[2][PAGE] __attribute__((aligned(4096)));

static void set(volatile u64 *entry, u64 value)
{
	*entry = value;
	WRITE_CR(3, pdpt);
}

static void check_pages(void)
{
	volatile u64 *entry = &table[0], *large = &directory[1][1];

	page[0][0] = 0xc3;
	set(entry, (word)page[0] | P | W);
	check("4K page", *(volatile u8 *)AT, 0xc3);
	check("a read sets A", *entry & (A | D), A);
	write_at((void *)AT);
	check("a write sets D", *entry & (A | D), A | D);
	check("fetch", try(fetch_at, AT), 0);
	set(entry, (word)page[0] | P | W | NX);
	check("NX: fetch", try(fetch_at, AT), fault(0x11));
	set(entry, (word)page[0] | P);
	check("read-only: write", try(write_at, AT), fault(3));
	set(entry, 0);
	check("not present", try(read_at, AT), fault(0));
	set(entry, (word)page[0] | P | 1ull << 62);	/* QEMU 7.2 leaves out P */
	check("reserved bit", try(read_at, AT) & ~1ull, fault(8));
	set(large, ((word)page[0] & ~0x1ffffful) | P | W | PS);
	check("2M page", *(volatile u8 *)(LARGE + ((word)page[0] & 0x1fffff)), 0xc3);
	check("2M page: A", *large & (A | D), A);
}

static void outs(void *at)
{
	__asm__ volatile("outsb" : "+S"(at) : "d"(0x80) : "memory");
}

static void ins(void *at)
{
	__asm__ volatile("insb" : "+D"(at) : "d"(0x80) : "memory");
}

/* A PDPTE changes with CR3. That it doesn't before, and its reserved bits, TCG doesn't know. */
static void check_pdptes(void)
{
	volatile u64 *third = &pdpt[2];

	page[0][0] = 1;
	page[1][0] = 2;
	table[0] = (word)page[0] | P | W;
	other[0] = (word)page[1] | P | W;
	directory[1][0] = (word)table | P | W;
	directory[2][0] = (word)other | P | W;
	WRITE_CR(3, pdpt);
	check("PDPTE: one directory", *(volatile u8 *)AT, 1);
	set(third, (word)directory[2] | P);
	check("PDPTE: another", *(volatile u8 *)AT, 2);
	set(third, 0);
	check("PDPTE: none", try(read_at, AT), fault(0));
	check("CR2", trap.cr2, AT);
	check("PDPTE: none, OUTS", try(outs, AT), fault(0));
	check("PDPTE: none, INS", try(ins, AT), fault(2));
	check("PDPTE: none, CR2 of INS", trap.cr2, AT);
	check("PDPTE: none, of the fourth: OUTS", try(outs, 0xc0000000ul), fault(0));
	set(third, (word)directory[2] | P | 0x18);	/* PWT and PCD */
	check("PDPTE with PWT and PCD", *(volatile u8 *)AT, 2);
	check("PDPTE with PWT and PCD: OUTS", try(outs, AT), 0);
	set(third, (word)directory[1] | P);
	check("PDPTE: the first again", *(volatile u8 *)AT, 1);
}

void guest_main(u32 magic, u32 info)
{
	for (u32 i = 0; i < 512; i++)
		directory[0][i] = i << 21 | P | W | PS;
	pdpt[0] = (word)directory[0] | P;
	pdpt[2] = (word)directory[1] | P;
	directory[1][0] = (word)table | P | W;
	wrmsr(EFER, rdmsr(EFER) | EFER_NXE);
	WRITE_CR(4, READ_CR(4) | CR4_PAE);
	WRITE_CR(3, pdpt);
	WRITE_CR(0, READ_CR(0) | CR0_PG | CR0_WP);
	check_pages();
	check_pdptes();
}
