/* SPDX-License-Identifier: MIT */
/*
 * Register groups: what is written into a context is what the guest sees, what the guest writes
 * is what the context shows, what nobody has touched stays; over exits, over a change of
 * contexts, over the vCPU's absence from its CPU.
 */
#include "tests/conform/conform.h"

#include "arch/x86/host_msrs.h"
#include "include/x86/msr.h"
#include "lib/string.h"

/* The guest's view of a register, stored at an offset of its data; and loaded from there. */
#define SHOW(reg, at)	"mov %" #reg ", %rax; mov %rax, " #at "(%rbx);"
#define SHOW_MSR(index, at) \
	"mov $" #index ", %ecx; rdmsr; mov %eax, " #at "(%rbx); mov %edx, " #at "+4(%rbx);"
#define TAKE(reg, at)	"mov " #at "(%rbx), %rax; mov %rax, %" #reg ";"
#define TAKE_MSR(index, at) \
	"mov $" #index ", %ecx; mov " #at "(%rbx), %eax; mov " #at "+4(%rbx), %edx; wrmsr;"

CODE(show,
	SHOW(rsp, 0x00) SHOW(cr0, 0x08) SHOW(cr2, 0x10) SHOW(cr3, 0x18) SHOW(cr4, 0x20)
	SHOW(dr6, 0x28) SHOW(dr7, 0x30)
	SHOW_MSR(0x174, 0x48) SHOW_MSR(0x175, 0x50) SHOW_MSR(0x176, 0x58)
	SHOW_MSR(0xc0000102, 0x60) SHOW_MSR(0xc0000081, 0x68) SHOW_MSR(0xc0000082, 0x70)
	SHOW_MSR(0xc0000083, 0x78) SHOW_MSR(0xc0000084, 0x80)
	SHOW_MSR(0xc0000100, 0x88) SHOW_MSR(0xc0000101, 0x90)
	"sgdt 0x9e(%rbx); sidt 0xae(%rbx);"
	"xor %eax, %eax; sldt %eax; mov %rax, 0xb8(%rbx); str %eax; mov %rax, 0xc0(%rbx);"
	"mov %fs, %eax; mov %rax, 0xc8(%rbx); mov %gs, %eax; mov %rax, 0xd0(%rbx);"
	"pushfq; pop %rax; mov %rax, 0xd8(%rbx)");

CODE(take,
	TAKE(rsp, 0x00) TAKE(cr2, 0x10) TAKE(cr3, 0x18) TAKE(dr6, 0x28)
	TAKE_MSR(0x174, 0x48) TAKE_MSR(0x175, 0x50) TAKE_MSR(0x176, 0x58)
	TAKE_MSR(0xc0000102, 0x60) TAKE_MSR(0xc0000081, 0x68) TAKE_MSR(0xc0000082, 0x70)
	TAKE_MSR(0xc0000083, 0x78) TAKE_MSR(0xc0000084, 0x80)
	TAKE_MSR(0xc0000100, 0x88) TAKE_MSR(0xc0000101, 0x90)
	"lgdt 0x9e(%rbx); lidt 0xae(%rbx)");

CODE(show_pat, SHOW_MSR(0x277, 0x40));
CODE(take_dr7, "mov %rax, %dr7");

static const u32 shown_msrs[] = {
	MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_KERNEL_GS_BASE, MSR_STAR,
	MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE,
};

#define CR0_BASE	(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG)
#define CR4_BASE	(CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define SYSTEM_LDT	2u
#define IN(member)	offsetof(struct cpu_ctx, member), sizeof(((struct cpu_ctx *)0)->member)
/* Of the group whose home may be the CPU itself: one set for both contexts (VCPU.md, "Who owns
 * what"). */
#define SHARED		true
/* What the hardware has isn't what the guest is to see: its reads exit. */
#define NOT_SHOWN	0xfff

struct item {
	const char *name;
	u16 in_ctx, size;
	u16 at;			/* of the guest's data */
	u64 value[2];
	bool shared;
	u8 taken;		/* the guest writes it too: 1 */
};

