/* SPDX-License-Identifier: MIT */
/*
 * The local APIC in x2APIC mode: ways into it and out of it, the MSRs with all that they refuse,
 * IPIs with 32-bit destinations, self-IPI, INIT (SDM vol. 3A, "Extended XAPIC (x2APIC)"). Where
 * CPUID doesn't offer the mode nothing can be tested: QEMU 7.2 has none.
 */
#include "guests/lib/smp.h"

#define GP		13
#define VECTOR		0x55
#define X2(reg)		(MSR_X2APIC + ((reg) >> 4))
#define X2_SELF_IPI	0x83fu
#define X2_ICR_HIGH	0x831u
#define EVERYONE	0xffffffffu

struct access {
	u32 msr;
	u64 v;
};

static unsigned nr_cpus;
static volatile u32 counts[MAX_CPUS], release_aps;

static void on_vector(struct frame *f)
{
	add_fetch(&counts[this_cpu()], 1);
	apic_set(LAPIC_EOI, 0);
}

static void do_rdmsr(void *arg)
{
	struct access *a = arg;

	a->v = rdmsr(a->msr);
}

static void do_wrmsr(void *arg)
{
	const struct access *a = arg;

	wrmsr(a->msr, a->v);
}

/* 1: refused by #GP(0). */
static u32 refuses_write(u32 msr, u64 v)
{
	struct access a = { msr, v };

	trap.vector = trap.error = 0xff;
	return guest_try(do_wrmsr, &a) ? trap.vector == GP && trap.error == 0 ? 1 : 2 : 0;
}

static u32 refuses_read(u32 msr)
{
	struct access a = { msr, 0 };

	trap.vector = trap.error = 0xff;
	return guest_try(do_rdmsr, &a) ? trap.vector == GP && trap.error == 0 ? 1 : 2 : 0;
}

/* ---- modes (SDM vol. 3A, "x2APIC State Transitions") ---- */

static void check_xapic(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	check("xAPIC: base", base, LAPIC | APIC_BASE_ON | APIC_BASE_BSP);
	check("xAPIC: read of 802H", refuses_read(X2(LAPIC_ID)), 1);
	check("xAPIC: write of 808H", refuses_write(X2(LAPIC_TPR), 0), 1);
	check("xAPIC: write of 83FH", refuses_write(X2_SELF_IPI, VECTOR), 1);
	check("xAPIC: EXTD without EN", refuses_write(MSR_APIC_BASE, (base & ~0x800ull) | 0x400), 1);
	check("xAPIC: reserved bit 9", refuses_write(MSR_APIC_BASE, base | 0x200), 1);
	check("xAPIC: reserved bit 0", refuses_write(MSR_APIC_BASE, base | 1), 1);
	check("xAPIC: reserved bit 63", refuses_write(MSR_APIC_BASE, base | 1ull << 63), 1);
	check("xAPIC: base stays", rdmsr(MSR_APIC_BASE), base);
}

static void check_modes(void)
{
	u64 base = rdmsr(MSR_APIC_BASE), off = base & ~(u64)(APIC_BASE_ON | APIC_BASE_X2);

	apic_set(LAPIC_TPR, 0x20);
	x2apic_on();
	check("x2APIC: base", rdmsr(MSR_APIC_BASE), base | APIC_BASE_X2);
	check("x2APIC: TPR is kept", apic_get(LAPIC_TPR), 0x20);
	check("x2APIC: again", refuses_write(MSR_APIC_BASE, base | APIC_BASE_X2), 0);
	check("x2APIC to xAPIC", refuses_write(MSR_APIC_BASE, base), 1);
	check("x2APIC to EXTD without EN", refuses_write(MSR_APIC_BASE, off | APIC_BASE_X2), 1);
	check("x2APIC: base stays", rdmsr(MSR_APIC_BASE), base | APIC_BASE_X2);
	check("x2APIC to off", refuses_write(MSR_APIC_BASE, off), 0);
	check("off: read of 802H", refuses_read(X2(LAPIC_ID)), 1);
	check("off: CPUID's APIC bit", cpuid(1, 0).edx >> 9 & 1, 0);
	check("off to x2APIC", refuses_write(MSR_APIC_BASE, base | APIC_BASE_X2), 1);
	check("off to EXTD without EN", refuses_write(MSR_APIC_BASE, off | APIC_BASE_X2), 1);
	check("off to xAPIC", refuses_write(MSR_APIC_BASE, base), 0);
	check("on: CPUID's APIC bit", cpuid(1, 0).edx >> 9 & 1, 1);
	x2apic_off();
	check("xAPIC, after off: TPR is reset", apic_get(LAPIC_TPR), 0);
	check("xAPIC, after off: SVR is reset", apic_get(LAPIC_SVR), 0xff);
	x2apic_on();
}

