/* SPDX-License-Identifier: MIT */
/* The enumerations: every combination of entry bits, modes and accesses within a group is carried
 * out and compared with the model: fault or none, error code, CR2, the flags of every entry. */
#include "guests/lib/accesses.h"

#define PF		14
#define GP		13
#define CR4_PKE		0x400000ul
#define USER_FLAGS	0x3002u		/* IOPL 3, for string I/O */
#define KEY_1		(1ull << 59)
/* PKRU with all rights for key 0 (the guest's own pages), `rights` for key 1, none for the others */
#define PKRU(rights)	(0xfffffff0u | (rights) << 2)
#define MOST_FAILURES	10
#define PERMISSIVE	(AM_P | AM_W | AM_U | AM_A | AM_D)
/* Flags of an entry that no access right hangs on: PWT, PCD, bits 9 to 11. */
#define NOISE		0xe18ull

#define MODE_WP		1u
#define MODE_SMEP	2u
#define MODE_SMAP	4u
#define MODE_NXE	8u		/* PSE in 32-bit paging */
#define MODE_PKE	16u
#define NR_MODES	32u

/* Sets of modes, a bit for each combination. */
#define ALL_MODES	0xffffffffu
#define NO_PKE		0x0000ffffu
#define ONE_MODE	(1u << 15)
#define FEW_MODES	(1u << 0 | 1u << MODE_NXE | 1u << 15 | 1u << 31)

static const struct access_front *front;
static const struct access_layout *layout;
static struct access_mode mode;
static u32 offered;			/* MODE_* that this CPU and paging have */
static u32 pkru, noise_state;
static unsigned failures, cases, all_cases;
static u32 checksum;

/* Deviations of the walkers, found by trying. QEMU 7.2 leaves P out of the error code of a
 * reserved bit, lets AC lift SMAP for implicit accesses at CPL 0, and with one CPU makes of LOCK a
 * read and then a write. It marks an entry of a 1G page accessed before it looks at the rights. */
static bool omits_p[NR_WALKERS], marks_denied[NR_WALKERS], ac_lifts_implicit, locked_reads_first;

static u64 load_entry(unsigned level)
{
	if (!layout->entry[level])
		return AM_P;
	return front->levels == 2 ? *(volatile u32 *)layout->entry[level]
				  : *(volatile u64 *)layout->entry[level];
}

static void store_entry(unsigned level, u64 value)
{
	if (!layout->entry[level])
		return;
	if (front->levels == 2)
		*(volatile u32 *)layout->entry[level] = (u32)value;
	else
		*(volatile u64 *)layout->entry[level] = value;
}

static void run_user(void *kind)
{
	const struct access_kind *k = kind;

	guest_user(access_user_code + (word)(k->user - user_code_page), access_user_stack,
		   USER_FLAGS, layout->at + k->offset);
}

/* Carries the access out; the vector it ended with in `trap`, 0 for none. */
static void perform(const struct access_kind *k)
{
	if (k->prepare)
		*(volatile u64 *)(front->page + k->offset) = k->prepare;
	trap.vector = 0;
	invlpg((void *)layout->at);
	if (!k->user) {
		guest_try(k->perform, (void *)(layout->at + k->offset));
	} else {
		guest_try(run_user, (void *)(word)k);
		if (trap.vector == GP)		/* of the HLT behind the access */
			trap.vector = 0;
	}
}

static struct access_result ask_model(const struct access_kind *k, struct access_path *path)
{
	struct access a = k->access;
	struct access_result r;

	a.pkru = pkru;
	if (ac_lifts_implicit)
		a.implicit &= !a.ac;
	if (k->locked && locked_reads_first)
		a.write = false;
	r = access_model(&mode, &a, path);
	if (!r.faults && (k->then_write || k->access.write != a.write)) {
		a.write = true;
		r = access_model(&mode, &a, path);
	}
	if (r.faults && r.level == layout->leaf && marks_denied[k->walker])
		r.open |= 1u << r.level;
	if (r.faults && (r.error & AM_ERR_RSVD) && omits_p[k->walker])
		r.error &= ~AM_ERR_P;
	return r;
}

/* Is CR2 the address of the access? Of a descriptor any byte will do. */
static bool is_address_right(const struct access_kind *k)
{
	u64 at = layout->at + k->offset;

	return k->access.implicit ? (trap.cr2 ^ at) < 8 : trap.cr2 == at;
}

static void print_path(const char *name, const struct access_path *path)
{
	print("#   %s", name);
	for (unsigned level = front->levels; level >= layout->leaf; level--)
		print(" %llx", (unsigned long long)path->entry[level]);
	print("\n");
}

