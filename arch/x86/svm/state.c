/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Register groups between the neutral context and the VMCB's state save area. Owns the third value
 * of CR0, CR4 and EFER: what the hardware holds (EFER.SVME and CR4.MCE set, CR0.CD and NW clear so
 * that a guest can't turn the host's caches off). APM vol. 2, "VMCB Layout, State Save Area".
 */
#include "arch/x86/svm/svm.h"

#include "arch/x86/cpu.h"
#include "include/x86/cr.h"

#define CR0_NOT_IN_HARDWARE	(CR0_CD | CR0_NW)
#define CR4_ALWAYS_IN_HARDWARE	CR4_MCE		/* a machine check of the host's must not become a shutdown */

/* VMCB attributes: bits 0-7 as in the descriptor, then AVL L DB G in 8-11. */
static struct segment segment_from(const struct vmcb_segment *s)
{
	return (struct segment){
		.selector = s->selector,
		.attr = (s->attrib & 0xff) | (s->attrib & 0xf00) << 4,
		.limit = s->limit,
		.base = s->base,
	};
}

static struct vmcb_segment segment_to(const struct segment *s)
{
	return (struct vmcb_segment){
		.selector = s->selector,
		.attrib = (s->attr & 0xff) | (s->attr >> 4 & 0xf00),
		.limit = s->limit,
		.base = s->base,
	};
}

static void load_cr0_cr4(struct cpu_ctx *c, const struct vmcb *vmcb)
{
	c->cr0 = (vmcb->cr0 & ~CR0_NOT_IN_HARDWARE) | (c->cr0 & CR0_NOT_IN_HARDWARE);
	c->cr4 = (vmcb->cr4 & ~CR4_ALWAYS_IN_HARDWARE) | (c->cr4 & CR4_ALWAYS_IN_HARDWARE);
}

static void load_segments(struct cpu_ctx *c, const struct vmcb *vmcb)
{
	c->seg[SEG_ES] = segment_from(&vmcb->es);
	c->seg[SEG_DS] = segment_from(&vmcb->ds);
	c->seg[SEG_FS] = segment_from(&vmcb->fs);
	c->seg[SEG_GS] = segment_from(&vmcb->gs);
	c->seg[SEG_LDTR] = segment_from(&vmcb->ldtr);
	c->seg[SEG_TR] = segment_from(&vmcb->tr);
}

static void load_group(struct cpu_ctx *c, const struct vmcb *vmcb, u32 group)
{
	switch (group) {
	case CTX_SP:
		c->rsp = vmcb->rsp;
		break;
	case CTX_CS_SS:
		c->seg[SEG_CS] = segment_from(&vmcb->cs);
		c->seg[SEG_SS] = segment_from(&vmcb->ss);
		/* CPL is SS.DPL everywhere in Plinth; SYSRET and far returns may leave another DPL
		 * behind. */
		c->seg[SEG_SS].attr = (c->seg[SEG_SS].attr & ~SEG_ATTR_DPL) |
				      vmcb->cpl << SEG_ATTR_DPL_SHIFT;
		break;
	case CTX_SEGS:
		load_segments(c, vmcb);
		break;
	case CTX_TABLES:
		c->gdtr = (struct table){ vmcb->gdtr.base, vmcb->gdtr.limit };
		c->idtr = (struct table){ vmcb->idtr.base, vmcb->idtr.limit };
		break;
	case CTX_CR0_CR4:
		load_cr0_cr4(c, vmcb);
		break;
	case CTX_CR2:
		c->cr2 = vmcb->cr2;
		break;
	case CTX_CR3:
		c->cr3 = vmcb->cr3;
		break;
	case CTX_EFER:
		break;		/* the context has it: nothing but L0 writes it */
	case CTX_PAT:
		c->pat = vmcb->g_pat;
		break;
	case CTX_DR:
		c->dr6 = vmcb->dr6;
		if (svm_caps.dr7_clear)		/* else only the context has it */
			c->dr7 = vmcb->dr7;
		break;
	case CTX_SYSENTER:
		c->sysenter.cs = vmcb->sysenter_cs;
		c->sysenter.esp = vmcb->sysenter_esp;
		c->sysenter.eip = vmcb->sysenter_eip;
		break;
	case CTX_LOADSAVE:
		c->kernel_gs_base = vmcb->kernel_gs_base;
		c->star = vmcb->star;
		c->lstar = vmcb->lstar;
		c->cstar = vmcb->cstar;
		c->sfmask = vmcb->sfmask;
		break;
	case CTX_DEBUGCTL:
		c->debugctl = vmcb->dbgctl;
		break;
	}
}

