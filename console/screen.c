/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The grid of characters and the little of a terminal that guests' text needs.
 *
 * `shown` is what the screen shows, so that only cells that change are drawn and video memory is
 * never read. At the end of the screen the text jumps up by a quarter of it: that costs one
 * redrawing in many lines, which matters because a booting guest prints hundreds.
 */
#include "console/screen.h"

#include "console/display.h"
#include "lib/string.h"

#define MAX_COLUMNS	256
#define MAX_ROWS	160
#define MAX_PARAMETERS	4
#define TAB		8

enum parser { IN_TEXT, AFTER_ESCAPE, IN_SEQUENCE };

static struct {
	struct display display;
	bool present;
	unsigned rows, columns, row, column;
	unsigned top;			/* the line of `wanted` that stands at the top */
	u8 wanted[MAX_ROWS][MAX_COLUMNS], shown[MAX_ROWS][MAX_COLUMNS];
	enum parser parser;
	unsigned nr_parameters, parameter[MAX_PARAMETERS];
	u8 utf8_lead;			/* of a character of two bytes, or 0 */
} screen;

static u8 *line_at(unsigned row)
{
	return screen.wanted[(screen.top + row) % screen.rows];
}

static void draw_cell(unsigned row, unsigned column)
{
	u8 c = line_at(row)[column];

	if (!screen.display.memory || screen.shown[row][column] == c)
		return;
	screen.shown[row][column] = c;
	screen.display.draw(&screen.display, row, column, c);
}

static void draw_all(void)
{
	for (unsigned row = 0; row < screen.rows; row++)
		for (unsigned column = 0; column < screen.columns; column++)
			draw_cell(row, column);
}

static void blank(unsigned row, unsigned column)
{
	memset(line_at(row) + column, ' ', screen.columns - column);
}

static void scroll(void)
{
	unsigned lines = MAX(screen.rows / 4, 1u);

	screen.top = (screen.top + lines) % screen.rows;
	screen.row = screen.rows - lines;
	for (unsigned row = screen.row; row < screen.rows; row++)
		blank(row, 0);
	draw_all();
}

static void new_line(void)
{
	screen.column = 0;
	if (++screen.row >= screen.rows)
		scroll();
}

static void put_character(u8 latin1)
{
	if (screen.column >= screen.columns)
		new_line();
	line_at(screen.row)[screen.column] = latin1;
	draw_cell(screen.row, screen.column);
	screen.column++;
}

/* UTF-8 of one byte, and of two as far as Latin-1 reaches; '?' stands for the rest. */
static void put_utf8(u8 byte)
{
	u8 lead = screen.utf8_lead;

	screen.utf8_lead = 0;
	if (byte < 0x80)
		put_character(byte);
	else if (byte >= 0xc0)
		screen.utf8_lead = byte;
	else if (lead == 0xc2 || lead == 0xc3)
		put_character((u8)(lead << 6 | (byte & 0x3f)));
	else if (lead)
		put_character('?');
}

static void erase_line(unsigned mode)
{
	if (mode == 0)
		blank(screen.row, MIN(screen.column, screen.columns));
	draw_all();
}

static void erase_screen(unsigned mode)
{
	if (mode != 0 && mode != 2)
		return;
	if (mode == 0)
		blank(screen.row, MIN(screen.column, screen.columns));
	for (unsigned row = mode ? 0 : screen.row + 1; row < screen.rows; row++)
		blank(row, 0);
	draw_all();
}

static void move_to(unsigned row, unsigned column)
{
	screen.row = MIN(row, screen.rows - 1);
	screen.column = MIN(column, screen.columns - 1);
}

static unsigned up_to(unsigned n, unsigned most)
{
	return MIN(MAX(n, 1u), most);
}

/* ECMA-48: the control sequence that ends with this byte. */
static void run_sequence(u8 final)
{
	unsigned first = screen.parameter[0], second = screen.parameter[1];

	switch (final) {
	case 'A': move_to(screen.row - up_to(first, screen.row), screen.column); break;
	case 'B': move_to(screen.row + up_to(first, screen.rows), screen.column); break;
	case 'C': move_to(screen.row, screen.column + up_to(first, screen.columns)); break;
	case 'D': move_to(screen.row, screen.column - up_to(first, screen.column)); break;
	case 'H': move_to(first ? first - 1 : 0, second ? second - 1 : 0); break;
	case 'J': erase_screen(first); break;
	case 'K': erase_line(first); break;
	}
}

static void parse_sequence(u8 byte)
{
	unsigned *parameter = &screen.parameter[screen.nr_parameters];

	if (byte >= '0' && byte <= '9') {
		*parameter = MIN(*parameter * 10 + (byte - '0'), 9999u);
	} else if (byte == ';') {
		if (screen.nr_parameters < MAX_PARAMETERS - 1)
			screen.nr_parameters++;
	} else if (byte >= 0x40) {
		screen.parser = IN_TEXT;
		run_sequence(byte);
	}
}

static void put_text(u8 byte)
{
	switch (byte) {
	case '\n':
		new_line();
		break;
	case '\r':
		screen.column = 0;
		break;
	case '\b':
		if (screen.column)
			screen.column--;
		break;
	case '\t':
		screen.column = MIN((screen.column / TAB + 1) * TAB, screen.columns - 1);
		break;
	case 0x1b:
		screen.parser = AFTER_ESCAPE;
		break;
	default:
		if (byte >= ' ' && byte != 0x7f)
			put_utf8(byte);
	}
}

static void put_byte(u8 byte)
{
	switch (screen.parser) {
	case IN_TEXT:
		put_text(byte);
		break;
	case AFTER_ESCAPE:
		screen.parser = byte == '[' ? IN_SEQUENCE : IN_TEXT;
		screen.nr_parameters = 0;
		memset(screen.parameter, 0, sizeof(screen.parameter));
		break;
	case IN_SEQUENCE:
		parse_sequence(byte);
		break;
	}
}

void screen_init(const struct boot_info *info, u8 *memory)
{
	struct display *d = &screen.display;

	screen.present = framebuffer_find(d, info, memory) || vga_text_find(d, info, memory);
	if (!screen.present)
		return;
	screen.columns = MIN(d->columns, (unsigned)MAX_COLUMNS);
	screen.rows = MIN(d->rows, (unsigned)MAX_ROWS);
	screen.present = screen.columns >= 2 * TAB && screen.rows >= 4;
	memset(screen.wanted, ' ', sizeof(screen.wanted));
	memset(screen.shown, ' ', sizeof(screen.shown));
	if (screen.present && d->memory)
		d->clear(d);
}

void screen_write(const char *text, size_t n)
{
	if (!screen.present)
		return;
	for (size_t i = 0; i < n; i++)
		put_byte((u8)text[i]);
}

bool screen_memory(hpa_t *base, u64 *size)
{
	*base = screen.display.base;
	*size = screen.display.size;
	return screen.present;
}

void screen_move(void *memory)
{
	bool was_dark = !screen.display.memory;

	screen.display.memory = memory;
	if (screen.present && was_dark && memory) {
		screen.display.clear(&screen.display);
		draw_all();
	}
}
