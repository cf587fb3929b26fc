// SPDX-License-Identifier: MIT
/*
 * Random instructions of the forms that unicorn doesn't have, or not right, carried out by the
 * emulator and by the test machine's own CPU, in 64-bit mode: general and vector registers, x87,
 * flags, memory, and faults with their error code and CR2 must be the same.
 * CASES=n: how many of each form, instead of 10000.
 */
#include "emulate/decode.h"
#include "include/x86/exception.h"
#include "tests/host/cases.h"
#include "tests/host/native.h"
#include "tests/host/undefined.h"

#include <cpuid.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CASES		10000

static struct machine before;
static struct emulate_result result;
static struct native cpu;
static bool failed;

static void show(const struct test_case *c, const char *what, u64 ours, u64 theirs)
{
	if (failed)
		return;
	failed = true;
	print_message("%s: %s is %llx, expected %llx; code", c->form->name, what,
		      (unsigned long long)ours, (unsigned long long)theirs);
	for (int i = 0; i < (c->length > 0 ? c->length : INSN_MAX_BYTES); i++)
		print_message(" %02x", c->code[i]);
	print_message("; flags %llx, target %llx", (unsigned long long)before.rflags,
		      (unsigned long long)c->target);
	for (int i = 0; i < 16; i++)
		print_message(" %d=%llx", i,
			      (unsigned long long)(i == GPR_RSP ? before.rsp : before.gpr[i]));
	print_message("\n");
}

/* Components that are in their initial state may be left out of XSAVE's image. */
static u8 image_byte(const u8 *image, unsigned at)
{
	unsigned component = at >= 576 ? 4 : at >= 160 ? 2 : 1;
	bool present = image[512] & component;

	if (at == 24 || at == 25)	/* MXCSR comes with either */
		return image[at];
	if (!present && at < 2)
		return at ? 0x03 : 0x7f;
	return present ? image[at] : 0;
}

/* All but the x87 pointers, which this CPU's XSAVE may leave out, and the header. */
static void compare_fpu(const struct test_case *c)
{
	for (unsigned at = 0; at < XSAVE_BYTES; at++) {
		if ((at >= 6 && at < 24) || (at >= 26 && at < 32) || (at >= 416 && at < 576) ||
		    (at >= 32 && at < 160 && (at & 15) >= 10))
			continue;
		if (image_byte(m.fpu, at) != image_byte(cpu.fpu, at))
			show(c, at >= 160 ? "a vector register" : "x87", at << 8 | image_byte(m.fpu, at),
			     at << 8 | image_byte(cpu.fpu, at));
	}
}

static void compare_state(const struct test_case *c)
{
	u64 undefined = undefined_flags(c, &before);

	for (unsigned i = 0; i < 16; i++) {
		u64 ours = i == GPR_RSP ? m.rsp : m.gpr[i];

		if (cpu.gpr[i] != ours)
			show(c, "a register", ours, cpu.gpr[i]);
	}
	if ((cpu.rflags ^ m.rflags) & (ARITH | RFLAGS_DF) & ~undefined)
		show(c, "RFLAGS", m.rflags, cpu.rflags);
	if (m.rip != NATIVE_CODE + c->length)
		show(c, "RIP", m.rip, NATIVE_CODE + c->length);
	if (memcmp(cpu.data, m.data, NATIVE_WINDOW_SIZE))
		show(c, "memory", 0, 0);
	compare_fpu(c);
}

static bool has_long_operand(const struct form *form)
{
	return is_named(form, "FLDENV") || is_named(form, "FNSTENV") || is_named(form, "FRSTOR") ||
	       is_named(form, "FNSAVE") || strstr(form->name, "MASKMOV");
}

/*
 * Where the CPU completes and the emulator needn't: a store to x87's memory operand that an
 * unmasked exception prevents, which may be before or after the page is looked at; and MXCSR.MM of
 * AMD's CPUs (APM vol. 2, "Misaligned Exception Mask"), which the emulator doesn't know.
 */
static bool cpu_may_complete(const struct test_case *c)
{
	bool waiting = cpu.fpu[2] & 0x80, mm = cpu.fpu[26] & 2;

	return cpu.exception == -1 &&
	       ((c->form->map == MAP_ONE && waiting && result.event.vector == EXC_PF) ||
		(strstr(c->form->name, "LDMXCSR") && mm && result.event.vector == EXC_GP));
}

static void compare_fault(const struct test_case *c)
{
	if (result.event.vector != cpu.exception)
		show(c, "the exception", result.event.vector, cpu.exception);
	if (result.event.vector == EXC_PF) {
		/*
		 * The test runs at CPL 3, the machine at 0. Linux sets P for its own addresses. Of a
		 * long operand CPUs say which part they were at.
		 */
		u64 ignored = PF_ERR_U | (cpu.cr2 >> 63 ? PF_ERR_P : 0);
		u64 parts = has_long_operand(c->form) ? ~PAGE_MASK : 0;

		if ((result.event.error ^ cpu.error) & ~ignored)
			show(c, "the error code", result.event.error, cpu.error);
		if ((result.event.payload ^ cpu.cr2) & ~parts)
			show(c, "CR2", result.event.payload, cpu.cr2);
	}
	if (memcmp(before.gpr, m.gpr, sizeof(m.gpr)) || before.rsp != m.rsp ||
	    before.rip != m.rip || before.rflags != m.rflags)
		show(c, "the state after a fault", 0, 0);
}

/*
 * SDM vol. 2B, "MASKMOVDQU": page faults of bytes that the mask leaves out may be signaled, by
 * implementation.
 */
static bool is_up_to_cpu(const struct test_case *c, enum emulate_status status)
{
	return c->form->opcode == 0xf7 && c->form->map == MAP_0F &&
	       (status == EMULATE_FAULT || cpu.exception == EXC_PF);
}

