// SPDX-License-Identifier: MIT
/*
 * Control transfer and segments compared with unicorn: random far jumps, calls and returns, IRET,
 * segment loads, task switches and what asks about descriptors, over random descriptor tables, in
 * real, 32-bit and 64-bit mode, at CPL 0 and 3. What unicorn can't do (events, error codes, hidden
 * parts of segment registers) is in test_delivery.c, by the manual.
 */
#include "tests/host/control_pair.c"

/* --- Cases --- */

enum operands { NO_OPERAND, MODRM, FAR_IMM };

static const struct row {
	const char *name;
	u8 opcode[2], bytes;
	u8 operands;
	u8 reg;			/* of ModRM; 8: any */
	bool memory_only, no64;
} rows[] = {
	{ "MOV Sreg", { 0x8e }, 1, MODRM, 8 },
	{ "MOV from Sreg", { 0x8c }, 1, MODRM, 8 }, { "PUSH DS", { 0x1e }, 1, .no64 = true },
	{ "LES", { 0xc4 }, 1, MODRM, 8, true, true }, { "LDS", { 0xc5 }, 1, MODRM, 8, true, true },
	{ "LSS", { 0x0f, 0xb2 }, 2, MODRM, 8, true }, { "LFS", { 0x0f, 0xb4 }, 2, MODRM, 8, true },
	{ "LGS", { 0x0f, 0xb5 }, 2, MODRM, 8, true },
	{ "PUSH ES", { 0x06 }, 1, .no64 = true }, { "POP ES", { 0x07 }, 1, .no64 = true },
	{ "PUSH CS", { 0x0e }, 1, .no64 = true }, { "PUSH SS", { 0x16 }, 1, .no64 = true },
	{ "POP SS", { 0x17 }, 1, .no64 = true }, { "POP DS", { 0x1f }, 1, .no64 = true },
	{ "PUSH FS", { 0x0f, 0xa0 }, 2 }, { "POP FS", { 0x0f, 0xa1 }, 2 },
	{ "PUSH GS", { 0x0f, 0xa8 }, 2 }, { "POP GS", { 0x0f, 0xa9 }, 2 },
	{ "CALL far", { 0x9a }, 1, FAR_IMM, .no64 = true },
	{ "JMP far", { 0xea }, 1, FAR_IMM, .no64 = true },
	{ "CALL m16:n", { 0xff }, 1, MODRM, 3, true }, { "JMP m16:n", { 0xff }, 1, MODRM, 5, true },
	{ "RETF n", { 0xca }, 1 }, { "RETF", { 0xcb }, 1 }, { "IRET", { 0xcf }, 1 },
	{ "PUSHF", { 0x9c }, 1 }, { "POPF", { 0x9d }, 1 }, { "CLI", { 0xfa }, 1 },
	{ "STI", { 0xfb }, 1 },
	{ "LAR", { 0x0f, 0x02 }, 2, MODRM, 8 }, { "LSL", { 0x0f, 0x03 }, 2, MODRM, 8 },
	{ "VERR", { 0x0f, 0x00 }, 2, MODRM, 4 }, { "VERW", { 0x0f, 0x00 }, 2, MODRM, 5 },
	{ "SLDT", { 0x0f, 0x00 }, 2, MODRM, 0 }, { "STR", { 0x0f, 0x00 }, 2, MODRM, 1 },
	{ "LLDT", { 0x0f, 0x00 }, 2, MODRM, 2 }, { "LTR", { 0x0f, 0x00 }, 2, MODRM, 3 },
	{ "SGDT", { 0x0f, 0x01 }, 2, MODRM, 0, true }, { "SIDT", { 0x0f, 0x01 }, 2, MODRM, 1, true },
	{ "LGDT", { 0x0f, 0x01 }, 2, MODRM, 2, true }, { "LIDT", { 0x0f, 0x01 }, 2, MODRM, 3, true },
	{ "ARPL", { 0x63 }, 1, MODRM, 8, .no64 = true },
};

