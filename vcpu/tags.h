/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TLB tags of one host CPU (ASIDs, VPIDs), given out in turn. When they run out, all are given out
 * anew: a new generation, in which each first use of a tag must flush it. Tag 0 is the host's.
 */
#pragma once

#include "include/types.h"

struct tag_pool {
	u32 next;
	u64 generation;
};

/* A tag that a context holds. */
struct tag {
	u32 value;
	unsigned cpu;
	u64 generation;	/* 0: none yet */
};

static inline void tags_init(struct tag_pool *pool)
{
	*pool = (struct tag_pool){ .next = 1, .generation = 1 };
}

/* Sees to it that `tag` is one of `pool`, which is that of CPU `cpu` and has `count` tags, the
 * host's included. True: it is another than before, and translations under it are to be
 * forgotten. */
static inline bool tags_take(struct tag_pool *pool, u32 count, unsigned cpu, struct tag *tag)
{
	if (tag->cpu == cpu && tag->generation == pool->generation)
		return false;
	if (pool->next >= count) {
		pool->next = 1;
		pool->generation++;
	}
	*tag = (struct tag){ pool->next++, cpu, pool->generation };
	return true;
}
