/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry, exit, dispatch, and again; what is asked of a vCPU between exits; halting. Interrupts are
 * off throughout: the physical ones are taken while the guest runs, while the CPU waits, and in the
 * window that an EXTINT exit gets.
 */
#include "vcpu/run.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/percpu.h"
#include "arch/x86/smp.h"
#include "console/console.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "vcpu/events.h"
#include "vcpu/exits.h"
#include "vcpu/handshake.h"
#include "vcpu/interpret.h"
#include "vcpu/registers.h"
#include "vcpu/startup.h"
#include "vcpu/time.h"
#include "vcpu/vm.h"

void handshake_interrupt(struct vcpu *v)
{
	if (v->cpu != this_cpu()->index)
		smp_kick(v->cpu);
}

/* Waiting is nobody's work: the time from exit to entry leaves it out. */
void handshake_sleep(struct vcpu *v)
{
	u64 from = rdtsc(), idle;

	cpu_wait_for_irq();
	idle = rdtsc() - from;
	v->idle += idle;
	v->exit_tsc += idle;
}

/* The host's timer went off here. */
static void on_timer(void)
{
	struct vcpu *v = this_cpu()->vcpu;

	if (v)
		vcpu_request(v, REQUEST_TIMER);
}

void vcpu_run_init(void)
{
	timer_set_handler(on_timer);
}

static void do_set_root(struct vcpu *v)
{
	if (mmu_root(v->mmu).v)
		v->backend->set_root(v);
	else if (!mmu_is_settled(&v->vm->mmu))
		vcpu_request(v, REQUEST_SYNC_ROOT);	/* when all have flushed */
	else
		vm_kill(v, WHY_NO_TABLES);
}

#define RARE_REQUESTS (REQUEST_END | REQUEST_PAUSE | REQUEST_STARTUP)

/* What other vCPUs ask for. False: the guest has ended. */
static bool do_rare_requests(struct vcpu *v, u32 requests)
{
	if (requests & REQUEST_END)
		return false;
	if (requests & REQUEST_PAUSE)
		handshake_pause(v);
	if (requests & REQUEST_STARTUP)
		startup_carry_out(v);
	return true;
}

/* Carries out what was asked. False: the guest has ended. */
static bool do_requests(struct vcpu *v)
{
	u32 requests = __atomic_exchange_n(&v->requests, 0, __ATOMIC_SEQ_CST);

	if (unlikely(requests & RARE_REQUESTS) && !do_rare_requests(v, requests))
		return false;
	if (requests & REQUEST_TIMER)
		vcpu_run_devices(v);
	if (requests & REQUEST_SYNC_ROOT)
		do_set_root(v);
	if (requests & REQUEST_FLUSH)
		handshake_flush(v);
	if (requests & REQUEST_CONTROLS)
		v->backend->program(v);
	/* Devices that have just run may have asked for these too. */
	requests |= __atomic_fetch_and(&v->requests, ~(u32)(REQUEST_EVENT | REQUEST_HOLD),
				       __ATOMIC_SEQ_CST);
	if ((requests & REQUEST_EVENT) && v->cur->activity == ACTIVITY_ACTIVE &&
	    !events_prepare(v))
		vm_kill(v, WHY_TRIPLE_FAULT);
	if (unlikely(requests & REQUEST_HOLD))
		vcpu_hold(v);
	return likely(!v->interprets) || v->cur->activity != ACTIVITY_ACTIVE || interpret(v);
}

static inline bool is_active(const struct vcpu *v)
{
	return likely(v->cur->activity == ACTIVITY_ACTIVE);
}

/* Is there nothing to run any more? HLT ends with what the guest can take; a start-up IPI is carried
 * out as a request. */
static bool is_asleep(struct vcpu *v)
{
	if (v->cur->activity == ACTIVITY_HLT && events_wake_up(v)) {
		v->cur->activity = ACTIVITY_ACTIVE;
		vcpu_request(v, REQUEST_EVENT);
	}
	return !is_active(v);
}

/* Halted, or before a start-up IPI. False: the guest has ended. */
static bool sleep(struct vcpu *v)
{
	struct vm *vm = v->vm;
	bool alive = true;

	if (!__atomic_sub_fetch(&vm->nr_awake, 1, __ATOMIC_SEQ_CST))
		console_guest_pause(&vm->line);
	while (alive && is_asleep(v)) {
		handshake_wait(v);
		if (v->requests)
			alive = do_requests(v);
	}
	__atomic_add_fetch(&vm->nr_awake, 1, __ATOMIC_SEQ_CST);
	return alive;
}

static void trace(struct vcpu *v)
{
	struct exit_trace *t = &v->trace[v->trace_next++ % VCPU_TRACE_SIZE];
	const struct exit *x = &v->exit;

	t->rip = v->cur->rip;
	t->head = x->head;
	t->info = x->first_word;
}

/* The routing's verdict on an exit becomes state. False: the guest has ended. */
static bool settle(struct vcpu *v, enum handled how)
{
	switch (how) {
	case HANDLED_RESUME:
		return true;
	case HANDLED_INJECT:
		vcpu_request(v, REQUEST_EVENT);
		return true;
	case HANDLED_TO_L1:
		v->vm->virt->leave(v);
		return true;
	case HANDLED_SLEEP:
		return sleep(v);
	case HANDLED_KILL:
		return false;
	}
	return false;
}

static bool is_step_exit(struct vcpu *v)
{
	return events_end_step(v, v->exit.kind == EXIT_EXCEPTION && v->exit.event.vector == EXC_DB);
}

static void begin(struct vcpu *v)
{
	v->cpu = this_cpu()->index;
	this_cpu()->vcpu = v;
	__atomic_add_fetch(&v->vm->nr_awake, 1, __ATOMIC_SEQ_CST);
	handshake_start(v);
	vcpu_request(v, REQUEST_CONTROLS | REQUEST_SYNC_ROOT | REQUEST_FLUSH | REQUEST_EVENT |
				REQUEST_TIMER);
	vcpu_load_cpu_state(v);
	v->start_tsc = v->exit_tsc = rdtsc();
	v->backend->attach(v);
}

static void end(struct vcpu *v)
{
	v->backend->detach(v);
	handshake_stop(v);
	__atomic_sub_fetch(&v->vm->nr_awake, 1, __ATOMIC_SEQ_CST);
	this_cpu()->vcpu = NULL;
	timer_disarm();
}

void vcpu_run(struct vcpu *v)
{
	struct exit_count *count = &v->count[EXIT_EXTINT];
	enum handled how;
	bool alive = true;

	begin(v);
	while (likely(alive)) {
		if (unlikely(!handshake_enter(v))) {
			alive = do_requests(v) && (is_active(v) || sleep(v));
			continue;
		}
		count->time += rdtsc() - v->exit_tsc;
		v->backend->run(v);
		v->exit_tsc = rdtsc();
		handshake_exit(v);
		count = &v->count[v->exit.kind];
		count->exits++;
		trace(v);
		if (unlikely(v->step.on) && is_step_exit(v))
			continue;
		how = exit_dispatch(v);
		if (unlikely(how != HANDLED_RESUME))
			alive = settle(v, how);
	}
	end(v);
}
