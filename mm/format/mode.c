/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mode words from control registers, and the set of compiled formats that a VM's vCPUs share.
 */
#include "mm/format/format.h"

#include "include/x86/cr.h"
#include "lib/string.h"

#define CPU_BITS	(~0u << FMT_MAXPHY_SHIFT)	/* what every mode keeps of `cpu` */

static enum fmt_kind paging_kind(u64 cr0, u64 cr4, u64 efer)
{
	if (!(cr0 & CR0_PG))
		return FMT_NONE;
	if (efer & EFER_LMA)
		return cr4 & CR4_LA57 ? FMT_LONG5 : FMT_LONG4;
	return cr4 & CR4_PAE ? FMT_PAE : FMT_32;
}

/* The controls that change what entries mean, as far as this kind of table knows them. */
static u32 table_controls(enum fmt_kind kind, u64 cr4, u64 efer, u32 cpu)
{
	u32 nx = efer & EFER_NXE ? FMT_NX : 0;

	switch (kind) {
	case FMT_NONE:
		return 0;
	case FMT_32:
		return cr4 & CR4_PSE ? FMT_PSE | (cpu & FMT_PSE36) : 0;
	case FMT_PAE:
		return nx;
	default:
		return nx | (cpu & (FMT_GIB | FMT_BIT8_RESERVED));
	}
}

u32 fmt_mode_cpu(u64 cr0, u64 cr4, u64 efer, u32 cpu)
{
	enum fmt_kind kind = paging_kind(cr0, cr4, efer);
	u32 mode = kind | table_controls(kind, cr4, efer, cpu) | (cpu & CPU_BITS);

	if (kind == FMT_NONE)
		return mode;
	if (cr0 & CR0_WP)
		mode |= FMT_WP;
	if (cr4 & CR4_SMEP)
		mode |= FMT_SMEP;
	if (cr4 & CR4_SMAP)
		mode |= FMT_SMAP;
	if ((cr4 & CR4_PKE) && (kind == FMT_LONG4 || kind == FMT_LONG5))
		mode |= FMT_PKE;
	return mode;
}

u32 fmt_mode_npt(u64 cr0, u64 cr4, u64 efer, u32 cpu)
{
	enum fmt_kind kind = paging_kind(cr0, cr4, efer);

	return kind | table_controls(kind, cr4, efer, cpu) | (cpu & CPU_BITS) | FMT_NPT;
}

u32 fmt_mode_ept(unsigned levels, u32 controls, u32 cpu)
{
	u32 known = FMT_PSE | FMT_GIB | FMT_EPT_XO | FMT_EPT_MBEC | FMT_EPT_AD;

	return (levels == 5 ? FMT_EPT5 : FMT_EPT4) | (controls & known) | (cpu & CPU_BITS);
}

void fmt_set_init(struct format_set *set)
{
	memset(set, 0, sizeof(*set));
	set->lock = SPINLOCK(RANK_FORMATS);
}

/* Open addressing. True: `slot` holds the mode. False: nothing does; `slot` is the free one
 * where it belongs, or FORMAT_SET_SIZE if the set is full. */
static bool find_slot(struct format_set *set, u32 mode, unsigned *slot)
{
	u32 start = mode * 0x9e3779b1u >> 25;	/* 2^32 / golden ratio: mixes the upper bits */

	for (unsigned i = 0; i < FORMAT_SET_SIZE; i++) {
		u32 key;

		*slot = (start + i) % FORMAT_SET_SIZE;
		key = __atomic_load_n(&set->key[*slot], __ATOMIC_ACQUIRE);
		if (!key || key == mode + 1)
			return key != 0;
	}
	*slot = FORMAT_SET_SIZE;
	return false;
}

const struct page_format *fmt_find(struct format_set *set, u32 mode)
{
	unsigned slot;
	bool found = find_slot(set, mode, &slot);

	if (!found) {
		spin_lock(&set->lock);
		found = find_slot(set, mode, &slot);	/* another vCPU may have been quicker */
		if (!found && slot < FORMAT_SET_SIZE) {
			fmt_compile(&set->format[slot], mode);
			__atomic_store_n(&set->key[slot], mode + 1, __ATOMIC_RELEASE);
			found = true;
		}
		spin_unlock(&set->lock);
	}
	return found ? &set->format[slot] : NULL;
}
