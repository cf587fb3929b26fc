/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID as a guest sees it: tables of what may be passed on, default deny. A bit of the host's that
 * no row names is 0 for guests.
 */
#pragma once

#include "include/types.h"

struct cpuid_leaf {
	u32 eax, ebx, ecx, edx;
};

#define CPUID_BASIC_LEAVES	0x20
#define CPUID_EXT_LEAVES	0x20
#define CPUID_MAX_SUBLEAF	2
#define CPUID_XSAVE_LEAVES	32

/* What a VM's vCPUs answer, made once when the VM is made. What depends on a vCPU's state is added
 * at the exit. */
struct cpuid_policy {
	u32 max_basic, max_ext;
	struct cpuid_leaf basic[CPUID_BASIC_LEAVES], ext[CPUID_EXT_LEAVES];
	struct cpuid_leaf structured[CPUID_MAX_SUBLEAF];	/* leaf 7 */
	struct cpuid_leaf xsave[CPUID_XSAVE_LEAVES];		/* leaf 0DH */
	u32 dependent;		/* bit per basic leaf: the answer depends on the subleaf or on the vCPU's state */
	u64 xcr0;		/* bits that XCR0 may have */
	u64 cr4;		/* bits that CR4 may have */
	u64 efer;		/* bits that EFER may have */
	u32 paging;		/* what mm/format calls `cpu`: FMT_MAXPHYADDR(), FMT_GIB … */
	bool k8;		/* a CPU of the K8's line (APM): its MSRs, its reserved bits */
};

typedef struct cpuid_leaf cpuid_source(u32 leaf, u32 subleaf);

/* Makes the policy from what the host's CPU answers. `host` is called for each leaf that a row
 * names. `nr_vcpus`: how many CPUs the guest sees. `hide_xsave`: XSETBV can't be watched, and must
 * be. */
void cpuid_policy_init(struct cpuid_policy *p, cpuid_source *host, unsigned nr_vcpus,
		       bool hide_xsave);

struct vcpu;

/* The answer for a vCPU in its present state. */
struct cpuid_leaf cpuid_answer(struct vcpu *v, u32 leaf, u32 subleaf);

/* The answer, if it depends on the leaf alone; else NULL. */
static inline const struct cpuid_leaf *cpuid_fixed(const struct cpuid_policy *p, u32 leaf)
{
	return leaf < CPUID_BASIC_LEAVES && !(p->dependent >> leaf & 1) ? &p->basic[leaf] : NULL;
}
