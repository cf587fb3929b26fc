/* SPDX-License-Identifier: MIT */
/* Owns COM1, the count of tests, the IDT and the TSS of a test kernel. */
#include "guests/lib/guest.h"

#include "include/hypercall.h"

#define COM1		0x3f8
#define DEBUG_EXIT	0xf4
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
static u32 tss[26];
static u8 trap_stack[8192] __attribute__((aligned(16)));
static unsigned nr_tests, nr_failed;

static void put(char c)
{
	while (!(inb(COM1 + 5) & 0x20))
		pause();
	outb(COM1, (u8)c);
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

static void put_number(u64 v, unsigned base)
{
	char text[24], *at = text + sizeof(text) - 1;

	*at = 0;
	do {
		*--at = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	put_string(at);
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	for (; *format; format++) {
		unsigned longs = 0;

		if (*format == '\n')
			put('\r');
		if (*format != '%') {
			put(*format);
			continue;
		}
		while (*++format == 'l')
			longs++;
		if (*format == 's')
			put_string(va_arg(args, const char *));
		else
			put_number(longs ? va_arg(args, u64) : va_arg(args, u32),
				   *format == 'x' ? 16 : 10);
	}
	va_end(args);
}

static bool result(bool pass, const char *id)
{
	nr_tests++;
	if (!pass)
		nr_failed++;
	print("%sok %u - %s", pass ? "" : "not ", nr_tests, id);
	return pass;
}

void check(const char *id, u64 value, u64 expected)
{
	if (result(value == expected, id))
		print(": 0x%lx\n", value);
	else
		print(": 0x%lx, expected 0x%lx\n", value, expected);
}

void check_true(const char *id, bool condition)
{
	result(condition, id);
	print(": %s\n", condition ? "yes" : "no");
}

void skip(const char *id, const char *why)
{
	result(true, id);
	print(" # SKIP %s\n", why);
}

_Noreturn void debug_exit(u32 value)
{
	outl(DEBUG_EXIT, value);
	for (;;)
		__asm__ volatile("cli; hlt");
}

_Noreturn void finish(void)
{
	print("1..%u\n", nr_tests);
	debug_exit(nr_failed ? 1 : 0);
}

static void record(const struct frame *f)
{
	trap = (struct trap){ f->vector, f->error, f->rip, f->cs, f->rflags, READ_CR(2),
				f->rax };
}

void guest_interrupt(struct frame *f)
{
	if (handlers[f->vector]) {
		handlers[f->vector](f);
		return;
	}
	if (!try_sp) {
		print("# unexpected vector %lu, error 0x%lx, at 0x%lx, CR2 0x%lx\n", f->vector, f->error,
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

void check_trap(const char *id, void (*f)(void *), void *arg, u64 vector, u64 error)
{
	trap = (struct trap){ .vector = 0xff };
	guest_try(f, arg);
	check(id, trap.vector << 32 | trap.error, vector << 32 | error);
}

bool under_plinth(void)
{
	struct cpuid c = cpuid(PLINTH_CPUID_LEAF, 0);
	u32 name[3] = { c.ebx, c.ecx, c.edx };

	return __builtin_memcmp(name, PLINTH_CPUID_SIGNATURE, sizeof(name)) == 0;
}

void pic_setup(u16 unmasked)
{
	outb(0x20, 0x11);
	outb(0xa0, 0x11);
	outb(0x21, 0x20);
	outb(0xa1, 0x28);
	outb(0x21, 0x04);
	outb(0xa1, 0x02);
	outb(0x21, 0x01);
	outb(0xa1, 0x01);
	outb(0x21, (u8)~unmasked);
	outb(0xa1, (u8)(~unmasked >> 8));
}

void pic_eoi(unsigned irq)
{
	if (irq >= 8)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

static void load_tables(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) pointer = {
		sizeof(idt) - 1, (u64)idt
	};
	u64 base = (u64)tss, top = (u64)(trap_stack + sizeof(trap_stack));

	for (unsigned i = 0; i < NR_VECTORS; i++)
		set_entry(i, (u64)stubs + i * STUB_SIZE);
	__asm__ volatile("lidt %0" :: "m"(pointer));
	__builtin_memcpy(&tss[1], &top, sizeof(top));
	tss[25] = 104 << 16;
	gdt[7] = 103 | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	gdt[8] = base >> 32;
	__asm__ volatile("ltr %w0; lldt %w1" :: "r"(0x38), "r"(0));
}


void *memcpy(void *to, const void *from, size_t n)
{
	void *result = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) :: "memory");
	return result;
}

void *memset(void *s, int c, size_t n)
{
	void *at = s;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
	return s;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}

void guest_start(u32 magic, u32 info)
{
	load_tables();
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 3);
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	guest_main(magic, info);
	finish();
}
