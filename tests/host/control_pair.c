/* SPDX-License-Identifier: MIT */
/*
 * For test_control.c, to be included by it: the emulator's flat machine and a unicorn in the same
 * state, in each mode and at CPL 0 and 3, over the same descriptor tables, fixed and random ones.
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
