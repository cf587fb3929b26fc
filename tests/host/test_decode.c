// SPDX-License-Identifier: MIT
/*
 * The instruction decoder: lengths compared with capstone over random bytes in the three modes,
 * fields of hand-assembled instructions, and what it says about bytes that are missing or too many.
 */
#include "emulate/decode.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <capstone/capstone.h>
#include <cmocka.h>

#define RANDOM_STRINGS	400000		/* in each mode */

static u64 random_state = 0x9e3779b97f4a7c15;

static u32 random32(void)
{
	return xorshift(&random_state) >> 16;
}

/* Random bytes, with the rarer maps and prefixes made frequent. */
static void random_bytes(u8 *bytes)
{
	static const u8 starts[][2] = {
		{ 0x0f }, { 0x0f }, { 0x66, 0x0f }, { 0xf3, 0x0f }, { 0xf2, 0x0f }, { 0xf0 },
		{ 0x67 }, { 0x66 }, { 0xc4 }, { 0xc5 }, { 0x62 }, { 0x8f },
	};
	unsigned pick = random32() % (2 * ARRAY_SIZE(starts));

	for (int i = 0; i < INSN_MAX_BYTES; i++)
		bytes[i] = random32();
	for (int i = 0; pick < ARRAY_SIZE(starts) && i < 2 && starts[pick][i]; i++)
		bytes[i] = starts[pick][i];
}

static bool has_prefix(const u8 *bytes, const cs_insn *ci, u8 prefix)
{
	for (unsigned i = 0; i < ci->size; i++) {
		u8 b = bytes[i];

		if (b == prefix)
			return true;
		if (!memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", b, 11) &&
		    (b & 0xf0) != 0x40)
			return false;
	}
	return false;
}

static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(name, *list) == 0)
			return true;
	}
	return false;
}

/* SDM vol. 2B, "MOV - Move to/from Control Registers": CR1, CR5-7, CR9-15; likewise DR8 up. */
static bool is_reserved_register(unsigned reg)
{
	return reg == X86_REG_CR1 || (reg >= X86_REG_CR5 && reg <= X86_REG_CR7) ||
	       (reg >= X86_REG_CR9 && reg <= X86_REG_CR15) ||
	       (reg >= X86_REG_DR8 && reg <= X86_REG_DR15);
}

/*
 * SDM vol. 3C, "VMPTRLD", "VMPTRST": the opcode column says NP. 66H and F3H with /6 are VMCLEAR and
 * VMXON, which this capstone calls by that name too.
 */
static bool is_reserved_vmptr(const u8 *bytes, const cs_insn *ci)
{
	bool store = strcmp(ci->mnemonic, "vmptrst") == 0;

	if (has_prefix(bytes, ci, 0xf3) || has_prefix(bytes, ci, 0x66))
		return store || has_prefix(bytes, ci, 0xf2);
	return has_prefix(bytes, ci, 0xf2);
}

/* SDM vol. 2A, "LOCK": these, where the destination is memory; #UD with all others. */
static bool is_lockable(const cs_insn *ci)
{
	static const unsigned ids[] = {
		X86_INS_ADD, X86_INS_ADC, X86_INS_AND, X86_INS_BTC, X86_INS_BTR, X86_INS_BTS,
		X86_INS_CMPXCHG, X86_INS_CMPXCHG8B, X86_INS_CMPXCHG16B, X86_INS_DEC, X86_INS_INC,
		X86_INS_NEG, X86_INS_NOT, X86_INS_OR, X86_INS_SBB, X86_INS_SUB, X86_INS_XOR,
		X86_INS_XADD, X86_INS_XCHG,
	};
	const cs_x86 *x86 = &ci->detail->x86;

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		if (ci->id == ids[i])
			return x86->op_count && x86->operands[0].type == X86_OP_MEM;
	}
	return false;
}

