/* SPDX-License-Identifier: MIT */
/* Owns the IDT and the TSS of a 64-bit test kernel. */
#include "guests/lib/guest.h"

#define NR_VECTORS	256
#define STUB_SIZE	16

struct gate {
	u16 low, selector;
	u8 ist, attr;
	u16 middle;
	u32 high, reserved;
} __attribute__((packed));

struct trap trap;
extern const char stubs[], try_landed[];
extern u64 try_sp;
void guest_interrupt(struct frame *f);

static struct gate idt[NR_VECTORS];
static void (*handlers[NR_VECTORS])(struct frame *f);
u32 tss[26 + 33];
static u8 trap_stack[8192] __attribute__((aligned(16)));
static u8 ist_stack[8192] __attribute__((aligned(16)));

static void record(const struct frame *f)
{
	trap = (struct trap){ f->vector, f->error, f->rip, f->cs, f->rflags, READ_CR(2),
				f->rax, f->rcx, f->rsi, f->rdi, f->rsp, f->ss };
}

void guest_interrupt(struct frame *f)
{
	if (handlers[f->vector]) {
		handlers[f->vector](f);
		return;
	}
	if (!try_sp) {
		print("# unexpected vector %lu, error 0x%lx, at 0x%lx, CR2 0x%lx\n", f->vector,
		      f->error,
		      f->rip, (u64)READ_CR(2));
		debug_exit(2);
	}
	record(f);
	f->rip = (u64)try_landed;
	f->cs = 0x08;
	f->ss = 0x10;
	f->rsp = try_sp;
	f->rflags = 2;
}

void set_handler(unsigned vector, void (*handler)(struct frame *f))
{
	handlers[vector] = handler;
}

static void set_entry(unsigned vector, u64 to)
{
	idt[vector] = (struct gate){ (u16)to, 0x08, 0, 0x8e, (u16)(to >> 16), (u32)(to >> 32), 0 };
}

void set_raw_gate(unsigned vector, void (*entry)(void))
{
	set_entry(vector, (u64)entry);
}

void set_gate_present(unsigned vector, bool present)
{
	idt[vector].attr = present ? 0x8e : 0x0e;
}

void set_gate_dpl(unsigned vector, unsigned dpl)
{
	idt[vector].attr = (u8)(0x8e | dpl << 5);
}

u64 *gate_of(unsigned vector)
{
	return (u64 *)&idt[vector];
}

void mend_gate(unsigned vector)
{
	set_entry(vector, (u64)stubs + vector * STUB_SIZE);
}

void set_gate_ist(unsigned vector, unsigned ist)
{
	idt[vector].ist = (u8)ist;
}

/* The descriptor has to be available again for LTR. */
void set_tss_limit(unsigned limit)
{
	gdt[7] = (gdt[7] & ~0xffffull & ~(0xfull << 40)) | limit | 9ull << 40;
	__asm__ volatile("ltr %w0" :: "r"(0x38));
}

void load_idt(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) pointer = {
		sizeof(idt) - 1, (u64)idt
	};

	__asm__ volatile("lidt %0" :: "m"(pointer));
}

static void load_tables(void)
{
	u64 base = (u64)tss, top = (u64)(trap_stack + sizeof(trap_stack));

	for (unsigned i = 0; i < NR_VECTORS; i++)
		set_entry(i, (u64)stubs + i * STUB_SIZE);
	load_idt();
	__builtin_memcpy(&tss[1], &top, sizeof(top));
	top = (u64)(ist_stack + sizeof(ist_stack));
	__builtin_memcpy(&tss[9], &top, sizeof(top));
	tss[25] = TSS_IOMAP << 16;
	gdt[7] = 103 | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	gdt[8] = base >> 32;
	__asm__ volatile("ltr %w0; lldt %w1" :: "r"(0x38), "r"(0));
}


void guest_start(u32 magic, u32 info)
{
	load_tables();
	tap_start();
	guest_main(magic, info);
	finish();
}

bool has_rdtscp(void)
{
	return cpuid(0x80000000, 0).eax >= 0x80000001 && (cpuid(0x80000001, 0).edx >> 27 & 1);
}
