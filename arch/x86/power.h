/* SPDX-License-Identifier: GPL-2.0-only */
/* Switching the machine off, and starting it again. Both work on any CPU and at any time, in a
 * panic too. */
#pragma once

#include "include/types.h"

/* Asks the firmware's registers to switch off. Returns if the machine has no way that works. */
void machine_power_off(void);

void noreturn_fn machine_reset(void);