/* What capstone decodes and the manuals call reserved: our answer must be #UD. */
static bool is_reserved(const u8 *bytes, const cs_insn *ci)
{
	/* SDM vol. 2B, "UD - Undefined Instruction". Capstone calls UD1 ud2b. */
	static const char *const undefined[] = { "ud0", "ud1", "ud2", "ud2b", NULL };
	/*
	 * VIA's instructions, 0F A6H and A7H: reserved in SDM vol. 2D, "Opcode Map", and in APM
	 * vol. 3.
	 */
	static const char *const via[] = {
		"montmul", "xsha1", "xsha256", "xstore", "xstorerng", "xcryptecb", "xcryptcbc",
		"xcryptctr", "xcryptcfb", "xcryptofb", NULL
	};
	const cs_x86 *x86 = &ci->detail->x86;

	if (is_one_of(ci->mnemonic, undefined) || is_one_of(ci->mnemonic, via))
		return true;
	if (has_prefix(bytes, ci, 0xf0) && !is_lockable(ci))
		return true;
	for (int i = 0; i < x86->op_count; i++) {
		if (x86->operands[i].type == X86_OP_REG &&
		    is_reserved_register(x86->operands[i].reg))
			return true;
	}
	/* SDM vol. 2B, "MOV": CS can't be the destination. */
	if (ci->id == X86_INS_MOV && x86->op_count && x86->operands[0].type == X86_OP_REG &&
	    x86->operands[0].reg == X86_REG_CS)
		return true;
	if (strncmp(ci->mnemonic, "vmptr", 5) == 0)
		return is_reserved_vmptr(bytes, ci);
	/* SDM vol. 2B, "MOVNTI": "NP 0F C3 /r", without prefixes. */
	if (ci->id == X86_INS_MOVNTI &&
	    (has_prefix(bytes, ci, 0x66) || has_prefix(bytes, ci, 0xf2) ||
	     has_prefix(bytes, ci, 0xf3)))
		return true;
	/* SDM vol. 2A, "VEX and the LOCK, 66H, F2H, F3H, REX prefix": #UD. */
	return x86->opcode[0] != 0x0f && ci->mnemonic[0] == 'v' &&
	       (has_prefix(bytes, ci, 0x66) || has_prefix(bytes, ci, 0xf2) ||
		has_prefix(bytes, ci, 0xf3));
}

/* Where capstone and we may differ in the length. */
static bool is_excluded(csh h, const u8 *bytes, const cs_insn *ci, enum cpu_mode mode)
{
	const u8 *opcode = ci->detail->x86.opcode;

	/* 66H, F2H with 0F 78H and 79H: EXTRQ, INSERTQ (APM vol. 4), for capstone VMREAD. */
	if (opcode[0] == 0x0f && (opcode[1] == 0x78 || opcode[1] == 0x79) &&
	    (has_prefix(bytes, ci, 0x66) || has_prefix(bytes, ci, 0xf2)))
		return true;
	/* SDM vol. 2B, "RET": C2 iw, CA iw. Capstone takes four bytes with 66H and REX.W. */
	if (mode == CPU_MODE_64 && has_prefix(bytes, ci, 0x66) && (opcode[0] & 0xf7) == 0xc2)
		return true;
	/* EVEX with rounding control has a register operand, so no displacement; capstone adds one. */
	if (strstr(ci->op_str, "-sae}"))
		return true;
	/*
	 * Near branches: SDM vol. 2A, "CALL": "the operand size is forced to 64 bits"; capstone takes a
	 * 16-bit displacement with 66H, and CALL's also with 67H.
	 */
	return mode == CPU_MODE_64 &&
	       (has_prefix(bytes, ci, 0x66) || has_prefix(bytes, ci, 0x67)) &&
	       cs_insn_group(h, ci, X86_GRP_BRANCH_RELATIVE);
}

