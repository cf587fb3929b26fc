/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest's clock and interrupt sources: between the devices, which know no clock, and the host's
 * timer. */
#pragma once

#include "vcpu/vcpu.h"

/* The guest's TSC, and giving it a value. */
u64 vcpu_tsc(const struct vcpu *v);
void vcpu_set_tsc(struct vcpu *v, u64 value);

/* The local APIC of v: its MSRs (false: #GP) and CR8. */
bool must_check vcpu_apic_rdmsr(struct vcpu *v, u32 index, u64 *value);
bool must_check vcpu_apic_wrmsr(struct vcpu *v, u32 index, u64 value);
u64 vcpu_apic_cr8(struct vcpu *v);
void vcpu_apic_set_cr8(struct vcpu *v, u8 value);

/* What an INIT does to it. */
void vcpu_apic_init(struct vcpu *v);

/* REQUEST_HOLD: waits, at most for LEAD_TICKS (time.c), until the entry may come. */
void vcpu_hold(struct vcpu *v);

/* Devices of v's guest, by port and by address. `size` in bytes. What nobody claims reads as ones.
 */
u32 vcpu_port_read(struct vcpu *v, u16 port, unsigned size);
void vcpu_port_write(struct vcpu *v, u16 port, unsigned size, u32 value);
u64 vcpu_mmio_read(struct vcpu *v, gpa_t at, unsigned size);
void vcpu_mmio_write(struct vcpu *v, gpa_t at, unsigned size, u64 value);

/* Lets v's LAPIC, and with vCPU 0 all devices, catch up with the clock, and sets the timer of v's CPU,
 * which calls, for what they wait for next. */
void vcpu_run_devices(struct vcpu *v);

/* Is an interrupt for v requested; and take it: its vector, or -1. */
bool vcpu_interrupt_pending(struct vcpu *v);
int vcpu_interrupt_accept(struct vcpu *v);
