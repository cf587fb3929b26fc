/* SPDX-License-Identifier: MIT */
/* Several CPUs. See smp.h. Owns the job slots. */
#include "guests/lib/smp.h"

#define PM_HZ_PER_US_10	36u		/* PM timer ticks in 10 us */
#define PM_MASK		0xffffffu
#define MADT_ENTRIES	44
#define MADT_LAPIC	0
#define MADT_ENABLED	1u
#define FEATURE_X2APIC	(1u << 21)

struct cpu {
	volatile u32 starts;
	void (*volatile job)(void *arg);
	void *volatile arg;
	volatile bool x2apic;
} __attribute__((aligned(64)));

extern const u8 ap_begin[], ap_lean[], ap_end[];
extern u8 cpu_stacks[MAX_CPUS][CPU_STACK];
_Noreturn void ap_main(u32 cpu);

static struct cpu cpus[MAX_CPUS];

/* ---- time ---- */

static bool passed(u32 *last, u64 *left)
{
	u32 now = pm_timer(), step = (now - *last) & PM_MASK;

	*last = now;
	*left = *left > step ? *left - step : 0;
	return !*left;
}

void delay_us(u32 us)
{
	u32 last = pm_timer();
	u64 left = (u64)us * PM_HZ_PER_US_10 / 10 + 1;

	while (!passed(&last, &left))
		pause();
}

bool wait_least(volatile u32 *v, u32 least, unsigned ms)
{
	u32 last = pm_timer();
	u64 left = (u64)ms * 1000 * PM_HZ_PER_US_10 / 10;

	while (*v < least) {
		for (unsigned i = 0; i < 64 && *v < least; i++)
			pause();
		if (passed(&last, &left))
			break;
	}
	return *v >= least;
}

void meet(struct barrier *barrier, u32 n)
{
	u32 round = barrier->round;

	if (__atomic_add_fetch(&barrier->came, 1, __ATOMIC_SEQ_CST) == n) {
		barrier->came = 0;
		__atomic_store_n(&barrier->round, round + 1, __ATOMIC_SEQ_CST);
		return;
	}
	while (__atomic_load_n(&barrier->round, __ATOMIC_SEQ_CST) == round)
		pause();
}

/* ---- the local APIC ---- */

bool has_x2apic(void)
{
	return cpuid(1, 0).ecx & FEATURE_X2APIC;
}

void x2apic_on(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ON | APIC_BASE_X2);
	cpus[this_cpu()].x2apic = true;
}

void x2apic_off(void)
{
	u64 base = rdmsr(MSR_APIC_BASE) & ~(u64)(APIC_BASE_ON | APIC_BASE_X2);

	wrmsr(MSR_APIC_BASE, base);
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_ON);
	cpus[this_cpu()].x2apic = false;
}

u32 apic_get(u32 reg)
{
	return cpus[this_cpu()].x2apic ? (u32)rdmsr(MSR_X2APIC + (reg >> 4)) : lapic_read(reg);
}

void apic_set(u32 reg, u32 v)
{
	if (cpus[this_cpu()].x2apic)
		wrmsr(MSR_X2APIC + (reg >> 4), v);
	else
		lapic_write(reg, v);
}

bool apic_bit(u32 reg, unsigned vector)
{
	return apic_get(reg + vector / 32 * 0x10) >> (vector & 31) & 1;
}

bool ipi(u32 dest, u32 low)
{
	u32 last = pm_timer();
	u64 left = 100 * 1000 * PM_HZ_PER_US_10 / 10;

	if (cpus[this_cpu()].x2apic) {
		wrmsr(MSR_X2APIC + (LAPIC_ICR >> 4), (u64)dest << 32 | low);
		return true;
	}
	lapic_write(LAPIC_ICR_HIGH, dest << 24);
	lapic_write(LAPIC_ICR, low);
	while (lapic_read(LAPIC_ICR) & ICR_PENDING) {
		if (passed(&last, &left))
			return false;
		pause();
	}
	return true;
}

