// SPDX-License-Identifier: MIT
#include "tests/host/undefined.h"

#include <string.h>

#define CF	RFLAGS_CF
#define PF	RFLAGS_PF
#define AF	RFLAGS_AF
#define ZF	RFLAGS_ZF
#define SF	RFLAGS_SF
#define OF	RFLAGS_OF

static const struct { const char *mnemonic; u64 flags; } always[] = {
	{ "AND", AF }, { "OR", AF }, { "XOR", AF }, { "TEST", AF }, { "TEST (/1)", AF },
	{ "MUL", SF | ZF | AF | PF }, { "IMUL", SF | ZF | AF | PF },
	{ "DIV", ARITH }, { "IDIV", ARITH },
	{ "BT", OF | SF | AF | PF }, { "BTS", OF | SF | AF | PF }, { "BTR", OF | SF | AF | PF },
	{ "BTC", OF | SF | AF | PF },
	{ "BSF", CF | OF | SF | AF | PF }, { "BSR", CF | OF | SF | AF | PF },
	{ "TZCNT", OF | SF | AF | PF }, { "LZCNT", OF | SF | AF | PF },
	{ "AAA", OF | SF | ZF | PF }, { "AAS", OF | SF | ZF | PF },
	{ "DAA", OF }, { "DAS", OF }, { "AAM", OF | AF | CF }, { "AAD", OF | AF | CF },
	{ "ANDN", AF | PF }, { "BLSR", AF | PF }, { "BLSMSK", AF | PF }, { "BLSI", AF | PF },
	{ "BZHI", AF | PF }, { "BEXTR", AF | SF | PF },
};

/* The count of a shift, as the CPU masks it. */
static unsigned shift_count(const struct test_case *c, const struct machine *before)
{
	unsigned count = c->code[c->length - 1];	/* imm8 */

	if (c->insn.form == FORM_RM_1)
		return 1;
	if (strstr(c->form->name, ", CL"))
		count = before->gpr[GPR_RCX];
	return count & (c->insn.op_bytes == 8 ? 63 : 31);
}

/* "RCL/RCR/ROL/ROR", "SAL/SAR/SHL/SHR", "SHLD", "SHRD": the OF flag for 1-bit shifts only, … */
static u64 undefined_of_shift(const struct test_case *c, const struct machine *before)
{
	const char *name = c->form->name;
	unsigned count = shift_count(c, before), bits = 8 * c->insn.op_bytes;
	u64 flags = count > 1 ? OF : 0;

	if (name[0] == 'R')
		return flags;
	if (count == 0)
		return 0;
	flags |= AF;
	/* … CF of a count not less than the operand's size (SHL, SHR), … */
	if (name[1] == 'H' && count >= bits)
		flags |= CF;
	/* … all where the count of SHLD and SHRD is greater than the operand's size. */
	if (name[3] == 'D' && count > bits)
		flags |= ARITH;
	return flags;
}

u64 undefined_flags(const struct test_case *c, const struct machine *before)
{
	static const char *const shifts[] = { "ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SAR",
					      "SHLD", "SHRD" };

	for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
		if (is_named(c->form, always[i].mnemonic))
			return always[i].flags;
	}
	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		if (is_named(c->form, shifts[i]))
			return undefined_of_shift(c, before);
	}
	return 0;
}

bool result_undefined(const struct test_case *c, const struct machine *before)
{
	if (is_named(c->form, "BSWAP"))
		return c->insn.op_bytes == 2;
	return (is_named(c->form, "SHLD") || is_named(c->form, "SHRD")) &&
	       shift_count(c, before) > 8u * c->insn.op_bytes;
}
