/* SPDX-License-Identifier: GPL-2.0-only */
/* The early page tables of entry.S, for the one thing that may lie outside the 4 GiB that they map.
 */
#pragma once

#include "include/types.h"

/* Maps the GiB around [at, at + size), uncached, into the direct map. Once. NULL: it crosses the
 * end of that GiB, or lies above DIRECT_MAP_LIMIT; else its pointer. */
void *early_map(hpa_t at, u64 size);
