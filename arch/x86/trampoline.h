/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page below 640 KiB in which other CPUs start, in real mode: where the code lies in the image,
 * and what it must be told. Offsets are shared with trampoline.S.
 */
#pragma once

#define TRAMPOLINE_PARAMETERS	0xf00	/* struct trampoline_parameters, from the start of the page */
#define TRAMPOLINE_CR3		0x00
#define TRAMPOLINE_EFER		0x04
#define TRAMPOLINE_STACK	0x08
#define TRAMPOLINE_ENTRY	0x10
#define TRAMPOLINE_ARGUMENT	0x18
#define TRAMPOLINE_FAR		0x20
#define TRAMPOLINE_GDT_POINTER	0x28
#define TRAMPOLINE_GDT		0x30

#ifndef __ASSEMBLER__
#include "include/assert.h"
#include "include/types.h"

struct packed_struct trampoline_parameters {
	u32 cr3, efer;
	u64 stack;		/* RSP */
	u64 entry;		/* void (*)(void *) */
	u64 argument;
	u32 far_offset;		/* of the 64-bit part of the code, as a physical address */
	u16 far_selector;
	u16 unused;
	u16 gdt_limit;
	u32 gdt_base;
	u16 unused2;
	u64 gdt[3];		/* null, SEL_CODE64, SEL_DATA */
};
static_assert(offsetof(struct trampoline_parameters, cr3) == TRAMPOLINE_CR3, "layout");
static_assert(offsetof(struct trampoline_parameters, efer) == TRAMPOLINE_EFER, "layout");
static_assert(offsetof(struct trampoline_parameters, stack) == TRAMPOLINE_STACK, "layout");
static_assert(offsetof(struct trampoline_parameters, entry) == TRAMPOLINE_ENTRY, "layout");
static_assert(offsetof(struct trampoline_parameters, argument) == TRAMPOLINE_ARGUMENT, "layout");
static_assert(offsetof(struct trampoline_parameters, far_offset) == TRAMPOLINE_FAR, "layout");
static_assert(offsetof(struct trampoline_parameters, gdt_limit) == TRAMPOLINE_GDT_POINTER,
	      "layout");
static_assert(offsetof(struct trampoline_parameters, gdt) == TRAMPOLINE_GDT, "layout");

extern const u8 trampoline_start[], trampoline_64[], trampoline_end[];
#endif
