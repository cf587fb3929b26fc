/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world switch of VMX. SDM vol. 3C, "VM Entries", "VM Exits"; "VMLAUNCH/VMRESUME".
 *
 * u64 vmx_enter(u64 gpr[NR_GPRS], bool launched, u64 *host_rsp)
 *
 * Runs the guest of the current VMCS until its next exit. The guest's RSP, RIP and flags are in the
 * VMCS, its other general registers in gpr[]. `launched`: the VMCS has been entered before. *host_rsp is
 * what the VMCS has as the host's RSP, and is kept so. 0: an exit; else the entry failed before the guest's
 * state was looked at, and the VMCS has an instruction error if bit 6 (ZF) of what is returned is set.
 * Called and left with interrupts off.
 */
#define VMCS_HOST_RSP_FIELD	0x6c14	/* VMCS_HOST_RSP: vmx.c asserts it */

	.text
	.globl	vmx_enter, vmx_exit
	.balign	16
vmx_enter:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdi
	cmpq	%rsp, (%rdx)
	jne	2f
1:	testl	%esi, %esi
	movq	0x00(%rdi), %rax
	movq	0x08(%rdi), %rcx
	movq	0x10(%rdi), %rdx
	movq	0x18(%rdi), %rbx
	movq	0x28(%rdi), %rbp
	movq	0x30(%rdi), %rsi
	movq	0x40(%rdi), %r8
	movq	0x48(%rdi), %r9
	movq	0x50(%rdi), %r10
	movq	0x58(%rdi), %r11
	movq	0x60(%rdi), %r12
	movq	0x68(%rdi), %r13
	movq	0x70(%rdi), %r14
	movq	0x78(%rdi), %r15
	movq	0x38(%rdi), %rdi
	jz	3f
	vmresume
	jmp	4f
2:	movl	$VMCS_HOST_RSP_FIELD, %eax
	vmwrite	%rsp, %rax
	movq	%rsp, (%rdx)
	jmp	1b
3:	vmlaunch
4:	pushfq				/* it has failed; no register was changed */
	popq	%rax
	orl	$1, %eax
	popq	%rdi
	jmp	5f

	/* Where exits come out, with RSP as it was after the last push. */
vmx_exit:
	pushq	%rdi
	movq	8(%rsp), %rdi
	movq	%rax, 0x00(%rdi)
	movq	%rcx, 0x08(%rdi)
	movq	%rdx, 0x10(%rdi)
	movq	%rbx, 0x18(%rdi)
	movq	%rbp, 0x28(%rdi)
	movq	%rsi, 0x30(%rdi)
	popq	0x38(%rdi)
	movq	%r8,  0x40(%rdi)
	movq	%r9,  0x48(%rdi)
	movq	%r10, 0x50(%rdi)
	movq	%r11, 0x58(%rdi)
	movq	%r12, 0x60(%rdi)
	movq	%r13, 0x68(%rdi)
	movq	%r14, 0x70(%rdi)
	movq	%r15, 0x78(%rdi)
	popq	%rdi
	xorl	%eax, %eax
5:	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
