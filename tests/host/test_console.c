/* SPDX-License-Identifier: MIT */
/* console/console.c with a line that keeps what goes out: who may write where, and behind what. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "console/console.c"

static char out[65536];
static size_t used;

void serial_init(void)
{
}

static void (*after_a_byte)(void);	/* comes between the first byte of a write and the others, once */

void serial_write(const char *text, size_t n)
{
	void (*comes)(void) = after_a_byte;

	assert_true(used + n < sizeof(out));
	after_a_byte = NULL;
	if (comes && n) {
		out[used++] = *text++;
		n--;
		comes();
	}
	memcpy(out + used, text, n);
	used += n;
	out[used] = 0;
}

void serial_drain(void)
{
}

int serial_getc(void)
{
	return 'x';
}

bool serial_rx_interrupt(bool on)
{
	return true;
}

void screen_init(const struct boot_info *info, u8 *memory)
{
}

void screen_write(const char *text, size_t n)
{
}

bool screen_memory(hpa_t *base, u64 *size)
{
	return false;
}

void screen_move(void *memory)
{
}

static void assert_out(const char *want)
{
	assert_string_equal(out, want);
	assert_int_equal(console.lock.held, 0);
	used = 0;
	out[0] = 0;
}

static struct console_line sole = { .lock = { .rank = RANK_LINE } },
			   a = { .lock = { .rank = RANK_LINE }, .name = "a" },
			   b = { .lock = { .rank = RANK_LINE }, .name = "b" };

static void guest(struct console_line *line, const char *text)
{
	console_guest_write(line, (const u8 *)text, strlen(text));
}

static int reset(void **state)
{
	memset(&console, 0, sizeof(console));
	console.lock = SPINLOCK(RANK_CONSOLE);
	sole.used = a.used = b.used = used = 0;
	out[0] = 0;
	return 0;
}

static void test_lines(void **state)
{
	kprintf("%s %d", "one", 1);
	assert_out("plinth: one 1\r\n");
	kprintf("two\n");
	assert_out("plinth: two\r\n");
	kprintf("three\nfour");
	assert_out("plinth: three\r\nplinth: four\r\n");
}

static void test_sole_guest(void **state)
{
	guest(&sole, "a\n");
	kprintf("x");
	assert_out("a\nplinth: x\r\n");
	guest(&sole, "half");
	kprintf("x");
	assert_out("half\r\nplinth: x\r\n");
	guest(&sole, " b\r\n");
	kprintf("x");
	assert_out(" b\r\nplinth: x\r\n");
	guest(&sole, "c\n\r");
	guest(&sole, "");
	kprintf("x");
	assert_out("c\n\rplinth: x\r\n");
	guest(&sole, "over\r");
	kprintf("x");
	assert_out("over\r\r\nplinth: x\r\n");
	console_guest_end(&sole);
	assert_out("");
}

static void test_named_guests(void **state)
{
	guest(&a, "hel");
	guest(&b, "other\nline");
	guest(&a, "lo\r\n\r\n");
	assert_out("[b] other\r\n[a] hello\r\n[a] \r\n");
	kprintf("x");
	console_guest_end(&b);
	console_guest_end(&a);
	assert_out("plinth: x\r\n[b] line\r\n");
}

/* A prompt is seen while its guest waits, and goes on where it stands, unless others have written meanwhile. */
static void test_paused_guest(void **state)
{
	guest(&a, "login: ");
	assert_out("");
	console_guest_pause(&a);
	console_guest_pause(&a);
	assert_out("[a] login: ");
	guest(&a, "roo");
	console_guest_pause(&a);
	guest(&a, "t\nhello\n");
	assert_out("root\r\n[a] hello\r\n");
	guest(&a, "# ");
	console_guest_pause(&a);
	kprintf("x");
	assert_out("[a] # \r\nplinth: x\r\n");
	guest(&a, "ls");
	console_guest_pause(&a);
	guest(&b, "other\n");
	guest(&a, "\n");
	assert_out("[a] # ls\r\n[b] other\r\n[a] # ls\r\n");
	guest(&b, "> ");
	console_guest_pause(&b);
	console_guest_end(&b);
	kprintf("x");
	assert_out("[b] > \r\nplinth: x\r\n");
}

/* A line that never ends is broken; nothing is lost. */
static void test_long_line(void **state)
{
	size_t dots = 0;

	for (unsigned i = 0; i < 1000; i++)
		guest(&a, ".");
	console_guest_end(&a);
	for (size_t i = 0; i < used; i++)
		dots += out[i] == '.';
	assert_int_equal(dots, 1000);
}

/* Who waits for the console waits with whole lines only. */
static void test_bytes_need_no_console(void **state)
{
	console.lock.held = 1;		/* by another CPU */
	guest(&a, "while another prints");
	console.lock.held = 0;
	assert_out("");
	guest(&a, "\n");
	assert_out("[a] while another prints\r\n");
}

static void test_broken_lock(void **state)
{
	spin_lock(&console.lock);
	console_break_lock();
	kprintf("x");
	assert_out("plinth: x\r\n");
}

static void panic_here(void)
{
	console_break_lock();
	kprintf("PANIC");
	assert_string_equal(out, "[\r\nplinth: PANIC\r\n");	/* on a line of its own */
}

/* Another CPU was printing a guest's line. */
static void test_panic_within_a_line(void **state)
{
	after_a_byte = panic_here;
	guest(&a, "beat\n");
	assert_null(after_a_byte);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lines, reset), cmocka_unit_test_setup(test_sole_guest, reset),
		cmocka_unit_test_setup(test_named_guests, reset),
		cmocka_unit_test_setup(test_paused_guest, reset),
		cmocka_unit_test_setup(test_long_line, reset),
		cmocka_unit_test_setup(test_bytes_need_no_console, reset),
		cmocka_unit_test_setup(test_broken_lock, reset),
		cmocka_unit_test_setup(test_panic_within_a_line, reset),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
