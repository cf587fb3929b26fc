/* SPDX-License-Identifier: MIT */
/*
 * The encodings of instructions that exit at their limits: exactly 15 bytes; 16, which is #GP(0);
 * and with the last bytes in a page that can't be fetched, which is #PF with CR2 at that page
 * (SDM vol. 2A, "Instruction Prefixes"; vol. 3A, "Interrupt 13", "Page-Fault Error Code"). Then code
 * that exits and is changed in place, through another mapping and by another mapping: what was
 * decoded before must not count any more.
 */
#include "guests/lib/guest.h"

enum { UD = 6, GP = 13, PF };

#define CODE		(WINDOW + 0x40000)	/* two pages */
#define ALIAS		(WINDOW + 0x48000)
#define FETCH		0x10	/* of a page fault's error code */
#define PLINTH		1
#define ROUNDS		500

struct regs {
	u64 rax, rcx, rdx, rsi, rdi;
};

struct insn {
	const char *name;
	u8 n, code[8], needs;
	struct regs regs;
};

static u8 pages[2 * PAGE] __attribute__((aligned(4096)));
static u8 other[2 * PAGE] __attribute__((aligned(4096)));
static u8 buffer[64];

#define TPR (LAPIC + LAPIC_TPR)

static const struct insn insns[] = {
	{ "NOP", 1, { 0x90 }, 0, { 0 } },
	{ "CPUID", 2, { 0x0f, 0xa2 }, 0, { 0 } },
	{ "RDMSR", 2, { 0x0f, 0x32 }, 0, { 0, 0xc0000080, 0, 0, 0 } },
	{ "WRMSR", 2, { 0x0f, 0x30 }, 0, { 0xd00, 0xc0000080, 0, 0, 0 } },
	{ "IN imm8", 2, { 0xe4, 0x21 }, 0, { 0 } },
	{ "IN DX", 1, { 0xec }, 0, { 0, 0, 0x80, 0, 0 } },
	{ "OUT imm8", 2, { 0xe6, 0x80 }, 0, { 0 } },
	{ "INSB", 1, { 0x6c }, 0, { 0, 0, 0x80, 0, (u64)buffer } },
	{ "OUTSB", 1, { 0x6e }, 0, { 0, 0, 0x80, (u64)buffer, 0 } },
	{ "MMIO load", 2, { 0x8b, 0x06 }, 0, { 0, 0, 0, TPR, 0 } },
	{ "MMIO load, disp8", 3, { 0x8b, 0x46, 0x00 }, 0, { 0, 0, 0, TPR, 0 } },
	{ "MMIO store", 2, { 0x89, 0x06 }, 0, { 0, 0, 0, TPR, 0 } },
	{ "MMIO store, imm32", 6, { 0xc7, 0x06, 0, 0, 0, 0 }, 0, { 0, 0, 0, TPR, 0 } },
	{ "MMIO OR", 2, { 0x09, 0x06 }, 0, { 0, 0, 0, TPR, 0 } },
	{ "MMIO MOVZX", 3, { 0x0f, 0xb6, 0x06 }, 0, { 0, 0, 0, TPR, 0 } },
	{ "MMIO MOVSL", 1, { 0xa5 }, 0, { 0, 0, 0, TPR, (u64)buffer } },
	{ "MOV from CR0", 3, { 0x0f, 0x20, 0xc0 }, 0, { 0 } },
	{ "MOV to CR0", 3, { 0x0f, 0x22, 0xc0 }, 0, { 0x80010033, 0, 0, 0, 0 } },
	{ "MOV to CR4", 3, { 0x0f, 0x22, 0xe0 }, 0, { 0x620, 0, 0, 0, 0 } },
	{ "CLTS", 2, { 0x0f, 0x06 }, 0, { 0 } },
	{ "LMSW", 3, { 0x0f, 0x01, 0xf0 }, 0, { 0x33, 0, 0, 0, 0 } },
	{ "WBINVD", 2, { 0x0f, 0x09 }, 0, { 0 } },
	{ "INVLPG", 3, { 0x0f, 0x01, 0x3e }, 0, { 0, 0, 0, (u64)buffer, 0 } },
	{ "MOV to DR7", 3, { 0x0f, 0x23, 0xf8 }, 0, { 0x400, 0, 0, 0, 0 } },
	{ "VMMCALL", 3, { 0x0f, 0x01, 0xd9 }, PLINTH, { 0 } },
};

