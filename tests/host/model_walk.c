/* SPDX-License-Identifier: MIT */
/*
 * A guest for the walker's tests: memory, up to two stages of paging, accessors that count and log;
 * and the oracle, a slow recursive walk over the same memory by the model of the manuals'
 * sentences, which writes nothing. Included by test_pagewalk.c.
 */
#include "mm/pagewalk/pagewalk.h"
#include "tests/host/model_paging.c"

/* --- The guest: 64 pages of memory, which every address is folded into --- */

#define PAGES 64

static u64 memory[PAGES * 512];
static unsigned hole = PAGES;	/* this page isn't memory */

struct stage {
	struct model m;
	struct page_format f;
	struct pagewalk w;
	u64 root, pdptr[4];
	u32 pkru;
};

static struct stage stage[2];
static unsigned nr_stages;

/* What the walker did to memory. */
static unsigned reads, exchanges, lose_at;
static struct { gpa_t at; unsigned bytes; } read_log[400];
static struct { u8 *at; unsigned bytes; u64 old, new; } write_log[100];
static unsigned nr_writes;
static void (*before_exchange)(void);
static void (*after_read)(void *ctx, u8 *at, unsigned bytes);

static u8 *memory_at(u64 at)
{
	return (u8 *)memory + (at >> 12) % PAGES * 4096 + (at & 4095);
}

static u64 load(const u8 *p, unsigned bytes)
{
	u64 v = 0;

	memcpy(&v, p, bytes);
	return v;
}

static void store(u64 at, unsigned bytes, u64 v)
{
	memcpy(memory_at(at), &v, bytes);
}

static bool is_hole(u64 at)
{
	return (at >> 12) % PAGES == hole;
}

static u64 op_root(void *ctx)
{
	return ((struct stage *)ctx)->root;
}

static u64 op_pdptr(void *ctx, unsigned index)
{
	assert_in_range(index, 0, 3);
	return ((struct stage *)ctx)->pdptr[index];
}

static u32 op_pkru(void *ctx)
{
	return ((struct stage *)ctx)->pkru;
}

static bool op_read(void *ctx, gpa_t at, unsigned bytes, u64 *value)
{
	assert_int_equal(at.v % bytes, 0);
	read_log[reads % ARRAY_SIZE(read_log)].at = at;
	read_log[reads++ % ARRAY_SIZE(read_log)].bytes = bytes;
	if (is_hole(at.v))
		return false;
	*value = load(memory_at(at.v), bytes);
	if (after_read)
		after_read(ctx, memory_at(at.v), bytes);
	return true;
}

static enum walk_exchange op_exchange(void *ctx, gpa_t at, unsigned bytes, u64 old, u64 new)
{
	u8 *p = memory_at(at.v);

	assert_int_equal(bytes, ((struct stage *)ctx)->f.entry_bytes);
	if (is_hole(at.v))
		return EXCHANGE_NOT_MEMORY;
	if (before_exchange)
		before_exchange();
	if (++exchanges == lose_at || load(p, bytes) != old)
		return EXCHANGE_LOST;
	assert_in_range(nr_writes, 0, ARRAY_SIZE(write_log) - 1);
	write_log[nr_writes].at = p;
	write_log[nr_writes].bytes = bytes;
	write_log[nr_writes].old = old;
	write_log[nr_writes++].new = new;
	memcpy(p, &new, bytes);
	return EXCHANGE_DONE;
}

static const struct walk_ops ops = { op_root, op_pdptr, op_pkru, op_read, op_exchange };

static u32 mode_of(const struct model *m)
{
	return m->kind | m->maxphy << 20 | (m->pse || m->ept_2m) << 3 | m->pse36 << 4 |
	       m->gib << 5 | m->nxe << 6 | m->wp << 7 | m->smep << 8 | m->smap << 9 |
	       m->pke << 10 | m->npt << 11 | m->xo << 12 | m->mbec << 13 | m->ad << 14 |
	       m->bit8 << 15;
}

static void set_stage(unsigned s, struct model m)
{
	stage[s].m = m;
	fmt_compile(&stage[s].f, mode_of(&m));
	stage[s].w = (struct pagewalk){ .format = &stage[s].f, .ops = &ops, .ctx = &stage[s] };
	nr_stages = s + 1;
	if (s)
		stage[s - 1].w.next = &stage[s].w;
}

static void forget_logs(void)
{
	reads = exchanges = lose_at = nr_writes = 0;
	before_exchange = NULL;
	after_read = NULL;
}

/* --- The oracle --- */

