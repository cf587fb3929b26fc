// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves between memory and the MMX, XMM and YMM registers, in their legacy and VEX encodings, as
 * rows; and the checks that come before (SDM vol. 2A, "Exception Conditions of ... Instructions").
 * Arithmetic on vectors isn't here: it only reads memory, and no system's code reads devices so.
 */
#include "emulate/emulation.h"

#include "lib/string.h"

enum vector_kind {
	LOAD, STORE,		/* the whole register */
	LOAD_LOW, STORE_PART,	/* `size` bytes; loads clear the rest, stores begin at `at` */
	INSERT,			/* `size` bytes to `at`; the rest from vvvv, legacy: stays */
	DUPLICATE,		/* MOVSLDUP (0), MOVSHDUP (1), MOVDDUP: elements of `size`, which of two */
	PINSR, INSERTPS, PEXTR,	/* size 0: by REX.W */
	MOVD_LOAD, MOVD_STORE,
	EXTEND_SIGN, EXTEND_ZERO,	/* elements of `size` to elements of `at` */
	BROADCAST,
	MASK_LOAD, MASK_STORE,	/* VMASKMOV; size 0: by VEX.W */
	MASK_BYTES,		/* MASKMOVDQU, MASKMOVQ */
	INSERT_128, EXTRACT_128,
};

#define SSE		0x01u	/* the legacy encoding exists */
#define V128		0x02u	/* VEX with L = 0 */
#define V256		0x04u	/* VEX with L = 1 */
#define NDS		0x08u	/* VEX.vvvv is an operand */
#define W0		0x10u	/* VEX.W must be 0 */
#define MEMORY		0x20u	/* only a memory operand is this row's instruction */
#define ALIGNED		0x40u	/* #GP if the operand isn't aligned to its size … */
#define ALIGNED_SSE	0x80u	/* … in the legacy encoding */
#define MMX		0x100u	/* of MMX registers */
#define BOTH		(V128 | V256)
#define ALL		(SSE | BOTH)

#define PP_NONE		0u
#define PP_66		1u
#define PP_F3		2u
#define PP_F2		3u

