// SPDX-License-Identifier: GPL-2.0-only
/*
 * The opcode tables, as data. A row says which operation it is, where its operands are, what
 * immediate follows and what is special. To teach the emulator an instruction: name it in insn.h,
 * write it in its row here, and give it a row in emulate.c.
 * Sources: SDM vol. 2D, "Opcode Map"; APM vol. 3, appendix A, "Opcode and Operand Encodings".
 * Prefixes, the escapes 0FH, VEX, EVEX and XOP never reach these tables: decode.c takes them.
 */
#include "emulate/opcodes.h"

#define ROW(op, form, imm, flags)	{ OP_##op, FORM_##form, IMM_##imm, flags }
#define GROUP(n, form, imm, flags)	{ GROUP_##n, FORM_##form, IMM_##imm, ROW_GROUP | (flags) }
#define OTHER(imm, flags)		{ OP_OTHER, FORM_NONE, IMM_##imm, flags }
#define OTHER_RM(imm, flags)		{ OP_OTHER, FORM_OTHER, IMM_##imm, flags }

/* The six forms of an arithmetic operation. */
#define ALU_ROWS(at, op, lock) \
	[(at) + 0] = ROW(op, RM_REG, NONE, ROW_BYTE | (lock)), \
	[(at) + 1] = ROW(op, RM_REG, NONE, lock), \
	[(at) + 2] = ROW(op, REG_RM, NONE, ROW_BYTE), \
	[(at) + 3] = ROW(op, REG_RM, NONE, 0), \
	[(at) + 4] = ROW(op, ACC_IMM, Z, ROW_BYTE), \
	[(at) + 5] = ROW(op, ACC_IMM, Z, 0)

/* An operation in a byte form and a full form. */
#define PAIR(at, op, form, imm, flags) \
	[at] = ROW(op, form, imm, ROW_BYTE | (flags)), \
	[(at) + 1] = ROW(op, form, imm, flags)

