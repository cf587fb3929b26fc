/* SPDX-License-Identifier: MIT */
/*
 * The rules of a VM entry: guests of every mode are taken, and for each row there is a state that
 * breaks just its sentence. Bits and values are typed from SDM vol. 3C, "VM Entries" and "Virtual
 * Machine Control Structures", and vol. 3D, appendix A.
 */
#include "arch/x86/vmx/entry_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/x86/vmx.h"

#define PHYSICAL_WIDTH	40
#define LINEAR_WIDTH	48
#define TOO_HIGH	(1ull << 40)	/* the first physical address that isn't one */
#define NOT_CANONICAL	(1ull << 47)
#define NONE		(~0ull)

static u64 vmcs[0x8000];	/* by encoding */
static bool lacks[0x8000];	/* fields that the CPU hasn't */
static struct vmx_caps caps;
static struct vmx_entry entry;

static u64 read_field(const void *ctx, u32 field)
{
	assert_ptr_equal(ctx, vmcs);
	if (lacks[field])
		fail_msg("%s is read, which this CPU hasn't", vmx_field_name(field));
	return vmcs[field];
}

/* What lies in memory; at addresses that are too high, the same again. */
static const struct { u64 at, value; } memory[] = {
	{ 0x5080, 0x30 },	/* VTPR of the virtual-APIC page at 5000H */
	{ 0x6000, 0x12 },	/* the VMCS itself: its revision */
	{ 0x7000, 0x12 }, { 0x8000, 0x80000012 }, { 0x9000, 0x13 },	/* others; 8000H: a shadow */
	{ 0xa000, 0x277 }, { 0xa008, 0x0007040600070406 },	/* lists of one MSR */
	{ 0xb000, 0xc0000100 }, { 0xb010, 0xc0000101 }, { 0xb020, 0x800 }, { 0xb030, 0x8ff },
	{ 0xb040, 0x9b }, { 0xb050, 0x100000277 }, { 0xb060, 0x9e },
	{ 0xc000, 0x1001 }, { 0xc018, 0xfffffff000000e18 },	/* PDPTEs: good */
	{ 0xc020, 0x1001 }, { 0xc038, 0x1003 },			/* and a bad one */
	{ 0xd000, 0x277 }, { 0xd010, 0x100000277 },		/* the second is bad */
};

static u64 read_memory(const void *ctx, u64 address)
{
	assert_ptr_equal(ctx, vmcs);
	for (unsigned i = 0; i < ARRAY_SIZE(memory); i++)
		if (memory[i].at == (address & 0xffffff))
			return memory[i].value;
	return 0;
}

/* --- Good states --- */

static void rich_cpu(void)
{
	caps = (struct vmx_caps){
		.revision = 0x12,
		.control = {
			[VMX_PIN] = { 0x16, 0xff },
			[VMX_PRIMARY] = { 0x04006172, 0xfffbfffe },
			[VMX_SECONDARY] = { 0, 0x06d7ffff },
			[VMX_EXIT] = { 0x36dfb, 0x7fffff },
			[VMX_ENTRY] = { 0x11fb, 0x1ffff },
		},
		.cr0_fixed0 = 0x80000021, .cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = 0x2000, .cr4_fixed1 = 0x1f77fff,
		/* timer 5, LMA saved, all activity states, 4 CR3 targets, 512 MSRs a list */
		.misc = 0x401e5,
		/* 4 levels, UC and WB, 2 MiB, INVEPT, accessed and dirty flags */
		.ept_vpid = 1ull << 6 | 1ull << 8 | 1ull << 14 | 1ull << 16 | 1ull << 20 | 1ull << 21,
	};
	caps.control[VMX_SECONDARY].may |= 1u << 23;
	entry = (struct vmx_entry){
		.read = read_field, .read_memory = read_memory, .ctx = vmcs, .caps = &caps,
		.physical_width = PHYSICAL_WIDTH, .linear_width = LINEAR_WIDTH,
		.in_ia32e_mode = true, .has_rtm = true,
		.efer = 0xd01, .debugctl = 0x3, .perf_global_ctrl = 0x70000000f, .vmcs = 0x6000,
	};
	memset(lacks, 0, sizeof(lacks));
}

static void put_segment(unsigned n, u16 selector, u64 base, u32 limit, u32 rights)
{
	vmcs[VMCS_GUEST_SELECTOR(n)] = selector;
	vmcs[VMCS_GUEST_BASE(n)] = base;
	vmcs[VMCS_GUEST_LIMIT(n)] = limit;
	vmcs[VMCS_GUEST_RIGHTS(n)] = rights;
}

static void put_host(void)
{
	vmcs[VMCS_HOST_CR0] = 0x80010033;
	vmcs[VMCS_HOST_CR3] = 0x1000;
	vmcs[VMCS_HOST_CR4] = 0x2020;
	vmcs[VMCS_HOST_EFER] = 0xd00;
	vmcs[VMCS_HOST_PAT] = 0x0007040600070406;
	vmcs[VMCS_HOST_CS_SELECTOR] = 0x08;
	vmcs[VMCS_HOST_SS_SELECTOR] = vmcs[VMCS_HOST_DS_SELECTOR] = vmcs[VMCS_HOST_ES_SELECTOR] =
		0x10;
	vmcs[VMCS_HOST_FS_SELECTOR] = vmcs[VMCS_HOST_GS_SELECTOR] = 0x10;
	vmcs[VMCS_HOST_TR_SELECTOR] = 0x18;
	vmcs[VMCS_HOST_FS_BASE] = vmcs[VMCS_HOST_GS_BASE] = vmcs[VMCS_HOST_TR_BASE] =
		vmcs[VMCS_HOST_GDTR_BASE] = vmcs[VMCS_HOST_IDTR_BASE] = 0xffffffff80001000;
	vmcs[VMCS_HOST_SYSENTER_ESP] = vmcs[VMCS_HOST_SYSENTER_EIP] = 0x7fffffffffff;
	vmcs[VMCS_HOST_RSP] = vmcs[VMCS_HOST_RIP] = 0xffffffff80000000;
}

/* A 64-bit guest at CPL 0 with nested paging, "unrestricted guest" 0. */
static void put_long(void)
{
	rich_cpu();
	memset(vmcs, 0, sizeof(vmcs));
	put_host();
	vmcs[VMCS_PIN_CONTROLS] = 0x3f; /* external interrupts, NMIs, virtual NMIs */
	vmcs[VMCS_PRIMARY_CONTROLS] = 0x940061fa; /* TSC offset, HLT, MSR bitmaps, secondary */
	vmcs[VMCS_SECONDARY_CONTROLS] = 0x2a;		/* EPT, RDTSCP, VPID */
	vmcs[VMCS_EXIT_CONTROLS] = 0x3f6fff;		/* debug, 64-bit host, PAT and EFER */
	vmcs[VMCS_ENTRY_CONTROLS] = 0xd3ff;		/* debug, IA-32e, PAT and EFER */
	vmcs[VMCS_VPID] = 1;
	vmcs[VMCS_EPT_POINTER] = 0x201e;
	vmcs[VMCS_MSR_BITMAPS] = 0x3000;
	vmcs[VMCS_CR3_TARGET_COUNT] = 4;
	vmcs[VMCS_VIRTUAL_APIC_ADDRESS] = 0x5000;
	vmcs[VMCS_POSTED_INTERRUPT_VECTOR] = 0xff;
	vmcs[VMCS_POSTED_INTERRUPT_DESCRIPTOR] = 0x4040;
	vmcs[VMCS_EXIT_MSR_STORE_ADDRESS] = vmcs[VMCS_EXIT_MSR_LOAD_ADDRESS] =
		vmcs[VMCS_ENTRY_MSR_LOAD_ADDRESS] = 0xa000;
	vmcs[VMCS_VMCS_LINK_POINTER] = NONE;
	vmcs[VMCS_GUEST_CR0] = 0x80010033;
	vmcs[VMCS_GUEST_CR3] = 0xc000;
	vmcs[VMCS_GUEST_CR4] = 0x2020;
	vmcs[VMCS_GUEST_EFER] = 0x500;
	vmcs[VMCS_GUEST_PAT] = 0x0007040600070406;
	vmcs[VMCS_GUEST_DR7] = 0x400;
	vmcs[VMCS_GUEST_RFLAGS] = 0x2;
	vmcs[VMCS_GUEST_RIP] = 0xffffffff81000000;
	put_segment(0, 0x10, 0, 0xffffffff, 0xc093);
	put_segment(1, 0x08, 0, 0xffffffff, 0xa09b);
	for (unsigned n = 2; n < 6; n++)
		put_segment(n, 0x10, 0, 0xffffffff, 0xc093);
	put_segment(6, 0x28, 0xffff800000000000, 0xfff, 0x82);
	put_segment(7, 0x18, 0xffff800000001000, 0x67, 0x8b);
	vmcs[VMCS_GUEST_GDTR_BASE] = vmcs[VMCS_GUEST_IDTR_BASE] = 0xffff800000002000;
	vmcs[VMCS_GUEST_GDTR_LIMIT] = vmcs[VMCS_GUEST_IDTR_LIMIT] = 0xffff;
}

static void put_paged(void)
{
	put_long();
	vmcs[VMCS_ENTRY_CONTROLS] = 0xd1ff;
	vmcs[VMCS_GUEST_CR4] = 0x2010;
	vmcs[VMCS_GUEST_EFER] = 0;
	vmcs[VMCS_GUEST_RIP] = 0xc0000000;
	put_segment(1, 0x08, 0, 0xffffffff, 0xc09b);
}

static void put_pae(void)
{
	put_paged();
	vmcs[VMCS_GUEST_CR4] = 0x2020;
	vmcs[VMCS_GUEST_PDPTE0] = 0x1001;
	vmcs[VMCS_GUEST_PDPTE1] = 0xffffffe001 | 1 << 3 | 1 << 4 | 7 << 9; /* all that may be 1 */
	vmcs[VMCS_GUEST_PDPTE2] = 0xfffffffffffffffe;				/* not present */
}

