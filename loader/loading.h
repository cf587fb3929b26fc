/* SPDX-License-Identifier: GPL-2.0-only */
/* What the protocols share while one kernel is being loaded. Not for others than loader/. */
#pragma once

#include "loader/load.h"
#include "loader/memory_map.h"

struct loading {
	const struct load_request *req;
	struct guest_start *out;
	char *why;
	size_t why_size;
	unsigned nr_ranges;
	struct memory_range range[MEMORY_MAP_MAX];
	u64 module_at[LOAD_MAX_MODULES];	/* where load_modules() has put them */
};

/* The guest memory that a kernel takes, from `low` to before `high`. */
struct extent {
	u64 low, high;
};

/* A kind of kernel. */
struct protocol {
	const char *name;
	bool (*recognise)(const struct load_request *req);
	enum load_status (*load)(struct loading *l);
};

extern const struct protocol protocol_linux, protocol_linux32, protocol_multiboot,
	protocol_multiboot2, protocol_pvh, protocol_firmware;

/* Descriptors of flat 4 GiB segments, for GDTs in guest memory. */
#define DESCRIPTOR_CODE32	0x00cf9b000000ffffull
#define DESCRIPTOR_CODE64	0x00af9b000000ffffull
#define DESCRIPTOR_DATA		0x00cf93000000ffffull

/* Copies out of the kernel's file. False: it ends before. */
bool must_check kernel_read(const struct load_request *req, u64 offset, void *to, u64 size);

/* Sets the sentence and returns `status`. */
printf_like(3, 4) enum load_status load_refuse(struct loading *l, enum load_status status,
						const char *format, ...);

/* Whether all of [base, base + size) is one piece of the guest's RAM. */
bool load_is_ram(const struct loading *l, u64 base, u64 size);

/* Copies `size` bytes to guest address `at` and clears up to `total`; `what` is for the sentence
 * if they don't lie in the guest's RAM. */
enum load_status must_check load_put(struct loading *l, const char *what, u64 at, const void *from,
				     u64 size, u64 total);

/* The same for what is written piece by piece: `at` moves to behind it. */
enum load_status must_check load_append(struct loading *l, const char *what, u64 *at,
					const void *from, u64 size);

/* Puts the modules behind `after`, each on a page, and sets module_at. `after` becomes where the
 * last one ends. */
enum load_status must_check load_modules(struct loading *l, u64 *after);

/* Where the loader's own data of `size` bytes go: low if the kernel leaves room there, else behind
 * it, on a page. */
u64 load_data_place(const struct extent *kernel, u64 size);

/* Bytes of all modules' strings, zero bytes included. */
u64 load_strings_size(const struct load_request *req);

/* Sets CPU state common to all: flat segments with these selectors, interrupts off, protected
 * mode. */
void load_flat_start(struct guest_start *out, u16 code, u16 data);

