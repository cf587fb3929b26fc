/* SPDX-License-Identifier: MIT */
/*
 * arch/x86/vmx/run.c and state.c, with a VMCS that is an array and counts its accesses (tests/host/fake).
 * What the CPU would leave there is typed by hand: SDM vol. 3C, "Basic VM-Exit Information", "Information
 * for VM Exits Due to Vectored Events", "Information About NMI Unblocking Due to IRET"; "VM-Entry
 * Controls for Event Injection"; vol. 3D, appendices B "Field Encoding in VMCS" and C "VMX Basic Exit
 * Reasons". Numbers are the manual's, so that a wrong constant of include/x86/vmx.h shows too.
 */
/* First, as they are: their names don't know those of the vCPU below. */
#include "arch/x86/vmx/run.c"
#include "arch/x86/vmx/state.c"

static bool explained;	/* the rules were asked which of them is broken */

void vmx_explain_failure(struct vcpu *who)
{
	explained = true;
	who->exit.entry_failed.rule = who->exit.entry_failed.field = NULL;
}

void vmx_bound_run(void) { }
void vmx_program(struct vcpu *who) { }
#include "vcpu/exits.h"

#include "tests/host/fake_vcpu.c"

/* Appendix B. */
enum {
	F_ES_SELECTOR = 0x0800,
	F_PAT = 0x2804, F_EFER = 0x2806, F_PDPTE0 = 0x280a, F_PDPTE3 = 0x2810, F_PHYSICAL = 0x2400,
	F_DEBUGCTL = 0x2802,
	F_ENTRY_CONTROLS = 0x4012, F_ENTRY_INFO = 0x4016, F_ENTRY_ERROR = 0x4018, F_ENTRY_LENGTH = 0x401a,
	F_INSTRUCTION_ERROR = 0x4400, F_REASON = 0x4402, F_INFO = 0x4404, F_ERROR = 0x4406,
	F_IDT_INFO = 0x4408, F_IDT_ERROR = 0x440a, F_LENGTH = 0x440c,
	F_ES_LIMIT = 0x4800, F_ES_RIGHTS = 0x4814, F_CS_RIGHTS = 0x4816,
	F_SS_RIGHTS = 0x4818, F_INTERRUPTIBILITY = 0x4824,
	F_CR0_SHADOW = 0x6004, F_CR4_SHADOW = 0x6006, F_QUALIFICATION = 0x6400,
	F_CR0 = 0x6800, F_CR4 = 0x6804, F_ES_BASE = 0x6806, F_CS_BASE = 0x6808,
	F_DR7 = 0x681a, F_RIP = 0x681e, F_RFLAGS = 0x6820, F_PENDING_DEBUG = 0x6822,
};

struct vmx_caps vmx_caps;
struct backend_caps vmx_backend_caps;

/* What the next exit leaves in the VMCS. */
static struct {
	u32 reason, length, info, error, idt_info, idt_error, blocking;
	u64 qualification, physical, rip, rflags;
} cpu;
static u64 entry_fails;
static unsigned entries, resumes;
static struct vmx_block hw;

u64 vmx_enter(u64 gpr[NR_GPRS], bool launched, u64 *host_rsp)
{
	assert_ptr_equal(gpr, v->gpr);
	entries++;
	resumes += launched;
	if (entry_fails)
		return entry_fails;
	vmcs[F_REASON] = cpu.reason;
	vmcs[F_LENGTH] = cpu.length;
	vmcs[F_INFO] = cpu.info;
	vmcs[F_ERROR] = cpu.error;
	vmcs[F_IDT_INFO] = cpu.idt_info;
	vmcs[F_IDT_ERROR] = cpu.idt_error;
	vmcs[F_QUALIFICATION] = cpu.qualification;
	vmcs[F_PHYSICAL] = cpu.physical;
	vmcs[F_INTERRUPTIBILITY] = cpu.blocking;
	vmcs[F_RIP] = cpu.rip;
	vmcs[F_RFLAGS] = cpu.rflags;
	return 0;
}

static bool is_injecting_vmx(const struct vcpu *who)
{
	return hw.injecting;
}

static const struct vcpu_backend vmx = {
	.name = "VMX", .caps = &vmx_backend_caps, .run = vmx_run, .load = vmx_load,
	.exit_fill = vmx_exit_fill, .inject = vmx_inject, .is_injecting = is_injecting_vmx,
};

static void forget_counts(void)
{
	vmcs_reads = vmcs_writes = 0;
	memset(reads_of, 0, sizeof(reads_of));
	memset(writes_of, 0, sizeof(writes_of));
}

/* 64-bit code at CPL 0 has run once and left for CPUID. Controls: all that the manual allows of what is
 * used, IA32_VMX_CR0_FIXED0 and the like as a CPU with EPT and unrestricted guests has them. */
static int setup(void **state)
{
	fake_setup(state);
	vmx_caps = (struct vmx_caps){
		.control[VMX_SECONDARY].may = 0xa2,
		.cr0_fixed0 = 0x80000021, .cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = 0x2000, .cr4_fixed1 = 0x003767ff,
	};
	vmx_backend_caps = (struct backend_caps){ .nested_paging = true, .nrip = true, .shadow_load = true,
						  .vnmi = true, .cr4_kept = ~VMX_CR4_GUESTS };
	hw = (struct vmx_block){
		.secondary = 0xa2,	/* EPT, VPID, unrestricted guest */
		.entry = 0xc004,	/* debug controls, PAT, EFER */
		.cr0_guest = VMX_CR0_GUESTS, .cr4_guest = VMX_CR4_GUESTS,
	};
	memset(vmcs, 0, sizeof(vmcs));
	memset(&cpu, 0, sizeof(cpu));
	entry_fails = entries = resumes = cpu_nmis = 0;
	cpu.reason = 10;
	cpu.length = 2;
	cpu.rip = 0x1000;
	cpu.rflags = 0x202;
	block.seg[SEG_SS].attr = 0xc093;
	vm.backend = v->backend = &vmx;
	*v->cur = block;
	v->cur->hw = &hw;
	v->cur->available = v->cur->dirty = CTX_ALL;
	vmx_run(v);
	forget_counts();
	return 0;
}

#define VTEST(name) cmocka_unit_test_setup_teardown(name, setup, fake_teardown)

/* --- Counts --- */

