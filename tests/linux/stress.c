/* SPDX-License-Identifier: MIT */
/*
 * What a Linux with several CPUs does all day, as hard as it can, with its results checked: runs in
 * the guest (tests/system/test_smp.py), statically linked.
 *
 *	stress SECONDS-A-PART
 *
 * Prints "stress NAME: ok, N rounds" for each part, or "stress NAME: FAILED, why", and at the end
 * "stress: N of M parts ok". As the first process (rdinit=/stress) it then switches the machine off.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096
#define NS	1000000000ll
#define LONGEST	16	/* times the seconds that a part is to take */

static unsigned nr_cpus;
static double seconds;
static _Atomic bool stop;
static char why[200];

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS + t.tv_nsec;
}

static void failed(const char *format, ...)
{
	va_list args;

	if (why[0])
		return;
	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	stop = true;
}

static bool goes_on(int64_t end)
{
	return !stop && now() < end;
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % nr_cpus, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		failed("sched_setaffinity: %s", strerror(errno));
}

/* Runs `body(i)` in a thread for each CPU, pinned there, and waits for all of them. */
static void on_all_cpus(void *(*body)(void *))
{
	pthread_t thread[64];

	for (uintptr_t i = 0; i < nr_cpus; i++)
		if (pthread_create(&thread[i], NULL, body, (void *)i))
			exit(1);
	for (unsigned i = 0; i < nr_cpus; i++)
		pthread_join(thread[i], NULL);
}

/* --- Shootdowns: another page at the same address is seen by all CPUs at once --- */

static volatile uint64_t *shot;
static _Atomic uint64_t shot_round, seen_round[64];

static void *read_shot(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	if (!i)
		return NULL;
	pin(i);
	while (!stop) {
		uint64_t round = shot_round, value = *shot;

		if (value < round)
			failed("CPU %u reads %llu from a page that was replaced in round %llu", (unsigned)i,
			       (unsigned long long)value, (unsigned long long)round);
		seen_round[i] = value;
	}
	return NULL;
}

static unsigned long shootdown(int64_t end)
{
	pthread_t thread[64];
	unsigned long round = 0;
	char *spare = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	shot = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uintptr_t i = 1; i < nr_cpus; i++)
		pthread_create(&thread[i], NULL, read_shot, (void *)i);
	pin(0);
	while (goes_on(end)) {
		round++;
		*(uint64_t *)spare = round;
		/* The old page is gone when this returns: it may be another's already. */
		if (mremap(spare, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)shot) == MAP_FAILED)
			failed("mremap: %s", strerror(errno));
		shot_round = round;
		spare = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		/* Now and then until all have the new page in their TLBs. */
		for (unsigned i = 1; round % 16 == 0 && i < nr_cpus; i++)
			while (seen_round[i] < round && goes_on(end))
				sched_yield();
	}
	stop = true;
	for (unsigned i = 1; i < nr_cpus; i++)
		pthread_join(thread[i], NULL);
	return round;
}

/* --- Protection: once mprotect() has returned no CPU writes any more --- */

static volatile uint64_t *guarded;
static _Atomic uint64_t faults;

static void on_fault(int number, siginfo_t *info, void *context)
{
	if ((uintptr_t)info->si_addr - (uintptr_t)guarded >= PAGE)
		_exit(99);
	faults++;
	mprotect((void *)guarded, PAGE, PROT_READ | PROT_WRITE);
}

static void *write_guarded(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	if (!i)
		return NULL;
	pin(i);
	while (!stop)
		guarded[i]++;
	return NULL;
}

static unsigned long protection(int64_t end)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	pthread_t thread[64];
	unsigned long round = 0;

	sigaction(SIGSEGV, &action, NULL);
	guarded = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uintptr_t i = 1; i < nr_cpus; i++)
		pthread_create(&thread[i], NULL, write_guarded, (void *)i);
	pin(0);
	while (goes_on(end)) {
		uint64_t before[64], count = faults;

		mprotect((void *)guarded, PAGE, PROT_READ);
		for (unsigned i = 1; i < nr_cpus; i++)
			before[i] = guarded[i];
		for (unsigned n = 0; n < 100; n++)
			for (unsigned i = 1; i < nr_cpus; i++)
				if (guarded[i] != before[i] && faults == count)
					failed("CPU %u wrote to a protected page", i);
		while (nr_cpus > 1 && faults == count && goes_on(end))
			sched_yield();
		round++;
	}
	stop = true;
	mprotect((void *)guarded, PAGE, PROT_READ | PROT_WRITE);
	for (unsigned i = 1; i < nr_cpus; i++)
		pthread_join(thread[i], NULL);
	signal(SIGSEGV, SIG_DFL);
	return round;
}

