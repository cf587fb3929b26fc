/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In which order locks are taken: each has a rank, and a CPU that holds one takes only locks of
 * higher ranks. So no two CPUs can wait for each other. Checked in the host tests and in an image
 * built with CHECKS=1; else all of this is nothing. docs/vcpu.md ("Locks") has the reasons.
 */
#pragma once

#include "include/types.h"

enum lock_rank {
	RANK_NONE,	/* of a lock that nobody has initialised */
	RANK_INPUT,	/* bytes typed for a guest (vcpu/vm.h) */
	RANK_BOARD,	/* a guest's devices */
	RANK_MMU,	/* a guest's page tables */
	RANK_FORMATS,	/* a guest's compiled formats */
	RANK_PAGING,	/* Plinth's own page tables */
	RANK_FRAMES,	/* the host's memory */
	RANK_LINE,	/* the line that a guest is writing */
	RANK_CONSOLE,	/* all text: may be taken anywhere, and nothing inside it */
};

/* What one CPU holds. */
struct lock_order {
	u32 held;	/* a bit for each rank */
	bool off;	/* a panic goes on, whatever is held */
};

#ifdef LOCK_CHECKS
/* The calling CPU is about to take a lock, or has given it back. */
void lock_order_take(enum lock_rank rank);
void lock_order_leave(enum lock_rank rank);
/* It is about to wait for others, or to enter a guest: it must hold none. */
void lock_order_none(void);
/* No more checks on this CPU. */
void lock_order_off(void);
/* The calling CPU's own: whoever knows CPUs has it (arch/x86, tests/host). */
struct lock_order *lock_order_here(void);
#else
static inline void lock_order_take(enum lock_rank rank) { }
static inline void lock_order_leave(enum lock_rank rank) { }
static inline void lock_order_none(void) { }
static inline void lock_order_off(void) { }
#endif
