/* SPDX-License-Identifier: MIT */
/*
 * Reading ACPI tables: tables are laid byte by byte into a fake physical memory as the ACPI
 * Specification draws them, good ones and damaged ones. What is mapped is an exact copy on the heap, so
 * a read beyond it doesn't go unseen by the sanitizer.
 */
#include "arch/x86/acpi_tables.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MEMORY		0x10000u
#define MAX_MAPPINGS	2048

#define AT_XSDT		0x1000u
#define AT_RSDT		0x1100u
#define AT_FADT		0x2000u
#define AT_MADT		0x3000u
#define AT_DSDT		0x4000u
#define AT_SSDT		0x5000u

static u8 memory[MEMORY];
static u8 rsdp[36];
static void *mapped[MAX_MAPPINGS];
static unsigned nr_mapped;
static struct acpi_info info;

static const void *map(void *context, u64 at, u64 size)
{
	void *copy;

	if (at >= MEMORY || size > MEMORY - at || nr_mapped == MAX_MAPPINGS)
		return NULL;
	copy = malloc(size);
	memcpy(copy, memory + at, size);
	mapped[nr_mapped++] = copy;
	return copy;
}

static bool parse(void)
{
	bool found = acpi_parse(&info, rsdp, map, NULL);

	while (nr_mapped)
		free(mapped[--nr_mapped]);
	return found;
}

static void put(u32 at, u64 value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memory[at + i] = (u8)(value >> (8 * i));
}

/* Sets `sum` so that all bytes of [p, p + size) add up to 0. */
static void seal(u8 *p, u32 size, u8 *sum)
{
	u8 total = 0;

	*sum = 0;
	for (u32 i = 0; i < size; i++)
		total = (u8)(total + p[i]);
	*sum = (u8)-total;
}

/* Completes a table whose body stands there already. */
static void finish(u32 at, const char *signature, u32 size)
{
	memcpy(memory + at, signature, 4);
	put(at + 4, size, 4);
	seal(memory + at, size, &memory[at + 9]);
}

static void make_rsdp(u8 revision)
{
	u64 xsdt = AT_XSDT;
	u32 rsdt = AT_RSDT, size = 36;

	memset(rsdp, 0, sizeof(rsdp));
	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = revision;
	memcpy(rsdp + 16, &rsdt, 4);
	memcpy(rsdp + 20, &size, 4);
	memcpy(rsdp + 24, &xsdt, 8);
	seal(rsdp, 20, &rsdp[8]);
	seal(rsdp, 36, &rsdp[32]);
}

/* The FADT of a machine with ports only: 116 bytes, revision 1. */
static void make_old_fadt(void)
{
	memset(memory + AT_FADT, 0, 0x200);
	put(AT_FADT + 40, AT_DSDT, 4);
	put(AT_FADT + 48, 0xb2, 4);
	put(AT_FADT + 52, 0xf1, 1);
	put(AT_FADT + 64, 0x604, 4);
	put(AT_FADT + 76, 0x608, 4);
	put(AT_FADT + 112, 0x400, 4);		/* claims a reset register that it has no room for */
	finish(AT_FADT, "FACP", 116);
}

static void put_gas(u32 at, u8 space, u8 bits, u8 access, u64 address)
{
	put(at, space, 1);
	put(at + 1, bits, 1);
	put(at + 3, access, 1);
	put(at + 4, address, 8);
}

/* Of ACPI 5 and later: 268 bytes. */
static void make_fadt(u32 flags)
{
	make_old_fadt();
	put(AT_FADT + 112, flags, 4);
	put_gas(AT_FADT + 116, 1, 8, 1, 0xcf9);
	put(AT_FADT + 128, 0x0f, 1);
	put(AT_FADT + 140, AT_DSDT, 8);
	put_gas(AT_FADT + 172, 1, 32, 0, 0xb004);	/* wider than the register is */
	put_gas(AT_FADT + 208, 0, 32, 3, 0xfed80808);
	put_gas(AT_FADT + 244, 1, 8, 1, 0x505);
	finish(AT_FADT, "FACP", 268);
}

static void make_aml(u32 at, const char *signature, const void *bytes, u32 size)
{
	memset(memory + at, 0, 0x400);
	memcpy(memory + at + 36, bytes, size);
	finish(at, signature, 36 + size);
}

