/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walk: one loop for every format and every number of levels. Tests no bit of an entry itself,
 * mm/format does.
 */
#include "mm/pagewalk/pagewalk.h"

#include "include/x86/exception.h"

/* Passes before a walk gives up. A table that maps itself takes one more for each flag; the rest
 * are races. */
#define WALK_PASSES	8

/* What a refusal by this stage looks like to who asked. */
static enum walk_status refuse(struct pagewalk *w, u64 address, unsigned access, u32 error,
			       unsigned level, struct walk_result *r)
{
	const struct page_format *f = w->format;

	error |= access & (ACCESS_WRITE | ACCESS_USER);
	if (f->nested && !f->ept)	/* APM vol. 2, "Nested versus Guest Page Faults" */
		error |= PF_ERR_U;
	if ((access & ACCESS_FETCH) && f->reports_fetch)
		error |= PF_ERR_I;
	r->fault = (struct walk_fault){
		.stage = w, .address = address, .error = error, .level = level,
		.rights = r->rights, .final = true,
	};
	return f->nested ? WALK_NESTED_FAULT : WALK_PAGE_FAULT;
}

static enum walk_status not_memory(struct pagewalk *w, gpa_t at, unsigned access,
				   struct walk_result *r)
{
	r->fault = (struct walk_fault){
		.stage = w, .address = at.v, .error = access & ACCESS_WRITE,
	};
	return WALK_NOT_MEMORY;
}

enum walk_status walk_translate_next(struct pagewalk *w, u64 address, unsigned access,
				     enum walk_target target, struct walk_result *r, gpa_t *gpa)
{
	struct walk_result next;
	enum walk_status status;

	if (!w->next) {
		*gpa = GPA(address);
		return WALK_OK;
	}
	status = walk_translate(w->next, address, access, &next);
	if (status == WALK_NESTED_FAULT || status == WALK_NOT_MEMORY) {
		r->fault = next.fault;
		r->fault.final = status == WALK_NESTED_FAULT && target == WALK_FINAL;
	}
	if (status != WALK_OK)
		return status;
	*gpa = next.gpa;
	if (target == WALK_FINAL) {
		r->next_rights = next.rights & next.next_rights;
		r->page_shift = MIN(r->page_shift, next.page_shift);
	}
	return WALK_OK;
}

/*
 * How the next stage sees the reading of a table: NPT takes it for a write of user mode (APM vol.
 * 2, "Nested versus Guest Page Faults, Fault Ordering"), EPT for a write if it has accessed and
 * dirty flags (SDM vol. 3C, "Accessed and Dirty Flags for EPT").
 */
static unsigned table_access(const struct pagewalk *w, unsigned access)
{
	const struct page_format *next = w->next ? w->next->format : NULL;
	unsigned kept = (access & WALK_PEEK) | ACCESS_USER;

	return next && (!next->ept || next->accessed) ? kept | ACCESS_WRITE : kept;
}

/* How the next stage sees the access itself. User mode is that of the address, by the rights of
 * this stage, not of the CPL (SDM vol. 3C, "EPT Violations": an address without paging counts as
 * a user's). */
static unsigned final_access(const struct walk_result *r, unsigned access)
{
	unsigned user = r->rights & RIGHT_U ? ACCESS_USER : 0;

	return (access & (ACCESS_WRITE | ACCESS_FETCH | WALK_PEEK)) | user;
}

static enum walk_status read_entry(struct pagewalk *w, u64 address, unsigned access,
				   struct walk_result *r)
{
	struct walk_step *step = &r->step[r->nr_steps];
	enum walk_status status;

	step->address = address;
	status = walk_translate_next(w, address, table_access(w, access), WALK_TABLE, r, &step->at);
	if (status != WALK_OK)
		return status;
	if (!w->ops->read(w->ctx, step->at, w->format->entry_bytes, &step->entry))
		return not_memory(w, step->at, ACCESS_READ, r);
	r->nr_steps++;
	return WALK_OK;
}

/* Are the entries of this level in the CPU? Their reserved bits were checked when they were
 * loaded. */
static bool is_in_cpu(const struct pagewalk *w, unsigned level)
{
	return level == w->format->bare_level && !w->pdptr_in_memory && !w->format->nested;
}

