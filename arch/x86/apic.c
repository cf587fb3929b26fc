/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver of the physical local APIC (SDM vol. 3A, "Advanced Programmable Interrupt
 * Controller"): modes, interrupts between CPUs, the timer. IOAPICs are ioapic.c's.
 */
#include "arch/x86/apic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/percpu.h"
#include "arch/x86/time.h"
#include "arch/x86/trap.h"
#include "include/x86/apic.h"
#include "include/x86/cpuid.h"
#include "include/x86/msr.h"

#define XAPIC_MAX_ID		254	/* 255 is everybody */
#define X2APIC_MAX_ID		0xfffffffe
#define DIVIDE_BY_1		0xbu	/* of the divide configuration register */
#define COUNTER_MAX		0xffffffffu
#define SEND_TIMEOUT_US		1000
#define MEASURE_US		2000

enum timer_mode { TIMER_COUNTER, TIMER_DEADLINE };

static bool x2apic;
static u8 *registers;			/* xAPIC mode */
static enum timer_mode timer_mode;
static u64 counts_per_tick;		/* of the counter per tick of the TSC, with 32 fractional bits */
static void (*timer_handler)(void);

static u32 apic_read(u32 reg)
{
	return x2apic ? (u32)rdmsr(MSR_X2APIC + (reg >> 4)) : mmio_read32(registers + reg);
}

static void apic_write(u32 reg, u32 value)
{
	if (x2apic)
		wrmsr(MSR_X2APIC + (reg >> 4), value);
	else
		mmio_write32(registers + reg, value);
}

bool apic_init(u32 max_id)
{
	struct cpuid_regs features = cpuid(CPUID_FEATURES, 0);
	u64 base;

	if (!(features.edx & CPUID_1D_APIC))
		return false;
	base = rdmsr(MSR_APIC_BASE);
	if (!(base & APIC_BASE_ENABLE))
		return false;
	x2apic = (base & APIC_BASE_X2APIC) ||
		 (max_id > XAPIC_MAX_ID && (features.ecx & CPUID_1C_X2APIC));
	if (!x2apic) {
		registers = map_mmio(HPA(base & APIC_BASE_ADDRESS), PAGE_SIZE);
		if (!registers)
			return false;
	}
	apic_setup_cpu();
	return true;
}

/* Every CPU gets into the mode of the first; out of x2APIC mode there is no direct way. */
static void enter_mode(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	if (!(base & APIC_BASE_ENABLE))
		wrmsr(MSR_APIC_BASE, base |= APIC_BASE_ENABLE);
	if (x2apic && !(base & APIC_BASE_X2APIC))
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
}

void apic_setup_cpu(void)
{
	unsigned max_lvt;

	enter_mode();
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
	max_lvt = apic_read(APIC_VERSION) >> APIC_VERSION_MAX_LVT_SHIFT & 0xff;
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | VECTOR_TIMER);
	apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);	/* the 8259s come in here */
	apic_write(APIC_LVT_LINT1, APIC_NMI << APIC_DELIVERY_SHIFT);
	apic_write(APIC_LVT_ERROR, APIC_LVT_MASKED | VECTOR_APIC_ERROR);
	if (max_lvt >= 4)
		apic_write(APIC_LVT_PERF, APIC_LVT_MASKED);
	if (max_lvt >= 5)
		apic_write(APIC_LVT_THERMAL, APIC_LVT_MASKED);
	if (max_lvt >= 6)
		apic_write(APIC_LVT_CMCI, APIC_LVT_MASKED);
	apic_eoi();
}

u32 apic_id(void)
{
	u32 id = apic_read(APIC_ID);

	return x2apic ? id : id >> 24;
}

bool apic_can_reach(u32 id)
{
	return id <= (x2apic ? X2APIC_MAX_ID : XAPIC_MAX_ID);
}

/* Also before there is an APIC, for a stray interrupt. */
void apic_eoi(void)
{
	if (x2apic || registers)
		apic_write(APIC_EOI, 0);
}

static void wait_until_sent(void)
{
	u64 end = rdtsc() + SEND_TIMEOUT_US * (tsc_khz / 1000 + 1);

	while ((apic_read(APIC_ICR) & APIC_STATUS_PENDING) && rdtsc() < end)
		cpu_pause();
}

