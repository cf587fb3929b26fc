/* SPDX-License-Identifier: MIT */
/*
 * What comes from outside (the host's interrupts), the guest's TSC, single steps, ends, and
 * entries that the CPU refuses; last, that every kind of exit was seen or can't be.
 */
#include "tests/conform/conform.h"

#include "arch/x86/cpu.h"
#include "vcpu/exits.h"

/* Long, but not for ever: where no interrupt comes, the host's timer is no help either. */
CODE(spin, "mov $10000000, %ecx; 1: dec %ecx; jnz 1b");
CODE(rdtsc, "rdtsc");
CODE(nops, "nop; nop; nop");
CODE(ud2, "ud2");

/* --- The host's interrupts --- */

#define MASKED "an entry with IF clear masks the host's interrupts"

static const struct extint {
	struct about about;
	unsigned level;
	u64 rflags;
} extints[] = {
	{ { "external interrupt, IF clear",
	    .differs = { [BOCHS_SVM] = MASKED, [BOCHS_VMX] = MASKED } } },
	{ { "external interrupt, IF set" }, 0, RFLAGS_IF },
	{ { "external interrupt, IF clear, in L2",
	    .differs = { [BOCHS_SVM] = MASKED, [BOCHS_VMX] = MASKED } }, 1 },
	{ { "external interrupt, IF set, in L2" }, 1, RFLAGS_IF },
};

static void check_extint(const struct extint *e)
{
	static const struct code code = CODE_OF(spin);
	struct vcpu *v;

	if (!begin(&e->about, ""))
		return;
	v = guest_begin(code, e->level);
	v->cur->rflags |= e->rflags;
	alarm_in(ALARM);
	go(v);
	expect(v->exit.kind == EXIT_EXTINT, "it exits", v->exit.kind);
	expect(alarm_rang(), "the host takes it", 0);
	expect(v->cur->rip < end_address(), "the guest is where it was", v->cur->rip);
	EXPECT_EQUAL(v->interrupted.type, EVENT_NONE);
	EXPECT_EQUAL(v->cur->rflags & RFLAGS_IF, e->rflags);
	end_case();
}

/* --- The TSC --- */

static const struct offset {
	struct about about;
	unsigned level;
	u64 l0, l1, sum;
} offsets[] = {
	{ { "TSC offset" }, 0, 1ull << 40, 0, 1ull << 40 },
	{ { "TSC offset, negative" }, 0, -(1ull << 20), 0, -(1ull << 20) },
	{ { "TSC offset, L1's, in L1" }, 0, 5, 1ull << 50, 5 },
	{ { "TSC offset, both, in L2" }, 1, 1ull << 40, 1ull << 41, 3ull << 40 },
};

static void check_offset(const struct offset *o)
{
	static const struct code code = CODE_OF(rdtsc);
	u64 before, after, read;
	struct vcpu *v;

	if (!begin(&o->about, ""))
		return;
	v = guest_begin(code, o->level);
	v->l0.tsc_offset = o->l0;
	v->l1.tsc_offset = o->l1;
	reprogram(v);
	before = rdtsc() + o->sum;
	go(v);
	after = rdtsc() + o->sum;
	expect(is_at_end(v), "the guest runs to its end", v->exit.kind);
	read = v->gpr[GPR_RDX] << 32 | (u32)v->gpr[GPR_RAX];
	expect(read - before <= after - before, "it reads between the host's two", read - before);
	end_case();
}

/* --- Single steps, ends --- */

static void check_step(void)
{
	static const struct about about = { "step", .needs = CAP(step) };
	static const struct code code = CODE_OF(nops);
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = guest_begin(code, 0);
	want(&v->l0, EXIT_STEP);
	reprogram(v);
	for (unsigned i = 1; i <= 2; i++) {
		go(v);
		expect(v->exit.kind == EXIT_STEP, "it exits", v->exit.kind);
		EXPECT_EQUAL(v->cur->rip, AT_CODE + i);
	}
	EXPECT_EQUAL(v->cur->rflags, RFLAGS_FIXED);
	end_case();
}

static void check_triple_fault(unsigned level)
{
	static const struct about about = {
		"triple fault", .ends[BOCHS_SVM] = "it would end the emulator",
	};
	static const struct code code = CODE_OF(ud2);
	struct vcpu *v;

	if (!begin(&about, level ? "in L2" : ""))
		return;
	v = guest_begin(code, level);
	v->cur->idtr.limit = 0;
	go(v);
	expect(v->exit.kind == EXIT_TRIPLE_FAULT, "it exits", v->exit.kind);
	end_case();
}

