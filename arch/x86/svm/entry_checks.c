/* SPDX-License-Identifier: GPL-2.0-only */
/* See entry_checks.h. One row a sentence, in the manual's order. */
#include "arch/x86/svm/entry_checks.h"

#include "arch/x86/svm/svm.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "include/x86/msr.h"
#include "lib/printf.h"
#include "lib/string.h"

static bool is_physical(const struct svm_entry *e, u64 address)
{
	return !(address >> e->physical_width);
}

/* [at, at + size): none of it is beyond the largest physical address. */
static bool is_map(const struct svm_entry *e, u64 at, u64 size)
{
	return is_physical(e, at) && is_physical(e, (at & PAGE_MASK) + size - 1);
}

static bool is_canonical(const struct svm_entry *e, u64 address)
{
	unsigned unused = 64 - e->linear_width;

	return (u64)((s64)(address << unused) >> unused) == address;
}

/* --- The VMCB itself --- */

static bool is_vmcb_page(const struct svm_entry *e)
{
	return !(e->address & ~PAGE_MASK);
}

static bool is_vmcb_physical(const struct svm_entry *e)
{
	return is_physical(e, e->address);
}

/* --- Control registers, debug registers, EFER --- */

static bool is_svme_set(const struct svm_entry *e)
{
	return e->vmcb->efer & EFER_SVME;
}

static bool is_nw_with_cd(const struct svm_entry *e)
{
	return (e->vmcb->cr0 & CR0_CD) || !(e->vmcb->cr0 & CR0_NW);
}

static bool is_cr0_32_bit(const struct svm_entry *e)
{
	return !(e->vmcb->cr0 >> 32);
}

static bool is_cr3_physical(const struct svm_entry *e)
{
	return is_physical(e, e->vmcb->cr3);
}

static bool is_cr4_allowed(const struct svm_entry *e)
{
	return !(e->vmcb->cr4 & ~e->cr4);
}

static bool is_dr6_32_bit(const struct svm_entry *e)
{
	return !(e->vmcb->dr6 >> 32);
}

static bool is_dr7_32_bit(const struct svm_entry *e)
{
	return !(e->vmcb->dr7 >> 32);
}

static bool is_efer_allowed(const struct svm_entry *e)
{
	return !(e->vmcb->efer & ~e->efer);
}

static bool is_long_paged(const struct svm_entry *e)
{
	return (e->vmcb->efer & EFER_LME) && (e->vmcb->cr0 & CR0_PG);
}

static bool is_long_with_pae(const struct svm_entry *e)
{
	return !is_long_paged(e) || (e->vmcb->cr4 & CR4_PAE);
}

static bool is_long_with_pe(const struct svm_entry *e)
{
	return !is_long_paged(e) || (e->vmcb->cr0 & CR0_PE);
}

static bool is_l_without_d(const struct svm_entry *e)
{
	u16 both = VMCB_SEG_L | VMCB_SEG_DB;

	return !is_long_paged(e) || !(e->vmcb->cr4 & CR4_PAE) ||
	       (e->vmcb->cs.attrib & both) != both;
}

static bool is_cet_with_wp(const struct svm_entry *e)
{
	return !(e->vmcb->cr4 & CR4_CET) || (e->vmcb->cr0 & CR0_WP);
}

static bool is_s_cet_reserved(const struct svm_entry *e)
{
	return !(e->vmcb->s_cet & ~BITS(1, 0));
}

/* --- Controls --- */

static bool is_vmrun_intercepted(const struct svm_entry *e)
{
	return e->vmcb->intercept[INTERCEPT_MISC2] & SVM_INTERCEPT_VMRUN;
}

#define MSRPM_SIZE	KIB(8)
#define IOPM_SIZE	KIB(12)

static bool is_msrpm_physical(const struct svm_entry *e)
{
	return is_map(e, e->vmcb->msrpm_base_pa, MSRPM_SIZE);
}

static bool is_iopm_physical(const struct svm_entry *e)
{
	return is_map(e, e->vmcb->iopm_base_pa, IOPM_SIZE);
}

static bool is_asid_not_0(const struct svm_entry *e)
{
	return e->vmcb->asid;
}

static bool is_asid_there(const struct svm_entry *e)
{
	return e->vmcb->asid < e->tags;
}

