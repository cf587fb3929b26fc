// SPDX-License-Identifier: MIT
/*
 * What unicorn can't be asked: delivery of events through IVT and IDT, error codes, hidden parts of
 * segment registers, virtual-8086 mode, task switches, fast system calls. Expected values from SDM
 * vol. 2 ("INT n/INTO/INT3/INT1", "IRET", each instruction's page) and vol. 3A.
 */
#include "tests/host/flat_machine.c"

#define GDT	0x4000u
#define LDT	0x5000u
#define TSS	0x6000u
#define TSS2	0x6400u
#define IDT	0x7000u
#define STACK	0x9000u
#define INNER	0xa000u		/* top of the stack that the TSS has for level 0 */
#define CODE	0x1000u

enum {
	CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x18, DATA3 = 0x20, TSS_SEL = 0x28, LDT_SEL = 0x38,
	CONFORMING = 0x48, ABSENT = 0x50, TSS2_SEL = 0x58, GATE = 0x60, ABSENT_SS = 0x70,
	CODE32_3 = 0x78, TASK_GATE = 0x80, CODE1 = 0x88,
};

static void load(unsigned reg, u16 selector, u16 attr, u64 base, u32 limit)
{
	m.seg[reg] = (struct segment){ selector, attr, limit, base };
}

/* 32- or 64-bit protected mode at a CPL, with tables in memory. */
static void reset(enum cpu_mode mode, unsigned cpl)
{
	u16 code = mode == CPU_MODE_64 ? 0xa09b : 0xc09b, dpl = cpl << 5;

	memset(memory, 0, sizeof(memory));
	memset(&m, 0, sizeof(m));
	put(GDT + CODE0, make_descriptor(0, 0xfffff, code), 8);
	put(GDT + DATA0, make_descriptor(0, 0xfffff, 0xc093), 8);
	put(GDT + CODE3, make_descriptor(0, 0xfffff, code | 0x60), 8);
	put(GDT + DATA3, make_descriptor(0, 0xfffff, 0xc0f3), 8);
	put(GDT + TSS_SEL, make_descriptor(TSS, 0x67, 0x8b), 8);
	put(GDT + LDT_SEL, make_descriptor(LDT, 0xff, 0x82), 8);
	put(GDT + CONFORMING, make_descriptor(0, 0xfffff, code | 4), 8);
	put(GDT + ABSENT, make_descriptor(0, 0xfffff, code & ~0x80u), 8);
	put(GDT + TSS2_SEL, make_descriptor(TSS2, 0x67, 0x89), 8);
	put(GDT + ABSENT_SS, make_descriptor(0, 0xfffff, 0xc013), 8);
	put(GDT + CODE32_3, make_descriptor(0, 0xfffff, 0xc0fb), 8);
	put(GDT + TASK_GATE, make_gate(TSS2_SEL, 0, 0xe5, 0), 8);
	put(GDT + CODE1, make_descriptor(0, 0xfffff, code | 0x20), 8);
	put(TSS + 4, INNER, 4);
	if (mode != CPU_MODE_64)
		put(TSS + 8, DATA0, 4);
	m.gdt = (struct table){ GDT, 0x1ff };
	m.idt = (struct table){ IDT, 0x7ff };
	m.cr0 = CR0_PE;
	m.efer = mode == CPU_MODE_64 ? EFER_LMA | EFER_LME : 0;
	load(SEG_CS, (cpl ? CODE3 : CODE0) | cpl, code | dpl, 0, 0xffffffff);
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		if (i != SEG_CS)
			load(i, (cpl ? DATA3 : DATA0) | cpl, 0xc093 | dpl, 0, 0xffffffff);
	load(SEG_TR, TSS_SEL, 0x8b, TSS, 0x67);
	load(SEG_LDTR, LDT_SEL, 0x82, LDT, 0xff);
	m.rip = CODE;
	m.rsp = STACK;
	m.rflags = RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF;
	table_first = GDT;
	table_last = IDT + 0xfff;
	implicit_user = 0;
}

static void put_gate(unsigned vector, u64 gate)
{
	unsigned bytes = m.efer & EFER_LMA ? 16 : 8;

	put(IDT + vector * bytes, gate, 8);
}

static enum emulate_status deliver(u8 type, u8 vector, bool has_error, u32 error)
{
	struct event e = { .type = type, .vector = vector, .has_error = has_error, .error = error,
			   .rip = m.rip, .insn_len = 2 };

	before = m;
	call_number++;
	fetched_twice = 0;
	emulate_event(&ops, NULL, m.gpr, code_mode(), &e, &result);
	/* Each byte once; a task's segment registers may share a descriptor. */
	if (result.status == EMULATE_OK && !(m.cr0 & CR0_TS))
		assert_int_equal(fetched_twice, 0);
	return result.status;
}

#define RUN(bytes)	run(bytes, sizeof(bytes) - 1)
#define EXPECT_OK(status) assert_int_equal(status, EMULATE_OK)

/* The fault, and that nothing else has happened. */
#define EXPECT_FAULT(status, exception, code) \
	do { \
		assert_int_equal(status, EMULATE_FAULT); \
		assert_int_equal(result.event.vector, exception); \
		assert_int_equal(result.event.error, code); \
		assert_int_equal(result.event.rip, before.rip); \
		assert_memory_equal(&m, &before, sizeof(m)); \
	} while (0)

static void expect_frame(u64 at, unsigned size, const u64 *values, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_true(take(at + i * size, size) ==
			    (size == 8 ? values[i] : values[i] & ((1ull << 8 * size) - 1)));
}
#define FRAME(at, size, ...) \
	expect_frame(at, size, (u64[]){ __VA_ARGS__ }, \
		     sizeof((u64[]){ __VA_ARGS__ }) / sizeof(u64))

/* --- Real mode --- */

static void reset_real(void)
{
	memset(memory, 0, sizeof(memory));
	memset(&m, 0, sizeof(m));
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		load(i, 0, 0x93, 0, 0xffff);
	m.idt = (struct table){ 0, 0x3ff };
	m.rip = CODE;
	m.rsp = STACK;
	m.rflags = RFLAGS_FIXED | RFLAGS_IF | RFLAGS_TF | RFLAGS_AC | RFLAGS_ZF;
	table_last = 0;
}

