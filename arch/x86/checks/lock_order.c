/* SPDX-License-Identifier: GPL-2.0-only */
/* Which locks each CPU holds: a part of an image with CHECKS=1 only (lib/lock_order.h). */
#include "lib/lock_order.h"

#include "arch/x86/percpu.h"

static struct lock_order orders[MAX_CPUS], early;

/* Before the first CPU is on its own stack there is but one. */
struct lock_order *lock_order_here(void)
{
	return has_this_cpu() ? &orders[this_cpu()->index] : &early;
}
