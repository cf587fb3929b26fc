/* SPDX-License-Identifier: MIT */
/*
 * loader/: multiboot 2 and PVH kernels made by hand from the specifications; what they are handed;
 * what is refused; cut off everywhere; each header byte changed.
 */
#include "tests/host/loader_guest.c"

#define HEADER	0x1000u		/* of multiboot 2, and PVH's note: at the segment's start */

/* ---- multiboot 2 ---- */

static u32 tag_at;

/* Multiboot2 Specification, 3.1.1 and 3.1.2. */
static void begin_header(void)
{
	tag_at = HEADER + 16;
}

static void put_head_tag(u16 type, u16 flags, u32 words, const u32 *contents)
{
	put16(tag_at, type);
	put16(tag_at + 2, flags);
	put32(tag_at + 4, 8 + 4 * words);
	for (u32 i = 0; i < words; i++)
		put32(tag_at + 8 + 4 * i, contents[i]);
	tag_at += (8 + 4 * words + 7) & ~7u;
}

static void end_header(void)
{
	u32 length;

	put_head_tag(0, 0, 0, NULL);
	length = tag_at - HEADER;
	put32(HEADER, 0xe85250d6);
	put32(HEADER + 4, 0);
	put32(HEADER + 8, length);
	put32(HEADER + 12, -(0xe85250d6 + length));
}

static u32 make_mb2(unsigned bits, u64 vaddr)
{
	memset(file, 0, sizeof(file));
	make_elf(bits, vaddr);
	begin_header();
	end_header();
	return ELF_SIZE;
}

/* The information's first tag of a type, or 0. Every tag must lie inside, on 8 bytes. */
static u32 find_tag(u32 type)
{
	u32 info = (u32)start.gpr[GPR_RBX], size = get32(info), at = info + 8, found = 0;

	assert_int_equal(info % 8, 0);
	for (;;) {
		assert_true(at + 8 <= info + size);
		if (get32(at) == type && !found)
			found = at;
		if (get32(at) == 0)
			break;
		at += (get32(at + 4) + 7) & ~7u;
	}
	assert_int_equal(get32(at + 4), 8);
	assert_int_equal(at + 8, info + size);
	return found;
}

/* 3.3, "I386 machine state". */
static void check_start(u64 rip)
{
	assert_int_equal(start.gpr[GPR_RAX], 0x36d76289);
	assert_int_equal(start.rip, rip);
	assert_int_equal(start.cr0 & 0x80000001, 1);
	assert_int_equal(start.efer, 0);
	assert_int_equal(start.rflags & 0x20200, 0);
	for (int i = SEG_ES; i <= SEG_GS; i++) {
		assert_int_equal(start.segment[i].base, 0);
		assert_int_equal(start.segment[i].limit, 0xffffffff);
		assert_int_equal(start.segment[i].attr, i == SEG_CS ? 0xc09b : 0xc093);
	}
}

