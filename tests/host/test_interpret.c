// SPDX-License-Identifier: MIT
/*
 * The emulator as an interpreter: a program that begins in real mode (far calls, INT through the
 * IVT, strings and string ports), goes to unreal mode, to 32-bit protected mode with call gate and
 * LDT, by way of a 16-bit segment back to real mode, compared with unicorn after each instruction.
 */
#include "tests/host/flat_machine.c"

#include <unicorn/unicorn.h>

#define PROGRAM	0x1000u		/* linear; CS is 100H in real mode */

/* Asked by LeakSanitizer: unicorn 2.1 (Debian 13) loses memory for each engine closed. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libunicorn";
}

extern const u8 program[], program_end[], program_back[];

/* Offsets are from `program`, in every mode; data have base 0. */
__asm__(
	".pushsection .rodata\n"
	".code16\n"
	"program:\n"
	"	cli\n"
	"	xor %ax, %ax\n"
	"	mov %ax, %ds\n"
	"	mov %ax, %es\n"
	"	mov %ax, %ss\n"
	"	mov $0x9000, %sp\n"
	"	movw $(handler - program), 0x21 * 4\n"
	"	movw $0x100, 0x21 * 4 + 2\n"
	"	sti\n"
	"	lcall $0x101, $(far_sub - program - 16)\n"
	"	mov $(0x1000 + text - program), %si\n"
	"	mov $0x8000, %di\n"
	"	mov $(text_end - text), %cx\n"
	"	rep movsb\n"
	"	mov $0x40, %cx\n"
	"	mov $0x2b, %al\n"
	"	rep stosb\n"
	"	mov $0x80, %dx\n"
	"	mov $(0x1000 + text - program), %si\n"
	"	mov $5, %cx\n"
	"	rep outsb\n"
	"	mov $3, %cx\n"
	"	rep insw\n"
	"	mov $0x0203, %ax\n"
	"	int $0x21\n"
	"	pushf\n"
	"	pop %bx\n"
	"	push $0x8d5\n"
	"	popf\n"
	"	pushfl\n"
	"	popl %ebp\n"
	"	lds 0x1000 + pointer - program, %si\n"
	"	les %ds:4, %di\n"
	"	xor %ax, %ax\n"
	"	mov %ax, %ds\n"
	"	lss 0x1000 + stack - program, %sp\n"
	"	push %cs\n"
	"	push %ss\n"
	"	pop %es\n"
	"	pop %ax\n"
	"	ljmp *(0x1000 + far_pointer - program)\n"
	"after_jump:\n"
	"	mov $0x9000, %sp\n"
	/* unreal mode: FS keeps a limit of 4 GiB */
	"	cli\n"
	"	lgdtl 0x1000 + gdtr - program\n"
	"	mov %cr0, %eax\n"
	"	or $1, %al\n"
	"	mov %eax, %cr0\n"
	"	jmp 1f\n"
	"1:	mov $0x10, %bx\n"
	"	mov %bx, %fs\n"
	"	and $0xfe, %al\n"
	"	mov %eax, %cr0\n"
	"	ljmp $0x100, $(2f - program)\n"
	"2:	mov $0x10800, %ebx\n"
	"	movl $0x12345678, %fs:(%ebx)\n"
	"	mov %fs:2(%ebx), %cx\n"
	"	mov $0x20, %ax\n"
	"	mov %ax, %fs\n"
	"	mov %fs:-0x300(%ebx), %dl\n"
	/* 32-bit protected mode */
	"	smsw %cx\n"
	"	or $1, %cx\n"
	"	lmsw %cx\n"
	"	ljmpl $8, $(protected - program)\n"
	".code32\n"
	"protected:\n"
	"	mov $0x10, %eax\n"
	"	mov %eax, %ds\n"
	"	mov %eax, %es\n"
	"	mov %eax, %ss\n"
	"	mov $0xa000, %esp\n"
	"	mov $0x28, %eax\n"
	"	ltr %ax\n"
	"	str %ebx\n"
	"	mov $0x30, %eax\n"
	"	lldt %ax\n"
	"	sldt %edx\n"
	"	push %cs\n"
	"	pushl $(ret_to - program)\n"
	"	lret\n"
	"	hlt\n"
	"ret_to:\n"
	"	lcall $0x38, $0\n"			/* a call gate */
	"	lar %edx, %ecx\n"
	"	lsl %edx, %esi\n"
	"	verw %dx\n"
	"	mov $0x10, %edi\n"
	"	verw %di\n"
	"	mov $3, %edx\n"
	"	arpl %dx, %di\n"
	"	mov $4, %eax\n"				/* the LDT's first */
	"	mov %eax, %gs\n"
	"	mov %gs:0x10, %ecx\n"
	"	pushf\n"
	"	orl $0x240000, (%esp)\n"
	"	popf\n"
	"	pushf\n"
	"	andl $~0x240000, (%esp)\n"
	"	push %cs\n"
	"	pushl $(iret_to - program)\n"
	"	iret\n"
	"	hlt\n"
	"iret_to:\n"
	"	sgdt 0x8100\n"
	"	sidt 0x8108\n"
	"	mov %cr0, %edx\n"
	"	clts\n"
	"	push %fs\n"
	"	push %gs\n"
	"	pop %fs\n"
	"	pop %gs\n"
	"	mov $0x20, %eax\n"
	"	mov %eax, %ds\n"
	"	mov %eax, %es\n"
	"	mov %eax, %ss\n"
	"	mov %eax, %fs\n"
	"	mov %eax, %gs\n"
	"	ljmp $0x18, $(sixteen - program)\n"
	".code16\n"
	"sixteen:\n"
	"	mov %cr0, %eax\n"
	"	and $0xfe, %al\n"
	"	mov %eax, %cr0\n"
	"	ljmp $0x100, $(program_back - program)\n"
	"program_back:\n"
	"	xor %ax, %ax\n"
	"	mov %ax, %ds\n"
	"	mov %ax, %ss\n"
	"	mov $0x9000, %sp\n"
	"	sti\n"
	"	mov $0x0405, %ax\n"
	"	int $0x21\n"
	"	hlt\n"
	".code32\n"
	"by_gate:\n"
	"	mov 4(%esp), %ebx\n"
	"	lret\n"
	".code16\n"
	"far_sub:\n"
	"	push %bp\n"
	"	mov %sp, %bp\n"
	"	mov 4(%bp), %bx\n"
	"	pop %bp\n"
	"	lret\n"
	"handler:\n"
	"	push %ax\n"
	"	add %ah, %al\n"
	"	mov %ax, 0x8200\n"
	"	pop %ax\n"
	"	iret\n"
	".balign 8\n"
	"gdt:	.quad 0, 0x00cf9b001000ffff, 0x00cf93000000ffff, 0x00009b001000ffff\n"
	"	.quad 0x000093000000ffff, 0x0000890070000067, 0x000082007100001f\n"
	"	.word by_gate - program, 8, 0x8c00, 0\n"
	"gdtr:	.word 8 * 8 - 1\n"
	"	.long 0x1000 + gdt - program\n"
	"pointer: .word 0x1234, 0x8f0\n"
	"stack:	.word 0x80, 0x900\n"
	"far_pointer: .word after_jump - program, 0x100\n"
	"text:	.ascii \"it moves\"\n"
	"text_end:\n"
	"program_end:\n"
	".code64\n"
	".popsection\n");

