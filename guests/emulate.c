/* SPDX-License-Identifier: MIT */
/*
 * Instructions of every group on device memory: the LAPIC timer's initial count is 32 bits that
 * keep what is written, the timer being masked; and operands half in memory, half where nothing
 * answers. Expected values from the manual's page of each instruction.
 */
#include "guests/lib/guest.h"

#define UNCLAIMED	0xfe000000ul
#define VALUE		0x81234567u
#define SCRATCH		(*(volatile u32 *)(LAPIC + LAPIC_TMICT))

#define CR4_OSFXSR	0x600ul
#define CR4_OSXSAVE	0x40000ul

static volatile u8 page[PAGE] __attribute__((aligned(4096)));
static bool has_avx;

/* One instruction that changes the register, after STC. */
#define CHANGES(id, insn, expected) do { \
	SCRATCH = VALUE; \
	__asm__ volatile("stc; " insn : "+m"(SCRATCH) : "c"(4), "d"(0xaabbccdd) : "cc", "memory"); \
	check(id, SCRATCH, expected); \
} while (0)

/* One that reads it, into RAX, from RAX and RDX. */
#define READS(id, insn, value, rax, expected) do { \
	u64 a_ = (rax), d_ = 0; \
	SCRATCH = (value); \
	__asm__ volatile("clc; " insn : "+a"(a_), "+d"(d_) : "m"(SCRATCH) : "cc", "memory", "rcx"); \
	check(id, a_, expected); \
} while (0)

static void check_changes(void)
{
	CHANGES("NOT", "notl %0", 0x7edcba98);
	CHANGES("NEG", "negl %0", 0x7edcba99);
	CHANGES("INC", "incl %0", 0x81234568);
	CHANGES("DEC", "decl %0", 0x81234566);
	CHANGES("ADC", "adcl $0x10, %0", 0x81234578);
	CHANGES("SBB", "sbbl $0x10, %0", 0x81234556);
	CHANGES("SHL", "shll %%cl, %0", 0x12345670);
	CHANGES("SHR", "shrl %%cl, %0", 0x08123456);
	CHANGES("SAR", "sarl $4, %0", 0xf8123456);
	CHANGES("ROL", "roll %%cl, %0", 0x12345678);
	CHANGES("ROR", "rorl $4, %0", 0x78123456);
	CHANGES("RCL", "rcll $1, %0", 0x02468acf);
	CHANGES("RCR", "rcrl $1, %0", 0xc091a2b3);
	CHANGES("SHLD", "shldl $8, %%edx, %0", 0x234567aa);
	CHANGES("SHRD", "shrdl $8, %%edx, %0", 0xdd812345);
	CHANGES("BTS", "btsl $3, %0", 0x8123456f);
	CHANGES("BTR", "btrl $0, %0", 0x81234566);
	CHANGES("BTC", "btcl $31, %0", 0x01234567);
	CHANGES("LOCK ADD", "lock addl $1, %0", 0x81234568);
	CHANGES("LOCK NOT", "lock notl %0", 0x7edcba98);
	CHANGES("LOCK BTS", "lock btsl $3, %0", 0x8123456f);
	CHANGES("LOCK DEC", "lock decl %0", 0x81234566);
	CHANGES("XADD", "xaddl %%ecx, %0", 0x8123456b);
	CHANGES("LOCK XADD", "lock xaddl %%ecx, %0", 0x8123456b);
	CHANGES("MOVNTI", "movnti %%edx, %0", 0xaabbccdd);
}

static void divide_by_it(void *arg)
{
	__asm__ volatile("divl %0" : : "m"(SCRATCH), "a"(1), "d"(0) : "cc");
}

static void check_reads(void)
{
	READS("MUL, low half", "mull %2", VALUE, 2, 0x02468ace);
	READS("MUL, high half", "mull %2; mov %%rdx, %%rax", VALUE, 2, 1);
	READS("IMUL, high half", "imull %2; mov %%rdx, %%rax", VALUE, 2, 0xffffffff);
	READS("IMUL of two", "imull %2, %%eax", VALUE, 3, 0x8369d035);
	READS("IMUL of three", "imull $3, %2, %%eax", VALUE, 0, 0x8369d035);
	READS("DIV", "mov $1, %%edx; divl %2", VALUE, 0, 1);
	READS("DIV, rest", "mov $1, %%edx; divl %2; mov %%rdx, %%rax", VALUE, 0, 0x7edcba99);
	READS("IDIV", "cltd; idivl %2", 7, (u32)-100, 0xfffffff2);
	READS("IDIV, rest", "cltd; idivl %2; mov %%rdx, %%rax", 7, (u32)-100, 0xfffffffe);
	SCRATCH = 0;
	check_trap("DIV by 0", divide_by_it, NULL, 0, 0);
	READS("BSF", "bsfl %2, %%eax", 0x81234560, 0, 5);
	READS("BSR", "bsrl %2, %%eax", VALUE, 0, 31);
	READS("BSF of 0 sets ZF", "bsfl %2, %%ecx; setz %%al", 0, 0, 1);
	READS("MOVSXD", "movslq %2, %%rax", VALUE, 0, 0xffffffff81234567);
	READS("CMOVNC", "cmovnc %2, %%eax", VALUE, 0, VALUE);
	READS("CMOVC", "cmovc %2, %%eax", VALUE, 1, 1);
	READS("ADC from", "stc; adcl %2, %%eax", VALUE, 1, 0x81234569);
	READS("CMPXCHG that fails", "cmpxchgl %%ecx, %2", VALUE, 1, VALUE);
	if (cpuid(1, 0).ecx >> 23 & 1)
		READS("POPCNT", "popcntl %2, %%eax", VALUE, 0, 13);
	else
		skip("POPCNT", "this CPU doesn't have it");
}

