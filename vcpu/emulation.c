/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The emulator's surroundings: linear addresses go through gva_walk to guest memory or to a device;
 * the rest of what it asks for is emulation_system.c's. A slot that lacks a right answers with
 * #PF, as that is what a guest can handle; a ROM takes writes and forgets them.
 */
#include "vcpu/emulation.h"

#include "emulate/emulate.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vcpu/code.h"
#include "vcpu/cpu_state.h"
#include "vcpu/emulation_system.h"
#include "vcpu/events.h"
#include "vcpu/exits.h"
#include "vcpu/registers.h"
#include "vcpu/time.h"
#include "vcpu/vm.h"

static void page_fault(struct event *fault, u64 address, u32 error)
{
	*fault = (struct event){ .type = EVENT_EXCEPTION,
				 .vector = EXC_PF,
				 .has_error = true,
				 .error = error,
				 .payload = address };
}

/* What is at a linear address: memory (a host pointer) or a device's address. */
struct place {
	gpa_t gpa;
	void *memory;		/* NULL: a device, or nothing */
	bool ignores_writes;	/* ROM */
};

/* A walk that failed, as the emulator is to see it. */
static enum emulate_status walk_failed(struct vcpu *v, enum walk_status status,
				       const struct walk_result *r, u64 at, struct event *fault)
{
	switch (status) {
	case WALK_PAGE_FAULT:
		page_fault(fault, at, r->fault.error);
		return EMULATE_FAULT;
	case WALK_NOT_CANONICAL:
		*fault = (struct event){ .type = EVENT_EXCEPTION,
					 .vector = EXC_GP,
					 .has_error = true };
		return EMULATE_FAULT;
	case WALK_RETRY:
		return EMULATE_AGAIN;
	default:
		vm_kill(v, "a page table lies at %#llx, where there is no memory",
			(unsigned long long)r->fault.address);
		return EMULATE_STOP;
	}
}

/*
 * Is this the access whose physical address the exit has told? The CPU has then translated and
 * checked it a moment ago. An operand over a page's end comes in two parts, with two offsets. What
 * the instruction reads beside its operand (a descriptor) is an implicit access.
 */
static bool is_translated(const struct vcpu *v, gva_t at, u32 access)
{
	const struct exit *x = &v->exit;

	return x->kind == EXIT_STAGE2 && x->stage2.is_operand && !(access & ACCESS_IMPLICIT) &&
	       !((at.v ^ x->stage2.address) & ~PAGE_MASK) &&
	       !(access & ~x->stage2.access & ACCESS_WRITE);
}

static enum emulate_status locate(struct vcpu *v, gva_t at, unsigned size, u32 access,
				  struct place *p, struct event *fault)
{
	u8 right = access & ACCESS_WRITE ? RIGHT_W : RIGHT_R;
	struct walk_result r;
	enum walk_status status;
	struct vm *vm = v->vm;

	vcpu_refresh_walk(v);
	if (v->cur->rflags & RFLAGS_AC)
		access |= ACCESS_AC;
	if (is_translated(v, at, access)) {
		p->gpa = GPA(v->exit.stage2.address);
	} else {
		status = walk_translate(&v->gva_walk, at.v, access, &r);
		if (status != WALK_OK)
			return walk_failed(v, status, &r, at.v, fault);
		p->gpa = r.gpa;
	}
	p->ignores_writes = false;
	p->memory = vm_memory(vm, p->gpa, size, right);
	if (p->memory || !slots_find(&vm->slots, p->gpa))
		return EMULATE_OK;
	if (p->gpa.v - vm->rom.v < vm->rom_size) {
		p->ignores_writes = true;
		return EMULATE_OK;
	}
	page_fault(fault, at.v, PF_ERR_P | (access & (ACCESS_WRITE | ACCESS_USER)));
	return EMULATE_FAULT;
}

static enum emulate_status check(void *ctx, gva_t at, unsigned size, u32 access,
				 struct event *fault)
{
	struct place p;

	return locate(ctx, at, size, access, &p, fault);
}

#define COPY_ONCE(type) \
	(((volatile struct packed_struct { type v; } *)to)->v = \
		 ((const volatile struct packed_struct { type v; } *)from)->v)

/*
 * Whole elements at once, at any alignment, so that another CPU never sees half of one where the CPU
 * itself wouldn't show it.
 */
static void copy(void *to, const void *from, unsigned size)
{
	switch (size) {
	case 1: COPY_ONCE(u8); break;
	case 2: COPY_ONCE(u16); break;
	case 4: COPY_ONCE(u32); break;
	case 8: COPY_ONCE(u64); break;
	default: memcpy(to, from, size);
	}
}

