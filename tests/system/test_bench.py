# SPDX-License-Identifier: MIT
"""tools/bench: a table whose verdicts are those of its figures, and the exit status with them."""
import os
import re
import subprocess

from conftest import ROOT

BENCH = os.path.join(ROOT, "tools", "bench")


def bench(*words):
    return subprocess.run([BENCH, *words], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=120, check=False, text=True)


def test_micro():
    """Each judged row says yes just where the cost is within the target; the status follows."""
    done = bench("--only", "micro")
    judged = re.findall(r"(\d+) +\d+ +[\d.]+ +(\d+)  (yes|NO)$", done.stdout, re.M)
    assert len(judged) == 8, done
    for cost, target, word in judged:
        assert (int(cost) <= int(target)) == (word == "yes"), done
    reached = sum(word == "yes" for _, _, word in judged)
    assert f"{reached} of 8 targets reached" in done.stdout, done
    assert done.returncode == (0 if reached == 8 else 1), done
    assert done.stdout.count("\nmissed: ") == 8 - reached, done


def test_targets():
    """The targets are the project's: two figures of their own, and a fifth of KVM's in the file."""
    lines = bench("--only", "micro").stdout.split("\n")
    targets = {re.split(r"  +", line)[0]: line.split()[-2] for line in lines
               if line.endswith(("  yes", "  NO"))}
    assert targets == {
        "CPUID": "290", "VMMCALL, call 0": "290", "IN from the PIC": "400",
        "LAPIC EOI write (MMIO)": "738", "IN from an unclaimed port": "1019",
        "read of unclaimed MMIO": "1482", "RDMSR EFER": "597", "WRMSR EFER": "644"}


def test_wrong_use(tmp_path):
    assert bench("--only", "nothing").returncode == 2
    assert bench("--only", "size", "--image", str(tmp_path / "none")).returncode == 8
