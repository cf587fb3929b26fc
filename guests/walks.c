/* SPDX-License-Identifier: MIT */
/*
 * Page faults of instructions that a hypervisor carries out itself: string I/O, and moves whose
 * other operand is a device's. It translates their addresses by a walk of its own, which must fault
 * as the CPU does, with as much done before (SDM vol. 3A, "Page-Fault Exceptions"; vol. 2, "REP").
 */
#include "guests/lib/access.h"

#define GP	13
#define P	1
#define W	2
#define U	4

#define CR0_WP	0x10000ul
#define AT	(WINDOW + 0x30000)	/* two pages, the second often missing */
#define NEXT	(AT + PAGE)
#define DEVICE	(WINDOW + 0x40000)	/* the local APIC again */
#define TPR	(DEVICE + LAPIC_TPR)
#define KEPT	2			/* the value of the TPR; class 0, so that nothing is held back */

static u8 page[2][PAGE] __attribute__((aligned(4096)));

/* How far a string instruction had come at its fault. */
static u64 left, moved;

static void outs(void *at)
{
	__asm__ volatile("outsb" : "+S"(at) : "d"(0x80) : "memory");
}

static void ins(void *at)
{
	__asm__ volatile("insb" : "+D"(at) : "d"(0x80) : "memory");
}

static void ins_dword(void *at)
{
	__asm__ volatile("insl" : "+D"(at) : "d"(0x80) : "memory");
}

static void outs_dword(void *at)
{
	__asm__ volatile("outsl" : "+S"(at) : "d"(0x80) : "memory");
}

static void outs_ss(void *at)
{
	__asm__ volatile(".byte 0x36; outsb" : "+S"(at) : "d"(0x80) : "memory");
}

/* From the device to `at`, so that `at` is written by whoever reads the device. */
static void movs_from_device(void *at)
{
	u64 from = TPR;

	__asm__ volatile("movsl" : "+D"(at), "+S"(from) :: "memory");
}

/* ES:RDI is read first; then `at`, by whoever read the device. */
static void cmps_with_device(void *at)
{
	u64 with = TPR;

	__asm__ volatile("cmpsl" : "+D"(with), "+S"(at) :: "memory", "cc");
}

static void rep_ins(void *at)
{
	u64 count = 16;

	__asm__ volatile("1: rep insb" : "+D"(at), "+c"(count) : "d"(0x80) : "memory");
}

struct access_row {
	const char *name;
	void (*make)(void *at);
	bool writes;
};

static const struct access_row rows[] = {
	{ "OUTS", outs, false }, { "INS", ins, true },
	{ "MOVS from a device", movs_from_device, true },
	{ "CMPS with a device", cmps_with_device, false },
};

/* What each of them raises with these flags in the page's entry. */
static void check_rows(const char *what, u64 flags, u64 of_reads, u64 of_writes)
{
	for (unsigned i = 0; i < COUNT(rows); i++) {
		map(AT, page[0], flags);
		check_in(rows[i].name, what, try(rows[i].make, AT),
			 rows[i].writes ? of_writes : of_reads);
	}
}

static void check_rights(void)
{
	check_rows("not present", 0, fault(0), fault(W));
	check_rows("read-only", PTE_P, 0, fault(P | W));
	check_rows("writable", PTE_P | PTE_W, 0, 0);
	check_rows("NX", PTE_P | PTE_W | PTE_NX, 0, 0);
	WRITE_CR(0, READ_CR(0) & ~CR0_WP);
	check_rows("read-only, WP off", PTE_P, 0, 0);
	WRITE_CR(0, READ_CR(0) | CR0_WP);
}

/* A refused access leaves the entry as it was; one that is made marks it. */
static void check_flags(void)
{
	for (unsigned i = 0; i < COUNT(rows); i++) {
		u64 *entry = entry_of(AT, 1);

		map(AT, page[0], PTE_P | PTE_W);
		rows[i].make((void *)AT);
		check_in(rows[i].name, "A and D", *entry & (PTE_A | PTE_D),
			 rows[i].writes ? PTE_A | PTE_D : PTE_A);
		if (!rows[i].writes)
			continue;
		map(AT, page[0], PTE_P);
		try(rows[i].make, AT);
		check_in(rows[i].name, "A and D, refused", *entry & (PTE_A | PTE_D), 0);
	}
}

/* CR2 of a fault, by where the operand lies. */
static void check_page_end(void)
{
	static const struct access_row wide[] = {
		{ "OUTS", outs_dword, false }, { "INS", ins_dword, true },
		{ "MOVS from a device", movs_from_device, true },
		{ "CMPS with a device", cmps_with_device, false },
	};

	for (unsigned i = 0; i < COUNT(wide); i++) {
		map(AT, page[0], PTE_P | PTE_W);
		map(NEXT, page[1], 0);
		check_in(wide[i].name, "over a page's end", try(wide[i].make, NEXT - 2),
			 fault(wide[i].writes ? W : 0));
		check_in(wide[i].name, "over a page's end, CR2", trap.cr2, NEXT);
		map(AT, page[0], 0);
		map(NEXT, page[1], PTE_P | PTE_W);
		check_in(wide[i].name, "its first page missing", try(wide[i].make, NEXT - 2),
			 fault(wide[i].writes ? W : 0));
		check_in(wide[i].name, "its first page missing, CR2", trap.cr2, NEXT - 2);
	}
}

