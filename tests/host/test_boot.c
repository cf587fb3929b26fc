/* SPDX-License-Identifier: MIT */
/*
 * boot/multiboot.c, boot/options.c and boot/capabilities.c: information built here, byte by byte, from the tables of the two
 * specifications; then the same with bytes changed at random. "Physical" memory is 4 GiB of address space
 * with nothing mapped behind it, so that a read past its end ends the test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "boot/multiboot.c"
#include "boot/options.c"
#include "boot/capabilities.c"

#define INFO_AT		0x10000u
#define TEXT_AT		0x20000u
#define RSDP_AT		0xf5a40u

static u8 *memory;
static struct boot_info info;
static u8 *at;

static int map_memory(void **state)
{
	memory = mmap(NULL, GIB(4) + MIB(1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	return mprotect(memory, GIB(4), PROT_READ | PROT_WRITE);
}

static void put8(u8 v)
{
	*at++ = v;
}

static void put16(u16 v)
{
	put8((u8)v);
	put8((u8)(v >> 8));
}

static void put32(u32 v)
{
	put16((u16)v);
	put16((u16)(v >> 16));
}

static void put64(u64 v)
{
	put32((u32)v);
	put32((u32)(v >> 32));
}

static void put_text(const char *text)
{
	size_t n = strlen(text) + 1;

	memcpy(at, text, n);
	at += n;
}

/* An RSDP of ACPI 2.0 whose first 20 bytes add up to 0. */
static void put_rsdp(u8 revision)
{
	u8 *start = at, sum = 0;

	memcpy(at, "RSD PTR \0PLINTH", 15);
	at += 15;
	put8(revision);
	put32(0x7fe0000);
	for (u8 *p = start; p < at; p++)
		sum = (u8)(sum + *p);
	start[8] = (u8)-sum;
	put32(36);
	put64(0x7fe1000);
	put32(0);
}

static void pad_tag(void)
{
	while ((at - memory) % 8)
		put8(0);
}

static void put_mmap_tag(void)
{
	put32(6), put32(16 + 3 * 24), put32(24), put32(0);
	put64(0), put64(0x9fc00), put32(1), put32(0);
	put64(0xf0000), put64(0x10000), put32(2), put32(0);
	put64(0x100000000), put64(0x80000000), put32(1), put32(0);
}

static void put_efi_tag(void)
{
	put32(17), put32(16 + 2 * 48), put32(48), put32(1);
	put32(7), put32(0), put64(0x100000), put64(0), put64(0x700), put64(0xf), put64(0);
	put32(6), put32(0), put64(0x800000), put64(0), put64(0x10), put64(0xf), put64(0);
}

static void put_framebuffer_tag(void)
{
	put32(8), put32(38), put64(0xfd000000), put32(4096), put32(1024), put32(768);
	put8(32), put8(1), put16(0);
	put8(16), put8(8), put8(8), put8(8), put8(0), put8(8);
	pad_tag();
}

/* A whole multiboot 2 information; returns its size. */
static u32 build2(bool with_mmap)
{
	at = memory + INFO_AT;
	put32(0), put32(0);
	put32(1), put32(8 + 14), put_text("on-panic=halt"), pad_tag();
	put32(2), put32(8 + 5), put_text("GRUB"), pad_tag();
	put32(4), put32(16), put32(639), put32(64 * 1024);
	put32(3), put32(16 + 7), put32(0x800000), put32(0x800123), put_text("kernel"), pad_tag();
	put32(3), put32(16 + 7), put32(0xfff00000), put32(0xfff01000), put_text("initrd"), pad_tag();
	if (with_mmap)
		put_mmap_tag();
	else
		put_efi_tag();
	put_framebuffer_tag();
	put32(14), put32(8 + 20), put_rsdp(0), at -= 16, pad_tag();
	put32(15), put32(8 + 36), put_rsdp(2), pad_tag();
	put32(0), put32(8);
	memory[INFO_AT] = (u8)(at - memory - INFO_AT);
	memory[INFO_AT + 1] = (u8)((at - memory - INFO_AT) >> 8);
	return (u32)(at - memory - INFO_AT);
}

