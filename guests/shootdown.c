/* SPDX-License-Identifier: MIT */
/*
 * TLB shootdowns between CPUs: when all have acknowledged, nobody uses the old translation any
 * more, whatever the flush is done with, for rights of the guest's own page tables and for rights
 * that Plinth gives (hypercall "set rights"); and entries of page tables that several CPUs change
 * at once lose nothing (SDM vol. 3A, "Propagation of Paging-Structure Changes to Multiple
 * Processors", "Accessed and Dirty Flags").
 */
#include "guests/lib/smp.h"

#include "include/hypercall.h"

#define FLUSH_VECTOR	0x71
#define TARGET		(WINDOW + 0x200000)
#define CELL		64u
#define ROUNDS		4u
#define CR4_PGE		0x80ul
#define PTE_G		0x100ul
#define COUNT_SHIFT	52
#define COUNT_MASK	127u

enum flush { BY_INVLPG, BY_CR3, BY_PGE, NR_FLUSHES };

static unsigned nr_cpus;
static u8 page_a[PAGE] __attribute__((aligned(4096)));
static u8 page_b[PAGE] __attribute__((aligned(4096)));
static volatile u32 faults[MAX_CPUS], tries[MAX_CPUS], acknowledged, stop;
static volatile u64 last_error;
static volatile enum flush how;

extern const char access_begin[], access_end[];

/* Behind the access that faulted. */
static void on_fault(struct frame *f)
{
	if (f->rip < (u64)access_begin || f->rip >= (u64)access_end) {
		print("# page fault at 0x%lx\n", f->rip);
		debug_exit(4);
	}
	last_error = f->error;
	add_fetch(&faults[this_cpu()], 1);
	f->rip = (u64)access_end;
}

static void flush(void)
{
	u64 cr4;

	switch (how) {
	case BY_INVLPG:
		invlpg((void *)TARGET);
		break;
	case BY_CR3:
		WRITE_CR(3, READ_CR(3));
		break;
	default:
		cr4 = READ_CR(4);
		WRITE_CR(4, cr4 | CR4_PGE);
		WRITE_CR(4, cr4 & ~CR4_PGE);
		WRITE_CR(4, cr4);
		break;
	}
}

static void on_flush(struct frame *f)
{
	flush();
	add_fetch(&acknowledged, 1);
	apic_set(LAPIC_EOI, 0);
}

/* One write, which may fault. */
__attribute__((noinline)) static void write_cell(volatile u64 *cell, u64 v)
{
	__asm__ volatile(".globl access_begin, access_end\n"
			 "access_begin: mov %1, (%0)\n"
			 "access_end:" :: "r"(cell), "r"(v) : "memory");
}

/* Each in a cell of its own. */
static void write_on(void *arg)
{
	unsigned cpu = this_cpu();
	volatile u64 *cell = (volatile u64 *)(TARGET + cpu * CELL);

	apic_set(LAPIC_SVR, 0x1ff);
	if (how == BY_PGE)
		WRITE_CR(4, READ_CR(4) | CR4_PGE);
	sti();
	for (u64 n = 1; !stop; n++) {
		write_cell(cell, n);
		tries[cpu]++;
	}
	cli();
	WRITE_CR(4, READ_CR(4) & ~CR4_PGE);
}

static u64 cells(const u8 *page)
{
	u64 sum = 0;

	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		sum += *(const volatile u64 *)(page + cpu * CELL);
	return sum;
}

/* Until each writer has tried again twice: the try under way has ended then. */
static bool all_try(void)
{
	bool good = true;

	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		good = wait_least(&tries[cpu], tries[cpu] + 2, 2000) && good;
	return good;
}

static bool shoot(u64 entry)
{
	acknowledged = 0;
	*(volatile u64 *)entry_of(TARGET, 1) = entry;
	flush();
	ipi(0, ICR_TO_OTHERS | FLUSH_VECTOR);
	return wait_least(&acknowledged, nr_cpus - 1, 2000);
}

/* Whether nothing reaches `page` any more. */
static bool is_still(const u8 *page)
{
	u64 before = cells(page);

	return all_try() && cells(page) == before;
}

static bool is_written(const u8 *page)
{
	u64 before = cells(page);

	return all_try() && cells(page) != before;
}

static u64 all_faults(void)
{
	u64 sum = 0;

	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		sum += faults[cpu];
	return sum;
}

static void begin_writing(u64 flags)
{
	stop = 0;
	map(TARGET, page_a, flags);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		run_on(cpu, write_on, NULL);
	all_try();
}

static void end_writing(const char *what)
{
	bool good = true;

	stop = 1;
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		good = job_done(cpu, 2000) && good;
	check_in(what, "writers end", good, 1);
}

