/* SPDX-License-Identifier: MIT */
/*
 * What CPUID says: what every x86-64 CPU has, what Plinth hides or adds, whether leaves agree with
 * each other and with CR4, XCR0 and APIC_BASE, and what unknown leaves are (SDM vol. 2A, "CPUID"; APM
 * vol. 3, appendix E).
 */
#include "guests/lib/guest.h"

#include "include/hypercall.h"

#define GP		13
#define MSR_EFER	0xc0000080u
#define MSR_MISC_ENABLE	0x1a0u
#define INTEL_EBX	0x756e6547u	/* "Genu" */
#define EFER_SVME	0x1000u

static u64 value;

static void read_msr(void *arg)
{
	value = rdmsr(*(const u32 *)arg);
}

static void write_svme(void *arg)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
}

static void check_features(void)
{
	struct cpuid one = cpuid(1, 0), extended = cpuid(0x80000001, 0);

	check_true("leaves 0 to 1", cpuid(0, 0).eax >= 1);
	check_true("leaves to 8000_0008H", cpuid(0x80000000, 0).eax >= 0x80000008);
	check("FPU TSC MSR PAE CX8 APIC", one.edx & 0x370, 0x370);
	check("MTRR PGE CMOV PAT", one.edx & 0x1b000 & ~0x4000u, 0x1b000);
	check("FXSR SSE SSE2", one.edx & 0x7000000, 0x7000000);
	check("long mode, NX, SYSCALL", extended.edx & 0x20100800, 0x20100800);
	check_true("physical address bits", (cpuid(0x80000008, 0).eax & 0xff) >= 36);
	check("APIC ID", one.ebx >> 24, 0);
	check("OSXSAVE is clear", one.ecx >> 27 & 1, 0);
	if (one.ecx >> 26 & 1) {
		WRITE_CR(4, READ_CR(4) | 1 << 18);
		check("OSXSAVE follows CR4", cpuid(1, 0).ecx >> 27 & 1, 1);
		WRITE_CR(4, READ_CR(4) & ~(1ul << 18));
	} else {
		skip("OSXSAVE follows CR4", "no XSAVE");
	}
	if (like_qemu())
		check("hypervisor bit", one.ecx >> 31, 1);
	else
		skip("hypervisor bit", "a machine may be a bare one");
}

static void check_policy(void)
{
	u32 unknown = 0x12345678;

	if (!under_plinth()) {
		skip("no SVM", "not under Plinth");
		skip("no VMX", "not under Plinth");
		skip("leaf 4000_0000H", "not under Plinth");
		skip("EFER.SVME", "not under Plinth");
		skip("unknown MSR", "not under Plinth");
		return;
	}
	check("no SVM", cpuid(0x80000001, 0).ecx >> 2 & 1, 0);
	check("no VMX", cpuid(1, 0).ecx >> 5 & 1, 0);
	check_true("leaf 4000_0000H", cpuid(PLINTH_CPUID_LEAF, 0).eax >= PLINTH_CPUID_LEAF);
	check_trap("EFER.SVME", write_svme, NULL, GP, 0);
	check_trap("unknown MSR", read_msr, &unknown, GP, 0);
}

/* Intel's own: an AMD CPU doesn't know it, but the bare emulator answers it on every CPU. */
static void check_misc_enable(void)
{
	u32 msr = MSR_MISC_ENABLE;

	if (cpuid(0, 0).ebx == INTEL_EBX)
		check_true("MISC_ENABLE", !guest_try(read_msr, &msr));
	else if (under_plinth())
		check_trap("MISC_ENABLE", read_msr, &msr, GP, 0);
	else
		skip("MISC_ENABLE", "this vendor has none");
}

/* ---- every leaf ---- */

static u32 asked, asked_subleaf;

static void ask(void *arg)
{
	cpuid(asked, asked_subleaf);
}

/* No leaf faults, whatever the subleaf; in the ranges that exist and around. */
static void check_no_faults(void)
{
	static const u32 starts[] = { 0, 0x40000000, 0x80000000, 0x8fffff00, 0xc0000000, 0xffffff00 };
	unsigned faults = 0;

	for (unsigned i = 0; i < COUNT(starts); i++)
		for (unsigned j = 0; j < 0x100; j++) {
			asked = starts[i] + j;
			asked_subleaf = 0;
			faults += guest_try(ask, NULL);
			asked_subleaf = ~0u;
			faults += guest_try(ask, NULL);
		}
	check("leaves that fault", faults, 0);
}

static bool is_zero(struct cpuid c)
{
	return !(c.eax | c.ebx | c.ecx | c.edx);
}

/* Leaves that aren't: zero on AMD, the answer of the highest basic leaf on Intel; Plinth says zero
 * whatever the vendor. The value is the first leaf that isn't, or all ones. */
static u64 first_not_zero(u32 from, u32 to)
{
	for (u32 leaf = from; leaf < to; leaf++)
		if (!is_zero(cpuid(leaf, 0)) || !is_zero(cpuid(leaf, 1)))
			return leaf;
	return ~0ul;
}

