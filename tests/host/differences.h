/* SPDX-License-Identifier: MIT */
/* Where unicorn differs from the manuals: the lines of tests/emulator-differences. */
#pragma once

#include "tests/host/cases.h"
#include "tests/host/reference.h"

/* Is what the two made of the case such a difference? Nothing else of it is compared then. */
bool differs_rightly(const struct test_case *c, const struct emulate_result *ours,
		     const struct reference *theirs, const struct machine *before);

/* Every difference has its line, and was met if `all`; how many there are. */
unsigned check_differences(bool all);
