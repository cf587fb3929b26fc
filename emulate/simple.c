// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions without a memory operand, for whoever interprets a whole program: flags, widening
 * of the accumulator, byte swaps, loops. And those that make and take down stack frames: ENTER,
 * LEAVE, PUSHA, POPA, and BOUND. SDM vol. 2, each instruction's page.
 */
#include "emulate/arith.h"
#include "emulate/emulation.h"

#define AH_FLAGS	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF)

/* CMC, CLC, STC, CLD, STD, SAHF, LAHF, SALC. */
enum emulate_status run_flags(struct emulation *e)
{
	u64 rax = e->gpr[GPR_RAX];

	switch (e->insn->op) {
	case OP_CMC: e->rflags ^= RFLAGS_CF; break;
	case OP_CLC: e->rflags &= ~RFLAGS_CF; break;
	case OP_STC: e->rflags |= RFLAGS_CF; break;
	case OP_CLD: e->rflags &= ~RFLAGS_DF; break;
	case OP_STD: e->rflags |= RFLAGS_DF; break;
	case OP_SAHF: e->rflags = (e->rflags & ~AH_FLAGS) | (rax >> 8 & AH_FLAGS); break;
	case OP_LAHF:
		e->gpr[GPR_RAX] = (rax & ~0xff00ull) |
				  ((e->rflags & AH_FLAGS) | RFLAGS_FIXED) << 8;
		break;
	default:	/* SALC */
		write_register(e, GPR_RAX, 1, e->rflags & RFLAGS_CF ? 0xff : 0);
	}
	return EMULATE_OK;
}

/* CBW, CWDE, CDQE; CWD, CDQ, CQO. */
enum emulate_status run_widen(struct emulation *e)
{
	unsigned size = e->insn->op_bytes, from = e->insn->op == OP_CBW ? size / 2 : size;
	unsigned shift = 64 - 8 * from;
	s64 value = (s64)(e->gpr[GPR_RAX] << shift) >> shift;

	if (e->insn->op == OP_CBW)
		write_register(e, GPR_RAX, size, (u64)value);
	else
		write_register(e, GPR_RDX, size, value < 0 ? ~0ull : 0);
	return EMULATE_OK;
}

/* BSWAP; of 16 bits the result is undefined (here, as on most CPUs: 0). */
enum emulate_status run_bswap(struct emulation *e)
{
	unsigned size = e->insn->op_bytes;
	u64 value = __builtin_bswap64(read_register(e, e->insn->reg)) >> (64 - 8 * size);

	write_register(e, e->insn->reg, size, size == 2 ? 0 : value);
	return EMULATE_OK;
}

/* LOOPNE, LOOPE, LOOP, JrCXZ: the count has the address size. */
enum emulate_status run_loop(struct emulation *e)
{
	unsigned size = e->insn->addr_bytes;
	u64 old = e->gpr[GPR_RCX], count = old & size_mask(size);
	bool zf = e->rflags & RFLAGS_ZF, taken = !count;
	enum emulate_status status;

	if (e->insn->op != OP_JRCXZ) {
		count = (count - 1) & size_mask(size);
		write_register(e, GPR_RCX, size, count);
		taken = count && (e->insn->op == OP_LOOP || zf == (e->insn->op == OP_LOOPE));
	}
	if (!taken)
		return EMULATE_OK;
	status = branch_to(e, e->next_rip + e->insn->imm);
	if (status != EMULATE_OK)
		e->gpr[GPR_RCX] = old;
	return status;
}

/* Each value's place is checked before the first is written: none or all. */
enum emulate_status run_pusha(struct emulation *e)
{
	unsigned size = e->insn->op_bytes, bytes = stack_bytes(e);
	u64 top = read_register(e, GPR_RSP);
	enum emulate_status status = EMULATE_OK;
	gva_t at[8];

	for (unsigned i = 0; i < 8 && status == EMULATE_OK; i++) {
		u64 offset = (top - (i + 1) * size) & size_mask(bytes);

		status = linear_address(e, SEG_SS, offset, size, ACCESS_WRITE, &at[i]);
		if (status == EMULATE_OK)
			status = check_memory(e, at[i], size, e->user | ACCESS_WRITE);
	}
	for (unsigned i = 0; i < 8 && status == EMULATE_OK; i++) {
		u64 value = i == GPR_RSP ? top : e->gpr[i];

		status = write_memory(e, at[i], &value, size);
	}
	if (status == EMULATE_OK)
		write_register(e, GPR_RSP, bytes, top - 8 * size);
	return status;
}

enum emulate_status run_popa(struct emulation *e)
{
	unsigned size = e->insn->op_bytes, bytes = stack_bytes(e);
	u64 top = read_register(e, GPR_RSP), value[8] = { 0 };
	enum emulate_status status = EMULATE_OK;

