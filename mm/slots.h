/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory slots: which guest physical addresses of a VM are memory, where that memory is in the
 * host, and what may be done with it. All guest memory is reached through here, with bounds
 * checked. Nothing here locks: whoever changes the slots has stopped the VM's other vCPUs, and
 * calls mmu_zap_range() (mm/shadow/mmu.h) before any of them runs again.
 */
#pragma once

#include "include/rights.h"
#include "include/types.h"

#define SLOTS_MAX 64

struct memory_slot {
	gpa_t base;
	u64 size;	/* in bytes, a multiple of PAGE_SIZE */
	hpa_t host;	/* of its first byte; contiguous */
	u8 *memory;	/* the same, as a pointer of the hypervisor */
	u8 rights;	/* RIGHT_* that the guest has on it */
};

struct memory_slots {
	unsigned nr;
	u32 generation;	/* changes with every change of the slots: voids what is cached from them */
	/* Sorted by base, disjoint. Two more than ever remain: pieces of a split, until joined. */
	struct memory_slot slot[SLOTS_MAX + 2];
};

void slots_init(struct memory_slots *s);

/* Adds a slot. False: it overlaps one, wraps, is not page-aligned, or there are too many. */
bool must_check slots_add(struct memory_slots *s, gpa_t base, u64 size, hpa_t host, void *memory,
			  u8 rights);

/* Gives [base, base + size), whole pages, the rights, splitting slots where it must and joining
 * those that continue each other with equal rights. All of it must be memory.
 * False: it isn't, or there would be too many slots; then nothing is changed. */
bool must_check slots_set_rights(struct memory_slots *s, gpa_t base, u64 size, u8 rights);

/* The slot that holds `at`, or NULL: no memory is there. */
const struct memory_slot *slots_find(const struct memory_slots *s, gpa_t at);

/* The host's pointer to [at, at + size), size > 0, or NULL if it isn't all memory of one contiguous
 * host range whose slots grant all of `rights`. */
void *slots_pointer(const struct memory_slots *s, gpa_t at, u64 size, u8 rights);

/* Copies `size` bytes (0 is fine) out of and into guest memory, over slot borders; the rights
 * that are needed are RIGHT_R, RIGHT_W.
 * False: some of it isn't memory, or lacks the right; then nothing was copied. */
bool must_check slots_read(const struct memory_slots *s, gpa_t at, void *to, u64 size);
bool must_check slots_write(const struct memory_slots *s, gpa_t at, const void *from, u64 size);

/* The same for who prepares a guest (loaders): rights are not asked. */
bool must_check slots_write_any(const struct memory_slots *s, gpa_t at, const void *from, u64 size);
