/* SPDX-License-Identifier: GPL-2.0-only */
/* SVM's optional features (APM vol. 3, appendix E, "Function 8000_000Ah—SVM Features"; "Function
 * 8000_0001h"), less what the user has switched off. */
#include "arch/x86/svm/svm.h"

#include "arch/x86/cpu.h"
#include "include/x86/cpuid.h"

/* The names are the words of the options svm.no-NAME. */
static const struct {
	const char *name;
	u32 leaf, edx;
	bool is_used;
} rows[] = {
	[SVM_NPT]	     = { "npt", CPUID_EXT_SVM, CPUID_SVM_NP, true },
	[SVM_NRIP]	     = { "nrip", CPUID_EXT_SVM, CPUID_SVM_NRIPS, true },
	[SVM_DECODE_ASSISTS] = { "decode-assists", CPUID_EXT_SVM, CPUID_SVM_DECODE_ASSISTS, true },
	[SVM_CLEAN_BITS]     = { "clean-bits", CPUID_EXT_SVM, CPUID_SVM_VMCB_CLEAN, true },
	[SVM_FLUSH_BY_ASID]  = { "flush-by-asid", CPUID_EXT_SVM, CPUID_SVM_FLUSH_BY_ASID, true },
	[SVM_PAGE_1G]	     = { "page-1g", CPUID_EXT_FEATURES, CPUID_X1D_PAGE1GB, true },
	{ "lbr", CPUID_EXT_SVM, CPUID_SVM_LBRV },
	{ "tsc-ratio", CPUID_EXT_SVM, CPUID_SVM_TSC_RATE },
	{ "pause-filter", CPUID_EXT_SVM, CPUID_SVM_PAUSE_FILTER },
	{ "avic", CPUID_EXT_SVM, CPUID_SVM_AVIC },
	{ "vmload-vmsave", CPUID_EXT_SVM, CPUID_SVM_V_VMSAVE_VMLOAD },
	{ "vgif", CPUID_EXT_SVM, CPUID_SVM_VGIF },
	{ "gmet", CPUID_EXT_SVM, CPUID_SVM_GMET },
};

struct backend_feature *svm_feature(unsigned n)
{
	static struct backend_feature features[ARRAY_SIZE(rows)];

	if (n >= ARRAY_SIZE(rows))
		return NULL;
	features[n].name = rows[n].name;
	features[n].is_used = rows[n].is_used;
	return &features[n];
}

void svm_find_features(void)
{
	for (unsigned n = 0; n < ARRAY_SIZE(rows); n++)
		svm_feature(n)->is_there = cpuid(rows[n].leaf, 0).edx & rows[n].edx;
}

bool svm_uses(enum svm_feature f)
{
	return svm_feature(f)->is_there && !svm_feature(f)->is_off;
}
