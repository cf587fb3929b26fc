// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delivery of events through the IVT and the IDT, INT n, INT3, INTO, INT1, and IRET.
 * SDM vol. 2A, "INT n/INTO/INT3/INT1", "IRET"; vol. 3A, "Interrupt and Exception Handling"; vol. 3B,
 * "Interrupt and Exception Handling in Virtual-8086 Mode". As in control.c: checks, stack, registers.
 */
#include "emulate/segment.h"

#define GATE_ERROR(vector)	((vector) << 3 | SELECTOR_IDT)

/* What an event's delivery is made of. */
struct delivery {
	const struct event *event;
	bool soft;		/* INT n, INT3, INTO: the gate's DPL counts */
	u64 raw, high;		/* the gate */
	struct descriptor cs;
	u64 rip;
	unsigned size;		/* of what is pushed */
	unsigned cpl;		/* of the handler */
	u64 image;		/* RFLAGS as pushed */
};

static enum emulate_status gate_fault(struct emulation *e, u8 vector, const struct event *event)
{
	return raise_fault(e, vector, GATE_ERROR(event->vector) | e->ext);
}

/* A fault's handler is to return to the instruction without its breakpoint hitting again. */
static u64 pushed_flags(const struct emulation *e, const struct event *event)
{
	bool fault = event->type == EVENT_EXCEPTION && event->vector != EXC_DB &&
		     event->vector != EXC_BP && event->vector != EXC_OF;

	return fault ? e->rflags | RFLAGS_RF : e->rflags;
}

/* --- Without descriptors: the IVT --- */

/*
 * Through a table of far pointers at `base`. image: of the flags that are pushed; clears: flags that
 * the handler begins without.
 */
static enum emulate_status deliver_ivt(struct emulation *e, const struct event *event, u64 base,
				       u64 image, u64 clears)
{
	u64 values[3] = { image, e->ops->segment(e->ctx, SEG_CS)->selector, e->next_rip };
	struct stack s = current_stack(e);
	enum emulate_status status;
	struct segment cs;
	u32 entry;

	status = read_implicit(e, GVA((u32)(base + 4 * event->vector)), &entry, 4);
	if (status != EMULATE_OK)
		return status;
	cs = real_segment(e, SEG_CS, entry >> 16);
	if ((entry & 0xffff) > cs.limit)
		return raise_fault(e, EXC_GP, e->ext);
	status = push_values(e, &s, values, 3, 2);
	if (status != EMULATE_OK)
		return status;
	use_stack_pointer(e, &s);
	e->ops->set_segment(e->ctx, SEG_CS, &cs);
	e->next_rip = entry & 0xffff;
	e->rflags &= ~(clears | RFLAGS_TF);
	return EMULATE_OK;
}

static enum emulate_status deliver_real(struct emulation *e, const struct event *event)
{
	const struct table *idt = e->ops->table(e->ctx, EMULATE_IDT);

	if (4u * event->vector + 3 > idt->limit)
		return raise_fault(e, EXC_GP, 0);
	return deliver_ivt(e, event, idt->base, e->rflags, RFLAGS_IF | RFLAGS_AC | RFLAGS_RF);
}

/* --- Gates of the IDT ---
 *
 *  63       48 47 46 45 44   40 39  35 34 32 31      16 15      0
 * | offset    | P | DPL | type |      | IST  | selector | offset  |	long mode: 16 bytes
 */

static enum emulate_status read_gate(struct emulation *e, struct delivery *d)
{
	const struct table *idt = e->ops->table(e->ctx, EMULATE_IDT);
	unsigned bytes = is_long_mode(e) ? 16 : 8;
	u32 offset = d->event->vector * bytes;
	u64 gate[2] = { 0 };
	enum emulate_status status;
	gva_t at = GVA(is_long_mode(e) ? idt->base + offset : (u32)(idt->base + offset));

	if (offset + bytes - 1 > idt->limit)
		return gate_fault(e, EXC_GP, d->event);
	status = read_implicit(e, at, &gate[0], 8);
	if (status == EMULATE_OK && bytes == 16)
		status = read_implicit(e, GVA(at.v + 8), &gate[1], 8);
	d->raw = gate[0];
	d->high = gate[1];
	return status;
}

