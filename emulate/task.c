// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches by JMP, CALL, IRET and task gates, with 16- and 32-bit TSSs; long mode has none.
 * SDM vol. 3A, "Task Switching", "Task Linking". Two halves: until the outgoing state is saved every
 * fault is the old task's and nothing has changed; from then on the new task's registers are in
 * place and faults are its own, at its first instruction.
 */
#include "emulate/segment.h"

#include "lib/string.h"

/* Where a TSS has what. */
static const struct tss_layout {
	u8 size;		/* of a word */
	u8 rip;			/* then flags, and the eight general registers */
	u8 segments;		/* ES CS SS DS (FS GS) … */
	u8 nr_segments;
	u8 ldt;
	u8 cr3;			/* 0: none */
	u8 bytes;
} layouts[] = {
	{ .size = 2, .rip = 14, .segments = 34, .nr_segments = 4, .ldt = 42, .bytes = 44 },
	{ .size = 4, .rip = 32, .segments = 72, .nr_segments = 6, .ldt = 96, .cr3 = 28,
	  .bytes = 104 },
};
#define NR_SAVED	10	/* RIP, flags, general registers */
#define TSS_TRAP	100	/* offset of the T bit */

static const struct tss_layout *layout_of(const struct segment *tss)
{
	return &layouts[(tss->attr & SEG_ATTR_TYPE) >= TYPE_TSS];
}

static u32 tss_word(const u8 *tss, unsigned at, unsigned size)
{
	u32 value = 0;

	memcpy(&value, tss + at, size);
	return value;
}

/* --- The first half: checks, and the outgoing task's state --- */

static enum emulate_status check_tss(struct emulation *e, const struct descriptor *d,
				     enum transfer how)
{
	u8 vector = how == TRANSFER_IRET ? EXC_TS : EXC_GP;
	unsigned type = d->seg.attr & (SEG_ATTR_S | SEG_ATTR_TYPE);
	unsigned busy = how == TRANSFER_IRET ? TSS_BUSY : 0;

	if ((d->selector & SELECTOR_TI) ||
	    (type != (TYPE_TSS | busy) && type != (TYPE_TSS16 | busy)))
		return selector_fault(e, vector, d->selector);
	if (!(d->seg.attr & SEG_ATTR_P))
		return selector_fault(e, EXC_NP, d->selector);
	if (d->seg.limit + 1ull < layout_of(&d->seg)->bytes)
		return selector_fault(e, EXC_TS, d->selector);
	return EMULATE_OK;
}

static enum emulate_status check_implicit_write(struct emulation *e, u64 base, unsigned size)
{
	return check_memory(e, GVA((u32)base), size, ACCESS_IMPLICIT | ACCESS_WRITE);
}

/* The busy bit of the task that is left goes where it isn't nested. */
static enum emulate_status clear_busy(struct emulation *e, u16 selector)
{
	struct descriptor d;
	enum emulate_status status = read_descriptor(e, selector, EXC_TS, &d);
	u8 old, new;

	if (status != EMULATE_OK)
		return status;
	old = d.raw >> 40;
	new = old & ~TSS_BUSY;
	return e->ops->cmpxchg(e->ctx, GVA(d.at.v + 5), &old, &new, 1,
			       ACCESS_IMPLICIT | ACCESS_WRITE, e->event);
}

static enum emulate_status save_state(struct emulation *e, enum transfer how)
{
	const struct segment *tr = e->ops->segment(e->ctx, SEG_TR);
	const struct tss_layout *to = layout_of(tr);
	u32 values[NR_SAVED] = { e->next_rip, e->rflags };
	enum emulate_status status = EMULATE_OK;
	u16 selector;

	if (how == TRANSFER_IRET)
		values[1] &= ~RFLAGS_NT;
	for (unsigned i = 0; i < 8; i++)
		values[2 + i] = read_register(e, i);
	for (unsigned i = 0; i < NR_SAVED && status == EMULATE_OK; i++)
		status = write_implicit(e, GVA((u32)(tr->base + to->rip + i * to->size)),
					&values[i], to->size);
	for (unsigned i = 0; i < to->nr_segments && status == EMULATE_OK; i++) {
		selector = e->ops->segment(e->ctx, i)->selector;
		status = write_implicit(e, GVA((u32)(tr->base + to->segments + i * to->size)),
					&selector, 2);
	}
	return status;
}