/* SDM vol. 2D, "Opcode Map"; each instruction's page. Maps: 1 0FH, 2 0F 38H, 3 0F 3AH. */
static const struct vector_row {
	u8 map, pp, opcode, kind;	/* kind: enum vector_kind */
	u8 size, at;
	u16 flags;
} vector_rows[] = {
	{ 1, PP_NONE, 0x10, LOAD, 0, 0, ALL }, { 1, PP_NONE, 0x11, STORE, 0, 0, ALL },
	{ 1, PP_66, 0x10, LOAD, 0, 0, ALL }, { 1, PP_66, 0x11, STORE, 0, 0, ALL },
	{ 1, PP_NONE, 0x28, LOAD, 0, 0, ALL | ALIGNED },
	{ 1, PP_NONE, 0x29, STORE, 0, 0, ALL | ALIGNED },
	{ 1, PP_66, 0x28, LOAD, 0, 0, ALL | ALIGNED },
	{ 1, PP_66, 0x29, STORE, 0, 0, ALL | ALIGNED },
	{ 1, PP_66, 0x6f, LOAD, 0, 0, ALL | ALIGNED },
	{ 1, PP_66, 0x7f, STORE, 0, 0, ALL | ALIGNED },
	{ 1, PP_F3, 0x6f, LOAD, 0, 0, ALL }, { 1, PP_F3, 0x7f, STORE, 0, 0, ALL },
	{ 1, PP_NONE, 0x2b, STORE, 0, 0, ALL | ALIGNED | MEMORY },
	{ 1, PP_66, 0x2b, STORE, 0, 0, ALL | ALIGNED | MEMORY },
	{ 1, PP_66, 0xe7, STORE, 0, 0, ALL | ALIGNED | MEMORY },
	{ 2, PP_66, 0x2a, LOAD, 0, 0, ALL | ALIGNED | MEMORY },
	{ 1, PP_F2, 0xf0, LOAD, 0, 0, ALL | MEMORY },
	{ 1, PP_F3, 0x12, DUPLICATE, 4, 0, ALL | ALIGNED_SSE },
	{ 1, PP_F3, 0x16, DUPLICATE, 4, 1, ALL | ALIGNED_SSE },
	{ 1, PP_F2, 0x12, DUPLICATE, 8, 0, ALL },

	{ 1, PP_F3, 0x10, LOAD_LOW, 4, 0, ALL | MEMORY },
	{ 1, PP_F3, 0x11, STORE_PART, 4, 0, ALL | MEMORY },
	{ 1, PP_F2, 0x10, LOAD_LOW, 8, 0, ALL | MEMORY },
	{ 1, PP_F2, 0x11, STORE_PART, 8, 0, ALL | MEMORY },
	{ 1, PP_NONE, 0x12, INSERT, 8, 0, SSE | V128 | NDS | MEMORY },
	{ 1, PP_66, 0x12, INSERT, 8, 0, SSE | V128 | NDS | MEMORY },
	{ 1, PP_NONE, 0x13, STORE_PART, 8, 0, SSE | V128 | MEMORY },
	{ 1, PP_66, 0x13, STORE_PART, 8, 0, SSE | V128 | MEMORY },
	{ 1, PP_NONE, 0x16, INSERT, 8, 8, SSE | V128 | NDS | MEMORY },
	{ 1, PP_66, 0x16, INSERT, 8, 8, SSE | V128 | NDS | MEMORY },
	{ 1, PP_NONE, 0x17, STORE_PART, 8, 8, SSE | V128 | MEMORY },
	{ 1, PP_66, 0x17, STORE_PART, 8, 8, SSE | V128 | MEMORY },
	{ 1, PP_66, 0x6e, MOVD_LOAD, 0, 0, SSE | V128 },
	{ 1, PP_66, 0x7e, MOVD_STORE, 0, 0, SSE | V128 },
	{ 1, PP_F3, 0x7e, LOAD_LOW, 8, 0, SSE | V128 },
	{ 1, PP_66, 0xd6, STORE_PART, 8, 0, SSE | V128 },
	{ 1, PP_66, 0xc4, PINSR, 2, 0, SSE | V128 | NDS },
	{ 3, PP_66, 0x20, PINSR, 1, 0, SSE | V128 | NDS },
	{ 3, PP_66, 0x22, PINSR, 0, 0, SSE | V128 | NDS },
	{ 3, PP_66, 0x21, INSERTPS, 4, 0, SSE | V128 | NDS },
	{ 3, PP_66, 0x14, PEXTR, 1, 0, SSE | V128 }, { 3, PP_66, 0x15, PEXTR, 2, 0, SSE | V128 },
	{ 3, PP_66, 0x16, PEXTR, 0, 0, SSE | V128 }, { 3, PP_66, 0x17, PEXTR, 4, 0, SSE | V128 },
	{ 2, PP_66, 0x20, EXTEND_SIGN, 1, 2, ALL }, { 2, PP_66, 0x21, EXTEND_SIGN, 1, 4, ALL },
	{ 2, PP_66, 0x22, EXTEND_SIGN, 1, 8, ALL }, { 2, PP_66, 0x23, EXTEND_SIGN, 2, 4, ALL },
	{ 2, PP_66, 0x24, EXTEND_SIGN, 2, 8, ALL }, { 2, PP_66, 0x25, EXTEND_SIGN, 4, 8, ALL },
	{ 2, PP_66, 0x30, EXTEND_ZERO, 1, 2, ALL }, { 2, PP_66, 0x31, EXTEND_ZERO, 1, 4, ALL },
	{ 2, PP_66, 0x32, EXTEND_ZERO, 1, 8, ALL }, { 2, PP_66, 0x33, EXTEND_ZERO, 2, 4, ALL },
	{ 2, PP_66, 0x34, EXTEND_ZERO, 2, 8, ALL }, { 2, PP_66, 0x35, EXTEND_ZERO, 4, 8, ALL },
	{ 1, PP_66, 0xf7, MASK_BYTES, 16, 0, SSE | V128 },

	{ 2, PP_66, 0x18, BROADCAST, 4, 0, BOTH | W0 },
	{ 2, PP_66, 0x19, BROADCAST, 8, 0, V256 | W0 },
	{ 2, PP_66, 0x1a, BROADCAST, 16, 0, V256 | W0 | MEMORY },
	{ 2, PP_66, 0x5a, BROADCAST, 16, 0, V256 | W0 | MEMORY },
	{ 2, PP_66, 0x78, BROADCAST, 1, 0, BOTH | W0 },
	{ 2, PP_66, 0x79, BROADCAST, 2, 0, BOTH | W0 },
	{ 2, PP_66, 0x58, BROADCAST, 4, 0, BOTH | W0 },
	{ 2, PP_66, 0x59, BROADCAST, 8, 0, BOTH | W0 },
	{ 2, PP_66, 0x2c, MASK_LOAD, 4, 0, BOTH | NDS | W0 | MEMORY },
	{ 2, PP_66, 0x2d, MASK_LOAD, 8, 0, BOTH | NDS | W0 | MEMORY },
	{ 2, PP_66, 0x2e, MASK_STORE, 4, 0, BOTH | NDS | W0 | MEMORY },
	{ 2, PP_66, 0x2f, MASK_STORE, 8, 0, BOTH | NDS | W0 | MEMORY },
	{ 2, PP_66, 0x8c, MASK_LOAD, 0, 0, BOTH | NDS | MEMORY },
	{ 2, PP_66, 0x8e, MASK_STORE, 0, 0, BOTH | NDS | MEMORY },
	{ 3, PP_66, 0x18, INSERT_128, 16, 0, V256 | NDS | W0 },
	{ 3, PP_66, 0x19, EXTRACT_128, 16, 0, V256 | W0 },
	{ 3, PP_66, 0x38, INSERT_128, 16, 0, V256 | NDS | W0 },
	{ 3, PP_66, 0x39, EXTRACT_128, 16, 0, V256 | W0 },

	{ 1, PP_NONE, 0x6e, MOVD_LOAD, 0, 0, SSE | MMX },
	{ 1, PP_NONE, 0x7e, MOVD_STORE, 0, 0, SSE | MMX },
	{ 1, PP_NONE, 0x6f, LOAD, 0, 0, SSE | MMX }, { 1, PP_NONE, 0x7f, STORE, 0, 0, SSE | MMX },
	{ 1, PP_NONE, 0xe7, STORE, 0, 0, SSE | MMX | MEMORY },
	{ 1, PP_NONE, 0xf7, MASK_BYTES, 8, 0, SSE | MMX },
	{ 1, PP_NONE, 0xc4, PINSR, 2, 0, SSE | MMX },
};

