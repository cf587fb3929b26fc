/* SPDX-License-Identifier: MIT */
/*
 * A guest that the hardware can't run, step by step: instructions, events, when it ends. The real
 * emulator is behind it. SDM vol. 3B, "8086 Emulation"; vol. 3A, "Priority Among Concurrent
 * Events", "Handling Multiple NMIs".
 */
#include "vcpu/interpret.h"

#include "tests/host/fake_vcpu.c"
#include "vcpu/events.h"

#define CODE	0x7c00u
#define STACK	0x7000u
#define HANDLER	0x600u
#define SHARE	256u	/* steps of one call at most */

static struct vcpu_backend limited;

/* The hardware that the tests have needs protection. */
static bool needs_protection(struct vcpu *who)
{
	ctx_need(who, CTX_CR0_CR4);
	return who->cur->cr0 & CR0_PE;
}

static void set_vector(u8 vector, u16 offset)
{
	memory[vector * 4] = (u8)offset;
	memory[vector * 4 + 1] = (u8)(offset >> 8);
}

static void guest(const u8 *code, size_t size)
{
	fake_real_mode(0);
	memcpy(memory + CODE, code, size);
	block.rip = CODE;
	block.rsp = STACK;
	block.rflags = RFLAGS_FIXED;
	block.idtr.limit = 0x3ff;
	v->paging_stale = true;
	fake_state();
	limited = backend;
	limited.can_run = needs_protection;
	v->backend = vm.backend = &limited;
	interpret_from_here(v);
	assert_true(v->interprets);
}

#define GUEST(...) \
	do { \
		static const u8 code[] = { __VA_ARGS__ }; \
		guest(code, sizeof(code)); \
	} while (0)

static u16 word_at(u32 at)
{
	return (u16)(memory[at] | memory[at + 1] << 8);
}

static void test_runs_until_it_halts(void **state)
{
	GUEST(0xb8, 0x34, 0x12,			/* mov ax, 1234h */
	      0xa3, 0x00, 0x05,			/* mov [500h], ax */
	      0xf4);				/* hlt */
	assert_true(interpret(v));
	assert_int_equal(word_at(0x500), 0x1234);
	assert_int_equal(v->cur->activity, ACTIVITY_HLT);
	assert_int_equal(v->cur->rip, CODE + 7);
	assert_int_equal(v->count[EXIT_STEP].exits, 3);
	assert_true(v->interprets);
	assert_int_equal(fake.nr_injected, 0);
}

/* The interrupt comes behind the instruction after STI, and its handler returns there. */
static void test_interrupt_after_sti(void **state)
{
	GUEST(0xfb,				/* sti */
	      0x40,				/* inc ax */
	      0x40,				/* inc ax */
	      0xf4);				/* hlt */
	memcpy(memory + HANDLER, (const u8[]){ 0xa3, 0x00, 0x05, 0xcf }, 4);	/* mov [500h], ax; iret */
	set_vector(0x21, HANDLER);
	v->gpr[GPR_RAX] = 0x10;
	fake.interrupt = 0x21;
	assert_true(interpret(v));
	assert_int_equal(word_at(0x500), 0x11);
	assert_int_equal((u16)v->gpr[GPR_RAX], 0x12);
	assert_int_equal(fake.accepted, 1);
	assert_int_equal(fake.nr_injected, 0);		/* nothing for the hardware */
	assert_int_equal(v->cur->rsp, STACK);
}

static void test_fault_goes_to_its_handler(void **state)
{
	GUEST(0x0f, 0x0b);			/* ud2 */
	memory[HANDLER] = 0xf4;
	set_vector(EXC_UD, HANDLER);
	assert_true(interpret(v));
	assert_int_equal(v->cur->rip, HANDLER + 1);
	assert_int_equal(word_at(STACK - 6), CODE);	/* of the instruction itself */
	assert_int_equal(v->raised.type, EVENT_NONE);
}

