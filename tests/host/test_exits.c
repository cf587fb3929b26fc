/* SPDX-License-Identifier: MIT */
/*
 * Exits: who gets them, where RIP goes, what each handler does to the guest. The real emulator,
 * walker and mmu are behind it. SDM vol. 2 for the instructions; vol. 3A, "Single-Step Exception
 * Condition", "Resume Flag"; docs/hypercalls.md.
 */
#include "vcpu/exits.h"

#include "include/hypercall.h"
#include "tests/host/fake_vcpu.c"
#include "vcpu/emulation.h"
#include "vcpu/events.h"

#define PML4	0x10000u
#define CODE	0x20000u

static void put64(u64 at, u64 value)
{
	memcpy(memory + at, &value, 8);
}

/* 16, 32 or 64: code of that width at CPL 0, at `rip` of identical memory; devices above it. */
static void set_mode(unsigned bits, u64 rip)
{
	if (bits == 64) {
		fake_long_mode();
		put64(PML4, (PML4 + 0x1000) | 7);
		put64(PML4 + 0x1000, (PML4 + 0x2000) | 7);
		put64(PML4 + 0x2000, 0x87);
		put64(PML4 + 0x2008, 0x200087);
		block.cr3 = PML4;
	} else if (bits == 32) {
		fake_protected_mode();
	} else {
		fake_real_mode(CODE);
		rip -= CODE;
	}
	block.rip = rip;
	block.rflags = RFLAGS_FIXED;
	v->paging_stale = true;
	v->memo.page = MEMO_NONE;
	v->raised.type = EVENT_NONE;
	fake_state();
}

static void set_cpl(unsigned cpl)
{
	block.seg[SEG_SS].attr =
		(block.seg[SEG_SS].attr & ~SEG_ATTR_DPL) | cpl << SEG_ATTR_DPL_SHIFT;
	fake_state();
}

static enum handled dispatch(u8 kind)
{
	v->exit.kind = kind;
	return exit_dispatch(v);
}

static void expect_raised(u8 vector, bool has_error, u32 error)
{
	assert_int_equal(v->raised.type, EVENT_EXCEPTION);
	assert_int_equal(v->raised.vector, vector);
	assert_int_equal(v->raised.has_error, has_error);
	assert_int_equal(v->raised.error, error);
	assert_int_equal(v->cur->rip, block.rip);
}

/* --- Who is asked --- */

static bool goes_to_l1_by_the_design(u8 kind)	/* docs/vcpu.md, "Exits" */
{
	switch (kind) {
	case EXIT_EXTINT: case EXIT_NMI: case EXIT_SMI: case EXIT_INIT: case EXIT_SIPI:
	case EXIT_INTR_WINDOW: case EXIT_NMI_WINDOW:
	case EXIT_STAGE2:
	case EXIT_PAGE_FAULT:
	case EXIT_EXCEPTION:
	case EXIT_TIMER:
	case EXIT_STEP:
	case EXIT_ENTRY_FAILED: case EXIT_UNKNOWN:
		return false;
	default:
		return true;
	}
}

static bool answer;
static unsigned asked;

static bool check_exit(struct vcpu *who)
{
	asked++;
	return answer;
}

static void test_routing(void **state)
{
	static const struct virt_ops virt = { .check_exit = check_exit };

	for (unsigned kind = 0; kind < NR_EXIT_KINDS; kind++) {
		bool theirs = goes_to_l1_by_the_design(kind);

		for (unsigned i = 0; i < 8; i++) {
			bool wanted = i & 1, narrow = i & 2;

			fake_teardown(NULL);
			fake_setup(NULL);
			vm.virt = &virt;
			v->ctx[1] = v->ctx[0];
			v->cur = &v->ctx[1];
			v->l1.wants[kind / 64] = wanted ? BIT(kind % 64) : ~BIT(kind % 64);
			v->l1.narrow[kind / 64] = narrow ? BIT(kind % 64) : ~BIT(kind % 64);
			answer = i & 4;
			asked = 0;
			assert_int_equal(dispatch(kind) == HANDLED_TO_L1,
					 theirs && wanted && (!narrow || answer));
			assert_int_equal(asked, theirs && wanted && narrow);
		}
	}
}

/* While L1 itself runs, its wants mean nothing. */
static void test_l1_gets_none_of_its_own(void **state)
{
	for (unsigned kind = 0; kind < NR_EXIT_KINDS; kind++) {
		fake_teardown(NULL);
		fake_setup(NULL);
		memset(v->l1.wants, 0xff, sizeof(v->l1.wants));
		assert_int_not_equal(dispatch(kind), HANDLED_TO_L1);
	}
}

static void test_exits_that_end_the_guest(void **state)
{
	static const u8 kinds[] = {
		EXIT_SIPI, EXIT_TRIPLE_FAULT, EXIT_TPR_BELOW, EXIT_RDTSC,
		EXIT_RDTSCP, EXIT_INVLPG, EXIT_INVPCID, EXIT_DESC_TABLE,
		EXIT_PUSHF, EXIT_POPF, EXIT_INT_N, EXIT_TIMER, EXIT_STEP, EXIT_ENTRY_FAILED,
		EXIT_UNKNOWN,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		fake_teardown(NULL);
		fake_setup(NULL);
		assert_int_equal(dispatch(kinds[i]), HANDLED_KILL);
		assert_int_equal(fake.kills, 1);
	}
}

/* --- Task switches --- */

/* An event whose delivery the hardware left to Plinth: here through the IVT, as the emulator decides
 * by the mode (SDM vol. 3B, "8086 Emulation": FLAGS, CS and IP are pushed). */
static void test_delivery_left_to_plinth(void **state)
{
	static const u8 types[] = { EVENT_EXTINT, EVENT_NMI, EVENT_EXCEPTION };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		fake_teardown(NULL);
		fake_setup(NULL);
		set_mode(16, CODE + 0x123);
		block.rflags |= RFLAGS_IF;
		block.rsp = 0x8000;
		block.idtr.limit = 0x3ff;
		memory[0x20 * 4] = 0x77;	/* 0000:0077 */
		memory[2 * 4] = 0x77;
		fake_state();
		v->interrupted = (struct event){ .type = types[i], .vector = types[i] == EVENT_NMI ? 2 : 0x20,
						 .rip = block.rip };
		v->exit.task.source = TASK_GATE;
		assert_int_equal(dispatch(EXIT_TASK_SWITCH), HANDLED_RESUME);
		assert_int_equal(v->interrupted.type, EVENT_NONE);
		fake_enter();
		assert_int_equal(block.rip, 0x77);
		assert_int_equal(block.rsp, 0x8000 - 6);
		assert_int_equal(memory[0x8000 - 6] | memory[0x8000 - 5] << 8, 0x123);
		assert_false(block.rflags & RFLAGS_IF);
		assert_int_equal(v->cur->block.nmi, types[i] == EVENT_NMI);
	}
}

