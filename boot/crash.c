/* SPDX-License-Identifier: GPL-2.0-only */
/* Crashes on purpose. */
#include "boot/crash.h"

#include "arch/x86/layout.h"
#include "include/assert.h"

#define NON_CANONICAL	0x8000000000000000ull
/* Nothing is ever mapped so far behind the image's start. */
#define UNMAPPED	(IMAGE_OFFSET + MIB(1536))

static void crash_pf(void)
{
	*(volatile u32 *)(UNMAPPED) = 1;
}

static void crash_ud(void)
{
	asm volatile("ud2");
}

static void crash_gp(void)
{
	asm volatile("movb $0, (%0)" : : "r" (NON_CANONICAL) : "memory");
}

/* Without a stack the page fault can't be delivered. */
static void crash_df(void)
{
	asm volatile("movq %0, %%rsp; push %%rax" : : "r" (UNMAPPED) : "memory");
}

static void crash_nmi(void)
{
	asm volatile("int $2");
}

static void crash_assert(void)
{
	bool true_promise = false;

	assert(true_promise);
}

/* Deep enough to run into the guard page below the stack, from which #DF's own stack saves us. */
static u64 recurse(u64 n)
{
	volatile u8 fill[512];

	if (n == ~0ull)
		return 0;
	fill[n % sizeof(fill)] = (u8)n;
	return n + recurse(n + 1) + fill[0];
}

static void crash_stack(void)
{
	volatile u64 sink = recurse(0);

	(void)sink;
}

void crash(enum forced_crash how)
{
	static void (*const ways[])(void) = {
		[CRASH_PF] = crash_pf, [CRASH_UD] = crash_ud, [CRASH_GP] = crash_gp, [CRASH_DF] = crash_df,
		[CRASH_NMI] = crash_nmi, [CRASH_ASSERT] = crash_assert, [CRASH_STACK] = crash_stack,
	};

	if (how < ARRAY_SIZE(ways) && ways[how])
		ways[how]();
}
