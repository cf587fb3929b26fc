/* SPDX-License-Identifier: MIT */
/*
 * The instruction at RIP: the walk memo must never know more than a walk would find, bytes over a
 * page's end, decoded instructions that are not there any more. Each memo test asks three times: to
 * make the memo, to see it hold, and after one change.
 */
#include "vcpu/code.h"

#include "tests/host/fake_vcpu.c"

#define PML4	0x10000u
#define PDPT	0x11000u
#define PD	0x12000u
#define PT	0x13000u
#define CODE	0x20000u	/* physical; each page is filled with its own number */
#define OTHER	0x21000u
#define LINEAR	0x400000ull

static void put64(u64 at, u64 value)
{
	memcpy(memory + at, &value, 8);
}

static void put32(u64 at, u32 value)
{
	memcpy(memory + at, &value, 4);
}

static void fill_pages(void)
{
	for (unsigned page = CODE >> 12; page < 0x30; page++)
		memset(memory + page * 4096, page, 4096);
}

/* LINEAR and the page behind it, through four levels of tables. */
static void map_long(void)
{
	fill_pages();
	put64(PML4, PDPT | 7);
	put64(PDPT, PD | 7);
	put64(PD + 2 * 8, PT | 7);
	put64(PT, CODE | 7);
	put64(PT + 8, (CODE + 0x3000) | 7);
	block.cr3 = PML4;
	block.rip = LINEAR + 0x10;
	fake_state();
}

/* What the vCPU finds at RIP, by the memo if that holds; -1: nothing. */
static int look(void)
{
	unsigned avail;
	const u8 *code = code_pointer(v, &avail);

	if (!code)
		return -1;
	assert_int_equal(avail, 4096 - (block.rip & 0xfff));
	return *code;
}

/* An entry and an exit in which nothing that concerns us happens. */
static void round_trip(void)
{
	fake_enter();
	fake_leave();
}

static void make_memo(void)
{
	assert_int_equal(look(), CODE >> 12);
	round_trip();
	assert_int_equal(look(), CODE >> 12);
	assert_ptr_equal(code_memo(v), memory + CODE + (block.rip & 0xfff));
}

/* --- Whatever led there has changed --- */

/* The entry of each level leads somewhere else, or nowhere, or no longer for us. */
static void test_each_entry(void **state)
{
	static const u32 entry[] = { PML4, PDPT, PD + 2 * 8, PT };

	for (unsigned i = 0; i < ARRAY_SIZE(entry); i++) {
		block.seg[SEG_SS].attr &= ~SEG_ATTR_DPL;
		map_long();
		make_memo();
		put64(entry[i], 0);
		assert_int_equal(look(), -1);
		map_long();
		make_memo();
		/* Reserved: MAXPHYADDR is 40. */
		put64(entry[i], *(u64 *)(memory + entry[i]) | BIT(45));
		assert_int_equal(look(), -1);
		map_long();
		block.seg[SEG_SS].attr |= SEG_ATTR_DPL;
		fake_state();
		make_memo();
		put64(entry[i], *(u64 *)(memory + entry[i]) & ~4ull);
		assert_int_equal(look(), -1);
	}
	map_long();
	make_memo();
	put64(PT, OTHER | 7);
	assert_int_equal(look(), OTHER >> 12);
}

/* A page table in the middle is copied elsewhere: the old entries still read the same. */
static void test_table_moved(void **state)
{
	map_long();
	make_memo();
	put64(0x14000, OTHER | 7);
	put64(PD + 2 * 8, 0x14000 | 7);
	assert_int_equal(look(), OTHER >> 12);
}

static void test_cr3_by_the_guest(void **state)
{
	map_long();
	memcpy(memory + 0x15000, memory + PML4, 4096);
	put64(0x15000, 0x16000 | 7);
	put64(0x16000, 0x17000 | 7);
	put64(0x17000 + 16, 0x18000 | 7);
	put64(0x18000, OTHER | 7);
	make_memo();
	fake_enter();
	block.cr3 = 0x15000;		/* no exit tells of it */
	fake_leave();
	assert_int_equal(look(), OTHER >> 12);
	assert_true(vcpu_write_cr3(v, PML4));
	assert_int_equal(look(), CODE >> 12);
}

