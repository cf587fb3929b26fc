/* SPDX-License-Identifier: MIT */
/*
 * Events before an entry: order, exactly once, blocking, windows. SDM vol. 3A, "Priority Among
 * Concurrent Events", "Conditions for Generating a Double Fault", "Nonmaskable Interrupt (NMI)",
 * "Masking Exceptions and Interrupts When Switching Stacks".
 */
#include "vcpu/events.h"

#include "tests/host/fake_vcpu.c"

static const struct event *last(void)
{
	assert_true(fake.nr_injected > 0);
	return &fake.injected[fake.nr_injected - 1];
}

static void expect_injected(unsigned count, u8 type, u8 vector)
{
	assert_int_equal(fake.nr_injected, count);
	assert_int_equal(last()->type, type);
	assert_int_equal(last()->vector, vector);
}

static void prepare(void)
{
	assert_true(events_prepare(v));
}

/* The guest runs and comes back, at `rip`. */
static void round_trip(u64 rip)
{
	fake_enter();
	block.rip = rip;
	fake_leave();
}

static void interrupt_cut_short(u8 type, u8 vector)
{
	v->interrupted = (struct event){ .type = type, .vector = vector, .rip = block.rip };
}

/* --- What two exceptions become --- */

enum class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

/* The SDM's table of classes, vector by vector. Those that don't exist count as benign. */
static enum class class_of(u8 vector)
{
	switch (vector) {
	case 0: case 10: case 11: case 12: case 13: case 21:
		return CONTRIBUTORY;
	case 14: case 20:
		return PAGE_FAULT;
	default:
		return BENIGN;
	}
}

static enum event_merge by_the_table(u8 first, u8 second)
{
	static const bool makes_double_fault[3][3] = {
		[CONTRIBUTORY] = { [CONTRIBUTORY] = true },
		[PAGE_FAULT] = { [CONTRIBUTORY] = true, [PAGE_FAULT] = true },
	};

	if (first == 8)		/* while the double fault handler is being called */
		return class_of(second) == BENIGN ? MERGE_SECOND : MERGE_TRIPLE_FAULT;
	return makes_double_fault[class_of(first)][class_of(second)] ? MERGE_DOUBLE_FAULT
								     : MERGE_SECOND;
}

static void test_merge_table(void **state)
{
	unsigned seen[3] = { 0 };

	for (unsigned first = 0; first < 32; first++) {
		for (unsigned second = 0; second < 32; second++) {
			assert_int_equal(events_merge(first, second), by_the_table(first, second));
			seen[events_merge(first, second)]++;
		}
	}
	assert_int_equal(seen[MERGE_DOUBLE_FAULT], 6 * 6 + 2 * 6 + 2 * 2);
	assert_int_equal(seen[MERGE_TRIPLE_FAULT], 8);
}

/* The same through the whole path: what is injected, and that nothing is left. */
static void test_raised_during_delivery(void **state)
{
	for (unsigned first = 0; first < 22; first++) {
		for (unsigned second = 0; second < 22; second++) {
			enum event_merge merge = by_the_table(first, second);

			fake_teardown(NULL);
			fake_setup(NULL);
			interrupt_cut_short(EVENT_EXCEPTION, first);
			events_raise_error(v, second, 0x18);
			assert_int_equal(events_prepare(v), merge != MERGE_TRIPLE_FAULT);
			assert_int_equal(fake.nr_injected, merge != MERGE_TRIPLE_FAULT);
			if (merge == MERGE_TRIPLE_FAULT)
				continue;
			expect_injected(1, EVENT_EXCEPTION,
					merge == MERGE_DOUBLE_FAULT ? EXC_DF : second);
			assert_true(last()->has_error);
			assert_int_equal(last()->error, merge == MERGE_DOUBLE_FAULT ? 0 : 0x18);
			round_trip(0x2000);
			prepare();
			assert_int_equal(fake.nr_injected, 1);
		}
	}
}

/* --- Exactly once --- */

