# SPDX-License-Identifier: MIT
"""Boots in a row: none may fail (RELIABILITY R1). Part "boots" of make test-long."""
import concurrent.futures
import os

import pytest

from conftest import debian, run_tool, type_in_shell

pytestmark = pytest.mark.part("boots")
WORKERS = int(os.environ.get("JOBS") or min(os.cpu_count() or 1, 4))
BOOTS = int(os.environ.get("BOOTS") or 1000)


def boot(number):
    """Boot `number`: mostly the quick way, each 50th from a CD or as a UEFI stick; from one to four
    CPUs, from none to two guests. None, or how it went wrong."""
    words = ["--cpus", str(1 + number % 4)]
    if number % 50 == 49:
        words += ["--firmware", "uefi", "--media", "usb"]
    elif number % 50 == 24:
        words += ["--media", "cd"]
    guests = number % 3 if number % 4 else min(number % 3, 1)
    words += ["--guest", "kernel=build/guests/boot.elf,mem=64M"] * guests
    result = run_tool(*words, timeout=90)
    passed = result.output.count("\n1..") == guests and "not ok" not in result.output
    if guests > 1:      # each line has its guest's name before it
        passed = "not ok" not in result.output and result.says("all guests have ended")
    return None if passed and result.status in (0, 1) else f"boot {number}: {words}: {result}"


@pytest.mark.timeout(1700)
def test_in_a_row(figure):
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        faults = [fault for fault in pool.map(boot, range(BOOTS)) if fault]
    figure("R1", f"{BOOTS} boots, {len(faults)} failures")
    assert not faults, faults[:3]


@pytest.mark.timeout(1200)
def test_debian_under_load(figure):
    """Twice as many at a time as there are CPUs, Linux's check of its timer left on."""
    def once(_number):
        result = run_tool("--guest", debian(cmdline="console=ttyS0 quiet"),
                          *type_in_shell("poweroff -f"), timeout=300)
        return None if result.status == 0 else result
    with concurrent.futures.ThreadPoolExecutor(2 * WORKERS) as pool:
        faults = [fault for fault in pool.map(once, range(40)) if fault]
    figure("boots-load", f"40 boots of Debian, {2 * WORKERS} at a time, {len(faults)} failures")
    assert not faults, faults[:2]
