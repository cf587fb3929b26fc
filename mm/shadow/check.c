/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The invariant checker of the mmu. Compiled in always; asks nothing of the code that it checks
 * but the meaning of entries (mm/format). What must hold:
 *
 *  1. The pool's numbers are right, and every page is in the one list of its state.
 *  2. A page that isn't live has an empty table, and nothing leads to it.
 *  3. A link leads to a live page whose gfn and role are those that belong there; links are
 * counted.
 *  4. Entries that aren't present are 0, and the others are counted.
 *  5. A live page is in the hash once, and is a root or linked.
 *  6. A leaf maps what its slot says, with no right more (unless the slots have changed since).
 */
#include "include/assert.h"
#include "lib/printf.h"
#include "mm/shadow/entry.h"
#include "mm/shadow/pool.h"

struct checker {
	struct mmu_vm *vm;
	char *why;
	size_t size;
};

static bool fails(struct checker *c, const struct mmu_page *page, unsigned index, const char *what)
{
	snprintf(c->why, c->size, "%s (level %u, gfn %llx, entry %u)", what,
		 (unsigned)page->role.level, (unsigned long long)page->gfn, index);
	return false;
}

static bool fails_pool(struct checker *c, const char *what)
{
	snprintf(c->why, c->size, "pool: %s", what);
	return false;
}

/* The page whose table is at `table`, if the pool has one there. */
static struct mmu_page *find_table(const struct mmu_pool *pool, u64 table)
{
	for (struct mmu_chunk *chunk = pool->chunks; chunk; chunk = chunk->next) {
		u64 offset = table - chunk->hpa.v;

		if (offset >= PAGE_SIZE && offset < MMU_CHUNK_SIZE && !(offset & ~PAGE_MASK))
			return &chunk->page[offset / PAGE_SIZE - 1];
	}
	return NULL;
}

static bool check_link(struct checker *c, struct mmu_page *page, unsigned index, u64 entry)
{
	const struct page_format *host = mmu_format(c->vm, page);
	u64 table = fmt_address(host, entry, false, page->role.level);
	struct mmu_page *child = find_table(&c->vm->pool, table);
	union mmu_role role = mmu_child_role(page->role, index, FMT_EVERY_RIGHT, true);

	if (!child)
		return fails(c, page, index, "link to a table that isn't the pool's");
	if (child->state != MMU_PAGE_LIVE)
		return fails(c, page, index, "link to a page that isn't live");
	if (child->role.word != role.word)
		return fails(c, page, index, "link to a page of another role");
	if (child->gfn != mmu_entry_gfn(page, index))
		return fails(c, page, index, "link to a page of another gfn");
	if (fmt_rights(host, entry, page->role.level) != fmt_narrow(host, FMT_EVERY_RIGHT))
		return fails(c, page, index, "link that takes rights away");
	child->seen++;
	return true;
}

static bool check_leaf(struct checker *c, struct mmu_page *page, unsigned index, u64 entry)
{
	const struct page_format *host = mmu_format(c->vm, page);
	unsigned level = page->role.level;
	u64 gpa = mmu_entry_gfn(page, index) << PAGE_SHIFT, size = 1ull << fmt_shift(host, level);
	u64 host_at = fmt_address(host, entry, true, level);
	const struct memory_slot *slot;

	if (!fmt_has_leaf(host, level) || fmt_is_reserved(host, entry, true, level))
		return fails(c, page, index, "leaf that the format doesn't have");
	if (c->vm->generation != c->vm->slots->generation)
		return true;
	slot = slots_find(c->vm->slots, GPA(gpa));
	if (!slot || slot->size - (gpa - slot->base.v) < size)
		return fails(c, page, index, "leaf that reaches beyond its slot");
	if (host_at != slot->host.v + (gpa - slot->base.v))
		return fails(c, page, index, "leaf of a wrong host address");
	if (fmt_rights(host, entry, level) & RIGHTS_ALL & ~(unsigned)slot->rights)
		return fails(c, page, index, "leaf that grants more than its slot");
	return true;
}

