/* SPDX-License-Identifier: GPL-2.0-only */
/* QEMU's fw_cfg. See fwcfg.h. */
#include "devices/fwcfg.h"

#include "include/assert.h"
#include "lib/string.h"

enum {
	KEY_SIGNATURE = 0x00, KEY_ID = 0x01, KEY_UUID = 0x02, KEY_MEMORY = 0x03, KEY_NO_GRAPHIC = 0x04,
	KEY_NR_CPUS = 0x05, KEY_BOOT_MENU = 0x0e, KEY_MAX_CPUS = 0x0f, KEY_DIRECTORY = 0x19,
	KEY_FIRST_FILE = 0x20,
};

#define ID_TRADITIONAL	0x1u
#define ID_DMA		0x2u
#define DMA_ERROR	0x01u
#define DMA_READ	0x02u
#define DMA_SKIP	0x04u
#define DMA_SELECT	0x08u
#define DMA_WRITE	0x10u
#define DMA_KEY_SHIFT	16
#define DMA_CHUNK	512u
#define FILE_NAME_SIZE	56u
#define E820_RAM	1u

/* The command in guest memory, all fields big-endian. */
struct dma_command {
	u32 control, length;
	u64 address;
};

static_assert(sizeof(struct dma_command) == 16, "struct FWCfgDmaAccess");

/* A file's entry in the directory; size and select are big-endian. */
struct directory_entry {
	u32 size;
	u16 select, reserved;
	char name[FILE_NAME_SIZE];
};

static_assert(sizeof(struct directory_entry) == 64, "struct FWCfgFile");

struct __attribute__((packed)) e820_entry {
	u64 address, length;
	u32 type;
};

static_assert(sizeof(struct e820_entry) == 20, "as of INT 15h, AX = E820h");

static const u8 dma_signature[FWCFG_DMA_NR_PORTS] = "QEMU CFG";

/* ---- the items ---- */

static void add(struct fwcfg *fwcfg, u16 key, const void *bytes, size_t size)
{
	assert(fwcfg->nr_items < FWCFG_NR_ITEMS && size <= FWCFG_STORE_SIZE - fwcfg->used);
	fwcfg->item[fwcfg->nr_items++] = (struct fwcfg_item){ key, fwcfg->used, size };
	memcpy(&fwcfg->store[fwcfg->used], bytes, size);
	fwcfg->used += size;
}

static void add_number(struct fwcfg *fwcfg, u16 key, u64 value, size_t size)
{
	add(fwcfg, key, &value, size);
}

/* The one file and the directory that names it. */
static void add_files(struct fwcfg *fwcfg, u64 below_4g, u64 above_4g)
{
	const struct e820_entry e820[] = {
		{ 0, below_4g, E820_RAM }, { GIB(4), above_4g, E820_RAM },
	};
	size_t size = (above_4g ? 2 : 1) * sizeof(e820[0]);
	struct { u32 count; struct directory_entry file; } directory = {
		.count = __builtin_bswap32(1),
		.file = { .size = __builtin_bswap32(size), .name = "etc/e820",
			  .select = __builtin_bswap16(KEY_FIRST_FILE) },
	};

	add(fwcfg, KEY_FIRST_FILE, e820, size);
	add(fwcfg, KEY_DIRECTORY, &directory, sizeof(directory));
}

void fwcfg_init(struct fwcfg *fwcfg, unsigned nr_cpus, u64 below_4g, u64 above_4g,
		fwcfg_copy *copy, void *ctx)
{
	static const u8 uuid[16];

	*fwcfg = (struct fwcfg){ .copy = copy, .ctx = ctx };
	add(fwcfg, KEY_SIGNATURE, "QEMU", 4);
	add_number(fwcfg, KEY_ID, ID_TRADITIONAL | ID_DMA, 4);
	add(fwcfg, KEY_UUID, uuid, sizeof(uuid));
	add_number(fwcfg, KEY_MEMORY, below_4g + above_4g, 8);
	add_number(fwcfg, KEY_NO_GRAPHIC, 1, 2);
	add_number(fwcfg, KEY_NR_CPUS, nr_cpus, 2);
	add_number(fwcfg, KEY_BOOT_MENU, 0, 2);
	add_number(fwcfg, KEY_MAX_CPUS, nr_cpus, 2);
	add_files(fwcfg, below_4g, above_4g);
}

