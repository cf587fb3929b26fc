/* SPDX-License-Identifier: GPL-2.0-only */
/* The pool of table pages, for mm/shadow alone. The VM's mmu is locked in all of these. */
#pragma once

#include "mm/shadow/mmu.h"

void mmu_pool_init(struct mmu_pool *pool, struct frames *frames, unsigned limit);

/* Gives every chunk back. */
void mmu_pool_destroy(struct mmu_pool *pool);

/* Makes sure that the next `count` mmu_pool_take() succeed. False: no memory, or the limit. */
bool must_check mmu_pool_reserve(struct mmu_pool *pool, unsigned count);

/* A live page with an empty table. It must have been reserved. */
struct mmu_page *mmu_pool_take(struct mmu_pool *pool);

/* Keeps a page, whose table is empty, from being used before flush `epoch` is done. Epochs never
 * decrease. */
void mmu_pool_hold(struct mmu_pool *pool, struct mmu_page *page, u64 epoch);

/* Flush `epoch` is done. */
void mmu_pool_release(struct mmu_pool *pool, u64 epoch);

/* The page whose table lies at `table`, which must be one of the pool's. */
struct mmu_page *mmu_pool_page(const struct mmu_pool *pool, hpa_t table);
