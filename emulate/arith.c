// SPDX-License-Identifier: GPL-2.0-only
/* Integer arithmetic and its flags (SDM vol. 1, "EFLAGS Register", and each instruction's page). */
#include "emulate/arith.h"

#include "include/x86/cr.h"

#define ARITH_FLAGS	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static u64 mask_of(unsigned size)
{
	return ~0ull >> (64 - 8 * size);
}

static bool sign_of(unsigned size, u64 value)
{
	return value >> (8 * size - 1) & 1;
}

static void set_flag(u64 *rflags, u64 flag, bool on)
{
	*rflags = on ? *rflags | flag : *rflags & ~flag;
}

/* SF, ZF and PF of a result. */
static void set_result_flags(u64 *rflags, unsigned size, u64 result)
{
	set_flag(rflags, RFLAGS_ZF, result == 0);
	set_flag(rflags, RFLAGS_SF, sign_of(size, result));
	set_flag(rflags, RFLAGS_PF, !(__builtin_popcount(result & 0xff) & 1));
}

static u64 add(unsigned size, u64 a, u64 b, bool carry, u64 *rflags)
{
	u64 r = (a + b + carry) & mask_of(size);

	set_flag(rflags, RFLAGS_CF, sign_of(size, (a & b) | ((a | b) & ~r)));
	set_flag(rflags, RFLAGS_OF, sign_of(size, (a ^ r) & (b ^ r)));
	set_flag(rflags, RFLAGS_AF, (a ^ b ^ r) & 0x10);
	set_result_flags(rflags, size, r);
	return r;
}

static u64 subtract(unsigned size, u64 a, u64 b, bool borrow, u64 *rflags)
{
	u64 r = (a - b - borrow) & mask_of(size);

	set_flag(rflags, RFLAGS_CF, sign_of(size, (~a & b) | (~(a ^ b) & r)));
	set_flag(rflags, RFLAGS_OF, sign_of(size, (a ^ b) & (a ^ r)));
	set_flag(rflags, RFLAGS_AF, (a ^ b ^ r) & 0x10);
	set_result_flags(rflags, size, r);
	return r;
}

static u64 logic(unsigned size, u64 r, u64 *rflags)
{
	*rflags &= ~ARITH_FLAGS;
	set_result_flags(rflags, size, r);
	return r;
}

u64 arith_binary(enum insn_op op, unsigned size, u64 dst, u64 src, u64 *rflags)
{
	bool carry = *rflags & RFLAGS_CF;

	switch (op) {
	case OP_ADD: return add(size, dst, src, false, rflags);
	case OP_ADC: return add(size, dst, src, carry, rflags);
	case OP_SBB: return subtract(size, dst, src, carry, rflags);
	case OP_SUB:
	case OP_CMP: return subtract(size, dst, src, false, rflags);
	case OP_OR: return logic(size, dst | src, rflags);
	case OP_XOR: return logic(size, dst ^ src, rflags);
	default: return logic(size, dst & src, rflags);
	}
}

u64 arith_unary(enum insn_op op, unsigned size, u64 dst, u64 *rflags)
{
	u64 carry = *rflags & RFLAGS_CF, r;

	if (op == OP_NOT)
		return ~dst & mask_of(size);
	if (op == OP_NEG)
		return subtract(size, 0, dst, false, rflags);
	r = op == OP_INC ? add(size, dst, 1, false, rflags) : subtract(size, dst, 1, false, rflags);
	set_flag(rflags, RFLAGS_CF, carry);	/* INC and DEC leave it alone */
	return r;
}

