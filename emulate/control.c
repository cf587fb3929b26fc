// SPDX-License-Identifier: GPL-2.0-only
/*
 * Far JMP, CALL and RET: in real and virtual-8086 mode, to code segments and through call gates in
 * protected and long mode. SDM vol. 2A, "CALL", "JMP"; vol. 2B, "RET"; vol. 3A, "Accessing a Code
 * Segment Through a Call Gate". Checks come first, in the manual's order, then the stack, then
 * registers, which can't fail.
 */
#include "emulate/segment.h"

#include "lib/string.h"

enum emulate_status check_rip(struct emulation *e, const struct segment *cs, u64 rip)
{
	bool wide = is_long_mode(e) && (cs->attr & SEG_ATTR_L);

	if (wide ? is_canonical(e, rip) : rip <= cs->limit)
		return EMULATE_OK;
	return raise_fault(e, EXC_GP, e->ext);
}

void enter_code(struct emulation *e, const struct segment *cs, unsigned cpl, u64 rip)
{
	struct segment s = *cs;

	s.selector = (s.selector & ~SELECTOR_RPL) | cpl;
	e->ops->set_segment(e->ctx, SEG_CS, &s);
	e->next_rip = rip;
}

/* --- Real and virtual-8086 mode: no descriptors --- */

static enum emulate_status far_real(struct emulation *e, u16 selector, u64 offset, bool is_call)
{
	u64 back[2] = { e->ops->segment(e->ctx, SEG_CS)->selector, e->next_rip };
	struct segment cs = real_segment(e, SEG_CS, selector);
	struct stack s = current_stack(e);
	enum emulate_status status = EMULATE_OK;

	if (offset > cs.limit)
		return raise_fault(e, EXC_GP, 0);
	if (is_call)
		status = push_values(e, &s, back, 2, e->insn->op_bytes);
	if (status != EMULATE_OK)
		return status;
	if (is_call)
		use_stack_pointer(e, &s);
	e->ops->set_segment(e->ctx, SEG_CS, &cs);
	e->next_rip = offset;
	return EMULATE_OK;
}

/* --- The TSS --- */

enum emulate_status read_tss(struct emulation *e, unsigned at, void *to, unsigned size)
{
	const struct segment *tr = e->ops->segment(e->ctx, SEG_TR);

	if (at + size - 1 > tr->limit)
		return selector_fault(e, EXC_TS, tr->selector);
	return read_implicit(e, GVA(is_long_mode(e) ? tr->base + at : (u32)(tr->base + at)), to,
			     size);
}

/* SP and SS for a level, of a TSS outside long mode. */
static enum emulate_status read_inner(struct emulation *e, unsigned cpl, u32 *sp, u16 *ss)
{
	bool is_16 = (e->ops->segment(e->ctx, SEG_TR)->attr & SEG_ATTR_TYPE) <= TYPE_TSS16_BUSY;
	unsigned size = is_16 ? 2 : 4, at = is_16 ? 2 + 4 * cpl : 4 + 8 * cpl;
	u8 words[6] = { 0 };
	enum emulate_status status = read_tss(e, at, words, size + 2);

	*sp = 0;
	memcpy(sp, words, size);
	memcpy(ss, words + size, 2);
	return status;
}

/* RSP0 to RSP2 stand at offset 4, IST1 to IST7 at 36. */
static enum emulate_status inner_stack_64(struct emulation *e, unsigned cpl, unsigned ist,
					  struct stack *s)
{
	*s = (struct stack){ .ss = null_segment(cpl, cpl), .bytes = 8, .error = e->ext };
	return read_tss(e, ist ? 28 + 8 * ist : 4 + 8 * cpl, &s->rsp, 8);
}

enum emulate_status inner_stack(struct emulation *e, unsigned cpl, unsigned ist, struct stack *s)
{
	enum emulate_status status;
	u16 ss;
	u32 sp;

	if (is_long_mode(e))
		return inner_stack_64(e, cpl, ist, s);
	status = read_inner(e, cpl, &sp, &ss);
	if (status != EMULATE_OK)
		return status;
	*s = (struct stack){ .rsp = sp };
	status = prepare_stack_segment(e, ss, cpl, false, EXC_TS, &s->ss);
	s->error = (ss & ~SELECTOR_RPL) | e->ext;
	s->bytes = s->ss.attr & SEG_ATTR_DB ? 4 : 2;
	return status;
}

