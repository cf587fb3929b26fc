/* SPDX-License-Identifier: MIT */
/*
 * Each exception: wanted, it exits with vector, error code and payload, nothing of it has reached
 * the guest, and injected it arrives as if nobody had wanted it; not wanted, it is the guest's
 * own.
 */
#include "tests/conform/conform.h"

CODE(de, "div %ecx");
CODE(step, "nop; nop");
CODE(int1, ".byte 0xf1");
CODE(int3, "int3");
CODE(into, ".byte 0xce");
CODE(bound, ".byte 0x62, 0x03");	/* BOUND EAX, [EBX] */
CODE(ud2, "ud2");
CODE(fnop, "fnop");
CODE(load_ds, "mov %eax, %ds");
CODE(load_ss, "mov %eax, %ss");
CODE(int_n, "int $0x50");
CODE(load, "mov (%r9), %eax");
CODE(store, "mov %eax, (%r9)");
CODE(jump, "jmp *%r9");
CODE(fwait, "fninit; fldcw (%rbx); fldz; fld1; fdiv %st(1), %st; fwait");
CODE(divps, "ldmxcsr (%rbx); movups 16(%rbx), %xmm0; xorps %xmm1, %xmm1; divps %xmm1, %xmm0");
CODE(unaligned, "mov 1(%rbx), %eax");
CODE(breakpoint, "mov (%rbx), %eax; nop");

#define NX	BIT(63)
#define ENTRY_P	1ull
#define ENTRY_W	2ull
#define ENTRY_U	4ull
#define CR2_BEFORE 0x123456789abcull

struct row {
	struct about about;
	struct code code;
	u8 vector;
	u8 at, to;		/* offsets in the code: RIP of the exit; return address in the guest */
	u8 type;		/* enum event_type, if it isn't an exception */
	bool has_error;
	u32 error;
	u64 address, dr6;	/* payload */
	u64 rax, r9;
	u64 rflags;
	void (*prepare)(struct vcpu *v);
	const char *no_delivery;	/* why the guest can't take it */
	u32 lands;		/* RIP of the exit, where it isn't in the code */
};

static void set_bounds(struct vcpu *v)
{
	guest_words(AT_DATA)[0] = 1 | 2ull << 32;
	guest_to_compat(v);
}

static void set_task_switched(struct vcpu *v)
{
	v->cur->cr0 |= CR0_TS;
}

static void cut_idt(struct vcpu *v)
{
	v->cur->idtr.limit = 16 * (EXC_DF + 1) - 1;
}

static void cut_tss(struct vcpu *v)
{
	guest_to_user(v);
	v->cur->seg[SEG_TR].limit = 7;
}

static void unmask_x87(struct vcpu *v)
{
	guest_words(AT_DATA)[0] = 0x360;
}

static void unmask_sse(struct vcpu *v)
{
	guest_words(AT_DATA)[0] = 0x1d80;
	guest_words(AT_DATA)[2] = guest_words(AT_DATA)[3] = 0x3f8000003f800000;	/* 1.0, four times */
}

static void protect_other(u64 flags)
{
	guest_words(AT_PT)[AT_OTHER >> PAGE_SHIFT] = AT_OTHER | flags;
}

static void make_read_only(struct vcpu *v)
{
	protect_other(ENTRY_P | ENTRY_U);
}

static void make_unexecutable(struct vcpu *v)
{
	protect_other(ENTRY_P | ENTRY_W | ENTRY_U | NX);
}

static void make_supervisors(struct vcpu *v)
{
	protect_other(ENTRY_P | ENTRY_W);
	guest_to_user(v);
}

static void set_breakpoint(struct vcpu *v)
{
	asm volatile("mov %0, %%dr0" : : "r"((u64)AT_DATA));
	v->cur->dr7 = DR7_FIXED | 2 | 3 << 16 | 3 << 18;	/* DR0: 4 bytes, read or written */
}

#define NO_CPU_HAS_IT { "it can't be raised at will", "it can't be raised at will" }

