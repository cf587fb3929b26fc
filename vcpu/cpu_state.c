/* SPDX-License-Identifier: GPL-2.0-only */
/* The instructions behind vcpu/cpu_state.h, and nothing that decides. */
#include "vcpu/cpu_state.h"

#include "arch/x86/cpu.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"

u64 cpu_state_xcr0(void)
{
	return read_xcr(0);
}

void cpu_state_set_xcr0(u64 value)
{
	write_xcr(0, value);
}

u64 cpu_state_tsc_aux(void)
{
	return rdmsr(MSR_TSC_AUX);
}

void cpu_state_set_tsc_aux(u64 value)
{
	wrmsr(MSR_TSC_AUX, value);
}

u64 cpu_state_dr(unsigned index)
{
	switch (index) {
	case 0: return read_dr0();
	case 1: return read_dr1();
	case 2: return read_dr2();
	default: return read_dr3();
	}
}

void cpu_state_set_dr(unsigned index, u64 value)
{
	switch (index) {
	case 0: write_dr0(value); break;
	case 1: write_dr1(value); break;
	case 2: write_dr2(value); break;
	default: write_dr3(value);
	}
}

/* RDPKRU needs CR4.PKE, which Plinth has no other use for. */
u32 cpu_state_pkru(void)
{
	u64 cr4 = read_cr4();
	u32 pkru, edx;

	write_cr4(cr4 | CR4_PKE);
	asm volatile(".byte 0x0f, 0x01, 0xee" : "=a"(pkru), "=d"(edx) : "c"(0));	/* RDPKRU */
	write_cr4(cr4);
	return pkru;
}

/* The image from which XRSTOR takes the initial state of every component, and FXRSTOR the legacy
 * part (SDM vol. 1, "XSAVE Area"): x87 as after FNINIT, MXCSR with all exceptions masked. */
static const struct {
	u16 fcw;
	u8 unused[22];
	u32 mxcsr;
	u8 rest[1024 - 28];	/* legacy region, a header that is all zero, and the components */
} aligned_to(64) initial_state = { .fcw = 0x37f, .mxcsr = 0x1f80 };

void cpu_state_reset(u64 xcr0)
{
	if (xcr0) {
		write_xcr(0, xcr0);
		asm volatile("xrstor64 %0" : : "m"(initial_state), "a"((u32)xcr0),
			     "d"((u32)(xcr0 >> 32)));
		write_xcr(0, XCR0_X87);
	} else {
		asm volatile("fxrstor64 %0" : : "m"(initial_state));
	}
	cpu_state_reset_debug();
}

void cpu_state_reset_debug(void)
{
	write_dr0(0);
	write_dr1(0);
	write_dr2(0);
	write_dr3(0);
}

void cpu_take_interrupts(void)
{
	irq_window();
}

void cpu_take_machine_check(void)
{
	asm volatile("int $18");
}
