/* SPDX-License-Identifier: MIT */
/*
 * The suite's one guest: its memory, its tables, its vCPU, and the way to its next exit. Owns
 * what of all this comes back with each case.
 */
#include "tests/conform/conform.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/memory.h"
#include "arch/x86/percpu.h"
#include "arch/x86/time.h"
#include "include/x86/msr.h"
#include "lib/string.h"
#include "vcpu/cpu_state.h"
#include "vcpu/handshake.h"
#include "vcpu/registers.h"

#define MMU_FRAMES	256
#define CODE_ATTR	(SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_CODE | SEG_TYPE_READABLE | \
			 SEG_TYPE_ACCESSED)
#define DATA_ATTR	(SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED)
#define DPL_3		SEG_ATTR_DPL
#define BUSY_TSS	11u
#define ENTRY_FLAGS	7ull	/* present, writable, user */

bool kinds_seen[NR_EXIT_KINDS];
static const struct vcpu_backend *backend;
static struct vm *vm;
static u8 *memory;
static unsigned size_of_code;
static bool is_attached, rights_changed, rang;
static u64 alarm_ticks;

const struct vcpu_backend *guest_backend(void)
{
	return backend;
}

void *guest_at(unsigned at)
{
	return memory + at;
}

/* --- Its memory --- */

static void write_page_tables(void)
{
	guest_words(AT_PML4)[0] = AT_PDPT | ENTRY_FLAGS;
	guest_words(AT_PDPT)[0] = AT_PD | ENTRY_FLAGS;
	guest_words(AT_PD)[0] = AT_PT | ENTRY_FLAGS;
	for (u64 i = 0; i < (AT_NOTHING >> PAGE_SHIFT) + 16; i++)
		guest_words(AT_PT)[i] = i << PAGE_SHIFT | ENTRY_FLAGS;
}

static void write_descriptors(void)
{
	static const u64 gdt[] = {
		0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00affb000000ffff, 0x00cff3000000ffff,
		0x00008b0000000067 | (u64)AT_TSS << 16, 0,		/* a busy 64-bit TSS */
		0x00cf9b000000ffff, 0x00cf13000000ffff,			/* 32-bit code; absent data */
		0x0000820000000fff | (u64)AT_LDT << 16, 0,		/* an LDT */
	};
	u32 *rsp0 = guest_at(AT_TSS + 4);

	memcpy(guest_at(AT_GDT), gdt, sizeof(gdt));
	*rsp0 = AT_STACK + PAGE_SIZE;
}

static const u8 *hypercall(void)
{
	static const u8 bytes[NR_VENDORS][HYPERCALL_SIZE] = {
		[SVM] = { 0x0f, 0x01, 0xd9 }, [VMX] = { 0x0f, 0x01, 0xc1 },
	};

	return bytes[vendor];
}

static bool has_error_code(unsigned vector)
{
	return vector < 32 && (BIT(vector) & 0x27d00);	/* DF, TS, NP, SS, GP, PF, AC */
}

/* Each vector's handler: a hypercall; without the error code, IRETQ. */
static void write_handlers(void)
{
	static const u8 drop[] = { 0x48, 0x83, 0xc4, 0x08 }, iretq[] = { 0x48, 0xcf };

	for (unsigned i = 0; i < 256; i++) {
		u64 *gate = guest_words(AT_IDT + 16 * i);
		unsigned to = AT_STUBS + STUB_SIZE * i;
		u8 *stub = guest_at(to);

		gate[0] = (to & 0xffff) | GUEST_CODE64 << 16 | 0xee00ull << 32;
		gate[1] = 0;
		memcpy(stub, hypercall(), HYPERCALL_SIZE);
		stub += HYPERCALL_SIZE;
		if (has_error_code(i)) {
			memcpy(stub, drop, sizeof(drop));
			stub += sizeof(drop);
		}
		memcpy(stub, iretq, sizeof(iretq));
	}
}

static void write_memory(struct code code)
{
	memset(memory, 0, GUEST_SIZE);
	write_page_tables();
	write_descriptors();
	write_handlers();
	size_of_code = code_size(code);
	memcpy(guest_at(AT_CODE), code.from, size_of_code);
	memcpy(guest_at(end_address()), hypercall(), HYPERCALL_SIZE);
}

/* So that no exit but those that a case is about is for want of a table. */
static void fill_table(struct vcpu *v, unsigned at)
{
	struct mmu_fault_info info;

	if (mmu_fault(v->mmu, at, ACCESS_READ, &info) != MMU_RETRY)
		expect(false, "the page can be mapped", at);
}

