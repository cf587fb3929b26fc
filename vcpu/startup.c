/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Power-on, INIT, start-up IPI. Owns what of a vCPU each of them sets and what it leaves. Pure: the
 * CPU's own registers are reached through vcpu/cpu_state.h.
 *
 * What waits is one word, so that the order in which INIT and start-up IPI came is never lost: an
 * INIT replaces the word, a start-up IPI counts once after it.
 */
#include "vcpu/startup.h"

#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "vcpu/cpu_state.h"
#include "vcpu/events.h"
#include "vcpu/interpret.h"
#include "vcpu/registers.h"
#include "vcpu/time.h"
#include "vcpu/vm.h"

#define DATA_ATTR	(SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED)
#define CODE_ATTR	(SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_CODE | SEG_TYPE_READABLE | SEG_TYPE_ACCESSED)
#define SYSTEM_LDT	2
#define SYSTEM_TSS_BUSY	11

static void reset_segments(struct cpu_ctx *c)
{
	for (unsigned i = 0; i < NR_SEGMENTS; i++)
		c->seg[i] = (struct segment){ .attr = DATA_ATTR, .limit = 0xffff };
	c->seg[SEG_CS] = (struct segment){ 0xf000, CODE_ATTR, 0xffff, 0xffff0000 };
	c->seg[SEG_LDTR] = (struct segment){ .attr = SEG_ATTR_P | SYSTEM_LDT, .limit = 0xffff };
	c->seg[SEG_TR] = (struct segment){ .attr = SEG_ATTR_P | SYSTEM_TSS_BUSY, .limit = 0xffff };
	c->gdtr = c->idtr = (struct table){ .limit = 0xffff };
}

/* What power-on, reset and INIT all set. EDX tells the processor's signature. */
static void reset_common(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;

	reset_segments(c);
	for (unsigned i = 0; i < NR_GPRS; i++)
		v->gpr[i] = 0;
	v->gpr[GPR_RDX] = v->vm->cpuid.basic[CPUID_FEATURES].eax;
	c->rsp = 0;
	c->rip = 0xfff0;
	c->rflags = RFLAGS_FIXED;
	c->cr2 = c->cr3 = c->cr4 = c->efer = c->debugctl = 0;
	c->dr6 = DR6_FIXED;
	c->dr7 = DR7_FIXED;
	c->block.sti = c->block.mov_ss = c->block.nmi = false;
	c->cpl = 0;
	c->available = c->dirty = CTX_ALL;
	v->paging_stale = true;
	v->memo.page = MEMO_NONE;
	interpret_from_here(v);
}

void startup_power_on(struct vcpu *v)
{
	reset_common(v);
	v->cur->cr0 = CR0_CD | CR0_NW | CR0_ET;
	v->cur->pat = PAT_RESET;
	if (v->index) {
		v->cur->activity = ACTIVITY_WAIT_SIPI;
		v->startup = STARTUP_WAITS;
	}
}

/*
 * SDM vol. 3A, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT": the
 * x87, SSE and AVX registers, XCR0, PKRU, the TSC, the MTRRs, PAT and the other MSRs but EFER stay,
 * and so do CR0.CD and CR0.NW. The local APIC is as after power-on, but for its ID and mode.
 */
static void carry_out_init(struct vcpu *v)
{
	ctx_need(v, CTX_ALL & ~(CTX_CODE | CTX_CPL));	/* CTX_ALL becomes dirty: all of it must be true */
	events_forget(v);
	reset_common(v);
	v->cur->cr0 = (v->cur->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
	cpu_state_reset_debug();
	vcpu_apic_init(v);
	v->cur->activity = ACTIVITY_WAIT_SIPI;
	vcpu_request(v, REQUEST_FLUSH | REQUEST_EVENT);
}

/* Real mode at vector:0000 (SDM vol. 3A, "MP Initialization Example"). */
static void carry_out_sipi(struct vcpu *v, u8 vector)
{
	struct cpu_ctx *c = v->cur;

	ctx_need(v, CTX_CS_SS);
	c->seg[SEG_CS].selector = (u16)(vector << 8);
	c->seg[SEG_CS].base = (u64)vector << 12;
	c->rip = 0;
	ctx_dirty(v, CTX_CS_SS | CTX_IP);
	c->activity = ACTIVITY_ACTIVE;
	vcpu_request(v, REQUEST_EVENT);
}

void startup_note_init(struct vcpu *v)
{
	__atomic_store_n(&v->startup, STARTUP_INIT | STARTUP_WAITS, __ATOMIC_SEQ_CST);
}

bool startup_note_sipi(struct vcpu *v, u8 vector)
{
	u32 was = __atomic_load_n(&v->startup, __ATOMIC_SEQ_CST), now;

	do {
		if (!(was & STARTUP_WAITS))
			return false;
		now = (was & ~STARTUP_WAITS) | STARTUP_SIPI | vector;
	} while (!__atomic_compare_exchange_n(&v->startup, &was, now, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return true;
}

void startup_carry_out(struct vcpu *v)
{
	u32 word = __atomic_fetch_and(&v->startup, STARTUP_WAITS, __ATOMIC_SEQ_CST);

	if ((word & STARTUP_INIT) && !v->index) {
		vm_end(v->vm, VM_RESET, 0);
		return;
	}
	if (word & STARTUP_INIT)
		carry_out_init(v);
	if (word & STARTUP_SIPI)
		carry_out_sipi(v, word & STARTUP_VECTOR);
}
