/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to emulate/: descriptors, stacks and the far transfers of control made of them.
 * Descriptor tables and the TSS are read as the CPU does by itself: supervisor accesses whatever
 * CPL is, and each byte once.
 */
#pragma once

#include "emulate/emulation.h"

#define SELECTOR_RPL	3u
#define SELECTOR_TI	4u
#define SELECTOR_IDT	2u	/* in an error code: of a gate in the IDT */

/* Types of system descriptors (SDM vol. 3A, "System Descriptor Types"). */
enum system_type {
	TYPE_TSS16 = 1, TYPE_LDT, TYPE_TSS16_BUSY, TYPE_CALL_GATE16, TYPE_TASK_GATE,
	TYPE_INT_GATE16, TYPE_TRAP_GATE16,
	TYPE_TSS = 9, TYPE_TSS_BUSY = 11, TYPE_CALL_GATE, TYPE_INT_GATE = 14, TYPE_TRAP_GATE,
};
#define TSS_BUSY	2u	/* in the type of a TSS */

struct descriptor {
	u16 selector;
	gva_t at;		/* of its first byte */
	u64 raw;
	u64 high;		/* second half of a system descriptor in long mode, else 0 */
	struct segment seg;	/* what a segment register would hold */
};

/* A stack that may be another than the present one. */
struct stack {
	struct segment ss;
	u64 rsp;
	unsigned bytes;		/* stack address size: 2, 4, 8 */
	u32 user;		/* ACCESS_USER or 0: who uses it */
	u32 error;		/* of its #SS */
};

/* How a far transfer comes about, where a task switch has to know. */
enum transfer { TRANSFER_JMP, TRANSFER_CALL, TRANSFER_IRET, TRANSFER_EVENT };

/* segment.c */
bool is_long_mode(struct emulation *e);
unsigned current_cpl(struct emulation *e);
static inline bool is_null_selector(u16 selector)
{
	return !(selector & ~SELECTOR_RPL);
}
static inline unsigned descriptor_dpl(const struct segment *s)
{
	return (s->attr & SEG_ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
}
static inline bool is_code(const struct segment *s)
{
	return (s->attr & SEG_ATTR_S) && (s->attr & SEG_TYPE_CODE);
}
static inline bool is_conforming(const struct segment *s)
{
	return is_code(s) && (s->attr & SEG_TYPE_CONFORMING);
}
/* A code segment that is both 64-bit and 32-bit exists in no mode; L counts in long mode only. */
static inline bool is_bad_code_size(struct emulation *e, const struct segment *s)
{
	return (s->attr & SEG_ATTR_L) && (s->attr & SEG_ATTR_DB) && is_long_mode(e);
}
/* A fault with a selector as its error code, or with none but EXT. */
enum emulate_status selector_fault(struct emulation *e, u8 vector, u16 selector);
enum emulate_status read_implicit(struct emulation *e, gva_t at, void *to, unsigned size);
enum emulate_status write_implicit(struct emulation *e, gva_t at, const void *from, unsigned size);
/* Fetch the 8 bytes that a selector (not a null one) names; beyond its table: `vector`. */
enum emulate_status read_descriptor(struct emulation *e, u16 selector, u8 vector,
				    struct descriptor *d);
/* In long mode the other 8 bytes of a system descriptor. */
enum emulate_status read_high_half(struct emulation *e, u8 vector, struct descriptor *d);
/* Set bits of the type in memory and in d->seg: accessed, busy. Locked, as other CPUs do it too. */
enum emulate_status set_type_bits(struct emulation *e, struct descriptor *d, u8 bits);
enum emulate_status mark_accessed(struct emulation *e, struct descriptor *d);
struct segment null_segment(u16 selector, unsigned cpl);
/* As real and virtual-8086 mode load one. */
struct segment real_segment(struct emulation *e, unsigned reg, u16 selector);
/* Check what ES, DS, FS, GS or SS is to be loaded with; nothing is loaded. */
enum emulate_status prepare_segment(struct emulation *e, unsigned reg, u16 selector,
				    struct segment *out);
/*
 * The same for SS at `cpl`, wherever it comes from. wide: the code that uses it is 64-bit code.
 * vector: of all but a segment that is not present (#SS).
 */
enum emulate_status prepare_stack_segment(struct emulation *e, u16 selector, unsigned cpl,
					  bool wide, u8 vector, struct segment *out);
/* The same for ES, DS, FS, GS in protected mode. */
enum emulate_status prepare_data_segment(struct emulation *e, u16 selector, u8 vector,
					 struct segment *out);
/* Data segments that a less privileged `cpl` must not have become null. */
void drop_data_segments(struct emulation *e, unsigned cpl);
enum emulate_status read_far_pointer(struct emulation *e, u64 *offset, u16 *selector);
enum emulate_status load_ldt(struct emulation *e, u16 selector, u8 vector);
enum emulate_status load_tr(struct emulation *e, u16 selector);

/* stack.c */
struct stack current_stack(struct emulation *e);
enum emulate_status check_stack_room(struct emulation *e, const struct stack *s, unsigned count,
				     unsigned size);
enum emulate_status push_values(struct emulation *e, struct stack *s, const u64 *values,
				unsigned count, unsigned size);
enum emulate_status pop_values(struct emulation *e, struct stack *s, u64 *values, unsigned count,
			       unsigned size);
/* The stack pointer of the present stack becomes that of *s, within its size. */
void use_stack_pointer(struct emulation *e, const struct stack *s);

/* control.c */
/* May code go on at rip, in cs? #GP(0), with EXT, if not. */
enum emulate_status check_rip(struct emulation *e, const struct segment *cs, u64 rip);
void enter_code(struct emulation *e, const struct segment *cs, unsigned cpl, u64 rip);
/* RIP and CS of a return, checked (SDM vol. 2B, "RET"); *cs gets the CPL as its RPL. */
enum emulate_status check_return_code(struct emulation *e, u16 selector, struct descriptor *cs);
/* A word of the TSS; beyond its limit: #TS with TR's selector. */
enum emulate_status read_tss(struct emulation *e, unsigned at, void *to, unsigned size);
/* The stack that the TSS has for `cpl`, `wide` as above; ist: 1 to 7, or 0. */
enum emulate_status inner_stack(struct emulation *e, unsigned cpl, unsigned ist, struct stack *s);

/* interrupt.c */
enum emulate_status deliver_event(struct emulation *e, const struct event *event);
enum emulate_status run_int(struct emulation *e);
enum emulate_status run_iret(struct emulation *e);

/* task.c */
/*
 * Switch to the task whose TSS descriptor is *d: TRANSFER_IRET wants it busy, the others not.
 * error: pushed onto the new stack, NULL: none. A fault after the switch is the new task's.
 */
enum emulate_status switch_task(struct emulation *e, struct descriptor *d, enum transfer how,
				const u32 *error);
enum emulate_status return_from_task(struct emulation *e);
/* By way of a task gate, whose raw form is given. */
enum emulate_status enter_task_gate(struct emulation *e, u64 gate, enum transfer how,
				    const u32 *error);

/* syscall.c */
enum emulate_status run_syscall(struct emulation *e);
enum emulate_status run_sysret(struct emulation *e);
enum emulate_status run_sysenter(struct emulation *e);
enum emulate_status run_sysexit(struct emulation *e);
enum emulate_status run_swapgs(struct emulation *e);

/* flags.c */
enum emulate_status run_pushf(struct emulation *e);
enum emulate_status run_popf(struct emulation *e);