/* One instruction under way. */
struct move {
	struct emulation *e;
	const struct vector_row *row;
	unsigned size;		/* of the registers: 8, 16, 32 */
	bool vex, wide;		/* wide: REX.W or VEX.W in 64-bit mode */
	u8 reg[32];		/* ModRM.reg's value: source of stores, destination of loads */
};

static unsigned map_of(const struct insn *insn)
{
	if (insn->vector)
		return insn->vector_map;
	return insn->map == MAP_0F ? 1 : insn->map == MAP_0F38 ? 2 : insn->map == MAP_0F3A ? 3 : 0;
}

/* The row of a legacy (SSE, MMX) or VEX encoding, or NULL. */
static const struct vector_row *find_row(const struct insn *insn)
{
	unsigned pp = insn->rep == 0xf3 ? PP_F3 : insn->rep == 0xf2 ? PP_F2 : insn->opsize;
	unsigned map = map_of(insn);
	u16 wanted = SSE;

	if (insn->vector == 0x62 || insn->vector == 0x8f)
		return NULL;
	if (insn->vector) {
		pp = insn->vector_pp;
		wanted = insn->vector_l ? V256 : V128;
	}
	for (size_t i = 0; i < ARRAY_SIZE(vector_rows); i++) {
		const struct vector_row *row = &vector_rows[i];

		if (row->opcode == insn->opcode && row->map == map && row->pp == pp &&
		    (row->flags & wanted) && (insn->is_mem || !(row->flags & MEMORY)) &&
		    (!insn->is_mem || row->kind != MASK_BYTES))
			return row;
	}
	return NULL;
}

static enum emulate_status check_avx(struct emulation *e)
{
	u64 xcr0 = XCR0_SSE | XCR0_AVX;

	if (in_protected_mode(e) && (e->ops->get(e->ctx, EMULATE_CR4) & CR4_OSXSAVE) &&
	    (e->ops->get(e->ctx, EMULATE_XCR0) & xcr0) == xcr0)
		return EMULATE_OK;
	return raise_fault(e, EXC_UD, 0);
}

/* SDM vol. 3A, "Exception conditions" of x87, MMX, SSE and AVX, in their order. */
enum emulate_status check_fpu(struct emulation *e, enum fpu_part part)
{
	u64 cr0 = e->ops->get(e->ctx, EMULATE_CR0);

