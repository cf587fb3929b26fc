# SPDX-License-Identifier: MIT
"""Guests that do one thing for ever, as fast as they can (guests/storm.c): the guest beside them lives
on, and Plinth itself stays in charge of their CPUs."""
import re

import pytest


def storm(name):
    return ("--guest", f"kernel=build/guests/storm.elf,name={name},mem=64M,cmdline={name}")


@pytest.mark.parametrize("names", [("ud", "pf", "gp"), ("step", "ipi", "nmi"),
                                   ("timer", "pit", "movs"), ("stos", "outs", "flush")],
                         ids="-".join)
def test_the_guest_beside_lives(run, names):
    """Three storms on the CPUs 0 to 2, and a heart that beats on the last one."""
    words = [word for name in names for word in storm(name)]
    result = run("--cpus", "4", "--memory", "512M", *words, "--guest",
                 "kernel=build/guests/heartbeat.elf,name=heart,mem=64M",
                 "--expect", r"beat 20$", timeout=60)
    assert result.status == 0, result
    for name in names:
        assert re.search(rf"storm {name}$", result.output, re.M), result
        assert not result.says(rf"guest {name}: ended"), result


@pytest.mark.parametrize("name", ["ud", "pf", "gp", "step", "ipi", "nmi", "timer", "pit", "movs",
                                  "stos", "outs", "loop", "flush"])
def test_the_cpu_is_plinths(run, name):
    """The storm's own CPU takes the host's interrupts: a typed key makes it crash on request."""
    result = run("--hv", "crash-at=input crash=ud", "--memory", "256M", *storm(name),
                 "--input-after", f"storm {name}", "--input", "x", timeout=30)
    assert result.status == 4 and result.says("panic"), result
