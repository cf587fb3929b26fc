/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the boot loader to C: the multiboot headers, the check for long mode, the early page tables and
 * the switch to 64 bits. The tables map the first 4 GiB three times: at 0, at DIRECT_MAP, and (the first
 * GiB) at IMAGE_OFFSET; arch/x86/paging.c makes the final ones.
 */
#include "arch/x86/layout.h"
#include "boot/multiboot.h"

#define PHYS(symbol)	((symbol) - IMAGE_OFFSET)

#define COM1		0x3f8
#define COM1_LSR	(COM1 + 5)
#define LSR_THR_EMPTY	0x20
#define VGA_TEXT	0xb8000
#define VGA_CELLS	2000

#define CR0_LONG	0x80010033	/* PG, WP, NE, ET, MP, PE */
#define CR4_PAE_BIT	0x20
#define MSR_EFER_NR	0xc0000080
#define EFER_LME_BIT	8
#define EFER_NXE_BIT	11
#define EFLAGS_ID	0x200000
#define CPUID_LM_BIT	29		/* both of leaf 8000_0001H, EDX */
#define CPUID_NX_BIT	20

#define PTE_TABLE	0x3		/* present, writable */
#define PTE_LARGE	0x83		/* and a large page */
#define EARLY_STACK	16384

/* Multiboot 2: what we want to know, and a screen that we can write on. */
	.section .boot.headers, "a"
	.balign 8
header2:
	.long MULTIBOOT2_HEADER_MAGIC, 0, header2_end - header2
	.long -(MULTIBOOT2_HEADER_MAGIC + 0 + (header2_end - header2))
	.balign 8
0:	.short 1, 1			/* information request, optional */
	.long 1f - 0b
	.long 1, 3, 6, 8, 14, 15, 17	/* cmdline, modules, memory, framebuffer, ACPI, EFI memory */
1:	.balign 8
	.short 4, 1			/* console flags: VGA text will do */
	.long 12, 2
	.balign 8
	.short 5, 1			/* framebuffer: as large as this if possible */
	.long 20, 1024, 768, 32
	.balign 8
	.short 6, 0			/* modules on page borders */
	.long 8
	.balign 8
	.short 0, 0
	.long 8
header2_end:

/* Multiboot 1: modules on page borders, memory map. */
	.balign 4
	.long MULTIBOOT1_HEADER_MAGIC, 3, -(MULTIBOOT1_HEADER_MAGIC + 3)

	.section .boot, "ax"
	.code32
	.globl boot_start
boot_start:
	cli
	cld
	movl	$PHYS(early_stack_top), %esp
	movl	%eax, %ebp		/* the magic; EBX is the information */

	/* CPUID is there if EFLAGS.ID can be changed (SDM vol. 1, "CPUID"). */
	pushfl
	popl	%eax
	movl	%eax, %ecx
	xorl	$EFLAGS_ID, %eax
	pushl	%eax
	popfl
	pushfl
	popl	%eax
	xorl	%ecx, %eax
	testl	$EFLAGS_ID, %eax
	jz	no_long_mode
	movl	%ebx, %edi
	movl	$0x80000000, %eax
	cpuid
	cmpl	$0x80000001, %eax
	jb	no_long_mode
	movl	$0x80000001, %eax
	cpuid
	btl	$CPUID_LM_BIT, %edx
	jnc	no_long_mode
	movl	%edx, %esi		/* the features */

	call	fill_tables

	/* Paging may be on only in a loader that breaks the specification; CR4 is set whole, because
	 * firmware leaves bits of its own. */
	movl	$CR4_PAE_BIT, %eax
	movl	%eax, %cr4
	movl	$PHYS(early_pml4), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER_NR, %ecx
	rdmsr
	btsl	$EFER_LME_BIT, %eax
	btl	$CPUID_NX_BIT, %esi
	jnc	1f
	btsl	$EFER_NXE_BIT, %eax
1:	wrmsr
	movl	$CR0_LONG, %eax
	movl	%eax, %cr0
	lgdt	early_gdt_pointer
	ljmp	$8, $boot_64

/* The tables are in .bss, which the loader has zeroed. */
fill_tables:
	movl	$PHYS(early_pdpt) + PTE_TABLE, %eax
	movl	%eax, PHYS(early_pml4)
	movl	%eax, PHYS(early_pml4) + ((DIRECT_MAP >> 39) & 511) * 8
	movl	$PHYS(early_pdpt_image) + PTE_TABLE, PHYS(early_pml4) + 511 * 8
	movl	$PHYS(early_pd) + PTE_TABLE, %eax
	movl	%eax, PHYS(early_pdpt_image) + 510 * 8
	xorl	%ecx, %ecx
1:	movl	%eax, PHYS(early_pdpt)(, %ecx, 8)
	addl	$4096, %eax
	incl	%ecx
	cmpl	$4, %ecx
	jne	1b
	movl	$PTE_LARGE, %eax
	xorl	%ecx, %ecx
1:	movl	%eax, PHYS(early_pd)(, %ecx, 8)
	addl	$0x200000, %eax
	incl	%ecx
	cmpl	$2048, %ecx
	jne	1b
	ret

/* One sentence on COM1 (as the loader or the firmware has set it) and on a VGA text screen. */
no_long_mode:
	movl	$VGA_TEXT, %edi
	movl	$VGA_CELLS, %ecx
	movw	$0x0720, %ax
	rep stosw
	movl	$VGA_TEXT, %edi
	movl	$sentence, %esi
1:	movl	$1000000, %ecx
2:	movw	$COM1_LSR, %dx
	inb	%dx, %al
	testb	$LSR_THR_EMPTY, %al
	loopz	2b
	lodsb
	testb	%al, %al
	jz	3f
	movw	$COM1, %dx
	outb	%al, %dx
	cmpb	$0x20, %al
	jb	1b
	movb	$0x07, %ah
	stosw
	jmp	1b
3:	hlt
	jmp	3b

sentence:
	.ascii	"plinth: cannot start: this CPU has no 64-bit mode (long mode); "
	.asciz	"use an x86-64 machine with SVM or VMX\r\n"

	.balign 8
early_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* 8: 64-bit code */
	.quad	0x00cf93000000ffff	/* 16: data */
early_gdt_pointer:
	.short	. - early_gdt - 1
	.quad	early_gdt

	.code64
boot_64:
	movl	$16, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	lldt	%ax
	movq	$early_stack_top, %rsp
	movl	%edi, %esi
	movl	%ebp, %edi
	xorl	%ebp, %ebp		/* where the backtrace ends, as the return address 0 does */
	pushq	$0
	movq	$boot_main, %rax
	jmp	*%rax

	.bss
	.balign 4096
	.globl early_pml4, early_pdpt
early_pml4:
	.skip	4096
early_pdpt:
	.skip	4096
early_pdpt_image:
	.skip	4096
early_pd:
	.skip	4 * 4096
	.skip	EARLY_STACK
early_stack_top:

	.section .note.GNU-stack, "", @progbits
