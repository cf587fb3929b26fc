/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Puts a guest together: its description from the modules (loader/), its memory from the host's
 * frames, its devices and vCPUs (vcpu/), a backend. Each vCPU has a host CPU of its own: guest 1's
 * first the CPU that booted, its second the next, and so on.
 */
#include "boot/guests.h"

#include "arch/x86/host_msrs.h"
#include "arch/x86/cpu.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/memory.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/rtc.h"
#include "arch/x86/smp.h"
#include "arch/x86/trap.h"
#include "boot/backends.h"
#include "boot/crash.h"
#include "console/console.h"
#include "devices/acpi.h"
#include "include/assert.h"
#include "include/x86/cr.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "loader/config.h"
#include "loader/load.h"
#include "loader/memory_map.h"
#include "vcpu/report.h"
#include "vcpu/run.h"
#include "vcpu/vm.h"

/* Page tables may take a 64th of the guest's memory (all of it in 4 KiB pages takes a 512th and a
 * little), and never less than this. */
#define MMU_FRAMES_MIN	256
#define MMU_FRAMES(mem)	(MMU_FRAMES_MIN + (mem) / PAGE_SIZE / 64)
static_assert(CONFIG_MAX_CPUS == VM_MAX_VCPUS, "what a configuration accepts can be made");

/* Pieces that a guest's memory may be put together from, where the host's is in pieces. */
#define MAX_PIECES	16

struct guest {
	const struct guest_config *config;
	struct vm *vm;
	struct { hpa_t at; u64 size; } piece[MAX_PIECES];
	unsigned nr_pieces;
	u64 identity_map;	/* hpa of its page; 0: none */
	u64 firmware, firmware_size;	/* hpa of the ROM below 4 GiB; 0: none */
	u64 clearing;		/* ticks of the TSC that it took to clear them */
	char fault[CONFIG_FAULT_SIZE];
};

static struct config config;
static struct guest guests[BOOT_MAX_MODULES];
static bool input_paused;	/* the guest has no room for more input: COM1 doesn't interrupt */
static const struct vcpu_backend *backend;
static bool wants_report, wants_host_check, wants_alloc_test;
static enum forced_crash crash_at_input;
static u64 modules_kept;	/* bytes of the boot loader's files that were not given back */

static printf_like(2, 3) bool refuse(struct guest *g, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(g->fault, sizeof(g->fault), format, args);
	va_end(args);
	return false;
}

/* A piece of host memory, as large as there is but at most `size`, aligned for the largest pages.
 */
static hpa_t take_piece(u64 *size)
{
	hpa_t at;

	for (;;) {
		at = frames_alloc(&host_frames, *size / PAGE_SIZE,
				  *size >= GIB(1) ? GIB(1) : MIB(2), 0);
		if (!at.v && *size >= GIB(1))
			at = frames_alloc(&host_frames, *size / PAGE_SIZE, MIB(2), 0);
		if (at.v || *size <= MIB(2))
			return at;
		*size = ALIGN_UP(*size / 2, MIB(2));
	}
}

/* Zeroes, but writes only where something else stands: memory that nobody has written yet is often
 * all zeroes, and then stays untouched. Whole pages. */
static void clear(u8 *at, u64 size)
{
	for (u64 i = 0; i < size; i += PAGE_SIZE) {
		const u64 *word = (const u64 *)(at + i);
		u64 any = 0;

		for (unsigned j = 0; j < PAGE_SIZE / sizeof(*word); j += 4)
			any |= word[j] | word[j + 1] | word[j + 2] | word[j + 3];
		if (any)
			memset(at + i, 0, PAGE_SIZE);
	}
}

/* Nothing is touched for a guest that can't fit. */
static bool take_memory(struct guest *g, u64 size)
{
	u64 free = frames_available(&host_frames), from;

	while (size && size <= free) {
		u64 part = size;
		hpa_t at = g->nr_pieces < MAX_PIECES ? take_piece(&part) : HPA(0);

		if (!at.v)
			return false;
		from = rdtsc();
		clear(phys_to_virt(at), part);
		g->clearing += rdtsc() - from;
		g->piece[g->nr_pieces].at = at;
		g->piece[g->nr_pieces++].size = part;
		size -= part;
		free -= part;
	}
	return !size;
}

