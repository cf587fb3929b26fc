// SPDX-License-Identifier: MIT
/*
 * Control transfer and segments compared with unicorn: random far jumps, calls and returns, IRET,
 * segment loads, task switches and what asks about descriptors, over random descriptor tables, in real, 32-bit and
 * 64-bit mode, at CPL 0 and 3. What unicorn can't do (events, error codes, hidden parts of segment
 * registers) is in test_delivery.c, by the manual.
 */
#include "tests/host/flat_machine.c"

#include <unicorn/unicorn.h>

#define CODE	0x1000u
#define GDT	0x4000u
#define LDT	0x5000u
#define TSS	0x6000u
#define TSS2	0x6400u
#define DATA	0x8000u
#define NR_GDT	48
#define NR_LDT	16
#define FIRST_RANDOM	20

/* Fixed entries of the GDT. */
enum {
	CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x18, DATA3 = 0x20, TSS_SEL = 0x28, LDT_SEL = 0x38,
	CODE64 = 0x48, CODE64_3 = 0x50, TSS2_SEL = 0x58, TASK_GATE = 0x68, ABSENT_SS = 0x70,
	ABSENT_CODE = 0x78, ABSENT_GATE = 0x80,	/* and 88H */
	CONFORMING = 0x90, SMALL64 = 0x98,
};

/* Asked by LeakSanitizer: unicorn 2.1 (Debian 13) loses memory for each engine closed. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libunicorn";
}

struct reference {
	uc_engine *uc;
	uc_context *at_cpl[4];
	enum cpu_mode mode;
	u8 *memory;
	int vector;		/* of the exception, or -1 */
};

static const int uc_gpr[16] = {
	UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP,
	UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8, UC_X86_REG_R9,
	UC_X86_REG_R10, UC_X86_REG_R11, UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14,
	UC_X86_REG_R15,
};
static const int uc_gpr32[8] = {
	UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX, UC_X86_REG_ESP,
	UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI,
};
static const int uc_seg[6] = {
	UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS, UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS,
};

static void on_exception(uc_engine *uc, uint32_t vector, void *user)
{
	((struct reference *)user)->vector = vector;
	uc_emu_stop(uc);
}

static int gpr_id(const struct reference *r, unsigned i)
{
	return r->mode == CPU_MODE_64 ? uc_gpr[i] : uc_gpr32[i];
}

static unsigned nr_gprs(const struct reference *r)
{
	return r->mode == CPU_MODE_64 ? 16 : 8;
}

static u64 uc_get(const struct reference *r, int id)
{
	uint64_t value = 0;

	uc_reg_read(r->uc, id, &value);
	return value;
}

static void uc_set(const struct reference *r, int id, u64 value)
{
	uc_reg_write(r->uc, id, &value);
}

/* --- Descriptor tables --- */

static void fixed_tables(enum cpu_mode mode)
{
	u16 cs = mode == CPU_MODE_64 ? 0xa09b : 0xc09b;

	memset(memory, 0, sizeof(memory));
	put(GDT + CODE0, make_descriptor(0, 0xfffff, cs), 8);
	put(GDT + DATA0, make_descriptor(0, 0xfffff, 0xc093), 8);
	put(GDT + CODE3, make_descriptor(0, 0xfffff, cs | 0x60), 8);
	put(GDT + DATA3, make_descriptor(0, 0xfffff, 0xc0f3), 8);
	put(GDT + TSS_SEL, make_descriptor(TSS, 0x67, 0x8b), 8);
	put(GDT + LDT_SEL, make_descriptor(LDT, NR_LDT * 8 - 1, 0x82), 8);
	put(GDT + CODE64, make_descriptor(0, 0xfffff, 0xa09b), 8);
	put(GDT + CODE64_3, make_descriptor(0, 0xfffff, 0xa0fb), 8);
	put(GDT + TSS2_SEL, make_descriptor(TSS2, 0x67, 0x89), 8);
	put(GDT + ABSENT_SS, make_descriptor(0, 0xfffff, 0xc013), 8);
	put(GDT + ABSENT_CODE, make_descriptor(0, 0xfffff, cs & ~SEG_ATTR_P), 8);
	put(GDT + ABSENT_GATE, make_gate(ABSENT_CODE, 0x1000, 0xec, 0), 8);
	put(GDT + CONFORMING, make_descriptor(0, 0xfffff, cs | SEG_TYPE_CONFORMING), 8);
	put(GDT + SMALL64, make_descriptor(0, 0x7ff, 0x20fb), 8);
	for (unsigned i = 0; i < 3; i++) {	/* stacks of the inner levels */
		if (mode == CPU_MODE_64) {
			put(TSS + 4 + 8 * i, DATA + 0x2000 + 0x800 * i, 8);
		} else {
			put(TSS + 4 + 8 * i, DATA + 0x2000 + 0x800 * i, 4);
			put(TSS + 8 + 8 * i, i ? 0 : DATA0, 4);
		}
	}
}

