/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction at RIP: where its bytes are, how long it is, what it is. By way of the walk memo
 * (docs/vcpu.md): exits come again and again from the same few pages, and a CPU without nRIP save
 * needs the instruction's bytes each time. The memo holds what the last walk found, and the entries
 * through which it went; as long as they read the same, a walk would end there again.
 */
#pragma once

#include "vcpu/vcpu.h"
#include "vcpu/vm.h"

/* Linear address of RIP. */
static inline u64 code_linear(struct vcpu *v)
{
	ctx_need(v, CTX_CODE);
	return v->cur->code_linear;
}

/* CS or RIP have changed since the exit: makes code_linear and code_mode anew. */
void code_moved(struct vcpu *v);

/* One load, at any alignment, of what the guest may be writing at the same time: what is looked at
 * afterwards is what was there once. */
static inline u32 read_once_u32(const u8 *at)
{
	return ((const volatile struct packed_struct { u32 v; } *)at)->v;
}

static inline u64 read_once_u64(const u8 *at)
{
	return ((const volatile struct packed_struct { u64 v; } *)at)->v;
}

/* Not 0: another CPU may be writing it right now; the look counts. */
static always_inline u64 memo_entry_changed(const struct walk_memo *m, unsigned i)
{
	return __atomic_load_n(m->entry[i].at, __ATOMIC_RELAXED) ^ m->entry[i].was;
}

/* The host's pointer to the byte at RIP if the memo holds, else NULL. Calls nothing. */
static always_inline const u8 *code_memo(struct vcpu *v)
{
	const struct walk_memo *m = &v->memo;
	const struct cpu_ctx *c = v->cur;
	u64 linear = c->code_linear, changed;

	if (~c->available & (CTX_CODE | CTX_CR3))	/* code_pointer() will fetch them */
		return NULL;
	if (m->page != (linear & PAGE_MASK) || m->cr3 != c->cr3 ||
	    m->slots_generation != v->vm->slots.generation)
		return NULL;
	static_assert(FMT_MAX_LEVELS == 5, "all entries are compared");
	changed = memo_entry_changed(m, 0) | memo_entry_changed(m, 1) | memo_entry_changed(m, 2) |
		  memo_entry_changed(m, 3) | memo_entry_changed(m, 4);
	return changed ? NULL : m->code + (linear & ~PAGE_MASK);
}

/* The same, by a walk if need be; the memo is made anew then. How many bytes of its page there are
 * from it on (1 to 4096) goes to *avail. The guest may change them at any time: copy before looking
 * twice. NULL: RIP isn't mapped to memory. */
const u8 *code_pointer(struct vcpu *v, unsigned *avail);

/* Copies up to 15 bytes at CS:RIP, over a page's end if need be, without setting accessed flags.
 * Returns how many there are. */
unsigned code_fetch(struct vcpu *v, u8 bytes[15]);

/* The instruction at RIP, decoded; it stays there until the next call. NULL: it can't be fetched
 * whole, or is no valid one: code_fetch() and decode() say which. */
const struct insn *code_insn(struct vcpu *v);
