/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to emulate/: the state of one instruction under way, and what its parts offer each other.
 */
#pragma once

#include "emulate/emulate.h"
#include "include/rights.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"

enum operand_kind { OPERAND_NONE, OPERAND_REG, OPERAND_MEM, OPERAND_IMM };

struct operand {
	u8 kind;		/* enum operand_kind */
	u8 reg;			/* enum gpr */
	u8 shift;		/* 8 for AH, CH, DH, BH */
	u8 size;		/* bytes */
	gva_t at;		/* OPERAND_MEM */
	u64 value;
};

/* Registers that finish() is to write, beside a destination in memory. */
#define WRITES_DST	1u
#define WRITES_SRC	2u
#define WRITES_ACC	4u

struct emulation {
	const struct emulate_ops *ops;
	void *ctx;
	u64 *gpr;
	const struct insn *insn;
	struct event *event;
	struct operand dst, src;
	u64 original;		/* of dst, as read */
	u64 acc;		/* new value of the accumulator, with WRITES_ACC */
	u8 writes;		/* WRITES_* */
	bool locked;		/* dst is written by compare and exchange, or … */
	bool holds_lock;	/* … between ops->lock and ops->unlock */
	bool rsp_known, rsp_changed;
	u16 traps;		/* DR6_BS: a single-step #DB follows; DR6_BT: one of a task switch */
	bool keeps_rf;		/* RFLAGS was loaded with RF */
	bool ends_nmi_blocking;
	u8 shadow;		/* enum emulate_shadow */
	u8 ext;			/* EXT of error codes: the delivery of an event is under way */
	u64 rsp;
	u64 rip, next_rip, rflags;
	u32 user;		/* ACCESS_USER if CPL is 3, else 0; ACCESS_IMPLICIT for a while */
};

/* linear.c: faults, segmentation, memory by linear address. */
enum emulate_status raise_fault(struct emulation *e, u8 vector, u32 error);
u64 size_mask(unsigned size);
bool in_64bit_mode(const struct emulation *e);
bool in_protected_mode(struct emulation *e);	/* CR0.PE set and RFLAGS.VM clear */
bool is_canonical(struct emulation *e, u64 address);
bool limit_allows(const struct segment *s, u64 first, u64 last);
enum emulate_status linear_address(struct emulation *e, unsigned segment, u64 offset, unsigned size,
				   u32 access, gva_t *out);
enum emulate_status check_memory(struct emulation *e, gva_t at, unsigned size, u32 access);
enum emulate_status read_memory(struct emulation *e, gva_t at, void *to, unsigned size, u32 access);
enum emulate_status write_memory(struct emulation *e, gva_t at, const void *from, unsigned size);
/* The same for up to PAGE_SIZE bytes of any number; above 8 their alignment isn't checked. */
enum emulate_status check_block(struct emulation *e, gva_t at, unsigned size, u32 access);
enum emulate_status read_block(struct emulation *e, gva_t at, void *to, unsigned size);
enum emulate_status write_block(struct emulation *e, gva_t at, const void *from, unsigned size);
/* Before a locked operand is read: it may take ops->lock, until the instruction ends. */
enum emulate_status lock_memory(struct emulation *e, gva_t at, unsigned size);
enum emulate_status exchange_memory(struct emulation *e, gva_t at, const void *expected,
				    const void *desired, unsigned size);

/* operand.c: registers and the operands of an instruction. */
u64 read_register(struct emulation *e, unsigned reg);
void write_register(struct emulation *e, unsigned reg, unsigned size, u64 value);
u64 effective_address(struct emulation *e);
enum emulate_status locate_memory(struct emulation *e, struct operand *o, u64 offset, u32 access);
enum emulate_status locate_operands(struct emulation *e, bool writes_dst);
enum emulate_status read_operand(struct emulation *e, struct operand *o, u32 access);
enum emulate_status write_operand(struct emulation *e, const struct operand *o);

/* stack.c: values on the stack, and near branches. */
unsigned stack_bytes(struct emulation *e);
enum emulate_status push(struct emulation *e, u64 value, unsigned size);
enum emulate_status branch_to(struct emulation *e, u64 target);

/* The instructions by file: multiply.c, bits.c, simple.c; and those that do all of their own work. */
enum emulate_status run_multiply(struct emulation *e);
enum emulate_status run_divide(struct emulation *e);
enum emulate_status run_decimal(struct emulation *e);
enum emulate_status run_bit_scan(struct emulation *e);
enum emulate_status run_bit_count(struct emulation *e);
enum emulate_status run_crc32(struct emulation *e);
enum emulate_status run_adx(struct emulation *e);
enum emulate_status run_bmi(struct emulation *e);
enum emulate_status run_flags(struct emulation *e);
enum emulate_status run_widen(struct emulation *e);
enum emulate_status run_bswap(struct emulation *e);
enum emulate_status run_loop(struct emulation *e);
enum emulate_status run_pusha(struct emulation *e);
enum emulate_status run_popa(struct emulation *e);
enum emulate_status run_enter(struct emulation *e);
enum emulate_status run_leave(struct emulation *e);
enum emulate_status run_bound(struct emulation *e);
enum emulate_status run_movdir64b(struct emulation *e);
enum emulate_status run_vector(struct emulation *e);
enum emulate_status run_x87(struct emulation *e);
enum emulate_status run_fwait(struct emulation *e);
enum emulate_status run_mxcsr(struct emulation *e);
enum emulate_status run_string(struct emulation *e);
enum emulate_status run_port(struct emulation *e);
enum emulate_status run_push(struct emulation *e);
enum emulate_status run_pop(struct emulation *e);
enum emulate_status run_call(struct emulation *e);
enum emulate_status run_jump(struct emulation *e);
enum emulate_status run_ret(struct emulation *e);
enum emulate_status run_system(struct emulation *e);
enum emulate_status run_mov_to_sreg(struct emulation *e);
enum emulate_status run_push_sreg(struct emulation *e);
enum emulate_status run_pop_sreg(struct emulation *e);
enum emulate_status run_load_far(struct emulation *e);
enum emulate_status run_lar(struct emulation *e);
enum emulate_status run_verr(struct emulation *e);
enum emulate_status run_arpl(struct emulation *e);
enum emulate_status run_jump_far(struct emulation *e);
enum emulate_status run_call_far(struct emulation *e);
enum emulate_status run_ret_far(struct emulation *e);
enum emulate_status run_cli(struct emulation *e);
enum emulate_status run_sti(struct emulation *e);
enum emulate_status run_clac(struct emulation *e);
enum emulate_status run_fsgsbase(struct emulation *e);

/* vector.c: may that part be used? The faults by CR0, CR4, XCR0 and FSW. */
enum fpu_part { FPU_X87, FPU_X87_WAITS, FPU_MMX, FPU_SSE, FPU_AVX };
enum emulate_status check_fpu(struct emulation *e, enum fpu_part part);
