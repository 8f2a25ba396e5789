"""Runs everything, tells it on the terminal, and writes RESULTS.md with its plots."""

import pathlib
import platform
import tempfile

import numpy as np
import scipy
from benchmarks import building, counting, growth, peers, race
from benchmarks.catalogue import CASES
from benchmarks.counted import MOVING, QUIET
from benchmarks.whole_loop import Listener
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
RACE_PLOT, GROWTH_PLOT = HERE / "race.svg", HERE / "growth.svg"

LABELS = {
    peers.OURS: "Pipistrelle, C",
    peers.OURS_CALLED: "Pipistrelle, from Python",
    peers.CASCADE: "SciPy, best cascade",
    peers.IDIOMATIC: "SciPy, as most would write it",
    "liquid cascade": "liquid-dsp, our filters",
    "liquid one stage": "liquid-dsp, one stage",
    "soxr": "oscillator and soxr",
    "FFTW 10 ms": "FFTW overlap-save, 10 ms blocks",
    "FFTW 80 ms": "FFTW overlap-save, 80 ms blocks",
    "FFTW 140 ms": "FFTW overlap-save, 140 ms blocks",
}
BARS = {
    ("SciPy, as most would write it", 500): (peers.IDIOMATIC,),
    ("SciPy, best cascade", 60): (peers.CASCADE,),
    ("liquid-dsp with our filters", 30): ("liquid cascade",),
    ("soxr", 12): ("soxr",),
    ("FFTW, the fastest of its forms", 6): ("FFTW 10 ms", "FFTW 80 ms", "FFTW 140 ms"),
}
"""What a ratio's median has to reach, by what it is called and asks for."""

FLOOR_BAR = 2.0

DENORMAL_CASES = ("doppler 4", "clutter 4", "carrier 4", "multipath 8 4")
"""Those cases of csrc/cases.c that take `normal` or `denormal`."""

INSTALL = "sh .ci/packages benchmark"

console = Console(highlight=False)
# a table is easier to read broken by the terminal than by its cells
console.width = max(console.width, 110)


class Report:
    """The text of RESULTS.md, part by part; each part is told on the terminal too."""

    def __init__(self, title):
        self._lines = [f"# {title}", ""]

    def text(self, *lines):
        """A paragraph."""
        self._lines += [*lines, ""]
        console.print(*lines, sep="\n", markup=False)

    def heading(self, title):
        self._lines += [f"## {title}", ""]
        console.rule(title, align="left")

    def picture(self, title, path):
        self._lines += [f"![{title}]({path.name})", ""]

    def table(self, columns, rows):
        """`columns` and cells are text; all but the first column stand to the right."""
        drawn = Table(*columns[:1], box=box.SIMPLE)
        for column in columns[1:]:
            drawn.add_column(column, justify="right")
        for row in rows:
            drawn.add_row(*row)
        console.print(drawn)
        self._lines += ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
        self._lines += ["| " + " | ".join(row) + " |" for row in rows] + [""]

    def write(self, path):
        path.write_text("\n".join(self._lines).rstrip() + "\n")


def progress_of(label):
    """Shows how far a loop is."""
    return lambda steps: track(steps, label, console=console, transient=True)


def figure(value):
    """Three digits, whole ones all shown."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def run(*, rounds, quick):
    """The whole benchmark; the process's exit code, 1 where a bar is missed."""
    report = Report("What the signal path costs")
    report.text(
        "Written by `make benchmark`. All times are processor time of one run in which everybody takes turns, so that"
        " ratios hold even where the machine is busy.",
        f"{processor()}; {building.compiler_version(building.compiler())}; Python {platform.python_version()},"
        f" NumPy {np.__version__}, SciPy {scipy.__version__}.",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        missed = race_part(report, folder, rounds=rounds, quick=quick)
        counted = count_part(folder, quick=quick)
        costs_part(report, counted)
        denormals_part(report, folder)
        if not quick:
            growth_part(report, counted)
            report.write(RESULTS)
            console.print(f"written: {RESULTS.relative_to(building.ROOT)} and its plots")
    return 1 if missed else 0


def processor():
    """The processor's name."""
    told = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in told if line.startswith("model name")]
    return names[0] if names else platform.machine()


