// SPDX-License-Identifier: MIT
/*
 * The emulator's faults, intercepts and bounds, by hand-written cases from the manuals, and any
 * bytes at all. What each instruction computes is compared in test_forms.c.
 */
#include "emulate/decode.h"
#include "emulate/emulate.h"
#include "include/x86/exception.h"
#include "tests/host/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct machine before;
static struct emulate_result result;

static enum emulate_status run(enum cpu_mode mode, const char *text, unsigned count)
{
	return emulate(&machine_ops, NULL, m.gpr, mode, (const u8 *)text, count, &result);
}

#define RUN(mode, text)	run(mode, text, sizeof(text) - 1)

/* The instruction faults, and neither registers nor memory change. */
static void expect_fault(enum cpu_mode mode, const char *text, unsigned count, int vector)
{
	static struct machine copy;

	copy = m;
	assert_int_equal(run(mode, text, count), EMULATE_FAULT);
	assert_int_equal(result.event.type, EVENT_EXCEPTION);
	assert_int_equal(result.event.vector, vector);
	assert_true(result.event.rip == m.rip);
	assert_memory_equal(copy.gpr, m.gpr, sizeof(m.gpr));
	assert_memory_equal(copy.data, m.data, sizeof(m.data));
	assert_true(copy.rip == m.rip && copy.rsp == m.rsp && copy.rflags == m.rflags);
}

#define EXPECT_FAULT(mode, text, vector)	expect_fault(mode, text, sizeof(text) - 1, vector)

/* MOV EAX, [RBX]; MOV [RBX], EAX; ADD [RBX], EAX; PUSH RAX */
#define LOAD	"\x8b\x03"
#define STORE	"\x89\x03"
#define UPDATE_	"\x01\x03"
#define PUSH	"\x50"

static void test_page_faults(void **state)
{
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RBX] = 0x90000;
	EXPECT_FAULT(CPU_MODE_64, LOAD, EXC_PF);
	assert_true(result.event.payload == 0x90000 && result.event.error == 0 && result.event.has_error);
	EXPECT_FAULT(CPU_MODE_64, STORE, EXC_PF);
	assert_int_equal(result.event.error, PF_ERR_W);
	m.cpl = 3;
	EXPECT_FAULT(CPU_MODE_64, LOAD, EXC_PF);
	assert_int_equal(result.event.error, PF_ERR_U);
	/* the read of a read-modify-write faults as a write; CMP does not write */
	m.cpl = 0;
	m.rights[1] = RIGHT_R;
	m.gpr[GPR_RBX] = DATA + 0x1000;
	EXPECT_FAULT(CPU_MODE_64, UPDATE_, EXC_PF);
	assert_int_equal(result.event.error, PF_ERR_P | PF_ERR_W);
	assert_int_equal(m.reads, 0);
	assert_int_equal(RUN(CPU_MODE_64, "\x39\x03"), EMULATE_OK);
}

static void test_page_crossing(void **state)
{
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RBX] = DATA + 0xffe;
	m.gpr[GPR_RAX] = 0x44332211;
	m.rights[1] = RIGHT_R;
	EXPECT_FAULT(CPU_MODE_64, STORE, EXC_PF);
	assert_true(result.event.payload == DATA + 0x1000);
	assert_int_equal(m.writes, 0);
	m.rights[1] |= RIGHT_W;
	assert_int_equal(RUN(CPU_MODE_64, STORE), EMULATE_OK);
	assert_memory_equal(m.data + 0xffe, "\x11\x22\x33\x44", 4);
	assert_int_equal(RUN(CPU_MODE_64, "\xf0\x01\x03"), EMULATE_OK);	/* a split lock */
	assert_memory_equal(m.data + 0xffe, "\x22\x44\x66\x88", 4);
	m.rsp = DATA + 0x1004;
	m.rights[0] = 0;
	EXPECT_FAULT(CPU_MODE_64, PUSH, EXC_PF);
	assert_int_equal(m.data[0x1000], 0x66);
}

