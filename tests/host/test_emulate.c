// SPDX-License-Identifier: MIT
/*
 * The emulator, in two ways: random instructions of every row compared with unicorn (registers,
 * flags, memory), and faults, intercepts and bounds by hand-written cases from the manuals.
 */
#include "emulate/decode.h"
#include "emulate/emulate.h"
#include "include/rights.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unicorn/unicorn.h>

#define DATA		0x20000u	/* linear address of the guest's memory … */
#define DATA_SIZE	0x10000u	/* … and its size, in both models */
#define CODE		0x1000u
#define CODE_SIZE	0xe000u
#define ARITH		(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* The guest that the emulator works on. */
struct machine {
	u64 gpr[16], rip, rsp, rflags, cr0, cr4, cpl;
	struct segment segment[NR_SEGMENTS];
	u8 data[DATA_SIZE];
	u8 rights[DATA_SIZE / PAGE_SIZE];	/* RIGHT_R, RIGHT_W */
	unsigned reads, writes, exchanges, ports, intercepts, systems, in_value;
	u16 last_port;
	u32 last_out;
	bool refuse;			/* intercept says stop */
	bool race;			/* every exchange finds memory changed */
	struct emulate_action action;
};

/* Asked by LeakSanitizer: unicorn 2.1 (Debian 13) loses 32 bytes for each engine closed. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libunicorn";
}

static struct machine m, before;
static struct emulate_result result;

static u64 get(void *ctx, enum emulate_reg reg)
{
	switch (reg) {
	case EMULATE_RIP: return m.rip;
	case EMULATE_RSP: return m.rsp;
	case EMULATE_RFLAGS: return m.rflags;
	case EMULATE_CR0: return m.cr0;
	case EMULATE_CR4: return m.cr4;
	case EMULATE_CPL: return m.cpl;
	}
	fail();
	return 0;
}

static void set(void *ctx, enum emulate_reg reg, u64 value)
{
	switch (reg) {
	case EMULATE_RIP: m.rip = value; break;
	case EMULATE_RSP: m.rsp = value; break;
	case EMULATE_RFLAGS: m.rflags = value; break;
	default: fail();
	}
}

static const struct segment *segment(void *ctx, enum segment_register reg)
{
	return &m.segment[reg];
}

static enum emulate_status check(void *ctx, gva_t at, unsigned size, u32 access,
		struct event *fault)
{
	bool present = at.v >= DATA && at.v < DATA + DATA_SIZE;
	u8 rights = present ? m.rights[(at.v - DATA) / PAGE_SIZE] : 0;

	assert_true(size && at.v / PAGE_SIZE == (at.v + size - 1) / PAGE_SIZE);
	if (rights & (access & ACCESS_WRITE ? RIGHT_W : RIGHT_R))
		return EMULATE_OK;
	*fault = (struct event){
		.type = EVENT_EXCEPTION, .vector = EXC_PF, .has_error = true, .payload = at.v,
		.error = (access & (ACCESS_WRITE | ACCESS_USER)) | (rights ? PF_ERR_P : 0),
	};
	return EMULATE_FAULT;
}

static enum emulate_status do_read(void *ctx, gva_t at, void *to, unsigned size, u32 access,
				   struct event *fault)
{
	if (check(ctx, at, size, access, fault) != EMULATE_OK)
		return EMULATE_FAULT;
	m.reads++;
	memcpy(to, m.data + at.v - DATA, size);
	return EMULATE_OK;
}

static enum emulate_status do_write(void *ctx, gva_t at, const void *from, unsigned size,
		u32 access,
				    struct event *fault)
{
	assert_true(access & ACCESS_WRITE);
	if (check(ctx, at, size, access, fault) != EMULATE_OK)
		return EMULATE_FAULT;
	m.writes++;
	memcpy(m.data + at.v - DATA, from, size);
	return EMULATE_OK;
}

static enum emulate_status do_cmpxchg(void *ctx, gva_t at, const void *expected,
		const void *desired,
				      unsigned size, u32 access, struct event *fault)
{
	if (check(ctx, at, size, access, fault) != EMULATE_OK)
		return EMULATE_FAULT;
	if (m.race)
		return EMULATE_AGAIN;
	m.exchanges++;
	assert_memory_equal(expected, m.data + at.v - DATA, size);
	return do_write(ctx, at, desired, size, access, fault);
}

static enum emulate_status port(void *ctx, u16 number, unsigned size, bool in, u32 *value)
{
	m.ports++;
	m.last_port = number;
	if (in)
		*value = m.in_value++;
	else
		m.last_out = *value;
	return EMULATE_OK;
}

static enum emulate_status intercept(void *ctx, const struct insn *insn,
				     const struct emulate_action *action)
{
	m.intercepts++;
	m.action = *action;
	return m.refuse ? EMULATE_STOP : EMULATE_OK;
}

static enum emulate_status do_system(void *ctx, const struct insn *insn,
		struct emulate_action *action,
				     struct event *fault)
{
	m.systems++;
	m.action = *action;
	action->value = 0x1122334455667788;
	return EMULATE_OK;
}

static const struct emulate_ops ops = {
	get, set, segment, check, do_read, do_write, do_cmpxchg, port, intercept, do_system
};

/* Flat segments as after a boot loader; real mode: all data segments at DATA. */
static void reset_machine(enum cpu_mode mode)
{
	memset(&m, 0, sizeof(m));
	for (int i = 0; i < NR_SEGMENTS; i++) {
		m.segment[i] = (struct segment){ 0x10, 0xc093, 0xffffffff, 0 };
		if (mode == CPU_MODE_16)
			m.segment[i] = (struct segment){ DATA >> 4, 0x93, 0xffff, DATA };
	}
	m.segment[SEG_CS].attr = mode == CPU_MODE_64 ? 0xa09b : mode == CPU_MODE_32 ? 0xc09b : 0x9b;
	m.cr0 = mode == CPU_MODE_16 ? 0 : CR0_PE;
	m.rflags = RFLAGS_FIXED;
	m.rip = CODE;
	memset(m.rights, RIGHT_R | RIGHT_W, sizeof(m.rights));
}

