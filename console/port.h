/* SPDX-License-Identifier: GPL-2.0-only */
/* I/O ports, for this room: it stands beside arch/x86, not above it. */
#pragma once

#include "include/types.h"

static inline void port_write(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a" (value), "Nd" (port));
}

static inline u8 port_read(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a" (value) : "Nd" (port));
	return value;
}
