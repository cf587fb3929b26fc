# SPDX-License-Identifier: GPL-2.0-only
"""Bochs: its configuration for one run, the process, and what its log tells about the end.

Every guest-made end of the machine (power-off, port 8900H, a triple fault) is a panic of Bochs' with
status 1, so that the log has to say which it was. The log comes through a pipe, of which the tail is
kept: nothing fills a disk, and its end is the end of Bochs."""
import collections
import os
import re
import shutil
import socket
import subprocess

from rig import stream
from rig.emulator import Emulator, die_with_parent
from rig.guest import UsageError
from rig.image import SetupError

MIB = 1 << 20
UNITS = {"k": 1 << 10, "K": 1 << 10, "": MIB, "M": MIB, "G": 1 << 30}
MOST_MEMORY_MIB = 2048      # of the host's that Bochs takes
MOST_CPUS = 8               # with more it runs out of timers
LOG_LINES = 400             # that are kept: a report of all CPUs is shorter
CONNECT_SECONDS = 60
# Emulated instructions in an emulated second. What counts time by devices comes sooner to its end with
# few, but timer interrupts come more often in the work done. Linux boots best with about these.
IPS = 100_000_000
START_OF_TIME = 946684800   # fixed, as all of Bochs' time is then (2000-01-01)

# The panics of Bochs' display are no reason to end: it can't show pixels, and nobody looks.
# sync=none: the clock counts instructions, and a CPU that waits skips the time.
CONFIGURATION = """\
config_interface: textconfig
display_library: term
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
memory: guest={memory}, host={memory}
romimage: file=$BXSHARE/BIOS-bochs-latest
vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest
cpu: model={cpu}, count={cpus}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs=0
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
clock: sync=none, time0={time0}
panic: action=fatal, term=report
error: action=report
info: action=report
debug: action=ignore
"""
OF_A_CPU = re.compile(r"^\d+[a-z]\[CPU")
PANIC = re.compile(r"^\d+p\[(?P<who>\S*) *\] >>PANIC<< (?P<text>.*)")
RESET = re.compile(r"bx_pc_system_c::Reset\(")
TRIPLE_FAULT = re.compile(r"exception\(\): 3rd \(\d+\) exception with no resolution")
GUEST_MADE = re.compile(r"ACPI control: soft power off|Shutdown port: shutdown requested")


