/* SPDX-License-Identifier: MIT */
/*
 * One instruction carried out by the test machine's own CPU, in 64-bit mode at CPL 3: registers
 * and memory are those of `m`, whose window is at DATA with the rights that cases_begin() gives.
 */
#pragma once

#include "tests/host/machine.h"

#define NATIVE_WINDOW_SIZE	0x3000u		/* the pages that are there */
#define NATIVE_CODE		0x70000000u

struct native {
	u64 gpr[16], rflags;
	int exception;		/* vector, or -1 */
	u64 error, cr2;
	u8 fpu[XSAVE_BYTES] aligned_to(64);
	u8 *data;		/* the window's first NATIVE_WINDOW_SIZE bytes */
};

/*
 * False: this machine can't, for want of AVX2. The pages are there from the begin: an error code is
 * that of the first fault, not of the one that is left when the kernel has brought the page.
 */
bool native_open(struct native *n);

/* `code` of `length` bytes at m.rip, which is to be NATIVE_CODE. */
void native_run(struct native *n, const u8 *code, unsigned length);
