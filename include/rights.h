/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Access rights of a page, and kinds of access to it: one vocabulary for the memory slots, for
 * every page format, for the walker and for the mmu.
 */
#pragma once

#include "include/types.h"

#define RIGHT_R		1u	/* read */
#define RIGHT_W		2u	/* write */
#define RIGHT_XS	4u	/* execute as supervisor */
#define RIGHT_XU	8u	/* execute as user */
#define RIGHTS_ALL	15u
/* Only of page formats: reachable from user mode (U/S). Memory slots know the four above. */
#define RIGHT_U		16u

/* An access: the bits of a page fault's error code that say what was tried
 * (SDM vol. 3A, "Page-Fault Exceptions"), plus two of our own. */
#define ACCESS_READ	0u
#define ACCESS_WRITE	2u
#define ACCESS_USER	4u
#define ACCESS_FETCH	16u
/* A supervisor access that the CPU makes by itself (descriptor tables, TSS), whatever CPL is:
 * EFLAGS.AC doesn't lift SMAP for it. */
#define ACCESS_IMPLICIT	32u
/* EFLAGS.AC was set: lifts SMAP for a supervisor access that isn't implicit. */
#define ACCESS_AC	64u