/* SDM vol. 1, "Canonical Addressing"; stack references give #SS. */
static void test_canonical(void **state)
{
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RBX] = 0x0000800000000000;
	EXPECT_FAULT(CPU_MODE_64, LOAD, EXC_GP);
	assert_true(result.event.has_error && result.event.error == 0);
	m.gpr[GPR_RBX] = 0x00007ffffffffffe;
	EXPECT_FAULT(CPU_MODE_64, LOAD, EXC_GP);
	m.gpr[GPR_RBP] = 0x8000000000000000;
	EXPECT_FAULT(CPU_MODE_64, "\x8b\x45\x00", EXC_SS);
	EXPECT_FAULT(CPU_MODE_64, "\x65\x8b\x45\x00", EXC_GP);
	EXPECT_FAULT(CPU_MODE_64, "\x3e\x8b\x45\x00", EXC_SS);	/* DS prefix: ignored */
	m.rsp = 0x0000800000000004;
	EXPECT_FAULT(CPU_MODE_64, PUSH, EXC_SS);
	m.gpr[GPR_RBX] = 0x0000800000000000;
	m.cr4 = CR4_LA57;
	EXPECT_FAULT(CPU_MODE_64, LOAD, EXC_PF);
	m.cr4 = 0;
	m.gpr[GPR_RAX] = 0x0000800000000000;
	EXPECT_FAULT(CPU_MODE_64, "\xff\xe0", EXC_GP);		/* JMP RAX */
	m.rsp = DATA + 0x100;
	EXPECT_FAULT(CPU_MODE_64, "\xff\xd0", EXC_GP);		/* CALL RAX */
}

/* SDM vol. 3A, "Limit Checking" and "Type Checking". */
static void test_segments(void **state)
{
	struct segment *ds;

	machine_reset(CPU_MODE_32);
	ds = &m.segment[SEG_DS];
	*ds = (struct segment){ 0x10, 0x4093, 0xfff, DATA };
	m.gpr[GPR_RBX] = 0xffc;
	assert_int_equal(RUN(CPU_MODE_32, LOAD), EMULATE_OK);
	m.gpr[GPR_RBX] = 0xffd;
	EXPECT_FAULT(CPU_MODE_32, LOAD, EXC_GP);
	m.gpr[GPR_RBX] = 0xffffffff;
	EXPECT_FAULT(CPU_MODE_32, LOAD, EXC_GP);
	ds->attr = 0x4097;			/* expand down: above the limit */
	EXPECT_FAULT(CPU_MODE_32, LOAD, EXC_GP);	/* 0xffffffff + 3 */
	m.gpr[GPR_RBX] = 0xfff;
	EXPECT_FAULT(CPU_MODE_32, LOAD, EXC_GP);
	m.gpr[GPR_RBX] = 0x1000;
	assert_int_equal(RUN(CPU_MODE_32, LOAD), EMULATE_OK);
	ds->attr = 0x0097;			/* … up to 64 KiB without B */
	m.gpr[GPR_RBX] = 0xfffd;
	EXPECT_FAULT(CPU_MODE_32, LOAD, EXC_GP);
	*ds = (struct segment){ 0x10, 0xc091, 0xffffffff, 0 };	/* read-only */
	m.gpr[GPR_RBX] = DATA;
	assert_int_equal(RUN(CPU_MODE_32, LOAD), EMULATE_OK);
	EXPECT_FAULT(CPU_MODE_32, STORE, EXC_GP);
	EXPECT_FAULT(CPU_MODE_32, UPDATE_, EXC_GP);
	EXPECT_FAULT(CPU_MODE_32, "\x2e\x89\x03", EXC_GP);	/* CS: is never writable */
	assert_int_equal(RUN(CPU_MODE_32, "\x2e\x8b\x03"), EMULATE_OK);
	m.segment[SEG_CS].attr = 0xc099;			/* execute-only */
	EXPECT_FAULT(CPU_MODE_32, "\x2e\x8b\x03", EXC_GP);
	ds->attr = 0;						/* null */
	EXPECT_FAULT(CPU_MODE_32, LOAD, EXC_GP);
	m.segment[SEG_SS].limit = 0x100;
	m.rsp = DATA;
	EXPECT_FAULT(CPU_MODE_32, PUSH, EXC_SS);
}

/* In real mode limits count, types don't, and nothing has an error code. */
static void test_real_mode(void **state)
{
	machine_reset(CPU_MODE_16);
	m.segment[SEG_DS].attr = 0x91;
	m.gpr[GPR_RBX] = 0xfffe;
	m.gpr[GPR_RAX] = 0x1234;
	assert_int_equal(RUN(CPU_MODE_16, "\x89\x07"), EMULATE_OK);	/* MOV [BX], AX */
	assert_memory_equal(m.data + 0xfffe, "\x34\x12", 2);
	m.gpr[GPR_RBX] = 0xffff;
	EXPECT_FAULT(CPU_MODE_16, "\x89\x07", EXC_GP);
	assert_false(result.event.has_error);
	m.rsp = 1;
	EXPECT_FAULT(CPU_MODE_16, PUSH, EXC_SS);
	m.rsp = 0xabcd0000;		/* SP wraps, the rest stays */
	assert_int_equal(RUN(CPU_MODE_16, PUSH), EMULATE_OK);
	assert_true(m.rsp == 0xabcdfffe);
}

