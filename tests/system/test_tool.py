# SPDX-License-Identifier: MIT
"""tools/run and tools/iso by themselves: wrong usage, --bare, statuses. None boots Plinth."""
import glob
import importlib
import os
import re
import shutil
import subprocess
import sys
import time

import pexpect
import pytest

import parts
from conftest import ROOT, RUN, debian, type_in_shell

sys.path.insert(0, os.path.join(ROOT, "tools"))
stream = importlib.import_module("rig.stream")
guest = importlib.import_module("rig.guest")
bochs = importlib.import_module("rig.bochs")
image = importlib.import_module("rig.image")
machine = importlib.import_module("rig.machine")
qemu = importlib.import_module("rig.qemu")
session = importlib.import_module("rig.session")


@pytest.mark.parametrize("words, sentence", [
    (["--machine", "vax"], "vax"),
    (["--cpus", "0"], "no number of CPUs"),
    (["--memory", "lots"], "no size"),
    (["--memory", "1"], "too little"),
    (["--log", "/nowhere/log"], "the folder of the log '/nowhere/log' is not there"),
    (["--timeout", "-3"], "no number of seconds"),
    (["--expect", "("], "no regular expression"),
    (["--nonsense"], "--nonsense"),
    (["--guest", "initrd=Makefile"], "kernel=FILE is missing"),
    (["--guest", "kernel=/nowhere/vmlinuz"], "'/nowhere/vmlinuz' is not there"),
    (["--guest", "kernel=tools"], "'tools' is not there"),
    (["--guest", "kernel=Makefile,initrd=/nowhere/rd"], "the initrd '/nowhere/rd'"),
    (["--guest", "kernel=Makefile,kernel=Makefile"], "twice"),
    (["--guest", "kernel="], "needs a value"),
    (["--firmware", "uefi", "--media", "kernel"], "UEFI"),
    (["--bare"], "exactly one --guest"),
    (["--machine", "vmx", "--firmware", "uefi"], "Bochs has no UEFI firmware"),
    (["--machine", "vmx", "--media", "kernel"], "Bochs boots from a CD only"),
    (["--machine", "vmx", "--media", "usb"], "Bochs boots from a CD only"),
    (["--machine", "vmx", "--qemu=-S"], "--qemu is for QEMU, and --machine vmx is Bochs"),
    (["--machine", "vmx", "--cpus", "9"], "at most 8 CPUs"),
    (["--machine", "vmx", "--guest", "kernel=Makefile,cpus=9"], "at most 8 CPUs"),
    (["--machine", "vmx", "--memory", "4G"], "at most 2048M"),
    (["--machine", "vmx", "--memory", "4097k"], "whole MiB"),
    (["--machine", "vmx", "--bare", "--guest", "kernel=Makefile,mem=3G"], "at most 2048M"),
    (["--machine", "vmx", "--bare", "--guest", "kernel=build/guests/boot-pvh.elf"],
     "has no multiboot header"),
    (["--iso", "Makefile"], "--iso needs --media"),
    (["--iso", "/nowhere/x.iso", "--media", "cd"], "is not there"),
    (["--iso", "Makefile", "--media", "cd"], "no image of a CD; `make iso` makes one"),
])
def test_wrong_usage(run, words, sentence):
    result = run(*words)
    assert result.status == 2, result
    assert sentence in result.errors and result.output == "", result


def test_bare_leaves_plinths_words_alone(run):
    """What is for Plinth to judge neither stops --bare nor shows up as a fault of the tool."""
    result = run("--bare", "--guest", "kernel=build/guests/reset-cf9.elf,cpus=x,mem=64M")
    assert result.status == 0, result


