/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exit: one neutral record of why a guest stopped. Backends decode their vendor's numbers into
 * it, the emulator raises it by the same function, and whoever handles, counts, traces or shows an
 * exit sees nothing else.
 */
#pragma once

#include "include/event.h"
#include "include/types.h"

/*
 * KIND(name, text, handler, order): one row a kind. The order says who is asked first once a guest
 * hypervisor runs guests of its own: L0_ONLY never goes to L1, L0_FIRST goes there if L0 has no use
 * for it, L1_FIRST goes there if L1 wants it.
 */
#define EXIT_KINDS(KIND) \
	KIND(EXTINT,       "external interrupt", handle_extint,      L0_ONLY) \
	KIND(NMI,          "NMI",                handle_nmi,         L0_ONLY) \
	KIND(SMI,          "SMI",                handle_extint,      L0_ONLY) \
	KIND(INIT,         "INIT",               handle_extint,      L0_ONLY) \
	KIND(SIPI,         "SIPI",               handle_unwanted,    L0_ONLY) \
	KIND(EXCEPTION,    "exception",          handle_exception,   L0_FIRST) \
	KIND(TRIPLE_FAULT, "triple fault",       handle_triple_fault, L1_FIRST) \
	KIND(INTR_WINDOW,  "interrupt window",   handle_window,      L0_ONLY) \
	KIND(NMI_WINDOW,   "NMI window",         handle_window,      L0_ONLY) \
	KIND(TPR_BELOW,    "TPR below",          handle_unwanted,    L1_FIRST) \
	KIND(TASK_SWITCH,  "task switch",        handle_task_switch, L1_FIRST) \
	KIND(CPUID,        "CPUID",              handle_cpuid,       L1_FIRST) \
	KIND(HLT,          "HLT",                handle_hlt,         L1_FIRST) \
	KIND(INVD,         "INVD",               handle_nothing,     L1_FIRST) \
	KIND(WBINVD,       "WBINVD",             handle_nothing,     L1_FIRST) \
	KIND(PAUSE,        "PAUSE",              handle_nothing,     L1_FIRST) \
	KIND(RDPMC,        "RDPMC",              handle_rdpmc,       L1_FIRST) \
	KIND(RSM,          "RSM",                handle_undefined,   L1_FIRST) \
	KIND(RDTSC,        "RDTSC",              handle_unwanted,    L1_FIRST) \
	KIND(RDTSCP,       "RDTSCP",             handle_unwanted,    L1_FIRST) \
	KIND(MONITOR,      "MONITOR",            handle_undefined,   L1_FIRST) \
	KIND(MWAIT,        "MWAIT",              handle_undefined,   L1_FIRST) \
	KIND(XSETBV,       "XSETBV",             handle_xsetbv,      L1_FIRST) \
	KIND(RDPRU,        "RDPRU",              handle_undefined,   L1_FIRST) \
	KIND(INVLPG,       "INVLPG",             handle_unwanted,    L1_FIRST) \
	KIND(INVPCID,      "INVPCID",            handle_unwanted,    L1_FIRST) \
	KIND(CR_READ,      "CR read",            handle_cr,          L1_FIRST) \
	KIND(CR_WRITE,     "CR write",           handle_cr,          L1_FIRST) \
	KIND(CLTS,         "CLTS",               handle_cr,          L1_FIRST) \
	KIND(LMSW,         "LMSW",               handle_cr,          L1_FIRST) \
	KIND(SMSW,         "SMSW",               handle_cr,          L1_FIRST) \
	KIND(DR_ACCESS,    "DR access",          emulate_one,        L1_FIRST) \
	KIND(IO,           "I/O",                handle_io,          L1_FIRST) \
	KIND(MSR,          "MSR",                handle_msr,         L1_FIRST) \
	KIND(DESC_TABLE,   "descriptor table",   handle_unwanted,    L1_FIRST) \
	KIND(PAGE_FAULT,   "page fault",         handle_exception,   L0_FIRST) \
	KIND(STAGE2,       "stage-2 fault",      handle_stage2,      L0_FIRST) \
	KIND(VMX_INSN,     "VMX instruction",    handle_undefined,   L1_FIRST) \
	KIND(SVM_INSN,     "SVM instruction",    handle_undefined,   L1_FIRST) \
	KIND(VMCALL,       "hypercall",          handle_hypercall,   L1_FIRST) \
	KIND(PUSHF,        "PUSHF",              handle_unwanted,    L1_FIRST) \
	KIND(POPF,         "POPF",               handle_unwanted,    L1_FIRST) \
	KIND(INT_N,        "INT n",              handle_unwanted,    L1_FIRST) \
	KIND(IRET,         "IRET",               handle_iret,        L1_FIRST) \
	KIND(TIMER,        "timer",              handle_unwanted,    L0_FIRST) \
	KIND(STEP,         "step",               handle_unwanted,    L0_FIRST) \
	KIND(ENTRY_FAILED, "failed entry",       handle_entry_failed, L0_FIRST) \
	KIND(UNKNOWN,      "unknown",            handle_unknown,     L0_FIRST)

#define EXIT_ENUM(name, text, handler, order) EXIT_##name,
enum exit_kind { EXIT_KINDS(EXIT_ENUM) NR_EXIT_KINDS };
#undef EXIT_ENUM

/* What of an exit is filled in; exit_need() fills in the rest on demand. */
enum exit_have {
	EXIT_LENGTH	 = 1,	/* insn_len, rip_next */
	EXIT_INSN	 = 2,	/* insn_bytes: the instruction's bytes, copied once */
	EXIT_OPERAND	 = 4,	/* the GPR of a CR or DR access */
};

/* What makes a task switch. A gate: the delivery of an event. */
enum task_source { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE };

struct exit {
	union {
		struct {
			u8 kind;	/* enum exit_kind */
			u8 have;	/* enum exit_have */
			u8 insn_len;
			u8 nr_insn_bytes;
			u32 raw;	/* the vendor's number, to be shown, never to be tested */
		};
		u64 head;		/* all of these, for the trace */
	};
	u64 rip_next;
	union {
		u64 first_word;				/* of whatever it is, for the trace */
		struct event event;			/* EXCEPTION, PAGE_FAULT */
		struct { u8 index, gpr; bool read; } cr;	/* CR_*, DR_ACCESS, LMSW */
		struct { u16 port; u8 size; bool in, string, rep; } io;
		struct { u32 index; bool write; } msr;
		struct { u16 selector; u8 source; } task;	/* source: enum task_source */
		struct {				/* STAGE2 */
			u64 address;			/* in the input space of the mmu; the first word */
			u32 access;			/* ACCESS_* */
			bool final;			/* else on a table of the guest's own walk */
			bool is_operand;		/* of the one memory operand of the instruction */
		} stage2;
		struct {				/* ENTRY_FAILED */
			u64 qualification;		/* the CPU's */
			const char *field, *rule;	/* what of the block is broken; NULL: not known */
		} entry_failed;
		struct { u64 info[2]; } unknown;
	};
	u8 insn_bytes[15];
};
