/* SPDX-License-Identifier: MIT */
/*
 * Enumerations of paging: entries, modes and accesses combined, carried out by the CPU and compared
 * with the model. A front end (guests/access*.c) owns the tables and the modes.
 *
 * access_kinds.c makes the accesses, accesses.c enumerates them.
 */
#pragma once

#include "guests/lib/access_model.h"
#include "guests/lib/guest.h"

#ifdef __x86_64__
#define DI "rdi"
#define SI "rsi"
#define SP "rsp"
#else
#define DI "edi"
#define SI "esi"
#define SP "esp"
#endif

/* One page of the window, and the entries that lead to it. Where its first byte is mapped from is
 * the data page. */
struct access_layout {
	const char *name;
	unsigned leaf;			/* level that maps it: 1, 2 or 3 */
	word at;			/* linear address of the data page */
	void *entry[6];			/* by level; NULL: the level doesn't exist, or has no rights */
	u64 address[6];			/* what each entry holds beside flags */
};

/* Who translates: the CPU, or what stands in for it where string I/O is intercepted. */
enum access_walker { BY_CPU, BY_STRING_IO, NR_WALKERS };

struct access_kind {
	const char *name;
	enum access_walker walker;
	struct access access;		/* without pkru */
	bool locked;			/* a read-modify-write */
	bool then_write;		/* the access again, as a write, if it came through */
	u16 offset;			/* of the byte in the page */
	u64 prepare;			/* put there before, if not 0 */
	void (*perform)(void *at);	/* a supervisor's */
	const char *user;		/* or code for CPL 3 in the page user_code_page[] */
};

extern const struct access_kind access_kinds[];
extern const unsigned nr_access_kinds;

/* Code for CPL 3, one page; access_user_code is where that page and access_user_stack the top of
 * where a stack is mapped for users: set by the front end. */
extern const char user_code_page[];
extern word access_user_code, access_user_stack;

/* Has a GDT of its own with everything that CPL 3 needs, in kernels of either width. */
void access_setup(void);
/* LDTR's base. */
void access_set_ldt(word base);

struct access_front {
	const struct access_layout *layouts;
	unsigned nr_layouts;
	unsigned levels;
	u64 table_reserved, leaf_reserved[4];	/* one reserved bit; by level of the leaf; 0: none */
	bool has_pse;				/* the mode has CR4.PSE as a choice */
	void (*set_mode)(const struct access_mode *m);
	u8 *page;				/* the data page */
};

/* All groups of a front end: two TAP points each (as the model says; a checksum of all results).
 * Ends the guest at once after the tenth case that isn't as the model says. */
void access_enumerate(const struct access_front *front);
