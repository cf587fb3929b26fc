/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owns the multiboot 2 protocol: its header's tags, and the boot information, written tag by tag into
 * the guest's memory. The machine is a BIOS's: tags for EFI mean nothing here. Source: Multiboot2
 * Specification 2.0.
 */
#include "include/assert.h"
#include "lib/string.h"
#include "loader/elf.h"

#define MB2_MAGIC		0xe85250d6u
#define MB2_I386		0u
#define MB2_SEARCH		32768u		/* the header lies wholly inside */
#define MB2_ALIGN		8u
#define MB2_START_MAGIC		0x36d76289u
#define MB2_OPTIONAL		1u
#define MB2_CODE		0x08
#define MB2_DATA		0x10

/* Tags of the header. */
enum {
	HEAD_END, HEAD_REQUEST, HEAD_ADDRESS, HEAD_ENTRY, HEAD_CONSOLE, HEAD_FRAMEBUFFER,
	HEAD_MODULE_ALIGN, HEAD_EFI_BS, HEAD_EFI32_ENTRY, HEAD_EFI64_ENTRY, HEAD_RELOCATABLE,
};

/* Tags of the information. */
enum {
	INFO_END, INFO_CMDLINE, INFO_LOADER, INFO_MODULE, INFO_BASIC_MEMORY, INFO_BOOT_DEVICE,
	INFO_MEMORY_MAP, INFO_ELF_SECTIONS = 9, INFO_ACPI_OLD = 14, INFO_ACPI_NEW = 15,
	INFO_LOAD_BASE = 21,
};
/* What a kernel may demand; the load base and the sections only come where they exist. */
#define INFO_KNOWN	(BIT(INFO_END) | BIT(INFO_CMDLINE) | BIT(INFO_LOADER) | BIT(INFO_MODULE) | \
			 BIT(INFO_BASIC_MEMORY) | BIT(INFO_MEMORY_MAP) | BIT(INFO_ELF_SECTIONS) | \
			 BIT(INFO_ACPI_OLD) | BIT(INFO_ACPI_NEW) | BIT(INFO_LOAD_BASE))

#define RSDP_OLD_SIZE	20u	/* ACPI 1.0's */
#define RSDP_SIZE	36u
#define MAX_SECTIONS	512u

struct mb2_header {
	u32 magic, architecture, length, checksum;
} packed_struct;

struct mb2_head_tag {
	u16 type, flags;
	u32 size;
} packed_struct;

struct mb2_tag {
	u32 type, size;
} packed_struct;

struct mb2_mmap {
	u64 base, length;
	u32 kind, reserved;
} packed_struct;

struct mb2_address {
	u32 header_addr, load_addr, load_end_addr, bss_end_addr;
} packed_struct;

struct mb2_relocatable {
	u32 min, max, align, preference;	/* preference: 0 none, 1 lowest, 2 highest */
} packed_struct;

/* What the header asks for. */
struct wishes {
	u64 header;		/* its offset in the file */
	bool has_address, has_entry, has_relocatable;
	struct mb2_address address;
	u32 entry;
	struct mb2_relocatable relocatable;
};

static bool find_header(const struct load_request *req, struct mb2_header *h, u64 *offset)
{
	for (u64 at = 0; at + sizeof(*h) <= MB2_SEARCH; at += MB2_ALIGN) {
		*offset = at;
		if (!kernel_read(req, at, h, sizeof(*h)))
			return false;
		if (h->magic == MB2_MAGIC && h->magic + h->architecture + h->length + h->checksum == 0)
			return true;
	}
	return false;
}

static bool recognise(const struct load_request *req)
{
	struct mb2_header h;
	u64 offset;

	return find_header(req, &h, &offset);
}

/* --- The header's tags --- */

static enum load_status truncated(struct loading *l)
{
	return load_refuse(l, LOAD_BROKEN, "its kernel is truncated: its %lu bytes end within the "
			   "multiboot 2 header", l->req->kernel_size);
}

/* The kinds of information that the kernel can't do without. */
static enum load_status check_request(struct loading *l, u64 at, u64 end)
{
	u32 type;

	for (; at + sizeof(type) <= end; at += sizeof(type)) {
		if (!kernel_read(l->req, at, &type, sizeof(type)))
			return truncated(l);
		if (type >= 64 || !(INFO_KNOWN & BIT(type)))
			return load_refuse(l, LOAD_UNSUPPORTED, "its multiboot 2 header demands "
					   "information of type %u, which there isn't", type);
	}
	return LOAD_OK;
}

