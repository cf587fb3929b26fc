/* SPDX-License-Identifier: MIT */
/*
 * Protection keys: all keys, all rights, by the CPU and by string I/O, which a hypervisor carries
 * out with the guest's PKRU (SDM vol. 3A, "Protection Keys").
 */
#include "guests/lib/access.h"

#define GP	13
#define UD	6
#define P	1
#define W	2
#define U	4
#define PK	32

#define CR0_WP		0x10000ul
#define CR4_PKE		0x400000ul
#define AT		(WINDOW + 0x30000)
#define NO_ACCESS	1u
#define NO_WRITE	2u

static u8 page[PAGE] __attribute__((aligned(4096)));

/* One access at DI, then HLT, whose #GP says that it came through. */
static const char user_read[] = "\x8a\x07\xf4";
static const char user_write[] = "\xc6\x07\xc3\xf4";
static const char user_fetch[] = "\xff\xd7\xf4";
static const char user_outs[] = "\x48\x89\xfe\xba\x80\x00\x00\x00\x6e\xf4";
static const char user_ins[] = "\xba\x80\x00\x00\x00\x6c\xf4";

static void outs(void *at)
{
	__asm__ volatile("outsb" : "+S"(at) : "d"(0x80) : "memory");
}

static void ins(void *at)
{
	__asm__ volatile("insb" : "+D"(at) : "d"(0x80) : "memory");
}

static void write_pkru(void *value)
{
	__asm__ volatile("wrpkru" :: "a"((u32)(word)value), "c"(0), "d"(0) : "memory");
}

static u32 read_pkru(void)
{
	u32 low;

	__asm__ volatile("rdpkru" : "=a"(low) : "c"(0) : "edx");
	return low;
}

static void read_pkru_index(void *index)
{
	__asm__ volatile("rdpkru" :: "c"((u32)(word)index) : "eax", "edx");
}

static void write_pkru_index(void *index)
{
	__asm__ volatile("wrpkru" :: "a"(0), "c"((u32)(word)index), "d"(0));
}

static void write_pkru_high(void *high)
{
	__asm__ volatile("wrpkru" :: "a"(0), "c"(0), "d"((u32)(word)high));
}

static void run_user(void *insn)
{
	guest_user(user_code(insn, 16), USER_STACK, 0x3002, AT);
}

static const struct way {
	const char *name;
	void (*make)(void *at);
	const char *user;
	bool writes, fetches;
} ways[] = {
	{ "read", read_at, NULL, false, false }, { "write", write_at, NULL, true, false },
	{ "fetch", fetch_at, NULL, false, true },
	{ "OUTS", outs, NULL, false, false }, { "INS", ins, NULL, true, false },
	{ "user read", NULL, user_read, false, false },
	{ "user write", NULL, user_write, true, false },
	{ "user fetch", NULL, user_fetch, false, true },
	{ "user OUTS", NULL, user_outs, false, false },
	{ "user INS", NULL, user_ins, true, false },
};

static u64 go(const struct way *w)
{
	page[0] = RET;
	if (!w->user)
		return try(w->make, AT);
	guest_try(run_user, (void *)(word)w->user);
	return trap.vector == GP ? 0 : trap.vector << 32 | trap.error;
}

/* What the manual says of a user-mode page that is writable, and whose key has these rights. */
static u64 expected(const struct way *w, unsigned rights, bool wp)
{
	u64 error = P | PK | (w->writes ? W : 0) | (w->user ? U : 0);

	if (w->fetches)
		return 0;
	if (rights & NO_ACCESS)
		return fault(error);
	return (rights & NO_WRITE) && w->writes && (w->user || wp) ? fault(error) : 0;
}

/* All ways on a page of every key; the other keys, but for the guest's own 0, allow nothing.
 * All keys must give the same. */
