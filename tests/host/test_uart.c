/* SPDX-License-Identifier: MIT */
/* The 16550A against its data sheet, and as Linux's 8250 driver probes it. */
#include "devices/uart.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static bool line;
static unsigned edges, nr_sent;
static u8 sent[64];

static void on_irq(void *ctx, unsigned number, bool level)
{
	edges += level && !line;
	line = level;
}

static void on_transmit(void *ctx, u8 byte)
{
	sent[nr_sent++ % sizeof(sent)] = byte;
}

static void setup(struct uart *uart)
{
	line = false;
	edges = nr_sent = 0;
	uart_init(uart, (struct irq_out){ .set = on_irq }, on_transmit, NULL);
}

/* drivers/tty/serial/8250: autoconfig() and autoconfig_16550a(), step by step. */
static void test_linux_autoconfig(void **state)
{
	struct uart uart;

	setup(&uart);
	uart_write(&uart, 1, 0x00, 0);
	assert_int_equal(uart_read(&uart, 1, 0) & 0x0f, 0x00);
	uart_write(&uart, 1, 0x0f, 0);
	assert_int_equal(uart_read(&uart, 1, 0) & 0x0f, 0x0f);
	uart_write(&uart, 1, 0x00, 0);
	uart_write(&uart, 4, 0x1a, 0);		/* loop, OUT2, RTS */
	assert_int_equal(uart_read(&uart, 6, 0) & 0xf0, 0x90);
	uart_write(&uart, 4, 0x08, 0);
	uart_write(&uart, 3, 0xbf, 0);		/* EFR: not there */
	uart_write(&uart, 2, 0x00, 0);
	uart_write(&uart, 3, 0x00, 0);
	uart_write(&uart, 2, 0x01, 0);
	assert_int_equal(uart_read(&uart, 2, 0) >> 6, 3);	/* 16550A */
	uart_write(&uart, 3, 0x80, 0);
	assert_int_not_equal(uart_read(&uart, 2, 0), 0);
	uart_write(&uart, 2, 0x21, 0);		/* no 16750: bit 5 isn't there */
	assert_int_equal(uart_read(&uart, 2, 0) >> 5, 6);
	uart_write(&uart, 3, 0x00, 0);
	uart_write(&uart, 1, 0x40, 0);		/* no XScale */
	assert_int_equal(uart_read(&uart, 1, 0), 0);
	uart_write(&uart, 7, 0xa5, 0);
	assert_int_equal(uart_read(&uart, 7, 0), 0xa5);
	assert_int_equal(nr_sent, 0);
}

/* serial8250_do_startup(): the test for UARTs that don't raise THRE again. */
static void test_linux_thre_test(void **state)
{
	struct uart uart;

	setup(&uart);
	uart_write(&uart, 1, 0x02, 0);
	assert_true(line);
	assert_int_equal(uart_read(&uart, 2, 0), 0x02);
	assert_false(line);			/* reading IIR cleared it */
	assert_int_equal(uart_read(&uart, 2, 0), 0x01);
	uart_write(&uart, 1, 0x00, 0);
	uart_write(&uart, 1, 0x02, 0);
	assert_int_equal(uart_read(&uart, 2, 0), 0x02);
}

static void test_transmit(void **state)
{
	struct uart uart;

	setup(&uart);
	uart_write(&uart, 1, 0x02, 0);
	edges = 0;
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(uart_read(&uart, 5, 0), 0x60);
		uart_write(&uart, 0, 'a' + i, 0);
	}
	assert_int_equal(nr_sent, 16);
	assert_memory_equal(sent, "abcdefghijklmnop", 16);
	assert_true(edges >= 1);		/* an edge for the 8259A after each character */
	assert_true(line);
	assert_int_equal(uart_read(&uart, 2, 0), 0x02);
	assert_false(line);
}

static void test_divisor_latch(void **state)
{
	struct uart uart;

	setup(&uart);
	uart_write(&uart, 3, 0x83, 0);
	uart_write(&uart, 0, 0x0c, 0);
	uart_write(&uart, 1, 0x01, 0);
	assert_int_equal(uart_read(&uart, 0, 0), 0x0c);
	assert_int_equal(uart_read(&uart, 1, 0), 0x01);
	uart_write(&uart, 3, 0x03, 0);
	assert_int_equal(uart_read(&uart, 1, 0), 0x00);
	assert_int_equal(nr_sent, 0);
}

static void test_receive_without_fifo(void **state)
{
	struct uart uart;

	setup(&uart);
	uart_write(&uart, 1, 0x01, 0);
	assert_true(uart_receive(&uart, 'x', 0));
	assert_true(line);
	assert_int_equal(uart_read(&uart, 2, 0), 0x04);
	assert_int_equal(uart_read(&uart, 5, 0), 0x61);
	assert_false(uart_receive(&uart, 'y', 0));	/* the host keeps it */
	assert_int_equal(uart_read(&uart, 0, 0), 'x');
	assert_false(line);
	assert_true(uart_receive(&uart, 'y', 0));
}

