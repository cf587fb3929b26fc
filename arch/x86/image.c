/* SPDX-License-Identifier: GPL-2.0-only */
/* What linker.ld and tools/mksymbols.py have put into the image about itself. */
#include "arch/x86/image.h"

#include "arch/x86/layout.h"

#define BUILD_ID_BYTES	20	/* SHA-1 */

/* ELF specification, "Note Section"; the linker writes it. */
struct build_id_note {
	u32 name_size, id_size, type;
	char name[4];
	u8 id[BUILD_ID_BYTES];
};

struct symbol {
	u32 address;	/* from text_start */
	u32 name;	/* from the names, which follow the last symbol */
};

struct symbol_table {
	u32 count;
	struct symbol symbol[];
};

extern const struct build_id_note build_id_note;
/* Not there in the first link. */
extern const struct symbol_table symbol_table __attribute__((weak));

hpa_t image_physical_base(void)
{
	return HPA((u64)image_start - IMAGE_OFFSET);
}

u64 image_size(void)
{
	return (u64)(image_end - image_start);
}

const char *image_build_id(void)
{
	static char text[2 * BUILD_ID_BYTES + 1];
	static const char digits[] = "0123456789abcdef";

	if (build_id_note.id_size != BUILD_ID_BYTES)
		return "unknown";
	for (unsigned i = 0; i < BUILD_ID_BYTES; i++) {
		text[2 * i] = digits[build_id_note.id[i] >> 4];
		text[2 * i + 1] = digits[build_id_note.id[i] & 15];
	}
	return text;
}

/* How many symbols have an address of at most `offset` from text_start. */
static u32 symbols_up_to(const struct symbol_table *table, u64 offset)
{
	u32 low = 0, high = table->count;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (table->symbol[middle].address <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const char *image_symbol(u64 address, u64 *offset)
{
	const struct symbol_table *table = &symbol_table;
	const struct symbol *found;
	u32 nr;

	if (!table || address < (u64)text_start || address >= (u64)text_end)
		return NULL;
	nr = symbols_up_to(table, address - (u64)text_start);
	if (!nr)
		return NULL;
	found = &table->symbol[nr - 1];
	*offset = address - (u64)text_start - found->address;
	return (const char *)&table->symbol[table->count] + found->name;
}
