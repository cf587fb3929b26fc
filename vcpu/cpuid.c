/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CPUID policy. SDM vol. 2A, "CPUID"; APM vol. 3, appendix E "Obtaining Processor Information
 * Via the CPUID Instruction". No row, no bit: SVM, VMX, and all that needs state which Plinth
 * doesn't switch or virtualise, are hidden by not being here.
 */
#include "vcpu/cpuid.h"

#include "include/hypercall.h"
#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "lib/string.h"
#include "vcpu/registers.h"
#include "vcpu/vm.h"

#define BASIC_1C (CPUID_1C_SSE3 | CPUID_1C_PCLMULQDQ | CPUID_1C_SSSE3 | CPUID_1C_FMA | CPUID_1C_CX16 | \
		  CPUID_1C_SSE41 | CPUID_1C_SSE42 | CPUID_1C_MOVBE | CPUID_1C_POPCNT | CPUID_1C_AES | \
		  CPUID_1C_XSAVE | CPUID_1C_AVX | CPUID_1C_F16C | CPUID_1C_RDRAND)
/* What Plinth offers itself, whether or not the host has it. */
#define ADDED_1C (CPUID_1C_X2APIC | CPUID_1C_TSC_DEADLINE | CPUID_1C_HYPERVISOR)
#define BASIC_1D (CPUID_1D_FPU | CPUID_1D_VME | CPUID_1D_DE | CPUID_1D_PSE | CPUID_1D_TSC | CPUID_1D_MSR | \
		  CPUID_1D_PAE | CPUID_1D_MCE | CPUID_1D_CX8 | CPUID_1D_APIC | CPUID_1D_SEP | \
		  CPUID_1D_MTRR | CPUID_1D_PGE | CPUID_1D_MCA | CPUID_1D_CMOV | CPUID_1D_PAT | \
		  CPUID_1D_PSE36 | CPUID_1D_CLFSH | CPUID_1D_MMX | CPUID_1D_FXSR | CPUID_1D_SSE | \
		  CPUID_1D_SSE2)
#define BASIC_7B (CPUID_7B_FSGSBASE | CPUID_7B_BMI1 | CPUID_7B_AVX2 | CPUID_7B_SMEP | CPUID_7B_BMI2 | \
		  CPUID_7B_ERMS | CPUID_7B_RDSEED | CPUID_7B_ADX | CPUID_7B_SMAP | CPUID_7B_CLFLUSHOPT | \
		  CPUID_7B_CLWB | CPUID_7B_SHA)
#define BASIC_7C (CPUID_7C_UMIP | CPUID_7C_PKU | CPUID_7C_VAES | CPUID_7C_VPCLMULQDQ | CPUID_7C_LA57 | \
		  CPUID_7C_RDPID)
#define BASIC_7D CPUID_7D_FSRM
#define EXT_1C (CPUID_X1C_LAHF | CPUID_X1C_CR8_LOCK | CPUID_X1C_LZCNT | CPUID_X1C_SSE4A | \
		CPUID_X1C_MISALIGNSSE | CPUID_X1C_PREFETCHW)
/* The low bits of 8000_0001H EDX repeat those of leaf 1 on AMD. */
#define EXT_1D ((BASIC_1D & 0x0183f3ffu) | CPUID_X1D_SYSCALL | CPUID_X1D_NX | CPUID_X1D_MMXEXT | \
		CPUID_X1D_PAGE1GB | CPUID_X1D_RDTSCP | CPUID_X1D_LM | CPUID_X1D_3DNOW | CPUID_X1D_3DNOWEXT)
#define XSAVE_COMPONENTS (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_PKRU)
#define XCR0_PKRU	0x200ull
#define XSAVE_ALIGNED	0x2u	/* ECX of a component's leaf: to 64 bytes, in the compacted form */

#define ALL 0xffffffffu

/* One row a leaf: which bits of the host's answer a guest may see, and which are always there. */
struct cpuid_row {
	u32 leaf;
	struct cpuid_leaf keep, add;
};

