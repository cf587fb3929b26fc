/* SPDX-License-Identifier: GPL-2.0-only */
/* See caps.h. Owns which controls Plinth needs and which it only uses. */
#include "arch/x86/vmx/caps.h"

#include "include/x86/msr.h"
#include "include/x86/vmx.h"

/* The names are the words of the options vmx.no-NAME. */
const struct vmx_feature vmx_features[NR_VMX_FEATURES] = {
	{ "ept",		{ { VMX_SECONDARY, SECONDARY_ENABLE_EPT } }, .is_used = true },
	{ "ept-2m",		.ept_vpid = VMX_EPT_2M, .is_used = true },
	{ "ept-1g",		.ept_vpid = VMX_EPT_1G, .is_used = true },
	{ "ept-execute-only",	.ept_vpid = VMX_EPT_EXECUTE_ONLY, .is_used = true },
	{ "ept-ad",		.ept_vpid = VMX_EPT_AD },
	{ "mbec",		{ { VMX_SECONDARY, SECONDARY_MODE_BASED_EXECUTE } }, .is_used = true },
	{ "vpid",		{ { VMX_SECONDARY, SECONDARY_ENABLE_VPID } }, .is_used = true },
	{ "invept-single",	.ept_vpid = VMX_INVEPT_SINGLE, .is_used = true },
	{ "invvpid-single",	.ept_vpid = VMX_INVVPID_SINGLE, .is_used = true },
	{ "unrestricted-guest",	{ { VMX_SECONDARY, SECONDARY_UNRESTRICTED_GUEST } }, .is_used = true },
	{ "efer",		{ { VMX_ENTRY, VMENTRY_LOAD_EFER },
				  { VMX_EXIT, VMEXIT_LOAD_EFER | VMEXIT_SAVE_EFER } }, .is_used = true },
	{ "pat",		{ { VMX_ENTRY, VMENTRY_LOAD_PAT },
				  { VMX_EXIT, VMEXIT_LOAD_PAT | VMEXIT_SAVE_PAT } }, .is_used = true },
	{ "tpr-shadow",		{ { VMX_PRIMARY, PRIMARY_USE_TPR_SHADOW } } },
	{ "apic-registers",	{ { VMX_SECONDARY, SECONDARY_APIC_REGISTER_VIRTUALIZATION } } },
	{ "preemption-timer",	{ { VMX_PIN, PIN_PREEMPTION_TIMER } }, .is_used = true },
	{ "monitor-trap-flag",	{ { VMX_PRIMARY, PRIMARY_MONITOR_TRAP_FLAG } } },
	{ "tsc-scaling",	{ { VMX_SECONDARY, SECONDARY_USE_TSC_SCALING } } },
	{ "pml",		{ { VMX_SECONDARY, SECONDARY_ENABLE_PML } } },
	{ "xsaves",		{ { VMX_SECONDARY, SECONDARY_ENABLE_XSAVES } } },
	{ "vmcs-shadowing",	{ { VMX_SECONDARY, SECONDARY_VMCS_SHADOWING } } },
};

/* What there is no way around. */
static const struct {
	const char *name;
	u8 word;
	u32 bits;
} needed[] = {
	{ "external-interrupt exiting", VMX_PIN, PIN_EXTERNAL_INTERRUPT_EXITING },
	{ "NMI exiting", VMX_PIN, PIN_NMI_EXITING },
	{ "virtual NMIs", VMX_PIN, PIN_VIRTUAL_NMIS },
	{ "interrupt-window exiting", VMX_PRIMARY, PRIMARY_INTERRUPT_WINDOW_EXITING },
	{ "NMI-window exiting", VMX_PRIMARY, PRIMARY_NMI_WINDOW_EXITING },
	{ "use TSC offsetting", VMX_PRIMARY, PRIMARY_USE_TSC_OFFSETTING },
	{ "HLT exiting", VMX_PRIMARY, PRIMARY_HLT_EXITING },
	{ "MWAIT exiting", VMX_PRIMARY, PRIMARY_MWAIT_EXITING },
	{ "MONITOR exiting", VMX_PRIMARY, PRIMARY_MONITOR_EXITING },
	{ "RDPMC exiting", VMX_PRIMARY, PRIMARY_RDPMC_EXITING },
	{ "CR8-load exiting", VMX_PRIMARY, PRIMARY_CR8_LOAD_EXITING },
	{ "CR8-store exiting", VMX_PRIMARY, PRIMARY_CR8_STORE_EXITING },
	{ "unconditional I/O exiting", VMX_PRIMARY, PRIMARY_UNCONDITIONAL_IO_EXITING },
	{ "use MSR bitmaps", VMX_PRIMARY, PRIMARY_USE_MSR_BITMAPS },
	{ "activate secondary controls", VMX_PRIMARY, PRIMARY_SECONDARY_CONTROLS },
	{ "enable EPT (Plinth has no shadow paging yet)", VMX_SECONDARY, SECONDARY_ENABLE_EPT },
	{ "WBINVD exiting", VMX_SECONDARY, SECONDARY_WBINVD_EXITING },
	{ "host address-space size", VMX_EXIT, VMEXIT_HOST_64_BIT },
	{ "save debug controls", VMX_EXIT, VMEXIT_SAVE_DEBUG_CONTROLS },
	{ "IA-32e mode guest", VMX_ENTRY, VMENTRY_IA32E_MODE_GUEST },
	{ "load debug controls", VMX_ENTRY, VMENTRY_LOAD_DEBUG_CONTROLS },
};