def race_part(report, folder, *, rounds, quick):
    """Competitors; how many bars were missed."""
    report.heading("What one would use instead")
    with peers.all_peers(folder) as (c_peers, figures):
        runners = race.race(c_peers, rounds=rounds, progress=progress_of("racing"))
        counts = competitor_counts(c_peers, folder, quick=quick)
    floor = race.floor(runners)
    report.text(
        f"Four microphones, 192 kHz, blocks of 10 ms, the band around 40 kHz to complex samples at 2.4 kHz: median of"
        f" {rounds} rounds, each competitor between two runs of ours. What is in C is compared with our C, SciPy with"
        " our C called from Python. Before it was timed each had to pass +-900 Hz within 0.1 dB and to keep out, by"
        " 80 dB, everything from +-1100 Hz on."
    )
    ordered = sorted((r for r in runners.values() if r.name in figures), key=lambda runner: np.median(runner.ns))
    report.table(
        ["what", "pass, stop (dB)", "instructions/frame", "ns/frame", "times ours", "10-90 %"],
        [competitor_row(runner, figures[runner.name], counts.get(runner.name)) for runner in ordered],
    )
    for library in c_peers.absent:
        report.text(
            f"Left out, not installed: {', '.join(library.peers)} (apt-get install {library.package}, or {INSTALL})."
        )
    others = [runner for runner in ordered if runner.name not in (peers.OURS, peers.OURS_CALLED)]
    if not quick:
        growth.plot_race(RACE_PLOT, runners=others, labels=LABELS, floor_ratio=1 / floor.times_above[0])
        report.picture("Times for the same job", RACE_PLOT)
    floor_text(report, floor, runners)
    return bars_part(report, runners, floor)


def competitor_row(runner, figures, count):
    spread = f"{figure(runner.percentile(10))}-{figure(runner.percentile(90))}"
    ours = runner.name in (peers.OURS, peers.OURS_CALLED)
    return [
        LABELS[runner.name],
        f"{figures[0]:.3f}, {figures[1]:.0f}",
        "-" if count is None else figure(count),
        figure(np.median(runner.ns)),
        "1" if ours else figure(runner.median),
        "" if ours else spread,
    ]


