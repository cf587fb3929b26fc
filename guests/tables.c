/* SPDX-License-Identifier: MIT */
/*
 * What page tables do beside translating: tables that map themselves, entries that change under the
 * CPU, large pages, when flags are set and when not, and INVLPG (SDM vol. 3A, "Accessed and Dirty
 * Flags", "Caching Translation Information").
 */
#include "guests/lib/access.h"

#define UD	6
#define GP	13
#define P	1
#define W	2
#define RSVD	8

#define CR4_PGE		0x80ul
#define PTE_G		0x100ul
#define SELF		5ul			/* the PML4's entry for itself */
#define SELF_BASE	(SELF << 39)
#define AT		(WINDOW + 0x30000)
#define NEXT		(AT + PAGE)
#define LARGE		(WINDOW + 0x400000)
#define GIANT		(WINDOW + (1ul << 30))

extern u64 boot_pml4[];

static u8 page[2][PAGE] __attribute__((aligned(4096)));

static void outs(void *at)
{
	__asm__ volatile("outsb" : "+S"(at) : "d"(0x80) : "memory");
}

static void ins(void *at)
{
	__asm__ volatile("insb" : "+D"(at) : "d"(0x80) : "memory");
}

static u64 flags_of(u64 va, unsigned level)
{
	return *(volatile u64 *)entry_of(va, level) & (PTE_A | PTE_D);
}

/* Where the entry for `va` in the table of `level` is seen through the PML4 that maps itself. */
static u64 *seen_at(u64 va, unsigned level)
{
	u64 at = va & 0xffffffffffff;

	for (unsigned i = 0; i < level; i++)
		at = SELF_BASE | (at >> 12 << 3 & 0x7ffffffff8);
	return (u64 *)at;
}

static void check_self(void)
{
	static const char *const levels[] = { "", "PTE", "PDE", "PDPTE", "PML4E" };
	u64 *itself = (u64 *)(SELF_BASE | SELF << 30 | SELF << 21 | SELF << 12 | SELF << 3);

	boot_pml4[SELF] = (word)boot_pml4 | PTE_P | PTE_W;
	page[0][0] = 0x10;
	page[1][0] = 0x11;
	map(AT, page[0], PTE_P | PTE_W);
	check("before", *(volatile u8 *)AT, 0x10);
	for (unsigned level = 1; level <= 4; level++)
		check_in("the same entry through itself", levels[level],
			 (*(volatile u64 *)seen_at(AT, level) ^ *entry_of(AT, level)) &
			 ~(PTE_A | PTE_D), 0);
	*(volatile u64 *)seen_at(AT, 1) = (word)page[1] | PTE_P | PTE_W;
	invlpg((void *)AT);
	check("an entry written through itself", *(volatile u8 *)AT, 0x11);

	/* the entry is table at three levels and page at the fourth: a write marks it dirty */
	boot_pml4[SELF] = (word)boot_pml4 | PTE_P | PTE_W;
	WRITE_CR(3, READ_CR(3));
	check("entry of itself", (*(volatile u64 *)itself & ~0xffful) == (word)boot_pml4, true);
	check("entry of itself: read", boot_pml4[SELF] & (PTE_A | PTE_D), PTE_A);
	*(volatile u8 *)((u64)itself + 7) = 0;
	check("entry of itself: written", boot_pml4[SELF] & (PTE_A | PTE_D), PTE_A | PTE_D);
	boot_pml4[SELF] = (word)boot_pml4 | PTE_P | PTE_W;
	WRITE_CR(3, READ_CR(3));
	outs((u8 *)itself + 7);
	check("entry of itself: OUTS", boot_pml4[SELF] & (PTE_A | PTE_D), PTE_A);
	boot_pml4[SELF] = (word)boot_pml4 | PTE_P;
	WRITE_CR(3, READ_CR(3));
	check("entry of itself, read-only: INS", try(ins, (u64)itself + 1), fault(P | W));
	boot_pml4[SELF] = 0;
	WRITE_CR(3, READ_CR(3));
	check("entry of itself, gone", try(read_at, (u64)itself), fault(0));
	check("entry of itself, gone: OUTS", try(outs, (u64)itself), fault(0));
}

