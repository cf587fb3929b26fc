/* SPDX-License-Identifier: MIT */
/* 4-level paging: page faults and their error codes, accessed and dirty bits, sizes (SDM vol. 3A,
 * "4-Level Paging and 5-Level Paging"). */
#include "guests/lib/access.h"

#define GP	13
#define P	1
#define W	2
#define U	4
#define RSVD	8
#define FETCH	16
#define PK	32

#define CR0_WP		0x10000ul
#define CR4_SMEP	0x100000ul
#define CR4_SMAP	0x200000ul
#define CR4_PKE		0x400000ul
#define FLAG_AC		0x40000ul

#define AT		(WINDOW + 0x30000)
#define LARGE		(WINDOW + 0x400000)

static u8 page[PAGE] __attribute__((aligned(4096)));

/* mov (%rdi), %al; movb $0xc3, (%rdi); call *%rdi; then HLT, whose #GP says that it went well */
static const char user_read[] = "\x8a\x07\xf4";
static const char user_write[] = "\xc6\x07\xc3\xf4";
static const char user_fetch[] = "\xff\xd7\xf4";

static u64 user_target;

static void run_user(void *insn)
{
	guest_user(user_code(insn, 16), USER_STACK, 2, user_target);
}

/* The fault that a supervisor access raises, as vector << 32 | error, or 0. */
static u64 try_user(const char *insn, u64 at)
{
	user_target = at;
	guest_try(run_user, (void *)(word)insn);
	return trap.vector == GP ? 0 : trap.vector << 32 | trap.error;
}

/* What all six accesses to AT raise with these flags in its entry. */
static void check_six(const char *name, u64 flags, const u64 expected[6])
{
	static const char *const kinds[] = { "read", "write", "fetch", "user read", "user write",
					    "user fetch" };
	u64 got[6];

	map(AT, page, flags);
	page[0] = 0xc3;
	got[0] = try(read_at, AT);
	got[1] = try(write_at, AT);
	got[2] = try(fetch_at, AT);
	got[3] = try_user(user_read, AT);
	got[4] = try_user(user_write, AT);
	got[5] = try_user(user_fetch, AT);
	for (unsigned i = 0; i < 6; i++)
		check_in(name, kinds[i], got[i], expected[i]);
}

static void check_rights(void)
{
	static const u64 none[] = { (u64)PF << 32, (u64)PF << 32 | W, (u64)PF << 32 | FETCH,
				    (u64)PF << 32 | U, (u64)PF << 32 | U | W, (u64)PF << 32 | U |
				    FETCH };
	const u64 kernel[] = { 0, 0, 0, fault(P | U), fault(P | U | W), fault(P | U | FETCH) };
	const u64 user[] = { 0, 0, 0, 0, 0, 0 };
	const u64 user_ro[] = { 0, fault(P | W), 0, 0, fault(P | U | W), 0 };
	const u64 user_nx[] = { 0, 0, fault(P | FETCH), 0, 0, fault(P | U | FETCH) };

	check_six("not present", 0, none);
	check_six("supervisor", PTE_P | PTE_W, kernel);
	check_six("user", PTE_P | PTE_W | PTE_U, user);
	check_six("read-only", PTE_P | PTE_U, user_ro);
	check_six("NX", PTE_P | PTE_W | PTE_U | PTE_NX, user_nx);
	WRITE_CR(0, READ_CR(0) & ~CR0_WP);
	map(AT, page, PTE_P);
	check("WP off: supervisor writes", try(write_at, AT), 0);
	WRITE_CR(0, READ_CR(0) | CR0_WP);
	check("WP on: supervisor doesn't", try(write_at, AT), fault(P | W));
}

static void check_smep_smap(void)
{
	u32 features = cpuid(7, 0).ebx;

	map(AT, page, PTE_P | PTE_W | PTE_U);
	if (features >> 7 & 1) {
		WRITE_CR(4, READ_CR(4) | CR4_SMEP);
		check("SMEP: fetch", try(fetch_at, AT), fault(P | FETCH));
		check("SMEP: read", try(read_at, AT), 0);
		WRITE_CR(4, READ_CR(4) & ~CR4_SMEP);
		check("SMEP off: fetch", try(fetch_at, AT), 0);
	} else {
		skip("SMEP", "not offered");
	}
	if (features >> 20 & 1) {
		WRITE_CR(4, READ_CR(4) | CR4_SMAP);
		check("SMAP: read", try(read_at, AT), fault(P));
		check("SMAP: write", try(write_at, AT), fault(P | W));
		__asm__ volatile("stac");
		check("SMAP: read with AC", try(read_at, AT), 0);
		__asm__ volatile("clac");
		check("SMAP: user reads", try_user(user_read, AT), 0);
		WRITE_CR(4, READ_CR(4) & ~CR4_SMAP);
	} else {
		skip("SMAP", "not offered");
	}
}

static void write_pkru(u32 v)
{
	__asm__ volatile("wrpkru" :: "a"(v), "c"(0), "d"(0) : "memory");
}

