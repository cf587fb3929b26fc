/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Controls, as data, into the VMCB's control area: always the union of what L0 and (in L2) L1 want,
 * never a replacement. APM vol. 2, "Intercept Operation"; "Virtual Interrupts".
 */
#include "arch/x86/svm/svm.h"

#include "include/x86/exception.h"
#include "vcpu/vm.h"

struct want_bits {
	u8 kind, word;
	u32 bits;
};

/* Which intercept bits make which kind of exit. A kind without a row is always on, or not of this
 * CPU. */
static const struct want_bits want_bits[] = {
	{ EXIT_EXTINT,       INTERCEPT_MISC1, SVM_INTERCEPT_INTR },
	{ EXIT_NMI,          INTERCEPT_MISC1, SVM_INTERCEPT_NMI },
	{ EXIT_INIT,         INTERCEPT_MISC1, SVM_INTERCEPT_INIT },
	{ EXIT_TRIPLE_FAULT, INTERCEPT_MISC1, SVM_INTERCEPT_SHUTDOWN },
	{ EXIT_TASK_SWITCH,  INTERCEPT_MISC1, SVM_INTERCEPT_TASK_SWITCH },
	{ EXIT_CPUID,        INTERCEPT_MISC1, SVM_INTERCEPT_CPUID },
	{ EXIT_HLT,          INTERCEPT_MISC1, SVM_INTERCEPT_HLT },
	{ EXIT_INVD,         INTERCEPT_MISC1, SVM_INTERCEPT_INVD },
	{ EXIT_WBINVD,       INTERCEPT_MISC2, SVM_INTERCEPT_WBINVD },
	{ EXIT_PAUSE,        INTERCEPT_MISC1, SVM_INTERCEPT_PAUSE },
	{ EXIT_RDPMC,        INTERCEPT_MISC1, SVM_INTERCEPT_RDPMC },
	{ EXIT_RSM,          INTERCEPT_MISC1, SVM_INTERCEPT_RSM },
	{ EXIT_RDTSC,        INTERCEPT_MISC1, SVM_INTERCEPT_RDTSC },
	{ EXIT_RDTSCP,       INTERCEPT_MISC2, SVM_INTERCEPT_RDTSCP },
	{ EXIT_MONITOR,      INTERCEPT_MISC2, SVM_INTERCEPT_MONITOR },
	{ EXIT_MWAIT,        INTERCEPT_MISC2, SVM_INTERCEPT_MWAIT },
	{ EXIT_XSETBV,       INTERCEPT_MISC2, SVM_INTERCEPT_XSETBV },
	{ EXIT_RDPRU,        INTERCEPT_MISC2, SVM_INTERCEPT_RDPRU },
	{ EXIT_INVLPG,       INTERCEPT_MISC1, SVM_INTERCEPT_INVLPG },
	{ EXIT_IO,           INTERCEPT_MISC1, SVM_INTERCEPT_IOIO },
	{ EXIT_MSR,          INTERCEPT_MISC1, SVM_INTERCEPT_MSR },
	{ EXIT_DESC_TABLE,   INTERCEPT_MISC1, (u32)BITS(13, 6) },
	{ EXIT_SVM_INSN,     INTERCEPT_MISC2, SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMLOAD |
					      SVM_INTERCEPT_VMSAVE | SVM_INTERCEPT_STGI |
					      SVM_INTERCEPT_CLGI | SVM_INTERCEPT_SKINIT },
	{ EXIT_SVM_INSN,     INTERCEPT_MISC1, SVM_INTERCEPT_INVLPGA },
	{ EXIT_VMCALL,       INTERCEPT_MISC2, SVM_INTERCEPT_VMMCALL },
	{ EXIT_PUSHF,        INTERCEPT_MISC1, SVM_INTERCEPT_PUSHF },
	{ EXIT_POPF,         INTERCEPT_MISC1, SVM_INTERCEPT_POPF },
	{ EXIT_INT_N,        INTERCEPT_MISC1, SVM_INTERCEPT_SWINT },
	{ EXIT_IRET,         INTERCEPT_MISC1, SVM_INTERCEPT_IRET },
};

