// SPDX-License-Identifier: GPL-2.0-only
/*
 * String instructions with REP, and port I/O with its permission check. A string instruction
 * commits element by element: after each one the registers say where it is, so a fault or the bound
 * on the work of one call can stop it anywhere, and it goes on from there. SDM vol. 2B, "REP"; vol.
 * 1, "I/O Permission Bit Map".
 */
#include "emulate/arith.h"
#include "emulate/emulation.h"

#define MAX_BYTES_A_CALL	4096

#define TSS_IO_MAP_BASE		0x66	/* offset of the 16-bit field in a 32-bit or 64-bit TSS */
#define TSS_TYPE		0x9	/* available; 0xb is busy */

/* CPL above IOPL, or virtual-8086 mode: the TSS must have a clear bit for every port touched. */
static enum emulate_status check_port(struct emulation *e, u16 port, unsigned size)
{
	const struct segment *tr;
	enum emulate_status status;
	u16 base = 0, bits = 0;
	u64 at;

	if (!(e->rflags & RFLAGS_VM) &&
	    e->ops->get(e->ctx, EMULATE_CPL) <= (e->rflags & RFLAGS_IOPL) >> 12)
		return EMULATE_OK;
	tr = e->ops->segment(e->ctx, SEG_TR);
	if (!(tr->attr & SEG_ATTR_P) || (tr->attr & 0xd) != TSS_TYPE ||
	    tr->limit < TSS_IO_MAP_BASE + 1)
		return raise_fault(e, EXC_GP, 0);
	status = read_memory(e, GVA(tr->base + TSS_IO_MAP_BASE), &base, 2, ACCESS_IMPLICIT);
	if (status != EMULATE_OK)
		return status;
	at = base + port / 8u;
	if (at + 1 > tr->limit)		/* two bytes are read always */
		return raise_fault(e, EXC_GP, 0);
	status = read_memory(e, GVA(tr->base + at), &bits, 2, ACCESS_IMPLICIT);
	if (status != EMULATE_OK)
		return status;
	return bits >> (port & 7) & ((1u << size) - 1) ? raise_fault(e, EXC_GP, 0) : EMULATE_OK;
}

/* IN and OUT. */
enum emulate_status run_port(struct emulation *e)
{
	const struct insn *insn = e->insn;
	struct emulate_action action = {
		.port = insn->form == FORM_ACC_DX ? (u16)e->gpr[GPR_RDX] : (u8)insn->imm,
		.size = MIN(insn->op_bytes, 4), .in = insn->op == OP_IN,
	};
	u32 value = e->gpr[GPR_RAX] & size_mask(action.size);
	enum emulate_status status = check_port(e, action.port, action.size);

	if (status == EMULATE_OK)
		status = e->ops->intercept(e->ctx, insn, &action);
	if (status == EMULATE_OK)
		status = e->ops->port(e->ctx, action.port, action.size, action.in, &value);
	if (status == EMULATE_OK && action.in)
		write_register(e, GPR_RAX, action.size, value);
	return status;
}

static unsigned element_bytes(const struct insn *insn)
{
	return insn->op == OP_INS || insn->op == OP_OUTS ? MIN(insn->op_bytes, 4) : insn->op_bytes;
}

/* Linear address of the element at rSI (override or DS) or at rDI (always ES). */
static enum emulate_status element(struct emulation *e, unsigned reg, u32 access, gva_t *at)
{
	unsigned segment = reg == GPR_RDI ? SEG_ES : e->insn->segment;
	u64 offset = e->gpr[reg] & size_mask(e->insn->addr_bytes);

	return linear_address(e, segment, offset, element_bytes(e->insn), access, at);
}

static enum emulate_status read_element(struct emulation *e, unsigned reg, u64 *value)
{
	enum emulate_status status;
	gva_t at;

	*value = 0;
	status = element(e, reg, ACCESS_READ, &at);
	if (status != EMULATE_OK)
		return status;
	return read_memory(e, at, value, element_bytes(e->insn), e->user);
}

static enum emulate_status write_element(struct emulation *e, u64 value)
{
	enum emulate_status status;
	gva_t at;

	status = element(e, GPR_RDI, ACCESS_WRITE, &at);
	return status == EMULATE_OK ? write_memory(e, at, &value, element_bytes(e->insn)) : status;
}

/* INS checks its destination first: what a port gave can't be read twice. */
static enum emulate_status ins_element(struct emulation *e)
{
	unsigned size = element_bytes(e->insn);
	enum emulate_status status;
	u32 value = 0;
	gva_t at;

	status = element(e, GPR_RDI, ACCESS_WRITE, &at);
	if (status == EMULATE_OK)
		status = check_memory(e, at, size, e->user | ACCESS_WRITE);
	if (status == EMULATE_OK)
		status = e->ops->port(e->ctx, e->gpr[GPR_RDX], size, true, &value);
	return status == EMULATE_OK ? write_memory(e, at, &value, size) : status;
}