static void test_alignment_check(void **state)
{
	machine_reset(CPU_MODE_64);
	m.cr0 |= CR0_AM;
	m.rflags |= RFLAGS_AC;
	m.gpr[GPR_RBX] = DATA + 2;
	assert_int_equal(RUN(CPU_MODE_64, LOAD), EMULATE_OK);	/* CPL 0 */
	m.cpl = 3;
	EXPECT_FAULT(CPU_MODE_64, LOAD, EXC_AC);
	assert_int_equal(result.event.error, 0);
	EXPECT_FAULT(CPU_MODE_64, STORE, EXC_AC);
	assert_int_equal(RUN(CPU_MODE_64, "\x66\x8b\x03"), EMULATE_OK);
	m.rights[0] = 0;		/* a page fault comes first */
	EXPECT_FAULT(CPU_MODE_64, LOAD, EXC_PF);
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RBX] = DATA + 8;	/* CMPXCHG16B wants 16 bytes, always */
	EXPECT_FAULT(CPU_MODE_64, "\x48\x0f\xc7\x0b", EXC_GP);
}

static void test_lock(void **state)
{
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RBX] = DATA;
	m.gpr[GPR_RAX] = 5;
	assert_int_equal(RUN(CPU_MODE_64, "\xf0\x0f\xc1\x03"), EMULATE_OK);	/* LOCK XADD */
	assert_int_equal(m.exchanges, 1);
	/* XCHG needs no LOCK */
	assert_int_equal(RUN(CPU_MODE_64, "\x87\x03"), EMULATE_OK);
	assert_int_equal(m.exchanges, 2);
	assert_int_equal(m.gpr[GPR_RAX], 5);
	assert_int_equal(RUN(CPU_MODE_64, UPDATE_), EMULATE_OK);
	assert_int_equal(m.exchanges, 2);
	m.race = true;
	before = m;
	assert_int_equal(RUN(CPU_MODE_64, "\xf0\x0f\xc1\x03"), EMULATE_AGAIN);
	assert_memory_equal(before.gpr, m.gpr, sizeof(m.gpr));
	assert_true(m.rip == before.rip && m.rflags == before.rflags);
}

/* SDM vol. 3A, "Bus Locking": also over a page's end, where it takes two reads and two writes. */
static void test_lock_over_a_page_end(void **state)
{
	static const struct { const char *code; unsigned length, bytes; } rows[] = {
		{ "\xf0\x01\x03", 3, 4 }, { "\x87\x03", 2, 4 }, { "\xf0\x48\xff\x03", 4, 8 },
		{ "\xf0\x0f\xb1\x03", 4, 4 }, { "\xf0\x0f\xc7\x0b", 4, 8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *code = rows[i].code;

		machine_reset(CPU_MODE_64);
		m.gpr[GPR_RBX] = DATA + 0x1000 - rows[i].bytes + 1;
		assert_int_equal(run(CPU_MODE_64, code, rows[i].length), EMULATE_OK);
		assert_true(m.locked_accesses == 4 && m.exchanges == 0 && !m.locked);
		/* a fault gives it back, and so does who can't have it now */
		m.rights[1] = RIGHT_R;
		assert_int_equal(run(CPU_MODE_64, code, rows[i].length), EMULATE_FAULT);
		assert_false(m.locked);
		m.rights[1] = RIGHT_R | RIGHT_W;
		m.race = true;
		before = m;
		assert_int_equal(run(CPU_MODE_64, code, rows[i].length), EMULATE_AGAIN);
		assert_memory_equal(&before, &m, sizeof(m));
	}
	machine_reset(CPU_MODE_64);		/* not without LOCK */
	m.gpr[GPR_RBX] = DATA + 0xffe;
	assert_int_equal(RUN(CPU_MODE_64, UPDATE_), EMULATE_OK);
	assert_int_equal(m.locked_accesses, 0);
}

static void test_single_step(void **state)
{
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RBX] = DATA;
	m.rflags |= RFLAGS_TF | RFLAGS_RF;
	assert_int_equal(RUN(CPU_MODE_64, LOAD), EMULATE_OK);
	assert_int_equal(result.event.type, EVENT_EXCEPTION);
	assert_int_equal(result.event.vector, EXC_DB);
	assert_false(result.event.has_error);
	assert_true(result.event.payload == 0x4000 && result.event.rip == CODE + 2);
	assert_true(m.rflags == (RFLAGS_FIXED | RFLAGS_TF));	/* RF ends with the instruction */
	m.gpr[GPR_RCX] = 3;
	m.gpr[GPR_RDI] = DATA;
	/* a trap after each element */
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\xaa"), EMULATE_OK);
	assert_int_equal(result.event.vector, EXC_DB);
	assert_true(m.rip == CODE + 2 && m.gpr[GPR_RCX] == 2 && result.event.rip == m.rip);
}