/* Trigger level 8; four characters at 115200 baud, 10 bits each, are 347 µs. */
static void test_receive_with_fifo(void **state)
{
	struct uart uart;

	setup(&uart);
	uart_write(&uart, 2, 0x81, 0);
	uart_write(&uart, 1, 0x01, 0);
	for (unsigned i = 0; i < 7; i++)
		assert_true(uart_receive(&uart, i, 1000));
	assert_false(line);
	assert_in_range(uart_next_event(&uart), 1000 + 347000, 1000 + 348000);
	uart_tick(&uart, 340000);
	assert_false(line);
	uart_tick(&uart, 349000);
	assert_true(line);
	assert_int_equal(uart_read(&uart, 2, 349000), 0xcc);	/* character timeout */
	assert_int_equal(uart_read(&uart, 0, 349000), 0);
	assert_false(line);
	assert_true(uart_receive(&uart, 7, 349000));
	assert_false(line);
	assert_true(uart_receive(&uart, 8, 349000));
	assert_true(line);			/* eight now */
	assert_int_equal(uart_read(&uart, 2, 349000), 0xc4);
	for (unsigned i = 9; i < 17; i++)
		assert_true(uart_receive(&uart, i, 349000));
	assert_false(uart_receive(&uart, 0xff, 349000));	/* 16 are in */
	for (unsigned i = 1; i < 17; i++)
		assert_int_equal(uart_read(&uart, 0, 349000), i);
	assert_int_equal(uart_read(&uart, 5, 349000), 0x60);
	assert_int_equal(uart_next_event(&uart), CLOCK_NEVER);
	assert_true(uart_receive(&uart, 1, 349000));
	uart_write(&uart, 2, 0x83, 349000);	/* clear the receiver */
	assert_int_equal(uart_read(&uart, 5, 349000), 0x60);
}

static void test_loopback(void **state)
{
	struct uart uart;

	setup(&uart);
	uart_write(&uart, 2, 0x01, 0);
	uart_write(&uart, 4, 0x10, 0);
	uart_read(&uart, 6, 0);
	assert_false(uart_receive(&uart, 'q', 0));
	for (unsigned i = 0; i < 17; i++)
		uart_write(&uart, 0, i, 0);
	assert_int_equal(nr_sent, 0);
	assert_int_equal(uart_read(&uart, 5, 0), 0x63);	/* data, overrun */
	assert_int_equal(uart_read(&uart, 5, 0), 0x61);	/* read once */
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(uart_read(&uart, 0, 0), i);
	/* Modem lines: deltas, and the interrupt. */
	uart_write(&uart, 1, 0x08, 0);
	assert_false(line);
	uart_write(&uart, 4, 0x13, 0);		/* DTR, RTS */
	assert_true(line);
	assert_int_equal(uart_read(&uart, 2, 0), 0xc0);
	assert_int_equal(uart_read(&uart, 6, 0), 0x33);
	assert_false(line);
	uart_write(&uart, 4, 0x17, 0);		/* RI rises: no delta */
	assert_int_equal(uart_read(&uart, 6, 0), 0x70);
	uart_write(&uart, 4, 0x13, 0);		/* and falls */
	assert_int_equal(uart_read(&uart, 6, 0), 0x34);
}

/* "OE: the character in the Receiver Buffer Register was destroyed by the next"; with the FIFO "the
 * character in the shift register is overwritten, but it is not transferred to the FIFO". */
static void test_overrun(void **state)
{
	struct uart uart;

	setup(&uart);
	uart_write(&uart, 4, 0x10, 0);
	uart_write(&uart, 0, 'a', 0);
	uart_write(&uart, 0, 'b', 0);
	assert_int_equal(uart_read(&uart, 5, 0), 0x63);
	assert_int_equal(uart_read(&uart, 0, 0), 'b');
	assert_int_equal(uart_read(&uart, 5, 0), 0x60);
}

/* "The serial character": a start bit, 5 to 8 data bits, parity, 1 or 2 stop bits. */
static void test_character_length(void **state)
{
	static const struct { u8 lcr; unsigned bits, mask; } rows[] = {
		{ 0x00, 7, 0x1f }, { 0x01, 8, 0x3f }, { 0x02, 9, 0x7f }, { 0x03, 10, 0xff },
		{ 0x07, 11, 0xff }, { 0x0b, 11, 0xff }, { 0x1f, 12, 0xff }, { 0x1a, 10, 0x7f },
	};
	struct uart uart;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 ns = 4ull * rows[i].bits * 12 * 1000000000 / 115200;

		setup(&uart);
		uart_write(&uart, 3, 0x80, 0);
		uart_write(&uart, 0, 12, 0);		/* 9600 baud */
		uart_write(&uart, 3, rows[i].lcr, 0);
		uart_write(&uart, 2, 0x41, 0);
		assert_true(uart_receive(&uart, 'x', 5000));
		assert_in_range(uart_next_event(&uart), 5000 + ns, 5000 + ns + 1);
		uart_read(&uart, 0, 5000);
		uart_write(&uart, 4, 0x10, 5000);
		uart_write(&uart, 0, 0xff, 5000);
		assert_int_equal(uart_read(&uart, 0, 5000), rows[i].mask);
	}
}

