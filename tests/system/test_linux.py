# SPDX-License-Identifier: MIT
"""Debian's unmodified kernel as a guest: to its shell, from every medium, and through its end."""
import hashlib
import os
import re

import pexpect
import pytest

from conftest import PROMPT, ROOT, RUN, debian, type_in_shell

MEDIA = [("bios", "kernel"), ("bios", "cd"), ("bios", "usb"), ("uefi", "cd"), ("uefi", "usb")]


@pytest.mark.parametrize("firmware, media", MEDIA)
def test_shell(run, firmware, media):
    """Commands typed in the shell work, and poweroff ends the run with status 0."""
    result = run("--firmware", firmware, "--media", media, "--guest", debian(),
                 *type_in_shell("uname -a", "cat /proc/cpuinfo", "poweroff -f"), timeout=150)
    assert result.status == 0, result
    with open(os.path.join(ROOT, "build/guest/version"), encoding="ascii") as file:
        release = file.read().strip().removeprefix("linux-image-").removesuffix("-unsigned")
    assert re.search(rf"^Linux guest {re.escape(release)} .*x86_64", result.output, re.M), result
    assert len(re.findall(r"^processor\s*: \d+", result.output, re.M)) == 1, result
    assert result.says("guest 1: ended: powered off"), result
    assert result.says("all guests have ended; powering off"), result


@pytest.mark.parametrize("media", ["kernel", "cd"])
def test_command_line(run, media):
    """The guest's command line arrives as it was written, by either loader's rules for modules."""
    cmdline = "console=ttyS0 quiet words=a,b,,c;d=$e&f {g} cmdline=x,mem=1 last,"
    result = run("--media", media, "--guest", debian(cmdline=cmdline),
                 *type_in_shell("cat /proc/cmdline", "poweroff -f"))
    assert result.status == 0 and f"\n{cmdline}\n" in result.output, result


@pytest.mark.parametrize("firmware, media, cpus", [
    ("bios", "kernel", 1), ("bios", "kernel", 4), ("uefi", "usb", 4)])
def test_host_cpus(run, firmware, media, cpus):
    result = run("--firmware", firmware, "--media", media, "--cpus", str(cpus),
                 "--guest", debian(), *type_in_shell("poweroff -f"), timeout=150)
    assert result.status == 0 and result.says(rf"\b{cpus} CPUs?\b"), result


@pytest.mark.parametrize("memory, guest, least", [
    ("128M", "80M", 36), ("3584M", "3G", 2900), ("6G", "4G", 3850)])
def test_memory(run, memory, guest, least):
    """The guest has its memory, also on both sides of the hole below 4 GiB, and can use it."""
    result = run("--memory", memory, "--guest", debian(f"mem={guest}"),
                 *type_in_shell("awk '/MemTotal/ { print $2 }' /proc/meminfo", "poweroff -f"),
                 timeout=150)
    assert result.status == 0, result
    total = re.search(r"^(\d+)$", result.output, re.M)
    assert total and int(total.group(1)) / 1024 >= least, result


def test_devices(run):
    """Linux finds what it needs through its normal drivers, and nothing worries it."""
    result = run("--guest", debian(cmdline="console=ttyS0"), *type_in_shell(
        "cat /proc/interrupts", "dmesg | grep -iE 'bug|warning|lockup|stall|unhandled' | head",
        "cat /sys/devices/system/clocksource/clocksource0/available_clocksource",
        "date +%Y", "sleep 1 && echo slept", "poweroff -f"))
    assert result.status == 0, result
    assert re.search(r"^\s*4:.*ttyS0", result.output, re.M), result
    assert "acpi_pm" in result.output and "\nslept\n" in result.output, result
    assert not re.search(r"^\[.*(BUG|WARNING:|soft lockup|Call Trace)", result.output, re.M), result
    assert re.search(r"^20[2-9]\d$", result.output, re.M), result


def test_reset(run):
    """A guest that resets itself has ended, with status 0."""
    result = run("--guest", debian(), *type_in_shell("reboot -f"))
    assert result.status == 0 and result.says("guest 1: ended: reset"), result


def test_kernel_panic_reboots(run):
    """A kernel's own panic is the guest's affair: Plinth goes on, and panic=1 ends in a reset."""
    result = run("--guest", debian(cmdline="console=ttyS0 quiet panic=1"),
                 *type_in_shell("echo c >/proc/sysrq-trigger"))
    assert result.status == 0 and "Kernel panic" in result.output, result


def test_output_alone(run):
    """--quiet leaves only what the guest printed."""
    result = run("--quiet", "--guest", debian(), *type_in_shell("poweroff -f"))
    assert result.status == 0 and "plinth: " not in result.output, result
    assert "Welcome to Linux" in result.output, result


def clean_environment():
    """Without what a make above us has put in."""
    return {key: value for key, value in os.environ.items()
            if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}


def test_make_run():
    """make run in a terminal: nothing is set up again, the shell answers, and poweroff ends it with
    status 0."""
    child = pexpect.spawn("make", ["run"], cwd=ROOT, env=clean_environment(), timeout=120)
    try:
        child.expect("Welcome to Linux")
        assert not re.search(rb"installing|downloading|making", child.before), child.before
        child.expect(PROMPT.removesuffix("$"))
        child.send("echo $((6 * 7)) words\r")
        child.expect(r"\n42 words\r*\n")
        assert b"\x1b" not in child.before, child.before   # the shell doesn't question the terminal
        child.send("sleep 100\r")
        child.expect("sleep 100")
        child.send("\x03")                      # Ctrl-C is the guest's
        child.expect(PROMPT.removesuffix("$"))
        child.send("poweroff -f\r")
        child.expect(pexpect.EOF)
    finally:
        child.close()
    assert child.exitstatus == 0


def test_paste():
    """More than the guest's UART and Plinth hold is pasted at once: nothing of it is lost."""
    lines = [f"line {number}\n" for number in range(150)]
    child = pexpect.spawn(RUN, ["--guest", debian()], cwd=ROOT, timeout=60)
    try:
        child.expect(PROMPT.removesuffix("$"))
        child.send("".join(f"echo {line.rstrip()} >>/tmp/f\r" for line in lines))
        child.send("echo $(md5sum </tmp/f) done\r")
        child.expect(r"\n([0-9a-f]{32}) - done\r")
        arrived = child.match.group(1).decode()
        child.send("poweroff -f\r")
        child.expect(pexpect.EOF)
    finally:
        child.close()
    assert arrived == hashlib.md5("".join(lines).encode()).hexdigest()


def test_make_run_left_by_key():
    """Ctrl-A X leaves."""
    child = pexpect.spawn("make", ["run"], cwd=ROOT, env=clean_environment(), timeout=120)
    try:
        child.expect("plinth: ")
        child.send("\x01x")
        child.expect(pexpect.EOF)
    finally:
        child.close()
    assert child.exitstatus == 0


def test_two_guests(run):
    """Two at once, each on a CPU of its own; lines bear their guest's name."""
    result = run("--cpus", "2", "--guest", debian("name=left,mem=128M"),
                 "--guest", debian("name=right,mem=128M"), "--expect", r"\[right\] Welcome")
    assert result.status == 0, result


def test_icount_boot(run):
    result = run("--icount", "--guest", debian(), *type_in_shell("poweroff -f"), timeout=150)
    assert result.status == 0, result