/* Everything that can fail while the old task still runs. */
static enum emulate_status leave_task(struct emulation *e, struct descriptor *d, enum transfer how,
				      u8 *tss)
{
	const struct segment *tr = e->ops->segment(e->ctx, SEG_TR);
	bool nests = how == TRANSFER_CALL || how == TRANSFER_EVENT;
	u16 link = tr->selector;
	enum emulate_status status = check_tss(e, d, how);

	if (status == EMULATE_OK && !(tr->attr & SEG_ATTR_P))
		status = selector_fault(e, EXC_TS, link);
	if (status == EMULATE_OK && tr->limit + 1ull < layout_of(tr)->bytes)
		status = selector_fault(e, EXC_TS, link);
	if (status == EMULATE_OK)
		status = read_implicit(e, GVA((u32)d->seg.base), tss, layout_of(&d->seg)->bytes);
	if (status == EMULATE_OK)
		status = check_implicit_write(e, tr->base, layout_of(tr)->bytes);
	if (status == EMULATE_OK && nests)
		status = check_implicit_write(e, d->seg.base, 2);
	if (status == EMULATE_OK && !nests)
		status = clear_busy(e, link);
	if (status == EMULATE_OK)
		status = set_type_bits(e, d, TSS_BUSY);
	if (status == EMULATE_OK)
		status = save_state(e, how);
	if (status == EMULATE_OK && nests)
		status = write_implicit(e, GVA((u32)d->seg.base), &link, 2);
	return status;
}

/* --- The second half: the incoming task's --- */

/* A control or debug register, by the one who carries such moves out. */
static enum emulate_status move_register(struct emulation *e, u8 op, unsigned reg, u64 *value)
{
	struct insn insn = { .op = op, .reg = reg, .mode = CPU_MODE_32, .op_bytes = 4 };
	struct emulate_action action = { .size = 4, .value = *value };
	enum emulate_status status = e->ops->system(e->ctx, &insn, &action, e->event);

	*value = action.value;
	return status;
}

/* TS is set; breakpoints of this task alone (L0 to L3, LE) end. */
static enum emulate_status switch_registers(struct emulation *e, const u8 *tss,
					    const struct tss_layout *from)
{
	u64 cr0 = e->ops->get(e->ctx, EMULATE_CR0), cr3, dr7 = 0;
	enum emulate_status status = EMULATE_OK;

	if (from->cr3 && (cr0 & CR0_PG)) {
		cr3 = tss_word(tss, from->cr3, 4);
		status = move_register(e, OP_MOV_TO_CR, 3, &cr3);
	}
	cr0 |= CR0_TS;
	if (status == EMULATE_OK)
		status = move_register(e, OP_MOV_TO_CR, 0, &cr0);
	if (status == EMULATE_OK)
		status = move_register(e, OP_MOV_FROM_DR, 7, &dr7);
	if (status != EMULATE_OK || !(dr7 & DR7_LOCAL))
		return status;
	dr7 &= ~DR7_LOCAL;
	return move_register(e, OP_MOV_TO_DR, 7, &dr7);
}

/* Registers that need no check; segments have their selectors, and nothing behind them yet. */
static void load_registers(struct emulation *e, const u8 *tss, const struct tss_layout *from,
			   bool nests)
{
	unsigned size = from->size, rpl = tss_word(tss, from->segments + SEG_CS * size, 2) &
					  SELECTOR_RPL;
	bool v86;

	e->rip = e->next_rip = tss_word(tss, from->rip, size);
	e->rflags = tss_word(tss, from->rip + size, size) | RFLAGS_FIXED;
	e->rflags &= RFLAGS_DEFINED & (size == 2 ? 0xffff : ~0ull);
	if (nests)
		e->rflags |= RFLAGS_NT;
	v86 = e->rflags & RFLAGS_VM;
	for (unsigned i = 0; i < 8; i++)
		write_register(e, i, 4, tss_word(tss, from->rip + (2 + i) * size, size));
	for (unsigned reg = SEG_ES; reg <= SEG_GS; reg++) {
		u16 selector = reg < from->nr_segments ?
			       tss_word(tss, from->segments + reg * size, 2) : 0;
		struct segment s = v86 ? real_segment(e, reg, selector) :
					 null_segment(selector, rpl);

		e->ops->set_segment(e->ctx, reg, &s);
	}
	e->user = current_cpl(e) == 3 ? ACCESS_USER : 0;
	e->traps = 0;
	e->keeps_rf = true;
	e->ops->set(e->ctx, EMULATE_RIP, e->next_rip);
	e->ops->set(e->ctx, EMULATE_RSP, e->rsp);
	e->ops->set(e->ctx, EMULATE_RFLAGS, e->rflags);
}

static enum emulate_status load_task_code(struct emulation *e, u16 selector)
{
	unsigned rpl = selector & SELECTOR_RPL, dpl;
	struct descriptor d;
	enum emulate_status status;