/* The next part of an access to a device, at most 8 bytes and a size that devices know. */
static unsigned device_part(unsigned left)
{
	return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

static enum emulate_status read(void *ctx, gva_t at, void *to, unsigned size, u32 access,
				struct event *fault)
{
	struct vcpu *v = ctx;
	struct place p;
	enum emulate_status status = locate(v, at, size, access, &p, fault);
	unsigned part;
	u64 value;

	if (status != EMULATE_OK)
		return status;
	if (p.ignores_writes)		/* the read half of a read-modify-write of ROM */
		p.memory = vm_memory(v->vm, p.gpa, size, RIGHT_R);
	if (p.memory) {
		copy(to, p.memory, size);
		return EMULATE_OK;
	}
	for (unsigned done = 0; done < size; done += part) {
		part = device_part(size - done);
		value = vcpu_mmio_read(v, GPA(p.gpa.v + done), part);
		memcpy((u8 *)to + done, &value, part);
	}
	return EMULATE_OK;
}

static enum emulate_status write(void *ctx, gva_t at, const void *from, unsigned size, u32 access,
				 struct event *fault)
{
	struct vcpu *v = ctx;
	struct place p;
	enum emulate_status status = locate(v, at, size, access | ACCESS_WRITE, &p, fault);
	unsigned part;

	if (status != EMULATE_OK || p.ignores_writes)
		return status;
	if (p.memory) {
		copy(p.memory, from, size);
		return EMULATE_OK;
	}
	for (unsigned done = 0; done < size; done += part) {
		u64 value = 0;

		part = device_part(size - done);
		memcpy(&value, (const u8 *)from + done, part);
		vcpu_mmio_write(v, GPA(p.gpa.v + done), part, value);
	}
	return EMULATE_OK;
}

#define EXCHANGE(type) \
	__atomic_compare_exchange_n((type *)p.memory, (type *)old, *(const type *)desired, false, \
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* CMPXCHG16B; the emulator has seen to the alignment. */
static bool exchange_16(void *at, const u64 *old, const void *desired)
{
	u64 low = old[0], high = old[1], new[2];
	bool done;

	memcpy(new, desired, sizeof(new));
	asm volatile("lock cmpxchg16b (%4)"
		     : "=@ccz"(done), "+a"(low), "+d"(high)
		     : "b"(new[0]), "r"(at), "c"(new[1])
		     : "memory");
	return done;
}

static enum emulate_status cmpxchg(void *ctx, gva_t at, const void *expected, const void *desired,
				   unsigned size, u32 access, struct event *fault)
{
	struct vcpu *v = ctx;
	struct place p;
	enum emulate_status status = locate(v, at, size, access | ACCESS_WRITE, &p, fault);
	u64 old[2];
	bool done;

	if (status != EMULATE_OK || p.ignores_writes)
		return status;
	if (!p.memory)
		return write(ctx, at, desired, size, access, fault);
	memcpy(old, expected, size);
	switch (size) {
	case 1: done = EXCHANGE(u8); break;
	case 2: done = EXCHANGE(u16); break;
	case 4: done = EXCHANGE(u32); break;
	case 8: done = EXCHANGE(u64); break;
	case 16: done = exchange_16(p.memory, old, desired); break;
	default: return EMULATE_UNHANDLED;
	}
	return done ? EMULATE_OK : EMULATE_AGAIN;
}

/* The guest's own accesses know no lock of Plinth's: its other vCPUs stand still. */
static enum emulate_status lock(void *ctx)
{
	struct vcpu *v = ctx;

	return vm_pause(v) ? EMULATE_OK : EMULATE_AGAIN;
}

static void unlock(void *ctx)
{
	vm_resume(ctx);
}

static enum emulate_status port(void *ctx, u16 number, unsigned size, bool in, u32 *value)
{
	if (in)
		*value = vcpu_port_read(ctx, number, size);
	else
		vcpu_port_write(ctx, number, size, *value);
	return EMULATE_OK;
}

/* L1 has no say while it runs itself; what it wants of its L2 goes by exit_dispatch(), like an
 * exit. */
static enum emulate_status intercept(void *ctx, const struct insn *insn,
				     const struct emulate_action *action)
{
	return EMULATE_OK;
}

static void get_vector(void *ctx, unsigned reg, unsigned size, void *to)
{
	cpu_state_vector(reg, size, to);
}

static void set_vector(void *ctx, unsigned reg, unsigned size, bool clear, const void *from)
{
	cpu_state_set_vector(reg, size, clear, from);
}

static void run_x87(void *ctx, struct emulate_x87 *x)
{
	cpu_state_x87(x);
}

static const struct emulate_ops ops = {
	.get_vector = get_vector, .set_vector = set_vector, .x87 = run_x87,
	.get = emulation_get, .set = emulation_set, .segment = emulation_segment, .check = check,
	.read = read, .write = write, .cmpxchg = cmpxchg, .lock = lock,
	.unlock = unlock, .port = port, .intercept = intercept,
	.system = emulation_system, .set_segment = emulation_set_segment,
	.table = emulation_table, .set_table = emulation_set_table,
};

/* The instruction goes on in a page that can't be fetched: the fault that the CPU would have had.
 */
static enum handled fetch_fault(struct vcpu *v, unsigned have)
{
	u64 at = code_linear(v) + have;
	struct walk_result r;
	struct event fault;
	enum walk_status status;

	vcpu_refresh_walk(v);
	status = walk_translate(&v->gva_walk, at, ACCESS_FETCH | WALK_PEEK | vcpu_access_context(v),
				&r);
	if (status == WALK_OK && vm_memory(v->vm, r.gpa, 1, 0))
		return HANDLED_RESUME;		/* another CPU has mapped it meanwhile */
	if (status == WALK_OK) {
		vm_kill(v, "an instruction was to be fetched at %#llx, where there is no memory",
			(unsigned long long)r.gpa.v);
		return HANDLED_KILL;
	}
	switch (walk_failed(v, status, &r, at, &fault)) {
	case EMULATE_FAULT:
		v->raised = fault;
		v->raised.rip = v->cur->rip;
		return HANDLED_INJECT;
	case EMULATE_STOP:
		return HANDLED_KILL;
	default:
		return HANDLED_RESUME;
	}
}

/* The instruction is done: blocking by STI or MOV SS ends, or begins with it. */
static void end_shadow(struct vcpu *v, u8 shadow)
{
	struct cpu_ctx *c = v->cur;
	bool sti = shadow == EMULATE_SHADOW_STI, mov_ss = shadow == EMULATE_SHADOW_MOV_SS;

	if (c->block.sti == sti && c->block.mov_ss == mov_ss)
		return;
	c->block.sti = sti;
	c->block.mov_ss = mov_ss;
	ctx_dirty(v, CTX_BLOCK);
}

static enum handled completed(struct vcpu *v, const struct emulate_result *result)
{
	end_shadow(v, result->shadow);
	if (result->event.type != EVENT_NONE)
		v->raised = result->event;
	if (v->cur->activity == ACTIVITY_HLT)
		return HANDLED_SLEEP;	/* which that event ends at once */
	return result->event.type != EVENT_NONE ? HANDLED_INJECT : HANDLED_RESUME;
}

static void print_bytes(char *to, size_t size, const struct exit *x)
{
	size_t at = 0;

	for (unsigned i = 0; i < x->nr_insn_bytes && at + 4 < size; i++)
		at += snprintf(to + at, size - at, "%02x ", x->insn_bytes[i]);
}

/* In memory, without a second one that could have the same offset in its page. */
static bool has_one_operand(const struct insn *insn)
{
	return insn->op >= OP_ADD && insn->op <= OP_BTC && insn->is_mem;
}

/* Emulates the instruction at RIP, which is `insn`, or is to be decoded with care if that is NULL.
 */
static enum handled emulate_insn(struct vcpu *v, const struct insn *insn)
{
	struct exit *x = &v->exit;
	struct emulate_result result;
	enum emulate_status status;
	char bytes[64] = "";

	if (likely(insn)) {
		if (x->kind == EXIT_STAGE2)
			x->stage2.is_operand = x->stage2.final && has_one_operand(insn);
		result.insn = *insn;
		status = emulate_decoded(&ops, v, v->gpr, &result);
	} else {
		/* Not whole, or not valid: which, and with what fault, the emulator knows. */
		if (!exit_need(v, EXIT_INSN) || !x->nr_insn_bytes)
			return fetch_fault(v, 0);
		status = emulate(&ops, v, v->gpr, vcpu_mode(v), x->insn_bytes, x->nr_insn_bytes,
				 &result);
	}
	if ((status == EMULATE_OK || status == EMULATE_FAULT) && result.ends_nmi_blocking)
		events_iret(v);
	switch (status) {
	case EMULATE_OK:
		return completed(v, &result);
	case EMULATE_AGAIN:
		return HANDLED_RESUME;
	case EMULATE_FAULT:
		v->raised = result.event;
		return HANDLED_INJECT;
	case EMULATE_STOP:
		return v->vm->state == VM_RUNS ? HANDLED_RESUME : HANDLED_KILL;
	case EMULATE_NEED_BYTES:
		return fetch_fault(v, x->nr_insn_bytes);
	case EMULATE_UNHANDLED:
		break;
	}
	x->nr_insn_bytes = code_fetch(v, x->insn_bytes);
	print_bytes(bytes, sizeof(bytes), x);
	vm_kill(v, "Plinth can't emulate this instruction yet: %s(after exit \"%s\")", bytes,
		exit_name(x->kind));
	return HANDLED_KILL;
}

enum handled emulate_one(struct vcpu *v)
{
	return emulate_insn(v, code_insn(v));
}

enum handled emulate_delivery(struct vcpu *v, const struct event *event)
{
	struct emulate_result result;

	switch (emulate_event(&ops, v, v->gpr, vcpu_mode(v), event, &result)) {
	case EMULATE_OK:
		v->cur->block.nmi |= event->type == EVENT_NMI;
		ctx_dirty(v, CTX_BLOCK);
		return completed(v, &result);
	case EMULATE_FAULT:		/* the second of two */
		v->interrupted = *event;
		v->raised = result.event;
		return HANDLED_INJECT;
	case EMULATE_STOP:
		return v->vm->state == VM_RUNS ? HANDLED_RESUME : HANDLED_KILL;
	default:
		v->interrupted = *event;
		vcpu_request(v, REQUEST_EVENT);
		return HANDLED_RESUME;
	}
}

/* The register operand of a MOV can be taken whole: any but AH, CH, DH, BH, and RSP, which is
 * elsewhere. */
static bool is_plain_register(const struct insn *insn)
{
	return insn->reg != GPR_RSP && (insn->op_bytes > 1 || insn->rex || insn->reg < 4);
}

static void store_plain(u64 *gpr, unsigned size, u64 value)
{
	switch (size) {
	case 1: *gpr = (*gpr & ~0xffull) | (u8)value; break;
	case 2: *gpr = (*gpr & ~0xffffull) | (u16)value; break;
	case 4: *gpr = (u32)value; break;
	default: *gpr = value;
	}
}

/* Does the memory operand begin at a page's begin? False too where that takes more to find out. */
static bool is_at_page_start(const struct vcpu *v, const struct insn *insn)
{
	u64 at = insn->disp;

	if (insn->mode != CPU_MODE_64 || insn->addr_bytes != 8 || insn->segment == SEG_FS ||
	    insn->segment == SEG_GS || insn->base == GPR_RSP)
		return false;
	if (insn->base == REG_RIP)
		at += v->cur->rip + insn->length;
	else if (insn->base != REG_NONE)
		at += v->gpr[insn->base];
	if (insn->index != REG_NONE)
		at += v->gpr[insn->index] << insn->scale;
	return !(at & ~PAGE_MASK);
}

/* Carries out a MOV between a register (or an immediate) and the device register of v->exit. False:
 * it is something else; nothing was done. */
static bool move_device(struct vcpu *v, const struct insn *insn)
{
	const struct exit *x = &v->exit;
	bool is_write = x->stage2.access & ACCESS_WRITE;
	u64 offset = x->stage2.address & ~PAGE_MASK;
	gpa_t at = GPA(x->stage2.address);

	if (insn->op != OP_MOV || !x->stage2.final || offset + insn->op_bytes > PAGE_SIZE)
		return false;
	/* The second half of an access over a page's end comes with offset 0 too. */
	if (!offset && !is_at_page_start(v, insn))
		return false;
	if (insn->form == FORM_RM_IMM && is_write)
		vcpu_mmio_write(v, at, insn->op_bytes, insn->imm);
	else if (insn->form == FORM_RM_REG && is_write && is_plain_register(insn))
		vcpu_mmio_write(v, at, insn->op_bytes, v->gpr[insn->reg]);
	else if (insn->form == FORM_REG_RM && !is_write && is_plain_register(insn))
		store_plain(&v->gpr[insn->reg], insn->op_bytes,
			    vcpu_mmio_read(v, at, insn->op_bytes));
	else
		return false;
	return true;
}

enum handled emulate_device_access(struct vcpu *v)
{
	const struct insn *insn = code_insn(v);

	if (!insn || !move_device(v, insn))
		return emulate_insn(v, insn);
	v->exit.rip_next = v->cur->rip + insn->length;
	exit_advance(v);
	return HANDLED_RESUME;
}

enum handled emulate_denied_fetch(struct vcpu *v, bool is_memory)
{
	if (!is_memory) {
		vm_kill(v, "the guest runs at physical address %#llx, where there is no memory",
			(unsigned long long)v->exit.stage2.address);
		return HANDLED_KILL;
	}
	events_raise_page_fault(v, code_linear(v),
				PF_ERR_P | PF_ERR_I | (vcpu_cpl(v) == 3 ? PF_ERR_U : 0));
	return HANDLED_INJECT;
}

bool emulate_is_hypercall(struct vcpu *v)
{
	struct insn insn;
	u8 bytes[15];
	unsigned avail = code_fetch(v, bytes);
	int length = decode(bytes, avail, vcpu_mode(v), &insn);

	if (length <= 0 || (insn.op != OP_VMCALL && insn.op != OP_VMMCALL))
		return false;
	v->exit.insn_len = length;
	v->exit.rip_next = v->cur->rip + length;
	v->exit.have |= EXIT_LENGTH;
	return true;
}
