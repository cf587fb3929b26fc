/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starting CPUs (SDM vol. 3A, "Multiple-Processor (MP) Initialization"; INIT, then two STARTUPs),
 * the idle loop, and the slot of work that every CPU has in its block.
 */
#include "arch/x86/smp.h"

#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/machine_check.h"
#include "arch/x86/memory.h"
#include "arch/x86/paging.h"
#include "arch/x86/percpu.h"
#include "arch/x86/time.h"
#include "arch/x86/trampoline.h"
#include "arch/x86/trap.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "lib/string.h"

#define DESCRIPTOR_CODE64	0x00af9b000000ffffull
#define DESCRIPTOR_DATA		0x00cf93000000ffffull

#define AFTER_INIT_US		200		/* only external APICs, before long mode, need 10 ms */
#define FIRST_STARTUP_US	1000		/* then another STARTUP is sent */
#define ONLINE_TIMEOUT_US	1000000
#define POLL_US			10

static unsigned nr_online = 1;

unsigned smp_count(void)
{
	return __atomic_load_n(&nr_online, __ATOMIC_ACQUIRE);
}

static bool take_work(struct percpu *cpu)
{
	u32 ready = WORK_READY;

	return __atomic_compare_exchange_n(&cpu->work.state, &ready, WORK_RUNNING, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

void smp_idle(void)
{
	struct percpu *cpu = this_cpu();

	irq_disable();
	for (;;) {
		if (take_work(cpu)) {
			cpu->work.fn(cpu->work.arg);
			__atomic_store_n(&cpu->work.state, WORK_NONE, __ATOMIC_RELEASE);
		} else {
			cpu_wait_for_irq();
		}
	}
}

bool smp_run_on(unsigned index, void (*fn)(void *arg), void *arg)
{
	u32 none = WORK_NONE;
	struct percpu *cpu;

	if (index >= smp_count())
		return false;
	cpu = percpu_of(index);
	if (!__atomic_compare_exchange_n(&cpu->work.state, &none, WORK_CLAIMED, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return false;
	cpu->work.fn = fn;
	cpu->work.arg = arg;
	__atomic_store_n(&cpu->work.state, WORK_READY, __ATOMIC_RELEASE);
	smp_kick(index);
	return true;
}

bool smp_is_busy(unsigned cpu)
{
	return cpu < smp_count() &&
	       __atomic_load_n(&percpu_of(cpu)->work.state, __ATOMIC_ACQUIRE) != WORK_NONE;
}

void smp_kick(unsigned cpu)
{
	if (cpu < smp_count())
		apic_send(percpu_of(cpu)->apic_id, VECTOR_KICK);
}

/* Where a CPU comes out of the trampoline, on its main stack. */
static void enter_cpu(void *arg)
{
	struct percpu *cpu = arg;

	paging_setup_cpu();
	percpu_load(cpu);
	machine_check_setup_cpu();
	apic_setup_cpu();
	timer_setup_cpu();
	__atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
	smp_idle();
}

static void fill_trampoline(u8 *page, u32 physical, const struct percpu *cpu)
{
	struct trampoline_parameters p = {
		.cr3 = (u32)read_cr3(),
		.efer = (u32)(rdmsr(MSR_EFER) & (EFER_NXE | EFER_LME)),
		.stack = percpu_stack_top(cpu->index),
		.entry = (u64)enter_cpu,
		.argument = (u64)cpu,
		.far_offset = physical + (u32)(trampoline_64 - trampoline_start),
		.far_selector = SEL_CODE64,
		.gdt_limit = sizeof(p.gdt) - 1,
		.gdt_base = physical + TRAMPOLINE_PARAMETERS + TRAMPOLINE_GDT,
		.gdt = { 0, DESCRIPTOR_CODE64, DESCRIPTOR_DATA },
	};

	memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	memcpy(page + TRAMPOLINE_PARAMETERS, &p, sizeof(p));
}

static bool wait_online(const struct percpu *cpu, u64 us)
{
	for (u64 waited = 0; waited < us; waited += POLL_US) {
		if (__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE))
			return true;
		udelay(POLL_US);
	}
	return __atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE);
}

/* A CPU that doesn't answer in time is sent back into INIT, so that it can't come up later, in the
 * trampoline of another one. */
static bool start_cpu(struct percpu *cpu, hpa_t page)
{
	u8 startup_page = (u8)(page.v >> PAGE_SHIFT);

	fill_trampoline(phys_to_virt(page), (u32)page.v, cpu);
	apic_send_init(cpu->apic_id);
	udelay(AFTER_INIT_US);
	apic_send_startup(cpu->apic_id, startup_page);
	if (wait_online(cpu, FIRST_STARTUP_US))
		return true;
	apic_send_startup(cpu->apic_id, startup_page);
	if (wait_online(cpu, ONLINE_TIMEOUT_US))
		return true;
	apic_send_init(cpu->apic_id);
	return false;
}

unsigned smp_start(void)
{
	hpa_t page = host_trampoline_page();
	u32 self = this_cpu()->apic_id;
	unsigned created = 1;

	for (unsigned i = 0; page.v && i < acpi.nr_cpus; i++) {
		u32 id = acpi.cpu[i];

		if (id == self || nr_online >= MAX_CPUS || !apic_can_reach(id))
			continue;
		/* The block of a CPU that didn't come is used for the next one. */
		if (nr_online == created && !percpu_create(created++, id))
			break;
		percpu_of(nr_online)->apic_id = id;
		if (start_cpu(percpu_of(nr_online), page))
			__atomic_store_n(&nr_online, nr_online + 1, __ATOMIC_RELEASE);
	}
	return nr_online;
}
