/* SPDX-License-Identifier: MIT */
/* Where the IDT's gates lead, 16 bytes for each vector: the frame gets an error code, 0 for vectors
 * that have none, and the vector. For kernels of either width. */
	.text
	.align 16
	.globl stubs
stubs:
	.set v, 0
	.rept 256
	.align 16
	.if !(v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21)
	push $0
	.endif
	push $v
	jmp trap_common
	.set v, v + 1
	.endr
	.section .note.GNU-stack, "", @progbits
