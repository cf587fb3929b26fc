/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Views, faults and zaps of the mmu. Here is decided what belongs into the tables; how an entry is
 * written is entry.c's, where tables come from is pool.c's. One rule keeps all flushing right:
 * nothing is built while a flush that was asked for isn't done (settle()). So a CPU can never have
 * cached both what stood at an address and what stands there now, not even as pages of two sizes,
 * and a page of tables is never in use for two things.
 */
#include "mm/shadow/mmu.h"

#include "include/assert.h"
#include "mm/shadow/entry.h"
#include "mm/shadow/pool.h"

static void ask_for_flush(struct mmu_vm *vm)
{
	vm->flush_wanted = false;
	vm->epoch++;
	if (vm->ops->flush(vm->ctx, vm->epoch)) {
		vm->acked = vm->epoch;
		mmu_pool_release(&vm->pool, vm->acked);
	}
}

/* Asks for the flush that is due. True: no flush is outstanding. */
static inline bool settle(struct mmu_vm *vm)
{
	if (unlikely(vm->flush_wanted))
		ask_for_flush(vm);
	return vm->acked == vm->epoch;
}

/* Empties the roots, and so retires every other page. Roots stay where the CPUs have them. */
static void forget_all(struct mmu_vm *vm)
{
	for (struct mmu_page *root = vm->roots; root; root = root->next)
		mmu_page_clear(vm, root);
}

/* What was built from older slots is void. */
static void follow_slots(struct mmu_vm *vm)
{
	if (likely(vm->generation == vm->slots->generation))
		return;
	forget_all(vm);
	vm->generation = vm->slots->generation;
}

/* --- The VM's part and the views --- */

void mmu_vm_init(struct mmu_vm *vm, const struct memory_slots *slots, struct frames *frames,
		 unsigned limit, unsigned max_leaf, const struct mmu_ops *ops, void *ctx)
{
	assert(max_leaf >= 1 && max_leaf <= FMT_MAX_LEVELS);
	*vm = (struct mmu_vm){ .lock = SPINLOCK(RANK_MMU), .slots = slots, .ops = ops, .ctx = ctx,
			       .max_leaf = (u8)max_leaf };
	vm->generation = slots->generation;
	mmu_pool_init(&vm->pool, frames, limit);
}

void mmu_vm_destroy(struct mmu_vm *vm)
{
	assert(!vm->roots);
	mmu_pool_destroy(&vm->pool);
	*vm = (struct mmu_vm){ 0 };
}

static bool find_format(struct mmu_vm *vm, const struct page_format *host, unsigned *index)
{
	for (*index = 0; *index < MMU_MAX_FORMATS; ++*index) {
		if (!vm->format[*index])
			vm->format[*index] = host;
		if (vm->format[*index] == host)
			return true;
	}
	return false;
}

bool mmu_init(struct mmu *mmu, struct mmu_vm *vm, const struct page_format *host,
	      struct pagewalk *source)
{
	unsigned format;
	bool found;

	if (source || host->entry_bytes != sizeof(u64) || host->index_bits != MMU_INDEX_BITS)
		return false;
	spin_lock(&vm->lock);
	found = find_format(vm, host, &format);
	spin_unlock(&vm->lock);
	if (!found)
		return false;
	*mmu = (struct mmu){ .vm = vm, .host = host };
	mmu->root_role.level = host->levels;
	mmu->root_role.format = format;
	mmu->root_role.direct = 1;
	mmu->root_role.rights = FMT_EVERY_RIGHT;
	return true;
}

static void add_root(struct mmu_vm *vm, struct mmu_page *page)
{
	if (page->views++)
		return;
	page->next = vm->roots;
	vm->roots = page;
}

static void drop_root(struct mmu_vm *vm, struct mmu_page *page)
{
	struct mmu_page **at = &vm->roots;

	if (--page->views)
		return;
	while (*at != page)
		at = &(*at)->next;
	*at = page->next;
	page->next = NULL;
	mmu_page_put(vm, page);
}

void mmu_finish(struct mmu *mmu)
{
	struct mmu_vm *vm = mmu->vm;

	spin_lock(&vm->lock);
	if (mmu->root)
		drop_root(vm, mmu->root);
	mmu->root = NULL;
	settle(vm);
	spin_unlock(&vm->lock);
}

/* Makes sure of `count` free pages, at the cost of all tables if it must: so it runs before
 * anything is looked at that it could take away. False: there aren't as many, or not before the
 * flush is done. */
static bool reserve(struct mmu *mmu, unsigned count)
{
	struct mmu_vm *vm = mmu->vm;

	if (likely(mmu_pool_reserve(&vm->pool, count)))
		return true;
	forget_all(vm);
	mmu->count.reclaims++;
	mmu->stalled++;
	return settle(vm) && mmu_pool_reserve(&vm->pool, count);
}

