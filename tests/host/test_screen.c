/* SPDX-License-Identifier: MIT */
/*
 * console/screen.c and framebuffer.c on plain memory. What stands on the screen is read back from the
 * pixels: the test's font draws a character's code, in binary, into the first row of its cell.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "console/framebuffer.c"
#include "console/screen.c"
#include "console/font.h"

#define COLUMNS	20u
#define ROWS	8u
#define WIDTH	(COLUMNS * 8 + 3)	/* with a margin that no character fits into */
#define HEIGHT	(ROWS * 16 + 5)

#define GLYPH1(c)	{ (c) == ' ' ? 0 : (c) }
#define GLYPH4(c)	GLYPH1(c), GLYPH1((c) + 1), GLYPH1((c) + 2), GLYPH1((c) + 3)
#define GLYPH16(c)	GLYPH4(c), GLYPH4((c) + 4), GLYPH4((c) + 8), GLYPH4((c) + 12)
#define GLYPH64(c)	GLYPH16(c), GLYPH16((c) + 16), GLYPH16((c) + 32), GLYPH16((c) + 48)
const u8 font_glyph[256][FONT_HEIGHT] = { GLYPH64(0), GLYPH64(64), GLYPH64(128), GLYPH64(192) };

static u8 *pixels;
static unsigned pixel_bytes, pitch;

bool vga_text_find(struct display *d, const struct boot_info *info, u8 *memory)
{
	return false;
}

/* Framebuffers as firmware describes them; the memory is exactly as large as it says. */
static void set_up(unsigned bpp)
{
	static struct boot_info info;

	pixel_bytes = (bpp + 7) / 8;
	pitch = WIDTH * pixel_bytes + 8;
	free(pixels);
	pixels = malloc(pitch * HEIGHT);
	memset(pixels, 0x5a, pitch * HEIGHT);
	memset(&screen, 0, sizeof(screen));
	info.fb = (struct boot_framebuffer){
		.base = HPA(0x1000), .pitch = pitch, .width = WIDTH, .height = HEIGHT, .bpp = (u8)bpp,
		.red_shift = bpp <= 16 ? 10 : 16, .red_size = 5, .green_shift = bpp <= 16 ? 5 : 8,
		.green_size = 5, .blue_shift = 0, .blue_size = 5,
	};
	screen_init(&info, pixels - 0x1000);
}

static void show(const char *text)
{
	screen_write(text, strlen(text));
}

static bool is_lit(unsigned x, unsigned y)
{
	for (unsigned i = 0; i < pixel_bytes; i++)
		if (pixels[y * pitch + x * pixel_bytes + i])
			return true;
	return false;
}

/* Compares a row of characters with `want`, padded by blanks. */
static void assert_row(unsigned row, const char *want)
{
	for (unsigned column = 0; column < COLUMNS; column++) {
		u8 seen = 0, wanted = column < strlen(want) ? (u8)want[column] : ' ';

		for (unsigned x = 0; x < 8; x++)
			seen = (u8)(seen << 1 | is_lit(column * 8 + x, row * 16));
		assert_int_equal(seen ? seen : ' ', wanted);
	}
}

static void test_depths(void **state)
{
	static const unsigned depths[] = { 15, 16, 24, 32 };

	for (unsigned i = 0; i < 4; i++) {
		set_up(depths[i]);
		assert_row(0, "");
		show("plinth: hello\r\nabc");
		assert_row(0, "plinth: hello");
		assert_row(1, "abc");
		assert_row(2, "");
	}
}

static void test_controls(void **state)
{
	set_up(32);
	show("abc\b\bX\r\n\tT\r\nlong\rL\n\x1b[31mred\x1b[0m");
	assert_row(0, "aXc");
	assert_row(1, "        T");
	assert_row(2, "Long");
	assert_row(3, "red");
	show("\x1b[2D\x1b[K");
	assert_row(3, "r");
	show("\x1b[2;9H\x1b[J");
	assert_row(1, "");
	assert_row(2, "");
	assert_row(3, "");
	assert_row(0, "aXc");
	show("\x1b[2J\x1b[HZ");
	assert_row(0, "Z");
	show("\x1b[3;5Hq\x1b[Ap\x1b[2Bs");
	assert_row(2, "    q");
	assert_row(1, "     p");
	assert_row(3, "      s");
}