static void test_string_bounds(void **state)
{
	unsigned calls = 1;

	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RDI] = DATA;
	m.gpr[GPR_RCX] = 0x2800;
	m.gpr[GPR_RAX] = 0x5a;
	while (RUN(CPU_MODE_64, "\xf3\xaa") == EMULATE_AGAIN) {
		assert_true(m.rip == CODE && (m.rflags & RFLAGS_RF));
		assert_true(m.gpr[GPR_RCX] == 0x2800 - 4096 * calls++);
	}
	assert_int_equal(calls, 3);
	assert_true(m.rip == CODE + 2 && m.gpr[GPR_RCX] == 0 && m.gpr[GPR_RDI] == DATA + 0x2800);
	assert_int_equal(m.data[0x27ff], 0x5a);
	assert_int_equal(m.data[0x2800], 0);
	/* a fault in the middle leaves the registers at the element that faulted */
	m.rip = CODE;
	m.rights[2] = RIGHT_R;
	m.gpr[GPR_RDI] = DATA + 0x1ff0;
	m.gpr[GPR_RCX] = 100;
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\xab"), EMULATE_FAULT);
	assert_true(result.event.payload == DATA + 0x2000 && m.rip == CODE);
	assert_true(m.gpr[GPR_RDI] == DATA + 0x2000 && m.gpr[GPR_RCX] == 96);
	/* REP with a count of 0 touches nothing */
	m.gpr[GPR_RCX] = 0;
	m.gpr[GPR_RDI] = 0;
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\xaa"), EMULATE_OK);
}

static void test_ports(void **state)
{
	machine_reset(CPU_MODE_64);
	m.in_value = 0x12345678;
	m.gpr[GPR_RAX] = ~0ull;
	m.gpr[GPR_RDX] = 0x3f8;
	assert_int_equal(RUN(CPU_MODE_64, "\xec"), EMULATE_OK);		/* IN AL, DX */
	assert_true(m.gpr[GPR_RAX] == 0xffffffffffffff78);
	assert_int_equal(m.last_port, 0x3f8);
	assert_int_equal(RUN(CPU_MODE_64, "\xe5\x80"), EMULATE_OK);	/* IN EAX, 80H */
	assert_true(m.gpr[GPR_RAX] == 0x12345679);
	assert_int_equal(m.last_port, 0x80);
	assert_int_equal(RUN(CPU_MODE_64, "\xef"), EMULATE_OK);
	assert_int_equal(m.last_out, 0x12345679);
	assert_true(m.action.size == 4 && !m.action.in && m.intercepts == 3);
	/* REP INSB: checked, asked once, then stored */
	m.gpr[GPR_RCX] = 4;
	m.gpr[GPR_RDI] = DATA;
	m.ports = 0;
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\x6c"), EMULATE_OK);
	assert_memory_equal(m.data, "\x7a\x7b\x7c\x7d", 4);
	assert_true(m.intercepts == 4 && m.ports == 4 && m.action.string && m.action.rep);
	assert_true(m.action.linear.v == DATA);
	/* a destination that faults loses nothing of the port */
	m.gpr[GPR_RCX] = 1;
	m.gpr[GPR_RDI] = 0x90000;
	EXPECT_FAULT(CPU_MODE_64, "\xf3\x6c", EXC_PF);
	assert_int_equal(m.ports, 4);
	m.refuse = true;
	assert_int_equal(RUN(CPU_MODE_64, "\xec"), EMULATE_STOP);
	assert_int_equal(m.ports, 4);
}

