# SPDX-License-Identifier: GPL-2.0-only
# The hypervisor: build/plinth.elf (ELF64, for GRUB) and build/plinth.elf32 (the same bytes as an ELF32
# file, because QEMU's -kernel takes no other), from every source of these rooms.
HV_ROOMS := boot arch/x86 arch/x86/svm arch/x86/vmx vcpu console $(PURE_ROOMS)
HV_BUILD := $(BUILD)/hv
HV_IMAGE := $(BUILD)/plinth.elf

# `make CHECKS=1 hypervisor`: build/plinth-checks.elf, which checks the order of its locks and what it
# is about to enter guests with.
ifdef CHECKS
HV_ROOMS  += lib/checks arch/x86/checks arch/x86/svm/checks arch/x86/vmx/checks
HV_BUILD  := $(BUILD)/hv-checks
HV_IMAGE  := $(BUILD)/plinth-checks.elf
HV_CHECKS := -DLOCK_CHECKS -DENTRY_CHECKS
endif

# `make CONFORM=1 hypervisor`: build/plinth-conform.elf, which tests its backend instead of running guests
# (docs/testing.md).
ifdef CONFORM
HV_ROOMS   += tests/conform
HV_LEFT_OUT := boot/work.c
HV_BUILD   := $(BUILD)/hv-conform
HV_IMAGE   := $(BUILD)/plinth-conform.elf
endif

# On an x86-64 machine the plain names do as well as the prefixed ones.
ifeq ($(shell command -v $(CC) 2>/dev/null),)
ifeq ($(shell gcc -dumpmachine 2>/dev/null | cut -d- -f1),x86_64)
CC      := gcc
LD      := ld
OBJCOPY := objcopy
NM      := nm
endif
endif

HV_CFLAGS  := -std=gnu11 -ffreestanding -nostdlib -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone \
              -mgeneral-regs-only -fno-stack-protector -fno-omit-frame-pointer \
              -mno-omit-leaf-frame-pointer -fno-optimize-sibling-calls -fcf-protection=none \
              -fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-delete-null-pointer-checks \
              -ffunction-sections -fdata-sections -O2 -g $(WARNINGS) -I. $(HV_CHECKS)
HV_LDFLAGS := -nostdlib -static -z noexecstack -z max-page-size=4096 --build-id=sha1 --gc-sections

HV_SOURCES := $(filter-out $(HV_LEFT_OUT),$(foreach r,$(HV_ROOMS),$(wildcard $(r)/*.c $(r)/*.S)))
HV_OBJS    := $(patsubst %,$(HV_BUILD)/%.o,$(basename $(HV_SOURCES))) \
              $(HV_BUILD)/font.o $(HV_BUILD)/version.o

hypervisor: $(HV_IMAGE) $(HV_IMAGE)32

$(HV_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(HV_CFLAGS) -MMD -MP -c -o $@ $<

$(HV_BUILD)/%.o: %.S
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(HV_CFLAGS) -MMD -MP -c -o $@ $<

$(HV_BUILD)/%.o: $(HV_BUILD)/%.c
	@echo "  CC      $<"
	@$(CC) $(HV_CFLAGS) -MMD -MP -c -o $@ $<

# The screen's font comes from Debian's package psf-unifont.
CONSOLE_FONT ?= /usr/share/consolefonts/Unifont-APL8x16.psf.gz

# What a plain `make` may find missing: a sentence that says what to do.
ifeq ($(shell command -v $(CC) 2>/dev/null),)
$(HV_OBJS): no-compiler
endif

$(CONSOLE_FONT) no-compiler:
	@echo "$(if $(filter no-%,$@),the compiler $(CC),the font $@) is not installed:" \
		"\`make setup-build\` installs what the build needs" >&2; exit 8

$(HV_BUILD)/font.c: tools/mkfont.py $(CONSOLE_FONT)
	@mkdir -p $(@D)
	@python3 tools/mkfont.py $(CONSOLE_FONT) >$@

# Written anew only when the version has changed.
$(HV_BUILD)/version.c: FORCE
	@mkdir -p $(@D)
	@version=$$(git --no-optional-locks describe --always --dirty 2>/dev/null || echo unknown); \
	 printf '#include "include/version.h"\nconst char plinth_version[] = "%s";\n' "$$version" >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# Two links: the table of symbols, made from the first, lies behind everything else in the second. That
# no address has moved is checked.
$(HV_IMAGE): $(HV_OBJS) linker.ld tools/mksymbols.py
	@echo "  LD      $@"
	@$(LD) $(HV_LDFLAGS) -T linker.ld -o $(HV_BUILD)/pass1.elf $(HV_OBJS)
	@$(NM) -n $(HV_BUILD)/pass1.elf | python3 tools/mksymbols.py >$(HV_BUILD)/symbols.S
	@$(CC) -c -o $(HV_BUILD)/symbols.o $(HV_BUILD)/symbols.S
	@$(LD) $(HV_LDFLAGS) -T linker.ld -o $@.new $(HV_OBJS) $(HV_BUILD)/symbols.o
	@$(NM) -n $@.new | python3 tools/mksymbols.py | cmp - $(HV_BUILD)/symbols.S || \
		{ echo "$@: addresses moved between the two links" >&2; exit 1; }
	@mv $@.new $@

$(HV_IMAGE)32: $(HV_IMAGE)
	@$(OBJCOPY) --strip-all -O elf32-i386 $< $@

$(HV_OBJS): boot/build.mk

FORCE:
.PHONY: hypervisor no-compiler FORCE
-include $(HV_OBJS:.o=.d)
