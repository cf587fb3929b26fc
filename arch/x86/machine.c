/* SPDX-License-Identifier: GPL-2.0-only */
/* The order of start of the physical machine's parts; what they do is in their own files. */
#include "arch/x86/machine.h"

#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/machine_check.h"
#include "arch/x86/memory.h"
#include "arch/x86/paging.h"
#include "arch/x86/percpu.h"
#include "arch/x86/smp.h"
#include "arch/x86/time.h"
#include "arch/x86/trap.h"

static const char no_memory[] = "there is too little memory below 4 GiB: give the machine more";

const char *machine_init_memory(const struct boot_info *boot)
{
	if (!host_frames_init(boot))
		return "the boot loader's memory map has no usable memory, or too many pieces";
	if (!paging_init(boot))
		return no_memory;
	if (!percpu_create(0, 0))
		return no_memory;
	return NULL;
}

void machine_enter(void (*next)(void *arg), void *arg)
{
	percpu_enter(percpu_of(0), next, arg);
}

static u32 highest_apic_id(void)
{
	u32 highest = 0;

	for (unsigned i = 0; i < acpi.nr_cpus; i++)
		highest = MAX(highest, acpi.cpu[i]);
	return highest;
}

const char *machine_init_devices(const struct boot_info *boot)
{
	trap_use_stacks();
	machine_check_setup_cpu();
	acpi_init(boot);
	host_ioapic_init(&acpi);
	if (!apic_init(highest_apic_id()))
		return "this CPU has no local APIC, or the firmware has switched it off: "
		       "enable it in the firmware's setup";
	this_cpu()->apic_id = apic_id();
	this_cpu()->online = true;
	if (!time_init(&acpi))
		return "no timer of this machine counts: neither the ACPI PM timer nor the PIT";
	if (!timer_init())
		return "the local APIC's timer does not count";
	smp_start();
	return NULL;
}