static void assert_range(unsigned i, u64 base, u64 size, bool ram)
{
	assert_true(i < info.nr_ranges);
	assert_int_equal(info.range[i].base.v, base);
	assert_int_equal(info.range[i].size, size);
	assert_int_equal(info.range[i].ram, ram);
}

static void test_multiboot2(void **state)
{
	build2(true);
	assert_true(multiboot_parse(&info, 0x36d76289, INFO_AT, memory));
	assert_string_equal(info.cmdline, "on-panic=halt");
	assert_string_equal(info.loader, "GRUB");
	assert_int_equal(info.nr_ranges, 3);
	assert_range(0, 0, 0x9fc00, true);
	assert_range(1, 0xf0000, 0x10000, false);
	assert_range(2, 0x100000000, 0x80000000, true);
	assert_int_equal(info.nr_modules, 2);
	assert_int_equal(info.module[0].base.v, 0x800000);
	assert_int_equal(info.module[0].size, 0x123);
	assert_string_equal(info.module[0].cmdline, "kernel");
	assert_int_equal(info.module[1].base.v, 0xfff00000);
	assert_string_equal(info.module[1].cmdline, "initrd");
	assert_int_equal(info.fb.base.v, 0xfd000000);
	assert_int_equal(info.fb.pitch, 4096);
	assert_int_equal(info.fb.height, 768);
	assert_int_equal(info.fb.bpp, 32);
	assert_false(info.fb.text);
	assert_int_equal(info.fb.red_shift, 16);
	assert_int_equal(info.fb.blue_size, 8);
	assert_true(info.has_rsdp);
	assert_int_equal(info.rsdp[15], 2);	/* the newer of the two */
	assert_false(info.uefi);
}

static void test_efi_map(void **state)
{
	build2(false);
	assert_true(multiboot_parse(&info, 0x36d76289, INFO_AT, memory));
	assert_true(info.uefi);
	assert_int_equal(info.nr_ranges, 2);
	assert_range(0, 0x100000, 0x700000, true);
	assert_range(1, 0x800000, 0x10000, false);
}

static void build1(void)
{
	memset(memory + INFO_AT, 0, 128);
	at = memory + INFO_AT;
	put32(0x4d), put32(639), put32(65536), put32(0), put32(TEXT_AT), put32(2), put32(TEXT_AT + 0x100);
	at = memory + INFO_AT + 44;
	put32(2 * 24), put32(TEXT_AT + 0x200);
	at = memory + TEXT_AT;
	put_text("at-end=stay");
	at = memory + TEXT_AT + 0x100;
	put32(0x900000), put32(0x900010), put32(TEXT_AT + 0x300), put32(0);
	put32(0xa00000), put32(0xa00020), put32(0), put32(0);
	at = memory + TEXT_AT + 0x200;
	put32(20), put64(0x100000), put64(0x3f00000), put32(1);
	put32(20), put64(0xfffc0000), put64(0x40000), put32(2);
	at = memory + TEXT_AT + 0x300;
	put_text("/vmlinuz guest=a");
	at = memory + RSDP_AT - RSDP_AT % 16;
	put_rsdp(0);
}

static void test_multiboot1(void **state)
{
	build1();
	assert_true(multiboot_parse(&info, 0x2badb002, INFO_AT, memory));
	assert_string_equal(info.cmdline, "at-end=stay");
	assert_int_equal(info.nr_ranges, 2);
	assert_range(0, 0x100000, 0x3f00000, true);
	assert_range(1, 0xfffc0000, 0x40000, false);
	assert_int_equal(info.nr_modules, 2);
	assert_string_equal(info.module[0].cmdline, "/vmlinuz guest=a");
	assert_int_equal(info.module[1].size, 0x20);
	assert_string_equal(info.module[1].cmdline, "");
	assert_true(info.has_rsdp);
	memory[RSDP_AT - RSDP_AT % 16 + 9] ^= 1;	/* now its sum is wrong */
	assert_true(multiboot_parse(&info, 0x2badb002, INFO_AT, memory));
	assert_false(info.has_rsdp);
}

