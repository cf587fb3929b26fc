/* SPDX-License-Identifier: MIT */
/*
 * Real mode and back, for guests/realmode.c. real_call(), 32-bit code for run_in_mode() without
 * paging, goes to the copy of what stands between real_begin and real_end at 1000:0000, calls the
 * piece that real_in.entry names with the registers of real_in, and leaves what it ends with in
 * real_out. An exception or interrupt through one of the stubs ends a piece, too.
 *
 * A piece finds DS, ES, FS, GS and SS 0, a stack below 7C00H, IF clear. Where it expects a fault it
 * says in BP at which IP.
 */
	.set CODE, 0x1000
	.set STACK, 0x7c00
	.set X, 0xc0009000		/* 9000H by way of paging alone */
	.set EFER, 0xc0000080

#define AT(x) ((x) - real_begin)

	.text
	.code32
	.globl real_call
real_call:
	pushal
	mov %esp, kept_esp
	lgdt real_gdt_pointer
	lidt real_ivt_pointer
	mov $0x28, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	ljmp $0x20, $AT(enter16)

back32:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov kept_esp, %esp
	lgdt gdt_pointer
	popal
	ret

	.data
	.align 8
real_gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 08: code, 64-bit */
	.quad 0x00cf93000000ffff	/* 10: data, 4 GiB */
	.quad 0x00cf9b000000ffff	/* 18: code, 32-bit */
	.quad 0x00009b010000ffff	/* 20: code, 16-bit, the copy */
	.quad 0x000093000000ffff	/* 28: data, 16-bit */
real_gdt_end:
real_gdt_pointer:
	.word real_gdt_end - real_gdt - 1
	.long real_gdt
real_ivt_pointer:
	.word 0x3ff
	.long 0
	.bss
	.align 4
kept_esp: .skip 4

	.text
	.code16
	.globl real_begin, real_end, real_in, real_out, real_stubs
real_begin:

/* ---- entry and end of each piece ---- */

enter16:
	mov %cr0, %eax
	and $~1, %eax
	mov %eax, %cr0
	ljmp $CODE, $AT(1f)
1:	xor %eax, %eax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %fs
	mov %ax, %gs
	mov %ax, %ss
	mov $STACK, %esp
	movw $0xffff, %cs:AT(out_vector)
	movl %cs:AT(real_in + 4), %eax
	movl %cs:AT(real_in + 8), %ebx
	xor %ecx, %ecx
	xor %edx, %edx
	xor %esi, %esi
	xor %edi, %edi
	xor %ebp, %ebp
	call *%cs:AT(real_in)
end16:	movl %eax, %cs:AT(real_out)
	movl %ebx, %cs:AT(real_out + 4)
	movl %ecx, %cs:AT(real_out + 8)
	movl %edx, %cs:AT(real_out + 12)
	movl %ebp, %cs:AT(real_out + 16)
	cli
	cld
	lgdtl %cs:AT(gdt16)
	mov %cr0, %eax
	or $1, %eax
	mov %eax, %cr0
	ljmpl $0x18, $back32

	.align 4
gdt16:	.word real_gdt_end - real_gdt - 1
	.long real_gdt
ivt16:	.word 0x3ff
	.long 0
	.align 4
real_in:	.skip 12	/* entry, EAX, EBX */
real_out:	.skip 20	/* EAX, EBX, ECX, EDX, EBP */
out_vector:	.skip 8		/* vector, IP, CS, FLAGS */
walk_cr3:	.skip 16	/* CR3, CR4, EFER, the address of what runs in that mode */
walk_selector:	.skip 4
	.globl real_walk
	.set real_walk, walk_cr3

/* Each pushes its vector and records what the CPU has pushed. */
	.align 8
real_stubs:
	.set vector, 0
	.rept 48
	.align 8
	pushw $vector
	jmp stub_common
	.set vector, vector + 1
	.endr
stub_common:
	popw %cs:AT(out_vector)
	popw %cs:AT(out_vector + 2)
	popw %cs:AT(out_vector + 4)
	popw %cs:AT(out_vector + 6)
	jmp end16

	.macro piece name
	.globl r_\name
r_\name:
	.endm

/* ---- what BIOSes are made of ---- */

