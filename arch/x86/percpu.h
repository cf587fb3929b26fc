/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each CPU's own block: its stacks, its descriptor tables and struct percpu, in 64 KiB of virtual
 * memory, aligned. So whichever of its stacks a CPU is on, RSP alone says which CPU it is; FS and
 *GS stay the guests'.
 *
 *	page 0	unmapped	page 2	unmapped	page 4	unmapped	page 6	unmapped
 *	     1	#DF's stack	     3	NMI's stack	     5	#MC's stack 7-14  main stack 15
 *struct percpu
 */
#pragma once

#include "arch/x86/layout.h"
#include "include/types.h"

/* Indexes of the stacks in the TSS, as a gate names them. */
#define IST_DOUBLE_FAULT	1
#define IST_NMI			2
#define IST_MACHINE_CHECK	3

/* SDM vol. 3A, "64-bit Task State Segment". */
struct packed_struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];	/* IST n is ist[n - 1] */
	u64 reserved2;
	u16 reserved3;
	u16 io_map;	/* at or above the limit: there is none */
};

enum work_state {
	WORK_NONE,	/* whoever claims it may fill it in */
	WORK_CLAIMED,
	WORK_READY,	/* the CPU's idle loop will run it */
	WORK_RUNNING,
};

struct percpu {
	unsigned index;		/* 0 is the CPU that booted */
	u32 apic_id;
	bool online;
	void *vcpu;		/* the vCPU that runs here, or NULL */
	struct {
		u32 state;	/* enum work_state */
		void (*fn)(void *arg);
		void *arg;
	} work;
	u64 timer_deadline;	/* in TSC ticks; 0: none */
	struct tss tss;
	u64 gdt[5] aligned_to(8);	/* null, SEL_CODE64, SEL_DATA, SEL_TSS (two) */
};

static inline u64 read_rsp(void)
{
	u64 rsp;

	asm volatile("mov %%rsp, %0" : "=r"(rsp));
	return rsp;
}

/* The block's struct of CPU `index`. The memory is there only for CPUs that percpu_create() was
 * called for. */
static inline struct percpu *percpu_of(unsigned index)
{
	return (struct percpu *)(PERCPU_BASE + (u64)index * PERCPU_SIZE + PERCPU_SIZE - PAGE_SIZE);
}

/* This CPU's own. Only after percpu_enter(). */
static inline struct percpu *this_cpu(void)
{
	return (struct percpu *)((read_rsp() | (PERCPU_SIZE - 1)) + 1 - PAGE_SIZE);
}

/* Whether this CPU is on a stack of its block, so that this_cpu() means something. */
static inline bool has_this_cpu(void)
{
	return read_rsp() - PERCPU_BASE < (u64)MAX_CPUS * PERCPU_SIZE;
}

/* Allocates, maps and fills in the block of CPU `index`. False: no memory. */
bool must_check percpu_create(unsigned index, u32 apic_id);

/* The end of the main stack of CPU `index`, where RSP starts. */
u64 percpu_stack_top(unsigned index);

/* Loads the descriptor tables of `cpu` on the CPU that runs this. */
void percpu_load(struct percpu *cpu);

/* Loads the tables of `cpu`, leaves the present stack for its main stack, and calls `next`. */
void noreturn_fn percpu_enter(struct percpu *cpu, void (*next)(void *arg), void *arg);
