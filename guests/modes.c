/* SPDX-License-Identifier: MIT */
/*
 * Paging modes changed at run time: none, 32-bit, PSE, PAE, 4-level and (where it exists) 5-level
 * paging, in turn. In each the address X leads to another page; it is read and written by the CPU,
 * and by what a hypervisor carries out with a walk of its own.
 */
#include "guests/lib/modes.h"

#define X		0xc0000000u
#define NR_PAGES	6
#define TPR_VALUE	3
#define MAGIC		0x5a5a0000u

static u32 directory32[1024] __attribute__((aligned(4096)));
static u32 table32[1024] __attribute__((aligned(4096)));
static u32 directory_pse[1024] __attribute__((aligned(4096)));
static u64 pdpt_pae[512] __attribute__((aligned(4096)));
static u64 directory_pae[4][512] __attribute__((aligned(4096)));
static u64 pdpt_long[512] __attribute__((aligned(4096)));
static u64 pml4[512] __attribute__((aligned(4096)));
static u64 pml5[512] __attribute__((aligned(4096)));
static u64 table_pae[512] __attribute__((aligned(4096)));
static u64 table_long[512] __attribute__((aligned(4096)));
static u64 table_long5[512] __attribute__((aligned(4096)));
static u32 page[NR_PAGES][1024] __attribute__((aligned(4096)));

/* What the code below is to use, and what it finds. */
u32 probe_at, probe_first, probe_leaf;
extern const char probe32[];

/* Reads the word at probe_at, writes the next; then CPUID, OUTS and MOVS from the local APIC, which
 * a hypervisor carries out. */
__asm__(".pushsection .text\n\t"
	".code32\n"
	"probe32: push %ebx\n\t"
	"mov probe_at, %esi\n\t"
	"mov (%esi), %eax\n\t"
	"mov %eax, probe_first\n\t"
	"movl $0x5a5a0000, 4(%esi)\n\t"
	"xor %eax, %eax\n\t"
	"cpuid\n\t"
	"mov %eax, probe_leaf\n\t"
	"mov $0x80, %edx\n\t"
	"cld\n\t"
	"outsb\n\t"
	"mov probe_at, %edi\n\t"
	"add $8, %edi\n\t"
	"mov $0xfee00080, %esi\n\t"
	"movsl\n\t"
	"pop %ebx\n\t"
	"ret\n\t"
	".code64\n\t"
	".popsection");

static void build_tables(void)
{
	u32 here = (u32)(word)page;

	for (u32 i = 0; i < 1024; i++) {
		directory32[i] = i << 22 | PTE_P | PTE_W | PTE_PS;
		directory_pse[i] = directory32[i];
		table32[i] = 0;
	}
	directory32[X >> 22] = (u32)(word)table32 | PTE_P | PTE_W;
	table32[0] = (u32)(word)page[1] | PTE_P | PTE_W;
	directory_pse[X >> 22] = (here & ~0x3fffffu) | PTE_P | PTE_W | PTE_PS;
	for (u32 i = 0; i < 2048; i++)
		directory_pae[i / 512][i % 512] = (u64)i << 21 | PTE_P | PTE_W | PTE_PS;
	for (u32 i = 0; i < 4; i++) {
		pdpt_pae[i] = (word)directory_pae[i] | PTE_P;
		pdpt_long[i] = (word)directory_pae[i] | PTE_P | PTE_W;
	}
	table_pae[0] = (word)page[3] | PTE_P | PTE_W;
	table_long[0] = (word)page[4] | PTE_P | PTE_W;
	table_long5[0] = (word)page[5] | PTE_P | PTE_W;
	pml4[0] = (word)pdpt_long | PTE_P | PTE_W;
	pml5[0] = (word)pml4 | PTE_P | PTE_W;
}

/* Words 0 to 2 of the page that the mode shows at probe_at. */
static void check_mode(const char *name, const struct paging_mode *m, u32 at, u32 *shown)
{
	shown[0] = MAGIC + (u32)(shown - page[0]) / 1024;
	shown[1] = shown[2] = probe_first = probe_leaf = 0;
	probe_at = at;
	run_in_mode(m);
	check_in(name, "read", probe_first, shown[0]);
	check_in(name, "written", shown[1], MAGIC);
	check_in(name, "written by MOVS from a device", shown[2], TPR_VALUE);
	check_in(name, "CPUID, largest leaf as before", probe_leaf == cpuid(0, 0).eax, 1);
}

static void all_modes(u32 cr0, u32 cr4, bool la57, unsigned round)
{
	static const char *const names[][NR_PAGES] = {
		{ "no paging", "32-bit", "PSE", "PAE", "4-level", "5-level" },
		{ "no paging again", "32-bit again", "PSE again", "PAE again", "4-level again",
		  "5-level again" },
	};
	u32 code = (u32)(word)probe32, base = cr4 & ~CR4_PAE;
	struct paging_mode m = { cr0 & ~CR0_PG, 0, base, 0, code, false };

	check_mode(names[round][0], &m, (u32)(word)page[0], page[0]);
	m = (struct paging_mode){ cr0, (u32)(word)directory32, base | CR4_PSE, 0, code, false };
	check_mode(names[round][1], &m, X, page[1]);
	m.cr3 = (u32)(word)directory_pse;
	check_mode(names[round][2], &m, X + (u32)(word)page[2] % 0x400000, page[2]);
	m = (struct paging_mode){ cr0, (u32)(word)pdpt_pae, base | CR4_PAE, EFER_NXE, code, false };
	directory_pae[3][0] = (word)table_pae | PTE_P | PTE_W;
	check_mode(names[round][3], &m, X, page[3]);
	m = (struct paging_mode){ cr0, (u32)(word)pml4, cr4, EFER_LME | EFER_NXE, code, false };
	directory_pae[3][0] = (word)table_long | PTE_P | PTE_W;
	check_mode(names[round][4], &m, X, page[4]);
	if (la57) {
		m.cr3 = (u32)(word)pml5;
		m.cr4 |= CR4_LA57;
		directory_pae[3][0] = (word)table_long5 | PTE_P | PTE_W;
		check_mode(names[round][5], &m, X, page[5]);
	} else {
		skip(names[round][5], "not offered");
	}
}

static void check_flags(void)
{
	check("32-bit: A and D", table32[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	check("PSE: A and D", directory_pse[X >> 22] & (PTE_A | PTE_D), PTE_A | PTE_D);
	check("PAE: A and D", table_pae[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	check("4-level: A and D", table_long[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
}

void guest_main(u32 magic, u32 info)
{
	bool la57 = cpuid(7, 0).ecx >> 16 & 1;
	u32 cr0 = (u32)READ_CR(0), cr4 = (u32)READ_CR(4);

	build_tables();
	lapic_write(LAPIC_TPR, TPR_VALUE);
	for (unsigned round = 0; round < 2; round++)
		all_modes(cr0, cr4, la57, round);
	check_flags();
}
