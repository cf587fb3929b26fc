/* SPDX-License-Identifier: MIT */
/*
 * Each instruction that exits where it is wanted, alone: wanted by L0; by nobody; by L1 while L2
 * runs; by L1 while L1 runs, which must be as if nobody did.
 */
#include "tests/conform/conform.h"

#include "include/x86/msr.h"
#include "lib/string.h"
#include "vcpu/exits.h"

CODE(cpuid, "cpuid");
CODE(hlt, "hlt");
CODE(invd, "invd");
CODE(wbinvd, "wbinvd");
CODE(pause, "pause");
CODE(rdpmc, "rdpmc");
CODE(rsm, "rsm");
CODE(rdtsc, "rdtsc");
CODE(rdtscp, "rdtscp");
CODE(monitor, "monitor");
CODE(mwait, "mwait");
CODE(xsetbv, "xsetbv");
CODE(rdpru, ".byte 0x0f, 0x01, 0xfd");
CODE(invlpg, "invlpg (%rbx)");
CODE(invpcid, "invpcid (%rbx), %rcx");
CODE(vmptrst, "vmptrst (%rbx)");
CODE(vmload, "vmload");
CODE(vmsave, "vmsave");
CODE(stgi, "stgi");
CODE(clgi, "clgi");
CODE(vmrun, "vmrun");
CODE(skinit, "skinit");
CODE(invlpga, "invlpga");
CODE(vmcall, "vmcall");
CODE(vmmcall, "vmmcall");
CODE(pushf, "pushfq");
CODE(popf, "popfq");
CODE(int_n, "int $0x50");
CODE(iret, "iretq");
CODE(sgdt, "sgdt (%rbx)");
CODE(sidt, "sidt (%rbx)");
CODE(sldt, "sldt %eax");
CODE(str, "str %eax");
CODE(lgdt, "lgdt (%rbx)");
CODE(lidt, "lidt (%rbx)");
CODE(lldt, "lldt %ax");
CODE(ltr, "ltr %ax");
CODE(read_cr0, "mov %cr0, %r9");
CODE(read_cr3, "mov %cr3, %rdx");
CODE(read_cr4, "mov %cr4, %rbp");
CODE(read_cr8, "mov %cr8, %r12");
CODE(write_cr0, "mov %r9, %cr0");
CODE(write_cr3, "mov %r9, %cr3");
CODE(write_cr4, "mov %r9, %cr4");
CODE(write_cr8, "mov %r9, %cr8");
CODE(clts, "clts");
CODE(lmsw, "lmsw %r9w");
CODE(smsw, "smsw %r9d");
CODE(read_dr0, "mov %dr0, %r10");
CODE(read_dr6, "mov %dr6, %r10");
CODE(read_dr7, "mov %dr7, %r10");
CODE(write_dr0, "mov %r10, %dr0");
CODE(write_dr7, "mov %r11, %dr7");
CODE(in8, "in $0x80, %al");
CODE(in16, "in $0x80, %ax");
CODE(in32, "in $0x80, %eax");
CODE(in8_dx, "in %dx, %al");
CODE(out8, "out %al, $0x80");
CODE(out16, "out %ax, $0x80");
CODE(out32, "out %eax, $0x80");
CODE(out32_dx, "out %eax, %dx");
CODE(ins8, "insb");
CODE(ins32, "insl");
CODE(outs8, "outsb");
CODE(outs16, "outsw");
CODE(rep_ins16, "rep insw");
CODE(rep_outs8, "rep outsb");
CODE(rep_outs32, "rep outsl");

#define LMSW_VALUE	0x3u	/* PE, MP: as it is */
#define CR0_VALUE	(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_AM | CR0_PG)	/* without WP */
#define ARRIVES(vector)	(0x100u | (vector))

struct row {
	struct about about;
	struct code code;
	u8 kind;
	u8 or_kind;		/* what a vendor that tells less reports */
	u8 operand;		/* has a general register in the payload, and 1 */
	u16 cr_read, cr_write, dr_read, dr_write;
	u64 rax, rcx, rdx, r9;
	struct exit payload;
	u32 native;		/* ARRIVES(): the exception that it is where nobody wants it */
	const char *no_native[NR_VENDORS];	/* why it isn't tried where nobody wants it */
	bool halts;		/* where nobody wants it, until an interrupt */
	void (*prepare)(struct vcpu *v);
};

