# SPDX-License-Identifier: GPL-2.0-only
"""One run of the emulator: its process, its serial line, the input typed, and how it ended."""
import fcntl
import os
import re
import select
import sys
import termios
import time

from rig import stream

PROMPT = re.compile(rb"[]#$>:?%)] ?$")
PROMPT_SECONDS = 0.3        # the guest waits for input when a prompt has stood for so long,
SETTLED_SECONDS = 10.0      # or when it has printed nothing at all for so long
LAST_WORD_SECONDS = 0.3     # nothing may follow Plinth's last word for so long
TYPING_SECONDS = 0.005      # between two bytes of input


def write_all(fd, data):
    """The emulator may have made the terminal non-blocking: writing waits all the same."""
    while data:
        try:
            data = data[os.write(fd, data):]
        except BlockingIOError:
            select.select([], [fd], [], 1)


def read_some(fd):
    """Bytes, or none at its end. A peer that has died resets the connection."""
    try:
        return os.read(fd, 65536)
    except ConnectionResetError:
        return b""


class Typist:
    """Types the script [("after", regex) | ("input", bytes)] at the guest's pace."""

    def __init__(self, script):
        self.script = list(script)
        self.watcher = None
        self.pending = b""
        self.line = b""             # that the guest has not finished
        self.settled = None         # an input without a condition waits until this time
        self.watch_for_next()

    def next_is(self, kind):
        return bool(self.script) and self.script[0][0] == kind

    def watch_for_next(self):
        self.watcher = None
        if self.next_is("after"):
            self.watcher = stream.Watcher(self.script.pop(0)[1])

    def take_input(self):
        self.pending = self.script.pop(0)[1]
        if not self.pending:
            self.watch_for_next()

    def heard(self, data):
        """This has come from the serial line."""
        if not self.watcher or not self.watcher.feed(data):
            return
        self.watcher = None
        if self.next_is("input"):
            self.take_input()
        else:
            self.watch_for_next()

    def guest_printed(self, data, now):
        """The guest's own part of it. An unfinished line is a prompt if it ends like one: on a busy
        machine any line may stand half printed."""
        self.line = (self.line + data).rsplit(b"\n", 1)[-1][-stream.LONGEST_LINE:]
        at_prompt = PROMPT.search(stream.plain(self.line))
        self.settled = now + (PROMPT_SECONDS if at_prompt else SETTLED_SECONDS)

    def byte_due(self, now):
        """The next byte to type, or nothing."""
        waits = self.pending or self.watcher or self.settled is None or now < self.settled
        if not waits and self.next_is("input"):
            self.take_input()
        byte, self.pending = self.pending[:1], self.pending[1:]
        if byte and not self.pending:
            self.settled = now + SETTLED_SECONDS
            self.watch_for_next()
        return byte


class Terminal:
    """The user's terminal, put back as it was on every path."""

    def __enter__(self):
        self.interactive = sys.stdin is not None and sys.stdin.isatty()
        if self.interactive:
            self.modes = termios.tcgetattr(0)
            self.flags = fcntl.fcntl(0, fcntl.F_GETFL)
        return self

    def __exit__(self, *_):
        if self.interactive:
            fcntl.fcntl(0, fcntl.F_SETFL, self.flags)
            termios.tcsetattr(0, termios.TCSADRAIN, self.modes)

    def pass_keys(self):
        """Every key is for the guest, at once and without an echo of ours; output as before."""
        modes = termios.tcgetattr(0)
        modes[0] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXON
                      | termios.BRKINT | termios.PARMRK)
        modes[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN | termios.ISIG)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(0, termios.TCSADRAIN, modes)


class Keys:
    """The user's keys where the emulator doesn't read them: Ctrl-A X leaves, and Ctrl-A twice is
    Ctrl-A for the guest, as with QEMU."""
    ESCAPE = 0x01

    def __init__(self):
        self.escaped = False
        self.left = False

    def typed(self, data):
        """What of it is for the guest."""
        kept = bytearray()
        for byte in data:
            if self.escaped:
                self.escaped = False
                self.left = self.left or byte in b"xX"
                if byte == self.ESCAPE:
                    kept.append(byte)
            elif byte == self.ESCAPE:
                self.escaped = True
            else:
                kept.append(byte)
        return bytes(kept)


