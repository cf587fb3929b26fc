/* SPDX-License-Identifier: MIT */
/*
 * CPU 0 stops and starts all others at random moments, while they do what makes a hypervisor busy:
 * exits of several kinds, HLT, interrupts between each other. Each must come through its start-up
 * code every time. Prints "storm: N starts, all seen" at the end.
 */
#include "guests/lib/smp.h"

#define ROUNDS		200
#define VECTOR		0x60

static u32 seed = 1;
static volatile u32 taken;

static u32 random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	return seed ^= seed << 5;
}

static void on_interrupt(struct frame *f)
{
	add_fetch(&taken, 1);
	apic_set(0xb0, 0);
}

/* Never ends by itself. */
static void work(void *arg)
{
	u32 what = this_cpu() ^ (u32)rdtsc();

	apic_set(0xf0, 0x1ff);
	for (;;) {
		what = what * 1103515245 + 12345;
		switch (what >> 16 & 7) {
		case 0: cpuid(1, 0); break;
		case 1: inb(0x21); break;
		case 2: apic_get(LAPIC_PPR); break;
		case 3: inb(0x80); break;
		case 4: ipi(1 + (what >> 20) % 3, ICR_FIXED | VECTOR); break;
		case 5: __asm__ volatile("sti; nop; cli"); break;
		case 6: if (what >> 24 < 16) __asm__ volatile("sti; hlt; cli"); break;
		default: for (u32 n = what >> 27; n; n--) __asm__ volatile("pause"); break;
		}
	}
}

static bool storm_round(unsigned cpu)
{
	u32 before = *starts_of(cpu);

	ipi(cpu, ICR_INIT | ICR_ASSERT);
	if (random() % 4 == 0)
		ipi(cpu, ICR_INIT | ICR_ASSERT);
	if (random() % 2 == 0)
		delay_us(random() % 100);
	ipi(cpu, ICR_STARTUP | AP_PAGE);
	if (random() % 2 == 0)
		ipi(cpu, ICR_STARTUP | 0xffu);	/* has no effect: the first one counts */
	return wait_least(starts_of(cpu), before + 1, 5000);
}

void guest_main(u32 magic, u32 info)
{
	unsigned cpus = start_all();

	set_handler(VECTOR, on_interrupt);
	for (unsigned i = 1; i < cpus; i++)
		run_on(i, work, NULL);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned cpu = 1 + random() % (cpus - 1);

		if (!storm_round(cpu)) {
			print("storm: CPU %u doesn't start in round %u\n", cpu, round);
			debug_exit(1);
		}
		run_on(cpu, work, NULL);	/* a start forgets what it was to do */
		if (random() % 2 == 0)
			delay_us(random() % 1000);
	}
	print("storm: %u starts, all seen, %s interrupts\n", ROUNDS, taken ? "some" : "no");
	debug_exit(0);
}