static void release(struct guest *g)
{
	if (g->vm)
		vm_destroy(g->vm);
	g->vm = NULL;
	for (unsigned i = 0; i < g->nr_pieces; i++)
		frames_free(&host_frames, g->piece[i].at, g->piece[i].size / PAGE_SIZE);
	g->nr_pieces = 0;
	if (g->identity_map)
		frames_free(&host_frames, HPA(g->identity_map), 1);
	g->identity_map = 0;
	if (g->firmware)
		frames_free(&host_frames, HPA(g->firmware), g->firmware_size / PAGE_SIZE);
	g->firmware = 0;
}

/* Maps guest physical [base, base + size) onto the pieces, from byte `from` of all of them on. */
static bool add_slots(struct guest *g, u64 base, u64 size, u64 from, u8 rights)
{
	for (unsigned i = 0; i < g->nr_pieces && size; i++) {
		u64 part;
		hpa_t host;

		if (from >= g->piece[i].size) {
			from -= g->piece[i].size;
			continue;
		}
		part = MIN(size, g->piece[i].size - from);
		host = HPA(g->piece[i].at.v + from);
		if (!slots_add(&g->vm->slots, GPA(base), part, host, phys_to_virt(host), rights))
			return false;
		base += part;
		size -= part;
		from = 0;
	}
	return !size;
}

/* The memory map of loader/memory_map.h. Below 4 GiB a guest address is an offset into the pieces.
 */
static bool map_memory(struct guest *g, u64 mem)
{
	u64 low = memory_low_top(mem);
	u8 roms = g->firmware ? RIGHTS_ALL : RIGHTS_ALL & ~RIGHT_W;

	if (!g->firmware) {
		g->vm->rom = GPA(MEMORY_ROMS);
		g->vm->rom_size = MEMORY_HIGH_BASE - MEMORY_ROMS;
	}
	return add_slots(g, 0, MEMORY_LOW_END, 0, RIGHTS_ALL) &&
	       add_slots(g, MEMORY_ROMS, MEMORY_HIGH_BASE - MEMORY_ROMS, MEMORY_ROMS, roms) &&
	       (low <= MEMORY_HIGH_BASE || add_slots(g, MEMORY_HIGH_BASE, low - MEMORY_HIGH_BASE,
						     MEMORY_HIGH_BASE, RIGHTS_ALL)) &&
	       (mem <= MEMORY_GAP ||
		add_slots(g, MEMORY_GAP_END, mem - MEMORY_GAP, MEMORY_GAP, RIGHTS_ALL));
}

/* 4 GiB one to one in pages of 4 MiB, for a guest without paging on hardware that can't do without. The
 * guest sees the page, but can't change it. */
static bool add_identity_map(struct guest *g)
{
	struct vm *vm = g->vm;
	const struct page_format *f = fmt_find(
		&vm->formats, fmt_mode_cpu(CR0_PE | CR0_PG, CR4_PSE, 0, vm->cpuid.paging));
	u32 *table;

	g->identity_map = host_take_pages(1, 0, 0);
	if (!f || !g->identity_map)
		return false;
	table = phys_to_virt(HPA(g->identity_map));
	for (u64 i = 0; i < PAGE_SIZE / sizeof(*table); i++)
		table[i] = (u32)fmt_make_leaf(f, 2, i << fmt_shift(f, 2), FMT_EVERY_RIGHT, MEMORY_WB);
	vm->identity_map = MEMORY_IDENTITY_MAP;
	return slots_add(&vm->slots, GPA(MEMORY_IDENTITY_MAP), PAGE_SIZE, HPA(g->identity_map), table,
			 RIGHT_R);
}