static unsigned accesses(void)
{
	return vmcs_reads + vmcs_writes;
}

/* A CPUID exit, its handler, and the entry after it: 6 VMREADs and VMWRITEs at most, whatever leaf. */
static void test_cpuid_count(void **state)
{
	static const u32 leaves[] = { 0, 1, 2, 4, 7, 0xb, 0xd, 0x40000000, 0x80000000, 0x80000001,
				      0x80000008, 0x12345678 };

	for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
		assert_int_equal(v->exit.kind, EXIT_CPUID);
		v->gpr[GPR_RAX] = leaves[i];
		v->gpr[GPR_RCX] = 0;
		assert_int_equal(exit_dispatch(v), HANDLED_RESUME);
		assert_int_equal(v->cur->dirty, CTX_IP);
		vmcs[F_RIP] = 0;
		vmx_run(v);
		assert_int_equal(writes_of[F_RIP], 1);
		assert_in_range(accesses(), 1, 6);
		forget_counts();
	}
	assert_int_equal(resumes, entries - 1);
}

/* The same for other exits that come often: counted, so that a change shows. */
static void test_other_counts(void **state)
{
	static const struct { u32 reason; unsigned accesses; } rows[] = {
		{ 1, 4 },	/* external interrupt: RIP, RFLAGS, interruptibility, reason */
		{ 7, 4 },	/* interrupt window */
		{ 12, 5 },	/* HLT: the length too */
		{ 30, 6 },	/* I/O: the qualification too */
		{ 31, 5 }, { 32, 5 },	/* RDMSR, WRMSR */
		{ 48, 7 },	/* EPT violation: qualification, address, IDT-vectoring information */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		cpu.reason = rows[i].reason;
		vmx_run(v);
		assert_int_equal(accesses(), rows[i].accesses);
		forget_counts();
	}
}

/* What isn't dirty is not written, what isn't asked for not read. */
static void test_groups_alone(void **state)
{
	static const struct { u32 group; unsigned reads, writes; } rows[] = {
		{ CTX_IP, 0, 1 }, { CTX_SP, 1, 1 }, { CTX_CS_SS, 8, 8 }, { CTX_SEGS, 24, 24 },
		{ CTX_TABLES, 4, 4 }, { CTX_CR0_CR4, 2, 4 }, { CTX_CR2, 0, 0 }, { CTX_CR3, 1, 1 },
		{ CTX_EFER, 0, 1 }, { CTX_PAT, 0, 1 }, { CTX_DR, 1, 1 }, { CTX_PDPTR, 4, 0 },
		{ CTX_SYSENTER, 3, 3 }, { CTX_LOADSAVE, 0, 0 }, { CTX_DEBUGCTL, 0, 1 },
		{ CTX_FLAGS, 0, 1 }, { CTX_BLOCK, 0, 2 }, { CTX_CODE, 1, 0 }, { CTX_CPL, 1, 0 },
	};
	u32 all = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		forget_counts();
		ctx_need(v, rows[i].group);
		ctx_need(v, rows[i].group);
		assert_int_equal(vmcs_reads, rows[i].reads);
		ctx_dirty(v, rows[i].group);
		vmx_store(v);
		assert_int_equal(vmcs_writes, rows[i].writes);
		vmx_store(v);
		assert_int_equal(vmcs_writes, rows[i].writes);
		all |= rows[i].group;
	}
	assert_int_equal(all, CTX_ALL);
}

/* --- Exits --- */

/* Appendix C: each reason's kind, and whether the manual lists it among those with a VM-exit instruction
 * length ("Information for VM Exits Due to Instruction Execution"). Reason 0 and those that fail
 * entries have tests of their own. */
static void test_reasons(void **state)
{
	static const struct { u32 reason; u8 kind; bool length; } rows[] = {
		{ 1, EXIT_EXTINT }, { 2, EXIT_TRIPLE_FAULT }, { 3, EXIT_INIT }, { 4, EXIT_SIPI },
		{ 5, EXIT_SMI }, { 6, EXIT_SMI }, { 7, EXIT_INTR_WINDOW }, { 8, EXIT_NMI_WINDOW },
		{ 9, EXIT_TASK_SWITCH }, { 10, EXIT_CPUID, true }, { 11, EXIT_VMX_INSN, true },
		{ 12, EXIT_HLT, true }, { 13, EXIT_INVD, true }, { 14, EXIT_INVLPG, true },
		{ 15, EXIT_RDPMC, true }, { 16, EXIT_RDTSC, true }, { 17, EXIT_RSM, true },
		{ 18, EXIT_VMCALL, true }, { 19, EXIT_VMX_INSN, true }, { 20, EXIT_VMX_INSN, true },
		{ 21, EXIT_VMX_INSN, true }, { 22, EXIT_VMX_INSN, true }, { 23, EXIT_VMX_INSN, true },
		{ 24, EXIT_VMX_INSN, true }, { 25, EXIT_VMX_INSN, true }, { 26, EXIT_VMX_INSN, true },
		{ 27, EXIT_VMX_INSN, true }, { 28, EXIT_CR_WRITE, true }, { 29, EXIT_DR_ACCESS, true },
		{ 30, EXIT_IO, true }, { 31, EXIT_MSR, true }, { 32, EXIT_MSR, true }, { 35, EXIT_UNKNOWN },
		{ 36, EXIT_MWAIT, true }, { 37, EXIT_STEP }, { 38, EXIT_UNKNOWN }, { 39, EXIT_MONITOR, true },
		{ 40, EXIT_PAUSE, true }, { 42, EXIT_UNKNOWN }, { 43, EXIT_TPR_BELOW },
		{ 44, EXIT_UNKNOWN }, { 45, EXIT_UNKNOWN }, { 46, EXIT_DESC_TABLE, true },
		{ 47, EXIT_DESC_TABLE, true }, { 48, EXIT_STAGE2 }, { 49, EXIT_UNKNOWN },
		{ 50, EXIT_VMX_INSN, true }, { 51, EXIT_RDTSCP, true }, { 52, EXIT_EXTINT },
		{ 53, EXIT_VMX_INSN, true }, { 54, EXIT_WBINVD, true }, { 55, EXIT_XSETBV, true },
		{ 56, EXIT_UNKNOWN }, { 57, EXIT_UNKNOWN }, { 58, EXIT_INVPCID, true },
		{ 59, EXIT_VMX_INSN, true }, { 60, EXIT_UNKNOWN }, { 61, EXIT_UNKNOWN }, { 62, EXIT_UNKNOWN },
		{ 63, EXIT_UNKNOWN }, { 64, EXIT_UNKNOWN }, { 65, EXIT_UNKNOWN }, { 66, EXIT_UNKNOWN },
		{ 67, EXIT_UNKNOWN }, { 200, EXIT_UNKNOWN }, { 0xffff, EXIT_UNKNOWN },
	};

	cpu.length = 5;
	cpu.rip = 0xfffff000;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		/* Bits above 15 tell of enclaves, SMM, the root; they change no kind. */
		cpu.reason = rows[i].reason | (i % 2 ? 1u << 27 : 0);
		cpu.qualification = 0x1204;
		cpu.physical = 0x56789000;
		vmx_run(v);
		if (v->exit.kind != rows[i].kind)
			fail_msg("reason %u: kind %u", rows[i].reason, v->exit.kind);
		assert_int_equal(v->exit.raw, cpu.reason);
		assert_int_equal(v->exit.nr_insn_bytes, 0);
		assert_int_equal(!!(v->exit.have & EXIT_LENGTH), rows[i].length);
		if (rows[i].length) {
			assert_int_equal(v->exit.insn_len, 5);
			assert_true(v->exit.rip_next == 0xfffff005);
		}
		if (rows[i].kind == EXIT_UNKNOWN) {
			assert_true(v->exit.unknown.info[0] == 0x1204);
			assert_true(v->exit.unknown.info[1] == 0x56789000);
		}
	}
}

