/* SPDX-License-Identifier: GPL-2.0-only */
/* The wiring of the devices, and who answers at which port. See board.h. */
#include "devices/board.h"

#include "include/assert.h"

#define IRQ_TIMER	0u
#define IRQ_KEYBOARD	1u
#define IRQ_COM1	4u
#define IRQ_RTC		8u
#define IRQ_SCI		9u
#define IRQ_AUX		12u
#define IOAPIC_TIMER_PIN	2u

#define DEBUG_CONSOLE_PORT	0xe9u
#define FIRMWARE_CONSOLE_PORT	0x402u	/* the same, where SeaBIOS and OVMF look for it */
#define DEBUG_CONSOLE_ID	0xe9u	/* what it reads as */
#define PORT_92_RESET		0x01u
#define PORT_92_A20		0x02u
#define RESET_CPU		0x04u	/* of 0xcf9 */
#define RESET_SYSTEM		0x02u

enum device {
	/* Devices that are read without a clock, and whose reading changes no timer. */
	NOTHING, PIC, KBC, PORT_92, RESET_CONTROL, DEBUG_CONSOLE, LAST_TIMELESS = DEBUG_CONSOLE,
	PIT, UART, RTC,
	/* From here on devices that see an access whole, whatever its size, if it ends on them. */
	WHOLE, FWCFG = WHOLE, FWCFG_DMA, PM, PCI, DEBUG_EXIT,
};

enum port_page { PAGE_NONE, PAGE_00, PAGE_03, PAGE_04, PAGE_05, PAGE_06, PAGE_0C, NR_PORT_PAGES };

static const u8 port_pages[256] = {
	[0x00] = PAGE_00, [0x03] = PAGE_03, [0x04] = PAGE_04, [0x05] = PAGE_05, [0x06] = PAGE_06,
	[0x0c] = PAGE_0C,
};

static const u8 port_devices[NR_PORT_PAGES][256] = {
	[PAGE_00] = {
		[0x20 ... 0x21] = PIC, [0x40 ... 0x43] = PIT, [0x60] = KBC, [0x61] = PIT,
		[0x64] = KBC, [0x70 ... 0x71] = RTC, [0x92] = PORT_92, [0xa0 ... 0xa1] = PIC,
		[DEBUG_CONSOLE_PORT] = DEBUG_CONSOLE, [0xf4 ... 0xf7] = DEBUG_EXIT,
	},
	[PAGE_03] = { [0xf8 ... 0xff] = UART },
	[PAGE_04] = { [FIRMWARE_CONSOLE_PORT & 0xff] = DEBUG_CONSOLE, [0xd0 ... 0xd1] = PIC },
	[PAGE_05] = { [0x10 ... 0x11] = FWCFG, [0x14 ... 0x1b] = FWCFG_DMA },
	[PAGE_06] = { [0x00 ... 0x3f] = PM },
	[PAGE_0C] = { [0xf8] = PCI, [0xf9] = RESET_CONTROL, [0xfa ... 0xff] = PCI },
};

static_assert(PM_PORT == 0x600 && UART_COM1_PORT == 0x3f8 && FWCFG_PORT == 0x510 &&
	      FWCFG_DMA_PORT == 0x514, "port_devices[] says so");

static inline enum device device_at(u16 port)
{
	return port_devices[port_pages[port >> 8]][port & 0xff];
}

/* The power management registers are at their own place and where the guest's firmware has put them. */
static inline u16 from_moved(const struct board *board, u16 port)
{
	return (port & ~(PM_NR_PORTS - 1)) == pci_pm_base(&board->pci) ?
		       PM_PORT + (port & (PM_NR_PORTS - 1)) : port;
}

/* Is the access to be handed whole to the device where it begins? Else its bytes go to one port
 * each, as a bridge splits what reaches past a device's end. */
static inline bool is_whole(u16 port, unsigned size)
{
	enum device device = device_at(port);

	return device >= WHOLE && device_at(port + size - 1) == device;
}

/* ---- the wires ---- */

static void set_irq(void *ctx, unsigned irq, bool level)
{
	struct board *board = ctx;

	pic_set_irq(&board->pic, irq, level);
	ioapic_set_pin(&board->ioapic, irq == IRQ_TIMER ? IOAPIC_TIMER_PIN : irq, level);
}