static u64 random_state = 0x2545f4914f6cdd1d;

static u64 random64(void)
{
	return xorshift(&random_state) * 0x2545f4914f6cdd1d;
}

/* ---- Comparison with unicorn ---- */

#define ANY	8	/* any reg field */
#define NONE	9	/* no ModRM byte */
#define M64	1	/* modes in which the row is tested */
#define M32	2
#define M16	4
#define ALL	7

static const struct row {
	u8 opcode[3], bytes;	/* first opcode … */
	u8 count;		/* … of how many */
	u8 reg;			/* ModRM.reg: 0 to 7, ANY, NONE */
	u8 groups;		/* with reg 0: how many reg values from there */
	u8 modes;
} rows[] = {
	{ { 0x00 }, 1, 4, ANY, 0, ALL }, { { 0x08 }, 1, 4, ANY, 0, ALL },
	{ { 0x10 }, 1, 4, ANY, 0, ALL },
	{ { 0x18 }, 1, 4, ANY, 0, ALL }, { { 0x20 }, 1, 4, ANY, 0, ALL },
	{ { 0x28 }, 1, 4, ANY, 0, ALL },
	{ { 0x30 }, 1, 4, ANY, 0, ALL }, { { 0x38 }, 1, 4, ANY, 0, ALL },
	{ { 0x04 }, 1, 2, NONE, 0, ALL }, { { 0x0c }, 1, 2, NONE, 0, ALL },
	{ { 0x14 }, 1, 2, NONE, 0, ALL },
	{ { 0x1c }, 1, 2, NONE, 0, ALL }, { { 0x24 }, 1, 2, NONE, 0, ALL },
	{ { 0x2c }, 1, 2, NONE, 0, ALL },
	{ { 0x34 }, 1, 2, NONE, 0, ALL }, { { 0x3c }, 1, 2, NONE, 0, ALL },
	{ { 0x80 }, 1, 2, 0, 8, ALL }, { { 0x83 }, 1, 1, 0, 8, ALL },
	{ { 0x84 }, 1, 8, ANY, 0, ALL },	/* TEST XCHG MOV */
	{ { 0xa8 }, 1, 2, NONE, 0, ALL }, { { 0xb0 }, 1, 16, NONE, 0, ALL },
	{ { 0xa0 }, 1, 4, NONE, 0, ALL },	/* MOV moffs */
	{ { 0xc6 }, 1, 2, 0, 1, ALL },
	{ { 0xc0 }, 1, 2, 0, 8, ALL }, { { 0xd0 }, 1, 4, 0, 8, ALL },	/* shifts */
	{ { 0xf6 }, 1, 2, 0, 1, ALL }, { { 0xf6 }, 1, 2, 2, 2, ALL },	/* TEST; NOT NEG */
	{ { 0xfe }, 1, 2, 0, 2, ALL }, { { 0x40 }, 1, 16, NONE, 0, M32 | M16 },	/* INC DEC */
	{ { 0x0f, 0xb6 }, 2, 2, ANY, 0, ALL }, { { 0x0f, 0xbe }, 2, 2, ANY, 0, ALL },
	{ { 0x63 }, 1, 1, ANY, 0, M64 },
	{ { 0x0f, 0xa3 }, 2, 1, ANY, 0, ALL }, { { 0x0f, 0xab }, 2, 1, ANY, 0, ALL },	/* bits */
	{ { 0x0f, 0xb3 }, 2, 1, ANY, 0, ALL }, { { 0x0f, 0xbb }, 2, 1, ANY, 0, ALL },
	{ { 0x0f, 0xba }, 2, 1, 4, 4, ALL },
	{ { 0x0f, 0xb0 }, 2, 2, ANY, 0, ALL }, { { 0x0f, 0xc0 }, 2, 2, ANY, 0, ALL },
	{ { 0x0f, 0xc7 }, 2, 1, 1, 1, ALL },	/* CMPXCHG8B, 16B */
	{ { 0x0f, 0x40 }, 2, 16, ANY, 0, ALL }, { { 0x0f, 0x90 }, 2, 16, ANY, 0, ALL },
	{ { 0x0f, 0xa4 }, 2, 2, ANY, 0, ALL }, { { 0x0f, 0xac }, 2, 2, ANY, 0, ALL },
	{ { 0x0f, 0xaf }, 2, 1, ANY, 0, ALL }, { { 0x69 }, 1, 1, ANY, 0, ALL },
	{ { 0x6b }, 1, 1, ANY, 0, ALL },
	{ { 0x0f, 0xc3 }, 2, 1, ANY, 0, ALL },
	{ { 0x8d }, 1, 1, ANY, 0, ALL }, { { 0xd7 }, 1, 1, NONE, 0, ALL },
	{ { 0x0f, 0x1f }, 2, 1, ANY, 0, ALL },
	{ { 0x90 }, 1, 8, NONE, 0, ALL },	/* XCHG */
	{ { 0x50 }, 1, 16, NONE, 0, ALL }, { { 0x68 }, 1, 1, NONE, 0, ALL },
	{ { 0x6a }, 1, 1, NONE, 0, ALL },
	{ { 0x8f }, 1, 1, 0, 1, ALL }, { { 0xff }, 1, 1, 6, 1, ALL },		/* POP, PUSH r/m */
	{ { 0xa4 }, 1, 4, NONE, 0, ALL }, { { 0xaa }, 1, 6, NONE, 0, ALL },	/* strings */
};