const struct opcode opcodes_one[256] = {
	ALU_ROWS(0x00, ADD, ROW_LOCK),
	ALU_ROWS(0x08, OR,  ROW_LOCK),
	ALU_ROWS(0x10, ADC, ROW_LOCK),
	ALU_ROWS(0x18, SBB, ROW_LOCK),
	ALU_ROWS(0x20, AND, ROW_LOCK),
	ALU_ROWS(0x28, SUB, ROW_LOCK),
	ALU_ROWS(0x30, XOR, ROW_LOCK),
	ALU_ROWS(0x38, CMP, 0),
	[0x06] = ROW(PUSH_SREG, NONE, NONE, ROW_NO64),	/* ES, CS, SS, DS */
	[0x07] = ROW(POP_SREG, NONE, NONE, ROW_NO64),
	[0x0e] = ROW(PUSH_SREG, NONE, NONE, ROW_NO64),
	[0x16] = ROW(PUSH_SREG, NONE, NONE, ROW_NO64),
	[0x17] = ROW(POP_SREG, NONE, NONE, ROW_NO64),
	[0x1e] = ROW(PUSH_SREG, NONE, NONE, ROW_NO64),
	[0x1f] = ROW(POP_SREG, NONE, NONE, ROW_NO64),
	[0x27] = ROW(DAA, NONE, NONE, ROW_NO64),
	[0x2f] = ROW(DAS, NONE, NONE, ROW_NO64),
	[0x37] = ROW(AAA, NONE, NONE, ROW_NO64),
	[0x3f] = ROW(AAS, NONE, NONE, ROW_NO64),
	[0x40 ... 0x47] = ROW(INC, OREG, NONE, 0),	/* REX in 64-bit mode */
	[0x48 ... 0x4f] = ROW(DEC, OREG, NONE, 0),
	[0x50 ... 0x57] = ROW(PUSH, OREG, NONE, ROW_D64),
	[0x58 ... 0x5f] = ROW(POP, OREG, NONE, ROW_D64),
	[0x60] = ROW(PUSHA, NONE, NONE, ROW_NO64),
	[0x61] = ROW(POPA, NONE, NONE, ROW_NO64),
	[0x62] = ROW(BOUND, REG_RM, NONE, ROW_NO64 | ROW_MEM),
	[0x63] = ROW(ARPL, RM_REG, NONE, ROW_SRC16),	/* 64-bit mode: opcode_movsxd */
	[0x68] = ROW(PUSH, IMM, Z, ROW_D64),
	[0x69] = ROW(IMUL2, REG_RM_IMM, Z, 0),
	[0x6a] = ROW(PUSH, IMM, 8, ROW_D64),
	[0x6b] = ROW(IMUL2, REG_RM_IMM, 8, 0),
	PAIR(0x6c, INS, NONE, NONE, 0),
	PAIR(0x6e, OUTS, NONE, NONE, 0),
	[0x70 ... 0x7f] = ROW(JCC, IMM, 8, ROW_F64),
	[0x80] = GROUP(1, RM_IMM, 8, ROW_BYTE),
	[0x81] = GROUP(1, RM_IMM, Z, 0),
	[0x82] = GROUP(1, RM_IMM, 8, ROW_BYTE | ROW_NO64),
	[0x83] = GROUP(1, RM_IMM, 8, 0),
	PAIR(0x84, TEST, RM_REG, NONE, 0),
	PAIR(0x86, XCHG, RM_REG, NONE, ROW_LOCK),
	PAIR(0x88, MOV, RM_REG, NONE, 0),
	PAIR(0x8a, MOV, REG_RM, NONE, 0),
	[0x8c] = ROW(MOV_FROM_SREG, RM, NONE, 0),
	[0x8d] = ROW(LEA, REG_RM, NONE, ROW_MEM),
	[0x8e] = ROW(MOV_TO_SREG, RM, NONE, ROW_SRC16),
	[0x8f] = GROUP(1A, RM, NONE, 0),
	[0x90 ... 0x97] = ROW(XCHG, OREG_ACC, NONE, 0),	/* 90H: NOP, PAUSE: decode.c */
	[0x98] = ROW(CBW, NONE, NONE, 0),
	[0x99] = ROW(CWD, NONE, NONE, 0),
	[0x9a] = ROW(CALL_FAR, IMM, FAR, ROW_NO64),
	[0x9b] = ROW(FWAIT, NONE, NONE, 0),
	[0x9c] = ROW(PUSHF, NONE, NONE, ROW_D64),
	[0x9d] = ROW(POPF, NONE, NONE, ROW_D64),
	[0x9e] = ROW(SAHF, NONE, NONE, 0),
	[0x9f] = ROW(LAHF, NONE, NONE, 0),
	PAIR(0xa0, MOV, ACC_MOFFS, ADDR, 0),
	PAIR(0xa2, MOV, MOFFS_ACC, ADDR, 0),
	PAIR(0xa4, MOVS, NONE, NONE, 0),
	PAIR(0xa6, CMPS, NONE, NONE, 0),
	PAIR(0xa8, TEST, ACC_IMM, Z, 0),
	PAIR(0xaa, STOS, NONE, NONE, 0),
	PAIR(0xac, LODS, NONE, NONE, 0),
	PAIR(0xae, SCAS, NONE, NONE, 0),
	[0xb0 ... 0xb7] = ROW(MOV, OREG_IMM, 8, ROW_BYTE),
	[0xb8 ... 0xbf] = ROW(MOV, OREG_IMM, V, 0),
	[0xc0] = GROUP(2, RM_IMM, 8, ROW_BYTE),
	[0xc1] = GROUP(2, RM_IMM, 8, 0),
	[0xc2] = ROW(RET, IMM, 16, ROW_F64),
	[0xc3] = ROW(RET, NONE, NONE, ROW_F64),
	[0xc4 ... 0xc5] = ROW(LOAD_FAR, REG_RM, NONE, ROW_NO64 | ROW_MEM),	/* LES LDS */
	[0xc6] = GROUP(11, RM_IMM, Z, ROW_BYTE),
	[0xc7] = GROUP(11, RM_IMM, Z, 0),
	[0xc8] = ROW(ENTER, NONE, 16_8, ROW_D64),
	[0xc9] = ROW(LEAVE, NONE, NONE, ROW_D64),
	[0xca] = ROW(RET_FAR, IMM, 16, 0),
	[0xcb] = ROW(RET_FAR, NONE, NONE, 0),
	[0xcc] = ROW(INT3, NONE, NONE, 0),
	[0xcd] = ROW(INT, IMM, 8, 0),
	[0xce] = ROW(INTO, NONE, NONE, ROW_NO64),
	[0xcf] = ROW(IRET, NONE, NONE, 0),
	[0xd0] = GROUP(2, RM_1, NONE, ROW_BYTE),
	[0xd1] = GROUP(2, RM_1, NONE, 0),
	[0xd2] = GROUP(2, RM_CL, NONE, ROW_BYTE),
	[0xd3] = GROUP(2, RM_CL, NONE, 0),
	[0xd4] = ROW(AAM, IMM, 8, ROW_NO64),
	[0xd5] = ROW(AAD, IMM, 8, ROW_NO64),
	[0xd6] = ROW(SALC, NONE, NONE, ROW_NO64),
	[0xd7] = ROW(XLAT, NONE, NONE, ROW_BYTE),
	[0xd8 ... 0xdf] = ROW(X87, OTHER, NONE, 0),
	[0xe0] = ROW(LOOPNE, IMM, 8, ROW_F64),
	[0xe1] = ROW(LOOPE, IMM, 8, ROW_F64),
	[0xe2] = ROW(LOOP, IMM, 8, ROW_F64),
	[0xe3] = ROW(JRCXZ, IMM, 8, ROW_F64),
	PAIR(0xe4, IN, ACC_IMM, 8, 0),
	PAIR(0xe6, OUT, ACC_IMM, 8, 0),
	[0xe8] = ROW(CALL, IMM, RELZ, ROW_F64),
	[0xe9] = ROW(JMP, IMM, RELZ, ROW_F64),
	[0xea] = ROW(JMP_FAR, IMM, FAR, ROW_NO64),
	[0xeb] = ROW(JMP, IMM, 8, ROW_F64),
	PAIR(0xec, IN, ACC_DX, NONE, 0),
	PAIR(0xee, OUT, ACC_DX, NONE, 0),
	[0xf1] = ROW(INT1, NONE, NONE, 0),
	[0xf4] = ROW(HLT, NONE, NONE, 0),
	[0xf5] = ROW(CMC, NONE, NONE, 0),
	[0xf6] = GROUP(3, RM, NONE, ROW_BYTE),
	[0xf7] = GROUP(3, RM, NONE, 0),
	[0xf8] = ROW(CLC, NONE, NONE, 0),
	[0xf9] = ROW(STC, NONE, NONE, 0),
	[0xfa] = ROW(CLI, NONE, NONE, 0),
	[0xfb] = ROW(STI, NONE, NONE, 0),
	[0xfc] = ROW(CLD, NONE, NONE, 0),
	[0xfd] = ROW(STD, NONE, NONE, 0),
	[0xfe] = GROUP(4, RM, NONE, ROW_BYTE),
	[0xff] = GROUP(5, RM, NONE, 0),
};

