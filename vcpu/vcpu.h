/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The neutral vCPU (docs/vcpu.md): what every guest needs, whatever the vendor below and whatever
 * virtual architecture above. Two contexts, a set of controls for each owner, one exit record, one
 * form of event. The hardware's blocks belong to the backend.
 */
#pragma once

#include "emulate/decode.h"
#include "include/assert.h"
#include "include/event.h"
#include "include/types.h"
#include "include/x86/segment.h"
#include "mm/format/format.h"
#include "mm/pagewalk/pagewalk.h"
#include "mm/shadow/mmu.h"
#include "vcpu/exit.h"
#include "vcpu/msr.h"

struct vm;
struct vcpu;
struct vcpu_backend;

/* Register groups: a cpu_ctx is a cache of its hardware block, moved by group. */
enum ctx_group {
	CTX_IP		= BIT(0),	/* rip */
	CTX_FLAGS	= BIT(1),
	CTX_SP		= BIT(2),
	CTX_CS_SS	= BIT(3),
	CTX_SEGS	= BIT(4),	/* ES DS, FS GS, LDTR TR */
	CTX_TABLES	= BIT(5),	/* GDTR IDTR */
	CTX_CR0_CR4	= BIT(6),
	CTX_CR2		= BIT(7),
	CTX_CR3		= BIT(8),
	CTX_EFER	= BIT(9),
	CTX_PAT		= BIT(10),
	CTX_DR		= BIT(11),	/* DR6 DR7 */
	CTX_PDPTR	= BIT(12),
	CTX_SYSENTER	= BIT(13),
	CTX_LOADSAVE	= BIT(14),	/* KERNEL_GS_BASE STAR LSTAR CSTAR SFMASK */
	CTX_DEBUGCTL	= BIT(15),
	CTX_BLOCK	= BIT(16),
	CTX_CODE	= BIT(17),	/* code_linear, code_mode: made from the others, never written */
	CTX_CPL		= BIT(18),	/* cpl: SS.DPL, where SS itself isn't wanted; never written */
	CTX_ALL		= BITS(18, 0),
};

enum activity { ACTIVITY_ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_SIPI };

/* A level's x86 state as that guest owns it. An unusable segment has P = 0; CPL is SS.DPL, always.
 */
struct cpu_ctx {
	u32 available, dirty;	/* enum ctx_group */
	u64 rip, rflags, rsp;
	u64 cr0, cr2, cr3, cr4, efer, pat, debugctl, dr6, dr7;
	u64 pdptr[4];
	struct { u64 cs, esp, eip; } sysenter;
	u64 kernel_gs_base, star, lstar, cstar, sfmask;
	struct segment seg[NR_SEGMENTS];
	struct table gdtr, idtr;
	struct { bool sti, mov_ss, nmi; } block;
	u8 activity;		/* enum activity: Plinth's run loop honours it, no hardware needed */
	u64 code_linear;	/* linear address of RIP */
	u8 code_mode;		/* enum cpu_mode */
	u8 cpl;
	u64 pending_debug;	/* VMX's pending debug exceptions in DR6 form; 0 for SVM */
	void *hw;		/* the backend's block */
};

enum intr_gate { GATE_L2_IF, GATE_L1_IF_AT_ENTRY, GATE_ALWAYS };
enum cr8_owner { CR8_L1_APIC, CR8_EXITS, CR8_OWN };

/* What one owner (L0 or L1) asks for while a context runs. Hardware gets the union of both owners'.
 */
struct controls {
	u64 wants[2], narrow[2];	/* a bit for each exit_kind; narrow: ask virt_ops->check_exit */
	u32 exceptions;			/* a bit for each vector */
	u32 pf_mask, pf_match;
	u16 cr_read, cr_write, dr_read, dr_write;
	u64 cr_mask[2], cr_shadow[2];	/* CR0, CR4: the guest reads (value & ~mask) | (shadow & mask) */
	u8 intr_gate;			/* enum intr_gate */
	bool intr_exits, intr_ack, nmi_exits, nmi_virtual, init_exits;
	struct { bool on, ign_tpr; u8 vector, prio; } virq;	/* L1's virtual interrupt for its L2 */
	u8 cr8, tpr, tpr_threshold;	/* cr8: enum cr8_owner */
	u64 tsc_offset, tsc_ratio, timer_deadline;
	struct { const struct page_format *format; u64 root; u32 tag, context; bool ad; } stage2;
};

