# SPDX-License-Identifier: MIT
"""Forced panics: each kind gives its whole report, on the serial line and with status 4."""
import os
import re
import subprocess

import pexpect
import pytest

from conftest import ROOT, RUN, Monitor

KINDS = {
    "pf": r"page fault|#PF",
    "ud": r"invalid opcode|undefined|#UD",
    "gp": r"general protection|#GP",
    "df": r"double fault|#DF",
    "nmi": r"NMI|non-maskable",
    "assert": r"assert",
    "stack": r"double fault|#DF|stack",     # the page below the stack isn't mapped
}
REGISTERS = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "rip", "rflags",
             *(f"r{number}" for number in range(8, 16))]
CONTROL = ["cr0", "cr2", "cr3", "cr4", "efer"]


def image_build_id():
    notes = subprocess.run(["readelf", "-n", "build/plinth.elf"], cwd=ROOT, capture_output=True,
                           text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout
    return re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)


def backtrace(result):
    """The names of the functions, the innermost first."""
    lines = result.own[result.own.index("backtrace:") + 1:]
    return re.findall(r"^\s*[0-9a-f]{16} ([a-z_][a-z0-9_.]*)\+(?:0x)?[0-9a-f]+$", "\n".join(lines),
                      re.M)


def functions():
    names = subprocess.run(["nm", "build/plinth.elf"], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout
    return {line.split()[2] for line in names.split("\n") if re.search(r" [tT] ", line)}


def check_report(kind, result):
    """One report, with everything that belongs in it."""
    assert result.status == 4, result
    starts = [place for place, line in enumerate(result.own) if line.startswith("PANIC: ")]
    assert len(starts) == 1, result
    report = "\n".join(result.own[starts[0]:])
    assert re.search(KINDS[kind], report.split("\n")[0], re.I), result
    words = CONTROL if kind == "assert" else REGISTERS + CONTROL    # an assert has no trap frame
    missing = [word for word in words if not re.search(rf"\b{word}\b", report, re.I)]
    assert not missing, (missing, result)
    assert image_build_id()[:8] in report, result
    called = backtrace(result)
    assert set(called) <= functions(), (called, result)
    assert any(name.startswith("crash") or name == "recurse" for name in called), (called, result)
    assert result.own[-1].startswith("--- end of panic report"), result


@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_report(run, kind, cpus):
    result = run("--hv", f"crash={kind}", "--cpus", str(cpus), timeout=30)
    check_report(kind, result)
    assert result.says("no vCPU on this CPU"), result


@pytest.mark.parametrize("guests", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_report_with_guests(run, kind, guests):
    """While a guest runs: its vCPU and its last exits, the newest last."""
    words = ["--guest", "kernel=build/guests/heartbeat.elf"] * guests
    result = run("--hv", f"crash={kind} crash-at=input", *words, "--input-after", "beat 3",
                 "--input", "x", timeout=30)
    check_report(kind, result)
    place = next(at for at, line in enumerate(result.own)
                 if re.match(r"vCPU 0 of guest 1, RIP [0-9a-f]{16}:$", line))
    shown = re.findall(r"^ +(\S.*?) +0x[0-9a-f]+ +RIP [0-9a-f]{16} ",
                       "\n".join(result.own[place + 2:]), re.M)
    assert len(shown) == 64 and {"HLT", "I/O"} <= set(shown), result
    if kind != "stack":     # whose own frames are all that there is room for
        assert "vcpu_run" in backtrace(result), result      # behind what was interrupted


def test_backtrace_reaches_the_top(run):
    """From the invalid opcode up to the first function on the stack, callers in order."""
    called = backtrace(run("--hv", "crash=ud", timeout=30))
    assert called[0].startswith("crash") and called[-2:] == ["run", "percpu_enter"], called


def test_page_fault_address(run):
    """The first line's address is CR2, and none of the image's pages."""
    report = "\n".join(run("--hv", "crash=pf", timeout=30).own)
    shown = int(re.search(r"cr2\W+(?:0x)?([0-9a-f]+)", report, re.I).group(1), 16)
    assert f"{shown:x}" in re.search(r"PANIC: .*", report).group(), report
    assert not 0xffffffff80000000 <= shown < 0xffffffff81000000, report


@pytest.mark.parametrize("firmware, media", [("bios", "cd"), ("uefi", "usb")])
def test_report_from_grub(run, firmware, media):
    result = run("--hv", "crash=pf", "--firmware", firmware, "--media", media)
    assert result.status == 4 and result.says("end of panic report"), result


def test_nmi_from_outside(tmp_path):
    """The machine's NMI button while a guest runs: a report that shows the guest's last exits."""
    path = str(tmp_path / "qmp")
    child = pexpect.spawn(RUN, ["--timeout", "60", "--qemu", f"-qmp unix:{path},server=on,wait=off",
                                "--guest", "kernel=build/guests/heartbeat.elf"], cwd=ROOT,
                          timeout=60, maxread=65536)
    try:
        monitor = Monitor(path)
        child.expect("beat 2")
        monitor.execute("inject-nmi")
        child.expect("PANIC: NMI")
        child.expect("HLT +0x78 +RIP [0-9a-f]{16}")
        child.expect("--- end of panic report")
        child.expect(pexpect.EOF)
    finally:
        child.close()
    assert child.exitstatus == 4


def test_machine_check(tmp_path):
    """An uncorrected error of bank 1 with an address: the panic's report tells all three."""
    path = str(tmp_path / "qmp")
    child = pexpect.spawn(RUN, ["--timeout", "60", "--hv", "at-end=stay", "--cpus", "2",
                                "--qemu", f"-qmp unix:{path},server=on,wait=off"], cwd=ROOT, timeout=60)
    try:
        monitor = Monitor(path)
        child.expect("no guest was given")
        # CPU, bank, MCi_STATUS (VAL UC EN ADDRV PCC), MCG_STATUS (RIPV MCIP), MCi_ADDR, MCi_MISC
        monitor.execute("human-monitor-command",
                        **{"command-line": "mce 0 1 0xb600000000000135 0x5 0x12345000 0"})
        child.expect("PANIC: #MC machine check")
        child.expect("bank 1 status b600000000000135 address 0*12345000")
        child.expect("--- end of panic report")
        child.expect(pexpect.EOF)
    finally:
        child.close()
    assert child.exitstatus == 4


@pytest.mark.parametrize("symbol", ["svm_run", "vcpu_run", "trap_dispatch", "handle_cpuid"])
def test_breakpoint_on_plinth(run, symbol):
    """A guest's breakpoints on Plinth's own code and data don't reach it."""
    names = subprocess.run(["nm", os.path.join(ROOT, "build/plinth.elf")], capture_output=True,
                           text=True, timeout=30, check=True).stdout
    address = re.search(rf"^([0-9a-f]+) [tT] {symbol}$", names, re.M).group(1)
    result = run("--guest", f"kernel=build/guests/breakpoint.elf,cmdline={address}", timeout=30)
    assert result.status == 1, result
    assert not result.says("PANIC"), result
