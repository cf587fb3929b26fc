/* SPDX-License-Identifier: MIT */
/*
 * What only 32-bit code can raise or use: INTO, BOUND, segment bases, #TS (SDM vol. 3A, chapter 6).
 * Limits and types of segments are left out: QEMU's TCG doesn't check them on access.
 */
#include "guests/lib/guest.h"

enum { DB = 1, BP = 3, OF, BR, TS = 10, NP, SS, GP };

#define RAISES(name, ...) static void name(void *arg) { __asm__ volatile(__VA_ARGS__); }

RAISES(into, "mov $0x7fffffff, %%eax; inc %%eax; into" ::: "eax", "cc")
RAISES(into_clear, "xor %%eax, %%eax; into" ::: "eax", "cc")
RAISES(bound, "pushl $5; pushl $2; mov $6, %%eax; bound %%eax, (%%esp)" ::: "eax")
RAISES(int3, "int3")
RAISES(fs_absent, "mov $0x20, %%eax; mov %%eax, %%fs" ::: "eax")
RAISES(ss_null, "xor %%eax, %%eax; mov %%eax, %%ss" ::: "eax")
RAISES(far_jump_data, "ljmp $0x10, $0")
RAISES(far_jump_null, "ljmp $0, $0")
/* IRET with NT goes back along the TSS's link, which is no TSS. */
RAISES(iret_nt, "pushf; orl $0x4000, (%%esp); popf; iret" ::: "cc")
RAISES(step, "pushf; orl $0x100, (%%esp); popf; nop; nop" ::: "cc")

/* FS begins at 1 MiB, where this image does: with its multiboot header. */
static u32 fs_base_read(void)
{
	u32 v;

	__asm__ volatile("mov $0x18, %%eax; mov %%eax, %%fs; mov %%fs:0, %0" : "=&r"(v) :: "eax");
	return v;
}

void guest_main(u32 magic, u32 info)
{
	check_trap("INTO", into, NULL, OF, 0);
	check("INTO: RIP is behind", *(u8 *)((u32)trap.rip - 1), 0xce);
	check("INTO without OF", (u64)guest_try(into_clear, NULL), 0);
	check_trap("BOUND", bound, NULL, BR, 0);
	check_trap("INT3", int3, NULL, BP, 0);
	check("segment base", fs_base_read(), 0x1badb002);
	check_trap("#NP FS", fs_absent, NULL, NP, 0x20);
	check_trap("null SS", ss_null, NULL, GP, 0);
	check_trap("far jump to data", far_jump_data, NULL, GP, 0x10);
	check_trap("far jump to null", far_jump_null, NULL, GP, 0);
	check_trap("single step", step, NULL, DB, 0);
	check_trap("#TS", iret_nt, NULL, TS, 0);
}
