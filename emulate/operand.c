// SPDX-License-Identifier: GPL-2.0-only
/*
 * General registers, effective addresses, and the operands that a form names: find, read, write
 * them.
 */
#include "emulate/emulation.h"

#include "lib/string.h"

u64 read_register(struct emulation *e, unsigned reg)
{
	if (reg != GPR_RSP)
		return e->gpr[reg];
	if (!e->rsp_known) {
		e->rsp = e->ops->get(e->ctx, EMULATE_RSP);
		e->rsp_known = true;
	}
	return e->rsp;
}

/*
 * What a register holds after a write of `size` bytes: 4 clear the upper half, 1 and 2 keep the
 * rest.
 */
static u64 merge(u64 old, unsigned size, unsigned shift, u64 value)
{
	u64 mask = size_mask(size) << shift;

	if (size >= 4)
		return value & mask;
	return (old & ~mask) | (value << shift & mask);
}

/* Write the low `size` bytes of a register. RSP is held back until the instruction completes. */
void write_register(struct emulation *e, unsigned reg, unsigned size, u64 value)
{
	u64 merged = merge(read_register(e, reg), size, 0, value);

	if (reg == GPR_RSP) {
		e->rsp = merged;
		e->rsp_changed = true;
	} else {
		e->gpr[reg] = merged;
	}
}

/* Offset of the memory operand within its segment. */
u64 effective_address(struct emulation *e)
{
	const struct insn *insn = e->insn;
	u64 address = insn->disp;

	if (insn->base == REG_RIP)
		address += e->next_rip;
	else if (insn->base != REG_NONE)
		address += read_register(e, insn->base);
	if (insn->index != REG_NONE)
		address += read_register(e, insn->index) << insn->scale;
	return address & size_mask(insn->addr_bytes);
}

static struct operand register_operand(const struct emulation *e, unsigned reg, unsigned size)
{
	struct operand o = { .kind = OPERAND_REG, .reg = reg, .size = size };

	/* Without REX, byte registers 4 to 7 are AH, CH, DH, BH. */
	if (size == 1 && !e->insn->rex && reg >= 4) {
		o.reg = reg - 4;
		o.shift = 8;
	}
	return o;
}

static struct operand immediate_operand(u64 value, unsigned size)
{
	return (struct operand){ .kind = OPERAND_IMM, .size = size,
				 .value = value & size_mask(size) };
}

static unsigned rm_size(const struct insn *insn)
{
	if (insn->flags & ROW_SRC8)
		return 1;
	if (insn->flags & ROW_SRC16)
		return 2;
	if (insn->flags & ROW_SRC32)
		return MIN(insn->op_bytes, 4);
	if (insn->op == OP_MOV_FROM_SREG && insn->is_mem)
		return 2;
	return insn->op_bytes;
}

/* A bit string's bit offset reaches beyond the operand (SDM vol. 2A, "BT"). */
static u64 bit_string_offset(struct emulation *e)
{
	const struct insn *insn = e->insn;
	unsigned shift = 64 - 8 * insn->op_bytes;
	s64 bit;

	if (insn->op < OP_BT || insn->op > OP_BTC || insn->form != FORM_RM_REG)
		return 0;
	bit = (s64)(read_register(e, insn->reg) << shift) >> shift;
	return (u64)((bit >> 3) & ~(s64)(insn->op_bytes - 1));
}

/* Make *o the memory operand at `offset`, its size being set. */
enum emulate_status locate_memory(struct emulation *e, struct operand *o, u64 offset, u32 access)
{
	o->kind = OPERAND_MEM;
	return linear_address(e, e->insn->segment, offset & size_mask(e->insn->addr_bytes), o->size,
			      access, &o->at);
}

static enum emulate_status locate_rm(struct emulation *e, struct operand *o, u32 access)
{
	const struct insn *insn = e->insn;

	if (!insn->is_mem) {
		*o = register_operand(e, insn->rm, rm_size(insn));
		return EMULATE_OK;
	}
	o->size = rm_size(insn);
	return locate_memory(e, o, effective_address(e) + bit_string_offset(e), access);
}

/* Fill in where dst and src are, by the form; memory has passed segmentation. */
enum emulate_status locate_operands(struct emulation *e, bool writes_dst)
{
	const struct insn *insn = e->insn;
	u32 access = writes_dst ? ACCESS_WRITE : ACCESS_READ;
	struct operand reg = register_operand(e, insn->reg, insn->op_bytes);
	struct operand acc = { .kind = OPERAND_REG, .reg = GPR_RAX, .size = insn->op_bytes };
	struct operand imm = immediate_operand(insn->imm, insn->op_bytes);

	switch (insn->form) {
	case FORM_IMM:
		e->src = imm;
		return EMULATE_OK;
	case FORM_ACC_IMM:
		e->dst = acc;
		e->src = imm;
		return EMULATE_OK;
	case FORM_OREG_IMM:
		e->dst = reg;
		e->src = imm;
		return EMULATE_OK;
	case FORM_OREG:
	case FORM_OREG_ACC:
		e->dst = reg;
		e->src = acc;
		return EMULATE_OK;
	case FORM_ACC_MOFFS:
		e->dst = acc;
		return locate_rm(e, &e->src, ACCESS_READ);
	case FORM_MOFFS_ACC:
		e->src = acc;
		return locate_rm(e, &e->dst, access);
	case FORM_REG_RM:
	case FORM_REG_RM_IMM:
		e->dst = reg;
		return locate_rm(e, &e->src, ACCESS_READ);
	case FORM_RM:
	case FORM_RM_REG:
	case FORM_RM_REG_IMM:
	case FORM_RM_REG_CL:
		e->src = reg;
		return locate_rm(e, &e->dst, access);
	case FORM_RM_IMM:
		e->src = imm;
		return locate_rm(e, &e->dst, access);
	case FORM_RM_1:
		e->src = immediate_operand(1, 1);
		return locate_rm(e, &e->dst, access);
	case FORM_RM_CL:
		e->src = immediate_operand(e->gpr[GPR_RCX], 1);
		return locate_rm(e, &e->dst, access);
	}
	return EMULATE_OK;
}

/* Read *o into its value; `access` matters for memory: ACCESS_WRITE if it'll be written. */
enum emulate_status read_operand(struct emulation *e, struct operand *o, u32 access)
{
	if (o->kind == OPERAND_REG)
		o->value = read_register(e, o->reg) >> o->shift & size_mask(o->size);
	if (o->kind != OPERAND_MEM)
		return EMULATE_OK;
	o->value = 0;
	return read_memory(e, o->at, &o->value, o->size, access | e->user);
}

/* Write the value of *o to where it is. Only memory can fail. */
enum emulate_status write_operand(struct emulation *e, const struct operand *o)
{
	if (o->kind == OPERAND_MEM && e->locked)
		return exchange_memory(e, o->at, &e->original, &o->value, o->size);
	if (o->kind == OPERAND_MEM)
		return write_memory(e, o->at, &o->value, o->size);
	if (o->shift)
		e->gpr[o->reg] = merge(e->gpr[o->reg], 1, 8, o->value);
	else
		write_register(e, o->reg, o->size, o->value);
	return EMULATE_OK;
}
