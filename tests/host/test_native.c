// SPDX-License-Identifier: MIT
/*
 * Random instructions, first of the forms that unicorn doesn't have, or not right, carried out by the
 * emulator and by the test machine's own CPU, in 64-bit mode: general and vector registers, x87,
 * flags, memory, and faults with their error code and CR2 must be the same. What the manuals leave
 * to each CPU has a line in tests/emulator-differences.
 * CASES=n: how many of each such form are compared, instead of 10000; of others a fifth.
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

/* What the manuals leave to each CPU, by its line, and how often it was met. */
enum { LEFT_OUT, WRAP };
static struct {
	const char *id;
	unsigned count;
} left_to_cpus[] = { { "maskmov-left-out", 0 }, { "maskmov-wrap", 0 } };

/* "maskmov-wrap": with 32-bit addresses an element behind 4 GiB, which some CPUs look for at 0. */
static bool is_unwrapped(const struct test_case *c)
{
	return strstr(c->form->name, "MASKMOV") && c->insn.addr_bytes == 4 &&
	       (result.event.payload & PAGE_MASK) == (cpu.cr2 & PAGE_MASK) + (1ull << 32);
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
		if (is_unwrapped(c))
			left_to_cpus[WRAP].count++;
		else if ((result.event.payload ^ cpu.cr2) & ~parts)
			show(c, "CR2", result.event.payload, cpu.cr2);
	}
	if (memcmp(before.gpr, m.gpr, sizeof(m.gpr)) || before.rsp != m.rsp ||
	    before.rip != m.rip || before.rflags != m.rflags)
		show(c, "the state after a fault", 0, 0);
}

static bool is_writable(u64 at)
{
	return at - m.at < 2 * PAGE_SIZE;
}

/*
 * "maskmov-left-out": MASKMOVQ or MASKMOVDQU with bytes to be left out where they can't be written.
 * Those may fault, too. `must`: so does a byte that is to be written.
 */
