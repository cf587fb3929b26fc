// SPDX-License-Identifier: GPL-2.0-only
/*
 * System instructions: checks mode and privilege, finds the operand, asks whether L1 wants it, and
 * carries it out or lets the caller do so. What a control register or an MSR does isn't known here.
 */
#include "emulate/segment.h"

#include "lib/string.h"

enum system_rule {
	ANY_CPL,		/* the one who carries it out checks, if anyone has to */
	ONLY_CPL0,		/* else #GP(0) */
	UMIP,			/* #GP(0) above CPL 0 if CR4.UMIP is set */
	TSD,			/* #GP(0) above CPL 0 if CR4.TSD is set */
	PCE,			/* #GP(0) above CPL 0 unless CR4.PCE is set */
};

#define PROTECTED_ONLY	0x80	/* #UD in real and virtual-8086 mode */
#define READS		0x40	/* value is read from the r/m operand */
#define STORES		0x20	/* value goes to the r/m operand */
#define OSXSAVE		0x10	/* #UD unless CR4.OSXSAVE is set */
#define RULE		0x0f

typedef enum emulate_status system_function(struct emulation *e);

static const struct system_row {
	u8 rule;		/* enum system_rule and the flags above */
	u8 feature;		/* #UD without it */
	system_function *run;	/* does everything, checks and intercept included */
} system_rows[NR_OPS - OP_FIRST_SYSTEM];

/* --- Operands --- */

static enum emulate_status check_privilege(struct emulation *e, const struct system_row *row)
{
	u64 cr4 = e->ops->get(e->ctx, EMULATE_CR4);
	bool denied = false;

	if ((row->feature & ~e->ops->get(e->ctx, EMULATE_FEATURES)) ||
	    ((row->rule & PROTECTED_ONLY) && !in_protected_mode(e)) ||
	    ((row->rule & OSXSAVE) && !(cr4 & CR4_OSXSAVE)))
		return raise_fault(e, EXC_UD, 0);
	switch (row->rule & RULE) {
	case ONLY_CPL0: denied = true; break;
	case UMIP: denied = cr4 & CR4_UMIP; break;
	case TSD: denied = cr4 & CR4_TSD; break;
	case PCE: denied = !(cr4 & CR4_PCE); break;
	}
	if (denied && current_cpl(e) > 0)
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
static enum emulate_status find_operand(struct emulation *e, u8 rule, struct emulate_action *action)
{
	const struct insn *insn = e->insn;
	bool writes = (rule & STORES) || insn->op == OP_SGDT || insn->op == OP_SIDT;
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
	if (status == EMULATE_OK && (rule & READS)) {
		e->dst.size = 2;
		status = read_operand(e, &e->dst, ACCESS_READ);
		action->value = e->dst.value;
	}
	return status;
}

/* --- What needs nobody else --- */

static u64 base_mask(const struct emulation *e)
{
	return in_64bit_mode(e) ? ~0ull : e->insn->op_bytes == 2 ? 0xffffff : 0xffffffff;
}

/* SGDT, SIDT: with a 16-bit operand the base's fourth byte is stored as 0. */
static enum emulate_status store_table(struct emulation *e, gva_t at)
{
	enum emulate_table which = e->insn->op == OP_SGDT ? EMULATE_GDT : EMULATE_IDT;
	const struct table *table = e->ops->table(e->ctx, which);
	u64 base = table->base & base_mask(e);
	u8 image[10] = { table->limit, table->limit >> 8 };

	memcpy(image + 2, &base, 8);
	return write_memory(e, at, image, in_64bit_mode(e) ? 10 : 6);
}

static enum emulate_status load_table(struct emulation *e, gva_t at)
{
	enum emulate_table which = e->insn->op == OP_LGDT ? EMULATE_GDT : EMULATE_IDT;
	u8 image[10] = { 0 };
	struct table table = { 0 };
	enum emulate_status status;

	status = read_memory(e, at, image, in_64bit_mode(e) ? 10 : 6, e->user);
	if (status != EMULATE_OK)
		return status;
	table.limit = image[0] | image[1] << 8;
	memcpy(&table.base, image + 2, 8);
	table.base &= base_mask(e);
	if (!is_canonical(e, table.base))
		return raise_fault(e, EXC_GP, 0);
	e->ops->set_table(e->ctx, which, &table);
	return EMULATE_OK;
}

/*
 * The descriptor is PCID, then the address (SDM vol. 2A, "INVPCID"). What is invalidated beyond what
 * was asked for does no harm.
 */
static enum emulate_status check_invpcid(struct emulation *e, gva_t at)
{
	u64 type = read_register(e, e->insn->reg) & size_mask(in_64bit_mode(e) ? 8 : 4);
	bool pcide = e->ops->get(e->ctx, EMULATE_CR4) & CR4_PCIDE;
	u64 descriptor[2];
	enum emulate_status status = read_memory(e, at, descriptor, 16, e->user);

	if (status != EMULATE_OK)
		return status;
	if (type > 3 || descriptor[0] >> 12 ||
	    (type < 2 && !pcide && descriptor[0]) ||
	    (type == 0 && !is_canonical(e, descriptor[1])))
		return raise_fault(e, EXC_GP, 0);
	return EMULATE_OK;
}

static enum emulate_status carry_out(struct emulation *e, struct emulate_action *action)
{
	enum emulate_status status = EMULATE_OK;

