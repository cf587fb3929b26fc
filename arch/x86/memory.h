/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's physical memory: which of it is free to give out. */
#pragma once

#include "include/bootinfo.h"
#include "mm/frames.h"

/* All free RAM of the machine that the direct map can reach. */
extern struct frames host_frames;

/* Fills host_frames from the boot loader's memory map, without the first MiB, the image, the
 * modules and what firmware keeps. False: the map has more pieces than the table takes, or no RAM
 * at all. */
bool must_check host_frames_init(const struct boot_info *boot);

/* `count` contiguous pages below `limit` (0: anywhere), each byte `fill`: their host physical
 * address. 0: no memory. */
u64 must_check host_take_pages(unsigned count, u8 fill, u64 limit);

/* A page of RAM below 640 KiB that was kept for the start of the other CPUs. HPA(0): there is none.
 */
hpa_t host_trampoline_page(void);