static bool check_live(struct checker *c, struct mmu_page *page)
{
	const struct page_format *host = mmu_format(c->vm, page);
	unsigned present = 0;

	if (mmu_page_find(c->vm, page->gfn, page->role) != page)
		return fails(c, page, 0, "live page that isn't found by its key");
	for (unsigned i = 0; i < MMU_ENTRIES; i++) {
		u64 entry = page->table[i];
		bool leaf;

		if (!entry)
			continue;
		present++;
		if (!fmt_is_present(host, entry))
			return fails(c, page, i, "entry that is neither present nor 0");
		leaf = fmt_is_leaf(host, entry, page->role.level);
		if (leaf ? !check_leaf(c, page, i, entry) : !check_link(c, page, i, entry))
			return false;
	}
	if (present != page->present)
		return fails(c, page, present, "wrong number of present entries");
	return true;
}

static bool check_idle(struct checker *c, struct mmu_page *page)
{
	if (page->links || page->views || page->present)
		return fails(c, page, 0, "retired page that is in use");
	for (unsigned i = 0; i < MMU_ENTRIES; i++) {
		if (page->table[i])
			return fails(c, page, i, "retired page whose table isn't empty");
	}
	return true;
}

static bool check_page(struct checker *c, struct mmu_page *page)
{
	return page->state == MMU_PAGE_LIVE ? check_live(c, page) : check_idle(c, page);
}

/* After all pages were visited: is each as often linked as it says? */
static bool check_links(struct checker *c, struct mmu_page *page, unsigned *live)
{
	if (page->seen != page->links)
		return fails(c, page, page->seen, "wrong number of links");
	if (page->state != MMU_PAGE_LIVE)
		return true;
	++*live;
	if (!page->links && !page->views)
		return fails(c, page, 0, "live page to which nothing leads");
	return true;
}

static unsigned count_list(const struct mmu_page *page, u8 state)
{
	unsigned count = 0;

	for (; page && page->state == state; page = page->next)
		count++;
	return page ? ~0u : count;	/* a page of another state */
}

static unsigned count_hash(const struct mmu_vm *vm)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MMU_HASH_SIZE; i++) {
		for (const struct mmu_page *page = vm->hash[i]; page; page = page->hash_next)
			count++;
	}
	return count;
}

static bool check_pool(struct checker *c, unsigned live)
{
	const struct mmu_pool *pool = &c->vm->pool;
	unsigned chunks = 0;

	for (const struct mmu_chunk *chunk = pool->chunks; chunk; chunk = chunk->next)
		chunks++;
	if (pool->used != chunks * MMU_CHUNK_FRAMES || pool->used > pool->limit)
		return fails_pool(c, "wrong number of frames");
	if (live != pool->nr_live || live != count_hash(c->vm))
		return fails_pool(c, "wrong number of live pages");
	if (count_list(pool->free, MMU_PAGE_FREE) != pool->nr_free)
		return fails_pool(c, "the list of free pages is wrong");
	if (count_list(pool->held, MMU_PAGE_HELD) != pool->nr_held)
		return fails_pool(c, "the list of held pages is wrong");
	if (pool->nr_free + pool->nr_held + live != chunks * MMU_CHUNK_PAGES)
		return fails_pool(c, "pages are missing");
	for (const struct mmu_page *page = pool->held; page; page = page->next) {
		if (page->epoch <= c->vm->acked)
			return fails_pool(c, "a page is held for a flush that is done");
	}
	for (const struct mmu_page *page = c->vm->roots; page; page = page->next) {
		if (!page->views || page->state != MMU_PAGE_LIVE)
			return fails_pool(c, "a root that is none");
	}
	return true;
}

static bool check_all(struct checker *c)
{
	struct mmu_pool *pool = &c->vm->pool;
	struct mmu_chunk *chunk;
	unsigned live = 0, i;

	for (chunk = pool->chunks; chunk; chunk = chunk->next) {
		for (i = 0; i < MMU_CHUNK_PAGES; i++)
			chunk->page[i].seen = 0;
	}
	for (chunk = pool->chunks; chunk; chunk = chunk->next) {
		for (i = 0; i < MMU_CHUNK_PAGES; i++) {
			if (!check_page(c, &chunk->page[i]))
				return false;
		}
	}
	for (chunk = pool->chunks; chunk; chunk = chunk->next) {
		for (i = 0; i < MMU_CHUNK_PAGES; i++) {
			if (!check_links(c, &chunk->page[i], &live))
				return false;
		}
	}
	return check_pool(c, live);
}

bool mmu_check(struct mmu_vm *vm, char *why, size_t size)
{
	struct checker c = { .vm = vm, .why = why, .size = size };
	bool good;

	spin_lock(&vm->lock);
	good = check_all(&c);
	spin_unlock(&vm->lock);
	return good;
}
