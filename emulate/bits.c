// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bit scans, counts, CRC32, ADX and BMI: SDM vol. 2, each instruction's page. Of the VEX-encoded
 * ones dst is ModRM.reg, or vvvv of the group of BLSR; src is r/m.
 */
#include "emulate/arith.h"
#include "emulate/emulation.h"

static void set_flag(struct emulation *e, u64 flag, bool on)
{
	e->rflags = on ? e->rflags | flag : e->rflags & ~flag;
}

/* CF, OF, SF and ZF of a BMI result; AF and PF are left undefined. */
static void set_bmi_flags(struct emulation *e, u64 result, bool carry)
{
	set_flag(e, RFLAGS_CF, carry);
	set_flag(e, RFLAGS_OF, false);
	set_flag(e, RFLAGS_ZF, !result);
	set_flag(e, RFLAGS_SF, result >> (8 * e->dst.size - 1) & 1);
}

/* BSF and BSR: of 0 the destination isn't written, not even its upper half. */
enum emulate_status run_bit_scan(struct emulation *e)
{
	u64 value = e->src.value;

	set_flag(e, RFLAGS_ZF, !value);
	if (!value)
		e->writes = 0;
	else if (e->insn->op == OP_BSF)
		e->dst.value = __builtin_ctzll(value);
	else
		e->dst.value = 63 - __builtin_clzll(value);
	return EMULATE_OK;
}

/* TZCNT, LZCNT, POPCNT. */
enum emulate_status run_bit_count(struct emulation *e)
{
	u64 value = e->src.value;
	unsigned bits = 8 * e->src.size;

	if (e->insn->op == OP_POPCNT) {
		e->rflags &= ~(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF |
			       RFLAGS_OF);
		set_flag(e, RFLAGS_ZF, !value);
		e->dst.value = 0;
		for (; value; value &= value - 1)
			e->dst.value++;
		return EMULATE_OK;
	}
	set_flag(e, RFLAGS_CF, !value);
	if (!value)
		e->dst.value = bits;
	else if (e->insn->op == OP_TZCNT)
		e->dst.value = __builtin_ctzll(value);
	else
		e->dst.value = __builtin_clzll(value) - (64 - bits);
	set_flag(e, RFLAGS_ZF, !e->dst.value);
	return EMULATE_OK;
}

/* The polynomial 11EDC6F41H, bits reflected. */
enum emulate_status run_crc32(struct emulation *e)
{
	u32 crc = read_register(e, e->dst.reg);

	for (unsigned i = 0; i < 8u * e->src.size; i++) {
		bool odd = (crc ^ (u32)(e->src.value >> i)) & 1;

		crc = crc >> 1 ^ (odd ? 0x82f63b78 : 0);
	}
	e->dst.size = e->insn->op_bytes == 8 ? 8 : 4;
	e->dst.shift = 0;
	e->dst.value = crc;
	return EMULATE_OK;
}

/* ADCX and ADOX: an addition with one flag for carry, the others stay. */
enum emulate_status run_adx(struct emulation *e)
{
	u64 flag = e->insn->op == OP_ADCX ? RFLAGS_CF : RFLAGS_OF;
	u64 flags = e->rflags & flag ? RFLAGS_CF : 0;

	e->dst.value = arith_binary(OP_ADC, e->dst.size, e->dst.value, e->src.value, &flags);
	set_flag(e, flag, flags & RFLAGS_CF);
	return EMULATE_OK;
}

static u64 deposit(u64 value, u64 mask)
{
	u64 result = 0;

	for (; mask; mask &= mask - 1, value >>= 1)
		result |= value & 1 ? mask & -mask : 0;
	return result;
}

static u64 extract(u64 value, u64 mask)
{
	u64 result = 0;

	for (unsigned i = 0; mask; mask &= mask - 1, i++)
		result |= value & mask & -mask ? 1ull << i : 0;
	return result;
}

static u64 rotate_right(u64 value, unsigned count, unsigned size)
{
	unsigned bits = 8 * size;

	count &= bits - 1;
	return count ? (value >> count | value << (bits - count)) & size_mask(size) : value;
}

/* MULX: the upper half is written last, so it stays if both go to one register. */
static void multiply(struct emulation *e, unsigned size)
{
	unsigned __int128 product = (unsigned __int128)e->src.value *
				    (e->gpr[GPR_RDX] & size_mask(size));

	write_register(e, e->insn->vvvv, size, (u64)product);
	e->dst.value = (u64)(product >> (8 * size)) & size_mask(size);
}

/* BEXTR: `length` bits from `start` on. */
static u64 field(u64 value, u64 control)
{
	unsigned start = control & 0xff, length = control >> 8 & 0xff;

	value = start < 64 ? value >> start : 0;
	return length < 64 ? value & ((1ull << length) - 1) : value;
}

/* BZHI: the bits below a position. */
static u64 low_bits(u64 value, unsigned position, unsigned bits)
{
	return position < bits ? value & ((1ull << position) - 1) : value;
}

/* BLSR, BLSMSK, BLSI: all of the lowest bit that is set. */
static void lowest_bit(struct emulation *e, unsigned size)
{
	u64 value = e->src.value, mask = size_mask(size);

	e->dst.reg = e->insn->vvvv;
	switch (e->insn->op) {
	case OP_BLSR: e->dst.value = value & (value - 1); break;
	case OP_BLSMSK: e->dst.value = (value ^ (value - 1)) & mask; break;
	default: e->dst.value = value & -value;
	}
	set_bmi_flags(e, e->dst.value, e->insn->op == OP_BLSI ? value != 0 : value == 0);
}

enum emulate_status run_bmi(struct emulation *e)
{
	unsigned size = e->dst.size, bits = 8 * size;
	u64 value = e->src.value, mask = size_mask(size);
	u64 other = read_register(e, e->insn->vvvv) & mask;
	unsigned shift = other & (bits - 1);

	if (!in_protected_mode(e))
		return raise_fault(e, EXC_UD, 0);
	switch (e->insn->op) {
	case OP_ANDN:
		e->dst.value = ~other & value;
		set_bmi_flags(e, e->dst.value, false);
		break;
	case OP_BLSR: case OP_BLSMSK: case OP_BLSI:
		lowest_bit(e, size);
		break;
	case OP_BZHI:
		e->dst.value = low_bits(value, other & 0xff, bits);
		set_bmi_flags(e, e->dst.value, (other & 0xff) >= bits);
		break;
	case OP_BEXTR:
		e->dst.value = field(value, other);
		set_bmi_flags(e, e->dst.value, false);
		break;
	case OP_PEXT: e->dst.value = extract(other, value); break;
	case OP_PDEP: e->dst.value = deposit(other, value); break;
	case OP_MULX: multiply(e, size); break;
	case OP_SHLX: e->dst.value = value << shift & mask; break;
	case OP_SHRX: e->dst.value = value >> shift; break;
	case OP_SARX:
		e->dst.value = (u64)((s64)(value << (64 - bits)) >> (64 - bits) >> shift) & mask;
		break;
	default: e->dst.value = rotate_right(value, e->insn->imm & 0xff, size);
	}
	return EMULATE_OK;
}
