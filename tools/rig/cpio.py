# SPDX-License-Identifier: GPL-2.0-only
"""An initramfs as bytes. Linux, Documentation/driver-api/early-userspace/buffer-format.rst ("newc").

Owners, times and inode numbers are fixed, so that the same files give the same bytes."""
DIRECTORY, FILE, CHARACTER_DEVICE = 0o040000, 0o100000, 0o020000


def directory(name):
    """A record for archive(), as those of the two below; names don't begin with a slash."""
    return (name, DIRECTORY | 0o755)


def file(name, data):
    return (name, FILE | 0o755, data)


CONSOLE = ("dev/console", CHARACTER_DEVICE | 0o600, b"", (5, 1))


def padded(data):
    return data + b"\0" * (-len(data) % 4)


def entry(number, name, mode, data=b"", device=(0, 0)):
    """One cpio record. mode holds the kind of file and its permissions."""
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
    header = "070701" + "".join(f"{field:08x}" for field in fields)
    return padded(header.encode() + name.encode() + b"\0") + padded(data)


def archive(records):
    """The whole archive. A folder's record comes before those of what is in it."""
    body = b"".join(entry(number, *record) for number, record in enumerate(records, 1))
    return body + entry(0, "TRAILER!!!", 0)