static void put_modrm(u8 *code, const struct row *row, enum cpu_mode mode)
{
	u8 reg = row->reg == 8 ? random64() & 7 : row->reg;

	if (row->memory_only || random64() % 2)		/* [rBX], [BX] */
		code[0] = reg << 3 | (mode == CPU_MODE_16 ? 7 : 3);
	else
		code[0] = 0xc0 | reg << 3 | GPR_RAX;
}

static void make_code(u8 *code, const struct row *row, enum cpu_mode mode)
{
	unsigned at = 0, offset_bytes;

	for (unsigned i = 0; i < INSN_MAX_BYTES; i++)
		code[i] = random64();
	if (random64() % 3 == 0)
		code[at++] = 0x66;
	offset_bytes = (mode == CPU_MODE_16) == !at ? 2 : 4;
	if (mode == CPU_MODE_64 && random64() % 2)
		code[at++] = 0x48;
	memcpy(code + at, row->opcode, row->bytes);
	at += row->bytes;
	if (row->operands == MODRM) {
		put_modrm(code + at, row, mode);
	} else if (row->operands == FAR_IMM) {
		u32 offset = random64() & 0xffff;
		u16 selector = mode == CPU_MODE_16 ? random64() & 0xfff : random_selector();

		memcpy(code + at, &offset, 4);
		memcpy(code + at + offset_bytes, &selector, 2);
	} else if (row->opcode[0] == 0xca) {
		code[at] &= 0x7f;
		code[at + 1] = 0;
	}
}

