/* SPDX-License-Identifier: MIT */
/* fw_cfg by ports and by DMA, as QEMU's docs/specs/fw_cfg says. */
#include "devices/fwcfg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LOW	(256ull << 20)
#define HIGH	(1ull << 30)
#define MEMORY	(1u << 20)

#define ERROR	1u
#define READ	2u
#define SKIP	4u
#define SELECT	8u
#define WRITE	16u

static u8 memory[MEMORY];
static struct fwcfg fwcfg;

/* Guest memory from 0; its last page can only be read. */
static bool copy(void *ctx, gpa_t at, void *bytes, size_t size, bool to_guest)
{
	u64 end = to_guest ? MEMORY - 4096 : MEMORY;

	if (at.v > end || size > end - at.v)
		return false;
	if (to_guest)
		memcpy(memory + at.v, bytes, size);
	else
		memcpy(bytes, memory + at.v, size);
	return true;
}

static void setup(void)
{
	memset(memory, 0xcc, sizeof(memory));
	fwcfg_init(&fwcfg, 4, LOW, HIGH, copy, NULL);
}

static void select_key(u16 key)
{
	fwcfg_write(&fwcfg, 0, 2, key);
}

static u8 data(void)
{
	return fwcfg_read(&fwcfg, 1, 1);
}

static u64 little(u16 key, unsigned bytes)
{
	u64 value = 0;

	select_key(key);
	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)data() << 8 * i;
	assert_int_equal(data(), 0);		/* behind its end */
	return value;
}

static void big(u64 at, u64 value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		memory[at + i] = value >> 8 * (bytes - 1 - i);
}

static u32 big32(const u8 *at)
{
	return (u32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

/* Puts the command at `at`, gives its address to the device, returns what its control becomes. */
static u32 dma(u64 at, u32 control, u32 length, u64 address)
{
	big(at, control, 4);
	big(at + 4, length, 4);
	big(at + 8, address, 8);
	fwcfg_dma_write(&fwcfg, 0, 4, __builtin_bswap32(at >> 32));
	fwcfg_dma_write(&fwcfg, 4, 4, __builtin_bswap32(at));
	assert_int_equal(big32(memory + at + 4), length);	/* only control is written */
	return big32(memory + at);
}

static void test_items(void **state)
{
	setup();
	assert_int_equal(little(0x00, 4), 0x554d4551);	/* "QEMU" */
	assert_int_equal(little(0x01, 4), 3);		/* traditional and DMA */
	assert_int_equal(little(0x03, 8), LOW + HIGH);
	assert_int_equal(little(0x05, 2), 4);
	assert_int_equal(little(0x0f, 2), 4);
	assert_int_equal(little(0x1234, 8), 0);
	assert_int_equal(little(0xffff, 8), 0);
	/* Only a 16-bit write to the first port selects. */
	select_key(0);
	assert_int_equal(data(), 'Q');
	fwcfg_write(&fwcfg, 0, 1, 0);
	fwcfg_write(&fwcfg, 1, 1, 0);
	assert_int_equal(data(), 'E');
	assert_int_equal(fwcfg_read(&fwcfg, 0, 1), 0xff);
	assert_int_equal(fwcfg_read(&fwcfg, 0, 2), 'M' << 8 | 0xff);
}

/* FWCfgFiles: a big-endian count, then size, select, reserved and a name of 56 bytes. */
static void test_directory(void **state)
{
	u8 entry[68];
	u64 expected[] = { 0, LOW, 4ull << 30, HIGH };
	u16 key;

	setup();
	select_key(0x19);
	for (unsigned i = 0; i < sizeof(entry); i++)
		entry[i] = data();
	assert_int_equal(data(), 0);
	assert_int_equal(big32(entry), 1);
	assert_int_equal(big32(entry + 4), 40);
	assert_string_equal((char *)entry + 12, "etc/e820");
	key = entry[8] << 8 | entry[9];
	assert_in_range(key, 0x20, 0x3fff);
	select_key(key);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned field = 0; field < 2; field++) {
			u64 value = 0;

			for (unsigned byte = 0; byte < 8; byte++)
				value |= (u64)data() << 8 * byte;
			assert_int_equal(value, expected[2 * i + field]);
		}
		assert_int_equal(data(), 1);		/* RAM */
		assert_int_equal(data() | data() | data(), 0);
	}
	/* No memory above 4 GiB: one range. */
	fwcfg_init(&fwcfg, 1, LOW, 0, copy, NULL);
	select_key(0x19);
	for (unsigned i = 0; i < 8; i++)
		entry[i] = data();
	assert_int_equal(big32(entry + 4), 20);
}

static void test_dma_signature(void **state)
{
	setup();
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(fwcfg_dma_read(&fwcfg, i, 1), "QEMU CFG"[i]);
	assert_int_equal(fwcfg_dma_read(&fwcfg, 0, 4), 0x554d4551);
	assert_int_equal(fwcfg_dma_read(&fwcfg, 4, 4), 0x47464320);
}

