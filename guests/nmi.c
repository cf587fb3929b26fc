/* SPDX-License-Identifier: MIT */
/*
 * The IRET that ends the blocking of NMIs while another NMI waits: it faults, goes to itself, pops
 * TF; and instructions that push or pop flags right behind STI with an interrupt pending. Nobody's
 * single step but the guest's own may show. SDM vol. 3A, "Handling Multiple NMIs", "Masking Maskable
 * Hardware Interrupts"; vol. 2B, "STI"; vol. 3B, "Single-Step Exception Condition".
 */
#include "guests/lib/guest.h"

enum { DB = 1, NMI = 2, BP = 3, UD = 6, GP = 13, USER_INT = 0x70 };

#define IPI		0x61
#define ICR_SELF	0x40000u
#define ICR_NMI		0x400u
#define TF		0x100ul
#define IF		0x200ul
#define CS64		0x08
#define BAD_CS		0x1000		/* beyond the GDT */

static volatile unsigned nmis, ipis;
static volatile bool again;
static volatile u64 nmi_flags, ipi_flags, ipi_rip;

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

/* ---- An IRET that faults ---- */

static volatile u64 bad_flags, nmis_at_fault;
static u64 good_cs;
static volatile bool damage;

static void on_nmi(struct frame *f)
{
	nmis++;
	nmi_flags = f->rflags;
	if (!again)
		return;
	again = false;
	send_nmi();
	settle();
	if (damage) {
		damage = false;
		good_cs = f->cs;
		f->cs = BAD_CS;
	}
}

/* The #GP's frame: the IRET itself, with the flags of the NMI's handler. */
static void on_gp(struct frame *f)
{
	u64 *iret_frame = (u64 *)f->rsp;

	nmis_at_fault = nmis;
	bad_flags = f->rflags;
	iret_frame[1] = good_cs;
}

static void check_faulting_iret(void)
{
	set_handler(GP, on_gp);
	nmis = 0;
	again = damage = true;
	send_nmi();
	settle();
	check("IRET that faults: no TF in its frame", bad_flags & TF, 0);
	tell("IRET that faults: NMIs before its handler", nmis_at_fault);
	check("IRET that faults: NMIs in all", nmis, 2);
	nmis = 0;
	send_nmi();
	settle();
	check("IRET that faults: NMIs aren't blocked for ever", nmis, 1);
	set_handler(GP, NULL);
}

/* ---- An IRET to itself ---- */

/*
 * iretq; its frame says to execute it once more, with the stack of a second frame that goes on
 * behind. An NMI that waits comes between the two.
 */
static volatile u64 at_self;
extern const char self_iret[];

static void note_nmi(struct frame *f)
{
	nmis++;
	if (nmis == 1) {
		send_nmi();
		settle();
		/* Leave by way of the IRET that goes to itself. */
		__asm__ volatile("mov %%rsp, %%rdx;"
				 "sub $128, %%rsp; and $-16, %%rsp;"
				 "mov %%rsp, %%rcx;"
				 /* the second frame: behind */
				 "mov %%ss, %%eax; push %%rax; push %%rdx; pushfq;"
				 "mov %%cs, %%eax; push %%rax; lea 1f(%%rip), %%rax; push %%rax;"
				 "mov %%rsp, %%rcx;"
				 /* the first one: the IRETQ itself, with the second frame as its stack */
				 "mov %%ss, %%eax; push %%rax; push %%rcx; pushfq;"
				 "mov %%cs, %%eax; push %%rax; lea self_iret(%%rip), %%rax; push %%rax;"
				 "self_iret: iretq;"
				 "1:" ::: "rax", "rcx", "rdx", "memory", "cc");
		settle();
	} else if (nmis == 2) {
		at_self = f->rip == (u64)self_iret;
		nmi_flags = f->rflags;
	}
}

static void check_iret_to_itself(void)
{
	set_handler(NMI, note_nmi);
	nmis = 0;
	send_nmi();
	settle();
	check("IRET to itself: the next NMI comes", nmis, 2);
	check("IRET to itself: right behind it", at_self, 1);
	check("IRET to itself: no TF in the NMI's frame", nmi_flags & TF, 0);
	set_handler(NMI, on_nmi);
}

