"""Nothing gets dearer unnoticed: instruction counts beside a committed baseline. No time is measured.

A count is comparable only where compiler, processor features, valgrind, Python and NumPy are those of the baseline;
where they are not, or a tool is absent, the group is skipped and says why.
"""

import concurrent.futures
import json
import os
import pathlib
import platform
import shutil
import sys
import tempfile

import numpy as np
from benchmarks import building, counting
from benchmarks.catalogue import CASES
from benchmarks.counted import MOVING, QUIET

BASELINE = pathlib.Path(__file__).with_name("baseline.json")
ALLOWED = 0.03
ACCEPT = "make baseline"
PIPELINE_SECONDS = 2
LINES = [case.line for case in CASES]


def native_conditions():
    """What the counts of C depend on."""
    flags = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    return {
        "compiler": building.compiler_version(building.compiler()),
        "processor": " ".join([platform.machine(), *sorted({"avx2", "fma", "avx512f"} & flags)]),
        "valgrind": building.compiler_version(shutil.which("valgrind")),
    }


def pipeline_conditions():
    """What the count of the pipeline depends on besides."""
    return native_conditions() | {"python": platform.python_version(), "numpy": np.__version__}


def aarch64_conditions():
    """What the counts of the cross-compiled C depend on."""
    return {"compiler": building.compiler_version(counting.CROSS_COMPILER)}


GROUPS = {
    "C": (
        counting.why_not_callgrind,
        native_conditions,
        lambda folder: counting.count_here(counting.build_cases(folder), LINES, folder),
    ),
    "C on aarch64": (
        counting.why_not_emulator,
        aarch64_conditions,
        lambda folder: counting.count_aarch64(LINES, folder),
    ),
    "a second of audio": (
        counting.why_not_callgrind,
        pipeline_conditions,
        lambda folder: {name: counting.count_python(name, PIPELINE_SECONDS, folder) for name in (QUIET, MOVING)},
    ),
}
"""By name: why it cannot be counted here, what the counts depend on, the counts."""


def differences(wanted, here):
    """In words, what of the conditions is not the baseline's; empty when nothing is."""
    return "; ".join(
        f"{name}: baseline {wanted.get(name)}, here {here.get(name)}"
        for name in sorted({*wanted, *here})
        if wanted.get(name) != here.get(name)
    )


def compare(group, baseline, counts):
    """(faults, remarks), a line for each case that got dearer by more than 3 %, is new, or got as much cheaper."""
    faults, remarks = [], []
    for case, count in counts.items():
        before = baseline.get(case)
        if before is None:
            faults.append(f"{group}, {case}: not in the baseline, counted {count:,.2f}; accept it with `{ACCEPT}`")
            continue
        change = count / before - 1
        told = f"{group}, {case}: {count:,.2f} instructions, baseline {before:,.2f} ({change:+.1%})"
        if change > ALLOWED:
            faults.append(f"{told}; if that is wanted, accept it with `{ACCEPT}`")
        elif change < -ALLOWED:
            remarks.append(f"{told}; hold it with `{ACCEPT}`")
    remarks += [f"{group}, {case}: skipped, this processor cannot do it" for case in baseline if case not in counts]
    return faults, remarks


def counted(groups):
    """Counts by group; as many groups at a time as there are cores, which does not show in the counts."""

    def count(group):
        with tempfile.TemporaryDirectory() as folder:
            return GROUPS[group][2](pathlib.Path(folder))

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(groups, pool.map(count, groups), strict=True))


def check():
    """Count, compare, tell; the process's exit code."""
    baseline = json.loads(BASELINE.read_text())
    held = {group: baseline.get(group, {"conditions": {}, "counts": {}}) for group in GROUPS}
    reasons = {
        group: why_not() or differences(held[group]["conditions"], conditions())
        for group, (why_not, conditions, _) in GROUPS.items()
    }
    faults = []
    for group, counts in counted([group for group, reason in reasons.items() if not reason]).items():
        new_faults, remarks = compare(group, held[group]["counts"], counts)
        faults += new_faults
        print(*remarks, sep="\n", end="\n" if remarks else "")
        print(f"instructions, {group}: {len(counts)} counted, {len(new_faults)} dearer than allowed")
    for group, reason in reasons.items():
        if reason:
            print(f"instructions, {group}: skipped ({reason})")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def accept():
    """Count all that can be counted here and make that the baseline; the process's exit code."""
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    reasons = {group: why_not() for group, (why_not, _, _) in GROUPS.items()}
    for group, counts in counted([group for group, reason in reasons.items() if not reason]).items():
        rounded = {case: float(f"{figure:.6g}") for case, figure in counts.items()}
        baseline[group] = {"conditions": GROUPS[group][1](), "counts": rounded}
        print(f"instructions, {group}: {len(counts)} accepted")
    for group, reason in reasons.items():
        if reason:
            print(f"instructions, {group}: kept as they were ({reason})")
    BASELINE.write_text(json.dumps(baseline, indent=2) + "\n")
    return 0