static const struct cpuid_row rows[] = {
	{ CPUID_VENDOR,       { 0, ALL, ALL, ALL }, { 0 } },
	{ CPUID_FEATURES,     { ALL, 0x0000ff00, BASIC_1C, BASIC_1D }, { .ecx = ADDED_1C } },
	{ CPUID_EXT,          { 0, ALL, ALL, ALL }, { 0 } },
	{ CPUID_EXT_FEATURES, { ALL, 0, EXT_1C, EXT_1D }, { 0 } },
	{ CPUID_EXT_BRAND,    { ALL, ALL, ALL, ALL }, { 0 } },
	{ CPUID_EXT_BRAND + 1, { ALL, ALL, ALL, ALL }, { 0 } },
	{ CPUID_EXT_BRAND + 2, { ALL, ALL, ALL, ALL }, { 0 } },
	{ CPUID_EXT_L1,       { ALL, ALL, ALL, ALL }, { 0 } },
	{ CPUID_EXT_L2,       { ALL, ALL, ALL, ALL }, { 0 } },
	{ CPUID_EXT_POWER,    { 0, 0, 0, CPUID_X7D_INVARIANT_TSC }, { 0 } },
	{ CPUID_EXT_SIZES,    { 0x0000ffff, CPUID_X8B_CLZERO | CPUID_X8B_XSAVEERPTR, 0, 0 }, { 0 } },
};

static struct cpuid_leaf filter(struct cpuid_leaf host, const struct cpuid_row *row)
{
	return (struct cpuid_leaf){
		.eax = (host.eax & row->keep.eax) | row->add.eax,
		.ebx = (host.ebx & row->keep.ebx) | row->add.ebx,
		.ecx = (host.ecx & row->keep.ecx) | row->add.ecx,
		.edx = (host.edx & row->keep.edx) | row->add.edx,
	};
}

/* Bits of CR4 and EFER that the features offered allow. */
static void derive_registers(struct cpuid_policy *p)
{
	static const struct { u32 bit; u64 cr4; } from_1d[] = {
		{ CPUID_1D_VME, CR4_VME | CR4_PVI }, { CPUID_1D_TSC, CR4_TSD }, { CPUID_1D_DE, CR4_DE },
		{ CPUID_1D_PSE, CR4_PSE }, { CPUID_1D_PAE, CR4_PAE }, { CPUID_1D_MCE, CR4_MCE },
		{ CPUID_1D_PGE, CR4_PGE }, { CPUID_1D_FXSR, CR4_OSFXSR }, { CPUID_1D_SSE, CR4_OSXMMEXCPT },
	}, from_7b[] = {
		{ CPUID_7B_FSGSBASE, CR4_FSGSBASE }, { CPUID_7B_SMEP, CR4_SMEP }, { CPUID_7B_SMAP, CR4_SMAP },
	}, from_7c[] = {
		{ CPUID_7C_UMIP, CR4_UMIP }, { CPUID_7C_PKU, CR4_PKE }, { CPUID_7C_LA57, CR4_LA57 },
	};

	p->cr4 = CR4_PCE | (p->basic[CPUID_FEATURES].ecx & CPUID_1C_XSAVE ? CR4_OSXSAVE : 0);
	for (unsigned i = 0; i < ARRAY_SIZE(from_1d); i++)
		if (p->basic[CPUID_FEATURES].edx & from_1d[i].bit)
			p->cr4 |= from_1d[i].cr4;
	for (unsigned i = 0; i < ARRAY_SIZE(from_7b); i++)
		if (p->structured[0].ebx & from_7b[i].bit)
			p->cr4 |= from_7b[i].cr4;
	for (unsigned i = 0; i < ARRAY_SIZE(from_7c); i++)
		if (p->structured[0].ecx & from_7c[i].bit)
			p->cr4 |= from_7c[i].cr4;
	p->efer = EFER_SCE;
	if (p->ext[1].edx & CPUID_X1D_NX)
		p->efer |= EFER_NXE;
	if (p->ext[1].edx & CPUID_X1D_LM)
		p->efer |= EFER_LME | EFER_LMA;
}

static void derive_paging(struct cpuid_policy *p)
{
	p->paging = FMT_MAXPHYADDR(p->ext[8].eax & CPUID_X8A_MAXPHYADDR);
	if (p->ext[1].edx & CPUID_X1D_PAGE1GB)
		p->paging |= FMT_GIB;
	if (p->basic[CPUID_FEATURES].edx & CPUID_1D_PSE36)
		p->paging |= FMT_PSE36;
	if (p->k8)
		p->paging |= FMT_BIT8_RESERVED;
}

