/* SPDX-License-Identifier: MIT */
/*
 * What exits, executed as 32-bit and 16-bit protected-mode code and in virtual-8086 mode: lengths,
 * operands and results must be those of the mode (SDM vol. 1, "Operand-Size and Address-Size
 * Attributes"; vol. 3B, "8086 Emulation"). Each piece of code ends with UD2, whose frame shows the
 * registers: the first value is "vector << 32 | offset of EIP", the second what was read and written.
 */
#include "guests/lib/guest.h"

enum { UD = 6, GP = 13 };

#define CODE		0x8000u		/* the base of 16-bit segments, too */
#define MEMORY		0x7000u		/* what INS writes */
#define VM		0x20000u
#define IOPL3		0x3000u
#define ONLY_PLINTH	1
#define VARIES		4		/* its result */
#define FAR		8		/* beyond the limits of V86's segments */
#define NOT_V86		2		/* #GP there: CPL 3 */
#define PORT		0xcf8		/* keeps 32 bits */

enum mode { CODE32, CODE16, V86 };

static const char *const ends[] = { "32-bit:", "16-bit:", "V86:" };
static const char *const results[] = { "32-bit, result:", "16-bit, result:", "V86, result:" };

struct piece {
	const char *name;
	u8 n[2];		/* of the 32-bit and the 16-bit form */
	const char *code[2];
	u8 flags;
	u32 eax, ecx, edx, esi, edi;
};

/* 66H and 67H stand in the 16-bit forms to make them what the 32-bit ones are, and the other way
 * round. FAR: #GP, but QEMU's TCG checks no limits; Plinth does where it carries out the instruction
 * itself. */
static const struct piece pieces[] = {
	{ "NOP", { 1, 1 }, { "\x90", "\x90" }, 0, 0x12345678 },
	{ "CPUID", { 2, 2 }, { "\x0f\xa2", "\x0f\xa2" }, 0, 1 },
	{ "CPUID, 66H", { 3, 3 }, { "\x66\x0f\xa2", "\x66\x0f\xa2" }, 0, 1 },
	{ "IN AL", { 2, 2 }, { "\xe4\x21", "\xe4\x21" }, 0, 0x12345600 },
	{ "IN AX", { 2, 1 }, { "\x66\xed", "\xed" }, 0, 0x12340000, 0, 0xcfc },
	{ "IN EAX", { 1, 2 }, { "\xed", "\x66\xed" }, 0, 0, 0, PORT },
	{ "OUT EAX", { 1, 2 }, { "\xef", "\x66\xef" }, 0, 0x80004321, 0, PORT },
	{ "INSB", { 1, 1 }, { "\x6c", "\x6c" }, 0, 0, 0, 0x21, 0, MEMORY },
	{ "REP INSB", { 2, 2 }, { "\xf3\x6c", "\xf3\x6c" }, 0, 0, 3, 0x21, 0, MEMORY },
	{ "REP OUTSB", { 2, 2 }, { "\xf3\x6e", "\xf3\x6e" }, 0, 0, 3, 0x80, MEMORY },
	{ "REP OUTSD", { 2, 3 }, { "\xf3\x6f", "\xf3\x66\x6f" }, 0, 0, 2, 0x80, MEMORY },
	{ "RDTSC", { 2, 2 }, { "\x0f\x31", "\x0f\x31" }, VARIES },
	{ "RDMSR", { 2, 2 }, { "\x0f\x32", "\x0f\x32" }, NOT_V86, 0, 0x277 },
	{ "WRMSR", { 2, 2 }, { "\x0f\x30", "\x0f\x30" }, NOT_V86, 0, 0x174 },
	{ "MOV from CR0", { 3, 3 }, { "\x0f\x20\xc0", "\x0f\x20\xc0" }, NOT_V86, 0 },
	{ "MOV to CR0", { 3, 3 }, { "\x0f\x22\xc1", "\x0f\x22\xc1" }, NOT_V86, 0, 0x11 },
	{ "CLTS", { 2, 2 }, { "\x0f\x06", "\x0f\x06" }, NOT_V86, 0 },
	{ "SMSW AX", { 4, 3 }, { "\x66\x0f\x01\xe0", "\x0f\x01\xe0" }, 0, 0x12340000 },
	{ "LMSW", { 3, 3 }, { "\x0f\x01\xf1", "\x0f\x01\xf1" }, NOT_V86, 0, 0x11 },
	{ "WBINVD", { 2, 2 }, { "\x0f\x09", "\x0f\x09" }, NOT_V86, 0 },
	{ "VMMCALL", { 3, 3 }, { "\x0f\x01\xd9", "\x0f\x01\xd9" }, ONLY_PLINTH, 0 },
	{ "VMCALL", { 3, 3 }, { "\x0f\x01\xc1", "\x0f\x01\xc1" }, ONLY_PLINTH, 0 },
	{ "MMIO load", { 2, 4 }, { "\x8b\x06", "\x67\x66\x8b\x06" }, FAR, 0, 0, 0,
	  LAPIC + LAPIC_LVTT },
	{ "MMIO load, 16 bits", { 3, 3 }, { "\x66\x8b\x06", "\x67\x8b\x06" }, FAR, 0x12340000, 0,
	  0, LAPIC + LAPIC_LVTT },
	{ "MMIO store", { 2, 4 }, { "\x89\x06", "\x67\x66\x89\x06" }, FAR, 0x20, 0, 0,
	  LAPIC + LAPIC_TPR },
	{ "MMIO OR", { 2, 4 }, { "\x09\x06", "\x67\x66\x09\x06" }, FAR, 0x10, 0, 0,
	  LAPIC + LAPIC_TPR },
	{ "MMIO LODSD", { 1, 3 }, { "\xad", "\x67\x66\xad" }, FAR, 0, 0, 0,
	  LAPIC + LAPIC_LVTT },
};

