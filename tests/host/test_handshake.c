/* SPDX-License-Identifier: MIT */
/*
 * vcpu/handshake.c itself under a scheduler of ours: each atomic access is a point where another CPU
 * may go on, and all schedules with a bounded number of preemptions are run, one after the other (the
 * method of stateless model checking). All accesses there are sequentially consistent or need not be,
 * so interleavings are all that x86 can show.
 *
 * What must hold, whatever the schedule:
 *	- nobody waits for ever: whoever was asked for something does it (no lost wake-up)
 *	- after a flush has ended no CPU in the guest uses what it cached before
 *	- the mmu is told of the end of each flush, or of a later one's
 *	- while one vCPU has paused the others none of them is in the guest or in a handler
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

static void step(int writes);
static void spin(void);

#define __atomic_load_n(p, o)		(step(0), __atomic_load_n(p, o))
#define __atomic_store_n(p, v, o)	(step(1), __atomic_store_n(p, v, o))
#define __atomic_or_fetch(p, v, o)	(step(1), __atomic_or_fetch(p, v, o))
#define __atomic_add_fetch(p, v, o)	(step(1), __atomic_add_fetch(p, v, o))
#define __atomic_exchange_n(p, v, o)	(step(1), __atomic_exchange_n(p, v, o))
#define __atomic_compare_exchange_n(p, e, v, w, s, f) \
	(step(1), __atomic_compare_exchange_n(p, e, v, w, s, f))
#define __builtin_ia32_pause()		spin()

#include "vcpu/handshake.c"

#define MAX_TASKS	3
#define STACK_SIZE	65536
#define MAX_CHOICES	4096
#define MAX_STEPS	4096

enum state { RUNS, SPINS, SLEEPS, DONE };

static struct task {
	ucontext_t context;
	enum state state;
	/* Writes by all when it spun last, and the time before: what it has looked at since then may
	 * be as old. */
	unsigned mark, seen;
	bool irq;		/* its CPU has one pending */
	char stack[STACK_SIZE];
} tasks[MAX_TASKS];

static struct { u8 chosen, options; } choices[MAX_CHOICES];
static unsigned nr_tasks, current, at, depth, preemptions, bound, writes, steps;
static ucontext_t scheduler;
static const char *failure;

static struct vm vm;
static struct vcpu vcpus[MAX_TASKS];

static void fail_schedule(const char *why)
{
	if (!failure)
		failure = why;
}

/* --- The scheduler --- */

static bool can_run(const struct task *t)
{
	switch (t->state) {
	case RUNS: return true;
	case SPINS: return t->seen != writes;
	case SLEEPS: return t->irq;
	default: return false;
	}
}

/* One of `options`: as in the schedule that is being replayed, the first where it ends. */
static unsigned choose(unsigned options)
{
	if (at == depth) {
		if (depth == MAX_CHOICES) {
			fail_schedule("it goes on for ever");
			return 0;
		}
		choices[depth].chosen = 0;
		choices[depth++].options = (u8)options;
	}
	return choices[at++].chosen;
}

/* The task that goes on; MAX_TASKS: none can. To leave one that could go on is a preemption. */
static unsigned next_task(void)
{
	unsigned list[MAX_TASKS], n = 0;
	bool goes_on = tasks[current].state == RUNS;

	if (goes_on)
		list[n++] = current;
	for (unsigned i = 0; i < nr_tasks; i++)
		if (i != current && can_run(&tasks[i]) && (!goes_on || preemptions < bound))
			list[n++] = i;
	/* One that spins goes on alone if nobody else can, and something was written since. */
	if (!goes_on && !n && can_run(&tasks[current]))
		list[n++] = current;
	if (!n)
		return MAX_TASKS;
	n = list[n > 1 ? choose(n) : 0];
	preemptions += goes_on && n != current;
	return n;
}

static void switch_away(void)
{
	unsigned self = current, next = next_task();

	if (next == self) {
		tasks[self].state = RUNS;
		return;
	}
	if (next == MAX_TASKS || failure) {
		swapcontext(&tasks[self].context, &scheduler);
		return;
	}
	current = next;
	tasks[next].state = RUNS;
	swapcontext(&tasks[self].context, &tasks[next].context);
}

static bool is_scheduling;

static void step(int is_write)
{
	if (!is_scheduling)
		return;
	if (++steps > MAX_STEPS)
		fail_schedule("it goes on for ever");
	switch_away();
	writes += is_write;
}

static void spin(void)
{
	struct task *t = &tasks[current];

	t->state = SPINS;
	t->seen = t->mark;
	switch_away();
	t->mark = writes;
}

static void (*bodies[MAX_TASKS])(struct vcpu *v);

static void run_task(void)
{
	bodies[current](&vcpus[current]);
	tasks[current].state = DONE;
	switch_away();
	abort();
}

/* --- The world: what the CPUs do --- */