/* The place of a firmware's image, which load() fills. */
static bool add_firmware(struct guest *g, u64 size)
{
	struct vm *vm = g->vm;

	if (!load_is_firmware_size(size))
		return true;	/* the loader says why not */
	g->firmware = host_take_pages((unsigned)(size / PAGE_SIZE), 0, 0);
	g->firmware_size = size;
	if (!g->firmware)
		return false;
	vm->rom = GPA(MEMORY_GAP_END - size);
	vm->rom_size = size;
	return slots_add(&vm->slots, vm->rom, size, HPA(g->firmware),
			 phys_to_virt(HPA(g->firmware)), RIGHTS_ALL & ~RIGHT_W);
}

static bool set_rights(struct guest *g)
{
	const struct guest_config *c = g->config;

	for (unsigned i = 0; i < c->nr_rights; i++) {
		const struct config_rights *r = &c->rights[i];

		if ((fmt_narrow(g->vm->vcpu[0]->mmu->host, r->rights) & RIGHTS_ALL) != r->rights)
			return refuse(
				g,
				"rights=%#llx+%#llx: this CPU's nested paging can't say exactly these "
				"rights; without execute-only pages r must be given, and s only with u",
				(unsigned long long)r->base.v, (unsigned long long)r->size);
		if (!slots_set_rights(&g->vm->slots, r->base, r->size, r->rights))
			return refuse(g, "rights=%#llx+%#llx: not all of it is the guest's memory",
				      (unsigned long long)r->base.v, (unsigned long long)r->size);
	}
	return true;
}

static void set_start(struct vcpu *v, const struct guest_start *start)
{
	struct cpu_ctx *c = v->cur;

	memcpy(v->gpr, start->gpr, sizeof(v->gpr));
	c->rsp = start->gpr[GPR_RSP];
	c->rip = start->rip;
	c->rflags = start->rflags;
	c->cr0 = start->cr0;
	c->cr3 = start->cr3;
	c->cr4 = start->cr4;
	c->efer = start->efer;
	memcpy(c->seg, start->segment, sizeof(c->seg));
	c->gdtr = start->gdtr;
	c->idtr = start->idtr;
	c->available = c->dirty = CTX_ALL;
}

static bool load(struct guest *g, const struct boot_info *boot)
{
	const struct guest_config *c = g->config;
	const struct boot_module *kernel = &boot->module[c->kernel];
	u8 *roms = slots_pointer(&g->vm->slots, GPA(MEMORY_ROMS), MEMORY_HIGH_BASE - MEMORY_ROMS,
				 RIGHT_R);
	u8 *tables = roms + MEMORY_TABLES - MEMORY_ROMS;
	struct guest_start start;
	char why[LOAD_WHY_SIZE];
	struct load_request request = {
		.kernel = phys_to_virt(kernel->base),
		.kernel_size = kernel->size,
		.protocol = c->protocol,
		.nr_modules = c->nr_modules,
		.cmdline = c->cmdline,
		.slots = &g->vm->slots,
		.mem = c->mem,
		.rsdp = GPA(MEMORY_TABLES),
	};

	for (unsigned i = 0; i < c->nr_modules; i++) {
		const struct boot_module *m = &boot->module[c->module[i].index];

		request.module[i] = (struct load_module){ phys_to_virt(m->base), m->size,
							  c->module[i].string };
	}
	if (!roms)
		return refuse(g, "its ROM area is in two pieces");
	memset(roms, 0xff, MEMORY_TABLES - MEMORY_ROMS);
	if (!acpi_build(tables, ACPI_TABLES_SIZE, GPA(MEMORY_TABLES), g->vm->nr_vcpus))
		return refuse(g, "its ACPI tables don't fit");
	if (load_guest(&request, &start, why, sizeof(why)) != LOAD_OK)
		return refuse(g, "%s", why);
	if (!set_rights(g))
		return false;
	set_start(g->vm->vcpu[0], &start);
	if (c->cpus == 1)
		kprintf("guest %s: %s, %llu MiB, on CPU %u", c->name, start.protocol,
			(unsigned long long)c->mem >> 20, g->vm->vcpu[0]->cpu);
	else
		kprintf("guest %s: %s, %llu MiB, on CPUs %u to %u", c->name, start.protocol,
			(unsigned long long)c->mem >> 20, g->vm->vcpu[0]->cpu,
			g->vm->vcpu[c->cpus - 1]->cpu);
	return true;
}