/* The vector lies behind the IVT's limit: the second exception, and both are told apart later. */
static void test_delivery_left_to_plinth_faults(void **state)
{
	set_mode(16, CODE);
	block.idtr.limit = 0x1f;
	fake_state();
	v->interrupted = (struct event){ .type = EVENT_EXCEPTION, .vector = 13, .rip = block.rip };
	v->exit.task.source = TASK_GATE;
	assert_int_equal(dispatch(EXIT_TASK_SWITCH), HANDLED_INJECT);
	assert_int_equal(v->interrupted.vector, 13);
	assert_int_equal(v->raised.vector, EXC_GP);
}

/* Without an event it is the instruction at RIP: here one that makes no task switch, as another CPU
 * has changed the descriptor meanwhile. */
static void test_task_switch_of_an_instruction(void **state)
{
	set_mode(16, CODE);
	memcpy(memory + CODE, (const u8[]){ 0xea, 0x34, 0x12, 0x00, 0x20 }, 5);	/* JMP 2000:1234 */
	fake_state();
	v->exit.task.source = TASK_JMP;
	assert_int_equal(dispatch(EXIT_TASK_SWITCH), HANDLED_RESUME);
	fake_enter();
	assert_int_equal(block.rip, 0x1234);
	assert_int_equal(block.seg[SEG_CS].base, 0x20000);
}

/* The sentence says what of the state is broken, if that is known. */
static void test_failed_entry(void **state)
{
	v->exit.entry_failed.qualification = 0x123;
	v->exit.entry_failed.rule = NULL;
	assert_int_equal(dispatch(EXIT_ENTRY_FAILED), HANDLED_KILL);
	assert_string_equal(fake.why, "the CPU refuses the guest's state (0x123); broken rule: none of "
				      "what is left of the state");
	v->exit.entry_failed.field = "CR0";
	v->exit.entry_failed.rule = "PG needs PE";
	assert_int_equal(dispatch(EXIT_ENTRY_FAILED), HANDLED_KILL);
	assert_string_equal(fake.why, "the CPU refuses the guest's state (0x123); broken rule: CR0: "
				      "PG needs PE");
}

/* --- Where RIP goes --- */

struct known {
	u8 kind;
	bool write;
	u8 length;
	u8 bytes[4];
	enum handled how;
};

static const struct known known[] = {
	{ EXIT_CPUID, false, 2, { 0x0f, 0xa2 }, HANDLED_RESUME },
	{ EXIT_HLT, false, 1, { 0xf4 }, HANDLED_SLEEP },
	{ EXIT_INVD, false, 2, { 0x0f, 0x08 }, HANDLED_RESUME },
	{ EXIT_WBINVD, false, 2, { 0x0f, 0x09 }, HANDLED_RESUME },
	{ EXIT_PAUSE, false, 2, { 0xf3, 0x90 }, HANDLED_RESUME },
	{ EXIT_MSR, false, 2, { 0x0f, 0x32 }, HANDLED_RESUME },
	{ EXIT_MSR, true, 2, { 0x0f, 0x30 }, HANDLED_RESUME },
	{ EXIT_XSETBV, false, 3, { 0x0f, 0x01, 0xd1 }, HANDLED_RESUME },
	{ EXIT_VMCALL, false, 3, { 0x0f, 0x01, 0xd9 }, HANDLED_RESUME },
};

/* Prefixes that mean nothing to these instructions. REX only in 64-bit mode, and last. */
static const struct { const char *bytes; u8 count; bool only_64; } prefixes[] = {
	{ "", 0 },
	{ "\x3e", 1 },
	{ "\x2e\x3e", 2 },
	{ "\x67", 1 },
	{ "\x65\x67\x26", 3 },
	{ "\x48", 1, true },
	{ "\x64\x41", 2, true },
	{ "\x26\x26\x26\x26\x26\x26\x26\x26\x26\x26", 10 },
};

static void put_insn(u64 at, const struct known *k, unsigned prefix)
{
	memset(memory + CODE, 0xcc, 0x2000);
	memcpy(memory + at, prefixes[prefix].bytes, prefixes[prefix].count);
	memcpy(memory + at + prefixes[prefix].count, k->bytes, k->length);
}

static void prepare_registers(const struct known *k)
{
	memset(v->gpr, 0, sizeof(v->gpr));
	v->exit.msr.index = 0xc0000081;		/* STAR */
	v->exit.msr.write = k->write;
	if (k->kind == EXIT_XSETBV)
		v->gpr[GPR_RAX] = 1;
}

static void test_lengths(void **state)
{
	static const unsigned modes[] = { 16, 32, 64 };

	for (unsigned m = 0; m < 3; m++) {
		for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
			for (unsigned p = 0; p < ARRAY_SIZE(prefixes); p++) {
				for (unsigned at = 0xfe8; at < 0x1002; at++) {
					unsigned length = prefixes[p].count + known[i].length;
					u64 rip;

					if (prefixes[p].only_64 && modes[m] != 64)
						continue;
					put_insn(CODE + at, &known[i], p);
					set_mode(modes[m], CODE + at);
					prepare_registers(&known[i]);
					rip = v->cur->rip;
					v->cur->activity = ACTIVITY_ACTIVE;
					assert_int_equal(dispatch(known[i].kind), known[i].how);
					fake_enter();
					assert_int_equal(block.rip, rip + length);
					assert_int_equal(v->cur->activity == ACTIVITY_HLT,
							 known[i].kind == EXIT_HLT);
					assert_int_equal(v->raised.type, EVENT_NONE);
				}
			}
		}
	}
}

/* The same where the memo holds already, and after it does no more. */
static void test_length_by_memo(void **state)
{
	put_insn(CODE + 0x10, &known[0], 0);
	set_mode(64, CODE + 0x10);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(dispatch(EXIT_CPUID), HANDLED_RESUME);
		fake_enter();
		assert_int_equal(block.rip, CODE + 0x12);
		block.rip = CODE + 0x10;
		fake_leave();
	}
	put_insn(CODE + 0x10, &known[0], 1);
	assert_int_equal(dispatch(EXIT_CPUID), HANDLED_RESUME);
	fake_enter();
	assert_int_equal(block.rip, CODE + 0x13);
}

