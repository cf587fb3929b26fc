/* SPDX-License-Identifier: MIT */
/* Owns the IDT and the TSS of a 32-bit test kernel. */
#include "guests/lib/guest.h"

#define NR_VECTORS	256
#define STUB_SIZE	16
#define TSS		0x28

struct gate {
	u16 low, selector;
	u8 zero, attr;
	u16 high;
} __attribute__((packed));

struct trap trap;
extern const char stubs[], try_landed[];
extern u32 try_sp;
void guest_interrupt(struct frame *f);

static struct gate idt[NR_VECTORS];
static void (*handlers[NR_VECTORS])(struct frame *f);
static u32 tss[26 + 2049];	/* with an I/O permission map that allows all */
static u8 trap_stack[4096] __attribute__((aligned(16)));	/* from virtual-8086 mode */

void guest_interrupt(struct frame *f)
{
	if (handlers[f->vector]) {
		handlers[f->vector](f);
		return;
	}
	if (!try_sp) {
		print("# unexpected vector %u, error 0x%x, at 0x%x\n", f->vector, f->error, f->eip);
		debug_exit(2);
	}
	trap = (struct trap){ f->vector, f->error, f->eip, f->cs, f->eflags, READ_CR(2), f->eax,
			      f->ecx, f->esi, f->edi, f->esp, 0 };
	f->eip = (u32)try_landed;
	f->cs = 0x08;
	f->eflags = 2;
}

void set_handler(unsigned vector, void (*handler)(struct frame *f))
{
	handlers[vector] = handler;
}

static void load_tables(void)
{
	struct { u16 limit; u32 base; } __attribute__((packed)) pointer = { sizeof(idt) - 1,
									   (u32)idt };
	u32 base = (u32)tss;

	for (unsigned i = 0; i < NR_VECTORS; i++) {
		u32 stub = (u32)stubs + i * STUB_SIZE;

		idt[i] = (struct gate){ (u16)stub, 0x08, 0, 0x8e, (u16)(stub >> 16) };
	}
	tss[1] = (u32)(trap_stack + sizeof(trap_stack));
	tss[2] = 0x10;
	tss[25] = 104 << 16;
	gdt[5] = (sizeof(tss) - 1) | (u64)(base & 0xffffff) << 16 | 0x89ull << 40 | (u64)(base >> 24) << 56;
	__asm__ volatile("lidt %0; ltr %w1; lldt %w2" :: "m"(pointer), "r"(TSS), "r"(0));
}

void guest_start(u32 magic, u32 info)
{
	load_tables();
	tap_start();
	guest_main(magic, info);
	finish();
}
