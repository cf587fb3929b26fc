/* SPDX-License-Identifier: MIT */
/*
 * What several CPUs do to the same memory: locked instructions lose nothing, code that another CPU
 * writes is executed after the handshake that the manual prescribes, and the TSC never goes
 * backwards from one CPU to another (SDM vol. 3A, "Locked Atomic Operations", "Handling Self- and
 * Cross-Modifying Code", "Time-Stamp Counter").
 */
#include "guests/lib/smp.h"

#define EACH		1500u
#define CODES		60u
#define HANDOVERS	50u
#define RUN_VECTOR	0x71
#define MSR_TSC		0x10u

static unsigned nr_cpus;
static struct barrier barrier;
static u8 line[192] __attribute__((aligned(64)));
static volatile u64 *target;

/* ---- locked instructions ---- */

#define LOCKED(name, text)							\
	static void name(void *arg)						\
	{									\
		meet(&barrier, nr_cpus);					\
		for (u32 i = 0; i < EACH; i++)					\
			__asm__ volatile(text : "+m"(*target) :: "rax", "cc");	\
	}

LOCKED(lock_inc, "lock incq %0")
LOCKED(lock_add, "lock addq $3, %0")
LOCKED(lock_sub, "lock subq $1, %0")
LOCKED(lock_xadd, "mov $1, %%eax; lock xaddq %%rax, %0")
LOCKED(lock_xadd8, "mov $1, %%eax; lock xaddb %%al, %0")
LOCKED(lock_inc16, "lock incw %0")
LOCKED(lock_dec32, "lock decl %0")
LOCKED(lock_neg, "lock negq %0")
LOCKED(lock_not, "lock notq %0")
LOCKED(lock_btc, "lock btcq $7, %0")
LOCKED(lock_xor, "lock xorq $0x55, %0")

static void cmpxchg(void *arg)
{
	meet(&barrier, nr_cpus);
	for (u32 i = 0; i < EACH; i++) {
		u64 old = *target;

		while (!__atomic_compare_exchange_n(target, &old, old + 1, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST))
			pause();
	}
}

/* The low half goes up, the high half down. */
static void cmpxchg16(void *arg)
{
	u64 low = 0, high = 0;
	u8 done;

	meet(&barrier, nr_cpus);
	for (u32 i = 0; i < EACH; i++)
		do
			__asm__ volatile("lock cmpxchg16b %2; setz %3"
					 : "+a"(low), "+d"(high), "+m"(*(__uint128_t *)target),
					   "=r"(done)
					 : "b"(low + 1), "c"(high - 1) : "cc", "memory");
		while (!done);
}

static volatile u32 held;
static u64 guarded;

/* XCHG locks without the prefix. */
static void xchg(void *arg)
{
	meet(&barrier, nr_cpus);
	for (u32 i = 0; i < EACH; i++) {
		u32 mine = 1;

		for (;;) {
			__asm__ volatile("xchg %0, %1" : "+r"(mine), "+m"(held) :: "memory");
			if (!mine)
				break;
			pause();
		}
		guarded++;
		__asm__ volatile("" ::: "memory");
		held = 0;
	}
}

static void everywhere(void (*job)(void *))
{
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		run_on(cpu, job, NULL);
	job(NULL);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		if (!job_done(cpu, 20000))
			check_true("job ends", false);
}

static void check_locked(void)
{
	u64 n = (u64)EACH * nr_cpus;
	struct {
		const char *name;
		void (*job)(void *);
		u64 start, expected;
	} const rows[] = {
		{ "INC", lock_inc, 0, n }, { "ADD", lock_add, 0, n * 3 },
		{ "SUB", lock_sub, 0, -n }, { "XADD", lock_xadd, 0, n },
		{ "XADD, 8 bits", lock_xadd8, 0xff00, 0xff00 | (n & 0xff) },
		{ "INC, 16 bits", lock_inc16, 0xff0000, 0xff0000 | (n & 0xffff) },
		{ "DEC, 32 bits", lock_dec32, 0, (u32)-n }, { "NEG", lock_neg, 5, 5 },
		{ "NOT", lock_not, 5, 5 }, { "BTC", lock_btc, 1, 1 }, { "XOR", lock_xor, 9, 9 },
		{ "CMPXCHG", cmpxchg, 0, n },
	};

	for (unsigned i = 0; i < COUNT(rows); i++) {
		target = (volatile u64 *)line;
		*target = rows[i].start;
		everywhere(rows[i].job);
		check_in("LOCK", rows[i].name, *target, rows[i].expected);
		/* Across the end of a cache line the bus lock does it. */
		target = (volatile u64 *)(line + 63);
		*target = rows[i].start;
		everywhere(rows[i].job);
		check_in("LOCK, over a line's end:", rows[i].name, *target, rows[i].expected);
	}
	target = (volatile u64 *)line;
	target[0] = target[1] = 0;
	everywhere(cmpxchg16);
	check("LOCK CMPXCHG16B: low half", target[0], n);
	check("LOCK CMPXCHG16B: high half", target[1], -n);
	everywhere(xchg);
	check("XCHG without LOCK: a spinlock", guarded, n);
}

/* ---- code that another CPU writes ---- */

