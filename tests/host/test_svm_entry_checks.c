/* SPDX-License-Identifier: MIT */
/*
 * What VMRUN refuses: guests of every mode are taken, and for each row there is a VMCB that breaks
 * just its sentence. Bits and values are typed from APM vol. 2, "Canonicalization and Consistency
 * Checks", "Event Injection", "TLB Control", "Nested Paging and VMRUN/#VMEXIT" and appendix B.
 */
#include "arch/x86/svm/entry_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TOO_HIGH	(1ull << 40)	/* the first physical address that isn't one */
#define NOT_CANONICAL	(1ull << 47)

static struct vmcb vmcb;
static struct svm_entry entry;

/* --- Good states --- */

static void put_long(void)
{
	const struct vmcb_segment data = { 0x10, 0xc93, 0xffffffff, 0 };

	memset(&vmcb, 0, sizeof(vmcb));
	vmcb.intercept[4] = 1;
	vmcb.iopm_base_pa = 0x10000;
	vmcb.msrpm_base_pa = 0x20000;
	vmcb.asid = 1;
	vmcb.np_enable = 1;
	vmcb.n_cr3 = 0x30000;
	vmcb.g_pat = 0x0007040600070406;
	vmcb.es = vmcb.ss = vmcb.ds = vmcb.fs = vmcb.gs = data;
	vmcb.cs = (struct vmcb_segment){ 0x08, 0xa9b, 0xffffffff, 0 };
	vmcb.gs.base = 0xffff800000000000;
	vmcb.tr = (struct vmcb_segment){ 0x18, 0x08b, 0x67, 0xffff800000001000 };
	vmcb.efer = 0x1500;
	vmcb.cr0 = 0x80010033;
	vmcb.cr3 = 0x1000;
	vmcb.cr4 = 0x6a0;
	vmcb.dr6 = 0xffff0ff0;
	vmcb.dr7 = 0x400;
	vmcb.rflags = 2;
	entry = (struct svm_entry){
		.vmcb = &vmcb, .address = 0x40000, .physical_width = 40, .linear_width = 48,
		.cr4 = 0xf70fff, .efer = 0x1d01, .tags = 16, .nested_paging = true,
		.flush_by_asid = true, .host_paging = true,
	};
}

static void put_paged(void)
{
	put_long();
	vmcb.efer = 0x1000;
	vmcb.cr4 = 0x10;
	vmcb.cs.attrib = 0xc9b;
}

static void put_pae(void)
{
	put_paged();
	vmcb.cr4 = 0x20;
}

static void put_real(void)
{
	put_long();
	vmcb.efer = 0x1000;
	vmcb.cr0 = 0x10;
	vmcb.cr4 = 0;
	vmcb.cs = (struct vmcb_segment){ 0xf000, 0x09b, 0xffff, 0xffff0000 };
	vmcb.rip = 0xfff0;
}

static void put_v86(void)
{
	put_paged();
	vmcb.rflags = 0x20002;
	vmcb.cpl = 3;
	vmcb.cs = (struct vmcb_segment){ 0x1000, 0x0f3, 0xffff, 0x10000 };
}

/* --- What is broken of them --- */