/* Tag `t`, whose contents lie in bytes [at, end) of the file. */
static enum load_status take_tag(struct loading *l, struct wishes *w, const struct mb2_head_tag *t,
				 u64 at, u64 end)
{
	void *to = NULL;
	u64 size = 0;

	switch (t->type) {
	case HEAD_REQUEST:
		return t->flags & MB2_OPTIONAL ? LOAD_OK : check_request(l, at, end);
	case HEAD_ADDRESS:
		to = &w->address;
		size = sizeof(w->address);
		w->has_address = true;
		break;
	case HEAD_ENTRY:
		to = &w->entry;
		size = sizeof(w->entry);
		w->has_entry = true;
		break;
	case HEAD_RELOCATABLE:
		to = &w->relocatable;
		size = sizeof(w->relocatable);
		w->has_relocatable = true;
		break;
	case HEAD_MODULE_ALIGN: case HEAD_EFI_BS: case HEAD_EFI32_ENTRY: case HEAD_EFI64_ENTRY:
		return LOAD_OK;		/* modules lie on pages anyway; there is no EFI */
	default:
		if (t->flags & MB2_OPTIONAL)
			return LOAD_OK;
		return load_refuse(l, LOAD_UNSUPPORTED, "its multiboot 2 header demands feature %u%s, "
				   "which there isn't", t->type,
				   t->type == HEAD_FRAMEBUFFER ? " (a framebuffer)" :
				   t->type == HEAD_CONSOLE ? " (a screen)" : "");
	}
	if (size > end - at || !kernel_read(l->req, at, to, size))
		return load_refuse(l, LOAD_BROKEN, "its multiboot 2 header's tag of type %u has only "
				   "%u bytes", t->type, t->size);
	return LOAD_OK;
}

static enum load_status read_wishes(struct loading *l, struct wishes *w)
{
	struct mb2_header h;
	u64 end, at;

	if (!find_header(l->req, &h, &w->header))
		return truncated(l);
	if (h.architecture != MB2_I386)
		return load_refuse(l, LOAD_UNSUPPORTED, "its multiboot 2 header is for architecture "
				   "%u, not i386", h.architecture);
	end = w->header + h.length;
	for (at = w->header + sizeof(h); at < end;) {
		enum load_status status;
		struct mb2_head_tag t;

		if (!kernel_read(l->req, at, &t, sizeof(t)))
			return truncated(l);
		if (t.type == HEAD_END)
			return LOAD_OK;
		if (t.size < sizeof(t) || t.size > end - at)
			return load_refuse(l, LOAD_BROKEN, "its multiboot 2 header has a tag of %u "
					   "bytes at file offset %#lx", t.size, at);
		status = take_tag(l, w, &t, at + sizeof(t), at + t.size);
		if (status != LOAD_OK)
			return status;
		at += ALIGN_UP((u64)t.size, MB2_ALIGN);
	}
	return LOAD_OK;
}

/* --- The image --- */

/* How far above where it is linked the image goes: nowhere, unless it may be moved and the place
 * isn't RAM or isn't among those that it wants. */
static u64 choose_move(const struct loading *l, const struct wishes *w, const struct extent *linked)
{
	const struct mb2_relocatable *r = &w->relocatable;
	u64 size = linked->high - linked->low, align = r->align ? r->align : 1, found = linked->low;
	bool fits = load_is_ram(l, linked->low, size) && linked->low >= r->min &&
		    linked->high - 1 <= r->max && linked->low % align == 0;

	if (!w->has_relocatable || (fits && r->preference == 0))
		return 0;
	for (unsigned i = 0; i < l->nr_ranges; i++) {
		u64 low = MAX(MAX(l->range[i].base, (u64)r->min), MEMORY_HIGH_BASE), at;
		u64 high = MIN(l->range[i].base + l->range[i].size, (u64)r->max + 1);

		if (l->range[i].kind != MEMORY_RAM || high < size || high - size < low)
			continue;
		at = r->preference == 2 ? (high - size) / align * align
					: (low + align - 1) / align * align;
		if (at >= low && at <= high - size) {
			found = at;
			if (r->preference != 2)
				break;
		}
	}
	return found - linked->low;
}

/* The form with an address tag: one piece of the file, then memory to clear. */
static enum load_status load_addresses(struct loading *l, const struct wishes *w,
				       struct extent *extent, u64 *move)
{
	const struct mb2_address *a = &w->address;
	/* A load address of all ones: from the file's start. */
	u64 before = a->load_addr == ~0u ? w->header : (u64)a->header_addr - a->load_addr;
	u64 at = a->header_addr - before, from = w->header - before, size, total;

