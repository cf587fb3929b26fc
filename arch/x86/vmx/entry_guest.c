/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SDM vol. 3C, "Checks on the Guest State Area", segments apart (entry_segments.c): one row a
 * sentence. Two tables, because the segments stand between them.
 */
#include "arch/x86/vmx/entry_rules.h"

#include "include/x86/exception.h"

/* --- Control registers, debug registers, MSRs --- */

static u64 cr0_of(const struct vmx_entry *e)
{
	return rule_read(e, VMCS_GUEST_CR0);
}

static bool is_cr0_supported(const struct vmx_entry *e, u32 field)
{
	return is_supported(rule_read(e, field), e->caps->cr0_fixed0, e->caps->cr0_fixed1,
			    CR0_UNCHECKED | (is_unrestricted(e) ? CR0_PE | CR0_PG : 0));
}

static bool is_paging_protected(const struct vmx_entry *e, u32 field)
{
	return !(rule_read(e, field) & CR0_PG) || (rule_read(e, field) & CR0_PE);
}

static bool is_cr4_supported(const struct vmx_entry *e, u32 field)
{
	return is_supported(rule_read(e, field), e->caps->cr4_fixed0, e->caps->cr4_fixed1, 0);
}

static bool is_cet_with_wp(const struct vmx_entry *e, u32 field)
{
	return !(rule_read(e, field) & CR4_CET) || (cr0_of(e) & CR0_WP);
}

static bool is_debugctl_supported(const struct vmx_entry *e, u32 field)
{
	return !has_entry(e, VMENTRY_LOAD_DEBUG_CONTROLS) || !(rule_read(e, field) & ~e->debugctl);
}

static bool is_ia32e_paged(const struct vmx_entry *e, u32 field)
{
	return !is_guest_ia32e(e) || (rule_read(e, field) & CR0_PG);
}

static bool is_ia32e_pae(const struct vmx_entry *e, u32 field)
{
	return !is_guest_ia32e(e) || (rule_read(e, field) & CR4_PAE);
}

static bool is_pcide_ia32e(const struct vmx_entry *e, u32 field)
{
	return is_guest_ia32e(e) || !(rule_read(e, field) & CR4_PCIDE);
}

static bool is_address_physical(const struct vmx_entry *e, u32 field)
{
	return is_physical(e, rule_read(e, field));
}

static bool is_dr7_32_bit(const struct vmx_entry *e, u32 field)
{
	return !has_entry(e, VMENTRY_LOAD_DEBUG_CONTROLS) || !(rule_read(e, field) >> 32);
}

static bool is_address_canonical(const struct vmx_entry *e, u32 field)
{
	return is_canonical(e, rule_read(e, field));
}

static bool is_perf_supported(const struct vmx_entry *e, u32 field)
{
	return !has_entry(e, VMENTRY_LOAD_PERF_GLOBAL_CTRL) ||
	       !(rule_read(e, field) & ~e->perf_global_ctrl);
}

static bool is_pat_valid(const struct vmx_entry *e, u32 field)
{
	return !has_entry(e, VMENTRY_LOAD_PAT) || is_pat(rule_read(e, field));
}

static bool is_efer_supported(const struct vmx_entry *e, u32 field)
{
	return !has_entry(e, VMENTRY_LOAD_EFER) || !(rule_read(e, field) & ~e->efer);
}

static bool is_lma_as_control(const struct vmx_entry *e, u32 field)
{
	return !has_entry(e, VMENTRY_LOAD_EFER) ||
	       !(rule_read(e, field) & EFER_LMA) == !is_guest_ia32e(e);
}

static bool is_lma_as_lme(const struct vmx_entry *e, u32 field)
{
	u64 efer;

	if (!has_entry(e, VMENTRY_LOAD_EFER) || !(cr0_of(e) & CR0_PG))
		return true;
	efer = rule_read(e, field);
	return !(efer & EFER_LMA) == !(efer & EFER_LME);
}

static bool is_bndcfgs_reserved(const struct vmx_entry *e, u32 field)
{
	return !has_entry(e, VMENTRY_LOAD_BNDCFGS) || !(rule_read(e, field) & BITS(11, 2));
}

