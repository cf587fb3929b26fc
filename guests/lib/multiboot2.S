/* SPDX-License-Identifier: MIT */
/* A multiboot 2 header (Multiboot2 Specification 2.0, 3.1). */
	.section .multiboot, "a"
	.align 8
header:	.long 0xe85250d6, 0, header_end - header, -(0xe85250d6 + (header_end - header))
	.short 1, 0			/* information: command line, modules, memory, map */
	.long 24, 1, 3, 4, 6
	.short 1, 1			/* wishes: ELF sections, RSDP, a network */
	.long 20, 9, 15, 16
	.align 8
	.short 6, 0			/* modules on pages */
	.long 8
	.short 5, 1			/* a wish: a framebuffer */
	.long 20, 640, 480, 32
	.align 8
	.short 0, 0
	.long 8
header_end:
	.section .note.GNU-stack, "", @progbits
