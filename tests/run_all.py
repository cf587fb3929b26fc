#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs all tests, for `make test`: the checks, the host's unit tests, the system tests.

  tests/run_all.py HOST_TEST...

Progress while it runs, the slowest ten at the end, then the totals alone on a line. Ends with 1 if
anything failed. Everything is built already."""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOST_SECONDS = 300
WORKERS = os.environ.get("JOBS") or str(min(os.cpu_count() or 1, 4))
PYTEST = os.environ.get("PYTEST", "pytest-3")
CASE = re.compile(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] (\w[^\s:]*)\s*$", re.M)
OUTCOMES = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


class Totals:
    """Counts and times of all tests: [(seconds, name)] and one number for each outcome."""

    def __init__(self):
        self.count = {"passed": 0, "failed": 0, "skipped": 0}
        self.times = []
        self.failures = []

    def add(self, name, outcome, seconds=None):
        self.count[outcome] += 1
        if outcome == "failed":
            self.failures.append(name)
        if seconds is not None:
            self.times.append((seconds, name))


def say(text):
    print(text, flush=True)


def run_checks(totals):
    started = time.monotonic()
    done = subprocess.run([sys.executable, os.path.join(HERE, "check_floors.py")],
                          capture_output=True, text=True, check=False)
    say(done.stdout.rstrip())
    for verdict, name in re.findall(r"^(ok|not ok) (\w+):", done.stdout, re.M):
        totals.add(f"check {name}", "passed" if verdict == "ok" else "failed")
    if done.returncode not in (0, 1) or not done.stdout:
        say(done.stderr)
        totals.add("checks", "failed")
    totals.times.append((time.monotonic() - started, "checks"))


def run_host_test(program):
    """(program, seconds, status, output)."""
    started = time.monotonic()
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=HOST_SECONDS, check=False)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        status, output = 124, late.stdout or b""
    return program, time.monotonic() - started, status, output.decode("utf-8", "replace")


def count_host_test(totals, program, seconds, status, output):
    name = os.path.basename(program)
    cases = CASE.findall(output)
    failed = [case for verdict, case in cases if verdict == "FAILED"]
    for verdict, case in cases:
        if verdict != "FAILED":
            totals.add(f"{name}: {case}", OUTCOMES[verdict])
    for case in sorted(set(failed)):
        totals.add(f"{name}: {case}", "failed")
    if status != 0 and not failed or not cases:
        totals.add(f"{name} (status {status})", "failed")
    totals.times.append((seconds, name))
    good = status == 0 and cases
    say(f"{'ok' if good else 'FAILED':<7}{seconds:7.1f} s  {name} ({len(cases)} cases)")
    if not good:
        say("\n".join("    " + line for line in output.rstrip().split("\n")[-60:]))


def run_host_tests(totals, programs):
    with concurrent.futures.ThreadPoolExecutor(int(WORKERS)) as pool:
        running = [pool.submit(run_host_test, program) for program in programs]
        for done in concurrent.futures.as_completed(running):
            count_host_test(totals, *done.result())


def has_xdist():
    listed = subprocess.run([PYTEST, "--version", "--version"], capture_output=True, text=True,
                            check=False)
    return "xdist" in listed.stdout + listed.stderr


def run_system_tests(totals):
    with tempfile.NamedTemporaryFile("r", prefix="plinth-results-") as results:
        words = [PYTEST, "-q", "-p", "no:cacheprovider", "--tb=short", "-rN",
                 os.path.join(HERE, "system")]
        if has_xdist():
            words[1:1] = ["-n", WORKERS]
        environment = {**os.environ, "PLINTH_RESULTS": results.name,
                       "PYTHONDONTWRITEBYTECODE": "1"}
        status = subprocess.run(words, env=environment, check=False).returncode
        lines = [line.rstrip("\n").split("\t") for line in results]
    for outcome, seconds, name in lines:
        totals.add(name, outcome, float(seconds))
    failed = any(outcome == "failed" for outcome, _, _ in lines)
    if status not in (0, 1) or (status == 1 and not failed) or not lines:
        totals.add(f"system tests (pytest ended with status {status})", "failed")


def exceptions_listed():
    """How many exceptions from the rule the tests carry."""
    with open(os.path.join(HERE, "differences"), encoding="utf-8") as file:
        lines = [line for line in file if line.strip() and not line.startswith("#")]
    return f"{len(lines)} lines in tests/differences"


def main():
    started = time.monotonic()
    totals = Totals()
    say("== checks")
    run_checks(totals)
    say("== host tests")
    run_host_tests(totals, sys.argv[1:])
    say("== system tests")
    run_system_tests(totals)
    say("== the slowest ten")
    for seconds, name in sorted(totals.times, reverse=True)[:10]:
        say(f"{seconds:7.1f} s  {name}")
    for name in totals.failures:
        say(f"FAILED {name}")
    say(f"== {time.monotonic() - started:.0f} s, {exceptions_listed()}")
    count = totals.count
    say(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    sys.exit(1 if count["failed"] else 0)


main()