static void init_xsave(struct cpuid_policy *p, cpuid_source *host)
{
	struct cpuid_leaf main = host(CPUID_XSAVE, 0), one = host(CPUID_XSAVE, 1);

	p->xcr0 = main.eax & XSAVE_COMPONENTS;
	if (!(p->structured[0].ecx & CPUID_7C_PKU))
		p->xcr0 &= ~XCR0_PKRU;
	p->xsave[0].eax = p->xcr0;
	p->xsave[1].eax = one.eax & (CPUID_DA_XSAVEOPT | CPUID_DA_XSAVEC | CPUID_DA_XGETBV1);
	p->xsave[0].ecx = 576;
	for (unsigned i = 2; i < CPUID_XSAVE_LEAVES; i++) {
		if (!(p->xcr0 >> i & 1))
			continue;
		p->xsave[i] = host(CPUID_XSAVE, i);
		p->xsave[i].ecx &= XSAVE_ALIGNED;
		p->xsave[i].edx = 0;
		p->xsave[0].ecx = MAX(p->xsave[0].ecx, p->xsave[i].ebx + p->xsave[i].eax);
	}
}

/* Bits of an APIC ID that tell `count` cores apart. */
static unsigned id_bits(unsigned count)
{
	unsigned bits = 0;

	while ((1u << bits) < count)
		bits++;
	return bits;
}

/* Every vCPU is a core of its own. APM vol. 3, "Function 8000_0008h": ApicIdSize, NC; "Function
 * 8000_0001h": CmpLegacy says that HTT means cores and not threads. */
static void add_cores(struct cpuid_policy *p, unsigned count)
{
	p->basic[CPUID_FEATURES].ebx |= count << 16;
	p->ext[8].ecx = id_bits(count) << 12 | (count - 1);
	if (count == 1)
		return;
	p->basic[CPUID_FEATURES].edx |= CPUID_1D_HTT;
	if (p->k8)
		p->ext[1].ecx |= CPUID_X1C_CMP_LEGACY;
}

void cpuid_policy_init(struct cpuid_policy *p, cpuid_source *host, unsigned nr_vcpus,
		       bool hide_xsave)
{
	struct cpuid_leaf vendor = host(CPUID_VENDOR, 0);
	u32 max_ext = host(CPUID_EXT, 0).eax;

	memset(p, 0, sizeof(*p));
	p->k8 = cpuid_vendor_is_k8(vendor.ecx);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 leaf = rows[i].leaf;

		if (leaf > (leaf < CPUID_EXT ? vendor.eax : max_ext))
			continue;
		*(leaf < CPUID_EXT ? &p->basic[leaf] : &p->ext[leaf - CPUID_EXT]) =
			filter(host(leaf, 0), &rows[i]);
	}
	if (vendor.eax >= CPUID_STRUCTURED) {
		struct cpuid_leaf l = host(CPUID_STRUCTURED, 0);

		p->structured[0] = (struct cpuid_leaf){
			.ebx = l.ebx & BASIC_7B, .ecx = l.ecx & BASIC_7C, .edx = l.edx & BASIC_7D };
	}
	if (hide_xsave) {
		p->basic[CPUID_FEATURES].ecx &= ~(CPUID_1C_XSAVE | CPUID_1C_AVX | CPUID_1C_FMA |
						  CPUID_1C_F16C);
		p->structured[0].ebx &= ~CPUID_7B_AVX2;
		p->structured[0].ecx &= ~(CPUID_7C_VAES | CPUID_7C_VPCLMULQDQ);
	}
	if (vendor.eax >= CPUID_XSAVE && (p->basic[CPUID_FEATURES].ecx & CPUID_1C_XSAVE))
		init_xsave(p, host);
	p->basic[CPUID_VENDOR].eax = p->max_basic = CPUID_XSAVE;
	p->ext[0].eax = p->max_ext = MIN(max_ext, CPUID_EXT_SIZES);
	add_cores(p, nr_vcpus);
	p->dependent = BIT(CPUID_FEATURES) | BIT(CPUID_STRUCTURED) | BIT(CPUID_TOPOLOGY) |
		       BIT(CPUID_XSAVE);
	derive_registers(p);
	derive_paging(p);
}

