/* SPDX-License-Identifier: GPL-2.0-only */
/* Table pages and their entries, for mm/shadow alone. The VM's mmu is locked in all of these. */
#pragma once

#include "mm/shadow/mmu.h"

/* Of an entry, and of a table's page. Every host format has this many entries a table. */
#define MMU_INDEX_BITS	9u
#define MMU_ENTRIES	(1u << MMU_INDEX_BITS)

static inline const struct page_format *mmu_format(const struct mmu_vm *vm,
						   const struct mmu_page *page)
{
	return vm->format[page->role.format];
}

/* log2 of how many gfns an entry of the page spans. */
static inline unsigned mmu_gfn_shift(const struct mmu_page *page)
{
	return (page->role.level - 1) * MMU_INDEX_BITS;
}

/* The first gfn behind entry `index` of a direct page: the one place that computes it. */
static inline u64 mmu_entry_gfn(const struct mmu_page *page, unsigned index)
{
	return page->gfn + ((u64)index << mmu_gfn_shift(page));
}

/* Writes an entry: there is no other way. `value` is 0, a leaf, or a link to a page of the
 * pool. Deals with what stood there: counts, pages that nothing leads to any more, and the
 * flush that is due. */
void mmu_set_entry(struct mmu_vm *vm, struct mmu_page *page, unsigned index, u64 value);

/* The page to which a present entry that is no leaf leads. */
struct mmu_page *mmu_entry_child(const struct mmu_vm *vm, const struct mmu_page *page,
				 unsigned index);

/* The live page with this key, or NULL. */
struct mmu_page *mmu_page_find(const struct mmu_vm *vm, u64 gfn, union mmu_role role);

/* The page with this key, made if there is none: then one must have been reserved in the pool. */
struct mmu_page *mmu_page_get(struct mmu_vm *vm, u64 gfn, union mmu_role role);

/* Retires the page, and what only it led to, if nothing leads to it and no view has it as root. */
void mmu_page_put(struct mmu_vm *vm, struct mmu_page *page);

/* Empties the page's table. */
void mmu_page_clear(struct mmu_vm *vm, struct mmu_page *page);
