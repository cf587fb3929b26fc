/* SPDX-License-Identifier: MIT */
/* In place of arch/x86/vmx/vmcs.h: the current VMCS is an array, and each access is counted. */
#pragma once

#include "include/types.h"
#include "include/x86/vmx.h"

#include <stdio.h>
#include <stdlib.h>

#define FAKE_FIELDS	0x8000

static u64 vmcs[FAKE_FIELDS];
static unsigned vmcs_reads, vmcs_writes;
static unsigned reads_of[FAKE_FIELDS], writes_of[FAKE_FIELDS];

/* SDM vol. 3C, "Field Encoding": bits 14:13 are the width; vol. 3D, appendix B. */
static inline unsigned fake_bits(u32 field)
{
	static const unsigned bits[] = { 16, 64, 32, 64 };

	return bits[field >> 13 & 3];
}

static inline u64 vmcs_read(u32 field)
{
	vmcs_reads++;
	reads_of[field]++;
	return vmcs[field];
}

/* Stricter than the CPU, which drops what a field has no room for. Fields of type 1 (bits 11:10) can
 * only be read. */
static inline void vmcs_write(u32 field, u64 value)
{
	if ((field >> 10 & 3) == 1 || (fake_bits(field) < 64 && value >> fake_bits(field))) {
		fprintf(stderr, "VMWRITE of %#llx to field %#x\n", (unsigned long long)value, field);
		abort();
	}
	vmcs_writes++;
	writes_of[field]++;
	vmcs[field] = value;
}
