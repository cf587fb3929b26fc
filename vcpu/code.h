/* SPDX-License-Identifier: GPL-2.0-only */
/* The instruction at RIP: where its bytes are, and how long it is. */
#pragma once

#include "vcpu/vcpu.h"

/* A host pointer to the byte at CS:RIP, by the walk memo, and how many bytes of its page follow (1 to 4096).
 * The guest may change them at any time: copy before looking twice. NULL: RIP isn't mapped to memory. */
const u8 *code_pointer(struct vcpu *v, unsigned *avail);

/* Copies up to 15 bytes at CS:RIP, over a page's end if need be, without setting accessed flags.
 * Returns how many there are. */
unsigned code_fetch(struct vcpu *v, u8 bytes[15]);

/* Linear address of RIP. */
u64 code_linear(struct vcpu *v);