static void test_dma(void **state)
{
	setup();
	assert_int_equal(dma(0x1000, SELECT | READ | 0x03 << 16, 8, 0x2000), 0);
	assert_int_equal(*(u64 *)(memory + 0x2000), LOW + HIGH);
	assert_int_equal(memory[0x2008], 0xcc);
	/* Select, skip, then read the rest and zeroes behind it. */
	assert_int_equal(dma(0x1000, SELECT, 0, 0), 0);
	assert_int_equal(dma(0x1000, SKIP, 2, 0), 0);
	assert_int_equal(dma(0x1000, READ, 4, 0x3001), 0);
	assert_memory_equal(memory + 0x3001, "MU\0\0", 4);
	/* Both interfaces share the offset. */
	select_key(0);
	assert_int_equal(data(), 'Q');
	assert_int_equal(dma(0x1000, READ, 1, 0x3000), 0);
	assert_int_equal(memory[0x3000], 'E');
	/* Over the page end, and the longest. */
	assert_int_equal(dma(0x1ff8, SELECT | READ | 0x01 << 16, 65536, 0x4fff), 0);
	assert_int_equal(big32(memory + 0x4fff), 0x03000000);
	for (unsigned i = 4; i < 65536; i++)
		assert_int_equal(memory[0x4fff + i], 0);
	assert_int_equal(memory[0x4fff + 65536], 0xcc);
	/* Read comes before write, write before skip. */
	select_key(0);
	assert_int_equal(dma(0x1000, READ | WRITE | SKIP, 2, 0x3000), 0);
	assert_memory_equal(memory + 0x3000, "QE", 2);
	assert_int_equal(dma(0x1000, WRITE | SKIP, 1, 0x3000), ERROR);
	assert_int_equal(data(), 'M');
}

static void test_dma_errors(void **state)
{
	setup();
	assert_int_equal(dma(0x1000, SELECT | READ, 4, MEMORY - 4096), ERROR);	/* read only */
	assert_int_equal(dma(0x1000, SELECT | READ, 4, MEMORY - 2), ERROR);
	assert_int_equal(dma(0x1000, SELECT | READ, 4, ~0ull - 1), ERROR);
	assert_int_equal(dma(0x1000, SELECT | READ, 65537, 0x2000), ERROR);
	assert_int_equal(dma(0x1000, SELECT | READ, ~0u, 0x2000), ERROR);
	assert_int_equal(memory[0x2000], 0xcc);
	assert_int_equal(dma(0x1000, SELECT | WRITE, 4, 0x2000), ERROR);	/* no item takes it */
	/* The command itself can't be read, or its result can't be written: nothing happens. */
	fwcfg_dma_write(&fwcfg, 0, 4, 0xffffffff);
	fwcfg_dma_write(&fwcfg, 4, 4, 0xffffffff);
	memset(memory + MEMORY - 16, 0, 16);
	fwcfg_dma_write(&fwcfg, 4, 4, __builtin_bswap32(MEMORY - 16));
	assert_int_equal(big32(memory + MEMORY - 16), 0);
	/* Skipping for ever stays at the end. */
	select_key(0);
	assert_int_equal(dma(0x1000, SKIP, ~0u, 0), 0);
	assert_int_equal(dma(0x1000, SKIP, ~0u, 0), 0);
	assert_int_equal(data(), 0);
}

/* Only whole halves are written; the lower one alone is an address below 4 GiB. */
static void test_dma_register(void **state)
{
	setup();
	big(0x1000, SELECT | READ | 0x05 << 16, 4);
	big(0x1004, 2, 4);
	big(0x1008, 0x2000, 8);
	fwcfg_dma_write(&fwcfg, 4, 2, __builtin_bswap32(0x1000));
	fwcfg_dma_write(&fwcfg, 4, 1, 0);
	fwcfg_dma_write(&fwcfg, 2, 4, __builtin_bswap32(0x1000));
	assert_int_equal(memory[0x2000], 0xcc);
	fwcfg_dma_write(&fwcfg, 0, 4, 1);
	fwcfg_dma_write(&fwcfg, 4, 4, __builtin_bswap32(0x1000));
	assert_int_equal(memory[0x2000], 0xcc);
	fwcfg_dma_write(&fwcfg, 4, 4, __builtin_bswap32(0x1000));
	assert_int_equal(memory[0x2000], 4);
	assert_int_equal(big32(memory + 0x1000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items), cmocka_unit_test(test_directory),
		cmocka_unit_test(test_dma_signature), cmocka_unit_test(test_dma),
		cmocka_unit_test(test_dma_errors), cmocka_unit_test(test_dma_register),
	};

	return cmocka_run_group_tests_name("fwcfg", tests, NULL, NULL);
}
