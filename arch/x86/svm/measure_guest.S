/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probe guest: a few instructions in the host's own address space, each run to its exit by
 * svm_measure(). They touch no memory.
 */
	.text
	.globl	measure_cpuid, measure_xsetbv, measure_rdtscp, measure_shadow, measure_dr7
measure_cpuid:
	cpuid
	vmmcall
measure_xsetbv:
	xor	%ecx, %ecx
	xgetbv
	xsetbv			/* the value that is there already */
	vmmcall
measure_rdtscp:
	rdtscp
	vmmcall
measure_shadow:
	nop
	nop
	vmmcall
measure_dr7:
	mov	$0x401, %eax	/* an instruction breakpoint at DR0 */
	mov	%rax, %dr7
	vmmcall
	.section .note.GNU-stack, "", @progbits
