/* SPDX-License-Identifier: MIT */
/* Each exception that a 64-bit kernel can raise at will, with its error code (SDM vol. 3A,
 * "Exception and Interrupt Reference"). */
#include "guests/lib/guest.h"

enum { DE, DB, BP = 3, UD = 6, NM, DF, NP = 11, SS, GP, PF, MF = 16, AC };

#define NONCANONICAL	"movabs $0x8000000000000000, %%rax;"
#define DR6_BS		0x4000ul
#define CR0_TS		0x8ul
#define CR0_AM		0x40000ul

#define RAISES(name, ...) static void name(void *arg) { __asm__ volatile(__VA_ARGS__); }

RAISES(divide, "xor %%eax, %%eax; xor %%edx, %%edx; div %%eax" ::: "eax", "edx", "cc")
RAISES(overflow_divide, "mov $1, %%edx; mov $1, %%ecx; div %%ecx" ::: "eax", "ecx", "edx", "cc")
RAISES(int3, "int3")
RAISES(int_3, ".byte 0xcd, 3")
RAISES(ud2, "ud2")
RAISES(int_80, "int $0x80")
RAISES(int_60, "int $0x60")
RAISES(lock_nop, ".byte 0xf0, 0x90")
RAISES(read_noncanonical, NONCANONICAL "mov (%%rax), %%eax" ::: "rax")
RAISES(jump_noncanonical, NONCANONICAL "jmp *%%rax" ::: "rax")
RAISES(ds_beyond, "mov $0x1000, %%eax; mov %%eax, %%ds" ::: "eax")
RAISES(ds_ldt, "mov $0x1c, %%eax; mov %%eax, %%ds" ::: "eax")
RAISES(ds_absent, "mov $0x20, %%eax; mov %%eax, %%ds" ::: "eax")
RAISES(ss_absent, "mov $0x20, %%eax; mov %%eax, %%ss" ::: "eax")
RAISES(ss_code, "mov $0x08, %%eax; mov %%eax, %%ss" ::: "eax")
RAISES(ltr_data, "mov $0x10, %%eax; ltr %%ax" ::: "eax")
RAISES(read_absent, "movabs $0x140000000, %%rax; mov (%%rax), %%eax" ::: "rax")
RAISES(write_absent, "movabs $0x140000000, %%rax; mov %%eax, (%%rax)" ::: "rax")
RAISES(fetch_absent, "movabs $0x140000000, %%rax; jmp *%%rax" ::: "rax")
RAISES(step, "pushf; orq $0x100, (%%rsp); popf; nop; nop" ::: "cc")
RAISES(step_cpuid, "xor %%eax, %%eax; pushf; orq $0x100, (%%rsp); popf; cpuid; nop"
       ::: "eax", "ebx", "ecx", "edx", "cc")
RAISES(x87, "fnop")
RAISES(x87_divide,
       "fninit; pushq $0x37b; fldcw (%%rsp); add $8, %%rsp; fld1; fldz; fdivrp; fwait" ::: "cc")

/* At CPL 3. */
static const char user_hlt[] = "\xf4";
static const char user_int_80[] = "\xcd\x80";
static const char user_int_61[] = "\xcd\x61";
static const char user_in[] = "\xe4\x21";
static const char user_cli[] = "\xfa";
static const char user_cr0[] = "\x0f\x20\xc0";
static const char user_kernel[] = "\x8b\x04\x25\x00\x00\x10\x00";	/* mov 0x100000, %eax */

static u64 user_flags = 2;

static void run_user(void *code)
{
	guest_user(user_code(code, 16), USER_STACK, user_flags, WINDOW + 0x11001);
}

static void check_user(const char *id, const char *code, u64 vector, u64 error)
{
	check_trap(id, run_user, (void *)(word)code, vector, error);
}