/* Work for a vCPU before its next entry: the one word that the fast path tests. Set atomically, by
 * anyone. */
enum vcpu_request {
	REQUEST_KICK		= BIT(0),	/* only: look at the others */
	REQUEST_FLUSH		= BIT(1),	/* flush the TLB, then acknowledge */
	REQUEST_EVENT		= BIT(2),	/* something may have to be injected */
	REQUEST_SYNC_ROOT	= BIT(3),	/* the mmu's root changed */
	REQUEST_TIMER		= BIT(4),	/* a deadline of a device has passed */
	REQUEST_CONTROLS	= BIT(5),	/* controls changed: the backend must program them */
	REQUEST_END		= BIT(6),	/* the guest has ended */
	REQUEST_STARTUP		= BIT(7),	/* an INIT or start-up IPI has come (vcpu/startup.h) */
	REQUEST_PAUSE		= BIT(8),	/* another vCPU changes what handlers read (vm_pause()) */
	REQUEST_HOLD		= BIT(9),	/* enter no earlier than hold_until */
};

/* Where a vCPU is, as others may rely on it: they interrupt its CPU only where it wouldn't look at
 * its requests soon by itself. */
enum vcpu_place {
	PLACE_PLINTH,	/* handling an exit: it looks at its requests before it enters or waits */
	PLACE_GUEST,	/* in the guest, or about to look at its requests for the last time before */
	PLACE_PARKED,	/* its CPU waits for an interrupt, or is about to; or it doesn't run (any more) */
};

/* Of one kind of exit. */
struct exit_count {
	u64 exits;
	u64 time;	/* TSC ticks from exit to entry, less those spent waiting */
};

struct exit_trace {
	u64 rip;
	u64 head, info;		/* the exit's head, and the first word of its payload */
};
#define VCPU_TRACE_SIZE 64	/* a power of two */

/*
 * The walk memo: where the instruction at RIP was found the last time. Valid if the slots are the
 * same, the paging is the same and each entry that led there still reads the same: what a walk
 * would find.
 */
struct walk_memo {
	u64 page;		/* linear address of the page; MEMO_NONE: there is no memo */
	u64 cr3;
	const u8 *code;		/* host pointer to the page */
	u32 slots_generation;
	struct { const u64 *at; u64 was; } entry[FMT_MAX_LEVELS];	/* those not needed point to a zero */
};
#define MEMO_NONE	1	/* no page begins there */

/* An instruction that was decoded lately; good for as long as the same bytes stand at the same
 * place. */
struct decoded_insn {
	u64 linear;
	u64 bytes[2], mask[2];	/* mask: the bytes that belong to it */
	u8 mode;		/* enum cpu_mode */
	struct insn insn;
};
#define VCPU_DECODED	32	/* a power of two */

