/* SPDX-License-Identifier: MIT */
/*
 * What operations cost: RDTSC, operation, RDTSC, less an empty pair, median of 65. Under QEMU's
 * -icount shift=0 a tick is an instruction. Prints "bench ROW VALUE". What the guest's own page
 * tables cost is in guests/lib/bench_paging.c.
 */
#include "guests/lib/bench.h"

#define UNCLAIMED_PORT	"$0x1234"
#define UNCLAIMED	0xfe000000ul
#define NOT_MAPPED	0x140000000ul
#define TOUCH_BASE	0x4000000ul	/* nobody has touched memory from here on */
#define TOUCH_BASE_2M	0x5000000ul	/* nor has the row with TOUCH_BASE come so far */
#define TOUCHED		64		/* pages */
#define IPI_VECTOR	0x40
#define TIMER_VECTOR	0x41
#define MSR_TSC_DEADLINE 0x6e0
#define TSC_DEADLINE	0x40000u
#define AHEAD		20000u		/* 20 us of the TSC and of the timer, which have 1 GHz here */

static volatile u32 flag;
static volatile u32 stamp;		/* the TSC's low half when the timer's handler began */

#define MSR_EFER "mov $0xc0000080, %%ecx;"

ROW(row_cpuid, "xor %%eax, %%eax; cpuid")
ROW(row_vmmcall, "xor %%eax, %%eax; vmmcall")
ROW(row_in_pic, "inb $0x21, %%al")
ROW(row_in_unclaimed, "mov " UNCLAIMED_PORT ", %%edx; inb %%dx, %%al")
ROW(row_rdmsr, MSR_EFER "rdmsr")
ROW(row_wrmsr, MSR_EFER "mov $0xd00, %%eax; xor %%edx, %%edx; wrmsr")
ROW(row_read, "mov (%%rdi), %%eax")
ROW(row_write, "movl $0, (%%rdi)")
ROW(row_ipi, "movl $0x40040, (%%rdi); 1: cmpl $0, (%%rsi); je 1b; movl $0, (%%rsi)")
ROW(row_cr3, "mov %%rdi, %%cr3")
ROW(row_invlpg, "invlpg (%%rdi)")
ROW(row_cr0, "mov %%rdi, %%cr0; mov %%rsi, %%cr0")
ROW(row_cr4, "mov %%rdi, %%cr4; mov %%rsi, %%cr4")

/* The handlers: as short as a kernel's can be. */
void interrupt_entry(void);
void timer_entry(void);
void fault_entry(void);

__asm__(".globl interrupt_entry, timer_entry, fault_entry\n"
	"interrupt_entry:\n"
	"	movl $1, flag(%rip)\n"
	"	push %rax\n"
	"	mov $0xfee000b0, %eax\n"
	"	movl $0, (%rax)\n"
	"	pop %rax\n"
	"	iretq\n"
	"timer_entry:\n"
	"	push %rax\n"
	"	push %rdx\n"
	"	rdtsc\n"
	"	mov %eax, stamp(%rip)\n"
	"	pop %rdx\n"
	"	pop %rax\n"
	"	jmp interrupt_entry\n"
	"fault_entry:\n"		/* over the 2 bytes of mov (%rdi), %eax */
	"	add $8, %rsp\n"
	"	addq $2, (%rsp)\n"
	"	iretq\n");

/* How late the handler of a timer is, set to AHEAD of now. */
static u32 sample_timer(word deadline, word unused)
{
	u64 at;

	flag = 0;
	at = rdtsc() + AHEAD;
	if (deadline)
		wrmsr(MSR_TSC_DEADLINE, at);
	else
		lapic_write(LAPIC_TMICT, AHEAD);
	while (!flag)
		continue;
	return stamp - (u32)at;
}

/* Pages that nobody has touched since the machine began; the first one, not measured, brings the
 * tables that they need. */
static u32 sample_touch(word at, word unused)
{
	const volatile u8 *page = (const volatile u8 *)at;
	u32 start;

	(void)*page;
	start = ticks();
	for (unsigned i = 1; i <= TOUCHED; i++)
		(void)page[i * PAGE];
	return ticks() - start;
}

static void report_interrupts(void)
{
	const struct row ipi = { "self-ipi", row_ipi, LAPIC + LAPIC_ICR, (word)&flag };
	const struct row timer = { "lapic-timer", sample_timer, false, .absolute = true };
	const struct row deadline = { "tsc-deadline", sample_timer, true, .absolute = true };

	set_raw_gate(IPI_VECTOR, interrupt_entry);
	set_raw_gate(TIMER_VECTOR, timer_entry);
	sti();
	report(&ipi);
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_LVTT, TIMER_VECTOR);
	report(&timer);
	if (cpuid(1, 0).ecx >> 24 & 1) {
		lapic_write(LAPIC_LVTT, TSC_DEADLINE | TIMER_VECTOR);
		report(&deadline);
	}
	cli();
}

/* Whether VMMCALL goes to somebody. */
static bool has_hypercalls(void)
{
	return under_plinth() || cpuid(0x40000000, 0).ebx == 0x4b4d564b;	/* "KVMK" */
}

void guest_main(u32 magic, u32 info)
{
	const word cr0 = READ_CR(0), cr3 = READ_CR(3), cr4 = READ_CR(4);
	const struct row rows[] = {
		{ "cpuid", row_cpuid },
		{ "in-pic", row_in_pic },
		{ "in-unclaimed", row_in_unclaimed },
		{ "rdmsr-efer", row_rdmsr },
		{ "wrmsr-efer", row_wrmsr },
		{ "lapic-read", row_read, LAPIC + LAPIC_VERSION },
		{ "lapic-eoi", row_write, LAPIC + LAPIC_EOI },
		{ "mmio-unclaimed", row_read, UNCLAIMED },
		{ "first-touch", sample_touch, TOUCH_BASE, .step = 0x200000, .samples = 5,
		  .per = TOUCHED },
		{ "first-touch-2m", row_read, TOUCH_BASE_2M, .step = 0x200000 },
		{ "mov-cr3", row_cr3, cr3 },
		{ "invlpg", row_invlpg, TOUCH_BASE },
		{ "cr0-wp-twice", row_cr0, cr0 & ~0x10000ul, cr0 },
		{ "cr4-pge-twice", row_cr4, cr4 | 0x80, cr4 },
		{ "guest-fault", row_read, NOT_MAPPED },
	};
	const struct row vmmcall = { "vmmcall", row_vmmcall };

	lapic_write(LAPIC_SVR, 0x1ff);
	set_raw_gate(14, fault_entry);
	for (unsigned i = 0; i < COUNT(rows); i++)
		report(&rows[i]);
	if (has_hypercalls())
		report(&vmmcall);
	report_user_fault(NOT_MAPPED);
	report_paging();
	report_interrupts();
	debug_exit(0);
}
