// SPDX-License-Identifier: GPL-2.0-only
/*
 * PUSH, POP, near branches with the stack that CALL and RET use, and several values at once for far
 * transfers.
 * SDM vol. 2B, "PUSH", "POP"; vol. 1, "Stack Behavior in 64-Bit Mode".
 */
#include "emulate/arith.h"
#include "emulate/segment.h"

/* Stack address size: by the mode in 64-bit mode, by SS.B elsewhere. */
unsigned stack_bytes(struct emulation *e)
{
	if (in_64bit_mode(e))
		return 8;
	return e->ops->segment(e->ctx, SEG_SS)->attr & SEG_ATTR_DB ? 4 : 2;
}

enum emulate_status push(struct emulation *e, u64 value, unsigned size)
{
	unsigned bytes = stack_bytes(e);
	u64 top = (read_register(e, GPR_RSP) - size) & size_mask(bytes);
	enum emulate_status status;
	gva_t at;

	status = linear_address(e, SEG_SS, top, size, ACCESS_WRITE, &at);
	if (status == EMULATE_OK)
		status = write_memory(e, at, &value, size);
	if (status == EMULATE_OK)
		write_register(e, GPR_RSP, bytes, top);
	return status;
}

/* Take `size` bytes from the stack and drop `extra` more. */
static enum emulate_status pop(struct emulation *e, u64 *value, unsigned size, unsigned extra)
{
	unsigned bytes = stack_bytes(e);
	u64 top = read_register(e, GPR_RSP) & size_mask(bytes);
	enum emulate_status status;
	gva_t at;

	*value = 0;
	status = linear_address(e, SEG_SS, top, size, ACCESS_READ, &at);
	if (status == EMULATE_OK)
		status = read_memory(e, at, value, size, e->user);
	if (status == EMULATE_OK)
		write_register(e, GPR_RSP, bytes, top + size + extra);
	return status;
}

struct stack current_stack(struct emulation *e)
{
	return (struct stack){ .ss = *e->ops->segment(e->ctx, SEG_SS), .error = e->ext,
			       .rsp = read_register(e, GPR_RSP), .bytes = stack_bytes(e),
			       .user = e->user };
}

void use_stack_pointer(struct emulation *e, const struct stack *s)
{
	write_register(e, GPR_RSP, s->bytes, s->rsp);
}

/* Segmentation of one value on a stack; `offset` is cut to the stack's address size. */
static enum emulate_status stack_address(struct emulation *e, const struct stack *s, u64 offset,
					 unsigned size, gva_t *at)
{
	const u16 type = SEG_ATTR_P | SEG_TYPE_CODE | SEG_TYPE_WRITABLE;

	offset &= size_mask(s->bytes);
	*at = GVA(s->bytes == 8 ? offset : (u32)(s->ss.base + offset));
	if (s->bytes == 8) {
		if (is_canonical(e, offset) && is_canonical(e, offset + size - 1))
			return EMULATE_OK;
	} else if (!in_protected_mode(e) ||
		   (s->ss.attr & type) == (SEG_ATTR_P | SEG_TYPE_WRITABLE)) {
		if (limit_allows(&s->ss, offset, offset + size - 1))
			return EMULATE_OK;
	}
	return raise_fault(e, EXC_SS, s->error);
}

/* The segment's part of it alone, which comes before the check of where a transfer goes. */
enum emulate_status check_stack_room(struct emulation *e, const struct stack *s, unsigned count,
				     unsigned size)
{
	enum emulate_status status = EMULATE_OK;
	gva_t at;

	for (unsigned i = 1; i <= count && status == EMULATE_OK; i++)
		status = stack_address(e, s, s->rsp - i * size, size, &at);
	return status;
}

