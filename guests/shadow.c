/* SPDX-License-Identifier: MIT */
/*
 * When interrupts and NMIs come: behind which instruction, exactly (SDM vol. 3A, "Masking Maskable
 * Hardware Interrupts", "Handling Multiple NMIs"; vol. 2B, "STI"). An interrupt is pending when an
 * instruction that exits stands in STI's shadow: it has to come behind it, neither before nor one
 * later. NMIs are held back until the next IRET, whatever that returns from.
 */
#include "guests/lib/guest.h"

enum { NMI = 2, UD = 6, PF = 14 };

#define IPI		0x61
#define TIMER_VECTOR	0x41
#define ICR_SELF	0x40000u
#define ICR_NMI		0x400u
#define IF		0x200ul
#define PLINTH		1

struct regs {
	u64 rax, rcx, rdx, rsi, rdi;
};

struct insn {
	const char *name;
	u8 n, code[8], needs;
	struct regs regs;
};

static u8 code[PAGE] __attribute__((aligned(4096)));
static u8 buffer[64];

#define TPR (LAPIC + LAPIC_TPR)

static const struct insn insns[] = {
	{ "NOP", 1, { 0x90 }, 0, { 0 } },
	{ "CPUID", 2, { 0x0f, 0xa2 }, 0, { 0 } },
	{ "CPUID with prefixes", 4, { 0x2e, 0x66, 0x0f, 0xa2 }, 0, { 0 } },
	{ "RDMSR", 2, { 0x0f, 0x32 }, 0, { 0, 0xc0000080, 0, 0, 0 } },
	{ "WRMSR", 2, { 0x0f, 0x30 }, 0, { 0xd00, 0xc0000080, 0, 0, 0 } },
	{ "IN", 2, { 0xe4, 0x21 }, 0, { 0 } },
	{ "OUT", 2, { 0xe6, 0x80 }, 0, { 0 } },
	{ "INSB", 1, { 0x6c }, 0, { 0, 0, 0x80, 0, (u64)buffer } },
	{ "OUTSB", 1, { 0x6e }, 0, { 0, 0, 0x80, (u64)buffer, 0 } },
	{ "MMIO load", 2, { 0x8b, 0x06 }, 0, { 0, 0, 0, TPR, 0 } },
	{ "MMIO store", 2, { 0x89, 0x06 }, 0, { 0, 0, 0, TPR, 0 } },
	{ "MMIO OR", 2, { 0x09, 0x06 }, 0, { 0, 0, 0, TPR, 0 } },
	{ "MMIO MOVSL", 1, { 0xa5 }, 0, { 0, 0, 0, TPR, (u64)buffer } },
	{ "MOV from CR0", 3, { 0x0f, 0x20, 0xc0 }, 0, { 0 } },
	{ "MOV to CR0", 3, { 0x0f, 0x22, 0xc0 }, 0, { 0x80010033, 0, 0, 0, 0 } },
	{ "MOV to CR4", 3, { 0x0f, 0x22, 0xe0 }, 0, { 0x620, 0, 0, 0, 0 } },
	{ "MOV to CR8", 4, { 0x44, 0x0f, 0x22, 0xc0 }, 0, { 0 } },
	{ "CLTS", 2, { 0x0f, 0x06 }, 0, { 0 } },
	{ "LMSW", 3, { 0x0f, 0x01, 0xf0 }, 0, { 0x33, 0, 0, 0, 0 } },
	{ "WBINVD", 2, { 0x0f, 0x09 }, 0, { 0 } },
	{ "INVLPG", 3, { 0x0f, 0x01, 0x3e }, 0, { 0, 0, 0, (u64)buffer, 0 } },
	{ "MOV to DR7", 3, { 0x0f, 0x23, 0xf8 }, 0, { 0x400, 0, 0, 0, 0 } },
	{ "HLT", 1, { 0xf4 }, 0, { 0 } },
	{ "VMMCALL", 3, { 0x0f, 0x01, 0xd9 }, PLINTH, { 0 } },
	{ "VMCALL", 3, { 0x0f, 0x01, 0xc1 }, PLINTH, { 0 } },
};

static volatile unsigned taken;
static volatile u64 taken_at;

static void on_ipi(struct frame *f)
{
	taken++;
	taken_at = f->rip;
	lapic_write(LAPIC_EOI, 0);
}

