/* SPDX-License-Identifier: MIT */
/*
 * The string instructions of all sizes with every prefix, both directions and address sizes, in RAM,
 * in MMIO and over the border between: registers, flags and memory against a model of this file
 * (SDM vol. 2, "MOVS", "STOS", "LODS", "SCAS", "CMPS", "REP"). MMIO is a page that no device claims:
 * reads give one known byte everywhere, writes are lost. Then wraps, faults and interrupts in the
 * middle, and big ones.
 */
#include "guests/lib/guest.h"

#define PF		14
#define AREA		0xffe00000ul	/* 2 MiB that are split into pages here */
#define SOURCE		(AREA + 0x10000)	/* two pages each, and none behind */
#define TARGET		(AREA + 0x20000)
#define MMIO		0xd0000000ul
#define DF		0x400ul
#define FLAGS		0x8d5ul		/* OF SF ZF AF PF CF */
#define TIMER_VECTOR	0x41
#define MIB		0x100000ul

extern u64 boot_pd[];

struct state {
	u64 rax, rcx, rsi, rdi, flags;
};

enum op { MOVS, CMPS, STOS, LODS, SCAS };
enum prefix { PLAIN, REP, REPNE };

static const struct {
	const char *name[4];
	u8 opcode;		/* of bytes; the next one is of the other sizes */
	bool source, target;
} ops[] = {
	[MOVS] = { { "MOVSB", "MOVSW", "MOVSD", "MOVSQ" }, 0xa4, true, true },
	[CMPS] = { { "CMPSB", "CMPSW", "CMPSD", "CMPSQ" }, 0xa6, true, true },
	[STOS] = { { "STOSB", "STOSW", "STOSD", "STOSQ" }, 0xaa, false, true },
	[LODS] = { { "LODSB", "LODSW", "LODSD", "LODSQ" }, 0xac, true, false },
	[SCAS] = { { "SCASB", "SCASW", "SCASD", "SCASQ" }, 0xae, false, true },
};

/* Which of the two pages are MMIO. */
enum layout { RAM_RAM, RAM_MMIO, MMIO_RAM, MMIO_MMIO };

/* A side of the model: what stands in two pages. */
struct side {
	u64 at;
	u8 *ram;		/* 2 pages, which the instruction works on */
	u8 *shadow;		/* and the model */
	enum layout layout;
};

static u8 source_ram[2 * PAGE] __attribute__((aligned(4096)));
static u8 target_ram[2 * PAGE] __attribute__((aligned(4096)));
static u8 source_shadow[2 * PAGE], target_shadow[2 * PAGE];
static struct side source = { SOURCE, source_ram, source_shadow, 0 };
static struct side target = { TARGET, target_ram, target_shadow, 0 };
static u8 mmio_byte;
static u8 code[64] __attribute__((aligned(64)));

/* ---- the model ---- */

static bool is_mmio(const struct side *s, u64 offset)
{
	return offset < PAGE ? s->layout == MMIO_RAM || s->layout == MMIO_MMIO :
			       s->layout == RAM_MMIO || s->layout == MMIO_MMIO;
}

static u64 load(const struct side *s, u64 at, unsigned size)
{
	u64 v = 0;

	for (unsigned i = 0; i < size; i++) {
		u64 offset = at + i - s->at;

		v |= (u64)(is_mmio(s, offset) ? mmio_byte : s->shadow[offset]) << 8 * i;
	}
	return v;
}

static void store(struct side *s, u64 at, unsigned size, u64 v)
{
	for (unsigned i = 0; i < size; i++)
		if (!is_mmio(s, at + i - s->at))
			s->shadow[at + i - s->at] = (u8)(v >> 8 * i);
}

static u64 low(u64 v, unsigned size)
{
	return size == 8 ? v : v & ((1ul << 8 * size) - 1);
}

/* The six flags of a - b. */
static u64 compare(u64 a, u64 b, unsigned size)
{
	u64 sign = 1ul << (8 * size - 1), d = low(a - b, size), flags = 0;

	flags |= a < b ? 0x001 : 0;
	flags |= __builtin_parity((unsigned)(d & 0xff)) ? 0 : 0x004;
	flags |= (a ^ b ^ d) & 0x10;
	flags |= d == 0 ? 0x040 : 0;
	flags |= d & sign ? 0x080 : 0;
	flags |= (a ^ b) & (a ^ d) & sign ? 0x800 : 0;
	return flags;
}