static void add_owner(u32 word[NR_INTERCEPT_WORDS], const struct controls *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(want_bits); i++)
		if (wants(c, want_bits[i].kind))
			word[want_bits[i].word] |= want_bits[i].bits;
	if (wants(c, EXIT_CR_READ))
		word[INTERCEPT_CR] |= c->cr_read;
	if (wants(c, EXIT_CR_WRITE))
		word[INTERCEPT_CR] |= (u32)c->cr_write << 16;
	if (wants(c, EXIT_DR_ACCESS))
		word[INTERCEPT_DR] |= c->dr_read | (u32)c->dr_write << 16;
	word[INTERCEPT_EXCEPTION] |= c->exceptions;
	/* INT1 has an intercept of its own; the one of #DB doesn't see it. */
	if (c->exceptions & BIT(EXC_DB))
		word[INTERCEPT_MISC2] |= SVM_INTERCEPT_ICEBP;
}

void svm_program(struct vcpu *v)
{
	struct svm_block *b = v->cur->hw;
	struct vmcb *vmcb = b->vmcb;
	u32 word[NR_INTERCEPT_WORDS] = { 0 };

	/* VMRUN's own demand, and the windows that svm_window() has open. */
	word[INTERCEPT_MISC2] |= SVM_INTERCEPT_VMRUN;
	word[INTERCEPT_MISC1] |= vmcb->intercept[INTERCEPT_MISC1] &
				 (SVM_INTERCEPT_VINTR | SVM_INTERCEPT_IRET);
	add_owner(word, &v->l0);
	if (v->cur == &v->ctx[1])
		add_owner(word, &v->l1);
	b->wanted_reads = word[INTERCEPT_CR] & SVM_VIEW_READS;
	for (unsigned i = 0; i < NR_INTERCEPT_WORDS; i++)
		vmcb->intercept[i] = word[i];
	svm_hide_reads(v);
	vmcb->tsc_offset = v->l0.tsc_offset + (v->cur == &v->ctx[1] ? v->l1.tsc_offset : 0);
	vmcb->clean &= ~(u32)VMCB_CLEAN_INTERCEPTS;
}

/* A virtual interrupt of the highest priority whose delivery is intercepted: the exit tells that
 * the guest can take an interrupt now. NMIs: the exit comes before the IRET that ends their
 * blocking. */
void svm_window(struct vcpu *v, bool intr, bool nmi)
{
	struct vmcb *vmcb = vmcb_of(v);
	u32 word = vmcb->intercept[INTERCEPT_MISC1] &
		   ~(u32)(SVM_INTERCEPT_VINTR | SVM_INTERCEPT_IRET);

	vmcb->int_ctl &= ~(VMCB_INT_CTL_V_IRQ | VMCB_INT_CTL_V_PRIO | VMCB_INT_CTL_V_IGN_TPR);
	if (intr) {
		vmcb->int_ctl |= VMCB_INT_CTL_V_IRQ | VMCB_INT_CTL_V_PRIO | VMCB_INT_CTL_V_IGN_TPR;
		word |= SVM_INTERCEPT_VINTR;
	}
	if (nmi || wants(&v->l0, EXIT_IRET))
		word |= SVM_INTERCEPT_IRET;
	vmcb->intercept[INTERCEPT_MISC1] = word;
	vmcb->clean &= ~(u32)(VMCB_CLEAN_INTERCEPTS | VMCB_CLEAN_TPR);
}

/* The MSR permission map: two bits an MSR, read then write, in three ranges of 8192 MSRs
 * (APM vol. 2, "MSR Intercepts"). -1: not in the map, always intercepted. */
static int msrpm_bit(u32 index)
{
	static const u32 base[] = { 0, 0xc0000000, 0xc0010000 };

	for (unsigned range = 0; range < ARRAY_SIZE(base); range++)
		if (index - base[range] < 0x2000)
			return range * 0x4000 + (index - base[range]) * 2;
	return -1;
}

void svm_pass_msr(struct vcpu *v, u32 index, bool read, bool write)
{
	struct svm_block *b = v->cur->hw;
	int bit = msrpm_bit(index);

	assert(bit >= 0);
	b->msrpm[bit / 8] &= ~(3u << bit % 8);
	b->msrpm[bit / 8] |= ((read ? 0 : 1) | (write ? 0 : 2)) << bit % 8;
	b->vmcb->clean &= ~(u32)VMCB_CLEAN_IOPM;	/* the maps' addresses; perhaps what the CPU keeps of them */
}

void svm_set_root(struct vcpu *v)
{
	struct vmcb *vmcb = vmcb_of(v);

	vmcb->n_cr3 = mmu_root(v->mmu).v;
	vmcb->clean &= ~(u32)VMCB_CLEAN_NP;
}