static const struct item items[] = {
	{ "RSP", IN(rsp), 0x00, { AT_STACK + 0x800, AT_STACK + 0x900 }, .taken = 1 },
	{ "CR0", IN(cr0), 0x08, { CR0_BASE | CR0_TS, CR0_BASE & ~CR0_WP } },
	{ "CR2", IN(cr2), 0x10, { 0xffff8123456789ab, 0x00007edcba987654 }, SHARED, 1 },
	{ "CR3", IN(cr3), 0x18, { AT_PML4 | 0x18, AT_PML4 | 0x10 }, .taken = 1 },
	{ "CR4", IN(cr4), 0x20, { CR4_BASE | CR4_TSD | CR4_PGE, CR4_BASE | CR4_DE | CR4_PCE } },
	{ "DR6", IN(dr6), 0x28, { DR6_FIXED | DR6_BS, DR6_FIXED | 3 }, SHARED, 1 },
	{ "DR7", IN(dr7), 0x30, { DR7_FIXED | 0x300, DR7_FIXED | 0x30000 } },
	{ "EFER", IN(efer), NOT_SHOWN,
	  { EFER_LME | EFER_LMA | EFER_SCE, EFER_LME | EFER_LMA | EFER_NXE } },
	{ "PAT", IN(pat), NOT_SHOWN, { 0x0606060606060606, 0x0001040506070006 } },
	{ "SYSENTER_CS", IN(sysenter.cs), 0x48, { 0x1234, 0x5678 }, .taken = 1 },
	{ "SYSENTER_ESP", IN(sysenter.esp), 0x50, { 0xffff812345678000, 0x7000 }, .taken = 1 },
	{ "SYSENTER_EIP", IN(sysenter.eip), 0x58, { 0xffff8edcba987000, 0x6000 }, .taken = 1 },
	{ "KERNEL_GS_BASE", IN(kernel_gs_base), 0x60, { 0xffff800000001000, 0x10001 }, SHARED, 1 },
	{ "STAR", IN(star), 0x68, { 0x0011223344556677, 0x8899aabbccddeeff }, SHARED, 1 },
	{ "LSTAR", IN(lstar), 0x70, { 0xffff800000002000, 0x10002 }, SHARED, 1 },
	{ "CSTAR", IN(cstar), 0x78, { 0xffff800000003000, 0x10003 }, SHARED, 1 },
	{ "SFMASK", IN(sfmask), 0x80, { 0x47700, 0x00300 }, SHARED, 1 },
	{ "FS's base", IN(seg[SEG_FS].base), 0x88, { 0xffff900000000000, 0x20000 }, .taken = 1 },
	{ "GS's base", IN(seg[SEG_GS].base), 0x90, { 0xffffa00000000000, 0x30000 }, .taken = 1 },
	{ "GDTR's base", IN(gdtr.base), 0xa0, { AT_GDT, AT_GDT + 8 }, .taken = 1 },
	{ "IDTR's base", IN(idtr.base), 0xb0, { AT_IDT, AT_IDT + 16 }, .taken = 1 },
	{ "LDTR", IN(seg[SEG_LDTR].selector), 0xb8, { GUEST_LDT, 0x50 } },
	{ "TR", IN(seg[SEG_TR].selector), 0xc0, { GUEST_TSS, 0x60 } },
	{ "FS", IN(seg[SEG_FS].selector), 0xc8, { GUEST_DATA, GUEST_DATA_U } },
	{ "GS", IN(seg[SEG_GS].selector), 0xd0, { GUEST_DATA_U, GUEST_DATA } },
	{ "RFLAGS", IN(rflags), 0xd8, { RFLAGS_FIXED | RFLAGS_CF, RFLAGS_FIXED | RFLAGS_OF } },
};

static u64 read_item(const struct cpu_ctx *c, const struct item *i)
{
	u64 value = 0;

	memcpy(&value, (const u8 *)c + i->in_ctx, i->size);
	return value;
}

/* Arithmetic changes them on the way. */
static bool is_flags(const struct item *i)
{
	return i->in_ctx == offsetof(struct cpu_ctx, rflags);
}

