# SPDX-License-Identifier: GPL-2.0-only
"""A guest as the user describes it, and the module strings that tell Plinth the same.

Only the keys that concern files are understood here; all others are Plinth's own business and go
through untouched, so that there is one judge of them (loader/)."""
import os

DEFAULT_MEMORY = "256M"
ROLES = ("initrd", "module")    # of the files beside the kernel


class UsageError(Exception):
    """What the user asked for can't be done; the text is a whole sentence."""


class Guest:
    """One --guest. kernel is a path; files are (path, role, command line), in their order; rest are
    Plinth's words."""

    def __init__(self, name, kernel, files, rest, cmdline):
        self.name, self.kernel, self.files = name, kernel, files
        self.rest, self.cmdline = rest, cmdline

    def value(self, key, default):
        """The text of one of Plinth's own keys, or the default."""
        for word in self.rest:
            if word.startswith(key + "="):
                return word[len(key) + 1:]
        return default

    def modules(self):
        """[(path, module string)], the kernel first."""
        words = [f"guest={self.name}", "kernel", *self.rest]
        if self.cmdline is not None:
            words.append(f"cmdline={self.cmdline}")
        found = [(self.kernel, ",".join(words))]
        for path, role, cmdline in self.files:
            words = f"guest={self.name},{role}"
            found.append((path, f"{words},cmdline={cmdline}" if cmdline else words))
        return found


def split_cmdline(text):
    """cmdline is the last key and may hold commas: (what stands before it, its value or None)."""
    if text.startswith("cmdline="):
        return "", text[len("cmdline="):]
    before, found, cmdline = text.partition(",cmdline=")
    return before, cmdline if found else None


def split_words(text):
    """The words between single commas; two commas are one that belongs to a word."""
    words = text.replace(",,", "\0").split(",") if text else []
    return [word.replace("\0", ",") for word in words]


def check_file(path, what):
    if not os.path.isfile(path):
        raise UsageError(f"the {what} {path!r} is not there (or is no file)")
    if not os.access(path, os.R_OK):
        raise UsageError(f"the {what} {path!r} can't be read")


def parse_guest(text, number):
    """A Guest from the text of --guest; number counts from 1 and is its name unless name= says
    otherwise. Raises UsageError."""
    before, cmdline = split_cmdline(text)
    own = {"name": str(number), "kernel": None}
    files, seen, rest = [], set(), []
    for word in split_words(before):
        key, equals, value = word.partition("=")
        if key not in own and key not in ROLES:
            rest.append(word)
            continue
        if not equals or not value:
            raise UsageError(f"--guest {number}: {key} needs a value, as in {key}=…")
        if key in ROLES:
            path, _, words = value.partition(" ")
            files.append((path, key, words) if key == "module" else (value, key, ""))
            continue
        if key in seen:
            raise UsageError(f"--guest {number}: {key} is given twice")
        seen.add(key)
        own[key] = value
    if own["kernel"] is None:
        raise UsageError(f"--guest {number}: kernel=FILE is missing in {text!r}")
    check_file(own["kernel"], "kernel")
    for path, role, _ in files:
        check_file(path, role)
    return Guest(own["name"], own["kernel"], files, rest, cmdline)
