/* SPDX-License-Identifier: MIT */
/*
 * Single step over every instruction that a hypervisor intercepts, and the debug registers. A step
 * is one #DB behind the instruction with DR6.BS; a repeated string instruction is one step an
 * iteration (SDM vol. 3B, "Single-Step Exception Condition"). The value of each line is
 * "number of #DB << 8 | length that RIP has advanced".
 */
#include "guests/lib/guest.h"

#define DB		1
#define BP		3
#define UD		6
#define GP		13
#define TF		0x100ul
#define RF		0x10000ul
#define IF		0x200ul
#define DR6_FIXED	0xffff0ff0ul
#define DR6_BS		0x4000ul
#define DR6_BD		0x2000ul
#define DR7_GD		0x2000ul
#define DR7_FIXED	0x400ul
#define CR4_DE		0x8ul
#define CR4_OSXSAVE	0x40000ul
#define TIMER_VECTOR	0x41
#define PLINTH		1	/* #UD elsewhere */
#define XSAVE		2	/* needs CR4.OSXSAVE */

/* What the instructions find in registers: RAX, RCX, RDX, RSI, RDI. */
struct regs {
	u64 rax, rcx, rdx, rsi, rdi;
};

struct insn {
	const char *name;
	u8 n, code[12];
	u8 steps;		/* #DBs; a NOP behind it would be one more */
	u8 needs;
	struct regs regs;
};

#define BUFFER (u64)buffer
static u8 buffer[64] __attribute__((aligned(64)));

#define EFER_REGS { 0xd00, 0xc0000080, 0, 0, 0 }
#define PAT_REGS { 0x00070406, 0x277, 0x00070406, 0, 0 }
#define STEPS(n) n, 0