static void put_real(void)
{
	put_paged();
	vmcs[VMCS_SECONDARY_CONTROLS] |= 1 << 7;
	vmcs[VMCS_GUEST_CR0] = 0x30;
	vmcs[VMCS_GUEST_CR4] = 0x2000;
	vmcs[VMCS_GUEST_RIP] = 0xfff0;
	for (unsigned n = 0; n < 6; n++)
		put_segment(n, 0, 0, 0xffff, 0x93);
	put_segment(1, 0xf000, 0xffff0000, 0xffff, 0x93);
	put_segment(6, 0, 0, 0xffff, 0x82);
	put_segment(7, 0, 0, 0xffff, 0x8b);
}

static void put_v86(void)
{
	put_paged();
	vmcs[VMCS_GUEST_RFLAGS] = 0x20002;
	vmcs[VMCS_GUEST_RIP] = 0x100;
	for (unsigned n = 0; n < 6; n++)
		put_segment(n, 0x1003 + n, (0x1003 + n) * 16, 0xffff, 0xf3);
	put_segment(7, 0x18, 0x1000, 0x2068, 0x8b);
}

/* A host that is itself in 32-bit mode. Plinth never is, but the manual has sentences for it. */
static void put_legacy_host(void)
{
	put_paged();
	entry.in_ia32e_mode = false;
	vmcs[VMCS_EXIT_CONTROLS] &= ~(1ull << 9);
	vmcs[VMCS_HOST_EFER] = 0;
	vmcs[VMCS_HOST_RIP] = 0xffffffff;
}

/* --- What is changed of them --- */

static void no_mtf(void)	{ caps.control[VMX_PRIMARY].may &= ~(1u << 27); }
static void no_ad(void)		{ caps.ept_vpid &= ~(1ull << 21); }
static void no_uc(void)		{ caps.ept_vpid &= ~(1ull << 8); }
static void no_wb(void)		{ caps.ept_vpid &= ~(1ull << 14); }
static void no_4_levels(void)	{ caps.ept_vpid &= ~(1ull << 6); }
static void five_levels(void)	{ caps.ept_vpid |= 1ull << 7; }
static void no_hlt(void)	{ caps.misc &= ~(1ull << 6); }
static void no_shutdown(void)	{ caps.misc &= ~(1ull << 7); }
static void no_sipi(void)	{ caps.misc &= ~(1ull << 8); }
static void length_0(void)	{ caps.misc |= 1ull << 30; }
static void longer_lists(void)	{ caps.misc |= 1ull << 25; }
static void more_targets(void)	{ caps.misc += 1ull << 16; }
static void legacy(void)	{ entry.in_ia32e_mode = false; }
static void ia32e(void)		{ entry.in_ia32e_mode = true; }
static void no_rtm(void)	{ entry.has_rtm = false; }
static void addresses_32(void)	{ caps.addresses_32_bit = true; }
static void no_memory(void)	{ entry.read_memory = NULL; }
static void linear_57(void)	{ entry.linear_width = 57; }

struct change {
	u32 field;
	u64 clear, set;
};

struct test_case {
	const char *rule;	/* of `field`: the row that refuses it; NULL: all take it */
	u32 field;
	void (*base)(void), (*cpu)(void);
	bool more;		/* later rows would refuse it too */
	struct change change[6];
};

