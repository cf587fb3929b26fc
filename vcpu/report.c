/* SPDX-License-Identifier: GPL-2.0-only */
/* Prints what Plinth knows of a vCPU; changes nothing of its guest, not even accessed flags. */
#include "vcpu/report.h"

#include "arch/x86/cpu.h"
#include "arch/x86/percpu.h"
#include "arch/x86/smp.h"
#include "console/console.h"
#include "include/x86/cr.h"
#include "lib/printf.h"
#include "vcpu/code.h"
#include "vcpu/exits.h"
#include "vcpu/registers.h"
#include "vcpu/vm.h"

typedef unsigned long long llu;

static void print_registers(struct vcpu *v)
{
	static const char *const name[NR_GPRS] = {
		"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
		"R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15",
	};
	const struct cpu_ctx *c = v->cur;

	for (unsigned i = 0; i < NR_GPRS; i += 4) {
		u64 value[4];

		for (unsigned j = 0; j < 4; j++)
			value[j] = i + j == GPR_RSP ? c->rsp : v->gpr[i + j];
		kprintf("  %s %016llx  %s %016llx  %s %016llx  %s %016llx", name[i], (llu)value[0],
			name[i + 1], (llu)value[1], name[i + 2], (llu)value[2], name[i + 3],
			(llu)value[3]);
	}
	kprintf("  RIP %016llx  RFLAGS %08llx  CR0 %08llx  CR2 %016llx", (llu)c->rip,
		(llu)c->rflags, (llu)c->cr0, (llu)c->cr2);
	kprintf("  CR3 %016llx  CR4 %08llx  EFER %04llx  DR6 %08llx  DR7 %08llx", (llu)c->cr3,
		(llu)c->cr4, (llu)c->efer, (llu)c->dr6, (llu)c->dr7);
}

static void print_segments(const struct cpu_ctx *c)
{
	static const char *const name[NR_SEGMENTS] = { "ES", "CS", "SS",   "DS",
						       "FS", "GS", "LDTR", "TR" };

	for (unsigned i = 0; i < NR_SEGMENTS; i += 2)
		kprintf("  %-4s %04x %016llx +%08x %04x    %-4s %04x %016llx +%08x %04x", name[i],
			c->seg[i].selector, (llu)c->seg[i].base, c->seg[i].limit, c->seg[i].attr,
			name[i + 1], c->seg[i + 1].selector, (llu)c->seg[i + 1].base,
			c->seg[i + 1].limit, c->seg[i + 1].attr);
	kprintf("  GDTR %016llx +%04x    IDTR %016llx +%04x", (llu)c->gdtr.base, c->gdtr.limit,
		(llu)c->idtr.base, c->idtr.limit);
}

static void print_code(struct vcpu *v)
{
	u8 bytes[15];
	unsigned n = code_fetch(v, bytes);
	char text[64] = "none: RIP isn't mapped to memory";
	size_t at = 0;

	for (unsigned i = 0; i < n; i++)
		at += snprintf(text + at, sizeof(text) - at, "%02x ", bytes[i]);
	kprintf("  bytes at RIP: %s", text);
}

static void print_walk(struct vcpu *v)
{
	struct walk_result r;
	enum walk_status status;
	u64 at = code_linear(v);

	vcpu_refresh_walk(v);
	status = walk_translate(&v->gva_walk, at, ACCESS_FETCH | WALK_PEEK | vcpu_access_context(v),
				&r);
	kprintf("  walk of %016llx, %u levels:", (llu)at, v->gva_walk.format->levels);
	for (unsigned i = 0; i < r.nr_steps; i++)
		kprintf("    entry at %016llx: %016llx", (llu)r.step[i].at.v, (llu)r.step[i].entry);
	if (status == WALK_OK)
		kprintf("    -> %016llx, rights %#x", (llu)r.gpa.v, r.rights);
	else
		kprintf("    -> fails (%u) at level %u, error code %#x", status, r.fault.level,
			r.fault.error);
}

