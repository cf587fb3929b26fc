/* SPDX-License-Identifier: MIT */
/*
 * Events: injected, they arrive once, with the right frame; cut short by the second stage, they
 * come back and arrive after all, once. Windows open when they should and not before.
 */
#include "tests/conform/conform.h"

CODE(nops, "nop; nop; nop; nop");
CODE(int_n, "int $0x50; nop");
CODE(int3, "int3; nop");
CODE(int1, ".byte 0xf1; nop");
CODE(sti, "sti; nop; nop; nop");
CODE(sti_cpuid, "sti; cpuid; nop; nop");
CODE(popf, "popfq; nop; nop");
CODE(cli_sti, "sti; cli; nop; nop");

#define IF_AT_POPF (RFLAGS_IF | RFLAGS_FIXED)

/* --- Injection --- */

struct injection {
	struct about about;
	struct code code;
	struct event event;
	u8 returns_to;		/* offset in the code */
};

static const struct injection injections[] = {
	{ { "external interrupt" }, CODE_OF(nops), { EVENT_EXTINT, 0x41 } },
	{ { "external interrupt 255" }, CODE_OF(nops), { EVENT_EXTINT, 0xff } },
	{ { "NMI" }, CODE_OF(nops), { EVENT_NMI, EXC_NMI } },
	{ { "exception" }, CODE_OF(nops), { EVENT_EXCEPTION, EXC_UD } },
	{ { "exception with an error code" }, CODE_OF(nops),
	  { EVENT_EXCEPTION, EXC_GP, .has_error = true, .error = 0x7ff8 } },
	{ { "#PF" }, CODE_OF(nops),
	  { EVENT_EXCEPTION, EXC_PF, .has_error = true, .error = PF_ERR_W, .payload = 0x123456789 } },
	{ { "#DB" }, CODE_OF(nops), { EVENT_EXCEPTION, EXC_DB, .payload = DR6_BS } },
	{ { "INT n" }, CODE_OF(int_n), { EVENT_SOFT_INT, 0x50, 2, .rip = AT_CODE }, 2 },
	{ { "INT3" }, CODE_OF(int3), { EVENT_SOFT_EXC, EXC_BP, 1, .rip = AT_CODE }, 1 },
	{ { "INT1", .differs[QEMU_SVM] = "INT1 is #UD" }, CODE_OF(int1),
	  { EVENT_PRIV_SOFT_EXC, EXC_DB, 1, .rip = AT_CODE }, 1 },
};

static bool is_soft(const struct event *e)
{
	return e->type >= EVENT_SOFT_INT && e->type <= EVENT_PRIV_SOFT_EXC;
}

/* In the handler of its vector, with its frame. */
static void check_frame(const struct injection *i, struct vcpu *v)
{
	const struct event *e = &i->event;
	const u64 *frame;

	if (!expect(is_at_stub(v, e->vector), "it arrives in the guest's handler", v->cur->rip))
		return;
	expect(!guest_backend()->is_injecting(v), "it isn't to come any more", 0);
	EXPECT_EQUAL(v->interrupted.type, EVENT_NONE);
	frame = guest_frame(v);
	EXPECT_EQUAL(frame[0], AT_CODE + i->returns_to);
	EXPECT_EQUAL(frame[1], GUEST_CODE64);
	EXPECT_EQUAL(frame[3], AT_STACK + PAGE_SIZE);
	EXPECT_EQUAL(frame[4], GUEST_DATA);
	if (e->has_error)
		EXPECT_EQUAL(frame[-1], e->error);
	ctx_need(v, CTX_CR2 | CTX_DR);
	EXPECT_EQUAL(v->cur->cr2, e->vector == EXC_PF ? e->payload : 0);
	EXPECT_EQUAL(v->cur->dr6 & DR6_BS, e->vector == EXC_DB ? e->payload : 0);
	EXPECT_EQUAL(v->cur->block.nmi, e->type == EVENT_NMI);
}

/* And nothing more comes, up to the code's end. */
static void check_once(struct vcpu *v)
{
	pass_hypercall(v);
	go(v);
	expect(is_at_end(v), "it arrives once", v->cur->rip);
}

static void check_injection(const struct injection *i, unsigned level)
{
	struct vcpu *v;

	if (!begin(&i->about, level ? "injected into L2" : "injected"))
		return;
	v = guest_begin(i->code, level);
	v->cur->rflags |= RFLAGS_IF;
	expect(!guest_backend()->is_injecting(v), "nothing is to come at first", 1);
	inject_event(v, &i->event);
	expect(guest_backend()->is_injecting(v), "it is to come", 0);
	go(v);
	check_frame(i, v);
	check_once(v);
	end_case();
}

