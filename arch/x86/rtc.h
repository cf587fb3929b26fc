/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine's wall clock. */
#pragma once

#include "include/types.h"

/* Seconds since 1970-01-01 00:00 UTC, taking the clock to run in UTC and its century to be the
 * 21st; 0: there is no clock, or it holds nonsense. May take a second's fraction. */
u64 rtc_unix_time(void);
