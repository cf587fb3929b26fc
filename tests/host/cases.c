// SPDX-License-Identifier: MIT
#include "tests/host/cases.h"

#include "emulate/decode.h"

#include <string.h>

#define REX_B	0x01
#define REX_W	0x08

static unsigned below(unsigned n)
{
	return random64() % n;
}

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

bool is_named(const struct form *form, const char *mnemonic)
{
	size_t n = strlen(mnemonic);

	return !strncmp(form->name, mnemonic, n) && (!form->name[n] || form->name[n] == ' ');
}

void cases_begin(enum cpu_mode mode, u64 window)
{
	static const u8 rights[] = { RIGHT_R | RIGHT_W, RIGHT_R | RIGHT_W, RIGHT_R };

	machine_reset(mode);
	m.at = window;
	for (int i = 0; i < NR_SEGMENTS; i++)
		m.segment[i].base = mode == CPU_MODE_16 && i != SEG_CS ? window : 0;
	memset(m.rights, 0, sizeof(m.rights));
	memcpy(m.rights, rights, sizeof(rights));
	for (unsigned i = 0; i < 4 * PAGE_SIZE; i++)
		m.data[i] = random64();
}

/* Segment, 66H and 67H, in any order. */
static unsigned put_prefixes(u8 *code, const struct form *f, enum cpu_mode mode, bool *locked)
{
	static const u8 segments[] = { 0x26, 0x36, 0x3e, 0x2e };	/* ES SS DS CS */
	unsigned at = 0, swap;
	u8 byte;

	/* CS can't be written in protected mode, which unicorn doesn't know. */
	if (one_in(8))
		code[at++] = segments[below(mode == CPU_MODE_32 ? 3 : 4)];
	if ((f->prefix == PFX_ANY || (f->flags & OPSIZE)) && !(f->flags & VEX) && one_in(3))
		code[at++] = 0x66;
	if (one_in(8))
		code[at++] = 0x67;
	*locked = one_in(f->flags & LOCKS ? 4 : 64) && !(f->flags & VEX);
	if (*locked)
		code[at++] = 0xf0;
	if ((f->flags & REPEATS) && one_in(2))
		code[at++] = one_in(2) ? 0xf3 : 0xf2;
	if (at > 1) {
		swap = below(at);
		byte = code[swap];
		code[swap] = code[0];
		code[0] = byte;
	}
	return at;
}

static unsigned put_rex(u8 *code, const struct form *f)
{
	u8 rex = 0x40 | below(16);

	if (f->flags & REXW)
		rex |= REX_W;
	else if (is_named(f, "CMPXCHG8B"))
		rex &= ~REX_W;
	else if (one_in(2))
		return 0;
	if (f->rm == RM_NONE && f->opcode == 0x90 && f->map == MAP_ONE)
		rex &= ~REX_B;
	code[0] = rex;
	return 1;
}

/* SDM vol. 2A, "Intel AVX": C4H or, where it will do, C5H. */
static unsigned put_vex(u8 *code, const struct form *f, enum cpu_mode mode)
{
	static const u8 pp[] = { 0, 0, 1, 2, 3 };
	bool w = f->flags & VEX_WIG ? one_in(2) : f->flags & VEX_W1;
	u8 third = pp[f->prefix] | (f->flags & VEX_L1 || (f->flags & VEX_LIG && one_in(2)) ? 4 : 0);
	u8 rxb = mode == CPU_MODE_64 ? below(8) : 7;
	unsigned map = f->map == MAP_0F ? 1 : f->map == MAP_0F38 ? 2 : 3;

	third |= (f->flags & VEX_NDS ? below(16) | (mode == CPU_MODE_64 ? 0 : 8) : 15) << 3;
	if (map == 1 && !w && (rxb & 3) == 3 && one_in(2)) {
		code[0] = 0xc5;
		code[1] = third | (rxb & 4) << 5;
		return 2;
	}
	code[0] = 0xc4;
	code[1] = rxb << 5 | map;
	code[2] = third | (w ? 0x80 : 0);
	return 3;
}

static unsigned put_opcode(u8 *code, const struct form *f, enum cpu_mode mode)
{
	static const u8 mandatory[] = { 0, 0, 0x66, 0xf3, 0xf2 };
	unsigned at = 0;

	if (f->flags & VEX) {
		at = put_vex(code, f, mode);
	} else {
		if (mandatory[f->prefix])
			code[at++] = mandatory[f->prefix];
		if (mode == CPU_MODE_64)
			at += put_rex(code + at, f);
		if (f->map != MAP_ONE)
			code[at++] = 0x0f;
		if (f->map == MAP_0F38 || f->map == MAP_0F3A)
			code[at++] = f->map == MAP_0F38 ? 0x38 : 0x3a;
	}
	code[at++] = f->opcode + below(f->count);
	return at;
}

