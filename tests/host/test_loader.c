/* SPDX-License-Identifier: MIT */
/*
 * loader/: kernels made by hand, field by field from the protocols' documents, loaded into a small
 * guest; every length they can be cut off at; every header byte changed.
 */
#include "tests/host/loader_guest.c"

/* ---- Linux ---- */

#define LINUX_SIZE	(512 * 3 + 1024)	/* boot sector, two sectors of setup, the kernel */
#define LINUX_AT	0x200000u

/* Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header", by its offsets. */
static u32 make_linux(void)
{
	file[0x1f1] = 2;			/* setup_sects */
	put32(0x1f4, 1024 / 16);		/* syssize */
	put16(0x1fe, 0xaa55);
	put16(0x200, 0x6aeb);			/* jump to 0x26c */
	memcpy(file + 0x202, "HdrS", 4);
	put16(0x206, 0x020f);			/* version 2.15 */
	file[0x211] = 1;			/* loaded high */
	put32(0x22c, 0x7fffffff);		/* initrd_addr_max */
	put32(0x230, 0x200000);			/* kernel_alignment */
	file[0x234] = 1;			/* relocatable */
	put16(0x236, 1);			/* 64-bit entry */
	put32(0x238, 100);			/* cmdline_size */
	put64(0x258, LINUX_AT);			/* pref_address */
	put32(0x260, 0x10000);			/* init_size */
	memset(file + 512 * 3, 0x77, 1024);
	return LINUX_SIZE;
}

static void test_linux_start(void **state)
{
	static const char line[] = "console=ttyS0 a,b";
	u8 initrd[5000];
	u32 at;

	memset(initrd, 0x33, sizeof(initrd));
	assert_int_equal(load_with(make_linux(), initrd, sizeof(initrd), line), LOAD_OK);
	/* boot.rst, "64-bit Boot Protocol". */
	assert_int_equal(start.rip, LINUX_AT + 0x200);
	assert_int_equal(start.segment[SEG_CS].selector, 0x10);
	assert_int_equal(start.segment[SEG_DS].selector, 0x18);
	assert_int_equal(start.segment[SEG_ES].selector, 0x18);
	assert_int_equal(start.segment[SEG_SS].selector, 0x18);
	assert_int_equal(start.segment[SEG_CS].attr & 0x6080, 0x2080);	/* P, L, not D */
	assert_int_equal(start.rflags, 2);
	assert_int_equal(start.cr0 & 0x80000001, 0x80000001);
	assert_int_equal(start.cr4 & 0x20, 0x20);
	assert_int_equal(start.efer, 0x500);
	/* The GDT says the same as the segments. */
	assert_int_equal(start.gdtr.limit, 0x1f);
	assert_int_equal(get64(start.gdtr.base + 0x10), 0x00af9b000000ffff);
	assert_int_equal(get64(start.gdtr.base + 0x18), 0x00cf93000000ffff);
	/* zero-page.rst */
	at = (u32)start.gpr[GPR_RSI];
	assert_int_equal(get64(at + 0x70), RSDP);
	assert_int_equal(*guest(at + 0x210), 0xff);
	assert_int_equal(get32(at + 0x202), 0x53726448);
	assert_int_equal(get64(at + 0x258), LINUX_AT);
	assert_string_equal((char *)guest(get32(at + 0x228)), line);
	assert_int_equal(get32(at + 0x21c), 5000);
	assert_int_equal(get32(at + 0x218), MEM - 8192);
	assert_memory_equal(guest(get32(at + 0x218)), initrd, sizeof(initrd));
	assert_int_equal(get32(at + 0xc0) | get32(at + 0xc4) | get32(at + 0xc8), 0);
	assert_int_equal(*guest(LINUX_AT + 1023), 0x77);
	assert_int_equal(*guest(LINUX_AT + 1024), 0);	/* cleared up to init_size */
}

