/* SPDX-License-Identifier: GPL-2.0-only */
/* The hypervisor's own image: where its parts lie (linker.ld), its build id and its symbols. */
#pragma once

#include "include/types.h"

/* Borders of its parts, at their final (high) addresses, each on a page border: [text_start,
 * text_end) is code; rodata and symbols are read-only; data, with .bss, is written to. */
extern const char image_start[], text_start[], text_end[], rodata_start[], rodata_end[];
extern const char data_start[], data_end[], symbols_start[], symbols_end[], image_end[];

/* Where it is loaded, the early boot code included, and how many bytes it takes. */
hpa_t image_physical_base(void);
u64 image_size(void);

/* The linker's build id in hexadecimal, or "unknown". */
const char *image_build_id(void);

/* The function that `address` lies in, or NULL; `*offset` is the distance from its start in bytes.
 */
const char *image_symbol(u64 address, u64 *offset);
