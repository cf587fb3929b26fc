/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SDM vol. 3C, "Checks on Host Control Registers, MSRs, and SSP"; "Checks on Host Segment and
 * Descriptor-Table Registers"; "Checks Related to Address-Space Size": one row a sentence.
 */
#include "arch/x86/vmx/entry_rules.h"

static bool is_cr0_supported(const struct vmx_entry *e, u32 field)
{
	return is_supported(rule_read(e, field), e->caps->cr0_fixed0, e->caps->cr0_fixed1,
			    CR0_UNCHECKED);
}

static bool is_cr4_supported(const struct vmx_entry *e, u32 field)
{
	return is_supported(rule_read(e, field), e->caps->cr4_fixed0, e->caps->cr4_fixed1, 0);
}

static bool is_cet_with_wp(const struct vmx_entry *e, u32 field)
{
	return !(rule_read(e, field) & CR4_CET) || (rule_read(e, VMCS_HOST_CR0) & CR0_WP);
}

static bool is_address_physical(const struct vmx_entry *e, u32 field)
{
	return is_physical(e, rule_read(e, field));
}

static bool is_address_canonical(const struct vmx_entry *e, u32 field)
{
	return is_canonical(e, rule_read(e, field));
}

static bool is_perf_supported(const struct vmx_entry *e, u32 field)
{
	return !has_exit(e, VMEXIT_LOAD_PERF_GLOBAL_CTRL) ||
	       !(rule_read(e, field) & ~e->perf_global_ctrl);
}

static bool is_pat_valid(const struct vmx_entry *e, u32 field)
{
	return !has_exit(e, VMEXIT_LOAD_PAT) || is_pat(rule_read(e, field));
}

static bool is_efer_supported(const struct vmx_entry *e, u32 field)
{
	return !has_exit(e, VMEXIT_LOAD_EFER) || !(rule_read(e, field) & ~e->efer);
}

static bool is_64_bit(const struct vmx_entry *e)
{
	return has_exit(e, VMEXIT_HOST_64_BIT);
}

static bool is_efer_of_size(const struct vmx_entry *e, u32 field)
{
	u64 mode = is_64_bit(e) ? EFER_LMA | EFER_LME : 0;

	return !has_exit(e, VMEXIT_LOAD_EFER) ||
	       (rule_read(e, field) & (EFER_LMA | EFER_LME)) == mode;
}

static bool is_selector_global(const struct vmx_entry *e, u32 field)
{
	return !(rule_read(e, field) & 7);
}

static bool is_selector_not_0(const struct vmx_entry *e, u32 field)
{
	return rule_read(e, field);
}

static bool is_ss_not_0(const struct vmx_entry *e, u32 field)
{
	return is_64_bit(e) || rule_read(e, field);
}

/* --- Address-space size --- */

static bool is_guest_as_legacy_host(const struct vmx_entry *e, u32 field)
{
	return e->in_ia32e_mode || !is_guest_ia32e(e);
}

static bool is_size_as_legacy_host(const struct vmx_entry *e, u32 field)
{
	return e->in_ia32e_mode || !is_64_bit(e);
}

static bool is_size_as_ia32e_host(const struct vmx_entry *e, u32 field)
{
	return !e->in_ia32e_mode || is_64_bit(e);
}

static bool is_pcide_64_bit(const struct vmx_entry *e, u32 field)
{
	return is_64_bit(e) || !(rule_read(e, field) & CR4_PCIDE);
}

static bool is_rip_32_bit(const struct vmx_entry *e, u32 field)
{
	return is_64_bit(e) || !(rule_read(e, field) >> 32);
}

static bool is_pae_64_bit(const struct vmx_entry *e, u32 field)
{
	return !is_64_bit(e) || (rule_read(e, field) & CR4_PAE);
}

static bool is_rip_canonical(const struct vmx_entry *e, u32 field)
{
	return !is_64_bit(e) || is_canonical(e, rule_read(e, field));
}

