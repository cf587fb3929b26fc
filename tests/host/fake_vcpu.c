/* SPDX-License-Identifier: MIT */
/*
 * A vCPU without a CPU, to be included by a test: a backend that records what it is asked, a
 * hardware block that is a second cpu_ctx, and the host's functions that vcpu/ calls.
 *
 * The block is strict. While a register group is not available, the context's copy of it is
 * rubbish, so that who forgets ctx_need() sees it; at an entry only dirty groups reach the block,
 * so that who forgets ctx_dirty() sees that too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "vcpu/cpu_state.h"
#include "vcpu/registers.h"
#include "vcpu/time.h"
#include "vcpu/vm.h"

#define FAKE_MEMORY	0x100000u
#define FAKE_ARENA	0x100000u

static struct vm vm;
static struct vcpu vcpu, *const v = &vcpu;
static struct cpu_ctx block;			/* the "hardware" */
static struct backend_caps caps;
static aligned_to(4096) u8 memory[FAKE_MEMORY];	/* the guest's, from physical 0 */
static aligned_to(4096) u8 arena[FAKE_ARENA];	/* the host's */
static struct frames frames;

static struct fake {
	struct event injected[16];
	unsigned nr_injected, windows, programs, flushes, loads, interrupts_taken, machine_checks;
	bool injecting, intr_window, nmi_window;
	int interrupt;			/* what the local APIC offers; -1: nothing */
	bool takes_back;		/* it has nothing any more when asked for it */
	bool flush_takes_time;		/* the mmu's flushes end after they were asked for */
	unsigned accepted, debug_resets, apic_inits;
	unsigned kills, vm_flushes, resumes;
	bool paused, other_pauses;	/* the second: another vCPU is pausing */
	char why[200];
	u64 dr[4], xcr0, tsc_aux, tsc, cr8, apic_value, epoch;
	u32 pkru, apic_index;
	unsigned apic_reads, apic_writes;
	bool apic_refuses;
	struct { u16 port; u8 size; u32 value; } out[8];
	unsigned nr_out;
	u32 in_value, nr_in;
	unsigned passed[64], nr_passed;
	struct { u32 have; unsigned length, gpr; } tells;	/* of exit_fill() */
} fake;

/* --- The block --- */

#define PART(group, field) \
	{ group, offsetof(struct cpu_ctx, field), sizeof(((struct cpu_ctx *)0)->field) }
static const struct { u32 group; size_t at, size; } parts[] = {
	PART(CTX_IP, rip), PART(CTX_FLAGS, rflags), PART(CTX_SP, rsp),
	PART(CTX_CS_SS, seg[SEG_CS]), PART(CTX_CS_SS, seg[SEG_SS]),
	PART(CTX_SEGS, seg[SEG_ES]), PART(CTX_SEGS, seg[SEG_DS]), PART(CTX_SEGS, seg[SEG_FS]),
	PART(CTX_SEGS, seg[SEG_GS]), PART(CTX_SEGS, seg[SEG_LDTR]), PART(CTX_SEGS, seg[SEG_TR]),
	PART(CTX_TABLES, gdtr), PART(CTX_TABLES, idtr),
	PART(CTX_CR0_CR4, cr0), PART(CTX_CR0_CR4, cr4), PART(CTX_CR2, cr2), PART(CTX_CR3, cr3),
	PART(CTX_EFER, efer), PART(CTX_PAT, pat), PART(CTX_DR, dr6), PART(CTX_DR, dr7),
	PART(CTX_PDPTR, pdptr), PART(CTX_SYSENTER, sysenter),
	PART(CTX_LOADSAVE, kernel_gs_base), PART(CTX_LOADSAVE, star), PART(CTX_LOADSAVE, lstar),
	PART(CTX_LOADSAVE, cstar), PART(CTX_LOADSAVE, sfmask), PART(CTX_DEBUGCTL, debugctl),
	PART(CTX_BLOCK, block.sti), PART(CTX_BLOCK, block.mov_ss),
};
#undef PART

