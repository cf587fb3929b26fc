/* SPDX-License-Identifier: GPL-2.0-only */
/* Owns the choice of the protocol and the checked copying into guest memory. */
#include "loader/load.h"

#include "include/x86/cr.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "loader/elf.h"

bool kernel_read(const struct load_request *req, u64 offset, void *to, u64 size)
{
	if (offset > req->kernel_size || size > req->kernel_size - offset)
		return false;
	memcpy(to, (const u8 *)req->kernel + offset, size);
	return true;
}

enum load_status load_refuse(struct loading *l, enum load_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(l->why, l->why_size, format, args);
	va_end(args);
	return status;
}

bool load_is_ram(const struct loading *l, u64 base, u64 size)
{
	for (unsigned i = 0; i < l->nr_ranges; i++) {
		const struct memory_range *r = &l->range[i];

		if (r->kind == MEMORY_RAM && base >= r->base && base - r->base <= r->size &&
		    size <= r->size - (base - r->base))
			return true;
	}
	return false;
}

static bool clear(const struct load_request *req, u64 at, u64 size)
{
	static const u8 zeros[PAGE_SIZE];

	while (size) {
		u64 n = MIN(size, sizeof(zeros));

		if (!slots_write_any(req->slots, GPA(at), zeros, n))
			return false;
		at += n;
		size -= n;
	}
	return true;
}

enum load_status load_put(struct loading *l, const char *what, u64 at, const void *from, u64 size,
			  u64 total)
{
	const struct load_request *req = l->req;

	if (!load_is_ram(l, at, total))
		return load_refuse(l, LOAD_NO_ROOM, "%s of %lu bytes at %#lx lies outside its "
				   "memory (mem=%luK: 0 to 640K, 1M to %luK); give it more", what,
				   total, at, req->mem >> 10, memory_low_top(req->mem) >> 10);
	if ((size && !slots_write_any(req->slots, GPA(at), from, size)) ||
	    !clear(req, at + size, total - size))
		return load_refuse(l, LOAD_NO_ROOM, "%s of %lu bytes at %#lx can't be written: its "
				   "memory has a hole there", what, total, at);
	return LOAD_OK;
}

void load_flat_start(struct guest_start *out, u16 code, u16 data)
{
	const struct segment flat = {
		.selector = data, .limit = 0xffffffff,
		.attr = SEG_ATTR_G | SEG_ATTR_DB | SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_WRITABLE |
			SEG_TYPE_ACCESSED,
	};

	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		out->segment[i] = flat;
	out->segment[SEG_CS].selector = code;
	out->segment[SEG_CS].attr |= SEG_TYPE_CODE;
	/* VMX enters no guest without a busy TSS, so each has one, of which it knows nothing. */
	out->segment[SEG_TR] = (struct segment){ .limit = 0x67, .attr = SEG_ATTR_P | 0xb };
	out->rflags = RFLAGS_FIXED;
	out->cr0 = CR0_PE | CR0_ET;
}

/* One that no protocol knows: what is wrong with the file itself is said first. */
static enum load_status unknown_elf(struct loading *l)
{
	enum load_status status;
	struct elf elf;

	status = elf_read_header(l, &elf);
	if (status == LOAD_OK)
		status = elf_check_end(l, &elf);
	if (status != LOAD_OK)
		return status;
	return load_refuse(l, LOAD_UNKNOWN, "its kernel (%lu bytes) is an ELF file without a "
			   "multiboot header or a PVH entry; for Linux give the bzImage (vmlinuz)",
			   l->req->kernel_size);
}

static enum load_status unknown(struct loading *l)
{
	static const u8 gzip[] = { 0x1f, 0x8b };
	u8 magic[sizeof(gzip)];

	if (l->req->kernel_size == 0)
		return load_refuse(l, LOAD_UNKNOWN, "its kernel is empty; the file may not have "
				   "been read");
	if (kernel_read(l->req, 0, magic, sizeof(magic)) && memcmp(magic, gzip, sizeof(gzip)) == 0)
		return load_refuse(l, LOAD_UNKNOWN, "its kernel (%lu bytes) is compressed with "
				   "gzip; decompress the file", l->req->kernel_size);
	if (elf_recognise(l->req))
		return unknown_elf(l);
	return load_refuse(l, LOAD_UNKNOWN, "its kernel (%lu bytes) is neither a Linux bzImage "
			   "nor a multiboot or PVH kernel; check the file", l->req->kernel_size);
}

/* By their numbers in enum load_protocol, which is also the order in which LOAD_AUTO asks all but the
 * last. */
static const struct protocol *const protocols[NR_LOAD_PROTOCOLS] = {
	[LOAD_LINUX] = &protocol_linux, [LOAD_LINUX32] = &protocol_linux32,
	[LOAD_MULTIBOOT] = &protocol_multiboot, [LOAD_MULTIBOOT2] = &protocol_multiboot2,
	[LOAD_PVH] = &protocol_pvh, [LOAD_FIRMWARE] = &protocol_firmware,
};

static enum load_status check_request(struct loading *l)
{
	const struct load_request *req = l->req;

	if (strlen(req->cmdline) >= LOAD_CMDLINE_SIZE)
		return load_refuse(l, LOAD_UNSUPPORTED, "its command line has %lu bytes, more "
				   "than %u; shorten it", (unsigned long)strlen(req->cmdline),
				   LOAD_CMDLINE_SIZE - 1);
	for (unsigned i = 0; i < req->nr_modules; i++) {
		if (!req->module[i].size)
			return load_refuse(l, LOAD_BROKEN, "its module %u (\"%.40s\") is an empty "
					   "file; leave it out, or give the right one", i + 1,
					   req->module[i].string);
		if (strlen(req->module[i].string) >= LOAD_STRING_SIZE)
			return load_refuse(l, LOAD_UNSUPPORTED, "its module %u has a command line "
					   "of more than %u bytes; shorten it", i + 1,
					   LOAD_STRING_SIZE - 1);
	}
	return LOAD_OK;
}

static enum load_status load_by(struct loading *l, const struct protocol *p)
{
	l->out->protocol = p->name;
	return p->load(l);
}

enum load_status load_guest(const struct load_request *req, struct guest_start *out, char *why,
			    size_t why_size)
{
	struct loading l = { .req = req, .out = out, .why = why, .why_size = why_size };
	enum load_status status;

	memset(out, 0, sizeof(*out));
	if (why_size)
		why[0] = 0;
	l.nr_ranges = memory_map(req->mem, l.range);
	status = check_request(&l);
	if (status != LOAD_OK)
		return status;
	if (req->protocol != LOAD_AUTO) {
		const struct protocol *p = protocols[req->protocol];

		if (p->recognise(req))
			return load_by(&l, p);
		return load_refuse(&l, LOAD_UNKNOWN, "its kernel (%lu bytes) can't be loaded as %s: "
				   "its file has no such header; leave protocol= out, or check the "
				   "file", req->kernel_size, p->name);
	}
	for (unsigned i = LOAD_AUTO + 1; i < LOAD_FIRMWARE; i++)
		if (protocols[i]->recognise(req))
			return load_by(&l, protocols[i]);
	return unknown(&l);
}
