# SPDX-License-Identifier: MIT
"""The test kernels of guests/: bare and under Plinth, each value that they print compared.

A test kernel prints TAP ("ok N - ID: VALUE") on COM1 and ends by debug exit. What Plinth lets a
guest see otherwise than the bare emulator does stands in tests/differences, with the reason."""
import os
import re
import subprocess

import pytest

from conftest import ROOT, run_tool

LINE = re.compile(r"^(not )?ok (\d+)(?: - (.*?))?(?: # (SKIP|TODO).*)?\s*$")


def list_guests():
    """{name: further keys of --guest}: a line each, "NAME" or "NAME,KEY=VALUE…"."""
    made = subprocess.run(["make", "-s", "--no-print-directory", "list-guests"], cwd=ROOT,
                          capture_output=True, text=True, timeout=60, check=False,
                          env={key: value for key, value in os.environ.items()
                               if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")})
    lines = made.stdout.split() if made.returncode == 0 else []
    return {line.partition(",")[0]: "".join(line.partition(",")[1:]) for line in lines}


def differences(guest, listed_in="tests/differences", machine=None):
    """{id: value under Plinth} of this guest's lines, and of those that are one machine's."""
    listed = {}
    begins = (guest + "/", f"{machine}:{guest}/")
    with open(os.path.join(ROOT, listed_in), encoding="utf-8") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if not line.startswith("#") and len(fields) == 3 and fields[0].startswith(begins):
                listed[fields[0].partition("/")[2]] = fields[1]
    return listed


class Tap:
    """What a test kernel said: {id: value}, the tests that failed, whether the plan was kept and
    each test has an id of its own."""

    def __init__(self, output):
        self.values, self.failed, numbers, ids, self.plan = {}, [], [], [], None
        for line in output.split("\n"):
            plan = re.match(r"1\.\.(\d+)", line)
            match = LINE.match(line)
            if plan:
                self.plan = int(plan.group(1))
            if not match:
                continue
            numbers.append(int(match.group(2)))
            text = match.group(3) or match.group(2)
            if match.group(4) == "SKIP":        # not printed, as far as values go
                ids.append(text)
            else:                               # an id may hold colons: the last one counts
                before, colon, value = text.rpartition(": ")
                ids.append(before if colon else text)
                self.values[ids[-1]] = value if colon else ""
            if match.group(1):
                self.failed.append(line)
        self.twice = sorted({name for name in ids if ids.count(name) > 1})
        self.complete = (self.plan == len(numbers) and not self.twice
                         and numbers == list(range(1, len(numbers) + 1)))


def run_guest(name, *words, **more):
    return run_tool("--guest", f"kernel=build/guests/{name}.elf,mem=256M{GUESTS[name]}", *words,
                    **more)


def compare(bare, plinth, listed):
    """Sentences for each value that is neither equal nor listed, and each line listed in vain."""
    for name in sorted(bare.keys() | plinth.keys()):
        here = plinth.get(name, "-")
        if name in listed:
            if here != listed[name]:
                yield f"{name}: {here!r} under Plinth, tests/differences says {listed[name]!r}"
            elif here == bare.get(name, "-"):
                yield f"{name}: listed in tests/differences, but no different"
        elif name in bare and here != bare[name]:
            yield f"{name}: {here!r} under Plinth, {bare[name]!r} bare"
    for name in sorted(listed.keys() - bare.keys() - plinth.keys()):
        yield f"{name}: listed in tests/differences, but never printed"


def failed_otherwise(tap, listed):
    """Lines of tests that failed though no line of `listed` says so, and of those that didn't fail
    though one does."""
    wrong = [line for line in tap.failed
             if listed.get(LINE.match(line).group(3).rpartition(": ")[0]) !=
             LINE.match(line).group(3).rpartition(": ")[2].partition(",")[0]]
    failed = {LINE.match(line).group(3).rpartition(": ")[0] for line in tap.failed}
    return wrong + [f"{name}: listed, but passed" for name in listed if name not in failed]


GUESTS = list_guests()


def test_there_are_guests():
    assert len(GUESTS) >= 5, GUESTS


@pytest.mark.parametrize("name", GUESTS)
def test_bare(name):
    """On the bare emulator the test kernel agrees with itself."""
    result = run_guest(name, "--bare")
    tap = Tap(result.output)
    assert tap.complete and not tap.failed and result.status == 1, (tap.failed, tap.twice, result)


@pytest.mark.parametrize("name", GUESTS)
def test_plinth(name, figure):
    """Under Plinth it passes, and prints the same values."""
    result = run_guest(name)
    tap = Tap(result.output)
    assert tap.complete and not tap.failed and result.status == 1, (tap.failed, tap.twice, result)
    figure(f"tap-{name}", str(len(tap.values)))
    bare = Tap(run_guest(name, "--bare").output)
    assert not list(compare(bare.values, tap.values, differences(name))), result


@pytest.mark.parametrize("name", ["modes", "paging57", "access"])
def test_5_levels(name):
    """On a machine with CR4.LA57 nothing of these is skipped, bare or under Plinth."""
    bare, plinth = (run_guest(name, "--machine", "svm-la57", *words)
                    for words in (["--bare"], []))
    for result in (bare, plinth):
        tap = Tap(result.output)
        assert tap.complete and not tap.failed and result.status == 1, (tap.failed, result)
        assert "# SKIP" not in result.output, result
    assert not list(compare(Tap(bare.output).values, Tap(plinth.output).values,
                            differences(name))), plinth


def test_random_modes():
    """Random control registers under Plinth, beside a guest that must not notice."""
    result = run_tool("--cpus", "2", "--guest", "kernel=build/guests/modefuzz.elf,mem=64M,name=a",
                      "--guest", "kernel=build/guests/paging.elf,mem=64M,name=b")
    assert result.says("guest a: ended: debug exit 0x00"), result
    assert result.says("guest b: ended: debug exit 0x00"), result


def test_compare_finds_faults():
    """The comparison itself."""
    bare, plinth = {"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "9", "c": "4", "d": "5"}
    assert len(list(compare(bare, plinth, {}))) == 2
    assert not list(compare(bare, plinth, {"b": "9", "c": "4"}))
    assert len(list(compare(bare, plinth, {"b": "8", "c": "4"}))) == 1
    assert len(list(compare(bare, plinth, {"a": "1", "b": "9", "c": "4"}))) == 1
    assert len(list(compare(bare, plinth, {"x": "1", "b": "9", "c": "4"}))) == 1


def test_failures_are_listed():
    """failed_otherwise() itself."""
    tap = Tap("1..2\nnot ok 1 - a: b: 0x1, expected 0x2\nok 2 - c: 0x3\n")
    assert not failed_otherwise(tap, {"a: b": "0x1"})
    assert len(failed_otherwise(tap, {})) == 1 and len(failed_otherwise(tap, {"a: b": "0x2"})) == 1
    assert len(failed_otherwise(tap, {"a: b": "0x1", "c": "0x3"})) == 1


def test_tap_reader():
    tap = Tap("1..3\nok 1 - a: b c: 2\nnot ok 2 - b: 3\nok 3 - c # SKIP no\n")
    assert tap.values == {"a: b c": "2", "b": "3"} and len(tap.failed) == 1 and tap.complete
    assert not Tap("1..2\nok 1 - a\n").complete and not Tap("ok 1 - a\n").complete
    assert Tap("1..2\nok 1 - a: 1\nok 2 - a: 2\n").twice == ["a"]


@pytest.mark.part("guests")
def test_all_ipis(figure):
    """100 000 numbered IPIs between four CPUs and timer interrupts, each received exactly once."""
    result = run_tool("--guest", "kernel=build/guests/ipicount.elf,mem=256M,cpus=4,cmdline=full",
                      timeout=300)
    tap = Tap(result.output)
    assert tap.complete and not tap.failed and result.status == 1, (tap.failed, result)
    assert int(tap.values["IPIs received"], 16) >= 100000, result
    figure("ipis-seconds", f"{result.seconds:.0f}")


@pytest.mark.parametrize("name", ["msr", "fpu", "exceptions"])
def test_host_stays(run, name):
    """check-host: whatever a guest writes, the MSRs that Plinth depends on are as before."""
    result = run("--hv", "check-host", "--guest", f"kernel=build/guests/{name}.elf,mem=256M")
    assert result.says(r"guest 1, vCPU 0: host MSRs unchanged") and result.status == 1, result


def test_rights_at_the_start(run):
    """rights=: where the kernel's code may not be executed it dies at once; elsewhere all is well."""
    boot = "kernel=build/guests/boot.elf"
    result = run("--guest", f"{boot},rights=0x100000+64K:rw", timeout=30)
    assert result.status == 6 and result.says("ended: killed: .*triple fault"), result
    result = run("--guest", f"{boot},rights=0x100000+64K:rwsu;0x8000000+4K:r", timeout=30)
    assert result.status == 1, result


def test_triple_fault(run):
    """A guest that faults thrice is ended with a report: registers, instruction bytes, a walk."""
    result = run("--guest", "kernel=build/guests/triple.elf", timeout=30)
    assert result.status == 6, result
    assert result.says(r"guest 1: ended: killed: .*(triple fault|shutdown)"), result
    for word in (r"\brip\b", r"\brsp\b", r"\bcr3\b", r"\bbytes\b", r"\bwalk\b"):
        assert any(re.search(word, line, re.I) for line in result.own), (word, result)
