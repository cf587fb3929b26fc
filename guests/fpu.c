/* SPDX-License-Identifier: MIT */
/*
 * x87, MMX, SSE and AVX registers, MXCSR and XCR0 live through exits of each kind, through faults and
 * interrupts; what XSETBV, XSAVE and CR0.TS mean to a guest (SDM vol. 1, "Managing State Using the
 * XSAVE Feature Set"; vol. 3A, "System Programming for Instruction Set Extensions"). The whole XSAVE
 * image is compared before and after, or FXSAVE's without XSAVE.
 */
#include "guests/lib/guest.h"

#include "include/hypercall.h"

enum { DB = 1, NMI, UD = 6, NM, GP = 13, MF = 16 };

#define ROUNDS		300
#define IMAGE		2816	/* up to PKRU in the standard form */
#define MMIO		0xd0000000ul
#define CR0_TS		0x8ul
#define CR4_OSFXSR	0x200ul
#define CR4_OSXSAVE	0x40000ul
#define TIMER_VECTOR	0x41
#define IPI		0x61
#define ICR_SELF	0x40000u
#define ICR_NMI		0x400u
#define MSR_EFER	0xc0000080u

static u8 before[IMAGE] __attribute__((aligned(64)));
static u8 after[IMAGE] __attribute__((aligned(64)));
static u8 seed[IMAGE] __attribute__((aligned(64)));
static bool has_xsave, has_avx;
static u64 mask;		/* XCR0 as it is used here */

static void xsetbv(u64 value)
{
	__asm__ volatile("xsetbv" :: "c"(0), "a"((u32)value), "d"((u32)(value >> 32)));
}

static u64 xgetbv(u32 index)
{
	u32 low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
	return (u64)high << 32 | low;
}

static void save(u8 *image)
{
	memset(image, 0, IMAGE);
	if (has_xsave)
		__asm__ volatile("xsave64 %0" : "+m"(*(u8 (*)[IMAGE])image)
				 : "a"((u32)mask), "d"(0));
	else
		__asm__ volatile("fxsave64 %0" : "=m"(*(u8 (*)[IMAGE])image));
}

static void restore(const u8 *image)
{
	if (has_xsave)
		__asm__ volatile("xrstor64 %0" :: "m"(*(const u8 (*)[IMAGE])image),
				 "a"((u32)mask), "d"(0));
	else
		__asm__ volatile("fxrstor64 %0" :: "m"(*(const u8 (*)[IMAGE])image));
}

/* Something else in each register. MXCSR rounds up; the x87 stack is half full. */
static void load_pattern(unsigned n)
{
	__asm__ volatile("fninit; fldpi; fldl2e; fld1");
	save(seed);
	for (unsigned i = 160; i < 416; i++)
		seed[i] = (u8)(i * 7 + n);
	seed[24] = 0x80;
	seed[25] = 0x5f;
	for (unsigned i = 576; i < 832 && has_avx; i++)
		seed[i] = (u8)(i * 11 + n);
	if (has_xsave)
		*(u64 *)(seed + 512) = mask;
	restore(seed);
}

/* ---- exits of each kind ---- */

static volatile unsigned events;

static void count(struct frame *f)
{
	events++;
	if (f->vector >= 32)
		lapic_write(LAPIC_EOI, 0);
	if (f->vector == UD)
		f->rip += 2;
	if (f->vector == DB)
		f->rflags &= ~0x100ul;
}

static void do_cpuid(void) { cpuid(1, 0); }
static void do_in(void) { inb(0x21); }
static void do_out(void) { outb(0x80, 0); }
static void do_rdmsr(void) { rdmsr(MSR_EFER); }
static void do_wrmsr(void) { wrmsr(MSR_EFER, rdmsr(MSR_EFER)); }
static void do_load(void) { lapic_read(LAPIC_VERSION); }
static void do_store(void) { lapic_write(LAPIC_TPR, 0); }
static void do_cr0(void) { WRITE_CR(0, READ_CR(0)); }
static void do_cr4(void) { WRITE_CR(4, READ_CR(4)); }
static void do_cr3(void) { WRITE_CR(3, READ_CR(3)); }
static void do_cr8(void) { WRITE_CR(8, 0); }
static void do_clts(void) { __asm__ volatile("clts"); }
static void do_wbinvd(void) { __asm__ volatile("wbinvd"); }
static void do_dr7(void) { __asm__ volatile("mov %0, %%dr7" :: "r"(0x400ul)); }
static void do_ud(void) { __asm__ volatile("ud2"); }

