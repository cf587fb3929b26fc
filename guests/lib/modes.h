/* SPDX-License-Identifier: MIT */
/* Switching the paging mode of a 64-bit kernel at run time, by way of protected mode without
 * paging (SDM vol. 3A, "Switching Out of IA-32e Mode Operation"). */
#pragma once

#include "guests/lib/guest.h"

#define CR0_PG		0x80000000u
#define CR4_PSE		0x10u
#define CR4_PAE		0x20u
#define CR4_PGE		0x80u
#define CR4_LA57	0x1000u
#define EFER		0xc0000080u
#define EFER_LME	0x100u
#define EFER_NXE	0x800u

/* Read by 32-bit code: below 4 GiB, as all of a kernel is. */
struct paging_mode {
	u32 cr0, cr3, cr4;
	u32 efer;		/* LME and NXE */
	u32 run;		/* the address of what is to run in that mode */
	u32 is_64;		/* it is 64-bit code; else 32-bit */
};

/* Goes into the mode, calls m->run, and comes back. All of the kernel must be mapped one to one
 * there. No interrupts, and exceptions in 64-bit code alone. */
void run_in_mode(const struct paging_mode *m);
