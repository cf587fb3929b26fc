/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Controls, as data, into the VMCS: always the union of what L0 and (in L2) L1 want, never a
 * replacement. SDM vol. 3C, "VM-Execution Control Fields".
 */
#include "arch/x86/vmx/vmx.h"

#include "arch/x86/vmx/vmcs.h"
#include "include/x86/cr.h"
#include "vcpu/vm.h"

struct want_bits {
	u8 kind;
	u32 primary, secondary;
};

/* Which controls make which kind of exit. A kind without a row always exits, or can't. */
static const struct want_bits want_bits[] = {
	{ EXIT_HLT,        PRIMARY_HLT_EXITING },
	{ EXIT_INVLPG,     PRIMARY_INVLPG_EXITING },
	{ EXIT_INVPCID,    PRIMARY_INVLPG_EXITING },
	{ EXIT_MWAIT,      PRIMARY_MWAIT_EXITING },
	{ EXIT_MONITOR,    PRIMARY_MONITOR_EXITING },
	{ EXIT_RDPMC,      PRIMARY_RDPMC_EXITING },
	{ EXIT_RDTSC,      PRIMARY_RDTSC_EXITING },
	{ EXIT_RDTSCP,     PRIMARY_RDTSC_EXITING },
	{ EXIT_PAUSE,      PRIMARY_PAUSE_EXITING },
	{ EXIT_IO,         PRIMARY_UNCONDITIONAL_IO_EXITING },
	{ EXIT_STEP,       PRIMARY_MONITOR_TRAP_FLAG },
	{ EXIT_WBINVD,     0, SECONDARY_WBINVD_EXITING },
	{ EXIT_DESC_TABLE, 0, SECONDARY_DESCRIPTOR_TABLE_EXITING },
};

struct words {
	u32 primary, secondary, exceptions;
};

static void add_owner(struct words *w, const struct controls *c)
{
	u16 cr_read = wants(c, EXIT_CR_READ) ? c->cr_read : 0;
	u16 cr_write = wants(c, EXIT_CR_WRITE) ? c->cr_write : 0;

	for (size_t i = 0; i < ARRAY_SIZE(want_bits); i++) {
		if (wants(c, want_bits[i].kind)) {
			w->primary |= want_bits[i].primary;
			w->secondary |= want_bits[i].secondary;
		}
	}
	/* CR0 and CR4 exit by their masks. */
	w->primary |= (cr_read & BIT(3) ? PRIMARY_CR3_STORE_EXITING : 0) |
		      (cr_write & BIT(3) ? PRIMARY_CR3_LOAD_EXITING : 0) |
		      (cr_read & BIT(8) ? PRIMARY_CR8_STORE_EXITING : 0) |
		      (cr_write & BIT(8) ? PRIMARY_CR8_LOAD_EXITING : 0);
	if (wants(c, EXIT_DR_ACCESS) && (c->dr_read | c->dr_write))
		w->primary |= PRIMARY_MOV_DR_EXITING;
	w->exceptions |= c->exceptions;
}

/*
 * Not those that an owner masks; and an L1 that wants writes of the register wants all of them,
 * where L0 wants what has consequences. The context gets the guest's bits first, as it was told
 * until now.
 */
static u64 guests_own(const struct vcpu *v, unsigned which, u64 bits)
{
	const struct controls *l1 = &v->l1;

	bits &= ~v->l0.cr_mask[which];
	if (v->cur != &v->ctx[1])
		return bits;
	if (wants(l1, EXIT_CR_WRITE) && (l1->cr_write & BIT(4 * which)))
		return 0;
	return bits & ~l1->cr_mask[which];
}

void vmx_share_crs(struct vcpu *v)
{
	struct vmx_block *b = vmx_block_of(v);
	u64 offered = v->vm ? v->vm->cpuid.cr4 : 0;	/* the probe guest is of no VM */

	ctx_need(v, CTX_CR0_CR4);
	ctx_dirty(v, CTX_CR0_CR4);
	b->cr0_guest = guests_own(v, 0, VMX_CR0_GUESTS);
	b->cr4_guest = guests_own(v, 1, VMX_CR4_GUESTS & offered);
	vmcs_write(VMCS_CR0_MASK, ~b->cr0_guest);
	vmcs_write(VMCS_CR4_MASK, ~b->cr4_guest);
}

