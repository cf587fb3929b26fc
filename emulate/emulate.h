/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction emulator: carries out one instruction of a guest on state that its caller owns.
 * It knows segmentation, operands, flags and the order of faults; it doesn't know paging, RAM,
 * devices or exits: those come in through struct emulate_ops. It keeps nothing between two calls.
 */
#pragma once

#include "emulate/insn.h"
#include "include/event.h"

enum emulate_status {
	/* Done, RIP moved. event.type may be a trap to inject: #DB of TF (of a REP after each
	 * element, with RIP still on it). */
	EMULATE_OK,
	/* RIP not moved: a REP that has got further, or a lost race for a locked operand. Run the
	 * guest on, or call again; then it continues. */
	EMULATE_AGAIN,
	/* event is to be injected; nothing else changed (REP: since the last element). */
	EMULATE_FAULT,
	EMULATE_STOP,		/* one of the ops said so: an exit was raised, the guest ends … */
	EMULATE_NEED_BYTES,	/* the instruction is longer than the bytes given */
	EMULATE_UNHANDLED,	/* no row for it: a limit of the emulator, not of the guest */
};

enum emulate_reg {
	EMULATE_RIP, EMULATE_RSP, EMULATE_RFLAGS,	/* these may be set … */
	EMULATE_KERNEL_GS_BASE,				/* … and this */
	EMULATE_CR0, EMULATE_CR3, EMULATE_CR4, EMULATE_EFER, EMULATE_CPL,
	EMULATE_STAR, EMULATE_LSTAR, EMULATE_CSTAR, EMULATE_SFMASK,
	EMULATE_SYSENTER_CS, EMULATE_SYSENTER_ESP, EMULATE_SYSENTER_EIP,
	EMULATE_FEATURES,				/* the bits below */
	EMULATE_XCR0, EMULATE_FSW,			/* FSW: the x87 status word */
	EMULATE_MXCSR,					/* may be set, within the mask: */
	EMULATE_MXCSR_MASK,				/* the CPU's (FXSAVE shows it to the guest) */
};

/* What CPUID says, where an instruction is #UD by it; and where the two manuals differ. */
#define EMULATE_HAS_SMAP	0x01u
#define EMULATE_HAS_RDTSCP	0x02u
#define EMULATE_HAS_RDPID	0x04u
#define EMULATE_HAS_INVPCID	0x08u
#define EMULATE_HAS_FAR_64	0x10u	/* far pointers with an offset of 64 bits */
#define EMULATE_SYSCALL_64_ONLY	0x20u	/* SYSCALL and SYSRET are #UD outside 64-bit mode */
#define EMULATE_SYSRET_CHECKS	0x40u	/* SYSRET to what isn't canonical is #GP, at CPL 0 */
#define EMULATE_SYSENTER_LONG	0x80u	/* SYSENTER and SYSEXIT are there in long mode */

enum emulate_table { EMULATE_GDT, EMULATE_IDT };

/* What keeps interrupts off for one instruction. */
enum emulate_shadow { EMULATE_NO_SHADOW, EMULATE_SHADOW_STI, EMULATE_SHADOW_MOV_SS };

/*
 * What a port or system instruction is about to do, for intercepts and for those who carry it out.
 */
struct emulate_action {
	u16 port;		/* IN, OUT, INS, OUTS */
	u8 size;		/* of one element, in bytes */
	bool in, string, rep;
	gva_t linear;		/* strings: of the first element; others: of the memory operand */
	u64 value;		/* source of MOV to CR or DR, LMSW, LLDT, LTR; result of others */
};

#define FSW_ES		0x80u		/* an exception waits: #MF */

/*
 * An x87 instruction with a memory operand, for who carries it out on the guest's registers. It
 * has been checked that it'll raise no exception (CR0, an unmasked one that waits).
 */
struct emulate_x87 {
	u8 opcode, reg;		/* D8H to DFH and ModRM.reg: one of those that exist */
	u8 modrm;
	bool small;		/* 16-bit operand size: environments of 14 bytes, states of 94 */
	u64 ip, dp;		/* of the instruction and its operand, as offsets */
	u8 operand[108];	/* loads: what memory holds; stores: to be filled in */
};

/*
 * All take the caller's context. Those that return a status: EMULATE_OK, or anything else to give
 * up with it; EMULATE_FAULT with *fault filled in (the emulator sets fault->rip).
 * Memory: `at` is linear; no call crosses a 4 KiB border; `access` is ACCESS_* of include/rights.h.
 * The read half of a read-modify-write has ACCESS_WRITE. Both pages of an operand are checked
 * before either is written.
 */
