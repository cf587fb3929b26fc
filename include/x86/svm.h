/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SVM's definitions, as data: the VMCB's layout, intercept bits, exit codes. Shared by the backend
 * and by what a guest hypervisor sees. Source: APM vol. 2, appendix B "Layout of VMCB" and appendix
 * C "SVM Intercept Exit Codes".
 */
#pragma once

#include "include/assert.h"
#include "include/types.h"

/* Intercept vectors of the VMCB, in the order of its 32-bit words. */
enum vmcb_intercept_word {
	INTERCEPT_CR, INTERCEPT_DR, INTERCEPT_EXCEPTION, INTERCEPT_MISC1, INTERCEPT_MISC2, INTERCEPT_MISC3,
	NR_INTERCEPT_WORDS
};

/* Word 3 (offset 00Ch). */
#define SVM_INTERCEPT_INTR		BIT(0)
#define SVM_INTERCEPT_NMI		BIT(1)
#define SVM_INTERCEPT_SMI		BIT(2)
#define SVM_INTERCEPT_INIT		BIT(3)
#define SVM_INTERCEPT_VINTR		BIT(4)
#define SVM_INTERCEPT_CR0_SEL_WRITE	BIT(5)
#define SVM_INTERCEPT_IDTR_READ		BIT(6)
#define SVM_INTERCEPT_GDTR_READ		BIT(7)
#define SVM_INTERCEPT_LDTR_READ		BIT(8)
#define SVM_INTERCEPT_TR_READ		BIT(9)
#define SVM_INTERCEPT_IDTR_WRITE	BIT(10)
#define SVM_INTERCEPT_GDTR_WRITE	BIT(11)
#define SVM_INTERCEPT_LDTR_WRITE	BIT(12)
#define SVM_INTERCEPT_TR_WRITE		BIT(13)
#define SVM_INTERCEPT_RDTSC		BIT(14)
#define SVM_INTERCEPT_RDPMC		BIT(15)
#define SVM_INTERCEPT_PUSHF		BIT(16)
#define SVM_INTERCEPT_POPF		BIT(17)
#define SVM_INTERCEPT_CPUID		BIT(18)
#define SVM_INTERCEPT_RSM		BIT(19)
#define SVM_INTERCEPT_IRET		BIT(20)
#define SVM_INTERCEPT_SWINT		BIT(21)
#define SVM_INTERCEPT_INVD		BIT(22)
#define SVM_INTERCEPT_PAUSE		BIT(23)
#define SVM_INTERCEPT_HLT		BIT(24)
#define SVM_INTERCEPT_INVLPG		BIT(25)
#define SVM_INTERCEPT_INVLPGA		BIT(26)
#define SVM_INTERCEPT_IOIO		BIT(27)
#define SVM_INTERCEPT_MSR		BIT(28)
#define SVM_INTERCEPT_TASK_SWITCH	BIT(29)
#define SVM_INTERCEPT_FERR_FREEZE	BIT(30)
#define SVM_INTERCEPT_SHUTDOWN		BIT(31)
/* Word 4 (offset 010h). */
#define SVM_INTERCEPT_VMRUN		BIT(0)
#define SVM_INTERCEPT_VMMCALL		BIT(1)
#define SVM_INTERCEPT_VMLOAD		BIT(2)
#define SVM_INTERCEPT_VMSAVE		BIT(3)
#define SVM_INTERCEPT_STGI		BIT(4)
#define SVM_INTERCEPT_CLGI		BIT(5)
#define SVM_INTERCEPT_SKINIT		BIT(6)
#define SVM_INTERCEPT_RDTSCP		BIT(7)
#define SVM_INTERCEPT_ICEBP		BIT(8)
#define SVM_INTERCEPT_WBINVD		BIT(9)
#define SVM_INTERCEPT_MONITOR		BIT(10)
#define SVM_INTERCEPT_MWAIT		BIT(11)
#define SVM_INTERCEPT_MWAIT_ARMED	BIT(12)
#define SVM_INTERCEPT_XSETBV		BIT(13)
#define SVM_INTERCEPT_RDPRU		BIT(14)

struct vmcb_segment {
	u16 selector;
	u16 attrib;	/* bits 0-7: descriptor bits 40-47; bits 8-11: descriptor bits 52-55 */
	u32 limit;
	u64 base;
} packed_struct;

