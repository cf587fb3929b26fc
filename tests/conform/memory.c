/* SPDX-License-Identifier: MIT */
/* The second stage: what its faults tell, what a flush forgets, and where PDPTEs come from. */
#include "tests/conform/conform.h"

CODE(load, "mov (%r9), %eax");
CODE(store, "mov %eax, (%r9)");
CODE(load_store, "mov (%r9), %eax; mov %eax, (%r9)");
CODE(add, "addl $1, (%r9)");
CODE(jump, "jmp *%r9");
CODE(call_back, "call *%r9; nop");
CODE(nops, "nop; nop");
CODE(move_cr3, "mov %rax, %cr3");	/* the same bytes in 32-bit mode */

/* --- Faults --- */

struct fault {
	struct about about;
	struct code code;
	u32 address;		/* in R9, and in the exit */
	u32 rip;		/* of the exit, less AT_CODE; AT_NOTHING: there */
	u32 access;
	u32 page;		/* of the guest's, with other rights than all */
	u8 rights;
	bool user, on_table;
};

#define RET 0xc3

static const struct fault faults[] = {
	{ { "no memory, read" }, CODE_OF(load), AT_NOTHING + 8 },
	{ { "no memory, write" }, CODE_OF(store), AT_NOTHING + 16, .access = ACCESS_WRITE },
	{ { "no memory, fetch" }, CODE_OF(jump), AT_NOTHING, AT_NOTHING - AT_CODE, ACCESS_FETCH },
	{ { "no memory, read by user" }, CODE_OF(load), AT_NOTHING + 8, .user = true },
	{ { "no memory, fetch by user" }, CODE_OF(jump), AT_NOTHING, AT_NOTHING - AT_CODE, ACCESS_FETCH,
	  .user = true },
	{ { "no right to read" }, CODE_OF(load), AT_OTHER, .page = AT_OTHER },
	{ { "no right to write" }, CODE_OF(load_store), AT_OTHER, 3, ACCESS_WRITE, AT_OTHER,
	  RIGHTS_ALL & ~RIGHT_W },
	{ { "no right to write, read and written" }, CODE_OF(add), AT_OTHER + 4, 0, ACCESS_WRITE,
	  AT_OTHER, RIGHTS_ALL & ~RIGHT_W },
	{ { "no right to fetch" }, CODE_OF(jump), AT_OTHER, AT_OTHER - AT_CODE, ACCESS_FETCH, AT_OTHER,
	  RIGHT_R | RIGHT_W },
	{ { "a table of the guest's" }, CODE_OF(load), AT_PT, .page = AT_PT, .on_table = true },
	{ { "a table of the guest's, the highest" }, CODE_OF(load), AT_PML4, .page = AT_PML4,
	  .on_table = true },
};

static void check_fault(const struct fault *f, unsigned level)
{
	struct exit *x;
	struct vcpu *v;

	if (!begin(&f->about, level ? "in L2" : ""))
		return;
	v = guest_begin(f->code, level);
	v->gpr[GPR_R9] = f->address;
	if (f->user)
		guest_to_user(v);
	if (f->page)
		set_rights(v, f->page, f->rights);
	go(v);
	x = &v->exit;
	if (expect(x->kind == EXIT_STAGE2, "it exits", x->kind)) {
		EXPECT_EQUAL(x->stage2.final, !f->on_table);
		EXPECT_EQUAL(v->cur->rip - AT_CODE, f->rip);
		if (f->on_table) {
			EXPECT_EQUAL(x->stage2.address & PAGE_MASK, f->address);
		} else {
			EXPECT_EQUAL(x->stage2.address, f->address);
			EXPECT_EQUAL(x->stage2.access & (ACCESS_WRITE | ACCESS_FETCH), f->access);
		}
	}
	EXPECT_EQUAL(v->interrupted.type, EVENT_NONE);
	end_case();
}

/* --- Flushes --- */

/* The guest has used the page; then a right goes. */
static const struct flush {
	struct about about;
	struct code code;
	u8 rights;
	u32 access;
} flushes[] = {
	{ { "flush, read" }, CODE_OF(load), 0 },
	{ { "flush, write" }, CODE_OF(store), RIGHTS_ALL & ~RIGHT_W, ACCESS_WRITE },
	{ { "flush, fetch" }, CODE_OF(call_back), RIGHT_R | RIGHT_W, ACCESS_FETCH },
};

