/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One entry and one exit: the hot path. Here, and only here, VMX's exit reasons become the neutral
 * record. SDM vol. 3C, "VM Exits", "Information for VM Exits That Occur During Event Delivery";
 * vol. 3D, appendix C "VMX Basic Exit Reasons".
 */
#include "arch/x86/vmx/vmx.h"

#include "arch/x86/cpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "lib/string.h"

/* The kind of exit of each reason, whether the VMCS tells the instruction's length, and whether
 * there is more to decode. */
#define LENGTH	0x80
#define MORE	0x40
#define KIND	0x3f
static_assert(NR_EXIT_KINDS <= MORE, "a kind and two flags share a byte");
static const u8 kind_of[NR_VMX_REASONS] = {
	[REASON_EXCEPTION_OR_NMI] = EXIT_EXCEPTION | MORE,
	[REASON_EXTERNAL_INTERRUPT] = EXIT_EXTINT,
	[REASON_TRIPLE_FAULT] = EXIT_TRIPLE_FAULT,
	[REASON_INIT] = EXIT_INIT,
	[REASON_SIPI] = EXIT_SIPI,
	[REASON_IO_SMI ... REASON_OTHER_SMI] = EXIT_SMI,
	[REASON_INTERRUPT_WINDOW] = EXIT_INTR_WINDOW,
	[REASON_NMI_WINDOW] = EXIT_NMI_WINDOW,
	[REASON_TASK_SWITCH] = EXIT_TASK_SWITCH | MORE,
	[REASON_CPUID] = EXIT_CPUID | LENGTH,
	[REASON_GETSEC] = EXIT_VMX_INSN | LENGTH,
	[REASON_HLT] = EXIT_HLT | LENGTH,
	[REASON_INVD] = EXIT_INVD | LENGTH,
	[REASON_INVLPG] = EXIT_INVLPG | LENGTH,
	[REASON_RDPMC] = EXIT_RDPMC | LENGTH,
	[REASON_RDTSC] = EXIT_RDTSC | LENGTH,
	[REASON_RSM] = EXIT_RSM | LENGTH,
	[REASON_VMCALL] = EXIT_VMCALL | LENGTH,
	[REASON_VMCLEAR ... REASON_VMXON] = EXIT_VMX_INSN | LENGTH,
	[REASON_CR_ACCESS] = EXIT_CR_WRITE | LENGTH | MORE,
	[REASON_MOV_DR] = EXIT_DR_ACCESS | LENGTH | MORE,
	[REASON_IO] = EXIT_IO | LENGTH | MORE,
	[REASON_RDMSR ... REASON_WRMSR] = EXIT_MSR | LENGTH | MORE,
	[REASON_INVALID_GUEST_STATE ... REASON_MWAIT - 1] = EXIT_UNKNOWN | MORE,
	[REASON_MWAIT] = EXIT_MWAIT | LENGTH,
	[REASON_MONITOR_TRAP_FLAG] = EXIT_STEP,
	[REASON_MONITOR_TRAP_FLAG + 1] = EXIT_UNKNOWN | MORE,
	[REASON_MONITOR] = EXIT_MONITOR | LENGTH,
	[REASON_PAUSE] = EXIT_PAUSE | LENGTH,
	[REASON_MACHINE_CHECK ... REASON_TPR_BELOW_THRESHOLD - 1] = EXIT_UNKNOWN | MORE,
	[REASON_TPR_BELOW_THRESHOLD] = EXIT_TPR_BELOW,
	[REASON_APIC_ACCESS ... REASON_VIRTUALIZED_EOI] = EXIT_UNKNOWN | MORE,
	[REASON_GDTR_IDTR ... REASON_LDTR_TR] = EXIT_DESC_TABLE | LENGTH,
	[REASON_EPT_VIOLATION] = EXIT_STAGE2 | MORE,
	[REASON_EPT_MISCONFIG] = EXIT_UNKNOWN | MORE,
	[REASON_INVEPT] = EXIT_VMX_INSN | LENGTH,
	[REASON_RDTSCP] = EXIT_RDTSCP | LENGTH,
	[REASON_PREEMPTION_TIMER] = EXIT_EXTINT | MORE,	/* one may be waiting (vmx_interrupts_exit) */
	[REASON_INVVPID] = EXIT_VMX_INSN | LENGTH,
	[REASON_WBINVD] = EXIT_WBINVD | LENGTH,
	[REASON_XSETBV] = EXIT_XSETBV | LENGTH,
	[REASON_APIC_WRITE ... REASON_RDRAND] = EXIT_UNKNOWN | MORE,
	[REASON_INVPCID] = EXIT_INVPCID | LENGTH,
	[REASON_VMFUNC] = EXIT_VMX_INSN | LENGTH,
	[REASON_ENCLS ... REASON_XRSTORS] = EXIT_UNKNOWN | MORE,
};

