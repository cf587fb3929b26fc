/* SPDX-License-Identifier: MIT */
/* Plinth's hypercalls (include/hypercall.h), by both instructions, from both privileges. */
#include "guests/lib/guest.h"

#include "include/hypercall.h"

#define PF		14
/* Error codes of #PF: what a denial looks like, docs/hypercalls.md. */
#define PRESENT		1
#define WRITE		2
#define FETCH		16

/* Rights are taken from the second. */
static u8 pages[2][PAGE] __attribute__((aligned(4096)));
static u8 *const page = pages[1];

static long vmmcall(u64 nr, u64 b, u64 c, u64 d)
{
	__asm__ volatile("vmmcall" : "+a"(nr) : "b"(b), "c"(c), "d"(d) : "memory");
	return (long)nr;
}

static long vmcall(u64 nr, u64 b, u64 c, u64 d)
{
	__asm__ volatile("vmcall" : "+a"(nr) : "b"(b), "c"(c), "d"(d) : "memory");
	return (long)nr;
}

/* CPL 3: the call, then INT 50H, which ends the try with RAX in `trap`. */
static void call_as_user(void *code)
{
	guest_user(user_code(code, 16), USER_STACK, 2, 0);
}

static long user_result(const char *code)
{
	guest_try(call_as_user, (void *)(word)code);
	return trap.vector == 0x50 ? (long)trap.rax : 1;
}

static void write_page(void *arg)
{
	*(volatile u8 *)page = 1;
}

static void read_page(void *arg)
{
	(void)*(volatile u8 *)page;
}

static void write_across(void *arg)
{
	*(volatile u32 *)(page - 2) = 0x04030201;
}

static void execute_page(void *arg)
{
	((void (*)(void))(word)page)();
}

static long set_rights(u64 base, u64 size, u64 rights)
{
	return vmmcall(PLINTH_CALL_SET_RIGHTS, base, size, rights);
}

static void check_rights(void)
{
	u64 at = (u64)page, all = PLINTH_RIGHT_R | PLINTH_RIGHT_W | PLINTH_RIGHT_XS |
	PLINTH_RIGHT_XU;

	check("rights: all", (u64)set_rights(at, PAGE, all), 0);
	check("rights: read only", (u64)set_rights(at, PAGE, PLINTH_RIGHT_R), 0);
	check("rights: reading works", (u64)guest_try(read_page, NULL), 0);
	check("rights: all again", (u64)set_rights(at, PAGE, all), 0);
	check("rights: writing works again", (u64)guest_try(write_page, NULL), 0);
	check("rights: odd address", (u64)set_rights(at + 1, PAGE, all), (u64)PLINTH_EINVAL);
	check("rights: odd size", (u64)set_rights(at, PAGE + 8, all), (u64)PLINTH_EINVAL);
	check("rights: no size", (u64)set_rights(at, 0, all), (u64)PLINTH_EINVAL);
	check("rights: no memory", (u64)set_rights(0xfe000000, PAGE, all), (u64)PLINTH_EINVAL);
	check("rights: wraps", (u64)set_rights(at, -PAGE, all), (u64)PLINTH_EINVAL);
	check("rights: unknown right", (u64)set_rights(at, PAGE, 16), (u64)PLINTH_EINVAL);
}

static void check_denials(void)
{
	const u64 at = (u64)page, read = PLINTH_RIGHT_R, write = PLINTH_RIGHT_W;

	memset(pages, 0, sizeof(pages));
	page[0] = 0xc3;		/* RET */
	set_rights(at, PAGE, read);
	check_trap("denied: writing", write_page, NULL, PF, PRESENT | WRITE);
	check("denied: CR2 of writing", trap.cr2, at);
	check_trap("denied: writing over the border", write_across, NULL, PF, PRESENT | WRITE);
	check("denied: CR2 of that", trap.cr2, at);
	check("denied: nothing was written", *(u32 *)(page - 2), 0xc30000);
	set_rights(at, PAGE, read | write);
	check_trap("denied: executing", execute_page, NULL, PF, PRESENT | FETCH);
	check("denied: CR2 of executing", trap.cr2, at);
	set_rights(at, PAGE, 0);
	check_trap("denied: reading", read_page, NULL, PF, PRESENT);
	check("denied: CR2 of reading", trap.cr2, at);
	set_rights(at, PAGE, read | write | PLINTH_RIGHT_XS | PLINTH_RIGHT_XU);
	check("allowed: executing", (u64)guest_try(execute_page, NULL), 0);
}

void guest_main(u32 magic, u32 info)
{
	if (!under_plinth()) {
		skip("hypercalls", "not under Plinth");
		return;
	}
	check("version by VMMCALL", (u64)vmmcall(PLINTH_CALL_VERSION, 0, 0, 0),
	      PLINTH_HYPERCALL_VERSION);
	check("version by VMCALL", (u64)vmcall(PLINTH_CALL_VERSION, 0, 0, 0),
	      PLINTH_HYPERCALL_VERSION);
	check("unknown call", (u64)vmmcall(1000, 0, 0, 0), (u64)PLINTH_ENOSYS);
	check("call with high bits", (u64)vmmcall(1ull << 32, 0, 0, 0), (u64)PLINTH_ENOSYS);
	set_gate_dpl(0x50, 3);
	/* xor %eax, %eax; vmmcall or vmcall; int $0x50 */
	check("VMMCALL from CPL 3", (u64)user_result("\x31\xc0\x0f\x01\xd9\xcd\x50"),
	      (u64)PLINTH_EPERM);
	check("VMCALL from CPL 3", (u64)user_result("\x31\xc0\x0f\x01\xc1\xcd\x50"),
	      (u64)PLINTH_EPERM);
	check_rights();
	check_denials();
}