static void check_pku(void)
{
	if (!(cpuid(7, 0).ecx >> 3 & 1)) {
		skip("PKU", "not offered");
		return;
	}
	WRITE_CR(4, READ_CR(4) | CR4_PKE);
	map(AT, page, PTE_P | PTE_W | PTE_U | 1ul << 59);	/* key 1 */
	write_pkru(0);
	check("PKU: allowed", try_user(user_write, AT), 0);
	write_pkru(8);		/* key 1: no writing */
	check("PKU: user write", try_user(user_write, AT), fault(P | U | W | PK));
	check("PKU: user read", try_user(user_read, AT), 0);
	write_pkru(4);		/* key 1: no access */
	check("PKU: user read denied", try_user(user_read, AT), fault(P | U | PK));
	check("PKU: supervisor read denied", try(read_at, AT), fault(P | PK));
	check("PKU: user fetch", try_user(user_fetch, AT), 0);
	write_pkru(0);
	WRITE_CR(4, READ_CR(4) & ~CR4_PKE);
}

static void check_accessed_dirty(void)
{
	volatile u64 *entry = entry_of(AT, 1), *table = entry_of(AT, 2);

	map(AT, page, PTE_P | PTE_W);
	check("A and D clear at first", *entry & (PTE_A | PTE_D), 0);
	*table &= ~PTE_A;
	WRITE_CR(3, READ_CR(3));
	read_at((void *)AT);
	check("a read sets A", *entry & (PTE_A | PTE_D), PTE_A);
	check("and A of the table", *table & PTE_A, PTE_A);
	write_at((void *)AT);
	check("a write sets D", *entry & (PTE_A | PTE_D), PTE_A | PTE_D);
	map(AT, page, PTE_P);
	try(write_at, AT);
	check("a denied write sets no D", *entry & PTE_D, 0);
}

/* Only the vector and the reserved bit: QEMU 7.2 leaves out P. */
static void check_reserved(void)
{
	u64 *entry = entry_of(LARGE, 2);
	u64 got;

	map(AT, page, PTE_P | PTE_W | 1ul << 51);
	got = try(read_at, AT);
	check("reserved address bit", got & ~(u64)P, fault(RSVD));
	*entry = 0x2000ul | PTE_P | PTE_W | PTE_PS;	/* a 2M page that isn't aligned */
	invlpg((void *)LARGE);
	got = try(read_at, LARGE);
	check("reserved bit of a 2M page", got & ~(u64)P, fault(RSVD));
	*entry = 0;
	invlpg((void *)LARGE);
}

static void check_sizes(void)
{
	volatile u64 *two = entry_of(LARGE, 2), *one = entry_of(WINDOW + (1ul << 30), 3);
	u64 there = (u64)page & 0x1fffff;

	page[7] = 0x77;
	*two = ((u64)page & ~0x1ffffful) | PTE_P | PTE_W | PTE_PS;
	invlpg((void *)LARGE);
	check("2M page", *(volatile u8 *)(LARGE + there + 7), 0x77);
	check("2M page: A", *two & (PTE_A | PTE_D), PTE_A);
	if (!(cpuid(0x80000001, 0).edx >> 26 & 1)) {
		skip("1G page", "not offered");
		return;
	}
	*one = PTE_P | PTE_W | PTE_PS;
	check("1G page", *(volatile u8 *)(WINDOW + (1ul << 30) + (u64)page + 7), 0x77);
}

/* Rights of upper levels count: each level can take away. */
static void check_levels(void)
{
	static const char *const names[] = { "level 2 read-only", "level 3 read-only", "level 4 "
					    "read-only" };

	map(AT, page, PTE_P | PTE_W | PTE_U);
	for (unsigned level = 2; level <= 4; level++) {
		u64 *entry = entry_of(AT, level);

		*entry &= ~PTE_W;
		WRITE_CR(3, READ_CR(3));
		check(names[level - 2], try(write_at, AT), fault(P | W));
		*entry |= PTE_W;
		WRITE_CR(3, READ_CR(3));
	}
	check("all levels writable", try(write_at, AT), 0);
}

/* What INVLPG and CR3 must make seen. */
static void check_flushes(void)
{
	static u8 other[PAGE] __attribute__((aligned(4096)));

	page[0] = 1;
	other[0] = 2;
	map(AT, page, PTE_P | PTE_W);
	check("before", *(volatile u8 *)AT, 1);
	map(AT, other, PTE_P | PTE_W);
	check("after INVLPG", *(volatile u8 *)AT, 2);
	*entry_of(AT, 1) = (u64)page | PTE_P | PTE_W;
	WRITE_CR(3, READ_CR(3));
	check("after MOV CR3", *(volatile u8 *)AT, 1);
	*entry_of(AT, 1) = 0;
	invlpg((void *)AT);
	check("unmapped", try(read_at, AT), fault(0));
	check("CR2", trap.cr2, AT);
}

void guest_main(u32 magic, u32 info)
{
	check_rights();
	check_smep_smap();
	check_pku();
	check_accessed_dirty();
	check_reserved();
	check_sizes();
	check_levels();
	check_flushes();
	check("#GP non-canonical", try(read_at, 1ul << 47), (u64)GP << 32);
}
