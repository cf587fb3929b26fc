/* SPDX-License-Identifier: GPL-2.0-only */
/* The option crash=: every way down, to see the panic's report. */
#pragma once

#include "boot/options.h"

/* Crashes in the way that is given. Returns only for CRASH_NONE. */
void crash(enum forced_crash how);