/* --- Locks and atomic additions: nothing is lost --- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t plain_total, expected_total[64];
static _Atomic uint64_t atomic_total;
static int64_t counting_end;

static void *count(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	pin(i);
	while (goes_on(counting_end)) {
		for (unsigned n = 0; n < 100; n++) {
			pthread_mutex_lock(&mutex);
			plain_total++;
			pthread_mutex_unlock(&mutex);
			atomic_total++;
		}
		expected_total[i] += 100;
	}
	return NULL;
}

static unsigned long counting(int64_t end)
{
	uint64_t expected = 0;

	counting_end = end;
	on_all_cpus(count);
	for (unsigned i = 0; i < nr_cpus; i++)
		expected += expected_total[i];
	if (plain_total != expected || atomic_total != expected)
		failed("%llu under the lock, %llu atomic, %llu expected", (unsigned long long)plain_total,
		       (unsigned long long)atomic_total, (unsigned long long)expected);
	return expected / 100;
}

/* --- Processes: fork and exec on every CPU --- */

static unsigned long processes(int64_t end)
{
	unsigned long n = 0;
	unsigned running = 0;
	int status;

	while (goes_on(end) || running) {
		if (running < 2 * nr_cpus && goes_on(end)) {
			pid_t child = fork();

			if (!child) {
				pin(n);
				execl("/bin/busybox", "sh", "-c", "exit 7", (char *)NULL);
				_exit(1);
			}
			if (child < 0) {
				failed("fork: %s", strerror(errno));
				break;
			}
			running++;
			n++;
			continue;
		}
		if (wait(&status) < 0)
			break;
		running--;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
			failed("a child ended with %#x", status);
	}
	return n;
}

/* --- Pipes: a token goes round a ring of processes, one on each CPU --- */

static void pass_on(int from, int to)
{
	uint64_t token;

	while (read(from, &token, sizeof(token)) == sizeof(token)) {
		token++;
		if (write(to, &token, sizeof(token)) != sizeof(token))
			break;
	}
	_exit(0);
}

