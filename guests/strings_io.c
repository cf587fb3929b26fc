/* SPDX-License-Identifier: MIT */
/*
 * INS and OUTS: sizes, prefixes, directions, address sizes, faults and interrupts in the middle, to
 * RAM and to MMIO (SDM vol. 2, "INS", "OUTS"; vol. 1, "I/O Permission Bit Map"). The device at the
 * other end is the configuration port, whose signature comes byte by byte, so that order and number
 * of the accesses show; and a mask register, which keeps the last byte.
 */
#include "guests/lib/guest.h"

enum { GP = 13, PF };

#define SELECTOR	0x510
#define DATA		0x511
#define MASK		0x21
#define CONFIG_ADDRESS	0xcf8
#define MMIO		0xd0000000ul
#define DF		0x400ul
#define SIGNATURE	0x554d4551u		/* "QEMU" */
#define AREA		(WINDOW + 0x50000)	/* a page, and none behind */
#define TIMER_VECTOR	0x41

struct state {
	u64 rcx, rdx, rsi, rdi, flags;
};

static u8 page[PAGE] __attribute__((aligned(4096)));
static u8 code[64] __attribute__((aligned(64)));

static void execute(void *arg)
{
	struct state *s = arg;
	u64 flags = s->flags;

	__asm__ volatile("push %4; popf; call *%5; pushf; pop %4; cld"
			 : "+c"(s->rcx), "+d"(s->rdx), "+S"(s->rsi), "+D"(s->rdi), "+r"(flags)
			 : "r"(code) : "rax", "memory", "cc");
	s->flags = flags;
}

static bool run(struct state *s, const char *bytes)
{
	u8 *at = code;

	while (*bytes)
		*at++ = (u8)*bytes++;
	*at = 0xc3;
	trap = (struct trap){ .vector = 0xff };
	return !guest_try(execute, s);
}

static void select_signature(void)
{
	outw(SELECTOR, 0);
	memset(page, 0xee, 64);
}

static u32 dword(unsigned offset)
{
	u32 v;

	memcpy(&v, page + offset, sizeof(v));
	return v;
}

/* ---- INS ---- */

static void check_ins(void)
{
	struct state s = { .rdx = DATA, .rdi = AREA, .rcx = 77, .flags = 2 };

	select_signature();
	run(&s, "\x6c");
	check("INSB: one byte", dword(0), 0xeeeeee51);
	check("INSB: RDI", s.rdi - AREA, 1);
	check("INSB: RCX stays", s.rcx, 77);
	select_signature();
	s = (struct state){ .rdx = DATA, .rdi = AREA, .rcx = 4, .flags = 2 };
	run(&s, "\xf3\x6c");
	check("REP INSB: in order", dword(0), SIGNATURE);
	check("REP INSB: no more", dword(4), 0xeeeeeeee);
	check("REP INSB: RCX and RDI", s.rcx << 32 | (s.rdi - AREA), 4);
	select_signature();
	s = (struct state){ .rdx = DATA, .rdi = AREA + 7, .rcx = 4, .flags = 2 | DF };
	run(&s, "\xf3\x6c");
	check("REP INSB, down", dword(4), __builtin_bswap32(SIGNATURE));
	check("REP INSB, down: RDI", s.rdi - AREA, 3);
	select_signature();
	s = (struct state){ .rdx = DATA, .rdi = AREA, .rcx = 4, .flags = 2 };
	run(&s, "\xf2\x6c");
	check("REPNE INSB is REP", dword(0), SIGNATURE);
	select_signature();
	s = (struct state){ .rdx = DATA, .rdi = AREA, .rcx = 0, .flags = 2 };
	run(&s, "\xf3\x6c");
	check("REP INSB, 0: nothing", dword(0), 0xeeeeeeee);
	check("REP INSB, 0: no byte is taken", inb(DATA), 'Q');
	/* With 67H, ECX counts and EDI points: this page's address below 4 GiB. */
	select_signature();
	s = (struct state){ .rdx = DATA, .rdi = (u64)page | 7ul << 32, .rcx = 0x700000002,
			    .flags = 2 };
	run(&s, "\x67\xf3\x6c");
	check("REP INSB, 32-bit addresses", dword(0), 0xeeee4551);
	check("REP INSB, 32-bit addresses: ECX", s.rcx, 0);
	check("REP INSB, 32-bit addresses: EDI", s.rdi - (u64)page, 2);
}

