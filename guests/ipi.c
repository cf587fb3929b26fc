/* SPDX-License-Identifier: MIT */
/*
 * Interrupts between CPUs: delivery and destination modes, shorthands, priorities, nesting, what
 * merges and what doesn't, NMIs, errors (SDM vol. 3A, "Issuing Interprocessor Interrupts",
 * "Determining IPI Destination", "Handling Interrupts"). The x2APIC's part is in x2apic.c.
 */
#include "guests/lib/smp.h"

#define LOW		0x41
#define SAME_CLASS	0x42
#define MIDDLE		0x62
#define HIGH		0x85
#define ERROR_VECTOR	0x92
#define DFR_CLUSTER	0x0fffffffu
#define ESR_SEND_ILLEGAL 0x20u

static volatile u32 counts[MAX_CPUS], nmis[MAX_CPUS], release_aps;
static unsigned nr_cpus;

static void on_vector(struct frame *f)
{
	add_fetch(&counts[this_cpu()], 1);
	apic_set(LAPIC_EOI, 0);
}

static void on_nmi(struct frame *f)
{
	add_fetch(&nmis[this_cpu()], 1);
}

/* ---- the receivers ---- */

static void listen(void *arg)
{
	sti();
	while (!release_aps)
		pause();
	cli();
}

static void listen_halted(void *arg)
{
	while (!release_aps)
		sti_hlt_cli();
}

static void be_deaf(void *arg)
{
	while (!release_aps)
		pause();
}

static void halt_deaf(void *arg)
{
	while (!release_aps)
		__asm__ volatile("cli; hlt");
}

static void all_do(void (*job)(void *))
{
	release_aps = 0;
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		run_on(cpu, job, NULL);
	delay_us(500);
}

/* `nmi`: they may sleep, and NMIs wake them. No such NMI comes later. */
static bool all_end(bool nmi)
{
	bool good = true;

	release_aps = 1;
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) {
		u32 before = nmis[cpu];

		if (nmi) {
			ipi(cpu, ICR_NMI);
			good = wait_least(&nmis[cpu], before + 1, 1000) && good;
		}
		good = job_done(cpu, 1000) && good;
	}
	return good;
}

/* One hexadecimal digit for each CPU, CPU 0's the lowest. */
static u32 digits(volatile u32 *v)
{
	u32 sum = 0;

	for (unsigned cpu = 0; cpu < nr_cpus; cpu++)
		sum |= (v[cpu] > 15 ? 15 : v[cpu]) << 4 * cpu;
	return sum;
}

static void forget(volatile u32 *v)
{
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		v[cpu] = 0;
}

/* What has come when `expected` has, or a second is over; and then a little more. */
static u32 gathered(volatile u32 *v, u32 expected)
{
	sti();
	for (unsigned i = 0; i < 1000 && digits(v) != expected; i++)
		delay_us(1000);
	delay_us(300);
	cli();
	return digits(v);
}

struct row {
	const char *name;
	u32 dest, icr, expected;
};

static void check_rows(const char *mode, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		forget(counts);
		if (!ipi(rows[i].dest, rows[i].icr | LOW))
			check_in(mode, "is sent", 0, 1);
		check_in(mode, rows[i].name, gathered(counts, rows[i].expected), rows[i].expected);
	}
}

/* ---- destinations ---- */

static const struct row physical[] = {
	{ "to itself", 0, 0, 0x0001 },
	{ "to 1", 1, 0, 0x0010 },
	{ "to 2", 2, 0, 0x0100 },
	{ "to 3", 3, 0, 0x1000 },
	{ "to everyone", APIC_EVERYONE, 0, 0x1111 },
	{ "to absent 9", 9, 0, 0 },
	{ "to absent 254", 254, 0, 0 },
	{ "self", 0, ICR_TO_SELF, 0x0001 },
	{ "self, whatever the destination", 2, ICR_TO_SELF, 0x0001 },
	{ "all", 0, ICR_TO_ALL, 0x1111 },
	{ "all but self", 0, ICR_TO_OTHERS, 0x1110 },
	{ "all but self, logical", 0, ICR_TO_OTHERS | ICR_LOGICAL, 0x1110 },
	{ "to 3, asserted", 3, ICR_ASSERT, 0x1000 },
	{ "lowest priority to 2", 2, ICR_LOWEST, 0x0100 },
};