const struct opcode opcode_movsxd = ROW(MOVSX, REG_RM, NONE, ROW_SRC32);

const struct opcode opcodes_0f[256] = {
	[0x00] = GROUP(6, RM, NONE, 0),
	[0x01] = GROUP(7, RM, NONE, 0),
	[0x02] = ROW(LAR, REG_RM, NONE, ROW_SRC16),
	[0x03] = ROW(LSL, REG_RM, NONE, ROW_SRC16),
	[0x05] = ROW(SYSCALL, NONE, NONE, 0),
	[0x06] = ROW(CLTS, NONE, NONE, 0),
	[0x07] = ROW(SYSRET, NONE, NONE, 0),
	[0x08] = ROW(INVD, NONE, NONE, 0),
	[0x09] = ROW(WBINVD, NONE, NONE, 0),
	[0x0d] = ROW(NOP, RM, NONE, 0),			/* PREFETCHW */
	[0x0e] = OTHER(NONE, 0),			/* FEMMS */
	[0x0f] = OTHER_RM(8, 0),			/* 3DNow!: the last byte is the opcode */
	[0x10 ... 0x17] = OTHER_RM(NONE, 0),
	[0x18 ... 0x1f] = ROW(NOP, RM, NONE, 0),	/* prefetches and hints */
	[0x20] = ROW(MOV_FROM_CR, SYSREG, NONE, ROW_F64 | ROW_MOD3),
	[0x21] = ROW(MOV_FROM_DR, SYSREG, NONE, ROW_F64 | ROW_MOD3),
	[0x22] = ROW(MOV_TO_CR, SYSREG, NONE, ROW_F64 | ROW_MOD3),
	[0x23] = ROW(MOV_TO_DR, SYSREG, NONE, ROW_F64 | ROW_MOD3),
	[0x28 ... 0x2f] = OTHER_RM(NONE, 0),
	[0x30] = ROW(WRMSR, NONE, NONE, 0),
	[0x31] = ROW(RDTSC, NONE, NONE, 0),
	[0x32] = ROW(RDMSR, NONE, NONE, 0),
	[0x33] = ROW(RDPMC, NONE, NONE, 0),
	[0x34] = ROW(SYSENTER, NONE, NONE, 0),
	[0x35] = ROW(SYSEXIT, NONE, NONE, 0),
	[0x37] = OTHER(NONE, 0),			/* GETSEC */
	[0x40 ... 0x4f] = ROW(CMOV, REG_RM, NONE, 0),
	[0x50 ... 0x6f] = OTHER_RM(NONE, 0),
	[0x70 ... 0x73] = OTHER_RM(8, 0),
	[0x74 ... 0x76] = OTHER_RM(NONE, 0),
	[0x77] = OTHER(NONE, 0),			/* EMMS */
	[0x78] = ROW(VMREAD, RM_REG, NONE, ROW_F64),
	[0x79] = ROW(VMWRITE, REG_RM, NONE, ROW_F64),
	[0x7c ... 0x7f] = OTHER_RM(NONE, 0),
	[0x80 ... 0x8f] = ROW(JCC, IMM, RELZ, ROW_F64),
	[0x90 ... 0x9f] = ROW(SETCC, RM, NONE, ROW_BYTE),
	[0xa0] = ROW(PUSH_SREG, NONE, NONE, ROW_D64),	/* FS */
	[0xa1] = ROW(POP_SREG, NONE, NONE, ROW_D64),
	[0xa2] = ROW(CPUID, NONE, NONE, 0),
	[0xa3] = ROW(BT, RM_REG, NONE, 0),
	[0xa4] = ROW(SHLD, RM_REG_IMM, 8, 0),
	[0xa5] = ROW(SHLD, RM_REG_CL, NONE, 0),
	[0xa8] = ROW(PUSH_SREG, NONE, NONE, ROW_D64),	/* GS */
	[0xa9] = ROW(POP_SREG, NONE, NONE, ROW_D64),
	[0xaa] = ROW(RSM, NONE, NONE, 0),
	[0xab] = ROW(BTS, RM_REG, NONE, ROW_LOCK),
	[0xac] = ROW(SHRD, RM_REG_IMM, 8, 0),
	[0xad] = ROW(SHRD, RM_REG_CL, NONE, 0),
	[0xae] = GROUP(15, RM, NONE, 0),
	[0xaf] = ROW(IMUL2, REG_RM, NONE, 0),
	PAIR(0xb0, CMPXCHG, RM_REG, NONE, ROW_LOCK),
	[0xb2] = ROW(LOAD_FAR, REG_RM, NONE, ROW_MEM),	/* LSS */
	[0xb3] = ROW(BTR, RM_REG, NONE, ROW_LOCK),
	[0xb4 ... 0xb5] = ROW(LOAD_FAR, REG_RM, NONE, ROW_MEM),	/* LFS LGS */
	[0xb6] = ROW(MOVZX, REG_RM, NONE, ROW_SRC8),
	[0xb7] = ROW(MOVZX, REG_RM, NONE, ROW_SRC16),
	[0xb8] = ROW(INVALID, OTHER, NONE, 0),		/* POPCNT, with F3H: decode.c */
	[0xb9] = ROW(INVALID, OTHER, NONE, 0),		/* UD1 */
	[0xba] = GROUP(8, RM_IMM, 8, 0),
	[0xbb] = ROW(BTC, RM_REG, NONE, ROW_LOCK),
	[0xbc] = ROW(BSF, REG_RM, NONE, 0),		/* with F3H TZCNT, LZCNT */
	[0xbd] = ROW(BSR, REG_RM, NONE, 0),
	[0xbe] = ROW(MOVSX, REG_RM, NONE, ROW_SRC8),
	[0xbf] = ROW(MOVSX, REG_RM, NONE, ROW_SRC16),
	PAIR(0xc0, XADD, RM_REG, NONE, ROW_LOCK),
	[0xc2] = OTHER_RM(8, 0),
	[0xc3] = ROW(MOVNTI, RM_REG, NONE, ROW_MEM | ROW_NO16),
	[0xc4 ... 0xc6] = OTHER_RM(8, 0),
	[0xc7] = GROUP(9, RM, NONE, 0),
	[0xc8 ... 0xcf] = ROW(BSWAP, OREG, NONE, 0),
	[0xd0 ... 0xfe] = OTHER_RM(NONE, 0),
	[0xff] = ROW(INVALID, OTHER, NONE, 0),		/* UD0 */
};