static void send(u32 id, u32 command)
{
	if (!x2apic && !registers)
		return;
	if (x2apic) {
		/* A write to the MSR may otherwise overtake the stores that the receiver is to see
		 * (SDM vol. 3A, "MSR Access in x2APIC Mode"). */
		asm volatile("mfence; lfence" : : : "memory");
		wrmsr(MSR_X2APIC + (APIC_ICR >> 4), (u64)id << 32 | command);
		return;
	}
	wait_until_sent();
	apic_write(APIC_ICR_HIGH, id << APIC_ICR_DEST_SHIFT);
	apic_write(APIC_ICR, command);
	wait_until_sent();
}

void apic_send(u32 id, u8 vector)
{
	send(id, APIC_FIXED << APIC_DELIVERY_SHIFT | APIC_ICR_ASSERT | vector);
}

void apic_send_nmi_to_others(void)
{
	send(0, APIC_NMI << APIC_DELIVERY_SHIFT | APIC_ICR_ASSERT | APIC_ICR_OTHERS);
}

void apic_send_init(u32 id)
{
	send(id, APIC_INIT << APIC_DELIVERY_SHIFT | APIC_ICR_ASSERT | APIC_ICR_LEVEL);
}

void apic_send_startup(u32 id, u8 page)
{
	send(id, APIC_STARTUP << APIC_DELIVERY_SHIFT | APIC_ICR_ASSERT | page);
}

static void start_counter(u64 ticks)
{
	u64 count = (u64)((unsigned __int128)ticks * counts_per_tick >> 32) + 1;

	/* What is too far away for the counter is reached in several steps. */
	apic_write(APIC_TIMER_INITIAL, (u32)MIN(count, COUNTER_MAX));
}

void timer_arm(u64 deadline)
{
	u64 now;

	this_cpu()->timer_deadline = deadline ? deadline : 1;
	if (timer_mode == TIMER_DEADLINE) {
		wrmsr(MSR_TSC_DEADLINE, this_cpu()->timer_deadline);
		return;
	}
	now = rdtsc();
	start_counter(deadline > now ? deadline - now : 0);
}

void timer_disarm(void)
{
	this_cpu()->timer_deadline = 0;
	if (timer_mode == TIMER_DEADLINE)
		wrmsr(MSR_TSC_DEADLINE, 0);
	else
		apic_write(APIC_TIMER_INITIAL, 0);
}

static void timer_interrupt(u8 vector)
{
	struct percpu *cpu = this_cpu();

	if (!cpu->timer_deadline)
		return;
	if (rdtsc() < cpu->timer_deadline) {
		timer_arm(cpu->timer_deadline);
		return;
	}
	cpu->timer_deadline = 0;
	if (timer_handler)
		timer_handler();
}

void timer_set_handler(void (*handler)(void))
{
	timer_handler = handler;
}

void timer_setup_cpu(void)
{
	if (timer_mode == TIMER_DEADLINE) {
		apic_write(APIC_LVT_TIMER, APIC_LVT_TIMER_DEADLINE | VECTOR_TIMER);
		/* The register in memory must be written before the MSR is (SDM vol. 3A,
		 * "TSC-Deadline Mode"). */
		asm volatile("mfence" : : : "memory");
	} else {
		apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
		apic_write(APIC_LVT_TIMER, APIC_LVT_TIMER_ONE_SHOT | VECTOR_TIMER);
	}
	timer_disarm();
}

/* Counts of the counter per TSC tick, with 32 fractional bits; 0: it stands still. */
static u64 measure_counter(void)
{
	u64 start, ticks;
	u32 left;

	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	start = rdtsc_ordered();
	apic_write(APIC_TIMER_INITIAL, COUNTER_MAX);
	udelay(MEASURE_US);
	left = apic_read(APIC_TIMER_CURRENT);
	ticks = rdtsc_ordered() - start;
	apic_write(APIC_TIMER_INITIAL, 0);
	return ((u64)(COUNTER_MAX - left) << 32) / ticks;
}

bool timer_init(void)
{
	irq_set_handler(VECTOR_TIMER, timer_interrupt);
	if (cpuid(CPUID_FEATURES, 0).ecx & CPUID_1C_TSC_DEADLINE) {
		timer_mode = TIMER_DEADLINE;
	} else {
		timer_mode = TIMER_COUNTER;
		counts_per_tick = measure_counter();
		if (!counts_per_tick)
			return false;
	}
	timer_setup_cpu();
	return true;
}
