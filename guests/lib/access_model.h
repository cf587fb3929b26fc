/* SPDX-License-Identifier: MIT */
/*
 * What paging does with one access, written from the sentences of SDM vol. 3A ("Determination of
 * Access Rights", "Page-Fault Exceptions", "Accessed and Dirty Flags", "Reserved Bits") for the
 * guests' enumerations, and for host tests. Shares nothing with Plinth's own walker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bits of an entry. */
#define AM_P	0x01ull
#define AM_W	0x02ull
#define AM_U	0x04ull
#define AM_A	0x20ull
#define AM_D	0x40ull
#define AM_PS	0x80ull
#define AM_XD	(1ull << 63)

/* Bits of an error code (SDM vol. 3A, "Page-Fault Error Code"). */
#define AM_ERR_P	0x01u
#define AM_ERR_W	0x02u
#define AM_ERR_U	0x04u
#define AM_ERR_RSVD	0x08u
#define AM_ERR_I	0x10u
#define AM_ERR_PK	0x20u

struct access_mode {
	uint8_t levels;		/* 2: 32-bit paging, 3: PAE, 4, 5 */
	uint8_t maxphyaddr;
	bool wp, smep, smap, pke, nxe;
	bool pse;		/* counts in 32-bit paging alone */
	bool gib;		/* pages of 1 GiB exist */
};

struct access {
	bool write, fetch;
	bool user;		/* made in user mode, that is at CPL 3 and not implicit */
	bool implicit;		/* of a system structure: a supervisor's at any CPL */
	bool ac;		/* EFLAGS.AC */
	uint32_t pkru;
};

/* The entries that a walk meets, by level; [0] isn't used. PAE's PDPTE is [3], and is taken for
 * loaded and good. */
struct access_path {
	uint64_t entry[6];
};

struct access_result {
	bool faults;
	uint32_t error;
	unsigned level;		/* where the walk ended */
	/* Levels (as bits) whose accessed flag the manual leaves open: those above the entry at
	 * which a walk failed were used, and may have been marked or not. */
	unsigned open;
};

/* Carries the access out: fills in the result, and sets flags in the path. */
struct access_result access_model(const struct access_mode *m, const struct access *a,
				  struct access_path *p);

/* The bits that are reserved in a present entry of this level; `leaf`: it maps a page. */
uint64_t access_reserved(const struct access_mode *m, unsigned level, bool leaf);

/* Does a present entry map a page? */
bool access_is_leaf(const struct access_mode *m, unsigned level, uint64_t entry);