static void set_intr(void *ctx, unsigned line, bool level)
{
	struct board *board = ctx;

	lapic_set_lint(&board->lapic[0], 0, level);
	if (level && board->lapic[0].extint)
		board->ops->kick(board->ctx, 0);
}

static unsigned send_message(void *ctx, const struct apic_message *message)
{
	struct board *board = ctx;

	return apic_bus_send(board->lapic, board->nr_vcpus, message);
}

static void end_of_interrupt(void *ctx, u8 vector)
{
	struct board *board = ctx;

	ioapic_eoi(&board->ioapic, vector);
}

static void kick(void *ctx, u32 index)
{
	struct board *board = ctx;

	board->ops->kick(board->ctx, index);
}

static void apic_event(void *ctx, u32 index, enum apic_delivery delivery, u8 vector)
{
	struct board *board = ctx;

	board->ops->apic_event(board->ctx, index, delivery, vector);
}

static u64 tsc_to_ns(void *ctx, u32 index, u64 tsc)
{
	struct board *board = ctx;

	return board->ops->tsc_to_ns(board->ctx, index, tsc);
}

static void transmit(void *ctx, u8 byte)
{
	struct board *board = ctx;

	board->ops->console_out(board->ctx, &byte, 1);
}

static bool copy_memory(void *ctx, gpa_t at, void *bytes, size_t size, bool to_guest)
{
	struct board *board = ctx;

	return board->ops->copy_memory(board->ctx, at, bytes, size, to_guest);
}

static void power_off(void *ctx)
{
	struct board *board = ctx;

	board->ops->power(board->ctx, BOARD_OFF, 0);
}

static void reset(void *ctx)
{
	struct board *board = ctx;

	board->ops->power(board->ctx, BOARD_RESET, 0);
}

static const struct lapic_ops lapic_ops = {
	.send = send_message, .eoi = end_of_interrupt, .kick = kick, .event = apic_event,
	.tsc_to_ns = tsc_to_ns,
};

/* After any change of a device that waits for something. Those that ask read it without the lock. */
static void note_events(struct board *board)
{
	u64 next = MIN(pit_next_event(&board->pit), uart_next_event(&board->uart));

	next = MIN(next, rtc_next_event(&board->rtc));
	next = MIN(next, pm_next_event(&board->pm));
	__atomic_store_n(&board->devices_next, next, __ATOMIC_RELAXED);
}

static struct irq_out irq_line(struct board *board, unsigned irq)
{
	return (struct irq_out){ .set = set_irq, .ctx = board, .line = irq };
}

void board_init(struct board *board, const struct board_config *config)
{
	u64 now = config->now;

	assert(config->nr_vcpus >= 1 && config->nr_vcpus <= BOARD_MAX_VCPUS);
	board->lock = SPINLOCK(RANK_BOARD);
	board->nr_vcpus = config->nr_vcpus;
	board->ops = config->ops;
	board->ctx = config->ctx;
	board->port_92 = PORT_92_A20;
	board->reset_control = 0;
	/* Those that listen come before those that drive a line. */
	for (unsigned i = 0; i < BOARD_MAX_VCPUS; i++)
		lapic_init(&board->lapic[i], i, i == 0, &lapic_ops, board);
	ioapic_init(&board->ioapic, send_message, board);
	pic_init(&board->pic, (struct irq_out){ .set = set_intr, .ctx = board });
	pit_init(&board->pit, irq_line(board, IRQ_TIMER), now);
	uart_init(&board->uart, irq_line(board, IRQ_COM1), transmit, board);
	rtc_init(&board->rtc, irq_line(board, IRQ_RTC), config->unix_time, config->memory_below_4g,
		 config->memory_above_4g, config->nr_vcpus, now);
	pm_init(&board->pm, irq_line(board, IRQ_SCI), power_off, board, now);
	i8042_init(&board->i8042, irq_line(board, IRQ_KEYBOARD), irq_line(board, IRQ_AUX), reset,
		   board);
	pci_init(&board->pci);
	board->pit.catch_up = board->rtc.catch_up = !config->merge_ticks;
	for (unsigned i = 0; i < BOARD_MAX_VCPUS; i++)
		board->lapic[i].catch_up = !config->merge_ticks;
	fwcfg_init(&board->fwcfg, config->nr_vcpus, config->memory_below_4g,
		   config->memory_above_4g, copy_memory, board);
	note_events(board);
}

