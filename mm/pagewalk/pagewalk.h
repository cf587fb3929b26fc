/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walker: translating by reading page tables that a guest owns, whatever their format, through
 * as many stages as there are. Owns no table and no guest memory; sets accessed and dirty flags in
 * the guest's entries. Never injects: it says what happened, and its caller acts.
 *
 * A vCPU has two: gva_walk (the CPU's own paging, of L1 or L2) and ngpa_walk (the nested tables
 * that L1 gave its L2). While L2 runs on nested tables, gva_walk.next = &ngpa_walk:
 *
 *   gva --gva_walk--> ngpa --ngpa_walk--> gpa          gva --gva_walk--> gpa
 *
 * Sources: SDM vol. 3A, "Paging"; vol. 3C, "The Extended Page Table Mechanism (EPT)"; APM vol. 2,
 * "Page Translation and Protection", "Nested Paging".
 */
#pragma once

#include "include/rights.h"
#include "include/types.h"
#include "mm/format/format.h"

enum walk_status {
	WALK_OK,
	WALK_PAGE_FAULT,	/* #PF: fault.error, fault.address */
	WALK_NESTED_FAULT,	/* EPT violation, misconfiguration, #NPF of fault.stage */
	WALK_NOT_CANONICAL,	/* the caller knows whether that is #GP or #SS */
	WALK_NOT_MEMORY,	/* there is none at gpa fault.address, where a table lies */
	WALK_BAD_PDPTE,		/* walk_load_pdptrs() only: #GP, or a failed nested entry */
	WALK_RETRY,		/* entries kept changing: let the guest try again */
};

/* Besides ACCESS_*: a look by the monitor, a report or a prefetch. Sets no accessed or dirty
 * flags. */
#define WALK_PEEK	0x100u

enum walk_exchange { EXCHANGE_DONE, EXCHANGE_LOST, EXCHANGE_NOT_MEMORY };

/* How a walk reaches what isn't its own. `bytes` is 4 or 8, addresses are aligned to it. */
struct walk_ops {
	/* CR3, EPTP or nCR3, as the guest wrote it. */
	u64 (*root)(void *ctx);
	/* PDPTE 0..3 as loaded into the CPU; never called where PDPTEs are read from memory. */
	u64 (*pdptr)(void *ctx, unsigned index);
	/* Called only where CR4.PKE matters to the access. */
	u32 (*pkru)(void *ctx);
	/* One load, not torn. False: no memory there. */
	bool (*read)(void *ctx, gpa_t at, unsigned bytes, u64 *value);
	/* An atomic compare-exchange. Memory that drops writes (ROM) says EXCHANGE_DONE. */
	enum walk_exchange (*exchange)(void *ctx, gpa_t at, unsigned bytes, u64 old, u64 new);
};

struct pagewalk {
	const struct page_format *format;
	const struct walk_ops *ops;
	void *ctx;			/* of ops */
	struct pagewalk *next;		/* translates this walk's physical addresses, or NULL */
	/* PAE: each walk reads PDPTEs in memory, as the CPU does on NPT. Bit 5 isn't reserved then. */
	bool pdptr_in_memory;
};

struct walk_step {
	u64 address;	/* of the entry, as this stage sees physical memory */
	gpa_t at;	/* of the entry, after all stages */
	u64 entry;	/* as it is in memory now: with the flags that the walk set */
};

struct walk_fault {
	const struct pagewalk *stage;	/* whose tables refused */
	u64 address;	/* what that stage was to translate */
	u32 error;	/* PF_ERR_*; of EPT: RSVD is a misconfiguration, I a fetch */
	u8 level;	/* where the walk ended */
	u8 rights;	/* granted by the entries read (EPT: qualification bits 5:3) */
	bool final;	/* false: the address is that of a table of the stage before */
};

struct walk_result {
	/* After WALK_OK. */
	gpa_t gpa;		/* of the byte asked for, after all stages */
	u64 output;		/* the same after this stage alone */
	u8 level;		/* of this stage's leaf, 1: 4 KiB; 0: no paging */
	u8 page_shift;		/* log2 of the largest aligned range that all stages map as one */
	u8 rights;		/* granted by this stage, RIGHT_U included */
	u8 next_rights;		/* granted by the next stages; all, if there are none */
	u8 pkey;
	bool dirty;		/* a write needs no dirty flag to be set any more */
	/* Always: the entries read, from the root; PDPTEs in CPU registers are none of them.
	 * With `staged` they alone don't prove that the translation still holds. */
	bool staged;
	u8 nr_steps;
	struct walk_step step[FMT_MAX_LEVELS];
	/* After a fault. */
	struct walk_fault fault;
};

/*
 * Translates `address` for `access` (ACCESS_*, WALK_PEEK; never ACCESS_USER with ACCESS_IMPLICIT).
 * Outside long mode the upper half of an address of the CPU's own paging is ignored. Each entry is
 * read once in a pass; a pass is repeated a few times if another CPU changed an entry. Accessed and
 * dirty flags are set last, when nothing can fail any more but memory that isn't there.
 */
enum walk_status walk_translate(struct pagewalk *w, u64 address, unsigned access,
				struct walk_result *r);

enum walk_target { WALK_TABLE, WALK_FINAL };

/*
 * The one way from a stage to the next: what the walk takes for physical becomes a gpa. All its
 * table reads and writes, PDPTR loads and final accesses take it. `access` is as the next stage is
 * to judge it. On failure r->fault is the next stage's; on success of a WALK_FINAL r's next_rights,
 * page_shift are narrowed to what that stage gives.
 */
enum walk_status walk_translate_next(struct pagewalk *w, u64 address, unsigned access,
				     enum walk_target target, struct walk_result *r, gpa_t *gpa);

/*
 * Reads the four PDPTEs that a load of CR3 finds (SDM vol. 3A, "PDPTE Registers") and checks the
 * reserved bits of the present ones by `format`, a PAE format: the mode that is to come.
 * pdptr[] is changed only with WALK_OK.
 */
enum walk_status walk_load_pdptrs(struct pagewalk *w, const struct page_format *format, u64 cr3,
				  u64 pdptr[4], struct walk_result *r);

/* Gives the walk the format for these registers. False: the set is full, the walk keeps what it
 * had. */
bool must_check walk_set_mode(struct pagewalk *w, struct format_set *set, u64 cr0, u64 cr4,
			      u64 efer, u32 cpu);