struct reference {
	uc_engine *uc;
	enum cpu_mode mode;
	u8 *data;
	unsigned slot;
};

static const int uc_registers[16] = {
	UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP, UC_X86_REG_RBP,
	UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8, UC_X86_REG_R9, UC_X86_REG_R10, UC_X86_REG_R11,
	UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15,
};
static const int uc_registers32[8] = {
	UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX, UC_X86_REG_ESP, UC_X86_REG_EBP,
	UC_X86_REG_ESI, UC_X86_REG_EDI,
};

static unsigned nr_registers(const struct reference *r)
{
	return r->mode == CPU_MODE_64 ? 16 : 8;
}

static int uc_register(const struct reference *r, unsigned i)
{
	return r->mode == CPU_MODE_64 ? uc_registers[i] : uc_registers32[i];
}

static void open_reference(struct reference *r, enum cpu_mode mode)
{
	static const int data_segments[] = { UC_X86_REG_DS, UC_X86_REG_ES, UC_X86_REG_SS };
	uint64_t selector = DATA >> 4;

	*r = (struct reference){ .mode = mode };
	r->data = aligned_alloc(PAGE_SIZE, DATA_SIZE);
	assert_int_equal(uc_open(UC_ARCH_X86, mode == CPU_MODE_64 ? UC_MODE_64 :
				 mode == CPU_MODE_32 ? UC_MODE_32 : UC_MODE_16, &r->uc), UC_ERR_OK);
	assert_int_equal(uc_mem_map_ptr(r->uc, DATA, DATA_SIZE, UC_PROT_READ | UC_PROT_WRITE,
			r->data),
			 UC_ERR_OK);
	assert_int_equal(uc_mem_map(r->uc, CODE, CODE_SIZE, UC_PROT_ALL), UC_ERR_OK);
	/* Unicorn translates beyond the one instruction, and dies of some: HLT ends that. */
	for (u64 at = CODE; at < CODE + CODE_SIZE; at++)
		uc_mem_write(r->uc, at, "\xf4", 1);
	for (int i = 0; mode == CPU_MODE_16 && i < 3; i++)
		uc_reg_write(r->uc, data_segments[i], &selector);
}

