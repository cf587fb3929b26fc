/* SPDX-License-Identifier: GPL-2.0-only */
/* What the console says of the CPU at boot. Pure. */
#include "boot/backends.h"

#include "lib/printf.h"

/* What the probe guest can tell. */
static const struct {
	const char *name;
	size_t at;		/* of its bool in struct backend_caps */
} measured[] = {
	{ "nrip", offsetof(struct backend_caps, nrip) },
	{ "shadow-load", offsetof(struct backend_caps, shadow_load) },
	{ "xsetbv-exit", offsetof(struct backend_caps, xsetbv_exit) },
	{ "rdtscp-exit", offsetof(struct backend_caps, rdtscp_exit) },
	{ "dr7-clear", offsetof(struct backend_caps, dr7_clear) },
	{ "nmi-blocking", offsetof(struct backend_caps, vnmi) },
};

static bool is_used(const struct backend_feature *f)
{
	return f->is_used && f->is_there && !f->is_off;
}

static bool is_idle(const struct backend_feature *f)
{
	return !f->is_used && f->is_there && !f->is_off;
}

static bool is_missed(const struct backend_feature *f)
{
	return f->is_used && !f->is_there && !f->is_off;
}

static bool is_off(const struct backend_feature *f)
{
	return f->is_off;
}

struct line {
	char text[512];
	size_t used;
};

static void add(struct line *line, const char *before, const char *word)
{
	line->used += (size_t)snprintf(line->text + line->used, sizeof(line->text) - line->used,
				       "%s%s", before, word);
	line->used = MIN(line->used, sizeof(line->text) - 1);
}

/* The title and the names of the features that belong under it; nothing if there are none. A line
 * begins with the backend's name. */
static void add_features(struct line *line, const struct vcpu_backend *b, const char *title,
			 bool (*belongs)(const struct backend_feature *f))
{
	const struct backend_feature *f;
	bool any = false;

	for (unsigned n = 0; (f = b->feature(n)); n++) {
		if (!belongs(f))
			continue;
		if (!line->used)
			add(line, b->name, ": ");
		else if (!any)
			add(line, "; ", "");
		if (!any)
			add(line, title, "");
		add(line, " ", f->name);
		any = true;
	}
}

static void add_measured(struct line *line, const struct backend_caps *caps)
{
	bool any = false;

	add(line, "; ", "measured:");
	for (unsigned i = 0; i < ARRAY_SIZE(measured); i++) {
		if (!*(const bool *)((const u8 *)caps + measured[i].at))
			continue;
		add(line, " ", measured[i].name);
		any = true;
	}
	if (!any)
		add(line, " ", "none");
}

void capabilities_print(const struct vcpu_backend *b, void (*print)(const char *line))
{
	struct line line = { .used = 0 };

	line.used = (size_t)snprintf(line.text, sizeof(line.text), "%s: %u TLB tags", b->name,
				     b->caps->tags);
	add_features(&line, b, "uses", is_used);
	add_measured(&line, b->caps);
	print(line.text);

	line.used = 0;
	add_features(&line, b, "not there:", is_missed);
	add_features(&line, b, "there, but unused:", is_idle);
	add_features(&line, b, "switched off:", is_off);
	if (line.used)
		print(line.text);
}