static void report(const u8 *bytes, const cs_insn *ci, enum cpu_mode mode, int length)
{
	printf("%d-bit mode: we say %d, capstone %u %s %s:", mode * 8, length, ci->size,
	       ci->mnemonic, ci->op_str);
	for (int i = 0; i < INSN_MAX_BYTES; i++)
		printf(" %02x", bytes[i]);
	printf("\n");
	fail();
}

/* A prefix of a valid instruction needs more bytes; more bytes than it has change nothing. */
static void check_partial(const u8 *bytes, enum cpu_mode mode, int length)
{
	struct insn insn;

	assert_int_equal(decode(bytes, length, mode, &insn), length);
	for (int avail = 0; avail < length; avail++)
		assert_int_equal(decode(bytes, avail, mode, &insn), DECODE_NEED_BYTES);
}

/*
 * LOCK MOV CR0 is CR8 on AMD (APM vol. 3, "MOV CRn"); capstone knows no such form but decodes it.
 */
static bool is_locked_cr0(const struct insn *insn)
{
	return insn->lock && insn->reg == 8 &&
	       (insn->op == OP_MOV_FROM_CR || insn->op == OP_MOV_TO_CR);
}

static unsigned compare_mode(enum cpu_mode mode, cs_mode capstone_mode)
{
	unsigned compared = 0, reserved = 0, excluded = 0;
	cs_insn *ci;
	csh h;

	assert_int_equal(cs_open(CS_ARCH_X86, capstone_mode, &h), CS_ERR_OK);
	cs_option(h, CS_OPT_DETAIL, CS_OPT_ON);
	ci = cs_malloc(h);
	for (int i = 0; i < RANDOM_STRINGS; i++) {
		u8 bytes[INSN_MAX_BYTES];
		const u8 *at = bytes;
		size_t left = sizeof(bytes);
		uint64_t address = 0;
		struct insn insn;
		int length;

		random_bytes(bytes);
		length = decode(bytes, sizeof(bytes), mode, &insn);
		if (length > 0 && i % 8 == 0)
			check_partial(bytes, mode, length);
		if (!cs_disasm_iter(h, &at, &left, &address, ci))
			continue;
		if (is_excluded(h, bytes, ci, mode)) {
			excluded++;
		} else if (is_reserved(bytes, ci)) {
			reserved++;
			if (length != DECODE_INVALID && !is_locked_cr0(&insn))
				report(bytes, ci, mode, length);
		} else {
			compared++;
			if (length != ci->size)
				report(bytes, ci, mode, length);
		}
	}
	cs_free(ci, 1);
	cs_close(&h);
	print_message("%d-bit mode: %u lengths equal, %u reserved, %u excluded\n", mode * 8,
		      compared, reserved, excluded);
	assert_true(excluded * 50 < compared);
	return compared;
}

static void test_lengths_as_capstone(void **state)
{
	assert_true(compare_mode(CPU_MODE_16, CS_MODE_16) > RANDOM_STRINGS / 2);
	assert_true(compare_mode(CPU_MODE_32, CS_MODE_32) > RANDOM_STRINGS / 2);
	assert_true(compare_mode(CPU_MODE_64, CS_MODE_64) > RANDOM_STRINGS / 2);
}

/* Assembled by hand from SDM vol. 2. */
struct sample {
	const char *bytes;
	u8 count, mode, op, op_bytes, addr_bytes, segment, base, index, scale, reg;
	u64 disp, imm;
};

#define S(text)	text, sizeof(text) - 1
#define NO	REG_NONE

