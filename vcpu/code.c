/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walk memo (docs/vcpu.md): exits come again and again from the same few pages, and a CPU without
 * nRIP save needs the instruction's bytes each time. The memo holds what the last walk found, and the
 * entries through which it went; as long as they read the same, a walk would end there again.
 */
#include "vcpu/code.h"

#include "include/x86/cr.h"
#include "lib/string.h"
#include "vcpu/registers.h"
#include "vcpu/vm.h"

u64 code_linear(struct vcpu *v)
{
	ctx_need(v, CTX_CODE);
	return v->cur->code_linear;
}

static bool memo_holds(const struct vcpu *v, u64 page)
{
	const struct walk_memo *m = &v->memo;

	if (!m->valid || m->page != page || m->cr3 != v->cur->cr3 ||
	    m->slots_generation != v->vm->slots.generation)
		return false;
	for (unsigned i = 0; i < m->nr_entries; i++)
		if (*m->entry[i].at != m->entry[i].was)
			return false;
	return true;
}

/* Where the walk of a page ended becomes the memo, if its own entries are all that it depends on. */
static void memo_keep(struct vcpu *v, u64 page, const struct walk_result *r, const u8 *code)
{
	struct walk_memo *m = &v->memo;

	m->valid = false;
	if (!code || r->staged)
		return;
	for (unsigned i = 0; i < r->nr_steps; i++) {
		/* A 4-byte entry is read with its neighbour, for one loop; never over a page's end. */
		u64 at = ALIGN_DOWN(r->step[i].at.v, 8);

		m->entry[i].at = vm_memory(v->vm, GPA(at), 8, RIGHT_R);
		if (!m->entry[i].at)
			return;
		m->entry[i].was = *m->entry[i].at;
	}
	m->nr_entries = r->nr_steps;
	m->page = page;
	m->cr3 = v->cur->cr3;
	m->slots_generation = v->vm->slots.generation;
	m->code = code;
	m->valid = true;
}

/* A page of code by a walk, whose result is in *r. */
static const u8 *find_page(struct vcpu *v, u64 page, struct walk_result *r)
{
	unsigned access = ACCESS_FETCH | WALK_PEEK | vcpu_access_context(v);

	vcpu_refresh_walk(v);
	if (walk_translate(&v->gva_walk, page, access, r) != WALK_OK)
		return NULL;
	return vm_memory(v->vm, GPA(r->gpa.v & PAGE_MASK), PAGE_SIZE, RIGHT_R);
}

const u8 *code_pointer(struct vcpu *v, unsigned *avail)
{
	u64 linear = code_linear(v), page = linear & PAGE_MASK;
	struct walk_result r;
	const u8 *code;

	ctx_need(v, CTX_CR3);
	*avail = PAGE_SIZE - (linear - page);
	if (likely(memo_holds(v, page)))
		return v->memo.code + (linear - page);
	code = find_page(v, page, &r);
	memo_keep(v, page, &r, code);
	return code ? code + (linear - page) : NULL;
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