static void leave_with(u32 reason, u64 qualification)
{
	cpu.reason = reason;
	cpu.qualification = qualification;
	vmx_run(v);
}

/* Table "Exit Qualification for Control-Register Accesses": number 3:0, type 5:4, GPR 11:8. */
static void test_cr(void **state)
{
	static const struct { u32 q; u8 kind, index, gpr; bool read, operand; } rows[] = {
		{ 0x000, EXIT_CR_WRITE, 0, GPR_RAX, false, true },	/* MOV CR0, RAX */
		{ 0x303, EXIT_CR_WRITE, 3, GPR_RBX, false, true },	/* MOV CR3, RBX */
		{ 0xf04, EXIT_CR_WRITE, 4, GPR_R15, false, true },
		{ 0xa18, EXIT_CR_READ, 8, GPR_R10, true, true },	/* MOV R10, CR8 */
		{ 0x413, EXIT_CR_READ, 3, GPR_RSP, true, true },
		{ 0x020, EXIT_CLTS, 0, 0, false, false },
		{ 0x1230030, EXIT_LMSW, 0, 0, false, false },		/* of a register: 123H */
		{ 0x0010070, EXIT_LMSW, 0, 0, false, false },		/* of memory: bit 6 */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		leave_with(28, rows[i].q);
		assert_int_equal(v->exit.kind, rows[i].kind);
		assert_int_equal(v->exit.cr.index, rows[i].index);
		assert_int_equal(v->exit.cr.gpr, rows[i].gpr);
		assert_int_equal(v->exit.cr.read, rows[i].read);
		assert_int_equal(!!(v->exit.have & EXIT_OPERAND), rows[i].operand);
		assert_true(v->exit.have & EXIT_LENGTH);
	}
}

