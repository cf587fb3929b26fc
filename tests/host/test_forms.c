// SPDX-License-Identifier: MIT
/*
 * Random instructions of every form that the emulator does, carried out by it and by libunicorn:
 * registers, flags, memory and faults must be the same. What the manuals leave undefined isn't
 * compared; where unicorn is wrong, a line of tests/emulator-differences says by which words.
 * CASES=n: how many of each form, in all its modes together, are compared at least; the long run
 * takes 10000. A form that can't have so many is to be compared with the CPU (test_native.c).
 */
#include "emulate/decode.h"
#include "include/x86/exception.h"
#include "tests/host/cases.h"
#include "tests/host/differences.h"
#include "tests/host/reference.h"
#include "tests/host/undefined.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CASES		2000

static struct machine before;	/* the head of m, as far as data */
static struct emulate_result result;
static bool failed;		/* the form under test; its first failure is shown */

static void show(const struct test_case *c, const char *what, u64 ours, u64 theirs)
{
	if (failed)
		return;
	failed = true;
	print_message("%s, %d-bit mode: %s is %llx, expected %llx; code", c->form->name,
		      c->mode * 8, what, (unsigned long long)ours, (unsigned long long)theirs);
	for (int i = 0; i < (c->length > 0 ? c->length : INSN_MAX_BYTES); i++)
		print_message(" %02x", c->code[i]);
	print_message("; flags %llx, target %llx", (unsigned long long)before.rflags,
		      (unsigned long long)c->target);
	for (int i = 0; i < (c->mode == CPU_MODE_64 ? 16 : 8); i++)
		print_message(" %d=%llx", i,
			      (unsigned long long)(i == GPR_RSP ? before.rsp : before.gpr[i]));
	print_message("\n");
}

/* After the instruction completed in both: registers, flags, RIP and memory are the same. */
static void compare_state(const struct test_case *c, const struct reference *r)
{
	u64 mask = c->mode == CPU_MODE_64 ? ~0ull : 0xffffffff;
	u64 undefined = undefined_flags(c, &before);

	for (unsigned i = 0; i < (c->mode == CPU_MODE_64 ? 16 : 8); i++) {
		u64 ours = i == GPR_RSP ? m.rsp : m.gpr[i];

		if ((r->gpr[i] ^ ours) & mask)
			show(c, "a register", ours, r->gpr[i]);
	}
	if ((r->rflags ^ m.rflags) & (ARITH | RFLAGS_DF) & ~undefined)
		show(c, "RFLAGS", m.rflags, r->rflags);
	if ((r->rip ^ m.rip) & mask)
		show(c, "RIP", m.rip, r->rip);
	if (memcmp(r->data, m.data, WINDOW_SIZE))
		show(c, "memory", 0, 0);
	if (m.last_out != r->last_out)
		show(c, "the port's value", m.last_out, r->last_out);
}

/* The exception that unicorn's way of ending stands for; -1: none. */
static int exception_of(const struct reference *r)
{
	switch (r->error) {
	case UC_ERR_READ_UNMAPPED: case UC_ERR_WRITE_UNMAPPED: case UC_ERR_WRITE_PROT:
	case UC_ERR_READ_PROT:
		return EXC_PF;
	case UC_ERR_INSN_INVALID:
		return EXC_UD;
	case UC_ERR_FETCH_UNMAPPED:	/* of the next instruction */
	case UC_ERR_FETCH_PROT:
	case UC_ERR_OK:
		return r->exception;
	default:
		return 256 + r->error;
	}
}

/* The same exception, and nothing has changed. A REP has done some elements in both. */
static void compare_fault(const struct test_case *c, const struct reference *r)
{
	if (result.event.vector != exception_of(r))
		show(c, "the exception", result.event.vector, exception_of(r));
	if (c->insn.rep && (c->form->flags & REPEATS))
		return;
	if (memcmp(before.gpr, m.gpr, sizeof(m.gpr)) || before.rsp != m.rsp)
		show(c, "a register after a fault", 0, 0);
	if (before.rip != m.rip || before.rflags != m.rflags)
		show(c, "RIP after a fault", m.rip, before.rip);
}

/* SDM vol. 2A, "LOCK": #UD but with the instructions that it lists, and a memory destination. */
static bool lock_is_wrong(const struct test_case *c)
{
	return c->locked && !((c->form->flags & LOCKS) && c->modrm >> 6 != 3);
}

/* Where RIP will be: unicorn has to be told. What it made of it is compared afterwards. */
static u64 next_rip(const struct test_case *c)
{
	u64 to = before.rip + c->length;

	if (!(c->form->flags & BRANCHES))
		return to;
	if (emulate(&machine_ops, NULL, m.gpr, c->mode, c->code, INSN_MAX_BYTES, &result) ==
	    EMULATE_OK)
		to = m.rip;
	memcpy(&m, &before, offsetof(struct machine, data));
	return to;
}

enum outcome { PASSED_OVER, FAULTED, COMPLETED };