struct outcome {
	enum walk_status status;
	u64 gpa, output;
	unsigned level, shift, key;
	struct model_grant g, next_g;
	bool dirty;
	unsigned fault_stage, fault_level;
	u64 fault_address;
	u32 error;
	bool final;
};

struct tried { struct model_access a; bool peek; };

struct visited { u64 address, at, entry, missing; unsigned level; };
struct path { unsigned nr; struct visited v[5]; };

static struct { u64 at; unsigned bytes; u64 set; } overlay[300];
static unsigned nr_overlay, oracle_reads;
static bool mixed, repeated;	/* a page was used by both stages; an entry at two levels */

static const struct model_grant all_granted = { true, true, true, true, true };

static struct model_grant both(struct model_grant a, struct model_grant b)
{
	return (struct model_grant){ a.r && b.r, a.w && b.w, a.u && b.u, a.xs && b.xs, a.xu &&
				     b.xu };
}

static bool o_read(unsigned s, u64 at, unsigned bytes, u64 *value)
{
	oracle_reads++;
	if (nr_stages > 1 && (at >> 12 & 1) != s)
		mixed = true;
	if (is_hole(at))
		return false;
	*value = load(memory_at(at), bytes);
	for (unsigned i = 0; i < nr_overlay; i++)
		if (memory_at(overlay[i].at) == memory_at(at) && overlay[i].bytes == bytes)
			*value |= overlay[i].set;
	return true;
}

static void oracle(unsigned s, u64 address, struct tried t, struct outcome *o);

/* From stage s to the next. */
static bool o_next(unsigned s, u64 address, struct tried t, bool final, struct outcome *o, u64 *gpa)
{
	struct outcome next;

	*gpa = address;
	if (s + 1 == nr_stages)
		return true;
	oracle(s + 1, address, t, &next);
	if (next.status == WALK_OK) {
		*gpa = next.gpa;
		if (final) {
			o->next_g = both(next.g, next.next_g);
			o->shift = next.shift < o->shift ? next.shift : o->shift;
		}
		return true;
	}
	o->status = next.status;
	o->fault_stage = next.fault_stage;
	o->fault_address = next.fault_address;
	o->fault_level = next.fault_level;
	o->error = next.error;
	o->final = final && next.status == WALK_NESTED_FAULT;
	o->g = next.g;
	return false;
}

static void o_fault(unsigned s, u64 address, struct tried t, u32 why, unsigned level,
		    struct outcome *o)
{
	const struct model *m = &stage[s].m;
	bool nested = m->npt || m_is_ept(m);

	o->status = nested ? WALK_NESTED_FAULT : WALK_PAGE_FAULT;
	o->fault_stage = s;
	o->fault_address = address;
	o->fault_level = level;
	o->final = true;
	/* "W/R: the access was a write; U/S: a user-mode access; I/D: an instruction fetch, if
	 * SMEP = 1, or NXE = 1 and PAE = 1" */
	o->error = why | t.a.write << 1 | (t.a.user || m->npt) << 2;
	if (t.a.fetch && (m_is_ept(m) || m->smep || (m->nxe && m->kind != M_32)))
		o->error |= 16;
}

/* How reading a table of stage s looks to the stage after it. */
static struct tried o_table_access(unsigned s, bool peek)
{
	struct tried t = { .a = { .user = true }, .peek = peek };

	if (s + 1 < nr_stages)
		t.a.write = m_is_ept(&stage[s + 1].m) ? stage[s + 1].m.ad : true;
	return t;
}

/* The flags, once nothing else can fail; an entry is written only where the next stage lets it
 * be. */
static bool o_set_flags(unsigned s, struct tried t, struct path *p, struct outcome *o)
{
	struct tried write = { .a = { .write = true, .user = true } };
	bool written_already = o_table_access(s, false).a.write;

	for (unsigned i = 0; i < p->nr; i++)
		for (unsigned j = 0; j < i; j++)
			repeated |= memory_at(p->v[i].at) == memory_at(p->v[j].at);
	for (unsigned i = 0; i < p->nr; i++)
		if (p->v[i].missing && !written_already &&
		    !o_next(s, p->v[i].address, write, false, o, &p->v[i].at))
			return false;
	for (unsigned i = 0; i < p->nr; i++) {
		if (!p->v[i].missing)
			continue;
		overlay[nr_overlay].at = p->v[i].at;
		overlay[nr_overlay].bytes = stage[s].m.kind == M_32 ? 4 : 8;
		overlay[nr_overlay++].set = p->v[i].missing;
		p->v[i].entry |= p->v[i].missing;
	}
	return true;
}

