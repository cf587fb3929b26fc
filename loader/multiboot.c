/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owns the multiboot 1 protocol, with the kernels that QEMU's -kernel takes, and ELF64 ones.
 * Source: Multiboot Specification 0.6.96. As with QEMU, the command line begins with a word for the
 * kernel's name.
 */
#include "include/assert.h"
#include "lib/string.h"
#include "loader/elf.h"

#define MB_HEADER_MAGIC		0x1badb002u
#define MB_HEADER_SEARCH	8192	/* the header lies wholly inside */
#define MB_HEADER_VIDEO		0x00000004u	/* a wish, which we may leave open */
#define MB_HEADER_KNOWN		0x00000007u	/* of the bits that must be understood */
#define MB_HEADER_MUST		0x0000ffffu
#define MB_HEADER_ADDRESSES	0x00010000u
#define MB_START_MAGIC		0x2badb002u

#define MBI_MEMORY	0x001u
#define MBI_CMDLINE	0x004u
#define MBI_MODULES	0x008u
#define MBI_MMAP	0x040u
#define MBI_LOADER_NAME	0x200u

#define KERNEL_WORD	"/kernel "
#define MB_CODE		0x08
#define MB_DATA		0x10

struct mb_header {
	u32 magic, flags, checksum;
	u32 header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
} packed_struct;

struct mb_info {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	u32 syms[4];
	u32 mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name;
	u32 apm_table;
	u32 vbe[4];
} packed_struct;

struct mb_mmap {
	u32 size;	/* of what follows */
	u64 base, length;
	u32 kind;
} packed_struct;

struct mb_module {
	u32 start, end, string, reserved;
} packed_struct;

/* What we put beside the kernel, in one piece; the modules' strings follow. */
struct mb_data {
	u64 gdt[3];
	struct mb_info info;
	struct mb_module module[LOAD_MAX_MODULES];
	struct mb_mmap mmap[MEMORY_MAP_MAX];
	char loader_name[8];
	char cmdline[sizeof(KERNEL_WORD) - 1 + LOAD_CMDLINE_SIZE];
} packed_struct;

static_assert(offsetof(struct mb_info, mmap_length) == 44, "multiboot 3.3");
static_assert(offsetof(struct mb_info, boot_loader_name) == 64, "multiboot 3.3");
static_assert(sizeof(struct mb_mmap) == 24 && sizeof(struct mb_module) == 16, "multiboot 3.3");

/* Finds the header, whose address fields are 0 if it doesn't have them, and where in the file it
 * is. */
static bool find_header(const struct load_request *req, struct mb_header *h, u64 *offset)
{
	const u64 fixed = offsetof(struct mb_header, header_addr);

	memset(h, 0, sizeof(*h));
	for (u64 at = 0; at + fixed <= MB_HEADER_SEARCH; at += 4) {
		*offset = at;
		if (!kernel_read(req, at, h, fixed))
			return false;
		if (h->magic == MB_HEADER_MAGIC && h->magic + h->flags + h->checksum == 0)
			return true;
	}
	return false;
}

static bool recognise(const struct load_request *req)
{
	struct mb_header h;
	u64 offset;

	return find_header(req, &h, &offset);
}

/* The form with address fields: one piece of the file, then memory to clear. */
static enum load_status load_addresses(struct loading *l, const struct mb_header *h, u64 offset,
				       struct extent *extent, u64 *entry)
{
	u64 before = (u64)h->header_addr - h->load_addr, file, size, total, from;

	if (h->header_addr < h->load_addr || before > offset)
		return load_refuse(l, LOAD_BROKEN, "its multiboot header at file offset %#lx says "
				   "address %#x, which doesn't fit load_addr %#x", offset,
				   h->header_addr, h->load_addr);
	from = offset - before;
	file = l->req->kernel_size - from;
	size = h->load_end_addr ? (u64)h->load_end_addr - h->load_addr : file;
	if (h->load_end_addr && h->load_end_addr < h->load_addr)
		return load_refuse(l, LOAD_BROKEN, "its multiboot header has load_end_addr %#x "
				   "below load_addr %#x", h->load_end_addr, h->load_addr);
	if (size > file)
		return load_refuse(l, LOAD_BROKEN, "its kernel is truncated: it loads %lu bytes "
				   "from offset %lu, the file has %lu", size, from,
				   l->req->kernel_size);
	total = h->bss_end_addr ? (u64)h->bss_end_addr - h->load_addr : size;
	if (h->bss_end_addr && (h->bss_end_addr < h->load_addr || total < size))
		return load_refuse(l, LOAD_BROKEN, "its multiboot header has bss_end_addr %#x "
				   "below the end of what it loads, %#lx", h->bss_end_addr,
				   h->load_addr + size);
	*extent = (struct extent){ h->load_addr, h->load_addr + total };
	*entry = h->entry_addr;
	if (*entry < extent->low || *entry >= extent->high)
		return load_refuse(l, LOAD_BROKEN, "its entry point %#lx lies outside what it "
				   "loads, %#lx to %#lx", *entry, extent->low, extent->high);
	return load_put(l, "its kernel", h->load_addr, (const u8 *)l->req->kernel + from, size,
			total);
}