/* Table "Exit Qualification for MOV DR": number 2:0, direction bit 4, GPR 11:8. */
static void test_dr(void **state)
{
	static const struct { u32 q; u8 index, gpr; bool read; } rows[] = {
		{ 0x007, 7, GPR_RAX, false }, { 0x116, 6, GPR_RCX, true }, { 0xe10, 0, GPR_R14, true },
		{ 0x503, 3, GPR_RBP, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		leave_with(29, rows[i].q);
		assert_int_equal(v->exit.kind, EXIT_DR_ACCESS);
		assert_int_equal(v->exit.cr.index, rows[i].index);
		assert_int_equal(v->exit.cr.gpr, rows[i].gpr);
		assert_int_equal(v->exit.cr.read, rows[i].read);
		assert_true(v->exit.have & EXIT_OPERAND);
	}
}

/* Table "Exit Qualification for I/O Instructions": size 2:0 (0, 1, 3), IN bit 3, string 4, REP 5,
 * immediate 6, port 31:16. */
static void test_io(void **state)
{
	static const struct { u32 q; u16 port; u8 size; bool in, string, rep; } rows[] = {
		{ 0x00800040, 0x80, 1, false, false, false },	/* OUT 80H, AL */
		{ 0x03f80009, 0x3f8, 2, true, false, false },	/* IN AX, DX */
		{ 0x0cfc000b, 0xcfc, 4, true, false, false },
		{ 0xffff0033, 0xffff, 4, false, true, true },	/* REP OUTSD */
		{ 0x01f00018, 0x1f0, 1, true, true, false },	/* INSB */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		leave_with(30, rows[i].q);
		assert_int_equal(v->exit.io.port, rows[i].port);
		assert_int_equal(v->exit.io.size, rows[i].size);
		assert_int_equal(v->exit.io.in, rows[i].in);
		assert_int_equal(v->exit.io.string, rows[i].string);
		assert_int_equal(v->exit.io.rep, rows[i].rep);
	}
}

static void test_msr(void **state)
{
	v->gpr[GPR_RCX] = 0x12345678c0000080;
	leave_with(31, 0);
	assert_int_equal(v->exit.msr.index, 0xc0000080);
	assert_false(v->exit.msr.write);
	leave_with(32, 0);
	assert_int_equal(v->exit.msr.index, 0xc0000080);
	assert_true(v->exit.msr.write);
}

/* Table "Exit Qualification for Task Switch": selector 15:0, source 31:30 (CALL, IRET, JMP, gate). */
static void test_task_switch(void **state)
{
	static const struct { u32 q; u16 selector; u8 source; } rows[] = {
		{ 0x00000028, 0x28, TASK_CALL }, { 0x40000030, 0x30, TASK_IRET },
		{ 0x8000fff8, 0xfff8, TASK_JMP }, { 0xc0000040, 0x40, TASK_GATE },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		leave_with(9, rows[i].q);
		assert_int_equal(v->exit.kind, EXIT_TASK_SWITCH);
		assert_int_equal(v->exit.task.selector, rows[i].selector);
		assert_int_equal(v->exit.task.source, rows[i].source);
		assert_int_equal(v->interrupted.type, EVENT_NONE);
	}
	/* A gate met by the delivery of a #GP. */
	cpu.idt_info = 0x80000b0d;
	cpu.idt_error = 0x50;
	leave_with(9, 0xc0000040);
	assert_int_equal(v->interrupted.type, EVENT_EXCEPTION);
	assert_int_equal(v->interrupted.vector, 13);
	assert_true(v->interrupted.has_error && v->interrupted.error == 0x50);
}

/* Table "Exit Qualification for EPT Violations": read 0, write 1, fetch 2, linear address valid 7, of
 * the access itself and not of the guest's tables 8. */
static void test_ept_violation(void **state)
{
	static const struct { u32 q; u32 access; u8 cpl; bool final; } rows[] = {
		{ 0x181, 0, 0, true }, { 0x182, ACCESS_WRITE, 0, true }, { 0x183, ACCESS_WRITE, 3, true },
		{ 0x184, ACCESS_FETCH, 0, true }, { 0x184, ACCESS_FETCH | ACCESS_USER, 3, true },
		{ 0x081, 0, 0, false }, { 0x083, ACCESS_WRITE, 0, false },
		{ 0x001, 0, 0, false },		/* no linear address: PDPTEs */
		{ 0x101, 0, 0, false },		/* then bit 8 means nothing */
		{ 0x1b9, 0, 0, true },		/* bits 5:3: what the tables allow */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		vmcs[F_SS_RIGHTS] = 0xc093 | rows[i].cpl << 5;
		cpu.physical = 0xffffabcd0ull + i;
		leave_with(48, rows[i].q);
		assert_int_equal(v->exit.kind, EXIT_STAGE2);
		assert_true(v->exit.stage2.address == cpu.physical);
		assert_int_equal(v->exit.stage2.access, rows[i].access);
		assert_int_equal(v->exit.stage2.final, rows[i].final);
		assert_false(v->exit.stage2.is_operand);
		assert_int_equal(v->interrupted.type, EVENT_NONE);
		assert_false(v->cur->block.nmi);
	}
}

/* --- Events that exits tell of --- */

struct told {
	u32 info, error, length;
	u64 qualification;
	u8 kind, type, vector, insn_len;
	bool has_error;
	u64 payload;
};

/* Table "Format of the VM-Exit Interruption-Information Field": vector 7:0, type 10:8 (0 external,
 * 2 NMI, 3 hardware exception, 5 INT1, 6 INT3 and INTO), error code 11, NMI unblocking 12, valid 31. */
static void test_exceptions(void **state)
{
	static const struct told rows[] = {
		{ 0x80000300, 0, 0, 0, EXIT_EXCEPTION, EVENT_EXCEPTION, 0 },			/* #DE */
		{ 0x80000306, 0, 0, 0, EXIT_EXCEPTION, EVENT_EXCEPTION, 6 },			/* #UD */
		{ 0x80000312, 0, 0, 0, EXIT_EXCEPTION, EVENT_EXCEPTION, 18 },			/* #MC */
		{ 0x80000b0d, 0x28, 0, 7, EXIT_EXCEPTION, EVENT_EXCEPTION, 13, 0, true },
		{ 0x80000b0c, 0xffff, 0, 0, EXIT_EXCEPTION, EVENT_EXCEPTION, 12, 0, true },
		{ 0x80000b11, 0, 0, 0, EXIT_EXCEPTION, EVENT_EXCEPTION, 17, 0, true },		/* #AC */
		{ 0x80000b08, 0, 0, 0, EXIT_EXCEPTION, EVENT_EXCEPTION, 8, 0, true },		/* #DF */
		/* In real mode there is no error code. */
		{ 0x8000030d, 0x999, 0, 0, EXIT_EXCEPTION, EVENT_EXCEPTION, 13 },
		/* #PF: the qualification is the linear address. */
		{ 0x80000b0e, 0x17, 0, 0xffff800012345678, EXIT_PAGE_FAULT, EVENT_EXCEPTION, 14, 0, true,
		  0xffff800012345678 },
		/* #DB: B0-B3, BD and BS as they will be in DR6; bits 63:15 and 12:4 are none of them. */
		{ 0x80000301, 0, 0, 0x4001, EXIT_EXCEPTION, EVENT_EXCEPTION, 1, 0, false, 0x4001 },
		{ 0x80000301, 0, 0, 0x1200a, EXIT_EXCEPTION, EVENT_EXCEPTION, 1, 0, false, 0x200a },
		/* INT1 is a #DB that DR6 says nothing of. INT3, INTO: with the length. */
		{ 0x80000501, 0, 1, 0, EXIT_EXCEPTION, EVENT_PRIV_SOFT_EXC, 1, 1 },
		{ 0x80000603, 0, 1, 0, EXIT_EXCEPTION, EVENT_SOFT_EXC, 3, 1 },
		{ 0x80000603, 0, 3, 0, EXIT_EXCEPTION, EVENT_SOFT_EXC, 3, 3 },	/* with prefixes */
		{ 0x80000604, 0, 1, 0, EXIT_EXCEPTION, EVENT_SOFT_EXC, 4, 1 },
	};

	cpu.rip = 0x401234;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct told *t = &rows[i];
		const struct event *e = &v->exit.event;

		cpu.info = t->info;
		cpu.error = t->error;
		cpu.length = t->length ? t->length : 0xee;
		leave_with(0, t->qualification);
		assert_int_equal(v->exit.kind, t->kind);
		assert_int_equal(e->type, t->type);
		assert_int_equal(e->vector, t->vector);
		assert_int_equal(e->insn_len, t->insn_len);
		assert_int_equal(e->has_error, t->has_error);
		assert_int_equal(e->error, t->has_error ? t->error : 0);
		assert_true(e->payload == t->payload);
		assert_true(e->rip == 0x401234);
		assert_false(v->exit.have & EXIT_LENGTH);
	}
	assert_int_equal(cpu_nmis, 0);
}