static const struct insn insns[] = {
	{ "NOP", 1, { 0x90 }, STEPS(1), { 0 } },
	{ "CPUID", 2, { 0x0f, 0xa2 }, STEPS(1), { 0 } },
	{ "CPUID with prefixes", 4, { 0x66, 0x2e, 0x0f, 0xa2 }, STEPS(1), { 0 } },
	{ "RDTSC", 2, { 0x0f, 0x31 }, STEPS(1), { 0 } },
	{ "RDMSR", 2, { 0x0f, 0x32 }, STEPS(1), EFER_REGS },
	{ "WRMSR EFER", 2, { 0x0f, 0x30 }, STEPS(1), EFER_REGS },
	{ "WRMSR PAT", 2, { 0x0f, 0x30 }, STEPS(1), PAT_REGS },
	{ "IN imm8", 2, { 0xe4, 0x21 }, STEPS(1), { 0 } },
	{ "IN DX", 1, { 0xec }, STEPS(1), { 0, 0, 0x80, 0, 0 } },
	{ "OUT imm8", 2, { 0xe6, 0x80 }, STEPS(1), { 0 } },
	{ "OUT DX, AX", 2, { 0x66, 0xef }, STEPS(1), { 0, 0, 0x80, 0, 0 } },
	{ "INSB", 1, { 0x6c }, STEPS(1), { 0, 0, 0x80, 0, BUFFER } },
	{ "REP INSB, 3", 2, { 0xf3, 0x6c }, STEPS(3), { 0, 3, 0x80, 0, BUFFER } },
	{ "REP INSB, 0", 2, { 0xf3, 0x6c }, STEPS(1), { 0, 0, 0x80, 0, BUFFER } },
	{ "OUTSB", 1, { 0x6e }, STEPS(1), { 0, 0, 0x80, BUFFER, 0 } },
	{ "REP OUTSB, 3", 2, { 0xf3, 0x6e }, STEPS(3), { 0, 3, 0x80, BUFFER, 0 } },
	{ "REP OUTSB, 1", 2, { 0xf3, 0x6e }, STEPS(1), { 0, 1, 0x80, BUFFER, 0 } },
	{ "REP OUTSB, 0", 2, { 0xf3, 0x6e }, STEPS(1), { 0, 0, 0x80, BUFFER, 0 } },
	{ "MMIO: load", 2, { 0x8b, 0x06 }, STEPS(1), { 0, 0, 0, LAPIC + LAPIC_TPR, 0 } },
	{ "MMIO: store", 2, { 0x89, 0x06 }, STEPS(1), { 0, 0, 0, LAPIC + LAPIC_TPR, 0 } },
	{ "MMIO: OR", 2, { 0x09, 0x06 }, STEPS(1), { 0, 0, 0, LAPIC + LAPIC_TPR, 0 } },
	{ "MMIO: XCHG", 2, { 0x87, 0x06 }, STEPS(1), { 0, 0, 0, LAPIC + LAPIC_TPR, 0 } },
	{ "MMIO: LODSL", 1, { 0xad }, STEPS(1), { 0, 0, 0, LAPIC + LAPIC_TPR, 0 } },
	{ "MMIO: REP MOVSL, 3", 2, { 0xf3, 0xa5 }, STEPS(3),
	  { 0, 3, 0, LAPIC + LAPIC_TPR, BUFFER } },
	{ "MMIO: REP STOSL, 2", 2, { 0xf3, 0xab }, STEPS(2), { 0, 2, 0, 0, LAPIC + LAPIC_TPR } },
	{ "REP MOVSB, 3", 2, { 0xf3, 0xa4 }, STEPS(3), { 0, 3, 0, BUFFER, BUFFER + 16 } },
	{ "MOV from CR0", 3, { 0x0f, 0x20, 0xc0 }, STEPS(1), { 0 } },
	{ "MOV to CR0", 3, { 0x0f, 0x22, 0xc0 }, STEPS(1), { 0x80010033, 0, 0, 0, 0 } },
	{ "MOV to CR4", 3, { 0x0f, 0x22, 0xe0 }, STEPS(1), { 0x620, 0, 0, 0, 0 } },
	{ "MOV from CR8", 4, { 0x44, 0x0f, 0x20, 0xc0 }, STEPS(1), { 0 } },
	{ "MOV to CR8", 4, { 0x44, 0x0f, 0x22, 0xc0 }, STEPS(1), { 0 } },
	{ "CLTS", 2, { 0x0f, 0x06 }, STEPS(1), { 0 } },
	{ "SMSW", 3, { 0x0f, 0x01, 0xe0 }, STEPS(1), { 0 } },
	{ "LMSW", 3, { 0x0f, 0x01, 0xf0 }, STEPS(1), { 0x33, 0, 0, 0, 0 } },
	{ "WBINVD", 2, { 0x0f, 0x09 }, STEPS(1), { 0 } },
	{ "INVLPG", 3, { 0x0f, 0x01, 0x3e }, STEPS(1), { 0, 0, 0, BUFFER, 0 } },
	{ "MOV from DR7", 3, { 0x0f, 0x21, 0xf8 }, STEPS(1), { 0 } },
	{ "MOV to DR7", 3, { 0x0f, 0x23, 0xf8 }, STEPS(1), { 0x400, 0, 0, 0, 0 } },
	{ "MOV to DR0", 3, { 0x0f, 0x23, 0xc0 }, STEPS(1), { 0x1234, 0, 0, 0, 0 } },
	{ "XGETBV", 3, { 0x0f, 0x01, 0xd0 }, 1, XSAVE, { 0 } },
	{ "XSETBV", 3, { 0x0f, 0x01, 0xd1 }, 1, XSAVE, { 3, 0, 0, 0, 0 } },
	{ "VMMCALL", 3, { 0x0f, 0x01, 0xd9 }, 1, PLINTH, { 0 } },
	{ "VMCALL", 3, { 0x0f, 0x01, 0xc1 }, 1, PLINTH, { 0 } },
	{ "CLI", 1, { 0xfa }, STEPS(1), { 0 } },
	{ "PUSHF and POP", 2, { 0x9c, 0x58 }, STEPS(2), { 0 } },
};