/* Where the CPU tells, nothing is read. */
/* The CPU executes what the tables don't show (any more): again, after a flush; not for ever. */
static void test_unreadable(void **state)
{
	set_mode(64, 0x1000);
	memcpy(memory + 0x1000, "\x0f\xa2", 2);
	put64(PML4 + 0x2000, 0);
	fake_state();
	assert_int_equal(dispatch(EXIT_CPUID), HANDLED_RESUME);
	assert_true(v->requests & REQUEST_FLUSH);
	assert_int_equal(block.rip, 0x1000);
	assert_int_equal(v->cur->rip, 0x1000);
	assert_int_equal(fake.kills, 0);
	for (unsigned i = 0; i < 10000 && !fake.kills; i++) {
		fake_state();
		assert_int_equal(dispatch(i & 1 ? EXIT_CPUID : EXIT_PAUSE), HANDLED_RESUME);
	}
	assert_int_equal(fake.kills, 1);
	assert_non_null(strstr(fake.why, "0x1000"));

	/* elsewhere the count begins anew, and one that can be read is carried out */
	v->vm->state = VM_RUNS;
	block.rip = 0x1100;
	fake_state();
	assert_int_equal(dispatch(EXIT_CPUID), HANDLED_RESUME);
	assert_int_equal(fake.kills, 1);
	put64(PML4 + 0x2000, 0x87);
	block.rip = 0x1000;
	fake_state();
	assert_int_equal(dispatch(EXIT_CPUID), HANDLED_RESUME);
	assert_int_equal(v->cur->rip, 0x1002);
}

/* A CPU that executes LOCK CPUID (QEMU's TCG) makes it exit: the guest gets its #UD. */
static void test_locked_instruction(void **state)
{
	set_mode(64, CODE);
	memcpy(memory + CODE, "\xf0\x0f\xa2", 3);
	for (unsigned i = 0; i < 20 && v->raised.type == EVENT_NONE; i++) {
		fake_state();
		assert_int_equal(dispatch(EXIT_CPUID), HANDLED_RESUME);
	}
	expect_raised(EXC_UD, false, 0);
	assert_true(v->requests & REQUEST_EVENT);
	assert_int_equal(v->cur->rip, CODE);
	assert_int_equal(fake.kills, 0);
}

static void test_length_told(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		set_mode(64, CODE);
		memset(memory, 0, sizeof(memory));
		prepare_registers(&known[i]);
		v->exit.have = EXIT_LENGTH;
		v->exit.insn_len = 9;
		v->exit.rip_next = CODE + 9;
		assert_int_equal(dispatch(known[i].kind), known[i].how);
		fake_enter();
		assert_int_equal(block.rip, CODE + 9);
	}
}

/* Another CPU has overwritten the instruction: it is executed anew, and nothing has happened. */
static void test_instruction_gone(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].kind == EXIT_INVD || known[i].kind == EXIT_WBINVD ||
		    known[i].kind == EXIT_PAUSE)
			continue;		/* without effect, whatever stands there */
		memset(memory + CODE, 0x90, 64);
		set_mode(64, CODE);
		prepare_registers(&known[i]);
		v->gpr[GPR_RAX] = 0x77;
		fake.xcr0 = 3;
		assert_int_equal(dispatch(known[i].kind), HANDLED_RESUME);
		fake_enter();
		assert_int_equal(block.rip, CODE);
		assert_int_equal(v->gpr[GPR_RAX], 0x77);
		assert_int_equal(v->cur->activity, ACTIVITY_ACTIVE);
		assert_int_equal(fake.xcr0, 3);
		assert_int_equal(block.star, 0);
		assert_int_equal(v->raised.type, EVENT_NONE);
	}
}

/* Its page is gone, as another CPU has unmapped it. */
static void test_code_gone(void **state)
{
	static const u8 kinds[] = { EXIT_WBINVD, EXIT_CPUID, EXIT_IO };

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		set_mode(64, BIT(40));
		assert_int_equal(dispatch(kinds[i]), HANDLED_RESUME);
		fake_enter();
		assert_int_equal(block.rip, BIT(40));
		assert_int_equal(fake.nr_out, 0);
	}
}

static void advance(u64 next)
{
	v->exit.have = EXIT_LENGTH;
	v->exit.rip_next = next;
	exit_advance(v);
	fake_enter();
}

static void test_rip_wraps(void **state)
{
	set_mode(32, 0xffffffff);
	advance(0x100000001ull);
	assert_int_equal(block.rip, 1);
	set_mode(64, 0xffffffff);
	advance(0x100000001ull);
	assert_int_equal(block.rip, 0x100000001ull);
	/* 32-bit code in long mode. */
	set_mode(64, 0xfffffffb);
	block.seg[SEG_CS].attr = (block.seg[SEG_CS].attr & ~SEG_ATTR_L) | SEG_ATTR_DB;
	fake_leave();
	advance(0x100000005ull);
	assert_int_equal(block.rip, 5);
}

static void test_advance_ends_shadows_and_rf(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		set_mode(64, CODE);
		block.block.sti = i & 1;
		block.block.mov_ss = i & 2;
		block.rflags = RFLAGS_FIXED | RFLAGS_IF | (i & 4 ? RFLAGS_RF : 0);
		fake_state();
		advance(CODE + 2);
		assert_int_equal(block.rip, CODE + 2);
		assert_false(block.block.sti || block.block.mov_ss);
		assert_int_equal(block.rflags, RFLAGS_FIXED | RFLAGS_IF);
		assert_int_equal(v->raised.type, EVENT_NONE);
	}
}

/* The trap comes behind the instruction, with BS, exactly once. */
static void test_single_step(void **state)
{
	put_insn(CODE, &known[0], 0);
	set_mode(64, CODE);
	block.rflags |= RFLAGS_TF;
	block.dr6 = DR6_FIXED;
	fake_state();
	assert_int_equal(dispatch(EXIT_CPUID), HANDLED_RESUME);
	assert_true(v->requests & REQUEST_EVENT);
	assert_true(events_prepare(v));
	assert_int_equal(fake.nr_injected, 1);
	assert_int_equal(fake.injected[0].vector, EXC_DB);
	assert_false(fake.injected[0].has_error);
	fake_enter();
	assert_int_equal(block.rip, CODE + 2);
	assert_int_equal(block.dr6, DR6_FIXED | DR6_BS);
	assert_int_equal(block.rflags, RFLAGS_FIXED | RFLAGS_TF);
	fake_leave();
	assert_true(events_prepare(v));
	assert_int_equal(fake.nr_injected, 1);
}

/* A fault is not a step. */
static void test_fault_does_not_step(void **state)
{
	put_insn(CODE, &known[5], 0);
	set_mode(64, CODE);
	block.rflags |= RFLAGS_TF;
	fake_state();
	v->exit.msr.index = 0x12345;
	assert_int_equal(dispatch(EXIT_MSR), HANDLED_INJECT);
	expect_raised(EXC_GP, true, 0);
}

/* --- Handlers --- */

static void test_undefined(void **state)
{
	static const u8 kinds[] = { EXIT_RSM, EXIT_MONITOR, EXIT_MWAIT, EXIT_RDPRU, EXIT_VMX_INSN,
				    EXIT_SVM_INSN };

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		v->raised.type = EVENT_NONE;
		assert_int_equal(dispatch(kinds[i]), HANDLED_INJECT);
		expect_raised(EXC_UD, false, 0);
	}
	assert_int_equal(dispatch(EXIT_RDPMC), HANDLED_INJECT);
	expect_raised(EXC_GP, true, 0);
}