static void test_real_mode_int(void **state)
{
	u64 flags;

	reset_real();
	put(4 * 0x21, 0x12345678, 4);
	flags = m.rflags;
	EXPECT_OK(RUN("\xcd\x21"));
	assert_int_equal(result.event.type, EVENT_NONE);	/* INT clears TF: no trap */
	assert_int_equal(m.rip, 0x5678);
	assert_int_equal(m.seg[SEG_CS].selector, 0x1234);
	assert_true(m.seg[SEG_CS].base == 0x12340 && m.seg[SEG_CS].limit == 0xffff);
	assert_int_equal(m.rsp, STACK - 6);
	FRAME(STACK - 6, 2, CODE + 2, 0, flags);
	assert_true(m.rflags == (flags & ~(RFLAGS_IF | RFLAGS_TF | RFLAGS_AC)));
	EXPECT_OK(RUN("\xcf"));					/* IRET: all of them come back … */
	assert_true(m.rip == CODE + 2 && m.rsp == STACK && m.seg[SEG_CS].selector == 0);
	assert_true((u16)m.rflags == (u16)flags);
	assert_true(result.ends_nmi_blocking && result.event.type == EVENT_NONE);
	/* beyond the IVT's limit; no error code in real mode */
	m.idt.limit = 4 * 0x21 + 2;
	EXPECT_FAULT(RUN("\xcd\x21"), EXC_GP, 0);
	assert_false(result.event.has_error);
	/* SP = 2: 4 bytes fit, the rest wraps to the top */
	reset_real();
	m.rsp = 2;
	EXPECT_OK(deliver(EVENT_EXTINT, 8, false, 0));
	assert_true(m.rsp == 0xfffc && m.rip == 0);
	FRAME(0xfffc, 2, CODE, 0);
	assert_false(result.ends_nmi_blocking);
	/* an error code isn't pushed */
	reset_real();
	EXPECT_OK(deliver(EVENT_EXCEPTION, EXC_GP, true, 0x18));
	assert_int_equal(m.rsp, STACK - 6);
	assert_true(take(STACK - 2, 2) == (u16)(RFLAGS_FIXED | RFLAGS_IF | RFLAGS_TF | RFLAGS_ZF));
	/* a fault of the stack leaves memory and registers */
	reset_real();
	m.rsp = 3;
	EXPECT_FAULT(RUN("\xcc"), EXC_SS, 0);
	/* INTO: only with OF, and the next RIP is pushed */
	reset_real();
	EXPECT_OK(RUN("\xce"));
	assert_int_equal(m.rip, CODE + 1);
	m.rflags |= RFLAGS_OF;
	EXPECT_OK(RUN("\xce"));
	assert_int_equal(take(STACK - 6, 2), CODE + 2);
}

static void test_unreal_mode(void **state)
{
	reset_real();
	load(SEG_DS, 0x10, 0xc093, 0, 0xffffffff);
	m.gpr[GPR_RAX] = 0x700;
	EXPECT_OK(RUN("\x8e\xd8"));	/* MOV DS, AX: base and selector alone */
	assert_true(m.seg[SEG_DS].limit == 0xffffffff && m.seg[SEG_DS].attr == 0xc093);
	assert_true(m.seg[SEG_DS].base == 0x7000 && m.seg[SEG_DS].selector == 0x700);
}

/* --- Gates --- */

static void test_interrupt_gate_same_level(void **state)
{
	reset(CPU_MODE_32, 0);
	m.rflags |= RFLAGS_NT | RFLAGS_TF;
	put_gate(0x40, make_gate(CODE0, 0x12345, 0x8e, 0));
	put_gate(0x41, make_gate(CODE0 | 3, 0x12346, 0x8f, 0));
	put_gate(0x42, make_gate(CODE0, 0x22347, 0x86, 0));
	EXPECT_OK(deliver(EVENT_EXTINT, 0x40, false, 0));
	assert_true(m.rip == 0x12345 && m.rsp == STACK - 12 && m.seg[SEG_CS].selector == CODE0);
	FRAME(STACK - 12, 4, CODE, CODE0, RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF | RFLAGS_NT | RFLAGS_TF);
	assert_true(m.rflags == (RFLAGS_FIXED | RFLAGS_CF));
	/* A trap gate leaves IF; an error code comes last; a fault's image has RF. */
	reset(CPU_MODE_32, 0);
	put_gate(EXC_GP, make_gate(CODE0 | 3, 0x12346, 0x8f, 0));
	EXPECT_OK(deliver(EVENT_EXCEPTION, EXC_GP, true, 0xabc));
	assert_true(m.rsp == STACK - 16 && (m.rflags & RFLAGS_IF));
	FRAME(STACK - 16, 4, 0xabc, CODE, CODE0, RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF | RFLAGS_RF);
	assert_int_equal(m.seg[SEG_CS].selector, CODE0);	/* RPL is CPL */
	/* 16 bits */
	reset(CPU_MODE_32, 0);
	put_gate(0x42, make_gate(CODE0, 0x22347, 0x86, 0));
	EXPECT_OK(deliver(EVENT_EXTINT, 0x42, false, 0));
	assert_true(m.rip == 0x2347 && m.rsp == STACK - 6);
	FRAME(STACK - 6, 2, CODE, CODE0, RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF);
	assert_int_equal(implicit_user, 0);
}

static void test_interrupt_gate_inner(void **state)
{
	reset(CPU_MODE_32, 3);
	put_gate(0x80, make_gate(CODE0, 0x1234, 0xee, 0));	/* DPL 3 */
	EXPECT_OK(RUN("\xcd\x80"));
	assert_true(m.rip == 0x1234 && m.rsp == INNER - 20);
	FRAME(INNER - 20, 4, CODE + 2, CODE3 | 3, RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF, STACK,
	      DATA3 | 3);
	assert_true(m.seg[SEG_SS].selector == DATA0 && m.seg[SEG_SS].attr == 0xc093);
	assert_int_equal(get(NULL, EMULATE_CPL), 0);
	assert_int_equal(implicit_user, 0);
	/* back: IRETD to the outer level; data segments of the inner one are taken away */
	load(SEG_DS, DATA0, 0xc093, 0, 0xffffffff);
	EXPECT_OK(RUN("\xcf"));
	assert_true(m.rip == CODE + 2 && m.rsp == STACK && m.seg[SEG_CS].selector == (CODE3 | 3));
	assert_int_equal(get(NULL, EMULATE_CPL), 3);
	assert_true(m.seg[SEG_DS].selector == 0 && !(m.seg[SEG_DS].attr & SEG_ATTR_P));
	assert_int_equal(m.seg[SEG_ES].selector, DATA3 | 3);
	/* a conforming handler stays at CPL 3 */
	put_gate(0x81, make_gate(CONFORMING, 0x1234, 0xee, 0));
	EXPECT_OK(RUN("\xcd\x81"));
	assert_true(m.seg[SEG_CS].selector == (CONFORMING | 3) && m.rsp == STACK - 12);
}

