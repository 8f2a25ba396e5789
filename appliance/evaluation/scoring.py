"""Events against truth, as pure functions: spans of motion, false alarms, latencies, and how sure a count makes.

A span is (start_s, end_s). A false alarm is motion in an empty room, and counts again for each further minute that it
goes on there: else a detector that never stops would have one a week. An event is found by a motion that
starts while it lasts or at most `LATE_S` behind its end.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.presence.motion import KEEP_SCORE, RELEASE_S, START_SCORE

Span = tuple[float, float]

LATE_S = 0.5
BLIND_S = 1.0
REPEAT_S = 60.0

MISS_S = math.inf
"""The latency of an event that was missed."""

DAY_S = 86_400.0
_ONE_SIDED = 0.05
_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Found:
    """What became of an event: how long it took, `MISS_S` for a miss; `masked` when other motion hid its beginning."""

    latency_s: float
    masked: bool = False


def spans(
    t_s: NDArray[np.float64], flags: NDArray[np.bool_], *, join_s: float = 0.0, shortest_s: float = 0.0
) -> list[Span]:
    """From when to when flags [times] hold; gaps below `join_s` are closed, then what is too short is left out."""
    steps = np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))
    starts, ends = t_s[np.flatnonzero(steps == 1)], t_s[np.flatnonzero(steps == -1) - 1]
    joined: list[Span] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if joined and start - joined[-1][1] < join_s:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [span for span in joined if span[1] - span[0] >= shortest_s]


def overlap_s(some: Sequence[Span], others: Sequence[Span]) -> float:
    """How long both hold; spans of one kind do not overlap each other."""
    return sum(
        max(0.0, min(a_end, b_end) - max(a_start, b_start)) for a_start, a_end in some for b_start, b_end in others
    )


def false_alarms(motions: Sequence[Span], empty: Sequence[Span]) -> int:
    """Motions in an empty room, and each further minute of them; both in order."""
    count = 0
    for motion in motions:
        for start_s, end_s in empty:
            within_s = min(motion[1], end_s) - max(motion[0], start_s)
            if within_s > 0.0 or start_s <= motion[0] < end_s:
                count += 1 + int(within_s // REPEAT_S)
    return count


def find(motions: Sequence[Span], events: Sequence[Span], *, alone: bool) -> list[Found]:
    """What became of each event.

    Args:
        motions: as they were said, in order.
        events: what people did.
        alone: nothing but people moves here. A motion that goes on when an event begins is then theirs, and found at
            once; beside a nuisance nobody can tell, and the event is a miss.
    """
    found = []
    for start_s, end_s in events:
        began = [motion[0] for motion in motions if start_s <= motion[0] <= end_s + LATE_S]
        if any(motion[0] < start_s < motion[1] for motion in motions) and (alone or not began):
            found.append(Found(0.0) if alone else Found(MISS_S, masked=True))
        else:
            found.append(Found(began[0] - start_s if began else MISS_S))
    return found


def logit(probability: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Log odds; those of 0 and 1 are the farthest that a double can tell."""
    p = np.asarray(probability, np.float64)
    tiny = np.finfo(np.float64).tiny
    return np.asarray(np.log(np.maximum(p, tiny)) - np.log(np.maximum(1.0 - p, np.finfo(np.float64).epsneg)))


def motions_at(t_s: NDArray[np.float64], scores: NDArray[np.float64], *, threshold: float, end_s: float) -> list[Span]:
    """Motions that a `MotionTracker` would have told of, had `threshold` stood where its START_SCORE stands.

    Its hysteresis keeps its width in log odds. Where no score came for `BLIND_S` the room could not be sensed, and what
    went on has ended.

    Args:
        t_s: times of the scores [scores].
        scores: probabilities of motion [scores].
        threshold: log odds from which motion starts; 0 is the tracker's own.
        end_s: when the scene ends, and with it whatever still goes on.
    """
    odds = logit(scores) + (float(logit(START_SCORE)) - threshold)
    hot = np.flatnonzero(odds >= float(logit(KEEP_SCORE)))
    if not len(hot):
        return []
    # what goes on is let go by the first score that comes RELEASE_S behind the last hot one
    before = np.maximum(hot[1:] - 1, 0)
    stretch = np.cumsum(np.diff(t_s, prepend=t_s[0]) > BLIND_S)
    parted = (t_s[before] - t_s[hot[:-1]] >= RELEASE_S) | (stretch[hot[1:]] != stretch[hot[:-1]])
    first = np.concatenate([[0], np.flatnonzero(parted) + 1])
    last = np.concatenate([first[1:] - 1, [len(hot) - 1]])
    begins = odds >= float(logit(START_SCORE))
    found = []
    for a, b in zip(first.tolist(), last.tolist(), strict=True):
        starting = hot[a : b + 1][begins[hot[a : b + 1]]]
        if len(starting):
            let_go = int(np.searchsorted(t_s, t_s[hot[b]] + RELEASE_S))
            found.append((float(t_s[starting[0]]), float(t_s[let_go]) if let_go < len(t_s) else end_s))
    return found


def poisson_bounds(count: int) -> tuple[float, float]:
    """The expected counts below and above which `count` would be a 5 % chance, each (Garwood, Biometrika 28, 1936).

    None gives at most 3.0, the rule of three.
    """
    return (
        0.0 if count == 0 else _bisect(lambda mean: 1.0 - _poisson_cdf(count - 1, mean), _ONE_SIDED, count + 1.0),
        _bisect(lambda mean: 1.0 - _poisson_cdf(count, mean), 1.0 - _ONE_SIDED, 4.0 * count + 10.0),
    )


def _bisect(rising: Callable[[float], float], wanted: float, high: float) -> float:
    low = 0.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return 0.5 * (low + high)


def _poisson_cdf(count: int, mean: float) -> float:
    if mean <= 0.0:
        return 1.0
    return min(1.0, math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1.0)) for k in range(count + 1)))


def share_bounds(hits: int, tries: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    if tries == 0:
        return 0.0, 1.0
    z2 = _Z_95 * _Z_95
    centre = (hits + 0.5 * z2) / (tries + z2)
    half = _Z_95 / (tries + z2) * math.sqrt(hits * (tries - hits) / tries + 0.25 * z2)
    return max(0.0, centre - half), min(1.0, centre + half)


def percentile_s(latencies_s: Sequence[float], percent: float) -> float:
    """The latency that `percent` of all events do not exceed; infinite where that many were missed."""
    if not latencies_s:
        return math.nan
    rank = math.ceil(percent / 100.0 * len(latencies_s))
    return sorted(latencies_s)[max(rank, 1) - 1]
