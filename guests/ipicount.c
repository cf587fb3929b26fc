/* SPDX-License-Identifier: MIT */
/*
 * Four CPUs send each other numbered interrupts and arm timers, while all of them do what exits:
 * each one is received exactly once. Whoever sends waits for the number before to have come, so
 * that nothing merges in IRR and a lost one can't hide behind the next.
 * Command line "full": 100 000 IPIs, else 20 000.
 */
#include "guests/lib/smp.h"

#define CPUS		4
#define IPI_VECTOR	0x50		/* + sender */
#define TIMER_VECTOR	0x62
#define TSC_DEADLINE	0x40000u
#define MSR_DEADLINE	0x6e0u
#define CR4_PGE		0x80ul
#define GIVE_UP_MS	20000u
#define VA(cpu)		(WINDOW + (cpu) * PAGE)

struct per_cpu {
	volatile u32 sent[CPUS], received[CPUS];	/* by the other one's number */
	volatile u32 armed, fired, again, timer_again, lost, timer_lost;
	u64 random, activities;
	bool deadline;
} __attribute__((aligned(64)));

static struct per_cpu cpus[CPUS];
static u32 each = 20000 / (CPUS * (CPUS - 1)) + 1;
static struct barrier barrier;
static u8 pages[2][PAGE] __attribute__((aligned(4096)));
static volatile bool failed;

static void on_ipi(struct frame *f)
{
	unsigned sender = (unsigned)f->vector - IPI_VECTOR, me = this_cpu();

	if (cpus[me].received[sender] == cpus[sender].sent[me])
		cpus[me].again++;
	else
		cpus[me].received[sender]++;
	lapic_write(LAPIC_EOI, 0);
}

static void on_timer(struct frame *f)
{
	struct per_cpu *me = &cpus[this_cpu()];

	if (me->fired == me->armed)
		me->timer_again++;
	else
		me->fired++;
	lapic_write(LAPIC_EOI, 0);
}

static u32 random(struct per_cpu *me)
{
	me->random ^= me->random << 13;
	me->random ^= me->random >> 7;
	me->random ^= me->random << 17;
	return (u32)(me->random >> 16);
}

/* The next timer, when the one before has fired. Sooner or later by up to 0.2 ms. */
static void arm(struct per_cpu *me)
{
	u32 ticks = 1000 + random(me) % 200000;

	if (me->fired != me->armed)
		return;
	me->armed++;
	if (me->deadline)
		wrmsr(MSR_DEADLINE, rdtsc() + ticks);
	else
		lapic_write(LAPIC_TMICT, ticks);
}

/* With IF clear the timer that wakes it can't be over before. */
static void sleep(struct per_cpu *me)
{
	cli();
	arm(me);
	__asm__ volatile("sti; hlt" ::: "memory");
}

static void touch(unsigned cpu)
{
	static u32 turn[CPUS];

	map(VA(cpu), pages[turn[cpu]++ & 1], PTE_P | PTE_W);
	*(volatile u8 *)VA(cpu) = 1;
}

static void act(struct per_cpu *me, unsigned cpu)
{
	me->activities++;
	switch (random(me) % 12) {
	case 0: cpuid(0, 0); break;
	case 1: inb(0x80); break;
	case 2: outb(0x80, 0); break;
	case 3: lapic_read(LAPIC_ID); break;
	case 4: sleep(me); break;
	case 5: pause(); break;
	case 6: WRITE_CR(0, READ_CR(0)); break;
	case 7: WRITE_CR(3, READ_CR(3)); break;
	case 8: WRITE_CR(4, READ_CR(4) ^ CR4_PGE); break;
	case 9: touch(cpu); break;
	case 10: WRITE_CR(8, 8); WRITE_CR(8, 0); break;
	default: rdmsr(MSR_APIC_BASE); break;
	}
}

/* One IPI to each CPU that has taken the one before; whether all are sent and taken. */
static bool send_some(unsigned cpu)
{
	bool done = true;

	for (unsigned to = 0; to < CPUS; to++) {
		volatile u32 *sent = &cpus[cpu].sent[to];

		if (to == cpu || (*sent == each && cpus[to].received[cpu] == each))
			continue;
		done = false;
		if (*sent == each || cpus[to].received[cpu] != *sent)
			continue;
		(*sent)++;
		ipi(to, IPI_VECTOR + cpu);
	}
	return done;
}