static struct {
	u64 tables;			/* version of what the page tables say */
	u64 unused;			/* versions below are not to be used any more */
	struct { u64 cached; bool in_guest, in_handler, must_flush; } cpu[MAX_TASKS];
	bool changing;			/* somebody has paused all others */
	u64 told;			/* the last epoch that the mmu was told of */
	unsigned payload, seen_payload[MAX_TASKS];
} world;

static void check(void)
{
	for (unsigned i = 0; i < nr_tasks; i++) {
		if (world.cpu[i].in_guest && world.cpu[i].cached < world.unused)
			fail_schedule("a translation is used after its flush");
		if (world.changing && vm.pauser != &vcpus[i] &&
		    (world.cpu[i].in_guest || world.cpu[i].in_handler))
			fail_schedule("a vCPU runs while another has paused it");
	}
}

static void sleep_for_irq(unsigned i)
{
	if (!tasks[i].irq) {
		tasks[i].state = SLEEPS;
		switch_away();
	}
}

void handshake_interrupt(struct vcpu *v)
{
	step(1);
	if (v->index != current)
		tasks[v->index].irq = true;
}

void handshake_sleep(struct vcpu *v)
{
	sleep_for_irq(v->index);
	tasks[v->index].irq = false;
}

void mmu_flushed(struct mmu_vm *mmu, u64 epoch)
{
	if (epoch > world.told)
		world.told = epoch;
}

static void flush(struct vcpu *v)
{
	world.cpu[v->index].must_flush = true;
}

static struct vcpu_backend backend;

/* The guest: uses what is cached until an interrupt comes, or for a moment only. */
static void guest(struct vcpu *v, bool stays)
{
	unsigned i = v->index;

	if (world.cpu[i].must_flush)
		world.cpu[i].cached = world.tables;
	world.cpu[i].must_flush = false;
	world.cpu[i].in_guest = true;
	check();
	step(0);
	check();
	if (stays)
		sleep_for_irq(i);
	check();
	world.cpu[i].in_guest = false;
}

/* As do_requests() of vcpu/run.c. False: the end. */
static bool serve(struct vcpu *v)
{
	u32 requests = __atomic_exchange_n(&v->requests, 0, __ATOMIC_SEQ_CST);

	if (requests & REQUEST_END)
		return false;
	if (requests & REQUEST_PAUSE)
		handshake_pause(v);
	if (requests & REQUEST_FLUSH)
		handshake_flush(v);
	if (requests & REQUEST_EVENT)
		world.seen_payload[v->index] = __atomic_load_n(&world.payload, __ATOMIC_SEQ_CST);
	return true;
}

/* As vcpu_run(): the first `exits` exits come by themselves, and have a handler. */
static void run(struct vcpu *v, unsigned exits)
{
	unsigned i = v->index;
	bool alive = true;

	handshake_start(v);
	while (alive) {
		if (!handshake_enter(v)) {
			alive = serve(v);
			continue;
		}
		guest(v, !exits);
		handshake_exit(v);
		if (!exits) {
			tasks[i].irq = false;
			continue;
		}
		exits--;
		world.cpu[i].in_handler = true;
		check();
		step(0);
		check();
		world.cpu[i].in_handler = false;
	}
	handshake_stop(v);
}

static void body_guest(struct vcpu *v)
{
	run(v, 1);
}

/* Halts at once, and whenever it has been woken. */
static void body_halted(struct vcpu *v)
{
	bool alive = true;

	handshake_start(v);
	while (alive) {
		handshake_wait(v);
		world.cpu[v->index].in_handler = true;
		check();
		world.cpu[v->index].in_handler = false;
		if (v->requests)
			alive = serve(v);
	}
	handshake_stop(v);
}

static void end_others(struct vcpu *self)
{
	for (unsigned i = 0; i < nr_tasks; i++)
		if (&vcpus[i] != self)
			vcpu_kick(&vcpus[i], REQUEST_END);
	handshake_stop(self);
}

/* --- The askers --- */

/* Something changes, then the kick: the other must get to see it. */
static void body_kicks(struct vcpu *v)
{
	handshake_start(v);
	for (unsigned n = 1; n <= 2; n++) {
		__atomic_store_n(&world.payload, n, __ATOMIC_SEQ_CST);
		for (unsigned i = 0; i < nr_tasks; i++)
			if (i != v->index)
				vcpu_kick(&vcpus[i], REQUEST_EVENT);
	}
	for (unsigned i = 0; i < nr_tasks; i++)
		while (i != v->index && world.seen_payload[i] != 2)
			spin();
	end_others(v);
}

static void body_flushes(struct vcpu *v)
{
	handshake_start(v);
	for (u64 n = 1; n <= 2; n++) {
		__atomic_store_n(&world.tables, n, __ATOMIC_SEQ_CST);
		vm_flush(&vm);
		world.unused = n;
		check();
	}
	end_others(v);
}