piece bcd
	mov $0x79, %al
	add $0x35, %al
	daa
	mov %al, %bl
	sub $0x27, %al
	das
	mov %al, %bh
	mov $0x0038, %ax
	add $0x35, %al
	aaa
	mov %ax, %cx
	shl $16, %ecx
	mov $0x0203, %ax
	sub $9, %al
	aas
	mov %ax, %cx
	mov $97, %al
	aam
	mov %ax, %dx
	shl $16, %edx
	mov $0x0907, %ax
	aad
	mov %ax, %dx
	movzwl %bx, %ebx
	mov $0, %eax
	ret

piece far
	lcall $CODE, $AT(far_1)
	pushw %cs
	call far_1
	push $0x1234
	lcall *%cs:AT(far_pointer)
	mov %sp, %dx
	pushw $CODE
	pushw $AT(2f)
	lret
1:	ud2
2:	ljmp *%cs:AT(far_jump)
	ud2
3:	mov $AT(4f), %ax
	jmp *%ax
	ud2
4:	movl $(CODE - 1) << 16, %eax	/* the same byte by another segment */
	movw $AT(5f) + 16, %ax
	push %eax
	lret
5:	mov %cs, %ax
	ljmp $CODE, $AT(6f)
6:	movzwl %ax, %eax
	ret
far_1:	inc %bx
	lret
far_2:	mov %sp, %bp
	mov 4(%bp), %cx
	lret $2
far_pointer: .word AT(far_2), CODE
far_jump: .word AT(3b), CODE

piece int				/* INT 40H, to int_handler */
	push $0x0ed7
	popf
	int $0x40
	pushf
	cli
	cld
	pop %cx
	ret
	.globl int_handler
int_handler:
	pushf
	pop %ax
	mov %sp, %bp
	mov 4(%bp), %bx
	shl $16, %ebx
	mov (%bp), %bx
	sub $AT(r_int), %bx
	xorw $1, 4(%bp)			/* what is returned in CF */
	lea 6(%bp), %dx
	iret

piece int3
	mov $AT(1f), %bp
	int3
1:	ud2
piece into
	mov $0x7f, %al
	into
	add $1, %al
	mov $AT(1f), %bp
	into
1:	ud2
piece div
	mov $AT(1f), %bp
	mov $0x1234, %ax
1:	divb %cl
piece div_large
	mov $AT(1f), %bp
	mov $0x10000, %ebx
	mov $2, %cx
	mov $2, %dx
1:	div %cx
piece bound
	movl $0x00200010, 0x8000
	mov $0x20, %ax
	bound %ax, 0x8000
	mov $0x21, %ax
	mov $AT(1f), %bp
1:	bound %ax, 0x8000
piece ud2
	mov $AT(1f), %bp
1:	ud2
piece lldt
	mov $AT(1f), %bp
1:	lldt %ax
piece sldt
	mov $AT(1f), %bp
1:	sldt %ax
piece ltr
	mov $AT(1f), %bp
1:	ltr %ax
piece lar
	mov $AT(1f), %bp
1:	lar %ax, %bx
piece verr
	mov $AT(1f), %bp
1:	verr %ax
piece arpl
	mov $AT(1f), %bp
1:	.byte 0x63, 0xc0
piece lock
	mov $AT(1f), %bp
1:	.byte 0xf0, 0x90
piece mov_cs
	mov $AT(1f), %bp
1:	.byte 0x8e, 0xc8

piece flags
	push $0x7ed5
	popf
	pushf
	pop %ax
	shl $16, %eax
	pushl $0x00240ed7
	popfl
	pushfl
	pop %ebx
	pushl $2
	popfl
	pushfl
	pop %ecx
	stc
	lahf
	mov %ah, %dl
	mov $0xd5, %ah
	sahf
	lahf
	mov %ah, %dh
	clc
	ret

piece stack
	mov %sp, %cx
	pusha
	popa
	pushal
	popal
	sub %sp, %cx
	mov $0x3000, %ax
	mov %ax, %ss
	mov $2, %sp
	push $0x1122
	push $0x3344			/* at the other end */
	mov %sp, %bx
	mov %ss:(0xfffe), %dx
	shl $16, %edx
	mov %ss:(0), %dx
	pop %ax
	shl $16, %eax
	pop %ax
	lss %cs:AT(1f), %sp
	ret
1:	.word STACK - 2, 0

