#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks of the tree and of the built image that need no emulator.

  tests/check_floors.py [--no-image]

Prints one line for each check ("ok NAME" or "not ok NAME", with the faults below it) and ends
with 1 if one failed. The floors are those of the architecture: a file may include from its own room
and from lower floors, never from a higher one nor from another room of its own floor."""
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IMAGE = "build/plinth.elf"
IMAGE_LIMIT = 512 * 1024
CROSS = os.environ.get("CROSS_COMPILE", "x86_64-linux-gnu-")
if shutil.which(CROSS + "gcc") is None:
    CROSS = ""

# room -> floor. A file belongs to the longest room that its path begins with. The frame allocator
# stands by itself below the rest of mm/: it needs nothing, and the host's own paging needs it.
FLOORS = {
    "tests/conform": 8,     # an image of its own (docs/testing.md)
    "boot": 7,
    "arch/x86/vmx": 5, "arch/x86/svm": 5, "virt/vmx": 5, "virt/svm": 5, "loader": 5,
    "vcpu": 4,
    "mm/shadow": 3, "emulate": 3, "devices": 3,
    "mm/pagewalk": 2, "mm": 2,
    "arch/x86": 1, "console": 1, "mm/format": 1, "mm/frames": 1,
    "include": 0, "include/x86": 0, "lib": 0,
}
# Low rooms of one floor that lean on each other by need: who -> what else it may include.
NEIGHBOURS = {
    "arch/x86": {"console", "mm/frames"},   # a panic is printed; page tables need frames
    "console": {"arch/x86"},        # ports are written
    "include/x86": {"include"}, "lib": {"include"}, "include": {"include/x86"},
}
# Rooms that may speak of one vendor. boot chooses the backend, tests/conform says what each can't.
VENDOR_ROOMS = ("arch/x86/vmx", "arch/x86/svm", "virt", "include/x86", "boot", "tests/conform")
VENDOR_WORDS = re.compile(r"(?<![a-z])(vmx|svm|vmcb|vmcs|intel|amd|vmexit)(?![a-z])", re.IGNORECASE)
# The neutral exits that are named after what a guest executed; bits and registers as the manuals
# name them; CPUID's strings.
VENDOR_EXCEPTIONS = re.compile(r'\b(EXIT_)?(VMX|SVM)_INSN\b|"(VMX|SVM) instruction"'
                               r"|\b(CPUID|MSR)_\w+|GenuineIntel|AuthenticAMD")
# The CPUID policy shows the guest a vendor, so it has to know which.
VENDOR_FILES = {"vcpu/cpuid.c": {"amd"}, "vcpu/cpuid.h": {"amd"}}
SPDX = re.compile(r"SPDX-License-Identifier: (GPL-2\.0-only|MIT)")
MIT_ROOMS = ("guests/", "tests/")
NO_SPDX = {"LICENSE", "README.md", ".gitignore", "tests/differences", "tests/differences.bochs",
           "tests/emulator-differences", "tests/panic-sites"}
# A call that panics, as a statement of its own, or behind a condition.
PANIC_CALL = re.compile(r"\b(assert|panic|panic_trap)\((?=[^;]*;)")


def tracked():
    """Files of the tree: known to git, and new ones that it doesn't ignore."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split("\n") if listed.returncode == 0 else [
        os.path.relpath(path, ROOT) for path in glob.glob(ROOT + "/**", recursive=True)]
    return sorted(name for name in names if name and not name.startswith("build/")
                  and os.path.isfile(os.path.join(ROOT, name)))


