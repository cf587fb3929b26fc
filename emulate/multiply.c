// SPDX-License-Identifier: GPL-2.0-only
/*
 * Multiplication and division with the accumulator, and the decimal instructions: SDM vol. 2, each
 * instruction's page.
 */
#include "emulate/arith.h"
#include "emulate/emulation.h"

/* The accumulator's double width: AX, DX:AX, EDX:EAX, RDX:RAX. */
static unsigned __int128 wide_accumulator(const struct emulation *e, unsigned size)
{
	u64 mask = size_mask(size);

	if (size == 1)
		return e->gpr[GPR_RAX] & 0xffff;
	return (unsigned __int128)(e->gpr[GPR_RDX] & mask) << (8 * size) | (e->gpr[GPR_RAX] & mask);
}

/* `low` and `high` into the halves of the accumulator. */
static void write_accumulator(struct emulation *e, unsigned size, u64 low, u64 high)
{
	if (size == 1) {
		write_register(e, GPR_RAX, 2, (low & 0xff) | (high & 0xff) << 8);
		return;
	}
	write_register(e, GPR_RAX, size, low);
	write_register(e, GPR_RDX, size, high);
}

static s64 sign_extend(u64 value, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (s64)(value << shift) >> shift;
}

/* MUL and IMUL with one operand. CF and OF: does the upper half say more than the lower? */
enum emulate_status run_multiply(struct emulation *e)
{
	unsigned size = e->dst.size;
	u64 acc = e->gpr[GPR_RAX] & size_mask(size), low, high, trivial = 0;
	unsigned __int128 product = (unsigned __int128)acc * e->dst.value;

	if (e->insn->op == OP_IMUL)
		product = (unsigned __int128)((__int128)sign_extend(acc, size) *
					      sign_extend(e->dst.value, size));
	low = (u64)product & size_mask(size);
	high = (u64)(product >> (8 * size)) & size_mask(size);
	if (e->insn->op == OP_IMUL)
		trivial = (u64)(sign_extend(low, size) >> 63) & size_mask(size);
	e->rflags &= ~(RFLAGS_CF | RFLAGS_OF);
	if (high != trivial)
		e->rflags |= RFLAGS_CF | RFLAGS_OF;
	write_accumulator(e, size, low, high);
	return EMULATE_OK;
}

/* By shift and subtract: 128-bit division would need a library. `by` is above `value` >> 64. */
static u64 divide(unsigned __int128 value, u64 by, u64 *rest)
{
	unsigned __int128 remainder = value >> 64;
	u64 low = (u64)value, quotient = 0;

	for (int i = 63; i >= 0; i--) {
		remainder = remainder << 1 | (low >> i & 1);
		quotient <<= 1;
		if (remainder >= by) {
			remainder -= by;
			quotient |= 1;
		}
	}
	*rest = (u64)remainder;
	return quotient;
}

/* DIV. False: #DE. */
static bool divide_unsigned(unsigned __int128 value, u64 by, unsigned size, u64 *quotient,
			    u64 *rest)
{
	if (!by || value >> (8 * size) >= by)
		return false;
	*quotient = divide(value, by, rest);
	return true;
}

/* IDIV: by magnitudes; the remainder has the dividend's sign. False: #DE. */
static bool divide_signed(unsigned __int128 value, u64 by, unsigned size, u64 *quotient, u64 *rest)
{
	bool negative = value >> (16 * size - 1) & 1, by_negative = by >> (8 * size - 1) & 1;
	unsigned __int128 mask = size == 8 ? ~(unsigned __int128)0
					   : ((unsigned __int128)1 << (16 * size)) - 1;
	u64 limit = 1ull << (8 * size - 1);

	if (negative)
		value = -value & mask;
	if (by_negative)
		by = -by & size_mask(size);
	if (!divide_unsigned(value, by, size, quotient, rest))
		return false;
	if (*quotient > limit || (*quotient == limit && negative == by_negative))
		return false;
	if (negative != by_negative)
		*quotient = -*quotient;
	if (negative)
		*rest = -*rest;
	return true;
}

enum emulate_status run_divide(struct emulation *e)
{
	unsigned size = e->dst.size;
	unsigned __int128 value = wide_accumulator(e, size);
	u64 quotient, rest;
	bool fits = e->insn->op == OP_DIV
		? divide_unsigned(value, e->dst.value, size, &quotient, &rest)
		: divide_signed(value, e->dst.value, size, &quotient, &rest);

	if (!fits)
		return raise_fault(e, EXC_DE, 0);
	write_accumulator(e, size, quotient, rest);
	return EMULATE_OK;
}

static void set_flags(struct emulation *e, u64 which, bool on)
{
	e->rflags = on ? e->rflags | which : e->rflags & ~which;
}

/* SF, ZF and PF of AL; the other arithmetic flags stay. */
static void set_decimal_flags(struct emulation *e, u8 al)
{
	u64 kept = e->rflags & (RFLAGS_CF | RFLAGS_AF | RFLAGS_OF);

	arith_binary(OP_TEST, 1, al, al, &e->rflags);
	e->rflags |= kept;
}

/* DAA and DAS. */
static void adjust_packed(struct emulation *e, bool subtract)
{
	u8 al = e->gpr[GPR_RAX], old = al;
	bool low = (al & 15) > 9 || (e->rflags & RFLAGS_AF), cf = e->rflags & RFLAGS_CF;
	bool high = old > 0x99 || cf, carry = false;

	if (low) {
		carry = cf || (subtract ? al < 6 : al > 0xff - 6);
		al += subtract ? -6 : 6;
	}
	if (high) {
		al += subtract ? -0x60 : 0x60;
		carry = true;
	}
	set_flags(e, RFLAGS_AF, low);
	set_flags(e, RFLAGS_CF, carry);
	write_register(e, GPR_RAX, 1, al);
	set_decimal_flags(e, al);
}

/* AAA and AAS: AX as a whole is adjusted, AL keeps its low digit. */
static void adjust_unpacked(struct emulation *e, bool subtract)
{
	u16 ax = e->gpr[GPR_RAX];
	bool adjust = (ax & 15) > 9 || (e->rflags & RFLAGS_AF);

	if (adjust)
		ax += subtract ? -0x106 : 0x106;
	set_flags(e, RFLAGS_AF | RFLAGS_CF, adjust);
	write_register(e, GPR_RAX, 2, ax & 0xff0f);
}

/* DAA, DAS, AAA, AAS, AAM, AAD. */
enum emulate_status run_decimal(struct emulation *e)
{
	u8 al = e->gpr[GPR_RAX], ah = e->gpr[GPR_RAX] >> 8, base = e->insn->imm;

	switch (e->insn->op) {
	case OP_DAA: case OP_DAS:
		adjust_packed(e, e->insn->op == OP_DAS);
		return EMULATE_OK;
	case OP_AAA: case OP_AAS:
		adjust_unpacked(e, e->insn->op == OP_AAS);
		return EMULATE_OK;
	case OP_AAM:
		if (!base)
			return raise_fault(e, EXC_DE, 0);
		write_register(e, GPR_RAX, 2, al / base << 8 | al % base);
		break;
	default:	/* AAD */
		write_register(e, GPR_RAX, 2, (u8)(al + ah * base));
	}
	set_decimal_flags(e, e->gpr[GPR_RAX]);
	return EMULATE_OK;
}