static void test_slots_changed(void **state)
{
	map_long();
	make_memo();
	/* The table is now memory that can't be read, so that the walk fails. */
	assert_true(slots_set_rights(&vm.slots, GPA(PD), 0x1000, 0));
	assert_int_equal(look(), -1);
}

static void test_paging_off(void **state)
{
	map_long();
	block.seg[SEG_CS].attr = (block.seg[SEG_CS].attr & ~SEG_ATTR_L) | SEG_ATTR_DB;
	block.rip = 0x28010;
	block.efer = 0;
	fake_state();
	put64(PDPT, PT | 1);		/* PAE: CR3 names this table */
	put64(PT, 0x19000 | 7);
	put64(0x19000 + 0x28 * 8, CODE | 7);
	block.cr3 = PDPT;
	fake_state();
	make_memo();
	assert_true(vcpu_write_cr0(v, CR0_PE));
	round_trip();
	assert_int_equal(look(), 0x28);
}

/* EFER.NXE makes bit 63 mean something, CR4.SMEP the U bit. */
static void test_modes(void **state)
{
	map_long();
	make_memo();
	assert_true(vcpu_write_cr4(v, CR4_PAE | CR4_SMEP));
	round_trip();
	assert_int_equal(look(), -1);			/* a user's page */
	assert_true(vcpu_write_cr4(v, CR4_PAE));
	round_trip();
	make_memo();
	put64(PT, CODE | 7 | BIT(63));
	assert_int_equal(look(), -1);			/* reserved without NXE */
	assert_true(vcpu_write_efer(v, EFER_NXE | EFER_LME | EFER_LMA));
	round_trip();
	assert_int_equal(look(), -1);			/* not to be executed */
	put64(PT, CODE | 7);
	make_memo();
}

/* What decides about reads and writes, or only about the TLB, leaves the memo: no fetch goes
 * elsewhere by it. */
static void test_modes_of_data(void **state)
{
	static const u64 bits[] = { CR4_PGE, CR4_SMAP, CR4_PKE };

	map_long();
	make_memo();
	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
		assert_true(vcpu_write_cr4(v, CR4_PAE | bits[i]));
		round_trip();
		assert_non_null(code_memo(v));
		assert_true(vcpu_write_cr4(v, CR4_PAE));
		round_trip();
		assert_non_null(code_memo(v));
	}
	assert_true(vcpu_write_cr0(v, block.cr0 ^ CR0_WP));
	round_trip();
	assert_ptr_equal(code_memo(v), memory + CODE + (block.rip & 0xfff));
	/* It is still watched: the page goes. */
	put64(PT, 0);
	assert_null(code_memo(v));
	assert_int_equal(look(), -1);
}

static void test_another_page(void **state)
{
	map_long();
	make_memo();
	fake_enter();
	block.rip = LINEAR + 0x1010;
	fake_leave();
	assert_int_equal(look(), (CODE >> 12) + 3);
	fake_enter();
	block.rip = LINEAR + 0x2010;
	fake_leave();
	assert_int_equal(look(), -1);
	fake_enter();
	block.rip = LINEAR + 0xfff;
	fake_leave();
	assert_int_equal(look(), CODE >> 12);
	/* The same offset in the page, far away. */
	fake_enter();
	block.rip = LINEAR + BIT(46);
	fake_leave();
	assert_int_equal(look(), -1);
}

/* --- Other formats --- */

static void test_32_bit_paging(void **state)
{
	for (unsigned odd = 0; odd < 2; odd++) {
		fake_teardown(NULL);
		fake_setup(NULL);
		fill_pages();
		fake_protected_mode();
		block.cr0 |= CR0_PG;
		put32(PML4 + 4, PT | 7);
		put32(PT + odd * 4, CODE | 7);
		block.cr3 = PML4;
		block.rip = LINEAR + odd * 0x1000 + 0x20;
		fake_state();
		make_memo();
		put32(PT + !odd * 4, OTHER | 7);	/* the neighbour is not ours */
		assert_int_equal(look(), CODE >> 12);
		make_memo();
		put32(PT + odd * 4, OTHER | 7);
		assert_int_equal(look(), OTHER >> 12);
	}
}