	switch (e->insn->op) {
	case OP_SGDT:
	case OP_SIDT:
		return store_table(e, action->linear);
	case OP_LGDT:
	case OP_LIDT:
		return load_table(e, action->linear);
	case OP_SLDT:
	case OP_STR:
		action->value = e->ops->segment(e->ctx, e->insn->op == OP_STR ? SEG_TR :
							SEG_LDTR)->selector;
		return EMULATE_OK;
	case OP_LLDT:
		return load_ldt(e, action->value, EXC_GP);
	case OP_LTR:
		return load_tr(e, action->value);
	case OP_INVPCID:
		status = check_invpcid(e, action->linear);
	}
	return status == EMULATE_OK ? e->ops->system(e->ctx, e->insn, action, e->event) : status;
}

/* PUSHF, POPF, INT n, IRET can be intercepted before anything else happens. */
static enum emulate_status run_intercepted(struct emulation *e)
{
	struct emulate_action action = { .size = e->insn->op_bytes };
	enum emulate_status status = e->ops->intercept(e->ctx, e->insn, &action);

	if (status != EMULATE_OK)
		return status;
	switch (e->insn->op) {
	case OP_PUSHF: return run_pushf(e);
	case OP_POPF: return run_popf(e);
	case OP_IRET: return run_iret(e);
	}
	return run_int(e);
}

static const struct system_row system_rows[NR_OPS - OP_FIRST_SYSTEM] = {
#define ROW(op) [OP_##op - OP_FIRST_SYSTEM]
	ROW(MOV_FROM_CR) = { ONLY_CPL0 }, ROW(MOV_TO_CR) = { ONLY_CPL0 },
	ROW(MOV_FROM_DR) = { ONLY_CPL0 }, ROW(MOV_TO_DR) = { ONLY_CPL0 },
	ROW(CLTS) = { ONLY_CPL0 }, ROW(LMSW) = { ONLY_CPL0 | READS }, ROW(SMSW) = { UMIP | STORES },
	ROW(INVLPG) = { ONLY_CPL0 }, ROW(INVPCID) = { ONLY_CPL0, EMULATE_HAS_INVPCID },
	ROW(INVD) = { ONLY_CPL0 }, ROW(WBINVD) = { ONLY_CPL0 }, ROW(HLT) = { ONLY_CPL0 },
	ROW(RDMSR) = { ONLY_CPL0 }, ROW(WRMSR) = { ONLY_CPL0 },
	ROW(RDTSC) = { TSD }, ROW(RDTSCP) = { TSD, EMULATE_HAS_RDTSCP }, ROW(RDPMC) = { PCE },
	ROW(RDPID) = { ANY_CPL, EMULATE_HAS_RDPID },
	ROW(XGETBV) = { OSXSAVE }, ROW(XSETBV) = { ONLY_CPL0 | OSXSAVE },
	ROW(SGDT) = { UMIP }, ROW(SIDT) = { UMIP }, ROW(LGDT) = { ONLY_CPL0 },
	ROW(LIDT) = { ONLY_CPL0 },
	ROW(SLDT) = { UMIP | STORES | PROTECTED_ONLY },
	ROW(STR) = { UMIP | STORES | PROTECTED_ONLY },
	ROW(LLDT) = { ONLY_CPL0 | READS | PROTECTED_ONLY },
	ROW(LTR) = { ONLY_CPL0 | READS | PROTECTED_ONLY },
	ROW(PUSHF) = { .run = run_intercepted }, ROW(POPF) = { .run = run_intercepted },
	ROW(INT) = { .run = run_intercepted }, ROW(INT3) = { .run = run_intercepted },
	ROW(INTO) = { .run = run_intercepted }, ROW(INT1) = { .run = run_intercepted },
	ROW(IRET) = { .run = run_intercepted },
	ROW(SYSCALL) = { .run = run_syscall }, ROW(SYSRET) = { .run = run_sysret },
	ROW(SYSENTER) = { .run = run_sysenter }, ROW(SYSEXIT) = { .run = run_sysexit },
	ROW(SWAPGS) = { .run = run_swapgs },
#undef ROW
};

enum emulate_status run_system(struct emulation *e)
{
	const struct insn *insn = e->insn;
	const struct system_row *row = &system_rows[insn->op - OP_FIRST_SYSTEM];
	struct emulate_action action = { .size = insn->op_bytes };
	enum emulate_status status;

	if (row->run)
		return row->run(e);
	status = check_privilege(e, row);
	if (status == EMULATE_OK)
		status = find_operand(e, row->rule, &action);
	if (status == EMULATE_OK)
		status = e->ops->intercept(e->ctx, insn, &action);
	if (status == EMULATE_OK)
		status = carry_out(e, &action);
	if (status != EMULATE_OK)
		return status;
	if (insn->op == OP_MOV_FROM_CR || insn->op == OP_MOV_FROM_DR)
		write_register(e, insn->rm, insn->op_bytes, action.value);
	if (insn->op == OP_RDPID)
		write_register(e, insn->rm, 4, action.value);
	if (!(row->rule & STORES))
		return EMULATE_OK;
	e->dst.value = action.value;
	return write_operand(e, &e->dst);
}