static void test_interrupted_comes_once(void **state)
{
	static const struct { u8 type, vector; } events[] = {
		{ EVENT_EXTINT, 0x41 }, { EVENT_NMI, EXC_NMI }, { EVENT_EXCEPTION, EXC_PF },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(events); i++) {
		fake_teardown(NULL);
		fake_setup(NULL);
		interrupt_cut_short(events[i].type, events[i].vector);
		prepare();
		expect_injected(1, events[i].type, events[i].vector);
		prepare();	/* somebody asked again before the entry */
		assert_int_equal(fake.nr_injected, 1);
		round_trip(0x2000);
		prepare();
		assert_int_equal(fake.nr_injected, 1);
		assert_int_equal(v->cur->block.nmi, events[i].type == EVENT_NMI);
	}
}

/* With IF clear, as a handler's gate or an emulator may leave it: only an interrupt has to wait. */
static void test_interrupted_with_if_clear(void **state)
{
	static const struct { u8 type, vector; } events[] = {
		{ EVENT_NMI, EXC_NMI }, { EVENT_EXCEPTION, EXC_GP }, { EVENT_EXTINT, 0x41 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(events); i++) {
		fake_teardown(NULL);
		fake_setup(NULL);
		block.rflags = RFLAGS_FIXED;
		fake_state();
		interrupt_cut_short(events[i].type, events[i].vector);
		prepare();
		assert_int_equal(fake.nr_injected, events[i].type != EVENT_EXTINT);
		assert_int_equal(fake.intr_window, events[i].type == EVENT_EXTINT);
	}
}

/* The local APIC may take back what it offered. Vector 0 is as good as any. */
static void test_vectors(void **state)
{
	fake.interrupt = 0;
	prepare();
	expect_injected(1, EVENT_EXTINT, 0);
	round_trip(0x2000);
	fake.takes_back = true;
	fake.interrupt = 0x99;
	prepare();
	assert_int_equal(fake.nr_injected, 1);
}

/* SDM vol. 3B, "8086 Emulation", "Interrupt and Exception Handling": FLAGS, CS and IP are all that a real-mode
 * handler finds on its stack, whether the exception is new or comes again. */
static void test_no_error_codes_in_real_mode(void **state)
{
	static const struct { u64 cr0; bool pushed; } modes[] = {
		{ CR0_ET, false }, { CR0_PE | CR0_ET, true }, { CR0_PE | CR0_PG | CR0_ET, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		block.cr0 = modes[i].cr0;
		round_trip(0x1000);
		events_raise_error(v, EXC_GP, 0x18);
		prepare();
		expect_injected(2 * i + 1, EVENT_EXCEPTION, EXC_GP);
		assert_int_equal(last()->has_error, modes[i].pushed);
		round_trip(0x2000);
		interrupt_cut_short(EVENT_EXCEPTION, EXC_SS);
		v->interrupted.has_error = true;
		prepare();
		expect_injected(2 * i + 2, EVENT_EXCEPTION, EXC_SS);
		assert_int_equal(last()->has_error, modes[i].pushed);
	}
}

/* What was handed over stays; an interrupt that comes before the entry waits with a window. */
static void test_nothing_replaces_what_was_injected(void **state)
{
	fake.interrupt = 0x30;
	prepare();
	expect_injected(1, EVENT_EXTINT, 0x30);
	fake.interrupt = 0x80;
	v->nmi_pending = 1;
	prepare();
	expect_injected(1, EVENT_EXTINT, 0x30);
	assert_true(fake.intr_window);
	assert_true(fake.nmi_window);
	assert_int_equal(fake.accepted, 1);
	round_trip(0x2000);
	prepare();
	expect_injected(2, EVENT_NMI, EXC_NMI);
	round_trip(0x3000);
	prepare();
	expect_injected(3, EVENT_EXTINT, 0x80);
	assert_int_equal(fake.accepted, 2);
}

/* An acknowledged interrupt whose delivery faulted: first the exception, then it, with IF. */
static void test_interrupt_behind_its_fault(void **state)
{
	interrupt_cut_short(EVENT_EXTINT, 0x55);
	events_raise_page_fault(v, 0xdead000, PF_ERR_W);
	prepare();
	expect_injected(1, EVENT_EXCEPTION, EXC_PF);
	assert_true(fake.intr_window);
	prepare();
	assert_int_equal(fake.nr_injected, 1);
	fake_enter();
	block.rflags &= ~RFLAGS_IF;		/* the handler's gate */
	fake_leave();
	fake.interrupt = 0x66;
	prepare();
	assert_int_equal(fake.nr_injected, 1);
	assert_true(fake.intr_window);
	fake_enter();
	block.rflags |= RFLAGS_IF;
	fake_leave();
	prepare();
	expect_injected(2, EVENT_EXTINT, 0x55);
	round_trip(0x3000);
	prepare();
	expect_injected(3, EVENT_EXTINT, 0x66);
	assert_int_equal(fake.accepted, 1);
	assert_false(fake.intr_window);
}

static void test_nmi_behind_its_fault(void **state)
{
	interrupt_cut_short(EVENT_NMI, EXC_NMI);
	events_raise(v, EXC_DB);
	prepare();
	expect_injected(1, EVENT_EXCEPTION, EXC_DB);
	assert_true(fake.nmi_window);
	round_trip(0x2000);
	prepare();
	expect_injected(2, EVENT_NMI, EXC_NMI);
	round_trip(0x3000);
	prepare();
	assert_int_equal(fake.nr_injected, 2);
}

static void test_order(void **state)
{
	interrupt_cut_short(EVENT_EXCEPTION, EXC_BR);
	v->nmi_pending = 1;
	fake.interrupt = 0x20;
	prepare();
	expect_injected(1, EVENT_EXCEPTION, EXC_BR);
	round_trip(0x1100);
	events_raise_error(v, EXC_GP, 0);
	prepare();
	expect_injected(2, EVENT_EXCEPTION, EXC_GP);
	round_trip(0x1200);
	prepare();
	expect_injected(3, EVENT_NMI, EXC_NMI);
	round_trip(0x1300);
	prepare();
	expect_injected(4, EVENT_EXTINT, 0x20);
	round_trip(0x1400);
	prepare();
	assert_int_equal(fake.nr_injected, 4);
	assert_false(fake.intr_window);
}

/* --- Payloads --- */

static void test_payload_at_delivery(void **state)
{
	block.cr2 = 0x1111;
	block.dr6 = DR6_FIXED | 1;
	events_raise_page_fault(v, 0xfffff000, PF_ERR_P | PF_ERR_U);
	fake_enter();
	fake_leave();
	assert_int_equal(block.cr2, 0x1111);
	prepare();
	assert_int_equal(last()->error, PF_ERR_P | PF_ERR_U);
	assert_true(last()->has_error);
	fake_enter();
	assert_int_equal(block.cr2, 0xfffff000);
	fake_leave();
	events_raise(v, EXC_DB);
	v->raised.payload = DR6_BS;
	prepare();
	assert_false(last()->has_error);
	fake_enter();
	assert_int_equal(block.dr6, DR6_FIXED | DR6_BS | 1);
	fake_leave();
	events_raise(v, EXC_UD);
	v->raised.payload = 0x8000;		/* says nothing to anybody */
	prepare();
	fake_enter();
	assert_int_equal(block.dr6, DR6_FIXED | DR6_BS | 1);
	assert_int_equal(block.cr2, 0xfffff000);
}

/* A merged double fault leaves the second fault's CR2 as it is and has no address of its own. */
static void test_double_fault_has_no_address(void **state)
{
	block.cr2 = 0x2222;
	interrupt_cut_short(EVENT_EXCEPTION, EXC_PF);
	v->interrupted.payload = 0x2222;
	events_raise_error(v, EXC_GP, 0x10);
	prepare();
	expect_injected(1, EVENT_EXCEPTION, EXC_DF);
	fake_enter();
	assert_int_equal(block.cr2, 0x2222);
}

/* --- Interrupts: IF, shadows, windows --- */

static void test_interrupt_table(void **state)
{
	for (unsigned i = 0; i < 32; i++) {
		bool flag = i & 1, sti = i & 2, mov_ss = i & 4, load = i & 8, pending = i & 16;
		bool taken = pending && flag && !sti && !mov_ss;
		bool steps;

		fake_teardown(NULL);
		fake_setup(NULL);
		caps.shadow_load = load;
		block.rflags = RFLAGS_FIXED | (flag ? RFLAGS_IF : 0);
		block.block.sti = sti;
		block.block.mov_ss = mov_ss;
		fake_state();
		fake.interrupt = pending ? 0x77 : -1;
		prepare();
		assert_int_equal(fake.nr_injected, taken);
		/* The entry would forget the shadow: an instruction must pass before a window. */
		steps = pending && flag && (sti || mov_ss) && !load;
		if (steps) {
			assert_true(v->step.on);
			assert_false(fake.intr_window);
		}
		if (load || !pending)
			assert_false(v->step.on);
		assert_int_equal(fake.intr_window || v->step.on, pending && !taken);
		fake_enter();
		assert_int_equal(!!(block.rflags & RFLAGS_TF), v->step.on);
		assert_int_equal(block.block.sti || block.block.mov_ss, sti || mov_ss);
	}
}

static void test_window_opens_and_closes_once(void **state)
{
	block.rflags = RFLAGS_FIXED;
	fake_state();
	fake.interrupt = 0x31;
	prepare();
	prepare();
	assert_int_equal(fake.windows, 1);
	assert_true(fake.intr_window);
	fake_enter();
	block.rflags |= RFLAGS_IF;
	fake_leave();
	prepare();
	expect_injected(1, EVENT_EXTINT, 0x31);
	assert_int_equal(fake.windows, 2);
	assert_false(fake.intr_window);
	round_trip(0x2000);
	prepare();
	assert_int_equal(fake.windows, 2);
}

static void test_delivery_ends_the_shadow(void **state)
{
	block.block.mov_ss = true;
	fake_state();
	events_raise(v, EXC_UD);
	prepare();
	fake_enter();
	assert_false(block.block.mov_ss);
}

/* IF is no reason to ask for anything. */
static void test_no_interrupt_no_window(void **state)
{
	block.rflags = RFLAGS_FIXED;
	fake_state();
	prepare();
	assert_int_equal(fake.nr_injected, 0);
	assert_int_equal(fake.windows, 0);
}

/* --- NMIs --- */

static void test_nmi_ignores_if_and_sti(void **state)
{
	block.rflags = RFLAGS_FIXED;
	block.block.sti = true;
	fake_state();
	v->nmi_pending = 1;
	prepare();
	expect_injected(1, EVENT_NMI, EXC_NMI);
	assert_true(v->cur->block.nmi);
}

/* "MOV to SS and POP to SS inhibit NMIs until after the next instruction": never forgotten. */
static void test_nmi_waits_for_mov_ss(void **state)
{
	for (unsigned load = 0; load < 2; load++) {
		fake_teardown(NULL);
		fake_setup(NULL);
		caps.shadow_load = load;
		block.block.mov_ss = true;
		fake_state();
		v->nmi_pending = 1;
		prepare();
		assert_int_equal(fake.nr_injected, 0);
		assert_true(v->step.on);
		fake_enter();
		block.block.mov_ss = false;
		block.rip += 2;
		block.dr6 |= DR6_BS;
		fake_leave();
		assert_true(events_end_step(v, true));
		prepare();
		expect_injected(1, EVENT_NMI, EXC_NMI);
		fake_enter();
		assert_false(block.rflags & RFLAGS_TF);
		assert_int_equal(block.dr6, DR6_FIXED);
	}
}

static void test_second_nmi_waits_for_iret(void **state)
{
	v->nmi_pending = 2;
	prepare();
	expect_injected(1, EVENT_NMI, EXC_NMI);
	assert_true(fake.nmi_window);
	round_trip(0x2000);
	prepare();
	assert_int_equal(fake.nr_injected, 1);
	assert_false(v->step.on);
	v->requests = 0;
	events_iret(v);			/* the IRET at 2000H has been emulated */
	assert_true(v->requests & REQUEST_EVENT);
	prepare();
	expect_injected(2, EVENT_NMI, EXC_NMI);
	assert_int_equal(v->nmi_pending, 0);
}

/* SDM vol. 3A, "Exception Classifications", and vol. 3B, "Instruction-Breakpoint Exception
 * Condition": RF is set in the frame of a fault, not in that of a trap, an abort or an interrupt. */
static void test_faults_set_rf(void **state)
{
	static const u32 faults = BIT(0) | BIT(5) | BIT(6) | BIT(7) | BIT(10) | BIT(11) | BIT(12) |
				  BIT(13) | BIT(14) | BIT(16) | BIT(17) | BIT(19);

	for (u8 vector = 0; vector < 20; vector++) {
		if (vector == EXC_NMI || vector == 9 || vector == 15)
			continue;
		round_trip(0x1000);
		v->cur->rflags = RFLAGS_FIXED;
		ctx_dirty(v, CTX_FLAGS);
		fake.nr_injected = 0;		/* its record is short */
		events_raise(v, vector);
		prepare();
		fake_enter();
		assert_int_equal(!!(block.rflags & RFLAGS_RF), faults >> vector & 1);
	}
	round_trip(0x1000);
	v->cur->rflags = RFLAGS_FIXED;
	ctx_dirty(v, CTX_FLAGS);
	v->nmi_pending = 1;
	prepare();
	fake_enter();
	assert_false(block.rflags & RFLAGS_RF);
}

/* SDM vol. 3A, "Handling Multiple NMIs": while one is handled, one is remembered and no more. */
static void test_one_nmi_is_remembered(void **state)
{
	v->nmi_pending = 1;
	prepare();
	expect_injected(1, EVENT_NMI, EXC_NMI);
	round_trip(0x2000);
	v->nmi_pending = 2;
	prepare();
	assert_int_equal(fake.nr_injected, 1);
	assert_int_equal(v->nmi_pending, 1);
}

/* An NMI whose delivery has failed waits again, but it doesn't make more of them than can wait. */
static void test_no_third_nmi_waits(void **state)
{
	interrupt_cut_short(EVENT_NMI, EXC_NMI);
	v->nmi_pending = 2;
	events_raise_page_fault(v, 0x5000, 0);
	prepare();
	expect_injected(1, EVENT_EXCEPTION, EXC_PF);
	assert_int_equal(v->nmi_pending, 2);
	v->nmi_pending = 0;
	for (unsigned i = 0; i < 3; i++)
		events_add_nmi(v);
	assert_int_equal(v->nmi_pending, 2);
}

static void test_iret_without_nmi_waiting(void **state)
{
	v->nmi_pending = 1;
	prepare();
	round_trip(0x2000);
	assert_true(fake.nmi_window);
	events_iret(v);
	prepare();
	assert_false(fake.nmi_window);
	assert_false(v->step.on);
	round_trip(0x2000);		/* it may have gone to itself */
	v->nmi_pending = 1;
	prepare();
	expect_injected(2, EVENT_NMI, EXC_NMI);
}

/* An interrupt comes in front of the IRET: blocking lasts, as the IRET has not been executed. */
static void test_interrupt_before_iret(void **state)
{
	v->nmi_pending = 1;
	prepare();
	round_trip(0x2000);
	fake.interrupt = 0x44;
	prepare();
	expect_injected(2, EVENT_EXTINT, 0x44);
	assert_true(fake.nmi_window);
	v->nmi_pending = 1;
	round_trip(0x5000);
	prepare();
	assert_int_equal(fake.nr_injected, 2);
	assert_true(v->cur->block.nmi);
}

/*
 * An instruction in a shadow that shows or loads flags isn't stepped: Plinth's TF would be in what
 * PUSHF pushes, and POPF's own would go with it.
 */
static void test_flags_are_not_stepped(void **state)
{
	fake_real_mode(0);
	block.rip = 0x1000;
	block.rsp = 0x8000;
	block.rflags = RFLAGS_FIXED | RFLAGS_IF;
	block.block.sti = true;
	memory[0x1000] = 0x9c;			/* PUSHF */
	memory[0x1001] = 0xfb;
	memory[0x1002] = 0x9d;			/* POPF */
	fake_state();
	fake.interrupt = 0x50;
	prepare();
	assert_false(v->step.on);
	assert_int_equal(fake.nr_injected, 0);
	assert_true(v->requests & REQUEST_EVENT);
	prepare();
	expect_injected(1, EVENT_EXTINT, 0x50);
	fake_enter();
	assert_true(block.rip == 0x1001 && block.rsp == 0x7ffe && !block.block.sti);
	assert_int_equal(memory[0x7ffe] | memory[0x7fff] << 8, RFLAGS_FIXED | RFLAGS_IF);
	/* and a POPF that sets TF */
	fake.interrupt = 0x50;
	memory[0x7fff] = (RFLAGS_TF | RFLAGS_IF) >> 8;
	block.rip = 0x1002;
	block.block.sti = true;
	fake_state();
	prepare();
	prepare();
	expect_injected(2, EVENT_EXTINT, 0x50);
	fake_enter();
	assert_true(block.rip == 0x1003 && (block.rflags & RFLAGS_TF));
}

/* In a step all exceptions exit, so that none is delivered with Plinth's TF in its frame. */
static void test_exceptions_exit_in_a_step(void **state)
{
	u32 before = v->l0.exceptions;

	block.rflags = RFLAGS_FIXED | RFLAGS_IF;
	block.block.sti = true;
	fake_state();
	fake.interrupt = 0x50;
	v->requests = 0;
	prepare();
	assert_true(v->step.on && (v->requests & REQUEST_CONTROLS));
	assert_int_equal(v->l0.exceptions, ~(1u << EXC_NMI));
	fake_enter();
	fake_leave();				/* #GP of the instruction */
	v->requests = 0;
	assert_false(events_end_step(v, false));
	assert_true(v->requests & REQUEST_CONTROLS);
	assert_int_equal(v->l0.exceptions, before);
	events_raise_error(v, EXC_GP, 0);
	prepare();
	expect_injected(1, EVENT_EXCEPTION, EXC_GP);
	fake_enter();
	assert_true(!(block.rflags & RFLAGS_TF) && !block.block.sti);
}

/* --- Plinth's own single step --- */

static void begin_step_behind(u64 rflags, bool mov_ss)
{
	block.rflags = rflags | RFLAGS_IF | RFLAGS_FIXED;
	block.block.sti = !mov_ss;
	block.block.mov_ss = mov_ss;
	fake_state();
	fake.interrupt = 0x50;
	prepare();
	assert_true(v->step.on);
	fake_enter();
	assert_true(block.rflags & RFLAGS_TF);
	block.block.sti = block.block.mov_ss = false;
}

static void begin_step(u64 rflags)
{
	begin_step_behind(rflags, false);
}

static void test_step_is_hidden(void **state)
{
	begin_step(0);
	block.rip++;
	block.dr6 |= DR6_BS;
	fake_leave();
	v->requests = 0;
	assert_true(events_end_step(v, true));
	assert_false(v->step.on);
	assert_true(v->requests & REQUEST_EVENT);
	prepare();
	expect_injected(1, EVENT_EXTINT, 0x50);
	fake_enter();
	assert_int_equal(block.rflags, RFLAGS_IF | RFLAGS_FIXED);
	assert_int_equal(block.dr6, DR6_FIXED);
}

/*
 * An NMI that comes between the decision to step and the entry: STI doesn't block it, but its frame
 * would have Plinth's TF, which the handler's IRET would give the guest.
 */
static void test_nmi_waits_for_the_step(void **state)
{
	block.block.sti = true;
	fake_state();
	fake.interrupt = 0x50;
	prepare();
	assert_true(v->step.on);
	v->nmi_pending = 1;
	prepare();
	assert_int_equal(fake.nr_injected, 0);
	assert_true(fake.nmi_window);
	fake_enter();
	assert_true(block.rflags & RFLAGS_TF);
	block.block.sti = false;
	block.rip++;
	block.dr6 |= DR6_BS;
	fake_leave();
	assert_true(events_end_step(v, true));
	prepare();
	expect_injected(1, EVENT_NMI, EXC_NMI);
	fake_enter();
	assert_int_equal(block.rflags, RFLAGS_IF | RFLAGS_FIXED);
	fake_leave();
	prepare();
	expect_injected(2, EVENT_EXTINT, 0x50);
}

static void test_step_of_a_stepping_guest(void **state)
{
	begin_step(RFLAGS_TF);
	block.rip++;
	block.dr6 |= DR6_BS;
	fake_leave();
	assert_false(events_end_step(v, true));		/* it is the guest's #DB */
	fake_enter();
	assert_true(block.rflags & RFLAGS_TF);
	assert_int_equal(block.dr6, DR6_FIXED | DR6_BS);
}

static void test_step_meets_a_breakpoint(void **state)
{
	begin_step(0);
	block.rip++;
	block.dr6 |= DR6_BS | 2;
	fake_leave();
	assert_false(events_end_step(v, true));
	fake_enter();
	assert_false(block.rflags & RFLAGS_TF);
	assert_int_equal(block.dr6, DR6_FIXED | 2);
}

/* BS that the guest has left in DR6 stays. */
static void test_step_keeps_old_dr6(void **state)
{
	block.dr6 = DR6_FIXED | DR6_BS | 8;
	begin_step(0);
	block.rip++;
	fake_leave();
	assert_true(events_end_step(v, true));
	fake_enter();
	assert_int_equal(block.dr6, DR6_FIXED | DR6_BS | 8);
}

/* Another exit before the instruction was executed: the shadow still holds for it. */
static void test_step_cut_short(void **state)
{
	for (unsigned mov_ss = 0; mov_ss < 2; mov_ss++) {
		fake_teardown(NULL);
		fake_setup(NULL);
		begin_step_behind(0, mov_ss);
		fake_leave();
		assert_false(events_end_step(v, false));
		assert_false(v->cur->rflags & RFLAGS_TF);
		prepare();
		assert_int_equal(fake.nr_injected, 0);
		assert_true(v->step.on);
		fake_enter();
		assert_int_equal(block.block.sti, !mov_ss);
		assert_int_equal(block.block.mov_ss, mov_ss);
		block.rip++;
		block.block.sti = block.block.mov_ss = false;
		fake_leave();
		assert_true(events_end_step(v, true));
		prepare();
		expect_injected(1, EVENT_EXTINT, 0x50);
	}
}

/* Another exit behind it: no shadow any more. */
static void test_step_went_elsewhere(void **state)
{
	begin_step(0);
	block.rip += 0x100;
	fake_leave();
	assert_false(events_end_step(v, false));
	prepare();
	expect_injected(1, EVENT_EXTINT, 0x50);
}

/* --- What ends a HLT --- */

static void test_wake_up(void **state)
{
	assert_false(events_wake_up(v));
	fake.interrupt = 0x20;
	assert_true(events_wake_up(v));
	v->cur->rflags &= ~RFLAGS_IF;
	assert_false(events_wake_up(v));
	v->nmi_pending = 1;
	assert_true(events_wake_up(v));
	v->cur->block.nmi = true;
	assert_false(events_wake_up(v));
	events_iret(v);
	assert_true(events_wake_up(v));
	v->nmi_pending = 0;
	assert_false(events_wake_up(v));
	events_raise(v, EXC_DB);
	assert_true(events_wake_up(v));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_merge_table),
		TEST(test_raised_during_delivery),
		TEST(test_interrupted_comes_once),
		TEST(test_interrupted_with_if_clear),
		TEST(test_vectors),
		TEST(test_no_error_codes_in_real_mode),
		TEST(test_nothing_replaces_what_was_injected),
		TEST(test_interrupt_behind_its_fault),
		TEST(test_nmi_behind_its_fault),
		TEST(test_order),
		TEST(test_payload_at_delivery),
		TEST(test_double_fault_has_no_address),
		TEST(test_interrupt_table),
		TEST(test_window_opens_and_closes_once),
		TEST(test_delivery_ends_the_shadow),
		TEST(test_no_interrupt_no_window),
		TEST(test_nmi_ignores_if_and_sti),
		TEST(test_nmi_waits_for_mov_ss),
		TEST(test_second_nmi_waits_for_iret),
		TEST(test_faults_set_rf),
		TEST(test_one_nmi_is_remembered),
		TEST(test_no_third_nmi_waits),
		TEST(test_iret_without_nmi_waiting),
		TEST(test_interrupt_before_iret),
		TEST(test_flags_are_not_stepped),
		TEST(test_exceptions_exit_in_a_step),
		TEST(test_step_is_hidden),
		TEST(test_nmi_waits_for_the_step),
		TEST(test_step_of_a_stepping_guest),
		TEST(test_step_meets_a_breakpoint),
		TEST(test_step_keeps_old_dr6),
		TEST(test_step_cut_short),
		TEST(test_step_went_elsewhere),
		TEST(test_wake_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
