/* SPDX-License-Identifier: MIT */
/*
 * Control registers and addresses: what CR0, CR3, CR4, CR8 and EFER keep, ignore and refuse, also by
 * LMSW, CLTS and SMSW; then the boundary addresses 2^47 - 1, 2^47 and 2^64 - 1 into every instruction
 * that takes one (SDM vol. 3A, "Control Registers"; vol. 1, "Canonical Addressing"). Lines of values
 * that the bare emulator doesn't check are made only under Plinth.
 */
#include "guests/lib/guest.h"

#include "include/hypercall.h"

enum { UD = 6, SS = 12, GP, PF };

#define CR0_USUAL	0x80010033ul
#define CR4_USUAL	0x620ul
#define INSIDE		0x00007ffffffffff0ul	/* below the hole, not mapped here */
#define HOLE		0x0000800000000000ul
#define HOLE_END	0xffff7ffffffffff0ul
#define HIGH		0xffff800000000000ul	/* above it, not mapped */
#define CR4_FSGSBASE	0x10000ul

static void write_cr0(void *arg) { WRITE_CR(0, *(u64 *)arg); }
static void write_cr4(void *arg) { WRITE_CR(4, *(u64 *)arg); }
static void write_cr8(void *arg) { WRITE_CR(8, *(u64 *)arg); }

static void check_refused(const char *name, void (*f)(void *), u64 value)
{
	check_trap(name, f, &value, GP, 0);
}

/* The bits that can't be set one by one, in addition to what the register holds. */
static u64 refused_bits(void (*f)(void *), u64 was)
{
	u64 mask = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		u64 value = was | 1ul << bit;

		if (value == was)
			continue;
		if (guest_try(f, &value))
			mask |= 1ul << bit;
		else
			f(&was);
	}
	return mask;
}

static void check_cr0(void)
{
	check("CR0", READ_CR(0), CR0_USUAL);
	WRITE_CR(0, CR0_USUAL & ~0x10ul);
	check("CR0: ET can't be cleared", READ_CR(0), CR0_USUAL);
	WRITE_CR(0, CR0_USUAL | 0x1ff8ffc0ul);
	tell("CR0: reserved bits below 32 are ignored", READ_CR(0));
	WRITE_CR(0, CR0_USUAL | 1ul << 30);
	check("CR0: CD", READ_CR(0), CR0_USUAL | 1ul << 30);
	WRITE_CR(0, CR0_USUAL | 3ul << 29);
	check("CR0: CD and NW", READ_CR(0), CR0_USUAL | 3ul << 29);
	WRITE_CR(0, CR0_USUAL | 1ul << 18);
	check("CR0: AM", READ_CR(0), CR0_USUAL | 1ul << 18);
	WRITE_CR(0, CR0_USUAL);
}

static void check_cr0_refused(void)
{
	if (!under_plinth()) {
		skip("CR0 refused", "the bare emulator takes them");
		return;
	}
	/* NW without CD, and the upper half. CD alone is fine. */
	check("CR0: bits refused", refused_bits(write_cr0, CR0_USUAL), 0xffffffff20000000);
	check_refused("CR0: PG cleared in 64-bit code", write_cr0, CR0_USUAL & 0x7ffffffful);
	check_refused("CR0: PE cleared with PG", write_cr0, CR0_USUAL & ~1ul);
	check_refused("CR0: NW without CD", write_cr0, CR0_USUAL | 1ul << 29);
	check_refused("CR0: bit 32", write_cr0, CR0_USUAL | 1ul << 32);
	check("CR0: nothing came of it", READ_CR(0), CR0_USUAL);
}

static u64 smsw(void)
{
	u64 v;

	__asm__ volatile("smsw %0" : "=r"(v));
	return v;
}

static void check_lmsw(void)
{
	check("SMSW", smsw() & 0xffff, CR0_USUAL & 0xffff);
	__asm__ volatile("lmsw %w0" :: "r"(0xfffe));
	check("LMSW: four bits, and PE stays", READ_CR(0), CR0_USUAL | 0xe);
	__asm__ volatile("lmsw %w0" :: "r"(2));
	check("LMSW: MP", READ_CR(0), CR0_USUAL);
	__asm__ volatile("lmsw %w0" :: "r"(0xa));
	check("LMSW: TS", READ_CR(0), CR0_USUAL | 8);
	__asm__ volatile("clts");
	check("CLTS", READ_CR(0), CR0_USUAL);
}

