/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest in bytes: each few of them are an access to the board, a step of time or something
 * that its surroundings do. After every step what must always hold is checked, by abort(). For the
 * fuzzer (tests/fuzz/fuzz_devices.c) and the fixed random programs (tests/host/test_devices.c).
 */
#pragma once

#include "devices/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM_VCPUS	3u

struct program {
	const u8 *at, *end;
	u64 now;
	struct board board;
	unsigned calls;		/* of the board's operations, in one step */
};

#define REQUIRE(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
		abort(); \
	} } while (0)

/* ---- what the board calls ---- */

static void program_call(void *ctx)
{
	struct program *p = ctx;

	/* The work of one access is bounded: a handful of interrupts for each vCPU. */
	p->calls++;
	REQUIRE(p->calls < 1000);
}

static void program_console_out(void *ctx, const u8 *bytes, size_t n)
{
	REQUIRE(n <= 16);
	program_call(ctx);
}

static void program_debug_out(void *ctx, u8 byte)
{
	program_call(ctx);
}

static void program_power(void *ctx, enum board_power what, u32 value)
{
	program_call(ctx);
}

static void program_kick(void *ctx, unsigned vcpu)
{
	REQUIRE(vcpu < PROGRAM_VCPUS);
	program_call(ctx);
}

static void program_apic_event(void *ctx, unsigned vcpu, enum apic_delivery delivery, u8 vector)
{
	REQUIRE(vcpu < PROGRAM_VCPUS);
	REQUIRE(delivery == APIC_NMI || delivery == APIC_INIT || delivery == APIC_STARTUP);
	program_call(ctx);
}

/* A TSC of 2 GHz. */
static u64 program_tsc_to_ns(void *ctx, unsigned vcpu, u64 tsc)
{
	REQUIRE(vcpu < PROGRAM_VCPUS);
	return tsc >> 63 ? CLOCK_NEVER : tsc / 2;
}

/* Whatever the program's next bytes are stands in memory, of which there are 256 MiB. */
static bool program_copy(void *ctx, gpa_t at, void *bytes, size_t size, bool to_guest)
{
	struct program *p = ctx;

	program_call(ctx);
	REQUIRE(size <= 4096);
	if (at.v >= 256ull << 20 || size > (256ull << 20) - at.v)
		return false;
	for (size_t i = 0; i < size && !to_guest; i++)
		((u8 *)bytes)[i] = p->at < p->end ? *p->at++ : 0;
	return true;
}

static const struct board_ops program_ops = {
	.console_out = program_console_out, .debug_out = program_debug_out, .power = program_power,
	.kick = program_kick, .apic_event = program_apic_event, .tsc_to_ns = program_tsc_to_ns,
	.copy_memory = program_copy,
};

/* ---- what always holds ---- */

static int program_highest(const u32 *words)
{
	for (int v = 255; v >= 0; v--)
		if (words[v / 32] >> v % 32 & 1)
			return v;
	return -1;
}

/* SDM vol. 3A, "Task and Processor Priorities": PPR[7:4] is the larger of TPR[7:4] and ISRV[7:4];
 * PPR[3:0] is TPR[3:0] if TPR's class is not below, else 0. */
static void check_lapic(const struct lapic *lapic)
{
	int served = program_highest(lapic->isr.word), wanted = program_highest(lapic->irr.word);
	unsigned isrv = served < 0 ? 0 : served, ppr = isrv & 0xf0;

	if (lapic->tpr >> 4 >= isrv >> 4)
		ppr = lapic->tpr;
	REQUIRE(lapic->ppr == ppr);
	REQUIRE(lapic->tpr <= 255);
	REQUIRE(lapic_pending(lapic) == (wanted >= 0 && wanted >> 4 > (int)ppr >> 4 ? wanted : -1));
	REQUIRE(!(lapic->irr.word[0] & 0xffff) && !(lapic->isr.word[0] & 0xffff));
	REQUIRE(lapic->timer_owed <= CLOCK_MOST_OWED);
	/* "When it is disabled in software, the mask bits of all LVT entries are set." */
	for (unsigned i = 0; i < NR_LVT; i++)
		REQUIRE((lapic->svr & APIC_SVR_ENABLE) || (lapic->lvt[i] & APIC_LVT_MASKED));
	if (!(lapic->base & APIC_BASE_ENABLE))
		REQUIRE(!(lapic->base & APIC_BASE_X2APIC));
}

