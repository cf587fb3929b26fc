# SPDX-License-Identifier: MIT
"""Guests that can't run get a sentence that names them and the fault; the others still run."""
import os
import re
import struct

import pytest

from conftest import DEBIAN, ROOT, debian

BOOT = "kernel=build/guests/boot.elf"


@pytest.fixture(name="files", scope="session")
def bad_files(tmp_path_factory):
    """Kernels and initrds that nothing can start."""
    folder = tmp_path_factory.mktemp("bad")
    with open(os.path.join(ROOT, "build/guest/vmlinuz"), "rb") as file:
        kernel = file.read()
    contents = {"short": kernel[:100000], "header": kernel[:512], "empty": b"",
                "text": b"This is no kernel.\n" * 100, "one": b"\x7f", "elf": b"\x7fELF"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    with open(folder / "big", "wb") as file:
        file.truncate(160 << 20)
    return folder


def assert_refused(result, regex, name="1"):
    assert result.status == 6, result
    assert result.says(rf"guest {name}: refused: .*{regex}"), result
    assert result.says("all guests have ended; powering off"), result
    assert not result.says("PANIC"), result


@pytest.mark.parametrize("name", ["short", "header", "text", "one", "elf"])
def test_bad_kernel(run, files, name):
    assert_refused(run("--guest", f"kernel={files / name}", timeout=30), r"\w+ \w+ \w+")


def test_segment_outside_the_memory(run, tmp_path):
    """An ELF32 kernel whose first segment is at 1 GiB. ELF specification, "Program Header"."""
    with open(os.path.join(ROOT, "build/guests/boot.elf"), "rb") as file:
        kernel = bytearray(file.read())
    headers, = struct.unpack_from("<I", kernel, 28)         # e_phoff
    assert struct.unpack_from("<I", kernel, headers) == (1,)    # PT_LOAD
    struct.pack_into("<I", kernel, headers + 12, 1 << 30)   # p_paddr
    moved = tmp_path / "moved.elf"
    moved.write_bytes(kernel)
    assert_refused(run("--guest", f"kernel={moved},mem=256M", timeout=30), r"0x40000000|memory")


def test_initrd_too_large(run, files):
    guest = f"kernel=build/guest/vmlinuz,initrd={files / 'big'},mem=128M,cmdline=console=ttyS0"
    assert_refused(run("--guest", guest, timeout=30), "initrd")


def test_linux_needs_its_address(run):
    """It runs at its preferred address, 16 MiB, or above, wherever it is loaded (boot.rst)."""
    assert_refused(run("--guest", debian("mem=64M"), timeout=30), "at 0x1000000, .*mem=")


@pytest.mark.parametrize("keys, regex", [
    ("mem=1000001", "mem=1000001"),
    ("mem=1M", r"\d"),
    ("mem=4K", "mem=4K"),
    ("mem=100G", r"memory|mem="),
    ("mem=", "mem="),
    ("mem=lots", "mem=lots"),
    ("cpus=0", "cpus=0"),
    ("colour=red", "colour"),
    ("mem=64M,mem=64M", "mem"),
    ("rights=17+4K:rw", "rights="),
])
def test_bad_keys(run, keys, regex):
    assert_refused(run("--guest", f"{DEBIAN},{keys}", timeout=30), regex)


def test_refusal_from_grub(run, files):
    result = run("--media", "cd", "--guest", f"kernel={files / 'text'}")
    assert_refused(result, r"\w+ \w+")


def test_others_still_run(run, files):
    """The first is refused, which gives the status; the second runs to its end."""
    result = run("--cpus", "2", "--guest", f"kernel={files / 'text'},name=bad",
                 "--guest", f"{BOOT},name=good", timeout=30)
    assert_refused(result, r"\w+", "bad")
    assert result.says("guest good: ended: debug exit"), result


def test_each_allocation_fails(run, files, figure):
    """fail-alloc: no allocation in the making of a guest takes anything down or loses a byte. Its
    memory is one, its VM another, each vCPU has four (itself; the block, its VMCB, its MSR map)."""
    result = run("--hv", "fail-alloc", "--cpus", "5", "--guest", f"{BOOT},mem=64M,cpus=3,name=a",
                 "--guest", debian("mem=128M,name=b"), "--guest", f"kernel={files / 'text'},name=c",
                 "--expect", "guest a: ended: debug exit 0x00", timeout=60)
    wanted, total = {"a": 14, "b": 6, "c": 6}, 0
    for name, least in wanted.items():
        line = next((re.search(rf"guest {name}: (\d+) allocations failed in turn, (\d+) times it "
                               r"was refused, (-?\d+) bytes lost", own) for own in result.own
                     if f"guest {name}: " in own and "in turn" in own), None)
        assert line, (name, result)
        failed, refused, lost = map(int, line.groups())
        assert failed >= least and refused >= least - 1 and lost == 0, (name, line.group(0))
        total += failed
    assert result.status == 0, result
    figure("R9", f"{total} allocations of 3 guests failed in turn: 0 crashes, 0 bytes lost; of the "
           "mmu: test_mmu")


def test_too_many_guests(run):
    """Each virtual CPU has a host CPU of its own: where none is left, the guest is refused."""
    result = run("--cpus", "1", "--guest", f"{BOOT},name=first", "--guest", f"{BOOT},name=second",
                 timeout=30)
    assert result.says("guest second: refused: .*CPU"), result
    assert result.status == 1 and result.says("guest first: ended: debug exit"), result


@pytest.mark.parametrize("first, second", [("triple", "heartbeat"), ("heartbeat", "triple")])
def test_one_dies_the_other_goes_on(run, first, second):
    """A guest's triple fault is its own affair, whichever CPU it is on."""
    result = run("--cpus", "2", "--guest", f"kernel=build/guests/{first}.elf,name={first}",
                 "--guest", f"kernel=build/guests/{second}.elf,name={second}",
                 "--expect", r"beat 25$", timeout=60)
    assert result.status == 0, result
    after = result.output.split("guest triple: ended: killed: ", 1)[1]
    assert len(re.findall(r"beat \d+$", after, re.M)) >= 10, result


def test_same_name_twice(run):
    result = run("--cpus", "2", "--guest", debian("name=twin,mem=128M"),
                 "--guest", debian("name=twin,mem=128M"), "--expect", "guest twin: refused: .*name")
    assert result.status == 0, result


def test_name_that_is_none(run):
    """Such a module is nobody's: tools/run repeats the sentence, also where Plinth's lines are left out."""
    result = run("--quiet", "--guest", f"{BOOT},name=a/b", timeout=30)
    assert result.status == 6 and result.output == "", result
    assert "module 1: guest=a/b is not a name; write 1 to 31 letters" in result.errors, result


def test_guests_larger_than_the_host(run):
    """Memory for the first only."""
    result = run("--cpus", "2", "--memory", "512M", "--guest", f"{BOOT},name=first,mem=256M",
                 "--guest", f"{BOOT},name=second,mem=400M", timeout=30)
    assert result.says(r"guest second: refused: .*memory.*\(2\d\d MiB are free\)"), result
    assert result.status == 1, result


def test_host_memory_in_small_pieces(run):
    """More is free than the guest wants, but not in one aligned piece: the sentence says so."""
    result = run("--memory", "6M", "--guest", f"{BOOT},mem=1M", timeout=30)
    assert result.says(r"refused: .* mem=1M, in aligned pieces of 2 MiB .*\([1-9] MiB are free\)"), result
    assert result.status == 6, result
