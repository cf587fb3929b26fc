/* SPDX-License-Identifier: GPL-2.0-only */
/* The instruction decoder: bytes to struct insn. Pure; keeps nothing. */
#pragma once

#include "emulate/insn.h"

#define DECODE_NEED_BYTES	0	/* valid so far, but longer than what is there */
#define DECODE_INVALID		(-1)	/* #UD */
#define DECODE_TOO_LONG		(-2)	/* more than 15 bytes: #GP(0) */

/*
 * Decode the instruction that begins at bytes[0].
 * bytes: `avail` of them (more than 15 are not looked at), a private copy: they are read more than
 * once. Returns its length (1 to 15), with *out filled in, or one of DECODE_*, with *out undefined.
 * A length says that the encoding is not reserved; whether this CPU and this mode have the
 * instruction, and whether it may run at this CPL, is asked elsewhere. Reserved encodings of the
 * vector maps (VEX, EVEX, XOP, 0F 38H, 0F 3AH) count as valid (OP_OTHER, OP_VECTOR). Near branches
 * ignore 66H in 64-bit mode, as SDM vol. 2A, "CALL" says; AMD truncates them.
 */
must_check int decode(const u8 *bytes, unsigned avail, enum cpu_mode mode, struct insn *out);

/* The same as insn_length_of(), for what that doesn't find at once. */
unsigned insn_length_of_slow(const u8 *bytes, unsigned avail, enum cpu_mode mode,
			     unsigned opcode);

/*
 * Length of the intercepted instruction at bytes[0], for an exit that has said what it is.
 * opcode: its bytes as the manual writes them, 0xf4 (HLT), 0x0fa2 (CPUID), 0x0f01d9 (VMMCALL), 0xe4
 * (IN with an immediate), 0x0f22 (MOV CR); not one with a memory operand. Without prefixes this
 * costs a few instructions, else a full decode. Returns 0 if the bytes are not that instruction (it
 * was changed meanwhile, or too few are there).
 */
static inline unsigned insn_length_of(const u8 *bytes, unsigned avail, enum cpu_mode mode,
				      unsigned opcode)
{
	if (opcode <= 0xff || (opcode >= 0x0f20 && opcode <= 0x0f23))
		return insn_length_of_slow(bytes, avail, mode, opcode);
	if (avail >= 3 && opcode == ((unsigned)bytes[0] << 16 | bytes[1] << 8 | bytes[2]))
		return 3;
	if (avail >= 2 && opcode == ((unsigned)bytes[0] << 8 | bytes[1]))
		return 2;
	return insn_length_of_slow(bytes, avail, mode, opcode);
}
