# SPDX-License-Identifier: MIT
"""Plinth by itself: what it says at the start on each machine, firmware, medium and screen."""
import os
import re
import subprocess

import pexpect
import pytest

from conftest import ROOT, RUN, Monitor

FIRST_LINE = r"^Plinth \S+ \(build [0-9a-f]{8,}"
MEDIA = [("bios", "kernel"), ("bios", "cd"), ("bios", "usb"), ("uefi", "cd"), ("uefi", "usb")]


@pytest.mark.parametrize("firmware, media", MEDIA)
def test_no_guest(run, firmware, media):
    """Without a guest it says so in a sentence and powers the machine off, from every medium."""
    result = run("--firmware", firmware, "--media", media)
    assert result.own and re.search(FIRST_LINE, result.own[0]), result
    assert result.says("no guest was given"), result
    assert result.status == 0, result


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_q35(run, firmware):
    """Another chip set: power-off knows no port of an emulator."""
    result = run("--firmware", firmware, "--media", "cd", "--qemu", "-machine q35")
    assert result.status == 0 and result.says("no guest was given"), result


@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("firmware, media", [("bios", "kernel"), ("uefi", "cd")])
def test_cpus(run, cpus, firmware, media):
    result = run("--cpus", str(cpus), "--firmware", firmware, "--media", media)
    assert result.status == 0 and result.says(rf"\b{cpus} CPUs?\b"), result


def test_cpus_single_threaded(run):
    """With instruction counting the emulator runs one CPU at a time: no wait may starve another."""
    result = run("--cpus", "4", "--icount")
    assert result.status == 0 and result.says(r"\b4 CPUs\b"), result


@pytest.mark.parametrize("memory", ["128M", "1G", "3584M", "6G"])
def test_memory(run, memory):
    result = run("--memory", memory)
    assert result.status == 0 and result.says("no guest"), result


def test_too_little_memory(run):
    """Plinth itself needs next to nothing; the guest that doesn't fit is told so."""
    result = run("--memory", "16M", "--guest", "kernel=build/guests/boot.elf,mem=32M", timeout=30)
    assert result.status == 6 and result.says("guest 1: refused: .*memory"), result


def test_no_svm(run):
    result = run("--machine", "no-svm", "--guest", "kernel=build/guests/boot.elf", timeout=30)
    assert result.status == 8 and result.says("cannot start: .*SVM"), result


def test_no_long_mode(run):
    result = run("--machine", "no-long-mode", timeout=30)
    assert result.status == 8 and result.says("cannot start: .*64-bit"), result


def test_unknown_option(run):
    """The sentence names the word and the options that there are."""
    result = run("--hv", "nonsense=1", timeout=30)
    assert result.status == 8, result
    assert result.says('cannot start: .*nonsense.*crash'), result


def test_unknown_feature(run):
    """The sentence names the features that there are, of the vendor that the word names."""
    for word, known in ("svm.no-sense", "npt, nrip, .*page-1g"), ("vmx.no-sense", "ept, .*vpid, .*pat"):
        result = run("--hv", word, timeout=30)
        assert result.status == 8 and result.says(f'cannot start: "{word}".*: {known}'), result


def test_features_at_boot(run):
    """What is used, missing, switched off: an option for the other vendor's CPU is no fault, nor is one
    for a feature that this CPU lacks."""
    words = ["--guest", "kernel=build/guests/boot.elf,mem=32M"]
    result = run(*words, timeout=30)
    assert result.status == 1 and result.says(r"^SVM: \d+ TLB tags; uses npt page-1g; measured: "), result
    assert not result.says("switched off"), result
    result = run("--hv", "vmx.no-vpid svm.no-page-1g svm.no-nrip help", *words, timeout=30)
    assert result.status == 1 and result.says(r"^SVM: \d+ TLB tags; uses npt; measured: "), result
    assert result.says(r"^SVM: .*switched off: nrip page-1g$"), result
    assert result.says(r"svm\.no-FEATURE +do without: npt nrip"), result
    assert result.says(r"vmx\.no-FEATURE +do without: ept "), result


