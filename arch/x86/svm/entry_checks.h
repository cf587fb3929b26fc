/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Would the CPU take this VMCB? Every sentence of APM vol. 2, "Canonicalization and Consistency
 * Checks", and of the other sections that say what VMRUN refuses, as a row, so that a failed entry
 * has a name. Some rows are of what VMRUN takes but changes or leaves undefined: Plinth has no use
 * for that, so it is a fault of Plinth's own. Pure.
 */
#pragma once

#include "include/types.h"
#include "include/x86/svm.h"
#include "lib/dump.h"

/* What is judged, and what of the CPU and of Plinth the rules depend on. */
struct svm_entry {
	const struct vmcb *vmcb;
	u64 address;				/* the VMCB's, physical */
	unsigned physical_width, linear_width;	/* of addresses, in bits */
	u64 cr4, efer;				/* bits that these may have */
	u32 tags;				/* ASIDs that there are, 0 among them */
	bool nested_paging, flush_by_asid;	/* the CPU has them */
	bool host_paging;			/* the host's CR0.PG */
};

struct svm_entry_rule {
	const char *section;	/* the manual's title */
	const char *field;	/* the manual's name */
	const char *rule;	/* of it, in short */
	bool (*holds)(const struct svm_entry *e);
	/* The guest can write it without an exit. A real CPU faults there; QEMU's lets some pass,
	 * so that it need not be Plinth who broke the rule. */
	bool by_guest;
};

#define NR_SVM_ENTRY_RULES 40
extern const struct svm_entry_rule svm_entry_rules[NR_SVM_ENTRY_RULES];

/* NULL, or the first rule that the VMCB breaks: of all, or of those that no guest can. */
enum svm_entry_who { SVM_RULES_ALL, SVM_RULES_OF_PLINTH };
const struct svm_entry_rule *svm_entry_check(const struct svm_entry *e, enum svm_entry_who who);

/* All fields by name, a few a line, to `print`. */
void svm_dump(const struct vmcb *vmcb, dump_printer *print);
