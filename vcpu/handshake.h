/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the vCPUs of a guest, each on a CPU of its own, get each other's attention: requests and
 * kicks, flushes that are acknowledged, and pausing all others. Nothing of it takes a lock.
 *
 * One rule carries all of it: whoever depends on another stores first and looks afterwards, both
 * with sequential consistency, so that of two who do so at once at least one sees the other.
 *
 *	who asks                          the vCPU
 *	------------------------------    ------------------------------------------
 *	set a bit in `requests`           place = GUEST (or PARKED)
 *	look at `place`: GUEST, PARKED:   look at `requests`: any: place = PLINTH,
 *	    interrupt its CPU                 carry them out; none: enter (or wait)
 *
 * So either the vCPU sees the bit, or it is seen where it needs an interrupt. That interrupt can't
 * come too early: interrupts are off from the store to the entry (or to the HLT), and both let it in.
 */
#pragma once

#include "lib/lock_order.h"
#include "vcpu/vcpu.h"

struct vm;

/* Before an entry, with interrupts off. True: nothing was asked, enter. False: carry out requests. */
static inline bool must_check handshake_enter(struct vcpu *v)
{
	lock_order_none();
	__atomic_store_n(&v->place, PLACE_GUEST, __ATOMIC_SEQ_CST);
	if (likely(!__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST)))
		return true;
	__atomic_store_n(&v->place, PLACE_PLINTH, __ATOMIC_RELEASE);
	return false;
}

/* After the exit. */
static inline void handshake_exit(struct vcpu *v)
{
	__atomic_store_n(&v->place, PLACE_PLINTH, __ATOMIC_RELEASE);
}

/* The vCPU starts to be run: until then, and after handshake_stop(), it is parked. */
void handshake_start(struct vcpu *v);
void handshake_stop(struct vcpu *v);

/* Waits until somebody has asked for something, or an interrupt has come in: the one place where a
 * vCPU's CPU idles. */
void handshake_wait(struct vcpu *v);

/* The vCPU's own side of REQUEST_FLUSH: forgets its translations and acknowledges. */
void handshake_flush(struct vcpu *v);

/* REQUEST_PAUSE: parks until whoever paused resumes. */
void handshake_pause(struct vcpu *v);

/* What the mmu asks for (mmu_ops.flush, with struct vm as context). */
bool handshake_mmu_flush(void *vm, u64 epoch);

/* --- What these need of the CPU (vcpu/run.c; a test has its own) --- */

/* Interrupts the CPU of `v`, unless it is the caller's. */
void handshake_interrupt(struct vcpu *v);

/* Lets this CPU, which runs `v`, wait for an interrupt and take it; one that came in before counts. */
void handshake_sleep(struct vcpu *v);
