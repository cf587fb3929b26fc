/* SPDX-License-Identifier: GPL-2.0-only */
/* The probe guest's code: see probe_guest.h. Only probe_iret touches memory. */
	.text
	.globl	probe_cpuid, probe_xsetbv, probe_rdtscp, probe_nops, probe_dr7, probe_iret
probe_cpuid:
	cpuid
	ud2
probe_xsetbv:
	xor	%ecx, %ecx
	xgetbv
	xsetbv			/* the value that is there already */
	ud2
probe_rdtscp:
	rdtscp
	ud2
probe_nops:
	nop
	nop
	ud2
probe_dr7:
	mov	$0x401, %eax	/* an instruction breakpoint at DR0 */
	mov	%rax, %dr7
	ud2
probe_iret:
	iretq
	.section .note.GNU-stack, "", @progbits