#define SET(field, value)	{ VMCS_##field, NONE, value }
#define ON(field, bits)		{ VMCS_##field, 0, bits }
#define OFF(field, bits)	{ VMCS_##field, bits, 0 }
#define N(bit)			(1ull << (bit))
#define BAD(rule, field, base, ...)	{ rule, VMCS_##field, base, NULL, false, { __VA_ARGS__ } }
#define BAD_CPU(rule, field, base, cpu, ...) \
	{ rule, VMCS_##field, base, cpu, false, { __VA_ARGS__ } }
#define WORSE(rule, field, base, ...)	{ rule, VMCS_##field, base, NULL, true, { __VA_ARGS__ } }
#define GOOD(base, ...)			{ NULL, 0, base, NULL, false, { __VA_ARGS__ } }
#define GOOD_CPU(base, cpu, ...)	{ NULL, 0, base, cpu, false, { __VA_ARGS__ } }

#define L put_long
#define P put_paged
#define A put_pae
#define R put_real
#define V put_v86
#define H put_legacy_host

#define EVENT(info)	SET(ENTRY_INTERRUPTION_INFO, info)
#define SECOND(bit)	ON(SECONDARY_CONTROLS, N(bit))
#define NO_EPT		OFF(SECONDARY_CONTROLS, N(1))
#define TPR_SHADOW	ON(PRIMARY_CONTROLS, N(21))
#define POSTED		ON(PIN_CONTROLS, N(7)), TPR_SHADOW, SECOND(9), ON(EXIT_CONTROLS, N(15))

/* A page's address that a control needs. */
#define PAGE(name, field, control, ...) \
	BAD("bits 11:0 of the " name " are 0", field, L, control, ##__VA_ARGS__, ON(field, 1)), \
		BAD("bits 11:0 of the " name " are 0", field, L, control, ##__VA_ARGS__, \
		    ON(field, 0x800)), \
		BAD("the " name " is within the physical-address width", field, L, control, \
		    ##__VA_ARGS__, ON(field, TOO_HIGH)), \
		BAD_CPU("the " name " is within the physical-address width", field, L, \
			addresses_32, control, ##__VA_ARGS__, ON(field, N(32))), \
		GOOD(L, control, ##__VA_ARGS__, ON(field, N(39)))

#define LIST(name, address, count) \
	BAD("bits 3:0 of the " name " are 0", address, L, SET(count, 1), SET(address, 0xa004)), \
		WORSE("the " name " is within the physical-address width", address, L, \
		      SET(count, 1), SET(address, TOO_HIGH)), \
		BAD("the last byte at the " name " is within the physical-address width", address, \
		    L, SET(count, 2), SET(address, TOO_HIGH - 16)), \
		{ "the " name " is within the physical-address width", VMCS_##address, L, \
		  addresses_32, true, { SET(count, 1), SET(address, N(32)) } }, \
		GOOD(L, SET(count, 1), SET(address, TOO_HIGH - 16)), \
		GOOD(L, SET(count, 0), SET(address, 0xff0000000000000f))

static const struct test_case control_cases[] = {
	BAD("reserved bits of the pin-based controls", PIN_CONTROLS, L, ON(PIN_CONTROLS, N(8))),
	BAD("reserved bits of the pin-based controls", PIN_CONTROLS, L, OFF(PIN_CONTROLS, N(1))),
	BAD("reserved bits of the primary processor-based controls", PRIMARY_CONTROLS, L,
	    ON(PRIMARY_CONTROLS, N(18))),
	BAD("reserved bits of the primary processor-based controls", PRIMARY_CONTROLS, L,
	    OFF(PRIMARY_CONTROLS, N(1))),
	BAD("reserved bits of the secondary processor-based controls", SECONDARY_CONTROLS, L,
	    SECOND(31)),
	GOOD(P, SECOND(31), OFF(PRIMARY_CONTROLS, N(31))),
	BAD("at most as many CR3 targets as there are", CR3_TARGET_COUNT, L,
	    SET(CR3_TARGET_COUNT, 5)),
	GOOD_CPU(L, more_targets, SET(CR3_TARGET_COUNT, 5)),
	PAGE("address of I/O bitmap A", IO_BITMAP_A, ON(PRIMARY_CONTROLS, N(25))),
	PAGE("address of I/O bitmap B", IO_BITMAP_B, ON(PRIMARY_CONTROLS, N(25))),
	GOOD(L, SET(IO_BITMAP_A, NONE), SET(IO_BITMAP_B, NONE)),
	PAGE("MSR-bitmap address", MSR_BITMAPS, ON(PRIMARY_CONTROLS, N(28))),
	GOOD(L, OFF(PRIMARY_CONTROLS, N(28)), SET(MSR_BITMAPS, NONE)),
	PAGE("virtual-APIC address", VIRTUAL_APIC_ADDRESS, TPR_SHADOW),
	GOOD(L, SET(VIRTUAL_APIC_ADDRESS, NONE)),
	BAD("bits 31:4 of the TPR threshold are 0", TPR_THRESHOLD, L, TPR_SHADOW,
	    SET(TPR_THRESHOLD, 0x10)),
	GOOD(L, TPR_SHADOW, SECOND(9), SET(TPR_THRESHOLD, 0x10)),
	GOOD(L, SET(TPR_THRESHOLD, 0x1f)),
	BAD("the TPR threshold is not above VTPR[7:4]", TPR_THRESHOLD, L, TPR_SHADOW,
	    SET(TPR_THRESHOLD, 4)),
	GOOD(L, TPR_SHADOW, SET(TPR_THRESHOLD, 3)),
	GOOD(L, TPR_SHADOW, SECOND(0), SET(TPR_THRESHOLD, 4)),
	GOOD(L, TPR_SHADOW, SECOND(9), SET(TPR_THRESHOLD, 4)),
	GOOD_CPU(L, no_memory, TPR_SHADOW, SET(TPR_THRESHOLD, 4)),
	BAD("x2APIC mode, APIC registers and virtual interrupts need \"use TPR shadow\"",
	    SECONDARY_CONTROLS, L, SECOND(4)),
	BAD("x2APIC mode, APIC registers and virtual interrupts need \"use TPR shadow\"",
	    SECONDARY_CONTROLS, L, SECOND(8)),
	BAD("x2APIC mode, APIC registers and virtual interrupts need \"use TPR shadow\"",
	    SECONDARY_CONTROLS, L, SECOND(9)),
	BAD("\"virtual NMIs\" needs \"NMI exiting\"", PIN_CONTROLS, L, OFF(PIN_CONTROLS, N(3))),
	BAD("\"NMI-window exiting\" needs \"virtual NMIs\"", PRIMARY_CONTROLS, L,
	    OFF(PIN_CONTROLS, N(5)), ON(PRIMARY_CONTROLS, N(22))),
	GOOD(L, ON(PRIMARY_CONTROLS, N(22))),
	GOOD(L, OFF(PIN_CONTROLS, N(3) | N(5))),
	PAGE("APIC-access address", APIC_ACCESS_ADDRESS, SECOND(0)),
	BAD("\"virtualize x2APIC mode\" excludes \"virtualize APIC accesses\"", SECONDARY_CONTROLS,
	    L, TPR_SHADOW, SECOND(0), SECOND(4)),
	BAD("\"virtual-interrupt delivery\" needs \"external-interrupt exiting\"", PIN_CONTROLS, L,
	    TPR_SHADOW, SECOND(9), OFF(PIN_CONTROLS, N(0))),
	GOOD(L, POSTED),
	BAD("\"process posted interrupts\" needs \"virtual-interrupt delivery\"",
	    SECONDARY_CONTROLS, L, POSTED, OFF(SECONDARY_CONTROLS, N(9))),
	BAD("\"process posted interrupts\" needs \"acknowledge interrupt on exit\"", EXIT_CONTROLS,
	    L, POSTED, OFF(EXIT_CONTROLS, N(15))),
	BAD("the posted-interrupt notification vector is below 256", POSTED_INTERRUPT_VECTOR, L,
	    POSTED, SET(POSTED_INTERRUPT_VECTOR, 0x100)),
	BAD("bits 5:0 of the posted-interrupt descriptor address are 0",
	    POSTED_INTERRUPT_DESCRIPTOR, L, POSTED, SET(POSTED_INTERRUPT_DESCRIPTOR, 0x4020)),
	BAD("the posted-interrupt descriptor address is within the physical-address width",
	    POSTED_INTERRUPT_DESCRIPTOR, L, POSTED, SET(POSTED_INTERRUPT_DESCRIPTOR, TOO_HIGH)),
	BAD("the VPID is not 0", VPID, L, SET(VPID, 0)),
	GOOD(L, SET(VPID, 0), OFF(SECONDARY_CONTROLS, N(5))),
	BAD("the EPTP's memory type is one that the CPU has", EPT_POINTER, L,
	    SET(EPT_POINTER, 0x201d)),
	BAD_CPU("the EPTP's memory type is one that the CPU has", EPT_POINTER, L, no_wb),
	BAD_CPU("the EPTP's memory type is one that the CPU has", EPT_POINTER, L, no_uc,
		SET(EPT_POINTER, 0x2018)),
	GOOD(L, SET(EPT_POINTER, 0x2018)),
	BAD("the EPTP's page-walk length is one that the CPU has", EPT_POINTER, L,
	    SET(EPT_POINTER, 0x2026)),
	BAD_CPU("the EPTP's page-walk length is one that the CPU has", EPT_POINTER, L, no_4_levels),
	GOOD_CPU(L, five_levels, SET(EPT_POINTER, 0x2026)),
	BAD_CPU("the EPTP asks for accessed and dirty flags only of a CPU that has them",
		EPT_POINTER, L, no_ad, ON(EPT_POINTER, N(6))),
	GOOD(L, ON(EPT_POINTER, N(6))),
	BAD("reserved bits of the EPTP are 0", EPT_POINTER, L, ON(EPT_POINTER, N(7))),
	BAD("reserved bits of the EPTP are 0", EPT_POINTER, L, ON(EPT_POINTER, N(11))),
	BAD("reserved bits of the EPTP are 0", EPT_POINTER, L, ON(EPT_POINTER, TOO_HIGH)),
	GOOD(L, NO_EPT, SET(EPT_POINTER, NONE)),
	BAD("\"enable PML\" needs \"enable EPT\"", SECONDARY_CONTROLS, L, SECOND(17), NO_EPT),
	PAGE("PML address", PML_ADDRESS, SECOND(17)),
	BAD("\"unrestricted guest\" and \"mode-based execute control\" need \"enable EPT\"",
	    SECONDARY_CONTROLS, L, SECOND(7), NO_EPT),
	BAD("\"unrestricted guest\" and \"mode-based execute control\" need \"enable EPT\"",
	    SECONDARY_CONTROLS, L, SECOND(22), NO_EPT),
	BAD("\"sub-page write permissions\" needs \"enable EPT\"", SECONDARY_CONTROLS, L,
	    SECOND(23), NO_EPT),
	PAGE("SPPTP", SPP_TABLE_POINTER, SECOND(23)),
	BAD("reserved bits of the VM-function controls are 0", VM_FUNCTION_CONTROLS, L, SECOND(13),
	    SET(VM_FUNCTION_CONTROLS, 2)),
	BAD("\"EPTP switching\" needs \"enable EPT\"", VM_FUNCTION_CONTROLS, L, SECOND(13),
	    SET(VM_FUNCTION_CONTROLS, 1), NO_EPT),
	PAGE("EPTP-list address", EPTP_LIST_ADDRESS, SECOND(13), SET(VM_FUNCTION_CONTROLS, 1)),
	GOOD(L, SECOND(13), SET(EPTP_LIST_ADDRESS, NONE)),
	PAGE("VMREAD-bitmap address", VMREAD_BITMAP, SECOND(14)),
	PAGE("VMWRITE-bitmap address", VMWRITE_BITMAP, SECOND(14)),
	PAGE("virtualization-exception information address", VE_INFORMATION_ADDRESS, SECOND(18)),

	BAD("reserved bits of the VM-exit controls", EXIT_CONTROLS, L, ON(EXIT_CONTROLS, N(23))),
	BAD("reserved bits of the VM-exit controls", EXIT_CONTROLS, L, OFF(EXIT_CONTROLS, N(0))),
	BAD("\"save VMX-preemption timer value\" needs \"activate VMX-preemption timer\"",
	    EXIT_CONTROLS, L, ON(EXIT_CONTROLS, N(22))),
	GOOD(L, ON(EXIT_CONTROLS, N(22)), ON(PIN_CONTROLS, N(6))),
	LIST("VM-exit MSR-store address", EXIT_MSR_STORE_ADDRESS, EXIT_MSR_STORE_COUNT),
	LIST("VM-exit MSR-load address", EXIT_MSR_LOAD_ADDRESS, EXIT_MSR_LOAD_COUNT),

	BAD("reserved bits of the VM-entry controls", ENTRY_CONTROLS, L, ON(ENTRY_CONTROLS, N(17))),
	BAD("reserved bits of the VM-entry controls", ENTRY_CONTROLS, L, OFF(ENTRY_CONTROLS, N(0))),
	BAD("the event's type is none of the reserved ones", ENTRY_INTERRUPTION_INFO, L,
	    EVENT(0x80000100)),
	BAD_CPU("the event's type is none of the reserved ones", ENTRY_INTERRUPTION_INFO, L, no_mtf,
		EVENT(0x80000700)),
	GOOD(L, EVENT(0x80000700)),
	BAD("an NMI has vector 2", ENTRY_INTERRUPTION_INFO, L, EVENT(0x80000203)),
	BAD("an exception has a vector of at most 31", ENTRY_INTERRUPTION_INFO, L,
	    EVENT(0x80000320)),
	GOOD(L, EVENT(0x8000031f)),
	BAD("another event has vector 0", ENTRY_INTERRUPTION_INFO, L, EVENT(0x80000701)),
	BAD("no error code is delivered in real mode", ENTRY_INTERRUPTION_INFO, R,
	    EVENT(0x80000b0d)),
	GOOD(R, EVENT(0x8000030d)),
	BAD("an error code is delivered with an exception only", ENTRY_INTERRUPTION_INFO, L,
	    EVENT(0x80000a02)),
	BAD("an error code is delivered with just those vectors that have one",
	    ENTRY_INTERRUPTION_INFO, L, EVENT(0x80000b06)),
	BAD("an error code is delivered with just those vectors that have one",
	    ENTRY_INTERRUPTION_INFO, L, EVENT(0x8000030d)),
	BAD("bits 30:12 of the event are 0", ENTRY_INTERRUPTION_INFO, L, EVENT(0x80001202)),
	BAD("bits 30:12 of the event are 0", ENTRY_INTERRUPTION_INFO, L, EVENT(0xc0000202)),
	BAD("bits 31:16 of the error code are 0", ENTRY_EXCEPTION_ERROR_CODE, L, EVENT(0x80000b0e),
	    SET(ENTRY_EXCEPTION_ERROR_CODE, 0x10000)),
	GOOD(L, EVENT(0x80000b0e), SET(ENTRY_EXCEPTION_ERROR_CODE, 0x8007)),
	GOOD(L, EVENT(0x80000306), SET(ENTRY_EXCEPTION_ERROR_CODE, 0x10000)),
	BAD("the instruction length of a software event is one that there is",
	    ENTRY_INSTRUCTION_LENGTH, L, EVENT(0x80000480)),
	BAD("the instruction length of a software event is one that there is",
	    ENTRY_INSTRUCTION_LENGTH, L, EVENT(0x80000501), SET(ENTRY_INSTRUCTION_LENGTH, 16)),
	BAD("the instruction length of a software event is one that there is",
	    ENTRY_INSTRUCTION_LENGTH, L, EVENT(0x80000603),
	    SET(ENTRY_INSTRUCTION_LENGTH, 0xffffffff)),
	GOOD(L, EVENT(0x80000480), SET(ENTRY_INSTRUCTION_LENGTH, 15)),
	GOOD(L, EVENT(0x80000603), SET(ENTRY_INSTRUCTION_LENGTH, 1)),
	GOOD_CPU(L, length_0, EVENT(0x80000480)),
	/* Nothing is judged of an event that isn't valid. */
	GOOD(L, EVENT(0x7fffffff), SET(ENTRY_EXCEPTION_ERROR_CODE, NONE)),
	LIST("VM-entry MSR-load address", ENTRY_MSR_LOAD_ADDRESS, ENTRY_MSR_LOAD_COUNT),
	BAD("\"entry to SMM\" is 0 outside SMM", ENTRY_CONTROLS, L, ON(ENTRY_CONTROLS, N(10))),
	BAD("\"deactivate dual-monitor treatment\" is 0 outside SMM", ENTRY_CONTROLS, L,
	    ON(ENTRY_CONTROLS, N(11))),
};

#define CR0_RULE "CR0 has no bit that VMX operation doesn't support"
#define CR4_RULE "CR4 has no bit that VMX operation doesn't support"
#define HOST_SELECTOR(name) \
	BAD("RPL and TI of the selector are 0", HOST_##name##_SELECTOR, L, \
	    ON(HOST_##name##_SELECTOR, 1)), \
		BAD("RPL and TI of the selector are 0", HOST_##name##_SELECTOR, L, \
		    ON(HOST_##name##_SELECTOR, 2)), \
		BAD("RPL and TI of the selector are 0", HOST_##name##_SELECTOR, L, \
		    ON(HOST_##name##_SELECTOR, 4))
#define HOST_BASE(name) \
	BAD("the base is canonical", HOST_##name##_BASE, L, SET(HOST_##name##_BASE, NOT_CANONICAL))

static const struct test_case host_cases[] = {
	BAD(CR0_RULE, HOST_CR0, L, OFF(HOST_CR0, N(5))),
	BAD(CR0_RULE, HOST_CR0, L, ON(HOST_CR0, N(32))),
	GOOD(L, ON(HOST_CR0, N(29))),
	BAD(CR4_RULE, HOST_CR4, L, OFF(HOST_CR4, N(13))),
	BAD(CR4_RULE, HOST_CR4, L, ON(HOST_CR4, N(15))),
	BAD("CR4.CET needs CR0.WP", HOST_CR4, L, ON(HOST_CR4, N(23)), OFF(HOST_CR0, N(16))),
	GOOD(L, ON(HOST_CR4, N(23))),
	BAD("CR3 is within the physical-address width", HOST_CR3, L, SET(HOST_CR3, TOO_HIGH)),
	BAD("CR3 is within the physical-address width", HOST_CR3, L, SET(HOST_CR3, N(63))),
	GOOD_CPU(L, addresses_32, SET(HOST_CR3, N(32))),
	BAD("SYSENTER_ESP is canonical", HOST_SYSENTER_ESP, L,
	    SET(HOST_SYSENTER_ESP, NOT_CANONICAL)),
	BAD("SYSENTER_EIP is canonical", HOST_SYSENTER_EIP, L,
	    SET(HOST_SYSENTER_EIP, 0xffff7fffffffffff)),
	BAD("reserved bits of PERF_GLOBAL_CTRL are 0", HOST_PERF_GLOBAL_CTRL, L,
	    ON(EXIT_CONTROLS, N(12)), SET(HOST_PERF_GLOBAL_CTRL, 0x10)),
	GOOD(L, SET(HOST_PERF_GLOBAL_CTRL, 0x10)),
	BAD("each byte of PAT is a memory type", HOST_PAT, L, SET(HOST_PAT, 0x0207040600070406)),
	GOOD(L, SET(HOST_PAT, 2), OFF(EXIT_CONTROLS, N(19))),
	BAD("reserved bits of EFER are 0", HOST_EFER, L, ON(HOST_EFER, N(12))),
	GOOD(L, ON(HOST_EFER, N(12)), OFF(EXIT_CONTROLS, N(21))),
	BAD("EFER.LMA and LME are as \"host address-space size\"", HOST_EFER, L,
	    OFF(HOST_EFER, N(8))),
	BAD("EFER.LMA and LME are as \"host address-space size\"", HOST_EFER, L,
	    OFF(HOST_EFER, N(10))),
	BAD("EFER.LMA and LME are as \"host address-space size\"", HOST_EFER, H,
	    ON(HOST_EFER, N(10))),
	HOST_SELECTOR(CS),
	HOST_SELECTOR(SS),
	HOST_SELECTOR(DS),
	HOST_SELECTOR(ES),
	HOST_SELECTOR(FS),
	HOST_SELECTOR(GS),
	HOST_SELECTOR(TR),
	BAD("the selector is not 0", HOST_CS_SELECTOR, L, SET(HOST_CS_SELECTOR, 0)),
	BAD("the selector is not 0", HOST_TR_SELECTOR, L, SET(HOST_TR_SELECTOR, 0)),
	BAD("the selector is not 0 unless the host is 64-bit", HOST_SS_SELECTOR, H,
	    SET(HOST_SS_SELECTOR, 0)),
	GOOD(L, SET(HOST_SS_SELECTOR, 0), SET(HOST_DS_SELECTOR, 0), SET(HOST_FS_SELECTOR, 0)),
	HOST_BASE(FS),
	HOST_BASE(GS),
	HOST_BASE(GDTR),
	HOST_BASE(IDTR),
	HOST_BASE(TR),
	GOOD_CPU(L, linear_57, SET(HOST_FS_BASE, NOT_CANONICAL)),
	BAD_CPU("outside IA-32e mode, \"IA-32e mode guest\" is 0", ENTRY_CONTROLS, L, legacy,
		OFF(EXIT_CONTROLS, N(9)), SET(HOST_EFER, 0), SET(HOST_RIP, 0)),
	BAD_CPU("outside IA-32e mode, \"host address-space size\" is 0", EXIT_CONTROLS, P, legacy),
	BAD_CPU("in IA-32e mode, \"host address-space size\" is 1", EXIT_CONTROLS, H, ia32e),
	BAD("CR4.PCIDE needs a 64-bit host", HOST_CR4, H, ON(HOST_CR4, N(17))),
	BAD("bits 63:32 of RIP are 0 unless the host is 64-bit", HOST_RIP, H, SET(HOST_RIP, N(32))),
	GOOD(L, ON(HOST_CR4, N(17))),
	BAD("a 64-bit host has CR4.PAE", HOST_CR4, L, OFF(HOST_CR4, N(5))),
	BAD("RIP of a 64-bit host is canonical", HOST_RIP, L, SET(HOST_RIP, NOT_CANONICAL)),
};

static const struct test_case register_cases[] = {
	BAD(CR0_RULE, GUEST_CR0, L, OFF(GUEST_CR0, N(5))),
	BAD(CR0_RULE, GUEST_CR0, L, ON(GUEST_CR0, N(32))),
	BAD(CR0_RULE, GUEST_CR0, P, OFF(GUEST_CR0, N(31))),
	BAD(CR0_RULE, GUEST_CR0, R, OFF(GUEST_CR0, N(5))),
	GOOD(L, ON(GUEST_CR0, N(29) | N(30))),
	BAD("CR0.PG needs CR0.PE", GUEST_CR0, R, ON(GUEST_CR0, N(31))),
	BAD(CR4_RULE, GUEST_CR4, L, OFF(GUEST_CR4, N(13))),
	BAD(CR4_RULE, GUEST_CR4, L, ON(GUEST_CR4, N(19))),
	BAD("CR4.CET needs CR0.WP", GUEST_CR4, L, ON(GUEST_CR4, N(23)), OFF(GUEST_CR0, N(16))),
	BAD("reserved bits of DEBUGCTL are 0", GUEST_DEBUGCTL, L, SET(GUEST_DEBUGCTL, 4)),
	GOOD(L, SET(GUEST_DEBUGCTL, 4), OFF(ENTRY_CONTROLS, N(2))),
	BAD("\"IA-32e mode guest\" needs CR0.PG", GUEST_CR0, L, SECOND(7), OFF(GUEST_CR0, N(31))),
	BAD("\"IA-32e mode guest\" needs CR4.PAE", GUEST_CR4, L, OFF(GUEST_CR4, N(5))),
	BAD("CR4.PCIDE needs \"IA-32e mode guest\"", GUEST_CR4, P, ON(GUEST_CR4, N(17))),
	GOOD(L, ON(GUEST_CR4, N(17))),
	BAD("CR3 is within the physical-address width", GUEST_CR3, L, SET(GUEST_CR3, TOO_HIGH)),
	BAD("CR3 is within the physical-address width", GUEST_CR3, L, SET(GUEST_CR3, N(63))),
	BAD("bits 63:32 of DR7 are 0", GUEST_DR7, L, ON(GUEST_DR7, N(32))),
	GOOD(L, ON(GUEST_DR7, N(32)), OFF(ENTRY_CONTROLS, N(2))),
	BAD("SYSENTER_ESP is canonical", GUEST_SYSENTER_ESP, P,
	    SET(GUEST_SYSENTER_ESP, NOT_CANONICAL)),
	BAD("SYSENTER_EIP is canonical", GUEST_SYSENTER_EIP, L,
	    SET(GUEST_SYSENTER_EIP, NOT_CANONICAL)),
	BAD("reserved bits of PERF_GLOBAL_CTRL are 0", GUEST_PERF_GLOBAL_CTRL, L,
	    ON(ENTRY_CONTROLS, N(13)), SET(GUEST_PERF_GLOBAL_CTRL, N(35))),
	GOOD(L, ON(ENTRY_CONTROLS, N(13)), SET(GUEST_PERF_GLOBAL_CTRL, 0x70000000f)),
	BAD("each byte of PAT is a memory type", GUEST_PAT, L, SET(GUEST_PAT, 0x0007040600070403)),
	BAD("each byte of PAT is a memory type", GUEST_PAT, L, SET(GUEST_PAT, 0x0807040600070406)),
	BAD("each byte of PAT is a memory type", GUEST_PAT, L, SET(GUEST_PAT, 0x0007048600070406)),
	GOOD(L, SET(GUEST_PAT, 0x0001040506070606)),
	GOOD(L, SET(GUEST_PAT, 2), OFF(ENTRY_CONTROLS, N(14))),
	BAD("reserved bits of EFER are 0", GUEST_EFER, L, ON(GUEST_EFER, N(12))),
	GOOD(L, SET(GUEST_EFER, N(12)), OFF(ENTRY_CONTROLS, N(15))),
	BAD("EFER.LMA is as \"IA-32e mode guest\"", GUEST_EFER, L, OFF(GUEST_EFER, N(10) | N(8))),
	BAD("EFER.LMA is as \"IA-32e mode guest\"", GUEST_EFER, P, ON(GUEST_EFER, N(10) | N(8))),
	BAD("with CR0.PG, EFER.LMA is as LME", GUEST_EFER, L, OFF(GUEST_EFER, N(8))),
	BAD("with CR0.PG, EFER.LMA is as LME", GUEST_EFER, P, ON(GUEST_EFER, N(8))),
	GOOD(R, ON(GUEST_EFER, N(8))),
	BAD("reserved bits of BNDCFGS are 0", GUEST_BNDCFGS, L, ON(ENTRY_CONTROLS, N(16)),
	    SET(GUEST_BNDCFGS, 0x1004)),
	BAD("the address in BNDCFGS is canonical", GUEST_BNDCFGS, L, ON(ENTRY_CONTROLS, N(16)),
	    SET(GUEST_BNDCFGS, NOT_CANONICAL | 1)),
	GOOD(L, ON(ENTRY_CONTROLS, N(16)), SET(GUEST_BNDCFGS, 0x7ffffffff003)),
	GOOD(L, SET(GUEST_BNDCFGS, 0x1004)),
};

/* --- Segments: for each of the registers that a sentence is about --- */

#define DATA4(each) each(DS), each(ES), each(FS), each(GS)
#define ALL6(each) each(CS), each(SS), DATA4(each)

#define V86_BASE(s) \
	BAD("in virtual-8086 mode, the base is the selector * 16", GUEST_##s##_BASE, V, \
	    ON(GUEST_##s##_BASE, 1))
#define V86_LIMIT(s) \
	BAD("in virtual-8086 mode, the limit is FFFFH", GUEST_##s##_LIMIT, V, \
	    SET(GUEST_##s##_LIMIT, 0xfffff))
#define V86_RIGHTS(s) \
	BAD("in virtual-8086 mode, the access rights are F3H", GUEST_##s##_RIGHTS, V, \
	    SET(GUEST_##s##_RIGHTS, 0x93)), \
		BAD("in virtual-8086 mode, the access rights are F3H", GUEST_##s##_RIGHTS, V, \
		    ON(GUEST_##s##_RIGHTS, N(16)))
#define CANONICAL(s) \
	BAD("the base is canonical", GUEST_##s##_BASE, L, SET(GUEST_##s##_BASE, NOT_CANONICAL)), \
	BAD("the base is canonical", GUEST_##s##_BASE, L, SET(GUEST_##s##_BASE, 0xffff7fffffffffff))
#define BASE_32(s) \
	BAD("bits 63:32 of the base are 0", GUEST_##s##_BASE, L, SET(GUEST_##s##_BASE, N(32)))
#define ACCESSED(s) \
	BAD("the type is accessed", GUEST_##s##_RIGHTS, L, SET(GUEST_##s##_RIGHTS, 0xc092)), \
	BAD("the type is accessed", GUEST_##s##_RIGHTS, R, SET(GUEST_##s##_RIGHTS, 0x92)), \
	GOOD(L, SET(GUEST_##s##_RIGHTS, 0xc09f)), GOOD(L, SET(GUEST_##s##_RIGHTS, 0xc091))
#define READABLE(s) \
	BAD("a code segment is readable", GUEST_##s##_RIGHTS, L, SET(GUEST_##s##_RIGHTS, 0xc099)), \
	BAD("a code segment is readable", GUEST_##s##_RIGHTS, L, SET(GUEST_##s##_RIGHTS, 0xc09d))
#define S_IS_1(s)	BAD("S is 1", GUEST_##s##_RIGHTS, L, OFF(GUEST_##s##_RIGHTS, N(4)))
#define DPL_RPL(s) \
	BAD("DPL is not below RPL", GUEST_##s##_RIGHTS, L, ON(GUEST_##s##_SELECTOR, 3)), \
		BAD("DPL is not below RPL", GUEST_##s##_RIGHTS, L, ON(GUEST_##s##_SELECTOR, 1), \
		    SET(GUEST_##s##_RIGHTS, 0xc09b)), \
		GOOD(L, ON(GUEST_##s##_SELECTOR, 3), SET(GUEST_##s##_RIGHTS, 0xc09f)), \
		GOOD(L, ON(GUEST_##s##_SELECTOR, 2), SET(GUEST_##s##_RIGHTS, 0xc0d3)), \
		GOOD(L, ON(GUEST_##s##_SELECTOR, 3), SECOND(7))
#define P_IS_1(s)	BAD("P is 1", GUEST_##s##_RIGHTS, L, OFF(GUEST_##s##_RIGHTS, N(7)))
#define LOW_0(s) \
	BAD("bits 11:8 are 0", GUEST_##s##_RIGHTS, L, ON(GUEST_##s##_RIGHTS, N(8))), \
	BAD("bits 11:8 are 0", GUEST_##s##_RIGHTS, L, ON(GUEST_##s##_RIGHTS, N(11)))
#define HIGH_0(s) \
	BAD("bits 31:17 are 0", GUEST_##s##_RIGHTS, L, ON(GUEST_##s##_RIGHTS, N(17))), \
	BAD("bits 31:17 are 0", GUEST_##s##_RIGHTS, L, ON(GUEST_##s##_RIGHTS, N(31)))
#define G_0(s) \
	BAD("G is 0 if a bit of 11:0 of the limit is 0", GUEST_##s##_RIGHTS, L, \
	    ON(GUEST_##s##_RIGHTS, N(15)), SET(GUEST_##s##_LIMIT, 0xffffe)), \
		BAD("G is 0 if a bit of 11:0 of the limit is 0", GUEST_##s##_RIGHTS, L, \
		    ON(GUEST_##s##_RIGHTS, N(15)), SET(GUEST_##s##_LIMIT, 0xfffff7ff)), \
		GOOD(L, ON(GUEST_##s##_RIGHTS, N(15)), SET(GUEST_##s##_LIMIT, 0xfff))
#define G_1(s) \
	BAD("G is 1 if a bit of 31:20 of the limit is 1", GUEST_##s##_RIGHTS, L, \
	    OFF(GUEST_##s##_RIGHTS, N(15)), SET(GUEST_##s##_LIMIT, 0x100000)), \
		BAD("G is 1 if a bit of 31:20 of the limit is 1", GUEST_##s##_RIGHTS, L, \
		    OFF(GUEST_##s##_RIGHTS, N(15)), SET(GUEST_##s##_LIMIT, 0x80000fff)), \
		GOOD(L, OFF(GUEST_##s##_RIGHTS, N(15)), SET(GUEST_##s##_LIMIT, 0xfffff))
/* An unusable register may have anything but in the bits that are judged of all. */
#define UNUSABLE(s) GOOD(L, SET(GUEST_##s##_RIGHTS, 0xfffffffe), SET(GUEST_##s##_LIMIT, 0x100000))
#define UNUSABLE_BASE(s) \
	GOOD(L, SET(GUEST_##s##_RIGHTS, 0x10000), SET(GUEST_##s##_BASE, N(32)))
#define CPL_3 \
	SET(GUEST_CS_SELECTOR, 0x0b), SET(GUEST_CS_RIGHTS, 0xa0fb), SET(GUEST_SS_SELECTOR, 0x13), \
	SET(GUEST_SS_RIGHTS, 0xc0f3)

static const struct test_case segment_cases[] = {
	BAD("TI is 0", GUEST_TR_SELECTOR, L, ON(GUEST_TR_SELECTOR, 4)),
	BAD("TI is 0", GUEST_LDTR_SELECTOR, L, ON(GUEST_LDTR_SELECTOR, 4)),
	GOOD(L, ON(GUEST_LDTR_SELECTOR, 4), SET(GUEST_LDTR_RIGHTS, 0x10000)),
	BAD("RPL is that of CS", GUEST_SS_SELECTOR, L, SET(GUEST_CS_RIGHTS, 0xa09f),
	    SET(GUEST_SS_SELECTOR, 0x13), SET(GUEST_SS_RIGHTS, 0xc0f3)),
	GOOD(R, SET(GUEST_SS_SELECTOR, 3)),
	GOOD(L, CPL_3),
	ALL6(V86_BASE),
	CANONICAL(TR),
	CANONICAL(FS),
	CANONICAL(GS),
	CANONICAL(LDTR),
	GOOD(L, SET(GUEST_LDTR_BASE, NOT_CANONICAL), SET(GUEST_LDTR_RIGHTS, 0x10000)),
	BASE_32(CS),
	BASE_32(SS),
	BASE_32(DS),
	BASE_32(ES),
	UNUSABLE_BASE(SS),
	UNUSABLE_BASE(DS),
	UNUSABLE_BASE(ES),
	GOOD(L, SET(GUEST_FS_BASE, 0xffff800000000000)),
	ALL6(V86_LIMIT),
	ALL6(V86_RIGHTS),
	BAD("the type is of accessed code (or 3 in an unrestricted guest)", GUEST_CS_RIGHTS, L,
	    SET(GUEST_CS_RIGHTS, 0xa09a)),
	BAD("the type is of accessed code (or 3 in an unrestricted guest)", GUEST_CS_RIGHTS, L,
	    SET(GUEST_CS_RIGHTS, 0xa09e)),
	BAD("the type is of accessed code (or 3 in an unrestricted guest)", GUEST_CS_RIGHTS, L,
	    SET(GUEST_CS_RIGHTS, 0xa093)),
	BAD("the type is of accessed code (or 3 in an unrestricted guest)", GUEST_CS_RIGHTS, R,
	    SET(GUEST_CS_RIGHTS, 0x97)),
	BAD("the type is of accessed code (or 3 in an unrestricted guest)", GUEST_CS_RIGHTS, L,
	    SET(GUEST_CS_RIGHTS, 0x1a09a)),
	GOOD(L, SET(GUEST_CS_RIGHTS, 0xa099)),
	GOOD(L, SET(GUEST_CS_RIGHTS, 0xa09d)),
	GOOD(L, SET(GUEST_CS_RIGHTS, 0xa09f)),
	GOOD(R, SET(GUEST_CS_RIGHTS, 0x9b)),
	BAD("the type is 3 or 7", GUEST_SS_RIGHTS, L, SET(GUEST_SS_RIGHTS, 0xc092)),
	BAD("the type is 3 or 7", GUEST_SS_RIGHTS, L, SET(GUEST_SS_RIGHTS, 0xc091)),
	BAD("the type is 3 or 7", GUEST_SS_RIGHTS, R, SET(GUEST_SS_RIGHTS, 0x9b)),
	GOOD(L, SET(GUEST_SS_RIGHTS, 0xc097)),
	DATA4(ACCESSED),
	DATA4(READABLE),
	ALL6(S_IS_1),
	BAD("DPL is 0 if the type is 3", GUEST_CS_RIGHTS, R, ON(GUEST_CS_RIGHTS, 0x60)),
	BAD("DPL is that of SS if the type is 9 or 11", GUEST_CS_RIGHTS, L,
	    ON(GUEST_CS_RIGHTS, 0x60)),
	BAD("DPL is that of SS if the type is 9 or 11", GUEST_CS_RIGHTS, L,
	    SET(GUEST_CS_RIGHTS, 0xa0b9)),
	BAD("DPL is not above that of SS if the type is 13 or 15", GUEST_CS_RIGHTS, L,
	    SET(GUEST_CS_RIGHTS, 0xa0bf)),
	BAD("DPL is not above that of SS if the type is 13 or 15", GUEST_CS_RIGHTS, L,
	    SET(GUEST_CS_RIGHTS, 0xa0fd)),
	BAD("DPL is RPL", GUEST_SS_RIGHTS, L, SET(GUEST_CS_RIGHTS, 0xa09f),
	    SET(GUEST_SS_RIGHTS, 0xc0f3)),
	BAD("DPL is 0 if CS has type 3 or CR0.PE is 0", GUEST_SS_RIGHTS, R,
	    ON(GUEST_SS_RIGHTS, 0x60)),
	BAD("DPL is 0 if CS has type 3 or CR0.PE is 0", GUEST_SS_RIGHTS, R,
	    SET(GUEST_CS_RIGHTS, 0xfb), SET(GUEST_SS_RIGHTS, 0xf3)),
	BAD("DPL is 0 if CS has type 3 or CR0.PE is 0", GUEST_SS_RIGHTS, R, ON(GUEST_CR0, 1),
	    SET(GUEST_SS_RIGHTS, 0xf3)),
	GOOD(R, ON(GUEST_CR0, 1), SET(GUEST_CS_RIGHTS, 0xfb), SET(GUEST_SS_RIGHTS, 0xf3)),
	DATA4(DPL_RPL),
	ALL6(P_IS_1),
	ALL6(LOW_0),
	BAD("D/B is 0 if L is 1 in IA-32e mode", GUEST_CS_RIGHTS, L, ON(GUEST_CS_RIGHTS, N(14))),
	GOOD(P, ON(GUEST_CS_RIGHTS, N(13))),
	ALL6(G_0),
	ALL6(G_1),
	ALL6(HIGH_0),
	DATA4(UNUSABLE),
	UNUSABLE(LDTR),
	BAD("the type is 3 or 11 outside IA-32e mode", GUEST_TR_RIGHTS, P,
	    SET(GUEST_TR_RIGHTS, 0x89)),
	BAD("the type is 3 or 11 outside IA-32e mode", GUEST_TR_RIGHTS, V,
	    SET(GUEST_TR_RIGHTS, 0x81)),
	GOOD(P, SET(GUEST_TR_RIGHTS, 0x83)),
	BAD("the type is 11 in IA-32e mode", GUEST_TR_RIGHTS, L, SET(GUEST_TR_RIGHTS, 0x83)),
	BAD("S is 0", GUEST_TR_RIGHTS, L, ON(GUEST_TR_RIGHTS, N(4))),
	P_IS_1(TR),
	LOW_0(TR),
	G_0(TR),
	G_1(TR),
	BAD("the register is usable", GUEST_TR_RIGHTS, L, ON(GUEST_TR_RIGHTS, N(16))),
	HIGH_0(TR),
	BAD("the type is 2", GUEST_LDTR_RIGHTS, L, SET(GUEST_LDTR_RIGHTS, 0x8b)),
	BAD("S is 0", GUEST_LDTR_RIGHTS, L, ON(GUEST_LDTR_RIGHTS, N(4))),
	P_IS_1(LDTR),
	LOW_0(LDTR),
	G_0(LDTR),
	G_1(LDTR),
	HIGH_0(LDTR),
};

#define RFLAGS_ZEROS "bits 63:22, 15, 5 and 3 of RFLAGS are 0"
#define IF_ON		ON(GUEST_RFLAGS, N(9))
#define STEP		ON(GUEST_RFLAGS, N(8))
#define BLOCK(bits)	SET(GUEST_INTERRUPTIBILITY, bits)
#define PEND(bits)	SET(GUEST_PENDING_DEBUG, bits)
#define ACTIVITY(state)	SET(GUEST_ACTIVITY, state)
#define LINK(address)	SET(VMCS_LINK_POINTER, address)
#define STEP_PENDS "BS is 1 if TF is 1, BTF is 0 and the guest is blocked or halted"
#define NO_STEP_PENDS "BS is 0 if TF is 0 or BTF is 1 and the guest is blocked or halted"
#define PDPTE(n) \
	BAD("reserved bits of a present PDPTE are 0", GUEST_PDPTE##n, A, \
	    SET(GUEST_PDPTE##n, 0x1003)), \
		BAD("reserved bits of a present PDPTE are 0", GUEST_PDPTE##n, A, \
		    SET(GUEST_PDPTE##n, 0x1005)), \
		BAD("reserved bits of a present PDPTE are 0", GUEST_PDPTE##n, A, \
		    SET(GUEST_PDPTE##n, 0x1021)), \
		BAD("reserved bits of a present PDPTE are 0", GUEST_PDPTE##n, A, \
		    SET(GUEST_PDPTE##n, 0x1101)), \
		BAD("reserved bits of a present PDPTE are 0", GUEST_PDPTE##n, A, \
		    SET(GUEST_PDPTE##n, TOO_HIGH | 1)), \
		GOOD(L, SET(GUEST_PDPTE##n, 0x1003)), GOOD(P, SET(GUEST_PDPTE##n, 0x1003))

static const struct test_case state_cases[] = {
	CANONICAL(GDTR),
	CANONICAL(IDTR),
	BAD("bits 31:16 of the limit are 0", GUEST_GDTR_LIMIT, L, SET(GUEST_GDTR_LIMIT, 0x10000)),
	BAD("bits 31:16 of the limit are 0", GUEST_IDTR_LIMIT, R,
	    SET(GUEST_IDTR_LIMIT, 0x80000000)),
	BAD("bits 63:32 of RIP are 0 outside 64-bit mode", GUEST_RIP, P, SET(GUEST_RIP, N(32))),
	BAD("bits 63:32 of RIP are 0 outside 64-bit mode", GUEST_RIP, L,
	    SET(GUEST_CS_RIGHTS, 0xc09b)),
	BAD("bits 63:N of RIP are equal, of N bits of linear addresses", GUEST_RIP, L,
	    SET(GUEST_RIP, N(48))),
	BAD("bits 63:N of RIP are equal, of N bits of linear addresses", GUEST_RIP, L,
	    SET(GUEST_RIP, 0x7fffffffffffffff)),
	GOOD(L, SET(GUEST_RIP, NOT_CANONICAL)),
	GOOD_CPU(L, linear_57, SET(GUEST_RIP, N(48))),
	BAD(RFLAGS_ZEROS, GUEST_RFLAGS, L, ON(GUEST_RFLAGS, N(3))),
	BAD(RFLAGS_ZEROS, GUEST_RFLAGS, L, ON(GUEST_RFLAGS, N(5))),
	BAD(RFLAGS_ZEROS, GUEST_RFLAGS, L, ON(GUEST_RFLAGS, N(15))),
	BAD(RFLAGS_ZEROS, GUEST_RFLAGS, L, ON(GUEST_RFLAGS, N(22))),
	BAD(RFLAGS_ZEROS, GUEST_RFLAGS, L, ON(GUEST_RFLAGS, N(63))),
	GOOD(L, SET(GUEST_RFLAGS, 0x3d7fd7)),
	BAD("bit 1 of RFLAGS is 1", GUEST_RFLAGS, L, OFF(GUEST_RFLAGS, N(1))),
	BAD("RFLAGS.VM is 0 in IA-32e mode and in real mode", GUEST_RFLAGS, V,
	    ON(ENTRY_CONTROLS, N(9)), ON(GUEST_CR4, N(5)), SET(GUEST_EFER, 0x500)),
	BAD("RFLAGS.VM is 0 in IA-32e mode and in real mode", GUEST_RFLAGS, V, SECOND(7),
	    SET(GUEST_CR0, 0x30)),
	BAD("RFLAGS.IF is 1 if an external interrupt is injected", GUEST_RFLAGS, L,
	    EVENT(0x80000020)),
	GOOD(L, EVENT(0x80000020), IF_ON),

	BAD("the state is one that the CPU has", GUEST_ACTIVITY, L, ACTIVITY(4)),
	BAD_CPU("the state is one that the CPU has", GUEST_ACTIVITY, L, no_hlt, ACTIVITY(1)),
	BAD_CPU("the state is one that the CPU has", GUEST_ACTIVITY, L, no_shutdown, ACTIVITY(2)),
	BAD_CPU("the state is one that the CPU has", GUEST_ACTIVITY, L, no_sipi, ACTIVITY(3)),
	GOOD(L, ACTIVITY(1)),
	GOOD(L, ACTIVITY(2)),
	GOOD(L, ACTIVITY(3)),
	BAD("HLT needs an SS.DPL of 0", GUEST_ACTIVITY, L, CPL_3, ACTIVITY(1)),
	BAD("blocking by STI or MOV SS needs the active state", GUEST_ACTIVITY, L, ACTIVITY(1),
	    IF_ON, BLOCK(1)),
	BAD("blocking by STI or MOV SS needs the active state", GUEST_ACTIVITY, L, ACTIVITY(3),
	    BLOCK(2)),
	BAD("in HLT only interrupts, NMI, #DB, #MC and MTF are injected", GUEST_ACTIVITY, L,
	    ACTIVITY(1), EVENT(0x80000306)),
	BAD("in HLT only interrupts, NMI, #DB, #MC and MTF are injected", GUEST_ACTIVITY, L,
	    ACTIVITY(1), EVENT(0x80000480), SET(ENTRY_INSTRUCTION_LENGTH, 2)),
	GOOD(L, ACTIVITY(1), EVENT(0x80000020), IF_ON),
	GOOD(L, ACTIVITY(1), EVENT(0x80000202)),
	GOOD(L, ACTIVITY(1), EVENT(0x80000301)),
	GOOD(L, ACTIVITY(1), EVENT(0x80000312)),
	GOOD(L, ACTIVITY(1), EVENT(0x80000700)),
	BAD("in shutdown only NMI and #MC are injected", GUEST_ACTIVITY, L, ACTIVITY(2),
	    EVENT(0x80000020), IF_ON),
	BAD("in shutdown only NMI and #MC are injected", GUEST_ACTIVITY, L, ACTIVITY(2),
	    EVENT(0x80000301)),
	GOOD(L, ACTIVITY(2), EVENT(0x80000202)),
	GOOD(L, ACTIVITY(2), EVENT(0x80000312)),
	BAD("waiting for SIPI nothing is injected", GUEST_ACTIVITY, L, ACTIVITY(3),
	    EVENT(0x80000202)),

	BAD("bits 31:5 are 0", GUEST_INTERRUPTIBILITY, L, BLOCK(0x20)),
	BAD("bits 31:5 are 0", GUEST_INTERRUPTIBILITY, L, BLOCK(0x80000000)),
	BAD("not both blocking by STI and by MOV SS", GUEST_INTERRUPTIBILITY, L, IF_ON, BLOCK(3)),
	BAD("blocking by STI needs RFLAGS.IF", GUEST_INTERRUPTIBILITY, L, BLOCK(1)),
	GOOD(L, IF_ON, BLOCK(1)),
	GOOD(L, BLOCK(2)),
	GOOD(L, BLOCK(8)),
	BAD("neither STI nor MOV SS blocks if an external interrupt is injected",
	    GUEST_INTERRUPTIBILITY, L, IF_ON, BLOCK(1), EVENT(0x80000020)),
	BAD("neither STI nor MOV SS blocks if an external interrupt is injected",
	    GUEST_INTERRUPTIBILITY, L, IF_ON, BLOCK(2), EVENT(0x80000020)),
	BAD("MOV SS doesn't block if an NMI is injected", GUEST_INTERRUPTIBILITY, L, BLOCK(2),
	    EVENT(0x80000202)),
	BAD("no blocking by SMI outside SMM", GUEST_INTERRUPTIBILITY, L, BLOCK(4)),
	BAD("STI doesn't block if an NMI is injected", GUEST_INTERRUPTIBILITY, L, IF_ON, BLOCK(1),
	    EVENT(0x80000202)),
	BAD("with \"virtual NMIs\", no blocking by NMI if an NMI is injected",
	    GUEST_INTERRUPTIBILITY, L, BLOCK(8), EVENT(0x80000202)),
	GOOD(L, BLOCK(8), EVENT(0x80000202), OFF(PIN_CONTROLS, N(5))),
	BAD("MOV SS doesn't block in an enclave interruption", GUEST_INTERRUPTIBILITY, L,
	    BLOCK(0x12)),
	GOOD(L, BLOCK(0x10)),
	GOOD(L, BLOCK(1), IF_ON, EVENT(0x8000030e | N(11))),

	BAD("bits 11:4, 13, 15 and 63:17 are 0", GUEST_PENDING_DEBUG, L, PEND(N(4))),
	BAD("bits 11:4, 13, 15 and 63:17 are 0", GUEST_PENDING_DEBUG, L, PEND(N(11))),
	BAD("bits 11:4, 13, 15 and 63:17 are 0", GUEST_PENDING_DEBUG, L, PEND(N(13))),
	BAD("bits 11:4, 13, 15 and 63:17 are 0", GUEST_PENDING_DEBUG, L, PEND(N(15))),
	BAD("bits 11:4, 13, 15 and 63:17 are 0", GUEST_PENDING_DEBUG, L, PEND(N(17))),
	GOOD(L, PEND(0x500f)),
	BAD(STEP_PENDS, GUEST_PENDING_DEBUG, L, STEP, IF_ON, BLOCK(1)),
	BAD(STEP_PENDS, GUEST_PENDING_DEBUG, L, STEP, BLOCK(2)),
	BAD(STEP_PENDS, GUEST_PENDING_DEBUG, L, STEP, ACTIVITY(1)),
	GOOD(L, STEP),
	GOOD(L, STEP, BLOCK(2), PEND(N(14))),
	GOOD(L, STEP, BLOCK(2), SET(GUEST_DEBUGCTL, 2)),
	BAD(NO_STEP_PENDS, GUEST_PENDING_DEBUG, L, BLOCK(2), PEND(N(14))),
	BAD(NO_STEP_PENDS, GUEST_PENDING_DEBUG, L, ACTIVITY(1), PEND(N(14))),
	BAD(NO_STEP_PENDS, GUEST_PENDING_DEBUG, L, STEP, BLOCK(2), PEND(N(14)),
	    SET(GUEST_DEBUGCTL, 2)),
	GOOD(L, PEND(0x11000)),
	BAD("with RTM, bits 11:0, 15:13 and 63:17 are 0", GUEST_PENDING_DEBUG, L, PEND(0x11001)),
	BAD("with RTM, bits 11:0, 15:13 and 63:17 are 0", GUEST_PENDING_DEBUG, L, PEND(0x15000)),
	BAD("with RTM, bit 12 is 1", GUEST_PENDING_DEBUG, L, PEND(0x10000)),
	BAD_CPU("RTM needs a CPU that has RTM", GUEST_PENDING_DEBUG, L, no_rtm, PEND(0x11000)),
	BAD("with RTM, MOV SS doesn't block", GUEST_PENDING_DEBUG, L, PEND(0x11000), BLOCK(2)),

	GOOD(L, LINK(0x7000)),
	GOOD(L, LINK(0x8000), SECOND(14)),
	BAD("bits 11:0 of the address are 0", VMCS_LINK_POINTER, L, LINK(0x7010)),
	BAD("the address is within the physical-address width", VMCS_LINK_POINTER, L,
	    LINK(TOO_HIGH | 0x7000)),
	BAD("bits 30:0 there are the CPU's VMCS revision", VMCS_LINK_POINTER, L, LINK(0x9000)),
	BAD("bit 31 there is as \"VMCS shadowing\"", VMCS_LINK_POINTER, L, LINK(0x8000)),
	BAD("bit 31 there is as \"VMCS shadowing\"", VMCS_LINK_POINTER, L, LINK(0x7000),
	    SECOND(14)),
	GOOD_CPU(L, no_memory, LINK(0x9000)),
	BAD("the address isn't that of the current VMCS", VMCS_LINK_POINTER, L, LINK(0x6000)),

	BAD("without EPT, reserved bits of present PDPTEs in memory are 0", GUEST_CR3, A, NO_EPT,
	    SET(GUEST_CR3, 0xc020)),
	GOOD(A, NO_EPT, SET(GUEST_CR3, 0xc01f), SET(GUEST_PDPTE0, 0x1003)),
	GOOD(A, SET(GUEST_CR3, 0xc020)),
	GOOD(L, NO_EPT, SET(GUEST_CR3, 0xc020)),
	GOOD_CPU(A, no_memory, NO_EPT, SET(GUEST_CR3, 0xc020)),
	PDPTE(0),
	PDPTE(1),
	PDPTE(2),
	PDPTE(3),
};

#define TOO_LONG(list) \
	BAD("not more MSRs than the CPU recommends", list##_COUNT, L, SET(list##_COUNT, 513), \
	    SET(list##_ADDRESS, 0xe00000)), \
	GOOD_CPU(L, longer_lists, SET(list##_COUNT, 513), SET(list##_ADDRESS, 0xe00000)), \
	GOOD(L, SET(list##_COUNT, 512), SET(list##_ADDRESS, 0xe00000))
#define NOT_LOADED(list) \
	BAD("neither FS_BASE nor GS_BASE is loaded", list##_ADDRESS, L, SET(list##_COUNT, 1), \
	    SET(list##_ADDRESS, 0xb000)), \
	BAD("neither FS_BASE nor GS_BASE is loaded", list##_ADDRESS, L, SET(list##_COUNT, 1), \
	    SET(list##_ADDRESS, 0xb010)), \
	BAD("SMM_MONITOR_CTL is not loaded outside SMM", list##_ADDRESS, L, SET(list##_COUNT, 1), \
	    SET(list##_ADDRESS, 0xb040)), \
	LIST_OF(list, "loaded")
#define LIST_OF(list, done) \
	BAD("no MSR of the x2APIC (800H to 8FFH) is " done, list##_ADDRESS, L, \
	    SET(list##_COUNT, 1), SET(list##_ADDRESS, 0xb020)), \
		BAD("no MSR of the x2APIC (800H to 8FFH) is " done, list##_ADDRESS, L, \
		    SET(list##_COUNT, 1), SET(list##_ADDRESS, 0xb030)), \
		BAD("bits 63:32 of each entry are 0", list##_ADDRESS, L, SET(list##_COUNT, 1), \
		    SET(list##_ADDRESS, 0xb050)), \
		BAD("bits 63:32 of each entry are 0", list##_ADDRESS, L, SET(list##_COUNT, 2), \
		    SET(list##_ADDRESS, 0xd000)), \
		GOOD(L, SET(list##_COUNT, 1), SET(list##_ADDRESS, 0xa000)), \
		GOOD_CPU(L, no_memory, SET(list##_COUNT, 1), SET(list##_ADDRESS, 0xb050))

static const struct test_case msr_cases[] = {
	TOO_LONG(ENTRY_MSR_LOAD),
	TOO_LONG(EXIT_MSR_STORE),
	TOO_LONG(EXIT_MSR_LOAD),
	NOT_LOADED(ENTRY_MSR_LOAD),
	NOT_LOADED(EXIT_MSR_LOAD),
	LIST_OF(EXIT_MSR_STORE, "stored"),
	BAD("SMBASE is not stored outside SMM", EXIT_MSR_STORE_ADDRESS, L,
	    SET(EXIT_MSR_STORE_COUNT, 1), SET(EXIT_MSR_STORE_ADDRESS, 0xb060)),
};

/* --- Going through them --- */

static bool hit[NR_VMX_ENTRY_TABLES][256];

static void build(const struct test_case *c)
{
	c->base();
	if (c->cpu)
		c->cpu();
	for (unsigned i = 0; i < ARRAY_SIZE(c->change); i++)
		if (c->change[i].clear | c->change[i].set)
			vmcs[c->change[i].field] =
				(vmcs[c->change[i].field] & ~c->change[i].clear) | c->change[i].set;
}

static void mark(const struct vmx_entry_rule *rule)
{
	for (unsigned t = 0; t < NR_VMX_ENTRY_TABLES; t++)
		for (size_t i = 0; i < vmx_entry_tables[t]->nr_rows; i++)
			if (&vmx_entry_tables[t]->row[i] == rule)
				hit[t][i] = true;
}

/* How many rules don't hold, each asked by itself. */
static unsigned count_broken(void)
{
	unsigned broken = 0;

	for (unsigned t = 0; t < NR_VMX_ENTRY_TABLES; t++)
		for (size_t i = 0; i < vmx_entry_tables[t]->nr_rows; i++)
			broken += !vmx_entry_tables[t]->row[i].holds(
				&entry, vmx_entry_tables[t]->row[i].field);
	return broken;
}

static unsigned judge(const struct test_case *c, unsigned number)
{
	const struct vmx_entry_rule *rule;
	unsigned broken;

	build(c);
	rule = vmx_entry_check(&entry);
	broken = count_broken();
	mark(rule);
	if (!c->rule ? !rule : rule && !strcmp(rule->rule, c->rule) && rule->field == c->field &&
			       (c->more ? broken > 1 : broken == 1))
		return 0;
	print_error("case %u: %s, %s: refused by %s, %s; %u rules are broken\n", number,
		    c->rule ? c->rule : "good", vmx_field_name(c->field),
		    rule ? rule->rule : "none", rule ? vmx_field_name(rule->field) : "-", broken);
	return 1;
}

static void judge_all(const struct test_case *cases, unsigned n)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < n; i++)
		wrong += judge(&cases[i], i);
	assert_int_equal(wrong, 0);
}

static void test_guests_of_every_mode(void **state)
{
	static void (*const bases[])(void) = { L, P, A, R, V, H };

	for (unsigned i = 0; i < ARRAY_SIZE(bases); i++)
		judge_all(&(struct test_case){ NULL, 0, bases[i] }, 1);
}

#define JUDGES(name) \
	static void test_##name(void **unused) \
	{ \
		judge_all(name##_cases, ARRAY_SIZE(name##_cases)); \
	}
JUDGES(control)
JUDGES(host)
JUDGES(register)
JUDGES(segment)
JUDGES(state)
JUDGES(msr)

/* After all of the above: each row has refused something, and says what of what in its own words.
 */
static void test_each_row_was_hit(void **state)
{
	unsigned rows = 0, missed = 0;

	for (unsigned t = 0; t < NR_VMX_ENTRY_TABLES; t++)
		for (size_t i = 0; i < vmx_entry_tables[t]->nr_rows; i++) {
			const struct vmx_entry_rule *rule = &vmx_entry_tables[t]->row[i];

			rows++;
			assert_string_not_equal(vmx_field_name(rule->field), "?");
			assert_true(strlen(rule->section) && strlen(rule->rule));
			for (size_t j = 0; j < i; j++)
				assert_false(vmx_entry_tables[t]->row[j].field == rule->field &&
					     !strcmp(vmx_entry_tables[t]->row[j].rule, rule->rule));
			if (hit[t][i])
				continue;
			missed++;
			print_error("no case breaks: %s, %s\n", rule->rule,
				    vmx_field_name(rule->field));
		}
	printf("figure vmx-entry-rules: %u rows, %u without a case\n", rows, missed);
	assert_int_equal(missed, 0);
}

/* A CPU without any control that may be missing: the fields of those aren't asked for. */
static void test_poor_cpu(void **state)
{
	static const u32 missing[] = {
		VMCS_SECONDARY_CONTROLS, VMCS_VPID, VMCS_EPT_POINTER, VMCS_GUEST_PDPTE0,
		VMCS_GUEST_PDPTE1, VMCS_GUEST_PDPTE2, VMCS_GUEST_PDPTE3, VMCS_MSR_BITMAPS,
		VMCS_TPR_THRESHOLD, VMCS_VIRTUAL_APIC_ADDRESS, VMCS_APIC_ACCESS_ADDRESS,
		VMCS_POSTED_INTERRUPT_VECTOR, VMCS_POSTED_INTERRUPT_DESCRIPTOR, VMCS_PML_ADDRESS,
		VMCS_SPP_TABLE_POINTER, VMCS_VM_FUNCTION_CONTROLS, VMCS_EPTP_LIST_ADDRESS,
		VMCS_VMREAD_BITMAP, VMCS_VMWRITE_BITMAP, VMCS_VE_INFORMATION_ADDRESS,
		VMCS_GUEST_PAT, VMCS_GUEST_EFER, VMCS_GUEST_PERF_GLOBAL_CTRL, VMCS_GUEST_BNDCFGS,
		VMCS_HOST_PAT, VMCS_HOST_EFER, VMCS_HOST_PERF_GLOBAL_CTRL, VMCS_PREEMPTION_TIMER,
	};
	static void (*const bases[])(void) = { L, P, A, V };

	for (unsigned b = 0; b < ARRAY_SIZE(bases); b++) {
		bases[b]();
		caps.control[VMX_PRIMARY].may = 0x77f9fffe; /* no secondary, no MSR bitmaps … */
		caps.control[VMX_SECONDARY] = (struct vmx_control){ 0, 0 };
		caps.control[VMX_EXIT].may = 0x36fff;
		caps.control[VMX_ENTRY].may = 0x13ff;
		vmcs[VMCS_PRIMARY_CONTROLS] &= 0x67f9fffe;
		vmcs[VMCS_EXIT_CONTROLS] &= 0x36fff;
		vmcs[VMCS_ENTRY_CONTROLS] &= 0x13ff;
		for (unsigned i = 0; i < ARRAY_SIZE(missing); i++)
			lacks[missing[i]] = true;
		assert_null(vmx_entry_check(&entry));
		assert_int_equal(count_broken(), 0);
	}
}

/* --- Names and the dump --- */

static char dumped[16384];
static unsigned lines, longest;

static printf_like(1, 2) void print_line(const char *format, ...)
{
	size_t used = strlen(dumped), length;
	va_list args;

	va_start(args, format);
	length = vsnprintf(dumped + used, sizeof(dumped) - used, format, args);
	va_end(args);
	strcat(dumped, "\n");
	lines++;
	longest = MAX(longest, length);
}

static bool read_if_there(const void *ctx, u32 field, u64 *value)
{
	assert_ptr_equal(ctx, vmcs);
	*value = vmcs[field];
	return !lacks[field];
}

/* Encodings typed from SDM vol. 3D, "Field Encoding in VMCS". */
static void test_names(void **state)
{
	static const struct { u32 field; const char *name;
	} known[] = {
		{ 0x0000, "VPID" },
		{ 0x080e, "GUEST_TR_SELECTOR" },
		{ 0x0c0c, "HOST_TR_SELECTOR" },
		{ 0x201a, "EPT_POINTER" },
		{ 0x2800, "VMCS_LINK_POINTER" },
		{ 0x2806, "GUEST_EFER" },
		{ 0x4000, "PIN_CONTROLS" },
		{ 0x4002, "PRIMARY_CONTROLS" },
		{ 0x401e, "SECONDARY_CONTROLS" },
		{ 0x400c, "EXIT_CONTROLS" },
		{ 0x4012, "ENTRY_CONTROLS" },
		{ 0x4016, "ENTRY_INTERRUPTION_INFO" },
		{ 0x4402, "EXIT_REASON" },
		{ 0x4816, "GUEST_CS_RIGHTS" },
		{ 0x4826, "GUEST_ACTIVITY" },
		{ 0x6400, "EXIT_QUALIFICATION" },
		{ 0x6800, "GUEST_CR0" },
		{ 0x681e, "GUEST_RIP" },
		{ 0x6c16, "HOST_RIP" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		assert_string_equal(vmx_field_name(known[i].field), known[i].name);
	assert_string_equal(vmx_field_name(0x4001), "?");
}

static void test_dump(void **state)
{
	unsigned names = 0;

	put_long();
	vmcs[VMCS_GUEST_RIP] = 0x123456789abcdef0;
	lacks[VMCS_GUEST_BNDCFGS] = lacks[VMCS_VPID] = true;
	vmx_dump(read_if_there, vmcs, print_line);
	assert_non_null(strstr(dumped, " GUEST_RIP 123456789abcdef0"));
	assert_non_null(strstr(dumped, " EPT_POINTER 201e"));
	assert_non_null(strstr(dumped, " HOST_RIP ffffffff80000000\n"));
	assert_null(strstr(dumped, "BNDCFGS"));
	assert_null(strstr(dumped, "VPID"));
	for (u32 field = 0; field < ARRAY_SIZE(vmcs); field++) {
		char text[64];

		snprintf(text, sizeof(text), " %s ", vmx_field_name(field));
		if (text[1] == '?' || lacks[field])
			continue;
		names++;
		assert_non_null(strstr(dumped, text));
	}
	assert_true(names > 150 && lines < names / 2 && longest <= 98);
	/* A CPU that answers nothing: no line. */
	memset(lacks, true, sizeof(lacks));
	lines = 0;
	vmx_dump(read_if_there, vmcs, print_line);
	assert_int_equal(lines, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guests_of_every_mode),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_register),
		cmocka_unit_test(test_segment),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_msr),
		cmocka_unit_test(test_each_row_was_hit),
		cmocka_unit_test(test_poor_cpu),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
