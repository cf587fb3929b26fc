// SPDX-License-Identifier: GPL-2.0-only
/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS: flat segments made from MSRs, without descriptors.
 * SDM vol. 2B, APM vol. 3, each one's page. The two vendors differ in the modes that have them.
 */
#include "emulate/segment.h"

/* Attributes of the segments that these instructions load; their DPL is added. */
#define FLAT_CODE_64	0xa09bu	/* G, L, P, execute/read, accessed */
#define FLAT_CODE_32	0xc09bu	/* G, D */
#define FLAT_DATA	0xc093u	/* G, B, read/write */

static bool has_feature(struct emulation *e, u64 feature)
{
	return e->ops->get(e->ctx, EMULATE_FEATURES) & feature;
}

static bool has_protection(struct emulation *e)
{
	return e->ops->get(e->ctx, EMULATE_CR0) & CR0_PE;
}

static void load_flat(struct emulation *e, unsigned reg, u16 selector, u16 attr, unsigned cpl)
{
	struct segment s = { .selector = selector, .limit = 0xffffffff,
			     .attr = attr | cpl << SEG_ATTR_DPL_SHIFT };

	e->ops->set_segment(e->ctx, reg, &s);
}

/* CS and SS at `cpl`; SS's selector is given apart. */
static void load_flat_pair(struct emulation *e, u16 cs, u16 ss, bool wide, unsigned cpl)
{
	load_flat(e, SEG_CS, cs, wide ? FLAT_CODE_64 : FLAT_CODE_32, cpl);
	load_flat(e, SEG_SS, ss, FLAT_DATA, cpl);
}

static enum emulate_status intercepted(struct emulation *e)
{
	struct emulate_action action = { .size = e->insn->op_bytes };

	return e->ops->intercept(e->ctx, e->insn, &action);
}

/* SYSCALL and SYSRET look at TF when they are done, as the flags are then. */
static void trap_by_new_flags(struct emulation *e)
{
	e->traps = e->rflags & RFLAGS_TF ? DR6_BS : 0;
}

enum emulate_status run_syscall(struct emulation *e)
{
	u64 star = e->ops->get(e->ctx, EMULATE_STAR);
	u16 cs = (star >> 32) & 0xfffc;
	bool wide = is_long_mode(e);
	enum emulate_status status;

	if (!(e->ops->get(e->ctx, EMULATE_EFER) & EFER_SCE) ||
	    (has_feature(e, EMULATE_SYSCALL_64_ONLY) && !in_64bit_mode(e)))
		return raise_fault(e, EXC_UD, 0);
	status = intercepted(e);
	if (status != EMULATE_OK)
		return status;
	if (wide) {
		write_register(e, GPR_RCX, 8, e->next_rip);
		write_register(e, GPR_R11, 8, e->rflags & ~RFLAGS_RF);
		e->next_rip = e->ops->get(e->ctx, in_64bit_mode(e) ? EMULATE_LSTAR :
								     EMULATE_CSTAR);
		e->rflags &= ~(e->ops->get(e->ctx, EMULATE_SFMASK) | RFLAGS_RF);
		e->rflags |= RFLAGS_FIXED;
	} else {
		write_register(e, GPR_RCX, 4, e->next_rip);
		e->next_rip = (u32)star;
		e->rflags &= ~(RFLAGS_VM | RFLAGS_IF | RFLAGS_RF);
	}
	load_flat_pair(e, cs, cs + 8, wide, 0);
	trap_by_new_flags(e);
	return EMULATE_OK;
}

enum emulate_status run_sysret(struct emulation *e)
{
	u16 base = e->ops->get(e->ctx, EMULATE_STAR) >> 48;
	bool wide = e->insn->op_bytes == 8;
	u64 target = e->gpr[GPR_RCX], mask = RFLAGS_DEFINED & ~(RFLAGS_RF | RFLAGS_VM);
	enum emulate_status status;