/* Host CPUs are given out in order; those below `cpu` are taken. */
static bool has_cpus(struct guest *g, unsigned cpu)
{
	unsigned wanted = g->config->cpus, all = smp_count();

	if (wanted <= all - cpu)
		return true;
	if (wanted == 1)
		return refuse(
			g,
			"no host CPU is left for it: this machine has %u, and each guest needs one of its "
			"own; leave a guest out, or take a machine with more CPUs",
			all);
	return refuse(g,
		      "cpus=%u: each needs a host CPU of its own; this machine has %u, of which the guests "
		      "before it have taken %u. Give it fewer, or take a machine with more CPUs",
		      wanted, all, cpu);
}

static bool create(struct guest *g, const struct boot_info *boot, unsigned cpu, bool sole)
{
	const struct guest_config *c = g->config;
	u64 low = memory_low_top(c->mem), free = frames_available(&host_frames);

	if (!has_cpus(g, cpu))
		return false;
	if (!take_memory(g, ALIGN_UP(MAX(c->mem, MIB(2)), MIB(2))))
		return refuse(
			g,
			"the host has not enough memory left for mem=%lluM, in aligned pieces of 2 MiB or "
			"more (%llu MiB are free); give the guest less or the machine more",
			(unsigned long long)c->mem >> 20, (unsigned long long)free >> 20);
	g->vm = vm_create(&(struct vm_config){
		.name = c->name, .backend = backend, .nr_vcpus = c->cpus, .sole = sole,
		.memory_below_4g = low, .memory_above_4g = c->mem - low,
		.unix_time = rtc_unix_time(), .mmu_frames = MMU_FRAMES(c->mem),
		.small_pages = c->small_pages, .merge_ticks = c->merge_ticks,
	});
	if (!g->vm)
		return refuse(g, "the host has no memory left for its control structures");
	for (unsigned i = 0; i < c->cpus; i++)
		g->vm->vcpu[i]->cpu = cpu + i;
	if (backend->caps->identity_map && !add_identity_map(g))
		return refuse(g, "the host has no memory left for its control structures");
	if (c->protocol == LOAD_FIRMWARE && !add_firmware(g, boot->module[c->kernel].size))
		return refuse(g, "the host has no memory left for its firmware");
	if (!map_memory(g, c->mem))
		return refuse(g, "mem=%lluM: the host's memory is in too many pieces for it",
			      (unsigned long long)c->mem >> 20);
	return load(g, boot);
}

/* What is typed goes to the first guest that runs; NULL = none does. */
static struct vm *input_reader(void)
{
	for (unsigned i = 0; i < config.nr_guests; i++) {
		struct vm *vm = guests[i].vm;

		if (vm && vm->state == VM_RUNS)
			return vm;
	}
	return NULL;
}

/* On any CPU. With a byte waiting, the interrupt comes as soon as it is let through again. */
static void resume_input(void)
{
	if (__atomic_exchange_n(&input_paused, false, __ATOMIC_SEQ_CST))
		console_rx_interrupt(true);
}

/* More than the guest has room for waits in the host's UART, which stops the sender. */
static void on_console_input(u8 vector)
{
	struct vm *vm = input_reader();
	int byte;

	crash(crash_at_input);
	while (!vm || vm_input_has_room(vm)) {
		byte = console_getc();
		if (byte < 0)
			return;
		if (vm)
			vm_console_input(vm, byte);
	}
	console_rx_interrupt(false);
	__atomic_store_n(&input_paused, true, __ATOMIC_SEQ_CST);
	/* Meanwhile the guest may have taken some, or ended. */
	if (vm_input_has_room(vm) || __atomic_load_n(&vm->state, __ATOMIC_SEQ_CST) != VM_RUNS)
		resume_input();
}

static void tell_changed_msr(const char *name, u64 before, u64 after)
{
	kprintf("  %s is %#llx, was %#llx", name, (unsigned long long)after,
		(unsigned long long)before);
}

