/* SPDX-License-Identifier: GPL-2.0-only */
/* ELF files of both classes in one neutral form, for the protocols of loader/. */
#pragma once

#include "loader/loading.h"

/* A file's header. */
struct elf {
	bool is_64;
	u64 entry, phoff, shoff;
	unsigned phnum, phentsize, shnum, shentsize, shstrndx;
};

struct elf_segment {
	u32 type;
	u64 offset, vaddr, paddr, filesz, memsz;
};

#define PT_LOAD		1
#define PT_NOTE		4

bool elf_recognise(const struct load_request *req);

/* Reads and checks the header. */
enum load_status must_check elf_read_header(struct loading *l, struct elf *elf);

/* Refuses a file that ends before the table of sections, which linkers put last: it is cut off. */
enum load_status must_check elf_check_end(struct loading *l, const struct elf *elf);

/* Program header i. False: it lies outside the file. */
bool must_check elf_read_segment(const struct load_request *req, const struct elf *elf, unsigned i,
				 struct elf_segment *s);

/* Where in the file the section headers begin. False: they have a wrong size, or don't all lie in it. */
bool must_check elf_find_sections(const struct load_request *req, const struct elf *elf, u64 *at);

/* What the PT_LOAD segments take, as they are linked. LOAD_BROKEN: none, or cut off. */
enum load_status must_check elf_extent(struct loading *l, const struct elf *elf,
				       struct extent *extent);

/* Loads the segments, `move` bytes above where they are linked. `extent` and `entry` become guest
 * physical; entry is not moved if it lies in no segment, which is refused. */
enum load_status must_check elf_load(struct loading *l, u64 move, struct extent *extent, u64 *entry);
