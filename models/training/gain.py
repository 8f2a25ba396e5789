"""What mining gains: false alarms a day at equal recall after each round, against as much data drawn at random."""

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from appliance.evaluation.plots import COLOURS, STYLE
from models.training.judge import RECALLS
from models.training.rounds import ARMS, SEED_ARM, Model, kept_in

TOLD_RECALLS = (0.9, 0.7)
"""Of `RECALLS` those in the table, the first also in the plot."""


def gains(out: Path, models: Sequence[Model]) -> list[dict[str, Any]]:
    """For each recall and round what the arms do: false alarms a day in rooms with rare kinds, pets in and out, and how
    many times fewer mining has.

    Raises:
        CorpusError: a model's file is damaged.
    """
    judged = {model: json.loads(str(kept_in(out / model.file_name, "judged"))) for model in models}
    found = []
    for at, recall in enumerate(RECALLS):
        for number in sorted({model.round for model in models}):
            seeds = sorted({model.seed for model in models if model.round == number})
            row: dict[str, Any] = {"recall": recall, "round": number, "seeds": len(seeds)}
            for pets in (False, True):
                rates = {
                    arm: [_per_day(judged[_of(arm, seed, number)]["levels"][at], pets=pets) for seed in seeds]
                    for arm in ARMS
                }
                ratios = [random / mined for mined, random in zip(rates["mined"], rates["random"], strict=True)]
                row["with pets" if pets else "without pets"] = {arm: _spread(rates[arm]) for arm in ARMS} | {
                    "times fewer": _spread(ratios)
                }
            row["found"] = {
                arm: _means([judged[_of(arm, seed, number)]["levels"][at]["found"] for seed in seeds]) for arm in ARMS
            }
            found.append(row)
    return found


def _of(arm: str, seed: int, number: int) -> Model:
    return Model(arm if number else SEED_ARM, seed, number)


def _per_day(level: dict[str, Any], *, pets: bool) -> float:
    """False alarms a day in empty rooms with what the seed set never held; none counts as one, for it may be luck."""
    some = [level["alarms"][group] for group in (("rare", "pets") if pets else ("rare",)) if group in level["alarms"]]
    return max(sum(count for count, _ in some), 1) / max(sum(hours for _, hours in some), 1e-9) * 24.0


def _spread(figures: Sequence[float]) -> dict[str, float]:
    """Geometric mean, least and greatest: rates and ratios differ by factors."""
    mean = math.exp(math.fsum(math.log(each) for each in figures) / len(figures))
    return {"mean": round(mean, 2), "least": round(min(figures), 2), "greatest": round(max(figures), 2)}


def _means(each: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([one[name] for one in each])), 3) for name in each[0]}


def report(out: Path, models: Sequence[Model]) -> str:
    """Write figures, table and plot of all rounds so far into the run's folder; the table.

    Raises:
        CorpusError: a model's file is damaged.
    """
    rows = gains(out, models)
    table = _table(rows)
    (out / "mining.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (out / "mining.md").write_text(table, encoding="utf-8")
    (out / "mining.svg").write_text(_plot(rows), encoding="utf-8")
    return table


def _table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        (
            "| recall | round | false alarms a day: mined | random | times fewer "
            "| and with pets: mined | random | times fewer | small motion beside others found: mined, random |"
        ),
        "|" + " --- |" * 9,
    ]
    for row in rows:
        if row["recall"] not in TOLD_RECALLS:
            continue
        cells = [f"{100.0 * row['recall']:g} %", str(row["round"])]
        for pets in ("without pets", "with pets"):
            cells += [_words(row[pets][arm], digits=0) for arm in ARMS]
            cells.append(_words(row[pets]["times fewer"], digits=1))
        cells.append(", ".join(_share(row["found"][arm].get("minor beside")) for arm in ARMS))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _words(spread: dict[str, float], *, digits: int) -> str:
    mean, least, greatest = (f"{spread[name]:.{digits}f}" for name in ("mean", "least", "greatest"))
    return f"{mean} ({least} to {greatest})"


def _share(share: float | None) -> str:
    return "none there" if share is None else f"{100.0 * share:.0f} %"


def _plot(rows: Sequence[dict[str, Any]]) -> str:
    """False alarms a day by round at one recall, and by recall after the last round, as SVG text."""
    last = max(row["round"] for row in rows)
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        by_round, by_recall = figure.subplots(1, 2, sharey=True)
        for at, arm in enumerate(ARMS):
            some = [row for row in rows if row["recall"] == TOLD_RECALLS[0]]
            _line(by_round, [row["round"] for row in some], [row["with pets"][arm] for row in some], at, arm)
            some = [row for row in rows if row["round"] == last]
            _line(by_recall, [100 * row["recall"] for row in some], [row["with pets"][arm] for row in some], at, arm)
        some = [row for row in rows if row["round"] == 0]
        seed = [row["with pets"]["mined"] for row in some]
        _line(by_recall, [100 * row["recall"] for row in some], seed, len(ARMS), "seed model")
        by_round.set(
            xlabel="round", ylabel="false alarms a day, pets included", yscale="log", xticks=range(last + 1),
            title=f"at {100 * TOLD_RECALLS[0]:g} % recall",
        )  # fmt: skip
        by_recall.set(xlabel="recall (%)", title=f"after round {last}")
        by_round.legend()
        by_recall.legend()
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _line(axes: Axes, x: Sequence[float], spreads: Sequence[dict[str, float]], number: int, name: str) -> None:
    """Means, and from the least to the greatest."""
    mean = [each["mean"] for each in spreads]
    error = [[each["mean"] - each["least"] for each in spreads], [each["greatest"] - each["mean"] for each in spreads]]
    axes.errorbar(x, mean, error, fmt="o-", ms=4, lw=1.5, elinewidth=0.8, color=COLOURS[number], label=name)
