/* SPDX-License-Identifier: GPL-2.0-only */
/* Exits: who gets one, what L0 does with it, and the parts of the record that are made on demand.
 */
#pragma once

#include "include/x86/cr.h"
#include "vcpu/code.h"

/* For people. Of enum exit_kind. */
const char *exit_name(unsigned kind);

/* Who is asked first (exit.h). */
enum exit_order { L0_ONLY, L0_FIRST, L1_FIRST };

struct exit_row {
	const char *name;
	enum handled (*handler)(struct vcpu *v);
	u8 order;	/* enum exit_order */
};

extern const struct exit_row exit_rows[NR_EXIT_KINDS];

/* exit_dispatch() while L2 runs. */
enum handled exit_dispatch_l2(struct vcpu *v);

/*
 * Takes v->exit to whoever is to have it, by the routing table, and says how that ended. The way
 * for exits of the hardware and for those that the emulator raises.
 */
static inline enum handled exit_dispatch(struct vcpu *v)
{
	if (unlikely(v->cur != &v->ctx[0]))
		return exit_dispatch_l2(v);
	return exit_rows[v->exit.kind].handler(v);
}

/*
 * Fills in what of v->exit (enum exit_have) isn't there yet: from the hardware if it tells, else by
 * reading and decoding the instruction. False: it can't be had (the instruction is not there any
 * more, as another CPU has changed it); then the guest is to execute it again.
 */
bool must_check exit_need(struct vcpu *v, u32 have);

/* The slow side of exit_need_length(). */
bool must_check exit_find_length(struct vcpu *v, u32 opcode);

/*
 * exit_need(EXIT_LENGTH) of an exit that one instruction makes: `opcode`, a constant, as the manual
 * writes its bytes (0x0fa2: CPUID). In line where it stands without prefixes on the page that the
 * walk memo knows.
 */
static always_inline bool must_check exit_need_length(struct vcpu *v, u32 opcode)
{
	const unsigned length = opcode > 0xffff ? 3 : opcode > 0xff ? 2 : 1;
	const u32 bytes = __builtin_bswap32(opcode) >> (32 - 8 * length);
	const u32 mask = 0xffffffffu >> (32 - 8 * length);
	struct exit *x = &v->exit;
	const u8 *code;

	if (x->have & EXIT_LENGTH)
		return true;
	code = code_memo(v);
	if (unlikely(!code || (v->cur->code_linear & ~PAGE_MASK) > PAGE_SIZE - 4 ||
		     ((read_once_u32(code) ^ bytes) & mask)))
		return exit_find_length(v, opcode);
	x->insn_len = length;
	x->rip_next = v->cur->rip + length;
	x->have |= EXIT_LENGTH;
	return true;
}

/* What exit_advance() leaves to do where RFLAGS has TF or RF, or a shadow was on. */
void exit_advance_flags(struct vcpu *v);

/* The intercepted instruction is done: RIP behind it, shadows gone, a single step's #DB. Needs
 * EXIT_LENGTH. */
static always_inline void exit_advance(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;

	/* Outside 64-bit mode RIP ends at 2^32; in it, only a wrap leads over that border. */
	if (unlikely((c->rip ^ v->exit.rip_next) >> 32) && vcpu_mode(v) != CPU_MODE_64)
		v->exit.rip_next = (u32)v->exit.rip_next;
	c->rip = v->exit.rip_next;
	c->dirty |= CTX_IP;
	if (unlikely((c->rflags & (RFLAGS_TF | RFLAGS_RF)) || c->block.sti || c->block.mov_ss))
		exit_advance_flags(v);
}
