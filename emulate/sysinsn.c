// SPDX-License-Identifier: GPL-2.0-only
/*
 * System instructions: checks privilege, finds the operand, asks whether L1 wants it, and lets the
 * caller carry it out. What a control register or an MSR does isn't known here.
 */
#include "emulate/emulation.h"

enum system_rule {
	ANY_CPL,		/* the one who carries it out checks, if anyone has to */
	ONLY_CPL0,		/* else #GP(0) */
	UMIP,			/* #GP(0) above CPL 0 if CR4.UMIP is set */
};

#define PROTECTED_ONLY	0x80	/* #UD in real and virtual-8086 mode */
#define READS		0x40	/* value is read from the r/m operand */
#define STORES		0x20	/* value goes to the r/m operand */
#define RULE		0x0f

static const u8 system_rows[NR_OPS] = {
	[OP_MOV_FROM_CR] = ONLY_CPL0, [OP_MOV_TO_CR] = ONLY_CPL0,
	[OP_MOV_FROM_DR] = ONLY_CPL0, [OP_MOV_TO_DR] = ONLY_CPL0,
	[OP_CLTS] = ONLY_CPL0, [OP_LMSW] = ONLY_CPL0 | READS, [OP_SMSW] = UMIP | STORES,
	[OP_INVLPG] = ONLY_CPL0, [OP_INVPCID] = ONLY_CPL0,
	[OP_INVD] = ONLY_CPL0, [OP_WBINVD] = ONLY_CPL0, [OP_HLT] = ONLY_CPL0,
	[OP_RDMSR] = ONLY_CPL0, [OP_WRMSR] = ONLY_CPL0, [OP_XSETBV] = ONLY_CPL0,
	[OP_SGDT] = UMIP, [OP_SIDT] = UMIP, [OP_LGDT] = ONLY_CPL0, [OP_LIDT] = ONLY_CPL0,
	[OP_SLDT] = UMIP | STORES | PROTECTED_ONLY, [OP_STR] = UMIP | STORES | PROTECTED_ONLY,
	[OP_LLDT] = ONLY_CPL0 | READS | PROTECTED_ONLY,
	[OP_LTR] = ONLY_CPL0 | READS | PROTECTED_ONLY,
	[OP_SWAPGS] = ONLY_CPL0, [OP_SYSRET] = ONLY_CPL0, [OP_SYSEXIT] = ONLY_CPL0,
};

static enum emulate_status check_privilege(struct emulation *e, u8 row)
{
	bool above_0 = e->ops->get(e->ctx, EMULATE_CPL) > 0;

	if ((row & PROTECTED_ONLY) && !in_protected_mode(e))
		return raise_fault(e, EXC_UD, 0);
	if (e->insn->op == OP_SWAPGS && !in_64bit_mode(e))
		return raise_fault(e, EXC_UD, 0);
	if ((row & RULE) == ONLY_CPL0 && above_0)
		return raise_fault(e, EXC_GP, 0);
	if ((row & RULE) == UMIP && above_0 && (e->ops->get(e->ctx, EMULATE_CR4) & CR4_UMIP))
		return raise_fault(e, EXC_GP, 0);
	return EMULATE_OK;
}

/* INVLPG takes any address: no segment or canonical check (SDM vol. 2A, "INVLPG"). */
static gva_t unchecked_address(struct emulation *e)
{
	u64 offset = effective_address(e);
	unsigned segment = e->insn->segment;

	if (in_64bit_mode(e))
		return GVA(offset + (segment == SEG_FS || segment == SEG_GS ?
				     e->ops->segment(e->ctx, segment)->base : 0));
	return GVA((u32)(offset + e->ops->segment(e->ctx, segment)->base));
}

static unsigned memory_size(const struct emulation *e)
{
	switch (e->insn->op) {
	case OP_SGDT: case OP_SIDT: case OP_LGDT: case OP_LIDT:
		return in_64bit_mode(e) ? 10 : 6;
	case OP_INVPCID: case OP_INVEPT: case OP_INVVPID:
		return 16;
	case OP_VMREAD: case OP_VMWRITE:
		return e->insn->op_bytes;
	case OP_VMPTRLD: case OP_VMPTRST: case OP_VMCLEAR: case OP_VMXON:
		return 8;
	}
	return 2;	/* SMSW, LMSW, SLDT, STR, LLDT, LTR */
}

/* Fill in what the action can tell before it happens. */
static enum emulate_status find_operand(struct emulation *e, u8 row, struct emulate_action *action)
{
	const struct insn *insn = e->insn;
	bool writes = (row & STORES) || insn->op == OP_SGDT || insn->op == OP_SIDT;
	enum emulate_status status = EMULATE_OK;

	if (insn->op == OP_MOV_TO_CR || insn->op == OP_MOV_TO_DR)
		action->value = read_register(e, insn->rm) & size_mask(insn->op_bytes);
	if (insn->op == OP_INVLPG)
		action->linear = unchecked_address(e);
	if (insn->form < FORM_FIRST_MODRM || insn->form == FORM_SYSREG || insn->op == OP_INVLPG)
		return EMULATE_OK;
	e->dst = (struct operand){ .kind = OPERAND_REG, .reg = insn->rm, .size = insn->op_bytes };
	if (insn->is_mem) {
		e->dst.size = memory_size(e);
		status = locate_memory(e, &e->dst, effective_address(e),
				       writes ? ACCESS_WRITE : ACCESS_READ);
		action->linear = e->dst.at;
	}
	if (status == EMULATE_OK && (row & READS)) {
		e->dst.size = 2;
		status = read_operand(e, &e->dst, ACCESS_READ);
		action->value = e->dst.value;
	}
	return status;
}

enum emulate_status run_system(struct emulation *e)
{
	const struct insn *insn = e->insn;
	u8 row = system_rows[insn->op];
	struct emulate_action action = { .size = insn->op_bytes };
	enum emulate_status status = check_privilege(e, row);

	if (status == EMULATE_OK)
		status = find_operand(e, row, &action);
	if (status == EMULATE_OK)
		status = e->ops->intercept(e->ctx, insn, &action);
	if (status == EMULATE_OK)
		status = e->ops->system(e->ctx, insn, &action, e->event);
	if (status != EMULATE_OK)
		return status;
	if (insn->op == OP_MOV_FROM_CR || insn->op == OP_MOV_FROM_DR)
		write_register(e, insn->rm, insn->op_bytes, action.value);
	if (!(row & STORES))
		return EMULATE_OK;
	e->dst.value = action.value;
	return write_operand(e, &e->dst);
}
