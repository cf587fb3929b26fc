/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mmu: builds the page tables that the CPU uses to run a guest. Owns the table pages of a VM
 * (its pool, their hash, their lock) and each vCPU's view of them; knows formats and memory slots,
 * but no vCPU and no vendor. The tables are a cache: they may be dropped at any moment and are
 * filled again by faults. So nothing of a guest's state is here, and running out of memory means
 * dropping them all. What a view is built from is its source: the memory slots alone (direct), or
 * a walk of the guest's own tables.
 */
#pragma once

#include "include/rights.h"
#include "include/types.h"
#include "lib/spinlock.h"
#include "mm/format/format.h"
#include "mm/frames.h"
#include "mm/slots.h"

struct pagewalk;

/*
 * Everything that two table pages of one gfn may differ in. With the gfn it is the key of the page
 * cache: a page is used again only where both are equal, compared whole. Nothing that changes
 * during the life of a page is in it.
 */
union mmu_role {
	u64 word;
	struct {
		u64 level : 3;		/* 1: its entries map 4 KiB pages */
		u64 format : 2;		/* the host format, by its index in mmu_vm */
		u64 direct : 1;		/* built from the slots; the bits from `source` on are 0 */
		u64 rights : 5;		/* granted on the way here */
		u64 source : 3;		/* enum fmt_kind of the guest's tables */
		u64 quadrant : 2;	/* FMT_32: which part of the guest's (larger) table */
		u64 nx : 1;
		u64 wp : 1;
		u64 smep : 1;
		u64 smap : 1;
		u64 no_ad : 1;		/* the guest's tables have no accessed and dirty flags */
		u64 guest_mode : 1;	/* of an L2 */
		u64 context : 16;	/* nested context number */
	};
};

enum mmu_page_state {
	MMU_PAGE_FREE,	/* all its entries are 0 */
	MMU_PAGE_LIVE,	/* in the hash; in tables, or the root of views */
	MMU_PAGE_HELD,	/* in no table, but a CPU that wasn't flushed may still walk it */
};

struct mmu_page {
	u64 *table;
	hpa_t hpa;		/* of the table */
	u64 gfn;		/* direct: first one it spans; else the guest table's */
	union mmu_role role;
	struct mmu_page *hash_next;
	struct mmu_page *next;	/* in the list of its state: free ones, held ones, roots */
	u64 epoch;		/* held: free when this flush has been acknowledged */
	u32 links;		/* entries of other pages that point here */
	u32 views;		/* views whose root this is */
	u32 seen;		/* links that mmu_check() found */
	u16 present;		/* entries that aren't 0 */
	u8 state;		/* enum mmu_page_state */
};

#define MMU_CHUNK_FRAMES	16u
#define MMU_CHUNK_PAGES		(MMU_CHUNK_FRAMES - 1)
#define MMU_CHUNK_SIZE		(MMU_CHUNK_FRAMES * PAGE_SIZE)
#define MMU_HASH_SIZE		256u
#define MMU_MAX_FORMATS		4u
/* Faults in a row that changed nothing at one place, after which a view reports MMU_NO_PROGRESS. */
#define MMU_MAX_STALLED		1000u

/* What a chunk's first frame holds; the other frames are the tables, in this order. */
struct mmu_chunk {
	struct mmu_chunk *next;
	hpa_t hpa;
	struct mmu_page page[MMU_CHUNK_PAGES];
};

struct mmu_pool {
	struct frames *frames;
	struct mmu_chunk *chunks;
	struct mmu_page *free;
	struct mmu_page *held, **held_end;	/* by epoch */
	unsigned limit, used;			/* in frames, the chunks' heads included */
	unsigned nr_free, nr_held, nr_live;
};

struct mmu_ops {
	/*
	 * Asks that every CPU on which the VM's vCPUs run forget all that it cached of the VM's
	 * tables. True: that is certain already (none of them is in the guest, and each will flush
	 * before it enters). False: mmu_flushed(vm, epoch) will be called once it is. Called with
	 * the VM's mmu locked: it must not call the mmu, nor wait for who might.
	 */
	bool (*flush)(void *ctx, u64 epoch);
};

/* The part that belongs to the VM. */
struct mmu_vm {
	struct spinlock lock;
	const struct memory_slots *slots;
	u32 generation;		/* of the slots from which the tables were built */
	u8 max_leaf;		/* the highest level that may have leaves */
	const struct mmu_ops *ops;
	void *ctx;		/* for ops */
	bool flush_wanted;	/* what a CPU may have cached has changed since flush `epoch` */
	u64 epoch, acked;	/* number of the last flush asked for, and of the last one done */
	struct mmu_pool pool;
	struct mmu_page *roots;
	struct mmu_page *hash[MMU_HASH_SIZE];
	const struct page_format *format[MMU_MAX_FORMATS];
};