#define ONLY_VMX(text)	{ [SVM] = text }
#define ONLY_SVM(text)	{ [VMX] = text }
#define EXITS_ALWAYS	"the CPU always exits there"
#define HARMS		"it would change the host"

static void push_frame(struct vcpu *v)
{
	u64 *top = guest_words(AT_STACK + PAGE_SIZE - 5 * 8);

	v->cur->rsp -= 5 * 8;
	top[0] = end_address();
	top[1] = GUEST_CODE64;
	top[2] = RFLAGS_FIXED;
	top[3] = AT_STACK + PAGE_SIZE;
	top[4] = GUEST_DATA;
}

static void push_flags(struct vcpu *v)
{
	v->cur->rsp -= 8;
	guest_words(AT_STACK + PAGE_SIZE - 8)[0] = RFLAGS_FIXED;
}

/* LGDT and LIDT load what is there already. */
static void put_gdtr(struct vcpu *v)
{
	u8 bytes[10] = { 11 * 8 - 1, 0, AT_GDT & 0xff, AT_GDT >> 8 };

	memcpy(guest_at(AT_DATA), bytes, sizeof(bytes));
}

static void put_idtr(struct vcpu *v)
{
	u8 bytes[10] = { 0xff, 0x0f, AT_IDT & 0xff, AT_IDT >> 8 };

	memcpy(guest_at(AT_DATA), bytes, sizeof(bytes));
}

/* A TSS that LTR may load isn't busy. */
static void free_tss(struct vcpu *v)
{
	((u8 *)guest_at(AT_GDT + GUEST_TSS))[5] = 0x89;
}

#define TABLE(text, its_code, ...) \
	{ { text }, CODE_OF(its_code), EXIT_DESC_TABLE, __VA_ARGS__ }
#define CR(text, its_code, its_kind, ...) \
	{ { text }, CODE_OF(its_code), its_kind, __VA_ARGS__ }
#define PORT(text, its_code, ...) \
	{ { text }, CODE_OF(its_code), EXIT_IO, .rdx = 0x80, .payload.io = { 0x80, __VA_ARGS__ } }
#define SVM_ROW(text, its_code, ...) \
	{ { text, ONLY_SVM("Intel's CPUs have no such instruction") }, CODE_OF(its_code), \
	  EXIT_SVM_INSN, .no_native = BOTH(HARMS), __VA_ARGS__ }

