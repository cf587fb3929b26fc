/* SPDX-License-Identifier: MIT */
/*
 * The entry, the way to long mode with the first 4 GiB mapped one to one, interrupt stubs,
 * and guest_try(). Owns the boot page tables, the GDT and the stack.
 */
	.text
	.code32
	.globl start
start:
	/* The entry state, for the boot guest. */
	mov %eax, boot_state
	mov %ebx, boot_state + 4
	mov %cr0, %ecx
	mov %ecx, boot_state + 8
	mov %cs, boot_state + 12
	mov %ds, boot_state + 16
	mov %es, boot_state + 20
	mov %ss, boot_state + 24
	mov $stack_top, %esp
	pushf
	pop boot_state + 28
	push $0
	popf
	/* The limit that DS has by its descriptor. */
	lsl boot_state + 16, %edx
	mov %edx, boot_state + 32

	mov $boot_pml4, %edi
	movl $boot_pdpt + 3, (%edi)
	mov $boot_pdpt, %edi
	mov $boot_pd + 3, %eax
	mov $4, %ecx
1:	mov %eax, (%edi)
	add $4096, %eax
	add $8, %edi
	loop 1b
	mov $boot_pd, %edi
	mov $0x83, %eax
	mov $2048, %ecx
1:	mov %eax, (%edi)
	add $0x200000, %eax
	add $8, %edi
	loop 1b

	mov $0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	mov %eax, %cr4
	mov $boot_pml4, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	rdmsr
	or $0x900, %eax			/* LME, NXE */
	wrmsr
	mov $0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $0x08, $1f

	.code64
1:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov $stack_top, %rsp
	fninit
	mov boot_state(%rip), %edi
	mov boot_state + 4(%rip), %esi
	call guest_start
2:	hlt
	jmp 2b

/* int guest_try(void (*f)(void *), void *arg): 1 if an exception ended it (then in `trap`). */
	.globl guest_try
guest_try:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, try_sp(%rip)
	mov %rdi, %rax
	mov %rsi, %rdi
	call *%rax
	xor %eax, %eax
	jmp 1f
	.globl try_landed
try_landed:
	mov $1, %eax
1:	movq $0, try_sp(%rip)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* void guest_user(u64 rip, u64 rsp, u64 rflags, u64 rdi): goes to CPL 3, never comes back. */
	.globl guest_user
guest_user:
	push $0x33
	push %rsi
	push %rdx
	push $0x2b
	push %rdi
	mov %rcx, %rdi
	iretq

	.macro save
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	.endm

	.globl trap_common
trap_common:
	save
	cld
	mov %rsp, %rdi
	mov %rsp, %rbp
	and $-16, %rsp
	call guest_interrupt
	mov %rbp, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.data
	.align 16
	.globl gdt
gdt:	.quad 0
	.quad 0x00af9b000000ffff	/* 08: code, 64-bit */
	.quad 0x00cf93000000ffff	/* 10: data */
	.quad 0x00cf9b000000ffff	/* 18: code, 32-bit */
	.quad 0x00cf13000000ffff	/* 20: data, not present */
	.quad 0x00affb000000ffff	/* 28: code, 64-bit, CPL 3 */
	.quad 0x00cff3000000ffff	/* 30: data, CPL 3 */
	.quad 0, 0			/* 38: TSS */
	.quad 0x00af1b000000ffff	/* 48: code, 64-bit, not present */
gdt_end:
	.globl gdt_pointer
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt

	.globl boot_state
boot_state:
	.skip 64

	.bss
	.align 4096
boot_pml4:	.skip 4096
boot_pdpt:	.skip 4096
boot_pd:	.skip 4 * 4096
	.globl boot_pml4, boot_pd, boot_pdpt
	.skip 16384
stack_top:
	.globl try_sp
try_sp:	.skip 8
	.section .note.GNU-stack, "", @progbits
