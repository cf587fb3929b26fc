/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the multiboot information. It is a boot loader's data: sizes are bounded, nothing is read
 * past its end, every loop ends, and what doesn't make sense is left out. No privileged
 * instruction.
 */
#include "boot/multiboot.h"

#include "include/assert.h"
#include "lib/string.h"

#define INFO2_MAX_SIZE		MIB(16)
#define MMAP_MAX_SIZE		KIB(64)
#define FOUR_GIB		GIB(4)

/* Multiboot 1: flags of the information. */
#define INFO1_HAS_MEMORY	0x0001u
#define INFO1_HAS_CMDLINE	0x0004u
#define INFO1_HAS_MODULES	0x0008u
#define INFO1_HAS_MMAP		0x0040u
#define INFO1_HAS_LOADER	0x0200u
#define INFO1_HAS_FRAMEBUFFER	0x1000u

enum tag2 {
	TAG2_END = 0, TAG2_CMDLINE = 1, TAG2_LOADER = 2, TAG2_MODULE = 3, TAG2_MEMORY = 4, TAG2_MMAP = 6,
	TAG2_FRAMEBUFFER = 8, TAG2_EFI32 = 11, TAG2_EFI64 = 12, TAG2_RSDP1 = 14, TAG2_RSDP2 = 15,
	TAG2_EFI_MMAP = 17, TAG2_EFI_SERVICES = 18, TAG2_EFI32_HANDLE = 19, TAG2_EFI64_HANDLE = 20,
};

enum framebuffer_kind { FB_INDEXED = 0, FB_RGB = 1, FB_TEXT = 2 };

#define MMAP_RAM		1u

/* UEFI specification, "GetMemoryMap": what is RAM of ours once boot services have ended. */
#define EFI_LOADER_CODE		1u
#define EFI_BOOT_SERVICES_DATA	4u
#define EFI_CONVENTIONAL	7u

struct info1 {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
	u32 mmap_length, mmap_addr, drives[2], config, loader_name, apm, vbe[4];
	u64 fb_addr;
	u32 fb_pitch, fb_width, fb_height;
	u8 fb_bpp, fb_kind, fb_color[6];
} packed_struct;
static_assert(offsetof(struct info1, mmap_length) == 44, "multiboot 1 information");
static_assert(offsetof(struct info1, fb_addr) == 88, "multiboot 1 information");

struct module1 {
	u32 start, end, cmdline, pad;
};

struct mmap1 {
	u32 size;	/* of what follows */
	u64 base, length;
	u32 type;
} packed_struct;

struct tag {
	u32 type, size;
};

struct mmap2 {
	u64 base, length;
	u32 type, reserved;
};

struct efi_range {
	u32 type, pad;
	u64 base, virt, pages, attributes;
};

struct framebuffer2 {
	struct tag tag;
	u64 addr;
	u32 pitch, width, height;
	u8 bpp, kind;
	u16 reserved;
	u8 color[6];
} packed_struct;

struct rsdp_head {
	char signature[8];
	u8 checksum, oem[6], revision;
	u32 rsdt;
} packed_struct;

/* Copies a string of at most `from_size` bytes; cut off if it is too long. */
static void copy_string(char *to, size_t size, const u8 *from, u64 from_size)
{
	size_t n = 0;

	while (n < size - 1 && n < from_size && from[n])
		n++;
	memcpy(to, from, n);
	to[n] = 0;
}

static void add_range(struct boot_info *to, u64 base, u64 size, bool ram)
{
	if (!size || base + size < base || to->nr_ranges == BOOT_MAX_RANGES)
		return;
	to->range[to->nr_ranges++] = (struct boot_range){ HPA(base), size, ram };
}

/* The loader's oldest word about memory, in KiB: from 0, and from 1 MiB to the first hole. */
static void add_basic_memory(struct boot_info *to, u32 lower, u32 upper)
{
	add_range(to, 0, KIB(MIN(lower, 640u)), true);
	add_range(to, MIB(1), KIB(upper), true);
}

