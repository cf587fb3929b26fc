/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line. An option is a row of a table, or switches a backend's feature off: parsing, help
 * and complaints all come from there. */
#include "boot/options.h"

#include "include/assert.h"
#include "lib/printf.h"
#include "lib/string.h"

#define MAX_CHOICES 8

struct option {
	const char *name;
	/* What may follow `name=`, as the numbers 0, 1, …; none: the word stands alone and means
	 * true. */
	const char *choice[MAX_CHOICES];
	size_t at;	/* of its byte in struct options */
	const char *help;
};

static const struct option table[] = {
	{ "help", { 0 }, offsetof(struct options, help), "print these lines" },
	{ "on-panic", { "halt", "reboot" }, offsetof(struct options, reboot_on_panic),
	  "after a panic's report" },
	{ "at-end", { "off", "stay" }, offsetof(struct options, stay_at_end),
	  "when all guests have ended: power off, or stay" },
	{ "report-exits", { 0 }, offsetof(struct options, report_exits),
	  "when a guest has ended, print its exits by kind and what they cost" },
	{ "check-host", { 0 }, offsetof(struct options, check_host),
	  "when a guest has ended, say whether the host's MSRs are as before" },
	{ "fail-alloc", { 0 }, offsetof(struct options, fail_alloc),
	  "make each guest with each of its allocations failing first, and say what was lost" },
	{ "crash", { "none", "pf", "ud", "gp", "df", "nmi", "assert", "stack" },
	  offsetof(struct options, crash), "crash in this way, to see the report" },
	{ "crash-at", { "boot", "input" }, offsetof(struct options, crash_at),
	  "crash before guests start, or at the first key typed while one runs" },
};
static_assert(CRASH_STACK == 7, "crash= lists the kinds in the order of enum forced_crash");
static_assert(sizeof(bool) == 1, "an option is a byte");

/* One word of the command line. */
struct word {
	const char *text;
	size_t length;
	size_t name_length;	/* up to '=' */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* False: none is left. */
static bool next_word(const char **cmdline, struct word *w)
{
	const char *at = *cmdline;
	const char *equals;

	while (is_blank(*at))
		at++;
	w->text = at;
	while (*at && !is_blank(*at))
		at++;
	w->length = (size_t)(at - w->text);
	equals = strchr(w->text, '=');
	w->name_length = equals && equals < at ? (size_t)(equals - w->text) : w->length;
	*cmdline = at;
	return w->length;
}

static bool is_text(const char *text, const char *from, size_t length)
{
	return strlen(text) == length && !strncmp(text, from, length);
}

static const struct option *find_option(const struct word *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (is_text(table[i].name, w->text, w->name_length))
			return &table[i];
	return NULL;
}

/* The number of the choice that the word makes, or -1. */
static int find_choice(const struct option *o, const struct word *w)
{
	if (!o->choice[0])
		return w->name_length == w->length ? 1 : -1;
	if (w->name_length == w->length)
		return -1;
	for (int i = 0; i < MAX_CHOICES && o->choice[i]; i++)
		if (is_text(o->choice[i], w->text + w->name_length + 1,
			    w->length - w->name_length - 1))
			return i;
	return -1;
}

/* "name=one|two", or "name". */
static void describe(const struct option *o, char *out, size_t size)
{
	int n = snprintf(out, size, "%s", o->name);

	for (int i = 0; i < MAX_CHOICES && o->choice[i]; i++)
		n += snprintf(out + n, size - (size_t)n, "%c%s", i ? '|' : '=', o->choice[i]);
}

#define NO ".no-"

/* The backend whose name the word has before a dot. NULL: none's. */
static const struct vcpu_backend *find_backend(const struct vcpu_backend *const *backends,
					       const struct word *w)
{
	for (; *backends; backends++) {
		size_t length = strlen((*backends)->option);

		if (w->length > length && w->text[length] == '.' &&
		    !strncmp(w->text, (*backends)->option, length))
			return *backends;
	}
	return NULL;
}

/* The feature of the backend that "NAME.no-FEATURE" names, all of the word. NULL: none. */
static struct backend_feature *find_feature(const struct vcpu_backend *b, const struct word *w)
{
	size_t before = strlen(b->option) + strlen(NO);
	struct backend_feature *f;

