/* SPDX-License-Identifier: MIT */
/* What the conformance image does in place of running guests (boot/work.h). */
#include "boot/work.h"

#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/panic.h"
#include "boot/backends.h"
#include "include/x86/cpuid.h"
#include "lib/string.h"
#include "tests/conform/conform.h"
#include "vcpu/report.h"

#define BIOS_FROM	0xe0000u
#define BIOS_SIZE	0x20000u
#define OEM_AT		9u	/* in the RSDP */

/* By the RSDP in the BIOS's memory, whose maker's name is that of Bochs. */
static bool is_bios_of_bochs(void)
{
	const char *bios = map_mmio(HPA(BIOS_FROM), BIOS_SIZE);

	for (unsigned at = 0; bios && at < BIOS_SIZE; at += 16)
		if (!memcmp(bios + at, "RSD PTR ", 8))
			return !memcmp(bios + at + OEM_AT, "BOCHS ", 6);
	return false;
}

/* TCG says so in CPUID; SeaBIOS under it has the same maker's name as Bochs. */
static enum machine find_machine(void)
{
	if (cpuid(CPUID_HYPERVISOR, 0).ebx == 0x54474354)	/* "TCGT" */
		return QEMU_SVM;
	if (is_bios_of_bochs())
		return vendor == SVM ? BOCHS_SVM : BOCHS_VMX;
	return HARDWARE;
}

const char *work(const struct boot_info *boot, const struct options *options)
{
	const struct vcpu_backend *backend;
	const char *why = backend_start(&backend);

	if (why)
		return why;
	vendor = strcmp(backend->name, "VMX") ? SVM : VMX;
	machine = find_machine();
	panic_vcpu_report = report_panic;
	why = guest_make(backend);
	if (why)
		return why;
	conform_wants();
	conform_exceptions();
	conform_events();
	conform_memory();
	conform_msrs();
	conform_state();
	conform_times();
	conform_kinds();
	report_totals();
	return NULL;
}
