# SPDX-License-Identifier: MIT
"""Poorer machines: the CPU's optional features switched off by svm.no-… and vmx.no-…, all at once, and
test kernels that print the same as with them."""
import re

import pytest

from conftest import run_tool
from test_guests import Tap

# All that each vendor's backend uses and can do without.
SVM = ["nrip", "decode-assists", "clean-bits", "flush-by-asid", "page-1g"]
VMX = ["vpid", "efer", "pat", "ept-1g", "ept-2m", "ept-execute-only", "mbec", "invept-single",
       "invvpid-single"]
OFF = {"svm": " ".join(f"svm.no-{name}" for name in SVM),
       "vmx": " ".join(f"vmx.no-{name}" for name in VMX)}
KERNELS = ["exceptions", "paging", "mmio", "nmi"]


def run_kernels(machine, hv):
    """(the run, {kernel: Tap}): all of them at once, a guest and a CPU each."""
    words = []
    for name in KERNELS:
        words += ["--guest", f"kernel=build/guests/{name}.elf,mem=64M,name={name}"]
    result = run_tool("--machine", machine, "--hv", hv, *words, timeout=300)
    return result, {name: Tap("\n".join(re.findall(rf"^\[{name}\] (.*)$", result.output, re.M)))
                    for name in KERNELS}


@pytest.mark.parametrize("machine, vendor", [
    ("svm", "svm"), ("vmx", "vmx"),
    pytest.param("svm-bochs", "svm", marks=pytest.mark.part("guests"))])
def test_poor_machine(machine, vendor):
    """Without any of them: each kernel passes, and every value is that of the rich machine. (Bochs' SVM
    shows exceptions DR6 without BS, with and without: docs/emulators.md.)"""
    rich, expected = run_kernels(machine, "")
    poor, found = run_kernels(machine, OFF[vendor])
    assert not rich.says("switched off"), rich
    assert poor.says(rf"^{vendor.upper()}: .*switched off: {vendor == 'svm' and 'nrip' or 'ept-2m'}"), poor
    for name in KERNELS:
        for result, tap in ((rich, expected[name]), (poor, found[name])):
            assert tap.complete and not [line for line in tap.failed if machine != "svm-bochs"
                                         or "DR6.BS" not in line], (name, tap.failed, result)
        assert expected[name].values == found[name].values, name


@pytest.mark.parametrize("machine, word, needed", [("svm", "svm.no-npt", "NPT"),
                                                   ("vmx", "vmx.no-ept", "EPT")])
def test_needed(run, machine, word, needed):
    """What there is no way around yet is said, and by whose will it is missing."""
    result = run("--machine", machine, "--hv", word, "--guest",
                 "kernel=build/guests/boot.elf,mem=32M")
    assert result.status == 8 and result.says(f"cannot start: .*{word[:6]}.*{needed}"), result


def test_features_of_vmx(run):
    """The start lists them, and what the probe guest measured: on this machine, all of it."""
    result = run("--machine", "vmx", "--hv", "svm.no-npt vmx.no-vpid vmx.no-mbec", "--guest",
                 "kernel=build/guests/boot.elf,mem=32M")
    assert result.status == 1, result
    assert result.says(r"^VMX: 1 TLB tags; uses ept .*unrestricted-guest efer pat preemption-timer; measured: nrip "
                       r"shadow-load xsetbv-exit rdtscp-exit dr7-clear nmi-blocking$"), result
    assert result.says(r"^VMX: .*switched off: mbec vpid$"), result
