/* SPDX-License-Identifier: MIT */
/* The board: who answers where, the way of an interrupt, and the small devices on it. */
#include "devices/board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct {
	u8 out[256];
	unsigned nr_out, debug, nr_power, kicks[4], events;
	enum board_power power;
	u32 power_value;
} seen;

static void console_out(void *ctx, const u8 *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		seen.out[seen.nr_out++ % sizeof(seen.out)] = bytes[i];
}

static void debug_out(void *ctx, u8 byte)
{
	seen.debug = byte;
}

static void power(void *ctx, enum board_power what, u32 value)
{
	seen.nr_power++;
	seen.power = what;
	seen.power_value = value;
}

static void kick(void *ctx, unsigned vcpu)
{
	assert_true(vcpu < 2);
	seen.kicks[vcpu]++;
}

static void apic_event(void *ctx, unsigned vcpu, enum apic_delivery delivery, u8 vector)
{
	assert_true(vcpu < 2);
	seen.events++;
}

static u64 tsc_to_ns(void *ctx, unsigned vcpu, u64 tsc)
{
	return tsc;
}

static bool copy_memory(void *ctx, gpa_t at, void *bytes, size_t size, bool to_guest)
{
	return false;
}

static const struct board_ops ops = {
	console_out, debug_out, power, kick, apic_event, tsc_to_ns, copy_memory,
};

static struct board board;

static void setup(void)
{
	struct board_config config = {
		.memory_below_4g = 256ull << 20, .memory_above_4g = 1ull << 30, .nr_vcpus = 2,
		.unix_time = 1700000000, .ops = &ops,
	};

	memset(&board, 0xa5, sizeof(board));
	board_init(&board, &config);
	memset(&seen, 0, sizeof(seen));
}

static u32 in(u16 port, unsigned size)
{
	return board_io_read(&board, 0, port, size, 0);
}

static void out(u16 port, unsigned size, u32 value)
{
	board_io_write(&board, 0, port, size, value, 0);
}

static void test_unclaimed(void **state)
{
	u64 value;

	setup();
	assert_int_equal(in(0x1234, 1), 0xff);
	assert_int_equal(in(0x1234, 2), 0xffff);
	assert_int_equal(in(0x1234, 4), 0xffffffff);
	assert_int_equal(in(0xffff, 4), 0xffffffff);
	assert_int_equal(in(0x80, 1), 0xff);
	assert_int_equal(in(0x2f8, 1), 0xff);
	out(0xffff, 4, 0);
	assert_false(board_mmio_read(&board, 0, GPA(0xfed00000), 4, 0, &value));	/* no HPET */
	assert_false(board_mmio_write(&board, 0, GPA(0xfe000000), 4, 1, 0));
}

/* One LAPIC is brought to the moment of its timer: nothing else notices. */
static void test_apic_ahead(void **state)
{
	u64 due, devices;

	setup();
	board_io_write(&board, 0, 0x43, 1, 0x34, 0);	/* PIT, channel 0, rate generator, 1193 */
	board_io_write(&board, 0, 0x40, 1, 1193 & 0xff, 0);
	board_io_write(&board, 0, 0x40, 1, 1193 >> 8, 0);
	assert_true(board_mmio_write(&board, 1, GPA(0xfee000f0), 4, 0x1ff, 0));
	assert_true(board_mmio_write(&board, 1, GPA(0xfee003e0), 4, 0xb, 0));
	assert_true(board_mmio_write(&board, 1, GPA(0xfee00320), 4, 0x41, 0));
	assert_int_equal(board_apic_next_event(&board, 1), CLOCK_NEVER);
	assert_true(board_mmio_write(&board, 1, GPA(0xfee00380), 4, 5000000, 0));
	due = board_apic_next_event(&board, 1);
	devices = board_devices_next_event(&board);
	assert_true(due != CLOCK_NEVER && devices < due);
	board_apic_tick(&board, 1, due - 1);
	assert_false(board_interrupt_pending(&board, 1));
	board_apic_tick(&board, 0, due);
	assert_false(board_interrupt_pending(&board, 1));
	board_apic_tick(&board, 1, due);
	assert_true(board_interrupt_pending(&board, 1));
	assert_int_equal(board_interrupt_accept(&board, 1), 0x41);
	assert_int_equal(board_apic_next_event(&board, 1), CLOCK_NEVER);
	assert_true(board_devices_next_event(&board) == devices);
	assert_false(board_interrupt_pending(&board, 0));
}

