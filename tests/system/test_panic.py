# SPDX-License-Identifier: MIT
"""Forced panics: each kind gives its whole report, on the serial line and with status 4."""
import os
import re
import subprocess

import pytest

from conftest import ROOT

KINDS = {
    "pf": r"page fault|#PF",
    "ud": r"invalid opcode|undefined|#UD",
    "gp": r"general protection|#GP",
    "df": r"double fault|#DF",
    "nmi": r"NMI|non-maskable",
    "assert": r"assert",
    "stack": r"stack|guard",
}
REGISTERS = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "rip", "rflags",
             *(f"r{number}" for number in range(8, 16))]
CONTROL = ["cr0", "cr2", "cr3", "cr4", "efer"]


def image_build_id():
    notes = subprocess.run(["readelf", "-n", "build/plinth.elf"], cwd=ROOT, capture_output=True,
                           text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout
    return re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)


def functions():
    names = subprocess.run(["nm", "build/plinth.elf"], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout
    return {line.split()[2] for line in names.split("\n") if re.search(r" [tT] ", line)}


@pytest.mark.parametrize("kind", KINDS)
def test_report(run, kind):
    result = run("--hv", f"crash={kind}", timeout=30)
    assert result.status == 4, result
    start = next(place for place, line in enumerate(result.own) if line.startswith("PANIC: "))
    report = "\n".join(result.own[start:])
    assert re.search(KINDS[kind], report.split("\n")[0], re.I), result
    words = CONTROL if kind == "assert" else REGISTERS + CONTROL    # an assert has no trap frame
    missing = [word for word in words if not re.search(rf"\b{word}\b", report, re.I)]
    assert not missing, (missing, str(result))
    assert re.search(r"no vCPU on this CPU|exits", report), result
    assert image_build_id()[:8] in report, result
    called = re.findall(r"\b([a-z_][a-z0-9_.]*)\+0x[0-9a-f]+", report)
    assert called and set(called) <= functions(), (called, str(result))
    assert result.own[-1].startswith("--- end of panic report"), result


def test_backtrace_reaches_the_top(run):
    """From the invalid opcode up to the function that the entry code calls, callers in order."""
    result = run("--hv", "crash=ud", timeout=30)
    called = re.findall(r"\b([a-z_][a-z0-9_.]*)\+0x[0-9a-f]+", "\n".join(result.own))
    assert len(called) >= 2 and "main" in called[-1], result


def test_page_fault_address(run):
    """CR2 is an address that isn't mapped, hence not one of the image; the error code is shown."""
    result = run("--hv", "crash=pf", timeout=30)
    shown = re.search(r"cr2\W+(?:0x)?([0-9a-f]+)", "\n".join(result.own), re.I)
    assert shown and int(shown.group(1), 16) < 0xffffffff80000000, result


@pytest.mark.parametrize("firmware, media", [("bios", "cd"), ("uefi", "usb")])
def test_report_from_grub(run, firmware, media):
    result = run("--hv", "crash=pf", "--firmware", firmware, "--media", media)
    assert result.status == 4 and result.says("end of panic report"), result


def test_report_with_other_cpus(run):
    """The other CPUs are stopped: one report only."""
    result = run("--hv", "crash=ud", "--cpus", "4", timeout=30)
    assert result.status == 4, result
    assert sum("PANIC: " in line for line in result.own) == 1, result
