/* SPDX-License-Identifier: GPL-2.0-only */
/* The life of a guest: made, started by whoever owns CPUs, ended once, taken apart. */
#include "vcpu/vm.h"

#include "arch/x86/cpu.h"
#include "arch/x86/memory.h"
#include "arch/x86/percpu.h"
#include "arch/x86/smp.h"
#include "arch/x86/time.h"
#include "console/console.h"
#include "include/x86/exception.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vcpu/events.h"
#include "vcpu/handshake.h"
#include "vcpu/registers.h"
#include "vcpu/report.h"
#include "vcpu/startup.h"
#include "vcpu/time.h"

/* From now, in ticks of the TSC: months on the fastest CPU. What is farther away than that may not
 * fit into nanoseconds, or back, and counts as never. */
#define FAR_TICKS	BIT(56)

/* Exits that L0 always wants: what would touch the host, or that the guest must not see the host's
 * of. */
static const u8 l0_wants[] = {
	EXIT_EXTINT, EXIT_NMI, EXIT_INIT, EXIT_TRIPLE_FAULT, EXIT_CPUID, EXIT_HLT, EXIT_INVD, EXIT_WBINVD,
	EXIT_RDPMC, EXIT_RSM, EXIT_MONITOR, EXIT_MWAIT, EXIT_XSETBV, EXIT_RDPRU, EXIT_IO, EXIT_MSR, EXIT_SVM_INSN,
	EXIT_VMX_INSN, EXIT_VMCALL, EXIT_CR_READ, EXIT_CR_WRITE,
};

static void init_controls(struct vcpu *v)
{
	for (unsigned i = 0; i < ARRAY_SIZE(l0_wants); i++)
		want(&v->l0, l0_wants[i]);
	/* #DB and #AC: a guest could make the CPU deliver them for ever (CVE-2015-5307,
	 * CVE-2015-8104). #UD: VMCALL. #MC: the host's. */
	v->l0.exceptions = BIT(EXC_DB) | BIT(EXC_AC) | BIT(EXC_UD) | BIT(EXC_MC);
	v->l0.cr_write = BIT(0) | BIT(4) | BIT(8);
	v->l0.cr_read = BIT(8);
	/* Breakpoints that stay on after an exit would be Plinth's: on such a CPU (QEMU 7.2) the
	 * guest has a DR7 to read and write, but no breakpoints. */
	if (!v->backend->caps->dr7_clear) {
		want(&v->l0, EXIT_DR_ACCESS);
		v->l0.dr_read = v->l0.dr_write = DR7_ACCESSES;
	}
	v->l0.cr8 = CR8_L1_APIC;
	v->l0.intr_gate = GATE_L2_IF;
	v->l0.tsc_offset = -v->vm->start_tsc;
}

/* --- What the devices ask of the vCPUs (called with the board locked). --- */

static void on_console_out(void *ctx, const u8 *bytes, size_t n)
{
	struct vm *vm = ctx;

	console_guest_write(&vm->line, bytes, n);
}

static void on_debug_out(void *ctx, u8 byte)
{
	on_console_out(ctx, &byte, 1);
}

static void on_power(void *ctx, enum board_power what, u32 value)
{
	static const u8 end[] = {
		[BOARD_OFF] = VM_POWERED_OFF, [BOARD_RESET] = VM_RESET, [BOARD_DEBUG_EXIT] = VM_DEBUG_EXIT,
	};

	vm_end(ctx, end[what], value);
}

static void on_kick(void *ctx, unsigned vcpu)
{
	struct vm *vm = ctx;

	vcpu_kick(vm->vcpu[vcpu], REQUEST_EVENT);
}

static void on_apic_event(void *ctx, unsigned vcpu, enum apic_delivery delivery, u8 vector)
{
	struct vcpu *v = ((struct vm *)ctx)->vcpu[vcpu];

	switch (delivery) {
	case APIC_NMI:
		events_add_nmi(v);
		vcpu_kick(v, REQUEST_EVENT);
		break;
	case APIC_INIT:
		__atomic_store_n(&v->nmi_pending, 0, __ATOMIC_SEQ_CST);
		startup_note_init(v);
		vcpu_kick(v, REQUEST_STARTUP);
		break;
	case APIC_STARTUP:
		if (startup_note_sipi(v, vector))
			vcpu_kick(v, REQUEST_STARTUP);
		break;
	default:
		break;
	}
}

static u64 on_tsc_to_ns(void *ctx, unsigned vcpu, u64 tsc)
{
	struct vm *vm = ctx;
	const struct vcpu *v = vm->vcpu[vcpu];
	u64 now = vcpu_tsc(v);
	/* The guest's TSC at 0 ns, modulo 2^64: "before 0" if the guest has set it back. */
	u64 start = vm->start_tsc + v->l0.tsc_offset;

	if (tsc <= now)
		return 0;
	return tsc - now >= FAR_TICKS ? CLOCK_NEVER : tsc_to_ns_up(tsc - start);
}

/* Page by page: neighbours need not be one piece of the host's memory. */
static bool on_copy_memory(void *ctx, gpa_t at, void *bytes, size_t size, bool to_guest)
{
	struct vm *vm = ctx;

	while (size) {
		size_t part = MIN(size, PAGE_SIZE - at.v % PAGE_SIZE);
		u8 *memory = vm_memory(vm, at, part, to_guest ? RIGHT_W : RIGHT_R);

		if (!memory)
			return false;
		if (to_guest)
			memcpy(memory, bytes, part);
		else
			memcpy(bytes, memory, part);
		at.v += part;
		bytes = (u8 *)bytes + part;
		size -= part;
	}
	return true;
}