/* ---- CR4: what CPUID offers ---- */

static u64 cr4_allowed(void)
{
	struct cpuid one = cpuid(1, 0), seven = cpuid(7, 0);
	static const struct { u8 bit, reg, cr4; } rows[] = {	/* of leaf 1 EDX 0, ECX 1; 7 EBX 2, ECX 3 */
		{ 1, 0, 0 }, { 1, 0, 1 }, { 4, 0, 2 }, { 2, 0, 3 }, { 3, 0, 4 }, { 6, 0, 5 }, { 7, 0, 6 },
		{ 13, 0, 7 }, { 24, 0, 9 }, { 25, 0, 10 }, { 2, 3, 11 }, { 5, 1, 13 }, { 6, 1, 14 },
		{ 0, 2, 16 }, { 17, 1, 17 }, { 26, 1, 18 }, { 7, 2, 20 }, { 20, 2, 21 }, { 3, 3, 22 },
	};
	u32 regs[] = { one.edx, one.ecx, seven.ebx, seven.ecx };
	u64 allowed = 1ul << 8;		/* PCE */

	for (unsigned i = 0; i < COUNT(rows); i++)
		allowed |= (u64)(regs[rows[i].reg] >> rows[i].bit & 1) << rows[i].cr4;
	return allowed;
}

static void check_cr4(void)
{
	u64 la57 = 1ul << 12;

	check("CR4", READ_CR(4), CR4_USUAL);
	if (!under_plinth()) {
		skip("CR4: bits refused", "the bare emulator ignores them");
		return;
	}
	/* LA57 can't be changed in long mode, whether it is offered or not. */
	check("CR4: bits refused, beside those that CPUID offers",
	      refused_bits(write_cr4, CR4_USUAL) ^ ~(cr4_allowed() | CR4_USUAL), 0);
	check("CR4: LA57 is refused", refused_bits(write_cr4, CR4_USUAL) & la57, la57);
	check_refused("CR4: PAE cleared in long mode", write_cr4, CR4_USUAL & ~0x20ul);
	check("CR4: nothing came of it", READ_CR(4), CR4_USUAL);
}

/* Reserved bits are #GP on a CPU. QEMU 7.2 loads them, and refuses to enter a guest that has them:
 * nothing is tried here. */
static void check_cr3(void)
{
	u64 was = READ_CR(3);

	WRITE_CR(3, was | 0x18);
	check("CR3: PWT and PCD stay", READ_CR(3) ^ was, 0x18);
	WRITE_CR(3, was | 0xfe7);
	tell("CR3: ignored bits", READ_CR(3) ^ was);
	WRITE_CR(3, was);
	check("CR3 as before", READ_CR(3), was);
}

static void check_cr8(void)
{
	for (u64 i = 0; i < 16; i += 5) {
		static const char *const names[] = { "0", "5", "10", "15" };

		WRITE_CR(8, i);
		check_in("CR8:", names[i / 5], READ_CR(8), i);
		check_in("CR8 in TPR:", names[i / 5], lapic_read(LAPIC_TPR), i << 4);
	}
	lapic_write(LAPIC_TPR, 0x7b);
	check("TPR's low half isn't in CR8", READ_CR(8), 7);
	WRITE_CR(8, 0);
	if (!under_plinth()) {
		skip("CR8 refused", "the bare emulator takes it");
		return;
	}
	check_refused("CR8: bit 4", write_cr8, 0x10);
	check_refused("CR8: bit 63", write_cr8, 1ul << 63);
	check("CR8 as before", READ_CR(8), 0);
}

/* ---- addresses ---- */

