/* SPDX-License-Identifier: GPL-2.0-only */
/* SDM vol. 3C, "Checks on VMX Controls": one row a sentence, in its order. */
#include "arch/x86/vmx/entry_rules.h"

#include "include/x86/exception.h"

/* --- Reserved bits --- */

static bool is_word_supported(const struct vmx_entry *e, u32 field)
{
	static const u32 field_of[NR_VMX_CONTROL_WORDS] = {
		[VMX_PIN] = VMCS_PIN_CONTROLS, [VMX_PRIMARY] = VMCS_PRIMARY_CONTROLS,
		[VMX_SECONDARY] = VMCS_SECONDARY_CONTROLS, [VMX_EXIT] = VMCS_EXIT_CONTROLS,
		[VMX_ENTRY] = VMCS_ENTRY_CONTROLS,
	};
	unsigned word = VMX_PIN;

	while (field_of[word] != field)
		word++;
	return is_supported((u32)rule_read(e, field), e->caps->control[word].must,
			    e->caps->control[word].may, 0);
}

static bool is_secondary_supported(const struct vmx_entry *e, u32 field)
{
	return !has_primary(e, PRIMARY_SECONDARY_CONTROLS) || is_word_supported(e, field);
}

static bool are_cr3_targets_few(const struct vmx_entry *e, u32 field)
{
	return rule_read(e, field) <= (e->caps->misc & VMX_MISC_CR3_TARGETS) >>
	       VMX_MISC_CR3_TARGETS_SHIFT;
}

/* --- Addresses: of use only while a control is 1 --- */

static bool is_switching_eptp(const struct vmx_entry *e)
{
	return has_secondary(e, SECONDARY_ENABLE_VM_FUNCTIONS) &&
	       (rule_read(e, VMCS_VM_FUNCTION_CONTROLS) & VM_FUNCTION_EPTP_SWITCHING);
}

static bool is_used(const struct vmx_entry *e, u32 field)
{
	switch (field) {
	case VMCS_IO_BITMAP_A:
	case VMCS_IO_BITMAP_B:
		return has_primary(e, PRIMARY_USE_IO_BITMAPS);
	case VMCS_MSR_BITMAPS:
		return has_primary(e, PRIMARY_USE_MSR_BITMAPS);
	case VMCS_VIRTUAL_APIC_ADDRESS:
		return has_primary(e, PRIMARY_USE_TPR_SHADOW);
	case VMCS_APIC_ACCESS_ADDRESS:
		return has_secondary(e, SECONDARY_VIRTUALIZE_APIC_ACCESSES);
	case VMCS_POSTED_INTERRUPT_DESCRIPTOR:
		return has_pin(e, PIN_POSTED_INTERRUPTS);
	case VMCS_PML_ADDRESS:
		return has_secondary(e, SECONDARY_ENABLE_PML);
	case VMCS_SPP_TABLE_POINTER:
		return has_secondary(e, SECONDARY_SUB_PAGE_WRITE);
	case VMCS_EPTP_LIST_ADDRESS:
		return is_switching_eptp(e);
	case VMCS_VMREAD_BITMAP:
	case VMCS_VMWRITE_BITMAP:
		return has_secondary(e, SECONDARY_VMCS_SHADOWING);
	default:	/* VMCS_VE_INFORMATION_ADDRESS */
		return has_secondary(e, SECONDARY_EPT_VIOLATION_VE);
	}
}

static bool is_page(const struct vmx_entry *e, u32 field)
{
	return !is_used(e, field) || !(rule_read(e, field) & ~PAGE_MASK);
}

static bool is_in_width(const struct vmx_entry *e, u32 field)
{
	return !is_used(e, field) || is_region(e, rule_read(e, field));
}

/* --- The virtual APIC --- */

static bool is_threshold_4_bits(const struct vmx_entry *e, u32 field)
{
	return !has_primary(e, PRIMARY_USE_TPR_SHADOW) ||
	       has_secondary(e, SECONDARY_VIRTUAL_INTERRUPT_DELIVERY) ||
	       !(rule_read(e, field) & ~0xfull);
}

#define VTPR	0x80	/* on the virtual-APIC page */