static void call(void *regs)
{
	struct regs r = *(struct regs *)regs;

	__asm__ volatile("push %%rbx; call *%5; pop %%rbx"
			 : "+a"(r.rax), "+c"(r.rcx), "+d"(r.rdx), "+S"(r.rsi), "+D"(r.rdi)
			 : "r"(code) : "memory", "cc", "r8", "r9", "r10", "r11");
}

/* STI, the instruction, NOP, NOP, CLI, RET. The value: how many bytes behind STI it came. */
static u64 comes_behind(const u8 *insn, unsigned n, const struct regs *regs)
{
	struct regs r = *regs;

	memset(code, 0xcc, 64);
	code[0] = 0xfb;
	memcpy(code + 1, insn, n);
	memcpy(code + 1 + n, "\x90\x90\xfa\xc3", 4);
	taken = 0;
	lapic_write(LAPIC_ICR, ICR_SELF | IPI);
	if (guest_try(call, &r))
		return trap.vector << 32;
	return (u64)taken << 16 | ((taken_at - (u64)code - 1) & 0xffff);
}

static void check_sti(void)
{
	for (unsigned i = 0; i < COUNT(insns); i++) {
		const struct insn *insn = &insns[i];

		if (insn->needs == PLINTH && !under_plinth())
			skip(insn->name, "not under Plinth");
		else
			check_in("STI;", insn->name,
				 comes_behind(insn->code, insn->n, &insn->regs),
				 1ul << 16 | insn->n);
	}
}

/* A fault ends the shadow: the interrupt comes in the handler only once it sets IF, or behind. */
static volatile unsigned taken_in_handler;

static void on_ud(struct frame *f)
{
	for (unsigned i = 0; i < 10; i++)
		inb(0x80);
	taken_in_handler = taken;
	f->rip += 2;
}

static void check_fault_in_shadow(void)
{
	static const u8 ud2[] = { 0x0f, 0x0b };
	static const struct regs none;

	set_handler(UD, on_ud);
	check("STI; UD2", comes_behind(ud2, sizeof(ud2), &none), 1ul << 16 | 2);
	check("STI; UD2: not in the handler", taken_in_handler, 0);
	set_handler(UD, NULL);
}

/* With IF set all the time the interrupt comes behind the instruction that makes it deliverable. */
static void check_unmasking(void)
{
	static const u8 mov_cr8[] = { 0x44, 0x0f, 0x22, 0xc0 }, store[] = { 0x89, 0x06 };
	struct regs regs = { 0, 0, 0, TPR, 0 };

	WRITE_CR(8, 15);
	check("IF, then CR8 lowered", comes_behind(mov_cr8, sizeof(mov_cr8), &regs),
	      1ul << 16 | sizeof(mov_cr8));
	lapic_write(LAPIC_TPR, 0xf0);
	check("IF, then TPR lowered", comes_behind(store, sizeof(store), &regs),
	      1ul << 16 | sizeof(store));
	/* POPF that sets IF has no shadow. */
	memset(code, 0xcc, 64);
	memcpy(code, "\x68\x02\x02\x00\x00\x9d\x90\x90\xfa\xc3", 10);
	taken = 0;
	lapic_write(LAPIC_ICR, ICR_SELF | IPI);
	guest_try(call, &regs);
	check("POPF", taken_at - (u64)code, 6);
}

/* ---- MOV SS with a timer that comes at any time: never right behind it ---- */

extern const char behind_mov_ss[];
static volatile unsigned ticks, in_shadow;

static void on_timer(struct frame *f)
{
	ticks++;
	in_shadow += f->rip == (u64)behind_mov_ss;
	lapic_write(LAPIC_EOI, 0);
}

static void check_mov_ss(void)
{
	set_handler(TIMER_VECTOR, on_timer);
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_LVTT, TIMER_VECTOR | 0x20000);
	lapic_write(LAPIC_TMICT, 7001);
	sti();
	for (unsigned i = 0; i < 3000000 && ticks < 100; i++)
		__asm__ volatile("mov %%ss, %%eax; mov %%eax, %%ss; behind_mov_ss: cpuid;"
				 "nop" ::: "eax", "ebx", "ecx", "edx");
	cli();
	lapic_write(LAPIC_TMICT, 0);
	check_true("MOV SS: timer interrupts", ticks > 10);
	check("MOV SS: interrupts in its shadow", in_shadow, 0);
}

