/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exceptions and interrupts of the physical CPU: the table of gates that all CPUs share, what an
 * exception does (a fixup, or a panic), and who handles an interrupt vector.
 *
 * Plinth runs with interrupts off. They are taken in the idle loop, in irq_window(), and, as an
 * exit, while a guest runs; handlers run with interrupts off, on the stack of whoever was
 * interrupted.
 */
#pragma once

#include "include/types.h"

/* Interrupt vectors. The APIC's priority classes (vector >> 4) put the timer above devices. */
#define VECTOR_COM1		0x40
#define VECTOR_TIMER		0xe0
#define VECTOR_APIC_ERROR	0xf0
#define VECTOR_KICK		0xf1	/* does nothing: it only gets a CPU out of HLT or of its guest */
#define VECTOR_SPURIOUS		0xff

/* What trap_entry.S leaves on the stack: the registers, and below them what the CPU has pushed. */
struct trap_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector;
	u64 error;	/* 0 for vectors without an error code */
	u64 rip, cs, rflags, rsp, ss;
};

typedef void irq_handler(u8 vector);

/* Makes the gates and loads them on the CPU that runs this; exceptions are reported from here on.
 * No gate has a stack of its own yet. To be called once, first of all. */
void trap_init(void);

/* Gives #DF, NMI and #MC their own stacks. For when every running CPU has a TSS. */
void trap_use_stacks(void);

/* #DBs in Plinth, which sets no breakpoints: a guest's, that an exit has not switched off. */
extern u32 trap_stray_debugs;

/* Loads the table of gates on this CPU. */
void trap_load(void);

/* Sets who is called for an interrupt vector (32 .. 255) on any CPU; NULL: nobody. The local APIC's
 * EOI follows when the handler has returned. */
void irq_set_handler(u8 vector, irq_handler *handler);

/* Sets who is called for an NMI. The handler runs on the NMI's stack and may have interrupted
 * anything, so it may take no lock. */
void nmi_set_handler(void (*handler)(struct trap_frame *frame));

/* The end of an exception that nobody expected: reports and stops the machine (panic.c). */
void noreturn_fn panic_trap(const struct trap_frame *frame);

/* Where trap_dispatch() returns to; the trap frame lies just above that return address. */
extern const u8 trap_return[];

/* Called by trap_entry.S alone. */
void trap_dispatch(struct trap_frame *frame);