/* SDM vol. 1, "I/O Permission Bit Map". */
static void test_port_permission(void **state)
{
	machine_reset(CPU_MODE_64);
	m.cpl = 3;
	m.gpr[GPR_RDX] = 0x3f8;
	m.segment[SEG_TR] = (struct segment){ 0x28, 0x8b, 0x67, DATA };
	m.data[0x66] = 0x68;		/* the map lies beyond the limit */
	EXPECT_FAULT(CPU_MODE_64, "\xec", EXC_GP);
	m.rflags |= RFLAGS_IOPL;
	assert_int_equal(RUN(CPU_MODE_64, "\xec"), EMULATE_OK);
	m.rflags |= RFLAGS_VM;
	EXPECT_FAULT(CPU_MODE_32, "\xec", EXC_GP);
	m.rflags &= ~(RFLAGS_IOPL | RFLAGS_VM);
	m.segment[SEG_TR].limit = 0x68 + 0x2000;
	assert_int_equal(RUN(CPU_MODE_64, "\xec"), EMULATE_OK);
	m.data[0x68 + 0x7f] = 0x02;	/* port 0x3f9 */
	assert_int_equal(RUN(CPU_MODE_64, "\xec"), EMULATE_OK);
	EXPECT_FAULT(CPU_MODE_64, "\x66\xed", EXC_GP);
	m.data[0x68 + 0x7f] = 0;
	m.data[0x68 + 0x80] = 0x01;	/* port 0x400: the second byte counts for 0x3ff */
	m.gpr[GPR_RDX] = 0x3ff;
	assert_int_equal(RUN(CPU_MODE_64, "\xec"), EMULATE_OK);
	EXPECT_FAULT(CPU_MODE_64, "\x66\xed", EXC_GP);
	m.segment[SEG_TR].limit = 0x68 + 0x7f;
	EXPECT_FAULT(CPU_MODE_64, "\xec", EXC_GP);
}

static void test_system(void **state)
{
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_R9] = 0xdeadbeef12345678;
	assert_int_equal(RUN(CPU_MODE_64, "\x41\x0f\x22\xd9"), EMULATE_OK);	/* MOV CR3, R9 */
	assert_true(result.insn.op == OP_MOV_TO_CR && result.insn.reg == 3 && result.insn.rm == 9);
	assert_true(m.action.value == 0xdeadbeef12345678);
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\x20\xc2"), EMULATE_OK);		/* MOV RDX, CR0 */
	assert_true(m.gpr[GPR_RDX] == 0x1122334455667788);
	assert_int_equal(RUN(CPU_MODE_32, "\x0f\x20\xc2"), EMULATE_OK);
	assert_true(m.gpr[GPR_RDX] == 0x55667788);
	m.gpr[GPR_RBX] = DATA;
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\x01\x23"), EMULATE_OK);		/* SMSW [RBX] */
	assert_memory_equal(m.data, "\x88\x77\0\0", 4);
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\x01\x33"), EMULATE_OK);		/* LMSW [RBX] */
	assert_true(m.action.value == 0x7788);
	m.gpr[GPR_RBX] = 0x1234800000000000;	/* INVLPG takes any address */
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\x01\x3b"), EMULATE_OK);
	assert_true(m.action.linear.v == 0x1234800000000000);
	assert_int_equal(m.systems, 6);
	m.cpl = 3;
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x01\x3b", EXC_GP);
	EXPECT_FAULT(CPU_MODE_64, "\xf4", EXC_GP);
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x22\xd8", EXC_GP);
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\x01\xe0"), EMULATE_OK);		/* SMSW EAX */
	m.cr4 = CR4_UMIP;
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x01\xe0", EXC_GP);
	m.cpl = 0;
	m.refuse = true;
	before = m;
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\xa2"), EMULATE_STOP);
	assert_true(m.rip == before.rip && m.systems == before.systems);
}

