// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's frame: decode, look up the row of the operation, fetch operands, compute, store,
 * commit. Most rows only compute, in locals; memory is written before any register, so a fault
 * leaves nothing half done. Rows that do everything themselves stand in the file of their kind
 * (emulation.h).
 */
#include "emulate/emulate.h"

#include "emulate/arith.h"
#include "emulate/decode.h"
#include "emulate/emulation.h"
#include "emulate/segment.h"

#define READ_DST	0x01u	/* the frame reads dst first … */
#define WRITE_DST	0x02u	/* … and writes it afterwards */
#define READ_SRC	0x04u
#define ALWAYS_LOCKS	0x08u	/* a memory operand is locked without the prefix */
#define PROTECTED_ONLY	0x10u	/* #UD in real and virtual-8086 mode */
#define UPDATE		(READ_DST | WRITE_DST)

struct exec_row {
	enum emulate_status (*run)(struct emulation *e);	/* NULL: not done here */
	u8 flags;
};

static enum emulate_status run_binary(struct emulation *e)
{
	e->dst.value = arith_binary(e->insn->op, e->dst.size, e->dst.value, e->src.value,
				    &e->rflags);
	return EMULATE_OK;
}

static enum emulate_status run_unary(struct emulation *e)
{
	e->dst.value = arith_unary(e->insn->op, e->dst.size, e->dst.value, &e->rflags);
	return EMULATE_OK;
}

static enum emulate_status run_shift(struct emulation *e)
{
	e->dst.value = arith_shift(e->insn->op, e->dst.size, e->dst.value, e->src.value & 0xff,
				   &e->rflags);
	return EMULATE_OK;
}

static enum emulate_status run_double_shift(struct emulation *e)
{
	u64 count = e->insn->form == FORM_RM_REG_CL ? e->gpr[GPR_RCX] : e->insn->imm;

	e->dst.value = arith_double_shift(e->insn->op, e->dst.size, e->dst.value, e->src.value,
					  count & 0xff, &e->rflags);
	return EMULATE_OK;
}

static enum emulate_status run_bit(struct emulation *e)
{
	e->dst.value = arith_bit(e->insn->op, e->dst.size, e->dst.value, e->src.value, &e->rflags);
	return EMULATE_OK;
}

/* IMUL with two or three operands. */
static enum emulate_status run_imul2(struct emulation *e)
{
	u64 factor = e->insn->form == FORM_REG_RM_IMM ? e->insn->imm : e->dst.value;

	e->dst.value = arith_imul(e->dst.size, e->src.value, factor, &e->rflags);
	return EMULATE_OK;
}

/* MOV, MOVZX, MOVNTI: values are kept zero-extended. */
static enum emulate_status run_move(struct emulation *e)
{
	e->dst.value = e->src.value;
	return EMULATE_OK;
}

static enum emulate_status run_movsx(struct emulation *e)
{
	unsigned shift = 64 - 8 * e->src.size;

	e->dst.value = (u64)((s64)(e->src.value << shift) >> shift);
	return EMULATE_OK;
}

static enum emulate_status run_movbe(struct emulation *e)
{
	e->dst.value = __builtin_bswap64(e->src.value) >> (64 - 8 * e->src.size);
	return EMULATE_OK;
}

static enum emulate_status run_mov_from_sreg(struct emulation *e)
{
	e->dst.value = e->ops->segment(e->ctx, e->insn->reg & 7)->selector;
	return EMULATE_OK;
}

static enum emulate_status run_lea(struct emulation *e)
{
	e->dst = (struct operand){ .kind = OPERAND_REG, .reg = e->insn->reg,
				   .size = e->insn->op_bytes, .value = effective_address(e) };
	e->writes = WRITES_DST;
	return EMULATE_OK;
}

static enum emulate_status run_cmov(struct emulation *e)
{
	if (arith_condition(e->insn->opcode & 15, e->rflags))
		e->dst.value = e->src.value;
	return EMULATE_OK;
}

static enum emulate_status run_setcc(struct emulation *e)
{
	e->dst.value = arith_condition(e->insn->opcode & 15, e->rflags);
	return EMULATE_OK;
}

static enum emulate_status run_xchg(struct emulation *e)
{
	e->dst.value = e->src.value;
	e->src.value = e->original;
	e->writes |= WRITES_SRC;
	return EMULATE_OK;
}

