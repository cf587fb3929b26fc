/* SPDX-License-Identifier: MIT */
/*
 * What several CPUs do to the same memory: locked instructions lose nothing, code that another CPU
 * writes is executed after the handshake that the manual prescribes, and the TSC never goes
 * backwards from one CPU to another (SDM vol. 3A, "Locked Atomic Operations", "Handling Self- and
 * Cross-Modifying Code", "Time-Stamp Counter").
 */
#include "guests/lib/smp.h"

#define EACH		20000u
#define SWAPS		2000u
#define CODES		500u
#define FLUSH_VECTOR	0x71

static unsigned nr_cpus;
static struct barrier barrier;
static volatile u64 word64 __attribute__((aligned(64)));
static u8 line[128] __attribute__((aligned(64)));
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

/* Both halves go up together. */
static void cmpxchg16(void *arg)
{
	meet(&barrier, nr_cpus);
	for (u32 i = 0; i < EACH; i++) {
		u64 low = 0, high = 0;
		bool done = false;

		while (!done)
			__asm__ volatile("mov %0, %%rbx; mov %1, %%rcx; inc %%rbx; inc %%rcx\n"
					 "xchg %%rcx, %1; xchg %%rcx, %%r8; mov %%r8, %%rcx\n"
					 "mov %%rdx, %%rdx\n"
					 "mov %1, %%rcx; mov %4, %%rdx; mov %4, %%rdx\n"
					 "lock cmpxchg16b %2; setz %3"
					 : "+a"(low), "+r"(high), "+m"(*(__uint128_t *)line),
					   "=qm"(done)
					 : "r"(high) : "rbx", "rcx", "rdx", "r8", "cc");
	}
}

static volatile u32 spinlock;
static u64 guarded;

/* XCHG locks without the prefix. */
static void xchg_lock(void *arg)
{
	meet(&barrier, nr_cpus);
	for (u32 i = 0; i < EACH; i++) {
		while (__atomic_exchange_n(&spinlock, 1, __ATOMIC_ACQUIRE))
			pause();
		guarded++;
		__atomic_store_n(&spinlock, 0, __ATOMIC_RELEASE);
	}
}