static void check_host(const struct vcpu *v, const struct host_msrs *before)
{
	struct host_msrs after;
	unsigned changed;

	host_msrs_read(&after);
	changed = host_msrs_compare(before, &after, tell_changed_msr);
	if (changed)
		kprintf("guest %s, vCPU %u: %u host MSRs changed", v->vm->name, v->index, changed);
	else
		kprintf("guest %s, vCPU %u: host MSRs unchanged", v->vm->name, v->index);
}

/* All vCPUs have stopped. */
static void report_end(const struct vm *vm)
{
	if (vm->state == VM_KILLED && vm->nr_vcpus > 1)
		report_others(vm);
	for (unsigned i = 0; wants_report && i < vm->nr_vcpus; i++)
		report_exits(vm->vcpu[i]);
}

/* A vCPU has stopped, or couldn't be started. The last one's CPU does what is left to do. */
static void vcpu_stopped(struct vm *vm)
{
	if (__atomic_sub_fetch(&vm->nr_running, 1, __ATOMIC_ACQ_REL) > 1)
		return;
	report_end(vm);
	__atomic_store_n(&vm->nr_running, 0, __ATOMIC_RELEASE);
	resume_input();
	smp_kick(0);
}

/* On the vCPU's own CPU. */
static void run_vcpu(void *arg)
{
	struct vcpu *v = arg;
	struct host_msrs before;

	if (wants_host_check)
		host_msrs_read(&before);
	vcpu_run(v);
	if (wants_host_check)
		check_host(v, &before);
	vcpu_stopped(v->vm);
}

/* Where the host's memory is, in KiB: what is in none of these is Plinth's own. */
static void report_memory(const struct boot_info *boot)
{
	u64 all = 0, ram = 0, tables = 0;

	for (unsigned i = 0; i < boot->nr_ranges; i++)
		all += boot->range[i].ram ? boot->range[i].size : 0;
	for (unsigned i = 0; i < config.nr_guests; i++) {
		tables += guests[i].vm ? guests[i].vm->mmu.pool.used * PAGE_SIZE : 0;
		for (unsigned j = 0; j < guests[i].nr_pieces; j++)
			ram += guests[i].piece[j].size;
	}
	kprintf("memory: %llu KiB; free %llu, guests' RAM %llu, page tables %llu, modules %llu",
		(unsigned long long)all >> 10,
		(unsigned long long)frames_available(&host_frames) >> 10,
		(unsigned long long)ram >> 10, (unsigned long long)tables >> 10,
		(unsigned long long)modules_kept >> 10);
}

/* When the guests' first instructions came, by the TSC, which begins at 0 with the machine. */
static void report_starts(void)
{
	for (unsigned i = 0; i < config.nr_guests; i++)
		if (guests[i].vm)
			kprintf("guest %s: started %llu ticks after power-on, %llu of them to clear its memory",
				guests[i].vm->name,
				(unsigned long long)guests[i].vm->vcpu[0]->start_tsc,
				(unsigned long long)guests[i].clearing);
}

static void start_console_input(void)
{
	for (unsigned i = 0; i < config.nr_guests; i++)
		if (guests[i].vm)
			guests[i].vm->input.drained = resume_input;
	irq_set_handler(VECTOR_COM1, on_console_input);
	if (host_ioapic_route(4, VECTOR_COM1, percpu_of(0)->apic_id))
		console_rx_interrupt(true);
}

/* Makes the guest once for each allocation that this takes, with that one failing, and takes it
 * apart again: says how many there were, and how much memory was lost (none, ever). */
static void fail_each_allocation(struct guest *g, const struct boot_info *boot, unsigned cpu,
				 bool sole)
{
	u64 free = frames_available(&host_frames);
	unsigned n = 0, refused = 0;
	bool has_failed;

	do {
		frames_fail(&host_frames, ++n);
		refused += !create(g, boot, cpu, sole);
		has_failed = !frames_fail(&host_frames, 0);
		release(g);
		g->fault[0] = 0;
		g->clearing = 0;
	} while (has_failed);
	kprintf("guest %s: %u allocations failed in turn, %u times it was refused, %lld bytes lost",
		g->config->name, n - 1, refused,
		(long long)(free - frames_available(&host_frames)));
}

