/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owns Linux's boot protocol, by its 64-bit and its 32-bit entry. Source: Linux,
 * Documentation/arch/x86/boot.rst and zero-page.rst.
 *
 * What we put into the guest's low memory:
 *
 *  0x10000        0x11000          0x20000       0x26000
 *  | boot_params | command line … | page tables | GDT
 */
#include "include/assert.h"
#include "include/x86/cr.h"
#include "lib/string.h"
#include "loader/loading.h"

#define AT_PARAMS	0x10000ull
#define AT_CMDLINE	0x11000ull
#define AT_TABLES	0x20000ull
#define AT_GDT		0x26000ull
#define AT_STACK	0x30000ull	/* its upper end */

#define SECTOR			512u
#define DEFAULT_SETUP_SECTS	4u
#define BOOT_FLAG		0xaa55u
#define HEADER_MAGIC		0x53726448u	/* "HdrS" */
#define VERSION_MIN		0x020au		/* the first with init_size and pref_address */
#define VERSION_XLOADFLAGS	0x020cu
#define VERSION_RSDP		0x020eu		/* the first with acpi_rsdp_addr */
#define LOADED_HIGH		0x01u
#define XLF_KERNEL_64		0x0001u
#define LOADER_UNDEFINED	0xffu
#define ENTRY_64		0x200u
#define LINUX_CODE		0x10		/* __BOOT_CS, __BOOT_DS */
#define LINUX_DATA		0x18

#define PTE_TABLE	0x003ull	/* present, writable */
#define PTE_LARGE	0x083ull
#define TABLE_ENTRIES	512u

struct setup_header {
	u8 setup_sects;
	u16 root_flags;
	u32 syssize;		/* in 16 bytes */
	u16 ram_size, vid_mode, root_dev, boot_flag;
	u8 jump, jump_length;	/* a short jump over the header: says how long it is */
	u32 header;
	u16 version;
	u32 realmode_swtch;
	u16 start_sys_seg, kernel_version;
	u8 type_of_loader, loadflags;
	u16 setup_move_size;
	u32 code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
	u16 heap_end_ptr;
	u8 ext_loader_ver, ext_loader_type;
	u32 cmd_line_ptr, initrd_addr_max, kernel_alignment;
	u8 relocatable_kernel, min_alignment;
	u16 xloadflags;
	u32 cmdline_size, hardware_subarch;
	u64 hardware_subarch_data;
	u32 payload_offset, payload_length;
	u64 setup_data, pref_address;
	u32 init_size, handover_offset, kernel_info_offset;
} packed_struct;

#define HEADER_OFFSET	0x1f1u
#define HEADER_AT(member)	(HEADER_OFFSET + offsetof(struct setup_header, member))
static_assert(HEADER_AT(header) == 0x202 && HEADER_AT(code32_start) == 0x214, "boot.rst");
static_assert(HEADER_AT(initrd_addr_max) == 0x22c && HEADER_AT(xloadflags) == 0x236, "boot.rst");
static_assert(HEADER_AT(pref_address) == 0x258 && HEADER_AT(init_size) == 0x260, "boot.rst");
/* Where the jump over the header ends, at least, if the header has what we need. */
#define HEADER_END_MIN	HEADER_AT(handover_offset)
#define HEADER_JUMP_END	0x202u

struct e820_entry {
	u64 base, size;
	u32 kind;
} packed_struct;

struct boot_params {
	u8 before[0x70];
	u64 acpi_rsdp_addr;
	u8 pad1[0xc0 - 0x78];
	u32 ext_ramdisk_image, ext_ramdisk_size, ext_cmd_line_ptr;
	u8 pad2[0x1e8 - 0xcc];
	u8 e820_entries;
	u8 pad3[0x1f1 - 0x1e9];
	struct setup_header hdr;
	u8 pad4[0x2d0 - 0x1f1 - sizeof(struct setup_header)];
	struct e820_entry e820_table[128];
	u8 after[0x1000 - 0x2d0 - 128 * sizeof(struct e820_entry)];
} packed_struct;

