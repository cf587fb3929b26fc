/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the command lines of GRUB's modules say about the guests:
 *
 *   guest=NAME,kernel[,mem=256M][,cpus=1][,rights=BASE+SIZE:rwsu[;BASE+SIZE:...]]
 *        [,paging=auto|nested][,largepages=on|off][,ticks=catch-up|merge]
 *        [,protocol=auto|linux|linux32|multiboot|multiboot2|pvh|firmware][,cmdline=TEXT]
 *   guest=NAME,initrd
 *   guest=NAME,module[,cmdline=TEXT]
 *
 * cmdline is the last key and may hold spaces and commas. Words before guest= (the file's name)
 * don't count. Sizes are decimal or 0x hexadecimal, with K, M or G. Rights: r read, w write, s
 * execute as supervisor, u execute as user, - a placeholder.
 */
#pragma once

#include "include/bootinfo.h"
#include "loader/load.h"

#define CONFIG_NAME_SIZE	32	/* with the zero byte, as all below */
#define CONFIG_CMDLINE_SIZE	LOAD_CMDLINE_SIZE
#define CONFIG_FAULT_SIZE	256
#define CONFIG_MAX_RIGHTS	16
#define CONFIG_MAX_MODULES	LOAD_MAX_MODULES
#define CONFIG_MAX_CPUS		32
#define CONFIG_MIN_MEM		MIB(1)
#define CONFIG_MAX_MEM		GIB(1024)
#define CONFIG_DEFAULT_MEM	MIB(256)

enum guest_paging { PAGING_AUTO, PAGING_NESTED };

/* A file for the kernel. */
struct config_module {
	unsigned index;		/* of the boot loader's modules */
	const char *string;	/* what the kernel is told of it: in the boot_info, or a constant */
};

struct config_rights {
	gpa_t base;
	u64 size;	/* in bytes; both are multiples of PAGE_SIZE */
	u8 rights;	/* RIGHT_* */
};

struct guest_config {
	char name[CONFIG_NAME_SIZE];
	char fault[CONFIG_FAULT_SIZE];	/* not empty: why the guest is refused, without its name */
	u64 mem;			/* in bytes, a multiple of PAGE_SIZE */
	unsigned cpus;
	int kernel;			/* index of its module, -1: none */
	unsigned nr_modules;		/* in the order in which they were given */
	struct config_module module[CONFIG_MAX_MODULES];
	enum load_protocol protocol;
	enum guest_paging paging;
	bool small_pages;		/* largepages=off */
	bool merge_ticks;		/* ticks=merge */
	unsigned nr_rights;
	struct config_rights rights[CONFIG_MAX_RIGHTS];
	char cmdline[CONFIG_CMDLINE_SIZE];
};

struct config {
	unsigned nr_guests;
	struct guest_config guest[BOOT_MAX_MODULES];
	/* Sentences about modules that belong to no guest. */
	unsigned nr_faults;
	char fault[BOOT_MAX_MODULES][CONFIG_FAULT_SIZE];
};

/* Fills in the whole of `c`. A fault refuses one guest (or one module), the others go on; the
 * first fault of a guest is kept. Modules are numbered from 1 in sentences, as in GRUB's menu;
 * from 0 in `c`, which points into `info`. */
void config_parse(struct config *c, const struct boot_info *info);