static void check_exchange(void)
{
	u32 eax = VALUE;
	u8 zf;

	SCRATCH = VALUE;
	__asm__ volatile("lock cmpxchgl %3, %1; setz %2"
			 : "+a"(eax), "+m"(SCRATCH), "=q"(zf) : "r"(0x55aa55aa) : "cc");
	check("CMPXCHG that succeeds", (u64)zf << 32 | SCRATCH, 0x155aa55aa);
	if (!(cpuid(1, 0).ecx >> 22 & 1)) {
		skip("MOVBE to", "this CPU doesn't have it");
		skip("MOVBE from", "this CPU doesn't have it");
		return;
	}
	__asm__ volatile("movbe %1, %0" : "=m"(SCRATCH) : "r"(0x11223344));
	check("MOVBE to", SCRATCH, 0x44332211);
	__asm__ volatile("movbe %1, %0" : "=r"(eax) : "m"(SCRATCH));
	check("MOVBE from", eax, 0x11223344);
}

static void check_bmi(void)
{
	static const char *const ids[] = { "ANDN", "RORX", "SHLX", "PEXT", "PDEP", "MULX" };
	u32 features = cpuid(7, 0).ebx;

	if (!(features >> 3 & 1) || !(features >> 8 & 1)) {
		for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
			skip(ids[i], "this CPU doesn't have it");
		return;
	}
	READS("ANDN", "andnl %2, %%eax, %%eax", VALUE, 0xff, 0x81234500);
	READS("RORX", "rorxl $4, %2, %%eax", VALUE, 0, 0x78123456);
	READS("SHLX", "shlxl %%eax, %2, %%eax", VALUE, 4, 0x12345670);
	READS("PEXT", "pextl %2, %%eax, %%eax", 0xff00ff00, 0x12345678, 0x1256);
	READS("PDEP", "pdepl %2, %%eax, %%eax", 0xff00ff00, 0x1256, 0x12005600);
	READS("MULX", "mov $2, %%edx; mulxl %2, %%ecx, %%eax", VALUE, 0, 1);
}

static void enable_vectors(void)
{
	u32 features = cpuid(1, 0).ecx;
	u64 cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	cr4 |= CR4_OSFXSR;
	has_avx = (features >> 26 & 1) && (features >> 28 & 1);
	if (has_avx)
		cr4 |= CR4_OSXSAVE;
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
	if (has_avx)
		__asm__ volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
}

static void check_sse(void)
{
	u32 features = cpuid(1, 0).ecx;

	READS("MOVD from", "movd %2, %%xmm3; movq %%xmm3, %%rax", VALUE, 0, VALUE);
	READS("MOVSS from", "movss %2, %%xmm14; movq %%xmm14, %%rax", VALUE, 0, VALUE);
	SCRATCH = VALUE;
	CHANGES("MOVD to", "movd %%edx, %%xmm5; movd %%xmm5, %0", 0xaabbccdd);
	CHANGES("MOVSS to", "movd %%edx, %%xmm15; movss %%xmm15, %0", 0xaabbccdd);
	CHANGES("STMXCSR", "stmxcsr %0", 0x1f80);
	READS("LDMXCSR", "ldmxcsr %2; stmxcsr page(%%rip); movl page(%%rip), %%eax", 0x9fc0, 0,
	      0x9fc0);
	READS("LDMXCSR back", "ldmxcsr %2; stmxcsr page(%%rip); movl page(%%rip), %%eax", 0x1f80, 0,
	      0x1f80);
	if (!(features >> 19 & 1)) {
		skip("PINSRD", "this CPU doesn't have SSE4.1");
		skip("PEXTRD", "this CPU doesn't have SSE4.1");
		return;
	}
	READS("PINSRD", "pxor %%xmm1, %%xmm1; pinsrd $1, %2, %%xmm1; movq %%xmm1, %%rax", VALUE, 0,
	      0x8123456700000000);
	CHANGES("PEXTRD", "movd %%edx, %%xmm2; pshufd $0, %%xmm2, %%xmm2; pextrd $3, %%xmm2, %0",
		0xaabbccdd);
}

