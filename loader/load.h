/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Puts a kernel, its modules and its command line into a guest's memory, and says how its CPU
 * starts: Linux bzImage (by the 64-bit or the 32-bit entry), multiboot 1 and 2 (ELF32, ELF64, address
 * fields), PVH (ELF32, ELF64), and a PC's firmware.
 */
#pragma once

#include "loader/start.h"
#include "mm/slots.h"

#define LOAD_WHY_SIZE		256	/* enough for every sentence */
#define LOAD_CMDLINE_SIZE	2048	/* with its zero byte */
#define LOAD_MAX_MODULES	16
#define LOAD_STRING_SIZE	4096	/* of a module's string, with its zero byte */

/* By which a kernel is loaded and started. LOAD_AUTO: the first of the others that knows the file,
 * but for LOAD_FIRMWARE, which knows its files by their size alone. */
enum load_protocol {
	LOAD_AUTO, LOAD_LINUX, LOAD_LINUX32, LOAD_MULTIBOOT, LOAD_MULTIBOOT2, LOAD_PVH,
	LOAD_FIRMWARE, NR_LOAD_PROTOCOLS
};

#define LOAD_FIRMWARE_MOST	MIB(8)

/* Before a firmware is loaded there must be memory from 4 GiB - size to 4 GiB, the guest's rights on
 * which don't matter, and RAM in place of the ROMs below 1 MiB. */
static inline bool load_is_firmware_size(u64 size)
{
	return size && size <= LOAD_FIRMWARE_MOST && size % KIB(64) == 0;
}

/* A file beside the kernel. For Linux all of them together are the initrd. */
struct load_module {
	const void *data;	/* not trusted; must not change during the call */
	u64 size;		/* in bytes */
	const char *string;	/* what the kernel is told of it; ends with a zero byte */
};

enum load_status {
	LOAD_OK,
	LOAD_UNKNOWN,		/* not a kernel of a known kind */
	LOAD_UNSUPPORTED,	/* a kernel that asks for what we don't have */
	LOAD_BROKEN,		/* truncated, or it contradicts itself */
	LOAD_NO_ROOM,		/* it lies outside the guest's memory, or doesn't fit into it */
};

struct load_request {
	const void *kernel;	/* the file; not trusted; must not change during the call */
	u64 kernel_size;	/* in bytes */
	enum load_protocol protocol;
	unsigned nr_modules;
	struct load_module module[LOAD_MAX_MODULES];
	const char *cmdline;	/* ends with a zero byte */
	const struct memory_slots *slots;	/* hold all that memory_map(mem) calls RAM */
	u64 mem;		/* the guest's memory in bytes, as in memory_map() */
	gpa_t rsdp;		/* of the ACPI tables; 0: none */
};

/*
 * Loads what `req` names and fills in `out`. On anything but LOAD_OK, `why` holds a sentence
 * without the guest's name, `out` is unspecified, and parts may lie in the guest's memory. Keeps no
 * pointer. Sources: Linux, Documentation/arch/x86/boot.rst; Multiboot Specification 0.6.96; Multiboot2
 * Specification 2.0; Xen, docs/misc/pvh.pandoc, "x86/HVM direct boot ABI"; System V ABI, "ELF".
 */
enum load_status must_check load_guest(const struct load_request *req, struct guest_start *out,
				       char *why, size_t why_size);
