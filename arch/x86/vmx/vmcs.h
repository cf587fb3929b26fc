/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX instructions as C functions, one each (SDM vol. 3C, "VMX Instruction Reference"). Fields
 * are those of the current VMCS of this CPU. Which fields there are is known from the capabilities,
 * so a failing access is Plinth's own mistake; the instructions that take an address tell.
 */
#pragma once

#include "include/types.h"
#include "include/x86/vmx.h"

/* Panics. */
noreturn_fn void vmcs_access_failed(u32 field);

static inline u64 vmcs_read(u32 field)
{
	u64 value;

	asm goto("vmread %1, %0\n\t"
		 "jbe %l[failed]"
		 : "=r"(value) : "r"((u64)field) : "cc" : failed);
	return value;
failed:
	vmcs_access_failed(field);
}

/* The same for a field that this CPU may lack. False: it does. */
static inline bool must_check vmcs_read_safe(u32 field, u64 *value)
{
	bool done;
	u64 read;

	asm volatile("vmread %2, %1" : "=@cca"(done), "=r"(read) : "r"((u64)field));
	if (done)
		*value = read;
	return done;
}

static inline void vmcs_write(u32 field, u64 value)
{
	asm goto("vmwrite %1, %0\n\t"
		 "jbe %l[failed]"
		 : : "r"((u64)field), "rm"(value) : "cc", "memory" : failed);
	return;
failed:
	vmcs_access_failed(field);
}

/* `region`: host physical address of a VMXON region or VMCS. False: the CPU refuses it. */
static inline bool must_check vmxon(u64 region)
{
	bool done;

	asm volatile("vmxon %1" : "=@cca"(done) : "m"(region) : "memory");
	return done;
}

static inline bool must_check vmclear(u64 region)
{
	bool done;

	asm volatile("vmclear %1" : "=@cca"(done) : "m"(region) : "memory");
	return done;
}

static inline bool must_check vmptrld(u64 region)
{
	bool done;

	asm volatile("vmptrld %1" : "=@cca"(done) : "m"(region) : "memory");
	return done;
}

/* Forgets translations by an EPT pointer (enum invept_type). False: a type that this CPU lacks. */
static inline bool must_check invept(u64 type, u64 eptp)
{
	u64 descriptor[2] = { eptp, 0 };
	bool done;

	asm volatile("invept %1, %2" : "=@cca"(done) : "m"(descriptor), "r"(type) : "memory");
	return done;
}

/* The same by VPID (enum invvpid_type). */
static inline bool must_check invvpid(u64 type, u16 vpid)
{
	u64 descriptor[2] = { vpid, 0 };
	bool done;

	asm volatile("invvpid %1, %2" : "=@cca"(done) : "m"(descriptor), "r"(type) : "memory");
	return done;
}
