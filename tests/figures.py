# SPDX-License-Identifier: MIT
"""Figures that tests measure, kept for `make reliability`: one file an id in build/results, with what
was measured, of which version, and when. A host test prints a line `figure ID: TEXT`, a system test
takes the fixture `figure`. The last one measured counts."""
import datetime
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULTS = os.path.join(ROOT, "build", "results")
LINE = re.compile(r"^figure ([\w-]+): (.+?)\s*$", re.M)


def version():
    """As git describes the tree."""
    said = subprocess.run(["git", "--no-optional-locks", "describe", "--always", "--dirty"],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def keep(name, text):
    """Records that `name` came out as `text`, now, for this version."""
    os.makedirs(RESULTS, exist_ok=True)
    path = os.path.join(RESULTS, name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(f"{text}\t{version()}\t{datetime.date.today().isoformat()}\n")
    os.replace(path + ".new", path)


def keep_all(output):
    """Keeps each figure that a test's output has. Returns the lines' texts."""
    found = LINE.findall(output)
    for name, text in found:
        keep(name, text)
    return [f"{name}: {text}" for name, text in found]


def lines_of(name):
    """How many lines of a list of the tree aren't comments."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return sum(bool(line.strip()) and not line.startswith("#") for line in file)


def read(name):
    """(text, version, date), or None if it was never measured here."""
    try:
        with open(os.path.join(RESULTS, name), encoding="utf-8") as file:
            return tuple(file.read().rstrip("\n").split("\t"))
    except FileNotFoundError:
        return None