static void check_faults(void)
{
	check_trap("#DE by zero", divide, NULL, DE, 0);
	check_trap("#DE overflow", overflow_divide, NULL, DE, 0);
	check_trap("#UD", ud2, NULL, UD, 0);
	check_trap("#UD LOCK", lock_nop, NULL, UD, 0);
	check_trap("#GP non-canonical", read_noncanonical, NULL, GP, 0);
	check_trap("#GP jump", jump_noncanonical, NULL, GP, 0);
	check_trap("#GP selector beyond the GDT", ds_beyond, NULL, GP, 0x1000);
	check_trap("#GP selector of no LDT", ds_ldt, NULL, GP, 0x1c);
	check_trap("#NP DS", ds_absent, NULL, NP, 0x20);
	check_trap("#SS SS", ss_absent, NULL, SS, 0x20);
	check_trap("#GP code in SS", ss_code, NULL, GP, 0x08);
	check_trap("#GP LTR of data", ltr_data, NULL, GP, 0x10);
}

static void check_page_faults(void)
{
	check_trap("#PF read", read_absent, NULL, PF, 0);
	check("CR2", trap.cr2, 0x140000000);
	check_trap("#PF write", write_absent, NULL, PF, 2);
	check_trap("#PF fetch", fetch_absent, NULL, PF, 0x10);
	check("RIP of the fetch", trap.rip, 0x140000000);
}

static void check_software(void)
{
	check_trap("INT3", int3, NULL, BP, 0);
	check("INT3 RIP is behind", *(u8 *)(trap.rip - 1), 0xcc);
	check_trap("INT 3", int_3, NULL, BP, 0);
	check_trap("INT 80H", int_80, NULL, 0x80, 0);
	check("INT 80H RIP is behind", *(u16 *)(trap.rip - 2), 0x80cd);
	set_gate_present(0x60, false);
	/* Only the low bits of the error code: QEMU 7.2 counts 16 bytes a vector. */
	guest_try(int_60, NULL);
	check("#NP gate", trap.vector << 32 | (trap.error & 7), (u64)NP << 32 | 2);
}

static u64 dr6(void)
{
	u64 v;

	__asm__ volatile("mov %%dr6, %0" : "=r"(v));
	__asm__ volatile("mov %0, %%dr6" :: "r"(0xffff0ff0ul));
	return v;
}

static void check_single_step(void)
{
	dr6();
	check_trap("single step", step, NULL, DB, 0);
	check("DR6.BS", dr6() & DR6_BS, DR6_BS);
	check("the step ends behind a NOP", *(u8 *)(trap.rip - 1), 0x90);
	check_trap("single step over CPUID", step_cpuid, NULL, DB, 0);
	check("the step ends behind CPUID", *(u16 *)(trap.rip - 2), 0xa20f);
	check("DR6.BS after CPUID", dr6() & DR6_BS, DR6_BS);
}

static void check_float(void)
{
	WRITE_CR(0, READ_CR(0) | CR0_TS);
	check_trap("#NM", x87, NULL, NM, 0);
	__asm__ volatile("clts");
	check_trap("#MF", x87_divide, NULL, MF, 0);
	__asm__ volatile("fninit");
}

static void check_privilege(void)
{
	/* mov (%rdi), %eax */
	static const char unaligned[] = "\x8b\x07\xf4";

	check_user("CPL 3: HLT", user_hlt, GP, 0);
	check_user("CPL 3: CLI", user_cli, GP, 0);
	check_user("CPL 3: IN", user_in, GP, 0);
	check_user("CPL 3: MOV from CR0", user_cr0, GP, 0);
	check_user("CPL 3: kernel page", user_kernel, PF, 5);
	guest_try(run_user, (void *)(word)user_int_80);
	check("CPL 3: INT 80H, gate DPL 0", trap.vector << 32 | (trap.error & 7), (u64)GP << 32 |
	      2);
	set_gate_dpl(0x61, 3);
	check_user("CPL 3: INT 61H, gate DPL 3", user_int_61, 0x61, 0);
	check("CPL 3: CS", trap.cs, 0x2b);
	check_user("CPL 3: unaligned, AC off", unaligned, GP, 0);
	WRITE_CR(0, READ_CR(0) | CR0_AM);
	user_flags = 0x40002;
	guest_try(run_user, (void *)(word)unaligned);
	if (trap.vector == GP)	/* the HLT behind it */
		skip("#AC", "this CPU checks no alignment");
	else
		check("#AC", trap.vector << 32 | trap.error, (u64)AC << 32);
}

void guest_main(u32 magic, u32 info)
{
	check_faults();
	check_page_faults();
	check_software();
	check_single_step();
	check_float();
	check_privilege();
}