static enum emulate_status run_xadd(struct emulation *e)
{
	e->dst.value = arith_binary(OP_ADD, e->dst.size, e->original, e->src.value, &e->rflags);
	e->src.value = e->original;
	e->writes |= WRITES_SRC;
	return EMULATE_OK;
}

/*
 * Memory is written in both cases, with its own value if the comparison failed; a register isn't
 * then, so that its upper half stays.
 */
static enum emulate_status run_cmpxchg(struct emulation *e)
{
	u64 acc = e->gpr[GPR_RAX] & size_mask(e->dst.size);

	arith_binary(OP_CMP, e->dst.size, acc, e->original, &e->rflags);
	if (acc == e->original) {
		e->dst.value = e->src.value;
		return EMULATE_OK;
	}
	if (e->dst.kind == OPERAND_REG)
		e->writes &= ~WRITES_DST;
	e->writes |= WRITES_ACC;
	e->acc = e->original;
	return EMULATE_OK;
}

/* CMPXCHG8B, CMPXCHG16B: EDX:EAX or RDX:RAX against memory, ECX:EBX or RCX:RBX into it. */
static enum emulate_status run_cmpxchg8b(struct emulation *e)
{
	unsigned half = e->insn->op_bytes == 8 ? 8 : 4;
	u64 mask = size_mask(half), old[2] = { 0 }, new[2];
	u8 expected[16], desired[16];
	enum emulate_status status;
	bool equal;

	e->dst.size = 2 * half;
	status = locate_memory(e, &e->dst, effective_address(e), ACCESS_WRITE);
	if (status != EMULATE_OK)
		return status;
	if (half == 8 && (e->dst.at.v & 15))
		return raise_fault(e, EXC_GP, 0);
	if (e->insn->lock)
		status = lock_memory(e, e->dst.at, 2 * half);
	if (status == EMULATE_OK)
		status = read_memory(e, e->dst.at, expected, 2 * half, e->user | ACCESS_WRITE);
	if (status != EMULATE_OK)
		return status;
	for (unsigned i = 0; i < 2 * half; i++)
		old[i / half] |= (u64)expected[i] << (8 * (i % half));
	equal = old[0] == (e->gpr[GPR_RAX] & mask) && old[1] == (e->gpr[GPR_RDX] & mask);
	new[0] = equal ? e->gpr[GPR_RBX] : old[0];
	new[1] = equal ? e->gpr[GPR_RCX] : old[1];
	for (unsigned i = 0; i < 2 * half; i++)
		desired[i] = new[i / half] >> (8 * (i % half));
	status = exchange_memory(e, e->dst.at, expected, desired, 2 * half);
	if (status != EMULATE_OK)
		return status;
	e->rflags = equal ? e->rflags | RFLAGS_ZF : e->rflags & ~RFLAGS_ZF;
	if (!equal) {
		write_register(e, GPR_RAX, half, old[0]);
		write_register(e, GPR_RDX, half, old[1]);
	}
	return EMULATE_OK;
}

static enum emulate_status run_xlat(struct emulation *e)
{
	enum emulate_status status;

	e->src.size = 1;
	status = locate_memory(e, &e->src, e->gpr[GPR_RBX] + (e->gpr[GPR_RAX] & 0xff), ACCESS_READ);
	if (status == EMULATE_OK)
		status = read_operand(e, &e->src, ACCESS_READ);
	if (status == EMULATE_OK)
		write_register(e, GPR_RAX, 1, e->src.value);
	return status;
}

static enum emulate_status run_nop(struct emulation *e)
{
	return EMULATE_OK;
}

/* CLFLUSH, CLFLUSHOPT: faults as a read of a byte, and no more to do. */
static enum emulate_status run_clflush(struct emulation *e)
{
	enum emulate_status status;

	e->src.size = 1;
	status = locate_memory(e, &e->src, effective_address(e), ACCESS_READ);
	return status == EMULATE_OK ? check_memory(e, e->src.at, 1, e->user) : status;
}

