// SPDX-License-Identifier: MIT
/*
 * Random events through random gates, compared with a model that is written from the Operation
 * section of SDM vol. 2A, "INT n/INTO/INT3/INT1" (PROTECTED-MODE, INTER-PRIVILEGE-LEVEL-INTERRUPT,
 * INTRA-PRIVILEGE-LEVEL-INTERRUPT), 32-bit, line by line: which fault with which error code, or which
 * registers and which frame.
 */
#include "tests/host/flat_machine.c"

#define GDT	0x4000u
#define TSS	0x6000u
#define IDT	0x7000u
#define STACK	0x9000u
#define INNER	0xa000u
#define NR_GDT	16
#define CASES	100000
#define TASK_GATE	256	/* in place of a vector: test_delivery.c has those */

struct expected {
	int vector;			/* of the fault, -1: delivered */
	u32 error;
	u16 cs, ss;
	u32 eip, esp, flags;
	u32 frame[6];
	unsigned n, size;
};

static struct expected fault(unsigned vector, u32 error)
{
	return (struct expected){ .vector = vector, .error = error };
}

static u64 gdt_entry(u16 selector)
{
	return take(GDT + (selector & ~7u), 8);
}

static bool is_beyond(u16 selector)
{
	return (selector & 4) || (selector | 7u) > NR_GDT * 8 - 1;
}

static u32 limit_of(u64 raw)
{
	u32 limit = (raw & 0xffff) | (raw >> 32 & 0xf0000);

	return raw >> 55 & 1 ? limit << 12 | 0xfff : limit;
}

/* INTER-PRIVILEGE: *e gets SS and ESP, or the fault. False: a fault. */
static bool model_inner(struct expected *e, unsigned dpl, u32 ext, u32 tss_limit)
{
	u32 at = 4 + 8 * dpl;
	u16 ss = take(TSS + at + 4, 2);
	u64 raw;

	if (at + 5 > tss_limit)
		*e = fault(EXC_TS, 0x28 | ext);
	else if (!(ss & ~3))
		*e = fault(EXC_TS, ext);
	else if (is_beyond(ss))
		*e = fault(EXC_TS, (ss & ~3u) | ext);
	else if (raw = gdt_entry(ss), (ss & 3u) != dpl || (raw >> 45 & 3) != dpl ||
		 (raw >> 41 & 0xd) != 9)	/* S, not code, writable */
		*e = fault(EXC_TS, (ss & ~3u) | ext);
	else if (!(raw >> 47 & 1))
		*e = fault(EXC_SS, (ss & ~3u) | ext);
	else
		return e->ss = ss, e->esp = take(TSS + at, 4), true;
	return false;
}

static struct expected model(const struct event *event, unsigned cpl, u32 next)
{
	bool soft = event->type == EVENT_SOFT_INT || event->type == EVENT_SOFT_EXC;
	u32 ext = !soft, idt_error = event->vector * 8 + 2 + ext;
	u64 gate = take(IDT + event->vector * 8, 8), raw;
	unsigned type = gate >> 40 & 0x1f, dpl;
	u16 selector = gate >> 16;
	struct expected e = { .vector = -1 };
	u32 flags = m.rflags;

	if (event->vector * 8u + 7 > m.idt.limit)
		return fault(EXC_GP, idt_error);
	if (type != 5 && type != 6 && type != 7 && type != 14 && type != 15)
		return fault(EXC_GP, idt_error);
	if (soft && (gate >> 45 & 3) < cpl)
		return fault(EXC_GP, idt_error);
	if (!(gate >> 47 & 1))
		return fault(EXC_NP, idt_error);
	if (type == 5)
		return fault(TASK_GATE, 0);
	if (!(selector & ~3))
		return fault(EXC_GP, ext);
	if (is_beyond(selector))
		return fault(EXC_GP, (selector & ~3u) | ext);
	raw = gdt_entry(selector);
	dpl = raw >> 45 & 3;
	if ((raw >> 43 & 3) != 3 || dpl > cpl)
		return fault(EXC_GP, (selector & ~3u) | ext);
	if (!(raw >> 47 & 1))
		return fault(EXC_NP, (selector & ~3u) | ext);
	e.ss = m.seg[SEG_SS].selector;
	e.esp = m.rsp;
	if (raw >> 42 & 1)
		dpl = cpl;		/* conforming */
	if (dpl < cpl && !model_inner(&e, dpl, ext, m.seg[SEG_TR].limit))
		return e;
	e.size = type & 8 ? 4 : 2;
	e.eip = (gate & 0xffff) | (e.size == 4 ? gate >> 48 << 16 : 0);
	/* The stacks lie far above 0: of the frame only its top may be beyond the limit. */
	if (dpl < cpl && e.esp - 1 > limit_of(gdt_entry(e.ss)))
		return fault(EXC_SS, (e.ss & ~3u) | ext);
	if (e.eip > limit_of(raw))
		return fault(EXC_GP, ext);
	e.cs = (selector & ~3u) | dpl;
	if (dpl < cpl) {
		e.frame[e.n++] = m.seg[SEG_SS].selector;
		e.frame[e.n++] = m.rsp;
	}
	if (event->type == EVENT_EXCEPTION && event->vector != 1 && event->vector != 3 &&
	    event->vector != 4)
		flags |= RFLAGS_RF;	/* "fault-class exceptions … push RF as 1" */
	e.frame[e.n++] = flags;
	e.frame[e.n++] = m.seg[SEG_CS].selector;
	e.frame[e.n++] = next;
	if (event->has_error)
		e.frame[e.n++] = event->error;
	e.esp -= e.n * e.size;
	e.flags = m.rflags & ~(RFLAGS_TF | RFLAGS_VM | RFLAGS_RF | RFLAGS_NT);
	if (!(type & 1))
		e.flags &= ~RFLAGS_IF;
	return e;
}

