# SPDX-License-Identifier: MIT
"""The machines in Bochs: each way a run can end there, and input. A boot takes some seconds: few."""
import os

import pexpect

from conftest import ROOT, RUN

HEARTBEAT = "kernel=build/guests/heartbeat.elf,mem=64M"


def on_bochs(run, *words, machine="svm-bochs", **more):
    return run("--machine", machine, *words, timeout=150, **more)


def test_guest_ends(run, tmp_path):
    """The last line is whole, --log has it all; the folder for scratch may have any name."""
    place = tmp_path / "a b,c'd\"e"
    place.mkdir()
    result = on_bochs(run, "--log", str(tmp_path / "log"), "--hv", "report-exits", "--guest",
                      "kernel=build/guests/boot.elf,mem=64M,cmdline=a;b c",
                      env={**os.environ, "TMPDIR": str(place)})
    assert result.status == 1 and "# arguments: a;b c\n" in result.output, result
    assert result.own[-1] == "all guests have ended; powering off", result
    assert b"powering off\r\n" in (tmp_path / "log").read_bytes()
    assert os.listdir(place) == []


def test_without_virtualisation(run):
    result = on_bochs(run, "--guest", HEARTBEAT, machine="no-vmx")
    assert result.status == 8 and result.says("^cannot start: this CPU has neither "), result


def test_input_and_panic(run):
    """A key typed into the serial line arrives, and the panic that it makes is told."""
    result = on_bochs(run, "--hv", "crash=ud crash-at=input", "--input-after", "beat 3",
                      "--input", "x", "--guest", HEARTBEAT)
    assert result.status == 4 and result.says("^PANIC: ") and "beat 3\n" in result.output, result


def test_bare_triple_fault(run):
    """Bochs' report of it is shown; after --expect it isn't looked for."""
    result = on_bochs(run, "--bare", "--guest", "kernel=build/guests/triple.elf,cpus=2")
    assert result.status == 4 and "ended: a triple fault. Bochs' log:" in result.errors, result
    assert result.errors.count("RIP=") + result.errors.count("EIP=") == 2, result


def test_bare_reset(run):
    """Ends the run, as in QEMU, instead of booting again."""
    result = on_bochs(run, "--bare", "--guest", "kernel=build/guests/reset-cf9.elf")
    assert result.status == 0 and result.output.count("# reset by port CF9") == 1, result


def test_expect_beside_another(run):
    """Two at once don't meet; what is printed comes while they run."""
    words = [RUN, "--machine", "svm-bochs", "--timeout", "150", "--guest", HEARTBEAT]
    other = pexpect.spawn(words[0], words[1:], cwd=ROOT, timeout=150)
    result = on_bochs(run, "--expect", "beat 2$", "--guest", HEARTBEAT)
    assert result.status == 0 and "beat 4" not in result.output, result
    other.expect("beat 5\r*\n")
    other.send("\x01x")
    other.expect(pexpect.EOF)
    other.close()
    assert other.exitstatus == 0