#define REGISTERS "Checks on Host Control Registers, MSRs, and SSP"
#define SEGMENTS "Checks on Host Segment and Descriptor-Table Registers"
#define SIZE	"Checks Related to Address-Space Size"
#define SELECTOR(name) \
	{ SEGMENTS, "RPL and TI of the selector are 0", VMCS_HOST_##name##_SELECTOR, \
	  is_selector_global }
#define BASE(name) \
	{ SEGMENTS, "the base is canonical", VMCS_HOST_##name##_BASE, is_address_canonical }

static const struct vmx_entry_rule rows[] = {
	{ REGISTERS, "CR0 has no bit that VMX operation doesn't support", VMCS_HOST_CR0,
	  is_cr0_supported },
	{ REGISTERS, "CR4 has no bit that VMX operation doesn't support", VMCS_HOST_CR4,
	  is_cr4_supported },
	{ REGISTERS, "CR4.CET needs CR0.WP", VMCS_HOST_CR4, is_cet_with_wp },
	{ REGISTERS, "CR3 is within the physical-address width", VMCS_HOST_CR3,
	  is_address_physical },
	{ REGISTERS, "SYSENTER_ESP is canonical", VMCS_HOST_SYSENTER_ESP, is_address_canonical },
	{ REGISTERS, "SYSENTER_EIP is canonical", VMCS_HOST_SYSENTER_EIP, is_address_canonical },
	{ REGISTERS, "reserved bits of PERF_GLOBAL_CTRL are 0", VMCS_HOST_PERF_GLOBAL_CTRL,
	  is_perf_supported },
	{ REGISTERS, "each byte of PAT is a memory type", VMCS_HOST_PAT, is_pat_valid },
	{ REGISTERS, "reserved bits of EFER are 0", VMCS_HOST_EFER, is_efer_supported },
	{ REGISTERS, "EFER.LMA and LME are as \"host address-space size\"", VMCS_HOST_EFER,
	  is_efer_of_size },
	SELECTOR(CS),
	SELECTOR(SS),
	SELECTOR(DS),
	SELECTOR(ES),
	SELECTOR(FS),
	SELECTOR(GS),
	SELECTOR(TR),
	{ SEGMENTS, "the selector is not 0", VMCS_HOST_CS_SELECTOR, is_selector_not_0 },
	{ SEGMENTS, "the selector is not 0", VMCS_HOST_TR_SELECTOR, is_selector_not_0 },
	{ SEGMENTS, "the selector is not 0 unless the host is 64-bit", VMCS_HOST_SS_SELECTOR,
	  is_ss_not_0 },
	BASE(FS),
	BASE(GS),
	BASE(GDTR),
	BASE(IDTR),
	BASE(TR),
	{ SIZE, "outside IA-32e mode, \"IA-32e mode guest\" is 0", VMCS_ENTRY_CONTROLS,
	  is_guest_as_legacy_host },
	{ SIZE, "outside IA-32e mode, \"host address-space size\" is 0", VMCS_EXIT_CONTROLS,
	  is_size_as_legacy_host },
	{ SIZE, "in IA-32e mode, \"host address-space size\" is 1", VMCS_EXIT_CONTROLS,
	  is_size_as_ia32e_host },
	{ SIZE, "CR4.PCIDE needs a 64-bit host", VMCS_HOST_CR4, is_pcide_64_bit },
	{ SIZE, "bits 63:32 of RIP are 0 unless the host is 64-bit", VMCS_HOST_RIP, is_rip_32_bit },
	{ SIZE, "a 64-bit host has CR4.PAE", VMCS_HOST_CR4, is_pae_64_bit },
	{ SIZE, "RIP of a 64-bit host is canonical", VMCS_HOST_RIP, is_rip_canonical },
};

ENTRY_RULES(vmx_rules_host, rows);

/*
 * Sentences without a row:
 * - "load CET state", "load PKRS", UINV, FRED: controls without definitions here;
 * - CR3 bits 62:61 of a CPU with linear-address masking: Plinth's own CR3 has none;
 * - "IA-32e mode guest" is 0 if "host address-space size" is 0: the rows for either mode of the
 *   host refuse that before;
 * - CPUs without Intel 64: Plinth doesn't run on them.
 */
