/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One entry and one exit: the hot path. Here, and only here, SVM's exit codes become the neutral
 * record. APM vol. 2, "#VMEXIT"; appendix C, "SVM Intercept Exit Codes"; "Event Injection".
 */
#include "arch/x86/svm/enter.h"
#include "arch/x86/svm/svm.h"

#include "arch/x86/cpu.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "lib/string.h"

/* The kind of exit of each code below 90h. Where there is nothing else to decode, it is PLAIN. */
#define PLAIN	0x80
#define KIND	0x7f
static_assert(NR_EXIT_KINDS <= PLAIN, "a kind and a flag share a byte");
static const u8 kind_of[0x90] = {
	[SVM_EXIT_CR_READ ... SVM_EXIT_CR_READ + 15] = EXIT_CR_READ,
	[SVM_EXIT_CR_WRITE ... SVM_EXIT_CR_WRITE + 15] = EXIT_CR_WRITE,
	[SVM_EXIT_DR_READ ... SVM_EXIT_DR_WRITE + 15] = EXIT_DR_ACCESS,
	[SVM_EXIT_EXCEPTION ... SVM_EXIT_EXCEPTION + 31] = EXIT_EXCEPTION,
	[SVM_EXIT_INTR] = EXIT_EXTINT | PLAIN,
	[SVM_EXIT_NMI] = EXIT_NMI,
	[SVM_EXIT_SMI] = EXIT_SMI,
	[SVM_EXIT_INIT] = EXIT_INIT,
	[SVM_EXIT_VINTR] = EXIT_INTR_WINDOW | PLAIN,
	[SVM_EXIT_CR0_SEL_WRITE] = EXIT_CR_WRITE,
	[SVM_EXIT_IDTR_READ ... SVM_EXIT_TR_WRITE] = EXIT_DESC_TABLE,
	[SVM_EXIT_RDTSC] = EXIT_RDTSC,
	[SVM_EXIT_RDPMC] = EXIT_RDPMC,
	[SVM_EXIT_PUSHF] = EXIT_PUSHF,
	[SVM_EXIT_POPF] = EXIT_POPF,
	[SVM_EXIT_CPUID] = EXIT_CPUID | PLAIN,
	[SVM_EXIT_RSM] = EXIT_RSM,
	[SVM_EXIT_IRET] = EXIT_IRET,
	[SVM_EXIT_SWINT] = EXIT_INT_N,
	[SVM_EXIT_INVD] = EXIT_INVD,
	[SVM_EXIT_PAUSE] = EXIT_PAUSE,
	[SVM_EXIT_HLT] = EXIT_HLT | PLAIN,
	[SVM_EXIT_INVLPG] = EXIT_INVLPG,
	[SVM_EXIT_INVLPGA] = EXIT_SVM_INSN,
	[SVM_EXIT_IOIO] = EXIT_IO,
	[SVM_EXIT_MSR] = EXIT_MSR,
	[SVM_EXIT_TASK_SWITCH] = EXIT_TASK_SWITCH,
	[SVM_EXIT_FERR_FREEZE] = EXIT_UNKNOWN,
	[SVM_EXIT_SHUTDOWN] = EXIT_TRIPLE_FAULT,
	[SVM_EXIT_VMRUN] = EXIT_SVM_INSN,
	[SVM_EXIT_VMMCALL] = EXIT_VMCALL | PLAIN,
	[SVM_EXIT_VMLOAD ... SVM_EXIT_SKINIT] = EXIT_SVM_INSN,
	[SVM_EXIT_RDTSCP] = EXIT_RDTSCP,
	[SVM_EXIT_ICEBP] = EXIT_EXCEPTION,
	[SVM_EXIT_WBINVD] = EXIT_WBINVD,
	[SVM_EXIT_MONITOR] = EXIT_MONITOR,
	[SVM_EXIT_MWAIT ... SVM_EXIT_MWAIT_ARMED] = EXIT_MWAIT,
	[SVM_EXIT_XSETBV] = EXIT_XSETBV,
	[SVM_EXIT_RDPRU] = EXIT_RDPRU,
	[SVM_EXIT_RDPRU + 1] = EXIT_UNKNOWN,
};

