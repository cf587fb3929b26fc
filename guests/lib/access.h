/* SPDX-License-Identifier: MIT */
/* Single accesses to memory, and how they end: for kernels about paging, of either width. */
#pragma once

#include "guests/lib/guest.h"

#define PF	14	/* the page fault */
#define RET	0xc3	/* what write_at() leaves behind, so that fetch_at() comes back */

static inline void read_at(void *at)
{
	(void)*(volatile u8 *)at;
}

static inline void write_at(void *at)
{
	*(volatile u8 *)at = RET;
}

static inline void fetch_at(void *at)
{
	__asm__ volatile("call *%0" :: "r"(at) : "memory", "cc", "ax");
}

/* The exception of one access at `at`, as fault() writes it; 0: there was none. */
static inline u64 try(void (*access)(void *), word at)
{
	return guest_try(access, (void *)at) ? trap.vector << 32 | trap.error : 0;
}

/* A page fault with this error code. */
static inline u64 fault(u64 error)
{
	return (u64)PF << 32 | error;
}
