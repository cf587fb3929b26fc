// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instruction decoder: prefixes, opcode, ModRM, SIB, displacement, immediates, and the operand
 * and address sizes (SDM vol. 2A, "Instruction Format"). What an opcode means stands in opcodes.c.
 */
#include "emulate/decode.h"

#include "emulate/opcodes.h"
#include "lib/string.h"

#define REX_W	0x08u
#define REX_R	0x04u
#define REX_X	0x02u
#define REX_B	0x01u

struct cursor {
	const u8 *bytes;
	unsigned at, end;
	bool missing;		/* something was asked for that isn't there */
};

/* The next `size` bytes (0 to 8), little endian; 0 and `missing` if they aren't there. */
static u64 take(struct cursor *c, unsigned size)
{
	u64 value = 0;

	if (c->missing || size > c->end - c->at) {
		c->missing = true;
		return 0;
	}
	for (unsigned i = 0; i < size; i++)
		value |= (u64)c->bytes[c->at + i] << (8 * i);
	c->at += size;
	return value;
}

static u64 take_signed(struct cursor *c, unsigned size)
{
	u64 value = take(c, size);
	unsigned shift = 64 - 8 * size;

	return size ? (u64)((s64)(value << shift) >> shift) : 0;
}

/* The next byte without taking it, or -1. */
static int peek(const struct cursor *c)
{
	return c->at < c->end ? c->bytes[c->at] : -1;
}

static void segment_prefix(struct insn *insn, u8 segment)
{
	/*
	 * SDM vol. 1, "Segment Registers in 64-Bit Mode": ES, CS, SS and DS prefixes are ignored.
	 */
	if (insn->mode != CPU_MODE_64 || segment == SEG_FS || segment == SEG_GS)
		insn->segment = segment;
}

/* Carry out one prefix byte; false: it isn't one. */
static bool one_prefix(struct insn *insn, u8 byte, bool *addrsize)
{
	switch (byte) {
	case 0x26: segment_prefix(insn, SEG_ES); break;
	case 0x2e: segment_prefix(insn, SEG_CS); break;
	case 0x36: segment_prefix(insn, SEG_SS); break;
	case 0x3e: segment_prefix(insn, SEG_DS); break;
	case 0x64: segment_prefix(insn, SEG_FS); break;
	case 0x65: segment_prefix(insn, SEG_GS); break;
	case 0x66: insn->opsize = true; break;
	case 0x67: *addrsize = true; break;
	case 0xf0: insn->lock = true; break;
	case 0xf2: case 0xf3: insn->rep = byte; break;
	default: return false;
	}
	return true;
}

static void take_prefixes(struct cursor *c, struct insn *insn)
{
	bool addrsize = false;
	int byte;

	insn->segment = NR_SEGMENTS;
	while ((byte = peek(c)) >= 0) {
		if (insn->mode == CPU_MODE_64 && (byte & 0xf0) == 0x40)
			insn->rex = byte;
		else if (one_prefix(insn, byte, &addrsize))
			insn->rex = 0;	/* REX counts only right before the opcode */
		else
			break;
		c->at++;
	}
	if (insn->mode == CPU_MODE_32)
		insn->addr_bytes = addrsize ? 2 : 4;
	else if (insn->mode == CPU_MODE_16)
		insn->addr_bytes = addrsize ? 4 : 2;
	else
		insn->addr_bytes = addrsize ? 4 : 8;
}

/* Is the byte after C4H, C5H, 62H or 8FH the second of a VEX, EVEX or XOP prefix? */
static bool is_vector_prefix(const struct cursor *c, const struct insn *insn, u8 opcode)
{
	int next = peek(c);

	if (opcode == 0x8f)	/* map number below 8: POP */
		return next >= 0 && (next & 0x1f) >= 8;
	if (opcode != 0xc4 && opcode != 0xc5 && opcode != 0x62)
		return false;
	/* Outside 64-bit mode, what would be a memory operand is LES, LDS, BOUND. */
	return insn->mode == CPU_MODE_64 || (next >= 0 && (next & 0xc0) == 0xc0);
}

