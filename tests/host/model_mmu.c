/* SPDX-License-Identifier: MIT */
/*
 * A model machine for the tests of the mmu; included by them. Three parts that share nothing with
 * the code under test:
 *
 *   - the guest's memory as a list of what was added and of each change of rights: the last counts
 *   - a walker of NPT and EPT tables, typed from the manuals (APM vol. 2, "Long-Mode Page
 *     Translation"; SDM vol. 3C, "EPT Translation Mechanism"), that also insists on what Plinth
 *     promises of entries
 *   - CPUs with the laziest TLB and paging-structure cache that the architecture allows: they keep
 *     everything until they are flushed, and prefer what they keep
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mm/shadow/mmu.h"
#include "tests/host/random.h"

#define P4K	0x1000ull
#define P2M	0x200000ull
#define P1G	0x40000000ull

#define ARENA_BASE	0x100000ull	/* hpa of the memory for tables */
#define ARENA_SIZE	0x100000ull
#define CPUS		2u
#define CACHED		256u

/* --- Random numbers --- */

static u64 seed = 0x853c49e6748fea9bull;

static u64 rnd(u64 below)
{
	return xorshift(&seed) % below;
}

/* --- The guest's memory --- */

struct segment {
	u64 base, size, host;
	u8 rights;
};

static struct segment added[64], changed[4096];
static unsigned nr_added, nr_changed;

static const struct segment *memory_at(u64 gpa)
{
	for (unsigned i = 0; i < nr_added; i++) {
		if (gpa >= added[i].base && gpa - added[i].base < added[i].size)
			return &added[i];
	}
	return NULL;
}

static u8 rights_at(u64 gpa)
{
	for (unsigned i = nr_changed; i-- > 0;) {
		if (gpa >= changed[i].base && gpa - changed[i].base < changed[i].size)
			return changed[i].rights;
	}
	return memory_at(gpa)->rights;
}

/* Is [base, base + size) in one piece of memory, with the same rights everywhere? */
static bool is_uniform(u64 base, u64 size)
{
	const struct segment *in = memory_at(base);
	u8 rights;

	if (!in || base + size > in->base + in->size)
		return false;
	rights = rights_at(base);
	for (unsigned i = 0; i < nr_changed; i++) {
		u64 low = changed[i].base, high = low + changed[i].size;

		if (low > base && low < base + size && rights_at(low) != rights)
			return false;
		if (high > base && high < base + size && rights_at(high) != rights)
			return false;
	}
	return true;
}

/* --- Formats --- */

enum kind { NPT, EPT };

struct flavour {
	const char *name;
	enum kind kind;
	u32 mode;
	unsigned levels;
	bool gib, two_mib, mbec;
	unsigned max_leaf;	/* what the mmu is limited to; 0: not at all */
};

static const struct flavour flavours[] = {
	{ "NPT", NPT, FMT_LONG4 | FMT_NX | FMT_GIB | FMT_NPT, 4, true, true, false },
	{ "NPT, no 1 GiB", NPT, FMT_LONG4 | FMT_NX | FMT_NPT, 4, false, true, false },
	{ "NPT, 5 levels", NPT, FMT_LONG5 | FMT_NX | FMT_GIB | FMT_NPT, 5, true, true, false },
	{ "EPT", EPT, FMT_EPT4 | FMT_PSE | FMT_GIB, 4, true, true, false },
	{ "EPT, 4 KiB only", EPT, FMT_EPT4, 4, false, false, false },
	{ "EPT, MBEC, A/D", EPT, FMT_EPT4 | FMT_PSE | FMT_GIB | FMT_EPT_MBEC | FMT_EPT_AD, 4, true,
	  true, true },
	{ "NPT, limited to 4 KiB", NPT, FMT_LONG4 | FMT_NX | FMT_GIB | FMT_NPT, 4, false, false, false,
	  1 },
	{ "NPT, limited to 2 MiB", NPT, FMT_LONG5 | FMT_NX | FMT_GIB | FMT_NPT, 5, false, true, false,
	  2 },
};

/* Which of a slot's rights a table can give without giving more. NPT has one NX bit for both kinds
 * of execution, EPT without MBEC one X bit; none can refuse reading alone. */
static u8 expressible(const struct flavour *f, u8 rights)
{
	const u8 execute = RIGHT_XS | RIGHT_XU;

	if (!(rights & RIGHT_R))
		return 0;
	if (!f->mbec && (rights & execute) != execute)
		rights &= (u8)~execute;
	return rights;
}

static u64 largest_size(const struct flavour *f, u64 gpa)
{
	const struct segment *in = memory_at(gpa);

	for (u64 size = P1G; size > P4K; size >>= 9) {
		if (size == P1G ? !f->gib : !f->two_mib)
			continue;
		if ((in->host - in->base) % size == 0 && is_uniform(gpa / size * size, size))
			return size;
	}
	return P4K;
}