static const u8 event_of[] = {
	[INTERRUPTION_EXTERNAL] = EVENT_EXTINT,
	[INTERRUPTION_NMI] = EVENT_NMI,
	[INTERRUPTION_EXCEPTION] = EVENT_EXCEPTION,
	[INTERRUPTION_SOFT_INT] = EVENT_SOFT_INT,
	[INTERRUPTION_PRIV_SOFT_EXC] = EVENT_PRIV_SOFT_EXC,
	[INTERRUPTION_SOFT_EXC] = EVENT_SOFT_EXC,
	[INTERRUPTION_OTHER] = EVENT_OTHER,
};

static u8 event_type(u32 info)
{
	return event_of[(info & INTERRUPTION_TYPE) >> INTERRUPTION_TYPE_SHIFT];
}

/* An IRET that faults has ended the blocking of NMIs before, and will again (SDM vol. 3C,
 * "Information About NMI Unblocking Due to IRET"). */
static void block_nmi_again(struct vcpu *v)
{
	v->cur->block.nmi = true;
	ctx_dirty(v, CTX_BLOCK);
}

/*
 * IDT-vectoring information: an event whose delivery this exit cut short. An INT n, INT3, INTO or
 * INT1 that the guest itself executed is not kept: RIP still points at it, so that it happens
 * again, once. True: there was one.
 */
static bool decode_interrupted(struct vcpu *v)
{
	u32 info = vmcs_read(VMCS_IDT_VECTORING_INFO);
	u8 type = event_type(info), vector = info & INTERRUPTION_VECTOR;

	if (likely(!(info & INTERRUPTION_VALID)))
		return false;
	if (type != EVENT_EXTINT && type != EVENT_NMI && type != EVENT_EXCEPTION)
		return true;
	v->interrupted = (struct event){
		.type = type,
		.vector = vector,
		.has_error = info & INTERRUPTION_HAS_ERROR,
		.error = info & INTERRUPTION_HAS_ERROR ? vmcs_read(VMCS_IDT_VECTORING_ERROR_CODE) : 0,
		.rip = v->cur->rip,
	};
	if (type == EVENT_EXCEPTION && vector == EXC_PF) {
		ctx_need(v, CTX_CR2);
		v->interrupted.payload = v->cur->cr2;
	}
	vcpu_request(v, REQUEST_EVENT);
	return true;
}

static void decode_exception(struct vcpu *v)
{
	struct exit *x = &v->exit;
	u32 info = vmcs_read(VMCS_EXIT_INTERRUPTION_INFO);
	u8 vector = info & INTERRUPTION_VECTOR;
	bool in_delivery = decode_interrupted(v);

	if (event_type(info) == EVENT_NMI) {
		x->kind = EXIT_NMI;
		/* The exit has taken it, and holds others off until an IRET. */
		take_nmi();
		return;
	}
	x->event = (struct event){
		.type = event_type(info),
		.vector = vector,
		.has_error = info & INTERRUPTION_HAS_ERROR,
		.error = info & INTERRUPTION_HAS_ERROR ? vmcs_read(VMCS_EXIT_INTERRUPTION_ERROR_CODE) : 0,
		.rip = v->cur->rip,
	};
	if (x->event.type == EVENT_SOFT_EXC || x->event.type == EVENT_PRIV_SOFT_EXC)
		x->event.insn_len = vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH);
	/* What the CPU would have put into CR2 and DR6. */
	if (vector == EXC_PF) {
		x->kind = EXIT_PAGE_FAULT;
		x->event.payload = vmcs_read(VMCS_EXIT_QUALIFICATION);
	} else if (vector == EXC_DB) {
		x->event.payload = vmcs_read(VMCS_EXIT_QUALIFICATION) & QUALIFICATION_DEBUG;
	}
	if ((info & INTERRUPTION_NMI_UNBLOCKED) && !in_delivery && vector != EXC_DF)
		block_nmi_again(v);
}

