/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a CPU really does, measured by the probe guest at boot: a vCPU of no VM, in the host's address
 * space without EPT, by the same code that runs guests.
 */
#include "arch/x86/vmx/vmx.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/memory.h"
#include "arch/x86/percpu.h"
#include "arch/x86/probe_guest.h"
#include "arch/x86/trap.h"
#include "arch/x86/vmx/vmcs.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"

struct probe {
	u8 msr_bitmap[PAGE_SIZE] aligned_to(PAGE_SIZE);
	struct vmx_block block;
	struct vcpu v;
	struct { u64 rip, cs, rflags, rsp, ss; } frame aligned_to(16);	/* what an IRET pops */
};
#define PROBE_PAGES	(ALIGN_UP(sizeof(struct probe), PAGE_SIZE) / PAGE_SIZE)

/* Attributes of segments: 64-bit code, flat data, a busy TSS. */
#define ATTR_CODE64	0xa09b
#define ATTR_DATA	0xc093
#define ATTR_TSS	0x008b

static void set_segments(struct cpu_ctx *c)
{
	c->seg[SEG_CS] = (struct segment){ SEL_CODE64, ATTR_CODE64, ~0u, 0 };
	c->seg[SEG_SS] = c->seg[SEG_DS] = c->seg[SEG_ES] =
		(struct segment){ SEL_DATA, ATTR_DATA, ~0u, 0 };
	c->seg[SEG_TR] = (struct segment){ SEL_TSS, ATTR_TSS, sizeof(struct tss) - 1,
					   (u64)&this_cpu()->tss };
}

/* The host's own state but for its segments and RIP, no events, and no MSRs of SYSCALL: they stay the
 * host's. */
static void prepare(struct probe *p, const u8 *code)
{
	struct descriptor_pointer gdt = sgdt(), idt = sidt();

	p->v.ctx[0] = (struct cpu_ctx){
		.hw = &p->block,
		.rip = (u64)code,
		.rsp = (u64)&p->frame,
		.rflags = RFLAGS_FIXED,
		.cr0 = read_cr0(), .cr3 = read_cr3(), .cr4 = read_cr4(),
		.efer = rdmsr(MSR_EFER), .pat = rdmsr(MSR_PAT),
		.dr6 = DR6_FIXED, .dr7 = DR7_FIXED,
		.gdtr = { gdt.base, gdt.limit }, .idtr = { idt.base, idt.limit },
		.dirty = CTX_ALL & ~(CTX_LOADSAVE | CTX_CR2),
	};
	set_segments(&p->v.ctx[0]);
}

/* To the first exit that isn't an interrupt of the host. Its kind. */
static u8 run(struct probe *p)
{
	do {
		vmx_run(&p->v);
		irq_window();
	} while (p->v.exit.kind == EXIT_EXTINT || p->v.exit.kind == EXIT_NMI);
	return p->v.exit.kind;
}

static u8 run_from(struct probe *p, const u8 *code)
{
	prepare(p, code);
	return run(p);
}

/* An interrupt window and an interrupt shadow: if the entry loads the shadow, the window opens one
 * instruction later. */
static bool loads_shadow(struct probe *p)
{
	bool loads;

	prepare(p, probe_nops);
	p->v.cur->rflags |= RFLAGS_IF;
	p->v.cur->block.sti = true;
	vmx_window(&p->v, true, false);
	loads = run(p) == EXIT_INTR_WINDOW && p->v.cur->rip == (u64)probe_nops + 1;
	vmx_window(&p->v, false, false);
	return loads;
}

/* Does a breakpoint that a guest sets, or that its VMCS has, end with the exit? */
static bool clears_breakpoints(struct probe *p)
{
	bool hits;

	probe_breakpoint_set();
	run_from(p, probe_dr7);
	hits = probe_breakpoint_hits();
	prepare(p, probe_cpuid);
	p->v.cur->dr7 = DR7_FIXED | 1;
	run(p);
	hits |= probe_breakpoint_hits();
	probe_breakpoint_end();
	return !hits;
}

/* Is the blocking of NMIs there after an exit, and gone behind an IRET? */
static bool keeps_nmi_blocking(struct probe *p)
{
	prepare(p, probe_cpuid);
	p->v.cur->block.nmi = true;
	if (run(p) != EXIT_CPUID || !p->v.cur->block.nmi)
		return false;
	prepare(p, probe_iret);
	p->v.cur->block.nmi = true;
	p->frame.rip = (u64)probe_cpuid;
	p->frame.cs = SEL_CODE64;
	p->frame.rflags = RFLAGS_FIXED;
	p->frame.rsp = (u64)&p->frame;
	p->frame.ss = SEL_DATA;
	return run(p) == EXIT_CPUID && !p->v.cur->block.nmi;
}

/* Does an interrupt that waits end a run in which the guest's IF is clear? */
static bool exits_for_interrupts(struct probe *p)
{
	bool exits;

	prepare(p, probe_cpuid);
	apic_send(this_cpu()->apic_id, VECTOR_KICK);
	vmx_run(&p->v);
	exits = p->v.exit.kind == EXIT_EXTINT;
	irq_window();
	return exits;
}

/* The VMCS is current. */
static void measure(struct probe *p, struct backend_caps *caps)
{
	p->v.backend = &vmx_backend;
	p->v.cur = &p->v.ctx[0];
	p->v.l0.exceptions = ~0u;
	want(&p->v.l0, EXIT_RDTSCP);
	p->block.msr_bitmap = p->msr_bitmap;
	p->block.secondary = vmx_controls(&vmx_caps, VMX_SECONDARY, SECONDARY_ENABLE_RDTSCP);
	prepare(p, probe_cpuid);
	vmx_write_constants(&p->block);
	vmx_program(&p->v);

	caps->nrip = run(p) == EXIT_CPUID && p->v.exit.rip_next == (u64)probe_cpuid + 2;
	caps->rdtscp_exit = run_from(p, probe_rdtscp) == EXIT_RDTSCP;
	caps->xsetbv_exit = read_cr4() & CR4_OSXSAVE && run_from(p, probe_xsetbv) == EXIT_XSETBV;
	caps->shadow_load = loads_shadow(p);
	caps->vnmi = keeps_nmi_blocking(p);
	caps->dr7_clear = clears_breakpoints(p);
	vmx_interrupts_exit = exits_for_interrupts(p);
}

bool vmx_measure(struct backend_caps *caps)
{
	u64 region = vmx_take_region(), memory = host_take_pages(PROBE_PAGES, 0, 0);
	struct probe *p = phys_to_virt(HPA(memory));
	bool done = region && memory;

	if (done) {
		done = vmclear(region) && vmptrld(region);
		assert(done);
		measure(p, caps);
		done = vmclear(region);
		assert(done);
	}
	if (region)
		frames_free(&host_frames, HPA(region), 1);
	if (memory)
		frames_free(&host_frames, HPA(memory), PROBE_PAGES);
	return done;
}