static void test_host_events(void **state)
{
	v->requests = 0;
	assert_int_equal(dispatch(EXIT_EXTINT), HANDLED_RESUME);
	assert_false(v->requests & REQUEST_EVENT);
	/* It came with the instruction that opened the guest's window: that exit may not follow. */
	v->intr_window = true;
	assert_int_equal(dispatch(EXIT_EXTINT), HANDLED_RESUME);
	assert_true(v->requests & REQUEST_EVENT);
	v->intr_window = false;
	fake.interrupts_taken--;
	assert_int_equal(fake.interrupts_taken, 1);
	assert_int_equal(dispatch(EXIT_NMI), HANDLED_RESUME);
	v->exit.event = (struct event){ .type = EVENT_EXCEPTION, .vector = EXC_MC };
	assert_int_equal(dispatch(EXIT_EXCEPTION), HANDLED_RESUME);
	assert_int_equal(fake.machine_checks, 1);
	assert_int_equal(v->raised.type, EVENT_NONE);
	assert_int_equal(dispatch(EXIT_INTR_WINDOW), HANDLED_RESUME);
	assert_true(v->requests & REQUEST_EVENT);
}

/* SDM vol. 3A, "Handling Multiple NMIs": the next IRET, wherever it goes, faults included. */
static void test_iret_ends_nmi_blocking(void **state)
{
	set_mode(16, CODE);
	memory[CODE] = 0xcf;
	block.rsp = 0x8000;
	block.rflags = RFLAGS_FIXED;
	memcpy(memory + 0x8000, "\0\0\0\0\2\1", 6);	/* to itself, with TF */
	memcpy(memory + 0x8002, (u16[]){ CODE >> 4 }, 2);
	fake_state();
	v->cur->block.nmi = true;
	v->requests = 0;
	assert_int_equal(dispatch(EXIT_IRET), HANDLED_RESUME);
	assert_true(!v->cur->block.nmi && (v->requests & REQUEST_EVENT));
	fake_enter();
	assert_true(block.rip == 0 && block.rsp == 0x8006 && (block.rflags & RFLAGS_TF));
	/* beyond the stack's limit: #SS, and unblocked all the same */
	block.rflags = RFLAGS_FIXED;
	block.rsp = 0xffff;
	block.seg[SEG_SS].limit = 0xffff;
	fake_state();
	v->cur->block.nmi = true;
	assert_int_equal(dispatch(EXIT_IRET), HANDLED_INJECT);
	expect_raised(EXC_SS, false, 0);
	assert_false(v->cur->block.nmi);
}

static void test_cpuid_registers(void **state)
{
	put_insn(CODE, &known[0], 0);
	set_mode(64, CODE);
	memset(v->gpr, 0xff, sizeof(v->gpr));
	v->gpr[GPR_RAX] = 0xffffffff40000000ull;	/* the upper half doesn't count */
	assert_int_equal(dispatch(EXIT_CPUID), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_RAX], 0x40000000);
	assert_memory_equal(&v->gpr[GPR_RBX], "Plin\0\0\0\0", 8);
	assert_memory_equal(&v->gpr[GPR_RCX], "thPl\0\0\0\0", 8);
	assert_memory_equal(&v->gpr[GPR_RDX], "inth\0\0\0\0", 8);
	assert_int_equal(v->gpr[GPR_RSI], ~0ull);
}

static void test_msr_registers(void **state)
{
	put_insn(CODE, &known[6], 0);
	set_mode(64, CODE);
	v->exit.msr.index = 0xc0000082;
	v->exit.msr.write = true;
	v->gpr[GPR_RAX] = 0xeeeeeeee12345678ull;
	v->gpr[GPR_RDX] = 0xeeeeeeeeffffffffull;
	assert_int_equal(dispatch(EXIT_MSR), HANDLED_RESUME);
	fake_enter();
	assert_int_equal(block.lstar, 0xffffffff12345678ull);
	put_insn(CODE, &known[5], 0);
	block.rip = CODE;
	fake_leave();
	v->exit.msr.index = 0xc0000082;
	v->gpr[GPR_RAX] = v->gpr[GPR_RDX] = ~0ull;
	assert_int_equal(dispatch(EXIT_MSR), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_RAX], 0x12345678);
	assert_int_equal(v->gpr[GPR_RDX], 0xffffffff);
	/* #GP leaves all as it is. */
	block.rip = CODE;
	fake_leave();
	v->exit.msr.index = 0xc0000999;
	assert_int_equal(dispatch(EXIT_MSR), HANDLED_INJECT);
	expect_raised(EXC_GP, true, 0);
	assert_int_equal(v->gpr[GPR_RAX], 0x12345678);
}

static void test_xsetbv_rights(void **state)
{
	for (unsigned cpl = 0; cpl < 4; cpl++) {
		put_insn(CODE, &known[7], 0);
		set_mode(64, CODE);
		set_cpl(cpl);
		v->gpr[GPR_RCX] = 0xff00000000ull;
		v->gpr[GPR_RAX] = 0xff00000007ull;
		v->gpr[GPR_RDX] = 0xff00000000ull;
		fake.xcr0 = 1;
		assert_int_equal(dispatch(EXIT_XSETBV), cpl ? HANDLED_INJECT : HANDLED_RESUME);
		assert_int_equal(fake.xcr0, cpl ? 1 : 7);
		if (cpl)
			expect_raised(EXC_GP, true, 0);
		set_cpl(0);
	}
}

/* A byte from a device that needs no time comes without the way that looks at the clock and the
 * timers; only AL changes. The board is all zeroes: IMR 0; nobody at 80H; the RTC needs time. */
static void test_quick_ports(void **state)
{
	static const struct {
		u16 port;
		u8 size;
		u64 rax;
		bool quick;
	} rows[] = {
		{ 0x21, 1, 0x1122334455667700, true }, { 0x80, 1, 0x11223344556677ff, true },
		{ 0x71, 1, 0x11223344556677de, false }, { 0x21, 2, 0x112233445566dede, false },
	};

	v->vm->board.lock = SPINLOCK(RANK_BOARD);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		set_mode(64, CODE);
		memset(memory + CODE, 0xec, 4);
		v->exit.io.size = rows[i].size;
		v->exit.io.in = true;
		v->exit.io.port = rows[i].port;
		v->gpr[GPR_RAX] = 0x1122334455667788ull;
		fake.in_value = 0x9abcdede;
		fake.nr_in = 0;
		assert_int_equal(dispatch(EXIT_IO), HANDLED_RESUME);
		assert_int_equal(v->gpr[GPR_RAX], rows[i].rax);
		assert_int_equal(fake.nr_in, !rows[i].quick);
	}
}