static bool is_threshold_low(const struct vmx_entry *e, u32 field)
{
	u8 vtpr;

	if (!e->read_memory || !has_primary(e, PRIMARY_USE_TPR_SHADOW) ||
	    has_secondary(e, SECONDARY_VIRTUALIZE_APIC_ACCESSES |
				     SECONDARY_VIRTUAL_INTERRUPT_DELIVERY))
		return true;
	vtpr = e->read_memory(e->ctx, (rule_read(e, VMCS_VIRTUAL_APIC_ADDRESS) & PAGE_MASK) + VTPR);
	return (rule_read(e, field) & 0xf) <= vtpr >> 4;
}

static bool needs_tpr_shadow(const struct vmx_entry *e, u32 field)
{
	return has_primary(e, PRIMARY_USE_TPR_SHADOW) ||
	       !has_secondary(e, SECONDARY_VIRTUALIZE_X2APIC_MODE |
					 SECONDARY_APIC_REGISTER_VIRTUALIZATION |
					 SECONDARY_VIRTUAL_INTERRUPT_DELIVERY);
}

static bool needs_nmi_exiting(const struct vmx_entry *e, u32 field)
{
	return has_pin(e, PIN_NMI_EXITING) || !has_pin(e, PIN_VIRTUAL_NMIS);
}

static bool needs_virtual_nmis(const struct vmx_entry *e, u32 field)
{
	return has_pin(e, PIN_VIRTUAL_NMIS) || !has_primary(e, PRIMARY_NMI_WINDOW_EXITING);
}

static bool is_one_apic_mode(const struct vmx_entry *e, u32 field)
{
	return !has_secondary(e, SECONDARY_VIRTUALIZE_X2APIC_MODE) ||
	       !has_secondary(e, SECONDARY_VIRTUALIZE_APIC_ACCESSES);
}

static bool needs_interrupt_exiting(const struct vmx_entry *e, u32 field)
{
	return !has_secondary(e, SECONDARY_VIRTUAL_INTERRUPT_DELIVERY) ||
	       has_pin(e, PIN_EXTERNAL_INTERRUPT_EXITING);
}

static bool posts_to_virtual_delivery(const struct vmx_entry *e, u32 field)
{
	return !has_pin(e, PIN_POSTED_INTERRUPTS) ||
	       has_secondary(e, SECONDARY_VIRTUAL_INTERRUPT_DELIVERY);
}

static bool posts_acknowledged(const struct vmx_entry *e, u32 field)
{
	return !has_pin(e, PIN_POSTED_INTERRUPTS) || has_exit(e, VMEXIT_ACKNOWLEDGE_INTERRUPT);
}

static bool posts_by_vector(const struct vmx_entry *e, u32 field)
{
	return !has_pin(e, PIN_POSTED_INTERRUPTS) || rule_read(e, field) < 256;
}

static bool posts_at_64(const struct vmx_entry *e, u32 field)
{
	return !has_pin(e, PIN_POSTED_INTERRUPTS) || !(rule_read(e, field) & 63);
}

/* --- Tags, nested tables --- */

static bool is_vpid_not_0(const struct vmx_entry *e, u32 field)
{
	return !has_secondary(e, SECONDARY_ENABLE_VPID) || rule_read(e, field);
}

static bool is_eptp_type(const struct vmx_entry *e, u32 field)
{
	u64 type;

	if (!has_secondary(e, SECONDARY_ENABLE_EPT))
		return true;
	type = rule_read(e, field) & EPTP_TYPE;
	return (type == EPTP_TYPE_WB && (e->caps->ept_vpid & VMX_EPT_WB)) ||
	       (type == EPTP_TYPE_UC && (e->caps->ept_vpid & VMX_EPT_UC));
}

static bool is_eptp_length(const struct vmx_entry *e, u32 field)
{
	u64 levels;

	if (!has_secondary(e, SECONDARY_ENABLE_EPT))
		return true;
	levels = (rule_read(e, field) & EPTP_LEVELS) >> EPTP_LEVELS_SHIFT;
	return (levels == 3 && (e->caps->ept_vpid & VMX_EPT_4_LEVELS)) ||
	       (levels == 4 && (e->caps->ept_vpid & VMX_EPT_5_LEVELS));
}

