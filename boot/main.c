/* SPDX-License-Identifier: GPL-2.0-only */
/* Puts the parts together, in the order in which they need each other. */
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/image.h"
#include "arch/x86/layout.h"
#include "arch/x86/machine.h"
#include "arch/x86/memory.h"
#include "arch/x86/panic.h"
#include "arch/x86/power.h"
#include "arch/x86/smp.h"
#include "arch/x86/time.h"
#include "arch/x86/trap.h"
#include "boot/backends.h"
#include "boot/crash.h"
#include "boot/early_map.h"
#include "boot/multiboot.h"
#include "boot/options.h"
#include "boot/work.h"
#include "console/console.h"
#include "include/version.h"

static struct boot_info boot_info;
static struct options options;

void boot_main(u32 magic, u32 info);

/* For what the machine or its user can change: a sentence that stays on the screen. */
static noreturn_fn void cannot_start(const char *why)
{
	kprintf("cannot start: %s", why);
	cpu_halt();
}

/* The early page tables map 4 GiB; a screen may lie above them. */
static void reach_screen(void)
{
	hpa_t base;
	u64 size;
	void *memory;

	if (!console_screen_memory(&base, &size) || base.v + size <= BOOT_DIRECT_MAP_SIZE)
		return;
	memory = early_map(base, size);
	if (memory)
		console_screen_move(memory);
}

/* The first lines, before anything can fail. */
static void start_console(u32 magic, u32 info)
{
	bool known = multiboot_parse(&boot_info, magic, info, (const u8 *)DIRECT_MAP);

	boot_info.image_base = image_physical_base();
	boot_info.image_size = image_size();
	console_init(&boot_info, (u8 *)DIRECT_MAP);
	reach_screen();
	kprintf("Plinth %s (build %s), loaded by %s", plinth_version, image_build_id(),
		boot_info.loader[0] ? boot_info.loader : "an unnamed boot loader");
	if (!known)
		cannot_start(
			"the boot loader speaks neither multiboot 1 nor multiboot 2; use GRUB");
}

static void print_help_line(const char *line)
{
	kprintf("%s", line);
}

static void read_options(void)
{
	char error[OPTIONS_ERROR_SIZE];

	if (!options_parse(&options, backends, boot_info.cmdline, error, sizeof(error)))
		cannot_start(error);
	if (options.help)
		options_help(backends, print_help_line);
	panic_init(options.reboot_on_panic ? machine_reset : NULL);
}

/* After the last guest, or whatever this image has done. */
static noreturn_fn void end(void)
{
	if (options.stay_at_end)
		cpu_halt();
	machine_power_off();
	kprintf("this machine can't be switched off by software; it can be switched off now");
	cpu_halt();
}

/* On the stack of CPU 0. */
static void run(void *unused)
{
	const char *why = machine_init_devices(&boot_info);

	if (why)
		cannot_start(why);
	panic_set_stop_others(apic_send_nmi_to_others);
	kprintf("%u CPUs, %llu MHz TSC, %llu MiB of memory free", smp_count(),
		(unsigned long long)tsc_khz / 1000,
		(unsigned long long)frames_available(&host_frames) >> 20);
	if (options.crash_at == CRASH_AT_BOOT)
		crash(options.crash);
	why = work(&boot_info, &options);
	if (why)
		cannot_start(why);
	end();
}

/* Called by entry.S, on the early stack and page tables. */
void boot_main(u32 magic, u32 info)
{
	const char *why;

	start_console(magic, info);
	trap_init();
	read_options();
	why = machine_init_memory(&boot_info);
	if (why)
		cannot_start(why);
	machine_enter(run, NULL);
}