static void o_leaf(unsigned s, u64 address, struct tried t, struct model_entry d, unsigned level,
		   struct path *p, struct outcome *o)
{
	const struct model *m = &stage[s].m;
	struct tried final = { .a = { .write = t.a.write, .fetch = t.a.fetch, .user = o->g.u },
			       .peek = t.peek };
	u32 why = 0;

	o->level = level;
	o->key = d.key;
	o->shift = m_shift(m, level);
	o->output = d.address + (address & ((1ull << o->shift) - 1));
	if (!m_rights_allow(m, o->g, t.a))
		why = 1;
	if (m_key_denies(m, o->g, t.a, d.key, stage[s].pkru))
		why |= 1 | 32;
	if (why) {
		o_fault(s, address, t, why, level, o);
		return;
	}
	if (!o_next(s, o->output, final, true, o, &o->gpa))
		return;
	if (!t.peek && !o_set_flags(s, t, p, o))
		return;
	o->dirty = (p->v[p->nr - 1].entry & d.d) == d.d;
	o->status = WALK_OK;
}

static void o_visit(unsigned s, unsigned level, u64 table, u64 address, struct tried t,
		    struct path *p,
		    struct outcome *o)
{
	const struct model *m = &stage[s].m;
	unsigned bytes = m->kind == M_32 ? 4 : 8;
	unsigned entries = m->kind == M_32 ? 1024 : m->kind == M_PAE && level == 3 ? 4 : 512;
	u64 index = address / (1ull << m_shift(m, level)) % entries, e;
	bool in_cpu = m->kind == M_PAE && level == 3 && !m->npt && !stage[s].w.pdptr_in_memory;
	struct model_entry d;

	if (in_cpu) {
		e = stage[s].pdptr[index];
	} else {
		struct visited *v = &p->v[p->nr];

		v->address = table + index * bytes;
		v->level = level;
		if (!o_next(s, v->address, o_table_access(s, t.peek), false, o, &v->at))
			return;
		if (!o_read(s, v->at, bytes, &e)) {
			o->status = WALK_NOT_MEMORY;
			o->fault_stage = s;
			o->fault_address = v->at;
			o->final = false;
			return;
		}
		v->entry = e;
		p->nr++;
	}
	/* a PDPTE in memory may be marked accessed: see pdptr_in_memory */
	d = m_decode(m, level, m->kind == M_PAE && level == 3 && !m->npt ? e & ~0x20ull : e);
	o->g = both(o->g, (struct model_grant){ d.r, d.w, d.u, d.xs, d.xu });
	if (!d.present) {
		o_fault(s, address, t, 0, level, o);
	} else if (d.bad && !in_cpu) {
		o_fault(s, address, t, 1 | 8, level, o);
	} else {
		if (!in_cpu)
			p->v[p->nr - 1].missing = (d.a | (t.a.write ? d.d : 0)) & ~e;
		if (d.leaf)
			o_leaf(s, address, t, d, level, p, o);
		else
			o_visit(s, level - 1, d.address, address, t, p, o);
	}
}

static struct path top_path;	/* of stage 0 */

static void oracle(unsigned s, u64 address, struct tried t, struct outcome *o)
{
	const struct model *m = &stage[s].m;
	bool nested = m->npt || m_is_ept(m);
	unsigned width = m->kind == M_LONG4 || m->kind == M_EPT4 ? 48 :
			 m->kind == M_LONG5 || m->kind == M_EPT5 ? 57 : 32;
	u64 root = stage[s].root;
	struct path path = { 0 };

	*o = (struct outcome){ .g = all_granted, .next_g = all_granted, .shift = 32 };
	if (nested && address >= 1ull << width) {
		o->g = (struct model_grant){ 0 };
		o_fault(s, address, t, 0, m_levels(m), o);
		return;
	}
	if (!nested && width > 32) {
		u64 upper = address >> (width - 1);

		if (upper != 0 && upper != ~0ull >> (width - 1)) {
			o->status = WALK_NOT_CANONICAL;
			return;
		}
	}
	if (width == 32)
		address &= 0xffffffff;
	if (m->kind == M_NONE) {
		struct tried final = { .a = { .write = t.a.write, .fetch = t.a.fetch,
					      .user = true },
				       .peek = t.peek };

		o->output = address;
		o->dirty = true;
		if (o_next(s, address, final, true, o, &o->gpa))
			o->status = WALK_OK;
	} else {
		root = m->kind == M_32 ? root & 0xfffff000 : m->kind == M_PAE ? root & 0xffffffe0 :
		       m_bits(root, m->maxphy - 1, 12);
		o_visit(s, m_levels(m), root, address, t, &path, o);
	}
	if (!s)
		top_path = path;
}
