/* SPDX-License-Identifier: MIT */
/* loader/config: good command lines, every kind of fault with its sentence, who is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "loader/config.h"
#include "loader/memory_map.h"

static struct boot_info info;
static struct config config;

static void parse(unsigned nr, const char *const line[])
{
	memset(&info, 0, sizeof(info));
	memset(&config, 0xa5, sizeof(config));
	info.nr_modules = nr;
	for (unsigned i = 0; i < nr; i++)
		snprintf(info.module[i].cmdline, sizeof(info.module[i].cmdline), "%s", line[i]);
	config_parse(&config, &info);
}

#define PARSE(...) do { \
	const char *const lines_[] = { __VA_ARGS__ }; \
	parse(sizeof(lines_) / sizeof(lines_[0]), lines_); \
} while (0)

static void test_defaults(void **state)
{
	PARSE("guest=a,kernel");
	assert_int_equal(config.nr_guests, 1);
	assert_int_equal(config.nr_faults, 0);
	assert_string_equal(config.guest[0].name, "a");
	assert_string_equal(config.guest[0].fault, "");
	assert_string_equal(config.guest[0].cmdline, "");
	assert_int_equal(config.guest[0].mem, 256u << 20);
	assert_int_equal(config.guest[0].cpus, 1);
	assert_int_equal(config.guest[0].kernel, 0);
	assert_int_equal(config.guest[0].nr_modules, 0);
	assert_int_equal(config.guest[0].protocol, LOAD_AUTO);
	assert_int_equal(config.guest[0].paging, PAGING_AUTO);
	assert_false(config.guest[0].small_pages);
	assert_false(config.guest[0].merge_ticks);
	assert_int_equal(config.guest[0].nr_rights, 0);
}

static void test_everything(void **state)
{
	PARSE("/boot/initrd guest=g-1.x,initrd",
	      "/boot/k=1 guest=g-1.x,kernel,mem=0x10M,cpus=4,paging=nested,largepages=off,ticks=merge,"
	      "rights=1M+4K:r--u;0x200000+8192:-,cmdline=quiet mem=3,guest=b,kernel a=b");
	assert_int_equal(config.nr_guests, 1);
	assert_string_equal(config.guest[0].fault, "");
	assert_int_equal(config.guest[0].kernel, 1);
	assert_int_equal(config.guest[0].nr_modules, 1);
	assert_int_equal(config.guest[0].module[0].index, 0);
	assert_string_equal(config.guest[0].module[0].string, "initrd");
	assert_int_equal(config.guest[0].mem, 16u << 20);
	assert_int_equal(config.guest[0].cpus, 4);
	assert_int_equal(config.guest[0].paging, PAGING_NESTED);
	assert_true(config.guest[0].small_pages);
	assert_true(config.guest[0].merge_ticks);
	assert_int_equal(config.guest[0].nr_rights, 2);
	assert_int_equal(config.guest[0].rights[0].base.v, 0x100000);
	assert_int_equal(config.guest[0].rights[0].size, 0x1000);
	assert_int_equal(config.guest[0].rights[0].rights, 1 | 8);
	assert_int_equal(config.guest[0].rights[1].base.v, 0x200000);
	assert_int_equal(config.guest[0].rights[1].size, 0x2000);
	assert_int_equal(config.guest[0].rights[1].rights, 0);
	assert_string_equal(config.guest[0].cmdline, "quiet mem=3,guest=b,kernel a=b");
}

static void test_letters(void **state)
{
	static const struct { const char *letters; int rights; } row[] = {
		{ "r", 1 }, { "w", 2 }, { "s", 4 }, { "u", 8 }, { "rwsu", 15 }, { "-w-u", 10 },
		{ "us", 12 },
	};
	char line[80];

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		snprintf(line, sizeof(line), "guest=a,kernel,rights=0+4K:%s", row[i].letters);
		PARSE(line);
		assert_string_equal(config.guest[0].fault, "");
		assert_int_equal(config.guest[0].rights[0].rights, row[i].rights);
	}
}

/* Each fault: its sentence names the guest and the module, and holds these words. */
static void test_faults(void **state)
{
	static const struct { const char *keys, *words; } row[] = {
		{ ",mem=1000001", "mem=1000001 is not a multiple of 4K" },
		{ ",mem=", "not a size" },
		{ ",mem=5T", "mem=5T is not a size" },
		{ ",mem=12MM", "not a size" },
		{ ",mem=-4M", "not a size" },
		{ ",mem=0x", "not a size" },
		{ ",mem=99999999999999999999", "not a size" },
		{ ",mem=18014398509481984K", "not a size" },
		{ ",mem=1020K", "less than 1M" },
		{ ",mem=0", "less than 1M" },
		{ ",mem=1025G", "more than 1024G" },
		{ ",mem=2M,mem=2M", "mem= is given twice" },
		{ ",cpus=0", "cpus=0 is not a number from 1 to 32" },
		{ ",cpus=33", "cpus=33" },
		{ ",cpus=two", "cpus=two" },
		{ ",paging=shadow", "paging=shadow is unknown" },
		{ ",largepages=no", "largepages=no is unknown" },
		{ ",ticks=slew", "ticks=slew is unknown" },
		{ ",protocol=xen", "protocol=xen is unknown" },
		{ ",memory=5", "\"memory\" is an unknown key" },
		{ ",cmdline", "\"cmdline\" is not KEY=VALUE" },
		{ ",,", "not KEY=VALUE" },
		{ ",rights=1M+4K", "BASE+SIZE:LETTERS" },
		{ ",rights=1M+4K:", "BASE+SIZE:LETTERS" },
		{ ",rights=1M+4K:x", "BASE+SIZE:LETTERS" },
		{ ",rights=1M+4K:rr", "BASE+SIZE:LETTERS" },
		{ ",rights=1M+0:r", "BASE+SIZE:LETTERS" },
		{ ",rights=", "BASE+SIZE:LETTERS" },
		{ ",rights=1M+4K:r;x", "rights=x is not" },
		{ ",rights=0xfffffffffffff000+8K:r", "BASE+SIZE:LETTERS" },
		{ ",rights=1M+1:r", "multiple of 4K" },
		{ ",rights=1+4K:r", "multiple of 4K" },
	};
	char line[200];

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		snprintf(line, sizeof(line), "guest=first,kernel%s", row[i].keys);
		PARSE(line, "guest=second,kernel,mem=2M");
		assert_int_equal(config.nr_guests, 2);
		assert_non_null(strstr(config.guest[0].fault, "module 1: "));
		assert_non_null(strstr(config.guest[0].fault, row[i].words));
		assert_string_equal(config.guest[1].fault, "");
		assert_int_equal(config.guest[1].mem, 2u << 20);
	}
}

