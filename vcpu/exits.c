/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Routing of exits, the parts of the record that are made on demand, and L0's common handlers. What
 * L1 wants of its L2's exits is data beside the table (struct controls), not code in the handlers.
 */
#include "vcpu/exits.h"

#include "include/hypercall.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "include/x86/msr.h"
#include "lib/string.h"
#include "vcpu/code.h"
#include "vcpu/cpu_state.h"
#include "vcpu/emulation.h"
#include "vcpu/events.h"
#include "vcpu/registers.h"
#include "vcpu/time.h"
#include "vcpu/vm.h"

/* How often the guest may try again at one address; other CPUs' changes come to an end sooner. */
#define MAX_UNREADABLE	1000
#define MAX_INVALID	8	/* a CPU may be changing it meanwhile */

static always_inline enum handled resume_advanced(struct vcpu *v)
{
	exit_advance(v);
	return HANDLED_RESUME;
}

static enum handled inject(struct vcpu *v, u8 vector)
{
	events_raise(v, vector);
	return HANDLED_INJECT;
}

static enum handled inject_gp(struct vcpu *v)
{
	events_raise_error(v, EXC_GP, 0);
	return HANDLED_INJECT;
}

/* --- Handlers. Each is called with v->exit of its kind. --- */

/* The guest may have reached the open window with the same instruction: then what waits is handed
 * over now, without the window's own exit, which some CPUs wouldn't make any more. */
static enum handled handle_extint(struct vcpu *v)
{
	cpu_take_interrupts();
	if (v->intr_window)
		vcpu_request(v, REQUEST_EVENT);
	return HANDLED_RESUME;
}

/* The backend has let the host take it. */
static enum handled handle_nmi(struct vcpu *v)
{
	return HANDLED_RESUME;
}

static enum handled handle_window(struct vcpu *v)
{
	vcpu_request(v, REQUEST_EVENT);
	return HANDLED_RESUME;
}

static enum handled handle_triple_fault(struct vcpu *v)
{
	vm_kill(v, WHY_TRIPLE_FAULT);
	return HANDLED_KILL;
}

static enum handled handle_entry_failed(struct vcpu *v)
{
	const char *rule = v->exit.entry_failed.rule;

	vm_kill(v, "the CPU refuses the guest's state (%#llx); broken rule: %s%s%s",
		(unsigned long long)v->exit.entry_failed.qualification,
		rule ? v->exit.entry_failed.field : "", rule ? ": " : "",
		rule ? rule : "none of what is left of the state");
	return HANDLED_KILL;
}

static enum handled handle_unknown(struct vcpu *v)
{
	vm_kill(v, "exit %#x, which Plinth doesn't know (%#llx, %#llx)", v->exit.raw,
		(unsigned long long)v->exit.unknown.info[0],
		(unsigned long long)v->exit.unknown.info[1]);
	return HANDLED_KILL;
}

static enum handled handle_undefined(struct vcpu *v)
{
	return inject(v, EXC_UD);
}

static enum handled handle_nothing(struct vcpu *v)
{
	return exit_need(v, EXIT_LENGTH) ? resume_advanced(v) : HANDLED_RESUME;
}

static enum handled handle_cpuid(struct vcpu *v)
{
	const struct cpuid_leaf *l = cpuid_fixed(&v->vm->cpuid, v->gpr[GPR_RAX]);
	struct cpuid_leaf made;

	if (!exit_need_length(v, 0x0fa2))
		return HANDLED_RESUME;
	if (!l) {
		made = cpuid_answer(v, v->gpr[GPR_RAX], v->gpr[GPR_RCX]);
		l = &made;
	}
	v->gpr[GPR_RAX] = l->eax;
	v->gpr[GPR_RBX] = l->ebx;
	v->gpr[GPR_RCX] = l->ecx;
	v->gpr[GPR_RDX] = l->edx;
	return resume_advanced(v);
}

static enum handled handle_hlt(struct vcpu *v)
{
	if (!exit_need_length(v, 0xf4))
		return HANDLED_RESUME;
	v->cur->activity = ACTIVITY_HLT;
	exit_advance(v);
	return HANDLED_SLEEP;
}

/* No performance counters are offered: RDPMC has no valid index. */
static enum handled handle_rdpmc(struct vcpu *v)
{
	return inject_gp(v);
}

static enum handled handle_xsetbv(struct vcpu *v)
{
	u64 value = v->gpr[GPR_RDX] << 32 | (u32)v->gpr[GPR_RAX];

