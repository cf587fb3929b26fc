/* SPDX-License-Identifier: MIT */
/*
 * Control transfer, descriptors and the delivery of events on tables, stacks and modes of the input:
 * nothing but the sanitizers may stop it, a fault changes nothing (but behind a task switch), and
 * what is loaded is a state that a CPU can be in.
 */
#include "tests/fuzz/input.h"

#include "tests/host/flat_machine.c"

#define GDT	0x4000u
#define LDT	0x5000u
#define TSS	0x6000u
#define IDT	0x7000u
#define STEPS	16

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* Mostly something that could be there, at times any bits. */
static u64 input_descriptor(void)
{
	u64 bits = random64();
	u16 attr = (bits >> 8 & 0xf0ff) | (bits >> 60 ? SEG_ATTR_P : 0);

	if (bits >> 62 == 3)
		return random64();
	if (bits >> 62 == 2)
		return make_gate(bits & 0x1ff, bits >> 16 & 0xffff, bits >> 8 | 0x80, bits & 31);
	if ((attr & SEG_ATTR_S) || (attr & 5) != 1)
		return make_descriptor(bits & 0xfff, bits >> 16, attr);
	return make_descriptor(TSS + (bits & 0x400), 0x80, attr);
}

static void input_machine(void)
{
	u64 bits = random64();
	unsigned mode = bits & 3, cpl = bits >> 2 & 3;

	memset(&m, 0, sizeof(m));
	for (unsigned i = 0; i < 0x200; i += 8) {
		put(GDT + i, input_descriptor(), 8);
		put(LDT + i, input_descriptor(), 8);
		put(IDT + i, input_descriptor(), 8);
	}
	for (unsigned i = 0; i < 0x800; i += 8)
		put(TSS + i, bits >> 8 & 1 ? random64() & 0x01f801f801f801f8 : 0x900000109000, 8);
	for (unsigned i = 0; i < 0x100; i += 8)
		put(0x9000 + i, random64() & (bits >> 9 & 1 ? ~0ull : 0x01ff01ff01ff01ff), 8);
	m.cr0 = mode ? CR0_PE : 0;
	m.efer = mode == 3 ? EFER_LMA | EFER_LME | EFER_SCE : EFER_SCE;
	m.cr4 = random64() & (CR4_VME | CR4_PVI | CR4_TSD | CR4_UMIP | CR4_FSGSBASE);
	m.features = random64() & 0x8f;
	m.rflags = (random64() & RFLAGS_DEFINED & ~RFLAGS_VM) | RFLAGS_FIXED;
	if (mode == 2 && (bits >> 10 & 3) == 0) {
		m.rflags |= RFLAGS_VM;
		cpl = 3;
	} else if (!mode) {
		cpl = 0;
	}
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		m.seg[i] = (struct segment){ .selector = cpl, .limit = mode ? 0xffffffff : 0xffff,
					     .attr = (mode ? 0xc093 : 0x93) | cpl << 5 };
	m.seg[SEG_CS].attr = (mode == 3 && (bits >> 12 & 3) ? 0xa09b : mode ? 0xc09b : 0x9b) |
			     cpl << 5;
	for (unsigned i = SEG_ES; (m.rflags & RFLAGS_VM) && i <= SEG_GS; i++)
		m.seg[i] = (struct segment){ .limit = 0xffff, .attr = 0xf3 };
	m.seg[SEG_TR] = (struct segment){ 0x28, mode && (bits >> 14 & 1) ? 0x8b : 0x83, 0x3ff, TSS };
	m.seg[SEG_LDTR] = (struct segment){ 0x30, 0x82, 0x1ff, LDT };
	m.gdt = (struct table){ GDT, 0x1ff };
	m.idt = (struct table){ IDT, 0x1ff };
	for (unsigned i = 0; i < NR_GPRS; i++)
		m.gpr[i] = random64() & (bits >> 15 & 1 ? ~0ull : 0xffff);
	m.gpr[GPR_RBX] = 0x9000 + (random64() & 0xff);
	m.rsp = 0x9000 + (random64() & 0xff);
}

/* Far transfers and the like more often than by chance. */
static void input_code(u8 *code)
{
	static const u8 first[] = {
		0x8e, 0xc4, 0xc5, 0x07, 0x17, 0x1f, 0x9a, 0xea, 0xff, 0xca, 0xcb, 0xcf, 0x9c, 0x9d,
		0xcc, 0xcd, 0xce, 0xf1, 0xfa, 0xfb, 0x0f, 0x63,
	};
	u64 words[2] = { random64(), random64() };
	unsigned at = 0;

	memcpy(code, words, INSN_MAX_BYTES);
	if (words[0] >> 63)
		return;
	if (words[0] >> 62 & 1)
		code[at++] = 0x66;
	if (words[0] >> 61 & 1)
		code[at++] = 0x48;
	code[at] = first[code[at] % sizeof(first)];
	if (code[at] == 0x0f)
		code[at + 1] &= 0xb7;
}

/* CPL is SS.DPL, and CS's RPL outside virtual-8086 mode; real mode is CPL 0. */
static void check_state(void)
{
	unsigned cpl = get(NULL, EMULATE_CPL);

	if (m.rflags & RFLAGS_VM) {
		assert_true(cpl == 3 && (m.cr0 & CR0_PE) && !(m.efer & EFER_LMA));
		for (unsigned i = SEG_ES; i <= SEG_GS; i++)
			assert_true(m.seg[i].base == m.seg[i].selector * 16u);
	} else if (m.cr0 & CR0_PE) {
		assert_int_equal(m.seg[SEG_CS].selector & 3, cpl);
	}
	assert_true((m.rflags & ~RFLAGS_DEFINED) == 0 && (m.rflags & RFLAGS_FIXED));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	input_begin(data, size);
	input_machine();
	for (unsigned i = 0; i < STEPS; i++) {
		u64 bits = random64();
		u8 code[INSN_MAX_BYTES];
		struct machine start;
		enum emulate_status status;

		m.cr0 &= ~CR0_TS;	/* a task switch sets it */
		start = m;
		if (bits & 1) {
			struct event e = { .type = EVENT_EXTINT + (bits >> 1) % 6,
					   .vector = bits >> 8 & 0x3f, .insn_len = bits >> 16 & 15,
					   .has_error = bits >> 20 & 1, .error = bits >> 32,
					   .rip = m.rip };

			status = emulate_event(&ops, NULL, m.gpr, code_mode(), &e, &result);
		} else {
			input_code(code);
			status = emulate(&ops, NULL, m.gpr, code_mode(), code, INSN_MAX_BYTES,
					 &result);
		}
		assert_true(status <= EMULATE_UNHANDLED);
		if (status == EMULATE_FAULT && !(m.cr0 & CR0_TS) && !result.insn.rep)
			assert_memory_equal(&m, &start, sizeof(m));
		if ((m.cr0 ^ start.cr0) & CR0_PE)	/* by MOV: CS is still the other mode's */
			return 0;
		if (status == EMULATE_OK)
			check_state();
	}
	return 0;
}