	if (part == FPU_AVX && check_avx(e) != EMULATE_OK)
		return EMULATE_FAULT;
	if ((part == FPU_MMX || part == FPU_SSE) && (cr0 & CR0_EM))
		return raise_fault(e, EXC_UD, 0);
	if (part == FPU_SSE && !(e->ops->get(e->ctx, EMULATE_CR4) & CR4_OSFXSR))
		return raise_fault(e, EXC_UD, 0);
	if ((cr0 & CR0_TS) || (part <= FPU_X87_WAITS && (cr0 & CR0_EM)))
		return raise_fault(e, EXC_NM, 0);
	if ((part == FPU_X87_WAITS || part == FPU_MMX) &&
	    (e->ops->get(e->ctx, EMULATE_FSW) & FSW_ES))
		return raise_fault(e, EXC_MF, 0);
	return EMULATE_OK;
}

static void get_vector(struct emulation *e, unsigned reg, unsigned size, u8 *to)
{
	memset(to, 0, 32);
	e->ops->get_vector(e->ctx, size == 8 ? reg & 7 : reg, size, to);
}

/* The destination: VEX clears what is above it. */
static void set_reg(struct move *v)
{
	unsigned reg = v->e->insn->reg;

	v->e->ops->set_vector(v->e->ctx, v->size == 8 ? reg & 7 : reg, v->size, v->vex, v->reg);
}

static u64 base_of(struct emulation *e)
{
	unsigned segment = e->insn->segment;

	return segment == SEG_FS || segment == SEG_GS ? e->ops->segment(e->ctx, segment)->base : 0;
}

/* `size` bytes of memory, from `at` on within the operand. */
static enum emulate_status locate(struct move *v, unsigned at, unsigned size, u32 access,
				  gva_t *where)
{
	u64 offset = v->row->kind == MASK_BYTES ? v->e->gpr[GPR_RDI] : effective_address(v->e);
	enum emulate_status status;
	bool aligned = (v->row->flags & ALIGNED) ||
		       ((v->row->flags & ALIGNED_SSE) && !v->vex);

	/* The address size cuts where the operand begins, not its elements. */
	offset &= size_mask(v->e->insn->addr_bytes);
	status = linear_address(v->e, v->e->insn->segment, offset + at, size, access, where);
	if (aligned && in_64bit_mode(v->e) && ((offset + base_of(v->e)) & (size - 1)))
		return raise_fault(v->e, EXC_GP, 0);	/* comes before the canonical form */
	if (aligned && status == EMULATE_OK && (where->v & (size - 1)))
		return raise_fault(v->e, EXC_GP, 0);
	return status;
}

/* The r/m operand, as memory or a vector register. */
static enum emulate_status read_rm(struct move *v, unsigned size, u8 *to)
{
	enum emulate_status status;
	gva_t at;

	memset(to, 0, 32);
	if (!v->e->insn->is_mem) {
		get_vector(v->e, v->e->insn->rm, v->size, to);
		return EMULATE_OK;
	}
	status = locate(v, 0, size, ACCESS_READ, &at);
	return status == EMULATE_OK ? read_block(v->e, at, to, size) : status;
}

static enum emulate_status write_memory_part(struct move *v, unsigned size, const u8 *from)
{
	gva_t at;
	enum emulate_status status = locate(v, 0, size, ACCESS_WRITE, &at);

	return status == EMULATE_OK ? write_block(v->e, at, from, size) : status;
}

/* The r/m operand of MOVD, PINSR: memory or a general register. */
static enum emulate_status read_rm_general(struct move *v, unsigned size, u8 *to)
{
	u64 value;

	if (v->e->insn->is_mem)
		return read_rm(v, size, to);
	value = read_register(v->e, v->e->insn->rm);
	memset(to, 0, 32);
	memcpy(to, &value, size);
	return EMULATE_OK;
}

/* Of MOVD, PEXTR: a general register gets it zero-extended. */
static enum emulate_status write_rm_general(struct move *v, unsigned size, const u8 *from)
{
	u64 value = 0;

	if (v->e->insn->is_mem)
		return write_memory_part(v, size, from);
	memcpy(&value, from, size);
	write_register(v->e, v->e->insn->rm, 8, value);
	return EMULATE_OK;
}