def text_of(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def room_of(name):
    fitting = [room for room in FLOORS if name.startswith((room + "/", room + "."))]
    return max(fitting, key=len) if fitting else None


def hypervisor_sources(files):
    return [name for name in files if room_of(name) and name.endswith((".c", ".h", ".S"))]


def without_comments(text):
    """Comments become spaces, strings stay, lines keep their numbers."""
    pattern = re.compile(r'("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|(/\*.*?\*/|//[^\n]*)', re.S)
    return pattern.sub(lambda m: m.group(1) or re.sub(r"[^\n]", " ", m.group(2)), text)


def may_include(room, target):
    return (room == target or FLOORS[target] < FLOORS[room]
            or target in NEIGHBOURS.get(room, ()))


def check_floors(files):
    """Nobody includes upwards or sideways."""
    for name in hypervisor_sources(files):
        for target in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text_of(name), re.M):
            room = room_of(target)
            if os.path.exists(os.path.join(ROOT, "build", target)) and room is None:
                continue
            if room is None:
                yield f"{name} includes {target}, which is in no room"
            elif not may_include(room_of(name), room):
                yield (f"{name} (floor {FLOORS[room_of(name)]}) includes {target} "
                       f"(floor {FLOORS[room]})")


def check_vendor_names(files):
    """What is neutral doesn't name a vendor or its structures, comments apart."""
    for name in hypervisor_sources(files):
        if name.startswith(VENDOR_ROOMS):
            continue
        for number, line in enumerate(without_comments(text_of(name)).split("\n"), 1):
            line = VENDOR_EXCEPTIONS.sub("", line)
            if re.match(r'\s*#\s*include\s', line):
                continue
            for word in VENDOR_WORDS.findall(line.replace("_", " ")):
                if word not in VENDOR_FILES.get(name, ()):
                    yield f"{name}:{number}: {word}"


def check_spdx(files):
    """Each file names its licence near the top, and the right one."""
    for name in files:
        if name in NO_SPDX or name.startswith("docs/") or name.endswith((".md", ".ini")):
            continue
        found = SPDX.search("\n".join(text_of(name).split("\n")[:3]))
        if not found:
            yield f"{name} has no SPDX line"
        elif name.startswith(MIT_ROOMS) and found.group(1) != "MIT":
            yield f"{name} is to be MIT"


def check_preprocessor(files):
    """Variation is another file, a row or a capability bit, never #if in a .c file."""
    for name in hypervisor_sources(files):
        if name.endswith(".c"):
            for number, line in enumerate(text_of(name).split("\n"), 1):
                if re.match(r"\s*#\s*(if|ifdef|ifndef)\b", line):
                    yield f"{name}:{number}: {line.strip()}"


def compile_header(name):
    words = [CROSS + "gcc", "-std=gnu11", "-ffreestanding", "-fno-pie", "-mcmodel=kernel",
             "-mno-red-zone", "-mgeneral-regs-only", "-Wall", "-Wextra", "-Werror",
             "-Wno-unused-parameter", "-I.", "-Ibuild", "-fsyntax-only", "-x", "c", "-"]
    done = subprocess.run(words, cwd=ROOT, input=f'#include "{name}"\n', capture_output=True,
                          text=True, check=False)
    errors = [line for line in done.stderr.split("\n") if "error:" in line]
    return f"{name} alone: {errors[0] if errors else done.stderr}" if done.returncode else None


