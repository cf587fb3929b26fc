/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The MSR policy: one sorted table of rows, each with who answers a read and a write. SDM vol. 4,
 * "Model-Specific Registers"; APM vol. 2, appendix A "MSR Cross-Reference".
 */
#include "vcpu/msr.h"

#include "include/x86/apic.h"
#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "lib/string.h"
#include "vcpu/registers.h"
#include "vcpu/time.h"
#include "vcpu/vm.h"

typedef bool msr_reader(struct vcpu *v, u32 index, u64 *value);
typedef bool msr_writer(struct vcpu *v, u32 index, u64 value);

/* On which CPUs a row exists. */
enum msr_where { EVERYWHERE, K8_ONLY, NOT_K8, RDTSCP_ONLY };

struct msr_row {
	u32 first, last;
	msr_reader *read;	/* NULL: #GP */
	msr_writer *write;
	u8 where;		/* enum msr_where */
	bool pass;		/* the guest's own, switched with it: no exit at all */
};

static bool is_canonical(const struct vcpu *v, u64 value)
{
	unsigned bits = v->vm->cpuid.cr4 & CR4_LA57 ? 57 : 48;

	return (s64)(value << (64 - bits)) >> (64 - bits) == (s64)value;
}

static bool read_zero(struct vcpu *v, u32 index, u64 *value)
{
	*value = 0;
	return true;
}

static bool write_nowhere(struct vcpu *v, u32 index, u64 value)
{
	return true;
}

static bool write_zero(struct vcpu *v, u32 index, u64 value)
{
	return value == 0;
}

static bool read_tsc(struct vcpu *v, u32 index, u64 *value)
{
	*value = vcpu_tsc(v);
	return true;
}

static bool write_tsc(struct vcpu *v, u32 index, u64 value)
{
	vcpu_set_tsc(v, value);
	return true;
}

static bool read_apic(struct vcpu *v, u32 index, u64 *value)
{
	return vcpu_apic_rdmsr(v, index, value);
}

static u64 above_maxphyaddr(const struct vcpu *v)
{
	return ~BITS((v->vm->cpuid.ext[8].eax & CPUID_X8A_MAXPHYADDR) - 1, 0);
}

/* The local APIC doesn't know how wide an address is (SDM vol. 3A, "Local APIC Status and
 * Location"). */
static bool write_apic(struct vcpu *v, u32 index, u64 value)
{
	if (index == MSR_APIC_BASE && (value & above_maxphyaddr(v)))
		return false;
	return vcpu_apic_wrmsr(v, index, value);
}

static bool read_mtrrcap(struct vcpu *v, u32 index, u64 *value)
{
	*value = MTRR_VARIABLE | MTRRCAP_FIX | MTRRCAP_WC;
	return true;
}

/* Index into mtrr_fixed: 64K, two of 16K, eight of 4K. */
static unsigned mtrr_fixed_index(u32 index)
{
	if (index == MSR_MTRR_FIX64K_00000)
		return 0;
	return index < MSR_MTRR_FIX4K_C0000 ? 1 + index - MSR_MTRR_FIX16K_80000 :
					      3 + index - MSR_MTRR_FIX4K_C0000;
}

static u64 *mtrr(struct vcpu *v, u32 index)
{
	struct msr_state *s = &v->msrs;

	if (index == MSR_MTRR_DEF_TYPE)
		return &s->mtrr_def_type;
	if (index <= MSR_MTRR_PHYSMASK7)
		return &s->mtrr_variable[index - MSR_MTRR_PHYSBASE0];
	return &s->mtrr_fixed[mtrr_fixed_index(index)];
}

static bool read_mtrr(struct vcpu *v, u32 index, u64 *value)
{
	*value = *mtrr(v, index);
	return true;
}

/* UC, WC, WT, WP, WB. */
static bool is_memory_type(u64 type)
{
	return type <= 6 && type != 2 && type != 3;
}

/* SDM vol. 3A, "Memory Type Range Registers (MTRRs)". RAM is mapped write-back whatever they say.
 */