struct regs {
	u32 eax, ecx, edx, ebx, esi, edi;
};

struct run {
	enum mode mode;
	struct regs regs;
};

/* ---- entering a mode, for the time until the next exception ---- */

#define LOAD "mov %0, %%ebp; mov (%%ebp), %%eax; mov 4(%%ebp), %%ecx; mov 8(%%ebp), %%edx;" \
	     "mov 12(%%ebp), %%ebx; mov 16(%%ebp), %%esi; mov 20(%%ebp), %%edi;"

static void enter_32(const struct regs *r)
{
	__asm__ volatile(LOAD "ljmp $0x08, $0x8000" :: "c"(r) : "memory");
}

/* DS and ES reach everything, with 67H. */
static void enter_16(const struct regs *r)
{
	__asm__ volatile("mov $0x38, %%eax; mov %%eax, %%ds; mov %%eax, %%es;" LOAD
			 "ljmp $0x30, $0" :: "c"(r) : "memory");
}

static void enter_v86(const struct regs *r)
{
	__asm__ volatile("push $0; push $0; push $0; push $0;"	/* GS FS DS ES */
			 "push $0x0a00; push $0x1000; push %1; push $0x800; push $0;"
			 LOAD "iret" :: "c"(r), "i"(2 | VM | IOPL3) : "memory");
}

static void enter(void *arg)
{
	const struct run *run = arg;

	static void (*const enters[])(const struct regs *) = { enter_32, enter_16, enter_v86 };

	enters[run->mode](&run->regs);
}

/* ---- what comes out ---- */

static void put(const struct piece *p, bool wide)
{
	u8 *at = (u8 *)(word)CODE;

	memset(at, 0xcc, 64);
	memcpy(at, p->code[!wide], p->n[!wide]);
	at[p->n[!wide]] = 0x0f;
	at[p->n[!wide] + 1] = 0x0b;
}

/* The frame's EIP counts from the segment's base. */
static u32 offset(enum mode mode)
{
	return (u32)trap.rip - (mode == CODE32 ? CODE : 0);
}

/* EAX, the TPR and what INS writes. */
static u64 result(void)
{
	u32 more = *(volatile u32 *)(word)MEMORY ^ lapic_read(LAPIC_TPR) << 24;

	return (u64)more << 32 | (u32)trap.rax;
}

static void check_piece(const struct piece *p, enum mode mode)
{
	struct run run = { mode, { p->eax, p->ecx, p->edx, 0, p->esi, p->edi } };
	bool refused = mode == V86 && (p->flags & NOT_V86);
	unsigned n = p->n[mode != CODE32];
	u64 expected = refused ? (u64)GP << 32 : (u64)UD << 32 | n;

	put(p, mode == CODE32);
	outl(PORT, 0x80001110);
	outb(0x21, 0xff);
	lapic_write(LAPIC_TPR, 0);
	*(volatile u32 *)(word)MEMORY = 0;
	trap = (struct trap){ .vector = 0xff };
	guest_try(enter, &run);
	if (mode == V86 && (p->flags & FAR))
		expected = trap.vector << 32 | offset(mode);
	check_in(ends[mode], p->name, trap.vector << 32 | offset(mode), expected);
	if (!refused && !(mode == V86 && (p->flags & FAR)) &&
	    !(p->flags & VARIES))
		check_in(results[mode], p->name, result(), result());
}

void guest_main(u32 magic, u32 info)
{
	for (enum mode mode = CODE32; mode <= V86; mode++)
		for (unsigned i = 0; i < COUNT(pieces); i++) {
			if ((pieces[i].flags & ONLY_PLINTH) && !under_plinth())
				continue;
			check_piece(&pieces[i], mode);
		}
}