static void fill_tables(struct vcpu *v)
{
	for (unsigned at = 0; at < GUEST_SIZE; at += PAGE_SIZE)
		fill_table(v, at);
}

void set_rights(struct vcpu *v, unsigned at, u8 rights)
{
	bool done = slots_set_rights(&vm->slots, GPA(at), PAGE_SIZE, rights);

	expect(done, "a page of the guest gets other rights", at);
	mmu_zap_range(&vm->mmu, GPA(at), PAGE_SIZE);
	if (rights & RIGHT_R)
		fill_table(v, at);
	rights_changed = true;
}

static void restore_rights(struct vcpu *v)
{
	if (!rights_changed)
		return;
	expect(slots_set_rights(&vm->slots, GPA(0), GUEST_SIZE, RIGHTS_ALL), "rights come back", 0);
	mmu_zap_range(&vm->mmu, GPA(0), GUEST_SIZE);
	rights_changed = false;
}

/* --- Its registers --- */

static void set_segments(struct cpu_ctx *c)
{
	struct segment data = { GUEST_DATA, DATA_ATTR | SEG_ATTR_DB | SEG_ATTR_G, ~0u, 0 };

	for (unsigned i = 0; i < NR_SEGMENTS; i++)
		c->seg[i] = data;
	c->seg[SEG_CS] = (struct segment){ GUEST_CODE64, CODE_ATTR | SEG_ATTR_L | SEG_ATTR_G, ~0u, 0 };
	c->seg[SEG_LDTR] = (struct segment){ 0 };
	c->seg[SEG_TR] = (struct segment){ GUEST_TSS, SEG_ATTR_P | BUSY_TSS, 0x67, AT_TSS };
	c->gdtr = (struct table){ AT_GDT, 11 * 8 - 1 };
	c->idtr = (struct table){ AT_IDT, PAGE_SIZE - 1 };
}

static void set_registers(struct cpu_ctx *c)
{
	void *hw = c->hw;

	*c = (struct cpu_ctx){
		.available = CTX_ALL, .dirty = CTX_ALL, .hw = hw,
		.rip = AT_CODE, .rflags = RFLAGS_FIXED, .rsp = AT_STACK + PAGE_SIZE,
		.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG,
		.cr3 = AT_PML4,
		.cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | (read_cr4() & CR4_OSXSAVE),
		.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
		.pat = PAT_RESET, .dr6 = DR6_FIXED, .dr7 = DR7_FIXED,
	};
	set_segments(c);
}

void guest_to_user(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;

	c->seg[SEG_CS].selector = GUEST_CODE64_U;
	c->seg[SEG_CS].attr |= DPL_3;
	c->seg[SEG_SS].selector = GUEST_DATA_U;
	c->seg[SEG_SS].attr |= DPL_3;
	c->rsp = AT_USER_STACK + PAGE_SIZE;
}

void guest_to_compat(struct vcpu *v)
{
	struct segment *cs = &v->cur->seg[SEG_CS];

	cs->selector = GUEST_CODE32;
	cs->attr = (cs->attr & ~SEG_ATTR_L) | SEG_ATTR_DB;
}

/* --- Its vCPU --- */

static void make_context(struct vcpu *v, unsigned level)
{
	struct cpu_ctx *c = &v->ctx[level];
	bool done = backend->ctx_create(v, c);

	assert(done);
	set_registers(c);
}

void guest_detach(struct vcpu *v)
{
	if (is_attached)
		backend->detach(v);
	is_attached = false;
}

void guest_attach(struct vcpu *v)
{
	backend->attach(v);
	is_attached = true;
	reprogram(v);
	backend->set_root(v);
	vcpu_request(v, REQUEST_FLUSH);
}

static void forget(struct vcpu *v)
{
	guest_detach(v);
	for (unsigned level = 0; level < 2; level++)
		backend->ctx_destroy(v, &v->ctx[level]);
	v->l0 = v->l1 = (struct controls){ 0 };
	v->inject = v->interrupted = v->raised = (struct event){ 0 };
	memset(v->gpr, 0, sizeof(v->gpr));
	v->requests = 0;
	v->memo.page = MEMO_NONE;
	v->paging_stale = true;
	v->gif = true;
}

struct vcpu *guest_begin(struct code code, unsigned level)
{
	static const u8 needed[] = {
		EXIT_EXTINT, EXIT_NMI, EXIT_TRIPLE_FAULT, EXIT_VMCALL, EXIT_MSR,
	};
	struct vcpu *v = vm->vcpu[0];

