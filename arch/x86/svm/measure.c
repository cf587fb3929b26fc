/* SPDX-License-Identifier: GPL-2.0-only */
/* What a CPU really does, measured by the probe guest at boot, without nested paging. */
#include "arch/x86/svm/enter.h"
#include "arch/x86/svm/svm.h"

#include "arch/x86/cpu.h"
#include "arch/x86/memory.h"
#include "arch/x86/percpu.h"
#include "arch/x86/probe_guest.h"
#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "lib/string.h"

static void prepare(struct vmcb *vmcb, const u8 *code)
{
	struct descriptor_pointer gdt = sgdt(), idt = sidt();

	memset(vmcb, 0, sizeof(*vmcb));
	vmcb->intercept[INTERCEPT_EXCEPTION] = ~0u;
	vmcb->intercept[INTERCEPT_MISC1] = SVM_INTERCEPT_INTR | SVM_INTERCEPT_NMI |
					   SVM_INTERCEPT_SHUTDOWN | SVM_INTERCEPT_CPUID;
	vmcb->intercept[INTERCEPT_MISC2] = SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_RDTSCP |
					   SVM_INTERCEPT_XSETBV;
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

/* Does a breakpoint that a guest sets, or that its VMCB has, end with the exit? */
static bool clears_breakpoints(struct vmcb *vmcb)
{
	bool hits;

	probe_breakpoint_set();
	prepare(vmcb, probe_dr7);
	run(vmcb);
	hits = probe_breakpoint_hits();
	prepare(vmcb, probe_cpuid);
	vmcb->dr7 = DR7_FIXED | 1;
	run(vmcb);
	hits |= probe_breakpoint_hits();
	probe_breakpoint_end();
	return !hits;
}

void svm_measure(struct backend_caps *caps)
{
	hpa_t page = frames_alloc(&host_frames, 1, PAGE_SIZE, 0);
	struct vmcb *vmcb = phys_to_virt(page);

	if (!page.v)
		return;		/* the poorest CPU is assumed; creating a guest will say that memory is short */
	prepare(vmcb, probe_cpuid);
	caps->nrip = svm_uses(SVM_NRIP) && run(vmcb) == SVM_EXIT_CPUID && vmcb->nrip == (u64)probe_cpuid + 2;
	prepare(vmcb, probe_rdtscp);
	caps->rdtscp_exit = run(vmcb) == SVM_EXIT_RDTSCP;
	if (read_cr4() & CR4_OSXSAVE) {
		prepare(vmcb, probe_xsetbv);
		caps->xsetbv_exit = run(vmcb) == SVM_EXIT_XSETBV;
	}
	/* A pending virtual interrupt and an interrupt shadow: if the entry loads the shadow, the
	 * interrupt comes one instruction later. */
	prepare(vmcb, probe_nops);
	vmcb->intercept[INTERCEPT_MISC1] |= SVM_INTERCEPT_VINTR;
	vmcb->int_ctl |= VMCB_INT_CTL_V_IRQ | VMCB_INT_CTL_V_PRIO | VMCB_INT_CTL_V_IGN_TPR;
	vmcb->int_state = VMCB_INT_STATE_SHADOW;
	vmcb->rflags |= RFLAGS_IF;
	caps->shadow_load = run(vmcb) == SVM_EXIT_VINTR && vmcb->rip != (u64)probe_nops;
	caps->dr7_clear = clears_breakpoints(vmcb);
	frames_free(&host_frames, page, 1);
}
