/* SPDX-License-Identifier: MIT */
/* run_in_mode(): see modes.h. EBX: the struct paging_mode. */
	.text
	.code64
	.globl run_in_mode
run_in_mode:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rdi, %rbx
	mov %rsp, kept_sp(%rip)
	mov %cr3, %rax
	mov %eax, kept_cr3(%rip)
	mov %cr4, %rax
	mov %eax, kept_cr4(%rip)
	mov %cr0, %rax
	mov %eax, kept_cr0(%rip)
	mov $0xc0000080, %ecx
	rdmsr
	mov %eax, kept_efer(%rip)
	push $0x18
	push $1f
	lretq

	.code32
1:	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	mov $0xc0000080, %ecx
	mov kept_efer, %eax
	and $~0x900, %eax
	or 12(%ebx), %eax
	xor %edx, %edx
	wrmsr
	mov 8(%ebx), %eax
	mov %eax, %cr4
	mov 4(%ebx), %eax
	mov %eax, %cr3
	mov (%ebx), %eax
	mov %eax, %cr0
	cmpl $0, 20(%ebx)
	jne 2f
	call *16(%ebx)
	jmp 4f
2:	ljmp $0x08, $3f

	.code64
3:	mov 16(%rbx), %eax
	call *%rax
	push $0x18
	push $4f
	lretq

	.code32
4:	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	/* LME before PAE, which is allowed, and not what anybody does. */
	mov $0xc0000080, %ecx
	mov kept_efer, %eax
	xor %edx, %edx
	wrmsr
	mov kept_cr4, %eax
	mov %eax, %cr4
	mov kept_cr3, %eax
	mov %eax, %cr3
	mov kept_cr0, %eax
	mov %eax, %cr0
	ljmp $0x08, $5f

	.code64
5:	mov kept_sp(%rip), %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.bss
	.align 8
kept_sp: .skip 8
kept_cr0: .skip 4
kept_cr3: .skip 4
kept_cr4: .skip 4
kept_efer: .skip 4
	.section .note.GNU-stack, "", @progbits
