/* SPDX-License-Identifier: GPL-2.0-only */
/* Which MSRs Plinth depends on, and how they are compared. SDM vol. 4, "Model-Specific Registers";
 * APM vol. 2, "MSR Cross-Reference". */
#include "arch/x86/host_msrs.h"

#include "arch/x86/cpu.h"
#include "include/assert.h"
#include "include/x86/msr.h"

static const struct {
	u32 msr;
	const char *name;
} rows[] = {
	{ MSR_EFER, "EFER" },
	{ MSR_STAR, "STAR" },
	{ MSR_LSTAR, "LSTAR" },
	{ MSR_CSTAR, "CSTAR" },
	{ MSR_SFMASK, "SFMASK" },
	{ MSR_FS_BASE, "FS_BASE" },
	{ MSR_GS_BASE, "GS_BASE" },
	{ MSR_KERNEL_GS_BASE, "KERNEL_GS_BASE" },
	{ MSR_SYSENTER_CS, "SYSENTER_CS" },
	{ MSR_SYSENTER_ESP, "SYSENTER_ESP" },
	{ MSR_SYSENTER_EIP, "SYSENTER_EIP" },
	{ MSR_PAT, "PAT" },
	{ MSR_MTRR_DEF_TYPE, "MTRR_DEF_TYPE" },
	{ MSR_MTRR_PHYSBASE0, "MTRR_PHYSBASE0" },
	{ MSR_MTRR_PHYSMASK0, "MTRR_PHYSMASK0" },
	{ MSR_APIC_BASE, "APIC_BASE" },
	{ MSR_DEBUGCTL, "DEBUGCTL" },
	{ MSR_MCG_STATUS, "MCG_STATUS" },
	{ MSR_SPEC_CTRL, "SPEC_CTRL" },
	{ MSR_XSS, "XSS" },
	{ MSR_HWCR, "HWCR" },
	{ MSR_VM_CR, "VM_CR" },
	{ MSR_VM_HSAVE_PA, "VM_HSAVE_PA" },
};
static_assert(ARRAY_SIZE(rows) <= HOST_MSRS_MAX, "struct host_msrs has room for each");

void host_msrs_read(struct host_msrs *m)
{
	m->present = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		m->value[i] = 0;
		if (rdmsr_safe(rows[i].msr, &m->value[i]))
			m->present |= 1u << i;
	}
}

unsigned host_msrs_compare(const struct host_msrs *before, const struct host_msrs *after,
			   void (*tell)(const char *name, u64 before, u64 after))
{
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (before->value[i] == after->value[i] &&
		    !((before->present ^ after->present) >> i & 1))
			continue;
		n++;
		if (tell)
			tell(rows[i].name, before->value[i], after->value[i]);
	}
	return n;
}