/* One iteration without count. */
static void iterate(struct state *s, enum op op, unsigned size)
{
	u64 step = s->flags & DF ? -(u64)size : size, flags = s->flags & FLAGS;

	switch (op) {
	case MOVS:
		store(&target, s->rdi, size, load(&source, s->rsi, size));
		break;
	case CMPS:
		flags = compare(load(&source, s->rsi, size), load(&target, s->rdi, size), size);
		break;
	case STOS:
		store(&target, s->rdi, size, s->rax);
		break;
	case LODS:
		s->rax = size == 4 ? 0 : s->rax & ~low(~0ul, size);
		s->rax |= load(&source, s->rsi, size);
		break;
	case SCAS:
		flags = compare(low(s->rax, size), load(&target, s->rdi, size), size);
		break;
	}
	s->flags = (s->flags & ~FLAGS) | flags;
	s->rsi += ops[op].source ? step : 0;
	s->rdi += ops[op].target ? step : 0;
}

static void model(struct state *s, enum op op, unsigned size, enum prefix prefix)
{
	if (prefix == PLAIN) {
		iterate(s, op, size);
		return;
	}
	while (s->rcx) {
		iterate(s, op, size);
		s->rcx--;
		if ((op == CMPS || op == SCAS) && !(s->flags & 0x40) == (prefix == REP))
			break;
	}
}

/* ---- the instruction ---- */

static void make_code(enum op op, unsigned size, enum prefix prefix, unsigned address_size)
{
	u8 *p = code;

	if (address_size == 4)
		*p++ = 0x67;
	if (size == 2)
		*p++ = 0x66;
	if (prefix)
		*p++ = prefix == REP ? 0xf3 : 0xf2;
	if (size == 8)
		*p++ = 0x48;
	*p++ = (u8)(ops[op].opcode + (size > 1));
	*p = 0xc3;
}

static void execute(void *arg)
{
	struct state *s = arg;
	u64 flags = s->flags;

	__asm__ volatile("push %4; popf; call *%5; pushf; pop %4; cld"
			 : "+a"(s->rax), "+c"(s->rcx), "+S"(s->rsi), "+D"(s->rdi), "+r"(flags)
			 : "r"(code) : "memory", "cc");
	s->flags = flags;
}

static void map_side(const struct side *s)
{
	for (u64 page = 0; page < 2; page++)
		map(s->at + page * PAGE, is_mmio(s, page * PAGE) ? (u8 *)MMIO :
		    s->ram + page * PAGE, PTE_P | PTE_W);
}

/* Long stretches are equal in both, and in MMIO, so that comparisons go some way. */
static void fill(struct side *s, unsigned seed)
{
	for (unsigned i = PAGE - 128; i < PAGE + 128; i++)
		s->ram[i] = s->shadow[i] = (i + seed) % 23 ? mmio_byte : (u8)(i * 5 + seed);
}

static bool same(const struct side *s)
{
	return !memcmp(s->ram + PAGE - 128, s->shadow + PAGE - 128, 256);
}

/* One case: where it begins counts from the border, in bytes. */
static bool is_right(enum op op, unsigned size, enum prefix prefix, u64 count, long from, bool down)
{
	struct state mine = {
		.rax = 0x1122334455660000 | mmio_byte * 0x101u,
		.rcx = count,
		.rsi = SOURCE + PAGE + (u64)from,
		.rdi = TARGET + PAGE + (u64)from,
		.flags = 2 | (down ? DF : 0),
	}, real = mine;

	fill(&source, 1);
	fill(&target, op == CMPS ? 1 + (unsigned)count % 2 : 9);
	model(&mine, op, size, prefix);
	if (guest_try(execute, &real))
		return false;
	return real.rax == mine.rax && real.rcx == mine.rcx && real.rsi == mine.rsi &&
	       real.rdi == mine.rdi && !((real.flags ^ mine.flags) & FLAGS) && same(&source) &&
	       same(&target);
}

static unsigned cases(enum op op, unsigned size, unsigned *all)
{
	static const long places[] = { 0, -1, -3, -24, 16 };
	static const u8 counts[] = { 0, 1, 2, 7 };
	unsigned good = 0;

	for (unsigned way = 0; way < 12; way++) {
		enum prefix prefix = way % 3;

		make_code(op, size, prefix, way % 2 ? 4 : 8);
		for (unsigned i = 0; i < COUNT(places); i++)
			for (unsigned j = 0; j < COUNT(counts); j++, ++*all)
				good += is_right(op, size, prefix, counts[j], places[i], way >= 6);
	}
	return good;
}

