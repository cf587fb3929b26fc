/* SPDX-License-Identifier: GPL-2.0-only */
/* From modules to running guests, and until the last one has ended. */
#pragma once

#include "boot/options.h"
#include "include/bootinfo.h"

/* Makes and starts every guest that the modules describe, one host CPU for each, and returns when
 * all have ended. What can't be started is refused with a sentence, and the others go on. NULL, or
 * a sentence that says why this machine can't run guests at all. */
const char *must_check guests_run(const struct boot_info *boot, bool report_exits, bool compare_host);

/* For the option fail-alloc: each guest is made with each of its allocations failing first, and it is
 * said what was lost. To be called before guests_run(). */
void guests_fail_allocations(void);

/* For the option crash-at=input: the first key typed while a guest runs crashes the CPU that takes
 * it (the one that booted), in the way given. To be called before guests_run(). */
void guests_crash_at_input(enum forced_crash how);