/* --- Code segments --- */

static enum emulate_status check_code(struct emulation *e, const struct descriptor *d, bool allowed)
{
	if (is_bad_code_size(e, &d->seg) || !allowed)
		return selector_fault(e, EXC_GP, d->selector);
	if (!(d->seg.attr & SEG_ATTR_P))
		return selector_fault(e, EXC_NP, d->selector);
	return EMULATE_OK;
}

/* The way back, of CALL, onto the present stack, as the new code will see it. */
static enum emulate_status push_return(struct emulation *e, unsigned size, struct stack *s)
{
	u64 back[2] = { e->ops->segment(e->ctx, SEG_CS)->selector, e->next_rip };

	return push_values(e, s, back, 2, size);
}

static enum emulate_status far_code(struct emulation *e, struct descriptor *d, u64 rip,
				    bool is_call)
{
	unsigned cpl = current_cpl(e), dpl = descriptor_dpl(&d->seg);
	struct stack s = current_stack(e);
	enum emulate_status status;

	status = check_code(e, d, is_conforming(&d->seg) ? dpl <= cpl :
			    dpl == cpl && (d->selector & SELECTOR_RPL) <= cpl);
	if (status == EMULATE_OK && is_call)
		status = check_stack_room(e, &s, 2, e->insn->op_bytes);
	if (status == EMULATE_OK)
		status = check_rip(e, &d->seg, rip);
	if (status == EMULATE_OK)
		status = mark_accessed(e, d);
	if (status == EMULATE_OK && is_call)
		status = push_return(e, e->insn->op_bytes, &s);
	if (status != EMULATE_OK)
		return status;
	if (is_call)
		use_stack_pointer(e, &s);
	enter_code(e, &d->seg, cpl, rip);
	return EMULATE_OK;
}

/* --- Call gates ---
 *
 *  63       48 47 46 45 44   40 39  37 36   32 31      16 15      0
 * | offset    | P | DPL | type |      | params | selector | offset  |
 */

struct gate_target {
	struct descriptor cs;
	u64 rip;
	unsigned size;		/* of what is pushed */
	unsigned params;
};

static enum emulate_status read_call_gate(struct emulation *e, struct descriptor *gate,
					  struct gate_target *t)
{
	unsigned rpl = gate->selector & SELECTOR_RPL;
	enum emulate_status status;
	u16 selector;

	if (descriptor_dpl(&gate->seg) < MAX(current_cpl(e), rpl))
		return selector_fault(e, EXC_GP, gate->selector);
	if (!(gate->seg.attr & SEG_ATTR_P))
		return selector_fault(e, EXC_NP, gate->selector);
	status = read_high_half(e, EXC_GP, gate);
	if (status != EMULATE_OK)
		return status;
	t->size = is_long_mode(e) ? 8 :
		  (gate->seg.attr & SEG_ATTR_TYPE) == TYPE_CALL_GATE ? 4 : 2;
	t->params = is_long_mode(e) ? 0 : gate->raw >> 32 & 31;
	t->rip = gate->raw & 0xffff;
	if (t->size > 2)
		t->rip |= (gate->raw >> 48 << 16) | gate->high << 32;
	selector = gate->raw >> 16;
	if (is_null_selector(selector))
		return raise_fault(e, EXC_GP, 0);
	status = read_descriptor(e, selector, EXC_GP, &t->cs);
	if (status != EMULATE_OK)
		return status;
	if (!is_code(&t->cs.seg))
		return selector_fault(e, EXC_GP, selector);
	return EMULATE_OK;
}

/* Parameters are read from the caller's stack, the last one pushed first: values[count - 1]. */
static enum emulate_status read_params(struct emulation *e, u64 *values, unsigned count,
				       unsigned size)
{
	struct stack old = current_stack(e);
	u64 read[31];
	enum emulate_status status = pop_values(e, &old, read, count, size);

	for (unsigned i = 0; i < count && status == EMULATE_OK; i++)
		values[count - 1 - i] = read[i];
	return status;
}

/* To a more privileged level, on its stack: SS, RSP, parameters, CS, RIP. */
static enum emulate_status call_inner(struct emulation *e, struct gate_target *t)
{
	unsigned cpl = descriptor_dpl(&t->cs.seg), n = 2;
	u64 values[4 + 31] = { e->ops->segment(e->ctx, SEG_SS)->selector,
			       read_register(e, GPR_RSP) };
	struct stack s;
	enum emulate_status status = inner_stack(e, cpl, 0, &s);