static const int uc_gpr[8] = {
	UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX, UC_X86_REG_ESP,
	UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI,
};
static const int uc_seg[6] = {
	UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS, UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS,
};

static uc_engine *uc;
static u8 *reference;
static int vector;

static u64 uc_get(int id)
{
	uint64_t value = 0;

	uc_reg_read(uc, id, &value);
	return value;
}

static void uc_set(int id, u64 value)
{
	uc_reg_write(uc, id, &value);
}

static void on_interrupt(uc_engine *engine, uint32_t number, void *user)
{
	vector = number;
	uc_emu_stop(engine);
}

static void setup(void)
{
	uc_hook hook;
	uc_x86_mmr idt = { .limit = 0x3ff };

	memset(memory, 0, sizeof(memory));
	memcpy(memory + PROGRAM, program, program_end - program);
	put(0x8f04, 0x30004000, 4);
	put(0x7100, make_descriptor(PROGRAM, 0xfff, 0x4093), 8);
	memset(&m, 0, sizeof(m));
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		m.seg[i] = (struct segment){ .attr = i == SEG_CS ? 0x9b : 0x93, .limit = 0xffff };
	m.seg[SEG_CS].selector = PROGRAM >> 4;
	m.seg[SEG_CS].base = PROGRAM;
	m.idt.limit = 0x3ff;
	m.rflags = RFLAGS_FIXED;
	reference = aligned_alloc(PAGE_SIZE, MEMORY);
	memcpy(reference, memory, MEMORY);
	assert_int_equal(uc_open(UC_ARCH_X86, UC_MODE_16, &uc), UC_ERR_OK);
	assert_int_equal(uc_mem_map_ptr(uc, 0, MEMORY, UC_PROT_ALL, reference), UC_ERR_OK);
	uc_hook_add(uc, &hook, UC_HOOK_INTR, (void *)on_interrupt, NULL, 1, 0);
	uc_reg_write(uc, UC_X86_REG_IDTR, &idt);
	uc_set(UC_X86_REG_CS, PROGRAM >> 4);
	m.cr0 = uc_get(UC_X86_REG_CR0);		/* without ET, until it's written */
}