	forget(v);
	restore_rights(v);
	fill_tables(v);
	write_memory(code);
	v->cur = &v->ctx[level];
	make_context(v, level);
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++)
		want(&v->l0, needed[i]);
	v->gpr[GPR_RBX] = v->gpr[GPR_RSI] = v->gpr[GPR_RDI] = AT_DATA;
	vcpu_load_cpu_state(v);
	guest_attach(v);
	alarm_ticks = 0;
	return v;
}

void guest_add_context(struct vcpu *v, unsigned level)
{
	make_context(v, level);
}

void guest_switch(struct vcpu *v, unsigned level)
{
	v->cur = &v->ctx[level];
	v->memo.page = MEMO_NONE;
	v->paging_stale = true;
	guest_attach(v);
}

void reprogram(struct vcpu *v)
{
	backend->program(v);
}

/* --- To its next exit --- */

static void on_timer(void)
{
	rang = true;
}

void alarm_in(u64 ticks)
{
	alarm_ticks = ticks;
}

bool alarm_rang(void)
{
	return rang;
}

/* Whether the exit is but the host's. */
static bool is_hosts_own(struct vcpu *v)
{
	struct mmu_fault_info info;

	switch (v->exit.kind) {
	case EXIT_EXTINT:
		cpu_take_interrupts();
		return !rang;
	case EXIT_STAGE2:
		return v->interrupted.type == EVENT_NONE &&
		       mmu_fault(v->mmu, v->exit.stage2.address, v->exit.stage2.access, &info) ==
			       MMU_RETRY;
	}
	return false;
}

void go(struct vcpu *v)
{
	rang = false;
	timer_arm(rdtsc() + (alarm_ticks ? alarm_ticks : GO_SECONDS * 1000 * tsc_khz));
	alarm_ticks = 0;
	do {
		if (__atomic_exchange_n(&v->requests, 0, __ATOMIC_SEQ_CST) & REQUEST_FLUSH)
			handshake_flush(v);
		backend->run(v);
	} while (is_hosts_own(v));
	timer_disarm();
	kinds_seen[v->exit.kind] = true;
}

void inject_event(struct vcpu *v, const struct event *e)
{
	struct cpu_ctx *c = v->cur;

	ctx_need(v, CTX_CR2 | CTX_DR);
	if (e->type == EVENT_EXCEPTION && e->vector == EXC_PF)
		c->cr2 = e->payload;
	if (e->type == EVENT_EXCEPTION && e->vector == EXC_DB)
		c->dr6 |= e->payload;
	if (e->type == EVENT_NMI)
		c->block.nmi = true;
	c->block.sti = c->block.mov_ss = false;
	ctx_dirty(v, CTX_CR2 | CTX_DR | CTX_BLOCK);
	v->interrupted.type = EVENT_NONE;
	backend->inject(v, e);
}

unsigned end_address(void)
{
	return AT_CODE + size_of_code;
}

bool is_at_end(const struct vcpu *v)
{
	return v->exit.kind == EXIT_VMCALL && v->cur->rip == end_address();
}

bool is_at_stub(const struct vcpu *v, unsigned vector)
{
	return v->exit.kind == EXIT_VMCALL && v->cur->rip == AT_STUBS + STUB_SIZE * vector;
}

void pass_hypercall(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;

	c->rip += HYPERCALL_SIZE;
	c->block.sti = c->block.mov_ss = false;
	ctx_dirty(v, CTX_IP | CTX_BLOCK);
}

const u64 *guest_frame(struct vcpu *v)
{
	u64 vector = (v->cur->rip - AT_STUBS) / STUB_SIZE;
	bool has_error = vector < 32 && has_error_code((unsigned)vector);

	ctx_need(v, CTX_SP);
	if (v->cur->rsp >= GUEST_SIZE - 8 * 8)
		return guest_words(AT_LDT);
	return guest_words((unsigned)v->cur->rsp + (has_error ? 8 : 0));
}

const char *guest_make(const struct vcpu_backend *chosen)
{
	hpa_t at = frames_alloc(&host_frames, GUEST_SIZE / PAGE_SIZE, PAGE_SIZE, 0);

	backend = chosen;
	if (!at.v)
		return "there is not enough memory";
	memory = phys_to_virt(at);
	vm = vm_create(&(struct vm_config){
		.name = "conform", .backend = backend, .nr_vcpus = 1, .sole = true,
		.memory_below_4g = GUEST_SIZE, .mmu_frames = MMU_FRAMES, .small_pages = true,
	});
	if (!vm || !slots_add(&vm->slots, GPA(0), GUEST_SIZE, at, memory, RIGHTS_ALL) ||
	    !mmu_root(vm->vcpu[0]->mmu).v)
		return "there is not enough memory";
	this_cpu()->vcpu = vm->vcpu[0];
	timer_set_handler(on_timer);
	return NULL;
}