/* The host's NMI: taken by its gate, at once. */
static void test_host_nmi(void **state)
{
	cpu.info = 0x80000202;
	leave_with(0, 0);
	assert_int_equal(v->exit.kind, EXIT_NMI);
	assert_int_equal(cpu_nmis, 1);
	assert_false(v->cur->block.nmi);
	/* In the middle of an event's delivery: that one comes again. */
	cpu.idt_info = 0x80000031;
	leave_with(0, 0);
	assert_int_equal(cpu_nmis, 2);
	assert_int_equal(v->interrupted.type, EVENT_EXTINT);
	assert_int_equal(v->interrupted.vector, 0x31);
}

/* IDT-vectoring information, in the same format, for each kind of exit that delivery can meet. */
static void test_interrupted(void **state)
{
	static const struct { u32 info, error; u8 type, vector; bool has_error; } rows[] = {
		{ 0x80000031, 0, EVENT_EXTINT, 0x31 }, { 0x800000ff, 0, EVENT_EXTINT, 0xff },
		{ 0x80000202, 0, EVENT_NMI, 2 }, { 0x80000306, 0, EVENT_EXCEPTION, 6 },
		{ 0x80000b0d, 0x78, EVENT_EXCEPTION, 13, true }, { 0x80000b0e, 2, EVENT_EXCEPTION, 14, true },
		{ 0x80000b08, 0, EVENT_EXCEPTION, 8, true },
		/* What the guest executed comes again by itself: RIP is still there. */
		{ 0x80000480, 0, EVENT_NONE }, { 0x80000603, 0, EVENT_NONE }, { 0x80000604, 0, EVENT_NONE },
		{ 0x80000501, 0, EVENT_NONE },
		/* Not valid: the rest means nothing. */
		{ 0x00000b0d, 0x78, EVENT_NONE }, { 0x00000031, 0, EVENT_NONE },
	};
	static const struct { u32 reason; u64 q; u32 info; } exits[] = {
		{ 48, 0x182, 0 }, { 0, 0, 0x80000b0e }, { 0, 0, 0x80000b0d }, { 9, 0xc0000040, 0 },
	};

	cpu_cr2 = 0x7fff00001000;
	cpu.rip = 0x5000;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned j = 0; j < ARRAY_SIZE(exits); j++) {
			const struct event *e = &v->interrupted;

			v->interrupted = (struct event){ 0 };
			v->requests = 0;
			cpu.idt_info = rows[i].info;
			cpu.idt_error = rows[i].error;
			cpu.info = exits[j].info;
			leave_with(exits[j].reason, exits[j].q);
			assert_int_equal(e->type, rows[i].type);
			assert_int_equal(!!(v->requests & REQUEST_EVENT), rows[i].type != EVENT_NONE);
			if (rows[i].type == EVENT_NONE)
				continue;
			assert_int_equal(e->vector, rows[i].vector);
			assert_int_equal(e->has_error, rows[i].has_error);
			assert_int_equal(e->error, rows[i].error);
			assert_true(e->rip == 0x5000);
			/* The CPU had put it into CR2 before. */
			assert_true(e->payload == (rows[i].vector == 14 ? 0x7fff00001000u : 0));
		}
	}
}

/* An IRET that faults has unblocked NMIs before: bit 12, of the information (not of a #DF, and not during
 * an event's delivery) or of the qualification. */
static void test_nmi_unblocking(void **state)
{
	static const struct { u32 reason, info; u64 q; u32 idt_info; bool blocked; } rows[] = {
		{ 0, 0x80001b0e, 0, 0, true }, { 0, 0x80001b0d, 0, 0, true }, { 0, 0x80000b0d, 0, 0, false },
		{ 0, 0x80001b08, 0, 0, false }, { 0, 0x80001b0e, 0, 0x80000031, false },
		{ 48, 0, 0x1182, 0, true }, { 48, 0, 0x0182, 0, false }, { 48, 0, 0x1182, 0x80000202, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		cpu.info = rows[i].info;
		cpu.idt_info = rows[i].idt_info;
		leave_with(rows[i].reason, rows[i].q);
		assert_int_equal(v->cur->block.nmi, rows[i].blocked);
		assert_int_equal(!!(v->cur->dirty & CTX_BLOCK), rows[i].blocked);
		vmx_store(v);
		assert_int_equal(vmcs[F_INTERRUPTIBILITY] & 8, rows[i].blocked ? 8 : 0);
	}
}

/* --- Failed entries --- */

/* Bit 31 of the reason: 33 invalid guest state, 34 MSR loading, 41 machine check. */
static void test_failed_entries(void **state)
{
	static const u32 reasons[] = { 33, 34, 41 };

	for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
		leave_with(1u << 31 | reasons[i], 4);
		assert_int_equal(v->exit.kind, EXIT_ENTRY_FAILED);
		assert_int_equal(v->exit.raw, 1u << 31 | reasons[i]);
		assert_true(explained && v->exit.entry_failed.qualification == 4);
		assert_int_equal(v->exit.have, 0);
	}
	/* Before that: VMfailValid (ZF) has a number, VMfailInvalid (CF) none. */
	vmcs[F_INSTRUCTION_ERROR] = 7;
	entry_fails = 0x42 | 1;
	vmx_run(v);
	assert_int_equal(v->exit.kind, EXIT_ENTRY_FAILED);
	assert_int_equal(v->exit.entry_failed.qualification, 7);
	entry_fails = 0x3;
	vmx_run(v);
	assert_int_equal(v->exit.kind, EXIT_ENTRY_FAILED);
	assert_true(v->exit.entry_failed.qualification == 0);
}

/* --- Entries --- */

