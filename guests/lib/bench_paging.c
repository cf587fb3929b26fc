/* SPDX-License-Identifier: MIT */
/*
 * How the bench measures a row, and the rows about page tables that the guest changes by itself:
 * nothing for a hypervisor to do where the CPU translates in two stages, much where it doesn't.
 * 64 pages a sample; each has a frame of its own.
 */
#include "guests/lib/bench.h"

#define PAGES		64u
#define FRAMES		0x3000000ul	/* PAGES frames; the bench touches them first */
#define AT(i)		(WINDOW + 0x200000ul + (i) * PAGE)
#define WRITABLE	(PTE_P | PTE_W | PTE_A | PTE_D)

extern u64 boot_pml4[];

/* A 4-level address space of its own: what it shares with the other one is boot_pml4[0]. */
struct space {
	u64 pml4[512], pdpt[512], pd[512], pt[512];
} __attribute__((aligned(4096)));

static struct space space[2];
static u64 *table;	/* the PTEs of AT(0) on */
u64 bench_fix;		/* what the handler of page faults adds to an entry of bench_table */
u64 *bench_table;

static u32 median(u32 *v, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		for (unsigned j = i; j > 0 && v[j - 1] > v[j]; j--) {
			u32 t = v[j];

			v[j] = v[j - 1];
			v[j - 1] = t;
		}
	return v[n / 2];
}

static u32 measure(const struct row *r)
{
	static u32 v[BENCH_SAMPLES];
	unsigned n = r->samples ? r->samples : BENCH_SAMPLES;
	word a = r->a;

	for (unsigned i = 0; i < n; i++, a += r->step)
		v[i] = r->sample(a, r->b);
	return median(v, n);
}

ROW(empty, "")

void report(const struct row *r)
{
	static const struct row nothing = { .sample = empty };
	u32 base = r->absolute ? 0 : measure(&nothing), all = measure(r);

	print("bench %s %u\n", r->name, all > base ? (all - base) / (r->per ? r->per : 1) : 0);
}

static inline void read_page(word at) { (void)*(volatile u8 *)at; }
static inline void write_page(word at) { *(volatile u8 *)at = 1; }

static u64 pte(unsigned i, u64 flags)
{
	return (FRAMES + i * PAGE) | flags;
}

static void map_all(u64 flags)
{
	for (unsigned i = 0; i < PAGES; i++)
		table[i] = pte(i, flags);
	WRITE_CR(3, READ_CR(3));
}

static u32 sample_map_one(word unused, word unused2)
{
	u32 start;

	map_all(0);
	start = ticks();
	for (unsigned i = 0; i < PAGES; i++) {
		table[i] = pte(i, WRITABLE);
		read_page(AT(i));
		table[i] = 0;
		invlpg((void *)AT(i));
	}
	return ticks() - start;
}

static u32 sample_map_all(word unused, word unused2)
{
	u32 start;

	map_all(0);
	start = ticks();
	for (unsigned i = 0; i < PAGES; i++)
		table[i] = pte(i, WRITABLE);
	for (unsigned i = 0; i < PAGES; i++)
		read_page(AT(i));
	for (unsigned i = 0; i < PAGES; i++)
		table[i] = 0;
	WRITE_CR(3, READ_CR(3));
	return ticks() - start;
}

/* The accessed flag of each page, or with `dirty` the dirty flag, is cleared and set again by use. */
static u32 sample_flag(word dirty, word unused)
{
	u32 start;

	map_all(WRITABLE);
	for (unsigned i = 0; i < PAGES; i++)
		write_page(AT(i));
	start = ticks();
	for (unsigned i = 0; i < PAGES; i++) {
		table[i] &= dirty ? ~PTE_D : ~PTE_A;
		invlpg((void *)AT(i));
		if (dirty)
			write_page(AT(i));
		else
			read_page(AT(i));
	}
	return ticks() - start;
}

/* Page faults whose handler adds `missing` to the entry. */
static u32 sample_fix(word missing, word unused)
{
	u32 start;

	map_all(WRITABLE & ~missing);
	bench_fix = missing;
	bench_table = table;
	start = ticks();
	for (unsigned i = 0; i < PAGES; i++)
		write_page(AT(i));
	return ticks() - start;
}