static void check_op(enum op op, unsigned log_size)
{
	static const char *const where[] = { "in RAM", "from RAM to MMIO", "from MMIO to RAM",
					     "in MMIO" };
	static const enum layout other[] = { RAM_RAM, MMIO_RAM, MMIO_MMIO, RAM_MMIO };

	for (unsigned i = 0; i < COUNT(where); i++) {
		unsigned all = 0, good = 0;

		/* Both sides alike, and each against another. */
		for (unsigned j = 0; j < 2; j++) {
			source.layout = j ? other[i] : i;
			target.layout = i;
			if (!ops[op].target)
				source.layout = i;
			map_side(&source);
			map_side(&target);
			good += cases(op, 1u << log_size, &all);
		}
		check_in(ops[op].name[log_size], where[i], good, all);
	}
}

static void check_ops(void)
{
	for (enum op op = MOVS; op <= SCAS; op++)
		for (unsigned log_size = 0; log_size < 4; log_size++)
			check_op(op, log_size);
}

/* ---- wraps at 4 GiB with 32-bit addresses ---- */

static u8 top_page[PAGE] __attribute__((aligned(4096)));
static u8 bottom_page[PAGE] __attribute__((aligned(4096)));

/* REP MOVSB with 67H: ESI goes from FFFF_FFF8H over 0. The upper halves read as zero afterwards. */
static void check_wrap(void)
{
	struct state s = { .rcx = 0x500000010, .rsi = 0x7fffffff8, .rdi = TARGET, .flags = 2 };

	for (unsigned i = 0; i < 8; i++) {
		top_page[PAGE - 8 + i] = (u8)(0x10 + i);
		bottom_page[i] = (u8)(0x20 + i);
	}
	map(0xfffff000, top_page, PTE_P | PTE_W);
	memcpy((void *)(word)0x0, bottom_page, 8);
	source.layout = target.layout = RAM_RAM;
	map_side(&target);
	memset(target_ram, 0, 32);
	make_code(MOVS, 1, REP, 4);
	execute(&s);
	check("wrap: ECX", s.rcx, 0);
	check("wrap: ESI", s.rsi, 8);
	check("wrap: EDI", s.rdi, TARGET + 16);
	check("wrap: the first eight", *(u64 *)target_ram, 0x1716151413121110);
	check("wrap: the second eight", *(u64 *)(target_ram + 8), 0x2726252423222120);
	/* The same, emulated: from MMIO. */
	map(0xfffff000, (u8 *)MMIO, PTE_P | PTE_W);
	s = (struct state){ .rcx = 16, .rsi = 0xfffffff8, .rdi = TARGET, .flags = 2 };
	memset(target_ram, 0x55, 32);
	execute(&s);
	check("wrap: from MMIO: ESI", s.rsi, 8);
	check("wrap: from MMIO: the second eight", *(u64 *)(target_ram + 8), 0x2726252423222120);
	/* A count of zero touches nothing, whatever the upper half of RCX. */
	s = (struct state){ .rcx = 1ul << 32, .rsi = SOURCE, .rdi = 0x123450000, .flags = 2 };
	execute(&s);
	check("ECX 0: nothing is done", s.rsi, SOURCE);
}

/* ---- faults in the middle ---- */

/* The page behind is not there: registers are those of the element that faults. */
static void check_fault(const char *name, enum op op, unsigned size, enum layout from,
			enum layout to, bool source_ends, bool down)
{
	struct side *ends = source_ends ? &source : &target;
	struct state s = { .rax = 0x77, .rcx = 20, .rsi = SOURCE + PAGE, .rdi = TARGET + PAGE };
	u64 before = (u64)(down ? size * 3 : -(u64)size * 4);

	source.layout = from;
	target.layout = to;
	map_side(&source);
	map_side(&target);
	/* Upwards the second page is taken away, downwards the first. */
	map(ends->at + (down ? 0 : PAGE), NULL, 0);
	make_code(op, size, REP, 8);
	s.rsi += before;
	s.rdi += before;
	s.flags = 2 | (down ? DF : 0);
	trap = (struct trap){ .vector = 0xff };
	guest_try(execute, &s);
	check_in(name, "vector and error", trap.vector << 32 | trap.error,
		 (u64)PF << 32 | (op != CMPS && op != SCAS && !source_ends ? 2 : 0));
	check_in(name, "CR2", trap.cr2 - ends->at, down ? PAGE - size : PAGE);
	check_in(name, "RCX", trap.rcx, 16);
	check_in(name, "RIP", trap.rip, (u64)code);
	check_in(name, "pointer", (source_ends ? trap.rsi : trap.rdi) - ends->at,
		 down ? PAGE - size : PAGE);
}

