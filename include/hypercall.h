/* SPDX-License-Identifier: MIT */
/*
 * Plinth's hypercalls, for guests and for Plinth itself. A guest knows that it runs on Plinth by
 * CPUID leaf 4000_0000H: EBX, ECX, EDX hold "PlinthPlinth".
 *
 * A call is VMMCALL or VMCALL, whichever the guest likes, from CPL 0: the number in RAX, arguments
 * in RBX, RCX, RDX, RSI, the result in RAX. Other registers stay. Errors are negative. In modes
 * other than 64-bit only the low halves of the registers count, and the result is 32 bits wide.
 */
#pragma once

#define PLINTH_CPUID_LEAF	0x40000000u
#define PLINTH_CPUID_SIGNATURE	"PlinthPlinth"

/* No arguments. Result: the version of this interface, PLINTH_HYPERCALL_VERSION. */
#define PLINTH_CALL_VERSION	0
/* RBX: guest physical address, RCX: size in bytes (both multiples of 4096), RDX: PLINTH_RIGHT_*.
 * Gives [RBX, RBX + RCX), all of which must be memory, these rights. Result: 0 or an error. */
#define PLINTH_CALL_SET_RIGHTS	1

#define PLINTH_HYPERCALL_VERSION	1

#define PLINTH_RIGHT_R		1	/* read */
#define PLINTH_RIGHT_W		2	/* write */
#define PLINTH_RIGHT_XS		4	/* execute as supervisor */
#define PLINTH_RIGHT_XU		8	/* execute as user */

#define PLINTH_EPERM		(-1)	/* the call came from CPL 1, 2 or 3 */
#define PLINTH_EINVAL		(-22)	/* an argument is out of its range */
#define PLINTH_ENOSYS		(-38)	/* there is no call of this number */
