/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * No VMCB is entered that Plinth has broken a rule of: a part of an image with CHECKS=1 only
 * (svm.h). What the guest may have done itself the CPU judges, as in any image.
 */
#include "arch/x86/svm/svm.h"

#include "arch/x86/cpu.h"
#include "arch/x86/panic.h"
#include "arch/x86/svm/entry_checks.h"
#include "console/console.h"
#include "include/x86/msr.h"

static void check(struct svm_entry e)
{
	const struct svm_entry_rule *broken = svm_entry_check(&e, SVM_RULES_OF_PLINTH);

	if (!broken)
		return;
	svm_dump(e.vmcb, kprintf);
	panic("VMRUN: broken rule: %s: %s (APM vol. 2, \"%s\")", broken->field, broken->rule,
	      broken->section);
}

void svm_before_entry(const struct vcpu *v)
{
	check(svm_entry_of(v));
}

/* A guest in the host's own state. */
void svm_before_measuring(const struct vmcb *vmcb)
{
	check(svm_entry_of_block(vmcb, read_cr4(), rdmsr(MSR_EFER)));
}
