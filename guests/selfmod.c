/* SPDX-License-Identifier: MIT */
/* Code that changes itself, directly, through another mapping of its page, and ahead of RIP. */
#include "guests/lib/guest.h"

#define ROUNDS 1000
#define ALIAS  (WINDOW + 0x20000)

static u8 code[2 * PAGE] __attribute__((aligned(4096)));

/* mov $N, %eax; ret */
static void put_return(volatile u8 *at, u32 n)
{
	at[0] = 0xb8;
	*(volatile u32 *)(at + 1) = n;
	at[5] = 0xc3;
}

static u32 call(const u8 *at)
{
	u32 result;

	__asm__ volatile("call *%1" : "=a"(result) : "r"(at) : "memory", "cc");
	return result;
}

static unsigned rounds(u8 *run, volatile u8 *write)
{
	unsigned good = 0;

	for (u32 i = 0; i < ROUNDS; i++) {
		put_return(write, i * 3);
		good += call(run) == i * 3;
	}
	return good;
}

/* movb $0x2a, 1(%rip): changes the operand of the very next instruction, mov $0, %eax; ret */
static u32 next_instruction(void)
{
	static const u8 insns[] = {
		0xc6, 0x05, 0x01, 0, 0, 0, 0x2a, 0xb8, 0, 0, 0, 0, 0xc3
	};

	memcpy(code, insns, sizeof(insns));
	return call(code);
}

void guest_main(u32 magic, u32 info)
{
	map(ALIAS, code, PTE_P | PTE_W);
	map(ALIAS + PAGE, code + PAGE, PTE_P | PTE_W);
	check("changed in place", rounds(code, code), ROUNDS);
	check("changed through another mapping", rounds(code, (volatile u8 *)ALIAS), ROUNDS);
	check("run through another mapping", rounds((u8 *)ALIAS, code), ROUNDS);
	check("across a page end", rounds(code + PAGE - 3, (volatile u8 *)ALIAS + PAGE - 3),
	      ROUNDS);
	check("the next instruction", next_instruction(), 0x2a);
}
