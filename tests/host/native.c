// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <ucontext.h>

/* The emulator has a REG_RIP of its own. */
enum { SAVED_RIP = REG_RIP };
#undef REG_RIP

#include "tests/host/native.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* What the assembler part works on: by name, as every register is taken. */
struct frame {
	u64 gpr[16], rflags, host_rsp, to;
};
extern struct frame native_frame;
extern u8 native_host_fpu[XSAVE_BYTES], native_fpu[XSAVE_BYTES];
struct frame native_frame;
u8 native_host_fpu[XSAVE_BYTES] aligned_to(64);
u8 native_fpu[XSAVE_BYTES] aligned_to(64);
void native_enter(void);
void native_exit(void);
void native_abort(void);

asm(".text\n"
    ".macro each insn\n"
    "	.set at, 0\n"
    "	.irp reg, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15\n"
    "	.ifc \\insn, load\n	mov native_frame+at(%rip), %\\reg\n	.else\n"
    "	mov %\\reg, native_frame+at(%rip)\n	.endif\n"
    "	.set at, at + 8\n	.endr\n.endm\n"
    ".macro state insn, where\n"
    "	lea \\where(%rip), %rdi\n	mov $7, %eax\n	xor %edx, %edx\n	\\insn (%rdi)\n.endm\n"
    "native_enter:\n"
    "	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
    "	mov %rsp, native_frame+136(%rip)\n"
    "	state xsave64, native_host_fpu\n	state xrstor64, native_fpu\n"
    "	push native_frame+128(%rip)\n	popfq\n"
    "	each load\n"
    "	jmp *native_frame+144(%rip)\n"
    "native_exit:\n"
    "	each store\n"
    "	mov native_frame+136(%rip), %rsp\n"
    "	pushfq\n	pop native_frame+128(%rip)\n	cld\n"
    "	state xsave64, native_fpu\n"
    "native_abort:\n"
    "	state xrstor64, native_host_fpu\n"
    "	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n	ret\n");

static struct native *current;
static u8 *code_page;

/* A fault of the instruction: take its registers, and go on behind it. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	static const int order[16] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8,
		REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	};
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	if ((u64)g[SAVED_RIP] - NATIVE_CODE >= PAGE_SIZE || !current) {
		signal(number, SIG_DFL);
		return;
	}
	for (int i = 0; i < 16; i++)
		native_frame.gpr[i] = g[order[i]];
	current->exception = g[REG_TRAPNO];
	current->error = g[REG_ERR];
	current->cr2 = g[REG_CR2];
	g[SAVED_RIP] = (greg_t)(size_t)native_abort;
	g[REG_RSP] = native_frame.host_rsp;
	g[REG_EFL] &= ~(greg_t)(RFLAGS_DF | RFLAGS_TF | RFLAGS_AC);
}

static void catch_faults(void)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	static u8 stack[65536];
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&alternate, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaction(numbers[i], &action, NULL);
}

bool native_open(struct native *n)
{
	int rights = PROT_READ | PROT_WRITE, file;

	if (!__builtin_cpu_supports("avx2"))
		return false;
	memset(n, 0, sizeof(*n));
	file = memfd_create("window", 0);
	assert_int_equal(ftruncate(file, NATIVE_WINDOW_SIZE), 0);
	n->data = mmap(NULL, NATIVE_WINDOW_SIZE, rights, MAP_SHARED, file, 0);
	assert_ptr_not_equal(n->data, MAP_FAILED);
	for (unsigned page = 0; page < 3; page++) {
		void *at = (void *)(size_t)(DATA + page * PAGE_SIZE);

		if (mmap(at, PAGE_SIZE, page == 2 ? PROT_READ : rights,
			 MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, file,
			 page * PAGE_SIZE) != at)
			return false;
	}
	code_page = mmap((void *)(size_t)NATIVE_CODE, PAGE_SIZE, rights | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	close(file);
	if (code_page != (u8 *)(size_t)NATIVE_CODE)
		return false;
	catch_faults();
	return true;
}

void native_run(struct native *n, const u8 *code, unsigned length)
{
	static const u8 jump[6] = { 0xff, 0x25 };	/* to the address behind it */
	void (*out)(void) = native_exit;

	memcpy(code_page, code, length);
	memcpy(code_page + length, jump, sizeof(jump));
	memcpy(code_page + length + sizeof(jump), &out, 8);
	memcpy(native_frame.gpr, m.gpr, sizeof(m.gpr));
	native_frame.gpr[GPR_RSP] = m.rsp;
	native_frame.rflags = m.rflags;
	native_frame.to = NATIVE_CODE;
	memcpy(native_fpu, m.fpu, XSAVE_BYTES);
	memcpy(n->data, m.data, NATIVE_WINDOW_SIZE);
	n->exception = -1;
	current = n;
	native_enter();
	current = NULL;
	memcpy(n->gpr, native_frame.gpr, sizeof(n->gpr));
	n->rflags = native_frame.rflags;
	memcpy(n->fpu, native_fpu, XSAVE_BYTES);
}
