/* SPDX-License-Identifier: GPL-2.0-only */
/* What a person is told of a vCPU: when its guest was ended, and in a panic. */
#pragma once

#include "vcpu/vcpu.h"

/* Registers, the instruction at RIP and how its address is translated, the last exits. Of a vCPU
 * that isn't in its guest. */
void report_vcpu(struct vcpu *v);

/* Of a killed guest whose vCPUs have all stopped: a line for each but the guilty one. */
struct vm;
void report_others(const struct vm *vm);

/* The last exits of the vCPU on this CPU, and where the other CPUs' vCPUs are, for panic(). */
void report_panic(void);

/* One line: how many exits of each kind there were, and what they cost. */
void report_exits(const struct vcpu *v);