/* ---- NMI ---- */

static volatile unsigned nmis, nested_seen, after_fault;
static volatile bool again, fault_inside, ipi_inside;
static u64 nmi_rip[4];

static void send_nmi(void)
{
	lapic_write(LAPIC_ICR + 0x10, lapic_read(LAPIC_ID));
	lapic_write(LAPIC_ICR, ICR_NMI);
}

static void settle(void)
{
	for (unsigned i = 0; i < 200; i++)
		pause();
	inb(0x80);
}

static void on_nmi(struct frame *f)
{
	if (nmis < COUNT(nmi_rip))
		nmi_rip[nmis] = f->rip;
	nmis++;
	if (again) {
		again = false;
		send_nmi();
		send_nmi();
		settle();
		nested_seen = nmis;
	}
	if (fault_inside) {
		fault_inside = false;
		send_nmi();
		__asm__ volatile("ud2");
		settle();
		after_fault = nmis;
	}
	if (ipi_inside) {
		ipi_inside = false;
		lapic_write(LAPIC_ICR, ICR_SELF | IPI);
		sti();
		settle();
		cli();
	}
}

static void skip_ud2(struct frame *f)
{
	f->rip += 2;
}

static void check_nmi(void)
{
	set_handler(NMI, on_nmi);
	set_handler(UD, skip_ud2);
	send_nmi();
	settle();
	check("NMI with IF clear", nmis, 1);
	/* Two more while the first is handled: one of them is remembered. */
	nmis = 0;
	again = true;
	send_nmi();
	settle();
	check("NMI: none within the handler", nested_seen, 1);
	check("NMI: one more behind its IRET", nmis, 2);
	check("NMI: at the same RIP", nmi_rip[1] - nmi_rip[0], 0);
	/* The IRET of any handler ends the blocking. */
	nmis = 0;
	fault_inside = true;
	send_nmi();
	settle();
	check("NMI: the IRET of #UD lets the next in", after_fault, 2);
	check("NMI: and no more", nmis, 2);
	/* Interrupts aren't held back, only NMIs. */
	nmis = 0;
	taken = 0;
	ipi_inside = true;
	send_nmi();
	settle();
	check("NMI: an interrupt within the handler", taken, 1);
	nmis = 0;
	send_nmi();
	settle();
	check("NMI: the next one comes", nmis, 1);
}

/* HLT with interrupts off: an NMI ends it. */
static void check_nmi_hlt(void)
{
	nmis = 0;
	cli();
	/* The PIT through IOAPIC pin 2 as an NMI, edge, to this CPU. */
	*(volatile u32 *)0xfec00000 = 0x10 + 2 * 2 + 1;
	*(volatile u32 *)0xfec00010 = 0;
	*(volatile u32 *)0xfec00000 = 0x10 + 2 * 2;
	*(volatile u32 *)0xfec00010 = 0x400;
	/* Periodic: one that comes before the HLT doesn't leave it without another. */
	outb(0x43, 0x34);
	outb(0x40, 0x00);
	outb(0x40, 0x10);
	__asm__ volatile("hlt");
	check("HLT: an NMI ends it, IF clear", nmis > 0, 1);
	*(volatile u32 *)0xfec00010 = 0x10000;
}

/* Both pending: the NMI first, and the interrupt behind it. */
static void check_both(void)
{
	nmis = taken = 0;
	lapic_write(LAPIC_ICR, ICR_SELF | IPI);
	__asm__ volatile("sti; cli");
	check("STI; CLI lets no interrupt in", taken, 0);
	send_nmi();
	settle();
	check("IF clear: the NMI only", (u64)nmis << 8 | taken, 0x100);
	__asm__ volatile("sti; nop; cli");
	check("then the interrupt", (u64)nmis << 8 | taken, 0x101);
}

void guest_main(u32 magic, u32 info)
{
	lapic_write(LAPIC_SVR, 0x1ff);
	set_handler(IPI, on_ipi);
	check_sti();
	check_fault_in_shadow();
	check_unmasking();
	check_mov_ss();
	check_nmi();
	check_nmi_hlt();
	check_both();
}