static bool write_mtrr(struct vcpu *v, u32 index, u64 value)
{
	u64 above = above_maxphyaddr(v);

	if (index == MSR_MTRR_DEF_TYPE) {
		if ((value & ~(MTRR_DEF_TYPE_E | MTRR_DEF_TYPE_FE | 0xff)) ||
		    !is_memory_type(value & 0xff))
			return false;
	} else if (index > MSR_MTRR_PHYSMASK7) {
		for (unsigned i = 0; i < 64; i += 8)
			if (!is_memory_type(value >> i & 0xff))
				return false;
	} else if (index & 1) {
		if (value & (above | BITS(10, 0)))
			return false;
	} else if ((value & (above | BITS(11, 8))) || !is_memory_type(value & 0xff)) {
		return false;
	}
	*mtrr(v, index) = value;
	return true;
}

static bool read_mcg_status(struct vcpu *v, u32 index, u64 *value)
{
	*value = v->msrs.mcg_status;
	return true;
}

static bool write_mcg_status(struct vcpu *v, u32 index, u64 value)
{
	if (value & ~(MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP))
		return false;
	v->msrs.mcg_status = value;
	return true;
}

static bool read_pat(struct vcpu *v, u32 index, u64 *value)
{
	ctx_need(v, CTX_PAT);
	*value = v->cur->pat;
	return true;
}

