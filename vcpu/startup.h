/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a vCPU comes to run: its state after power-on, INIT and a start-up IPI (SDM vol. 3A,
 * "Processor State After Reset", "Multiple-Processor (MP) Initialization"). Any CPU notes them,
 * the vCPU's own CPU carries them out, before its next entry.
 */
#pragma once

#include "vcpu/vcpu.h"

/* What waits in vcpu->startup: bits, and the vector of a start-up IPI in the low eight. */
#define STARTUP_VECTOR	0xffu
#define STARTUP_INIT	BIT(8)	/* an INIT is to be carried out */
#define STARTUP_SIPI	BIT(9)	/* then a start-up IPI */
#define STARTUP_WAITS	BIT(10)	/* for a start-up IPI, now or after that INIT; without it none counts */

/* The context after power-on. vCPU 0 is to run; others wait for a start-up IPI. */
void startup_power_on(struct vcpu *v);

/* Notes an INIT: what was noted before is void. The caller kicks with REQUEST_STARTUP. */
void startup_note_init(struct vcpu *v);

/* Notes a start-up IPI. False: the vCPU doesn't wait for one, or has got it already. */
bool must_check startup_note_sipi(struct vcpu *v, u8 vector);

/* Carries out what was noted, on the vCPU's own CPU and outside its guest. An INIT of vCPU 0 ends
 * the guest as a reset: it would go on in the firmware, and a guest has none. */
void startup_carry_out(struct vcpu *v);
