/* SPDX-License-Identifier: MIT */
/*
 * Application processors: what the MADT lists, INIT and start-up IPIs in all their forms, the state
 * in which an AP begins, what INIT keeps and resets (SDM vol. 3A, "MP Initialization", "Processor
 * State After Power-up, Reset, or INIT", "Local APIC State After It Receives an INIT Reset").
 */
#include "guests/lib/smp.h"

#define FWCFG_PORT	0x510
#define FWCFG_DATA	0x511
#define FWCFG_CPUS	5
#define RESTARTS	50
#define IPI_VECTOR	0x60
#define OTHER_PAGE	0x30u
#define MSR_PAT		0x277u
#define MSR_STAR	0xc0000081u
#define MSR_TSC_AUX	0xc0000103u
#define MSR_KERNEL_GS	0xc0000102u
#define MSR_GS_BASE	0xc0000101u
#define MSR_SYSENTER_EIP 0x176u
#define MSR_MTRR_DEF	0x2ffu
#define SOME_PAT	0x0007040600070401ull
#define SOME_ADDRESS	0x123456789000ull

static unsigned nr_cpus;
static volatile u32 spins, ipis, nmis;

static void on_ipi(struct frame *f)
{
	add_fetch(&ipis, 1);
	apic_set(LAPIC_EOI, 0);
}

static void on_nmi(struct frame *f)
{
	add_fetch(&nmis, 1);
}

/* ---- what an AP does ---- */

static void spin(void *arg)
{
	for (;;) {
		spins++;
		pause();
	}
}

static void halt_deaf(void *arg)
{
	for (;;) {
		spins++;
		__asm__ volatile("cli; hlt");
	}
}

static void halt_listening(void *arg)
{
	for (;;) {
		spins++;
		sti_hlt_cli();
	}
}

static void exits(void *arg)
{
	for (;;) {
		spins++;
		cpuid(0, 0);
		inb(0x80);
		lapic_read(LAPIC_ID);
	}
}

static void nothing(void *arg)
{
}

static void let_in(void *arg)
{
	apic_set(LAPIC_SVR, 0x1ff);
	sti();
	for (unsigned i = 0; i < 100; i++)
		pause();
	cli();
}

/* ---- the table ---- */

static u32 fwcfg_cpus(void)
{
	outw(FWCFG_PORT, FWCFG_CPUS);
	return inb(FWCFG_DATA) | (u32)inb(FWCFG_DATA) << 8;
}

static void check_madt(void)
{
	const u8 *madt = acpi_table("APIC");
	u8 ids[MAX_CPUS] = { 0 };
	u32 address, flags, size, entries[16] = { 0 };
	u8 sum = 0;

	if (!madt)
		return check_true("MADT", false);
	__builtin_memcpy(&size, madt + 4, 4);
	__builtin_memcpy(&address, madt + 36, 4);
	__builtin_memcpy(&flags, madt + 40, 4);
	for (u32 i = 0; i < size; i++)
		sum += madt[i];
	for (u32 at = 44; at + 2 <= size && madt[at + 1] >= 2; at += madt[at + 1])
		entries[madt[at] & 15]++;
	nr_cpus = madt_cpus(ids);
	check("MADT: checksum", sum, 0);
	check("MADT: local APIC address", address, LAPIC);
	check("MADT: PCAT_COMPAT", flags, 1);
	if (like_qemu())
		check("MADT: enabled CPUs", nr_cpus, fwcfg_cpus());
	else
		tell("MADT: enabled CPUs", nr_cpus);
	for (unsigned i = 0; i < nr_cpus; i++)
		check_in("MADT: APIC ID of", (const char[]){ (char)('0' + i), 0 }, ids[i], i);
	check("MADT: IOAPICs", entries[1], 1);
	check_true("MADT: IRQ 0 is overridden", entries[2] >= 1);
	check_true("MADT: has local APIC NMIs", entries[4] >= 1);
	check("BSP: APIC base", rdmsr(MSR_APIC_BASE), LAPIC | APIC_BASE_ON | APIC_BASE_BSP);
}

/* ---- the first start ---- */