static void make_roots(void)
{
	const u32 tables[] = { AT_FADT, AT_MADT, AT_SSDT };

	for (unsigned i = 0; i < 3; i++) {
		put(AT_XSDT + 36 + 8 * i, tables[i], 8);
		put(AT_RSDT + 36 + 4 * i, tables[i], 4);
	}
	finish(AT_XSDT, "XSDT", 36 + 24);
	finish(AT_RSDT, "RSDT", 36 + 12);
}

static const u8 madt_bytes[] = {
	0, 8, 0, 0x00, 1, 0, 0, 0,			/* CPU, APIC id 0, enabled */
	0, 8, 1, 0x02, 1, 0, 0, 0,			/* id 2 */
	0, 8, 2, 0x04, 0, 0, 0, 0,			/* id 4, not enabled */
	0, 8, 3, 0x06, 2, 0, 0, 0,			/* id 6, could be plugged in */
	9, 16, 0, 0, 0x02, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,		/* id 2 again */
	9, 16, 0, 0, 0x34, 0x12, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0,	/* id 1234H */
	1, 12, 0, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0,		/* IOAPIC from GSI 0 */
	1, 12, 1, 0, 0x00, 0x10, 0xc0, 0xfe, 24, 0, 0, 0,		/* and one from 24 */
	2, 10, 0, 0, 2, 0, 0, 0, 0x00, 0x00,				/* IRQ 0 is GSI 2 */
	2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0x00,				/* 9: level, high */
	2, 10, 0, 11, 20, 0, 0, 0, 0x0f, 0x00,				/* 11: level, low */
	2, 10, 0, 16, 30, 0, 0, 0, 0x0f, 0x00,				/* no ISA interrupt */
	2, 10, 1, 4, 30, 0, 0, 0, 0x0f, 0x00,				/* not the ISA bus */
	0, 4, 9, 9,							/* too short for a CPU */
	4, 6, 0xff, 0, 0, 1,						/* what we don't read */
};

static void make_madt(const u8 *bytes, u32 size)
{
	memset(memory + AT_MADT, 0, 0x1000);
	put(AT_MADT + 36, 0xfee00000, 4);
	memcpy(memory + AT_MADT + 44, bytes, size);
	finish(AT_MADT, "APIC", 44 + size);
}

static const u8 s5_bytes[] = { 0x10, 0x20, 0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0x0a, 5, 0x0a, 6, 0, 0 };

static int set_up(void **state)
{
	memset(memory, 0, sizeof(memory));
	make_rsdp(2);
	make_fadt(0x500);
	make_madt(madt_bytes, sizeof(madt_bytes));
	make_aml(AT_DSDT, "DSDT", s5_bytes, sizeof(s5_bytes));
	make_aml(AT_SSDT, "SSDT", "", 0);
	make_roots();
	return 0;
}

static void whole_machine(void **state)
{
	assert_true(parse());
	assert_true(info.has_madt && info.has_fadt && info.has_s5);
	assert_int_equal(info.nr_cpus, 3);
	assert_int_equal(info.cpu[0], 0);
	assert_int_equal(info.cpu[1], 2);
	assert_int_equal(info.cpu[2], 0x1234);
	assert_int_equal(info.nr_cpus_left_out, 0);
	assert_int_equal(info.nr_ioapics, 2);
	assert_int_equal(info.ioapic[0].address, 0xfec00000);
	assert_int_equal(info.ioapic[1].address, 0xfec01000);
	assert_int_equal(info.ioapic[1].gsi_base, 24);
	assert_int_equal(info.isa[0].gsi, 2);
	assert_false(info.isa[0].level || info.isa[0].active_low);
	assert_int_equal(info.isa[4].gsi, 4);
	assert_true(info.isa[9].level && !info.isa[9].active_low);
	assert_int_equal(info.isa[11].gsi, 20);
	assert_true(info.isa[11].level && info.isa[11].active_low);

	assert_int_equal(info.smi_command, 0xb2);
	assert_int_equal(info.acpi_enable, 0xf1);
	assert_int_equal(info.pm1a_control.space, ACPI_SPACE_IO);
	assert_int_equal(info.pm1a_control.address, 0xb004);
	assert_int_equal(info.pm1a_control.bytes, 2);
	assert_int_equal(info.pm1b_control.space, ACPI_SPACE_NONE);
	assert_int_equal(info.pm_timer.space, ACPI_SPACE_MEMORY);
	assert_int_equal(info.pm_timer.address, 0xfed80808);
	assert_int_equal(info.pm_timer.bytes, 4);
	assert_true(info.pm_timer_is_32_bit);
	assert_int_equal(info.reset.address, 0xcf9);
	assert_int_equal(info.reset_value, 0x0f);
	assert_int_equal(info.s5_type[0], 5);
	assert_int_equal(info.s5_type[1], 6);
	assert_false(info.hw_reduced);
}