static void fill_info(const struct loading *l, struct mb_data *d, u64 at)
{
	const u32 base = (u32)at;

	d->info = (struct mb_info){
		.flags = MBI_MEMORY | MBI_CMDLINE | MBI_MODULES | MBI_MMAP | MBI_LOADER_NAME,
		.mem_lower = (u32)(MEMORY_LOW_END >> 10),
		.mem_upper = (u32)((memory_low_top(l->req->mem) - MEMORY_HIGH_BASE) >> 10),
		.cmdline = base + (u32)offsetof(struct mb_data, cmdline),
		.mods_count = l->req->nr_modules,
		.mods_addr = base + (u32)offsetof(struct mb_data, module),
		.mmap_length = l->nr_ranges * (u32)sizeof(struct mb_mmap),
		.mmap_addr = base + (u32)offsetof(struct mb_data, mmap),
		.boot_loader_name = base + (u32)offsetof(struct mb_data, loader_name),
	};
}

static enum load_status put_strings(struct loading *l, u64 at)
{
	enum load_status status = LOAD_OK;

	for (unsigned i = 0; i < l->req->nr_modules && status == LOAD_OK; i++)
		status = load_append(l, "its modules' strings", &at, l->req->module[i].string,
				     strlen(l->req->module[i].string) + 1);
	return status;
}

static enum load_status put_data(struct loading *l, u64 at)
{
	struct mb_data d = {
		.gdt = { 0, DESCRIPTOR_CODE32, DESCRIPTOR_DATA },
		.loader_name = "Plinth", .cmdline = KERNEL_WORD,
	};
	u64 strings = at + sizeof(d), string = strings;
	enum load_status status;

	fill_info(l, &d, at);
	for (unsigned i = 0; i < l->req->nr_modules; i++) {
		d.module[i] = (struct mb_module){
			.start = (u32)l->module_at[i],
			.end = (u32)(l->module_at[i] + l->req->module[i].size),
			.string = (u32)string,
		};
		string += strlen(l->req->module[i].string) + 1;
	}
	for (unsigned i = 0; i < l->nr_ranges; i++)
		d.mmap[i] = (struct mb_mmap){
			sizeof(struct mb_mmap) - sizeof(u32), l->range[i].base, l->range[i].size,
			l->range[i].kind,
		};
	memcpy(d.cmdline + sizeof(KERNEL_WORD) - 1, l->req->cmdline, strlen(l->req->cmdline));
	status = load_put(l, "its multiboot information", at, &d, sizeof(d), sizeof(d));
	return status == LOAD_OK ? put_strings(l, strings) : status;
}

static enum load_status load_image(struct loading *l, struct extent *extent, u64 *entry)
{
	struct mb_header h;
	u64 offset;

	if (!find_header(l->req, &h, &offset) ||
	    ((h.flags & MB_HEADER_ADDRESSES) && !kernel_read(l->req, offset, &h, sizeof(h))))
		return load_refuse(l, LOAD_BROKEN, "its kernel is truncated: its %lu bytes end "
				   "within the multiboot header", l->req->kernel_size);
	if (h.flags & MB_HEADER_MUST & ~MB_HEADER_KNOWN)
		return load_refuse(l, LOAD_UNSUPPORTED, "its multiboot header demands features "
				   "%#x, which there aren't",
				   h.flags & MB_HEADER_MUST & ~MB_HEADER_KNOWN);
	if (h.flags & MB_HEADER_ADDRESSES)
		return load_addresses(l, &h, offset, extent, entry);
	if (!elf_recognise(l->req))
		return load_refuse(l, LOAD_BROKEN, "its kernel has a multiboot header without "
				   "addresses at file offset %#lx, but is no ELF file", offset);
	return elf_load(l, 0, extent, entry);
}

static enum load_status load(struct loading *l)
{
	u64 entry, data, size = sizeof(struct mb_data) + load_strings_size(l->req), after;
	enum load_status status;
	struct extent kernel;

	status = load_image(l, &kernel, &entry);
	if (status != LOAD_OK)
		return status;
	data = load_data_place(&kernel, size);
	if (entry >= MEMORY_GAP_END || data >= MEMORY_GAP)
		return load_refuse(l, LOAD_UNSUPPORTED, "its kernel, entered at %#lx and ending at "
				   "%#lx, isn't below 3 GiB, as multiboot needs it", entry,
				   kernel.high);
	after = MAX(kernel.high, data + size);
	status = load_modules(l, &after);
	if (status != LOAD_OK)
		return status;
	load_flat_start(l->out, MB_CODE, MB_DATA);
	l->out->gdtr = (struct table){ data, sizeof(u64) * 3 - 1 };
	l->out->rip = entry;
	l->out->gpr[GPR_RAX] = MB_START_MAGIC;
	l->out->gpr[GPR_RBX] = data + offsetof(struct mb_data, info);
	return put_data(l, data);
}

const struct protocol protocol_multiboot = { "multiboot 1", recognise, load };
