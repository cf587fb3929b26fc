/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest: its memory, its devices, its vCPUs, and how it ended. */
#pragma once

#include "console/console.h"
#include "devices/board.h"
#include "include/types.h"
#include "lib/spinlock.h"
#include "mm/format/format.h"
#include "mm/shadow/mmu.h"
#include "mm/slots.h"
#include "vcpu/cpuid.h"
#include "vcpu/vcpu.h"

#define VM_MAX_VCPUS	BOARD_MAX_VCPUS
#define VM_NAME_SIZE	32
#define VM_WHY_SIZE	160

/*
 * What a virtual architecture (virtual VMX, virtual SVM) adds to a guest, called by pointer. NULL
 * in struct vm: the guest is offered none.
 */
struct virt_ops {
	/* Does L1 want this exit of its L2? Asked where L1's `narrow` bit says that the want isn't
	 * all. */
	bool (*check_exit)(struct vcpu *v);
	void (*enter)(struct vcpu *v);
	/* Turns the exit of v into one to L1. */
	void (*leave)(struct vcpu *v);
	/* One of the architecture's own instructions. */
	enum handled (*instruction)(struct vcpu *v);
	bool (*msr)(struct vcpu *v, u32 index, bool write, u64 *value);
	void (*cpuid)(struct vcpu *v, u32 leaf, u32 subleaf, struct cpuid_leaf *regs);
	void (*reset)(struct vcpu *v);
};

enum vm_end { VM_RUNS, VM_POWERED_OFF, VM_RESET, VM_DEBUG_EXIT, VM_KILLED };

#define VM_INPUT_SIZE	1024	/* a power of two */

/* Bytes typed at the console that the guest's UART had no room for yet. */
struct vm_input {
	struct spinlock lock;
	u32 head, tail;
	u8 ring[VM_INPUT_SIZE];
	u64 retry;		/* when the UART is asked again, in ns of the guest's clock */
	void (*drained)(void);	/* called when the UART has taken the last one */
};

struct vm {
	char name[VM_NAME_SIZE];
	const struct vcpu_backend *backend;
	const struct virt_ops *virt;
	struct memory_slots slots;
	struct mmu_vm mmu;
	struct format_set formats;
	struct cpuid_policy cpuid;
	struct board board;	/* has a lock of its own (lib/lock_order.h) */
	struct vm_input input;
	struct console_line line;	/* of console output */
	u64 identity_map;	/* gpa of a page directory that maps 4 GiB one to one, where the backend needs it */
	gpa_t rom;		/* [rom, rom + rom_size): memory whose writes go nowhere, as a ROM's */
	u64 rom_size;
	unsigned nr_vcpus;
	struct vcpu *vcpu[VM_MAX_VCPUS];
	u64 start_tsc;		/* of the host, when the guest's clock read 0 */
	u64 flush_wanted;	/* number of flushes asked for so far; see vcpu->flush_acked */
	struct vcpu *pauser;	/* has paused all others, or is about to; atomic, NULL: nobody */
	/* The mmu waits for its flush mmu_epoch, which is ours of number mmu_epoch_wanted; 0: it
	 * doesn't. */
	u64 mmu_epoch, mmu_epoch_wanted;
	u32 state;		/* enum vm_end, atomic: whoever moves it from VM_RUNS reports */
	u32 nr_running;		/* vCPUs that haven't left vcpu_run() yet, and one for who started them */
	u32 nr_awake;		/* vCPUs that don't wait, halted or for a start-up IPI; atomic */
	const struct vcpu *guilty;	/* of a killed guest: the one that was reported */
};

struct vm_config {
	const char *name;
	const struct vcpu_backend *backend;
	unsigned nr_vcpus;
	bool sole;		/* the only guest: its console output goes out as it comes, without its name */
	u64 memory_below_4g, memory_above_4g;	/* in bytes; the caller adds the slots */
	u64 unix_time;				/* of the guest's RTC at its start, in seconds */
	bool merge_ticks;			/* board.h */
	unsigned mmu_frames;			/* limit of frames for page tables */
	bool small_pages;			/* its memory is mapped in 4 KiB pages only */
};

/* A guest with its vCPUs in reset state and no memory yet. NULL: the host is out of memory. */
struct vm *vm_create(const struct vm_config *config);

/* Takes a guest apart that doesn't run. Its slots' memory is its maker's. */
void vm_destroy(struct vm *vm);

/* The guest's clock: nanoseconds since it was started. */
u64 vm_now(const struct vm *vm);

/* Whether vm_console_input() would take a byte. If not, input.drained() will be called later. */
bool vm_input_has_room(const struct vm *vm);

/* A byte typed for the guest. False: it has not read the ones before; this one is lost. */
bool vm_console_input(struct vm *vm, u8 byte);

/* Ends of a guest that more than one place can cause. */
#define WHY_TRIPLE_FAULT "triple fault: an exception could not be delivered, nor the double fault that " \
			 "followed"
#define WHY_NO_TABLES	 "no memory is left for page tables; give the machine more, or its guests less"

/* Ends the guest, once: the first reason counts. Its other vCPUs stop at their next exit, which is
 * asked for. VM_KILLED takes a sentence and prints a report; safe from any vCPU of the guest. */
void vm_end(struct vm *vm, enum vm_end how, u32 value);
printf_like(2, 3) void vm_kill(struct vcpu *v, const char *format, ...);

/* Forgets every vCPU's translations; returns when no vCPU uses an old one any more: soon, as those in
 * the guest are interrupted and nobody else is waited for. */
void vm_flush(struct vm *vm);

/* A vCPU has carried out a flush: the mmu may be waiting for that. */
void vm_flush_done(struct vm *vm);

/*
 * Stops all other vCPUs outside the guest and outside Plinth's handlers, so that `self`, whose own
 * CPU calls, may change what handlers read without a lock: the memory slots. The caller holds no
 * lock. Returns within the time of one handler of the others. False: another vCPU is pausing; the
 * caller must go back to its requests (where it will be paused itself) and try again from there.
 */
bool must_check vm_pause(struct vcpu *self);
void vm_resume(struct vcpu *self);

/* The host's pointer to guest memory for [at, at + size), with these RIGHT_*; NULL: not memory. */
static inline void *vm_memory(struct vm *vm, gpa_t at, u64 size, u8 rights)
{
	return slots_pointer(&vm->slots, at, size, rights);
}
