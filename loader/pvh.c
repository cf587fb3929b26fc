/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owns the PVH protocol: an ELF file with a note that says its 32-bit entry, as Linux's vmlinux, Xen
 * and the BSDs have it. Source: Xen, docs/misc/pvh.pandoc, "x86/HVM direct boot ABI", and
 * xen/include/public/arch-x86/hvm/start_info.h.
 */
#include "include/assert.h"
#include "lib/string.h"
#include "loader/elf.h"

#define NOTE_PHYS32_ENTRY	18u
#define START_MAGIC		0x336ec578u	/* "xEn3" with the top bit of the E set */
#define START_VERSION		1u		/* the first with a memory map */
#define PVH_CODE		0x08
#define PVH_DATA		0x10
/* A kernel has a handful of notes; more than this is not looked through. */
#define MAX_NOTES		64u

struct elf_note {
	u32 name_size, desc_size, type;
} packed_struct;

struct start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist, cmdline, rsdp, memmap;
	u32 memmap_entries, reserved;
} packed_struct;

struct module_entry {
	u64 at, size, cmdline, reserved;
} packed_struct;

struct memmap_entry {
	u64 base, size;
	u32 type, reserved;
} packed_struct;

static_assert(sizeof(struct start_info) == 56 && sizeof(struct module_entry) == 32 &&
	      sizeof(struct memmap_entry) == 24, "start_info.h");

/* What we put beside the kernel, in one piece; the modules' strings follow. */
struct pvh_data {
	u64 gdt[3];
	struct start_info info;
	struct module_entry module[LOAD_MAX_MODULES];
	struct memmap_entry memmap[MEMORY_MAP_MAX];
	char cmdline[LOAD_CMDLINE_SIZE];
} packed_struct;

/* Looks through the notes in bytes [at, end) of the file. */
static bool search_notes(const struct load_request *req, u64 at, u64 end, u32 *entry)
{
	static const char owner[4] = "Xen";
	struct elf_note note;
	char name[sizeof(owner)];

	for (unsigned i = 0; i < MAX_NOTES && at < end; i++) {
		u64 desc;

		if (!kernel_read(req, at, &note, sizeof(note)))
			return false;
		at += sizeof(note);
		desc = at + ALIGN_UP((u64)note.name_size, 4);
		if (note.type == NOTE_PHYS32_ENTRY && note.name_size == sizeof(owner) &&
		    note.desc_size >= sizeof(*entry) && kernel_read(req, at, name, sizeof(name)) &&
		    memcmp(name, owner, sizeof(owner)) == 0)
			return kernel_read(req, desc, entry, sizeof(*entry));
		at = desc + ALIGN_UP((u64)note.desc_size, 4);
	}
	return false;
}

static bool find_entry(const struct load_request *req, const struct elf *elf, u32 *entry)
{
	struct elf_segment s;

	for (unsigned i = 0; i < elf->phnum; i++) {
		if (!elf_read_segment(req, elf, i, &s))
			return false;
		if (s.type == PT_NOTE && s.offset < req->kernel_size &&
		    s.filesz <= req->kernel_size - s.offset &&
		    search_notes(req, s.offset, s.offset + s.filesz, entry))
			return true;
	}
	return false;
}

static bool recognise(const struct load_request *req)
{
	struct guest_start ignored;
	struct loading l = { .req = req, .out = &ignored };
	struct elf elf;
	u32 entry;

	return elf_recognise(req) && elf_read_header(&l, &elf) == LOAD_OK &&
	       find_entry(req, &elf, &entry);
}

static void fill(const struct loading *l, struct pvh_data *d, u64 at)
{
	const struct load_request *req = l->req;
	u64 string = at + sizeof(*d);

	d->info = (struct start_info){
		.magic = START_MAGIC, .version = START_VERSION, .nr_modules = req->nr_modules,
		.modlist = req->nr_modules ? at + offsetof(struct pvh_data, module) : 0,
		.cmdline = at + offsetof(struct pvh_data, cmdline), .rsdp = req->rsdp.v,
		.memmap = at + offsetof(struct pvh_data, memmap), .memmap_entries = l->nr_ranges,
	};
	for (unsigned i = 0; i < req->nr_modules; i++) {
		d->module[i] = (struct module_entry){ .at = l->module_at[i],
						      .size = req->module[i].size,
						      .cmdline = string };
		string += strlen(req->module[i].string) + 1;
	}
	for (unsigned i = 0; i < l->nr_ranges; i++)
		d->memmap[i] = (struct memmap_entry){ l->range[i].base, l->range[i].size,
						      l->range[i].kind, 0 };
	memcpy(d->cmdline, req->cmdline, strlen(req->cmdline) + 1);
}

static enum load_status put_data(struct loading *l, u64 at)
{
	struct pvh_data d = { .gdt = { 0, DESCRIPTOR_CODE32, DESCRIPTOR_DATA } };
	enum load_status status;

	fill(l, &d, at);
	status = load_append(l, "its start information", &at, &d, sizeof(d));
	for (unsigned i = 0; i < l->req->nr_modules && status == LOAD_OK; i++)
		status = load_append(l, "its modules' strings", &at, l->req->module[i].string,
				     strlen(l->req->module[i].string) + 1);
	return status;
}

static enum load_status load(struct loading *l)
{
	u64 size = sizeof(struct pvh_data) + load_strings_size(l->req), ignored, data, after;
	struct extent kernel;
	enum load_status status;
	struct elf elf;
	u32 entry;

	status = elf_read_header(l, &elf);
	if (status == LOAD_OK)
		status = elf_load(l, 0, &kernel, &ignored);
	if (status != LOAD_OK)
		return status;
	if (!find_entry(l->req, &elf, &entry) || !load_is_ram(l, entry, 1) ||
	    entry < kernel.low || entry >= kernel.high)
		return load_refuse(l, LOAD_BROKEN, "its PVH entry point lies outside what it loads, "
				   "%#lx to %#lx", kernel.low, kernel.high);
	data = load_data_place(&kernel, size);
	after = MAX(kernel.high, data + size);
	status = load_modules(l, &after);
	if (status == LOAD_OK)
		status = put_data(l, data);
	load_flat_start(l->out, PVH_CODE, PVH_DATA);
	l->out->gdtr = (struct table){ data, sizeof(u64) * 3 - 1 };
	l->out->rip = entry;
	l->out->gpr[GPR_RBX] = data + offsetof(struct pvh_data, info);
	return status;
}

const struct protocol protocol_pvh = { "PVH", recognise, load };
