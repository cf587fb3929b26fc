/* SPDX-License-Identifier: GPL-2.0-only */
/* The local APIC. See lapic.h. */
#include "devices/lapic.h"

#include "devices/lapic_timer.h"
#include "include/assert.h"

#define VERSION		(0x14u | (NR_LVT - 1) << APIC_VERSION_MAX_LVT_SHIFT)
#define LOWEST_VECTOR	16u		/* below: reserved, an "illegal vector" */
#define SVR_WRITABLE	(APIC_SVR_VECTOR | APIC_SVR_ENABLE | APIC_SVR_FOCUS_OFF)
#define DFR_FIXED	0x0fffffffu
#define DFR_FLAT	0xfu		/* in bits 31:28 */
#define ICR_WRITABLE	0x000ccfffu
#define BYTE		0xffu

struct lvt_row {
	u32 writable;
	u32 read_only;
};

/* SDM vol. 3A, "Local Vector Table (LVT)". */
static const struct lvt_row lvt_rows[NR_LVT] = {
	[LVT_TIMER]	= { 0x000700ff, 0x00001000 },
	[LVT_THERMAL]	= { 0x000107ff, 0x00001000 },
	[LVT_PERF]	= { 0x000107ff, 0x00001000 },
	[LVT_LINT0]	= { 0x0001a7ff, 0x00005000 },
	[LVT_LINT1]	= { 0x0001a7ff, 0x00005000 },
	[LVT_ERROR]	= { 0x000100ff, 0x00001000 },
};

static_assert((APIC_LVT_ERROR - APIC_LVT_TIMER) >> 4 == LVT_ERROR,
	      "LVT registers follow each other");

static void set_vector(struct vector_set *set, unsigned vector)
{
	/* In this order: the vCPU looks at it without the lock, which whoever sets a bit holds. */
	__atomic_store_n(&set->word[vector >> 5], set->word[vector >> 5] | 1u << (vector & 31),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&set->summary, set->summary | 1u << (vector >> 5), __ATOMIC_RELEASE);
}

static void clear_vector(struct vector_set *set, unsigned vector)
{
	set->word[vector >> 5] &= ~(1u << (vector & 31));
	if (!set->word[vector >> 5])
		set->summary &= ~(1u << (vector >> 5));
}

/* SDM vol. 3A, "Task and Processor Priorities". */
static inline void update_ppr(struct lapic *lapic)
{
	int served = vector_set_highest(&lapic->isr);
	u32 class = served < 0 ? 0 : served & 0xf0;

	lapic->ppr = (lapic->tpr & 0xf0) >= class ? lapic->tpr : class;
}

/* The same where the priority may have fallen: what it held back can be delivered now. */
static inline void lower_ppr(struct lapic *lapic)
{
	update_ppr(lapic);
	if (unlikely(lapic_pending(lapic) >= 0))
		lapic->ops->kick(lapic->ctx, lapic->index);
}

static void update_extint(struct lapic *lapic)
{
	u32 lint0 = lapic->lvt[LVT_LINT0];
	bool before = lapic->extint;

	lapic->extint = !lapic_is_enabled(lapic) ||
			(!(lint0 & APIC_LVT_MASKED) &&
			 (lint0 & APIC_DELIVERY) >> APIC_DELIVERY_SHIFT == APIC_EXTINT);
	if (lapic->extint && !before)
		lapic->ops->kick(lapic->ctx, lapic->index);
}

static void update_page(struct lapic *lapic)
{
	bool mapped = lapic_is_enabled(lapic) && !lapic_is_x2apic(lapic);

	lapic->page = mapped ? lapic->base & APIC_BASE_ADDRESS : LAPIC_NO_PAGE;
}

static void request(struct lapic *lapic, unsigned vector, bool level)
{
	u32 bit = 1u << (vector & 31);

	if (level)
		lapic->tmr[vector >> 5] |= bit;
	else
		lapic->tmr[vector >> 5] &= ~bit;
	set_vector(&lapic->irr, vector);
	lapic->ops->kick(lapic->ctx, lapic->index);
}

