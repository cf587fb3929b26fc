/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arithmetic with flags, on values of 1, 2, 4 or 8 bytes that are zero-extended to 64 bits.
 * `rflags` is read and updated; flags that the manual leaves undefined keep some value or other.
 */
#pragma once

#include "emulate/insn.h"

/* OP_ADD … OP_CMP, OP_TEST. Returns the result (also of CMP and TEST, whose callers drop it). */
u64 arith_binary(enum insn_op op, unsigned size, u64 dst, u64 src, u64 *rflags);
/* OP_INC, OP_DEC, OP_NOT, OP_NEG. */
u64 arith_unary(enum insn_op op, unsigned size, u64 dst, u64 *rflags);
/* OP_ROL … OP_SAR; count as the instruction has it, not masked. */
u64 arith_shift(enum insn_op op, unsigned size, u64 dst, unsigned count, u64 *rflags);
/* OP_SHLD, OP_SHRD. */
u64 arith_double_shift(enum insn_op op, unsigned size, u64 dst, u64 src, unsigned count,
		       u64 *rflags);
/* OP_BT … OP_BTC of bit number `bit` modulo the operand's width. */
u64 arith_bit(enum insn_op op, unsigned size, u64 dst, u64 bit, u64 *rflags);
/* The signed product cut to `size`, with CF and OF if it was cut: IMUL with two operands. */
u64 arith_imul(unsigned size, u64 a, u64 b, u64 *rflags);
/* Condition code 0 to 15, as in Jcc's opcode. */
bool arith_condition(unsigned code, u64 rflags);
