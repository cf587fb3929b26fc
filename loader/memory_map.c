/* SPDX-License-Identifier: GPL-2.0-only */
/* Owns the layout of a guest's physical memory. Does not own the memory: that is mm/slots. */
#include "loader/memory_map.h"

unsigned memory_map(u64 mem, struct memory_range map[MEMORY_MAP_MAX])
{
	unsigned nr = 0;

	map[nr++] = (struct memory_range){ 0, MEMORY_LOW_END, MEMORY_RAM };
	map[nr++] = (struct memory_range){
		MEMORY_TABLES, MEMORY_HIGH_BASE - MEMORY_TABLES, MEMORY_RESERVED
	};
	if (mem > MEMORY_HIGH_BASE)
		map[nr++] = (struct memory_range){
			MEMORY_HIGH_BASE, memory_low_top(mem) - MEMORY_HIGH_BASE, MEMORY_RAM
		};
	if (mem > MEMORY_GAP)
		map[nr++] = (struct memory_range){ MEMORY_GAP_END, mem - MEMORY_GAP, MEMORY_RAM };
	return nr;
}