static u8 code[PAGE] __attribute__((aligned(4096)));
static volatile u32 written, executed, wrong, listening;

static u32 call_code(void)
{
	u32 result;

	__asm__ volatile("call *%1" : "=a"(result) : "r"(code) : "memory");
	return result;
}

/* MOV $n, %eax; RET. */
static void write_code(u32 n)
{
	code[0] = 0xb8;
	__builtin_memcpy(code + 1, &n, sizeof(n));
	code[5] = 0xc3;
}

/* "The flag, then a serializing instruction, then the new code." */
static void execute_code(void *arg)
{
	for (u32 n = 1; n <= CODES; n++) {
		if (!wait_least(&written, n, 5000))
			break;
		cpuid(0, 0);
		wrong += call_code() != n;
		executed = n;
	}
}

/* An interrupt serializes by its IRET. */
static void on_run(struct frame *f)
{
	wrong += call_code() != written;
	executed = written;
	apic_set(LAPIC_EOI, 0);
}

static void listen(void *arg)
{
	apic_set(LAPIC_SVR, 0x1ff);
	listening = 1;
	sti();
	while (executed != CODES)
		pause();
	cli();
}

static void check_code(void)
{
	bool good = true;

	write_code(0);
	check("code: as written", call_code(), 0);
	run_on(1, execute_code, NULL);
	for (u32 n = 1; n <= CODES && good; n++) {
		write_code(n);
		written = n;
		good = wait_least(&executed, n, 5000);
	}
	check("cross-modifying code: executed", job_done(1, 5000) ? executed : 0, CODES);
	check("cross-modifying code: old code", wrong, 0);
	executed = written = 0;
	run_on(2, listen, NULL);
	wait_least(&listening, 1, 5000);
	for (u32 n = 1; n <= CODES && good; n++) {
		write_code(n);
		written = n;
		ipi(2, RUN_VECTOR);
		good = wait_least(&executed, n, 5000);
	}
	check("code behind an IPI: executed", job_done(2, 5000) ? executed : 0, CODES);
	check("code behind an IPI: old code", wrong, 0);
}

/* ---- time ---- */

static struct { volatile u32 turn; volatile u64 tsc; } baton __attribute__((aligned(64)));
static volatile u32 backwards;

/* Whoever has the turn reads the TSC, after the one before, and hands it on. */
static void relay(void *arg)
{
	unsigned cpu = this_cpu();

	for (u32 turn = cpu; turn < HANDOVERS * nr_cpus; turn += nr_cpus) {
		u64 now;

		while (__atomic_load_n(&baton.turn, __ATOMIC_SEQ_CST) != turn)
			pause();
		__asm__ volatile("lfence" ::: "memory");
		now = rdtsc();
		backwards += now < baton.tsc;
		baton.tsc = now;
		__atomic_store_n(&baton.turn, turn + 1, __ATOMIC_SEQ_CST);
	}
}

static void relay_rdtscp(void *arg)
{
	unsigned cpu = this_cpu();

	for (u32 turn = cpu; turn < HANDOVERS * nr_cpus; turn += nr_cpus) {
		u32 low, high, aux;
		u64 now;

		while (__atomic_load_n(&baton.turn, __ATOMIC_SEQ_CST) != turn)
			pause();
		__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux) :: "memory");
		now = (u64)high << 32 | low;
		backwards += now < baton.tsc;
		baton.tsc = now;
		__atomic_store_n(&baton.turn, turn + 1, __ATOMIC_SEQ_CST);
	}
}

static u64 tsc_of_msr[MAX_CPUS];

static void relay_msr(void *arg)
{
	unsigned cpu = this_cpu();

	while (__atomic_load_n(&baton.turn, __ATOMIC_SEQ_CST) != cpu)
		pause();
	tsc_of_msr[cpu] = rdmsr(MSR_TSC);
	__atomic_store_n(&baton.turn, cpu + 1, __ATOMIC_SEQ_CST);
}

static void check_tsc(void)
{
	u32 late = 0;

	baton.turn = 0;
	baton.tsc = 0;
	everywhere(relay);
	check("TSC: handed over", baton.turn, HANDOVERS * nr_cpus);
	check("TSC: backwards", backwards, 0);
	baton.turn = 0;
	if (has_rdtscp()) {
		everywhere(relay_rdtscp);
		check("TSC by RDTSCP: backwards", backwards, 0);
	} else {
		skip("TSC by RDTSCP: backwards", "not on this CPU");
	}
	if (!under_plinth())
		return skip("TSC by RDMSR: backwards", "QEMU 7.2 has no MSR 10H");
	baton.turn = 0;
	everywhere(relay_msr);
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		late += tsc_of_msr[cpu] < baton.tsc;
		baton.tsc = tsc_of_msr[cpu];
	}
	check("TSC by RDMSR: backwards", late, 0);
}

void guest_main(u32 magic, u32 info)
{
	set_handler(RUN_VECTOR, on_run);
	apic_set(LAPIC_SVR, 0x1ff);
	nr_cpus = start_all();
	check("CPUs", nr_cpus, 4);
	if (nr_cpus != 4)
		return;
	check_locked();
	check_code();
	check_tsc();
}
