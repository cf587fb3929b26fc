/* SPDX-License-Identifier: MIT */
/*
 * 5-level paging: faults and flags at each level, and canonical addresses of 57 bits, by the CPU
 * and by what a hypervisor carries out with a walk of its own (SDM vol. 3A, "4-Level Paging and
 * 5-Level Paging").
 */
#include "guests/lib/access.h"
#include "guests/lib/modes.h"

#define GP	13
#define P	1
#define W	2
#define RSVD	8
#define AT	(5ul << 48)	/* the fifth entry of the PML5, all of it ours */

extern u64 boot_pml4[];

/* tables[n] is of level n, tables[5] the PML5. */
static u64 tables[6][512] __attribute__((aligned(4096)));
static u8 page[PAGE] __attribute__((aligned(4096)));

static void outs(void *at)
{
	__asm__ volatile("outsb" : "+S"(at) : "d"(0x80) : "memory");
}

static void ins(void *at)
{
	__asm__ volatile("insb" : "+D"(at) : "d"(0x80) : "memory");
}

static const struct { const char *name; void (*make)(void *); bool writes; } rows[] = {
	{ "read", read_at, false }, { "write", write_at, true },
	{ "OUTS", outs, false }, { "INS", ins, true },
};

static u64 *entry(unsigned level)
{
	return &tables[level][level == 5 ? AT >> 48 & 511 : 0];
}

static void restore(void)
{
	*entry(1) = (word)page | PTE_P | PTE_W;
	for (unsigned level = 2; level <= 5; level++)
		*entry(level) = (word)tables[level - 1] | PTE_P | PTE_W;
	WRITE_CR(3, READ_CR(3));
}

/* One entry changed; all four accesses. Of a reserved bit QEMU's TCG doesn't report P. */
static void check_level(unsigned level, const char *what, u64 set, u64 clear, u64 of_read,
			u64 of_write)
{
	static const char *const levels[] = { "", "PTE", "PDE", "PDPTE", "PML4E", "PML5E" };

	for (unsigned i = 0; i < COUNT(rows); i++) {
		u64 expected = rows[i].writes ? of_write : of_read, got;
		char name[64], *to = name;

		restore();
		*entry(level) = (*entry(level) & ~clear) | set;
		invlpg((void *)AT);
		got = try(rows[i].make, AT);
		if (expected & RSVD)
			got &= ~(u64)P;
		for (const char *from = levels[level]; *from; )
			*to++ = *from++;
		*to++ = ' ';
		for (const char *from = what; *from; )
			*to++ = *from++;
		*to = 0;
		check_in(name, rows[i].name, got, expected);
	}
}

static void check_levels(void)
{
	for (unsigned level = 5; level; level--) {
		check_level(level, "missing", 0, PTE_P, fault(0), fault(W));
		check_level(level, "read-only", 0, PTE_W, 0, fault(P | W));
		check_level(level, "reserved bit", 1ul << 51, 0, fault(RSVD), fault(RSVD | W));
	}
	check_level(5, "PS", PTE_PS, 0, fault(RSVD), fault(RSVD | W));
	check_level(4, "PS", PTE_PS, 0, fault(RSVD), fault(RSVD | W));
}

static void check_flags(void)
{
	for (unsigned i = 0; i < COUNT(rows); i++) {
		u64 flags = 0;

		restore();
		rows[i].make((void *)AT);
		for (unsigned level = 5; level; level--)
			flags = flags << 8 | (*entry(level) & (PTE_A | PTE_D));
		check_in(rows[i].name, "A and D of all levels", flags,
			 0x2020202020ul | (rows[i].writes ? PTE_D : 0));
	}
}

static void check_canonical(void)
{
	check("bit 47 alone is canonical", try(read_at, 1ul << 47), fault(0));
	check("bit 55 alone is canonical", try(read_at, 1ul << 55), fault(0));
	check("bit 56 alone isn't", try(read_at, 1ul << 56), (u64)GP << 32);
	check("bits 56 to 63 are", try(read_at, ~0ul << 56), fault(0));
	check("bits 57 to 63 aren't", try(read_at, ~0ul << 57), (u64)GP << 32);
	check("OUTS: bit 55 alone", try(outs, 1ul << 55), fault(0));
	check("OUTS: bit 56 alone", try(outs, 1ul << 56), (u64)GP << 32);
	check("INS: bits 56 to 63", try(ins, ~0ul << 56), fault(W));
	check("INS: bits 57 to 63", try(ins, ~0ul << 57), (u64)GP << 32);
}

static void with_5_levels(void)
{
	check("CR4.LA57", READ_CR(4) & CR4_LA57, CR4_LA57);
	page[0] = RET;
	restore();
	check("read", *(volatile u8 *)AT, RET);
	check("fetch", try(fetch_at, AT), 0);
	check("CPUID", cpuid(7, 0).ecx >> 16 & 1, 1);
	check_levels();
	check_flags();
	check_canonical();
}

void guest_main(u32 magic, u32 info)
{
	struct paging_mode m = {
		(u32)READ_CR(0), (u32)(word)tables[5], (u32)READ_CR(4) | CR4_LA57,
		EFER_LME | EFER_NXE, (u32)(word)with_5_levels, true
	};

	check("4 levels: bit 47 alone isn't canonical", try(read_at, 1ul << 47), (u64)GP << 32);
	if (!(cpuid(7, 0).ecx >> 16 & 1)) {
		skip("5-level paging", "not offered");
		return;
	}
	tables[5][0] = (word)boot_pml4 | PTE_P | PTE_W;
	run_in_mode(&m);
	check("4 levels again", READ_CR(4) & CR4_LA57, 0);
	check("bit 47 alone isn't canonical again", try(read_at, 1ul << 47), (u64)GP << 32);
}