/* Table "Format of the VM-Entry Interruption-Information Field". */
static void test_inject(void **state)
{
	static const struct { struct event e; u32 info; bool length; } rows[] = {
		{ { .type = EVENT_EXTINT, .vector = 0x31 }, 0x80000031 },
		{ { .type = EVENT_NMI, .vector = 2 }, 0x80000202 },
		{ { .type = EVENT_EXCEPTION, .vector = 6 }, 0x80000306 },
		{ { .type = EVENT_EXCEPTION, .vector = 14, .has_error = true, .error = 0x15 }, 0x80000b0e },
		{ { .type = EVENT_SOFT_INT, .vector = 0x80, .insn_len = 2, .rip = 0x7000 }, 0x80000480, true },
		{ { .type = EVENT_PRIV_SOFT_EXC, .vector = 1, .insn_len = 1, .rip = 0x7000 }, 0x80000501, true },
		{ { .type = EVENT_SOFT_EXC, .vector = 3, .insn_len = 1, .rip = 0x7000 }, 0x80000603, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		v->cur->rip = 0x1111;
		v->cur->dirty = 0;
		forget_counts();
		vmx_inject(v, &rows[i].e);
		assert_int_equal(vmcs[F_ENTRY_INFO], rows[i].info);
		assert_true(hw.injecting);
		assert_int_equal(writes_of[F_ENTRY_ERROR], rows[i].e.has_error);
		if (rows[i].e.has_error)
			assert_int_equal(vmcs[F_ENTRY_ERROR], rows[i].e.error);
		assert_int_equal(writes_of[F_ENTRY_LENGTH], rows[i].length);
		/* The return address is RIP plus the length: RIP is the instruction's own. */
		assert_true(v->cur->rip == (rows[i].length ? 0x7000 : 0x1111));
		if (rows[i].length) {
			assert_int_equal(vmcs[F_ENTRY_LENGTH], rows[i].e.insn_len);
			assert_true(v->cur->dirty & CTX_IP);
		}
		vmx_inject(v, &(struct event){ .type = EVENT_NONE });
		assert_int_equal(vmcs[F_ENTRY_INFO], 0);
		assert_false(hw.injecting);
	}
	/* An entry has taken it, and cleared the valid bit by itself. */
	vmx_inject(v, &rows[0].e);
	vmx_run(v);
	assert_false(hw.injecting);
}

/* "Checks on Guest Non-Register State", pending debug exceptions: with blocking by STI or by MOV SS, BS
 * is 1 if TF is 1 and BTF is 0, else BS is 0. */
static void assert_consistent(void)
{
	bool shadow = vmcs[F_INTERRUPTIBILITY] & 3, tf = vmcs[F_RFLAGS] & 0x100;
	bool btf = vmcs[F_DEBUGCTL] & 2;

	if (shadow)
		assert_int_equal(!!(vmcs[F_PENDING_DEBUG] & 0x4000), tf && !btf);
}

static void test_shadow(void **state)
{
	for (unsigned i = 0; i < 32; i++) {
		v->cur->block.sti = i & 1;
		v->cur->block.mov_ss = i & 2;
		v->cur->block.nmi = i & 4;
		v->cur->rflags = 0x2 | (i & 8 ? 0x100 : 0);
		v->cur->debugctl = i & 16 ? 2 : 0;
		ctx_dirty(v, CTX_BLOCK | CTX_FLAGS | CTX_DEBUGCTL);
		vmx_store(v);
		assert_int_equal(vmcs[F_INTERRUPTIBILITY], (i & 1) | (i & 2) | (i & 4 ? 8 : 0));
		assert_consistent();
		if (!(i & 3))
			assert_int_equal(vmcs[F_PENDING_DEBUG], 0);
		/* The flags alone: a step begins or ends in the shadow. */
		v->cur->rflags ^= 0x100;
		ctx_dirty(v, CTX_FLAGS);
		vmx_store(v);
		assert_consistent();
	}
}

/* Without a shadow the flags don't touch it: what the CPU has pending stays. */
static void test_pending_kept(void **state)
{
	vmcs[F_PENDING_DEBUG] = 0x1001;
	v->cur->rflags |= 0x100;
	ctx_dirty(v, CTX_FLAGS);
	vmx_run(v);
	assert_int_equal(vmcs[F_PENDING_DEBUG], 0x1001);
	assert_int_equal(writes_of[F_INTERRUPTIBILITY], 0);
}

/* "Checks on Guest Non-Register State": with virtual NMIs, an NMI that is injected finds no blocking. */
static void test_nmi_brings_blocking(void **state)
{
	vmx_inject(v, &(struct event){ .type = EVENT_NMI, .vector = 2 });
	v->cur->block.nmi = true;
	ctx_dirty(v, CTX_BLOCK);
	vmx_store(v);
	assert_int_equal(vmcs[F_INTERRUPTIBILITY] & 8, 0);
	cpu.blocking = 8;
	vmx_run(v);
	assert_true(v->cur->block.nmi);
}

static void test_blocking_of_exits(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		cpu.blocking = (i & 3) | (i & 4 ? 8 : 0);
		vmx_run(v);
		assert_int_equal(v->cur->block.sti, !!(i & 1));
		assert_int_equal(v->cur->block.mov_ss, !!(i & 2));
		assert_int_equal(v->cur->block.nmi, !!(i & 4));
		assert_true(v->cur->available & CTX_BLOCK);
	}
}

/* --- State --- */

/* Table "Format of Access Rights": a descriptor's bytes 5 and 6, and bit 16, unusable. "Checks on Guest
 * Segment Registers": G = 0 if a bit of limit 11:0 is 0, G = 1 if one of 31:20 is 1. */
static void test_segments_out(void **state)
{
	static const struct { struct segment s; u32 rights; } rows[] = {
		{ { 0x08, 0xa09b, 0xffffffff, 0 }, 0xa09b },		/* 64-bit code */
		{ { 0x10, 0xc093, 0xffffffff, 0x12345678 }, 0xc093 },
		{ { 0x10, 0x00f3, 0xffff, 0xffff0 }, 0x00f3 },		/* virtual 8086 */
		{ { 0x28, 0x008b, 0x67, ~0ull << 40 }, 0x008b },	/* a TSS */
		{ { 0x10, 0x4093, 0xffffffff, 0 }, 0xc093 },		/* made without G */
		{ { 0x10, 0xc093, 0x67, 0 }, 0x4093 },			/* with G, but in bytes */
		{ { 0x10, 0xc093, 0xfff, 0 }, 0xc093 },			/* either is possible */
		{ { 0x10, 0x4093, 0xfff, 0 }, 0x4093 },
		{ { 0x00, 0x0000, 0, 0 }, 0x10000 },			/* null */
		{ { 0x1b, 0xc073, 0xffffffff, 0 }, 0x1c073 },		/* not present: not usable */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned n = 0; n < NR_SEGMENTS; n++) {
			v->cur->seg[n] = rows[i].s;
			v->cur->seg[n].base += n;
		}
		ctx_dirty(v, CTX_CS_SS | CTX_SEGS);
		vmx_store(v);
		for (unsigned n = 0; n < NR_SEGMENTS; n++) {	/* ES CS SS DS FS GS LDTR TR */
			assert_int_equal(vmcs[F_ES_SELECTOR + 2 * n], rows[i].s.selector);
			assert_int_equal(vmcs[F_ES_RIGHTS + 2 * n], rows[i].rights);
			assert_int_equal(vmcs[F_ES_LIMIT + 2 * n], rows[i].s.limit);
			assert_true(vmcs[F_ES_BASE + 2 * n] == rows[i].s.base + n);
		}
	}
}

