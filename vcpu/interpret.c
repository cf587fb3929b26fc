/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See interpret.h. Pure: instructions and events are the emulator's, what a mode means is
 * registers.c's. One step is: what waits is delivered, else one instruction is executed (SDM
 * vol. 3A, "Priority Among Concurrent Events").
 */
#include "vcpu/interpret.h"

#include "vcpu/code.h"
#include "vcpu/cpu_state.h"
#include "vcpu/emulation.h"
#include "vcpu/events.h"
#include "vcpu/vm.h"

/* Steps between two looks at the host's interrupts; an exit of the hardware takes as long as one or
 * two. */
#define SHARE	256

/* The exit record of an instruction that made no exit. */
static void begin_step(struct vcpu *v)
{
	v->count[EXIT_STEP].exits++;
	v->exit.head = 0;
	v->exit.kind = EXIT_STEP;
	code_moved(v);
}

static enum handled step(struct vcpu *v)
{
	struct event event = v->handed;

	begin_step(v);
	if (event.type == EVENT_NONE)
		return emulate_one(v);
	v->handed.type = EVENT_NONE;
	return emulate_delivery(v, &event);
}

/* Does anything else than what comes after each step wait? */
static bool is_wanted(const struct vcpu *v)
{
	return __atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) & ~(u32)(REQUEST_EVENT | REQUEST_FLUSH);
}

bool interpret(struct vcpu *v)
{
	for (unsigned i = 0; i < SHARE && !is_wanted(v); i++) {
		if (!events_prepare(v)) {
			vm_kill(v, WHY_TRIPLE_FAULT);
			return false;
		}
		/* An event that is to be delivered is delivered here, whatever comes after it. */
		if (v->handed.type == EVENT_NONE && v->backend->can_run(v)) {
			v->interprets = false;
			vcpu_request(v, REQUEST_FLUSH | REQUEST_EVENT);
			return true;
		}
		if (step(v) == HANDLED_KILL)
			return false;
		if (v->cur->activity != ACTIVITY_ACTIVE)
			return true;	/* what wakes it up asks for more */
	}
	cpu_take_interrupts();
	vcpu_request(v, REQUEST_EVENT);
	return true;
}
