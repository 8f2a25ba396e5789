"""Instruction counts: the same each time, whatever else the machine does.

x86-64 by callgrind, aarch64 by an emulator's instruction-count plugin (see build_counter).
"""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

from benchmarks import building

HERE = pathlib.Path(__file__).parent

COUNTER_VARIABLE = "PIPISTRELLE_INSN_COUNTER"
"""Names the folder that build_counter made, with bin/qemu-aarch64 and libinsn.so."""

CROSS_COMPILER = "aarch64-linux-gnu-gcc"
CROSS_FLAGS = ("-mcpu=cortex-a53",)
"""The Pi Zero 2 W's and Pi 3's processor."""


def build_cases(folder, *, using=None, flags=()):
    """The program that runs the cases of csrc/case_*.c, without any library that would have to be found again."""
    sources = [building.HERE / "cases.c", *sorted(building.HERE.glob("case_*.c"))]
    own = building.compile_objects(
        sources, folder, flags=["-std=c11", "-O2", "-D_POSIX_C_SOURCE=200809L", *flags], using=using
    )
    core = building.core_objects(folder, using=using, flags=flags)
    return building.link([*own, *core], [], folder / "cases", using=using, flags=["-static"])


def why_not_callgrind():
    """What is missing to count on this processor; empty when nothing is."""
    if building.compiler() is None:
        return "no C compiler"
    if shutil.which("valgrind") is None:
        return "no valgrind (apt-get install valgrind)"
    if not building.has_header("valgrind/callgrind.h"):
        return "no valgrind/callgrind.h (apt-get install valgrind)"
    return ""


NOT_YET = ("--instr-atstart=no",)
"""For programs that say themselves when counting begins; until then they run ten times faster."""


def callgrind(command, folder, *, lines="", flags=(), environment=None):
    """Run `command`, which dumps its counters by name; (what it printed, instructions by name)."""
    for old in folder.glob("callgrind.*"):
        old.unlink()
    tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/callgrind", *flags]
    ran = subprocess.run(
        [*tool, *map(str, command)], input=lines, capture_output=True, text=True, check=False, env=environment
    )
    if ran.returncode != 0:
        raise RuntimeError(f"{command} under callgrind: {ran.stderr.strip()}")
    counts = {}
    for dump in folder.glob("callgrind.*"):
        head = dump.read_text()
        named = re.search(r"^desc: Trigger: Client Request: (.+)$", head, re.MULTILINE)
        total = re.search(r"^(?:totals|summary): (\d+)", head, re.MULTILINE)
        if named and total:
            counts[named[1]] = int(total[1])
    return ran.stdout, counts


def per_unit(printed, counts):
    """Instructions per unit by name, from lines `UNITS NAME`."""
    pairs = (line.split(" ", 1) for line in printed.splitlines())
    return {name: counts[name] / float(units) for units, name in pairs if float(units) > 0}


def count_here(program, cases, folder):
    """Instructions per unit of each case on this processor; without those that it or the core cannot do."""
    return per_unit(*callgrind([program, "count"], folder, lines="\n".join(cases) + "\n"))


def time_here(program, cases):
    """Nanoseconds per unit of each case, the shortest of a few stretches; a case may be named again for some more."""
    ran = subprocess.run([program, "time"], input="\n".join(cases) + "\n", check=True, capture_output=True, text=True)
    shortest = {}
    for case, ns in zip(cases, map(float, ran.stdout.split()), strict=True):
        if ns > 0:
            shortest[case] = min(ns, shortest.get(case, ns))
    return shortest


@functools.cache
def emulator():
    """(qemu-aarch64, plugin), None where they are not."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    folder = pathlib.Path(os.environ.get(COUNTER_VARIABLE) or cache / "pipistrelle/insn-counter")
    found = folder / "bin/qemu-aarch64", folder / "libinsn.so"
    return found if all(path.exists() for path in found) else None


def why_not_emulator():
    """What is missing to count for aarch64; empty when nothing is."""
    if shutil.which(CROSS_COMPILER) is None:
        return "no cross compiler (apt-get install gcc-aarch64-linux-gnu)"
    if emulator() is None:
        return f"no counting emulator (sh tests/benchmarks/build_counter, or set {COUNTER_VARIABLE})"
    return ""


def count_aarch64(cases, folder):
    """Instructions per unit of each case on an aarch64 processor, from the difference of two lengths."""
    own = folder / "aarch64"
    own.mkdir()
    program = build_cases(own, using=CROSS_COMPILER, flags=CROSS_FLAGS)
    few, many = 10, 70  # their difference holds whole periods of pulses, in blocks of 10 ms
    counts = {}
    for case in cases:
        units, at_few = emulated(program, few, case)
        if units > 0:
            counts[case] = (emulated(program, many, case)[1] - at_few) / ((many - few) * units)
    return counts


def emulated(program, runs, case):
    """(units of a run, instructions of the whole program)."""
    qemu, plugin = emulator()
    command = [str(qemu), "-plugin", f"{plugin},inline=on", "-d", "plugin", str(program), "run", str(runs)]
    ran = subprocess.run([*command, *case.split()], check=True, capture_output=True, text=True)
    return float(ran.stdout), int(re.findall(r"insns: (\d+)", ran.stderr)[-1])


def quiet_environment():
    """For Python under callgrind: no hashes that differ from run to run, one thread, nothing written."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return keep | {
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def count_python(name, amount, folder):
    """Instructions per unit of what counted.py calls `name`."""
    library = folder / "callgrind_door.so"
    objects = building.compile_objects([building.HERE / "callgrind_door.c"], folder, flags=["-O2", "-fPIC"])
    building.link(objects, [], library, flags=["-shared"])
    command = [sys.executable, "-s", str(HERE / "counted.py"), str(library), name, str(amount)]
    return per_unit(*callgrind(command, folder, flags=NOT_YET, environment=quiet_environment()))[name]