static void note_lost(unsigned cpu)
{
	for (unsigned to = 0; to < CPUS; to++)
		cpus[cpu].lost += to != cpu && cpus[to].received[cpu] != cpus[cpu].sent[to];
	failed = true;
}

/* Without progress for so long something is lost. */
static bool stuck(u32 *last, u64 *waited, u32 progress, u32 *seen)
{
	u32 now = pm_timer();

	*waited = progress == *seen ? *waited + ((now - *last) & 0xffffff) : 0;
	*seen = progress;
	*last = now;
	return *waited > (u64)GIVE_UP_MS * 3580;
}

static u32 progress_of(unsigned cpu)
{
	u32 sum = 0;

	for (unsigned to = 0; to < CPUS; to++)
		sum += cpus[cpu].sent[to] + cpus[to].received[cpu];
	return sum;
}

static void work(void *arg)
{
	unsigned cpu = this_cpu(), turns = 0;
	struct per_cpu *me = &cpus[cpu];
	u32 last, seen = 0;
	u64 waited = 0;

	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_LVTT, TIMER_VECTOR | (me->deadline ? TSC_DEADLINE : 0));
	meet(&barrier, CPUS);
	last = pm_timer();
	sti();
	while (!send_some(cpu) && !failed) {
		act(me, cpu);
		arm(me);
		if (++turns % 256 == 0 && stuck(&last, &waited, progress_of(cpu), &seen))
			note_lost(cpu);
	}
	meet(&barrier, CPUS);
	for (unsigned i = 0; i < 2000 && me->fired != me->armed; i++)
		delay_us(1000);
	me->timer_lost = me->armed - me->fired;
	delay_us(2000);
	cli();
}

static bool wants_all(u32 info)
{
	u32 flags = *(u32 *)(u64)info;
	const char *line = (const char *)(u64)*(u32 *)(u64)(info + 16);

	if (!(flags & 4))
		return false;
	for (; *line; line++)
		if (memcmp(line, "full", 4) == 0)
			return true;
	return false;
}

static void check_all(void)
{
	u32 sent = 0, received = 0, again = 0, lost = 0, fired = 0, timer_again = 0, timer_lost = 0;

	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		struct per_cpu *c = &cpus[cpu];

		for (unsigned to = 0; to < CPUS; to++) {
			sent += c->sent[to];
			received += c->received[to];
		}
		again += c->again;
		lost += c->lost;
		fired += c->fired;
		timer_again += c->timer_again;
		timer_lost += c->timer_lost;
		print("# CPU %u: %u timers, %u activities\n", cpu, c->fired, (u32)c->activities);
	}
	check("IPIs sent", sent, each * CPUS * (CPUS - 1));
	check("IPIs received", received, sent);
	check("IPIs twice", again, 0);
	check("IPIs lost", lost, 0);
	check_true("timer interrupts: a thousand or more", fired >= 1000);
	check("timer interrupts twice", timer_again, 0);
	check("timer interrupts lost", timer_lost, 0);
}

void guest_main(u32 magic, u32 info)
{
	bool deadline = cpuid(1, 0).ecx >> 24 & 1;

	if (wants_all(info))
		each = 100000 / (CPUS * (CPUS - 1)) + 1;
	for (unsigned i = 0; i < CPUS; i++) {
		set_handler(IPI_VECTOR + i, on_ipi);
		cpus[i].random = 0x9e3779b97f4a7c15 * (i + 1);
		cpus[i].deadline = deadline && (i & 1);
		map(VA(i), pages[0], PTE_P | PTE_W);
	}
	set_handler(TIMER_VECTOR, on_timer);
	lapic_write(LAPIC_SVR, 0x1ff);
	check("CPUs", start_all(), CPUS);
	for (unsigned cpu = 1; cpu < CPUS; cpu++)
		run_on(cpu, work, NULL);
	work(NULL);
	for (unsigned cpu = 1; cpu < CPUS; cpu++)
		check_in("CPU ends", (const char[]){ (char)('0' + cpu), 0 }, job_done(cpu, 5000),
			 1);
	check_all();
}