/* SDM vol. 3A, "Error Handling". An illegal vector in the error LVT itself is noted and goes no
 * further. */
static void raise_error(struct lapic *lapic, u32 error)
{
	u32 lvt = lapic->lvt[LVT_ERROR];

	lapic->errors |= error;
	if (lvt & APIC_LVT_MASKED)
		return;
	if ((lvt & APIC_VECTOR) < LOWEST_VECTOR)
		lapic->errors |= APIC_ESR_RECEIVE_ILLEGAL;
	else
		request(lapic, lvt & APIC_VECTOR, false);
}

static void receive_fixed(struct lapic *lapic, unsigned vector, bool level)
{
	if (vector < LOWEST_VECTOR)
		raise_error(lapic, APIC_ESR_RECEIVE_ILLEGAL);
	else
		request(lapic, vector, level);
}

/* A local source fires. ExtINT is the board's, SMI and INIT through a pin have no one to go to. */
static void fire_lvt(struct lapic *lapic, enum lapic_lvt n)
{
	u32 *lvt = &lapic->lvt[n];
	unsigned delivery = n == LVT_TIMER || n == LVT_ERROR ? APIC_FIXED :
			    (*lvt & APIC_DELIVERY) >> APIC_DELIVERY_SHIFT;
	bool level = n == LVT_LINT0 && (*lvt & APIC_LVT_LEVEL);	/* LINT1 is always an edge */

	if (*lvt & APIC_LVT_MASKED)
		return;
	if (delivery == APIC_NMI) {
		lapic->ops->event(lapic->ctx, lapic->index, APIC_NMI, 2);
	} else if (delivery == APIC_FIXED && !(level && (*lvt & APIC_LVT_REMOTE_IRR))) {
		if (level)
			*lvt |= APIC_LVT_REMOTE_IRR;
		receive_fixed(lapic, *lvt & APIC_VECTOR, level);
	}
}

void lapic_reset(struct lapic *lapic)
{
	*lapic = (struct lapic){
		.index = lapic->index, .base = lapic->base, .ops = lapic->ops, .ctx = lapic->ctx,
		.lint = { lapic->lint[0], lapic->lint[1] }, .extint = lapic->extint,
		.catch_up = lapic->catch_up,
		.svr = 0xff, .dfr = ~0u, .timer_at = CLOCK_NEVER,
	};
	for (unsigned i = 0; i < NR_LVT; i++)
		lapic->lvt[i] = APIC_LVT_MASKED;
	update_page(lapic);
	update_extint(lapic);
}

void lapic_init(struct lapic *lapic, u32 index, bool bsp, const struct lapic_ops *ops, void *ctx)
{
	*lapic = (struct lapic){
		.index = index, .ops = ops, .ctx = ctx,
		.base = APIC_DEFAULT_BASE | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0),
	};
	lapic_reset(lapic);
	if (!bsp)
		return;
	lapic->svr |= APIC_SVR_ENABLE;
	lapic->lvt[LVT_LINT0] = APIC_LVT_LEVEL | APIC_EXTINT << APIC_DELIVERY_SHIFT;
	lapic->lvt[LVT_LINT1] = APIC_NMI << APIC_DELIVERY_SHIFT;
	lapic->extint = true;
}

/* ---- destinations ---- */

static u32 apic_id(const struct lapic *lapic)
{
	return lapic_is_x2apic(lapic) ? lapic->index : lapic->index << APIC_ICR_DEST_SHIFT;
}

/* In x2APIC mode: the cluster in the upper half, one bit in the lower. */
static u32 logical_id(const struct lapic *lapic)
{
	if (!lapic_is_x2apic(lapic))
		return lapic->ldr;
	return lapic->index >> 4 << 16 | 1u << (lapic->index & 15);
}