/* One random instruction in both. What is PASSED_OVER wasn't compared with unicorn. */
static enum outcome compare_one(struct reference *r, const struct form *form)
{
	struct test_case c;
	enum emulate_status status;
	enum outcome outcome = PASSED_OVER;
	unsigned budget = 64;
	u64 until;

	make_case(form, r->mode, reference_rip(r, form->flags & BRANCHES), &c);
	memcpy(&before, &m, offsetof(struct machine, data));
	if (lock_is_wrong(&c) || c.length <= 0) {
		if (!lock_is_wrong(&c) || c.length != DECODE_INVALID)
			show(&c, "the decoder's word", c.length, DECODE_INVALID);
		return PASSED_OVER;
	}
	until = next_rip(&c);
	if (until != m.rip + c.length && !reference_can_branch(m.rip, until))
		return PASSED_OVER;
	reference_run(r, c.code, until, form->flags & REPEATS);
	do
		status = emulate(&machine_ops, NULL, m.gpr, r->mode, c.code, INSN_MAX_BYTES,
				 &result);
	while (status == EMULATE_AGAIN && --budget);
	if (status != EMULATE_OK && status != EMULATE_FAULT)
		show(&c, "the status", status, r->error);
	/* Unicorn lets its code be read. */
	if (status == EMULATE_FAULT && result.event.payload - CODE < WINDOW - CODE &&
	    result.event.vector == EXC_PF) {
		/* nothing to compare */
	} else if (differs_rightly(&c, &result, r, &before)) {
		/* nothing to compare */
	} else if (status == EMULATE_FAULT) {
		compare_fault(&c, r);
		outcome = FAULTED;
	} else {
		if (exception_of(r) != -1)
			show(&c, "the exception", -1, exception_of(r));
		if (!result_undefined(&c, &before)) {
			compare_state(&c, r);
			outcome = COMPLETED;
		}
	}
	memcpy(&m, &before, offsetof(struct machine, data));
	return outcome;
}

static bool is_done(const struct form *form, enum cpu_mode mode)
{
	struct test_case c;

	cases_begin(mode, WINDOW);
	for (int i = 0; i < 64; i++) {
		make_case(form, mode, CODE, &c);
		if (emulate(&machine_ops, NULL, m.gpr, mode, c.code, INSN_MAX_BYTES, &result) ==
		    EMULATE_UNHANDLED)
			return false;
	}
	return true;
}

static unsigned nr_cases(void)
{
	const char *text = getenv("CASES");

	return text ? atoi(text) : CASES;
}

static unsigned nr_compared;

/*
 * Random instructions of a form until `wanted` were compared and enough of them completed. Where
 * unicorn won't let so many be, the CPU has to say the rest.
 */
static bool compare_form(struct reference *r, const struct form *form, unsigned wanted)
{
	unsigned compared = 0, completed = 0;

	cases_begin(r->mode, WINDOW);
	failed = false;
	for (unsigned n = 0; n < 4 * wanted && compared < wanted && !failed; n++) {
		enum outcome outcome = compare_one(r, form);

		compared += outcome != PASSED_OVER;
		completed += outcome == COMPLETED;
	}
	nr_compared += compared;
	if (failed || (form->by & BY_CPU) || (compared == wanted && completed * 5 >= wanted))
		return !failed;
	print_message("%s, %d-bit mode: only %u of %u compared, %u of them completed\n", form->name,
		      r->mode * 8, compared, wanted, completed);
	return false;
}

static void compare_mode(enum cpu_mode mode, u8 in_mode)
{
	unsigned rows = 0, failures = 0;
	struct reference r;

	nr_compared = 0;
	for (unsigned i = 0; i < nr_forms; i++) {
		if (!(forms[i].modes & in_mode) || !(forms[i].by & BY_UNICORN) ||
		    !is_done(&forms[i], mode))
			continue;
		if (!rows++)
			reference_open(&r, mode);
		failures += !compare_form(&r, &forms[i],
					  nr_cases() / __builtin_popcount(forms[i].modes) + 1);
	}
	reference_close(&r);
	print_message("%d-bit mode: %u forms, %u instructions compared\n", mode * 8, rows,
		      nr_compared);
	assert_int_equal(failures, 0);
}

static void test_64_bit_as_unicorn(void **state)
{
	compare_mode(CPU_MODE_64, IN_64);
}

static void test_32_bit_as_unicorn(void **state)
{
	compare_mode(CPU_MODE_32, IN_32);
}

static void test_16_bit_as_unicorn(void **state)
{
	compare_mode(CPU_MODE_16, IN_16);
}

static void test_differences(void **state)
{
	print_message("figure emulator-differences: %u lines in tests/emulator-differences\n",
		      check_differences(nr_cases() >= CASES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_64_bit_as_unicorn),
		cmocka_unit_test(test_32_bit_as_unicorn),
		cmocka_unit_test(test_16_bit_as_unicorn),
		cmocka_unit_test(test_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
