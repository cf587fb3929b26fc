/* SPDX-License-Identifier: GPL-2.0-only */
/* The SVM backend: what its own files share, and the backend itself for who puts the parts
 * together. */
#pragma once

#include "include/x86/svm.h"
#include "vcpu/tags.h"
#include "vcpu/vcpu.h"

extern const struct vcpu_backend svm_backend;

/* What of a context SVM hardware uses: cpu_ctx.hw. */
struct svm_block {
	struct vmcb *vmcb;
	u64 vmcb_pa, host_vmcb_pa;	/* the second is of the CPU that it is attached to */
	u8 *msrpm;	/* two pages, as iopm_base_pa's three are shared by all guests */
	struct tag tag;		/* the ASID */
	/* Reads of CR0 and CR4 that exit, as bits of the intercept word: because an owner wants them, and
	 * because the guest is to read other bits than the hardware holds. */
	u32 wanted_reads, hidden_reads;
	bool has_masks;		/* an owner masks bits of CR0 or CR4 */
	bool injects_soft;	/* the next entry an instruction's event, whose instruction is at */
	u64 soft_rip;
};

/* One CPU's part: where VMRUN keeps the host, VMLOAD's copy of it, and the CPU's TLB tags. */
struct svm_cpu {
	u64 hsave_pa, host_vmcb_pa;
	struct tag_pool tags;
};

extern struct backend_caps svm_caps;

/* Features that Plinth uses where they are there and not switched off; more are only listed. */
enum svm_feature {
	SVM_NPT, SVM_NRIP, SVM_DECODE_ASSISTS, SVM_CLEAN_BITS, SVM_FLUSH_BY_ASID, SVM_PAGE_1G,
};
extern u32 svm_clean_after_exit;	/* VMCB clean bits once the CPU has written the VMCB */
extern struct svm_cpu svm_cpus[];
extern u64 svm_iopm_pa;	/* every port exits; one map for all guests */

/* Attributes of a segment in the VMCB: descriptor bits 40-47, and 52-55 above them. L and D/B of a
 * code segment; and whole ones. */
#define VMCB_SEG_L	0x200
#define VMCB_SEG_DB	0x400
#define VMCB_SEG_CODE64	0xa9b
#define VMCB_SEG_DATA	0xc93
#define VMCB_SEG_TSS	0x08b

static inline struct vmcb *vmcb_of(const struct vcpu *v)
{
	return ((struct svm_block *)v->cur->hw)->vmcb;
}

/* features.c: what this CPU has. */
struct backend_feature *svm_feature(unsigned n);
void svm_find_features(void);
bool svm_uses(enum svm_feature f);

/* run.c */
void svm_attach(struct vcpu *v);
void svm_run(struct vcpu *v);
void svm_exit_fill(struct vcpu *v, u32 have);
void svm_inject(struct vcpu *v, const struct event *e);
void svm_flush(struct vcpu *v);

/* state.c: register groups between cpu_ctx and the VMCB. */
#define SVM_VIEW_READS	(u32)(BIT(0) | BIT(4))	/* wanted_reads, hidden_reads */
void svm_load(struct vcpu *v, u32 groups);
void svm_store(struct vcpu *v);
/* The masks have changed. */
void svm_hide_reads(struct vcpu *v);

/* controls.c */
void svm_program(struct vcpu *v);
void svm_window(struct vcpu *v, bool intr, bool nmi);
void svm_pass_msr(struct vcpu *v, u32 index, bool read, bool write);
void svm_set_root(struct vcpu *v);

/* entry.c: what to make of a VMCB that the CPU refuses, or would. */
struct svm_entry;
void svm_entry_init(void);
/* What the rules (entry_checks.h) are to be asked about: the block of v's context, or one whose CR4
 * and EFER may have these bits. */
struct svm_entry svm_entry_of(const struct vcpu *v);
struct svm_entry svm_entry_of_block(const struct vmcb *vmcb, u64 cr4, u64 efer);
/* After a failed entry: fills in what v->exit says of it. */
void svm_explain_failure(struct vcpu *v);
void svm_dump_block(const struct vcpu *v);

#ifdef ENTRY_CHECKS
/* checks/entry.c, in an image with CHECKS=1: panics if the next VMRUN breaks a rule. */
void svm_before_entry(const struct vcpu *v);
void svm_before_measuring(const struct vmcb *vmcb);
#else
static inline void svm_before_entry(const struct vcpu *v) { }
static inline void svm_before_measuring(const struct vmcb *vmcb) { }
#endif

/* measure.c: fills in what only a guest can tell. */
void svm_measure(struct backend_caps *caps);
