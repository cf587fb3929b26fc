/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The physical local APIC: interrupts between CPUs, and this CPU's timer. In the mode (xAPIC or
 * x2APIC) that firmware left, unless CPUs have ids that only x2APIC can address.
 */
#pragma once

#include "include/types.h"

/* Finds the mode and maps the registers; `max_id` is the highest APIC id of the machine. Once, on
 * the first CPU. False: the CPU has no APIC, it is switched off, or its registers can't be mapped.
 */
bool must_check apic_init(u32 max_id);

/* Switches on this CPU's APIC, in the mode that apic_init() has chosen, with every source masked.
 */
void apic_setup_cpu(void);

/* This CPU's APIC id. */
u32 apic_id(void);

/* Whether a CPU with this id can be addressed in the mode that is on. */
bool apic_can_reach(u32 id);

/* The interrupt that is being handled on this CPU has been. */
void apic_eoi(void);

/* Interrupts to another CPU. */
void apic_send(u32 id, u8 vector);
void apic_send_nmi_to_others(void);
void apic_send_init(u32 id);
void apic_send_startup(u32 id, u8 page);

/* Chooses between TSC-deadline mode and the counter, whose frequency is measured against the TSC.
 * After time_init(), once. False: the counter doesn't count. */
bool must_check timer_init(void);

/* Sets this CPU's timer up in the way that timer_init() has chosen. For the other CPUs. */
void timer_setup_cpu(void);

/* Sets who is called, with interrupts off, on a CPU whose deadline has passed. */
void timer_set_handler(void (*handler)(void));

/* Has the handler called on this CPU once the TSC has reached `deadline`, never before; at once if
 * it has already. Replaces the deadline that was set. */
void timer_arm(u64 deadline);
void timer_disarm(void);
