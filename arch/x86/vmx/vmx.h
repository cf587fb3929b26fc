/* SPDX-License-Identifier: GPL-2.0-only */
/* The VMX backend: what its own files share, and the backend itself for who puts the parts
 * together. */
#pragma once

#include "arch/x86/layout.h"
#include "arch/x86/vmx/caps.h"
#include "include/x86/cr.h"
#include "include/x86/vmx.h"
#include "vcpu/tags.h"
#include "vcpu/vcpu.h"

extern struct vcpu_backend vmx_backend;	/* can_run is NULL where the CPU has unrestricted guests */

/* MSRs that a guest has in the CPU itself while it has the CPU: no VMCS field holds them, and Plinth
 * has no use for them (FS and GS stay the guests', it makes no system calls). */
struct vmx_msrs {
	u64 kernel_gs_base, star, lstar, cstar, sfmask;
};

/* Bits of CR0 and CR4 whose changes nobody but the guest's own code needs to see. */
#define VMX_CR0_GUESTS (CR0_TS | CR0_MP | CR0_EM | CR0_AM)
#define VMX_CR4_GUESTS (CR4_PVI | CR4_TSD | CR4_DE | CR4_PGE | CR4_PCE | CR4_OSFXSR | \
			CR4_OSXMMEXCPT | CR4_FSGSBASE)

#define VMX_LIST_SIZE	2	/* EFER, PAT: where entries and exits can't load them by themselves */

/* What of a context VMX hardware uses: cpu_ctx.hw. A page. */
struct vmx_block {
	struct vmx_msr_entry guest_list[VMX_LIST_SIZE] aligned_to(16);	/* loaded at entries */
	struct vmx_msr_entry host_list[VMX_LIST_SIZE] aligned_to(16);	/* loaded at exits */
	u64 vmcs_pa;
	u8 *msr_bitmap;			/* a page */
	u64 host_rsp;			/* what the VMCS has */
	bool ready;			/* the VMCS has this CPU's host state, and all that never changes */
	bool launched;
	bool injecting, injecting_nmi;	/* into the next entry */
	u32 primary, secondary, entry, exceptions;	/* what the VMCS has of these controls */
	bool unpaged;			/* paging is the hardware's alone: by the identity map */
	u64 cr0_guest, cr4_guest;	/* bits that the guest may change without an exit */
	u64 eptp;
	struct tag tag;
};

/* One CPU's part. */
struct vmx_cpu {
	u64 vmxon_pa;
	struct tag_pool tags;
	struct vmx_msrs host_msrs;	/* what they are while no guest has the CPU */
	struct cpu_ctx *ctx;		/* whose registers it holds, or NULL */
};

extern struct vmx_caps vmx_caps;
extern struct backend_caps vmx_backend_caps;
extern struct vmx_cpu vmx_cpus[MAX_CPUS];
/* Measured: external interrupts exit too while the guest's IF is clear. Where they don't (Bochs 2.7),
 * the preemption timer ends runs after a while, so that they wait no longer. */
extern bool vmx_interrupts_exit;

static inline bool vmx_bounds_runs(void)
{
	return !vmx_interrupts_exit && vmx_may(&vmx_caps, VMX_PIN, PIN_PREEMPTION_TIMER) &&
	       vmx_may(&vmx_caps, VMX_EXIT, VMEXIT_SAVE_PREEMPTION_TIMER);
}

static inline bool vmx_has_unrestricted_guest(void)
{
	return vmx_may(&vmx_caps, VMX_SECONDARY, SECONDARY_UNRESTRICTED_GUEST);
}

static inline struct vmx_block *vmx_block_of(const struct vcpu *v)
{
	return v->cur->hw;
}

/* enter.S: its own comment is the contract. */
u64 vmx_enter(u64 gpr[NR_GPRS], bool launched, u64 *host_rsp);
extern const u8 vmx_exit[];

/* attach.c: a context on a CPU. */
void vmx_attach(struct vcpu *v);
void vmx_detach(struct vcpu *v);
void vmx_bound_run(void);
/* Into the current VMCS: this CPU's host state, and what no handler changes. b->secondary is set
 * before. vmx_program() and vmx_store() write the rest before the first entry. */
void vmx_write_constants(struct vmx_block *b);

/* run.c */
void vmx_run(struct vcpu *v);
void vmx_exit_fill(struct vcpu *v, u32 have);
void vmx_inject(struct vcpu *v, const struct event *e);

/* state.c: register groups between cpu_ctx and the VMCS. */
void vmx_load(struct vcpu *v, u32 groups);
void vmx_store(struct vcpu *v);
/* Where the CPU has no unrestricted guests: does an entry accept the context's mode and segments? */
bool vmx_can_run(struct vcpu *v);
/* The CPU's own registers that hold a guest's while it has the CPU. */
void vmx_read_msrs(struct vmx_msrs *m);
void vmx_write_msrs(const struct vmx_msrs *m);

/* vmx.c: a zeroed region that begins with the revision identifier, as VMXON and VMCLEAR want it. 0: no
 * memory. */
u64 must_check vmx_take_region(void);

/* measure.c: fills in what only a guest can tell. In VMX operation. False: no memory. */
bool must_check vmx_measure(struct backend_caps *caps);

/* entry.c: what to make of a VMCS that the CPU refuses, or would. */
struct vmx_entry;
/* What the rules (entry_checks.h) are to be asked about: the current VMCS, which is b's. */
struct vmx_entry vmx_entry_of(const struct vmx_block *b);
/* After a failed entry: fills in what v->exit says of the broken rule. */
void vmx_explain_failure(struct vcpu *v);
void vmx_dump_block(const struct vcpu *v);

#ifdef ENTRY_CHECKS
/* checks/entry.c, in an image with CHECKS=1: panics if the next entry breaks a rule. */
void vmx_before_entry(const struct vcpu *v);
#else
static inline void vmx_before_entry(const struct vcpu *v) { }
#endif

/* controls.c */
void vmx_program(struct vcpu *v);
void vmx_share_crs(struct vcpu *v);	/* which bits of CR0 and CR4 are the guest's own */
void vmx_window(struct vcpu *v, bool intr, bool nmi);
void vmx_pass_msr(struct vcpu *v, u32 index, bool read, bool write);
void vmx_set_root(struct vcpu *v);
void vmx_flush(struct vcpu *v);