#define VMCB_TLB_FLUSH_ASID_LOCAL 7	/* but global pages */

static bool is_tlb_control_defined(const struct svm_entry *e)
{
	switch (e->vmcb->tlb_control) {
	case VMCB_TLB_NOTHING:
	case VMCB_TLB_FLUSH_ALL:
	case VMCB_TLB_FLUSH_ASID:
	case VMCB_TLB_FLUSH_ASID_LOCAL:
		return true;
	default:
		return false;
	}
}

static bool is_flush_by_asid_there(const struct svm_entry *e)
{
	return e->flush_by_asid || (e->vmcb->tlb_control != VMCB_TLB_FLUSH_ASID &&
				    e->vmcb->tlb_control != VMCB_TLB_FLUSH_ASID_LOCAL);
}

/* --- Event injection --- */

static bool injects(const struct svm_entry *e, u64 type)
{
	u64 event = e->vmcb->eventinj;

	return (event & VMCB_EVENT_V) && (event & VMCB_EVENT_TYPE) >> VMCB_EVENT_TYPE_SHIFT == type;
}

static bool is_event_type(const struct svm_entry *e)
{
	return !(e->vmcb->eventinj & VMCB_EVENT_V) || injects(e, VMCB_EVENT_TYPE_INTR) ||
	       injects(e, VMCB_EVENT_TYPE_NMI) || injects(e, VMCB_EVENT_TYPE_EXCEPTION) ||
	       injects(e, VMCB_EVENT_TYPE_SOFT_INT);
}

static bool is_event_exception(const struct svm_entry *e)
{
	/* APM vol. 2, "Interrupt Vectors": 0 to 8 but NMI, 10 to 14, 16 to 19, 21, 28 to 30. */
	const u64 exceptions = (BITS(8, 0) & ~BIT(EXC_NMI)) | BITS(14, 10) | BITS(19, 16) |
			       BIT(EXC_CP) | BITS(30, 28);
	u8 vector = e->vmcb->eventinj & VMCB_EVENT_VECTOR;

	return !injects(e, VMCB_EVENT_TYPE_EXCEPTION) ||
	       (vector < 32 && (exceptions & BIT(vector)));
}

static bool is_event_reserved(const struct svm_entry *e)
{
	return !(e->vmcb->eventinj & VMCB_EVENT_V) || !(e->vmcb->eventinj & BITS(30, 12));
}

/* --- Nested paging --- */

#define NP_ENABLE	BIT(0)

static bool is_nested(const struct svm_entry *e)
{
	return e->vmcb->np_enable & NP_ENABLE;
}

static bool is_np_there(const struct svm_entry *e)
{
	return e->nested_paging || !is_nested(e);
}

static bool is_np_alone(const struct svm_entry *e)
{
	return !(e->vmcb->np_enable & ~NP_ENABLE);
}

static bool is_host_paged(const struct svm_entry *e)
{
	return !is_nested(e) || e->host_paging;
}

static bool is_ncr3_physical(const struct svm_entry *e)
{
	return !is_nested(e) || is_physical(e, e->vmcb->n_cr3);
}

static bool is_pat_valid(const struct svm_entry *e)
{
	const u32 types = BIT(MEMTYPE_UC) | BIT(MEMTYPE_WC) | BIT(MEMTYPE_WT) | BIT(MEMTYPE_WP) |
			  BIT(MEMTYPE_WB) | BIT(MEMTYPE_UC_MINUS);

	for (unsigned i = 0; is_nested(e) && i < 8; i++) {
		u8 type = e->vmcb->g_pat >> 8 * i;

		if (type > MEMTYPE_UC_MINUS || !(types & BIT(type)))
			return false;
	}
	return true;
}

/* --- Addresses that VMRUN and VMLOAD would sign-extend --- */

#define CANONICAL(name) \
	static bool is_##name##_canonical(const struct svm_entry *e) \
	{ \
		return is_canonical(e, e->vmcb->name.base); \
	}
CANONICAL(es)
CANONICAL(cs)
CANONICAL(ss)
CANONICAL(ds)
CANONICAL(fs)
CANONICAL(gs)
CANONICAL(gdtr)
CANONICAL(ldtr)
CANONICAL(idtr)
CANONICAL(tr)

