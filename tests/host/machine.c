// SPDX-License-Identifier: MIT
#include "tests/host/machine.h"

#include "include/x86/exception.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct machine m;

static u64 get(void *ctx, enum emulate_reg reg)
{
	switch (reg) {
	case EMULATE_RIP: return m.rip;
	case EMULATE_RSP: return m.rsp;
	case EMULATE_RFLAGS: return m.rflags;
	case EMULATE_CR0: return m.cr0;
	case EMULATE_CR4: return m.cr4;
	case EMULATE_CPL: return m.cpl;
	case EMULATE_EFER: return m.segment[SEG_CS].attr & SEG_ATTR_L ? EFER_LMA : 0;
	case EMULATE_XCR0: return m.xcr0;
	case EMULATE_FSW: case EMULATE_MXCSR: case EMULATE_MXCSR_MASK:
		return machine_fpu_register(reg);
	default: return 0;	/* MSRs and features: flat_machine.c */
	}
}

static void set(void *ctx, enum emulate_reg reg, u64 value)
{
	switch (reg) {
	case EMULATE_RIP: m.rip = value; break;
	case EMULATE_RSP: m.rsp = value; break;
	case EMULATE_RFLAGS: m.rflags = value; break;
	case EMULATE_KERNEL_GS_BASE: break;
	case EMULATE_MXCSR: machine_set_mxcsr(value); break;
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
	bool present = at.v >= m.at && at.v < m.at + DATA_SIZE;
	u8 rights = present ? m.rights[(at.v - m.at) / PAGE_SIZE] : 0;

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
	m.locked_accesses += m.locked;
	memcpy(to, m.data + (at.v - m.at), size);
	return EMULATE_OK;
}

static enum emulate_status do_write(void *ctx, gva_t at, const void *from, unsigned size,
				    u32 access, struct event *fault)
{
	assert_true(access & ACCESS_WRITE);
	if (check(ctx, at, size, access, fault) != EMULATE_OK)
		return EMULATE_FAULT;
	m.writes++;
	m.locked_accesses += m.locked;
	memcpy(m.data + (at.v - m.at), from, size);
	return EMULATE_OK;
}

static enum emulate_status do_cmpxchg(void *ctx, gva_t at, const void *expected,
				      const void *desired, unsigned size, u32 access,
				      struct event *fault)
{
	if (check(ctx, at, size, access, fault) != EMULATE_OK)
		return EMULATE_FAULT;
	if (m.race)
		return EMULATE_AGAIN;
	m.exchanges++;
	assert_memory_equal(expected, m.data + (at.v - m.at), size);
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
				     struct emulate_action *action, struct event *fault)
{
	m.systems++;
	m.action = *action;
	action->value = 0x1122334455667788;
	return EMULATE_OK;
}

static void set_segment(void *ctx, enum segment_register reg, const struct segment *s)
{
	m.segment[reg] = *s;
}

/* Without a single descriptor: what loads them is tested with flat_machine.c. */
static const struct table *table(void *ctx, enum emulate_table which)
{
	static const struct table empty;

	return &empty;
}

static void set_table(void *ctx, enum emulate_table which, const struct table *t)
{
}

static enum emulate_status lock(void *ctx)
{
	assert_false(m.locked);
	m.locked = !m.race;
	return m.locked ? EMULATE_OK : EMULATE_AGAIN;
}

static void unlock(void *ctx)
{
	assert_true(m.locked);
	m.locked = false;
}

const struct emulate_ops machine_ops = {
	.get = get, .set = set, .segment = segment, .check = check, .read = do_read,
	.write = do_write, .cmpxchg = do_cmpxchg, .port = port, .intercept = intercept,
	.lock = lock, .unlock = unlock,
	.system = do_system, .set_segment = set_segment, .table = table, .set_table = set_table,
	.get_vector = machine_get_vector, .set_vector = machine_set_vector, .x87 = machine_x87,
};

void machine_reset(enum cpu_mode mode)
{
	memset(&m, 0, sizeof(m));
	m.fpu[0] = 0x7f;		/* FCW, as after FNINIT */
	m.fpu[1] = 0x03;
	m.fpu[24] = 0x80;		/* MXCSR */
	m.fpu[25] = 0x1f;
	m.fpu[512] = 7;			/* all components are there */
	m.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
	m.cr4 = CR4_OSFXSR | CR4_OSXSAVE;
	for (int i = 0; i < NR_SEGMENTS; i++) {
		m.segment[i] = (struct segment){ 0x10, 0xc093, 0xffffffff, 0 };
		if (mode == CPU_MODE_16)
			m.segment[i] = (struct segment){ DATA >> 4, 0x93, 0xffff, DATA };
	}
	m.segment[SEG_CS].attr = mode == CPU_MODE_64 ? 0xa09b : mode == CPU_MODE_32 ? 0xc09b : 0x9b;
	m.cr0 = mode == CPU_MODE_16 ? 0 : CR0_PE;
	m.rflags = RFLAGS_FIXED;
	m.rip = CODE;
	m.at = DATA;
	memset(m.rights, RIGHT_R | RIGHT_W, sizeof(m.rights));
}

u64 random64(void)
{
	static u64 state = 0x2545f4914f6cdd1d;

	return xorshift(&state) * 0x2545f4914f6cdd1d;
}