	if (status == EMULATE_OK && t->params)
		status = read_params(e, values + n, t->params, t->size);
	n += t->params;
	values[n++] = e->ops->segment(e->ctx, SEG_CS)->selector;
	values[n++] = e->next_rip;
	if (status == EMULATE_OK)
		status = check_stack_room(e, &s, n, t->size);
	if (status == EMULATE_OK)
		status = check_rip(e, &t->cs.seg, t->rip);
	if (status == EMULATE_OK)
		status = mark_accessed(e, &t->cs);
	if (status == EMULATE_OK)
		status = push_values(e, &s, values, n, t->size);
	if (status != EMULATE_OK)
		return status;
	e->ops->set_segment(e->ctx, SEG_SS, &s.ss);
	use_stack_pointer(e, &s);
	enter_code(e, &t->cs.seg, cpl, t->rip);
	return EMULATE_OK;
}

/* At the same level; 64-bit code is flat, wherever the call comes from. */
static enum emulate_status gate_same(struct emulation *e, struct gate_target *t, bool is_call)
{
	struct stack s = current_stack(e);
	enum emulate_status status = EMULATE_OK;

	if (t->size == 8)
		s.bytes = 8;
	if (is_call)
		status = check_stack_room(e, &s, 2, t->size);
	if (status == EMULATE_OK)
		status = check_rip(e, &t->cs.seg, t->rip);
	if (status == EMULATE_OK)
		status = mark_accessed(e, &t->cs);
	if (status == EMULATE_OK && is_call)
		status = push_return(e, t->size, &s);
	if (status != EMULATE_OK)
		return status;
	if (is_call)
		use_stack_pointer(e, &s);
	enter_code(e, &t->cs.seg, current_cpl(e), t->rip);
	return EMULATE_OK;
}

static enum emulate_status far_gate(struct emulation *e, struct descriptor *gate, bool is_call)
{
	unsigned cpl = current_cpl(e), dpl;
	struct gate_target t;
	enum emulate_status status = read_call_gate(e, gate, &t);
	bool same, bad_size;

	if (status != EMULATE_OK)
		return status;
	dpl = descriptor_dpl(&t.cs.seg);
	same = is_conforming(&t.cs.seg) || dpl == cpl;
	bad_size = is_long_mode(e) && (t.cs.seg.attr & (SEG_ATTR_L | SEG_ATTR_DB)) != SEG_ATTR_L;
	status = check_code(e, &t.cs, dpl <= cpl && (is_call || same) && !bad_size);
	if (status != EMULATE_OK)
		return status;
	return same ? gate_same(e, &t, is_call) : call_inner(e, &t);
}

/* --- JMP and CALL --- */

static enum emulate_status far_system(struct emulation *e, struct descriptor *d, bool is_call)
{
	enum transfer how = is_call ? TRANSFER_CALL : TRANSFER_JMP;
	unsigned type = d->seg.attr & SEG_ATTR_TYPE;
	bool visible = descriptor_dpl(&d->seg) >= MAX(current_cpl(e), d->selector & SELECTOR_RPL);

	if (type == TYPE_CALL_GATE || (type == TYPE_CALL_GATE16 && !is_long_mode(e)))
		return far_gate(e, d, is_call);
	if (is_long_mode(e) || !visible ||
	    (type != TYPE_TASK_GATE && type != TYPE_TSS && type != TYPE_TSS16))
		return selector_fault(e, EXC_GP, d->selector);
	if (type != TYPE_TASK_GATE)
		return switch_task(e, d, how, NULL);
	if (!(d->seg.attr & SEG_ATTR_P))
		return selector_fault(e, EXC_NP, d->selector);
	return enter_task_gate(e, d->raw, how, NULL);
}

static enum emulate_status far_transfer(struct emulation *e, bool is_call)
{
	struct descriptor d;
	enum emulate_status status = EMULATE_OK;
	u16 selector = e->insn->imm2;
	u64 offset = e->insn->imm & size_mask(e->insn->op_bytes);

