/* SPDX-License-Identifier: MIT */
/*
 * Writes to CR0, CR3, CR4, CR8, EFER and XCR0 by the manual's rules, all combinations. SDM vol. 3A,
 * "Control Registers", "Initializing IA-32e Mode", "Extended Control Registers"; vol. 2B,
 * "MOV—Move to/from Control Registers"; APM vol. 2, "Long-Mode Control Registers".
 */
#include "vcpu/registers.h"

#include "include/x86/msr.h"
#include "tests/host/fake_vcpu.c"

#define CR0_RESERVED	0x1ffaffc0ull	/* bits 28:19, 17, 15:6: writes are ignored */

/* One of the modes in which a write may happen, and whether it can exist. */
struct start {
	bool pe, pg, lme, pae, cs_l;
};

static bool is_possible(const struct start *s)
{
	if (s->pg && (!s->pe || (s->lme && !s->pae)))
		return false;
	return s->pe || !s->cs_l;
}

static bool is_long(const struct start *s)
{
	return s->lme && s->pg;
}

static void begin(const struct start *s)
{
	fake_segments(s->cs_l ? SEG_ATTR_L : SEG_ATTR_DB);
	block.cr0 = CR0_ET | (s->pe ? CR0_PE : 0) | (s->pg ? CR0_PG : 0);
	block.cr4 = s->pae ? CR4_PAE : 0;
	block.efer = (s->lme ? EFER_LME : 0) | (is_long(s) ? EFER_LMA : 0);
	v->requests = 0;
	v->paging_stale = false;
	v->memo.page = 0x5000;
	fake_state();
}

static void for_each_start(void (*check)(const struct start *))
{
	unsigned possible = 0;

	for (unsigned i = 0; i < 32; i++) {
		struct start s = { i & 1, i & 2, i & 4, i & 8, i & 16 };

		if (!is_possible(&s))
			continue;
		possible++;
		check(&s);
	}
	assert_int_equal(possible, 4 + 8 + 6);	/* PE=0; PE=1, PG=0; PG=1 */
}

/* After a write: what is in force, what was forgotten. `fetches`: whether the walk of an
 * instruction's address may end elsewhere now. */
static void expect_forgotten(bool forgotten, bool fetches)
{
	assert_int_equal(!!(v->requests & REQUEST_FLUSH), forgotten);
	assert_int_equal(v->paging_stale, forgotten);
	assert_int_equal(v->memo.page == MEMO_NONE, fetches);
}

/* --- CR0 --- */

static bool cr0_faults(const struct start *s, u64 value)
{
	bool pg = value & CR0_PG;

	if (value >> 32)
		return true;
	if (pg && !(value & CR0_PE))
		return true;
	if ((value & CR0_NW) && !(value & CR0_CD))
		return true;
	if (pg && !s->pg && s->lme)		/* long mode is being activated */
		return !s->pae || s->cs_l;
	return !pg && is_long(s) && s->cs_l;	/* 64-bit code can't leave paging */
}

static void check_cr0(const struct start *s)
{
	static const u64 bit[] = { CR0_PE, CR0_PG,  CR0_NW,	  CR0_CD,
				   CR0_WP, BIT(32), CR0_RESERVED, CR0_TS };

	for (unsigned i = 0; i < 1u << ARRAY_SIZE(bit); i++) {
		u64 value = 0, old;
		bool faults;

		for (unsigned j = 0; j < ARRAY_SIZE(bit); j++)
			value |= i >> j & 1 ? bit[j] : 0;
		begin(s);
		old = block.cr0;
		faults = cr0_faults(s, value);
		assert_int_equal(vcpu_write_cr0(v, value), !faults);
		fake_enter();
		if (faults) {
			assert_int_equal(block.cr0, old);
			assert_int_equal(!!(block.efer & EFER_LMA), is_long(s));
			expect_forgotten(false, false);
			continue;
		}
		assert_int_equal(block.cr0, (value & ~CR0_RESERVED) | CR0_ET);
		assert_int_equal(!!(block.efer & EFER_LMA), s->lme && (value & CR0_PG));
		assert_int_equal(!!(block.efer & EFER_LME), s->lme);
		if ((value ^ old) & (CR0_PG | CR0_WP))
			expect_forgotten(true, (value ^ old) & (CR0_PG | CR0_PE));
		if (!((value ^ old) & (CR0_PG | CR0_WP | CR0_PE)))
			expect_forgotten(false, false);
	}
}

