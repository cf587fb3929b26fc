/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entry points of all 256 vectors. Each pushes the vector, and a zero where the CPU pushes no error
 * code, and goes on in trap_common, which completes struct trap_frame (trap.h).
 */

/* Vectors with an error code: 8, 10-14, 17, 21, 29, 30 (SDM vol. 3A, "Exception and Interrupt Vectors";
 * APM vol. 2, "Vectors"). */
#define HAS_ERROR	0x60227d00
#define STUB_SIZE	16

	.text
	.balign	STUB_SIZE
	.globl	trap_stubs
trap_stubs:
	vector = 0
	.rept	32
	.balign	STUB_SIZE
	.if	!((HAS_ERROR >> vector) & 1)
	pushq	$0
	.endif
	pushq	$vector
	jmp	trap_common
	vector = vector + 1
	.endr
	.rept	256 - 32
	.balign	STUB_SIZE
	pushq	$0
	pushq	$vector
	jmp	trap_common
	vector = vector + 1
	.endr

	/* The CPU aligns the stack to 16 bytes before its five (with an error code, six) words; 7 words
	 * there and 15 here keep it aligned for the call. RBP stays, so that a backtrace goes on below. */
	.balign	16
	.globl	trap_common
trap_common:
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%rbp
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movq	%rsp, %rdi
	call	trap_dispatch
	.globl	trap_return
trap_return:
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rbp
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbx
	popq	%rax
	addq	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
