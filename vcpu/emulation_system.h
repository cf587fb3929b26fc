/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system's half of what the emulator asks its vCPU for: registers beyond the general ones,
 * segment registers, and system instructions. For vcpu/emulation.c.
 */
#pragma once

#include "emulate/emulate.h"
#include "vcpu/vcpu.h"

/* The operations of the same names in struct emulate_ops; ctx is the struct vcpu. */
u64 emulation_get(void *ctx, enum emulate_reg reg);
void emulation_set(void *ctx, enum emulate_reg reg, u64 value);
const struct segment *emulation_segment(void *ctx, enum segment_register reg);
void emulation_set_segment(void *ctx, enum segment_register reg, const struct segment *s);
const struct table *emulation_table(void *ctx, enum emulate_table which);
void emulation_set_table(void *ctx, enum emulate_table which, const struct table *table);
enum emulate_status emulation_system(void *ctx, const struct insn *insn,
				     struct emulate_action *action, struct event *fault);
