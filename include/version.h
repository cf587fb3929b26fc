/* SPDX-License-Identifier: GPL-2.0-only */
/* Which Plinth this is: `git describe` of the tree that it was built from. */
#pragma once

extern const char plinth_version[];
