/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owns what a change of CR0, CR3, CR4, EFER, XCR0 means, and how gva_walk reaches its vCPU. Manual
 * sections stand at each function.
 */
#include "vcpu/registers.h"

#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "vcpu/cpu_state.h"
#include "vcpu/interpret.h"
#include "vcpu/time.h"
#include "vcpu/vm.h"

#define CR0_DEFINED (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
		     CR0_PG)
/* Changes to these make the CPU forget its translations (SDM vol. 3A, "Operations that Invalidate
 * TLBs"). */
#define CR0_FLUSHES (CR0_PG | CR0_WP | CR0_PE)
/* Those of them that no fetch depends on: reads, writes, how long the CPU keeps translations. */
#define CR0_NOT_FETCHES CR0_WP
#define CR4_NOT_FETCHES (CR4_PGE | CR4_SMAP | CR4_PKE)
#define CR4_FLUSHES (CR4_PGE | CR4_PAE | CR4_PSE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_LA57)

/* Translations may have changed: the TLB, the walk, and with `fetches` the memo too. */
static void paging_changed(struct vcpu *v, bool fetches)
{
	v->paging_stale = true;
	if (fetches)
		v->memo.page = MEMO_NONE;
	vcpu_request(v, REQUEST_FLUSH);
}

/* Loads the PDPTEs that PAE paging with these registers would use, where the CPU keeps them in
 * registers. False: a reserved bit is set. */
static bool load_pdptrs(struct vcpu *v, u64 cr0, u64 cr3, u64 cr4, u64 efer)
{
	struct walk_result r;
	u64 pdptr[4];
	const struct page_format *format;

	if (v->backend->caps->pdptr_in_memory || !(cr0 & CR0_PG) || !(cr4 & CR4_PAE) ||
	    (efer & EFER_LMA))
		return true;
	format = fmt_find(&v->vm->formats, fmt_mode_cpu(cr0, cr4, efer, v->vm->cpuid.paging));
	if (!format || walk_load_pdptrs(&v->gva_walk, format, cr3, pdptr, &r) != WALK_OK)
		return false;
	for (unsigned i = 0; i < 4; i++)
		v->cur->pdptr[i] = pdptr[i];
	v->cur->available |= CTX_PDPTR;
	ctx_dirty(v, CTX_PDPTR);
	return true;
}

/* The same where nothing but CR4 changes. */
static bool reload_pdptrs(struct vcpu *v, u64 cr4)
{
	const struct cpu_ctx *c = v->cur;

	if (v->backend->caps->pdptr_in_memory)
		return true;
	ctx_need(v, CTX_CR3 | CTX_EFER);
	return load_pdptrs(v, c->cr0, c->cr3, cr4, c->efer);
}

/* PG is being set or cleared: does long mode follow? False: #GP (SDM vol. 3A, "Initializing IA-32e
 * Mode"). */
static bool switch_long_mode(struct vcpu *v, u64 cr0, u64 *efer)
{
	const struct cpu_ctx *c = v->cur;

	if (!(cr0 & CR0_PG)) {
		*efer &= ~EFER_LMA;
		/* 64-bit code can't switch paging off. */
		return !((c->efer & EFER_LMA) && (c->seg[SEG_CS].attr & SEG_ATTR_L));
	}
	if (!(*efer & EFER_LME))
		return true;
	if (!(c->cr4 & CR4_PAE) || (c->seg[SEG_CS].attr & SEG_ATTR_L))
		return false;
	*efer |= EFER_LMA;
	return true;
}

bool vcpu_write_cr0(struct vcpu *v, u64 value)
{
	struct cpu_ctx *c = v->cur;
	u64 efer, changed;

	ctx_need(v, CTX_CR0_CR4);
	if (value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) ||
	    ((value & CR0_NW) && !(value & CR0_CD)))
		return false;
	value = (value & CR0_DEFINED) | CR0_ET;
	changed = value ^ c->cr0;
	if (changed & (CR0_PG | CR0_CD | CR0_NW))
		ctx_need(v, CTX_CR3 | CTX_EFER | CTX_CS_SS);
	efer = c->efer;
	if ((changed & CR0_PG) && !switch_long_mode(v, value, &efer))
		return false;
	if ((changed & (CR0_PG | CR0_CD | CR0_NW)) && !load_pdptrs(v, value, c->cr3, c->cr4, efer))
		return false;
	c->cr0 = value;
	ctx_dirty(v, CTX_CR0_CR4);
	if (efer != c->efer) {
		c->efer = efer;
		ctx_dirty(v, CTX_EFER);
	}
	if (changed & CR0_FLUSHES)
		paging_changed(v, changed & CR0_FLUSHES & ~CR0_NOT_FETCHES);
	if (unlikely(changed & CR0_PE))
		interpret_from_here(v);
	return true;
}

