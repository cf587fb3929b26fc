/* SPDX-License-Identifier: MIT */
/* CPL 3 for 32-bit kernels: a GDT with its segments (numbered as in 64-bit kernels) and an LDT, a
 * TSS with a stack to come back to, and guest_user(). */
#include "guests/lib/accesses.h"

#define TSS 0x38
#define LDT 0x48

static u64 own_gdt[12];
static u32 tss[26];
static u8 trap_stack[8192] __attribute__((aligned(16)));

static u64 system_segment(word base, u32 limit, u64 type)
{
	return limit | (u64)(base & 0xffffff) << 16 | type << 40 | (u64)(base >> 24) << 56;
}

void access_setup(void)
{
	struct { u16 limit; u32 base; } __attribute__((packed)) pointer = {
		sizeof(own_gdt) - 1, (u32)own_gdt
	};

	memcpy(own_gdt, gdt, 5 * sizeof(gdt[0]));
	own_gdt[5] = 0x00cffb000000ffff;	/* 28: code, CPL 3 */
	own_gdt[6] = 0x00cff3000000ffff;	/* 30: data, CPL 3 */
	own_gdt[TSS / 8] = system_segment((word)tss, sizeof(tss) - 1, 0x89);
	tss[1] = (u32)(trap_stack + sizeof(trap_stack));
	tss[2] = 0x10;
	tss[25] = sizeof(tss) << 16;
	__asm__ volatile("lgdt %0; ltr %w1" :: "m"(pointer), "r"(TSS) : "memory");
}

void access_set_ldt(word base)
{
	own_gdt[LDT / 8] = system_segment(base, 0xfff, 0x82);
	__asm__ volatile("lldt %w0" :: "r"(LDT) : "memory");
}

_Noreturn void guest_user(word ip, word sp, word flags, word di)
{
	__asm__ volatile("mov %w4, %%ds; mov %w4, %%es\n\t"
			 "push %4; push %1; push %2; push $0x2b; push %0; iret"
			 :: "r"(ip), "r"(sp), "r"(flags), "D"(di), "a"(0x33) : "memory");
	__builtin_unreachable();
}