static bool is_bndcfgs_canonical(const struct vmx_entry *e, u32 field)
{
	return !has_entry(e, VMENTRY_LOAD_BNDCFGS) ||
	       is_canonical(e, rule_read(e, field) & PAGE_MASK);
}

/* --- Descriptor tables, RIP, RFLAGS --- */

static bool is_limit_16_bit(const struct vmx_entry *e, u32 field)
{
	return !(rule_read(e, field) >> 16);
}

static bool is_code_64_bit(const struct vmx_entry *e)
{
	return is_guest_ia32e(e) && (rule_read(e, VMCS_GUEST_CS_RIGHTS) & SEG_ATTR_L);
}

static bool is_rip_32_bit(const struct vmx_entry *e, u32 field)
{
	return is_code_64_bit(e) || !(rule_read(e, field) >> 32);
}

/* Bits 63:N, not 63:N-1: just past the canonical half is allowed, and faults in the guest. */
static bool is_rip_in_width(const struct vmx_entry *e, u32 field)
{
	u64 above = e->linear_width < 64 ? rule_read(e, field) >> e->linear_width : 0;

	return !is_code_64_bit(e) || !above || above == ~0ull >> e->linear_width;
}

static bool is_rflags_reserved_0(const struct vmx_entry *e, u32 field)
{
	return !(rule_read(e, field) & (BITS(63, 22) | BIT(15) | BIT(5) | BIT(3)));
}

static bool is_rflags_reserved_1(const struct vmx_entry *e, u32 field)
{
	return rule_read(e, field) & RFLAGS_FIXED;
}

static bool is_vm_possible(const struct vmx_entry *e, u32 field)
{
	return !(rule_read(e, field) & RFLAGS_VM) || (!is_guest_ia32e(e) && (cr0_of(e) & CR0_PE));
}

static bool is_if_for_interrupt(const struct vmx_entry *e, u32 field)
{
	return !injects(e, INTERRUPTION_EXTERNAL) || (rule_read(e, field) & RFLAGS_IF);
}

/* --- Non-register state --- */

static u64 activity_of(const struct vmx_entry *e)
{
	return rule_read(e, VMCS_GUEST_ACTIVITY);
}

static bool is_blocked(const struct vmx_entry *e, u32 bits)
{
	return rule_read(e, VMCS_GUEST_INTERRUPTIBILITY) & bits;
}

static bool is_activity_known(const struct vmx_entry *e, u32 field)
{
	static const u64 needs[] = {
		[VMX_ACTIVE] = 0, [VMX_HLT] = VMX_MISC_HLT, [VMX_SHUTDOWN] = VMX_MISC_SHUTDOWN,
		[VMX_WAIT_FOR_SIPI] = VMX_MISC_WAIT_FOR_SIPI,
	};
	u64 activity = rule_read(e, field);

	return activity < ARRAY_SIZE(needs) && (e->caps->misc & needs[activity]) == needs[activity];
}

static bool is_hlt_at_dpl_0(const struct vmx_entry *e, u32 field)
{
	return activity_of(e) != VMX_HLT || !(rule_read(e, VMCS_GUEST_SS_RIGHTS) & SEG_ATTR_DPL);
}

