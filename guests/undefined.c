/* SPDX-License-Identifier: MIT */
/*
 * What is #UD: opcodes that never are anything, LOCK where it mustn't be, instructions of features
 * that are not offered or not enabled, and what 64-bit mode has done away with (SDM vol. 2,
 * "Instruction Reference"; APM vol. 3). And the other way round: each instruction whose feature
 * CPUID offers is there.
 */
#include "guests/lib/guest.h"

enum { UD = 6, NM, GP = 13 };

#define CR0_EM		0x4ul
#define CR0_TS		0x8ul
#define CR4_OSFXSR	0x200ul
#define CR4_FSGSBASE	0x10000ul
#define CR4_OSXSAVE	0x40000ul

struct insn {
	const char *name;
	u8 n, code[12];
};

static u8 code[64] __attribute__((aligned(64)));
static u8 operand[1024] __attribute__((aligned(64)));

/* RDI and RSI point to zeros, the other registers are 0. */
static void run(void *arg)
{
	u64 di = (u64)operand, si = (u64)operand;

	__asm__ volatile("xor %%eax, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; xor %%ebx, %%ebx;"
			 "call *%2" : "+D"(di), "+S"(si) : "r"(code)
			 : "rax", "rbx", "rcx", "rdx", "memory", "cc");
}

/* The vector that one instruction raises, with a RET behind it; 0: none. */
static u64 vector_of(const struct insn *insn)
{
	memset(code, 0xcc, sizeof(code));
	memcpy(code, insn->code, insn->n);
	code[insn->n] = 0xc3;
	if (!guest_try(run, NULL))
		return 0;
	return trap.rip == (u64)code ? trap.vector : 0xff;
}

static const struct insn never[] = {
	{ "UD0", 3, { 0x0f, 0xff, 0xc0 } },
	{ "UD1", 3, { 0x0f, 0xb9, 0xc0 } },
	{ "UD2", 2, { 0x0f, 0x0b } },
	{ "0F 04", 2, { 0x0f, 0x04 } },
	{ "0F 0A", 2, { 0x0f, 0x0a } },
	{ "0F 24 (MOV from TR)", 3, { 0x0f, 0x24, 0xc0 } },
	{ "0F 36", 2, { 0x0f, 0x36 } },
	{ "0F 39", 2, { 0x0f, 0x39 } },
	{ "MOV from CR1", 3, { 0x0f, 0x20, 0xc8 } },
	{ "MOV to CR5", 3, { 0x0f, 0x22, 0xe8 } },
	{ "MOV to CR9", 4, { 0x44, 0x0f, 0x22, 0xc8 } },
	{ "MOV from CR15", 4, { 0x44, 0x0f, 0x20, 0xf8 } },
	{ "MOV from DR8", 4, { 0x44, 0x0f, 0x21, 0xc0 } },
	{ "MOV CS", 2, { 0x8e, 0xc8 } },
	{ "MOV segment 6", 2, { 0x8e, 0xf0 } },
	{ "LEA of a register", 2, { 0x8d, 0xc0 } },
	{ "LGDT of a register", 3, { 0x0f, 0x01, 0xd7 } },
	{ "INVLPG of a register", 3, { 0x0f, 0x01, 0xff } },
	{ "CMPXCHG8B of a register", 3, { 0x0f, 0xc7, 0xc8 } },
	{ "Group 4, 2", 2, { 0xfe, 0xd0 } },
	{ "Group 5, 7", 2, { 0xff, 0xf8 } },
	{ "PUSH ES", 1, { 0x06 } },
	{ "POP DS", 1, { 0x1f } },
	{ "DAA", 1, { 0x27 } },
	{ "AAA", 1, { 0x37 } },
	{ "PUSHA", 1, { 0x60 } },
	{ "POPA", 1, { 0x61 } },
	{ "82 (alias of 80)", 3, { 0x82, 0xc0, 0x00 } },
	{ "CALL far", 7, { 0x9a, 0, 0, 0, 0, 0, 0 } },
	{ "JMP far", 7, { 0xea, 0, 0, 0, 0, 0, 0 } },
	{ "INTO", 1, { 0xce } },
	{ "AAM", 2, { 0xd4, 0x0a } },
	{ "SALC", 1, { 0xd6 } },
	{ "LDS, of a register", 2, { 0xc5, 0xc0 } },
	{ "RSM", 2, { 0x0f, 0xaa } },
	{ "GETSEC", 2, { 0x0f, 0x37 } },
};

