/* SPDX-License-Identifier: MIT */
/* MSRs: which accesses exit is said by number and direction; and what of CR0 and CR4 the guest
 * reads. */
#include "tests/conform/conform.h"

#include "include/x86/msr.h"

CODE(rdmsr, "rdmsr");
CODE(wrmsr, "wrmsr");
CODE(read_crs, "mov %cr0, %r8; mov %cr4, %r9");

/* --- MSRs --- */

struct msr {
	struct about about;
	u32 index;
	u64 value;
	bool in_no_map;
};

static const struct msr msrs[] = {
	{ { "MSR SYSENTER_CS" }, MSR_SYSENTER_CS, 0x1234 },
	{ { "MSR SYSENTER_EIP" }, MSR_SYSENTER_EIP, 0x5678 },
	{ { "MSR LSTAR" }, MSR_LSTAR, 0x7fff12345678 },
	{ { "MSR KERNEL_GS_BASE" }, MSR_KERNEL_GS_BASE, 0x7fff87654321 },
	{ { "MSR beyond all maps" }, 0x40000000, 0, true },
};

static void check_msr_exit(const struct msr *m, bool write, struct vcpu *v)
{
	expect(v->exit.kind == EXIT_MSR, "it exits", v->exit.kind);
	EXPECT_EQUAL(v->exit.msr.index, m->index);
	EXPECT_EQUAL(v->exit.msr.write, write);
	EXPECT_EQUAL(v->cur->rip, AT_CODE);
}

static void check_msr(const struct msr *m, const char *variant, bool write, bool pass_read,
		      bool pass_write)
{
	static const struct code read_code = CODE_OF(rdmsr), write_code = CODE_OF(wrmsr);
	struct vcpu *v;

	if (!begin(&m->about, variant))
		return;
	v = guest_begin(write ? write_code : read_code, 0);
	if (!m->in_no_map)
		guest_backend()->pass_msr(v, m->index, pass_read, pass_write);
	v->gpr[GPR_RCX] = m->index;
	v->gpr[GPR_RAX] = (u32)m->value;
	v->gpr[GPR_RDX] = m->value >> 32;
	go(v);
	if (!m->in_no_map && (write ? pass_write : pass_read))
		expect(is_at_end(v), "it doesn't exit", v->exit.kind);
	else
		check_msr_exit(m, write, v);
	end_case();
}

/* A pass that is taken back; another MSR's bits stay as they are. */
static void check_pass_taken_back(void)
{
	static const struct about about = { "MSR, a pass taken back" };
	static const struct code code = CODE_OF(rdmsr);
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = guest_begin(code, 0);
	for (unsigned i = MSR_SYSENTER_CS; i <= MSR_SYSENTER_EIP; i++)
		guest_backend()->pass_msr(v, i, true, true);
	guest_backend()->pass_msr(v, MSR_SYSENTER_ESP, false, false);
	v->gpr[GPR_RCX] = MSR_SYSENTER_CS;
	go(v);
	expect(is_at_end(v), "the one before it passes", v->exit.kind);
	v->cur->rip = AT_CODE;
	ctx_dirty(v, CTX_IP);
	v->gpr[GPR_RCX] = MSR_SYSENTER_ESP;
	go(v);
	expect(v->exit.kind == EXIT_MSR, "it exits", v->exit.kind);
	end_case();
}

/* --- What the guest reads of CR0 and CR4 --- */

struct view {
	struct about about;
	u64 mask[2], shadow[2];
	bool by_l1;
};

static const struct view views[] = {
	{ { "CR0 and CR4, no mask" } },
	{ { "CR0 and CR4, L0's mask" }, { CR0_TS | CR0_WP, CR4_TSD | CR4_PGE }, { CR0_TS, CR4_PGE } },
	{ { "CR0 and CR4, L1's mask" }, { CR0_AM | CR0_NE, CR4_VMXE | CR4_DE },
	  { CR0_AM, CR4_VMXE }, true },
	{ { "CR0 and CR4, L1's mask of all" }, { ~0ull, ~0ull }, { CR0_PE | CR0_ET, CR4_PAE }, true },
};

static u64 seen(const struct view *w, unsigned which, u64 value)
{
	return (value & ~w->mask[which]) | (w->shadow[which] & w->mask[which]);
}

/* A read that exits is answered by what the mask says; then the next one. */
static void read_both(const struct view *w, struct vcpu *v, u64 cr0, u64 cr4)
{
	unsigned reads = 0;

	for (go(v); v->exit.kind == EXIT_CR_READ && reads < 2; go(v), reads++) {
		bool is_cr0 = v->exit.cr.index == 0;

		v->gpr[is_cr0 ? GPR_R8 : GPR_R9] = is_cr0 ? seen(w, 0, cr0) : seen(w, 1, cr4);
		v->cur->rip += 4;
		ctx_dirty(v, CTX_IP);
	}
}

static void check_view(const struct view *w, unsigned level)
{
	static const struct code code = CODE_OF(read_crs);
	static const struct view none;
	const struct view *holds = w->by_l1 && !level ? &none : w;
	struct controls *c;
	struct vcpu *v;
	u64 cr0, cr4;

	if (!begin(&w->about, level ? "in L2" : "in L1"))
		return;
	v = guest_begin(code, level);
	c = w->by_l1 ? &v->l1 : &v->l0;
	for (unsigned i = 0; i < 2; i++) {
		c->cr_mask[i] = w->mask[i];
		c->cr_shadow[i] = w->shadow[i];
	}
	cr0 = v->cur->cr0;
	cr4 = v->cur->cr4;
	reprogram(v);
	read_both(holds, v, cr0, cr4);
	expect(is_at_end(v), "the guest runs to its end", v->exit.kind);
	EXPECT_EQUAL(v->gpr[GPR_R8], seen(holds, 0, cr0));
	EXPECT_EQUAL(v->gpr[GPR_R9], seen(holds, 1, cr4));
	end_case();
}

void conform_msrs(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
		check_msr(&msrs[i], "read, nothing passes", false, false, false);
		check_msr(&msrs[i], "write, nothing passes", true, false, false);
		check_msr(&msrs[i], "read, reads pass", false, true, false);
		check_msr(&msrs[i], "write, reads pass", true, true, false);
		check_msr(&msrs[i], "read, writes pass", false, false, true);
		check_msr(&msrs[i], "write, writes pass", true, false, true);
	}
	check_pass_taken_back();
	for (unsigned i = 0; i < ARRAY_SIZE(views); i++) {
		check_view(&views[i], 0);
		check_view(&views[i], 1);
	}
}