static const struct row flat[] = {
	{ "01", 0x01, ICR_LOGICAL, 0x0001 },
	{ "02", 0x02, ICR_LOGICAL, 0x0010 },
	{ "04", 0x04, ICR_LOGICAL, 0x0100 },
	{ "08", 0x08, ICR_LOGICAL, 0x1000 },
	{ "06", 0x06, ICR_LOGICAL, 0x0110 },
	{ "0B", 0x0b, ICR_LOGICAL, 0x1011 },
	{ "FA", 0xfa, ICR_LOGICAL, 0x1010 },
	{ "F0: none", 0xf0, ICR_LOGICAL, 0 },
	{ "00: none", 0x00, ICR_LOGICAL, 0 },
	{ "FF", 0xff, ICR_LOGICAL, 0x1111 },
	{ "lowest priority of one", 0x04, ICR_LOGICAL | ICR_LOWEST, 0x0100 },
	{ "lowest priority of none", 0xf0, ICR_LOGICAL | ICR_LOWEST, 0 },
};

static const struct row cluster[] = {
	{ "11", 0x11, ICR_LOGICAL, 0x0001 },
	{ "12", 0x12, ICR_LOGICAL, 0x0010 },
	{ "13", 0x13, ICR_LOGICAL, 0x0011 },
	{ "21", 0x21, ICR_LOGICAL, 0x0100 },
	{ "2F", 0x2f, ICR_LOGICAL, 0x1100 },
	{ "1C: none", 0x1c, ICR_LOGICAL, 0 },
	{ "31: none", 0x31, ICR_LOGICAL, 0 },
};

static const struct row cluster_all[] = {
	{ "FF", 0xff, ICR_LOGICAL, 0x1111 },
};

static void set_flat(void *arg)
{
	apic_set(LAPIC_SVR, 0x1ff);
	apic_set(LAPIC_TPR, 0);
	apic_set(LAPIC_DFR, ~0u);
	apic_set(LAPIC_LDR, 1u << 24 << this_cpu());
}

static void set_cluster(void *arg)
{
	unsigned cpu = this_cpu();

	apic_set(LAPIC_DFR, DFR_CLUSTER);
	apic_set(LAPIC_LDR, (0x11u + (cpu >> 1) * 0x10 + (cpu & 1)) << 24);
}

static void set_tpr(void *arg)
{
	apic_set(LAPIC_TPR, *(u32 *)arg);
}

static void everywhere(void (*job)(void *), void *arg)
{
	job(arg);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		call_on(cpu, job, arg);
}

static u32 sum(volatile u32 *v)
{
	u32 all = 0;

	for (unsigned cpu = 0; cpu < nr_cpus; cpu++)
		all += v[cpu];
	return all;
}

/* Ten of them, each to one CPU. Which one is the hardware's choice where priorities are equal. */
static void check_lowest(void)
{
	u32 tpr[] = { 0, 0x20, 0x50, 0x70 };

	all_do(listen);
	forget(counts);
	for (unsigned i = 0; i < 10; i++) {
		ipi(0x0e, ICR_LOGICAL | ICR_LOWEST | LOW);
		for (unsigned ms = 0; ms < 1000 && sum(counts) < i + 1; ms++)
			delay_us(1000);
	}
	delay_us(500);
	check("lowest priority: one CPU each", sum(counts), 10);
	check("lowest priority: not one outside", counts[0], 0);
	all_end(false);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		call_on(cpu, set_tpr, &tpr[cpu]);
	all_do(listen);
	forget(counts);
	ipi(0x0e, ICR_LOGICAL | ICR_LOWEST | HIGH);
	check("lowest priority: by TPR, CPU 1", gathered(counts, 0x0010), 0x0010);
	all_end(false);
	tpr[1] = 0x60;
	call_on(1, set_tpr, &tpr[1]);
	all_do(listen);
	forget(counts);
	if (under_plinth()) {
		ipi(0x0e, ICR_LOGICAL | ICR_LOWEST | HIGH);
		check("lowest priority: by TPR, CPU 2", gathered(counts, 0x0100), 0x0100);
	} else {
		skip("lowest priority: by TPR, CPU 2", "QEMU takes the first one");
	}
	all_end(false);
	everywhere(set_flat, NULL);
}

static void check_destinations(void)
{
	everywhere(set_flat, NULL);
	all_do(listen);
	check_rows("physical:", physical, COUNT(physical));
	check_rows("flat:", flat, COUNT(flat));
	check("listeners end", all_end(false), 1);
	all_do(listen_halted);
	check_rows("flat, halted:", flat, COUNT(flat));
	check("halted listeners end", all_end(true), 1);
	check_lowest();
	everywhere(set_cluster, NULL);
	all_do(listen);
	check_rows("cluster:", cluster, COUNT(cluster));
	if (under_plinth())
		check_rows("cluster:", cluster_all, COUNT(cluster_all));
	else
		skip("cluster: FF", "QEMU knows this broadcast only in flat mode");
	all_end(false);
	everywhere(set_flat, NULL);
}

/* ---- NMI ---- */

static volatile u32 depth, deepest;

/* Two more while it is in its handler: they are held until IRET, as one. */
static void on_nmi_twice(struct frame *f)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (add_fetch(&nmis[this_cpu()], 1) == 1) {
		ipi(this_cpu(), ICR_NMI);
		ipi(this_cpu(), ICR_NMI);
	}
	depth--;
}

