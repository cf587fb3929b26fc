/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interpretation: where the hardware can't run a guest as it stands (real mode on a CPU that knows
 * only guests with paging, and the steps from there into protected mode), its instructions are
 * carried out by the emulator, one after the other, and its events are delivered by it too.
 */
#pragma once

#include "vcpu/vcpu.h"

/* The mode has changed: from the next look at the requests on the guest is interpreted, as long as
 * the backend can't run it. */
static inline void interpret_from_here(struct vcpu *v)
{
	v->interprets = v->backend->can_run != NULL;
}

/*
 * Carries out instructions and delivers events until the hardware can run the guest, something is
 * asked of the vCPU, or a share of work is done; then a request says that there is more. Called with
 * v->interprets and the context active. False: the guest has ended.
 */
bool must_check interpret(struct vcpu *v);
