/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a decoded instruction is: the operations that the emulator or an exit handler tells apart,
 * the ways in which operands are encoded, and the record that the decoder fills in. No code.
 */
#pragma once

#include "include/types.h"
#include "include/x86/segment.h"

#define INSN_MAX_BYTES	15

/* The size of the code segment: the default address size in bytes. */
enum cpu_mode { CPU_MODE_16 = 2, CPU_MODE_32 = 4, CPU_MODE_64 = 8 };

/*
 * Operations. OP_OTHER is an instruction of known length that has no name here yet; OP_INVALID is
 * one that the manuals reserve (#UD). The first eight and the shifts stand in the order of their
 * /reg field.
 */
enum insn_op {
	OP_INVALID, OP_OTHER, OP_VECTOR,
	OP_ADD, OP_OR, OP_ADC, OP_SBB, OP_AND, OP_SUB, OP_XOR, OP_CMP,
	OP_ROL, OP_ROR, OP_RCL, OP_RCR, OP_SHL, OP_SHR, OP_SAR, OP_SHLD, OP_SHRD,
	OP_TEST, OP_NOT, OP_NEG, OP_MUL, OP_IMUL, OP_DIV, OP_IDIV, OP_IMUL2, OP_INC, OP_DEC,
	OP_MOV, OP_MOVZX, OP_MOVSX, OP_MOVBE, OP_MOVNTI, OP_MOV_FROM_SREG, OP_MOV_TO_SREG, OP_LEA,
	OP_XCHG, OP_XADD, OP_CMPXCHG, OP_CMPXCHG8B, OP_CMOV, OP_SETCC,
	OP_BT, OP_BTS, OP_BTR, OP_BTC,
	OP_BSF, OP_BSR, OP_TZCNT, OP_LZCNT, OP_POPCNT, OP_CRC32, OP_ADCX, OP_ADOX,
	OP_ANDN, OP_BLSR, OP_BLSMSK, OP_BLSI, OP_BZHI, OP_PEXT, OP_PDEP, OP_MULX, OP_BEXTR,
	OP_SHLX, OP_SARX, OP_SHRX, OP_RORX,
	OP_MOVDIR64B, OP_BSWAP, OP_CBW, OP_CWD,
	OP_CMC, OP_CLC, OP_STC, OP_CLD, OP_STD, OP_SAHF, OP_LAHF, OP_SALC,
	OP_DAA, OP_DAS, OP_AAA, OP_AAS, OP_AAM, OP_AAD,
	OP_LOOPNE, OP_LOOPE, OP_LOOP, OP_JRCXZ, OP_PUSHA, OP_POPA, OP_ENTER, OP_LEAVE, OP_BOUND,
	OP_X87, OP_FWAIT, OP_MXCSR,
	OP_PUSH, OP_POP, OP_CALL_RM, OP_JMP_RM, OP_CALL, OP_JMP, OP_JCC, OP_RET, OP_XLAT, OP_NOP,
	OP_CLFLUSH,
	OP_MOVS, OP_CMPS, OP_STOS, OP_LODS, OP_SCAS, OP_INS, OP_OUTS, OP_IN, OP_OUT,
	OP_LOAD_FAR, OP_PUSH_SREG, OP_POP_SREG, OP_CALL_FAR, OP_JMP_FAR, OP_RET_FAR,
	OP_LAR, OP_LSL, OP_VERR, OP_VERW, OP_ARPL, OP_CLI, OP_STI, OP_CLAC, OP_STAC,
	OP_RDFSBASE, OP_RDGSBASE, OP_WRFSBASE, OP_WRGSBASE,
	/*
	 * From here on: instructions that a hypervisor intercepts; the emulator hands them to its
	 * caller.
	 */
	OP_FIRST_SYSTEM,
	OP_MOV_FROM_CR = OP_FIRST_SYSTEM, OP_MOV_TO_CR, OP_MOV_FROM_DR, OP_MOV_TO_DR,
	OP_CLTS, OP_LMSW, OP_SMSW, OP_INVLPG, OP_INVPCID, OP_INVD, OP_WBINVD, OP_HLT, OP_PAUSE,
	OP_CPUID, OP_RDMSR, OP_WRMSR, OP_RDTSC, OP_RDTSCP, OP_RDPMC, OP_MONITOR, OP_MWAIT,
	OP_XSETBV, OP_XGETBV, OP_SWAPGS, OP_RDPID,
	OP_SGDT, OP_SIDT, OP_LGDT, OP_LIDT, OP_SLDT, OP_STR, OP_LLDT, OP_LTR,
	OP_PUSHF, OP_POPF, OP_INT, OP_INT3, OP_INTO, OP_INT1, OP_IRET, OP_RSM,
	OP_SYSCALL, OP_SYSRET, OP_SYSENTER, OP_SYSEXIT,
	OP_VMCALL, OP_VMLAUNCH, OP_VMRESUME, OP_VMXOFF, OP_VMFUNC, OP_VMREAD, OP_VMWRITE,
	OP_VMPTRLD, OP_VMPTRST, OP_VMCLEAR, OP_VMXON, OP_INVEPT, OP_INVVPID,
	OP_VMRUN, OP_VMMCALL, OP_VMLOAD, OP_VMSAVE, OP_STGI, OP_CLGI, OP_SKINIT, OP_INVLPGA,
	NR_OPS
};

