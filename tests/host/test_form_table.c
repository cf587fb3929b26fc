// SPDX-License-Identifier: MIT
/*
 * The table of forms: how many of them the emulator does, and that none is missing: whatever
 * capstone disassembles with a memory operand has a row, or is of a kind that the table leaves out.
 */
#include "emulate/decode.h"
#include "tests/host/cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <capstone/capstone.h>
#include <cmocka.h>

#define PROBES	200

static struct emulate_result result;

/* By what the emulator does with some instructions of the form. */
static bool is_done(const struct form *form, enum cpu_mode mode)
{
	struct test_case c;

	cases_begin(mode, DATA);
	for (int i = 0; i < PROBES; i++) {
		make_case(form, mode, CODE, &c);
		if (emulate(&machine_ops, NULL, m.gpr, mode, c.code, INSN_MAX_BYTES, &result) ==
		    EMULATE_UNHANDLED)
			return false;
	}
	return true;
}

static void test_forms_done(void **state)
{
	static const struct { u8 bit; enum cpu_mode mode; } modes[] = {
		{ IN_64, CPU_MODE_64 }, { IN_32, CPU_MODE_32 }, { IN_16, CPU_MODE_16 },
	};
	unsigned done = 0;

	for (unsigned i = 0; i < nr_forms; i++) {
		bool good = true;

		for (unsigned k = 0; good && k < ARRAY_SIZE(modes); k++) {
			if (forms[i].modes & modes[k].bit)
				good = is_done(&forms[i], modes[k].mode);
		}
		done += good;
		if (!good)
			print_message("not done: %s\n", forms[i].name);
	}
	print_message("figure emulator: %u of %u forms\n", done, nr_forms);
	assert_true(done > 0);
}

/* ---- Completeness ---- */

/* What one encoding is, as the table's rows say it. */
struct encoding {
	u8 map, opcode, reg, prefix;
	bool vex, l, w;
};

static bool covers(const struct form *f, const struct encoding *e, u8 mode)
{
	/* Of 16-bit mode VEX has the protected one only, in which it is as in 32-bit mode. */
	if (mode == IN_16 && e->vex)
		mode = IN_32;
	if (f->map != e->map || e->opcode < f->opcode || e->opcode >= f->opcode + f->count ||
	    !(f->modes & mode) || f->rm == RM_REG || !(f->flags & VEX) != !e->vex)
		return false;
	if (f->reg != ANY_REG && f->reg != e->reg)
		return false;
	if (e->vex && ((!(f->flags & VEX_LIG) && !(f->flags & VEX_L1) != !e->l) ||
		       (!(f->flags & VEX_WIG) && !(f->flags & VEX_W1) != !e->w)))
		return false;
	if (f->prefix == PFX_ANY)
		return true;
	return f->prefix == e->prefix || ((f->flags & OPSIZE) && e->prefix == PFX_66);
}

static unsigned put_encoding(u8 *code, const struct encoding *e)
{
	static const u8 prefixes[] = { 0, 0, 0x66, 0xf3, 0xf2 }, pp[] = { 0, 0, 1, 2, 3 };
	unsigned at = 0;

	memset(code, 0, INSN_MAX_BYTES + 1);
	if (e->vex) {
		code[at++] = 0xc4;
		code[at++] = 0xe0 | (e->map == MAP_0F ? 1 : e->map == MAP_0F38 ? 2 : 3);
		code[at++] = (e->w ? 0x80 : 0) | 15 << 3 | (e->l ? 4 : 0) | pp[e->prefix];
	} else {
		if (prefixes[e->prefix])
			code[at++] = prefixes[e->prefix];
		if (e->map != MAP_ONE)
			code[at++] = 0x0f;
		if (e->map == MAP_0F38 || e->map == MAP_0F3A)
			code[at++] = e->map == MAP_0F38 ? 0x38 : 0x3a;
	}
	code[at++] = e->opcode;
	code[at++] = e->reg << 3 | 1;	/* [rCX], in 16-bit mode [BX + DI] */
	return at;
}

static bool has_one_of(const char *name, const char *const *list)
{
	for (; *list; list++) {
		if (strstr(name, *list))
			return true;
	}
	return false;
}

/*
 * Kinds of instructions that the table leaves out. Of the vector unit it has what moves data
 * between memory and registers, by these words in its names. Those that compute with vectors read
 * memory only, and no system's code does that to a device's registers.
 */
