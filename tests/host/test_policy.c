/* SPDX-License-Identifier: MIT */
/*
 * What a guest learns from CPUID and MSRs: default deny, whatever the host has. The lists below are
 * written from SDM vol. 2A "CPUID", APM vol. 3 appendix E and SDM vol. 4 by bit number, not from
 * the policy's own tables.
 */
#include "vcpu/cpuid.h"
#include "vcpu/msr.h"

#include "tests/host/fake_vcpu.c"

#define B(n)	(1u << (n))

/* --- A host whose every answer is known --- */

static struct host {
	u32 max_basic, max_ext;
	struct cpuid_leaf vendor;	/* EBX, ECX, EDX */
	u32 fill;			/* what every other register reads as */
	u32 avx_at, pkru_at, pkru_flags;
} host;

static struct cpuid_leaf host_xsave(u32 subleaf)
{
	switch (subleaf) {
	case 0: return (struct cpuid_leaf){ 0x2e7 & host.fill, 0xa88, 0xa88, 0 };
	case 1: return (struct cpuid_leaf){ host.fill, 0x988, 0x1800, 0 };
	case 2: return (struct cpuid_leaf){ 256, host.avx_at, 0, 0 };
	case 9: return (struct cpuid_leaf){ 8, host.pkru_at, host.pkru_flags, 0 };
	default: return (struct cpuid_leaf){ 64, 1088, 0, 0 };	/* AVX-512 and others */
	}
}

static struct cpuid_leaf host_cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_leaf l = { host.fill, host.fill, host.fill, host.fill };

	if (leaf == 0) {
		l = host.vendor;
		l.eax = host.max_basic;
	} else if (leaf == 0x80000000) {
		l = host.vendor;
		l.eax = host.max_ext;
	} else if (leaf == 0x80000008) {
		l.eax = (l.eax & 0xffff0000) | 0x3028;
	} else if (leaf == 0xd) {
		l = host_xsave(subleaf);
	}
	return l;
}

/* "AuthenticAMD" or "GenuineIntel" in EBX, EDX, ECX. */
static void make_host(bool amd, u32 fill)
{
	host = (struct host){
		.max_basic = 0x20,
		.max_ext = 0x80000028,
		.fill = fill,
		.avx_at = 576,
		.pkru_at = 2688,
		.vendor = amd ? (struct cpuid_leaf){ 0, 0x68747541, 0x444d4163, 0x69746e65 }
			      : (struct cpuid_leaf){ 0, 0x756e6547, 0x6c65746e, 0x49656e69 },
	};
}

static void make_policy(unsigned nr_vcpus, bool hide_xsave)
{
	static const struct board_ops ops;
	struct board_config config = {
		.memory_below_4g = FAKE_MEMORY, .nr_vcpus = nr_vcpus, .ops = &ops,
	};

	vm.nr_vcpus = nr_vcpus;
	board_init(&vm.board, &config);
	cpuid_policy_init(&vm.cpuid, host_cpuid, nr_vcpus, hide_xsave);
}

static int policy_setup(void **state)
{
	fake_setup(state);
	make_host(true, ~0u);
	make_policy(1, false);
	return 0;
}

static struct cpuid_leaf answer(u32 leaf, u32 subleaf)
{
	const struct cpuid_leaf *fixed = cpuid_fixed(&vm.cpuid, leaf);
	struct cpuid_leaf l = cpuid_answer(v, leaf, subleaf);

	/* The short way, for leaves that it knows, says the same. */
	if (fixed)
		assert_memory_equal(fixed, &l, sizeof(l));
	return l;
}

static void expect_leaf(u32 leaf, u32 subleaf, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	struct cpuid_leaf l = answer(leaf, subleaf);

	if (l.eax != eax || l.ebx != ebx || l.ecx != ecx || l.edx != edx)
		print_message("leaf %#x.%x: %08x %08x %08x %08x\n", leaf, subleaf, l.eax, l.ebx,
			      l.ecx, l.edx);
	assert_int_equal(l.eax, eax);
	assert_int_equal(l.ebx, ebx);
	assert_int_equal(l.ecx, ecx);
	assert_int_equal(l.edx, edx);
}

/* --- CPUID: bits --- */