static const struct insn locked[] = {
	{ "NOP", 2, { 0xf0, 0x90 } },
	{ "ADD to a register", 3, { 0xf0, 0x01, 0xc0 } },
	{ "ADD from memory", 3, { 0xf0, 0x03, 0x07 } },
	{ "CMP", 3, { 0xf0, 0x39, 0x07 } },
	{ "CMPXCHG of a register", 4, { 0xf0, 0x0f, 0xb1, 0xc0 } },
};

/* LOCK before what a hypervisor intercepts: the CPU must find it first. QEMU 7.2 doesn't, and carries
 * them out; Plinth does where it looks at the instruction. */
static const struct insn locked_others[] = {
	{ "LOCK MOV", 3, { 0xf0, 0x89, 0x07 } },
	{ "LOCK SHL", 3, { 0xf0, 0xd1, 0x27 } },
	{ "LOCK CPUID", 3, { 0xf0, 0x0f, 0xa2 } },
	{ "LOCK RDMSR", 3, { 0xf0, 0x0f, 0x32 } },
	{ "LOCK IN", 3, { 0xf0, 0xe4, 0x21 } },
	{ "LOCK OUT", 3, { 0xf0, 0xe6, 0x80 } },
	{ "LOCK OUTSB", 2, { 0xf0, 0x6e } },
	{ "LOCK WBINVD", 3, { 0xf0, 0x0f, 0x09 } },
	{ "LOCK CLTS", 3, { 0xf0, 0x0f, 0x06 } },
	{ "LOCK RDTSC", 3, { 0xf0, 0x0f, 0x31 } },
	{ "LOCK SMSW", 4, { 0xf0, 0x0f, 0x01, 0xe0 } },
	{ "LOCK INVLPG", 4, { 0xf0, 0x0f, 0x01, 0x3f } },
	{ "LOCK VMMCALL", 4, { 0xf0, 0x0f, 0x01, 0xd9 } },
};

static void check_all(const char *group, const struct insn *insns, unsigned n, u64 expected)
{
	for (unsigned i = 0; i < n; i++)
		check_in(group, insns[i].name, vector_of(&insns[i]), expected);
}

/* ---- features ---- */

/* A bit of CPUID, and an instruction that is #UD without it. */
static const struct feature {
	u32 leaf;
	u8 reg, bit;		/* EAX 0 to EDX 3 */
	struct insn insn;
} features[] = {
	{ 1, 2, 0, { "SSE3: HADDPS", 4, { 0xf2, 0x0f, 0x7c, 0xc0 } } },
	{ 1, 2, 1, { "PCLMULQDQ", 6, { 0x66, 0x0f, 0x3a, 0x44, 0xc0, 0x00 } } },
	{ 1, 2, 9, { "SSSE3: PSHUFB", 5, { 0x66, 0x0f, 0x38, 0x00, 0xc0 } } },
	{ 1, 2, 13, { "CMPXCHG16B", 4, { 0x48, 0x0f, 0xc7, 0x0f } } },
	{ 1, 2, 19, { "SSE4.1: PTEST", 5, { 0x66, 0x0f, 0x38, 0x17, 0xc0 } } },
	{ 1, 2, 20, { "SSE4.2: CRC32", 5, { 0xf2, 0x0f, 0x38, 0xf0, 0xc0 } } },
	{ 1, 2, 22, { "MOVBE", 4, { 0x0f, 0x38, 0xf0, 0x07 } } },
	{ 1, 2, 23, { "POPCNT", 4, { 0xf3, 0x0f, 0xb8, 0xc0 } } },
	{ 1, 2, 25, { "AES: AESENC", 5, { 0x66, 0x0f, 0x38, 0xdc, 0xc0 } } },
	{ 1, 2, 30, { "RDRAND", 3, { 0x0f, 0xc7, 0xf0 } } },
	{ 1, 3, 4, { "TSC: RDTSC", 2, { 0x0f, 0x31 } } },
	{ 1, 3, 5, { "MSR: RDMSR", 7, { 0xb9, 0x10, 0, 0, 0, 0x0f, 0x32 } } },
	{ 1, 3, 8, { "CX8: CMPXCHG8B", 3, { 0x0f, 0xc7, 0x0f } } },
	{ 1, 3, 15, { "CMOV", 3, { 0x0f, 0x44, 0xc0 } } },
	{ 1, 3, 19, { "CLFSH: CLFLUSH", 3, { 0x0f, 0xae, 0x3f } } },
	{ 1, 3, 23, { "MMX: EMMS", 2, { 0x0f, 0x77 } } },
	{ 1, 3, 24, { "FXSR: FXSAVE", 3, { 0x0f, 0xae, 0x07 } } },
	{ 1, 3, 25, { "SSE: ADDPS", 3, { 0x0f, 0x58, 0xc0 } } },
	{ 1, 3, 26, { "SSE2: ADDPD", 4, { 0x66, 0x0f, 0x58, 0xc0 } } },
	{ 7, 1, 3, { "BMI1: ANDN", 5, { 0xc4, 0xe2, 0x78, 0xf2, 0xc0 } } },
	{ 7, 1, 8, { "BMI2: PDEP", 5, { 0xc4, 0xe2, 0x7b, 0xf5, 0xc0 } } },
	{ 7, 1, 18, { "RDSEED", 3, { 0x0f, 0xc7, 0xf8 } } },
	{ 7, 1, 19, { "ADX: ADCX", 5, { 0x66, 0x0f, 0x38, 0xf6, 0xc0 } } },
	{ 7, 1, 20, { "SMAP: STAC", 3, { 0x0f, 0x01, 0xcb } } },
	{ 7, 1, 23, { "CLFLUSHOPT", 4, { 0x66, 0x0f, 0xae, 0x3f } } },
	{ 7, 1, 24, { "CLWB", 4, { 0x66, 0x0f, 0xae, 0x37 } } },
	{ 7, 1, 29, { "SHA: SHA256MSG1", 4, { 0x0f, 0x38, 0xcc, 0xc0 } } },
	{ 7, 2, 22, { "RDPID", 4, { 0xf3, 0x0f, 0xc7, 0xf8 } } },
	{ 0x80000001, 2, 0, { "LAHF", 1, { 0x9f } } },
	{ 0x80000001, 2, 5, { "LZCNT", 4, { 0xf3, 0x0f, 0xbd, 0xc0 } } },
	{ 0x80000001, 2, 6, { "SSE4A: EXTRQ", 6, { 0x66, 0x0f, 0x78, 0xc0, 0x00, 0x00 } } },
	{ 0x80000001, 2, 8, { "PREFETCHW", 3, { 0x0f, 0x0d, 0x0f } } },
	{ 0x80000001, 3, 27, { "RDTSCP", 3, { 0x0f, 0x01, 0xf9 } } },
	{ 0x80000001, 3, 31, { "3DNow!: PFADD", 4, { 0x0f, 0x0f, 0xc0, 0x9e } } },
};

