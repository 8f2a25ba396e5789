"""What a network does on the validation set: false alarms in empty rooms, at thresholds of equal recall."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from appliance.evaluation import scoring
from appliance.evaluation.cases import PETS
from models.training.choose import events_of, is_alone, probability
from models.training.clips import RARE_KINDS
from models.training.corpus import Rows, read_corpus

if TYPE_CHECKING:
    from models.training.look import Observer

CORPORA = ("seed", "tail", "empty")
"""Of the validation share: people alone, people beside what the seed set never held, and nobody."""

RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
FARTHEST_M = {"major": 5.0, "minor": 3.0}
"""Events beyond are not counted: a threshold that finds them all lets everything pass."""

_HEARD_AT_ONCE = 32

Judged = dict[str, Any]
"""`events`: how many of each kind; `levels`: for each of `RECALLS` the threshold, false alarms and hours of each kind
of empty room, and the share of each kind of event that is found."""


def judge(observer: "Observer", data: Path) -> Judged:
    """What a network does on the validation set.

    Raises:
        CorpusError: some of it is missing or damaged.
    """
    empty: list[tuple[NDArray[np.float64], NDArray[np.float64], frozenset[str]]] = []
    peaks: dict[str, list[float]] = {}
    for corpus in CORPORA:
        rows = read_corpus(data, share="validation", corpora=(corpus,))
        for clip, about, log_odds in zip(rows.clips, rows.about, _heard(observer, rows), strict=True):
            settled = rows.settled[clip]
            if np.isnan(rows.distance_m[clip]).all() and settled.sum() > 1:
                t_s = rows.t_s[clip][settled].astype(np.float64)
                empty.append((t_s, log_odds[settled], frozenset(about["kinds"])))
            for event in events_of(rows, clip):
                kind = "major" if event.is_major else "minor"
                if event.distance_m <= FARTHEST_M[kind]:
                    name = f"{kind} {'alone' if is_alone(about['kinds']) else 'beside'}"
                    peaks.setdefault(name, []).append(float(log_odds[event.during].max()))
    every = [peak for some in peaks.values() for peak in some]
    return {
        "events": {name: len(some) for name, some in peaks.items()},
        "levels": [_level(empty, peaks, float(np.quantile(every, 1.0 - recall)), recall) for recall in RECALLS],
    }


def _heard(observer: "Observer", rows: Rows) -> list[NDArray[np.float64]]:
    """Log odds of motion of each clip."""
    values = [rows.values[clip] for clip in rows.clips]
    return [
        log_odds
        for at in range(0, len(values), _HEARD_AT_ONCE)
        for log_odds in observer.hear(values[at : at + _HEARD_AT_ONCE])
    ]


def _level(
    empty: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], frozenset[str]]],
    peaks: dict[str, list[float]],
    threshold: float,
    recall: float,
) -> dict[str, Any]:
    alarms: dict[str, list[float]] = {}
    for t_s, log_odds, kinds in empty:
        end_s = float(t_s[-1])
        told = scoring.motions_at(t_s, probability(log_odds), threshold=threshold, end_s=end_s)
        rare = kinds & set(RARE_KINDS)
        for group in [*sorted(rare), "pets" if rare & PETS else "rare"] if rare else ["quiet"]:
            count = alarms.setdefault(group, [0, 0.0])
            count[0] += len(told)
            count[1] += (end_s - float(t_s[0])) / 3600.0
    found = {name: float(np.mean(np.array(some) >= threshold)) for name, some in peaks.items()}
    return {"recall": recall, "threshold": threshold, "alarms": alarms, "found": found}