static bool is_eptp_ad(const struct vmx_entry *e, u32 field)
{
	return !has_secondary(e, SECONDARY_ENABLE_EPT) || !(rule_read(e, field) & EPTP_AD) ||
	       (e->caps->ept_vpid & VMX_EPT_AD);
}

/* Bit 7 is "supervisor shadow-stack control": a part of CET, which Plinth has no definitions of. */
static bool is_eptp_reserved(const struct vmx_entry *e, u32 field)
{
	return !has_secondary(e, SECONDARY_ENABLE_EPT) ||
	       (!(rule_read(e, field) & EPTP_RESERVED) && is_region(e, rule_read(e, field)));
}

/* Of `controls`: each stands on EPT. */
static bool needs_ept(const struct vmx_entry *e, u32 controls)
{
	return !has_secondary(e, controls) || has_secondary(e, SECONDARY_ENABLE_EPT);
}

static bool is_pml_with_ept(const struct vmx_entry *e, u32 field)
{
	return needs_ept(e, SECONDARY_ENABLE_PML);
}

static bool is_unrestricted_with_ept(const struct vmx_entry *e, u32 field)
{
	return needs_ept(e, SECONDARY_UNRESTRICTED_GUEST | SECONDARY_MODE_BASED_EXECUTE);
}

static bool is_spp_with_ept(const struct vmx_entry *e, u32 field)
{
	return needs_ept(e, SECONDARY_SUB_PAGE_WRITE);
}

/* Which functions there are, IA32_VMX_VMFUNC tells, which Plinth doesn't read: it has use for none
 * but this one. */
static bool are_vm_functions_known(const struct vmx_entry *e, u32 field)
{
	return !has_secondary(e, SECONDARY_ENABLE_VM_FUNCTIONS) ||
	       !(rule_read(e, field) & ~VM_FUNCTION_EPTP_SWITCHING);
}

static bool is_switching_with_ept(const struct vmx_entry *e, u32 field)
{
	return !is_switching_eptp(e) || has_secondary(e, SECONDARY_ENABLE_EPT);
}

/* --- MSR lists --- */

static u32 count_of(u32 address)
{
	switch (address) {
	case VMCS_EXIT_MSR_STORE_ADDRESS:
		return VMCS_EXIT_MSR_STORE_COUNT;
	case VMCS_EXIT_MSR_LOAD_ADDRESS:
		return VMCS_EXIT_MSR_LOAD_COUNT;
	default:
		return VMCS_ENTRY_MSR_LOAD_COUNT;
	}
}

static bool is_list_at_16(const struct vmx_entry *e, u32 field)
{
	return !rule_read(e, count_of(field)) || !(rule_read(e, field) & 15);
}

static bool is_list_in_width(const struct vmx_entry *e, u32 field)
{
	return !rule_read(e, count_of(field)) || is_region(e, rule_read(e, field));
}

static bool is_list_end_in_width(const struct vmx_entry *e, u32 field)
{
	u64 count = rule_read(e, count_of(field));

	return !count ||
	       is_region(e, rule_read(e, field) + count * sizeof(struct vmx_msr_entry) - 1);
}

/* --- Exits --- */

static bool is_timer_saved_if_used(const struct vmx_entry *e, u32 field)
{
	return has_pin(e, PIN_PREEMPTION_TIMER) || !has_exit(e, VMEXIT_SAVE_PREEMPTION_TIMER);
}

/* --- Event injection --- */

static bool is_event_type(const struct vmx_entry *e, u32 field)
{
	return !injects(e, 1) && (!injects(e, INTERRUPTION_OTHER) ||
				  (e->caps->control[VMX_PRIMARY].may & PRIMARY_MONITOR_TRAP_FLAG));
}

static bool is_nmi_2(const struct vmx_entry *e, u32 field)
{
	return !injects(e, INTERRUPTION_NMI) || (rule_injected(e) & INTERRUPTION_VECTOR) == EXC_NMI;
}

static bool is_exception_below_32(const struct vmx_entry *e, u32 field)
{
	return !injects(e, INTERRUPTION_EXCEPTION) || (rule_injected(e) & INTERRUPTION_VECTOR) < 32;
}

