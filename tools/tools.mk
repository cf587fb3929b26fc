# SPDX-License-Identifier: GPL-2.0-only
# Set-up, boot images, running. What each does is told by tools/run --help and tools/setup.
GUEST_DIR   := $(BUILD)/guest
DEBIAN      := $(GUEST_DIR)/vmlinuz $(GUEST_DIR)/initrd.gz
# no_timer_check: on a busy host the emulator loses timer interrupts, with Plinth or without, and
# Linux then takes the wiring of the timer for broken.
DEBIAN_SPEC := kernel=$(GUEST_DIR)/vmlinuz,initrd=$(GUEST_DIR)/initrd.gz,mem=512M,$\
               cmdline=console=ttyS0 quiet no_timer_check

# GUEST: another guest for make run and make iso; HV: Plinth's own options; RUN: more words for tools/run;
# MACHINE: a row of its table. PEER=kvm: make bench measures Linux KVM too.
GUEST   ?= $(DEBIAN_SPEC)
HV      ?=
RUN     ?=
PEER    ?=
MACHINE ?= svm

setup-%:
	@tools/setup $*

$(GUEST_DIR)/vmlinuz:
	@tools/guest-kernel $(GUEST_DIR)

$(GUEST_DIR)/initrd.gz: tools/initramfs tools/init | $(GUEST_DIR)/vmlinuz
	@echo "set-up: making the guest's initramfs"
	@tools/initramfs $(GUEST_DIR)/busybox $@

# Only the guest that is used unless GUEST says otherwise has to be fetched.
guest-files: $(if $(filter file,$(origin GUEST)),$(DEBIAN))
	@:

# What MACHINE and RUN ask for.
IN_BOCHS  := vmx vmx-no-ug svm-bochs no-vmx
RUN_NEEDS := $(if $(filter $(IN_BOCHS),$(MACHINE)),bochs,run) \
             $(if $(findstring --media,$(RUN)),iso) $(if $(findstring uefi,$(RUN)),iso uefi)

run:
	@tools/setup build $(RUN_NEEDS)
	@$(MAKE) --no-print-directory hypervisor guest-files
	@echo "set-up: done; starting the emulator (Ctrl-A X leaves)"
	@tools/run --image $(HV_IMAGE) --machine $(MACHINE) --hv "$(HV)" --guest "$(GUEST)" $(RUN)

iso:
	@tools/setup build iso
	@$(MAKE) --no-print-directory hypervisor guest-files
	@tools/iso --image $(HV_IMAGE) --hv "$(HV)" "$(GUEST)"
	@echo "made $(BUILD)/plinth.iso"

# Folders filled before KVM's modules were wanted have none.
$(GUEST_DIR)/modules/kvm-amd.ko:
	@tools/guest-kernel $(GUEST_DIR)

bench:
	@case "$(PEER)" in kvm|"") ;; *) \
		echo "PEER=$(PEER) can't be measured; PEER=kvm can, or leave it out" >&2; exit 2;; esac
	@tools/setup bench
	@$(MAKE) -s --no-print-directory hypervisor guests $(if $(PEER),$(GUEST_DIR)/modules/kvm-amd.ko) $(DEBIAN)
	@tools/bench --image $(HV_IMAGE) $(if $(PEER),--peer $(PEER))

help:
	@echo "make            build the hypervisor: $(BUILD)/plinth.elf"
	@echo "make run        set everything up and start Debian's Linux as a guest, in this terminal"
	@echo "                  GUEST='kernel=…' another guest, HV='…' Plinth's options,"
	@echo "                  MACHINE=… the machine, RUN='…' more words for tools/run"
	@echo "make iso        one image for CD and USB stick, BIOS and UEFI: $(BUILD)/plinth.iso"
	@echo "make guests     build the test kernels that run as guests"
	@echo "make test       set-up, all tests (host, checks, system), totals"
	@echo "make test-host  the host's unit tests alone"
	@echo "make test-long  PART=NAME: what takes longer; without it, the names there are"
	@echo "make fuzz       every fuzz target for FUZZ_SECONDS (30) each"
	@echo "make reliability  what Plinth is measured by, and the figures kept from tests"
	@echo "make bench      what exits cost, in instructions; PEER=kvm: measures Linux KVM beside it"
	@echo "make clean      remove $(BUILD)"
	@echo "make help       this"
	@echo "tools/run --help explains how an emulator is started by hand"

.PHONY: run iso bench help guest-files