/* SDM vol. 3A, "Logical Destination Mode", "Logical x2APIC ID". */
static bool matches_logical(const struct lapic *lapic, u32 dest)
{
	u32 id = logical_id(lapic), mda;

	if (lapic_is_x2apic(lapic))
		return dest >> 16 == id >> 16 && (dest & id & 0xffff);
	mda = dest & BYTE;
	id >>= 24;
	if (lapic->dfr >> 28 == DFR_FLAT)
		return mda & id;
	return mda >> 4 == id >> 4 && (mda & id & 15);
}

bool lapic_matches(const struct lapic *lapic, u32 dest, bool logical)
{
	if (!lapic_is_enabled(lapic))
		return false;
	if (dest == APIC_BROADCAST)
		return true;
	return logical ? matches_logical(lapic, dest) : dest == lapic->index;
}

bool lapic_receive(struct lapic *lapic, const struct apic_message *message)
{
	switch (message->delivery) {
	case APIC_FIXED:
	case APIC_LOWEST:
		if (!lapic_is_software_enabled(lapic))
			return false;
		receive_fixed(lapic, message->vector, message->level);
		break;
	case APIC_INIT:		/* the vCPU's own CPU resets this APIC when it carries it out */
	case APIC_NMI:
	case APIC_STARTUP:
		lapic->ops->event(lapic->ctx, lapic->index, message->delivery, message->vector);
		break;
	default:	/* SMI: there is none; ExtINT and the rest: reserved */
		break;
	}
	return true;
}

void lapic_set_lint(struct lapic *lapic, unsigned pin, bool level)
{
	bool rises = level && !lapic->lint[pin];

	lapic->lint[pin] = level;
	if (rises && lapic_is_enabled(lapic))
		fire_lvt(lapic, LVT_LINT0 + pin);
}

/* ---- the timer ---- */

void lapic_tick(struct lapic *lapic, u64 now)
{
	if (unlikely(now >= lapic->timer_at) && lapic_timer_expire(lapic, now))
		fire_lvt(lapic, LVT_TIMER);
}

void lapic_tsc_changed(struct lapic *lapic)
{
	if (lapic->tsc_deadline)
		lapic_timer_deadline(lapic, lapic->tsc_deadline);
}

/* An interrupt has ended. If it was the timer's, the next owed one follows. */
static void pay_tick(struct lapic *lapic)
{
	if (lapic_is_open(lapic, lapic->lvt[LVT_TIMER] & APIC_VECTOR))
		return;
	lapic->timer_owed--;
	fire_lvt(lapic, LVT_TIMER);
}

/* ---- delivery ---- */

void lapic_accept(struct lapic *lapic, unsigned vector)
{
	clear_vector(&lapic->irr, vector);
	set_vector(&lapic->isr, vector);
	update_ppr(lapic);
}

static void end_level(struct lapic *lapic, unsigned vector)
{
	u32 *lint0 = &lapic->lvt[LVT_LINT0];

	lapic->ops->eoi(lapic->ctx, vector);
	if (!(*lint0 & APIC_LVT_REMOTE_IRR) || (*lint0 & APIC_VECTOR) != vector)
		return;
	*lint0 &= ~APIC_LVT_REMOTE_IRR;
	if (lapic->lint[0])
		fire_lvt(lapic, LVT_LINT0);
}

void lapic_eoi(struct lapic *lapic)
{
	struct vector_set *isr = &lapic->isr;
	unsigned word, number;

	if (!isr->summary)
		return;
	word = highest_bit(isr->summary);
	number = highest_bit(isr->word[word]);
	isr->word[word] ^= 1u << number;
	if (!isr->word[word])
		isr->summary ^= 1u << word;
	lower_ppr(lapic);
	if (unlikely(lapic->tmr[word] >> number & 1))
		end_level(lapic, word * 32 | number);
	if (unlikely(lapic->timer_owed))
		pay_tick(lapic);
}

