#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs tests: for `make test` the checks, the host's unit tests and the system tests, or one part
of `make test-long` (tests/parts.py has the table).

  tests/run_all.py HOST_TEST...
  tests/run_all.py --part NAME        NAME: a part, or auto (by what changed since BASE)
  tests/run_all.py --check-part NAME  runs nothing: ends with 2 and says so if NAME is neither;
                                      for list, shows the parts

Progress while it runs, the slowest ten at the end, then the totals alone on a line. Ends with 1 if
anything failed. Everything is built already, but for what a part needs besides."""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time

import figures
import parts

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
HOST_SECONDS = 300
PART_SECONDS = 1500
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
        self.figures = []

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


def run_host_test(program, seconds=HOST_SECONDS, **environment):
    """(program, seconds, status, output)."""
    started = time.monotonic()
    try:
        done = subprocess.run([program], cwd=ROOT, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds, check=False,
                              env={**os.environ, **environment})
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
    totals.figures += figures.keep_all(output)
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


def run_system_tests(totals, part=None):
    """Those that no part claims, or those of one part."""
    with tempfile.NamedTemporaryFile("r", prefix="plinth-results-") as results:
        words = [PYTEST, "-q", "-p", "no:cacheprovider", "--tb=short", "-rN",
                 os.path.join(HERE, "system"), *(["--part", part] if part else [])]
        if has_xdist():
            words[1:1] = ["-n", WORKERS]
        environment = {**os.environ, "PLINTH_RESULTS": results.name,
                       "PYTHONDONTWRITEBYTECODE": "1"}
        status = subprocess.run(words, env=environment, check=False).returncode
        lines = [line.rstrip("\n").split("\t") for line in results]
    for outcome, seconds, name in lines:
        totals.add(name, outcome, float(seconds))
    reports = [outcome for outcome, _, name in lines if name.startswith("test_panic.py::test_report")]
    if reports:
        figures.keep("R11", f"{len(reports)} forced panics, "
                            f"{len(reports) - reports.count('passed')} incomplete reports")
    failed = any(outcome == "failed" for outcome, _, _ in lines)
    if status not in (0, 1) or (status == 1 and not failed) or not lines:
        totals.add(f"system tests (pytest ended with status {status})", "failed")


def make(*words):
    """make with these words, without the flags of the make that called us."""
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.run(["make", "--no-print-directory", f"-j{WORKERS}", *words], cwd=ROOT,
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)


def fuzz(totals, name, seconds):
    """One fuzz target for so long; what it found is kept beside it."""
    program = os.path.join(ROOT, "build", "fuzz", name)
    corpus = program + ".corpus"
    os.makedirs(corpus, exist_ok=True)
    started = time.monotonic()
    done = subprocess.run([program, f"-max_total_time={seconds}", "-print_final_stats=1",
                           f"-artifact_prefix={program}.", corpus], cwd=ROOT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=int(seconds) + 120, check=False)
    output = done.stdout.decode("utf-8", "replace")
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    good = done.returncode == 0 and runs
    totals.add(name, "passed" if good else "failed", time.monotonic() - started)
    say(f"{'ok' if good else 'FAILED':<7}{time.monotonic() - started:7.1f} s  {name} "
        f"({runs.group(1) if runs else 'no'} executions)")
    if not good:
        say("\n".join("    " + line for line in output.rstrip().split("\n")[-60:]))
    return int(runs.group(1)) if good else None


def set_up(totals, purpose):
    """Whether the programs for it are there now."""
    done = subprocess.run([os.path.join(ROOT, "tools", "setup"), purpose], check=False)
    if done.returncode:
        totals.add(f"set-up of {purpose}", "failed")
    return done.returncode == 0


def run_fuzz(totals, seconds):
    """Every target of tests/fuzz."""
    if not set_up(totals, "fuzz"):
        return
    names = sorted(name[:-2] for name in os.listdir(os.path.join(HERE, "fuzz"))
                   if re.fullmatch(r"fuzz_\w+\.c", name))
    built = make(*(f"build/fuzz/{name}" for name in names))
    if built.returncode:
        say(built.stdout)
        totals.add("fuzz targets build", "failed")
        return
    with concurrent.futures.ThreadPoolExecutor(int(WORKERS)) as pool:
        runs = dict(zip(names, pool.map(lambda name: fuzz(totals, name, seconds), names)))
    told = ", ".join(f"{name.removeprefix('fuzz_')} {count / 1e6:.1f} M" if count else
                     f"{name.removeprefix('fuzz_')} FAILED" for name, count in runs.items())
    totals.figures.append("fuzz: " + told)
    figures.keep("fuzz", told)


def run_step(totals, part, step):
    """One step of a part, as tests/parts.py writes it."""
    kind, *words = step.split()
    say(f"== {part}: {step}")
    if kind == "system":
        run_system_tests(totals, part)
    elif kind == "fuzz":
        run_fuzz(totals, words[0])
    elif kind == "host":
        program = os.path.join(ROOT, "build", "host", words[0])
        built = make(os.path.relpath(program, ROOT))
        if built.returncode:
            say(built.stdout)
        more = dict(word.split("=", 1) for word in words[1:])
        count_host_test(totals, *run_host_test(program, PART_SECONDS, **more))
    elif kind == "coverage":
        if set_up(totals, "coverage"):
            done = subprocess.run([os.path.join(HERE, "coverage")], cwd=ROOT, check=False)
            totals.add("coverage", "failed" if done.returncode else "passed")


def changed_files():
    """What the tree has that BASE (HEAD~1, unless the environment says) had not; ends with 2 if
    there is no such commit."""
    base = os.environ.get("BASE")
    listed = subprocess.run(["git", "diff", "--name-only", base or "HEAD~1", "--"], cwd=ROOT,
                            capture_output=True, text=True, check=False)
    if listed.returncode and base:
        print(f'BASE="{base}" is no commit of this tree; PART=auto compares with it', file=sys.stderr)
        sys.exit(2)
    return listed.stdout.split("\n")


def part_named(word):
    """The part that PART=word means; without a meaning: says which there are, and ends."""
    if word == "auto":
        return parts.choose(changed_files())
    if word in parts.PARTS:
        return word
    stream = sys.stdout if word == "list" else sys.stderr
    if word != "list":
        print(f'"{word}" is no part; PART=auto takes the one that fits what changed since BASE, or:',
              file=stream)
    for name, (what, steps, _) in parts.PARTS.items():
        print(f"  {name:<10} {what} ({', '.join(steps)})", file=stream)
    sys.exit(0 if word == "list" else 2)


def exceptions_listed():
    """How many exceptions from the rule the tests carry."""
    return (f"{figures.lines_of('tests/differences')} lines in tests/differences, "
            f"{figures.lines_of('tests/differences.bochs')} in tests/differences.bochs")


def run_everything(totals, host_tests):
    say("== checks")
    run_checks(totals)
    say("== host tests")
    run_host_tests(totals, host_tests)
    say("== system tests")
    run_system_tests(totals)


def main():
    started = time.monotonic()
    totals = Totals()
    if sys.argv[1:2] == ["--check-part"]:
        part_named(" ".join(sys.argv[2:]))
        return
    if sys.argv[1:2] == ["--part"]:
        part = part_named(" ".join(sys.argv[2:]))
        say(f"== part {part}: {parts.PARTS[part][0]}")
        for step in parts.PARTS[part][1]:
            run_step(totals, part, step)
    else:
        run_everything(totals, sys.argv[1:])
    say("== the slowest ten")
    for seconds, name in sorted(totals.times, reverse=True)[:10]:
        say(f"{seconds:7.1f} s  {name}")
    if totals.figures:
        say("== figures")
    for line in totals.figures:
        say(f"  {line}")
    for name in totals.failures:
        say(f"FAILED {name}")
    say(f"== {time.monotonic() - started:.0f} s, {exceptions_listed()}")
    count = totals.count
    say(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    sys.exit(1 if count["failed"] or not sum(count.values()) else 0)


main()
