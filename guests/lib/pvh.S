/* SPDX-License-Identifier: MIT */
/* A PVH note and its entry (Xen, docs/misc/pvh.pandoc). EAX isn't defined there: the entry hands on
 * the magic of the structure that EBX points to, if it is one. */
	.section .note.pvh, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long start_pvh

	.text
	.code32
start_pvh:
	mov (%ebx), %eax
	jmp start
	.section .note.GNU-stack, "", @progbits