	if (!exit_need_length(v, 0x0f01d1))
		return HANDLED_RESUME;
	if (vcpu_cpl(v) || !vcpu_write_xcr(v, v->gpr[GPR_RCX], value))
		return inject_gp(v);
	return resume_advanced(v);
}

static enum handled handle_msr(struct vcpu *v)
{
	struct exit *x = &v->exit;
	u64 value;

	if (x->msr.write) {
		if (!exit_need_length(v, 0x0f30))
			return HANDLED_RESUME;
		if (!msr_write(v, x->msr.index, v->gpr[GPR_RDX] << 32 | (u32)v->gpr[GPR_RAX]))
			return inject_gp(v);
		return resume_advanced(v);
	}
	if (!exit_need_length(v, 0x0f32))
		return HANDLED_RESUME;
	if (!msr_read(v, x->msr.index, &value))
		return inject_gp(v);
	v->gpr[GPR_RAX] = (u32)value;
	v->gpr[GPR_RDX] = value >> 32;
	return resume_advanced(v);
}

static enum handled handle_io(struct vcpu *v)
{
	struct exit *x = &v->exit;
	u64 value, mask;
	int byte;

	if (x->io.string)
		return emulate_one(v);
	if (!(x->have & EXIT_LENGTH) && !exit_need(v, EXIT_LENGTH))
		return HANDLED_RESUME;
	if (x->io.in) {
		byte = likely(x->io.size == 1) ? board_io_read_quick(&v->vm->board, x->io.port) : -1;
		if (likely(byte >= 0)) {
			v->gpr[GPR_RAX] = (v->gpr[GPR_RAX] & ~0xffull) | (u8)byte;
			return resume_advanced(v);
		}
		value = vcpu_port_read(v, x->io.port, x->io.size);
		mask = x->io.size == 4 ? ~0ull : BIT(8 * x->io.size) - 1;
		v->gpr[GPR_RAX] = (v->gpr[GPR_RAX] & ~mask) | (value & mask);
	} else {
		vcpu_port_write(v, x->io.port, x->io.size, v->gpr[GPR_RAX]);
	}
	return resume_advanced(v);
}

/* The general register of a MOV CR, from the instruction where the hardware doesn't tell. False: it
 * is none (CLTS, LMSW, SMSW), or one with a privilege or a prefix for the emulator to look at. */
static bool find_cr_operand(struct vcpu *v)
{
	struct exit *x = &v->exit;
	const struct insn *insn;

	v->backend->exit_fill(v, EXIT_OPERAND | EXIT_LENGTH);
	if ((x->have & (EXIT_OPERAND | EXIT_LENGTH)) == (EXIT_OPERAND | EXIT_LENGTH))
		return true;
	insn = code_insn(v);
	if (!insn || insn->op != (x->cr.read ? OP_MOV_FROM_CR : OP_MOV_TO_CR) ||
	    insn->reg != x->cr.index || insn->lock || vcpu_cpl(v))
		return false;
	x->cr.gpr = insn->rm;
	x->insn_len = insn->length;
	x->rip_next = v->cur->rip + insn->length;
	x->have |= EXIT_OPERAND | EXIT_LENGTH;
	return true;
}

/* MOV to and from a control register: the semantics are vcpu_write_cr()'s. Everything else that
 * exits here is the emulator's. */
static enum handled handle_cr(struct vcpu *v)
{
	struct exit *x = &v->exit;
	u64 *gpr;

	if (!find_cr_operand(v) || x->cr.gpr == GPR_RSP)
		return emulate_one(v);
	gpr = &v->gpr[x->cr.gpr];
	if (x->cr.read)
		*gpr = vcpu_mode(v) == CPU_MODE_64 ? vcpu_read_cr(v, x->cr.index) :
						     (u32)vcpu_read_cr(v, x->cr.index);
	else if (!vcpu_write_cr(v, x->cr.index, vcpu_mode(v) == CPU_MODE_64 ? *gpr : (u32)*gpr))
		return inject_gp(v);
	return resume_advanced(v);
}

/* It ends the blocking of NMIs, also if it faults. Emulated: what it returns to, and with which
 * flags, can't be told from outside. */
static enum handled handle_iret(struct vcpu *v)
{
	return emulate_one(v);
}

/* By the instruction at RIP, or through a gate of the IDT by an event: it is carried out whole. An INT n
 * through such a gate is an instruction too. */
