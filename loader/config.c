/* SPDX-License-Identifier: GPL-2.0-only */
/* Owns the grammar of module command lines. Does not know what becomes of a guest. */
#include "loader/config.h"

#include "include/rights.h"
#include "lib/printf.h"
#include "lib/string.h"

/* A piece of a command line: never copied, never written, ends at `end`. */
struct text {
	const char *at, *end;
};

/* The module that is being read. */
struct reading {
	struct guest_config *g;
	unsigned module;	/* from 0 */
	const char *role;
	struct config_module *file;	/* NULL: the kernel */
	u32 seen;		/* keys that were given: bit per row of keys[] */
};

struct key {
	const char *name;
	void (*take)(struct reading *r, struct text value);
};

/* At most this much of a wrong value is shown. */
#define SHOWN	40

static size_t text_size(struct text t)
{
	return (size_t)(t.end - t.at);
}

static int shown(struct text t)
{
	return (int)MIN(text_size(t), (size_t)SHOWN);
}

static bool text_is(struct text t, const char *word)
{
	return strlen(word) == text_size(t) && memcmp(t.at, word, text_size(t)) == 0;
}

/* Cuts off and returns what stands before the first `separator`, which goes too. */
static struct text cut(struct text *rest, char separator)
{
	struct text head = { rest->at, rest->at };

	while (head.end < rest->end && *head.end != separator)
		head.end++;
	rest->at = head.end < rest->end ? head.end + 1 : head.end;
	return head;
}

printf_like(2, 3) static void refuse(struct reading *r, const char *format, ...)
{
	char *fault = r->g->fault;
	va_list args;
	int n;

	if (fault[0])
		return;
	n = snprintf(fault, CONFIG_FAULT_SIZE, "module %u: ", r->module + 1);
	va_start(args, format);
	vsnprintf(fault + n, CONFIG_FAULT_SIZE - (size_t)n, format, args);
	va_end(args);
}

static int digit(char c, unsigned base)
{
	int d = -1;

	if (c >= '0' && c <= '9')
		d = c - '0';
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		d = (c | 0x20) - 'a' + 10;
	return d < (int)base ? d : -1;
}

static unsigned suffix_shift(char c)
{
	switch (c | 0x20) {
	case 'k': return 10;
	case 'm': return 20;
	case 'g': return 30;
	}
	return 0;
}

/* A number with an optional suffix, to the end of `t`. */
static bool parse_size(struct text t, u64 *value)
{
	unsigned base = 10, shift;
	u64 v = 0;

	if (text_size(t) > 2 && t.at[0] == '0' && (t.at[1] | 0x20) == 'x') {
		base = 16;
		t.at += 2;
	}
	if (t.at == t.end || digit(*t.at, base) < 0)
		return false;
	for (; t.at < t.end && digit(*t.at, base) >= 0; t.at++)
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (u64)digit(*t.at, base), &v))
			return false;
	if (t.at < t.end) {
		shift = suffix_shift(*t.at++);
		if (!shift || v > ~0ull >> shift)
			return false;
		v <<= shift;
	}
	*value = v;
	return t.at == t.end;
}

static void take_mem(struct reading *r, struct text value)
{
	u64 mem;

	if (!parse_size(value, &mem))
		refuse(r, "mem=%.*s is not a size; write a number with K, M or G, as mem=256M",
		       shown(value), value.at);
	else if (mem % PAGE_SIZE)
		refuse(r, "mem=%.*s is not a multiple of 4K; write it with K, M or G, as mem=256M",
		       shown(value), value.at);
	else if (mem < CONFIG_MIN_MEM)
		refuse(r, "mem=%.*s is less than 1M; give it more, as mem=256M", shown(value),
		       value.at);
	else if (mem > CONFIG_MAX_MEM)
		refuse(r, "mem=%.*s is more than 1024G; give it less, as mem=256M", shown(value),
		       value.at);
	else
		r->g->mem = mem;
}

static void take_cpus(struct reading *r, struct text value)
{
	u64 cpus;

	if (!parse_size(value, &cpus) || cpus < 1 || cpus > CONFIG_MAX_CPUS)
		refuse(r, "cpus=%.*s is not a number from 1 to %u; leave it out for one",
		       shown(value), value.at, CONFIG_MAX_CPUS);
	else
		r->g->cpus = (unsigned)cpus;
}

static void take_paging(struct reading *r, struct text value)
{
	if (text_is(value, "auto"))
		r->g->paging = PAGING_AUTO;
	else if (text_is(value, "nested"))
		r->g->paging = PAGING_NESTED;
	else
		refuse(r, "paging=%.*s is unknown; write paging=auto or paging=nested",
		       shown(value), value.at);
}

static void take_largepages(struct reading *r, struct text value)
{
	if (text_is(value, "off"))
		r->g->small_pages = true;
	else if (!text_is(value, "on"))
		refuse(r, "largepages=%.*s is unknown; write largepages=off or largepages=on",
		       shown(value), value.at);
}

