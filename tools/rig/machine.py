# SPDX-License-Identifier: GPL-2.0-only
"""The emulated machines, and the emulator for one run."""
import os
from collections import namedtuple

from rig import bochs, qemu
from rig.guest import DEFAULT_MEMORY, UsageError
from rig.image import make_bare_image, make_image

Machine = namedtuple("Machine", "emulator cpu what")

# The machines: name, its emulator, that one's name of the CPU, what it is. One row each.
MACHINES = {
    "svm": Machine(qemu, "max,-la57", "QEMU without KVM: an AMD CPU with SVM and nested paging"),
    "svm-la57": Machine(qemu, "max", "the same, with 5-level paging"),
    "no-svm": Machine(qemu, "max,-la57,-svm", "for tests: a CPU without SVM"),
    "no-long-mode": Machine(qemu, "qemu32", "for tests: a CPU without 64-bit mode"),
    "vmx": Machine(bochs, "corei7_skylake_x",
                   "Bochs: an Intel CPU with VMX, EPT and unrestricted guests"),
    "vmx-no-ug": Machine(bochs, "corei5_lynnfield_750", "the same without unrestricted guests"),
    "svm-bochs": Machine(bochs, "ryzen", "Bochs: an AMD CPU with SVM, nested paging, nRIP save"),
    "no-vmx": Machine(bochs, "p4_prescott_celeron_336",
                      "for tests: Bochs, an Intel CPU without VMX"),
}


def default_cpus(guests):
    """Each virtual CPU has a host CPU of its own; what isn't a number is for Plinth to refuse."""
    counts = [guest.value("cpus", "1") for guest in guests]
    return max(1, sum(min(int(count), 32) if count.isdigit() else 1 for count in counts))


def check_machine(options):
    """Fills in the media. Raises UsageError for what the machine can't do."""
    emulator = MACHINES[options.machine].emulator
    if options.bare and len(options.guest) != 1:
        raise UsageError("--bare needs exactly one --guest")
    if emulator is bochs:
        bochs.check(options)
    if options.media is None:
        options.media = "cd" if options.firmware == "uefi" or emulator is bochs else "kernel"


def boot_image(options, guests, scratch):
    """The path of what GRUB boots from."""
    if options.iso:
        return options.iso
    image = os.path.join(scratch, "plinth.iso")
    tree = os.path.join(scratch, "tree")
    os.mkdir(tree)
    if options.bare:
        make_bare_image(image, guests[0], tree)
    else:
        make_image(image, options.image, guests, options.hv, 0, tree)
    return image


def emulator_for(options, guests, scratch):
    """The Emulator for one run. scratch is an empty folder that must stay until it has ended.
    Raises UsageError, SetupError."""
    row = MACHINES[options.machine]
    memory = options.memory or (guests[0].value("mem", DEFAULT_MEMORY) if options.bare else "1G")
    return row.emulator.make(row.cpu, options, guests, options.cpus or default_cpus(guests), memory,
                             lambda: boot_image(options, guests, scratch), scratch)