static void check_avx(void)
{
	static const char *const ids[] = { "VMOVSS", "VBROADCASTSS", "VBROADCASTSS, upper half",
					   "VPMASKMOVD to" };

	if (!has_avx || !(cpuid(7, 0).ebx >> 5 & 1)) {
		for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
			skip(ids[i], "this CPU doesn't have AVX2");
		return;
	}
	READS(ids[0], "vmovss %2, %%xmm9; vmovq %%xmm9, %%rax", VALUE, 0, VALUE);
	READS(ids[1], "vbroadcastss %2, %%ymm9; vmovq %%xmm9, %%rax", VALUE, 0, 0x8123456781234567);
	READS(ids[2], "vbroadcastss %2, %%ymm9; vextractf128 $1, %%ymm9, %%xmm9; vmovq %%xmm9, %%rax",
	      VALUE, 0, 0x8123456781234567);
	/* a mask of one element: the others aren't touched */
	CHANGES(ids[3], "vmovd %%edx, %%xmm8; vpmaskmovd %%ymm8, %%ymm8, %0", 0xaabbccdd);
}

static void check_x87(void)
{
	u32 out = 0;

	__asm__ volatile("fninit");
	SCRATCH = 1000;
	__asm__ volatile("fildl %1; fiaddl %1; fistpl %0" : "=m"(out) : "m"(SCRATCH));
	check("FILD, FIADD", out, 2000);
	SCRATCH = 0x3fc00000;	/* 1.5 */
	__asm__ volatile("flds %1; fadds %1; fstps %0" : "=m"(out) : "m"(SCRATCH));
	check("FLD, FADD", out, 0x40400000);
	out = 0x40490fdb;
	__asm__ volatile("flds %1; fstps %0" : "=m"(SCRATCH) : "m"(out));
	check("FSTP", SCRATCH, 0x40490fdb);
	out = 77;
	__asm__ volatile("fildl %1; fistpl %0" : "=m"(SCRATCH) : "m"(out));
	check("FISTP", SCRATCH, 77);
}

/* What nothing answers reads as ones; the bare emulator reads zeros (guests/mmio.c). */
static void check_ones(const char *id, u64 value, u64 ones)
{
	check(id, value, value == 0 && !under_plinth() ? 0 : ones);
}

/* Memory, and right behind it what isn't: operands that lie in both. */
static void check_borders(void)
{
	u8 *border = (u8 *)(WINDOW + PAGE);
	volatile u64 *both = (volatile u64 *)(border - 4);
	u64 value;

	map(WINDOW, (void *)page, 3);
	map(WINDOW + PAGE, (void *)UNCLAIMED, 3);
	memset((void *)page, 0x11, PAGE);
	value = *both;
	check("MOV over the border, low half", (u32)value, 0x11111111);
	check_ones("MOV over the border, high half", value >> 32, 0xffffffff);
	*both = 0x2233445566778899;
	check("MOV to over the border", *(volatile u32 *)(page + PAGE - 4), 0x66778899);
	__asm__ volatile("lock addl $1, %0" : "+m"(*(volatile u32 *)(border - 2)));
	check("LOCK ADD over the border", *(volatile u16 *)(page + PAGE - 2) != 0x6677, 1);
	memset((void *)page, 0x33, PAGE);
	__asm__ volatile("movups %1, %%xmm1; movq %%xmm1, %0" : "=r"(value) : "m"(border[-8]));
	check("MOVUPS over the border, low half", value, 0x3333333333333333);
	__asm__ volatile("psrldq $8, %%xmm1; movq %%xmm1, %0" : "=r"(value));
	check_ones("MOVUPS over the border, high half", value, ~0ull);
	__asm__ volatile("movq %1, %%xmm1; movlhps %%xmm1, %%xmm1; movups %%xmm1, %0"
			 : "=m"(border[-8]) : "r"(0x4444444444444444) : "memory");
	check("MOVUPS to over the border", *(volatile u64 *)(page + PAGE - 8), 0x4444444444444444);
	__asm__ volatile("movaps %1, %%xmm1; movq %%xmm1, %0" : "=r"(value) : "m"(border[0]));
	check_ones("MOVAPS", value, ~0ull);
	__asm__ volatile("fldt %1; fstpt %0" : "=m"(page[0]) : "m"(border[16]));
	check_ones("FLD of 80 bits", *(volatile u16 *)(page + 8), 0xffff);
}

static void misaligned(void *arg)
{
	__asm__ volatile("movaps %0, %%xmm1" : : "m"(*(u8 *)(UNCLAIMED + 8)));
}

void guest_main(u32 magic, u32 info)
{
	lapic_write(LAPIC_LVTT, 0x10000);	/* masked */
	enable_vectors();
	check_changes();
	check_reads();
	check_exchange();
	check_bmi();
	check_sse();
	check_avx();
	check_x87();
	check_borders();
	check_trap("MOVAPS that isn't aligned", misaligned, NULL, 13, 0);
	SCRATCH = 0;
}