static bool has_error_code(unsigned vector)
{
	return BIT(vector) & (BIT(EXC_DF) | BIT(EXC_TS) | BIT(EXC_NP) | BIT(EXC_SS) | BIT(EXC_GP) |
			      BIT(EXC_PF) | BIT(EXC_AC) | BIT(EXC_CP));
}

/* INT1, INT3 and INTO have not been executed yet: RIP is at them, the return address is behind. */
static u8 exception_type(unsigned vector)
{
	if (vector == SVM_EXIT_ICEBP - SVM_EXIT_EXCEPTION)
		return EVENT_PRIV_SOFT_EXC;
	return vector == EXC_BP || vector == EXC_OF ? EVENT_SOFT_EXC : EVENT_EXCEPTION;
}

static void decode_exception(struct exit *x, const struct vmcb *vmcb, unsigned vector)
{
	u8 type = exception_type(vector);

	if (type == EVENT_PRIV_SOFT_EXC)
		vector = EXC_DB;
	/* No payload of a #DB: its bits are in DR6 when it is intercepted. */
	x->event = (struct event){
		.type = type,
		.vector = vector,
		.insn_len = type == EVENT_EXCEPTION ? 0 : x->have & EXIT_LENGTH ? x->insn_len : 1,
		.has_error = has_error_code(vector),
		.error = vmcb->exitinfo1,
		.payload = vector == EXC_PF ? vmcb->exitinfo2 : 0,
		.rip = vmcb->rip,
	};
	if (vector == EXC_PF)
		x->kind = EXIT_PAGE_FAULT;
}

static void decode_npf(struct exit *x, const struct vmcb *vmcb)
{
	u64 error = vmcb->exitinfo1;

	x->kind = EXIT_STAGE2;
	x->stage2.address = vmcb->exitinfo2;
	/* The U bit only says that nested walks are user accesses; the guest's own privilege is not
	 * told. */
	x->stage2.access = error & (ACCESS_WRITE | ACCESS_FETCH);
	x->stage2.final = !(error & SVM_NPF_TABLE);
	x->stage2.is_operand = false;
}

static void decode_io(struct exit *x, const struct vmcb *vmcb)
{
	u32 info = vmcb->exitinfo1;
	u64 next = vmcb->exitinfo2;

	x->io.port = info >> SVM_IOIO_PORT_SHIFT;
	x->io.size = info >> SVM_IOIO_SIZE_SHIFT & 7;
	x->io.in = info & SVM_IOIO_IN;
	x->io.string = x->io.rep = false;
	if (unlikely(info & (SVM_IOIO_STRING | SVM_IOIO_REP))) {
		x->io.string = info & SVM_IOIO_STRING;
		x->io.rep = info & SVM_IOIO_REP;
	}
	x->rip_next = next;
	x->insn_len = next - vmcb->rip;
	x->have = EXIT_LENGTH;
}

static void decode_rest(struct vcpu *v, const struct vmcb *vmcb, u64 code)
{
	struct exit *x = &v->exit;

	if (code == SVM_EXIT_MSR) {
		x->msr.index = v->gpr[GPR_RCX];
		x->msr.write = vmcb->exitinfo1;
	} else if (x->kind == EXIT_EXCEPTION) {
		decode_exception(x, vmcb, code - SVM_EXIT_EXCEPTION);
	} else if (code <= SVM_EXIT_DR_WRITE + 15 || code == SVM_EXIT_CR0_SEL_WRITE) {
		x->cr.index = code == SVM_EXIT_CR0_SEL_WRITE ? 0 : code & 15;
		x->cr.read = !(code & 16) && code != SVM_EXIT_CR0_SEL_WRITE;
	} else if ((u32)code == SVM_EXIT_INVALID) {
		x->kind = EXIT_ENTRY_FAILED;
		svm_explain_failure(v);
	} else if (x->kind == EXIT_UNKNOWN) {
		x->unknown.info[0] = vmcb->exitinfo1;
		x->unknown.info[1] = vmcb->exitinfo2;
	}
}

