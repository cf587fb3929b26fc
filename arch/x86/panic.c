/* SPDX-License-Identifier: GPL-2.0-only */
/* Owns the state of being in a panic, and its report. Believes nothing: stacks are read by loads
 * that may fault, a fault inside the report cuts it short, and one inside that halts. */
#include "arch/x86/panic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/image.h"
#include "arch/x86/machine_check.h"
#include "arch/x86/percpu.h"
#include "arch/x86/trap.h"
#include "console/console.h"
#include "include/assert.h"
#include "include/version.h"
#include "include/x86/cr.h"
#include "include/x86/exception.h"
#include "include/x86/msr.h"
#include "lib/printf.h"

#define MAX_FRAMES	32
#define MESSAGE_SIZE	256
#define STOP_PAUSES	20000u	/* some hundred microseconds */
#define NO_CPU		(~0u)	/* on the boot code's stack */

void (*panic_vcpu_report)(void);

static void (*reset_machine)(void);
static void (*stop_others)(void);
static u32 panicking;		/* 1: somebody is */
static unsigned panic_cpu;	/* who; valid once panic_cpu_set */
static u32 panic_cpu_set;
static unsigned depth;		/* faults inside the report */

static const char *const exception_name[32] = {
	[EXC_DE] = "#DE divide error", [EXC_DB] = "#DB debug", [EXC_NMI] = "NMI",
	[EXC_BP] = "#BP breakpoint", [EXC_OF] = "#OF overflow", [EXC_BR] = "#BR bound range exceeded",
	[EXC_UD] = "#UD invalid opcode", [EXC_NM] = "#NM no FPU", [EXC_DF] = "#DF double fault",
	[EXC_TS] = "#TS invalid TSS", [EXC_NP] = "#NP segment not present", [EXC_SS] = "#SS stack fault",
	[EXC_GP] = "#GP general protection", [EXC_PF] = "#PF page fault", [EXC_MF] = "#MF x87 error",
	[EXC_AC] = "#AC alignment check", [EXC_MC] = "#MC machine check", [EXC_XM] = "#XM SIMD error",
	[EXC_VE] = "#VE virtualization exception", [EXC_CP] = "#CP control protection",
};

static unsigned cpu_number(void)
{
	return has_this_cpu() ? this_cpu()->index : NO_CPU;
}

/* Reads 8 bytes that may not be mapped; trap.c goes on at 2 if they aren't. */
static bool read_safely(u64 at, u64 *value)
{
	u64 v = 0;
	u32 ok = 0;

	asm volatile("1: movq (%2), %0\n"
		     "movl $1, %1\n"
		     "2:\n"
		     ".pushsection .exception_table, \"a\"\n"
		     ".quad 1b, 2b\n"
		     ".popsection"
		     : "+r" (v), "+r" (ok) : "r" (at));
	*value = v;
	return ok;
}

/* `back` is 1 for a return address: the call may have been its function's last instruction. */
static void print_address(u64 address, unsigned back)
{
	u64 offset;
	const char *name = image_symbol(address - back, &offset);

	if (name)
		kprintf("  %016lx %s+%#lx", address, name, offset + back);
	else
		kprintf("  %016lx ?", address);
}

/*
 * Frames, as code built with -fno-omit-frame-pointer leaves them:
 *
 *	rbp + 8   return address
 *	rbp       the caller's rbp, which lies higher: stacks grow downwards
 *
 * What an interrupt or exception interrupted has made no frame for it, but its RIP stands in the trap's.
 */
static void print_frames(u64 rbp)
{
	for (unsigned i = 0; i < MAX_FRAMES && rbp && !(rbp & 7); i++) {
		u64 next, from, rip;

		if (!read_safely(rbp, &next) || !read_safely(rbp + 8, &from)) {
			kprintf("  (no memory at %016lx)", rbp);
			return;
		}
		if (!from)
			return;
		print_address(from, 1);
		if (from == (u64)trap_return &&
		    read_safely(rbp + 16 + offsetof(struct trap_frame, rip), &rip))
			print_address(rip, 0);
		if (next <= rbp)
			return;
		rbp = next;
	}
}

static void print_registers(const struct trap_frame *f)
{
	kprintf("rax %016lx rbx %016lx rcx %016lx", f->rax, f->rbx, f->rcx);
	kprintf("rdx %016lx rsi %016lx rdi %016lx", f->rdx, f->rsi, f->rdi);
	kprintf("rbp %016lx rsp %016lx r8  %016lx", f->rbp, f->rsp, f->r8);
	kprintf("r9  %016lx r10 %016lx r11 %016lx", f->r9, f->r10, f->r11);
	kprintf("r12 %016lx r13 %016lx r14 %016lx", f->r12, f->r13, f->r14);
	kprintf("r15 %016lx rip %016lx rflags %08lx", f->r15, f->rip, f->rflags);
	kprintf("cs %04lx ss %04lx vector %lu error %#lx", f->cs, f->ss, f->vector, f->error);
}

