/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers and system instructions for the emulator. An instruction that also makes an exit of its
 * own goes to that exit's handler: what CPUID or WRMSR means is written once.
 */
#include "vcpu/emulation_system.h"

#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "include/x86/msr.h"
#include "vcpu/cpu_state.h"
#include "vcpu/exits.h"
#include "vcpu/registers.h"
#include "vcpu/time.h"
#include "vcpu/vm.h"

/* What the CPUs have that aren't of the K8's line. */
#define NOT_K8	(EMULATE_HAS_FAR_64 | EMULATE_SYSCALL_64_ONLY | EMULATE_SYSRET_CHECKS | EMULATE_SYSENTER_LONG)

static u64 features(const struct cpuid_policy *p)
{
	u32 ebx = p->structured[0].ebx;

	return (ebx & CPUID_7B_SMAP ? EMULATE_HAS_SMAP : 0) |
	       (ebx & CPUID_7B_INVPCID ? EMULATE_HAS_INVPCID : 0) |
	       (p->structured[0].ecx & CPUID_7C_RDPID ? EMULATE_HAS_RDPID : 0) |
	       (p->ext[1].edx & CPUID_X1D_RDTSCP ? EMULATE_HAS_RDTSCP : 0) |
	       (p->k8 ? 0 : NOT_K8);
}

u64 emulation_get(void *ctx, enum emulate_reg reg)
{
	struct vcpu *v = ctx;
	struct cpu_ctx *c = v->cur;

	switch (reg) {
	case EMULATE_RIP:
		return c->rip;
	case EMULATE_RSP:
		ctx_need(v, CTX_SP);
		return c->rsp;
	case EMULATE_RFLAGS:
		return c->rflags;
	case EMULATE_CR0:
		ctx_need(v, CTX_CR0_CR4);
		return c->cr0;
	case EMULATE_CR3:
		ctx_need(v, CTX_CR3);
		return c->cr3;
	case EMULATE_CR4:
		ctx_need(v, CTX_CR0_CR4);
		return c->cr4;
	case EMULATE_EFER:
		ctx_need(v, CTX_EFER);
		return c->efer;
	case EMULATE_CPL:
		return vcpu_cpl(v);
	case EMULATE_KERNEL_GS_BASE: return *vcpu_msr_register(v, MSR_KERNEL_GS_BASE);
	case EMULATE_STAR: return *vcpu_msr_register(v, MSR_STAR);
	case EMULATE_LSTAR: return *vcpu_msr_register(v, MSR_LSTAR);
	case EMULATE_CSTAR: return *vcpu_msr_register(v, MSR_CSTAR);
	case EMULATE_SFMASK: return *vcpu_msr_register(v, MSR_SFMASK);
	case EMULATE_SYSENTER_CS: return *vcpu_msr_register(v, MSR_SYSENTER_CS);
	case EMULATE_SYSENTER_ESP: return *vcpu_msr_register(v, MSR_SYSENTER_ESP);
	case EMULATE_SYSENTER_EIP: return *vcpu_msr_register(v, MSR_SYSENTER_EIP);
	case EMULATE_FEATURES: return features(&v->vm->cpuid);
	case EMULATE_XCR0: return cpu_state_xcr0();
	case EMULATE_FSW: return cpu_state_fsw();
	case EMULATE_MXCSR: return cpu_state_mxcsr();
	case EMULATE_MXCSR_MASK: return cpu_state_mxcsr_mask();
	}
	return 0;
}

void emulation_set(void *ctx, enum emulate_reg reg, u64 value)
{
	struct vcpu *v = ctx;

	if (reg == EMULATE_RIP) {
		v->cur->rip = value;
		ctx_dirty(v, CTX_IP);
	} else if (reg == EMULATE_RSP) {
		v->cur->rsp = value;
		v->cur->available |= CTX_SP;
		ctx_dirty(v, CTX_SP);
	} else if (reg == EMULATE_RFLAGS) {
		v->cur->rflags = value;
		ctx_dirty(v, CTX_FLAGS);
	} else if (reg == EMULATE_KERNEL_GS_BASE) {
		vcpu_set_msr_register(v, MSR_KERNEL_GS_BASE, value);
	} else if (reg == EMULATE_MXCSR) {
		cpu_state_set_mxcsr(value);
	}
}

