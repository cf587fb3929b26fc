/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world switch of SVM.
 *
 * void svm_enter(u64 gpr[NR_GPRS], u64 vmcb, u64 host_vmcb)
 *
 * The last two are host physical addresses. The guest's RAX and RSP are in the VMCB, its other general registers in
 * gpr. Called and left with interrupts off. VMSAVE and VMLOAD stand beside VMRUN: the FS, GS,
 * TR, LDTR, SYSCALL and SYSENTER state of the guest lives in its VMCB whenever C code runs, and the
 * host's TR (for the IST stacks) is back before STGI lets an NMI in.
 * APM vol. 2, "VMRUN Instruction"; "VMSAVE and VMLOAD Instructions"; "Global Interrupt Flag".
 */
	.text
	.globl	svm_enter
	.type	svm_enter, @function
svm_enter:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdx
	push	%rdi
	mov	%rsi, %rax
	mov	0x08(%rdi), %rcx
	mov	0x10(%rdi), %rdx
	mov	0x18(%rdi), %rbx
	mov	0x28(%rdi), %rbp
	mov	0x30(%rdi), %rsi
	mov	0x40(%rdi), %r8
	mov	0x48(%rdi), %r9
	mov	0x50(%rdi), %r10
	mov	0x58(%rdi), %r11
	mov	0x60(%rdi), %r12
	mov	0x68(%rdi), %r13
	mov	0x70(%rdi), %r14
	mov	0x78(%rdi), %r15
	mov	0x38(%rdi), %rdi
	clgi
	sti			/* with GIF clear: so that V_INTR_MASKING lets physical interrupts exit */
	vmload	%rax
	vmrun	%rax
	vmsave	%rax
	cli
	mov	(%rsp), %rax
	mov	%rcx, 0x08(%rax)
	mov	%rdx, 0x10(%rax)
	mov	%rbx, 0x18(%rax)
	mov	%rbp, 0x28(%rax)
	mov	%rsi, 0x30(%rax)
	mov	%rdi, 0x38(%rax)
	mov	%r8,  0x40(%rax)
	mov	%r9,  0x48(%rax)
	mov	%r10, 0x50(%rax)
	mov	%r11, 0x58(%rax)
	mov	%r12, 0x60(%rax)
	mov	%r13, 0x68(%rax)
	mov	%r14, 0x70(%rax)
	mov	%r15, 0x78(%rax)
	mov	0x08(%rsp), %rax
	vmload	%rax
	stgi
	add	$16, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	svm_enter, . - svm_enter
	.section .note.GNU-stack, "", @progbits
