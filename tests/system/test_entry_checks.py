# SPDX-License-Identifier: MIT
"""The image that checks each VMCB against the manual's rules before it enters it, with guests that
change their mode, are injected every kind of event, and write what a CPU would refuse."""
import pytest

CHECKS = ("--image", "build/plinth-checks.elf")


@pytest.mark.parametrize("guest", ["modes", "delivery", "exceptions32", "nmi", "control", "msr"])
def test_no_rule_is_broken(run, guest):
    """The guest ends by itself, and not by a panic of the image."""
    result = run(*CHECKS, "--guest", f"kernel=build/guests/{guest}.elf", timeout=150)
    assert result.status == 1, result