/* The quick read is the read, for each port that has one; none has that looks at the clock. */
static void test_quick_reads(void **state)
{
	static const u16 timed[] = { 0x40, 0x61, 0x70, 0x71, 0x3f8, 0x511, 0x608, 0xcfc };
	unsigned quick = 0;

	for (u32 port = 0; port < 0x10000; port++) {
		int byte;
		u64 next;

		setup();
		next = board_next_event(&board, 0);
		byte = board_io_read_quick(&board, (u16)port);
		assert_true(board_next_event(&board, 0) == next);
		if (byte < 0)
			continue;
		setup();
		assert_int_equal(byte, in((u16)port, 1));
		quick++;
	}
	for (unsigned i = 0; i < sizeof(timed) / sizeof(timed[0]); i++)
		assert_int_equal(board_io_read_quick(&board, timed[i]), -1);
	assert_true(quick > 0xff00);
	board_io_write(&board, 0, 0x21, 1, 0x5a, 0);
	assert_int_equal(board_io_read_quick(&board, 0x21), 0x5a);
	assert_int_equal(board_io_read_quick(&board, 0x1234), 0xff);
}


/* 82371AB data sheet, "PMBA—Power Management Base Address": bits 15:6. */
static void test_pm_moved(void **state)
{
	setup();
	assert_int_equal(in(0xb008, 4), 0xffffffff);
	assert_int_equal(board_io_read_quick(&board, 0xb008), 0xff);
	out(0xcf8, 4, 0x80000b40);
	assert_int_equal(in(0xcfc, 4), 0x601);
	out(0xcfc, 4, 0xffffb03f);
	assert_int_equal(in(0xcfc, 4), 0xb001);
	assert_int_equal(board_io_read(&board, 0, 0xb008, 4, 1000000000), 3579545);
	assert_int_equal(board_io_read_quick(&board, 0xb008), -1);
	out(0xb002, 2, 0x0100);
	assert_int_equal(in(0xb002, 1) | in(0xb003, 1) << 8, 0x0100);
	out(0xb003, 1, 0);
	assert_int_equal(in(0x602, 2), 0);
	assert_int_equal(in(0xb040, 2), 0xffff);
	assert_int_equal(in(0xafff, 2), 0xffff);
}

static void test_wide_access(void **state)
{
	setup();
	out(0x20, 2, 0xfb0b);			/* OCW3 and the mask */
	assert_int_equal(in(0x20, 2), 0xfb00);
	out(0x3fe, 2, 0x5a00);			/* MSR and scratch */
	assert_int_equal(in(0x3ff, 1), 0x5a);
	assert_int_equal(in(0x3ff, 4), 0xe9ffff5a);	/* nobody, nobody, the debug console */
	assert_int_equal(in(0x1f, 2), 0x00ff);
	out(0x3f8, 4, 'A');
	assert_int_equal(seen.nr_out, 1);
	assert_int_equal(seen.out[0], 'A');
}

/* What reaches past a device's end, or begins before it, meets its neighbour or nobody. */
static void test_straddling(void **state)
{
	setup();
	assert_int_equal(in(0x63e, 4), 0xffff0000);	/* PM: reserved registers read zero */
	assert_int_equal(in(0x5ff, 2), 0x00ff);
	assert_int_equal(in(0x5fe, 4), 0x0000ffff);
	out(0xcf8, 4, 0x80000000);
	assert_int_equal(in(0xcfe, 4), 0xffff1237);
	assert_int_equal(in(0xcff, 2), 0xff12);
	assert_int_equal(in(0x510, 2), 0x51ff);		/* the signature's Q; the selector is write only */
	out(0x60, 4, 0);
	assert_int_equal(in(0xffff, 2), 0xff00 | in(0xffff, 1));
	out(0xcf8, 2, 0x0600);		/* the reset control register is the second byte */
	assert_int_equal(seen.nr_power, 1);
	assert_int_equal(seen.power, BOARD_RESET);
	setup();
	out(0xcf8, 4, 0x80000600);	/* and part of the address as a double word */
	assert_int_equal(seen.nr_power, 0);
	out(0xf2, 4, 0x12345678);
	assert_int_equal(seen.nr_power, 2);
	assert_int_equal(seen.power, BOARD_DEBUG_EXIT);
}

