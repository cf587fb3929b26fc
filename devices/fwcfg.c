/* SPDX-License-Identifier: GPL-2.0-only */
/* QEMU's fw_cfg. See fwcfg.h. */
#include "devices/fwcfg.h"

enum { KEY_SIGNATURE = 0x00, KEY_ID = 0x01, KEY_MEMORY = 0x03, KEY_NR_CPUS = 0x05, KEY_MAX_CPUS = 0x0f };

#define SIGNATURE	0x554d4551u	/* "QEMU" */
#define ID_TRADITIONAL	0x1u		/* no DMA interface */
#define LONGEST		8u		/* bytes of an item */

/* Each item that isn't zero fits a u64, lowest byte first. The file directory is a count of zero.
 */
static u64 item(const struct fwcfg *fwcfg)
{
	switch (fwcfg->key) {
	case KEY_SIGNATURE:
		return SIGNATURE;
	case KEY_ID:
		return ID_TRADITIONAL;
	case KEY_MEMORY:
		return fwcfg->memory;
	case KEY_NR_CPUS:
	case KEY_MAX_CPUS:
		return fwcfg->nr_cpus;
	default:
		return 0;
	}
}

void fwcfg_init(struct fwcfg *fwcfg, unsigned nr_cpus, u64 memory)
{
	*fwcfg = (struct fwcfg){ .nr_cpus = nr_cpus, .memory = memory };
}

void fwcfg_select(struct fwcfg *fwcfg, u16 key)
{
	fwcfg->key = key;
	fwcfg->offset = 0;
}

u8 fwcfg_read(struct fwcfg *fwcfg)
{
	if (fwcfg->offset >= LONGEST)
		return 0;
	return item(fwcfg) >> 8 * fwcfg->offset++;
}
