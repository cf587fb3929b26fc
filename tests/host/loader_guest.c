/* SPDX-License-Identifier: MIT */
/*
 * For the tests of loader/, included by them: a small guest, a kernel's file made by hand in `file`, a
 * load of its first `size` bytes, and mutations of it. The file lies in a heap block of exactly its
 * size, so that the sanitizer sees one byte too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "include/rights.h"
#include "loader/load.h"

#define MEM		(16u << 20)
#define RSDP		0xe0000u
#define FILE_MAX	16384

static u8 *low, *high;
static struct memory_slots slots;
static struct guest_start start;
static char why[LOAD_WHY_SIZE];
static u8 file[FILE_MAX];
static enum load_protocol protocol;	/* these two are as for most tests at first */
static const char *second_module;

static void put16(u32 at, u16 v) { memcpy(file + at, &v, 2); }
static void put32(u32 at, u32 v) { memcpy(file + at, &v, 4); }
static void put64(u32 at, u64 v) { memcpy(file + at, &v, 8); }
static u8 *guest(u64 at) { return at < 0x100000 ? low + at : high + at - 0x100000; }
static u32 get32(u64 at) { u32 v; memcpy(&v, guest(at), 4); return v; }
static u64 get64(u64 at) { u64 v; memcpy(&v, guest(at), 8); return v; }

/* 640 KiB, the tables' area read-only, and the rest of 16 MiB. */
static int make_guest(void **state)
{
	low = calloc(1, 1 << 20);
	high = calloc(1, MEM - (1 << 20));
	slots_init(&slots);
	assert_true(slots_add(&slots, GPA(0), 0xa0000, HPA(0x1000000), low, RIGHTS_ALL));
	assert_true(slots_add(&slots, GPA(0xe0000), 0x20000, HPA(0x10e0000), low + 0xe0000,
			      RIGHT_R));
	assert_true(slots_add(&slots, GPA(0x100000), MEM - 0x100000, HPA(0x1100000), high,
			      RIGHTS_ALL));
	memset(file, 0, sizeof(file));
	memset(high, 0xa5, 0x100000);	/* so that clearing shows */
	protocol = LOAD_AUTO;
	second_module = NULL;
	return 0;
}

static int free_guest(void **state)
{
	free(low);
	free(high);
	return 0;
}

/* With up to two modules. */
static enum load_status load_with(u32 size, const void *initrd, u64 initrd_size,
				  const char *cmdline)
{
	u8 *exact = malloc(size ? size : 1);
	struct load_request req = {
		.kernel = exact, .kernel_size = size, .protocol = protocol,
		.nr_modules = second_module ? 2 : initrd ? 1 : 0,
		.module = { { initrd, initrd_size, "initrd" },
			    { second_module, second_module ? strlen(second_module) : 0, "a b" } },
		.cmdline = cmdline, .slots = &slots, .mem = MEM, .rsdp = GPA(RSDP),
	};
	enum load_status status;

	memcpy(exact, file, size);
	status = load_guest(&req, &start, why, sizeof(why));
	free(exact);
	assert_true((status == LOAD_OK) == (why[0] == 0));
	return status;
}

static enum load_status load(u32 size)
{
	return load_with(size, NULL, 0, "");
}

#define ELF_SIZE	0x1400

/* One segment: file 0x1000 to 0x1400, to 1 MiB, 0x2000 bytes in memory. */
static u32 make_elf(unsigned bits, u64 vaddr)
{
	memcpy(file, "\x7f" "ELF", 4);
	file[4] = bits == 64 ? 2 : 1;
	file[5] = file[6] = 1;
	put16(16, 2);
	put16(18, bits == 64 ? 62 : 3);
	if (bits == 64) {
		put64(24, vaddr + 0x20);
		put64(32, 64);
		put16(54, 56);
		put16(56, 1);
		put32(64, 1);
		put64(64 + 8, 0x1000);
		put64(64 + 16, vaddr);
		put64(64 + 24, 0x100000);
		put64(64 + 32, 0x400);
		put64(64 + 40, 0x2000);
	} else {
		put32(24, (u32)vaddr + 0x20);
		put32(28, 52);
		put16(42, 32);
		put16(44, 1);
		put32(52, 1);
		put32(52 + 4, 0x1000);
		put32(52 + 8, (u32)vaddr);
		put32(52 + 12, 0x100000);
		put32(52 + 16, 0x400);
		put32(52 + 20, 0x2000);
	}
	memset(file + 0x1000, 0x66, 0x400);
	return ELF_SIZE;
}

static void expect(u32 size, enum load_status status, const char *words)
{
	assert_int_equal(load(size), status);
	assert_non_null(strstr(why, words));
}

/* Each byte of a header takes boundary values, each field of 4 and 8 bytes extreme ones. Whatever
 * comes out must be a status with its sentence, and an entry inside the guest. */
static void mutate(u32 size, u32 from, u32 to)
{
	static const u64 extreme[] = { 0, 1, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff,
				      ~0ull };
	u8 saved[8];

	for (u32 at = from; at < to; at++) {
		memcpy(saved, file + at, 8);
		for (unsigned v = 0; v < 8; v++) {
			file[at] = saved[0] ^ (u8)(1u << v);
			if (load_with(size, "initrd", 6, "x") == LOAD_OK)
				assert_true(start.rip < MEM);
		}
		for (unsigned i = 0; i < 7; i++) {
			memcpy(file + at, saved, 8);
			memcpy(file + at, &extreme[i], i < 6 ? 4 : 8);
			if (load_with(size, "initrd", 6, "x") == LOAD_OK)
				assert_true(start.rip < MEM);
		}
		memcpy(file + at, saved, 8);
	}
}

#define GUEST_TEST(f) cmocka_unit_test_setup_teardown(f, make_guest, free_guest)
