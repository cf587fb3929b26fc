# SPDX-License-Identifier: GPL-2.0-only
"""Boot images: one file that BIOS and UEFI boot, as a CD and from a USB stick (grub-mkrescue)."""
import os
import shutil
import struct
import subprocess

from rig.guest import UsageError


class SetupError(Exception):
    """Something that this machine should have is not there; the text is a whole sentence."""


GRUB_HEAD = """\
if serial --unit=0 --speed=115200; then
	terminal_input console serial
	terminal_output console serial
fi
insmod all_video
set default=0
set timeout={timeout}
"""


def quoted(word):
    """A word as GRUB's shell reads it back unchanged."""
    return "'" + word.replace("'", "'\\''") + "'"


def line(*words):
    return "\t" + " ".join(words) + "\n"


def words_of(text):
    """GRUB joins words with one space and puts quotes round a word that has a space inside, so
    each is handed to it alone."""
    return [quoted(word) for word in text.split()]


def menu_entry(title, options, modules):
    """modules: [(path on the image, module string)]."""
    text = f"menuentry {quoted(title)} {{\n"
    text += line("multiboot2 /boot/plinth.elf", *words_of(options))
    for path, string in modules:
        text += line("module2 --nounzip", path, *words_of(string))
    return text + line("boot") + "}\n"


def menu(guests, options, modules, timeout):
    """The whole grub.cfg. modules are those of all guests."""
    names = ", ".join(f"{guest.name} ({os.path.basename(guest.kernel)})" for guest in guests)
    text = GRUB_HEAD.format(timeout=timeout)
    if guests:
        text += menu_entry(f"Plinth with guest {names}", options, modules)
        text += menu_entry(f"Plinth with guest {names}, stay on at the end",
                           f"{options} at-end=stay", modules)
    return text + menu_entry("Plinth without a guest", options, [])


# How GRUB loads a kernel without Plinth: its command, that for modules, and how the file is known:
# a magic number (as bytes), where it may begin, in steps of how many.
# Multiboot Specification 0.6.96, "The layout of Multiboot header"; Multiboot2 Specification 2.0,
# "The layout of Multiboot2 header"; Linux, Documentation/x86/boot.rst, "The Real-Mode Kernel Header".
LOADERS = [
    ("multiboot", "module --nounzip", struct.pack("<I", 0x1badb002), range(0, 8192, 4)),
    ("multiboot2", "module2 --nounzip", struct.pack("<I", 0xe85250d6), range(0, 32768, 8)),
    ("linux", "initrd", b"HdrS", [0x202]),
]


def loader_of(path):
    """(command for the kernel, command for its modules). Raises UsageError."""
    with open(path, "rb") as file:
        start = file.read(32768)
    for kernel, module, magic, places in LOADERS:
        if any(start.startswith(magic, place) for place in places):
            return kernel, module
    raise UsageError(f"GRUB can't boot {path!r} without Plinth: it is no bzImage and has no "
                     "multiboot header; take a machine of QEMU, as --machine svm")


def bare_menu(guest, modules):
    """The grub.cfg that boots the guest's kernel alone."""
    kernel, module = loader_of(guest.kernel)
    text = GRUB_HEAD.format(timeout=0) + "menuentry 'the kernel alone' {\n"
    text += line(kernel, "/boot/kernel", *words_of(guest.cmdline or ""))
    if kernel == "linux" and modules:
        text += line(module, *(name for name, _ in modules))
    else:
        text += "".join(line(module, name, *words_of(words)) for name, words in modules)
    return text + line("boot") + "}\n"


def make_image(output, elf, guests, options, timeout, scratch):
    """Writes the image to output. elf is build/plinth.elf, options Plinth's own words, timeout the
    menu's in seconds (0: no menu), scratch an empty folder to work in. Raises SetupError."""
    if not os.path.isfile(elf):
        raise SetupError(f"{elf} is not there; `make` builds it")
    files = [module for guest in guests for module in guest.modules()]
    modules = [(f"/boot/module{number}", string) for number, (_, string) in enumerate(files, 1)]
    contents = [("/boot/plinth.elf", elf)]
    contents += [(name, path) for (name, _), (path, _) in zip(modules, files)]
    write_image(output, menu(guests, options, modules, timeout), contents, scratch)


def make_bare_image(output, guest, scratch):
    """The same for a guest's kernel without Plinth. Raises UsageError, SetupError."""
    modules = [(f"/boot/module{number}", words) for number, (_, _, words) in
               enumerate(guest.files, 1)]
    contents = [("/boot/kernel", guest.kernel)]
    contents += [(name, path) for (name, _), (path, _, _) in zip(modules, guest.files)]
    write_image(output, bare_menu(guest, modules), contents, scratch)


def write_image(output, config, contents, scratch):
    """contents: [(name on the image, path of the file)]."""
    if shutil.which("grub-mkrescue") is None:
        raise SetupError("grub-mkrescue is not installed; tools/setup iso gets it")
    os.makedirs(os.path.join(scratch, "boot", "grub"))
    for name, path in contents:
        shutil.copyfile(path, scratch + name)
    with open(os.path.join(scratch, "boot", "grub", "grub.cfg"), "w", encoding="utf-8") as file:
        file.write(config)
    made = subprocess.run(["grub-mkrescue", "-o", output, scratch], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if made.returncode != 0 or not os.path.isfile(output):
        raise SetupError(f"grub-mkrescue failed:\n{made.stdout}")