static void test_pae_paging(void **state)
{
	fill_pages();
	fake_protected_mode();
	block.cr0 |= CR0_PG;
	block.cr4 = CR4_PAE;
	put64(PDPT + 0x20, PD | 1);
	put64(PD + 2 * 8, PT | 7);
	put64(PT, CODE | 7);
	block.cr3 = PDPT + 0x20;
	block.rip = LINEAR + 8;
	fake_state();
	make_memo();
	put64(PDPT + 0x20, 0);		/* the CPU of this test reads PDPTEs at each walk */
	assert_int_equal(look(), -1);
}

static void test_segment_base(void **state)
{
	fill_pages();
	fake_real_mode(0x20000);
	block.rip = 0x1234;
	fake_state();
	assert_int_equal(look(), 0x21);
	fake_protected_mode();
	block.seg[SEG_CS].base = 0xffff0000;
	block.rip = 0x35678;		/* wraps at 4 GiB */
	fake_state();
	assert_int_equal(code_linear(v), 0x25678);
	assert_int_equal(look(), 0x25);
}

/* --- Bytes --- */

static void test_fetch_over_the_end(void **state)
{
	u8 bytes[15];

	map_long();
	for (unsigned left = 1; left < 20; left++) {
		unsigned first = left < 15 ? left : 15;

		fake_enter();
		block.rip = LINEAR + 4096 - left;
		fake_leave();
		put64(PT + 8, (CODE + 0x3000) | 7);
		assert_int_equal(code_fetch(v, bytes), 15);
		for (unsigned i = 0; i < 15; i++)
			assert_int_equal(bytes[i], (CODE >> 12) + (i < first ? 0 : 3));
		put64(PT + 8, 0);
		assert_int_equal(code_fetch(v, bytes), first);
		put64(PT + 8, 0xffff000 | 7);		/* where there is no memory */
		assert_int_equal(code_fetch(v, bytes), first);
	}
	fake_enter();
	block.rip = 0x10000000;
	fake_leave();
	assert_int_equal(code_fetch(v, bytes), 0);
}

/* Looks don't set accessed flags. */
static void test_fetch_leaves_no_trace(void **state)
{
	u8 bytes[15];

	map_long();
	fake_enter();
	block.rip = LINEAR + 4090;
	fake_leave();
	assert_int_equal(code_fetch(v, bytes), 15);
	assert_int_equal(*(u64 *)(memory + PT), CODE | 7);
	assert_int_equal(*(u64 *)(memory + PT + 8), (CODE + 0x3000) | 7);
	assert_int_equal(*(u64 *)(memory + PML4), PDPT | 7);
}

/* --- Decoded instructions --- */

static void put_code(u64 offset, const char *bytes, unsigned count)
{
	memcpy(memory + CODE + offset, bytes, count);
}

static void expect_insn(unsigned length, unsigned opcode)
{
	const struct insn *insn = code_insn(v);

	assert_non_null(insn);
	assert_int_equal(insn->length, length);
	assert_int_equal(insn->opcode, opcode);
}

static void test_insn_changes(void **state)
{
	map_long();
	put_code(0x10, "\x8b\x05\x00\x10\x00\x00", 6);		/* MOV EAX, [RIP + 1000H] */
	expect_insn(6, 0x8b);
	round_trip();
	expect_insn(6, 0x8b);
	assert_int_equal(code_insn(v)->disp, 0x1000);
	for (unsigned i = 0; i < 4; i++) {
		u32 before = code_insn(v)->disp;

		memory[CODE + 0x12 + i] ^= 0x40;	/* its last byte counts too */
		assert_int_equal((u32)code_insn(v)->disp, before ^ 0x40u << 8 * i);
	}
	put_code(0x10, "\x89\x08", 2);
	expect_insn(2, 0x89);
	memory[CODE + 0x12] = 0x77;			/* the byte behind it doesn't */
	expect_insn(2, 0x89);
	put_code(0x10, "\x0f\x0b", 2);			/* UD2 has a name but no operands */
	put_code(0x10, "\xff\xff", 2);			/* no instruction at all */
	assert_null(code_insn(v));
	put_code(0x10, "\x89\x08", 2);
	expect_insn(2, 0x89);
}

