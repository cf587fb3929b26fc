/* SPDX-License-Identifier: GPL-2.0-only */
/* The walk memo's slow side, and the few instructions that were decoded last. */
#include "vcpu/code.h"

#include "include/x86/cr.h"
#include "lib/string.h"
#include "vcpu/registers.h"

void code_moved(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;

	ctx_need(v, CTX_CS_SS | CTX_EFER);
	if ((c->efer & EFER_LMA) && (c->seg[SEG_CS].attr & SEG_ATTR_L)) {
		c->code_linear = c->rip;
		c->code_mode = CPU_MODE_64;
	} else {
		c->code_linear = (u32)(c->seg[SEG_CS].base + c->rip);
		c->code_mode = c->seg[SEG_CS].attr & SEG_ATTR_DB ? CPU_MODE_32 : CPU_MODE_16;
	}
	c->available |= CTX_CODE;
}

/* Where the walk of a page ended becomes the memo, if its own entries are all that it depends on.
 */
static void memo_keep(struct vcpu *v, u64 page, const struct walk_result *r, const u8 *code)
{
	static const u64 nothing;
	struct walk_memo *m = &v->memo;

	m->page = MEMO_NONE;
	if (r->staged)
		return;
	for (unsigned i = 0; i < FMT_MAX_LEVELS; i++) {
		m->entry[i].at = &nothing;
		m->entry[i].was = 0;
	}
	for (unsigned i = 0; i < r->nr_steps; i++) {
		/* An entry of 4 bytes is compared with its neighbour. */
		u64 at = r->step[i].at.v, whole = ALIGN_DOWN(at, 8);
		unsigned shift = (at - whole) * 8;
		u64 mask = v->gva_walk.format->entry_bytes == 8 ? ~0ull : 0xffffffffull << shift;

		m->entry[i].at = vm_memory(v->vm, GPA(whole), 8, 0);
		if (!m->entry[i].at)
			return;
		m->entry[i].was = __atomic_load_n(m->entry[i].at, __ATOMIC_RELAXED);
		if ((m->entry[i].was ^ r->step[i].entry << shift) & mask)
			return;		/* it has changed since the walk */
	}
	m->cr3 = v->cur->cr3;
	m->slots_generation = v->vm->slots.generation;
	m->code = code;
	m->page = page;
}

/* A page of code by a walk, whose result is in *r. */
static const u8 *find_page(struct vcpu *v, u64 page, struct walk_result *r)
{
	unsigned access = ACCESS_FETCH | WALK_PEEK | vcpu_access_context(v);

	vcpu_refresh_walk(v);
	if (walk_translate(&v->gva_walk, page, access, r) != WALK_OK)
		return NULL;
	return vm_memory(v->vm, GPA(r->gpa.v & PAGE_MASK), PAGE_SIZE, 0);
}

const u8 *code_pointer(struct vcpu *v, unsigned *avail)
{
	u64 linear = code_linear(v), page = linear & PAGE_MASK;
	struct walk_result r;
	const u8 *code;

	ctx_need(v, CTX_CR3);		/* the memo asks for it */
	code = code_memo(v);
	*avail = PAGE_SIZE - (linear - page);
	if (likely(code))
		return code;
	code = find_page(v, page, &r);
	if (!code)
		return NULL;
	memo_keep(v, page, &r, code);
	return code + (linear - page);
}

unsigned code_fetch(struct vcpu *v, u8 bytes[15])
{
	unsigned avail, first;
	const u8 *code = code_pointer(v, &avail), *more;
	struct walk_result r;

	if (!code)
		return 0;
	first = MIN(avail, 15u);
	memcpy(bytes, code, first);
	if (first == 15)
		return 15;
	more = find_page(v, (code_linear(v) & PAGE_MASK) + PAGE_SIZE, &r);
	if (!more)
		return first;
	memcpy(bytes + first, more, 15 - first);
	return 15;
}

/* Does this very instruction still stand at RIP? One look at its bytes, which is what counts. CODE and CR3
 * are available. */
static bool is_there(struct vcpu *v, const struct decoded_insn *d)
{
	const u8 *code;

	if (d->linear != v->cur->code_linear || d->mode != v->cur->code_mode ||
	    (d->linear & ~PAGE_MASK) > PAGE_SIZE - 16)
		return false;
	code = code_memo(v);
	if (!code)
		return false;
	return !(((read_once_u64(code) ^ d->bytes[0]) & d->mask[0]) |
		 ((read_once_u64(code + 8) ^ d->bytes[1]) & d->mask[1]));
}

const struct insn *code_insn(struct vcpu *v)
{
	struct decoded_insn *d;
	u8 bytes[16] = { 0 };
	int length;

	ctx_need(v, CTX_CODE | CTX_CR3);
	d = &v->decoded[v->cur->code_linear % VCPU_DECODED];
	if (likely(is_there(v, d)))
		return &d->insn;
	length = decode(bytes, code_fetch(v, bytes), vcpu_mode(v), &d->insn);
	d->linear = ~0ull;
	if (length <= 0)
		return NULL;
	d->linear = v->cur->code_linear;
	d->mode = v->cur->code_mode;
	d->bytes[0] = read_once_u64(bytes);
	d->bytes[1] = read_once_u64(bytes + 8);
	d->mask[0] = length >= 8 ? ~0ull : BIT(8 * length) - 1;
	d->mask[1] = length > 8 ? BIT(8 * (length - 8)) - 1 : 0;
	return &d->insn;
}