struct vmcb {
	/* Control area. */
	u32 intercept[NR_INTERCEPT_WORDS];
	u8 reserved_018[0x3c - 0x18];
	u16 pause_filter_threshold;
	u16 pause_filter_count;
	u64 iopm_base_pa;
	u64 msrpm_base_pa;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;
	u8 reserved_05d[3];
	u64 int_ctl;		/* 060h */
	u64 int_state;		/* 068h: bit 0 the interrupt shadow */
	u64 exitcode;
	u64 exitinfo1;
	u64 exitinfo2;
	u64 exitintinfo;
	u64 np_enable;		/* 090h */
	u8 reserved_098[0xa8 - 0x98];
	u64 eventinj;
	u64 n_cr3;
	u64 virt_ext;		/* 0b8h: LBR virtualisation, virtual VMLOAD/VMSAVE */
	u32 clean;		/* 0c0h */
	u32 reserved_0c4;
	u64 nrip;
	u8 insn_len;		/* 0d0h */
	u8 insn_bytes[15];
	u8 reserved_0e0[0x400 - 0xe0];
	/* State save area. */
	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved_4a0[0x4cb - 0x4a0];
	u8 cpl;
	u32 reserved_4cc;
	u64 efer;		/* 4d0h */
	u8 reserved_4d8[0x548 - 0x4d8];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
	u8 reserved_580[0x5d8 - 0x580];
	u64 rsp;		/* 5d8h */
	u64 s_cet, ssp, isst_addr;
	u64 rax;		/* 5f8h */
	u64 star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2;
	u8 reserved_648[0x668 - 0x648];
	u64 g_pat;
	u64 dbgctl, br_from, br_to, last_excp_from, last_excp_to;
	u8 reserved_698[0x1000 - 0x698];
} packed_struct;

static_assert(sizeof(struct vmcb) == 4096, "a VMCB is a page");
static_assert(offsetof(struct vmcb, iopm_base_pa) == 0x040, "VMCB layout");
static_assert(offsetof(struct vmcb, int_ctl) == 0x060, "VMCB layout");
static_assert(offsetof(struct vmcb, np_enable) == 0x090, "VMCB layout");
static_assert(offsetof(struct vmcb, eventinj) == 0x0a8, "VMCB layout");
static_assert(offsetof(struct vmcb, clean) == 0x0c0, "VMCB layout");
static_assert(offsetof(struct vmcb, nrip) == 0x0c8, "VMCB layout");
static_assert(offsetof(struct vmcb, es) == 0x400, "VMCB layout");
static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "VMCB layout");
static_assert(offsetof(struct vmcb, efer) == 0x4d0, "VMCB layout");
static_assert(offsetof(struct vmcb, cr4) == 0x548, "VMCB layout");
static_assert(offsetof(struct vmcb, rip) == 0x578, "VMCB layout");
static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "VMCB layout");
static_assert(offsetof(struct vmcb, rax) == 0x5f8, "VMCB layout");
static_assert(offsetof(struct vmcb, cr2) == 0x640, "VMCB layout");
static_assert(offsetof(struct vmcb, g_pat) == 0x668, "VMCB layout");
static_assert(offsetof(struct vmcb, last_excp_to) == 0x690, "VMCB layout");

#define VMCB_TLB_NOTHING	0
#define VMCB_TLB_FLUSH_ALL	1
#define VMCB_TLB_FLUSH_ASID	3

#define VMCB_INT_CTL_V_TPR	0xffull
#define VMCB_INT_CTL_V_IRQ	BIT(8)
#define VMCB_INT_CTL_V_GIF	BIT(9)
#define VMCB_INT_CTL_V_PRIO	(0xfull << 16)
#define VMCB_INT_CTL_V_IGN_TPR	BIT(20)
#define VMCB_INT_CTL_V_INTR_MASKING BIT(24)

#define VMCB_INT_STATE_SHADOW	BIT(0)

/* EVENTINJ and EXITINTINFO. */
#define VMCB_EVENT_VECTOR	0xffull
#define VMCB_EVENT_TYPE_SHIFT	8
#define VMCB_EVENT_TYPE		(7ull << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_TYPE_INTR	0ull
#define VMCB_EVENT_TYPE_NMI	2ull
#define VMCB_EVENT_TYPE_EXCEPTION 3ull
#define VMCB_EVENT_TYPE_SOFT_INT 4ull
#define VMCB_EVENT_EV		BIT(11)
#define VMCB_EVENT_V		BIT(31)
#define VMCB_EVENT_ERROR_SHIFT	32