/* A byte behind the eighth. */
static void test_long_insn_changes(void **state)
{
	map_long();
	put_code(0x10, "\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08", 10);	/* MOV RAX, imm64 */
	expect_insn(10, 0xb8);
	assert_int_equal(code_insn(v)->imm, 0x0807060504030201ull);
	memory[CODE + 0x19] = 0x18;
	assert_int_equal(code_insn(v)->imm, 0x1807060504030201ull);
	memory[CODE + 0x11] = 0x89;			/* MOV [RCX], RAX */
	expect_insn(3, 0x89);
}

/* The same bytes at the same address are another instruction in another mode. */
static void test_insn_in_another_mode(void **state)
{
	put_code(0, "\xb8\x01\x02\x03\x04\x05", 6);
	fake_protected_mode();
	block.rip = CODE;
	fake_state();
	expect_insn(5, 0xb8);
	block.seg[SEG_CS].attr &= ~SEG_ATTR_DB;
	fake_state();
	expect_insn(3, 0xb8);
	block.seg[SEG_CS].attr |= SEG_ATTR_DB;
	fake_state();
	expect_insn(5, 0xb8);
}

/* Mapped elsewhere, with the page table changed and no exit in between. */
static void test_insn_page_changes(void **state)
{
	map_long();
	put_code(0x10, "\x89\x08", 2);
	expect_insn(2, 0x89);
	memcpy(memory + OTHER + 0x10, "\xb0\x12", 2);
	put64(PT, OTHER | 7);
	expect_insn(2, 0xb0);
	put64(PT, 0);
	assert_null(code_insn(v));
}

static void test_insn_over_the_end(void **state)
{
	map_long();
	fake_enter();
	block.rip = LINEAR + 0xffe;
	fake_leave();
	put_code(0xffe, "\x8b\x05", 2);
	memcpy(memory + CODE + 0x3000, "\x00\x10\x00\x00", 4);
	expect_insn(6, 0x8b);
	memory[CODE + 0x3003] = 1;			/* behind the end */
	assert_int_equal(code_insn(v)->disp, 0x01001000);
	put64(PT + 8, 0);
	assert_null(code_insn(v));
}

/* Many instructions share few places. */
static void test_many_insns(void **state)
{
	map_long();
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 200; i++) {
			u8 bytes[2] = { 0xb0, i };

			fake_enter();
			block.rip = LINEAR + 0x100 + i * 3;
			fake_leave();
			put_code(0x100 + i * 3, (char *)bytes, 2);
			expect_insn(2, 0xb0);
			assert_int_equal(code_insn(v)->imm & 0xff, i);
		}
	}
}

/* RIP 0 of a fresh vCPU is not a decoded instruction that was never decoded. */
static void test_insn_at_zero(void **state)
{
	fake_real_mode(0);
	block.rip = 0;
	fake_state();
	memory[0] = 0xf4;
	expect_insn(1, 0xf4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_each_entry),
		TEST(test_table_moved),
		TEST(test_cr3_by_the_guest),
		TEST(test_slots_changed),
		TEST(test_paging_off),
		TEST(test_modes),
		TEST(test_modes_of_data),
		TEST(test_another_page),
		TEST(test_32_bit_paging),
		TEST(test_pae_paging),
		TEST(test_segment_base),
		TEST(test_fetch_over_the_end),
		TEST(test_fetch_leaves_no_trace),
		TEST(test_insn_changes),
		TEST(test_long_insn_changes),
		TEST(test_insn_in_another_mode),
		TEST(test_insn_page_changes),
		TEST(test_insn_over_the_end),
		TEST(test_many_insns),
		TEST(test_insn_at_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
