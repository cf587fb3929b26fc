/* SPDX-License-Identifier: MIT */
/*
 * What operations cost: RDTSC, operation, RDTSC, less an empty pair, median of 65. Under QEMU's
 * -icount shift=0 a tick is an instruction. Prints "bench ROW VALUE".
 */
#include "guests/lib/guest.h"

#define SAMPLES		65
#define UNCLAIMED_PORT	"$0x1234"
#define UNCLAIMED	0xfe000000ul
#define NOT_MAPPED	0x140000000ul
#define TOUCH_BASE	0x4000000ul	/* nobody has touched memory from here on */
#define TOUCH_BASE_2M	0x5000000ul	/* nor has the row with TOUCH_BASE come so far */
#define IPI_VECTOR	0x40
#define TIMER_VECTOR	0x41
#define ICR_SELF	0x40000u	/* destination shorthand: self */
#define TSC_DEADLINE	0x40000u

struct row {
	const char *name;
	u32 (*sample)(word a, word b);
	word a, b;
	word step;	/* added to a after each sample */
};

static volatile u32 flag;

/* The operation may use a in RDI, b in RSI, and any register but those and R15. */
#define ROW(name, op) \
	static u32 name(word a, word b) \
	{ \
		u32 ticks; \
		__asm__ volatile("rdtsc; mov %%eax, %%r15d;" op "; rdtsc; sub %%r15d, %%eax" \
				 : "=a"(ticks) : "D"(a), "S"(b) \
				 : "rbx", "rcx", "rdx", "r8", "r15", "cc", "memory"); \
		return ticks; \
	}
#define MSR_EFER "mov $0xc0000080, %%ecx;"

ROW(empty, "")
ROW(row_cpuid, "xor %%eax, %%eax; cpuid")
ROW(row_vmmcall, "xor %%eax, %%eax; vmmcall")
ROW(row_in_pic, "inb $0x21, %%al")
ROW(row_in_unclaimed, "mov " UNCLAIMED_PORT ", %%edx; inb %%dx, %%al")
ROW(row_rdmsr, MSR_EFER "rdmsr")
ROW(row_wrmsr, MSR_EFER "mov $0xd00, %%eax; xor %%edx, %%edx; wrmsr")
ROW(row_read, "mov (%%rdi), %%eax")
ROW(row_write, "movl $0, (%%rdi)")
ROW(row_ipi, "movl $0x40040, (%%rdi); 1: cmpl $0, (%%rsi); je 1b; movl $0, (%%rsi)")
ROW(row_timer, "movl $1, (%%rdi); 1: cmpl $0, (%%rsi); je 1b; movl $0, (%%rsi)")
ROW(row_deadline, "rdtsc; inc %%eax; mov $0x6e0, %%ecx; wrmsr;"
    "1: cmpl $0, (%%rsi); je 1b; movl $0, (%%rsi)")
ROW(row_cr3, "mov %%rdi, %%cr3")
ROW(row_invlpg, "invlpg (%%rdi)")
ROW(row_cr0, "mov %%rdi, %%cr0; mov %%rsi, %%cr0")
ROW(row_cr4, "mov %%rdi, %%cr4; mov %%rsi, %%cr4")

/* The handlers: as short as a kernel's can be. */
void interrupt_entry(void);
void fault_entry(void);

__asm__(".globl interrupt_entry, fault_entry\n"
	"interrupt_entry:\n"
	"	movl $1, flag(%rip)\n"
	"	push %rax\n"
	"	mov $0xfee000b0, %eax\n"
	"	movl $0, (%rax)\n"
	"	pop %rax\n"
	"	iretq\n"
	"fault_entry:\n"		/* over the 2 bytes of mov (%rdi), %eax */
	"	add $8, %rsp\n"
	"	addq $2, (%rsp)\n"
	"	iretq\n");

static u32 median(u32 *v)
{
	for (unsigned i = 1; i < SAMPLES; i++)
		for (unsigned j = i; j > 0 && v[j - 1] > v[j]; j--) {
			u32 t = v[j];

			v[j] = v[j - 1];
			v[j - 1] = t;
		}
	return v[SAMPLES / 2];
}

static u32 measure(const struct row *r)
{
	static u32 v[SAMPLES];
	word a = r->a;

	for (unsigned i = 0; i < SAMPLES; i++, a += r->step)
		v[i] = r->sample(a, r->b);
	return median(v);
}

static void report(const struct row *r)
{
	static const struct row nothing = { .sample = empty };
	u32 base = measure(&nothing), all = measure(r);

	print("bench %s %u\n", r->name, all > base ? all - base : 0);
}

static void report_interrupts(void)
{
	const struct row ipi = { "self-ipi", row_ipi, LAPIC + LAPIC_ICR, (word)&flag, 0 };
	const struct row timer = { "lapic-timer", row_timer, LAPIC + LAPIC_TMICT, (word)&flag, 0 };
	const struct row deadline = { "tsc-deadline", row_deadline, 0, (word)&flag, 0 };

	set_raw_gate(IPI_VECTOR, interrupt_entry);
	set_raw_gate(TIMER_VECTOR, interrupt_entry);
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

void guest_main(u32 magic, u32 info)
{
	const word cr0 = READ_CR(0), cr3 = READ_CR(3), cr4 = READ_CR(4);
	const struct row rows[] = {
		{ "cpuid", row_cpuid, 0, 0, 0 },
		{ "in-pic", row_in_pic, 0, 0, 0 },
		{ "in-unclaimed", row_in_unclaimed, 0, 0, 0 },
		{ "rdmsr-efer", row_rdmsr, 0, 0, 0 },
		{ "wrmsr-efer", row_wrmsr, 0, 0, 0 },
		{ "lapic-read", row_read, LAPIC + LAPIC_VERSION, 0, 0 },
		{ "lapic-eoi", row_write, LAPIC + LAPIC_EOI, 0, 0 },
		{ "mmio-unclaimed", row_read, UNCLAIMED, 0, 0 },
		{ "first-touch", row_read, TOUCH_BASE, 0, PAGE },
		{ "first-touch-2m", row_read, TOUCH_BASE_2M, 0, 0x200000 },
		{ "mov-cr3", row_cr3, cr3, 0, 0 },
		{ "invlpg", row_invlpg, TOUCH_BASE, 0, 0 },
		{ "cr0-wp-twice", row_cr0, cr0 & ~0x10000ul, cr0, 0 },
		{ "cr4-pge-twice", row_cr4, cr4 | 0x80, cr4, 0 },
		{ "guest-fault", row_read, NOT_MAPPED, 0, 0 },
	};
	const struct row vmmcall = { "vmmcall", row_vmmcall, 0, 0, 0 };

	lapic_write(LAPIC_SVR, 0x1ff);
	set_raw_gate(14, fault_entry);
	for (unsigned i = 0; i < COUNT(rows); i++)
		report(&rows[i]);
	if (under_plinth())
		report(&vmmcall);
	report_interrupts();
	debug_exit(0);
}