static void test_linux_memory_map(void **state)
{
	static const u64 expected[][3] = {
		{ 0, 0xa0000, 1 }, { 0xe0000, 0x20000, 2 }, { 0x100000, MEM - 0x100000, 1 },
	};
	u64 at;

	assert_int_equal(load(make_linux()), LOAD_OK);
	at = start.gpr[GPR_RSI];
	assert_int_equal(*guest(at + 0x1e8), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(get64(at + 0x2d0 + i * 20), expected[i][0]);
		assert_int_equal(get64(at + 0x2d8 + i * 20), expected[i][1]);
		assert_int_equal(get32(at + 0x2e0 + i * 20), expected[i][2]);
	}
}

/* A walk of 4-level tables by the manual: every address of 4 GiB maps to itself, writable. */
static void test_linux_page_tables(void **state)
{
	assert_int_equal(load(make_linux()), LOAD_OK);
	for (u64 va = 0; va < 1ull << 32; va += 0x1ff000) {
		u64 e = get64(start.cr3 + 8 * (va >> 39));

		assert_int_equal(e & 0x83, 3);
		e = get64((e & ~0xfffull) + 8 * (va >> 30 & 511));
		assert_int_equal(e & 0x83, 3);
		e = get64((e & ~0xfffull) + 8 * (va >> 21 & 511));
		assert_int_equal(e & 0x83, 0x83);
		assert_int_equal((e & ~0x1fffffull) | (va & 0x1fffff), va);
	}
}

/* boot.rst, "init_size": a relocatable kernel runs at its address or above, on its alignment. */
static void test_linux_place(void **state)
{
	u32 size = make_linux();

	put64(0x258, 0x300000);
	assert_int_equal(load(size), LOAD_OK);
	assert_int_equal(start.rip, 0x400000 + 0x200);
	put64(0x258, 0x1000);			/* there is less than 640K: then above 1M */
	assert_int_equal(load(size), LOAD_OK);
	assert_int_equal(start.rip, 0x200000 + 0x200);
	put64(0x258, MEM - 0x10000);		/* not aligned: it would run at the end of memory */
	assert_int_equal(load(size), LOAD_NO_ROOM);
	file[0x234] = 0;			/* not relocatable */
	assert_int_equal(load(size), LOAD_OK);
	assert_int_equal(start.rip, MEM - 0x10000 + 0x200);
	put32(0x260, 0x10001);			/* init_size */
	assert_int_equal(load(size), LOAD_NO_ROOM);
	put64(0x258, 0x90000);
	assert_int_equal(load(size), LOAD_NO_ROOM);
}

/* Below its address it would move itself up, to where there is no memory. */
static void test_linux_needs_its_address(void **state)
{
	u32 size = make_linux();

	put64(0x258, MEM);
	assert_int_equal(load(size), LOAD_NO_ROOM);
	assert_non_null(strstr(why, "at 0x1000000,"));
	assert_non_null(strstr(why, "ends at 16384K"));
	put64(0x258, ~0ull);
	assert_int_equal(load(size), LOAD_NO_ROOM);
	put64(0x258, LINUX_AT);
	put32(0x230, 0x201000);			/* an alignment that is none */
	assert_int_equal(load(size), LOAD_BROKEN);
	put32(0x230, 0x200000);
	put32(0x260, MEM);
	assert_int_equal(load(size), LOAD_NO_ROOM);
	assert_non_null(strstr(why, "16384 KiB"));
}

