/* SPDX-License-Identifier: GPL-2.0-only */
/* Names with their values, as many in a line as fit: for reports of whole control blocks. */
#pragma once

#include "include/types.h"

#define DUMP_WIDTH	98	/* of a line */

typedef printf_like(1, 2) void dump_printer(const char *format, ...);

struct dump {
	dump_printer *print;	/* called once for each line */
	size_t used;
	char line[DUMP_WIDTH + 1];
};

/* The value in hexadecimal. */
void dump_value(struct dump *d, const char *name, u64 value);

/* `text` stands by itself, as a value does; at most DUMP_WIDTH characters of it are printed. */
void dump_text(struct dump *d, const char *text);

/* Prints what is left. */
void dump_end(struct dump *d);