#define BREAK(name, statement) static void name(void) { statement; }
BREAK(none, )
BREAK(vmcb_odd, entry.address = 0x40800)
BREAK(vmcb_high, entry.address = TOO_HIGH)
BREAK(svme_0, vmcb.efer &= ~(1ull << 12))
BREAK(nw, vmcb.cr0 |= 1ull << 29)
BREAK(cd, vmcb.cr0 |= 1ull << 30)
BREAK(cd_nw, vmcb.cr0 |= 3ull << 29)
BREAK(cr0_32, vmcb.cr0 |= 1ull << 32)
BREAK(cr3_40, vmcb.cr3 |= TOO_HIGH)
BREAK(cr3_63, vmcb.cr3 |= 1ull << 63)
BREAK(cr3_39, vmcb.cr3 |= 1ull << 39)
BREAK(cr4_12, vmcb.cr4 |= 1ull << 12)
BREAK(cr4_63, vmcb.cr4 |= 1ull << 63)
BREAK(dr6_32, vmcb.dr6 |= 1ull << 32)
BREAK(dr7_63, vmcb.dr7 |= 1ull << 63)
BREAK(efer_9, vmcb.efer |= 1ull << 9)
BREAK(efer_14, vmcb.efer |= 1ull << 14)
BREAK(efer_sce_nxe, vmcb.efer |= 1ull << 11 | 1)
BREAK(pae_0, vmcb.cr4 &= ~(1ull << 5))
BREAK(pe_0, vmcb.cr0 &= ~1ull)
BREAK(pae_0_pg_0, vmcb.cr4 &= ~(1ull << 5); vmcb.cr0 &= ~(1ull << 31))
BREAK(l_d, vmcb.cs.attrib |= 0x600)
BREAK(d_alone, vmcb.cs.attrib = 0xc9b)
BREAK(vmrun_0, vmcb.intercept[4] = ~1u)
BREAK(msrpm_high, vmcb.msrpm_base_pa = TOO_HIGH)
BREAK(msrpm_end, vmcb.msrpm_base_pa = TOO_HIGH - 0x1000)
BREAK(msrpm_last, vmcb.msrpm_base_pa = TOO_HIGH - 0x2000)
BREAK(iopm_high, vmcb.iopm_base_pa = ~0ull)
BREAK(iopm_end, vmcb.iopm_base_pa = TOO_HIGH - 0x2000)
BREAK(iopm_last, vmcb.iopm_base_pa = TOO_HIGH - 0x3000)
#define EVENT(name, value) BREAK(name, vmcb.eventinj = value)
EVENT(type_1, 0x80000120)
EVENT(type_5, 0x80000501)
EVENT(type_6, 0x80000603)
EVENT(type_7, 0x80000700)
EVENT(not_valid, 0x7fffffff)
EVENT(interrupt, 0x800000ff)
EVENT(nmi, 0x80000202)
EVENT(soft_int, 0x80000480)
EVENT(exception_2, 0x80000302)
EVENT(exception_32, 0x80000320)
EVENT(exception_255, 0x800003ff)
EVENT(exception_15, 0x8000030f)
EVENT(exception_14, 0x500000b0e | 1ull << 31)
EVENT(exception_8, 0x80000b08)
EVENT(exception_19, 0x80000313)
EVENT(exception_30, 0x80000b1e)
EVENT(event_12, 0x80001202)
EVENT(event_30, 0xc0000202)
BREAK(asid_0, vmcb.asid = 0)
BREAK(asid_16, vmcb.asid = 16)
BREAK(asid_15, vmcb.asid = 15)
BREAK(s_cet_2, vmcb.s_cet = 4)
BREAK(s_cet_all, vmcb.s_cet = 3)
BREAK(cet_wp_0, vmcb.cr4 |= 1ull << 23; vmcb.cr0 &= ~(1ull << 16))
BREAK(cet_wp, vmcb.cr4 |= 1ull << 23)
BREAK(tlb_2, vmcb.tlb_control = 2)
BREAK(tlb_4, vmcb.tlb_control = 4)
BREAK(tlb_1, vmcb.tlb_control = 1)
BREAK(tlb_3, vmcb.tlb_control = 3)
BREAK(tlb_7, vmcb.tlb_control = 7)
BREAK(tlb_3_old, vmcb.tlb_control = 3; entry.flush_by_asid = false)
BREAK(tlb_7_old, vmcb.tlb_control = 7; entry.flush_by_asid = false)
BREAK(tlb_1_old, vmcb.tlb_control = 1; entry.flush_by_asid = false)
BREAK(no_np, entry.nested_paging = false)
BREAK(sev, vmcb.np_enable |= 2)
BREAK(gmet, vmcb.np_enable |= 8)
BREAK(host_unpaged, entry.host_paging = false)
BREAK(ncr3_high, vmcb.n_cr3 = TOO_HIGH)
BREAK(pat_2, vmcb.g_pat = 0x0007040600070402)
BREAK(pat_8, vmcb.g_pat = 0x0807040600070406)
BREAK(pat_86, vmcb.g_pat = 0x0007048600070406)
BREAK(pat_all, vmcb.g_pat = 0x0606070605040100)
BREAK(not_nested, vmcb.np_enable = 0; vmcb.n_cr3 = ~0ull; vmcb.g_pat = ~0ull;
      entry.host_paging = entry.nested_paging = false)
