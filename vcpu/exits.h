/* SPDX-License-Identifier: GPL-2.0-only */
/* Exits: who gets one, what L0 does with it, and the parts of the record that are made on demand. */
#pragma once

#include "vcpu/vcpu.h"

/* For people. Of enum exit_kind. */
const char *exit_name(unsigned kind);

/*
 * Takes v->exit to whoever is to have it, by the routing table, and says how that ended. The way for exits
 * of the hardware and for those that the emulator raises.
 */
enum handled exit_dispatch(struct vcpu *v);

/*
 * Fills in what of v->exit (enum exit_have) isn't there yet: from the hardware if it tells, else by
 * reading and decoding the instruction. False: it can't be had (the instruction is not there any more, as
 * another CPU has changed it); then the guest is to execute it again.
 */
bool must_check exit_need(struct vcpu *v, u32 have);

/* The intercepted instruction is done: RIP behind it, shadows gone, a single step's #DB. Needs EXIT_LENGTH. */
void exit_advance(struct vcpu *v);