def test_needed_feature(run):
    result = run("--hv", "svm.no-npt", "--guest", "kernel=build/guests/boot.elf,mem=32M", timeout=30)
    assert result.status == 8 and result.says("cannot start: svm.no-npt: .*NPT"), result


def test_ready_image(run, tmp_path):
    """The image of `make iso` boots as a CD; its menu is on the serial line."""
    made = str(tmp_path / "plinth.iso")
    subprocess.run([os.path.join(ROOT, "tools/iso"), "--output", made], cwd=ROOT, check=True,
                   timeout=60)
    result = run("--media", "cd", "--iso", made, "--expect", "no guest")
    assert result.status == 0 and "Plinth without a guest" in result.output, result


class Screen:
    """A run that stays on at its end, with a monitor to look at its screen."""

    def __init__(self, tmp_path, *words):
        path = str(tmp_path / "qmp")
        self.child = pexpect.spawn(RUN, [*words, "--timeout", "60", "--qemu",
                                         f"-qmp unix:{path},server=on,wait=off"],
                                   cwd=ROOT, timeout=60)
        self.monitor = Monitor(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.sendcontrol("a")
        self.child.send("x")
        self.child.expect(pexpect.EOF)
        self.child.close()


def test_text_screen(tmp_path):
    """What it says on the serial line stands on the VGA text screen too."""
    with Screen(tmp_path, "--hv", "at-end=stay", "--qemu", "-device VGA") as screen:
        screen.child.expect("no guest was given[^\n]*\n")
        shown = "\n".join(screen.monitor.text_screen())
    assert re.search(r"Plinth \S+ \(build", shown) and "no guest" in shown, shown


def test_text_screen_without_long_mode(tmp_path):
    """The sentence is on the screen even where 64-bit code can't run, and it stays there."""
    with Screen(tmp_path, "--machine", "no-long-mode", "--hv", "at-end=stay", "--qemu",
                "-device VGA -S") as screen:
        screen.monitor.execute("cont")
        screen.child.expect("cannot start")
        shown = "\n".join(screen.monitor.text_screen())
    assert "cannot start" in shown, shown


def test_framebuffer(tmp_path):
    """Under UEFI there is only the linear framebuffer: several rows of it bear light dots."""
    with Screen(tmp_path, "--firmware", "uefi", "--media", "cd", "--hv", "at-end=stay") as screen:
        screen.child.expect("no guest was given[^\n]*\n")
        width, height, pixels = screen.monitor.picture(str(tmp_path / "screen.ppm"))
    rows = [pixels[row * width * 3:(row + 1) * width * 3] for row in range(height)]
    background = max(set(rows[0]), key=rows[0].count)
    lit = [sum(abs(value - background) > 64 for value in row) for row in rows]
    assert sum(1 for count in lit if 8 <= count <= width * 2) >= 20, lit


def pages(monitor):
    """(address, whether it may be written, whether executed) of each page that is mapped."""
    dump = monitor.execute("human-monitor-command", **{"command-line": "info tlb"})
    row = r"^([0-9a-f]{16}): [0-9a-f]{16} ([X-])[G-][P-][D-][A-][C-][T-][U-]([W-])"
    for address, no_execute, written in re.findall(row, dump, re.M):
        yield int(address, 16), written == "W", no_execute != "X"


@pytest.mark.parametrize("firmware, media", [("bios", "kernel"), ("uefi", "cd")])
def test_no_page_written_and_executed(tmp_path, firmware, media):
    """In the page tables that are in force no page is both, as the CPU's own walk finds them."""
    with Screen(tmp_path, "--firmware", firmware, "--media", media, "--hv", "at-end=stay",
                "--cpus", "2", "--memory", "512M") as screen:
        screen.child.expect("no guest was given[^\n]*\n")
        found = list(pages(screen.monitor))
    assert any(written for _, written, _ in found) and any(run for _, _, run in found), found[:20]
    both = [f"{address:x}" for address, written, executed in found if written and executed]
    assert not both, both


def test_reset_by_option(run):
    """on-panic=reboot resets the machine after the report, which ends the emulator."""
    result = run("--hv", "crash=ud on-panic=reboot", timeout=30)
    assert result.status == 4 and result.says("end of panic report"), result