hpa_t mmu_root(struct mmu *mmu)
{
	struct mmu_vm *vm = mmu->vm;

	spin_lock(&vm->lock);
	follow_slots(vm);
	if (!mmu->root && reserve(mmu, 1)) {
		mmu->root = mmu_page_get(vm, 0, mmu->root_role);
		add_root(vm, mmu->root);
	}
	settle(vm);
	spin_unlock(&vm->lock);
	return mmu->root ? mmu->root->hpa : HPA(0);
}

/* --- Faults --- */

/* The level, `max` at most, of the largest page that lies in the slot whole and is aligned in the
 * host too. */
static unsigned leaf_level(const struct page_format *host, unsigned max,
			   const struct memory_slot *slot, u64 gpa)
{
	for (unsigned level = MIN(max, host->levels); level > 1; level--) {
		u64 size = 1ull << fmt_shift(host, level), base = ALIGN_DOWN(gpa, size);

		if (!fmt_has_leaf(host, level))
			continue;
		if ((slot->host.v - slot->base.v) & (size - 1))
			continue;
		/* A page that begins below the slot wraps to a huge offset. */
		if (base - slot->base.v < slot->size && slot->size - (base - slot->base.v) >= size)
			return level;
	}
	return 1;
}

static u64 make_leaf(const struct page_format *host, const struct memory_slot *slot, u64 gpa,
		     unsigned level)
{
	u64 base = ALIGN_DOWN(gpa, 1ull << fmt_shift(host, level));

	return fmt_make_leaf(host, level, slot->host.v + (base - slot->base.v), slot->rights,
			     MEMORY_WB);
}

/* Links a table below an entry that is empty. */
static struct mmu_page *add_table(struct mmu_vm *vm, struct mmu_page *page, unsigned index)
{
	union mmu_role role = mmu_child_role(page->role, index, FMT_EVERY_RIGHT, true);
	struct mmu_page *child = mmu_page_get(vm, mmu_entry_gfn(page, index), role);

	mmu_set_entry(vm, page, index, fmt_make_table(mmu_format(vm, page), page->role.level,
						      child->hpa.v, page->role.rights));
	return child;
}

/* The fault changed nothing. That happens to a vCPU that has faulted at the same time as another one,
 * which was first; and page after page, if it follows that one through memory. If it happens at one
 * page again and again, a flush may help, and if that doesn't, nothing will. */
static enum mmu_result stalled(struct mmu *mmu, u64 gfn)
{
	mmu->count.spurious++;
	if (gfn != mmu->spurious_gfn)
		mmu->stalled = 0;
	mmu->spurious_gfn = gfn;
	if (++mmu->stalled % 16 == 2)
		mmu->vm->flush_wanted = true;
	return MMU_RETRY;
}

/*
 * The page that may have the leaf's entry in it, from which build() goes down: the most recent one
 * or the root. A live page below a direct root hangs where its gfn and its role say, by links that
 * are all there: else it would have been retired.
 */
static struct mmu_page *start_page(const struct mmu *mmu, u64 gpa, unsigned target)
{
	struct mmu_page *page = mmu->recent;
	unsigned shift = fmt_shift(mmu->host, target) + mmu->host->index_bits - PAGE_SHIFT;

	if (page && page->state == MMU_PAGE_LIVE && page->role.word == mmu->recent_role.word &&
	    page->role.level == target && page->gfn >> shift == gpa >> PAGE_SHIFT >> shift)
		return page;
	return mmu->root;
}

/* Makes the tables say what the slot says. The slot grants the access, pages for every level are
 * reserved. */
static enum mmu_result build(struct mmu *mmu, const struct memory_slot *slot, unsigned access,
			     struct mmu_fault_info *info)
{
	const struct page_format *host = mmu->host;
	unsigned target = leaf_level(host, mmu->vm->max_leaf, slot, info->gpa.v);
	struct mmu_page *page = start_page(mmu, info->gpa.v, target);

	for (;;) {
		unsigned level = page->role.level;
		unsigned index = fmt_index(host, level, info->gpa.v);
		u64 entry = page->table[index];

		info->level = (u8)level;
		if (entry) {
			bool leaf = fmt_is_leaf(host, entry, level);

			/* Links grant everything, so what a leaf grants is what is granted. */
			if (leaf && fmt_allows(host, fmt_rights(host, entry, level), access))
				return stalled(mmu, info->gpa.v >> PAGE_SHIFT);
			if (!leaf && level > target) {
				page = mmu_entry_child(mmu->vm, page, index);
				continue;
			}
			/* Small pages where a large one belongs, or an entry that grants less. */
			mmu->count.replaced++;
			mmu_set_entry(mmu->vm, page, index, 0);
			if (!settle(mmu->vm))
				return MMU_RETRY;
		}
		if (level == target) {
			mmu_set_entry(mmu->vm, page, index,
				      make_leaf(host, slot, info->gpa.v, level));
			mmu->count.built++;
			mmu->recent = page;
			mmu->recent_role = page->role;
			return MMU_RETRY;
		}
		page = add_table(mmu->vm, page, index);
	}
}

