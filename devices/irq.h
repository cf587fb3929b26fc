/* SPDX-License-Identifier: GPL-2.0-only */
/* The interrupt line that leaves a device: who listens, and the line's number there. */
#pragma once

#include "include/types.h"

struct irq_out {
	void (*set)(void *ctx, unsigned line, bool level);
	void *ctx;
	unsigned line;
};

/* Drive the line; the listener finds edges itself. */
static inline void irq_set(const struct irq_out *out, bool level)
{
	out->set(out->ctx, out->line, level);
}
