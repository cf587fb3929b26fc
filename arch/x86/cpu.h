/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The privileged instructions as C functions, one each, and addresses turned into pointers.
 * No policy here. Instructions: SDM vol. 2.
 */
#pragma once

#include "arch/x86/layout.h"
#include "include/types.h"

struct cpuid_regs {
	u32 eax, ebx, ecx, edx;
};

/* The operand of LGDT, LIDT, SGDT, SIDT in 64-bit mode. */
struct packed_struct descriptor_pointer {
	u16 limit;
	u64 base;
};

/* The direct map's address of host physical memory: RAM, or what map_mmio() has mapped. */
static inline void *phys_to_virt(hpa_t at)
{
	return (void *)(at.v + DIRECT_MAP);
}

/* The host physical address of an object of the image or of the direct map (not of a CPU's own
 * block). */
static inline hpa_t virt_to_phys(const void *p)
{
	u64 at = (u64)p;

	return HPA(at >= IMAGE_OFFSET ? at - IMAGE_OFFSET : at - DIRECT_MAP);
}

static inline struct cpuid_regs cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r;

	asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
		     : "a"(leaf), "c"(subleaf));
	return r;
}

static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* As rdmsr and wrmsr, for MSRs that the CPU may lack. False: it raised #GP; *value is untouched. */
bool must_check rdmsr_safe(u32 msr, u64 *value);
bool must_check wrmsr_safe(u32 msr, u64 value);

static inline u64 rdtsc(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

/* RDTSC that waits for the loads before it (LFENCE: SDM vol. 2B, "RDTSC"). */
static inline u64 rdtsc_ordered(void)
{
	asm volatile("lfence" : : : "memory");
	return rdtsc();
}

#define DEFINE_READ(name)						\
static inline u64 read_##name(void)					\
{									\
	u64 v;								\
									\
	asm volatile("mov %%" #name ", %0" : "=r"(v));			\
	return v;							\
}
#define DEFINE_WRITE(name)						\
static inline void write_##name(u64 v)					\
{									\
	asm volatile("mov %0, %%" #name : : "r"(v) : "memory");		\
}

DEFINE_READ(cr0)
DEFINE_READ(cr2)
DEFINE_READ(cr3)
DEFINE_READ(cr4)
DEFINE_WRITE(cr0)
DEFINE_WRITE(cr2)
DEFINE_WRITE(cr3)
DEFINE_WRITE(cr4)
DEFINE_READ(dr0)
DEFINE_READ(dr1)
DEFINE_READ(dr2)
DEFINE_READ(dr3)
DEFINE_WRITE(dr0)
DEFINE_WRITE(dr1)
DEFINE_WRITE(dr2)
DEFINE_WRITE(dr3)
DEFINE_READ(dr6)
DEFINE_READ(dr7)
DEFINE_WRITE(dr6)
DEFINE_WRITE(dr7)
#undef DEFINE_READ
#undef DEFINE_WRITE

/* CR4.OSXSAVE must be set; #GP on a combination of bits that the CPU refuses. */
static inline u64 read_xcr(u32 index)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
	return (u64)high << 32 | low;
}

static inline void write_xcr(u32 index, u64 value)
{
	asm volatile("xsetbv" : : "c"(index), "a"((u32)value), "d"((u32)(value >> 32)));
}

static inline u8 in8(u16 port)
{
	u8 v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline u16 in16(u16 port)
{
	u16 v;

	asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline u32 in32(u16 port)
{
	u32 v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void out8(u16 port, u8 v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out16(u16 port, u16 v)
{
	asm volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out32(u16 port, u32 v)
{
	asm volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

/* Device memory: one access of exactly this width, never merged or dropped by the compiler. */
static inline u8 mmio_read8(const void *at)
{
	return *(const volatile u8 *)at;
}

static inline u16 mmio_read16(const void *at)
{
	return *(const volatile u16 *)at;
}

static inline u32 mmio_read32(const void *at)
{
	return *(const volatile u32 *)at;
}

static inline void mmio_write8(void *at, u8 v)
{
	*(volatile u8 *)at = v;
}

static inline void mmio_write16(void *at, u16 v)
{
	*(volatile u16 *)at = v;
}

static inline void mmio_write32(void *at, u32 v)
{
	*(volatile u32 *)at = v;
}

static inline void cpu_pause(void)
{
	asm volatile("pause" : : : "memory");
}

static inline void irq_disable(void)
{
	asm volatile("cli" : : : "memory");
}

/* Takes the interrupts that are pending on this CPU, now, in their handlers. */
static inline void irq_window(void)
{
	asm volatile("sti; nop; cli" : : : "memory");
}

/* Takes an NMI, as it comes through its gate: one that an exit has taken from the CPU. */
static inline void take_nmi(void)
{
	asm volatile("int $2");
}

/* Halts until an interrupt was taken. No interrupt can be lost between the caller's last look at
 * its reasons to stay awake and the HLT, as STI holds interrupts off for one instruction. */
static inline void cpu_wait_for_irq(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

/* Stops this CPU for good; NMIs put it back to sleep. */
static inline void noreturn_fn cpu_halt(void)
{
	for (;;)
		asm volatile("cli; hlt" : : : "memory");
}

static inline void lgdt(const struct descriptor_pointer *p)
{
	asm volatile("lgdt %0" : : "m"(*p) : "memory");
}

static inline void lidt(const struct descriptor_pointer *p)
{
	asm volatile("lidt %0" : : "m"(*p) : "memory");
}

static inline struct descriptor_pointer sgdt(void)
{
	struct descriptor_pointer p;

	asm volatile("sgdt %0" : "=m"(p));
	return p;
}

static inline struct descriptor_pointer sidt(void)
{
	struct descriptor_pointer p;

	asm volatile("sidt %0" : "=m"(p));
	return p;
}

static inline void lldt(u16 selector)
{
	asm volatile("lldt %0" : : "r"(selector) : "memory");
}

static inline void ltr(u16 selector)
{
	asm volatile("ltr %0" : : "r"(selector) : "memory");
}
