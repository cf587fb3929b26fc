# SPDX-License-Identifier: MIT
"""The machines beside `svm`: the test kernels that tests/parts.py has for each, and Debian's Linux.

A kernel's own expectations are the manual's. What Bochs does otherwise by itself stands in
tests/differences.bochs."""
import pytest

import parts
from conftest import debian, run_tool, type_in_shell
from test_guests import GUESTS, Tap, differences, failed_otherwise, run_guest

LINUX = "console=ttyS0 quiet no_timer_check"


def cases():
    """(machine, kernel), with the part's mark where it is not `make test`'s."""
    for machine in parts.MACHINES:
        for part in (None, "machines"):
            for name in parts.guests_on(machine, part, GUESTS):
                yield pytest.param(machine, name, id=f"{machine}-{name}",
                                   marks=[pytest.mark.part(part)] if part else [])


@pytest.mark.parametrize(("machine", "name"), cases())
def test_guest(machine, name):
    result = run_guest(name, "--machine", machine, timeout=240)
    tap = Tap(result.output)
    assert tap.complete and result.status == (3 if tap.failed else 1), (tap.failed, tap.twice, result)
    wrong = failed_otherwise(tap, differences(name, "tests/differences.bochs", machine))
    assert not wrong, (wrong, result)


def test_the_table_knows_its_kernels():
    """No name in the table is one that isn't there (any more)."""
    named = set(parts.SLOW + parts.SMP + parts.MODES)
    assert named <= set(GUESTS), named - set(GUESTS)


@pytest.mark.parametrize("machine", ["vmx", "vmx-no-ug"])
def test_linux(machine):
    """Debian's kernel to its shell, a command, and off."""
    result = run_tool("--machine", machine, "--guest", debian(cmdline=LINUX),
                      *type_in_shell("uname -m", "poweroff -f"), timeout=400)
    assert result.status == 0 and "x86_64\n" in result.output, result
    assert result.says("guest 1: ended: powered off"), result


@pytest.mark.part("machines")
@pytest.mark.parametrize(("machine", "cpus"), [("vmx", 2), ("vmx", 4), ("vmx-no-ug", 2)])
def test_linux_cpus(machine, cpus):
    result = run_tool("--machine", machine, "--guest", debian(f"mem=256M,cpus={cpus}", LINUX),
                      *type_in_shell("grep -c processor /proc/cpuinfo", "poweroff -f"), timeout=600)
    assert result.status == 0 and f"\n{cpus}\n" in result.output, result


def test_reports(run):
    """A triple fault on VMX: the same report as anywhere."""
    result = run("--machine", "vmx", "--guest", "kernel=build/guests/triple.elf", timeout=120)
    assert result.status == 6 and result.says("ended: killed: triple fault"), result
    for word in ("RIP", "CR3", "bytes at RIP", "walk of", "last .* exits"):
        assert result.says(word), (word, result)


@pytest.mark.parametrize("machine", ["vmx", "vmx-no-ug"])
def test_host_stays(run, machine):
    result = run("--machine", machine, "--hv", "check-host", "--guest",
                 "kernel=build/guests/msr.elf,mem=256M", timeout=120)
    assert result.says("guest 1, vCPU 0: host MSRs unchanged") and result.status == 1, result


def test_two_guests(run):
    """Side by side, on a CPU each."""
    result = run("--machine", "vmx", "--guest", "kernel=build/guests/paging.elf,mem=64M,name=a",
                 "--guest", "kernel=build/guests/exceptions.elf,mem=64M,name=b", timeout=120)
    assert result.says("guest a: ended: debug exit 0x00"), result
    assert result.says("guest b: ended: debug exit 0x00"), result