	if (before > w->header || before > a->header_addr)
		return load_refuse(l, LOAD_BROKEN, "its multiboot 2 header at file offset %#lx says "
				   "address %#x, which doesn't fit load_addr %#x", w->header,
				   a->header_addr, a->load_addr);
	size = a->load_end_addr ? (u64)a->load_end_addr - at : l->req->kernel_size - from;
	total = a->bss_end_addr ? (u64)a->bss_end_addr - at : size;
	if ((a->load_end_addr && a->load_end_addr < at) || size > l->req->kernel_size - from)
		return load_refuse(l, LOAD_BROKEN, "its kernel is truncated: it loads up to address "
				   "%#x, the file has %lu bytes", a->load_end_addr,
				   l->req->kernel_size);
	if ((a->bss_end_addr && a->bss_end_addr < at) || total < size)
		return load_refuse(l, LOAD_BROKEN, "its multiboot 2 header has bss_end_addr %#x below "
				   "the end of what it loads, %#lx", a->bss_end_addr, at + size);
	*extent = (struct extent){ at, at + total };
	*move = choose_move(l, w, extent);
	extent->low += *move;
	extent->high += *move;
	return load_put(l, "its kernel", extent->low, (const u8 *)l->req->kernel + from, size, total);
}

static enum load_status load_elf(struct loading *l, const struct wishes *w, struct extent *extent,
				 u64 *entry, u64 *move)
{
	enum load_status status;
	struct extent linked;
	struct elf elf;

	if (!elf_recognise(l->req))
		return load_refuse(l, LOAD_BROKEN, "its kernel has a multiboot 2 header without "
				   "addresses at file offset %#lx, but is no ELF file", w->header);
	status = elf_read_header(l, &elf);
	if (status == LOAD_OK)
		status = elf_extent(l, &elf, &linked);
	if (status != LOAD_OK)
		return status;
	*move = choose_move(l, w, &linked);
	return elf_load(l, *move, extent, entry);
}

static enum load_status load_image(struct loading *l, const struct wishes *w, struct extent *extent,
				   u64 *entry, u64 *move)
{
	enum load_status status;

	if (w->has_address && !w->has_entry)
		return load_refuse(l, LOAD_BROKEN, "its multiboot 2 header has addresses, but no "
				   "entry point");
	status = w->has_address ? load_addresses(l, w, extent, move)
				: load_elf(l, w, extent, entry, move);
	if (status != LOAD_OK)
		return status;
	if (w->has_entry)
		*entry = w->entry + *move;
	if (*entry < extent->low || *entry >= extent->high)
		return load_refuse(l, LOAD_BROKEN, "its entry point %#lx lies outside what it loads, "
				   "%#lx to %#lx", *entry, extent->low, extent->high);
	return LOAD_OK;
}

/* --- The information --- */

/* A tag whose contents are `head` and then `tail`; `at` moves to where the next one goes. */
static enum load_status put_tag(struct loading *l, u64 *at, u32 type, const void *head, u64 head_size,
				const void *tail, u64 tail_size)
{
	struct mb2_tag tag = { type, (u32)(sizeof(tag) + head_size + tail_size) };
	u64 next = *at + ALIGN_UP((u64)tag.size, MB2_ALIGN);
	enum load_status status = load_append(l, "its boot information", at, &tag, sizeof(tag));

	if (status == LOAD_OK)
		status = load_append(l, "its boot information", at, head, head_size);
	if (status == LOAD_OK)
		status = load_append(l, "its boot information", at, tail, tail_size);
	*at = next;
	return status;
}

static enum load_status put_string(struct loading *l, u64 *at, u32 type, const char *text)
{
	return put_tag(l, at, type, text, strlen(text) + 1, NULL, 0);
}

static enum load_status put_modules(struct loading *l, u64 *at)
{
	enum load_status status = LOAD_OK;

	for (unsigned i = 0; i < l->req->nr_modules && status == LOAD_OK; i++) {
		const struct load_module *m = &l->req->module[i];
		u32 place[2] = { (u32)l->module_at[i], (u32)(l->module_at[i] + m->size) };

		status = put_tag(l, at, INFO_MODULE, place, sizeof(place), m->string,
				 strlen(m->string) + 1);
	}
	return status;
}

static enum load_status put_memory(struct loading *l, u64 *at)
{
	struct mb2_mmap map[MEMORY_MAP_MAX] = { 0 };
	u32 basic[2] = { (u32)(MEMORY_LOW_END >> 10),
			 (u32)((memory_low_top(l->req->mem) - MEMORY_HIGH_BASE) >> 10) };
	u32 head[2] = { sizeof(map[0]), 0 };
	enum load_status status = put_tag(l, at, INFO_BASIC_MEMORY, basic, sizeof(basic), NULL, 0);

	for (unsigned i = 0; i < l->nr_ranges; i++)
		map[i] = (struct mb2_mmap){ l->range[i].base, l->range[i].size, l->range[i].kind, 0 };
	if (status == LOAD_OK)
		status = put_tag(l, at, INFO_MEMORY_MAP, head, sizeof(head), map,
				 l->nr_ranges * sizeof(map[0]));
	return status;
}

