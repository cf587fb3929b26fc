/* SPDX-License-Identifier: GPL-2.0-only */
/* The loop in which a host CPU runs a vCPU. */
#pragma once

#include "vcpu/vcpu.h"

/* Runs `v` on this CPU until its guest has ended. */
void vcpu_run(struct vcpu *v);

/* For all CPUs, once: what the host's interrupts do to the vCPU that runs where they come in. */
void vcpu_run_init(void);
