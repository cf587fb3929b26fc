/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading ACPI tables. Bytes of a table are taken only inside its checked length; multi-byte fields
 * are put together from bytes, as nothing is aligned.
 */
#include "arch/x86/acpi_tables.h"

#include "lib/string.h"

#define HEADER_SIZE		36
#define TABLE_MAX		MIB(16)
#define MAX_TABLES		256	/* of a root table; more are not looked at */

#define RSDP_V1_SIZE		20
#define RSDP_SIZE		36
#define RSDP_REVISION		15
#define RSDP_RSDT		16
#define RSDP_XSDT		24

/* FADT ("Fixed ACPI Description Table"): offsets. */
#define FADT_DSDT		40
#define FADT_SMI_CMD		48
#define FADT_ACPI_ENABLE	52
#define FADT_PM1A_CNT		64
#define FADT_PM1B_CNT		68
#define FADT_PM_TMR		76
#define FADT_FLAGS		112
#define FADT_RESET_REG		116
#define FADT_RESET_VALUE	128
#define FADT_X_DSDT		140
#define FADT_X_PM1A_CNT		172
#define FADT_X_PM1B_CNT		184
#define FADT_X_PM_TMR		208
#define FADT_SLEEP_CONTROL	244
#define FADT_TMR_VAL_EXT	0x00000100u
#define FADT_RESET_REG_SUP	0x00000400u
#define FADT_HW_REDUCED		0x00100000u

/* MADT ("Multiple APIC Description Table"). */
#define MADT_ENTRIES		44
#define MADT_LAPIC		0
#define MADT_IOAPIC		1
#define MADT_OVERRIDE		2
#define MADT_X2APIC		9
#define MADT_CPU_ENABLED	0x1u
#define POLARITY		0x3u
#define POLARITY_LOW		0x3u
#define TRIGGER			0xcu
#define TRIGGER_LEVEL		0xcu

/* Generic Address Structure. */
#define GAS_BIT_WIDTH		1
#define GAS_ACCESS		3
#define GAS_ADDRESS		4
#define GAS_SIZE		12

/* AML opcodes (ACPI Specification, "AML Byte Stream Byte Values"). */
#define AML_ZERO		0x00
#define AML_ONE			0x01
#define AML_NAME		0x08
#define AML_BYTE		0x0a
#define AML_WORD		0x0b
#define AML_DWORD		0x0c
#define AML_QWORD		0x0e
#define AML_PACKAGE		0x12
#define AML_ROOT		'\\'
#define SLEEP_TYPE_MASK		7u

/* A table, or what is left of one: bytes that may be read. */
struct bytes {
	const u8 *at;
	u64 size;
};

struct reader {
	acpi_map *map;
	void *context;
};

/* The `n`-byte little-endian number at `offset`; 0 outside the table. */
static u64 number(struct bytes b, u64 offset, unsigned n)
{
	u64 value = 0;

	if (b.size < n || offset > b.size - n)
		return 0;
	for (unsigned i = 0; i < n; i++)
		value |= (u64)b.at[offset + i] << (8 * i);
	return value;
}

static bool sums_to_zero(const u8 *at, u64 size)
{
	u8 sum = 0;

	for (u64 i = 0; i < size; i++)
		sum = (u8)(sum + at[i]);
	return sum == 0;
}

/* The whole table at `at`, if it holds. */
static bool open_table(const struct reader *r, u64 at, struct bytes *table)
{
	if (!at)
		return false;
	*table = (struct bytes){ r->map(r->context, at, HEADER_SIZE), HEADER_SIZE };
	if (!table->at)
		return false;
	table->size = number(*table, 4, 4);
	if (table->size < HEADER_SIZE || table->size > TABLE_MAX)
		return false;
	table->at = r->map(r->context, at, table->size);
	return table->at && sums_to_zero(table->at, table->size);
}

static bool has_signature(struct bytes table, const char *signature)
{
	return memcmp(table.at, signature, 4) == 0;
}

static void add_cpu(struct acpi_info *info, u32 id)
{
	for (unsigned i = 0; i < info->nr_cpus; i++) {
		if (info->cpu[i] == id)
			return;
	}
	if (info->nr_cpus < MAX_CPUS)
		info->cpu[info->nr_cpus++] = id;
	else
		info->nr_cpus_left_out++;
}

static void add_ioapic(struct acpi_info *info, struct bytes entry)
{
	if (info->nr_ioapics == ACPI_MAX_IOAPICS)
		return;
	info->ioapic[info->nr_ioapics++] = (struct acpi_ioapic){
		.address = number(entry, 4, 4),
		.gsi_base = (u32)number(entry, 8, 4),
	};
}

