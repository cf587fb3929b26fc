/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/dump.h"

#include "lib/printf.h"
#include "lib/string.h"

void dump_end(struct dump *d)
{
	if (d->used)
		d->print("%s", d->line);
	d->used = 0;
}

void dump_text(struct dump *d, const char *text)
{
	if (d->used && d->used + 2 + strlen(text) > DUMP_WIDTH)
		dump_end(d);
	d->used += snprintf(d->line + d->used, sizeof(d->line) - d->used, "  %s", text);
	d->used = MIN(d->used, sizeof(d->line) - 1);
}

void dump_value(struct dump *d, const char *name, u64 value)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %llx", name, (unsigned long long)value);
	dump_text(d, text);
}
