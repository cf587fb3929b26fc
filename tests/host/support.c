/* SPDX-License-Identifier: MIT */
/* What the pure rooms need from their surroundings, for the host tests. */
#include "include/assert.h"
#include "lib/lock_order.h"

#include <stdio.h>
#include <stdlib.h>

/* Each thread is a CPU (lib/lock_order.h). */
struct lock_order *lock_order_here(void)
{
	static _Thread_local struct lock_order here;

	return &here;
}

void assert_failed(const char *expression, const char *file, int line)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
	abort();
}