static void test_values(void **state)
{
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RBX] = DATA;
	m.gpr[GPR_RAX] = 0x1122334455667788;
	/* MOVBE [RBX], RAX */
	assert_int_equal(RUN(CPU_MODE_64, "\x48\x0f\x38\xf1\x03"), EMULATE_OK);
	assert_memory_equal(m.data, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	/* MOVBE CX, [RBX] */
	assert_int_equal(RUN(CPU_MODE_64, "\x66\x0f\x38\xf0\x0b"), EMULATE_OK);
	assert_int_equal(m.gpr[GPR_RCX], 0x1122);
	m.segment[SEG_FS] = (struct segment){ 0x53, 0xf3, 0, DATA };
	/* MOV FS:[8], FS */
	assert_int_equal(RUN(CPU_MODE_64, "\x64\x8c\x24\x25\x08\0\0\0"), EMULATE_OK);
	assert_memory_equal(m.data + 8, "\x53\0\0\0", 4);
	/* CALL [RBX+16]: the return address is pushed, the target taken */
	memcpy(m.data + 16, "\x44\x33\x22\x11\0\0\0\0", 8);
	m.rip = 0x1000;
	m.rsp = DATA + 0x108;
	assert_int_equal(RUN(CPU_MODE_64, "\xff\x53\x10"), EMULATE_OK);
	assert_true(m.rip == 0x11223344 && m.rsp == DATA + 0x100);
	assert_memory_equal(m.data + 0x100, "\x03\x10\0\0\0\0\0\0", 8);
	assert_int_equal(RUN(CPU_MODE_64, "\xc2\x10\0"), EMULATE_OK);		/* RET 16 */
	assert_true(m.rip == 0x1003 && m.rsp == DATA + 0x118);
	/* JZ -16, taken and not; JMP back */
	m.rflags |= RFLAGS_ZF;
	assert_int_equal(RUN(CPU_MODE_64, "\x74\xf0"), EMULATE_OK);
	assert_true(m.rip == 0xff5);
	assert_int_equal(RUN(CPU_MODE_64, "\x75\xf0"), EMULATE_OK);
	assert_true(m.rip == 0xff7);
	assert_int_equal(RUN(CPU_MODE_64, "\xe9\xfb\xff\xff\xff"), EMULATE_OK);
	assert_true(m.rip == 0xff7);
	/* POP [RSP]: the address is computed with RSP after the increment */
	memcpy(m.data + 0x118, "\x99\0\0\0\0\0\0\0", 8);
	assert_int_equal(RUN(CPU_MODE_64, "\x8f\x04\x24"), EMULATE_OK);
	assert_int_equal(m.data[0x120], 0x99);
}

/* SDM vol. 2A, "Exception Conditions": what CR0, CR4 and XCR0 forbid, and in which order. */
static void test_vector_state(void **state)
{
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RBX] = 0x90000;		/* a page fault would come last */
	m.cr0 |= CR0_TS;
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x10\x03", EXC_NM);	/* MOVUPS */
	EXPECT_FAULT(CPU_MODE_64, "\xc5\xf8\x10\x03", EXC_NM);
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x6f\x03", EXC_NM);	/* MOVQ MM0 */
	EXPECT_FAULT(CPU_MODE_64, "\xd9\x03", EXC_NM);	/* FLD */
	assert_int_equal(RUN(CPU_MODE_64, "\x9b"), EMULATE_OK);	/* FWAIT: with MP only */
	m.rip = CODE;
	m.cr0 |= CR0_MP;
	EXPECT_FAULT(CPU_MODE_64, "\x9b", EXC_NM);
	m.cr0 |= CR0_EM;
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x10\x03", EXC_UD);
	EXPECT_FAULT(CPU_MODE_64, "\xc5\xf8\x10\x03", EXC_NM);	/* AVX doesn't look at EM */
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x6f\x03", EXC_UD);
	EXPECT_FAULT(CPU_MODE_64, "\xd9\x03", EXC_NM);
	m.cr0 &= ~(CR0_TS | CR0_EM | CR0_MP);
	EXPECT_FAULT(CPU_MODE_64, "\xc5\xf8\x10\x03", EXC_PF);
	m.xcr0 = XCR0_X87 | XCR0_SSE;
	EXPECT_FAULT(CPU_MODE_64, "\xc5\xf8\x10\x03", EXC_UD);
	m.xcr0 |= XCR0_AVX;
	m.cr4 &= ~CR4_OSXSAVE;
	EXPECT_FAULT(CPU_MODE_64, "\xc5\xf8\x10\x03", EXC_UD);
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x10\x03", EXC_PF);
	m.cr4 &= ~CR4_OSFXSR;
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x10\x03", EXC_UD);
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x6f\x03", EXC_PF);	/* MMX doesn't need it */
	m.fpu[0] &= ~1;			/* an invalid operation waits, not masked */
	m.fpu[2] = 0x81;
	m.fpu[3] = 0x80;
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x6f\x03", EXC_MF);
	EXPECT_FAULT(CPU_MODE_64, "\xd9\x03", EXC_MF);
	EXPECT_FAULT(CPU_MODE_64, "\xdd\x3b", EXC_PF);		/* FNSTSW doesn't wait */
	machine_reset(CPU_MODE_16);
	EXPECT_FAULT(CPU_MODE_16, "\xc5\xf8\x10\xc1", EXC_UD);	/* VEX in real mode */
}