static bool is_left_out(csh h, const cs_insn *ci)
{
	static const char *const moves[] = { "mov", "broadcast", "insert", "extract", "pinsr",
					     "pextr", "lddqu", "mxcsr", NULL };
	/* SSE4A (AMD's families 10H to 15H only), AVX-512's masks. */
	static const char *const rare[] = { "movntsd", "movntss", "kmov", NULL };
	/* Their operand is L1's own data for its hypervisor; exits tell them apart. */
	static const char *const vmx[] = { "vmread", "vmwrite", "vmptr", "vmclear", "vmxon",
					   "invept", "invvpid", NULL };
	/* State of several hundred bytes: no device has registers like that. */
	static const char *const state[] = { "fxsave", "fxrstor", "xsave", "xrstor", NULL };
	static const u8 vector[] = {
		X86_GRP_3DNOW, X86_GRP_AES, X86_GRP_AVX, X86_GRP_AVX2, X86_GRP_AVX512, X86_GRP_F16C,
		X86_GRP_FMA, X86_GRP_FMA4, X86_GRP_MMX, X86_GRP_SHA, X86_GRP_SSE1, X86_GRP_SSE2,
		X86_GRP_SSE3, X86_GRP_SSE41, X86_GRP_SSE42, X86_GRP_SSE4A, X86_GRP_SSSE3,
		X86_GRP_PCLMUL, X86_GRP_XOP,
	};
	/* Capstone gives these no group. */
	static const char *const scalar[] = { "vsqrts", "vrsqrtss", "vrcpss", NULL };

	if (has_one_of(ci->mnemonic, rare) || has_one_of(ci->mnemonic, scalar) ||
	    has_one_of(ci->mnemonic, vmx) || has_one_of(ci->mnemonic, state))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(vector); i++) {
		if (cs_insn_group(h, ci, vector[i]))
			return !has_one_of(ci->mnemonic, moves);
	}
	return false;
}

static bool has_memory(const cs_insn *ci)
{
	const cs_x86 *x86 = &ci->detail->x86;

	for (int i = 0; i < x86->op_count; i++) {
		if (x86->operands[i].type == X86_OP_MEM)
			return true;
	}
	return false;
}

static bool is_same_name(csh h, const struct encoding *e, const char *name)
{
	u8 code[INSN_MAX_BYTES + 1];
	cs_insn *ci;
	bool same;

	put_encoding(code, e);
	if (!cs_disasm(h, code, sizeof(code), 0, 1, &ci))
		return false;
	same = strcmp(ci->mnemonic, name) == 0;
	cs_free(ci, 1);
	return same;
}

/* Capstone doesn't see that a prefix or VEX.W makes a reserved encoding: it shows the same name. */
static bool is_reserved(csh h, const struct encoding *e, const char *name)
{
	struct encoding other = *e;

	if (!e->vex && e->prefix != PFX_NP) {
		other.prefix = PFX_NP;
		return is_same_name(h, &other, name);
	}
	other.w = false;
	return e->w && is_same_name(h, &other, name);
}

/* Returns whether the encoding, if capstone has it, has a row or is left out. */
static bool is_listed(csh h, const struct encoding *e, u8 mode)
{
	u8 code[INSN_MAX_BYTES + 1];
	bool good = false;
	cs_insn *ci;

	for (unsigned i = 0; i < nr_forms && !good; i++)
		good = covers(&forms[i], e, mode);
	put_encoding(code, e);
	if (good || !cs_disasm(h, code, sizeof(code), 0, 1, &ci))
		return true;
	good = !has_memory(ci) || is_left_out(h, ci) || is_reserved(h, e, ci->mnemonic);
	if (!good)
		print_message("no row: map %u, opcode %02x /%u, prefix %u, VEX %d, L %d, W %d: "
			      "%s %s\n", e->map, e->opcode, e->reg, e->prefix, e->vex, e->l,
			      e->w, ci->mnemonic, ci->op_str);
	cs_free(ci, 1);
	return good;
}

/* Opcodes that are prefixes or escapes. */
static bool is_no_opcode(const struct encoding *e, u8 mode)
{
	static const u8 one[] = { 0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x62, 0x64, 0x65, 0x66, 0x67, 0xc4,
				  0xc5, 0xf0, 0xf2, 0xf3 };

	if (e->map == MAP_0F)
		return !e->vex && (e->opcode == 0x38 || e->opcode == 0x3a || e->opcode == 0x0f);
	if (e->map == MAP_ONE && mode == IN_64 && (e->opcode & 0xf0) == 0x40)
		return true;	/* REX */
	return e->map == MAP_ONE && (e->vex || memchr(one, e->opcode, sizeof(one)));
}

static unsigned count_missing(csh h, u8 mode)
{
	unsigned missing = 0;

	for (unsigned n = 0; n < 4 * 256 * 8 * 4 * 5; n++) {
		struct encoding e = {
			.reg = n & 7, .opcode = n >> 3, .map = n >> 11 & 3,
			.prefix = PFX_NP + (n >> 13 & 3),
		};
		unsigned kind = n >> 15;	/* 0: no VEX; 1 to 4: VEX with L and W */

		e.vex = kind;
		e.l = kind && ((kind - 1) & 1);
		e.w = kind > 2;
		if (!is_no_opcode(&e, mode))
			missing += !is_listed(h, &e, mode);
	}
	return missing;
}

static void test_none_is_missing(void **state)
{
	static const struct { u8 bit; cs_mode mode; } modes[] = {
		{ IN_64, CS_MODE_64 }, { IN_32, CS_MODE_32 }, { IN_16, CS_MODE_16 },
	};
	unsigned missing = 0;
	csh h;

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(cs_open(CS_ARCH_X86, modes[i].mode, &h), CS_ERR_OK);
		cs_option(h, CS_OPT_DETAIL, CS_OPT_ON);
		missing += count_missing(h, modes[i].bit);
		cs_close(&h);
	}
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms_done),
		cmocka_unit_test(test_none_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
