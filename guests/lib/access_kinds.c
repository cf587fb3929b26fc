/* SPDX-License-Identifier: MIT */
/* The accesses of the enumerations: explicit and implicit, at CPL 0 and 3, and by string I/O, which
 * a hypervisor carries out itself. Owns the GDT that CPL 3 and an LDT need. */
#include "guests/lib/accesses.h"

#define IO_PORT		"0x80"		/* of no device: nothing happens */

/* Where in the data page things lie. */
#define AT_CODE		0
#define AT_DATA		8
#define AT_ACCESSED	16		/* descriptors of data segments, accessed and not yet */
#define AT_NEW		24
#define ACCESSED	0x00cff3000000ffffull
#define NEW		0x00cff2000000ffffull
/* Their selectors in the LDT, whose base is the page, for CPL 3. */
#define LDT_ACCESSED	"0x17"
#define LDT_NEW		"0x1f"

word access_user_code, access_user_stack;

static inline __attribute__((always_inline)) void set_ac(void)
{
	__asm__ volatile("pushf; orl $0x40000, (%%" SP "); popf" ::: "memory", "cc");
}

static inline __attribute__((always_inline)) void clear_ac(void)
{
	__asm__ volatile("pushf; andl $~0x40000, (%%" SP "); popf" ::: "memory", "cc");
}

static void do_read(void *at)
{
	(void)*(volatile u8 *)at;
}

static void do_write(void *at)
{
	*(volatile u8 *)at = 0x5a;
}

static void do_locked(void *at)
{
	__asm__ volatile("lock addb $1, (%0)" :: "r"(at) : "memory", "cc");
}

static void do_fetch(void *at)
{
	__asm__ volatile("call *%0" :: "r"(at) : "memory", "cc");
}

static void do_load_segment(void *at)
{
	__asm__ volatile("mov %w0, %%fs" :: "r"(((word)at & (PAGE - 1)) | 7) : "memory");
}

static void do_outs(void *at)
{
	__asm__ volatile("outsb" : "+S"(at) : "d"(0x80) : "memory");
}

static void do_ins(void *at)
{
	__asm__ volatile("insb" : "+D"(at) : "d"(0x80) : "memory");
}

#define WITH_AC(name) \
	static void name##_ac(void *at) \
	{ \
		set_ac(); \
		name(at); \
		clear_ac(); \
	}

WITH_AC(do_read)
WITH_AC(do_write)
WITH_AC(do_fetch)
WITH_AC(do_load_segment)
WITH_AC(do_outs)
WITH_AC(do_ins)

/* For CPL 3: one access at DI, then HLT, whose #GP says that it came through. */
extern const char user_read[], user_write[], user_fetch[], user_load_accessed[], user_load_new[],
	user_outs[], user_ins[];
__asm__(".pushsection .text\n\t"
	".balign 4096\n"
	".global user_code_page\n"
	"user_code_page:\n"
	"user_read: movb (%" DI "), %al; hlt\n\t"
	".balign 16\n"
	"user_write: movb $0x5a, (%" DI "); hlt\n\t"
	".balign 16\n"
	"user_fetch: call *%" DI "; hlt\n\t"
	".balign 16\n"
	"user_load_accessed: mov $" LDT_ACCESSED ", %eax; mov %eax, %fs; hlt\n\t"
	".balign 16\n"
	"user_load_new: mov $" LDT_NEW ", %eax; mov %eax, %fs; hlt\n\t"
	".balign 16\n"
	"user_outs: mov %" DI ", %" SI "; mov $" IO_PORT ", %edx; outsb; hlt\n\t"
	".balign 16\n"
	"user_ins: mov $" IO_PORT ", %edx; insb; hlt\n\t"
	".balign 4096\n"
	".popsection");

#define READ	{ 0 }
#define WRITE	{ .write = true }
#define FETCH	{ .fetch = true }

const struct access_kind access_kinds[] = {
	{ "read", BY_CPU, READ, .offset = AT_DATA, .perform = do_read },
	{ "write", BY_CPU, WRITE, .offset = AT_DATA, .perform = do_write },
	{ "locked", BY_CPU, WRITE, .locked = true, .offset = AT_DATA, .perform = do_locked },
	{ "fetch", BY_CPU, FETCH, .offset = AT_CODE, .prepare = 0xc3, .perform = do_fetch },
	{ "read, AC", BY_CPU, { .ac = true }, .offset = AT_DATA, .perform = do_read_ac },
	{ "write, AC", BY_CPU, { .write = true, .ac = true }, .offset = AT_DATA,
	  .perform = do_write_ac },
	{ "fetch, AC", BY_CPU, { .fetch = true, .ac = true }, .offset = AT_CODE, .prepare = 0xc3,
	  .perform = do_fetch_ac },
	{ "user read", BY_CPU, { .user = true }, .offset = AT_DATA, .user = user_read },
	{ "user write", BY_CPU, { .write = true, .user = true }, .offset = AT_DATA,
	  .user = user_write },
	{ "user fetch", BY_CPU, { .fetch = true, .user = true }, .offset = AT_CODE, .prepare = 0xc3,
	  .user = user_fetch },
	/* The CPU reads a descriptor, and writes it if it must mark it accessed. */
	{ "implicit read", BY_CPU, { .implicit = true }, .offset = AT_ACCESSED, .prepare = ACCESSED,
	  .perform = do_load_segment },
	{ "implicit read, AC", BY_CPU, { .implicit = true, .ac = true }, .offset = AT_ACCESSED,
	  .prepare = ACCESSED, .perform = do_load_segment_ac },
	{ "implicit read in user mode", BY_CPU, { .implicit = true }, .offset = AT_ACCESSED,
	  .prepare = ACCESSED, .user = user_load_accessed },
	{ "implicit write", BY_CPU, { .implicit = true }, .then_write = true, .offset = AT_NEW,
	  .prepare = NEW, .perform = do_load_segment },
	{ "implicit write in user mode", BY_CPU, { .implicit = true }, .then_write = true,
	  .offset = AT_NEW, .prepare = NEW, .user = user_load_new },
	{ "OUTS", BY_STRING_IO, READ, .offset = AT_DATA, .perform = do_outs },
	{ "OUTS, AC", BY_STRING_IO, { .ac = true }, .offset = AT_DATA, .perform = do_outs_ac },
	{ "INS", BY_STRING_IO, WRITE, .offset = AT_DATA, .perform = do_ins },
	{ "INS, AC", BY_STRING_IO, { .write = true, .ac = true }, .offset = AT_DATA,
	  .perform = do_ins_ac },
	{ "user OUTS", BY_STRING_IO, { .user = true }, .offset = AT_DATA, .user = user_outs },
	{ "user INS", BY_STRING_IO, { .write = true, .user = true }, .offset = AT_DATA,
	  .user = user_ins },
};
const unsigned nr_access_kinds = COUNT(access_kinds);
