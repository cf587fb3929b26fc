/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owns the life of table pages (found by gfn and role, linked, retired) and the one function that
 * writes an entry. An entry that isn't present is 0: no frame number stays behind for a CPU to
 * speculate on.
 */
#include "mm/shadow/entry.h"

#include "include/assert.h"
#include "mm/shadow/pool.h"

static unsigned hash_of(u64 gfn, union mmu_role role)
{
	return (unsigned)((gfn ^ role.word << 17) * 0x9e3779b97f4a7c15ull >> 56) % MMU_HASH_SIZE;
}

union mmu_role mmu_child_role(union mmu_role parent, unsigned index, unsigned rights, bool direct)
{
	union mmu_role role = parent;

	if (direct || parent.direct) {
		role.word = 0;
		role.format = parent.format;
		role.direct = 1;
	}
	role.level = parent.level - 1;
	role.rights = parent.rights & rights;
	role.quadrant = 0;
	/* A directory of 1024 entries is four pages, a table of them is two. */
	if (role.source == FMT_32 && role.level <= 2)
		role.quadrant = index & (role.level == 2 ? 3 : 1);
	return role;
}

struct mmu_page *mmu_entry_child(const struct mmu_vm *vm, const struct mmu_page *page,
				 unsigned index)
{
	u64 table = fmt_address(mmu_format(vm, page), page->table[index], false, page->role.level);

	return mmu_pool_page(&vm->pool, HPA(table));
}

struct mmu_page *mmu_page_find(const struct mmu_vm *vm, u64 gfn, union mmu_role role)
{
	struct mmu_page *page = vm->hash[hash_of(gfn, role)];

	while (page && (page->gfn != gfn || page->role.word != role.word))
		page = page->hash_next;
	return page;
}

struct mmu_page *mmu_page_get(struct mmu_vm *vm, u64 gfn, union mmu_role role)
{
	struct mmu_page *page = mmu_page_find(vm, gfn, role);
	unsigned bucket = hash_of(gfn, role);

	if (page)
		return page;
	page = mmu_pool_take(&vm->pool);
	page->gfn = gfn;
	page->role = role;
	page->hash_next = vm->hash[bucket];
	vm->hash[bucket] = page;
	return page;
}

static void unhash(struct mmu_vm *vm, struct mmu_page *page)
{
	struct mmu_page **at = &vm->hash[hash_of(page->gfn, page->role)];

	while (*at != page)
		at = &(*at)->hash_next;
	*at = page->hash_next;
	page->hash_next = NULL;
}

void mmu_page_clear(struct mmu_vm *vm, struct mmu_page *page)
{
	for (unsigned i = 0; i < MMU_ENTRIES && page->present; i++)
		mmu_set_entry(vm, page, i, 0);
}

void mmu_page_put(struct mmu_vm *vm, struct mmu_page *page)
{
	if (page->links || page->views)
		return;
	mmu_page_clear(vm, page);
	unhash(vm, page);
	/* Some CPU may still have it: the flush that is coming makes it free. */
	vm->flush_wanted = true;
	mmu_pool_hold(&vm->pool, page, vm->epoch + 1);
}

void mmu_set_entry(struct mmu_vm *vm, struct mmu_page *page, unsigned index, u64 value)
{
	const struct page_format *host = mmu_format(vm, page);
	unsigned level = page->role.level;
	struct mmu_page *old_child = NULL;
	u64 old = page->table[index];

	if (old == value)
		return;
	assert(!value || fmt_is_present(host, value));
	if (old && !fmt_is_leaf(host, old, level))
		old_child = mmu_entry_child(vm, page, index);
	/* Release: who follows a new link finds the table behind it written. */
	__atomic_store_n(&page->table[index], value, __ATOMIC_RELEASE);
	if (value) {
		page->present += !old;
		if (!fmt_is_leaf(host, value, level))
			mmu_entry_child(vm, page, index)->links++;
	} else {
		page->present--;
	}
	if (!old)
		return;		/* what wasn't present is in no TLB */
	vm->flush_wanted = true;
	if (old_child) {
		old_child->links--;
		mmu_page_put(vm, old_child);
	}
}