/* boot.rst, "32-bit Boot Protocol"; chosen where there is no 64-bit entry, or asked for. */
static void test_linux_32(void **state)
{
	u32 size = make_linux();

	for (unsigned i = 0; i < 3; i++) {
		if (i == 0)
			protocol = LOAD_LINUX32;
		else
			protocol = LOAD_AUTO;
		put16(0x236, i == 1 ? 0 : 1);
		put16(0x206, i == 2 ? 0x020b : 0x020f);	/* 2.11: xloadflags is padding */
		assert_int_equal(load(size), LOAD_OK);
		assert_int_equal(start.rip, LINUX_AT);
		assert_int_equal(start.cr0 & 0x80000001, 1);
		assert_int_equal(start.efer | start.cr4 | start.cr3, 0);
		assert_int_equal(start.segment[SEG_CS].selector, 0x10);
		assert_int_equal(start.segment[SEG_CS].attr, 0xc09b);
		assert_int_equal(start.segment[SEG_SS].selector, 0x18);
		assert_int_equal(get64(start.gdtr.base + 0x10), 0x00cf9b000000ffff);
		assert_int_equal(start.gpr[GPR_RBP] | start.gpr[GPR_RDI] | start.gpr[GPR_RBX], 0);
		assert_int_equal(start.rflags, 2);
		assert_int_equal(get32(start.gpr[GPR_RSI] + 0x214), LINUX_AT);
	}
	protocol = LOAD_LINUX;
	assert_int_equal(load(size), LOAD_UNKNOWN);
	assert_non_null(strstr(why, "64-bit"));
}

/* Several archives are one initrd, each at a multiple of 4. */
static void test_linux_initrds(void **state)
{
	u32 at, size = make_linux();

	second_module = "more";
	assert_int_equal(load_with(size, "12345", 5, ""), LOAD_OK);
	at = get32(start.gpr[GPR_RSI] + 0x218);
	assert_int_equal(get32(start.gpr[GPR_RSI] + 0x21c), 12);
	assert_memory_equal(guest(at), "12345\0\0\0more", 12);
}

static void test_linux_refused(void **state)
{
	u32 size = make_linux();
	static u8 initrd[MEM];
	char line[102];

	put16(0x206, 0x0209);
	assert_int_equal(load(size), LOAD_UNSUPPORTED);
	assert_non_null(strstr(why, "2.09"));
	make_linux();
	file[0x211] = 0;
	assert_int_equal(load(size), LOAD_UNSUPPORTED);
	make_linux();
	assert_int_equal(load_with(size, initrd, MEM, ""), LOAD_NO_ROOM);
	assert_non_null(strstr(why, "16777216"));
	put32(0x22c, 0x20ffff);		/* initrd_addr_max: the end of the kernel's room */
	assert_int_equal(load_with(size, initrd, 4096, ""), LOAD_NO_ROOM);
	put32(0x22c, 0x210fff);
	assert_int_equal(load_with(size, initrd, 4096, ""), LOAD_OK);
	assert_int_equal(load_with(size, initrd, 0, ""), LOAD_BROKEN);
	memset(line, 'x', 101);
	line[101] = 0;
	assert_int_equal(load_with(size, NULL, 0, line), LOAD_UNSUPPORTED);
	line[100] = 0;
	assert_int_equal(load_with(size, NULL, 0, line), LOAD_OK);
}

/* ---- multiboot ---- */

static void put_multiboot(u32 at, u32 flags)
{
	put32(at, 0x1badb002);
	put32(at + 4, flags);
	put32(at + 8, -(0x1badb002 + flags));
}

static u32 make_mb_elf(unsigned bits, u64 vaddr)
{
	make_elf(bits, vaddr);
	put_multiboot(0x1000, 3);
	return ELF_SIZE;
}

/* Multiboot Specification, 3.2 "Machine state". */
static void check_multiboot_state(void)
{
	assert_int_equal(start.gpr[GPR_RAX], 0x2badb002);
	assert_int_equal(start.cr0 & 0x80000001, 1);
	assert_int_equal(start.efer, 0);
	assert_int_equal(start.rflags & 0x20200, 0);
	for (int i = SEG_ES; i <= SEG_GS; i++) {
		assert_int_equal(start.segment[i].base, 0);
		assert_int_equal(start.segment[i].limit, 0xffffffff);
		assert_int_equal(start.segment[i].attr, i == SEG_CS ? 0xc09b : 0xc093);
	}
}