static const struct row rows[] = {
	{ { "CPUID" }, CODE_OF(cpuid), EXIT_CPUID, .no_native = { [VMX] = EXITS_ALWAYS } },
	{ { "HLT" }, CODE_OF(hlt), EXIT_HLT, .halts = true },
	{ { "INVD", .differs[QEMU_SVM] = "it exits if WBINVD is wanted" },
	  CODE_OF(invd), EXIT_INVD, .no_native = BOTH("the host's caches would be lost") },
	{ { "WBINVD" }, CODE_OF(wbinvd), EXIT_WBINVD },
	{ { "PAUSE" }, CODE_OF(pause), EXIT_PAUSE },
	{ { "RDPMC" }, CODE_OF(rdpmc), EXIT_RDPMC,
	  .no_native = BOTH("what it reads depends on the CPU's counters") },
	{ { "RSM", ONLY_SVM("outside SMM it is #UD, and SMM is not entered"),
	    .differs[BOCHS_SVM] = "outside SMM it is #UD before it exits" }, CODE_OF(rsm), EXIT_RSM,
	  .native = ARRIVES(EXC_UD) },
	{ { "RDTSC" }, CODE_OF(rdtsc), EXIT_RDTSC },
	{ { "RDTSCP", .needs = CAP(rdtscp_exit) }, CODE_OF(rdtscp), EXIT_RDTSCP },
	{ { "MONITOR" }, CODE_OF(monitor), EXIT_MONITOR, .rax = AT_DATA },
	{ { "MWAIT" }, CODE_OF(mwait), EXIT_MWAIT,
	  .no_native = BOTH("it may wait for ever, or not at all") },
	{ { "XSETBV", .needs = CAP(xsetbv_exit) }, CODE_OF(xsetbv), EXIT_XSETBV, .rax = 1,
	  .no_native = { HARMS, EXITS_ALWAYS } },
	{ { "RDPRU", BOTH("neither emulator's CPU has it") }, CODE_OF(rdpru), EXIT_RDPRU },
	{ { "INVLPG" }, CODE_OF(invlpg), EXIT_INVLPG },
	{ { "INVPCID", BOTH("no backend lets a guest have it") }, CODE_OF(invpcid), EXIT_INVPCID },
	{ { "VMPTRST", ONLY_VMX("it is #UD there") }, CODE_OF(vmptrst), EXIT_VMX_INSN,
	  .no_native = BOTH(EXITS_ALWAYS) },
	SVM_ROW("VMRUN", vmrun), SVM_ROW("VMLOAD", vmload), SVM_ROW("VMSAVE", vmsave),
	SVM_ROW("STGI", stgi), SVM_ROW("CLGI", clgi), SVM_ROW("INVLPGA", invlpga),
	SVM_ROW("SKINIT", skinit),
	{ { "VMCALL", ONLY_VMX("it is #UD there") }, CODE_OF(vmcall), EXIT_VMCALL,
	  .no_native = BOTH(EXITS_ALWAYS) },
	{ { "VMMCALL", ONLY_SVM("it is #UD there") }, CODE_OF(vmmcall), EXIT_VMCALL,
	  .no_native = BOTH("the suite itself needs it") },
	{ { "PUSHF", ONLY_SVM("it has no such exit") }, CODE_OF(pushf), EXIT_PUSHF },
	{ { "POPF", ONLY_SVM("it has no such exit") }, CODE_OF(popf), EXIT_POPF,
	  .prepare = push_flags },
	{ { "INT n", ONLY_SVM("it has no such exit") }, CODE_OF(int_n), EXIT_INT_N,
	  .native = ARRIVES(0x50) },
	{ { "IRET", ONLY_SVM("it has no such exit") }, CODE_OF(iret), EXIT_IRET, .prepare = push_frame },
	TABLE("SGDT", sgdt), TABLE("SIDT", sidt), TABLE("SLDT", sldt), TABLE("STR", str),
	TABLE("LGDT", lgdt, .prepare = put_gdtr),
	TABLE("LIDT", lidt, .prepare = put_idtr),
	TABLE("LLDT", lldt, .rax = GUEST_LDT),
	TABLE("LTR", ltr, .rax = GUEST_TSS, .prepare = free_tss),

	{ { "CR0 read", ONLY_SVM("reads of CR0 don't exit there") }, CODE_OF(read_cr0), EXIT_CR_READ,
	  .cr_read = BIT(0), .operand = GPR_R9 + 1, .payload.cr = { 0, GPR_R9, true } },
	CR("CR3 read", read_cr3, EXIT_CR_READ, .cr_read = BIT(3), .operand = GPR_RDX + 1,
	   .payload.cr = { 3, GPR_RDX, true }),
	{ { "CR4 read", ONLY_SVM("reads of CR4 don't exit there") }, CODE_OF(read_cr4), EXIT_CR_READ,
	  .cr_read = BIT(4), .operand = GPR_RBP + 1, .payload.cr = { 4, GPR_RBP, true } },
	CR("CR8 read", read_cr8, EXIT_CR_READ, .cr_read = BIT(8), .operand = GPR_R12 + 1,
	   .payload.cr = { 8, GPR_R12, true }),
	CR("CR0 write", write_cr0, EXIT_CR_WRITE, .cr_write = BIT(0), .operand = GPR_R9 + 1,
	   .payload.cr = { 0, GPR_R9 }, .r9 = CR0_VALUE, .no_native = { [VMX] = EXITS_ALWAYS }),
	CR("CR3 write", write_cr3, EXIT_CR_WRITE, .cr_write = BIT(3), .operand = GPR_R9 + 1,
	   .payload.cr = { 3, GPR_R9 }, .r9 = AT_PML4),
	CR("CR4 write", write_cr4, EXIT_CR_WRITE, .cr_write = BIT(4), .operand = GPR_R9 + 1,
	   .payload.cr = { 4, GPR_R9 }, .r9 = CR4_PAE | CR4_PSE, .no_native = { [VMX] = EXITS_ALWAYS }),
	CR("CR8 write", write_cr8, EXIT_CR_WRITE, .cr_write = BIT(8), .operand = GPR_R9 + 1,
	   .payload.cr = { 8, GPR_R9 }),
	{ { "LMSW", ONLY_SVM("it sets nothing here that it hasn't") }, CODE_OF(lmsw), EXIT_LMSW,
	  EXIT_CR_WRITE, .cr_write = BIT(0), .r9 = LMSW_VALUE },
	{ { "CLTS", ONLY_SVM("TS is the guest's own") }, CODE_OF(clts), EXIT_CLTS, EXIT_CR_WRITE,
	  .cr_write = BIT(0) },
	{ { "SMSW", ONLY_SVM("reads of CR0 don't exit there") }, CODE_OF(smsw), EXIT_SMSW, EXIT_CR_READ,
	  .cr_read = BIT(0) },

	CR("DR0 read", read_dr0, EXIT_DR_ACCESS, .dr_read = BIT(0), .operand = GPR_R10 + 1,
	   .payload.cr = { 0, GPR_R10, true }),
	CR("DR6 read", read_dr6, EXIT_DR_ACCESS, .dr_read = BIT(6), .operand = GPR_R10 + 1,
	   .payload.cr = { 6, GPR_R10, true }),
	CR("DR7 read", read_dr7, EXIT_DR_ACCESS, .dr_read = BIT(7), .operand = GPR_R10 + 1,
	   .payload.cr = { 7, GPR_R10, true }),
	CR("DR0 write", write_dr0, EXIT_DR_ACCESS, .dr_write = BIT(0), .operand = GPR_R10 + 1,
	   .payload.cr = { 0, GPR_R10 }),
	CR("DR7 write", write_dr7, EXIT_DR_ACCESS, .dr_write = BIT(7), .operand = GPR_R11 + 1,
	   .payload.cr = { 7, GPR_R11 }),

	PORT("IN, 1 byte", in8, 1, true), PORT("IN, 2 bytes", in16, 2, true),
	PORT("IN, 4 bytes", in32, 4, true), PORT("IN by DX", in8_dx, 1, true),
	PORT("OUT, 1 byte", out8, 1), PORT("OUT, 2 bytes", out16, 2), PORT("OUT, 4 bytes", out32, 4),
	PORT("OUT by DX", out32_dx, 4),
	PORT("INS, 1 byte", ins8, 1, true, true), PORT("INS, 4 bytes", ins32, 4, true, true),
	PORT("OUTS, 1 byte", outs8, 1, false, true), PORT("OUTS, 2 bytes", outs16, 2, false, true),
	PORT("REP INS, 2 bytes", rep_ins16, 2, true, true, true),
	PORT("REP OUTS, 1 byte", rep_outs8, 1, false, true, true),
	PORT("REP OUTS, 4 bytes", rep_outs32, 4, false, true, true),
};

