/* SPDX-License-Identifier: GPL-2.0-only */
/* See entry_checks.h. The rows are in entry_*.c; here is who goes through them, and the dump. */
#include "arch/x86/vmx/entry_checks.h"

#include "include/x86/vmx.h"

/* In the manual's order. The MSR lists come last, as the CPU goes through them last. */
const struct vmx_entry_rules *const vmx_entry_tables[NR_VMX_ENTRY_TABLES] = {
	&vmx_rules_controls, &vmx_rules_host,  &vmx_rules_guest,
	&vmx_rules_segments, &vmx_rules_state, &vmx_rules_msrs,
};

const struct vmx_entry_rule *vmx_entry_check(const struct vmx_entry *e)
{
	for (unsigned t = 0; t < NR_VMX_ENTRY_TABLES; t++) {
		const struct vmx_entry_rules *table = vmx_entry_tables[t];

		for (size_t i = 0; i < table->nr_rows; i++)
			if (!table->row[i].holds(e, table->row[i].field))
				return &table->row[i];
	}
	return NULL;
}

#define FIELD_ROW(width, type, index, name) { VMCS_##name, #name },
static const struct {
	u16 field;
	const char *name;
} fields[] = { VMCS_FIELDS(FIELD_ROW) };
#undef FIELD_ROW

const char *vmx_field_name(u32 field)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].field == field)
			return fields[i].name;
	return "?";
}

void vmx_dump(bool (*read)(const void *ctx, u32 field, u64 *value), const void *ctx,
	      dump_printer *print)
{
	struct dump d = { .print = print };
	u64 value;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (read(ctx, fields[i].field, &value))
			dump_value(&d, fields[i].name, value);
	dump_end(&d);
}