static bool write_pat(struct vcpu *v, u32 index, u64 value)
{
	for (unsigned i = 0; i < 64; i += 8) {
		u8 type = value >> i;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	ctx_need(v, CTX_PAT);
	v->cur->pat = value;
	ctx_dirty(v, CTX_PAT);
	return true;
}

static bool read_efer(struct vcpu *v, u32 index, u64 *value)
{
	ctx_need(v, CTX_EFER);
	*value = v->cur->efer;
	return true;
}

static bool write_efer(struct vcpu *v, u32 index, u64 value)
{
	return vcpu_write_efer(v, value);
}

static bool read_group(struct vcpu *v, u32 index, u64 *value)
{
	u64 *at = vcpu_msr_register(v, index);

	*value = *at;
	return true;
}

static bool write_group(struct vcpu *v, u32 index, u64 value)
{
	bool is_address = index != MSR_STAR && index != MSR_SFMASK && index != MSR_SYSENTER_CS;

	if (is_address && !is_canonical(v, value))
		return false;
	vcpu_set_msr_register(v, index, value);
	return true;
}

static bool read_tsc_aux(struct vcpu *v, u32 index, u64 *value)
{
	*value = vcpu_tsc_aux(v);
	return true;
}

static bool write_tsc_aux(struct vcpu *v, u32 index, u64 value)
{
	if (value >> 32)
		return false;
	vcpu_set_tsc_aux(v, value);
	return true;
}

/* LFENCE waits, as on every CPU where the guest could set the bit itself. */
static bool read_de_cfg(struct vcpu *v, u32 index, u64 *value)
{
	*value = DE_CFG_LFENCE_SERIALIZE;
	return true;
}

static bool read_misc_enable(struct vcpu *v, u32 index, u64 *value)
{
	*value = v->msrs.misc_enable;
	return true;
}

/* Fast strings may be switched off; all else that a guest could switch isn't there. */
static bool write_misc_enable(struct vcpu *v, u32 index, u64 value)
{
	if ((value ^ v->msrs.misc_enable) & ~MISC_ENABLE_FAST_STRING)
		return false;
	v->msrs.misc_enable = value;
	return true;
}

/* Sorted. */
static const struct msr_row msr_rows[] = {
	{ MSR_P5_MC_ADDR, MSR_P5_MC_TYPE, read_zero, write_nowhere },
	{ MSR_TSC, MSR_TSC, read_tsc, write_tsc },
	{ MSR_APIC_BASE, MSR_APIC_BASE, read_apic, write_apic },
	{ MSR_UCODE_REV, MSR_UCODE_REV, read_zero, write_nowhere },
	{ MSR_MTRRCAP, MSR_MTRRCAP, read_mtrrcap, NULL },
	{ MSR_SYSENTER_CS, MSR_SYSENTER_EIP, read_group, write_group, .pass = true },
	{ MSR_MCG_CAP, MSR_MCG_CAP, read_zero, NULL },	/* no banks */
	{ MSR_MCG_STATUS, MSR_MCG_STATUS, read_mcg_status, write_mcg_status },
	{ MSR_MISC_ENABLE, MSR_MISC_ENABLE, read_misc_enable, write_misc_enable, NOT_K8 },
	{ MSR_DEBUGCTL, MSR_DEBUGCTL, read_zero, write_zero },
	{ MSR_MTRR_PHYSBASE0, MSR_MTRR_PHYSMASK7, read_mtrr, write_mtrr },
	{ MSR_MTRR_FIX64K_00000, MSR_MTRR_FIX64K_00000, read_mtrr, write_mtrr },
	{ MSR_MTRR_FIX16K_80000, MSR_MTRR_FIX16K_A0000, read_mtrr, write_mtrr },
	{ MSR_MTRR_FIX4K_C0000, MSR_MTRR_FIX4K_F8000, read_mtrr, write_mtrr },
	{ MSR_PAT, MSR_PAT, read_pat, write_pat },
	{ MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, read_mtrr, write_mtrr },
	{ MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, read_apic, write_apic },
	{ MSR_X2APIC, MSR_X2APIC_LAST, read_apic, write_apic },
	{ MSR_EFER, MSR_EFER, read_efer, write_efer },
	{ MSR_STAR, MSR_SFMASK, read_group, write_group, .pass = true },
	{ MSR_FS_BASE, MSR_KERNEL_GS_BASE, read_group, write_group, .pass = true },
	{ MSR_TSC_AUX, MSR_TSC_AUX, read_tsc_aux, write_tsc_aux, RDTSCP_ONLY },
	{ MSR_SYSCFG, MSR_SYSCFG, read_zero, write_zero, K8_ONLY },
	{ MSR_HWCR, MSR_HWCR, read_zero, write_nowhere, K8_ONLY },
	{ MSR_NB_CFG, MSR_NB_CFG, read_zero, write_nowhere, K8_ONLY },
	{ MSR_INT_PENDING, MSR_INT_PENDING, read_zero, write_nowhere, K8_ONLY },
	{ MSR_DE_CFG, MSR_DE_CFG, read_de_cfg, write_nowhere, K8_ONLY },
};

static bool exists(const struct vcpu *v, const struct msr_row *row)
{
	switch (row->where) {
	case K8_ONLY: return v->vm->cpuid.k8;
	case NOT_K8: return !v->vm->cpuid.k8;
	case RDTSCP_ONLY: return v->vm->cpuid.ext[1].edx & CPUID_X1D_RDTSCP;
	default: return true;
	}
}

static const struct msr_row *find_row(const struct vcpu *v, u32 index)
{
	unsigned low = 0, high = ARRAY_SIZE(msr_rows);

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (index > msr_rows[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == ARRAY_SIZE(msr_rows) || index < msr_rows[low].first ||
	    !exists(v, &msr_rows[low]))
		return NULL;
	return &msr_rows[low];
}

bool msr_read(struct vcpu *v, u32 index, u64 *value)
{
	const struct msr_row *row = find_row(v, index);

	if (row)
		return row->read && row->read(v, index, value);
	v->msrs.unknown_reads++;
	v->msrs.last_unknown = index;
	return false;
}

bool msr_write(struct vcpu *v, u32 index, u64 value)
{
	const struct msr_row *row = find_row(v, index);

	if (row)
		return row->write && row->write(v, index, value);
	v->msrs.unknown_writes++;
	v->msrs.last_unknown = index;
	return false;
}

void msr_state_init(struct msr_state *s)
{
	memset(s, 0, sizeof(*s));
	/* As firmware leaves it: everything write-back. */
	s->mtrr_def_type = MTRR_DEF_TYPE_E | MEMTYPE_WB;
	s->misc_enable = MISC_ENABLE_FAST_STRING | MISC_ENABLE_BTS_UNAVAILABLE |
			 MISC_ENABLE_PEBS_UNAVAILABLE;
}

void msr_pass_through(struct vcpu *v)
{
	for (unsigned i = 0; i < ARRAY_SIZE(msr_rows); i++)
		for (u32 m = msr_rows[i].first; msr_rows[i].pass && m <= msr_rows[i].last; m++)
			v->backend->pass_msr(v, m, true, true);
}
