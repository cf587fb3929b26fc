/* SPDX-License-Identifier: MIT */
/*
 * Real mode: what BIOSes, boot loaders and their 16-bit code do, and the ways from there to every
 * paging mode and back. The pieces are in guests/lib/real.S; each is entered from 64-bit mode and
 * says in its registers what it found. SDM vol. 3B, "Real-Address Mode Operation"; vol. 3A, "Mode
 * Switching".
 */
#include "guests/lib/modes.h"

#define CODE		0x10000u	/* where the pieces run: 1000:0000 */
#define NO_VECTOR	0xffffu
#define NR_STUBS	48
#define PAGED		0x9000u		/* what paging shows at C000_9000H */
#define ROUNDS		3

enum { DE, DB, NMI, BP, OF, BR, UD, SS = 12, GP, TIMER = 0x20 };

extern const char real_begin[], real_end[], real_in[], real_out[], real_walk[], real_stubs[];
extern const char real_call[], walk32[], walk64[];

struct real_in {
	u32 entry, eax, ebx;
};

struct real_out {
	u32 eax, ebx, ecx, edx, ebp;
	u16 vector, ip, cs, flags;
};

struct real_walk {
	u32 cr3, cr4, efer, to, selector;
};

static u32 directory[1024] __attribute__((aligned(4096)));
static u64 pdpt_pae[4] __attribute__((aligned(4096)));
static u64 pdpt_long[512] __attribute__((aligned(4096)));
static u64 pml4[512] __attribute__((aligned(4096)));
static u64 directories[4][512] __attribute__((aligned(4096)));
static u32 high[4] __attribute__((aligned(16)));	/* above 1 MiB */

static void *copy_of(const char *label)
{
	return (void *)(word)(CODE + (u32)(label - real_begin));
}

static void set_vector(unsigned vector, const char *label)
{
	volatile u16 *entry = (volatile u16 *)(word)(4 * vector);

	__asm__("" : "+r"(entry));	/* address 0 is one like others here */
	entry[0] = (u16)(label - real_begin);
	entry[1] = CODE >> 4;
}

static void set_stubs(void)
{
	for (unsigned i = 0; i < NR_STUBS; i++)
		set_vector(i, real_stubs + 8 * i);
}

static const struct real_out *run(const char *entry, u32 eax, u32 ebx)
{
	u32 cr0 = (u32)READ_CR(0), cr4 = (u32)READ_CR(4);
	struct paging_mode m = { cr0 & ~CR0_PG, 0, cr4 & ~CR4_PAE, 0, (u32)(word)real_call, false };
	struct real_in *in = copy_of(real_in);

	*in = (struct real_in){ (u32)(entry - real_begin), eax, ebx };
	run_in_mode(&m);
	load_idt();
	return copy_of(real_out);
}

/* The vector that ended it, and how far from the place foreseen. */
static u64 end_of(const struct real_out *out)
{
	if (out->vector == NO_VECTOR)
		return NO_VECTOR;
	return (u64)out->vector << 32 | (u16)(out->ip - out->ebp);
}

#define PIECE(name) ({ extern const char r_##name[]; r_##name; })

static void check_end(const char *id, const char *entry, u64 vector)
{
	const struct real_out *out = run(entry, 0, 0);

	check(id, end_of(out), vector == NO_VECTOR ? vector : vector << 32);
	if (vector != NO_VECTOR)
		check_in(id, "CS", out->cs, CODE >> 4);
}

struct registers {
	u32 eax, ebx, ecx, edx;
};

static void check_registers(const char *id, const struct real_out *out, struct registers r)
{
	check_in(id, "end", end_of(out), NO_VECTOR);
	check_in(id, "EAX, EBX", (u64)out->eax << 32 | out->ebx, (u64)r.eax << 32 | r.ebx);
	check_in(id, "ECX, EDX", (u64)out->ecx << 32 | out->edx, (u64)r.ecx << 32 | r.edx);
}

#define CHECK(id, name, ...) CHECK_AT(id, name, 0, __VA_ARGS__)
#define CHECK_AT(id, name, at, ...) \
	check_registers(id, run(PIECE(name), 0, at), (struct registers){ __VA_ARGS__ })

