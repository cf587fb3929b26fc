/* SPDX-License-Identifier: MIT */
/*
 * The MSR policy (docs/vcpu.md, "MSRs"): every MSR of four ranges read, written back and written
 * with ones, against a table of this file, written from SDM vol. 4, "Model-Specific Registers", and
 * APM vol. 2, appendix A. What is no architectural MSR is asked for only under Plinth: the bare
 * emulator answers zero to every number.
 */
#include "guests/lib/guest.h"

#include "include/hypercall.h"

#define GP		13
#define AMD_EBX		0x68747541u	/* "Auth" */
#define APIC_BASE	0x1bu
#define X2APIC_ENABLE	0xc00u
#define MTRR_E		0x800u
#define NONE		(~0ul)		/* the first MSR of a range that did wrong: none did */

/* What may be done. */
#define R	1	/* read */
#define W	2	/* what was read may be written back */
#define ONES	4	/* and 2^64 - 1 may be written */
#define AMD	8	/* on AMD's CPUs only */
#define NOT_AMD	32	/* on all others */
#define RDTSCP	16	/* only with RDTSCP */

struct row {
	u32 first, last;
	unsigned may;
};

static const struct row rows[] = {
	{ 0x0, 0x1, R | W | ONES },		/* P5_MC_ADDR, P5_MC_TYPE */
	{ 0x10, 0x10, R | W },			/* TSC; the ones would stop this guest's clock */
	{ 0x1b, 0x1b, R | W },			/* APIC_BASE */
	{ 0x8b, 0x8b, R | W | ONES },		/* BIOS_SIGN_ID, PATCH_LEVEL */
	{ 0xfe, 0xfe, R },			/* MTRRCAP */
	{ 0x174, 0x176, R | W | ONES },		/* SYSENTER: all ones is a canonical address */
	{ 0x179, 0x179, R },			/* MCG_CAP */
	{ 0x17a, 0x17a, R | W },		/* MCG_STATUS */
	{ 0x1a0, 0x1a0, R | W | NOT_AMD },	/* MISC_ENABLE */
	{ 0x1d9, 0x1d9, R | W },		/* DEBUGCTL */
	{ 0x200, 0x20f, R | W },		/* MTRR_PHYSBASE0 to MTRR_PHYSMASK7 */
	{ 0x250, 0x250, R | W },		/* MTRR_FIX64K_00000 */
	{ 0x258, 0x259, R | W },		/* MTRR_FIX16K */
	{ 0x268, 0x26f, R | W },		/* MTRR_FIX4K */
	{ 0x277, 0x277, R | W },		/* PAT */
	{ 0x2ff, 0x2ff, R | W },		/* MTRR_DEF_TYPE */
	{ 0x6e0, 0x6e0, R | W | ONES },		/* TSC_DEADLINE */
	{ 0xc0000080, 0xc0000080, R | W },	/* EFER */
	{ 0xc0000081, 0xc0000084, R | W | ONES },	/* STAR, LSTAR, CSTAR, SFMASK */
	{ 0xc0000100, 0xc0000102, R | W | ONES },	/* FS_BASE, GS_BASE, KERNEL_GS_BASE */
	{ 0xc0000103, 0xc0000103, R | W | RDTSCP },	/* TSC_AUX */
	{ 0xc0010010, 0xc0010010, R | W | AMD },	/* SYSCFG */
	{ 0xc0010015, 0xc0010015, R | W | ONES | AMD },	/* HWCR */
	{ 0xc001001f, 0xc001001f, R | W | ONES | AMD },	/* NB_CFG */
	{ 0xc0010055, 0xc0010055, R | W | ONES | AMD },	/* INT_PENDING */
	{ 0xc0011029, 0xc0011029, R | W | ONES | AMD },	/* DE_CFG */
};

static const struct range {
	const char *name;
	u32 first, count;
} ranges[] = {
	{ "0 to 1FFFH", 0, 0x2000 },
	{ "4000_0000H to 4000_00FFH", 0x40000000, 0x100 },
	{ "C000_0000H to C000_1FFFH", 0xc0000000, 0x2000 },
	{ "C001_0000H to C001_1FFFH", 0xc0010000, 0x2000 },
	/* Outside of what SVM's permission map knows. */
	{ "2000H to 20FFH", 0x2000, 0x100 },
	{ "C000_2000H to C000_20FFH", 0xc0002000, 0x100 },
	{ "C001_2000H to C001_20FFH", 0xc0012000, 0x100 },
	{ "FFFF_FF00H to FFFF_FFFFH", 0xffffff00, 0x100 },
};