static unsigned create_all(const struct boot_info *boot)
{
	unsigned cpu = 0;
	bool sole = config.nr_guests == 1;

	for (unsigned i = 0; i < config.nr_guests; i++) {
		struct guest *g = &guests[i];

		g->config = &config.guest[i];
		if (wants_alloc_test && !g->config->fault[0])
			fail_each_allocation(g, boot, cpu, sole);
		if (g->config->fault[0])
			refuse(g, "%s", g->config->fault);
		else if (create(g, boot, cpu, sole))
			cpu += g->config->cpus;
		if (!g->fault[0])
			continue;
		release(g);
		kprintf("guest %s: refused: %s", g->config->name, g->fault);
	}
	return cpu;
}

/* Their contents are in the guests' memory now. The first MiB is nobody's, whatever a loader puts
 * there. */
static void release_modules(const struct boot_info *boot)
{
	for (unsigned i = 0; i < boot->nr_modules; i++) {
		u64 base = MAX(ALIGN_UP(boot->module[i].base.v, PAGE_SIZE), MIB(1));
		u64 end = ALIGN_DOWN(boot->module[i].base.v + boot->module[i].size, PAGE_SIZE);

		modules_kept += boot->module[i].size;
		/* Not freed but added: a loader may have laid one over another. */
		if (end > base && frames_add(&host_frames, HPA(base), end - base))
			modules_kept -= end - base;
	}
}

/* Starts all vCPUs but the one of CPU 0. A CPU that doesn't answer ends the guest. */
static void start_guest(struct vm *vm)
{
	vm->nr_running = vm->nr_vcpus + 1;	/* the one is vcpu_stopped()'s, until it has reported */
	for (unsigned i = vm->nr_vcpus; i-- > 0;) {
		struct vcpu *v = vm->vcpu[i];

		if (!v->cpu || smp_run_on(v->cpu, run_vcpu, v))
			continue;
		kprintf("guest %s: refused: CPU %u doesn't answer", vm->name, v->cpu);
		vm_end(vm, VM_KILLED, 0);
		vcpu_stopped(vm);
	}
}

static void run_all(void)
{
	for (unsigned i = 0; i < config.nr_guests; i++)
		if (guests[i].vm)
			start_guest(guests[i].vm);
	for (unsigned i = 0; i < config.nr_guests; i++)
		if (guests[i].vm && guests[i].vm->vcpu[0]->cpu == 0)
			run_vcpu(guests[i].vm->vcpu[0]);
	for (unsigned i = 0; i < config.nr_guests; i++)
		while (guests[i].vm && __atomic_load_n(&guests[i].vm->nr_running, __ATOMIC_ACQUIRE))
			cpu_wait_for_irq();
}

void guests_fail_allocations(void)
{
	wants_alloc_test = true;
}

void guests_crash_at_input(enum forced_crash how)
{
	crash_at_input = how;
}

static void print_line(const char *line)
{
	kprintf("%s", line);
}

const char *guests_run(const struct boot_info *boot, bool report_exits, bool compare_host)
{
	const char *why;

	wants_report = report_exits;
	wants_host_check = compare_host;
	config_parse(&config, boot);
	for (unsigned i = 0; i < config.nr_faults; i++)
		kprintf("%s", config.fault[i]);
	if (boot->modules_left_out)
		kprintf("%u modules are left out: %u is the most", boot->modules_left_out,
			BOOT_MAX_MODULES);
	why = backend_start(&backend);
	if (why)
		return why;
	capabilities_print(backend, print_line);
	vcpu_run_init();
	panic_vcpu_report = report_panic;
	if (!create_all(boot))
		return NULL;
	release_modules(boot);
	start_console_input();
	run_all();
	if (wants_report) {
		report_starts();
		report_memory(boot);
	}
	return NULL;
}