static void report(const struct access_kind *k, const struct access_path *before,
		   const struct access_path *after, const struct access_path *expected,
		   const struct access_result *r)
{
	print("# %s, %s:%s%s%s%s%s%s PKRU %x\n", layout->name, k->name, mode.wp ? " WP" : "",
	      mode.smep ? " SMEP" : "", mode.smap ? " SMAP" : "", mode.nxe ? " NXE" : "",
	      mode.pke ? " PKE" : "", mode.pse ? " PSE" : "", pkru);
	print_path("before:  ", before);
	print_path("after:   ", after);
	print_path("expected:", expected);
	print("#   vector %u error %x CR2 %llx, expected %s error %x\n", (u32)trap.vector,
	      trap.vector ? (u32)trap.error : 0, (unsigned long long)trap.cr2,
	      r->faults ? "a fault," : "none,", r->error);
	if (++failures == MOST_FAILURES) {
		check_true("all accesses as the manual says", false);
		finish();
	}
}

static void fold(u64 value)
{
	checksum = (checksum ^ (u32)value) * 0x01000193u;
	checksum = (checksum ^ (u32)(value >> 32)) * 0x01000193u;
}

/* One case: the entries are in place; `before` are they. */
static void one_access(const struct access_kind *k, const struct access_path *before)
{
	struct access_path after = *before, expected = *before;
	struct access_result r = ask_model(k, &expected);
	unsigned unsummed;
	bool same;

	perform(k);
	same = r.faults ? trap.vector == PF && (u32)trap.error == r.error && is_address_right(k)
			: !trap.vector;
	fold(r.faults ? r.error | (r.error & AM_ERR_RSVD ? AM_ERR_P : 0) : ~0ull);
	/* what differs between walkers must not be part of the sum */
	unsummed = r.open | (r.faults && r.level == 3 ? 1u << 3 : 0);
	for (unsigned level = layout->leaf; level <= front->levels; level++) {
		u64 open = r.open >> level & 1 ? AM_A : 0;

		after.entry[level] = load_entry(level);
		same &= !((after.entry[level] ^ expected.entry[level]) & ~open);
		fold(expected.entry[level] & (unsummed >> level & 1 ? AM_D : AM_A | AM_D));
	}
	cases++;
	if (!same)
		report(k, before, &after, &expected, &r);
}

/* Tries all accesses of a walker on these entries. */
static void all_accesses(enum access_walker walker, const struct access_path *path)
{
	for (unsigned i = 0; i < nr_access_kinds; i++) {
		const struct access_kind *k = &access_kinds[i];

		if (k->walker != walker)
			continue;
		for (unsigned level = layout->leaf; level <= front->levels; level++)
			store_entry(level, path->entry[level]);
		one_access(k, path);
	}
}

/* The instruction exists with CR4.PKE alone, but the register goes on. */
static void write_pkru(u32 value)
{
	word cr4 = READ_CR(4);

	pkru = value;
	if (!(offered & MODE_PKE))
		return;
	WRITE_CR(4, cr4 | CR4_PKE);
	__asm__ volatile("wrpkru" :: "a"(value), "c"(0), "d"(0) : "memory");
	WRITE_CR(4, cr4);
}

/* Puts the CPU into a mode, if it has that: false if not. */
static bool choose_mode(unsigned bits)
{
	if (bits & ~offered)
		return false;
	mode.wp = bits & MODE_WP;
	mode.smep = bits & MODE_SMEP;
	mode.smap = bits & MODE_SMAP;
	mode.nxe = !front->has_pse && (bits & MODE_NXE);
	mode.pse = front->has_pse && (bits & MODE_NXE);
	mode.pke = bits & MODE_PKE;
	write_pkru(PKRU(0));
	front->set_mode(&mode);
	return true;
}

/* Flags that make no difference, others each time. */
static u64 noise(void)
{
	noise_state = noise_state * 1664525 + 1013904223;
	return (u64)(noise_state >> 8) & NOISE;
}

static struct access_path permissive(void)
{
	struct access_path path = { { 0 } };

	for (unsigned level = layout->leaf; level <= front->levels; level++)
		path.entry[level] = layout->entry[level] ? layout->address[level] | PERMISSIVE
							 : AM_P;
	if (layout->leaf > 1)
		path.entry[layout->leaf] |= AM_PS;
	for (unsigned level = layout->leaf + 1; level <= front->levels; level++)
		path.entry[level] &= ~AM_D;	/* which means nothing there */
	return path;
}

/* P W U A D and, with 8-byte entries, XD and a reserved bit, from the bits of a number. */
static u64 leaf_flags(unsigned n)
{
	u64 flags = (n & 7) | (n >> 3 & 1 ? AM_A : 0) | (n >> 4 & 1 ? AM_D : 0);

	if (n >> 5 & 1)
		flags |= front->leaf_reserved[layout->leaf];
	return n >> 6 & 1 ? flags | AM_XD : flags;
}