static const struct sample samples[] = {
	/* mov eax, [rip+0x10] */
	{ S("\x8b\x05\x10\0\0\0"), 8, OP_MOV, 4, 8, SEG_DS, REG_RIP, NO, 0, 0, 0x10, 0 },
	/* the same bytes in 32-bit mode: mov eax, [0x10] */
	{ S("\x8b\x05\x10\0\0\0"), 4, OP_MOV, 4, 4, SEG_DS, NO, NO, 0, 0, 0x10, 0 },
	/* mov r9, [rbp+r12*4-8] */
	{ S("\x4e\x8b\x4c\xa5\xf8"), 8, OP_MOV, 8, 8, SEG_SS, GPR_RBP, GPR_R12, 2, 9, -8ull, 0 },
	/* mov rax, [r13+0]: base bits 101 with REX.B are R13, default segment DS */
	{ S("\x49\x8b\x45\x00"), 8, OP_MOV, 8, 8, SEG_DS, GPR_R13, NO, 0, 0, 0, 0 },
	/* mov eax, [r12]: rm bits 100 need a SIB byte whatever REX.B is */
	{ S("\x41\x8b\x04\x24"), 8, OP_MOV, 4, 8, SEG_DS, GPR_R12, NO, 0, 0, 0, 0 },
	/* mov eax, gs:[disp32] by SIB without base and index */
	{ S("\x65\x8b\x04\x25\x44\x33\x22\x11"), 8, OP_MOV, 4, 8, SEG_GS, NO, NO, 0, 0,
	  0x11223344, 0 },
	/* es: is ignored in 64-bit mode and counts in 32-bit mode */
	{ S("\x26\x8b\x00"), 8, OP_MOV, 4, 8, SEG_DS, GPR_RAX, NO, 0, 0, 0, 0 },
	{ S("\x26\x8b\x00"), 4, OP_MOV, 4, 4, SEG_ES, GPR_RAX, NO, 0, 0, 0, 0 },
	/* mov ax, [bp+si-2] in 16-bit mode */
	{ S("\x8b\x42\xfe"), 2, OP_MOV, 2, 2, SEG_SS, GPR_RBP, GPR_RSI, 0, 0, -2ull, 0 },
	/* mov [0x1234], ax in 16-bit mode */
	{ S("\x89\x06\x34\x12"), 2, OP_MOV, 2, 2, SEG_DS, NO, NO, 0, 0, 0x1234, 0 },
	/* 32-bit addressing in 16-bit mode: mov ax, [eax+ecx*2] */
	{ S("\x67\x8b\x04\x48"), 2, OP_MOV, 2, 4, SEG_DS, GPR_RAX, GPR_RCX, 1, 0, 0, 0 },
	/* movabs rax, imm64; mov eax, imm32; mov ax, imm16 */
	{ S("\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x88"), 8, OP_MOV, 8, 8, SEG_DS, NO, NO, 0, 0, 0,
	  0x8807060504030201 },
	{ S("\xb8\x01\x02\x03\x84"), 8, OP_MOV, 4, 8, SEG_DS, NO, NO, 0, 0, 0, 0xffffffff84030201 },
	{ S("\x66\xb9\x01\x02"), 8, OP_MOV, 2, 8, SEG_DS, NO, NO, 0, 1, 0, 0x0201 },
	/* mov al, moffs64 and moffs32 */
	{ S("\xa0\x01\x02\x03\x04\x05\x06\x07\x08"), 8, OP_MOV, 1, 8, SEG_DS, NO, NO, 0, 0,
	  0x0807060504030201, 0 },
	{ S("\x67\xa1\x01\x02\x03\x84"), 8, OP_MOV, 4, 4, SEG_DS, NO, NO, 0, 0, 0x84030201, 0 },
	/* mov dword [rax], -1 with REX.W: imm32 sign extended */
	{ S("\x48\xc7\x00\xff\xff\xff\xff"), 8, OP_MOV, 8, 8, SEG_DS, GPR_RAX, NO, 0, 0, 0, ~0ull },
	/* test byte [rcx], 0x80; not dword [rcx] */
	{ S("\xf6\x01\x80"), 8, OP_TEST, 1, 8, SEG_DS, GPR_RCX, NO, 0, 0, 0, -128ull },
	{ S("\xf7\x11"), 8, OP_NOT, 4, 8, SEG_DS, GPR_RCX, NO, 0, 2, 0, 0 },
	/* push qword [rsp+8]: 64 bits by default, 16 with 66H */
	{ S("\xff\x74\x24\x08"), 8, OP_PUSH, 8, 8, SEG_SS, GPR_RSP, NO, 0, 6, 8, 0 },
	{ S("\x66\xff\x74\x24\x08"), 8, OP_PUSH, 2, 8, SEG_SS, GPR_RSP, NO, 0, 6, 8, 0 },
	/* a REX byte before another prefix is ignored */
	{ S("\x48\x66\x8b\x00"), 8, OP_MOV, 2, 8, SEG_DS, GPR_RAX, NO, 0, 0, 0, 0 },
	/* mov cr8, r9; mov rax, cr2: mod is ignored, no displacement follows; 66H says nothing */
	{ S("\x45\x0f\x22\xc1"), 8, OP_MOV_TO_CR, 8, 8, SEG_DS, NO, NO, 0, 8, 0, 0 },
	{ S("\x66\x0f\x20\x10"), 4, OP_MOV_FROM_CR, 4, 4, SEG_DS, NO, NO, 0, 2, 0, 0 },
	/* movsx rax, word [rbx] */
	{ S("\x48\x0f\xbf\x03"), 8, OP_MOVSX, 8, 8, SEG_DS, GPR_RBX, NO, 0, 0, 0, 0 },
	/* bts [rdx], 5 with LOCK */
	{ S("\xf0\x0f\xba\x2a\x05"), 8, OP_BTS, 4, 8, SEG_DS, GPR_RDX, NO, 0, 5, 0, 5 },
	/* invlpg [edi]; vmmcall; vmcall; swapgs; rdtscp */
	{ S("\x0f\x01\x3f"), 4, OP_INVLPG, 4, 4, SEG_DS, GPR_RDI, NO, 0, 7, 0, 0 },
	{ S("\x0f\x01\xd9"), 8, OP_VMMCALL, 4, 8, SEG_DS, NO, NO, 0, 3, 0, 0 },
	{ S("\x0f\x01\xc1"), 8, OP_VMCALL, 4, 8, SEG_DS, NO, NO, 0, 0, 0, 0 },
	{ S("\x0f\x01\xf8"), 8, OP_SWAPGS, 4, 8, SEG_DS, NO, NO, 0, 7, 0, 0 },
	{ S("\x0f\x01\xf9"), 8, OP_RDTSCP, 4, 8, SEG_DS, NO, NO, 0, 7, 0, 0 },
	/* vmxon, vmclear, vmptrld, vmptrst [rax]; vmread [rax], rdx */
	{ S("\xf3\x0f\xc7\x30"), 8, OP_VMXON, 4, 8, SEG_DS, GPR_RAX, NO, 0, 6, 0, 0 },
	{ S("\x66\x0f\xc7\x30"), 8, OP_VMCLEAR, 2, 8, SEG_DS, GPR_RAX, NO, 0, 6, 0, 0 },
	{ S("\x0f\xc7\x30"), 8, OP_VMPTRLD, 4, 8, SEG_DS, GPR_RAX, NO, 0, 6, 0, 0 },
	{ S("\x0f\xc7\x38"), 8, OP_VMPTRST, 4, 8, SEG_DS, GPR_RAX, NO, 0, 7, 0, 0 },
	{ S("\x0f\x78\x10"), 8, OP_VMREAD, 8, 8, SEG_DS, GPR_RAX, NO, 0, 2, 0, 0 },
	/* invpcid rcx, [rax]; movbe [rax], ecx */
	{ S("\x66\x0f\x38\x82\x08"), 8, OP_INVPCID, 8, 8, SEG_DS, GPR_RAX, NO, 0, 1, 0, 0 },
	{ S("\x0f\x38\xf1\x08"), 8, OP_MOVBE, 4, 8, SEG_DS, GPR_RAX, NO, 0, 1, 0, 0 },
	/* pause, nop, xchg r8, rax; hlt */
	{ S("\xf3\x90"), 8, OP_PAUSE, 4, 8, SEG_DS, NO, NO, 0, 0, 0, 0 },
	{ S("\x90"), 8, OP_NOP, 4, 8, SEG_DS, NO, NO, 0, 0, 0, 0 },
	{ S("\x49\x90"), 8, OP_XCHG, 8, 8, SEG_DS, NO, NO, 0, 8, 0, 0 },
	{ S("\xf4"), 2, OP_HLT, 2, 2, SEG_DS, NO, NO, 0, 0, 0, 0 },
	/* call 1234h:5678h; jmp far [rax]; retf 4; push fs; pop gs; push es; lss eax, [eax] */
	{ S("\x9a\x78\x56\x34\x12"), 2, OP_CALL_FAR, 2, 2, SEG_DS, NO, NO, 0, 0, 0, 0x5678 },
	{ S("\x48\xff\x28"), 8, OP_JMP_FAR, 8, 8, SEG_DS, GPR_RAX, NO, 0, 5, 0, 0 },
	{ S("\xca\x04\x00"), 4, OP_RET_FAR, 4, 4, SEG_DS, NO, NO, 0, 0, 0, 4 },
	{ S("\x0f\xa0"), 8, OP_PUSH_SREG, 8, 8, SEG_DS, NO, NO, 0, 0, 0, 0 },
	{ S("\x66\x0f\xa9"), 8, OP_POP_SREG, 2, 8, SEG_DS, NO, NO, 0, 0, 0, 0 },
	{ S("\x06"), 2, OP_PUSH_SREG, 2, 2, SEG_DS, NO, NO, 0, 0, 0, 0 },
	{ S("\x0f\xb2\x00"), 4, OP_LOAD_FAR, 4, 4, SEG_DS, GPR_RAX, NO, 0, 0, 0, 0 },
	/* cli, sti, lar edx, [eax], verw [eax], arpl [eax], dx */
	{ S("\xfa"), 2, OP_CLI, 2, 2, SEG_DS, NO, NO, 0, 0, 0, 0 },
	{ S("\xfb"), 2, OP_STI, 2, 2, SEG_DS, NO, NO, 0, 0, 0, 0 },
	{ S("\x0f\x02\x10"), 4, OP_LAR, 4, 4, SEG_DS, GPR_RAX, NO, 0, 2, 0, 0 },
	{ S("\x0f\x00\x28"), 4, OP_VERW, 4, 4, SEG_DS, GPR_RAX, NO, 0, 5, 0, 0 },
	{ S("\x63\x10"), 4, OP_ARPL, 4, 4, SEG_DS, GPR_RAX, NO, 0, 2, 0, 0 },
	/* stac; rdfsbase rax, wrgsbase r9d; rdpid rcx; fxsave [rax] */
	{ S("\x0f\x01\xcb"), 8, OP_STAC, 4, 8, SEG_DS, NO, NO, 0, 1, 0, 0 },
	{ S("\xf3\x48\x0f\xae\xc0"), 8, OP_RDFSBASE, 8, 8, SEG_DS, NO, NO, 0, 0, 0, 0 },
	{ S("\xf3\x41\x0f\xae\xd9"), 8, OP_WRGSBASE, 4, 8, SEG_DS, NO, NO, 0, 3, 0, 0 },
	{ S("\xf3\x0f\xc7\xf9"), 8, OP_RDPID, 4, 8, SEG_DS, NO, NO, 0, 7, 0, 0 },
	{ S("\x0f\xae\x00"), 8, OP_OTHER, 4, 8, SEG_DS, GPR_RAX, NO, 0, 0, 0, 0 },
	/* LES in 32-bit mode is VEX in 64-bit mode; BOUND and EVEX; POP and XOP */
	{ S("\xc4\x00"), 4, OP_LOAD_FAR, 4, 4, SEG_DS, GPR_RAX, NO, 0, 0, 0, 0 },
	{ S("\xc4\xe2\x79\x18\x00"), 8, OP_VECTOR, 4, 8, SEG_DS, GPR_RAX, NO, 0, 0, 0, 0 },
	{ S("\xc4\xe3\x79\x04\x00\x05"), 4, OP_VECTOR, 4, 4, SEG_DS, GPR_RAX, NO, 0, 0, 0, 5 },
	{ S("\xc5\xf8\x77"), 8, OP_VECTOR, 4, 8, SEG_DS, NO, NO, 0, 0, 0, 0 },
	{ S("\x62\xf1\x7c\x48\x11\x40\x01"), 8, OP_VECTOR, 4, 8, SEG_DS, GPR_RAX, NO, 0, 0, 1, 0 },
	{ S("\x8f\x00"), 8, OP_POP, 8, 8, SEG_DS, GPR_RAX, NO, 0, 0, 0, 0 },
	{ S("\x8f\xe9\x78\xe1\x00"), 8, OP_VECTOR, 4, 8, SEG_DS, GPR_RAX, NO, 0, 4, 0, 0 },
};