static u16 random_selector(void)
{
	static const u8 usual[] = { CODE0, DATA0, CODE3, DATA3, CODE64, CODE64_3, ABSENT_SS,
				    ABSENT_GATE, CONFORMING, SMALL64 };
	u16 sel;

	if (random64() % 16 == 0)
		return random64() & 3;
	if (random64() % 3 == 0)
		sel = usual[random64() % ARRAY_SIZE(usual)];
	else if (random64() % 4 == 0)
		sel = (random64() % (NR_LDT + 1)) * 8 | 4;
	else
		sel = (FIRST_RANDOM + random64() % (NR_GDT - FIRST_RANDOM + 1)) * 8;
	if (sel == CODE3 || sel == DATA3 || sel == CODE64_3 || sel == SMALL64)
		return sel | (random64() % 4 ? 3 : random64() & 3);
	return sel | (random64() % 3 ? 0 : random64() & 3);
}

/* Mostly code and data that can be used, else gates and what nobody may load. */
static u64 random_descriptor(enum cpu_mode mode)
{
	static const u8 systems[] = { 0, 2, 4, 12, 12, 12, 4, 8, 10, 13 };
	u32 base = random64() % 4 ? 0 : random64() & 0xff0;
	u16 attr = random64() & 0xf0ff, dpl = random64() % 2 ? 0 : 0x60;
	u32 limit = random64() % 3 ? 0xfffff : random64() & 0x1ffff;

	if (random64() % 8)
		attr |= SEG_ATTR_P;
	if (random64() % 2)
		attr = (attr & ~SEG_ATTR_DPL) | dpl;
	if (mode == CPU_MODE_64 && random64() % 16 == 0)	/* 64-bit code of some limit */
		return make_descriptor(base, limit & 0x7fff, 0x209a | (attr & 0x65));
	if (random64() % 3) {
		if (mode != CPU_MODE_64)
			attr &= ~SEG_ATTR_L;
		return make_descriptor(base, limit, attr | SEG_ATTR_S);
	}
	attr = (attr & 0xe0) | systems[random64() % ARRAY_SIZE(systems)];
	if ((attr & 0xf) == 2)
		return make_descriptor(LDT, NR_LDT * 8 - 1, attr);
	return make_gate(random_selector(), random64() & 0xffff, attr, random64() & 31);
}

static void random_tables(enum cpu_mode mode)
{
	for (unsigned i = FIRST_RANDOM; i < NR_GDT; i++)
		put(GDT + 8 * i, random_descriptor(mode), 8);
	for (unsigned i = 0; i < NR_LDT; i++)
		put(LDT + 8 * i, random_descriptor(mode), 8);
	if (mode == CPU_MODE_64) {	/* second halves of gates */
		for (unsigned i = FIRST_RANDOM; i < NR_GDT; i += 2)
			if (random64() % 4)
				put(GDT + 8 * i, random64() % 4 ? 0 : random64() & 0xffff, 8);
	}
}

/* --- Two machines in the same state --- */

static void load_flat(unsigned reg, u16 selector, u16 attr)
{
	m.seg[reg] = (struct segment){ .selector = selector, .attr = attr, .limit = 0xffffffff };
}

static void reset_protected(enum cpu_mode mode, unsigned cpl)
{
	memset(&m, 0, sizeof(m));
	m.cr0 = CR0_PE;
	if (mode == CPU_MODE_64) {
		m.efer = EFER_LMA | EFER_LME;
		m.cr4 = CR4_PAE;
	}
	for (unsigned reg = SEG_ES; reg <= SEG_GS; reg++)
		load_flat(reg, cpl ? DATA3 | 3 : DATA0, cpl ? 0xc0f3 : 0xc093);
	load_flat(SEG_CS, cpl ? CODE3 | 3 : CODE0,
		  (mode == CPU_MODE_64 ? 0xa09b : 0xc09b) | (cpl ? 0x60 : 0));
	m.seg[SEG_LDTR] = (struct segment){ LDT_SEL, 0x82, NR_LDT * 8 - 1, LDT };
	m.seg[SEG_TR] = (struct segment){ TSS_SEL, 0x8b, 0x67, TSS };
	m.gdt = (struct table){ GDT, NR_GDT * 8 - 1 };
	m.idt = (struct table){ 0x7000, 0x7ff };
}