static unsigned nr_leaf_flags(void)
{
	if (front->levels > 2)
		return 128;
	return front->leaf_reserved[layout->leaf] ? 64 : 32;
}

static u64 table_flags(unsigned n)
{
	u64 flags = (n & 7) | (n >> 3 & 1 ? AM_A : 0) | (n >> 4 & 1 ? AM_XD : 0);

	return n >> 5 & 1 ? flags | front->table_reserved : flags;
}

static void leaf_in_mode(enum access_walker walker)
{
	unsigned nr_keys = (offered & MODE_PKE) && mode.pke && front->levels > 3 ? 4 : 1;

	for (unsigned key = 0; key < nr_keys; key++) {
		/* without PKE the page's key must mean nothing, whatever PKRU says */
		write_pkru(PKRU(nr_keys > 1 ? key : 3));
		for (unsigned n = 0; n < nr_leaf_flags(); n++) {
			struct access_path path = permissive();
			u64 *leaf = &path.entry[layout->leaf];

			*leaf = (*leaf & ~PERMISSIVE) | leaf_flags(n) | noise();
			if (front->levels > 3)
				*leaf |= KEY_1;
			all_accesses(walker, &path);
		}
	}
}

/* Each table above the leaf, with all that it may hold, over leaves with W and U or without. */
static void table_in_mode(enum access_walker walker)
{
	unsigned nr = front->levels > 2 ? 64 : 16;

	for (unsigned level = layout->leaf + 1; level <= front->levels; level++) {
		for (unsigned n = 0; layout->entry[level] && n < nr * 4; n++) {
			struct access_path path = permissive();
			u64 *leaf = &path.entry[layout->leaf];

			path.entry[level] = layout->address[level] | table_flags(n / 4) | noise();
			*leaf = (*leaf & ~PERMISSIVE) | AM_P | (u64)(n & 3) << 1;
			all_accesses(walker, &path);
		}
	}
}

/* W, U and XD of all levels at once. */
static void rights_in_mode(enum access_walker walker)
{
	unsigned width = front->levels > 2 ? 3 : 2, total = 0;

	for (unsigned level = layout->leaf; level <= front->levels; level++)
		total += layout->entry[level] ? width : 0;
	for (u32 n = 0; n < 1u << total; n++) {
		struct access_path path = permissive();
		u32 rest = n;

		for (unsigned level = layout->leaf; level <= front->levels; level++) {
			if (!layout->entry[level])
				continue;
			path.entry[level] &= ~(AM_W | AM_U);
			path.entry[level] |= (u64)(rest & 3) << 1;
			if (width == 3 && (rest & 4))
				path.entry[level] |= AM_XD;
			rest >>= width;
		}
		all_accesses(walker, &path);
	}
}

/* May the bit be turned over without leading the CPU to other memory than a table of ours? */
static bool is_harmless(unsigned level, unsigned bit)
{
	bool leaf = level == layout->leaf;

	if (access_reserved(&mode, level, leaf) >> bit & 1)
		return true;
	if (bit >= 12 && bit < mode.maxphyaddr)
		return false;
	if (bit == 7 && !leaf)		/* of another page's size, unless it means nothing */
		return front->levels == 2 && !mode.pse;
	return !(bit == 7 && level > 1) && !(bit == 8 && level > 3);
}

/* Every bit of every entry by itself, set where it was clear and the reverse. */
static void bits_in_mode(enum access_walker walker)
{
	for (unsigned level = layout->leaf; level <= front->levels; level++) {
		for (unsigned bit = 0; layout->entry[level] &&
		     bit < (front->levels == 2 ? 32 : 64); bit++) {
			struct access_path path = permissive();

			if (!is_harmless(level, bit))
				continue;
			path.entry[level] ^= 1ull << bit;
			all_accesses(walker, &path);
		}
	}
}

static void copy_text(char *to, size_t size, const char *a, const char *b)
{
	size_t at = 0;

	for (; *a && at + 1 < size; a++)
		to[at++] = *a;
	for (; *b && at + 1 < size; b++)
		to[at++] = *b;
	to[at] = 0;
}

static bool can_be_mapped(unsigned mode_bits)
{
	return front->levels > 2 || layout->leaf == 1 || (mode_bits & MODE_NXE);
}