/* ---- registers ---- */

struct msr_row {
	const char *name;
	u32 msr;
	bool reads;
	bool writes;		/* zero */
	u64 reserved;		/* one bit that is refused; 0: none to try */
};

static const struct msr_row rows[] = {
	{ "800H reserved", 0x800, false, false, 0 },
	{ "801H reserved", 0x801, false, false, 0 },
	{ "802H ID", 0x802, true, false, 0 },
	{ "803H version", 0x803, true, false, 0 },
	{ "804H reserved", 0x804, false, false, 0 },
	{ "808H TPR", 0x808, true, true, 0x100 },
	{ "808H TPR, upper half", 0x808, true, true, 1ull << 32 },
	{ "809H no APR", 0x809, false, false, 0 },
	{ "80AH PPR", 0x80a, true, false, 0 },
	{ "80BH EOI", 0x80b, false, true, 1 },
	{ "80CH no RRD", 0x80c, false, false, 0 },
	{ "80DH LDR", 0x80d, true, false, 0 },
	{ "80EH no DFR", 0x80e, false, false, 0 },
	{ "80FH SVR", 0x80f, true, true, 1ull << 32 },
	{ "810H ISR", 0x810, true, false, 0 },
	{ "817H ISR", 0x817, true, false, 0 },
	{ "818H TMR", 0x818, true, false, 0 },
	{ "820H IRR", 0x820, true, false, 0 },
	{ "827H IRR", 0x827, true, false, 0 },
	{ "828H ESR", 0x828, true, true, 1 },
	{ "829H reserved", 0x829, false, false, 0 },
	{ "831H no ICR high", 0x831, false, false, 0 },
	{ "832H timer", 0x832, true, true, 1ull << 32 },
	{ "834H performance", 0x834, true, true, 1ull << 32 },
	{ "835H LINT0", 0x835, true, true, 1ull << 32 },
	{ "836H LINT1", 0x836, true, true, 1ull << 32 },
	{ "837H error", 0x837, true, true, 1ull << 32 },
	{ "838H initial count", 0x838, true, true, 1ull << 32 },
	{ "839H current count", 0x839, true, false, 0 },
	{ "83AH reserved", 0x83a, false, false, 0 },
	{ "83EH divide", 0x83e, true, true, 1ull << 32 },
	{ "83FH self-IPI, bit 8", 0x83f, false, true, 0x100 },
	{ "840H reserved", 0x840, false, false, 0 },
	{ "8FFH reserved", 0x8ff, false, false, 0 },
};

static void check_registers(void)
{
	for (unsigned i = 0; i < COUNT(rows); i++) {
		const struct msr_row *row = &rows[i];
		u64 masked = row->msr >= 0x832 && row->msr <= 0x837 ? 0x10000 :
			     row->msr == 0x83f ? VECTOR : row->msr == 0x80f ? 0x1ff : 0;
		u32 write = refuses_write(row->msr, masked);

		check_in("x2APIC: refuses a read:", row->name, refuses_read(row->msr), !row->reads);
		check_in("x2APIC: refuses a write:", row->name, write, !row->writes);
		if (row->reserved)
			check_in("x2APIC: refuses a reserved bit:", row->name,
				 refuses_write(row->msr, masked | row->reserved), 1);
	}
	apic_set(LAPIC_SVR, 0x1ff);
	sti();
	delay_us(100);
	cli();
}

/* ---- destinations ---- */

static struct { u64 base; u32 id, ldr, leaf_b, svr; } ap;

static void read_ap(void *arg)
{
	ap.base = rdmsr(MSR_APIC_BASE);
	ap.id = (u32)rdmsr(X2(LAPIC_ID));
	ap.ldr = (u32)rdmsr(X2(LAPIC_LDR));
	ap.svr = (u32)rdmsr(X2(LAPIC_SVR));
	ap.leaf_b = cpuid(0xb, 0).edx;
}

static void enter(void *arg)
{
	x2apic_on();
	apic_set(LAPIC_SVR, 0x1ff);
}

static void listen(void *arg)
{
	sti();
	while (!release_aps)
		pause();
	cli();
}

static u32 digits(void)
{
	u32 sum = 0;

	for (unsigned cpu = 0; cpu < nr_cpus; cpu++)
		sum |= (counts[cpu] > 15 ? 15 : counts[cpu]) << 4 * cpu;
	return sum;
}