static void check_registers(const char *when, unsigned vector)
{
	volatile struct ap_state *s = AP_STATE;

	check_in(when, "CS", s->cs, vector << 8);
	check_in(when, "IP", s->ip, 0);
	check_in(when, "EDX is CPUID's signature", s->edx == cpuid(1, 0).eax, 1);
	check_in(when, "other general registers", s->eax | s->ebx | s->ecx | s->esi | s->edi |
		 s->ebp | s->esp, 0);
	check_in(when, "EFLAGS", s->eflags, 2);
	check_in(when, "data selectors", s->ds | s->es | s->ss | s->fs | s->gs, 0);
	check_in(when, "CR0 without CD and NW", s->cr0 & ~0x60000000u, 0x10);
	check_in(when, "CR2, CR3, CR4", s->cr2 | s->cr3 | s->cr4, 0);
	check_in(when, "DR0 to DR3", s->dr0 | s->dr1 | s->dr2 | s->dr3, 0);
	check_in(when, "DR6", s->dr6, 0xffff0ff0);
	check_in(when, "DR7", s->dr7, 0x400);
	check_in(when, "EFER", s->efer, 0);
	check_in(when, "GS base", s->gs_base, 0);
	check_in(when, "limits of GDTR and IDTR", (u32)s->gdt_limit << 16 | s->idt_limit, ~0u);
	check_in(when, "bases of GDTR and IDTR", s->gdt_base[0] | s->gdt_base[1] | s->idt_base[0] |
		 s->idt_base[1], 0);
}

static struct {
	u64 base, pat, mtrr, star, tsc_aux, kernel_gs, sysenter;
	u32 id, version, tpr, ppr, ldr, dfr, svr, esr, icr, initial, count, divide, lvt[6];
	u32 bits, cpuid_id, cpuid_x2;
	u16 fcw;
} ap;

static void read_ap(void *arg)
{
	ap.base = rdmsr(MSR_APIC_BASE);
	ap.pat = rdmsr(MSR_PAT);
	ap.mtrr = rdmsr(MSR_MTRR_DEF);
	ap.star = rdmsr(MSR_STAR);
	ap.tsc_aux = has_rdtscp() ? rdmsr(MSR_TSC_AUX) : 0;
	ap.kernel_gs = rdmsr(MSR_KERNEL_GS);
	ap.sysenter = rdmsr(MSR_SYSENTER_EIP);
	ap.id = apic_get(LAPIC_ID);
	ap.version = apic_get(LAPIC_VERSION);
	ap.tpr = apic_get(LAPIC_TPR);
	ap.ppr = apic_get(LAPIC_PPR);
	ap.ldr = apic_get(LAPIC_LDR);
	ap.dfr = apic_get(LAPIC_DFR);
	ap.svr = apic_get(LAPIC_SVR);
	ap.esr = apic_errors();
	ap.icr = apic_get(LAPIC_ICR) & ~ICR_PENDING;
	ap.initial = apic_get(LAPIC_TMICT);
	ap.count = apic_get(LAPIC_TMCCT);
	ap.divide = apic_get(LAPIC_TDCR);
	for (unsigned i = 0; i < 6; i++)
		ap.lvt[i] = apic_get(LAPIC_LVTT + i * 0x10);
	ap.bits = 0;
	for (u32 reg = LAPIC_ISR; reg < LAPIC_ESR; reg += 0x10)
		ap.bits |= apic_get(reg);
	ap.cpuid_id = cpuid(1, 0).ebx >> 24;
	ap.cpuid_x2 = cpuid(0xb, 0).edx;
	__asm__ volatile("fnstcw %0" : "=m"(ap.fcw));
}

static void check_apic(const char *when, unsigned cpu)
{
	check_in(when, "APIC base", ap.base, LAPIC | APIC_BASE_ON);
	check_in(when, "APIC ID", ap.id, cpu << 24);
	check_in(when, "APIC version as the BSP's", ap.version == apic_get(LAPIC_VERSION), 1);
	check_in(when, "TPR and PPR", ap.tpr | ap.ppr, 0);
	check_in(when, "LDR", ap.ldr, 0);
	check_in(when, "DFR", ap.dfr, ~0u);
	check_in(when, "SVR", ap.svr, 0xff);
	check_in(when, "ESR", ap.esr, 0);
	check_in(when, "ICR", ap.icr, 0);
	check_in(when, "timer", ap.initial | ap.count | ap.divide, 0);
	for (unsigned i = 0; i < 6; i++)
		check_in(when, (const char[]){ 'L', 'V', 'T', ' ', (char)('0' + i), 0 },
			 ap.lvt[i], 0x10000);
	check_in(when, "ISR, TMR, IRR", ap.bits, 0);
}

