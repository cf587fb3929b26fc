/* SPDX-License-Identifier: MIT */
/*
 * Single fetch in the emulator (RELIABILITY, R16): each byte of guest memory is read at most once
 * an instruction, and nothing comes of what another CPU writes over it afterwards. Random
 * instructions run twice: on memory that keeps still, and with each byte changed as soon as it has
 * been read (and put back before the instruction writes, so that exchanges aren't lost). Both must
 * do the same. Descriptors count too.
 */
#include "tests/host/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_LOG 12000		/* a REP does 4 KiB a call, and byte by byte */

struct access_log {
	unsigned nr;
	struct { u32 at, size; u8 bytes[128]; } entry[MAX_LOG];
};

static struct access_log reads, writes[2];
static unsigned run;			/* 0: on memory that keeps still */
static unsigned still_flipped;		/* the first of reads.entry[] that isn't put back yet */
static bool read_twice;
static u8 seen[DATA_SIZE];

static void log_bytes(struct access_log *log, u64 at, const void *bytes, unsigned size)
{
	assert_true(log->nr < MAX_LOG && size <= sizeof(log->entry[0].bytes));
	log->entry[log->nr].at = (u32)(at - m.at);
	log->entry[log->nr].size = size;
	memset(log->entry[log->nr].bytes, 0, sizeof(log->entry[0].bytes));
	memcpy(log->entry[log->nr++].bytes, bytes, size);
}

static void put_back(void)
{
	for (unsigned i = reads.nr; run && i-- > still_flipped;)
		memcpy(m.data + reads.entry[i].at, reads.entry[i].bytes, reads.entry[i].size);
	still_flipped = reads.nr;
}

static enum emulate_status read_once(void *ctx, gva_t at, void *to, unsigned size, u32 access,
				     struct event *fault)
{
	enum emulate_status status = machine_ops.read(ctx, at, to, size, access, fault);
	u8 *here = m.data + (at.v - m.at);

	if (status != EMULATE_OK)
		return status;
	log_bytes(&reads, at.v, to, size);
	for (unsigned i = 0; i < size; i++) {
		read_twice |= seen[here - m.data + i];
		seen[here - m.data + i] = 1;
		if (run)
			here[i] = (u8)~here[i];
	}
	return status;
}

static enum emulate_status logged_write(void *ctx, gva_t at, const void *from, unsigned size,
					u32 access, struct event *fault)
{
	enum emulate_status status;

	put_back();
	status = machine_ops.write(ctx, at, from, size, access, fault);
	if (status == EMULATE_OK)
		log_bytes(&writes[run], at.v, from, size);
	return status;
}

static enum emulate_status logged_cmpxchg(void *ctx, gva_t at, const void *expected,
					  const void *desired, unsigned size, u32 access,
					  struct event *fault)
{
	enum emulate_status status;

	put_back();
	status = machine_ops.cmpxchg(ctx, at, expected, desired, size, access, fault);
	if (status == EMULATE_OK)
		log_bytes(&writes[run], at.v, desired, size);
	return status;
}

/* Prefixes, an opcode of one of the maps, and bytes that ModRM and all the rest are made of. */
static unsigned random_insn(enum cpu_mode mode, u8 bytes[15])
{
	static const u8 prefixes[] = { 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x64 };
	u64 r = random64();
	unsigned n = 0;

	for (unsigned i = 0; i < 15; i++)
		bytes[i] = (u8)random64();
	if (!(r & 3))
		bytes[n++] = prefixes[(r >> 8) % sizeof(prefixes)];
	if (mode == CPU_MODE_64 && (r & 4))
		bytes[n++] = 0x40 | (r >> 16 & 15);
	if (r & 8)
		bytes[n++] = 0x0f;
	if ((r & 8) && !(r & 0x70))
		bytes[n++] = r & 0x80 ? 0x38 : 0x3a;
	n++;
	/* mostly memory at a register or a little beside it, seldom an absolute address */
	if ((bytes[n] >> 6 == 3 || (bytes[n] >> 6 == 2)) && (random64() & 7))
		bytes[n] ^= 0x80;
	return 15;
}

/* Registers that point into the memory, most of them. */
static void random_registers(enum cpu_mode mode)
{
	u64 base = mode == CPU_MODE_16 ? 0 : DATA;

	for (unsigned i = 0; i < 16; i++)
		m.gpr[i] = random64() & 3 ? base + 0x1000 + random64() % 0xe000 : random64() % 64;
	m.rsp = base + 0x8000 + random64() % 512;
	m.rip = CODE;
	m.rflags = RFLAGS_FIXED | (random64() & ARITH);
}

/* All of the memory is a table of descriptors too: random ones, of which many are good. */
static const struct table *whole_memory(void *ctx, enum emulate_table which)
{
	static const struct table whole = { .base = DATA, .limit = DATA_SIZE - 1 };

	return &whole;
}