static unsigned long pipes(int64_t end)
{
	int ends[65][2];
	unsigned long round = 0;
	uint64_t token = 0;

	for (unsigned i = 0; i <= nr_cpus; i++)
		if (pipe(ends[i]))
			exit(1);
	for (unsigned i = 0; i < nr_cpus; i++) {
		if (fork())
			continue;
		pin(i);
		for (unsigned j = 0; j <= nr_cpus; j++) {
			if (j != i)
				close(ends[j][0]);
			if (j != i + 1)
				close(ends[j][1]);
		}
		pass_on(ends[i][0], ends[i + 1][1]);
	}
	while (goes_on(end)) {
		if (write(ends[0][1], &token, sizeof(token)) != sizeof(token) ||
		    read(ends[nr_cpus][0], &token, sizeof(token)) != sizeof(token))
			failed("the ring is broken: %s", strerror(errno));
		if (token != ++round * nr_cpus)
			failed("token %llu after %lu rounds", (unsigned long long)token, round);
	}
	for (unsigned i = 0; i <= nr_cpus; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
	while (wait(NULL) > 0)
		;
	return round;
}

/* --- Timers: each CPU's own, short and periodic; none early, none lost --- */

static _Atomic unsigned long ticks;

static void *tick(void *arg)
{
	const int64_t period = 2000000 + 100000 * (int64_t)(uintptr_t)arg;
	struct itimerspec t = { { 0, period }, { 0, period } };
	int timer;
	int64_t start;
	uint64_t count, total = 0;

	pin((uintptr_t)arg);
	timer = timerfd_create(CLOCK_MONOTONIC, 0);
	start = now();
	timerfd_settime(timer, 0, &t, NULL);
	while (goes_on(counting_end)) {
		if (read(timer, &count, sizeof(count)) != sizeof(count)) {
			failed("timerfd: %s", strerror(errno));
			break;
		}
		total += count;
		if (now() - start < (int64_t)total * period)
			failed("timer %u: %llu expirations are too early", (unsigned)(uintptr_t)arg,
			       (unsigned long long)total);
		if (now() - start > (int64_t)(total + 1) * period + 5 * NS)
			failed("timer %u: expirations are missing", (unsigned)(uintptr_t)arg);
	}
	ticks += total;
	close(timer);
	return NULL;
}

static unsigned long timers(int64_t end)
{
	counting_end = end;
	ticks = 0;
	on_all_cpus(tick);
	return ticks;
}

/* --- Migration: vector registers and the clock go along --- */

static _Atomic int64_t latest;
static _Atomic unsigned long hops;

/* The sixteen XMM registers hold a pattern over a change of the CPU, which is a system call. */
static bool hop(unsigned cpu, uint64_t pattern)
{
	cpu_set_t set;
	uint64_t after[2];
	long result;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	asm volatile("movq %[p], %%xmm6; movq %[p], %%xmm15; paddq %%xmm6, %%xmm15; syscall;"
		     "movq %%xmm6, %[a]; movq %%xmm15, %[b]"
		     : "=a"(result), [a] "=&r"(after[0]), [b] "=&r"(after[1])
		     : "0"(203), "D"(0), "S"(sizeof(set)), "d"(&set), [p] "r"(pattern)
		     : "rcx", "r11", "memory", "xmm6", "xmm15");
	return !result && after[0] == pattern && after[1] == 2 * pattern;
}

static void *migrate(void *arg)
{
	uint64_t i = (uintptr_t)arg, n = 0;

	while (goes_on(counting_end)) {
		unsigned cpu = (unsigned)(i + ++n) % nr_cpus;
		int64_t before = latest, t;

		if (!hop(cpu, 0x0123456789abcdefull * (i + 1) + n))
			failed("registers changed on the way to CPU %u", cpu);
		if (sched_getcpu() != (int)cpu)
			failed("on CPU %d instead of %u", sched_getcpu(), cpu);
		t = now();
		if (t < before)
			failed("the clock of CPU %u is %lld ns behind another's", cpu,
			       (long long)(before - t));
		/* Only forwards, whoever else stores. */
		while (t > before && !atomic_compare_exchange_weak(&latest, &before, t))
			;
		hops++;
	}
	return NULL;
}

static unsigned long migration(int64_t end)
{
	counting_end = end;
	on_all_cpus(migrate);
	return hops;
}

/* --- All of them --- */

static const struct {
	const char *name;
	unsigned long (*run)(int64_t end);
} parts[] = {
	{ "shootdown", shootdown }, { "protection", protection }, { "counting", counting },
	{ "processes", processes }, { "pipes", pipes }, { "timers", timers }, { "migration", migration },
};

/* On a busy machine a part's time may be over before its threads are there: then it gets more. */
static unsigned long run_part(unsigned long (*run)(int64_t end))
{
	unsigned long rounds = 0;

	for (unsigned times = 1; !rounds && !why[0] && times <= LONGEST; times *= 4) {
		stop = false;
		rounds = run(now() + (int64_t)(times * seconds * NS));
	}
	return rounds;
}

int main(int argc, char **argv)
{
	unsigned good = 0;
	cpu_set_t set;

	seconds = argc > 1 ? atof(argv[1]) : 2;
	sched_getaffinity(0, sizeof(set), &set);
	nr_cpus = (unsigned)CPU_COUNT(&set);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		cpu_set_t all;
		unsigned long rounds;

		memset(&all, 0xff, sizeof(all));
		sched_setaffinity(0, sizeof(all), &all);
		why[0] = 0;
		rounds = run_part(parts[i].run);
		if (!why[0] && !rounds)
			failed("no round was done");
		good += !why[0];
		if (why[0])
			printf("stress %s: FAILED, %s\n", parts[i].name, why);
		else
			printf("stress %s: ok, %lu rounds\n", parts[i].name, rounds);
	}
	printf("stress: %u of %zu parts ok\n", good, sizeof(parts) / sizeof(parts[0]));
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return good != sizeof(parts) / sizeof(parts[0]);
}
