# SPDX-License-Identifier: MIT
"""Which test runs where: the one table. `make test` runs each behaviour once, on its cheapest
machine: the checks, every host test, and the system tests that no part claims. A part of `make
test-long PART=NAME` is what takes longer than that; it ends within 30 minutes on two cores.

A system test belongs to a part by `@pytest.mark.part("NAME")`. A host test that can do more than its
share in `make test` reads the environment variable that stands here. tests/fuzz/ is the part fuzz."""

# NAME: (what it proves, steps, the paths whose change chooses it for PART=auto)
#   "system": the system tests marked with NAME
#   "host TEST VARIABLE=VALUE…": a host test with more to do
#   "fuzz SECONDS": every fuzz target for so long
#   "coverage": the host tests' branch coverage of the pure rooms
PARTS = {
    "fuzz": ("no input breaks a parser, a walk, the emulator or a device",
             ["fuzz 150"],
             ("tests/fuzz/", "loader/", "devices/", "mm/", "lib/")),
    "boots": ("a thousand boots in a row, and boots under load",
              ["system"],
              ("boot/", "arch/", "console/", "tools/", "linker.ld")),
    "guests": ("every test kernel on every machine, and what takes them longer",
               ["system"],
               ("guests/", "vcpu/", "include/")),
    "machines": ("the test kernels and Linux on the machines in Bochs",
                 ["system"],
                 ("arch/x86/vmx/", "arch/x86/svm/", "tools/rig/", "tests/conform/")),
    "emulator": ("10 000 random cases of each instruction form",
                 ["host test_forms CASES=10000", "host test_control CASES=10000"],
                 ("emulate/", "tests/host/forms.c")),
    "coverage": ("how much of the pure rooms the host tests reach",
                 ["coverage"],
                 ("tests/host/", "Makefile")),
}
# The machines of tools/run on which the test kernels of guests/ run under Plinth: in `make test`, and
# beside that in the part "machines". ALL, a list, or ALL but for some. A boot in Bochs takes four seconds, a
# kernel with four CPUs twenty. What svm runs is compared with the bare emulator in `make test`.
ALL = "all"
SLOW = ["access", "accesspae", "strings", "devices", "pic", "pit"]
SMP = ["smp", "ipi", "ipicount", "shootdown", "x2apic", "atomic", "ioapic"]
MODES = ["boot", "boot-pvh", "code16", "exceptions32", "interrupts", "modes", "msr", "nmi", "pae",
         "paging32", "privilege", "realmode", "tables"]
MACHINES = {
    # machine: (in make test, in the part "machines")
    "vmx": (("all but", SLOW + SMP), ALL),
    "vmx-no-ug": (MODES + ["smp"], ALL),
    "svm-bochs": (["boot", "exceptions", "mmio", "paging", "prefixes", "undefined"],
                  ("all but", SMP + ["timers", "devices", "pic", "pit", "initstorm"])),
}


def guests_on(machine, part, guests):
    """Those of `guests` that run on the machine in `make test` (part None), or in the part."""
    first, rest = MACHINES[machine]

    def chosen(what):
        if what == ALL:
            return list(guests)
        if what[0] == "all but":
            return [name for name in guests if name not in what[1]]
        return [name for name in guests if name in what]
    here = chosen(first)
    return here if part is None else [name for name in chosen(rest) if name not in here]


DEFAULT = "boots"       # of PART=auto, where nothing that changed belongs to a part


def choose(changed):
    """The part that most of the changed files belong to."""
    score = {name: sum(path.startswith(paths) for path in changed)
             for name, (_, _, paths) in PARTS.items()}
    best = max(score, key=score.get)
    return best if score[best] else DEFAULT