/* What a group's row leaves as FORM_NONE or IMM_NONE comes from the row that named the group. */
#define G(op, flags)	{ OP_##op, FORM_NONE, IMM_NONE, flags }

const struct opcode opcode_groups[NR_GROUPS][8] = {
	[GROUP_1] = {
		G(ADD, ROW_LOCK), G(OR, ROW_LOCK), G(ADC, ROW_LOCK), G(SBB, ROW_LOCK),
		G(AND, ROW_LOCK), G(SUB, ROW_LOCK), G(XOR, ROW_LOCK), G(CMP, 0),
	},
	[GROUP_1A] = { G(POP, ROW_D64) },
	[GROUP_2] = {
		G(ROL, 0), G(ROR, 0), G(RCL, 0), G(RCR, 0),
		G(SHL, 0), G(SHR, 0), G(SHL, 0), G(SAR, 0),
	},
	[GROUP_3] = {
		ROW(TEST, RM_IMM, Z, 0), ROW(TEST, RM_IMM, Z, 0), G(NOT, ROW_LOCK),
		G(NEG, ROW_LOCK),
		G(MUL, 0), G(IMUL, 0), G(DIV, 0), G(IDIV, 0),
	},
	[GROUP_4] = { G(INC, ROW_LOCK), G(DEC, ROW_LOCK) },
	[GROUP_5] = {
		G(INC, ROW_LOCK), G(DEC, ROW_LOCK), G(CALL_RM, ROW_F64), G(CALL_FAR, ROW_MEM),
		G(JMP_RM, ROW_F64), G(JMP_FAR, ROW_MEM), G(PUSH, ROW_D64),
	},
	[GROUP_6] = {
		G(SLDT, 0), G(STR, 0), G(LLDT, ROW_SRC16), G(LTR, ROW_SRC16),
		G(VERR, ROW_SRC16), G(VERW, ROW_SRC16),
	},
	[GROUP_7] = {	/* memory forms, SMSW and LMSW; the other register forms: opcode_0f01() */
		G(SGDT, ROW_MEM), G(SIDT, ROW_MEM), G(LGDT, ROW_MEM), G(LIDT, ROW_MEM),
		G(SMSW, 0), G(OTHER, ROW_MEM), G(LMSW, ROW_SRC16), G(INVLPG, ROW_MEM),
	},
	[GROUP_8] = {
		[4] = G(BT, 0), G(BTS, ROW_LOCK), G(BTR, ROW_LOCK), G(BTC, ROW_LOCK),
	},
	[GROUP_9] = {	/* /6 and /7 by prefix: decode.c */
		[1] = G(CMPXCHG8B, ROW_MEM | ROW_LOCK),
		[3] = G(OTHER, ROW_MEM), [4] = G(OTHER, ROW_MEM), [5] = G(OTHER, ROW_MEM),
		[6] = G(OTHER, 0), [7] = G(OTHER, 0),
	},
	[GROUP_11] = { [0] = G(MOV, 0), [7] = G(OTHER, ROW_REG) },	/* /7: XABORT, XBEGIN */
	[GROUP_15] = {
		G(OTHER, 0), G(OTHER, 0), G(OTHER, 0), G(OTHER, 0),
		G(OTHER, 0), G(OTHER, 0), G(OTHER, 0), G(OTHER, 0),
	},
	[GROUP_17] = { [1] = G(BLSR, 0), G(BLSMSK, 0), G(BLSI, 0) },	/* VEX only */
};

