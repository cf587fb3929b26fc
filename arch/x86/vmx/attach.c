/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A context's VMCS on a host CPU: made current there, with the host's state of that CPU and all
 * that never changes; and taken from it again. SDM vol. 3C, "Host-State Area", "Managing VMCS
 * Regions"; "Software Use of Virtual-Machine Control Structures".
 */
#include "arch/x86/vmx/vmx.h"

#include "arch/x86/cpu.h"
#include "arch/x86/percpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "include/x86/cpuid.h"
#include "include/x86/msr.h"
#include "vcpu/vm.h"

static void write_host_state(void)
{
	struct descriptor_pointer gdt = sgdt(), idt = sidt();

	vmcs_write(VMCS_HOST_CR0, read_cr0());
	vmcs_write(VMCS_HOST_CR3, read_cr3());
	vmcs_write(VMCS_HOST_CR4, read_cr4());
	vmcs_write(VMCS_HOST_CS_SELECTOR, SEL_CODE64);
	vmcs_write(VMCS_HOST_SS_SELECTOR, SEL_DATA);
	vmcs_write(VMCS_HOST_DS_SELECTOR, SEL_DATA);
	vmcs_write(VMCS_HOST_ES_SELECTOR, SEL_DATA);
	vmcs_write(VMCS_HOST_FS_SELECTOR, 0);
	vmcs_write(VMCS_HOST_GS_SELECTOR, 0);
	vmcs_write(VMCS_HOST_TR_SELECTOR, SEL_TSS);
	vmcs_write(VMCS_HOST_FS_BASE, 0);
	vmcs_write(VMCS_HOST_GS_BASE, 0);
	vmcs_write(VMCS_HOST_TR_BASE, (u64)&this_cpu()->tss);
	vmcs_write(VMCS_HOST_GDTR_BASE, gdt.base);
	vmcs_write(VMCS_HOST_IDTR_BASE, idt.base);
	vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
	vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_HOST_RIP, (u64)vmx_exit);
}