static void test_port_widths(void **state)
{
	static const u64 after[] = {
		[1] = 0x11223344556677ffull, [2] = 0x112233445566deffull, [4] = 0x9abcdeffull,
	};

	for (unsigned size = 1; size <= 4; size *= 2) {
		set_mode(64, CODE);
		memset(memory + CODE, 0xec, 4);
		v->exit.io.size = size;
		v->exit.io.in = true;
		v->exit.io.port = 0x3f8;
		v->gpr[GPR_RAX] = 0x1122334455667788ull;
		fake.in_value = 0x9abcdeff;
		assert_int_equal(dispatch(EXIT_IO), HANDLED_RESUME);
		assert_int_equal(v->gpr[GPR_RAX], after[size]);
		fake_enter();
		assert_int_equal(block.rip, CODE + 1);
		memset(memory + CODE, 0xee, 4);
		block.rip = CODE;
		fake_leave();
		v->exit.io.size = size;
		v->exit.io.port = 0x80;
		v->gpr[GPR_RAX] = 0xaabbccdd;
		assert_int_equal(dispatch(EXIT_IO), HANDLED_RESUME);
		assert_int_equal(fake.out[fake.nr_out - 1].port, 0x80);
		assert_int_equal(fake.out[fake.nr_out - 1].size, size);
		assert_int_equal(fake.out[fake.nr_out - 1].value & (BIT(8 * size) - 1),
				 0xaabbccdd & (BIT(8 * size) - 1));
	}
}

/* What is intercepted so that no guest keeps the CPU busy goes on to the guest as it came. */
static void test_exceptions_go_on(void **state)
{
	static const struct event events[] = {
		{ .type = EVENT_EXCEPTION, .vector = EXC_DB },
		{ .type = EVENT_EXCEPTION, .vector = EXC_AC, .has_error = true },
		{ .type = EVENT_EXCEPTION, .vector = EXC_UD },
		{ .type = EVENT_EXCEPTION,
		  .vector = EXC_PF,
		  .has_error = true,
		  .error = 7,
		  .payload = 0x1234 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(events); i++) {
		memset(memory + CODE, 0x90, 16);
		memcpy(memory + CODE, "\x0f\x0b", 2);
		set_mode(64, CODE);
		v->exit.event = events[i];
		assert_int_equal(
			dispatch(events[i].vector == EXC_PF ? EXIT_PAGE_FAULT : EXIT_EXCEPTION),
			HANDLED_INJECT);
		assert_memory_equal(&v->raised, &events[i], sizeof(events[i]));
	}
}

/* --- Control registers --- */

static void put_cr(const char *bytes, unsigned count)
{
	memset(memory + CODE, 0x90, 16);
	memcpy(memory + CODE, bytes, count);
}

static void test_cr_by_decoding(void **state)
{
	set_mode(64, CODE);
	v->gpr[GPR_RAX] = CR4_PAE | CR4_PGE;
	put_cr("\x0f\x22\xe0", 3);			/* MOV CR4, RAX */
	assert_int_equal(dispatch(EXIT_CR_WRITE), HANDLED_RESUME);
	fake_enter();
	assert_int_equal(block.cr4, CR4_PAE | CR4_PGE);
	assert_int_equal(block.rip, CODE + 3);
	put_cr("\x0f\x20\xe1", 3);			/* MOV RCX, CR4 */
	block.rip = CODE;
	fake_leave();
	assert_int_equal(dispatch(EXIT_CR_READ), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_RCX], CR4_PAE | CR4_PGE);
	put_cr("\x0f\x22\xe0", 3);
	fake_enter();
	block.rip = CODE;
	fake_leave();
	v->gpr[GPR_RAX] = BIT(31);
	assert_int_equal(dispatch(EXIT_CR_WRITE), HANDLED_INJECT);
	expect_raised(EXC_GP, true, 0);
}

/* SDM vol. 3B, "Debug Control Register (DR7)": bit 10 is always 1; bits 63:32 are reserved, a 1 there is #GP(0). */
static void test_dr7_by_decoding(void **state)
{
	set_mode(64, CODE);
	v->gpr[GPR_RAX] = 0x155;
	put_cr("\x0f\x23\xf8", 3);			/* MOV DR7, RAX */
	assert_int_equal(dispatch(EXIT_DR_ACCESS), HANDLED_RESUME);
	fake_enter();
	assert_int_equal(block.dr7, 0x555);
	assert_int_equal(block.rip, CODE + 3);
	put_cr("\x0f\x21\xf9", 3);			/* MOV RCX, DR7 */
	block.rip = CODE;
	fake_leave();
	assert_int_equal(dispatch(EXIT_DR_ACCESS), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_RCX], 0x555);
	put_cr("\x0f\x23\xf8", 3);
	fake_enter();
	block.rip = CODE;
	fake_leave();
	v->gpr[GPR_RAX] = BIT(32);
	assert_int_equal(dispatch(EXIT_DR_ACCESS), HANDLED_INJECT);
	expect_raised(EXC_GP, true, 0);
}

static void put_dr(const char *bytes, u64 dr7, u64 cr4)
{
	put_cr(bytes, 3);
	fake_enter();
	block.rip = CODE;
	block.dr7 = dr7;
	block.cr4 = cr4;
	fake_leave();
}

/* SDM vol. 2B, "MOV—Move to/from Debug Registers": DR5 is DR7 unless CR4.DE makes it #UD. */
static void test_dr5(void **state)
{
	set_mode(64, CODE);
	put_dr("\x0f\x21\xe9", 0x455, block.cr4);	/* MOV RCX, DR5 */
	assert_int_equal(dispatch(EXIT_DR_ACCESS), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_RCX], 0x455);
	put_dr("\x0f\x21\xe9", 0x455, block.cr4 | CR4_DE);
	assert_int_equal(dispatch(EXIT_DR_ACCESS), HANDLED_INJECT);
	expect_raised(EXC_UD, false, 0);
	put_dr("\x0f\x23\xe9", 0x455, block.cr4 | CR4_DE);
	assert_int_equal(dispatch(EXIT_DR_ACCESS), HANDLED_INJECT);
	expect_raised(EXC_UD, false, 0);
}

/* With GD every MOV of a debug register is #DB with DR6.BD, and GD is clear in the handler. */
static void test_general_detect(void **state)
{
	static const char *const moves[] = {
		"\x0f\x21\xc1", "\x0f\x23\xd9", "\x0f\x21\xf1", "\x0f\x21\xf9", "\x0f\x23\xf9",
	};

	caps.dr7_clear = false;
	set_mode(64, CODE);
	v->gpr[GPR_RAX] = DR7_FIXED | DR7_GD;
	put_cr("\x0f\x23\xf8", 3);			/* MOV DR7, RAX */
	assert_int_equal(dispatch(EXIT_DR_ACCESS), HANDLED_RESUME);
	assert_int_equal(v->l0.dr_read & v->l0.dr_write, 0xffff);
	for (unsigned i = 0; i < ARRAY_SIZE(moves); i++) {
		put_dr(moves[i], DR7_FIXED | DR7_GD, block.cr4);
		v->l0.dr_read = v->l0.dr_write = 0xffff;
		block.dr6 = DR6_FIXED;
		assert_int_equal(dispatch(EXIT_DR_ACCESS), HANDLED_INJECT);
		assert_int_equal(v->raised.vector, EXC_DB);
		assert_int_equal(v->cur->rip, CODE);
		assert_true(events_prepare(v));
		fake_enter();
		assert_int_equal(block.dr6, DR6_FIXED | BIT(13));
		assert_int_equal(block.dr7, DR7_FIXED);
		assert_int_equal(v->l0.dr_read, BIT(5) | BIT(7));
		assert_int_equal(v->l0.dr_write, BIT(5) | BIT(7));
		fake_leave();
	}
}

