// SPDX-License-Identifier: MIT
#include "tests/host/differences.h"

#include "include/x86/exception.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct view {
	const struct test_case *c;
	const struct reference *theirs;
	const struct machine *before;
	int vector;		/* of our fault, or -1 */
};

static bool they_completed(const struct view *v)
{
	const struct reference *r = v->theirs;

	return r->exception < 0 && (r->error == UC_ERR_OK || r->error == UC_ERR_FETCH_UNMAPPED ||
				    r->error == UC_ERR_FETCH_PROT);
}

static bool segment_limit(const struct view *v)
{
	return v->c->mode != CPU_MODE_64 && (v->vector == EXC_GP || v->vector == EXC_SS);
}

static bool canonical(const struct view *v)
{
	return v->c->mode == CPU_MODE_64 && (v->vector == EXC_GP || v->vector == EXC_SS) &&
	       v->theirs->exception != v->vector;
}

static bool test_alias(const struct view *v)
{
	return is_named(v->c->form, "TEST (/1)") && v->theirs->error == UC_ERR_INSN_INVALID;
}

static bool locked_neg(const struct view *v)
{
	return is_named(v->c->form, "NEG") && v->c->locked && they_completed(v) && v->vector < 0;
}

static bool mov_rex_r(const struct view *v)
{
	return is_named(v->c->form, "MOV") && (v->c->form->opcode & 0xfe) == 0xc6 &&
	       (v->c->insn.rex & 4);
}

static bool cmpxchg_upper(const struct view *v)
{
	return is_named(v->c->form, "CMPXCHG") && v->c->insn.op_bytes == 4 &&
	       v->before->gpr[GPR_RAX] >> 32 && they_completed(v) && v->vector < 0;
}

static bool ret_imm16(const struct view *v)
{
	return strcmp(v->c->form->name, "RET imm16") == 0 && v->c->code[v->c->length - 1] & 0x80;
}

static bool near_branch_66(const struct view *v)
{
	return (v->c->form->flags & BRANCHES) && v->c->mode == CPU_MODE_64 && v->c->insn.opsize;
}

static bool clflush(const struct view *v)
{
	return is_named(v->c->form, "CLFLUSH") && v->vector == EXC_PF && they_completed(v);
}

static bool shift_rip_relative(const struct view *v)
{
	return (is_named(v->c->form, "SHLD") || is_named(v->c->form, "SHRD") ||
		is_named(v->c->form, "RORX")) &&
	       strstr(v->c->form->name, "imm8") && v->c->insn.base == REG_RIP;
}

static bool movsxd_16(const struct view *v)
{
	return is_named(v->c->form, "MOVSXD") && v->c->insn.op_bytes == 2 &&
	       v->theirs->error != UC_ERR_OK;
}

static bool scan_of_zero(const struct view *v)
{
	return (is_named(v->c->form, "BSF") || is_named(v->c->form, "BSR")) &&
	       (v->theirs->rflags & m.rflags & RFLAGS_ZF) && v->c->insn.op_bytes == 4;
}

static bool ah_with_rex(const struct view *v)
{
	return (is_named(v->c->form, "SAHF") || is_named(v->c->form, "LAHF")) && v->c->insn.rex;
}

static bool blsi_carry(const struct view *v)
{
	return is_named(v->c->form, "BLSI");
}

/* What the register named by VEX.vvvv held. */
static u64 vex_register(const struct view *v)
{
	u8 reg = v->c->insn.vvvv;

	return reg == GPR_RSP ? v->before->rsp : v->before->gpr[reg];
}

static bool bzhi_beyond(const struct view *v)
{
	return is_named(v->c->form, "BZHI") &&
	       (vex_register(v) & 0xff) + 1 >= 8u * v->c->insn.op_bytes;
}

static bool bextr_length(const struct view *v)
{
	return is_named(v->c->form, "BEXTR") &&
	       (vex_register(v) & 0xff) + (vex_register(v) >> 8 & 0xff) >=
	       8u * v->c->insn.op_bytes;
}

static bool pext_order(const struct view *v)
{
	return is_named(v->c->form, "PEXT") || is_named(v->c->form, "PDEP");
}

static bool enter_final(const struct view *v)
{
	return is_named(v->c->form, "ENTER") && v->vector == EXC_PF && they_completed(v);
}

static bool enter_frame(const struct view *v)
{
	return is_named(v->c->form, "ENTER") && v->c->insn.opsize && they_completed(v) &&
	       v->vector < 0;
}

static bool cmpxchg_unequal(const struct view *v)
{
	return is_named(v->c->form, "CMPXCHG") && v->c->insn.op_bytes == 4 &&
	       !v->c->insn.is_mem && !(m.rflags & RFLAGS_ZF);
}

static bool extensions_16(const struct view *v)
{
	return v->c->mode == CPU_MODE_16 && v->c->form->map == MAP_0F38 &&
	       (v->c->form->opcode != 0xf0 || v->c->insn.opsize);
}

static struct {
	const char *id;		/* the first word of its line */
	bool (*matches)(const struct view *v);
	unsigned count;
} differences[] = {
	{ "segment-limit", segment_limit },
	{ "canonical", canonical },
	{ "test-alias", test_alias },
	{ "locked-neg", locked_neg },
	{ "mov-rex-r", mov_rex_r },
	{ "cmpxchg-upper", cmpxchg_upper },
	{ "ret-imm16", ret_imm16 },
	{ "near-branch-66", near_branch_66 },
	{ "clflush", clflush },
	{ "movsxd-16", movsxd_16 },
	{ "scan-of-zero", scan_of_zero },
	{ "ah-with-rex", ah_with_rex },
	{ "blsi-carry", blsi_carry },
	{ "bzhi-beyond", bzhi_beyond },
	{ "bextr-length", bextr_length },
	{ "pext-order", pext_order },
	{ "enter-final", enter_final },
	{ "enter-frame", enter_frame },
	{ "cmpxchg-unequal", cmpxchg_unequal },
	{ "extensions-16", extensions_16 },
	{ "shift-rip-relative", shift_rip_relative },
};

bool differs_rightly(const struct test_case *c, const struct emulate_result *ours,
		     const struct reference *theirs, const struct machine *before)
{
	struct view v = { c, theirs, before,
			  ours->status == EMULATE_FAULT ? ours->event.vector : -1 };

	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		if (differences[i].matches(&v)) {
			differences[i].count++;
			return true;
		}
	}
	return false;
}

static bool has_line(const char *id)
{
	FILE *file = fopen("tests/emulator-differences", "r");
	size_t n = strlen(id);
	bool found = false;
	char line[1024];

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, id, n) && line[n] == ':';
	fclose(file);
	return found;
}

unsigned check_differences(bool all)
{
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		if ((all && !differences[i].count) || !has_line(differences[i].id))
			fail_msg("%s: met %u times, line %d", differences[i].id,
				 differences[i].count, has_line(differences[i].id));
	}
	return ARRAY_SIZE(differences);
}