static void select_item(struct fwcfg *fwcfg, u16 key)
{
	fwcfg->key = key;
	fwcfg->offset = 0;
}

static void skip(struct fwcfg *fwcfg, u32 bytes)
{
	if (__builtin_add_overflow(fwcfg->offset, bytes, &fwcfg->offset))
		fwcfg->offset = ~0u;
}

/* The next `size` bytes of the item, with zeroes behind its end. */
static void take(struct fwcfg *fwcfg, u8 *to, size_t size)
{
	u32 from = fwcfg->offset;
	size_t there = 0;

	for (unsigned i = 0; i < fwcfg->nr_items; i++) {
		const struct fwcfg_item *item = &fwcfg->item[i];

		if (item->key != fwcfg->key || from >= item->size)
			continue;
		there = MIN(size, (size_t)(item->size - from));
		memcpy(to, &fwcfg->store[item->at + from], there);
	}
	memset(to + there, 0, size - there);
	skip(fwcfg, size);
}

/* ---- the ports ---- */

u32 fwcfg_read(struct fwcfg *fwcfg, unsigned offset, unsigned size)
{
	u32 value = 0;
	u8 byte;

	for (unsigned i = 0; i < size; i++) {
		byte = 0xff;	/* the selector is write only */
		if (offset + i == 1)
			take(fwcfg, &byte, 1);
		value |= (u32)byte << 8 * i;
	}
	return value;
}

void fwcfg_write(struct fwcfg *fwcfg, unsigned offset, unsigned size, u32 value)
{
	if (offset == 0 && size == 2)
		select_item(fwcfg, value);
}

u32 fwcfg_dma_read(const struct fwcfg *fwcfg, unsigned offset, unsigned size)
{
	u32 value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (u32)dma_signature[offset + i] << 8 * i;
	return value;
}

/* Piece by piece, as the guest's memory takes it. */
static bool read_to_guest(struct fwcfg *fwcfg, gpa_t to, u32 length)
{
	u8 bytes[DMA_CHUNK];

	while (length) {
		u32 part = MIN(length, DMA_CHUNK);

		take(fwcfg, bytes, part);
		if (!fwcfg->copy(fwcfg->ctx, to, bytes, part, true))
			return false;
		to.v += part;
		length -= part;
	}
	return true;
}

/* False: an error. No item can be written. */
static bool carry_out(struct fwcfg *fwcfg, u32 control, u32 length, gpa_t address)
{
	if (control & DMA_SELECT)
		select_item(fwcfg, control >> DMA_KEY_SHIFT);
	if (control & DMA_READ)
		return length <= FWCFG_DMA_MOST && read_to_guest(fwcfg, address, length);
	if (control & DMA_WRITE)
		return !length;
	if (control & DMA_SKIP)
		skip(fwcfg, length);
	return true;
}

/* The command is read once; its control field, which comes first, becomes the result. */
static void run_command(struct fwcfg *fwcfg, gpa_t at)
{
	struct dma_command command;
	u32 result;

	if (!fwcfg->copy(fwcfg->ctx, at, &command, sizeof(command), false))
		return;
	result = carry_out(fwcfg, __builtin_bswap32(command.control),
			   __builtin_bswap32(command.length),
			   GPA(__builtin_bswap64(command.address))) ? 0 : __builtin_bswap32(DMA_ERROR);
	(void)fwcfg->copy(fwcfg->ctx, at, &result, sizeof(result), true);
}

void fwcfg_dma_write(struct fwcfg *fwcfg, unsigned offset, unsigned size, u32 value)
{
	u32 half = __builtin_bswap32(value), high = fwcfg->dma_high;

	if (size != 4 || (offset & 3))
		return;
	if (offset == 0) {
		fwcfg->dma_high = half;
		return;
	}
	fwcfg->dma_high = 0;	/* a command below 4 GiB needs only the lower half */
	run_command(fwcfg, GPA((u64)high << 32 | half));
}