static void check_first(void)
{
	ap_code(AP_PAGE, true);
	check_true("first start: AP runs", ap_start(1, AP_PAGE));
	check_registers("first start:", AP_PAGE);
	check("first start: CD and NW", AP_STATE->cr0 & 0x60000000, 0x60000000);
	call_on(1, read_ap, NULL);
	check_apic("first start:", 1);
	check("first start: PAT as the BSP's", ap.pat == rdmsr(MSR_PAT), 1);
	tell("first start: MTRR default type as the BSP's", ap.mtrr == rdmsr(MSR_MTRR_DEF));
	check("first start: STAR, TSC_AUX", ap.star | ap.tsc_aux, 0);
	tell("first start: x87 control word", ap.fcw);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) {
		static const char *const names[] = { "0", "1", "2", "3", "4", "5", "6", "7" };
		bool runs = cpu == 1 || ap_start(cpu, AP_PAGE);

		check_in("all start: AP runs", names[cpu], runs, 1);
		call_on(cpu, read_ap, NULL);
		check_in("all start: IDs of CPUID and the APIC", names[cpu],
			 ap.cpuid_id << 16 | ap.id >> 24, cpu << 16 | cpu);
		if (cpuid(0, 0).eax >= 0xb)
			check_in("all start: ID of leaf 0BH", names[cpu], ap.cpuid_x2 & 0xff, cpu);
		check_in("all start: BSP flag", names[cpu], ap.base & APIC_BASE_BSP, 0);
	}
}

/* ---- forms of starting ---- */

static bool runs_on(u32 before)
{
	return wait_least(&spins, before + 1000, 1000);
}

static bool stopped(void)
{
	u32 before;

	delay_us(2000);
	before = spins;
	delay_us(5000);
	return spins == before;
}

static void check_vectors(void)
{
	static const struct { u8 vector; const char *name; } rows[] = {
		{ 0x09, "9" }, { 0x10, "10H" }, { 0x3f, "3FH" }, { 0x7f, "7FH" }, { 0x9e, "9EH" },
	};

	for (unsigned i = 0; i < COUNT(rows); i++) {
		ap_code(rows[i].vector, true);
		check_in("start at page", rows[i].name, ap_start(1, rows[i].vector), 1);
		check_in("start at page: CS", rows[i].name, AP_STATE->cs, rows[i].vector << 8u);
	}
	ap_code(AP_PAGE, true);
	check_true("INIT and one SIPI at once", ap_start_short(1, AP_PAGE));
	check_registers("short start:", AP_PAGE);
}

#define OTHER_RAN ((volatile u32 *)AP_STATE)

/* Code at another page that says so and stops. */
static void other_code(void)
{
	static const u8 code[] = {
		0xc6, 0x06, 0x00, 0x70, 0x77,	/* movb $0x77, 0x7000 */
		0xfa, 0xf4, 0xeb, 0xfc,		/* 1: cli; hlt; jmp 1b */
	};

	memcpy((void *)((u64)OTHER_PAGE << 12), code, sizeof(code));
	*OTHER_RAN = 0;
}

static void check_ignored(void)
{
	u32 starts = *starts_of(1);

	other_code();
	run_on(1, spin, NULL);
	check_true("AP spins", runs_on(spins));
	ipi(1, ICR_STARTUP | OTHER_PAGE);
	delay_us(2000);
	check("SIPI to a running AP: not taken", *OTHER_RAN, 0);
	check_true("SIPI to a running AP: it runs on", runs_on(spins));
	ipi(1, ICR_INIT | ICR_LEVEL);
	check_true("INIT deassert: it runs on", runs_on(spins));
	ipi(0, ICR_INIT | ICR_LEVEL | ICR_TO_ALL);
	check_true("INIT deassert to all: it runs on", runs_on(spins));
	ipi(1, ICR_INIT | ICR_ASSERT);
	check_true("INIT stops it", stopped());
	ipi(1, ICR_INIT | ICR_ASSERT);
	ipi(1, ICR_INIT | ICR_LEVEL);
	delay_us(2000);
	check("INIT again: it waits", *starts_of(1), starts);
	ipi(1, ICR_STARTUP | OTHER_PAGE);
	wait_least(OTHER_RAN, 0x77, 1000);
	check("the SIPI's page decides", *OTHER_RAN, 0x77);
	ipi(1, ICR_STARTUP | AP_PAGE);
	delay_us(5000);
	check("SIPI to a halted AP: not taken", *starts_of(1), starts);
	ap_code(AP_PAGE, true);
	check_true("INIT and SIPI start it again", ap_start(1, AP_PAGE));
}