piece enter
	mov $0x5555, %bp
	mov %sp, %bx
	enter $0x20, $3
	sub %sp, %bx
	mov (%bp), %ax
	leave
	mov %bp, %cx
	ret

piece pointers				/* LDS, LES, LFS, LGS, XLAT */
	movl $0x20003000, 0x8000
	les 0x8000, %di
	mov %es, %ax
	lfs 0x8000, %si
	lgs 0x8000, %bx
	mov %gs, %dx
	xor %dx, %ax
	shl $16, %eax
	movb $0x77, %es:5(%di)
	lds 0x8000, %bx
	mov $5, %al
	xlat
	xor %dx, %dx
	mov %dx, %ds
	movzwl %bx, %ebx
	ret

/* ---- strings ---- */

piece wrap				/* 4 bytes from FFFE on */
	mov $0x3000, %ax
	mov %ax, %es
	movl $0x04030201, 0x8000
	movl $0, %es:0
	movl $0, %es:0xfffc
	mov $0x8000, %si
	mov $0xfffe, %di
	mov $4, %cx
	rep movsb
	mov %es:0xfffc, %eax
	mov %es:0, %ebx
	mov %di, %cx
	shl $16, %ecx
	mov %si, %cx
	ret
piece down
	std
	mov $0x3000, %ax
	mov %ax, %es
	movl $0, %es:0
	movl $0, %es:0xfffc
	mov $1, %di
	mov $4, %cx
	mov $0xab, %al
	rep stosb
	cld
	mov %es:0xfffc, %eax
	mov %es:0, %ebx
	mov %di, %cx
	ret
piece scan
	mov $0x8000, %di
	mov $0x30, %cx
	mov $0x2020, %ax
	rep stosw
	movb $0x41, 0x8021
	mov $0x8000, %di
	mov $0x60, %cx
	mov $0x20, %al
	repe scasb
	mov %cx, %bx
	mov $0x8000, %si
	mov $0x8030, %di
	mov $0x30, %cx
	repe cmpsb
	setb %al
	mov %cx, %dx
	movzwl %bx, %ebx
	movzbl %al, %eax
	xor %cx, %cx
	repne scasb
	ret
piece addr32_rep			/* ECX and ESI count as a whole, CX alone without 67H */
	mov $0x00010003, %ecx
	mov $0x8000, %esi
	mov $0x9800, %edi
	movl $0x44332211, (%si)
	movl $0, (%di)
	rep movsb
	mov %ecx, %eax
	mov $3, %ecx
	mov $0x8000, %esi
	mov $0x9801, %edi
	rep addr32 movsb
	mov 0x9800, %ebx
	mov %edi, %edx
	ret
piece outs
	mov $0x3000, %ax
	mov %ax, %ds
	mov $0xfffe, %si
	mov $4, %cx
	mov $0x80, %dx
	rep outsb
	mov %cx, %ds
	mov %si, %bx
	mov $0x8000, %si
	outsb
	mov %si, %cx
	shl $16, %ebx
	xor %dx, %dx
	xor %eax, %eax
	ret
piece ins				/* from the PIC's mask, then over the end of ES */
	mov $0x3000, %ax
	mov %ax, %es
	mov $0x21, %dx
	movl $0, %es:0
	movl $0, %es:0xfffc
	mov $0xfffe, %di
	mov $3, %cx
	mov $0x5a, %al
	outb %al, %dx
	rep insb
	mov $0xff, %al
	outb %al, %dx
	mov %es:0xfffc, %eax
	mov %es:0, %ebx
	mov %di, %cx
	ret

/* ---- prefixes, code that changes ---- */

piece prefixes
	mov $0x8000, %ebx
	mov $4, %ecx
	movl $0x89abcdef, 0x8020
	mov (%ebx, %ecx, 8), %ax
	shl $16, %eax
	addr32 mov 0x8020, %ax
	leal 0x12345(%ebx, %ecx, 4), %edx
	leaw 0x12345(%ebx, %ecx, 4), %dx
	pushl %edx
	pushw %ax
	popl %ecx
	popw %bx
	calll 1f
	mov $0x00010000, %edi
	jcxz 2f
	xor %edi, %edi
2:	ret
1:	mov %esp, %ebp
	retl
piece loops
	mov $0x00020003, %ecx
1:	inc %ax
	loop 1b
	mov %ecx, %ebx
	mov $0x00000004, %ecx
