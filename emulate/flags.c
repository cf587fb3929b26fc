// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that move flags with rules: PUSHF, POPF, CLI, STI, CLAC, STAC; and RDFSBASE to
 * WRGSBASE. SDM vol. 2A and 2B, each one's page; vol. 3B, "Method 5 Software Interrupt Handling"
 * for the virtual interrupt flag.
 */
#include "emulate/segment.h"

#define ALWAYS_POPPED	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_TF | \
			 RFLAGS_DF | RFLAGS_OF | RFLAGS_NT | RFLAGS_AC | RFLAGS_ID)

static unsigned iopl(const struct emulation *e)
{
	return (e->rflags & RFLAGS_IOPL) >> 12;
}

/* Virtual-8086 mode where IOPL doesn't let the task have IF. */
static bool is_v86_without_if(const struct emulation *e)
{
	return (e->rflags & RFLAGS_VM) && iopl(e) < 3;
}

static bool has_vme(struct emulation *e)
{
	return e->ops->get(e->ctx, EMULATE_CR4) & CR4_VME;
}

enum emulate_status run_pushf(struct emulation *e)
{
	u64 image = e->rflags & ~(RFLAGS_VM | RFLAGS_RF);
	struct stack s = current_stack(e);
	enum emulate_status status;

	if (is_v86_without_if(e)) {
		if (!has_vme(e) || e->insn->op_bytes != 2)
			return raise_fault(e, EXC_GP, 0);
		image = (image & ~RFLAGS_IF) | RFLAGS_IOPL;
		if (e->rflags & RFLAGS_VIF)
			image |= RFLAGS_IF;
	}
	status = push_values(e, &s, &image, 1, e->insn->op_bytes);
	if (status == EMULATE_OK)
		use_stack_pointer(e, &s);
	return status;
}

/* POPF in virtual-8086 mode with IOPL below 3: VIF stands for IF. */
static enum emulate_status popf_virtual(struct emulation *e, u64 image)
{
	u64 flags = (e->rflags & ~(u64)(u16)ALWAYS_POPPED & ~RFLAGS_VIF) |
		    (image & (u16)ALWAYS_POPPED);

	if ((image & RFLAGS_TF) || ((image & RFLAGS_IF) && (e->rflags & RFLAGS_VIP)))
		return raise_fault(e, EXC_GP, 0);
	e->rflags = flags | (image & RFLAGS_IF ? RFLAGS_VIF : 0);
	return EMULATE_OK;
}

enum emulate_status run_popf(struct emulation *e)
{
	unsigned cpl = current_cpl(e);
	struct stack s = current_stack(e);
	u64 image, mask = ALWAYS_POPPED;
	enum emulate_status status;
	bool virtual = is_v86_without_if(e);

	if (virtual && (!has_vme(e) || e->insn->op_bytes != 2))
		return raise_fault(e, EXC_GP, 0);
	status = pop_values(e, &s, &image, 1, e->insn->op_bytes);
	if (status == EMULATE_OK && virtual)
		status = popf_virtual(e, image);
	if (status != EMULATE_OK)
		return status;
	use_stack_pointer(e, &s);
	if (virtual)
		return EMULATE_OK;
	if (cpl == 0)
		mask |= RFLAGS_IOPL;
	if (cpl <= iopl(e))
		mask |= RFLAGS_IF;
	mask &= size_mask(e->insn->op_bytes);
	e->rflags = (e->rflags & ~mask) | (image & mask);
	return EMULATE_OK;
}

/* Which flag do CLI and STI change here: IF, VIF, or 0 for #GP? */
static u64 interrupt_flag(struct emulation *e)
{
	u64 cr4 = e->ops->get(e->ctx, EMULATE_CR4);
	unsigned cpl = current_cpl(e);

	if (!in_protected_mode(e) && !(e->rflags & RFLAGS_VM))
		return RFLAGS_IF;
	if (cpl <= iopl(e))
		return RFLAGS_IF;
	if (e->rflags & RFLAGS_VM)
		return cr4 & CR4_VME ? RFLAGS_VIF : 0;
	return cpl == 3 && (cr4 & CR4_PVI) ? RFLAGS_VIF : 0;
}

enum emulate_status run_cli(struct emulation *e)
{
	u64 flag = interrupt_flag(e);

	if (!flag)
		return raise_fault(e, EXC_GP, 0);
	e->rflags &= ~flag;
	return EMULATE_OK;
}

enum emulate_status run_sti(struct emulation *e)
{
	u64 flag = interrupt_flag(e);

	if (!flag || (flag == RFLAGS_VIF && (e->rflags & RFLAGS_VIP)))
		return raise_fault(e, EXC_GP, 0);
	if (flag == RFLAGS_IF && !(e->rflags & RFLAGS_IF))
		e->shadow = EMULATE_SHADOW_STI;
	e->rflags |= flag;
	return EMULATE_OK;
}

/* CLAC, STAC. */
enum emulate_status run_clac(struct emulation *e)
{
	if (!(e->ops->get(e->ctx, EMULATE_FEATURES) & EMULATE_HAS_SMAP) || current_cpl(e) > 0)
		return raise_fault(e, EXC_UD, 0);
	e->rflags = e->insn->op == OP_STAC ? e->rflags | RFLAGS_AC : e->rflags & ~RFLAGS_AC;
	return EMULATE_OK;
}

/* RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE: 64 bits with REX.W, else 32. */
enum emulate_status run_fsgsbase(struct emulation *e)
{
	bool writes = e->insn->op >= OP_WRFSBASE, gs = (e->insn->op - OP_RDFSBASE) & 1;
	unsigned reg = gs ? SEG_GS : SEG_FS, size = e->insn->op_bytes == 8 ? 8 : 4;
	struct segment s = *e->ops->segment(e->ctx, reg);
	u64 base;

	if (!in_64bit_mode(e) || !(e->ops->get(e->ctx, EMULATE_CR4) & CR4_FSGSBASE))
		return raise_fault(e, EXC_UD, 0);
	if (!writes) {
		write_register(e, e->insn->rm, size, s.base);
		return EMULATE_OK;
	}
	base = read_register(e, e->insn->rm) & size_mask(size);
	if (!is_canonical(e, base))
		return raise_fault(e, EXC_GP, 0);
	s.base = base;
	e->ops->set_segment(e->ctx, reg, &s);
	return EMULATE_OK;
}