/* IP, FLAGS, BLOCK, CR3, CODE and CPL are there after each exit; PDPTRs aren't kept by nested
 * paging, the context's own values stand. */
void svm_load(struct vcpu *v, u32 groups)
{
	const struct vmcb *vmcb = vmcb_of(v);

	v->cur->available |= groups;
	for (; groups; groups &= groups - 1)
		load_group(v->cur, vmcb, groups & -groups);
}

/* While the guest should read another CR0 or CR4 than the hardware holds, its reads exit. */
static always_inline void hide_reads(const struct vcpu *v, struct svm_block *b, u64 cr0, u64 cr4)
{
	struct vmcb *vmcb = b->vmcb;

	if (unlikely(b->has_masks)) {
		cr0 = vcpu_cr_seen(v, 0, cr0);
		cr4 = vcpu_cr_seen(v, 1, cr4);
	}
	b->hidden_reads = (vmcb->cr0 != cr0 ? BIT(0) : 0) | (vmcb->cr4 != cr4 ? BIT(4) : 0);
	vmcb->intercept[INTERCEPT_CR] &= ~SVM_VIEW_READS;
	vmcb->intercept[INTERCEPT_CR] |= b->wanted_reads | b->hidden_reads;
}

void svm_hide_reads(struct vcpu *v)
{
	struct svm_block *b = v->cur->hw;

	ctx_need(v, CTX_CR0_CR4);
	b->has_masks = v->l0.cr_mask[0] | v->l0.cr_mask[1] | v->l1.cr_mask[0] | v->l1.cr_mask[1];
	hide_reads(v, b, v->cur->cr0, v->cur->cr4);
}

static always_inline void store_cr0_cr4(struct vcpu *v, struct vmcb *vmcb)
{
	const struct cpu_ctx *c = v->cur;

	vmcb->cr0 = (c->cr0 & ~CR0_NOT_IN_HARDWARE) | CR0_ET;
	vmcb->cr4 = c->cr4 | CR4_ALWAYS_IN_HARDWARE;
	hide_reads(v, c->hw, c->cr0, c->cr4);
	vmcb->clean &= ~(u32)(VMCB_CLEAN_CRX | VMCB_CLEAN_INTERCEPTS);
}

static void store_segments(const struct cpu_ctx *c, struct vmcb *vmcb)
{
	vmcb->es = segment_to(&c->seg[SEG_ES]);
	vmcb->ds = segment_to(&c->seg[SEG_DS]);
	vmcb->fs = segment_to(&c->seg[SEG_FS]);
	vmcb->gs = segment_to(&c->seg[SEG_GS]);
	vmcb->ldtr = segment_to(&c->seg[SEG_LDTR]);
	vmcb->tr = segment_to(&c->seg[SEG_TR]);
	vmcb->clean &= ~(u32)VMCB_CLEAN_SEG;
}