u32 apic_errors(void)
{
	apic_set(LAPIC_ESR, 0);
	return apic_get(LAPIC_ESR);
}

/* ---- CPUs ---- */

unsigned madt_cpus(u8 ids[MAX_CPUS])
{
	const u8 *madt = acpi_table("APIC");
	unsigned n = 0;
	u32 size, flags;

	if (!madt)
		return 0;
	__builtin_memcpy(&size, madt + 4, sizeof(size));
	for (u32 at = MADT_ENTRIES; at + 2 <= size && madt[at + 1] >= 2; at += madt[at + 1]) {
		__builtin_memcpy(&flags, madt + at + 4, sizeof(flags));
		if (madt[at] == MADT_LAPIC && (flags & MADT_ENABLED) && n < MAX_CPUS)
			ids[n++] = madt[at + 3];
	}
	return n;
}

/* By its stack: the boot processor's is elsewhere. */
unsigned this_cpu(void)
{
	u64 sp = (u64)__builtin_frame_address(0) - (u64)cpu_stacks;

	return sp < sizeof(cpu_stacks[0]) * MAX_CPUS ? (unsigned)(sp / CPU_STACK) : 0;
}

volatile u32 *starts_of(unsigned cpu)
{
	return &cpus[cpu].starts;
}

_Noreturn void ap_main(u32 number)
{
	struct cpu *cpu = &cpus[number];

	load_idt();
	cpu->job = NULL;
	cpu->x2apic = rdmsr(MSR_APIC_BASE) & APIC_BASE_X2;
	add_fetch(&cpu->starts, 1);
	for (;;) {
		void (*job)(void *arg) = __atomic_load_n(&cpu->job, __ATOMIC_ACQUIRE);

		if (job) {
			job(cpu->arg);
			cli();
			__atomic_store_n(&cpu->job, NULL, __ATOMIC_RELEASE);
		}
		pause();
	}
}

void ap_code(unsigned vector, bool record)
{
	const u8 *from = record ? ap_begin : ap_lean;

	memcpy((void *)((u64)vector << 12), from, (size_t)(ap_end - from));
	memset((void *)AP_STATE, 0x5a, sizeof(struct ap_state));
}

bool ap_start(unsigned cpu, unsigned vector)
{
	u32 before = cpus[cpu].starts;

	ipi(cpu, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	delay_us(10000);
	ipi(cpu, ICR_INIT | ICR_LEVEL);		/* as Linux still does: no effect today */
	ipi(cpu, ICR_STARTUP | vector);
	delay_us(200);
	if (cpus[cpu].starts == before)
		ipi(cpu, ICR_STARTUP | vector);
	return wait_least(&cpus[cpu].starts, before + 1, 1000);
}

bool ap_start_short(unsigned cpu, unsigned vector)
{
	u32 before = cpus[cpu].starts;

	ipi(cpu, ICR_INIT | ICR_ASSERT);
	ipi(cpu, ICR_STARTUP | vector);
	return wait_least(&cpus[cpu].starts, before + 1, 1000);
}

unsigned start_all(void)
{
	u8 ids[MAX_CPUS];
	unsigned n = madt_cpus(ids), started = 1;

	ap_code(AP_PAGE, false);
	for (unsigned i = 0; i < n; i++)
		if (ids[i])
			started += ap_start(ids[i], AP_PAGE);
	return started;
}

void run_on(unsigned cpu, void (*job)(void *arg), void *arg)
{
	cpus[cpu].arg = arg;
	__atomic_store_n(&cpus[cpu].job, job, __ATOMIC_RELEASE);
}

bool job_done(unsigned cpu, unsigned ms)
{
	u32 last = pm_timer();
	u64 left = (u64)ms * 1000 * PM_HZ_PER_US_10 / 10;

	while (__atomic_load_n(&cpus[cpu].job, __ATOMIC_ACQUIRE)) {
		if (passed(&last, &left))
			return false;
		pause();
	}
	return true;
}

bool call_on(unsigned cpu, void (*job)(void *arg), void *arg)
{
	run_on(cpu, job, arg);
	return job_done(cpu, 1000);
}