/*
 * Has the entry a reserved bit that counts? A CPU that reads PDPTEs in memory may have marked them
 * accessed, as QEMU's TCG does, though the bit is reserved there: with that, it still translates.
 */
static bool is_refused(const struct pagewalk *w, u64 entry, bool leaf, unsigned level)
{
	const struct page_format *f = w->format;

	if (is_in_cpu(w, level))
		return false;
	if (level == f->bare_level && !f->nested)
		entry &= ~f->accessed;
	return fmt_is_reserved(f, entry, leaf, level);
}

/* From the root to the leaf: r->output, level, rights. */
static enum walk_status descend(struct pagewalk *w, u64 address, unsigned access,
				struct walk_result *r)
{
	const struct page_format *f = w->format;
	u64 table = fmt_root(f, w->ops->root(w->ctx)), entry;
	unsigned level = f->levels + 1;
	bool leaf = false;

	while (!leaf) {
		level--;
		if (is_in_cpu(w, level)) {
			entry = w->ops->pdptr(w->ctx, fmt_index(f, level, address));
		} else {
			u64 at = table + fmt_index(f, level, address) * f->entry_bytes;
			enum walk_status status = read_entry(w, at, access, r);

			if (status != WALK_OK)
				return status;
			entry = r->step[r->nr_steps - 1].entry;
		}
		r->rights &= fmt_rights(f, entry, level);
		if (!fmt_is_present(f, entry))
			return refuse(w, address, access, 0, level, r);
		leaf = fmt_is_leaf(f, entry, level);
		if (is_refused(w, entry, leaf, level))
			return refuse(w, address, access, PF_ERR_P | PF_ERR_RSVD, level, r);
		table = fmt_address(f, entry, leaf, level);
	}
	r->level = level;
	r->page_shift = fmt_shift(f, level);
	r->output = table | (address & (BIT(r->page_shift) - 1));
	r->pkey = fmt_pkey(f, entry);
	return WALK_OK;
}

/* The bits of the error code that say why the rights don't do; 0: they do. A protection key is
 * blamed even where the rights alone would have refused (SDM vol. 3A, "Page-Fault Exceptions"). */
static u32 denial(struct pagewalk *w, unsigned access, const struct walk_result *r)
{
	const struct page_format *f = w->format;
	u32 error = fmt_allows(f, r->rights, access) ? 0 : PF_ERR_P;

	if (f->pkey && (r->rights & RIGHT_U) &&
	    fmt_key_denies(f, r->rights, access, r->pkey, w->ops->pkru(w->ctx)))
		error |= PF_ERR_P | PF_ERR_PK;
	return error;
}

/* The flags that a successful access sets in the i-th entry. */
static u64 flags_wanted(const struct pagewalk *w, unsigned i, unsigned access,
			const struct walk_result *r)
{
	unsigned level = r->level + r->nr_steps - 1 - i;
	u64 flags = fmt_accessed(w->format, level);

	return level == r->level && (access & ACCESS_WRITE) ? flags | w->format->dirty : flags;
}

/* Asks the next stage whether the entry may be written, unless it took the reading for a write
 * already. */
static enum walk_status may_write_entry(struct pagewalk *w, struct walk_step *step,
					struct walk_result *r)
{
	if (table_access(w, 0) & ACCESS_WRITE)
		return WALK_OK;
	return walk_translate_next(w, step->address, ACCESS_WRITE | ACCESS_USER, WALK_TABLE, r,
				   &step->at);
}

static enum walk_status write_entry(struct pagewalk *w, struct walk_step *step, u64 entry,
				    struct walk_result *r)
{
	unsigned bytes = w->format->entry_bytes;

	switch (w->ops->exchange(w->ctx, step->at, bytes, step->entry, entry)) {
	case EXCHANGE_DONE:
		step->entry = entry;
		return WALK_OK;
	case EXCHANGE_LOST:
		return WALK_RETRY;
	default:
		return not_memory(w, step->at, ACCESS_WRITE, r);
	}
}

/* Sets accessed flags from the root on, and the leaf's dirty flag for a write. First asks for
 * all, then writes: a refusal leaves every entry as it was. */