static bool is_active_if_blocked(const struct vmx_entry *e, u32 field)
{
	return activity_of(e) == VMX_ACTIVE || !is_blocked(e, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
}

static bool injects_exception(const struct vmx_entry *e, u8 vector)
{
	return injects(e, INTERRUPTION_EXCEPTION) &&
	       (rule_injected(e) & INTERRUPTION_VECTOR) == vector;
}

static bool is_event_for_hlt(const struct vmx_entry *e, u32 field)
{
	return activity_of(e) != VMX_HLT || !(rule_injected(e) & INTERRUPTION_VALID) ||
	       injects(e, INTERRUPTION_EXTERNAL) || injects(e, INTERRUPTION_NMI) ||
	       injects_exception(e, EXC_DB) || injects_exception(e, EXC_MC) ||
	       injects(e, INTERRUPTION_OTHER);
}

static bool is_event_for_shutdown(const struct vmx_entry *e, u32 field)
{
	return activity_of(e) != VMX_SHUTDOWN || !(rule_injected(e) & INTERRUPTION_VALID) ||
	       injects(e, INTERRUPTION_NMI) || injects_exception(e, EXC_MC);
}

static bool is_event_for_sipi(const struct vmx_entry *e, u32 field)
{
	return activity_of(e) != VMX_WAIT_FOR_SIPI || !(rule_injected(e) & INTERRUPTION_VALID);
}

static bool is_blocking_reserved(const struct vmx_entry *e, u32 field)
{
	return !is_blocked(e, INTERRUPTIBILITY_RESERVED);
}

static bool is_blocked_once(const struct vmx_entry *e, u32 field)
{
	return !is_blocked(e, BLOCKING_BY_STI) || !is_blocked(e, BLOCKING_BY_MOV_SS);
}

static bool is_sti_with_if(const struct vmx_entry *e, u32 field)
{
	return !is_blocked(e, BLOCKING_BY_STI) || (rule_read(e, VMCS_GUEST_RFLAGS) & RFLAGS_IF);
}

static bool is_interrupt_unblocked(const struct vmx_entry *e, u32 field)
{
	return !injects(e, INTERRUPTION_EXTERNAL) ||
	       !is_blocked(e, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
}

static bool is_nmi_not_after_mov_ss(const struct vmx_entry *e, u32 field)
{
	return !injects(e, INTERRUPTION_NMI) || !is_blocked(e, BLOCKING_BY_MOV_SS);
}

static bool is_smi_not_blocked(const struct vmx_entry *e, u32 field)
{
	return !is_blocked(e, BLOCKING_BY_SMI);
}

static bool is_nmi_not_after_sti(const struct vmx_entry *e, u32 field)
{
	return !injects(e, INTERRUPTION_NMI) || !is_blocked(e, BLOCKING_BY_STI);
}

static bool is_nmi_not_in_nmi(const struct vmx_entry *e, u32 field)
{
	return !has_pin(e, PIN_VIRTUAL_NMIS) || !injects(e, INTERRUPTION_NMI) ||
	       !is_blocked(e, BLOCKING_BY_NMI);
}

static bool is_enclave_not_after_mov_ss(const struct vmx_entry *e, u32 field)
{
	return !is_blocked(e, ENCLAVE_INTERRUPTION) || !is_blocked(e, BLOCKING_BY_MOV_SS);
}

static bool is_pending_reserved(const struct vmx_entry *e, u32 field)
{
	return !(rule_read(e, field) & PENDING_DEBUG_RESERVED);
}

/* Will the guest's next instruction trap, and is it one whose trap must be pending by now? */
static bool is_stepping(const struct vmx_entry *e)
{
	return (rule_read(e, VMCS_GUEST_RFLAGS) & RFLAGS_TF) &&
	       !(rule_read(e, VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF);
}

static bool is_step_due(const struct vmx_entry *e)
{
	return is_blocked(e, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) || activity_of(e) == VMX_HLT;
}

static bool is_step_pending(const struct vmx_entry *e, u32 field)
{
	return !is_step_due(e) || !is_stepping(e) || (rule_read(e, field) & PENDING_DEBUG_BS);
}

static bool is_no_step_pending(const struct vmx_entry *e, u32 field)
{
	return !is_step_due(e) || is_stepping(e) || !(rule_read(e, field) & PENDING_DEBUG_BS);
}

static bool is_rtm_pending(const struct vmx_entry *e)
{
	return rule_read(e, VMCS_GUEST_PENDING_DEBUG) & PENDING_DEBUG_RTM;
}

static bool is_rtm_alone(const struct vmx_entry *e, u32 field)
{
	return !is_rtm_pending(e) ||
	       !(rule_read(e, field) & (BITS(11, 0) | BITS(15, 13) | BITS(63, 17)));
}

static bool is_rtm_enabled(const struct vmx_entry *e, u32 field)
{
	return !is_rtm_pending(e) || (rule_read(e, field) & PENDING_DEBUG_ENABLED_BREAKPOINT);
}

static bool is_rtm_there(const struct vmx_entry *e, u32 field)
{
	return !is_rtm_pending(e) || e->has_rtm;
}

static bool is_rtm_not_after_mov_ss(const struct vmx_entry *e, u32 field)
{
	return !is_rtm_pending(e) || !is_blocked(e, BLOCKING_BY_MOV_SS);
}

/* --- The VMCS link pointer --- */

static bool is_linked(const struct vmx_entry *e)
{
	return rule_read(e, VMCS_VMCS_LINK_POINTER) != ~0ull;
}

static bool is_link_page(const struct vmx_entry *e, u32 field)
{
	return !is_linked(e) || !(rule_read(e, field) & ~PAGE_MASK);
}

static bool is_link_in_width(const struct vmx_entry *e, u32 field)
{
	return !is_linked(e) || is_region(e, rule_read(e, field));
}

static u32 linked_word(const struct vmx_entry *e)
{
	return e->read_memory(e->ctx, rule_read(e, VMCS_VMCS_LINK_POINTER) & PAGE_MASK);
}

static bool is_link_revision(const struct vmx_entry *e, u32 field)
{
	return !is_linked(e) || !e->read_memory ||
	       (linked_word(e) & ~VMCS_IS_SHADOW) == e->caps->revision;
}

static bool is_link_shadow(const struct vmx_entry *e, u32 field)
{
	return !is_linked(e) || !e->read_memory ||
	       !(linked_word(e) & VMCS_IS_SHADOW) == !has_secondary(e, SECONDARY_VMCS_SHADOWING);
}

static bool is_link_other(const struct vmx_entry *e, u32 field)
{
	return !is_linked(e) || rule_read(e, field) != e->vmcs;
}

/* --- PDPTEs --- */

static bool is_pae(const struct vmx_entry *e)
{
	return (cr0_of(e) & CR0_PG) && (rule_read(e, VMCS_GUEST_CR4) & CR4_PAE) &&
	       !is_guest_ia32e(e);
}

/* Present: bits 2:1, 8:5 and those beyond the physical-address width are reserved. */
static bool is_pdpte(const struct vmx_entry *e, u64 entry)
{
	return !(entry & 1) || (!(entry & (BITS(2, 1) | BITS(8, 5))) && is_physical(e, entry));
}

static bool is_pdpte_in_memory(const struct vmx_entry *e, u32 field)
{
	u64 at;

	if (!is_pae(e) || has_secondary(e, SECONDARY_ENABLE_EPT) || !e->read_memory)
		return true;
	at = rule_read(e, field) & BITS(31, 5);
	for (unsigned i = 0; i < 4; i++)
		if (!is_pdpte(e, e->read_memory(e->ctx, at + 8 * i)))
			return false;
	return true;
}

static bool is_pdpte_field(const struct vmx_entry *e, u32 field)
{
	return !is_pae(e) || !has_secondary(e, SECONDARY_ENABLE_EPT) ||
	       is_pdpte(e, rule_read(e, field));
}

#define REGISTERS "Checks on Guest Control Registers, Debug Registers, and MSRs"
#define TABLES	"Checks on Guest Descriptor-Table Registers"
#define RIP	"Checks on Guest RIP, RFLAGS, and SSP"
#define OTHER	"Checks on Guest Non-Register State"
#define PDPTES	"Checks on Guest Page-Directory-Pointer-Table Entries"
#define ACTIVITY(rule, holds)	{ OTHER, rule, VMCS_GUEST_ACTIVITY, holds }
#define BLOCKING(rule, holds)	{ OTHER, rule, VMCS_GUEST_INTERRUPTIBILITY, holds }
#define PENDING(rule, holds)	{ OTHER, rule, VMCS_GUEST_PENDING_DEBUG, holds }
#define LINK(rule, holds)	{ OTHER, rule, VMCS_VMCS_LINK_POINTER, holds }
#define PDPTE(field)	{ PDPTES, "reserved bits of a present PDPTE are 0", field, is_pdpte_field }

static const struct vmx_entry_rule registers[] = {
	{ REGISTERS, "CR0 has no bit that VMX operation doesn't support", VMCS_GUEST_CR0,
	  is_cr0_supported },
	{ REGISTERS, "CR0.PG needs CR0.PE", VMCS_GUEST_CR0, is_paging_protected },
	{ REGISTERS, "CR4 has no bit that VMX operation doesn't support", VMCS_GUEST_CR4,
	  is_cr4_supported },
	{ REGISTERS, "CR4.CET needs CR0.WP", VMCS_GUEST_CR4, is_cet_with_wp },
	{ REGISTERS, "reserved bits of DEBUGCTL are 0", VMCS_GUEST_DEBUGCTL,
	  is_debugctl_supported },
	{ REGISTERS, "\"IA-32e mode guest\" needs CR0.PG", VMCS_GUEST_CR0, is_ia32e_paged },
	{ REGISTERS, "\"IA-32e mode guest\" needs CR4.PAE", VMCS_GUEST_CR4, is_ia32e_pae },
	{ REGISTERS, "CR4.PCIDE needs \"IA-32e mode guest\"", VMCS_GUEST_CR4, is_pcide_ia32e },
	{ REGISTERS, "CR3 is within the physical-address width", VMCS_GUEST_CR3,
	  is_address_physical },
	{ REGISTERS, "bits 63:32 of DR7 are 0", VMCS_GUEST_DR7, is_dr7_32_bit },
	{ REGISTERS, "SYSENTER_ESP is canonical", VMCS_GUEST_SYSENTER_ESP, is_address_canonical },
	{ REGISTERS, "SYSENTER_EIP is canonical", VMCS_GUEST_SYSENTER_EIP, is_address_canonical },
	{ REGISTERS, "reserved bits of PERF_GLOBAL_CTRL are 0", VMCS_GUEST_PERF_GLOBAL_CTRL,
	  is_perf_supported },
	{ REGISTERS, "each byte of PAT is a memory type", VMCS_GUEST_PAT, is_pat_valid },
	{ REGISTERS, "reserved bits of EFER are 0", VMCS_GUEST_EFER, is_efer_supported },
	{ REGISTERS, "EFER.LMA is as \"IA-32e mode guest\"", VMCS_GUEST_EFER, is_lma_as_control },
	{ REGISTERS, "with CR0.PG, EFER.LMA is as LME", VMCS_GUEST_EFER, is_lma_as_lme },
	{ REGISTERS, "reserved bits of BNDCFGS are 0", VMCS_GUEST_BNDCFGS, is_bndcfgs_reserved },
	{ REGISTERS, "the address in BNDCFGS is canonical", VMCS_GUEST_BNDCFGS,
	  is_bndcfgs_canonical },
};

static const struct vmx_entry_rule state[] = {
	{ TABLES, "the base is canonical", VMCS_GUEST_GDTR_BASE, is_address_canonical },
	{ TABLES, "the base is canonical", VMCS_GUEST_IDTR_BASE, is_address_canonical },
	{ TABLES, "bits 31:16 of the limit are 0", VMCS_GUEST_GDTR_LIMIT, is_limit_16_bit },
	{ TABLES, "bits 31:16 of the limit are 0", VMCS_GUEST_IDTR_LIMIT, is_limit_16_bit },
	{ RIP, "bits 63:32 of RIP are 0 outside 64-bit mode", VMCS_GUEST_RIP, is_rip_32_bit },
	{ RIP, "bits 63:N of RIP are equal, of N bits of linear addresses", VMCS_GUEST_RIP,
	  is_rip_in_width },
	{ RIP, "bits 63:22, 15, 5 and 3 of RFLAGS are 0", VMCS_GUEST_RFLAGS, is_rflags_reserved_0 },
	{ RIP, "bit 1 of RFLAGS is 1", VMCS_GUEST_RFLAGS, is_rflags_reserved_1 },
	{ RIP, "RFLAGS.VM is 0 in IA-32e mode and in real mode", VMCS_GUEST_RFLAGS,
	  is_vm_possible },
	{ RIP, "RFLAGS.IF is 1 if an external interrupt is injected", VMCS_GUEST_RFLAGS,
	  is_if_for_interrupt },
	ACTIVITY("the state is one that the CPU has", is_activity_known),
	ACTIVITY("HLT needs an SS.DPL of 0", is_hlt_at_dpl_0),
	ACTIVITY("blocking by STI or MOV SS needs the active state", is_active_if_blocked),
	ACTIVITY("in HLT only interrupts, NMI, #DB, #MC and MTF are injected", is_event_for_hlt),
	ACTIVITY("in shutdown only NMI and #MC are injected", is_event_for_shutdown),
	ACTIVITY("waiting for SIPI nothing is injected", is_event_for_sipi),
	BLOCKING("bits 31:5 are 0", is_blocking_reserved),
	BLOCKING("not both blocking by STI and by MOV SS", is_blocked_once),
	BLOCKING("blocking by STI needs RFLAGS.IF", is_sti_with_if),
	BLOCKING("neither STI nor MOV SS blocks if an external interrupt is injected",
		 is_interrupt_unblocked),
	BLOCKING("MOV SS doesn't block if an NMI is injected", is_nmi_not_after_mov_ss),
	BLOCKING("no blocking by SMI outside SMM", is_smi_not_blocked),
	/* "A processor may require": so Plinth keeps to it. */
	BLOCKING("STI doesn't block if an NMI is injected", is_nmi_not_after_sti),
	BLOCKING("with \"virtual NMIs\", no blocking by NMI if an NMI is injected",
		 is_nmi_not_in_nmi),
	BLOCKING("MOV SS doesn't block in an enclave interruption", is_enclave_not_after_mov_ss),
	PENDING("bits 11:4, 13, 15 and 63:17 are 0", is_pending_reserved),
	PENDING("BS is 1 if TF is 1, BTF is 0 and the guest is blocked or halted", is_step_pending),
	PENDING("BS is 0 if TF is 0 or BTF is 1 and the guest is blocked or halted",
		is_no_step_pending),
	PENDING("with RTM, bits 11:0, 15:13 and 63:17 are 0", is_rtm_alone),
	PENDING("with RTM, bit 12 is 1", is_rtm_enabled),
	PENDING("RTM needs a CPU that has RTM", is_rtm_there),
	PENDING("with RTM, MOV SS doesn't block", is_rtm_not_after_mov_ss),
	LINK("bits 11:0 of the address are 0", is_link_page),
	LINK("the address is within the physical-address width", is_link_in_width),
	LINK("bits 30:0 there are the CPU's VMCS revision", is_link_revision),
	LINK("bit 31 there is as \"VMCS shadowing\"", is_link_shadow),
	LINK("the address isn't that of the current VMCS", is_link_other),
	{ PDPTES, "without EPT, reserved bits of present PDPTEs in memory are 0", VMCS_GUEST_CR3,
	  is_pdpte_in_memory },
	PDPTE(VMCS_GUEST_PDPTE0),
	PDPTE(VMCS_GUEST_PDPTE1),
	PDPTE(VMCS_GUEST_PDPTE2),
	PDPTE(VMCS_GUEST_PDPTE3),
};

ENTRY_RULES(vmx_rules_guest, registers);
ENTRY_RULES(vmx_rules_state, state);

/*
 * Sentences without a row:
 * - "load CET state" and SSP, RTIT_CTL, LBR_CTL, PKRS, UINV, FRED: controls without definitions
 *   here;
 * - CR3 bits 62:61 of a CPU with linear-address masking: Plinth offers its guests none;
 * - RTM's other meaning of bit 11 (bus lock): counts as reserved, as no guest is offered it;
 * - "entry to SMM" with an activity state, with blocking by SMI, with the executive VMCS in the
 *   link pointer: entry_controls.c refuses that control;
 * - an enclave interruption needs SGX: there is no way to have one without.
 */
