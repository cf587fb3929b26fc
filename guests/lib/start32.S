/* SPDX-License-Identifier: MIT */
/* The 32-bit kernels' multiboot entry, GDT, stack, interrupt stubs and guest_try(). No paging. */
	.section .multiboot, "a"
	.align 4
	.long 0x1badb002, 3, -(0x1badb002 + 3)

	.text
	.globl start
start:
	mov $stack_top, %esp
	lgdt gdt_pointer
	ljmp $0x08, $1f
1:	mov $0x10, %ecx
	mov %ecx, %ds
	mov %ecx, %es
	mov %ecx, %ss
	mov %ecx, %fs
	mov %ecx, %gs
	push %ebx
	push %eax
	call guest_start
2:	hlt
	jmp 2b

/* int guest_try(void (*f)(void *), void *arg) */
	.globl guest_try
guest_try:
	push %ebx
	push %ebp
	push %esi
	push %edi
	mov %esp, try_sp
	mov 20(%esp), %eax
	push 24(%esp)
	call *%eax
	add $4, %esp
	xor %eax, %eax
	jmp 1f
	/* Interrupted at the same privilege, so ESP isn't restored by IRET: we do it. */
	.globl try_landed
try_landed:
	mov try_sp, %esp
	mov $0x10, %ecx
	mov %ecx, %ds
	mov %ecx, %es
	mov $1, %eax
1:	movl $0, try_sp
	pop %edi
	pop %esi
	pop %ebp
	pop %ebx
	ret

	.globl trap_common
trap_common:
	pusha
	cld
	/* From virtual-8086 mode they are null, from 16-bit code the test's. A handler that returns
	 * leaves them so. */
	mov $0x10, %ecx
	mov %ecx, %ds
	mov %ecx, %es
	mov %esp, %eax
	push %eax
	call guest_interrupt
	add $4, %esp
	popa
	add $8, %esp
	iret

	.data
	.align 16
	.globl gdt
gdt:	.quad 0
	.quad 0x00cf9b000000ffff	/* 08: code */
	.quad 0x00cf93000000ffff	/* 10: data */
	.quad 0x0040931000000fff	/* 18: data, base 100000H, limit fffH */
	.quad 0x00cf13000000ffff	/* 20: data, not present */
	.quad 0			/* 28: TSS */
	.quad 0x00009b008000ffff	/* 30: code, 16-bit, base 8000H */
	.quad 0x008f93000000ffff	/* 38: data, 16-bit stack, limit 4 GiB */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt

	.bss
	.align 16
	.skip 16384
stack_top:
	.globl try_sp
try_sp:	.skip 4
	.section .note.GNU-stack, "", @progbits
