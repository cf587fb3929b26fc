/* SPDX-License-Identifier: MIT */
/*
 * lib/string.c and lib/printf.c beside the C library's, which is the oracle. They are compiled into this
 * file under other names.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define memcpy		our_memcpy
#define memmove		our_memmove
#define memset		our_memset
#define memcmp		our_memcmp
#define strlen		our_strlen
#define strcmp		our_strcmp
#define strncmp		our_strncmp
#define strchr		our_strchr
#define vsnprintf	our_vsnprintf
#define snprintf	our_snprintf
#undef assert
#include "lib/string.c"
#include "lib/printf.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strcmp
#undef strncmp
#undef strchr
#undef vsnprintf
#undef snprintf

#define SIZE 48

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static void fill(unsigned char *p, unsigned n, unsigned seed)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 7 + seed);
}

/* Every offset, distance and length in a small buffer; what lies around must not change. */
static void test_copies(void **state)
{
	unsigned char ours[SIZE], theirs[SIZE];

	for (unsigned from = 0; from < 16; from++) {
		for (unsigned to = 0; to < 16; to++) {
			for (unsigned n = 0; n <= 24; n++) {
				fill(ours, SIZE, 1);
				fill(theirs, SIZE, 1);
				assert_ptr_equal(our_memmove(ours + to, ours + from, n), ours + to);
				memmove(theirs + to, theirs + from, n);
				assert_memory_equal(ours, theirs, SIZE);
			}
		}
	}
	for (unsigned n = 0; n <= SIZE; n++) {
		unsigned char source[SIZE];

		fill(source, SIZE, 99);
		fill(ours, SIZE, 1);
		fill(theirs, SIZE, 1);
		assert_ptr_equal(our_memcpy(ours, source, n), ours);
		memcpy(theirs, source, n);
		assert_memory_equal(ours, theirs, SIZE);
		assert_ptr_equal(our_memset(ours, 0x1a5, n), ours);
		memset(theirs, 0x1a5, n);
		assert_memory_equal(ours, theirs, SIZE);
	}
}

static void test_comparisons(void **state)
{
	static const char *const words[] = {
		"", "a", "b", "ab", "abc", "abd", "abcd", "\xff", "\x7f", "a\xff", "a\x80z", "plinth",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		assert_int_equal(our_strlen(words[i]), strlen(words[i]));
		for (int c = 0; c < 256; c++)
			assert_ptr_equal(our_strchr(words[i], c), strchr(words[i], c));
		for (unsigned j = 0; j < ARRAY_SIZE(words); j++) {
			size_t both = MIN(strlen(words[i]), strlen(words[j])) + 1;

			assert_int_equal(sign(our_strcmp(words[i], words[j])),
					 sign(strcmp(words[i], words[j])));
			for (size_t n = 0; n < 8; n++)
				assert_int_equal(sign(our_strncmp(words[i], words[j], n)),
						 sign(strncmp(words[i], words[j], n)));
			for (size_t n = 0; n <= both; n++)
				assert_int_equal(sign(our_memcmp(words[i], words[j], n)),
						 sign(memcmp(words[i], words[j], n)));
		}
	}
}

static unsigned formats_tried;

/* The same arguments through both, into every size of buffer up to the text's. */
#define SAME(...) do {									\
	char ours_[256], theirs_[256];							\
	int length_ = snprintf(theirs_, sizeof(theirs_), __VA_ARGS__);			\
	for (size_t size_ = 0; size_ <= (size_t)length_ + 2; size_++) {			\
		memset(ours_, '#', sizeof(ours_));					\
		memset(theirs_, '#', sizeof(theirs_));					\
		snprintf(theirs_, size_, __VA_ARGS__);					\
		assert_int_equal(our_snprintf(ours_, size_, __VA_ARGS__), length_);	\
		assert_memory_equal(ours_, theirs_, sizeof(ours_));			\
	}										\
	formats_tried++;								\
} while (0)

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-truncation"

/* Every set of flags × widths × precisions × lengths × letters, with the values at the borders. */
static void test_numbers(void **state)
{
	static const char *const widths[] = { "", "1", "7", "24" };
	static const char *const precisions[] = { "", ".", ".0", ".1", ".6" };
	static const char *const lengths[] = { "", "hh", "h", "l", "ll", "z" };
	static const u64 values[] = {
		0, 1, 9, 127, 128, 255, 32768, 65535, 0x7fffffff, 0x80000000, 0xffffffff,
		0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0x123456789abcdef0,
	};
	const char letters[] = "diuxX";

	for (unsigned flags = 0; flags < 32; flags++)
	for (unsigned w = 0; w < ARRAY_SIZE(widths); w++)
	for (unsigned p = 0; p < ARRAY_SIZE(precisions); p++)
	for (unsigned l = 0; l < ARRAY_SIZE(lengths); l++)
	for (unsigned c = 0; c < 5; c++) {
		char format[32], *end = format;
		char ours[64], theirs[64];

		*end++ = '%';
		for (unsigned bit = 0; bit < 5; bit++)
			if (flags & 1u << bit)
				*end++ = "-0+ #"[bit];
		sprintf(end, "%s%s%s%c", widths[w], precisions[p], lengths[l], letters[c]);
		for (unsigned v = 0; v < ARRAY_SIZE(values); v++) {
			int length = snprintf(theirs, sizeof(theirs), format, values[v]);

			assert_int_equal(our_snprintf(ours, sizeof(ours), format, values[v]), length);
			if (strcmp(ours, theirs))
				print_error("format \"%s\" value %#lx\n", format, values[v]);
			assert_string_equal(ours, theirs);
			formats_tried++;
		}
	}
}

static void test_text(void **state)
{
	const char *volatile none = "";

	SAME("plain");
	SAME("%s", "text");
	SAME("%s%s|", none, "x");
	SAME("%10s|%-10s|", "right", "left");
	SAME("%.3s|%.0s|%.9s|", "cut off", "gone", "whole");
	SAME("%*.*s|", 8, 2, "stars");
	SAME("%*d|%-*d|", -6, 5, 6, 5);
	SAME("%.*d|", -1, 5);
	SAME("%c%3c%-3c|", 'a', 'b', 'c');
	SAME("100%% %d", 1);
	SAME("%p", (void *)0xffff800012345678);
	SAME("%5d %-5d %05d", -42, -42, -42);
	SAME("%lu of %llu, %zu", 1ul << 40, 1ull << 63, (size_t)7);
	SAME("[%s] %#lx+%#x", "name", 0xffffffff80200000, 0u);
}

/* What C leaves undefined: ours neither crashes nor swallows the text. */
static void test_unknown(void **state)
{
	const char *volatile nothing = NULL;
	char out[32];

	assert_int_equal(our_snprintf(out, sizeof(out), "a%y b"), 5);
	assert_string_equal(out, "a%y b");
	our_snprintf(out, sizeof(out), "end %");
	assert_string_equal(out, "end %");
	our_snprintf(out, sizeof(out), "%s", nothing);
	assert_string_equal(out, "(null)");
}

static void test_count(void **state)
{
	assert_true(formats_tried > 280000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies), cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_text),
		cmocka_unit_test(test_unknown), cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests_name("lib", tests, NULL, NULL);
}