/* Bytes that XSAVE writes for the components in `xcr0` (SDM vol. 1, "Standard Format of XSAVE
 * Area"). */
static u32 xsave_size(const struct cpuid_policy *p, u64 xcr0, bool compact)
{
	u32 size = 576;

	for (unsigned i = 2; i < CPUID_XSAVE_LEAVES; i++) {
		if (!(xcr0 >> i & 1))
			continue;
		if (!compact)
			size = MAX(size, p->xsave[i].ebx + p->xsave[i].eax);
		else
			size = (p->xsave[i].ecx & XSAVE_ALIGNED ? ALIGN_UP(size, 64) : size) +
			       p->xsave[i].eax;
	}
	return size;
}

static struct cpuid_leaf answer_xsave(struct vcpu *v, u32 subleaf)
{
	const struct cpuid_policy *p = &v->vm->cpuid;
	struct cpuid_leaf l;

	if (subleaf >= CPUID_XSAVE_LEAVES)
		return (struct cpuid_leaf){ 0 };
	l = p->xsave[subleaf];
	if (p->xcr0 && subleaf == 0)
		l.ebx = xsave_size(p, vcpu_xcr0(v), false);
	if (p->xcr0 && subleaf == 1 && (l.eax & CPUID_DA_XSAVEC))
		l.ebx = xsave_size(p, vcpu_xcr0(v), true);
	return l;
}

/* Leaf 0BH: every vCPU is a core of its own (SDM vol. 2A, "CPUID", "Extended Topology
 * Enumeration"). */
static struct cpuid_leaf answer_topology(struct vcpu *v, u32 subleaf)
{
	if (subleaf == 0)
		return (struct cpuid_leaf){ .eax = 0, .ebx = 1, .ecx = 0x100, .edx = v->index };
	if (subleaf == 1)
		return (struct cpuid_leaf){
			.eax = id_bits(v->vm->nr_vcpus), .ebx = v->vm->nr_vcpus, .ecx = 0x201, .edx = v->index
		};
	return (struct cpuid_leaf){ .ecx = subleaf & 0xff, .edx = v->index };
}

/* Whether a bit of CR4 is set, which the backend need not be asked for if the context has it. */
static bool has_cr4(struct vcpu *v, u64 bit)
{
	if (!(v->backend->caps->cr4_kept & bit))
		ctx_need(v, CTX_CR0_CR4);
	return v->cur->cr4 & bit;
}

static struct cpuid_leaf answer_basic(struct vcpu *v, u32 leaf, u32 subleaf)
{
	const struct cpuid_policy *p = &v->vm->cpuid;
	struct cpuid_leaf l = p->basic[leaf];

	switch (leaf) {
	case CPUID_FEATURES:
		if (has_cr4(v, CR4_OSXSAVE))
			l.ecx |= CPUID_1C_OSXSAVE;
		if (!lapic_is_enabled(&v->vm->board.lapic[v->index]))
			l.edx &= ~CPUID_1D_APIC;
		l.ebx |= v->index << 24;
		break;
	case CPUID_STRUCTURED:
		l = subleaf < CPUID_MAX_SUBLEAF ? p->structured[subleaf] : (struct cpuid_leaf){ 0 };
		if (subleaf == 0 && has_cr4(v, CR4_PKE))
			l.ecx |= CPUID_7C_OSPKE;
		break;
	case CPUID_TOPOLOGY:
		return answer_topology(v, subleaf);
	case CPUID_XSAVE:
		return answer_xsave(v, subleaf);
	}
	return l;
}

struct cpuid_leaf cpuid_answer(struct vcpu *v, u32 leaf, u32 subleaf)
{
	const struct cpuid_policy *p = &v->vm->cpuid;

	if (leaf <= p->max_basic)
		return answer_basic(v, leaf, subleaf);
	if (leaf - CPUID_EXT <= p->max_ext - CPUID_EXT)
		return p->ext[leaf - CPUID_EXT];
	if (leaf == CPUID_HYPERVISOR)		/* "PlinthPlinth" */
		return (struct cpuid_leaf){ CPUID_HYPERVISOR, 0x6e696c50, 0x6c506874, 0x68746e69 };
	return (struct cpuid_leaf){ 0 };
}