static void test_fields(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		struct insn insn;
		int length = decode((const u8 *)s->bytes, s->count, s->mode, &insn);

		if (length != s->count || insn.op != s->op)
			print_message("sample %zu\n", i);
		assert_int_equal(length, s->count);
		assert_int_equal(insn.length, s->count);
		assert_int_equal(insn.op, s->op);
		assert_int_equal(insn.addr_bytes, s->addr_bytes);
		if (s->op != OP_VECTOR && s->op != OP_OTHER) {
			assert_int_equal(insn.op_bytes, s->op_bytes);
			assert_int_equal(insn.reg, s->reg);
		}
		assert_int_equal(insn.segment, s->segment);
		assert_int_equal(insn.base, s->base);
		assert_int_equal(insn.index, s->index);
		assert_int_equal(insn.scale, s->scale);
		assert_true(insn.disp == s->disp);
		assert_true(insn.imm == s->imm);
	}
}

static void expect(const char *text, unsigned count, enum cpu_mode mode, int result)
{
	struct insn insn;

	assert_int_equal(decode((const u8 *)text, count, mode, &insn), result);
}

static void test_invalid(void **state)
{
	expect(S("\x0f\x0b"), CPU_MODE_64, DECODE_INVALID);		/* UD2 */
	expect(S("\x06"), CPU_MODE_64, DECODE_INVALID);			/* PUSH ES */
	expect(S("\x06"), CPU_MODE_32, 1);
	expect(S("\x9a\0\0\0\0\0\0"), CPU_MODE_32, 7);			/* far CALL */
	expect(S("\x9a\0\0\0\0\0\0"), CPU_MODE_64, DECODE_INVALID);
	expect(S("\x9a\0\0\0\0"), CPU_MODE_16, 5);
	expect(S("\xf0\x01\x00"), CPU_MODE_32, 3);			/* LOCK ADD [EAX], EAX */
	expect(S("\xf0\x03\x00"), CPU_MODE_32, DECODE_INVALID);		/* … EAX, [EAX] */
	expect(S("\xf0\x01\xc0"), CPU_MODE_32, DECODE_INVALID);
	expect(S("\xf0\x39\x00"), CPU_MODE_32, DECODE_INVALID);		/* LOCK CMP */
	expect(S("\xf0\x89\x00"), CPU_MODE_32, DECODE_INVALID);		/* LOCK MOV */
	expect(S("\xf0\x90"), CPU_MODE_32, DECODE_INVALID);
	expect(S("\x8d\xc0"), CPU_MODE_32, DECODE_INVALID);		/* LEA of a register */
	expect(S("\x8c\x30"), CPU_MODE_32, DECODE_INVALID);		/* no segment register 6 */
	expect(S("\x8e\x08"), CPU_MODE_32, DECODE_INVALID);		/* MOV CS */
	expect(S("\x0f\x20\xc8"), CPU_MODE_32, DECODE_INVALID);		/* CR1 */
	expect(S("\x44\x0f\x20\xc8"), CPU_MODE_64, DECODE_INVALID);	/* CR9 */
	expect(S("\xff\x38"), CPU_MODE_64, DECODE_INVALID);		/* group 5 /7 */
	expect(S("\xfe\x10"), CPU_MODE_64, DECODE_INVALID);
	expect(S("\x0f\x01\xf7"), CPU_MODE_64, 3);			/* LMSW DI */
	expect(S("\x0f\x01\xec"), CPU_MODE_64, DECODE_INVALID);
	expect(S("\xf2\xc5\xf8\x77"), CPU_MODE_64, DECODE_INVALID);
}