def check_headers(files):
    """Each header compiles alone."""
    headers = [name for name in hypervisor_sources(files)
               if name.endswith(".h") and not is_assembly(name)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield from filter(None, pool.map(compile_header, headers))


def is_assembly(name):
    return "/* Assembly only" in text_of(name)


def panic_sites(files):
    """(file, call) for each place that can panic; the definitions of the panics aside."""
    for name in hypervisor_sources(files):
        text = re.sub(r"^[\w#].*$", "", without_comments(text_of(name)), flags=re.M)
        for call in PANIC_CALL.finditer(text):
            end, depth = call.end(), 1
            while depth:
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                end += 1
            yield name, re.sub(r"\s+", " ", text[call.start():end])


def check_panic_sites(files):
    """Each place that can panic stands in tests/panic-sites with the reason why no guest gets there."""
    lines = [line.split("\t") for line in text_of("tests/panic-sites").split("\n")
             if line and not line.startswith("#")]
    listed = {tuple(line[:2]) for line in lines}
    for line in lines:
        if len(line) != 3 or not all(field.strip() for field in line):
            yield f"{line[0]}: not FILE, CALL, REASON with one tab between"
    found = set(panic_sites(files))
    for name, call in sorted(found - listed):
        yield f"{name}: {call} isn't listed"
    for name, call in sorted(listed - found):
        yield f"{name}: {call} is listed, but isn't there"


def readelf(*words):
    return subprocess.run([CROSS + "readelf", "-W", *words, IMAGE], cwd=ROOT, capture_output=True,
                          text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout


def check_segments(_files):
    """No page of the image is both writable and executable."""
    loads = re.findall(r"^\s+LOAD\s+.*?0x[0-9a-f]+ 0x[0-9a-f]+ ([RWE ]{3}) 0x", readelf("-l"), re.M)
    if not loads:
        yield f"{IMAGE} has no segment to load"
    for flags in loads:
        if "W" in flags and "E" in flags:
            yield f"a segment with flags {flags!r}"


def check_size(_files):
    """Text, constants and data are less than 512 KiB."""
    sizes = re.findall(r"\] \S+ +(?:PROGBITS|NOTE) +\S+ +\S+ ([0-9a-f]+) \S+ +\S*A\S* ",
                       readelf("-S"))
    size = sum(int(digits, 16) for digits in sizes)
    if not 0 < size < IMAGE_LIMIT:
        yield f"text + constants + data are {size} bytes, the limit is {IMAGE_LIMIT}"


def check_build_id(_files):
    """The image bears a build id."""
    if not re.search(r"Build ID: [0-9a-f]{16,}", readelf("-n")):
        yield f"{IMAGE} has no build id"


def check_differences(_files):
    """Each line of tests/differences has an id, a value and a section's title, and no id comes twice."""
    yield from differences_in("tests/differences")
    yield from differences_in("tests/differences.bochs")


def differences_in(name):
    seen = set()
    for number, line in enumerate(text_of(name).split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 3 or not all(field.strip() for field in fields):
            yield f"{name}: line {number} is not ID, VALUE, REASON with one tab between"
        elif not re.search('"[^"]+"', fields[2]):
            yield f"{name}: line {number}: the reason names no section by its title in quotes"
        if fields[0] in seen:
            yield f"{name}: line {number}: {fields[0]} comes twice"
        seen.add(fields[0])


def check_emulator_differences(_files):
    """Each line of tests/emulator-differences cites a manual, and a host test uses it, once."""
    used = re.findall(r'{ "([a-z0-9-]+)", \w+', text_of("tests/host/differences.c") +
                      text_of("tests/host/control_differences.c") +
                      text_of("tests/host/test_native.c"))
    lines = [line for line in text_of("tests/emulator-differences").split("\n")
             if line and not line.startswith("#")]
    for line in lines:
        name, _, reason = line.partition(": ")
        if not re.search(r'(SDM|APM) vol\. \d[A-D]?, "[^"]+".*: ', reason):
            yield f"{name}: no manual, volume, title in quotes and words"
        if used.count(name) != 1:
            yield f"{name}: {used.count(name)} rows in the host tests, not one"
    yield from (f"{name}: no line" for name in used
                if sum(line.startswith(name + ": ") for line in lines) != 1)


def report(check, files):
    name = check.__name__.replace("check_", "")
    try:
        faults = list(check(files))
    except (OSError, subprocess.SubprocessError) as error:
        faults = [str(error)]
    print(f"{'not ok' if faults else 'ok'} {name}: {check.__doc__.strip()}")
    for fault in faults:
        print(f"    {fault}")
    return not faults


def main():
    checks = [check_floors, check_vendor_names, check_spdx, check_preprocessor, check_headers,
              check_differences, check_emulator_differences,
              check_panic_sites]
    if "--no-image" not in sys.argv[1:]:
        checks += [check_segments, check_size, check_build_id]
    files = tracked()
    results = [report(check, files) for check in checks]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
