/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX backend put together: whether the machine has VMX, switching it on, a context's control
 * block. SDM vol. 3C, "Discovering Support for VMX", "Enabling and Entering VMX Operation".
 */
#include "arch/x86/vmx/vmx.h"

#include "arch/x86/cpu.h"
#include "arch/x86/memory.h"
#include "arch/x86/panic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "include/x86/cpuid.h"
#include "include/x86/cr.h"
#include "include/x86/msr.h"
#include "lib/printf.h"
#include "vcpu/vm.h"

static_assert(VMCS_HOST_RSP == 0x6c14, "enter.S writes it");
static_assert(sizeof(struct vmx_block) <= PAGE_SIZE, "it is a page");

struct vmx_caps vmx_caps;
struct backend_caps vmx_backend_caps;
struct vmx_cpu vmx_cpus[MAX_CPUS];
bool vmx_interrupts_exit;

#define NR_VPIDS	65536u

void vmcs_access_failed(u32 field)
{
	panic("the CPU refuses VMCS field %#x", field);
}

static bool is_present(void)
{
	return cpuid(CPUID_FEATURES, 0).ecx & CPUID_1C_VMX;
}

/* The firmware may have locked VMX out, or left the choice to us. */
static bool is_locked_out(void)
{
	u64 control = 0;

	return rdmsr_safe(MSR_FEATURE_CONTROL, &control) && (control & FEATURE_CONTROL_LOCKED) &&
	       !(control & FEATURE_CONTROL_VMX);
}

static struct backend_feature *feature(unsigned n)
{
	static struct backend_feature features[NR_VMX_FEATURES];

	if (n >= NR_VMX_FEATURES)
		return NULL;
	features[n].name = vmx_features[n].name;
	features[n].is_used = vmx_features[n].is_used;
	return &features[n];
}

/* What is switched off leaves the capabilities, and so does what is there only in part. */
static void find_features(void)
{
	/* INVVPID can't be done without where there are VPIDs. */
	if (!(vmx_caps.ept_vpid & VMX_INVVPID) || !(vmx_caps.ept_vpid & VMX_INVVPID_ALL))
		vmx_caps.control[VMX_SECONDARY].may &= ~SECONDARY_ENABLE_VPID;
	for (unsigned n = 0; n < NR_VMX_FEATURES; n++) {
		struct backend_feature *f = feature(n);

		f->is_there = vmx_caps_has(&vmx_caps, &vmx_features[n]);
		if (!f->is_there || f->is_off)
			vmx_caps_remove(&vmx_caps, &vmx_features[n]);
	}
}

static const char *probe(void)
{
	static char why[160];
	const char *missing;

	if (is_locked_out())
		return "VMX is switched off by the firmware (IA32_FEATURE_CONTROL is locked without it). "
		       "Switch on \"VT-x\", \"VMX\" or \"Virtualization\" in the firmware set-up";
	vmx_caps_read(&vmx_caps, rdmsr_safe);
	missing = vmx_caps_missing(&vmx_caps);
	find_features();
	if (!missing && vmx_caps_missing(&vmx_caps)) {
		snprintf(why, sizeof(why), "an option vmx.no-FEATURE has switched off the control \"%s\", "
			 "which Plinth needs. Leave it out", vmx_caps_missing(&vmx_caps));
		return why;
	}
	if (missing) {
		snprintf(why, sizeof(why), "this CPU's VMX lacks the control \"%s\", which Plinth needs. "
			 "Take a newer CPU, or in Bochs the model corei7_skylake_x", missing);
		return why;
	}
	if (!(vmx_caps.ept_vpid & VMX_EPT_4_LEVELS) || !(vmx_caps.ept_vpid & VMX_EPT_WB) ||
	    !(vmx_caps.ept_vpid & VMX_INVEPT) || !(vmx_caps.ept_vpid & VMX_INVEPT_ALL))
		return "this CPU's EPT lacks 4-level tables, write-back memory or INVEPT, which Plinth needs. "
		       "Take a newer CPU";
	vmx_backend_caps = (struct backend_caps){
		.nested_paging = true, .flush_by_tag = true, .cr4_kept = ~VMX_CR4_GUESTS,
		.step = vmx_may(&vmx_caps, VMX_PRIMARY, PRIMARY_MONITOR_TRAP_FLAG),
		.tags = vmx_may(&vmx_caps, VMX_SECONDARY, SECONDARY_ENABLE_VPID) ? NR_VPIDS : 1,
	};
	if (!vmx_has_unrestricted_guest()) {
		vmx_backend_caps.identity_map = true;
		vmx_backend.can_run = vmx_can_run;
	}
	return NULL;
}