static void run_again(struct vcpu *v)
{
	v->cur->rip = AT_CODE;
	ctx_need(v, CTX_SP);
	v->cur->rsp = AT_STACK + PAGE_SIZE;
	ctx_dirty(v, CTX_IP | CTX_SP);
	go(v);
}

static void check_flush(const struct flush *f, unsigned level)
{
	struct vcpu *v;

	if (!begin(&f->about, level ? "in L2" : ""))
		return;
	v = guest_begin(f->code, level);
	v->gpr[GPR_R9] = AT_OTHER;
	*(u8 *)guest_at(AT_OTHER) = RET;
	go(v);
	expect(is_at_end(v), "it is used", v->exit.kind);
	set_rights(v, AT_OTHER, f->rights);
	run_again(v);
	expect(v->exit.kind == EXIT_STAGE2, "it is used no more", v->exit.kind);
	EXPECT_EQUAL(v->exit.stage2.address, AT_OTHER);
	EXPECT_EQUAL(v->exit.stage2.access & (ACCESS_WRITE | ACCESS_FETCH), f->access);
	set_rights(v, AT_OTHER, RIGHTS_ALL);
	run_again(v);
	expect(is_at_end(v), "it is used again", v->exit.kind);
	end_case();
}

/* --- PDPTEs --- */

#define PAE_OTHER	(AT_PAE + (u32)PAGE_SIZE)	/* the second page of PDPTEs */
#define PAE_DIRECTORY	(AT_PAE + 2 * (u32)PAGE_SIZE)
#define PDPTE		(PAE_DIRECTORY | 1ull)
#define LARGE_PAGE	0x87ull		/* the first 2 MiB; present, writable, user */

/* In PAE paging, with CR3 at AT_PAE. */
static struct vcpu *start_pae(struct code code)
{
	struct vcpu *v = guest_begin(code, 0);
	struct cpu_ctx *c = v->cur;

	guest_to_compat(v);
	c->efer = 0;
	c->cr3 = AT_PAE;
	guest_words(PAE_DIRECTORY)[0] = LARGE_PAGE;
	return v;
}

/* Whichever the backend says that the CPU uses is right, the other one leads nowhere. */
static void check_pdptes(void)
{
	static const struct about about = { "PDPTEs of PAE paging" };
	static const struct code code = CODE_OF(nops);
	bool in_memory = guest_backend()->caps->pdptr_in_memory;
	struct vcpu *v;

	if (!begin(&about, in_memory ? "in memory" : "the context's"))
		return;
	v = start_pae(code);
	guest_words(AT_PAE)[0] = in_memory ? PDPTE : 0;
	v->cur->pdptr[0] = in_memory ? 0 : PDPTE;
	go(v);
	expect(is_at_end(v), "the guest runs", v->exit.kind);
	ctx_need(v, CTX_PDPTR);
	EXPECT_EQUAL(v->cur->pdptr[0], in_memory ? 0 : PDPTE);
	end_case();
}

static void check_loaded_pdptes(void)
{
	static const struct about about = {
		"PDPTEs that a MOV to CR3 loads", { [SVM] = "the CPU keeps none" },
	};
	static const struct code code = CODE_OF(move_cr3);
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = start_pae(code);
	v->gpr[GPR_RAX] = PAE_OTHER;
	v->cur->pdptr[0] = v->cur->pdptr[1] = PDPTE;
	guest_words(PAE_OTHER)[0] = guest_words(PAE_OTHER)[2] = PDPTE;
	go(v);
	expect(is_at_end(v), "the guest runs", v->exit.kind);
	ctx_need(v, CTX_PDPTR | CTX_CR3);
	EXPECT_EQUAL(v->cur->cr3, PAE_OTHER);
	EXPECT_EQUAL(v->cur->pdptr[0], PDPTE);
	EXPECT_EQUAL(v->cur->pdptr[1], 0);
	EXPECT_EQUAL(v->cur->pdptr[2], PDPTE);
	end_case();
}

void conform_memory(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		check_fault(&faults[i], 0);
		check_fault(&faults[i], 1);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(flushes); i++) {
		check_flush(&flushes[i], 0);
		check_flush(&flushes[i], 1);
	}
	check_pdptes();
	check_loaded_pdptes();
}