static void check_faults(void)
{
	check_fault("MOVSB, RAM, target ends:", MOVS, 1, RAM_RAM, RAM_RAM, false, false);
	check_fault("MOVSB, RAM, source ends:", MOVS, 1, RAM_RAM, RAM_RAM, true, false);
	check_fault("MOVSQ, from MMIO, target ends:", MOVS, 8, MMIO_MMIO, RAM_RAM, false, false);
	check_fault("MOVSQ, to MMIO, source ends:", MOVS, 8, RAM_RAM, MMIO_MMIO, true, false);
	check_fault("MOVSD, from MMIO, target ends, down:", MOVS, 4, MMIO_MMIO, RAM_RAM, false,
		    true);
	check_fault("MOVSW, MMIO, source ends, down:", MOVS, 2, MMIO_MMIO, MMIO_MMIO, true, true);
	check_fault("STOSD, MMIO:", STOS, 4, RAM_RAM, MMIO_MMIO, false, false);
	check_fault("STOSQ, MMIO, down:", STOS, 8, RAM_RAM, MMIO_MMIO, false, true);
	check_fault("LODSB, MMIO:", LODS, 1, MMIO_MMIO, RAM_RAM, true, false);
}

/* ---- interrupts in the middle ---- */

static volatile unsigned ticks, in_the_middle, inconsistent;
static u64 total, unit, start_rsi, start_rdi;

static void on_timer(struct frame *f)
{
	u64 done = total - f->rcx;

	ticks++;
	lapic_write(LAPIC_EOI, 0);
	if (f->rip != (u64)code || !f->rcx || f->rcx == total)
		return;
	in_the_middle++;
	inconsistent += f->rsi != start_rsi + done * unit || f->rdi != start_rdi + done * unit;
}

static void run_big(const char *name, unsigned size, u64 count, u64 from, u64 to)
{
	const struct state begin = { .rcx = count, .rsi = from, .rdi = to, .flags = 0x202 };
	struct state s = begin;

	total = count;
	unit = size;
	start_rsi = from;
	start_rdi = to;
	ticks = in_the_middle = inconsistent = 0;
	make_code(MOVS, size, REP, 8);
	lapic_write(LAPIC_TMICT, 100000);
	/* Again until one has come in the middle, however fast this machine is. */
	for (unsigned i = 0; i < 1 || (under_plinth() && !in_the_middle && i < 10000); i++) {
		s = begin;
		execute(&s);
	}
	cli();
	lapic_write(LAPIC_TMICT, 0);
	check_in(name, "RCX", s.rcx, 0);
	check_in(name, "RSI", s.rsi - from, count * size);
	check_in(name, "RDI", s.rdi - to, count * size);
	check_in(name, "registers wrong at an interrupt", inconsistent, 0);
}

/* An emulated instruction lets interrupts in between its elements, however many there are. The bare
 * emulator may be done before the first. */
static void check_interrupted(const char *id)
{
	if (under_plinth())
		check_true(id, in_the_middle > 0);
	else
		skip(id, "not under Plinth");
}

static void check_big(void)
{
	u8 *big = (u8 *)(16 * MIB), *copy = (u8 *)(32 * MIB);

	set_handler(TIMER_VECTOR, on_timer);
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_LVTT, TIMER_VECTOR | 0x20000);
	for (u64 i = 0; i < MIB; i += 8)
		*(u64 *)(big + i) = i * 0x9e3779b97f4a7c15;
	run_big("1 MiB in RAM:", 1, MIB, (u64)big, (u64)copy);
	check("1 MiB in RAM: copied", (u64)memcmp(big, copy, MIB), 0);
	run_big("16 KiB to MMIO:", 1, 4 * PAGE, (u64)big, MMIO);
	check_interrupted("16 KiB to MMIO: interrupts in the middle");
	memset(copy, 0x5a, 8 * PAGE);
	run_big("32 KiB from MMIO:", 4, 2 * PAGE, MMIO, (u64)copy);
	check_interrupted("32 KiB from MMIO: interrupts in the middle");
	memset(big, mmio_byte, 8 * PAGE);
	check("32 KiB from MMIO: copied", (u64)memcmp(big, copy, 8 * PAGE), 0);
}

void guest_main(u32 magic, u32 info)
{
	mmio_byte = *(volatile u8 *)MMIO;
	boot_pd[AREA >> 21] = 0;
	WRITE_CR(3, READ_CR(3));
	check_ops();
	check_wrap();
	check_faults();
	check_big();
}