/* Copies of the guest's own RSDP: the whole, and the part that ACPI 1.0 knows. */
static enum load_status put_rsdp(struct loading *l, u64 *at)
{
	u8 rsdp[RSDP_SIZE];
	enum load_status status;

	if (!l->req->rsdp.v || !slots_read(l->req->slots, l->req->rsdp, rsdp, sizeof(rsdp)))
		return LOAD_OK;
	status = put_tag(l, at, INFO_ACPI_OLD, rsdp, RSDP_OLD_SIZE, NULL, 0);
	return status == LOAD_OK ? put_tag(l, at, INFO_ACPI_NEW, rsdp, RSDP_SIZE, NULL, 0) : status;
}

/* The section headers as they stand in the file: symbols that are in no segment aren't loaded, so
 * their address stays 0. */
static enum load_status put_sections(struct loading *l, u64 *at)
{
	struct elf elf;
	u64 from;

	if (!elf_recognise(l->req) || elf_read_header(l, &elf) != LOAD_OK || !elf.shnum ||
	    elf.shnum > MAX_SECTIONS || !elf_find_sections(l->req, &elf, &from))
		return LOAD_OK;
	return put_tag(l, at, INFO_ELF_SECTIONS,
		       (u32[]){ elf.shnum, elf.shentsize, elf.shstrndx }, 3 * sizeof(u32),
		       (const u8 *)l->req->kernel + from, (u64)elf.shnum * elf.shentsize);
}

/* Everything from `info` on, which is where EBX points. */
static enum load_status put_information(struct loading *l, const struct wishes *w, u64 info,
					const struct extent *kernel)
{
	u32 head[2] = { 0 }, base = (u32)kernel->low;
	u64 at = info + sizeof(head);
	enum load_status status = put_string(l, &at, INFO_CMDLINE, l->req->cmdline);

	if (status == LOAD_OK)
		status = put_string(l, &at, INFO_LOADER, "Plinth");
	if (status == LOAD_OK)
		status = put_modules(l, &at);
	if (status == LOAD_OK)
		status = put_memory(l, &at);
	if (status == LOAD_OK)
		status = put_sections(l, &at);
	if (status == LOAD_OK)
		status = put_rsdp(l, &at);
	if (status == LOAD_OK && w->has_relocatable)
		status = put_tag(l, &at, INFO_LOAD_BASE, &base, sizeof(base), NULL, 0);
	if (status == LOAD_OK)
		status = put_tag(l, &at, INFO_END, NULL, 0, NULL, 0);
	head[0] = (u32)(at - info);
	return status == LOAD_OK ? load_put(l, "its boot information", info, head, sizeof(head),
					    sizeof(head)) : status;
}

/* More than put_information() can take. */
static u64 information_size(const struct load_request *req)
{
	return KIB(4) + LOAD_CMDLINE_SIZE + load_strings_size(req) +
	       (sizeof(struct mb2_tag) + 2 * MB2_ALIGN) * req->nr_modules + MAX_SECTIONS * 64;
}

static enum load_status load(struct loading *l)
{
	static const u64 gdt[] = { 0, DESCRIPTOR_CODE32, DESCRIPTOR_DATA, 0 };
	u64 size = sizeof(gdt) + information_size(l->req), entry = 0, move = 0, data, after;
	struct wishes w = { 0 };
	struct extent kernel;
	enum load_status status = read_wishes(l, &w);

	if (status == LOAD_OK)
		status = load_image(l, &w, &kernel, &entry, &move);
	if (status != LOAD_OK)
		return status;
	data = load_data_place(&kernel, size);
	if (entry >= MEMORY_GAP || data >= MEMORY_GAP)
		return load_refuse(l, LOAD_UNSUPPORTED, "its kernel, entered at %#lx and ending at "
				   "%#lx, isn't below 3 GiB, as multiboot needs it", entry,
				   kernel.high);
	after = MAX(kernel.high, data + size);
	status = load_modules(l, &after);
	if (status == LOAD_OK)
		status = load_put(l, "its GDT", data, gdt, sizeof(gdt), sizeof(gdt));
	if (status == LOAD_OK)
		status = put_information(l, &w, data + sizeof(gdt), &kernel);
	load_flat_start(l->out, MB2_CODE, MB2_DATA);
	l->out->gdtr = (struct table){ data, sizeof(u64) * 3 - 1 };
	l->out->rip = entry;
	l->out->gpr[GPR_RAX] = MB2_START_MAGIC;
	l->out->gpr[GPR_RBX] = data + sizeof(gdt);
	return status;
}

const struct protocol protocol_multiboot2 = { "multiboot 2", recognise, load };
