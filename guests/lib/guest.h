/* SPDX-License-Identifier: MIT */
/*
 * What all test kernels share: TAP on COM1, exceptions that a test can catch, interrupts, and the
 * instructions that C doesn't have. A guest is one file with guest_main().
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned long word;

#define PAGE 4096ul
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- output and results ---- */

void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Waits until all of it has left the UART: for who then ends the machine by other means than
 * finish() and debug_exit(). */
void print_drain(void);
/* One TAP line, "ok N - ID: VALUE"; values of a bare run and of one under Plinth are compared. */
void check(const char *id, u64 value, u64 expected);
void check_in(const char *group, const char *id, u64 value, u64 expected);
/* The same for a condition, for values that legitimately differ between machines. */
void check_true(const char *id, bool condition);
/* A value about which the manual leaves room, or which the emulator is known to get wrong: it only
 * has to be the same bare and under Plinth. */
void tell(const char *id, u64 value);
void skip(const char *id, const char *why);
/* Ends the TAP and the machine: status 0 if all tests passed. */
_Noreturn void finish(void);
/* By QEMU's and Plinth's device; on Bochs, which has none, the machine ends without a status. */
_Noreturn void debug_exit(u32 value);

/* Sets COM1 up and masks the PICs. */
void tap_start(void);

/* The guest itself. Gets what multiboot passed; finish() is called after it. */
void guest_main(u32 magic, u32 info);
void guest_start(u32 magic, u32 info);

/* As at the multiboot entry: EAX, EBX, CR0, CS, DS, ES, SS, EFLAGS, limit of DS. */
extern const u32 boot_state[16];
/* CPUID 8000_0001H: RDTSCP, and with it the MSR TSC_AUX. */
bool has_rdtscp(void);
/* Where the kernel ends in memory (link.ld). */
extern const u8 image_end[];

/* ---- exceptions and interrupts ---- */

#ifdef __x86_64__
struct frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};
#else
struct frame {
	u32 edi, esi, ebp, esp, ebx, edx, ecx, eax;
	u32 vector, error, eip, cs, eflags;
};
#endif

/* The exception that ended the last guest_try(). */
struct trap {
	u64 vector, error, rip, cs, rflags, cr2, rax, rcx, rsi, rdi, rsp, ss;
};

extern struct trap trap;
extern u64 gdt[];

int guest_try(void (*f)(void *arg), void *arg);
/* Runs at CPL 3 until an exception; only inside guest_try(). */
_Noreturn void guest_user(word ip, word sp, word flags, word di);

/* A handler returns to what was interrupted. NULL: none. */
void set_handler(unsigned vector, void (*handler)(struct frame *f));
/* Which privilege INT n needs. */
void set_gate_dpl(unsigned vector, unsigned dpl);

/* Runs f(arg), checks that it raises `vector` with `error`: two TAP lines. */
void check_trap(const char *id, void (*f)(void *), void *arg, u64 vector, u64 error);

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *s, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* ---- the machine ---- */

bool under_plinth(void);
/* QEMU's PC, or Plinth's, which has what is QEMU's own too: the configuration port, the hypervisor
 * bit. */
bool like_qemu(void);
/* IRQ 0 to 15 at vectors 20H to 2FH; only those with a bit in `unmasked` come through. */
void pic_setup(u16 unmasked);
void pic_eoi(unsigned irq);
u32 pm_timer(void);		/* 3.579545 MHz, 24 bits; the port is the FADT's */

static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { __asm__ volatile("outw %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { __asm__ volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }

static inline u8 inb(u16 port)
{
	u8 v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u16 inw(u16 port)
{
	u16 v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" :: "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) :: "memory");
	return (u64)high << 32 | low;
}

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid c;

	__asm__ volatile("cpuid" : "=a"(c.eax), "=b"(c.ebx), "=c"(c.ecx), "=d"(c.edx)
			 : "a"(leaf), "c"(subleaf));
	return c;
}

#define READ_CR(n) ({ word v_; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_) :: "memory"); v_; })
#define WRITE_CR(n, v) __asm__ volatile("mov %0, %%cr" #n :: "r"((word)(v)) : "memory")

static inline void pause(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void sti(void) { __asm__ volatile("sti" ::: "memory"); }
static inline void cli(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void sti_hlt_cli(void) { __asm__ volatile("sti; hlt; cli" ::: "memory"); }
static inline void invlpg(const void *p) { __asm__ volatile("invlpg (%0)" :: "r"(p) : "memory"); }

#define LAPIC		0xfee00000ul
#define LAPIC_ID	0x020
#define LAPIC_VERSION	0x030
#define LAPIC_TPR	0x080
#define LAPIC_EOI	0x0b0
#define LAPIC_SVR	0x0f0
#define LAPIC_ICR	0x300
#define LAPIC_LVTT	0x320
#define LAPIC_LINT0	0x350
#define LAPIC_TMICT	0x380
#define LAPIC_TMCCT	0x390
#define LAPIC_TDCR	0x3e0

static inline u32 lapic_read(u32 reg) { return *(volatile u32 *)(LAPIC + reg); }
static inline void lapic_write(u32 reg, u32 v) { *(volatile u32 *)(LAPIC + reg) = v; }

/* Sets a gate that goes to `entry` without a stub: it must end with IRETQ. */
void set_raw_gate(unsigned vector, void (*entry)(void));
void set_gate_present(unsigned vector, bool present);
/* On an AP: the IDT that the boot processor uses. */
void load_idt(void);

/* Bits of paging-structure entries. */
#define PTE_P		0x01ul
#define PTE_W		0x02ul
#define PTE_U		0x04ul
#define PTE_A		0x20ul
#define PTE_D		0x40ul
#define PTE_PS		0x80ul

/* ---- 64-bit kernels only ---- */
#ifdef __x86_64__

/* The two words of a gate, to be damaged at will. */
u64 *gate_of(unsigned vector);
/* As set up at the start. */
void mend_gate(unsigned vector);
/* Stack `ist` (1 to 7; 0: none) for a vector. Their tops are in the TSS, two words each from
 * tss[9]; IST1 has a stack of its own. */
void set_gate_ist(unsigned vector, unsigned ist);
/* 104 bytes, then room for an I/O permission map that covers ports up to 3FFH. */
#define TSS_IOMAP 104
extern u32 tss[];
void set_tss_limit(unsigned limit);

/* ---- paging (guests/lib/paging.c): addresses from WINDOW on are the test's own ---- */

#define WINDOW		0x8000000000ul	/* the second entry of the PML4 */
#define PTE_NX		(1ul << 63)

/* The entry for `va` in the table of `level` (1: 4K pages, 2: 2M, 3: 1G), with permissive tables
 * above it. */
u64 *entry_of(u64 va, unsigned level);
/* Maps one 4K page and flushes it. */
void map(u64 va, const void *page, u64 flags);
/* Copies code to a page of its own, executable at CPL 3, with a stack above; returns where. */
u64 user_code(const void *code, size_t size);
#define USER_STACK	(WINDOW + 0x12000ul)

#endif

/* ---- ACPI (guests/lib/acpi.c) ---- */

/* The table with this signature that the RSDT or XSDT lists, or NULL. */
const u8 *acpi_table(const char signature[4]);
/* The FADT, or NULL. */
const u8 *acpi_fadt(void);
/* Goes to S5; returns if that fails. */
void acpi_power_off(void);

/* Whether `done` comes true within `ms` milliseconds by the PM timer. With `halt`, waits in HLT. */
bool wait_for(volatile bool *done, unsigned ms, bool halt);
