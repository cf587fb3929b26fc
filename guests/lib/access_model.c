/* SPDX-License-Identifier: MIT */
/* The model of an access; see the header. Slow and literal on purpose. */
#include "guests/lib/access_model.h"

static uint64_t bits(unsigned high, unsigned low)
{
	uint64_t mask = 0;

	for (unsigned i = low; i <= high; i++)
		mask |= 1ull << i;
	return mask;
}

bool access_is_leaf(const struct access_mode *m, unsigned level, uint64_t entry)
{
	if (level == 1)
		return true;
	if (!(entry & AM_PS))
		return false;
	if (level == 2)
		return m->levels > 2 || m->pse;
	return level == 3 && m->levels > 3 && m->gib;
}

/* "Formats of CR3 and Paging-Structure Entries with 32-Bit Paging", and its note on PSE-36. */
static uint64_t reserved_32(const struct access_mode *m, unsigned level, bool leaf)
{
	unsigned most = m->maxphyaddr < 40 ? m->maxphyaddr : 40;

	return leaf && level == 2 ? bits(21, most - 19) : 0;
}

/* "Reserved bits" of "PAE Paging", "4-Level Paging and 5-Level Paging". */
uint64_t access_reserved(const struct access_mode *m, unsigned level, bool leaf)
{
	uint64_t reserved;

	if (m->levels == 2)
		return reserved_32(m, level, leaf);
	reserved = bits(51, m->maxphyaddr);
	if (m->levels == 3)
		reserved |= bits(62, 52);
	if (!m->nxe)
		reserved |= AM_XD;
	if (level >= 4 || (level == 3 && !m->gib))
		reserved |= AM_PS;
	if (leaf && level > 1)
		reserved |= level == 2 ? bits(20, 13) : bits(29, 13);
	return reserved;
}

/* What all entries of a translation say together. */
struct rights {
	bool writable, user, no_execute;
};

/* "Protection Keys": does the key of the page deny the data access? */
static bool key_denies(const struct access_mode *m, const struct access *a, const struct rights *r,
		       uint64_t leaf)
{
	unsigned key = leaf >> 59 & 15;

	if (m->levels < 4 || !m->pke || !r->user || a->fetch)
		return false;
	if (a->pkru >> (2 * key) & 1)
		return true;
	return (a->pkru >> (2 * key) & 2) && a->write && (m->wp || a->user);
}

static bool user_mode_denied(const struct access *a, const struct rights *r)
{
	if (!r->user)
		return true;
	if (a->fetch)
		return r->no_execute;
	return a->write && !r->writable;
}

static bool supervisor_mode_denied(const struct access_mode *m, const struct access *a,
				   const struct rights *r)
{
	if (a->fetch)
		return r->no_execute || (r->user && m->smep);
	if (r->user && m->smap && (a->implicit || !a->ac))
		return true;
	return a->write && m->wp && !r->writable;
}

static struct access_result fault(const struct access_mode *m, const struct access *a,
				  uint32_t error, unsigned level)
{
	struct access_result result = { .faults = true, .error = error, .level = level };

	if (a->write)
		result.error |= AM_ERR_W;
	if (a->user)
		result.error |= AM_ERR_U;
	if (a->fetch && (m->smep || (m->levels > 2 && m->nxe)))
		result.error |= AM_ERR_I;
	for (unsigned above = level + 1; above <= m->levels; above++)
		result.open |= 1u << above;
	return result;
}

static bool has_flags(const struct access_mode *m, unsigned level)
{
	return !(m->levels == 3 && level == 3);		/* PAE's PDPTE has none, and no rights */
}

struct access_result access_model(const struct access_mode *m, const struct access *a,
				  struct access_path *p)
{
	struct rights rights = { true, true, false };
	unsigned level = m->levels + 1;
	uint32_t error = 0;
	bool leaf = false, denied;

	while (!leaf) {
		uint64_t entry = p->entry[--level];

		if (!has_flags(m, level))
			continue;
		if (!(entry & AM_P))
			return fault(m, a, 0, level);
		leaf = access_is_leaf(m, level, entry);
		if (entry & access_reserved(m, level, leaf))
			return fault(m, a, AM_ERR_P | AM_ERR_RSVD, level);
		rights.writable &= (entry & AM_W) != 0;
		rights.user &= (entry & AM_U) != 0;
		rights.no_execute |= m->levels > 2 && m->nxe && (entry & AM_XD);
	}
	if (key_denies(m, a, &rights, p->entry[level]))
		error = AM_ERR_P | AM_ERR_PK;
	denied = a->user ? user_mode_denied(a, &rights) : supervisor_mode_denied(m, a, &rights);
	if (denied || error)
		return fault(m, a, error | AM_ERR_P, level);
	for (unsigned i = level; i <= m->levels; i++)
		if (has_flags(m, i))
			p->entry[i] |= AM_A;
	if (a->write)
		p->entry[level] |= AM_D;
	return (struct access_result){ .level = level };
}