static struct machine before;

static enum emulate_status execute(enum cpu_mode mode, const u8 *bytes,
				   struct emulate_result *result)
{
	struct emulate_ops ops = machine_ops;

	ops.read = read_once;
	ops.write = logged_write;
	ops.cmpxchg = logged_cmpxchg;
	ops.table = whole_memory;
	for (unsigned i = 0; i < reads.nr; i++)
		memset(seen + reads.entry[i].at, 0, reads.entry[i].size);
	reads.nr = writes[run].nr = still_flipped = 0;
	read_twice = false;
	emulate(&ops, &m, m.gpr, mode, bytes, 15, result);
	put_back();
	return result->status;
}

/* Memory as it was: what was written is the only thing that differs. */
static void restore(void)
{
	memcpy(&m, &before, offsetof(struct machine, data));
	for (unsigned i = 0; i < writes[run].nr; i++)
		memcpy(m.data + writes[run].entry[i].at, before.data + writes[run].entry[i].at,
		       writes[run].entry[i].size);
}

static void same(bool condition, const char *what, const u8 *bytes, enum cpu_mode mode)
{
	if (!condition)
		fail_msg("%s: mode %d, %02x %02x %02x %02x %02x %02x", what, mode, bytes[0],
			 bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);
}

static u64 compared, reading, opcodes;
static bool opcode_seen[5][256];

/* Has one thing been read again? An operand that happens to lie in its own descriptor is another
 * thing. */
static bool has_read_again(void)
{
	for (unsigned i = 0; read_twice && i < reads.nr; i++)
		for (unsigned j = 0; j < i; j++)
			if (reads.entry[i].at == reads.entry[j].at &&
			    reads.entry[i].size == reads.entry[j].size)
				return true;
	return false;
}

static bool is_cmps(const struct insn *insn)
{
	return insn->map == MAP_ONE && (insn->opcode | 1) == 0xa7;
}

static void try_one(enum cpu_mode mode)
{
	struct emulate_result first, second;
	struct machine *after = &before;
	static u8 registers[offsetof(struct machine, data)];
	u8 bytes[15];

	random_insn(mode, bytes);
	random_registers(mode);
	memcpy(&before, &m, offsetof(struct machine, data));
	run = 0;
	if (execute(mode, bytes, &first) != EMULATE_OK && first.status != EMULATE_AGAIN) {
		restore();
		return;
	}
	memcpy(registers, &m, sizeof(registers));
	/* the elements of a REP, and the two operands of CMPS, may be the same bytes again */
	same(first.insn.rep || is_cmps(&first.insn) || !has_read_again(), "read twice", bytes, mode);
	compared++;
	reading += reads.nr != 0;
	if (reads.nr && !opcode_seen[first.insn.map % 5][first.insn.opcode]) {
		opcode_seen[first.insn.map % 5][first.insn.opcode] = true;
		opcodes++;
	}
	restore();
	if (!read_twice) {
		run = 1;
		same(execute(mode, bytes, &second) == first.status, "status", bytes, mode);
		same(!memcmp(registers, &m, sizeof(registers)), "registers", bytes, mode);
		same(writes[0].nr == writes[1].nr, "writes", bytes, mode);
		same(!memcmp(writes[0].entry, writes[1].entry,
			     writes[0].nr * sizeof(writes[0].entry[0])), "written", bytes, mode);
		restore();
	}
	same(!memcmp(m.gpr, after->gpr, sizeof(m.gpr)), "the test", bytes, mode);
}

/* Random bytes; every second quadword is a descriptor of a kind that can be loaded or called. */
static void fill_memory(void)
{
	static const u8 access[] = { 0x92, 0x93, 0x9a, 0x9b, 0xf2, 0xfa, 0x9e, 0x8e };

	for (unsigned at = 0; at < DATA_SIZE; at++)
		m.data[at] = (u8)random64();
	for (unsigned at = 0; at < DATA_SIZE; at += 16) {
		m.data[at + 5] = access[random64() % sizeof(access)];
		m.data[at + 6] = random64() & 1 ? 0xcf : 0xaf;
	}
}

static void test_random_instructions(void **state)
{
	static const enum cpu_mode modes[] = { CPU_MODE_16, CPU_MODE_32, CPU_MODE_64 };

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		machine_reset(modes[i]);
		fill_memory();
		memcpy(&before, &m, sizeof(m));
		for (unsigned n = 0; n < 400000; n++)
			try_one(modes[i]);
	}
	printf("figure R16-emulator: %llu instructions of %llu opcodes that read memory, each byte "
	       "once\n", (unsigned long long)reading, (unsigned long long)opcodes);
	assert_true(reading > 100000 && opcodes > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_instructions) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
