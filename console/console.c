/* SPDX-License-Identifier: GPL-2.0-only */
/* Owns the one stream of text: its lock and where its cursor stands. */
#include "console/console.h"

#include "console/screen.h"
#include "console/serial.h"
#include "lib/printf.h"
#include "lib/string.h"

#define MESSAGE_SIZE	1024

static struct {
	struct spinlock lock;
	bool in_line;		/* the cursor stands behind an unfinished line */
	const struct console_line *shown;	/* of this guest, or of nobody in particular */
} console = { .lock = { .rank = RANK_CONSOLE } };

static const char prefix[] = "plinth: ";

void console_init(const struct boot_info *info, u8 *memory)
{
	serial_init();
	screen_init(info, memory);
}

bool console_screen_memory(hpa_t *base, u64 *size)
{
	return screen_memory(base, size);
}

void console_screen_move(void *memory)
{
	screen_move(memory);
}

/* The lock is held. A panic may come in the middle: until all is written the line isn't finished. */
static void write_raw(const char *text, size_t n)
{
	bool in_line = console.in_line;

	console.in_line |= n != 0;
	serial_write(text, n);
	screen_write(text, n);
	for (size_t i = n; i--; )
		if (text[i] != '\r') {
			in_line = text[i] != '\n';
			break;
		}
	console.in_line = in_line;
}

/* The begin of a line, with something before it; behind an unfinished one, on a line of its own.
 * The lock is held. */
static void begin_line(const char *before, const char *text, size_t n)
{
	if (console.in_line)
		write_raw("\r\n", 2);
	console.shown = NULL;
	write_raw(before, strlen(before));
	write_raw(text, n);
}

/* One line, given without its newline. The lock is held. */
static void write_line(const char *before, const char *text, size_t n)
{
	begin_line(before, text, n);
	write_raw("\r\n", 2);
}

static void write_message(const char *message)
{
	while (*message) {
		const char *newline = strchr(message, '\n');
		size_t n = newline ? (size_t)(newline - message) : strlen(message);

		write_line(prefix, message, n);
		message += newline ? n + 1 : n;
	}
}

void kprintf(const char *format, ...)
{
	char message[MESSAGE_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	spin_lock(&console.lock);
	write_message(message);
	spin_unlock(&console.lock);
}

/* What the screen doesn't show of a guest's line yet; all of it, if others have written since. Both
 * locks are held. */
static void show_guest_line(struct console_line *line)
{
	char before[64];

	if (console.shown == line) {
		write_raw(line->text + line->shown, line->used - line->shown);
	} else {
		snprintf(before, sizeof(before), "[%s] ", line->name);
		begin_line(before, line->text, line->used);
		console.shown = line;
	}
	line->shown = line->used;
}

/* The line's own lock is held. */
static void flush_guest_line(struct console_line *line)
{
	spin_lock(&console.lock);
	show_guest_line(line);
	write_raw("\r\n", 2);
	console.shown = NULL;
	spin_unlock(&console.lock);
	line->used = line->shown = 0;
}

void console_line_init(struct console_line *line, const char *name)
{
	*line = (struct console_line){ .lock = SPINLOCK(RANK_LINE), .name = name };
}

static void write_named(struct console_line *line, const u8 *bytes, size_t n)
{
	spin_lock(&line->lock);
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n') {
			flush_guest_line(line);
			continue;
		}
		if (bytes[i] == '\r')
			continue;
		if (line->used == CONSOLE_LINE_SIZE)
			flush_guest_line(line);
		line->text[line->used++] = (char)bytes[i];
	}
	spin_unlock(&line->lock);
}

void console_guest_write(struct console_line *line, const u8 *bytes, size_t n)
{
	if (line->name) {
		write_named(line, bytes, n);
		return;
	}
	spin_lock(&console.lock);
	write_raw((const char *)bytes, n);
	spin_unlock(&console.lock);
}

void console_guest_pause(struct console_line *line)
{
	if (likely(line->used == line->shown))
		return;
	spin_lock(&line->lock);
	spin_lock(&console.lock);
	show_guest_line(line);
	spin_unlock(&console.lock);
	spin_unlock(&line->lock);
}

void console_guest_end(struct console_line *line)
{
	spin_lock(&line->lock);
	if (line->used)
		flush_guest_line(line);
	spin_unlock(&line->lock);
}

void console_drain(void)
{
	serial_drain();
}

int console_getc(void)
{
	int c;

	spin_lock(&console.lock);
	c = serial_getc();
	spin_unlock(&console.lock);
	return c;
}

bool console_rx_interrupt(bool on)
{
	bool there;

	spin_lock(&console.lock);
	there = serial_rx_interrupt(on);
	spin_unlock(&console.lock);
	return there;
}

void console_break_lock(void)
{
	lock_order_off();
	spin_unlock(&console.lock);
}