static void decode_stage2(struct vcpu *v)
{
	struct exit *x = &v->exit;
	u64 q = vmcs_read(VMCS_EXIT_QUALIFICATION);

	x->stage2.address = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
	x->stage2.access = (q & QUALIFICATION_EPT_WRITE ? ACCESS_WRITE : 0) |
			   (q & QUALIFICATION_EPT_FETCH ? ACCESS_FETCH : 0);
	/* Without a linear address it is a load of PDPTEs. */
	x->stage2.final = (q & QUALIFICATION_EPT_GLA_VALID) && (q & QUALIFICATION_EPT_FINAL);
	x->stage2.is_operand = false;
	/* Who fetches decides only where supervisor and user may execute different pages. */
	if (unlikely(x->stage2.access & ACCESS_FETCH) && vcpu_cpl(v) == 3)
		x->stage2.access |= ACCESS_USER;
	if (!decode_interrupted(v) && unlikely(q & QUALIFICATION_NMI_UNBLOCKED))
		block_nmi_again(v);
}

static void decode_cr(struct exit *x)
{
	static const u8 kind[] = {
		[CR_MOV_TO] = EXIT_CR_WRITE, [CR_MOV_FROM] = EXIT_CR_READ, [CR_CLTS] = EXIT_CLTS,
		[CR_LMSW] = EXIT_LMSW,
	};
	u64 q = vmcs_read(VMCS_EXIT_QUALIFICATION);
	unsigned type = q >> QUALIFICATION_CR_TYPE_SHIFT & 3;

	x->kind = kind[type];
	x->cr.index = q & QUALIFICATION_CR_NUMBER;
	x->cr.read = type == CR_MOV_FROM;
	if (type == CR_MOV_TO || type == CR_MOV_FROM) {
		x->cr.gpr = q >> QUALIFICATION_CR_GPR_SHIFT & 15;
		x->have |= EXIT_OPERAND;
	}
}

static void decode_io(struct exit *x)
{
	u32 q = vmcs_read(VMCS_EXIT_QUALIFICATION);

	x->first_word = 0;
	x->io.port = q >> QUALIFICATION_IO_PORT_SHIFT;
	x->io.size = (q & QUALIFICATION_IO_SIZE) + 1;
	x->io.in = q & QUALIFICATION_IO_IN;
	x->io.string = q & QUALIFICATION_IO_STRING;
	x->io.rep = q & QUALIFICATION_IO_REP;
}

static void decode_dr(struct exit *x)
{
	u64 q = vmcs_read(VMCS_EXIT_QUALIFICATION);

	x->cr.index = q & QUALIFICATION_DR_NUMBER;
	x->cr.read = q & QUALIFICATION_DR_READ;
	x->cr.gpr = q >> QUALIFICATION_DR_GPR_SHIFT & 15;
	x->have |= EXIT_OPERAND;
}

static void decode_task_switch(struct vcpu *v)
{
	u64 q = vmcs_read(VMCS_EXIT_QUALIFICATION);

	v->exit.task.selector = q & QUALIFICATION_TASK_SELECTOR;
	v->exit.task.source = q >> QUALIFICATION_TASK_SOURCE_SHIFT & 3;
	decode_interrupted(v);
}

static void decode_more(struct vcpu *v, u32 reason)
{
	struct exit *x = &v->exit;

	switch (reason) {
	case REASON_EXCEPTION_OR_NMI:
		return decode_exception(v);
	case REASON_EPT_VIOLATION:
		return decode_stage2(v);
	case REASON_CR_ACCESS:
		return decode_cr(x);
	case REASON_MOV_DR:
		return decode_dr(x);
	case REASON_IO:
		return decode_io(x);
	case REASON_RDMSR:
	case REASON_WRMSR:
		x->msr.index = v->gpr[GPR_RCX];
		x->msr.write = reason == REASON_WRMSR;
		return;
	case REASON_TASK_SWITCH:
		return decode_task_switch(v);
	case REASON_PREEMPTION_TIMER:
		return vmx_bound_run();
	default:
		x->unknown.info[0] = vmcs_read(VMCS_EXIT_QUALIFICATION);
		x->unknown.info[1] = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
	}
}

static void decode_failed(struct vcpu *v)
{
	v->exit.kind = EXIT_ENTRY_FAILED;
	v->exit.entry_failed.qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
	vmx_explain_failure(v);
}

static always_inline void decode_exit(struct vcpu *v)
{
	struct exit *x = &v->exit;
	u32 reason = vmcs_read(VMCS_EXIT_REASON);
	u8 row;

	x->head = 0;
	x->raw = reason;
	x->first_word = 0;
	if (unlikely(reason & VMX_REASON_ENTRY_FAILED))
		return decode_failed(v);
	row = (reason & VMX_REASON) < NR_VMX_REASONS ? kind_of[reason & VMX_REASON] :
						       EXIT_UNKNOWN | MORE;
	x->kind = row & KIND;
	if (likely(row & LENGTH)) {
		x->insn_len = vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH);
		x->rip_next = v->cur->rip + x->insn_len;
		x->have = EXIT_LENGTH;
	}
	if (row & MORE)
		decode_more(v, reason & VMX_REASON);
}