static void check_rights(unsigned rights, bool wp)
{
	static const char *const names[][4] = {
		{ "WP off, all rights", "WP off, AD", "WP off, WD", "WP off, AD and WD" },
		{ "all rights", "AD", "WD", "AD and WD" },
	};

	unsigned differing = 0;

	for (unsigned i = 0; i < COUNT(ways); i++) {
		u64 first = 0;
		unsigned wrong = 0;

		for (u64 key = 1; key < 16; key++) {
			u32 others = 0xfffffffcu & ~(3u << 2 * key);
			u64 got;

			map(AT, page, PTE_P | PTE_W | PTE_U | key << 59);
			write_pkru((void *)(word)(others | rights << 2 * key));
			got = go(&ways[i]);
			first = key == 1 ? got : first;
			wrong += got != first;
		}
		check_in(names[wp][rights], ways[i].name, first, expected(&ways[i], rights, wp));
		differing += wrong;
	}
	check_in(names[wp][rights], "keys that differ from the first", differing, 0);
	write_pkru(0);
}

/* Keys don't matter for a supervisor's pages, and where the entry refuses already
 * only for the error code's PK. */
static void check_others(void)
{
	write_pkru((void *)0xfffffffcul);
	map(AT, page, PTE_P | PTE_W | 1ul << 59);
	check("a supervisor's page: write", try(write_at, AT), 0);
	check("a supervisor's page: INS", try(ins, AT), 0);
	check("a supervisor's page: user read", go(&ways[5]), fault(P | U));
	map(AT, page, PTE_U | 1ul << 59);
	check("not present: read", try(read_at, AT), fault(0));
	check("not present: OUTS", try(outs, AT), fault(0));
	map(AT, page, PTE_P | PTE_U | 1ul << 59);
	check("read-only: user write", go(&ways[6]), fault(P | W | U | PK));
	check("read-only: user INS", go(&ways[9]), fault(P | W | U | PK));
	write_pkru((void *)0);
	check("read-only, all rights: user write", go(&ways[6]), fault(P | W | U));
	check("read-only, all rights: user INS", go(&ways[9]), fault(P | W | U));
}

/* RDPKRU and WRPKRU themselves (SDM vol. 2); and PKRU over exits. */
static void check_registers(void)
{
	write_pkru((void *)0x55aa33ccul);
	check("PKRU", read_pkru(), 0x55aa33cc);
	cpuid(0, 0);
	inb(0x80);
	check("PKRU after exits", read_pkru(), 0x55aa33cc);
	write_pkru(0);
	check_trap("RDPKRU, ECX 1", read_pkru_index, (void *)1, GP, 0);
	check_trap("WRPKRU, ECX 1", write_pkru_index, (void *)1, GP, 0);
	check_trap("WRPKRU, EDX 1", write_pkru_high, (void *)1, GP, 0);
	WRITE_CR(4, READ_CR(4) & ~CR4_PKE);
	check("CPUID.OSPKE without CR4.PKE", cpuid(7, 0).ecx >> 4 & 1, 0);
	check_trap("RDPKRU without CR4.PKE", read_pkru_index, 0, UD, 0);
	check_trap("WRPKRU without CR4.PKE", write_pkru, 0, UD, 0);
	WRITE_CR(4, READ_CR(4) | CR4_PKE);
	check("CPUID.OSPKE", cpuid(7, 0).ecx >> 4 & 1, 1);
}

void guest_main(u32 magic, u32 info)
{
	if (!(cpuid(7, 0).ecx >> 3 & 1)) {
		skip("protection keys", "not offered");
		return;
	}
	WRITE_CR(4, READ_CR(4) | CR4_PKE);
	for (unsigned rights = 0; rights < 4; rights++)
		check_rights(rights, true);
	WRITE_CR(0, READ_CR(0) & ~CR0_WP);
	for (unsigned rights = 0; rights < 4; rights++)
		check_rights(rights, false);
	WRITE_CR(0, READ_CR(0) | CR0_WP);
	check_others();
	check_registers();
}
