/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frame allocator. Owns the table of free ranges, which is kept sorted, disjoint and merged
 * (no two ranges touch), and the list of parked runs: those that came back while the table had no
 * row for them. A parked run keeps its own list entry in its first bytes, so giving memory back
 * cannot fail.
 */
#include "mm/frames.h"

#include "include/assert.h"
#include "lib/string.h"

struct parked_run {
	u64 next;	/* hpa of the next one; 0: none */
	u64 size;	/* in bytes */
};
static_assert(sizeof(struct parked_run) <= PAGE_SIZE, "a parked run fits into a frame");

static u64 range_end(const struct frames *f, unsigned i)
{
	return f->free[i].base + f->free[i].size;
}

/* The first range that ends at or behind `at`, which [at, …) could touch. f->nr: there is none. */
static unsigned first_touching(const struct frames *f, u64 at)
{
	unsigned low = 0, high = f->nr;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (range_end(f, middle) >= at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Is any byte of [base, end) free by the table? */
static bool is_any_free(const struct frames *f, u64 base, u64 end)
{
	unsigned i = first_touching(f, base + 1);

	return i < f->nr && f->free[i].base < end;
}

static void remove_rows(struct frames *f, unsigned at, unsigned count)
{
	memmove(&f->free[at], &f->free[at + count], (f->nr - at - count) * sizeof(f->free[0]));
	f->nr -= count;
}

static void insert_row(struct frames *f, unsigned at, u64 base, u64 end)
{
	memmove(&f->free[at + 1], &f->free[at], (f->nr - at) * sizeof(f->free[0]));
	f->free[at].base = base;
	f->free[at].size = end - base;
	f->nr++;
}

/* Unites [base, end) with what it overlaps or touches. False: it needs a row and there is none. */
static bool add_range(struct frames *f, u64 base, u64 end)
{
	unsigned first = first_touching(f, base), behind = first;

	while (behind < f->nr && f->free[behind].base <= end)
		behind++;
	if (first == behind) {
		if (f->nr == FRAMES_MAX_RANGES)
			return false;
		insert_row(f, first, base, end);
		return true;
	}
	base = MIN(base, f->free[first].base);
	end = MAX(end, range_end(f, behind - 1));
	f->free[first].base = base;
	f->free[first].size = end - base;
	remove_rows(f, first + 1, behind - first - 1);
	return true;
}

/* Takes [base, end) out of range `i`, which overlaps it. False: it needs a row, there is none. */
static bool cut_range(struct frames *f, unsigned i, u64 base, u64 end)
{
	u64 from = f->free[i].base, to = range_end(f, i);
	bool left = from < base, right = end < to;

	if (left && right) {
		if (f->nr == FRAMES_MAX_RANGES)
			return false;
		insert_row(f, i + 1, end, to);
		f->free[i].size = base - from;
	} else if (left) {
		f->free[i].size = base - from;
	} else if (right) {
		f->free[i].base = end;
		f->free[i].size = to - end;
	} else {
		remove_rows(f, i, 1);
	}
	return true;
}

/* Moves parked runs into the table while it has rows to spare. */
static void unpark(struct frames *f)
{
	while (unlikely(f->parked) && f->nr < FRAMES_MAX_RANGES) {
		const struct parked_run *run = frames_pointer(f, HPA(f->parked));
		u64 base = f->parked, size = run->size;

		f->parked = run->next;
		f->parked_bytes -= size;
		if (!add_range(f, base, base + size))
			assert(!"a row was free");
	}
}

static void park(struct frames *f, u64 base, u64 size)
{
	struct parked_run *run = frames_pointer(f, HPA(base));

	run->next = f->parked;
	run->size = size;
	f->parked = base;
	f->parked_bytes += size;
}

void frames_init(struct frames *f, u64 virt_offset)
{
	f->lock = SPINLOCK(RANK_FRAMES);
	f->virt_offset = virt_offset;
	f->nr = 0;
	f->parked = 0;
	f->parked_bytes = 0;
}

bool frames_add(struct frames *f, hpa_t base, u64 size)
{
	u64 last = base.v + size < base.v ? ~0ull : base.v + size;
	u64 from = MAX(base.v, PAGE_SIZE), to = ALIGN_DOWN(last, PAGE_SIZE);
	bool added;

	if (from > to || ALIGN_UP(from, PAGE_SIZE) < from)
		return true;	/* no whole page in it */
	from = ALIGN_UP(from, PAGE_SIZE);
	if (from >= to)
		return true;
	spin_lock(&f->lock);
	added = add_range(f, from, to);
	spin_unlock(&f->lock);
	return added;
}

bool frames_reserve(struct frames *f, hpa_t base, u64 size)
{
	u64 from = ALIGN_DOWN(base.v, PAGE_SIZE), last = base.v + size;
	u64 to = last < base.v || last > PAGE_MASK ? PAGE_MASK : ALIGN_UP(last, PAGE_SIZE);
	bool reserved = true;
	unsigned i;

	if (!size || from >= to)
		return true;
	spin_lock(&f->lock);
	assert(!f->parked);
	for (;;) {
		i = first_touching(f, from + 1);
		if (i == f->nr || f->free[i].base >= to)
			break;
		/* Only a cut inside one range can fail: then it is the first and the last. */
		reserved = cut_range(f, i, from, to);
		if (!reserved)
			break;
	}
	spin_unlock(&f->lock);
	return reserved;
}

static bool fits(const struct frames *f, unsigned i, u64 size, u64 align, u64 limit, u64 *at)
{
	u64 start = ALIGN_UP(f->free[i].base, align), end = range_end(f, i);

	if (limit && end > limit)
		end = limit;
	*at = start;
	return start >= f->free[i].base && start < end && end - start >= size;
}

u64 frames_fail(struct frames *f, u64 n)
{
	u64 before;

	spin_lock(&f->lock);
	before = f->fail_in;
	f->fail_in = n;
	spin_unlock(&f->lock);
	return before;
}

static bool is_to_fail(struct frames *f)
{
	return f->fail_in && !--f->fail_in;
}

hpa_t frames_alloc(struct frames *f, u64 count, u64 align, u64 limit)
{
	u64 size = count * PAGE_SIZE, at;
	hpa_t found = HPA(0);

	assert(align >= PAGE_SIZE && !(align & (align - 1)));
	if (!count || count > ~0ull / PAGE_SIZE)
		return found;
	spin_lock(&f->lock);
	for (unsigned i = is_to_fail(f) ? f->nr : 0; i < f->nr; i++) {
		if (!fits(f, i, size, align, limit, &at))
			continue;
		if (!cut_range(f, i, at, at + size))
			continue;
		found = HPA(at);
		break;
	}
	unpark(f);
	spin_unlock(&f->lock);
	return found;
}

void frames_free(struct frames *f, hpa_t base, u64 count)
{
	u64 end = base.v + count * PAGE_SIZE;

	assert(base.v && !(base.v & ~PAGE_MASK) && count && end > base.v);
	spin_lock(&f->lock);
	assert(!is_any_free(f, base.v, end));
	if (!add_range(f, base.v, end))
		park(f, base.v, end - base.v);
	unpark(f);
	spin_unlock(&f->lock);
}

u64 frames_available(struct frames *f)
{
	u64 bytes;

	spin_lock(&f->lock);
	bytes = f->parked_bytes;
	for (unsigned i = 0; i < f->nr; i++)
		bytes += f->free[i].size;
	spin_unlock(&f->lock);
	return bytes;
}
