# SPDX-License-Identifier: MIT
# Host tests: the pure rooms compiled unchanged with the host's compiler and sanitizers, one program
# for each tests/host/test_*.c, linked with all of it and cmocka.
HOST_CC     ?= gcc
# What of the flags tests/coverage replaces by its counters.
HOST_WATCH  := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_CFLAGS := -std=gnu11 -g -I. -DLOCK_CHECKS $(HOST_WATCH) -fno-omit-frame-pointer $(WARNINGS)
HOST_BUILD  := $(BUILD)/host
comma       := ,

# lib/'s own string and printf would replace the C library's: their test includes the .c under other names.
HOST_PURE   := $(filter-out lib/string.c lib/printf.c,$(foreach r,$(PURE_ROOMS),$(wildcard $(r)/*.c))) \
               $(PURE_FILES) lib/checks/lock_order.c
HOST_OBJS   := $(HOST_PURE:%.c=$(HOST_BUILD)/%.o) $(HOST_BUILD)/tests/host/support.o
HOST_TESTS  := $(patsubst tests/host/%.c,$(HOST_BUILD)/%,$(wildcard tests/host/test_*.c))

$(HOST_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(HOST_CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

$(HOST_BUILD)/libplinth.a: $(HOST_OBJS)
	rm -f $@; ar rcs $@ $^

$(filter-out %/test_forms %/test_native,$(HOST_TESTS)): $(HOST_BUILD)/test_%: $(HOST_BUILD)/tests/host/test_%.o $(HOST_BUILD)/libplinth.a
	$(HOST_CC) $(HOST_CFLAGS) -o $@ $< $(HOST_PARTS_test_$*) $(HOST_BUILD)/libplinth.a -lcmocka \
		$(HOST_LIBS_test_$*)

# What one test needs beside its own file: helpers (rooms' rules as for libplinth.a), and libraries.
host_parts = $(1:%=$(HOST_BUILD)/tests/host/%.o)
machine_parts := $(call host_parts,machine fpu) $(HOST_BUILD)/vcpu/vector_state.o
HOST_PARTS_test_emulate := $(machine_parts)
HOST_PARTS_test_single_fetch := $(machine_parts)
HOST_PARTS_test_form_table := $(machine_parts) $(call host_parts,forms cases)
HOST_LIBS_test_form_table := -lcapstone
HOST_LIBS_test_control := -lunicorn
HOST_LIBS_test_interpret := -lunicorn
HOST_LIBS_test_decode := -lcapstone
$(HOST_BUILD)/test_emulate: $(HOST_PARTS_test_emulate)
$(HOST_BUILD)/test_form_table: $(HOST_PARTS_test_form_table)
$(HOST_BUILD)/test_single_fetch: $(HOST_PARTS_test_single_fetch)

# The backend of VMX as it is, on a VMCS that is an array (tests/host/fake).
$(HOST_BUILD)/tests/host/test_vmx_run.o: HOST_CFLAGS := -Itests/host/fake $(HOST_CFLAGS)

# Millions of instructions: optimised, and without ASan, which test_emulate has over the same code.
FAST_BUILD  := $(HOST_BUILD)/fast
FAST_CFLAGS := $(subst -O1,-O2,$(subst address$(comma)undefined,undefined,$(HOST_CFLAGS)))
fast_objs    = $(patsubst %,$(FAST_BUILD)/tests/host/%.o,$(1))
FAST_COMMON := $(patsubst %.c,$(FAST_BUILD)/%.o,$(wildcard emulate/*.c) vcpu/vector_state.c) \
               $(call fast_objs,support machine fpu forms cases undefined)
FAST_FORMS  := $(call fast_objs,test_forms reference differences)
FAST_NATIVE := $(call fast_objs,test_native native)
FAST_OBJS   := $(FAST_COMMON) $(FAST_FORMS) $(FAST_NATIVE)

# They load the guest's vector registers, so the compiler must not use its own.
%/vcpu/vector_state.o %/tests/host/fpu.o: HOST_CFLAGS += -mgeneral-regs-only
%/vcpu/vector_state.o %/tests/host/fpu.o: FAST_CFLAGS += -mgeneral-regs-only

$(FAST_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(HOST_CC) $(FAST_CFLAGS) -MMD -MP -c -o $@ $<

$(HOST_BUILD)/test_forms: $(FAST_COMMON) $(FAST_FORMS)
	$(HOST_CC) $(FAST_CFLAGS) -o $@ $^ -lcmocka -lunicorn

$(HOST_BUILD)/test_native: $(FAST_COMMON) $(FAST_NATIVE)
	$(HOST_CC) $(FAST_CFLAGS) -o $@ $^ -lcmocka

# Fuzz targets: tests/fuzz/fuzz_*.c, each with the pure rooms, by clang's libFuzzer with sanitizers.
FUZZ_CC      ?= clang
FUZZ_CFLAGS  := -std=gnu11 -O1 -g -I. -fno-omit-frame-pointer -fno-sanitize-recover=all \
                -DLOCK_CHECKS $(filter-out -Werror,$(WARNINGS))
FUZZ_BUILD   := $(BUILD)/fuzz
FUZZ_OBJS    := $(HOST_PURE:%.c=$(FUZZ_BUILD)/%.o) $(FUZZ_BUILD)/tests/host/support.o
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(FUZZ_BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 30

$(FUZZ_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

# An archive: only what a target uses is linked.
$(FUZZ_BUILD)/libplinth.a: $(FUZZ_OBJS)
	rm -f $@; ar rcs $@ $^

$(FUZZ_TARGETS): $(FUZZ_BUILD)/%: $(FUZZ_BUILD)/tests/fuzz/%.o $(FUZZ_BUILD)/libplinth.a
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $^ $(FUZZ_LIBS_$*)

# Those that are made of a host test need its library, which fails by ending the program.
FUZZ_LIBS_fuzz_pagewalk := -lcmocka
FUZZ_LIBS_fuzz_control := -lcmocka
FUZZ_LIBS_fuzz_mmu := -lcmocka

# Each for FUZZ_SECONDS, one after the other. One alone, for as long as you like:
# make build/fuzz/fuzz_NAME && build/fuzz/fuzz_NAME
fuzz:
	@case "$(FUZZ_SECONDS)" in 0*|*[!0-9]*|"") \
		echo "FUZZ_SECONDS=$(FUZZ_SECONDS) is no number of seconds from 1 on" >&2; exit 2;; esac
	@tools/setup fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) $(FUZZ_TARGETS)
	@for t in $(FUZZ_TARGETS); do mkdir -p $$t.corpus; echo "== $$t"; \
		$$t -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$$t. $$t.corpus || exit 1; done

# One host test: make build/host/test_NAME && build/host/test_NAME
test-host: $(HOST_TESTS)
	@for t in $(HOST_TESTS); do echo "== $$t"; timeout 300 $$t || exit 1; done

# Everything: set-up, builds, then tests/run_all.py with its totals. JOBS: how many at a time.
JOBS ?= $(shell nproc)

test:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) test-built
	@JOBS=$(JOBS) CROSS_COMPILE=$(CROSS_COMPILE) tests/run_all.py $(HOST_TESTS)

# What takes longer, by parts: tests/parts.py. PART=list tells which; PART=auto chooses by what changed
# since BASE (a commit).
PART ?= list

test-long:
	@command -v python3 >/dev/null || tools/setup test
	@tests/run_all.py --check-part "$(PART)"
	@case "$(PART)" in list) ;; *) tools/setup test && \
		$(MAKE) --no-print-directory -j$(JOBS) test-built && \
		JOBS=$(JOBS) CROSS_COMPILE=$(CROSS_COMPILE) tests/run_all.py --part "$(PART)" ;; esac

reliability:
	@tests/reliability.py

# Programs that run in the Linux guest.
LINUX_TESTS := $(patsubst tests/linux/%.c,$(BUILD)/linux/%,$(wildcard tests/linux/*.c))

$(BUILD)/linux/%: tests/linux/%.c
	@mkdir -p $(@D)
	$(HOST_CC) -std=gnu11 -O1 $(WARNINGS) -static -pthread -o $@ $<

test-built: hypervisor guests $(DEBIAN) $(HOST_TESTS) $(LINUX_TESTS)
	@$(MAKE) --no-print-directory CHECKS=1 hypervisor
	@$(MAKE) --no-print-directory CONFORM=1 hypervisor

check:
	@tests/check_floors.py

.PRECIOUS: $(HOST_BUILD)/%.o $(FUZZ_BUILD)/%.o
.PHONY: test-host test test-long test-built reliability check fuzz
-include $(FUZZ_TARGETS:$(FUZZ_BUILD)/%=$(FUZZ_BUILD)/tests/fuzz/%.d) $(FUZZ_OBJS:.o=.d) $(HOST_OBJS:.o=.d) $(FAST_OBJS:.o=.d) $(HOST_PARTS_test_form_table:.o=.d) $(patsubst %,$(HOST_BUILD)/tests/host/%.d,$(notdir $(HOST_TESTS)))
