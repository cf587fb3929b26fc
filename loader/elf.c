/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owns the loading of ELF segments, of both classes in one neutral form. Does not know what the
 * kernel expects when it starts. Source: System V ABI, "Object Files", "Program Loading".
 */
#include "loader/elf.h"

#include "include/assert.h"
#include "lib/string.h"

#define ELF_CLASS32	1
#define ELF_CLASS64	2
#define ELF_LSB		1
#define ELF_EXEC	2
#define ELF_DYN		3
#define ELF_386		3
#define ELF_X86_64	62
#define ELF32_SECTION_SIZE	40
#define ELF64_SECTION_SIZE	64

static const u8 elf_magic[4] = { 0x7f, 'E', 'L', 'F' };

struct elf_ident {
	u8 magic[4], class, data, version, rest[9];
	u16 type, machine;
	u32 file_version;
} packed_struct;

struct elf32_header {
	struct elf_ident ident;
	u32 entry, phoff, shoff, flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
} packed_struct;

struct elf64_header {
	struct elf_ident ident;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
} packed_struct;

struct elf32_segment {
	u32 type, offset, vaddr, paddr, filesz, memsz, flags, align;
} packed_struct;

struct elf64_segment {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
} packed_struct;

static_assert(sizeof(struct elf32_header) == 52 && sizeof(struct elf64_header) == 64, "ELF header");
static_assert(sizeof(struct elf32_segment) == 32 && sizeof(struct elf64_segment) == 56, "segment");

bool elf_recognise(const struct load_request *req)
{
	u8 magic[sizeof(elf_magic)];

	return kernel_read(req, 0, magic, sizeof(magic)) &&
	       memcmp(magic, elf_magic, sizeof(magic)) == 0;
}

/* The members have the same names in both classes. */
#define TAKE_HEADER(elf, h) do { \
	(elf)->entry = (h).entry; \
	(elf)->phoff = (h).phoff; \
	(elf)->shoff = (h).shoff; \
	(elf)->phnum = (h).phnum; \
	(elf)->phentsize = (h).phentsize; \
	(elf)->shnum = (h).shnum; \
	(elf)->shentsize = (h).shentsize; \
	(elf)->shstrndx = (h).shstrndx; \
} while (0)

static bool read_header(const struct load_request *req, const struct elf_ident *ident,
			struct elf *elf)
{
	struct elf32_header h32;
	struct elf64_header h64;

	elf->is_64 = ident->class == ELF_CLASS64;
	if (elf->is_64) {
		if (!kernel_read(req, 0, &h64, sizeof(h64)))
			return false;
		TAKE_HEADER(elf, h64);
		return true;
	}
	if (!kernel_read(req, 0, &h32, sizeof(h32)))
		return false;
	TAKE_HEADER(elf, h32);
	return true;
}

bool elf_read_segment(const struct load_request *req, const struct elf *elf, unsigned i,
		      struct elf_segment *s)
{
	struct elf32_segment e32;
	struct elf64_segment e64;
	u64 at;

	if (__builtin_add_overflow(elf->phoff, (u64)i * elf->phentsize, &at))
		return false;
	if (elf->is_64) {
		if (!kernel_read(req, at, &e64, sizeof(e64)))
			return false;
		*s = (struct elf_segment){ e64.type, e64.offset, e64.vaddr, e64.paddr,
					   e64.filesz, e64.memsz };
		return true;
	}
	if (!kernel_read(req, at, &e32, sizeof(e32)))
		return false;
	*s = (struct elf_segment){ e32.type, e32.offset, e32.vaddr, e32.paddr,
				   e32.filesz, e32.memsz };
	return true;
}

bool elf_find_sections(const struct load_request *req, const struct elf *elf, u64 *at)
{
	u64 size = (u64)elf->shnum * elf->shentsize;

	*at = elf->shoff;
	return elf->shentsize == (elf->is_64 ? ELF64_SECTION_SIZE : ELF32_SECTION_SIZE) &&
	       elf->shoff <= req->kernel_size && size <= req->kernel_size - elf->shoff;
}

enum load_status elf_read_header(struct loading *l, struct elf *elf)
{
	u64 size = l->req->kernel_size;
	struct elf_ident ident;

	if (!kernel_read(l->req, 0, &ident, sizeof(ident)) || !read_header(l->req, &ident, elf))
		return load_refuse(l, LOAD_BROKEN, "its kernel is truncated: %lu bytes don't hold "
				   "the ELF header", size);
	if ((ident.class != ELF_CLASS32 && ident.class != ELF_CLASS64) || ident.data != ELF_LSB ||
	    (ident.machine != ELF_386 && ident.machine != ELF_X86_64) ||
	    (ident.type != ELF_EXEC && ident.type != ELF_DYN))
		return load_refuse(l, LOAD_UNSUPPORTED, "its kernel is an ELF file of class %u, "
				   "type %u, machine %u, not an x86 executable", ident.class,
				   ident.type, ident.machine);
	if (elf->phentsize != (elf->is_64 ? sizeof(struct elf64_segment)
					  : sizeof(struct elf32_segment)))
		return load_refuse(l, LOAD_BROKEN, "its kernel's ELF program headers have a wrong "
				   "size of %u bytes", elf->phentsize);
	return LOAD_OK;
}

