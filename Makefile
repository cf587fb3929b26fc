# SPDX-License-Identifier: GPL-2.0-only
# Plinth. `make help` lists the targets; each part's rules stand in its own room:
#   boot/build.mk   the hypervisor          tests/tests.mk    host and system tests
#   guests/guests.mk  the test kernels      tools/tools.mk    set-up, images, make run
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:

CROSS_COMPILE ?= x86_64-linux-gnu-
CC      := $(CROSS_COMPILE)gcc
LD      := $(CROSS_COMPILE)ld
OBJCOPY := $(CROSS_COMPILE)objcopy
NM      := $(CROSS_COMPILE)nm
BUILD   := build

# Rooms whose code is pure: compiled unchanged into the host tests.
PURE_ROOMS := lib mm mm/format mm/pagewalk mm/shadow emulate devices loader
# Files of other rooms that are as pure.
PURE_FILES := $(patsubst %,vcpu/%.c,events exits cpuid msr registers code emulation emulation_system interpret startup handshake) \
              $(wildcard arch/x86/vmx/entry_*.c) arch/x86/vmx/caps.c \
              arch/x86/svm/entry_checks.c

WARNINGS := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla \
            -Wno-unused-parameter -Wno-missing-field-initializers -Wimplicit-fallthrough

all: hypervisor

include boot/build.mk
include guests/guests.mk
include tools/tools.mk
include tests/tests.mk

clean:
	rm -rf $(BUILD)

.PHONY: all clean