/* All of them, or none: every place is checked before the first is written. */
static enum emulate_status push_checked(struct emulation *e, const struct stack *s,
					const u64 *values, unsigned count, unsigned size)
{
	enum emulate_status status = EMULATE_OK;
	gva_t at;

	for (unsigned i = 1; i <= count && status == EMULATE_OK; i++) {
		status = stack_address(e, s, s->rsp - i * size, size, &at);
		if (status == EMULATE_OK && count > 1)
			status = check_memory(e, at, size, e->user | ACCESS_WRITE);
	}
	for (unsigned i = 1; i <= count && status == EMULATE_OK; i++) {
		status = stack_address(e, s, s->rsp - i * size, size, &at);
		if (status == EMULATE_OK)
			status = write_memory(e, at, &values[i - 1], size);
	}
	return status;
}

enum emulate_status push_values(struct emulation *e, struct stack *s, const u64 *values,
				unsigned count, unsigned size)
{
	u32 user = e->user;
	enum emulate_status status;

	e->user = s->user;
	status = push_checked(e, s, values, count, size);
	e->user = user;
	s->rsp -= count * size;
	return status;
}

enum emulate_status pop_values(struct emulation *e, struct stack *s, u64 *values, unsigned count,
			       unsigned size)
{
	enum emulate_status status = EMULATE_OK;
	gva_t at;

	for (unsigned i = 0; i < count && status == EMULATE_OK; i++) {
		values[i] = 0;
		status = stack_address(e, s, s->rsp, size, &at);
		if (status == EMULATE_OK)
			status = read_memory(e, at, &values[i], size, s->user);
		s->rsp += size;
	}
	return status;
}

enum emulate_status run_push(struct emulation *e)
{
	struct operand *what = e->insn->form == FORM_IMM ? &e->src : &e->dst;
	enum emulate_status status = locate_operands(e, false);

	if (status == EMULATE_OK)
		status = read_operand(e, what, ACCESS_READ);
	return status == EMULATE_OK ? push(e, what->value, e->insn->op_bytes) : status;
}

/*
 * The address of a destination in memory is computed with the new RSP, so the stack is read first.
 */
enum emulate_status run_pop(struct emulation *e)
{
	u64 value;
	enum emulate_status status = pop(e, &value, e->insn->op_bytes, 0);

	if (status == EMULATE_OK)
		status = locate_operands(e, true);
	e->dst.value = value;
	return status == EMULATE_OK ? write_operand(e, &e->dst) : status;
}

/* Let execution go on at `target`, if the code segment has it. */
enum emulate_status branch_to(struct emulation *e, u64 target)
{
	if (in_64bit_mode(e)) {
		if (!is_canonical(e, target))
			return raise_fault(e, EXC_GP, 0);
	} else {
		target &= size_mask(e->insn->op_bytes);
		if (target > e->ops->segment(e->ctx, SEG_CS)->limit)
			return raise_fault(e, EXC_GP, 0);
	}
	e->next_rip = target;
	return EMULATE_OK;
}

/* Where a CALL or JMP goes: relative, or read from the r/m operand. */
static enum emulate_status branch_target(struct emulation *e, u64 *target)
{
	enum emulate_status status;

	if (e->insn->form == FORM_IMM) {
		*target = e->next_rip + e->insn->imm;
		return EMULATE_OK;
	}
	status = locate_operands(e, false);
	if (status == EMULATE_OK)
		status = read_operand(e, &e->dst, ACCESS_READ);
	*target = e->dst.value;
	return status;
}

enum emulate_status run_call(struct emulation *e)
{
	u64 target, back = e->next_rip;
	enum emulate_status status = branch_target(e, &target);

	if (status == EMULATE_OK)
		status = branch_to(e, target);
	return status == EMULATE_OK ? push(e, back, e->insn->op_bytes) : status;
}

enum emulate_status run_jump(struct emulation *e)
{
	u64 target;
	enum emulate_status status;

	if (e->insn->op == OP_JCC && !arith_condition(e->insn->opcode & 15, e->rflags))
		return EMULATE_OK;
	status = branch_target(e, &target);
	return status == EMULATE_OK ? branch_to(e, target) : status;
}

enum emulate_status run_ret(struct emulation *e)
{
	u64 target;
	enum emulate_status status = pop(e, &target, e->insn->op_bytes, e->insn->imm);

	return status == EMULATE_OK ? branch_to(e, target) : status;
}
