/* SPDX-License-Identifier: GPL-2.0-only */
/* What a person is told of a vCPU: when its guest was ended, and in a panic. */
#pragma once

#include "vcpu/vcpu.h"

/* Registers, the instruction at RIP and how its address is translated, the last exits. Of a vCPU
 * that isn't in its guest. */
void report_vcpu(struct vcpu *v);

/* The last exits of the vCPU on this CPU, for panic(). */
void report_panic(void);

/* One line: how many exits of each kind there were, and what they cost. */
void report_exits(const struct vcpu *v);