static void check_nmi(void)
{
	static const struct { const char *name; void (*job)(void *); } rows[] = {
		{ "listening", listen }, { "IF clear", be_deaf }, { "CLI; HLT", halt_deaf },
		{ "STI; HLT", listen_halted },
	};

	set_handler(2, on_nmi);
	for (unsigned i = 0; i < COUNT(rows); i++) {
		all_do(rows[i].job);
		forget(nmis);
		ipi(2, ICR_NMI);
		check_in("NMI:", rows[i].name, gathered(nmis, 0x0100), 0x0100);
		ipi(0, ICR_NMI | ICR_TO_OTHERS | 0x55);
		check_in("NMI to the others:", rows[i].name, gathered(nmis, 0x1210), 0x1210);
		check_in("NMI: ends", rows[i].name, all_end(true), 1);
	}
	forget(nmis);
	ipi(0, ICR_NMI);
	check("NMI to itself", gathered(nmis, 1), 1);
	set_handler(2, on_nmi_twice);
	forget(nmis);
	ipi(0, ICR_NMI);
	check("NMIs in an NMI's handler: one more", gathered(nmis, 2), 2);
	check("NMIs don't nest", deepest, 1);
	set_handler(2, on_nmi);
}

static void software_off(void *arg)
{
	apic_set(LAPIC_SVR, 0xff);
}

static void check_software_disabled(void)
{
	call_on(1, software_off, NULL);
	all_do(listen);
	forget(nmis);
	forget(counts);
	ipi(1, ICR_NMI);
	check("APIC off by software: NMI", gathered(nmis, 0x10), 0x10);
	if (under_plinth()) {
		ipi(1, LOW);
		check("APIC off by software: fixed", gathered(counts, 0), 0);
	} else {
		skip("APIC off by software: fixed", "QEMU keeps it for later");
	}
	all_end(false);
	everywhere(set_flat, NULL);
}

/* ---- priorities, on this CPU ---- */

static u8 order[16];
static u32 ppr[16], isr_low[16];
static unsigned nr_order;

static void note(struct frame *f)
{
	unsigned n = nr_order++;

	order[n & 15] = (u8)f->vector;
	ppr[n & 15] = apic_get(LAPIC_PPR);
	isr_low[n & 15] = apic_bit(LAPIC_ISR, LOW);
	apic_set(LAPIC_EOI, 0);
}

/* In the handler, with interrupts on, a higher one nests, one of its own class doesn't. */
static void nest(struct frame *f)
{
	unsigned n = nr_order++;

	order[n & 15] = (u8)f->vector;
	ppr[n & 15] = apic_get(LAPIC_PPR);
	ipi(0, ICR_TO_SELF | SAME_CLASS);
	ipi(0, ICR_TO_SELF | LOW);
	ipi(0, ICR_TO_SELF | LOW);
	ipi(0, ICR_TO_SELF | HIGH);
	__asm__ volatile("sti; nop; nop; cli" ::: "memory");
	order[nr_order++ & 15] = 0xee;
	set_handler(LOW, note);
	apic_set(LAPIC_EOI, 0);
}

static void open_gate(void)
{
	__asm__ volatile("sti; nop; nop; nop; nop; cli" ::: "memory");
}

static u64 sequence(void)
{
	u64 all = 0;

	for (unsigned i = 0; i < nr_order && i < 8; i++)
		all = all << 8 | order[i];
	nr_order = 0;
	return all;
}

static void check_priorities(void)
{
	set_handler(LOW, note);
	set_handler(SAME_CLASS, note);
	set_handler(MIDDLE, note);
	set_handler(HIGH, note);
	check("nothing: PPR", apic_get(LAPIC_PPR), 0);
	ipi(0, ICR_TO_SELF | LOW);
	ipi(0, ICR_TO_SELF | HIGH);
	ipi(0, ICR_TO_SELF | MIDDLE);
	ipi(0, ICR_TO_SELF | MIDDLE);
	check("requested: IRR", (u64)apic_bit(LAPIC_IRR, LOW) << 8 | apic_bit(LAPIC_IRR, MIDDLE) << 4
	      | apic_bit(LAPIC_IRR, HIGH), 0x111);
	check("requested: not in service", apic_bit(LAPIC_ISR, HIGH), 0);
	check("requested: edge, by TMR", apic_bit(LAPIC_TMR, HIGH), 0);
	open_gate();
	check("in order of priority, equal ones merged", sequence(), 0x856241);
	check("PPR in the handlers", (u64)ppr[0] << 16 | ppr[1] << 8 | ppr[2], 0x806040);
	check("IRR is empty", apic_bit(LAPIC_IRR, LOW) | apic_bit(LAPIC_IRR, HIGH), 0);
	set_handler(LOW, nest);
	ipi(0, ICR_TO_SELF | LOW);
	open_gate();
	check("nested by class", sequence(), 0x4185ee4241);
	check("nested: PPR", (u64)ppr[0] << 8 | ppr[1], 0x4080);
	check("nested: the lower one is in service", isr_low[1], 1);
	check("after that: PPR", apic_get(LAPIC_PPR), 0);
}

