/* SPDX-License-Identifier: MIT */
/*
 * Several CPUs in one 64-bit test kernel: what the MADT lists, INIT and start-up IPIs, a stack and
 * a job slot for each CPU, the local APIC in both of its modes, and waits that are bounded by the
 * PM timer. CPUs are numbered by their initial APIC ID; CPU 0 runs guest_main() and alone prints.
 */
#pragma once

#include "guests/lib/guest.h"

#define MAX_CPUS	8
#define CPU_STACK	16384ul

/* ---- the local APIC ---- */

#define LAPIC_PPR	0x0a0
#define LAPIC_LDR	0x0d0
#define LAPIC_DFR	0x0e0
#define LAPIC_ISR	0x100
#define LAPIC_TMR	0x180
#define LAPIC_IRR	0x200
#define LAPIC_ESR	0x280
#define LAPIC_ICR_HIGH	0x310
#define LAPIC_LVT_THERM	0x330
#define LAPIC_LVT_PERF	0x340
#define LAPIC_LINT1	0x360
#define LAPIC_LVT_ERROR	0x370

#define ICR_FIXED	0x000u
#define ICR_LOWEST	0x100u
#define ICR_SMI		0x200u
#define ICR_NMI		0x400u
#define ICR_INIT	0x500u
#define ICR_STARTUP	0x600u
#define ICR_EXTINT	0x700u
#define ICR_LOGICAL	0x800u
#define ICR_PENDING	0x1000u
#define ICR_ASSERT	0x4000u
#define ICR_LEVEL	0x8000u
#define ICR_TO_SELF	0x40000u
#define ICR_TO_ALL	0x80000u
#define ICR_TO_OTHERS	0xc0000u
#define APIC_EVERYONE	0xffu

#define MSR_APIC_BASE	0x1bu
#define APIC_BASE_BSP	0x100u
#define APIC_BASE_X2	0x400u
#define APIC_BASE_ON	0x800u
#define MSR_X2APIC	0x800u

/* Whether CPUID offers x2APIC mode. */
bool has_x2apic(void);
/* This CPU's APIC goes to x2APIC mode; the accessors below then take the MSRs. The way back is by
 * way of the disabled state, which resets the APIC. */
void x2apic_on(void);
void x2apic_off(void);
/* A register of this CPU's APIC by its xAPIC offset, in the mode that it is in. */
u32 apic_get(u32 reg);
void apic_set(u32 reg, u32 v);
/* One bit for `vector` of ISR, TMR or IRR. */
bool apic_bit(u32 reg, unsigned vector);
/* Writes the ICR and waits until it is sent. `dest`: the APIC ID, or the logical destination, in
 * the mode's own format (8 or 32 bits). False: still "send pending" after 100 ms. */
bool ipi(u32 dest, u32 low);
/* The ESR as of now: a write latches it. */
u32 apic_errors(void);

/* ---- CPUs ---- */

/* What an AP found in its registers when the start-up IPI let it go; guests/lib/ap.S fills it. */
struct ap_state {
	u32 eax, ebx, ecx, edx, esi, edi, ebp, esp;
	u32 ip, eflags, cr0, cr2, cr3, cr4;
	u32 dr0, dr1, dr2, dr3, dr6, dr7;
	u64 efer, gs_base;
	u16 cs, ds, es, ss, fs, gs;
	u16 gdt_limit, gdt_base[2], idt_limit, idt_base[2];
};

#define AP_STATE	((volatile struct ap_state *)0x7000)
#define AP_PAGE		0x08u	/* the usual start-up vector */

/* The CPUs that the MADT calls enabled, and their APIC IDs in its order. */
unsigned madt_cpus(u8 ids[MAX_CPUS]);
/* This CPU's number. */
unsigned this_cpu(void);
/* How often `cpu` has come through its start-up code. */
volatile u32 *starts_of(unsigned cpu);

/* Puts the start-up code at page `vector`. `record`: the AP fills AP_STATE, one at a time. */
void ap_code(unsigned vector, bool record);
/* INIT, 10 ms, SIPI, 200 us, SIPI again if need be (SDM vol. 3A, "MP Initialization"); and the
 * short form without any wait. True when the CPU waits for jobs. */
bool ap_start(unsigned cpu, unsigned vector);
bool ap_start_short(unsigned cpu, unsigned vector);
/* Starts all CPUs of the MADT; their number, this one included. */
unsigned start_all(void);

/* Has the CPU run job(arg), with IF clear; doesn't wait. It must be idle. */
void run_on(unsigned cpu, void (*job)(void *arg), void *arg);
/* Waits until it is idle again; false after `ms` milliseconds. */
bool job_done(unsigned cpu, unsigned ms);
/* Both, with a second for it. */
bool call_on(unsigned cpu, void (*job)(void *arg), void *arg);

/* ---- time and meeting ---- */

void delay_us(u32 us);
/* Waits until *v >= least; false after `ms` milliseconds. */
bool wait_least(volatile u32 *v, u32 least, unsigned ms);

/* All `n` CPUs meet: nobody leaves before all have come. */
struct barrier {
	u32 came;
	volatile u32 round;
};

void meet(struct barrier *barrier, u32 n);

static inline u32 add_fetch(volatile u32 *v, u32 n)
{
	return __atomic_add_fetch(v, n, __ATOMIC_SEQ_CST);
}