/* Far pointers and return frames of this operand size, from `at`: rip, cs, flags, rsp, ss. */
static void put_frame(u64 at, unsigned size, enum cpu_mode mode)
{
	bool real = mode == CPU_MODE_16;
	u64 rip = random64() % 16 ? random64() & 0xffff : random64() >> (random64() & 63);
	u16 cs = real ? random64() & 0xfff : random_selector();
	u16 ss = real ? random64() & 0xfff : random_selector();
	u64 values[] = { rip, cs, random64() & 0x3ffdff & ~RFLAGS_VM & ~RFLAGS_TF,
			 DATA + (random64() & 0x3ffe), ss, random_selector(), random_selector() };

	if (!real && random64() % 2) {	/* something that often goes through */
		bool to3 = random64() % 2;

		values[1] = to3 ? CODE3 | 3 : CODE0;
		values[4] = to3 ? DATA3 | 3 : random64() % 8 ? DATA0 : ABSENT_SS;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
		put(at + i * size, values[i], size);
}

static void randomise(const struct reference *r, const struct row *row, unsigned size)
{
	u64 flags = RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_DF |
		    RFLAGS_OF | RFLAGS_IF | RFLAGS_IOPL | RFLAGS_ID;
	bool pops = row->opcode[0] == 0xcf || row->opcode[0] == 0xcb || row->opcode[0] == 0x9d;
	bool far = row->opcode[0] == 0xca;

	for (unsigned i = 0; i < 16; i++)
		m.gpr[i] = random64() >> (random64() & 63);
	m.gpr[GPR_RBX] = DATA + 0x4000 + (random64() & 0xfff);
	m.rsp = DATA + 0x5000 + (random64() & 0xffe);
	m.gpr[GPR_RAX] = (m.gpr[GPR_RAX] & ~0xffffull) |
			 (r->mode == CPU_MODE_16 ? random64() & 0xfff : random_selector());
	for (unsigned i = 0; r->mode != CPU_MODE_64 && i < 16; i++)
		m.gpr[i] = (u32)m.gpr[i];
	for (unsigned i = 0; i < 0x40; i += 8)
		put(m.gpr[GPR_RBX] + i, random64(), 8);
	m.rflags = RFLAGS_FIXED | (random64() & flags);
	put_frame(m.gpr[GPR_RBX], size, r->mode);
	if (row->memory_only && row->opcode[0] == 0x0f && row->opcode[1] == 0x01)
		put(m.gpr[GPR_RBX] + 2, DATA + (random64() & 0xffff), 8);
	put_frame(m.rsp, size, r->mode);
	if (!pops && !far && r->mode != CPU_MODE_16 && random64() % 2)
		put(m.rsp, random_selector(), size);
	if (row->operands == MODRM && !row->memory_only)
		put(m.gpr[GPR_RBX], r->mode == CPU_MODE_16 ? random64() : random_selector(), 2);
}

/* Run the one instruction in the reference. Returns the exception's vector, or -1. */
static int run_reference(struct reference *r, unsigned cpl, const u8 *code)
{
	uc_err err;

	uc_context_restore(r->uc, r->at_cpl[cpl]);
	memcpy(r->memory, memory, MEMORY);
	uc_ctl_remove_cache(r->uc, CODE, CODE + 32);
	for (unsigned i = 0; i < nr_gprs(r); i++)
		uc_set(r, gpr_id(r, i), i == GPR_RSP ? m.rsp : m.gpr[i]);
	uc_set(r, UC_X86_REG_EFLAGS, m.rflags);
	r->vector = -1;
	err = uc_emu_start(r->uc, CODE, ~0ull, 0, 1);
	if (err == UC_ERR_INSN_INVALID)
		return EXC_UD;
	return r->vector;
}

static void show(const struct row *row, const u8 *code, const char *what, u64 ours, u64 theirs)
{
	print_message("%s:", row->name);
	for (unsigned i = 0; i < 10; i++)
		print_message(" %02x", code[i]);
	print_message("\n  %s: %#llx, unicorn %#llx\n", what, (unsigned long long)ours,
		      (unsigned long long)theirs);
	print_message("  rax %llx rbx %llx rsp %llx flags %llx cpl %u cr0 %llx\n",
		      (unsigned long long)before.gpr[0], (unsigned long long)before.gpr[3],
		      (unsigned long long)before.rsp, (unsigned long long)before.rflags,
		      before.seg[SEG_SS].attr >> 5 & 3, (unsigned long long)before.cr0);
	for (unsigned i = 0; i < 6; i++)
		print_message("  stack %llx, [rbx] %llx\n",
			      (unsigned long long)take(before.rsp + 4 * i, 4),
			      (unsigned long long)take(before.gpr[GPR_RBX] + 4 * i, 4));
}

#define SAME(what, ours, theirs) \
	do { \
		if ((u64)(ours) != (u64)(theirs)) { \
			show(row, code, what, ours, theirs); \
			return false; \
		} \
	} while (0)

/* Where a selector's descriptor has its type. */
static u64 type_byte(u16 selector)
{
	return (selector & 4 ? LDT : GDT) + (selector & ~7u) + 5;
}

/*
 * Unicorn sets the accessed bit for DS to GS alone, in a task switch for none; "the processor sets
 * this bit whenever it loads the segment selector for the segment into a segment register" (SDM vol.
 * 3A, "Code- and Data-Segment Descriptor Types").
 */
static bool is_accessed_bit(const struct reference *r, const struct row *row, u64 at)
{
	bool task = !strncmp(row->name, "task", 4);

	if (r->mode == CPU_MODE_16 || memory[at] != (r->memory[at] | 1))
		return false;
	for (unsigned reg = SEG_ES; reg <= SEG_GS; reg++)
		if ((task || reg == SEG_CS || reg == SEG_SS) &&
		    at == type_byte(m.seg[reg].selector))
			return true;
	return false;
}

static bool same_memory(const struct reference *r, const struct row *row, const u8 *code)
{
	for (unsigned at = 0; at < MEMORY; at++) {
		if (memory[at] != r->memory[at] && !is_accessed_bit(r, row, at)) {
			print_message("memory at %#x, ", at);
			SAME("", memory[at], r->memory[at]);
		}
	}
	return true;
}

/* Stopped right behind a far transfer, unicorn has the linear address in (R|E)IP. */
static u64 reference_rip(const struct reference *r)
{
	u64 rip = uc_get(r, r->mode == CPU_MODE_64 ? UC_X86_REG_RIP : UC_X86_REG_EIP);

	return (u32)rip == (u32)(m.rip + m.seg[SEG_CS].base) && m.rip >> 32 == rip >> 32 ? m.rip :
											   rip;
}

/*
 * Through a gate to a conforming segment unicorn's CS gets the segment's DPL as its RPL; manual:
 * "CS(RPL) := CPL" (SDM vol. 2A, "CALL", SAME-PRIVILEGE).
 */
static bool is_conforming_by_gate(void)
{
	return (m.seg[SEG_CS].attr & 0x1c) == 0x1c;
}

static bool same_state(const struct reference *r, const struct row *row, const u8 *code)
{
	static const char *const names[] = { "ES", "CS", "SS", "DS", "FS", "GS" };
	/* Unicorn's IRET at CPL 0 leaves VIF and VIP; "EFLAGS(VIF, VIP) := tempEFLAGS" (SDM, "IRET"). */
	u64 ignored = RFLAGS_RF | (row->opcode[0] == 0xcf ? RFLAGS_VIF | RFLAGS_VIP : 0);
	uc_x86_mmr mmr = { 0 };

	for (unsigned i = 0; i < nr_gprs(r); i++)
		SAME("register", i == GPR_RSP ? m.rsp : m.gpr[i], uc_get(r, gpr_id(r, i)));
	SAME("RIP", m.rip, reference_rip(r));
	SAME("flags", m.rflags & ~ignored, uc_get(r, UC_X86_REG_EFLAGS) & ~ignored);
	for (unsigned reg = SEG_ES; reg <= SEG_GS; reg++) {
		if (reg == SEG_CS && is_conforming_by_gate())
			continue;
		SAME(names[reg], m.seg[reg].selector, uc_get(r, uc_seg[reg]));
	}
	uc_reg_read(r->uc, UC_X86_REG_LDTR, &mmr);
	SAME("LDTR", m.seg[SEG_LDTR].selector, mmr.selector);
	if (m.seg[SEG_LDTR].attr & SEG_ATTR_P)
		SAME("LDTR's base", m.seg[SEG_LDTR].base, mmr.base);
	uc_reg_read(r->uc, UC_X86_REG_TR, &mmr);
	SAME("TR", m.seg[SEG_TR].selector, mmr.selector);
	uc_reg_read(r->uc, UC_X86_REG_GDTR, &mmr);
	SAME("GDTR", m.gdt.base, mmr.base);
	SAME("GDTR's limit", m.gdt.limit, mmr.limit);
	uc_reg_read(r->uc, UC_X86_REG_IDTR, &mmr);
	SAME("IDTR", m.idt.base, mmr.base);
	return !memcmp(memory, r->memory, MEMORY) || same_memory(r, row, code);
}

static unsigned compared, faults, excused;	/* excused: by is_known() */

#include "tests/host/control_differences.c"

/*
 * Unicorn translates where the instruction leads, and dies of some bytes: HLT is to stand there.
 * False if those bytes are then something else to the instruction itself, or lie nowhere.
 */
static bool put_halts(const u8 *code)
{
	static u8 original[MEMORY];
	struct machine start = m;
	u64 target, again;

	memcpy(original, memory, MEMORY);
	run(code, INSN_MAX_BYTES);
	target = m.rip + m.seg[SEG_CS].base;
	m = start;
	memcpy(memory, original, MEMORY);
	if (result.status != EMULATE_OK || target == CODE + result.insn.length)
		return true;
	if (target + 16 > MEMORY)
		return false;
	memset(memory + target, 0xf4, 16);
	memcpy(original, memory, MEMORY);
	run(code, INSN_MAX_BYTES);
	again = m.rip + m.seg[SEG_CS].base;
	m = start;
	memcpy(memory, original, MEMORY);
	return result.status == EMULATE_OK && target == again &&
	       !memcmp(memory + CODE, code, INSN_MAX_BYTES);
}

static bool compare(struct reference *r, const struct row *row)
{
	unsigned cpl = r->mode != CPU_MODE_16 && random64() % 2 ? 3 : 0, size;
	u8 code[INSN_MAX_BYTES + 1];
	struct insn insn;
	int ours, theirs;

	fixed_tables(r->mode);
	random_tables(r->mode);
	reset(r, cpl);
	/* Unicorn has m16:64 for JMP and CALL, as Intel, and not for LSS to LGS, as AMD. */
	m.features = row->opcode[0] == 0xff ? EMULATE_HAS_FAR_64 : 0;
	make_code(code, row, r->mode);
	if (decode(code, INSN_MAX_BYTES, r->mode, &insn) <= 0)
		return true;
	size = insn.op_bytes;
	randomise(r, row, size);
	memset(code + insn.length, 0xf4, sizeof(code) - insn.length);
	memset(memory + CODE, 0xf4, 64);
	memcpy(memory + CODE, code, INSN_MAX_BYTES);
	m.rip = CODE;
	if (!put_halts(code))
		return true;
	theirs = run_reference(r, cpl, code);
	run(code, INSN_MAX_BYTES);
	ours = result.status == EMULATE_FAULT ? result.event.vector :
	       result.status == EMULATE_OK ? -1 : 1000 + result.status;
	compared++;
	if (is_known(row, r, ours, theirs)) {
		excused++;
		return true;
	}
	SAME("exception", ours, theirs);
	/* On the way to a fault CS and SS may have shared a descriptor. */
	if (ours < 0)
		SAME("bytes read twice", fetched_twice, 0);
	if (ours >= 0) {
		faults++;
		assert_memory_equal(&m, &before, sizeof(m));
		return true;
	}
	return same_state(r, row, code);
}

static unsigned cases(void)
{
	const char *text = getenv("CASES");

	return text ? atoi(text) : 2000;
}

static void compare_all(enum cpu_mode mode)
{
	struct reference r;
	unsigned bad = 0, nr_rows = 0;

	compared = faults = excused = 0;
	open_reference(&r, mode);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (mode == CPU_MODE_64 && rows[i].no64)
			continue;
		nr_rows++;
		for (unsigned n = 0; n < cases() && bad < 10; n++)
			bad += !compare(&r, &rows[i]);
	}
	print_message("%u-bit mode: %u rows, %u cases, of them %u faults, %u known differences\n",
		      8 * mode, nr_rows, compared, faults, excused);
	close_reference(&r);
	assert_int_equal(bad, 0);
}