static void print_trace(const struct vcpu *v)
{
	unsigned n = MIN(v->trace_next, (unsigned)VCPU_TRACE_SIZE);

	kprintf("  last %u exits, the newest last:", n);
	for (unsigned i = v->trace_next - n; i != v->trace_next; i++) {
		const struct exit_trace *t = &v->trace[i % VCPU_TRACE_SIZE];

		struct exit x = { .head = t->head };

		kprintf("    %-18s %#5x  RIP %016llx  %#llx", exit_name(x.kind), x.raw, (llu)t->rip,
			(llu)t->info);
	}
}

/* A context that has not run yet, or whose RIP has moved since its exit, has an old code_linear. */
static void refresh_code(struct vcpu *v)
{
	struct cpu_ctx *c = v->cur;
	const struct segment *cs = &c->seg[SEG_CS];

	ctx_need(v, CTX_ALL);
	c->code_mode = (cs->attr & SEG_ATTR_L) && (c->efer & EFER_LMA) ? CPU_MODE_64 :
		       cs->attr & SEG_ATTR_DB ? CPU_MODE_32 : CPU_MODE_16;
	c->code_linear = c->code_mode == CPU_MODE_64 ? c->rip : (u32)(c->rip + cs->base);
}

void report_vcpu(struct vcpu *v)
{
	refresh_code(v);
	kprintf("guest %s, vCPU %u, on CPU %u:", v->vm->name, v->index, v->cpu);
	print_registers(v);
	print_segments(v->cur);
	print_code(v);
	print_walk(v);
	if (v->exit.kind == EXIT_ENTRY_FAILED)
		v->backend->dump(v);
	print_trace(v);
}

/* In a few words, of a vCPU that has stopped, or that runs on: then it may be old. */
static void print_place(const struct vcpu *v)
{
	static const char *const doing[] = {
		[ACTIVITY_ACTIVE] = "", [ACTIVITY_HLT] = ", halted", [ACTIVITY_SHUTDOWN] = ", shut down",
		[ACTIVITY_WAIT_SIPI] = ", waiting for a start-up IPI",
	};
	const struct exit_trace *last = &v->trace[(v->trace_next - 1) % VCPU_TRACE_SIZE];
	struct exit x = { .head = last->head };

	kprintf("  vCPU %u of guest %s, on CPU %u: RIP %016llx%s; last exit %s", v->index, v->vm->name,
		v->cpu, (llu)v->cur->rip,
		v->cur->activity < ARRAY_SIZE(doing) ? doing[v->cur->activity] : "",
		v->trace_next ? exit_name(x.kind) : "none");
}

void report_others(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpu[i] != vm->guilty)
			print_place(vm->vcpu[i]);
}

void report_panic(void)
{
	const struct vcpu *v = has_this_cpu() ? this_cpu()->vcpu : NULL;

	if (v) {
		kprintf("vCPU %u of guest %s, RIP %016llx:", v->index, v->vm->name,
			(llu)v->cur->rip);
		print_trace(v);
	} else {
		kprintf("no vCPU on this CPU");
	}
	for (unsigned i = 0; i < smp_count(); i++) {
		const struct vcpu *other = percpu_of(i)->vcpu;

		if (other && other != v)
			print_place(other);
	}
}

void report_exits(const struct vcpu *v)
{
	u64 total = 0, time = 0;

	for (unsigned i = 0; i < NR_EXIT_KINDS; i++) {
		total += v->count[i].exits;
		time += v->count[i].time;
	}
	kprintf("guest %s: vCPU %u: %llu exits, %llu ticks of %llu in Plinth, beside %llu of waiting",
		v->vm->name, v->index, (llu)total, (llu)time,
		(llu)(rdtsc() - v->start_tsc - v->idle), (llu)v->idle);
	for (unsigned i = 0; i < NR_EXIT_KINDS; i++)
		if (v->count[i].exits)
			kprintf("  %-18s %10llu exits %12llu ticks", exit_name(i),
				(llu)v->count[i].exits, (llu)v->count[i].time);
	if (v->msrs.unknown_reads + v->msrs.unknown_writes)
		kprintf("  unknown MSRs: %llu reads, %llu writes, the last one of %#x",
			(llu)v->msrs.unknown_reads, (llu)v->msrs.unknown_writes,
			v->msrs.last_unknown);
}
