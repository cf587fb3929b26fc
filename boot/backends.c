/* SPDX-License-Identifier: GPL-2.0-only */
/* See backends.h. */
#include "boot/backends.h"

#include "arch/x86/cpu.h"
#include "arch/x86/smp.h"
#include "arch/x86/svm/svm.h"
#include "arch/x86/vmx/vmx.h"

const struct vcpu_backend *const backends[] = { &svm_backend, &vmx_backend, NULL };

struct enabling {
	const struct vcpu_backend *backend;
	bool done;
};

static void enable_this_cpu(void *arg)
{
	struct enabling *e = arg;

	if (!e->backend->enable_cpu())
		e->done = false;
}

const char *backend_start(const struct vcpu_backend **backend)
{
	struct enabling e = { .done = true };
	const char *why;

	for (unsigned i = 0; backends[i] && !e.backend; i++)
		if (backends[i]->is_present())
			e.backend = backends[i];
	if (!e.backend)
		return "this CPU has neither SVM (AMD-V) nor VMX (Intel VT-x). Take a machine that has, or "
		       "switch it on in the firmware set-up; in QEMU, take -cpu max or -cpu EPYC";
	*backend = e.backend;
	why = e.backend->probe();
	if (why)
		return why;
	enable_this_cpu(&e);
	for (unsigned cpu = 1; cpu < smp_count(); cpu++) {
		if (!smp_run_on(cpu, enable_this_cpu, &e))
			return "a CPU doesn't answer";
		while (smp_is_busy(cpu))
			cpu_pause();
	}
	return e.done ? NULL
		      : "there is not enough memory to switch virtualisation on; give the machine more";
}
