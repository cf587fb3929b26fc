# SPDX-License-Identifier: GPL-2.0-only
"""The emulated machines, and the command line of the emulator for one run."""
import os
import shutil

from rig.guest import DEFAULT_MEMORY, UsageError
from rig.image import SetupError, make_image

# The machines: name, the emulator's CPU, what it is. One row each.
MACHINES = {
    "svm": ("max,-la57", "QEMU without KVM: an AMD CPU with SVM and nested paging"),
    "svm-la57": ("max", "the same, with 5-level paging"),
    "no-svm": ("max,-la57,-svm", "for tests: a CPU without SVM"),
    "no-long-mode": ("qemu32", "for tests: a CPU without 64-bit mode"),
}
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


def find_emulator():
    emulator = shutil.which("qemu-system-x86_64")
    if emulator is None:
        raise SetupError("qemu-system-x86_64 is not installed; tools/setup run gets it")
    return emulator


def escaped(path):
    """A file name inside an option of QEMU's: commas are doubled."""
    return path.replace(",", ",,")


def machine_words(options, cpus, memory):
    """What all runs have in common."""
    cpu = MACHINES[options.machine][0]
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


def bare_words(options, guest):
    """The guest's kernel on the same machine, without Plinth."""
    memory = options.memory or guest.value("mem", DEFAULT_MEMORY)
    cpus = options.cpus or default_cpus([guest])
    words = machine_words(options, cpus, memory) + TEST_DEVICES + ["-kernel", guest.kernel]
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


def image_words(options, guests, scratch):
    image = options.iso
    if image is None:
        image = os.path.join(scratch, "plinth.iso")
        tree = os.path.join(scratch, "tree")
        os.mkdir(tree)
        make_image(image, options.image, guests, options.hv, 0, tree)
    return [word.format(image=escaped(image)) for word in MEDIA[options.media]]


def default_cpus(guests):
    """Each virtual CPU has a host CPU of its own; what isn't a number is for Plinth to refuse."""
    counts = [guest.value("cpus", "1") for guest in guests]
    return max(1, sum(min(int(count), 32) if count.isdigit() else 1 for count in counts))


def emulator_words(options, guests, scratch):
    """The emulator's whole command line but for the serial line. scratch is an empty folder that
    must stay until the emulator has ended. Raises UsageError, SetupError."""
    if options.bare:
        if len(guests) != 1:
            raise UsageError("--bare needs exactly one --guest")
        return bare_words(options, guests[0]) + options.qemu
    words = machine_words(options, options.cpus or default_cpus(guests), options.memory or "1G")
    words += firmware_words(options)
    media = kernel_words if options.media == "kernel" else image_words
    return words + media(options, guests, scratch) + options.qemu
