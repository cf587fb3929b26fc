/* SPDX-License-Identifier: GPL-2.0-only */
/* C's snprintf for the hypervisor: %d %i %u %x %X %c %s %p %%, flags 0 - + space #, width,
 * precision, *, lengths hh h l ll z. Host tests take the C library's. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "include/types.h"

/* Both return the length that the whole text has, and end `out` with a zero byte if size > 0. */
int vsnprintf(char *out, size_t size, const char *format, va_list args);
printf_like(3, 4) int snprintf(char *out, size_t size, const char *format, ...);