	if (w->length <= before || strncmp(w->text + strlen(b->option), NO, strlen(NO)))
		return NULL;
	for (unsigned n = 0; (f = b->feature(n)); n++)
		if (is_text(f->name, w->text + before, w->length - before))
			return f;
	return NULL;
}

static void complain_feature(const struct vcpu_backend *b, const struct word *w, char *error,
			     size_t size)
{
	size_t n = (size_t)snprintf(error, size, "\"%.*s\" is not %s" NO "FEATURE; features:",
				    (int)MIN(w->length, (size_t)64), w->text, b->option);
	const struct backend_feature *f;

	for (unsigned i = 0; (f = b->feature(i)) && n < size; i++)
		n += (size_t)snprintf(error + n, size - n, "%s %s", i ? "," : "", f->name);
}

static void complain_unknown(const struct vcpu_backend *const *backends, const struct word *w,
			     char *error, size_t size)
{
	size_t n = (size_t)snprintf(error, size, "unknown option \"%.*s\"; known:",
				    (int)MIN(w->length, (size_t)64), w->text);

	for (size_t i = 0; i < ARRAY_SIZE(table) && n < size; i++)
		n += (size_t)snprintf(error + n, size - n, "%s %s", i ? "," : "", table[i].name);
	for (; *backends && n < size; backends++)
		n += (size_t)snprintf(error + n, size - n, ", %s" NO "FEATURE", (*backends)->option);
}

static void complain_value(const struct option *o, const struct word *w, char *error, size_t size)
{
	char usage[128];

	describe(o, usage, sizeof(usage));
	snprintf(error, size, "option \"%.*s\" is not understood; it is %s",
		 (int)MIN(w->length, (size_t)64), w->text, usage);
}

/* Some loaders (QEMU's) give the file's name first, as argv[0]; others (GRUB) don't. */
static const char *skip_file_name(const struct vcpu_backend *const *backends, const char *cmdline)
{
	const char *at = cmdline;
	struct word w;

	if (!next_word(&at, &w) || w.name_length < w.length || find_backend(backends, &w))
		return cmdline;
	for (size_t i = 0; i < w.length; i++)
		if (w.text[i] == '/' || w.text[i] == '.')
			return at;
	return cmdline;
}

static bool parse_feature(const struct vcpu_backend *b, const struct word *w, char *error,
			  size_t size)
{
	struct backend_feature *f = find_feature(b, w);

	if (f)
		f->is_off = true;
	else
		complain_feature(b, w, error, size);
	return f;
}

static bool parse_option(struct options *to, const struct vcpu_backend *const *backends,
			 const struct word *w, char *error, size_t size)
{
	const struct option *o = find_option(w);
	int choice = o ? find_choice(o, w) : -1;

	if (!o)
		complain_unknown(backends, w, error, size);
	else if (choice < 0)
		complain_value(o, w, error, size);
	if (choice < 0)
		return false;
	((u8 *)to)[o->at] = (u8)choice;
	return true;
}

bool options_parse(struct options *to, const struct vcpu_backend *const *backends,
		   const char *cmdline, char *error, size_t size)
{
	struct word w;

	*to = (struct options){ 0 };
	cmdline = skip_file_name(backends, cmdline);
	while (next_word(&cmdline, &w)) {
		const struct vcpu_backend *b = find_backend(backends, &w);

		if (b ? !parse_feature(b, &w, error, size)
		      : !parse_option(to, backends, &w, error, size))
			return false;
	}
	return true;
}

#define HELP_WIDTH	46	/* of what stands before the explanation */
#define HELP_LINE	98

static void help_features(const struct vcpu_backend *b, void (*print)(const char *line))
{
	const struct backend_feature *f;
	char usage[64], line[HELP_LINE + 1];
	int n;

	snprintf(usage, sizeof(usage), "%s" NO "FEATURE", b->option);
	n = snprintf(line, sizeof(line), "  %-*s do without:", HELP_WIDTH, usage);
	for (unsigned i = 0; (f = b->feature(i)); i++) {
		if ((size_t)n + 1 + strlen(f->name) > HELP_LINE) {
			print(line);
			n = snprintf(line, sizeof(line), "  %-*s ", HELP_WIDTH, "");
		}
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %s", f->name);
	}
	print(line);
}

void options_help(const struct vcpu_backend *const *backends, void (*print)(const char *line))
{
	char usage[128], line[256];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		describe(&table[i], usage, sizeof(usage));
		snprintf(line, sizeof(line), "  %-*s %s", HELP_WIDTH, usage, table[i].help);
		print(line);
	}
	for (; *backends; backends++)
		help_features(*backends, print);
}
