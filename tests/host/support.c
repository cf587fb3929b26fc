/* SPDX-License-Identifier: MIT */
/* What the pure rooms need from their surroundings, for the host tests. */
#include "include/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *expression, const char *file, int line)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
	abort();
}
