/* SPDX-License-Identifier: GPL-2.0-only */
/* No VMCS is entered that breaks a rule: a part of an image with CHECKS=1 only (vmx.h). */
#include "arch/x86/vmx/vmx.h"

#include "arch/x86/panic.h"
#include "arch/x86/vmx/entry_checks.h"

void vmx_before_entry(const struct vcpu *v)
{
	struct vmx_entry e = vmx_entry_of(vmx_block_of(v));
	const struct vmx_entry_rule *broken = vmx_entry_check(&e);

	if (!broken)
		return;
	vmx_dump_block(v);
	panic("VM entry: broken rule: %s: %s (SDM vol. 3C, \"%s\")", vmx_field_name(broken->field),
	      broken->rule, broken->section);
}
