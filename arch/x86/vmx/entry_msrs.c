/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the lists of MSRs hold: SDM vol. 3C, "Loading MSRs" of entries (the entry fails) and of
 * exits (a VMX abort), "Saving MSRs" (likewise), and how long the lists may be: vol. 3D,
 * "Miscellaneous Data".
 */
#include "arch/x86/vmx/entry_rules.h"

static u64 count_of(const struct vmx_entry *e, u32 address)
{
	return rule_read(e, address == VMCS_EXIT_MSR_STORE_ADDRESS ? VMCS_EXIT_MSR_STORE_COUNT :
			    address == VMCS_EXIT_MSR_LOAD_ADDRESS  ? VMCS_EXIT_MSR_LOAD_COUNT :
								     VMCS_ENTRY_MSR_LOAD_COUNT);
}

static u64 longest(const struct vmx_entry *e)
{
	return 512 * (((e->caps->misc & VMX_MISC_MSR_LIST) >> VMX_MISC_MSR_LIST_SHIFT) + 1);
}

static bool is_short(const struct vmx_entry *e, u32 field)
{
	return rule_read(e, field) <= longest(e);
}

/* The first word of each entry: the MSR's number, and above it reserved bits. */
static bool all_entries(const struct vmx_entry *e, u32 field, bool (*is_good)(u64 word))
{
	u64 at, count = count_of(e, field);

	if (!e->read_memory || !count || count > longest(e))
		return true;
	at = rule_read(e, field);
	for (u64 i = 0; i < count; i++)
		if (!is_good(e->read_memory(e->ctx, at + i * sizeof(struct vmx_msr_entry))))
			return false;
	return true;
}

static bool is_no_base(u64 word)
{
	return (u32)word != MSR_FS_BASE && (u32)word != MSR_GS_BASE;
}

static bool is_no_x2apic(u64 word)
{
	return (u32)word < MSR_X2APIC || (u32)word > MSR_X2APIC_LAST;
}

static bool is_no_smm(u64 word)
{
	return (u32)word != MSR_SMM_MONITOR_CTL;
}

static bool is_no_smbase(u64 word)
{
	return (u32)word != MSR_SMBASE;
}

static bool is_unreserved(u64 word)
{
	return !(word >> 32);
}

static bool has_no_base(const struct vmx_entry *e, u32 field)
{
	return all_entries(e, field, is_no_base);
}

static bool has_no_x2apic(const struct vmx_entry *e, u32 field)
{
	return all_entries(e, field, is_no_x2apic);
}

static bool has_no_smm(const struct vmx_entry *e, u32 field)
{
	return all_entries(e, field, is_no_smm);
}

static bool has_no_smbase(const struct vmx_entry *e, u32 field)
{
	return all_entries(e, field, is_no_smbase);
}

static bool has_no_reserved(const struct vmx_entry *e, u32 field)
{
	return all_entries(e, field, is_unreserved);
}

#define LENGTH	"Miscellaneous Data"
#define LOADING	"Loading MSRs"
#define SAVING	"Saving MSRs"
#define LOADED(field) \
	{ LOADING, "neither FS_BASE nor GS_BASE is loaded", field, has_no_base }, \
	{ LOADING, "no MSR of the x2APIC (800H to 8FFH) is loaded", field, has_no_x2apic }, \
	{ LOADING, "SMM_MONITOR_CTL is not loaded outside SMM", field, has_no_smm }, \
	{ LOADING, "bits 63:32 of each entry are 0", field, has_no_reserved }

static const struct vmx_entry_rule rows[] = {
	{ LENGTH, "not more MSRs than the CPU recommends", VMCS_ENTRY_MSR_LOAD_COUNT, is_short },
	LOADED(VMCS_ENTRY_MSR_LOAD_ADDRESS),
	{ LENGTH, "not more MSRs than the CPU recommends", VMCS_EXIT_MSR_STORE_COUNT, is_short },
	{ SAVING, "no MSR of the x2APIC (800H to 8FFH) is stored", VMCS_EXIT_MSR_STORE_ADDRESS,
	  has_no_x2apic },
	{ SAVING, "SMBASE is not stored outside SMM", VMCS_EXIT_MSR_STORE_ADDRESS, has_no_smbase },
	{ SAVING, "bits 63:32 of each entry are 0", VMCS_EXIT_MSR_STORE_ADDRESS, has_no_reserved },
	{ LENGTH, "not more MSRs than the CPU recommends", VMCS_EXIT_MSR_LOAD_COUNT, is_short },
	LOADED(VMCS_EXIT_MSR_LOAD_ADDRESS),
};

ENTRY_RULES(vmx_rules_msrs, rows);

/*
 * Sentences without a row: MSRs that can't be loaded or stored for reasons of the CPU model, and
 * values for which WRMSR would fault. Only the CPU knows.
 */
