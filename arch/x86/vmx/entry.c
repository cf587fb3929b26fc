/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Failed entries: the rules (entry_checks.h) applied to the current VMCS of this CPU. Nothing here is
 * on the way of an entry that succeeds.
 */
#include "arch/x86/vmx/vmx.h"

#include "arch/x86/cpu.h"
#include "arch/x86/vmx/entry_checks.h"
#include "arch/x86/vmx/vmcs.h"
#include "console/console.h"
#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"

/* The bits that DEBUGCTL has on every CPU of today; Plinth's guests set none. */
#define DEBUGCTL_BITS	(DEBUGCTL_LBR | DEBUGCTL_BTF)

static u64 read_field(const void *ctx, u32 field)
{
	return vmcs_read(field);
}

static bool read_field_safe(const void *ctx, u32 field, u64 *value)
{
	return vmcs_read_safe(field, value);
}

/* The lists of MSRs are Plinth's own memory. */
static u64 read_memory(const void *ctx, u64 address)
{
	return *(const u64 *)phys_to_virt(HPA(address));
}

struct vmx_entry vmx_entry_of(const struct vmx_block *b)
{
	u32 sizes = cpuid(CPUID_EXT_SIZES, 0).eax;

	return (struct vmx_entry){
		.read = read_field,
		.read_memory = read_memory,
		.caps = &vmx_caps,
		.physical_width = sizes & CPUID_X8A_MAXPHYADDR,
		.linear_width = sizes >> 8 & 0xff,
		.in_ia32e_mode = true,
		.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
		.debugctl = DEBUGCTL_BITS,
		.vmcs = b->vmcs_pa,
	};
}

void vmx_explain_failure(struct vcpu *v)
{
	struct vmx_entry e = vmx_entry_of(vmx_block_of(v));
	const struct vmx_entry_rule *rule = vmx_entry_check(&e);

	v->exit.entry_failed.field = rule ? vmx_field_name(rule->field) : NULL;
	v->exit.entry_failed.rule = rule ? rule->rule : NULL;
}

void vmx_dump_block(const struct vcpu *v)
{
	vmx_dump(read_field_safe, NULL, kprintf);
}