/* pushf; orq $TF, (%rsp); popf */
static const u8 set_tf[] = { 0x9c, 0x48, 0x81, 0x0c, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9d };

static u8 code[PAGE] __attribute__((aligned(4096)));
static u64 start, end, last_rip, last_flags;
static unsigned nr_steps;
static bool bs_always;

static u64 take_dr6(void)
{
	u64 v;

	__asm__ volatile("mov %%dr6, %0; mov %1, %%dr6" : "=&r"(v) : "r"(DR6_FIXED));
	return v;
}

static void on_db(struct frame *f)
{
	nr_steps++;
	last_rip = f->rip;
	last_flags = f->rflags;
	bs_always &= take_dr6() == (DR6_FIXED | DR6_BS);
	if (f->rip < start || f->rip >= end || nr_steps == 20)
		f->rflags &= ~TF;
}

static void call(void *regs)
{
	struct regs r = *(struct regs *)regs;

	__asm__ volatile("push %%rbx; call *%5; pop %%rbx"
			 : "+a"(r.rax), "+c"(r.rcx), "+d"(r.rdx), "+S"(r.rsi), "+D"(r.rdi)
			 : "r"(code) : "memory", "cc", "r8", "r9", "r10", "r11");
}

/* TF set, the instruction, RET. */
static u64 steps_over(const u8 *insn, unsigned n, const struct regs *regs)
{
	struct regs r = *regs;

	memset(code, 0xcc, sizeof(code));
	memcpy(code, set_tf, sizeof(set_tf));
	memcpy(code + sizeof(set_tf), insn, n);
	code[sizeof(set_tf) + n] = 0xc3;
	start = (u64)code + sizeof(set_tf);
	end = start + n;
	nr_steps = 0;
	last_rip = 0;
	bs_always = true;
	take_dr6();
	if (guest_try(call, &r))
		return trap.vector << 32 | (u64)nr_steps << 8;
	return (u64)nr_steps << 8 | ((last_rip - start) & 0xff);
}

static void check_steps(void)
{
	bool xsave = cpuid(1, 0).ecx >> 26 & 1;

	if (xsave)
		WRITE_CR(4, READ_CR(4) | CR4_OSXSAVE);
	for (unsigned i = 0; i < COUNT(insns); i++) {
		const struct insn *insn = &insns[i];
		u64 value;

		if ((insn->needs & PLINTH) && !under_plinth()) {
			skip(insn->name, "not under Plinth");
			continue;
		}
		if ((insn->needs & XSAVE) && !xsave) {
			skip(insn->name, "no XSAVE");
			continue;
		}
		if (xsave)
			WRITE_CR(4, READ_CR(4) | CR4_OSXSAVE);
		value = steps_over(insn->code, insn->n, &insn->regs);
		check(insn->name, value | (u64)!bs_always << 63, (u64)insn->steps << 8 | insn->n);
	}
}

/* ---- what a #DB's frame holds, and RF ---- */

static u64 fault_flags;

static void keep_flags_and_skip(struct frame *f)
{
	fault_flags = f->rflags;
	f->rip += 2;
	f->rflags &= ~TF;
}

/* UD2 with TF: the fault comes, no step; its frame has TF. RF should be set in it (SDM vol. 3B,
 * "Instruction-Breakpoint Exception Condition"), but QEMU 7.2 leaves it clear. */
static void check_fault_with_tf(void)
{
	static const u8 ud2[] = { 0x0f, 0x0b };
	static const struct regs none;

	set_handler(UD, keep_flags_and_skip);
	check("UD2 with TF: no step", steps_over(ud2, sizeof(ud2), &none), 0xff & -start);
	check("UD2 with TF: TF in the frame", fault_flags & TF, TF);
	tell("UD2 with TF: RF in the frame", fault_flags & RF);
	__asm__ volatile("ud2");
	tell("UD2: RF in the frame", fault_flags & RF);
	set_handler(UD, NULL);
}

static void int3_flags(struct frame *f)
{
	fault_flags = f->rflags;
}