static void check_stop(const char *what, void (*job)(void *), unsigned cpu)
{
	u32 before = spins;

	run_on(cpu, job, NULL);
	wait_least(&spins, before + 1, 1000);
	delay_us(1000);
	ap_code(AP_PAGE, true);
	check_in("restart from", what, ap_start_short(cpu, AP_PAGE), 1);
	check_in("restart from: CS", what, AP_STATE->cs, AP_PAGE << 8);
	check_in("restart from: does jobs", what, call_on(cpu, nothing, NULL), 1);
}

/* ---- what INIT keeps, and what it resets ---- */

static void disturb(void *arg)
{
	static const u16 fcw = 0x27f;

	wrmsr(MSR_PAT, SOME_PAT);
	wrmsr(MSR_STAR, SOME_ADDRESS);
	if (has_rdtscp())
		wrmsr(MSR_TSC_AUX, 0x1234);
	wrmsr(MSR_KERNEL_GS, SOME_ADDRESS);
	wrmsr(MSR_GS_BASE, SOME_ADDRESS);
	wrmsr(MSR_SYSENTER_EIP, SOME_ADDRESS);
	WRITE_CR(2, SOME_ADDRESS);
	WRITE_CR(8, 3);
	__asm__ volatile("mov %0, %%dr0; mov %0, %%dr3" :: "r"(0x1234ul));
	__asm__ volatile("mov %0, %%dr7; mov %1, %%dr6" :: "r"(0x600ul), "r"(0xffff4ff0ul));
	__asm__ volatile("fninit; fldcw %0" :: "m"(fcw));
	__asm__ volatile("mov %0, %%r8; movq %%r8, %%xmm5" :: "r"(SOME_ADDRESS) : "r8");
	apic_set(LAPIC_SVR, 0x1f0);
	apic_set(LAPIC_LDR, 0x02000000);
	apic_set(LAPIC_DFR, 0x0fffffff);
	apic_set(LAPIC_TPR, 0x50);
	apic_set(LAPIC_TDCR, 3);
	apic_set(LAPIC_LVTT, 0x20000 | IPI_VECTOR);
	apic_set(LAPIC_TMICT, 100000000);
	apic_set(LAPIC_LINT0, 0x8700);
	apic_set(LAPIC_LVT_ERROR, IPI_VECTOR);
	apic_set(LAPIC_ICR, ICR_TO_SELF | IPI_VECTOR);
}

static u64 xmm5;

static void read_xmm(void *arg)
{
	__asm__ volatile("movq %%xmm5, %0" : "=m"(xmm5));
}

static void restore(void *arg)
{
	wrmsr(MSR_PAT, *(u64 *)arg);
	wrmsr(MSR_STAR, 0);
	if (has_rdtscp())
		wrmsr(MSR_TSC_AUX, 0);
	wrmsr(MSR_KERNEL_GS, 0);
	wrmsr(MSR_SYSENTER_EIP, 0);
}

static void read_tsc(void *arg)
{
	*(u64 *)arg = rdtsc();
}