/* One step of a shift or rotation by one bit; *carry is in and out. */
static u64 shift_by_one(enum insn_op op, unsigned size, u64 value, bool *carry)
{
	unsigned top = 8 * size - 1;
	bool in = *carry, sign = value >> top & 1;
	bool left = op == OP_ROL || op == OP_RCL || op == OP_SHL;

	*carry = left ? sign : value & 1;
	switch (op) {
	case OP_ROL: return (value << 1 | sign) & mask_of(size);
	case OP_RCL: return (value << 1 | in) & mask_of(size);
	case OP_SHL: return (value << 1) & mask_of(size);
	case OP_ROR: return value >> 1 | (value & 1) << top;
	case OP_RCR: return value >> 1 | (u64)in << top;
	case OP_SAR: return value >> 1 | (u64)sign << top;
	default: return value >> 1;
	}
}

u64 arith_shift(enum insn_op op, unsigned size, u64 dst, unsigned count, u64 *rflags)
{
	bool rotates = op == OP_ROL || op == OP_ROR || op == OP_RCL || op == OP_RCR;
	bool carry = *rflags & RFLAGS_CF;
	u64 before = dst;

	count &= size == 8 ? 63 : 31;
	if (count == 0)
		return dst;
	for (unsigned i = 0; i < count; i++) {
		before = dst;
		dst = shift_by_one(op, size, dst, &carry);
	}
	set_flag(rflags, RFLAGS_CF, carry);
	/* OF: did the last step change the sign? Defined for a count of 1 only. */
	set_flag(rflags, RFLAGS_OF, sign_of(size, before ^ dst));
	if (!rotates)
		set_result_flags(rflags, size, dst);
	return dst;
}

u64 arith_double_shift(enum insn_op op, unsigned size, u64 dst, u64 src, unsigned count,
		       u64 *rflags)
{
	unsigned top = 8 * size - 1;
	bool carry = false;
	u64 before = dst;

	count &= size == 8 ? 63 : 31;
	if (count == 0)
		return dst;
	for (unsigned i = 0; i < count; i++) {
		before = dst;
		if (op == OP_SHLD) {
			carry = dst >> top & 1;
			dst = (dst << 1 | (src >> top & 1)) & mask_of(size);
			src = (src << 1) & mask_of(size);
		} else {
			carry = dst & 1;
			dst = dst >> 1 | (src & 1) << top;
			src >>= 1;
		}
	}
	set_flag(rflags, RFLAGS_CF, carry);
	set_flag(rflags, RFLAGS_OF, sign_of(size, before ^ dst));
	set_result_flags(rflags, size, dst);
	return dst;
}

u64 arith_bit(enum insn_op op, unsigned size, u64 dst, u64 bit, u64 *rflags)
{
	u64 mask = 1ull << (bit & (8 * size - 1));

	set_flag(rflags, RFLAGS_CF, dst & mask);
	switch (op) {
	case OP_BTS: return dst | mask;
	case OP_BTR: return dst & ~mask;
	case OP_BTC: return dst ^ mask;
	default: return dst;
	}
}

u64 arith_imul(unsigned size, u64 a, u64 b, u64 *rflags)
{
	unsigned shift = 64 - 8 * size;
	__int128 product = (__int128)((s64)(a << shift) >> shift) * ((s64)(b << shift) >> shift);
	u64 r = (u64)product & mask_of(size);
	bool cut = product != ((s64)(r << shift) >> shift);

	set_flag(rflags, RFLAGS_CF | RFLAGS_OF, cut);
	return r;
}

bool arith_condition(unsigned code, u64 rflags)
{
	bool cf = rflags & RFLAGS_CF, zf = rflags & RFLAGS_ZF, sf = rflags & RFLAGS_SF;
	bool of = rflags & RFLAGS_OF, pf = rflags & RFLAGS_PF, holds = false;

	switch (code >> 1 & 7) {
	case 0: holds = of; break;
	case 1: holds = cf; break;
	case 2: holds = zf; break;
	case 3: holds = cf || zf; break;
	case 4: holds = sf; break;
	case 5: holds = pf; break;
	case 6: holds = sf != of; break;
	case 7: holds = zf || sf != of; break;
	}
	return holds != (code & 1);
}