/* ---- the PIT's owed ticks: one follows when the guest has ended the one before ---- */

/* Is a tick requested or in service, at the 8259A or by way of the IOAPIC? */
static bool is_tick_open(const struct board *board)
{
	const struct pic_chip *master = &board->pic.chip[0];
	u64 entry = board->ioapic.entry[IOAPIC_TIMER_PIN];
	unsigned vector = entry & IOAPIC_ENTRY_VECTOR;

	if (!(master->imr & BIT(IRQ_TIMER)) && ((master->irr | master->isr) & BIT(IRQ_TIMER)) &&
	    board->lapic[0].extint)	/* nobody else hears it */
		return true;
	if (entry & IOAPIC_ENTRY_MASKED)
		return false;
	for (unsigned i = 0; i < board->nr_vcpus; i++)
		if (lapic_is_open(&board->lapic[i], vector))
			return true;
	return false;
}

static void pay_tick(struct board *board, u64 now)
{
	if (is_tick_open(board))
		return;
	pit_pay(&board->pit, now);
	note_events(board);
	if (!is_tick_open(board))	/* nobody listens */
		board->pit.owed = 0;
}

/* After whatever may have ended an interrupt. */
static inline void interrupt_ended(struct board *board, u64 now)
{
	if (unlikely(board->pit.owed))
		pay_tick(board, now);
}

/* After a write to an APIC. */
static void apic_written(struct board *board, u64 now)
{
	if (unlikely(board->ioapic.waiting))
		ioapic_retry(&board->ioapic);
	interrupt_ended(board, now);
}

/* ---- ports ---- */

static u32 read_whole(struct board *board, enum device device, u16 port, unsigned size, u64 now)
{
	switch (device) {
	case PM:
		return pm_read(&board->pm, port - PM_PORT, size, now);
	case PCI:
		return pci_read(&board->pci, port, size);
	case FWCFG:
		return fwcfg_read(&board->fwcfg, port - FWCFG_PORT, size);
	case FWCFG_DMA:
		return fwcfg_dma_read(&board->fwcfg, port - FWCFG_DMA_PORT, size);
	default:	/* the debug exit */
		return 0;
	}
}

static u8 read_device(struct board *board, enum device device, u16 port, u64 now)
{
	switch (device) {
	case NOTHING:
		return 0xff;
	case PIC:
		return pic_read(&board->pic, port);
	case PIT:
		return pit_read(&board->pit, port, now);
	case UART:
		return uart_read(&board->uart, port & (UART_NR_PORTS - 1), now);
	case RTC:
		return rtc_read(&board->rtc, port, now);
	case KBC:
		return i8042_read(&board->i8042, port);
	case PORT_92:
		return board->port_92;
	case RESET_CONTROL:
		return board->reset_control;
	case DEBUG_CONSOLE:
		return DEBUG_CONSOLE_ID;
	default:
		return read_whole(board, device, port, 1, now);
	}
}

