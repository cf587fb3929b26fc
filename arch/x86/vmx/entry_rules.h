/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tables of entry rules have in common: short words for what the sentences speak of. */
#pragma once

#include "arch/x86/vmx/entry_checks.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "include/x86/segment.h"
#include "include/x86/vmx.h"

#define ENTRY_RULES(name, rows) \
	const struct vmx_entry_rules name = { rows, ARRAY_SIZE(rows) }

static inline u64 rule_read(const struct vmx_entry *e, u32 field)
{
	return e->read(e->ctx, field);
}

static inline bool has_pin(const struct vmx_entry *e, u32 bits)
{
	return rule_read(e, VMCS_PIN_CONTROLS) & bits;
}

static inline bool has_primary(const struct vmx_entry *e, u32 bits)
{
	return rule_read(e, VMCS_PRIMARY_CONTROLS) & bits;
}

/* "If the control is 0, the processor operates as if all the secondary controls were 0." */
static inline bool has_secondary(const struct vmx_entry *e, u32 bits)
{
	return has_primary(e, PRIMARY_SECONDARY_CONTROLS) &&
	       (rule_read(e, VMCS_SECONDARY_CONTROLS) & bits);
}

static inline bool has_exit(const struct vmx_entry *e, u32 bits)
{
	return rule_read(e, VMCS_EXIT_CONTROLS) & bits;
}

static inline bool has_entry(const struct vmx_entry *e, u32 bits)
{
	return rule_read(e, VMCS_ENTRY_CONTROLS) & bits;
}

static inline bool is_canonical(const struct vmx_entry *e, u64 address)
{
	unsigned unused = 64 - e->linear_width;

	return (u64)((s64)(address << unused) >> unused) == address;
}

static inline bool is_physical(const struct vmx_entry *e, u64 address)
{
	return !(address >> e->physical_width);
}

/* Of what VMX itself reads: the width is 32 bits if IA32_VMX_BASIC[48] is 1. */
static inline bool is_region(const struct vmx_entry *e, u64 address)
{
	return is_physical(e, address) && !(e->caps->addresses_32_bit && address >> 32);
}

/* Every bit has a value that the CPU supports: 1 where `fixed0` has 1, 0 where `fixed1` has 0. */
static inline bool is_supported(u64 value, u64 fixed0, u64 fixed1, u64 unchecked)
{
	return !(((fixed0 & ~value) | (value & ~fixed1)) & ~unchecked);
}

/* CR0.CD and NW aren't changed by entries and exits, so they are never judged. */
#define CR0_UNCHECKED	(CR0_CD | CR0_NW)

/* Each byte a memory type that the PAT has. */
static inline bool is_pat(u64 value)
{
	static const u8 types = BIT(MEMTYPE_UC) | BIT(MEMTYPE_WC) | BIT(MEMTYPE_WT) |
				BIT(MEMTYPE_WP) | BIT(MEMTYPE_WB) | BIT(MEMTYPE_UC_MINUS);

	for (unsigned i = 0; i < 8; i++) {
		u8 type = value >> 8 * i;

		if (type > MEMTYPE_UC_MINUS || !(types & BIT(type)))
			return false;
	}
	return true;
}

static inline u32 rule_injected(const struct vmx_entry *e)
{
	return rule_read(e, VMCS_ENTRY_INTERRUPTION_INFO);
}

/* Is an event of this type injected? */
static inline bool injects(const struct vmx_entry *e, enum interruption_type type)
{
	u32 info = rule_injected(e);

	return (info & INTERRUPTION_VALID) &&
	       (info & INTERRUPTION_TYPE) >> INTERRUPTION_TYPE_SHIFT == type;
}

static inline bool is_guest_ia32e(const struct vmx_entry *e)
{
	return has_entry(e, VMENTRY_IA32E_MODE_GUEST);
}

static inline bool is_unrestricted(const struct vmx_entry *e)
{
	return has_secondary(e, SECONDARY_UNRESTRICTED_GUEST);
}
