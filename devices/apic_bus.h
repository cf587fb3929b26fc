/* SPDX-License-Identifier: GPL-2.0-only */
/* What APICs send to each other, and how its targets are found among the LAPICs of one VM. */
#pragma once

#include "include/types.h"
#include "include/x86/apic.h"

struct lapic;

#define APIC_BROADCAST	0xffffffffu
#define APIC_NO_SOURCE	0xffffffffu

struct apic_message {
	u32 dest;		/* an 8-bit broadcast is widened to APIC_BROADCAST by the sender */
	u32 source;		/* index of the sending LAPIC, or APIC_NO_SOURCE */
	u32 shorthand;		/* 0, or APIC_ICR_SELF, _ALL or _OTHERS: then `dest` doesn't count */
	u8 vector;
	u8 delivery;		/* enum apic_delivery */
	bool logical;		/* destination mode */
	bool level;		/* trigger mode */
	bool assert;
};

/*
 * Hand `message` to its targets among `count` LAPICs; of the lowest-priority delivery mode to the
 * one that is least busy, the first of equals. Returns the number of LAPICs that accepted it.
 */
unsigned apic_bus_send(struct lapic *lapics, unsigned count, const struct apic_message *message);
