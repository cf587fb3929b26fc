# SPDX-License-Identifier: MIT
"""SeaBIOS as a guest: foreign code in real mode, in protected mode and back, from the reset
vector up to where it finds nothing to boot from."""
import os
import re

import pytest

FIRMWARE = "/usr/share/seabios/bios-256k.bin"
# What it says on its debug console, in this order.
LINES = [r"SeaBIOS \(version", r"Running on QEMU \(i440fx\)", r"QEMU fw_cfg DMA interface supported",
         r"Found 3 PCI devices", r"Using pmtimer, ioport 0xb008", r"Found 1 cpu\(s\)",
         r"Copying MPTABLE", r"Copying ACPI RSDP", r"All threads complete", r"enter handle_19"]


@pytest.mark.skipif(not os.path.exists(FIRMWARE), reason="no SeaBIOS: tools/setup test installs it")
@pytest.mark.parametrize("machine", ["svm", "vmx", "vmx-no-ug"])
def test_seabios(run, machine):
    result = run("--machine", machine, "--guest", f"kernel={FIRMWARE},protocol=firmware",
                 "--expect", "enter handle_18", timeout=120)
    assert result.status == 0 and result.says("guest 1: firmware, 256 MiB"), result
    assert not result.says("killed"), result
    rest = result.output
    for line in LINES:
        found = re.search(line, rest)
        assert found, (line, result)
        rest = rest[found.end():]