static void check_old_instructions(void)
{
	CHECK("BCD", bcd, 0, 0x8714, 0x01030104, 0x09070061);
	CHECK("far transfers", far, 0x0fff, 2, 0x1234, 0x7bfe);
	CHECK("PUSHF, POPF", flags, 0x7ed7d700, 0x00240ed7, 2, 0xd703);
	CHECK("stack that wraps", stack, 0x33441122, 0xfffe, 0, 0x33441122);
	CHECK("ENTER, LEAVE", enter, 0x5555, 0x28, 0x5555);
	CHECK("LDS, LES, LFS, LGS, XLAT", pointers, 0x77, 0x3000);
	CHECK("prefixes", prefixes, 0xcdefcdef, 1, 0xa355cdef, 0x1a355);
	CHECK("LOOP, JCXZ", loops, 3, 0x20000, 0x10000, 4);
	CHECK("code that changes", selfmod, 1, 0x25, 0, 0x1234);
	__asm__ volatile("fninit");
	CHECK("x87", fpu, 49, 0, 0x037f0000);
}

static void check_strings(void)
{
	CHECK("MOVS over FFFFH", wrap, 0x02010000, 0x0403, 0x00028004);
	CHECK("STOS down over 0", down, 0xabab0000, 0xabab, 0xfffd);
	CHECK("SCAS, CMPS", scan, 0, 0x3e, 0, 0xe);
	CHECK("REP with 67H", addr32_rep, 0x10000, 0x33221111, 0, 0x9804);
	CHECK("OUTS over FFFFH", outs, 0, 0x00020000, 0x8001);
	CHECK("INS over FFFFH", ins, 0x5a5a0000, 0x5a, 1, 0x21);
}

static void check_exceptions(void)
{
	extern const char int_handler[];

	set_vector(0x40, int_handler);
	CHECK("INT n, IRET", int, 0x0cd7, 0x0ed70006, 0x0ed6, 0x7bfe);
	check_end("INT3", PIECE(int3), BP);
	check_end("INTO", PIECE(into), OF);
	check_end("DIV by 0", PIECE(div), DE);
	check_end("DIV, too large", PIECE(div_large), DE);
	check_end("BOUND", PIECE(bound), BR);
	check_end("UD2", PIECE(ud2), UD);
	check_end("LLDT", PIECE(lldt), UD);
	check_end("SLDT", PIECE(sldt), UD);
	check_end("LTR", PIECE(ltr), UD);
	check_end("LAR", PIECE(lar), UD);
	check_end("VERR", PIECE(verr), UD);
	check_end("ARPL", PIECE(arpl), UD);
	check_end("LOCK NOP", PIECE(lock), UD);
	check_end("MOV to CS", PIECE(mov_cs), UD);
	check_end("IDT limit", PIECE(lidt_limit), GP);
	if (like_qemu() && !under_plinth()) {
		skip("PG without PE", "QEMU takes it");
		skip("PG without PE CS", "QEMU takes it");
	} else {
		check_end("PG without PE", PIECE(pg_alone), GP);
	}
}

/* QEMU's TCG checks no limits, as a guest of SVM neither: found out by trying. */
static void check_limit(const char *id, const char *entry, bool has_limits, u64 vector)
{
	const struct real_out *out = run(entry, 0, 0);

	check(id, end_of(out), has_limits ? vector << 32 : end_of(out));
}

static void check_limits(void)
{
	bool has_limits = run(PIECE(limit_ds), 0, 0)->vector == GP;
	const struct real_out *out;

	tell("limits are checked", has_limits);
	check_end("limit: byte at FFFFH", PIECE(limit_ds_byte), NO_VECTOR);
	check_limit("limit: word at FFFFH", PIECE(limit_ds), has_limits, GP);
	check_limit("limit: 30000H with 67H", PIECE(limit_32), has_limits, GP);
	check_limit("limit: ADD at FFFDH", PIECE(limit_rmw), has_limits, GP);
	check_limit("limit: LDS at FFFDH", PIECE(limit_lds), has_limits, GP);
	check_limit("limit: REP STOSW", PIECE(limit_string), has_limits, GP);
	if (!has_limits)
		return;
	out = run(PIECE(limit_ss), 0, 0);
	check("limit: SS", (u64)out->vector << 32 | (u16)(out->ip - out->edx), (u64)SS << 32);
	check_end("limit: JMP", PIECE(limit_jump), GP);
}

static void check_system(void)
{
	CHECK("LIDT, SIDT", lidt, 0, 0x3ff, 0x1ff, 0x5050);
	CHECK("LGDT, SGDT", lgdt, 0x00125678, 0xffff, 0xab125678);
	CHECK("LMSW", lmsw, 0, 0, 1, 1);
	CHECK("CR0", cr0, 0, 0, 2);
	check_registers("CPUID", run(PIECE(cpuid), cpuid(0, 0).eax, cpuid(0, 0).ebx),
			(struct registers){ 0 });
}