def test_no_emulator():
    done = subprocess.run(
        [sys.executable, RUN, "--bare", "--guest", "kernel=Makefile"],
        cwd=ROOT, env={"PATH": "/nowhere"}, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 8 and "qemu-system-x86_64 is not installed" in done.stderr, done


@pytest.mark.parametrize("bochs, path, sentence", [
    (None, "/nowhere", "Bochs is not installed; tools/setup bochs gets it"),
    ("/nowhere/bochs", None, "BOCHS='/nowhere/bochs' is no program"),
    ("exit 3", None, "Bochs ended at once: it said nothing"),
    ("BXSHARE=/nowhere exec bochs", None, "Bochs ended at once: ROM: couldn't open ROM image"),
    ("exec bochs cpu:model=z80", None, "Bochs ended at once: "),
])
def test_no_bochs(tmp_path, bochs, path, sentence):
    """Each with a sentence that says what is missing."""
    environment = dict(os.environ)
    if path:
        environment["PATH"] = path
    if bochs:
        environment["BOCHS"] = bochs
    if bochs and not bochs.startswith("/"):
        program = tmp_path / "bochs"
        program.write_text(f'#!/bin/sh\n{bochs} "$@"\n')
        program.chmod(0o755)
        environment["BOCHS"] = str(program)
    done = subprocess.run([sys.executable, RUN, "--machine", "vmx"], cwd=ROOT, env=environment,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 8 and sentence in done.stderr, done


def test_nothing_built(run, tmp_path):
    result = run("--image", str(tmp_path / "plinth.elf"))
    assert result.status == 8 and "`make` builds it" in result.errors, result


def test_help_tells_statuses(run):
    result = run("--help")
    assert result.status == 0
    for word in ("exit status", "124", "examples", "svm", "vmx", "--input-after"):
        assert word in result.output


def test_emulator_refuses(run):
    result = run("--bare", "--guest", "kernel=build/guest/vmlinuz", "--qemu", "-device nonsense")
    assert result.status == 8 and "nonsense" in result.errors, result


def test_bare_linux(run, tmp_path):
    """The same machine without Plinth reaches the shell and goes off; --log keeps the stream."""
    log = tmp_path / "log"
    result = run("--bare", "--log", str(log), "--guest", debian(),
                 *type_in_shell("echo $((6 * 7)) words", "poweroff -f"))
    assert result.status == 0, result
    assert "\n42 words\n" in result.output, result
    assert b"\r\n42 words\r\n" in log.read_bytes()


def test_bare_expect(run):
    result = run("--bare", "--guest", debian(), "--expect", "guest# $")
    assert result.status == 0 and result.output.endswith("guest# "), result


def test_bare_timeout(run):
    result = run("--bare", "--guest", debian(), "--expect", "never printed", timeout=4)
    assert result.status == 124 and "time-out" in result.errors, result


def test_bare_end_without_expect(run):
    result = run("--bare", "--guest", debian(), "--quiet", *type_in_shell("poweroff -f"),
                 "--expect", "never printed")
    assert result.status == 6, result


def test_bare_interactive():
    """On a terminal: an unfinished line shows at once, Ctrl-C is the guest's, Ctrl-A X leaves, and
    the terminal is as it was."""
    shell = pexpect.spawn("sh", ["-c", f"before=$(stty -g); "
                                 f"{RUN} --quiet --bare --guest '{debian()}'; echo status $?; "
                                 "[ $(stty -g) = $before ] && echo same terminal"],
                          cwd=ROOT, timeout=60)
    shell.expect("guest# ")
    shell.send("sleep 100\r")
    shell.expect("sleep 100")
    shell.send("\x03")
    shell.expect("guest# ")
    shell.send("echo $((6 * 7)) words\r")
    shell.expect(r"\n42 words\r*\n")
    shell.send("\x01x")
    shell.expect(r"status 0\r\nsame terminal\r\n")
    shell.expect(pexpect.EOF)


def verdict_of(text, first="1"):
    verdict = stream.Verdict(first)
    stream.Lines(verdict.line).feed(text.encode())
    return verdict


@pytest.mark.parametrize("text, status", [
    ("plinth: guest 1: ended: debug exit 0x00\n", 1),
    ("plinth: guest 1: ended: debug exit 0x2a\r\n", 85),
    ("plinth: guest 1: ended: debug exit 0xff\n", 255),
    ("plinth: guest 1: ended: powered off\n", 0),
    ("plinth: guest 1: ended: reset\n", 0),
    ("plinth: guest 1: ended: killed: triple fault\n", 6),
    ("plinth: guest 1: refused: the kernel is short\n", 6),
    ("plinth: cannot start: no SVM\n", 8),
    ("plinth: PANIC: it\n", 4),
    ("plinth: guest 2: ended: killed: x\nplinth: guest 1: ended: powered off\n", 0),
    ("plinth: guest 1: ended: powered off\nplinth: guest 2: ended: killed: x\n", 0),
    # a guest that prints look-alikes, then is ended
    ("plinth: guest 1: ended: powered off\nplinth: guest 1: ended: killed: x\n", 6),
    ("plinth: PANIC: look-alike\nplinth: guest 1: ended: debug exit 0x01\n", 3),
    ("[1] plinth: PANIC: a guest's line\n", None),
    ("so plinth: guest 1: ended: reset\n", None),
    ("\x1b[2J\x1b[01;01Hplinth: guest 1: ended: reset\n", 0),
    ("plinth: guest 1: ended: killed: x", None),        # the line isn't whole
])
def test_verdicts(text, status):
    assert verdict_of(text).status == status


def test_panic_stops_only_at_the_end():
    assert not verdict_of("plinth: PANIC: x\nplinth: rax 0\n").stopped
    assert verdict_of("plinth: PANIC: x\nplinth: --- end of panic report ---\n").stopped
    assert not verdict_of("plinth: --- end of panic report ---\n").stopped
    assert not verdict_of("plinth: PANIC: x\nplinth: --- end of panic report ---\nmore\n").stopped


@pytest.mark.parametrize("cuts", range(1, 8))
def test_quiet_shows_the_guest_alone(cuts):
    """However the stream is cut into pieces; and nothing is held back that can't be Plinth's."""
    text = b"plinth: one\nguest plinth: x\r\nplin\n\x1b[mplinth: two\r\nplinth:no\nlast pli"
    quiet = stream.Quiet()
    shown = b"".join(quiet.filter(text[at:at + cuts]) for at in range(0, len(text), cuts))
    assert shown + quiet.rest() == b"guest plinth: x\r\nplin\nplinth:no\nlast pli"


def test_quiet_shows_partial_lines_at_once():
    quiet = stream.Quiet()
    assert quiet.filter(b"gu") == b"gu"
    assert quiet.filter(b"est# ") == b"est# "
    assert quiet.filter(b"\npli") == b"\n"
    assert quiet.filter(b"x") == b"plix"


def test_expect_across_pieces():
    watcher = stream.Watcher("ab+c$")
    assert not watcher.feed(b"a") and not watcher.feed(b"b\nbc")
    assert watcher.feed(b"\nabb") is False and watcher.feed(b"c")


def typed(typist, now):
    """What is typed at this time, until nothing more is due."""
    text = b""
    while byte := typist.byte_due(now):
        text += byte
    return text


def test_typist_waits_for_what_it_was_told():
    typist = session.Typist([("after", "a#"), ("after", "b#"), ("input", b"one"), ("after", "b#"),
                             ("input", b"two")])
    typist.heard(b"b# a# b# ")
    assert typed(typist, 100) == b""            # b# has to come behind a#
    typist.heard(b"b#")
    assert typed(typist, 100) == b"one" and typed(typist, 200) == b""
    typist.heard(b"one\nb#")
    assert typed(typist, 200) == b"two"


def test_typist_without_condition_waits_for_silence():
    typist = session.Typist([("input", b"one"), ("input", b""), ("input", b"two")])
    typist.heard(b"plinth: start\n")
    assert typed(typist, 100) == b""            # the guest has printed nothing yet
    typist.guest_printed(b"x\r\n", 100)
    assert typed(typist, 109.9) == b"" and typed(typist, 110) == b"one"
    assert typed(typist, 119.9) == b""
    typist.byte_due(120)
    assert typed(typist, 121) == b"two" and typed(typist, 200) == b""


def test_typist_knows_a_prompt():
    """An unfinished line counts as soon as it has stood for a moment; escapes alone are no line."""
    typist = session.Typist([("input", b"one"), ("input", b"two")])
    typist.guest_printed(b"Welcome\nlo", 90)
    assert typed(typist, 99) == b""             # half a line
    typist.guest_printed(b"gin: ", 100.2)
    assert typed(typist, 100.4) == b"" and typed(typist, 100.6) == b"one"
    typist.guest_printed(b"one\r\n\x1b[0m", 101)
    assert typed(typist, 101.5) == b""
    typist.guest_printed(b"guest# ", 101.5)
    assert typed(typist, 101.7) == b"" and typed(typist, 101.9) == b"two"


@pytest.mark.parametrize("words", [["--bare"], [], ["--media", "cd"]])
def test_input_without_condition(run, words):
    """Commands typed in this way arrive whole: none is lost in the boot."""
    result = run(*words, "--guest", debian(), "--input", "echo $((6 * 7)) words\\n",
                 "--input", "poweroff -f\\n", timeout=120)
    assert result.status == 0 and "\n42 words\n" in result.output, result


def test_guest_text():
    parsed = guest.parse_guest("kernel=Makefile,mem=1G,cmdline=a=1,b c,mem=2", 3)
    assert parsed.modules() == [("Makefile", "guest=3,kernel,mem=1G,cmdline=a=1,b c,mem=2")]
    parsed = guest.parse_guest("initrd=LICENSE,kernel=Makefile,name=x", 1)
    assert parsed.modules() == [("Makefile", "guest=x,kernel"), ("LICENSE", "guest=x,initrd")]
    parsed = guest.parse_guest("module=LICENSE a,,b=c,kernel=Makefile,module=README.md", 1)
    assert parsed.modules()[1:] == [("LICENSE", "guest=1,module,cmdline=a,b=c"),
                                    ("README.md", "guest=1,module")]


def test_module_string_for_the_emulator(tmp_path):
    """QEMU ends a module's file at the first space and the module at a single comma."""
    parsed = guest.parse_guest("kernel=Makefile,cmdline=a b,c", 1)
    words = qemu.module_words([parsed], str(tmp_path))
    assert words == ["-initrd", f"{tmp_path}/module1 guest=1,,kernel,,cmdline=a b,,c"]
    assert os.path.samefile(tmp_path / "module1", "Makefile")


def test_grub_menu_quotes():
    parsed = guest.parse_guest("kernel=Makefile,cmdline=a;b it's", 1)
    menu = image.menu([parsed], "crash=pf", [("/boot/module1", parsed.modules()[0][1])], 5)
    assert r"module2 --nounzip /boot/module1 'guest=1,kernel,cmdline=a;b' 'it'\''s'" in menu
    assert "multiboot2 /boot/plinth.elf 'crash=pf'\n" in menu


def processes_with(word):
    """The command lines of the processes that have this word inside."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                line = file.read()
        except OSError:             # ended meanwhile
            continue
        if word.encode() in line:
            yield line


def test_kill_leaves_nothing(tmp_path):
    """Whoever kills tools/run, kills the emulator with it."""
    marker = f"plinth-test-{os.getpid()}"
    words = [RUN, "--bare", "--guest", debian(), "--qemu",
             f"-name {marker}"]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        process.stdout.read(1)
        assert list(processes_with(marker))
        process.kill()
    deadline = time.monotonic() + 10        # the emulator has a pipe of its own: nothing tells its end
    while list(processes_with(marker)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(processes_with(marker))


def test_terminate_removes_temporary_files(tmp_path):
    words = [RUN, "--bare", "--guest", debian()]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        process.stdout.read(1)
        process.terminate()
        process.stdout.read()
    assert os.listdir(tmp_path) == [] and process.returncode == 128 + 15


def test_keys_that_leave():
    """What QEMU does with them: Ctrl-A X leaves, Ctrl-A twice is one for the guest."""
    keys = session.Keys()
    assert keys.typed(b"x\x01") == b"x" and not keys.left
    assert keys.typed(b"\x01y\x01cz") == b"\x01yz" and not keys.left
    keys.typed(b"\x01x")
    assert keys.left


LOG = """\
00000000000i[SYS   ] bx_pc_system_c::Reset(HARDWARE) called
00157024901p[TERM  ] >>PANIC<< 32 bpp graphics mode not supported
00157024900i[CPU0  ] an exception before
00157024901p[{who}] >>PANIC<< {what}
00157024901i[CPU0  ] | RIP=1
00157024901i[CMOS  ] Last time is 946684806
00157024901i[CPU1  ] | RIP=2"""


@pytest.mark.parametrize("who, what, status", [
    ("CPU1  ", "exception(): 3rd (13) exception with no resolution", 4),
    ("CPU0  ", "VMEXIT abort", 4),
    ("ACPI  ", "ACPI control: soft power off", None),
    ("IODEBU", "Shutdown port: shutdown requested", None),
    ("HD    ", "no more cylinders", 8),
])
def test_ends_of_bochs(who, what, status):
    """They all have the same exit status: the log tells them apart."""
    emulator = bochs.Bochs("bochs", ".", "", False)
    for line in LOG.format(who=who, what=what).split("\n"):
        emulator.said(line)
    emulator.output = 3
    ended = emulator.ended(1, b"")
    assert (ended and ended[0]) == status
    if status == 4:
        assert re.search(r"Bochs' log:\n.*PANIC.*\n.*RIP=1\n.*RIP=2$", ended[1]), ended


def test_part_without_python(tmp_path):
    """On a machine with nothing but make a part begins with its set-up, not with a missing python3."""
    for name in ("sh", "make", "sort", "uname"):
        (tmp_path / name).symlink_to(shutil.which(name))
    done = subprocess.run(["make", "--no-print-directory", "test-long", "PART=fuzz"], cwd=ROOT,
                          env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30,
                          check=False)
    assert re.search(r"tools/setup: .*these are missing: .*python3", done.stderr), done


def test_initramfs_is_reproducible(tmp_path):
    made = []
    for name in ("a", "b"):
        subprocess.run([os.path.join(ROOT, "tools/initramfs"), "build/guest/busybox",
                        str(tmp_path / name)], cwd=ROOT, check=True, timeout=30)
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]


def test_setup_knows_its_purposes():
    setup = os.path.join(ROOT, "tools/setup")
    done = subprocess.run([setup, "cooking"], capture_output=True, text=True, timeout=30,
                          check=False)
    assert done.returncode == 2 and "cooking" in done.stderr
    done = subprocess.run([setup, "build", "run"], capture_output=True, text=True, timeout=30,
                          check=False)
    assert done.returncode == 0 and done.stdout == ""       # a second run does nothing


def test_setup_without_rights(tmp_path):
    """Where nothing can be installed it says what is missing and stops with 8."""
    for name, text in {"id": "echo 1000", "sudo": "exit 1", "dpkg-query": "exit 0"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run([os.path.join(ROOT, "tools/setup"), "run"], capture_output=True,
                          text=True, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, timeout=30,
                          check=False)
    assert done.returncode == 8 and "qemu-system-x86" in done.stderr, done


@pytest.mark.parametrize("words, sentence", [
    (["test-long", "PART=nonsense"], '"nonsense" is no part'),
    (["test-long", "PART=fuzz boots"], '"fuzz boots" is no part'),
    (["test-long", "PART=auto", "BASE=nonsense"], 'BASE="nonsense" is no commit'),
    (["bench", "PEER=xen"], "PEER=xen can't be measured; PEER=kvm can"),
    (["fuzz", "FUZZ_SECONDS=x"], "FUZZ_SECONDS=x is no number of seconds"),
    (["fuzz", "FUZZ_SECONDS=0"], "FUZZ_SECONDS=0 is no number of seconds"),
])
def test_make_refuses_wrong_words(words, sentence):
    """At once, with a sentence: before anything is set up or built."""
    done = subprocess.run(["make", "--no-print-directory", *words], cwd=ROOT, capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode == 2 and sentence in done.stderr, done
    assert "set-up" not in done.stdout and "  CC" not in done.stdout, done


@pytest.mark.parametrize("name", machine.MACHINES)
def test_make_run_sets_up_its_emulator(name):
    done = subprocess.run(["make", "-n", "--no-print-directory", "run", f"MACHINE={name}"], cwd=ROOT,
                          capture_output=True, text=True, timeout=60, check=False)
    purpose = "bochs" if machine.MACHINES[name].emulator is bochs else "run"
    assert re.search(rf"^tools/setup build {purpose} *$", done.stdout, re.M), done


@pytest.mark.parametrize("target", ["run", "iso", "bench"])
def test_make_takes_the_image_it_builds(target):
    """With CHECKS=1 that is another one than build/plinth.elf."""
    for words, name in ([], "plinth.elf"), (["CHECKS=1"], "plinth-checks.elf"):
        done = subprocess.run(["make", "-n", "--no-print-directory", target, *words], cwd=ROOT,
                              capture_output=True, text=True, timeout=60, check=False)
        assert f"tools/{target} --image build/{name} " in done.stdout, done


def test_parts_are_listed():
    """Without PART, and by PART=list."""
    shown = [subprocess.run(["make", "--no-print-directory", "test-long", *words], cwd=ROOT,
                            capture_output=True, text=True, timeout=30, check=False)
             for words in ([], ["PART=list"])]
    assert shown[0].stdout == shown[1].stdout and shown[0].returncode == 0, shown
    assert re.findall(r"^  (\w+)", shown[0].stdout, re.M) == list(parts.PARTS), shown


def test_coverage_that_cannot_be_built(tmp_path):
    """It says so and keeps no figure, instead of rooms of which nothing was reached."""
    kept = os.path.join(ROOT, "build", "results", "coverage")
    before = os.path.exists(kept) and os.stat(kept).st_mtime_ns
    done = subprocess.run([os.path.join(ROOT, "tests", "coverage"), "--build", str(tmp_path)],
                          cwd=ROOT, env={**os.environ, "HOST_CC": "false"}, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 8 and "don't build" in done.stderr and done.stdout == "", done
    assert (os.path.exists(kept) and os.stat(kept).st_mtime_ns) == before
