#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Turns `nm -n` of the hypervisor into the table of functions that panic.c looks addresses up in.

The table: the number of symbols; then for each one, by rising address, the offset of its address from
text_start and that of its name from the table's names; then the names.
"""
import sys


def main():
    functions, start = [], None
    for line in sys.stdin:
        address, kind, name = line.split()[-3:]
        if name == "text_start":
            start = int(address, 16)
        elif kind in "tT" and name != "text_end":
            functions.append((int(address, 16), name))
    functions = [(a, n) for a, n in functions if a >= start]

    print("/* Made by tools/mksymbols.py. */")
    print('\t.section .note.GNU-stack,"",@progbits')
    print('\t.section .symbols,"a",@progbits')
    print("\t.globl symbol_table\nsymbol_table:\n\t.long %d" % len(functions))
    at = 0
    for address, name in functions:
        print("\t.long 0x%x, 0x%x" % (address - start, at))
        at += len(name) + 1
    for _, name in functions:
        print('\t.asciz "%s"' % name)


main()