/* Has the address no meaning in tables of this format? Then it can have no entry. */
static bool is_out_of_reach(const struct page_format *host, u64 address)
{
	return host->input_bits < 64 && address >> host->input_bits;
}

/* Builds what the slot grants. Counts how long this view has got nowhere: a fault gets
 * somewhere if it builds something and didn't have to throw everything away for it. */
static enum mmu_result handle_memory(struct mmu *mmu, const struct memory_slot *slot,
				     unsigned access, struct mmu_fault_info *info)
{
	u64 built = mmu->count.built, reclaims = mmu->count.reclaims;
	enum mmu_result result;

	if (!settle(mmu->vm))
		return MMU_RETRY;
	if (!reserve(mmu, mmu->host->levels - 1u))
		return settle(mmu->vm) ? MMU_NO_MEMORY : MMU_RETRY;
	if (!mmu->root)
		return MMU_RETRY;
	result = build(mmu, slot, access, info);
	if (mmu->count.built != built && mmu->count.reclaims == reclaims)
		mmu->stalled = 0;
	if (likely(mmu->stalled <= MMU_MAX_STALLED))
		return result;
	mmu->stalled = 0;
	return MMU_NO_PROGRESS;
}

static enum mmu_result handle_fault(struct mmu *mmu, unsigned access, struct mmu_fault_info *info)
{
	const struct memory_slot *slot = slots_find(mmu->vm->slots, info->gpa);

	if (!slot || is_out_of_reach(mmu->host, info->gpa.v)) {
		mmu->stalled = 0;
		return MMU_EMULATE;
	}
	info->rights = slot->rights;
	if (!fmt_allows(mmu->host, fmt_narrow(mmu->host, slot->rights), access)) {
		mmu->stalled = 0;
		return MMU_DENIED;
	}
	return handle_memory(mmu, slot, access, info);
}

enum mmu_result mmu_fault(struct mmu *mmu, u64 address, unsigned access,
			  struct mmu_fault_info *info)
{
	struct mmu_vm *vm = mmu->vm;
	enum mmu_result result;

	*info = (struct mmu_fault_info){ .gpa = GPA(address) };
	spin_lock(&vm->lock);
	mmu->count.faults++;
	follow_slots(vm);
	result = handle_fault(mmu, access, info);
	settle(vm);
	spin_unlock(&vm->lock);
	return result;
}

/* --- Zaps and flushes --- */

/* Removes what maps any gfn from first to last, both included, which overlap the page's span.
 * Tables that are left empty go too. */
static void zap_in(struct mmu_vm *vm, struct mmu_page *page, u64 first, u64 last)
{
	const struct page_format *host = mmu_format(vm, page);
	unsigned shift = mmu_gfn_shift(page);
	u64 from = first <= page->gfn ? 0 : (first - page->gfn) >> shift;
	u64 to = MIN((last - page->gfn) >> shift, MMU_ENTRIES - 1);

	for (u64 i = from; i <= to && page->present; i++) {
		u64 low = mmu_entry_gfn(page, (unsigned)i), high = low + (1ull << shift) - 1;
		u64 entry = page->table[i];

		if (!entry)
			continue;
		if (!fmt_is_leaf(host, entry, page->role.level) && (low < first || high > last)) {
			struct mmu_page *child = mmu_entry_child(vm, page, (unsigned)i);

			zap_in(vm, child, first, last);
			if (child->present)
				continue;
		}
		mmu_set_entry(vm, page, (unsigned)i, 0);
	}
}

bool mmu_zap_range(struct mmu_vm *vm, gpa_t base, u64 size)
{
	u64 first = base.v >> PAGE_SHIFT, last = (base.v + size - 1) >> PAGE_SHIFT;
	bool done;

	if (base.v + size - 1 < base.v)
		last = ~0ull >> PAGE_SHIFT;
	spin_lock(&vm->lock);
	if (vm->slots->generation == vm->generation + 1)
		vm->generation++;	/* this is the change that we are told of */
	follow_slots(vm);
	for (struct mmu_page *root = vm->roots; size && root; root = root->next)
		zap_in(vm, root, first, last);
	done = settle(vm);
	spin_unlock(&vm->lock);
	return done;
}

void mmu_flushed(struct mmu_vm *vm, u64 epoch)
{
	spin_lock(&vm->lock);
	if (epoch > vm->acked && epoch <= vm->epoch) {
		vm->acked = epoch;
		mmu_pool_release(&vm->pool, epoch);
	}
	spin_unlock(&vm->lock);
}

bool mmu_is_settled(struct mmu_vm *vm)
{
	bool settled;

	spin_lock(&vm->lock);
	settled = settle(vm);
	spin_unlock(&vm->lock);
	return settled;
}