/* Once the guest has raised RTS, taking it away holds off the sender. */
static void test_rts(void **state)
{
	struct uart uart;

	setup(&uart);
	assert_true(uart_receive(&uart, '1', 0));	/* it was never raised */
	uart_read(&uart, 0, 0);
	uart_write(&uart, 4, 0x12, 0);			/* raised in the loop: nobody sees it */
	uart_write(&uart, 4, 0x00, 0);
	assert_true(uart_receive(&uart, '2', 0));
	uart_read(&uart, 0, 0);
	uart_write(&uart, 4, 0x0b, 0);
	assert_true(uart_receive(&uart, '3', 0));
	uart_read(&uart, 0, 0);
	uart_write(&uart, 4, 0x09, 0);
	assert_false(uart_receive(&uart, '4', 0));
	uart_write(&uart, 4, 0x0b, 0);
	assert_true(uart_receive(&uart, '4', 0));
}

/*
 * A sender as fast as the receiver lets it, and a driver that reads only when interrupted, some of
 * what is there each time, now and then with RTS away: every byte arrives once and in order, and
 * with bytes waiting the driver is always told, at once or by the time-out.
 */
static void test_flow_at_speed(void **state)
{
	u64 seed = 21;

	for (unsigned fcr = 0x00; fcr <= 0xc1; fcr += fcr & 1 ? 0x40 : 1) {
		unsigned in = 0, out = 0;
		struct uart uart;
		u64 now = 0;

		setup(&uart);
		uart_write(&uart, 2, fcr, 0);
		uart_write(&uart, 1, 0x01, 0);
		uart_write(&uart, 4, 0x0b, 0);
		while (out < 50000) {
			bool ready = xorshift(&seed) % 8;

			now += xorshift(&seed) % 200000;
			uart_write(&uart, 4, ready ? 0x0b : 0x09, now);
			for (unsigned n = xorshift(&seed) % 20; n && uart_receive(&uart, in, now); n--)
				in++;
			uart_tick(&uart, now);
			assert_true(in == out || line || uart_next_event(&uart) != CLOCK_NEVER);
			assert_true(in - out <= 16);
			if (!line)
				continue;
			assert_int_equal(uart_read(&uart, 2, now) & 0x07, 0x04);
			for (unsigned n = 1 + xorshift(&seed) % 16;
			     n && (uart_read(&uart, 5, now) & 1); n--) {
				assert_int_equal(uart_read(&uart, 0, now), (u8)out);
				out++;
			}
			assert_int_equal(uart_read(&uart, 5, now) & 0x1e, 0);	/* no errors */
		}
	}
}

static void test_priority(void **state)
{
	struct uart uart;

	setup(&uart);
	uart_write(&uart, 4, 0x10, 0);
	uart_write(&uart, 1, 0x0f, 0);
	uart_write(&uart, 0, 1, 0);
	uart_write(&uart, 0, 2, 0);		/* overrun */
	assert_int_equal(uart_read(&uart, 2, 0), 0x06);
	uart_read(&uart, 5, 0);
	assert_int_equal(uart_read(&uart, 2, 0), 0x04);
	uart_read(&uart, 0, 0);
	assert_int_equal(uart_read(&uart, 2, 0), 0x02);
	assert_int_equal(uart_read(&uart, 2, 0), 0x00);
	uart_read(&uart, 6, 0);
	assert_int_equal(uart_read(&uart, 2, 0), 0x01);
}

static void test_random(void **state)
{
	struct uart uart;
	u64 now = 0;

	srandom(3);
	setup(&uart);
	for (unsigned i = 0; i < 1000000; i++) {
		now += random() % 50000;
		switch (random() % 4) {
		case 0:
			uart_write(&uart, random() % 8, random(), now);
			break;
		case 1:
			uart_receive(&uart, random(), now);
			break;
		case 2:
			uart_tick(&uart, now);
			assert_true(uart_next_event(&uart) > now);
			break;
		default:
			uart_read(&uart, random() % 8, now);
		}
		assert_true(uart.rx_count <= 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linux_autoconfig), cmocka_unit_test(test_linux_thre_test),
		cmocka_unit_test(test_transmit), cmocka_unit_test(test_divisor_latch),
		cmocka_unit_test(test_receive_without_fifo), cmocka_unit_test(test_receive_with_fifo),
		cmocka_unit_test(test_loopback), cmocka_unit_test(test_priority),
		cmocka_unit_test(test_overrun), cmocka_unit_test(test_character_length),
		cmocka_unit_test(test_rts), cmocka_unit_test(test_flow_at_speed),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("uart", tests, NULL, NULL);
}