static void add_override(struct acpi_info *info, struct bytes entry)
{
	u64 irq = number(entry, 3, 1);
	u64 flags = number(entry, 8, 2);

	if (number(entry, 2, 1) != 0 || irq >= ACPI_ISA_IRQS)
		return;
	info->isa[irq] = (struct acpi_isa_irq){
		.gsi = (u32)number(entry, 4, 4),
		.active_low = (flags & POLARITY) == POLARITY_LOW,
		.level = (flags & TRIGGER) == TRIGGER_LEVEL,
	};
}

static void madt_entry(struct acpi_info *info, struct bytes entry)
{
	switch (entry.at[0]) {
	case MADT_LAPIC:
		if (entry.size >= 8 && (number(entry, 4, 4) & MADT_CPU_ENABLED))
			add_cpu(info, (u32)number(entry, 3, 1));
		break;
	case MADT_X2APIC:
		if (entry.size >= 16 && (number(entry, 8, 4) & MADT_CPU_ENABLED))
			add_cpu(info, (u32)number(entry, 4, 4));
		break;
	case MADT_IOAPIC:
		if (entry.size >= 12)
			add_ioapic(info, entry);
		break;
	case MADT_OVERRIDE:
		if (entry.size >= 10)
			add_override(info, entry);
		break;
	}
}

static void parse_madt(struct acpi_info *info, struct bytes table)
{
	u64 at = MADT_ENTRIES;

	if (info->has_madt)
		return;
	info->has_madt = true;
	while (at + 2 <= table.size) {
		u64 size = number(table, at + 1, 1);

		if (size < 2 || size > table.size - at)
			return;
		madt_entry(info, (struct bytes){ table.at + at, size });
		at += size;
	}
}

/* A register in the form of ACPI 2.0, if the table is long enough for one and it is filled in. */
static bool wide_register(struct bytes fadt, u64 offset, struct acpi_register *reg)
{
	u64 access, bits;

	if (offset + GAS_SIZE > fadt.size || !number(fadt, offset + GAS_ADDRESS, 8))
		return false;
	access = number(fadt, offset + GAS_ACCESS, 1);
	bits = number(fadt, offset + GAS_BIT_WIDTH, 1);
	reg->space = (u8)number(fadt, offset, 1);
	reg->address = number(fadt, offset + GAS_ADDRESS, 8);
	/* Access size 1, 2, 3 is 1, 2, 4 bytes; 0 leaves it to the width of the register. */
	if (access >= 1 && access <= 3)
		reg->bytes = (u8)(1 << (access - 1));
	else
		reg->bytes = bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
	return true;
}

/* A register that has an old form, a port, and a new one, which counts where it is filled in. */
static struct acpi_register fixed_register(struct bytes fadt, u64 wide, u64 port, u8 bytes)
{
	struct acpi_register reg = { .space = ACPI_SPACE_NONE };

	if (!wide_register(fadt, wide, &reg)) {
		reg.address = number(fadt, port, 4);
		if (reg.address)
			reg.space = ACPI_SPACE_IO;
	}
	/* Firmware is often wrong about the width of these, which the specification fixes. */
	reg.bytes = bytes;
	return reg;
}

static void parse_fadt(struct acpi_info *info, struct bytes table)
{
	u32 flags = (u32)number(table, FADT_FLAGS, 4);

	info->has_fadt = true;
	info->smi_command = (u16)number(table, FADT_SMI_CMD, 4);
	info->acpi_enable = (u8)number(table, FADT_ACPI_ENABLE, 1);
	info->hw_reduced = flags & FADT_HW_REDUCED;
	info->pm_timer_is_32_bit = flags & FADT_TMR_VAL_EXT;
	if (!info->hw_reduced) {
		info->pm1a_control = fixed_register(table, FADT_X_PM1A_CNT, FADT_PM1A_CNT, 2);
		info->pm1b_control = fixed_register(table, FADT_X_PM1B_CNT, FADT_PM1B_CNT, 2);
		info->pm_timer = fixed_register(table, FADT_X_PM_TMR, FADT_PM_TMR, 4);
	}
	if ((flags & FADT_RESET_REG_SUP) && wide_register(table, FADT_RESET_REG, &info->reset)) {
		info->reset.bytes = 1;
		info->reset_value = (u8)number(table, FADT_RESET_VALUE, 1);
	}
	if (wide_register(table, FADT_SLEEP_CONTROL, &info->sleep_control))
		info->sleep_control.bytes = 1;
}

/* Takes an integer constant off the front of `b`. */
static bool aml_integer(struct bytes *b, u64 *value)
{
	unsigned n;

	if (!b->size)
		return false;
	switch (b->at[0]) {
	case AML_ZERO:
	case AML_ONE:
		n = 0;
		break;
	case AML_BYTE:
		n = 1;
		break;
	case AML_WORD:
		n = 2;
		break;
	case AML_DWORD:
		n = 4;
		break;
	case AML_QWORD:
		n = 8;
		break;
	default:
		return false;
	}
	if (b->size < 1 + n)
		return false;
	*value = n ? number(*b, 1, n) : b->at[0];
	b->at += 1 + n;
	b->size -= 1 + n;
	return true;
}

