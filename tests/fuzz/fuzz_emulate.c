/* SPDX-License-Identifier: MIT */
/*
 * Decodes and carries out any bytes in any mode, on any registers, with memory that is there or
 * not, byte by byte as the input says. What must hold: no sanitizer finds anything, the status is
 * one of the enum's, a fault is an exception with RIP where it was, and no access crosses a page.
 */
#include "emulate/emulate.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"

#include <stdlib.h>
#include <string.h>

#define MXCSR_MASK	0xffffu

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct {
	const u8 *at, *end;
	u64 gpr[16], rip, rsp, rflags, cr0, cr4, cpl;
	struct segment segment[NR_SEGMENTS];
	u8 vector[16][32];
	u8 memory[PAGE_SIZE];
} m;

static u64 next(unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes && m.at < m.end; i++)
		value = value << 8 | *m.at++;
	return value;
}

static u64 get(void *ctx, enum emulate_reg reg)
{
	switch (reg) {
	case EMULATE_RIP: return m.rip;
	case EMULATE_RSP: return m.rsp;
	case EMULATE_RFLAGS: return m.rflags;
	case EMULATE_CR0: return m.cr0;
	case EMULATE_CR4: return m.cr4;
	case EMULATE_CPL: return m.cpl;
	case EMULATE_XCR0: return 7;
	case EMULATE_FSW: return m.gpr[0] & FSW_ES;
	case EMULATE_MXCSR_MASK: return MXCSR_MASK;
	default: return m.gpr[reg & 15];
	}
}

static void set(void *ctx, enum emulate_reg reg, u64 value)
{
	if (reg == EMULATE_RIP)
		m.rip = value;
	else if (reg == EMULATE_RSP)
		m.rsp = value;
	else if (reg == EMULATE_RFLAGS)
		m.rflags = value;
	else if (reg == EMULATE_MXCSR && (value & ~(u64)MXCSR_MASK))
		abort();
}

static const struct segment *segment(void *ctx, enum segment_register reg)
{
	return &m.segment[reg];
}

/* One page of memory stands for all pages; one access in eight faults. */
static enum emulate_status check(void *ctx, gva_t at, unsigned size, u32 access,
				 struct event *fault)
{
	if (!size || size > PAGE_SIZE || at.v / PAGE_SIZE != (at.v + size - 1) / PAGE_SIZE)
		abort();
	if (next(1) % 8 != 7)
		return EMULATE_OK;
	*fault = (struct event){ .type = EVENT_EXCEPTION, .vector = EXC_PF, .has_error = true,
				 .payload = at.v };
	return EMULATE_FAULT;
}

static enum emulate_status do_read(void *ctx, gva_t at, void *to, unsigned size, u32 access,
				   struct event *fault)
{
	if (check(ctx, at, size, access, fault) != EMULATE_OK)
		return EMULATE_FAULT;
	memcpy(to, m.memory + at.v % PAGE_SIZE, size);
	return EMULATE_OK;
}

static enum emulate_status do_write(void *ctx, gva_t at, const void *from, unsigned size,
				    u32 access, struct event *fault)
{
	if (check(ctx, at, size, access, fault) != EMULATE_OK)
		return EMULATE_FAULT;
	memcpy(m.memory + at.v % PAGE_SIZE, from, size);
	return EMULATE_OK;
}

static enum emulate_status do_cmpxchg(void *ctx, gva_t at, const void *expected,
				      const void *desired, unsigned size, u32 access,
				      struct event *fault)
{
	if (size > 16)
		abort();
	return next(1) % 8 == 6 ? EMULATE_AGAIN : do_write(ctx, at, desired, size, access, fault);
}

static enum emulate_status port(void *ctx, u16 number, unsigned size, bool in, u32 *value)
{
	if (size != 1 && size != 2 && size != 4)
		abort();
	if (in)
		*value = next(size);
	return EMULATE_OK;
}

static enum emulate_status intercept(void *ctx, const struct insn *insn,
				     const struct emulate_action *action)
{
	return next(1) % 8 == 5 ? EMULATE_STOP : EMULATE_OK;
}