static void check_trap_frames(void)
{
	static const u8 int3[] = { 0xcc }, nops[] = { 0x90, 0x90, 0x90 };
	static const struct regs none;

	set_handler(BP, int3_flags);
	__asm__ volatile("int3");
	check("INT3: no RF in the frame", fault_flags & RF, 0);
	/* INT3 is a trap; TF is clear in its handler and set again by IRET, so that the instruction
	 * behind it is stepped. */
	steps_over(int3, sizeof(int3), &none);
	check("INT3 with TF: TF in the frame", fault_flags & TF, TF);
	set_handler(BP, NULL);
	steps_over(nops, sizeof(nops), &none);
	check("steps: no RF in the frame", last_flags & (TF | RF), TF);
}

/* ---- interrupt shadows with TF ---- */

/* mov %ss, %eax; mov %eax, %ss; INSN: no #DB should come between MOV SS and INSN (SDM vol. 3A,
 * "Masking Exceptions and Interrupts When Switching Stacks"); QEMU 7.2 has one there. */
static void check_mov_ss(void)
{
	static const u8 nop[] = { 0x8c, 0xd0, 0x8e, 0xd0, 0x90, 0x90 };
	static const u8 cpuid_[] = { 0x8c, 0xd0, 0x8e, 0xd0, 0x0f, 0xa2 };
	static const struct regs none;

	tell("MOV SS; NOP; NOP", steps_over(nop, sizeof(nop), &none));
	tell("MOV SS; CPUID", steps_over(cpuid_, sizeof(cpuid_), &none));
}

/* ---- HLT ---- */

static volatile unsigned ticks;

static void on_timer(struct frame *f)
{
	ticks++;
	lapic_write(LAPIC_EOI, 0);
}

/* HLT with TF: the #DB behind it ends the halt (SDM vol. 2A, "HLT"), no interrupt is needed. PAUSE
 * is in no list here: in QEMU 7.2 its #DB comes some instructions late. */
static void check_hlt(void)
{
	static const u8 hlt[] = { 0xf4 };
	static const struct regs none;

	set_handler(TIMER_VECTOR, on_timer);
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TDCR, 0xb);
	lapic_write(LAPIC_LVTT, TIMER_VECTOR);
	lapic_write(LAPIC_TMICT, 500000000);	/* on a busy machine, too, later */
	sti();
	tell("HLT", steps_over(hlt, sizeof(hlt), &none));
	tell("HLT: timer interrupts first", ticks);
	cli();
	lapic_write(LAPIC_TMICT, 0);
}

/* ---- debug registers ---- */

#define READ_DR(n) ({ u64 v_; __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v_)); v_; })
#define WRITE_DR(n, v) __asm__ volatile("mov %0, %%dr" #n :: "r"((u64)(v)))

static void write_dr6_high(void *arg) { WRITE_DR(6, 1ul << 32); }
static void write_dr7_high(void *arg) { WRITE_DR(7, 1ul << 32 | 0x400); }
static void read_dr4(void *arg) { __asm__ volatile("mov %%dr4, %%rax" ::: "rax"); }
static void read_dr5(void *arg) { __asm__ volatile("mov %%dr5, %%rax" ::: "rax"); }
static void write_dr4(void *arg) { __asm__ volatile("mov %0, %%dr4" :: "r"(DR6_FIXED)); }

static void read_dr0(void *arg) { (void)READ_DR(0); }
static void write_dr3(void *arg) { WRITE_DR(3, 0); }
static void read_dr6(void *arg) { (void)READ_DR(6); }
static void read_dr7(void *arg) { (void)READ_DR(7); }

