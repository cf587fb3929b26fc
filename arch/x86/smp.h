/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's CPUs: starting them, their idle loop, and giving them work. CPU 0 is the one that
 * booted.
 */
#pragma once

#include "include/types.h"

/* Starts the CPUs that the ACPI tables list, one after the other. Each gets a block (percpu.h) and
 * goes into the idle loop. Those that don't answer, or that no APIC mode reaches, are left out.
 * Returns the number of CPUs that are there now, the first one included. */
unsigned smp_start(void);

/* CPUs that run: their indexes are 0 .. smp_count() - 1. */
unsigned smp_count(void);

/* Has `fn(arg)` run on a CPU by its idle loop, as soon as it idles; on this very one too. False:
 * there is no such CPU, or it has work already. */
bool must_check smp_run_on(unsigned cpu, void (*fn)(void *arg), void *arg);

/* Whether work given to a CPU isn't done yet. */
bool smp_is_busy(unsigned cpu);

/* Gets a CPU out of HLT, or out of its guest, once: a request that was stored before is seen after
 * it. */
void smp_kick(unsigned cpu);

/* Runs what other CPUs, or this one, give it to do, and sleeps in between. */
void noreturn_fn smp_idle(void);