static void pass_msrs(struct vcpu *v)
{
	for (unsigned i = 0; i < ARRAY_SIZE(shown_msrs); i++)
		guest_backend()->pass_msr(v, shown_msrs[i], true, true);
}

/* Fills the context that is current with the values of one column. */
static void fill(struct vcpu *v, unsigned column)
{
	struct cpu_ctx *c = v->cur;

	for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
		memcpy((u8 *)c + items[i].in_ctx, &items[i].value[column], items[i].size);
	c->seg[SEG_LDTR].attr = SEG_ATTR_P | SYSTEM_LDT;
	c->seg[SEG_LDTR].limit = PAGE_SIZE - 1;
	c->seg[SEG_LDTR].base = AT_LDT;
	v->gpr[GPR_RBX] = AT_DATA;
	c->available = c->dirty = CTX_ALL & ~(CTX_CODE | CTX_CPL);
}

static void check_shown(unsigned column, bool shared_too)
{
	for (unsigned i = 0; i < ARRAY_SIZE(items); i++) {
		u64 found = guest_words(AT_DATA + items[i].at)[0];

		if (is_flags(&items[i]))
			found = items[i].value[column];
		if (items[i].at != NOT_SHOWN && (!items[i].shared || shared_too))
			expect(found == items[i].value[column], items[i].name, found);
	}
}

static void load_all(struct vcpu *v)
{
	v->cur->available &= CTX_IP | CTX_FLAGS | CTX_BLOCK;
	ctx_need(v, CTX_ALL);
}

static void check_loaded(struct vcpu *v, unsigned column, bool shared_too)
{
	load_all(v);
	for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
		if (!is_flags(&items[i]) && (!items[i].shared || shared_too))
			expect(read_item(v->cur, &items[i]) == items[i].value[column], items[i].name,
			       read_item(v->cur, &items[i]));
}

/* From the beginning to the end of its code. */
static void show(struct vcpu *v)
{
	memset(guest_at(AT_DATA), 0, PAGE_SIZE);
	v->cur->rip = AT_CODE;
	ctx_dirty(v, CTX_IP);
	go(v);
	expect(is_at_end(v), "the guest runs to its end", v->exit.kind);
}

static const struct code show_code = CODE_OF(show), take_code = CODE_OF(take);

static struct vcpu *start(struct code code, unsigned level)
{
	struct vcpu *v = guest_begin(code, level);

	pass_msrs(v);
	return v;
}

static void check_seen(unsigned level)
{
	static const struct about about = { "registers, as the guest sees them" };
	struct vcpu *v;

	if (!begin(&about, level ? "in L2" : ""))
		return;
	v = start(show_code, level);
	for (unsigned column = 0; column < 2; column++) {
		fill(v, column);
		show(v);
		check_shown(column, true);
	}
	end_case();
}

static void check_untouched(void)
{
	static const struct about about = { "registers that nobody touches stay" };
	struct cpu_ctx before;
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = start(show_code, 0);
	fill(v, 0);
	show(v);
	check_loaded(v, 0, true);
	before = *v->cur;
	show(v);
	load_all(v);
	for (unsigned i = 0; i < NR_SEGMENTS; i++)
		expect(!memcmp(&before.seg[i], &v->cur->seg[i], sizeof(before.seg[i])),
		       "a segment stays", i);
	expect(before.gdtr.limit == v->cur->gdtr.limit, "GDTR's limit stays", v->cur->gdtr.limit);
	expect(before.idtr.limit == v->cur->idtr.limit, "IDTR's limit stays", v->cur->idtr.limit);
	check_loaded(v, 0, true);
	check_shown(0, true);
	end_case();
}

/* Limits and attributes of segments come back as they were put in. */
static void check_segments(void)
{
	static const struct about about = { "segments come back as they were" };
	struct cpu_ctx before;
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = start(show_code, 0);
	fill(v, 0);
	before = *v->cur;
	show(v);
	load_all(v);
	for (unsigned i = 0; i < NR_SEGMENTS; i++) {
		const struct segment *was = &before.seg[i], *is = &v->cur->seg[i];

		expect(was->selector == is->selector, "its selector", i << 16 | is->selector);
		expect(was->attr == is->attr, "its attributes", i << 16 | is->attr);
		expect(was->limit == is->limit, "its limit", (u64)i << 32 | is->limit);
		expect(was->base == is->base, "its base", is->base);
	}
	end_case();
}

