/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SDM vol. 3A, "Priority Among Concurrent Events", "Interrupt 8—Double Fault Exception";
 * APM vol. 2, "Event Injection". Pure but for what it asks of the backend and the devices through
 * their interfaces.
 */
#include "vcpu/events.h"

#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "vcpu/code.h"
#include "vcpu/emulation.h"
#include "vcpu/registers.h"
#include "vcpu/time.h"

/* But vector 2: NMIs have an intercept of their own. */
#define ALL_EXCEPTIONS	(~0u & ~(1u << EXC_NMI))

void events_raise(struct vcpu *v, u8 vector)
{
	v->raised = (struct event){ .type = EVENT_EXCEPTION, .vector = vector, .rip = v->cur->rip };
}

void events_raise_error(struct vcpu *v, u8 vector, u32 error)
{
	events_raise(v, vector);
	v->raised.has_error = true;
	v->raised.error = error;
}

void events_raise_page_fault(struct vcpu *v, u64 address, u32 error)
{
	events_raise_error(v, EXC_PF, error);
	v->raised.payload = address;
}

static bool is_contributory(u8 vector)
{
	return vector == EXC_DE || (vector >= EXC_TS && vector <= EXC_GP) || vector == EXC_CP;
}

static bool is_page_fault(u8 vector)
{
	return vector == EXC_PF || vector == EXC_VE;
}

enum event_merge events_merge(u8 first, u8 second)
{
	bool second_counts = is_contributory(second) || is_page_fault(second);

	if (first == EXC_DF)
		return second_counts ? MERGE_TRIPLE_FAULT : MERGE_SECOND;
	if ((is_contributory(first) && is_contributory(second)) ||
	    (is_page_fault(first) && second_counts))
		return MERGE_DOUBLE_FAULT;
	return MERGE_SECOND;
}

/* In real mode exceptions push no error code (SDM vol. 3B, "8086 Emulation", "Interrupt and
 * Exception Handling"), and hardware is not to be asked for one. */
static void inject(struct vcpu *v, const struct event *e)
{
	struct event bare = *e;

	if (e->has_error) {
		ctx_need(v, CTX_CR0_CR4);
		bare.has_error = v->cur->cr0 & CR0_PE;
	}
	if (unlikely(v->interprets))
		v->handed = bare;
	else
		v->backend->inject(v, &bare);
}

static bool is_injecting(const struct vcpu *v)
{
	return unlikely(v->interprets) ? v->handed.type != EVENT_NONE : v->backend->is_injecting(v);
}

/*
 * A fault's frame has RF set, so that an instruction breakpoint at RIP does not come again when the
 * handler returns; injection pushes RFLAGS as they are (SDM vol. 3B, "Instruction-Breakpoint Exception
 * Condition"). #DB decides for itself, and BP, OF are traps, DF and MC aborts.
 */
static bool sets_rf(const struct event *e)
{
	return e->type == EVENT_EXCEPTION && e->vector != EXC_DB && e->vector != EXC_BP &&
	       e->vector != EXC_OF && e->vector != EXC_DF && e->vector != EXC_MC;
}

/* Where CR2 and DR6 get the event's payload: at its delivery, not before. */
static void deliver(struct vcpu *v, const struct event *e)
{
	struct cpu_ctx *c = v->cur;

	if (e->type == EVENT_EXCEPTION && e->vector == EXC_PF) {
		ctx_need(v, CTX_CR2);
		c->cr2 = e->payload;
		ctx_dirty(v, CTX_CR2);
	} else if (e->type == EVENT_EXCEPTION && e->vector == EXC_DB && e->payload) {
		ctx_need(v, CTX_DR);
		c->dr6 |= e->payload;
		ctx_dirty(v, CTX_DR);
	}
	if (e->type == EVENT_EXCEPTION && e->vector == EXC_DB) {
		/* So that the handler can use the debug registers (SDM vol. 3B, "Debug Control
		 * Register (DR7)"). */
		ctx_need(v, CTX_DR);
		if (c->dr7 & DR7_GD)
			vcpu_set_dr7(v, c->dr7 & ~(u64)DR7_GD);
	}
	if (c->block.sti || c->block.mov_ss) {		/* delivery ends the shadow */
		c->block.sti = c->block.mov_ss = false;
		ctx_dirty(v, CTX_BLOCK);
	}
	if (sets_rf(e)) {
		c->rflags |= RFLAGS_RF;
		ctx_dirty(v, CTX_FLAGS);
	}
	inject(v, e);
}

#define MOST_NMIS	2