/* Two TAP points: how many cases weren't as the manual says, and what came of all of them. */
static void group(const char *what, enum access_walker walker, u32 modes,
		  void (*in_mode)(enum access_walker))
{
	unsigned failed = failures;
	char name[96];

	cases = 0;
	checksum = 0x811c9dc5u;
	access_set_ldt(layout->at);
	for (unsigned bits = 0; bits < NR_MODES; bits++)
		if ((modes >> bits & 1) && can_be_mapped(bits) && choose_mode(bits))
			in_mode(walker);
	copy_text(name, sizeof(name), what, walker == BY_STRING_IO ? ", string I/O" : "");
	print("# %s, %s: %u cases\n", layout->name, name, cases);
	all_cases += cases;
	check_in(layout->name, name, checksum, checksum);
	copy_text(name, sizeof(name), name, ", not as the manual says");
	check_in(layout->name, name, failures - failed, 0);
}

/* The kind of this name, tried on permissive entries with these flags of the leaf turned over. */
static void try_kind(const char *name, unsigned mode_bits, u64 flags)
{
	struct access_path path;

	choose_mode(mode_bits);
	access_set_ldt(layout->at);
	path = permissive();
	path.entry[layout->leaf] ^= flags;
	for (unsigned level = layout->leaf; level <= front->levels; level++)
		store_entry(level, path.entry[level]);
	for (unsigned i = 0; i < nr_access_kinds; i++) {
		const char *a = access_kinds[i].name, *b = name;

		while (*a && *a == *b)
			a++, b++;
		if (*a == *b)
			perform(&access_kinds[i]);
	}
}

/* Finds the deviations. They are values that runs are compared by: tests/differences. */
static void probe_layout(void)
{
	static const char *const kinds[NR_WALKERS] = { "read", "OUTS" };
	u64 reserved = front->leaf_reserved[layout->leaf];
	u32 pse = front->has_pse ? MODE_NXE : 0;

	for (unsigned walker = 0; walker < NR_WALKERS; walker++) {
		char name[96];

		marks_denied[walker] = false;
		if (reserved) {
			try_kind(kinds[walker], pse, reserved);
			copy_text(name, sizeof(name), kinds[walker], ": error code, reserved bit");
			check_in(layout->name, name, trap.error, trap.error);
			omits_p[walker] = trap.vector == PF && !(trap.error & AM_ERR_P);
		}
		try_kind(walker == BY_CPU ? "user read" : "user OUTS", pse, AM_A | AM_U);
		copy_text(name, sizeof(name), kinds[walker], ": accessed flag, denied");
		marks_denied[walker] = load_entry(layout->leaf) & AM_A;
		check_in(layout->name, name, marks_denied[walker], marks_denied[walker]);
	}
}

static void probe(void)
{
	u32 pse = front->has_pse ? MODE_NXE : 0;

	layout = &front->layouts[0];
	if (offered & MODE_SMAP) {
		try_kind("implicit read, AC", MODE_SMAP | pse, 0);
		ac_lifts_implicit = !trap.vector;
		check("AC lifts SMAP for implicit accesses", ac_lifts_implicit, ac_lifts_implicit);
	}
	try_kind("locked", pse, AM_P);
	locked_reads_first = !(trap.error & AM_ERR_W);
	check("error code of LOCK, not present", trap.error, trap.error);
}

static u32 find_modes(void)
{
	struct cpuid features = cpuid(7, 0), extended = cpuid(0x80000001, 0);
	u32 found = MODE_WP;

	found |= features.ebx >> 7 & 1 ? MODE_SMEP : 0;
	found |= features.ebx >> 20 & 1 ? MODE_SMAP : 0;
	found |= features.ecx >> 3 & 1 ? MODE_PKE : 0;
	return found | (front->has_pse || (extended.edx >> 20 & 1) ? MODE_NXE : 0);
}

/* Are there tables above the leaf that have flags? */
static bool has_tables(void)
{
	return layout->leaf < front->levels && layout->entry[layout->leaf + 1];
}

void access_enumerate(const struct access_front *of)
{
	front = of;
	offered = find_modes();
	mode.levels = front->levels;
	mode.maxphyaddr = cpuid(0x80000008, 0).eax & 0xff;
	mode.gib = cpuid(0x80000001, 0).edx >> 26 & 1;
	access_setup();
	probe();
	for (unsigned i = 0; i < front->nr_layouts; i++) {
		layout = &front->layouts[i];
		probe_layout();
		group("leaf flags", BY_CPU, ALL_MODES, leaf_in_mode);
		if (has_tables()) {
			group("table flags", BY_CPU, NO_PKE, table_in_mode);
			group("table flags", BY_STRING_IO, FEW_MODES, table_in_mode);
		}
		group("rights of all levels", BY_CPU, front->levels > 4 ? ONE_MODE : FEW_MODES,
		      rights_in_mode);
		group("single bits", BY_CPU, FEW_MODES, bits_in_mode);
		group("leaf flags", BY_STRING_IO, i ? FEW_MODES : ALL_MODES, leaf_in_mode);
		group("single bits", BY_STRING_IO, FEW_MODES, bits_in_mode);
	}
	check("cases", all_cases, all_cases);
}
