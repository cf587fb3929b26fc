/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Register groups between the neutral context and the VMCS's guest-state area; what of a guest no
 * field holds stays in the CPU's own registers (CR2, DR6, the MSRs of SYSCALL). Owns the third
 * value of CR0, CR4 and EFER: what the hardware holds. SDM vol. 3C, "Guest-State Area",
 * "Guest/Host Masks and Read Shadows for CR0 and CR4"; "Restrictions on VMX Operation".
 */
#include "arch/x86/vmx/vmx.h"

#include "arch/x86/cpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "vcpu/vm.h"

/* A machine check of the host's must not become a shutdown of the guest's. */
#define CR4_ALWAYS_IN_HARDWARE	CR4_MCE
/* Entries and exits leave these alone; the guest must not turn the host's caches off. */
#define CR0_NOT_IN_HARDWARE	(CR0_CD | CR0_NW)

/* Access rights are the neutral attributes, but for what makes a segment unusable. */
static void load_segment(struct cpu_ctx *c, unsigned n)
{
	u32 rights = vmcs_read(VMCS_GUEST_RIGHTS(n));

	c->seg[n] = (struct segment){
		.selector = vmcs_read(VMCS_GUEST_SELECTOR(n)),
		.attr = rights & VMX_RIGHTS_UNUSABLE ? rights & ~(u32)SEG_ATTR_P : rights,
		.limit = vmcs_read(VMCS_GUEST_LIMIT(n)),
		.base = vmcs_read(VMCS_GUEST_BASE(n)),
	};
}

static void load_segments(struct cpu_ctx *c)
{
	for (unsigned n = SEG_DS; n < NR_SEGMENTS; n++)
		load_segment(c, n);
	load_segment(c, SEG_ES);
}

static void load_cr0_cr4(struct cpu_ctx *c, const struct vmx_block *b)
{
	c->cr0 = (vmcs_read(VMCS_GUEST_CR0) & b->cr0_guest) | (c->cr0 & ~b->cr0_guest);
	c->cr4 = (vmcs_read(VMCS_GUEST_CR4) & b->cr4_guest) | (c->cr4 & ~b->cr4_guest);
}

void vmx_read_msrs(struct vmx_msrs *m)
{
	m->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
	m->star = rdmsr(MSR_STAR);
	m->lstar = rdmsr(MSR_LSTAR);
	m->cstar = rdmsr(MSR_CSTAR);
	m->sfmask = rdmsr(MSR_SFMASK);
}

void vmx_write_msrs(const struct vmx_msrs *m)
{
	wrmsr(MSR_KERNEL_GS_BASE, m->kernel_gs_base);
	wrmsr(MSR_STAR, m->star);
	wrmsr(MSR_LSTAR, m->lstar);
	wrmsr(MSR_CSTAR, m->cstar);
	wrmsr(MSR_SFMASK, (u32)m->sfmask);
}

static void load_loadsave(struct cpu_ctx *c)
{
	struct vmx_msrs m;

	vmx_read_msrs(&m);
	c->kernel_gs_base = m.kernel_gs_base;
	c->star = m.star;
	c->lstar = m.lstar;
	c->cstar = m.cstar;
	c->sfmask = m.sfmask;
}

static void load_code(struct cpu_ctx *c)
{
	u32 rights = vmcs_read(VMCS_GUEST_CS_RIGHTS);

	if ((rights & SEG_ATTR_L) && (c->efer & EFER_LMA)) {
		c->code_linear = c->rip;
		c->code_mode = CPU_MODE_64;
	} else {
		c->code_linear = (u32)(c->rip + vmcs_read(VMCS_GUEST_CS_BASE));
		c->code_mode = rights & SEG_ATTR_DB ? CPU_MODE_32 : CPU_MODE_16;
	}
}

