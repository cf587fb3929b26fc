/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owns the memory of a VM's tables. It comes from the frame allocator in aligned chunks, whose
 * first frame describes the tables in the others: so a table's address leads to its description
 * without a search:
 *
 *  hpa:  63                   16 15             12 11      0
 *       | chunk, 64 KiB aligned | frame in it, 1..15 | offset |
 *
 * A page that left the tables is held back until every CPU was flushed, and its table is empty
 * from the moment on when it is held.
 */
#include "mm/shadow/pool.h"

#include "include/assert.h"

static_assert(sizeof(struct mmu_chunk) <= PAGE_SIZE, "a chunk's head fits into its first frame");

void mmu_pool_init(struct mmu_pool *pool, struct frames *frames, unsigned limit)
{
	*pool = (struct mmu_pool){ .frames = frames, .limit = limit };
	pool->held_end = &pool->held;
}

void mmu_pool_destroy(struct mmu_pool *pool)
{
	while (pool->chunks) {
		struct mmu_chunk *chunk = pool->chunks;

		pool->chunks = chunk->next;
		frames_free(pool->frames, chunk->hpa, MMU_CHUNK_FRAMES);
	}
	mmu_pool_init(pool, pool->frames, pool->limit);
}

static void push_free(struct mmu_pool *pool, struct mmu_page *page)
{
	page->state = MMU_PAGE_FREE;
	page->next = pool->free;
	pool->free = page;
	pool->nr_free++;
}

static void clear_frames(void *at, u64 bytes)
{
	u64 *word = at;

	for (u64 i = 0; i < bytes / sizeof(*word); i++)
		word[i] = 0;
}

static bool add_chunk(struct mmu_pool *pool)
{
	struct mmu_chunk *chunk;
	hpa_t hpa;

	if (pool->used + MMU_CHUNK_FRAMES > pool->limit)
		return false;
	hpa = frames_alloc(pool->frames, MMU_CHUNK_FRAMES, MMU_CHUNK_SIZE, 0);
	if (!hpa.v)
		return false;
	chunk = frames_pointer(pool->frames, hpa);
	clear_frames(chunk, MMU_CHUNK_SIZE);
	chunk->hpa = hpa;
	chunk->next = pool->chunks;
	pool->chunks = chunk;
	pool->used += MMU_CHUNK_FRAMES;
	for (unsigned i = MMU_CHUNK_PAGES; i-- > 0;) {
		struct mmu_page *page = &chunk->page[i];

		page->hpa = HPA(hpa.v + (i + 1) * PAGE_SIZE);
		page->table = frames_pointer(pool->frames, page->hpa);
		push_free(pool, page);
	}
	return true;
}

bool mmu_pool_reserve(struct mmu_pool *pool, unsigned count)
{
	while (unlikely(pool->nr_free < count)) {
		if (!add_chunk(pool))
			return false;
	}
	return true;
}

struct mmu_page *mmu_pool_take(struct mmu_pool *pool)
{
	struct mmu_page *page = pool->free;

	assert(page);
	pool->free = page->next;
	pool->nr_free--;
	pool->nr_live++;
	page->next = NULL;
	page->state = MMU_PAGE_LIVE;
	return page;
}

void mmu_pool_hold(struct mmu_pool *pool, struct mmu_page *page, u64 epoch)
{
	page->state = MMU_PAGE_HELD;
	page->epoch = epoch;
	page->next = NULL;
	*pool->held_end = page;
	pool->held_end = &page->next;
	pool->nr_live--;
	pool->nr_held++;
}

void mmu_pool_release(struct mmu_pool *pool, u64 epoch)
{
	while (pool->held && pool->held->epoch <= epoch) {
		struct mmu_page *page = pool->held;

		pool->held = page->next;
		pool->nr_held--;
		push_free(pool, page);
	}
	if (!pool->held)
		pool->held_end = &pool->held;
}

struct mmu_page *mmu_pool_page(const struct mmu_pool *pool, hpa_t table)
{
	hpa_t head = HPA(ALIGN_DOWN(table.v, MMU_CHUNK_SIZE));
	struct mmu_chunk *chunk = frames_pointer(pool->frames, head);

	return &chunk->page[((table.v - head.v) >> PAGE_SHIFT) - 1];
}