static_assert(sizeof(struct boot_params) == PAGE_SIZE, "zero-page.rst");
static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "zero-page.rst");
static_assert(AT_CMDLINE + LOAD_CMDLINE_SIZE <= AT_TABLES, "low memory");

/* The kernel proper, behind the sectors of real-mode code. */
struct payload {
	u64 offset, size;	/* in the file, in bytes */
	u64 at, room;		/* in the guest; with what it needs to decompress itself */
};

static bool recognise_32(const struct load_request *req)
{
	u16 boot_flag;
	u32 magic;

	return kernel_read(req, HEADER_AT(boot_flag), &boot_flag, sizeof(boot_flag)) &&
	       kernel_read(req, HEADER_AT(header), &magic, sizeof(magic)) &&
	       boot_flag == BOOT_FLAG && magic == HEADER_MAGIC;
}

static bool recognise_64(const struct load_request *req)
{
	u16 version, flags;

	return recognise_32(req) &&
	       kernel_read(req, HEADER_AT(version), &version, sizeof(version)) &&
	       kernel_read(req, HEADER_AT(xloadflags), &flags, sizeof(flags)) &&
	       version >= VERSION_XLOADFLAGS && (flags & XLF_KERNEL_64);
}

static enum load_status read_header(struct loading *l, struct setup_header *h)
{
	u32 end;

	if (!kernel_read(l->req, HEADER_OFFSET, h, sizeof(*h)))
		return load_refuse(l, LOAD_BROKEN, "its Linux kernel is truncated: %lu bytes don't "
				   "hold the setup header", l->req->kernel_size);
	if (h->version < VERSION_MIN)
		return load_refuse(l, LOAD_UNSUPPORTED, "its Linux kernel has boot protocol "
				   "%u.%02u, older than 2.10", h->version >> 8, h->version & 0xff);
	if (!(h->loadflags & LOADED_HIGH))
		return load_refuse(l, LOAD_UNSUPPORTED, "its Linux kernel is a zImage, to be loaded "
				   "low (loadflags %#x); take a bzImage", h->loadflags);
	end = HEADER_JUMP_END + h->jump_length;
	if (end < HEADER_END_MIN)
		return load_refuse(l, LOAD_BROKEN, "its Linux kernel's setup header ends at %#x, "
				   "too early for boot protocol %u.%02u", end, h->version >> 8,
				   h->version & 0xff);
	if (end < HEADER_OFFSET + sizeof(*h))
		memset((u8 *)h + (end - HEADER_OFFSET), 0, HEADER_OFFSET + sizeof(*h) - end);
	return LOAD_OK;
}

static enum load_status find_payload(struct loading *l, const struct setup_header *h,
				     struct payload *p)
{
	u64 declared = (u64)h->syssize * 16, size = l->req->kernel_size;

	p->offset = ((h->setup_sects ? h->setup_sects : DEFAULT_SETUP_SECTS) + 1u) * SECTOR;
	/* syssize is rounded up to 16 bytes, the file may not be. */
	if (p->offset + ENTRY_64 >= size || declared > size - p->offset + 15)
		return load_refuse(l, LOAD_BROKEN, "its Linux kernel is truncated: its header "
				   "speaks of %lu bytes, the file has %lu",
				   p->offset + MAX(declared, (u64)ENTRY_64 + 1), size);
	p->size = size - p->offset;
	p->room = MAX((u64)h->init_size, p->size);
	return LOAD_OK;
}

/*
 * Where it will run, which is never below its preferred address: loaded lower, it moves itself up
 * there before it looks at the memory map (boot.rst, "init_size").
 */
static enum load_status place_kernel(struct loading *l, const struct setup_header *h,
				     struct payload *p)
{
	u64 align = h->kernel_alignment;

