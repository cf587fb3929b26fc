# SPDX-License-Identifier: MIT
"""The conformance suite of the backends (tests/conform), on every machine that has one."""
import re

import pytest

GUESTS = pytest.mark.part("machines")


@pytest.mark.parametrize("machine", [
    "svm", "vmx", pytest.param("svm-la57", marks=GUESTS), pytest.param("svm-bochs", marks=GUESTS)])
def test_backend(run, machine):
    result = run("--machine", machine, "--image", "build/plinth-conform.elf", timeout=300)
    assert result.status == 0, [line for line in result.own if line.startswith(("not ok", "#"))]
    total = re.match(r"conformance: (\d+) passed, 0 failed, ", result.own[-1])
    assert total and int(total.group(1)) > 400, result
    cases = [line for line in result.own if re.match(r"(not )?ok \d+ - ", line)]
    assert f"1..{len(cases)}" in result.own, result