static void test_debug_ports(void **state)
{
	setup();
	assert_int_equal(in(0xe9, 1), 0xe9);
	out(0xe9, 1, 'x');
	assert_int_equal(in(0x402, 1), 0xe9);
	assert_int_equal(seen.debug, 'x');
	for (unsigned size = 1; size <= 4; size *= 2) {
		seen.nr_power = 0;
		out(0xf4, size, 0x12345678);
		assert_int_equal(seen.nr_power, 1);
		assert_int_equal(seen.power, BOARD_DEBUG_EXIT);
		assert_int_equal(seen.power_value, size == 1 ? 0x78 : size == 2 ? 0x5678 : 0x12345678);
	}
	assert_int_equal(in(0xf4, 4), 0);
}

static void test_resets(void **state)
{
	static const struct { u16 port; u8 value; bool resets; } rows[] = {
		{ 0x64, 0xfe, true }, { 0x64, 0xff, false }, { 0x64, 0xf0, true },
		{ 0xcf9, 0x06, true }, { 0xcf9, 0x0e, true }, { 0xcf9, 0x02, false },
		{ 0x92, 0x03, true }, { 0x92, 0x02, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup();
		out(rows[i].port, 1, rows[i].value);
		assert_int_equal(seen.nr_power, rows[i].resets);
		if (rows[i].resets)
			assert_int_equal(seen.power, BOARD_RESET);
	}
	setup();
	out(0x64, 1, 0xd1);
	out(0x60, 1, 0xfe);			/* the output port, reset bit clear */
	assert_int_equal(seen.power, BOARD_RESET);
	assert_int_equal(seen.nr_power, 1);
	assert_int_equal(in(0x92, 1), 0x02);	/* A20 is open */
}

/* Linux's i8042 probe: flush, self-test, mode byte back and forth, AUX loop; then no keyboard. */
static void test_i8042(void **state)
{
	u8 mode;

	setup();
	assert_int_equal(in(0x64, 1) & 0x03, 0);
	out(0x64, 1, 0xaa);
	assert_int_equal(in(0x64, 1) & 0x01, 1);
	assert_int_equal(in(0x60, 1), 0x55);
	assert_int_equal(in(0x64, 1) & 0x01, 0);
	out(0x64, 1, 0x20);
	mode = in(0x60, 1);
	out(0x64, 1, 0x60);
	out(0x60, 1, mode | 0x11);
	out(0x64, 1, 0x20);
	assert_int_equal(in(0x60, 1), mode | 0x11);
	out(0x64, 1, 0xd3);
	out(0x60, 1, 0xa5);
	assert_int_equal(in(0x64, 1) & 0x21, 0x21);
	assert_int_equal(in(0x60, 1), 0xa5);
	out(0x60, 1, 0xf2);			/* "identify" to an absent keyboard */
	assert_int_equal(in(0x64, 1) & 0x41, 0x41);
	assert_int_equal(in(0x60, 1), 0xfe);
	out(0x64, 1, 0xd0);
	assert_int_equal(in(0x60, 1) & 0x03, 0x03);
}

static u32 config_read(u32 address, u16 offset, unsigned size)
{
	out(0xcf8, 4, address);
	return in(0xcfc + offset, size);
}

/* Linux's pci_check_type1(), then its scan of bus 0. */
static void test_pci(void **state)
{
	unsigned found = 0;

	setup();
	out(0xcfb, 1, 0x01);
	out(0xcf8, 4, 0x80000000);
	assert_int_equal(in(0xcf8, 4), 0x80000000);
	assert_int_equal(config_read(0x80000000, 0, 4), 0x12378086);
	assert_int_equal(config_read(0x80000008, 2, 2), 0x0600);
	assert_int_equal(config_read(0x80000800, 0, 4), 0x70008086);
	assert_int_equal(config_read(0x80000808, 2, 2), 0x0601);
	assert_int_equal(config_read(0x8000080c, 2, 1), 0x80);
	assert_int_equal(config_read(0x80000b00, 0, 4), 0x71138086);
	assert_int_equal(config_read(0x80000b08, 2, 2), 0x0680);
	assert_int_equal(config_read(0x80000b40, 0, 4), 0x601);
	for (u32 function = 0; function < 65536; function++)
		found += config_read(0x80000000 | function << 8, 0, 2) != 0xffff;
	assert_int_equal(found, 3);
	assert_int_equal(config_read(0x00000000, 0, 4), 0xffffffff);	/* not enabled */
	/* No base address registers: sizing them finds nothing. */
	for (u32 reg = 0x10; reg < 0x28; reg += 4) {
		out(0xcf8, 4, 0x80000b00 | reg);
		out(0xcfc, 4, 0xffffffff);
		assert_int_equal(in(0xcfc, 4), 0);
	}
	out(0xcf8, 4, 0x80000b3c);
	out(0xcfc, 1, 10);
	assert_int_equal(in(0xcfc, 4), 0x10a);
	assert_int_equal(in(0xcfe, 4) >> 16, 0xffff);
	out(0xcf8, 4, 0x80000000);
	out(0xcfc, 4, 0);
	assert_int_equal(in(0xcfc, 4), 0x12378086);
	out(0xcf8, 4, 0x800000fc);
	assert_int_equal(in(0xcff, 4), 0xffffff00);
	assert_int_equal(seen.nr_power, 0);
}

static u64 fwcfg_item(u16 key, unsigned bytes)
{
	u64 value = 0;

	out(0x510, 2, key);
	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)in(0x511, 1) << 8 * i;
	return value;
}

