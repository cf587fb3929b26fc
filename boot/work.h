/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this image is for, once the machine is up: in plinth.elf, its guests (work.c). The image of
 * `make CONFORM=1 hypervisor` has tests/conform/work.c in its place.
 */
#pragma once

#include "boot/options.h"
#include "include/bootinfo.h"

/* Does it, and has told what is to come when it returns. NULL, or a sentence that says why this machine
 * can't. */
const char *must_check work(const struct boot_info *boot, const struct options *options);