static bool is_other_0(const struct vmx_entry *e, u32 field)
{
	return !injects(e, INTERRUPTION_OTHER) || !(rule_injected(e) & INTERRUPTION_VECTOR);
}

static bool delivers_error(const struct vmx_entry *e)
{
	return (rule_injected(e) & INTERRUPTION_VALID) &&
	       (rule_injected(e) & INTERRUPTION_HAS_ERROR);
}

/* "Unrestricted guest" is 0 or CR0.PE is 1: real mode has no error codes. */
static bool has_errors(const struct vmx_entry *e)
{
	return !is_unrestricted(e) || (rule_read(e, VMCS_GUEST_CR0) & CR0_PE);
}

static bool is_error_not_real_mode(const struct vmx_entry *e, u32 field)
{
	return !delivers_error(e) || has_errors(e);
}

static bool is_error_of_exception(const struct vmx_entry *e, u32 field)
{
	return !delivers_error(e) || injects(e, INTERRUPTION_EXCEPTION);
}

/* A CPU with IA32_VMX_BASIC[56] takes any vector with or without; Plinth doesn't rely on that. */
static bool is_error_of_vector(const struct vmx_entry *e, u32 field)
{
	const u32 with_error = BIT(EXC_DF) | BIT(EXC_TS) | BIT(EXC_NP) | BIT(EXC_SS) | BIT(EXC_GP) |
			       BIT(EXC_PF) | BIT(EXC_AC);

	if (!injects(e, INTERRUPTION_EXCEPTION) || !has_errors(e))
		return true;
	return delivers_error(e) ==
	       !!(with_error & BIT(rule_injected(e) & INTERRUPTION_VECTOR & 31));
}

static bool is_event_reserved(const struct vmx_entry *e, u32 field)
{
	return !(rule_injected(e) & INTERRUPTION_VALID) ||
	       !(rule_injected(e) & INTERRUPTION_RESERVED);
}

static bool is_error_16_bits(const struct vmx_entry *e, u32 field)
{
	return !delivers_error(e) || !(rule_read(e, field) >> 16);
}

static bool is_event_length(const struct vmx_entry *e, u32 field)
{
	u64 length, least = e->caps->misc & VMX_MISC_LENGTH_0 ? 0 : 1;

	if (!injects(e, INTERRUPTION_SOFT_INT) && !injects(e, INTERRUPTION_PRIV_SOFT_EXC) &&
	    !injects(e, INTERRUPTION_SOFT_EXC))
		return true;
	length = rule_read(e, field);
	return length >= least && length <= 15;
}

/* --- System management: Plinth is never in SMM --- */

static bool is_not_to_smm(const struct vmx_entry *e, u32 field)
{
	return !has_entry(e, VMENTRY_TO_SMM);
}

static bool is_dual_monitor_kept(const struct vmx_entry *e, u32 field)
{
	return !has_entry(e, VMENTRY_DEACTIVATE_DUAL_MONITOR);
}

#define EXECUTION "VM-Execution Control Fields"
#define EXITS	"VM-Exit Control Fields"
#define ENTRIES	"VM-Entry Control Fields"
#define PAGE(field, name) \
	{ EXECUTION, "bits 11:0 of the " name " are 0", field, is_page }, \
	{ EXECUTION, "the " name " is within the physical-address width", field, is_in_width }
#define LIST(section, field, name) \
	{ section, "bits 3:0 of the " name " are 0", field, is_list_at_16 }, \
	{ section, "the " name " is within the physical-address width", field, is_list_in_width }, \
	{ section, "the last byte at the " name " is within the physical-address width", field, \
	  is_list_end_in_width }