static void check_init(void)
{
	u64 before = 0, after = 0, pat = rdmsr(MSR_PAT);

	call_on(1, disturb, NULL);
	call_on(1, read_tsc, &before);
	ap_code(AP_PAGE, true);
	check_true("INIT of a disturbed AP", ap_start(1, AP_PAGE));
	call_on(1, read_tsc, &after);
	call_on(1, read_xmm, NULL);
	call_on(1, read_ap, NULL);
	check_registers("after INIT:", AP_PAGE);
	tell("after INIT: CD and NW stay", AP_STATE->cr0 & 0x60000000);
	check_apic("after INIT:", 1);
	check_true("after INIT: the TSC goes on", after > before);
	check("after INIT: PAT stays", ap.pat, SOME_PAT);
	check("after INIT: STAR stays", ap.star, SOME_ADDRESS);
	check("after INIT: TSC_AUX stays", ap.tsc_aux, has_rdtscp() ? 0x1234 : 0);
	check("after INIT: KERNEL_GS_BASE stays", ap.kernel_gs, SOME_ADDRESS);
	check("after INIT: SYSENTER_EIP stays", ap.sysenter, SOME_ADDRESS);
	check("after INIT: x87 control word stays", ap.fcw, 0x27f);
	check("after INIT: XMM5 stays", xmm5, SOME_ADDRESS);
	ipis = 0;
	call_on(1, let_in, NULL);
	check("after INIT: the requested interrupt is gone", ipis, 0);
	ipi(1, IPI_VECTOR);
	call_on(1, let_in, NULL);
	check("after INIT: interrupts come", ipis, 1);
	call_on(1, restore, &pat);
}

/* While it waits for a SIPI an AP takes neither interrupts nor NMIs. */
static void check_waiting(void)
{
	u32 starts;

	ipi(1, ICR_INIT | ICR_ASSERT);
	delay_us(2000);
	ipis = nmis = 0;
	check("waiting AP: a fixed IPI is sent", ipi(1, IPI_VECTOR), 1);
	delay_us(2000);
	check("waiting AP: nothing comes", ipis + nmis, 0);
	ap_code(AP_PAGE, true);
	starts = *starts_of(1);
	ipi(1, ICR_STARTUP | AP_PAGE);
	check("waiting AP: starts then", wait_least(starts_of(1), starts + 1, 1000), 1);
	call_on(1, let_in, NULL);
	if (under_plinth())
		check("waiting AP: the IPI is lost", ipis, 0);
	else
		skip("waiting AP: the IPI is lost", "QEMU takes it although the APIC is off");
}

/* ---- all together ---- */

static void start_other(void *arg)
{
	*(volatile bool *)arg = ap_start_short(2, AP_PAGE);
}

static void check_together(void)
{
	u32 before[MAX_CPUS], same = 0;
	bool started = false;

	ap_code(AP_PAGE, false);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		before[cpu] = *starts_of(cpu);
	ipi(0, ICR_INIT | ICR_ASSERT | ICR_TO_OTHERS);
	delay_us(10000);
	ipi(0, ICR_STARTUP | ICR_ASSERT | AP_PAGE | ICR_TO_OTHERS);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		same += wait_least(starts_of(cpu), before[cpu] + 1, 1000) &&
			call_on(cpu, nothing, NULL) && *starts_of(cpu) == before[cpu] + 1;
	check("broadcast: all APs start once", same, nr_cpus - 1);

	run_on(1, start_other, &started);
	job_done(1, 2000);
	check("an AP starts another", started && call_on(2, nothing, NULL), 1);
}

static void check_again(void)
{
	static void (*const jobs[])(void *) = { spin, halt_deaf, halt_listening, exits, nothing };
	u32 good = 0;

	for (unsigned i = 0; i < RESTARTS; i++) {
		for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
			run_on(cpu, jobs[(i + cpu) % COUNT(jobs)], NULL);
		for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
			good += i & 1 ? ap_start(cpu, AP_PAGE) : ap_start_short(cpu, AP_PAGE);
	}
	check("parked and restarted", good, RESTARTS * (nr_cpus - 1));
}

void guest_main(u32 magic, u32 info)
{
	set_handler(IPI_VECTOR, on_ipi);
	set_handler(2, on_nmi);
	lapic_write(LAPIC_SVR, 0x1ff);
	check_madt();
	if (nr_cpus < 3)
		return check_true("three CPUs or more", false);
	check_first();
	check_vectors();
	check_ignored();
	check_stop("a loop", spin, 1);
	check_stop("CLI; HLT", halt_deaf, 1);
	check_stop("STI; HLT", halt_listening, 1);
	check_stop("a loop of exits", exits, 1);
	check_init();
	check_waiting();
	check_together();
	check_again();
}
