# SPDX-License-Identifier: MIT
# Test kernels: guests/NAME.c each, with guests/lib/, as multiboot 1 ELF32 files build/guests/NAME.elf.
# TAP_GUESTS end with a plan and the debug exit; the others end, or don't, in their own way.
TAP_GUESTS   := boot cpuid hypercall exceptions paging interrupts timers uart mmio \
                prefixes fpu selfmod
OTHER_GUESTS := bench triple reset-i8042 reset-cf9 poweroff heartbeat
GUEST_BUILD  := $(BUILD)/guests
GUEST_FLAGS  := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-stack-protector -mno-red-zone \
                -mgeneral-regs-only -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns \
                -mcmodel=small -fcf-protection=none -I. $(WARNINGS)
GUEST_LIB    := $(patsubst %,$(GUEST_BUILD)/lib/%.o,start guest paging acpi)
GUESTS       := $(TAP_GUESTS) $(OTHER_GUESTS)

guests: $(GUESTS:%=$(GUEST_BUILD)/%.elf)

list-guests:
	@printf '%s\n' $(TAP_GUESTS)

$(GUEST_BUILD)/%.o: guests/%.c
	@mkdir -p $(@D)
	$(CC) $(GUEST_FLAGS) -MMD -MP -c -o $@ $<

$(GUEST_BUILD)/%.o: guests/%.S
	@mkdir -p $(@D)
	$(CC) $(GUEST_FLAGS) -MMD -MP -c -o $@ $<

# The 64-bit program goes into an ELF32 file: what QEMU's -kernel takes.
$(GUEST_BUILD)/%.elf: $(GUEST_BUILD)/%.o $(GUEST_LIB) guests/lib/link.ld
	$(LD) -m elf_x86_64 -static -nostdlib -z max-page-size=4096 --no-warn-rwx-segments \
		-T guests/lib/link.ld -o $@.64 $(GUEST_LIB) $<
	$(OBJCOPY) -O elf32-i386 $@.64 $@

.PRECIOUS: $(GUEST_BUILD)/%.o $(GUEST_BUILD)/lib/%.o
.PHONY: guests list-guests
-include $(wildcard $(GUEST_BUILD)/*.d $(GUEST_BUILD)/lib/*.d)