static void test_too_long(void **state)
{
	u8 bytes[20];

	memset(bytes, 0x66, sizeof(bytes));
	expect((char *)bytes, 14, CPU_MODE_64, DECODE_NEED_BYTES);
	expect((char *)bytes, 15, CPU_MODE_64, DECODE_TOO_LONG);
	expect((char *)bytes, 20, CPU_MODE_64, DECODE_TOO_LONG);
	bytes[14] = 0x90;
	expect((char *)bytes, 15, CPU_MODE_64, 15);
	bytes[14] = 0x0f;
	bytes[15] = 0xa2;
	expect((char *)bytes, 16, CPU_MODE_64, DECODE_TOO_LONG);
	bytes[13] = 0x8b;	/* MOV with disp32 at byte 15 */
	bytes[14] = 0x05;
	expect((char *)bytes, 20, CPU_MODE_64, DECODE_TOO_LONG);
}

static unsigned length_of(const char *bytes, unsigned count, unsigned opcode)
{
	return insn_length_of((const u8 *)bytes, count, CPU_MODE_64, opcode);
}

static void test_known_instruction(void **state)
{
	assert_int_equal(length_of(S("\x0f\xa2"), 0x0fa2), 2);
	assert_int_equal(length_of(S("\x0f\xa2\x90"), 0x0fa2), 2);
	assert_int_equal(length_of(S("\x66\xf3\x0f\xa2"), 0x0fa2), 4);
	assert_int_equal(length_of(S("\x48\x0f\xa2"), 0x0fa2), 3);
	assert_int_equal(length_of(S("\x0f"), 0x0fa2), 0);
	assert_int_equal(length_of(S("\x0f\xa3\xc0"), 0x0fa2), 0);
	assert_int_equal(length_of(S("\x0f\x01\xd9"), 0x0f01d9), 3);
	assert_int_equal(length_of(S("\x2e\x0f\x01\xd9"), 0x0f01d9), 4);
	assert_int_equal(length_of(S("\x0f\x01\xd8"), 0x0f01d9), 0);
	assert_int_equal(length_of(S("\x0f\x01"), 0x0f01d9), 0);
	assert_int_equal(length_of(S("\xf4"), 0xf4), 1);
	assert_int_equal(length_of(S("\x66\xf4"), 0xf4), 2);
	assert_int_equal(length_of(S("\xf5"), 0xf4), 0);
	assert_int_equal(length_of(S("\xe4\x20"), 0xe4), 2);
	assert_int_equal(length_of(S("\xe4"), 0xe4), 0);
	assert_int_equal(length_of(S("\x66\xe5\x20"), 0xe5), 3);
	assert_int_equal(length_of(S("\xee"), 0xee), 1);
	assert_int_equal(length_of(S("\xf3\x66\x6d"), 0x6d), 3);
	assert_int_equal(length_of(S("\x0f\x22\xc0"), 0x0f22), 3);
	assert_int_equal(length_of(S("\x44\x0f\x22\xc0"), 0x0f22), 4);
	assert_int_equal(length_of(S("\x0f\x22"), 0x0f22), 0);
	assert_int_equal(length_of(NULL, 0, 0xf4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths_as_capstone),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_known_instruction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