static void load(void *at) { (void)*(volatile u8 *)at; }
static void store(void *at) { *(volatile u8 *)at = 0; }
static void jump(void *at) { __asm__ volatile("jmp *%0" :: "r"(at)); }
static void call(void *at) { __asm__ volatile("call *%0" :: "r"(at)); }
static void ret(void *at) { __asm__ volatile("push %0; ret" :: "r"(at)); }
static void do_invlpg(void *at) { invlpg(at); }
static void clflush(void *at) { __asm__ volatile("clflush (%0)" :: "r"(at)); }
static void prefetch(void *at) { __asm__ volatile("prefetcht0 (%0)" :: "r"(at)); }
static void lock_inc(void *at) { __asm__ volatile("lock incl (%0)" :: "r"(at)); }
static void cmpxchg16b(void *at)
{
	__asm__ volatile("xor %%ebx, %%ebx; lock cmpxchg16b (%0)" :: "D"(at), "a"(0), "c"(0), "d"(0)
			 : "rbx", "cc", "memory");
}
static void fxsave(void *at) { __asm__ volatile("fxsave (%0)" :: "r"(at) : "memory"); }
static void sgdt(void *at) { __asm__ volatile("sgdt (%0)" :: "r"(at) : "memory"); }
static void lgdt_from(void *at) { __asm__ volatile("lgdt (%0)" :: "r"(at)); }
static void insb(void *at)
{
	__asm__ volatile("insb" : "+D"(at) : "d"(0x80) : "memory");
}
static void outsb(void *at)
{
	__asm__ volatile("outsb" : "+S"(at) : "d"(0x80) : "memory");
}
static void movs_from_mmio(void *at)
{
	u64 from = 0xd0000000;

	__asm__ volatile("movsb" : "+S"(from), "+D"(at) :: "memory");
}
static void movs_to_mmio(void *at)
{
	u64 to = 0xd0000000;

	__asm__ volatile("movsb" : "+S"(at), "+D"(to) :: "memory");
}
static void push_at(void *at)
{
	__asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; push %%rax; mov %%rbx, %%rsp"
			 :: "r"(at) : "rbx", "memory");
}

#define ANY 0xff	/* 2; QEMU 7.2 reads first, with 0 */

static const struct {
	const char *name;
	void (*f)(void *);
	u8 hole;		/* the vector in the hole; 0: none */
	u8 outside;		/* at canonical addresses that aren't mapped */
	u8 error;
} uses[] = {
	{ "load", load, GP, PF, 0 },
	{ "store", store, GP, PF, 2 },
	{ "LOCK INC", lock_inc, GP, PF, ANY },
	{ "CMPXCHG16B", cmpxchg16b, GP, PF, ANY },
	{ "JMP", jump, GP, PF, 0x10 },
	{ "CALL", call, GP, PF, 0x10 },
	{ "RET", ret, GP, PF, 0x10 },
	{ "INVLPG", do_invlpg, 0, 0, 0 },
	{ "PREFETCH", prefetch, 0, 0, 0 },
	{ "FXSAVE", fxsave, GP, PF, 2 },
	{ "SGDT", sgdt, GP, PF, 2 },
	{ "LGDT", lgdt_from, GP, PF, 0 },
	{ "INSB", insb, GP, PF, 2 },
	{ "OUTSB", outsb, GP, PF, 0 },
	{ "MOVSB from MMIO", movs_from_mmio, GP, PF, 2 },
	{ "MOVSB to MMIO", movs_to_mmio, GP, PF, 0 },
};

static u64 result_of(void (*f)(void *), u64 at)
{
	return guest_try(f, (void *)at) ? trap.vector << 32 | trap.error : 0;
}

static void check_addresses(void)
{
	for (unsigned i = 0; i < COUNT(uses); i++) {
		u64 mask = uses[i].error == ANY ? 0xff00000000 : ~0ul;
		u64 mapped = ((u64)uses[i].outside << 32 | uses[i].error) & mask;

		check_in("at 2^47 - 16:", uses[i].name, result_of(uses[i].f, INSIDE) & mask,
			 mapped);
		check_in("at 2^47:", uses[i].name, result_of(uses[i].f, HOLE + 16),
			 (u64)uses[i].hole << 32);
		check_in("at the hole's end:", uses[i].name, result_of(uses[i].f, HOLE_END),
			 (u64)uses[i].hole << 32);
		check_in("above it:", uses[i].name, result_of(uses[i].f, HIGH + 16) & mask, mapped);
	}
	/* #GP too; QEMU 7.2 does nothing. */
	tell("CLFLUSH at 2^47", result_of(clflush, HOLE));
}