static enum emulate_status do_system(void *ctx, const struct insn *insn,
				     struct emulate_action *action, struct event *fault)
{
	action->value = next(8);
	return EMULATE_OK;
}

static void set_segment(void *ctx, enum segment_register reg, const struct segment *s)
{
	m.segment[reg] = *s;
}

static const struct table *table(void *ctx, enum emulate_table which)
{
	static const struct table whole = { .base = 0, .limit = 0xffff };

	return &whole;
}

static void set_table(void *ctx, enum emulate_table which, const struct table *t)
{
}

static void get_vector(void *ctx, unsigned reg, unsigned size, void *to)
{
	if (reg > 15 || (size == 8 && reg > 7) || size > 32)
		abort();
	memcpy(to, m.vector[reg], size);
}

static void set_vector(void *ctx, unsigned reg, unsigned size, bool clear, const void *from)
{
	if (reg > 15 || (size == 8 && reg > 7) || size > 32)
		abort();
	memcpy(m.vector[reg], from, 32);
}

static void run_x87(void *ctx, struct emulate_x87 *x)
{
	if (x->opcode < 0xd8 || x->opcode > 0xdf || x->reg > 7)
		abort();
	memset(x->operand, (int)next(1), sizeof(x->operand));
}

static bool held;

static enum emulate_status lock(void *ctx)
{
	if (held)
		abort();
	held = next(1) & 1;
	return held ? EMULATE_OK : EMULATE_AGAIN;
}

static void unlock(void *ctx)
{
	if (!held)
		abort();
	held = false;
}

static const struct emulate_ops ops = {
	.get = get, .set = set, .segment = segment, .check = check, .read = do_read,
	.write = do_write, .cmpxchg = do_cmpxchg, .port = port, .intercept = intercept,
	.lock = lock, .unlock = unlock,
	.system = do_system, .set_segment = set_segment, .table = table, .set_table = set_table,
	.get_vector = get_vector, .set_vector = set_vector, .x87 = run_x87,
};

static enum cpu_mode begin(void)
{
	static const u8 modes[] = { CPU_MODE_16, CPU_MODE_32, CPU_MODE_64, CPU_MODE_64 };
	enum cpu_mode mode = modes[next(1) % 4];

	for (int i = 0; i < NR_SEGMENTS; i++) {
		m.segment[i] = (struct segment){ (u16)next(2), 0xc093, 0xffffffff, 0 };
		if (next(1) % 4 == 3)
			m.segment[i] = (struct segment){ (u16)next(2), (u16)next(2), (u32)next(4),
							 next(4) };
	}
	for (int i = 0; i < 16; i++)
		m.gpr[i] = next(next(1) % 9);
	m.rsp = next(8);
	m.rip = next(4);
	m.rflags = (next(4) & ~(u64)RFLAGS_VM) | RFLAGS_FIXED;
	m.cr0 = next(1) % 4 ? CR0_PE | CR0_PG : next(4);
	m.cr4 = next(1) % 4 ? CR4_OSFXSR | CR4_OSXSAVE : next(4);
	m.cpl = next(1) & 3;
	return mode;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct emulate_result result;
	enum emulate_status status;
	enum cpu_mode mode;
	u8 bytes[INSN_MAX_BYTES];
	unsigned avail;
	u64 rip;

	memset(&m, 0, sizeof(m));
	m.at = data;
	m.end = data + size;
	avail = (unsigned)next(1) % 16;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)next(1);
	mode = begin();
	rip = m.rip;
	status = emulate(&ops, NULL, m.gpr, mode, bytes, avail, &result);
	if (status != result.status || status > EMULATE_UNHANDLED)
		abort();
	if (status != EMULATE_OK && m.rip != rip)
		abort();
	if (status == EMULATE_FAULT && (result.event.type != EVENT_EXCEPTION ||
					result.event.vector > 31 || result.event.rip != rip))
		abort();
	return 0;
}