struct emulate_ops {
	u64 (*get)(void *ctx, enum emulate_reg reg);
	void (*set)(void *ctx, enum emulate_reg reg, u64 value);
	const struct segment *(*segment)(void *ctx, enum segment_register reg);

	/* May this be accessed? Touches nothing but accessed and dirty bits. */
	enum emulate_status (*check)(void *ctx, gva_t at, unsigned size, u32 access,
				     struct event *fault);
	enum emulate_status (*read)(void *ctx, gva_t at, void *to, unsigned size, u32 access,
				    struct event *fault);
	enum emulate_status (*write)(void *ctx, gva_t at, const void *from, unsigned size,
				     u32 access, struct event *fault);
	/*
	 * Atomic, size 1 to 16, for MMIO a plain write. EMULATE_AGAIN: memory was not as expected.
	 */
	enum emulate_status (*cmpxchg)(void *ctx, gva_t at, const void *expected,
				       const void *desired, unsigned size, u32 access,
				       struct event *fault);

	/*
	 * Around the reads and writes of a locked operand over a page's end, which no exchange can
	 * reach at once: no other CPU of the guest gets at memory in between. EMULATE_AGAIN: not
	 * now; nothing was read yet.
	 */
	enum emulate_status (*lock)(void *ctx);
	void (*unlock)(void *ctx);

	/* Read (`in`) or write an I/O port; permission has been checked. */
	enum emulate_status (*port)(void *ctx, u16 port, unsigned size, bool in, u32 *value);
	/* Asked once, after the checks that come before an intercept: does L1 want this? */
	enum emulate_status (*intercept)(void *ctx, const struct insn *insn,
					 const struct emulate_action *action);
	/* Carry out an instruction from OP_FIRST_SYSTEM on. Privilege has been checked; RIP, and
	 * the result in action->value, are stored by the emulator. */
	enum emulate_status (*system)(void *ctx, const struct insn *insn,
				      struct emulate_action *action, struct event *fault);

	/*
	 * The registers MM0 to MM7 (size 8), XMM0 to XMM15 (16), YMM0 to YMM15 (32), and x87. Both
	 * NULL: the caller has none, and the instructions are UNHANDLED. With `clear` everything
	 * above `size` becomes 0, as VEX has it. `from` has 32 bytes.
	 */
	void (*get_vector)(void *ctx, unsigned reg, unsigned size, void *to);
	void (*set_vector)(void *ctx, unsigned reg, unsigned size, bool clear, const void *from);
	void (*x87)(void *ctx, struct emulate_x87 *x);

	/* Loads a segment register, hidden part included; CPL is SS.DPL from then on. */
	void (*set_segment)(void *ctx, enum segment_register reg, const struct segment *s);
	const struct table *(*table)(void *ctx, enum emulate_table which);
	void (*set_table)(void *ctx, enum emulate_table which, const struct table *table);
};

struct emulate_result {
	u8 status;		/* enum emulate_status */
	u8 shadow;		/* enum emulate_shadow, with EMULATE_OK: it begins here */
	bool ends_nmi_blocking;	/* IRET was executed, be it that it faults */
	struct event event;	/* EVENT_NONE, a fault or a trap */
	struct insn insn;	/* as far as it was decoded */
};

/*
 * Carry out the instruction at RIP.
 * gpr: the general registers; entry GPR_RSP is not used (EMULATE_RSP is). mode: of the code
 * segment.
 * bytes: a private copy of the instruction, `avail` bytes of it. A REP does at most 4 KiB a call.
 * The caller ends blocking by STI or MOV SS when the status is EMULATE_OK, and sees to data
 * breakpoints. Returns result->status.
 */
enum emulate_status emulate(const struct emulate_ops *ops, void *ctx, u64 *gpr, enum cpu_mode mode,
			    const u8 *bytes, unsigned avail, struct emulate_result *result);

/* The same for an instruction that stands decoded in result->insn. */
enum emulate_status emulate_decoded(const struct emulate_ops *ops, void *ctx, u64 *gpr,
				    struct emulate_result *result);

/*
 * Deliver `event` as the CPU does: through the IVT or the IDT, onto the stack, with a task switch
 * if there's a task gate. (SDM vol. 3A, "Interrupt and Exception Handling".)
 * event: the return address is event->rip, behind insn_len more bytes for SOFT_*; CR2, DR6 and
 * NMI blocking are the caller's. EMULATE_FAULT: result->event is the second exception, for the
 * caller to merge with the first; its rip is event->rip. Other status as of emulate(); UNHANDLED
 * never. `mode` as there.
 */
enum emulate_status emulate_event(const struct emulate_ops *ops, void *ctx, u64 *gpr,
				  enum cpu_mode mode, const struct event *event,
				  struct emulate_result *result);