static void set_wants(const struct row *r, struct controls *c)
{
	want(c, r->kind);
	if (r->or_kind)
		want(c, r->or_kind);
	c->cr_read |= r->cr_read;
	c->cr_write |= r->cr_write;
	c->dr_read |= r->dr_read;
	c->dr_write |= r->dr_write;
}

static struct vcpu *start(const struct row *r, unsigned level)
{
	struct vcpu *v = guest_begin(r->code, level);

	v->gpr[GPR_RAX] = r->rax;
	v->gpr[GPR_RCX] = r->rcx;
	if (r->payload.io.rep && r->kind == EXIT_IO)
		v->gpr[GPR_RCX] = 3;
	v->gpr[GPR_RDX] = r->rdx;
	v->gpr[GPR_R9] = r->r9;
	v->gpr[GPR_R11] = DR7_FIXED;
	if (r->prepare)
		r->prepare(v);
	return v;
}

/* What the record says of the instruction. The register of a MOV: see check_operand(). */
static void check_payload(const struct row *r, const struct exit *x)
{
	const struct exit *p = &r->payload;

	switch (r->kind) {
	case EXIT_CR_READ:
	case EXIT_CR_WRITE:
	case EXIT_DR_ACCESS:
		EXPECT_EQUAL(x->cr.index, p->cr.index);
		EXPECT_EQUAL(x->cr.read, p->cr.read);
		break;
	case EXIT_IO:
		EXPECT_EQUAL(x->io.port, p->io.port);
		EXPECT_EQUAL(x->io.size, p->io.size);
		EXPECT_EQUAL(x->io.in, p->io.in);
		EXPECT_EQUAL(x->io.string, p->io.string);
		EXPECT_EQUAL(x->io.rep, p->io.rep);
		break;
	}
}