static u32 gathered(u32 expected)
{
	sti();
	for (unsigned i = 0; i < 1000 && digits() != expected; i++)
		delay_us(1000);
	delay_us(300);
	cli();
	return digits();
}

static const struct { const char *name; u32 dest, icr, expected; } sends[] = {
	{ "to itself", 0, 0, 0x0001 },
	{ "to 1", 1, 0, 0x0010 },
	{ "to 3", 3, 0, 0x1000 },
	{ "to everyone", EVERYONE, 0, 0x1111 },
	{ "to FFH, which is absent", 0xff, 0, 0 },
	{ "to 10001H, which is absent", 0x10001, 0, 0 },
	{ "self", 7, ICR_TO_SELF, 0x0001 },
	{ "all", 0, ICR_TO_ALL, 0x1111 },
	{ "all but self", 0, ICR_TO_OTHERS, 0x1110 },
	{ "logical 1", 1, ICR_LOGICAL, 0x0001 },
	{ "logical 6", 6, ICR_LOGICAL, 0x0110 },
	{ "logical F", 0xf, ICR_LOGICAL, 0x1111 },
	{ "logical F0: none", 0xf0, ICR_LOGICAL, 0 },
	{ "logical, cluster 1: none", 0x1000f, ICR_LOGICAL, 0 },
	{ "logical, everyone", EVERYONE, ICR_LOGICAL, 0x1111 },
	{ "lowest priority, logical 4", 4, ICR_LOGICAL | ICR_LOWEST, 0x0100 },
};

static void forget(void)
{
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		counts[cpu] = 0;
}

static void check_sends(void)
{
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) {
		call_on(cpu, enter, NULL);
		call_on(cpu, read_ap, NULL);
		check_in("x2APIC: ID, LDR, leaf BH", (const char[]){ (char)('0' + cpu), 0 },
			 (u64)ap.id << 40 | (u64)ap.ldr << 8 | ap.leaf_b,
			 (u64)cpu << 40 | 1ull << (8 + cpu) | cpu);
		run_on(cpu, listen, NULL);
	}
	for (unsigned i = 0; i < COUNT(sends); i++) {
		forget();
		ipi(sends[i].dest, sends[i].icr | VECTOR);
		check_in("x2APIC:", sends[i].name, gathered(sends[i].expected), sends[i].expected);
	}
	forget();
	wrmsr(X2_SELF_IPI, VECTOR);
	check("x2APIC: self-IPI register", gathered(1), 1);
	check("x2APIC: ICR in one piece", rdmsr(X2(LAPIC_ICR)),
	      4ull << 32 | ICR_LOGICAL | ICR_LOWEST | VECTOR);
	release_aps = 1;
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		check_in("x2APIC: listener ends", (const char[]){ (char)('0' + cpu), 0 },
			 job_done(cpu, 1000), 1);
}

/* "After INIT the APIC stays in x2APIC mode." */
static void check_init(void)
{
	ap_code(AP_PAGE, true);
	check("x2APIC: INIT and SIPI", ap_start(1, AP_PAGE), 1);
	call_on(1, read_ap, NULL);
	check("x2APIC: INIT keeps the mode", ap.base, LAPIC | APIC_BASE_ON | APIC_BASE_X2);
	check("x2APIC: INIT keeps ID and LDR", ap.id << 16 | ap.ldr, 0x10002);
	check("x2APIC: INIT resets SVR", ap.svr, 0xff);
	ipi(0, ICR_INIT | ICR_ASSERT | ICR_TO_OTHERS);
	delay_us(1000);
	ap_code(AP_PAGE, false);
	counts[0] = *starts_of(1) + *starts_of(2) + *starts_of(3);
	ipi(0, ICR_STARTUP | AP_PAGE | ICR_TO_OTHERS);
	for (unsigned i = 0; i < 1000 && *starts_of(1) + *starts_of(2) + *starts_of(3) <
	     counts[0] + 3; i++)
		delay_us(1000);
	check("x2APIC: all start by broadcast", *starts_of(1) + *starts_of(2) + *starts_of(3) -
	      counts[0], 3);
}

void guest_main(u32 magic, u32 info)
{
	set_handler(VECTOR, on_vector);
	apic_set(LAPIC_SVR, 0x1ff);
	if (!has_x2apic()) {
		skip("x2APIC", "not offered");
		return;
	}
	nr_cpus = start_all();
	check("CPUs", nr_cpus, 4);
	if (nr_cpus != 4)
		return;
	check_xapic();
	check_modes();
	check_registers();
	check_sends();
	check_init();
}