1:	inc %dx
	addr32 loop 1b
	mov $0x00010000, %ecx
	jcxz 2f
	ud2
2:	jecxz 3f
	ret
3:	ud2
piece selfmod
	mov $8, %cx
1:	movb %cl, %cs:AT(2f) + 1
	jmp 2f
2:	mov $0, %al
	add %al, %bl
	loop 1b
	movb $0x43, %cs:AT(3f)		/* a NOP becomes INC BX */
3:	nop
	movw $0xc3f8, %cs:AT(4f)
	movb $0x90, %cs:AT(3b)
	mov $0x1234, %dx
4:	ud2

/* ---- limits: FFFFH ends every segment ---- */

piece limit_ds
	mov $AT(1f), %bp
	mov $0xffff, %bx
1:	mov (%bx), %ax
	ret
piece limit_ds_byte
	mov $0xffff, %bx
	mov (%bx), %al
	xor %eax, %eax
	xor %ebx, %ebx
	ret
piece limit_32
	mov $AT(1f), %bp
	mov $0x30000, %ebx
1:	mov %al, (%ebx)
	ret
piece limit_rmw
	mov $AT(1f), %bp
	mov $0xfffd, %bx
1:	addl $0, (%bx)
	ret
piece limit_ss
	mov $AT(1f), %edx
	mov $0xffff, %bp
1:	mov (%bp), %ax
	mov $AT(2f), %bp
2:	ret
piece limit_lds
	mov $AT(1f), %bp
	mov $0xfffd, %bx
1:	lds (%bx), %ax
	xor %bx, %bx
	mov %bx, %ds
	ret
piece limit_string
	mov $AT(1f), %bp
	mov $0xfffb, %di
	mov $0x6000, %cx
	mov %cx, %es
	mov $4, %cx
1:	rep stosw
	ret
piece limit_jump
	mov $AT(1f), %bp
	mov $0x12340, %eax
	mov $AT(2f), %dx
1:	jmp *%eax
2:	ret

/* ---- system registers ---- */

piece lidt				/* the IVT elsewhere, and its limit */
	sidtl 0x8000
	mov 0x8000, %bx
	mov 0x8002, %eax
	movw $0x1ff, 0x8010
	movl $0x00004000, 0x8012
	cld
	xor %si, %si
	mov $0x4000, %di
	mov $0x100, %cx
	rep movsw
	movw $AT(2f), 0x4000 + 4 * 0x50
	movw $CODE, 0x4002 + 4 * 0x50
	lidtw 0x8010
	int $0x50
	sidtl 0x8020
	mov 0x8020, %cx
	lidtl %cs:AT(ivt16)
	ret
2:	mov $0x5050, %dx
	iret
piece lidt_limit			/* of vector 80H the last byte is missing: #GP */
	movw $0x202, 0x8010
	movl $0, 0x8012
	lidtw 0x8010
	mov $AT(1f), %bp
1:	int $0x80
piece lgdt				/* 24 bits of the base without 66H */
	movl $0x5678ffff, 0x8000
	movw $0xab12, 0x8004
	lgdtw 0x8000
	sgdtl 0x8010
	mov 0x8012, %eax
	mov 0x8010, %bx
	lgdtl 0x8000
	sgdtl 0x8010
	mov 0x8012, %ecx
	ret
piece lmsw
	smsw %ax
	mov %ax, %bx
	or $1, %ax
	lmsw %ax			/* protected mode, with real mode's segments */
	smsw %cx
	and $~1, %ax
	lmsw %ax
	smsw %dx
	mov %cr0, %eax
	and $~1, %eax
	mov %eax, %cr0
	ljmp $CODE, $AT(1f)
1:	smsw %ax
	and $1, %eax
	and $1, %ebx
	and $1, %ecx
	and $1, %edx
	ret
piece cr0
	mov %cr0, %eax
	mov %eax, %ebx
	or $0x2, %eax
	mov %eax, %cr0
	mov %cr0, %ecx
	mov %ebx, %cr0
	and $1, %ebx
	and $3, %ecx
	clts
	xor %eax, %eax
	ret
piece pg_alone				/* PG without PE: #GP */
	mov $AT(1f), %bp
	mov %cr0, %eax
	or $0x80000000, %eax