static void decode_exit(struct vcpu *v, const struct vmcb *vmcb)
{
	struct exit *x = &v->exit;
	u64 code = vmcb->exitcode;

	x->have = 0;
	if (svm_caps.nrip && vmcb->nrip) {
		x->rip_next = vmcb->nrip;
		x->insn_len = vmcb->nrip - vmcb->rip;
		x->have = EXIT_LENGTH;
	}
	x->raw = code;
	x->first_word = vmcb->exitinfo1;
	if (unlikely(code >= ARRAY_SIZE(kind_of))) {
		if (code == SVM_EXIT_NPF)
			return decode_npf(x, vmcb);
		x->kind = EXIT_UNKNOWN;
		return decode_rest(v, vmcb, code);
	}
	x->kind = kind_of[code] & KIND;
	if (kind_of[code] & PLAIN)
		return;
	if (likely(code == SVM_EXIT_IOIO))
		decode_io(x, vmcb);
	else
		decode_rest(v, vmcb, code);
}

static always_inline void find_code(struct cpu_ctx *c, const struct vmcb *vmcb)
{
	if (likely((vmcb->cs.attrib & VMCB_SEG_L) && (vmcb->efer & EFER_LMA))) {
		c->code_linear = c->rip;
		c->code_mode = CPU_MODE_64;
	} else {
		c->code_linear = (u32)(c->rip + vmcb->cs.base);
		c->code_mode = vmcb->cs.attrib & VMCB_SEG_DB ? CPU_MODE_32 : CPU_MODE_16;
	}
}

/*
 * EXITINTINFO: an event whose delivery this exit cut short. An INT n, INT3 or INTO that the guest
 * itself executed is not kept: RIP still points at it, so that it happens again, once. For one that
 * was injected RIP was moved behind it, and goes back (APM vol. 2, "Event Injection").
 */
static void decode_interrupted(struct vcpu *v, struct vmcb *vmcb)
{
	const struct svm_block *b = v->cur->hw;
	u64 info = vmcb->exitintinfo;
	u64 type = (info & VMCB_EVENT_TYPE) >> VMCB_EVENT_TYPE_SHIFT;
	u8 vector = info & VMCB_EVENT_VECTOR;

	vmcb->exitintinfo = 0;
	if (b->injects_soft) {
		v->cur->rip = b->soft_rip;
		ctx_dirty(v, CTX_IP);
		find_code(v->cur, vmcb);
		return;
	}
	if (type == VMCB_EVENT_TYPE_SOFT_INT ||
	    (type == VMCB_EVENT_TYPE_EXCEPTION && (vector == EXC_BP || vector == EXC_OF)))
		return;
	v->interrupted = (struct event){
		.type = type == VMCB_EVENT_TYPE_NMI ? EVENT_NMI :
			/* QEMU's TCG reports a virtual interrupt cut short as an exception >= 32. */
			type == VMCB_EVENT_TYPE_EXCEPTION && vector < 32 ? EVENT_EXCEPTION : EVENT_EXTINT,
		.vector = vector,
		.has_error = info & VMCB_EVENT_EV,
		.error = info >> VMCB_EVENT_ERROR_SHIFT,
		.payload = type == VMCB_EVENT_TYPE_EXCEPTION && vector == EXC_PF ? vmcb->cr2 : 0,
		.rip = vmcb->rip,
	};
	vcpu_request(v, REQUEST_EVENT);
}

void svm_inject(struct vcpu *v, const struct event *e)
{
	static const u8 type[] = {
		[EVENT_EXTINT] = VMCB_EVENT_TYPE_INTR, [EVENT_NMI] = VMCB_EVENT_TYPE_NMI,
		[EVENT_EXCEPTION] = VMCB_EVENT_TYPE_EXCEPTION, [EVENT_SOFT_INT] = VMCB_EVENT_TYPE_SOFT_INT,
		[EVENT_SOFT_EXC] = VMCB_EVENT_TYPE_EXCEPTION, [EVENT_PRIV_SOFT_EXC] = VMCB_EVENT_TYPE_EXCEPTION,
	};
	struct svm_block *b = v->cur->hw;
	struct vmcb *vmcb = b->vmcb;

	assert(e->type < ARRAY_SIZE(type));
	b->injects_soft = e->type >= EVENT_SOFT_INT && e->type <= EVENT_PRIV_SOFT_EXC;
	if (e->type == EVENT_NONE) {
		vmcb->eventinj = 0;
		return;
	}
	vmcb->eventinj = VMCB_EVENT_V | (u64)type[e->type] << VMCB_EVENT_TYPE_SHIFT | e->vector |
			 (e->has_error ? VMCB_EVENT_EV | (u64)e->error << VMCB_EVENT_ERROR_SHIFT
				       : 0);
	if (b->injects_soft) {
		/* The return address is behind the instruction, and EVENTINJ knows no length. */
		b->soft_rip = e->rip;
		ctx_dirty(v, CTX_FLAGS);	/* off the hot path, see svm_run() */
		v->cur->rip = e->rip + e->insn_len;
		vmcb->nrip = v->cur->rip;
		ctx_dirty(v, CTX_IP);
	}
}