static void test_cr0(void **state)
{
	for_each_start(check_cr0);
}

/* --- CR4 --- */

static void check_cr4(const struct start *s)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		for (unsigned set = 0; set < 2; set++) {
			u64 old, value;
			bool faults;

			begin(s);
			old = block.cr4;
			value = set ? old | BIT(bit) : old & ~BIT(bit);
			/* A bit that isn't defined, or whose feature CPUID doesn't show. */
			faults = (BIT(bit) & ~vm.cpuid.cr4) && set;
			if (is_long(s))
				faults = faults || (!set && bit == 5) || (set && bit == 12);
			assert_int_equal(vcpu_write_cr4(v, value), !faults);
			fake_enter();
			assert_int_equal(block.cr4, faults ? old : value);
			if (faults || value == old)
				expect_forgotten(false, false);
			else if (BIT(bit) & (CR4_PGE | CR4_PAE | CR4_PSE | CR4_SMEP | CR4_SMAP |
					     CR4_PKE | CR4_LA57))
				/* SDM vol. 3A, "Determination of Access Rights": what a fetch depends on. */
				expect_forgotten(true, !(BIT(bit) & (CR4_PGE | CR4_SMAP | CR4_PKE)));
			else
				expect_forgotten(false, false);
		}
	}
}

static void test_cr4(void **state)
{
	for_each_start(check_cr4);
	vm.cpuid.cr4 &= ~(CR4_SMEP | CR4_PCE);
	for_each_start(check_cr4);
}

/* LA57 can't be changed in long mode, either way. */
static void test_la57_in_long_mode(void **state)
{
	block.cr4 = CR4_PAE | CR4_LA57;
	fake_state();
	assert_false(vcpu_write_cr4(v, CR4_PAE));
	assert_true(vcpu_write_cr4(v, CR4_PAE | CR4_LA57 | CR4_PGE));
}

/* --- EFER --- */

static void check_efer(const struct start *s)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		u64 old, value;
		bool faults;

		begin(s);
		old = block.efer;
		value = old ^ BIT(bit);
		faults = BIT(bit) & ~vm.cpuid.efer & value;
		faults = faults || (bit == 8 && s->pg);	/* LME while paging is on */
		assert_int_equal(vcpu_write_efer(v, value), !faults);
		fake_enter();
		if (faults || bit == 10)		/* LMA only tells */
			assert_int_equal(block.efer, old);
		else
			assert_int_equal(block.efer, value);
		expect_forgotten(!faults && (bit == 8 || bit == 11), !faults && (bit == 8 || bit == 11));
	}
}

static void test_efer(void **state)
{
	for_each_start(check_efer);
	vm.cpuid.efer &= ~EFER_NXE;
	for_each_start(check_efer);
	begin(&(struct start){ .pe = true });
	assert_false(vcpu_write_efer(v, EFER_SVME));
	assert_false(vcpu_write_efer(v, EFER_FFXSR));
	assert_false(vcpu_write_efer(v, EFER_LMSLE));
}

/* --- CR3, CR2, CR8 --- */

static void check_cr3(const struct start *s)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		bool faults = is_long(s) && bit >= 40;		/* MAXPHYADDR; 63 without PCIDs */

		block.cr3 = 0;
		begin(s);
		assert_int_equal(vcpu_write_cr3(v, 0x1000 | BIT(bit)), !faults);
		fake_enter();
		if (faults)
			assert_int_equal(block.cr3, 0);
		else
			assert_int_equal(block.cr3, is_long(s) ? 0x1000 | BIT(bit) :
								 (u32)(0x1000 | BIT(bit)));
		assert_int_equal(!!(v->requests & REQUEST_FLUSH), !faults);
	}
}

static void test_cr3(void **state)
{
	for_each_start(check_cr3);
}