/* LMSW sets PE but can't clear it, and reaches the low four bits only; CLTS clears TS. */
static void test_lmsw_and_clts(void **state)
{
	set_mode(32, CODE);
	v->gpr[GPR_RAX] = 0xfffe;
	put_cr("\x0f\x01\xf0", 3);			/* LMSW AX */
	assert_int_equal(dispatch(EXIT_CR_WRITE), HANDLED_RESUME);
	fake_enter();
	assert_int_equal(block.cr0, CR0_ET | CR0_PE | CR0_MP | CR0_EM | CR0_TS);
	put_cr("\x0f\x06", 2);
	block.rip = CODE;
	fake_leave();
	assert_int_equal(dispatch(EXIT_CR_WRITE), HANDLED_RESUME);
	fake_enter();
	assert_int_equal(block.cr0, CR0_ET | CR0_PE | CR0_MP | CR0_EM);
	assert_int_equal(block.rip, CODE + 2);
}

/* Where the CPU names the operand and the length, nothing is decoded. */
/* The exit says which control register, the instruction which other one: with REX, at CPL 3, and
 * where it has become another instruction since. */
static void test_cr_operand_by_decoding(void **state)
{
	set_mode(64, CODE);
	put_cr("\x41\x0f\x22\xe1", 4);			/* MOV CR4, R9 */
	v->gpr[GPR_RCX] = ~0ull;
	v->gpr[GPR_R9] = CR4_PAE | CR4_PGE;
	v->exit.cr.index = 4;
	assert_int_equal(dispatch(EXIT_CR_WRITE), HANDLED_RESUME);
	fake_enter();
	assert_int_equal(block.cr4, CR4_PAE | CR4_PGE);
	assert_int_equal(block.rip, CODE + 4);
	put_cr("\x41\x0f\x20\xe2", 4);			/* MOV R10, CR4 */
	block.rip = CODE;
	fake_leave();
	v->exit.cr.index = 4;
	v->exit.cr.read = true;
	assert_int_equal(dispatch(EXIT_CR_READ), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_R10], CR4_PAE | CR4_PGE);
	fake_enter();
	put_cr("\x0f\x06", 2);				/* CLTS where MOV CR0 stood */
	block.cr0 |= CR0_TS;
	block.rip = CODE;
	fake_leave();
	v->exit.cr.index = 0;
	v->exit.cr.read = false;
	assert_int_equal(dispatch(EXIT_CR_WRITE), HANDLED_RESUME);
	fake_enter();
	assert_false(block.cr0 & CR0_TS);
	assert_int_equal(block.rip, CODE + 2);
	put_cr("\x41\x0f\x22\xe1", 4);
	block.rip = CODE;
	fake_leave();
	set_cpl(3);
	v->exit.cr.index = 4;
	assert_int_equal(dispatch(EXIT_CR_WRITE), HANDLED_INJECT);
	expect_raised(EXC_GP, true, 0);
	set_cpl(0);
}

static void test_cr_told(void **state)
{
	set_mode(64, CODE);
	memset(memory + CODE, 0xff, 16);
	fake.tells.have = EXIT_LENGTH | EXIT_OPERAND;
	fake.tells.length = 4;
	fake.tells.gpr = GPR_R9;
	v->gpr[GPR_R9] = CR4_PAE | CR4_DE;
	v->exit.cr.index = 4;
	assert_int_equal(dispatch(EXIT_CR_WRITE), HANDLED_RESUME);
	fake_enter();
	assert_int_equal(block.cr4, CR4_PAE | CR4_DE);
	assert_int_equal(block.rip, CODE + 4);
	set_mode(32, CODE);
	v->gpr[GPR_R9] = ~0ull;
	v->exit.cr.index = 0;
	v->exit.cr.read = true;
	assert_int_equal(dispatch(EXIT_CR_READ), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_R9], CR0_PE | CR0_ET);
	/* Only the low half counts outside 64-bit mode. */
	block.cr2 = 0x1234567887654321ull;
	set_mode(32, CODE);
	v->exit.cr.index = 2;
	v->exit.cr.read = true;
	assert_int_equal(dispatch(EXIT_CR_READ), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_R9], 0x87654321);
	set_mode(64, CODE);
	v->exit.cr.index = 2;
	v->exit.cr.read = true;
	assert_int_equal(dispatch(EXIT_CR_READ), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_R9], 0x1234567887654321ull);
	set_mode(32, CODE);
	v->gpr[GPR_R9] = 0xffffffff00000011ull;
	v->exit.cr.index = 0;
	assert_int_equal(dispatch(EXIT_CR_WRITE), HANDLED_RESUME);
}

/* --- Hypercalls --- */

static void call(unsigned bits, unsigned cpl, const char *insn, u64 number)
{
	memset(memory + CODE, 0x90, 16);
	memcpy(memory + CODE, insn, 3);
	set_mode(bits, CODE);
	if (bits != 16)
		set_cpl(cpl);
	v->gpr[GPR_RAX] = number;
	if (!memcmp(insn, "\x0f\x01\xc1", 3)) {		/* VMCALL: #UD on this CPU */
		v->exit.event =
			(struct event){ .type = EVENT_EXCEPTION, .vector = EXC_UD, .rip = CODE };
		assert_int_equal(dispatch(EXIT_EXCEPTION), HANDLED_RESUME);
	} else {
		assert_int_equal(dispatch(EXIT_VMCALL), HANDLED_RESUME);
	}
	assert_int_equal(v->raised.type, EVENT_NONE);
	fake_enter();
	assert_int_equal(block.rip, bits == 16 ? 3 : CODE + 3);
}