	if (!(e->ops->get(e->ctx, EMULATE_EFER) & EFER_SCE) ||
	    (has_feature(e, EMULATE_SYSCALL_64_ONLY) && !in_64bit_mode(e)))
		return raise_fault(e, EXC_UD, 0);
	if (!has_protection(e) || current_cpl(e) > 0)
		return raise_fault(e, EXC_GP, 0);
	/* Other CPUs go on, to fault at CPL 3. */
	if (wide && has_feature(e, EMULATE_SYSRET_CHECKS) && !is_canonical(e, target))
		return raise_fault(e, EXC_GP, 0);
	status = intercepted(e);
	if (status != EMULATE_OK)
		return status;
	e->next_rip = wide ? target : (u32)target;
	if (is_long_mode(e))
		e->rflags = (e->gpr[GPR_R11] & mask) | RFLAGS_FIXED;
	else
		e->rflags |= RFLAGS_IF;
	load_flat_pair(e, (base + (wide ? 16 : 0)) | 3, (base + 8) | 3, wide, 3);
	trap_by_new_flags(e);
	return EMULATE_OK;
}

/* Not every CPU has them in long mode; without protection or a selector there is nowhere to go. */
static enum emulate_status check_sysenter(struct emulation *e, u16 *cs)
{
	*cs = e->ops->get(e->ctx, EMULATE_SYSENTER_CS) & 0xfffc;
	if (is_long_mode(e) && !has_feature(e, EMULATE_SYSENTER_LONG))
		return raise_fault(e, EXC_UD, 0);
	if (!has_protection(e) || !*cs)
		return raise_fault(e, EXC_GP, 0);
	return EMULATE_OK;
}

enum emulate_status run_sysenter(struct emulation *e)
{
	bool wide = is_long_mode(e);
	u64 mask = wide ? ~0ull : 0xffffffff;
	u16 cs;
	enum emulate_status status = check_sysenter(e, &cs);

	if (status == EMULATE_OK)
		status = intercepted(e);
	if (status != EMULATE_OK)
		return status;
	e->rflags &= ~(RFLAGS_VM | RFLAGS_IF | RFLAGS_RF);
	write_register(e, GPR_RSP, 8, e->ops->get(e->ctx, EMULATE_SYSENTER_ESP) & mask);
	e->next_rip = e->ops->get(e->ctx, EMULATE_SYSENTER_EIP) & mask;
	load_flat_pair(e, cs, cs + 8, wide, 0);
	return EMULATE_OK;
}

enum emulate_status run_sysexit(struct emulation *e)
{
	bool wide = e->insn->op_bytes == 8;
	u64 rip = e->gpr[GPR_RDX], rsp = e->gpr[GPR_RCX];
	u16 cs;
	enum emulate_status status = check_sysenter(e, &cs);

	if (status == EMULATE_OK && current_cpl(e) > 0)
		status = raise_fault(e, EXC_GP, 0);
	if (status == EMULATE_OK && wide && (!is_canonical(e, rip) || !is_canonical(e, rsp)))
		status = raise_fault(e, EXC_GP, 0);
	if (status == EMULATE_OK)
		status = intercepted(e);
	if (status != EMULATE_OK)
		return status;
	write_register(e, GPR_RSP, wide ? 8 : 4, rsp);
	e->next_rip = wide ? rip : (u32)rip;
	cs += wide ? 32 : 16;
	load_flat_pair(e, cs | 3, (cs + 8) | 3, wide, 3);
	return EMULATE_OK;
}

enum emulate_status run_swapgs(struct emulation *e)
{
	struct segment gs = *e->ops->segment(e->ctx, SEG_GS);
	u64 base = gs.base;
	enum emulate_status status;

	if (!in_64bit_mode(e))
		return raise_fault(e, EXC_UD, 0);
	if (current_cpl(e) > 0)
		return raise_fault(e, EXC_GP, 0);
	status = intercepted(e);
	if (status != EMULATE_OK)
		return status;
	gs.base = e->ops->get(e->ctx, EMULATE_KERNEL_GS_BASE);
	e->ops->set_segment(e->ctx, SEG_GS, &gs);
	e->ops->set(e->ctx, EMULATE_KERNEL_GS_BASE, base);
	return EMULATE_OK;
}
