/* SPDX-License-Identifier: MIT */
/* What CPUID and a few MSRs say: what every x86-64 CPU has, and what Plinth hides or adds. */
#include "guests/lib/guest.h"

#include "include/hypercall.h"

#define GP		13
#define MSR_EFER	0xc0000080u
#define MSR_MISC_ENABLE	0x1a0u
#define INTEL_EBX	0x756e6547u	/* "Genu" */
#define EFER_SVME	0x1000u

struct msr_row {
	const char *name;
	u32 msr;
	bool compare;	/* the value is the same on every machine after this start-up code */
	u64 value;
};

static const struct msr_row rows[] = {
	{ "EFER", MSR_EFER, true, 0xd00 },
	{ "APIC_BASE", 0x1b, true, 0xfee00900 },
	{ "PAT", 0x277, true, 0x0007040600070406 },
	{ "TSC", 0x10, false, 0 },
	{ "SYSENTER_CS", 0x174, true, 0 },
	{ "SYSENTER_ESP", 0x175, true, 0 },
	{ "SYSENTER_EIP", 0x176, true, 0 },
	{ "MTRRCAP", 0xfe, false, 0 },
	{ "MTRR_DEF_TYPE", 0x2ff, false, 0 },
	{ "STAR", 0xc0000081, true, 0 },
	{ "LSTAR", 0xc0000082, true, 0 },
	{ "CSTAR", 0xc0000083, true, 0 },
	{ "SFMASK", 0xc0000084, true, 0 },
	{ "FS_BASE", 0xc0000100, true, 0 },
	{ "GS_BASE", 0xc0000101, true, 0 },
	{ "KERNEL_GS_BASE", 0xc0000102, true, 0 },
};

/* MSRs that keep what is written. */
static const struct msr_row kept[] = {
	{ "SYSENTER_CS kept", 0x174, true, 0x10 },
	{ "SYSENTER_ESP kept", 0x175, true, 0x123456789a },
	{ "SYSENTER_EIP kept", 0x176, true, 0xffffffff80001234 },
	{ "STAR kept", 0xc0000081, true, 0x0023001000000000 },
	{ "LSTAR kept", 0xc0000082, true, 0xffffffff81000000 },
	{ "CSTAR kept", 0xc0000083, true, 0xffffffff82000000 },
	{ "SFMASK kept", 0xc0000084, true, 0x47700 },
	{ "FS_BASE kept", 0xc0000100, true, 0x7fff12345678 },
	{ "GS_BASE kept", 0xc0000101, true, 0xffff888000000000 },
	{ "KERNEL_GS_BASE kept", 0xc0000102, true, 0x1000 },
	{ "PAT kept", 0x277, true, 0x0007010600070106 },
};

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
	check("hypervisor bit", one.ecx >> 31, 1);
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

static void check_msrs(void)
{
	for (unsigned i = 0; i < COUNT(rows); i++) {
		u32 msr = rows[i].msr;

		value = 0xdead;
		if (guest_try(read_msr, &msr))
			check_true(rows[i].name, false);
		else if (rows[i].compare)
			check(rows[i].name, value, rows[i].value);
		else
			check_true(rows[i].name, true);
	}
	for (unsigned i = 0; i < COUNT(kept); i++) {
		u64 before = rdmsr(kept[i].msr);

		wrmsr(kept[i].msr, kept[i].value);
		check(kept[i].name, rdmsr(kept[i].msr), kept[i].value);
		wrmsr(kept[i].msr, before);
	}
}

void guest_main(u32 magic, u32 info)
{
	check_features();
	check_policy();
	check_misc_enable();
	check_msrs();
}
