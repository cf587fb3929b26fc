/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract of a backend: the code that drives one vendor's hardware. Everything vendor-specific
 * that L0 needs is behind these operations; nothing above asks which vendor it is on.
 */
#pragma once

#include "include/event.h"
#include "include/types.h"

struct vcpu;
struct cpu_ctx;

/* Capabilities, as the CPU declares them and as a probe guest measured them at boot (docs/vcpu.md).
 */
struct backend_caps {
	bool nested_paging, nrip, decode, clean_bits, flush_by_tag;
	bool shadow_load;		/* entry loads the interrupt shadow */
	bool xsetbv_exit, rdtscp_exit;
	bool vnmi;			/* the CPU keeps track of block.nmi, and waits for its end by itself */
	bool dr7_clear;			/* an exit switches the guest's breakpoints off */
	bool identity_map;		/* guests without paging need one (vm->identity_map) */
	bool step;			/* EXIT_STEP can be had */
	bool pdptr_in_memory;		/* with nested paging the CPU reads PDPTEs from memory at each walk */
	u64 cr4_kept;			/* bits of CR4 that the context has although CTX_CR0_CR4 isn't
					 * available: a guest can't change them without an exit */
	u32 tags;			/* TLB tags (ASIDs, VPIDs) */
};

/* A feature of the CPU's that a backend can do without, or only lists. Switched off it isn't used
 * although it is there: so a rich CPU can stand in for a poorer one (docs/options.md). */
struct backend_feature {
	const char *name;	/* in the option, behind "no-" */
	bool is_used;		/* else it is only listed: Plinth has no use for it yet */
	bool is_off;		/* by an option, before probe() */
	bool is_there;		/* in the CPU, switched off or not: probe() finds out */
};

struct vcpu_backend {
	const char *name;
	const char *option;	/* the name as the options of its features begin: "NAME.no-…" */
	struct backend_caps *caps;

	/* Its n-th feature; NULL behind the last. */
	struct backend_feature *(*feature)(unsigned n);

	/* Does CPUID tell of this vendor's virtualisation at all? */
	bool (*is_present)(void);
	/* Where it is present: NULL, or a sentence that says what the machine lacks and what to do.
	 * Once, on the boot CPU. */
	const char *(*probe)(void);
	/* Enables virtualisation on the calling CPU. False: no memory. */
	bool (*enable_cpu)(void);
	/* The mode word of the format in which this machine's nested tables are built (mm/format).
	 */
	u32 (*stage2_mode)(void);
	/* Gives `ctx` a hardware block of v, in reset state. False: no memory. */
	bool (*ctx_create)(struct vcpu *v, struct cpu_ctx *ctx);
	void (*ctx_destroy)(struct vcpu *v, struct cpu_ctx *ctx);
	/* v's current context will run on this CPU, v->cpu, from now on: after it has come from
	 * another CPU, another vCPU has run here, or its context has changed. */
	void (*attach)(struct vcpu *v);
	/* v stops running on this CPU: the CPU's own registers are the host's again, and the block is
	 * whole in memory. */
	void (*detach)(struct vcpu *v);
	/* Enters the guest once; returns after one exit with v->exit decoded, v->interrupted
	 * filled in, and at least IP, FLAGS and BLOCK of the context available. Interrupts are off
	 * before and after; an NMI of the host's that ended the guest's run has been taken. */
	void (*run)(struct vcpu *v);
	/* Can the hardware run the current context as it stands? Asked when CR0.PE has changed, and
	 * from then on until it can: meanwhile the guest is interpreted. NULL: it can, always. */
	bool (*can_run)(struct vcpu *v);
	/* Copies register groups out of the current context's block and marks them available. */
	void (*load)(struct vcpu *v, u32 groups);
	/* Fills in what of `have` the hardware itself tells of the last exit. What it doesn't:
	 * decode. */
	void (*exit_fill)(struct vcpu *v, u32 have);
	/* Programs the union of v->l0 and (in L2) v->l1 into the block. */
	void (*program)(struct vcpu *v);
	/* Hands one event to the next entry (EVENT_NONE: takes back what was handed over), and: has
	 * that entry still to come? */
	void (*inject)(struct vcpu *v, const struct event *e);
	bool (*is_injecting)(const struct vcpu *v);
	/* Asks for (or calls off) an INTR_WINDOW exit; NMI_WINDOW likewise. */
	void (*window)(struct vcpu *v, bool intr, bool nmi);
	/* Forgets all translations of v's tag before the next entry. */
	void (*flush)(struct vcpu *v);
	/* The root of v->mmu changed. */
	void (*set_root)(struct vcpu *v);
	/* Prints the current context's block, by the manual's names: after a failed entry. */
	void (*dump)(const struct vcpu *v);
	/* The MSRs that a guest may touch without an exit, while l1 doesn't want them. */
	void (*pass_msr)(struct vcpu *v, u32 index, bool read, bool write);
};
