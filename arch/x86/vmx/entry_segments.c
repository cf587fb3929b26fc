/* SPDX-License-Identifier: GPL-2.0-only */
/* SDM vol. 3C, "Checks on Guest Segment Registers": a row for each sentence and register. */
#include "arch/x86/vmx/entry_rules.h"

/* Which register a field belongs to: the four groups of fields lie in the order of enum
 * segment_register. */
static unsigned segment_of(u32 field)
{
	unsigned index = VMCS_INDEX(field);

	switch (VMCS_WIDTH(field)) {
	case VMCS_WIDTH_16:
		return index;
	case VMCS_WIDTH_32:
		return index < VMCS_INDEX(VMCS_GUEST_ES_RIGHTS)
			       ? index
			       : index - VMCS_INDEX(VMCS_GUEST_ES_RIGHTS);
	default:
		return index - VMCS_INDEX(VMCS_GUEST_ES_BASE);
	}
}

static u32 rights_of(const struct vmx_entry *e, unsigned segment)
{
	return rule_read(e, VMCS_GUEST_RIGHTS(segment));
}

static unsigned type_of(const struct vmx_entry *e, unsigned segment)
{
	return rights_of(e, segment) & SEG_ATTR_TYPE;
}

static unsigned dpl_of(const struct vmx_entry *e, unsigned segment)
{
	return (rights_of(e, segment) & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
}

static unsigned rpl_of(const struct vmx_entry *e, unsigned segment)
{
	return rule_read(e, VMCS_GUEST_SELECTOR(segment)) & 3;
}

static bool is_usable(const struct vmx_entry *e, unsigned segment)
{
	return !(rights_of(e, segment) & VMX_RIGHTS_UNUSABLE);
}

static bool is_v86(const struct vmx_entry *e)
{
	return rule_read(e, VMCS_GUEST_RFLAGS) & RFLAGS_VM;
}

#define TI	4	/* of a selector */
#define TYPE_DATA_RW_ACCESSED 3
#define TYPE_LDT 2
#define TYPE_TSS_16_BUSY 3
#define TYPE_TSS_BUSY 11

/* --- Selectors --- */

static bool is_tr_global(const struct vmx_entry *e, u32 field)
{
	return !(rule_read(e, field) & TI);
}

static bool is_ldtr_global(const struct vmx_entry *e, u32 field)
{
	return !is_usable(e, SEG_LDTR) || !(rule_read(e, field) & TI);
}

static bool is_ss_rpl_as_cs(const struct vmx_entry *e, u32 field)
{
	return is_v86(e) || is_unrestricted(e) || rpl_of(e, SEG_SS) == rpl_of(e, SEG_CS);
}

/* --- Bases and limits --- */

static bool is_base_v86(const struct vmx_entry *e, u32 field)
{
	return !is_v86(e) ||
	       rule_read(e, field) == rule_read(e, VMCS_GUEST_SELECTOR(segment_of(field))) << 4;
}

static bool is_base_canonical(const struct vmx_entry *e, u32 field)
{
	return is_canonical(e, rule_read(e, field));
}

static bool is_usable_base_canonical(const struct vmx_entry *e, u32 field)
{
	return !is_usable(e, segment_of(field)) || is_base_canonical(e, field);
}

static bool is_base_32_bit(const struct vmx_entry *e, u32 field)
{
	return !(rule_read(e, field) >> 32);
}

static bool is_usable_base_32_bit(const struct vmx_entry *e, u32 field)
{
	return !is_usable(e, segment_of(field)) || is_base_32_bit(e, field);
}

static bool is_limit_v86(const struct vmx_entry *e, u32 field)
{
	return !is_v86(e) || rule_read(e, field) == 0xffff;
}

/* --- Access rights of the six --- */

static bool is_rights_v86(const struct vmx_entry *e, u32 field)
{
	return !is_v86(e) || rule_read(e, field) == 0xf3;
}

/* The rules for access rights: not in virtual-8086 mode, and not of an unusable register, but of
 * CS always. */
static bool is_judged(const struct vmx_entry *e, unsigned segment)
{
	return !is_v86(e) && (segment == SEG_CS || is_usable(e, segment));
}

static bool is_cs_type(const struct vmx_entry *e, u32 field)
{
	unsigned type = type_of(e, SEG_CS);

	return is_v86(e) || (type >= 9 && (type & SEG_TYPE_ACCESSED)) ||
	       (type == TYPE_DATA_RW_ACCESSED && is_unrestricted(e));
}

static bool is_ss_type(const struct vmx_entry *e, u32 field)
{
	unsigned type = type_of(e, SEG_SS);

	return !is_judged(e, SEG_SS) || type == TYPE_DATA_RW_ACCESSED ||
	       type == (TYPE_DATA_RW_ACCESSED | SEG_TYPE_EXPAND_DOWN);
}

static bool is_accessed(const struct vmx_entry *e, u32 field)
{
	unsigned n = segment_of(field);

	return !is_judged(e, n) || (type_of(e, n) & SEG_TYPE_ACCESSED);
}

static bool is_readable(const struct vmx_entry *e, u32 field)
{
	unsigned n = segment_of(field);

	return !is_judged(e, n) || !(type_of(e, n) & SEG_TYPE_CODE) ||
	       (type_of(e, n) & SEG_TYPE_READABLE);
}

static bool is_s_1(const struct vmx_entry *e, u32 field)
{
	return !is_judged(e, segment_of(field)) || (rule_read(e, field) & SEG_ATTR_S);
}

static bool is_data_cs_dpl(const struct vmx_entry *e, u32 field)
{
	return is_v86(e) || type_of(e, SEG_CS) != TYPE_DATA_RW_ACCESSED || !dpl_of(e, SEG_CS);
}

static bool is_plain_cs_dpl(const struct vmx_entry *e, u32 field)
{
	unsigned type = type_of(e, SEG_CS);

	return is_v86(e) || (type != 9 && type != 11) || dpl_of(e, SEG_CS) == dpl_of(e, SEG_SS);
}

static bool is_conforming_cs_dpl(const struct vmx_entry *e, u32 field)
{
	unsigned type = type_of(e, SEG_CS);

	return is_v86(e) || (type != 13 && type != 15) || dpl_of(e, SEG_CS) <= dpl_of(e, SEG_SS);
}

static bool is_ss_dpl_rpl(const struct vmx_entry *e, u32 field)
{
	return is_v86(e) || is_unrestricted(e) || dpl_of(e, SEG_SS) == rpl_of(e, SEG_SS);
}

static bool is_ss_dpl_0(const struct vmx_entry *e, u32 field)
{
	if (is_v86(e) || (type_of(e, SEG_CS) != TYPE_DATA_RW_ACCESSED &&
			  (rule_read(e, VMCS_GUEST_CR0) & CR0_PE)))
		return true;
	return !dpl_of(e, SEG_SS);
}

static bool is_dpl_rpl(const struct vmx_entry *e, u32 field)
{
	unsigned n = segment_of(field);

	return !is_judged(e, n) || is_unrestricted(e) || type_of(e, n) > 11 ||
	       dpl_of(e, n) >= rpl_of(e, n);
}

static bool is_p_1(const struct vmx_entry *e, u32 field)
{
	return !is_judged(e, segment_of(field)) || (rule_read(e, field) & SEG_ATTR_P);
}

static bool is_reserved_low(const struct vmx_entry *e, u32 field)
{
	return !is_judged(e, segment_of(field)) || !(rule_read(e, field) & BITS(11, 8));
}

static bool is_db_0(const struct vmx_entry *e, u32 field)
{
	u64 rights = rule_read(e, field);

	return is_v86(e) || !is_guest_ia32e(e) || !(rights & SEG_ATTR_L) || !(rights & SEG_ATTR_DB);
}

static bool has_g(const struct vmx_entry *e, unsigned segment)
{
	return rights_of(e, segment) & SEG_ATTR_G;
}

static bool is_g_0(const struct vmx_entry *e, u32 field)
{
	unsigned n = segment_of(field);

	return !has_g(e, n) || !(~rule_read(e, VMCS_GUEST_LIMIT(n)) & BITS(11, 0));
}

static bool is_g_1(const struct vmx_entry *e, u32 field)
{
	unsigned n = segment_of(field);

	return has_g(e, n) || !(rule_read(e, VMCS_GUEST_LIMIT(n)) & BITS(31, 20));
}

static bool is_judged_g_0(const struct vmx_entry *e, u32 field)
{
	return !is_judged(e, segment_of(field)) || is_g_0(e, field);
}

static bool is_judged_g_1(const struct vmx_entry *e, u32 field)
{
	return !is_judged(e, segment_of(field)) || is_g_1(e, field);
}

static bool is_reserved_high(const struct vmx_entry *e, u32 field)
{
	return !is_judged(e, segment_of(field)) || !(rule_read(e, field) >> 17);
}

/* --- TR, and LDTR if it is usable --- */

static bool is_tr_type_legacy(const struct vmx_entry *e, u32 field)
{
	unsigned type = type_of(e, SEG_TR);

	return is_guest_ia32e(e) || type == TYPE_TSS_16_BUSY || type == TYPE_TSS_BUSY;
}

static bool is_tr_type_ia32e(const struct vmx_entry *e, u32 field)
{
	return !is_guest_ia32e(e) || type_of(e, SEG_TR) == TYPE_TSS_BUSY;
}

static bool is_tr_usable(const struct vmx_entry *e, u32 field)
{
	return is_usable(e, SEG_TR);
}

/* TR counts as usable here: of its own row the bit must be 0. */
static bool is_system_judged(const struct vmx_entry *e, u32 field)
{
	return segment_of(field) == SEG_TR || is_usable(e, SEG_LDTR);
}

static bool is_ldtr_type(const struct vmx_entry *e, u32 field)
{
	return !is_usable(e, SEG_LDTR) || type_of(e, SEG_LDTR) == TYPE_LDT;
}

static bool is_system_s_0(const struct vmx_entry *e, u32 field)
{
	return !is_system_judged(e, field) || !(rule_read(e, field) & SEG_ATTR_S);
}

static bool is_system_p_1(const struct vmx_entry *e, u32 field)
{
	return !is_system_judged(e, field) || (rule_read(e, field) & SEG_ATTR_P);
}

static bool is_system_reserved_low(const struct vmx_entry *e, u32 field)
{
	return !is_system_judged(e, field) || !(rule_read(e, field) & BITS(11, 8));
}

static bool is_system_g_0(const struct vmx_entry *e, u32 field)
{
	return !is_system_judged(e, field) || is_g_0(e, field);
}

static bool is_system_g_1(const struct vmx_entry *e, u32 field)
{
	return !is_system_judged(e, field) || is_g_1(e, field);
}

static bool is_system_reserved_high(const struct vmx_entry *e, u32 field)
{
	return !is_system_judged(e, field) || !(rule_read(e, field) >> 17);
}

#define SECTION	"Checks on Guest Segment Registers"
#define ROW(name, part, rule, holds)	{ SECTION, rule, VMCS_GUEST_##name##_##part, holds }
#define DATA4(part, rule, holds) \
	ROW(DS, part, rule, holds), ROW(ES, part, rule, holds), \
	ROW(FS, part, rule, holds), ROW(GS, part, rule, holds)
#define ALL6(part, rule, holds) \
	ROW(CS, part, rule, holds), ROW(SS, part, rule, holds), DATA4(part, rule, holds)

static const struct vmx_entry_rule rows[] = {
	ROW(TR, SELECTOR, "TI is 0", is_tr_global),
	ROW(LDTR, SELECTOR, "TI is 0", is_ldtr_global),
	ROW(SS, SELECTOR, "RPL is that of CS", is_ss_rpl_as_cs),
	ALL6(BASE, "in virtual-8086 mode, the base is the selector * 16", is_base_v86),
	ROW(TR, BASE, "the base is canonical", is_base_canonical),
	ROW(FS, BASE, "the base is canonical", is_base_canonical),
	ROW(GS, BASE, "the base is canonical", is_base_canonical),
	ROW(LDTR, BASE, "the base is canonical", is_usable_base_canonical),
	ROW(CS, BASE, "bits 63:32 of the base are 0", is_base_32_bit),
	ROW(SS, BASE, "bits 63:32 of the base are 0", is_usable_base_32_bit),
	ROW(DS, BASE, "bits 63:32 of the base are 0", is_usable_base_32_bit),
	ROW(ES, BASE, "bits 63:32 of the base are 0", is_usable_base_32_bit),
	ALL6(LIMIT, "in virtual-8086 mode, the limit is FFFFH", is_limit_v86),
	ALL6(RIGHTS, "in virtual-8086 mode, the access rights are F3H", is_rights_v86),
	ROW(CS, RIGHTS, "the type is of accessed code (or 3 in an unrestricted guest)", is_cs_type),
	ROW(SS, RIGHTS, "the type is 3 or 7", is_ss_type),
	DATA4(RIGHTS, "the type is accessed", is_accessed),
	DATA4(RIGHTS, "a code segment is readable", is_readable),
	ALL6(RIGHTS, "S is 1", is_s_1),
	ROW(CS, RIGHTS, "DPL is 0 if the type is 3", is_data_cs_dpl),
	ROW(CS, RIGHTS, "DPL is that of SS if the type is 9 or 11", is_plain_cs_dpl),
	ROW(CS, RIGHTS, "DPL is not above that of SS if the type is 13 or 15",
	    is_conforming_cs_dpl),
	ROW(SS, RIGHTS, "DPL is RPL", is_ss_dpl_rpl),
	ROW(SS, RIGHTS, "DPL is 0 if CS has type 3 or CR0.PE is 0", is_ss_dpl_0),
	DATA4(RIGHTS, "DPL is not below RPL", is_dpl_rpl),
	ALL6(RIGHTS, "P is 1", is_p_1),
	ALL6(RIGHTS, "bits 11:8 are 0", is_reserved_low),
	ROW(CS, RIGHTS, "D/B is 0 if L is 1 in IA-32e mode", is_db_0),
	ALL6(RIGHTS, "G is 0 if a bit of 11:0 of the limit is 0", is_judged_g_0),
	ALL6(RIGHTS, "G is 1 if a bit of 31:20 of the limit is 1", is_judged_g_1),
	ALL6(RIGHTS, "bits 31:17 are 0", is_reserved_high),
	ROW(TR, RIGHTS, "the type is 3 or 11 outside IA-32e mode", is_tr_type_legacy),
	ROW(TR, RIGHTS, "the type is 11 in IA-32e mode", is_tr_type_ia32e),
	ROW(TR, RIGHTS, "S is 0", is_system_s_0),
	ROW(TR, RIGHTS, "P is 1", is_system_p_1),
	ROW(TR, RIGHTS, "bits 11:8 are 0", is_system_reserved_low),
	ROW(TR, RIGHTS, "G is 0 if a bit of 11:0 of the limit is 0", is_system_g_0),
	ROW(TR, RIGHTS, "G is 1 if a bit of 31:20 of the limit is 1", is_system_g_1),
	ROW(TR, RIGHTS, "the register is usable", is_tr_usable),
	ROW(TR, RIGHTS, "bits 31:17 are 0", is_system_reserved_high),
	ROW(LDTR, RIGHTS, "the type is 2", is_ldtr_type),
	ROW(LDTR, RIGHTS, "S is 0", is_system_s_0),
	ROW(LDTR, RIGHTS, "P is 1", is_system_p_1),
	ROW(LDTR, RIGHTS, "bits 11:8 are 0", is_system_reserved_low),
	ROW(LDTR, RIGHTS, "G is 0 if a bit of 11:0 of the limit is 0", is_system_g_0),
	ROW(LDTR, RIGHTS, "G is 1 if a bit of 31:20 of the limit is 1", is_system_g_1),
	ROW(LDTR, RIGHTS, "bits 31:17 are 0", is_system_reserved_high),
};

ENTRY_RULES(vmx_rules_segments, rows);