/* ---- An IRET that pops TF ---- */

static volatile u64 steps, step_nmis;

static void set_tf(struct frame *f)
{
	nmis++;
	if (nmis == 1) {
		send_nmi();
		settle();
		f->rflags |= TF;
	}
}

static void on_db(struct frame *f)
{
	steps++;
	step_nmis = nmis;
	f->rflags &= ~TF;
}

static void check_iret_with_tf(void)
{
	set_handler(NMI, set_tf);
	set_handler(DB, on_db);
	nmis = 0;
	send_nmi();
	settle();
	check("IRET that pops TF: one step", steps, 1);
	check("IRET that pops TF: NMIs before it", step_nmis, 2);
	set_handler(DB, NULL);
	set_handler(NMI, on_nmi);
}

/* ---- Right behind STI, an interrupt pending ---- */

static void on_ipi(struct frame *f)
{
	ipis++;
	ipi_flags = f->rflags;
	ipi_rip = f->rip;
	lapic_write(LAPIC_EOI, 0);
}

static void pend_ipi(void)
{
	ipis = 0;
	lapic_write(LAPIC_ICR, ICR_SELF | IPI);
}

static volatile u64 soft_flags, soft_ipis;

static void on_soft(struct frame *f)
{
	soft_flags = f->rflags;
	soft_ipis = ipis;
}

static void on_ud(struct frame *f)
{
	on_soft(f);
	f->rip += 2;
}

static void check_flags_behind_sti(void)
{
	u64 image, landed;

	set_handler(IPI, on_ipi);
	pend_ipi();
	__asm__ volatile("sti; pushfq; cli; pop %0" : "=r"(image) :: "memory");
	check("STI; PUSHF: flags", image & (TF | IF), IF);
	check("STI; PUSHF: interrupts", ipis, 1);
	check("STI; PUSHF: TF at the interrupt", ipi_flags & TF, 0);
	pend_ipi();
	__asm__ volatile("pushfq; sti; popfq; nop" ::: "memory", "cc");
	check("STI; POPF that clears IF: interrupts", ipis, 0);
	__asm__ volatile("sti; nop; cli" ::: "memory");
	check("STI; POPF that clears IF: then", ipis, 1);
	set_handler(USER_INT, on_soft);
	pend_ipi();
	__asm__ volatile("sti; int $0x70; nop; cli" ::: "memory");
	check("STI; INT 70H: flags", soft_flags & (TF | IF), IF);
	check("STI; INT 70H: interrupts in its handler", soft_ipis, 0);
	check("STI; INT 70H: interrupts", ipis, 1);
	set_handler(BP, on_soft);
	pend_ipi();
	__asm__ volatile("sti; int3; nop; cli" ::: "memory");
	check("STI; INT3: flags", soft_flags & (TF | IF), IF);
	check("STI; INT3: interrupts", ipis, 1);
	set_handler(UD, on_ud);
	pend_ipi();
	__asm__ volatile("sti; ud2; nop; cli" ::: "memory");
	check("STI; UD2: flags", soft_flags & (TF | IF), IF);
	check("STI; UD2: interrupts", ipis, 1);
	pend_ipi();
	__asm__ volatile("mov %%rsp, %%rdx; mov %%ss, %%eax; push %%rax; push %%rdx; pushfq;"
			 "orq $0x200, (%%rsp); mov %%cs, %%eax; push %%rax;"
			 "lea 1f(%%rip), %%rax; push %%rax; sti; iretq; 1: nop; cli;"
			 "lea 1b(%%rip), %0" : "=&r"(landed) :: "rax", "rdx", "memory", "cc");
	check("STI; IRET: the interrupt comes behind it", ipi_rip - landed, 0);
	check("STI; IRET: TF at the interrupt", ipi_flags & TF, 0);
}

void guest_main(u32 magic, u32 info)
{
	lapic_write(LAPIC_SVR, 0x1ff);
	set_handler(NMI, on_nmi);
	check_faulting_iret();
	check_iret_to_itself();
	check_iret_with_tf();
	check_flags_behind_sti();
}
