# SPDX-License-Identifier: GPL-2.0-only
"""Boot images: one file that BIOS and UEFI boot, as a CD and from a USB stick (grub-mkrescue)."""
import os
import shutil
import subprocess


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


def make_image(output, elf, guests, options, timeout, scratch):
    """Writes the image to output. elf is build/plinth.elf, options Plinth's own words, timeout the
    menu's in seconds (0: no menu), scratch an empty folder to work in. Raises SetupError."""
    if shutil.which("grub-mkrescue") is None:
        raise SetupError("grub-mkrescue is not installed; tools/setup iso gets it")
    if not os.path.isfile(elf):
        raise SetupError(f"{elf} is not there; `make` builds it")
    boot = os.path.join(scratch, "boot")
    os.makedirs(os.path.join(boot, "grub"))
    shutil.copyfile(elf, os.path.join(boot, "plinth.elf"))
    modules = []
    for path, string in (module for guest in guests for module in guest.modules()):
        name = f"module{len(modules) + 1}"
        shutil.copyfile(path, os.path.join(boot, name))
        modules.append((f"/boot/{name}", string))
    with open(os.path.join(boot, "grub", "grub.cfg"), "w", encoding="utf-8") as config:
        config.write(menu(guests, options, modules, timeout))
    made = subprocess.run(["grub-mkrescue", "-o", output, scratch], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if made.returncode != 0 or not os.path.isfile(output):
        raise SetupError(f"grub-mkrescue failed:\n{made.stdout}")
