/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model-specific registers: numbers and bits. SDM vol. 4, "Model-Specific Registers";
 * APM vol. 2, "MSR Cross-Reference".
 */
#pragma once

/* Architectural. */
#define MSR_P5_MC_ADDR			0x00000000u
#define MSR_P5_MC_TYPE			0x00000001u
#define MSR_TSC				0x00000010u
#define MSR_PLATFORM_ID			0x00000017u
#define MSR_APIC_BASE			0x0000001bu
#define MSR_FEATURE_CONTROL		0x0000003au
#define MSR_TSC_ADJUST			0x0000003bu
#define MSR_SPEC_CTRL			0x00000048u
#define MSR_PRED_CMD			0x00000049u
#define MSR_UCODE_REV			0x0000008bu	/* AMD: PATCH_LEVEL */
#define MSR_SMM_MONITOR_CTL		0x0000009bu
#define MSR_SMBASE			0x0000009eu
#define MSR_PMC0			0x000000c1u
#define MSR_MPERF			0x000000e7u
#define MSR_APERF			0x000000e8u
#define MSR_MTRRCAP			0x000000feu
#define MSR_ARCH_CAPABILITIES		0x0000010au
#define MSR_FLUSH_CMD			0x0000010bu
#define MSR_SYSENTER_CS			0x00000174u
#define MSR_SYSENTER_ESP		0x00000175u
#define MSR_SYSENTER_EIP		0x00000176u
#define MSR_MCG_CAP			0x00000179u
#define MSR_MCG_STATUS			0x0000017au
#define MSR_MCG_CTL			0x0000017bu
#define MSR_PERFEVTSEL0			0x00000186u
#define MSR_PERF_STATUS			0x00000198u
#define MSR_PERF_CTL			0x00000199u
#define MSR_THERM_STATUS		0x0000019cu
#define MSR_MISC_ENABLE			0x000001a0u
#define MSR_ENERGY_PERF_BIAS		0x000001b0u
#define MSR_DEBUGCTL			0x000001d9u
#define MSR_LASTBRANCHFROMIP		0x000001dbu
#define MSR_LASTBRANCHTOIP		0x000001dcu
#define MSR_LASTINTFROMIP		0x000001ddu
#define MSR_LASTINTTOIP			0x000001deu
#define MSR_MTRR_PHYSBASE0		0x00000200u	/* base, mask pairs up to 20f */
#define MSR_MTRR_PHYSMASK0		0x00000201u
#define MSR_MTRR_PHYSMASK7		0x0000020fu
#define MSR_MTRR_FIX64K_00000		0x00000250u
#define MSR_MTRR_FIX16K_80000		0x00000258u
#define MSR_MTRR_FIX16K_A0000		0x00000259u
#define MSR_MTRR_FIX4K_C0000		0x00000268u
#define MSR_MTRR_FIX4K_F8000		0x0000026fu
#define MSR_PAT				0x00000277u
#define MSR_MTRR_DEF_TYPE		0x000002ffu
#define MSR_MC0_CTL			0x00000400u	/* CTL, STATUS, ADDR, MISC for each bank */
#define MSR_MC0_STATUS			0x00000401u
#define MSR_MC0_ADDR			0x00000402u
#define MSR_MC0_MISC			0x00000403u
#define MSR_MC_STRIDE			4u
#define MSR_VMX_BASIC			0x00000480u
#define MSR_VMX_PINBASED_CTLS		0x00000481u
#define MSR_VMX_PROCBASED_CTLS		0x00000482u
#define MSR_VMX_EXIT_CTLS		0x00000483u
#define MSR_VMX_ENTRY_CTLS		0x00000484u
#define MSR_VMX_MISC			0x00000485u
#define MSR_VMX_CR0_FIXED0		0x00000486u
#define MSR_VMX_CR0_FIXED1		0x00000487u
#define MSR_VMX_CR4_FIXED0		0x00000488u
#define MSR_VMX_CR4_FIXED1		0x00000489u
#define MSR_VMX_PROCBASED_CTLS2		0x0000048bu
#define MSR_VMX_EPT_VPID_CAP		0x0000048cu
#define MSR_VMX_TRUE_PINBASED_CTLS	0x0000048du
#define MSR_VMX_TRUE_PROCBASED_CTLS	0x0000048eu
#define MSR_VMX_TRUE_EXIT_CTLS		0x0000048fu
#define MSR_VMX_TRUE_ENTRY_CTLS		0x00000490u
#define MSR_TSC_DEADLINE		0x000006e0u
#define MSR_X2APIC			0x00000800u	/* the register at offset x is 800H + x / 16 */
#define MSR_X2APIC_LAST			0x000008ffu
#define MSR_XSS				0x00000da0u
#define MSR_EFER			0xc0000080u
#define MSR_STAR			0xc0000081u
#define MSR_LSTAR			0xc0000082u
#define MSR_CSTAR			0xc0000083u
#define MSR_SFMASK			0xc0000084u
#define MSR_FS_BASE			0xc0000100u
#define MSR_GS_BASE			0xc0000101u
#define MSR_KERNEL_GS_BASE		0xc0000102u
#define MSR_TSC_AUX			0xc0000103u
/* AMD. */
#define MSR_TSC_RATIO			0xc0000104u
#define MSR_PERF_CTL0_AMD		0xc0010000u	/* K7 event selects 0..3 */
#define MSR_PERF_CTR0_AMD		0xc0010004u	/* K7 counters 0..3 */
#define MSR_SYSCFG			0xc0010010u
#define MSR_HWCR			0xc0010015u
#define MSR_IORR_BASE0			0xc0010016u
#define MSR_TOP_MEM			0xc001001au
#define MSR_TOP_MEM2			0xc001001du
#define MSR_NB_CFG			0xc001001fu
#define MSR_PATCH_LOADER		0xc0010020u
#define MSR_INT_PENDING			0xc0010055u
#define MSR_PSTATE_LIMIT		0xc0010061u
#define MSR_PSTATE_STATUS		0xc0010063u
#define MSR_VM_CR			0xc0010114u
#define MSR_IGNNE			0xc0010115u
#define MSR_VM_HSAVE_PA			0xc0010117u
#define MSR_SVM_LOCK_KEY		0xc0010118u
#define MSR_VIRT_SPEC_CTRL		0xc001011fu
#define MSR_OSVW_ID_LENGTH		0xc0010140u
#define MSR_OSVW_STATUS			0xc0010141u
#define MSR_PERF_CTL0			0xc0010200u	/* core performance counters: CTL, CTR pairs */
#define MSR_LS_CFG			0xc0011020u
#define MSR_IC_CFG			0xc0011021u
#define MSR_DC_CFG			0xc0011022u
#define MSR_DE_CFG			0xc0011029u

