/* SPDX-License-Identifier: MIT */
/* In place of arch/x86/cpu.h: the registers of a CPU that a guest has in the CPU itself. */
#pragma once

#include "include/types.h"
#include "include/x86/msr.h"

static u64 cpu_cr2, cpu_dr6;
static u64 cpu_msr[5];
static unsigned cpu_nmis;

/* KERNEL_GS_BASE, STAR, LSTAR, CSTAR, SFMASK, by the manual's numbers. */
static inline u64 *fake_msr(u32 index)
{
	switch (index) {
	case 0xc0000102: return &cpu_msr[0];
	case 0xc0000081: return &cpu_msr[1];
	case 0xc0000082: return &cpu_msr[2];
	case 0xc0000083: return &cpu_msr[3];
	case 0xc0000084: return &cpu_msr[4];
	}
	return NULL;
}

static inline u64 rdmsr(u32 index) { return *fake_msr(index); }
static inline void wrmsr(u32 index, u64 value) { *fake_msr(index) = value; }
static inline u64 read_cr2(void) { return cpu_cr2; }
static inline void write_cr2(u64 value) { cpu_cr2 = value; }
static inline u64 read_dr6(void) { return cpu_dr6; }
static inline void write_dr6(u64 value) { cpu_dr6 = value; }
static inline void take_nmi(void) { cpu_nmis++; }