static void add_module(struct boot_info *to, u32 start, u32 end, const u8 *cmdline,
		       u64 cmdline_size)
{
	struct boot_module *m;

	if (end < start)
		return;
	if (to->nr_modules == BOOT_MAX_MODULES) {
		to->modules_left_out++;
		return;
	}
	m = &to->module[to->nr_modules++];
	m->base = HPA(start);
	m->size = end - start;
	copy_string(m->cmdline, sizeof(m->cmdline), cmdline, cmdline_size);
}

static void set_framebuffer(struct boot_framebuffer *fb, u64 base, u32 pitch, u32 width, u32 height,
			    u8 bpp, u8 kind, const u8 color[6])
{
	if (kind != FB_RGB && kind != FB_TEXT)
		return;
	*fb = (struct boot_framebuffer){
		.base = HPA(base), .pitch = pitch, .width = width, .height = height, .bpp = bpp,
		.text = kind == FB_TEXT,
		.red_shift = color[0], .red_size = color[1], .green_shift = color[2],
		.green_size = color[3], .blue_shift = color[4], .blue_size = color[5],
	};
}

/* ACPI specification, "Finding the RSDP on IA-PC Systems": 20 bytes add up to 0. */
static bool is_rsdp(const u8 *at)
{
	u8 sum = 0;

	if (memcmp(at, "RSD PTR ", 8))
		return false;
	for (unsigned i = 0; i < sizeof(struct rsdp_head); i++)
		sum += at[i];
	return !sum;
}

static bool scan_rsdp(struct boot_info *to, const u8 *memory, u32 from, u32 end)
{
	for (u32 at = ALIGN_UP(from, 16); at + sizeof(to->rsdp) <= end; at += 16) {
		struct rsdp_head head;

		if (!is_rsdp(memory + at))
			continue;
		memcpy(&head, memory + at, sizeof(head));
		memcpy(to->rsdp, memory + at, head.revision >= 2 ? sizeof(to->rsdp) : sizeof(head));
		to->has_rsdp = true;
		return true;
	}
	return false;
}

/* A BIOS has it in the first KiB of its extended data area or at the end of the first MiB. */
static void find_rsdp(struct boot_info *to, const u8 *memory)
{
	u16 segment;
	u32 ebda;

	memcpy(&segment, memory + 0x40e, sizeof(segment));
	ebda = (u32)segment << 4;
	if (ebda >= 0x80000 && ebda < 0xa0000 && scan_rsdp(to, memory, ebda, ebda + 1024))
		return;
	scan_rsdp(to, memory, 0xe0000, 0x100000);
}

static void parse_modules1(struct boot_info *to, const struct info1 *info, const u8 *memory)
{
	u32 count = MIN(info->mods_count, (u32)BOOT_MAX_MODULES);

	if (info->mods_addr > FOUR_GIB - count * sizeof(struct module1))
		return;
	to->modules_left_out = info->mods_count - count;
	for (u32 i = 0; i < count; i++) {
		struct module1 m;

		memcpy(&m, memory + info->mods_addr + i * sizeof(m), sizeof(m));
		add_module(to, m.start, m.end, memory + m.cmdline,
			   m.cmdline ? FOUR_GIB - m.cmdline : 0);
	}
}

static void parse_mmap1(struct boot_info *to, const struct info1 *info, const u8 *memory)
{
	u64 length = MIN(info->mmap_length, MMAP_MAX_SIZE);
	u64 end = MIN(info->mmap_addr + length, FOUR_GIB);
	u64 at = info->mmap_addr;
	struct mmap1 entry;

	while (at + sizeof(entry) <= end) {
		memcpy(&entry, memory + at, sizeof(entry));
		if (entry.size < sizeof(entry) - sizeof(entry.size))
			break;
		add_range(to, entry.base, entry.length, entry.type == MMAP_RAM);
		at += (u64)entry.size + sizeof(entry.size);
	}
}