static void check_unreal(void)
{
	extern const char iret_handler[], nmi_handler[];
	u32 at = (u32)(word)high;

	set_vector(0x41, iret_handler);
	set_vector(NMI, nmi_handler);
	CHECK_AT("unreal", unreal, at, 0x12345678, 0, 0x12355678);
	CHECK_AT("unreal, REP", unreal_rep, at, 0x0a0b0c0d, 0x01020304, 0, 8);
	CHECK_AT("unreal, INT", unreal_int, at, 0xfeedface, 0, 0, 0x41);
	lapic_write(LAPIC_ICR + 0x10, lapic_read(LAPIC_ID));
	CHECK_AT("NMI", nmi, LAPIC + LAPIC_ICR, 0, 0, 0, 1);
	check_limit("limit: as before", PIECE(limit_ds), run(PIECE(limit_32), 0, 0)->vector == GP,
		    GP);
}

static void check_interrupts(void)
{
	extern const char timer_handler[], nested_handler[], nested_inner[], step_handler[];

	pic_setup(1);
	set_vector(TIMER, timer_handler);
	CHECK("timer, HLT", timer_hlt, 0, 3);
	CHECK("timer", timer_busy, 0x200, 1);
	CHECK("STI, CLI", sti_shadow, 0, 1, 0, 1);
	CHECK("POPF, CLI", popf_window, 0, 1, 0, 1);
	CHECK("MOV SS, MOV SP", mov_ss_shadow, 0, 1, 0, 0x4000);
	set_vector(TIMER, nested_handler);
	set_vector(0x42, nested_inner);
	CHECK("nested", nested, 0, 0x1213, 0, 2000);
	outb(0x21, 0xff);
	set_vector(DB, step_handler);
	CHECK("TF", step, 0, 5, 1, 0x14578);
}

/* ---- the ways to paged modes ---- */

static void build_tables(void)
{
	for (u32 i = 0; i < 1024; i++)
		directory[i] = i << 22 | PTE_P | PTE_W | PTE_PS;
	directory[0xc0000000u >> 22] = PTE_P | PTE_W | PTE_PS;
	for (u32 i = 0; i < 2048; i++)
		directories[i / 512][i % 512] = (u64)i << 21 | PTE_P | PTE_W | PTE_PS;
	directories[3][0] = PTE_P | PTE_W | PTE_PS;
	for (u32 i = 0; i < 4; i++) {
		pdpt_pae[i] = (word)directories[i] | PTE_P;
		pdpt_long[i] = (word)directories[i] | PTE_P | PTE_W;
	}
	pml4[0] = (word)pdpt_long | PTE_P | PTE_W;
}

static void check_walk(const char *id, const void *cr3, u32 cr4, u32 efer, u32 round)
{
	struct real_walk *walk = copy_of(real_walk);
	volatile u32 *shown = (volatile u32 *)(word)PAGED;
	u32 to = (u32)(word)(efer ? walk64 : walk32);

	*walk = (struct real_walk){ (u32)(word)cr3, cr4, efer, to, efer ? 0x08 : 0x18 };
	shown[0] = 0xabc0 + round;
	shown[1] = 0;
	CHECK(id, walk, efer, 0xabc0 + round, 0x600d, 0x80000001);
}

static void check_walks(void)
{
	static const char *const names[ROUNDS][3] = {
		{ "to 32-bit paging:", "to PAE paging:", "to long mode:" },
		{ "to 32-bit paging again:", "to PAE paging again:", "to long mode again:" },
		{ "to 32-bit paging once more:", "to PAE paging once more:",
		  "to long mode once more:" },
	};
	u32 cr4 = (u32)READ_CR(4) & ~CR4_PAE;

	build_tables();
	for (u32 round = 0; round < ROUNDS; round++) {
		check_walk(names[round][0], directory, cr4 | CR4_PSE, 0, round);
		check_walk(names[round][1], pdpt_pae, cr4 | CR4_PAE, 0, round);
		check_walk(names[round][2], pml4, cr4 | CR4_PAE, EFER_LME, round);
	}
}

void guest_main(u32 magic, u32 info)
{
	memcpy((void *)(word)CODE, real_begin, (size_t)(real_end - real_begin));
	set_stubs();
	check_old_instructions();
	check_strings();
	check_exceptions();
	check_limits();
	check_system();
	check_unreal();
	check_interrupts();
	check_walks();
}