/* EXT is set for what isn't the program's own doing; IDT where a gate is to blame. */
static void test_delivery_errors(void **state)
{
	static const struct {
		u64 gate;
		u8 vector;	/* expected */
		u32 error;	/* without EXT */
	} cases[] = {
		{ 0, EXC_GP, 0x50 << 3 | 2 },				/* no gate */
		{ 0x00008c0000080000, EXC_GP, 0x50 << 3 | 2 },		/* a call gate */
		{ 0x00000e0000080000, EXC_NP, 0x50 << 3 | 2 },		/* absent (DPL 0 at CPL 0) */
		{ 0x00008e0000000000, EXC_GP, 0 },			/* null CS */
		{ 0x00008e0000030000, EXC_GP, 0 },
		{ 0x00008e0007f80000, EXC_GP, 0x7f8 },			/* beyond the GDT */
		{ 0x00008e0000100000, EXC_GP, DATA0 },			/* no code */
		{ 0x00008e0000180000, EXC_GP, CODE3 },			/* outer level */
		{ 0x00008e0000500000, EXC_NP, ABSENT },
		{ 0x00008e00010c0000, EXC_GP, 0x10c },			/* beyond the LDT */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		reset(CPU_MODE_32, 0);
		put_gate(0x50, cases[i].gate);
		EXPECT_FAULT(deliver(EVENT_EXTINT, 0x50, false, 0), cases[i].vector,
			     cases[i].error | 1);
		EXPECT_FAULT(deliver(EVENT_SOFT_INT, 0x50, false, 0), cases[i].vector,
			     cases[i].error);
		EXPECT_FAULT(RUN("\xcd\x50"), cases[i].vector, cases[i].error);
	}
	/* the gate's DPL: for INT n, INT3, INTO, not for others */
	reset(CPU_MODE_32, 3);
	put_gate(1, make_gate(CODE0, 0x1234, 0x8e, 0));
	put_gate(3, make_gate(CODE0, 0x1234, 0x8e, 0));
	EXPECT_FAULT(RUN("\xcc"), EXC_GP, 3 << 3 | 2);
	EXPECT_FAULT(RUN("\xcd\x01"), EXC_GP, 1 << 3 | 2);
	EXPECT_OK(RUN("\xf1"));					/* INT1 */
	assert_int_equal(take(INNER - 20, 4), CODE + 1);
	/* beyond the IDT */
	reset(CPU_MODE_32, 0);
	m.idt.limit = 0x50 * 8 + 6;
	EXPECT_FAULT(deliver(EVENT_EXTINT, 0x50, false, 0), EXC_GP, 0x50 << 3 | 3);
}