/* --- The machine --- */

struct translation {
	u64 base, size, host;	/* size 0: none */
	u8 rights;
};

struct cached_table {
	u64 table, prefix;	/* hpa; the address's bits that led there */
	unsigned level;
};

struct cpu {
	struct mmu view;
	struct translation tlb[CACHED];
	struct cached_table tables[CACHED];
	unsigned nr_tlb, nr_tables;
	u64 flushed;		/* number of the last flush done */
};

struct machine {
	const struct flavour *flavour;
	struct page_format format;
	struct frames frames;
	struct memory_slots slots;
	struct mmu_vm vm;
	u8 *arena;
	u64 memory;		/* bytes that the frames had at first */
	bool async;		/* flushes are done later */
	u64 asked;		/* number of the last flush asked for */
	unsigned flushes;
	struct cpu cpu[CPUS];
};

static void cpu_flush(struct cpu *cpu, u64 epoch)
{
	cpu->nr_tlb = 0;
	cpu->nr_tables = 0;
	cpu->flushed = epoch;
}

static bool machine_flush(void *ctx, u64 epoch)
{
	struct machine *m = ctx;

	assert_int_equal(epoch, m->asked + 1);
	m->asked = epoch;
	m->flushes++;
	if (m->async)
		return false;
	for (unsigned i = 0; i < CPUS; i++)
		cpu_flush(&m->cpu[i], epoch);
	return true;
}

static const struct mmu_ops machine_ops = { .flush = machine_flush };

/* One CPU does what it was asked to; the last one tells the mmu. */
static void machine_ack(struct machine *m, struct cpu *cpu)
{
	u64 least = ~0ull;

	if (cpu->flushed == m->asked)
		return;
	cpu_flush(cpu, m->asked);
	for (unsigned i = 0; i < CPUS; i++)
		least = MIN(least, m->cpu[i].flushed);
	mmu_flushed(&m->vm, least);
}

static void machine_ack_all(struct machine *m)
{
	for (unsigned i = 0; i < CPUS; i++)
		machine_ack(m, &m->cpu[i]);
}

static bool machine_add(struct machine *m, u64 base, u64 size, u64 host, u8 rights)
{
	if (!slots_add(&m->slots, GPA(base), size, HPA(host), (void *)(uintptr_t)host, rights))
		return false;
	added[nr_added++] = (struct segment){ base, size, host, rights };
	return true;
}

static bool machine_set_rights(struct machine *m, u64 base, u64 size, u8 rights)
{
	if (nr_changed == ARRAY_SIZE(changed))
		return false;
	if (!slots_set_rights(&m->slots, GPA(base), size, rights))
		return false;
	changed[nr_changed++] = (struct segment){ base, size, 0, rights };
	return true;
}

/* `chunks`: how many chunks of tables the frames can give. */
static struct machine *machine_start(const struct flavour *flavour, unsigned chunks, unsigned limit)
{
	static struct machine machine;
	struct machine *m = &machine;
	u8 *arena = m->arena;

	memset(m, 0, sizeof(*m));
	nr_added = nr_changed = 0;
	if (!arena)
		arena = aligned_alloc(0x10000, ARENA_SIZE);
	assert_non_null(arena);
	memset(arena, 0xa5, ARENA_SIZE);
	m->arena = arena;
	m->flavour = flavour;
	fmt_compile(&m->format, flavour->mode | FMT_MAXPHYADDR(48));
	frames_init(&m->frames, (u64)(uintptr_t)arena - ARENA_BASE);
	m->memory = chunks * 0x10000ull;
	if (chunks)
		assert_true(frames_add(&m->frames, HPA(ARENA_BASE), m->memory));
	slots_init(&m->slots);
	mmu_vm_init(&m->vm, &m->slots, &m->frames, limit,
		    flavour->max_leaf ? flavour->max_leaf : FMT_MAX_LEVELS, &machine_ops, m);
	for (unsigned i = 0; i < CPUS; i++)
		assert_true(mmu_init(&m->cpu[i].view, &m->vm, &m->format, NULL));
	return m;
}

static void machine_check(struct machine *m)
{
	char why[200] = "";

	if (!mmu_check(&m->vm, why, sizeof(why)))
		fail_msg("%s: %s", m->flavour->name, why);
}

static void machine_end(struct machine *m)
{
	for (unsigned i = 0; i < CPUS; i++)
		mmu_finish(&m->cpu[i].view);
	machine_check(m);
	assert_int_equal(m->vm.pool.nr_live, 0);
	mmu_vm_destroy(&m->vm);
	assert_int_equal(frames_available(&m->frames), m->memory);
	free(m->arena);
	m->arena = NULL;
}