static bool offers(u32 leaf, unsigned reg, unsigned bit)
{
	struct cpuid c = cpuid(leaf & 0x80000000, 0);
	u32 words[4];

	if (c.eax < leaf)
		return false;
	c = cpuid(leaf, 0);
	memcpy(words, &c, sizeof(words));
	return words[reg] >> bit & 1;
}

/* Whether what isn't offered is #UD depends on the host: hardware can't hide everything. */
static void check_features(void)
{
	for (unsigned i = 0; i < COUNT(features); i++) {
		const struct feature *f = &features[i];

		if (offers(f->leaf, f->reg, f->bit))
			check_in("offered:", f->insn.name, vector_of(&f->insn) == UD, false);
		else
			skip(f->insn.name, "not offered");
	}
}

/* ---- what is not enabled ---- */

static const struct insn xgetbv = { "XGETBV", 3, { 0x0f, 0x01, 0xd0 } };
static const struct insn xsetbv = { "XSETBV", 3, { 0x0f, 0x01, 0xd1 } };
static const struct insn xsave = { "XSAVE", 3, { 0x0f, 0xae, 0x27 } };
static const struct insn vaddps = { "VADDPS", 4, { 0xc5, 0xf8, 0x58, 0xc0 } };
static const struct insn addps = { "ADDPS", 3, { 0x0f, 0x58, 0xc0 } };
static const struct insn fnop = { "FNOP", 2, { 0xd9, 0xd0 } };
static const struct insn mmx = { "PADDB", 3, { 0x0f, 0xfc, 0xc0 } };
static const struct insn fwait = { "FWAIT", 1, { 0x9b } };
static const struct insn rdfsbase = { "RDFSBASE", 5, { 0xf3, 0x48, 0x0f, 0xae, 0xc0 } };
static const struct insn syscall = { "SYSCALL", 2, { 0x0f, 0x05 } };

static void with_cr0(const char *name, u64 set, const struct insn *insn, u64 expected)
{
	u64 cr0 = READ_CR(0), got;

	WRITE_CR(0, cr0 | set);
	got = vector_of(insn);
	WRITE_CR(0, cr0);
	check_in(name, insn->name, got, expected);
}

