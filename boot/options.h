/* SPDX-License-Identifier: GPL-2.0-only */
/* The hypervisor's own command line: words of the form name or name=value, separated by blanks. */
#pragma once

#include "include/types.h"
#include "vcpu/backend.h"

enum forced_crash {
	CRASH_NONE, CRASH_PF, CRASH_UD, CRASH_GP, CRASH_DF, CRASH_NMI, CRASH_ASSERT, CRASH_STACK,
};

enum crash_moment { CRASH_AT_BOOT, CRASH_AT_INPUT };

struct options {
	bool help;
	bool reboot_on_panic;	/* else it halts */
	bool stay_at_end;	/* else the machine is powered off when all guests have ended */
	bool report_exits;	/* print each guest's exits by kind when it has ended */
	bool check_host;	/* compare the host's MSRs with what they were before the guest */
	bool fail_alloc;	/* make each guest with each of its allocations failing first */
	u8 crash;		/* enum forced_crash */
	u8 crash_at;		/* enum crash_moment */
};

/* Enough for any sentence of options_parse(). */
#define OPTIONS_ERROR_SIZE 512

/*
 * Sets `to` and the backends' features (is_off) from the command line. `backends` ends with NULL; all
 * of them are known, whatever this CPU is, so that one command line does for all machines. False: a
 * word is unknown or has a value that it can't have; then `error`, of `size` bytes, says in one sentence
 * which one, and what is known instead.
 */
bool must_check options_parse(struct options *to, const struct vcpu_backend *const *backends,
			      const char *cmdline, char *error, size_t size);

/* Calls `print` with a line of text for each option there is, and with the features' names. */
void options_help(const struct vcpu_backend *const *backends, void (*print)(const char *line));
