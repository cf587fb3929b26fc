/* SPDX-License-Identifier: GPL-2.0-only */
/* The 16550A. See uart.h. */
#include "devices/uart.h"

enum { RBR_THR = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

#define IER_RDA		0x01u	/* received data available */
#define IER_THRE	0x02u
#define IER_RLS		0x04u	/* receiver line status */
#define IER_MODEM	0x08u
#define IER_ALL		0x0fu

#define IIR_NONE	0x01u
#define IIR_MODEM	0x00u
#define IIR_THRE	0x02u
#define IIR_RDA		0x04u
#define IIR_RLS		0x06u
#define IIR_TIMEOUT	0x0cu
#define IIR_FIFOS	0xc0u

#define FCR_ENABLE	0x01u
#define FCR_CLEAR_RX	0x02u
#define FCR_TRIGGER_SHIFT	6

#define LCR_WORD	0x03u	/* bits of a character, less five */
#define LCR_STOP	0x04u	/* two stop bits */
#define LCR_PARITY	0x08u
#define LCR_DLAB	0x80u

#define MCR_DTR		0x01u
#define MCR_RTS		0x02u
#define MCR_OUT1	0x04u
#define MCR_OUT2	0x08u
#define MCR_LOOP	0x10u
#define MCR_ALL		0x1fu

#define LSR_DR		0x01u
#define LSR_OVERRUN	0x02u
#define LSR_EMPTY	0x60u	/* THRE and TEMT */

#define MSR_CTS		0x10u
#define MSR_DSR		0x20u
#define MSR_RI		0x40u
#define MSR_DCD		0x80u
#define MSR_LINES	0xf0u
#define MSR_TERI	0x04u	/* trailing edge of RI */
#define MSR_DELTAS	0x0fu

#define BASE_HZ		115200ull

static bool has_fifo(const struct uart *uart)
{
	return uart->fcr & FCR_ENABLE;
}

static unsigned capacity(const struct uart *uart)
{
	return has_fifo(uart) ? UART_FIFO_SIZE : 1;
}

static unsigned trigger_level(const struct uart *uart)
{
	static const u8 level[4] = { 1, 4, 8, 14 };

	return has_fifo(uart) ? level[uart->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* The interrupt that IIR shows: the most urgent one that is enabled. */
static u8 interrupt_id(const struct uart *uart)
{
	if ((uart->ier & IER_RLS) && uart->errors)
		return IIR_RLS;
	if ((uart->ier & IER_RDA) && uart->rx_count >= trigger_level(uart))
		return IIR_RDA;
	if ((uart->ier & IER_RDA) && uart->timed_out)
		return IIR_TIMEOUT;
	if ((uart->ier & IER_THRE) && uart->thre_pending)
		return IIR_THRE;
	if ((uart->ier & IER_MODEM) && (uart->msr & MSR_DELTAS))
		return IIR_MODEM;
	return IIR_NONE;
}

/* OUT2 doesn't gate the line, though it does in a PC: kernels that never set it work on emulators.
 */
static void update(struct uart *uart)
{
	irq_set(&uart->irq, interrupt_id(uart) != IIR_NONE);
}

static unsigned data_bits(const struct uart *uart)
{
	return 5 + (uart->lcr & LCR_WORD);
}

/* A character with its start bit, parity and stop bits. */
static unsigned bits_per_char(const struct uart *uart)
{
	return 1 + data_bits(uart) + !!(uart->lcr & LCR_PARITY) + (uart->lcr & LCR_STOP ? 2 : 1);
}

/* The character timeout: four characters' time without a byte in or out, with bytes waiting. */
static void restart_timeout(struct uart *uart, u64 now)
{
	u64 divisor = uart->divisor ? uart->divisor : 65536;
	u64 delay = 4 * bits_per_char(uart) * divisor * NS_PER_SECOND / BASE_HZ;

	uart->timed_out = false;
	uart->deadline = CLOCK_NEVER;
	if (has_fifo(uart) && uart->rx_count)
		uart->deadline = clock_after(now, delay);
}

static void clear_rx(struct uart *uart)
{
	uart->rx_count = uart->rx_head = 0;
	uart->timed_out = false;
	uart->deadline = CLOCK_NEVER;
}

/* "Overrun": without the FIFO the character before is destroyed, with it the new one is. */
static void push(struct uart *uart, u8 byte, u64 now)
{
	if (uart->rx_count >= capacity(uart)) {
		uart->errors |= LSR_OVERRUN;
		if (!has_fifo(uart))
			uart->rx[uart->rx_head] = byte;
		return;
	}
	uart->rx[(uart->rx_head + uart->rx_count) % UART_FIFO_SIZE] = byte;
	uart->rx_count++;
	restart_timeout(uart, now);
}

static u8 pop(struct uart *uart, u64 now)
{
	u8 byte = uart->rx[uart->rx_head];

	if (!uart->rx_count)
		return 0;
	uart->rx_head = (uart->rx_head + 1) % UART_FIFO_SIZE;
	uart->rx_count--;
	restart_timeout(uart, now);
	return byte;
}

/* The modem lines as MSR shows them: in loopback they're MCR's outputs. */
static u8 modem_lines(const struct uart *uart)
{
	if (!(uart->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (uart->mcr & MCR_RTS ? MSR_CTS : 0) | (uart->mcr & MCR_DTR ? MSR_DSR : 0) |
	       (uart->mcr & MCR_OUT1 ? MSR_RI : 0) | (uart->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void write_mcr(struct uart *uart, u8 value)
{
	u8 before = uart->msr & MSR_LINES, after, changed;

	uart->mcr = value & MCR_ALL;
	if ((value & MCR_RTS) && !(value & MCR_LOOP))
		uart->uses_rts = true;
	after = modem_lines(uart);
	changed = before ^ after;
	if (after & MSR_RI)
		changed &= ~MSR_RI;	/* only its trailing edge counts */
	uart->msr = after | (uart->msr & MSR_DELTAS) | changed >> 4;
}

static void write_fcr(struct uart *uart, u8 value)
{
	if ((value ^ uart->fcr) & FCR_ENABLE)
		clear_rx(uart);
	if (!(value & FCR_ENABLE)) {	/* the other bits count only together with it */
		uart->fcr = 0;
		return;
	}
	if (value & FCR_CLEAR_RX)
		clear_rx(uart);
	uart->fcr = value & (FCR_ENABLE | 3u << FCR_TRIGGER_SHIFT);
}

static void write_ier(struct uart *uart, u8 value)
{
	/* Enabling the interrupt while the transmitter is empty raises it. */
	if ((value & IER_THRE) && !(uart->ier & IER_THRE))
		uart->thre_pending = true;
	uart->ier = value & IER_ALL;
}

static void send(struct uart *uart, u8 value, u64 now)
{
	if (uart->mcr & MCR_LOOP)
		push(uart, value & ((1u << data_bits(uart)) - 1), now);
	else
		uart->transmit(uart->ctx, value);
	uart->thre_pending = true;
}

static u8 read_iir(struct uart *uart)
{
	u8 id = interrupt_id(uart);

	if (id == IIR_THRE)
		uart->thre_pending = false;
	return id | (has_fifo(uart) ? IIR_FIFOS : 0);
}

static u8 read_lsr(struct uart *uart)
{
	u8 value = LSR_EMPTY | uart->errors | (uart->rx_count ? LSR_DR : 0);

	uart->errors = 0;
	return value;
}

static u8 read_msr(struct uart *uart)
{
	u8 value = uart->msr;

	uart->msr &= MSR_LINES;
	return value;
}

static u8 read_register(struct uart *uart, unsigned reg, u64 now)
{
	bool dlab = uart->lcr & LCR_DLAB;

	switch (reg) {
	case RBR_THR:
		return dlab ? uart->divisor : pop(uart, now);
	case IER:
		return dlab ? uart->divisor >> 8 : uart->ier;
	case IIR_FCR:
		return read_iir(uart);
	case LCR:
		return uart->lcr;
	case MCR:
		return uart->mcr;
	case LSR:
		return read_lsr(uart);
	case MSR:
		return read_msr(uart);
	default:
		return uart->scr;
	}
}

static void write_register(struct uart *uart, unsigned reg, u8 value, u64 now)
{
	bool dlab = uart->lcr & LCR_DLAB;

	switch (reg) {
	case RBR_THR:
		if (dlab)
			uart->divisor = (uart->divisor & 0xff00) | value;
		else
			send(uart, value, now);
		break;
	case IER:
		if (dlab)
			uart->divisor = (uart->divisor & 0x00ff) | value << 8;
		else
			write_ier(uart, value);
		break;
	case IIR_FCR:
		write_fcr(uart, value);
		break;
	case LCR:
		uart->lcr = value;
		break;
	case MCR:
		write_mcr(uart, value);
		break;
	case SCR:
		uart->scr = value;
		break;
	default:	/* LSR and MSR are read only */
		break;
	}
}

void uart_init(struct uart *uart, struct irq_out irq, void (*transmit)(void *ctx, u8 byte),
	       void *ctx)
{
	*uart = (struct uart){
		.irq = irq, .transmit = transmit, .ctx = ctx, .divisor = 1, .lcr = 3,
		.deadline = CLOCK_NEVER,
	};
	uart->msr = modem_lines(uart);
}

u8 uart_read(struct uart *uart, unsigned reg, u64 now)
{
	u8 value;

	uart_tick(uart, now);
	value = read_register(uart, reg, now);
	if (reg == RBR_THR || reg == IIR_FCR || reg == LSR || reg == MSR)
		update(uart);
	return value;
}

void uart_write(struct uart *uart, unsigned reg, u8 value, u64 now)
{
	uart_tick(uart, now);
	if (reg == RBR_THR && uart->thre_pending && !(uart->lcr & LCR_DLAB)) {
		/* Full for a moment: the line falls, so that the next "empty" is an edge for the
		 * PIC. */
		uart->thre_pending = false;
		update(uart);
	}
	write_register(uart, reg, value, now);
	update(uart);
}

/* Kernels that never raise RTS are sent to all the same. */
static bool is_clear_to_send(const struct uart *uart)
{
	return (uart->mcr & MCR_RTS) || !uart->uses_rts;
}

bool uart_receive(struct uart *uart, u8 byte, u64 now)
{
	if ((uart->mcr & MCR_LOOP) || !is_clear_to_send(uart) || uart->rx_count >= capacity(uart))
		return false;
	push(uart, byte, now);
	update(uart);
	return true;
}

void uart_tick(struct uart *uart, u64 now)
{
	if (likely(now < uart->deadline))
		return;
	uart->deadline = CLOCK_NEVER;
	uart->timed_out = true;
	update(uart);
}