/* From the hardware, if it tells; else by decoding the instruction (VCPU.md, "Exits"). */
static void check_length(const struct row *r, struct vcpu *v)
{
	struct exit *x = &v->exit;

	if (x->have & EXIT_LENGTH)
		EXPECT_EQUAL(x->insn_len, code_size(r->code));
	if (!expect(exit_need(v, EXIT_LENGTH), "the length can be found", x->have))
		return;
	EXPECT_EQUAL(x->insn_len, code_size(r->code));
	EXPECT_EQUAL(x->rip_next, end_address());
}

static void check_wanted(const struct row *r, struct vcpu *v)
{
	u64 gpr[NR_GPRS];

	memcpy(gpr, v->gpr, sizeof(gpr));
	go(v);
	expect(v->exit.kind == r->kind || (r->or_kind && v->exit.kind == r->or_kind),
	       "it exits, as this kind", v->exit.kind);
	EXPECT_EQUAL(v->cur->rip, AT_CODE);
	EXPECT_EQUAL(v->cur->rflags & ~RFLAGS_RF, RFLAGS_FIXED);
	EXPECT_EQUAL(v->interrupted.type, EVENT_NONE);
	gpr[GPR_RSP] = v->gpr[GPR_RSP];
	expect(!memcmp(gpr, v->gpr, sizeof(gpr)), "no general register has changed", 0);
	check_payload(r, &v->exit);
	check_length(r, v);
	exit_advance(v);
	go(v);
	expect(is_at_end(v), "the guest goes on behind it", v->exit.kind);
}

static void check_unwanted(const struct row *r, struct vcpu *v)
{
	if (r->halts) {
		alarm_in(ALARM);
		v->cur->rflags |= RFLAGS_IF;
	}
	go(v);
	if (r->native)
		expect(is_at_stub(v, r->native & 0xff), "it is the guest's exception", v->exit.kind);
	else if (r->halts)
		expect(v->exit.kind == EXIT_EXTINT && v->cur->rip == end_address(),
		       "it waits for an interrupt", v->cur->rip);
	else
		expect(is_at_end(v), "it doesn't exit", v->exit.kind);
}

static void check_operand(const struct row *r)
{
	struct about a = r->about;
	struct vcpu *v;

	a.needs = vendor == SVM ? CAP(decode) : 0;
	if (!r->operand || !begin(&a, "its register"))
		return;
	v = start(r, 0);
	set_wants(r, &v->l0);
	reprogram(v);
	go(v);
	guest_backend()->exit_fill(v, EXIT_OPERAND);
	expect(v->exit.have & EXIT_OPERAND, "the register is told", v->exit.have);
	EXPECT_EQUAL(v->exit.cr.gpr, r->operand - 1);
	end_case();
}

static void check_owner(const struct row *r, const char *variant, unsigned level, bool l0, bool l1)
{
	bool wanted = l0 || (l1 && level);
	struct vcpu *v;

	if (!wanted && r->no_native[vendor] && !r->about.cannot[vendor])
		skip(&r->about, variant, r->no_native[vendor]);
	else if (begin(&r->about, variant)) {
		v = start(r, level);
		if (l0)
			set_wants(r, &v->l0);
		if (l1)
			set_wants(r, &v->l1);
		reprogram(v);
		if (wanted)
			check_wanted(r, v);
		else
			check_unwanted(r, v);
		end_case();
	}
}

void conform_wants(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		check_owner(&rows[i], "wanted", 0, true, false);
		check_owner(&rows[i], "wanted by nobody", 0, false, false);
		check_owner(&rows[i], "wanted by L1, in L2", 1, false, true);
		check_owner(&rows[i], "wanted by L1, in L1", 0, false, true);
		check_operand(&rows[i]);
	}
}