static enum handled handle_task_switch(struct vcpu *v)
{
	struct event event = v->interrupted;

	v->interrupted.type = EVENT_NONE;
	return event.type == EVENT_NONE ? emulate_one(v) : emulate_delivery(v, &event);
}

/* #UD: the other vendor's hypercall is emulated, everything else is the guest's. */
static enum handled handle_exception(struct vcpu *v)
{
	if (v->exit.event.vector == EXC_MC) {
		cpu_take_machine_check();
		return HANDLED_RESUME;
	}
	if (v->exit.event.vector == EXC_UD && emulate_is_hypercall(v)) {
		v->exit.kind = EXIT_VMCALL;
		return exit_dispatch(v);
	}
	v->raised = v->exit.event;
	return HANDLED_INJECT;
}

/* The access was not the instruction's at RIP, which therefore must not be emulated. */
static enum handled end_in_delivery(struct vcpu *v)
{
	vm_kill(v,
		"an event (vector %u) can't be delivered: %#llx is no memory, or may not be used like that",
		v->interrupted.vector, (unsigned long long)v->exit.stage2.address);
	return HANDLED_KILL;
}

static enum handled handle_stage2(struct vcpu *v)
{
	struct exit *x = &v->exit;
	struct mmu_fault_info info;

	switch (mmu_fault(v->mmu, x->stage2.address, x->stage2.access, &info)) {
	case MMU_RETRY:
		return HANDLED_RESUME;
	case MMU_EMULATE:
		if (x->stage2.access & ACCESS_FETCH)
			return emulate_denied_fetch(v, false);
		if (unlikely(v->interrupted.type != EVENT_NONE))
			return end_in_delivery(v);
		return emulate_device_access(v);
	case MMU_DENIED:
		if (x->stage2.access & ACCESS_FETCH)
			return emulate_denied_fetch(v, true);
		if (unlikely(v->interrupted.type != EVENT_NONE))
			return end_in_delivery(v);
		return emulate_one(v);
	case MMU_NO_PROGRESS:
		vm_kill(v, "no progress: the same access to %#llx faults again and again",
			(unsigned long long)x->stage2.address);
		return HANDLED_KILL;
	case MMU_NO_MEMORY:
		vm_kill(v, WHY_NO_TABLES);
		return HANDLED_KILL;
	default:
		vm_kill(v, "a fault of nested tables, but the guest has none");
		return HANDLED_KILL;
	}
}

/* False: another vCPU is pausing this one; the guest is to execute the instruction again. */
static bool set_rights(struct vcpu *v, u64 base, u64 size, u64 rights, s64 *result)
{
	struct vm *vm = v->vm;

	*result = PLINTH_EINVAL;
	if (((base | size) & ~PAGE_MASK) || !size || base + size < base ||
	    (rights & ~(u64)RIGHTS_ALL) ||
	    (fmt_narrow(v->mmu->host, rights) & RIGHTS_ALL) != rights)
		return true;
	if (!vm_pause(v))
		return false;
	if (slots_set_rights(&vm->slots, GPA(base), size, rights)) {
		*result = 0;
		if (!mmu_zap_range(&vm->mmu, GPA(base), size))
			vm_flush(vm);
	}
	vm_resume(v);
	return true;
}

static bool hypercall(struct vcpu *v, u64 mask, s64 *result)
{
	switch (v->gpr[GPR_RAX] & mask) {
	case PLINTH_CALL_VERSION:
		*result = PLINTH_HYPERCALL_VERSION;
		return true;
	case PLINTH_CALL_SET_RIGHTS:
		return set_rights(v, v->gpr[GPR_RBX] & mask, v->gpr[GPR_RCX] & mask,
				  v->gpr[GPR_RDX] & mask, result);
	default:
		*result = PLINTH_ENOSYS;
		return true;
	}
}

/* docs/hypercalls.md, include/hypercall.h. */
static enum handled handle_hypercall(struct vcpu *v)
{
	u64 mask = vcpu_mode(v) == CPU_MODE_64 ? ~0ull : 0xffffffffull;
	s64 result = PLINTH_EPERM;

	if (!exit_need_length(v, 0x0f01d9))
		return HANDLED_RESUME;
	if (!vcpu_cpl(v) && !hypercall(v, mask, &result))
		return HANDLED_RESUME;
	v->gpr[GPR_RAX] = (u64)result & mask;
	return resume_advanced(v);
}