	for (unsigned i = 0; i < 8 && status == EMULATE_OK; i++) {
		gva_t at;

		status = linear_address(e, SEG_SS, (top + i * size) & size_mask(bytes), size,
					ACCESS_READ, &at);
		if (status == EMULATE_OK)
			status = read_memory(e, at, &value[7 - i], size, e->user);
	}
	if (status != EMULATE_OK)
		return status;
	for (unsigned reg = 0; reg < 8; reg++) {
		if (reg != GPR_RSP)
			write_register(e, reg, size, value[reg]);
	}
	write_register(e, GPR_RSP, bytes, top + 8 * size);
	return EMULATE_OK;
}

/* The frame pointers of the outer levels, from where rBP points, and that of the new one. */
static enum emulate_status push_levels(struct emulation *e, unsigned level, u64 frame)
{
	unsigned size = e->insn->op_bytes, bytes = stack_bytes(e);
	enum emulate_status status = EMULATE_OK;

	for (unsigned i = 1; i < level && status == EMULATE_OK; i++) {
		u64 offset = (e->gpr[GPR_RBP] - i * size) & size_mask(bytes), value = 0;
		gva_t at;

		status = linear_address(e, SEG_SS, offset, size, ACCESS_READ, &at);
		if (status == EMULATE_OK)
			status = read_memory(e, at, &value, size, e->user);
		if (status == EMULATE_OK)
			status = push(e, value, size);
	}
	return status == EMULATE_OK ? push(e, frame, size) : status;
}

/*
 * ENTER. At its end the new top of the stack must be writable, though nothing is written there. "The
 * OperandSize attribute determines the size of ... the data being transferred from SP/ESP/RSP
 * register into the BP/EBP/RBP register" (SDM vol. 2A, "ENTER").
 */
enum emulate_status run_enter(struct emulation *e)
{
	unsigned size = e->insn->op_bytes, bytes = stack_bytes(e), level = e->insn->imm2 & 31;
	enum emulate_status status = push(e, e->gpr[GPR_RBP], size);
	u64 frame = read_register(e, GPR_RSP), top;
	gva_t at;

	if (status == EMULATE_OK && level)
		status = push_levels(e, level, frame);
	if (status != EMULATE_OK)
		return status;
	top = (read_register(e, GPR_RSP) - e->insn->imm) & size_mask(bytes);
	status = linear_address(e, SEG_SS, top, size, ACCESS_WRITE, &at);
	if (status == EMULATE_OK)
		status = check_memory(e, at, size, e->user | ACCESS_WRITE);
	if (status != EMULATE_OK)
		return status;
	write_register(e, GPR_RBP, size, frame);
	write_register(e, GPR_RSP, bytes, top);
	return EMULATE_OK;
}

enum emulate_status run_leave(struct emulation *e)
{
	unsigned size = e->insn->op_bytes, bytes = stack_bytes(e);
	u64 frame = e->gpr[GPR_RBP] & size_mask(bytes), value = 0;
	enum emulate_status status;
	gva_t at;

	status = linear_address(e, SEG_SS, frame, size, ACCESS_READ, &at);
	if (status == EMULATE_OK)
		status = read_memory(e, at, &value, size, e->user);
	if (status != EMULATE_OK)
		return status;
	write_register(e, GPR_RSP, bytes, frame + size);
	write_register(e, GPR_RBP, size, value);
	return EMULATE_OK;
}

/* #BR if the register lies outside of the two bounds in memory. */
enum emulate_status run_bound(struct emulation *e)
{
	unsigned size = e->insn->op_bytes, shift = 64 - 8 * size;
	u64 offset = effective_address(e), bounds[2] = { 0 };
	s64 index = (s64)(read_register(e, e->insn->reg) << shift) >> shift;
	enum emulate_status status = EMULATE_OK;

	for (unsigned i = 0; i < 2 && status == EMULATE_OK; i++) {
		e->src.size = size;
		status = locate_memory(e, &e->src, offset + i * size, ACCESS_READ);
		if (status == EMULATE_OK)
			status = read_memory(e, e->src.at, &bounds[i], size, e->user);
	}
	if (status != EMULATE_OK)
		return status;
	if (index < (s64)(bounds[0] << shift) >> shift || index > (s64)(bounds[1] << shift) >> shift)
		return raise_fault(e, EXC_BR, 0);
	return EMULATE_OK;
}

/*
 * MOVDIR64B: 64 bytes from the r/m operand to ES:reg, which must be aligned. The store is one of 64
 * bytes; memory by parts is what there is here (SDM vol. 2B, "MOVDIR64B").
 */
enum emulate_status run_movdir64b(struct emulation *e)
{
	u8 bytes[64];
	u64 to = read_register(e, e->insn->reg) & size_mask(e->insn->addr_bytes);
	enum emulate_status status;
	gva_t from, at;

	e->src.size = 64;
	status = locate_memory(e, &e->src, effective_address(e), ACCESS_READ);
	from = e->src.at;
	if (status == EMULATE_OK)
		status = linear_address(e, SEG_ES, to, 64, ACCESS_WRITE, &at);
	if (status == EMULATE_OK && (at.v & 63))
		return raise_fault(e, EXC_GP, 0);
	if (status == EMULATE_OK)
		status = read_block(e, from, bytes, 64);
	return status == EMULATE_OK ? write_block(e, at, bytes, 64) : status;
}