static void parse1(struct boot_info *to, u32 at, const u8 *memory)
{
	struct info1 info;

	if (at > FOUR_GIB - sizeof(info))
		return;
	memcpy(&info, memory + at, sizeof(info));
	if ((info.flags & INFO1_HAS_CMDLINE) && info.cmdline)
		copy_string(to->cmdline, sizeof(to->cmdline), memory + info.cmdline,
			    FOUR_GIB - info.cmdline);
	if ((info.flags & INFO1_HAS_LOADER) && info.loader_name)
		copy_string(to->loader, sizeof(to->loader), memory + info.loader_name,
			    FOUR_GIB - info.loader_name);
	if (info.flags & INFO1_HAS_MODULES)
		parse_modules1(to, &info, memory);
	if (info.flags & INFO1_HAS_MMAP)
		parse_mmap1(to, &info, memory);
	if (!to->nr_ranges && (info.flags & INFO1_HAS_MEMORY))
		add_basic_memory(to, info.mem_lower, info.mem_upper);
	if (info.flags & INFO1_HAS_FRAMEBUFFER)
		set_framebuffer(&to->fb, info.fb_addr, info.fb_pitch, info.fb_width, info.fb_height,
				info.fb_bpp, info.fb_kind, info.fb_color);
	find_rsdp(to, memory);
}

static void add_mmap2(struct boot_info *to, const u8 *at)
{
	struct mmap2 entry;

	memcpy(&entry, at, sizeof(entry));
	add_range(to, entry.base, entry.length, entry.type == MMAP_RAM);
}

static bool is_efi_ram(u32 type)
{
	return (type >= EFI_LOADER_CODE && type <= EFI_BOOT_SERVICES_DATA) ||
	       type == EFI_CONVENTIONAL;
}

static void add_efi_range(struct boot_info *to, const u8 *at)
{
	struct efi_range entry;

	memcpy(&entry, at, sizeof(entry));
	if (entry.pages < FOUR_GIB)
		add_range(to, entry.base, entry.pages << PAGE_SHIFT, is_efi_ram(entry.type));
}

/* A memory map's tag, of either kind: entry size, entry version, entries, of which `least` bytes
 * are read. */
static void parse_map(struct boot_info *to, const u8 *tag, u32 size, u32 least,
		      void (*add)(struct boot_info *to, const u8 *entry))
{
	u32 entry_size;

	if (size < 16)
		return;
	memcpy(&entry_size, tag + 8, sizeof(entry_size));
	if (entry_size < least)
		return;
	for (u64 at = 16; at + least <= size; at += entry_size)
		add(to, tag + at);
}

static void parse_module2(struct boot_info *to, const u8 *tag, u32 size)
{
	u32 bounds[2];

	if (size < 16)
		return;
	memcpy(bounds, tag + 8, sizeof(bounds));
	add_module(to, bounds[0], bounds[1], tag + 16, size - 16);
}

static void parse_framebuffer2(struct boot_info *to, const u8 *tag, u32 size)
{
	struct framebuffer2 fb = { 0 };

	/* The colours follow only where there are pixels. */
	if (size < offsetof(struct framebuffer2, color))
		return;
	memcpy(&fb, tag, MIN(size, sizeof(fb)));
	if (fb.kind == FB_RGB && size < sizeof(fb))
		return;
	set_framebuffer(&to->fb, fb.addr, fb.pitch, fb.width, fb.height, fb.bpp, fb.kind, fb.color);
}

static void parse_rsdp(struct boot_info *to, const u8 *tag, u32 size, u32 want)
{
	if (size < 8 + want || !is_rsdp(tag + 8))
		return;
	memset(to->rsdp, 0, sizeof(to->rsdp));
	memcpy(to->rsdp, tag + 8, want);
	to->has_rsdp = true;
}

