/* SPDX-License-Identifier: MIT */
/*
 * Power-on, INIT and start-up IPI. Expectations: SDM vol. 3A, table "IA-32 and Intel 64 Processor
 * States Following Power-up, Reset, or INIT", and "MP Initialization Protocol".
 */
#include "tests/host/fake_vcpu.c"

#include "include/x86/cpuid.h"
#include "include/x86/msr.h"
#include "vcpu/events.h"
#include "vcpu/startup.h"

static unsigned ends, how_it_ended;

void vm_end(struct vm *m, enum vm_end how, u32 value)
{
	ends++;
	how_it_ended = how;
}

/* A guest in 64-bit mode that has used everything. */
static void used(void)
{
	for (unsigned i = 0; i < NR_GPRS; i++)
		v->gpr[i] = 0x1111111111111111ull * i;
	block.rsp = 0x8000;
	block.rflags = RFLAGS_FIXED | RFLAGS_IF | RFLAGS_TF;
	block.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_CD;
	block.cr2 = block.cr3 = 0x5000;
	block.dr6 = 0xffff0ff1;
	block.dr7 = 0x455;
	block.pat = 0x0606060606060606ull;
	block.sysenter.cs = 8;
	block.sysenter.eip = 0x1234;
	block.kernel_gs_base = 0x77;
	block.lstar = 0x88;
	block.star = 0x99;
	block.gdtr = (struct table){ 0x9000, 0x7f };
	block.idtr = (struct table){ 0xa000, 0xfff };
	block.seg[SEG_TR].base = 0xb000;
	block.seg[SEG_FS].base = 0xc000;
	block.block.sti = true;
	v->msrs.mtrr_def_type = 0xc06;
	v->msrs.mcg_status = 4;
	v->l0.tsc_offset = 12345;
	fake.xcr0 = 7;
	fake.tsc_aux = 3;
	vm.cpuid.basic[CPUID_FEATURES].eax = 0x60fb1;
	v->index = 1;
	fake_state();
}

static void check_segment(enum segment_register n, u16 selector, u64 base, u16 type)
{
	const struct segment *s = &block.seg[n];

	assert_int_equal(s->selector, selector);
	assert_int_equal(s->base, base);
	assert_int_equal(s->limit, 0xffff);
	assert_int_equal(s->attr & 0x9f, type);
}