/* SSE3 PCLMULQDQ SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
#define GUEST_1C	(B(0) | B(1) | B(9) | B(12) | B(13) | B(19) | B(20) | B(22) | B(23) | \
			 B(25) | B(26) | B(28) | B(29) | B(30))
#define ADDED_1C	(B(21) | B(24) | B(31))		/* x2APIC, TSC-deadline, hypervisor */
/* FPU VME DE PSE TSC MSR PAE MCE CX8 APIC, SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH, MMX FXSR SSE
 * SSE2 */
#define GUEST_1D	(0x3ffu | B(11) | B(12) | B(13) | B(14) | B(15) | B(16) | B(17) | B(19) | \
			 B(23) | B(24) | B(25) | B(26))
/* FSGSBASE BMI1 AVX2 SMEP BMI2 ERMS RDSEED ADX SMAP CLFLUSHOPT CLWB SHA */
#define GUEST_7B	(B(0) | B(3) | B(5) | B(7) | B(8) | B(9) | B(18) | B(19) | B(20) | B(23) | \
			 B(24) | B(29))
/* UMIP PKU VAES VPCLMULQDQ LA57 RDPID */
#define GUEST_7C	(B(2) | B(3) | B(9) | B(10) | B(16) | B(22))
#define GUEST_7D	B(4)						/* FSRM */
/* LAHF CR8 LZCNT SSE4A MISALIGNSSE PREFETCHW */
#define GUEST_X1C	(B(0) | B(4) | B(5) | B(6) | B(7) | B(8))
/* As leaf 1, without SEP's place (SYSCALL), and: NX MMXEXT 1 GiB RDTSCP LM 3DNow! */
#define GUEST_X1D	(0x3ffu | B(11) | B(12) | B(13) | B(14) | B(15) | B(16) | B(17) | B(20) | \
			 B(22) | B(23) | B(24) | B(26) | B(27) | B(29) | B(30) | B(31))

static void test_a_host_that_has_everything(void **state)
{
	expect_leaf(0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65);
	expect_leaf(1, 0, ~0u, 0x0001ff00, GUEST_1C | ADDED_1C, GUEST_1D);
	expect_leaf(7, 0, 0, GUEST_7B, GUEST_7C, GUEST_7D);
	expect_leaf(7, 1, 0, 0, 0, 0);
	expect_leaf(0x80000000, 0, 0x80000008, 0x68747541, 0x444d4163, 0x69746e65);
	expect_leaf(0x80000001, 0, ~0u, 0, GUEST_X1C, GUEST_X1D);
	expect_leaf(0x80000007, 0, 0, 0, 0, B(8));
	expect_leaf(0x80000008, 0, 0x3028, B(0) | B(2), 0, 0);
	/* The brand string and the caches are no features. */
	for (u32 leaf = 0x80000002; leaf <= 0x80000006; leaf++)
		expect_leaf(leaf, 0, ~0u, ~0u, ~0u, ~0u);
}