/* Give the reference the machine's state and let it carry out the one instruction. */
static uc_err run_reference(struct reference *r, const u8 *code, unsigned length)
{
	static u8 halts[INSN_MAX_BYTES + 1];
	u64 at = CODE + 0x100 + r->slot * 16;
	uc_err err;

	memset(halts, 0xf4, sizeof(halts));
	r->slot = (r->slot + 1) % (CODE_SIZE / 16 - 32);
	if (r->slot == 0)
		uc_ctl_flush_tlb(r->uc);
	uc_mem_write(r->uc, at, code, INSN_MAX_BYTES + 1);
	m.rip = before.rip = at;
	for (unsigned i = 0; i < nr_registers(r); i++)
		uc_reg_write(r->uc, uc_register(r, i), i == GPR_RSP ? &m.rsp : &m.gpr[i]);
	uc_reg_write(r->uc, UC_X86_REG_EFLAGS, &m.rflags);
	memcpy(r->data, m.data, DATA_SIZE);
	/* Unicorn counts each element of a REP as an instruction: those run until they are over. */
	err = uc_emu_start(r->uc, at, at + length, 0, result.insn.rep ? 0 : 1);
	uc_mem_write(r->uc, at, halts, sizeof(halts));
	return err;
}

/* Flags that the manual leaves undefined after the instruction, by its page in SDM vol. 2. */
static u64 undefined_flags(const struct insn *insn)
{
	unsigned count = insn->form == FORM_RM_1 ? 1 : insn->form == FORM_RM_CL ||
			 insn->form == FORM_RM_REG_CL ? before.gpr[GPR_RCX] : insn->imm;
	unsigned bits = 8 * insn->op_bytes;

	count &= insn->op_bytes == 8 ? 63 : 31;
	switch (insn->op) {
	case OP_AND: case OP_OR: case OP_XOR: case OP_TEST:
		return RFLAGS_AF;
	case OP_ROL: case OP_ROR: case OP_RCL: case OP_RCR:
		return count > 1 ? RFLAGS_OF : 0;
	case OP_SHL: case OP_SHR: case OP_SAR:
		return count == 0 ? 0 : RFLAGS_AF | (count > 1 ? RFLAGS_OF : 0) |
		       (count >= bits && insn->op != OP_SAR ? RFLAGS_CF : 0);
	case OP_SHLD: case OP_SHRD:
		return count == 0 ? 0 : RFLAGS_AF | (count > 1 ? RFLAGS_OF : 0);
	case OP_IMUL2:
		return RFLAGS_SF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF;
	case OP_BT: case OP_BTS: case OP_BTR: case OP_BTC:
		return RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF;
	}
	return 0;
}

/* SHLD and SHRD by more than the operand's width leave the result undefined. */
static bool result_undefined(const struct insn *insn)
{
	unsigned count = insn->form == FORM_RM_REG_CL ? before.gpr[GPR_RCX] : insn->imm;

	return (insn->op == OP_SHLD || insn->op == OP_SHRD) && insn->op_bytes == 2 && (count & 31) > 16;
}

static unsigned put_modrm(u8 *code, const struct row *row, enum cpu_mode mode)
{
	u8 reg = row->reg == ANY ? random64() & 7 : row->reg;

	if (row->groups > 1)
		reg += random64() % row->groups;
	switch (random64() % 4) {
	case 0:		/* a register */
		code[0] = 0xc0 | reg << 3 | (random64() & 7);
		return 1;
	case 1:		/* [rBX + disp8], 16-bit mode: [BX + disp8] */
		code[0] = 0x40 | reg << 3 | (mode == CPU_MODE_16 ? 7 : 3);
		code[1] = random64();
		return 2;
	case 2:		/* [rBX + rSI * scale], 16-bit mode: [BX + SI] */
		code[0] = reg << 3 | (mode == CPU_MODE_16 ? 0 : 4);
		code[1] = (random64() & 0xc0) | GPR_RSI << 3 | GPR_RBX;
		return mode == CPU_MODE_16 ? 1 : 2;
	default:	/* [rBP + disp8] */
		code[0] = 0x40 | reg << 3 | (mode == CPU_MODE_16 ? 6 : 5);
		code[1] = random64();
		return 2;
	}
}

