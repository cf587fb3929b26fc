/* SPDX-License-Identifier: MIT */
/*
 * The guest's ACPI tables, found and parsed as a kernel does: from the RSDP by the specification's
 * offsets. With an argument the program writes the tables to that directory, for `iasl -d`.
 */
#include "devices/acpi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define AT	0xe0000u

static u8 memory[ACPI_TABLES_SIZE];
static size_t used;

static u8 sum(const u8 *p, size_t n)
{
	u8 total = 0;

	while (n--)
		total += *p++;
	return total;
}

static u64 field(const u8 *p, unsigned at, unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)p[at + i] << 8 * i;
	return value;
}

static const u8 *at(u64 address, unsigned alignment)
{
	assert_int_equal(address % alignment, 0);
	assert_in_range(address, AT, AT + used - 1);
	return memory + address - AT;
}

static const u8 *table(u64 address, const char *signature)
{
	const u8 *p = at(address, 4);

	assert_memory_equal(p, signature, 4);
	assert_true(p + field(p, 4, 4) <= memory + used);
	assert_int_equal(sum(p, field(p, 4, 4)), 0);
	return p;
}

/* Find a table by both roots. */
static const u8 *find(const char *signature)
{
	const u8 *rsdt = table(field(memory, 16, 4), "RSDT");
	const u8 *xsdt = table(field(memory, 24, 8), "XSDT");
	unsigned count = (field(rsdt, 4, 4) - 36) / 4;

	assert_int_equal((field(xsdt, 4, 4) - 36) / 8, count);
	for (unsigned i = 0; i < count; i++) {
		u64 address = field(rsdt, 36 + 4 * i, 4);

		assert_int_equal(field(xsdt, 36 + 8 * i, 8), address);
		if (!memcmp(at(address, 4), signature, 4))
			return table(address, signature);
	}
	fail();
	return NULL;
}

static void build(unsigned nr_cpus)
{
	memset(memory, 0xa5, sizeof(memory));
	used = acpi_build(memory, sizeof(memory), GPA(AT), nr_cpus);
	assert_true(used > 0);
}

static void test_rsdp(void **state)
{
	build(1);
	assert_memory_equal(memory, "RSD PTR ", 8);
	assert_int_equal(sum(memory, 20), 0);
	assert_int_equal(sum(memory, 36), 0);
	assert_int_equal(memory[15], 2);
	assert_int_equal(field(memory, 20, 4), 36);
}

/* ACPI 6.5, table 5.9: offsets of what a kernel uses. */
static void test_fadt(void **state)
{
	const u8 *fadt, *facs;

	build(2);
	fadt = find("FACP");
	assert_int_equal(field(fadt, 4, 4), 244);
	facs = at(field(fadt, 36, 4), 64);
	assert_memory_equal(facs, "FACS", 4);
	assert_int_equal(field(facs, 4, 4), 64);
	table(field(fadt, 40, 4), "DSDT");
	assert_int_equal(field(fadt, 140, 8), field(fadt, 40, 4));
	assert_int_equal(field(fadt, 46, 2), 9);		/* SCI */
	assert_int_equal(field(fadt, 48, 4), 0);		/* no SMI command: ACPI is on */
	assert_int_equal(field(fadt, 56, 4), 0x600);
	assert_int_equal(field(fadt, 64, 4), 0x604);
	assert_int_equal(field(fadt, 76, 4), 0x608);
	assert_int_equal(fadt[88], 4);
	assert_int_equal(fadt[89], 2);
	assert_int_equal(fadt[91], 4);
	assert_true(field(fadt, 96, 2) > 100);			/* no C2, no C3 */
	assert_true(field(fadt, 98, 2) > 1000);
	assert_int_equal(fadt[108], 0x32);
	assert_int_equal(field(fadt, 109, 2) & 0x0002, 0);	/* no 8042 to probe */
	assert_int_equal(field(fadt, 112, 4) & 1 << 10, 1 << 10);	/* reset register */
	assert_int_equal(field(fadt, 112, 4) & 1 << 8, 0);	/* a 24-bit timer */
	assert_int_equal(fadt[116], 1);				/* in I/O space, 8 bits */
	assert_int_equal(fadt[117], 8);
	assert_int_equal(field(fadt, 120, 8), 0xcf9);
	assert_int_equal(fadt[128], 0x06);
	assert_int_equal(field(fadt, 148 + 4, 8), 0x600);
	assert_int_equal(field(fadt, 172 + 4, 8), 0x604);
	assert_int_equal(field(fadt, 208 + 4, 8), 0x608);
}

