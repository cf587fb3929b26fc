/* SPDX-License-Identifier: MIT */
/*
 * A machine for the emulator, to be included by a test: all registers, flat memory without paging,
 * control registers that hold what is written. Everything that an instruction changes is in `m`. What
 * it reads of memory is counted by byte: another CPU may change a byte between two reads.
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

#define MEMORY	0x11000u

struct machine {
	u64 gpr[16], rip, rsp, rflags, cr0, cr3, cr4, efer, dr7;
	u64 kernel_gs_base, star, lstar, cstar, sfmask, sysenter_cs, sysenter_esp, sysenter_eip;
	u64 features;
	struct segment seg[NR_SEGMENTS];
	struct table gdt, idt;
};

static struct machine m, before;
static u8 memory[MEMORY];
static struct emulate_result result;
static unsigned implicit_user;		/* accesses to tables that were not made as a supervisor */
static u64 table_first, table_last = 0;	/* where such tables lie */
static u64 no_write_first = ~0ull, no_write_last;	/* #PF on a write */
static unsigned intercepts;
static unsigned fetched_twice;		/* bytes that one instruction has read more than once */
static u32 call_number = 1, fetched[MEMORY];
static u32 port_value;
static unsigned port_writes;

static u64 get(void *ctx, enum emulate_reg reg)
{
	switch (reg) {
	case EMULATE_RIP: return m.rip;
	case EMULATE_RSP: return m.rsp;
	case EMULATE_RFLAGS: return m.rflags;
	case EMULATE_KERNEL_GS_BASE: return m.kernel_gs_base;
	case EMULATE_CR0: return m.cr0;
	case EMULATE_CR3: return m.cr3;
	case EMULATE_CR4: return m.cr4;
	case EMULATE_EFER: return m.efer;
	case EMULATE_CPL: return (m.seg[SEG_SS].attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
	case EMULATE_STAR: return m.star;
	case EMULATE_LSTAR: return m.lstar;
	case EMULATE_CSTAR: return m.cstar;
	case EMULATE_SFMASK: return m.sfmask;
	case EMULATE_SYSENTER_CS: return m.sysenter_cs;
	case EMULATE_SYSENTER_ESP: return m.sysenter_esp;
	case EMULATE_SYSENTER_EIP: return m.sysenter_eip;
	case EMULATE_FEATURES: return m.features;
	case EMULATE_XCR0: case EMULATE_FSW: case EMULATE_MXCSR: case EMULATE_MXCSR_MASK:
		return 0;	/* no vector unit */
	}
	return 0;
}

static void set(void *ctx, enum emulate_reg reg, u64 value)
{
	switch (reg) {
	case EMULATE_RIP: m.rip = value; break;
	case EMULATE_RSP: m.rsp = value; break;
	case EMULATE_RFLAGS: m.rflags = value; break;
	case EMULATE_KERNEL_GS_BASE: m.kernel_gs_base = value; break;
	default: fail();
	}
}

static const struct segment *segment(void *ctx, enum segment_register reg)
{
	return &m.seg[reg];
}

static void set_segment(void *ctx, enum segment_register reg, const struct segment *s)
{
	m.seg[reg] = *s;
}

static const struct table *table(void *ctx, enum emulate_table which)
{
	return which == EMULATE_GDT ? &m.gdt : &m.idt;
}

static void set_table(void *ctx, enum emulate_table which, const struct table *t)
{
	*(which == EMULATE_GDT ? &m.gdt : &m.idt) = *t;
}

static enum emulate_status check(void *ctx, gva_t at, unsigned size, u32 access,
				 struct event *fault)
{
	assert_true(size && at.v / PAGE_SIZE == (at.v + size - 1) / PAGE_SIZE);
	if (at.v + size - 1 >= table_first && at.v <= table_last && !(access & ACCESS_IMPLICIT))
		implicit_user++;
	if (at.v < MEMORY && at.v + size <= MEMORY &&
	    !((access & ACCESS_WRITE) && at.v <= no_write_last && at.v + size > no_write_first))
		return EMULATE_OK;
	*fault = (struct event){
		.type = EVENT_EXCEPTION, .vector = EXC_PF, .has_error = true, .payload = at.v,
		.error = access & (ACCESS_WRITE | ACCESS_USER),
	};
	return EMULATE_FAULT;
}

static enum emulate_status do_read(void *ctx, gva_t at, void *to, unsigned size, u32 access,
				   struct event *fault)
{
	if (check(ctx, at, size, access, fault) != EMULATE_OK)
		return EMULATE_FAULT;
	for (unsigned i = 0; i < size; i++) {
		fetched_twice += fetched[at.v + i] == call_number;
		fetched[at.v + i] = call_number;
	}
	memcpy(to, memory + at.v, size);
	return EMULATE_OK;
}

static enum emulate_status do_write(void *ctx, gva_t at, const void *from, unsigned size,
				    u32 access, struct event *fault)
{
	if (check(ctx, at, size, access | ACCESS_WRITE, fault) != EMULATE_OK)
		return EMULATE_FAULT;
	memcpy(memory + at.v, from, size);
	return EMULATE_OK;
}

static enum emulate_status do_cmpxchg(void *ctx, gva_t at, const void *expected,
				      const void *desired, unsigned size, u32 access,
				      struct event *fault)
{
	if (check(ctx, at, size, access | ACCESS_WRITE, fault) != EMULATE_OK)
		return EMULATE_FAULT;
	if (memcmp(memory + at.v, expected, size))
		return EMULATE_AGAIN;
	memcpy(memory + at.v, desired, size);
	return EMULATE_OK;
}

static enum emulate_status port(void *ctx, u16 number, unsigned size, bool in, u32 *value)
{
	if (in)
		*value = port_value;
	else
		port_writes++;
	return EMULATE_OK;
}

static enum emulate_status intercept(void *ctx, const struct insn *insn,
				     const struct emulate_action *action)
{
	intercepts++;
	return EMULATE_OK;
}

static u64 *control_register(unsigned reg)
{
	return reg == 0 ? &m.cr0 : reg == 3 ? &m.cr3 : &m.cr4;
}

static enum emulate_status do_system(void *ctx, const struct insn *insn,
				     struct emulate_action *action, struct event *fault)
{
	switch (insn->op) {
	case OP_MOV_FROM_CR: action->value = *control_register(insn->reg); return EMULATE_OK;
	case OP_MOV_TO_CR:	/* CR0.ET is always 1 */
		*control_register(insn->reg) = action->value | (insn->reg ? 0 : CR0_ET);
		return EMULATE_OK;
	case OP_MOV_FROM_DR: action->value = m.dr7; return EMULATE_OK;
	case OP_MOV_TO_DR: m.dr7 = action->value; return EMULATE_OK;
	case OP_SMSW: action->value = m.cr0; return EMULATE_OK;
	case OP_CLTS: m.cr0 &= ~CR0_TS; return EMULATE_OK;
	case OP_LMSW:
		m.cr0 = (m.cr0 & ~0xeull) | (action->value & 0xf);
		return EMULATE_OK;
	}
	return EMULATE_UNHANDLED;
}

static enum emulate_status lock(void *ctx)
{
	return EMULATE_OK;
}

static void unlock(void *ctx)
{
}

static const struct emulate_ops ops = {
	.get = get, .set = set, .segment = segment, .check = check, .read = do_read,
	.write = do_write, .cmpxchg = do_cmpxchg, .port = port, .intercept = intercept,
	.lock = lock, .unlock = unlock,
	.system = do_system, .set_segment = set_segment, .table = table, .set_table = set_table,
};

/* The size of the code segment, as hardware finds it (SDM vol. 1, "Modes of Operation"). */
static enum cpu_mode code_mode(void)
{
	u16 attr = m.seg[SEG_CS].attr;

	if ((m.efer & EFER_LMA) && (attr & SEG_ATTR_L))
		return CPU_MODE_64;
	return attr & SEG_ATTR_DB ? CPU_MODE_32 : CPU_MODE_16;
}

static inline enum emulate_status run(const void *bytes, unsigned length)
{
	before = m;
	call_number++;
	fetched_twice = 0;
	return emulate(&ops, NULL, m.gpr, code_mode(), bytes, length, &result);
}

/* A descriptor from base, limit (in bytes, or pages with G), and bytes 5 and 6 as in struct segment. */
static inline u64 make_descriptor(u32 base, u32 limit, u16 attr)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)(attr & 0xff) << 40 |
	       (u64)(limit >> 16 & 0xf) << 48 | (u64)(attr >> 12) << 52 | (u64)(base >> 24) << 56;
}

static inline u64 make_gate(u16 selector, u32 offset, u8 type, unsigned low_bits)
{
	return (offset & 0xffff) | (u64)selector << 16 | (u64)low_bits << 32 | (u64)type << 40 |
	       (u64)(offset >> 16) << 48;
}

static inline void put(u64 at, u64 value, unsigned size)
{
	memcpy(memory + at, &value, size);
}

static inline u64 take(u64 at, unsigned size)
{
	u64 value = 0;

	memcpy(&value, memory + at, size);
	return value;
}

static u64 random_state = 0x9e3779b97f4a7c15;

static inline u64 random64(void)
{
	return xorshift(&random_state) * 0x2545f4914f6cdd1d;
}