static void test_cr_by_number(void **state)
{
	assert_int_equal(vcpu_read_cr(v, 0), CR0_PE | CR0_PG | CR0_ET);
	assert_true(vcpu_write_cr(v, 2, 0x123456789abcdefull));
	assert_true(vcpu_write_cr(v, 8, 15));
	assert_int_equal(fake.cr8, 15);
	assert_false(vcpu_write_cr(v, 8, 16));
	assert_false(vcpu_write_cr(v, 8, BIT(32)));
	assert_int_equal(vcpu_read_cr(v, 8), 15);
	for (unsigned i = 0; i < 16; i++)
		if (i != 0 && i != 2 && i != 3 && i != 4 && i != 8)
			assert_false(vcpu_write_cr(v, i, 0));
	fake_enter();
	assert_int_equal(block.cr2, 0x123456789abcdefull);
	block.cr3 = 0x7000;
	fake_leave();
	assert_int_equal(vcpu_read_cr(v, 2), 0x123456789abcdefull);
	assert_int_equal(vcpu_read_cr(v, 3), 0x7000);
	assert_int_equal(vcpu_read_cr(v, 4), CR4_PAE);
	assert_int_equal(vcpu_read_cr(v, 0), CR0_PE | CR0_PG | CR0_ET);
	v->l0.cr_mask[0] = CR0_PE | CR0_TS;
	v->l0.cr_shadow[0] = CR0_TS | CR0_WP;
	assert_int_equal(vcpu_read_cr(v, 0), CR0_PG | CR0_ET | CR0_TS);
}

/* --- PDPTEs in registers --- */

static void put_entry(u64 at, u64 entry)
{
	memcpy(memory + at, &entry, 8);
}

/* Bits that must be 0 in a present PAE PDPTE: 1, 2, 5 to 8, and from MAXPHYADDR (40 here) on. */
static void test_pdptes(void **state)
{
	caps.pdptr_in_memory = v->gva_walk.pdptr_in_memory = false;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (unsigned present = 0; present < 2; present++) {
			bool reserved = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 40;
			bool faults = reserved && (present || bit == 0);
			u64 entry = present | BIT(bit);

			begin(&(struct start){ .pe = true, .pg = true, .pae = true });
			put_entry(0x3020, 0x4001);
			put_entry(0x3038, entry);
			assert_int_equal(vcpu_write_cr3(v, 0x3020), !faults);
			fake_enter();
			assert_int_equal(block.cr3, faults ? 0 : 0x3020);
			assert_int_equal(block.pdptr[0], faults ? 0 : 0x4001);
			assert_int_equal(block.pdptr[3], faults ? 0 : entry);
			block.cr3 = block.pdptr[0] = block.pdptr[3] = 0;
		}
	}
}

/* Only PAE paging has PDPTEs: elsewhere CR3 may name anything. */
static void test_no_pdptes(void **state)
{
	caps.pdptr_in_memory = v->gva_walk.pdptr_in_memory = false;
	memset(memory + 0x3000, 0xff, 0x1000);
	for (unsigned i = 0; i < 3; i++) {
		begin(&(struct start){ .pe = true, .pg = i > 0, .pae = i != 1, .lme = i == 2 });
		block.pdptr[0] = 0;
		fake_state();
		assert_true(vcpu_write_cr3(v, 0x3000));
		fake_enter();
		assert_int_equal(block.cr3, 0x3000);
		assert_int_equal(block.pdptr[0], 0);
	}
}

/* Setting PG, and changing PAE, PGE, PSE or SMEP with PG set, load them as well. */
static void test_pdptes_by_cr0_and_cr4(void **state)
{
	static const u64 loads[] = { CR4_PGE, CR4_PSE, CR4_SMEP };

	caps.pdptr_in_memory = v->gva_walk.pdptr_in_memory = false;
	block.cr3 = 0x3000;
	begin(&(struct start){ .pe = true, .pae = true });
	put_entry(0x3008, 0x6003);			/* bit 1 is reserved */
	assert_false(vcpu_write_cr0(v, CR0_PE | CR0_PG));
	put_entry(0x3008, 0x6001);
	assert_true(vcpu_write_cr0(v, CR0_PE | CR0_PG));
	fake_enter();
	assert_int_equal(block.pdptr[1], 0x6001);
	for (unsigned i = 0; i < ARRAY_SIZE(loads); i++) {
		begin(&(struct start){ .pe = true, .pg = true, .pae = true });
		put_entry(0x3008, 0x6001 + i * 0x1000);
		assert_true(vcpu_write_cr4(v, CR4_PAE | loads[i]));
		fake_enter();
		assert_int_equal(block.pdptr[1], 0x6001 + i * 0x1000);
		fake_leave();
		put_entry(0x3008, 0x6021);
		assert_false(vcpu_write_cr4(v, CR4_PAE));
	}
}

