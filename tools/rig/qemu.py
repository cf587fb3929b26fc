# SPDX-License-Identifier: GPL-2.0-only
"""QEMU: the command line for one run, and the process."""
import os
import re
import shutil
import subprocess

from rig import stream
from rig.emulator import Emulator, die_with_parent
from rig.image import SetupError

UEFI_FIRMWARE = ("/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF.fd",
                 "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/qemu/OVMF.fd")
TEST_DEVICES = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
# Where the stick's image is a file that others may read too, QEMU must not write to it.
MEDIA = {
    "cd": ["-device", "VGA", "-drive", "if=ide,media=cdrom,readonly=on,format=raw,file={image}",
           "-boot", "d"],
    "usb": ["-device", "VGA", "-device", "qemu-xhci",
            "-drive", "if=none,id=stick,readonly=on,format=raw,file={image}",
            "-device", "usb-storage,drive=stick,bootindex=0,removable=on"],
}
NOISE = re.compile(r"warning: (TCG doesn't support requested feature|host doesn't support)"
                   r"|terminating on signal|^\s*$")
LEFT_BY_USER = b"QEMU: Terminated"


class Qemu(Emulator):
    """words: the whole command line but for the serial line. bare: its status may be a guest's."""

    def __init__(self, words, interactive, bare):
        self.interactive, self.bare = interactive, bare
        self.words = words + ["-serial", "mon:stdio" if interactive else "stdio"]
        if not interactive:
            self.words += ["-monitor", "none"]

    def start(self):
        self.process = subprocess.Popen(
            self.words, stdin=None if self.interactive else subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, preexec_fn=die_with_parent)
        self.output = self.process.stdout.fileno()
        self.messages = self.process.stderr.fileno()
        if not self.interactive:
            self.input = self.process.stdin.fileno()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def said(self, line):
        return "" if NOISE.search(line) else line

    def ended(self, code, heard):
        if code < 0 or code & 1 == 1 and not self.bare or code == 1 and not heard:
            return stream.STATUS_SETUP, f"the emulator ended with status {code}"
        return (stream.STATUS_OK, "") if LEFT_BY_USER in heard else None

    def bare_status(self, code):
        return code


def find_emulator():
    emulator = shutil.which("qemu-system-x86_64")
    if emulator is None:
        raise SetupError("qemu-system-x86_64 is not installed; tools/setup run gets it")
    return emulator


def escaped(path):
    """A file name inside an option of QEMU's: commas are doubled."""
    return path.replace(",", ",,")


def machine_words(cpu, options, cpus, memory):
    """What all runs have in common."""
    words = [find_emulator(), "-accel", "tcg", "-cpu", cpu, "-smp", str(cpus), "-m", memory,
             "-nodefaults", "-display", "none", "-no-reboot"]
    if options.icount:
        words += ["-icount", "shift=0"]
    return words


def firmware_words(options):
    if options.firmware == "bios":
        return []
    for path in UEFI_FIRMWARE:
        if os.path.isfile(path):
            return ["-bios", path]
    raise SetupError("the UEFI firmware for QEMU (OVMF) is not installed; Debian's package is ovmf")


def bare_words(guest):
    """The guest's kernel without Plinth."""
    words = TEST_DEVICES + ["-kernel", guest.kernel]
    if guest.files:
        words += ["-initrd", ",".join(escaped(f"{path} {cmdline}".rstrip())
                                      for path, _, cmdline in guest.files)]
    if guest.cmdline:
        words += ["-append", guest.cmdline]
    return words


def module_words(guests, scratch):
    """Modules for QEMU's multiboot loader. It ends a file's name at the first space, so the files
    get names of our own."""
    entries = []
    for path, string in (module for guest in guests for module in guest.modules()):
        link = os.path.join(scratch, f"module{len(entries) + 1}")
        os.symlink(os.path.abspath(path), link)
        entries.append(escaped(f"{link} {string}"))
    return ["-initrd", ",".join(entries)] if entries else []


def kernel_words(options, guests, scratch):
    if not os.path.isfile(options.image + "32"):
        raise SetupError(f"{options.image}32 is not there; `make` builds it")
    words = ["-kernel", options.image + "32"] + module_words(guests, scratch)
    return words + (["-append", options.hv] if options.hv else [])


def make(cpu, options, guests, cpus, memory, image, scratch):
    """The Qemu for one run. image makes the boot image and returns its path."""
    words = machine_words(cpu, options, cpus, memory)
    if options.bare:
        words += bare_words(guests[0])
    elif options.media == "kernel":
        words += firmware_words(options) + kernel_words(options, guests, scratch)
    else:
        words += firmware_words(options)
        path = escaped(image())
        words += [word.format(image=path) for word in MEDIA[options.media]]
    return Qemu(words + options.qemu, options.interactive, options.bare)