/* #SS(0); QEMU 7.2 raises #GP. Either needs another stack. */
static void check_push(void)
{
	set_gate_ist(SS, 1);
	set_gate_ist(GP, 1);
	set_gate_ist(PF, 1);
	check("PUSH at 2^47 - 16", result_of(push_at, INSIDE), (u64)PF << 32 | 2);
	tell("PUSH at 2^47", result_of(push_at, HOLE + 16));
	check("PUSH above the hole", result_of(push_at, HIGH + 16), (u64)PF << 32 | 2);
	mend_gate(SS);
	mend_gate(GP);
	mend_gate(PF);
}

/* An operand that begins below the hole and ends in it. */
static void straddle(void *at) { (void)*(volatile u64 *)at; }

static void check_straddling(void)
{
	u64 value = result_of(straddle, HOLE - 4);

	/* #GP, or #PF of the half that is no hole. */
	tell("load across 2^47", value);
	value = result_of(straddle, ~0ul - 3);
	tell("load across 2^64", value);
}

/* ---- bases ---- */

static void wrfsbase(void *at) { __asm__ volatile("wrfsbase %0" :: "r"(at)); }
static void wrgsbase(void *at) { __asm__ volatile("wrgsbase %0" :: "r"(at)); }

static void check_bases(void)
{
	if (!(cpuid(7, 0).ebx & 1)) {
		skip("WRFSBASE", "not offered");
		return;
	}
	WRITE_CR(4, READ_CR(4) | CR4_FSGSBASE);
	tell("WRFSBASE: 2^47", result_of(wrfsbase, HOLE));
	tell("WRGSBASE: 2^47", result_of(wrgsbase, HOLE));
	check("WRFSBASE: above the hole", result_of(wrfsbase, HIGH), 0);
	check("FS_BASE reads so", rdmsr(0xc0000100), HIGH);
	check("WRGSBASE: 2^47 - 16", result_of(wrgsbase, INSIDE), 0);
	check("GS_BASE reads so", rdmsr(0xc0000101), INSIDE);
	wrmsr(0xc0000100, 0);
	wrmsr(0xc0000101, 0);
	WRITE_CR(4, READ_CR(4) & ~CR4_FSGSBASE);
}

/* ---- hypercalls take addresses, too ---- */

static long set_rights(u64 base, u64 size, u64 rights)
{
	long result = PLINTH_CALL_SET_RIGHTS;

	__asm__ volatile("vmmcall" : "+a"(result) : "b"(base), "c"(size), "d"(rights) : "memory");
	return result;
}

static void check_hypercalls(void)
{
	static const u64 bad[] = { HOLE, HIGH, ~0xffful, 1ul << 40, 1ul << 52, 0xfee00000 };

	unsigned refused = 0;

	if (!under_plinth()) {
		skip("hypercall", "not under Plinth");
		return;
	}
	for (unsigned i = 0; i < COUNT(bad); i++)
		refused += set_rights(bad[i], PAGE, 7) == PLINTH_EINVAL;
	check("hypercall: addresses refused", refused, COUNT(bad));
	check("hypercall: sizes", (u64)set_rights(0, ~0xffful, 7), (u64)PLINTH_EINVAL);
	check("hypercall: wrap", (u64)set_rights(PAGE, ~0xffful, 7), (u64)PLINTH_EINVAL);
	check("hypercall: rights", (u64)set_rights(0x2000000, PAGE, ~0ul), (u64)PLINTH_EINVAL);
	check("hypercall: none", (u64)set_rights(0x2000000, 0, 7), (u64)PLINTH_EINVAL);
	check("hypercall: unaligned", (u64)set_rights(0x2000001, PAGE, 7), (u64)PLINTH_EINVAL);
}

void guest_main(u32 magic, u32 info)
{
	check_cr0();
	check_cr0_refused();
	check_lmsw();
	check_cr3();
	check_cr4();
	check_cr8();
	check_addresses();
	check_push();
	check_straddling();
	check_bases();
	check_hypercalls();
}
