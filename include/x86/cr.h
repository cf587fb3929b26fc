/* SPDX-License-Identifier: GPL-2.0-only */
/* Control registers, RFLAGS, DR6/DR7 and XCR0 (SDM vol. 3A, "Control Registers"; "Debug
 * Registers"). */
#pragma once

#define CR0_PE		0x00000001ull
#define CR0_MP		0x00000002ull
#define CR0_EM		0x00000004ull
#define CR0_TS		0x00000008ull
#define CR0_ET		0x00000010ull
#define CR0_NE		0x00000020ull
#define CR0_WP		0x00010000ull
#define CR0_AM		0x00040000ull
#define CR0_NW		0x20000000ull
#define CR0_CD		0x40000000ull
#define CR0_PG		0x80000000ull

#define CR4_VME		0x00000001ull
#define CR4_PVI		0x00000002ull
#define CR4_TSD		0x00000004ull
#define CR4_DE		0x00000008ull
#define CR4_PSE		0x00000010ull
#define CR4_PAE		0x00000020ull
#define CR4_MCE		0x00000040ull
#define CR4_PGE		0x00000080ull
#define CR4_PCE		0x00000100ull
#define CR4_OSFXSR	0x00000200ull
#define CR4_OSXMMEXCPT	0x00000400ull
#define CR4_UMIP	0x00000800ull
#define CR4_LA57	0x00001000ull
#define CR4_VMXE	0x00002000ull
#define CR4_SMXE	0x00004000ull
#define CR4_FSGSBASE	0x00010000ull
#define CR4_PCIDE	0x00020000ull
#define CR4_OSXSAVE	0x00040000ull
#define CR4_SMEP	0x00100000ull
#define CR4_SMAP	0x00200000ull
#define CR4_PKE		0x00400000ull
#define CR4_CET		0x00800000ull
#define CR4_PKS		0x01000000ull

#define EFER_SCE	0x00000001ull
#define EFER_LME	0x00000100ull
#define EFER_LMA	0x00000400ull
#define EFER_NXE	0x00000800ull
#define EFER_SVME	0x00001000ull
#define EFER_LMSLE	0x00002000ull
#define EFER_FFXSR	0x00004000ull

#define RFLAGS_CF	0x00000001ull
#define RFLAGS_FIXED	0x00000002ull	/* bit 1 is always 1 */
#define RFLAGS_PF	0x00000004ull
#define RFLAGS_AF	0x00000010ull
#define RFLAGS_ZF	0x00000040ull
#define RFLAGS_SF	0x00000080ull
#define RFLAGS_TF	0x00000100ull
#define RFLAGS_IF	0x00000200ull
#define RFLAGS_DF	0x00000400ull
#define RFLAGS_OF	0x00000800ull
#define RFLAGS_IOPL	0x00003000ull
#define RFLAGS_NT	0x00004000ull
#define RFLAGS_RF	0x00010000ull
#define RFLAGS_VM	0x00020000ull
#define RFLAGS_AC	0x00040000ull
#define RFLAGS_VIF	0x00080000ull
#define RFLAGS_VIP	0x00100000ull
#define RFLAGS_ID	0x00200000ull
#define RFLAGS_DEFINED	0x003f7fd7ull	/* all of these, and bit 1 */

#define DR6_FIXED	0xffff0ff0ull	/* reset value: bits that read as 1 */
#define DR6_BREAKPOINTS	0x0000000full	/* B0 to B3 */
#define DR6_BD		0x00002000ull
#define DR6_BS		0x00004000ull
#define DR6_BT		0x00008000ull
#define DR6_WRITABLE	0x0000e00full	/* B0 to B3, BD, BS, BT */
#define DR7_FIXED	0x00000400ull	/* reset value */
#define DR7_ENABLES	0x000000ffull	/* L0 G0 .. L3 G3 */
#define DR7_LOCAL	0x00000155ull	/* L0 to L3, LE */
#define DR7_ZERO	0x0000d000ull	/* bits that read as 0 */
#define DR7_GD		0x00002000ull	/* general detect: any access to a debug register is a #DB */

#define XCR0_X87	0x1ull
#define XCR0_SSE	0x2ull
#define XCR0_AVX	0x4ull