static u32 segment_group(enum segment_register reg)
{
	return reg == SEG_CS || reg == SEG_SS ? CTX_CS_SS : CTX_SEGS;
}

const struct segment *emulation_segment(void *ctx, enum segment_register reg)
{
	struct vcpu *v = ctx;

	ctx_need(v, segment_group(reg));
	return &v->cur->seg[reg];
}

void emulation_set_segment(void *ctx, enum segment_register reg, const struct segment *s)
{
	struct vcpu *v = ctx;
	struct cpu_ctx *c = v->cur;

	ctx_need(v, segment_group(reg));
	c->seg[reg] = *s;
	ctx_dirty(v, segment_group(reg));
	if (reg == SEG_SS) {
		c->cpl = (s->attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
		c->available |= CTX_CPL;
	}
}

const struct table *emulation_table(void *ctx, enum emulate_table which)
{
	struct vcpu *v = ctx;

	ctx_need(v, CTX_TABLES);
	return which == EMULATE_GDT ? &v->cur->gdtr : &v->cur->idtr;
}

void emulation_set_table(void *ctx, enum emulate_table which, const struct table *table)
{
	struct vcpu *v = ctx;

	ctx_need(v, CTX_TABLES);
	*(which == EMULATE_GDT ? &v->cur->gdtr : &v->cur->idtr) = *table;
	ctx_dirty(v, CTX_TABLES);
}

static enum emulate_status raise(struct event *fault, u8 vector)
{
	*fault = (struct event){ .type = EVENT_EXCEPTION, .vector = vector,
				 .has_error = vector == EXC_GP };
	return EMULATE_FAULT;
}

/* --- Instructions with an exit of their own --- */

static const struct { u8 op, kind; } exit_of[] = {
	{ OP_CPUID, EXIT_CPUID }, { OP_HLT, EXIT_HLT }, { OP_RDPMC, EXIT_RDPMC },
	{ OP_RSM, EXIT_RSM }, { OP_MONITOR, EXIT_MONITOR }, { OP_MWAIT, EXIT_MWAIT },
	{ OP_XSETBV, EXIT_XSETBV }, { OP_INVD, EXIT_INVD }, { OP_WBINVD, EXIT_WBINVD },
	{ OP_PAUSE, EXIT_PAUSE }, { OP_RDMSR, EXIT_MSR }, { OP_WRMSR, EXIT_MSR },
	{ OP_VMCALL, EXIT_VMCALL }, { OP_VMMCALL, EXIT_VMCALL },
};

static unsigned kind_of(u8 op)
{
	for (unsigned i = 0; i < ARRAY_SIZE(exit_of); i++)
		if (exit_of[i].op == op)
			return exit_of[i].kind;
	return op >= OP_VMRUN ? EXIT_SVM_INSN : op >= OP_VMLAUNCH ? EXIT_VMX_INSN : NR_EXIT_KINDS;
}

/* The handler moves RIP, as the emulator will once more, and may raise what the emulator says. */
static enum emulate_status raise_exit(struct vcpu *v, const struct insn *insn, unsigned kind,
				      struct event *fault)
{
	struct exit *x = &v->exit;
	u64 rip = v->cur->rip;

	x->head = 0;
	x->kind = kind;
	x->have = EXIT_LENGTH;
	x->insn_len = insn->length;
	x->rip_next = v->cur->rip + insn->length;
	if (kind == EXIT_MSR) {
		x->msr.index = v->gpr[GPR_RCX];
		x->msr.write = insn->op == OP_WRMSR;
	}
	switch (exit_dispatch(v)) {
	case HANDLED_RESUME:		/* the guest may have to execute it again */
		return v->cur->rip == rip ? EMULATE_AGAIN : EMULATE_OK;
	case HANDLED_SLEEP:		/* the context's activity says so */
		return EMULATE_OK;
	case HANDLED_INJECT:
		*fault = v->raised;
		v->raised.type = EVENT_NONE;
		return EMULATE_FAULT;
	default:
		return EMULATE_STOP;
	}
}

/* --- The others --- */

static enum emulate_status read_tsc(struct vcpu *v)
{
	u64 tsc = vcpu_tsc(v);

	v->gpr[GPR_RAX] = (u32)tsc;
	v->gpr[GPR_RDX] = tsc >> 32;
	return EMULATE_OK;
}

static enum emulate_status read_xcr(struct vcpu *v, struct event *fault)
{
	u64 value = vcpu_xcr0(v);

	if ((u32)v->gpr[GPR_RCX])
		return raise(fault, EXC_GP);
	v->gpr[GPR_RAX] = (u32)value;
	v->gpr[GPR_RDX] = value >> 32;
	return EMULATE_OK;
}

/*
 * In the order of SDM vol. 2B, "MOV—Move to/from Debug Registers": DR4 and DR5 are no aliases with
 * CR4.DE, GD guards all, the upper halves of DR6 and DR7 are reserved.
 */
static enum emulate_status move_dr(struct vcpu *v, const struct insn *insn,
				   struct emulate_action *action, struct event *fault)
{
	unsigned index = insn->reg == 4 || insn->reg == 5 ? insn->reg + 2 : insn->reg;
	bool writes = insn->op == OP_MOV_TO_DR;

	ctx_need(v, CTX_DR | CTX_CR0_CR4);
	if (index != insn->reg && (v->cur->cr4 & CR4_DE))
		return raise(fault, EXC_UD);
	if (v->cur->dr7 & DR7_GD) {
		raise(fault, EXC_DB);
		fault->payload = DR6_BD;
		return EMULATE_FAULT;
	}
	if (!writes) {
		action->value = vcpu_read_dr(v, index);
		return EMULATE_OK;
	}
	return vcpu_write_dr(v, index, action->value) ? EMULATE_OK : raise(fault, EXC_GP);
}

/* The low four bits, and PE can't be cleared (SDM vol. 2A, "LMSW"). */
static bool load_msw(struct vcpu *v, u64 value)
{
	u64 cr0 = vcpu_read_cr(v, 0) & ~(CR0_MP | CR0_EM | CR0_TS);

	return vcpu_write_cr0(v, cr0 | (value & (CR0_PE | CR0_MP | CR0_EM | CR0_TS)));
}

enum emulate_status emulation_system(void *ctx, const struct insn *insn,
				     struct emulate_action *action, struct event *fault)
{
	struct vcpu *v = ctx;
	unsigned kind;

	switch (insn->op) {
	case OP_MOV_FROM_CR:
		action->value = vcpu_read_cr(v, insn->reg);
		return EMULATE_OK;
	case OP_MOV_TO_CR:
		return vcpu_write_cr(v, insn->reg, action->value) ? EMULATE_OK :
								    raise(fault, EXC_GP);
	case OP_SMSW:
		action->value = vcpu_read_cr(v, 0);
		return EMULATE_OK;
	case OP_CLTS:
		return vcpu_write_cr0(v, vcpu_read_cr(v, 0) & ~CR0_TS) ? EMULATE_OK :
									 raise(fault, EXC_GP);
	case OP_LMSW:
		return load_msw(v, action->value) ? EMULATE_OK : raise(fault, EXC_GP);
	case OP_MOV_FROM_DR:
	case OP_MOV_TO_DR:
		return move_dr(v, insn, action, fault);
	case OP_INVLPG:
	case OP_INVPCID:
		vcpu_request(v, REQUEST_FLUSH);
		return EMULATE_OK;
	case OP_RDTSCP:
		v->gpr[GPR_RCX] = (u32)vcpu_tsc_aux(v);
		return read_tsc(v);
	case OP_RDTSC:
		return read_tsc(v);
	case OP_RDPID:
		action->value = vcpu_tsc_aux(v);
		return EMULATE_OK;
	case OP_XGETBV:
		return read_xcr(v, fault);
	}
	kind = kind_of(insn->op);
	return kind == NR_EXIT_KINDS ? EMULATE_UNHANDLED : raise_exit(v, insn, kind, fault);
}