void lapic_set_tpr(struct lapic *lapic, u8 tpr)
{
	lapic->tpr = tpr;
	lower_ppr(lapic);
}

/* ---- registers ---- */

static void write_lvt(struct lapic *lapic, enum lapic_lvt n, u32 value)
{
	u32 before = lapic->lvt[n];

	value &= lvt_rows[n].writable;
	if (!lapic_is_software_enabled(lapic))
		value |= APIC_LVT_MASKED;
	if (n == LVT_LINT0 && (value & APIC_LVT_LEVEL))
		value |= lapic->lvt[n] & APIC_LVT_REMOTE_IRR;
	lapic->lvt[n] = value;
	if (n == LVT_LINT0) {
		update_extint(lapic);
		if (lapic->lint[0] && (value & APIC_LVT_LEVEL))
			fire_lvt(lapic, n);
	}
	if (n == LVT_TIMER)
		lapic_timer_lvt_changed(lapic, before);
}

static void write_svr(struct lapic *lapic, u32 value)
{
	lapic->svr = value & SVR_WRITABLE;
	if (value & APIC_SVR_ENABLE)
		return;
	for (unsigned i = 0; i < NR_LVT; i++)
		lapic->lvt[i] |= APIC_LVT_MASKED;
	lapic->timer_owed = 0;
	update_extint(lapic);
}

static void send_fixed_to_self(struct lapic *lapic, u8 vector)
{
	if (vector < LOWEST_VECTOR)
		raise_error(lapic, APIC_ESR_SEND_ILLEGAL);
	else if (lapic_is_software_enabled(lapic))
		request(lapic, vector, false);
}

/* SDM vol. 3A, "Interrupt Command Register (ICR)": what no manual allows is not sent. */
static void send_ipi(struct lapic *lapic)
{
	u32 icr = lapic->icr, delivery = (icr & APIC_DELIVERY) >> APIC_DELIVERY_SHIFT;
	struct apic_message message = {
		.source = lapic->index, .shorthand = icr & APIC_ICR_SHORTHAND,
		.vector = icr & APIC_VECTOR, .delivery = delivery,
		.logical = icr & APIC_ICR_LOGICAL, .assert = true,
		.dest = lapic->icr_high,
	};

	if (!lapic_is_x2apic(lapic)) {
		message.dest >>= APIC_ICR_DEST_SHIFT;
		if (message.dest == BYTE)
			message.dest = APIC_BROADCAST;
	}
	if (delivery == APIC_INIT && (icr & APIC_ICR_LEVEL) && !(icr & APIC_ICR_ASSERT))
		return;		/* the "INIT level de-assert" of old: no effect */
	if (delivery > APIC_LOWEST && (message.shorthand == APIC_ICR_SELF ||
				       message.shorthand == APIC_ICR_ALL))
		return;
	if (delivery <= APIC_LOWEST && message.vector < LOWEST_VECTOR) {
		raise_error(lapic, APIC_ESR_SEND_ILLEGAL);
		return;
	}
	if (message.shorthand == APIC_ICR_SELF)
		send_fixed_to_self(lapic, message.vector);
	else
		lapic->ops->send(lapic->ctx, &message);
}

static bool is_lvt(u32 offset)
{
	return offset >= APIC_LVT_TIMER && offset <= APIC_LVT_ERROR;
}