static void test_real_mode_as_unicorn(void **state)
{
	compare_all(CPU_MODE_16);
}

static void test_32_bit_as_unicorn(void **state)
{
	compare_all(CPU_MODE_32);
}

static void test_64_bit_as_unicorn(void **state)
{
	compare_all(CPU_MODE_64);
}

/* --- Task switches --- */

/* A task that can mostly run, and random words in places. */
static void random_task(u64 at)
{
	bool user = random64() % 2, v86 = random64() % 8 == 0;
	u16 data = user ? DATA3 | 3 : DATA0;
	u16 selectors[] = { data, user ? CODE3 | 3 : CODE0, data, data, data, data, LDT_SEL };

	for (unsigned i = 0; i < 26; i++)
		put(at + 4 * i, random64(), 4);
	put(at + 28, 0, 4);
	put(at + 32, 0x100 + random64() % 0xe00, 4);
	/* Without VIF and VIP, which unicorn leaves as they are. */
	put(at + 36, random64() & (v86 ? 0x27fed7 : 0x25fed7) & ~(RFLAGS_RF | (v86 ? 0 : RFLAGS_VM)), 4);
	put(at + 56, DATA + (random64() & 0x3ffc), 4);
	put(at + 100, 0, 4);
	for (unsigned i = 0; i < ARRAY_SIZE(selectors); i++) {
		u16 selector = random64() % 16 ? selectors[i] : random_selector();

		if (i == 1 && random64() % 16 == 0)
			selector = CONFORMING | (user ? 3 : 0);
		put(at + 72 + 4 * i, selector | random64() << 16, 4);
	}
}

