/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SVM backend put together: whether the machine has SVM, switching it on, a context's control
 * block. APM vol. 2, "Enabling SVM"; "CPUID Fn8000_000A SVM Revision and Feature Identification".
 */
#include "arch/x86/svm/svm.h"

#include "arch/x86/cpu.h"
#include "arch/x86/memory.h"
#include "arch/x86/percpu.h"
#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "vcpu/vm.h"

struct backend_caps svm_caps;
u32 svm_clean_after_exit;
struct svm_cpu svm_cpus[MAX_CPUS];
u64 svm_iopm_pa;

#define IOPM_PAGES	3
#define MSRPM_PAGES	2

static bool is_present(void)
{
	return cpuid(CPUID_EXT, 0).eax >= CPUID_EXT_FEATURES &&
	       (cpuid(CPUID_EXT_FEATURES, 0).ecx & CPUID_X1C_SVM);
}

static const char *probe(void)
{
	u64 vm_cr = 0;

	if (rdmsr_safe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS))
		return "SVM is switched off by the firmware (VM_CR.SVMDIS). Switch on \"SVM\" or "
		       "\"Virtualization\" in the firmware set-up";
	svm_find_features();
	svm_caps = (struct backend_caps){
		.nested_paging = svm_uses(SVM_NPT),
		.decode = svm_uses(SVM_DECODE_ASSISTS),
		.clean_bits = svm_uses(SVM_CLEAN_BITS),
		.flush_by_tag = svm_uses(SVM_FLUSH_BY_ASID),
		.pdptr_in_memory = true,
		.tags = cpuid(CPUID_EXT_SVM, 0).ebx,
	};
	svm_entry_init();
	svm_clean_after_exit = svm_caps.clean_bits ? VMCB_CLEAN_ALL : 0;
	if (svm_feature(SVM_NPT)->is_off)
		return "svm.no-npt: Plinth needs nested paging (NPT) today. Leave the option out";
	if (!svm_caps.nested_paging)
		return "this CPU's SVM has no nested paging (NPT), which Plinth needs today. Take a newer CPU, "
		       "or in QEMU a model that has it: -cpu max or -cpu EPYC";
	return NULL;
}

static bool enable_cpu(void)
{
	struct svm_cpu *cpu = &svm_cpus[this_cpu()->index];

	if (!svm_iopm_pa)
		svm_iopm_pa = host_take_pages(IOPM_PAGES, 0xff, 0);
	cpu->hsave_pa = host_take_pages(1, 0, 0);
	cpu->host_vmcb_pa = host_take_pages(1, 0, 0);
	tags_init(&cpu->tags);
	if (!svm_iopm_pa || !cpu->hsave_pa || !cpu->host_vmcb_pa)
		return false;
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, cpu->hsave_pa);
	/* What each exit loads again: TR and the rest of VMLOAD's group as the host has them. */
	asm volatile("vmsave %0" : : "a"(cpu->host_vmcb_pa) : "memory");
	if (this_cpu()->index == 0)
		svm_measure(&svm_caps);
	return true;
}

/* NPT uses the paging mode of the host (APM vol. 2, "Nested Paging and VMRUN/#VMEXIT"). */
static u32 stage2_mode(void)
{
	u32 cpu = FMT_MAXPHYADDR(cpuid(CPUID_EXT_SIZES, 0).eax & CPUID_X8A_MAXPHYADDR);

	cpu |= FMT_BIT8_RESERVED;
	if (svm_uses(SVM_PAGE_1G))
		cpu |= FMT_GIB;
	return fmt_mode_npt(read_cr0(), read_cr4(), rdmsr(MSR_EFER), cpu);
}

static void ctx_destroy(struct vcpu *v, struct cpu_ctx *ctx)
{
	struct svm_block *b = ctx->hw;

	if (!b)
		return;
	if (b->vmcb_pa)
		frames_free(&host_frames, HPA(b->vmcb_pa), 1);
	if (b->msrpm)
		frames_free(&host_frames, virt_to_phys(b->msrpm), MSRPM_PAGES);
	frames_free(&host_frames, virt_to_phys(b), 1);
	ctx->hw = NULL;
}

static bool ctx_create(struct vcpu *v, struct cpu_ctx *ctx)
{
	u64 block = host_take_pages(1, 0, 0);
	struct svm_block *b = phys_to_virt(HPA(block));
	u64 msrpm = host_take_pages(MSRPM_PAGES, 0xff, 0);

	if (!block) {
		if (msrpm)
			frames_free(&host_frames, HPA(msrpm), MSRPM_PAGES);
		return false;
	}
	ctx->hw = b;
	b->msrpm = msrpm ? phys_to_virt(HPA(msrpm)) : NULL;
	b->vmcb_pa = host_take_pages(1, 0, 0);
	if (!msrpm || !b->vmcb_pa) {
		ctx_destroy(v, ctx);
		return false;
	}
	b->vmcb = phys_to_virt(HPA(b->vmcb_pa));
	b->vmcb->iopm_base_pa = svm_iopm_pa;
	b->vmcb->msrpm_base_pa = msrpm;
	b->vmcb->np_enable = 1;
	b->vmcb->int_ctl = VMCB_INT_CTL_V_INTR_MASKING;
	return true;
}

/* Whatever a CPU keeps of a VMCB it writes there at each exit. */
static void detach(struct vcpu *v)
{
}

static bool is_injecting(const struct vcpu *v)
{
	return vmcb_of(v)->eventinj & VMCB_EVENT_V;
}

const struct vcpu_backend svm_backend = {
	.name = "SVM",
	.option = "svm",
	.caps = &svm_caps,
	.feature = svm_feature,
	.is_present = is_present,
	.probe = probe,
	.enable_cpu = enable_cpu,
	.stage2_mode = stage2_mode,
	.ctx_create = ctx_create,
	.ctx_destroy = ctx_destroy,
	.attach = svm_attach,
	.detach = detach,
	.run = svm_run,
	.load = svm_load,
	.exit_fill = svm_exit_fill,
	.program = svm_program,
	.inject = svm_inject,
	.is_injecting = is_injecting,
	.window = svm_window,
	.flush = svm_flush,
	.set_root = svm_set_root,
	.dump = svm_dump_block,
	.pass_msr = svm_pass_msr,
};