/* Modules that find no room are counted, whichever way the loader tells of them. */
static void test_many_modules(void **state)
{
	build1();
	at = memory + INFO_AT + 20;
	put32(BOOT_MAX_MODULES + 3);
	assert_true(multiboot_parse(&info, 0x2badb002, INFO_AT, memory));
	assert_int_equal(info.modules_left_out, 3);
	at = memory + INFO_AT;
	put32(8 + (BOOT_MAX_MODULES + 2) * 24 + 8), put32(0);
	for (unsigned i = 0; i < BOOT_MAX_MODULES + 2; i++)
		put32(3), put32(18), put32(0x800000 + i * 0x1000), put32(0x801000 + i * 0x1000),
			put_text("m"), pad_tag();
	put32(0), put32(8);
	assert_true(multiboot_parse(&info, 0x36d76289, INFO_AT, memory));
	assert_int_equal(info.nr_modules, BOOT_MAX_MODULES);
	assert_int_equal(info.module[BOOT_MAX_MODULES - 1].base.v, 0x800000 + (BOOT_MAX_MODULES - 1) * 0x1000);
	assert_int_equal(info.modules_left_out, 2);
}

/* Only mem_lower and mem_upper: in KiB. */
static void test_basic_memory(void **state)
{
	build1();
	memory[INFO_AT] = 1;
	assert_true(multiboot_parse(&info, 0x2badb002, INFO_AT, memory));
	assert_int_equal(info.nr_ranges, 2);
	assert_range(0, 0, 639 * 1024, true);
	assert_range(1, 0x100000, 0x4000000, true);
	assert_int_equal(info.nr_modules, 0);
}

static void test_other_magic(void **state)
{
	build2(true);
	assert_false(multiboot_parse(&info, 0, INFO_AT, memory));
	assert_false(multiboot_parse(&info, 0x2badb003, INFO_AT, memory));
}

static void assert_sane(void)
{
	assert_true(info.nr_ranges <= BOOT_MAX_RANGES);
	assert_true(info.nr_modules <= BOOT_MAX_MODULES);
	for (unsigned i = 0; i < info.nr_ranges; i++)
		assert_true(info.range[i].size && info.range[i].base.v + info.range[i].size >=
			    info.range[i].base.v);
	for (unsigned i = 0; i < info.nr_modules; i++) {
		assert_true(info.module[i].base.v + info.module[i].size <= GIB(4));
		assert_non_null(memchr(info.module[i].cmdline, 0, BOOT_CMDLINE_SIZE));
	}
	assert_non_null(memchr(info.cmdline, 0, sizeof(info.cmdline)));
	assert_non_null(memchr(info.loader, 0, sizeof(info.loader)));
}

/* Damaged and hostile information, at the very end of memory too. */
static void test_random(void **state)
{
	static const u32 interesting[] = { 0, 1, 7, 8, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff };
	u32 magics[] = { 0x36d76289, 0x2badb002 };

	srand(1);
	for (unsigned round = 0; round < 40000; round++) {
		u32 size = 128, where = INFO_AT;

		if (round % 2)
			build1();
		else
			size = build2(rand() % 2);
		for (int n = rand() % 6; n >= 0; n--) {
			u32 v = rand() % 2 ? interesting[rand() % 8] : (u32)rand() * 3u;

			memcpy(memory + INFO_AT + (u32)rand() % size / 4 * 4, &v, rand() % 2 ? 4 : 1);
		}
		if (round % 7 == 0) {
			where = (u32)(GIB(4) - (u32)rand() % (2 * size));
			memcpy(memory + where, memory + INFO_AT, MIN(size, GIB(4) - where));
		}
		assert_true(multiboot_parse(&info, magics[round % 2], where, memory));
		assert_sane();
	}
}

