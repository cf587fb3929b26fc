/* SPDX-License-Identifier: MIT */
/* x87, SSE and AVX registers live through thousands of exits of many kinds. */
#include "guests/lib/guest.h"

#define ROUNDS 2000

static u8 before[512] __attribute__((aligned(64))), after[512] __attribute__((aligned(64)));
static u8 ymm_before[16][32] __attribute__((aligned(64)));
static u8 ymm_after[16][32] __attribute__((aligned(64)));

static void make_exits(void)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		cpuid(0, 0);
		inb(0x80);
		rdmsr(0xc0000080);
		(void)*(volatile u32 *)(LAPIC + LAPIC_VERSION);
	}
}

static bool same(const u8 *a, const u8 *b, unsigned from, unsigned to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

static void check_fxsave(void)
{
	__asm__ volatile("fninit; fldpi; fldl2e; fld1");
	__asm__ volatile("fxsave %0" : "=m"(before));
	for (unsigned i = 160; i < 416; i++)
		before[i] = (u8)(i * 7);
	before[24] = 0x80;	/* MXCSR: as after a reset, but rounding up */
	before[25] = 0x5f;
	__asm__ volatile("fxrstor %0" :: "m"(before));
	make_exits();
	__asm__ volatile("fxsave %0" : "=m"(after));
	check_true("x87 registers", same(before, after, 32, 160));
	check("x87 control and status words", *(u32 *)after, *(u32 *)before);
	check_true("XMM registers", same(before, after, 160, 416));
	check("MXCSR", *(u32 *)(after + 24), 0x5f80);
}

#define LOAD(n) __asm__ volatile("vmovdqu %0, %%ymm" #n :: "m"(ymm_before[n]));
#define STORE(n) __asm__ volatile("vmovdqu %%ymm" #n ", %0" : "=m"(ymm_after[n]));
#define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static void check_avx(void)
{
	struct cpuid one = cpuid(1, 0);
	u32 low, high;

	if (!(one.ecx >> 26 & 1) || !(one.ecx >> 28 & 1)) {
		skip("YMM registers", "no AVX");
		skip("XCR0", "no AVX");
		return;
	}
	WRITE_CR(4, READ_CR(4) | 1 << 18);
	__asm__ volatile("xsetbv" :: "c"(0), "a"(7), "d"(0));
	for (unsigned i = 0; i < sizeof(ymm_before); i++)
		ymm_before[i / 32][i % 32] = (u8)(i * 11 + i / 32);
	ALL(LOAD)
	make_exits();
	ALL(STORE)
	check_true("YMM registers", memcmp(ymm_before, ymm_after, sizeof(ymm_before)) == 0);
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	check("XCR0", low, 7);
}

void guest_main(u32 magic, u32 info)
{
	check_fxsave();
	check_avx();
}