static enum walk_status set_flags(struct pagewalk *w, unsigned access, struct walk_result *r)
{
	enum walk_status status = WALK_OK;
	u64 missing[FMT_MAX_LEVELS];

	for (unsigned i = 0; i < r->nr_steps && status == WALK_OK; i++) {
		missing[i] = flags_wanted(w, i, access, r) & ~r->step[i].entry;
		if (missing[i])
			status = may_write_entry(w, &r->step[i], r);
	}
	for (unsigned i = 0; i < r->nr_steps && status == WALK_OK; i++)
		if (missing[i])
			status = write_entry(w, &r->step[i], r->step[i].entry | missing[i], r);
	return status;
}

static bool is_dirty(const struct pagewalk *w, const struct walk_result *r)
{
	u64 dirty = w->format->dirty;

	return !r->nr_steps || (r->step[r->nr_steps - 1].entry & dirty) == dirty;
}

static enum walk_status walk_once(struct pagewalk *w, u64 address, unsigned access,
				  struct walk_result *r)
{
	enum walk_status status;
	u32 error;

	r->nr_steps = 0;
	r->staged = w->next != NULL;
	r->rights = r->next_rights = FMT_EVERY_RIGHT;
	r->level = r->pkey = 0;
	r->page_shift = w->format->input_bits;
	r->output = address;
	if (w->format->levels) {
		status = descend(w, address, access, r);
		if (status != WALK_OK)
			return status;
		error = denial(w, access, r);
		if (error)
			return refuse(w, address, access, error, r->level, r);
	}
	status = walk_translate_next(w, r->output, final_access(r, access), WALK_FINAL, r, &r->gpa);
	if (status == WALK_OK && !(access & WALK_PEEK))
		status = set_flags(w, access, r);
	r->dirty = is_dirty(w, r);
	return status;
}

/* Is the address one that the tables can translate at all? It is cut to 32 bits where the CPU
 * does that. */
static enum walk_status check_address(struct pagewalk *w, u64 *address, unsigned access,
				      struct walk_result *r)
{
	const struct page_format *f = w->format;
	unsigned beyond = 64 - f->input_bits;

	if (f->canonical)
		return (u64)((s64)(*address << beyond) >> beyond) == *address ? WALK_OK
									    : WALK_NOT_CANONICAL;
	if (!f->nested) {
		*address = (u32)*address;
	} else if (*address >> f->input_bits) {
		r->rights = 0;
		return refuse(w, *address, access, 0, f->levels, r);
	}
	return WALK_OK;
}

enum walk_status walk_translate(struct pagewalk *w, u64 address, unsigned access,
				struct walk_result *r)
{
	enum walk_status status;

	r->nr_steps = 0;
	status = check_address(w, &address, access, r);
	if (status != WALK_OK)
		return status;
	for (unsigned pass = 0; pass < WALK_PASSES; pass++) {
		status = walk_once(w, address, access, r);
		if (status != WALK_RETRY)
			break;
	}
	return status;
}

enum walk_status walk_load_pdptrs(struct pagewalk *w, const struct page_format *format, u64 cr3,
				  u64 pdptr[4], struct walk_result *r)
{
	enum walk_status status;
	u64 loaded[4];
	gpa_t at;

	/* the next stage takes this for a read, also where reading a table is a write to it */
	status = walk_translate_next(w, fmt_root(format, cr3), ACCESS_USER, WALK_TABLE, r, &at);
	if (status != WALK_OK)
		return status;
	for (unsigned i = 0; i < 4; i++, at.v += 8) {
		if (!w->ops->read(w->ctx, at, 8, &loaded[i]))
			return not_memory(w, at, ACCESS_READ, r);
		if (fmt_is_present(format, loaded[i]) &&
		    fmt_is_reserved(format, loaded[i], false, format->bare_level))
			return WALK_BAD_PDPTE;
	}
	for (unsigned i = 0; i < 4; i++)
		pdptr[i] = loaded[i];
	return WALK_OK;
}

bool walk_set_mode(struct pagewalk *w, struct format_set *set, u64 cr0, u64 cr4, u64 efer, u32 cpu)
{
	const struct page_format *format = fmt_find(set, fmt_mode_cpu(cr0, cr4, efer, cpu));

	if (format)
		w->format = format;
	return format != NULL;
}
