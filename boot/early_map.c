/* SPDX-License-Identifier: GPL-2.0-only */
/* A framebuffer above 4 GiB must be reached before the final page tables hold: the first line comes
 * first. */
#include "boot/early_map.h"

#include "arch/x86/layout.h"

#define ENTRIES		512
#define PTE_TABLE	0x3ull		/* present, writable */
#define PTE_UNCACHED	0x9bull		/* and PWT, PCD, large */
#define GIB_SHIFT	30
#define SLOT_SHIFT	39		/* of an entry of the highest table */

extern u64 early_pml4[ENTRIES], early_pdpt[ENTRIES];

static u64 more_pdpt[ENTRIES] aligned_to(4096), more_pd[ENTRIES] aligned_to(4096);

static u64 entry_for(const void *table)
{
	return ((u64)table - IMAGE_OFFSET) | PTE_TABLE;
}

void *early_map(hpa_t at, u64 size)
{
	u64 start = ALIGN_DOWN(at.v, GIB(1)), virt = DIRECT_MAP + at.v;
	u64 *slot = &early_pml4[virt >> SLOT_SHIFT & (ENTRIES - 1)], *pdpt = early_pdpt;

	if (at.v >= DIRECT_MAP_LIMIT || size > start + GIB(1) - at.v)
		return NULL;
	for (u64 i = 0; i < ENTRIES; i++)
		more_pd[i] = (start + i * MIB(2)) | PTE_UNCACHED;
	if (!*slot) {
		pdpt = more_pdpt;
		*slot = entry_for(more_pdpt);
	}
	pdpt[start >> GIB_SHIFT & (ENTRIES - 1)] = entry_for(more_pd);
	return (void *)virt;
}