/* The table's rows that INIT sets. */
static void check_reset_registers(void)
{
	static const enum segment_register data[] = { SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

	for (unsigned i = 0; i < NR_GPRS; i++)
		assert_int_equal(v->gpr[i], i == GPR_RDX ? 0x60fb1 : 0);
	assert_int_equal(block.rsp, 0);
	assert_int_equal(block.rflags, 2);
	assert_int_equal(block.cr2 | block.cr3 | block.cr4 | block.efer, 0);
	assert_int_equal(block.dr6, 0xffff0ff0);
	assert_int_equal(block.dr7, 0x400);
	assert_int_equal(block.gdtr.base | block.idtr.base, 0);
	assert_int_equal(block.gdtr.limit, 0xffff);
	assert_int_equal(block.idtr.limit, 0xffff);
	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		check_segment(data[i], 0, 0, 0x93);
	check_segment(SEG_LDTR, 0, 0, 0x82);
	check_segment(SEG_TR, 0, 0, 0x8b);
	assert_false(block.block.sti || block.block.mov_ss);
}

static void test_init(void **state)
{
	used();
	v->raised.type = v->interrupted.type = v->inject.type = EVENT_EXCEPTION;
	v->step.on = v->intr_window = v->nmi_window = true;
	fake.injecting = true;
	fake.intr_window = fake.nmi_window = true;
	startup_note_init(v);
	startup_carry_out(v);
	assert_int_equal(v->cur->activity, ACTIVITY_WAIT_SIPI);
	fake_enter();
	check_reset_registers();
	check_segment(SEG_CS, 0xf000, 0xffff0000, 0x9b);
	assert_int_equal(block.rip, 0xfff0);
	/* CD and NW are unchanged, ET is set, all others are cleared. */
	assert_int_equal(block.cr0, CR0_CD | CR0_ET);
	/* Unchanged: */
	assert_true(block.pat == 0x0606060606060606ull);
	assert_int_equal(block.sysenter.cs, 8);
	assert_int_equal(block.sysenter.eip, 0x1234);
	assert_int_equal(block.kernel_gs_base, 0x77);
	assert_int_equal(block.lstar, 0x88);
	assert_int_equal(block.star, 0x99);
	assert_int_equal(v->msrs.mtrr_def_type, 0xc06);
	assert_int_equal(v->msrs.mcg_status, 4);
	assert_int_equal(v->l0.tsc_offset, 12345);
	assert_int_equal(fake.xcr0, 7);
	assert_int_equal(fake.tsc_aux, 3);
	/* DR0-3 and the local APIC are set by who has them. */
	assert_int_equal(fake.debug_resets, 1);
	assert_int_equal(fake.apic_inits, 1);
	/* Nothing of what was under way is left, and old translations are not used. */
	assert_int_equal(v->raised.type | v->interrupted.type | v->inject.type, EVENT_NONE);
	assert_false(v->step.on || v->intr_window || v->nmi_window);
	assert_false(fake.injecting || fake.intr_window || fake.nmi_window);
	assert_true(v->requests & REQUEST_FLUSH);
	assert_true(v->paging_stale && v->memo.page == MEMO_NONE);
}

static void test_sipi(void **state)
{
	used();
	startup_note_init(v);
	assert_true(startup_note_sipi(v, 0x9a));
	assert_false(startup_note_sipi(v, 0x9b));	/* the second has no effect */
	startup_carry_out(v);
	assert_int_equal(v->cur->activity, ACTIVITY_ACTIVE);
	fake_enter();
	check_reset_registers();
	check_segment(SEG_CS, 0x9a00, 0x9a000, 0x9b);
	assert_int_equal(block.rip, 0);
	assert_true(v->requests & REQUEST_EVENT);
	assert_false(startup_note_sipi(v, 0x9c));	/* it runs */
	assert_int_equal(v->startup, 0);
}

/* In all orders in which they can come, each carried out at once or with the next. */
static void test_orders(void **state)
{
	static const char *const orders[] = { "I", "S", "IS", "SI", "ISS", "II", "IIS", "ISI", "ISIS", "SIS" };

	for (size_t o = 0; o < ARRAY_SIZE(orders); o++) {
		size_t n = strlen(orders[o]);

		for (unsigned late = 0; late < 1u << (n - 1); late++) {
			int vector = -1;	/* that runs; the model: a state machine of three states */
			bool waits = false, taken;

			used();
			v->cur->activity = ACTIVITY_ACTIVE;
			v->startup = 0;
			for (unsigned i = 0; i < n; i++) {
				if (orders[o][i] == 'I') {
					startup_note_init(v);
					waits = true;
					vector = -1;
				} else {
					taken = startup_note_sipi(v, 0x10 + i);
					assert_int_equal(taken, waits);
					vector = waits ? 0x10 + (int)i : vector;
					waits = false;
				}
				if (!(late >> i & 1))
					startup_carry_out(v);
			}
			assert_int_equal(v->cur->activity,
					 waits ? ACTIVITY_WAIT_SIPI : ACTIVITY_ACTIVE);
			fake_enter();
			if (vector >= 0)
				assert_int_equal(block.seg[SEG_CS].selector, vector << 8);
		}
	}
}

static void test_power_on(void **state)
{
	used();
	startup_power_on(v);
	assert_int_equal(v->cur->activity, ACTIVITY_WAIT_SIPI);
	assert_true(startup_note_sipi(v, 0));
	startup_carry_out(v);
	fake_enter();
	check_reset_registers();
	check_segment(SEG_CS, 0, 0, 0x9b);
	assert_int_equal(block.rip, 0);
	assert_int_equal(block.cr0, 0x60000010);
	assert_true(block.pat == 0x0007040600070406ull);
	assert_int_equal(v->cur->activity, ACTIVITY_ACTIVE);
}

/* The boot processor runs at once; an INIT of it is the guest's reset. */
static void test_boot_processor(void **state)
{
	used();
	v->index = 0;
	v->startup = 0;
	ends = 0;
	startup_power_on(v);
	assert_int_equal(v->cur->activity, ACTIVITY_ACTIVE);
	assert_false(startup_note_sipi(v, 1));
	fake_enter();
	check_reset_registers();
	check_segment(SEG_CS, 0xf000, 0xffff0000, 0x9b);
	assert_int_equal(block.rip, 0xfff0);
	startup_note_init(v);
	startup_carry_out(v);
	assert_int_equal(ends, 1);
	assert_int_equal(how_it_ended, VM_RESET);
}

/* NMIs that came after the INIT wait until the start-up IPI; before it nothing wakes the vCPU. */
static void test_nmi_waits(void **state)
{
	used();
	startup_note_init(v);
	v->nmi_pending = 1;
	startup_carry_out(v);
	assert_int_equal(v->cur->activity, ACTIVITY_WAIT_SIPI);
	assert_true(startup_note_sipi(v, 7));
	startup_carry_out(v);
	assert_true(events_prepare(v));
	assert_int_equal(fake.nr_injected, 1);
	assert_int_equal(fake.injected[0].type, EVENT_NMI);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_init), TEST(test_sipi), TEST(test_orders), TEST(test_power_on),
		TEST(test_boot_processor), TEST(test_nmi_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