static void test_inner_stack_errors(void **state)
{
	static const struct { u16 ss; u8 vector; u32 error; } cases[] = {
		{ 0, EXC_TS, 1 }, { 0x7f8, EXC_TS, 0x7f9 }, { DATA0 | 1, EXC_TS, DATA0 | 1 },
		{ CODE0, EXC_TS, CODE0 | 1 }, { DATA3, EXC_TS, DATA3 | 1 },
		{ ABSENT_SS, EXC_SS, ABSENT_SS | 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		reset(CPU_MODE_32, 3);
		put_gate(0x50, make_gate(CODE0, 0x1234, 0x8e, 0));
		put(TSS + 8, cases[i].ss, 2);
		EXPECT_FAULT(deliver(EVENT_EXTINT, 0x50, false, 0), cases[i].vector,
			     cases[i].error);
	}
	reset(CPU_MODE_32, 3);
	put_gate(0x50, make_gate(CODE0, 0x1234, 0x8e, 0));
	m.seg[SEG_TR].limit = 8;	/* SS0's last byte is at 9 */
	EXPECT_FAULT(deliver(EVENT_EXTINT, 0x50, false, 0), EXC_TS, TSS_SEL | 1);
	/* no room: the whole frame is checked first, nothing of it is written */
	reset(CPU_MODE_32, 3);
	put_gate(0x50, make_gate(CODE0, 0x1234, 0x8e, 0));
	put(GDT + DATA0, make_descriptor(0, INNER - 5, 0x4093), 8);
	EXPECT_FAULT(deliver(EVENT_EXTINT, 0x50, false, 0), EXC_SS, DATA0 | 1);
	put(GDT + DATA0, make_descriptor(0, 0xfffff, 0xc093), 8);
	no_write_first = INNER - 20;
	no_write_last = INNER - 17;
	EXPECT_FAULT(deliver(EVENT_EXTINT, 0x50, false, 0), EXC_PF, ACCESS_WRITE);
	no_write_first = ~0ull;
	no_write_last = 0;
	assert_true(take(INNER - 4, 4) == 0);
	/* the handler's RIP is beyond its segment: #GP(EXT) */
	put(GDT + CODE0, make_descriptor(0, 0x1233, 0x409b), 8);
	EXPECT_FAULT(deliver(EVENT_EXTINT, 0x50, false, 0), EXC_GP, 1);
}

static void test_long_mode_gates(void **state)
{
	u64 flags = RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF;

	reset(CPU_MODE_64, 0);
	m.rsp = STACK + 5;			/* aligned down by 16 */
	put(IDT + 0x30 * 16, make_gate(CODE0, 0x12345678, 0x8e, 0), 8);
	put(IDT + 0x30 * 16 + 8, 0xffff8000, 4);
	EXPECT_OK(deliver(EVENT_EXTINT, 0x30, false, 0));
	assert_true(m.rip == 0xffff800012345678 && m.rsp == STACK - 40);
	FRAME(STACK - 40, 8, CODE, CODE0, flags, STACK + 5, DATA0);
	assert_int_equal(m.seg[SEG_SS].selector, DATA0);
	/* non-canonical handler */
	reset(CPU_MODE_64, 0);
	put(IDT + 0x30 * 16, make_gate(CODE0, 0x12345678, 0x8e, 0), 8);
	put(IDT + 0x30 * 16 + 8, 0x00008000, 4);
	EXPECT_FAULT(deliver(EVENT_EXTINT, 0x30, false, 0), EXC_GP, 1);
	/* from CPL 3: a null SS with the new CPL; the error code below */
	reset(CPU_MODE_64, 3);
	put(IDT + 14 * 16, make_gate(CODE0, 0x2000, 0x8e, 0), 8);
	EXPECT_OK(deliver(EVENT_EXCEPTION, EXC_PF, true, 6));
	assert_true(m.rsp == INNER - 48 && m.seg[SEG_SS].selector == 0);
	assert_int_equal(get(NULL, EMULATE_CPL), 0);
	FRAME(INNER - 48, 8, 6, CODE, CODE3 | 3, flags | RFLAGS_RF, STACK, DATA3 | 3);
	m.rsp += 8;
	EXPECT_OK(RUN("\x48\xcf"));
	assert_true(m.rip == CODE && m.rsp == STACK && m.seg[SEG_SS].selector == (DATA3 | 3));
	assert_true(m.rflags & RFLAGS_RF);
	/* IST, at any level; beyond the TSS: #TS; non-canonical: #SS(EXT) */
	reset(CPU_MODE_64, 0);
	put(TSS + 36 + 8 * 2, 0xb008, 8);
	put(IDT + 2 * 16, make_gate(CODE0, 0x2000, 0x8e, 3), 8);
	EXPECT_OK(deliver(EVENT_NMI, 2, false, 0));
	assert_int_equal(m.rsp, 0xb000 - 40);
	assert_int_equal(take(0xb000 - 16, 8), STACK);
	reset(CPU_MODE_64, 0);
	put(IDT + 2 * 16, make_gate(CODE0, 0x2000, 0x8e, 3), 8);
	m.seg[SEG_TR].limit = 36 + 8 * 3 - 2;
	EXPECT_FAULT(deliver(EVENT_NMI, 2, false, 0), EXC_TS, TSS_SEL | 1);
	m.seg[SEG_TR].limit = 0x67;
	put(TSS + 36 + 8 * 2, 0x800000000000, 8);
	EXPECT_FAULT(deliver(EVENT_NMI, 2, false, 0), EXC_SS, 1);
	/* a 32-bit handler, and task and 16-bit gates, don't exist */
	put(IDT + 2 * 16, make_gate(CODE32_3 & ~3, 0x2000, 0x8e, 0), 8);
	reset(CPU_MODE_64, 0);
	put(IDT + 2 * 16, make_gate(TSS2_SEL, 0, 0x85, 0), 8);
	EXPECT_FAULT(deliver(EVENT_NMI, 2, false, 0), EXC_GP, 2 << 3 | 3);
	/* IRET with NT in long mode: #GP(0) */
	m.rflags |= RFLAGS_NT;
	EXPECT_FAULT(RUN("\x48\xcf"), EXC_GP, 0);
	assert_true(result.ends_nmi_blocking);
	assert_int_equal(implicit_user, 0);
}

/* To compatibility mode and back. */
static void test_compatibility_mode(void **state)
{
	reset(CPU_MODE_64, 0);
	put(STACK - 40, CODE, 8);
	put(STACK - 32, CODE32_3 | 3, 8);
	put(STACK - 24, RFLAGS_FIXED, 8);
	put(STACK - 16, STACK, 8);
	put(STACK - 8, DATA3 | 3, 8);
	m.rsp = STACK - 40;
	EXPECT_OK(RUN("\x48\xcf"));
	assert_int_equal(code_mode(), CPU_MODE_32);
	assert_int_equal(get(NULL, EMULATE_CPL), 3);
	put(IDT + 0x80 * 16, make_gate(CODE0, 0x2000, 0xef, 0), 8);
	m.idt.limit = 0xfff;
	EXPECT_OK(RUN("\xcd\x80"));
	assert_int_equal(code_mode(), CPU_MODE_64);
	FRAME(INNER - 40, 8, CODE + 2, CODE32_3 | 3, RFLAGS_FIXED, STACK, DATA3 | 3);
	/* a 64-bit call gate, 16 bytes of descriptor */
	reset(CPU_MODE_64, 3);
	put(GDT + GATE, make_gate(CODE0, 0x3000, 0xec, 0), 8);
	m.gpr[GPR_RBX] = 0xc000;
	put(0xc004, GATE | 3, 2);
	EXPECT_OK(RUN("\xff\x1b"));
	assert_true(m.rip == 0x3000 && m.rsp == INNER - 32);
	FRAME(INNER - 32, 8, CODE + 2, CODE3 | 3, STACK, DATA3 | 3);
	assert_int_equal(implicit_user, 0);
}

/* --- Hidden parts, accessed bits, shadows --- */

static void test_segment_loads(void **state)
{
	reset(CPU_MODE_32, 0);
	put(GDT + 0x90, make_descriptor(0x12345678, 0x54321, 0x40f2), 8);
	m.gpr[GPR_RAX] = 0x93;
	EXPECT_OK(RUN("\x8e\xd8"));
	assert_true(m.seg[SEG_DS].base == 0x12345678 && m.seg[SEG_DS].limit == 0x54321);
	assert_int_equal(m.seg[SEG_DS].attr, 0x40f3);
	assert_int_equal(memory[GDT + 0x95], 0xf3);		/* accessed, in memory */
	assert_int_equal(result.shadow, EMULATE_NO_SHADOW);
	m.gpr[GPR_RAX] = DATA0;
	m.rflags |= RFLAGS_TF;
	EXPECT_OK(RUN("\x8e\xd0"));				/* MOV SS: no single step */
	assert_int_equal(result.shadow, EMULATE_SHADOW_MOV_SS);
	assert_int_equal(result.event.type, EVENT_NONE);
	EXPECT_OK(RUN("\x8e\xd8"));
	assert_int_equal(result.event.vector, EXC_DB);
	m.rflags &= ~RFLAGS_TF;
	m.gpr[GPR_RAX] = ABSENT_SS;
	EXPECT_FAULT(RUN("\x8e\xd8"), EXC_NP, ABSENT_SS);
	EXPECT_FAULT(RUN("\x8e\xd0"), EXC_SS, ABSENT_SS);
	m.gpr[GPR_RAX] = 0;
	EXPECT_FAULT(RUN("\x8e\xd0"), EXC_GP, 0);
	EXPECT_OK(RUN("\x8e\xd8"));
	assert_true(!(m.seg[SEG_DS].attr & SEG_ATTR_P));
	m.gpr[GPR_RBX] = 0xc000;
	EXPECT_FAULT(RUN("\x8b\x03"), EXC_GP, 0);		/* through a null DS */
	m.gpr[GPR_RAX] = 0x10c;
	EXPECT_FAULT(RUN("\x8e\xd8"), EXC_GP, 0x10c);
	/* the table may not be written: a #PF of the accessed bit */
	put(GDT + 0x90, make_descriptor(0, 0xfffff, 0xc092), 8);
	m.gpr[GPR_RAX] = 0x90;
	no_write_first = GDT;
	no_write_last = GDT + 0x1ff;
	EXPECT_FAULT(RUN("\x8e\xd8"), EXC_PF, ACCESS_WRITE);
	no_write_first = ~0ull;
	no_write_last = 0;
	/* STI: a shadow if IF was clear */
	EXPECT_OK(RUN("\xfb"));
	assert_int_equal(result.shadow, EMULATE_NO_SHADOW);
	EXPECT_OK(RUN("\xfa"));
	EXPECT_OK(RUN("\xfb"));
	assert_int_equal(result.shadow, EMULATE_SHADOW_STI);
	assert_int_equal(implicit_user, 0);
}

static void test_ltr_lldt(void **state)
{
	reset(CPU_MODE_32, 0);
	m.gpr[GPR_RAX] = TSS2_SEL;
	EXPECT_OK(RUN("\x0f\x00\xd8"));
	assert_true(m.seg[SEG_TR].base == TSS2 && m.seg[SEG_TR].attr == 0x8b);
	assert_int_equal(memory[GDT + TSS2_SEL + 5], 0x8b);
	EXPECT_FAULT(RUN("\x0f\x00\xd8"), EXC_GP, TSS2_SEL);	/* busy */
	EXPECT_FAULT(RUN("\x0f\x00\xd0"), EXC_GP, TSS2_SEL);	/* LLDT of a TSS */
	m.gpr[GPR_RAX] = 4;
	EXPECT_FAULT(RUN("\x0f\x00\xd0"), EXC_GP, 4);		/* in the LDT */
	m.gpr[GPR_RAX] = 3;
	EXPECT_OK(RUN("\x0f\x00\xd0"));
	assert_true(m.seg[SEG_LDTR].selector == 3 && !(m.seg[SEG_LDTR].attr & SEG_ATTR_P));
	/* 16 bytes in long mode: the base's upper half; beyond the limit */
	reset(CPU_MODE_64, 0);
	put(GDT + TSS2_SEL + 8, 0xffff8000, 8);
	m.gpr[GPR_RAX] = TSS2_SEL;
	EXPECT_OK(RUN("\x0f\x00\xd8"));
	assert_true(m.seg[SEG_TR].base == 0xffff800000000000 + TSS2);
	reset(CPU_MODE_64, 0);
	m.gdt.limit = TSS2_SEL + 14;
	m.gpr[GPR_RAX] = TSS2_SEL;
	EXPECT_FAULT(RUN("\x0f\x00\xd8"), EXC_GP, TSS2_SEL);
	/* real mode has none of them */
	reset_real();
	EXPECT_FAULT(RUN("\x0f\x00\xd8"), EXC_UD, 0);
	EXPECT_FAULT(RUN("\x0f\x02\xc0"), EXC_UD, 0);
	EXPECT_FAULT(RUN("\x63\xc0"), EXC_UD, 0);
}

/* --- Call gates with a change of level --- */

static void test_call_gate_parameters(void **state)
{
	reset(CPU_MODE_32, 3);
	put(GDT + GATE, make_gate(CODE0, 0x1234, 0xec, 3), 8);
	FRAME(STACK, 4, 0);
	put(STACK, 0x11, 4);
	put(STACK + 4, 0x22, 4);
	put(STACK + 8, 0x33, 4);
	EXPECT_OK(RUN("\x9a\0\0\0\0\x63\0"));
	assert_true(m.rip == 0x1234 && m.rsp == INNER - 28);
	FRAME(INNER - 28, 4, CODE + 7, CODE3 | 3, 0x11, 0x22, 0x33, STACK, DATA3 | 3);
	assert_int_equal(m.seg[SEG_CS].selector, CODE0);
	EXPECT_OK(RUN("\xca\x0c\0"));			/* RETF 12: both stacks lose them */
	assert_true(m.rip == CODE + 7 && m.rsp == STACK + 12 && get(NULL, EMULATE_CPL) == 3);
	/* errors name the gate, the code segment, the stack */
	put(GDT + GATE, make_gate(CODE0, 0x1234, 0x8c, 3), 8);
	EXPECT_FAULT(RUN("\x9a\0\0\0\0\x63\0"), EXC_GP, GATE);
	put(GDT + GATE, make_gate(CODE0, 0x1234, 0x6c, 3), 8);
	EXPECT_FAULT(RUN("\x9a\0\0\0\0\x63\0"), EXC_NP, GATE);
	put(GDT + GATE, make_gate(ABSENT, 0x1234, 0xec, 3), 8);
	EXPECT_FAULT(RUN("\x9a\0\0\0\0\x63\0"), EXC_NP, ABSENT);
	put(GDT + GATE, make_gate(CODE0, 0x1234, 0xec, 3), 8);
	EXPECT_FAULT(RUN("\xea\0\0\0\0\x63\0"), EXC_GP, CODE0);	/* JMP can't go inward */
	put(TSS + 8, ABSENT_SS, 2);
	EXPECT_FAULT(RUN("\x9a\0\0\0\0\x63\0"), EXC_SS, ABSENT_SS);
	assert_int_equal(implicit_user, 0);
}

/* --- Virtual-8086 mode --- */

static void reset_v86(unsigned iopl)
{
	reset(CPU_MODE_32, 0);
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		load(i, 0x100 + i, 0xf3, (0x100 + i) << 4, 0xffff);
	m.rflags |= RFLAGS_VM | iopl << 12;
	m.rip = 0x20;
	m.rsp = 0x8000;
}

static void test_v86(void **state)
{
	u64 flags;

	reset_v86(0);
	flags = m.rflags;
	put_gate(EXC_GP, make_gate(CODE0, 0x1234, 0x8e, 0));
	EXPECT_FAULT(RUN("\xcd\x21"), EXC_GP, 0);
	EXPECT_FAULT(RUN("\x9c"), EXC_GP, 0);
	EXPECT_FAULT(RUN("\x9d"), EXC_GP, 0);
	EXPECT_FAULT(RUN("\xfa"), EXC_GP, 0);
	EXPECT_FAULT(RUN("\xcf"), EXC_GP, 0);
	EXPECT_OK(deliver(EVENT_EXCEPTION, EXC_GP, true, 0));
	assert_true(m.rsp == INNER - 40 && m.rip == 0x1234 && !(m.rflags & RFLAGS_VM));
	FRAME(INNER - 40, 4, 0, 0x20, 0x101, flags | RFLAGS_RF, 0x8000, 0x102, 0x100, 0x103, 0x104,
	      0x105);
	assert_true(m.seg[SEG_DS].selector == 0 && m.seg[SEG_SS].selector == DATA0);
	m.rsp += 4;
	EXPECT_OK(RUN("\xcf"));				/* and back */
	assert_true(m.rflags == (flags | RFLAGS_RF) && m.rsp == 0x8000 && m.rip == 0x20);
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		assert_true(m.seg[i].selector == 0x100 + i && m.seg[i].base == (0x100 + i) << 4 &&
			    m.seg[i].attr == 0xf3 && m.seg[i].limit == 0xffff);
	/* a handler at another level than 0 */
	put_gate(0x50, make_gate(CODE1, 0x1234, 0x8e, 0));
	put(TSS + 8 + 8, DATA0 | 1, 4);
	EXPECT_FAULT(deliver(EVENT_EXTINT, 0x50, false, 0), EXC_GP, CODE1 | 1);
	/* IOPL 3: PUSHF as it is, IRET leaves IOPL */
	reset_v86(3);
	EXPECT_OK(RUN("\x9c"));
	assert_int_equal(take(0x1020 + 0x7ffe, 2), (u16)m.rflags);
	EXPECT_OK(RUN("\x9d"));
	assert_true(m.rflags == before.rflags);
	put(0x1020 + 0x8000, 0x40, 2);
	put(0x1020 + 0x8002, 0x55, 2);
	put(0x1020 + 0x8004, 0, 2);
	EXPECT_OK(RUN("\xcf"));
	assert_true(m.rip == 0x40 && m.seg[SEG_CS].base == 0x550);
	assert_true(m.rflags == (RFLAGS_FIXED | RFLAGS_VM | RFLAGS_IOPL));
}

/* SDM vol. 3B, "Virtual-8086 Mode Extensions": VIF stands for IF, the bitmap redirects. */
static void test_v86_extensions(void **state)
{
	reset_v86(0);
	m.cr4 = CR4_VME;
	EXPECT_OK(RUN("\xfb"));
	assert_true((m.rflags & RFLAGS_VIF) && result.shadow == EMULATE_NO_SHADOW);
	EXPECT_OK(RUN("\x9c"));				/* PUSHF: IF is VIF, IOPL is 3 */
	assert_int_equal(take(0x1020 + m.rsp, 2),
			 RFLAGS_FIXED | RFLAGS_CF | RFLAGS_IF | RFLAGS_IOPL);
	EXPECT_OK(RUN("\xfa"));
	assert_true(!(m.rflags & RFLAGS_VIF) && (m.rflags & RFLAGS_IF));
	EXPECT_OK(RUN("\x9d"));
	assert_true((m.rflags & RFLAGS_VIF) && !(m.rflags & RFLAGS_IOPL));
	m.rflags |= RFLAGS_VIP;
	EXPECT_FAULT(RUN("\xfb"), EXC_GP, 0);
	EXPECT_FAULT(RUN("\x66\x9c"), EXC_GP, 0);
	m.rflags &= ~RFLAGS_VIP;
	/* INT 21H by the program's own table: a clear bit in the 32 bytes below the I/O bitmap */
	m.seg[SEG_TR].limit = 0xff;
	put(TSS + 102, 0x88, 2);
	put(4 * 0x21, 0x02220111, 4);
	table_last = 0;
	EXPECT_OK(RUN("\xcd\x21"));
	assert_true(m.rip == 0x111 && m.seg[SEG_CS].selector == 0x222);
	assert_true((m.rflags & RFLAGS_VM) && !(m.rflags & RFLAGS_VIF) && (m.rflags & RFLAGS_IF));
	assert_true(take(0x1020 + m.rsp + 4, 2) & RFLAGS_IF);
	put(TSS + 0x88 - 32 + 0x21 / 8, 1 << (0x21 % 8), 1);
	EXPECT_FAULT(RUN("\xcd\x21"), EXC_GP, 0);
	/* protected mode: PVI at CPL 3 */
	reset(CPU_MODE_32, 3);
	EXPECT_FAULT(RUN("\xfa"), EXC_GP, 0);
	m.cr4 = CR4_PVI;
	m.rflags |= RFLAGS_VIF;
	EXPECT_OK(RUN("\xfa"));
	assert_true(!(m.rflags & RFLAGS_VIF));
}

/* --- Task switches --- */

static void put_task(u32 eip, u32 flags, u16 cs, u16 ss, u16 data)
{
	for (unsigned i = 0; i < 8; i++)
		put(TSS2 + 40 + 4 * i, 0x1000 * i + 0x77, 4);
	put(TSS2 + 56, 0xb000, 4);
	put(TSS2 + 32, eip, 4);
	put(TSS2 + 36, flags, 4);
	put(TSS2 + 72, data, 2);
	put(TSS2 + 76, cs, 2);
	put(TSS2 + 80, ss, 2);
	for (unsigned i = 84; i <= 92; i += 4)
		put(TSS2 + i, data, 2);
	put(TSS2 + 96, LDT_SEL, 2);
}

static void test_task_call_and_return(void **state)
{
	reset(CPU_MODE_32, 0);
	put_task(0x2345, RFLAGS_FIXED | RFLAGS_ZF, CODE3 | 3, DATA3 | 3, DATA3 | 3);
	m.gpr[GPR_RSI] = 0x5151;
	m.dr7 = 0x455;
	EXPECT_OK(RUN("\x9a\0\0\0\0\x58\0"));		/* CALL TSS2 */
	assert_true(m.rip == 0x2345 && m.rsp == 0xb000 && m.gpr[GPR_RDX] == 0x2077);
	assert_true(m.rflags == (RFLAGS_FIXED | RFLAGS_ZF | RFLAGS_NT) && (m.cr0 & CR0_TS));
	assert_true(m.seg[SEG_CS].selector == (CODE3 | 3) && m.seg[SEG_CS].limit == 0xffffffff);
	assert_true(m.seg[SEG_GS].selector == (DATA3 | 3) && m.seg[SEG_GS].attr == 0xc0f3);
	assert_true(m.seg[SEG_TR].selector == TSS2_SEL && m.seg[SEG_TR].attr == 0x8b);
	assert_int_equal(get(NULL, EMULATE_CPL), 3);
	assert_int_equal(m.dr7, 0x400);			/* L0 to L3 and LE are the old task's */
	assert_int_equal(take(TSS2, 2), TSS_SEL);	/* the link */
	assert_int_equal(memory[GDT + TSS2_SEL + 5], 0x8b);
	assert_int_equal(memory[GDT + TSS_SEL + 5], 0x8b);	/* nested: both are busy */
	assert_int_equal(take(TSS + 32, 4), CODE + 7);
	assert_true(take(TSS + 36, 4) == (RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF));
	assert_int_equal(take(TSS + 64, 4), 0x5151);
	assert_int_equal(take(TSS + 56, 4), STACK);
	assert_int_equal(take(TSS + 76, 2), CODE0);
	EXPECT_OK(RUN("\xcf"));				/* IRET with NT */
	assert_true(m.rip == CODE + 7 && m.rsp == STACK && m.gpr[GPR_RSI] == 0x5151);
	assert_true(m.rflags == (RFLAGS_FIXED | RFLAGS_IF | RFLAGS_CF));
	assert_int_equal(m.seg[SEG_TR].selector, TSS_SEL);
	assert_int_equal(memory[GDT + TSS2_SEL + 5], 0x89);
	assert_int_equal(take(TSS2 + 36, 4) & RFLAGS_NT, 0);
	assert_int_equal(implicit_user, 0);
}

static void test_task_jump_and_gate(void **state)
{
	reset(CPU_MODE_32, 0);
	put_task(0x2345, RFLAGS_FIXED, CODE0, DATA0, DATA0);
	put(TSS2 + 100, 1, 1);				/* T */
	EXPECT_OK(RUN("\xea\0\0\0\0\x80\0"));		/* JMP by a task gate */
	assert_true(m.rip == 0x2345 && !(m.rflags & RFLAGS_NT));
	assert_int_equal(memory[GDT + TSS_SEL + 5], 0x89);
	assert_true(result.event.vector == EXC_DB && result.event.payload == DR6_BT);
	EXPECT_FAULT(RUN("\xea\0\0\0\0\x58\0"), EXC_GP, TSS2_SEL);	/* busy */
	/* an exception by a task gate: its error code is on the new stack, RF is in the saved image */
	reset(CPU_MODE_32, 3);
	put_task(0x2345, RFLAGS_FIXED, CODE0, DATA0, DATA0);
	put_gate(EXC_GP, make_gate(TSS2_SEL, 0, 0x85, 0));
	EXPECT_OK(deliver(EVENT_EXCEPTION, EXC_GP, true, 0x123));
	assert_true(m.rsp == 0xaffc && take(0xaffc, 4) == 0x123 && (m.rflags & RFLAGS_NT));
	assert_true(take(TSS + 36, 4) & RFLAGS_RF);
	assert_int_equal(take(TSS + 32, 4), CODE);
	/* too small; absent */
	reset(CPU_MODE_32, 0);
	put(GDT + TSS2_SEL, make_descriptor(TSS2, 0x66, 0x89), 8);
	EXPECT_FAULT(RUN("\x9a\0\0\0\0\x58\0"), EXC_TS, TSS2_SEL);
	put(GDT + TSS2_SEL, make_descriptor(TSS2, 0x67, 0x09), 8);
	EXPECT_FAULT(RUN("\x9a\0\0\0\0\x58\0"), EXC_NP, TSS2_SEL);
	/* IRET with NT to what isn't busy */
	m.rflags |= RFLAGS_NT;
	put(TSS, TSS2_SEL, 2);
	EXPECT_FAULT(RUN("\xcf"), EXC_TS, TSS2_SEL);
}

/* Once the switch has happened its faults are those of the new task's first instruction. */
static void test_task_faults_inside(void **state)
{
	reset(CPU_MODE_32, 0);
	put_task(0x2345, RFLAGS_FIXED, CODE0, ABSENT_SS, DATA0);
	before = m;
	assert_int_equal(RUN("\x9a\0\0\0\0\x58\0"), EMULATE_FAULT);
	assert_true(result.event.vector == EXC_SS && result.event.error == ABSENT_SS);
	assert_true(result.event.rip == 0x2345 && m.rip == 0x2345);
	assert_true(m.seg[SEG_TR].selector == TSS2_SEL && m.gpr[GPR_RDX] == 0x2077);
	reset(CPU_MODE_32, 0);
	put_task(0x2345, RFLAGS_FIXED, CODE0 | 3, DATA3 | 3, DATA0);
	assert_int_equal(RUN("\x9a\0\0\0\0\x58\0"), EMULATE_FAULT);
	assert_true(result.event.vector == EXC_TS && result.event.error == CODE0);
	/* a 16-bit TSS; registers' upper halves are nobody's */
	reset(CPU_MODE_32, 0);
	put(GDT + TSS2_SEL, make_descriptor(TSS2, 0x2b, 0x81), 8);
	put(TSS2 + 14, 0x2345, 2);
	put(TSS2 + 16, RFLAGS_FIXED, 2);
	put(TSS2 + 26, 0xb000, 2);
	put(TSS2 + 36, CODE0, 2);
	put(TSS2 + 38, DATA0, 2);
	EXPECT_OK(RUN("\x9a\0\0\0\0\x58\0"));
	assert_true(m.rip == 0x2345 && (u16)m.rsp == 0xb000);
	assert_int_equal(m.seg[SEG_FS].selector, 0);
}

/* --- Fast system calls --- */

/* Where Intel's manual says otherwise than AMD's. */
#define INTEL (EMULATE_HAS_FAR_64 | EMULATE_SYSCALL_64_ONLY | EMULATE_SYSRET_CHECKS | EMULATE_SYSENTER_LONG)

static void test_syscall(void **state)
{
	reset(CPU_MODE_64, 3);
	EXPECT_FAULT(RUN("\x0f\x05"), EXC_UD, 0);
	m.efer |= EFER_SCE;
	m.star = 0x0023000800000000 | 0x1234;
	m.lstar = 0xffff800000001000;
	m.cstar = 0xffff800000002000;
	m.sfmask = RFLAGS_IF | RFLAGS_TF;
	m.rflags |= RFLAGS_TF | RFLAGS_RF;
	EXPECT_OK(RUN("\x0f\x05"));
	assert_true(m.rip == 0xffff800000001000 && m.gpr[GPR_RCX] == CODE + 2);
	assert_true(m.gpr[GPR_R11] == (before.rflags & ~RFLAGS_RF));
	assert_true(m.rflags == (RFLAGS_FIXED | RFLAGS_CF));
	assert_int_equal(result.event.type, EVENT_NONE);	/* TF was masked */
	assert_true(m.seg[SEG_CS].selector == 8 && m.seg[SEG_CS].attr == 0xa09b);
	assert_true(m.seg[SEG_SS].selector == 0x10 && m.seg[SEG_SS].limit == 0xffffffff);
	EXPECT_OK(RUN("\x48\x0f\x07"));				/* SYSRET */
	assert_true(m.rip == CODE + 2 && m.seg[SEG_CS].selector == (0x33 | 3));
	assert_true(m.seg[SEG_SS].selector == 0x2b && get(NULL, EMULATE_CPL) == 3);
	assert_true(m.rflags == (before.gpr[GPR_R11] & ~RFLAGS_RF));
	assert_int_equal(result.event.vector, EXC_DB);		/* TF is back */
	/* SYSRETL, and a non-canonical return: #GP on Intel's, nothing on AMD's */
	reset(CPU_MODE_64, 0);
	m.efer |= EFER_SCE;
	m.star = 0x0023000800000000;
	m.gpr[GPR_RCX] = 0x800000000000;
	m.features = INTEL;
	EXPECT_FAULT(RUN("\x48\x0f\x07"), EXC_GP, 0);
	m.features = 0;
	EXPECT_OK(RUN("\x48\x0f\x07"));
	assert_true(m.rip == 0x800000000000);
	reset(CPU_MODE_64, 0);
	m.efer |= EFER_SCE;
	m.star = 0x0023000800000000;
	m.gpr[GPR_RCX] = 0xffffffff00001000;
	EXPECT_OK(RUN("\x0f\x07"));
	assert_true(m.rip == 0x1000 && m.seg[SEG_CS].selector == 0x23 && code_mode() == CPU_MODE_32);
	/* compatibility mode: CSTAR on AMD's, #UD on Intel's */
	m.cstar = 0xffff800000002000;
	m.features = INTEL;
	EXPECT_FAULT(RUN("\x0f\x05"), EXC_UD, 0);
	m.features = 0;
	EXPECT_OK(RUN("\x0f\x05"));
	assert_true(m.rip == 0xffff800000002000 && code_mode() == CPU_MODE_64);
}

static void test_sysenter(void **state)
{
	reset(CPU_MODE_32, 3);
	EXPECT_FAULT(RUN("\x0f\x34"), EXC_GP, 0);
	m.sysenter_cs = 0x08;
	m.sysenter_esp = 0x12345678;
	m.sysenter_eip = 0x2000;
	EXPECT_OK(RUN("\x0f\x34"));
	assert_true(m.rip == 0x2000 && m.rsp == 0x12345678 && m.rflags == (RFLAGS_FIXED | RFLAGS_CF));
	assert_true(m.seg[SEG_CS].selector == 8 && m.seg[SEG_SS].selector == 0x10);
	assert_int_equal(get(NULL, EMULATE_CPL), 0);
	m.gpr[GPR_RDX] = 0x3000;
	m.gpr[GPR_RCX] = 0x4000;
	EXPECT_OK(RUN("\x0f\x35"));
	assert_true(m.rip == 0x3000 && m.rsp == 0x4000 && m.seg[SEG_CS].selector == 0x1b);
	assert_true(m.seg[SEG_SS].selector == 0x23 && get(NULL, EMULATE_CPL) == 3);
	EXPECT_FAULT(RUN("\x0f\x35"), EXC_GP, 0);
	/* long mode: Intel's only */
	reset(CPU_MODE_64, 0);
	m.sysenter_cs = 0x08;
	EXPECT_FAULT(RUN("\x0f\x35"), EXC_UD, 0);
	m.features = INTEL;
	m.gpr[GPR_RDX] = 0x800000000000;
	EXPECT_FAULT(RUN("\x48\x0f\x35"), EXC_GP, 0);
	m.gpr[GPR_RDX] = 0x7000;
	EXPECT_OK(RUN("\x48\x0f\x35"));
	assert_true(m.seg[SEG_CS].selector == (0x28 | 3) && code_mode() == CPU_MODE_64);
}

static void test_other_system(void **state)
{
	reset(CPU_MODE_64, 0);
	m.kernel_gs_base = 0xffff800000001000;
	m.seg[SEG_GS].base = 0x7000;
	EXPECT_OK(RUN("\x0f\x01\xf8"));				/* SWAPGS */
	assert_true(m.seg[SEG_GS].base == 0xffff800000001000 && m.kernel_gs_base == 0x7000);
	EXPECT_FAULT(RUN("\xf3\x0f\xae\xc0"), EXC_UD, 0);	/* RDFSBASE without CR4.FSGSBASE */
	m.cr4 = CR4_FSGSBASE;
	m.gpr[GPR_RAX] = 0x800000000000;
	EXPECT_FAULT(RUN("\xf3\x48\x0f\xae\xd0"), EXC_GP, 0);	/* WRFSBASE */
	m.gpr[GPR_RAX] = 0xffffffff80000000;
	EXPECT_OK(RUN("\xf3\x0f\xae\xd0"));
	assert_true(m.seg[SEG_FS].base == 0x80000000);
	EXPECT_OK(RUN("\xf3\x48\x0f\xae\xca"));			/* RDGSBASE RDX */
	assert_true(m.gpr[GPR_RDX] == 0xffff800000001000);
	EXPECT_FAULT(RUN("\x0f\x01\xcb"), EXC_UD, 0);		/* STAC without SMAP */
	m.features = EMULATE_HAS_SMAP | EMULATE_HAS_INVPCID;
	EXPECT_OK(RUN("\x0f\x01\xcb"));
	assert_true(m.rflags & RFLAGS_AC);
	/* LGDT: ten bytes, a canonical base */
	m.gpr[GPR_RBX] = 0xc000;
	put(0xc000, 0x1234, 2);
	put(0xc002, 0x800000000000, 8);
	EXPECT_FAULT(RUN("\x0f\x01\x13"), EXC_GP, 0);
	put(0xc002, 0xffff800000000000, 8);
	EXPECT_OK(RUN("\x0f\x01\x13"));
	assert_true(m.gdt.base == 0xffff800000000000 && m.gdt.limit == 0x1234);
	/* INVPCID: type 4; reserved bits; PCID without CR4.PCIDE; address */
	m.gpr[GPR_RAX] = 4;
	put(0xc000, 0, 8);
	put(0xc008, 0, 8);
	EXPECT_FAULT(RUN("\x66\x0f\x38\x82\x03"), EXC_GP, 0);
	m.gpr[GPR_RAX] = 0;
	put(0xc000, 0x1000, 8);
	EXPECT_FAULT(RUN("\x66\x0f\x38\x82\x03"), EXC_GP, 0);
	put(0xc000, 1, 8);
	EXPECT_FAULT(RUN("\x66\x0f\x38\x82\x03"), EXC_GP, 0);
	put(0xc000, 0, 8);
	put(0xc008, 0x800000000000, 8);
	EXPECT_FAULT(RUN("\x66\x0f\x38\x82\x03"), EXC_GP, 0);
	put(0xc008, 0, 8);
	assert_int_equal(RUN("\x66\x0f\x38\x82\x03"), EMULATE_UNHANDLED); /* flat_machine has none */
	/* UMIP, TSD, OSXSAVE */
	reset(CPU_MODE_64, 3);
	m.gpr[GPR_RBX] = 0xc000;
	EXPECT_OK(RUN("\x0f\x01\x03"));				/* SGDT */
	assert_true(take(0xc000, 2) == 0x1ff && take(0xc002, 8) == GDT);
	m.cr4 = CR4_UMIP | CR4_TSD;
	EXPECT_FAULT(RUN("\x0f\x01\x03"), EXC_GP, 0);
	EXPECT_FAULT(RUN("\x0f\x31"), EXC_GP, 0);
	EXPECT_FAULT(RUN("\x0f\x01\xd0"), EXC_UD, 0);
	EXPECT_FAULT(RUN("\x0f\x01\xcb"), EXC_UD, 0);
	EXPECT_FAULT(RUN("\x0f\x01\xf8"), EXC_GP, 0);
}

#define TEST(name)	cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_real_mode_int), TEST(test_unreal_mode),
		TEST(test_interrupt_gate_same_level), TEST(test_interrupt_gate_inner),
		TEST(test_delivery_errors), TEST(test_inner_stack_errors),
		TEST(test_long_mode_gates), TEST(test_compatibility_mode),
		TEST(test_segment_loads), TEST(test_ltr_lldt), TEST(test_call_gate_parameters),
		TEST(test_v86), TEST(test_v86_extensions),
		TEST(test_task_call_and_return), TEST(test_task_jump_and_gate),
		TEST(test_task_faults_inside),
		TEST(test_syscall), TEST(test_sysenter), TEST(test_other_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
