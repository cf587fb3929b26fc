/* SPDX-License-Identifier: GPL-2.0-only */
/* The backends of this binary: which one drives this machine, and what it has. */
#pragma once

#include "vcpu/vcpu.h"

/* All of them; NULL ends the list. A CPU has one at most. */
extern const struct vcpu_backend *const backends[];

/* Finds the CPU's, and switches it on on every CPU, one after the other. NULL, or a sentence that says
 * why this machine can't run guests. Once, on the boot CPU. */
const char *must_check backend_start(const struct vcpu_backend **backend);

/* Calls `print` with one line or two: tags, features, and what the probe guest measured. */
void capabilities_print(const struct vcpu_backend *b, void (*print)(const char *line));