/* --- XCR0 --- */

static bool xcr0_is_legal(u64 value, u64 supported)
{
	return (value & 1) && !(value & ~supported) && (!(value & 4) || (value & 2));
}

static void test_xcr0(void **state)
{
	static const u64 supported[] = { 7, 3, 0x207, 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(supported); i++) {
		vm.cpuid.xcr0 = supported[i];
		for (u64 value = 0; value < 0x400; value++) {
			fake.xcr0 = 1;
			assert_int_equal(vcpu_write_xcr(v, 0, value),
					 xcr0_is_legal(value, supported[i]));
			assert_int_equal(fake.xcr0, xcr0_is_legal(value, supported[i]) ? value : 1);
			assert_false(vcpu_write_xcr(v, 1, value));
		}
		assert_false(vcpu_write_xcr(v, 0, BIT(63) | 1));
	}
}

/* Nothing of who ran on the CPU before is left. */
static void test_cpu_state_is_fresh(void **state)
{
	fake.xcr0 = 7;
	fake.tsc_aux = 0x5a5a;
	vm.cpuid.ext[1].edx = BIT(27);			/* RDTSCP */
	vcpu_load_cpu_state(v);
	assert_int_equal(fake.xcr0, 1);
	assert_int_equal(fake.tsc_aux, 0);
	vm.cpuid.ext[1].edx = 0;			/* the MSR may not exist */
	fake.tsc_aux = 0x5a5a;
	vcpu_load_cpu_state(v);
	assert_int_equal(fake.tsc_aux, 0x5a5a);
}

/* --- Modes and walks --- */

static void test_cpl_is_that_of_ss(void **state)
{
	for (unsigned dpl = 0; dpl < 4; dpl++) {
		block.seg[SEG_SS].attr = SEG_ATTR_P | dpl << 5;
		block.seg[SEG_CS].attr |= 3 << 5; /* a conforming segment's DPL says nothing */
		block.seg[SEG_CS].selector = 3;
		block.rflags = RFLAGS_FIXED | (dpl & 1 ? RFLAGS_AC : 0);
		fake_state();
		assert_int_equal(vcpu_cpl(v), dpl);
		assert_int_equal(vcpu_access_context(v),
				 (dpl == 3 ? ACCESS_USER : 0) | (dpl & 1 ? ACCESS_AC : 0));
	}
}

/* SDM vol. 3A, "Paging-Mode Enabling". */
static unsigned levels_of(u64 cr0, u64 cr4, u64 efer)
{
	if (!(cr0 & CR0_PG))
		return 0;
	if (!(cr4 & CR4_PAE))
		return 2;
	if (!(efer & EFER_LMA))
		return 3;
	return cr4 & CR4_LA57 ? 5 : 4;
}

/* A guest may go through every mode that there is: the set of formats has room for all. */
static void test_every_paging_mode(void **state)
{
	static const u64 cr4_bits[] = { CR4_PAE,  CR4_PSE, CR4_PGE, CR4_SMEP,
					CR4_SMAP, CR4_PKE, CR4_LA57 };

	for (unsigned i = 0; i < 1u << 11; i++) {
		u64 cr0 = CR0_PE | CR0_ET | (i & 1 ? CR0_PG : 0) | (i & 2 ? CR0_WP : 0);
		u64 efer = (i & 4 ? EFER_NXE : 0) | (i & 8 ? EFER_LME | (i & 1 ? EFER_LMA : 0) : 0);
		u64 cr4 = 0;

		for (unsigned j = 0; j < ARRAY_SIZE(cr4_bits); j++)
			cr4 |= i >> (4 + j) & 1 ? cr4_bits[j] : 0;
		if ((efer & EFER_LMA) && !(cr4 & CR4_PAE))
			continue;
		block.cr0 = cr0;
		block.cr4 = cr4;
		block.efer = efer;
		fake_state();
		v->paging_stale = true;
		vcpu_refresh_walk(v);
		assert_false(v->paging_stale);
		assert_int_equal(v->gva_walk.format->levels, levels_of(cr0, cr4, efer));
	}
}

