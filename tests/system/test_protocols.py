# SPDX-License-Identifier: MIT
"""Ways to load a kernel: what each hands over, as another loader does, and real kernels by each."""
import os
import re
import shutil
import struct
import subprocess

import pytest

from conftest import ROOT, debian, run_tool, type_in_shell
from test_guests import Tap

MULTIBOOT2 = "build/guests/boot-multiboot2.elf"


def grub_image(tmp_path, *lines):
    """An image on which GRUB does these, in a menu entry; files are taken from the tree."""
    tree = tmp_path / "tree"
    os.makedirs(tree / "boot/grub")
    for line in lines:
        shutil.copyfile(os.path.join(ROOT, line.split()[1]), tree / os.path.basename(line.split()[1]))
    commands = [" ".join([word[0], "/" + os.path.basename(word[1]), *word[2:]])
                for word in (line.split() for line in lines)]
    (tree / "boot/grub/grub.cfg").write_text("\n".join([*commands, "boot"]) + "\n")
    image = str(tmp_path / "grub.iso")
    subprocess.run(["grub-mkrescue", "-o", image, tree], check=True, timeout=120,
                   stdin=subprocess.DEVNULL, capture_output=True)
    return image


def test_multiboot2_as_from_grub(run, tmp_path):
    """A multiboot 2 kernel with two modules: the same from GRUB on the bare machine and from Plinth."""
    image = grub_image(tmp_path, f"multiboot2 {MULTIBOOT2} one two", "module2 LICENSE a b=c",
                       "module2 README.md")
    grub = Tap(run("--media", "cd", "--iso", image, timeout=60).output)
    assert grub.complete and not grub.failed, grub.failed
    result = run("--guest", f"kernel={MULTIBOOT2},module=LICENSE a b=c,module=README.md,"
                            "cmdline=one two", timeout=30)
    assert result.status == 1 and result.says(r"guest 1: multiboot 2, 256 MiB"), result
    plinth = Tap(result.output)
    assert plinth.complete and not plinth.failed, plinth.failed
    assert plinth.values == grub.values and len(grub.values) >= 25, result


def test_pvh_modules(run):
    """A PVH kernel's initrd: the same bytes as from QEMU."""
    words = ["--guest", "kernel=build/guests/boot-pvh.elf,initrd=LICENSE"]
    plinth, bare = Tap(run(*words).output), Tap(run(*words, "--bare").output)
    assert plinth.values == bare.values and plinth.values["modules"] == "0x1", (plinth, bare)
    assert plinth.values["modules: sum of their bytes"] != "0x0"


def test_linux_by_its_32_bit_entry(run):
    result = run("--guest", debian("protocol=linux32,mem=256M"),
                 *type_in_shell("uname -m", "poweroff -f"))
    assert result.status == 0 and result.says("Linux bzImage, 32-bit"), result
    assert "\nx86_64\n" in result.output, result


@pytest.fixture(name="vmlinux", scope="module")
def vmlinux_fixture(tmp_path_factory):
    """The ELF file inside Debian's bzImage (boot.rst, "payload_offset"), which is packed with LZ4."""
    with open(os.path.join(ROOT, "build/guest/vmlinuz"), "rb") as file:
        image = file.read()
    setup = (image[0x1f1] or 4) + 1
    offset, length = struct.unpack_from("<II", image, 0x248)
    packed = image[setup * 512 + offset:][:length]
    # The last four bytes are the size, which lz4 takes for a broken block after all that matters.
    done = subprocess.run(["lz4", "-dc"], input=packed, capture_output=True, check=False, timeout=60)
    assert done.stdout[:4] == b"\x7fELF" and len(done.stdout) >= struct.unpack("<I", packed[-4:])[0]
    path = tmp_path_factory.mktemp("linux") / "vmlinux"
    path.write_bytes(done.stdout)
    return str(path)


def test_linux_by_pvh(run, vmlinux):
    result = run("--guest", f"kernel={vmlinux},initrd=build/guest/initrd.gz,mem=512M,"
                            "cmdline=console=ttyS0 quiet no_timer_check",
                 *type_in_shell("echo shell", "poweroff -f"))
    assert result.status == 0 and result.says("guest 1: PVH"), result
    assert "\nshell\n" in result.output, result


def test_initrd_in_two_pieces(run, tmp_path):
    """Linux unpacks one archive after the other."""
    made = tmp_path / "more"
    os.makedirs(made / "extra")
    (made / "extra/file").write_text("found it\n")
    packed = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=made, timeout=30, check=True,
                            input=b"extra\nextra/file\n", capture_output=True).stdout
    (tmp_path / "second").write_bytes(packed)
    result = run("--guest", debian(f"initrd={tmp_path}/second,mem=256M"),
                 *type_in_shell("cat /extra/file", "poweroff -f"))
    assert result.status == 0 and "\nfound it\n" in result.output, result


@pytest.mark.parametrize("protocol", ["multiboot", "multiboot2"])
def test_plinth_in_plinth(run, protocol):
    """Plinth itself as a kernel: it starts, and says what its machine lacks."""
    result = run("--guest", f"kernel=build/plinth.elf,mem=128M,protocol={protocol},"
                            "module=build/guests/boot.elf guest=inner,,kernel", timeout=60)
    assert re.search(r"Plinth .*, loaded by Plinth", result.output), result
    assert "plinth: cannot start: " in result.output and "SVM" in result.output.split("cannot start")[1], \
        result


@pytest.mark.parametrize("protocol, name", [
    ("linux", "Linux bzImage, 64-bit"), ("linux32", "Linux bzImage, 32-bit"),
    ("multiboot2", "multiboot 2"), ("pvh", "PVH")])
def test_wrong_protocol(run, protocol, name):
    result = run("--guest", f"kernel=build/guests/boot.elf,protocol={protocol}", timeout=30)
    assert result.status == 6 and result.says(f"can't be loaded as {name}"), result


def test_module_that_is_too_large(run, tmp_path):
    with open(tmp_path / "big", "wb") as file:
        file.truncate(80 << 20)
    result = run_tool("--guest", f"kernel={MULTIBOOT2},mem=64M,module={tmp_path}/big", timeout=60)
    assert result.status == 6 and result.says("module 1 .* doesn't fit"), result
