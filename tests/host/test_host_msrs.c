/* SPDX-License-Identifier: MIT */
/* The comparison behind check-host, on MSRs of this file's own. */
#include "arch/x86/host_msrs.c"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static u32 changed_msr, missing_msr;
static u64 flipped;
static unsigned told;
static char told_name[32];
static u64 told_before, told_after;

bool rdmsr_safe(u32 msr, u64 *value)
{
	if (msr == missing_msr)
		return false;
	*value = msr * 0x100000001ull ^ (msr == changed_msr ? flipped : 0);
	return true;
}

static void tell(const char *name, u64 before, u64 after)
{
	told++;
	strncpy(told_name, name, sizeof(told_name) - 1);
	told_before = before;
	told_after = after;
}

/* Each bit of some, and each of the MSRs by itself. */
static void test_each_change_is_seen(void **state)
{
	struct host_msrs before, after;

	changed_msr = missing_msr = ~0u;
	host_msrs_read(&before);
	host_msrs_read(&after);
	assert_int_equal(host_msrs_compare(&before, &after, tell), 0);
	assert_int_equal(told, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		changed_msr = rows[i].msr;
		flipped = 1ull << i * 2;
		host_msrs_read(&after);
		told = 0;
		assert_int_equal(host_msrs_compare(&before, &after, tell), 1);
		assert_int_equal(host_msrs_compare(&before, &after, NULL), 1);
		assert_int_equal(told, 1);
		assert_string_equal(told_name, rows[i].name);
		assert_int_equal(told_before ^ told_after, flipped);
	}
}

static void test_missing_msrs(void **state)
{
	struct host_msrs before, after;

	changed_msr = ~0u;
	missing_msr = MSR_SPEC_CTRL;
	host_msrs_read(&before);
	host_msrs_read(&after);
	assert_int_equal(host_msrs_compare(&before, &after, NULL), 0);
	missing_msr = ~0u;
	host_msrs_read(&after);
	assert_int_equal(host_msrs_compare(&before, &after, NULL), 1);
	assert_int_equal(host_msrs_compare(&after, &before, NULL), 1);
}

/* What Plinth would notice last: what VMRUN, VMLOAD and a guest's WRMSR could leave behind. */
static void test_important_msrs_are_there(void **state)
{
	static const u32 wanted[] = {
		0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101,
		0xc0000102, 0x174, 0x175, 0x176, 0x277, 0x2ff, 0x1b, 0x1d9, 0x48, 0xc0010114, 0xc0010117,
	};
	unsigned found = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++)
		for (unsigned j = 0; j < ARRAY_SIZE(rows); j++)
			found += rows[j].msr == wanted[i];
	assert_int_equal(found, ARRAY_SIZE(wanted));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_change_is_seen),
		cmocka_unit_test(test_missing_msrs),
		cmocka_unit_test(test_important_msrs_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