/* Two backends, of vendors that there are not, with features. */
static struct backend_feature red_features[] = {
	{ "tags", .is_used = true }, { "tags-2m", .is_used = true }, { "idle" }, { "rare", .is_used = true },
};
static struct backend_feature blue_features[40];
static char blue_names[40][20];

static struct backend_feature *red_feature(unsigned n)
{
	return n < ARRAY_SIZE(red_features) ? &red_features[n] : NULL;
}

static struct backend_feature *blue_feature(unsigned n)
{
	return n < ARRAY_SIZE(blue_features) ? &blue_features[n] : NULL;
}

static struct backend_caps red_caps;
static const struct vcpu_backend red = { .name = "RED", .option = "red", .caps = &red_caps,
					 .feature = red_feature };
static const struct vcpu_backend blue = { .name = "BLUE", .option = "blue", .feature = blue_feature };
const struct vcpu_backend *const backends[] = { &red, &blue, NULL };
static struct options options;
static char complaint[OPTIONS_ERROR_SIZE];

static bool parse(const char *cmdline)
{
	for (unsigned i = 0; i < ARRAY_SIZE(red_features); i++)
		red_features[i].is_off = false;
	for (unsigned i = 0; i < ARRAY_SIZE(blue_features); i++) {
		snprintf(blue_names[i], sizeof(blue_names[i]), "feature-%u", i);
		blue_features[i] = (struct backend_feature){ .name = blue_names[i] };
	}
	return options_parse(&options, backends, cmdline, complaint, sizeof(complaint));
}

static void test_options(void **state)
{
	assert_true(parse(""));
	assert_true(!options.help && !options.reboot_on_panic && !options.stay_at_end && !options.crash);
	assert_true(parse("  on-panic=reboot\tat-end=stay  help "));
	assert_true(options.help && options.reboot_on_panic && options.stay_at_end);
	assert_true(parse("crash=pf"));
	assert_int_equal(options.crash, CRASH_PF);
	assert_true(parse("crash=stack crash=nmi"));
	assert_int_equal(options.crash, CRASH_NMI);
	assert_int_equal(options.crash_at, CRASH_AT_BOOT);
	assert_true(parse("crash=ud crash-at=input"));
	assert_int_equal(options.crash_at, CRASH_AT_INPUT);
	assert_true(parse("build/plinth.elf32 on-panic=halt"));
	assert_true(parse("/boot/plinth help"));
	assert_true(options.help);
}

static void test_wrong_options(void **state)
{
	static const char *const wrong[] = {
		"x", "helpme", "hel", "help=yes", "crash", "crash=", "crash=p", "crash=pff", "=", "=x",
		"on-panic", "on-panic=stay", "help /boot/plinth",
	};
	static const char *const known[] = { "help", "report-exits", "check-host", "fail-alloc", "on-panic",
						"at-end", "crash", "crash-at" };

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		complaint[0] = 0;
		assert_false(parse(wrong[i]));
		assert_non_null(strstr(complaint, wrong[i][0] == 'h' && strchr(wrong[i], '/') ? "/boot/plinth" :
				       wrong[i]));
	}
	assert_false(parse("x"));
	assert_ptr_equal(strstr(complaint, "unknown option \"x\"; known: "), complaint);
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		assert_non_null(strstr(complaint, known[i]));
	assert_false(parse("crash=x"));
	assert_non_null(strstr(complaint, "crash=none|pf|ud|gp|df|nmi|assert|stack"));
}

static void test_features_off(void **state)
{
	assert_true(parse("red.no-tags help blue.no-feature-39"));
	assert_true(options.help);
	assert_true(red_features[0].is_off && !red_features[1].is_off && !red_features[2].is_off);
	assert_true(blue_features[39].is_off && !blue_features[3].is_off);
	assert_true(parse("red.no-tags-2m red.no-tags-2m"));
	assert_true(!red_features[0].is_off && red_features[1].is_off);
	/* Behind a file's name. */
	assert_true(parse("/boot/red.no-tags/plinth.elf red.no-idle"));
	assert_true(!red_features[0].is_off && red_features[2].is_off);
	assert_true(parse("plinth.elf"));
	assert_true(!red_features[0].is_off && !red_features[2].is_off);
}

