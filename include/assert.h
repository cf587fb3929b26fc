/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * assert(): a promise of Plinth's own code, kept in release builds. Never for anything that a guest
 * or a machine can cause: those have statuses. The hypervisor's assert_failed() panics, the one
 * of the host tests aborts.
 */
#pragma once

#include "include/types.h"

noreturn_fn void assert_failed(const char *expression, const char *file, int line);

#undef assert
#define assert(e) \
	((void)(likely(e) || (assert_failed(#e, __FILE__, __LINE__), 0)))
#ifndef static_assert
#define static_assert _Static_assert
#endif
