/* SPDX-License-Identifier: MIT */
/* A multiboot 1 header (Multiboot Specification 0.6.96, 3.1): modules on pages, a memory map. */
	.section .multiboot, "a"
	.align 4
	.long 0x1badb002, 3, -(0x1badb002 + 3)
	.section .note.GNU-stack, "", @progbits