/* Takes "PackageOp PkgLength NumElements" off the front of `b`, which then ends with the package.
 */
static bool aml_package(struct bytes *b, unsigned *elements)
{
	u64 length, follow;

	if (b->size < 2 || b->at[0] != AML_PACKAGE)
		return false;
	/* Bits 7:6 of the first byte say how many follow; then its bits 3:0 are the lowest four. */
	follow = b->at[1] >> 6;
	if (b->size < 2 + follow)
		return false;
	length = follow ? (b->at[1] & 0xf) | number(*b, 2, (unsigned)follow) << 4 : b->at[1] & 0x3f;
	/* The length counts itself, but not the opcode. */
	if (length < follow + 2 || length > b->size - 1)
		return false;
	*elements = b->at[2 + follow];
	b->size = length - follow - 2;
	b->at += 3 + follow;
	return true;
}

/* Name (_S5_, Package () { SLP_TYPa, SLP_TYPb, ... }) */
static bool parse_s5(struct acpi_info *info, struct bytes after_name)
{
	struct bytes b = after_name;
	unsigned elements;
	u64 a, second;

	if (!aml_package(&b, &elements) || elements < 1 || !aml_integer(&b, &a))
		return false;
	/* One element alone holds both values, as some firmware writes it. */
	if (elements < 2)
		second = a >> 8;
	else if (!aml_integer(&b, &second))
		return false;
	info->s5_type[0] = a & SLEEP_TYPE_MASK;
	info->s5_type[1] = second & SLEEP_TYPE_MASK;
	info->has_s5 = true;
	return true;
}

static void find_s5(struct acpi_info *info, struct bytes table)
{
	for (u64 i = HEADER_SIZE + 1; !info->has_s5 && i + 4 < table.size; i++) {
		struct bytes rest = { table.at + i + 4, table.size - i - 4 };
		bool named = table.at[i - 1] == AML_NAME ||
			     (table.at[i - 1] == AML_ROOT && table.at[i - 2] == AML_NAME);

		if (named && memcmp(table.at + i, "_S5_", 4) == 0)
			parse_s5(info, rest);
	}
}

static void parse_dsdt(struct acpi_info *info, const struct reader *r, struct bytes fadt)
{
	struct bytes table;

	if (!open_table(r, number(fadt, FADT_X_DSDT, 8), &table) &&
	    !open_table(r, number(fadt, FADT_DSDT, 4), &table))
		return;
	if (has_signature(table, "DSDT"))
		find_s5(info, table);
}

static void parse_table(struct acpi_info *info, const struct reader *r, u64 at)
{
	struct bytes table;

	if (!open_table(r, at, &table))
		return;
	if (has_signature(table, "APIC"))
		parse_madt(info, table);
	else if (has_signature(table, "SSDT"))
		find_s5(info, table);
	else if (has_signature(table, "FACP") && !info->has_fadt) {
		parse_fadt(info, table);
		parse_dsdt(info, r, table);
	}
}

static bool parse_root(struct acpi_info *info, const struct reader *r, u64 at,
		       const char *signature, unsigned pointer_size)
{
	struct bytes root;
	u64 tables;

	if (!open_table(r, at, &root) || !has_signature(root, signature))
		return false;
	tables = MIN((root.size - HEADER_SIZE) / pointer_size, MAX_TABLES);
	for (u64 i = 0; i < tables; i++)
		parse_table(info, r, number(root, HEADER_SIZE + i * pointer_size, pointer_size));
	return true;
}

void acpi_clear(struct acpi_info *info)
{
	const struct acpi_register none = { .space = ACPI_SPACE_NONE };

	memset(info, 0, sizeof(*info));
	info->pm1a_control = info->pm1b_control = info->pm_timer = none;
	info->reset = info->sleep_control = none;
	for (u32 irq = 0; irq < ACPI_ISA_IRQS; irq++)
		info->isa[irq].gsi = irq;
}

bool acpi_parse(struct acpi_info *info, const u8 rsdp[36], acpi_map *map, void *context)
{
	struct bytes root = { rsdp, RSDP_SIZE };
	struct reader r = { map, context };

	acpi_clear(info);
	if (memcmp(rsdp, "RSD PTR ", 8) != 0 || !sums_to_zero(rsdp, RSDP_V1_SIZE))
		return false;
	if (rsdp[RSDP_REVISION] >= 2 && sums_to_zero(rsdp, RSDP_SIZE) &&
	    parse_root(info, &r, number(root, RSDP_XSDT, 8), "XSDT", 8))
		return true;
	return parse_root(info, &r, number(root, RSDP_RSDT, 4), "RSDT", 4);
}
