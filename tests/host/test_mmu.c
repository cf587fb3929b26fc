/* SPDX-License-Identifier: MIT */
/*
 * The mmu in its direct form: on a model machine (model_mmu.c) that checks each access, each entry
 * and each cached translation against what the guest's memory is, and by single cases.
 */
#include "tests/host/model_mmu.c"

#include "mm/shadow/entry.h"
#include "mm/shadow/pool.h"

#define NR_FLAVOURS ARRAY_SIZE(flavours)

static const u8 one_right[] = { RIGHT_R, RIGHT_W, RIGHT_XS, RIGHT_XU };

/* The access must succeed, with a page of that size. */
static void expect_page(struct machine *m, u64 gpa, u64 size)
{
	struct translation t;

	assert_int_equal(cpu_access(m, &m->cpu[0], gpa, RIGHT_R), MMU_RETRY);
	t = walk(m, &m->cpu[0], mmu_root(&m->cpu[0].view).v, gpa);
	assert_int_equal(t.size, size);
	check_translation(m, &t, gpa);
}

static void test_roles(void **state)
{
	static const struct {
		unsigned level, source, index, level_out, quadrant_out;
	} rows[] = {
		{ 4, FMT_LONG4, 300, 3, 0 },
		{ 3, FMT_LONG4, 3, 2, 0 },
		{ 2, FMT_PAE, 1, 1, 0 },
		{ 4, FMT_32, 3, 3, 0 },
		{ 3, FMT_32, 0, 2, 0 },
		{ 3, FMT_32, 3, 2, 3 },
		{ 2, FMT_32, 6, 1, 0 },
		{ 2, FMT_32, 7, 1, 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		union mmu_role parent = { .word = 0 }, child;

		parent.level = rows[i].level;
		parent.source = rows[i].source;
		parent.rights = RIGHT_R | RIGHT_W | RIGHT_U;
		parent.format = 2;
		parent.quadrant = 1;
		parent.wp = parent.nx = parent.guest_mode = 1;
		parent.context = 0x1234;
		child = mmu_child_role(parent, rows[i].index, RIGHT_R | RIGHT_U | RIGHT_XS, false);
		assert_int_equal(child.level, rows[i].level_out);
		assert_int_equal(child.quadrant, rows[i].quadrant_out);
		assert_int_equal(child.rights, RIGHT_R | RIGHT_U);
		assert_int_equal(child.direct, 0);
		assert_int_equal(child.source, rows[i].source);
		assert_true(child.wp && child.nx && child.guest_mode && !child.smep);
		assert_int_equal(child.format, 2);
		assert_int_equal(child.context, 0x1234);
		/* Of a part of a large page only where it is and what it grants is left. */
		child = mmu_child_role(parent, rows[i].index, RIGHT_R, true);
		assert_int_equal(child.direct, 1);
		assert_int_equal(child.level, rows[i].level_out);
		assert_int_equal(child.rights, RIGHT_R);
		assert_int_equal(child.format, 2);
		assert_int_equal(child.source | child.quadrant | child.wp | child.nx |
				 child.guest_mode | child.context, 0);
		/* What is below a direct page is direct. */
		child.level = 3;
		assert_int_equal(mmu_child_role(child, 1, RIGHT_R, false).direct, 1);
	}
}

static void test_init_refuses(void **state)
{
	struct machine *m = machine_start(&flavours[0], 2, 32);
	struct page_format other[MMU_MAX_FORMATS], narrow;
	struct mmu view;

	assert_false(mmu_init(&view, &m->vm, &m->format, (struct pagewalk *)m));
	fmt_compile(&narrow, FMT_32 | FMT_MAXPHYADDR(36));
	assert_false(mmu_init(&view, &m->vm, &narrow, NULL));
	for (unsigned i = 0; i < MMU_MAX_FORMATS - 1; i++) {
		other[i] = m->format;
		assert_true(mmu_init(&view, &m->vm, &other[i], NULL));
		assert_true(mmu_init(&view, &m->vm, &other[i], NULL));
	}
	other[MMU_MAX_FORMATS - 1] = m->format;
	assert_false(mmu_init(&view, &m->vm, &other[MMU_MAX_FORMATS - 1], NULL));
	machine_end(m);
}

/* Views of one format share a root; another has its own; the last one that goes takes it along. */
static void test_roots(void **state)
{
	struct machine *m = machine_start(&flavours[0], 2, 32);
	struct page_format format5;
	struct mmu view5;
	hpa_t root;

	fmt_compile(&format5, flavours[2].mode | FMT_MAXPHYADDR(48));
	assert_true(mmu_init(&view5, &m->vm, &format5, NULL));
	assert_int_equal(m->vm.pool.used, 0);
	root = mmu_root(&m->cpu[0].view);
	assert_true(root.v && root.v % P4K == 0);
	assert_int_equal(mmu_root(&m->cpu[1].view).v, root.v);
	assert_int_equal(mmu_root(&m->cpu[0].view).v, root.v);
	assert_true(mmu_root(&view5).v && mmu_root(&view5).v != root.v);
	assert_int_equal(m->vm.pool.nr_live, 2);
	mmu_finish(&m->cpu[0].view);
	assert_int_equal(m->vm.pool.nr_live, 2);
	mmu_finish(&m->cpu[1].view);
	assert_int_equal(m->vm.pool.nr_live, 1);
	mmu_finish(&view5);
	assert_int_equal(m->vm.pool.nr_free, MMU_CHUNK_PAGES);
	machine_check(m);
	machine_end(m);
}

static void test_no_root_no_work(void **state)
{
	struct machine *m = machine_start(&flavours[0], 2, 32);
	struct mmu_fault_info info;

	assert_true(machine_add(m, 0, P2M, 0x8000000, RIGHTS_ALL));
	assert_int_equal(mmu_fault(&m->cpu[0].view, 0, ACCESS_USER, &info), MMU_RETRY);
	assert_int_equal(m->vm.pool.nr_live, 0);
	assert_int_equal(info.level, 0);
	machine_end(m);
}

/* Every combination of where a slot begins, how long it is and where it lies in the host. */
static void test_alignments(void **state)
{
	static const u64 offsets[] = { 0, P4K, P2M - P4K, P2M, P2M + P4K, P1G - P2M, P1G - P4K };
	static const u64 sizes[] = { P4K, P2M - P4K, P2M, P2M + P4K, 2 * P2M, P1G, P1G + P2M,
				     2 * P1G };
	static const u64 hosts[] = { 0, P4K, P2M - P4K, P2M, P1G - P2M };
	unsigned n = NR_FLAVOURS * ARRAY_SIZE(offsets) * ARRAY_SIZE(sizes) * ARRAY_SIZE(hosts);

	for (unsigned i = 0; i < n; i++) {
		const struct flavour *f = &flavours[i % NR_FLAVOURS];
		unsigned j = i / NR_FLAVOURS, k = j / ARRAY_SIZE(offsets);
		u64 base = 4 * P1G + offsets[j % ARRAY_SIZE(offsets)];
		u64 size = sizes[k % ARRAY_SIZE(sizes)];
		u64 host = 16 * P1G + offsets[j % ARRAY_SIZE(offsets)] +
			   hosts[k / ARRAY_SIZE(sizes)];
		struct machine *m = machine_start(f, 8, 128);

		assert_true(machine_add(m, base, size, host, RIGHTS_ALL));
		for (u64 at = 0; at < size; at += MAX(P2M, ALIGN_DOWN(size / 7, P2M))) {
			expect_page(m, base + at, largest_size(f, base + at));
			expect_page(m, base + size - 1 - at, largest_size(f, base + size - 1 - at));
		}
		assert_int_equal(cpu_access(m, &m->cpu[0], base - 1, RIGHT_R), MMU_EMULATE);
		assert_int_equal(cpu_access(m, &m->cpu[0], base + size, RIGHT_W), MMU_EMULATE);
		machine_check(m);
		machine_end(m);
	}
}

/* The model's largest_size() itself, by hand. */
static void test_sizes_by_hand(void **state)
{
	struct machine *m = machine_start(&flavours[0], 4, 64);

	assert_true(machine_add(m, 0, 0xa0000, 0x40000000, RIGHTS_ALL));
	assert_true(machine_add(m, 0x100000, 3 * P1G - 0x100000, 0x40100000, RIGHTS_ALL));
	assert_true(machine_add(m, 4 * P1G, P1G, 0x200000000 + P2M, RIGHTS_ALL));
	assert_true(machine_add(m, 6 * P1G, P1G, 0x300001000, RIGHTS_ALL));
	expect_page(m, 0, P4K);
	expect_page(m, 0x100000, P4K);
	expect_page(m, 0x200000, P2M);
	expect_page(m, P1G - 1, P2M);
	expect_page(m, P1G, P1G);
	expect_page(m, 3 * P1G - 1, P1G);
	expect_page(m, 4 * P1G, P2M);
	expect_page(m, 6 * P1G + P2M, P4K);
	machine_check(m);
	machine_end(m);
}

/* A VM limited to 4 KiB pages gets them where the CPU and the slot would have larger ones. */
static void test_limit_by_hand(void **state)
{
	struct machine *m = machine_start(&flavours[NR_FLAVOURS - 2], 4, 64);

	assert_int_equal(m->flavour->max_leaf, 1);
	assert_true(m->flavour->mode & FMT_GIB);
	assert_true(machine_add(m, 0, 2 * P1G, 0x40000000, RIGHTS_ALL));
	expect_page(m, 0, P4K);
	expect_page(m, P4K, P4K);
	expect_page(m, P2M, P4K);
	expect_page(m, 2 * P1G - 1, P4K);
	assert_int_equal(m->cpu[0].view.count.built, 4);
	machine_check(m);
	machine_end(m);
}

/* Every combination of slot rights, every access, every flavour. */
static void test_rights(void **state)
{
	for (unsigned i = 0; i < NR_FLAVOURS * 16 * 4; i++) {
		const struct flavour *f = &flavours[i % NR_FLAVOURS];
		u8 rights = i / NR_FLAVOURS % 16, right = one_right[i / NR_FLAVOURS / 16];
		struct machine *m = machine_start(f, 2, 32);
		enum mmu_result result;

		assert_true(machine_add(m, 0, P2M, 0x8000000, rights));
		result = cpu_access(m, &m->cpu[0], 0x1234, right);
		assert_int_equal(result, expressible(f, rights) & right ? MMU_RETRY : MMU_DENIED);
		machine_check(m);
		machine_end(m);
	}
}

/* By hand, what the model says too: what the guest may do with read-only and no-execute memory. */
static void test_denied(void **state)
{
	struct machine *m = machine_start(&flavours[0], 2, 32);
	struct mmu_fault_info info;
	struct mmu *view = &m->cpu[0].view;

	assert_true(machine_add(m, 0, P4K, 0x8000000, RIGHT_R | RIGHT_XS | RIGHT_XU));
	assert_true(machine_add(m, P4K, P4K, 0x8001000, RIGHT_R | RIGHT_W | RIGHT_XS));
	assert_true(mmu_root(view).v);
	assert_int_equal(mmu_fault(view, 0x10, 0x6, &info), MMU_DENIED);
	assert_int_equal(info.rights, RIGHT_R | RIGHT_XS | RIGHT_XU);
	assert_int_equal(info.level, 0);
	assert_int_equal(mmu_fault(view, 0x10, 0x14, &info), MMU_RETRY);
	assert_int_equal(info.level, 1);
	assert_int_equal(mmu_fault(view, 0x1010, 0x14, &info), MMU_DENIED);
	assert_int_equal(mmu_fault(view, 0x1010, 0x6, &info), MMU_RETRY);
	assert_int_equal(mmu_fault(view, 0x2000, 0x4, &info), MMU_EMULATE);
	assert_int_equal(info.gpa.v, 0x2000);
	assert_int_equal(view->count.faults, 5);
	assert_int_equal(view->count.built, 2);
	machine_end(m);
}

/* Memory that the tables can't reach can't be had, and must not appear at another address. */
static void test_out_of_reach(void **state)
{
	for (unsigned i = 0; i < NR_FLAVOURS; i++) {
		struct machine *m = machine_start(&flavours[i], 2, 32);
		u64 reach = flavours[i].levels == 5 ? 1ull << 57 : 1ull << 48;
		struct mmu_fault_info info;

		assert_true(machine_add(m, reach - P2M, 2 * P2M, 0x8000000, RIGHTS_ALL));
		expect_page(m, reach - 1, flavours[i].two_mib ? P2M : P4K);
		assert_int_equal(mmu_fault(&m->cpu[0].view, reach, 0, &info), MMU_EMULATE);
		assert_int_equal(cpu_access(m, &m->cpu[0], 0, RIGHT_R), MMU_EMULATE);
		mmu_zap_range(&m->vm, GPA(reach - P2M), 2 * P2M);
		assert_int_equal(m->vm.pool.nr_live, 1);
		machine_check(m);
		machine_end(m);
	}
}

/* Protecting a page splits the large one around it, lifting that brings it back. */
static void test_split_and_collapse(void **state)
{
	struct machine *m = machine_start(&flavours[0], 4, 64);
	struct cpu *cpu = &m->cpu[0];

	assert_true(machine_add(m, 0, 2 * P1G, 0x80000000, RIGHTS_ALL));
	expect_page(m, P1G, P1G);
	assert_int_equal(m->flushes, 0);
	assert_true(machine_set_rights(m, P1G + 5 * P4K, P4K, RIGHT_R));
	assert_true(mmu_zap_range(&m->vm, GPA(P1G + 5 * P4K), P4K));
	assert_int_equal(m->flushes, 1);
	assert_int_equal(cpu_access(m, cpu, P1G + 5 * P4K, RIGHT_W), MMU_DENIED);
	expect_page(m, P1G + 5 * P4K, P4K);
	expect_page(m, P1G + 4 * P4K, P4K);
	expect_page(m, P1G + P2M, P2M);
	assert_int_equal(m->flushes, 1);
	assert_true(machine_set_rights(m, P1G + 5 * P4K, P4K, RIGHTS_ALL));
	assert_true(mmu_zap_range(&m->vm, GPA(P1G + 5 * P4K), P4K));
	/* What is left of the small pages goes when a page of their size is wanted. */
	expect_page(m, P1G + 5 * P4K, P1G);
	assert_int_equal(m->cpu[0].view.count.replaced, 1);
	assert_int_equal(m->flushes, 3);
	assert_int_equal(m->vm.pool.nr_live, 2);
	machine_check(m);
	machine_end(m);
}

/* A change of the slots of which nobody told the mmu voids everything. */
static void test_generation(void **state)
{
	struct machine *m = machine_start(&flavours[0], 4, 64);
	struct mmu_fault_info info;
	u64 root;

	assert_true(machine_add(m, 0, P1G, 0x80000000, RIGHTS_ALL));
	expect_page(m, 0, P1G);
	assert_true(machine_set_rights(m, 0, P4K, RIGHT_R));
	root = mmu_root(&m->cpu[0].view).v;
	assert_int_equal(walk(m, &m->cpu[0], root, P2M).size, 0);
	assert_int_equal(m->flushes, 1);
	/* A fault notices it too. */
	expect_page(m, P2M, P2M);
	assert_true(machine_set_rights(m, P2M + P4K, P4K, RIGHT_R));
	assert_int_equal(mmu_fault(&m->cpu[0].view, 3 * P2M, ACCESS_USER, &info), MMU_RETRY);
	assert_int_equal(walk(m, &m->cpu[0], root, P2M).size, 0);
	assert_true(machine_set_rights(m, P2M + P4K, P4K, RIGHTS_ALL));
	/* Two changes, one zap that knows of the second. */
	expect_page(m, P2M, P2M);
	assert_true(machine_set_rights(m, P2M, P4K, RIGHT_R));
	assert_true(machine_set_rights(m, 2 * P2M, P4K, RIGHT_R));
	mmu_zap_range(&m->vm, GPA(2 * P2M), P4K);
	assert_int_equal(walk(m, &m->cpu[0], root, P2M).size, 0);
	/* One change and its zap leave the rest alone. */
	expect_page(m, 4 * P2M, P2M);
	assert_true(machine_set_rights(m, 0, P4K, RIGHTS_ALL));
	mmu_zap_range(&m->vm, GPA(0), P4K);
	assert_int_equal(walk(m, &m->cpu[0], root, 4 * P2M).size, P2M);
	machine_end(m);
}

/* Told of the wrong range, the mmu still never keeps a guest from what it may do now. */
static void test_narrow_leftovers(void **state)
{
	struct machine *m = machine_start(&flavours[0], 4, 64);
	struct mmu_fault_info info;
	u64 root = mmu_root(&m->cpu[0].view).v;

	assert_true(machine_add(m, 0, P2M, 0x80000000, RIGHT_R));
	expect_page(m, 0, P2M);
	assert_true(machine_set_rights(m, 0, P2M, RIGHT_R | RIGHT_W));
	assert_true(mmu_zap_range(&m->vm, GPA(P1G), P4K));
	assert_int_equal(walk(m, &m->cpu[0], root, 0).rights, RIGHT_R);
	assert_int_equal(mmu_fault(&m->cpu[0].view, 0, 0x6, &info), MMU_RETRY);
	assert_int_equal(walk(m, &m->cpu[0], root, 0).rights, RIGHT_R | RIGHT_W);
	assert_int_equal(m->flushes, 1);
	machine_end(m);
}

static void test_zap_bounds(void **state)
{
	struct machine *m = machine_start(&flavours[0], 4, 64);
	u64 root = mmu_root(&m->cpu[0].view).v;

	assert_true(machine_add(m, 0, 8 * P4K, 0x80000000, RIGHTS_ALL));
	for (unsigned i = 0; i < 8; i++)
		expect_page(m, i * P4K, P4K);
	assert_true(mmu_zap_range(&m->vm, GPA(0), 0));
	assert_true(mmu_zap_range(&m->vm, GPA(P1G), P1G));
	assert_int_equal(m->flushes, 0);
	assert_true(mmu_zap_range(&m->vm, GPA(2 * P4K + 1), P4K));	/* touches two pages */
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(walk(m, &m->cpu[0], root, i * P4K).size,
				 i == 2 || i == 3 ? 0 : P4K);
	assert_true(mmu_zap_range(&m->vm, GPA(4 * P4K), P4K));
	assert_int_equal(walk(m, &m->cpu[0], root, 4 * P4K).size, 0);
	assert_int_equal(walk(m, &m->cpu[0], root, 5 * P4K).size, P4K);
	assert_true(mmu_zap_range(&m->vm, GPA(7 * P4K), ~0ull));
	assert_int_equal(walk(m, &m->cpu[0], root, 7 * P4K).size, 0);
	assert_int_equal(walk(m, &m->cpu[0], root, 6 * P4K).size, P4K);
	assert_true(mmu_zap_range(&m->vm, GPA(0), ~0ull));
	assert_int_equal(m->vm.pool.nr_live, 1);
	machine_check(m);
	machine_end(m);
}

/* Nothing is built, and no table is used again, before the flush that is due is done by all. */
static void test_flush_is_waited_for(void **state)
{
	struct machine *m = machine_start(&flavours[0], 1, 16);
	struct mmu_fault_info info;
	struct mmu *view = &m->cpu[0].view;

	m->async = true;
	assert_true(machine_add(m, 0, P4K, 0x80000000, RIGHTS_ALL));
	expect_page(m, 0, P4K);
	assert_int_equal(m->vm.pool.nr_free, 11);
	assert_false(mmu_zap_range(&m->vm, GPA(0), P4K));
	assert_int_equal(m->asked, 1);
	assert_int_equal(m->vm.pool.nr_free, 11);
	assert_int_equal(m->vm.pool.nr_held, 3);
	assert_false(mmu_is_settled(&m->vm));
	assert_int_equal(mmu_fault(view, 0, ACCESS_USER, &info), MMU_RETRY);
	assert_int_equal(view->count.built, 1);
	machine_ack(m, &m->cpu[1]);
	assert_false(mmu_is_settled(&m->vm));
	mmu_flushed(&m->vm, 2);		/* never asked for */
	assert_false(mmu_is_settled(&m->vm));
	machine_ack(m, &m->cpu[0]);
	assert_true(mmu_is_settled(&m->vm));
	mmu_flushed(&m->vm, 0);
	assert_true(mmu_is_settled(&m->vm));
	assert_int_equal(m->vm.pool.nr_free, 14);
	assert_int_equal(mmu_fault(view, 0, ACCESS_USER, &info), MMU_RETRY);
	assert_int_equal(view->count.built, 2);
	machine_check(m);
	m->async = false;
	machine_end(m);
}

/* Small pages that one CPU keeps must be gone before the large one is there. */
static void test_collapse_waits(void **state)
{
	struct machine *m = machine_start(&flavours[0], 4, 64);
	struct mmu *view = &m->cpu[0].view;
	struct mmu_fault_info info;

	assert_true(machine_add(m, 0, P2M, 0x80000000, RIGHTS_ALL));
	assert_true(machine_set_rights(m, 0, P4K, RIGHT_R));
	assert_int_equal(cpu_access(m, &m->cpu[1], P4K, RIGHT_R), MMU_RETRY);
	assert_true(machine_set_rights(m, 0, P4K, RIGHTS_ALL));
	assert_true(mmu_zap_range(&m->vm, GPA(0), P4K));
	assert_int_equal(cpu_access(m, &m->cpu[1], P4K, RIGHT_R), MMU_RETRY);
	assert_int_equal(m->cpu[1].tlb[0].size, P4K);
	m->async = true;
	assert_int_equal(mmu_root(view).v, mmu_root(&m->cpu[1].view).v);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(mmu_fault(view, 0, ACCESS_USER, &info), MMU_RETRY);
	assert_int_equal(view->count.built, 0);
	assert_int_equal(view->count.replaced, 1);
	machine_ack_all(m);
	expect_page(m, 0, P2M);
	m->async = false;
	machine_end(m);
}

/* A flush that isn't done is no reason to throw everything away. */
static void test_no_reclaim_while_waiting(void **state)
{
	struct machine *m = machine_start(&flavours[0], 1, 16);
	struct mmu_fault_info info;

	m->async = true;
	for (u64 i = 0; i < 4; i++)
		assert_true(machine_add(m, i << 39, P4K, 0x80000000, RIGHTS_ALL));
	for (u64 i = 0; i < 4; i++)
		expect_page(m, i << 39, P4K);
	assert_false(mmu_zap_range(&m->vm, GPA(0), P4K));
	assert_int_equal(mmu_fault(&m->cpu[0].view, 0, ACCESS_USER, &info), MMU_RETRY);
	assert_int_equal(m->cpu[0].view.count.reclaims, 0);
	machine_ack_all(m);
	expect_page(m, 0, P4K);
	assert_int_equal(m->cpu[0].view.count.reclaims, 0);
	m->async = false;
	machine_end(m);
}

/* Pages are told apart by gfn and by each bit of the role. */
static void test_keys(void **state)
{
	struct machine *m = machine_start(&flavours[0], 16, 256);
	union mmu_role role = { .word = 0 };
	unsigned found = 0;

	assert_true(mmu_pool_reserve(&m->vm.pool, 200));
	for (unsigned i = 0; i < 200; i++) {
		role.word = i;
		mmu_page_get(&m->vm, 0x100 + i % 2, role);
	}
	for (unsigned i = 0; i < 40000; i++) {
		u64 word = i < 20000 ? i : 1ull << i % 64, gfn = 0x100 + i / 256 % 4;
		struct mmu_page *page;

		role.word = word;
		page = mmu_page_find(&m->vm, gfn, role);
		assert_int_equal(page != NULL, word < 200 && gfn == 0x100 + word % 2);
		found += page != NULL;
	}
	assert_true(found > 20);
	mmu_vm_destroy(&m->vm);
}

/* A page stays as long as anything leads to it: two entries, or one and a view. */
static void test_page_lives_while_linked(void **state)
{
	struct machine *m = machine_start(&flavours[0], 1, 16);
	struct mmu_page *root, *other, *child;
	union mmu_role role;
	u64 link;

	assert_true(mmu_root(&m->cpu[0].view).v);
	root = m->cpu[0].view.root;
	role = root->role;
	role.context = 7;
	other = mmu_page_get(&m->vm, 0, role);
	child = mmu_page_get(&m->vm, 0, mmu_child_role(root->role, 0, FMT_EVERY_RIGHT, true));
	link = fmt_make_table(&m->format, 4, child->hpa.v, FMT_EVERY_RIGHT);
	mmu_set_entry(&m->vm, root, 0, link);
	mmu_set_entry(&m->vm, other, 0, link);
	mmu_set_entry(&m->vm, other, 0, link);
	assert_int_equal(child->links, 2);
	mmu_set_entry(&m->vm, root, 0, 0);
	assert_int_equal(child->state, MMU_PAGE_LIVE);
	mmu_set_entry(&m->vm, other, 0, 0);
	assert_int_equal(child->state, MMU_PAGE_HELD);
	mmu_set_entry(&m->vm, other, 1,
		      fmt_make_table(&m->format, 4, root->hpa.v, FMT_EVERY_RIGHT));
	mmu_set_entry(&m->vm, other, 1, 0);
	assert_int_equal(root->state, MMU_PAGE_LIVE);
	mmu_page_put(&m->vm, other);
	machine_end(m);
}

/* A CPU that faults for ever on what is allowed. */
static void test_no_progress(void **state)
{
	struct machine *m = machine_start(&flavours[0], 2, 32);
	struct mmu *view = &m->cpu[0].view;
	struct mmu_fault_info info;
	unsigned n = 0;

	assert_true(machine_add(m, 0, P2M, 0x80000000, RIGHTS_ALL));
	expect_page(m, 0, P2M);
	while (n < 10000 && mmu_fault(view, 0, ACCESS_USER, &info) == MMU_RETRY)
		n++;
	assert_in_range(n, 100, 2000);
	assert_true(m->flushes > 2);	/* it tried to help */
	assert_int_equal(view->count.built, 1);
	/* Anything that gets somewhere starts the count again. */
	for (unsigned i = 0; i < 10000; i++) {
		u64 at = i % 500 ? 0 : P1G;
		enum mmu_result wanted = at ? MMU_EMULATE : MMU_RETRY;

		assert_int_equal(mmu_fault(view, at, ACCESS_USER, &info), wanted);
	}
	machine_end(m);
}

/* One CPU goes through memory just behind another, which has built each page when it faults too. */
static void test_following_is_no_stall(void **state)
{
	struct machine *m = machine_start(&flavours[0], 2, 64);
	struct mmu_fault_info info;

	assert_true(machine_add(m, 0, P2M, 0x80000000, RIGHTS_ALL));
	assert_true(mmu_root(&m->cpu[1].view).v);
	for (u64 i = 0; i < 20000; i++) {
		u64 at = i % 512 << 12;

		expect_page(m, at, P2M);
		assert_int_equal(mmu_fault(&m->cpu[1].view, at, ACCESS_USER, &info), MMU_RETRY);
	}
	assert_true(m->cpu[1].view.count.spurious > 19000);
	machine_end(m);
}

/* Faults at `nr` addresses in turn, no two of which have tables in common. */
static enum mmu_result fault_in_turn(struct machine *m, u64 nr)
{
	struct mmu_fault_info info;
	enum mmu_result result = MMU_RETRY;

	for (u64 n = 0; n < 50000 && result == MMU_RETRY; n++)
		result = mmu_fault(&m->cpu[0].view, n % nr << 39, ACCESS_USER, &info);
	return result;
}

/* One instruction that needs more tables at once than the pool has: each fault takes away what the
 * one before has built. With room for several translations the guest gets on. */
static void test_thrashing_is_noticed(void **state)
{
	struct machine *m = machine_start(&flavours[1], 1, 16);

	for (u64 i = 0; i < 16; i++)
		assert_true(machine_add(m, i << 39, P4K, 0x80000000, RIGHTS_ALL));
	assert_true(mmu_root(&m->cpu[0].view).v);
	assert_int_equal(fault_in_turn(m, 16), MMU_RETRY);
	assert_true(m->cpu[0].view.count.reclaims > 10000);
	machine_check(m);
	mmu_zap_range(&m->vm, GPA(0), ~0ull);
	while (m->vm.pool.nr_free > 3)
		mmu_pool_take(&m->vm.pool);
	assert_int_equal(fault_in_turn(m, 2), MMU_NO_PROGRESS);
	assert_int_equal(fault_in_turn(m, 1), MMU_NO_PROGRESS);
	mmu_finish(&m->cpu[0].view);
	mmu_vm_destroy(&m->vm);
	assert_int_equal(frames_available(&m->frames), m->memory);
}

/* The n-th allocation fails, for every n: first for good, then until more memory is there. */
static void test_no_memory(void **state)
{
	unsigned failed = 0;

	for (unsigned n = 0; n < 9 * NR_FLAVOURS; n++) {
		unsigned chunks = n / NR_FLAVOURS;
		bool by_limit = n & 1;
		unsigned limit = by_limit ? chunks * 16 + 15 : 1024;
		struct machine *m = machine_start(&flavours[n % NR_FLAVOURS],
						  by_limit ? 14 : chunks, limit);

		for (unsigned i = 0; i < 40; i++)
			assert_true(machine_add(m, (u64)i << 31 | 5 * P4K, 3 * P4K, 16 * P1G,
						RIGHTS_ALL));
		for (unsigned i = 0; i < 200; i++) {
			u64 at = (u64)(i % 40) << 31 | 5 * P4K;
			enum mmu_result result = cpu_access(m, &m->cpu[i & 1], at, RIGHT_W);

			assert_int_equal(result, chunks ? MMU_RETRY : MMU_NO_MEMORY);
			failed += result == MMU_NO_MEMORY;
			machine_check(m);
			check_cpus(m);
		}
		m->vm.pool.limit = 1024;
		if (!by_limit) {
			assert_true(frames_add(&m->frames, HPA(ARENA_BASE + m->memory), P4K << 6));
			m->memory += P4K << 6;
		}
		assert_int_equal(cpu_access(m, &m->cpu[0], 5 * P4K, RIGHT_W), MMU_RETRY);
		machine_check(m);
		machine_end(m);
	}
	assert_int_equal(failed, 200 * NR_FLAVOURS);
}

/* --- Everything at random --- */

static u64 random_address(void)
{
	const struct segment *s = &added[rnd(nr_added)];

	switch (rnd(8)) {
	case 0:
		return rnd(12 * P1G);
	case 1:
		return s->base - 1 - rnd(P4K);
	case 2:
		return s->base + s->size + rnd(P4K);
	case 3:
		s = &changed[nr_changed ? rnd(nr_changed) : 0];
		return nr_changed ? s->base + (rnd(2) ? s->size : 0) + rnd(P4K) - P4K / 2 : 0;
	case 4:
		return s->base + s->size - 1 - rnd(MIN(s->size, 8 * P4K));
	default:
		return s->base + rnd(rnd(2) ? s->size : MIN(s->size, 4 * P2M));
	}
}

static void random_memory(struct machine *m)
{
	static const u64 grain[] = { P4K, P2M, P1G };
	u64 at = 0, host = 64 * P1G;

	for (unsigned n = 2 + (unsigned)rnd(6); n > 0 && at < 10 * P1G; n--) {
		u64 unit = grain[rnd(3)], size = unit * (1 + rnd(unit == P1G ? 2 : 600));
		u8 rights = rnd(3) ? RIGHTS_ALL : (u8)rnd(16);

		if (rnd(2))
			at = ALIGN_UP(at, grain[rnd(3)]) + (rnd(2) ? 0 : P4K * rnd(8));
		host = ALIGN_UP(host, 2 * P1G) + P2M + (rnd(4) ? at % P1G - P2M : P4K * rnd(1024));
		if (machine_add(m, at, size, host, rights))
			at += size;
		host += size + P1G;
	}
	if (rnd(2))
		machine_add(m, (1ull << 47) - P2M, P2M, 32 * P1G, RIGHTS_ALL);
}

static void random_rights(struct machine *m)
{
	const struct segment *s = &added[rnd(nr_added)];
	u64 pages = s->size / P4K, first = rnd(3) ? rnd(MIN(pages, 1100)) : rnd(pages);
	u64 count = 1 + rnd(rnd(2) ? MIN(pages - first, 8) : pages - first);
	u8 rights = rnd(2) ? RIGHTS_ALL : (u8)rnd(16);
	u64 base = s->base + first * P4K;
	bool settled;

	if (nr_changed && rnd(3) == 0) {	/* lift an earlier one */
		base = changed[nr_changed - 1].base;
		count = changed[nr_changed - 1].size / P4K;
		rights = RIGHTS_ALL;
	}
	if (!machine_set_rights(m, base, count * P4K, rights))
		return;
	if (rnd(4)) {
		settled = mmu_zap_range(&m->vm, GPA(base), count * P4K);
		assert_int_equal(settled, mmu_is_settled(&m->vm));
	} else {
		assert_true(mmu_root(&m->cpu[0].view).v || !mmu_is_settled(&m->vm));
	}
}

static void random_step(struct machine *m)
{
	struct cpu *cpu = &m->cpu[rnd(CPUS)];

	switch (rnd(40)) {
	case 0: case 1:
		random_rights(m);
		break;
	case 2:
		mmu_zap_range(&m->vm, GPA(random_address()), rnd(2) ? rnd(4 * P2M) : rnd(3 * P1G));
		break;
	case 3:
		machine_ack(m, cpu);
		break;
	case 4:
		if (rnd(8))
			break;
		mmu_finish(&cpu->view);
		assert_true(mmu_init(&cpu->view, &m->vm, &m->format, NULL));
		break;
	case 5:
		if (nr_added < ARRAY_SIZE(added) && machine_add(m, rnd(3000) << 22, P4K << rnd(10),
								(128 + nr_added) * P1G, RIGHTS_ALL))
			mmu_zap_range(&m->vm, GPA(added[nr_added - 1].base),
				      added[nr_added - 1].size);
		break;
	default:
		assert_int_not_equal(cpu_access(m, cpu, random_address(), one_right[rnd(4)]),
				     MMU_NO_MEMORY);
	}
}

static void test_random(void **state)
{
	unsigned rounds = getenv("MMU_ROUNDS") ? (unsigned)atoi(getenv("MMU_ROUNDS")) : 300;

	for (unsigned round = 0; round < rounds; round++) {
		unsigned limit = 16u << rnd(4);
		struct machine *m = machine_start(&flavours[round % NR_FLAVOURS], 16, limit);

		random_memory(m);
		m->async = rnd(2);
		for (unsigned step = 0; step < 200; step++) {
			random_step(m);
			machine_check(m);
			check_cpus(m);
		}
		machine_ack_all(m);
		m->async = false;
		machine_end(m);
	}
}

/* --- The checker itself: each kind of damage must be seen --- */

static struct mmu_page *page_at(struct machine *m, unsigned level, u64 gpa)
{
	struct mmu_page *page = m->cpu[0].view.root;

	while (page->role.level > level)
		page = mmu_entry_child(&m->vm, page, fmt_index(&m->format, page->role.level, gpa));
	return page;
}

static void expect_damage(struct machine *m, const char *what)
{
	char why[200] = "";

	assert_false(mmu_check(&m->vm, why, sizeof(why)));
	if (!strstr(why, what))
		fail_msg("expected '%s', got '%s'", what, why);
}

/* Changes *word for the time of a check. */
static void damage(struct machine *m, u64 *word, u64 value, const char *what)
{
	u64 old = *word;

	*word = value;
	expect_damage(m, what);
	*word = old;
	machine_check(m);
}

static void test_checker(void **state)
{
	struct machine *m = machine_start(&flavours[0], 2, 32);
	struct mmu_page *table, *directory;
	u64 entry;

	assert_true(machine_add(m, 0, 4 * P4K, 0x80000000, RIGHT_R | RIGHT_W));
	assert_true(machine_add(m, P2M, P2M, 0x80000000 + P2M, RIGHT_R));
	expect_page(m, P4K, P4K);
	expect_page(m, P2M, P2M);
	table = page_at(m, 1, 0);
	directory = page_at(m, 2, 0);
	entry = table->table[1];
	damage(m, &table->table[1], entry ^ 0x4000, "wrong host address");
	damage(m, &table->table[1], entry & ~(1ull << 63), "grants more");
	damage(m, &table->table[1], entry & ~1ull, "neither present nor 0");
	damage(m, &table->table[1], 0, "wrong number of present");
	damage(m, &table->table[2], entry, "wrong host address");
	damage(m, &table->table[4], entry, "beyond its slot");
	damage(m, &directory->table[1], directory->table[1] | 2, "grants more");
	damage(m, &directory->table[1], directory->table[1] | 0x2000, "doesn't have");
	damage(m, &directory->table[1], directory->table[0], "another gfn");
	damage(m, &directory->table[0], 0xffff000 | 0x27, "isn't the pool's");
	damage(m, &directory->table[0], m->vm.pool.free->hpa.v | 0x27, "isn't live");
	damage(m, &directory->table[0], directory->hpa.v | 0x27, "another role");
	damage(m, &directory->table[0], directory->table[0] & ~2ull, "takes rights away");
	damage(m, &m->vm.pool.free->table[7], 1, "isn't empty");
	damage(m, &table->gfn, 512, "another gfn");
	damage(m, &m->cpu[0].view.root->gfn, 512, "isn't found by its key");
	table->links++;
	expect_damage(m, "number of links");
	table->links--;
	table->present++;
	expect_damage(m, "number of present");
	table->present--;
	m->vm.pool.nr_free++;
	expect_damage(m, "free pages");
	m->vm.pool.nr_free--;
	m->vm.pool.nr_live++;
	expect_damage(m, "live pages");
	m->vm.pool.nr_live--;
	m->vm.pool.used--;
	expect_damage(m, "number of frames");
	m->vm.pool.used++;
	m->vm.pool.nr_held++;
	expect_damage(m, "held pages");
	m->vm.pool.nr_held--;
	m->vm.pool.free->views++;
	expect_damage(m, "in use");
	m->vm.pool.free->views--;
	machine_end(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_init_refuses),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_no_root_no_work),
		cmocka_unit_test(test_alignments),
		cmocka_unit_test(test_sizes_by_hand),
		cmocka_unit_test(test_limit_by_hand),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_out_of_reach),
		cmocka_unit_test(test_split_and_collapse),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_narrow_leftovers),
		cmocka_unit_test(test_zap_bounds),
		cmocka_unit_test(test_flush_is_waited_for),
		cmocka_unit_test(test_collapse_waits),
		cmocka_unit_test(test_no_reclaim_while_waiting),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_page_lives_while_linked),
		cmocka_unit_test(test_no_progress), cmocka_unit_test(test_following_is_no_stall),
		cmocka_unit_test(test_thrashing_is_noticed),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_checker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