/* --- The walker --- */

static u64 read_entry(const struct machine *m, u64 table, unsigned index)
{
	u64 entry;

	assert_true(table % P4K == 0 && table >= ARENA_BASE && table - ARENA_BASE < m->memory);
	memcpy(&entry, m->arena + (table - ARENA_BASE) + index * 8, 8);
	return entry;
}

/* What an NPT entry gives. */
static u8 npt_rights(u64 e, bool leaf, unsigned level)
{
	assert_true(e & 0x4);			/* U: nested walks are user accesses */
	assert_true(e & 0x20);			/* A */
	assert_false(e & 0x18);			/* write-back: PWT, PCD, PAT are 0 */
	assert_false(e & 0x7ff0000000000000);	/* available, protection key */
	if (leaf) {
		assert_true(e & 0x40);		/* D */
		assert_false(e & (level == 1 ? 0x80 : 0x1000));
	} else {
		assert_false(e & 0x80);
	}
	return RIGHT_R | (e & 2 ? RIGHT_W : 0) | (e >> 63 ? 0 : RIGHT_XS | RIGHT_XU);
}

static u8 ept_rights(const struct flavour *f, u64 e, bool leaf, unsigned level)
{
	bool user = f->mbec ? e & 0x400 : e & 4;

	assert_true(e & 1);			/* nothing without reading */
	assert_false(e & 0x0000000000000800);
	if (!f->mbec)
		assert_false(e & 0x400);
	if (leaf)
		assert_int_equal(e >> 3 & 0xf, 6);	/* write-back, PAT not ignored */
	else
		assert_false(e & 0xf8);
	if (level == 1)
		assert_false(e & 0x80);
	return RIGHT_R | (e & 2 ? RIGHT_W : 0) | (e & 4 ? RIGHT_XS : 0) | (user ? RIGHT_XU : 0);
}

static void remember_table(struct cpu *cpu, u64 table, u64 prefix, unsigned level)
{
	for (unsigned i = 0; i < cpu->nr_tables; i++) {
		if (cpu->tables[i].table == table && cpu->tables[i].prefix == prefix)
			return;
	}
	if (cpu->nr_tables < CACHED)
		cpu->tables[cpu->nr_tables++] = (struct cached_table){ table, prefix, level };
}

static struct translation walk(struct machine *m, struct cpu *cpu, u64 root, u64 gpa)
{
	const struct flavour *f = m->flavour;
	struct translation t = { .rights = RIGHTS_ALL };
	u64 table = root;

	for (unsigned level = f->levels;; level--) {
		u64 span = P4K << 9 * (level - 1), address;
		u64 e = read_entry(m, table, gpa / span % 512);
		bool leaf = level == 1 || (level <= 3 && (e & 0x80));

		if (!(e & (f->kind == NPT ? 1 : 7))) {
			assert_int_equal(e, 0);		/* no stray frame number */
			return (struct translation){ 0 };
		}
		t.rights &= f->kind == NPT ? npt_rights(e, leaf, level) :
					     ept_rights(f, e, leaf, level);
		address = e & 0x000ffffffffff000;
		if (leaf) {
			assert_true(level < 3 || f->gib);
			assert_true(level != 2 || f->two_mib);
			assert_int_equal(address % span, 0);
			t.base = gpa / span * span;
			t.size = span;
			t.host = address;
			return t;
		}
		table = address;
		remember_table(cpu, table, gpa / span * span, level - 1);
	}
}

/* --- What must be true of what a CPU keeps --- */

/* A table that a CPU may still walk is either in use for the same thing, or held and empty. */
static void check_cached_tables(const struct machine *m, const struct cpu *cpu)
{
	for (unsigned i = 0; i < cpu->nr_tables; i++) {
		const struct cached_table *c = &cpu->tables[i];
		u64 head = c->table & ~0xffffull;
		const struct mmu_chunk *chunk = (void *)(m->arena + (head - ARENA_BASE));
		const struct mmu_page *page = &chunk->page[(c->table - head) / P4K - 1];

		if (page->state == MMU_PAGE_LIVE) {
			assert_int_equal(page->gfn, c->prefix / P4K);
			assert_int_equal(page->role.level, c->level);
		} else {
			assert_int_equal(page->state, MMU_PAGE_HELD);
		}
	}
}

static void check_translation(const struct machine *m, const struct translation *t, u64 gpa)
{
	const struct segment *in = memory_at(gpa);

	assert_non_null(in);
	assert_int_equal(t->host + (gpa - t->base), in->host + (gpa - in->base));
	assert_int_equal(t->rights & ~expressible(m->flavour, rights_at(gpa)), 0);
}