static void check_wide_ins(void)
{
	struct state s;

	outl(CONFIG_ADDRESS, 0x80001234);
	memset(page, 0, 32);
	s = (struct state){ .rdx = CONFIG_ADDRESS, .rdi = AREA, .rcx = 3, .flags = 2 };
	run(&s, "\xf3\x6d");
	check("REP INSD: first", dword(0), 0x80001234);
	check("REP INSD: last", dword(8), 0x80001234);
	check("REP INSD: RDI", s.rdi - AREA, 12);
	memset(page, 0, 32);
	s = (struct state){ .rdx = CONFIG_ADDRESS, .rdi = AREA, .rcx = 2, .flags = 2 };
	run(&s, "\xf3\x48\x6d");
	check("REP INSD with REX.W: four bytes each", s.rdi - AREA, 8);
	check("REP INSD with REX.W: no more", dword(8), 0);
	outl(CONFIG_ADDRESS, 0x80000000);
	memset(page, 0, 32);
	s = (struct state){ .rdx = 0xcfc, .rdi = AREA, .rcx = 2, .flags = 2 };
	run(&s, "\xf3\x66\x6d");
	check("REP INSW: as IN", dword(0) == inw(0xcfc) * 0x10001u, 1);
	check("REP INSW: RDI", s.rdi - AREA, 4);
}

/* ---- OUTS ---- */

static void check_outs(void)
{
	struct state s;

	for (unsigned i = 0; i < 8; i++)
		page[i] = (u8)(0xf0 | i);
	s = (struct state){ .rdx = MASK, .rsi = AREA + 2, .flags = 2 };
	run(&s, "\x6e");
	check("OUTSB: the byte", inb(MASK), 0xf2);
	check("OUTSB: RSI", s.rsi - AREA, 3);
	s = (struct state){ .rdx = MASK, .rsi = AREA, .rcx = 6, .flags = 2 };
	run(&s, "\xf3\x6e");
	check("REP OUTSB: the last byte", inb(MASK), 0xf5);
	check("REP OUTSB: RCX and RSI", s.rcx << 32 | (s.rsi - AREA), 6);
	s = (struct state){ .rdx = MASK, .rsi = AREA + 7, .rcx = 5, .flags = 2 | DF };
	run(&s, "\xf3\x6e");
	check("REP OUTSB, down: the last byte", inb(MASK), 0xf3);
	check("REP OUTSB, down: RSI", s.rsi - AREA, 2);
	s = (struct state){ .rdx = MASK, .rsi = AREA + 1, .rcx = 0, .flags = 2 };
	run(&s, "\xf3\x6e");
	check("REP OUTSB, 0: nothing", inb(MASK), 0xf3);
	outb(MASK, 0xff);
	*(u32 *)page = 0x80000004;
	*(u32 *)(page + 4) = 0x80005678;
	s = (struct state){ .rdx = CONFIG_ADDRESS, .rsi = AREA, .rcx = 2, .flags = 2 };
	run(&s, "\xf3\x6f");
	check("REP OUTSD: the last one", inl(CONFIG_ADDRESS), 0x80005678);
	check("REP OUTSD: RSI", s.rsi - AREA, 8);
	/* A segment override counts: FS begins 16 bytes further. */
	wrmsr(0xc0000100, 16);
	*(u32 *)(page + 16) = 0x80001110;
	s = (struct state){ .rdx = CONFIG_ADDRESS, .rsi = AREA, .flags = 2 };
	run(&s, "\x64\x6f");
	wrmsr(0xc0000100, 0);
	check("OUTSD with FS", inl(CONFIG_ADDRESS), 0x80001110);
	*(u16 *)page = 1;
	*(u16 *)(page + 2) = 0;
	s = (struct state){ .rdx = SELECTOR, .rsi = AREA, .rcx = 2, .flags = 2 };
	run(&s, "\xf3\x66\x6f");
	check("REP OUTSW: the last one", inb(DATA), 'Q');
}

/* ---- faults ---- */

/* The operand's page ends after two elements: they are done, the third is not, and its byte stays
 * in the device. */