static void do_nothing(void *at)
{
	__asm__ volatile("prefetcht0 (%0); prefetchnta (%0)" :: "r"(at));
}

static void prefetch_to_write(void *at)
{
	__asm__ volatile("prefetchw (%0)" :: "r"(at));
}

static void failing_compare(void *at)
{
	__asm__ volatile("lock cmpxchgb %b0, (%1)" :: "c"(1), "r"(at), "a"(0x55) : "memory", "cc");
}

static void store_none(void *at)
{
	u64 count = 0;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(0) : "memory");
}

static void ins_none(void *at)
{
	u64 count = 0;

	__asm__ volatile("rep insb" : "+D"(at), "+c"(count) : "d"(0x80) : "memory");
}

static void test_bit(void *at)
{
	__asm__ volatile("btl $3, (%0)" :: "r"(at) : "cc");
}

/* Who sets D, and who doesn't. What only looks must not, and nothing may fault that does nothing. */
static void check_dirty(void)
{
	static const struct { const char *name; void (*make)(void *); u64 dirty; } rows[] = {
		{ "PREFETCH", do_nothing, 0 }, { "PREFETCHW", prefetch_to_write, 0 },
		{ "CMPXCHG that fails", failing_compare, PTE_D }, { "STOS of none", store_none, 0 },
		{ "INS of none", ins_none, 0 }, { "BT", test_bit, 0 }, { "OUTS", outs, 0 },
		{ "INS", ins, PTE_D },
	};

	for (unsigned i = 0; i < COUNT(rows); i++) {
		page[0][0] = 0;
		map(AT, page[0], PTE_P | PTE_W);
		check_in("D", rows[i].name, try(rows[i].make, AT) | (flags_of(AT, 1) & PTE_D),
			 rows[i].dirty);
	}
	map(AT, page[0], 0);
	check("PREFETCH of a missing page", try(do_nothing, AT), 0);
	check("PREFETCHW of a missing page", try(prefetch_to_write, AT), 0);
	check("STOS of none, missing page", try(store_none, AT), 0);
	check("INS of none, missing page", try(ins_none, AT), 0);
}

/* An access over the end of a page of one size into one of another. */
static void check_sizes(void)
{
	u64 there = (u64)page[0] & 0x1fffff;
	volatile u32 *over = (volatile u32 *)(LARGE - 2);

	*entry_of(LARGE, 2) = ((u64)page[0] & ~0x1ffffful) | PTE_P | PTE_W | PTE_PS;
	invlpg((void *)LARGE);
	map(LARGE - PAGE, page[1], PTE_P | PTE_W);
	*over = 0x12345678;
	check("over the end of a 4K page into a 2M one", *over, 0x12345678);
	check("its first half", *(volatile u16 *)&page[1][PAGE - 2], 0x5678);
	check("its flags, 4K", flags_of(LARGE - PAGE, 1), PTE_A | PTE_D);
	check("its flags, 2M", flags_of(LARGE, 2), PTE_A | PTE_D);
	*entry_of(LARGE, 2) &= ~(PTE_A | PTE_D);
	invlpg((void *)LARGE);
	page[0][8] = 0x77;
	outs((void *)(LARGE + there + 8));
	check("2M page, OUTS: flags", flags_of(LARGE, 2), PTE_A);
	ins((void *)(LARGE + there + 8));
	check("2M page, INS: flags", flags_of(LARGE, 2), PTE_A | PTE_D);
	*entry_of(LARGE, 2) &= ~PTE_W;
	invlpg((void *)LARGE);
	check("2M page, read-only: INS", try(ins, LARGE + there), fault(P | W));
	*entry_of(LARGE, 2) = 0;
	invlpg((void *)LARGE);
	if (!(cpuid(0x80000001, 0).edx >> 26 & 1)) {
		skip("1G page, INS: flags", "not offered");
		return;
	}
	*entry_of(GIANT, 3) = PTE_P | PTE_W | PTE_PS;
	ins((void *)(GIANT + (u64)page[0]));
	check("1G page, INS: flags", flags_of(GIANT, 3), PTE_A | PTE_D);
	*entry_of(GIANT, 3) = 0;
	invlpg((void *)GIANT);
}