/* Made from the others: SDM vol. 1, "Modes of Operation"; CS.L counts in long mode only. */
static void fake_make_code(struct cpu_ctx *c)
{
	u16 attr = block.seg[SEG_CS].attr;

	if ((block.efer & EFER_LMA) && (attr & SEG_ATTR_L)) {
		c->code_linear = block.rip;
		c->code_mode = CPU_MODE_64;
	} else {
		c->code_linear = (u32)(block.rip + block.seg[SEG_CS].base);
		c->code_mode = attr & SEG_ATTR_DB ? CPU_MODE_32 : CPU_MODE_16;
	}
}

static void fake_copy(struct cpu_ctx *to, const struct cpu_ctx *from, u32 groups)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i].group & groups)
			memcpy((u8 *)to + parts[i].at, (const u8 *)from + parts[i].at,
			       parts[i].size);
}

static void fake_load(struct vcpu *who, u32 groups)
{
	fake.loads++;
	fake_copy(who->cur, &block, groups);
	if (groups & CTX_CODE)
		fake_make_code(who->cur);
	if (groups & CTX_CPL)
		who->cur->cpl = (block.seg[SEG_SS].attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
	who->cur->available |= groups;
}

/* The entry: what is dirty reaches the hardware, the injected event is taken. */
static inline void fake_enter(void)
{
	assert_int_equal(v->cur->dirty & ~v->cur->available, 0);
	fake_copy(&block, v->cur, v->cur->dirty);
	v->cur->dirty = 0;
	fake.injecting = false;
}

/* The exit: the context knows where the guest is, and of the other registers nothing. */
static void fake_leave(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		memset((u8 *)v->cur + parts[i].at, 0xa5, parts[i].size);
	v->cur->code_linear = 0xa5a5a5a5a5a5a5a5ull;
	v->cur->code_mode = v->cur->cpl = 0xa5;
	v->cur->available = 0;
	fake_load(v, CTX_IP | CTX_FLAGS | CTX_BLOCK | CTX_CR3 | CTX_CODE | CTX_CPL);
	fake.loads--;
	memset(&v->exit, 0, sizeof(v->exit));
}

/* The guest as `block` says, just after an exit. */
static void fake_state(void)
{
	v->cur->dirty = 0;
	fake_leave();
}

static void fake_inject(struct vcpu *who, const struct event *e)
{
	if (e->type == EVENT_NONE) {
		fake.injecting = false;
		return;
	}
	assert_false(fake.injecting);
	assert_true(fake.nr_injected < ARRAY_SIZE(fake.injected));
	fake.injected[fake.nr_injected++] = *e;
	fake.injecting = true;
}

static bool fake_is_injecting(const struct vcpu *who)
{
	return fake.injecting;
}

static void fake_window(struct vcpu *who, bool intr, bool nmi)
{
	fake.windows++;
	fake.intr_window = intr;
	fake.nmi_window = nmi;
}

static void fake_exit_fill(struct vcpu *who, u32 have)
{
	u32 known = have & fake.tells.have;

	if (known & EXIT_LENGTH) {
		who->exit.insn_len = fake.tells.length;
		who->exit.rip_next = block.rip + fake.tells.length;
	}
	if (known & EXIT_OPERAND)
		who->exit.cr.gpr = fake.tells.gpr;
	who->exit.have |= known;
}

static void fake_program(struct vcpu *who)
{
	fake.programs++;
}

static void fake_flush(struct vcpu *who)
{
	fake.flushes++;
}

static void fake_set_root(struct vcpu *who)
{
}

static void fake_pass_msr(struct vcpu *who, u32 index, bool read, bool write)
{
	assert_true(fake.nr_passed < ARRAY_SIZE(fake.passed));
	assert_true(read && write);
	fake.passed[fake.nr_passed++] = index;
}

static const struct vcpu_backend backend = {
	.name = "fake", .caps = &caps, .load = fake_load, .exit_fill = fake_exit_fill,
	.program = fake_program, .inject = fake_inject, .is_injecting = fake_is_injecting,
	.window = fake_window, .flush = fake_flush, .set_root = fake_set_root,
	.pass_msr = fake_pass_msr,
};

/* --- The host's functions --- */

u64 cpu_state_xcr0(void) { return fake.xcr0; }
void cpu_state_set_xcr0(u64 value) { fake.xcr0 = value; }
u64 cpu_state_tsc_aux(void) { return fake.tsc_aux; }
void cpu_state_set_tsc_aux(u64 value) { fake.tsc_aux = value; }
u64 cpu_state_dr(unsigned index) { return fake.dr[index]; }
void cpu_state_set_dr(unsigned index, u64 value) { fake.dr[index] = value; }
u32 cpu_state_pkru(void) { return fake.pkru; }
void cpu_state_vector(unsigned reg, unsigned size, void *to) { memset(to, 0, size); }
void cpu_state_set_vector(unsigned reg, unsigned size, bool clear, const void *from) { }
void cpu_state_x87(struct emulate_x87 *x) { }
u16 cpu_state_fsw(void) { return 0; }
u32 cpu_state_mxcsr(void) { return 0x1f80; }
u32 cpu_state_mxcsr_mask(void) { return 0xffff; }
void cpu_state_set_mxcsr(u32 value) { }
void cpu_state_reset(u64 xcr0) { fake.xcr0 = xcr0 ? 1 : 0; }
void cpu_state_reset_debug(void) { fake.debug_resets++; }
void cpu_take_interrupts(void) { fake.interrupts_taken++; }
void cpu_take_machine_check(void) { fake.machine_checks++; }

void vcpu_kick(struct vcpu *who, u32 requests)
{
	vcpu_request(who, requests);
}

void vm_flush(struct vm *m)
{
	fake.vm_flushes++;
	mmu_flushed(&m->mmu, fake.epoch);
}

bool vm_pause(struct vcpu *self)
{
	fake.paused = !fake.other_pauses;
	return fake.paused;
}

void vm_resume(struct vcpu *self)
{
	assert_true(fake.paused);
	fake.paused = false;
	fake.resumes++;
}

void vm_kill(struct vcpu *who, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fake.why, sizeof(fake.why), format, args);
	va_end(args);
	fake.kills++;
	who->vm->state = VM_KILLED;
}