static enum emulate_status run_store(struct move *v)
{
	u8 value[32] = { 0 };
	unsigned size = v->row->size ? v->row->size : v->size;

	if (v->e->insn->is_mem)
		return write_memory_part(v, size, v->reg + v->row->at);
	memcpy(value, v->reg + v->row->at, size);	/* MOVQ clears the rest */
	v->e->ops->set_vector(v->e->ctx, v->size == 8 ? v->e->insn->rm & 7 : v->e->insn->rm, v->size,
			      v->vex, value);
	return EMULATE_OK;
}

static enum emulate_status run_duplicate(struct move *v)
{
	unsigned size = v->row->size;
	u8 from[32];
	/* MOVDDUP of 128 bits reads 8. */
	enum emulate_status status = read_rm(v, size == 8 && v->size == 16 ? 8 : v->size, from);

	for (unsigned at = 0; at < v->size; at += size)
		memcpy(v->reg + at, from + (at & ~(2 * size - 1)) + v->row->at * size, size);
	return status;
}

static enum emulate_status run_extend(struct move *v)
{
	unsigned size = v->row->size, wide = v->row->at;
	bool sign = v->row->kind == EXTEND_SIGN;
	u8 from[32];
	enum emulate_status status = read_rm(v, v->size / wide * size, from);

	for (unsigned i = 0; i < v->size / wide; i++) {
		const u8 *element = from + i * size;

		memset(v->reg + i * wide, sign && element[size - 1] & 0x80 ? 0xff : 0, wide);
		memcpy(v->reg + i * wide, element, size);
	}
	return status;
}

static enum emulate_status run_broadcast(struct move *v)
{
	u8 from[32];
	enum emulate_status status = read_rm(v, v->row->size, from);

	for (unsigned at = 0; at < v->size; at += v->row->size)
		memcpy(v->reg + at, from, v->row->size);
	return status;
}

/* PINSR and the memory forms of MOVLPS and MOVHPS; the rest of the register from vvvv with VEX. */
static enum emulate_status run_insert(struct move *v)
{
	unsigned size = v->row->size ? v->row->size : v->wide ? 8 : 4;
	unsigned at = v->row->kind == INSERT ? v->row->at
					     : (v->e->insn->imm & (v->size / size - 1)) * size;
	u8 from[32];
	enum emulate_status status = read_rm_general(v, size, from);

	if (v->vex)
		get_vector(v->e, v->e->insn->vvvv, v->size, v->reg);
	memcpy(v->reg + at, from, size);
	return status;
}

/* INSERTPS: imm8 names source (of a register), destination, and what is cleared. */
static enum emulate_status run_insertps(struct move *v)
{
	u8 from[32], imm = v->e->insn->imm;
	enum emulate_status status = read_rm(v, 4, from);

	if (v->vex)
		get_vector(v->e, v->e->insn->vvvv, 16, v->reg);
	memcpy(v->reg + 4 * (imm >> 4 & 3), from + (v->e->insn->is_mem ? 0 : 4 * (imm >> 6)), 4);
	for (unsigned i = 0; i < 4; i++) {
		if (imm >> i & 1)
			memset(v->reg + 4 * i, 0, 4);
	}
	return status;
}

static enum emulate_status run_pextr(struct move *v)
{
	unsigned size = v->row->size ? v->row->size : v->wide ? 8 : 4;

	return write_rm_general(v, size, v->reg + (v->e->insn->imm & (16 / size - 1)) * size);
}

/* VINSERTF128, VINSERTI128, VEXTRACTF128, VEXTRACTI128. */
static enum emulate_status run_half(struct move *v)
{
	unsigned at = v->e->insn->imm & 1 ? 16 : 0;
	u8 half[32];
	enum emulate_status status;

	if (v->row->kind == INSERT_128) {
		status = read_rm(v, 16, half);
		get_vector(v->e, v->e->insn->vvvv, 32, v->reg);
		memcpy(v->reg + at, half, 16);
		return status;
	}
	if (v->e->insn->is_mem)
		return write_memory_part(v, 16, v->reg + at);
	memset(half, 0, 32);
	memcpy(half, v->reg + at, 16);
	v->e->ops->set_vector(v->e->ctx, v->e->insn->rm, 16, true, half);
	return EMULATE_OK;
}