static void take_ticks(struct reading *r, struct text value)
{
	if (text_is(value, "merge"))
		r->g->merge_ticks = true;
	else if (!text_is(value, "catch-up"))
		refuse(r, "ticks=%.*s is unknown; write ticks=catch-up or ticks=merge",
		       shown(value), value.at);
}

static void take_protocol(struct reading *r, struct text value)
{
	static const char *const names[] = {
		[LOAD_AUTO] = "auto", [LOAD_LINUX] = "linux", [LOAD_LINUX32] = "linux32",
		[LOAD_MULTIBOOT] = "multiboot", [LOAD_MULTIBOOT2] = "multiboot2",
		[LOAD_PVH] = "pvh", [LOAD_FIRMWARE] = "firmware",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (text_is(value, names[i])) {
			r->g->protocol = i;
			return;
		}
	}
	refuse(r, "protocol=%.*s is unknown; write protocol=linux, linux32, multiboot, multiboot2, "
	       "pvh or firmware, or leave it out", shown(value), value.at);
}

static bool parse_letters(struct text t, u8 *rights)
{
	u8 right;

	if (t.at == t.end)
		return false;
	for (*rights = 0; t.at < t.end; t.at++) {
		switch (*t.at) {
		case 'r': right = RIGHT_R; break;
		case 'w': right = RIGHT_W; break;
		case 's': right = RIGHT_XS; break;
		case 'u': right = RIGHT_XU; break;
		case '-': right = 0; break;
		default: return false;
		}
		if (*rights & right)
			return false;
		*rights |= right;
	}
	return true;
}

static bool parse_rights(struct text t, struct config_rights *out)
{
	struct text base = cut(&t, '+'), size = cut(&t, ':');
	u64 last;

	return parse_size(base, &out->base.v) && parse_size(size, &out->size) &&
	       parse_letters(t, &out->rights) && out->size > 0 &&
	       !__builtin_add_overflow(out->base.v, out->size - 1, &last);
}

static void take_rights(struct reading *r, struct text value)
{
	struct guest_config *g = r->g;
	struct config_rights range;

	do {
		struct text one = cut(&value, ';');

		if (!parse_rights(one, &range))
			refuse(r, "rights=%.*s is not BASE+SIZE:LETTERS; write it as "
			       "rights=16M+4K:r-s-", shown(one), one.at);
		else if ((range.base.v | range.size) % PAGE_SIZE)
			refuse(r, "rights=%.*s doesn't begin and end at a multiple of 4K; move it "
			       "to pages", shown(one), one.at);
		else if (g->nr_rights == CONFIG_MAX_RIGHTS)
			refuse(r, "rights= has more than %u ranges; join some", CONFIG_MAX_RIGHTS);
		else
			g->rights[g->nr_rights++] = range;
	} while (value.at < value.end && !g->fault[0]);
}

static void take_cmdline(struct reading *r, struct text value)
{
	size_t size = text_size(value);

	if (size >= CONFIG_CMDLINE_SIZE) {
		refuse(r, "cmdline= has %lu bytes, more than %u; shorten it", (unsigned long)size,
		       CONFIG_CMDLINE_SIZE - 1);
		return;
	}
	memcpy(r->g->cmdline, value.at, size);
	r->g->cmdline[size] = 0;
}

static const struct key keys[] = {
	{ "mem", take_mem },
	{ "cpus", take_cpus },
	{ "paging", take_paging },
	{ "rights", take_rights },
	{ "largepages", take_largepages },
	{ "ticks", take_ticks },
	{ "protocol", take_protocol },
	{ "cmdline", take_cmdline },
};

#define KNOWN_KEYS "mem, cpus, rights, paging, largepages, ticks, protocol, cmdline"

static void take_key(struct reading *r, struct text name, struct text value)
{
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!text_is(name, keys[i].name))
			continue;
		if (r->seen & BIT(i))
			refuse(r, "%s= is given twice; leave one", keys[i].name);
		else
			keys[i].take(r, value);
		r->seen |= (u32)BIT(i);
		return;
	}
	refuse(r, "\"%.*s\" is an unknown key; the keys of a kernel are " KNOWN_KEYS, shown(name),
	       name.at);
}

/* Behind "guest=NAME,initrd" nothing, behind "guest=NAME,module" its command line, up to the end of
 * the boot loader's string. */
static void take_module_key(struct reading *r, struct text rest)
{
	static const char key[] = "cmdline=";

	if (text_is((struct text){ r->role, r->role + strlen(r->role) }, "module") &&
	    strncmp(rest.at, key, sizeof(key) - 1) == 0)
		r->file->string = rest.at + sizeof(key) - 1;
	else
		refuse(r, "\"%.*s\" stands behind %s, which has no such key; give it to the "
		       "kernel", shown(rest), rest.at, r->role);
}