static const struct board_ops board_ops = {
	.console_out = on_console_out,
	.debug_out = on_debug_out,
	.power = on_power,
	.kick = on_kick,
	.apic_event = on_apic_event,
	.tsc_to_ns = on_tsc_to_ns,
	.copy_memory = on_copy_memory,
};

static const struct mmu_ops mmu_ops = { .flush = handshake_mmu_flush };

/* --- The end --- */

/* Whoever comes first ends the guest; all its vCPUs stop as soon as they look. */
static bool begin_end(struct vm *vm, enum vm_end how)
{
	u32 runs = VM_RUNS;

	if (!__atomic_compare_exchange_n(&vm->state, &runs, how, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		vcpu_kick(vm->vcpu[i], REQUEST_END);
	return true;
}

void vm_end(struct vm *vm, enum vm_end how, u32 value)
{
	if (!begin_end(vm, how))
		return;
	console_guest_end(&vm->line);
	if (how == VM_POWERED_OFF)
		kprintf("guest %s: ended: powered off", vm->name);
	else if (how == VM_RESET)
		kprintf("guest %s: ended: reset", vm->name);
	else if (how == VM_DEBUG_EXIT)
		kprintf("guest %s: ended: debug exit 0x%02x", vm->name, value);
}

void vm_kill(struct vcpu *v, const char *format, ...)
{
	struct vm *vm = v->vm;
	char why[VM_WHY_SIZE];
	va_list args;

	if (!begin_end(vm, VM_KILLED))
		return;
	vm->guilty = v;
	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	console_guest_end(&vm->line);
	kprintf("guest %s: ended: killed: %s", vm->name, why);
	report_vcpu(v);
}

/* --- Making --- */

static struct cpuid_leaf host_cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r = cpuid(leaf, subleaf);

	return (struct cpuid_leaf){ r.eax, r.ebx, r.ecx, r.edx };
}

static void *take(u64 size)
{
	hpa_t at = frames_alloc(&host_frames, ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE, PAGE_SIZE, 0);

	return at.v ? memset(phys_to_virt(at), 0, ALIGN_UP(size, PAGE_SIZE)) : NULL;
}

static void give_back(void *p, u64 size)
{
	if (p)
		frames_free(&host_frames, virt_to_phys(p), ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE);
}

static struct vcpu *create_vcpu(struct vm *vm, unsigned index, const struct page_format *stage2)
{
	struct vcpu *v = take(sizeof(*v));

	if (!v)
		return NULL;
	v->vm = vm;
	v->backend = vm->backend;
	v->index = index;
	v->cur = &v->ctx[0];
	v->gif = true;
	v->place = PLACE_PARKED;	/* until a CPU runs it */
	v->gva_walk.ops = v->ngpa_walk.ops = &vcpu_walk_ops;
	v->gva_walk.ctx = v->ngpa_walk.ctx = v;
	v->gva_walk.pdptr_in_memory = vm->backend->caps->pdptr_in_memory;
	v->mmu = &v->root_mmu;
	init_controls(v);
	startup_power_on(v);
	msr_state_init(&v->msrs);
	if (!mmu_init(&v->root_mmu, &vm->mmu, stage2, NULL) ||
	    !vm->backend->ctx_create(v, v->cur)) {
		give_back(v, sizeof(*v));
		return NULL;
	}
	msr_pass_through(v);
	return v;
}

struct vm *vm_create(const struct vm_config *config)
{
	struct vm *vm = take(sizeof(*vm));
	const struct page_format *stage2;

	if (!vm)
		return NULL;
	snprintf(vm->name, sizeof(vm->name), "%s", config->name);
	vm->backend = config->backend;
	console_line_init(&vm->line, config->sole ? NULL : vm->name);
	vm->input.lock = SPINLOCK(RANK_INPUT);
	vm->nr_vcpus = config->nr_vcpus;
	vm->start_tsc = rdtsc();
	slots_init(&vm->slots);
	fmt_set_init(&vm->formats);
	cpuid_policy_init(&vm->cpuid, host_cpuid, vm->nr_vcpus, false);
	mmu_vm_init(&vm->mmu, &vm->slots, &host_frames, config->mmu_frames,
		    config->small_pages ? 1 : FMT_MAX_LEVELS, &mmu_ops, vm);
	stage2 = fmt_find(&vm->formats, vm->backend->stage2_mode());
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		vm->vcpu[i] = create_vcpu(vm, i, stage2);
		if (!vm->vcpu[i]) {
			vm_destroy(vm);
			return NULL;
		}
	}
	board_init(&vm->board, &(struct board_config){
		.memory_below_4g = config->memory_below_4g,
		.memory_above_4g = config->memory_above_4g,
		.nr_vcpus = vm->nr_vcpus,
		.unix_time = config->unix_time,
		.merge_ticks = config->merge_ticks,
		.ops = &board_ops,
		.ctx = vm,
	});
	return vm;
}

void vm_destroy(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = vm->vcpu[i];

		vm->vcpu[i] = NULL;	/* the mmu's last flush must not ask it any more */
		if (!v)
			continue;
		mmu_finish(&v->root_mmu);
		vm->backend->ctx_destroy(v, &v->ctx[0]);
		give_back(v, sizeof(*v));
	}
	mmu_vm_destroy(&vm->mmu);
	give_back(vm, sizeof(*vm));
}