static unsigned has;

struct access {
	u32 msr;
	u64 value;
};

static void read_msr(void *arg)
{
	struct access *a = arg;

	a->value = rdmsr(a->msr);
}

static void write_msr(void *arg)
{
	struct access *a = arg;

	wrmsr(a->msr, a->value);
}

/* Whether it is done; anything but #GP(0) for a refusal is told. */
static bool does(void (*f)(void *), struct access *a)
{
	if (!guest_try(f, a))
		return true;
	if (trap.vector != GP || trap.error)
		print("# MSR 0x%x: vector %u\n", a->msr, (u32)trap.vector);
	return false;
}

static unsigned may(u32 msr)
{
	for (unsigned i = 0; i < COUNT(rows); i++)
		if (msr >= rows[i].first && msr <= rows[i].last)
			return (rows[i].may & (AMD | NOT_AMD | RDTSCP) & ~has) ? 0 : rows[i].may;
	return 0;
}

/* Does to one MSR all that there is, and compares. The old value is put back. */
static bool is_right(u32 msr)
{
	unsigned allowed = may(msr);
	struct access was = { msr, 0 }, back, ones = { msr, ~0ul };
	bool good = does(read_msr, &was) == !!(allowed & R);

	back = was;
	good &= does(write_msr, &back) == !!(allowed & W);
	if (msr == 0x10)
		return good;
	good &= does(write_msr, &ones) == !!(allowed & ONES);
	if (allowed & ONES)
		wrmsr(msr, was.value);
	return good;
}

static void check_ranges(void)
{
	for (unsigned i = 0; i < COUNT(ranges); i++) {
		u64 wrong = NONE;

		if (!under_plinth()) {
			skip(ranges[i].name, "not under Plinth");
			continue;
		}
		for (u32 j = 0; j < ranges[i].count; j++)
			if (!is_right(ranges[i].first + j) && wrong == NONE)
				wrong = ranges[i].first + j;
		check(ranges[i].name, wrong, NONE);
	}
}

/* ---- values ---- */

static const struct value_row {
	const char *name;
	u32 msr;
	u64 value, other;	/* after start-up; and one that it must keep */
} values[] = {
	{ "EFER", 0xc0000080, 0xd00, 0xd01 },
	{ "PAT", 0x277, 0x0007040600070406, 0x0007010600070106 },
	{ "SYSENTER_CS", 0x174, 0, 0x10 },
	{ "SYSENTER_ESP", 0x175, 0, 0x123456789a },
	{ "SYSENTER_EIP", 0x176, 0, 0xffffffff80001234 },
	{ "STAR", 0xc0000081, 0, 0x0023001000000000 },
	{ "LSTAR", 0xc0000082, 0, 0xffffffff81000000 },
	{ "CSTAR", 0xc0000083, 0, 0xffffffff82000000 },
	{ "SFMASK", 0xc0000084, 0, 0x47700 },
	{ "FS_BASE", 0xc0000100, 0, 0x00007fff12345678 },
	{ "GS_BASE", 0xc0000101, 0, 0xffff888000000000 },
	{ "KERNEL_GS_BASE", 0xc0000102, 0, 0x1000 },
	{ "TSC_AUX", 0xc0000103, 0, 0x12345678 },
};

static const u64 boundaries[] = {
	0x00007fffffffffff, 0xffff800000000000, ~0ul,
};

static void check_values(void)
{
	for (unsigned i = 0; i < COUNT(values); i++) {
		const struct value_row *row = &values[i];

		if ((may(row->msr) & R) == 0) {
			skip(row->name, "not on this CPU");
			continue;
		}
		check(row->name, rdmsr(row->msr), row->value);
		wrmsr(row->msr, row->other);
		check_in("kept:", row->name, rdmsr(row->msr), row->other);
		wrmsr(row->msr, row->value);
	}
	check("APIC_BASE", rdmsr(APIC_BASE), 0xfee00900);
	check("MCG_STATUS", rdmsr(0x17a), 0);
	check_true("MTRRCAP: variable, fixed, WC", (rdmsr(0xfe) & 0x500) == 0x500 &&
		   (rdmsr(0xfe) & 0xff) >= 8);
}