static void old_machine(void **state)
{
	make_rsdp(0);
	make_old_fadt();
	assert_true(parse());
	assert_int_equal(info.nr_cpus, 3);
	assert_int_equal(info.pm1a_control.space, ACPI_SPACE_IO);
	assert_int_equal(info.pm1a_control.address, 0x604);
	assert_int_equal(info.pm_timer.address, 0x608);
	assert_int_equal(info.reset.space, ACPI_SPACE_NONE);
	assert_false(info.pm_timer_is_32_bit);
	assert_true(info.has_s5);
}

static void hardware_reduced(void **state)
{
	make_fadt(0x100000);
	assert_true(parse());
	assert_true(info.hw_reduced);
	assert_int_equal(info.pm1a_control.space, ACPI_SPACE_NONE);
	assert_int_equal(info.pm_timer.space, ACPI_SPACE_NONE);
	assert_int_equal(info.reset.space, ACPI_SPACE_NONE);
	assert_int_equal(info.sleep_control.address, 0x505);
}

static void damaged_roots(void **state)
{
	memory[AT_XSDT + 20] ^= 1;
	assert_true(parse());		/* by the RSDT */
	assert_int_equal(info.nr_cpus, 3);
	memory[AT_RSDT + 20] ^= 1;
	assert_false(parse());
	assert_false(info.has_madt || info.has_fadt || info.has_s5);
	assert_int_equal(info.isa[15].gsi, 15);
	assert_int_equal(info.reset.space, ACPI_SPACE_NONE);
	set_up(NULL);
	rsdp[10] ^= 1;
	assert_false(parse());
	set_up(NULL);
	rsdp[30] ^= 1;			/* only in the extended checksum: then the RSDT counts */
	memory[AT_RSDT + 20] ^= 1;
	assert_false(parse());
}

static void damaged_tables(void **state)
{
	memory[AT_MADT + 60] ^= 1;
	assert_true(parse());
	assert_false(info.has_madt);
	assert_int_equal(info.nr_cpus, 0);
	assert_true(info.has_fadt);
	/* Lengths that are too small, and that end beyond memory. */
	for (unsigned i = 0; i < 3; i++) {
		static const u32 length[] = { 35, 0, 0xffffffff };

		put(AT_FADT + 4, length[i], 4);
		assert_true(parse());
		assert_false(info.has_fadt || info.has_s5);
	}
	/* A DSDT that isn't one. */
	set_up(NULL);
	make_aml(AT_DSDT, "SSDT", s5_bytes, sizeof(s5_bytes));
	assert_true(parse());
	assert_false(info.has_s5);
}

static void odd_madt_entries(void **state)
{
	static const u8 no_progress[] = { 0, 8, 0, 7, 1, 0, 0, 0, 0, 0, 0, 8, 0, 8, 1, 0, 0, 0 };
	static const u8 beyond_end[] = { 0, 8, 0, 7, 1, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0xc0, 0xfe };
	u8 many[100 * 8];

	make_madt(no_progress, sizeof(no_progress));
	assert_true(parse());
	assert_int_equal(info.nr_cpus, 1);
	make_madt(beyond_end, sizeof(beyond_end));
	assert_true(parse());
	assert_int_equal(info.nr_cpus, 1);
	assert_int_equal(info.nr_ioapics, 0);
	for (unsigned i = 0; i < 100; i++)
		memcpy(many + 8 * i, (u8[]){ 0, 8, 0, (u8)(100 + i), 1, 0, 0, 0 }, 8);
	make_madt(many, sizeof(many));
	assert_true(parse());
	assert_int_equal(info.nr_cpus, 64);
	assert_int_equal(info.nr_cpus_left_out, 36);
	assert_int_equal(info.cpu[63], 163);
}

