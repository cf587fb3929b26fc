/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Failed entries: the rules (entry_checks.h) applied to the VMCBs of this CPU's guests. Nothing
 * here is on the way of an entry that succeeds.
 */
#include "arch/x86/svm/svm.h"

#include "arch/x86/cpu.h"
#include "arch/x86/memory.h"
#include "arch/x86/svm/entry_checks.h"
#include "console/console.h"
#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "vcpu/vm.h"

static unsigned physical_width, linear_width;

void svm_entry_init(void)
{
	u32 sizes = cpuid(CPUID_EXT_SIZES, 0).eax;

	physical_width = sizes & CPUID_X8A_MAXPHYADDR;
	linear_width = sizes >> 8 & 0xff;
}

struct svm_entry svm_entry_of_block(const struct vmcb *vmcb, u64 cr4, u64 efer)
{
	return (struct svm_entry){
		.vmcb = vmcb,
		.address = virt_to_phys(vmcb).v,
		.physical_width = physical_width,
		.linear_width = linear_width,
		.cr4 = cr4,
		.efer = efer,
		.tags = svm_caps.tags,
		.nested_paging = svm_caps.nested_paging,
		.flush_by_asid = svm_caps.flush_by_tag,
		.host_paging = read_cr0() & CR0_PG,
	};
}

/* What the guest is offered the CPU has; the rest is what Plinth itself sets (state.c). */
struct svm_entry svm_entry_of(const struct vcpu *v)
{
	return svm_entry_of_block(vmcb_of(v), v->vm->cpuid.cr4 | CR4_MCE,
				  v->vm->cpuid.efer | EFER_SVME);
}

/* The exit has cleared EVENTINJ and TLB_CONTROL, so a fault of theirs can't be told any more. */
void svm_explain_failure(struct vcpu *v)
{
	struct svm_entry e = svm_entry_of(v);
	const struct svm_entry_rule *rule = svm_entry_check(&e, SVM_RULES_ALL);

	v->exit.entry_failed.qualification = vmcb_of(v)->exitinfo1;
	v->exit.entry_failed.field = rule ? rule->field : NULL;
	v->exit.entry_failed.rule = rule ? rule->rule : NULL;
}

void svm_dump_block(const struct vcpu *v)
{
	svm_dump(vmcb_of(v), kprintf);
}
