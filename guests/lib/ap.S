/* SPDX-License-Identifier: MIT */
/*
 * Where an AP begins: copied to the page that a start-up IPI names, so position-independent until
 * it is in protected mode. With the part that records the registers in struct ap_state (smp.h),
 * or, from ap_lean on, without. Relies on DS and SS having base 0, as INIT leaves them.
 */
	.set STATE, 0x7000

	.text
	.code16
	.globl ap_begin, ap_lean, ap_end
ap_begin:
	movl %eax, STATE
	movl %ebx, STATE + 4
	movl %ecx, STATE + 8
	movl %edx, STATE + 12
	movl %esi, STATE + 16
	movl %edi, STATE + 20
	movl %ebp, STATE + 24
	movl %esp, STATE + 28
	movl $STATE + 0x800, %esp
	pushfl
	popl STATE + 36
	xorl %eax, %eax
	call 1f
1:	pop %ax
	sub $(1b - ap_begin), %ax
	movl %eax, STATE + 32
	mov %cr0, %eax
	movl %eax, STATE + 40
	mov %cr2, %eax
	movl %eax, STATE + 44
	mov %cr3, %eax
	movl %eax, STATE + 48
	mov %cr4, %eax
	movl %eax, STATE + 52
	mov %dr0, %eax
	movl %eax, STATE + 56
	mov %dr1, %eax
	movl %eax, STATE + 60
	mov %dr2, %eax
	movl %eax, STATE + 64
	mov %dr3, %eax
	movl %eax, STATE + 68
	mov %dr6, %eax
	movl %eax, STATE + 72
	mov %dr7, %eax
	movl %eax, STATE + 76
	movl $0xc0000080, %ecx
	rdmsr
	movl %eax, STATE + 80
	movl %edx, STATE + 84
	movl $0xc0000101, %ecx
	rdmsr
	movl %eax, STATE + 88
	movl %edx, STATE + 92
	movw %cs, STATE + 96
	movw %ds, STATE + 98
	movw %es, STATE + 100
	movw %ss, STATE + 102
	movw %fs, STATE + 104
	movw %gs, STATE + 106
	sgdtl STATE + 108
	sidtl STATE + 114
ap_lean:
	cli
	cld
	call 2f
2:	pop %bx
	lgdtl %cs:(ap_gdt - 2b)(%bx)
	mov %cr0, %eax
	or $1, %eax
	mov %eax, %cr0
	ljmpl $0x18, $ap_protected
	.align 4
ap_gdt:	.word 9 * 8 - 1
	.long gdt
ap_end:

	.code32
ap_protected:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov $0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	mov %eax, %cr4
	mov $boot_pml4, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	rdmsr
	or $0x900, %eax			/* LME, NXE */
	wrmsr
	mov $0x80010033, %eax		/* PG, WP, NE, ET, MP, PE; CD and NW clear */
	mov %eax, %cr0
	ljmp $0x08, $ap_long

	.code64
ap_long:
	mov $1, %eax
	cpuid
	shr $24, %ebx
	cmp $8, %ebx			/* MAX_CPUS */
	jae 4f
	mov %ebx, %edi
	lea 1(%rbx), %eax
	shl $14, %eax			/* CPU_STACK */
	lea cpu_stacks(%rax), %rsp
	xor %ebp, %ebp
	call ap_main
4:	cli
	hlt
	jmp 4b

	.bss
	.align 4096
	.globl cpu_stacks
cpu_stacks:
	.skip 8 * 16384
	.section .note.GNU-stack, "", @progbits