static void check_elf_loaded(void)
{
	check_multiboot_state();
	assert_int_equal(start.rip, 0x100020);
	assert_int_equal(get32(0x100000), 0x1badb002);
	assert_int_equal(*guest(0x1003ff), 0x66);
	assert_int_equal(*guest(0x100400), 0);
	assert_int_equal(*guest(0x101fff), 0);
	assert_int_equal(*guest(0x102000), 0xa5);
}

static void test_elf(void **state)
{
	assert_int_equal(load(make_mb_elf(32, 0x100000)), LOAD_OK);
	check_elf_loaded();
	assert_int_equal(load(make_mb_elf(32, 0xc0100000)), LOAD_OK);
	check_elf_loaded();
	memset(file, 0, sizeof(file));
	assert_int_equal(load(make_mb_elf(64, 0x100000)), LOAD_OK);
	check_elf_loaded();
	assert_int_equal(load(make_mb_elf(64, 0xffffffff80100000)), LOAD_OK);
	check_elf_loaded();
	put64(24, 0x100020);			/* a physical entry point */
	assert_int_equal(load(ELF_SIZE), LOAD_OK);
	check_elf_loaded();
}

/* Multiboot Specification, 3.3 "Boot information format". */
static void test_multiboot_information(void **state)
{
	u32 info, mods, mmap;

	assert_int_equal(load_with(make_mb_elf(32, 0x100000), "initrd!", 7, "one two"), LOAD_OK);
	info = (u32)start.gpr[GPR_RBX];
	assert_int_equal(get32(info) & 0x24d, 0x24d);
	assert_int_equal(get32(info + 4), 640);
	assert_int_equal(get32(info + 8), (MEM >> 10) - 1024);
	assert_string_equal((char *)guest(get32(info + 16)), "/kernel one two");
	assert_int_equal(get32(info + 20), 1);
	mods = get32(info + 24);
	assert_int_equal(get32(mods) & 0xfff, 0);
	assert_true(get32(mods) >= 0x102000);
	assert_int_equal(get32(mods + 4) - get32(mods), 7);
	assert_memory_equal(guest(get32(mods)), "initrd!", 7);
	assert_string_equal((char *)guest(get32(mods + 8)), "initrd");
	second_module = "more";
	assert_int_equal(load_with(ELF_SIZE, "initrd!", 7, "one two"), LOAD_OK);
	info = (u32)start.gpr[GPR_RBX];
	assert_int_equal(get32(info + 20), 2);
	mods = get32(info + 24);
	assert_true(get32(mods + 16) >= get32(mods + 4) && get32(mods + 16) % 4096 == 0);
	assert_int_equal(get32(mods + 20) - get32(mods + 16), 4);
	assert_memory_equal(guest(get32(mods + 16)), "more", 4);
	assert_string_equal((char *)guest(get32(mods + 8)), "initrd");
	assert_string_equal((char *)guest(get32(mods + 24)), "a b");
	assert_int_equal(get32(info + 44), 3 * 24);
	mmap = get32(info + 48);
	assert_int_equal(get32(mmap + 48), 20);
	assert_int_equal(get64(mmap + 52), 0x100000);
	assert_int_equal(get64(mmap + 60), MEM - 0x100000);
	assert_int_equal(get32(mmap + 68), 1);
	assert_string_equal((char *)guest(get32(info + 64)), "Plinth");
}

static u32 make_addresses(u32 at)
{
	memset(file, 0x55, at + 0x400);
	put_multiboot(at, 0x10003);
	put32(at + 12, 0x100000 + at);		/* header_addr */
	put32(at + 16, 0x100000);		/* load_addr */
	put32(at + 20, 0);			/* load_end_addr: the whole file */
	put32(at + 24, 0x108000);		/* bss_end_addr */
	put32(at + 28, 0x100100);		/* entry_addr */
	return at + 0x400;
}

