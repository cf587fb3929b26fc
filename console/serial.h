/* SPDX-License-Identifier: GPL-2.0-only */
/* COM1: a 16550-like UART at 115200 baud, 8 bits, no parity, one stop bit. */
#pragma once

#include "include/types.h"

/* Finds and programs the UART. Without one, the other functions do nothing. */
void serial_init(void);

void serial_write(const char *text, size_t n);

/* Waits until the last bit is out, for a bounded time. */
void serial_drain(void);

/* The next byte received, or -1. */
int serial_getc(void);

/* Whether the UART interrupts when it has received something. False: there is none. */
bool serial_rx_interrupt(bool on);