/* SDM vol. 3A, "Alignment Requirements by Data Type": GDTR's and IDTR's contents want 4. */
static void test_table_alignment(void **state)
{
	static const enum cpu_mode modes[] = { CPU_MODE_64, CPU_MODE_32 };

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		machine_reset(modes[i]);
		m.cpl = 3;
		m.cr0 |= CR0_AM;
		m.rflags |= RFLAGS_AC;
		for (unsigned at = 0; at < 16; at++) {
			m.rip = CODE;
			m.gpr[GPR_RBX] = DATA + at;
			if (at % 4)
				EXPECT_FAULT(modes[i], "\x0f\x01\x03", EXC_AC);	/* SGDT */
			else
				assert_int_equal(RUN(modes[i], "\x0f\x01\x03"), EMULATE_OK);
		}
	}
}

/* SDM vol. 3A, "Alignment Checking"; vol. 2, "MOVAPS", "VMOVAPS", "MOVUPS". */
static void test_vector_alignment(void **state)
{
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RBX] = DATA + 16;
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\x28\x03"), EMULATE_OK);	/* MOVAPS */
	m.rip = CODE;
	EXPECT_FAULT(CPU_MODE_64, "\xc5\xfc\x28\x03", EXC_GP);	/* VMOVAPS YMM */
	assert_int_equal(RUN(CPU_MODE_64, "\xc5\xfc\x10\x03"), EMULATE_OK);
	m.gpr[GPR_RBX] = DATA + 8;
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x28\x03", EXC_GP);
	m.cpl = 3;
	m.cr0 |= CR0_AM;
	m.rflags |= RFLAGS_AC;
	m.gpr[GPR_RBX] = DATA + 4;
	EXPECT_FAULT(CPU_MODE_64, "\xf2\x0f\x10\x03", EXC_AC);	/* MOVSD of 8 bytes */
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\x0f\x10\x03"), EMULATE_OK);
	EXPECT_FAULT(CPU_MODE_64, "\xdd\x03", EXC_AC);		/* FLD m64 */
}

/* SDM vol. 2B, "MOVNTI": "NP 0F C3 /r"; CPUs raise #UD too. */
static void test_movnti_prefixes(void **state)
{
	machine_reset(CPU_MODE_64);
	m.gpr[GPR_RBX] = DATA;
	EXPECT_FAULT(CPU_MODE_64, "\x66\x0f\xc3\x03", EXC_UD);
	EXPECT_FAULT(CPU_MODE_64, "\xf2\x0f\xc3\x03", EXC_UD);
	EXPECT_FAULT(CPU_MODE_64, "\xf3\x0f\xc3\x03", EXC_UD);
	assert_int_equal(RUN(CPU_MODE_64, "\x67\x0f\xc3\x03"), EMULATE_OK);
}