	p->at = h->pref_address;
	if (h->relocatable_kernel) {
		if (align < PAGE_SIZE || align > MEMORY_GAP || (align & (align - 1)))
			return load_refuse(l, LOAD_BROKEN, "its Linux kernel wants the alignment "
					   "%#lx, which is not a power of two of at least 4K",
					   align);
		p->at = ALIGN_UP(MAX(p->at, MEMORY_HIGH_BASE), align);
	}
	if (p->at >= MEMORY_HIGH_BASE && p->at < MEMORY_GAP && load_is_ram(l, p->at, p->room))
		return LOAD_OK;
	return load_refuse(l, LOAD_NO_ROOM, "its Linux kernel needs %lu KiB of memory at %#lx, but "
			   "its memory ends at %luK; give it more with mem=",
			   (p->room + 1023) >> 10, p->at, memory_low_top(l->req->mem) >> 10);
}

/* All modules one behind the other, each at a multiple of 4: the kernel unpacks them in turn
 * (Documentation/driver-api/early-userspace/buffer-format.rst). */
static u64 initrd_size(const struct load_request *req)
{
	u64 size = 0;

	for (unsigned i = 0; i < req->nr_modules; i++)
		size = ALIGN_UP(size, 4) + req->module[i].size;
	return size;
}

/* As high as kernel and memory allow. */
static enum load_status put_initrd(struct loading *l, struct setup_header *h,
				   const struct payload *p)
{
	const struct load_request *req = l->req;
	u64 top = MIN(memory_low_top(req->mem), (u64)h->initrd_addr_max + 1);
	u64 low = p->at + p->room, size = initrd_size(req), at;
	enum load_status status = LOAD_OK;

	if (!req->nr_modules)
		return LOAD_OK;
	at = size <= top ? ALIGN_DOWN(top - size, PAGE_SIZE) : 0;
	if (at < low)
		return load_refuse(l, LOAD_NO_ROOM, "its initrd of %lu bytes doesn't fit between "
				   "its kernel, which ends at %#lx, and %#lx; give it more with "
				   "mem=", size, low, top);
	h->ramdisk_image = (u32)at;
	h->ramdisk_size = (u32)size;
	for (unsigned i = 0; i < req->nr_modules && status == LOAD_OK; i++) {
		u64 all = i + 1 < req->nr_modules ? ALIGN_UP(req->module[i].size, 4)
						  : req->module[i].size;

		status = load_put(l, "its initrd", at, req->module[i].data, req->module[i].size, all);
		at += all;
	}
	return status;
}

static enum load_status put_cmdline(struct loading *l, struct setup_header *h)
{
	u64 size = strlen(l->req->cmdline);

	if (size > h->cmdline_size)
		return load_refuse(l, LOAD_UNSUPPORTED, "its command line has %lu bytes, its "
				   "kernel takes %u; shorten it", size, h->cmdline_size);
	h->cmd_line_ptr = AT_CMDLINE;
	return load_put(l, "its command line", AT_CMDLINE, l->req->cmdline, size + 1, size + 1);
}

static enum load_status put_params(struct loading *l, const struct setup_header *h,
				   const struct payload *p)
{
	struct boot_params params = { .hdr = *h };

	params.hdr.type_of_loader = LOADER_UNDEFINED;
	params.hdr.code32_start = (u32)p->at;
	if (h->version >= VERSION_RSDP)
		params.acpi_rsdp_addr = l->req->rsdp.v;
	params.e820_entries = (u8)l->nr_ranges;
	for (unsigned i = 0; i < l->nr_ranges; i++)
		params.e820_table[i] = (struct e820_entry){ l->range[i].base, l->range[i].size,
							    l->range[i].kind };
	return load_put(l, "its boot parameters", AT_PARAMS, &params, sizeof(params),
			sizeof(params));
}

static enum load_status put_entry(struct loading *l, unsigned table, unsigned index, u64 entry)
{
	return load_put(l, "its page table", AT_TABLES + table * PAGE_SIZE + index * sizeof(entry),
			&entry, sizeof(entry), sizeof(entry));
}