static void test_many_rights(void **state)
{
	char line[1000] = "guest=a,kernel,rights=0+4K:r";

	for (int i = 1; i < CONFIG_MAX_RIGHTS; i++)
		strcat(line, ";0+4K:r");
	PARSE(line);
	assert_string_equal(config.guest[0].fault, "");
	assert_int_equal(config.guest[0].nr_rights, CONFIG_MAX_RIGHTS);
	strcat(line, ";0+4K:r");
	PARSE(line);
	assert_non_null(strstr(config.guest[0].fault, "more than 16 ranges"));
}

static void test_roles(void **state)
{
	PARSE("guest=a,kernel", "guest=a,kernel", "guest=b,kernel");
	assert_int_equal(config.nr_guests, 2);
	assert_non_null(strstr(config.guest[0].fault, "module 2: it has its kernel "
			       "already, module 1"));
	assert_string_equal(config.guest[1].fault, "");
	PARSE("guest=a,initrd", "guest=b,kernel");
	assert_non_null(strstr(config.guest[0].fault, "no module is its kernel"));
	assert_string_equal(config.guest[1].fault, "");
	PARSE("guest=a");
	assert_non_null(strstr(config.guest[0].fault, "doesn't say what the module is"));
	PARSE("guest=a,mem=3M");
	assert_non_null(strstr(config.guest[0].fault, "\"mem=3M\" doesn't say"));
	PARSE("guest=a,initrd,mem=3M", "guest=a,kernel");
	assert_non_null(strstr(config.guest[0].fault, "stands behind initrd"));
}

/* Files beside the kernel keep their order; a module's command line runs to the string's end. */
static void test_modules(void **state)
{
	static const char *const protocol[] = { "auto", "linux", "linux32", "multiboot",
						"multiboot2", "pvh", "firmware" };
	const char *lines[CONFIG_MAX_MODULES + 2] = { "guest=a,kernel" };
	char line[64];

	PARSE("guest=a,module,cmdline=one, two=3,initrd", "guest=a,kernel", "guest=a,initrd",
	      "x guest=a,module");
	assert_string_equal(config.guest[0].fault, "");
	assert_int_equal(config.guest[0].nr_modules, 3);
	assert_int_equal(config.guest[0].module[0].index, 0);
	assert_string_equal(config.guest[0].module[0].string, "one, two=3,initrd");
	assert_int_equal(config.guest[0].module[1].index, 2);
	assert_string_equal(config.guest[0].module[1].string, "initrd");
	assert_int_equal(config.guest[0].module[2].index, 3);
	assert_string_equal(config.guest[0].module[2].string, "");
	PARSE("guest=a,kernel", "guest=a,module,mem=5M");
	assert_non_null(strstr(config.guest[0].fault, "stands behind module"));
	for (unsigned i = 1; i < ARRAY_SIZE(lines); i++)
		lines[i] = "guest=a,module";
	parse(ARRAY_SIZE(lines) - 1, lines);
	assert_string_equal(config.guest[0].fault, "");
	parse(ARRAY_SIZE(lines), lines);
	assert_non_null(strstr(config.guest[0].fault, "more than 16 modules"));
	for (unsigned i = 0; i < ARRAY_SIZE(protocol); i++) {
		snprintf(line, sizeof(line), "guest=a,kernel,protocol=%s", protocol[i]);
		PARSE(line);
		assert_string_equal(config.guest[0].fault, "");
		assert_int_equal(config.guest[0].protocol, LOAD_AUTO + i);
	}
}