/* Elements whose mask is clear are not touched, and cause no fault. */
static enum emulate_status access_masked(struct move *v, const u8 *mask, unsigned size, u8 *value,
					 u32 access, bool only_check)
{
	enum emulate_status status = EMULATE_OK;
	gva_t at;

	for (unsigned i = 0; i < v->size && status == EMULATE_OK; i += size) {
		if (!(mask[i + size - 1] & 0x80))
			continue;
		status = locate(v, i, size, access, &at);
		if (status != EMULATE_OK)
			break;
		if (only_check)
			status = check_block(v->e, at, size, access);
		else if (access & ACCESS_WRITE)
			status = write_block(v->e, at, value + i, size);
		else
			status = read_block(v->e, at, value + i, size);
	}
	return status;
}

static enum emulate_status run_masked(struct move *v)
{
	bool bytes = v->row->kind == MASK_BYTES;
	unsigned size = bytes ? 1 : v->row->size ? v->row->size : v->wide ? 8 : 4;
	enum emulate_status status;
	u8 mask[32];

	get_vector(v->e, bytes ? v->e->insn->rm : v->e->insn->vvvv, v->size, mask);
	if (v->row->kind == MASK_LOAD) {
		memset(v->reg, 0, sizeof(v->reg));
		return access_masked(v, mask, size, v->reg, ACCESS_READ, false);
	}
	status = access_masked(v, mask, size, v->reg, ACCESS_WRITE, true);
	return status == EMULATE_OK ? access_masked(v, mask, size, v->reg, ACCESS_WRITE, false)
				    : status;
}

static enum emulate_status run_kind(struct move *v)
{
	unsigned whole = v->wide ? 8 : 4;

	switch (v->row->kind) {
	case LOAD: return read_rm(v, v->size, v->reg);
	case LOAD_LOW:
		if (v->e->insn->is_mem)
			return read_rm(v, v->row->size, v->reg);
		get_vector(v->e, v->e->insn->rm, 16, v->reg);
		memset(v->reg + v->row->size, 0, sizeof(v->reg) - v->row->size);
		return EMULATE_OK;
	case STORE: case STORE_PART: return run_store(v);
	case MOVD_LOAD: return read_rm_general(v, whole, v->reg);
	case MOVD_STORE: return write_rm_general(v, whole, v->reg);
	case DUPLICATE: return run_duplicate(v);
	case EXTEND_SIGN: case EXTEND_ZERO: return run_extend(v);
	case BROADCAST: return run_broadcast(v);
	case INSERT: case PINSR: return run_insert(v);
	case INSERTPS: return run_insertps(v);
	case PEXTR: return run_pextr(v);
	case INSERT_128: case EXTRACT_128: return run_half(v);
	default: return run_masked(v);
	}
}

static bool writes_reg(u8 kind)
{
	return kind != STORE && kind != STORE_PART && kind != MOVD_STORE && kind != PEXTR &&
	       kind != EXTRACT_128 && kind != MASK_STORE && kind != MASK_BYTES;
}

enum emulate_status run_vector(struct emulation *e)
{
	const struct insn *insn = e->insn;
	struct move v = { .e = e, .row = find_row(insn), .vex = insn->vector,
			  .wide = in_64bit_mode(e) && (insn->rex & 8) };
	enum emulate_status status;

	if (insn->vector && insn->vector_map == 1 && insn->opcode == 0xae && insn->is_mem &&
	    !insn->vector_pp && ((insn->reg & 7) == 2 || (insn->reg & 7) == 3))
		return run_mxcsr(e);
	if (!v.row || !e->ops->get_vector)
		return EMULATE_UNHANDLED;
	v.size = v.row->flags & MMX ? 8 : insn->vector && insn->vector_l ? 32 : 16;
	/* MOVSS and MOVSD ignore L. */
	if (v.row->flags & MEMORY && v.row->size && v.row->pp >= PP_F3)
		v.size = 16;
	if (insn->lock || (v.vex && insn->vvvv && !(v.row->flags & NDS)) ||
	    (v.vex && v.wide && (v.row->flags & W0)))
		return raise_fault(e, EXC_UD, 0);
	status = check_fpu(e, v.row->flags & MMX ? FPU_MMX : v.vex ? FPU_AVX : FPU_SSE);
	if (status != EMULATE_OK)
		return status;
	get_vector(e, insn->reg, v.size, v.reg);
	status = run_kind(&v);
	if (status == EMULATE_OK && writes_reg(v.row->kind))
		set_reg(&v);
	return status;
}