/* Named, as they are what a guest could do harm with or would believe in: each absent. */
static void test_what_must_never_show(void **state)
{
	static const struct { u32 leaf; char reg; u8 bit; const char *what; } never[] = {
		{ 1, 'c', 3, "MONITOR" },
		{ 1, 'c', 5, "VMX" },
		{ 1, 'c', 6, "SMX" },
		{ 1, 'c', 15, "PDCM" },
		{ 1, 'c', 17, "PCID" },
		{ 1, 'd', 21, "DS" },
		{ 1, 'd', 22, "ACPI clock" },
		{ 7, 'b', 1, "TSC_ADJUST" },
		{ 7, 'b', 2, "SGX" },
		{ 7, 'b', 4, "HLE" },
		{ 7, 'b', 10, "INVPCID" },
		{ 7, 'b', 11, "RTM" },
		{ 7, 'b', 14, "MPX" },
		{ 7, 'b', 16, "AVX-512" },
		{ 7, 'b', 25, "PT" },
		{ 7, 'c', 5, "WAITPKG" },
		{ 7, 'c', 7, "CET" },
		{ 7, 'c', 31, "PKS" },
		{ 7, 'd', 20, "IBT" },
		{ 7, 'd', 26, "SPEC_CTRL" },
		{ 7, 'd', 29, "ARCH_CAPABILITIES" },
		{ 0x80000001, 'c', 2, "SVM" },
		{ 0x80000001, 'c', 3, "extended APIC" },
		{ 0x80000001, 'c', 10, "IBS" },
		{ 0x80000001, 'c', 12, "SKINIT" },
		{ 0x80000001, 'c', 15, "LWP" },
		{ 0x80000001, 'c', 23, "counters" },
		{ 0x80000001, 'c', 29, "MONITORX" },
		{ 0x80000001, 'd', 25, "FFXSR" },
		{ 0x80000008, 'b', 4, "RDPRU" },
		{ 0x80000008, 'b', 12, "IBPB" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(never); i++) {
		struct cpuid_leaf l = answer(never[i].leaf, 0);
		u32 reg = never[i].reg == 'b' ? l.ebx : never[i].reg == 'c' ? l.ecx : l.edx;

		if (reg & B(never[i].bit))
			fail_msg("%s", never[i].what);
	}
}

/* A host that has nothing gives only what Plinth makes itself. */
static void test_a_host_that_has_nothing(void **state)
{
	make_host(true, 0);
	make_policy(1, false);
	expect_leaf(1, 0, 0, 0x00010000, ADDED_1C, 0);
	expect_leaf(7, 0, 0, 0, 0, 0);
	expect_leaf(0x80000001, 0, 0, 0, 0, 0);
	expect_leaf(0x80000007, 0, 0, 0, 0, 0);
	assert_int_equal(vm.cpuid.efer, EFER_SCE);
	assert_int_equal(vm.cpuid.xcr0, 0);
}

static bool has_answer(u32 leaf)
{
	switch (leaf) {
	case 0: case 1: case 7: case 0xb: case 0xd: case 0x40000000:
	case 0x80000000 ... 0x80000008:
		return true;
	default:
		return false;
	}
}

static void test_other_leaves_are_zero(void **state)
{
	static const u32 from[] = { 0, 0x10000000, 0x20000000, 0x40000000, 0x40000100, 0x7fffff80,
				    0x80000000, 0x80860000, 0x8fffffff, 0xc0000000, 0xffffff80 };

	for (unsigned i = 0; i < ARRAY_SIZE(from); i++)
		for (u32 j = 0; j < 128; j++)
			for (u32 subleaf = 0; subleaf < 4; subleaf++)
				if (!has_answer(from[i] + j))
					expect_leaf(from[i] + j, subleaf, 0, 0, 0, 0);
}

static void test_signature(void **state)
{
	struct cpuid_leaf l = answer(0x40000000, 0);
	char name[13] = "";

	memcpy(name, &l.ebx, 4);
	memcpy(name + 4, &l.ecx, 4);
	memcpy(name + 8, &l.edx, 4);
	assert_string_equal(name, "PlinthPlinth");
}

/* --- CPUID: what depends on the vCPU --- */

static void test_state_dependent_bits(void **state)
{
	assert_int_equal(answer(1, 0).ecx & B(27), 0);
	block.cr4 |= CR4_OSXSAVE | CR4_PKE;
	fake_state();
	assert_int_equal(answer(1, 0).ecx & B(27), B(27));
	fake_state();
	assert_int_equal(answer(7, 0).ecx & B(4), B(4));
	assert_int_equal(answer(7, 1).ecx, 0);
	vm.board.lapic[0].base &= ~0x800ull;
	assert_int_equal(answer(1, 0).edx & B(9), 0);
}

static void test_several_vcpus(void **state)
{
	make_policy(3, false);
	v->index = 2;
	assert_int_equal(answer(1, 0).ebx, 2u << 24 | 3 << 16 | 0xff00);
	assert_int_equal(answer(1, 0).edx & B(28), B(28));
	/* APM vol. 3: NC = cores - 1, ApicIdSize bits of the APIC ID for them; CmpLegacy. */
	assert_int_equal(answer(0x80000008, 0).ecx, 2u << 12 | 2);
	assert_int_equal(answer(0x80000001, 0).ecx & B(1), B(1));
	/* One thread a core, three cores; the shift leads to the next level's id. */
	expect_leaf(0xb, 0, 0, 1, 0x100, 2);
	expect_leaf(0xb, 1, 2, 3, 0x201, 2);
	expect_leaf(0xb, 2, 0, 0, 2, 2);
	make_policy(1, false);
	assert_int_equal(answer(0x80000008, 0).ecx, 0);
	assert_int_equal(answer(0x80000001, 0).ecx & B(1), 0);
	assert_int_equal(answer(1, 0).edx & B(28), 0);
}

/* --- CPUID: XSAVE --- */

static void expect_sizes(u64 xcr0, u32 standard, u32 compact)
{
	fake.xcr0 = xcr0;
	assert_int_equal(answer(0xd, 0).ebx, standard);
	assert_int_equal(answer(0xd, 1).ebx, compact);
}

/* SDM vol. 1, "Standard Format of XSAVE Area", "Compacted Format of XSAVE Area": 512 + 64 bytes,
 * then each component at its place, or one behind the other. */
static void test_xsave_sizes(void **state)
{
	expect_leaf(0xd, 2, 256, 576, 0, 0);
	expect_leaf(0xd, 9, 8, 2688, 0, 0);
	assert_int_equal(answer(0xd, 0).eax, 0x207);	/* no AVX-512 */
	assert_int_equal(answer(0xd, 0).ecx, 2696);
	assert_int_equal(answer(0xd, 0).edx, 0);
	assert_int_equal(answer(0xd, 1).eax, 7);	/* no XSAVES */
	assert_int_equal(answer(0xd, 1).ecx | answer(0xd, 1).edx, 0);
	for (u32 i = 2; i < 70; i++)
		if (i != 2 && i != 9)
			expect_leaf(0xd, i, 0, 0, 0, 0);
	expect_sizes(1, 576, 576);
	expect_sizes(3, 576, 576);
	expect_sizes(7, 832, 832);
	expect_sizes(0x201, 2696, 584);
	expect_sizes(0x207, 2696, 840);
	assert_int_equal(vm.cpuid.xcr0, 0x207);
}

/* AMD's place for PKRU, and a component that is aligned in the compacted form. */
static void test_xsave_places(void **state)
{
	host.pkru_at = 832;
	host.pkru_flags = ~1u;		/* bit 1: aligned to 64 bytes; above: reserved */
	make_policy(1, false);
	expect_leaf(0xd, 9, 8, 832, 2, 0);
	expect_sizes(0x207, 840, 840);
	expect_sizes(0x201, 840, 584);
	/* Behind a component whose size is no multiple of 64. */
	host.avx_at = 576;
	vm.cpuid.xsave[2].eax = 260;
	expect_sizes(0x207, 840, 576 + 320 + 8);
}

/* XSETBV can't be watched there: neither XSAVE nor what needs it. */
static void test_hidden_xsave(void **state)
{
	make_policy(1, true);
	expect_leaf(1, 0, ~0u, 0x0001ff00, (GUEST_1C | ADDED_1C) & ~(B(26) | B(28) | B(12) | B(29)),
		    GUEST_1D);
	expect_leaf(7, 0, 0, GUEST_7B & ~B(5), GUEST_7C & ~(B(9) | B(10)), GUEST_7D);
	for (u32 i = 0; i < 12; i++)
		expect_leaf(0xd, i, 0, 0, 0, 0);
	assert_int_equal(vm.cpuid.xcr0, 0);
	assert_int_equal(vm.cpuid.cr4 & CR4_OSXSAVE, 0);
}

/* --- What CR4, EFER and paging may have --- */

static void test_registers_follow_features(void **state)
{
	assert_int_equal(vm.cpuid.cr4, CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE |
					       CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |
					       CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 | CR4_FSGSBASE |
					       CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE);
	assert_int_equal(vm.cpuid.efer, EFER_SCE | EFER_NXE | EFER_LME | EFER_LMA);
	assert_int_equal(vm.cpuid.paging, FMT_MAXPHYADDR(40) | FMT_GIB | FMT_PSE36 | FMT_BIT8_RESERVED);
	make_host(false, ~0u);
	make_policy(1, false);
	assert_int_equal(vm.cpuid.paging, FMT_MAXPHYADDR(40) | FMT_GIB | FMT_PSE36);
	assert_false(vm.cpuid.k8);
}

/* --- MSRs --- */

enum { R = 1, W = 2 };

struct range {
	u32 first, last;
	unsigned access;
	bool k8, not_k8;
};

/* What there is, from the manuals' lists; everything else is #GP(0), both ways. */
static const struct range present[] = {
	{ 0x000, 0x001, R | W },	/* P5 machine check: present, does nothing */
	{ 0x010, 0x010, R | W },	/* TSC */
	{ 0x01b, 0x01b, R | W },	/* APIC_BASE */
	{ 0x08b, 0x08b, R | W },	/* microcode revision */
	{ 0x0fe, 0x0fe, R },		/* MTRRcap */
	{ 0x174, 0x176, R | W },	/* SYSENTER */
	{ 0x179, 0x179, R },		/* MCG_CAP */
	{ 0x17a, 0x17a, R | W },	/* MCG_STATUS */
	{ 0x1a0, 0x1a0, R | W, .not_k8 = true },	/* MISC_ENABLE */
	{ 0x1d9, 0x1d9, R | W },	/* DEBUGCTL */
	{ 0x200, 0x20f, R | W },	/* MTRRs */
	{ 0x250, 0x250, R | W }, { 0x258, 0x259, R | W }, { 0x268, 0x26f, R | W },
	{ 0x277, 0x277, R | W },	/* PAT */
	{ 0x2ff, 0x2ff, R | W },
	{ 0x6e0, 0x6e0, R | W },	/* TSC deadline */
	{ 0x800, 0x8ff, R | W },	/* x2APIC: the local APIC answers */
	{ 0xc0000080, 0xc0000084, R | W },	/* EFER STAR LSTAR CSTAR SFMASK */
	{ 0xc0000100, 0xc0000103, R | W },	/* FS, GS, KERNEL_GS, TSC_AUX */
	{ 0xc0010010, 0xc0010010, R | W, true },	/* SYSCFG */
	{ 0xc0010015, 0xc0010015, R | W, true },	/* HWCR */
	{ 0xc001001f, 0xc001001f, R | W, true },	/* NB_CFG */
	{ 0xc0010055, 0xc0010055, R | W, true },	/* interrupt pending */
	{ 0xc0011029, 0xc0011029, R | W, true },	/* DE_CFG */
};

static unsigned access_of(u32 index, bool k8)
{
	for (unsigned i = 0; i < ARRAY_SIZE(present); i++)
		if (index >= present[i].first && index <= present[i].last &&
		    !(k8 ? present[i].not_k8 : present[i].k8))
			return present[i].access;
	return 0;
}

static void check_msr(u32 index, bool k8)
{
	u64 reads = v->msrs.unknown_reads, writes = v->msrs.unknown_writes, value = 0x5555;
	unsigned access = access_of(index, k8);

	if (msr_read(v, index, &value) != !!(access & R))
		fail_msg("read of %#x", index);
	if (!(access & R)) {
		assert_int_equal(value, 0x5555);
		value = 0;
	}
	/* Back what was read: no rule about values is in the way. */
	if (msr_write(v, index, value) != !!(access & W))
		fail_msg("write of %#x", index);
	assert_int_equal(v->msrs.unknown_reads - reads, !access);
	assert_int_equal(v->msrs.unknown_writes - writes, !access);
	if (!access)
		assert_int_equal(v->msrs.last_unknown, index);
}

static void check_all_msrs(bool k8)
{
	static const u32 range[] = {
		0, 0x40000000, 0x4b564d00, 0xc0000000, 0xc0010000, 0xfffff000
	};

	for (unsigned i = 0; i < ARRAY_SIZE(range); i++)
		for (u32 j = 0; j < 0x2000 && range[i] + j >= range[i]; j++)
			check_msr(range[i] + j, k8);
}

/* SDM vol. 4, "IA32_MISC_ENABLE": no BTS, no PEBS; only fast strings can be switched. */
static void test_misc_enable(void **state)
{
	u64 value;

	make_host(false, ~0u);
	make_policy(1, false);
	msr_state_init(&v->msrs);
	assert_true(msr_read(v, 0x1a0, &value));
	assert_int_equal(value, 0x1801);
	assert_true(msr_write(v, 0x1a0, 0x1800));
	assert_true(msr_read(v, 0x1a0, &value));
	assert_int_equal(value, 0x1800);
	for (unsigned bit = 1; bit < 64; bit++)
		assert_false(msr_write(v, 0x1a0, 0x1800 ^ 1ull << bit));
}

static void test_every_msr(void **state)
{
	check_all_msrs(true);
	make_host(false, ~0u);
	make_policy(1, false);
	check_all_msrs(false);
}

static void test_no_rdtscp_no_tsc_aux(void **state)
{
	u64 value;

	assert_true(msr_write(v, 0xc0000103, 0xffffffff));
	assert_false(msr_write(v, 0xc0000103, BIT(32)));
	assert_int_equal(fake.tsc_aux, 0xffffffff);
	make_host(true, 0);
	make_policy(1, false);
	assert_false(msr_read(v, 0xc0000103, &value));
	assert_false(msr_write(v, 0xc0000103, 0));
}

/* What passes without an exit is the guest's own at every world switch, and nothing else is. */
static void test_passed_msrs(void **state)
{
	static const u32 own[] = { 0x174,      0x175,	   0x176,      0xc0000081, 0xc0000082,
				   0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102 };

	msr_pass_through(v);
	assert_int_equal(fake.nr_passed, ARRAY_SIZE(own));
	for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
		assert_int_equal(fake.passed[i], own[i]);
}

static bool is_type(unsigned type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static void test_mtrr_types(void **state)
{
	u64 value;

	for (u64 type = 0; type < 256; type++) {
		assert_int_equal(msr_write(v, 0x2ff, 0x800 | type), is_type(type));
		for (u32 base = 0x200; base < 0x210; base += 2)
			assert_int_equal(msr_write(v, base, 0x80000000 | type), is_type(type));
		for (unsigned at = 0; at < 64; at += 8) {
			u64 fixed = (0x0606060606060606ull & ~(0xffull << at)) | type << at;

			assert_int_equal(msr_write(v, 0x250, fixed), is_type(type));
			assert_int_equal(msr_write(v, 0x26f, fixed), is_type(type));
			if (!is_type(type))
				continue;
			assert_true(msr_read(v, 0x26f, &value));
			assert_int_equal(value, fixed);
		}
	}
}

/* Reserved: DEF_TYPE all but 0-7, 10, 11; bases 8-11; masks 0-10; both from MAXPHYADDR on. */
static void test_mtrr_reserved_bits(void **state)
{
	for (unsigned bit = 8; bit < 64; bit++) {
		assert_int_equal(msr_write(v, 0x2ff, 6 | BIT(bit)), bit == 10 || bit == 11);
		assert_int_equal(msr_write(v, 0x204, 6 | BIT(bit)), bit >= 12 && bit < 40);
	}
	for (unsigned bit = 0; bit < 64; bit++)
		assert_int_equal(msr_write(v, 0x205, BIT(bit)), bit >= 11 && bit < 40);
}

/* Each of them has a place of its own. */
static void test_mtrrs_are_apart(void **state)
{
	static const u32 fixed[] = { 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
				     0x26b, 0x26c, 0x26d, 0x26e, 0x26f };
	u64 value;

	for (u32 i = 0; i < 16; i++)
		assert_true(msr_write(v, 0x200 + i, (u64)(i + 1) << 12));
	for (u32 i = 0; i < ARRAY_SIZE(fixed); i++)
		assert_true(msr_write(v, fixed[i], (i % 2 ? 4ull : 5ull) << 8 * (i / 2)));
	for (u32 i = 0; i < 16; i++) {
		assert_true(msr_read(v, 0x200 + i, &value));
		assert_int_equal(value, (u64)(i + 1) << 12);
	}
	for (u32 i = 0; i < ARRAY_SIZE(fixed); i++) {
		assert_true(msr_read(v, fixed[i], &value));
		assert_int_equal(value, i % 2 ? 4ull << 8 * (i / 2) : 5ull << 8 * (i / 2));
	}
}

static void test_pat(void **state)
{
	block.pat = 0x0007040600070406ull;
	fake_state();
	for (unsigned at = 0; at < 64; at += 8) {
		for (u64 type = 0; type < 256; type++) {
			u64 value = (0x0007040600070406ull & ~(0xffull << at)) | type << at;
			bool legal = type <= 7 && type != 2 && type != 3;

			assert_int_equal(msr_write(v, 0x277, value), legal);
			fake_enter();
			if (legal)
				assert_int_equal(block.pat, value);
			fake_leave();
		}
	}
}

static void check_canonical(u32 index, unsigned bits)
{
	static const u64 candidates[] = {
		0, 0x00007fffffffffffull, 0x0000800000000000ull, 0xffff7fffffffffffull,
		0xffff800000000000ull, 0x00ffffffffffffffull, 0x0100000000000000ull,
		0xfeffffffffffffffull, 0xff00000000000000ull, ~0ull, 0x8000000000000000ull,
	};
	u64 value;

	for (unsigned i = 0; i < ARRAY_SIZE(candidates); i++) {
		u64 upper = candidates[i] >> (bits - 1);
		bool canonical = upper == 0 || upper == ~0ull >> (bits - 1);

		assert_int_equal(msr_write(v, index, candidates[i]), canonical);
		if (!canonical)
			continue;
		fake_enter();
		fake_leave();
		assert_true(msr_read(v, index, &value));
		assert_int_equal(value, candidates[i]);
	}
}

static void test_canonical_addresses(void **state)
{
	static const u32 addresses[] = { 0x175,	     0x176,	 0xc0000082, 0xc0000083,
					 0xc0000100, 0xc0000101, 0xc0000102 };

	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		vm.cpuid.cr4 |= CR4_LA57;
		check_canonical(addresses[i], 57);
		vm.cpuid.cr4 &= ~CR4_LA57;
		check_canonical(addresses[i], 48);
	}
	assert_true(msr_write(v, 0xc0000081, 0x0023001000000000ull));
	assert_true(msr_write(v, 0xc0000084, 0x47700));
}

static void test_few_values(void **state)
{
	u64 value;

	assert_true(msr_write(v, 0x17a, 7));		/* RIPV EIPV MCIP */
	assert_false(msr_write(v, 0x17a, 8));
	assert_true(msr_read(v, 0x17a, &value));
	assert_int_equal(value, 7);
	assert_false(msr_write(v, 0x1d9, 1));		/* no last-branch records are kept */
	assert_true(msr_read(v, 0xfe, &value));
	assert_int_equal(value, 0x508);			/* 8 variable, fixed, WC */
	assert_true(msr_read(v, 0xc0011029, &value));
	assert_int_equal(value, 2);			/* LFENCE serialises */
	assert_true(msr_write(v, 0x10, 0x123456789ull));
	assert_int_equal(fake.tsc, 0x123456789ull);
	assert_false(msr_write(v, 0xc0000080, EFER_LME | EFER_SVME));
}

/* The local APIC decides on its own; its refusal is #GP. */
/* The host's MAXPHYADDR is 40: what the local APIC would take, but no address has. */
static void test_apic_base_above_maxphyaddr(void **state)
{
	fake.apic_refuses = false;
	for (unsigned bit = 12; bit < 64; bit++)
		assert_int_equal(msr_write(v, 0x1b, 0xfee00900ull ^ BIT(bit)), bit < 40);
}

static void test_apic_msrs(void **state)
{
	static const u32 index[] = { 0x1b, 0x6e0, 0x800, 0x80b, 0x83f, 0x8ff };
	u64 value;

	for (unsigned i = 0; i < ARRAY_SIZE(index); i++) {
		fake.apic_refuses = false;
		fake.apic_value = 0x77;
		assert_true(msr_read(v, index[i], &value));
		assert_int_equal(value, 0x77);
		assert_int_equal(fake.apic_index, index[i]);
		assert_true(msr_write(v, index[i], 0x99));
		assert_int_equal(fake.apic_value, 0x99);
		fake.apic_refuses = true;
		assert_false(msr_read(v, index[i], &value));
		assert_false(msr_write(v, index[i], 0x99));
	}
}

#define POLICY_TEST(name) cmocka_unit_test_setup_teardown(name, policy_setup, fake_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		POLICY_TEST(test_a_host_that_has_everything),
		POLICY_TEST(test_what_must_never_show),
		POLICY_TEST(test_a_host_that_has_nothing),
		POLICY_TEST(test_other_leaves_are_zero),
		POLICY_TEST(test_signature),
		POLICY_TEST(test_state_dependent_bits),
		POLICY_TEST(test_several_vcpus),
		POLICY_TEST(test_xsave_sizes),
		POLICY_TEST(test_xsave_places),
		POLICY_TEST(test_hidden_xsave),
		POLICY_TEST(test_registers_follow_features),
		POLICY_TEST(test_every_msr), POLICY_TEST(test_misc_enable),
		POLICY_TEST(test_no_rdtscp_no_tsc_aux),
		POLICY_TEST(test_passed_msrs),
		POLICY_TEST(test_mtrr_types),
		POLICY_TEST(test_mtrr_reserved_bits),
		POLICY_TEST(test_mtrrs_are_apart),
		POLICY_TEST(test_pat),
		POLICY_TEST(test_canonical_addresses),
		POLICY_TEST(test_few_values),
		POLICY_TEST(test_apic_base_above_maxphyaddr),
		POLICY_TEST(test_apic_msrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
