/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text out and in: COM1 and, where there is one, the screen. Lines of the hypervisor begin with
 * `plinth: `; what guests write goes out as it is. All of it may be called on every CPU, with
 * interrupts off (as Plinth always runs).
 */
#pragma once

#include "include/bootinfo.h"
#include "include/types.h"
#include "lib/spinlock.h"

/*
 * Finds COM1 and the screen and sets them up. `memory` is where physical address 0, with the 4 GiB
 * from there on, is mapped. What is absent is never written to.
 */
void console_init(const struct boot_info *info, u8 *memory);

/*
 * The memory that the screen is written through, for who makes new page tables: they must map it
 * (uncached or write-combining) and call console_screen_move() with its new address once they hold.
 * False: no screen.
 */
bool must_check console_screen_memory(hpa_t *base, u64 *size);
void console_screen_move(void *memory);

/* Whole lines of the hypervisor, of at most 1000 characters in all: each gets the prefix, the last
 * one a newline if it has none; if the cursor stands behind a guest's unfinished line, a newline
 * goes first. */
printf_like(1, 2) void kprintf(const char *format, ...);

#define CONSOLE_LINE_SIZE 256	/* longer lines of a guest are broken */

/* The line that a guest is writing: who runs the guest keeps it.
 * Its lock comes before the console's, which a byte alone doesn't take: other guests may be
 * printing. */
struct console_line {
	struct spinlock lock;
	const char *name;	/* NULL: the only guest */
	unsigned used;
	unsigned shown;		/* so many bytes of it have gone out */
	char text[CONSOLE_LINE_SIZE];
};

/* An empty line. */
void console_line_init(struct console_line *line, const char *name);

/*
 * Bytes that a guest wrote. The only guest's go out at once, as they are. Those of one with a name
 * go out by whole lines, each with `[name] ` before it, and by console_guest_pause().
 */
void console_guest_write(struct console_line *line, const u8 *bytes, size_t n);

/* The guest waits, perhaps for somebody who reads its prompt: its unfinished line goes out, and
 * goes on there unless others write meanwhile. */
void console_guest_pause(struct console_line *line);

/* The guest has ended: its unfinished line goes out. */
void console_guest_end(struct console_line *line);

/* Waits until all of it has left the machine, or a UART that is stuck has had its time: what is
 * in its FIFO at a power-off is lost. Takes no lock. */
void console_drain(void);

/* The next byte that came in on COM1, or -1: none has. */
int console_getc(void);

/* Whether COM1 raises its interrupt (ISA IRQ 4) when bytes have come in: off at first. False: there
 * is no COM1. */
bool console_rx_interrupt(bool on);

/* A panic goes on, whoever holds the lock: he may be dead. */
void console_break_lock(void);