BREAK(linear_57, entry.linear_width = 57; vmcb.fs.base = NOT_CANONICAL)
#define BASE(name) \
	BREAK(name##_low, vmcb.name.base = NOT_CANONICAL) \
	BREAK(name##_high, vmcb.name.base = 0xffff7fffffffffff)
BASE(es)
BASE(cs) BASE(ss) BASE(ds) BASE(fs) BASE(gs) BASE(gdtr) BASE(ldtr) BASE(idtr) BASE(tr)

#define WIDTH "is within the physical-address width"
#define MAP "the map is within the physical-address width"
#define BASE_CASES(field, name) \
	{ field, "is canonical", put_long, name##_low }, \
	{ \
		field, "is canonical", put_real, name##_high \
	}

	static const struct {
	const char *field, *rule;	/* NULL: it is taken */
	void (*base)(void), (*change)(void);
} cases[] = {
	{ NULL, NULL, put_long, none },
	{ NULL, NULL, put_paged, none },
	{ NULL, NULL, put_pae, none },
	{ NULL, NULL, put_real, none },
	{ NULL, NULL, put_v86, none },
	{ "address of the VMCB", "is that of a page", put_long, vmcb_odd },
	{ "address of the VMCB", WIDTH, put_long, vmcb_high },
	{ "EFER", "SVME is 1", put_long, svme_0 },
	{ "CR0", "NW is 0 if CD is 0", put_long, nw },
	{ NULL, NULL, put_long, cd },
	{ NULL, NULL, put_long, cd_nw },
	{ "CR0", "bits 63:32 are 0", put_long, cr0_32 },
	{ "CR3", WIDTH, put_long, cr3_40 },
	{ "CR3", WIDTH, put_long, cr3_63 },
	{ NULL, NULL, put_long, cr3_39 },
	{ "CR4", "no bit is 1 that must be 0", put_long, cr4_12 },
	{ "CR4", "no bit is 1 that must be 0", put_long, cr4_63 },
	{ "DR6", "bits 63:32 are 0", put_long, dr6_32 },
	{ "DR7", "bits 63:32 are 0", put_long, dr7_63 },
	{ "EFER", "no bit is 1 that must be 0", put_long, efer_9 },
	{ "EFER", "no bit is 1 that must be 0", put_real, efer_14 },
	{ NULL, NULL, put_long, efer_sce_nxe },
	{ "CR4", "PAE is 1 if EFER.LME and CR0.PG are 1", put_long, pae_0 },
	{ NULL, NULL, put_long, pae_0_pg_0 },
	{ NULL, NULL, put_pae, pae_0 },
	{ "CR0", "PE is 1 if EFER.LME and PG are 1", put_long, pe_0 },
	{ NULL, NULL, put_paged, pe_0 }, /* "Paged Real Mode" */
	{ "CS.attrib", "not both L and D are 1 if EFER.LME, CR0.PG and CR4.PAE are 1", put_long,
	  l_d },
	{ NULL, NULL, put_pae, l_d },
	{ NULL, NULL, put_real, l_d },
	{ NULL, NULL, put_long, d_alone },
	{ "intercepts", "VMRUN is intercepted", put_long, vmrun_0 },
	{ "MSRPM_BASE_PA", MAP, put_long, msrpm_high },
	{ "MSRPM_BASE_PA", MAP, put_long, msrpm_end },
	{ NULL, NULL, put_long, msrpm_last },
	{ "IOPM_BASE_PA", MAP, put_long, iopm_high },
	{ "IOPM_BASE_PA", MAP, put_long, iopm_end },
	{ NULL, NULL, put_long, iopm_last },
	{ "EVENTINJ", "the type is none of the reserved ones", put_long, type_1 },
	{ "EVENTINJ", "the type is none of the reserved ones", put_long, type_5 },
	{ "EVENTINJ", "the type is none of the reserved ones", put_long, type_6 },
	{ "EVENTINJ", "the type is none of the reserved ones", put_long, type_7 },
	{ NULL, NULL, put_long, not_valid },
	{ NULL, NULL, put_long, interrupt },
	{ NULL, NULL, put_long, nmi },
	{ NULL, NULL, put_long, soft_int },
	{ "EVENTINJ", "an exception has the vector of one", put_long, exception_2 },
	{ "EVENTINJ", "an exception has the vector of one", put_long, exception_32 },
	{ "EVENTINJ", "an exception has the vector of one", put_long, exception_255 },
	{ "EVENTINJ", "an exception has the vector of one", put_long, exception_15 },
	{ NULL, NULL, put_long, exception_14 },
	{ NULL, NULL, put_long, exception_8 },
	{ NULL, NULL, put_long, exception_19 },
	{ NULL, NULL, put_long, exception_30 },
	{ "EVENTINJ", "bits 30:12 are 0", put_long, event_12 },
	{ "EVENTINJ", "bits 30:12 are 0", put_long, event_30 },
	{ "ASID", "is not 0", put_long, asid_0 },
	{ "S_CET", "reserved bits are 0", put_long, s_cet_2 },
	{ NULL, NULL, put_long, s_cet_all },
	{ "CR4", "CET is 0 if CR0.WP is 0", put_long, cet_wp_0 },
	{ NULL, NULL, put_long, cet_wp },
	{ "ASID", "is one that the CPU has", put_long, asid_16 },
	{ NULL, NULL, put_long, asid_15 },
	{ "TLB_CONTROL", "is none of the reserved values", put_long, tlb_2 },
	{ "TLB_CONTROL", "is none of the reserved values", put_long, tlb_4 },
	{ NULL, NULL, put_long, tlb_1 },
	{ NULL, NULL, put_long, tlb_3 },
	{ NULL, NULL, put_long, tlb_7 },
	{ "TLB_CONTROL", "flushes by ASID only on a CPU that can", put_long, tlb_3_old },
	{ "TLB_CONTROL", "flushes by ASID only on a CPU that can", put_long, tlb_7_old },
	{ NULL, NULL, put_long, tlb_1_old },
	{ "NP_ENABLE", "is 0 on a CPU without nested paging", put_long, no_np },
	{ "NP_ENABLE", "stands alone: no SEV, GMET or shadow stacks", put_long, sev },
	{ "NP_ENABLE", "stands alone: no SEV, GMET or shadow stacks", put_long, gmet },
	{ "NP_ENABLE", "is 0 if the host has no paging", put_long, host_unpaged },
	{ "N_CR3", WIDTH, put_long, ncr3_high },
	{ "G_PAT", "each byte is a memory type", put_long, pat_2 },
	{ "G_PAT", "each byte is a memory type", put_long, pat_8 },
	{ "G_PAT", "each byte is a memory type", put_long, pat_86 },
	{ NULL, NULL, put_long, pat_all },
	{ NULL, NULL, put_long, not_nested },
	BASE_CASES("ES.base", es),
	BASE_CASES("CS.base", cs),
	BASE_CASES("SS.base", ss),
	BASE_CASES("DS.base", ds),
	BASE_CASES("FS.base", fs),
	BASE_CASES("GS.base", gs),
	BASE_CASES("GDTR.base", gdtr),
	BASE_CASES("LDTR.base", ldtr),
	BASE_CASES("IDTR.base", idtr),
	BASE_CASES("TR.base", tr),
	{ NULL, NULL, put_long, linear_57 },
};

static bool hit[NR_SVM_ENTRY_RULES];

static unsigned judge(unsigned number)
{
	const struct svm_entry_rule *rule;
	unsigned broken = 0;

	cases[number].base();
	cases[number].change();
	rule = svm_entry_check(&entry, SVM_RULES_ALL);
	assert_ptr_equal(svm_entry_check(&entry, SVM_RULES_OF_PLINTH),
			 rule && rule->by_guest ? NULL : rule);
	for (unsigned i = 0; i < NR_SVM_ENTRY_RULES; i++)
		broken += !svm_entry_rules[i].holds(&entry);
	if (rule)
		hit[rule - svm_entry_rules] = true;
	if (!cases[number].rule ? !rule && !broken : rule && broken == 1 &&
	    !strcmp(rule->rule, cases[number].rule) && !strcmp(rule->field, cases[number].field))
		return 0;
	print_error("case %u: %s: refused by %s: %s; %u rules are broken\n", number,
		    cases[number].rule ? cases[number].rule : "good", rule ? rule->field : "none",
		    rule ? rule->rule : "-", broken);
	return 1;
}

static void test_cases(void **state)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		wrong += judge(i);
	assert_int_equal(wrong, 0);
}

static void test_each_row_was_hit(void **state)
{
	unsigned missed = 0;

	for (unsigned i = 0; i < NR_SVM_ENTRY_RULES; i++) {
		assert_true(strlen(svm_entry_rules[i].section));
		if (!hit[i])
			print_error("no case breaks: %s: %s\n", svm_entry_rules[i].field,
				    svm_entry_rules[i].rule);
		missed += !hit[i];
	}
	printf("figure svm-entry-rules: %u rows, %u without a case\n", NR_SVM_ENTRY_RULES, missed);
	assert_int_equal(missed, 0);
}

/* What a lax CPU lets a guest do: what MOV CR3, MOV DR, far transfers, loads of segments and of
 * descriptor tables write, which don't exit. Then who else has broken a rule is still told. */
static void test_what_guests_can_break(void **state)
{
	static const char *const fields[] = { "CR3", "DR6", "DR7", "CS.attrib" };
	unsigned by_guest = 0;

	for (unsigned i = 0; i < NR_SVM_ENTRY_RULES; i++) {
		bool expected = strstr(svm_entry_rules[i].field, ".base");

		for (unsigned j = 0; j < ARRAY_SIZE(fields); j++)
			expected |= !strcmp(svm_entry_rules[i].field, fields[j]);
		assert_int_equal(svm_entry_rules[i].by_guest, expected);
		by_guest += expected;
	}
	assert_int_equal(by_guest, 14);
	put_long();
	cr3_63();
	asid_0();
	assert_string_equal(svm_entry_check(&entry, SVM_RULES_ALL)->field, "CR3");
	assert_string_equal(svm_entry_check(&entry, SVM_RULES_OF_PLINTH)->field, "ASID");
}

/* --- The dump --- */

static char dumped[8192];
static unsigned lines, longest;

static printf_like(1, 2) void print_line(const char *format, ...)
{
	size_t used = strlen(dumped), length;
	va_list args;

	va_start(args, format);
	length = vsnprintf(dumped + used, sizeof(dumped) - used, format, args);
	va_end(args);
	strcat(dumped, "\n");
	lines++;
	longest = MAX(longest, length);
}

/* Offsets from APM vol. 2, appendix B. */
static void test_dump(void **state)
{
	static const struct { unsigned at; u64 value; const char *text;
	} fields[] = {
		{ 0x000, 0x00110001, " CR_INTERCEPTS 110001" },
		{ 0x010, 0x8001, " INTERCEPTS_2 8001" },
		{ 0x048, 0x20000, " MSRPM_BASE_PA 20000" },
		{ 0x058, 0x1000007, " ASID 1000007" },
		{ 0x05c, 0x3, " TLB_CONTROL 3" },
		{ 0x070, 0xffffffff, " EXITCODE ffffffff" },
		{ 0x0a8, 0x8000030d, " EVENTINJ 8000030d" },
		{ 0x0b0, 0x30000, " N_CR3 30000" },
		{ 0x4cb, 3, " CPL 3" },
		{ 0x4d0, 0x1d01, " EFER 1d01" },
		{ 0x558, 0x80010033, " CR0 80010033" },
		{ 0x578, 0xffffffff81234567, " RIP ffffffff81234567" },
		{ 0x668, 0x7040600070406, " G_PAT 7040600070406" },
		{ 0x690, 0x11, " LASTEXCPTO 11" },
	};

	memset(&vmcb, 0, sizeof(vmcb));
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
		u8 *at = (u8 *)&vmcb + fields[i].at;

		for (u64 value = fields[i].value; value; value >>= 8)
			*at++ = value;
	}
	vmcb.tr = (struct vmcb_segment){ 0x18, 0x08b, 0x67, 0xffff800000001000 };
	svm_dump(&vmcb, print_line);
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
		if (!strstr(dumped, fields[i].text))
			fail_msg("no%s in:\n%s", fields[i].text, dumped);
	assert_non_null(strstr(dumped, " TR 0018 ffff800000001000 +67 8b\n"));
	assert_non_null(strstr(dumped, " IDTR 0000 0 +0 0"));
	assert_true(lines < 25 && longest <= 98);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_each_row_was_hit),
		cmocka_unit_test(test_what_guests_can_break),
		cmocka_unit_test(test_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