1:	mov %eax, %cr0
piece cpuid
	mov %eax, %esi
	mov %ebx, %edi
	xor %eax, %eax
	cpuid
	sub %esi, %eax
	sub %edi, %ebx
	xor %ecx, %ecx
	xor %edx, %edx
	ret
piece fpu				/* with operands in memory: what Plinth's emulator has */
	movw $0x5a5a, 0x8000
	fnstsw 0x8000
	fnstcw 0x8002
	mov 0x8000, %ecx
	movl $-7, 0x8004
	fildl 0x8004
	fimull 0x8004
	fistpl 0x8008
	mov 0x8008, %eax
	fnstsw 0x8000
	mov 0x8000, %bx
	ret

/* ---- unreal mode: EBX is an address above 1 MiB ---- */

load_flat:				/* DS, ES, FS and GS with 4 GiB, base 0 */
	push %eax
	lgdtl %cs:AT(gdt16)
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	mov $0x10, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %fs
	mov %ax, %gs
	mov %cr0, %eax
	and $~1, %al
	mov %eax, %cr0
	xor %ax, %ax
	mov %ax, %ds			/* only selector and base change */
	mov %ax, %es
	pop %eax
	ret
load_small:
	push %eax
	lgdtl %cs:AT(gdt16)
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	mov $0x28, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %fs
	mov %ax, %gs
	mov %cr0, %eax
	and $~1, %al
	mov %eax, %cr0
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %fs
	mov %ax, %gs
	pop %eax
	ret
piece unreal
	call load_flat
	movl $0x12345678, (%ebx)
	mov %fs:(%ebx), %eax
	incw 2(%ebx)
	mov $0x100, %dx
	mov %dx, %ds
	mov -0x1000(%ebx), %ecx
	xor %dx, %dx
	mov %dx, %ds
	call load_small
	xor %ebx, %ebx
	ret
piece unreal_rep			/* copied up and down, with 67H */
	call load_flat
	movl $0x0a0b0c0d, 0x8000
	movl $0x01020304, 0x8004
	mov $0x8000, %esi
	mov %ebx, %edi
	mov $2, %ecx
	rep addr32 movsl
	mov %ebx, %esi
	mov $0x8010, %edi
	mov $8, %ecx
	rep addr32 movsb
	sub %ebx, %esi
	mov %esi, %edx
	call load_small
	mov 0x8010, %eax
	mov 0x8014, %ebx
	ret
piece unreal_int			/* an interrupt and its IRET leave it as it is */
	call load_flat
	push $2
	popf
	movl $0xfeedface, (%ebx)
	push %bx
	push %ebx
	int $0x41
	pop %ebx
	mov (%ebx), %eax
	pop %bx
	call load_small
	xor %ebx, %ebx
	ret
	.globl iret_handler
iret_handler:
	push %ds
	mov $0x2000, %dx
	mov %dx, %ds
	pop %ds
	mov $0x41, %dx
	iret
piece nmi				/* EBX: the local APIC's ICR */
	call load_flat
	mov $0x4400, %eax
	mov %eax, (%ebx)
	mov $100000, %ecx
1:	pause
	test %dx, %dx
	loopz 1b
	call load_small
	xor %eax, %eax
	xor %ebx, %ebx
	xor %ecx, %ecx
	ret
	.globl nmi_handler
nmi_handler:
	inc %dx
	iret

/* ---- interrupts ---- */

start_timer:				/* of the PIT, once, after DX ticks */
	mov $0x30, %al
	outb %al, $0x43
	mov %dl, %al
	outb %al, $0x40
	mov %dh, %al
	outb %al, $0x40
	ret
wait_request:				/* until the PIC asks for IRQ 0 */
	mov $0x0a, %al
	outb %al, $0x20
1:	inb $0x20, %al
	test $1, %al
	jz 1b
	ret
piece timer_hlt
	mov $3, %bp
	xor %bx, %bx
1:	mov $2000, %dx
	call start_timer
	sti
	hlt
	cli
	dec %bp
	jnz 1b
	xor %eax, %eax
	xor %edx, %edx
	ret
	.globl timer_handler
timer_handler:
	inc %bx
	pushf
	pop %cx
	and $0x200, %cx
	push %ax
	mov $0x20, %al
	outb %al, $0x20
	pop %ax
	iret
piece timer_busy
	mov $2000, %dx
	call start_timer
	sti
