/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making a CPU's block of stacks and tables, and moving a CPU onto it. What the fields mean to
 * others is their business (smp.c: work; apic.c: the timer).
 */
#include "arch/x86/percpu.h"

#include "arch/x86/cpu.h"
#include "arch/x86/memory.h"
#include "arch/x86/paging.h"
#include "arch/x86/trap.h"
#include "include/assert.h"
#include "lib/string.h"

#define DESCRIPTOR_CODE64	0x00af9b000000ffffull
#define DESCRIPTOR_DATA		0x00cf93000000ffffull
#define DESCRIPTOR_TSS		0x0000890000000000ull	/* present, 64-bit TSS, available */

#define MAIN_STACK_FIRST	7
#define PERCPU_PAGE		15

static_assert(sizeof(struct tss) == 104, "the CPU's layout");
static_assert(sizeof(struct percpu) <= PAGE_SIZE, "one page is kept for it");

static const u8 mapped_pages[] = { 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, PERCPU_PAGE };

static u64 page_of(unsigned index, unsigned page)
{
	return PERCPU_BASE + (u64)index * PERCPU_SIZE + page * PAGE_SIZE;
}

u64 percpu_stack_top(unsigned index)
{
	return page_of(index, PERCPU_PAGE);
}

static bool map_block(unsigned index)
{
	for (size_t i = 0; i < sizeof(mapped_pages); i++) {
		hpa_t frame = frames_alloc(&host_frames, 1, PAGE_SIZE, 0);

		if (!frame.v)
			return false;
		memset(phys_to_virt(frame), 0, PAGE_SIZE);
		if (!paging_map(page_of(index, mapped_pages[i]), frame, PAGE_SIZE, HOST_W))
			return false;
	}
	return true;
}

static void fill_gdt(struct percpu *cpu)
{
	u64 base = (u64)&cpu->tss;
	u64 limit = sizeof(cpu->tss) - 1;

	cpu->gdt[SEL_CODE64 / 8] = DESCRIPTOR_CODE64;
	cpu->gdt[SEL_DATA / 8] = DESCRIPTOR_DATA;
	cpu->gdt[SEL_TSS / 8] = DESCRIPTOR_TSS | limit | (base & BITS(23, 0)) << 16 |
				(base & BITS(31, 24)) << 32;
	cpu->gdt[SEL_TSS / 8 + 1] = base >> 32;
}

bool percpu_create(unsigned index, u32 apic_id)
{
	struct percpu *cpu = percpu_of(index);

	assert(index < MAX_CPUS);
	if (!map_block(index))
		return false;
	cpu->index = index;
	cpu->apic_id = apic_id;
	cpu->tss.ist[IST_DOUBLE_FAULT - 1] = page_of(index, 2);
	cpu->tss.ist[IST_NMI - 1] = page_of(index, 4);
	cpu->tss.ist[IST_MACHINE_CHECK - 1] = page_of(index, 6);
	cpu->tss.rsp[0] = percpu_stack_top(index);
	cpu->tss.io_map = sizeof(struct tss);
	fill_gdt(cpu);
	return true;
}

void percpu_load(struct percpu *cpu)
{
	struct descriptor_pointer p = { sizeof(cpu->gdt) - 1, (u64)cpu->gdt };

	/* A TSS that is already marked busy can't be loaded; a second load is harmless this way. */
	fill_gdt(cpu);
	lgdt(&p);
	asm volatile("pushq %0\n"
		     "leaq 1f(%%rip), %%rax\n"
		     "pushq %%rax\n"
		     "lretq\n"
		     "1:\n"
		     "movl %1, %%eax\n"
		     "movl %%eax, %%ds\n"
		     "movl %%eax, %%es\n"
		     "movl %%eax, %%ss\n"
		     "xorl %%eax, %%eax\n"
		     "movl %%eax, %%fs\n"
		     "movl %%eax, %%gs\n"
		     : : "i"(SEL_CODE64), "i"(SEL_DATA) : "rax", "memory");
	lldt(0);
	ltr(SEL_TSS);
	trap_load();
}

void percpu_enter(struct percpu *cpu, void (*next)(void *arg), void *arg)
{
	percpu_load(cpu);
	asm volatile("movq %0, %%rsp\n"
		     "xorl %%ebp, %%ebp\n"	/* where a backtrace ends */
		     "call *%1\n"
		     "ud2"
		     : : "r"(percpu_stack_top(cpu->index)), "r"(next), "D"(arg) : "memory");
	__builtin_unreachable();
}