static void check_taken_back(const struct injection *i)
{
	struct vcpu *v;

	if (!begin(&i->about, "taken back"))
		return;
	v = guest_begin(i->code, 0);
	v->cur->rflags |= RFLAGS_IF;
	guest_backend()->inject(v, &i->event);
	guest_backend()->inject(v, &(struct event){ EVENT_NONE });
	expect(!guest_backend()->is_injecting(v), "it isn't to come", 1);
	if (is_soft(&i->event)) {	/* the instruction itself is at RIP */
		v->cur->rip = end_address();
		ctx_dirty(v, CTX_IP);
	}
	go(v);
	expect(is_at_end(v), "it doesn't come", v->cur->rip);
	end_case();
}

/* What comes back of an event that was cut short. An instruction's happens again by itself, as
 * RIP is back at it. */
static void check_interrupted(const struct injection *i, struct vcpu *v)
{
	const struct event *e = &i->event;

	EXPECT_EQUAL(v->exit.kind, EXIT_STAGE2);
	EXPECT_EQUAL(v->cur->rip, AT_CODE);
	expect(!guest_backend()->is_injecting(v), "it isn't to come by itself", 1);
	EXPECT_EQUAL(v->interrupted.type, is_soft(e) ? EVENT_NONE : e->type);
	if (is_soft(e))
		return;
	EXPECT_EQUAL(v->interrupted.vector, e->vector);
	EXPECT_EQUAL(v->interrupted.has_error, e->has_error);
	EXPECT_EQUAL(v->interrupted.error, e->error);
	if (e->vector == EXC_PF)
		EXPECT_EQUAL(v->interrupted.payload, e->payload);
}

static void check_cut_short(const struct injection *i, const char *variant, unsigned page)
{
	struct event again;
	struct vcpu *v;

	if (!begin(&i->about, variant))
		return;
	v = guest_begin(i->code, 0);
	v->cur->rflags |= RFLAGS_IF;
	set_rights(v, page, 0);
	inject_event(v, &i->event);
	go(v);
	EXPECT_EQUAL(v->exit.stage2.address & PAGE_MASK, page);
	check_interrupted(i, v);
	set_rights(v, page, RIGHTS_ALL);
	again = v->interrupted;
	if (again.type != EVENT_NONE)
		inject_event(v, &again);
	go(v);
	check_frame(i, v);
	check_once(v);
	end_case();
}

/* An INT n and its like that the guest executes itself. */
static void check_native(const struct injection *i)
{
	static const char variant[] = "executed, and cut short at the IDT";
	struct vcpu *v;

	if (vendor == SVM && i->event.type == EVENT_PRIV_SOFT_EXC)
		skip(&i->about, variant,
		     "it can't be told from #DB; L0 always wants that, and INT1 with it");
	else if (is_soft(&i->event) && begin(&i->about, variant)) {
		v = guest_begin(i->code, 0);
		set_rights(v, AT_IDT, 0);
		go(v);
		EXPECT_EQUAL(v->exit.stage2.address & PAGE_MASK, AT_IDT);
		check_interrupted(i, v);
		set_rights(v, AT_IDT, RIGHTS_ALL);
		go(v);
		expect(is_at_stub(v, i->event.vector), "it arrives after all", v->cur->rip);
		EXPECT_EQUAL(guest_frame(v)[0], AT_CODE + i->returns_to);
		check_once(v);
		end_case();
	}
}

/* --- Windows --- */

struct window {
	struct about about;
	struct code code;
	u64 rflags;
	bool sti, mov_ss;	/* the shadow at the entry */
	u8 opens_at;		/* offset in the code; CLOSED: not up to its end */
	u64 stack;		/* what POPF finds */
};
#define CLOSED 0xff

static const struct window windows[] = {
	{ { "interrupt window, IF clear" }, CODE_OF(nops), .opens_at = CLOSED },
	{ { "interrupt window, IF set",
	    .differs[BOCHS_SVM] = "V_IRQ is looked at only when IF changes in the guest" },
	  CODE_OF(nops), RFLAGS_IF },
	{ { "interrupt window, STI" }, CODE_OF(sti), .opens_at = 2 },
	{ { "interrupt window, STI and CLI" }, CODE_OF(cli_sti), .opens_at = CLOSED },
	{ { "interrupt window, POPF" }, CODE_OF(popf), .opens_at = 1, .stack = IF_AT_POPF },
	{ { "interrupt window, entered in the shadow of STI", .needs = CAP(shadow_load),
	    .differs[BOCHS_SVM] = "V_IRQ is looked at only when IF changes in the guest" },
	  CODE_OF(nops), RFLAGS_IF, .sti = true, .opens_at = 1 },
	{ { "interrupt window, entered in the shadow of MOV SS", .needs = CAP(shadow_load),
	    .differs[BOCHS_SVM] = "V_IRQ is looked at only when IF changes in the guest" },
	  CODE_OF(nops), RFLAGS_IF, .mov_ss = true, .opens_at = 1 },
};

