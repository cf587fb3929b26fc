# SPDX-License-Identifier: MIT
# Test kernels: guests/NAME.c each, with guests/lib/, as multiboot 1 ELF32 build/guests/NAME.elf (boot-*: as their names say).
# TAP_GUESTS and SMP_GUESTS (four CPUs) end with a plan and the debug exit; the others end, or
# don't, in their own way.
GUESTS_32    := exceptions32 paging32 pae code16
TAP_GUESTS   := boot boot-pvh cpuid hypercall exceptions paging interrupts timers uart mmio \
                prefixes fpu selfmod $(GUESTS_32)
TAP_GUESTS   += msr debug delivery shadow nmi privilege undefined intercepts control strings strings_io
PAGING_32    := accesspae access32
GUESTS_32    += $(PAGING_32) modefuzz
TAP_GUESTS   += devices
TAP_GUESTS   += access walks modes paging57 pku tables $(PAGING_32)
TAP_GUESTS   += pic pit emulate realmode
OTHER_GUESTS := modefuzz boot-multiboot2 bench breakpoint triple reset-i8042 reset-cf9 poweroff heartbeat storm
OTHER_GUESTS += apdeath initstorm
SMP_GUESTS   := smp ipi ipicount
SMP_GUESTS   += shootdown x2apic atomic ioapic
GUESTS       := $(TAP_GUESTS) $(SMP_GUESTS) $(OTHER_GUESTS)
# Further keys of --guest that a kernel needs, bare and under Plinth.
GUEST_KEYS   := $(SMP_GUESTS:%=%,cpus=4)
GUEST_BUILD  := $(BUILD)/guests
GUEST_FLAGS  := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-stack-protector -mgeneral-regs-only \
                -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns \
                -fcf-protection=none -I. $(WARNINGS)
GUEST_64     := -mno-red-zone -mcmodel=small
GUEST_LIB    := $(patsubst %,$(GUEST_BUILD)/lib/%.o,start stubs guest tap paging acpi)
# How it is loaded, and entered.
GUEST_HEADER := multiboot
HEADERS      := $(patsubst %,$(GUEST_BUILD)/lib/%.o,multiboot multiboot2 pvh)
GUEST_LIB_32 := $(patsubst %,$(GUEST_BUILD)/lib32/%.o,start32 stubs guest32 tap)
SMP_LIB      := $(patsubst %,$(GUEST_BUILD)/lib/%.o,smp ap)
ACCESS_LIB   := accesses access_kinds access_model
GUEST_LD     := $(LD) -static -nostdlib -z max-page-size=4096 --no-warn-rwx-segments \
                -T guests/lib/link.ld

guests: $(GUESTS:%=$(GUEST_BUILD)/%.elf)

list-guests:
	@printf '%s\n' $(TAP_GUESTS) $(GUEST_KEYS)

$(GUEST_BUILD)/lib32/%.o: guests/lib/%.c
	@mkdir -p $(@D)
	$(CC) -m32 $(GUEST_FLAGS) -MMD -MP -c -o $@ $<

$(GUEST_BUILD)/lib32/%.o: guests/lib/%.S
	@mkdir -p $(@D)
	$(CC) -m32 $(GUEST_FLAGS) -MMD -MP -c -o $@ $<

$(GUESTS_32:%=$(GUEST_BUILD)/%.o): $(GUEST_BUILD)/%.o: guests/%.c
	@mkdir -p $(@D)
	$(CC) -m32 $(GUEST_FLAGS) -MMD -MP -c -o $@ $<

$(GUEST_BUILD)/%.o: guests/%.c
	@mkdir -p $(@D)
	$(CC) $(GUEST_64) $(GUEST_FLAGS) -MMD -MP -c -o $@ $<

$(GUEST_BUILD)/%.o: guests/%.S
	@mkdir -p $(@D)
	$(CC) $(GUEST_64) $(GUEST_FLAGS) -MMD -MP -c -o $@ $<

$(GUESTS_32:%=$(GUEST_BUILD)/%.elf): $(GUEST_BUILD)/%.elf: $(GUEST_BUILD)/%.o $(GUEST_LIB_32) \
		guests/lib/link.ld
	$(GUEST_LD) -m elf_i386 -o $@ $(GUEST_LIB_32) $(GUEST_EXTRA) $<

# What only some kernels are linked with, in front of the rule that links them.
$(GUEST_BUILD)/access.elf: GUEST_EXTRA := $(patsubst %,$(GUEST_BUILD)/lib/%.o,$(ACCESS_LIB) user64 modes)
$(GUEST_BUILD)/access.elf: $(patsubst %,$(GUEST_BUILD)/lib/%.o,$(ACCESS_LIB) user64 modes)
$(GUEST_BUILD)/modes.elf $(GUEST_BUILD)/paging57.elf: GUEST_EXTRA := $(GUEST_BUILD)/lib/modes.o
$(GUEST_BUILD)/modes.elf $(GUEST_BUILD)/paging57.elf: $(GUEST_BUILD)/lib/modes.o
$(GUEST_BUILD)/realmode.elf: GUEST_EXTRA := $(patsubst %,$(GUEST_BUILD)/lib/%.o,modes real)
$(GUEST_BUILD)/realmode.elf: $(patsubst %,$(GUEST_BUILD)/lib/%.o,modes real)
ACCESS_32    := $(GUEST_BUILD)/accesspae.elf $(GUEST_BUILD)/access32.elf
$(ACCESS_32): GUEST_EXTRA := $(patsubst %,$(GUEST_BUILD)/lib32/%.o,$(ACCESS_LIB) user32)
$(ACCESS_32): $(patsubst %,$(GUEST_BUILD)/lib32/%.o,$(ACCESS_LIB) user32)

$(GUEST_BUILD)/bench.elf: GUEST_EXTRA := $(GUEST_BUILD)/lib/bench_paging.o
$(GUEST_BUILD)/bench.elf: $(GUEST_BUILD)/lib/bench_paging.o

SMP_LINKED   := $(SMP_GUESTS) apdeath initstorm
$(SMP_LINKED:%=$(GUEST_BUILD)/%.elf): GUEST_EXTRA := $(SMP_LIB)
$(SMP_LINKED:%=$(GUEST_BUILD)/%.elf): $(SMP_LIB)

$(GUEST_BUILD)/boot-multiboot2.elf: GUEST_HEADER := multiboot2
$(GUEST_BUILD)/boot-pvh.elf: GUEST_HEADER := pvh

# The 64-bit program goes into an ELF32 file: what QEMU's -kernel takes.
$(GUEST_BUILD)/%.elf: $(GUEST_BUILD)/%.o $(GUEST_LIB) $(HEADERS) guests/lib/link.ld
	$(GUEST_LD) -m elf_x86_64 -o $@.64 $(GUEST_BUILD)/lib/$(GUEST_HEADER).o $(GUEST_LIB) \
		$(GUEST_EXTRA) $<
	$(OBJCOPY) -O elf32-i386 $@.64 $@

.PRECIOUS: $(GUEST_BUILD)/%.o $(GUEST_BUILD)/lib/%.o $(GUEST_BUILD)/lib32/%.o
.PHONY: guests list-guests
-include $(wildcard $(GUEST_BUILD)/*.d $(GUEST_BUILD)/lib/*.d $(GUEST_BUILD)/lib32/*.d)