/* What unicorn leaves to its user: INT in real mode (SDM vol. 2A, "INT n", REAL-ADDRESS-MODE). */
static void reference_int(u8 number, u16 next)
{
	u32 sp = uc_get(UC_X86_REG_ESP), ss = uc_get(UC_X86_REG_SS) * 16, entry;
	u16 frame[3] = { next, uc_get(UC_X86_REG_CS), uc_get(UC_X86_REG_EFLAGS) };

	sp = (sp & ~0xffffu) | (u16)(sp - 6);
	memcpy(reference + ss + (u16)sp, frame, 6);
	memcpy(&entry, reference + 4 * number, 4);
	uc_set(UC_X86_REG_ESP, sp);
	uc_set(UC_X86_REG_CS, entry >> 16);
	uc_set(UC_X86_REG_IP, entry & 0xffff);
	uc_set(UC_X86_REG_EFLAGS, uc_get(UC_X86_REG_EFLAGS) & ~(RFLAGS_IF | RFLAGS_TF | RFLAGS_AC));
}

/* One instruction of the reference, all elements of a REP; begins where the emulator is. */
static void step_reference(u64 rip, bool repeats, unsigned length)
{
	u64 at = uc_get(UC_X86_REG_CS) * 16 + rip;
	uc_err err;

	vector = -1;
	err = uc_emu_start(uc, at, repeats ? at + length : ~0ull, 0, repeats ? 0 : 1);
	assert_int_equal(err, UC_ERR_OK);
	if (vector >= 0)
		reference_int(vector, rip + length);
}

/* Flags that the program's OR, XOR and AND leave undefined (SDM vol. 2). */
static u64 undefined(u8 op)
{
	return RFLAGS_RF | (op >= OP_OR && op <= OP_XOR ? RFLAGS_AF : 0);
}

static void compare(u8 op)
{
	u64 rip = uc_get(UC_X86_REG_EIP);

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(i == GPR_RSP ? m.rsp : m.gpr[i], uc_get(uc_gpr[i]));
	/* Stopped behind a far transfer, unicorn shows the linear address. */
	assert_true(rip == m.rip || rip == m.rip + m.seg[SEG_CS].base);
	assert_int_equal((m.rflags ^ uc_get(UC_X86_REG_EFLAGS)) & ~undefined(op), 0);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(m.seg[i].selector, uc_get(uc_seg[i]));
	assert_true(m.cr0 == uc_get(UC_X86_REG_CR0));
	assert_memory_equal(memory, reference, MEMORY);
	m.rflags = (m.rflags & ~undefined(op)) | (uc_get(UC_X86_REG_EFLAGS) & undefined(op));
}

static void test_program(void **state)
{
	unsigned steps = 0;
	bool was_protected = false;

	setup();
	for (;;) {
		u64 rip = m.rip;
		enum emulate_status status;

		if (memory[m.seg[SEG_CS].base + m.rip] == 0xf4)
			break;
		do
			status = run(memory + m.seg[SEG_CS].base + m.rip, INSN_MAX_BYTES);
		while (status == EMULATE_AGAIN);
		if (status != EMULATE_OK)
			print_message("at %#llx: %d, vector %u\n", (unsigned long long)rip, status,
				      result.event.vector);
		assert_int_equal(status, EMULATE_OK);
		step_reference(rip, result.insn.rep, result.insn.length);
		compare(result.insn.op);
		was_protected |= code_mode() == CPU_MODE_32;
		assert_true(++steps < 1000);
	}
	/* It has come to its end, by way of protected mode: the handler's last sum is there. */
	assert_true(was_protected && !(m.cr0 & CR0_PE));
	assert_int_equal(take(0x8200, 2), 0x0409);
	assert_int_equal(take(0x10800, 4), 0x12345678);
	assert_int_equal(memcmp(memory + 0x8000, "it moves++", 10), 0);
	assert_true(m.rip > (u64)(program_back - program));
	print_message("%u instructions, each as unicorn's\n", steps);
	uc_close(uc);
	free(reference);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_program) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
