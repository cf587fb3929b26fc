/* SPDX-License-Identifier: MIT */
/*
 * System instructions that the emulator carries out for a vCPU: they mean what their exits mean, and
 * reach the hardware's block. SDM vol. 2, each instruction's page.
 */
#include "include/hypercall.h"
#include "include/x86/msr.h"
#include "vcpu/emulation.h"
#include "vcpu/events.h"
#include "vcpu/exits.h"

#include "tests/host/fake_vcpu.c"

#define CODE	0x1000
#define GDT	0x3000

static void put64(u64 at, u64 value)
{
	memcpy(memory + at, &value, 8);
}

/* 32-bit code at CPL 0, flat, with a GDT in memory. */
static void reset(void)
{
	fake_protected_mode();
	block.gdtr = (struct table){ GDT, 0x3f };
	put64(GDT + 8, 0x00cf9b000000ffff);
	put64(GDT + 16, 0x00cf93000000ffff);
	block.rip = CODE;
	block.rsp = 0x8000;
	block.rflags = RFLAGS_FIXED;
	v->paging_stale = true;
	v->memo.page = MEMO_NONE;
	memset(v->gpr, 0, sizeof(v->gpr));
	fake_state();
}

static enum handled run(const char *code, unsigned length)
{
	memcpy(memory + block.rip, code, length);
	fake_state();
	v->raised.type = EVENT_NONE;
	v->exit.kind = EXIT_STEP;
	return emulate_one(v);
}
#define RUN(code)	run(code, sizeof(code) - 1)

static void expect_fault(enum handled how, u8 vector)
{
	assert_int_equal(how, HANDLED_INJECT);
	assert_int_equal(v->raised.type, EVENT_EXCEPTION);
	assert_int_equal(v->raised.vector, vector);
	assert_true(v->cur->rip == block.rip);
}

static void expect_done(enum handled how, unsigned length)
{
	u64 next = block.rip + length;

	assert_int_equal(how, HANDLED_RESUME);
	fake_enter();
	assert_true(block.rip == next);
}

static void test_as_their_exits(void **state)
{
	reset();
	v->gpr[GPR_RAX] = 0x40000000;
	expect_done(RUN("\x0f\xa2"), 2);
	assert_memory_equal(&v->gpr[GPR_RBX], "Plin\0\0\0\0", 8);
	v->gpr[GPR_RCX] = MSR_STAR;
	v->gpr[GPR_RAX] = 0x11223344;
	v->gpr[GPR_RDX] = 0x55667788;
	expect_done(RUN("\x0f\x30"), 2);
	assert_true(block.star == 0x5566778811223344);
	v->gpr[GPR_RAX] = v->gpr[GPR_RDX] = 0;
	expect_done(RUN("\x0f\x32"), 2);
	assert_true(v->gpr[GPR_RAX] == 0x11223344 && v->gpr[GPR_RDX] == 0x55667788);
	v->gpr[GPR_RCX] = 0x12345;
	expect_fault(RUN("\x0f\x32"), EXC_GP);
	assert_true(v->raised.has_error);
	expect_fault(RUN("\x0f\xaa"), EXC_UD);		/* RSM */
	expect_fault(RUN("\x0f\x01\xc8"), EXC_UD);	/* MONITOR */
	expect_fault(RUN("\x0f\x01\xd8"), EXC_UD);	/* VMRUN */
	expect_fault(RUN("\x0f\x33"), EXC_GP);		/* RDPMC: no counters */
	expect_done(RUN("\x0f\x08"), 2);		/* INVD */
	fake.tsc = 0x1234567890;
	expect_done(RUN("\x0f\x31"), 2);
	assert_true(v->gpr[GPR_RDX] == 0x12 && v->gpr[GPR_RAX] == 0x34567890);
	expect_fault(RUN("\x0f\x01\xd0"), EXC_UD);	/* XGETBV without CR4.OSXSAVE */
	block.cr4 = CR4_OSXSAVE;
	v->gpr[GPR_RCX] = 1;
	expect_fault(RUN("\x0f\x01\xd0"), EXC_GP);
	block.rflags |= RFLAGS_TF;			/* one #DB, behind it */
	v->gpr[GPR_RAX] = 0x40000000;
	assert_int_equal(RUN("\x0f\xa2"), HANDLED_INJECT);
	assert_true(v->raised.vector == EXC_DB && v->raised.payload == DR6_BS &&
		    v->cur->rip == block.rip + 2);
}