#define OVERWRITTEN "the host's registers are written over the guest's"

/* 64-bit mode without PAE: both vendors refuse it. The next entry, with it, goes on. */
static void check_refused(void)
{
	static const struct about about = {
		"entry that the CPU refuses",
		.differs = { [QEMU_SVM] = OVERWRITTEN, [BOCHS_SVM] = OVERWRITTEN },
	};
	static const struct code code = CODE_OF(nops);
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = guest_begin(code, 0);
	v->cur->cr4 &= ~CR4_PAE;
	go(v);
	expect(v->exit.kind == EXIT_ENTRY_FAILED, "it fails", v->exit.kind);
	ctx_need(v, CTX_CR0_CR4);
	v->cur->cr4 |= CR4_PAE;
	ctx_dirty(v, CTX_CR0_CR4);
	go(v);
	expect(is_at_end(v), "with what it lacked, it goes on", v->exit.kind);
	end_case();
}

void conform_times(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(extints); i++)
		check_extint(&extints[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++)
		check_offset(&offsets[i]);
	check_step();
	check_triple_fault(0);
	check_triple_fault(1);
	check_refused();
}

/* --- Kinds --- */

#define BY_ANOTHER	"only another CPU or the chipset makes one"
#define NOT_ON_SVM	"SVM has no such exit"
#define NOT_ON_VMX	"VMX has no such exit"

static const char *const unseen[NR_EXIT_KINDS][NR_VENDORS] = {
	[EXIT_NMI] = BOTH("an NMI of the host's would end Plinth"),
	[EXIT_SMI] = BOTH(BY_ANOTHER),
	[EXIT_INIT] = BOTH(BY_ANOTHER),
	[EXIT_SIPI] = { NOT_ON_SVM, BY_ANOTHER },
	[EXIT_NMI_WINDOW] = { "IRET stands for it", NULL },
	[EXIT_TPR_BELOW] = { NOT_ON_SVM, "the backend uses no TPR shadow" },
	[EXIT_TASK_SWITCH] = BOTH("not tried yet"),
	[EXIT_RSM] = { "Bochs raises #UD before it exits", NOT_ON_VMX },
	[EXIT_RDTSCP] = { "the CPU can't be made to", NULL },
	[EXIT_XSETBV] = { "the CPU can't be made to", NULL },
	[EXIT_RDPRU] = { "no emulator's CPU has it", NOT_ON_VMX },
	[EXIT_INVPCID] = BOTH("no backend lets a guest have it"),
	[EXIT_CLTS] = { "told as a write of CR0", "TS is the guest's own" },
	[EXIT_LMSW] = { "told as a write of CR0", "its bits are the guest's own" },
	[EXIT_SMSW] = { "told as a read of CR0", NOT_ON_VMX },
	[EXIT_VMX_INSN] = { "it is #UD there", NULL },
	[EXIT_SVM_INSN] = { NULL, "it is #UD there" },
	[EXIT_PUSHF] = { NULL, NOT_ON_VMX },
	[EXIT_POPF] = { NULL, NOT_ON_VMX },
	[EXIT_INT_N] = { NULL, NOT_ON_VMX },
	[EXIT_IRET] = { NULL, NOT_ON_VMX },
	[EXIT_TIMER] = BOTH("the host's timer stands for it"),
	[EXIT_STEP] = { NOT_ON_SVM, "see the row \"step\"" },
	[EXIT_UNKNOWN] = BOTH("the backends know all that they make"),
	[EXIT_TRIPLE_FAULT] = { "it would end the emulator", NULL },
	[EXIT_INVD] = { "QEMU takes it for WBINVD", NULL },
};

void conform_kinds(void)
{
	for (unsigned kind = 0; kind < NR_EXIT_KINDS; kind++) {
		struct about about = { exit_name(kind) };

		if (!kinds_seen[kind] && unseen[kind][vendor]) {
			skip(&about, "seen", unseen[kind][vendor]);
		} else if (begin(&about, "seen")) {
			expect(kinds_seen[kind], "some case has made this exit", kind);
			end_case();
		}
	}
}
