/* SPDX-License-Identifier: MIT */
/*
 * Instructions that a hypervisor intercepts, with redundant prefixes and at every place across a
 * page end: afterwards RIP is exactly behind them. Each is followed by RET in a sea of INT3, and also
 * stepped over with TF, where the #DB tells the next RIP.
 */
#include "guests/lib/guest.h"

#define DB		1
#define TIMER_VECTOR	0x41
#define MSR_EFER	0xc0000080u

struct bytes {
	u8 n, at[4];
};

struct insn {
	const char *name;
	struct bytes bytes;
	bool plinth;	/* #UD elsewhere */
};

static const struct insn insns[] = {
	{ "CPUID", { 2, { 0x0f, 0xa2 } }, false },
	{ "RDMSR", { 2, { 0x0f, 0x32 } }, false },
	{ "RDTSC", { 2, { 0x0f, 0x31 } }, false },
	{ "IN imm8", { 2, { 0xe4, 0x21 } }, false },
	{ "IN DX", { 1, { 0xec } }, false },
	{ "OUT imm8", { 2, { 0xe6, 0x80 } }, false },
	{ "MOV from CR0", { 3, { 0x0f, 0x20, 0xc3 } }, false },
	{ "WBINVD", { 2, { 0x0f, 0x09 } }, false },
	{ "VMMCALL", { 3, { 0x0f, 0x01, 0xd9 } }, true },
	{ "VMCALL", { 3, { 0x0f, 0x01, 0xc1 } }, true },
};

static const struct bytes prefixes[] = {
	{ 0, { 0 } }, { 1, { 0x66 } }, { 1, { 0x2e } }, { 1, { 0x3e } }, { 1, { 0x65 } },
	{ 1, { 0x67 } }, { 1, { 0x40 } }, { 2, { 0x2e, 0x40 } }, { 2, { 0x66, 0x67 } },
	{ 3, { 0x3e, 0x2e, 0x67 } },
};

static u8 code[2 * PAGE] __attribute__((aligned(4096)));
static volatile unsigned timer_ticks;

static void run(void *at)
{
	u32 a = 0, c = MSR_EFER;

	__asm__ volatile("xor %%ebx, %%ebx; call *%2"
			 : "+a"(a), "+c"(c) : "r"(at), "d"(0x80) : "rbx", "memory", "cc");
}

static void step(void *at)
{
	u32 a = 0, c = MSR_EFER;

	__asm__ volatile("xor %%ebx, %%ebx; pushf; orq $0x100, (%%rsp); popf; jmp *%2"
			 : "+a"(a), "+c"(c) : "r"(at), "d"(0x80) : "rbx", "memory", "cc");
}

/* A jump takes one step too: the #DB behind it is skipped by its handler, which leaves TF on. */
static u64 stepped_to;
static unsigned steps;

static void step_handler(struct frame *f)
{
	if (++steps < 2)
		return;
	stepped_to = f->rip;
	f->rflags &= ~0x100ul;
	f->rip = (u64)&code[2 * PAGE - 1];	/* an INT3, which ends the try */
}

/* Puts the instruction so that `before` of its bytes lie in the first page. Returns its length. */
static unsigned put(const struct bytes *prefix, const struct bytes *op, unsigned before)
{
	u8 *at = code + PAGE - before;

	memset(code, 0xcc, sizeof(code));
	memcpy(at, prefix->at, prefix->n);
	memcpy(at + prefix->n, op->at, op->n);
	at[prefix->n + op->n] = 0xc3;
	return prefix->n + op->n;
}

static bool advances(const struct bytes *prefix, const struct bytes *op)
{
	unsigned size = prefix->n + op->n;

	for (unsigned before = 0; before <= size; before++) {
		u8 *at = code + PAGE - before;

		put(prefix, op, before);
		if (guest_try(run, at))
			return false;
		steps = 0;
		stepped_to = 0;
		guest_try(step, at);
		if (stepped_to != (u64)at + size)
			return false;
	}
	return true;
}

static void check_insn(const struct insn *insn)
{
	u64 good = 0;

	if (insn->plinth && !under_plinth()) {
		skip(insn->name, "not under Plinth");
		return;
	}
	for (unsigned i = 0; i < COUNT(prefixes); i++)
		good |= (u64)advances(&prefixes[i], &insn->bytes) << i;
	check(insn->name, good, (1ul << COUNT(prefixes)) - 1);
}

static void timer(struct frame *f)
{
	timer_ticks++;
	lapic_write(LAPIC_EOI, 0);
}

/* STI and HLT with prefixes, ended by the LAPIC's timer; RET must come next. */
static void check_hlt(void)
{
	static const struct bytes hlt = { 1, { 0xf4 } };
	u64 good = 0;

	set_handler(TIMER_VECTOR, timer);
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_LVTT, TIMER_VECTOR);
	for (unsigned i = 0; i < COUNT(prefixes); i++) {
		u8 *at = code + PAGE - prefixes[i].n;

		put(&prefixes[i], &hlt, prefixes[i].n);
		at[-1] = 0xfb;
		timer_ticks = 0;
		lapic_write(LAPIC_TMICT, 200000);
		if (!guest_try(run, at - 1) && timer_ticks == 1)
			good |= 1ul << i;
		cli();
	}
	check("HLT", good, (1ul << COUNT(prefixes)) - 1);
}

void guest_main(u32 magic, u32 info)
{
	set_handler(DB, step_handler);
	for (unsigned i = 0; i < COUNT(insns); i++)
		check_insn(&insns[i]);
	check_hlt();
}
