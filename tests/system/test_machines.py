# SPDX-License-Identifier: MIT
"""The test kernels on other CPUs than the one of `make test`: what a guest sees there must be what it
sees bare on the same CPU. Part "guests" of make test-long."""
import pytest

from test_guests import GUESTS, Tap, compare, differences, run_guest

pytestmark = pytest.mark.part("guests")
# As QEMU names them. Between them: with and without 1 GiB pages, LA57, SMEP, SMAP, PKU, XSAVE,
# RDTSCP; another vendor; another physical address width.
CPUS = ["EPYC", "phenom", "qemu64,+svm,+npt", "max,phys-bits=46", "max,vendor=GenuineIntel"]


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("name", GUESTS)
def test_plinth(name, cpu):
    bare = Tap(run_guest(name, "--bare", "--qemu", f"-cpu {cpu}").output)
    assert bare.complete and not bare.failed, bare.failed
    result = run_guest(name, "--qemu", f"-cpu {cpu}")
    tap = Tap(result.output)
    assert tap.complete and not tap.failed and result.status == 1, (tap.failed, tap.twice, result)
    # What a kernel skips on this CPU has no value, so no difference either; and what the emulator gets
    # wrong on one CPU it may get right on another.
    listed = {test: value for test, value in differences(name).items()
              if bare.values.get(test, "-") != tap.values.get(test, "-")}
    assert not list(compare(bare.values, tap.values, listed)), result