/* A vCPU's view: a root and how faults on it are handled. */
struct mmu {
	struct mmu_vm *vm;
	const struct page_format *host;
	struct pagewalk *source;	/* NULL: direct */
	union mmu_role root_role;
	struct mmu_page *root;		/* NULL: not made yet */
	/* Where the last leaf was built: the next one often goes beside it. It may be free by now,
	 * or of another use: it counts only if it is live and its key is the one looked for. */
	struct mmu_page *recent;
	union mmu_role recent_role;
	unsigned stalled;		/* faults in a row that changed nothing, or dropped all tables */
	u64 spurious_gfn;		/* of the last one that changed nothing */
	struct {
		u64 faults;
		u64 built;	/* leaves */
		u64 spurious;	/* the entry allowed the access already */
		u64 replaced;	/* leaves or tables that stood where another kind belongs */
		u64 reclaims;	/* all tables dropped for want of memory */
	} count;
};

enum mmu_result {
	MMU_RETRY,		/* enter the guest again */
	MMU_EMULATE,		/* no memory is there: a device's registers, or nothing */
	MMU_DENIED,		/* memory, but its slot doesn't grant the access */
	MMU_GUEST_FAULT,	/* the guest's own tables deny it: inject the fault */
	MMU_NESTED_FAULT,	/* the nested tables that L1 made deny it: an exit to L1 */
	MMU_NO_PROGRESS,	/* the guest faults for ever and nothing helps: end it */
	MMU_NO_MEMORY,		/* the pool is too small for a single translation */
};

struct mmu_fault_info {
	gpa_t gpa;	/* where the access ends */
	u8 rights;	/* RIGHT_* of the slot there; 0 with MMU_EMULATE */
	u8 level;	/* of the entry that was built or found; 0: none */
};

/* Makes an empty mmu for the VM whose memory `slots` says. Tables come from `frames`, at most
 * `limit` frames of them at a time, in chunks of MMU_CHUNK_FRAMES. No page of a level above
 * `max_leaf` (1: 4 KiB pages only; FMT_MAX_LEVELS: no limit) is mapped as one. `slots`, `frames`
 * and `ops` must outlive it. */
void mmu_vm_init(struct mmu_vm *vm, const struct memory_slots *slots, struct frames *frames,
		 unsigned limit, unsigned max_leaf, const struct mmu_ops *ops, void *ctx);

/* Gives all tables back to the frames. All views are finished, and no CPU runs on them or has them
 * cached. */
void mmu_vm_destroy(struct mmu_vm *vm);

/* Makes a view for tables of the `host` format (8-byte entries), which must outlive the VM.
 * `source` is the walk that it shadows; NULL: none, its input addresses are gpas (direct).
 * False: the source is of a kind that can't be shadowed, or the VM has MMU_MAX_FORMATS formats. */
bool must_check mmu_init(struct mmu *mmu, struct mmu_vm *vm, const struct page_format *host,
			 struct pagewalk *source);

/* The vCPU doesn't run on this view any more. */
void mmu_finish(struct mmu *mmu);

/* The root table for the CPU, made if need be; it stays the same until mmu_finish(). HPA(0):
 * there is no memory for it, or not before mmu_is_settled(). */
hpa_t must_check mmu_root(struct mmu *mmu);

/* The CPU reports that the access (ACCESS_*) to `address`, in the view's input space, was refused.
 * Fills in `info`, whatever the result. Bounded work, whatever the guest does. */
enum mmu_result must_check mmu_fault(struct mmu *mmu, u64 address, unsigned access,
				     struct mmu_fault_info *info);

/* Forgets what was built for [base, base + size): to be called after the slots there have
 * changed, once a change (else everything is forgotten). True: no CPU can use the old entries
 * any more. False: not yet; memory that was there must not be used for anything else before
 * mmu_is_settled(). */
bool mmu_zap_range(struct mmu_vm *vm, gpa_t base, u64 size);

/* The flush number `epoch`, and all before it, are done on every CPU. */
void mmu_flushed(struct mmu_vm *vm, u64 epoch);

/* Has every flush that was asked for been done? */
bool mmu_is_settled(struct mmu_vm *vm);

/* Are all invariants kept? Slow: visits every table. False: `why` says what is wrong. */
bool mmu_check(struct mmu_vm *vm, char *why, size_t size);

/* The role of the page to which entry `index` of a page leads, if that entry grants `rights`.
 * `direct`: it maps a part of one large page, or of the slots, and no table of the guest stands
 * behind it. */
union mmu_role mmu_child_role(union mmu_role parent, unsigned index, unsigned rights, bool direct);
