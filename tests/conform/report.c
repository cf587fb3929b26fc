/* SPDX-License-Identifier: MIT */
/* Results, as TAP. */
#include "tests/conform/conform.h"

#include "console/console.h"
#include "lib/printf.h"

enum vendor vendor;
enum machine machine;

static struct {
	unsigned passed, failed, skipped, differences;
} total;

static struct {
	const struct about *about;
	const char *variant, *what;
	u64 found;
} now;

static const struct { u8 cap; const char *lacks; } lacking[] = {
	{ CAP(nrip), "the CPU doesn't tell where the next instruction is" },
	{ CAP(decode), "the CPU tells no operands" },
	{ CAP(shadow_load), "the CPU doesn't load the interrupt shadow at an entry" },
	{ CAP(xsetbv_exit), "the CPU can't be made to exit at XSETBV" },
	{ CAP(rdtscp_exit), "the CPU can't be made to exit at RDTSCP" },
	{ CAP(vnmi), "the CPU doesn't keep track of NMIs' blocking" },
	{ CAP(step), "the CPU has no monitor trap flag" },
	{ CAP(dr7_clear), "a guest can't have breakpoints on this CPU" },
};

static unsigned number(void)
{
	return total.passed + total.failed + total.skipped + total.differences;
}

bool skip(const struct about *a, const char *variant, const char *why)
{
	total.skipped++;
	kprintf("ok %u - %s%s%s # SKIP %s", number(), a->name, *variant ? ": " : "", variant, why);
	return false;
}

static const char *find_lacking(const struct about *a)
{
	const bool *caps = (const bool *)guest_backend()->caps;

	for (unsigned i = 0; i < ARRAY_SIZE(lacking); i++)
		if (a->needs == lacking[i].cap && !caps[a->needs - 1])
			return lacking[i].lacks;
	return NULL;
}

bool begin(const struct about *a, const char *variant)
{
	const char *why = a->cannot[vendor] ? a->cannot[vendor] : find_lacking(a);

	if (!why && machine < NR_MACHINES)
		why = a->ends[machine];
	if (why)
		return skip(a, variant, why);
	now.about = a;
	now.variant = variant;
	now.what = NULL;
	return true;
}

bool expect(bool holds, const char *what, u64 found)
{
	if (holds || now.what)
		return holds;
	now.what = what;
	now.found = found;
	return false;
}

void end_case(void)
{
	const char *colon = *now.variant ? ": " : "";
	const char *differs = machine < NR_MACHINES ? now.about->differs[machine] : NULL;

	if (!now.what) {
		total.passed++;
		kprintf("ok %u - %s%s%s", number(), now.about->name, colon, now.variant);
	} else if (differs) {
		total.differences++;
		kprintf("not ok %u - %s%s%s # TODO %s", number(), now.about->name, colon, now.variant,
			differs);
	} else {
		total.failed++;
		kprintf("not ok %u - %s%s%s", number(), now.about->name, colon, now.variant);
		kprintf("# %s; found %#llx", now.what, (unsigned long long)now.found);
	}
}

void report_totals(void)
{
	kprintf("1..%u", number());
	kprintf("conformance: %u passed, %u failed, %u skipped, %u differences of the emulator; "
		"powering off",
		total.passed, total.failed, total.skipped, total.differences);
}
