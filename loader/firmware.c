/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owns the start of a PC's firmware: an image whose end is at 4 GiB, entered in real mode at its last
 * 16 bytes, as after a reset. Its last 128 KiB are below 1 MiB too: in RAM, as after the chipset's
 * registers have been set to shadow them, for there is nothing here that would switch between the ROM
 * and the RAM under it. Only loaded as that if it is asked for: such an image has no mark.
 * Sources: SDM vol. 3A, "First Instruction Executed", and the table of states after power-up.
 */
#include "include/x86/cr.h"
#include "loader/loading.h"

#define RESET_IP	0xfff0u
#define RESET_CS	0xf000u
#define RESET_CS_BASE	0xffff0000u
#define DATA_ATTR	(SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED)
#define SYSTEM_LDT	2u
#define SYSTEM_TSS_BUSY	11u

static bool recognise(const struct load_request *req)
{
	return load_is_firmware_size(req->kernel_size);
}

static void start_as_reset(struct guest_start *out)
{
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		out->segment[i] = (struct segment){ .attr = DATA_ATTR, .limit = 0xffff };
	out->segment[SEG_CS].selector = RESET_CS;
	out->segment[SEG_CS].base = RESET_CS_BASE;
	out->segment[SEG_CS].attr |= SEG_TYPE_CODE;
	out->segment[SEG_LDTR] = (struct segment){ .attr = SEG_ATTR_P | SYSTEM_LDT, .limit = 0xffff };
	out->segment[SEG_TR] = (struct segment){ .attr = SEG_ATTR_P | SYSTEM_TSS_BUSY,
						 .limit = 0xffff };
	out->gdtr = out->idtr = (struct table){ .limit = 0xffff };
	out->rip = RESET_IP;
	out->rflags = RFLAGS_FIXED;
	out->cr0 = CR0_CD | CR0_NW | CR0_ET;
}

static enum load_status load(struct loading *l)
{
	const struct load_request *req = l->req;
	const u8 *image = req->kernel;
	u64 size = req->kernel_size, low = MIN(size, MEMORY_HIGH_BASE - MEMORY_TABLES);

	if (!slots_write_any(req->slots, GPA(MEMORY_GAP_END - size), image, size) ||
	    !slots_write_any(req->slots, GPA(MEMORY_HIGH_BASE - low), image + size - low, low))
		return load_refuse(l, LOAD_NO_ROOM, "there is no memory for its firmware");
	if (req->nr_modules || req->cmdline[0])
		return load_refuse(l, LOAD_UNSUPPORTED, "a firmware takes neither modules nor a "
				   "command line; leave them out");
	start_as_reset(l->out);
	return LOAD_OK;
}

const struct protocol protocol_firmware = { "firmware", recognise, load };