static void test_segments_in(void **state)
{
	static const struct { u32 rights; u16 attr; } rows[] = {
		{ 0xa09b, 0xa09b }, { 0xc0f3, 0xc0f3 }, { 0x008b, 0x008b }, { 0x0082, 0x0082 },
		{ 0x10000, 0 }, { 0x1c093, 0xc013 }, { 0x1c0f3, 0xc073 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned n = 0; n < NR_SEGMENTS; n++) {
			vmcs[F_ES_SELECTOR + 2 * n] = 0x100 + n;
			vmcs[F_ES_RIGHTS + 2 * n] = rows[i].rights;
			vmcs[F_ES_LIMIT + 2 * n] = 0x1000 + n;
			vmcs[F_ES_BASE + 2 * n] = 0x123400000000ull + n;
		}
		vmx_run(v);
		ctx_need(v, CTX_CS_SS | CTX_SEGS | CTX_CPL);
		for (unsigned n = 0; n < NR_SEGMENTS; n++) {
			assert_int_equal(v->cur->seg[n].selector, 0x100 + n);
			assert_int_equal(v->cur->seg[n].attr, rows[i].attr);
			assert_int_equal(v->cur->seg[n].limit, 0x1000 + n);
			assert_true(v->cur->seg[n].base == 0x123400000000ull + n);
		}
		/* CPL is SS.DPL, usable or not. */
		assert_int_equal(v->cur->cpl, rows[i].rights >> 5 & 3);
	}
}