static u32 low_bytes(u32 value, unsigned size)
{
	return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

static u32 read_wide(struct board *board, u16 port, unsigned size, u64 now)
{
	u32 value = 0;

	if (device_at(port) == NOTHING)
		port = from_moved(board, port);
	if (is_whole(port, size))
		return low_bytes(read_whole(board, device_at(port), port, size, now), size);
	for (unsigned i = 0; i < size; i++)
		value |= (u32)read_device(board, device_at(port + i), port + i, now) << 8 * i;
	return value;
}

int board_io_read_quick(struct board *board, u16 port)
{
	enum device device = device_at(port);
	u8 value;

	if (unlikely(device > LAST_TIMELESS))
		return -1;
	if (device == NOTHING)
		return from_moved(board, port) == port ? 0xff : -1;
	spin_lock(&board->lock);
	value = device == PIC ? pic_read(&board->pic, port) : read_device(board, device, port, 0);
	spin_unlock(&board->lock);
	return value;
}

static u32 read_one(struct board *board, u16 port, u64 now)
{
	enum device device = device_at(port);
	u8 value;

	if (device == NOTHING) {
		port = from_moved(board, port);
		device = device_at(port);
	}
	if (device == NOTHING)
		return 0xff;
	spin_lock(&board->lock);
	value = read_device(board, device, port, now);
	if (device != PIC)
		note_events(board);
	spin_unlock(&board->lock);
	return value;
}

u32 board_io_read(struct board *board, unsigned vcpu, u16 port, unsigned size, u64 now)
{
	u32 value;

	if (likely(size == 1))
		return read_one(board, port, now);
	spin_lock(&board->lock);
	value = read_wide(board, port, size, now);
	note_events(board);
	spin_unlock(&board->lock);
	return value;
}

static void write_port_92(struct board *board, u8 value)
{
	bool rises = (value & PORT_92_RESET) && !(board->port_92 & PORT_92_RESET);

	board->port_92 = value & (PORT_92_RESET | PORT_92_A20);
	if (rises)
		reset(board);
}

static void write_reset_control(struct board *board, u8 value)
{
	board->reset_control = value & RESET_SYSTEM;
	if (value & RESET_CPU)
		reset(board);
}

static void write_whole(struct board *board, u16 port, unsigned size, u32 value, u64 now)
{
	switch (device_at(port)) {
	case PM:
		pm_write(&board->pm, port - PM_PORT, size, value, now);
		break;
	case PCI:
		pci_write(&board->pci, port, size, value);
		break;
	case FWCFG:
		fwcfg_write(&board->fwcfg, port - FWCFG_PORT, size, value);
		break;
	case FWCFG_DMA:
		fwcfg_dma_write(&board->fwcfg, port - FWCFG_DMA_PORT, size, value);
		break;
	default:
		board->ops->power(board->ctx, BOARD_DEBUG_EXIT, value);
	}
}

static void write_byte(struct board *board, u16 port, u8 value, u64 now)
{
	switch (device_at(port)) {
	case NOTHING:
		break;
	case PIC:
		pic_write(&board->pic, port, value);
		break;
	case PIT:
		pit_write(&board->pit, port, value, now);
		break;
	case UART:
		uart_write(&board->uart, port & (UART_NR_PORTS - 1), value, now);
		break;
	case RTC:
		rtc_write(&board->rtc, port, value, now);
		break;
	case KBC:
		i8042_write(&board->i8042, port, value);
		break;
	case PORT_92:
		write_port_92(board, value);
		break;
	case RESET_CONTROL:
		write_reset_control(board, value);
		break;
	case DEBUG_CONSOLE:
		board->ops->debug_out(board->ctx, value);
		break;
	default:
		write_whole(board, port, 1, value, now);
	}
}

static void write_port(struct board *board, u16 port, unsigned size, u32 value, u64 now)
{
	if (size > 1 && is_whole(port, size)) {
		write_whole(board, port, size, low_bytes(value, size), now);
		return;
	}
	for (unsigned i = 0; i < size; i++)
		write_byte(board, port + i, value >> 8 * i, now);
}

void board_io_write(struct board *board, unsigned vcpu, u16 port, unsigned size, u32 value, u64 now)
{
	if (device_at(port) == NOTHING)
		port = from_moved(board, port);
	if (size == 1 && device_at(port) == NOTHING)
		return;
	spin_lock(&board->lock);
	write_port(board, port, size, value, now);
	note_events(board);
	interrupt_ended(board, now);
	spin_unlock(&board->lock);
}

/* ---- memory ---- */

static inline bool is_lapic_page(const struct lapic *lapic, gpa_t at)
{
	return lapic->page == (at.v & PAGE_MASK);
}

static inline bool is_ioapic_page(gpa_t at)
{
	return (at.v & PAGE_MASK) == IOAPIC_DEFAULT_BASE;
}

bool board_mmio_read(struct board *board, unsigned vcpu, gpa_t at, unsigned size, u64 now,
		     u64 *value)
{
	struct lapic *lapic = &board->lapic[vcpu];
	bool is_lapic = is_lapic_page(lapic, at);

	if (!is_lapic && !is_ioapic_page(at))
		return false;
	spin_lock(&board->lock);
	if (is_lapic)
		*value = lapic_read(lapic, at.v & ~PAGE_MASK, size, now);
	else
		*value = ioapic_read(&board->ioapic, at.v & ~PAGE_MASK, size);
	spin_unlock(&board->lock);
	return true;
}

bool board_mmio_write(struct board *board, unsigned vcpu, gpa_t at, unsigned size, u64 value,
		      u64 now)
{
	struct lapic *lapic = &board->lapic[vcpu];
	bool is_lapic;

	if (likely(at.v == lapic->page + APIC_EOI && size == 4)) {
		spin_lock(&board->lock);
		lapic_eoi(lapic);
		interrupt_ended(board, now);
		spin_unlock(&board->lock);
		return true;
	}
	is_lapic = is_lapic_page(lapic, at);
	if (!is_lapic && !is_ioapic_page(at))
		return false;
	spin_lock(&board->lock);
	if (is_lapic)
		lapic_write(lapic, at.v & ~PAGE_MASK, size, value, now);
	else
		ioapic_write(&board->ioapic, at.v & ~PAGE_MASK, size, value);
	apic_written(board, now);
	spin_unlock(&board->lock);
	return true;
}

/* ---- the vCPU's side ---- */

bool board_rdmsr(struct board *board, unsigned vcpu, u32 msr, u64 now, u64 *value)
{
	bool done;

	spin_lock(&board->lock);
	done = lapic_rdmsr(&board->lapic[vcpu], msr, now, value);
	spin_unlock(&board->lock);
	return done;
}

bool board_wrmsr(struct board *board, unsigned vcpu, u32 msr, u64 value, u64 now)
{
	bool done;

	spin_lock(&board->lock);
	done = lapic_wrmsr(&board->lapic[vcpu], msr, value, now);
	apic_written(board, now);
	spin_unlock(&board->lock);
	return done;
}

void board_tsc_changed(struct board *board, unsigned vcpu)
{
	spin_lock(&board->lock);
	lapic_tsc_changed(&board->lapic[vcpu]);
	spin_unlock(&board->lock);
}

void board_apic_init(struct board *board, unsigned vcpu)
{
	spin_lock(&board->lock);
	lapic_reset(&board->lapic[vcpu]);
	spin_unlock(&board->lock);
}

static void tick_devices(struct board *board, u64 now)
{
	pit_tick(&board->pit, now);
	uart_tick(&board->uart, now);
	rtc_tick(&board->rtc, now);
	pm_tick(&board->pm, now);
	note_events(board);
}

void board_tick(struct board *board, unsigned vcpu, u64 now)
{
	spin_lock(&board->lock);
	if (!vcpu && now >= board->devices_next)
		tick_devices(board, now);
	lapic_tick(&board->lapic[vcpu], now);
	interrupt_ended(board, now);	/* by itself, in the 8259A's automatic mode */
	spin_unlock(&board->lock);
}

void board_apic_tick(struct board *board, unsigned vcpu, u64 now)
{
	spin_lock(&board->lock);
	lapic_tick(&board->lapic[vcpu], now);
	spin_unlock(&board->lock);
}

int board_interrupt_accept(struct board *board, unsigned vcpu)
{
	struct lapic *lapic = &board->lapic[vcpu];
	int vector;

	spin_lock(&board->lock);
	if (board_pic_pending(board, vcpu)) {
		vector = pic_acknowledge(&board->pic);
	} else {
		vector = lapic_pending(lapic);
		if (vector >= 0)
			lapic_accept(lapic, vector);
	}
	spin_unlock(&board->lock);
	return vector;
}

bool board_console_input(struct board *board, u8 byte, u64 now)
{
	bool taken;

	spin_lock(&board->lock);
	taken = uart_receive(&board->uart, byte, now);
	note_events(board);
	spin_unlock(&board->lock);
	return taken;
}

void board_power_button(struct board *board, u64 now)
{
	spin_lock(&board->lock);
	pm_power_button(&board->pm, now);
	note_events(board);
	spin_unlock(&board->lock);
}

void board_set_tpr(struct board *board, unsigned vcpu, u8 tpr)
{
	spin_lock(&board->lock);
	lapic_set_tpr(&board->lapic[vcpu], tpr);
	spin_unlock(&board->lock);
}
