/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A look at this CPU's own MSRs before and after guests ran, for check-host: no guest may change
 * one. TSC_AUX is left out, because it is the guest's for as long as the guest has the CPU
 * (docs/vcpu.md), and so are counters and the timer's deadline.
 */
#pragma once

#include "include/types.h"

#define HOST_MSRS_MAX 24

struct host_msrs {
	u64 value[HOST_MSRS_MAX];
	u32 present;		/* a bit each: others raise #GP here */
};

/* Fills `m` with what this CPU's MSRs hold now. */
void host_msrs_read(struct host_msrs *m);

/* The number of MSRs that differ. Each is handed to `tell` with its name, if `tell` isn't NULL;
 * one that is there in one of the two only counts as 0 in the other. */
unsigned host_msrs_compare(const struct host_msrs *before, const struct host_msrs *after,
			   void (*tell)(const char *name, u64 before, u64 after));
