/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a guest's memory is, as its kernel is told:
 *
 *  0       640K   768K   896K      1M            min(mem, 3G)      4G            mem + 1G
 *  |  RAM   | hole | ROMs | tables | RAM              |   devices   | RAM (if > 3G)  |
 *
 * The part from 640K to 1M counts as part of `mem`, as on a PC. Where ROMs of adapters would be
 * there is read-only memory of all ones: kernels look for ROMs there byte by byte.
 */
#pragma once

#include "include/types.h"

#define MEMORY_MAP_MAX		4
#define MEMORY_LOW_END		KIB(640)
#define MEMORY_ROMS		KIB(768)
#define MEMORY_TABLES		KIB(896)	/* ACPI tables: read-only memory up to 1 MiB */
#define MEMORY_HIGH_BASE	MIB(1)
#define MEMORY_GAP		GIB(3)
#define MEMORY_GAP_END		GIB(4)
#define MEMORY_IDENTITY_MAP	0xfeffc000ull	/* among the devices: a read-only page, where the CPU needs one */

/* The values of e820 and of multiboot. */
enum memory_kind { MEMORY_RAM = 1, MEMORY_RESERVED = 2 };

struct memory_range {
	u64 base, size;	/* guest physical, in bytes */
	enum memory_kind kind;
};

/* Fills `map`, sorted, for `mem` bytes (at least 1 MiB) and returns the number of ranges. */
unsigned memory_map(u64 mem, struct memory_range map[MEMORY_MAP_MAX]);

/* Where the RAM under 4 GiB ends. */
static inline u64 memory_low_top(u64 mem)
{
	return MIN(mem, MEMORY_GAP);
}
