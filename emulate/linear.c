// SPDX-License-Identifier: GPL-2.0-only
/*
 * From segment and offset to linear addresses, and memory by linear address: segment rights and
 * limits, canonical and alignment checks, operands across a page border. SDM vol. 3A, "Limit
 * Checking", "Type Checking"; vol. 1, "Canonical Addressing".
 */
#include "emulate/emulation.h"

enum emulate_status raise_fault(struct emulation *e, u8 vector, u32 error)
{
	static const u32 with_error = 1u << EXC_DF | 1u << EXC_TS | 1u << EXC_NP | 1u << EXC_SS |
				      1u << EXC_GP | 1u << EXC_PF | 1u << EXC_AC;

	*e->event = (struct event){ .type = EVENT_EXCEPTION, .vector = vector };
	/* In real mode nothing pushes an error code. */
	if ((with_error >> vector & 1) && (e->ops->get(e->ctx, EMULATE_CR0) & CR0_PE)) {
		e->event->has_error = true;
		e->event->error = error;
	}
	return EMULATE_FAULT;
}

u64 size_mask(unsigned size)
{
	return size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

bool in_64bit_mode(const struct emulation *e)
{
	return e->insn->mode == CPU_MODE_64;
}

bool in_protected_mode(struct emulation *e)
{
	return (e->ops->get(e->ctx, EMULATE_CR0) & CR0_PE) && !(e->rflags & RFLAGS_VM);
}

bool is_canonical(struct emulation *e, u64 address)
{
	unsigned unused = e->ops->get(e->ctx, EMULATE_CR4) & CR4_LA57 ? 7 : 16;

	return (u64)((s64)(address << unused) >> unused) == address;
}

static enum emulate_status segment_fault(struct emulation *e, unsigned segment)
{
	return raise_fault(e, segment == SEG_SS ? EXC_SS : EXC_GP, 0);
}

/* May a segment that was loaded in protected mode be accessed like this? */
static bool type_allows(const struct segment *s, bool writes)
{
	if (!(s->attr & SEG_ATTR_P))
		return false;
	if (s->attr & SEG_TYPE_CODE)
		return !writes && (s->attr & SEG_TYPE_READABLE);
	return !writes || (s->attr & SEG_TYPE_WRITABLE);
}

/* Are the offsets from first to last within the segment? */
bool limit_allows(const struct segment *s, u64 first, u64 last)
{
	bool expands_down = (s->attr & SEG_ATTR_S) && !(s->attr & SEG_TYPE_CODE) &&
			    (s->attr & SEG_TYPE_EXPAND_DOWN);

	if (!expands_down)
		return last <= s->limit;
	return first > s->limit && last <= (s->attr & SEG_ATTR_DB ? 0xffffffff : 0xffff);
}

static enum emulate_status linear_64(struct emulation *e, unsigned segment, u64 offset,
				     unsigned size, gva_t *out)
{
	u64 first = offset;

	if (segment == SEG_FS || segment == SEG_GS)
		first += e->ops->segment(e->ctx, segment)->base;
	if (!is_canonical(e, first) || !is_canonical(e, first + size - 1))
		return segment_fault(e, segment);
	*out = GVA(first);
	return EMULATE_OK;
}

/* Linear address of `size` bytes at segment:offset, with every check that comes before paging. */
enum emulate_status linear_address(struct emulation *e, unsigned segment, u64 offset, unsigned size,
				   u32 access, gva_t *out)
{
	const struct segment *s;

	if (in_64bit_mode(e))
		return linear_64(e, segment, offset, size, out);
	s = e->ops->segment(e->ctx, segment);
	if (in_protected_mode(e) && !type_allows(s, access & ACCESS_WRITE))
		return segment_fault(e, segment);
	if (!limit_allows(s, offset, offset + size - 1))
		return segment_fault(e, segment);
	*out = GVA((u32)(s->base + offset));
	return EMULATE_OK;
}

/* How many of the bytes lie in the page of the first. */
static unsigned in_first_page(gva_t at, unsigned size)
{
	u64 room = PAGE_SIZE - (at.v & ~PAGE_MASK);

	return MIN(size, room);
}

static gva_t second_page(struct emulation *e, gva_t at)
{
	u64 next = (at.v & PAGE_MASK) + PAGE_SIZE;

	/* Compatibility mode meets the upper half on the stack of a 64-bit handler. */
	return GVA(in_64bit_mode(e) || next >> 33 ? next : (u32)next);
}

static enum emulate_status check_pages(struct emulation *e, gva_t at, unsigned size, u32 access)
{
	unsigned first = in_first_page(at, size);
	enum emulate_status status = e->ops->check(e->ctx, at, first, access, e->event);

	if (status != EMULATE_OK || first == size)
		return status;
	return e->ops->check(e->ctx, second_page(e, at), size - first, access, e->event);
}

static enum emulate_status read_pages(struct emulation *e, gva_t at, void *to, unsigned size,
				      u32 access)
{
	unsigned first = in_first_page(at, size);
	enum emulate_status status = EMULATE_OK;

	if (first < size)
		status = check_pages(e, at, size, access);
	if (status == EMULATE_OK)
		status = e->ops->read(e->ctx, at, to, first, access, e->event);
	if (status != EMULATE_OK || first == size)
		return status;
	return e->ops->read(e->ctx, second_page(e, at), (u8 *)to + first, size - first, access,
			    e->event);
}

static enum emulate_status write_pages(struct emulation *e, gva_t at, const void *from,
				       unsigned size)
{
	u32 access = e->user | ACCESS_WRITE;
	unsigned first = in_first_page(at, size);
	enum emulate_status status = EMULATE_OK;

	if (first < size)
		status = check_pages(e, at, size, access);
	if (status == EMULATE_OK)
		status = e->ops->write(e->ctx, at, from, first, access, e->event);
	if (status != EMULATE_OK || first == size)
		return status;
	return e->ops->write(e->ctx, second_page(e, at), (const u8 *)from + first, size - first,
			     access, e->event);
}

/* Of numbers and pointers their size; of what SGDT and SIDT store, 6 or 10 bytes, it is 4 (SDM vol.
 * 3A, "Alignment Requirements by Data Type"). */
static unsigned alignment_of(unsigned size)
{
	return size & (size - 1) ? 4 : size;
}

/* #AC comes after page faults (SDM vol. 3A, "Priority Among Simultaneous Exceptions"). */
static enum emulate_status check_alignment(struct emulation *e, gva_t at, unsigned size, u32 access)
{
	enum emulate_status status;

	if (likely(!(at.v & (alignment_of(size) - 1))) || !(access & ACCESS_USER) || !(e->rflags & RFLAGS_AC) ||
	    !(e->ops->get(e->ctx, EMULATE_CR0) & CR0_AM))
		return EMULATE_OK;
	status = check_pages(e, at, size, access);
	return status == EMULATE_OK ? raise_fault(e, EXC_AC, 0) : status;
}

/* All faults that an access would have, without it. */
enum emulate_status check_memory(struct emulation *e, gva_t at, unsigned size, u32 access)
{
	enum emulate_status status = check_alignment(e, at, size, access);

	return status == EMULATE_OK ? check_pages(e, at, size, access) : status;
}

enum emulate_status read_memory(struct emulation *e, gva_t at, void *to, unsigned size, u32 access)
{
	enum emulate_status status = check_alignment(e, at, size, access);

	return status == EMULATE_OK ? read_pages(e, at, to, size, access) : status;
}

enum emulate_status write_memory(struct emulation *e, gva_t at, const void *from, unsigned size)
{
	enum emulate_status status = check_alignment(e, at, size, e->user | ACCESS_WRITE);

	return status == EMULATE_OK ? write_pages(e, at, from, size) : status;
}

/*
 * SDM vol. 3A, "Alignment Checking": of 16 bytes and more, instructions that don't want alignment
 * "may or may not" be checked.
 */
enum emulate_status check_block(struct emulation *e, gva_t at, unsigned size, u32 access)
{
	enum emulate_status status = EMULATE_OK;

	if (size <= 8)
		status = check_alignment(e, at, size, access | e->user);
	return status == EMULATE_OK ? check_pages(e, at, size, access | e->user) : status;
}

enum emulate_status read_block(struct emulation *e, gva_t at, void *to, unsigned size)
{
	if (size <= 8)
		return read_memory(e, at, to, size, e->user);
	return read_pages(e, at, to, size, e->user);
}

enum emulate_status write_block(struct emulation *e, gva_t at, const void *from, unsigned size)
{
	if (size <= 8)
		return write_memory(e, at, from, size);
	return write_pages(e, at, from, size);
}

/* SDM vol. 3A, "Bus Locking": of any alignment, also over a page's end. */
enum emulate_status lock_memory(struct emulation *e, gva_t at, unsigned size)
{
	enum emulate_status status;

	if (likely(in_first_page(at, size) == size))
		return EMULATE_OK;
	status = e->ops->lock(e->ctx);
	e->holds_lock = status == EMULATE_OK;
	return status;
}

/*
 * Write `desired` if memory still holds `expected`, at once. Across a page border it's a plain write:
 * a locked operand is under lock_memory() since before it was read.
 */
enum emulate_status exchange_memory(struct emulation *e, gva_t at, const void *expected,
				    const void *desired, unsigned size)
{
	if (in_first_page(at, size) < size)
		return write_memory(e, at, desired, size);
	return e->ops->cmpxchg(e->ctx, at, expected, desired, size, e->user | ACCESS_WRITE,
			       e->event);
}