static void test_addresses(void **state)
{
	u32 size = make_addresses(0x40);

	assert_int_equal(load(size), LOAD_OK);
	check_multiboot_state();
	assert_int_equal(start.rip, 0x100100);
	assert_int_equal(get32(0x100040), 0x1badb002);
	assert_int_equal(*guest(0x100000 + size - 1), 0x55);
	assert_int_equal(*guest(0x100000 + size), 0);
	assert_int_equal(*guest(0x107fff), 0);
	assert_int_equal(*guest(0x108000), 0xa5);
	put32(0x54, 0x100200);			/* load_end_addr */
	assert_int_equal(load(size), LOAD_OK);
	assert_int_equal(*guest(0x1001ff), 0x55);
	assert_int_equal(*guest(0x100200), 0);
	/* The header's place in the file, not the file's beginning, decides what is loaded. */
	put32(0x4c, 0x100010);
	put32(0x54, 0);
	assert_int_equal(load(size), LOAD_OK);
	assert_int_equal(get32(0x100010), 0x1badb002);
}

static void test_header_search(void **state)
{
	assert_int_equal(load(make_addresses(8192 - 32)), LOAD_OK);
	make_addresses(8192);
	assert_int_equal(load(8192 + 0x400), LOAD_UNKNOWN);
	assert_int_equal(load(make_addresses(0x42)), LOAD_UNKNOWN);	/* not on 4 bytes */
}

static void test_multiboot_refused(void **state)
{
	static u8 initrd[MEM];
	u32 size = make_mb_elf(32, 0x100000);

	put_multiboot(0x1000, 0x13);
	expect(size, LOAD_UNSUPPORTED, "0x10");
	make_mb_elf(32, 0x100000);
	put32(52 + 12, MEM - 0x1000);
	expect(size, LOAD_NO_ROOM, "0xfff000");
	put32(52 + 12, 0xe0000);		/* the tables */
	expect(size, LOAD_NO_ROOM, "0xe0000");
	put32(52 + 12, 0x9f000);		/* half in the hole */
	expect(size, LOAD_NO_ROOM, "0x9f000");
	make_mb_elf(32, 0x100000);
	put32(52 + 20, 0x3ff);
	expect(size, LOAD_BROKEN, "1024");
	make_mb_elf(32, 0x100000);
	put32(24, 0x200000);
	expect(size, LOAD_BROKEN, "entry point 0x200000");
	make_mb_elf(32, 0x100000);
	assert_int_equal(load_with(size, initrd, MEM, ""), LOAD_NO_ROOM);
	assert_non_null(strstr(why, "16777216"));
	make_mb_elf(32, 0x100000);
	put16(18, 40);
	expect(size, LOAD_UNSUPPORTED, "machine 40");
	size = make_addresses(0x40);
	put32(0x50, 0x100041);
	expect(size, LOAD_BROKEN, "load_addr");
	make_addresses(0x40);
	put32(0x54, 0x100000 + size + 1);
	expect(size, LOAD_BROKEN, "truncated");
	make_addresses(0x40);
	put32(0x58, 0x100001);
	expect(size, LOAD_BROKEN, "bss_end_addr");
	make_addresses(0x40);
	put32(0x5c, 0x108000);
	expect(size, LOAD_BROKEN, "entry point");
}

static void test_low_kernel_moves_data(void **state)
{
	u32 size = make_mb_elf(32, 0x8000);

	put32(52 + 12, 0x8000);
	assert_int_equal(load(size), LOAD_OK);
	assert_true(start.gpr[GPR_RBX] >= 0x8000 + 0x2000);
	assert_int_equal(start.rip, 0x8020);
	assert_int_equal(get32(0x8000), 0x1badb002);
}

static void test_unknown(void **state)
{
	expect(0, LOAD_UNKNOWN, "empty");
	memset(file, 'x', 100);
	expect(100, LOAD_UNKNOWN, "neither");
	memcpy(file, "\x1f\x8b", 2);
	expect(100, LOAD_UNKNOWN, "gzip");
	memset(file, 0, sizeof(file));
	make_mb_elf(64, 0x100000);
	memset(file + 0x1000, 0, 12);
	expect(ELF_SIZE, LOAD_UNKNOWN, "multiboot");
}