#define VMRUN	"VMRUN Instruction"
#define CHECKS	"Canonicalization and Consistency Checks"
#define EVENTS	"Event Injection"
#define TLB	"TLB Control"
#define NESTED	"Nested Paging and VMRUN/#VMEXIT"
#define BASE(name, NAME) { CHECKS, NAME ".base", "is canonical", is_##name##_canonical, true }

const struct svm_entry_rule svm_entry_rules[NR_SVM_ENTRY_RULES] = {
	{ VMRUN, "address of the VMCB", "is that of a page", is_vmcb_page },
	{ VMRUN, "address of the VMCB", "is within the physical-address width", is_vmcb_physical },
	{ CHECKS, "EFER", "SVME is 1", is_svme_set },
	{ CHECKS, "CR0", "NW is 0 if CD is 0", is_nw_with_cd },
	{ CHECKS, "CR0", "bits 63:32 are 0", is_cr0_32_bit },
	{ CHECKS, "CR3", "is within the physical-address width", is_cr3_physical, true },
	{ CHECKS, "CR4", "no bit is 1 that must be 0", is_cr4_allowed },
	{ CHECKS, "DR6", "bits 63:32 are 0", is_dr6_32_bit, true },
	{ CHECKS, "DR7", "bits 63:32 are 0", is_dr7_32_bit, true },
	{ CHECKS, "EFER", "no bit is 1 that must be 0", is_efer_allowed },
	{ CHECKS, "CR4", "PAE is 1 if EFER.LME and CR0.PG are 1", is_long_with_pae },
	{ CHECKS, "CR0", "PE is 1 if EFER.LME and PG are 1", is_long_with_pe },
	{ CHECKS, "CS.attrib", "not both L and D are 1 if EFER.LME, CR0.PG and CR4.PAE are 1",
	  is_l_without_d, true },
	{ CHECKS, "intercepts", "VMRUN is intercepted", is_vmrun_intercepted },
	{ CHECKS, "MSRPM_BASE_PA", "the map is within the physical-address width",
	  is_msrpm_physical },
	{ CHECKS, "IOPM_BASE_PA", "the map is within the physical-address width",
	  is_iopm_physical },
	{ EVENTS, "EVENTINJ", "the type is none of the reserved ones", is_event_type },
	{ EVENTS, "EVENTINJ", "an exception has the vector of one", is_event_exception },
	{ EVENTS, "EVENTINJ", "bits 30:12 are 0", is_event_reserved },
	{ CHECKS, "ASID", "is not 0", is_asid_not_0 },
	{ CHECKS, "S_CET", "reserved bits are 0", is_s_cet_reserved },
	{ CHECKS, "CR4", "CET is 0 if CR0.WP is 0", is_cet_with_wp },
	{ TLB, "ASID", "is one that the CPU has", is_asid_there },
	{ TLB, "TLB_CONTROL", "is none of the reserved values", is_tlb_control_defined },
	{ TLB, "TLB_CONTROL", "flushes by ASID only on a CPU that can", is_flush_by_asid_there },
	{ "Enabling Nested Paging", "NP_ENABLE", "is 0 on a CPU without nested paging",
	  is_np_there },
	{ "Enabling Nested Paging", "NP_ENABLE", "stands alone: no SEV, GMET or shadow stacks",
	  is_np_alone },
	{ NESTED, "NP_ENABLE", "is 0 if the host has no paging", is_host_paged },
	{ NESTED, "N_CR3", "is within the physical-address width", is_ncr3_physical },
	{ NESTED, "G_PAT", "each byte is a memory type", is_pat_valid },
	BASE(es, "ES"),
	BASE(cs, "CS"),
	BASE(ss, "SS"),
	BASE(ds, "DS"),
	BASE(fs, "FS"),
	BASE(gs, "GS"),
	BASE(gdtr, "GDTR"),
	BASE(ldtr, "LDTR"),
	BASE(idtr, "IDTR"),
	BASE(tr, "TR"),
};

/*
 * Sentences without a row:
 * - EFER.LMA and LME of a CPU without long mode: Plinth doesn't run there; `efer` has them or not;
 * - SEV, AVIC, virtual NMI, LBR virtualisation, IBS: Plinth has no definitions of their fields and
 *   leaves them 0;
 * - CR0.PG without PE: legal ("Paged Real Mode");
 * - CPL, RIP, RSP, RFLAGS: no combination is refused. A RIP that isn't canonical faults in the
 * guest.
 */

