/* SPDX-License-Identifier: MIT */
/* What both halves of the bench share: a row, and how it is measured and printed. */
#pragma once

#include "guests/lib/guest.h"

#define BENCH_SAMPLES	65	/* an odd number, and the most */

struct row {
	const char *name;
	u32 (*sample)(word a, word b);	/* ticks, those of an empty pair of RDTSC included */
	word a, b;
	word step;		/* added to a after each sample */
	unsigned samples;	/* an odd number; 0: BENCH_SAMPLES */
	unsigned per;		/* how many operations a sample is; 0: 1 */
	bool absolute;		/* no pair of RDTSC is to be taken off */
};

/* Prints the median. */
void report(const struct row *r);

/* The two halves' common ground: the rows that work on page tables of the guest's own; and a fault
 * at CPL 3 on an address that isn't mapped, whose handler goes on behind the two bytes. */
void report_paging(void);
void report_user_fault(word not_mapped);

/* The TSC's low half. */
static inline u32 ticks(void)
{
	u32 low;

	__asm__ volatile("rdtsc" : "=a"(low) :: "rdx", "memory");
	return low;
}

/* The operation may use a in RDI, b in RSI, and any register but those and R15. */
#define ROW(name, op) \
	static u32 name(word a, word b) \
	{ \
		u32 taken; \
		__asm__ volatile("rdtsc; mov %%eax, %%r15d;" op "; rdtsc; sub %%r15d, %%eax" \
				 : "=a"(taken) : "D"(a), "S"(b) \
				 : "rbx", "rcx", "rdx", "r8", "r15", "cc", "memory"); \
		return taken; \
	}