static void test_hypercalls(void **state)
{
	static const char *const insns[] = { "\x0f\x01\xd9", "\x0f\x01\xc1" };
	static const unsigned modes[] = { 16, 32, 64 };

	for (unsigned m = 0; m < 3; m++) {
		for (unsigned i = 0; i < 2; i++) {
			u64 mask = modes[m] == 64 ? ~0ull : 0xffffffffull;

			for (unsigned cpl = 0; cpl < (modes[m] == 16 ? 1 : 4); cpl++) {
				call(modes[m], cpl, insns[i], 0);
				assert_int_equal(v->gpr[GPR_RAX], cpl ? -1ull & mask : 1);
				call(modes[m], cpl, insns[i], 0x7777);
				assert_int_equal(v->gpr[GPR_RAX], (cpl ? -1ull : -38ull) & mask);
			}
			/* The upper half counts in 64-bit mode only. */
			call(modes[m], 0, insns[i], BIT(40));
			assert_int_equal(v->gpr[GPR_RAX], modes[m] == 64 ? -38ull : 1);
		}
	}
}

static u64 call_rights(u64 base, u64 size, u64 rights)
{
	v->gpr[GPR_RBX] = base;
	v->gpr[GPR_RCX] = size;
	v->gpr[GPR_RDX] = rights;
	call(64, 0, "\x0f\x01\xd9", 1);
	return v->gpr[GPR_RAX];
}

static void test_set_rights(void **state)
{
	static const struct { u64 base, size, rights; } wrong[] = {
		{ 0x30001, 0x1000, 1 },	    { 0x30000, 0x1001, 1 },
		{ 0x30000, 0, 1 },	    { 0x30000, ~0xfffull, 1 },
		{ ~0xfffull, 0x1000, 1 },   { ~0xfffull, 0x2000, 1 },
		{ FAKE_MEMORY, 0x1000, 1 }, { FAKE_MEMORY - 0x1000, 0x2000, 1 },
		{ 0x30000, 0x1000, 16 },    { 0x30000, 0x1000, BIT(32) | 1 },
		{ 0x30000, 0x1000, ~0ull },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(call_rights(wrong[i].base, wrong[i].size, wrong[i].rights),
				 -22ull);
	assert_non_null(slots_pointer(&vm.slots, GPA(0), FAKE_MEMORY, RIGHTS_ALL));
	assert_int_equal(call_rights(0x30000, 0x2000, PLINTH_RIGHT_R), 0);
	assert_null(slots_pointer(&vm.slots, GPA(0x30000), 8, RIGHT_W));
	assert_null(slots_pointer(&vm.slots, GPA(0x31ff8), 8, RIGHT_W));
	assert_non_null(slots_pointer(&vm.slots, GPA(0x30000), 8, RIGHT_R));
	assert_non_null(slots_pointer(&vm.slots, GPA(0x32000), 8, RIGHTS_ALL));
	assert_non_null(slots_pointer(&vm.slots, GPA(0x2fff8), 8, RIGHTS_ALL));
	/* A guest may cut its memory into any number of pieces: at some point there is no room. */
	for (u64 at = 0; at < FAKE_MEMORY; at += 0x2000)
		call_rights(at, 0x1000, 15);
	for (u64 at = 0x40000; at < FAKE_MEMORY; at += 0x2000)
		assert_true(call_rights(at, 0x1000, 3) + 22 <= 22);
}

/* No CPU keeps a translation that the new rights forbid when the call returns. */
static void test_set_rights_flushes(void **state)
{
	fake.flush_takes_time = true;
	assert_true(mmu_root(v->mmu).v);
	set_mode(64, CODE);
	v->exit.stage2.final = true;
	v->exit.stage2.address = 0x30000;
	v->exit.stage2.access = ACCESS_WRITE;
	assert_int_equal(dispatch(EXIT_STAGE2), HANDLED_RESUME);
	assert_int_equal(fake.vm_flushes, 0);
	assert_int_equal(call_rights(0x30000, 0x1000, PLINTH_RIGHT_R), 0);
	assert_int_equal(fake.vm_flushes, 1);
}

/* The others are paused meanwhile, and go on. If one of them is pausing, nothing is done, and the
 * guest executes the instruction again. */
static void test_set_rights_pauses(void **state)
{
	assert_int_equal(call_rights(0x30000, 0x1000, PLINTH_RIGHT_R), 0);
	assert_int_equal(fake.resumes, 1);
	assert_int_equal(call_rights(FAKE_MEMORY, 0x1000, PLINTH_RIGHT_R), -22ull);
	assert_false(fake.paused);
	fake.other_pauses = true;
	memcpy(memory + CODE, "\x0f\x01\xd9", 3);
	set_mode(64, CODE);
	v->gpr[GPR_RAX] = 1;
	v->gpr[GPR_RBX] = 0x40000;
	v->gpr[GPR_RCX] = 0x1000;
	v->gpr[GPR_RDX] = PLINTH_RIGHT_R;
	assert_int_equal(dispatch(EXIT_VMCALL), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_RAX], 1);
	fake_enter();
	assert_int_equal(block.rip, CODE);
	assert_non_null(slots_pointer(&vm.slots, GPA(0x40000), 8, RIGHTS_ALL));
}

/* VMCALL with a LOCK prefix, and other undefined instructions, are none. */
static void test_no_hypercall(void **state)
{
	static const char *const insns[] = { "\xf0\x0f\x01\xc1", "\x0f\x0b\x01\xc1",
					     "\x0f\x01\xc2\x90" };

	for (unsigned i = 0; i < ARRAY_SIZE(insns); i++) {
		memcpy(memory + CODE, insns[i], 4);
		set_mode(64, CODE);
		v->gpr[GPR_RAX] = 0;
		v->exit.event =
			(struct event){ .type = EVENT_EXCEPTION, .vector = EXC_UD, .rip = CODE };
		assert_int_equal(dispatch(EXIT_EXCEPTION), HANDLED_INJECT);
		expect_raised(EXC_UD, false, 0);
		assert_int_equal(v->gpr[GPR_RAX], 0);
	}
}

/* --- Second-stage faults --- */

static enum handled stage2(u64 address, u32 access)
{
	v->exit.stage2.address = address;
	v->exit.stage2.access = access;
	v->exit.stage2.final = true;
	return dispatch(EXIT_STAGE2);
}

static void test_stage2_of_memory(void **state)
{
	set_mode(64, CODE);
	assert_int_equal(stage2(0x5000, ACCESS_WRITE), HANDLED_RESUME);
	fake_leave();
	assert_int_equal(stage2(CODE, ACCESS_FETCH), HANDLED_RESUME);
	fake_leave();
	assert_int_equal(stage2(0x200000, ACCESS_FETCH), HANDLED_KILL);
}

static void test_stage2_of_a_device(void **state)
{
	set_mode(64, CODE);
	memcpy(memory + CODE, "\x8b\x03\x90\x90", 4);		/* MOV EAX, [RBX] */
	v->gpr[GPR_RBX] = 0x200010;
	v->gpr[GPR_RAX] = 0;
	assert_int_equal(stage2(0x200010, ACCESS_READ), HANDLED_RESUME);
	assert_int_equal(v->gpr[GPR_RAX], 0xffffffff);
	fake_enter();
	assert_int_equal(block.rip, CODE + 2);
}

