/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's ACPI tables: RSDP, RSDT, XSDT, FADT, FACS, DSDT and MADT, describing what board.h has
 * (ACPI Specification 6.5, chapter 5). Owns nothing: it fills a buffer.
 */
#pragma once

#include "include/types.h"

#define ACPI_TABLES_SIZE	KIB(8)	/* enough for ACPI_MAX_CPUS */
#define ACPI_MAX_CPUS		255u

/*
 * Build the tables for `nr_cpus` (1 to ACPI_MAX_CPUS) into `buffer`, which the guest will see at
 * `at` (a multiple of 64 below 4 GiB; firmware's place for it is 0xe0000-0xfffff). The RSDP comes
 * first. Returns the bytes used, or 0 if `size` or an argument doesn't fit.
 */
size_t acpi_build(u8 *buffer, size_t size, gpa_t at, unsigned nr_cpus);
