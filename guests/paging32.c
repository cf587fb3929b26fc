/* SPDX-License-Identifier: MIT */
/* 32-bit paging, with 4K and 4M pages and PSE-36 (SDM vol. 3A, "32-Bit Paging"). */
#include "guests/lib/access.h"

#define P	1ul
#define W	2ul
#define A	0x20ul
#define D	0x40ul
#define PS	0x80ul
#define CR0_PG	0x80000000ul
#define CR0_WP	0x10000ul
#define CR4_PSE	0x10ul
#define AT	0x80000000ul	/* one 4K page; 4M behind it a large page */
#define LARGE	0x80400000ul

static u32 directory[1024] __attribute__((aligned(4096)));
static u32 small_directory[1024] __attribute__((aligned(4096)));	/* of 4K pages alone */
static u32 low[1024] __attribute__((aligned(4096)));
static u32 table[1024] __attribute__((aligned(4096)));
static u8 page[PAGE] __attribute__((aligned(4096)));

static void set(volatile u32 *entry, u32 value)
{
	*entry = value;
	WRITE_CR(3, directory);
}

static void check_small(void)
{
	volatile u32 *entry = &table[0];

	page[3] = 0x33;
	set(entry, (word)page | P | W);
	check("4K page", *(volatile u8 *)(AT + 3), 0x33);
	check("a read sets A", *entry & (A | D), A);
	write_at((void *)AT);
	check("a write sets D", *entry & (A | D), A | D);
	set(entry, (word)page | P);
	check("read-only: write", try(write_at, AT), fault(3));
	WRITE_CR(0, READ_CR(0) & ~CR0_WP);
	check("WP off: write", try(write_at, AT), 0);
	WRITE_CR(0, READ_CR(0) | CR0_WP);
	set(entry, 0);
	check("not present: read", try(read_at, AT), fault(0));
	check("CR2", trap.cr2, AT);
	check("not present: write", try(write_at, AT), fault(2));
}

static void check_large(void)
{
	volatile u32 *entry = &directory[LARGE >> 22];
	word there = (word)page & 0x3fffff;

	set(entry, ((word)page & ~0x3ffffful) | P | W | PS);
	check("4M page", *(volatile u8 *)(LARGE + there + 3), 0x33);
	check("4M page: A", *entry & (A | D), A);
	write_at((void *)(LARGE + there));
	check("4M page: D", *entry & (A | D), A | D);
	set(entry, ((word)page & ~0x3ffffful) | P | PS);
	check("4M page: read-only", try(write_at, LARGE), fault(3));
	set(entry, 0x200000 | P | W | PS);	/* a reserved bit; QEMU 7.2 leaves out P */
	check("4M page: reserved bit", try(read_at, LARGE) & ~1ull, fault(8));
}

static void outs(void *at)
{
	__asm__ volatile("outsb" : "+S"(at) : "d"(0x80) : "memory");
}

static void ins(void *at)
{
	__asm__ volatile("insb" : "+D"(at) : "d"(0x80) : "memory");
}

/* Bits 13 and up of a 4M entry are bits 32 and up of its address ("PSE-36"): here of 4 GiB above
 * the page, where nothing is, so that it must stay as it is. */
static void check_pse36(void)
{
	static const struct { const char *name; void (*make)(void *); u32 flags; } rows[] = {
		{ "read", read_at, A }, { "write", write_at, A | D }, { "OUTS", outs, A },
		{ "INS", ins, A | D },
	};
	volatile u32 *entry = &directory[LARGE >> 22];
	word there = (word)page & 0x3fffff;

	if (!(cpuid(1, 0).edx >> 17 & 1)) {
		skip("PSE-36", "not offered");
		return;
	}
	page[0] = 0x11;
	for (u32 i = 0; i < COUNT(rows); i++) {
		set(entry, ((word)page & ~0x3ffffful) | P | W | PS | 1ul << 13);
		check_in("PSE-36", rows[i].name, try(rows[i].make, LARGE + there), 0);
		check_in("PSE-36, A and D", rows[i].name, *entry & (A | D), rows[i].flags);
	}
	check("PSE-36: the page below 4 GiB", page[0], 0x11);
	/* without CR4.PSE the entry is one of a table */
	WRITE_CR(3, small_directory);
	WRITE_CR(4, READ_CR(4) & ~CR4_PSE);
	small_directory[LARGE >> 22] = (word)table | P | W | PS;
	table[0] = (word)page | P | W;
	WRITE_CR(3, small_directory);
	check("PS without CR4.PSE: read", *(volatile u8 *)LARGE, 0x11);
	check("PS without CR4.PSE: OUTS", try(outs, LARGE), 0);
	table[0] = (word)page | P;
	WRITE_CR(3, small_directory);
	check("PS without CR4.PSE: INS", try(ins, LARGE), fault(3));
	WRITE_CR(4, READ_CR(4) | CR4_PSE);
	WRITE_CR(3, directory);
}

void guest_main(u32 magic, u32 info)
{
	for (u32 i = 0; i < 512; i++)
		directory[i] = i << 22 | P | W | PS;
	for (u32 i = 0; i < 1024; i++)
		low[i] = i << 12 | P | W;
	small_directory[0] = (word)low | P | W;
	directory[AT >> 22] = (word)table | P | W;
	WRITE_CR(4, READ_CR(4) | CR4_PSE);
	WRITE_CR(3, directory);
	WRITE_CR(0, READ_CR(0) | CR0_PG | CR0_WP);
	check_small();
	check_large();
	check_pse36();
	WRITE_CR(0, READ_CR(0) & ~CR0_PG);
	check("paging off again", page[3], 0x33);
}
