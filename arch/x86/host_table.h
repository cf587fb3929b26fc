/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Building the 4-level page table that the hypervisor itself runs on: pure arithmetic on tables in
 * memory, compiled into host tests too. Guests' tables are mm/'s.
 */
#pragma once

#include "include/types.h"

/* What a mapping allows and how it is cached. Readable always; nothing is ever user-accessible. */
#define HOST_W		0x01u
#define HOST_X		0x02u
#define HOST_UC		0x04u	/* uncached; neither: write-back */
#define HOST_WC		0x08u	/* write-combining */
#define HOST_KEEP	0x10u	/* what is mapped already stays as it is */
#define HOST_LOCAL	0x20u	/* not global: gone from the TLB with a write to CR3 */

/* The PAT that the cache bits of the entries are chosen for: index 1 (PWT) is write-combining, the
 * rest is as after reset (SDM vol. 3A, "Page Attribute Table"). */
#define HOST_PAT	0x0007040600070106ull

struct host_table {
	hpa_t root;
	bool has_nx;		/* the CPU has EFER.NXE */
	bool has_1g;		/* the CPU has 1 GiB pages */
	/* One zeroed page for a table; HPA(0): there is none. */
	hpa_t (*allocate)(void *context);
	/* The pointer to a page that `allocate` gave. */
	u64 *(*pointer)(void *context, hpa_t table);
	void *context;
};

/* Maps [virt, virt + size) to [phys, phys + size) with HOST_* `flags`, in the largest pages that
 * fit. All three are page-aligned. What was mapped there before is replaced (the TLB is the
 * caller's business), larger pages are split. False: no memory for a table; some of it may be
 * mapped then. */
bool must_check host_table_map(struct host_table *t, u64 virt, hpa_t phys, u64 size,
			       unsigned flags);

/* Removes the 4 KiB mapping at `virt`. False: no memory to split a larger page. */
bool must_check host_table_unmap(struct host_table *t, u64 virt);

/* Where `virt` is mapped to; false: nowhere. */
bool host_table_lookup(const struct host_table *t, u64 virt, hpa_t *phys);