static unsigned switches, inner_faults;

static bool compare_task(struct reference *r)
{
	static const struct row call = { "task CALL", { 0x9a } }, jump = { "task JMP", { 0xea } },
				iret = { "task IRET", { 0xcf } };
	unsigned cpl = random64() % 2 ? 3 : 0, kind = random64() % 3;
	const struct row *row = kind == 0 ? &call : kind == 1 ? &jump : &iret;
	u16 selector = random64() % 2 ? TSS2_SEL : TASK_GATE;
	u8 code[INSN_MAX_BYTES + 1];
	int ours, theirs;

	fixed_tables(r->mode);
	random_tables(r->mode);
	reset(r, cpl);
	put(GDT + TSS2_SEL, make_descriptor(TSS2, random64() % 16 ? 0x67 : 0x66,
					    (random64() % 8 ? 0xe9 : 0x89) |
					    (kind == 2 && random64() % 8 ? 2 : 0)), 8);
	put(GDT + TASK_GATE, make_gate(TSS2_SEL, 0, random64() % 8 ? 0xe5 : 0x65, 0), 8);
	random_task(TSS2);
	put(TSS, random64() % 8 ? TSS2_SEL : random_selector(), 2);
	randomise(r, row, 4);
	if (kind == 2)
		m.rflags |= RFLAGS_NT;
	memset(code, 0xf4, sizeof(code));
	code[0] = row->opcode[0];
	if (kind < 2) {
		memset(code + 1, 0, 4);
		memcpy(code + 5, &selector, 2);
	}
	memset(memory + CODE, 0xf4, 64);
	memcpy(memory + CODE, code, 7);
	m.rip = CODE;
	if (!put_halts(code))
		return true;
	theirs = run_reference(r, cpl, code);
	run(code, INSN_MAX_BYTES);
	ours = result.status == EMULATE_FAULT ? result.event.vector :
	       result.status == EMULATE_OK ? -1 : 1000 + result.status;
	if (ours != theirs && is_known(row, r, ours, theirs))
		return true;
	SAME("exception", ours, theirs);
	if (ours >= 0 && !(m.cr0 & CR0_TS)) {
		assert_memory_equal(&m, &before, sizeof(m));
		return true;
	}
	switches++;
	SAME("TS", m.cr0 & CR0_TS, uc_get(r, UC_X86_REG_CR0) & CR0_TS);
	if (ours >= 0) {
		inner_faults++;
		return true;
	}
	return same_state(r, row, code);
}

static void test_tasks_as_unicorn(void **state)
{
	struct reference r;
	unsigned bad = 0;

	open_reference(&r, CPU_MODE_32);
	for (unsigned n = 0; n < 3 * cases() && bad < 5; n++)
		bad += !compare_task(&r);
	print_message("%u cases, %u switched, %u of them to a fault\n", 3 * cases(), switches,
		      inner_faults);
	close_reference(&r);
	assert_int_equal(bad, 0);
	assert_true(switches > cases());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_mode_as_unicorn),
		cmocka_unit_test(test_32_bit_as_unicorn),
		cmocka_unit_test(test_64_bit_as_unicorn),
		cmocka_unit_test(test_tasks_as_unicorn),
		cmocka_unit_test(test_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
