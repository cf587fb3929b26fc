/* SPDX-License-Identifier: GPL-2.0-only */
/* COM1 (data sheet of the 16550D). Owns the UART's registers; waits are bounded, so that a line
 * whose other side doesn't listen, or a port without a UART, only costs time once. */
#include "console/serial.h"

#include "console/port.h"

#define COM1		0x3f8
#define UART_DATA	(COM1 + 0)	/* with DLAB: divisor, low */
#define UART_IER	(COM1 + 1)	/* with DLAB: divisor, high */
#define UART_FCR	(COM1 + 2)
#define UART_LCR	(COM1 + 3)
#define UART_MCR	(COM1 + 4)
#define UART_LSR	(COM1 + 5)
#define UART_SCRATCH	(COM1 + 7)

#define IER_RX		0x01
#define FCR_ON_CLEAR	0x07		/* FIFOs on, both emptied */
#define LCR_8N1		0x03
#define LCR_DLAB	0x80
#define MCR_DTR_RTS	0x03
#define MCR_OUT2	0x08		/* lets the interrupt out on a PC */
#define LSR_RX_READY	0x01
#define LSR_THR_EMPTY	0x20
#define LSR_SENT	0x40		/* "transmitter empty": the last bit is out */
#define DIVISOR_115200	1
#define FIFO_SIZE	16
/* Reads of a port take about a microsecond: far longer than 16 bytes at 115200 baud need. */
#define WAIT_READS	100000

static struct {
	bool present;
	bool stuck;	/* it never got ready again: don't wait for it with every byte */
	unsigned room;	/* bytes that the FIFO takes before we must ask it again */
} serial;

/* A register that keeps what is written, and a status that isn't a floating bus. */
static bool is_uart(void)
{
	port_write(UART_SCRATCH, 0x5a);
	if (port_read(UART_SCRATCH) != 0x5a)
		return false;
	port_write(UART_SCRATCH, 0xa5);
	return port_read(UART_SCRATCH) == 0xa5 && port_read(UART_LSR) != 0xff;
}

void serial_init(void)
{
	serial.present = is_uart();
	if (!serial.present)
		return;
	port_write(UART_IER, 0);
	port_write(UART_LCR, LCR_DLAB);
	port_write(UART_DATA, DIVISOR_115200);
	port_write(UART_IER, 0);
	port_write(UART_LCR, LCR_8N1);
	port_write(UART_FCR, FCR_ON_CLEAR);
	port_write(UART_MCR, MCR_DTR_RTS | MCR_OUT2);
}

/* Once the transmitter is empty the whole FIFO is. */
static void wait_for_room(void)
{
	for (unsigned i = 0; i < (serial.stuck ? 1 : WAIT_READS); i++) {
		if (port_read(UART_LSR) & LSR_THR_EMPTY) {
			serial.room = FIFO_SIZE;
			serial.stuck = false;
			return;
		}
		__builtin_ia32_pause();
	}
	serial.stuck = true;
}

void serial_write(const char *text, size_t n)
{
	if (!serial.present)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!serial.room)
			wait_for_room();
		if (!serial.room)
			continue;
		port_write(UART_DATA, (u8)text[i]);
		serial.room--;
	}
}

void serial_drain(void)
{
	if (!serial.present || serial.stuck)
		return;
	for (unsigned i = 0; i < WAIT_READS && !(port_read(UART_LSR) & LSR_SENT); i++)
		__builtin_ia32_pause();
}

int serial_getc(void)
{
	if (!serial.present || !(port_read(UART_LSR) & LSR_RX_READY))
		return -1;
	return port_read(UART_DATA);
}

bool serial_rx_interrupt(bool on)
{
	if (serial.present)
		port_write(UART_IER, on ? IER_RX : 0);
	return serial.present;
}