/* An instruction of the row with random prefixes, operands and immediates. */
static void make_code(u8 *code, const struct row *row, enum cpu_mode mode)
{
	bool string = row->reg == NONE && row->bytes == 1 && row->opcode[0] >= 0xa4 &&
		      row->opcode[0] <= 0xaa && row->opcode[0] != 0xa8;
	unsigned at = 0;

	for (int i = 0; i < INSN_MAX_BYTES; i++)
		code[i] = random64();
	if (random64() % 3 == 0)
		code[at++] = 0x66;
	if (string && random64() % 2)
		code[at++] = random64() % 2 ? 0xf3 : 0xf2;
	if (mode == CPU_MODE_64 && random64() % 2)
		code[at++] = 0x40 | (random64() & (row->reg == NONE ? 9 : row->reg == ANY ? 0xc : 8));
	memcpy(code + at, row->opcode, row->bytes);
	code[at + row->bytes - 1] += random64() % row->count;
	at += row->bytes;
	if (row->reg != NONE)
		at += put_modrm(code + at, row, mode);
	if (row->opcode[0] == 0xa0) {	/* an absolute address */
		u64 address = (mode == CPU_MODE_16 ? 0 : DATA) + (u16)random64() % 0xfff0;

		memcpy(code + at, &address, 8);
	}
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

static void show(const u8 *code, const char *what, u64 ours, u64 theirs)
{
	print_message("%s: %llx, unicorn %llx; op %u:", what, (unsigned long long)ours,
		      (unsigned long long)theirs, result.insn.op);
	for (int i = 0; i < INSN_MAX_BYTES; i++)
		print_message(" %02x", code[i]);
	print_message("\n");
	fail();
}

/* After the instruction completed in both: registers, flags, RIP and memory are the same. */
static void compare(struct reference *r, const u8 *code)
{
	u64 value, undefined = undefined_flags(&result.insn);
	u64 mask = r->mode == CPU_MODE_64 ? ~0ull : 0xffffffff;

	for (unsigned i = 0; i < nr_registers(r); i++) {
		u64 ours = i == GPR_RSP ? m.rsp : m.gpr[i];

		value = 0;
		uc_reg_read(r->uc, uc_register(r, i), &value);
		if ((value & mask) != (ours & mask))
			show(code, "register", ours, value);
	}
	value = 0;
	uc_reg_read(r->uc, UC_X86_REG_EFLAGS, &value);
	if ((value ^ m.rflags) & (ARITH | RFLAGS_DF) & ~undefined)
		show(code, "flags", m.rflags, value);
	value = 0;
	uc_reg_read(r->uc, r->mode == CPU_MODE_64 ? UC_X86_REG_RIP : UC_X86_REG_EIP, &value);
	if (value != m.rip)
		show(code, "rip", m.rip, value);
	if (memcmp(r->data, m.data, DATA_SIZE))
		show(code, "memory", 0, 0);
}

/* One random instruction in both. Returns whether it completed and was compared. */
static bool compare_one(struct reference *r, const struct row *row)
{
	u8 code[INSN_MAX_BYTES + 1] = { 0 };
	enum emulate_status status;
	int length;
	uc_err err;

	do {
		make_code(code, row, r->mode);
		length = decode(code, INSN_MAX_BYTES, r->mode, &result.insn);
	} while (length <= 0);
	memset(code + length, 0xf4, sizeof(code) - length);
	randomise(r->mode);
	before = m;
	err = run_reference(r, code, length);
	status = emulate(&ops, NULL, m.gpr, r->mode, code, INSN_MAX_BYTES, &result);
	if (status == EMULATE_UNHANDLED || status == EMULATE_NEED_BYTES)
		show(code, "status", status, err);
	/* A limit of 64 KiB, the canonical form: unicorn doesn't check them. */
	if (status == EMULATE_FAULT && err == UC_ERR_OK && result.event.vector != EXC_PF &&
	    result.event.vector != EXC_UD) {
		m = before;
		return false;
	}
	if (status != EMULATE_OK && err != UC_ERR_OK) {
		if (!result.insn.rep)
			assert_memory_equal(m.data, before.data, DATA_SIZE);
		m = before;
		return false;
	}
	if (status != EMULATE_OK || err != UC_ERR_OK)
		show(code, "status", status, err);
	if (!result_undefined(&result.insn))
		compare(r, code);
	return true;
}

static void compare_mode(enum cpu_mode mode, u8 mode_bit, unsigned rounds)
{
	unsigned compared = 0;
	struct reference r;

	reset_machine(mode);
	for (unsigned i = 0; i < DATA_SIZE; i++)
		m.data[i] = random64();
	open_reference(&r, mode);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned done = 0;

		if (!(rows[i].modes & mode_bit))
			continue;
		for (unsigned n = 0; n < rounds; n++)
			done += compare_one(&r, &rows[i]);
		if (done * 10 < rounds)
			print_message("row %02x %02x: only %u of %u compared\n", rows[i].opcode[0],
				      rows[i].opcode[1], done, rounds);
		assert_true(done * 10 >= rounds);
		compared += done;
	}
	uc_close(r.uc);
	free(r.data);
	print_message("%d-bit mode: %u instructions compared\n", mode * 8, compared);
}