enum load_status elf_check_end(struct loading *l, const struct elf *elf)
{
	u64 size = l->req->kernel_size, table = (u64)elf->shnum * elf->shentsize;

	if (elf->shnum && (elf->shoff > size || table > size - elf->shoff))
		return load_refuse(l, LOAD_BROKEN, "its kernel is truncated: its ELF sections are "
				   "listed at offset %lu, the file has %lu bytes", elf->shoff, size);
	return LOAD_OK;
}

/* `at` is where it goes. */
static enum load_status load_segment(struct loading *l, unsigned i, const struct elf_segment *s,
				     u64 at)
{
	u64 size = l->req->kernel_size;

	if (s->filesz > s->memsz)
		return load_refuse(l, LOAD_BROKEN, "its kernel's segment %u has %lu bytes in the "
				   "file, but %lu in memory", i, s->filesz, s->memsz);
	if (s->filesz && (s->offset > size || s->filesz > size - s->offset))
		return load_refuse(l, LOAD_BROKEN, "its kernel is truncated: segment %u needs %lu "
				   "bytes at offset %lu, the file has %lu", i, s->filesz, s->offset,
				   size);
	return load_put(l, "its kernel's segment", at,
			s->filesz ? (const u8 *)l->req->kernel + s->offset : NULL, s->filesz,
			s->memsz);
}

/* The entry point may be a virtual address, as of a kernel linked high: it is looked for among
 * the virtual addresses of the segments, then among the physical ones. */
static bool translate_entry(const struct elf_segment *s, u64 entry, u64 *physical)
{
	if (entry >= s->vaddr && entry - s->vaddr < s->memsz) {
		*physical = entry - s->vaddr + s->paddr;
		return true;
	}
	return false;
}

/* Segment i of those that are loaded; *loaded tells whether it is one. */
static enum load_status next_segment(struct loading *l, const struct elf *elf, unsigned i,
				     struct elf_segment *s, bool *loaded)
{
	*loaded = false;
	if (!elf_read_segment(l->req, elf, i, s))
		return load_refuse(l, LOAD_BROKEN, "its kernel is truncated: ELF program "
				   "header %u of %u lies outside its %lu bytes", i, elf->phnum,
				   l->req->kernel_size);
	*loaded = s->type == PT_LOAD && s->memsz;
	return LOAD_OK;
}

enum load_status elf_extent(struct loading *l, const struct elf *elf, struct extent *extent)
{
	struct elf_segment s;
	bool loaded;

	*extent = (struct extent){ ~0ull, 0 };
	for (unsigned i = 0; i < elf->phnum; i++) {
		enum load_status status = next_segment(l, elf, i, &s, &loaded);

		if (status != LOAD_OK)
			return status;
		if (!loaded)
			continue;
		if (s.paddr + s.memsz < s.paddr)
			return load_refuse(l, LOAD_BROKEN, "its kernel's segment %u, at %#lx, ends "
					   "behind the last address", i, s.paddr);
		extent->low = MIN(extent->low, s.paddr);
		extent->high = MAX(extent->high, s.paddr + s.memsz);
	}
	if (extent->low > extent->high)
		return load_refuse(l, LOAD_BROKEN, "its kernel has no ELF segment to load");
	return LOAD_OK;
}

enum load_status elf_load(struct loading *l, u64 move, struct extent *extent, u64 *entry)
{
	bool found = false, found_physical = false, loaded;
	struct elf_segment s;
	u64 total = 0;
	struct elf elf = { 0 };
	enum load_status status = elf_read_header(l, &elf);

	if (status != LOAD_OK)
		return status;
	*extent = (struct extent){ ~0ull, 0 };
	for (unsigned i = 0; i < elf.phnum; i++) {
		status = next_segment(l, &elf, i, &s, &loaded);
		if (status == LOAD_OK && loaded)
			status = load_segment(l, i, &s, s.paddr + move);
		if (status != LOAD_OK)
			return status;
		if (!loaded)
			continue;
		/* Each segment is in RAM, so the sum can't wrap before it is found too large. */
		total += s.memsz;
		if (total > l->req->mem)
			return load_refuse(l, LOAD_NO_ROOM, "its kernel's segments take %lu bytes "
					   "in all, more than mem=%luK", total, l->req->mem >> 10);
		extent->low = MIN(extent->low, s.paddr + move);
		extent->high = MAX(extent->high, s.paddr + move + s.memsz);
		if (!found)
			found = translate_entry(&s, elf.entry, entry);
		found_physical |= elf.entry >= s.paddr && elf.entry - s.paddr < s.memsz;
	}
	if (!found && found_physical)
		*entry = elf.entry;
	if (!found && !found_physical)
		return load_refuse(l, LOAD_BROKEN, "its kernel's entry point %#lx lies in none of "
				   "its %u ELF segments", elf.entry, elf.phnum);
	*entry += move;
	return LOAD_OK;
}