static bool is_gate_type(struct emulation *e, unsigned type)
{
	if (type == TYPE_INT_GATE || type == TYPE_TRAP_GATE)
		return true;
	return !is_long_mode(e) && (type == TYPE_INT_GATE16 || type == TYPE_TRAP_GATE16 ||
				    type == TYPE_TASK_GATE);
}

static unsigned gate_type(const struct delivery *d)
{
	return d->raw >> 40 & 0x1f;
}

static enum emulate_status check_gate(struct emulation *e, const struct delivery *d)
{
	if (!is_gate_type(e, gate_type(d)))
		return gate_fault(e, EXC_GP, d->event);
	if (d->soft && (d->raw >> 45 & 3) < current_cpl(e))
		return gate_fault(e, EXC_GP, d->event);
	if (!(d->raw >> 47 & 1))
		return gate_fault(e, EXC_NP, d->event);
	return EMULATE_OK;
}

/* The handler's code segment, and the level at which it runs. */
static enum emulate_status check_handler(struct emulation *e, struct delivery *d)
{
	unsigned cpl = current_cpl(e), dpl;
	u16 selector = d->raw >> 16;
	enum emulate_status status;

	if (is_null_selector(selector))
		return raise_fault(e, EXC_GP, e->ext);
	status = read_descriptor(e, selector, EXC_GP, &d->cs);
	if (status != EMULATE_OK)
		return status;
	dpl = descriptor_dpl(&d->cs.seg);
	if (!is_code(&d->cs.seg) || dpl > cpl)
		return selector_fault(e, EXC_GP, selector);
	if (is_long_mode(e) && (d->cs.seg.attr & (SEG_ATTR_L | SEG_ATTR_DB)) != SEG_ATTR_L)
		return selector_fault(e, EXC_GP, selector);
	if (!(d->cs.seg.attr & SEG_ATTR_P))
		return selector_fault(e, EXC_NP, selector);
	d->cpl = is_conforming(&d->cs.seg) ? cpl : dpl;
	if ((e->rflags & RFLAGS_VM) && d->cpl != 0)
		return selector_fault(e, EXC_GP, selector);
	d->size = is_long_mode(e) ? 8 : gate_type(d) & 8 ? 4 : 2;
	d->rip = d->raw & 0xffff;
	if (d->size > 2)
		d->rip |= (d->raw >> 48 << 16) | d->high << 32;
	return EMULATE_OK;
}

/* Long mode aligns every stack and has SS and RSP on each. */
static enum emulate_status choose_stack(struct emulation *e, const struct delivery *d,
					struct stack *s)
{
	unsigned ist = is_long_mode(e) ? d->raw >> 32 & 7 : 0;
	enum emulate_status status = EMULATE_OK;

	if (ist || d->cpl != current_cpl(e))
		status = inner_stack(e, d->cpl, ist, s);
	else
		*s = current_stack(e);
	if (status != EMULATE_OK || !is_long_mode(e))
		return status;
	if (!is_canonical(e, s->rsp))
		return raise_fault(e, EXC_SS, e->ext);
	s->rsp &= ~15ull;
	s->bytes = 8;
	return EMULATE_OK;
}

/* Values in the order in which they are pushed. Returns how many. */
static unsigned make_frame(struct emulation *e, const struct delivery *d, u64 *to)
{
	static const u8 v86_segments[] = { SEG_GS, SEG_FS, SEG_DS, SEG_ES };
	unsigned n = 0;

	for (unsigned i = 0; (e->rflags & RFLAGS_VM) && i < ARRAY_SIZE(v86_segments); i++)
		to[n++] = e->ops->segment(e->ctx, v86_segments[i])->selector;
	if (d->cpl != current_cpl(e) || is_long_mode(e)) {
		to[n++] = e->ops->segment(e->ctx, SEG_SS)->selector;
		to[n++] = read_register(e, GPR_RSP);
	}
	to[n++] = d->image;
	to[n++] = e->ops->segment(e->ctx, SEG_CS)->selector;
	to[n++] = e->next_rip;
	if (d->event->has_error)
		to[n++] = d->event->error;
	return n;
}