	if (is_null_selector(selector))
		return selector_fault(e, EXC_TS, 0);
	status = read_descriptor(e, selector, EXC_TS, &d);
	if (status != EMULATE_OK)
		return status;
	dpl = descriptor_dpl(&d.seg);
	if (!is_code(&d.seg) || (is_conforming(&d.seg) ? dpl > rpl : dpl != rpl))
		return selector_fault(e, EXC_TS, selector);
	if (!(d.seg.attr & SEG_ATTR_P))
		return selector_fault(e, EXC_NP, selector);
	status = mark_accessed(e, &d);
	if (status == EMULATE_OK)
		e->ops->set_segment(e->ctx, SEG_CS, &d.seg);
	return status;
}

static enum emulate_status load_task_segments(struct emulation *e, const u8 *tss,
					      const struct tss_layout *from)
{
	static const u8 data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	unsigned cpl = current_cpl(e), size = from->size;
	u16 ss = tss_word(tss, from->segments + SEG_SS * size, 2);
	enum emulate_status status;
	struct segment s;

	status = load_task_code(e, tss_word(tss, from->segments + SEG_CS * size, 2));
	if (status == EMULATE_OK)
		status = prepare_stack_segment(e, ss, cpl, false, EXC_TS, &s);
	if (status == EMULATE_OK)
		e->ops->set_segment(e->ctx, SEG_SS, &s);
	for (unsigned i = 0; i < ARRAY_SIZE(data) && status == EMULATE_OK; i++) {
		if (data[i] >= from->nr_segments)
			break;
		status = prepare_data_segment(e, tss_word(tss, from->segments + data[i] * size, 2),
					      EXC_TS, &s);
		if (status == EMULATE_OK)
			e->ops->set_segment(e->ctx, data[i], &s);
	}
	return status;
}

static enum emulate_status push_error(struct emulation *e, u32 error, unsigned size)
{
	struct stack s = current_stack(e);
	u64 value = error;
	enum emulate_status status = push_values(e, &s, &value, 1, size);

	if (status == EMULATE_OK)
		use_stack_pointer(e, &s);
	return status;
}

static enum emulate_status enter_task(struct emulation *e, struct descriptor *d, const u8 *tss,
				      bool nests, const u32 *error)
{
	const struct tss_layout *from = layout_of(&d->seg);
	struct segment no_ldt = null_segment(0, 0);
	enum emulate_status status;

	e->ops->set_segment(e->ctx, SEG_TR, &d->seg);
	e->ops->set_segment(e->ctx, SEG_LDTR, &no_ldt);
	load_registers(e, tss, from, nests);
	status = switch_registers(e, tss, from);
	if (status == EMULATE_OK)
		status = load_ldt(e, tss_word(tss, from->ldt, 2), EXC_TS);
	if (status == EMULATE_OK && !(e->rflags & RFLAGS_VM))
		status = load_task_segments(e, tss, from);
	if (status == EMULATE_OK && error)
		status = push_error(e, *error, from->size);
	if (status == EMULATE_OK)
		status = check_rip(e, e->ops->segment(e->ctx, SEG_CS), e->next_rip);
	if (status == EMULATE_OK && from->cr3 && (tss[TSS_TRAP] & 1))
		e->traps = DR6_BT;
	return status;
}

enum emulate_status switch_task(struct emulation *e, struct descriptor *d, enum transfer how,
				const u32 *error)
{
	bool nests = how == TRANSFER_CALL || how == TRANSFER_EVENT;
	u8 tss[104];
	enum emulate_status status = leave_task(e, d, how, tss);

	if (status != EMULATE_OK)
		return status;
	status = enter_task(e, d, tss, nests, error);
	/* A descriptor that another CPU changes meanwhile: it's too late to begin again. */
	return status == EMULATE_AGAIN ? selector_fault(e, EXC_TS, d->selector) : status;
}

enum emulate_status return_from_task(struct emulation *e)
{
	struct descriptor d;
	enum emulate_status status;
	u16 link;

	status = read_tss(e, 0, &link, 2);
	if (status != EMULATE_OK)
		return status;
	if (is_null_selector(link) || (link & SELECTOR_TI))
		return selector_fault(e, EXC_TS, link);
	status = read_descriptor(e, link, EXC_TS, &d);
	return status == EMULATE_OK ? switch_task(e, &d, TRANSFER_IRET, NULL) : status;
}

enum emulate_status enter_task_gate(struct emulation *e, u64 gate, enum transfer how,
				    const u32 *error)
{
	u16 selector = gate >> 16;
	struct descriptor d;
	enum emulate_status status;

	if (is_null_selector(selector) || (selector & SELECTOR_TI))
		return selector_fault(e, EXC_GP, selector);
	status = read_descriptor(e, selector, EXC_GP, &d);
	return status == EMULATE_OK ? switch_task(e, &d, how, error) : status;
}