/* Registers that xAPIC and x2APIC share; false = there's none at this offset. */
static bool read_register(const struct lapic *lapic, u32 offset, u64 now, u32 *value)
{
	if (offset >= APIC_ISR && offset < APIC_ESR) {
		const u32 *word = offset < APIC_TMR ? lapic->isr.word :
				  offset < APIC_IRR ? lapic->tmr : lapic->irr.word;

		*value = word[offset >> 4 & 7];
		return true;
	}
	if (is_lvt(offset)) {
		*value = lapic->lvt[(offset - APIC_LVT_TIMER) >> 4];
		return true;
	}
	switch (offset) {
	case APIC_ID:			*value = apic_id(lapic); break;
	case APIC_VERSION:		*value = VERSION; break;
	case APIC_TPR:			*value = lapic->tpr; break;
	case APIC_PPR:			*value = lapic->ppr; break;
	case APIC_LDR:			*value = logical_id(lapic); break;
	case APIC_SVR:			*value = lapic->svr; break;
	case APIC_ESR:			*value = lapic->esr; break;
	case APIC_ICR:			*value = lapic->icr; break;
	case APIC_TIMER_INITIAL:	*value = lapic->timer_initial; break;
	case APIC_TIMER_CURRENT:	*value = lapic_timer_current(lapic, now); break;
	case APIC_TIMER_DIVIDE:		*value = lapic->timer_divide; break;
	default:
		return false;
	}
	return true;
}

static bool is_read_only(u32 offset)
{
	return (offset >= APIC_ISR && offset < APIC_ESR) || offset == APIC_VERSION ||
	       offset == APIC_PPR || offset == APIC_TIMER_CURRENT;
}

/* Likewise for writing. Values were checked where the mode demands it. */
static bool write_register(struct lapic *lapic, u32 offset, u32 value, u64 now)
{
	if (is_lvt(offset)) {
		write_lvt(lapic, (offset - APIC_LVT_TIMER) >> 4, value);
		return true;
	}
	switch (offset) {
	case APIC_TPR:
		lapic_set_tpr(lapic, value);
		break;
	case APIC_EOI:
		lapic_eoi(lapic);
		break;
	case APIC_SVR:
		write_svr(lapic, value);
		break;
	case APIC_ESR:		/* a write makes what was gathered readable */
		lapic->esr = lapic->errors;
		lapic->errors = 0;
		break;
	case APIC_ICR:
		lapic->icr = value & ICR_WRITABLE;
		send_ipi(lapic);
		break;
	case APIC_TIMER_INITIAL:
		lapic_timer_start(lapic, value, now);
		break;
	case APIC_TIMER_DIVIDE:
		lapic_timer_divide(lapic, value, now);
		break;
	default:
		return false;
	}
	return true;
}

/* ---- xAPIC: the MMIO page ---- */