/* Everything behind "guest=NAME,ROLE,". */
static void take_keys(struct reading *r, struct text rest)
{
	if (r->file && rest.at < rest.end) {
		take_module_key(r, rest);
		return;
	}
	while (rest.at < rest.end) {
		struct text all = rest, word = cut(&rest, ','), value = word;
		struct text name = cut(&value, '=');

		if (name.end == word.end) {
			refuse(r, "\"%.*s\" is not KEY=VALUE; the keys of a kernel are " KNOWN_KEYS,
			       shown(word), word.at);
			return;
		}
		if (text_is(name, "cmdline")) {
			take_key(r, name, (struct text){ name.end + 1, all.end });
			return;
		}
		take_key(r, name, value);
	}
}

static bool is_name_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	       c == '-' || c == '_' || c == '.';
}

static bool is_name(struct text t)
{
	if (t.at == t.end || text_size(t) >= CONFIG_NAME_SIZE)
		return false;
	for (; t.at < t.end; t.at++)
		if (!is_name_char(*t.at))
			return false;
	return true;
}

static struct guest_config *find_or_add(struct config *c, struct text name)
{
	struct guest_config *g;

	for (unsigned i = 0; i < c->nr_guests; i++)
		if (text_is(name, c->guest[i].name))
			return &c->guest[i];
	g = &c->guest[c->nr_guests++];
	memcpy(g->name, name.at, text_size(name));
	g->mem = CONFIG_DEFAULT_MEM;
	g->cpus = 1;
	g->kernel = -1;
	return g;
}

/* Files the module as the guest's kernel, or behind the files that it has. False: it is refused. */
static bool take_role(struct reading *r, struct text role)
{
	struct guest_config *g = r->g;

	if (text_is(role, "kernel")) {
		r->role = "kernel";
		if (g->kernel >= 0)
			refuse(r, "it has its kernel already, module %d; give one of the two guests "
			       "another name", g->kernel + 1);
		else
			g->kernel = (int)r->module;
		return g->kernel == (int)r->module;
	}
	if (!text_is(role, "initrd") && !text_is(role, "module")) {
		refuse(r, "\"%.*s\" doesn't say what the module is; write guest=%s,kernel, "
		       "guest=%s,initrd or guest=%s,module", shown(role), role.at, g->name, g->name,
		       g->name);
		return false;
	}
	r->role = text_is(role, "initrd") ? "initrd" : "module";
	if (g->nr_modules == CONFIG_MAX_MODULES) {
		refuse(r, "it has more than %u modules; leave some out", CONFIG_MAX_MODULES);
		return false;
	}
	r->file = &g->module[g->nr_modules++];
	*r->file = (struct config_module){ r->module, text_is(role, "initrd") ? "initrd" : "" };
	return true;
}

/* What follows the word "guest=". */
static bool find_guest(const char *line, struct text *spec)
{
	static const char word[] = "guest=";
	const char *at = line;

	while (strncmp(at, word, sizeof(word) - 1) != 0) {
		at = strchr(at, ' ');
		if (!at)
			return false;
		at++;
	}
	spec->at = at + sizeof(word) - 1;
	spec->end = spec->at + strlen(spec->at);
	return true;
}

static void parse_module(struct config *c, unsigned module, const char *line)
{
	struct reading r = { .module = module };
	char *fault = c->fault[c->nr_faults];
	struct text spec, name;

	if (!find_guest(line, &spec)) {
		snprintf(fault, CONFIG_FAULT_SIZE, "module %u (\"%.*s\") has no guest=NAME; write "
			 "guest=NAME,kernel, guest=NAME,initrd or guest=NAME,module behind its "
			 "file", module + 1, SHOWN, line);
		c->nr_faults++;
		return;
	}
	name = cut(&spec, ',');
	if (!is_name(name)) {
		snprintf(fault, CONFIG_FAULT_SIZE, "module %u: guest=%.*s is not a name; write 1 "
			 "to %u letters, digits, dots, dashes or underscores", module + 1,
			 shown(name), name.at, CONFIG_NAME_SIZE - 1);
		c->nr_faults++;
		return;
	}
	r.g = find_or_add(c, name);
	if (take_role(&r, cut(&spec, ',')))
		take_keys(&r, spec);
}

void config_parse(struct config *c, const struct boot_info *info)
{
	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; i < info->nr_modules && i < BOOT_MAX_MODULES; i++)
		parse_module(c, i, info->module[i].cmdline);
	for (unsigned i = 0; i < c->nr_guests; i++) {
		struct reading r = { .g = &c->guest[i], .module = c->guest[i].module[0].index };

		if (r.g->kernel < 0)
			refuse(&r, "no module is its kernel; add guest=NAME,kernel behind the "
			       "kernel's file");
	}
}
