/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Integer types, the address types, and nothing else.
 *
 * The four kinds of address are one-word structs, so that mixing them does not compile
 *. A frame number is an address >> PAGE_SHIFT: gfn of a gpa, pfn of an hpa.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef struct { u64 v; } gva_t;	/* guest virtual (linear) address, of whoever runs */
typedef struct { u64 v; } ngpa_t;	/* what an L2 takes for physical */
typedef struct { u64 v; } gpa_t;	/* guest physical address, of L1 */
typedef struct { u64 v; } hpa_t;	/* host physical address */

#define GVA(x)	((gva_t){ (x) })
#define NGPA(x)	((ngpa_t){ (x) })
#define GPA(x)	((gpa_t){ (x) })
#define HPA(x)	((hpa_t){ (x) })

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1ull << PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define KIB(x)		((u64)(x) << 10)
#define MIB(x)		((u64)(x) << 20)
#define GIB(x)		((u64)(x) << 30)

#define BIT(n)		(1ull << (n))
/* Bits from lo to hi, both included. */
#define BITS(hi, lo)	((~0ull >> (63 - (hi))) & (~0ull << (lo)))

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a)	((x) & ~((u64)(a) - 1))
#define ALIGN_UP(x, a)		(((x) + ((u64)(a) - 1)) & ~((u64)(a) - 1))
#define MIN(a, b)		((a) < (b) ? (a) : (b))
#define MAX(a, b)		((a) > (b) ? (a) : (b))
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))

#define noreturn_fn	__attribute__((noreturn))
#define packed_struct	__attribute__((packed))
#define aligned_to(n)	__attribute__((aligned(n)))
#define printf_like(f, a)	__attribute__((format(printf, f, a)))
#define always_inline	inline __attribute__((always_inline))
#define must_check	__attribute__((warn_unused_result))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