/* Where the operands are. From FORM_FIRST_MODRM on there is a ModRM byte. */
enum insn_form {
	FORM_NONE,
	FORM_IMM,		/* immediate, or a relative branch */
	FORM_ACC_IMM,		/* rAX, immediate */
	FORM_ACC_DX,		/* rAX, DX (IN, OUT) */
	FORM_OREG,		/* register in the opcode's low three bits */
	FORM_OREG_IMM,
	FORM_OREG_ACC,
	FORM_ACC_MOFFS,		/* rAX, memory at an absolute offset */
	FORM_MOFFS_ACC,
	FORM_FIRST_MODRM,
	FORM_OTHER = FORM_FIRST_MODRM,	/* ModRM of an instruction that has no row of its own */
	FORM_RM,
	FORM_RM_REG,
	FORM_REG_RM,
	FORM_RM_IMM,
	FORM_RM_1,
	FORM_RM_CL,
	FORM_RM_REG_IMM,
	FORM_RM_REG_CL,
	FORM_REG_RM_IMM,
	FORM_SYSREG,		/* reg: CR or DR, rm: always a general register */
};

/* Properties of a row of the opcode tables. */
#define ROW_BYTE	0x0001u	/* operand size is one byte */
#define ROW_SRC8	0x0002u	/* the r/m operand is a byte, whatever the operand size */
#define ROW_SRC16	0x0004u
#define ROW_SRC32	0x0008u
#define ROW_LOCK	0x0010u	/* LOCK is allowed where the destination is memory */
#define ROW_D64		0x0020u	/* 64-bit mode: operand size 64 by default, 16 with 66H */
#define ROW_F64		0x0040u	/* 64-bit mode: operand size 64 always */
#define ROW_NO64	0x0080u	/* #UD in 64-bit mode */
#define ROW_MEM		0x0100u	/* #UD where r/m is a register */
#define ROW_REG		0x0200u	/* #UD where r/m is memory */
#define ROW_MOD3	0x0400u	/* the mod field is ignored and taken as 11B */
#define ROW_NO16	0x1000u	/* operand size 32 where it would be 16 */
#define ROW_GROUP	0x0800u	/* op is an index into the groups: /reg chooses */

struct opcode {
	u8 op;			/* enum insn_op, or enum opcode_group with ROW_GROUP */
	u8 form;		/* enum insn_form */
	u8 imm;			/* enum opcode_imm (opcodes.h) */
	u16 flags;		/* ROW_* */
};

#define REG_NONE	0xff	/* no base or index */
#define REG_RIP		0xfe	/* base is the address of the next instruction */

enum opcode_map { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_VECTOR };

struct insn {
	u8 op;			/* enum insn_op */
	u8 form;		/* enum insn_form */
	u16 flags;		/* ROW_* */
	u8 length;		/* bytes, 1 to 15 */
	u8 mode;		/* enum cpu_mode it was decoded for */
	u8 map, opcode;		/* enum opcode_map, last opcode byte */
	u8 op_bytes;		/* operand size: 1, 2, 4, 8 */
	u8 addr_bytes;		/* address size: 2, 4, 8 */
	u8 rex;			/* the REX byte, or 0 */
	u8 rep;			/* 0, F2H or F3H, the last one that stood there */
	bool lock, opsize;	/* LOCK and 66H prefixes */
	/* VEX: C4H or C5H, its map (mmmmm), pp, L, and vvvv as a register's number; else 0. Of EVEX
	 * (62H) and XOP (8FH) only the first two. */
	u8 vector, vector_map, vector_pp, vector_l, vvvv;
	u8 segment;		/* of the memory operand (strings: source): override or default */
	u8 mod, reg, rm;	/* ModRM, with the bits of REX; reg also for FORM_OREG */
	u8 modrm;		/* the byte itself */
	bool is_mem;		/* r/m (or moffs) is memory at base + (index << scale) + disp */
	u8 base, index, scale;	/* enum gpr, REG_NONE, REG_RIP */
	u64 disp;		/* sign extended to 64 bits */
	u64 imm;		/* sign extended to 64 bits; far pointers: the offset */
	u16 imm2;		/* ENTER's level, a far pointer's selector */
};
