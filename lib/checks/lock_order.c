/* SPDX-License-Identifier: GPL-2.0-only */
/* The checks of lib/lock_order.h. A part of the host tests and of an image with CHECKS=1 only. */
#include "lib/lock_order.h"

#include "include/assert.h"

void lock_order_take(enum lock_rank rank)
{
	struct lock_order *here = lock_order_here();

	assert(here->off || (rank != RANK_NONE && !(here->held >> rank)));
	here->held |= 1u << rank;
}

void lock_order_leave(enum lock_rank rank)
{
	struct lock_order *here = lock_order_here();

	assert(here->off || (here->held >> rank & 1));
	here->held &= ~(1u << rank);
}

void lock_order_none(void)
{
	const struct lock_order *here = lock_order_here();

	assert(here->off || !here->held);
}

void lock_order_off(void)
{
	lock_order_here()->off = true;
}