static void test_strangers(void **state)
{
	PARSE("/boot/file", "guest=a,kernel", "guest=,kernel", "guest=a b,kernel",
	      "xguest=c,kernel", "");
	assert_int_equal(config.nr_guests, 1);
	assert_string_equal(config.guest[0].fault, "");
	assert_int_equal(config.nr_faults, 5);
	assert_non_null(strstr(config.fault[0], "module 1 (\"/boot/file\") has no guest=NAME"));
	assert_non_null(strstr(config.fault[1], "module 3: guest= is not a name"));
	assert_non_null(strstr(config.fault[2], "module 4: guest=a b is not a name"));
	assert_non_null(strstr(config.fault[3], "module 5"));
	assert_non_null(strstr(config.fault[4], "module 6"));
	PARSE("guest=12345678901234567890123456789012,kernel");
	assert_int_equal(config.nr_guests, 0);
	assert_int_equal(config.nr_faults, 1);
	PARSE("guest=1234567890123456789012345678901,kernel");
	assert_int_equal(config.nr_guests, 1);
}

static void test_cmdline_length(void **state)
{
	static char line[4096];
	size_t n = strlen(strcpy(line, "guest=a,kernel,cmdline="));

	memset(line + n, 'x', 2048);
	PARSE(line);
	assert_non_null(strstr(config.guest[0].fault, "2048 bytes, more than 2047"));
	line[n + 2047] = 0;
	PARSE(line);
	assert_string_equal(config.guest[0].fault, "");
	assert_int_equal(strlen(config.guest[0].cmdline), 2047);
}

static void test_as_many_as_modules(void **state)
{
	const char *line[BOOT_MAX_MODULES];
	char text[BOOT_MAX_MODULES][32];

	for (int i = 0; i < BOOT_MAX_MODULES; i++) {
		snprintf(text[i], sizeof(text[i]), "guest=g%d,kernel", i);
		line[i] = text[i];
	}
	parse(BOOT_MAX_MODULES, line);
	assert_int_equal(config.nr_guests, BOOT_MAX_MODULES);
	assert_string_equal(config.guest[BOOT_MAX_MODULES - 1].name, "g31");
	for (int i = 0; i < BOOT_MAX_MODULES; i++)
		line[i] = "";
	parse(BOOT_MAX_MODULES, line);
	assert_int_equal(config.nr_faults, BOOT_MAX_MODULES);
}

/* Any bytes are parsed without harm; a guest that isn't refused keeps to the limits. */
static void test_noise(void **state)
{
	static const char alphabet[] = "guest=akernlid,m0x1MK+:;rwsu- \xff\"%";
	static const char *const head[] = { "", "guest=a,kernel,", "guest=a,kernel,rights=",
					   "guest=" };
	char line[64];

	srand(1);
	for (int i = 0; i < 20000; i++) {
		size_t n = strlen(strcpy(line, head[i % 4])), end = n + (size_t)rand() % 30;

		for (; n < end; n++)
			line[n] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
		line[n] = 0;
		PARSE(line);
		assert_int_equal(config.nr_guests + config.nr_faults, 1);
		if (config.nr_guests && !config.guest[0].fault[0])
			assert_true(config.guest[0].kernel == 0 && config.guest[0].mem % 4096 == 0);
	}
}

static void test_memory_map(void **state)
{
	static const struct { u64 mem; unsigned nr; u64 last_base, last_end; } row[] = {
		{ 1ull << 20, 2, 0xe0000, 1ull << 20 },
		{ 256ull << 20, 3, 1ull << 20, 256ull << 20 },
		{ 3ull << 30, 3, 1ull << 20, 3ull << 30 },
		{ (3ull << 30) + 4096, 4, 4ull << 30, (4ull << 30) + 4096 },
		{ 6ull << 30, 4, 4ull << 30, 7ull << 30 },
	};
	struct memory_range map[MEMORY_MAP_MAX];

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		unsigned nr = memory_map(row[i].mem, map);

		assert_int_equal(nr, row[i].nr);
		assert_int_equal(map[nr - 1].base, row[i].last_base);
		assert_int_equal(map[nr - 1].base + map[nr - 1].size, row[i].last_end);
		for (unsigned j = 1; j < nr; j++)
			assert_true(map[j - 1].base + map[j - 1].size <= map[j].base);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_everything),
		cmocka_unit_test(test_letters), cmocka_unit_test(test_faults),
		cmocka_unit_test(test_many_rights), cmocka_unit_test(test_roles), cmocka_unit_test(test_modules),
		cmocka_unit_test(test_strangers), cmocka_unit_test(test_cmdline_length),
		cmocka_unit_test(test_as_many_as_modules), cmocka_unit_test(test_noise),
		cmocka_unit_test(test_memory_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