	if (e->insn->is_mem)
		status = read_far_pointer(e, &offset, &selector);
	if (status != EMULATE_OK)
		return status;
	if (!in_protected_mode(e))
		return far_real(e, selector, offset, is_call);
	if (is_null_selector(selector))
		return raise_fault(e, EXC_GP, 0);
	status = read_descriptor(e, selector, EXC_GP, &d);
	if (status != EMULATE_OK)
		return status;
	if (is_code(&d.seg))
		return far_code(e, &d, offset, is_call);
	if (d.seg.attr & SEG_ATTR_S)
		return selector_fault(e, EXC_GP, selector);
	return far_system(e, &d, is_call);
}

enum emulate_status run_jump_far(struct emulation *e)
{
	return far_transfer(e, false);
}

enum emulate_status run_call_far(struct emulation *e)
{
	return far_transfer(e, true);
}

/* --- RET --- */

enum emulate_status check_return_code(struct emulation *e, u16 selector, struct descriptor *cs)
{
	unsigned rpl = selector & SELECTOR_RPL, dpl;
	enum emulate_status status;

	if (is_null_selector(selector))
		return raise_fault(e, EXC_GP, 0);
	status = read_descriptor(e, selector, EXC_GP, cs);
	if (status != EMULATE_OK)
		return status;
	dpl = descriptor_dpl(&cs->seg);
	if (!is_code(&cs->seg) || rpl < current_cpl(e))
		return selector_fault(e, EXC_GP, selector);
	return check_code(e, cs, is_conforming(&cs->seg) ? dpl <= rpl : dpl == rpl);
}

static enum emulate_status ret_real(struct emulation *e, struct stack *s, const u64 *popped)
{
	struct segment cs = real_segment(e, SEG_CS, popped[1]);

	if (popped[0] > cs.limit)
		return raise_fault(e, EXC_GP, 0);
	s->rsp += e->insn->imm;
	use_stack_pointer(e, s);
	e->ops->set_segment(e->ctx, SEG_CS, &cs);
	e->next_rip = popped[0];
	return EMULATE_OK;
}

/* To a less privileged level: its stack pointer and SS lie above the parameters. */
static enum emulate_status ret_outer(struct emulation *e, struct stack *s, struct descriptor *cs,
				     u64 rip)
{
	unsigned cpl = cs->selector & SELECTOR_RPL, size = e->insn->op_bytes;
	bool wide = is_long_mode(e) && (cs->seg.attr & SEG_ATTR_L);
	struct stack outer = { 0 };
	enum emulate_status status;
	u64 popped[2];

	s->rsp += e->insn->imm;
	status = pop_values(e, s, popped, 2, size);
	if (status == EMULATE_OK)
		status = prepare_stack_segment(e, popped[1], cpl, wide, EXC_GP, &outer.ss);
	if (status == EMULATE_OK)
		status = check_rip(e, &cs->seg, rip);
	if (status == EMULATE_OK)
		status = mark_accessed(e, cs);
	if (status != EMULATE_OK)
		return status;
	outer.bytes = wide ? 8 : outer.ss.attr & SEG_ATTR_DB ? 4 : 2;
	outer.rsp = popped[0] + e->insn->imm;
	e->ops->set_segment(e->ctx, SEG_SS, &outer.ss);
	use_stack_pointer(e, &outer);
	enter_code(e, &cs->seg, cpl, rip);
	drop_data_segments(e, cpl);
	return EMULATE_OK;
}

enum emulate_status run_ret_far(struct emulation *e)
{
	struct stack s = current_stack(e);
	unsigned cpl = current_cpl(e);
	struct descriptor cs;
	u64 popped[2];
	enum emulate_status status = pop_values(e, &s, popped, 2, e->insn->op_bytes);

	if (status != EMULATE_OK)
		return status;
	if (!in_protected_mode(e))
		return ret_real(e, &s, popped);
	status = check_return_code(e, popped[1], &cs);
	if (status != EMULATE_OK)
		return status;
	if ((cs.selector & SELECTOR_RPL) > cpl)
		return ret_outer(e, &s, &cs, popped[0]);
	status = check_rip(e, &cs.seg, popped[0]);
	if (status == EMULATE_OK)
		status = mark_accessed(e, &cs);
	if (status != EMULATE_OK)
		return status;
	s.rsp += e->insn->imm;
	use_stack_pointer(e, &s);
	enter_code(e, &cs.seg, cpl, popped[0]);
	return EMULATE_OK;
}