static void do_step(void)
{
	__asm__ volatile("pushf; orq $0x100, (%%rsp); popf; nop" ::: "cc");
}

static void do_outs(void)
{
	u64 at = (u64)seed, n = 4;

	__asm__ volatile("rep outsb" : "+S"(at), "+c"(n) : "d"(0x80));
}

static void do_movs(void)
{
	u64 from = (u64)seed, to = MMIO, n = 4;

	__asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(n) :: "memory");
}

static void do_ipi(void)
{
	lapic_write(LAPIC_ICR, ICR_SELF | IPI);
	__asm__ volatile("sti; nop; cli");
}

static void do_nmi(void)
{
	lapic_write(LAPIC_ICR + 0x10, lapic_read(LAPIC_ID));
	lapic_write(LAPIC_ICR, ICR_NMI);
}

static void do_hlt(void)
{
	lapic_write(LAPIC_TMICT, 20000);
	sti_hlt_cli();
}

/* Memory that was never touched: pages are made present. */
static void do_touch(void)
{
	static u64 next = 64ul << 20;

	*(volatile u8 *)next = 1;
	next += PAGE;
}

static void do_hypercall(void)
{
	if (under_plinth())
		__asm__ volatile("vmmcall" :: "a"(PLINTH_CALL_VERSION) : "memory");
}

static const struct {
	const char *name;
	void (*make)(void);
} kinds[] = {
	{ "CPUID", do_cpuid }, { "IN", do_in }, { "OUT", do_out }, { "RDMSR", do_rdmsr },
	{ "WRMSR", do_wrmsr }, { "MMIO load", do_load }, { "MMIO store", do_store },
	{ "MOV to CR0", do_cr0 }, { "MOV to CR3", do_cr3 }, { "MOV to CR4", do_cr4 },
	{ "MOV to CR8", do_cr8 }, { "CLTS", do_clts }, { "WBINVD", do_wbinvd },
	{ "MOV to DR7", do_dr7 }, { "#UD", do_ud }, { "single step", do_step },
	{ "REP OUTSB", do_outs }, { "REP MOVSL to MMIO", do_movs }, { "self-IPI", do_ipi },
	{ "NMI", do_nmi }, { "HLT", do_hlt }, { "first touch", do_touch },
	{ "hypercall", do_hypercall },
};

/* The number of bytes that differ. */
static unsigned changes(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < IMAGE; i++)
		n += before[i] != after[i];
	return n;
}

static void check_kinds(void)
{
	set_handler(DB, count);
	set_handler(NMI, count);
	set_handler(UD, count);
	set_handler(IPI, count);
	set_handler(TIMER_VECTOR, count);
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_LVTT, TIMER_VECTOR);
	for (unsigned i = 0; i < COUNT(kinds); i++) {
		unsigned changed = 0;

		for (unsigned j = 0; j < ROUNDS; j++) {
			if (j % 50 == 0) {
				load_pattern(i + j);
				save(before);
			}
			kinds[i].make();
			if (j % 50 == 49) {
				save(after);
				changed += changes();
			}
		}
		check_in("kept over", kinds[i].name, changed, 0);
	}
	set_handler(UD, NULL);
	set_handler(DB, NULL);
	check("events came", events >= 4 * ROUNDS, 1);
}

/* ---- a computation with a timer running: its result to the last bit ---- */

static u64 compute(void)
{
	u64 result;

	__asm__ volatile("fninit; fldpi; fld1; mov $200000, %%ecx;"
			 "1: fmul %%st(1), %%st; fsqrt; fld1; faddp; loop 1b;"
			 "sub $8, %%rsp; fstpl (%%rsp); pop %0; fstp %%st"
			 : "=r"(result) :: "ecx", "memory", "cc");
	return result;
}

static u64 compute_sse(void)
{
	u64 result;

	__asm__ volatile("mov $200000, %%ecx; cvtsi2sd %%ecx, %%xmm5; movapd %%xmm5, %%xmm6;"
			 "1: sqrtsd %%xmm5, %%xmm5; addsd %%xmm6, %%xmm5; divsd %%xmm5, %%xmm6;"
			 "addsd %%xmm5, %%xmm6; loop 1b; movq %%xmm5, %0"
			 : "=r"(result) :: "ecx", "cc");
	return result;
}