static void test_walk_memory(void **state)
{
	u64 value = 0;

	put_entry(0x2000, 0x1122334455667788ull);
	assert_true(vcpu_walk_ops.read(v, GPA(0x2000), 8, &value));
	assert_int_equal(value, 0x1122334455667788ull);
	assert_true(vcpu_walk_ops.read(v, GPA(0x2004), 4, &value));
	assert_int_equal(value, 0x11223344);
	assert_int_equal(vcpu_walk_ops.exchange(v, GPA(0x2000), 8, 1, 2), EXCHANGE_LOST);
	assert_int_equal(vcpu_walk_ops.exchange(v, GPA(0x2000), 4, 0x55667788, 0xff),
			 EXCHANGE_DONE);
	/* where nothing is, ones are read */
	assert_true(vcpu_walk_ops.read(v, GPA(FAKE_MEMORY), 8, &value));
	assert_int_equal(value, ~0ull);
	assert_true(vcpu_walk_ops.read(v, GPA(FAKE_MEMORY), 4, &value));
	assert_int_equal(value, 0xffffffff);
	assert_int_equal(vcpu_walk_ops.exchange(v, GPA(FAKE_MEMORY), 8, 1, 2), EXCHANGE_NOT_MEMORY);
	assert_true(vcpu_walk_ops.read(v, GPA(0x2000), 8, &value));
	assert_int_equal(value, 0x11223344000000ffull);
	assert_int_equal(vcpu_walk_ops.exchange(v, GPA(0x2000), 8, value, BIT(63) | 0xff),
			 EXCHANGE_DONE);
	assert_true(vcpu_walk_ops.read(v, GPA(0x2000), 8, &value));
	assert_int_equal(value, BIT(63) | 0xff);
	/* Memory that drops writes. */
	assert_true(slots_set_rights(&vm.slots, GPA(0x2000), 0x1000, RIGHT_R));
	assert_int_equal(vcpu_walk_ops.exchange(v, GPA(0x2000), 4, 0xff, 1), EXCHANGE_DONE);
	assert_true(vcpu_walk_ops.read(v, GPA(0x2000), 4, &value));
	assert_int_equal(value, 0xff);
	/* Memory that can't be read holds no tables. */
	assert_true(slots_set_rights(&vm.slots, GPA(0x2000), 0x1000, 0));
	assert_false(vcpu_walk_ops.read(v, GPA(0x2000), 8, &value));
	assert_int_equal(vcpu_walk_ops.exchange(v, GPA(0x2000), 8, 0, 1), EXCHANGE_NOT_MEMORY);
}

static void test_walk_registers(void **state)
{
	block.cr3 = 0xabc000;
	block.pdptr[2] = 0x77001;
	fake.pkru = 0x55555554;
	fake_state();
	assert_int_equal(vcpu_walk_ops.root(v), 0xabc000);
	assert_int_equal(vcpu_walk_ops.pdptr(v, 2), 0x77001);
	assert_int_equal(vcpu_walk_ops.pkru(v), 0x55555554);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_cr0),
		TEST(test_cr4),
		TEST(test_la57_in_long_mode),
		TEST(test_efer),
		TEST(test_cr3),
		TEST(test_cr_by_number),
		TEST(test_pdptes),
		TEST(test_no_pdptes),
		TEST(test_pdptes_by_cr0_and_cr4),
		TEST(test_xcr0),
		TEST(test_cpu_state_is_fresh),
		TEST(test_cpl_is_that_of_ss),
		TEST(test_every_paging_mode),
		TEST(test_walk_memory),
		TEST(test_walk_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