static void check_registers(void)
{
	set_handler(DB, NULL);
	WRITE_DR(0, 0x123456789abcdef0);
	WRITE_DR(1, 0xffff800000001000);
	WRITE_DR(2, 2);
	WRITE_DR(3, 3);
	cpuid(0, 0);
	inb(0x80);
	check("DR0 kept over exits", READ_DR(0), 0x123456789abcdef0);
	check("DR1 kept over exits", READ_DR(1), 0xffff800000001000);
	check("DR2 kept over exits", READ_DR(2), 2);
	check("DR3 kept over exits", READ_DR(3), 3);
	WRITE_DR(6, 0xffffffff);
	check("DR6: ones", READ_DR(6) & 0xffff0ff0, 0xffff0ff0);
	/* Bit 12 is reserved and zero; QEMU 7.2 keeps it. */
	tell("DR6: bit 12", READ_DR(6) & 0x1000);
	WRITE_DR(6, 0);
	check("DR6: fixed bits", READ_DR(6) & 0xffff1ff0, 0xffff0ff0);
	WRITE_DR(6, DR6_FIXED);
	WRITE_DR(7, 0);
	check("DR7: bit 10 is one", READ_DR(7), DR7_FIXED);
	WRITE_DR(7, 0xd300);
	tell("DR7: bits 12, 14 and 15", READ_DR(7));
	WRITE_DR(7, DR7_FIXED);
	check_trap("DR6: bit 32", write_dr6_high, NULL, GP, 0);
	check_trap("DR7: bit 32", write_dr7_high, NULL, GP, 0);
	WRITE_DR(6, DR6_FIXED);
	WRITE_DR(7, DR7_FIXED);
}

static void check_aliases(void)
{
	check("DR4 is DR6", guest_try(read_dr4, NULL), 0);
	check("DR5 is DR7", guest_try(read_dr5, NULL), 0);
	WRITE_CR(4, READ_CR(4) | CR4_DE);
	check_trap("DE: DR4", read_dr4, NULL, UD, 0);
	check_trap("DE: DR5", read_dr5, NULL, UD, 0);
	check_trap("DE: write of DR4", write_dr4, NULL, UD, 0);
	WRITE_CR(4, READ_CR(4) & ~CR4_DE);
}

static void user_dr7(void *arg)
{
	static const u8 read[] = { 0x0f, 0x21, 0xf8 };

	guest_user(user_code(read, sizeof(read)), USER_STACK, 2, 0);
}

static void icebp(void *arg) { __asm__ volatile(".byte 0xf1"); }
static void int_1(void *arg) { __asm__ volatile("int $1"); }

/* Any access to a debug register is a #DB, a fault, with DR6.BD; GD is clear in its handler. */
static void check_general_detect(void)
{
	static void (*const access[])(void *) = { read_dr0, write_dr3, read_dr6, read_dr7 };
	u64 good = 0;

	for (unsigned i = 0; i < COUNT(access); i++) {
		take_dr6();
		WRITE_DR(7, DR7_FIXED | DR7_GD);
		good |= (u64)(guest_try(access[i], NULL) && trap.vector == DB) << i * 4;
		good |= (u64)(take_dr6() == (DR6_FIXED | DR6_BD)) << (i * 4 + 1);
		good |= (u64)(READ_DR(7) == DR7_FIXED) << (i * 4 + 2);
		WRITE_DR(7, DR7_FIXED);
	}
	tell("general detect", good);
}

static void check_software(void)
{
	check_trap("CPL 3: MOV from DR7", user_dr7, NULL, GP, 0);
	take_dr6();
	check_trap("INT 1", int_1, NULL, DB, 0);
	check("INT 1: RIP is behind", *(u16 *)(trap.rip - 2), 0x01cd);
	check("INT 1: DR6 stays", take_dr6(), DR6_FIXED);
	/* QEMU 7.2 has no INT1: #UD. */
	guest_try(icebp, NULL);
	tell("INT1 (ICEBP)", trap.vector);
	check("INT1 (ICEBP): DR6 stays", take_dr6(), DR6_FIXED);
}

void guest_main(u32 magic, u32 info)
{
	set_handler(DB, on_db);
	check_steps();
	check_fault_with_tf();
	check_trap_frames();
	check_mov_ss();
	check_hlt();
	check_registers();
	check_aliases();
	check_general_detect();
	check_software();
}