static void store_rest(const struct cpu_ctx *c, struct vmcb *vmcb, u32 groups)
{
	if (groups & CTX_TABLES) {
		vmcb->gdtr = (struct vmcb_segment){ .base = c->gdtr.base, .limit = c->gdtr.limit };
		vmcb->idtr = (struct vmcb_segment){ .base = c->idtr.base, .limit = c->idtr.limit };
		vmcb->clean &= ~(u32)VMCB_CLEAN_DT;
	}
	if (groups & CTX_PAT) {
		vmcb->g_pat = c->pat;
		vmcb->clean &= ~(u32)VMCB_CLEAN_NP;
	}
	if (groups & CTX_DR) {
		vmcb->dr6 = c->dr6;
		vmcb->dr7 = svm_caps.dr7_clear ? c->dr7
					        : c->dr7 & ~(DR7_ENABLES | DR7_GD);
		vmcb->clean &= ~(u32)VMCB_CLEAN_DRX;
	}
	if (groups & CTX_SYSENTER) {
		vmcb->sysenter_cs = c->sysenter.cs;
		vmcb->sysenter_esp = c->sysenter.esp;
		vmcb->sysenter_eip = c->sysenter.eip;
	}
	if (groups & CTX_LOADSAVE) {
		vmcb->kernel_gs_base = c->kernel_gs_base;
		vmcb->star = c->star;
		vmcb->lstar = c->lstar;
		vmcb->cstar = c->cstar;
		vmcb->sfmask = c->sfmask;
	}
	if (groups & CTX_DEBUGCTL) {
		vmcb->dbgctl = c->debugctl;
		vmcb->clean &= ~(u32)VMCB_CLEAN_LBR;
	}
}

#define RARE_GROUPS (CTX_SEGS | CTX_TABLES | CTX_PAT | CTX_DR | CTX_SYSENTER | CTX_LOADSAVE | CTX_DEBUGCTL)

/*
 * LME means nothing while paging is off, and who turns it on is L0. The hardware's is clear until
 * then: QEMU 7.2 leaves the host without paging if a guest exits with LME and without CR4.PAE.
 */
static u64 hardware_efer(const struct cpu_ctx *c)
{
	return (c->efer & EFER_LMA ? c->efer : c->efer & ~EFER_LME) | EFER_SVME;
}

void svm_store(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;
	struct vmcb *vmcb = vmcb_of(v);
	u32 groups = c->dirty;

	c->dirty = 0;
	if (groups & CTX_IP)
		vmcb->rip = c->rip;
	if (groups & CTX_BLOCK)
		vmcb->int_state = c->block.sti || c->block.mov_ss ? VMCB_INT_STATE_SHADOW : 0;
	if (groups & CTX_FLAGS)
		vmcb->rflags = c->rflags;
	if (likely(!(groups & ~(CTX_IP | CTX_BLOCK | CTX_FLAGS))))
		return;
	if (groups & CTX_SP)
		vmcb->rsp = c->rsp;
	if (groups & CTX_CS_SS) {
		vmcb->cs = segment_to(&c->seg[SEG_CS]);
		vmcb->ss = segment_to(&c->seg[SEG_SS]);
		vmcb->cpl = (c->seg[SEG_SS].attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
		vmcb->clean &= ~(u32)VMCB_CLEAN_SEG;
	}
	if (groups & CTX_CR0_CR4)
		store_cr0_cr4(v, vmcb);
	if (groups & CTX_CR2) {
		vmcb->cr2 = c->cr2;
		write_cr2(c->cr2);	/* Bochs 2.7 doesn't load it from the VMCB */
		vmcb->clean &= ~(u32)VMCB_CLEAN_CR2;
	}
	if (groups & CTX_CR3) {
		vmcb->cr3 = c->cr3;
		vmcb->clean &= ~(u32)VMCB_CLEAN_CRX;
	}
	if (groups & CTX_EFER) {
		vmcb->efer = hardware_efer(c);
		vmcb->clean &= ~(u32)VMCB_CLEAN_CRX;
	}
	if (groups & RARE_GROUPS) {
		if (groups & CTX_SEGS)
			store_segments(c, vmcb);
		store_rest(c, vmcb, groups);
	}
}