static const struct exec_row exec_rows[OP_FIRST_SYSTEM] = {
	[OP_ADD ... OP_XOR] = { run_binary, UPDATE | READ_SRC },
	[OP_CMP] = { run_binary, READ_DST | READ_SRC },
	[OP_TEST] = { run_binary, READ_DST | READ_SRC },
	[OP_NOT] = { run_unary, UPDATE },
	[OP_NEG] = { run_unary, UPDATE },
	[OP_INC] = { run_unary, UPDATE },
	[OP_DEC] = { run_unary, UPDATE },
	[OP_ROL ... OP_SAR] = { run_shift, UPDATE | READ_SRC },
	[OP_SHLD ... OP_SHRD] = { run_double_shift, UPDATE | READ_SRC },
	[OP_IMUL2] = { run_imul2, UPDATE | READ_SRC },
	[OP_BT] = { run_bit, READ_DST | READ_SRC },
	[OP_BTS ... OP_BTC] = { run_bit, UPDATE | READ_SRC },
	[OP_MUL ... OP_IMUL] = { run_multiply, READ_DST },
	[OP_DIV ... OP_IDIV] = { run_divide, READ_DST },
	[OP_BSF ... OP_BSR] = { run_bit_scan, WRITE_DST | READ_SRC },
	[OP_TZCNT ... OP_POPCNT] = { run_bit_count, WRITE_DST | READ_SRC },
	[OP_CRC32] = { run_crc32, WRITE_DST | READ_SRC },
	[OP_ADCX ... OP_ADOX] = { run_adx, UPDATE | READ_SRC },
	[OP_ANDN ... OP_RORX] = { run_bmi, WRITE_DST | READ_SRC },
	[OP_BSWAP] = { run_bswap, 0 },
	[OP_CBW ... OP_CWD] = { run_widen, 0 },
	[OP_CMC ... OP_SALC] = { run_flags, 0 },
	[OP_DAA ... OP_AAD] = { run_decimal, 0 },
	[OP_LOOPNE ... OP_JRCXZ] = { run_loop, 0 },
	[OP_PUSHA] = { run_pusha, 0 },
	[OP_POPA] = { run_popa, 0 },
	[OP_ENTER] = { run_enter, 0 },
	[OP_LEAVE] = { run_leave, 0 },
	[OP_BOUND] = { run_bound, 0 },
	[OP_MOVDIR64B] = { run_movdir64b, 0 },
	[OP_OTHER] = { run_vector, 0 },
	[OP_VECTOR] = { run_vector, 0 },
	[OP_X87] = { run_x87, 0 },
	[OP_FWAIT] = { run_fwait, 0 },
	[OP_MXCSR] = { run_mxcsr, 0 },
	[OP_MOV] = { run_move, WRITE_DST | READ_SRC },
	[OP_MOVZX] = { run_move, WRITE_DST | READ_SRC },
	[OP_MOVSX] = { run_movsx, WRITE_DST | READ_SRC },
	[OP_MOVBE] = { run_movbe, WRITE_DST | READ_SRC },
	[OP_MOVNTI] = { run_move, WRITE_DST | READ_SRC },
	[OP_MOV_FROM_SREG] = { run_mov_from_sreg, WRITE_DST },
	[OP_LEA] = { run_lea, 0 },
	[OP_CMOV] = { run_cmov, UPDATE | READ_SRC },
	[OP_SETCC] = { run_setcc, WRITE_DST },
	[OP_XCHG] = { run_xchg, UPDATE | READ_SRC | ALWAYS_LOCKS },
	[OP_XADD] = { run_xadd, UPDATE | READ_SRC },
	[OP_CMPXCHG] = { run_cmpxchg, UPDATE | READ_SRC },
	[OP_CMPXCHG8B] = { run_cmpxchg8b, 0 },
	[OP_XLAT] = { run_xlat, 0 },
	[OP_NOP] = { run_nop, 0 },
	[OP_CLFLUSH] = { run_clflush, 0 },
	[OP_PUSH] = { run_push, 0 },
	[OP_POP] = { run_pop, 0 },
	[OP_CALL] = { run_call, 0 },
	[OP_CALL_RM] = { run_call, 0 },
	[OP_JMP] = { run_jump, 0 },
	[OP_JMP_RM] = { run_jump, 0 },
	[OP_JCC] = { run_jump, 0 },
	[OP_RET] = { run_ret, 0 },
	[OP_MOV_TO_SREG] = { run_mov_to_sreg, READ_DST },
	[OP_PUSH_SREG] = { run_push_sreg, 0 },
	[OP_POP_SREG] = { run_pop_sreg, 0 },
	[OP_LOAD_FAR] = { run_load_far, 0 },
	[OP_LAR ... OP_LSL] = { run_lar, READ_SRC | PROTECTED_ONLY },
	[OP_VERR ... OP_VERW] = { run_verr, READ_DST | PROTECTED_ONLY },
	[OP_ARPL] = { run_arpl, UPDATE | READ_SRC | PROTECTED_ONLY },
	[OP_JMP_FAR] = { run_jump_far, 0 },
	[OP_CALL_FAR] = { run_call_far, 0 },
	[OP_RET_FAR] = { run_ret_far, 0 },
	[OP_CLI] = { run_cli, 0 },
	[OP_STI] = { run_sti, 0 },
	[OP_CLAC ... OP_STAC] = { run_clac, 0 },
	[OP_RDFSBASE ... OP_WRGSBASE] = { run_fsgsbase, 0 },
	[OP_MOVS ... OP_OUTS] = { run_string, 0 },
	[OP_IN ... OP_OUT] = { run_port, 0 },
};