/* Registers at last: nothing fails from here on. */
static void enter_handler(struct emulation *e, const struct delivery *d, const struct stack *s)
{
	static const u8 data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	struct segment null = null_segment(0, 0);
	bool is_interrupt_gate = !(gate_type(d) & 1);

	for (unsigned i = 0; (e->rflags & RFLAGS_VM) && i < ARRAY_SIZE(data); i++)
		e->ops->set_segment(e->ctx, data[i], &null);
	if (d->cpl != current_cpl(e))
		e->ops->set_segment(e->ctx, SEG_SS, &s->ss);
	use_stack_pointer(e, s);
	enter_code(e, &d->cs.seg, d->cpl, d->rip);
	e->rflags &= ~(RFLAGS_TF | RFLAGS_VM | RFLAGS_RF | RFLAGS_NT);
	if (is_interrupt_gate)
		e->rflags &= ~RFLAGS_IF;
}

static enum emulate_status deliver_gate(struct emulation *e, struct delivery *d)
{
	enum emulate_status status = check_handler(e, d);
	struct stack s;
	u64 frame[10];
	unsigned n = 0;

	if (status == EMULATE_OK)
		status = choose_stack(e, d, &s);
	if (status == EMULATE_OK) {
		n = make_frame(e, d, frame);
		status = check_stack_room(e, &s, n, d->size);
	}
	if (status == EMULATE_OK)
		status = check_rip(e, &d->cs.seg, d->rip);
	if (status == EMULATE_OK)
		status = mark_accessed(e, &d->cs);
	if (status == EMULATE_OK)
		status = push_values(e, &s, frame, n, d->size);
	if (status == EMULATE_OK)
		enter_handler(e, d, &s);
	return status;
}

/* --- INT n in virtual-8086 mode --- */

/*
 * The redirection bitmap lies in the 32 bytes below the I/O permission bitmap; a clear bit sends the
 * interrupt to the 8086 program's own handler.
 */
static enum emulate_status is_redirected(struct emulation *e, u8 vector, bool *redirected)
{
	u32 limit = e->ops->segment(e->ctx, SEG_TR)->limit;
	enum emulate_status status;
	u16 io_map;
	u8 bits = 0;

	if (limit < 103)
		return raise_fault(e, EXC_GP, 0);
	status = read_tss(e, 102, &io_map, 2);
	if (status != EMULATE_OK)
		return status;
	if (io_map < 32 || io_map - 32u + vector / 8 > limit)
		return raise_fault(e, EXC_GP, 0);
	status = read_tss(e, io_map - 32 + vector / 8, &bits, 1);
	*redirected = !(bits >> (vector % 8) & 1);
	return status;
}

/* True in *done: the event has been delivered (or has failed) without the IDT. */
static enum emulate_status int_v86(struct emulation *e, const struct event *event, bool *done)
{
	bool has_if = (e->rflags & RFLAGS_IOPL) == RFLAGS_IOPL, redirected = false;
	u64 image = e->rflags;
	enum emulate_status status = EMULATE_OK;

	if (e->ops->get(e->ctx, EMULATE_CR4) & CR4_VME)
		status = is_redirected(e, event->vector, &redirected);
	*done = redirected || !has_if || status != EMULATE_OK;
	if (!*done || status != EMULATE_OK)
		return status;
	if (!redirected)
		return raise_fault(e, EXC_GP, 0);
	if (has_if)
		return deliver_ivt(e, event, 0, image, RFLAGS_IF | RFLAGS_NT);
	image = (image & ~RFLAGS_IF) | RFLAGS_IOPL | (image & RFLAGS_VIF ? RFLAGS_IF : 0);
	return deliver_ivt(e, event, 0, image, RFLAGS_VIF | RFLAGS_NT);
}

