# SPDX-License-Identifier: MIT
# Host tests: the pure rooms compiled unchanged with the host's compiler and sanitizers, one program
# for each tests/host/test_*.c, linked with all of it and cmocka.
HOST_CC     ?= gcc
HOST_CFLAGS := -std=gnu11 -O1 -g -I. -fsanitize=address,undefined -fno-sanitize-recover=all \
               -fno-omit-frame-pointer $(WARNINGS)
HOST_BUILD  := $(BUILD)/host

# lib/'s own string and printf would replace the C library's: their test includes the .c under other names.
HOST_PURE   := $(filter-out lib/string.c lib/printf.c,$(foreach r,$(PURE_ROOMS),$(wildcard $(r)/*.c))) \
               $(PURE_FILES)
HOST_OBJS   := $(HOST_PURE:%.c=$(HOST_BUILD)/%.o) $(HOST_BUILD)/tests/host/support.o
HOST_TESTS  := $(patsubst tests/host/%.c,$(HOST_BUILD)/%,$(wildcard tests/host/test_*.c))

$(HOST_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(HOST_CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

$(HOST_BUILD)/libplinth.a: $(HOST_OBJS)
	rm -f $@; ar rcs $@ $^

$(HOST_TESTS): $(HOST_BUILD)/test_%: $(HOST_BUILD)/tests/host/test_%.o $(HOST_BUILD)/libplinth.a
	$(HOST_CC) $(HOST_CFLAGS) -o $@ $< $(HOST_BUILD)/libplinth.a -lcmocka $(HOST_LIBS_test_$*)

HOST_LIBS_test_emulate := -lcapstone -lunicorn
HOST_LIBS_test_decode := -lcapstone

# One host test: make build/host/test_NAME && build/host/test_NAME
test-host: $(HOST_TESTS)
	@for t in $(HOST_TESTS); do echo "== $$t"; timeout 120 $$t || exit 1; done

# Everything: set-up, builds, then tests/run_all.py with its totals. JOBS: how many at a time.
JOBS ?= $(shell nproc)

test:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) test-built
	@JOBS=$(JOBS) CROSS_COMPILE=$(CROSS_COMPILE) tests/run_all.py $(HOST_TESTS)

test-built: hypervisor guests $(DEBIAN) $(HOST_TESTS)

check:
	@tests/check_floors.py

.PRECIOUS: $(HOST_BUILD)/%.o
.PHONY: test-host test test-built check
-include $(HOST_OBJS:.o=.d) $(patsubst %,$(HOST_BUILD)/tests/host/%.d,$(notdir $(HOST_TESTS)))