static void print_control_registers(void)
{
	kprintf("cr0 %08lx cr2 %016lx cr3 %016lx", read_cr0(), read_cr2(), read_cr3());
	kprintf("cr4 %08lx efer %04lx", read_cr4(), rdmsr(MSR_EFER));
}

/* The first panic goes on. Another CPU's halts; a second one on the same CPU says so and gives
 * false, for no more than the report's end is to follow; a third halts. */
static bool enter_panic(const char *message)
{
	unsigned cpu = cpu_number();

	asm volatile("cli");
	if (!__atomic_exchange_n(&panicking, 1, __ATOMIC_ACQ_REL)) {
		panic_cpu = cpu;
		__atomic_store_n(&panic_cpu_set, 1, __ATOMIC_RELEASE);
		return true;
	}
	if (!__atomic_load_n(&panic_cpu_set, __ATOMIC_ACQUIRE) || cpu != panic_cpu || depth++)
		cpu_halt();
	console_break_lock();
	kprintf("PANIC inside the panic's report: %s", message);
	return false;
}

static noreturn_fn void leave_panic(void)
{
	kprintf("--- end of panic report ---");
	if (reset_machine)
		reset_machine();
	cpu_halt();
}

static void print_cpu(void)
{
	unsigned cpu = cpu_number();

	if (cpu == NO_CPU)
		kprintf("Plinth %s (build %s), before the CPUs were set up", plinth_version,
			image_build_id());
	else
		kprintf("Plinth %s (build %s), on CPU %u", plinth_version, image_build_id(), cpu);
}

/* They halt in their NMI handler, which takes them no longer than a few of these. */
static void stop_other_cpus(void)
{
	if (!stop_others)
		return;
	stop_others();
	for (unsigned i = 0; i < STOP_PAUSES; i++)
		__builtin_ia32_pause();
}

/* `frame` is NULL where no exception led here; `rbp` is where the backtrace starts. */
static noreturn_fn void report(const char *message, const struct trap_frame *frame, u64 rbp)
{
	if (!enter_panic(message))
		leave_panic();
	stop_other_cpus();
	console_break_lock();
	kprintf("PANIC: %s", message);
	print_cpu();
	if (frame)
		print_registers(frame);
	print_control_registers();
	if (frame && frame->vector == EXC_MC)
		machine_check_report();
	kprintf("backtrace:");
	if (frame)
		print_address(frame->rip, 0);
	print_frames(rbp);
	if (panic_vcpu_report)
		panic_vcpu_report();
	else
		kprintf("no vCPU on this CPU");
	leave_panic();
}

void panic(const char *format, ...)
{
	char message[MESSAGE_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	report(message, NULL, (u64)__builtin_frame_address(0));
}

void assert_failed(const char *expression, const char *file, int line)
{
	char message[MESSAGE_SIZE];

	snprintf(message, sizeof(message), "assertion failed: %s (%s:%d)", expression, file, line);
	report(message, NULL, (u64)__builtin_frame_address(0));
}

static void describe_trap(const struct trap_frame *f, char *out, size_t size)
{
	const char *name = f->vector < ARRAY_SIZE(exception_name) ? exception_name[f->vector]
								  : NULL;
	const char *symbol;
	u64 offset = 0;
	int n;

	symbol = image_symbol(f->rip, &offset);
	n = snprintf(out, size, "%s at %s+%#lx", name ? name : "unknown exception",
		     symbol ? symbol : "?", symbol ? offset : f->rip);
	if (f->vector == EXC_PF && n > 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n, ", %s of %#lx",
			 f->error & PF_ERR_I   ? "fetch"
			 : f->error & PF_ERR_W ? "write"
					       : "read",
			 read_cr2());
}

void panic_trap(const struct trap_frame *frame)
{
	char message[MESSAGE_SIZE];

	describe_trap(frame, message, sizeof(message));
	report(message, frame, frame->rbp);
}

/* The NMI that stop_others sends is the one that is expected. */
static void on_nmi(struct trap_frame *frame)
{
	if (__atomic_load_n(&panicking, __ATOMIC_ACQUIRE) && cpu_number() != panic_cpu)
		cpu_halt();
	panic_trap(frame);
}

void panic_init(void (*reset)(void))
{
	reset_machine = reset;
	nmi_set_handler(on_nmi);
}

void panic_set_stop_others(void (*stop)(void))
{
	stop_others = stop;
}