def competitor_counts(c_peers, folder, *, quick):
    """Instructions per frame by competitor, as far as they can be counted."""
    if reason := counting.why_not_callgrind():
        console.print(f"instructions are not counted: {reason}")
        return {}
    with console.status("counting the competitors' instructions"):
        counts = counting.per_unit(*counting.callgrind([c_peers.program, "count"], folder, flags=counting.NOT_YET))
        for name in () if quick else peers.PYTHON_PEERS:
            counts[name] = counting.count_python(name, peers.RATE_HZ // 10, folder)
    return counts


def floor_text(report, floor, runners):
    macs, multiply_ns = race.macs_per_frame(), float(np.median(runners[peers.MULTIPLY].ns))
    report.text(
        "The floor is the longer of two times, both measured in the same rounds, since a processor can read while it"
        " multiplies:",
        f"- multiplying: {race.macs_per_frame.__doc__.split('taps on complex samples:')[1].strip().rstrip('.')} ="
        f" {macs:.1f} multiply-accumulates a frame at {1 / multiply_ns:.1f} G/s (a loop of twelve independent vector"
        f" multiply-adds and nothing else): {floor.multiply_ns:.2f} ns;",
        f"- reading: {4 * peers.MICS} bytes a frame at {4 * peers.MICS / floor.read_ns:.1f} GB/s (reading the same"
        f" {race.INPUT_BYTES // 1000} kB and nothing else): {floor.read_ns:.2f} ns.",
    )


def bars_part(report, runners, floor):
    """Bars and what was reached; how many were missed."""
    rows, missed = [], 0
    for (what, wanted), names in BARS.items():
        present = [runners[name].median for name in names if name in runners]
        if not present:
            rows.append([what, f">= {wanted}", "-", f"left out: {INSTALL}"])
            continue
        met = min(present) >= wanted
        missed += not met
        rows.append([what, f">= {wanted}", figure(min(present)), "met" if met else "missed"])
    met = floor.times_above[0] <= FLOOR_BAR
    missed += not met
    middle, low, high = floor.times_above
    rows.append(["ours, as a multiple of the floor", f"<= {FLOOR_BAR:g}", f"{middle:.2f}", "met" if met else "missed"])
    report.table(["bar", "wanted", "reached", ""], rows)
    report.text(f"The multiple of the floor lies between {low:.2f} and {high:.2f} in 80 % of the rounds.")
    return missed


def count_part(folder, *, quick):
    """(instructions on x86-64, on aarch64, nanoseconds), each by case."""
    lines = list(dict.fromkeys([case.line for case in CASES] + ([] if quick else growth.cases())))
    program = counting.build_cases(folder)
    here, aarch64 = {}, {}
    with console.status("counting and timing each C object"):
        if reason := counting.why_not_callgrind():
            console.print(f"instructions are not counted: {reason}")
        else:
            here = counting.count_here(program, lines, folder)
            here |= {name: counting.count_python(name, 4, folder) for name in (QUIET, MOVING)}
        times = counting.time_here(program, lines * 3)
    if reason := counting.why_not_emulator():
        console.print(f"instructions for aarch64 are not counted: {reason}")
    elif not quick:
        with console.status("counting for aarch64"):
            aarch64 = counting.count_aarch64(lines, folder)
    return here, aarch64, times


def costs_part(report, counted):
    """A line for each C object, and one for the whole pipeline."""
    here, _, times = counted
    report.heading("What each part costs")
    rows = []
    for case in CASES:
        cells = [figure(counts[case.line]) if case.line in counts else "-" for counts in counted]
        per_second = f"{times[case.line] * case.units * 1e-6:.3g}" if case.line in times else "-"
        rows.append([case.what, case.unit, *cells, per_second])
    report.text(
        "Instructions of a unit on x86-64 and aarch64 (for a Cortex-A53), nanoseconds on this machine, and how long it"
        " works for a second of audio."
    )
    report.table(["part", "unit", "x86-64", "aarch64", "ns", "ms a second"], rows)
    for name, moving in ((QUIET, False), (MOVING, True)):
        listener = Listener(moving=moving)
        taken_ms = min(listener.hear(4) for _ in range(5))
        count = f"{here[name] / 1e6:.2f} million instructions (x86-64)" if name in here else "instructions not counted"
        report.text(
            f"The whole pipeline, Python included, 4 microphones, 1 carrier, {name.removeprefix('pipeline, ')}:"
            f" {taken_ms:.2f} ms of processor time and {count} for a second of audio."
        )


def denormals_part(report, folder):
    """Numbers too small for the processor's usual way of holding them: do they slow anything down?"""
    program = folder / "cases"
    pairs = [(f"{name} normal", f"{name} denormal") for name in DENORMAL_CASES]
    times = [counting.time_here(program, [*pair] * 3) for pair in pairs]
    rows = [
        [usual.removesuffix(" normal"), figure(ns[usual]), figure(ns[faint]), f"{ns[faint] / ns[usual]:.2f}"]
        for (usual, faint), ns in zip(pairs, times, strict=True)
    ]
    report.text(
        "Denormal numbers: integers as PCM holds them cannot give any, and the fuzzer checks that no output is one."
        " What takes floats, with a usual signal and with a denormal one:"
    )
    report.table(["part", "ns", "ns, denormal", "times"], rows)


def growth_part(report, counted):
    """The plot of the sweeps."""
    here, aarch64, times = counted
    report.heading("How cost grows")
    growth.plot_growth(GROWTH_PLOT, x86=here, aarch64=aarch64, ns=times)
    report.picture("Cost over microphones, carriers, block length and rate", GROWTH_PLOT)
