/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Machine checks: enabling the banks, and telling what they hold before the panic that follows
 * every #MC. Nothing is recovered: the error may be in Plinth's own memory. SDM vol. 3B,
 * "Machine-Check Architecture".
 */
#include "arch/x86/machine_check.h"

#include "arch/x86/cpu.h"
#include "console/console.h"
#include "include/types.h"
#include "include/x86/cpuid.h"
#include "include/x86/msr.h"

/* Number of banks; in *cap the whole of MCG_CAP. Emulators may claim MCA in CPUID and lack its
 * MSRs. */
static unsigned nr_banks(u64 *cap)
{
	u32 features = cpuid(CPUID_FEATURES, 0).edx;

	*cap = 0;
	if (!(features & CPUID_1D_MCE) || !(features & CPUID_1D_MCA) ||
	    !rdmsr_safe(MSR_MCG_CAP, cap))
		return 0;
	return *cap & MCG_CAP_COUNT;
}

void machine_check_setup_cpu(void)
{
	u64 cap;
	unsigned banks = nr_banks(&cap);

	if (cap & MCG_CAP_CTL_P)
		(void)!wrmsr_safe(MSR_MCG_CTL, ~0ull);
	/* Some banks refuse some bits, or all of them; then they stay as the firmware has set them.
	 */
	for (unsigned i = 0; i < banks; i++) {
		if (wrmsr_safe(MSR_MC0_CTL + i * MSR_MC_STRIDE, ~0ull))
			(void)!wrmsr_safe(MSR_MC0_STATUS + i * MSR_MC_STRIDE, 0);
	}
}

void machine_check_report(void)
{
	u64 cap;
	unsigned banks = nr_banks(&cap);

	for (unsigned i = 0; i < banks; i++) {
		u64 status = 0, address = 0;

		if (!rdmsr_safe(MSR_MC0_STATUS + i * MSR_MC_STRIDE, &status) ||
		    !(status & MC_STATUS_VAL))
			continue;
		if ((status & MC_STATUS_ADDRV) &&
		    !rdmsr_safe(MSR_MC0_ADDR + i * MSR_MC_STRIDE, &address))
			address = 0;
		kprintf("machine check: bank %u status %016llx address %016llx\n", i,
			(unsigned long long)status, (unsigned long long)address);
	}
}