static void test_fwcfg(void **state)
{
	setup();
	assert_int_equal(fwcfg_item(0x00, 4), 0x554d4551);
	assert_int_equal(in(0x511, 1), 0);
	assert_int_equal(fwcfg_item(0x01, 4), 3);	/* and DMA */
	assert_int_equal(fwcfg_item(0x03, 8), (256ull << 20) + (1ull << 30));
	assert_int_equal(fwcfg_item(0x05, 2), 2);
	assert_int_equal(fwcfg_item(0x0f, 2), 2);
	assert_int_equal(fwcfg_item(0x19, 4), 0x01000000);	/* one file */
	assert_int_equal(fwcfg_item(0x8000, 4), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(in(0x511, 1), 0);
}

static void test_pm(void **state)
{
	u64 second = 1000000000;

	setup();
	assert_int_equal(board_io_read(&board, 0, 0x608, 4, 0), 0);
	assert_int_equal(board_io_read(&board, 0, 0x608, 4, second), 3579545);
	assert_int_equal(board_io_read(&board, 0, 0x608, 4, 10 * second), 35795450 & 0xffffff);
	assert_int_equal(in(0x604, 2), 0x0001);			/* SCI_EN */
	/* The timer's top bit changes every 2^23 ticks: TMR_STS, and an SCI if enabled. */
	assert_int_equal(board_io_read(&board, 0, 0x600, 2, 2 * second), 0);
	assert_int_equal(board_io_read(&board, 0, 0x600, 2, 3 * second), 1);
	board_io_write(&board, 0, 0x600, 2, 0xffff, 3 * second);
	assert_int_equal(board_io_read(&board, 0, 0x600, 2, 3 * second), 0);
	board_io_write(&board, 0, 0x602, 2, 0x0001, 3 * second);
	assert_in_range(pm_next_event(&board.pm), 4686968000ull, 4686970000ull);
	assert_false(board.ioapic.lines & 1 << 9);
	board_tick(&board, 0, 4687000000ull);
	assert_true(board.ioapic.lines & 1 << 9);
	board_io_write(&board, 0, 0x600, 1, 0x01, 4687000000ull);
	assert_false(board.ioapic.lines & 1 << 9);
	board_io_write(&board, 0, 0x602, 2, 0x0100, 4687000000ull);
	board_power_button(&board, 4687000000ull);
	assert_true(board.ioapic.lines & 1 << 9);
	board_io_write(&board, 0, 0x600, 2, 0x0100, 4687000000ull);
	assert_false(board.ioapic.lines & 1 << 9);
	/* Soft-off; another sleep type does nothing. */
	out(0x604, 2, 0x3401);
	assert_int_equal(seen.nr_power, 0);
	out(0x604, 2, 0x2000);
	assert_int_equal(seen.nr_power, 1);
	assert_int_equal(seen.power, BOARD_OFF);
	assert_int_equal(in(0x604, 2) & 0x2000, 0);
}

static void init_pic(void)
{
	static const u16 port[] = { 0x20, 0x21, 0x21, 0x21, 0xa0, 0xa1, 0xa1, 0xa1 };
	static const u8 value[] = { 0x11, 0x30, 0x04, 0x01, 0x11, 0x38, 0x02, 0x01 };

	for (unsigned i = 0; i < 8; i++)
		out(port[i], 1, value[i]);
}

/* The 8259A's way: ExtINT by LINT0 of the boot processor, as firmware leaves it. */
static void test_extint(void **state)
{
	setup();
	init_pic();
	out(0x43, 1, 0x34);
	out(0x40, 1, 0x9c);
	out(0x40, 1, 0x2e);			/* 100 Hz */
	assert_false(board_interrupt_pending(&board, 0));
	assert_in_range(board_next_event(&board, 0), 9999000, 10002000);
	board_tick(&board, 0, board_next_event(&board, 0));
	assert_true(seen.kicks[0] > 0);
	assert_true(board_interrupt_pending(&board, 0));
	assert_false(board_interrupt_pending(&board, 1));
	assert_int_equal(board_interrupt_accept(&board, 1), -1);
	assert_int_equal(board_interrupt_accept(&board, 0), 0x30);
	assert_false(board_interrupt_pending(&board, 0));
	assert_int_equal(board_interrupt_accept(&board, 0), -1);
	out(0x20, 1, 0x20);
}

/* A level-triggered interrupt for an APIC that is off waits until it is switched on, by whichever
 * register. */
static void test_ioapic_waits(void **state)
{
	gpa_t select = GPA(0xfec00000), window = GPA(0xfec00010);

	setup();
	board_mmio_write(&board, 0, select, 4, 0x19, 0);
	board_mmio_write(&board, 0, window, 4, 1u << 24, 0);
	board_mmio_write(&board, 0, select, 4, 0x18, 0);
	board_mmio_write(&board, 0, window, 4, 0x8044, 0);
	out(0x3f9, 1, 0x01);
	assert_true(board_console_input(&board, 'k', 0));
	assert_false(board_interrupt_pending(&board, 1));
	board_mmio_write(&board, 1, GPA(0xfee000f0), 4, 0x1ff, 0);
	assert_int_equal(board_interrupt_accept(&board, 1), 0x44);
	/* And in x2APIC mode, after having been off. */
	setup();
	assert_true(board_wrmsr(&board, 1, 0x1b, 0xfee00000, 0));
	board_mmio_write(&board, 0, select, 4, 0x19, 0);
	board_mmio_write(&board, 0, window, 4, 1u << 24, 0);
	board_mmio_write(&board, 0, select, 4, 0x18, 0);
	board_mmio_write(&board, 0, window, 4, 0x8044, 0);
	out(0x3f9, 1, 0x01);
	assert_true(board_console_input(&board, 'k', 0));
	assert_true(board_wrmsr(&board, 1, 0x1b, 0xfee00800, 0));
	assert_true(board_wrmsr(&board, 1, 0x1b, 0xfee00c00, 0));
	assert_int_equal(board_interrupt_accept(&board, 1), -1);
	assert_true(board_wrmsr(&board, 1, 0x80f, 0x1ff, 0));
	assert_int_equal(board_interrupt_accept(&board, 1), 0x44);
}

/* The I/O APIC's way, to the second vCPU: the UART's IRQ 4, then EOI. */
static void test_ioapic_path(void **state)
{
	gpa_t select = GPA(0xfec00000), window = GPA(0xfec00010);
	u64 value;

	setup();
	board_mmio_write(&board, 1, GPA(0xfee000f0), 4, 0x1ff, 0);
	board_mmio_write(&board, 0, select, 4, 0x19, 0);
	board_mmio_write(&board, 0, window, 4, 1u << 24, 0);
	board_mmio_write(&board, 0, select, 4, 0x18, 0);
	board_mmio_write(&board, 0, window, 4, 0x44, 0);
	out(0x3f9, 1, 0x01);
	assert_true(board_console_input(&board, 'k', 0));
	assert_true(seen.kicks[1] > 0);
	assert_true(board_interrupt_pending(&board, 1));
	assert_false(board_interrupt_pending(&board, 0));
	assert_int_equal(board_interrupt_accept(&board, 1), 0x44);
	assert_int_equal(in(0x3f8, 1), 'k');
	assert_true(board_mmio_read(&board, 1, GPA(0xfee00120), 4, 0, &value));
	assert_int_equal(value, 0x10);
	assert_true(board_mmio_write(&board, 1, GPA(0xfee000b0), 4, 0, 0));
	assert_true(board_mmio_read(&board, 1, GPA(0xfee00120), 4, 0, &value));
	assert_int_equal(value, 0);
	/* IRQ 0 comes in at pin 2. */
	board_mmio_write(&board, 0, select, 4, 0x14, 0);
	board_mmio_write(&board, 0, window, 4, 0x45, 0);
	out(0x43, 1, 0x30);
	out(0x40, 1, 0x10);
	out(0x40, 1, 0x00);
	board_tick(&board, 0, 1000000);
	assert_int_equal(board_interrupt_accept(&board, 0), 0x45);
}

/* Each vCPU has its own page and may move it; x2APIC mode has none. */
static void test_apic_page(void **state)
{
	u64 value;

	setup();
	assert_true(board_mmio_read(&board, 1, GPA(0xfee00020), 4, 0, &value));
	assert_int_equal(value, 1u << 24);
	assert_true(board_wrmsr(&board, 1, 0x1b, 0xd0000800, 0));
	assert_false(board_mmio_read(&board, 1, GPA(0xfee00020), 4, 0, &value));
	assert_true(board_mmio_read(&board, 1, GPA(0xd0000020), 4, 0, &value));
	assert_true(board_mmio_read(&board, 0, GPA(0xfee00020), 4, 0, &value));
	assert_true(board_rdmsr(&board, 0, 0x1b, 0, &value));
	assert_int_equal(value, 0xfee00900);
	assert_true(board_wrmsr(&board, 0, 0x1b, 0xfee00d00, 0));
	assert_false(board_mmio_read(&board, 0, GPA(0xfee00020), 4, 0, &value));
	assert_true(board_rdmsr(&board, 0, 0x803, 0, &value));
	assert_false(board_rdmsr(&board, 0, 0x1c, 0, &value));
	board_set_tpr(&board, 0, 0x50);
	assert_true(board_rdmsr(&board, 0, 0x808, 0, &value));
	assert_int_equal(value, 0x50);
	assert_int_equal(board_tpr(&board, 0), 0x50);
}

static u64 random_gpa(void)
{
	static const u64 pages[] = { 0xfee00000, 0xfec00000, 0xd0000000, 0xfee01000 };

	return pages[random() % 4] + random() % 4096;
}

static void random_step(unsigned vcpu, u64 now)
{
	static const u16 near[] = {
		0x20, 0xa0, 0x40, 0x60, 0x70, 0x92, 0xe9, 0xf4, 0x3f8, 0x4d0, 0x510, 0x600, 0xcf8, 0xcfc,
	};
	u16 port = random() % 16 ? near[random() % ARRAY_SIZE(near)] + random() % 8 - 2 : random();
	unsigned size = 1u << random() % 3;
	u64 value;

	switch (random() % 8) {
	case 0: case 1:
		board_io_write(&board, vcpu, port, size, random(), now);
		break;
	case 2:
		value = board_io_read(&board, vcpu, port, size, now);
		assert_true(size == 4 || value >> 8 * size == 0);
		break;
	case 3:
		board_mmio_write(&board, vcpu, GPA(random_gpa()), 1u << random() % 4, random(), now);
		break;
	case 4:
		board_mmio_read(&board, vcpu, GPA(random_gpa()), 1u << random() % 4, now, &value);
		break;
	case 5:
		board_wrmsr(&board, vcpu, random() % 4 ? 0x800 + random() % 0x100 : 0x1b,
			    random() % 2 ? random() : 0xfee00800, now);
		break;
	case 6:
		if (board_interrupt_pending(&board, vcpu))
			assert_true(board_interrupt_accept(&board, vcpu) >= 0);
		break;
	default:
		board_console_input(&board, random(), now);
	}
}

static void test_random(void **state)
{
	u64 now = 0;

	srandom(7);
	setup();
	for (unsigned i = 0; i < 1000000; i++) {
		now += random() % 1000000;
		random_step(random() & 1, now);
		if (random() % 4 == 0) {
			board_tick(&board, 0, now);
			assert_true(board_next_event(&board, 0) > now);
		}
		assert_int_equal(board.lock.held, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unclaimed), cmocka_unit_test(test_quick_reads), cmocka_unit_test(test_apic_ahead),
		cmocka_unit_test(test_pm_moved),
		cmocka_unit_test(test_wide_access), cmocka_unit_test(test_straddling),
		cmocka_unit_test(test_debug_ports), cmocka_unit_test(test_resets),
		cmocka_unit_test(test_i8042), cmocka_unit_test(test_pci), cmocka_unit_test(test_fwcfg),
		cmocka_unit_test(test_pm), cmocka_unit_test(test_extint),
		cmocka_unit_test(test_ioapic_path), cmocka_unit_test(test_ioapic_waits),
		cmocka_unit_test(test_apic_page), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