enum emulate_status deliver_event(struct emulation *e, const struct event *event)
{
	struct delivery d = {
		.event = event, .image = pushed_flags(e, event),
		.soft = event->type == EVENT_SOFT_INT || event->type == EVENT_SOFT_EXC,
	};
	enum emulate_status status = EMULATE_OK;
	bool done = false;

	e->traps = 0;	/* TF is cleared before the handler's first instruction */
	if (!(e->ops->get(e->ctx, EMULATE_CR0) & CR0_PE))
		return deliver_real(e, event);
	if (event->type == EVENT_SOFT_INT && (e->rflags & RFLAGS_VM))
		status = int_v86(e, event, &done);
	if (done)
		return status;
	e->ext = !d.soft;
	status = read_gate(e, &d);
	if (status == EMULATE_OK)
		status = check_gate(e, &d);
	if (status != EMULATE_OK)
		return status;
	if (gate_type(&d) != TYPE_TASK_GATE)
		return deliver_gate(e, &d);
	e->rflags = d.image;
	return enter_task_gate(e, d.raw, TRANSFER_EVENT, event->has_error ? &event->error : NULL);
}

/* INT n, INT3, INTO, INT1. */
enum emulate_status run_int(struct emulation *e)
{
	struct event event = { .type = EVENT_SOFT_EXC, .rip = e->rip,
			       .insn_len = e->insn->length };

	switch (e->insn->op) {
	case OP_INT:
		event.type = EVENT_SOFT_INT;
		event.vector = e->insn->imm;
		break;
	case OP_INT3:
		event.vector = EXC_BP;
		break;
	case OP_INT1:
		event.type = EVENT_PRIV_SOFT_EXC;
		event.vector = EXC_DB;
		break;
	default:
		if (!(e->rflags & RFLAGS_OF))
			return EMULATE_OK;
		event.vector = EXC_OF;
	}
	return deliver_event(e, &event);
}

/* --- IRET --- */

/* Bits of the popped flags that IRET takes in each mode. */
#define IRET_FLAGS	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_TF | \
			 RFLAGS_DF | RFLAGS_OF | RFLAGS_NT | RFLAGS_RF | RFLAGS_AC | RFLAGS_ID)

static void take_flags(struct emulation *e, u64 image, u64 mask)
{
	mask &= size_mask(e->insn->op_bytes);
	e->rflags = (e->rflags & ~mask & ~(e->insn->op_bytes == 2 ? RFLAGS_RF : 0)) |
		    (image & mask);
	e->keeps_rf = true;
}

/* Real mode; virtual-8086 mode with IOPL 3, where IOPL stays. */
static enum emulate_status iret_real(struct emulation *e)
{
	struct stack s = current_stack(e);
	enum emulate_status status;
	struct segment cs;
	u64 popped[3];

	if ((e->rflags & RFLAGS_VM) && (e->rflags & RFLAGS_IOPL) != RFLAGS_IOPL)
		return raise_fault(e, EXC_GP, 0);
	status = pop_values(e, &s, popped, 3, e->insn->op_bytes);
	if (status != EMULATE_OK)
		return status;
	cs = real_segment(e, SEG_CS, popped[1]);
	if (popped[0] > cs.limit)
		return raise_fault(e, EXC_GP, 0);
	use_stack_pointer(e, &s);
	e->ops->set_segment(e->ctx, SEG_CS, &cs);
	e->next_rip = popped[0];
	take_flags(e, popped[2], IRET_FLAGS | RFLAGS_IF |
		   (e->rflags & RFLAGS_VM ? 0 : RFLAGS_IOPL));
	return EMULATE_OK;
}