static void check_computation(void)
{
	u64 quiet, sse;

	restore(seed);
	__asm__ volatile("fninit");
	quiet = compute();
	sse = compute_sse();
	events = 0;
	lapic_write(LAPIC_LVTT, TIMER_VECTOR | 0x20000);
	lapic_write(LAPIC_TMICT, 100000);
	sti();
	check("x87 with a timer", compute(), quiet);
	check("SSE with a timer", compute_sse(), sse);
	cli();
	lapic_write(LAPIC_TMICT, 0);
	check_true("the timer came", events > 0);
}

/* ---- XCR0 ---- */

struct xcr {
	const char *name;
	u32 index;
	u64 value;
};

static void do_xsetbv(void *arg)
{
	const struct xcr *x = arg;

	__asm__ volatile("xsetbv" :: "c"(x->index), "a"((u32)x->value),
			 "d"((u32)(x->value >> 32)));
}

static void check_xcr0(void)
{
	static const struct xcr refused[] = {
		{ "0", 0, 0 }, { "without x87", 0, 2 }, { "bit 63", 0, 1ul << 63 | 7 },
		{ "bit 62", 0, 1ul << 62 | 7 }, { "XCR1", 1, 1 }, { "XCR FFFF_FFFFH", ~0u, 1 },
	};
	/* SDM vol. 2D, "XSETBV": #GP too; QEMU 7.2 doesn't look. */
	static const struct xcr avx_alone = { "AVX without SSE", 0, 5 };
	static const u64 values[] = { 1, 3, 7 };
	static const u64 sizes[] = { 576, 576, 832 };
	static const char *const names[] = { "x87", "x87, SSE", "x87, SSE, AVX" };

	for (unsigned i = 0; i < COUNT(refused); i++)
		check_trap(refused[i].name, do_xsetbv, (void *)&refused[i], GP, 0);
	check("XCR0 is as it was", xgetbv(0), mask);
	tell(avx_alone.name, (u64)guest_try(do_xsetbv, (void *)&avx_alone));
	for (unsigned i = 0; i < (has_avx ? 3 : 2); i++) {
		xsetbv(values[i]);
		do_cpuid();
		check_in("XCR0:", names[i], xgetbv(0), values[i]);
		check_in("size of the area:", names[i], cpuid(0xd, 0).ebx, sizes[i]);
	}
	xsetbv(mask);
}

/* Components that XCR0 leaves out keep their values. */
static void check_off_and_on(void)
{
	if (!has_avx) {
		skip("AVX off and on", "no AVX");
		return;
	}
	load_pattern(5);
	save(before);
	xsetbv(3);
	for (unsigned i = 0; i < ROUNDS; i++)
		do_cpuid();
	xsetbv(mask);
	save(after);
	check("AVX off and on", changes(), 0);
}

/* XRSTOR of a header without components: all is as after a reset. */
static void check_init(void)
{
	load_pattern(3);
	memset(seed, 0, IMAGE);
	*(u32 *)(seed + 24) = 0x1f80;
	restore(seed);
	do_cpuid();
	save(after);
	check("XRSTOR to the initial state: XMM0", *(u64 *)(after + 160), 0);
	check("XRSTOR to the initial state: control word", *(u16 *)after, 0x37f);
	check("XRSTOR to the initial state: tag word", after[4], 0);
}

static void bad_xrstor(void *arg)
{
	*(u64 *)(seed + 512) = (u64)arg;
	restore(seed);
}

static void check_bad_images(void)
{
	memset(seed, 0, IMAGE);
	check_trap("XRSTOR: bit 63 of XSTATE_BV", bad_xrstor, (void *)(1ul << 63), GP, 0);
	check_trap("XRSTOR: a component not in XCR0", bad_xrstor, (void *)(1ul << 5), GP, 0);
	*(u64 *)(seed + 512) = 0;
	*(u64 *)(seed + 520) = 1;
	check_trap("XRSTOR: XCOMP_BV without bit 63", bad_xrstor, (void *)1ul, GP, 0);
	*(u64 *)(seed + 520) = 0;
}

/* ---- TS ---- */

static void fnop(void *arg) { __asm__ volatile("fnop"); }
static void addps(void *arg) { __asm__ volatile("addps %xmm0, %xmm0"); }
static void vaddps(void *arg) { __asm__ volatile("vaddps %ymm0, %ymm0, %ymm0"); }
static void sse_load(void *arg) { __asm__ volatile("movups (%0), %%xmm0" :: "r"(arg)); }
static void sse_store(void *arg) { __asm__ volatile("movups %%xmm0, (%0)" :: "r"(arg)); }