/* As the mmu: asks, and waits to be told; a second change before the first is told now and then. */
static void flush_for_mmu(struct vcpu *v, bool waits_between)
{
	handshake_start(v);
	for (u64 n = 1; n <= 2; n++) {
		__atomic_store_n(&world.tables, n, __ATOMIC_SEQ_CST);
		if (handshake_mmu_flush(&vm, n))
			mmu_flushed(&vm.mmu, n);
		while ((waits_between || n == 2) && world.told < n)
			spin();
		if (world.told >= n)
			world.unused = n;
		check();
	}
	end_others(v);
}

static void body_mmu(struct vcpu *v)
{
	flush_for_mmu(v, true);
}

static void body_mmu_twice(struct vcpu *v)
{
	flush_for_mmu(v, false);
}

/* Pauses the others, as often as it takes; changes what their handlers read. */
static void pause_once(struct vcpu *v)
{
	while (!vm_pause(v)) {
		serve(v);
		spin();		/* the guest executes its instruction again */
	}
	world.changing = true;
	check();
	step(0);
	check();
	__atomic_store_n(&world.tables, world.tables + 1, __ATOMIC_SEQ_CST);
	vm_flush(&vm);
	world.unused = world.tables;
	world.changing = false;
	check();
	vm_resume(v);
}

static void body_pauses(struct vcpu *v)
{
	handshake_start(v);
	pause_once(v);
	end_others(v);
}

static unsigned nr_paused;

/* Two of these: both get their turn. The last one ends all. */
static void body_pauses_too(struct vcpu *v)
{
	handshake_start(v);
	pause_once(v);
	if (__atomic_add_fetch(&nr_paused, 1, __ATOMIC_SEQ_CST) == 2)
		end_others(v);
	else
		run(v, 0);
}

/* --- All schedules --- */

static void reset_world(void)
{
	memset(&world, 0, sizeof(world));
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	nr_paused = 0;
	backend.flush = flush;
	vm.nr_vcpus = nr_tasks;
	for (unsigned i = 0; i < nr_tasks; i++) {
		vm.vcpu[i] = &vcpus[i];
		vcpus[i].vm = &vm;
		vcpus[i].index = i;
		vcpus[i].backend = &backend;
		vcpus[i].place = PLACE_PARKED;
	}
}

static void make_task(struct task *t)
{
	t->state = RUNS;
	t->irq = false;
	t->mark = 0;
	getcontext(&t->context);
	t->context.uc_stack.ss_sp = t->stack;
	t->context.uc_stack.ss_size = STACK_SIZE;
	makecontext(&t->context, run_task, 0);
}

static void run_schedule(void)
{
	reset_world();
	for (unsigned i = 0; i < nr_tasks; i++)
		make_task(&tasks[i]);
	current = at = preemptions = writes = steps = 0;
	is_scheduling = true;
	swapcontext(&scheduler, &tasks[0].context);
	is_scheduling = false;
	for (unsigned i = 0; i < nr_tasks; i++)
		if (tasks[i].state != DONE)
			fail_schedule("a vCPU waits for ever");
}

/* To the next schedule: the last choice that has options left. False: there is none. */
static bool advance(void)
{
	while (depth && choices[depth - 1].chosen + 1 == choices[depth - 1].options)
		depth--;
	if (depth)
		choices[depth - 1].chosen++;
	return depth;
}

static unsigned long explore(unsigned tasks_wanted, unsigned preemptions_allowed)
{
	unsigned long schedules = 0;

	nr_tasks = tasks_wanted;
	bound = preemptions_allowed;
	depth = 0;
	failure = NULL;
	do {
		run_schedule();
		schedules++;
	} while (!failure && advance());
	if (failure)
		fail_msg("schedule %lu: %s", schedules, failure);
	assert_true(schedules > 10);
	return schedules;
}

static void explore_with(void (*asker)(struct vcpu *v))
{
	unsigned long n = 0;

	bodies[0] = asker;
	bodies[1] = body_guest;
	n += explore(2, 4);
	bodies[1] = body_halted;
	n += explore(2, 4);
	bodies[2] = body_guest;
	n += explore(3, 2);
	print_message("%lu schedules\n", n);
}

static void test_kick(void **state)
{
	explore_with(body_kicks);
}

static void test_flush(void **state)
{
	explore_with(body_flushes);
}

static void test_mmu_flush(void **state)
{
	explore_with(body_mmu);
	explore_with(body_mmu_twice);
}

static void test_pause(void **state)
{
	explore_with(body_pauses);
}

static void test_two_pause(void **state)
{
	bodies[0] = bodies[1] = body_pauses_too;
	bodies[2] = body_guest;
	print_message("%lu schedules\n", explore(2, 4) + explore(3, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kick), cmocka_unit_test(test_flush),
		cmocka_unit_test(test_mmu_flush), cmocka_unit_test(test_pause),
		cmocka_unit_test(test_two_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
