/* SPDX-License-Identifier: MIT */
/*
 * What CPL 3 may not do, and what it may with IOPL, the I/O permission map, CR4.TSD and UMIP;
 * each instruction that a hypervisor intercepts must fault in the guest first (SDM vol. 2, "Protected
 * Mode Exceptions" of each; vol. 1, "I/O Permission Bit Map"). The value of a line is
 * "vector << 40 | error << 8 | offset of RIP"; behind each instruction stands a UD2.
 */
#include "guests/lib/guest.h"

enum { UD = 6, GP = 13, PF };

#define CR4_TSD		0x04ul
#define CR4_UMIP	0x800ul
#define CR4_OSXSAVE	0x40000ul
#define IOPL3		0x3000ul
#define XSAVE		1	/* CPUID.1:ECX.XSAVE */
#define RDTSCP		2
#define UMIP		4
#define PLINTH		8

struct insn {
	const char *name;
	u8 n, code[12], needs;
};

/* #GP(0) at CPL 3, always. RDI is 0: a null selector or a page that CPL 3 can't see would be #PF. */
static const struct insn privileged[] = {
	{ "HLT", 1, { 0xf4 }, 0 },
	{ "CLTS", 2, { 0x0f, 0x06 }, 0 },
	{ "INVD", 2, { 0x0f, 0x08 }, 0 },
	{ "WBINVD", 2, { 0x0f, 0x09 }, 0 },
	{ "RDMSR", 2, { 0x0f, 0x32 }, 0 },
	{ "WRMSR", 2, { 0x0f, 0x30 }, 0 },
	{ "MOV from CR0", 3, { 0x0f, 0x20, 0xc0 }, 0 },
	{ "MOV from CR3", 3, { 0x0f, 0x20, 0xd8 }, 0 },
	{ "MOV from CR8", 4, { 0x44, 0x0f, 0x20, 0xc0 }, 0 },
	{ "MOV to CR0", 3, { 0x0f, 0x22, 0xc0 }, 0 },
	{ "MOV to CR3", 3, { 0x0f, 0x22, 0xd8 }, 0 },
	{ "MOV to CR4", 3, { 0x0f, 0x22, 0xe0 }, 0 },
	{ "MOV to CR8", 4, { 0x44, 0x0f, 0x22, 0xc0 }, 0 },
	{ "MOV from DR0", 3, { 0x0f, 0x21, 0xc0 }, 0 },
	{ "MOV from DR7", 3, { 0x0f, 0x21, 0xf8 }, 0 },
	{ "MOV to DR7", 3, { 0x0f, 0x23, 0xf8 }, 0 },
	{ "LMSW", 3, { 0x0f, 0x01, 0xf0 }, 0 },
	{ "LGDT", 3, { 0x0f, 0x01, 0x17 }, 0 },
	{ "LIDT", 3, { 0x0f, 0x01, 0x1f }, 0 },
	{ "LLDT", 3, { 0x0f, 0x00, 0xd0 }, 0 },
	{ "LTR", 3, { 0x0f, 0x00, 0xd8 }, 0 },
	{ "INVLPG", 3, { 0x0f, 0x01, 0x3f }, 0 },
	{ "SWAPGS", 3, { 0x0f, 0x01, 0xf8 }, 0 },
	{ "SYSRET", 3, { 0x48, 0x0f, 0x07 }, 0 },
	{ "XSETBV", 3, { 0x0f, 0x01, 0xd1 }, XSAVE },
	{ "RDPMC", 2, { 0x0f, 0x33 }, 0 },
	{ "CLI", 1, { 0xfa }, 0 },
	{ "STI", 1, { 0xfb }, 0 },
	{ "IN imm8", 2, { 0xe4, 0x80 }, 0 },
	{ "IN DX", 1, { 0xec }, 0 },
	{ "OUT imm8", 2, { 0xe6, 0x80 }, 0 },
	{ "OUT DX, EAX", 1, { 0xef }, 0 },
	{ "INSB", 1, { 0x6c }, 0 },
	{ "OUTSB", 1, { 0x6e }, 0 },
	{ "REP OUTSB", 2, { 0xf3, 0x6e }, 0 },
	{ "MOV ES, not ours", 7, { 0xb8, 0x10, 0x00, 0x00, 0x00, 0x8e, 0xc0 }, 0 },
};

