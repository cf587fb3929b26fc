/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All devices of one VM, wired as on a PC: the only thing that the vCPU floor sees. Owns the
 * devices, the port and MMIO dispatch, and a lock that every function here takes unless it says
 * otherwise.
 *
 *	      PIT  UART  RTC  PM  i8042
 *	       |     |    |    |    |
 *	    8259A pair        IOAPIC (IRQ 0 at pin 2)
 *	       | INTR            | messages
 *	   LINT0 of vCPU 0's -- LAPICs --- vCPUs
 */
#pragma once

#include "devices/fwcfg.h"
#include "devices/i8042.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "devices/pci.h"
#include "devices/pic.h"
#include "devices/pit.h"
#include "devices/pm.h"
#include "devices/rtc.h"
#include "devices/uart.h"
#include "lib/spinlock.h"

#define BOARD_MAX_VCPUS	32u

enum board_power {
	BOARD_OFF,		/* ACPI S5 */
	BOARD_RESET,		/* any of the reset lines */
	BOARD_DEBUG_EXIT,	/* QEMU's isa-debug-exit, with the value written */
};

/* Called with the board's lock held: they take note and return, and never call the board. */
struct board_ops {
	void (*console_out)(void *ctx, const u8 *bytes, size_t n);
	void (*debug_out)(void *ctx, u8 byte);
	void (*power)(void *ctx, enum board_power what, u32 value);
	/* What board_interrupt_pending() says of this vCPU may have changed. */
	void (*kick)(void *ctx, unsigned vcpu);
	/* An INIT (to be carried out by the vCPU, board_apic_init() included), a start-up IPI
	 * (vector << 12 is the start) or an NMI. */
	void (*apic_event)(void *ctx, unsigned vcpu, enum apic_delivery delivery, u8 vector);
	/* The guest time in ns at which this vCPU's TSC reaches `tsc`, 0 if that is past. */
	u64 (*tsc_to_ns)(void *ctx, unsigned vcpu, u64 tsc);
	/* A device's own access to guest memory (fwcfg.h). */
	fwcfg_copy *copy_memory;
};

struct board_config {
	u64 memory_below_4g, memory_above_4g;	/* bytes */
	unsigned nr_vcpus;			/* 1 to BOARD_MAX_VCPUS */
	u64 unix_time;				/* seconds, at guest time `now` */
	u64 now;
	bool merge_ticks;			/* periodic interrupts that the host missed: one for all */
	const struct board_ops *ops;		/* lives as long as the board */
	void *ctx;
};

struct board {
	struct spinlock lock;
	unsigned nr_vcpus;
	struct pic pic;
	struct pit pit;
	struct uart uart;
	struct rtc rtc;
	struct pm pm;
	struct i8042 i8042;
	struct pci pci;
	struct fwcfg fwcfg;
	u64 devices_next;	/* the earliest deadline of all devices but the LAPICs */
	struct ioapic ioapic;
	u8 port_92, reset_control;
	const struct board_ops *ops;
	void *ctx;
	struct lapic lapic[BOARD_MAX_VCPUS];
};

/* Power-on state as firmware leaves it; also how a guest is reset. */
void board_init(struct board *board, const struct board_config *config);

/* IN and OUT of 1, 2 or 4 bytes by `vcpu`. What no device claims reads as all ones; wider accesses
 * to 8-bit devices go to consecutive ports. */
u32 board_io_read(struct board *board, unsigned vcpu, u16 port, unsigned size, u64 now);
void board_io_write(struct board *board, unsigned vcpu, u16 port, unsigned size, u32 value,
		    u64 now);

/* The same as board_io_read() of a byte where no device needs the time for it, and where it changes
 * nothing that board_next_event() says. -1: this one does, and is for board_io_read(). */
int board_io_read_quick(struct board *board, u16 port);

/* Memory access of 1, 2, 4 or 8 bytes within one page by `vcpu`. False: no device is there, and the
 * caller reads all ones. */
bool board_mmio_read(struct board *board, unsigned vcpu, gpa_t at, unsigned size, u64 now,
		     u64 *value);
bool board_mmio_write(struct board *board, unsigned vcpu, gpa_t at, unsigned size, u64 value,
		      u64 now);

/* The APIC's MSRs (lapic.h); false = #GP(0). */
bool board_rdmsr(struct board *board, unsigned vcpu, u32 msr, u64 now, u64 *value);
bool board_wrmsr(struct board *board, unsigned vcpu, u32 msr, u64 value, u64 now);

/* The vCPU's TSC was given another value: its timer's deadline has moved, and board_next_event()
 * with it. */
void board_tsc_changed(struct board *board, unsigned vcpu);

/* Let time pass for `vcpu`'s LAPIC, and with vCPU 0 for all other devices. */
void board_tick(struct board *board, unsigned vcpu, u64 now);

/* When board_tick() has something to do: guest time in ns, or CLOCK_NEVER. Take no lock. The first
 * is for the devices that are not LAPICs. */
static inline u64 board_devices_next_event(const struct board *board)
{
	return __atomic_load_n(&board->devices_next, __ATOMIC_RELAXED);
}

static inline u64 board_next_event(const struct board *board, unsigned vcpu)
{
	u64 next = lapic_next_event(&board->lapic[vcpu]);

	return vcpu ? next : MIN(next, board_devices_next_event(board));
}

/* The same two for `vcpu`'s LAPIC alone, which may so be brought to the moment of its timer a little
 * before that has come, if its vCPU doesn't run until then. */
static inline u64 board_apic_next_event(const struct board *board, unsigned vcpu)
{
	return lapic_next_event(&board->lapic[vcpu]);
}

void board_apic_tick(struct board *board, unsigned vcpu, u64 now);

/* `vcpu` carries out an INIT: its LAPIC is as after power-on, but for the ID and IA32_APIC_BASE. */
void board_apic_init(struct board *board, unsigned vcpu);

/* Take the interrupt that is to be delivered to `vcpu`: its vector, or -1 if there is none any
 * more. */
int board_interrupt_accept(struct board *board, unsigned vcpu);

/* A byte typed at the console; false = no room, try again when the guest has run. */
bool board_console_input(struct board *board, u8 byte, u64 now);

/* Press the power button. */
void board_power_button(struct board *board, u64 now);

/* CR8 (bits 7:4) or all of TPR, written by the vCPU itself. */
void board_set_tpr(struct board *board, unsigned vcpu, u8 tpr);

static inline u8 board_tpr(const struct board *board, unsigned vcpu)
{
	return board->lapic[vcpu].tpr;
}

/* The 8259A's INTR is wired to vCPU 0 alone. */
static inline bool board_pic_pending(const struct board *board, unsigned vcpu)
{
	return !vcpu && board->lapic[0].extint && pic_output(&board->pic);
}

/* Is there an interrupt for `vcpu`, by its LAPIC or by the 8259A? Takes no lock: whoever makes the
 * answer change from another CPU kicks. */
static inline bool board_interrupt_pending(const struct board *board, unsigned vcpu)
{
	const struct lapic *lapic = &board->lapic[vcpu];

	return board_pic_pending(board, vcpu) || lapic_pending(lapic) >= 0;
}
