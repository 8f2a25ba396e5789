"""Thresholds of a trained network: which log odds of motion give so many false alarms, and what is still found."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.classify.manifest import PET
from appliance.evaluation import scoring
from appliance.evaluation.cases import PETS
from appliance.simulation.sample import ACTIVITIES
from appliance.types import MotionClass
from models.training.corpus import CorpusError, Rows
from models.training.kinds import KINDS
from models.training.listen import CLASSES

RATES_PER_DAY = (1000.0, 100.0, 10.0, 1.0, 0.1, 0.01, 0.001)

STATIONARY = frozenset({"fan", "hvac", "other_unit", "repeller", "music", "lost_frames"})
"""What goes on alike for hours: a rate of false alarms is that of empty rooms that hold nothing else, as it is with the
threshold detector. A ceiling fan is none of it: its blades pass as slowly as people do.
"""

IN_PLACE = STATIONARY | {"ceiling_fan", "oscillating_fan", "switched_fan", "clicks", "keys", "bats", "taps", "falling"}
"""What may come and go, but neither sways nor goes about."""

PET_VISITS_TOLD = 0.1
"""Where pets live so many of their visits may be told as motion."""

_PET_VISITS_PER_HOUR = 280.0
"""An animal of the corpus sets out so often."""

_MOVING = [CLASSES.index(MotionClass.MAJOR), CLASSES.index(MotionClass.MINOR)]
_GRID = np.arange(-4.0, 24.0, 0.25)
_ALARMS_FOR_TAIL = 15
_RUN_IN_S = 30.0
"""Until the network's memory is filled, once after each start."""

_RANGES_M = ((0.0, 2.0), (2.0, 3.5), (3.5, 5.0), (5.0, 9.0))
_JOIN_S, _SHORTEST_S = 1.0, 0.2


@dataclass(frozen=True, slots=True)
class Happened:
    """What somebody did: from when to when, at which hops of the clip [hops], how far off, and whether in full size."""

    span: scoring.Span
    during: NDArray[np.bool_]
    distance_m: float
    is_major: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """What a network said of a corpus: `log_odds` of motion [rows], judged as in homes with `pets` or without."""

    rows: Rows
    log_odds: NDArray[np.float64]
    pets: bool


def judged(rows: Rows, outputs: NDArray[np.float32], *, pets: bool) -> Judged:
    """What outputs [rows, outputs] of the network say of a corpus."""
    return Judged(rows, log_odds_of(outputs, pets=pets), pets)


def log_odds_of(outputs: NDArray[np.float32], *, pets: bool) -> NDArray[np.float64]:
    """Log odds of motion for outputs [rows, outputs] of the network; what may be a pet is one where `pets` live."""
    logits = outputs[:, : len(KINDS)].astype(np.float64)
    moving = [*_MOVING, *([] if pets else [KINDS.index(PET)])]
    still = [number for number in range(len(KINDS)) if number not in moving]
    return np.asarray(np.logaddexp.reduce(logits[:, moving], axis=1) - np.logaddexp.reduce(logits[:, still], axis=1))


def alarms(
    judged: Judged, *, beside: AbstractSet[str], pets: bool = False, run_in_s: float = 0.0
) -> tuple[NDArray[np.float64], float]:
    """False alarms at each threshold of the grid [thresholds], and hours of empty rooms that they were counted in.

    Args:
        judged: clips.
        beside: of the empty rooms those count that hold nothing but this.
        pets: and a pet.
        run_in_s: of each clip that much at its beginning does not count.
    """
    counts, seconds = np.zeros(len(_GRID)), 0.0
    for kinds, t_s, scores in _empty_clips(judged):
        counted = t_s >= t_s[0] + run_in_s
        if counted.any() and bool(PETS & kinds) == pets and kinds - PETS <= beside:
            seconds += float(t_s[-1] - t_s[counted][0])
            counts += [_count(t_s[counted], scores[counted], float(threshold)) for threshold in _GRID]
    return counts, seconds / 3600.0


def _empty_clips(judged: Judged) -> Iterator[tuple[frozenset[str], NDArray[np.float64], NDArray[np.float64]]]:
    """What is in each clip in which nobody is, with times and probabilities of motion."""
    rows = judged.rows
    for clip, about in zip(rows.clips, rows.about, strict=True):
        settled = rows.settled[clip]
        if settled.any() and np.isnan(rows.distance_m[clip]).all():
            scores = probability(judged.log_odds[clip][settled])
            yield frozenset(about["kinds"]), rows.t_s[clip][settled].astype(np.float64), scores


def _count(t_s: NDArray[np.float64], scores: NDArray[np.float64], threshold: float) -> int:
    return len(scoring.motions_at(t_s, scores, threshold=threshold, end_s=float(t_s[-1])))


def beside_each(judged: Judged, threshold: float) -> dict[str, dict[str, float]]:
    """False alarms at a threshold in empty rooms that hold one thing or none, and hours of them, by what it is."""
    found: dict[str, dict[str, float]] = {}
    for kinds, t_s, scores in _empty_clips(judged):
        if len(kinds) <= 1:
            one = found.setdefault(next(iter(kinds), "quiet"), {"alarms": 0, "hours": 0.0})
            one["alarms"] += _count(t_s, scores, threshold)
            one["hours"] += float(t_s[-1] - t_s[0]) / 3600.0
    return {kind: one | {"hours": round(one["hours"], 3)} for kind, one in sorted(found.items())}