static void load_rare_group(struct cpu_ctx *c, u32 group)
{
	switch (group) {
	case CTX_TABLES:
		c->gdtr = (struct table){ vmcs_read(VMCS_GUEST_GDTR_BASE),
					  vmcs_read(VMCS_GUEST_GDTR_LIMIT) };
		c->idtr = (struct table){ vmcs_read(VMCS_GUEST_IDTR_BASE),
					  vmcs_read(VMCS_GUEST_IDTR_LIMIT) };
		break;
	case CTX_DR:
		c->dr6 = read_dr6();
		c->dr7 = vmcs_read(VMCS_GUEST_DR7);
		break;
	case CTX_PDPTR:
		for (unsigned i = 0; i < 4; i++)
			c->pdptr[i] = vmcs_read(VMCS_GUEST_PDPTE0 + 2 * i);
		break;
	case CTX_SYSENTER:
		c->sysenter.cs = vmcs_read(VMCS_GUEST_SYSENTER_CS);
		c->sysenter.esp = vmcs_read(VMCS_GUEST_SYSENTER_ESP);
		c->sysenter.eip = vmcs_read(VMCS_GUEST_SYSENTER_EIP);
		break;
	case CTX_LOADSAVE:
		load_loadsave(c);
		break;
	}
}

/* EFER, PAT and DEBUGCTL are always the context's own: nothing but L0 writes them. */
static void load_group(struct vcpu *v, u32 group)
{
	struct cpu_ctx *c = v->cur;

	switch (group) {
	case CTX_SP:
		c->rsp = vmcs_read(VMCS_GUEST_RSP);
		break;
	case CTX_CS_SS:
		load_segment(c, SEG_CS);
		load_segment(c, SEG_SS);
		break;
	case CTX_SEGS:
		load_segments(c);
		break;
	case CTX_CR0_CR4:
		load_cr0_cr4(c, c->hw);
		break;
	case CTX_CR2:
		c->cr2 = read_cr2();
		break;
	case CTX_CR3:
		if (!vmx_block_of(v)->unpaged)
			c->cr3 = vmcs_read(VMCS_GUEST_CR3);
		break;
	case CTX_CODE:
		load_code(c);
		break;
	case CTX_CPL:
		c->cpl = (vmcs_read(VMCS_GUEST_SS_RIGHTS) & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
		break;
	default:
		load_rare_group(c, group);
	}
}

void vmx_load(struct vcpu *v, u32 groups)
{
	v->cur->available |= groups;
	for (; groups; groups &= groups - 1)
		load_group(v, groups & -groups);
}

/* --- Into the VMCS --- */

/*
 * The granularity that the limit has is the one that an entry accepts (SDM vol. 3C, "Checks on
 * Guest Segment Registers"). A segment of the context that doesn't say so was made by a loader.
 */
static u32 rights_to(const struct segment *s)
{
	u32 rights = s->attr;

	if (!(rights & SEG_ATTR_P))
		return rights | VMX_RIGHTS_UNUSABLE;
	if (s->limit >> 20)
		rights |= SEG_ATTR_G;
	else if ((s->limit & ~PAGE_MASK) != ~PAGE_MASK)
		rights &= ~(u32)SEG_ATTR_G;
	return rights;
}

static void store_segment(const struct cpu_ctx *c, unsigned n)
{
	const struct segment *s = &c->seg[n];

	vmcs_write(VMCS_GUEST_SELECTOR(n), s->selector);
	vmcs_write(VMCS_GUEST_RIGHTS(n), rights_to(s));
	vmcs_write(VMCS_GUEST_LIMIT(n), s->limit);
	vmcs_write(VMCS_GUEST_BASE(n), s->base);
}

static void store_segments(const struct cpu_ctx *c)
{
	for (unsigned n = SEG_DS; n < NR_SEGMENTS; n++)
		store_segment(c, n);
	store_segment(c, SEG_ES);
}

/* With unrestricted guests PE and PG are free. */
static u64 cr0_fixed0(void)
{
	return vmx_has_unrestricted_guest() ? vmx_caps.cr0_fixed0 & ~(CR0_PE | CR0_PG) :
					      vmx_caps.cr0_fixed0;
}

/*
 * A guest without paging on a CPU that can't do without: 32-bit paging by the identity map, whose
 * pages are a user's as well. Its CR3 is its own affair until it has paging, so it must not move
 * the hardware's.
 */
static void store_paging(struct vcpu *v, u32 groups)
{
	struct vmx_block *b = vmx_block_of(v);
	const struct cpu_ctx *c = v->cur;
	bool unpaged = !vmx_has_unrestricted_guest() && !(c->cr0 & CR0_PG);

	/* Who changes PG has CR3 available. */
	if (unpaged ? !b->unpaged : b->unpaged || (groups & CTX_CR3))
		vmcs_write(VMCS_GUEST_CR3, unpaged ? v->vm->identity_map : c->cr3);
	if (unpaged == b->unpaged)
		return;
	b->unpaged = unpaged;
	vmx_program(v);
}

#define CR4_NOT_UNPAGED	(CR4_PAE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE)

static void store_cr0_cr4(struct vcpu *v, const struct vmx_block *b)
{
	const struct cpu_ctx *c = v->cur;
	u64 cr4 = b->unpaged ? (c->cr4 & ~CR4_NOT_UNPAGED) | CR4_PSE : c->cr4;

	cr4 = (cr4 | CR4_ALWAYS_IN_HARDWARE | vmx_caps.cr4_fixed0) & vmx_caps.cr4_fixed1;
	vmcs_write(VMCS_GUEST_CR0, ((c->cr0 & ~CR0_NOT_IN_HARDWARE) | cr0_fixed0()) &
				   vmx_caps.cr0_fixed1);
	vmcs_write(VMCS_CR0_READ_SHADOW, vcpu_cr_seen(v, 0, c->cr0));
	vmcs_write(VMCS_GUEST_CR4, cr4);
	vmcs_write(VMCS_CR4_READ_SHADOW, vcpu_cr_seen(v, 1, c->cr4));
}

/* --- What an entry accepts (SDM vol. 3C, "Checks on Guest Segment Registers") --- */

static unsigned dpl(const struct segment *s)
{
	return (s->attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
}

#define SELECTOR_RPL	3u
#define SELECTOR_TI	4u
#define VIRTUAL_8086_ATTR (SEG_ATTR_P | SEG_ATTR_DPL | SEG_ATTR_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED)

/* In the bits of a type and S, P: a code segment, or a data segment, that was loaded by a CPU. */
static bool is_loaded(const struct segment *s, bool code)
{
	return (s->attr & SEG_ATTR_P) && (s->attr & SEG_ATTR_S) && (s->attr & SEG_TYPE_ACCESSED) &&
	       !(s->attr & SEG_TYPE_CODE) == !code;
}

static bool accepts_code_and_stack(const struct segment *cs, const struct segment *ss)
{
	bool conforming = cs->attr & SEG_TYPE_CONFORMING;

	if (!is_loaded(cs, true) || (conforming ? dpl(cs) > dpl(ss) : dpl(cs) != dpl(ss)))
		return false;
	if ((ss->attr & SEG_ATTR_P) && (!is_loaded(ss, false) || !(ss->attr & SEG_TYPE_WRITABLE)))
		return false;
	return (ss->selector & SELECTOR_RPL) == dpl(ss) &&
	       (cs->selector & SELECTOR_RPL) == (ss->selector & SELECTOR_RPL);
}

static bool accepts_data(const struct segment *s)
{
	bool code = s->attr & SEG_TYPE_CODE;

	if (!(s->attr & SEG_ATTR_P))
		return true;
	if (!is_loaded(s, code) || (code && !(s->attr & SEG_TYPE_READABLE)))
		return false;
	return (code && (s->attr & SEG_TYPE_CONFORMING)) || dpl(s) >= (s->selector & SELECTOR_RPL);
}

static bool accepts_system(const struct segment *tr, const struct segment *ldtr)
{
	unsigned type = tr->attr & SEG_ATTR_TYPE;

	return (tr->attr & SEG_ATTR_P) && !(tr->attr & SEG_ATTR_S) && !(tr->selector & SELECTOR_TI) &&
	       (type == 3 || type == 11) &&
	       (!(ldtr->attr & SEG_ATTR_P) || !(ldtr->selector & SELECTOR_TI));
}

static bool accepts_virtual_8086(const struct segment *s)
{
	return s->base == (u64)s->selector << 4 && s->limit == 0xffff && s->attr == VIRTUAL_8086_ATTR;
}

bool vmx_can_run(struct vcpu *v)
{
	const struct cpu_ctx *c = v->cur;
	bool accepts = true;

	ctx_need(v, CTX_CR0_CR4 | CTX_CS_SS | CTX_SEGS);
	if (!(c->cr0 & CR0_PE) || !accepts_system(&c->seg[SEG_TR], &c->seg[SEG_LDTR]))
		return false;
	if (c->rflags & RFLAGS_VM) {
		for (unsigned n = SEG_ES; n <= SEG_GS; n++)
			accepts = accepts && accepts_virtual_8086(&c->seg[n]);
		return accepts;
	}
	for (unsigned n = SEG_DS; n <= SEG_GS; n++)
		accepts = accepts && accepts_data(&c->seg[n]);
	return accepts && accepts_data(&c->seg[SEG_ES]) &&
	       accepts_code_and_stack(&c->seg[SEG_CS], &c->seg[SEG_SS]);
}

/* A list's entry of this MSR, if entries don't load it by themselves. */
static void store_listed(struct vmx_block *b, u32 index, u64 value)
{
	for (unsigned i = 0; i < VMX_LIST_SIZE; i++)
		if (b->guest_list[i].index == index)
			b->guest_list[i].value = value;
}

/* LME means nothing while paging is off, and who turns it on is L0: an entry wants it equal to LMA
 * where the hardware has paging on. */
static void store_efer(const struct cpu_ctx *c, struct vmx_block *b)
{
	u64 efer = c->efer & EFER_LMA ? c->efer : c->efer & ~EFER_LME;
	u32 entry = c->efer & EFER_LMA ? b->entry | VMENTRY_IA32E_MODE_GUEST :
					 b->entry & ~VMENTRY_IA32E_MODE_GUEST;

	if (entry != b->entry)
		vmcs_write(VMCS_ENTRY_CONTROLS, b->entry = entry);
	if (entry & VMENTRY_LOAD_EFER)
		vmcs_write(VMCS_GUEST_EFER, efer);
	else
		store_listed(b, MSR_EFER, efer);
}

static void store_pat(const struct cpu_ctx *c, struct vmx_block *b)
{
	if (b->entry & VMENTRY_LOAD_PAT)
		vmcs_write(VMCS_GUEST_PAT, c->pat);
	else
		store_listed(b, MSR_PAT, c->pat);
}

/* Only PAE paging uses them, and an entry reads them only then. */
static void store_pdptrs(const struct cpu_ctx *c)
{
	if (!(c->cr0 & CR0_PG) || !(c->cr4 & CR4_PAE) || (c->efer & EFER_LMA))
		return;
	for (unsigned i = 0; i < 4; i++)
		vmcs_write(VMCS_GUEST_PDPTE0 + 2 * i, c->pdptr[i]);
}

/*
 * In a shadow an entry wants the single step that will follow to be pending (SDM vol. 3C, "Checks
 * on Guest Non-Register State"); where Plinth ends a shadow, it raises what is to come itself. An NMI
 * that is injected sets its own blocking.
 */
static void store_block(const struct cpu_ctx *c, const struct vmx_block *b)
{
	u32 state = (c->block.sti ? BLOCKING_BY_STI : 0) |
		    (c->block.mov_ss ? BLOCKING_BY_MOV_SS : 0) |
		    (c->block.nmi && !b->injecting_nmi ? BLOCKING_BY_NMI : 0);
	bool steps = (c->rflags & RFLAGS_TF) && !(c->debugctl & DEBUGCTL_BTF);

	vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, state);
	vmcs_write(VMCS_GUEST_PENDING_DEBUG,
		   (c->block.sti || c->block.mov_ss) && steps ? PENDING_DEBUG_BS : 0);
}

static void store_tables(const struct cpu_ctx *c)
{
	vmcs_write(VMCS_GUEST_GDTR_BASE, c->gdtr.base);
	vmcs_write(VMCS_GUEST_GDTR_LIMIT, c->gdtr.limit);
	vmcs_write(VMCS_GUEST_IDTR_BASE, c->idtr.base);
	vmcs_write(VMCS_GUEST_IDTR_LIMIT, c->idtr.limit);
}

static void store_rest(struct cpu_ctx *c, struct vmx_block *b, u32 groups)
{
	if (groups & CTX_SEGS)
		store_segments(c);
	if (groups & CTX_TABLES)
		store_tables(c);
	if (groups & CTX_PAT)
		store_pat(c, b);
	if (groups & CTX_DR) {
		write_dr6(c->dr6);
		vmcs_write(VMCS_GUEST_DR7, c->dr7);
	}
	if (groups & CTX_SYSENTER) {
		vmcs_write(VMCS_GUEST_SYSENTER_CS, c->sysenter.cs);
		vmcs_write(VMCS_GUEST_SYSENTER_ESP, c->sysenter.esp);
		vmcs_write(VMCS_GUEST_SYSENTER_EIP, c->sysenter.eip);
	}
	if (groups & CTX_LOADSAVE)
		vmx_write_msrs(&(struct vmx_msrs){ c->kernel_gs_base, c->star, c->lstar, c->cstar,
						   c->sfmask });
	if (groups & CTX_DEBUGCTL)
		vmcs_write(VMCS_GUEST_DEBUGCTL, c->debugctl);
}

#define RARE_GROUPS (CTX_SEGS | CTX_TABLES | CTX_PAT | CTX_DR | CTX_SYSENTER | CTX_LOADSAVE | CTX_DEBUGCTL)
#define FREQUENT_GROUPS (CTX_IP | CTX_FLAGS | CTX_BLOCK)

void vmx_store(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;
	struct vmx_block *b = c->hw;
	u32 groups = c->dirty;

	c->dirty = 0;
	if (groups & CTX_IP)
		vmcs_write(VMCS_GUEST_RIP, c->rip);
	if (groups & CTX_FLAGS)
		vmcs_write(VMCS_GUEST_RFLAGS, c->rflags);
	if ((groups & CTX_BLOCK) ||
	    ((groups & CTX_FLAGS) && (c->block.sti || c->block.mov_ss)))
		store_block(c, b);
	if (likely(!(groups & ~FREQUENT_GROUPS)))
		return;
	if (groups & CTX_SP)
		vmcs_write(VMCS_GUEST_RSP, c->rsp);
	if (groups & CTX_CS_SS) {
		store_segment(c, SEG_CS);
		store_segment(c, SEG_SS);
	}
	if (groups & (CTX_CR3 | CTX_CR0_CR4))
		store_paging(v, groups);
	if (groups & CTX_CR0_CR4)
		store_cr0_cr4(v, b);
	if (groups & CTX_CR2)
		write_cr2(c->cr2);
	if (groups & CTX_EFER)
		store_efer(c, b);
	if (groups & CTX_PDPTR)
		store_pdptrs(c);
	if (groups & RARE_GROUPS)
		store_rest(c, b, groups);
}