/* ---- running a piece of code ---- */

static u8 *entry;

static void call(void *regs)
{
	struct regs r = *(struct regs *)regs;

	__asm__ volatile("push %%rbx; call *%5; pop %%rbx"
			 : "+a"(r.rax), "+c"(r.rcx), "+d"(r.rdx), "+S"(r.rsi), "+D"(r.rdi)
			 : "r"(entry) : "memory", "cc", "r8", "r9", "r10", "r11");
}

static void map_code(u64 second)
{
	map(CODE, pages, PTE_P | PTE_W);
	map(CODE + PAGE, pages + PAGE, second);
}

/* The instruction behind `prefixes` of 2EH and with `before` of its bytes in the first page; then
 * UD2. */
static void put(const struct insn *insn, unsigned prefixes, unsigned before)
{
	u8 *at = pages + PAGE - before;

	memset(pages, 0xcc, sizeof(pages));
	memset(at, 0x2e, prefixes);
	memcpy(at + prefixes, insn->code, insn->n);
	memcpy(at + prefixes + insn->n, "\x0f\x0b", 2);
	entry = (u8 *)CODE + PAGE - before;
}

/* vector, error code and how far RIP has gone from the instruction's begin. */
static u64 outcome(const struct insn *insn)
{
	struct regs regs = insn->regs;

	trap = (struct trap){ .vector = 0xff };
	guest_try(call, &regs);
	return trap.vector << 40 | trap.error << 8 | ((trap.rip - (u64)entry) & 0xff);
}

static u64 raised(u64 vector, u64 error, u64 offset)
{
	return vector << 40 | error << 8 | offset;
}

static bool lacks(const struct insn *insn)
{
	if (insn->needs != PLINTH || under_plinth())
		return false;
	skip(insn->name, "not under Plinth");
	return true;
}

static void check_length(const struct insn *insn)
{
	map_code(PTE_P | PTE_W);
	put(insn, 15u - insn->n, 64);
	check_in("15 bytes:", insn->name, outcome(insn), raised(UD, 0, 15));
	put(insn, 15u - insn->n, 7);
	check_in("15 bytes, 7 in the first page:", insn->name, outcome(insn), raised(UD, 0, 15));
	put(insn, 16u - insn->n, 64);
	check_in("16 bytes:", insn->name, outcome(insn), raised(GP, 0, 0));
}

/* Every byte but the first may be the first that can't be fetched. The bits of the value are the
 * splits that were right. */
static u64 splits(const struct insn *insn, unsigned prefixes, u64 error)
{
	u64 good = 0;

	for (unsigned before = 1; before < prefixes + insn->n; before++) {
		put(insn, prefixes, before);
		good |= (u64)(outcome(insn) == raised(PF, error, 0) &&
			      trap.cr2 == CODE + PAGE) << before;
	}
	return good;
}

/* Just at the page's end, it is done, and the next one can't be fetched. */
static u64 last_in_page(const struct insn *insn)
{
	put(insn, 2, 2u + insn->n);
	return outcome(insn);
}

static void check_page_end(const struct insn *insn)
{
	u64 all = (1ul << (insn->n + 4)) - 2;

	map_code(0);
	check_in("second page absent:", insn->name, splits(insn, 4, FETCH), all);
	check_in("at the page's end:", insn->name, last_in_page(insn),
		 raised(PF, FETCH, 2u + insn->n));
	map_code(PTE_P | PTE_W | PTE_NX);
	check_in("second page NX:", insn->name, splits(insn, 4, FETCH | 1), all);
}