/* 82093AA: a level-triggered pin that is high and not masked has been accepted, or waits for that. */
static void check_ioapic(const struct ioapic *ioapic)
{
	for (unsigned pin = 0; pin < IOAPIC_NR_PINS; pin++) {
		u64 entry = ioapic->entry[pin];
		bool level = (entry >> 15 & 1) && (entry >> 8 & 7) <= 1, masked = entry >> 16 & 1;
		bool remote = entry >> 14 & 1, waits = ioapic->waiting >> pin & 1;
		bool high = ioapic->lines >> pin & 1;

		REQUIRE(!remote || level);
		REQUIRE(!(remote && waits));
		REQUIRE(waits == (level && high && !masked && !remote));
	}
}

static void check_board(struct program *p)
{
	const struct board *board = &p->board;
	u8 rtc_c = board->rtc.cmos[12];

	for (unsigned i = 0; i < PROGRAM_VCPUS; i++)
		check_lapic(&board->lapic[i]);
	check_ioapic(&board->ioapic);
	/* Lines are what their devices say: IRQF of register C, SCI of status and enable. */
	REQUIRE((board->pic.chip[1].lines & 1) == rtc_c >> 7);
	REQUIRE(rtc_c >> 7 == !!(rtc_c & board->rtc.cmos[11] & 0x70));
	REQUIRE((board->pic.chip[1].lines >> 1 & 1) == !!(board->pm.status & board->pm.enable));
	REQUIRE(board->lapic[0].lint[0] == pic_output(&board->pic));
	REQUIRE(board_devices_next_event(board) ==
		MIN(MIN(pit_next_event(&board->pit), rtc_next_event(&board->rtc)),
		    MIN(uart_next_event(&board->uart), pm_next_event(&board->pm))));
	REQUIRE(board->uart.rx_count <= (board->uart.fcr & 1 ? 16 : 1));
	REQUIRE(board->pit.owed <= CLOCK_MOST_OWED && board->rtc.owed <= CLOCK_MOST_OWED);
	for (unsigned i = 0; i < 3; i++)
		REQUIRE(board->pit.channel[i].reload <= 65536);
	p->calls = 0;
}

/* ---- the bytes ---- */

static u64 take(struct program *p, unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes && p->at < p->end; i++)
		value |= (u64)*p->at++ << 8 * i;
	return value;
}

/* Each port that somebody claims, and its neighbours; or any. */
static u16 take_port(struct program *p)
{
	static const u16 ports[] = {
		0x1f, 0x20, 0x21, 0x22, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x5f, 0x60, 0x61, 0x62,
		0x63, 0x64, 0x65, 0x70, 0x71, 0x72, 0x80, 0x91, 0x92, 0x93, 0xa0, 0xa1, 0xe9, 0xf3,
		0xf4, 0xf7, 0x3f7, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x4d0,
		0x4d1, 0x50f, 0x510, 0x511, 0x512, 0x513, 0x514, 0x516, 0x518, 0x51a, 0x51b, 0x51c,
		0x5fe, 0x5ff, 0x600, 0x601, 0x602, 0x604, 0x605, 0x607, 0x608, 0x609, 0x60b, 0x63d,
		0x63e, 0x63f, 0x640, 0xcf7, 0xcf8, 0xcf9, 0xcfa, 0xcfb, 0xcfc, 0xcfd, 0xcfe, 0xcff,
		0xd00, 0xffff,
	};
	unsigned n = take(p, 1);

	return n < ARRAY_SIZE(ports) ? ports[n] : n == 255 ? take(p, 2) : ports[n % ARRAY_SIZE(ports)];
}

/* A register of an APIC's page, aligned or not. */
static gpa_t take_address(struct program *p)
{
	unsigned n = take(p, 1), kind = take(p, 1);
	u64 page = kind & 0x80 ? 0xfec00000 : 0xfee00000;
	u64 offset = kind & 0x40 ? (n << 4 | (kind & 15)) & 0xfff : (n << 4) & 0xfff;

	if (kind & 0x80 && !(kind & 0x40))
		offset = n & 1 ? 0x10 : 0x00;
	return GPA(page + offset);
}