/* FEATURE_CONTROL. */
#define FEATURE_CONTROL_LOCKED		0x1ull
#define FEATURE_CONTROL_VMX_IN_SMX	0x2ull
#define FEATURE_CONTROL_VMX		0x4ull

/* DEBUGCTL. */
#define DEBUGCTL_LBR			0x1ull
#define DEBUGCTL_BTF			0x2ull

/* MTRRCAP, MTRR_DEF_TYPE. */
#define MTRRCAP_VCNT			0x0ffull
#define MTRRCAP_FIX			0x100ull
#define MTRRCAP_WC			0x400ull
#define MTRR_DEF_TYPE_FE		0x400ull
#define MTRR_DEF_TYPE_E			0x800ull

/* Memory types of the PAT and the MTRRs (SDM vol. 3A, "Memory Types That Can Be Encoded With PAT").
 */
#define MEMTYPE_UC			0x0u
#define MEMTYPE_WC			0x1u
#define MEMTYPE_WT			0x4u
#define MEMTYPE_WP			0x5u
#define MEMTYPE_WB			0x6u
#define MEMTYPE_UC_MINUS		0x7u
#define PAT_RESET			0x0007040600070406ull

/* MCG_CAP, MCG_STATUS, MCi_STATUS (SDM vol. 3B, "Machine-Check Architecture"). */
#define MCG_CAP_COUNT			0xffull
#define MCG_CAP_CTL_P			0x100ull
#define MCG_STATUS_RIPV			0x1ull
#define MCG_STATUS_EIPV			0x2ull
#define MCG_STATUS_MCIP			0x4ull
#define MC_STATUS_ADDRV			(1ull << 58)
#define MC_STATUS_MISCV			(1ull << 59)
#define MC_STATUS_UC			(1ull << 61)
#define MC_STATUS_VAL			(1ull << 63)

/* MISC_ENABLE. */
#define MISC_ENABLE_FAST_STRING		0x1ull
#define MISC_ENABLE_BTS_UNAVAILABLE	0x800ull
#define MISC_ENABLE_PEBS_UNAVAILABLE	0x1000ull
#define MISC_ENABLE_MWAIT		0x40000ull
#define MISC_ENABLE_LIMIT_CPUID		0x400000ull
#define MISC_ENABLE_XD_DISABLE		0x400000000ull

/* VM_CR (APM vol. 2, "VM_CR MSR"). */
#define VM_CR_DPD			0x01ull
#define VM_CR_R_INIT			0x02ull
#define VM_CR_DIS_A20M			0x04ull
#define VM_CR_LOCK			0x08ull
#define VM_CR_SVMDIS			0x10ull

/* HWCR (APM vol. 2, "Hardware Configuration Register"; the family's BKDG / PPR). */
#define HWCR_SMMLOCK			0x1ull
#define HWCR_TSC_FREQ_SEL		0x1000000ull

/* DE_CFG. */
#define DE_CFG_LFENCE_SERIALIZE		0x2ull