void events_add_nmi(struct vcpu *v)
{
	u8 waiting = __atomic_load_n(&v->nmi_pending, __ATOMIC_SEQ_CST);

	while (waiting < MOST_NMIS)
		if (__atomic_compare_exchange_n(&v->nmi_pending, &waiting, waiting + 1, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return;
}

/* A fault of emulation, perhaps in the middle of the delivery of another event. */
static bool deliver_raised(struct vcpu *v)
{
	struct event e = v->raised;

	v->raised.type = EVENT_NONE;
	if (v->interrupted.type == EVENT_EXCEPTION) {
		switch (events_merge(v->interrupted.vector, e.vector)) {
		case MERGE_TRIPLE_FAULT:
			return false;
		case MERGE_DOUBLE_FAULT:
			e = (struct event){ .type = EVENT_EXCEPTION, .vector = EXC_DF,
					    .has_error = true, .rip = e.rip };
			break;
		case MERGE_SECOND:
			break;
		}
	} else if (v->interrupted.type == EVENT_NMI) { /* it comes again, after the exception */
		events_add_nmi(v);
		v->cur->block.nmi = false;
		ctx_dirty(v, CTX_BLOCK);
	} else if (v->interrupted.type == EVENT_EXTINT) { /* its vector is acknowledged */
		v->inject = v->interrupted;
	}
	v->interrupted.type = EVENT_NONE;
	deliver(v, &e);
	return true;
}

static bool may_take_interrupt(const struct vcpu *v)
{
	const struct cpu_ctx *c = v->cur;

	return (c->rflags & RFLAGS_IF) && !c->block.sti && !c->block.mov_ss;
}

/* An interrupt that the local APIC has given out already, and whose delivery was cut short. */
static bool is_interrupt_held(const struct vcpu *v)
{
	return v->inject.type != EVENT_NONE;
}

static bool deliver_held(struct vcpu *v)
{
	if (!is_interrupt_held(v) || !may_take_interrupt(v))
		return false;
	deliver(v, &v->inject);
	v->inject.type = EVENT_NONE;
	return true;
}

/* Delivers what was cut short by the last exit. */
static bool deliver_interrupted(struct vcpu *v)
{
	if (v->interrupted.type == EVENT_NONE)
		return false;
	if (v->interrupted.type == EVENT_EXTINT) {
		v->inject = v->interrupted;
		v->interrupted.type = EVENT_NONE;
		return false;
	}
	deliver(v, &v->interrupted);
	if (v->interrupted.type == EVENT_NMI)
		v->cur->block.nmi = true;
	v->interrupted.type = EVENT_NONE;
	return true;
}

/* One of those that wait. An INIT may clear their number at the same time. */
static bool take_nmi(struct vcpu *v)
{
	u8 waiting = __atomic_load_n(&v->nmi_pending, __ATOMIC_SEQ_CST);

	while (waiting)
		if (__atomic_compare_exchange_n(&v->nmi_pending, &waiting, waiting - 1, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	return false;
}

/* While one is handled the CPU remembers one (SDM vol. 3A, "Handling Multiple NMIs"). */
static void forget_further_nmis(struct vcpu *v)
{
	u8 most = MOST_NMIS;

	__atomic_compare_exchange_n(&v->nmi_pending, &most, 1, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
}

static bool deliver_nmi(struct vcpu *v)
{
	if (v->cur->block.nmi)
		forget_further_nmis(v);
	if (v->cur->block.nmi || v->cur->block.mov_ss || !take_nmi(v))
		return false;
	v->cur->block.nmi = true;
	deliver(v, &(struct event){ .type = EVENT_NMI, .vector = EXC_NMI, .rip = v->cur->rip });
	return true;
}

static void deliver_interrupt(struct vcpu *v)
{
	int vector;

	if (!may_take_interrupt(v) || !vcpu_interrupt_pending(v))
		return;
	vector = vcpu_interrupt_accept(v);
	if (vector >= 0)
		deliver(v, &(struct event){ .type = EVENT_EXTINT, .vector = vector,
					    .rip = v->cur->rip });
}

/* Instructions that show their TF, or change it: PUSHF and INT push it, POPF and IRET pop it. */
static bool shows_tf(const struct insn *insn)
{
	switch (insn->op) {
	case OP_PUSHF: case OP_POPF: case OP_INT: case OP_INT3: case OP_INTO: case OP_INT1:
	case OP_IRET: case OP_SYSCALL: case OP_SYSRET: case OP_SYSENTER:
		return true;
	}
	return false;
}

/*
 * Emulate the next instruction, if TF must not be on it. False: it's another one. Its event waits in
 * v->raised, for the next look.
 */
static bool emulate_instead(struct vcpu *v)
{
	const struct insn *insn;

	code_moved(v);
	insn = code_insn(v);
	if (!insn || !shows_tf(insn))
		return false;
	v->exit.head = 0;
	v->exit.kind = EXIT_STEP;
	emulate_one(v);		/* if that ends the guest, a request says so */
	vcpu_request(v, REQUEST_EVENT);
	return true;
}

/*
 * Puts TF on the next instruction, so that an exit comes right behind it. Its exceptions exit too:
 * TF would be in the flags that their delivery pushes.
 */
static void begin_step(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;

	if (v->step.on || emulate_instead(v))
		return;
	ctx_need(v, CTX_DR);
	v->step.on = true;
	v->step.tf = c->rflags & RFLAGS_TF;
	v->step.sti = c->block.sti;
	v->step.mov_ss = c->block.mov_ss;
	v->step.rip = c->rip;
	v->step.dr6 = c->dr6;
	v->step.exceptions = v->l0.exceptions;
	v->l0.exceptions = ALL_EXCEPTIONS;
	vcpu_request(v, REQUEST_CONTROLS);
	c->rflags |= RFLAGS_TF;
	ctx_dirty(v, CTX_FLAGS);
}

/*
 * Something waits for an instruction to be executed: an NMI for the one behind MOV SS, or an
 * interrupt for the one in a shadow that this CPU's entry would forget (so that it would get between
 * STI and HLT).
 */
static bool needs_step(const struct vcpu *v, bool intr)
{
	bool shadow = v->cur->block.sti || v->cur->block.mov_ss;

	if (v->interprets)	/* which knows shadows by itself */
		return false;
	if (is_injecting(v)) /* TF would be on the stack of the event's handler */
		return false;
	return (v->nmi_pending && v->cur->block.mov_ss && !v->cur->block.nmi &&
		!v->backend->caps->vnmi) ||
	       (shadow && intr && !v->backend->caps->shadow_load);
}

/* An NMI that can't be taken now, whatever the reason, can be at the next IRET at the latest; and
 * that IRET ends the blocking, which somebody has to see. */
static bool wants_nmi_window(const struct vcpu *v)
{
	return v->nmi_pending || (v->cur->block.nmi && !v->backend->caps->vnmi);
}

static void open_windows(struct vcpu *v)
{
	bool intr = is_interrupt_held(v) || vcpu_interrupt_pending(v);
	bool nmi = wants_nmi_window(v);

	if (needs_step(v, intr)) {
		begin_step(v);
		intr = false;
	}
	if (intr != v->intr_window || nmi != v->nmi_window) {
		v->intr_window = intr;
		v->nmi_window = nmi;
		v->backend->window(v, intr, nmi);
	}
}

bool events_prepare(struct vcpu *v)
{
	/* One event an entry: what was handed over must not be replaced by what came meanwhile. And
	 * none with a step: Plinth's TF would be in its frame. */
	if (!is_injecting(v) && !v->step.on) {
		if (v->raised.type != EVENT_NONE) {
			if (!deliver_raised(v))
				return false;
		} else if (!deliver_interrupted(v) && !deliver_held(v) && !deliver_nmi(v)) {
			deliver_interrupt(v);
		}
	}
	open_windows(v);
	return true;
}

bool events_wake_up(struct vcpu *v)
{
	return v->raised.type != EVENT_NONE || (v->nmi_pending && !v->cur->block.nmi) ||
	       ((v->cur->rflags & RFLAGS_IF) &&
		(is_interrupt_held(v) || vcpu_interrupt_pending(v)));
}

/* What begin_step() asked for beside TF. */
static void end_step(struct vcpu *v)
{
	if (!v->step.on)
		return;
	v->step.on = false;
	v->l0.exceptions = v->step.exceptions;
	vcpu_request(v, REQUEST_CONTROLS);
}

void events_forget(struct vcpu *v)
{
	static const struct event none = { .type = EVENT_NONE };

	v->raised = v->interrupted = v->inject = v->handed = none;
	end_step(v);
	if (v->backend->is_injecting(v))
		v->backend->inject(v, &none);
	v->intr_window = v->nmi_window = false;
	v->backend->window(v, false, false);
}

void events_iret(struct vcpu *v)
{
	v->cur->block.nmi = false;
	ctx_dirty(v, CTX_BLOCK);
	vcpu_request(v, REQUEST_EVENT);
}

/* The instruction was not executed: what held for it still holds, whatever the entry made of it. */
static void restore_shadow(struct vcpu *v)
{
	v->cur->block.sti = v->step.sti;
	v->cur->block.mov_ss = v->step.mov_ss;
	ctx_dirty(v, CTX_BLOCK);
}

bool events_end_step(struct vcpu *v, bool is_debug_exception)
{
	struct cpu_ctx *c = v->cur;
	bool moved = c->rip != v->step.rip || is_debug_exception;

	end_step(v);
	if (!v->step.tf) {
		c->rflags &= ~RFLAGS_TF;
		ctx_dirty(v, CTX_FLAGS);
	}
	if (!moved)
		restore_shadow(v);
	vcpu_request(v, REQUEST_EVENT);
	if (!is_debug_exception || v->step.tf)
		return false;
	ctx_need(v, CTX_DR);
	c->dr6 = (c->dr6 & ~DR6_BS) | (v->step.dr6 & DR6_BS);
	ctx_dirty(v, CTX_DR);
	/* Unless one of the guest's breakpoints was at the same instruction. */
	return !(c->dr6 & ~v->step.dr6 & DR6_BREAKPOINTS);
}
