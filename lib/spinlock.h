/* SPDX-License-Identifier: GPL-2.0-only */
/* A ticket lock: fair, and small enough for every struct. Interrupts are the caller's business:
 * Plinth runs with interrupts off outside its idle loop and its interrupt windows. */
#pragma once

#include "include/types.h"

struct spinlock {
	u32 next, serving;
};

static inline void spin_lock(struct spinlock *lock)
{
	u32 mine = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != mine)
		__builtin_ia32_pause();
}

static inline void spin_unlock(struct spinlock *lock)
{
	__atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}
