// SPDX-License-Identifier: MIT
/*
 * The machine's vector and x87 registers: loaded into the CPU, worked on by the code under test,
 * stored again. Compiled without vector registers, so that the compiler's own aren't there.
 */
#include "tests/host/machine.h"

#include "vcpu/cpu_state.h"

static u8 host_state[XSAVE_BYTES] aligned_to(64);

static void save(u8 *to)
{
	asm volatile("xsave64 (%0)" : : "r"(to), "a"(7), "d"(0) : "memory");
}

static void restore(const u8 *from)
{
	asm volatile("xrstor64 (%0)" : : "r"(from), "a"(7), "d"(0) : "memory");
}

static void enter(void)
{
	save(host_state);
	restore(m.fpu);
}

static void leave(void)
{
	save(m.fpu);
	m.fpu[512] = 7;		/* which components are in use is the CPU's affair */
	restore(host_state);
}

void machine_get_vector(void *ctx, unsigned reg, unsigned size, void *to)
{
	enter();
	cpu_state_vector(reg, size, to);
	leave();
}

void machine_set_vector(void *ctx, unsigned reg, unsigned size, bool clear, const void *from)
{
	enter();
	cpu_state_set_vector(reg, size, clear, from);
	leave();
}

void machine_x87(void *ctx, struct emulate_x87 *x)
{
	enter();
	cpu_state_x87(x);
	leave();
}

u64 machine_fpu_register(enum emulate_reg reg)
{
	u64 value;

	enter();
	value = reg == EMULATE_FSW     ? cpu_state_fsw()
		: reg == EMULATE_MXCSR ? cpu_state_mxcsr()
				       : cpu_state_mxcsr_mask();
	leave();
	return value;
}

void machine_set_mxcsr(u32 value)
{
	enter();
	cpu_state_set_mxcsr(value);
	leave();
}