static void test_wrong_features(void **state)
{
	static const char *const wrong[] = {
		"red.no-", "red.no-tag", "red.no-tagss", "red.no-tags=1", "red.tags", "red.", "red.no",
		"red.no-feature-1", "blue.no-tags",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		complaint[0] = 0;
		assert_false(parse(wrong[i]));
		assert_non_null(strstr(complaint, wrong[i]));
		assert_non_null(strstr(complaint, wrong[i][0] == 'r' ? "tags, tags-2m, idle, rare" :
				       "feature-0, feature-1, feature-2"));
	}
	assert_string_equal((parse("red.no-x"), complaint),
			    "\"red.no-x\" is not red.no-FEATURE; features: tags, tags-2m, idle, rare");
	assert_false(parse("green.no-tags x"));		/* a file's name, for all that is known */
	assert_non_null(strstr(complaint, "\"x\""));
	assert_non_null(strstr(complaint, ", red.no-FEATURE, blue.no-FEATURE"));
}

static char said[4096];
static unsigned lines;

static void say(const char *line)
{
	strcat(strcat(said, line), "\n");
	lines++;
}

static void test_help(void **state)
{
	said[0] = 0;
	assert_true(parse(""));
	options_help(backends, say);
	assert_non_null(strstr(said, "  red.no-FEATURE "));
	assert_non_null(strstr(said, " do without: tags tags-2m idle rare\n"));
	for (unsigned i = 0; i < ARRAY_SIZE(blue_features); i++)
		assert_non_null(strstr(said, blue_names[i]));
}

static const char *listing(void)
{
	said[0] = 0;
	lines = 0;
	capabilities_print(&red, say);
	return said;
}

static void test_capabilities(void **state)
{
	assert_true(parse(""));
	red_caps = (struct backend_caps){ .tags = 16, .shadow_load = true, .dr7_clear = true };
	red_features[0].is_there = red_features[1].is_there = red_features[3].is_there = true;
	assert_string_equal(listing(),
			    "RED: 16 TLB tags; uses tags tags-2m rare; measured: shadow-load dr7-clear\n");
	red_features[2].is_there = true;
	red_features[3].is_there = false;
	red_caps = (struct backend_caps){ .tags = 1 };
	assert_string_equal(listing(),
			    "RED: 1 TLB tags; uses tags tags-2m; measured: none\n"
			    "RED: not there: rare; there, but unused: idle\n");
	/* Switched off: nothing else is said of it, whether it is there or not. */
	red_features[0].is_off = red_features[2].is_off = red_features[3].is_off = true;
	assert_string_equal(listing(),
			    "RED: 1 TLB tags; uses tags-2m; measured: none\n"
			    "RED: switched off: tags idle rare\n");
	/* More than there is room for is cut short. */
	for (unsigned i = 0; i < ARRAY_SIZE(blue_features); i++)
		blue_features[i].is_off = true;
	said[0] = 0;
	capabilities_print(&(struct vcpu_backend){ .name = "RED", .caps = &red_caps,
						   .feature = blue_feature }, say);
	assert_true(strlen(said) < 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features_off), cmocka_unit_test(test_wrong_features),
		cmocka_unit_test(test_help), cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_multiboot2), cmocka_unit_test(test_efi_map),
		cmocka_unit_test(test_multiboot1), cmocka_unit_test(test_many_modules),
		cmocka_unit_test(test_basic_memory),
		cmocka_unit_test(test_other_magic), cmocka_unit_test(test_random),
		cmocka_unit_test(test_options), cmocka_unit_test(test_wrong_options),
	};

	return cmocka_run_group_tests_name("boot", tests, map_memory, NULL);
}