static enum emulate_status outs_element(struct emulation *e)
{
	u64 value;
	enum emulate_status status = read_element(e, GPR_RSI, &value);
	u32 low = value;

	if (status != EMULATE_OK)
		return status;
	return e->ops->port(e->ctx, e->gpr[GPR_RDX], element_bytes(e->insn), false, &low);
}

/* CMPS and SCAS: the first operand minus the one at rDI. */
static enum emulate_status compare_element(struct emulation *e)
{
	unsigned size = element_bytes(e->insn);
	u64 first = e->gpr[GPR_RAX] & size_mask(size), second;
	enum emulate_status status = EMULATE_OK;

	if (e->insn->op == OP_CMPS)
		status = read_element(e, GPR_RSI, &first);
	if (status == EMULATE_OK)
		status = read_element(e, GPR_RDI, &second);
	if (status == EMULATE_OK)
		arith_binary(OP_CMP, size, first, second, &e->rflags);
	return status;
}

static enum emulate_status run_element(struct emulation *e)
{
	enum emulate_status status;
	u64 value;

	switch (e->insn->op) {
	case OP_MOVS:
		status = read_element(e, GPR_RSI, &value);
		return status == EMULATE_OK ? write_element(e, value) : status;
	case OP_LODS:
		status = read_element(e, GPR_RSI, &value);
		if (status == EMULATE_OK)
			write_register(e, GPR_RAX, element_bytes(e->insn), value);
		return status;
	case OP_STOS:
		return write_element(e, e->gpr[GPR_RAX]);
	case OP_INS:
		return ins_element(e);
	case OP_OUTS:
		return outs_element(e);
	default:
		return compare_element(e);
	}
}

static bool uses(u8 op, unsigned reg)
{
	if (reg == GPR_RSI)
		return op == OP_MOVS || op == OP_CMPS || op == OP_LODS || op == OP_OUTS;
	return op != OP_LODS && op != OP_OUTS;
}

/* Move rSI and rDI on by one element, down if DF is set. */
static void advance(struct emulation *e)
{
	u64 step = element_bytes(e->insn);

	if (e->rflags & RFLAGS_DF)
		step = -step;
	for (unsigned reg = GPR_RSI; reg <= GPR_RDI; reg++) {
		if (uses(e->insn->op, reg))
			write_register(e, reg, e->insn->addr_bytes, e->gpr[reg] + step);
	}
}

/* After one element of a REP: is that all? REPE and REPNE look at ZF for CMPS and SCAS only. */
static bool is_finished(struct emulation *e)
{
	const struct insn *insn = e->insn;
	bool zf = e->rflags & RFLAGS_ZF;

	write_register(e, GPR_RCX, insn->addr_bytes, e->gpr[GPR_RCX] - 1);
	if (!(e->gpr[GPR_RCX] & size_mask(insn->addr_bytes)))
		return true;
	return (insn->op == OP_CMPS || insn->op == OP_SCAS) && zf != (insn->rep == 0xf3);
}

/* Permission and intercept of INS and OUTS, once before the elements of a call. */
static enum emulate_status begin_port_string(struct emulation *e)
{
	struct emulate_action action = {
		.port = e->gpr[GPR_RDX], .size = element_bytes(e->insn),
		.in = e->insn->op == OP_INS, .string = true, .rep = e->insn->rep,
	};
	enum emulate_status status = check_port(e, action.port, action.size);

	if (status == EMULATE_OK && action.in)
		status = element(e, GPR_RDI, ACCESS_WRITE, &action.linear);
	else if (status == EMULATE_OK)
		status = element(e, GPR_RSI, ACCESS_READ, &action.linear);
	return status == EMULATE_OK ? e->ops->intercept(e->ctx, e->insn, &action) : status;
}

enum emulate_status run_string(struct emulation *e)
{
	const struct insn *insn = e->insn;
	unsigned left = MAX_BYTES_A_CALL / element_bytes(insn);
	enum emulate_status status = EMULATE_OK;

	if (insn->rep && !(e->gpr[GPR_RCX] & size_mask(insn->addr_bytes)))
		return EMULATE_OK;
	if (insn->op == OP_INS || insn->op == OP_OUTS)
		status = begin_port_string(e);
	if (e->rflags & RFLAGS_TF)
		left = 1;	/* a trap after each element */
	while (status == EMULATE_OK) {
		status = run_element(e);
		if (status != EMULATE_OK)
			break;
		advance(e);
		if (!insn->rep || is_finished(e))
			return EMULATE_OK;
		if (--left == 0)
			return EMULATE_AGAIN;
	}
	return status;
}
