/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What another CPU runs first, copied to a page below 640 KiB: from real mode right into 64-bit mode on
 * the hypervisor's own page tables (SDM vol. 3A, "Initializing IA-32e Mode"; PE and PG may be set
 * together), then to its entry in the image. The code finds its parameters by its own segment, so it
 * runs in whatever page it is put.
 */
#include "arch/x86/trampoline.h"

#define PARAMETER(name)	(TRAMPOLINE_PARAMETERS + (name))

#define CR0_LONG	0x80010033	/* PG, WP, NE, ET, MP, PE */
#define CR4_PAE_BIT	0x20
#define MSR_EFER_NR	0xc0000080
#define DATA_SELECTOR	0x10

	.section .rodata.trampoline, "a"
	.balign	16
	.globl	trampoline_start
trampoline_start:
	.code16
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	PARAMETER(TRAMPOLINE_GDT_POINTER)
	movl	$CR4_PAE_BIT, %eax
	movl	%eax, %cr4
	movl	PARAMETER(TRAMPOLINE_CR3), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER_NR, %ecx
	movl	PARAMETER(TRAMPOLINE_EFER), %eax
	xorl	%edx, %edx
	wrmsr
	movl	$CR0_LONG, %eax
	movl	%eax, %cr0
	ljmpl	*PARAMETER(TRAMPOLINE_FAR)

	.code64
	.globl	trampoline_64
trampoline_64:
	movl	$DATA_SELECTOR, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	leaq	trampoline_start + TRAMPOLINE_PARAMETERS(%rip), %rbx
	movq	TRAMPOLINE_STACK(%rbx), %rsp
	movq	TRAMPOLINE_ENTRY(%rbx), %rax
	movq	TRAMPOLINE_ARGUMENT(%rbx), %rdi
	xorl	%ebp, %ebp
	call	*%rax
	ud2
	.globl	trampoline_end
trampoline_end:

	.section .note.GNU-stack, "", @progbits