static void check_faults(void)
{
	struct state s = { .rdx = DATA, .rdi = AREA + PAGE - 2, .rcx = 4, .flags = 2 };

	select_signature();
	run(&s, "\xf3\x6c");
	check("REP INSB at a page's end", trap.vector << 32 | trap.error, (u64)PF << 32 | 2);
	check("REP INSB at a page's end: CR2", trap.cr2 - AREA, PAGE);
	check("REP INSB at a page's end: RCX", trap.rcx, 2);
	check("REP INSB at a page's end: RDI", trap.rdi - AREA, PAGE);
	check("REP INSB at a page's end: what was read", *(u16 *)(page + PAGE - 2), 0x4551);
	check("REP INSB at a page's end: the next byte", inb(DATA), 'M');
	/* A page that can't be written. */
	select_signature();
	map(AREA, page, PTE_P);
	s = (struct state){ .rdx = DATA, .rdi = AREA, .rcx = 4, .flags = 2 };
	run(&s, "\xf3\x6c");
	check("INSB to a page without W", trap.vector << 32 | trap.error, (u64)PF << 32 | 3);
	check("INSB to a page without W: no byte is taken", inb(DATA), 'Q');
	map(AREA, page, PTE_P | PTE_W);
	memset(page + PAGE - 2, 0xf6, 2);
	s = (struct state){ .rdx = MASK, .rsi = AREA + PAGE - 2, .rcx = 4, .flags = 2 };
	run(&s, "\xf3\x6e");
	check("REP OUTSB at a page's end", trap.vector << 32 | trap.error, (u64)PF << 32);
	check("REP OUTSB at a page's end: CR2", trap.cr2 - AREA, PAGE);
	check("REP OUTSB at a page's end: RCX", trap.rcx, 2);
	check("REP OUTSB at a page's end: the byte", inb(MASK), 0xf6);
	outb(MASK, 0xff);
	s = (struct state){ .rdx = DATA, .rdi = 0x8000000000000000, .rcx = 4, .flags = 2 };
	select_signature();
	run(&s, "\xf3\x6c");
	check("INSB, not canonical", trap.vector << 32 | trap.error, (u64)GP << 32);
	check("INSB, not canonical: no byte is taken", inb(DATA), 'Q');
	/* A count of zero at a page that isn't there: nothing is touched. */
	s = (struct state){ .rdx = DATA, .rdi = AREA + PAGE, .rcx = 0, .flags = 2 };
	check("REP INSB, 0, to no page", run(&s, "\xf3\x6c"), 1);
}

/* Between a port and a page that no device claims. */
static void check_mmio(void)
{
	struct state s = { .rdx = DATA, .rdi = MMIO, .rcx = 3, .flags = 2 };

	select_signature();
	run(&s, "\xf3\x6c");
	check("REP INSB to MMIO: RCX and RDI", s.rcx << 32 | (s.rdi - MMIO), 3);
	check("REP INSB to MMIO: bytes taken", inb(DATA), 'U');
	s = (struct state){ .rdx = 0x80, .rsi = MMIO, .rcx = 3, .flags = 2 };
	run(&s, "\xf3\x6e");
	check("REP OUTSB from MMIO: RCX and RSI", s.rcx << 32 | (s.rsi - MMIO), 3);
}

/* ---- interrupts in the middle ---- */

static volatile unsigned ticks, inconsistent;
static u64 start, total;

static void on_timer(struct frame *f)
{
	u64 done = total - f->rcx;

	ticks++;
	lapic_write(LAPIC_EOI, 0);
	if (f->rip == (u64)code && f->rcx && f->rcx != total)
		inconsistent += f->rsi - start != done;
}

static void check_big(void)
{
	const struct state begin = { .rdx = 0x80, .rsi = 0x1000000, .rcx = 20000, .flags = 0x202 };
	struct state s = begin;

	set_handler(TIMER_VECTOR, on_timer);
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_LVTT, TIMER_VECTOR | 0x20000);
	start = s.rsi;
	total = s.rcx;
	lapic_write(LAPIC_TMICT, 500000);
	/* Again until the timer has come, however fast this machine is. */
	for (unsigned i = 0; i < 100000 && ticks < 3; i++) {
		s = begin;
		run(&s, "\xf3\x6e");
	}
	cli();
	lapic_write(LAPIC_TMICT, 0);
	check("20000 bytes: RCX and RSI", s.rcx << 32 | (s.rsi - start), 20000);
	check_true("20000 bytes: timer interrupts", ticks > 0);
	check("20000 bytes: registers wrong at an interrupt", inconsistent, 0);
}

void guest_main(u32 magic, u32 info)
{
	if (!like_qemu()) {
		skip("INS and OUTS", "no configuration port on this machine");
		return;
	}
	map(AREA, page, PTE_P | PTE_W);
	check_ins();
	check_wide_ins();
	check_outs();
	check_faults();
	check_mmio();
	check_big();
}