/* Find and read what the row says. */
static enum emulate_status fetch_operands(struct emulation *e, const struct exec_row *row)
{
	bool writes = row->flags & WRITE_DST;
	enum emulate_status status = EMULATE_OK;

	if (!(row->flags & (UPDATE | READ_SRC)))
		return EMULATE_OK;
	e->locked = e->insn->lock || (row->flags & ALWAYS_LOCKS);
	status = locate_operands(e, writes);
	if (status == EMULATE_OK && e->locked && e->dst.kind == OPERAND_MEM)
		status = lock_memory(e, e->dst.at, e->dst.size);
	if (status == EMULATE_OK && (row->flags & READ_SRC))
		status = read_operand(e, &e->src, ACCESS_READ);
	if (status == EMULATE_OK && (row->flags & READ_DST))
		status = read_operand(e, &e->dst, writes ? ACCESS_WRITE : ACCESS_READ);
	e->original = e->dst.value;
	e->writes = writes ? WRITES_DST : 0;
	return status;
}

/* Memory first: it can fail. Then src, acc, dst: of two that name one register, dst is the last. */
static enum emulate_status store_operands(struct emulation *e)
{
	enum emulate_status status;

	if ((e->writes & WRITES_DST) && e->dst.kind == OPERAND_MEM) {
		status = write_operand(e, &e->dst);
		if (status != EMULATE_OK)
			return status;
	}
	if (e->writes & WRITES_SRC)
		write_operand(e, &e->src);
	if (e->writes & WRITES_ACC)
		write_register(e, GPR_RAX, e->dst.size, e->acc);
	if ((e->writes & WRITES_DST) && e->dst.kind == OPERAND_REG)
		write_operand(e, &e->dst);
	return EMULATE_OK;
}

/*
 * The instruction is complete: RIP, RSP, RFLAGS, and the single-step trap if TF was set before it
 * (the few that have it otherwise say so in `traps`).
 */
static void commit(struct emulation *e)
{
	if (e->rsp_changed)
		e->ops->set(e->ctx, EMULATE_RSP, e->rsp);
	e->ops->set(e->ctx, EMULATE_RFLAGS, e->keeps_rf ? e->rflags : e->rflags & ~RFLAGS_RF);
	e->ops->set(e->ctx, EMULATE_RIP, e->next_rip);
	*e->event = (struct event){ .type = EVENT_NONE };
	if (e->traps)
		*e->event = (struct event){ .type = EVENT_EXCEPTION, .vector = EXC_DB,
					    .payload = e->traps, .rip = e->next_rip };
}

/*
 * A REP that is not finished: RIP stays, RFLAGS but for RF stay. RF keeps an instruction breakpoint
 * on it from hitting again (SDM vol. 3B, "Instruction-Breakpoint Exception Condition").
 */
static enum emulate_status pause_string(struct emulation *e, u64 rflags)
{
	if (e->insn->op < OP_MOVS || e->insn->op > OP_OUTS)
		return EMULATE_AGAIN;	/* a lost race: nothing has happened */
	e->ops->set(e->ctx, EMULATE_RFLAGS, rflags | RFLAGS_RF);
	if (!(rflags & RFLAGS_TF))
		return EMULATE_AGAIN;
	*e->event = (struct event){ .type = EVENT_EXCEPTION, .vector = EXC_DB, .payload = DR6_BS,
				    .rip = e->rip };
	return EMULATE_OK;
}

