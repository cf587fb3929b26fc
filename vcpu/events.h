/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events: the one function that decides, before an entry, what is delivered to the guest and for
 * which windows to wait. Each event ends in exactly one place.
 */
#pragma once

#include "vcpu/vcpu.h"

/* Decides and hands at most one event to the backend. False: a triple fault, the guest's end. */
bool must_check events_prepare(struct vcpu *v);

/* Is there something that ends a HLT: an exception, an NMI or interrupt that can be taken? */
bool events_wake_up(struct vcpu *v);

/* An NMI for `v`, from any CPU. No more than two wait, one to be delivered and one behind it (SDM vol. 3A,
 * "Handling Multiple NMIs"): the CPU forgets others. The caller kicks with REQUEST_EVENT. */
void events_add_nmi(struct vcpu *v);

/* Makes `v->raised` an exception of the instruction at RIP. */
void events_raise(struct vcpu *v, u8 vector);
void events_raise_error(struct vcpu *v, u8 vector, u32 error);
void events_raise_page_fault(struct vcpu *v, u64 address, u32 error);

/* What two exceptions in a row become (SDM vol. 3A, "Conditions for Generating a Double Fault"). */
enum event_merge { MERGE_SECOND, MERGE_DOUBLE_FAULT, MERGE_TRIPLE_FAULT };
enum event_merge events_merge(u8 first, u8 second);

/* INIT: what waited, was cut short or was handed over is void, and no window is open. NMIs that wait
 * stay: they may have come after it. */
void events_forget(struct vcpu *v);

/* The guest has executed IRET, be it that it faulted: NMIs are blocked no more, and one that waits is
 * taken (SDM vol. 3A, "Handling Multiple NMIs"; vol. 3C, "Information About NMI Unblocking Due to
 * IRET"). */
void events_iret(struct vcpu *v);

/* To be called at an exit while v->step.on: gives the guest its own TF back. True: the exit was but
 * the end of Plinth's single step, and there is nothing else to it. */
bool must_check events_end_step(struct vcpu *v, bool is_debug_exception);