static void check_not_canonical(void)
{
	check("OUTS: not canonical", try(outs, 1ul << 47), (u64)GP << 32);
	check("INS: not canonical", try(ins, 1ul << 47), (u64)GP << 32);
	/* the prefix means nothing in 64-bit mode */
	check("OUTS with SS prefix: not canonical", try(outs_ss, 1ul << 47), (u64)GP << 32);
	check("MOVS from a device: not canonical", try(movs_from_device, 1ul << 47), (u64)GP << 32);
	check("CMPS with a device: not canonical", try(cmps_with_device, 1ul << 47), (u64)GP << 32);
	check("OUTS: at the top of the lower half", try(outs, (1ul << 47) - 1), fault(0));
	check("INS: at the bottom of the upper half", try(ins, ~0ul << 47), fault(W));
}

static void on_fault(struct frame *f)
{
	left = f->rcx;
	moved = f->rdi;
	map(NEXT, page[1], PTE_P | PTE_W);
}

/* A REP that faults in the middle has done what lies before, and goes on where it was. */
static void check_rep(void)
{
	map(AT, page[0], PTE_P | PTE_W);
	map(NEXT, page[1], 0);
	set_handler(PF, on_fault);
	rep_ins((void *)(NEXT - 5));
	set_handler(PF, NULL);
	check("REP INS: RCX at the fault", left, 11);
	check("REP INS: RDI at the fault", moved, NEXT);
	check("REP INS: D of the second page", *entry_of(NEXT, 1) & PTE_D, PTE_D);
}

static void lock_or(void *at)
{
	__asm__ volatile("lock orl $0, (%0)" :: "r"(at) : "memory", "cc");
}

static void exchange(void *at)
{
	u32 value = KEPT;

	__asm__ volatile("xchg %0, (%1)" : "+r"(value) : "r"(at) : "memory");
}

static void add(void *at)
{
	__asm__ volatile("addl $0, (%0)" :: "r"(at) : "memory", "cc");
}

static void compare_exchange(void *at)
{
	__asm__ volatile("lock cmpxchgl %0, (%1)" :: "r"(KEPT), "r"(at), "a"(KEPT) : "memory", "cc");
}

static void store(void *at)
{
	*(volatile u32 *)at = KEPT;
}

/* Read-modify-writes of a device: the write half needs its right, and sets the dirty flag. */
static void check_device(void)
{
	static const struct access_row to_device[] = {
		{ "LOCK OR", lock_or, true }, { "XCHG", exchange, true }, { "ADD", add, true },
		{ "LOCK CMPXCHG", compare_exchange, true }, { "MOV", store, true },
	};

	for (unsigned i = 0; i < COUNT(to_device); i++) {
		const char *name = to_device[i].name;
		u64 *entry = entry_of(DEVICE, 1);

		map(DEVICE, (void *)LAPIC, PTE_P);
		check_in(name, "device, read-only", try(to_device[i].make, TPR), fault(P | W));
		check_in(name, "device, read-only: D", *entry & PTE_D, 0);
		map(DEVICE, (void *)LAPIC, PTE_P | PTE_W);
		check_in(name, "device", try(to_device[i].make, TPR), 0);
		check_in(name, "device: A and D", *entry & (PTE_A | PTE_D), PTE_A | PTE_D);
	}
	check("the device's register", lapic_read(LAPIC_TPR), KEPT);
}

static u64 user_sp;

static void run_user(void *code)
{
	guest_user(user_code(code, 16), user_sp, 2, TPR);
}

/* PUSH and CALL through a device at CPL 3, whose stack isn't there, or isn't for CPL 3. */
static void check_stack(void)
{
	static const char push[] = "\xff\x37\xf4";	/* push (%rdi); hlt */
	static const struct { const char *name; u64 flags, expected; } stacks[] = {
		{ "missing", 0, (u64)PF << 32 | U | W },
		{ "read-only", PTE_P | PTE_U, (u64)PF << 32 | U | W | P },
		{ "a supervisor's", PTE_P | PTE_W, (u64)PF << 32 | U | W | P },
		{ "there", PTE_P | PTE_W | PTE_U, (u64)GP << 32 },	/* of HLT */
	};

	map(DEVICE, (void *)LAPIC, PTE_P | PTE_W | PTE_U);
	user_sp = AT + PAGE;
	for (unsigned i = 0; i < COUNT(stacks); i++) {
		map(AT, page[0], stacks[i].flags);
		guest_try(run_user, (void *)(word)push);
		check_in("PUSH from a device, stack", stacks[i].name,
			 trap.vector << 32 | trap.error, stacks[i].expected);
		check_in("PUSH from a device, D of a stack", stacks[i].name,
			 *entry_of(AT, 1) & PTE_D, i == 3 ? PTE_D : 0);
	}
}

void guest_main(u32 magic, u32 info)
{
	map(DEVICE, (void *)LAPIC, PTE_P | PTE_W);
	lapic_write(LAPIC_TPR, KEPT);
	check_rights();
	check_flags();
	check_page_end();
	check_not_canonical();
	check_rep();
	check_device();
	check_stack();
}