class Bochs(Emulator):
    """program, and a folder with the configuration that `port` belongs to."""
    reads_terminal = False

    def __init__(self, program, scratch, configuration, bare):
        self.program, self.scratch, self.bare = program, scratch, bare
        self.configuration = configuration
        self.log = collections.deque(maxlen=LOG_LINES)
        self.panic = ""             # the sentence of the first,
        self.panic_of_cpu = False   # and whether a CPU says it
        self.resets = 0             # the first is the start

    def write(self, name, text):
        with open(os.path.join(self.scratch, name), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        """Bochs is the client of its serial line's socket: the port is ours before Bochs starts, so
        any number of them can start at once; and there is no terminal between, whose modes and whose
        small buffer would count."""
        with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
            self.write("bochsrc", self.configuration.format(port=server.getsockname()[1]))
            # Debian's Bochs has its debugger inside, which waits for a command.
            self.write("commands", "c\n")
            self.process = subprocess.Popen(
                [self.program, "-q", "-f", "bochsrc", "-rc", "commands"], cwd=self.scratch,
                env={**os.environ, "TERM": "vt100"}, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0,
                preexec_fn=die_with_parent)
            self.messages = self.process.stderr.fileno()
            self.connect(server)

    def connect(self, server):
        server.settimeout(0.05)
        for _ in range(int(CONNECT_SECONDS / 0.05)):
            try:
                self.line = server.accept()[0]
            except TimeoutError:
                if self.process.poll() is not None:
                    return
                continue
            self.line.setblocking(False)
            self.output = self.input = self.line.fileno()
            return
        raise SetupError(f"Bochs did not open its serial line in {CONNECT_SECONDS} s")

    def stop(self):
        """It takes no notice of SIGTERM."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self, line):
        self.log.append(line)
        panic = PANIC.match(line)
        if panic and not self.panic and panic.group("who") != "TERM":
            self.panic = panic.group("text").rstrip(".")
            self.panic_of_cpu = panic.group("who").startswith("CPU")
        self.resets += bool(RESET.search(line))
        return ""

    def must_stop(self):
        """A reset would boot again, for ever; QEMU's -no-reboot does the same."""
        return self.resets > 1

    def ended(self, code, heard):
        if self.output is None or not self.resets:
            return stream.STATUS_SETUP, f"Bochs ended at once: {self.panic or self.last_line()}"
        if self.panic_of_cpu:
            what = "a triple fault" if TRIPLE_FAULT.search(self.panic) else self.panic
            return stream.STATUS_PANIC, "\n".join([f"the machine ended: {what}. Bochs' log:",
                                                   *self.report()])
        if self.must_stop() or GUEST_MADE.search(self.panic):
            return None
        return stream.STATUS_SETUP, f"Bochs ended: {self.panic or self.last_line()}"

    def bare_status(self, code):
        """The debug exit is a device of QEMU's and Plinth's; what a kernel wants to say it prints."""
        return stream.STATUS_OK

    def last_line(self):
        lines = [line for line in self.log if line.strip(" =")]
        return lines[-1] if lines else "it said nothing"

    def report(self):
        """What it says of the exception and of each CPU."""
        lines = [line for line in self.log if OF_A_CPU.match(line)]
        start = next((i for i, line in enumerate(lines) if PANIC.match(line)), 0)
        return lines[start:]


def find_program():
    """BOCHS in the environment, or the one that is installed."""
    wanted = os.environ.get("BOCHS")
    program = shutil.which(wanted or "bochs")
    if program is None and wanted:
        raise SetupError(f"BOCHS={wanted!r} is no program")
    if program is None:
        raise SetupError("Bochs is not installed; tools/setup bochs gets it")
    return os.path.abspath(program)


def mebibytes(size):
    """The number that Bochs wants of --memory or mem=. Raises UsageError."""
    match = re.fullmatch(r"([0-9]+)([kKMG]?)", size)
    if not match:
        raise UsageError(f"{size!r} is no size of memory for Bochs; --memory gives it another")
    bytes_of = int(match.group(1)) * UNITS[match.group(2)]
    if bytes_of % MIB or not 1 <= bytes_of // MIB <= MOST_MEMORY_MIB:
        raise UsageError(f"Bochs' memory is whole MiB, at most {MOST_MEMORY_MIB}M; {size!r} isn't. "
                         "--memory gives it less")
    return bytes_of // MIB


def check(options):
    """Raises UsageError for what Bochs can't do."""
    other = "leave it out, or take a machine of QEMU, as --machine svm"
    if options.firmware == "uefi":
        raise UsageError(f"Bochs has no UEFI firmware for --firmware uefi; {other}")
    if options.media not in (None, "cd"):
        raise UsageError(f"Bochs boots from a CD only, not by --media {options.media}; {other}")
    if options.qemu:
        raise UsageError(f"--qemu is for QEMU, and --machine {options.machine} is Bochs; {other}")
    if options.cpus and options.cpus > MOST_CPUS:
        raise UsageError(f"Bochs has at most {MOST_CPUS} CPUs; --cpus {options.cpus} needs QEMU")
    if options.memory:
        mebibytes(options.memory)


def make(cpu, options, guests, cpus, memory, image, scratch):
    """The Bochs for one run. image makes the boot image and returns its path. Inside the folder all
    names are our own: Bochs has no way to write a comma or a quote."""
    program = find_program()
    if cpus > MOST_CPUS:
        raise UsageError(f"Bochs has at most {MOST_CPUS} CPUs; the guests need {cpus}")
    configuration = CONFIGURATION.format(
        cpu=cpu, cpus=cpus, memory=mebibytes(memory), ips=IPS, time0=START_OF_TIME, port="{port}")
    os.symlink(os.path.abspath(image()), os.path.join(scratch, "boot.iso"))
    return Bochs(program, scratch, configuration, options.bare)