u64 vcpu_tsc(const struct vcpu *who) { return fake.tsc; }
void vcpu_set_tsc(struct vcpu *who, u64 value) { fake.tsc = value; }
void vcpu_apic_init(struct vcpu *who) { fake.apic_inits++; }
u64 vcpu_apic_cr8(struct vcpu *who) { return fake.cr8; }
void vcpu_apic_set_cr8(struct vcpu *who, u8 value) { fake.cr8 = value; }
bool vcpu_interrupt_pending(struct vcpu *who) { return fake.interrupt >= 0; }

int vcpu_interrupt_accept(struct vcpu *who)
{
	int vector = fake.takes_back ? -1 : fake.interrupt;

	fake.interrupt = -1;
	fake.accepted += vector >= 0;
	return vector;
}

bool vcpu_apic_rdmsr(struct vcpu *who, u32 index, u64 *value)
{
	fake.apic_reads++;
	fake.apic_index = index;
	*value = fake.apic_value;
	return !fake.apic_refuses;
}

bool vcpu_apic_wrmsr(struct vcpu *who, u32 index, u64 value)
{
	fake.apic_writes++;
	fake.apic_index = index;
	fake.apic_value = value;
	return !fake.apic_refuses;
}

u32 vcpu_port_read(struct vcpu *who, u16 port, unsigned size)
{
	fake.nr_in++;
	return fake.in_value;
}

void vcpu_port_write(struct vcpu *who, u16 port, unsigned size, u32 value)
{
	assert_true(fake.nr_out < ARRAY_SIZE(fake.out));
	fake.out[fake.nr_out].port = port;
	fake.out[fake.nr_out].size = size;
	fake.out[fake.nr_out++].value = value;
}

u64 vcpu_mmio_read(struct vcpu *who, gpa_t at, unsigned size) { return ~0ull; }
void vcpu_mmio_write(struct vcpu *who, gpa_t at, unsigned size, u64 value) { }

/* --- A fresh one for each test --- */

static bool fake_mmu_flush(void *ctx, u64 epoch)
{
	fake.epoch = epoch;
	return !fake.flush_takes_time;
}

static const struct mmu_ops fake_mmu_ops = { .flush = fake_mmu_flush };

