/* SPDX-License-Identifier: GPL-2.0-only */
/* See work.h: the guests that the modules describe. */
#include "boot/work.h"

#include "boot/crash.h"
#include "boot/guests.h"
#include "console/console.h"

const char *work(const struct boot_info *boot, const struct options *options)
{
	const char *why;

	if (!boot->nr_modules) {
		kprintf("no guest was given; give GRUB a line `module2 FILE guest=NAME,kernel` for one");
		return NULL;
	}
	if (options->fail_alloc)
		guests_fail_allocations();
	if (options->crash_at == CRASH_AT_INPUT)
		guests_crash_at_input(options->crash);
	why = guests_run(boot, options->report_exits, options->check_host);
	if (!why)
		kprintf("all guests have ended; %s", options->stay_at_end ? "staying" : "powering off");
	return why;
}