const struct svm_entry_rule *svm_entry_check(const struct svm_entry *e, enum svm_entry_who who)
{
	for (size_t i = 0; i < ARRAY_SIZE(svm_entry_rules); i++) {
		const struct svm_entry_rule *rule = &svm_entry_rules[i];

		if (!(rule->by_guest && who == SVM_RULES_OF_PLINTH) && !rule->holds(e))
			return rule;
	}
	return NULL;
}

/* --- The dump --- */

#define PART(name, field) { name, offsetof(struct vmcb, field), sizeof(((struct vmcb *)0)->field) }
static const struct {
	const char *name;
	u16 at;
	u8 size;
} fields[] = {
	PART("CR_INTERCEPTS", intercept[INTERCEPT_CR]),
	PART("DR_INTERCEPTS", intercept[INTERCEPT_DR]),
	PART("EXCEPTION_INTERCEPTS", intercept[INTERCEPT_EXCEPTION]),
	PART("INTERCEPTS_1", intercept[INTERCEPT_MISC1]),
	PART("INTERCEPTS_2", intercept[INTERCEPT_MISC2]),
	PART("INTERCEPTS_3", intercept[INTERCEPT_MISC3]),
	PART("PAUSE_FILTER_THRESHOLD", pause_filter_threshold),
	PART("PAUSE_FILTER_COUNT", pause_filter_count),
	PART("IOPM_BASE_PA", iopm_base_pa), PART("MSRPM_BASE_PA", msrpm_base_pa),
	PART("TSC_OFFSET", tsc_offset), PART("ASID", asid), PART("TLB_CONTROL", tlb_control),
	PART("VIRTUAL_INTERRUPT", int_ctl), PART("INTERRUPT_SHADOW", int_state),
	PART("EXITCODE", exitcode), PART("EXITINFO1", exitinfo1), PART("EXITINFO2", exitinfo2),
	PART("EXITINTINFO", exitintinfo), PART("NP_ENABLE", np_enable), PART("EVENTINJ", eventinj),
	PART("N_CR3", n_cr3), PART("VIRT_EXT", virt_ext), PART("CLEAN", clean), PART("NRIP", nrip),
	PART("INSN_LEN", insn_len), PART("CPL", cpl), PART("EFER", efer), PART("CR0", cr0),
	PART("CR2", cr2), PART("CR3", cr3), PART("CR4", cr4), PART("DR6", dr6), PART("DR7", dr7),
	PART("RFLAGS", rflags), PART("RIP", rip), PART("RSP", rsp), PART("RAX", rax),
	PART("S_CET", s_cet), PART("SSP", ssp), PART("ISST_ADDR", isst_addr), PART("STAR", star),
	PART("LSTAR", lstar), PART("CSTAR", cstar), PART("SFMASK", sfmask),
	PART("KERNEL_GS_BASE", kernel_gs_base), PART("SYSENTER_CS", sysenter_cs),
	PART("SYSENTER_ESP", sysenter_esp), PART("SYSENTER_EIP", sysenter_eip),
	PART("G_PAT", g_pat), PART("DBGCTL", dbgctl), PART("BR_FROM", br_from),
	PART("BR_TO", br_to), PART("LASTEXCPFROM", last_excp_from),
	PART("LASTEXCPTO", last_excp_to),
}, segments[] = {
	PART("ES", es), PART("CS", cs), PART("SS", ss), PART("DS", ds), PART("FS", fs),
	PART("GS", gs), PART("GDTR", gdtr), PART("LDTR", ldtr), PART("IDTR", idtr), PART("TR", tr),
};

void svm_dump(const struct vmcb *vmcb, dump_printer *print)
{
	struct dump d = { .print = print };

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		u64 value = 0;

		memcpy(&value, (const u8 *)vmcb + fields[i].at, fields[i].size);
		dump_value(&d, fields[i].name, value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(segments); i++) {
		const struct vmcb_segment *s = (const void *)((const u8 *)vmcb + segments[i].at);
		char text[64];

		snprintf(text, sizeof(text), "%s %04x %llx +%x %x", segments[i].name, s->selector,
			 (unsigned long long)s->base, s->limit, s->attrib);
		dump_text(&d, text);
	}
	dump_end(&d);
}
