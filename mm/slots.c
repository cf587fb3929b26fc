/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory slots. Owns the sorted table of a VM's memory ranges; knows nothing of who maps them or of
 * what is built from them: `generation` tells those that the table has changed.
 */
#include "mm/slots.h"

#include "lib/string.h"

static u64 slot_end(const struct memory_slot *slot)
{
	return slot->base.v + slot->size;
}

static bool is_page_multiple(u64 value)
{
	return !(value & ~PAGE_MASK);
}

/* Index of the first slot that ends behind `at`; s->nr: none does. */
static unsigned first_behind(const struct memory_slots *s, u64 at)
{
	unsigned low = 0, high = s->nr;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (slot_end(&s->slot[middle]) > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool is_contiguous(const struct memory_slot *low, const struct memory_slot *high)
{
	return slot_end(low) == high->base.v && low->host.v + low->size == high->host.v &&
	       low->memory + low->size == high->memory;
}

static void insert_slot(struct memory_slots *s, unsigned at, const struct memory_slot *slot)
{
	memmove(&s->slot[at + 1], &s->slot[at], (s->nr - at) * sizeof(*slot));
	s->slot[at] = *slot;
	s->nr++;
}

/* Makes slot `i` and the one behind it, its continuation, one. */
static void join_next(struct memory_slots *s, unsigned i)
{
	s->slot[i].size += s->slot[i + 1].size;
	memmove(&s->slot[i + 1], &s->slot[i + 2], (s->nr - i - 2) * sizeof(s->slot[0]));
	s->nr--;
}

/* Makes two slots of the one that has `at` inside, if `at` isn't a border already. True: it did. */
static bool split_at(struct memory_slots *s, u64 at)
{
	unsigned i = first_behind(s, at);
	struct memory_slot high;
	u64 low_size;

	if (i == s->nr || s->slot[i].base.v >= at)
		return false;
	high = s->slot[i];
	low_size = at - high.base.v;
	high.base.v = at;
	high.size -= low_size;
	high.host.v += low_size;
	high.memory += low_size;
	s->slot[i].size = low_size;
	insert_slot(s, i + 1, &high);
	return true;
}

/* Undoes a split_at(at). */
static void unsplit_at(struct memory_slots *s, u64 at)
{
	join_next(s, first_behind(s, at) - 1);
}

/* Is all of [base, base + size) memory? */
static bool is_memory(const struct memory_slots *s, u64 base, u64 size)
{
	u64 at = base, end = base + size;

	if (!size || end < base)
		return false;
	for (unsigned i = first_behind(s, base); i < s->nr && s->slot[i].base.v <= at; i++) {
		at = slot_end(&s->slot[i]);
		if (at >= end)
			return true;
	}
	return false;
}

void slots_init(struct memory_slots *s)
{
	s->nr = 0;
	s->generation = 0;
}

bool slots_add(struct memory_slots *s, gpa_t base, u64 size, hpa_t host, void *memory, u8 rights)
{
	struct memory_slot slot = {
		.base = base, .size = size, .host = host, .memory = memory, .rights = rights,
	};
	unsigned i;

	if (!size || !is_page_multiple(base.v | size | host.v))
		return false;
	if (base.v + size < base.v || host.v + size < host.v)
		return false;
	if (rights & ~RIGHTS_ALL || s->nr == SLOTS_MAX)
		return false;
	i = first_behind(s, base.v);
	if (i < s->nr && s->slot[i].base.v < base.v + size)
		return false;
	insert_slot(s, i, &slot);
	s->generation++;
	return true;
}

/* How many slots fewer there will be when [first, behind) all have `rights` and are joined with
 * each other and with their neighbours as far as they continue each other. */
static unsigned count_joins(const struct memory_slots *s, unsigned first, unsigned behind,
			    u8 rights)
{
	unsigned joins = 0;

	for (unsigned i = first ? first - 1 : 0; i < behind && i + 1 < s->nr; i++) {
		u8 low = i < first ? s->slot[i].rights : rights;
		u8 high = i + 1 >= behind ? s->slot[i + 1].rights : rights;

		if (low == high && is_contiguous(&s->slot[i], &s->slot[i + 1]))
			joins++;
	}
	return joins;
}

static void set_and_join(struct memory_slots *s, unsigned first, unsigned behind, u8 rights)
{
	unsigned i;

	for (i = first; i < behind; i++)
		s->slot[i].rights = rights;
	for (i = MIN(behind, s->nr - 1); i > 0 && i >= first; i--) {
		if (s->slot[i - 1].rights == s->slot[i].rights &&
		    is_contiguous(&s->slot[i - 1], &s->slot[i]))
			join_next(s, i - 1);
	}
}

bool slots_set_rights(struct memory_slots *s, gpa_t base, u64 size, u8 rights)
{
	u64 end = base.v + size;
	bool split_low, split_high;
	unsigned first, behind;

	if (!is_page_multiple(base.v | size) || rights & ~RIGHTS_ALL)
		return false;
	if (!is_memory(s, base.v, size))
		return false;
	split_low = split_at(s, base.v);
	split_high = split_at(s, end);
	first = first_behind(s, base.v);
	behind = first_behind(s, end - 1) + 1;
	if (s->nr - count_joins(s, first, behind, rights) > SLOTS_MAX) {
		if (split_high)
			unsplit_at(s, end);
		if (split_low)
			unsplit_at(s, base.v);
		return false;
	}
	set_and_join(s, first, behind, rights);
	s->generation++;
	return true;
}

const struct memory_slot *slots_find(const struct memory_slots *s, gpa_t at)
{
	unsigned i = first_behind(s, at.v);

	return i < s->nr && s->slot[i].base.v <= at.v ? &s->slot[i] : NULL;
}

void *slots_pointer(const struct memory_slots *s, gpa_t at, u64 size, u8 rights)
{
	unsigned first = first_behind(s, at.v), i = first;

	if (!is_memory(s, at.v, size))
		return NULL;
	for (;; i++) {
		if ((s->slot[i].rights & rights) != rights)
			return NULL;
		if (slot_end(&s->slot[i]) - at.v >= size)
			break;
		if (!is_contiguous(&s->slot[i], &s->slot[i + 1]))
			return NULL;
	}
	return s->slot[first].memory + (at.v - s->slot[first].base.v);
}

/* Is all of it memory whose slots grant all of `rights`? */
static bool are_granted(const struct memory_slots *s, u64 at, u64 size, u8 rights)
{
	if (!is_memory(s, at, size))
		return false;
	for (unsigned i = first_behind(s, at); i < s->nr && s->slot[i].base.v < at + size; i++) {
		if ((s->slot[i].rights & rights) != rights)
			return false;
	}
	return true;
}

/* Copies between `buffer` and memory that is known to be there, slot by slot. */
static void copy(const struct memory_slots *s, u64 at, u8 *buffer, u64 size, bool to_guest)
{
	for (unsigned i = first_behind(s, at); size; i++) {
		const struct memory_slot *slot = &s->slot[i];
		u8 *memory = slot->memory + (at - slot->base.v);
		u64 part = MIN(size, slot_end(slot) - at);

		if (to_guest)
			memcpy(memory, buffer, part);
		else
			memcpy(buffer, memory, part);
		at += part;
		buffer += part;
		size -= part;
	}
}

bool slots_read(const struct memory_slots *s, gpa_t at, void *to, u64 size)
{
	if (!size)
		return true;
	if (!are_granted(s, at.v, size, RIGHT_R))
		return false;
	copy(s, at.v, to, size, false);
	return true;
}

bool slots_write(const struct memory_slots *s, gpa_t at, const void *from, u64 size)
{
	if (!size)
		return true;
	if (!are_granted(s, at.v, size, RIGHT_W))
		return false;
	copy(s, at.v, (u8 *)from, size, true);
	return true;
}

bool slots_write_any(const struct memory_slots *s, gpa_t at, const void *from, u64 size)
{
	if (!size)
		return true;
	if (!is_memory(s, at.v, size))
		return false;
	copy(s, at.v, (u8 *)from, size, true);
	return true;
}