void fix_entry(void);

__asm__(".globl fix_entry\n"
	"fix_entry:\n"
	"	push %rax\n"
	"	push %rdx\n"
	"	mov %cr2, %rax\n"
	"	shr $12, %rax\n"
	"	and $511, %eax\n"
	"	shl $3, %eax\n"
	"	add bench_table(%rip), %rax\n"
	"	mov bench_fix(%rip), %rdx\n"
	"	or %rdx, (%rax)\n"
	"	pop %rdx\n"
	"	pop %rax\n"
	"	add $8, %rsp\n"
	"	iretq\n");

static void make_space(struct space *s)
{
	const u64 link = PTE_P | PTE_W;

	s->pml4[0] = boot_pml4[0];
	s->pml4[1] = (u64)s->pdpt | link;
	s->pdpt[0] = (u64)s->pd | link;
	s->pd[1] = (u64)s->pt | link;
	for (unsigned i = 0; i < PAGES; i++)
		s->pt[i] = pte(i, WRITABLE);
}

static void use_space(const struct space *s)
{
	WRITE_CR(3, s->pml4);
	for (unsigned i = 0; i < PAGES; i++)
		read_page(AT(i));
}

static u32 sample_switch(word unused, word unused2)
{
	u32 start = ticks(), taken;
	word cr3 = READ_CR(3);

	use_space(&space[0]);
	use_space(&space[1]);
	taken = ticks() - start;
	WRITE_CR(3, cr3);
	return taken;
}

/* A process's life: tables made, 64 pages used, all thrown away. */
static u32 sample_life(word unused, word unused2)
{
	word cr3 = READ_CR(3);
	u32 start = ticks();

	for (unsigned i = 0; i < 512; i++)
		space[0].pml4[i] = space[0].pdpt[i] = space[0].pd[i] = space[0].pt[i] = 0;
	make_space(&space[0]);
	use_space(&space[0]);
	for (unsigned i = 0; i < PAGES; i++)
		space[0].pt[i] = 0;
	WRITE_CR(3, cr3);
	return ticks() - start;
}

void report_paging(void)
{
	const struct row rows[] = {
		{ "map-one", sample_map_one, .per = PAGES },
		{ "map-all", sample_map_all, .per = PAGES },
		{ "a-flag", sample_flag, false, .per = PAGES },
		{ "d-flag", sample_flag, true, .per = PAGES },
		{ "fix-not-present", sample_fix, PTE_P, .per = PAGES },
		{ "fix-read-only", sample_fix, PTE_W, .per = PAGES },
		{ "cr3-switch", sample_switch },
		{ "space-life", sample_life },
	};

	table = entry_of(AT(0), 1);
	for (unsigned i = 0; i < PAGES; i++)
		write_page(FRAMES + i * PAGE);
	make_space(&space[0]);
	make_space(&space[1]);
	set_raw_gate(14, fix_entry);
	for (unsigned i = 0; i < COUNT(rows); i++)
		report(&rows[i]);
}

/* At CPL 3: RDTSC, the access in RDI, RDTSC, and UD2 with the ticks in RAX. */
static const u8 user_access[] = {
	0x0f, 0x31, 0x41, 0x89, 0xc7,		/* rdtsc; mov %eax, %r15d */
	0x8b, 0x07,				/* mov (%rdi), %eax */
	0x0f, 0x31, 0x44, 0x29, 0xf8,		/* rdtsc; sub %r15d, %eax */
	0x0f, 0x0b,				/* ud2 */
};

static void at_cpl3(void *address)
{
	guest_user(WINDOW + 0x10000, USER_STACK, 2, (u64)address);
}

static u32 sample_user_fault(word address, word unused)
{
	guest_try(at_cpl3, (void *)address);
	return (u32)trap.rax;
}

void report_user_fault(word not_mapped)
{
	const struct row row = { "guest-fault-user", sample_user_fault, not_mapped };

	user_code(user_access, sizeof(user_access));
	report(&row);
}
