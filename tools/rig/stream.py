# SPDX-License-Identifier: GPL-2.0-only
"""The bytes of the serial line: what is shown, what is looked for, and what Plinth said at the end.

Plinth's own lines begin with "plinth: ". A lone guest's bytes go through raw, so it can print lines
that look the same: what counts is the last such line that speaks of the first guest."""
import re

PREFIX = b"plinth: "
LONGEST_LINE = 65536
ESCAPES = re.compile(rb"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[^\[]|\r")
UNFINISHED_ESCAPE = re.compile(rb"\x1b(\[[0-9;?=]*)?$")
VERDICT = re.compile(r"guest (\S+): (?:ended: )?(killed|refused|debug exit|powered off|reset)\b"
                     r"[: ]*(.*)")
CONFORMANCE = re.compile(r"conformance: \d+ passed, (\d+) failed, ")
MODULE = re.compile(r"module \d+: ")

STATUS_OK = 0
STATUS_USAGE = 2
STATUS_PANIC = 4
STATUS_KILLED = 6
STATUS_SETUP = 8
STATUS_TIMEOUT = 124


def plain(data):
    """Without carriage returns and terminal escapes (firmware and GRUB write many)."""
    return ESCAPES.sub(b"", data)


class Lines:
    """Cuts the stream into lines. line() is called for each whole one, without its end."""

    def __init__(self, line):
        self.current = b""
        self.line = line

    def feed(self, data):
        *whole, rest = (self.current + data).split(b"\n")
        for line in whole:
            self.line(line)
        self.current = rest[-LONGEST_LINE:]


class Quiet:
    """Leaves Plinth's own lines out. Bytes wait only while they may be the start of one."""

    def __init__(self):
        self.start = b""
        self.state = "start"        # of a line | "keep" or "drop" its rest

    def filter(self, data):
        """What is to be shown now."""
        shown = b""
        for piece in data.splitlines(keepends=True) if data else []:
            shown += self.filter_piece(piece)
        return shown

    def rest(self):
        """What was held back, at the end of the stream."""
        held, self.start = self.start, b""
        return held

    def filter_piece(self, piece):
        ends = piece.endswith(b"\n")
        if self.state == "start":
            self.start += piece
            piece = self.decide()
        shown = piece if self.state == "keep" else b""
        if ends:
            if self.state == "start":
                shown, self.start = self.start, b""
            self.state = "start"
        return shown

    def decide(self):
        """Leaves the state "start" as soon as it is sure; returns what was held back."""
        text = plain(UNFINISHED_ESCAPE.sub(b"", self.start))
        if text.startswith(PREFIX):
            self.state = "drop"
        elif not PREFIX.startswith(text):
            self.state = "keep"
        else:
            return b""
        held, self.start = self.start, b""
        return held


class Verdict:
    """Listens to Plinth's lines and knows how the run ended as far as they tell."""

    def __init__(self, first_guest):
        self.first_guest = first_guest
        self.status = None          # None: nothing said yet
        self.why = ""
        self.complaint = ""         # of a module that belongs to no guest
        self.started = False        # Plinth has said something
        self.panicking = False
        self.stopped = False        # Plinth has said its last word and keeps the machine on
        self.powering_off = False

    def line(self, raw):
        """One line of the stream, whoever wrote it."""
        text = plain(raw)
        self.stopped = False
        if not text.startswith(PREFIX):
            return
        self.own_line(text[len(PREFIX):].decode("utf-8", "replace").strip())

    def own_line(self, text):
        self.started = True
        if text.startswith("PANIC: "):
            self.panicking = True
            self.say(STATUS_PANIC, text)
        elif text.startswith("--- end of panic report"):
            self.stopped = self.panicking
        elif text.startswith("cannot start: "):
            self.say(STATUS_SETUP, text)
            self.stopped = True
        elif text.startswith("all guests have ended"):
            self.stopped = "staying" in text
            self.powering_off = "powering off" in text
        elif text.startswith("no guest was given"):
            self.powering_off = True
        elif CONFORMANCE.match(text):
            failed = CONFORMANCE.match(text).group(1) != "0"
            self.say(STATUS_KILLED if failed else STATUS_OK, text)
            self.powering_off = True
        elif text.startswith("staying"):
            self.stopped = True
        elif MODULE.match(text):
            self.complaint = text
        else:
            self.guest_line(VERDICT.match(text), text)

    def guest_line(self, match, text):
        if not match or match.group(1) != self.first_guest:
            return
        kind, rest = match.group(2), match.group(3)
        if kind in ("killed", "refused"):
            self.say(STATUS_KILLED, text)
        elif kind == "debug exit":
            value = re.match(r"0x[0-9a-fA-F]+|\d+", rest)
            if value:
                self.say((int(value.group(), 0) << 1 | 1) & 0xff, text)
        else:
            self.say(STATUS_OK, text)

    def say(self, status, why):
        self.status, self.why = status, why


class Watcher:
    """Looks for a regular expression in the stream, in whole lines and in the unfinished one."""

    def __init__(self, regex):
        self.regex = re.compile(regex.encode())
        self.current = b""
        self.found = False

    def feed(self, data):
        """True as soon as it has been seen. Bytes after the match are not looked at again."""
        lines = (self.current + data).split(b"\n")
        self.current = lines[-1][-LONGEST_LINE:]
        self.found = self.found or any(self.regex.search(plain(line)) for line in lines)
        return self.found