/* Entries that change: what must be seen without a flush, and after which one. */
static void check_changes(void)
{
	u64 cr4 = READ_CR(4);

	page[0][0] = 1;
	page[1][0] = 2;
	map(AT, page[0], 0);
	check("missing", try(read_at, AT), fault(0));
	*entry_of(AT, 1) = (u64)page[0] | PTE_P | PTE_W;
	check("there, without a flush", *(volatile u8 *)AT, 1);
	WRITE_CR(4, cr4 | CR4_PGE);
	map(AT, page[0], PTE_P | PTE_W | PTE_G);
	check("global", *(volatile u8 *)AT, 1);
	*entry_of(AT, 1) = (u64)page[1] | PTE_P | PTE_W | PTE_G;
	invlpg((void *)AT);
	check("global, after INVLPG", *(volatile u8 *)AT, 2);
	*entry_of(AT, 1) = (u64)page[0] | PTE_P | PTE_W | PTE_G;
	WRITE_CR(4, cr4 & ~CR4_PGE);
	check("global, after CR4.PGE", *(volatile u8 *)AT, 1);
	WRITE_CR(4, cr4 | CR4_PGE);
	check("global, CR4.PGE again", *(volatile u8 *)AT, 1);
	WRITE_CR(4, cr4);
	*entry_of(AT, 2) &= ~PTE_P;
	invlpg((void *)AT);
	check("table missing, after INVLPG", try(read_at, AT), fault(0));
	check("table missing: OUTS", try(outs, AT), fault(0));
	*entry_of(AT, 2) |= PTE_P;
	check("table there, without a flush", *(volatile u8 *)AT, 1);
}

/* A table where there is neither memory nor a device. Real buses read ones there, and so does
 * Plinth; QEMU's TCG reads zeros. */
static void check_hole(void)
{
	static const struct { const char *name; void (*make)(void *); u64 error; } rows[] = {
		{ "read", read_at, 0 }, { "write", write_at, W }, { "fetch", fetch_at, 16 },
		{ "OUTS", outs, 0 }, { "INS", ins, W },
	};
	u64 *table = entry_of(AT, 2), kept = *table;

	*table = 0xff00000000ul | PTE_P | PTE_W;
	WRITE_CR(3, READ_CR(3));
	for (unsigned i = 0; i < COUNT(rows); i++) {
		u64 got = try(rows[i].make, AT);

		check_in("table in a hole", rows[i].name, got & 0xff, got & 0xff);
		check_in("table in a hole, but for P and RSVD", rows[i].name,
			 got & ~(u64)(P | RSVD), fault(rows[i].error));
		check_in("table in a hole, CR2", rows[i].name, trap.cr2, AT);
	}
	*table = kept;
	WRITE_CR(3, READ_CR(3));
}

static void invlpg_at(void *at)
{
	invlpg(at);
}

static void invpcid(void *type)
{
	static const u64 descriptor[2];

	__asm__ volatile("invpcid %0, %1" :: "m"(descriptor), "r"((u64)type) : "memory");
}

static void check_instructions(void)
{
	check("INVLPG of an address that isn't canonical", try(invlpg_at, 1ul << 63), 0);
	check("INVLPG of a missing page", try(invlpg_at, AT + (1ul << 30)), 0);
	if (!(cpuid(7, 0).ebx >> 10 & 1))
		check_trap("INVPCID, not offered", invpcid, 0, UD, 0);
	else
		check_trap("INVPCID of type 4", invpcid, (void *)4, GP, 0);
}

void guest_main(u32 magic, u32 info)
{
	check_self();
	check_dirty();
	check_sizes();
	check_changes();
	check_hole();
	check_instructions();
}