static enum emulate_status run_row(struct emulation *e)
{
	const struct exec_row *row = &exec_rows[MIN(e->insn->op, OP_FIRST_SYSTEM - 1)];
	enum emulate_status status;

	if (e->insn->op >= OP_FIRST_SYSTEM)
		return run_system(e);
	if (!row->run)
		return EMULATE_UNHANDLED;
	if (unlikely(row->flags & PROTECTED_ONLY) && !in_protected_mode(e))
		return raise_fault(e, EXC_UD, 0);
	status = fetch_operands(e, row);
	if (status == EMULATE_OK)
		status = row->run(e);
	return status == EMULATE_OK ? store_operands(e) : status;
}

enum emulate_status emulate_decoded(const struct emulate_ops *ops, void *ctx, u64 *gpr,
				    struct emulate_result *result)
{
	struct emulation e = {
		.ops = ops, .ctx = ctx, .gpr = gpr, .insn = &result->insn, .event = &result->event,
		.rip = ops->get(ctx, EMULATE_RIP), .rflags = ops->get(ctx, EMULATE_RFLAGS),
		.user = ops->get(ctx, EMULATE_CPL) == 3 ? ACCESS_USER : 0,
	};
	u64 rflags = e.rflags;
	enum emulate_status status;

	result->event = (struct event){ .type = EVENT_NONE };
	e.traps = rflags & RFLAGS_TF ? DR6_BS : 0;
	e.next_rip = e.rip + result->insn.length;
	if (result->insn.mode != CPU_MODE_64)
		e.next_rip = (u32)e.next_rip;
	status = run_row(&e);
	if (unlikely(e.holds_lock))
		ops->unlock(ctx);
	if (status == EMULATE_OK)
		commit(&e);
	else if (status == EMULATE_AGAIN)
		status = pause_string(&e, rflags);
	else if (status == EMULATE_FAULT)
		result->event.rip = e.rip;
	result->status = status;
	result->shadow = e.shadow;
	result->ends_nmi_blocking = e.ends_nmi_blocking;
	return status;
}

enum emulate_status emulate_event(const struct emulate_ops *ops, void *ctx, u64 *gpr,
				  enum cpu_mode mode, const struct event *event,
				  struct emulate_result *result)
{
	bool soft = event->type >= EVENT_SOFT_INT && event->type <= EVENT_PRIV_SOFT_EXC;
	struct emulation e = {
		.ops = ops, .ctx = ctx, .gpr = gpr, .insn = &result->insn, .event = &result->event,
		.rip = event->rip, .rflags = ops->get(ctx, EMULATE_RFLAGS),
		.user = ops->get(ctx, EMULATE_CPL) == 3 ? ACCESS_USER : 0,
	};

	result->insn = (struct insn){ .mode = mode, .op_bytes = mode };
	e.next_rip = event->rip + (soft ? event->insn_len : 0);
	result->status = deliver_event(&e, event);
	result->shadow = EMULATE_NO_SHADOW;
	result->ends_nmi_blocking = false;
	if (result->status == EMULATE_OK)
		commit(&e);
	else if (result->status == EMULATE_FAULT)
		result->event.rip = e.rip;
	return result->status;
}

/* A fault of decoding, before there is an instruction. */
static enum emulate_status decode_fault(const struct emulate_ops *ops, void *ctx, u8 vector,
					struct emulate_result *result)
{
	struct emulation e = { .ops = ops, .ctx = ctx, .event = &result->event };

	result->shadow = EMULATE_NO_SHADOW;
	result->ends_nmi_blocking = false;
	result->status = raise_fault(&e, vector, 0);
	result->event.rip = ops->get(ctx, EMULATE_RIP);
	return result->status;
}

enum emulate_status emulate(const struct emulate_ops *ops, void *ctx, u64 *gpr, enum cpu_mode mode,
			    const u8 *bytes, unsigned avail, struct emulate_result *result)
{
	int length = decode(bytes, avail, mode, &result->insn);

	result->event = (struct event){ .type = EVENT_NONE };
	if (length == DECODE_INVALID)
		return decode_fault(ops, ctx, EXC_UD, result);
	if (length == DECODE_TOO_LONG)
		return decode_fault(ops, ctx, EXC_GP, result);
	if (length == DECODE_NEED_BYTES)
		return result->status = EMULATE_NEED_BYTES;
	return emulate_decoded(ops, ctx, gpr, result);
}