/* A number for ST(i): mostly normal, some special or of no known kind. */
static void random_st(u8 *to)
{
	u16 exponent = 0x3fff - 40 + random64() % 80;
	u64 mantissa = random64() | 1ull << 63;

	if (random64() % 8 == 0)
		exponent = random64() % 2 ? 0 : 0x7fff;
	if (random64() % 16 == 0)
		mantissa = random64() % 2 ? 0 : random64();
	if (random64() % 2)
		mantissa &= ~0ull << (random64() & 63);
	exponent |= random64() % 2 ? 0x8000 : 0;
	memcpy(to, &mantissa, 8);
	memcpy(to + 8, &exponent, 2);
}

static void random_fpu(void)
{
	memset(m.fpu, 0, sizeof(m.fpu));
	m.fpu[0] = random64() % 8 ? 0x7f : 0x40 | (random64() & 0x3f);
	m.fpu[1] = random64() & 0x0f;
	m.fpu[3] = random64() & 0x7f;		/* TOP, condition codes */
	m.fpu[4] = random64() % 4 ? random64() : 0xff;
	if (random64() % 32 == 0) {		/* an exception waits */
		m.fpu[0] &= ~1;
		m.fpu[2] = 0x81;
		m.fpu[3] |= 0x80;
	}
	m.fpu[24] = 0x80;
	m.fpu[25] = 0x1f;
	for (unsigned i = 0; i < 8; i++)
		random_st(m.fpu + 32 + 16 * i);
	for (unsigned at = 160; at < 416; at++)
		m.fpu[at] = random64();
	for (unsigned at = 576; at < XSAVE_BYTES; at++)
		m.fpu[at] = random64();
	m.fpu[512] = 7;
}

/* FLDENV, FRSTOR, LDMXCSR, FLD: memory that makes sense now and then. */
static void seed_operand(const struct test_case *c)
{
	u8 *at = m.data + (c->target - m.at);
	u64 small = random64() >> (random64() & 63);

	if (c->target - m.at > 2 * PAGE_SIZE || random64() % 4 == 0)
		return;
	if (strstr(c->form->name, "MXCSR"))
		small &= 0xffff;
	if (strstr(c->form->name, "m80fp"))
		random_st(at);
	else
		memcpy(at, &small, 8);
	if (is_named(c->form, "FBLD")) {
		for (int i = 0; i < 9; i++)
			at[i] = random64() % 10 | (random64() % 10) << 4;
		at[9] = random64() & 0x80;
	}
}

static bool compare_one(const struct form *form)
{
	enum emulate_status status;
	struct test_case c;

	make_case(form, CPU_MODE_64, NATIVE_CODE, &c);
	if (c.locked || c.length <= 0)
		return false;
	random_fpu();
	seed_operand(&c);
	memcpy(&before, &m, offsetof(struct machine, data));
	native_run(&cpu, c.code, c.length);
	status = emulate(&machine_ops, NULL, m.gpr, CPU_MODE_64, c.code, INSN_MAX_BYTES, &result);
	if (is_up_to_cpu(&c, status) || (status == EMULATE_FAULT && cpu_may_complete(&c)))
		status = EMULATE_OK;
	else if (status == EMULATE_FAULT)
		compare_fault(&c);
	else if (status != EMULATE_OK)
		show(&c, "the status", status, 0);
	else if (cpu.exception != -1)
		show(&c, "the exception", -1, cpu.exception);
	else
		compare_state(&c);
	memcpy(&m, &before, offsetof(struct machine, data));
	return status == EMULATE_OK;
}

/* What not every CPU with AVX2 has. */
static bool cpu_has(const struct form *form)
{
	static const struct { const char *name; bool ecx; u32 bit; } features[] = {
		{ "MOVDIRI", true, 1u << 27 }, { "MOVDIR64B", true, 1u << 28 },
		{ "CLFLUSHOPT", false, 1u << 23 }, { "CLWB", false, 1u << 24 },
		{ "ADCX", false, 1u << 19 }, { "ADOX", false, 1u << 19 },
	};
	u32 a, b = 0, c = 0, d;

	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (is_named(form, features[i].name))
			return (features[i].ecx ? c : b) & features[i].bit;
	}
	return true;
}

static bool is_done(const struct form *form)
{
	struct test_case c;

	for (int i = 0; i < 64; i++) {
		make_case(form, CPU_MODE_64, NATIVE_CODE, &c);
		if (emulate(&machine_ops, NULL, m.gpr, CPU_MODE_64, c.code, INSN_MAX_BYTES,
			    &result) == EMULATE_UNHANDLED)
			return false;
	}
	return true;
}

static void test_as_this_cpu(void **state)
{
	const char *text = getenv("CASES");
	unsigned cases = text ? atoi(text) : CASES, rows = 0, absent = 0, failures = 0;

	if (!native_open(&cpu))
		skip();
	for (unsigned i = 0; i < nr_forms; i++) {
		unsigned completed = 0;

		if (!(forms[i].by & BY_CPU) || !(forms[i].modes & IN_64))
			continue;
		cases_begin(CPU_MODE_64, DATA);
		if (!cpu_has(&forms[i])) {
			absent++;
			continue;
		}
		if (!is_done(&forms[i]))
			continue;
		cases_begin(CPU_MODE_64, DATA);
		failed = false;
		rows++;
		for (unsigned n = 0; n < cases && !failed; n++)
			completed += compare_one(&forms[i]);
		if (!failed && completed * 10 < cases)
			print_message("%s: only %u completed\n", forms[i].name, completed);
		failures += failed || completed * 10 < cases;
	}
	print_message("%u forms compared, %u that this CPU doesn't have\n", rows, absent);
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_this_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
