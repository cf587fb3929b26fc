/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One vCPU's local APIC, xAPIC and x2APIC (SDM vol. 3A, chapter "APIC"). Owns all its registers and
 * the timer; the vCPU asks it before each entry, so what is asked there is kept ready. The timer's
 * clock is 1 GHz: one tick is one nanosecond of guest time.
 */
#pragma once

#include "devices/apic_bus.h"
#include "devices/clock.h"

enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, NR_LVT };

/* A set of vectors with its non-empty words marked, so that the highest one is two bit scans away.
 */
struct vector_set {
	u32 word[8];
	u32 summary;
};

#define LAPIC_NO_PAGE	BIT(63)		/* beyond every physical address */

struct lapic_ops {
	/* A message leaves for other APICs, or for this one. Returns how many accepted it. */
	unsigned (*send)(void *ctx, const struct apic_message *message);
	/* End of a level-triggered interrupt: the IOAPICs want to know. */
	void (*eoi)(void *ctx, u8 vector);
	/* What the vCPU would see may have changed. */
	void (*kick)(void *ctx, u32 index);
	/* INIT, start-up IPI or NMI for the vCPU. */
	void (*event)(void *ctx, u32 index, enum apic_delivery delivery, u8 vector);
	/* When the guest's TSC reaches `tsc`, in ns of guest time; may lie in the past. */
	u64 (*tsc_to_ns)(void *ctx, u32 index, u64 tsc);
};

struct lapic {
	struct vector_set irr, isr;
	u32 tmr[8];
	u32 ppr;
	u32 tpr;
	u32 index;		/* of the vCPU; the APIC ID too */
	u32 svr, ldr, dfr;
	u32 esr, errors;	/* as read; gathered for the next write to it */
	u32 icr, icr_high;
	u32 lvt[NR_LVT];
	u32 timer_initial, timer_divide;
	bool lint[2];		/* levels of the two pins */
	bool extint;		/* LINT0 reaches the CPU as INTR: it is ExtINT, or the APIC is off */
	u64 base;		/* IA32_APIC_BASE */
	u64 page;		/* where it has its MMIO page; LAPIC_NO_PAGE when off and in x2APIC mode */
	u64 timer_at;		/* when the running timer reaches zero; CLOCK_NEVER = it isn't running */
	u64 timer_not_before;	/* until then the host isn't asked to look at the timer again */
	u32 timer_owed;		/* periods that the host missed and that are yet to be delivered */
	bool catch_up;		/* are missed periods owed, or merged? */
	u64 tsc_deadline;	/* IA32_TSC_DEADLINE, 0 = disarmed */
	const struct lapic_ops *ops;
	void *ctx;
};

/* Power-on state of vCPU `index` (< 255). `bsp`: and what firmware does on the boot processor: APIC
 * enabled in software, LINT0 = ExtINT, LINT1 = NMI ("virtual wire mode"). Missed periods are merged
 * until `catch_up` is set. */
void lapic_init(struct lapic *lapic, u32 index, bool bsp, const struct lapic_ops *ops, void *ctx);

/* What an INIT does: all but the ID and IA32_APIC_BASE. */
void lapic_reset(struct lapic *lapic);

/* A register of the MMIO page: `offset` < 4096, size 1, 2, 4 or 8. Writes count only as the aligned
 * 32-bit ones that the manual allows. */
u64 lapic_read(struct lapic *lapic, u32 offset, unsigned size, u64 now);
void lapic_write(struct lapic *lapic, u32 offset, unsigned size, u64 value, u64 now);

/* IA32_APIC_BASE, IA32_TSC_DEADLINE and the x2APIC's MSRs; false = #GP(0), nothing changed. */
bool lapic_rdmsr(struct lapic *lapic, u32 msr, u64 now, u64 *value);
bool lapic_wrmsr(struct lapic *lapic, u32 msr, u64 value, u64 now);

/* A message from outside; false: not accepted, as the APIC is off in software. (One with an illegal
 * vector is accepted, to become an error.) */
bool lapic_receive(struct lapic *lapic, const struct apic_message *message);

/* A pin's level. */
void lapic_set_lint(struct lapic *lapic, unsigned pin, bool level);

/* Does it belong to the destination? False for an APIC that is off. */
bool lapic_matches(const struct lapic *lapic, u32 dest, bool logical);

/* The vCPU's TSC was given another value: an armed deadline comes at another time. */
void lapic_tsc_changed(struct lapic *lapic);

/* The interrupt of `vector` goes from IRR to ISR: it is being delivered. */
void lapic_accept(struct lapic *lapic, unsigned vector);

/* A write to the EOI register. */
void lapic_eoi(struct lapic *lapic);

/* TPR as in the register; CR8 is its bits 7:4. */
void lapic_set_tpr(struct lapic *lapic, u8 tpr);

void lapic_tick(struct lapic *lapic, u64 now);

static inline bool lapic_is_enabled(const struct lapic *lapic)
{
	return lapic->base & APIC_BASE_ENABLE;
}

static inline bool lapic_is_x2apic(const struct lapic *lapic)
{
	return lapic->base & APIC_BASE_X2APIC;
}

static inline bool lapic_is_software_enabled(const struct lapic *lapic)
{
	return lapic->svr & APIC_SVR_ENABLE;
}

/* The number of the highest bit of `bits`, which isn't 0. (As an XOR it is one BSR.) */
static inline unsigned highest_bit(u32 bits)
{
	return __builtin_clz(bits) ^ 31;
}

/* -1: it is empty. Bits may be set by another CPU meanwhile, words before the summary; cleared they
 * are by the caller's own CPU alone. */
static inline int vector_set_highest(const struct vector_set *set)
{
	u32 summary = __atomic_load_n(&set->summary, __ATOMIC_ACQUIRE);
	unsigned word;

	if (!summary)
		return -1;
	word = highest_bit(summary);
	return word * 32 | highest_bit(__atomic_load_n(&set->word[word], __ATOMIC_RELAXED));
}

/* The highest vector that may be delivered now, being above the processor priority; -1 = none. */
static inline int lapic_pending(const struct lapic *lapic)
{
	int vector = vector_set_highest(&lapic->irr);

	return vector >= 0 && (u32)vector >> 4 > lapic->ppr >> 4 ? vector : -1;
}

/* Is an interrupt of `vector` requested or in service? */
static inline bool lapic_is_open(const struct lapic *lapic, u8 vector)
{
	return (lapic->irr.word[vector >> 5] | lapic->isr.word[vector >> 5]) >> (vector & 31) & 1;
}

static inline u64 lapic_next_event(const struct lapic *lapic)
{
	if (lapic->lvt[LVT_TIMER] & APIC_LVT_MASKED)
		return CLOCK_NEVER;
	return MAX(lapic->timer_at, lapic->timer_not_before);
}
