// SPDX-License-Identifier: GPL-2.0-only
/*
 * x87 instructions with a memory operand, LDMXCSR and STMXCSR: finds the operand, and lets the
 * caller carry the instruction out on a copy of it. SDM vol. 1, "Programming with the x87 FPU".
 */
#include "emulate/emulation.h"

#include "lib/string.h"

#define ENVIRONMENT	0xfe	/* 14 or 28 bytes, by operand size */
#define STATE		0xff	/* 94 or 108 */

/* Bytes of the operand, by opcode D8H to DFH and /reg; 0: reserved. */
static const u8 operand_bytes[8][8] = {
	{ 4, 4, 4, 4, 4, 4, 4, 4 },
	{ 4, 0, 4, 4, ENVIRONMENT, 2, ENVIRONMENT, 2 },
	{ 4, 4, 4, 4, 4, 4, 4, 4 },
	{ 4, 4, 4, 4, 0, 10, 0, 10 },
	{ 8, 8, 8, 8, 8, 8, 8, 8 },
	{ 8, 8, 8, 8, STATE, 0, STATE, 2 },
	{ 2, 2, 2, 2, 2, 2, 2, 2 },
	{ 2, 2, 2, 2, 10, 8, 10, 8 },
};

/* Which of them write it, one bit for each /reg. */
static const u8 stores[8] = { 0, 0xcc, 0, 0x8e, 0, 0xce, 0, 0xce };

/* FNSTENV, FNSTCW, FNSAVE, FNSTSW don't look for an exception that waits. */
static bool waits(unsigned opcode, unsigned reg)
{
	return !((opcode == 0xd9 || opcode == 0xdd) && reg >= 6);
}

static unsigned operand_size(const struct insn *insn, unsigned bytes)
{
	bool small = insn->op_bytes == 2;

	if (bytes == ENVIRONMENT)
		return small ? 14 : 28;
	return bytes == STATE ? (small ? 94 : 108) : bytes;
}

/* A store that didn't happen, as its exception isn't masked, leaves the copy as it was. */
static enum emulate_status run_store(struct emulation *e, struct emulate_x87 *x, unsigned size)
{
	struct operand o = { .size = size };
	enum emulate_status status = locate_memory(e, &o, effective_address(e), ACCESS_WRITE);
	u8 unwritten[sizeof(x->operand)];

	if (status == EMULATE_OK)
		status = check_block(e, o.at, size, e->user | ACCESS_WRITE);
	if (status != EMULATE_OK)
		return status;
	memset(unwritten, 0xa5, sizeof(unwritten));
	memcpy(x->operand, unwritten, sizeof(unwritten));
	e->ops->x87(e->ctx, x);
	if ((e->ops->get(e->ctx, EMULATE_FSW) & FSW_ES) && !memcmp(x->operand, unwritten, size))
		return EMULATE_OK;
	return write_block(e, o.at, x->operand, size);
}

static enum emulate_status run_load(struct emulation *e, struct emulate_x87 *x, unsigned size)
{
	struct operand o = { .size = size };
	enum emulate_status status = locate_memory(e, &o, effective_address(e), ACCESS_READ);

	if (status == EMULATE_OK)
		status = read_block(e, o.at, x->operand, size);
	if (status == EMULATE_OK)
		e->ops->x87(e->ctx, x);
	return status;
}

enum emulate_status run_x87(struct emulation *e)
{
	const struct insn *insn = e->insn;
	unsigned row = insn->opcode & 7, reg = insn->reg & 7;
	struct emulate_x87 x = {
		.opcode = insn->opcode, .reg = reg, .small = insn->op_bytes == 2,
		.modrm = insn->modrm, .ip = e->rip, .dp = effective_address(e),
	};
	unsigned size = operand_size(insn, operand_bytes[row][reg]);
	enum emulate_status status;

	if (!insn->is_mem || !e->ops->x87)
		return EMULATE_UNHANDLED;
	if (!size)
		return raise_fault(e, EXC_UD, 0);
	status = check_fpu(e, waits(insn->opcode, reg) ? FPU_X87_WAITS : FPU_X87);
	if (status != EMULATE_OK)
		return status;
	return stores[row] >> reg & 1 ? run_store(e, &x, size) : run_load(e, &x, size);
}

/* FWAIT: #NM only with both CR0.MP and CR0.TS. */
enum emulate_status run_fwait(struct emulation *e)
{
	u64 cr0 = e->ops->get(e->ctx, EMULATE_CR0);

	if ((cr0 & CR0_MP) && (cr0 & CR0_TS))
		return raise_fault(e, EXC_NM, 0);
	if (e->ops->get(e->ctx, EMULATE_FSW) & FSW_ES)
		return raise_fault(e, EXC_MF, 0);
	return EMULATE_OK;
}

/* LDMXCSR and STMXCSR. */
enum emulate_status run_mxcsr(struct emulation *e)
{
	bool load = (e->insn->reg & 7) == 2;
	struct operand *o = &e->src;
	enum emulate_status status;
	u64 value = 0;

	if (e->insn->vector && (e->insn->vector_l || e->insn->vvvv))
		return raise_fault(e, EXC_UD, 0);
	status = check_fpu(e, e->insn->vector ? FPU_AVX : FPU_SSE);
	if (status != EMULATE_OK)
		return status;
	o->size = 4;
	status = locate_memory(e, o, effective_address(e), load ? ACCESS_READ : ACCESS_WRITE);
	if (status != EMULATE_OK)
		return status;
	if (!load) {
		value = e->ops->get(e->ctx, EMULATE_MXCSR);
		return write_memory(e, o->at, &value, 4);
	}
	status = read_memory(e, o->at, &value, 4, e->user);
	if (status != EMULATE_OK)
		return status;
	if (value & ~e->ops->get(e->ctx, EMULATE_MXCSR_MASK))
		return raise_fault(e, EXC_GP, 0);
	e->ops->set(e->ctx, EMULATE_MXCSR, value);
	return EMULATE_OK;
}