static void check_unknown(void)
{
	u32 max = cpuid(0, 0).eax, max_ext = cpuid(0x80000000, 0).eax;

	if (!under_plinth()) {
		skip("unknown leaves", "not under Plinth");
		return;
	}
	check("highest basic leaf", max, 0xd);
	check("highest extended leaf", max_ext, 0x80000008);
	check("above the basic leaves", first_not_zero(max + 1, max + 0x200), ~0ul);
	check("above the hypervisor's", first_not_zero(0x40000001, 0x40000200), ~0ul);
	check("above the extended leaves", first_not_zero(max_ext + 1, max_ext + 0x200), ~0ul);
	check("C000_0000H", first_not_zero(0xc0000000, 0xc0000100), ~0ul);
	check("the last ones", first_not_zero(0xffffff00, 0xffffffff), ~0ul);
	/* MONITOR, performance counters, thermal and power, caches as Intel tells them. */
	check("leaves 2 to 6", first_not_zero(2, 7), ~0ul);
	check("leaves 8 to AH", first_not_zero(8, 0xb), ~0ul);
	check("leaf CH", first_not_zero(0xc, 0xd), ~0ul);
	check_true("leaf 4000_0000H: the highest is itself", cpuid(0x40000000, 0).eax == 0x40000000);
}

/* ---- what must not be offered ---- */

static const struct {
	const char *name;
	u32 leaf;
	u8 reg, bit;
} hidden[] = {
	{ "MONITOR", 1, 2, 3 }, { "VMX", 1, 2, 5 }, { "SMX", 1, 2, 6 }, { "EST", 1, 2, 7 },
	{ "TM2", 1, 2, 8 }, { "PDCM", 1, 2, 15 }, { "PCID", 1, 2, 17 }, { "DCA", 1, 2, 18 },
	{ "DS", 1, 3, 21 }, { "ACPI", 1, 3, 22 }, { "HTT", 1, 3, 28 }, { "TM", 1, 3, 29 },
	{ "TSC_ADJUST", 7, 1, 1 }, { "SGX", 7, 1, 2 }, { "HLE", 7, 1, 4 }, { "INVPCID", 7, 1, 10 },
	{ "RTM", 7, 1, 11 }, { "MPX", 7, 1, 14 }, { "AVX512F", 7, 1, 16 }, { "Intel PT", 7, 1, 25 },
	{ "WAITPKG", 7, 2, 5 }, { "CET_SS", 7, 2, 7 }, { "PKS", 7, 2, 31 }, { "IBRS", 7, 3, 26 },
	{ "ARCH_CAPABILITIES", 7, 3, 29 }, { "SVM", 0x80000001, 2, 2 }, { "OSVW", 0x80000001, 2, 9 },
	{ "IBS", 0x80000001, 2, 10 }, { "SKINIT", 0x80000001, 2, 12 }, { "WDT", 0x80000001, 2, 13 },
	{ "LWP", 0x80000001, 2, 15 }, { "PERFCTR_CORE", 0x80000001, 2, 23 },
	{ "MWAITX", 0x80000001, 2, 29 },
};

static void check_hidden(void)
{
	if (!under_plinth()) {
		skip("hidden features", "not under Plinth");
		return;
	}
	for (unsigned i = 0; i < COUNT(hidden); i++) {
		struct cpuid c = cpuid(hidden[i].leaf, 0);
		u32 words[4];

		memcpy(words, &c, sizeof(words));
		check_in("hidden:", hidden[i].name, words[hidden[i].reg] >> hidden[i].bit & 1, 0);
	}
}

/* ---- leaves agree ---- */

static void check_agreement(void)
{
	struct cpuid zero = cpuid(0, 0), ext = cpuid(0x80000000, 0);
	struct cpuid one = cpuid(1, 0), ext1 = cpuid(0x80000001, 0);
	bool amd = zero.ebx == 0x68747541;

	tell("vendor", zero.ebx);
	if (amd)
		check("vendor: the same in both ranges", (zero.ebx ^ ext.ebx) | (zero.ecx ^ ext.ecx) |
		      (zero.edx ^ ext.edx), 0);
	tell("family, model, stepping", one.eax);
	check("CLFLUSH size", one.ebx >> 8 & 0xff, 8);
	tell("brand", cpuid(0x80000002, 0).eax);
	if (amd)
		check("8000_0001H EDX repeats leaf 1", (ext1.edx ^ one.edx) & 0x0183f3ff, 0);
	check("logical CPUs", one.edx >> 28 & 1 ? one.ebx >> 16 & 0xff : 1, 1);
	check("APIC ID is the local APIC's", (one.ebx >> 24) ^ (lapic_read(LAPIC_ID) >> 24), 0);
	check("linear address bits", cpuid(0x80000008, 0).eax >> 8 & 0xff,
	      cpuid(7, 0).ecx >> 16 & 1 ? 57 : 48);
	check("cores", cpuid(0x80000008, 0).ecx & 0xff, 0);
	if (zero.eax >= 0xb && under_plinth()) {
		check("leaf BH: APIC ID", cpuid(0xb, 0).edx, one.ebx >> 24);
		check("leaf BH: levels", (u64)(cpuid(0xb, 0).ecx >> 8 & 0xff) << 8 |
		      (cpuid(0xb, 1).ecx >> 8 & 0xff), 0x102);
		check("leaf BH: behind the last level", cpuid(0xb, 2).ecx >> 8 & 0xff, 0);
		check("leaf BH: the subleaf comes back", cpuid(0xb, 5).ecx & 0xff, 5);
	} else {
		skip("leaf BH", "not under Plinth");
	}
	check("leaf 7: subleaf 1 and above", cpuid(7, 0).eax == 0 && under_plinth() ?
	      !is_zero(cpuid(7, 1)) || !is_zero(cpuid(7, 2)) : 0, 0);
}