static u64 read_or_zero(vmx_msr_reader *read, u32 index)
{
	u64 value = 0;

	return read(index, &value) ? value : 0;
}

/* "Allowed 0-settings": bits that must be 1; "allowed 1-settings" above them. */
static struct vmx_control read_control(vmx_msr_reader *read, u32 index)
{
	u64 value = read_or_zero(read, index);

	return (struct vmx_control){ .must = (u32)value, .may = (u32)(value >> 32) };
}

void vmx_caps_read(struct vmx_caps *caps, vmx_msr_reader *read)
{
	u64 basic = read_or_zero(read, MSR_VMX_BASIC);
	/* The true controls lie at the same distances (SDM vol. 3D, "VM-Execution Controls"). */
	u32 from = basic & VMX_BASIC_TRUE_CONTROLS ? MSR_VMX_TRUE_PINBASED_CTLS :
						     MSR_VMX_PINBASED_CTLS;

	*caps = (struct vmx_caps){
		.revision = basic & VMX_BASIC_REVISION,
		.addresses_32_bit = basic & VMX_BASIC_32_BIT_ADDRESSES,
		.control = {
			[VMX_PIN] = read_control(read, from),
			[VMX_PRIMARY] = read_control(read, from + 1),
			[VMX_EXIT] = read_control(read, from + 2),
			[VMX_ENTRY] = read_control(read, from + 3),
		},
		.cr0_fixed0 = read_or_zero(read, MSR_VMX_CR0_FIXED0),
		.cr0_fixed1 = read_or_zero(read, MSR_VMX_CR0_FIXED1),
		.cr4_fixed0 = read_or_zero(read, MSR_VMX_CR4_FIXED0),
		.cr4_fixed1 = read_or_zero(read, MSR_VMX_CR4_FIXED1),
		.misc = read_or_zero(read, MSR_VMX_MISC),
	};
	if (vmx_may(caps, VMX_PRIMARY, PRIMARY_SECONDARY_CONTROLS))
		caps->control[VMX_SECONDARY] = read_control(read, MSR_VMX_PROCBASED_CTLS2);
	if (caps->control[VMX_SECONDARY].may & (SECONDARY_ENABLE_EPT | SECONDARY_ENABLE_VPID))
		caps->ept_vpid = read_or_zero(read, MSR_VMX_EPT_VPID_CAP);
}

bool vmx_caps_has(const struct vmx_caps *caps, const struct vmx_feature *f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(f->control); i++)
		if (!vmx_may(caps, f->control[i].word, f->control[i].bits))
			return false;
	return (caps->ept_vpid & f->ept_vpid) == f->ept_vpid;
}

void vmx_caps_remove(struct vmx_caps *caps, const struct vmx_feature *f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(f->control); i++)
		caps->control[f->control[i].word].may &= ~f->control[i].bits;
	caps->ept_vpid &= ~f->ept_vpid;
}

const char *vmx_caps_missing(const struct vmx_caps *caps)
{
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++)
		if (!vmx_may(caps, needed[i].word, needed[i].bits))
			return needed[i].name;
	return NULL;
}
