/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frame allocator: contiguous runs of host page frames, first fit from a sorted table of free
 * ranges. Guests' RAM, page tables, stacks and control blocks all come from here.
 */
#pragma once

#include "include/types.h"
#include "lib/spinlock.h"

#define FRAMES_MAX_RANGES 1024

struct frames {
	struct spinlock lock;
	u64 virt_offset;	/* a frame's host virtual address is its hpa + virt_offset */
	unsigned nr;
	struct { u64 base, size; } free[FRAMES_MAX_RANGES];	/* sorted, disjoint, whole pages */
	u64 parked;		/* hpa of the first run that found no row; it links the next */
	u64 parked_bytes;
	u64 fail_in;		/* frames_fail() */
};

/* Empties `f`. `virt_offset` is what turns an hpa into a pointer. */
void frames_init(struct frames *f, u64 virt_offset);

/* Gives the allocator the whole pages inside [base, base + size). Page 0 is never given out.
 * Overlaps with what is already free are merged; less than a page is nothing to give, and true.
 * False: the table is full, the range is not used. */
bool frames_add(struct frames *f, hpa_t base, u64 size);

/* Takes [base, base + size), rounded outwards to pages, out of the free ranges (whether or not
 * it is in them): the image, the modules, firmware's own. To be done before the first
 * frames_free().
 * False: the table is full, nothing is changed. */
bool must_check frames_reserve(struct frames *f, hpa_t base, u64 size);

/* `count` contiguous frames, the first aligned to `align` bytes (a power of two, at least a
 * page) and the last ending at or below `limit` (0: no limit). The lowest that fit. Not zeroed.
 * HPA(0): there are none. */
hpa_t must_check frames_alloc(struct frames *f, u64 count, u64 align, u64 limit);

/* For tests: the n-th frames_alloc() from now fails, whatever there is; 0: none. Returns how many
 * were still to come until the failure asked for before; 0: it has happened, or none was asked. */
u64 frames_fail(struct frames *f, u64 n);

/* Gives back `count` frames from `base` that were allocated (all, or a part of what one call gave).
 * Never fails: where the table has no row, the run waits in a list that lies in the free frames
 * themselves, so they must be mapped at virt_offset. */
void frames_free(struct frames *f, hpa_t base, u64 count);

/* Bytes free in all. */
u64 frames_available(struct frames *f);

static inline void *frames_pointer(const struct frames *f, hpa_t at)
{
	return (void *)(at.v + f->virt_offset);
}