static void test_madt(void **state)
{
	static const unsigned counts[] = { 1, 4, 255 };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		unsigned cpus = 0, ioapics = 0, overrides = 0, nmis = 0;
		const u8 *madt, *p;

		build(counts[i]);
		madt = find("APIC");
		assert_int_equal(field(madt, 36, 4), 0xfee00000);
		assert_int_equal(field(madt, 40, 4), 1);
		for (p = madt + 44; p < madt + field(madt, 4, 4); p += p[1]) {
			if (p[0] == 0) {
				assert_int_equal(p[1], 8);
				assert_int_equal(p[3], cpus++);
				assert_int_equal(field(p, 4, 4), 1);
			} else if (p[0] == 1) {
				assert_int_equal(p[1], 12);
				assert_int_equal(field(p, 4, 4), 0xfec00000);
				assert_int_equal(field(p, 8, 4), 0);
				ioapics++;
			} else if (p[0] == 2) {
				assert_int_equal(p[1], 10);
				if (p[3] == 0)
					assert_int_equal(field(p, 4, 4), 2);
				else
					assert_int_equal(field(p, 3, 1) | field(p, 4, 4), 9);
				overrides++;
			} else {
				assert_int_equal(p[0], 4);
				assert_int_equal(p[1], 6);
				assert_int_equal(p[2], 0xff);
				assert_int_equal(p[5], 1);
				nmis++;
			}
		}
		assert_ptr_equal(p, madt + field(madt, 4, 4));
		assert_int_equal(cpus, counts[i]);
		assert_int_equal(ioapics, 1);
		assert_int_equal(overrides, 2);
		assert_int_equal(nmis, 1);
	}
}

/* An AML package length: bits 7:6 of the first byte say how many more there are. */
static unsigned package_length(const u8 *p, unsigned *bytes)
{
	*bytes = (p[0] >> 6) + 1;
	if (*bytes == 1)
		return p[0] & 0x3f;
	return (p[0] & 15) | p[1] << 4;
}

/* The lengths nest, end where their parents end, and the resource descriptors fill the buffer. */
static void test_dsdt(void **state)
{
	const u8 *dsdt, *end, *p, *device, *buffer, *r;
	unsigned bytes;

	build(1);
	dsdt = table(field(find("FACP"), 40, 4), "DSDT");
	end = dsdt + field(dsdt, 4, 4);
	p = dsdt + 36;
	assert_memory_equal(p, "\x08_S5_\x12", 6);
	assert_int_equal(p[7], 4);
	p += 6 + package_length(p + 6, &bytes);
	assert_int_equal(p[0], 0x10);
	assert_ptr_equal(p + 1 + package_length(p + 1, &bytes), end);
	device = p + 1 + bytes + 5;
	assert_memory_equal(device - 5, "\\_SB_\x5b\x82", 7);
	assert_ptr_equal(device + 2 + package_length(device + 2, &bytes), end);
	assert_memory_equal(device + 2 + bytes, "PCI0", 4);
	for (buffer = device; memcmp(buffer, "_CRS", 4); buffer++)
		assert_true(buffer < end - 5);
	buffer += 4;
	assert_int_equal(buffer[0], 0x11);
	assert_ptr_equal(buffer + 1 + package_length(buffer + 1, &bytes), end);
	r = buffer + 1 + bytes + 2;
	assert_int_equal(r[-1], end - r);
	while (r[0] != 0x79)
		r += r[0] & 0x80 ? 3 + field(r, 1, 2) : 1u + (r[0] & 7);
	assert_ptr_equal(r + 2, end);
}

static void test_arguments(void **state)
{
	build(255);
	for (size_t size = 0; size < used; size++)
		assert_int_equal(acpi_build(memory, size, GPA(AT), 255), 0);
	assert_int_equal(acpi_build(memory, used, GPA(AT), 255), used);
	assert_int_equal(acpi_build(memory, used, GPA(AT + 16), 1), 0);
	assert_int_equal(acpi_build(memory, used, GPA(0xffffffc0), 1), 0);
	assert_int_equal(acpi_build(memory, used, GPA(AT), 0), 0);
	assert_int_equal(acpi_build(memory, sizeof(memory), GPA(AT), 256), 0);
}

static void dump(const char *directory, const char *name, const u8 *p)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.dat", directory, name);
	f = fopen(path, "wb");
	if (!f)
		exit(1);
	fwrite(p, 1, field(p, 4, 4), f);
	fclose(f);
}

static int dump_all(const char *directory)
{
	build(4);
	dump(directory, "facp", find("FACP"));
	dump(directory, "apic", find("APIC"));
	dump(directory, "dsdt", table(field(find("FACP"), 40, 4), "DSDT"));
	dump(directory, "facs", at(field(find("FACP"), 36, 4), 64));
	dump(directory, "xsdt", table(field(memory, 24, 8), "XSDT"));
	dump(directory, "rsdt", table(field(memory, 16, 4), "RSDT"));
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsdp), cmocka_unit_test(test_fadt), cmocka_unit_test(test_madt),
		cmocka_unit_test(test_dsdt), cmocka_unit_test(test_arguments),
	};

	if (argc > 1)
		return dump_all(argv[1]);
	return cmocka_run_group_tests_name("acpi tables", tests, NULL, NULL);
}