static void check_enabled(void)
{
	u64 cr4 = READ_CR(4), got;

	with_cr0("EM:", CR0_EM, &addps, UD);
	with_cr0("EM:", CR0_EM, &mmx, UD);
	with_cr0("EM:", CR0_EM, &fnop, NM);
	with_cr0("TS:", CR0_TS, &addps, NM);
	with_cr0("TS:", CR0_TS, &mmx, NM);
	with_cr0("TS:", CR0_TS, &fnop, NM);
	with_cr0("TS and MP:", CR0_TS, &fwait, NM);
	WRITE_CR(4, cr4 & ~CR4_OSFXSR);
	got = vector_of(&addps);
	WRITE_CR(4, cr4);
	check("OSFXSR clear: ADDPS", got, UD);
	check("SCE clear: SYSCALL", vector_of(&syscall), UD);
	if (!offers(1, 2, 26)) {
		skip("OSXSAVE", "no XSAVE");
		return;
	}
	check("OSXSAVE clear: XGETBV", vector_of(&xgetbv), UD);
	check("OSXSAVE clear: XSETBV", vector_of(&xsetbv), UD);
	check("OSXSAVE clear: XSAVE", vector_of(&xsave), UD);
	check("OSXSAVE clear: VADDPS", vector_of(&vaddps), UD);
	WRITE_CR(4, cr4 | CR4_OSXSAVE);
	check("OSXSAVE set: XGETBV", vector_of(&xgetbv), 0);
	check("OSXSAVE set: XSETBV of 0", vector_of(&xsetbv), GP);
	__asm__ volatile("xsetbv" :: "c"(0), "a"(3), "d"(0));
	check("XCR0 without AVX: VADDPS", vector_of(&vaddps), UD);
	if (offers(1, 2, 28)) {
		__asm__ volatile("xsetbv" :: "c"(0), "a"(7), "d"(0));
		check("XCR0 with AVX: VADDPS", vector_of(&vaddps), 0);
	} else {
		skip("XCR0 with AVX: VADDPS", "no AVX");
	}
	WRITE_CR(4, cr4);
}

static void check_fsgsbase(void)
{
	check("FSGSBASE clear: RDFSBASE", vector_of(&rdfsbase), UD);
	if (!offers(7, 1, 0)) {
		skip("FSGSBASE set: RDFSBASE", "not offered");
		return;
	}
	WRITE_CR(4, READ_CR(4) | CR4_FSGSBASE);
	check("FSGSBASE set: RDFSBASE", vector_of(&rdfsbase), 0);
	WRITE_CR(4, READ_CR(4) & ~CR4_FSGSBASE);
}

/* ---- virtualisation, which is not offered ---- */

static const struct insn virtualisation[] = {
	{ "VMRUN", 3, { 0x0f, 0x01, 0xd8 } },
	{ "VMLOAD", 3, { 0x0f, 0x01, 0xda } },
	{ "VMSAVE", 3, { 0x0f, 0x01, 0xdb } },
	{ "STGI", 3, { 0x0f, 0x01, 0xdc } },
	{ "CLGI", 3, { 0x0f, 0x01, 0xdd } },
	{ "SKINIT", 3, { 0x0f, 0x01, 0xde } },
	{ "INVLPGA", 3, { 0x0f, 0x01, 0xdf } },
	{ "VMLAUNCH", 3, { 0x0f, 0x01, 0xc2 } },
	{ "VMRESUME", 3, { 0x0f, 0x01, 0xc3 } },
	{ "VMXOFF", 3, { 0x0f, 0x01, 0xc4 } },
	{ "VMFUNC", 3, { 0x0f, 0x01, 0xd4 } },
	{ "VMPTRLD", 3, { 0x0f, 0xc7, 0x37 } },
	{ "VMXON", 4, { 0xf3, 0x0f, 0xc7, 0x37 } },
	{ "VMREAD", 3, { 0x0f, 0x78, 0xc0 } },
	{ "INVEPT", 5, { 0x66, 0x0f, 0x38, 0x80, 0x07 } },
	{ "INVVPID", 5, { 0x66, 0x0f, 0x38, 0x81, 0x07 } },
};

void guest_main(u32 magic, u32 info)
{
	check_all("never:", never, COUNT(never), UD);
	check_all("LOCK:", locked, COUNT(locked), UD);
	for (unsigned i = 0; i < COUNT(locked_others); i++)
		tell(locked_others[i].name, vector_of(&locked_others[i]));
	check_features();
	check_enabled();
	check_fsgsbase();
	check_all("no SVM, no VMX:", virtualisation, COUNT(virtualisation), UD);
	if (offers(1, 2, 3))
		skip("MONITOR", "offered");
	else
		check("MONITOR", vector_of(&(struct insn){ "", 3, { 0x0f, 0x01, 0xc8 } }), UD);
}