/* What each exit moves, from the VMCS. */
static always_inline void leave(struct vcpu *v, struct vmx_block *b)
{
	struct cpu_ctx *c = v->cur;
	u32 blocking;

	b->injecting = b->injecting_nmi = false;
	c->rip = vmcs_read(VMCS_GUEST_RIP);
	c->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
	blocking = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
	c->block.sti = blocking & BLOCKING_BY_STI;
	c->block.mov_ss = (blocking & BLOCKING_BY_MOV_SS) != 0;
	c->block.nmi = (blocking & BLOCKING_BY_NMI) != 0;
	c->available = CTX_IP | CTX_FLAGS | CTX_BLOCK | CTX_EFER | CTX_PAT | CTX_DEBUGCTL;
	decode_exit(v);
}

/* The entry has failed before it looked at the guest: a control or the host's state is wrong, which
 * is Plinth's mistake. */
static void fail(struct vcpu *v, u64 flags)
{
	struct exit *x = &v->exit;

	v->cur->available = 0;
	vmx_load(v, CTX_ALL & ~(CTX_IP | CTX_FLAGS | CTX_BLOCK));
	x->head = 0;
	x->kind = EXIT_ENTRY_FAILED;
	x->raw = VMX_REASON_ENTRY_FAILED;
	x->entry_failed.qualification = flags & RFLAGS_ZF ? vmcs_read(VMCS_INSTRUCTION_ERROR) : 0;
	vmx_explain_failure(v);
}

void vmx_run(struct vcpu *v)
{
	struct vmx_block *b = vmx_block_of(v);
	u64 failed;

	/* Most exits have moved RIP and nothing else. */
	if (likely(v->cur->dirty == CTX_IP)) {
		vmcs_write(VMCS_GUEST_RIP, v->cur->rip);
		v->cur->dirty = 0;
	} else if (v->cur->dirty) {
		vmx_store(v);
	}
	vmx_before_entry(v);
	failed = vmx_enter(v->gpr, b->launched, &b->host_rsp);
	if (unlikely(failed))
		fail(v, failed);
	else
		leave(v, b);
	/* An entry that fails on the guest's state leaves the VMCS as it was. */
	b->launched |= v->exit.kind != EXIT_ENTRY_FAILED;
}

/* Lengths and operands are there from the start, where the hardware tells them. */
void vmx_exit_fill(struct vcpu *v, u32 have)
{
}

static const u8 interruption_of[] = {
	[EVENT_EXTINT] = INTERRUPTION_EXTERNAL, [EVENT_NMI] = INTERRUPTION_NMI,
	[EVENT_EXCEPTION] = INTERRUPTION_EXCEPTION, [EVENT_SOFT_INT] = INTERRUPTION_SOFT_INT,
	[EVENT_SOFT_EXC] = INTERRUPTION_SOFT_EXC, [EVENT_PRIV_SOFT_EXC] = INTERRUPTION_PRIV_SOFT_EXC,
};

void vmx_inject(struct vcpu *v, const struct event *e)
{
	struct vmx_block *b = vmx_block_of(v);
	u32 info;

	assert(e->type < ARRAY_SIZE(interruption_of));
	b->injecting = e->type != EVENT_NONE;
	b->injecting_nmi = e->type == EVENT_NMI;
	if (e->type == EVENT_NONE) {
		vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO, 0);
		return;
	}
	info = INTERRUPTION_VALID | e->vector |
	       (u32)interruption_of[e->type] << INTERRUPTION_TYPE_SHIFT;
	if (e->has_error) {
		info |= INTERRUPTION_HAS_ERROR;
		vmcs_write(VMCS_ENTRY_EXCEPTION_ERROR_CODE, e->error);
	}
	vmcs_write(VMCS_ENTRY_INTERRUPTION_INFO, info);
	if (e->type >= EVENT_SOFT_INT && e->type <= EVENT_PRIV_SOFT_EXC) {
		vmcs_write(VMCS_ENTRY_INSTRUCTION_LENGTH, e->insn_len);
		v->cur->rip = e->rip;
		ctx_dirty(v, CTX_IP);
	}
	if (e->type == EVENT_NMI)
		ctx_dirty(v, CTX_BLOCK);	/* which this one brings with it */
}