static void test_mb2_elf(void **state)
{
	static const struct { unsigned bits; u64 vaddr; } kinds[] = {
		{ 32, 0x100000 }, { 32, 0xc0100000 }, { 64, 0x100000 }, { 64, 0xffffffff80100000 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(load(make_mb2(kinds[i].bits, kinds[i].vaddr)), LOAD_OK);
		check_start(0x100020);
		assert_int_equal(get32(0x100000), 0xe85250d6);
		assert_int_equal(*guest(0x1003ff), 0x66);
		assert_int_equal(*guest(0x101fff), 0);
		assert_int_equal(*guest(0x102000), 0xa5);
	}
}

static void test_mb2_information(void **state)
{
	u32 at;

	second_module = "more";
	memcpy(low + RSDP, "RSD PTR \x11\x22\x33\x44\x55\x66\x02", 15);
	assert_int_equal(load_with(make_mb2(32, 0x100000), "initrd!", 7, "one two"), LOAD_OK);
	assert_int_equal(get32(start.gpr[GPR_RBX] + 4), 0);
	assert_string_equal((char *)guest(find_tag(1) + 8), "one two");
	assert_string_equal((char *)guest(find_tag(2) + 8), "Plinth");
	at = find_tag(3);
	assert_int_equal(get32(at + 8) % 4096, 0);
	assert_true(get32(at + 8) >= 0x102000);
	assert_int_equal(get32(at + 12) - get32(at + 8), 7);
	assert_memory_equal(guest(get32(at + 8)), "initrd!", 7);
	assert_string_equal((char *)guest(at + 16), "initrd");
	at += (get32(at + 4) + 7) & ~7u;
	assert_int_equal(get32(at), 3);
	assert_memory_equal(guest(get32(at + 8)), "more", 4);
	assert_string_equal((char *)guest(at + 16), "a b");
	at = find_tag(4);
	assert_int_equal(get32(at + 8), 640);
	assert_int_equal(get32(at + 12), (MEM >> 10) - 1024);
	at = find_tag(6);
	assert_int_equal(get32(at + 4), 16 + 3 * 24);
	assert_int_equal(get32(at + 8), 24);
	assert_int_equal(get32(at + 12), 0);
	assert_int_equal(get64(at + 16 + 48), 0x100000);
	assert_int_equal(get64(at + 16 + 56), MEM - 0x100000);
	assert_int_equal(get32(at + 16 + 64), 1);
	at = find_tag(14);
	assert_int_equal(get32(at + 4), 8 + 20);
	assert_memory_equal(guest(at + 8), low + RSDP, 20);
	at = find_tag(15);
	assert_int_equal(get32(at + 4), 8 + 36);
	assert_memory_equal(guest(at + 8), low + RSDP, 36);
	assert_int_equal(find_tag(9), 0);	/* the file has no sections */
	assert_int_equal(find_tag(21), 0);	/* it can't be moved */
}

/* 3.6.7, "ELF-Symbols": the section headers as they are. */
static void test_mb2_sections(void **state)
{
	u32 size = make_mb2(32, 0x100000), at;

	put32(32, 0x1380);		/* e_shoff, three of 40 bytes, names in the last */
	put16(46, 40);
	put16(48, 3);
	put16(50, 2);
	for (u32 i = 0; i < 120; i++)
		file[0x1380 + i] = (u8)i;
	assert_int_equal(load(size), LOAD_OK);
	at = find_tag(9);
	assert_int_equal(get32(at + 4), 20 + 120);
	assert_int_equal(get32(at + 8), 3);
	assert_int_equal(get32(at + 12), 40);
	assert_int_equal(get32(at + 16), 2);
	assert_memory_equal(guest(at + 20), file + 0x1380, 120);
	put32(32, size - 120);		/* up to the file's end */
	assert_int_equal(load(size), LOAD_OK);
	assert_int_not_equal(find_tag(9), 0);
	put32(32, size - 119);		/* outside the file, be it by a byte: then there is no tag */
	assert_int_equal(load(size), LOAD_OK);
	assert_int_equal(find_tag(9), 0);
	put32(32, ~0u);
	assert_int_equal(load(size), LOAD_OK);
	assert_int_equal(find_tag(9), 0);
	put32(32, 0x1380);
	put16(46, 64);			/* of a size that isn't this class's */
	assert_int_equal(load(size), LOAD_OK);
	assert_int_equal(find_tag(9), 0);
}

/* 3.1.5 and 3.1.6: the address and entry tags come before the file's format. */
static void test_mb2_addresses(void **state)
{
	static const u32 entry = 0x200100;
	u32 address[4] = { 0x200000 + HEADER, 0x200000, 0x202000, 0x203000 };

	memset(file, 0x55, sizeof(file));
	begin_header();
	put_head_tag(2, 0, 4, address);
	put_head_tag(3, 0, 1, &entry);
	end_header();
	assert_int_equal(load(0x2400), LOAD_OK);
	check_start(entry);
	assert_int_equal(get32(0x200000 + HEADER), 0xe85250d6);
	assert_int_equal(*guest(0x201fff), 0x55);
	assert_int_equal(*guest(0x202000), 0);
	assert_int_equal(*guest(0x202fff), 0);
	/* load_addr of all ones: from the file's start; load_end 0: to its end; bss_end 0: no bss */
	begin_header();
	put_head_tag(2, 0, 4, (u32[]){ 0x300000 + HEADER, ~0u, 0, 0 });
	put_head_tag(3, 0, 1, (u32[]){ 0x300000 });
	end_header();
	assert_int_equal(load(0x2400), LOAD_OK);
	check_start(0x300000);
	assert_int_equal(*guest(0x3023ff), 0x55);
	assert_int_equal(*guest(0x302400), 0);
}

/* 3.1.13, "Relocatable header tag". */
static void test_mb2_relocatable(void **state)
{
	static const struct { u32 want[4], base; } row[] = {
		{ { 0, ~0u, 0x1000, 0 }, 0x100000 },		/* where it is linked */
		{ { 0, ~0u, 0, 1 }, 0x100000 },
		{ { 0x200000, ~0u, 0x1000, 0 }, 0x200000 },
		{ { 0x200001, ~0u, 0x4000, 1 }, 0x204000 },
		{ { 0x200000, 0x7fffff, 0x1000, 2 }, 0x800000 - 0x2000 },
		{ { 0x200000, ~0u, 0x1000, 2 }, MEM - 0x2000 },
		{ { 0x10000000, ~0u, 0x1000, 0 }, 0x100000 },	/* nowhere: as linked */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		make_elf(32, 0xc0100000);
		begin_header();
		put_head_tag(10, 0, 4, row[i].want);
		end_header();
		assert_int_equal(load(ELF_SIZE), LOAD_OK);
		check_start(row[i].base + 0x20);
		assert_int_equal(get32(row[i].base), 0xe85250d6);
		assert_int_equal(*guest(row[i].base + 0x1fff), 0);
		assert_int_equal(get32(find_tag(21) + 8), row[i].base);
	}
}

/* A tag that must be understood and isn't; the same as a wish. */
static void test_mb2_demands(void **state)
{
	static const struct { u16 type; u32 nr, word[2]; const char *words; } row[] = {
		{ 1, 2, { 6, 8 }, "information of type 8" },
		{ 1, 1, { 77 }, "information of type 77" },
		{ 4, 1, { 1 }, "feature 4 (a screen)" },
		{ 5, 2, { 0, 0 }, "feature 5 (a framebuffer)" },
		{ 11, 0, { 0 }, "feature 11" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		for (u16 flags = 0; flags < 2; flags++) {
			make_elf(32, 0x100000);
			begin_header();
			put_head_tag(row[i].type, flags, row[i].nr, row[i].word);
			end_header();
			if (flags)
				assert_int_equal(load(ELF_SIZE), LOAD_OK);
			else
				expect(ELF_SIZE, LOAD_UNSUPPORTED, row[i].words);
		}
	}
	make_elf(32, 0x100000);
	begin_header();
	put_head_tag(1, 0, 4, (u32[]){ 1, 3, 6, 15 });
	put_head_tag(6, 0, 0, NULL);
	put_head_tag(7, 0, 0, NULL);
	put_head_tag(9, 0, 1, (u32[]){ 0x100000 });
	end_header();
	assert_int_equal(load(ELF_SIZE), LOAD_OK);
}

static void test_mb2_refused(void **state)
{
	u32 size = make_mb2(32, 0x100000);

	put32(HEADER + 4, 4);			/* MIPS */
	put32(HEADER + 12, -(0xe85250d6 + 4 + 24));
	expect(size, LOAD_UNSUPPORTED, "architecture 4");
	make_mb2(32, 0x100000);
	put32(HEADER + 20, 7);			/* the end tag is none, and too small */
	put16(HEADER + 16, 6);
	expect(size, LOAD_BROKEN, "tag of 7 bytes");
	make_elf(32, 0x100000);
	begin_header();
	put_head_tag(2, 0, 4, (u32[]){ 0x100000, 0x100000, 0, 0 });
	end_header();
	expect(size, LOAD_BROKEN, "no entry point");
	make_elf(32, 0x100000);
	begin_header();
	put_head_tag(3, 0, 1, (u32[]){ 0x90000 });
	end_header();
	expect(size, LOAD_BROKEN, "entry point 0x90000");
	make_mb2(32, 0x100000);
	put32(52 + 12, MEM - 0x1000);
	expect(size, LOAD_NO_ROOM, "0xfff000");
	make_mb2(32, 0x100000);
	file[0] = 0;
	expect(size, LOAD_BROKEN, "no ELF file");
	make_mb2(32, 0x100000);
	put32(HEADER + 12, 0);
	expect(size, LOAD_UNKNOWN, "multiboot");
}

/* ---- PVH ---- */

/* xen/include/public/elfnote.h: XEN_ELFNOTE_PHYS32_ENTRY, behind a note of another kind. */
static u32 make_pvh(unsigned bits, u64 vaddr)
{
	u32 header = bits == 64 ? 64 + 56 : 52 + 32, note = 0x1300;

	memset(file, 0, sizeof(file));
	make_elf(bits, vaddr);
	put16(bits == 64 ? 56 : 44, 2);
	put32(header, 4);			/* PT_NOTE */
	if (bits == 64) {
		put64(header + 8, note);
		put64(header + 32, 20 + 20);
	} else {
		put32(header + 4, note);
		put32(header + 16, 20 + 20);
	}
	memcpy(file + note, "\x04\0\0\0\x03\0\0\0\x06\0\0\0Xen\0abc", 20);
	memcpy(file + note + 20, "\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0", 16);
	put32(note + 36, 0x100040);
	return ELF_SIZE;
}

static void test_pvh(void **state)
{
	u32 info, at;

	for (unsigned bits = 32; bits <= 64; bits += 32) {
		second_module = "more";
		assert_int_equal(load_with(make_pvh(bits, bits == 64 ? 0xffffffff80100000 : 0xc0100000),
					   "initrd!", 7, "one two"), LOAD_OK);
		assert_string_equal(start.protocol, "PVH");
		assert_int_equal(start.rip, 0x100040);
		assert_int_equal(start.cr0 & 0x80000001, 1);
		assert_int_equal(start.cr4 | start.efer, 0);
		assert_int_equal(start.rflags & 0x20300, 0);
		assert_int_equal(start.segment[SEG_CS].attr, 0xc09b);
		assert_int_equal(start.segment[SEG_SS].attr, 0xc093);
		assert_int_equal(start.segment[SEG_TR].limit, 0x67);
		/* start_info.h, "Start of day structure passed to PVH guests" */
		info = (u32)start.gpr[GPR_RBX];
		assert_int_equal(get32(info), 0x336ec578);
		assert_int_equal(get32(info + 4), 1);
		assert_int_equal(get32(info + 8), 0);
		assert_int_equal(get32(info + 12), 2);
		assert_string_equal((char *)guest(get64(info + 24)), "one two");
		assert_int_equal(get64(info + 32), RSDP);
		at = (u32)get64(info + 16);
		assert_memory_equal(guest(get64(at)), "initrd!", 7);
		assert_int_equal(get64(at + 8), 7);
		assert_string_equal((char *)guest(get64(at + 16)), "initrd");
		assert_memory_equal(guest(get64(at + 32)), "more", 4);
		assert_string_equal((char *)guest(get64(at + 48)), "a b");
		at = (u32)get64(info + 40);
		assert_int_equal(get32(info + 48), 3);
		assert_int_equal(get64(at + 48), 0x100000);
		assert_int_equal(get64(at + 56), MEM - 0x100000);
		assert_int_equal(get32(at + 64), 1);
	}
}

static void test_pvh_refused(void **state)
{
	u32 size = make_pvh(32, 0x100000);

	put32(0x1300 + 36, 0x90000);
	expect(size, LOAD_BROKEN, "PVH entry point");
	make_pvh(32, 0x100000);
	put32(0x1300 + 28, 17);
	expect(size, LOAD_UNKNOWN, "PVH entry");
	make_pvh(32, 0x100000);
	file[0x1300 + 32] = 'x';
	expect(size, LOAD_UNKNOWN, "PVH entry");
	/* A note that spans the address space. */
	make_pvh(32, 0x100000);
	put32(0x1300 + 4, 0xffffffff);
	expect(size, LOAD_UNKNOWN, "PVH entry");
}

/* ---- the choice ---- */

static void test_protocol_is_chosen(void **state)
{
	u32 size = make_mb2(32, 0x100000);

	protocol = LOAD_MULTIBOOT;
	expect(size, LOAD_UNKNOWN, "can't be loaded as multiboot 1");
	protocol = LOAD_PVH;
	expect(size, LOAD_UNKNOWN, "can't be loaded as PVH");
	protocol = LOAD_MULTIBOOT2;
	assert_int_equal(load(size), LOAD_OK);
	/* With both headers the older one counts, as for those who know no other. */
	put32(0x1200, 0x1badb002);
	put32(0x1204, 3);
	put32(0x1208, -(0x1badb002 + 3));
	assert_int_equal(load(size), LOAD_OK);
	assert_string_equal(start.protocol, "multiboot 2");
	protocol = LOAD_AUTO;
	assert_int_equal(load(size), LOAD_OK);
	assert_string_equal(start.protocol, "multiboot 1");
}

/* ---- hostile ---- */

static void test_every_length(void **state)
{
	u32 size = make_mb2(64, 0x100000);

	for (u32 n = 0; n < size; n++)
		assert_int_not_equal(load(n), LOAD_OK);
	size = make_pvh(64, 0x100000);
	for (u32 n = 0; n < size; n++)
		assert_int_not_equal(load(n), LOAD_OK);
}

static void test_mutations(void **state)
{
	u32 size = make_mb2(64, 0x100000);

	mutate(size, 0, 120);
	make_elf(32, 0x100000);
	begin_header();
	put_head_tag(1, 0, 2, (u32[]){ 1, 6 });
	put_head_tag(10, 0, 4, (u32[]){ 0x200000, ~0u, 0x1000, 2 });
	end_header();
	mutate(size, HEADER, tag_at);
	begin_header();
	put_head_tag(2, 0, 4, (u32[]){ 0x200000 + HEADER, 0x200000, 0x201000, 0x202000 });
	put_head_tag(3, 0, 1, (u32[]){ 0x200100 });
	end_header();
	mutate(size, HEADER, tag_at);
	make_pvh(64, 0x100000);
	mutate(size, 0, 180);
	mutate(size, 0x1300, 0x1330);
}

/* Known by its size alone, so only when it is asked for; its end at 4 GiB and at 1 MiB. */
static void test_firmware(void **state)
{
	const u32 size = 0x40000;
	u8 *image = malloc(size), *rom = calloc(1, size);
	struct load_request req = {
		.kernel = image, .kernel_size = size, .protocol = LOAD_FIRMWARE, .cmdline = "",
		.slots = &slots, .mem = MEM,
	};

	for (u32 i = 0; i < size; i++)
		image[i] = (u8)(i ^ i >> 8 ^ i >> 16);
	assert_int_equal(load_guest(&req, &start, why, sizeof(why)), LOAD_NO_ROOM);
	assert_true(slots_add(&slots, GPA(0x100000000 - size), size, HPA(0x4000000), rom, RIGHT_R));
	assert_int_equal(load_guest(&req, &start, why, sizeof(why)), LOAD_OK);
	assert_memory_equal(rom, image, size);
	assert_memory_equal(low + 0xe0000, image + size - 0x20000, 0x20000);
	assert_int_equal(start.segment[SEG_CS].base, 0xffff0000);
	assert_int_equal(start.segment[SEG_CS].selector, 0xf000);
	assert_int_equal(start.segment[SEG_CS].limit, 0xffff);
	assert_int_equal(start.segment[SEG_SS].base, 0);
	assert_int_equal(start.rip, 0xfff0);
	assert_int_equal(start.rflags, 2);
	assert_int_equal(start.cr0, 0x60000010);
	assert_int_equal(start.idtr.limit, 0xffff);
	req.cmdline = "x";
	assert_int_equal(load_guest(&req, &start, why, sizeof(why)), LOAD_UNSUPPORTED);
	req.cmdline = "";
	req.kernel_size = size - 1;
	assert_int_equal(load_guest(&req, &start, why, sizeof(why)), LOAD_UNKNOWN);
	assert_non_null(strstr(why, "can't be loaded as firmware"));
	req.kernel_size = size;
	req.protocol = LOAD_AUTO;
	assert_int_equal(load_guest(&req, &start, why, sizeof(why)), LOAD_UNKNOWN);
	free(image);
	free(rom);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(test_mb2_elf), GUEST_TEST(test_mb2_information), GUEST_TEST(test_mb2_sections),
		GUEST_TEST(test_mb2_addresses), GUEST_TEST(test_mb2_relocatable),
		GUEST_TEST(test_mb2_demands), GUEST_TEST(test_mb2_refused), GUEST_TEST(test_pvh),
		GUEST_TEST(test_pvh_refused), GUEST_TEST(test_protocol_is_chosen),
		GUEST_TEST(test_every_length), GUEST_TEST(test_mutations), GUEST_TEST(test_firmware),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
