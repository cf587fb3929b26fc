/* SPDX-License-Identifier: MIT */
/* Owns COM1 and the count of tests; and the small things that 32-bit and 64-bit kernels share. */
#include "guests/lib/guest.h"

#include "include/hypercall.h"

#define COM1		0x3f8
#define UART_LSR	(COM1 + 5)
#define LSR_ROOM	0x20
#define LSR_SENT	0x40
#define DEBUG_EXIT	0xf4
#define BOCHS_EXIT	0x8900
/* QEMU without KVM calls itself "TCGTCGTCGTCG" there. */
#define HYPERVISOR_LEAF	0x40000000u
#define TCG_EBX		0x54474354u
#define TCG_ECX		0x43544743u
#define TCG_EDX		0x47435447u

static unsigned nr_tests, nr_failed;

void tap_start(void)
{
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 3);
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

static void put(char c)
{
	while (!(inb(UART_LSR) & LSR_ROOM))
		pause();
	outb(COM1, (u8)c);
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

/* Without a 64-bit division, which a 32-bit kernel doesn't have. */
static void put_hex(u64 v)
{
	char text[24], *at = text + sizeof(text) - 1;

	*at = 0;
	do
		*--at = "0123456789abcdef"[v & 15];
	while (v >>= 4);
	put_string(at);
}

static void put_decimal(u32 v)
{
	char text[16], *at = text + sizeof(text) - 1;

	*at = 0;
	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	put_string(at);
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	for (; *format; format++) {
		u64 v;
		unsigned longs = 0;

		if (*format == '\n')
			put('\r');
		if (*format != '%') {
			put(*format);
			continue;
		}
		while (*++format == 'l')
			longs++;
		if (*format == 's') {
			put_string(va_arg(args, const char *));
			continue;
		}
		v = longs == 2 ? va_arg(args, unsigned long long) :
		    longs ? va_arg(args, word) : va_arg(args, u32);
		if (*format == 'x')
			put_hex(v);
		else
			put_decimal((u32)v);
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
		print(": 0x%llx\n", (unsigned long long)value);
	else
		print(": 0x%llx, expected 0x%llx\n", (unsigned long long)value,
		      (unsigned long long)expected);
}

void check_in(const char *group, const char *id, u64 value, u64 expected)
{
	result(value == expected, group);
	print(" %s: 0x%llx", id, (unsigned long long)value);
	if (value != expected)
		print(", expected 0x%llx", (unsigned long long)expected);
	print("\n");
}

void check_true(const char *id, bool condition)
{
	result(condition, id);
	print(": %s\n", condition ? "yes" : "no");
}

void tell(const char *id, u64 value)
{
	check(id, value, value);
}

void skip(const char *id, const char *why)
{
	result(true, id);
	print(" # SKIP %s\n", why);
}

void print_drain(void)
{
	while (!(inb(UART_LSR) & LSR_SENT))
		pause();
}

/* Bochs has another way to end, which nobody else has: this word, byte by byte. */
static void bochs_exit(void)
{
	print_drain();
	for (const char *c = "Shutdown"; *c; c++)
		outb(BOCHS_EXIT, (u8)*c);
}

_Noreturn void debug_exit(u32 value)
{
	outl(DEBUG_EXIT, value);
	bochs_exit();
	for (;;)
		__asm__ volatile("cli; hlt");
}

_Noreturn void finish(void)
{
	print("1..%u\n", nr_tests);
	debug_exit(nr_failed ? 1 : 0);
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

bool like_qemu(void)
{
	struct cpuid c = cpuid(HYPERVISOR_LEAF, 0);

	return under_plinth() || (c.ebx == TCG_EBX && c.ecx == TCG_ECX && c.edx == TCG_EDX);
}