/* The first 4 GiB, one to one, in pages of 2 MiB: PML4, PDPT, four page directories. */
static enum load_status put_page_tables(struct loading *l)
{
	enum load_status status = load_put(l, "its page tables", AT_TABLES, NULL, 0, 6 * PAGE_SIZE);

	if (status == LOAD_OK)
		status = put_entry(l, 0, 0, (AT_TABLES + PAGE_SIZE) | PTE_TABLE);
	for (unsigned i = 0; i < 4 && status == LOAD_OK; i++)
		status = put_entry(l, 1, i, (AT_TABLES + (2 + i) * PAGE_SIZE) | PTE_TABLE);
	for (unsigned i = 0; i < 4 * TABLE_ENTRIES && status == LOAD_OK; i++)
		status = put_entry(l, 2, i, i * MIB(2) | PTE_LARGE);
	return status;
}

/* boot.rst, "64-bit Boot Protocol". */
static void set_start_64(struct guest_start *out, const struct payload *p)
{
	load_flat_start(out, LINUX_CODE, LINUX_DATA);
	out->segment[SEG_CS].attr &= ~SEG_ATTR_DB;
	out->segment[SEG_CS].attr |= SEG_ATTR_L;
	out->cr0 |= CR0_PG;
	out->cr3 = AT_TABLES;
	out->cr4 = CR4_PAE;
	out->efer = EFER_LME | EFER_LMA;
	out->rip = p->at + ENTRY_64;
	out->gpr[GPR_RSI] = AT_PARAMS;
	out->gpr[GPR_RSP] = AT_STACK;
}

/* boot.rst, "32-bit Boot Protocol". */
static void set_start_32(struct guest_start *out, const struct payload *p)
{
	load_flat_start(out, LINUX_CODE, LINUX_DATA);
	out->rip = p->at;
	out->gpr[GPR_RSI] = AT_PARAMS;
	out->gpr[GPR_RSP] = AT_STACK;
}

/* What both entries have in common. */
static enum load_status load_kernel(struct loading *l, struct payload *p, u64 code)
{
	const u64 gdt[] = { 0, 0, code, DESCRIPTOR_DATA };
	struct setup_header h;
	enum load_status status = read_header(l, &h);

	if (status == LOAD_OK)
		status = find_payload(l, &h, p);
	if (status == LOAD_OK)
		status = place_kernel(l, &h, p);
	if (status == LOAD_OK)
		status = load_put(l, "its Linux kernel", p->at,
				  (const u8 *)l->req->kernel + p->offset, p->size, p->room);
	if (status == LOAD_OK)
		status = put_initrd(l, &h, p);
	if (status == LOAD_OK)
		status = put_cmdline(l, &h);
	if (status == LOAD_OK)
		status = put_params(l, &h, p);
	l->out->gdtr = (struct table){ AT_GDT, sizeof(gdt) - 1 };
	return status == LOAD_OK ? load_put(l, "its GDT", AT_GDT, gdt, sizeof(gdt), sizeof(gdt))
				 : status;
}

static enum load_status load_64(struct loading *l)
{
	struct payload p = { 0 };
	enum load_status status = load_kernel(l, &p, DESCRIPTOR_CODE64);

	if (status == LOAD_OK)
		status = put_page_tables(l);
	if (status == LOAD_OK)
		set_start_64(l->out, &p);
	return status;
}

static enum load_status load_32(struct loading *l)
{
	struct payload p = { 0 };
	enum load_status status = load_kernel(l, &p, DESCRIPTOR_CODE32);

	if (status == LOAD_OK)
		set_start_32(l->out, &p);
	return status;
}

const struct protocol protocol_linux = { "Linux bzImage, 64-bit", recognise_64, load_64 };
const struct protocol protocol_linux32 = { "Linux bzImage, 32-bit", recognise_32, load_32 };