struct vcpu {
	u64 gpr[NR_GPRS];	/* fixed offset 0: the entry code stores here; RSP's slot is not used */
	struct cpu_ctx *cur;
	u32 requests;		/* enum vcpu_request, atomic */
	const struct vcpu_backend *backend;
	struct vm *vm;
	unsigned index;		/* in its VM */
	struct exit exit;
	struct cpu_ctx ctx[2];	/* L1, L2 */
	struct controls l0, l1;	/* l1 is valid while L2 runs */
	/* Waiting for its moment; cut short by the last exit; a fault of emulation, not yet
	 * L1-checked. */
	struct event inject, interrupted, raised;
	bool gif, entry_pending, paging_stale;
	bool interprets;	/* the hardware can't run the context, or it isn't known yet (vcpu/interpret.h) */
	struct event handed;	/* while it interprets: what the hardware would have been handed */
	u8 place;		/* enum vcpu_place, atomic */
	u8 nmi_pending;
	u32 startup;		/* INIT and start-up IPI that wait (vcpu/startup.h), atomic */
	/* Plinth's own single step, and how the guest stood before it. */
	struct { bool on, tf, sti, mov_ss; u32 exceptions; u64 rip, dr6; } step;
	bool intr_window, nmi_window;	/* asked of the backend */
	struct pagewalk gva_walk, ngpa_walk;
	struct mmu root_mmu, nested_mmu, *mmu;
	struct walk_memo memo;
	u64 unreadable_rip;	/* where an instruction couldn't be read last, */
	u32 nr_unreadable;	/* and how often in a row */
	struct decoded_insn decoded[VCPU_DECODED];
	struct msr_state msrs;
	unsigned cpu;		/* index of the host CPU that runs it */
	u64 flush_acked;	/* vm->flush_wanted that this vCPU has carried out */
	/* What its host CPU's timer is set to, in ns of the guest's clock: its LAPIC's next event, and
	 * for vCPU 0 the devices' too. Written by itself, read by others. */
	u64 next_event;
	u64 hold_until;		/* TSC of the host, for REQUEST_HOLD */
	u64 exit_tsc;
	struct exit_count count[NR_EXIT_KINDS];
	u64 start_tsc, idle;	/* when it began to run, and ticks that it waited halted: not in time[] */
	unsigned trace_next;
	struct exit_trace trace[VCPU_TRACE_SIZE];
};
static_assert(offsetof(struct vcpu, gpr) == 0, "the entry code relies on it");

/* How a handler ends. */
enum handled {
	HANDLED_RESUME,		/* go on in the guest */
	HANDLED_INJECT,		/* vcpu->raised holds a fault for the guest */
	HANDLED_TO_L1,		/* an exit to L1 */
	HANDLED_SLEEP,		/* nothing to run until an event comes */
	HANDLED_KILL,		/* the guest has been ended by vm_end() */
};

#include "vcpu/backend.h"

/* Makes the groups of the current context available, from the hardware's block. */
static inline void ctx_need(struct vcpu *v, u32 groups)
{
	u32 missing = groups & ~v->cur->available;

	if (missing)
		v->backend->load(v, missing);
}

/* Says that the groups (which are available) were changed: the next entry writes them. */
static inline void ctx_dirty(struct vcpu *v, u32 groups)
{
	v->cur->dirty |= groups;
}

static inline void vcpu_request(struct vcpu *v, u32 requests)
{
	__atomic_or_fetch(&v->requests, requests, __ATOMIC_SEQ_CST);
}

/* The same, for a vCPU that may be running or halted elsewhere: it notices at once. */
void vcpu_kick(struct vcpu *v, u32 requests);

static inline bool wants(const struct controls *c, unsigned kind)
{
	return c->wants[kind / 64] >> (kind % 64) & 1;
}

static inline void want(struct controls *c, unsigned kind)
{
	c->wants[kind / 64] |= BIT(kind % 64);
}

/* What the guest reads of CR0 (which: 0) or CR4 (1) where `value` is in force. */
static inline u64 vcpu_cr_seen(const struct vcpu *v, unsigned which, u64 value)
{
	value = (value & ~v->l0.cr_mask[which]) | (v->l0.cr_shadow[which] & v->l0.cr_mask[which]);
	if (v->cur == &v->ctx[1])
		value = (value & ~v->l1.cr_mask[which]) |
			(v->l1.cr_shadow[which] & v->l1.cr_mask[which]);
	return value;
}

/* CPL, and the mode in which instructions are decoded. */
static inline unsigned vcpu_cpl(struct vcpu *v)
{
	ctx_need(v, CTX_CPL);
	return v->cur->cpl;
}

static inline enum cpu_mode vcpu_mode(struct vcpu *v)
{
	ctx_need(v, CTX_CODE);
	return v->cur->code_mode;
}