u64 vmx_take_region(void)
{
	u64 at = host_take_pages(1, 0, vmx_caps.addresses_32_bit ? GIB(4) : 0);

	if (at)
		*(u32 *)phys_to_virt(HPA(at)) = vmx_caps.revision;
	return at;
}

/* Where the firmware has left the choice open, it is VMX, until the next reset. */
static void unlock(void)
{
	u64 control;

	if (rdmsr_safe(MSR_FEATURE_CONTROL, &control) && !(control & FEATURE_CONTROL_LOCKED))
		wrmsr(MSR_FEATURE_CONTROL, control | FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX);
}

static bool enable_cpu(void)
{
	struct vmx_cpu *cpu = &vmx_cpus[this_cpu()->index];

	cpu->vmxon_pa = vmx_take_region();
	tags_init(&cpu->tags);
	vmx_read_msrs(&cpu->host_msrs);
	if (!cpu->vmxon_pa)
		return false;
	unlock();
	write_cr0((read_cr0() | vmx_caps.cr0_fixed0) & vmx_caps.cr0_fixed1);
	write_cr4((read_cr4() | vmx_caps.cr4_fixed0) & vmx_caps.cr4_fixed1);
	return vmxon(cpu->vmxon_pa) &&
	       (this_cpu()->index != 0 || vmx_measure(&vmx_backend_caps));
}

static u32 stage2_mode(void)
{
	u32 controls = (vmx_caps.ept_vpid & VMX_EPT_2M ? FMT_PSE : 0) |
		       (vmx_caps.ept_vpid & VMX_EPT_1G ? FMT_GIB : 0) |
		       (vmx_caps.ept_vpid & VMX_EPT_EXECUTE_ONLY ? FMT_EPT_XO : 0);

	if (vmx_may(&vmx_caps, VMX_SECONDARY, SECONDARY_MODE_BASED_EXECUTE))
		controls |= FMT_EPT_MBEC;
	return fmt_mode_ept(4, controls,
			    FMT_MAXPHYADDR(cpuid(CPUID_EXT_SIZES, 0).eax & CPUID_X8A_MAXPHYADDR));
}

static void ctx_destroy(struct vcpu *v, struct cpu_ctx *ctx)
{
	struct vmx_block *b = ctx->hw;

	if (!b)
		return;
	if (b->vmcs_pa)
		frames_free(&host_frames, HPA(b->vmcs_pa), 1);
	if (b->msr_bitmap)
		frames_free(&host_frames, virt_to_phys(b->msr_bitmap), 1);
	frames_free(&host_frames, virt_to_phys(b), 1);
	ctx->hw = NULL;
}

static bool ctx_create(struct vcpu *v, struct cpu_ctx *ctx)
{
	u64 block = host_take_pages(1, 0, 0), bitmap = host_take_pages(1, 0xff, 0);
	struct vmx_block *b = phys_to_virt(HPA(block));

	if (!block) {
		if (bitmap)
			frames_free(&host_frames, HPA(bitmap), 1);
		return false;
	}
	ctx->hw = b;
	b->msr_bitmap = bitmap ? phys_to_virt(HPA(bitmap)) : NULL;
	b->vmcs_pa = vmx_take_region();
	if (bitmap && b->vmcs_pa)
		return true;
	ctx_destroy(v, ctx);
	return false;
}

static bool is_injecting(const struct vcpu *v)
{
	return vmx_block_of(v)->injecting;
}

struct vcpu_backend vmx_backend = {
	.name = "VMX",
	.option = "vmx",
	.feature = feature,
	.caps = &vmx_backend_caps,
	.is_present = is_present,
	.probe = probe,
	.enable_cpu = enable_cpu,
	.stage2_mode = stage2_mode,
	.ctx_create = ctx_create,
	.ctx_destroy = ctx_destroy,
	.attach = vmx_attach,
	.detach = vmx_detach,
	.run = vmx_run,
	.load = vmx_load,
	.exit_fill = vmx_exit_fill,
	.program = vmx_program,
	.inject = vmx_inject,
	.is_injecting = is_injecting,
	.window = vmx_window,
	.flush = vmx_flush,
	.set_root = vmx_set_root,
	.pass_msr = vmx_pass_msr,
	.dump = vmx_dump_block,
};