static const struct vmx_entry_rule rows[] = {
	{ EXECUTION, "reserved bits of the pin-based controls", VMCS_PIN_CONTROLS,
	  is_word_supported },
	{ EXECUTION, "reserved bits of the primary processor-based controls", VMCS_PRIMARY_CONTROLS,
	  is_word_supported },
	{ EXECUTION, "reserved bits of the secondary processor-based controls",
	  VMCS_SECONDARY_CONTROLS, is_secondary_supported },
	{ EXECUTION, "at most as many CR3 targets as there are", VMCS_CR3_TARGET_COUNT,
	  are_cr3_targets_few },
	PAGE(VMCS_IO_BITMAP_A, "address of I/O bitmap A"),
	PAGE(VMCS_IO_BITMAP_B, "address of I/O bitmap B"),
	PAGE(VMCS_MSR_BITMAPS, "MSR-bitmap address"),
	PAGE(VMCS_VIRTUAL_APIC_ADDRESS, "virtual-APIC address"),
	{ EXECUTION, "bits 31:4 of the TPR threshold are 0", VMCS_TPR_THRESHOLD,
	  is_threshold_4_bits },
	{ EXECUTION, "the TPR threshold is not above VTPR[7:4]", VMCS_TPR_THRESHOLD,
	  is_threshold_low },
	{ EXECUTION, "x2APIC mode, APIC registers and virtual interrupts need \"use TPR shadow\"",
	  VMCS_SECONDARY_CONTROLS, needs_tpr_shadow },
	{ EXECUTION, "\"virtual NMIs\" needs \"NMI exiting\"", VMCS_PIN_CONTROLS,
	  needs_nmi_exiting },
	{ EXECUTION, "\"NMI-window exiting\" needs \"virtual NMIs\"", VMCS_PRIMARY_CONTROLS,
	  needs_virtual_nmis },
	PAGE(VMCS_APIC_ACCESS_ADDRESS, "APIC-access address"),
	{ EXECUTION, "\"virtualize x2APIC mode\" excludes \"virtualize APIC accesses\"",
	  VMCS_SECONDARY_CONTROLS, is_one_apic_mode },
	{ EXECUTION, "\"virtual-interrupt delivery\" needs \"external-interrupt exiting\"",
	  VMCS_PIN_CONTROLS, needs_interrupt_exiting },
	{ EXECUTION, "\"process posted interrupts\" needs \"virtual-interrupt delivery\"",
	  VMCS_SECONDARY_CONTROLS, posts_to_virtual_delivery },
	{ EXECUTION, "\"process posted interrupts\" needs \"acknowledge interrupt on exit\"",
	  VMCS_EXIT_CONTROLS, posts_acknowledged },
	{ EXECUTION, "the posted-interrupt notification vector is below 256",
	  VMCS_POSTED_INTERRUPT_VECTOR, posts_by_vector },
	{ EXECUTION, "bits 5:0 of the posted-interrupt descriptor address are 0",
	  VMCS_POSTED_INTERRUPT_DESCRIPTOR, posts_at_64 },
	{ EXECUTION, "the posted-interrupt descriptor address is within the physical-address width",
	  VMCS_POSTED_INTERRUPT_DESCRIPTOR, is_in_width },
	{ EXECUTION, "the VPID is not 0", VMCS_VPID, is_vpid_not_0 },
	{ EXECUTION, "the EPTP's memory type is one that the CPU has", VMCS_EPT_POINTER,
	  is_eptp_type },
	{ EXECUTION, "the EPTP's page-walk length is one that the CPU has", VMCS_EPT_POINTER,
	  is_eptp_length },
	{ EXECUTION, "the EPTP asks for accessed and dirty flags only of a CPU that has them",
	  VMCS_EPT_POINTER, is_eptp_ad },
	{ EXECUTION, "reserved bits of the EPTP are 0", VMCS_EPT_POINTER, is_eptp_reserved },
	{ EXECUTION, "\"enable PML\" needs \"enable EPT\"", VMCS_SECONDARY_CONTROLS,
	  is_pml_with_ept },
	PAGE(VMCS_PML_ADDRESS, "PML address"),
	{ EXECUTION,
	  "\"unrestricted guest\" and \"mode-based execute control\" need \"enable EPT\"",
	  VMCS_SECONDARY_CONTROLS, is_unrestricted_with_ept },
	{ EXECUTION, "\"sub-page write permissions\" needs \"enable EPT\"", VMCS_SECONDARY_CONTROLS,
	  is_spp_with_ept },
	PAGE(VMCS_SPP_TABLE_POINTER, "SPPTP"),
	{ EXECUTION, "reserved bits of the VM-function controls are 0", VMCS_VM_FUNCTION_CONTROLS,
	  are_vm_functions_known },
	{ EXECUTION, "\"EPTP switching\" needs \"enable EPT\"", VMCS_VM_FUNCTION_CONTROLS,
	  is_switching_with_ept },
	PAGE(VMCS_EPTP_LIST_ADDRESS, "EPTP-list address"),
	PAGE(VMCS_VMREAD_BITMAP, "VMREAD-bitmap address"),
	PAGE(VMCS_VMWRITE_BITMAP, "VMWRITE-bitmap address"),
	PAGE(VMCS_VE_INFORMATION_ADDRESS, "virtualization-exception information address"),

	{ EXITS, "reserved bits of the VM-exit controls", VMCS_EXIT_CONTROLS, is_word_supported },
	{ EXITS, "\"save VMX-preemption timer value\" needs \"activate VMX-preemption timer\"",
	  VMCS_EXIT_CONTROLS, is_timer_saved_if_used },
	LIST(EXITS, VMCS_EXIT_MSR_STORE_ADDRESS, "VM-exit MSR-store address"),
	LIST(EXITS, VMCS_EXIT_MSR_LOAD_ADDRESS, "VM-exit MSR-load address"),

	{ ENTRIES, "reserved bits of the VM-entry controls", VMCS_ENTRY_CONTROLS,
	  is_word_supported },
	{ ENTRIES, "the event's type is none of the reserved ones", VMCS_ENTRY_INTERRUPTION_INFO,
	  is_event_type },
	{ ENTRIES, "an NMI has vector 2", VMCS_ENTRY_INTERRUPTION_INFO, is_nmi_2 },
	{ ENTRIES, "an exception has a vector of at most 31", VMCS_ENTRY_INTERRUPTION_INFO,
	  is_exception_below_32 },
	{ ENTRIES, "another event has vector 0", VMCS_ENTRY_INTERRUPTION_INFO, is_other_0 },
	{ ENTRIES, "no error code is delivered in real mode", VMCS_ENTRY_INTERRUPTION_INFO,
	  is_error_not_real_mode },
	{ ENTRIES, "an error code is delivered with an exception only",
	  VMCS_ENTRY_INTERRUPTION_INFO, is_error_of_exception },
	{ ENTRIES, "an error code is delivered with just those vectors that have one",
	  VMCS_ENTRY_INTERRUPTION_INFO, is_error_of_vector },
	{ ENTRIES, "bits 30:12 of the event are 0", VMCS_ENTRY_INTERRUPTION_INFO,
	  is_event_reserved },
	{ ENTRIES, "bits 31:16 of the error code are 0", VMCS_ENTRY_EXCEPTION_ERROR_CODE,
	  is_error_16_bits },
	{ ENTRIES, "the instruction length of a software event is one that there is",
	  VMCS_ENTRY_INSTRUCTION_LENGTH, is_event_length },
	LIST(ENTRIES, VMCS_ENTRY_MSR_LOAD_ADDRESS, "VM-entry MSR-load address"),
	{ ENTRIES, "\"entry to SMM\" is 0 outside SMM", VMCS_ENTRY_CONTROLS, is_not_to_smm },
	{ ENTRIES, "\"deactivate dual-monitor treatment\" is 0 outside SMM", VMCS_ENTRY_CONTROLS,
	  is_dual_monitor_kept },
};

ENTRY_RULES(vmx_rules_controls, rows);

/*
 * Sentences without a row:
 * - tertiary controls (HLAT, IPI virtualization, guest paging verification), secondary VM-exit
 *   controls, "Intel PT uses guest physical addresses", PASID translation: no definitions here.
 *   They can't be on: a control word that has an unknown bit set is Plinth's own fault, and the
 *   tertiary word is never activated;
 * - EPTP bit 7, "prematurely busy shadow stack", the nested-exception bit of FRED: CET and FRED
 *   have no definitions here, so the bits count as reserved;
 * - "entry to SMM" and "deactivate dual-monitor treatment" aren't both 1: the two rows for being
 *   outside SMM refuse either;
 * - what is checked before (CPL, blocking by MOV SS, a current VMCS, its launch state): not in the
 *   VMCS.
 */
