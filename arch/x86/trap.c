/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gates and dispatch of exceptions and interrupts. What the machine's interrupt controllers do is
 * apic.c's and ioapic.c's; what a panic prints is panic.c's.
 */
#include "arch/x86/trap.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/percpu.h"
#include "include/assert.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"

#define NR_VECTORS	256
#define FIRST_IRQ	32
#define STUB_SIZE	16
#define GATE_INTERRUPT	0x8e00		/* present, DPL 0, 64-bit interrupt gate */

/* SDM vol. 3A, "64-Bit IDT Gate Descriptors". */
struct gate {
	u16 offset_low;
	u16 selector;
	u16 attributes;		/* the stack's index in bits 2:0 */
	u16 offset_middle;
	u32 offset_high;
	u32 reserved;
};
static_assert(sizeof(struct gate) == 16, "the CPU's layout");
static_assert(sizeof(struct trap_frame) == 22 * 8, "trap_entry.S's layout");

/* An instruction that may raise an exception, and where to go on then. */
struct fixup {
	u64 at, to;
};

extern const u8 trap_stubs[];
extern const struct fixup exception_table_start[], exception_table_end[];

static struct gate gates[NR_VECTORS] aligned_to(16);
static irq_handler *irq_handlers[NR_VECTORS];
static void (*nmi_handler)(struct trap_frame *frame);
u32 trap_stray_debugs;

static void set_gate(unsigned vector)
{
	u64 at = (u64)trap_stubs + vector * STUB_SIZE;

	gates[vector] = (struct gate){
		.offset_low = (u16)at,
		.selector = SEL_CODE64,
		.attributes = GATE_INTERRUPT,
		.offset_middle = (u16)(at >> 16),
		.offset_high = (u32)(at >> 32),
	};
}

void trap_init(void)
{
	for (unsigned vector = 0; vector < NR_VECTORS; vector++)
		set_gate(vector);
	trap_load();
}

void trap_use_stacks(void)
{
	gates[EXC_DF].attributes = GATE_INTERRUPT | IST_DOUBLE_FAULT;
	gates[EXC_NMI].attributes = GATE_INTERRUPT | IST_NMI;
	gates[EXC_MC].attributes = GATE_INTERRUPT | IST_MACHINE_CHECK;
}

void trap_load(void)
{
	struct descriptor_pointer p = { sizeof(gates) - 1, (u64)gates };

	lidt(&p);
}

void irq_set_handler(u8 vector, irq_handler *handler)
{
	assert(vector >= FIRST_IRQ);
	__atomic_store_n(&irq_handlers[vector], handler, __ATOMIC_RELEASE);
}

void nmi_set_handler(void (*handler)(struct trap_frame *frame))
{
	__atomic_store_n(&nmi_handler, handler, __ATOMIC_RELEASE);
}

static bool fix_up(struct trap_frame *frame)
{
	for (const struct fixup *f = exception_table_start; f < exception_table_end; f++) {
		if (f->at == frame->rip) {
			frame->rip = f->to;
			return true;
		}
	}
	return false;
}

static void dispatch_irq(u8 vector)
{
	irq_handler *handler = __atomic_load_n(&irq_handlers[vector], __ATOMIC_ACQUIRE);

	/* A spurious interrupt is in no in-service register, so an EOI would end another one. */
	if (vector == VECTOR_SPURIOUS)
		return;
	if (handler)
		handler(vector);
	apic_eoi();
}

/*
 * Plinth sets no breakpoints and steps through nothing of its own: a #DB here is a leftover of a
 * guest's. CPUs clear DR7 at an exit, emulators may not, or let a guest's single step come late.
 */
static void forget_breakpoints(struct trap_frame *frame)
{
	__atomic_add_fetch(&trap_stray_debugs, 1, __ATOMIC_RELAXED);
	write_dr7(DR7_FIXED);
	write_dr6(DR6_FIXED);
	frame->rflags &= ~RFLAGS_TF;
	frame->rflags |= RFLAGS_RF;	/* an instruction breakpoint faults before its instruction */
}

void trap_dispatch(struct trap_frame *frame)
{
	void (*on_nmi)(struct trap_frame *frame);

	if (frame->vector >= FIRST_IRQ) {
		dispatch_irq((u8)frame->vector);
		return;
	}
	if (frame->vector == EXC_NMI) {
		on_nmi = __atomic_load_n(&nmi_handler, __ATOMIC_ACQUIRE);
		if (on_nmi)
			on_nmi(frame);
		return;
	}
	if (frame->vector == EXC_DB) {
		forget_breakpoints(frame);
		return;
	}
	if (frame->vector == EXC_MC || !fix_up(frame))
		panic_trap(frame);
}

bool rdmsr_safe(u32 msr, u64 *value)
{
	u32 low = 0, high = 0, ok = 0;

	asm volatile("1: rdmsr\n"
		     "movl $1, %2\n"
		     "2:\n"
		     ".pushsection .exception_table, \"a\"\n"
		     ".quad 1b, 2b\n"
		     ".popsection"
		     : "+a"(low), "+d"(high), "+r"(ok) : "c"(msr));
	if (ok)
		*value = (u64)high << 32 | low;
	return ok;
}

bool wrmsr_safe(u32 msr, u64 value)
{
	u32 ok = 0;

	asm volatile("1: wrmsr\n"
		     "movl $1, %0\n"
		     "2:\n"
		     ".pushsection .exception_table, \"a\"\n"
		     ".quad 1b, 2b\n"
		     ".popsection"
		     : "+r"(ok) : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
	return ok;
}