static void check_kind(enum flush kind, const char *what)
{
	u64 open = PTE_P | PTE_W | (kind == BY_PGE ? PTE_G : 0);
	u32 acks = 0, written = 0, protected = 0, unmapped = 0, away = 0, there = 0, codes = 0;

	how = kind;
	begin_writing(open);
	for (unsigned i = 0; i < ROUNDS; i++) {
		acks += shoot((u64)page_a | open);
		written += is_written(page_a);
		acks += shoot((u64)page_a | (open & ~PTE_W));
		protected += is_still(page_a);
		codes += last_error == 3;
		acks += shoot((u64)page_a | open);
		acks += shoot(0);
		unmapped += is_still(page_a);
		codes += last_error == 2;
		acks += shoot((u64)page_a | open);
		acks += shoot((u64)page_b | open);
		away += is_still(page_a);
		there += is_written(page_b);
	}
	end_writing(what);
	check_in(what, "acknowledged", acks, ROUNDS * 6);
	check_in(what, "writable: is written", written, ROUNDS);
	check_in(what, "read-only: no write", protected, ROUNDS);
	check_in(what, "not present: no write", unmapped, ROUNDS);
	check_in(what, "another page: the old one is left", away, ROUNDS);
	check_in(what, "another page: is written", there, ROUNDS);
	check_in(what, "error codes", codes, ROUNDS * 2);
	check_in(what, "faults", all_faults() > 0, 1);
}

/* ---- rights that Plinth gives ---- */

static long set_rights(const void *page, u64 rights)
{
	long result;

	__asm__ volatile("vmmcall" : "=a"(result) : "a"((long)PLINTH_CALL_SET_RIGHTS),
			 "b"((u64)page), "c"(PAGE), "d"(rights) : "memory");
	return result;
}

/* When the hypercall returns nobody writes any more; no IPI of the guest's own is needed. */
static void check_rights(void)
{
	u64 all = PLINTH_RIGHT_R | PLINTH_RIGHT_W | PLINTH_RIGHT_XS | PLINTH_RIGHT_XU;
	u32 errors = 0, written = 0, readable = 0, none = 0, codes = 0;

	how = BY_INVLPG;
	begin_writing(PTE_P | PTE_W);
	for (unsigned i = 0; i < ROUNDS; i++) {
		errors += set_rights(page_a, all) != 0;
		written += is_written(page_a);
		errors += set_rights(page_a, PLINTH_RIGHT_R) != 0;
		readable += is_still(page_a);
		codes += last_error == 3;
		errors += set_rights(page_a, all) != 0;
		errors += set_rights(page_a, 0) != 0;
		all_try();
		errors += set_rights(page_a, PLINTH_RIGHT_R) != 0;
		none += is_still(page_a);
	}
	set_rights(page_a, all);
	end_writing("rights:");
	check("rights: no error", errors, 0);
	check("rights: all: is written", written, ROUNDS);
	check("rights: R: no write", readable, ROUNDS);
	check("rights: none, then R: no write", none, ROUNDS);
	check("rights: error codes", codes, ROUNDS);
}

/* ---- one entry, changed by all ---- */

static volatile u64 *entry;
static volatile u32 lost, clears, counted, flipped;

/* Takes the flags away, writes, and must find them set. */
static void use_it(void *arg)
{
	while (!stop) {
		__atomic_fetch_and(entry, ~(PTE_A | PTE_D), __ATOMIC_SEQ_CST);
		invlpg((void *)TARGET);
		*(volatile u8 *)(TARGET + 8) = 1;
		if ((*entry & (PTE_A | PTE_D)) != (PTE_A | PTE_D))
			lost++;
		clears++;
	}
}

static void count_in_it(void *arg)
{
	while (!stop) {
		u64 old = *entry, next = (old >> COUNT_SHIFT & COUNT_MASK) + 1;

		next = (old & ~((u64)COUNT_MASK << COUNT_SHIFT)) |
		       (next & COUNT_MASK) << COUNT_SHIFT;
		if (__atomic_compare_exchange_n(entry, &old, next, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			counted++;
	}
}

static void flip_it(void *arg)
{
	while (!stop) {
		__asm__ volatile("lock btcq $9, %0" : "+m"(*entry));
		flipped++;
	}
}

static void check_flags(void)
{
	bool good;

	entry = entry_of(TARGET, 1);
	map(TARGET, page_a, PTE_P | PTE_W);
	stop = 0;
	run_on(1, use_it, NULL);
	run_on(2, count_in_it, NULL);
	run_on(3, flip_it, NULL);
	good = wait_least(&clears, 1000, 10000) && wait_least(&counted, 1000, 10000) &&
	       wait_least(&flipped, 1000, 10000);
	check("A and D: many times", good, 1);
	stop = 1;
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		good = job_done(cpu, 2000) && good;
	check("A and D: writers end", good, 1);
	check("A and D: none lost", lost, 0);
	check("A and D: counted bits lost", ((*entry >> COUNT_SHIFT) - counted) & COUNT_MASK, 0);
	check("A and D: flipped bits lost", ((*entry >> 9) - flipped) & 1, 0);
	check("A and D: the address stays", *entry & 0xffffffff000ul, (u64)page_a);
}

void guest_main(u32 magic, u32 info)
{
	set_handler(14, on_fault);
	set_handler(FLUSH_VECTOR, on_flush);
	apic_set(LAPIC_SVR, 0x1ff);
	nr_cpus = start_all();
	check("CPUs", nr_cpus, 4);
	if (nr_cpus != 4)
		return;
	check_kind(BY_INVLPG, "INVLPG:");
	check_kind(BY_CR3, "MOV to CR3:");
	check_kind(BY_PGE, "CR4.PGE:");
	check_flags();
	if (under_plinth())
		check_rights();
	else
		skip("rights:", "only Plinth has them");
}