static void check_tpr(void)
{
	static const struct { const char *name; u32 tpr; u64 expected; } rows[] = {
		{ "00", 0x00, 0x856241 }, { "3F", 0x3f, 0x856241 }, { "40", 0x40, 0x8562 },
		{ "4F", 0x4f, 0x8562 }, { "60", 0x60, 0x85 }, { "7F", 0x7f, 0x85 },
		{ "80", 0x80, 0 }, { "FF", 0xff, 0 },
	};

	for (unsigned i = 0; i < COUNT(rows); i++) {
		apic_set(LAPIC_TPR, rows[i].tpr);
		ipi(0, ICR_TO_SELF | LOW);
		ipi(0, ICR_TO_SELF | MIDDLE);
		ipi(0, ICR_TO_SELF | HIGH);
		open_gate();
		check_in("TPR", rows[i].name, sequence(), rows[i].expected);
		check_in("TPR: PPR", rows[i].name, apic_get(LAPIC_PPR), rows[i].tpr);
		check_in("TPR: CR8", rows[i].name, READ_CR(8), rows[i].tpr >> 4);
		apic_set(LAPIC_TPR, 0);
		open_gate();
		sequence();
	}
	apic_set(LAPIC_TPR, 0x45);
	WRITE_CR(8, 3);
	check("MOV to CR8 clears TPR's low half", apic_get(LAPIC_TPR), 0x30);
	ipi(0, ICR_TO_SELF | LOW);
	open_gate();
	check("TPR below the class in service: PPR", ppr[0], 0x40);
	sequence();
	WRITE_CR(8, 0);
}

/* EOI with nothing in service; registers that only read. */
static void check_registers(void)
{
	apic_set(LAPIC_EOI, 0);
	check("EOI of nothing: PPR", apic_get(LAPIC_PPR), 0);
	apic_set(LAPIC_PPR, 0x70);
	apic_set(LAPIC_ISR, ~0u);
	apic_set(LAPIC_IRR, ~0u);
	apic_set(LAPIC_VERSION, 0);
	check("read-only: PPR, ISR, IRR", apic_get(LAPIC_PPR) | apic_get(LAPIC_ISR) |
	      apic_get(LAPIC_IRR), 0);
	check("version: xAPIC", apic_get(LAPIC_VERSION) & 0xf0, 0x10);
	ipi(3, ICR_ASSERT | 0x10);
	check("ICR keeps what was sent", apic_get(LAPIC_ICR) & 0xfff, 0x10);
	check("ICR keeps the destination", apic_get(LAPIC_ICR_HIGH), 3u << 24);
}

static void check_errors(void)
{
	static const char *const why = "QEMU sends what is illegal";

	apic_errors();
	check("no error", apic_errors(), 0);
	if (!under_plinth()) {
		skip("vector 5: ESR", why);
		skip("vector 5: no one gets it", why);
		skip("ESR is empty at the next write", why);
		skip("error interrupt", why);
		return;
	}
	forget(counts);
	ipi(1, 5);
	check("vector 5: ESR", apic_errors(), ESR_SEND_ILLEGAL);
	check("vector 5: no one gets it", gathered(counts, 0), 0);
	check("ESR is empty at the next write", apic_errors(), 0);
	apic_set(LAPIC_LVT_ERROR, ERROR_VECTOR);
	ipi(1, 15);
	check("error interrupt", gathered(counts, 1), 1);
	apic_set(LAPIC_LVT_ERROR, 0x10000);
	apic_errors();
}

/* SDM vol. 3A, "Spurious Interrupt": a local APIC may deliver it where a request is masked by the
 * time it would be acknowledged. It wants no EOI. */
static void spurious(struct frame *f)
{
}

void guest_main(u32 magic, u32 info)
{
	static const u8 vectors[] = { 0x10, LOW, SAME_CLASS, MIDDLE, HIGH, ERROR_VECTOR };

	for (unsigned i = 0; i < COUNT(vectors); i++)
		set_handler(vectors[i], on_vector);
	set_handler(2, on_nmi);
	set_handler(0xff, spurious);
	apic_set(LAPIC_SVR, 0x1ff);
	nr_cpus = start_all();
	check("four CPUs", nr_cpus, 4);
	if (nr_cpus != 4)
		return;
	check_destinations();
	check_nmi();
	check_software_disabled();
	check_errors();
	check_priorities();
	check_tpr();
	check_registers();
}