static void test_code(void **state)
{
	static const struct { u32 rights; u64 efer; u8 mode; bool has_base; } rows[] = {
		{ 0xa09b, 0x500, CPU_MODE_64 }, { 0xc09b, 0x500, CPU_MODE_32, true },
		{ 0x009b, 0x500, CPU_MODE_16, true }, { 0xa09b, 0, CPU_MODE_16, true },
		{ 0xc09b, 0, CPU_MODE_32, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		v->cur->efer = rows[i].efer;
		vmcs[F_CS_RIGHTS] = rows[i].rights;
		vmcs[F_CS_BASE] = 0xffff0000;
		cpu.rip = 0x12345;
		vmx_run(v);
		assert_int_equal(vcpu_mode(v), rows[i].mode);
		assert_int_equal(v->cur->code_linear, rows[i].has_base ? 0x2345 : 0x12345);
	}
}

/* "Restrictions on VMX Operation": the fixed bits, without PE and PG for unrestricted guests; CD and NW
 * stay out of the hardware; the guest reads what it wrote. */
static void test_cr0_cr4_out(void **state)
{
	static const struct { u32 secondary; u64 cr0, cr4, hard_cr0, hard_cr4; } rows[] = {
		{ 0xa2, 0x80010033, 0x20, 0x80010033, 0x2060 },
		{ 0xa2, 0x60000010, 0, 0x00000030, 0x2040 },		/* as after power-on */
		{ 0xa2, 0x00000011, 0x40, 0x00000031, 0x2040 },		/* protected mode, NE clear */
		{ 0x22, 0x60000011, 0, 0x80000031, 0x2050 },		/* not unrestricted: 4 MiB pages, one to one */
		{ 0xa2, 0xe0010033, 0x406f8, 0x80010033, 0x426f8 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		hw.secondary = vmx_caps.control[VMX_SECONDARY].may = rows[i].secondary;
		v->vm->identity_map = 0xfeffc000;
		v->cur->cr0 = rows[i].cr0;
		v->cur->cr4 = rows[i].cr4;
		ctx_dirty(v, CTX_CR0_CR4);
		vmx_store(v);
		assert_true(vmcs[F_CR0] == rows[i].hard_cr0 && vmcs[F_CR4] == rows[i].hard_cr4);
		if (!(rows[i].secondary & 0x80))
			assert_int_equal(vmcs[0x6802], 0xfeffc000);	/* CR3 */
		assert_true(vmcs[F_CR0_SHADOW] == rows[i].cr0 && vmcs[F_CR4_SHADOW] == rows[i].cr4);
	}
}

/* What the guest may change by itself is the hardware's (TS 3, MP 1, EM 2, AM 18; TSD 2, DE 3, PGE 7 …);
 * all else is the context's. */
static void test_cr0_cr4_in(void **state)
{
	v->cur->cr0 = 0xe0000010;
	v->cur->cr4 = 0x20;
	vmcs[F_CR0] = 0x8005003f;	/* AM, WP, NE, TS, EM, MP, PE … */
	vmcs[F_CR4] = 0x2060 | 0x8c | 0x600;
	vmx_run(v);
	ctx_need(v, CTX_CR0_CR4);
	assert_true(v->cur->cr0 == 0xe004001e);
	assert_true(v->cur->cr4 == (0x20 | 0x8c | 0x600));
}

/* "Checks on VM-Entry Control Fields", "Checks on Guest Control Registers, Debug Registers, and MSRs": with
 * paging, "IA-32e mode guest" (bit 9), LMA and LME are equal. */
static void test_efer(void **state)
{
	static const struct { u64 efer, hard; bool long_mode; } rows[] = {
		{ 0x501, 0x501, true }, { 0xd00, 0xd00, true },
		{ 0x100, 0x000, false },	/* LME before paging: L0 turns it on */
		{ 0x901, 0x801, false }, { 0x800, 0x800, false }, { 0, 0, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		bool was = hw.entry & 0x200;

		forget_counts();
		v->cur->efer = rows[i].efer;
		ctx_dirty(v, CTX_EFER);
		vmx_store(v);
		assert_true(vmcs[F_EFER] == rows[i].hard);
		assert_int_equal(!!(hw.entry & 0x200), rows[i].long_mode);
		assert_int_equal(hw.entry & ~0x200u, 0xc004);
		assert_int_equal(writes_of[F_ENTRY_CONTROLS], was != rows[i].long_mode);
		if (was != rows[i].long_mode)
			assert_int_equal(vmcs[F_ENTRY_CONTROLS], hw.entry);
		/* The context's own stays as the guest wrote it. */
		vmx_run(v);
		ctx_need(v, CTX_EFER);
		assert_true(v->cur->efer == rows[i].efer);
	}
}

/* Where entries can't load EFER and PAT by themselves, the MSR list has them. */
static void test_msr_lists(void **state)
{
	hw.entry = 0x204;
	hw.guest_list[0].index = 0xc0000080;
	hw.guest_list[1].index = 0x277;
	v->cur->efer = 0xd01;
	v->cur->pat = 0x0007040600070406;
	ctx_dirty(v, CTX_EFER | CTX_PAT);
	vmx_store(v);
	assert_int_equal(accesses(), 0);
	assert_true(hw.guest_list[0].value == 0xd01 && hw.guest_list[1].value == 0x0007040600070406);
	v->cur->efer = 0x901;
	ctx_dirty(v, CTX_EFER);
	vmx_store(v);
	assert_true(hw.guest_list[0].value == 0x801);
	assert_int_equal(vmcs[F_ENTRY_CONTROLS], 0x004);
	assert_int_equal(accesses(), 1);
	/* One of them alone. */
	hw.entry = 0x4204;
	v->cur->pat = 0x0606060606060606;
	ctx_dirty(v, CTX_PAT);
	vmx_store(v);
	assert_true(vmcs[F_PAT] == 0x0606060606060606 && hw.guest_list[1].value == 0x0007040600070406);
}

/* PDPTEs are written with PAE paging only, and if dirty; read only when they are asked for. */
static void test_pdptes(void **state)
{
	static const struct { u64 cr0, cr4, efer; bool written; } rows[] = {
		{ 0x80000011, 0x20, 0, true }, { 0x80000011, 0x20, 0x100, true },
		{ 0x80000011, 0x20, 0x500, false }, { 0x80000011, 0, 0, false }, { 0x11, 0x20, 0, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		vmx_run(v);
		forget_counts();
		v->cur->cr0 = rows[i].cr0;
		v->cur->cr4 = rows[i].cr4;
		v->cur->efer = rows[i].efer;
		for (unsigned n = 0; n < 4; n++)
			v->cur->pdptr[n] = 0x1000 * n + 0x10001 + i;
		ctx_dirty(v, CTX_CR0_CR4 | CTX_CR3 | CTX_EFER);
		vmx_store(v);
		for (u32 f = F_PDPTE0; f <= F_PDPTE3; f += 2)
			assert_int_equal(writes_of[f], 0);
		ctx_dirty(v, CTX_PDPTR);
		vmx_store(v);
		for (u32 f = F_PDPTE0; f <= F_PDPTE3; f += 2)
			assert_int_equal(writes_of[f], rows[i].written);
		if (rows[i].written)
			assert_true(vmcs[F_PDPTE3] == 0x13001 + i && vmcs[F_PDPTE0] == 0x10001 + i);
	}
	/* MOV to CR3 doesn't exit with EPT: the CPU has loaded others meanwhile. */
	for (unsigned n = 0; n < 4; n++)
		vmcs[F_PDPTE0 + 2 * n] = 0x70001 + 0x1000 * n;
	vmx_run(v);
	forget_counts();
	ctx_need(v, CTX_ALL & ~CTX_PDPTR);
	assert_int_equal(reads_of[F_PDPTE0] + reads_of[F_PDPTE3], 0);
	ctx_need(v, CTX_PDPTR);
	ctx_need(v, CTX_PDPTR);
	assert_true(v->cur->pdptr[0] == 0x70001 && v->cur->pdptr[3] == 0x73001);
	assert_int_equal(reads_of[F_PDPTE0], 1);
	assert_int_equal(reads_of[F_PDPTE3], 1);
}

/* No field holds these: they are in the CPU's own registers. */
static void test_own_registers(void **state)
{
	static const u64 values[] = { 0xffff888000000000, 0x0023001000000000, 0xffffffff81000000, 0, 0x47700 };

	memcpy(cpu_msr, values, sizeof(cpu_msr));
	cpu_cr2 = 0x1234;
	cpu_dr6 = 0xffff4ff1;
	vmcs[F_DR7] = 0x402;
	vmx_run(v);
	ctx_need(v, CTX_LOADSAVE | CTX_CR2 | CTX_DR);
	assert_true(v->cur->kernel_gs_base == values[0] && v->cur->star == values[1]);
	assert_true(v->cur->lstar == values[2] && v->cur->sfmask == values[4]);
	assert_true(v->cur->cr2 == 0x1234 && v->cur->dr6 == 0xffff4ff1 && v->cur->dr7 == 0x402);
	v->cur->cr2 = 0x5678;
	v->cur->dr6 = 0xffff0ff0;
	v->cur->lstar = 0xffffffff82000000;
	ctx_dirty(v, CTX_LOADSAVE | CTX_CR2 | CTX_DR);
	vmx_store(v);
	assert_true(cpu_cr2 == 0x5678 && cpu_dr6 == 0xffff0ff0 && cpu_msr[2] == 0xffffffff82000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VTEST(test_cpuid_count), VTEST(test_other_counts), VTEST(test_groups_alone),
		VTEST(test_reasons), VTEST(test_cr), VTEST(test_dr), VTEST(test_io), VTEST(test_msr),
		VTEST(test_task_switch), VTEST(test_ept_violation), VTEST(test_exceptions),
		VTEST(test_host_nmi), VTEST(test_interrupted), VTEST(test_nmi_unblocking),
		VTEST(test_failed_entries), VTEST(test_inject), VTEST(test_shadow), VTEST(test_pending_kept),
		VTEST(test_nmi_brings_blocking), VTEST(test_blocking_of_exits), VTEST(test_segments_out),
		VTEST(test_segments_in), VTEST(test_code), VTEST(test_cr0_cr4_out), VTEST(test_cr0_cr4_in),
		VTEST(test_efer), VTEST(test_msr_lists), VTEST(test_pdptes), VTEST(test_own_registers),
	};

	return cmocka_run_group_tests_name("vmx_run", tests, NULL, NULL);
}