u64 lapic_read(struct lapic *lapic, u32 offset, unsigned size, u64 now)
{
	u32 reg = offset & ~15u, in_reg = offset & 15, value = 0;

	lapic_tick(lapic, now);
	if (in_reg >= 4)
		return 0;
	switch (reg) {
	case APIC_ICR_HIGH:
		value = lapic->icr_high;
		break;
	case APIC_DFR:
		value = lapic->dfr;
		break;
	case APIC_EOI:	/* write only */
	case APIC_APR:	/* not in processors of today */
	case APIC_RRD:
		break;
	default:
		if (!read_register(lapic, reg, now, &value))
			raise_error(lapic, APIC_ESR_REGISTER);
	}
	value >>= 8 * in_reg;
	return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

void lapic_write(struct lapic *lapic, u32 offset, unsigned size, u64 value, u64 now)
{
	lapic_tick(lapic, now);
	if (size < 4 || (offset & 15))
		return;
	switch (offset) {
	case APIC_ICR_HIGH:
		lapic->icr_high = value & BYTE << APIC_ICR_DEST_SHIFT;
		break;
	case APIC_LDR:
		lapic->ldr = value & BYTE << APIC_ICR_DEST_SHIFT;
		break;
	case APIC_DFR:
		lapic->dfr = value | DFR_FIXED;
		break;
	case APIC_ID:	/* read only, as in processors of today */
	case APIC_APR:
	case APIC_RRD:
		break;
	default:
		if (!is_read_only(offset) && !write_register(lapic, offset, value, now))
			raise_error(lapic, APIC_ESR_REGISTER);
	}
}

/* ---- x2APIC: the MSRs ---- */

/* The bits that WRMSR may set in a register; false = it can't be written. */
static bool x2apic_writable(u32 offset, u64 *bits)
{
	if (is_lvt(offset)) {
		const struct lvt_row *row = &lvt_rows[(offset - APIC_LVT_TIMER) >> 4];

		*bits = row->writable | row->read_only;
		return true;
	}
	switch (offset) {
	case APIC_TPR:
	case APIC_SELF_IPI:
		*bits = BYTE;
		break;
	case APIC_EOI:
	case APIC_ESR:
		*bits = 0;
		break;
	case APIC_SVR:
		*bits = SVR_WRITABLE;
		break;
	case APIC_ICR:
		*bits = BITS(63, 32) | ICR_WRITABLE | APIC_STATUS_PENDING;
		break;
	case APIC_TIMER_INITIAL:
		*bits = BITS(31, 0);
		break;
	case APIC_TIMER_DIVIDE:
		*bits = LAPIC_DIVIDE_WRITABLE;
		break;
	default:
		return false;
	}
	return true;
}

static bool read_x2apic(struct lapic *lapic, u32 offset, u64 now, u64 *value)
{
	u32 low;

	if (!lapic_is_x2apic(lapic) || !read_register(lapic, offset, now, &low))
		return false;
	*value = low;
	if (offset == APIC_ICR)
		*value |= (u64)lapic->icr_high << 32;
	return true;
}

static bool write_x2apic(struct lapic *lapic, u32 offset, u64 value, u64 now)
{
	u64 bits;

	if (!lapic_is_x2apic(lapic) || !x2apic_writable(offset, &bits) || (value & ~bits))
		return false;
	if (offset == APIC_SELF_IPI) {
		send_fixed_to_self(lapic, value);
		return true;
	}
	if (offset == APIC_ICR)
		lapic->icr_high = value >> 32;
	return write_register(lapic, offset, value, now);
}

/* SDM vol. 3A, "x2APIC State Transitions". */
static bool write_base(struct lapic *lapic, u64 value)
{
	u64 before = lapic->base;
	bool was_on = before & APIC_BASE_ENABLE, on = value & APIC_BASE_ENABLE;
	bool was_x2 = before & APIC_BASE_X2APIC, x2 = value & APIC_BASE_X2APIC;

	if (value & ~(APIC_BASE_ADDRESS | APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE))
		return false;
	if ((x2 && !on) || (was_x2 && on && !x2) || (!was_on && x2))
		return false;
	lapic->base = (value & ~APIC_BASE_BSP) | (before & APIC_BASE_BSP);
	if (was_on && !on)
		lapic_reset(lapic);
	if (!was_x2 && x2)
		lapic->icr_high = 0;
	update_page(lapic);
	update_extint(lapic);
	return true;
}

bool lapic_rdmsr(struct lapic *lapic, u32 msr, u64 now, u64 *value)
{
	lapic_tick(lapic, now);
	if (msr == APIC_MSR_BASE)
		*value = lapic->base;
	else if (msr == APIC_MSR_TSC_DEADLINE)
		*value = lapic->tsc_deadline;
	else if (msr >= APIC_MSR_X2APIC && msr <= APIC_MSR_X2APIC_LAST)
		return read_x2apic(lapic, (msr - APIC_MSR_X2APIC) << 4, now, value);
	else
		return false;
	return true;
}

bool lapic_wrmsr(struct lapic *lapic, u32 msr, u64 value, u64 now)
{
	lapic_tick(lapic, now);
	if (msr == APIC_MSR_BASE)
		return write_base(lapic, value);
	if (msr >= APIC_MSR_X2APIC && msr <= APIC_MSR_X2APIC_LAST)
		return write_x2apic(lapic, (msr - APIC_MSR_X2APIC) << 4, value, now);
	if (msr != APIC_MSR_TSC_DEADLINE)
		return false;
	lapic_timer_deadline(lapic, value);
	lapic_tick(lapic, now);
	return true;
}