/* A hypercall that another vCPU's pause keeps from being carried out is executed again. */
static void test_hypercall_again(void **state)
{
	reset();
	fake.other_pauses = true;
	v->gpr[GPR_RAX] = PLINTH_CALL_SET_RIGHTS;
	v->gpr[GPR_RBX] = 0x40000;
	v->gpr[GPR_RCX] = 0x1000;
	v->gpr[GPR_RDX] = PLINTH_RIGHT_R;
	expect_done(RUN("\x0f\x01\xd9"), 0);
	assert_int_equal(v->gpr[GPR_RAX], PLINTH_CALL_SET_RIGHTS);
	fake.other_pauses = false;
	expect_done(RUN("\x0f\x01\xd9"), 3);
	assert_int_equal(v->gpr[GPR_RAX], 0);
}

static void test_hlt_sleeps(void **state)
{
	reset();
	assert_int_equal(RUN("\xf4"), HANDLED_SLEEP);
	assert_int_equal(v->cur->activity, ACTIVITY_HLT);
	assert_true(v->cur->rip == CODE + 1);
	v->cur->activity = ACTIVITY_ACTIVE;
	block.rflags |= RFLAGS_TF;		/* the step's #DB ends it */
	assert_int_equal(RUN("\xf4"), HANDLED_SLEEP);
	assert_int_equal(v->raised.vector, EXC_DB);
	assert_true(events_wake_up(v));
	v->cur->activity = ACTIVITY_ACTIVE;
	block.rflags = RFLAGS_FIXED;
	block.seg[SEG_CS].attr |= SEG_ATTR_DPL;
	block.seg[SEG_SS].attr |= SEG_ATTR_DPL;
	expect_fault(RUN("\xf4"), EXC_GP);
}

static void test_registers_reach_the_block(void **state)
{
	reset();
	v->gpr[GPR_RAX] = 0x12345678;
	expect_done(RUN("\x0f\x23\xd0"), 3);		/* MOV DR2 */
	assert_true(fake.dr[2] == 0x12345678);
	expect_done(RUN("\x0f\x23\xf0"), 3);		/* MOV DR6: fixed bits */
	assert_true(block.dr6 == ((0x12345678 & 0xe00f) | 0xffff0ff0));
	expect_done(RUN("\x0f\x21\xd1"), 3);
	assert_true(v->gpr[GPR_RCX] == 0x12345678);
	memcpy(memory + 0x5000, "\x34\x12\x00\x30\0\0", 6);
	expect_done(RUN("\x0f\x01\x15\0\x50\0\0"), 7);	/* LGDT */
	assert_true(block.gdtr.limit == 0x1234 && block.gdtr.base == GDT);
	v->gpr[GPR_RAX] = 16;
	expect_done(RUN("\x8e\xd0"), 2);		/* MOV SS */
	assert_true(block.block.mov_ss && !block.block.sti);
	assert_true(block.seg[SEG_SS].selector == 16 && block.seg[SEG_SS].limit == 0xffffffff);
	expect_done(RUN("\xfb"), 1);			/* its own shadow, and not the old one's */
	assert_true(!block.block.mov_ss && block.block.sti && (block.rflags & RFLAGS_IF));
	expect_done(RUN("\x90"), 1);
	assert_false(block.block.sti);
	expect_done(RUN("\x6a\x08\x68\0\x20\0\0\xcb"), 2);
	expect_done(RUN("\x68\0\x20\0\0"), 5);
	assert_int_equal(RUN("\xcb"), HANDLED_RESUME);	/* RETF */
	fake_enter();
	assert_true(block.rip == 0x2000 && block.rsp == 0x8000);
	assert_true(block.seg[SEG_CS].selector == 8);
}

/*
 * MOV DS from a device whose address has the offset that the descriptor has in its page: the exit's
 * address is the operand's, not the descriptor's. A device that isn't there reads as ones: the
 * selector is FFFFH, in the LDT.
 */
static void test_descriptor_is_no_operand(void **state)
{
	reset();
	block.seg[SEG_LDTR] = (struct segment){ 0x18, 0x82, 0xffff, 0x10000 };
	put64(0x1fff8, 0x0040f3001234ffff);
	memcpy(memory + CODE, "\x8e\x1d\xf8\x0f\x20\0", 6);
	fake_state();
	v->exit.kind = EXIT_STAGE2;
	v->exit.stage2.address = 0x200ff8;
	v->exit.stage2.access = ACCESS_READ;
	v->exit.stage2.final = true;
	assert_int_equal(exit_dispatch(v), HANDLED_RESUME);
	fake_enter();
	assert_true(block.seg[SEG_DS].selector == 0xffff && block.seg[SEG_DS].base == 0x1234);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_as_their_exits),
		TEST(test_hypercall_again),
		TEST(test_hlt_sleeps),
		TEST(test_registers_reach_the_block),
		TEST(test_descriptor_is_no_operand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