bool vcpu_write_cr3(struct vcpu *v, u64 value)
{
	struct cpu_ctx *c = v->cur;
	unsigned maxphyaddr = v->vm->cpuid.ext[8].eax & CPUID_X8A_MAXPHYADDR;

	ctx_need(v, CTX_CR0_CR4 | CTX_CR3 | CTX_EFER);
	if ((c->efer & EFER_LMA) && (value & ~BITS(maxphyaddr - 1, 0)))
		return false;
	if (!(c->efer & EFER_LMA))
		value = (u32)value;
	if (!load_pdptrs(v, c->cr0, value, c->cr4, c->efer))
		return false;
	c->cr3 = value;
	ctx_dirty(v, CTX_CR3);
	vcpu_request(v, REQUEST_FLUSH);
	return true;
}

bool vcpu_write_cr4(struct vcpu *v, u64 value)
{
	struct cpu_ctx *c = v->cur;
	u64 changed;

	ctx_need(v, CTX_CR0_CR4);
	changed = value ^ c->cr4;
	if (value & ~v->vm->cpuid.cr4)
		return false;
	if ((changed & CR4_LA57) || !(value & CR4_PAE)) {
		ctx_need(v, CTX_EFER);
		if (c->efer & EFER_LMA)
			return false;
	}
	if ((changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) && !reload_pdptrs(v, value))
		return false;
	c->cr4 = value;
	ctx_dirty(v, CTX_CR0_CR4);
	if (changed & CR4_FLUSHES)
		paging_changed(v, changed & CR4_FLUSHES & ~CR4_NOT_FETCHES);
	return true;
}

bool vcpu_write_cr(struct vcpu *v, unsigned index, u64 value)
{
	switch (index) {
	case 0:
		return vcpu_write_cr0(v, value);
	case 2:
		ctx_need(v, CTX_CR2);
		v->cur->cr2 = value;
		ctx_dirty(v, CTX_CR2);
		return true;
	case 3:
		return vcpu_write_cr3(v, value);
	case 4:
		return vcpu_write_cr4(v, value);
	case 8:
		if (value > 15)
			return false;
		vcpu_apic_set_cr8(v, value);
		return true;
	default:
		return false;
	}
}

u64 vcpu_read_cr(struct vcpu *v, unsigned index)
{
	struct cpu_ctx *c = v->cur;

	switch (index) {
	case 0:
		ctx_need(v, CTX_CR0_CR4);
		return vcpu_cr_seen(v, 0, c->cr0);
	case 2:
		ctx_need(v, CTX_CR2);
		return c->cr2;
	case 3:
		ctx_need(v, CTX_CR3);
		return c->cr3;
	case 4:
		ctx_need(v, CTX_CR0_CR4);
		return vcpu_cr_seen(v, 1, c->cr4);
	case 8:
		return vcpu_apic_cr8(v);
	default:
		return 0;
	}
}

/* SDM vol. 3B, "Debug Registers": the upper halves of DR6 and DR7 are reserved. */
bool vcpu_write_dr(struct vcpu *v, unsigned index, u64 value)
{
	if (index < 4) {
		cpu_state_set_dr(index, value);
		return true;
	}
	if (value >> 32)
		return false;
	if (index == 7) {
		vcpu_set_dr7(v, (value & ~(u64)DR7_ZERO) | DR7_FIXED);
		return true;
	}
	ctx_need(v, CTX_DR);
	v->cur->dr6 = (value & DR6_WRITABLE) | DR6_FIXED;
	ctx_dirty(v, CTX_DR);
	return true;
}

u64 vcpu_read_dr(struct vcpu *v, unsigned index)
{
	if (index < 4)
		return cpu_state_dr(index);
	ctx_need(v, CTX_DR);
	return index == 6 ? v->cur->dr6 : v->cur->dr7;
}

bool vcpu_write_efer(struct vcpu *v, u64 value)
{
	struct cpu_ctx *c = v->cur;
	u64 changed;

	ctx_need(v, CTX_CR0_CR4 | CTX_CR3 | CTX_EFER);
	if (value & ~v->vm->cpuid.efer)
		return false;
	value = (value & ~EFER_LMA) | (c->efer & EFER_LMA);	/* LMA can't be written */
	changed = value ^ c->efer;
	if ((changed & EFER_LME) && (c->cr0 & CR0_PG))
		return false;
	c->efer = value;
	ctx_dirty(v, CTX_EFER);
	if (changed & (EFER_NXE | EFER_LME))
		paging_changed(v, true);
	return true;
}

void vcpu_set_dr7(struct vcpu *v, u64 value)
{
	u16 accesses = value & DR7_GD ? 0xffff : DR7_ACCESSES;

	ctx_need(v, CTX_DR);
	v->cur->dr7 = value;
	ctx_dirty(v, CTX_DR);
	if (!v->backend->caps->dr7_clear && v->l0.dr_read != accesses) {
		v->l0.dr_read = v->l0.dr_write = accesses;
		vcpu_request(v, REQUEST_CONTROLS);
	}
}

u64 vcpu_xcr0(struct vcpu *v)
{
	return v->vm->cpuid.xcr0 ? cpu_state_xcr0() : 0;
}

/* SDM vol. 2D, "XSETBV". */
bool vcpu_write_xcr(struct vcpu *v, u32 index, u64 value)
{
	if (index != 0 || (value & ~v->vm->cpuid.xcr0) || !(value & XCR0_X87) ||
	    ((value & XCR0_AVX) && !(value & XCR0_SSE)))
		return false;
	cpu_state_set_xcr0(value);
	return true;
}