static void test_characters(void **state)
{
	set_up(32);
	show("\xc3\xa9\xc2\xb5\xe2\x82\xac!\x01\x7f.");
	assert_row(0, "\xe9\xb5?!.");
}

/* Lines that are too long go on in the next; at the end the text jumps up by a quarter: two rows of 8. */
static void test_scroll(void **state)
{
	set_up(32);
	show("0123456789012345678901234");
	assert_row(0, "01234567890123456789");
	assert_row(1, "01234");
	show("\n2\n3\n4\n5\n6\n7");
	assert_row(0, "01234567890123456789");
	assert_row(7, "7");
	show("\n8");
	assert_row(0, "2");
	assert_row(5, "7");
	assert_row(6, "8");
	assert_row(7, "");
	for (unsigned i = 9; i < 100; i++) {
		char line[8];

		snprintf(line, sizeof(line), "\n%u", i);
		show(line);
	}
	assert_true(screen.row >= 6);
	assert_row(screen.row, "99");
	assert_row(screen.row - 5, "94");
}

/* A screen above 4 GiB can be drawn only once it is mapped: then all that was written appears. */
static void test_mapped_later(void **state)
{
	static struct boot_info info;
	struct boot_framebuffer fb;

	set_up(32);
	fb = (struct boot_framebuffer){
		.base = HPA(GIB(5)), .pitch = pitch, .width = WIDTH, .height = HEIGHT, .bpp = 32,
		.red_size = 8, .green_size = 8, .blue_size = 8, .green_shift = 8, .blue_shift = 16,
	};
	info.fb = fb;
	screen_init(&info, NULL);
	show("early");
	screen_move(pixels);
	assert_row(0, "early");
	show("\nlate");
	assert_row(1, "late");
}

/* A guest's bytes, whatever they are; the sanitizers watch. */
static void test_random(void **state)
{
	char text[64];

	srand(2);
	for (unsigned round = 0; round < 20000; round++) {
		if (round % 5000 == 0)
			set_up(round % 10000 ? 24 : 16);
		for (unsigned i = 0; i < sizeof(text); i++)
			text[i] = rand() % 3 ? "\x1b[;019ABCDHJK\n\r\b\t"[rand() % 18] : (char)rand();
		screen_write(text, sizeof(text));
		assert_true(screen.row < ROWS && screen.column <= COLUMNS);
	}
}

static void test_odd_geometry(void **state)
{
	static const struct boot_framebuffer odd[] = {
		{ .base = { 1 }, .pitch = 4, .width = 1, .height = 1, .bpp = 32 },
		{ .base = { 1 }, .pitch = 100, .width = 1000, .height = 100, .bpp = 32 },
		{ .base = { 1 }, .pitch = ~0u, .width = 0x3fffffff, .height = ~0u, .bpp = 8 },
		{ .base = { ~0ull }, .pitch = 4000, .width = 1000, .height = 700, .bpp = 32 },
		{ .base = { 1 }, .pitch = 80, .width = 10, .height = 700, .bpp = 32 },
	};
	static struct boot_info info;

	for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
		info.fb = odd[i];
		info.fb.red_size = info.fb.green_size = info.fb.blue_size = 8;
		memset(&screen, 0, sizeof(screen));
		screen_init(&info, NULL);
		assert_false(screen.present);
		show("nothing");
	}
}

static int tear_down(void **state)
{
	free(pixels);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_depths), cmocka_unit_test(test_controls),
		cmocka_unit_test(test_characters), cmocka_unit_test(test_scroll),
		cmocka_unit_test(test_mapped_later), cmocka_unit_test(test_random),
		cmocka_unit_test(test_odd_geometry),
	};

	return cmocka_run_group_tests_name("screen", tests, NULL, tear_down);
}
