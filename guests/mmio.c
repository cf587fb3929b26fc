/* SPDX-License-Identifier: MIT */
/* Memory-mapped I/O by every kind of instruction that kernels use for it. */
#include "guests/lib/guest.h"

#define UNCLAIMED 0xfe000000ul

static u8 buffer[64] __attribute__((aligned(16)));
static u8 code[2 * PAGE] __attribute__((aligned(4096)));

#define READ(type, at) (*(volatile type *)(at))

/* What nothing answers reads as ones: PCI Local Bus Specification 3.0, "Master Initiated
 * Termination". The bare emulator reads zeros. */
static void check_ones(const char *id, u64 value, u64 ones)
{
	check(id, value, value == 0 && !under_plinth() ? 0 : ones);
}

static void check_unclaimed(void)
{
	check_ones("unclaimed: 1 byte", READ(u8, UNCLAIMED), 0xff);
	check_ones("unclaimed: 2 bytes", READ(u16, UNCLAIMED), 0xffff);
	check_ones("unclaimed: 4 bytes", READ(u32, UNCLAIMED), 0xffffffff);
	check_ones("unclaimed: 8 bytes", READ(u64, UNCLAIMED), ~0ull);
	check_ones("unclaimed: 4 bytes over a page end", READ(u32, UNCLAIMED + PAGE - 2),
		   0xffffffff);
	READ(u32, UNCLAIMED) = 0x12345678;
	check_ones("unclaimed: writes are lost", READ(u32, UNCLAIMED), 0xffffffff);
}

static void check_string(void)
{
	word from = UNCLAIMED, to = (word)buffer, n = 4;
	u32 expected = READ(u32, UNCLAIMED);

	memset(buffer, 0x5a, sizeof(buffer));
	__asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(n) :: "memory");
	check("REP MOVS: RSI advanced", from - UNCLAIMED, 16);
	check("REP MOVS: RDI advanced", to - (word)buffer, 16);
	check("REP MOVS: RCX", n, 0);
	check_true("REP MOVS: data", READ(u32, buffer) == expected &&
		   READ(u32, buffer + 12) == expected);
	check("REP MOVS: no more", buffer[16], 0x5a);
	from = (word)buffer;
	to = UNCLAIMED;
	n = 3;
	__asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(n) :: "memory");
	check("REP MOVS to MMIO: RDI advanced", to - UNCLAIMED, 3);
	to = UNCLAIMED;
	n = 5;
	__asm__ volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(0) : "memory");
	check("REP STOS to MMIO: RDI advanced", to - UNCLAIMED, 20);
}

static void check_lapic(void)
{
	u32 version = lapic_read(LAPIC_VERSION);

	check("LAPIC ID", lapic_read(LAPIC_ID) >> 24, 0);
	check_true("LAPIC version", (version & 0xff) >= 0x10 && (version & 0xff) <= 0x15);
	check_true("LAPIC LVT entries", (version >> 16 & 0xff) >= 4);
	lapic_write(LAPIC_SVR, 0x1ff);
	check("LAPIC SVR", lapic_read(LAPIC_SVR) & 0x1ff, 0x1ff);
}

/* Read-modify-write, each by one instruction, on the task priority register. */
static void check_modify(void)
{
	volatile u32 *tpr = (volatile u32 *)(LAPIC + LAPIC_TPR);
	u32 old = 0x70;
	u8 carry;

	*tpr = 0x10;
	__asm__ volatile("orl $0x20, %0" : "+m"(*tpr));
	check("OR", *tpr, 0x30);
	__asm__ volatile("andl $0x20, %0" : "+m"(*tpr));
	check("AND", *tpr, 0x20);
	__asm__ volatile("addl $0x21, %0" : "+m"(*tpr));
	check("ADD", *tpr, 0x41);
	__asm__ volatile("xorl $0x01, %0" : "+m"(*tpr));
	check("XOR", *tpr, 0x40);
	__asm__ volatile("subl $0x10, %0" : "+m"(*tpr));
	check("SUB", *tpr, 0x30);
	__asm__ volatile("xchgl %1, %0" : "+m"(*tpr), "+r"(old));
	check("XCHG", (u64)old << 32 | *tpr, 0x3000000070);
	__asm__ volatile("btl $4, %1; setc %0" : "=q"(carry) : "m"(*tpr) : "cc");
	check("BT", carry, 1);
	__asm__ volatile("cmpl $0x70, %1; sete %0" : "=q"(carry) : "m"(*tpr) : "cc");
	check("CMP", carry, 1);
	__asm__ volatile("testl $0x10, %1; setnz %0" : "=q"(carry) : "m"(*tpr) : "cc");
	check("TEST", carry, 1);
	*tpr = 0;
}

static void check_extend(void)
{
	volatile u32 *tpr = (volatile u32 *)(LAPIC + LAPIC_TPR);
	u64 zero, sign, into = ~0ull;

	*tpr = 0xf0;
	__asm__ volatile("mov %1, %k0" : "+r"(into) : "m"(*tpr));
	check("MOV clears the upper half", into, 0xf0);
	__asm__ volatile("movzbl %1, %k0" : "=r"(zero) : "m"(READ(u8, UNCLAIMED)));
	check_ones("MOVZX", zero, 0xff);
	__asm__ volatile("movsbq %1, %0" : "=r"(sign) : "m"(READ(u8, UNCLAIMED)));
	check_ones("MOVSX", sign, ~0ull);
	*tpr = 0;
	__asm__ volatile("movl $0x50, %0" : "=m"(*tpr));
	check("MOV immediate", *tpr, 0x50);
	*tpr = 0;
}

/* mov LAPIC_VERSION, %eax (8b 04 25 and the address); ret, at every place across a page end. */
static void check_code_across_pages(void)
{
	static const u8 insn[] = { 0x8b, 0x04, 0x25, 0x30, 0x00, 0xe0, 0xfe, 0xc3 };
	u32 version = lapic_read(LAPIC_VERSION);
	bool same = true;

	for (unsigned before = 0; before < sizeof(insn); before++) {
		u8 *at = code + PAGE - before;
		word result;

		memcpy(at, insn, sizeof(insn));
		/* Displacements are sign-extended: 67H keeps the address below 4 GiB. */
		at[-1] = 0x67;
		__asm__ volatile("call *%1" : "=a"(result) : "r"(at - 1) : "memory", "cc");
		same &= (u32)result == version;
	}
	check_true("an instruction across a page end", same);
}

void guest_main(u32 magic, u32 info)
{
	check_unclaimed();
	check_string();
	check_lapic();
	check_modify();
	check_extend();
	check_code_across_pages();
}
