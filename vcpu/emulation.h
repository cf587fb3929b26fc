/* SPDX-License-Identifier: GPL-2.0-only */
/* The emulator at work for a vCPU: its memory, its devices, its registers handed in. */
#pragma once

#include "vcpu/vcpu.h"

/* Carries out the one instruction at RIP. What it can't do ends the guest with a report. */
enum handled emulate_one(struct vcpu *v);

/*
 * The same after a STAGE2 exit with an address where no memory is. A plain MOV needs no emulation:
 * the CPU has translated its operand and checked everything, but for the second page of one that
 * crosses pages.
 */
enum handled emulate_device_access(struct vcpu *v);

/* An instruction fetch went where nothing can be fetched: #PF if memory is there whose slot's
 * rights forbid it, else the guest ends, as it runs from nowhere. */
enum handled emulate_denied_fetch(struct vcpu *v, bool is_memory);

/* Delivers `event` through the IDT as the CPU does, by emulation: what hardware leaves to its
 * hypervisor, as a task gate, and all while the guest is interpreted. A second exception is in
 * v->raised then, and the event in v->interrupted. */
enum handled emulate_delivery(struct vcpu *v, const struct event *event);

/* Is the instruction that raised #UD a hypercall, VMCALL or VMMCALL? Then the exit has its length. */
bool emulate_is_hypercall(struct vcpu *v);
