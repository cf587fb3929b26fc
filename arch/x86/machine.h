/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The physical machine as a whole, in the order in which its parts need each other. Each function
 * returns NULL, or a sentence that says what the machine lacks.
 */
#pragma once

#include "include/bootinfo.h"

/* On the boot code's stack and page tables, and trap_init() done: free memory, the final page
 * tables. */
const char *must_check machine_init_memory(const struct boot_info *boot);

/* Leaves the boot code's stack for good and calls `next` on that of CPU 0. */
void noreturn_fn machine_enter(void (*next)(void *arg), void *arg);

/* On CPU 0's own stack: ACPI, interrupt controllers, time, all other CPUs. */
const char *must_check machine_init_devices(const struct boot_info *boot);
