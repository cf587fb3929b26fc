/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Would the CPU take this VMCS? Every sentence of SDM vol. 3C, "Checks on VMX Controls and
 * Host-State Area", "Checks on the Guest State Area" and "Loading MSRs" as a row, in the manual's
 * order, so that a failed entry has a name. Pure: fields and memory are read by functions handed
 * in.
 *
 * The rows are those of the controls that include/x86/vmx.h defines; each table says at its end
 * which sentences it has no row for, and why.
 */
#pragma once

#include "arch/x86/vmx/caps.h"
#include "include/types.h"
#include "lib/dump.h"

/* What is judged, and what of the CPU the rules depend on. */
struct vmx_entry {
	/* A field by its encoding. A field that belongs to a control is asked for only while the
	 * control is 1: the CPU may lack both. */
	u64 (*read)(const void *ctx, u32 field);
	/* The eight bytes at a host physical address; NULL: nothing in memory is judged. */
	u64 (*read_memory)(const void *ctx, u64 address);
	const void *ctx;
	const struct vmx_caps *caps;
	unsigned physical_width, linear_width;	/* of addresses, in bits */
	bool in_ia32e_mode;			/* the host is, now */
	bool has_rtm;
	u64 efer, debugctl, perf_global_ctrl;	/* the bits that these MSRs of the CPU have */
	u64 vmcs;				/* where the VMCS itself is */
};

struct vmx_entry_rule {
	const char *section;	/* the manual's title */
	const char *rule;	/* of `field`, in short */
	u32 field;
	bool (*holds)(const struct vmx_entry *e, u32 field);
};

struct vmx_entry_rules {
	const struct vmx_entry_rule *row;
	size_t nr_rows;
};

extern const struct vmx_entry_rules vmx_rules_controls, vmx_rules_host, vmx_rules_guest,
	vmx_rules_segments, vmx_rules_state, vmx_rules_msrs;

#define NR_VMX_ENTRY_TABLES 6
extern const struct vmx_entry_rules *const vmx_entry_tables[NR_VMX_ENTRY_TABLES];

/* NULL, or the first rule that the VMCS breaks. */
const struct vmx_entry_rule *vmx_entry_check(const struct vmx_entry *e);

/* The manual's name of a field, as include/x86/vmx.h spells it; "?": there is none. */
const char *vmx_field_name(u32 field);

/* All fields by name, a few a line, to `print`: those that `read` has (false: the CPU lacks it). */
void vmx_dump(bool (*read)(const void *ctx, u32 field, u64 *value), const void *ctx,
	      dump_printer *print);