static void reset_real(void)
{
	memset(&m, 0, sizeof(m));
	for (unsigned reg = SEG_ES; reg <= SEG_GS; reg++)
		m.seg[reg] = (struct segment){ 0, 0x93, 0xffff, 0 };
	m.seg[SEG_CS].attr = 0x9b;
	m.gdt = (struct table){ GDT, NR_GDT * 8 - 1 };
	m.idt = (struct table){ 0, 0x3ff };
}

static void reset(const struct reference *r, unsigned cpl)
{
	if (r->mode == CPU_MODE_16)
		reset_real();
	else
		reset_protected(r->mode, cpl);
}

/* By instructions: written from outside, the hidden parts wouldn't be loaded in 64-bit mode. */
static void load_data_segments(struct reference *r, u16 selector)
{
	uc_set(r, gpr_id(r, GPR_RAX), selector);	/* MOV ES, EAX; DS; FS; GS */
	uc_mem_write(r->uc, CODE + 16, "\x8e\xc0\x8e\xd8\x8e\xe0\x8e\xe8\xf4", 9);
	assert_int_equal(uc_emu_start(r->uc, CODE + 16, 0, 0, 4), UC_ERR_OK);
}

/* Unicorn has no other way to CPL 3 than to go there. */
static void go_to_cpl3(struct reference *r)
{
	unsigned size = r->mode == CPU_MODE_64 ? 8 : 4;
	u64 frame[5] = { CODE, CODE3 | 3, RFLAGS_FIXED, DATA + 0x6000, DATA3 | 3 };

	for (unsigned i = 0; i < 5; i++)
		memcpy(r->memory + DATA + i * size, &frame[i], size);
	uc_set(r, gpr_id(r, GPR_RSP), DATA);
	uc_mem_write(r->uc, CODE, size == 8 ? "\x48\xcf" : "\xcf\x90", 2);
	assert_int_equal(uc_emu_start(r->uc, CODE, 0, 0, 1), UC_ERR_OK);
	assert_int_equal(uc_get(r, UC_X86_REG_CS), CODE3 | 3);
	load_data_segments(r, DATA3 | 3);
}

static void open_reference(struct reference *r, enum cpu_mode mode)
{
	uc_x86_mmr gdt = { .base = GDT, .limit = NR_GDT * 8 - 1 };
	uc_x86_mmr ldt = { LDT_SEL, LDT, NR_LDT * 8 - 1, 0x8200 };
	/* as if it were not busy: unicorn ends the process else */
	uc_x86_mmr tr = { TSS_SEL, TSS, 0x67, 0x8900 };
	uc_x86_mmr idt = { .base = mode == CPU_MODE_16 ? 0 : 0x7000,
			   .limit = mode == CPU_MODE_16 ? 0x3ff : 0x7ff };
	uc_hook hook;

	*r = (struct reference){ .mode = mode };
	r->memory = aligned_alloc(PAGE_SIZE, MEMORY);
	assert_int_equal(uc_open(UC_ARCH_X86, mode == CPU_MODE_64 ? UC_MODE_64 :
				 mode == CPU_MODE_32 ? UC_MODE_32 : UC_MODE_16, &r->uc), UC_ERR_OK);
	assert_int_equal(uc_mem_map_ptr(r->uc, 0, MEMORY, UC_PROT_ALL, r->memory), UC_ERR_OK);
	uc_hook_add(r->uc, &hook, UC_HOOK_INTR, (void *)on_exception, r, 1, 0);
	fixed_tables(mode);
	memcpy(r->memory, memory, MEMORY);
	uc_reg_write(r->uc, UC_X86_REG_GDTR, &gdt);
	uc_reg_write(r->uc, UC_X86_REG_IDTR, &idt);
	for (unsigned i = 0; i < 4; i++)
		uc_context_alloc(r->uc, &r->at_cpl[i]);
	if (mode != CPU_MODE_16) {
		uc_reg_write(r->uc, UC_X86_REG_LDTR, &ldt);
		uc_reg_write(r->uc, UC_X86_REG_TR, &tr);
		uc_set(r, UC_X86_REG_SS, DATA0);
		uc_set(r, UC_X86_REG_CS, CODE0);
		load_data_segments(r, DATA0);
	}
	uc_context_save(r->uc, r->at_cpl[0]);
	if (mode == CPU_MODE_16)
		return;
	go_to_cpl3(r);
	uc_context_save(r->uc, r->at_cpl[3]);
}