/* Immediate of a vector instruction: map as in VEX.mmmmm or XOP's. */
static u8 vector_imm(unsigned map, u8 opcode)
{
	if (map == 3 || map == 8)
		return IMM_8;
	if (map == 0xa)
		return IMM_Z;
	if (map == 1 && ((opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
			 (opcode >= 0xc4 && opcode <= 0xc6)))
		return IMM_8;
	return IMM_NONE;
}

/* The last byte of a VEX prefix: W (C4H only), vvvv, L, pp. */
static void take_vex_fields(struct insn *insn, u8 byte)
{
	insn->vector_pp = byte & 3;
	insn->vector_l = byte >> 2 & 1;
	insn->vvvv = (u8)~byte >> 3 & (insn->mode == CPU_MODE_64 ? 15 : 7);
	if (insn->vector == 0xc4 && (byte & 0x80))
		insn->rex |= REX_W;
}

/* VEX (C4H, C5H), EVEX (62H) and XOP (8FH): SDM vol. 2A, "Intel AVX"; APM vol. 3, "VEX and XOP". */
static bool take_vector(struct cursor *c, struct insn *insn, u8 lead, struct opcode *row)
{
	unsigned map = 1;
	u8 first = take(c, 1), last = first;

	if (insn->lock || insn->rep || insn->opsize || insn->rex)
		return false;
	insn->vector = lead;
	insn->rex = (u8)~first >> 5 & REX_R;		/* stored inverted */
	if (lead != 0xc5) {
		insn->rex = (u8)~first >> 5 & 7;
		map = first & (lead == 0x62 ? 7 : 0x1f);
		last = take(c, lead == 0x62 ? 2 : 1);
	}
	insn->vector_map = map;
	take_vex_fields(insn, last);
	if (insn->mode != CPU_MODE_64)
		insn->rex = 0;
	insn->map = MAP_VECTOR;
	insn->opcode = take(c, 1);
	*row = (struct opcode){ OP_VECTOR, FORM_OTHER, IMM_NONE, 0 };
	if (lead == 0xc4 || lead == 0xc5)
		*row = opcode_vex(map, insn->vector_pp, insn->opcode);
	if (row->op == OP_VECTOR && !row->flags)
		row->imm = vector_imm(map, insn->opcode);
	if (lead != 0x62 && map == 1 && insn->opcode == 0x77)	/* VZEROUPPER */
		row->form = FORM_NONE;
	if (lead == 0x8f)
		return map <= 0xa;
	return map >= 1 && map <= (lead == 0x62 ? 6 : 3) && map != 4;
}

static struct opcode row_of_one(const struct insn *insn)
{
	if (insn->opcode == 0x63 && insn->mode == CPU_MODE_64)
		return opcode_movsxd;
	if (insn->opcode == 0x90 && insn->rep == 0xf3 && !(insn->rex & REX_B))
		return (struct opcode){ OP_PAUSE, FORM_NONE, IMM_NONE, 0 };
	if (insn->opcode == 0x90 && !(insn->rex & REX_B))
		return (struct opcode){ OP_NOP, FORM_NONE, IMM_NONE, 0 };
	return opcodes_one[insn->opcode];
}

static struct opcode row_of_0f(const struct insn *insn)
{
	static const struct opcode popcnt = { OP_POPCNT, FORM_REG_RM, IMM_NONE, 0 };
	struct opcode row = opcodes_0f[insn->opcode];

	if (insn->rep == 0xf3 && insn->opcode == 0xb8)
		return popcnt;
	if (insn->rep == 0xf3 && (insn->opcode == 0xbc || insn->opcode == 0xbd))
		row.op = insn->opcode == 0xbc ? OP_TZCNT : OP_LZCNT;
	if (!insn->opsize && insn->rep != 0xf2)
		return row;
	if (insn->opcode == 0x78)	/* EXTRQ, INSERTQ: two immediates of a byte */
		return (struct opcode){ OP_OTHER, FORM_OTHER, IMM_16, ROW_REG };
	if (insn->opcode == 0x79)
		return (struct opcode){ OP_OTHER, FORM_OTHER, IMM_NONE, ROW_REG };
	return row;
}

/* Take the opcode bytes and find their row. False: reserved. */
static bool take_opcode(struct cursor *c, struct insn *insn, struct opcode *row)
{
	insn->opcode = take(c, 1);
	insn->map = MAP_ONE;
	if (is_vector_prefix(c, insn, insn->opcode))
		return take_vector(c, insn, insn->opcode, row);
	if (insn->opcode != 0x0f) {
		*row = row_of_one(insn);
		return true;
	}
	insn->opcode = take(c, 1);
	insn->map = MAP_0F;
	if (insn->opcode == 0x38) {
		insn->map = MAP_0F38;
		insn->opcode = take(c, 1);
		*row = opcode_0f38(insn->opcode, insn->rep, insn->opsize);
	} else if (insn->opcode == 0x3a) {
		insn->map = MAP_0F3A;
		insn->opcode = take(c, 1);
		*row = (struct opcode){ OP_OTHER, FORM_OTHER, IMM_8, 0 };
	} else {
		*row = row_of_0f(insn);
	}
	return true;
}

/* SDM vol. 2A, "16-Bit Addressing Forms with the ModR/M Byte". */
static void take_address16(struct cursor *c, struct insn *insn)
{
	static const u8 forms[8][2] = {
		{ GPR_RBX, GPR_RSI }, { GPR_RBX, GPR_RDI },
		{ GPR_RBP, GPR_RSI }, { GPR_RBP, GPR_RDI },
		{ GPR_RSI, REG_NONE }, { GPR_RDI, REG_NONE },
		{ GPR_RBP, REG_NONE }, { GPR_RBX, REG_NONE },
	};
	unsigned disp_bytes = insn->mod;

	insn->base = forms[insn->modrm & 7][0];
	insn->index = forms[insn->modrm & 7][1];
	if (insn->mod == 0 && (insn->modrm & 7) == 6) {
		insn->base = REG_NONE;
		disp_bytes = 2;
	}
	insn->disp = take_signed(c, disp_bytes);
}

static void take_sib(struct cursor *c, struct insn *insn)
{
	u8 sib = take(c, 1);

	insn->scale = sib >> 6;
	insn->index = (sib >> 3 & 7) | (insn->rex & REX_X ? 8 : 0);
	if (insn->index == GPR_RSP)
		insn->index = REG_NONE;
	insn->base = (sib & 7) | (insn->rex & REX_B ? 8 : 0);
	if ((sib & 7) == GPR_RBP && insn->mod == 0)
		insn->base = REG_NONE;
}

/*
 * SDM vol. 2A, "32-Bit Addressing Forms with the ModR/M Byte", and 64-bit mode's RIP-relative form.
 */
static void take_address32(struct cursor *c, struct insn *insn)
{
	unsigned disp_bytes = insn->mod == 1 ? 1 : insn->mod == 2 ? 4 : 0;

	insn->base = insn->rm;
	if ((insn->modrm & 7) == GPR_RSP) {
		take_sib(c, insn);
		if (insn->base == REG_NONE)
			disp_bytes = 4;
	} else if (insn->mod == 0 && (insn->modrm & 7) == GPR_RBP) {
		insn->base = insn->mode == CPU_MODE_64 ? REG_RIP : REG_NONE;
		disp_bytes = 4;
	}
	insn->disp = take_signed(c, disp_bytes);
}

static void take_modrm(struct cursor *c, struct insn *insn, const struct opcode *row)
{
	insn->modrm = take(c, 1);
	insn->mod = row->flags & ROW_MOD3 ? 3 : insn->modrm >> 6;
	insn->reg = (insn->modrm >> 3 & 7) | (insn->rex & REX_R ? 8 : 0);
	insn->rm = (insn->modrm & 7) | (insn->rex & REX_B ? 8 : 0);
	insn->is_mem = insn->mod != 3;
	if (!insn->is_mem)
		return;
	if (insn->addr_bytes == 2)
		take_address16(c, insn);
	else
		take_address32(c, insn);
}

/* 0F C7H /6 and /7: several instructions, told apart by prefix (SDM vol. 2D, "Opcode Map"). */
static u8 group9_op(const struct insn *insn)
{
	if (!insn->is_mem)
		return (insn->reg & 7) == 7 && insn->rep == 0xf3 ? OP_RDPID :
			OP_OTHER;	/* RDRAND, RDSEED, user interrupts */
	if ((insn->reg & 7) == 7)
		return insn->opsize || insn->rep ? OP_INVALID : OP_VMPTRST;
	if (insn->rep == 0xf3)
		return OP_VMXON;
	return insn->rep ? OP_INVALID : insn->opsize ? OP_VMCLEAR : OP_VMPTRLD;
}

/* 0F AEH without F2H and F3H. */
static u8 group15_op(const struct insn *insn)
{
	unsigned reg = insn->modrm >> 3 & 7;

	if (!insn->is_mem)
		return reg >= 5 && !insn->opsize ? OP_NOP : OP_OTHER;	/* LFENCE MFENCE SFENCE */
	if (reg == 7 || (reg == 6 && insn->opsize))
		return OP_CLFLUSH;	/* CLFLUSHOPT, CLWB */
	return (reg == 2 || reg == 3) && !insn->opsize ? OP_MXCSR : OP_OTHER;
}

/* Let the ModRM byte choose within a group. */
static void resolve_group(const struct insn *insn, struct opcode *row)
{
	const struct opcode *in = &opcode_groups[row->op][insn->modrm >> 3 & 7];
	unsigned group = row->op;

	row->op = in->op;
	row->flags = (row->flags & ~ROW_GROUP) | in->flags;
	if (in->form != FORM_NONE) {
		row->form = in->form;
		row->imm = in->imm;
	}
	if (group == GROUP_7 && !insn->is_mem && in->op != OP_SMSW && in->op != OP_LMSW) {
		row->op = opcode_0f01(insn->modrm);
		row->flags = 0;
	} else if (group == GROUP_9 && (insn->modrm >> 3 & 7) >= 6) {
		row->op = group9_op(insn);
	} else if (group == GROUP_15 && !insn->rep) {
		row->op = group15_op(insn);
	} else if (group == GROUP_15 && !insn->is_mem && insn->rep == 0xf3 &&
		   (insn->modrm >> 3 & 7) < 4) {
		row->op = OP_RDFSBASE + (insn->modrm >> 3 & 7);
	}
}

static void set_operand_size(struct insn *insn)
{
	bool long_mode = insn->mode == CPU_MODE_64;
	bool near_branch = insn->map == MAP_ONE || insn->op == OP_JCC;

	if (insn->flags & ROW_BYTE)
		insn->op_bytes = 1;
	else if (long_mode && ((insn->flags & ROW_F64) || (insn->rex & REX_W)))
		insn->op_bytes = 8;
	else if (long_mode && (insn->flags & ROW_D64))
		insn->op_bytes = insn->opsize ? 2 : 8;
	else if (insn->flags & ROW_NO16)
		insn->op_bytes = 4;
	else if ((insn->flags & ROW_F64) && !near_branch)
		insn->op_bytes = 4;	/* control registers, VMX operands: 66H says nothing */
	else
		insn->op_bytes = (insn->mode == CPU_MODE_16) != insn->opsize ? 2 : 4;
}

static void take_immediate(struct cursor *c, struct insn *insn, u8 kind)
{
	unsigned z = MIN(insn->op_bytes, 4);

	switch (kind) {
	case IMM_8: insn->imm = take_signed(c, 1); break;
	case IMM_16: insn->imm = take(c, 2); break;
	case IMM_Z: insn->imm = take_signed(c, insn->map == MAP_VECTOR ? 4 : z); break;
	case IMM_V: insn->imm = take_signed(c, insn->op_bytes); break;
	case IMM_RELZ: insn->imm = take_signed(c, z); break;
	case IMM_ADDR:
		insn->disp = take(c, insn->addr_bytes);
		insn->is_mem = true;
		break;
	case IMM_FAR:
		insn->imm = take(c, z);
		insn->imm2 = take(c, 2);
		break;
	case IMM_16_8:
		insn->imm = take(c, 2);
		insn->imm2 = take(c, 1);
		break;
	}
}

static void set_segment(struct insn *insn)
{
	if (insn->segment != NR_SEGMENTS)
		return;
	insn->segment = insn->base == GPR_RSP || insn->base == GPR_RBP ? SEG_SS : SEG_DS;
}

/* LOCK needs a row that allows it and a memory destination; on AMD it makes CR8 of CR0. */
static bool lock_is_valid(struct insn *insn)
{
	if (!insn->lock)
		return true;
	if ((insn->op == OP_MOV_FROM_CR || insn->op == OP_MOV_TO_CR) && insn->reg == 0) {
		insn->reg = 8;	/* APM vol. 3, "MOV CRn" */
		return true;
	}
	return (insn->flags & ROW_LOCK) && insn->is_mem && insn->form != FORM_REG_RM;
}

/* VEX.L, and vvvv where it names no register, have one value. */
static bool vex_is_valid(const struct insn *insn)
{
	if (insn->op < OP_ANDN || insn->op > OP_RORX)
		return true;
	return !insn->vector_l && (insn->op != OP_RORX || !insn->vvvv);
}

static bool is_valid(struct insn *insn)
{
	if (!vex_is_valid(insn))
		return false;
	if (insn->op == OP_INVALID || !lock_is_valid(insn))
		return false;
	if ((insn->flags & ROW_NO64) && insn->mode == CPU_MODE_64)
		return false;
	if ((insn->flags & ROW_MEM) && !insn->is_mem)
		return false;
	if ((insn->flags & ROW_REG) && insn->is_mem)
		return false;
	if (insn->op == OP_MOVNTI && (insn->opsize || insn->rep))
		return false;	/* "NP" (SDM vol. 2A, "Opcode Column in the Instruction Summary Table") */
	if (insn->op == OP_MOV_FROM_CR || insn->op == OP_MOV_TO_CR)
		return insn->reg == 0 || (insn->reg >= 2 && insn->reg <= 4) || insn->reg == 8;
	if (insn->op == OP_MOV_FROM_DR || insn->op == OP_MOV_TO_DR)
		return insn->reg < 8;
	if (insn->op == OP_MOV_FROM_SREG)
		return (insn->reg & 7) <= SEG_GS;
	if (insn->op == OP_MOV_TO_SREG)
		return (insn->reg & 7) <= SEG_GS && (insn->reg & 7) != SEG_CS;
	return true;
}

int decode(const u8 *bytes, unsigned avail, enum cpu_mode mode, struct insn *out)
{
	struct cursor c = { .bytes = bytes, .end = MIN(avail, INSN_MAX_BYTES) };
	struct opcode row = { 0 };
	bool known;

	memset(out, 0, sizeof(*out));
	out->mode = mode;
	out->base = out->index = REG_NONE;
	take_prefixes(&c, out);
	known = take_opcode(&c, out, &row);
	if (known && row.form >= FORM_FIRST_MODRM)
		take_modrm(&c, out, &row);
	if (known && (row.flags & ROW_GROUP))
		resolve_group(out, &row);
	out->op = row.op;
	out->form = row.form;
	out->flags = row.flags;
	if (row.form == FORM_OREG || row.form == FORM_OREG_IMM || row.form == FORM_OREG_ACC)
		out->reg = (out->opcode & 7) | (out->rex & REX_B ? 8 : 0);
	set_operand_size(out);
	if (known)
		take_immediate(&c, out, row.imm);
	if (c.missing)
		return c.end < INSN_MAX_BYTES ? DECODE_NEED_BYTES : DECODE_TOO_LONG;
	set_segment(out);
	if (!known || !is_valid(out))
		return DECODE_INVALID;
	out->length = c.at;
	return c.at;
}

/* The opcode bytes of a decoded instruction in the form that insn_length_of() is asked with. */
static bool is_opcode(const struct insn *insn, unsigned opcode)
{
	if (insn->map == MAP_ONE)
		return opcode == insn->opcode;
	if (insn->map != MAP_0F)
		return false;
	return opcode == (0x0f00u | insn->opcode) ||
	       opcode == (0x0f0000u | insn->opcode << 8 | insn->modrm);
}

unsigned insn_length_of_slow(const u8 *bytes, unsigned avail, enum cpu_mode mode, unsigned opcode)
{
	struct insn insn;
	bool has_byte = (opcode >= 0xe4 && opcode <= 0xe7) || opcode == 0xcd;
	int length;

	if (opcode <= 0xff && avail >= 1u + has_byte && bytes[0] == opcode)
		return 1 + has_byte;
	if (avail >= 3 && opcode >= 0x0f20 && opcode <= 0x0f23 && bytes[0] == 0x0f &&
	    bytes[1] == (opcode & 0xff))
		return 3;
	length = decode(bytes, avail, mode, &insn);
	return length > 0 && is_opcode(&insn, opcode) ? (unsigned)length : 0;
}