struct s5_case {
	const char *bytes;
	u8 size;
	bool found;
	u8 a, b;
};

#define S5(text, ...) { text, sizeof(text) - 1, __VA_ARGS__ }

static const struct s5_case s5_cases[] = {
	S5("\x08_S5_\x12\x06\x04\x00\x00\x00\x00", true, 0, 0),
	S5("\x08_S5_\x12\x07\x04\x01\x0a\x03\x00\x00", true, 1, 3),
	S5("\x08\\_S5_\x12\x08\x02\x0a\x07\x0b\x05\x00\x00", true, 7, 5),
	S5("\x08_S5_\x12\x40\x01\x02\x0c\x04\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00", true, 4, 1),
	S5("\x08_S5_\x12\x05\x01\x0b\x07\x05", true, 7, 5),
	/* Behind one that is none. */
	S5("\x08_S5_\x12\x00\x08_S5_\x12\x04\x02\x01\x01", true, 1, 1),
	S5("\x0d_S5_\x00\x12\x04\x02\x01\x01", false, 0, 0),		/* a string, no name */
	S5("\x08_S4_\x12\x04\x02\x01\x01", false, 0, 0),
	S5("\x08_S5_\x0a\x05", false, 0, 0),				/* no package */
	S5("\x08_S5_\x12\x20\x02\x01\x01", false, 0, 0),		/* ends beyond the table */
	S5("\x08_S5_\x12\x03\x02\x01\x01", false, 0, 0),		/* two elements in a byte */
	S5("\x08_S5_\x12\x02\x00\x01", false, 0, 0),			/* no element */
	S5("\x08_S5_\x12\x04\x02" "AB", false, 0, 0),			/* elements that are no numbers */
	S5("\x08_S5_\x12\xc1\x01\x00", false, 0, 0),			/* the length itself is cut off */
	S5("\x08_S5_\x12", false, 0, 0),
	S5("\x08_S5_", false, 0, 0),
};

static void sleep_type(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(s5_cases); i++) {
		const struct s5_case *c = &s5_cases[i];

		for (unsigned in_ssdt = 0; in_ssdt < 2; in_ssdt++) {
			make_aml(AT_DSDT, "DSDT", c->bytes, in_ssdt ? 0 : c->size);
			make_aml(AT_SSDT, "SSDT", c->bytes, in_ssdt ? c->size : 0);
			assert_true(parse());
			if (info.has_s5 != c->found || info.s5_type[0] != c->a ||
			    info.s5_type[1] != c->b)
				fail_msg("case %u: %d %u %u", i, info.has_s5, info.s5_type[0],
					 info.s5_type[1]);
		}
	}
}

/* Bytes changed at random, under checksums that hold: nothing is read that isn't there, and every count
 * stays in its array. */
static void random_damage(void **state)
{
	static const u32 tables[] = { AT_XSDT, AT_FADT, AT_MADT, AT_DSDT };

	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		set_up(NULL);
		for (unsigned j = 0; j < 4; j++) {
			u32 at = tables[rand() % 4], size;

			memory[at + (rand() % 4 ? 36 + rand() % 232 : 4 + rand() % 2)] = (u8)rand();
			memcpy(&size, memory + at + 4, 4);
			if (size >= 36 && size < 0x1000)
				seal(memory + at, size, &memory[at + 9]);
		}
		parse();
		assert_true(info.nr_cpus <= MAX_CPUS && info.nr_ioapics <= ACPI_MAX_IOAPICS);
		assert_true(info.s5_type[0] <= 7 && info.s5_type[1] <= 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whole_machine, set_up),
		cmocka_unit_test_setup(old_machine, set_up),
		cmocka_unit_test_setup(hardware_reduced, set_up),
		cmocka_unit_test_setup(damaged_roots, set_up),
		cmocka_unit_test_setup(damaged_tables, set_up),
		cmocka_unit_test_setup(odd_madt_entries, set_up),
		cmocka_unit_test_setup(sleep_type, set_up),
		cmocka_unit_test_setup(random_damage, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