#define ROUNDS	300

static void test_64_bit_as_unicorn(void **state)
{
	compare_mode(CPU_MODE_64, M64, ROUNDS);
}

static void test_32_bit_as_unicorn(void **state)
{
	compare_mode(CPU_MODE_32, M32, ROUNDS);
}

static void test_16_bit_as_unicorn(void **state)
{
	compare_mode(CPU_MODE_16, M16, ROUNDS);
}

/* ---- Cases by hand ---- */

static enum emulate_status run(enum cpu_mode mode, const char *text, unsigned count)
{
	return emulate(&ops, NULL, m.gpr, mode, (const u8 *)text, count, &result);
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
	reset_machine(CPU_MODE_64);
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
	reset_machine(CPU_MODE_64);
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
	reset_machine(CPU_MODE_64);
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

	reset_machine(CPU_MODE_32);
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
	reset_machine(CPU_MODE_16);
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
	reset_machine(CPU_MODE_64);
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
	reset_machine(CPU_MODE_64);
	m.gpr[GPR_RBX] = DATA + 8;	/* CMPXCHG16B wants 16 bytes, always */
	EXPECT_FAULT(CPU_MODE_64, "\x48\x0f\xc7\x0b", EXC_GP);
}

static void test_lock(void **state)
{
	reset_machine(CPU_MODE_64);
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

static void test_single_step(void **state)
{
	reset_machine(CPU_MODE_64);
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

	reset_machine(CPU_MODE_64);
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
	reset_machine(CPU_MODE_64);
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
	reset_machine(CPU_MODE_64);
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
	reset_machine(CPU_MODE_64);
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
	reset_machine(CPU_MODE_64);
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

static void test_limits_of_the_emulator(void **state)
{
	reset_machine(CPU_MODE_64);
	before = m;
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\x28\x03"), EMULATE_UNHANDLED);	/* MOVAPS */
	assert_int_equal(RUN(CPU_MODE_64, "\xc5\xf8\x28\x03"), EMULATE_UNHANDLED);
	assert_int_equal(RUN(CPU_MODE_64, "\xd9\x03"), EMULATE_UNHANDLED);
	assert_int_equal(RUN(CPU_MODE_64, "\x8b"), EMULATE_NEED_BYTES);
	assert_memory_equal(&before, &m, sizeof(m));
	EXPECT_FAULT(CPU_MODE_64, "\x0f\x0b", EXC_UD);
	assert_false(result.event.has_error);
	EXPECT_FAULT(CPU_MODE_64, "\xf0\x89\x03", EXC_UD);
	EXPECT_FAULT(CPU_MODE_64, "fffffffffffffff\x90", EXC_GP);	/* 16 bytes */
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
			reset_machine(mode);
		for (int k = 0; k < INSN_MAX_BYTES; k++)
			bytes[k] = random64();
		if (random64() % 2)
			randomise(mode);
		m.cpl = random64() % 2 ? 3 : 0;
		rip = m.rip = random64() >> (random64() & 63);
		status = emulate(&ops, NULL, m.gpr, mode, bytes, random64() % 16, &result);
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
		cmocka_unit_test(test_64_bit_as_unicorn),
		cmocka_unit_test(test_32_bit_as_unicorn),
		cmocka_unit_test(test_16_bit_as_unicorn),
		cmocka_unit_test(test_page_faults),
		cmocka_unit_test(test_page_crossing),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_real_mode),
		cmocka_unit_test(test_alignment_check),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_single_step),
		cmocka_unit_test(test_string_bounds),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_port_permission),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_limits_of_the_emulator),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
