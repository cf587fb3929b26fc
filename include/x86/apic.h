/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local APIC's and the IOAPIC's registers, for the device model and for the driver of the real
 * one (SDM vol. 3A, chapter "Advanced Programmable Interrupt Controller (APIC)"; 82093AA data
 * sheet).
 */
#pragma once

#define APIC_DEFAULT_BASE	0xfee00000ull
#define IOAPIC_DEFAULT_BASE	0xfec00000ull

/* MSRs. A register at MMIO offset `o` is MSR APIC_MSR_X2APIC + (o >> 4) in x2APIC mode. */
#define APIC_MSR_BASE		0x0000001bu	/* IA32_APIC_BASE */
#define APIC_MSR_TSC_DEADLINE	0x000006e0u	/* IA32_TSC_DEADLINE */
#define APIC_MSR_X2APIC		0x00000800u
#define APIC_MSR_X2APIC_LAST	0x000008ffu
#define APIC_MSR_SELF_IPI	0x0000083fu

/* IA32_APIC_BASE */
#define APIC_BASE_BSP		0x0000000000000100ull
#define APIC_BASE_X2APIC	0x0000000000000400ull
#define APIC_BASE_ENABLE	0x0000000000000800ull
#define APIC_BASE_ADDRESS	0x000ffffffffff000ull	/* up to MAXPHYADDR */

/* Register offsets in the MMIO page; IRR, ISR and TMR are eight words, 16 bytes apart. */
#define APIC_ID			0x020u
#define APIC_VERSION		0x030u
#define APIC_TPR		0x080u
#define APIC_APR		0x090u
#define APIC_PPR		0x0a0u
#define APIC_EOI		0x0b0u
#define APIC_RRD		0x0c0u
#define APIC_LDR		0x0d0u
#define APIC_DFR		0x0e0u
#define APIC_SVR		0x0f0u
#define APIC_ISR		0x100u
#define APIC_TMR		0x180u
#define APIC_IRR		0x200u
#define APIC_ESR		0x280u
#define APIC_LVT_CMCI		0x2f0u
#define APIC_ICR		0x300u
#define APIC_ICR_HIGH		0x310u	/* xAPIC only */
#define APIC_LVT_TIMER		0x320u
#define APIC_LVT_THERMAL	0x330u
#define APIC_LVT_PERF		0x340u
#define APIC_LVT_LINT0		0x350u
#define APIC_LVT_LINT1		0x360u
#define APIC_LVT_ERROR		0x370u
#define APIC_TIMER_INITIAL	0x380u
#define APIC_TIMER_CURRENT	0x390u
#define APIC_TIMER_DIVIDE	0x3e0u
#define APIC_SELF_IPI		0x3f0u	/* x2APIC only */

/* Version register */
#define APIC_VERSION_NUMBER	0x000000ffu
#define APIC_VERSION_MAX_LVT_SHIFT	16
#define APIC_VERSION_EOI_SUPPRESS	0x01000000u	/* "Directed EOI" can be had */

/* Spurious-interrupt vector register */
#define APIC_SVR_VECTOR		0x000000ffu
#define APIC_SVR_ENABLE		0x00000100u
#define APIC_SVR_FOCUS_OFF	0x00000200u
#define APIC_SVR_EOI_SUPPRESS	0x00001000u

/* Error status register */
#define APIC_ESR_SEND_ILLEGAL	0x00000020u
#define APIC_ESR_RECEIVE_ILLEGAL	0x00000040u
#define APIC_ESR_REGISTER	0x00000080u	/* an access to a reserved register */

/*
 *  LVT   18 17   16    15    14     13     12       10  8 7      0
 *      | mode | mask|trigger|rIRR|polarity|status| |delivery| vector |
 *
 *  ICR   63   56    19 18      15    14     12     11     10  8 7      0
 *      | dest | … |shorthand|trigger|level| status |dest mode|delivery| vector |
 */
#define APIC_VECTOR		0x000000ffu
#define APIC_DELIVERY		0x00000700u
#define APIC_DELIVERY_SHIFT	8
#define APIC_STATUS_PENDING	0x00001000u
#define APIC_LVT_ACTIVE_LOW	0x00002000u
#define APIC_LVT_REMOTE_IRR	0x00004000u
#define APIC_LVT_LEVEL		0x00008000u
#define APIC_LVT_MASKED		0x00010000u
#define APIC_LVT_TIMER_MODE	0x00060000u
#define APIC_LVT_TIMER_ONE_SHOT	0x00000000u
#define APIC_LVT_TIMER_PERIODIC	0x00020000u
#define APIC_LVT_TIMER_DEADLINE	0x00040000u
#define APIC_ICR_LOGICAL	0x00000800u
#define APIC_ICR_ASSERT		0x00004000u
#define APIC_ICR_LEVEL		0x00008000u
#define APIC_ICR_SHORTHAND	0x000c0000u
#define APIC_ICR_SELF		0x00040000u
#define APIC_ICR_ALL		0x00080000u
#define APIC_ICR_OTHERS		0x000c0000u
#define APIC_ICR_DEST_SHIFT	24		/* in APIC_ICR_HIGH */

/* Delivery modes: of LVT, ICR, MSI and IOAPIC entries alike. */
enum apic_delivery {
	APIC_FIXED = 0, APIC_LOWEST = 1, APIC_SMI = 2, APIC_NMI = 4, APIC_INIT = 5, APIC_STARTUP = 6,
	APIC_EXTINT = 7,
};

/* IOAPIC: two registers in memory that select and move the real ones. */
#define IOAPIC_SELECT		0x00u
#define IOAPIC_WINDOW		0x10u
#define IOAPIC_EOI		0x40u		/* from version 0x20 on */
#define IOAPIC_REG_ID		0x00u
#define IOAPIC_REG_VERSION	0x01u
#define IOAPIC_REG_ARBITRATION	0x02u
#define IOAPIC_REG_TABLE	0x10u		/* low and high word of each entry */
#define IOAPIC_ENTRY_VECTOR	0x00000000000000ffull
#define IOAPIC_ENTRY_DELIVERY	0x0000000000000700ull
#define IOAPIC_ENTRY_LOGICAL	0x0000000000000800ull
#define IOAPIC_ENTRY_PENDING	0x0000000000001000ull
#define IOAPIC_ENTRY_ACTIVE_LOW	0x0000000000002000ull
#define IOAPIC_ENTRY_REMOTE_IRR	0x0000000000004000ull
#define IOAPIC_ENTRY_LEVEL	0x0000000000008000ull
#define IOAPIC_ENTRY_MASKED	0x0000000000010000ull
#define IOAPIC_ENTRY_DEST_SHIFT	56