/* Allowed, unless a bit of CR4 forbids them. */
static const struct insn allowed[] = {
	{ "CPUID", 2, { 0x0f, 0xa2 }, 0 },
	{ "RDTSC", 2, { 0x0f, 0x31 }, 0 },
	{ "RDTSCP", 3, { 0x0f, 0x01, 0xf9 }, RDTSCP },
	{ "PAUSE", 2, { 0xf3, 0x90 }, 0 },
	{ "PUSHF and POPF", 2, { 0x9c, 0x9d }, 0 },
	{ "XGETBV", 5, { 0x31, 0xc9, 0x0f, 0x01, 0xd0 }, XSAVE },
	{ "VMMCALL", 3, { 0x0f, 0x01, 0xd9 }, PLINTH },
	{ "VMCALL", 3, { 0x0f, 0x01, 0xc1 }, PLINTH },
	{ "SMSW", 3, { 0x0f, 0x01, 0xe0 }, 0 },
	{ "SGDT", 4, { 0x0f, 0x01, 0x44, 0x24 }, 0 },	/* and a displacement, see make() */
	{ "SIDT", 4, { 0x0f, 0x01, 0x4c, 0x24 }, 0 },
	{ "SLDT", 3, { 0x0f, 0x00, 0xc0 }, 0 },
	{ "STR", 3, { 0x0f, 0x00, 0xc8 }, 0 },
};
#define FIRST_UMIP 8

static u64 user_flags = 2;
static unsigned has;

struct program {
	u8 bytes[24];
	u64 rdi;
};

static void run(void *arg)
{
	struct program *p = arg;

	guest_user(user_code(p->bytes, sizeof(p->bytes)), USER_STACK - 64, user_flags, p->rdi);
}

static u64 outcome(const u8 *code, unsigned n)
{
	struct program p = { .rdi = WINDOW + 0x11000 };

	memcpy(p.bytes, code, n);
	p.bytes[n] = 0x0f;
	p.bytes[n + 1] = 0x0b;
	trap = (struct trap){ .vector = 0xff };
	guest_try(run, &p);
	return trap.vector << 40 | trap.error << 8 | ((trap.rip - WINDOW - 0x10000) & 0xff);
}

static u64 raised(u64 vector, u64 error, u64 offset)
{
	return vector << 40 | error << 8 | offset;
}

/* "SGDT -16(%rsp)" needs one byte more than the table has. */
static unsigned make(const struct insn *insn, u8 *code)
{
	memcpy(code, insn->code, insn->n);
	if (insn->n == 4 && insn->code[1] == 0x01 && insn->code[3] == 0x24) {
		code[4] = 0xf0;
		return 5;
	}
	return insn->n;
}

static bool lacks(const struct insn *insn)
{
	if (!(insn->needs & ~has))
		return false;
	skip(insn->name, insn->needs & PLINTH ? "not under Plinth" : "this CPU has none");
	return true;
}

static void check_privileged(void)
{
	for (unsigned i = 0; i < COUNT(privileged); i++) {
		const struct insn *insn = &privileged[i];
		bool selector = insn->n == 7;

		if (lacks(insn))
			continue;
		check_in("CPL 3:", insn->name, outcome(insn->code, insn->n),
			 selector ? raised(GP, 0x10, 5) : raised(GP, 0, 0));
	}
}

static void check_allowed(void)
{
	u8 code[16];

	for (unsigned i = 0; i < COUNT(allowed); i++) {
		unsigned n = make(&allowed[i], code);

		if (!lacks(&allowed[i]))
			check_in("CPL 3 may:", allowed[i].name, outcome(code, n),
				 raised(UD, 0, n));
	}
}

/* ---- CR4 ---- */

static void check_cr4(void)
{
	static const u8 rdtsc_[] = { 0x0f, 0x31 }, rdtscp[] = { 0x0f, 0x01, 0xf9 };
	u8 code[16];

	WRITE_CR(4, READ_CR(4) | CR4_TSD);
	check("TSD: RDTSC", outcome(rdtsc_, sizeof(rdtsc_)), raised(GP, 0, 0));
	if (has & RDTSCP)
		check("TSD: RDTSCP", outcome(rdtscp, sizeof(rdtscp)), raised(GP, 0, 0));
	else
		skip("TSD: RDTSCP", "this CPU has none");
	check("TSD: CPL 0 may", rdtsc() != 0, 1);
	WRITE_CR(4, READ_CR(4) & ~CR4_TSD);
	for (unsigned i = FIRST_UMIP; i < COUNT(allowed); i++) {
		unsigned n = make(&allowed[i], code);

		if (!(has & UMIP)) {
			skip(allowed[i].name, "no UMIP");
			continue;
		}
		WRITE_CR(4, READ_CR(4) | CR4_UMIP);
		check_in("UMIP:", allowed[i].name, outcome(code, n), raised(GP, 0, 0));
		WRITE_CR(4, READ_CR(4) & ~CR4_UMIP);
	}
}

