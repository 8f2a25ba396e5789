"""How the cost grows with microphones, carriers, block length and rate, and the plots of all costs."""

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt

SWEEPS = {
    "microphones": (1, 2, 3, 4, 5, 6, 7, 8),
    "carriers": (1, 2, 3, 4),
    "block (ms)": (1, 2, 5, 10, 20, 50),
    "rate (kHz)": (96, 192, 384),
}
OURS_COLOUR, OTHER_COLOUR, BAR_COLOUR = "#0b5fa5", "#9aa5b1", "#c2410c"

plt.rcParams |= {
    "svg.hashsalt": "pipistrelle",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "axes.axisbelow": True,
}


def case(sweep, value):
    """A line of csrc/cases.c, one point of a sweep; what is not swept is 4 microphones, 1 carrier, 192 kHz, 10 ms."""
    mics = value if sweep == "microphones" else 4
    carriers = value if sweep == "carriers" else 1
    rate_hz = value * 1_000 if sweep == "rate (kHz)" else 192_000
    block_frames = rate_hz * (value if sweep == "block (ms)" else 10) // 1_000
    return f"downconvert {mics} {carriers} {rate_hz} {block_frames} auto"


def frames_per_second(line):
    """The rate in a line of `case`."""
    return int(line.split()[3])


def cases():
    """All points of all sweeps, each once."""
    return list(dict.fromkeys(case(sweep, value) for sweep, values in SWEEPS.items() for value in values))


def plot_growth(path, *, x86, aarch64, ns):
    """A column for each sweep: instructions, and time of one core, both for a second of audio.

    Args:
        path: SVG file to write.
        x86: instructions per frame by case.
        aarch64: the same, maybe empty.
        ns: nanoseconds per frame by case.
    """
    figure, rows = plt.subplots(2, len(SWEEPS), figsize=(10, 4.8), sharey="row", layout="constrained")
    series = [
        (rows[0], x86, 1e-6, "x86-64", OURS_COLOUR),
        (rows[0], aarch64, 1e-6, "aarch64", BAR_COLOUR),
        (rows[1], ns, 1e-6, "x86-64", OURS_COLOUR),
    ]
    for row, figures, scale, label, colour in series:
        for axis, (sweep, values) in zip(row, SWEEPS.items(), strict=True):
            points = [(value, figures[line]) for value in values if (line := case(sweep, value)) in figures]
            cost = [each * frames_per_second(case(sweep, value)) * scale for value, each in points]
            if points:
                axis.plot([value for value, _ in points], cost, "o-", color=colour, label=label, markersize=3.5)
    for axis, sweep in zip(rows[1], SWEEPS, strict=True):
        axis.set_xlabel(sweep)
    for row in rows:
        for axis, (sweep, values) in zip(row, SWEEPS.items(), strict=True):
            if sweep == "block (ms)":
                axis.set_xscale("log")
            axis.set_xticks(values, [str(value) for value in values])
            axis.minorticks_off()
            axis.set_ylim(bottom=0)
    rows[0][0].set_ylabel("million instructions")
    rows[1][0].set_ylabel("ms of one core")
    rows[0][0].legend(frameon=False)
    figure.suptitle(
        "Down-conversion of one second of audio; 4 microphones, 1 carrier, 10 ms, 192 kHz but for what is swept"
    )
    save(figure, path)


def plot_race(path, *, runners, labels, floor_ratio):
    """Times ours for each competitor, median with 10 to 90 percent, on a logarithmic axis.

    Args:
        path: SVG file to write.
        runners: race.Runner of each competitor.
        labels: what to call each.
        floor_ratio: the floor as a share of ours.
    """
    ordered = sorted(runners, key=lambda runner: runner.median)
    figure, axis = plt.subplots(figsize=(8, 0.5 + 0.42 * (len(ordered) + 2)), layout="constrained")
    places = range(2, len(ordered) + 2)
    medians = [runner.median for runner in ordered]
    below = [runner.median - runner.percentile(10) for runner in ordered]
    above = [runner.percentile(90) - runner.median for runner in ordered]
    axis.barh([0], [floor_ratio], color="#d6dbe1")
    axis.barh([1], [1], color=OURS_COLOUR)
    axis.barh(places, medians, xerr=(below, above), color=OTHER_COLOUR, ecolor="#374151", capsize=2.5)
    axis.set_yticks(range(len(ordered) + 2), ["theoretical floor", "Pipistrelle", *(labels[r.name] for r in ordered)])
    axis.set_xscale("log")
    axis.set_xlim(0.1, max(medians) * 4)
    axis.grid(visible=False, axis="y")
    for place, value, end in zip(
        range(len(ordered) + 2),
        [floor_ratio, 1, *medians],
        [floor_ratio, 1, *(r.percentile(90) for r in ordered)],
        strict=True,
    ):
        axis.text(end * 1.12, place, f"{value:.2g}" if value < 1 else f"{value:.3g}", va="center")
    axis.set_xlabel("time for the same job, as a multiple of Pipistrelle's (bars: median, lines: 10 to 90 %)")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    save(figure, path)


def save(figure, path):
    """Small, and without the date of its making."""
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
