/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a CPU really does, measured by a tiny guest at boot: CPUID bits promise less, and emulators
 * do less than they promise (docs/emulators.md). The guest runs in the host's own address space
 * without nested paging, at CPL 0, for one instruction or two.
 */
#include "arch/x86/svm/enter.h"
#include "arch/x86/svm/svm.h"

#include "arch/x86/cpu.h"
#include "arch/x86/memory.h"
#include "arch/x86/percpu.h"
#include "arch/x86/trap.h"
#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "lib/string.h"

extern const u8 measure_cpuid[], measure_xsetbv[], measure_rdtscp[], measure_shadow[],
	measure_dr7[];

static void prepare(struct vmcb *vmcb, const u8 *code)
{
	struct descriptor_pointer gdt = sgdt(), idt = sidt();

	memset(vmcb, 0, sizeof(*vmcb));
	vmcb->intercept[INTERCEPT_EXCEPTION] = ~0u;
	vmcb->intercept[INTERCEPT_MISC1] = SVM_INTERCEPT_INTR | SVM_INTERCEPT_NMI |
					   SVM_INTERCEPT_SHUTDOWN | SVM_INTERCEPT_CPUID;
	vmcb->intercept[INTERCEPT_MISC2] = SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL |
					   SVM_INTERCEPT_RDTSCP | SVM_INTERCEPT_XSETBV;
	vmcb->iopm_base_pa = svm_iopm_pa;
	vmcb->msrpm_base_pa = svm_iopm_pa;	/* all ones, and long enough */
	vmcb->asid = 1;
	vmcb->tlb_control = VMCB_TLB_FLUSH_ALL;
	vmcb->int_ctl = VMCB_INT_CTL_V_INTR_MASKING;
	vmcb->cs = (struct vmcb_segment){ SEL_CODE64, VMCB_SEG_CODE64, ~0u, 0 };
	vmcb->ss = vmcb->ds = vmcb->es = (struct vmcb_segment){ SEL_DATA, VMCB_SEG_DATA, ~0u, 0 };
	vmcb->gdtr = (struct vmcb_segment){ .limit = gdt.limit, .base = gdt.base };
	vmcb->idtr = (struct vmcb_segment){ .limit = idt.limit, .base = idt.base };
	vmcb->tr = (struct vmcb_segment){ SEL_TSS, VMCB_SEG_TSS, sizeof(struct tss) - 1, 0 };
	vmcb->efer = rdmsr(MSR_EFER);
	vmcb->cr0 = read_cr0();
	vmcb->cr3 = read_cr3();
	vmcb->cr4 = read_cr4();
	vmcb->dr6 = DR6_FIXED;
	vmcb->dr7 = DR7_FIXED;
	vmcb->rflags = RFLAGS_FIXED;
	vmcb->g_pat = rdmsr(MSR_PAT);
	vmcb->rip = (u64)code;
}

/* To the first exit that isn't an interrupt of the host, which has no stack in this guest. */
static u64 run(struct vmcb *vmcb)
{
	u64 gpr[NR_GPRS] = { 0 };

	do {
		svm_before_measuring(vmcb);
		svm_enter(gpr, virt_to_phys(vmcb).v, svm_cpus[this_cpu()->index].host_vmcb_pa);
		irq_window();
	} while (vmcb->exitcode == SVM_EXIT_INTR || vmcb->exitcode == SVM_EXIT_NMI);
	return vmcb->exitcode;
}

/* Where the breakpoint of clears_breakpoints() is. */
static __attribute__((noinline)) void breakpoint_here(void)
{
	asm volatile("");
}

/* Does a breakpoint that a guest sets, or that its VMCB has, end with the exit? Reading DR7 doesn't
 * tell. */
static bool clears_breakpoints(struct vmcb *vmcb)
{
	u32 before = trap_stray_debugs;

	write_dr0((u64)breakpoint_here);
	prepare(vmcb, measure_dr7);
	run(vmcb);
	breakpoint_here();
	prepare(vmcb, measure_cpuid);
	vmcb->dr7 = DR7_FIXED | 1;
	run(vmcb);
	breakpoint_here();
	write_dr7(DR7_FIXED);
	write_dr0(0);
	return trap_stray_debugs == before;
}

void svm_measure(struct backend_caps *caps)
{
	hpa_t page = frames_alloc(&host_frames, 1, PAGE_SIZE, 0);
	struct vmcb *vmcb = phys_to_virt(page);

	if (!page.v)
		return;		/* the poorest CPU is assumed; creating a guest will say that memory is short */
	prepare(vmcb, measure_cpuid);
	caps->nrip = svm_uses(SVM_NRIP) && run(vmcb) == SVM_EXIT_CPUID && vmcb->nrip == (u64)measure_cpuid + 2;
	prepare(vmcb, measure_rdtscp);
	caps->rdtscp_exit = run(vmcb) == SVM_EXIT_RDTSCP;
	if (read_cr4() & CR4_OSXSAVE) {
		prepare(vmcb, measure_xsetbv);
		caps->xsetbv_exit = run(vmcb) == SVM_EXIT_XSETBV;
	}
	/* A pending virtual interrupt and an interrupt shadow: if the entry loads the shadow, the
	 * interrupt comes one instruction later. */
	prepare(vmcb, measure_shadow);
	vmcb->intercept[INTERCEPT_MISC1] |= SVM_INTERCEPT_VINTR;
	vmcb->int_ctl |= VMCB_INT_CTL_V_IRQ | VMCB_INT_CTL_V_PRIO | VMCB_INT_CTL_V_IGN_TPR;
	vmcb->int_state = VMCB_INT_STATE_SHADOW;
	vmcb->rflags |= RFLAGS_IF;
	caps->shadow_load = run(vmcb) == SVM_EXIT_VINTR && vmcb->rip != (u64)measure_shadow;
	caps->dr7_clear = clears_breakpoints(vmcb);
	frames_free(&host_frames, page, 1);
}