static u8 random_modrm(const struct form *f)
{
	u8 reg = f->reg == ANY_REG ? below(8) : f->reg;
	u8 mod = f->rm == RM_REG || (f->rm == RM_BOTH && one_in(4)) ? 3 : below(3);

	return mod << 6 | reg << 3 | below(8);
}

static u64 random_value(void)
{
	static const u64 special[] = {
		0, 1, ~0ull, 0x7f, 0x80, 0x7fff, 0x8000, 0x7fffffff, 0x80000000,
		0x7fffffffffffffff, 0x8000000000000000,
	};

	if (one_in(8))
		return special[below(ARRAY_SIZE(special))];
	return (one_in(4) ? -random64() : random64()) >> below(64);
}

/* Somewhere in the window: one in four near a page's end, half of all aligned. */
static u64 random_target(void)
{
	u64 offset = 64 + below(2 * PAGE_SIZE - 192);

	if (one_in(4))
		offset = PAGE_SIZE * (1 + (one_in(4) ? 1 + below(2) : 0)) - below(40);
	else if (one_in(16))
		offset = below(4 * PAGE_SIZE);
	if (one_in(2))
		offset &= ~15ull;
	return m.at + offset;
}

static void randomise(const struct test_case *c)
{
	u64 mask = c->mode == CPU_MODE_64 ? ~0ull : 0xffffffff;
	u64 stack = m.at - m.segment[SEG_SS].base + PAGE_SIZE;

	for (int i = 0; i < 16; i++)
		m.gpr[i] = random_value() & mask;
	if (one_in(2))		/* dividends that fit */
		m.gpr[GPR_RDX] = one_in(2) ? below(256) : mask;
	m.rsp = stack + (one_in(8) ? below(16) : below(PAGE_SIZE - 128));
	if (one_in(2))
		m.rsp &= ~7ull;
	if (c->form->rm == RM_NONE && one_in(2))	/* ENTER, LEAVE */
		m.gpr[GPR_RBP] = m.rsp + below(64);
	if (c->form->flags & (REPEATS | BRANCHES) || one_in(2))
		m.gpr[GPR_RCX] = (m.gpr[GPR_RCX] & (one_in(2) ? 0 : mask & ~0xffffull)) | below(24);
	m.rflags = RFLAGS_FIXED | (random64() & (ARITH | RFLAGS_DF));
}

/* BT and its kin reach beyond their operand: keep that near. */
static void limit_bit_offset(const struct test_case *c)
{
	if (c->form->name[0] == 'B' && c->form->name[1] == 'T' && c->insn.form == FORM_RM_REG &&
	    c->insn.reg != GPR_RSP)
		m.gpr[c->insn.reg] = (u64)((s64)random64() >> (64 - 10));
}

/* Where the operand would be now, within its segment. */
static u64 offset_now(const struct test_case *c, u64 rip)
{
	const struct insn *i = &c->insn;
	u64 sum = i->disp;

	if (i->base == REG_RIP)
		sum += rip + c->length;
	else if (i->base != REG_NONE)
		sum += i->base == GPR_RSP ? m.rsp : m.gpr[i->base];
	if (i->index != REG_NONE)
		sum += m.gpr[i->index] << i->scale;
	return sum;
}

/* Make the operand lie at the target, by its base register or its displacement. */
static void aim(struct test_case *c, u64 rip)
{
	const struct insn *i = &c->insn;
	u64 mask = i->addr_bytes == 8 ? ~0ull : (1ull << (8 * i->addr_bytes)) - 1;
	u64 segment = c->mode == CPU_MODE_64 ? 0 : m.segment[i->segment].base;
	u64 want = c->target - segment;
	u64 off = want - offset_now(c, rip);

	if (c->form->map == MAP_ONE && c->form->rm == RM_NONE && i->is_mem) {	/* moffs */
		memcpy(c->code + c->length - i->addr_bytes, &want, i->addr_bytes);
	} else if (i->base < 16 && i->base != i->index) {
		if (i->base == GPR_RSP)
			m.rsp += off;
		else if (one_in(4))
			m.gpr[i->base] = (m.gpr[i->base] & ~mask) | ((m.gpr[i->base] + off) & mask);
		else
			m.gpr[i->base] = (m.gpr[i->base] + off) & mask;
	} else if (i->addr_bytes == 2 && i->base == REG_NONE) {
		c->code[c->disp_at] = want;
		c->code[c->disp_at + 1] = want >> 8;
	} else if (i->addr_bytes >= 4 &&
		   (i->base == REG_RIP || i->base == REG_NONE || i->mod == 2)) {
		u32 disp = i->disp + off;

		memcpy(c->code + c->disp_at, &disp, 4);
	}
}

