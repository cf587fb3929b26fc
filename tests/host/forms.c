// SPDX-License-Identifier: MIT
/*
 * Rows as in SDM vol. 2, "Opcode Map" and "Opcode Extensions for One-Byte and Two-byte Opcodes",
 * and APM vol. 3, "Opcode and Operand Encodings", names as on each instruction's page.
 */
#include "tests/host/forms.h"

#define UC	BY_UNICORN
#define CPU	BY_CPU
#define BOTH_BY	(UC | CPU)	/* where unicorn is wrong in some or all cases */
#define OTHER	BY_OTHER

/* One-byte map and 0F map: opcodes, /reg, r/m, modes, flags, compared by, name. */
#define ONE(op, count, reg, rm, modes, flags, by, name) \
	{ name, MAP_ONE, op, count, reg, PFX_ANY, RM_##rm, IN_##modes, by, flags }
#define TWO(op, count, reg, rm, modes, flags, by, name) \
	{ name, MAP_0F, op, count, reg, PFX_ANY, RM_##rm, IN_##modes, by, flags }
#define R	ANY_REG
#define IN_NO64	(IN_32 | IN_16)

#define ALU(at, reg, op, locks) \
	ONE(at, 1, R, BOTH, ALL, locks, UC, op " r/m8, r8"), \
	ONE((at) + 1, 1, R, BOTH, ALL, locks, UC, op " r/m, r"), \
	ONE((at) + 2, 1, R, BOTH, ALL, 0, UC, op " r8, r/m8"), \
	ONE((at) + 3, 1, R, BOTH, ALL, 0, UC, op " r, r/m"), \
	ONE((at) + 4, 1, R, NONE, ALL, 0, UC, op " AL, imm8"), \
	ONE((at) + 5, 1, R, NONE, ALL, 0, UC, op " rAX, imm"), \
	ONE(0x80, 1, reg, BOTH, ALL, locks, UC, op " r/m8, imm8"), \
	ONE(0x81, 1, reg, BOTH, ALL, locks, UC, op " r/m, imm"), \
	ONE(0x82, 1, reg, BOTH, NO64, locks, UC, op " r/m8, imm8 (82H)"), \
	ONE(0x83, 1, reg, BOTH, ALL, locks, UC, op " r/m, imm8")

#define SHIFT(reg, op) \
	ONE(0xc0, 1, reg, BOTH, ALL, 0, UC, op " r/m8, imm8"), \
	ONE(0xc1, 1, reg, BOTH, ALL, 0, UC, op " r/m, imm8"), \
	ONE(0xd0, 1, reg, BOTH, ALL, 0, UC, op " r/m8, 1"), \
	ONE(0xd1, 1, reg, BOTH, ALL, 0, UC, op " r/m, 1"), \
	ONE(0xd2, 1, reg, BOTH, ALL, 0, UC, op " r/m8, CL"), \
	ONE(0xd3, 1, reg, BOTH, ALL, 0, UC, op " r/m, CL")

/* A byte form and a full form. */
#define PAIR(op, reg, rm, modes, flags, by, name, operands8, operands) \
	ONE(op, 1, reg, rm, modes, flags, by, name " " operands8), \
	ONE((op) + 1, 1, reg, rm, modes, flags, by, name " " operands)

#define X87(op, reg, name)	ONE(op, 1, reg, MEM, ALL, 0, CPU, name)
/* Register forms of control or system instructions, by the whole ModRM byte: 11B, reg. */
#define SYS(op, reg, rm, modes, name)	TWO(op, 1, reg, rm, modes, 0, OTHER, name)

/* SSE: map, opcode, prefix, r/m, name; its VEX forms with L = 0, and with L = 1. */
#define SSE(map, op, prefix, rm, name) \
	{ name, MAP_##map, op, 1, R, PFX_##prefix, RM_##rm, IN_ALL, CPU, 0 }
#define AVX(map, op, prefix, rm, flags, name) \
	{ "V" name, MAP_##map, op, 1, R, PFX_##prefix, RM_##rm, IN_64 | IN_32, CPU, VEX | (flags) }
#define AVX_BOTH(map, op, prefix, rm, flags, name) \
	AVX(map, op, prefix, rm, flags, name " (128)"), \
	AVX(map, op, prefix, rm, (flags) | VEX_L1, name " (256)")
/* SSE and both VEX forms, W ignored. */
#define MOVE(map, op, prefix, rm, name) \
	SSE(map, op, prefix, rm, name), AVX_BOTH(map, op, prefix, rm, VEX_WIG, name)
/* SSE and a VEX form of 128 bits. */
#define MOVE128(map, op, prefix, rm, flags, name) \
	SSE(map, op, prefix, rm, name), AVX(map, op, prefix, rm, flags, name)
/* General registers with VEX. */
#define BMI(map, op, reg, prefix, flags, name) \
	{ name, MAP_##map, op, 1, reg, PFX_##prefix, RM_BOTH, IN_64 | IN_32, BOTH_BY, \
	  VEX | (flags) }, \
	{ name " (W)", MAP_##map, op, 1, reg, PFX_##prefix, RM_BOTH, IN_64, BOTH_BY, \
	  VEX | VEX_W1 | (flags) }
#define OTHERS(map, op, reg, prefix, rm, modes, by, name) \
	{ name, MAP_##map, op, 1, reg, PFX_##prefix, RM_##rm, modes, by, 0 }

const struct form forms[] = {
	ALU(0x00, 0, "ADD", LOCKS), ALU(0x08, 1, "OR", LOCKS), ALU(0x10, 2, "ADC", LOCKS),
	ALU(0x18, 3, "SBB", LOCKS), ALU(0x20, 4, "AND", LOCKS), ALU(0x28, 5, "SUB", LOCKS),
	ALU(0x30, 6, "XOR", LOCKS), ALU(0x38, 7, "CMP", 0),
	SHIFT(0, "ROL"), SHIFT(1, "ROR"), SHIFT(2, "RCL"), SHIFT(3, "RCR"), SHIFT(4, "SHL"),
	SHIFT(5, "SHR"), SHIFT(6, "SHL (/6)"), SHIFT(7, "SAR"),
	PAIR(0xf6, 0, BOTH, ALL, 0, UC, "TEST", "r/m8, imm8", "r/m, imm"),
	PAIR(0xf6, 1, BOTH, ALL, 0, BOTH_BY, "TEST (/1)", "r/m8, imm8", "r/m, imm"),
	PAIR(0xf6, 2, BOTH, ALL, LOCKS, UC, "NOT", "r/m8", "r/m"),
	PAIR(0xf6, 3, BOTH, ALL, LOCKS, UC, "NEG", "r/m8", "r/m"),
	PAIR(0xf6, 4, BOTH, ALL, 0, UC, "MUL", "r/m8", "r/m"),
	PAIR(0xf6, 5, BOTH, ALL, 0, UC, "IMUL", "r/m8", "r/m"),
	PAIR(0xf6, 6, BOTH, ALL, 0, UC, "DIV", "r/m8", "r/m"),
	PAIR(0xf6, 7, BOTH, ALL, 0, UC, "IDIV", "r/m8", "r/m"),
	PAIR(0xfe, 0, BOTH, ALL, LOCKS, UC, "INC", "r/m8", "r/m"),
	PAIR(0xfe, 1, BOTH, ALL, LOCKS, UC, "DEC", "r/m8", "r/m"),
	ONE(0x40, 8, R, NONE, NO64, 0, UC, "INC r"), ONE(0x48, 8, R, NONE, NO64, 0, UC, "DEC r"),
	ONE(0x69, 1, R, BOTH, ALL, 0, UC, "IMUL r, r/m, imm"),
	ONE(0x6b, 1, R, BOTH, ALL, 0, UC, "IMUL r, r/m, imm8"),
	TWO(0xaf, 1, R, BOTH, ALL, 0, UC, "IMUL r, r/m"),
	PAIR(0x84, R, BOTH, ALL, 0, UC, "TEST", "r/m8, r8", "r/m, r"),
	PAIR(0xa8, R, NONE, ALL, 0, UC, "TEST", "AL, imm8", "rAX, imm"),
	ONE(0x27, 1, R, NONE, NO64, 0, UC, "DAA"), ONE(0x2f, 1, R, NONE, NO64, 0, UC, "DAS"),
	ONE(0x37, 1, R, NONE, NO64, 0, UC, "AAA"), ONE(0x3f, 1, R, NONE, NO64, 0, UC, "AAS"),
	ONE(0xd4, 1, R, NONE, NO64, 0, UC, "AAM imm8"),
	ONE(0xd5, 1, R, NONE, NO64, 0, UC, "AAD imm8"),
	ONE(0x98, 1, R, NONE, ALL, 0, UC, "CBW, CWDE, CDQE"),
	ONE(0x99, 1, R, NONE, ALL, 0, UC, "CWD, CDQ, CQO"),
	ONE(0x9e, 1, R, NONE, ALL, 0, BOTH_BY, "SAHF"), ONE(0x9f, 1, R, NONE, ALL, 0, BOTH_BY, "LAHF"),
	ONE(0xd6, 1, R, NONE, NO64, 0, UC, "SALC"),
	ONE(0xf5, 1, R, NONE, ALL, 0, UC, "CMC"), ONE(0xf8, 1, R, NONE, ALL, 0, UC, "CLC"),
	ONE(0xf9, 1, R, NONE, ALL, 0, UC, "STC"), ONE(0xfc, 1, R, NONE, ALL, 0, UC, "CLD"),
	ONE(0xfd, 1, R, NONE, ALL, 0, UC, "STD"),

	/* Moves. */
	PAIR(0x88, R, BOTH, ALL, 0, UC, "MOV", "r/m8, r8", "r/m, r"),
	PAIR(0x8a, R, BOTH, ALL, 0, UC, "MOV", "r8, r/m8", "r, r/m"),
	PAIR(0xa0, R, NONE, ALL, 0, UC, "MOV", "AL, moffs8", "rAX, moffs"),
	PAIR(0xa2, R, NONE, ALL, 0, UC, "MOV", "moffs8, AL", "moffs, rAX"),
	ONE(0xb0, 8, R, NONE, ALL, 0, UC, "MOV r8, imm8"),
	ONE(0xb8, 8, R, NONE, ALL, 0, UC, "MOV r, imm"),
	PAIR(0xc6, 0, BOTH, ALL, 0, BOTH_BY, "MOV", "r/m8, imm8", "r/m, imm"),
	ONE(0x8c, 1, R, BOTH, ALL, 0, OTHER, "MOV r/m, Sreg"),
	ONE(0x8e, 1, R, BOTH, ALL, 0, OTHER, "MOV Sreg, r/m16"),
	ONE(0x63, 1, R, BOTH, 64, 0, UC, "MOVSXD r, r/m32"),
	TWO(0xb6, 1, R, BOTH, ALL, 0, UC, "MOVZX r, r/m8"),
	TWO(0xb7, 1, R, BOTH, ALL, 0, UC, "MOVZX r, r/m16"),
	TWO(0xbe, 1, R, BOTH, ALL, 0, UC, "MOVSX r, r/m8"),
	TWO(0xbf, 1, R, BOTH, ALL, 0, UC, "MOVSX r, r/m16"),
	TWO(0x40, 16, R, BOTH, ALL, 0, UC, "CMOVcc r, r/m"),
	TWO(0x90, 16, R, BOTH, ALL, 0, UC, "SETcc r/m8"),
	OTHERS(0F, 0xc3, R, NP, MEM, IN_ALL, UC, "MOVNTI m, r"),
	{ "MOVBE r, m", MAP_0F38, 0xf0, 1, R, PFX_ANY, RM_MEM, IN_ALL, CPU, 0 },
	{ "MOVBE m, r", MAP_0F38, 0xf1, 1, R, PFX_ANY, RM_MEM, IN_ALL, CPU, 0 },
	OTHERS(0F38, 0xf9, R, NP, MEM, IN_ALL, CPU, "MOVDIRI m, r"),
	OTHERS(0F38, 0xf8, R, 66, MEM, IN_ALL, CPU, "MOVDIR64B r, m512"),
	ONE(0x8d, 1, R, MEM, ALL, 0, UC, "LEA r, m"),
	ONE(0xd7, 1, R, NONE, ALL, 0, UC, "XLAT"),
	PAIR(0x86, R, BOTH, ALL, LOCKS, UC, "XCHG", "r/m8, r8", "r/m, r"),
	ONE(0x90, 8, R, NONE, ALL, 0, UC, "XCHG r, rAX; NOP"),
	TWO(0xc0, 1, R, BOTH, ALL, LOCKS, UC, "XADD r/m8, r8"),
	TWO(0xc1, 1, R, BOTH, ALL, LOCKS, UC, "XADD r/m, r"),
	TWO(0xb0, 1, R, BOTH, ALL, LOCKS, UC, "CMPXCHG r/m8, r8"),
	TWO(0xb1, 1, R, BOTH, ALL, LOCKS, BOTH_BY, "CMPXCHG r/m, r"),
	TWO(0xc7, 1, 1, MEM, ALL, LOCKS, UC, "CMPXCHG8B m64"),
	TWO(0xc7, 1, 1, MEM, 64, LOCKS | REXW, UC, "CMPXCHG16B m128"),
	TWO(0xc8, 8, R, NONE, ALL, 0, UC, "BSWAP r"),

	/* Bits. */
	TWO(0xa3, 1, R, BOTH, ALL, 0, UC, "BT r/m, r"),
	TWO(0xab, 1, R, BOTH, ALL, LOCKS, UC, "BTS r/m, r"),
	TWO(0xb3, 1, R, BOTH, ALL, LOCKS, UC, "BTR r/m, r"),
	TWO(0xbb, 1, R, BOTH, ALL, LOCKS, UC, "BTC r/m, r"),
	TWO(0xba, 1, 4, BOTH, ALL, 0, UC, "BT r/m, imm8"),
	TWO(0xba, 1, 5, BOTH, ALL, LOCKS, UC, "BTS r/m, imm8"),
	TWO(0xba, 1, 6, BOTH, ALL, LOCKS, UC, "BTR r/m, imm8"),
	TWO(0xba, 1, 7, BOTH, ALL, LOCKS, UC, "BTC r/m, imm8"),
	TWO(0xa4, 1, R, BOTH, ALL, 0, BOTH_BY, "SHLD r/m, r, imm8"),
	TWO(0xa5, 1, R, BOTH, ALL, 0, UC, "SHLD r/m, r, CL"),
	TWO(0xac, 1, R, BOTH, ALL, 0, BOTH_BY, "SHRD r/m, r, imm8"),
	TWO(0xad, 1, R, BOTH, ALL, 0, UC, "SHRD r/m, r, CL"),
	TWO(0xbc, 1, R, BOTH, ALL, 0, UC, "BSF r, r/m"),
	TWO(0xbd, 1, R, BOTH, ALL, 0, UC, "BSR r, r/m"),
	{ "TZCNT r, r/m", MAP_0F, 0xbc, 1, R, PFX_F3, RM_BOTH, IN_ALL, BOTH_BY, OPSIZE },
	{ "LZCNT r, r/m", MAP_0F, 0xbd, 1, R, PFX_F3, RM_BOTH, IN_ALL, BOTH_BY, OPSIZE },
	{ "POPCNT r, r/m", MAP_0F, 0xb8, 1, R, PFX_F3, RM_BOTH, IN_ALL, CPU, OPSIZE },
	{ "CRC32 r, r/m8", MAP_0F38, 0xf0, 1, R, PFX_F2, RM_BOTH, IN_ALL, BOTH_BY, OPSIZE },
	{ "CRC32 r, r/m", MAP_0F38, 0xf1, 1, R, PFX_F2, RM_BOTH, IN_ALL, BOTH_BY, OPSIZE },
	OTHERS(0F38, 0xf6, R, 66, BOTH, IN_ALL, BOTH_BY, "ADCX r, r/m"),
	OTHERS(0F38, 0xf6, R, F3, BOTH, IN_ALL, BOTH_BY, "ADOX r, r/m"),
	BMI(0F38, 0xf2, R, NP, VEX_NDS, "ANDN r, r, r/m"),
	BMI(0F38, 0xf3, 1, NP, VEX_NDS, "BLSR r, r/m"),
	BMI(0F38, 0xf3, 2, NP, VEX_NDS, "BLSMSK r, r/m"),
	BMI(0F38, 0xf3, 3, NP, VEX_NDS, "BLSI r, r/m"),
	BMI(0F38, 0xf5, R, NP, VEX_NDS, "BZHI r, r/m, r"),
	BMI(0F38, 0xf5, R, F3, VEX_NDS, "PEXT r, r, r/m"),
	BMI(0F38, 0xf5, R, F2, VEX_NDS, "PDEP r, r, r/m"),
	BMI(0F38, 0xf6, R, F2, VEX_NDS, "MULX r, r, r/m"),
	BMI(0F38, 0xf7, R, NP, VEX_NDS, "BEXTR r, r/m, r"),
	BMI(0F38, 0xf7, R, 66, VEX_NDS, "SHLX r, r/m, r"),
	BMI(0F38, 0xf7, R, F3, VEX_NDS, "SARX r, r/m, r"),
	BMI(0F38, 0xf7, R, F2, VEX_NDS, "SHRX r, r/m, r"),
	BMI(0F3A, 0xf0, R, F2, 0, "RORX r, r/m, imm8"),

	/* Strings and ports. */
	PAIR(0xa4, R, NONE, ALL, REPEATS, UC, "MOVS", "m8", "m"),
	PAIR(0xa6, R, NONE, ALL, REPEATS, UC, "CMPS", "m8", "m"),
	PAIR(0xaa, R, NONE, ALL, REPEATS, UC, "STOS", "m8", "m"),
	PAIR(0xac, R, NONE, ALL, REPEATS, UC, "LODS", "m8", "m"),
	PAIR(0xae, R, NONE, ALL, REPEATS, UC, "SCAS", "m8", "m"),
	PAIR(0x6c, R, NONE, ALL, REPEATS, UC, "INS", "m8, DX", "m, DX"),
	PAIR(0x6e, R, NONE, ALL, REPEATS, UC, "OUTS", "DX, m8", "DX, m"),
	PAIR(0xe4, R, NONE, ALL, 0, UC, "IN", "AL, imm8", "eAX, imm8"),
	PAIR(0xe6, R, NONE, ALL, 0, UC, "OUT", "imm8, AL", "imm8, eAX"),
	PAIR(0xec, R, NONE, ALL, 0, UC, "IN", "AL, DX", "eAX, DX"),
	PAIR(0xee, R, NONE, ALL, 0, UC, "OUT", "DX, AL", "DX, eAX"),

	/* The stack and near branches. */
	ONE(0x50, 8, R, NONE, ALL, 0, UC, "PUSH r"), ONE(0x58, 8, R, NONE, ALL, 0, UC, "POP r"),
	ONE(0x68, 1, R, NONE, ALL, 0, UC, "PUSH imm"),
	ONE(0x6a, 1, R, NONE, ALL, 0, UC, "PUSH imm8"),
	ONE(0xff, 1, 6, BOTH, ALL, 0, UC, "PUSH r/m"), ONE(0x8f, 1, 0, BOTH, ALL, 0, UC, "POP r/m"),
	ONE(0x60, 1, R, NONE, NO64, 0, UC, "PUSHA"), ONE(0x61, 1, R, NONE, NO64, 0, UC, "POPA"),
	ONE(0xc8, 1, R, NONE, ALL, 0, BOTH_BY, "ENTER imm16, imm8"),
	ONE(0xc9, 1, R, NONE, ALL, 0, UC, "LEAVE"),
	ONE(0x62, 1, R, MEM, NO64, 0, UC, "BOUND r, m"),
	ONE(0x63, 1, R, BOTH, NO64, 0, OTHER, "ARPL r/m16, r16"),
	ONE(0xff, 1, 2, BOTH, ALL, BRANCHES, UC, "CALL r/m"),
	ONE(0xff, 1, 4, BOTH, ALL, BRANCHES, UC, "JMP r/m"),
	ONE(0xe8, 1, R, NONE, ALL, BRANCHES, UC, "CALL rel"),
	ONE(0xe9, 1, R, NONE, ALL, BRANCHES, UC, "JMP rel"),
	ONE(0xeb, 1, R, NONE, ALL, BRANCHES, UC, "JMP rel8"),
	ONE(0x70, 16, R, NONE, ALL, BRANCHES, UC, "Jcc rel8"),
	TWO(0x80, 16, R, NONE, ALL, BRANCHES, UC, "Jcc rel"),
	ONE(0xe0, 1, R, NONE, ALL, BRANCHES, UC, "LOOPNE rel8"),
	ONE(0xe1, 1, R, NONE, ALL, BRANCHES, UC, "LOOPE rel8"),
	ONE(0xe2, 1, R, NONE, ALL, BRANCHES, UC, "LOOP rel8"),
	ONE(0xe3, 1, R, NONE, ALL, BRANCHES, UC, "JrCXZ rel8"),
	ONE(0xc2, 1, R, NONE, ALL, BRANCHES, UC, "RET imm16"),
	ONE(0xc3, 1, R, NONE, ALL, BRANCHES, UC, "RET"),

	/* Segments, far transfers, interrupts, the system. */
	ONE(0x06, 1, R, NONE, NO64, 0, OTHER, "PUSH ES"),
	ONE(0x0e, 1, R, NONE, NO64, 0, OTHER, "PUSH CS"),
	ONE(0x16, 1, R, NONE, NO64, 0, OTHER, "PUSH SS"),
	ONE(0x1e, 1, R, NONE, NO64, 0, OTHER, "PUSH DS"),
	ONE(0x07, 1, R, NONE, NO64, 0, OTHER, "POP ES"),
	ONE(0x17, 1, R, NONE, NO64, 0, OTHER, "POP SS"),
	ONE(0x1f, 1, R, NONE, NO64, 0, OTHER, "POP DS"),
	SYS(0xa0, R, NONE, ALL, "PUSH FS"), SYS(0xa8, R, NONE, ALL, "PUSH GS"),
	SYS(0xa1, R, NONE, ALL, "POP FS"), SYS(0xa9, R, NONE, ALL, "POP GS"),
	ONE(0xc4, 1, R, MEM, NO64, 0, OTHER, "LES r, m"),
	ONE(0xc5, 1, R, MEM, NO64, 0, OTHER, "LDS r, m"),
	SYS(0xb2, R, MEM, ALL, "LSS r, m"), SYS(0xb4, R, MEM, ALL, "LFS r, m"),
	SYS(0xb5, R, MEM, ALL, "LGS r, m"),
	ONE(0x9a, 1, R, NONE, NO64, 0, OTHER, "CALL ptr16:16/32"),
	ONE(0xea, 1, R, NONE, NO64, 0, OTHER, "JMP ptr16:16/32"),
	ONE(0xff, 1, 3, MEM, ALL, 0, OTHER, "CALL m16:16/32/64"),
	ONE(0xff, 1, 5, MEM, ALL, 0, OTHER, "JMP m16:16/32/64"),
	ONE(0xca, 1, R, NONE, ALL, 0, OTHER, "RET far imm16"),
	ONE(0xcb, 1, R, NONE, ALL, 0, OTHER, "RET far"),
	ONE(0xcc, 1, R, NONE, ALL, 0, OTHER, "INT3"),
	ONE(0xcd, 1, R, NONE, ALL, 0, OTHER, "INT imm8"),
	ONE(0xce, 1, R, NONE, NO64, 0, OTHER, "INTO"), ONE(0xf1, 1, R, NONE, ALL, 0, OTHER, "INT1"),
	ONE(0xcf, 1, R, NONE, ALL, 0, OTHER, "IRET"),
	ONE(0x9c, 1, R, NONE, ALL, 0, OTHER, "PUSHF"), ONE(0x9d, 1, R, NONE, ALL, 0, OTHER, "POPF"),
	ONE(0xfa, 1, R, NONE, ALL, 0, OTHER, "CLI"), ONE(0xfb, 1, R, NONE, ALL, 0, OTHER, "STI"),
	ONE(0xf4, 1, R, NONE, ALL, 0, OTHER, "HLT"),
	SYS(0x00, 0, BOTH, ALL, "SLDT r/m"), SYS(0x00, 1, BOTH, ALL, "STR r/m"),
	SYS(0x00, 2, BOTH, ALL, "LLDT r/m16"), SYS(0x00, 3, BOTH, ALL, "LTR r/m16"),
	SYS(0x00, 4, BOTH, ALL, "VERR r/m16"), SYS(0x00, 5, BOTH, ALL, "VERW r/m16"),
	SYS(0x01, 0, MEM, ALL, "SGDT m"), SYS(0x01, 1, MEM, ALL, "SIDT m"),
	SYS(0x01, 2, MEM, ALL, "LGDT m"), SYS(0x01, 3, MEM, ALL, "LIDT m"),
	SYS(0x01, 4, BOTH, ALL, "SMSW r/m"), SYS(0x01, 6, BOTH, ALL, "LMSW r/m16"),
	SYS(0x01, 7, MEM, ALL, "INVLPG m"),
	SYS(0x02, R, BOTH, ALL, "LAR r, r/m16"), SYS(0x03, R, BOTH, ALL, "LSL r, r/m16"),
	SYS(0x05, R, NONE, ALL, "SYSCALL"), SYS(0x07, R, NONE, ALL, "SYSRET"),
	SYS(0x34, R, NONE, ALL, "SYSENTER"), SYS(0x35, R, NONE, ALL, "SYSEXIT"),
	SYS(0x06, R, NONE, ALL, "CLTS"), SYS(0x08, R, NONE, ALL, "INVD"),
	SYS(0x09, R, NONE, ALL, "WBINVD"), SYS(0x20, R, REG, ALL, "MOV r, CR"),
	SYS(0x21, R, REG, ALL, "MOV r, DR"), SYS(0x22, R, REG, ALL, "MOV CR, r"),
	SYS(0x23, R, REG, ALL, "MOV DR, r"), SYS(0x30, R, NONE, ALL, "WRMSR"),
	SYS(0x31, R, NONE, ALL, "RDTSC"), SYS(0x32, R, NONE, ALL, "RDMSR"),
	SYS(0x33, R, NONE, ALL, "RDPMC"), SYS(0xa2, R, NONE, ALL, "CPUID"),
	OTHERS(0F38, 0x82, R, 66, MEM, IN_ALL, OTHER, "INVPCID r, m128"),
	OTHERS(0F, 0xae, 0, F3, REG, IN_64, OTHER, "RDFSBASE r"),
	OTHERS(0F, 0xae, 1, F3, REG, IN_64, OTHER, "RDGSBASE r"),
	OTHERS(0F, 0xae, 2, F3, REG, IN_64, OTHER, "WRFSBASE r"),
	OTHERS(0F, 0xae, 3, F3, REG, IN_64, OTHER, "WRGSBASE r"),
	OTHERS(0F, 0xc7, 7, F3, REG, IN_ALL, OTHER, "RDPID r"),

	/* Hints and caches. */
	TWO(0x0d, 1, R, MEM, ALL, 0, UC, "PREFETCHW m8"),
	TWO(0x18, 1, R, MEM, ALL, 0, UC, "PREFETCHh m8"),
	TWO(0x19, 7, R, BOTH, ALL, 0, UC, "NOP r/m"),
	OTHERS(0F, 0xae, 7, NP, MEM, IN_ALL, BOTH_BY, "CLFLUSH m8"),
	OTHERS(0F, 0xae, 7, 66, MEM, IN_ALL, CPU, "CLFLUSHOPT m8"),
	OTHERS(0F, 0xae, 6, 66, MEM, IN_ALL, CPU, "CLWB m8"),
	OTHERS(0F, 0xae, 5, NP, REG, IN_ALL, UC, "LFENCE"),
	OTHERS(0F, 0xae, 6, NP, REG, IN_ALL, UC, "MFENCE"),
	OTHERS(0F, 0xae, 7, NP, REG, IN_ALL, UC, "SFENCE"),

	/* x87, by memory operand. */
	ONE(0x9b, 1, R, NONE, ALL, 0, CPU, "FWAIT"),
	X87(0xd8, 0, "FADD m32fp"), X87(0xd8, 1, "FMUL m32fp"), X87(0xd8, 2, "FCOM m32fp"),
	X87(0xd8, 3, "FCOMP m32fp"), X87(0xd8, 4, "FSUB m32fp"), X87(0xd8, 5, "FSUBR m32fp"),
	X87(0xd8, 6, "FDIV m32fp"), X87(0xd8, 7, "FDIVR m32fp"),
	X87(0xd9, 0, "FLD m32fp"), X87(0xd9, 2, "FST m32fp"), X87(0xd9, 3, "FSTP m32fp"),
	X87(0xd9, 4, "FLDENV m"), X87(0xd9, 5, "FLDCW m16"), X87(0xd9, 6, "FNSTENV m"),
	X87(0xd9, 7, "FNSTCW m16"),
	X87(0xda, 0, "FIADD m32int"), X87(0xda, 1, "FIMUL m32int"), X87(0xda, 2, "FICOM m32int"),
	X87(0xda, 3, "FICOMP m32int"), X87(0xda, 4, "FISUB m32int"), X87(0xda, 5, "FISUBR m32int"),
	X87(0xda, 6, "FIDIV m32int"), X87(0xda, 7, "FIDIVR m32int"),
	X87(0xdb, 0, "FILD m32int"), X87(0xdb, 1, "FISTTP m32int"), X87(0xdb, 2, "FIST m32int"),
	X87(0xdb, 3, "FISTP m32int"), X87(0xdb, 5, "FLD m80fp"), X87(0xdb, 7, "FSTP m80fp"),
	X87(0xdc, 0, "FADD m64fp"), X87(0xdc, 1, "FMUL m64fp"), X87(0xdc, 2, "FCOM m64fp"),
	X87(0xdc, 3, "FCOMP m64fp"), X87(0xdc, 4, "FSUB m64fp"), X87(0xdc, 5, "FSUBR m64fp"),
	X87(0xdc, 6, "FDIV m64fp"), X87(0xdc, 7, "FDIVR m64fp"),
	X87(0xdd, 0, "FLD m64fp"), X87(0xdd, 1, "FISTTP m64int"), X87(0xdd, 2, "FST m64fp"),
	X87(0xdd, 3, "FSTP m64fp"), X87(0xdd, 4, "FRSTOR m"), X87(0xdd, 6, "FNSAVE m"),
	X87(0xdd, 7, "FNSTSW m16"),
	X87(0xde, 0, "FIADD m16int"), X87(0xde, 1, "FIMUL m16int"), X87(0xde, 2, "FICOM m16int"),
	X87(0xde, 3, "FICOMP m16int"), X87(0xde, 4, "FISUB m16int"), X87(0xde, 5, "FISUBR m16int"),
	X87(0xde, 6, "FIDIV m16int"), X87(0xde, 7, "FIDIVR m16int"),
	X87(0xdf, 0, "FILD m16int"), X87(0xdf, 1, "FISTTP m16int"), X87(0xdf, 2, "FIST m16int"),
	X87(0xdf, 3, "FISTP m16int"), X87(0xdf, 4, "FBLD m80bcd"), X87(0xdf, 5, "FILD m64int"),
	X87(0xdf, 6, "FBSTP m80bcd"), X87(0xdf, 7, "FISTP m64int"),

	/* Whole registers of the vector unit: to and from memory. */
	MOVE(0F, 0x10, NP, BOTH, "MOVUPS x, x/m"), MOVE(0F, 0x11, NP, BOTH, "MOVUPS x/m, x"),
	MOVE(0F, 0x10, 66, BOTH, "MOVUPD x, x/m"), MOVE(0F, 0x11, 66, BOTH, "MOVUPD x/m, x"),
	MOVE(0F, 0x28, NP, BOTH, "MOVAPS x, x/m"), MOVE(0F, 0x29, NP, BOTH, "MOVAPS x/m, x"),
	MOVE(0F, 0x28, 66, BOTH, "MOVAPD x, x/m"), MOVE(0F, 0x29, 66, BOTH, "MOVAPD x/m, x"),
	MOVE(0F, 0x6f, 66, BOTH, "MOVDQA x, x/m"), MOVE(0F, 0x7f, 66, BOTH, "MOVDQA x/m, x"),
	MOVE(0F, 0x6f, F3, BOTH, "MOVDQU x, x/m"), MOVE(0F, 0x7f, F3, BOTH, "MOVDQU x/m, x"),
	MOVE(0F, 0x2b, NP, MEM, "MOVNTPS m, x"), MOVE(0F, 0x2b, 66, MEM, "MOVNTPD m, x"),
	MOVE(0F, 0xe7, 66, MEM, "MOVNTDQ m, x"), MOVE(0F38, 0x2a, 66, MEM, "MOVNTDQA x, m"),
	MOVE(0F, 0xf0, F2, MEM, "LDDQU x, m"),
	MOVE(0F, 0x12, F3, BOTH, "MOVSLDUP x, x/m"), MOVE(0F, 0x16, F3, BOTH, "MOVSHDUP x, x/m"),
	MOVE(0F, 0x12, F2, BOTH, "MOVDDUP x, x/m"),

	/* Parts of them. */
	MOVE128(0F, 0x10, F3, MEM, VEX_WIG | VEX_LIG, "MOVSS x, m32"),
	MOVE128(0F, 0x11, F3, MEM, VEX_WIG | VEX_LIG, "MOVSS m32, x"),
	MOVE128(0F, 0x10, F2, MEM, VEX_WIG | VEX_LIG, "MOVSD x, m64"),
	MOVE128(0F, 0x11, F2, MEM, VEX_WIG | VEX_LIG, "MOVSD m64, x"),
	MOVE128(0F, 0x12, NP, MEM, VEX_WIG | VEX_NDS, "MOVLPS x, m64"),
	MOVE128(0F, 0x13, NP, MEM, VEX_WIG, "MOVLPS m64, x"),
	MOVE128(0F, 0x12, 66, MEM, VEX_WIG | VEX_NDS, "MOVLPD x, m64"),
	MOVE128(0F, 0x13, 66, MEM, VEX_WIG, "MOVLPD m64, x"),
	MOVE128(0F, 0x16, NP, MEM, VEX_WIG | VEX_NDS, "MOVHPS x, m64"),
	MOVE128(0F, 0x17, NP, MEM, VEX_WIG, "MOVHPS m64, x"),
	MOVE128(0F, 0x16, 66, MEM, VEX_WIG | VEX_NDS, "MOVHPD x, m64"),
	MOVE128(0F, 0x17, 66, MEM, VEX_WIG, "MOVHPD m64, x"),
	MOVE128(0F, 0x6e, 66, BOTH, 0, "MOVD/Q x, r/m"),
	MOVE128(0F, 0x7e, 66, BOTH, 0, "MOVD/Q r/m, x"),
	AVX(0F, 0x6e, 66, BOTH, VEX_W1, "MOVQ x, r/m64"),
	AVX(0F, 0x7e, 66, BOTH, VEX_W1, "MOVQ r/m64, x"),
	MOVE128(0F, 0x7e, F3, BOTH, VEX_WIG, "MOVQ x, x/m64"),
	MOVE128(0F, 0xd6, 66, BOTH, VEX_WIG, "MOVQ x/m64, x"),
	MOVE128(0F, 0xc4, 66, BOTH, VEX_WIG | VEX_NDS, "PINSRW x, r/m16, imm8"),
	MOVE128(0F3A, 0x20, 66, BOTH, VEX_WIG | VEX_NDS, "PINSRB x, r/m8, imm8"),
	MOVE128(0F3A, 0x22, 66, BOTH, VEX_NDS, "PINSRD/Q x, r/m, imm8"),
	AVX(0F3A, 0x22, 66, BOTH, VEX_W1 | VEX_NDS, "PINSRQ x, r/m64, imm8"),
	MOVE128(0F3A, 0x21, 66, BOTH, VEX_WIG | VEX_NDS, "INSERTPS x, x/m32, imm8"),
	MOVE128(0F3A, 0x14, 66, BOTH, VEX_WIG, "PEXTRB r/m8, x, imm8"),
	MOVE128(0F3A, 0x15, 66, BOTH, VEX_WIG, "PEXTRW r/m16, x, imm8"),
	MOVE128(0F3A, 0x16, 66, BOTH, 0, "PEXTRD/Q r/m, x, imm8"),
	AVX(0F3A, 0x16, 66, BOTH, VEX_W1, "PEXTRQ r/m64, x, imm8"),
	MOVE128(0F3A, 0x17, 66, BOTH, VEX_WIG, "EXTRACTPS r/m32, x, imm8"),
	MOVE(0F38, 0x20, 66, BOTH, "PMOVSXBW x, x/m"),
	MOVE(0F38, 0x21, 66, BOTH, "PMOVSXBD x, x/m"),
	MOVE(0F38, 0x22, 66, BOTH, "PMOVSXBQ x, x/m"),
	MOVE(0F38, 0x23, 66, BOTH, "PMOVSXWD x, x/m"),
	MOVE(0F38, 0x24, 66, BOTH, "PMOVSXWQ x, x/m"),
	MOVE(0F38, 0x25, 66, BOTH, "PMOVSXDQ x, x/m"),
	MOVE(0F38, 0x30, 66, BOTH, "PMOVZXBW x, x/m"),
	MOVE(0F38, 0x31, 66, BOTH, "PMOVZXBD x, x/m"),
	MOVE(0F38, 0x32, 66, BOTH, "PMOVZXBQ x, x/m"),
	MOVE(0F38, 0x33, 66, BOTH, "PMOVZXWD x, x/m"),
	MOVE(0F38, 0x34, 66, BOTH, "PMOVZXWQ x, x/m"),
	MOVE(0F38, 0x35, 66, BOTH, "PMOVZXDQ x, x/m"),
	MOVE128(0F, 0xf7, 66, REG, VEX_WIG, "MASKMOVDQU x, x"),

	/* AVX only. */
	AVX_BOTH(0F38, 0x18, 66, BOTH, 0, "BROADCASTSS x, x/m32"),
	AVX(0F38, 0x19, 66, BOTH, VEX_L1, "BROADCASTSD y, x/m64"),
	AVX(0F38, 0x1a, 66, MEM, VEX_L1, "BROADCASTF128 y, m128"),
	AVX(0F38, 0x5a, 66, MEM, VEX_L1, "BROADCASTI128 y, m128"),
	AVX_BOTH(0F38, 0x78, 66, BOTH, 0, "PBROADCASTB x, x/m8"),
	AVX_BOTH(0F38, 0x79, 66, BOTH, 0, "PBROADCASTW x, x/m16"),
	AVX_BOTH(0F38, 0x58, 66, BOTH, 0, "PBROADCASTD x, x/m32"),
	AVX_BOTH(0F38, 0x59, 66, BOTH, 0, "PBROADCASTQ x, x/m64"),
	AVX_BOTH(0F38, 0x2c, 66, MEM, VEX_NDS, "MASKMOVPS x, x, m"),
	AVX_BOTH(0F38, 0x2d, 66, MEM, VEX_NDS, "MASKMOVPD x, x, m"),
	AVX_BOTH(0F38, 0x2e, 66, MEM, VEX_NDS, "MASKMOVPS m, x, x"),
	AVX_BOTH(0F38, 0x2f, 66, MEM, VEX_NDS, "MASKMOVPD m, x, x"),
	AVX_BOTH(0F38, 0x8c, 66, MEM, VEX_NDS, "PMASKMOVD x, x, m"),
	AVX_BOTH(0F38, 0x8c, 66, MEM, VEX_NDS | VEX_W1, "PMASKMOVQ x, x, m"),
	AVX_BOTH(0F38, 0x8e, 66, MEM, VEX_NDS, "PMASKMOVD m, x, x"),
	AVX_BOTH(0F38, 0x8e, 66, MEM, VEX_NDS | VEX_W1, "PMASKMOVQ m, x, x"),
	AVX(0F3A, 0x18, 66, BOTH, VEX_L1 | VEX_NDS, "INSERTF128 y, y, x/m128, imm8"),
	AVX(0F3A, 0x19, 66, BOTH, VEX_L1, "EXTRACTF128 x/m128, y, imm8"),
	AVX(0F3A, 0x38, 66, BOTH, VEX_L1 | VEX_NDS, "INSERTI128 y, y, x/m128, imm8"),
	AVX(0F3A, 0x39, 66, BOTH, VEX_L1, "EXTRACTI128 x/m128, y, imm8"),

	/* MMX, and the control register. */
	SSE(0F, 0x6e, NP, BOTH, "MOVD/Q mm, r/m"), SSE(0F, 0x7e, NP, BOTH, "MOVD/Q r/m, mm"),
	SSE(0F, 0x6f, NP, BOTH, "MOVQ mm, mm/m64"), SSE(0F, 0x7f, NP, BOTH, "MOVQ mm/m64, mm"),
	SSE(0F, 0xe7, NP, MEM, "MOVNTQ m64, mm"), SSE(0F, 0xf7, NP, REG, "MASKMOVQ mm, mm"),
	SSE(0F, 0xc4, NP, BOTH, "PINSRW mm, r/m16, imm8"),
	OTHERS(0F, 0xae, 2, NP, MEM, IN_ALL, CPU, "LDMXCSR m32"),
	OTHERS(0F, 0xae, 3, NP, MEM, IN_ALL, CPU, "STMXCSR m32"),
	{ "VLDMXCSR m32", MAP_0F, 0xae, 1, 2, PFX_NP, RM_MEM, IN_64 | IN_32, CPU, VEX | VEX_WIG },
	{ "VSTMXCSR m32", MAP_0F, 0xae, 1, 3, PFX_NP, RM_MEM, IN_64 | IN_32, CPU, VEX | VEX_WIG },
};

const unsigned nr_forms = ARRAY_SIZE(forms);