static void close_reference(struct reference *r)
{
	for (unsigned i = 0; i < 4; i++)
		uc_context_free(r->at_cpl[i]);
	uc_close(r->uc);
	free(r->memory);
}

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
 * Unicorn sets the accessed bit for DS to GS alone, in a task switch for none; "the processor sets this bit whenever it loads
 * the segment selector for the segment into a segment register" (SDM vol. 3A, "Code- and
 * Data-Segment Descriptor Types").
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

/* --- Where unicorn is wrong: lines of tests/emulator-differences --- */

struct outcome {
	const struct row *row;
	const struct reference *theirs_in;
	enum cpu_mode mode;
	bool far;		/* CS may change */
	int ours, theirs;	/* vectors, or -1 */
};

static u64 descriptor_of(u16 selector)
{
	unsigned entries = selector & 4 ? NR_LDT : NR_GDT;

	if ((selector & ~7u) >= entries * 8 || !(selector & ~3u))
		return 0;
	return take((selector & 4 ? LDT : GDT) + (selector & ~7u), 8);
}

/* The offset that the instruction names, if that is where it goes (not by a gate). */
static u64 asked_offset(void)
{
	unsigned size = result.insn.op_bytes;

	if (result.insn.op == OP_RET_FAR || result.insn.op == OP_IRET)
		return take(before.rsp, size);
	return result.insn.is_mem ? take(before.gpr[GPR_RBX], size) : (u32)result.insn.imm;
}

/* Has unicorn gone where code can't be? Behind a far transfer it shows EIP with CS's base in it. */
static bool is_target_unchecked(const struct outcome *o)
{
	const struct reference *r = o->theirs_in;
	u64 rip = uc_get(r, o->mode == CPU_MODE_64 ? UC_X86_REG_RIP : UC_X86_REG_EIP);
	u16 cs = uc_get(r, UC_X86_REG_CS);
	u64 raw = descriptor_of(cs), limit = (raw & 0xffff) | (raw >> 32 & 0xf0000);
	u32 base = o->mode == CPU_MODE_16 ? cs * 16 : raw >> 16 & 0xffffff;

	if (!o->far || o->ours != EXC_GP || o->theirs != -1 || result.event.error)
		return false;
	if (o->mode == CPU_MODE_16)
		limit = 0xffff;
	else if (raw >> 55 & 1)
		limit = limit << 12 | 0xfff;
	if (o->mode == CPU_MODE_64 && (raw >> 53 & 1))
		return (u64)((s64)(rip << 16) >> 16) != rip;
	return (u32)rip > limit || (u32)(rip - base) > limit || asked_offset() > limit;
}

static bool is_limit_of_64_bit_code(const struct outcome *o)
{
	return o->mode == CPU_MODE_64 && o->far && o->ours == -1 && o->theirs == EXC_GP &&
	       (m.seg[SEG_CS].attr & SEG_ATTR_L) && m.rip > m.seg[SEG_CS].limit;
}

/* The error code of our #GP names a code segment with both L and D. */
static bool is_l_and_d(const struct outcome *o)
{
	u64 raw = descriptor_of(result.event.error);

	return o->mode == CPU_MODE_64 && o->ours == EXC_GP && result.event.error &&
	       (raw >> 43 & 3) == 3 && (raw >> 53 & 3) == 3;
}

/* The same of a system descriptor whose upper half has a type. */
static bool is_typed_upper_half(const struct outcome *o)
{
	u16 selector = result.event.error;
	u64 raw = descriptor_of(selector);

	return o->mode == CPU_MODE_64 && o->ours == EXC_GP && raw && !(raw >> 44 & 1) &&
	       (take((selector & 4 ? LDT : GDT) + (selector & ~7u) + 8, 8) >> 40 & 0x1f);
}

static bool is_absent_by_gate(const struct outcome *o)
{
	return o->mode != CPU_MODE_16 && !strncmp(o->row->name, "JMP", 3) && o->ours == EXC_NP &&
	       o->theirs == EXC_GP && (descriptor_of(result.event.error) >> 43 & 3) == 3;
}

