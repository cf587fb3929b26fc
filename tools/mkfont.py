#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Turns an 8x16 PC screen font (PSF 1 or 2, gzipped or not, with a Unicode table) into the C table of
glyphs of console/framebuffer.c: Latin-1, 256 glyphs of 16 rows, the leftmost pixel in bit 7."""
import gzip
import struct
import sys


def psf1(data):
    """Yields (code point, glyph). Format: linux/kbd's psf-file-format, version 1."""
    mode, height = data[2], data[3]
    count = 512 if mode & 1 else 256
    at = 4 + count * height
    for i in range(count):
        glyph, single = data[4 + i * height:4 + (i + 1) * height], True
        while True:
            code, = struct.unpack_from("<H", data, at)
            at += 2
            if code == 0xffff:
                break
            single = single and code != 0xfffe
            if single:
                yield code, glyph


def psf2(data):
    """The same for version 2."""
    header, flags, count, size, height, width = struct.unpack_from("<6I", data, 8)
    if width != 8 or not flags & 1:
        sys.exit("mkfont: the font is not 8 pixels wide, or has no Unicode table")
    at = header + count * size
    for i in range(count):
        glyph = data[header + i * size:header + i * size + height]
        end = data.index(b"\xff", at)
        for char in data[at:end].split(b"\xfe")[0].decode("utf-8"):
            yield ord(char), glyph
        at = end + 1


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:2] == b"\x36\x04":
        glyphs = dict(psf1(data))
    elif data[:4] == b"\x72\xb5\x4a\x86":
        glyphs = dict(psf2(data))
    else:
        sys.exit("mkfont: not a PSF font: " + sys.argv[1])
    if any(c not in glyphs or len(glyphs[c]) != 16 for c in range(0x20, 0x7f)):
        sys.exit("mkfont: the font lacks ASCII characters of 16 rows")

    print("/* Made by tools/mkfont.py. */")
    print('#include "console/font.h"\n')
    print("const u8 font_glyph[256][16] = {")
    for code in range(256):
        rows = glyphs.get(code, glyphs[ord("?")] if code >= 0xa0 else bytes(16))
        print("\t[%d] = { %s }," % (code, ", ".join("0x%02x" % r for r in rows)))
    print("};")


main()