static const struct { u8 modrm, op; } grp7_register_forms[] = {
	{ 0xc0, OP_OTHER },	/* ENCLV */
	{ 0xc1, OP_VMCALL }, { 0xc2, OP_VMLAUNCH }, { 0xc3, OP_VMRESUME }, { 0xc4, OP_VMXOFF },
	{ 0xc5, OP_OTHER },	/* PCONFIG */
	{ 0xc8, OP_MONITOR }, { 0xc9, OP_MWAIT },
	{ 0xca, OP_CLAC }, { 0xcb, OP_STAC }, { 0xcf, OP_OTHER },	/* CFH: ENCLS */
	{ 0xd0, OP_XGETBV }, { 0xd1, OP_XSETBV }, { 0xd4, OP_VMFUNC },
	{ 0xd5, OP_OTHER }, { 0xd6, OP_OTHER }, { 0xd7, OP_OTHER },	/* XEND XTEST ENCLU */
	{ 0xd8, OP_VMRUN }, { 0xd9, OP_VMMCALL }, { 0xda, OP_VMLOAD }, { 0xdb, OP_VMSAVE },
	{ 0xdc, OP_STGI }, { 0xdd, OP_CLGI }, { 0xde, OP_SKINIT }, { 0xdf, OP_INVLPGA },
	{ 0xe8, OP_OTHER }, { 0xea, OP_OTHER },		/* SETSSBSY SAVEPREVSSP, with F3H */
	{ 0xee, OP_OTHER }, { 0xef, OP_OTHER },		/* RDPKRU WRPKRU */
	{ 0xf8, OP_SWAPGS }, { 0xf9, OP_RDTSCP },
	{ 0xfa, OP_OTHER }, { 0xfb, OP_OTHER }, { 0xfc, OP_OTHER },	/* MONITORX MWAITX CLZERO */
	{ 0xfd, OP_OTHER }, { 0xfe, OP_OTHER }, { 0xff, OP_OTHER },	/* RDPRU INVLPGB TLBSYNC */
};