static bool has_rdtscp(const struct vcpu *v)
{
	return v->vm->cpuid.ext[1].edx & CPUID_X1D_RDTSCP;
}

void vcpu_load_cpu_state(struct vcpu *v)
{
	cpu_state_reset(v->vm->cpuid.xcr0);
	if (has_rdtscp(v))
		cpu_state_set_tsc_aux(0);
}

u64 vcpu_tsc_aux(struct vcpu *v)
{
	return cpu_state_tsc_aux();
}

void vcpu_set_tsc_aux(struct vcpu *v, u64 value)
{
	cpu_state_set_tsc_aux(value);
}

static u32 msr_group(u32 index)
{
	if (index <= MSR_SYSENTER_EIP)
		return CTX_SYSENTER;
	return index == MSR_FS_BASE || index == MSR_GS_BASE ? CTX_SEGS : CTX_LOADSAVE;
}

u64 *vcpu_msr_register(struct vcpu *v, u32 index)
{
	struct cpu_ctx *c = v->cur;

	ctx_need(v, msr_group(index));
	switch (index) {
	case MSR_SYSENTER_CS: return &c->sysenter.cs;
	case MSR_SYSENTER_ESP: return &c->sysenter.esp;
	case MSR_SYSENTER_EIP: return &c->sysenter.eip;
	case MSR_STAR: return &c->star;
	case MSR_LSTAR: return &c->lstar;
	case MSR_CSTAR: return &c->cstar;
	case MSR_SFMASK: return &c->sfmask;
	case MSR_FS_BASE: return &c->seg[SEG_FS].base;
	case MSR_GS_BASE: return &c->seg[SEG_GS].base;
	default:
		assert(index == MSR_KERNEL_GS_BASE);
		return &c->kernel_gs_base;
	}
}

void vcpu_set_msr_register(struct vcpu *v, u32 index, u64 value)
{
	*vcpu_msr_register(v, index) = value;
	ctx_dirty(v, msr_group(index));
}

void vcpu_refresh_walk(struct vcpu *v)
{
	const struct cpu_ctx *c = v->cur;
	bool found;

	if (!v->paging_stale)
		return;
	ctx_need(v, CTX_CR0_CR4 | CTX_EFER);
	found = walk_set_mode(&v->gva_walk, &v->vm->formats, c->cr0, c->cr4, c->efer,
			      v->vm->cpuid.paging);
	/* The set has room for every mode that one CPU has (FORMAT_SET_SIZE). */
	assert(found);
	v->paging_stale = false;
}

unsigned vcpu_access_context(struct vcpu *v)
{
	return (vcpu_cpl(v) == 3 ? ACCESS_USER : 0) | (v->cur->rflags & RFLAGS_AC ? ACCESS_AC : 0);
}

static u64 walk_root(void *ctx)
{
	struct vcpu *v = ctx;

	ctx_need(v, CTX_CR3);
	return v->cur->cr3;
}

static u64 walk_pdptr(void *ctx, unsigned index)
{
	struct vcpu *v = ctx;

	ctx_need(v, CTX_PDPTR);
	return v->cur->pdptr[index];
}

static u32 walk_pkru(void *ctx)
{
	return cpu_state_pkru();
}

/* Where nothing is, a table is all ones, as everything that the bus reads there (PCI Local Bus
 * Specification 3.0, "Master Initiated Termination"). */
static bool walk_read(void *ctx, gpa_t at, unsigned bytes, u64 *value)
{
	struct vm *vm = ((struct vcpu *)ctx)->vm;
	const void *p = vm_memory(vm, at, bytes, RIGHT_R);

	if (!p) {
		*value = bytes == 8 ? ~0ull : ~0u;
		return !slots_find(&vm->slots, at);
	}
	*value = bytes == 8 ? __atomic_load_n((const u64 *)p, __ATOMIC_RELAXED) :
			      __atomic_load_n((const u32 *)p, __ATOMIC_RELAXED);
	return true;
}

static enum walk_exchange walk_exchange(void *ctx, gpa_t at, unsigned bytes, u64 old, u64 new)
{
	struct vm *vm = ((struct vcpu *)ctx)->vm;
	void *p = vm_memory(vm, at, bytes, RIGHT_W);
	u32 old32 = old;
	bool done;

	if (!p)
		return vm_memory(vm, at, bytes, RIGHT_R) ? EXCHANGE_DONE : EXCHANGE_NOT_MEMORY;
	if (bytes == 8)
		done = __atomic_compare_exchange_n((u64 *)p, &old, new, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_RELAXED);
	else
		done = __atomic_compare_exchange_n((u32 *)p, &old32, (u32) new, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return done ? EXCHANGE_DONE : EXCHANGE_LOST;
}

const struct walk_ops vcpu_walk_ops = {
	.root = walk_root,
	.pdptr = walk_pdptr,
	.pkru = walk_pkru,
	.read = walk_read,
	.exchange = walk_exchange,
};
