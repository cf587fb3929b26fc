/* SPDX-License-Identifier: MIT */
/*
 * A guest that does one thing for ever, as fast as it can; the command line's last word says which.
 * For tests of the guests beside it, and of Plinth: it never ends by itself, prints "storm NAME" when
 * it begins, and nothing afterwards.
 */
#include "guests/lib/guest.h"

enum { DB = 1, NMI, UD = 6, GP = 13, PF };

#define IPI		0x61
#define ICR_SELF	0x40000u
#define ICR_NMI		0x400u
#define MMIO		0xd0000000ul
#define TF		0x100ul

/* The handler of #UD is UD2: endless, on a stack that IST sets anew. */
static void storm_ud(void)
{
	extern const char ud2_handler[];

	set_raw_gate(UD, (void (*)(void))ud2_handler);
	set_gate_ist(UD, 1);
	__asm__ volatile("ud2_handler: ud2");
}

/* The handler of #PF is where nothing is mapped: each delivery succeeds, its first fetch faults. */
static void storm_pf(void)
{
	set_raw_gate(PF, (void (*)(void))(WINDOW + 0x70000));
	set_gate_ist(PF, 1);
	(void)*(volatile u8 *)(WINDOW + 0x70000);
}

/* #GP whose handler is a RET to nowhere: nothing but faults that the CPU delivers by itself. */
static void storm_gp(void)
{
	extern const char gp_handler[];

	set_raw_gate(GP, (void (*)(void))gp_handler);
	set_gate_ist(GP, 1);
	__asm__ volatile("gp_handler: mov $0x1000, %eax; mov %eax, %ds");
}

static void keep_tf(struct frame *f)
{
	f->rflags |= TF;
}

static void storm_step(void)
{
	set_handler(DB, keep_tf);
	__asm__ volatile("pushf; orq $0x100, (%%rsp); popf; 1: cpuid; jmp 1b"
			 ::: "rax", "rbx", "rcx", "rdx", "cc");
}

static void send_again(struct frame *f)
{
	lapic_write(LAPIC_EOI, 0);
	lapic_write(LAPIC_ICR, ICR_SELF | IPI);
}

static void storm_ipi(void)
{
	set_handler(IPI, send_again);
	lapic_write(LAPIC_ICR, ICR_SELF | IPI);
	sti();
	for (;;)
		pause();
}

static void nmi_again(struct frame *f)
{
	lapic_write(LAPIC_ICR, ICR_NMI);
}

static void storm_nmi(void)
{
	set_handler(NMI, nmi_again);
	lapic_write(LAPIC_ICR + 0x10, lapic_read(LAPIC_ID));
	lapic_write(LAPIC_ICR, ICR_NMI);
	for (;;)
		pause();
}

static void eoi(struct frame *f)
{
	lapic_write(LAPIC_EOI, 0);
}

/* The shortest period that there is. */
static void storm_timer(void)
{
	set_handler(IPI, eoi);
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_LVTT, IPI | 0x20000);
	lapic_write(LAPIC_TMICT, 1);
	for (;;)
		sti_hlt_cli();
}

static void pic(struct frame *f)
{
	pic_eoi(0);
}

static void storm_pit(void)
{
	set_handler(0x20, pic);
	lapic_write(LAPIC_LINT0, 0x700);
	pic_setup(1);
	outb(0x43, 0x34);
	outb(0x40, 2);
	outb(0x40, 0);
	for (;;)
		sti_hlt_cli();
}

/* One instruction for ever, emulated. */
static void storm_movs(void)
{
	u64 to = MMIO, from = MMIO, n = ~0ul;

	for (;;)
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) :: "memory");
}

static void storm_stos(void)
{
	u64 to = MMIO, n = 1ul << 24;

	for (;; to = MMIO, n = 1ul << 24)
		__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

static void storm_outs(void)
{
	u64 from = 0x100000, n = ~0ul;

	for (;;)
		__asm__ volatile("rep outsb" : "+S"(from), "+c"(n) : "d"(0x80));
}

/* Neither exits nor interrupts. */
static void storm_loop(void)
{
	cli();
	for (;;)
		;
}

/* Flushes of everything. */
static void storm_flush(void)
{
	for (;;) {
		WRITE_CR(4, READ_CR(4) ^ 0x80);
		WRITE_CR(0, READ_CR(0) ^ 0x10000);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} storms[] = {
	{ "ud", storm_ud }, { "pf", storm_pf }, { "gp", storm_gp }, { "step", storm_step },
	{ "ipi", storm_ipi }, { "nmi", storm_nmi }, { "timer", storm_timer }, { "pit", storm_pit },
	{ "movs", storm_movs }, { "stos", storm_stos }, { "outs", storm_outs },
	{ "loop", storm_loop }, { "flush", storm_flush },
};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

void guest_main(u32 magic, u32 info)
{
	const char *line = (const char *)(word)*(u32 *)(word)(info + 16), *last = line;

	for (; *line; line++)
		if (*line == ' ')
			last = line + 1;
	lapic_write(LAPIC_SVR, 0x1ff);
	for (unsigned i = 0; i < COUNT(storms); i++) {
		if (!same(last, storms[i].name))
			continue;
		print("storm %s\n", last);
		storms[i].run();
	}
	check_true("a storm of that name", false);
}