u8 opcode_0f01(u8 modrm)
{
	for (size_t i = 0; i < ARRAY_SIZE(grp7_register_forms); i++) {
		if (grp7_register_forms[i].modrm == modrm)
			return grp7_register_forms[i].op;
	}
	return OP_INVALID;
}

/* Named rows of the 0F 38H map, by F2H or F3H and 66H. */
static const struct { u8 opcode, rep; bool opsize; struct opcode row; } map_0f38[] = {
	{ 0x80, 0, true,  ROW(INVEPT, REG_RM, NONE, ROW_F64 | ROW_MEM) },
	{ 0x81, 0, true,  ROW(INVVPID, REG_RM, NONE, ROW_F64 | ROW_MEM) },
	{ 0x82, 0, true,  ROW(INVPCID, REG_RM, NONE, ROW_F64 | ROW_MEM) },
	{ 0xf0, 0, false, ROW(MOVBE, REG_RM, NONE, ROW_MEM) },
	{ 0xf0, 0, true,  ROW(MOVBE, REG_RM, NONE, ROW_MEM) },
	{ 0xf1, 0, false, ROW(MOVBE, RM_REG, NONE, ROW_MEM) },
	{ 0xf1, 0, true,  ROW(MOVBE, RM_REG, NONE, ROW_MEM) },
	{ 0xf0, 0xf2, false, ROW(CRC32, REG_RM, NONE, ROW_SRC8) },
	{ 0xf0, 0xf2, true,  ROW(CRC32, REG_RM, NONE, ROW_SRC8) },
	{ 0xf1, 0xf2, false, ROW(CRC32, REG_RM, NONE, 0) },
	{ 0xf1, 0xf2, true,  ROW(CRC32, REG_RM, NONE, 0) },
	{ 0xf6, 0, true,  ROW(ADCX, REG_RM, NONE, ROW_NO16) },
	{ 0xf6, 0xf3, false, ROW(ADOX, REG_RM, NONE, ROW_NO16) },
	{ 0xf8, 0, true,  ROW(MOVDIR64B, REG_RM, NONE, ROW_MEM) },
	{ 0xf9, 0, false, ROW(MOVNTI, RM_REG, NONE, ROW_MEM | ROW_NO16) },	/* MOVDIRI */
};