/* EFER and PAT: by the controls that load and save them, or by the lists of MSRs. */
static void write_msr_lists(struct vmx_block *b)
{
	unsigned n = 0;

	if (vmx_may(&vmx_caps, VMX_ENTRY, VMENTRY_LOAD_EFER)) {
		vmcs_write(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	} else {
		b->guest_list[n].index = MSR_EFER;
		b->host_list[n++] = (struct vmx_msr_entry){ MSR_EFER, 0, rdmsr(MSR_EFER) };
	}
	if (vmx_may(&vmx_caps, VMX_ENTRY, VMENTRY_LOAD_PAT)) {
		vmcs_write(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	} else {
		b->guest_list[n].index = MSR_PAT;
		b->host_list[n++] = (struct vmx_msr_entry){ MSR_PAT, 0, rdmsr(MSR_PAT) };
	}
	vmcs_write(VMCS_ENTRY_MSR_LOAD_ADDRESS, virt_to_phys(b->guest_list).v);
	vmcs_write(VMCS_ENTRY_MSR_LOAD_COUNT, n);
	vmcs_write(VMCS_EXIT_MSR_LOAD_ADDRESS, virt_to_phys(b->host_list).v);
	vmcs_write(VMCS_EXIT_MSR_LOAD_COUNT, n);
	vmcs_write(VMCS_EXIT_MSR_STORE_COUNT, 0);
}

static u32 secondary_controls(const struct vcpu *v)
{
	u32 wanted = SECONDARY_ENABLE_EPT | SECONDARY_ENABLE_VPID | SECONDARY_UNRESTRICTED_GUEST |
		     SECONDARY_MODE_BASED_EXECUTE;

	if (v->vm->cpuid.ext[1].edx & CPUID_X1D_RDTSCP)
		wanted |= SECONDARY_ENABLE_RDTSCP;
	return vmx_controls(&vmx_caps, VMX_SECONDARY, wanted);
}

#define LONGEST_RUN	50000	/* TSC ticks */

/* The exits before count too: the timer goes on where it was. */
void vmx_bound_run(void)
{
	vmcs_write(VMCS_PREEMPTION_TIMER, LONGEST_RUN >> (vmx_caps.misc & VMX_MISC_TIMER_SHIFT));
}

static void write_pin_controls(void)
{
	u32 wanted = PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;

	if (vmx_bounds_runs()) {
		wanted |= PIN_PREEMPTION_TIMER;
		vmx_bound_run();
	}
	vmcs_write(VMCS_PIN_CONTROLS, vmx_controls(&vmx_caps, VMX_PIN, wanted));
}

void vmx_write_constants(struct vmx_block *b)
{
	b->entry = vmx_controls(&vmx_caps, VMX_ENTRY, VMENTRY_LOAD_DEBUG_CONTROLS |
				VMENTRY_LOAD_PAT | VMENTRY_LOAD_EFER);
	write_pin_controls();
	vmcs_write(VMCS_EXIT_CONTROLS, vmx_controls(&vmx_caps, VMX_EXIT,
		   VMEXIT_SAVE_DEBUG_CONTROLS | VMEXIT_HOST_64_BIT | VMEXIT_LOAD_PAT |
		   VMEXIT_LOAD_EFER | (vmx_bounds_runs() ? VMEXIT_SAVE_PREEMPTION_TIMER : 0)));
	vmcs_write(VMCS_ENTRY_CONTROLS, b->entry);
	vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO, 0);
	vmcs_write(VMCS_PAGE_FAULT_MASK, 0);
	vmcs_write(VMCS_PAGE_FAULT_MATCH, 0);
	vmcs_write(VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write(VMCS_MSR_BITMAPS, virt_to_phys(b->msr_bitmap).v);
	vmcs_write(VMCS_VMCS_LINK_POINTER, ~0ull);
	vmcs_write(VMCS_GUEST_ACTIVITY, VMX_ACTIVE);
	write_msr_lists(b);
	write_host_state();
	b->launched = false;
	b->host_rsp = 0;
}

/* Groups, or parts of them, that are in the CPU itself while their context has it. */
#define IN_CPU (CTX_CR2 | CTX_DR | CTX_LOADSAVE)

/* The vCPU's other context has run here, and its VMCS is still the current one. */
static void save_other(struct vcpu *v, struct cpu_ctx *other)
{
	struct cpu_ctx *c = v->cur;

	v->cur = other;
	ctx_need(v, IN_CPU);
	ctx_dirty(v, IN_CPU);
	v->cur = c;
}

void vmx_attach(struct vcpu *v)
{
	struct vmx_block *b = vmx_block_of(v);
	struct vmx_cpu *cpu = &vmx_cpus[v->cpu];
	bool done = b->ready || vmclear(b->vmcs_pa);

	if (cpu->ctx && cpu->ctx != v->cur)
		save_other(v, cpu->ctx);
	cpu->ctx = v->cur;
	done = done && vmptrld(b->vmcs_pa);
	assert(done);
	if (!b->ready) {
		b->secondary = secondary_controls(v);
		vmx_write_constants(b);
		b->ready = true;
	}
	if (tags_take(&cpu->tags, vmx_backend_caps.tags, v->cpu, &b->tag))
		vcpu_request(v, REQUEST_FLUSH);
	if (b->secondary & SECONDARY_ENABLE_VPID)
		vmcs_write(VMCS_VPID, b->tag.value);
}

/* All of it into the context: another attach() begins with an empty VMCS. */
static void detach_context(struct vcpu *v, struct cpu_ctx *c)
{
	struct vmx_block *b = c->hw;
	struct cpu_ctx *cur = v->cur;
	bool done;

	if (!b || !b->ready)
		return;
	v->cur = c;
	done = vmptrld(b->vmcs_pa);
	ctx_need(v, CTX_ALL);
	ctx_dirty(v, CTX_ALL & ~(CTX_CODE | CTX_CPL));
	done = done && vmclear(b->vmcs_pa);
	assert(done);
	b->ready = false;
	v->cur = cur;
}

/* Both contexts: what the CPU keeps of a VMCS must be in memory before another CPU uses it.
 * The current one first, whose registers the CPU itself has. */
void vmx_detach(struct vcpu *v)
{
	struct vmx_cpu *cpu = &vmx_cpus[v->cpu];

	detach_context(v, v->cur);
	for (unsigned i = 0; i < ARRAY_SIZE(v->ctx); i++)
		detach_context(v, &v->ctx[i]);
	vmx_write_msrs(&cpu->host_msrs);
	cpu->ctx = NULL;
}
