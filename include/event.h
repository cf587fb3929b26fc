/* SPDX-License-Identifier: GPL-2.0-only */
/* One form for an event that is injected, interrupted, pending or reported. */
#pragma once

#include "include/types.h"

enum event_type {
	EVENT_NONE,
	EVENT_EXTINT,		/* external interrupt */
	EVENT_NMI,
	EVENT_EXCEPTION,	/* raised by hardware or by emulation */
	EVENT_SOFT_INT,		/* INT n */
	EVENT_SOFT_EXC,		/* INT3, INTO */
	EVENT_PRIV_SOFT_EXC,	/* INT1 (ICEBP) */
	EVENT_OTHER,		/* monitor trap flag */
};

struct event {
	u8 type;		/* enum event_type */
	u8 vector;
	u8 insn_len;		/* SOFT_* only: bytes from `rip` to the return address */
	bool has_error;
	u32 error;
	u64 payload;		/* #PF: CR2; #DB: new DR6 bits. Not yet in CR2/DR6: delivery puts it there */
	u64 rip;		/* of the instruction itself: RIP goes back to it if delivery is interrupted */
};
