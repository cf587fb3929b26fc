// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's vector and x87 registers, which stay in the CPU while Plinth runs: Plinth has no code
 * that uses them. One instruction for each register, as instructions name registers only by number.
 */
#include "vcpu/cpu_state.h"

#include "include/assert.h"

#define EACH8(DO)	DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define EACH16(DO)	EACH8(DO) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)

#define GET(insn, file, n) \
	case n: asm volatile(insn " %%" file #n ", (%0)" : : "r"(to) : "memory"); break;
#define SET(insn, file, n) \
	case n: asm volatile(insn " (%0), %%" file #n : : "r"(from) : "memory"); break;
#define GET_MM(n)	GET("movq", "mm", n)
#define GET_XMM(n)	GET("movups", "xmm", n)
#define GET_YMM(n)	GET("vmovups", "ymm", n)
#define SET_MM(n)	SET("movq", "mm", n)
#define SET_XMM(n)	SET("movups", "xmm", n)
#define SET_XMM_VEX(n)	SET("vmovups", "xmm", n)
#define SET_YMM(n)	SET("vmovups", "ymm", n)

void cpu_state_vector(unsigned reg, unsigned size, void *to)
{
	if (size == 8) {
		switch (reg & 7) { EACH8(GET_MM) }
	} else if (size == 16) {
		switch (reg & 15) { EACH16(GET_XMM) }
	} else {
		switch (reg & 15) { EACH16(GET_YMM) }
	}
}

void cpu_state_set_vector(unsigned reg, unsigned size, bool clear, const void *from)
{
	if (size == 8) {
		switch (reg & 7) { EACH8(SET_MM) }
	} else if (size == 16 && !clear) {
		switch (reg & 15) { EACH16(SET_XMM) }
	} else if (size == 16) {
		switch (reg & 15) { EACH16(SET_XMM_VEX) }
	} else {
		switch (reg & 15) { EACH16(SET_YMM) }
	}
}

u16 cpu_state_fsw(void)
{
	u16 fsw;

	asm volatile("fnstsw %0" : "=m"(fsw));
	return fsw;
}

u32 cpu_state_mxcsr(void)
{
	u32 value;

	asm volatile("stmxcsr %0" : "=m"(value));
	return value;
}

void cpu_state_set_mxcsr(u32 value)
{
	asm volatile("ldmxcsr %0" : : "m"(value));
}

/* FXSAVE's image, as far as it is looked at here (SDM vol. 1, "Layout of the FXSAVE Area"). */
struct fxsave_area {
	u16 fcw, fsw, ftw, fop;
	u64 fip, fdp;
	u32 mxcsr, mxcsr_mask;
	u8 rest[512 - 32];
} aligned_to(16);
static_assert(sizeof(struct fxsave_area) == 512, "FXSAVE writes 512 bytes");

u32 cpu_state_mxcsr_mask(void)
{
	struct fxsave_area area;

	asm volatile("fxsave64 %0" : "=m"(area));
	return area.mxcsr_mask ? area.mxcsr_mask : 0xffbf;	/* 0: a CPU without DAZ */
}

/* The last instruction's pointers would be those of the copy that Plinth carried out. */
static void set_pointers(const struct emulate_x87 *x)
{
	struct fxsave_area area;

	asm volatile("fxsave64 %0" : "=m"(area));
	area.fop = (x->opcode & 7) << 8 | x->modrm;
	area.fip = x->ip;
	area.fdp = x->dp;
	asm volatile("fxrstor64 %0" : : "m"(area));
}

/* [RAX] is the operand: mod 00B, r/m 000B. 66H chooses the small formats, which are data. */
#define RUN(op, reg) \
	case ((op) & 7) << 3 | (reg): \
		asm volatile(".byte %c1, %c2" : : "a"(x->operand), "i"(op), "i"((reg) << 3) : "memory"); \
		break;
#define RUN_SMALL(op, reg) \
	case ((op) & 7) << 3 | (reg): \
		asm volatile(".byte 0x66, %c1, %c2" : : "a"(x->operand), "i"(op), "i"((reg) << 3) \
			     : "memory"); \
		break;
#define RUN_ALL(op) \
	RUN(op, 0) RUN(op, 1) RUN(op, 2) RUN(op, 3) RUN(op, 4) RUN(op, 5) RUN(op, 6) RUN(op, 7)

static void run_small(struct emulate_x87 *x)
{
	switch ((x->opcode & 7) << 3 | x->reg) {
	RUN_SMALL(0xd9, 4) RUN_SMALL(0xd9, 6) RUN_SMALL(0xdd, 4) RUN_SMALL(0xdd, 6)
	}
}

/* FLDENV, FLDCW, FNSTENV, FNSTCW, FRSTOR, FNSAVE, FNSTSW leave the pointers, or load them. */
static bool is_control(const struct emulate_x87 *x)
{
	return (x->opcode == 0xd9 || x->opcode == 0xdd) && x->reg >= 4;
}

void cpu_state_x87(struct emulate_x87 *x)
{
	if (x->small && is_control(x) && (x->reg == 4 || x->reg == 6)) {
		run_small(x);
		return;
	}
	switch ((x->opcode & 7) << 3 | x->reg) {
	RUN_ALL(0xd8)
	RUN(0xd9, 0) RUN(0xd9, 2) RUN(0xd9, 3) RUN(0xd9, 4) RUN(0xd9, 5) RUN(0xd9, 6) RUN(0xd9, 7)
	RUN_ALL(0xda)
	RUN(0xdb, 0) RUN(0xdb, 1) RUN(0xdb, 2) RUN(0xdb, 3) RUN(0xdb, 5) RUN(0xdb, 7)
	RUN_ALL(0xdc)
	RUN(0xdd, 0) RUN(0xdd, 1) RUN(0xdd, 2) RUN(0xdd, 3) RUN(0xdd, 4) RUN(0xdd, 6) RUN(0xdd, 7)
	RUN_ALL(0xde)
	RUN_ALL(0xdf)
	}
	if (!is_control(x))
		set_pointers(x);
}
