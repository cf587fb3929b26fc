/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of the hypervisor's address space (layout.h) is mapped and with which rights, and the
 * control registers that go with it. The tables themselves are made by host_table.c.
 */
#include "arch/x86/paging.h"

#include "arch/x86/cpu.h"
#include "arch/x86/image.h"
#include "arch/x86/memory.h"
#include "console/console.h"
#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "lib/spinlock.h"
#include "lib/string.h"

struct section {
	const char *start, *end;
	unsigned flags;
};

static const struct section sections[] = {
	{ image_start,   text_start,  0      },	/* the boot code: done with */
	{ text_start,    text_end,    HOST_X },
	{ rodata_start,  rodata_end,  0      },
	{ data_start,    data_end,    HOST_W },
	{ symbols_start, symbols_end, 0      },
};

static struct host_table table;
static struct spinlock lock = { .rank = RANK_PAGING };

/* Tables stay below 4 GiB: the boot code's direct map, and CR3 in a CPU's first mode, reach no
 * further. */
static hpa_t allocate_table(void *context)
{
	hpa_t at = frames_alloc(&host_frames, 1, PAGE_SIZE, BOOT_DIRECT_MAP_SIZE);

	if (at.v)
		memset(phys_to_virt(at), 0, PAGE_SIZE);
	return at;
}

static u64 *table_pointer(void *context, hpa_t at)
{
	return phys_to_virt(at);
}

static bool map_direct(u64 base, u64 end, unsigned flags)
{
	end = MIN(end, DIRECT_MAP_LIMIT);
	return base >= end ||
	       host_table_map(&table, DIRECT_MAP + base, HPA(base), end - base, flags);
}

/* RAM only: a cached mapping of anything else could be read ahead by the CPU, with side effects. */
static bool map_ram(const struct boot_info *boot)
{
	for (unsigned i = 0; i < boot->nr_ranges; i++) {
		const struct boot_range *r = &boot->range[i];
		u64 end;

		if (!r->ram || __builtin_add_overflow(r->base.v, r->size, &end))
			continue;
		if (!map_direct(ALIGN_UP(r->base.v, PAGE_SIZE), ALIGN_DOWN(end, PAGE_SIZE), HOST_W))
			return false;
	}
	return true;
}

static bool map_image(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		const struct section *s = &sections[i];
		hpa_t phys = virt_to_phys(s->start);
		u64 size = ALIGN_UP((u64)(s->end - s->start), PAGE_SIZE);

		if (!size)
			continue;
		if (!host_table_map(&table, (u64)s->start, phys, size, s->flags))
			return false;
		/* The same memory in the direct map: with no more rights there than here. */
		if (!map_direct(phys.v, phys.v + size, s->flags & HOST_W))
			return false;
	}
	return true;
}

/* Where the console has it already, so that it need not move. */
static bool map_screen(void)
{
	hpa_t base;
	u64 size;

	if (!console_screen_memory(&base, &size) || size > GIB(1) || base.v >= DIRECT_MAP_LIMIT)
		return true;
	return map_direct(ALIGN_DOWN(base.v, PAGE_SIZE), ALIGN_UP(base.v + size, PAGE_SIZE),
			  HOST_W | HOST_WC);
}

void paging_setup_cpu(void)
{
	struct cpuid_regs f1 = cpuid(CPUID_FEATURES, 0), f7 = { 0 };
	u64 cr4 = CR4_DE | CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (cpuid(CPUID_VENDOR, 0).eax >= CPUID_STRUCTURED)
		f7 = cpuid(CPUID_STRUCTURED, 0);
	cr4 |= f1.edx & CPUID_1D_MCE ? CR4_MCE : 0;
	cr4 |= f1.edx & CPUID_1D_PGE ? CR4_PGE : 0;
	cr4 |= f1.ecx & CPUID_1C_XSAVE ? CR4_OSXSAVE : 0;
	cr4 |= f7.ebx & CPUID_7B_SMEP ? CR4_SMEP : 0;
	cr4 |= f7.ebx & CPUID_7B_SMAP ? CR4_SMAP : 0;
	cr4 |= f7.ecx & CPUID_7C_UMIP ? CR4_UMIP : 0;
	if (f1.edx & CPUID_1D_PAT)
		wrmsr(MSR_PAT, HOST_PAT);
	if (table.has_nx)
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
	/* Global entries that were made before are flushed with the change of CR4.PGE. */
	write_cr4(cr4 & ~CR4_PGE);
	write_cr3(table.root.v);
	write_cr4(cr4);
}

bool paging_init(const struct boot_info *boot)
{
	hpa_t trampoline = host_trampoline_page();
	u32 features = cpuid(CPUID_EXT_FEATURES, 0).edx;

	table = (struct host_table){
		.has_nx = features & CPUID_X1D_NX,
		.has_1g = features & CPUID_X1D_PAGE1GB,
		.allocate = allocate_table,
		.pointer = table_pointer,
	};
	table.root = allocate_table(NULL);
	if (!table.root.v || !map_ram(boot) || !map_image() || !map_screen())
		return false;
	/* The CPUs that start in it need it at its own address, and the way there is executable. */
	if (trampoline.v &&
	    !host_table_map(&table, trampoline.v, trampoline, PAGE_SIZE, HOST_X | HOST_LOCAL))
		return false;
	paging_setup_cpu();
	return true;
}

static void flush_tlb(void)
{
	u64 cr4 = read_cr4();

	write_cr4(cr4 & ~CR4_PGE);
	write_cr3(read_cr3());
	write_cr4(cr4);
}

bool paging_map(u64 virt, hpa_t phys, u64 size, unsigned flags)
{
	bool done;

	spin_lock(&lock);
	done = host_table_map(&table, virt, phys, size, flags);
	spin_unlock(&lock);
	flush_tlb();
	return done;
}

static void *map_keeping(hpa_t at, u64 size, unsigned flags)
{
	u64 base = ALIGN_DOWN(at.v, PAGE_SIZE), end;

	if (__builtin_add_overflow(at.v, size, &end) || end > DIRECT_MAP_LIMIT)
		return NULL;
	end = ALIGN_UP(end, PAGE_SIZE);
	if (!paging_map(DIRECT_MAP + base, HPA(base), end - base, flags | HOST_KEEP))
		return NULL;
	return phys_to_virt(at);
}

void *map_mmio(hpa_t at, u64 size)
{
	return map_keeping(at, size, HOST_W | HOST_UC);
}

const void *map_firmware(hpa_t at, u64 size)
{
	return map_keeping(at, size, 0);
}