/* SDM vol. 2B, "MOVDIRI", "MOVDIR64B": few CPUs have them to compare with. */
static void test_direct_stores(void **state)
{
	machine_reset(CPU_MODE_64);
	for (unsigned i = 0; i < 64; i++)
		m.data[i] = i + 1;
	m.gpr[GPR_RBX] = DATA;
	m.gpr[GPR_RAX] = DATA + 0x140;
	assert_int_equal(RUN(CPU_MODE_64, "\x66\x0f\x38\xf8\x03"), EMULATE_OK);
	assert_memory_equal(m.data + 0x140, m.data, 64);
	assert_int_equal(m.data[0x180], 0);
	m.rip = CODE;
	m.gpr[GPR_RAX] = DATA + 0x148;
	EXPECT_FAULT(CPU_MODE_64, "\x66\x0f\x38\xf8\x03", EXC_GP);	/* not aligned */
	m.gpr[GPR_RAX] = DATA + 0x1000;
	m.rights[1] = RIGHT_R;
	EXPECT_FAULT(CPU_MODE_64, "\x66\x0f\x38\xf8\x03", EXC_PF);
	assert_int_equal(result.event.error, PF_ERR_P | PF_ERR_W);
	EXPECT_FAULT(CPU_MODE_64, "\x66\x0f\x38\xf8\xc3", EXC_UD);	/* a register */
	m.gpr[GPR_RAX] = 0x1122334455667788;
	assert_int_equal(RUN(CPU_MODE_64, "\x48\x0f\x38\xf9\x43\x40"), EMULATE_OK);
	assert_memory_equal(m.data + 0x40, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x38\xf9\xc3", EXC_UD);
}

static void test_limits_of_the_emulator(void **state)
{
	machine_reset(CPU_MODE_64);
	before = m;
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\x58\x03"), EMULATE_UNHANDLED);	/* ADDPS */
	assert_int_equal(RUN(CPU_MODE_64, "\xc5\xf8\x58\x03"), EMULATE_UNHANDLED);
	assert_int_equal(RUN(CPU_MODE_64, "\xd9\xc0"), EMULATE_UNHANDLED);	/* FLD ST */
	assert_int_equal(RUN(CPU_MODE_64, "\x8b"), EMULATE_NEED_BYTES);
	assert_memory_equal(&before, &m, sizeof(m));
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x0b", EXC_UD);
	assert_false(result.event.has_error);
	EXPECT_FAULT(CPU_MODE_64, "\xf0\x89\x03", EXC_UD);
	EXPECT_FAULT(CPU_MODE_64, "fffffffffffffff\x90", EXC_GP);	/* 16 bytes */
}

static void randomise(enum cpu_mode mode)
{
	u64 base = mode == CPU_MODE_16 ? 0 : DATA;

	for (int i = 0; i < 16; i++)
		m.gpr[i] = random64() >> (random64() & 63);
	m.gpr[GPR_RBX] = base + 0x1000 + random64() % 0x7000;
	m.gpr[GPR_RBP] = base + 0x1000 + random64() % 0x7000;
	m.gpr[GPR_RSI] = random64() % 0x1000 + (random64() % 2 ? base : 0);
	m.gpr[GPR_RDI] = base + 0x2000 + random64() % 0x4000;
	m.rsp = base + 0x8000 + random64() % 0x4000;
	if (random64() % 2 || (result.insn.op >= OP_MOVS && result.insn.op <= OP_OUTS))
		m.gpr[GPR_RCX] &= 0x1f;
	if (random64() % 4 == 0)	/* comparisons that succeed */
		memset(m.data + m.gpr[GPR_RBX] - base - 0x80, m.gpr[GPR_RAX] & 0xff, 0x100);
	for (int i = 0; mode != CPU_MODE_64 && i < 16; i++)
		m.gpr[i] = (u32)m.gpr[i];
	m.rflags = RFLAGS_FIXED | (random64() & (ARITH | RFLAGS_DF));
}

/* Any bytes at all: no sanitizer finds anything, and a fault leaves RIP where it was. */
static void test_random_bytes(void **state)
{
	static const u8 modes[] = { CPU_MODE_16, CPU_MODE_32, CPU_MODE_64 };

	for (unsigned i = 0; i < 300000; i++) {
		u8 mode = modes[i % 3], bytes[INSN_MAX_BYTES];
		enum emulate_status status;
		u64 rip;

		if (i % 1000 < 3)
			machine_reset(mode);
		for (int k = 0; k < INSN_MAX_BYTES; k++)
			bytes[k] = random64();
		if (random64() % 2)
			randomise(mode);
		m.cpl = random64() % 2 ? 3 : 0;
		rip = m.rip = random64() >> (random64() & 63);
		status = emulate(&machine_ops, NULL, m.gpr, mode, bytes, random64() % 16, &result);
		assert_true(status <= EMULATE_UNHANDLED && status == result.status);
		if (status != EMULATE_OK)
			assert_true(m.rip == rip);
		assert_int_equal(status == EMULATE_FAULT,
				 result.event.type != EVENT_NONE && result.event.vector != EXC_DB);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_faults),
		cmocka_unit_test(test_page_crossing),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_real_mode),
		cmocka_unit_test(test_alignment_check),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_lock_over_a_page_end),
		cmocka_unit_test(test_single_step),
		cmocka_unit_test(test_string_bounds),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_port_permission),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_vector_state),
		cmocka_unit_test(test_table_alignment),
		cmocka_unit_test(test_vector_alignment),
		cmocka_unit_test(test_movnti_prefixes),
		cmocka_unit_test(test_direct_stores),
		cmocka_unit_test(test_limits_of_the_emulator),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