static void check_ts(void)
{
	WRITE_CR(0, READ_CR(0) | CR0_TS);
	check_trap("TS: FNOP", fnop, NULL, NM, 0);
	check_trap("TS: ADDPS", addps, NULL, NM, 0);
	check_trap("TS: MOVUPS from MMIO", sse_load, (void *)MMIO, NM, 0);
	check_trap("TS: MOVUPS to MMIO", sse_store, (void *)MMIO, NM, 0);
	if (has_avx)
		check_trap("TS: VADDPS", vaddps, NULL, NM, 0);
	else
		skip("TS: VADDPS", "no AVX");
	do_cpuid();
	do_in();
	check("TS stays over exits", READ_CR(0) & CR0_TS, CR0_TS);
	__asm__ volatile("clts");
	check("CLTS: FNOP", (u64)guest_try(fnop, NULL), 0);
	WRITE_CR(4, READ_CR(4) & ~CR4_OSFXSR);
	check_trap("OSFXSR clear: MOVUPS from MMIO", sse_load, (void *)MMIO, UD, 0);
	WRITE_CR(4, READ_CR(4) | CR4_OSFXSR);
}

/* ---- vector registers from and to MMIO ---- */

static void check_mmio(void)
{
	u64 byte = *(volatile u8 *)MMIO, all = byte * 0x0101010101010101, low, high, upper = 0;

	load_pattern(9);
	save(before);
	sse_load((void *)MMIO);
	__asm__ volatile("movq %%xmm0, %0; movhlps %%xmm0, %%xmm0; movq %%xmm0, %1"
			 : "=r"(low), "=r"(high));
	check("MOVUPS from MMIO: what is read", low == all && high == all, 1);
	load_pattern(9);
	sse_load((void *)MMIO);
	save(after);
	memcpy(after + 160, before + 160, 16);
	check("MOVUPS from MMIO: nothing else changes", changes(), 0);
	load_pattern(9);
	sse_store((void *)MMIO);
	save(after);
	check("MOVUPS to MMIO: nothing changes", changes(), 0);
	if (!has_avx) {
		skip("VMOVUPS from MMIO", "no AVX");
		return;
	}
	__asm__ volatile("vmovups (%0), %%xmm1" :: "r"(MMIO));
	save(after);
	memcpy(&upper, after + 576 + 16, sizeof(upper));
	check("VMOVUPS XMM from MMIO: the upper half is zero", upper, 0);
	__asm__ volatile("vmovups (%0), %%ymm2" :: "r"(MMIO));
	save(after);
	memcpy(&upper, after + 576 + 32 + 8, sizeof(upper));
	check("VMOVUPS YMM from MMIO: the upper half", upper == all, 1);
}

/* ---- x87 faults ---- */

static void pending_fault(void *arg)
{
	__asm__ volatile("fninit; pushq $0x37b; fldcw (%%rsp); add $8, %%rsp; fld1; fldz; fdivrp"
			 ::: "cc");
	for (unsigned i = 0; i < 10; i++)
		do_cpuid();
	__asm__ volatile("fwait");
}

static void bad_mxcsr(void *arg)
{
	u32 value = 0x10000;

	__asm__ volatile("ldmxcsr %0" :: "m"(value));
}

static void check_faults(void)
{
	check_trap("#MF pending over exits", pending_fault, NULL, MF, 0);
	__asm__ volatile("fninit");
	/* #GP(0); QEMU 7.2 takes any value. */
	tell("LDMXCSR: bit 16", (u64)guest_try(bad_mxcsr, NULL));
	__asm__ volatile("ldmxcsr %0" :: "m"((u32){ 0x1f80 }));
}

void guest_main(u32 magic, u32 info)
{
	has_xsave = cpuid(1, 0).ecx >> 26 & 1;
	has_avx = has_xsave && cpuid(1, 0).ecx >> 28 & 1;
	mask = has_avx ? 7 : 3;
	if (has_xsave) {
		WRITE_CR(4, READ_CR(4) | CR4_OSXSAVE);
		xsetbv(mask);
	}
	check_kinds();
	check_computation();
	check_ts();
	check_mmio();
	check_faults();
	if (!has_xsave) {
		skip("XCR0", "no XSAVE");
		return;
	}
	check_xcr0();
	check_off_and_on();
	check_init();
	check_bad_images();
}