/* ---- changed code ---- */

static const struct insn short_cpuid = { "", 2, { 0x0f, 0xa2 }, 0, { 0 } };
static const struct insn in_21 = { "", 2, { 0xe4, 0x21 }, 0, { 0 } };
static const struct insn rdmsr_ = { "", 2, { 0x0f, 0x32 }, 0, { 0, 0xc0000080, 0, 0, 0 } };
static const struct insn load = { "", 2, { 0x8b, 0x06 }, 0, { 0, 0, 0, TPR, 0 } };
static const struct insn load8 = { "", 3, { 0x8b, 0x46, 0x00 }, 0, { 0, 0, 0, TPR, 0 } };
static const struct insn clts = { "", 2, { 0x0f, 0x06 }, 0, { 0 } };

/* One after the other at one place: of different lengths and kinds. */
static const struct { const struct insn *insn; unsigned prefixes; } forms[] = {
	{ &short_cpuid, 0 }, { &short_cpuid, 3 }, { &load, 0 }, { &load8, 0 }, { &in_21, 1 },
	{ &short_cpuid, 1 }, { &rdmsr_, 2 }, { &load, 2 }, { &clts, 0 }, { &clts, 5 },
	{ &load8, 1 }, { &in_21, 0 },
};

/* As put(), into a page of the caller's. */
static unsigned write_form(u8 *at, unsigned i)
{
	const struct insn *insn = forms[i].insn;
	unsigned n = forms[i].prefixes + insn->n;

	memset(at, 0x2e, forms[i].prefixes);
	memcpy(at + forms[i].prefixes, insn->code, insn->n);
	memcpy(at + n, "\x0f\x0b", 2);
	return n;
}

/* Writes by one address, runs at the other. */
static unsigned rewrite(u8 *writable, u64 run)
{
	unsigned good = 0;

	entry = (u8 *)run;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned form = i * 7 % COUNT(forms), n = write_form(writable, form);

		good += outcome(forms[form].insn) == raised(UD, 0, n);
	}
	return good;
}

/* The same address leads to one page or the other. */
static unsigned remap(bool reload_cr3)
{
	unsigned good = 0;

	entry = (u8 *)CODE + 64;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned form = i * 5 % COUNT(forms), n;
		u8 *page = i & 1 ? other : pages;

		n = write_form(page + 64, form);
		if (reload_cr3) {
			*entry_of(CODE, 1) = (u64)page | PTE_P | PTE_W;
			WRITE_CR(3, READ_CR(3));
		} else {
			map(CODE, page, PTE_P | PTE_W);
		}
		good += outcome(forms[form].insn) == raised(UD, 0, n);
	}
	return good;
}

static void check_changes(void)
{
	map_code(PTE_P | PTE_W);
	map(ALIAS, pages, PTE_P | PTE_W);
	map(ALIAS + PAGE, pages + PAGE, PTE_P | PTE_W);
	check("changed in place", rewrite((u8 *)CODE + 64, CODE + 64), ROUNDS);
	check("changed through another mapping", rewrite((u8 *)ALIAS + 64, CODE + 64), ROUNDS);
	check("changed by its physical address", rewrite(pages + 64, CODE + 64), ROUNDS);
	check("changed across a page end", rewrite((u8 *)ALIAS + PAGE - 2, CODE + PAGE - 2),
	      ROUNDS);
	check("mapped anew, INVLPG", remap(false), ROUNDS);
	check("mapped anew, CR3", remap(true), ROUNDS);
}

void guest_main(u32 magic, u32 info)
{
	for (unsigned i = 0; i < COUNT(insns); i++) {
		if (lacks(&insns[i]))
			continue;
		check_length(&insns[i]);
		check_page_end(&insns[i]);
	}
	check_changes();
}