/* One NMI is handled, a second waits for the IRET, and no third does. */
static void test_nmis(void **state)
{
	GUEST(0x90, 0xf4);			/* nop; hlt */
	memcpy(memory + HANDLER, (const u8[]){ 0x43, 0xcf }, 2);	/* inc bx; iret */
	set_vector(EXC_NMI, HANDLER);
	for (unsigned i = 0; i < 3; i++)
		events_add_nmi(v);
	v->gpr[GPR_RBX] = 0;
	assert_true(interpret(v));
	assert_int_equal(v->gpr[GPR_RBX], 2);
	assert_false(v->cur->block.nmi);
	assert_int_equal(v->cur->rip, CODE + 2);
}

static void test_ends_in_protected_mode(void **state)
{
	GUEST(0x0f, 0x20, 0xc0,			/* mov eax, cr0 */
	      0x0c, 0x01,			/* or al, 1 */
	      0x0f, 0x22, 0xc0,			/* mov cr0, eax */
	      0x40);				/* inc ax: the hardware's */
	assert_true(interpret(v));
	assert_false(v->interprets);
	assert_int_equal(v->cur->rip, CODE + 8);
	assert_true(v->requests & REQUEST_FLUSH);
	/* And begins again where it is left. */
	assert_true(vcpu_write_cr0(v, v->cur->cr0 & ~CR0_PE));
	assert_true(v->interprets);
}

/* The steps of one call are bounded, and the host gets its interrupts. */
static void test_shares_of_work(void **state)
{
	GUEST(0xeb, 0xfe);			/* jmp $ */
	assert_true(interpret(v));
	assert_int_equal(v->count[EXIT_STEP].exits, SHARE);
	assert_int_equal(fake.interrupts_taken, 1);
	assert_true(v->requests & REQUEST_EVENT);
}

static void test_others_come_first(void **state)
{
	static const u32 requests[] = {
		REQUEST_KICK, REQUEST_SYNC_ROOT, REQUEST_TIMER, REQUEST_CONTROLS, REQUEST_END,
		REQUEST_STARTUP, REQUEST_PAUSE, REQUEST_HOLD,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		fake_teardown(NULL);
		fake_setup(NULL);
		GUEST(0xeb, 0xfe);
		v->requests = requests[i];
		assert_true(interpret(v));
		assert_int_equal(v->count[EXIT_STEP].exits, 0);
		assert_true(v->requests & requests[i]);
	}
}

/* Neither the fault nor what follows from it has a vector. */
static void test_triple_fault(void **state)
{
	GUEST(0x0f, 0x0b);
	block.idtr.limit = 0;
	fake_state();
	assert_false(interpret(v));
	assert_int_equal(fake.kills, 1);
}

/* A device's register, by a string instruction through a segment. */
static void test_memory_without_slots(void **state)
{
	GUEST(0xb8, 0x00, 0xf0,			/* mov ax, f000h */
	      0x8e, 0xd8,			/* mov ds, ax */
	      0x66, 0xa1, 0xf0, 0xff, 0x00, 0x00,	/* mov eax, [fff0h] */
	      0xf4);
	vm.slots.nr = 0;
	assert_true(slots_add(&vm.slots, GPA(0), 0xf0000, HPA(0x40000000), memory, RIGHTS_ALL));
	assert_true(interpret(v));
	assert_int_equal(v->cur->activity, ACTIVITY_HLT);
	assert_int_equal((u32)v->gpr[GPR_RAX], 0xffffffff);
	assert_int_equal(v->cur->seg[SEG_DS].base, 0xf0000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_runs_until_it_halts),
		TEST(test_interrupt_after_sti),
		TEST(test_fault_goes_to_its_handler),
		TEST(test_nmis),
		TEST(test_ends_in_protected_mode),
		TEST(test_shares_of_work),
		TEST(test_others_come_first),
		TEST(test_triple_fault),
		TEST(test_memory_without_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
