/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end: a report on COM1 and on the screen, then halt or reset. Also behind assert_failed()
 * (include/assert.h) and behind exceptions that nobody expects (panic_trap(), trap.h).
 */
#pragma once

#include "include/types.h"

/* Reports `format` and everything that is known, stops all CPUs. Works from the first line of C on.
 */
noreturn_fn printf_like(1, 2) void panic(const char *format, ...);

/* From now on an NMI that nobody expects panics; `reset` is called after a panic's report, NULL:
 * the machine halts. To be called after trap_init(). */
void panic_init(void (*reset)(void));

/* From now on `stop` is called at the start of a panic: it sends an NMI to every other CPU, which
 * halts there because a panic is on. Call it once the other CPUs may be running. */
void panic_set_stop_others(void (*stop)(void));

/* Set by vcpu/: prints the vCPU that this CPU runs and its last exits, by kprintf(). Not set: there
 * is none. It runs with every lock broken, so it must take none but the console's. */
extern void (*panic_vcpu_report)(void);