/* The addresses next to the hole are as good as any. */
static void check_boundaries(void)
{
	static const u32 addresses[] = {
		0x175, 0x176, 0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102,
	};
	unsigned kept = 0;

	for (unsigned i = 0; i < COUNT(addresses); i++)
		for (unsigned j = 0; j < COUNT(boundaries); j++) {
			u64 was = rdmsr(addresses[i]);

			wrmsr(addresses[i], boundaries[j]);
			kept += rdmsr(addresses[i]) == boundaries[j];
			wrmsr(addresses[i], was);
		}
	check("canonical boundaries kept", kept, COUNT(addresses) * COUNT(boundaries));
}

/* Memory types that no MTRR may hold don't stick in any of the eight fields of the fixed ones. */
static void check_mtrrs(void)
{
	u64 was;

	was = rdmsr(0x250);
	wrmsr(0x250, 0x0605040100060504);
	check("MTRR_FIX64K_00000 kept", rdmsr(0x250), 0x0605040100060504);
	wrmsr(0x250, was);
	was = rdmsr(0x26f);
	wrmsr(0x26f, 0x0000010000000006);
	check("MTRR_FIX4K_F8000 kept", rdmsr(0x26f), 0x0000010000000006);
	wrmsr(0x26f, was);
	wrmsr(0x20e, 0xc0000006);
	wrmsr(0x20f, 0xffc0000800);
	check("MTRR_PHYSBASE7 kept", rdmsr(0x20e), 0xc0000006);
	check("MTRR_PHYSMASK7 kept", rdmsr(0x20f), 0xffc0000800);
	wrmsr(0x20f, 0);
	wrmsr(0x20e, 0);
	was = rdmsr(0x2ff);
	wrmsr(0x2ff, MTRR_E | 0x400);
	check("MTRR_DEF_TYPE kept", rdmsr(0x2ff), MTRR_E | 0x400);
	wrmsr(0x2ff, was);
}

/* ---- reserved bits ---- */

/* The bits that can't be flipped in what the MSR holds. */
static u64 frozen(u32 msr, u64 leave_alone)
{
	u64 was = rdmsr(msr), mask = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		struct access a = { msr, was ^ 1ul << bit };

		if (leave_alone >> bit & 1)
			continue;
		if (!does(write_msr, &a))
			mask |= 1ul << bit;
		else
			wrmsr(msr, was);
	}
	return mask;
}

static void check_frozen(const char *name, u32 msr, u64 leave_alone, u64 expected)
{
	check_in("reserved bits:", name, frozen(msr, leave_alone), expected);
}

static u64 above_maxphyaddr(void)
{
	return ~((1ul << (cpuid(0x80000008, 0).eax & 0xff)) - 1);
}

static void check_reserved(void)
{
	u64 above = above_maxphyaddr();

	if (!under_plinth()) {
		skip("reserved bits", "the bare emulator checks few");
		return;
	}
	/* SCE and NXE may be flipped; LME not with paging on; a write of LMA is ignored. */
	check_frozen("EFER", 0xc0000080, 1 << 10, ~0xc01ul);
	/* 2 and 3 are no types: 6 may become 7 and 4; 4: 5, 6, 0; 7: 6, 5; 0: 1, 4. */
	check_frozen("PAT", 0x277, 0, ~0x0503070305030703ul);
	check_frozen("APIC_BASE", APIC_BASE, 0xf00 | ~0xffful, 0xff);
	check_frozen("APIC_BASE, above MAXPHYADDR", APIC_BASE, ~above, above);
	/* 6 may become 4, but neither 7 nor 2. */
	check_frozen("MTRR_DEF_TYPE", 0x2ff, 0, ~0xc02ul);
	check_frozen("MTRR_PHYSBASE0", 0x200, 0xff, above | 0xf00);
	check_frozen("MTRR_PHYSMASK0", 0x201, 0, above | 0x7ff);
	check_frozen("MTRR_FIX64K_00000", 0x250, 0x0707070707070707, ~0x0707070707070707ul);
	check_frozen("DEBUGCTL", 0x1d9, 0, ~0ul);
	check_frozen("MCG_STATUS", 0x17a, 0, ~7ul);
	check_frozen("SYSENTER_CS", 0x174, 0, 0);
	check_frozen("STAR", 0xc0000081, 0, 0);
	if (has & RDTSCP)
		check_frozen("TSC_AUX", 0xc0000103, 0, ~0xfffffffful);
	else
		skip("reserved bits: TSC_AUX", "not on this CPU");
}