#define WINDOWS	(PRIMARY_INTERRUPT_WINDOW_EXITING | PRIMARY_NMI_WINDOW_EXITING)

void vmx_program(struct vcpu *v)
{
	struct vmx_block *b = vmx_block_of(v);
	bool in_l2 = v->cur == &v->ctx[1];
	struct words w = {
		.primary = PRIMARY_USE_TSC_OFFSETTING | PRIMARY_USE_MSR_BITMAPS |
			   PRIMARY_SECONDARY_CONTROLS | (b->primary & WINDOWS),
	};

	if (b->unpaged)
		w.primary |= PRIMARY_CR3_LOAD_EXITING | PRIMARY_CR3_STORE_EXITING;
	add_owner(&w, &v->l0);
	if (in_l2)
		add_owner(&w, &v->l1);
	b->primary = vmx_controls(&vmx_caps, VMX_PRIMARY, w.primary);
	vmcs_write(VMCS_PRIMARY_CONTROLS, b->primary);
	vmcs_write(VMCS_SECONDARY_CONTROLS,
		   b->secondary | vmx_controls(&vmx_caps, VMX_SECONDARY, w.secondary));
	vmx_share_crs(v);
	vmcs_write(VMCS_EXCEPTION_BITMAP, w.exceptions);
	vmcs_write(VMCS_TSC_OFFSET, v->l0.tsc_offset + (in_l2 ? v->l1.tsc_offset : 0));
}

void vmx_window(struct vcpu *v, bool intr, bool nmi)
{
	struct vmx_block *b = vmx_block_of(v);

	b->primary = (b->primary & ~WINDOWS) | (intr ? PRIMARY_INTERRUPT_WINDOW_EXITING : 0) |
		     (nmi ? PRIMARY_NMI_WINDOW_EXITING : 0);
	vmcs_write(VMCS_PRIMARY_CONTROLS, b->primary);
}

/* The MSR bitmaps: reads of the low and the high range, then writes of both, a bit each (SDM
 * vol. 3C, "MSR-Bitmap Address"). What is in no range always exits. */
static int bitmap_bit(u32 index)
{
	if (index < 0x2000)
		return (int)index;
	return index - 0xc0000000 < 0x2000 ? (int)(0x2000 + index - 0xc0000000) : -1;
}

static void set_bit(u8 *bitmap, unsigned bit, bool value)
{
	bitmap[bit / 8] &= (u8)~(1u << bit % 8);
	bitmap[bit / 8] |= (u8)(value << bit % 8);
}

void vmx_pass_msr(struct vcpu *v, u32 index, bool read, bool write)
{
	struct vmx_block *b = vmx_block_of(v);
	int bit = bitmap_bit(index);

	assert(bit >= 0);
	set_bit(b->msr_bitmap, (unsigned)bit, !read);
	set_bit(b->msr_bitmap, 0x4000 + (unsigned)bit, !write);
}

void vmx_set_root(struct vcpu *v)
{
	struct vmx_block *b = vmx_block_of(v);

	b->eptp = mmu_root(v->mmu).v | EPTP_TYPE_WB |
		  (u64)(v->mmu->host->levels - 1) << EPTP_LEVELS_SHIFT;
	vmcs_write(VMCS_EPT_POINTER, b->eptp);
}

/* Everything cached of the guest: by its EPT, and by its VPID. Without VPIDs each entry and exit
 * forgets what is not the EPT's alone. */
void vmx_flush(struct vcpu *v)
{
	const struct vmx_block *b = vmx_block_of(v);
	bool done = vmx_caps.ept_vpid & VMX_INVEPT_SINGLE && b->eptp ?
			    invept(INVEPT_SINGLE, b->eptp) : invept(INVEPT_ALL, 0);

	if (done && (b->secondary & SECONDARY_ENABLE_VPID))
		done = vmx_caps.ept_vpid & VMX_INVVPID_SINGLE ?
			       invvpid(INVVPID_SINGLE, (u16)b->tag.value) : invvpid(INVVPID_ALL, 0);
	assert(done);
}
