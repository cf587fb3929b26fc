# SPDX-License-Identifier: MIT
"""What the system tests share: `run` (tools/run and its result), the Debian guest, progress."""
import json
import os
import re
import socket
import subprocess
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import figures  # noqa: E402  (it stands above the system tests)
import parts  # noqa: E402
RUN = os.path.join(ROOT, "tools", "run")
DEBIAN = "kernel=build/guest/vmlinuz,initrd=build/guest/initrd.gz"
PROMPT = "guest# $"
ESCAPES = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\r")


class Result:
    """How a run ended: status, output (without carriage returns and escapes), stderr, seconds."""

    def __init__(self, status, output, errors, seconds):
        self.status, self.errors, self.seconds = status, errors, seconds
        self.output = ESCAPES.sub("", output.decode("utf-8", "replace"))
        self.own = [line[len("plinth: "):] for line in self.output.split("\n")
                    if line.startswith("plinth: ")]

    def says(self, regex):
        """Whether one of Plinth's own lines matches."""
        return any(re.search(regex, line) for line in self.own)

    def __repr__(self):
        return f"status {self.status} after {self.seconds:.1f} s\n{self.output}\n{self.errors}"


RUNS = []       # of the test that is running: what a failure shows whole
SHOWN_RUNS = 3
SHOWN_BYTES = 30000     # of each, from its end


def run_tool(*words, timeout=90, **more):
    """tools/run with these words. The time-out is tools/run's own: nothing is left behind."""
    started = time.monotonic()
    done = subprocess.run([RUN, "--timeout", str(timeout), *words], cwd=ROOT,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout + 30,
                          check=False, **more)
    RUNS.append(Result(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"),
                       time.monotonic() - started))
    return RUNS[-1]


@pytest.fixture(name="run")
def run_fixture():
    return run_tool


def debian(keys="mem=256M", cmdline="console=ttyS0 quiet no_timer_check"):
    """The text of --guest for Debian's kernel and the busybox initramfs. no_timer_check as in
    tools/tools.mk; test_devices leaves Linux its check."""
    return f"{DEBIAN},{keys},cmdline={cmdline}"


def type_in_shell(*commands):
    """Words for tools/run that type each command when the guest's prompt shows."""
    words = []
    for command in commands:
        words += ["--input-after", PROMPT, "--input", command + "\\n"]
    return words


class Monitor:
    """QEMU's own monitor, by QMP, for what only the emulator can show: the screen, memory."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer or "error" in answer:
                return answer.get("return")

    def text_screen(self):
        """What stands on the VGA text screen, as 25 lines."""
        dump = self.execute("human-monitor-command", **{"command-line": "xp /4000xb 0xb8000"})
        cells = [int(byte, 16) for line in dump.split("\n") if ":" in line
                 for byte in line.split(":")[1].split()][::2]
        return ["".join(chr(cell) if 32 <= cell < 127 else " " for cell in cells[row:row + 80])
                for row in range(0, 2000, 80)]

    def picture(self, path):
        """(width, height, bytes of red, green, blue) of the screen."""
        self.execute("screendump", filename=path)
        with open(path, "rb") as file:
            kind, size, _depth, pixels = file.read().split(b"\n", 3)
        assert kind == b"P6"
        width, height = map(int, size.split())
        return width, height, pixels


@pytest.fixture(name="figure")
def figure_fixture():
    """figure(id, text) keeps what was measured for `make reliability`."""
    return figures.keep


# Parts of make test-long: without --part those tests run that no part claims.

def pytest_addoption(parser):
    parser.addoption("--part", choices=sorted(parts.PARTS), help="only the tests of this part")


def pytest_configure(config):
    config.addinivalue_line("markers", "part(name): runs in this part of make test-long only")


def pytest_collection_modifyitems(config, items):
    chosen = config.getoption("--part")
    kept = [item for item in items if part_of(item) == chosen]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def part_of(item):
    mark = item.get_closest_marker("part")
    assert not mark or mark.args[0] in parts.PARTS, f"{item.nodeid}: no such part"
    return mark.args[0] if mark else None


# pytest shows the beginning of a long message only; what counts in a run stands at its end.

def pytest_runtest_setup(item):
    RUNS.clear()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for number, result in enumerate(RUNS[-SHOWN_RUNS:], 1):
            report.sections.append((f"tools/run, {number}", repr(result)[-SHOWN_BYTES:]))


# Progress: one line for each test, from the process that hears of all of them.

def pytest_report_teststatus(report):
    if not os.environ.get("PLINTH_RESULTS"):
        return None
    if report.when != "call" and report.outcome == "passed":
        return "", "", ""
    return report.outcome, "", ""


def pytest_runtest_logreport(report):
    results = os.environ.get("PLINTH_RESULTS")
    if not results or os.environ.get("PYTEST_XDIST_WORKER"):
        return
    if report.when != "call" and report.outcome == "passed":
        return
    path, _, test = report.nodeid.partition("::")
    name = f"{os.path.basename(path)}::{test}"
    with open(results, "a", encoding="utf-8") as file:
        file.write(f"{report.outcome}\t{report.duration:.3f}\t{name}\n")
    shown = {"passed": "ok", "failed": "FAILED"}.get(report.outcome, report.outcome)
    print(f"{shown:<7}{report.duration:7.1f} s  {name}", file=sys.__stdout__, flush=True)