static bool may_fault_left_out(const struct test_case *c, bool *must)
{
	unsigned size = c->insn.opsize || c->insn.vector ? 16 : 8, top = before.fpu[3] >> 3 & 7;
	unsigned mask = size == 8 ? 32 + 16 * ((c->insn.rm - top) & 7) : 160 + 16u * c->insn.rm;
	bool may = false;

	*must = false;
	if (c->form->opcode != 0xf7 || c->form->map != MAP_0F)
		return false;
	for (unsigned i = 0; i < size; i++) {
		u64 at = before.gpr[GPR_RDI] + i;

		if (c->insn.addr_bytes == 4)
			at = (u32)at;
		if (is_writable(at))
			continue;
		if (before.fpu[mask + i] & 0x80)
			*must = true;
		else
			may = true;
	}
	return may;
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

enum outcome { PASSED_OVER, FAULTED, COMPLETED };

static enum outcome compare_one(const struct form *form)
{
	enum outcome outcome = PASSED_OVER;
	enum emulate_status status;
	struct test_case c;
	bool must;

	make_case(form, CPU_MODE_64, NATIVE_CODE, &c);
	if (c.locked || c.length <= 0)
		return PASSED_OVER;
	random_fpu();
	seed_operand(&c);
	memcpy(&before, &m, offsetof(struct machine, data));
	native_run(&cpu, c.code, c.length);
	status = emulate(&machine_ops, NULL, m.gpr, CPU_MODE_64, c.code, INSN_MAX_BYTES, &result);
	if (status != EMULATE_OK && status != EMULATE_FAULT) {
		show(&c, "the status", status, 0);
	} else if (may_fault_left_out(&c, &must)) {
		left_to_cpus[LEFT_OUT].count++;
		if (must && (status != EMULATE_FAULT || cpu.exception != result.event.vector))
			show(&c, "the exception", result.event.vector, cpu.exception);
	} else if (result_undefined(&c, &before)) {
		/* nothing to compare */
	} else if (status == EMULATE_FAULT) {
		compare_fault(&c);
		outcome = FAULTED;
	} else {
		if (cpu.exception != -1)
			show(&c, "the exception", -1, cpu.exception);
		else
			compare_state(&c);
		outcome = COMPLETED;
	}
	memcpy(&m, &before, offsetof(struct machine, data));
	return outcome;
}

/* The CPU's leaves 7 and 80000001H. */
static u32 cpuid_word(u32 leaf, bool ecx)
{
	u32 a, b = 0, c = 0, d;

	__get_cpuid_count(leaf, 0, &a, &b, &c, &d);
	return ecx ? c : b;
}

#define SEVEN		7, false
#define EXTENDED	0x80000001, true

/* What not every CPU with AVX2 has. */
static bool cpu_has(const struct form *form)
{
	static const struct { const char *name; u32 leaf; bool ecx; u8 bit; } features[] = {
		{ "MOVDIRI", 7, true, 27 }, { "MOVDIR64B", 7, true, 28 },
		{ "CLFLUSHOPT", SEVEN, 23 }, { "CLWB", SEVEN, 24 },
		{ "ADCX", SEVEN, 19 }, { "ADOX", SEVEN, 19 },
		{ "TZCNT", SEVEN, 3 }, { "ANDN", SEVEN, 3 }, { "BLSR", SEVEN, 3 },
		{ "BLSMSK", SEVEN, 3 }, { "BLSI", SEVEN, 3 }, { "BEXTR", SEVEN, 3 },
		{ "BZHI", SEVEN, 8 }, { "PEXT", SEVEN, 8 }, { "PDEP", SEVEN, 8 },
		{ "MULX", SEVEN, 8 }, { "SHLX", SEVEN, 8 }, { "SARX", SEVEN, 8 },
		{ "SHRX", SEVEN, 8 }, { "RORX", SEVEN, 8 },
		{ "LAHF", EXTENDED, 0 }, { "SAHF", EXTENDED, 0 }, { "LZCNT", EXTENDED, 5 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (is_named(form, features[i].name))
			return cpuid_word(features[i].leaf, features[i].ecx) >>
			       features[i].bit & 1;
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

/* Random instructions of a form until `wanted` were compared. */
static bool compare_form(const struct form *form, unsigned wanted)
{
	unsigned compared = 0, completed = 0;

	cases_begin(CPU_MODE_64, DATA);
	failed = false;
	for (unsigned n = 0; n < 4 * wanted && compared < wanted && !failed; n++) {
		enum outcome outcome = compare_one(form);

		compared += outcome != PASSED_OVER;
		completed += outcome == COMPLETED;
	}
	if (!failed && compared == wanted && completed * 5 >= wanted)
		return true;
	print_message("%s: only %u of %u compared, %u of them completed\n", form->name, compared,
		      wanted, completed);
	return false;
}

/* Can the CPU do one step of it here? No port, nowhere else, and not more than one step. */
static bool is_for_cpu(const struct form *form)
{
	bool port = form->map == MAP_ONE && (form->opcode & 0xf4) == 0xe4;

	/* With 66H MOVSXD reads 4 bytes on AMD's CPUs, on Intel's 2. */
	return (form->by & (BY_CPU | BY_UNICORN)) && (form->modes & IN_64) && !port &&
	       !(form->flags & (BRANCHES | REPEATS)) && !is_named(form, "MOVSXD");
}

static void test_as_this_cpu(void **state)
{
	const char *text = getenv("CASES");
	unsigned cases = text ? atoi(text) : CASES, rows = 0, absent = 0, failures = 0;

	if (!native_open(&cpu)) {
		print_message("this CPU has no AVX2: compared with nothing\n");
		skip();
	}
	for (unsigned i = 0; i < nr_forms; i++) {
		if (!is_for_cpu(&forms[i]))
			continue;
		if (!cpu_has(&forms[i])) {
			print_message("%s: this CPU doesn't have it\n", forms[i].name);
			absent++;
			continue;
		}
		cases_begin(CPU_MODE_64, DATA);
		if (!is_done(&forms[i]))
			continue;
		rows++;
		failures += !compare_form(&forms[i], forms[i].by & BY_CPU ? cases : cases / 5);
	}
	print_message("%u forms compared; %u that this CPU doesn't have\n", rows, absent);
	for (size_t i = 0; i < ARRAY_SIZE(left_to_cpus); i++)
		print_message("%s: %u cases\n", left_to_cpus[i].id, left_to_cpus[i].count);
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_this_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