static void parse_memory2(struct boot_info *to, const u8 *tag, u32 size)
{
	u32 kib[2];

	if (size < 16)
		return;
	memcpy(kib, tag + 8, sizeof(kib));
	add_basic_memory(to, kib[0], kib[1]);
}

/* The first tag of a kind, or NULL; `size` is that of the whole information, tags included. */
static const u8 *find_tag(const u8 *info, u32 size, u32 type, struct tag *found)
{
	for (u64 at = 8; at + sizeof(*found) <= size; at += ALIGN_UP(found->size, 8)) {
		memcpy(found, info + at, sizeof(*found));
		if (found->size < sizeof(*found) || found->size > size - at ||
		    found->type == TAG2_END)
			return NULL;
		if (found->type == type)
			return info + at;
	}
	return NULL;
}

/* One tag that stands for itself; the kinds of memory map are chosen among in parse_memory(). */
static void parse_tag(struct boot_info *to, const u8 *at, struct tag tag)
{
	switch (tag.type) {
	case TAG2_CMDLINE:
		copy_string(to->cmdline, sizeof(to->cmdline), at + 8, tag.size - 8);
		break;
	case TAG2_LOADER:
		copy_string(to->loader, sizeof(to->loader), at + 8, tag.size - 8);
		break;
	case TAG2_MODULE:
		parse_module2(to, at, tag.size);
		break;
	case TAG2_FRAMEBUFFER:
		parse_framebuffer2(to, at, tag.size);
		break;
	case TAG2_RSDP1:
		if (!to->has_rsdp)	/* the newer one says more */
			parse_rsdp(to, at, tag.size, sizeof(struct rsdp_head));
		break;
	case TAG2_RSDP2:
		parse_rsdp(to, at, tag.size, sizeof(to->rsdp));
		break;
	case TAG2_EFI32: case TAG2_EFI64: case TAG2_EFI_MMAP: case TAG2_EFI_SERVICES:
	case TAG2_EFI32_HANDLE: case TAG2_EFI64_HANDLE:
		to->uefi = true;
		break;
	}
}

/* The best of the three that the loader may give. */
static void parse_memory(struct boot_info *to, const u8 *info, u32 size)
{
	struct tag tag;
	const u8 *at;

	at = find_tag(info, size, TAG2_MMAP, &tag);
	if (at)
		parse_map(to, at, tag.size, sizeof(struct mmap2), add_mmap2);
	if (to->nr_ranges)
		return;
	at = find_tag(info, size, TAG2_EFI_MMAP, &tag);
	if (at)
		parse_map(to, at, tag.size, sizeof(struct efi_range), add_efi_range);
	if (to->nr_ranges)
		return;
	at = find_tag(info, size, TAG2_MEMORY, &tag);
	if (at)
		parse_memory2(to, at, tag.size);
}

static void parse2(struct boot_info *to, u32 start, const u8 *memory)
{
	const u8 *info = memory + start;
	struct tag tag;
	u32 size;

	if (start > FOUR_GIB - 8)
		return;
	memcpy(&size, info, sizeof(size));
	if (size > INFO2_MAX_SIZE || start + (u64)size > FOUR_GIB)
		return;
	for (u64 at = 8; at + sizeof(tag) <= size; at += ALIGN_UP(tag.size, 8)) {
		memcpy(&tag, info + at, sizeof(tag));
		if (tag.size < sizeof(tag) || tag.size > size - at || tag.type == TAG2_END)
			break;
		parse_tag(to, info + at, tag);
	}
	parse_memory(to, info, size);
	if (!to->has_rsdp && !to->uefi)
		find_rsdp(to, memory);
}

bool multiboot_parse(struct boot_info *to, u32 magic, u32 at, const u8 *memory)
{
	memset(to, 0, sizeof(*to));
	if (magic == MULTIBOOT2_MAGIC)
		parse2(to, at, memory);
	else if (magic == MULTIBOOT1_MAGIC)
		parse1(to, at, memory);
	else
		return false;
	return true;
}
