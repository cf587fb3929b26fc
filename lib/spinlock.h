/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A lock that is waited for by looking. Interrupts are the caller's business: Plinth runs with
 * interrupts off outside its idle loop and its interrupt windows.
 *
 * It is not fair, on purpose: Plinth's CPUs may be threads of an emulator that has fewer cores than
 * they are. A queue would then hand the lock to a thread that doesn't run, and all others would wait
 * for that one's turn on a core, once for each place in the queue. Whoever looks first has it.
 */
#pragma once

#include "include/types.h"
#include "lib/lock_order.h"

struct spinlock {
	u32 held;
	u32 rank;	/* enum lock_rank */
};

/* What every lock begins as. */
#define SPINLOCK(its_rank) ((struct spinlock){ .rank = (its_rank) })

static inline void spin_lock(struct spinlock *lock)
{
	lock_order_take(lock->rank);
	while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
}

static inline void spin_unlock(struct spinlock *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
	lock_order_leave(lock->rank);
}