/* Operands that no ModRM byte names. */
static void aim_implicit(struct test_case *c)
{
	u64 es = c->mode == CPU_MODE_64 ? 0 : m.segment[SEG_ES].base;
	u64 other = c->mode == CPU_MODE_64 ? 0 : m.segment[c->insn.segment].base;

	if ((c->form->flags & REPEATS) || strstr(c->form->name, "MASKMOV")) {
		m.gpr[GPR_RSI] = random_target() - other;
		m.gpr[GPR_RDI] = c->target - (c->form->flags & REPEATS ? es : other);
	} else if (is_named(c->form, "ENTER")) {	/* imm16 small, levels mostly */
		c->code[c->length - 2] = one_in(8) ? below(32) : 0;
		c->code[c->length - 1] = one_in(8) ? below(256) : below(6);
	} else if (is_named(c->form, "XLAT")) {
		m.gpr[GPR_RBX] = c->target - (m.gpr[GPR_RAX] & 0xff) - other;
	}
}

/* Where a branch through a register, memory or the stack goes: somewhere in the code. */
static void seed_branch(const struct test_case *c)
{
	u64 to = CODE + 0x4000 + below(32) * 512 + below(128);	/* see reference_can_branch() */

	if (!c->insn.is_mem && c->form->rm != RM_NONE && c->insn.rm != GPR_RSP)
		m.gpr[c->insn.rm] = to;
	if (c->target - m.at < 2 * PAGE_SIZE)
		memcpy(m.data + (c->target - m.at), &to, 8);
	if (is_named(c->form, "RET"))
		memcpy(m.data + (m.segment[SEG_SS].base + m.rsp - m.at), &to, 8);
}

/* Comparisons that succeed: memory as the accumulator, or as rDX:rAX. */
static void seed_memory(const struct test_case *c)
{
	unsigned size = c->insn.op_bytes, half = size == 8 ? 8 : 4;
	u8 *at = m.data + (c->target - m.at);

	if (c->target - m.at > 2 * PAGE_SIZE)
		return;
	if (is_named(c->form, "BOUND")) {		/* bounds about the index */
		u64 index = c->insn.reg == GPR_RSP ? m.rsp : m.gpr[c->insn.reg];
		u64 low = index - below(3), high = index + below(3);

		memcpy(at, &low, size);
		memcpy(at + size, &high, size);
	} else if (is_named(c->form, "CMPXCHG8B") || is_named(c->form, "CMPXCHG16B")) {
		memcpy(at, &m.gpr[GPR_RAX], half);
		memcpy(at + half, &m.gpr[GPR_RDX], half);
	} else {
		memcpy(at, &m.gpr[GPR_RAX], size);
	}
}

void make_case(const struct form *form, enum cpu_mode mode, u64 rip, struct test_case *c)
{
	unsigned at;

	*c = (struct test_case){ .form = form, .mode = mode };
	for (unsigned i = 0; i < sizeof(c->code); i++)
		c->code[i] = random64();
	at = put_prefixes(c->code, form, mode, &c->locked);
	at += put_opcode(c->code + at, form, mode);
	if (form->rm != RM_NONE) {
		c->modrm = c->code[at] = random_modrm(form);
		c->disp_at = at + 1;
	}
	c->length = decode(c->code, INSN_MAX_BYTES, mode, &c->insn);
	memset(c->code + MAX(c->length, 0), 0xf4, c->length > 0 ? sizeof(c->code) - c->length : 0);
	c->target = random_target();
	randomise(c);
	m.rip = rip;
	if (c->length <= 0)
		return;
	if (c->insn.addr_bytes != 2 && (c->modrm & 7) == 4)
		c->disp_at++;	/* SIB */
	limit_bit_offset(c);
	if (c->insn.is_mem)
		aim(c, rip);
	aim_implicit(c);
	if ((form->flags & BRANCHES) && !one_in(8))
		seed_branch(c);
	else if (one_in(4) || is_named(form, "BOUND"))
		seed_memory(c);
	c->length = decode(c->code, INSN_MAX_BYTES, mode, &c->insn);
}