/* From CPL 0 to virtual-8086 mode: ESP, SS, ES, DS, FS, GS follow on the stack. */
static enum emulate_status iret_to_v86(struct emulation *e, struct stack *s, const u64 *popped)
{
	static const u8 order[] = { SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	enum emulate_status status;
	struct segment seg;
	u64 rest[6];

	status = pop_values(e, s, rest, 6, 4);
	if (status != EMULATE_OK)
		return status;
	if ((u32)popped[0] > 0xffff)
		return raise_fault(e, EXC_GP, 0);
	take_flags(e, popped[2], IRET_FLAGS | RFLAGS_IF | RFLAGS_IOPL | RFLAGS_VM | RFLAGS_VIF |
		   RFLAGS_VIP);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		seg = real_segment(e, order[i], rest[1 + i]);
		e->ops->set_segment(e->ctx, order[i], &seg);
	}
	seg = real_segment(e, SEG_CS, popped[1]);
	e->ops->set_segment(e->ctx, SEG_CS, &seg);
	write_register(e, GPR_RSP, 4, rest[0]);
	e->next_rip = popped[0];
	return EMULATE_OK;
}

/* The flags of a return within protected mode, by the CPL that returns. */
static void take_protected_flags(struct emulation *e, u64 image, unsigned cpl)
{
	u64 mask = IRET_FLAGS;

	if (cpl <= (e->rflags & RFLAGS_IOPL) >> 12)
		mask |= RFLAGS_IF;
	if (cpl == 0)
		mask |= RFLAGS_IOPL | RFLAGS_VIF | RFLAGS_VIP;
	take_flags(e, image, mask);
}

/* With RSP and SS from the stack: to an outer level, and always in 64-bit mode. */
static enum emulate_status iret_with_stack(struct emulation *e, struct stack *s,
					   struct descriptor *cs, const u64 *popped)
{
	unsigned cpl = cs->selector & SELECTOR_RPL, old_cpl = current_cpl(e);
	bool wide = is_long_mode(e) && (cs->seg.attr & SEG_ATTR_L);
	struct stack outer = { 0 };
	enum emulate_status status;
	u64 more[2];

	status = pop_values(e, s, more, 2, e->insn->op_bytes);
	if (status == EMULATE_OK)
		status = prepare_stack_segment(e, more[1], cpl, wide, EXC_GP, &outer.ss);
	if (status == EMULATE_OK)
		status = check_rip(e, &cs->seg, popped[0]);
	if (status == EMULATE_OK)
		status = mark_accessed(e, cs);
	if (status != EMULATE_OK)
		return status;
	outer.rsp = more[0];
	outer.bytes = wide ? 8 : outer.ss.attr & SEG_ATTR_DB ? 4 : 2;
	take_protected_flags(e, popped[2], old_cpl);
	e->ops->set_segment(e->ctx, SEG_SS, &outer.ss);
	use_stack_pointer(e, &outer);
	enter_code(e, &cs->seg, cpl, popped[0]);
	if (cpl > old_cpl)
		drop_data_segments(e, cpl);
	return EMULATE_OK;
}

static enum emulate_status iret_protected(struct emulation *e)
{
	struct stack s = current_stack(e);
	unsigned cpl = current_cpl(e);
	enum emulate_status status;
	struct descriptor cs;
	u64 popped[3];

	status = pop_values(e, &s, popped, 3, e->insn->op_bytes);
	if (status != EMULATE_OK)
		return status;
	if ((popped[2] & RFLAGS_VM) && cpl == 0 && !is_long_mode(e) && e->insn->op_bytes == 4)
		return iret_to_v86(e, &s, popped);
	status = check_return_code(e, popped[1], &cs);
	if (status != EMULATE_OK)
		return status;
	if ((cs.selector & SELECTOR_RPL) > cpl || in_64bit_mode(e))
		return iret_with_stack(e, &s, &cs, popped);
	status = check_rip(e, &cs.seg, popped[0]);
	if (status == EMULATE_OK)
		status = mark_accessed(e, &cs);
	if (status != EMULATE_OK)
		return status;
	take_protected_flags(e, popped[2], cpl);
	use_stack_pointer(e, &s);
	enter_code(e, &cs.seg, cpl, popped[0]);
	return EMULATE_OK;
}

enum emulate_status run_iret(struct emulation *e)
{
	e->ends_nmi_blocking = true;
	if (!in_protected_mode(e))
		return iret_real(e);
	if (!(e->rflags & RFLAGS_NT))
		return iret_protected(e);
	if (is_long_mode(e))
		return raise_fault(e, EXC_GP, 0);
	return return_from_task(e);
}
