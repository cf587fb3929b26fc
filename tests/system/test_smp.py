# SPDX-License-Identifier: MIT
"""Guests with several vCPUs, each on a host CPU of its own."""
import os
import re
import sys

import pytest

from conftest import ROOT, debian, type_in_shell

sys.path.insert(0, os.path.join(ROOT, "tools"))

from rig import cpio                                        # noqa: E402  pylint: disable=wrong-import-position

BOOT = "kernel=build/guests/boot.elf"
CHECKS = ("--image", "build/plinth-checks.elf")


@pytest.mark.parametrize("firmware, media, cpus", [("bios", "kernel", 4), ("uefi", "usb", 2)])
def test_linux(run, firmware, media, cpus):
    """Debian's Linux starts all its CPUs, and finds each to be a core of its own."""
    result = run("--firmware", firmware, "--media", media, "--hv", "report-exits",
                 "--guest", debian(f"mem=384M,cpus={cpus}"),
                 *type_in_shell("nproc", "cat /proc/cpuinfo", "poweroff -f"), timeout=180)
    assert result.status == 0, result
    assert f"\n{cpus}\n" in result.output, result
    for key in ("processor", "core id", "apicid"):
        found = re.findall(rf"^{key}\s*: (\d+)", result.output, re.M)
        assert found == [str(i) for i in range(cpus)], (key, result)
    assert result.says(rf"guest 1: Linux .* on CPUs 0 to {cpus - 1}$"), result
    for i in range(cpus):
        assert result.says(rf"guest 1: vCPU {i}: [1-9]\d* exits"), result
    assert result.says("guest 1: ended: powered off"), result


@pytest.fixture(name="stress", scope="module")
def stress_fixture(tmp_path_factory):
    """An archive beside the initramfs, with /stress (tests/linux/stress.c)."""
    path = tmp_path_factory.mktemp("stress") / "more"
    with open(os.path.join(ROOT, "build/linux/stress"), "rb") as program:
        path.write_bytes(cpio.archive([cpio.file("stress", program.read())]))
    return path


def test_stress(run, stress):
    """Linux on four CPUs under all that makes them meet: TLB shootdowns, locks, processes, pipes,
    timers, migration; the image checks the order of its locks."""
    result = run(*CHECKS, "--guest", debian(f"initrd={stress},mem=512M,cpus=4"),
                 *type_in_shell("/stress 2", "poweroff -f"), timeout=170)
    assert result.status == 0 and "\nstress: 7 of 7 parts ok\n" in result.output, result


def test_two_stressed_guests(run, stress):
    """Two of them side by side, with two vCPUs each: nobody waits for the other."""
    words = []
    for name in ("left", "right"):
        words += ["--guest", debian(f"name={name},initrd={stress},mem=256M,cpus=2",
                                    "console=ttyS0 quiet no_timer_check rdinit=/stress")]
    result = run(*words, timeout=170)
    assert result.status == 0, result
    for name in ("left", "right"):
        assert f"[{name}] stress: 7 of 7 parts ok" in result.output, result
        assert result.says(f"guest {name}: ended: powered off"), result


def test_two_guests(run):
    """Two guests of two vCPUs: four host CPUs in their order."""
    result = run("--guest", debian("name=left,mem=192M,cpus=2"),
                 "--guest", debian("name=right,mem=192M,cpus=2"),
                 "--expect", r"\[right\] Welcome to Linux .* 2 CPU", timeout=180)
    assert result.status == 0, result
    assert result.says("guest left: .* on CPUs 0 to 1$"), result
    assert result.says("guest right: .* on CPUs 2 to 3$"), result


@pytest.mark.parametrize("cpus, first, second, refused", [
    (2, 3, 1, "first"), (3, 2, 2, "second"), (32, 1, 32, "second")])
def test_too_few_host_cpus(run, cpus, first, second, refused):
    result = run("--cpus", str(cpus), "--guest", f"{BOOT},name=first,cpus={first}",
                 "--guest", f"{BOOT},name=second,cpus={second}", timeout=60)
    taken = 0 if refused == "first" else first
    assert result.says(rf"guest {refused}: refused: cpus=\d+: .*this machine has {cpus}, .*"
                       rf"taken {taken}\."), result
    other = "second" if refused == "first" else "first"
    assert result.says(f"guest {other}: ended: debug exit"), result


def test_all_stop(run):
    """A guest's end stops all its vCPUs, those that never ran too; of a killed one it is told where
    the others were."""
    result = run("--guest", "kernel=build/guests/triple.elf,cpus=3", timeout=60)
    assert result.status == 6 and result.says("guest 1: ended: killed: triple fault"), result
    assert result.says(r"^guest 1, vCPU 0, on CPU 0:$"), result
    for i in (1, 2):
        assert result.says(rf"^  vCPU {i} of guest 1, on CPU {i}: RIP 000000000000fff0, waiting for a "
                           "start-up IPI"), result
    assert result.says("all guests have ended; powering off"), result


@pytest.mark.parametrize("guest", ["smp", "ipi"])
def test_lock_order(run, guest):
    """An image that checks the order of its locks, with what makes CPUs meet (docs/vcpu.md)."""
    result = run(*CHECKS, "--guest", f"kernel=build/guests/{guest}.elf,cpus=4", timeout=120)
    assert result.status == 1, result


def test_guilty_vcpu(run):
    """The vCPU that ends its guest is reported whole, and where the others were."""
    result = run("--guest", "kernel=build/guests/apdeath.elf,cpus=3", timeout=60)
    assert result.status == 6 and result.says("guest 1: ended: killed: triple fault"), result
    assert result.says(r"^guest 1, vCPU 1, on CPU 1:$"), result
    assert result.says(r"^  vCPU 0 of guest 1, on CPU 0: RIP [0-9a-f]{16}; last exit "), result
    assert result.says(r"^  vCPU 2 of guest 1, on CPU 2: RIP [0-9a-f]{16}, halted; last exit HLT$"), result


def test_init_storm(run):
    """INIT and start-up IPIs at any moment: in the guest, in an exit, halted, before a start."""
    result = run(*CHECKS, "--guest", "kernel=build/guests/initstorm.elf,cpus=4", timeout=150)
    assert result.status == 1, result
    assert re.search(r"^storm: 200 starts, all seen, some interrupts$", result.output, re.M), result


def test_panic_report(run):
    """A panic tells where the vCPUs of all CPUs are."""
    result = run("--hv", "crash=ud crash-at=input", "--guest", "kernel=build/guests/heartbeat.elf,cpus=2",
                 "--guest", "kernel=build/guests/heartbeat.elf,cpus=1", "--input-after", "beat 3",
                 "--input", "x", timeout=60)
    assert result.status == 4 and result.says(r"^vCPU 0 of guest 1, RIP [0-9a-f]{16}:$"), result
    assert result.says("^  vCPU 1 of guest 1, on CPU 1: RIP 000000000000fff0, waiting for a start-up IPI; "
                       "last exit none$"), result
    assert result.says(r"^  vCPU 0 of guest 2, on CPU 2: RIP [0-9a-f]{16}.*; last exit \w+"), result