/* Cut off before the header that makes it a kernel; or whole, but for another machine. */
static void test_unknown_elf(void **state)
{
	static const struct {
		u32 bits, shoff, shentsize, shnum;
	} layouts[] = { { 32, 32, 46, 48 }, { 64, 40, 58, 60 } };

	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		memset(file, 0, sizeof(file));
		make_mb_elf(layouts[i].bits, 0x100000);
		memset(file + 0x1000, 0, 12);
		put32(layouts[i].shoff, ELF_SIZE - 128);
		put16(layouts[i].shentsize, 64);
		put16(layouts[i].shnum, 2);
		expect(ELF_SIZE, LOAD_UNKNOWN, "multiboot");
		expect(ELF_SIZE - 1, LOAD_BROKEN, "truncated");
		put32(layouts[i].shoff, 0xffffff00);
		expect(ELF_SIZE, LOAD_BROKEN, "truncated");
		put16(18, 183);
		expect(ELF_SIZE, LOAD_UNSUPPORTED, "machine 183, not an x86 executable");
	}
}

static void test_many_segments(void **state)
{
	u32 size = make_mb_elf(32, 0x100000);

	/* Two that overlap and are as large as the memory: each fits, both don't. */
	put16(44, 2);
	put32(52 + 20, MEM - 0x100000);
	memcpy(file + 84, file + 52, 32);
	expect(size, LOAD_NO_ROOM, "in all");
	put16(44, 0xffff);
	put32(52 + 20, 0x2000);
	put32(84, 0);
	expect(size, LOAD_BROKEN, "truncated");
}

/* ---- hostile ---- */

static void every_length(u32 size)
{
	assert_int_equal(load(size), LOAD_OK);
	for (u32 n = 0; n < size; n++) {
		enum load_status status = load(n);

		assert_true(status == LOAD_UNKNOWN || status == LOAD_BROKEN);
	}
}

static void test_every_length(void **state)
{
	/* syssize is in 16 bytes: up to 15 bytes fewer are whole. */
	make_linux();
	for (u32 n = 0; n <= LINUX_SIZE; n++) {
		enum load_status status = load(n);

		assert_true(n > LINUX_SIZE - 16 ? status == LOAD_OK : status != LOAD_OK);
	}
	memset(file, 0, sizeof(file));
	every_length(make_mb_elf(32, 0x100000));
	memset(file, 0, sizeof(file));
	every_length(make_mb_elf(64, 0x100000));
	make_addresses(0x40);
	put32(0x54, 0x100000 + 0x440);
	every_length(0x440);
}

static void test_mutations(void **state)
{
	u32 size = make_linux();

	mutate(size, 0x1f1, 0x270);
	memset(file, 0, sizeof(file));
	size = make_mb_elf(32, 0x100000);
	mutate(size, 0, 84);
	mutate(size, 0x1000, 0x100c);
	memset(file, 0, sizeof(file));
	size = make_mb_elf(64, 0x100000);
	mutate(size, 0, 120);
	mutate(make_addresses(0x40), 0x40, 0x60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(test_linux_start), GUEST_TEST(test_linux_memory_map),
		GUEST_TEST(test_linux_page_tables), GUEST_TEST(test_linux_place),
		GUEST_TEST(test_linux_needs_its_address), GUEST_TEST(test_linux_refused),
		GUEST_TEST(test_linux_32), GUEST_TEST(test_linux_initrds),
		GUEST_TEST(test_elf), GUEST_TEST(test_multiboot_information), GUEST_TEST(test_addresses),
		GUEST_TEST(test_header_search), GUEST_TEST(test_multiboot_refused),
		GUEST_TEST(test_low_kernel_moves_data), GUEST_TEST(test_unknown),
		GUEST_TEST(test_unknown_elf),
		GUEST_TEST(test_many_segments), GUEST_TEST(test_every_length),
		GUEST_TEST(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
