/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hypervisor's own page table (SDM vol. 3A, "4-Level Paging and 5-Level Paging"):
 *
 *	 63   62           12 11   9   8   7   6   5   4   3   2   1   0
 *	| NX |  address      |     | G | PS| D | A |PCD|PWT| U | W | P |
 *
 * Tables allow everything, leaves decide.
 */
#include "arch/x86/host_table.h"

#define PTE_P		0x001ull
#define PTE_W		0x002ull
#define PTE_PWT		0x008ull
#define PTE_PCD		0x010ull
#define PTE_A		0x020ull
#define PTE_D		0x040ull
#define PTE_PS		0x080ull
#define PTE_G		0x100ull
#define PTE_NX		BIT(63)
#define PTE_ADDRESS	BITS(51, 12)

#define ENTRIES		512
#define ROOT_LEVEL	4

static u64 level_size(unsigned level)
{
	return PAGE_SIZE << (9 * (level - 1));
}

static unsigned index_at(u64 virt, unsigned level)
{
	return virt / level_size(level) % ENTRIES;
}

static bool is_leaf(u64 entry, unsigned level)
{
	return level == 1 || (entry & PTE_PS);
}

static u64 make_leaf(const struct host_table *t, u64 phys, unsigned level, unsigned flags)
{
	u64 entry = phys | PTE_P | PTE_A | PTE_D;

	if (flags & HOST_W)
		entry |= PTE_W;
	if (!(flags & HOST_X) && t->has_nx)
		entry |= PTE_NX;
	if (flags & HOST_UC)
		entry |= PTE_PCD | PTE_PWT;
	else if (flags & HOST_WC)
		entry |= PTE_PWT;
	if (!(flags & HOST_LOCAL))
		entry |= PTE_G;
	if (level > 1)
		entry |= PTE_PS;
	return entry;
}

/* Makes the leaf `*entry` of `level` a table of leaves that map the same. */
static bool split(struct host_table *t, u64 *entry, unsigned level)
{
	hpa_t at = t->allocate(t->context);
	u64 part = *entry;
	u64 *table;

	if (!at.v)
		return false;
	table = t->pointer(t->context, at);
	if (level == 2)
		part &= ~PTE_PS;
	for (unsigned i = 0; i < ENTRIES; i++)
		table[i] = part + i * level_size(level - 1);
	*entry = at.v | PTE_P | PTE_W | PTE_A;
	return true;
}

static bool make_table(struct host_table *t, u64 *entry)
{
	hpa_t at = t->allocate(t->context);

	*entry = at.v ? at.v | PTE_P | PTE_W | PTE_A : 0;
	return at.v != 0;
}

/* The largest page that alignment, size and the CPU allow. */
static unsigned best_level(const struct host_table *t, u64 virt, u64 phys, u64 size)
{
	unsigned level = t->has_1g ? 3 : 2;

	while (level > 1 && (((virt | phys) & (level_size(level) - 1)) || size < level_size(level)))
		level--;
	return level;
}

/* Maps the start of a range in one leaf of `level` or, where a table is in the way, below; says in
 * *level which it was. */
static bool map_one(struct host_table *t, u64 virt, u64 phys, unsigned *level, unsigned flags)
{
	hpa_t table = t->root;

	for (unsigned at = ROOT_LEVEL;; at--) {
		u64 *entry = &t->pointer(t->context, table)[index_at(virt, at)];
		bool leaf = (*entry & PTE_P) && is_leaf(*entry, at);

		if (leaf && (flags & HOST_KEEP)) {
			*level = MIN(at, *level);
			return true;
		}
		if (at <= *level && (leaf || !(*entry & PTE_P))) {
			*level = at;
			*entry = make_leaf(t, phys, at, flags);
			return true;
		}
		if (leaf && !split(t, entry, at))
			return false;
		if (!(*entry & PTE_P) && !make_table(t, entry))
			return false;
		table = HPA(*entry & PTE_ADDRESS);
	}
}

bool host_table_map(struct host_table *t, u64 virt, hpa_t phys, u64 size, unsigned flags)
{
	u64 done = 0;

	while (done < size) {
		unsigned level = best_level(t, virt + done, phys.v + done, size - done);

		if (!map_one(t, virt + done, phys.v + done, &level, flags))
			return false;
		done += level_size(level);
	}
	return true;
}

bool host_table_unmap(struct host_table *t, u64 virt)
{
	hpa_t table = t->root;

	for (unsigned at = ROOT_LEVEL;; at--) {
		u64 *entry = &t->pointer(t->context, table)[index_at(virt, at)];

		if (!(*entry & PTE_P))
			return true;
		if (at == 1) {
			*entry = 0;
			return true;
		}
		if (is_leaf(*entry, at) && !split(t, entry, at))
			return false;
		table = HPA(*entry & PTE_ADDRESS);
	}
}

bool host_table_lookup(const struct host_table *t, u64 virt, hpa_t *phys)
{
	hpa_t table = t->root;

	for (unsigned at = ROOT_LEVEL; at >= 1; at--) {
		u64 entry = t->pointer(t->context, table)[index_at(virt, at)];
		u64 offset = virt & (level_size(at) - 1);

		if (!(entry & PTE_P))
			return false;
		if (is_leaf(entry, at)) {
			*phys = HPA((entry & PTE_ADDRESS & ~(level_size(at) - 1)) | offset);
			return true;
		}
		table = HPA(entry & PTE_ADDRESS);
	}
	return false;
}