static bool is_absent_stack(const struct outcome *o)
{
	return (o->row->opcode[0] == 0xcf || !strncmp(o->row->name, "task", 4)) && o->ours == EXC_SS && o->theirs == EXC_NP;
}

static bool is_unknown_in_long_mode(const struct outcome *o)
{
	u16 selector = result.insn.is_mem ? take(before.gpr[GPR_RBX], 2) : before.gpr[GPR_RAX];
	u64 raw = descriptor_of(selector);

	return o->mode == CPU_MODE_64 && o->ours == -1 &&
	       (result.insn.op == OP_LAR || result.insn.op == OP_LSL) && !(raw >> 44 & 1) &&
	       (raw >> 40 & 15) < 6 && !(m.rflags & RFLAGS_ZF);
}

static bool is_null_tr(const struct outcome *o)
{
	u16 selector = result.insn.is_mem ? take(before.gpr[GPR_RBX], 2) : before.gpr[GPR_RAX];

	return result.insn.op == OP_LTR && o->ours == EXC_GP && o->theirs == -1 && selector < 4;
}

/* Unicorn has loaded a null SS whose RPL isn't CPL, or for code that isn't 64-bit. */
static bool is_null_ss(const struct outcome *o)
{
	u16 ss = uc_get(o->theirs_in, UC_X86_REG_SS), cs = uc_get(o->theirs_in, UC_X86_REG_CS);

	return o->mode == CPU_MODE_64 && o->ours == EXC_GP && o->theirs == -1 &&
	       result.event.error == 0 && ss < 4 &&
	       ((ss ^ cs) & 3 || !(descriptor_of(cs) >> 53 & 1));
}

/* The new task's CS is a conforming segment of an inner level; we may have found another fault. */
static bool is_task_conforming(const struct outcome *o)
{
	u16 cs = take(TSS2 + 76, 2);
	u64 raw = descriptor_of(cs);

	return !strncmp(o->row->name, "task", 4) && (m.cr0 & CR0_TS) && o->theirs == EXC_TS &&
	       (raw >> 42 & 7) == 7 && (raw >> 45 & 3) < (cs & 3);
}

static struct difference {
	const char *id;
	bool (*is)(const struct outcome *o);
	unsigned count;
} differences[] = {
	{ "far-target", is_target_unchecked }, { "far-limit-64", is_limit_of_64_bit_code },
	{ "far-l-and-d", is_l_and_d }, { "far-upper-half", is_typed_upper_half },
	{ "far-absent-by-gate", is_absent_by_gate },
	{ "far-absent-stack", is_absent_stack },
	{ "lar-types", is_unknown_in_long_mode }, { "ltr-null", is_null_tr },
	{ "null-ss", is_null_ss }, { "task-conforming", is_task_conforming },
};

static bool is_known(const struct row *row, const struct reference *r, int ours, int theirs)
{
	u8 opcode = row->opcode[0];
	struct outcome o = {
		.row = row, .theirs_in = r, .mode = r->mode, .ours = ours, .theirs = theirs,
		.far = opcode == 0x9a || opcode == 0xea || opcode == 0xff ||
		       (opcode & 0xfe) == 0xca || opcode == 0xcf,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(differences); i++) {
		if (differences[i].is(&o)) {
			differences[i].count++;
			return true;
		}
	}
	return false;
}

/*
 * Unicorn translates where the instruction leads, and dies of some bytes: HLT is to stand there. False
 * if those bytes are then something else to the instruction itself, or lie nowhere.
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
	m.features = row->opcode[0] == 0xff ? EMULATE_IS_INTEL : 0;
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

static bool has_line(const char *id)
{
	FILE *file = fopen("tests/emulator-differences", "r");
	size_t n = strlen(id);
	bool found = false;
	char line[1024];

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, id, n) && line[n] == ':';
	fclose(file);
	return found;
}

/* Each was met, in one of the modes, and has its line. */
static void test_differences(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(differences); i++) {
		if (!differences[i].count || !has_line(differences[i].id))
			fail_msg("%s: met %u times, line %d", differences[i].id,
				 differences[i].count, has_line(differences[i].id));
	}
	print_message("figure control-differences: %u lines in tests/emulator-differences\n",
		      (unsigned)ARRAY_SIZE(differences));
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