static void fake_segments(u16 cs_attr)
{
	for (unsigned i = 0; i < NR_SEGMENTS; i++)
		block.seg[i] =
			(struct segment){ .attr = SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_WRITABLE,
					  .limit = ~0u };
	block.seg[SEG_CS].attr =
		SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_CODE | SEG_TYPE_READABLE | cs_attr;
}

/* 64-bit code at CPL 0 and RIP 1000H; page tables are the test's affair. */
static void fake_long_mode(void)
{
	block.cr0 = CR0_PE | CR0_PG | CR0_ET;
	block.cr4 = CR4_PAE;
	block.efer = EFER_LME | EFER_LMA;
	fake_segments(SEG_ATTR_L);
}

/* 32-bit code at CPL 0 without paging. */
static inline void fake_protected_mode(void)
{
	block.cr0 = CR0_PE | CR0_ET;
	block.cr4 = block.efer = 0;
	fake_segments(SEG_ATTR_DB);
}

/* 16-bit code with the base that real mode gives a selector. */
static inline void fake_real_mode(u64 base)
{
	block.cr0 = CR0_ET;
	block.cr4 = block.efer = 0;
	fake_segments(0);
	block.seg[SEG_CS].base = base;
}

/* What the processor of the tests has, unless a test says otherwise: everything that guests may. */
static void fake_policy(void)
{
	vm.cpuid.cr4 = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE |
		       CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 |
		       CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE;
	vm.cpuid.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	vm.cpuid.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
	vm.cpuid.ext[8].eax = 40;
	vm.cpuid.paging = FMT_MAXPHYADDR(40) | FMT_GIB | FMT_PSE36 | FMT_BIT8_RESERVED;
	vm.cpuid.k8 = true;
}

static void fake_mmu(void)
{
	const struct page_format *npt;
	u32 cpu = FMT_MAXPHYADDR(40) | FMT_GIB | FMT_BIT8_RESERVED;

	frames_init(&frames, (u64)arena - 0x10000000);
	assert_true(frames_add(&frames, HPA(0x10000000), FAKE_ARENA));
	mmu_vm_init(&vm.mmu, &vm.slots, &frames, 64, FMT_MAX_LEVELS, &fake_mmu_ops, &vm);
	npt = fmt_find(&vm.formats, fmt_mode_npt(CR0_PE | CR0_PG | CR0_WP, CR4_PAE,
						 EFER_LMA | EFER_LME | EFER_NXE, cpu));
	assert_non_null(npt);
	assert_true(mmu_init(&v->root_mmu, &vm.mmu, npt, NULL));
	v->mmu = &v->root_mmu;
}

static int fake_setup(void **state)
{
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&block, 0, sizeof(block));
	memset(&fake, 0, sizeof(fake));
	memset(memory, 0, sizeof(memory));
	fake.interrupt = -1;
	fake.xcr0 = XCR0_X87;
	caps = (struct backend_caps){ .nested_paging = true, .pdptr_in_memory = true, .tags = 16 };
	vm.backend = v->backend = &backend;
	vm.nr_vcpus = 1;
	vm.vcpu[0] = v;
	vm.board.lock = SPINLOCK(RANK_BOARD);
	slots_init(&vm.slots);
	assert_true(slots_add(&vm.slots, GPA(0), FAKE_MEMORY, HPA(0x40000000), memory, RIGHTS_ALL));
	fmt_set_init(&vm.formats);
	msr_state_init(&v->msrs);
	fake_policy();
	v->vm = &vm;
	v->cur = &v->ctx[0];
	v->cur->hw = &block;
	v->gif = v->paging_stale = true;
	v->gva_walk = (struct pagewalk){ .ops = &vcpu_walk_ops, .ctx = v, .pdptr_in_memory = true };
	v->memo.page = MEMO_NONE;
	fake_mmu();
	fake_long_mode();
	block.rip = 0x1000;
	block.rflags = RFLAGS_FIXED | RFLAGS_IF;
	block.dr6 = DR6_FIXED;
	block.dr7 = DR7_FIXED;
	fake_state();
	return 0;
}

static int fake_teardown(void **state)
{
	mmu_finish(&v->root_mmu);
	mmu_vm_destroy(&vm.mmu);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