/* ---- XSAVE ---- */

static void check_xsave(void)
{
	u32 all, size = 576;

	if (!(cpuid(1, 0).ecx >> 26 & 1)) {
		skip("XSAVE", "not on this CPU");
		return;
	}
	if (under_plinth())
		check("leaf DH: components", cpuid(0xd, 0).eax & ~0x207u, 0);
	else
		skip("leaf DH: components", "not under Plinth");
	all = cpuid(0xd, 0).eax;
	for (unsigned i = 2; i < 32; i++) {
		struct cpuid c = cpuid(0xd, i);

		if (all >> i & 1)
			size = c.ebx + c.eax > size ? c.ebx + c.eax : size;
	}
	check("leaf DH: the largest area", cpuid(0xd, 0).ecx, size);
	check("leaf DH: components that aren't", !is_zero(cpuid(0xd, 31)) ||
	      !is_zero(cpuid(0xd, 63)) || !is_zero(cpuid(0xd, 64)), 0);
	WRITE_CR(4, READ_CR(4) | 1 << 18);
	__asm__ volatile("xsetbv" :: "c"(0), "a"(1), "d"(0));
	check("leaf DH: x87 alone", cpuid(0xd, 0).ebx, 576);
	__asm__ volatile("xsetbv" :: "c"(0), "a"(all), "d"(0));
	check("leaf DH: all of them", cpuid(0xd, 0).ebx, size);
	if (all >> 2 & 1)
		check("leaf DH: AVX", (u64)cpuid(0xd, 2).ebx << 32 | cpuid(0xd, 2).eax,
		      576ul << 32 | 256);
	else
		skip("leaf DH: AVX", "not on this CPU");
	__asm__ volatile("xsetbv" :: "c"(0), "a"(1), "d"(0));
	WRITE_CR(4, READ_CR(4) & ~(1ul << 18));
}

/* ---- bits that follow CR4 ---- */

static void check_ospke(void)
{
	if (!(cpuid(7, 0).ecx >> 3 & 1)) {
		skip("OSPKE", "no protection keys");
		return;
	}
	check("OSPKE is clear", cpuid(7, 0).ecx >> 4 & 1, 0);
	WRITE_CR(4, READ_CR(4) | 1ul << 22);
	check("OSPKE follows CR4", cpuid(7, 0).ecx >> 4 & 1, 1);
	WRITE_CR(4, READ_CR(4) & ~(1ul << 22));
}

/* ---- the instruction itself ---- */

/* The upper halves of the operands don't count, those of the results are zero; flags and the other
 * registers stay. */
static void check_registers(void)
{
	u64 a = 0xdeadbeef00000001, c = 0xdeadbeef00000000, b = ~0ul, d = ~0ul, flags, more;

	__asm__ volatile("mov $0x123456789abcdef0, %%r8; stc; std; cpuid; pushf; pop %4; cld;"
			 "mov %%r8, %5"
			 : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "=r"(flags), "=r"(more)
			 :: "r8", "cc");
	check("RAX is that of EAX 1", a, cpuid(1, 0).eax);
	check("upper halves", (b | c | d) >> 32, 0);
	check("CF and DF", flags & 0x401, 0x401);
	check("R8", more, 0x123456789abcdef0);
}

static const u8 user_cpuid[] = { 0x0f, 0xa2, 0xf4 };

static void run_user(void *arg)
{
	guest_user(user_code(user_cpuid, sizeof(user_cpuid)), USER_STACK, 2, 0);
}

static void check_user(void)
{
	check_trap("CPL 3: CPUID, then HLT", run_user, NULL, GP, 0);
	check("CPL 3: RIP is behind", trap.rip - WINDOW - 0x10000, 2);
}

void guest_main(u32 magic, u32 info)
{
	check_features();
	check_policy();
	check_misc_enable();
	check_no_faults();
	check_unknown();
	check_hidden();
	check_agreement();
	check_xsave();
	check_ospke();
	check_registers();
	check_user();
}
