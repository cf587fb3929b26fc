/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world switch of SVM, in line: the compiler then saves just what its function uses, once.
 * APM vol. 2, "VMRUN Instruction"; "VMSAVE and VMLOAD Instructions"; "Global Interrupt Flag".
 */
#pragma once

#include "include/types.h"
#include "include/x86/segment.h"

/*
 * Runs a guest until its next exit. `vmcb` and `host_vmcb` are host physical addresses. The guest's
 * RAX and RSP are in the VMCB, its other general registers in gpr[]. Called and left with
 * interrupts off; STI stands where GIF is clear, so that V_INTR_MASKING lets physical interrupts
 * exit. VMSAVE and VMLOAD stand beside VMRUN: the FS, GS, TR, LDTR, SYSCALL and SYSENTER state of
 * the guest is in its VMCB whenever C code runs, and the host's TR (for the IST stacks) is back
 * before STGI lets an NMI in. Returns `gpr`: the one register that comes out with what it had, for
 * who would not like to spill another.
 */
static inline u64 *svm_enter(u64 gpr[NR_GPRS], u64 vmcb, u64 host_vmcb)
{
	asm volatile(
		"push %%rbp\n\t"
		"push %%rdx\n\t"
		"push %%rdi\n\t"
		"mov 0x08(%%rdi), %%rcx\n\t"
		"mov 0x10(%%rdi), %%rdx\n\t"
		"mov 0x18(%%rdi), %%rbx\n\t"
		"mov 0x28(%%rdi), %%rbp\n\t"
		"mov 0x30(%%rdi), %%rsi\n\t"
		"mov 0x40(%%rdi), %%r8\n\t"
		"mov 0x48(%%rdi), %%r9\n\t"
		"mov 0x50(%%rdi), %%r10\n\t"
		"mov 0x58(%%rdi), %%r11\n\t"
		"mov 0x60(%%rdi), %%r12\n\t"
		"mov 0x68(%%rdi), %%r13\n\t"
		"mov 0x70(%%rdi), %%r14\n\t"
		"mov 0x78(%%rdi), %%r15\n\t"
		"mov 0x38(%%rdi), %%rdi\n\t"
		"clgi\n\t"
		"sti\n\t"
		"vmload %%rax\n\t"
		"vmrun %%rax\n\t"
		"vmsave %%rax\n\t"
		"cli\n\t"
		"xchg %%rdi, (%%rsp)\n\t"
		"mov %%rcx, 0x08(%%rdi)\n\t"
		"mov %%rdx, 0x10(%%rdi)\n\t"
		"mov %%rbx, 0x18(%%rdi)\n\t"
		"mov %%rbp, 0x28(%%rdi)\n\t"
		"mov %%rsi, 0x30(%%rdi)\n\t"
		"pop 0x38(%%rdi)\n\t"
		"mov %%r8,  0x40(%%rdi)\n\t"
		"mov %%r9,  0x48(%%rdi)\n\t"
		"mov %%r10, 0x50(%%rdi)\n\t"
		"mov %%r11, 0x58(%%rdi)\n\t"
		"mov %%r12, 0x60(%%rdi)\n\t"
		"mov %%r13, 0x68(%%rdi)\n\t"
		"mov %%r14, 0x70(%%rdi)\n\t"
		"mov %%r15, 0x78(%%rdi)\n\t"
		"pop %%rax\n\t"
		"vmload %%rax\n\t"
		"stgi\n\t"
		"pop %%rbp"
		: "+a"(vmcb), "+D"(gpr), "+d"(host_vmcb)
		:
		: "rbx", "rcx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
	return gpr;
}
