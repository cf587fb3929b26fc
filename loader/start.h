/* SPDX-License-Identifier: GPL-2.0-only */
/* The state in which a guest's first CPU starts, in the neutral form. What is not here has the
 * value that a reset gives it. */
#pragma once

#include "include/x86/segment.h"

struct guest_start {
	const char *protocol;	/* by which the kernel was loaded, for people */
	u64 gpr[NR_GPRS];
	u64 rip, rflags;
	u64 cr0, cr3, cr4, efer;
	struct segment segment[NR_SEGMENTS];
	struct table gdtr, idtr;
};