static const struct row rows[] = {
	{ { "#DE" }, CODE_OF(de), EXC_DE },
	{ { "#DB of a single step", .differs[BOCHS_SVM] = "DR6 has not its bits when it exits" },
	  CODE_OF(step), EXC_DB, 1, 1, .dr6 = DR6_BS, .rflags = RFLAGS_TF },
	{ { "#DB of a breakpoint", .needs = CAP(dr7_clear),
	    .differs[BOCHS_SVM] = "DR6 has not its bits when it exits" },
	  CODE_OF(breakpoint), EXC_DB, 2, 2, .dr6 = 1, .prepare = set_breakpoint },
	{ { "#DB of INT1", .differs[QEMU_SVM] = "INT1 is #UD" }, CODE_OF(int1), EXC_DB, 0, 1,
	  EVENT_PRIV_SOFT_EXC },
	{ { "#BP of INT3", .differs[QEMU_SVM] = "INT3 doesn't exit" }, CODE_OF(int3), EXC_BP, 0, 1,
	  EVENT_SOFT_EXC },
	{ { "#OF of INTO", .differs[QEMU_SVM] = "INTO doesn't exit" }, CODE_OF(into), EXC_OF, 0, 1,
	  EVENT_SOFT_EXC, .rflags = RFLAGS_OF,
	  .prepare = guest_to_compat },
	{ { "#BR" }, CODE_OF(bound), EXC_BR, .prepare = set_bounds },
	{ { "#UD" }, CODE_OF(ud2), EXC_UD },
	{ { "#NM" }, CODE_OF(fnop), EXC_NM, .prepare = set_task_switched },
	{ { "#DF", .differs[QEMU_SVM] = "a double fault doesn't exit" }, CODE_OF(load_ds), EXC_DF,
	  .has_error = true, .rax = 0x1000, .prepare = cut_idt },
	{ { "#TS", .differs[BOCHS_SVM] = "an INT n that is cut short is told as an event before it" },
	  CODE_OF(int_n), EXC_TS, .has_error = true, .error = GUEST_TSS, .prepare = cut_tss,
	  .no_delivery = "its own delivery would need that TSS" },
	{ { "#NP" }, CODE_OF(load_ds), EXC_NP, .has_error = true, .error = GUEST_ABSENT,
	  .rax = GUEST_ABSENT },
	{ { "#SS" }, CODE_OF(load_ss), EXC_SS, .has_error = true, .error = GUEST_ABSENT,
	  .rax = GUEST_ABSENT },
	{ { "#GP of a selector" }, CODE_OF(load_ds), EXC_GP, .has_error = true, .error = 0x1000,
	  .rax = 0x1000 },
	{ { "#GP of an address" }, CODE_OF(load), EXC_GP, .has_error = true, .r9 = BIT(63) },
	{ { "#PF, read" }, CODE_OF(load), EXC_PF, .has_error = true, .address = AT_UNMAPPED + 4,
	  .r9 = AT_UNMAPPED + 4 },
	{ { "#PF, write" }, CODE_OF(store), EXC_PF, .has_error = true, .error = PF_ERR_P | PF_ERR_W,
	  .address = AT_OTHER + 8, .r9 = AT_OTHER + 8, .prepare = make_read_only },
	{ { "#PF, fetch" }, CODE_OF(jump), EXC_PF, .has_error = true, .error = PF_ERR_P | PF_ERR_I,
	  .address = AT_OTHER + 16, .r9 = AT_OTHER + 16, .prepare = make_unexecutable,
	  .lands = AT_OTHER + 16 },
	{ { "#PF, user" }, CODE_OF(store), EXC_PF, .has_error = true,
	  .error = PF_ERR_P | PF_ERR_W | PF_ERR_U, .address = AT_OTHER, .r9 = AT_OTHER,
	  .prepare = make_supervisors },
	{ { "#MF" }, CODE_OF(fwait), EXC_MF, 10, 10, .prepare = unmask_x87 },
	{ { "#AC", .differs[QEMU_SVM] = "alignment isn't checked" }, CODE_OF(unaligned), EXC_AC,
	  .has_error = true, .rflags = RFLAGS_AC, .prepare = guest_to_user },
	{ { "#MC", NO_CPU_HAS_IT }, CODE_OF(ud2), EXC_MC },
	{ { "#XM", .differs[QEMU_SVM] = "vector arithmetic raises no exceptions" },
	  CODE_OF(divps), EXC_XM, 10, 10, .prepare = unmask_sse },
	{ { "#VE", NO_CPU_HAS_IT }, CODE_OF(ud2), EXC_VE },
	{ { "#CP", NO_CPU_HAS_IT }, CODE_OF(ud2), EXC_CP },
};

