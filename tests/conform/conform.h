/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite of a backend: a virtual architecture that is none. It sets every want,
 * mask, gate, window, event and timer of struct controls by hand, enters by the backend's own
 * operations (vcpu/backend.h) and looks at the exit, its payload and what became of the event.
 * Whoever writes a backend has done so when every row here passes, or says why the hardware can't
 * (docs/testing.md).
 */
#pragma once

#include "arch/x86/time.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "include/x86/segment.h"
#include "vcpu/vcpu.h"
#include "vcpu/vm.h"

enum vendor { SVM, VMX, NR_VENDORS };
/* What runs the image, as far as it is known to be wrong somewhere. */
enum machine { QEMU_SVM, BOCHS_SVM, BOCHS_VMX, NR_MACHINES, HARDWARE = NR_MACHINES };

extern enum vendor vendor;
extern enum machine machine;

/* --- Rows and their results (report.c) --- */

/* What a row of any table begins with. */
struct about {
	const char *name;
	/* Why this vendor's hardware can't do it, by its manual. */
	const char *cannot[NR_VENDORS];
	/* What this emulator does instead; the row is run, and may fail there. */
	const char *differs[NR_MACHINES];
	/* Why this emulator can't be asked to do it: it would end, or wait for ever. */
	const char *ends[NR_MACHINES];
	/* offsetof() a capability in struct backend_caps, and 1; 0: none is needed. */
	u8 needs;
};
#define BOTH(text) { text, text }	/* of a vendor's or the other */
#define CAP(name) (offsetof(struct backend_caps, name) + 1)

/* Begins the case `a`, in a variant (which may be ""). False: it is skipped, and was printed
 * as such. */
bool must_check begin(const struct about *a, const char *variant);
/* The same where only this variant can't be tried; always false. */
bool skip(const struct about *a, const char *variant, const char *why);
/* A condition of the case that was begun; the first that doesn't hold is told with what was found
 * instead. Returns it. */
bool expect(bool holds, const char *what, u64 found);
#define EXPECT_EQUAL(found, wanted) ({ \
	u64 found_ = (u64)(found); \
	expect(found_ == (u64)(wanted), #found " is to be " #wanted, found_); })
void end_case(void);
/* Prints the totals. */
void report_totals(void);

/* --- The guest (guest.c). Its linear addresses are its physical ones; a page each. --- */

#define AT_PML4		0x1000u
#define AT_PDPT		0x2000u
#define AT_PD		0x3000u
#define AT_PT		0x4000u
#define AT_GDT		0x5000u
#define AT_IDT		0x6000u
#define AT_TSS		0x7000u
#define AT_STUBS	0x8000u	/* 16 bytes for each vector: a hypercall, then back */
#define AT_STACK	0xa000u
#define AT_USER_STACK	0xb000u
#define AT_CODE		0xc000u
#define AT_DATA		0xd000u
#define AT_OTHER	0xe000u
#define AT_LDT		0xf000u
#define AT_PAE		0x10000u	/* two pages of PDPTEs, then a page directory */
#define GUEST_SIZE	0x20000u
#define AT_NOTHING	0x20000u	/* mapped by the guest, but no memory is there */
#define AT_UNMAPPED	0x1f0000u	/* not mapped by the guest */
#define STUB_SIZE	16u
#define HYPERCALL_SIZE	3u

#define GUEST_CODE64	0x08u
#define GUEST_DATA	0x10u
#define GUEST_CODE64_U	0x1bu
#define GUEST_DATA_U	0x23u
#define GUEST_TSS	0x28u
#define GUEST_CODE32	0x38u
#define GUEST_ABSENT	0x40u
#define GUEST_LDT	0x48u

struct code {
	const u8 *from, *to;
};
/* Instructions for a guest, as assembly at the top of a file. */
#define CODE(name, text) \
	extern const u8 code_##name[], code_##name##_end[]; \
	asm(".pushsection .rodata.conform, \"a\"\n\tcode_" #name ":\n\t" text \
	    "\n\tcode_" #name "_end:\n\t.popsection")
#define CODE_OF(name) { code_##name, code_##name##_end }

static inline unsigned code_size(struct code c)
{
	return (unsigned)(c.to - c.from);
}

/* Makes the machine for all cases. NULL, or why not. */
const char *must_check guest_make(const struct vcpu_backend *backend);

/*
 * The vCPU anew, in 64-bit mode at CPL 0 and at the first instruction of `code`, behind which
 * stands a hypercall. `level`: which context runs, 0 or 1. Only what the suite itself needs is
 * wanted of the hardware, by L0; what the caller sets beside it counts after reprogram().
 */
struct vcpu *guest_begin(struct code code, unsigned level);
/* Another context of the same vCPU, in the same state, which doesn't run yet. */
void guest_add_context(struct vcpu *v, unsigned level);
void guest_switch(struct vcpu *v, unsigned level);
void guest_detach(struct vcpu *v);
void guest_attach(struct vcpu *v);
void reprogram(struct vcpu *v);
/* To CPL 3; to a 32-bit code segment. Before the first entry. */
void guest_to_user(struct vcpu *v);
void guest_to_compat(struct vcpu *v);

/* To the next exit, with the host's own affairs settled: its timer, tables to be filled. The
 * guest has GO_SECONDS; then the exit is the timer's. */
void go(struct vcpu *v);
#define GO_SECONDS 1
/* The next go() ends by the host's timer, after so many ticks of the TSC. */
void alarm_in(u64 ticks);
#define ALARM (2 * tsc_khz)	/* by then the guest is where it waits */
bool alarm_rang(void);

/* Hands an event to the next entry, as vcpu/events.c does: its payload goes into CR2 or DR6,
 * and an NMI blocks others. */
void inject_event(struct vcpu *v, const struct event *e);

/* Behind the hypercall at which it stopped. */
void pass_hypercall(struct vcpu *v);
/* At the hypercall behind its code; in the handler of a vector. */
bool is_at_end(const struct vcpu *v);
bool is_at_stub(const struct vcpu *v, unsigned vector);
unsigned end_address(void);

void *guest_at(unsigned at);
static inline u64 *guest_words(unsigned at)
{
	return guest_at(at);
}
/* What an event has pushed: RIP, CS, RFLAGS, RSP, SS, behind the error code if there is one. */
const u64 *guest_frame(struct vcpu *v);

/* Rights of a page of the guest's memory in the second stage; all of them come back with
 * guest_begin(). */
void set_rights(struct vcpu *v, unsigned at, u8 rights);

const struct vcpu_backend *guest_backend(void);

/* Which kinds of exits there were so far. */
extern bool kinds_seen[NR_EXIT_KINDS];

/* --- The tables, each in a file of its own --- */

void conform_wants(void);
void conform_exceptions(void);
void conform_events(void);
void conform_memory(void);
void conform_state(void);
void conform_msrs(void);
void conform_times(void);
void conform_kinds(void);