struct opcode opcode_0f38(u8 opcode, u8 rep, bool opsize)
{
	for (size_t i = 0; i < ARRAY_SIZE(map_0f38); i++) {
		if (map_0f38[i].opcode == opcode && map_0f38[i].rep == rep &&
		    map_0f38[i].opsize == opsize)
			return map_0f38[i].row;
	}
	return (struct opcode)OTHER_RM(NONE, 0);
}

/* Named VEX rows, by map (2: 0F 38H, 3: 0F 3AH) and pp (66H: 1, F3H: 2, F2H: 3). */
static const struct { u8 map, pp, opcode; struct opcode row; } map_vex[] = {
	{ 2, 0, 0xf2, ROW(ANDN, REG_RM, NONE, ROW_NO16) },
	{ 2, 0, 0xf3, GROUP(17, REG_RM, NONE, ROW_NO16) },
	{ 2, 0, 0xf5, ROW(BZHI, REG_RM, NONE, ROW_NO16) },
	{ 2, 2, 0xf5, ROW(PEXT, REG_RM, NONE, ROW_NO16) },
	{ 2, 3, 0xf5, ROW(PDEP, REG_RM, NONE, ROW_NO16) },
	{ 2, 3, 0xf6, ROW(MULX, REG_RM, NONE, ROW_NO16) },
	{ 2, 0, 0xf7, ROW(BEXTR, REG_RM, NONE, ROW_NO16) },
	{ 2, 1, 0xf7, ROW(SHLX, REG_RM, NONE, ROW_NO16) },
	{ 2, 2, 0xf7, ROW(SARX, REG_RM, NONE, ROW_NO16) },
	{ 2, 3, 0xf7, ROW(SHRX, REG_RM, NONE, ROW_NO16) },
	{ 3, 3, 0xf0, ROW(RORX, REG_RM, 8, ROW_NO16) },
};

struct opcode opcode_vex(u8 map, u8 pp, u8 opcode)
{
	for (size_t i = 0; i < ARRAY_SIZE(map_vex); i++) {
		if (map_vex[i].map == map && map_vex[i].pp == pp && map_vex[i].opcode == opcode)
			return map_vex[i].row;
	}
	return (struct opcode)ROW(VECTOR, OTHER, NONE, 0);
}