static void check_open(const struct window *w, struct vcpu *v)
{
	go(v);
	if (w->opens_at == CLOSED) {
		expect(is_at_end(v), "it stays closed", v->exit.kind);
		return;
	}
	expect(v->exit.kind == EXIT_INTR_WINDOW, "it opens", v->exit.kind);
	EXPECT_EQUAL(v->cur->rip, AT_CODE + w->opens_at);
	EXPECT_EQUAL(v->cur->rflags & RFLAGS_IF, RFLAGS_IF);
	expect(!v->cur->block.sti && !v->cur->block.mov_ss, "nothing blocks", 1);
	guest_backend()->window(v, false, false);
	go(v);
	expect(is_at_end(v), "called off, it opens no more", v->exit.kind);
}

/* program() must not call a window off. */
static void check_window(const struct window *w, bool reprogrammed)
{
	struct vcpu *v;

	if (!begin(&w->about, reprogrammed ? "and the controls programmed" : ""))
		return;
	v = guest_begin(w->code, 0);
	v->cur->rflags |= w->rflags;
	v->cur->block.sti = w->sti;
	v->cur->block.mov_ss = w->mov_ss;
	if (w->stack) {
		v->cur->rsp -= 8;
		guest_words((unsigned)v->cur->rsp)[0] = w->stack;
	}
	guest_backend()->window(v, true, false);
	if (reprogrammed)
		reprogram(v);
	check_open(w, v);
	end_case();
}

/* The exit comes before the shadowed instruction is done: what held for it still holds. */
static void check_shadow_kept(void)
{
	static const struct about about = { "shadow of STI over an exit", .needs = CAP(shadow_load) };
	static const struct code code = CODE_OF(sti_cpuid);
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = guest_begin(code, 0);
	want(&v->l0, EXIT_CPUID);
	reprogram(v);
	guest_backend()->window(v, true, false);
	go(v);
	EXPECT_EQUAL(v->exit.kind, EXIT_CPUID);
	expect(v->cur->block.sti, "STI blocks", 0);
	go(v);
	expect(v->exit.kind == EXIT_CPUID, "it exits there again", v->exit.kind);
	EXPECT_EQUAL(v->cur->rip, AT_CODE + 1);
	expect(v->cur->block.sti, "STI still blocks", 0);
	v->cur->rip += 2;
	v->cur->block.sti = false;
	ctx_dirty(v, CTX_IP | CTX_BLOCK);
	go(v);
	expect(v->exit.kind == EXIT_INTR_WINDOW || machine == BOCHS_SVM, "behind it the window opens",
	       v->exit.kind);
	end_case();
}

/* --- NMIs --- */

/* A vendor that keeps track of the blocking exits behind the IRET that ends it; else at the
 * IRET. */
static void check_nmi_window(void)
{
	static const struct about about = { "NMI window, in an NMI's handler" };
	static const struct code code = CODE_OF(nops);
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = guest_begin(code, 0);
	inject_event(v, &(struct event){ EVENT_NMI, EXC_NMI });
	guest_backend()->window(v, false, true);
	go(v);
	expect(is_at_stub(v, EXC_NMI), "the NMI arrives", v->cur->rip);
	expect(v->cur->block.nmi, "further NMIs are blocked", 0);
	pass_hypercall(v);
	go(v);
	if (guest_backend()->caps->vnmi) {
		EXPECT_EQUAL(v->exit.kind, EXIT_NMI_WINDOW);
		EXPECT_EQUAL(v->cur->rip, AT_CODE);
		expect(!v->cur->block.nmi, "NMIs aren't blocked any more", 1);
	} else {
		EXPECT_EQUAL(v->exit.kind, EXIT_IRET);
		EXPECT_EQUAL(v->cur->rip, AT_STUBS + STUB_SIZE * EXC_NMI + HYPERCALL_SIZE);
	}
	guest_backend()->window(v, false, false);
	go(v);
	expect(is_at_end(v), "called off, it opens no more", v->exit.kind);
	end_case();
}

static void check_nmi_window_open(void)
{
	static const struct about about = { "NMI window, nothing blocked", .needs = CAP(vnmi) };
	static const struct code code = CODE_OF(nops);
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = guest_begin(code, 0);
	guest_backend()->window(v, false, true);
	go(v);
	EXPECT_EQUAL(v->exit.kind, EXIT_NMI_WINDOW);
	EXPECT_EQUAL(v->cur->rip, AT_CODE);
	end_case();
}

void conform_events(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(injections); i++) {
		check_injection(&injections[i], 0);
		check_injection(&injections[i], 1);
		check_taken_back(&injections[i]);
		check_cut_short(&injections[i], "cut short at the IDT", AT_IDT);
		check_cut_short(&injections[i], "cut short at the stack", AT_STACK);
		check_native(&injections[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++) {
		check_window(&windows[i], false);
		check_window(&windows[i], true);
	}
	check_shadow_kept();
	check_nmi_window();
	check_nmi_window_open();
}
