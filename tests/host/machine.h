/* SPDX-License-Identifier: MIT */
/*
 * The guest that the emulator's tests work on: registers, 64 KiB of memory at one linear address
 * with rights for each page, and struct emulate_ops over them that count what they are asked for.
 */
#pragma once

#include "emulate/emulate.h"
#include "include/rights.h"
#include "include/x86/cr.h"

#define DATA		0x20000u	/* linear address of the guest's memory … */
#define DATA_SIZE	0x10000u	/* … and its size */
#define CODE		0x1000u		/* where RIP is after machine_reset() */
#define ARITH		(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

#define XSAVE_BYTES	832

struct machine {
	u64 gpr[16], rip, rsp, rflags, cr0, cr4, cpl;
	u64 at;				/* linear address of data[]: DATA, but a test may move it */
	struct segment segment[NR_SEGMENTS];
	u8 rights[DATA_SIZE / PAGE_SIZE];	/* RIGHT_R, RIGHT_W */
	unsigned reads, writes, exchanges, ports, intercepts, systems, in_value;
	u16 last_port;
	u32 last_out;
	bool refuse;			/* intercept says stop */
	bool race;			/* every exchange finds memory changed, every lock is taken */
	bool locked;			/* between lock and unlock … */
	unsigned locked_accesses;	/* … and how many reads and writes were */
	struct emulate_action action;
	u64 xcr0;
	u8 fpu[XSAVE_BYTES] aligned_to(64);	/* XSAVE's standard format: x87, SSE, AVX */
	u8 data[DATA_SIZE];		/* the last: what is before it can be copied alone */
};

extern struct machine m;
extern const struct emulate_ops machine_ops;

/*
 * Flat segments as after a boot loader; real mode: all data segments at DATA. All pages readable
 * and writable, memory 0, CPL 0, paging off in CR0 (the rights hold all the same).
 */
void machine_reset(enum cpu_mode mode);

/* fpu.c, on m.fpu, by the code that the hypervisor has for it (vcpu/vector_state.c). */
void machine_get_vector(void *ctx, unsigned reg, unsigned size, void *to);
void machine_set_vector(void *ctx, unsigned reg, unsigned size, bool clear, const void *from);
void machine_x87(void *ctx, struct emulate_x87 *x);
u64 machine_fpu_register(enum emulate_reg reg);		/* EMULATE_FSW, _MXCSR* */
void machine_set_mxcsr(u32 value);

/* The next of the test's random numbers; the same ones in every run. */
u64 random64(void);