static void random_machine(unsigned cpl)
{
	static const u16 attrs[] = { 0xc09b, 0xc093, 0x409a, 0x4092, 0xc09f, 0xc091, 0x0089, 0xc09d };

	memset(&m, 0, sizeof(m));
	for (unsigned i = 1; i < NR_GDT; i++) {
		u16 attr = attrs[random64() % ARRAY_SIZE(attrs)] | (random64() % 4) << 5;

		if (random64() % 8 == 0)
			attr &= ~SEG_ATTR_P;
		put(GDT + 8 * i, make_descriptor(0, 0xfffff >> (random64() % 4 ? 0 : 8), attr), 8);
	}
	for (unsigned i = 0; i < 64; i++) {
		u8 type = random64() % 8 ? 0x86 | (random64() & 9) : random64();

		u16 selector = random64() & (random64() % 8 ? 0x7b : 0x8f);

		put(IDT + 8 * i, make_gate(selector, random64() & 0x1ffff,
					   type | (random64() & 3) << 5, 0), 8);
	}
	for (unsigned i = 0; i < 3; i++) {
		put(TSS + 4 + 8 * i, INNER + 0x400 * i, 4);
		put(TSS + 8 + 8 * i, random64() % 4 ? (random64() & 0x78) | i : random64() & 0x8f, 4);
		if (random64() % 2) {	/* a good one */
			put(GDT + 8 * (13 + i), make_descriptor(0, 0xfffff, 0xc093 | i << 5), 8);
			put(TSS + 8 + 8 * i, 8 * (13 + i) | i, 4);
		}
	}
	m.cr0 = CR0_PE;
	m.gdt = (struct table){ GDT, NR_GDT * 8 - 1 };
	m.idt = (struct table){ IDT, 62 * 8 + 3 };
	m.rip = 0x1000 + (random64() & 0xff);
	m.rsp = STACK + (random64() & 0xffc);
	m.rflags = (random64() & RFLAGS_DEFINED & ~RFLAGS_VM) | RFLAGS_FIXED;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		m.seg[i] = (struct segment){ 0x60 | cpl, (i == SEG_CS ? 0xc09b : 0xc093) | cpl << 5,
					     0xffffffff, 0 };
	m.seg[SEG_TR] = (struct segment){ 0x28, 0x8b, random64() % 16 ? 0x67 : 0x10, TSS };
}

static void test_as_the_model(void **state)
{
	static const u8 types[] = { EVENT_EXTINT, EVENT_EXCEPTION, EVENT_SOFT_INT, EVENT_SOFT_EXC,
				    EVENT_PRIV_SOFT_EXC, EVENT_NMI };
	unsigned delivered = 0, inner = 0;

	for (unsigned i = 0; i < CASES; i++) {
		unsigned cpl = random64() & 3;
		struct event event = { .type = types[random64() % ARRAY_SIZE(types)],
				       .vector = random64() & 63, .error = random64() & 0xffff };
		struct expected e;
		bool is_soft = event.type >= EVENT_SOFT_INT && event.type <= EVENT_PRIV_SOFT_EXC;

		random_machine(cpl);
		event.has_error = event.type == EVENT_EXCEPTION && random64() % 2;
		event.rip = m.rip;
		event.insn_len = is_soft ? 1 + random64() % 2 : 0;
		e = model(&event, cpl, m.rip + event.insn_len);
		if (e.vector == TASK_GATE)
			continue;
		before = m;
		emulate_event(&ops, NULL, m.gpr, CPU_MODE_32, &event, &result);
		if (e.vector >= 0) {
			assert_int_equal(result.status, EMULATE_FAULT);
			assert_int_equal(result.event.vector, e.vector);
			assert_int_equal(result.event.error, e.error);
			assert_memory_equal(&m, &before, sizeof(m));
			continue;
		}
		assert_int_equal(result.status, EMULATE_OK);
		assert_true(m.seg[SEG_CS].selector == e.cs && m.rip == e.eip);
		assert_true(m.seg[SEG_SS].selector == e.ss && m.rflags == e.flags);
		assert_int_equal(m.rsp, e.esp);
		for (unsigned n = 0; n < e.n; n++)
			assert_int_equal(take(e.esp + (e.n - 1 - n) * e.size, e.size),
					 e.size == 2 ? (u16)e.frame[n] : e.frame[n]);
		delivered++;
		inner += e.n >= 5;
	}
	print_message("%u events, %u delivered, %u of them to an inner level\n", CASES, delivered,
		      inner);
	assert_true(delivered > CASES / 20 && inner > CASES / 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_as_the_model) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
