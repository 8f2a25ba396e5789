"""Which emission is worth playing: one network that knows all, judged with each at the same false alarms."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from appliance.evaluation.scoring import share_bounds
from models.training import choose
from models.training.clips import EMISSIONS
from models.training.corpus import read_corpus
from models.training.network import MotionNetwork
from models.training.run import fitted, outputs_of

_RATES_PER_HOUR = (4.0, 1.0)


def compare(data: Path, *, corpora: Sequence[str], out: Path, epochs: int, seed: int) -> str:
    """Train a network with all emissions and judge it with each by the validation corpora; a table in Markdown, also
    written.

    `emissions.json` has the same with its counts. What `train` has trained in `out` is not trained again.

    Raises:
        CorpusError: there is nothing to learn from or to judge by.
    """
    out.mkdir(parents=True, exist_ok=True)
    network, _ = fitted(data, corpora=corpora, emissions=EMISSIONS, out=out, epochs=epochs, seed=seed)
    found = {each: _judge(network, data, each) for each in EMISSIONS}
    table = _table(found)
    (out / "emissions.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (out / "emissions.md").write_text(table, encoding="utf-8")
    return table


def _judge(network: MotionNetwork, data: Path, emission: str) -> dict[str, dict[str, Any]]:
    rows = read_corpus(data, share="validation", corpora=("mixed", "empty"), emissions=(emission,))
    outputs = outputs_of(network, rows)
    usual, with_pets = (choose.judged(rows, outputs, pets=pets) for pets in (False, True))
    counts, hours = choose.alarms(usual, beside=choose.IN_PLACE)
    points = {f"{rate:g} an hour": (usual, choose.lowest(counts <= rate * hours)) for rate in _RATES_PER_HOUR}
    odds, pet_hours = choose.lowest_with_pets(with_pets)
    points["pets at home"] = with_pets, odds
    return {
        name: {
            "log_odds": odds,
            "empty_hours": round(hours, 2),
            "pet_hours": round(pet_hours, 2),
            "recalls": choose.recalls(judged, odds),
        }
        for name, (judged, odds) in points.items()
    }


def _table(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """A line for each operating point and kind of motion, a column for each emission."""
    lines = [f"| false alarms | motion | {' | '.join(found)} |", f"|{'---|' * (2 + len(found))}"]
    for point in next(iter(found.values())):
        kinds = sorted({kind for each in found.values() for kind in each[point]["recalls"]})
        for kind in kinds:
            cells = [_cell(each[point]["recalls"].get(kind)) for each in found.values()]
            lines.append(f"| {point} | {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(recall: dict[str, Any] | None) -> str:
    if recall is None:
        return "-"
    hits = round(recall["recall"] * recall["events"])
    low, high = share_bounds(hits, recall["events"])
    p50_s = recall["latency_p50_s"]
    late = "" if p50_s is None or not np.isfinite(p50_s) else f", p50 {p50_s:.2f} s"
    return f"{100 * recall['recall']:.0f} % of {recall['events']} ({100 * low:.0f} to {100 * high:.0f}){late}"