/* The fault is not the instruction's but that of an event's delivery: it must not be emulated. */
static void test_stage2_while_delivering(void **state)
{
	static const u8 types[] = { EVENT_EXTINT, EVENT_NMI, EVENT_EXCEPTION };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		fake_teardown(NULL);
		fake_setup(NULL);
		set_mode(64, CODE);
		memcpy(memory + CODE, "\x89\x03\x90\x90", 4);	/* MOV [RBX], EAX */
		v->gpr[GPR_RBX] = 0x200010;
		v->interrupted = (struct event){ .type = types[i], .vector = 14 };
		assert_int_equal(stage2(0x200010, ACCESS_WRITE), HANDLED_KILL);
		assert_int_equal(fake.kills, 1);
		assert_int_equal(v->cur->rip, CODE);
	}
	/* In memory it is a matter of tables only. */
	fake_teardown(NULL);
	fake_setup(NULL);
	set_mode(64, CODE);
	v->interrupted = (struct event){ .type = EVENT_EXTINT, .vector = 0x40 };
	assert_int_equal(stage2(0x5000, ACCESS_WRITE), HANDLED_RESUME);
	assert_int_equal(v->interrupted.type, EVENT_EXTINT);
}

/* Where a slot's rights forbid it, the guest gets #PF; a ROM takes writes and forgets them. */
static void test_stage2_denied(void **state)
{
	set_mode(64, CODE);
	assert_true(slots_set_rights(&vm.slots, GPA(0x60000), 0x2000, RIGHT_R));
	vm.rom = GPA(0x61000);
	vm.rom_size = 0x1000;
	memcpy(memory + CODE, "\x89\x03\x90\x90", 4);		/* MOV [RBX], EAX */
	v->gpr[GPR_RBX] = 0x60008;
	v->gpr[GPR_RAX] = 0x12345678;
	assert_int_equal(stage2(0x60008, ACCESS_WRITE), HANDLED_INJECT);
	expect_raised(EXC_PF, true, PF_ERR_P | PF_ERR_W);
	assert_int_equal(v->raised.payload, 0x60008);
	fake_leave();
	v->raised.type = EVENT_NONE;
	v->gpr[GPR_RBX] = 0x61008;
	assert_int_equal(stage2(0x61008, ACCESS_WRITE), HANDLED_RESUME);
	fake_enter();
	assert_int_equal(block.rip, CODE + 2);
	assert_int_equal(*(u64 *)(memory + 0x61008), 0);
}

static enum handled emulate_here(void)
{
	v->exit = (struct exit){ .kind = EXIT_HLT };
	return emulate_one(v);
}

/* SDM vol. 2A, "CMPXCHG8B/CMPXCHG16B". */
static void test_exchange_of_16_bytes(void **state)
{
	u64 *at = (u64 *)(memory + 0x60010);

	set_mode(64, CODE);
	memcpy(memory + CODE, "\x48\x0f\xc7\x0b", 4);		/* CMPXCHG16B [RBX] */
	at[0] = v->gpr[GPR_RAX] = 0x1111111122222222;
	at[1] = v->gpr[GPR_RDX] = 0x3333333344444444;
	v->gpr[GPR_RBX] = 0x60010;
	v->gpr[GPR_RCX] = 0x5555555566666666;
	assert_int_equal(emulate_here(), HANDLED_RESUME);
	fake_enter();
	assert_true(at[0] == 0x60010 && at[1] == 0x5555555566666666);
	assert_true(block.rflags & RFLAGS_ZF);
	/* the other way: memory isn't as the registers say, and goes into them */
	fake_leave();
	block.rip = CODE;
	set_mode(64, CODE);
	assert_int_equal(emulate_here(), HANDLED_RESUME);
	fake_enter();
	assert_true(v->gpr[GPR_RAX] == 0x60010 && v->gpr[GPR_RDX] == 0x5555555566666666);
	assert_true(at[0] == 0x60010 && !(block.rflags & RFLAGS_ZF));
}

/* SDM vol. 3A, "Bus Locking": over a page's end the other vCPUs stand still meanwhile. */
static void test_lock_over_a_page_end(void **state)
{
	unsigned resumes = fake.resumes;
	u64 *at = (u64 *)(memory + 0x60ffd);

	set_mode(64, CODE);
	memcpy(memory + CODE, "\xf0\x48\xff\x03", 4);		/* LOCK INC [RBX] */
	v->gpr[GPR_RBX] = 0x60ffd;
	memcpy(at, "\xff\xff\xff\xff\0\0\0\0", 8);
	fake.other_pauses = true;
	assert_int_equal(emulate_here(), HANDLED_RESUME);
	fake_enter();
	assert_true(block.rip == CODE && memory[0x61000] == 0xff && fake.resumes == resumes);
	fake_leave();
	fake.other_pauses = false;
	set_mode(64, CODE);
	assert_int_equal(emulate_here(), HANDLED_RESUME);
	fake_enter();
	assert_memory_equal(at, "\0\0\0\0\x01\0\0\0", 8);
	assert_true(block.rip == CODE + 4 && fake.resumes == resumes + 1 && !fake.paused);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_lock_over_a_page_end),
		TEST(test_exchange_of_16_bytes),
		TEST(test_routing),
		TEST(test_l1_gets_none_of_its_own),
		TEST(test_exits_that_end_the_guest),
		TEST(test_failed_entry),
		TEST(test_lengths),
		TEST(test_length_by_memo),
		TEST(test_unreadable),
		TEST(test_locked_instruction),
		TEST(test_length_told),
		TEST(test_instruction_gone),
		TEST(test_code_gone),
		TEST(test_delivery_left_to_plinth),
		TEST(test_delivery_left_to_plinth_faults),
		TEST(test_task_switch_of_an_instruction),
		TEST(test_rip_wraps),
		TEST(test_advance_ends_shadows_and_rf),
		TEST(test_single_step),
		TEST(test_fault_does_not_step),
		TEST(test_undefined),
		TEST(test_host_events),
		TEST(test_iret_ends_nmi_blocking),
		TEST(test_cpuid_registers),
		TEST(test_msr_registers),
		TEST(test_xsetbv_rights),
		TEST(test_quick_ports),
		TEST(test_port_widths),
		TEST(test_exceptions_go_on),
		TEST(test_cr_by_decoding),
		TEST(test_dr7_by_decoding),
		TEST(test_dr5),
		TEST(test_general_detect),
		TEST(test_lmsw_and_clts),
		TEST(test_cr_operand_by_decoding),
		TEST(test_cr_told),
		TEST(test_hypercalls),
		TEST(test_set_rights),
		TEST(test_set_rights_flushes), TEST(test_set_rights_pauses),
		TEST(test_no_hypercall),
		TEST(test_stage2_of_memory),
		TEST(test_stage2_of_a_device),
		TEST(test_stage2_while_delivering),
		TEST(test_stage2_denied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
