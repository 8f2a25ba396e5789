"""The report's plots as SVG, in colours that are read on white and on black."""

import functools
import io
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from appliance.evaluation.cases import CELL_M
from appliance.evaluation.figures import Figures

_INK = "#7a808c"
COLOURS = ("#3b82d6", "#e0762f", "#2fa37c", "#c2549d", "#b59a16", "#7d68d1", "#d14b4b", "#5d9fb0")
STYLE: Any = {
    "font.family": "sans-serif", "font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "pipistrelle",
    "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": _INK, "grid.alpha": 0.25,
    "legend.frameon": False, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
}  # fmt: skip

_FEWEST_PER_DAY = 0.1
_LATENCY_PERCENT = 100.0


def plots_of(figures: Figures) -> dict[str, str]:
    """Every plot that the figures allow, by name, as SVG text."""
    drawn: dict[str, str] = {}
    if figures["curves"]:
        drawn["curves"] = _drawn(lambda axes: _curves(axes, figures["curves"]), size=(6.4, 4.6))
    if figures["walk"]:
        drawn["range"] = _drawn(lambda axes: _range(axes, figures["walk"]))
        if figures["walk"]["near"]:
            drawn["latency"] = _drawn(lambda axes: _latency(axes, figures["walk"]))
        drawn["splits"] = _drawn(lambda axes: _splits(axes, figures["walk"]["splits"]), size=(6.4, 2.6))
    if figures["coverage"]:
        for kind in ("major", "minor"):
            drawn[kind] = _drawn(functools.partial(_map, cells=figures["coverage"][kind]), size=(5.0, 4.0))
    return drawn


def _drawn(draw: Callable[[Axes], None], *, size: tuple[float, float] = (6.4, 3.6)) -> str:
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _curves(axes: Axes, curves: Sequence[Figures]) -> None:
    """Recall against false alarms a day; a hollow point had none and stands at its upper bound."""
    for number, curve in enumerate(curves):
        points = curve["points"]
        per_day = [max(point["per_day"] or point["per_day_high"], _FEWEST_PER_DAY) for point in points]
        recalls = [100.0 * point["recall"] for point in points]
        line = "-" if number < len(COLOURS) else "--"
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(per_day, recalls, line, color=colour, lw=1.5, label=curve["name"].replace("_", " "))
        shipped = next(at for at, point in enumerate(points) if point["threshold"] == 0.0)
        face = colour if points[shipped]["per_day"] else "none"
        axes.plot(per_day[shipped], recalls[shipped], "o", color=colour, markerfacecolor=face)
    axes.set(xscale="log", xlabel="false alarms a day", ylabel="recall of walks, %", ylim=(-2, 102))
    axes.legend(fontsize=8, ncols=2, loc="lower right")


def _range(axes: Axes, walk: Figures) -> None:
    for number, speed in enumerate(walk["speeds_mps"]):
        cells = [cell for cell in walk["by_range_and_speed"] if cell["speed_mps"] == speed]
        at = [cell["distance_m"] + 0.06 * (number - 1.5) for cell in cells]
        share = [100.0 * cell["recall"] for cell in cells]
        low = [100.0 * (cell["recall"] - cell["recall_low"]) for cell in cells]
        high = [100.0 * (cell["recall_high"] - cell["recall"]) for cell in cells]
        error = [[max(0.0, value) for value in side] for side in (low, high)]
        axes.errorbar(
            at, share, error, fmt="o-", ms=4, lw=1.5, elinewidth=0.8, color=COLOURS[number], label=f"{speed:g} m/s"
        )
    axes.set(xlabel="distance, m (of the far end of the walk, from 3 m on)", ylabel="recall, %", ylim=(-2, 102))
    axes.legend(loc="lower left")


def _latency(axes: Axes, walk: Figures) -> None:
    times_s, events = walk["latencies_s"], walk["near"]["events"]
    share = [_LATENCY_PERCENT * (number + 1) / events for number in range(len(times_s))]
    axes.step([0.0, *times_s], [0.0, *share], where="post", color=COLOURS[0])
    axes.set(xlabel="s from the first movement to motion being told", ylabel="walks to 6 m, %", ylim=(0, 102))
    axes.set_xlim(left=0.0)


def _splits(axes: Axes, splits: Figures) -> None:
    for row, split in enumerate(splits.values()):
        shares = [100.0 * group["recall"] for group in split["groups"]]
        nudge = [row + 0.25 * ((number % 5) / 4.0 - 0.5) for number in range(len(shares))]
        axes.plot(shares, nudge, "o", ms=5, alpha=0.6, color=COLOURS[row], markeredgewidth=0)
        axes.plot([100.0 * split["median"]] * 2, [row - 0.3, row + 0.3], color=COLOURS[row], lw=2)
    axes.set_yticks(range(len(splits)), [f"each {name}" for name in splits])
    axes.set(xlabel="recall of all walks, %", ylim=(-0.6, len(splits) - 0.4))
    axes.invert_yaxis()


def _map(axes: Axes, cells: list[list[float | None]]) -> None:
    """Cells in m, the device at the left."""
    away, across = len(cells), len(cells[0])
    for x, column in enumerate(cells):
        for y, share in enumerate(column):
            colour = "none" if share is None else _shade(share)
            axes.fill(*_square(x, y), facecolor=colour, edgecolor=_INK, linewidth=0.6)
            if share is not None:
                ink = "#ffffff" if share > 0.4 else "#202020"
                axes.text(
                    (x + 0.5) * CELL_M, (y + 0.5) * CELL_M, f"{100 * share:.0f}", ha="center", va="center", color=ink
                )
    axes.plot(0.0, across * CELL_M / 2.0, ">", ms=12, color=COLOURS[1], clip_on=False)
    axes.set(
        xlabel="m from the device",
        ylabel="m across",
        xlim=(0, away * CELL_M),
        ylim=(0, across * CELL_M),
        aspect="equal",
    )
    axes.grid(visible=False)


def _square(x: int, y: int) -> tuple[list[float], list[float]]:
    return [CELL_M * (x + dx) for dx in (0, 1, 1, 0)], [CELL_M * (y + dy) for dy in (0, 0, 1, 1)]


def _shade(share: float) -> tuple[Any, ...]:
    """From pale orange for nothing to blue for everything."""
    pale, deep = (0.96, 0.72, 0.5), (0.14, 0.42, 0.72)
    return tuple(low + share * (high - low) for low, high in zip(pale, deep, strict=True))