void svm_flush(struct vcpu *v)
{
	vmcb_of(v)->tlb_control = svm_caps.flush_by_tag ? VMCB_TLB_FLUSH_ASID : VMCB_TLB_FLUSH_ALL;
}

void svm_attach(struct vcpu *v)
{
	struct svm_cpu *cpu = &svm_cpus[v->cpu];
	struct svm_block *b = v->cur->hw;

	b->host_vmcb_pa = cpu->host_vmcb_pa;
	write_cr2(b->vmcb->cr2);	/* see svm_store() */
	if (!tags_take(&cpu->tags, svm_caps.tags, v->cpu, &b->tag))
		return;
	b->vmcb->asid = b->tag.value;
	b->vmcb->clean = 0;
	b->vmcb->tlb_control = VMCB_TLB_FLUSH_ALL;
}

/* What each exit moves, from the VMCB. */
static always_inline void leave(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;
	struct vmcb *vmcb = vmcb_of(v);

	v->gpr[GPR_RAX] = vmcb->rax;
	vmcb->tlb_control = VMCB_TLB_NOTHING;
	vmcb->eventinj = 0;
	vmcb->clean = svm_clean_after_exit;
	c->rip = vmcb->rip;
	c->rflags = vmcb->rflags;
	c->cr3 = vmcb->cr3;
	find_code(c, vmcb);
	c->cpl = vmcb->cpl;
	c->available = CTX_IP | CTX_FLAGS | CTX_BLOCK | CTX_PDPTR | CTX_CR3 | CTX_CODE | CTX_CPL;
	/* One shadow bit for both reasons: with IF clear it can only be MOV SS. */
	c->block.sti = c->block.mov_ss = false;
	if (unlikely(vmcb->int_state & VMCB_INT_STATE_SHADOW)) {
		c->block.sti = c->rflags & RFLAGS_IF;
		c->block.mov_ss = !c->block.sti;
	}
	if (unlikely(vmcb->exitintinfo & VMCB_EVENT_V))
		decode_interrupted(v, vmcb);
	decode_exit(v, vmcb);
}

/* With an instruction's event: RIP goes back if it is cut short by this entry's exit, not by a later
 * one. Apart from the hot path. */
static void run_with_soft_event(struct vcpu *v)
{
	struct svm_block *b = v->cur->hw;

	svm_store(v);
	svm_run(v);
	b->injects_soft = false;
}

void svm_run(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;
	struct svm_block *b = c->hw;
	struct vmcb *vmcb = b->vmcb;

	/* Most exits have moved RIP and nothing else. */
	if (likely(c->dirty == CTX_IP)) {
		vmcb->rip = c->rip;
		c->dirty = 0;
	} else if (c->dirty) {
		if (unlikely(b->injects_soft))
			return run_with_soft_event(v);
		svm_store(v);
	}
	vmcb->rax = v->gpr[GPR_RAX];
	svm_before_entry(v);
	/* gpr[] is where v is, and all that the exit leaves in a register. */
	leave((struct vcpu *)svm_enter(v->gpr, b->vmcb_pa, b->host_vmcb_pa));
}

void svm_exit_fill(struct vcpu *v, u32 have)
{
	const struct vmcb *vmcb = vmcb_of(v);
	struct exit *x = &v->exit;

	if ((have & EXIT_INSN) && svm_caps.decode && x->kind == EXIT_STAGE2) {
		x->nr_insn_bytes = MIN(vmcb->insn_len, sizeof(x->insn_bytes));
		memcpy(x->insn_bytes, vmcb->insn_bytes, sizeof(x->insn_bytes));
		if (x->nr_insn_bytes)
			x->have |= EXIT_INSN;
	}
	if ((have & EXIT_OPERAND) && svm_caps.decode && (vmcb->exitinfo1 & SVM_CR_VALID)) {
		x->cr.gpr = vmcb->exitinfo1 & SVM_CR_GPR;
		x->have |= EXIT_OPERAND;
	}
}
