// SPDX-License-Identifier: MIT
#include "tests/host/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CODE_SIZE	0x8000u
#define SLOT		16u
/*
 * Unicorn keeps what it has translated, and where it was told to stop. So each instruction has a
 * slot of its own until all are used. Branches have theirs in the middle of BRANCH_SLOT bytes, in
 * the second half of the code: where they go, no slot is.
 */
#define BRANCH_CODE	(CODE + 0x4000u)
#define BRANCH_SLOT	0x200u

/* Asked by LeakSanitizer: unicorn 2.0 loses some bytes for each engine closed. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libunicorn";
}

static const int names64[18] = {
	UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP,
	UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8, UC_X86_REG_R9,
	UC_X86_REG_R10, UC_X86_REG_R11, UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14,
	UC_X86_REG_R15, UC_X86_REG_EFLAGS, UC_X86_REG_RIP,
};
static const int names32[10] = {
	UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX, UC_X86_REG_ESP,
	UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI, UC_X86_REG_EFLAGS, UC_X86_REG_EIP,
};

static void on_interrupt(uc_engine *uc, uint32_t vector, void *data)
{
	struct reference *r = data;

	r->exception = vector;
	uc_emu_stop(uc);
}

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *data)
{
	return ((struct reference *)data)->in_value++;
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *data)
{
	((struct reference *)data)->last_out = value;
}

static void map_memory(struct reference *r)
{
	static const u32 rights[] = { UC_PROT_READ | UC_PROT_WRITE, UC_PROT_READ | UC_PROT_WRITE,
				      UC_PROT_READ };

	r->data = aligned_alloc(PAGE_SIZE, WINDOW_SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(rights); i++)
		assert_int_equal(uc_mem_map_ptr(r->uc, WINDOW + i * PAGE_SIZE, PAGE_SIZE, rights[i],
						r->data + i * PAGE_SIZE), UC_ERR_OK);
	r->code = aligned_alloc(PAGE_SIZE, CODE_SIZE);
	assert_int_equal(uc_mem_map_ptr(r->uc, CODE, CODE_SIZE, UC_PROT_READ | UC_PROT_EXEC,
					r->code), UC_ERR_OK);
	/* Unicorn translates beyond the one instruction, and dies of some: HLT ends that. */
	memset(r->code, 0xf4, CODE_SIZE);
}

void reference_open(struct reference *r, enum cpu_mode mode)
{
	static const int segments[] = { UC_X86_REG_DS, UC_X86_REG_ES, UC_X86_REG_SS, UC_X86_REG_FS,
					UC_X86_REG_GS };
	uint64_t selector = WINDOW >> 4;
	uc_hook hook;

	*r = (struct reference){ .mode = mode };
	assert_int_equal(uc_open(UC_ARCH_X86, mode == CPU_MODE_64 ? UC_MODE_64 :
				 mode == CPU_MODE_32 ? UC_MODE_32 : UC_MODE_16, &r->uc), UC_ERR_OK);
	map_memory(r);
	assert_int_equal(uc_context_alloc(r->uc, &r->fresh), UC_ERR_OK);
	uc_hook_add(r->uc, &hook, UC_HOOK_INTR, on_interrupt, r, 1, 0);
	uc_hook_add(r->uc, &hook, UC_HOOK_INSN, on_in, r, 1, 0, UC_X86_INS_IN);
	uc_hook_add(r->uc, &hook, UC_HOOK_INSN, on_out, r, 1, 0, UC_X86_INS_OUT);
	for (size_t i = 0; mode == CPU_MODE_16 && i < ARRAY_SIZE(segments); i++)
		uc_reg_write(r->uc, segments[i], &selector);
	uc_context_save(r->uc, r->fresh);
}

void reference_close(struct reference *r)
{
	uc_context_free(r->fresh);
	uc_close(r->uc);
	free(r->data);
	free(r->code);
}

u64 reference_rip(const struct reference *r, bool branches)
{
	if (branches)
		return BRANCH_CODE + r->branch_slot * BRANCH_SLOT + BRANCH_SLOT / 2;
	return CODE + 0x100 + r->slot * SLOT;
}

bool reference_can_branch(u64 rip, u64 to)
{
	if (to - BRANCH_CODE < CODE + CODE_SIZE - BRANCH_CODE)
		return to % BRANCH_SLOT - BRANCH_SLOT / 2 >= SLOT;
	return to - CODE >= CODE_SIZE;
}

/* The slot is used. */
static void next_slot(struct reference *r, u64 rip)
{
	unsigned *slot = rip >= BRANCH_CODE ? &r->branch_slot : &r->slot;

	*slot += 1;
	if (*slot < (rip >= BRANCH_CODE ? 0x4000 / BRANCH_SLOT : 0x4000 / SLOT - 32))
		return;
	*slot = 0;
	uc_ctl_flush_tlb(r->uc);
}

static unsigned nr_registers(const struct reference *r)
{
	return r->mode == CPU_MODE_64 ? 16 : 8;
}

/* The general registers, RFLAGS, RIP. */
static void move_registers(struct reference *r, bool write)
{
	unsigned n = nr_registers(r);
	void *at[18];

	for (unsigned i = 0; i < n; i++)
		at[i] = &r->gpr[i];
	at[n] = &r->rflags;
	at[n + 1] = &r->rip;
	if (write)
		uc_reg_write_batch(r->uc, (int *)(n == 16 ? names64 : names32), at, n + 1);
	else
		uc_reg_read_batch(r->uc, (int *)(n == 16 ? names64 : names32), at, n + 2);
}

static void run_once(struct reference *r, const u8 *code, u64 until, bool repeats)
{
	u64 at = m.rip;

	memcpy(r->code + (at - CODE), code, SLOT);
	memcpy(r->gpr, m.gpr, sizeof(r->gpr));
	r->gpr[GPR_RSP] = m.rsp;
	r->rflags = m.rflags;
	r->in_value = m.in_value;
	r->last_out = m.last_out;
	move_registers(r, true);
	memcpy(r->data, m.data + WINDOW - m.at, WINDOW_SIZE);
	r->exception = -1;
	r->error = uc_emu_start(r->uc, at, until, 0, repeats ? 0 : 1);
	r->rip = r->rflags = 0;
	memset(r->gpr, 0, sizeof(r->gpr));
	move_registers(r, false);
	memset(r->code + (at - CODE), 0xf4, SLOT);
	/* Else it makes a double fault of the next one: nobody took this one to its handler. */
	if (r->exception >= 0)
		uc_context_restore(r->uc, r->fresh);
}

/* At times Unicorn executes an HLT that it has kept of a branch's slot: RIP is one byte on, where no
 * branch goes. A new engine has kept nothing. */
void reference_run(struct reference *r, const u8 *code, u64 until, bool repeats)
{
	run_once(r, code, until, repeats);
	if (m.rip >= BRANCH_CODE && r->error == UC_ERR_OK && r->exception < 0 && r->rip == m.rip + 1) {
		unsigned slot = r->slot, branch_slot = r->branch_slot;

		reference_close(r);
		reference_open(r, r->mode);
		r->slot = slot;
		r->branch_slot = branch_slot;
		run_once(r, code, until, repeats);
	}
	next_slot(r, m.rip);
}