static void check_written(void)
{
	static const struct about about = { "registers that the guest writes" };
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = start(take_code, 0);
	fill(v, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
		if (items[i].at != NOT_SHOWN)
			guest_words(AT_DATA + items[i].at)[0] = items[i].value[1];
	((u16 *)guest_at(AT_DATA + 0x9e))[0] = 0x67;
	((u16 *)guest_at(AT_DATA + 0xae))[0] = 0xfff;
	go(v);
	expect(is_at_end(v), "the guest runs to its end", v->exit.kind);
	load_all(v);
	for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
		if (items[i].taken)
			expect(read_item(v->cur, &items[i]) == items[i].value[1], items[i].name,
			       read_item(v->cur, &items[i]));
	EXPECT_EQUAL(v->cur->gdtr.limit, 0x67);
	EXPECT_EQUAL(v->cur->idtr.limit, 0xfff);
	end_case();
}

static void check_pat(void)
{
	static const struct about about = {
		"PAT, as the guest sees it", .differs[QEMU_SVM] = "the guest has the host's",
	};
	static const struct code code = CODE_OF(show_pat);
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = guest_begin(code, 0);
	guest_backend()->pass_msr(v, MSR_PAT, true, false);
	v->cur->pat = 0x0606060606060606;
	go(v);
	EXPECT_EQUAL(guest_words(AT_DATA + 0x40)[0], 0x0606060606060606);
	end_case();
}

static void check_written_dr7(void)
{
	static const struct about about = { "DR7 that the guest writes", .needs = CAP(dr7_clear) };
	static const struct code code = CODE_OF(take_dr7);
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = guest_begin(code, 0);
	v->gpr[GPR_RAX] = DR7_FIXED | 0x302;
	go(v);
	ctx_need(v, CTX_DR);
	EXPECT_EQUAL(v->cur->dr7, DR7_FIXED | 0x302);
	end_case();
}

/* Its MSRs are the host's again in between, and the guest's after. */
static void check_absence(void)
{
	static const struct about about = { "registers over detach and attach" };
	struct host_msrs before, after;
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = start(show_code, 0);
	guest_detach(v);
	host_msrs_read(&before);
	guest_attach(v);
	fill(v, 0);
	show(v);
	guest_detach(v);
	host_msrs_read(&after);
	expect(!host_msrs_compare(&before, &after, NULL), "the host's MSRs are back", 0);
	asm volatile("mov %0, %%cr2" : : "r"(0x5555ull));
	guest_attach(v);
	show(v);
	check_shown(0, true);
	check_loaded(v, 0, true);
	end_case();
}

/* Each keeps its own; the shared group is whoever changes contexts to move. */
static void check_alternating(void)
{
	static const struct about about = { "two contexts in turns" };
	struct host_msrs before, after;
	struct vcpu *v;

	if (!begin(&about, ""))
		return;
	v = start(show_code, 0);
	guest_detach(v);
	host_msrs_read(&before);
	guest_attach(v);
	fill(v, 0);
	show(v);
	guest_add_context(v, 1);
	guest_switch(v, 1);
	pass_msrs(v);
	fill(v, 1);
	for (unsigned turn = 0; turn < 6; turn++) {
		guest_switch(v, turn % 2);
		show(v);
		check_shown(turn % 2, false);
		check_loaded(v, turn % 2, false);
	}
	guest_detach(v);
	host_msrs_read(&after);
	expect(!host_msrs_compare(&before, &after, NULL), "the host's MSRs are back", 0);
	guest_attach(v);
	for (unsigned turn = 0; turn < 2; turn++) {
		guest_switch(v, turn % 2);
		show(v);
		check_shown(turn % 2, false);
	}
	end_case();
}

void conform_state(void)
{
	check_seen(0);
	check_seen(1);
	check_untouched();
	check_segments();
	check_written();
	check_written_dr7();
	check_pat();
	check_absence();
	check_alternating();
}