static u32 take_msr(struct program *p)
{
	unsigned n = take(p, 1);

	return n < 0x40 ? 0x800 + n : n < 0x80 ? 0x6e0 : n < 0xc0 ? 0x1b : 0x800 + n;
}

/* From nanoseconds to a century; the sum stays below 2^62. */
static void advance(struct program *p)
{
	unsigned n = take(p, 1), scale = take(p, 1) % 8;
	static const u64 unit[8] = { 1, 100, 838, 10000, 1000000, 50000000, 1000000000, 1000000000000000 };

	if (p->now < 1ull << 61)
		p->now += n * unit[scale];
}

static u64 program_next(struct program *p)
{
	u64 next = board_devices_next_event(&p->board);

	for (unsigned i = 0; i < PROGRAM_VCPUS; i++)
		next = MIN(next, board_next_event(&p->board, i));
	return next;
}

/* Each vCPU's CPU sees to its own. */
static void program_tick(struct program *p)
{
	for (unsigned i = 0; i < PROGRAM_VCPUS; i++) {
		board_tick(&p->board, i, p->now);
		REQUIRE(board_next_event(&p->board, i) > p->now);
	}
}

static void to_next_event(struct program *p)
{
	u64 next = program_next(p);

	if (next < 1ull << 62 && next > p->now)
		p->now = next;
	program_tick(p);
}

static void program_step(struct program *p)
{
	unsigned op = take(p, 1), vcpu = (op >> 4) % PROGRAM_VCPUS, size = 1u << (op >> 6) % 3;
	u16 port;
	u64 value;
	gpa_t at;

	switch (op & 15) {
	case 0:
		REQUIRE(board_io_read_quick(&p->board, take_port(p)) <= 0xff);
		break;
	case 1:
		value = board_io_read(&p->board, vcpu, take_port(p), size, p->now);
		REQUIRE(size == 4 || value < 1ull << 8 * size);
		break;
	case 2: case 3: case 4:
		port = take_port(p);
		board_io_write(&p->board, vcpu, port, size, take(p, size), p->now);
		break;
	case 5:
		at = take_address(p);
		size = 1u << (op >> 6);
		if (board_mmio_read(&p->board, vcpu, at, size, p->now, &value))
			REQUIRE(size == 8 || value < 1ull << 8 * size);
		break;
	case 6: case 7: case 8:
		at = take_address(p);
		board_mmio_write(&p->board, vcpu, at, op & 8 ? 1u << (op >> 6) : 4, take(p, 4), p->now);
		break;
	case 9:
		board_rdmsr(&p->board, vcpu, take_msr(p), p->now, &value);
		break;
	case 10:
		value = take_msr(p);
		board_wrmsr(&p->board, vcpu, value, take(p, op >> 7 ? 8 : 4), p->now);
		break;
	case 11:
		advance(p);
		break;
	case 12:
		to_next_event(p);
		break;
	case 13:
		program_tick(p);
		break;
	case 14:
		value = board_interrupt_pending(&p->board, vcpu);
		REQUIRE((board_interrupt_accept(&p->board, vcpu) >= 0) == value);
		break;
	default:
		if (op & 0x80)
			board_console_input(&p->board, take(p, 1), p->now);
		else if (op & 0x40)
			board_set_tpr(&p->board, vcpu, take(p, 1));
		else if (take(p, 1) & 1)
			board_apic_init(&p->board, vcpu);
		else
			board_power_button(&p->board, p->now);
	}
	check_board(p);
}

/* The whole program, on a fresh board. `merge`: with ticks=merge. */
static inline void program_run(const u8 *bytes, size_t size, bool merge)
{
	static struct program p;

	p.at = bytes;
	p.end = bytes + size;
	p.now = 0;
	p.calls = 0;
	memset(&p.board, 0xa5, sizeof(p.board));
	board_init(&p.board, &(struct board_config){
		.memory_below_4g = 256ull << 20, .memory_above_4g = 1ull << 30,
		.nr_vcpus = PROGRAM_VCPUS, .unix_time = 1700000000, .merge_ticks = merge,
		.ops = &program_ops, .ctx = &p,
	});
	check_board(&p);
	while (p.at < p.end)
		program_step(&p);
}
