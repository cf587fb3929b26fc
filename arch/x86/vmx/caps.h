/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the CPU's VMX can do, read once from the capability MSRs (SDM vol. 3D, "VMX Capability
 * Reporting Facility"), less what the user has switched off: so a rich CPU can stand in for a poorer
 * one. Pure: the MSRs are read by a function handed in.
 */
#pragma once

#include "include/types.h"

enum vmx_control_word {
	VMX_PIN, VMX_PRIMARY, VMX_SECONDARY, VMX_EXIT, VMX_ENTRY, NR_VMX_CONTROL_WORDS
};

/* Of one word of controls: bits that must be 1, and bits that may be. */
struct vmx_control {
	u32 must, may;
};

struct vmx_caps {
	u32 revision;		/* of VMCS and VMXON regions */
	bool addresses_32_bit;	/* of all regions */
	struct vmx_control control[NR_VMX_CONTROL_WORDS];
	u64 cr0_fixed0, cr0_fixed1;	/* bits that must be 1; bits that may be */
	u64 cr4_fixed0, cr4_fixed1;
	u64 misc, ept_vpid;	/* IA32_VMX_MISC, IA32_VMX_EPT_VPID_CAP */
};

/* A feature that Plinth can do without, or lists. Its bits leave the capabilities if it is off. */
struct vmx_feature {
	const char *name;
	struct { u8 word; u32 bits; } control[3];	/* all of them; enum vmx_control_word */
	u64 ept_vpid;		/* and these bits of IA32_VMX_EPT_VPID_CAP */
	bool is_used;		/* else it is only listed: Plinth has no use for it yet */
};
#define NR_VMX_FEATURES 20
extern const struct vmx_feature vmx_features[NR_VMX_FEATURES];

/* Reads an MSR that the CPU may lack. False: it does. */
typedef bool vmx_msr_reader(u32 index, u64 *value);

/* Fills in `caps`. A word of controls that the CPU lacks may have no bit. */
void vmx_caps_read(struct vmx_caps *caps, vmx_msr_reader *read);

bool vmx_caps_has(const struct vmx_caps *caps, const struct vmx_feature *f);

/* Takes the feature out of `caps`, as if the CPU had it not. */
void vmx_caps_remove(struct vmx_caps *caps, const struct vmx_feature *f);

/* NULL, or the name, in the manual's words, of a control that Plinth can't do without. */
const char *vmx_caps_missing(const struct vmx_caps *caps);

static inline bool vmx_may(const struct vmx_caps *caps, enum vmx_control_word word, u32 bits)
{
	return (caps->control[word].may & bits) == bits;
}

/* A word of controls with those of `wanted` that may be set, and those that must. */
static inline u32 vmx_controls(const struct vmx_caps *caps, enum vmx_control_word word, u32 wanted)
{
	return (wanted & caps->control[word].may) | caps->control[word].must;
}