static enum handled handle_unwanted(struct vcpu *v)
{
	vm_kill(v, "exit \"%s\" (%#x), which nobody asked for", exit_name(v->exit.kind),
		v->exit.raw);
	return HANDLED_KILL;
}

/* --- Routing --- */

const struct exit_row exit_rows[NR_EXIT_KINDS] = {
#define EXIT_ROW(kind, text, function, asked) [EXIT_##kind] = { text, function, asked },
	EXIT_KINDS(EXIT_ROW)
#undef EXIT_ROW
};

const char *exit_name(unsigned kind)
{
	return kind < NR_EXIT_KINDS ? exit_rows[kind].name : "?";
}

/* While L2 runs: is this exit L1's? L0_FIRST kinds go to L1 by their handler's verdict. */
static bool is_for_l1(struct vcpu *v, const struct exit_row *row)
{
	if (row->order != L1_FIRST || !wants(&v->l1, v->exit.kind))
		return false;
	return !(v->l1.narrow[v->exit.kind / 64] >> (v->exit.kind % 64) & 1) ||
	       v->vm->virt->check_exit(v);
}

enum handled exit_dispatch_l2(struct vcpu *v)
{
	const struct exit_row *row = &exit_rows[v->exit.kind];

	return is_for_l1(v, row) ? HANDLED_TO_L1 : row->handler(v);
}

/* --- The lazy parts of the record --- */

/* QEMU's TCG carries out CPUID and its like with LOCK, which is #UD on a CPU. */
static bool is_invalid(struct vcpu *v)
{
	struct insn insn;
	u8 bytes[15];
	unsigned avail = code_fetch(v, bytes);

	return avail && decode(bytes, avail, vcpu_mode(v), &insn) == DECODE_INVALID;
}

/*
 * The instruction that made the CPU exit can't be read, or is another one by now: the guest has
 * changed it or its tables, and the CPU may still use an old translation. The guest executes it
 * again, after a flush. Where nothing comes of that, it gets #UD if the bytes are no instruction; else
 * the walk and the CPU don't agree, and it ends.
 */
static bool is_unreadable(struct vcpu *v)
{
	if (v->unreadable_rip != v->cur->rip) {
		v->unreadable_rip = v->cur->rip;
		v->nr_unreadable = 0;
	}
	vcpu_request(v, REQUEST_FLUSH);
	if (++v->nr_unreadable == MAX_INVALID && is_invalid(v)) {
		v->nr_unreadable = 0;
		events_raise(v, EXC_UD);
		vcpu_request(v, REQUEST_EVENT);
	}
	if (v->nr_unreadable == MAX_UNREADABLE)
		vm_kill(v, "the instruction at %#llx, which the CPU executes, can't be read "
			"(exit \"%s\")", (unsigned long long)v->cur->rip, exit_name(v->exit.kind));
	return false;
}

bool exit_find_length(struct vcpu *v, u32 opcode)
{
	struct exit *x = &v->exit;
	u8 bytes[15];

	x->insn_len = insn_length_of(bytes, code_fetch(v, bytes), vcpu_mode(v), opcode);
	if (!x->insn_len)
		return is_unreadable(v);
	x->rip_next = v->cur->rip + x->insn_len;
	x->have |= EXIT_LENGTH;
	return true;
}

bool exit_need(struct vcpu *v, u32 have)
{
	struct exit *x = &v->exit;
	u32 missing = have & ~x->have;
	const struct insn *insn;

	if (!missing)
		return true;
	v->backend->exit_fill(v, missing);
	missing = have & ~x->have;
	if (missing & EXIT_LENGTH) {
		insn = code_insn(v);
		if (!insn)
			return is_unreadable(v);
		x->insn_len = insn->length;
		x->rip_next = v->cur->rip + insn->length;
		x->have |= EXIT_LENGTH;
	}
	if (missing & EXIT_INSN) {
		x->nr_insn_bytes = code_fetch(v, x->insn_bytes);
		x->have |= EXIT_INSN;
	}
	return (have & ~x->have) == 0;
}

void exit_advance_flags(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;

	if (c->block.sti || c->block.mov_ss) {
		c->block.sti = c->block.mov_ss = false;
		c->dirty |= CTX_BLOCK;
	}
	if (c->rflags & RFLAGS_TF) {
		events_raise(v, EXC_DB);
		v->raised.payload = DR6_BS;
		vcpu_request(v, REQUEST_EVENT);
	}
	c->rflags &= ~RFLAGS_RF;
	c->dirty |= CTX_FLAGS;
}