def lowest_with_pets(judged: Judged) -> tuple[float, float]:
    """Log odds from which no more than `PET_VISITS_TOLD` are told, and hours of pets that it was counted in."""
    counts, hours = alarms(judged, beside=STATIONARY, pets=True)
    return lowest(counts <= PET_VISITS_TOLD * _PET_VISITS_PER_HOUR * hours), hours


def lowest(allowed: NDArray[np.bool_]) -> float:
    """The lowest threshold of the grid from which on all are `allowed` [thresholds]."""
    refused = np.flatnonzero(~allowed)
    return float(_GRID[min(refused[-1] + 1, len(_GRID) - 1)] if len(refused) else _GRID[0])


def thresholds_in(judged: Judged, *, lowest: float = -np.inf) -> tuple[list[dict[str, float]], float]:
    """Log odds for each of `RATES_PER_DAY`, none below `lowest`, and hours of empty rooms that they were counted in.

    Raises:
        CorpusError: there is no empty room in which nothing but `STATIONARY` sounds.
    """
    counts, hours = alarms(judged, beside=STATIONARY, run_in_s=_RUN_IN_S)
    if hours == 0.0:
        raise CorpusError(
            "no stationary empty room to count false alarms in: generate --share validation --corpus still"
        )
    return [each | {"log_odds": max(each["log_odds"], lowest)} for each in thresholds(counts, hours)], hours


def thresholds(counts: NDArray[np.float64], hours: float) -> list[dict[str, float]]:
    """Log odds for each of `RATES_PER_DAY`.

    Rates are counted down to `_ALARMS_FOR_TAIL` alarms. Beyond, they fall exponentially at the pace of the last stretch
    before: rarer than what was listened to they are an extrapolation, and no better than that.
    """
    per_day = counts / max(hours, 1e-9) * 24.0
    # below the threshold of most alarms they only run into each other
    most = int(np.flatnonzero(counts == counts.max())[-1]) if counts.any() else 0
    falling = np.concatenate([np.full(most, per_day[most]), np.minimum.accumulate(per_day[most:])])
    counted = np.flatnonzero(counts >= _ALARMS_FOR_TAIL)
    last = int(counted[-1]) if len(counted) else most
    first = int(np.flatnonzero(counts >= min(4 * _ALARMS_FOR_TAIL, counts.max()))[-1]) if counts.max() > 0 else 0
    pace = 1.0
    if last > first:
        pace = float(np.log(max(falling[first], 1e-9) / max(falling[last], 1e-9)) / (_GRID[last] - _GRID[first]))
    pace = min(max(pace, 0.3), 2.0)
    found = []
    for rate in RATES_PER_DAY:
        enough = np.flatnonzero(falling[most : last + 1] <= rate)
        odds = (
            float(_GRID[most + enough[0]])
            if len(enough)
            else float(_GRID[last] + max(0.0, np.log(max(falling[last], 1e-9) / rate)) / pace)
        )
        found.append(
            {"false_alarms_per_day": rate, "log_odds": round(max(odds, found[-1]["log_odds"] if found else odds), 3)}
        )
    return found


def events_of(rows: Rows, clip: slice) -> list[Happened]:
    """What people did in a clip."""
    t_s = rows.t_s[clip].astype(np.float64)
    moves = np.isin(rows.label[clip], _MOVING) & rows.settled[clip]
    found = []
    for span in scoring.spans(t_s, moves, join_s=_JOIN_S, shortest_s=_SHORTEST_S):
        during = (t_s >= span[0]) & (t_s <= span[1])
        distance_m = float(np.nanmedian(rows.distance_m[clip][during]))
        found.append(Happened(span, during, distance_m, bool((rows.label[clip][during] == _MOVING[0]).any())))
    return found


def is_alone(kinds: Iterable[str]) -> bool:
    """Whether there is nothing but people in a clip."""
    return set(kinds) <= {*ACTIVITIES, "wd7_arm"}


def recalls(judged: Judged, threshold: float) -> dict[str, dict[str, Any]]:
    """Share of what people did that is found, and after how long, by kind of motion and distance; nuisances or not."""
    found: dict[str, list[float]] = {}
    rows = judged.rows
    for clip, about in zip(rows.clips, rows.about, strict=True):
        t_s = rows.t_s[clip].astype(np.float64)
        said = scoring.motions_at(t_s, probability(judged.log_odds[clip]), threshold=threshold, end_s=float(t_s[-1]))
        events = events_of(rows, clip)
        alone = is_alone(about["kinds"])
        for event, result in zip(events, scoring.find(said, [each.span for each in events], alone=True), strict=True):
            for low_m, high_m in _RANGES_M:
                if low_m <= event.distance_m < high_m:
                    kind = "major" if event.is_major else "minor"
                    name = f"{kind} {low_m:g}-{high_m:g} m{'' if alone else ', not alone'}"
                    found.setdefault(name, []).append(result.latency_s)
    return {
        name: {
            "events": len(latencies),
            "recall": round(sum(each < scoring.MISS_S for each in latencies) / len(latencies), 4),
            "latency_p50_s": _finite(scoring.percentile_s(latencies, 50.0)),
            "latency_p95_s": _finite(scoring.percentile_s(latencies, 95.0)),
        }
        for name, latencies in sorted(found.items())
    }


def _finite(time_s: float) -> float | None:
    return round(time_s, 3) if np.isfinite(time_s) else None


def probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of motion; `scoring.logit` gives the log odds back."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -36.0, 36.0))))