static unsigned exit_rip(const struct row *r)
{
	return r->lands ? r->lands : AT_CODE + r->at;
}

static struct vcpu *start(const struct row *r, unsigned level)
{
	struct vcpu *v = guest_begin(r->code, level);

	v->gpr[GPR_RAX] = r->rax;
	v->gpr[GPR_R9] = r->r9;
	v->cur->rflags |= r->rflags;
	v->cur->cr2 = CR2_BEFORE;
	if (r->prepare)
		r->prepare(v);
	return v;
}

/* In the guest's handler, once. */
static void check_arrival(const struct row *r, struct vcpu *v)
{
	const u64 *frame;

	go(v);
	if (!expect(is_at_stub(v, r->vector), "it arrives in the guest's handler", v->cur->rip))
		return;
	frame = guest_frame(v);
	EXPECT_EQUAL(frame[0], r->lands ? r->lands : AT_CODE + r->to);
	EXPECT_EQUAL(frame[2] & r->rflags, r->rflags);
	if (r->has_error)
		EXPECT_EQUAL(frame[-1], r->error);
	ctx_need(v, CTX_CR2 | CTX_DR);
	EXPECT_EQUAL(v->cur->cr2, r->vector == EXC_PF ? r->address : CR2_BEFORE);
	EXPECT_EQUAL(v->cur->dr6 & r->dr6, r->dr6);
	EXPECT_EQUAL(v->interrupted.type, EVENT_NONE);
}

static void check_record(const struct row *r, struct vcpu *v)
{
	const struct event *e = &v->exit.event;

	EXPECT_EQUAL(e->vector, r->vector);
	EXPECT_EQUAL(e->type, r->type ? r->type : EVENT_EXCEPTION);
	EXPECT_EQUAL(e->insn_len, r->type ? r->to - r->at : 0);
	EXPECT_EQUAL(e->rip, exit_rip(r));
	EXPECT_EQUAL(e->has_error, r->has_error);
	if (r->has_error)
		EXPECT_EQUAL(e->error, r->error);
	ctx_need(v, CTX_CR2 | CTX_DR);
	EXPECT_EQUAL(v->cur->cr2, CR2_BEFORE);
	if (r->vector == EXC_PF)
		EXPECT_EQUAL(e->payload, r->address);
	else /* SVM puts them into DR6 at once */
		EXPECT_EQUAL((e->payload | v->cur->dr6) & r->dr6, r->dr6);
}

static void check_wanted(const struct row *r, struct vcpu *v)
{
	struct event e;

	go(v);
	expect(v->exit.kind == (r->vector == EXC_PF ? EXIT_PAGE_FAULT : EXIT_EXCEPTION), "it exits",
	       v->exit.kind);
	EXPECT_EQUAL(v->cur->rip, exit_rip(r));
	expect(v->interrupted.type == EVENT_NONE, "it interrupts no other event",
	       v->interrupted.type << 8 | v->interrupted.vector);
	check_record(r, v);
	if (r->no_delivery || v->exit.kind == EXIT_VMCALL)
		return;
	e = v->exit.event;
	inject_event(v, &e);
	check_arrival(r, v);
}

static void check_owner(const struct row *r, const char *variant, unsigned level, bool l0, bool l1)
{
	bool wanted = l0 || (l1 && level);
	struct vcpu *v;

	if (!wanted && r->no_delivery)
		skip(&r->about, variant, r->no_delivery);
	else if (begin(&r->about, variant)) {
		v = start(r, level);
		v->l0.exceptions = l0 ? BIT(r->vector) : 0;
		v->l1.exceptions = l1 ? BIT(r->vector) : 0;
		reprogram(v);
		if (wanted)
			check_wanted(r, v);
		else
			check_arrival(r, v);
		end_case();
	}
}

void conform_exceptions(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		check_owner(&rows[i], "wanted", 0, true, false);
		check_owner(&rows[i], "wanted by nobody", 0, false, false);
		check_owner(&rows[i], "wanted by L1, in L2", 1, false, true);
		check_owner(&rows[i], "wanted by L1, in L1", 0, false, true);
	}
}
