/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page tables that the hypervisor runs on (host_table.h has the flags). No page is both
 * writable and executable; only the image's text, and one page for the start of other CPUs, is
 * executable.
 */
#pragma once

#include "arch/x86/host_table.h"
#include "include/bootinfo.h"
#include "include/types.h"

/* Builds the tables, from host_frames, and changes to them. The console's screen is write-combining
 * in the direct map, at the address that it has in the boot code's. False: not enough memory. */
bool must_check paging_init(const struct boot_info *boot);

/* Puts this CPU's control registers, EFER and PAT into the state that all CPUs run in: WP, NX,
 * global pages, and SMEP, SMAP, UMIP, OSXSAVE where the CPU has them. */
void paging_setup_cpu(void);

/* Adds a mapping for all CPUs; arguments as host_table_map(). Where larger pages must be split or
 * mappings are replaced, only this CPU's TLB is flushed. False: no memory. */
bool must_check paging_map(u64 virt, hpa_t phys, u64 size, unsigned flags);

/* Maps device memory, uncached, where it isn't mapped yet, and gives its pointer, which is
 * phys_to_virt(at). NULL: out of the direct map's reach, or no memory for tables. */
void *must_check map_mmio(hpa_t at, u64 size);

/* The same for what firmware left in memory, ACPI tables above all: cached, read-only unless it is
 * RAM. */
const void *must_check map_firmware(hpa_t at, u64 size);
