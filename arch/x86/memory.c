/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the boot loader's memory map to the host's frame allocator. The first MiB is never given
 * out: firmware, old devices and the boot loader all have their corners in it.
 */
#include "arch/x86/memory.h"

#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"
#include "lib/string.h"

#define FIRMWARE_DATA_END	0x10000		/* below it, BIOSes scribble at times */
#define CONVENTIONAL_END	0xa0000

struct frames host_frames;
static hpa_t trampoline;

static bool add_ram(const struct boot_info *boot)
{
	bool any = false;

	for (unsigned i = 0; i < boot->nr_ranges; i++) {
		const struct boot_range *r = &boot->range[i];
		u64 size = r->size;

		if (!r->ram || r->base.v >= DIRECT_MAP_LIMIT)
			continue;
		size = MIN(size, DIRECT_MAP_LIMIT - r->base.v);
		if (!frames_add(&host_frames, r->base, size))
			return false;
		any = true;
	}
	return any;
}

/* Where ranges of the map overlap, the one that isn't RAM wins. */
static bool reserve_firmware(const struct boot_info *boot)
{
	for (unsigned i = 0; i < boot->nr_ranges; i++) {
		const struct boot_range *r = &boot->range[i];

		if (r->ram || r->base.v >= DIRECT_MAP_LIMIT || !r->size)
			continue;
		if (!frames_reserve(&host_frames, r->base,
				    MIN(r->size, DIRECT_MAP_LIMIT - r->base.v)))
			return false;
	}
	return true;
}

bool host_frames_init(const struct boot_info *boot)
{
	frames_init(&host_frames, DIRECT_MAP);
	if (!add_ram(boot) || !reserve_firmware(boot))
		return false;
	if (!frames_reserve(&host_frames, boot->image_base, boot->image_size))
		return false;
	for (unsigned i = 0; i < boot->nr_modules; i++) {
		if (boot->module[i].size &&
		    !frames_reserve(&host_frames, boot->module[i].base, boot->module[i].size))
			return false;
	}
	if (!frames_reserve(&host_frames, HPA(0), FIRMWARE_DATA_END))
		return false;
	trampoline = frames_alloc(&host_frames, 1, PAGE_SIZE, CONVENTIONAL_END);
	return frames_reserve(&host_frames, HPA(0), MIB(1));
}

u64 host_take_pages(unsigned count, u8 fill, u64 limit)
{
	hpa_t at = frames_alloc(&host_frames, count, PAGE_SIZE, limit);

	if (at.v)
		memset(phys_to_virt(at), fill, count * PAGE_SIZE);
	return at.v;
}

hpa_t host_trampoline_page(void)
{
	return trampoline;
}