/* ---- I/O ---- */

static void allow(u16 port, bool yes)
{
	u8 *map = (u8 *)tss + TSS_IOMAP, bit = (u8)(1 << (port & 7));

	map[port / 8] = (u8)(yes ? map[port / 8] & ~bit : map[port / 8] | bit);
}

/* mov $PORT, %edx; and the instruction: whether it is done. */
static u64 port_access(u16 port, const char *insn, unsigned n)
{
	u8 code[16] = { 0xba, (u8)port, (u8)(port >> 8), 0, 0 };

	memcpy(code + 5, insn, n);
	return outcome(code, 5 + n);
}

#define DONE(n)		raised(UD, 0, 5 + (n))
#define REFUSED		raised(GP, 0, 5)

static void check_map(void)
{
	memset((u8 *)tss + TSS_IOMAP, 0xff, 129);
	allow(0x80, true);
	set_tss_limit(TSS_IOMAP + 128);
	check("map: IN from a port allowed", port_access(0x80, "\xec", 1), DONE(1));
	check("map: OUT too", port_access(0x80, "\xee", 1), DONE(1));
	check("map: the next port", port_access(0x81, "\xec", 1), REFUSED);
	check("map: the port before", port_access(0x7f, "\xec", 1), REFUSED);
	check("map: two bytes, one of them not", port_access(0x80, "\x66\xed", 2), REFUSED);
	allow(0x81, true);
	check("map: two bytes", port_access(0x80, "\x66\xed", 2), DONE(2));
	check("map: four bytes, two of them not", port_access(0x80, "\xed", 1), REFUSED);
	allow(0x87, true);
	allow(0x88, true);
	check("map: two bytes over a byte's end", port_access(0x87, "\x66\xef", 2), DONE(2));
	check("map: INSB", port_access(0x80, "\x6c", 1), DONE(1));
	check("map: REP OUTSB, not allowed", port_access(0x90, "\xf3\x6e", 2), REFUSED);
	allow(0x3ff, true);
	check("map: the last port that it covers", port_access(0x3ff, "\xec", 1), DONE(1));
	check("map: the port behind its end", port_access(0x400, "\xec", 1), REFUSED);
	set_tss_limit(TSS_IOMAP + 15);
	check("map: cut off by the limit", port_access(0x80, "\xec", 1), REFUSED);
	set_tss_limit(TSS_IOMAP - 1);
	check("map: none", port_access(0x80, "\xec", 1), REFUSED);
}

static void check_iopl(void)
{
	static const u8 cli_sti[] = { 0xfa, 0xfb, 0xfa };

	user_flags = 2 | IOPL3;
	check("IOPL 3: IN", port_access(0x80, "\xec", 1), DONE(1));
	check("IOPL 3: OUTSB", port_access(0x80, "\x6e", 1), DONE(1));
	check("IOPL 3: CLI and STI", outcome(cli_sti, sizeof(cli_sti)), raised(UD, 0, 3));
	user_flags = 2;
}

/* A port's #GP comes before the #PF of the operand, a page's #PF before any I/O is done. */
static void check_order(void)
{
	static const u8 insb[] = { 0x31, 0xff, 0x66, 0xba, 0x80, 0x00, 0x6c };	/* to 0 */

	check("INSB to a kernel page: #GP first", outcome(insb, sizeof(insb)), raised(GP, 0, 6));
	user_flags = 2 | IOPL3;
	check("INSB to a kernel page, IOPL 3: #PF", outcome(insb, sizeof(insb)), raised(PF, 7, 6));
	user_flags = 2;
}

void guest_main(u32 magic, u32 info)
{
	has = (under_plinth() ? PLINTH : 0) | (cpuid(1, 0).ecx >> 26 & 1 ? XSAVE : 0) |
	      (cpuid(0x80000001, 0).edx >> 27 & 1 ? RDTSCP : 0) |
	      (cpuid(7, 0).ecx >> 2 & 1 ? UMIP : 0);
	if (has & XSAVE)
		WRITE_CR(4, READ_CR(4) | CR4_OSXSAVE);
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);	/* SCE, or SYSRET is #UD */
	check_privileged();
	check_allowed();
	check_cr4();
	check_map();
	check_iopl();
	check_order();
}