/* VMCB clean field. */
#define VMCB_CLEAN_INTERCEPTS	BIT(0)	/* intercepts, TSC offset */
#define VMCB_CLEAN_IOPM		BIT(1)
#define VMCB_CLEAN_ASID		BIT(2)
#define VMCB_CLEAN_TPR		BIT(3)
#define VMCB_CLEAN_NP		BIT(4)	/* nested paging: nCR3, gPAT */
#define VMCB_CLEAN_CRX		BIT(5)
#define VMCB_CLEAN_DRX		BIT(6)
#define VMCB_CLEAN_DT		BIT(7)
#define VMCB_CLEAN_SEG		BIT(8)
#define VMCB_CLEAN_CR2		BIT(9)
#define VMCB_CLEAN_LBR		BIT(10)
#define VMCB_CLEAN_ALL		BITS(10, 0)

/* IOIO EXITINFO1. */
#define SVM_IOIO_IN		BIT(0)
#define SVM_IOIO_STRING		BIT(2)
#define SVM_IOIO_REP		BIT(3)
#define SVM_IOIO_SIZE_SHIFT	4	/* bits 4-6: 1, 2, 4 bytes */
#define SVM_IOIO_PORT_SHIFT	16

/* EXITINFO1 of MOV CR and MOV DR with decode assists. */
#define SVM_CR_VALID		BIT(63)
#define SVM_CR_GPR		0xfull

/* EXITINFO1 of a nested page fault, beside the page fault's error code. */
#define SVM_NPF_FINAL		BIT(32)	/* in the final translation of the guest's address */
#define SVM_NPF_TABLE		BIT(33)	/* in a guest page table walk */

enum svm_exitcode {
	SVM_EXIT_CR_READ	= 0x000,
	SVM_EXIT_CR_WRITE	= 0x010,
	SVM_EXIT_DR_READ	= 0x020,
	SVM_EXIT_DR_WRITE	= 0x030,
	SVM_EXIT_EXCEPTION	= 0x040,
	SVM_EXIT_INTR		= 0x060,
	SVM_EXIT_NMI		= 0x061,
	SVM_EXIT_SMI		= 0x062,
	SVM_EXIT_INIT		= 0x063,
	SVM_EXIT_VINTR		= 0x064,
	SVM_EXIT_CR0_SEL_WRITE	= 0x065,
	SVM_EXIT_IDTR_READ	= 0x066,
	SVM_EXIT_GDTR_READ	= 0x067,
	SVM_EXIT_LDTR_READ	= 0x068,
	SVM_EXIT_TR_READ	= 0x069,
	SVM_EXIT_IDTR_WRITE	= 0x06a,
	SVM_EXIT_GDTR_WRITE	= 0x06b,
	SVM_EXIT_LDTR_WRITE	= 0x06c,
	SVM_EXIT_TR_WRITE	= 0x06d,
	SVM_EXIT_RDTSC		= 0x06e,
	SVM_EXIT_RDPMC		= 0x06f,
	SVM_EXIT_PUSHF		= 0x070,
	SVM_EXIT_POPF		= 0x071,
	SVM_EXIT_CPUID		= 0x072,
	SVM_EXIT_RSM		= 0x073,
	SVM_EXIT_IRET		= 0x074,
	SVM_EXIT_SWINT		= 0x075,
	SVM_EXIT_INVD		= 0x076,
	SVM_EXIT_PAUSE		= 0x077,
	SVM_EXIT_HLT		= 0x078,
	SVM_EXIT_INVLPG		= 0x079,
	SVM_EXIT_INVLPGA	= 0x07a,
	SVM_EXIT_IOIO		= 0x07b,
	SVM_EXIT_MSR		= 0x07c,
	SVM_EXIT_TASK_SWITCH	= 0x07d,
	SVM_EXIT_FERR_FREEZE	= 0x07e,
	SVM_EXIT_SHUTDOWN	= 0x07f,
	SVM_EXIT_VMRUN		= 0x080,
	SVM_EXIT_VMMCALL	= 0x081,
	SVM_EXIT_VMLOAD		= 0x082,
	SVM_EXIT_VMSAVE		= 0x083,
	SVM_EXIT_STGI		= 0x084,
	SVM_EXIT_CLGI		= 0x085,
	SVM_EXIT_SKINIT		= 0x086,
	SVM_EXIT_RDTSCP		= 0x087,
	SVM_EXIT_ICEBP		= 0x088,
	SVM_EXIT_WBINVD		= 0x089,
	SVM_EXIT_MONITOR	= 0x08a,
	SVM_EXIT_MWAIT		= 0x08b,
	SVM_EXIT_MWAIT_ARMED	= 0x08c,
	SVM_EXIT_XSETBV		= 0x08d,
	SVM_EXIT_RDPRU		= 0x08e,
	SVM_EXIT_NPF		= 0x400,
};
#define SVM_EXIT_INVALID	0xffffffffu	/* compare the low 32 bits: QEMU 7.2 stores no sign */