class Session:
    """Starts the emulator (rig/emulator.py) and runs it to its end, or to ours.

    options are those of tools/run; first_guest is the name of the guest whose end counts (None
    without a guest). run() returns (status, sentence for the user or "")."""

    def __init__(self, emulator, options, first_guest):
        self.options = options
        self.emulator = emulator
        self.first_guest = first_guest
        self.verdict = stream.Verdict(first_guest)
        self.lines = stream.Lines(self.verdict.line)
        self.quiet = stream.Quiet()
        self.watcher = stream.Watcher(options.expect) if options.expect else None
        self.typist = Typist(options.script)
        self.keys = Keys()
        self.takes_keys = options.interactive and not emulator.reads_terminal
        self.unsent = b""           # to the serial line
        self.log = None
        self.errors = b""
        self.last = b""
        self.heard_at = time.monotonic()

    def run(self):
        with Terminal() as terminal:
            if self.options.log:
                self.log = open(self.options.log, "wb", buffering=0)
            try:
                self.emulator.start()
                if self.takes_keys:
                    terminal.pass_keys()
                return self.loop()
            finally:
                if self.emulator.process:
                    self.emulator.stop()
                if self.log:
                    self.log.close()

    def loop(self):
        takers = {self.emulator.messages: self.complain}
        if self.emulator.output is not None:
            takers[self.emulator.output] = self.heard
        deadline = time.monotonic() + self.options.timeout if self.options.timeout else None
        while takers:
            for end in self.ready(list(takers)):
                data = read_some(end)
                if data:
                    takers[end](data)
                else:
                    del takers[end]
            ended = self.check(time.monotonic(), deadline)
            if ended:
                return ended
        self.show(self.quiet.rest() if self.options.quiet else b"")
        return self.ended_by_itself(self.emulator.process.wait())

    def ready(self, ends):
        """Those of them that have something to read; takes the user's keys in between."""
        pause = TYPING_SECONDS if self.typist.pending else 0.1
        keys = [0] if self.takes_keys and not self.unsent else []
        full = [self.emulator.input] if self.unsent else []
        readable = select.select(ends + keys, full, [], pause)[0]
        if 0 in readable:
            self.unsent += self.keys.typed(read_some(0))
            readable.remove(0)
        return readable

    def send(self):
        """As much as the serial line takes: it need not take all at once."""
        try:
            if self.unsent:
                self.unsent = self.unsent[os.write(self.emulator.input, self.unsent):]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self.unsent = b""

    def check(self, now, deadline):
        """The end that we make ourselves, or None."""
        if self.watcher and self.watcher.found:
            return stream.STATUS_OK, ""
        if self.verdict.stopped and now >= self.heard_at + LAST_WORD_SECONDS and not (
                self.options.interactive and self.verdict.status in (None, stream.STATUS_OK)):
            return self.after_expect(*self.said())
        if deadline and now >= deadline:
            return stream.STATUS_TIMEOUT, f"time-out after {self.options.timeout:g} s"
        if self.keys.left:
            return stream.STATUS_OK, ""
        if self.emulator.must_stop():
            self.emulator.stop()        # what is still on its way comes before the end of the line
        self.unsent += self.typist.byte_due(now)
        self.send()
        return None

    def heard(self, data):
        """Bytes from the serial line."""
        self.heard_at = time.monotonic()
        self.last = (self.last + data)[-256:]
        if self.log:
            self.log.write(data)
        if not self.options.bare:
            self.lines.feed(data)
        self.typist.heard(data)
        guests = self.quiet.filter(data)
        # What comes before Plinth's first line is the firmware's and GRUB's.
        if guests and (self.options.bare or self.verdict.started):
            self.typist.guest_printed(guests, self.heard_at)
        self.show(guests if self.options.quiet else data)

    def show(self, data):
        if data and self.watcher:
            self.watcher.feed(data)
        write_all(1, data)

    def complain(self, data):
        """Bytes from the emulator itself."""
        *lines, rest = (self.errors + data).split(b"\n")
        self.errors = rest
        for line in lines:
            text = self.emulator.said(line.decode("utf-8", "replace"))
            if text:
                print(text, file=sys.stderr, end="\r\n" if self.options.interactive else "\n",
                      flush=True)

    def said(self):
        """Status and sentence by Plinth's own lines alone."""
        if self.verdict.status is not None:
            return self.verdict.status, self.verdict.why
        if self.first_guest is None:
            return stream.STATUS_OK, ""
        return stream.STATUS_KILLED, (self.verdict.complaint or
                                      f"Plinth has not said how guest {self.first_guest} ended")

    def after_expect(self, status, why):
        if status == stream.STATUS_OK and self.watcher:
            return stream.STATUS_KILLED, "the guest ended, but --expect was never seen"
        return status, why

    def ended_by_itself(self, code):
        """The emulator has ended with this code: what does it mean?"""
        ended = self.emulator.ended(code, self.last)
        if ended:
            return ended
        if self.options.bare:
            return self.after_expect(self.emulator.bare_status(code), "")
        if not self.verdict.powering_off and self.verdict.status not in (stream.STATUS_PANIC,
                                                                         stream.STATUS_SETUP):
            return stream.STATUS_PANIC, ("the machine went off without Plinth's last line "
                                         "(a triple fault or a reset of the host)")
        return self.after_expect(*self.said())