/* When every flush is done, no CPU keeps more than the guest may have now. */
static void check_tlb(const struct machine *m, const struct cpu *cpu)
{
	for (unsigned i = 0; i < cpu->nr_tlb; i++) {
		const struct translation *t = &cpu->tlb[i];

		assert_true(is_uniform(t->base, t->size));
		check_translation(m, t, t->base);
	}
}

static void check_cpus(struct machine *m)
{
	bool settled = mmu_is_settled(&m->vm);

	for (unsigned i = 0; i < CPUS; i++) {
		check_cached_tables(m, &m->cpu[i]);
		if (settled)
			check_tlb(m, &m->cpu[i]);
	}
}

/* --- Accesses --- */

/* A right, and the access that needs it, as the CPU reports it. */
static unsigned report(const struct machine *m, u8 right)
{
	unsigned user = m->flavour->kind == NPT ? ACCESS_USER : 0;

	switch (right) {
	case RIGHT_W:
		return user | ACCESS_WRITE;
	case RIGHT_XS:
		return user | ACCESS_FETCH;
	case RIGHT_XU:
		return ACCESS_USER | ACCESS_FETCH;
	default:
		return user | ACCESS_READ;
	}
}

static struct translation *find_cached(struct cpu *cpu, u64 gpa)
{
	for (unsigned i = 0; i < cpu->nr_tlb; i++) {
		if (gpa - cpu->tlb[i].base < cpu->tlb[i].size)
			return &cpu->tlb[i];
	}
	return NULL;
}

static void remember_translation(struct cpu *cpu, const struct translation *t)
{
	/* Two sizes of one address at once are a machine check on some CPUs. */
	for (unsigned i = 0; i < cpu->nr_tlb; i++) {
		const struct translation *old = &cpu->tlb[i];

		if (old->base < t->base + t->size && t->base < old->base + old->size)
			assert_int_equal(old->size, t->size);
	}
	if (cpu->nr_tlb < CACHED)
		cpu->tlb[cpu->nr_tlb++] = *t;
}

/* May the CPU make the access, by what it keeps or by the tables? */
static bool hardware_allows(struct machine *m, struct cpu *cpu, u64 root, u64 gpa, u8 right)
{
	struct translation *kept = find_cached(cpu, gpa), t;

	if (kept && (kept->rights & right)) {
		if (mmu_is_settled(&m->vm))
			check_translation(m, kept, gpa);
		return true;
	}
	if (kept && rnd(2))
		return false;	/* the fault is taken by what is kept */
	t = walk(m, cpu, root, gpa);
	if (!t.size)
		return false;
	check_translation(m, &t, gpa);	/* tables are never out of date, flushed or not */
	if (kept)
		*kept = t;
	else
		remember_translation(cpu, &t);
	return t.rights & right;
}

static void check_refusal(const struct machine *m, u64 gpa, u8 right, enum mmu_result result,
			  const struct mmu_fault_info *info)
{
	const struct segment *in = memory_at(gpa);

	if (result == MMU_EMULATE) {
		assert_null(in);
		assert_int_equal(info->rights, 0);
	} else if (result == MMU_DENIED) {
		assert_non_null(in);
		assert_int_equal(info->rights, rights_at(gpa));
		assert_false(expressible(m->flavour, rights_at(gpa)) & right);
	} else {
		assert_int_equal(result, MMU_NO_MEMORY);
	}
}

/* The guest tries an access until it is made or refused for good: MMU_RETRY if it was made. */
static enum mmu_result cpu_access(struct machine *m, struct cpu *cpu, u64 gpa, u8 right)
{
	for (unsigned tries = 0; tries < 64; tries++) {
		struct mmu_fault_info info;
		enum mmu_result result;
		u64 built, root = mmu_root(&cpu->view).v;

		if (!root && mmu_is_settled(&m->vm))
			return MMU_NO_MEMORY;
		if (!root) {
			machine_ack_all(m);
			continue;
		}
		if (hardware_allows(m, cpu, root, gpa, right))
			return MMU_RETRY;
		built = cpu->view.count.built;
		result = mmu_fault(&cpu->view, gpa, report(m, right), &info);
		assert_int_equal(info.gpa.v, gpa);
		if (result != MMU_RETRY) {
			check_refusal(m, gpa, right, result, &info);
			return result;
		}
		if (cpu->view.count.built != built)
			assert_int_equal(P4K << 9 * (info.level - 1),
					 largest_size(m->flavour, gpa));
		if (rnd(2))
			machine_ack(m, cpu);
		if (rnd(4) == 0)
			machine_ack_all(m);
	}
	fail_msg("%s: no end of faults at %llx", m->flavour->name, (unsigned long long)gpa);
	return MMU_NO_PROGRESS;
}