/* ---- x2APIC ---- */

/* SDM vol. 3A, "Local APIC Register Address Map Supported by x2APIC". Written are the values read,
 * so that nothing changes; EOI and ICR alone are left out. */
static bool x2apic_reads(u32 at)
{
	return at == 0x02 || at == 0x03 || at == 0x08 || at == 0x0a || at == 0x0d || at == 0x0f ||
	       (at >= 0x10 && at <= 0x28) || (at >= 0x30 && at <= 0x30) ||
	       (at >= 0x32 && at <= 0x39) || at == 0x3e;
}

static bool x2apic_writes(u32 at)
{
	return at == 0x08 || at == 0x0f || at == 0x28 || (at >= 0x32 && at <= 0x38) || at == 0x3e;
}

static void check_x2apic_registers(void)
{
	u64 read_wrong = NONE, write_wrong = NONE;
	static const struct { const char *name; u32 msr; u64 value; } refused[] = {
		{ "TPR, bit 8", 0x808, 0x100 },
		{ "EOI, not 0", 0x80b, 1 },
		{ "ESR, not 0", 0x828, 1 },
		{ "SVR, bit 32", 0x80f, 0x1000001ff },
		{ "ICR, bit 20", 0x830, 0x100000 },
		{ "SELF IPI, bit 8", 0x83f, 0x140 },
		{ "LVT timer, bit 19", 0x832, 0x90000 },
		{ "initial count, bit 32", 0x838, 1ul << 32 },
		{ "divide, bit 2", 0x83e, 4 },
	};

	for (u32 at = 0; at < 0x100; at++) {
		struct access a = { 0x800 + at, 0 };

		if (does(read_msr, &a) != x2apic_reads(at) && read_wrong == NONE)
			read_wrong = a.msr;
		if (at == 0x0b || at == 0x30 || at == 0x3f)
			continue;
		if (at == 0x28)
			a.value = 0;
		if (does(write_msr, &a) != x2apic_writes(at) && write_wrong == NONE)
			write_wrong = a.msr;
	}
	check("x2APIC: reads", read_wrong, NONE);
	check("x2APIC: writes", write_wrong, NONE);
	for (unsigned i = 0; i < COUNT(refused); i++) {
		struct access a = { refused[i].msr, refused[i].value };

		check_in("x2APIC: refused:", refused[i].name, does(write_msr, &a), false);
	}
	check("x2APIC: ID", rdmsr(0x802), 0);
	check("x2APIC: logical ID", rdmsr(0x80d), 1);
	wrmsr(0x808, 0x50);
	check("x2APIC: TPR is CR8", READ_CR(8), 5);
	wrmsr(0x808, 0);
}

static void check_x2apic(void)
{
	u64 was = rdmsr(APIC_BASE);
	struct access x2_only = { APIC_BASE, (was & ~0x800ul) | 0x400 };
	struct access back = { APIC_BASE, was };

	if (!(cpuid(1, 0).ecx >> 21 & 1)) {
		skip("x2APIC", "not on this CPU");
		return;
	}
	check("x2APIC: without enable", does(write_msr, &x2_only), false);
	wrmsr(APIC_BASE, was | X2APIC_ENABLE);
	check_x2apic_registers();
	check("x2APIC: back to xAPIC at once", does(write_msr, &back), false);
	check("x2APIC: APIC_BASE", rdmsr(APIC_BASE), 0xfee00d00);
	wrmsr(APIC_BASE, was & ~0xc00ul);
	check("APIC off: CPUID says so", cpuid(1, 0).edx >> 9 & 1, 0);
	back.value = was | X2APIC_ENABLE;
	check("APIC off: x2APIC at once", does(write_msr, &back), false);
	wrmsr(APIC_BASE, was);
	check("APIC on again", cpuid(1, 0).edx >> 9 & 1, 1);
}

void guest_main(u32 magic, u32 info)
{
	has = (cpuid(0, 0).ebx == AMD_EBX ? AMD : NOT_AMD) |
	      (cpuid(0x80000001, 0).edx >> 27 & 1 ? RDTSCP : 0);
	check_values();
	check_boundaries();
	check_mtrrs();
	check_reserved();
	check_ranges();
	check_x2apic();
}