1:	test %bx, %bx
	jz 1b
	pushf
	cli
	pop %ax
	and $0x200, %eax
	xor %edx, %edx
	ret
piece sti_shadow			/* STI; CLI lets nothing in, STI; NOP; CLI does */
	mov $100, %dx
	call start_timer
	call wait_request
	sti
	cli
	mov %bx, %ax
	sti
	nop
	cli
	mov %bx, %dx
	movzwl %ax, %eax
	ret
piece popf_window			/* POPF has no shadow */
	mov $100, %dx
	call start_timer
	call wait_request
	push $0x202
	popf
	cli
	mov %bx, %dx
	xor %eax, %eax
	ret
piece mov_ss_shadow			/* after STI only its own shadow is sure */
	mov $100, %dx
	call start_timer
	call wait_request
	mov $0x3000, %ax
	sti
	mov %ax, %ss
	mov $0x4000, %sp
	nop
	cli
	mov %sp, %dx
	lss %cs:AT(1f), %sp
	xor %eax, %eax
	ret
1:	.word STACK - 2, 0
piece nested				/* the timer's handler lets another one in */
	mov $2000, %dx
	call start_timer
	sti
	hlt
	cli
	xor %eax, %eax
	ret
	.globl nested_handler, nested_inner
nested_handler:
	shl $4, %bx
	or $1, %bx
	test $0x100, %bx
	jnz 2f
	push %dx
	mov $0x20, %al
	outb %al, $0x20
	mov $500, %dx
	call start_timer
	int $0x42
	sti
	hlt
	cli
	pop %dx
	shl $4, %bx
	or $3, %bx
	iret
2:	mov $0x20, %al
	outb %al, $0x20
	iret
nested_inner:
	shl $4, %bx
	or $2, %bx
	pushf
	pop %cx
	and $0x200, %cx
	iret

/* TF: what steps and what doesn't. EBX counts, EDX is where, four bits each. */
piece step
	mov $AT(1f), %bp
	push $0x102
	popf
1:	nop
	mov %ax, %ss
	nop
	inc %cx
	push $2
	popf
	nop
	xor %eax, %eax
	ret
	.globl step_handler
step_handler:
	push %bp
	push %ax
	mov %sp, %bp
	mov 4(%bp), %ax
	sub 2(%bp), %ax
	shl $4, %edx
	or %al, %dl
	inc %bx
	pop %ax
	pop %bp
	iret

/* ---- to a paged mode and back, each by one MOV to CR0 ---- */

piece walk
	lgdtl %cs:AT(gdt16)
	mov %cr4, %ebp
	movl %cs:AT(walk_cr3 + 4), %eax
	mov %eax, %cr4
	movl %cs:AT(walk_cr3), %eax
	mov %eax, %cr3
	mov $EFER, %ecx
	rdmsr
	or %cs:AT(walk_cr3 + 8), %eax
	wrmsr
	xor %ebx, %ebx
	mov %cr0, %eax
	or $0x80000001, %eax
	mov %eax, %cr0
	ljmpl *%cs:AT(walk_cr3 + 12)
walk_back:
	mov %cr0, %eax
	and $0x7ffffffe, %eax
	mov %eax, %cr0
	ljmp $CODE, $AT(1f)
1:	mov %ebp, %cr4
	mov $EFER, %ecx
	rdmsr
	mov %eax, %esi
	and $~0x900, %eax
	wrmsr
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $STACK - 2, %esp
	mov %edi, %edx
	mov 0x9004, %ecx
	mov %esi, %eax
	and $0x500, %eax
	ret
real_end:

	.code32
	.globl walk32, walk64
walk32:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov X, %ebx
	movl $0x600d, X + 4
	mov %cr0, %edi
	and $0x80000001, %edi
	push %ebx
	call 1f
1:	pop %eax
	pop %ebx
	mov $0x28, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	ljmp $0x20, $AT(walk_back)

	.code64
walk64:	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %ss
	mov $X, %ecx
	mov (%rcx), %ebx
	movl $0x600d, 4(%rcx)
	mov %cr0, %rdi
	and $0x80000001, %edi
	movabs $0x1234567800000000, %r15
	mov $0x28, %eax
	mov %eax, %ds
	mov %eax, %es
	push $0x20
	push $AT(walk_back)
	lretq
	.section .note.GNU-stack, "", @progbits
