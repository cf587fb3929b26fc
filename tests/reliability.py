#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What Plinth is measured by, for `make reliability`: aim, what was measured last on this machine and
of which version, and the command that measures it. Nothing is run: tests keep their figures
(tests/figures.py) when they pass through."""
import os

import figures

NOT_YET = "not yet: "


def tap_points():
    """The test kernels' points, summed over the kernels that were run."""
    names = sorted(os.listdir(figures.RESULTS)) if os.path.isdir(figures.RESULTS) else []
    read = [figures.read(name) for name in names if name.startswith("tap-")]
    if not read:
        return None
    points = sum(int(text) for text, _, _ in read)
    differ = figures.lines_of("tests/differences")
    _, version, date = max(read, key=lambda entry: entry[2])
    return f"{len(read)} kernels, {points} points, {differ} listed differences", version, date


def single_fetch():
    read = [figures.read(name) for name in ("R16-walks", "R16-emulator")]
    if None in read:
        return None
    return "; ".join(text for text, _, _ in read), *read[0][1:]


def panic_sites():
    return f"{figures.lines_of('tests/panic-sites')} places that panic, each with its reason", \
        figures.version(), "now"


# id, aim, where the figure comes from (an id, a function, or why there is none yet), command
ROWS = [
    ("R1", "1 000 boots in a row under QEMU, 0 failures", "R1", "make test-long PART=boots"),
    ("R2", "page formats: every input enumerated, 0 mismatches", "R2", "make test"),
    ("R3", "≥ 100 M fuzz executions a component, 0 findings", "fuzz", "make test-long PART=fuzz"),
    ("R4", "branches ≥ 95 % format, pagewalk; ≥ 90 % mmu, emulator", "coverage",
     "make test-long PART=coverage"),
    ("R5", "1 M mutated vmcb12, 200 k vmcs12: 0 host crashes", NOT_YET + "no nesting", ""),
    ("R6", "2 M random events of a hostile guest beside a heartbeat", NOT_YET + "no such guest", ""),
    ("R7", "laziest-legal-TLB model, 50 M mmu operations", NOT_YET + "no shadow paging", ""),
    ("R8", "historical bugs as mutants, all caught", NOT_YET + "no mutants", ""),
    ("R9", "every allocation made to fail in turn: 0 crashes, 0 leaks", "R9", "make test"),
    ("R11", "≥ 30 forced panics, each report complete", "R11", "make test"),
    ("R12", "nothing that a guest does reaches a panic", panic_sites, "tests/check_floors.py"),
    ("R13", "soak of 8 minutes: memory pool delta 0 pages", NOT_YET + "guests aren't restarted", ""),
    ("R14", "no state leaks between guests over 1 000 switches",
     NOT_YET + "guests don't share a CPU", ""),
    ("R15", "the same kernels print the same bare and under Plinth", tap_points, "make test"),
    ("R16", "each guest word is read once an operation", single_fetch, "make test"),
]


def measured(source):
    """(text, "of which version, when")."""
    if isinstance(source, str) and source.startswith(NOT_YET):
        return source, ""
    found = source() if callable(source) else figures.read(source)
    return (found[0], f"{found[1]}, {found[2]}") if found else ("not measured here", "")


def main():
    for name, aim, source, command in ROWS:
        text, when = measured(source)
        print(f"{name:<4} {aim}")
        print(f"     {text}" + (f"  ({when})" if when else ""))
        if command:
            print(f"     {command}")


main()
