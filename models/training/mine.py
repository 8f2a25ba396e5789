"""Which moments of an unlabelled corpus are worth an annotator's time: those that the network takes for motion, though
they are like nothing that it has learned from.

Nothing here knows a label of the corpus that is sorted. How a window sounds is told by statistics of what the network
gets and not by what it makes of that: a network that has learned to find people keeps of a fan what is like a person.
Each clip gives one candidate, the second in which the network
is most sure of motion. Of those that it would tell of, the one farthest from everything known is taken, then the one
farthest from everything known and this one, and so on (farthest-first traversal: Gonzalez, Theor. Comput. Sci. 38,
1985; as a choice of what to label: Sener and Savarese, ICLR 2018). A hundred windows of one fan are near one another,
so that few of them are taken.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.features.evidence import BANDS

WINDOW_HOPS = 560
WINDOW_S = 15.0
"""What is mined at once: about what a device keeps of a doubtful moment, and a quarter of a clip."""

LOOK_HOPS = 37
"""A second: over so many hops what the network says, and why, is averaged."""

NEW_SHARE = 0.9
"""New is what is farther from all that is known than this share of what is known is from the rest of it."""

LEAST_LOG_ODDS = 0.0
"""From there on a second counts as told: the network holds motion for likelier than not."""

_LAGS_HOPS = (1, 4, 19, 75)
"""0.03, 0.1, 0.5 and 2 s: blades, steps, gusts."""

_STEADY = 0.05
"""Added to the variance of a band: how what hardly varies goes on tells nothing."""

_NEIGHBOURS = 5
_RIDGE = 0.05
"""Of the mean variance, added to each: directions in which what is known hardly differs tell nothing."""

_LEAST_SPREAD = 1e-3
"""Of a statistic: one that is the same in all that is known is not divided by nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was taken, the newest first: `index` of each candidate, and how new it was beside all taken before it."""

    index: NDArray[np.int64]
    novelty: NDArray[np.float64]


def peak_of(log_odds: NDArray[np.float64], settled: NDArray[np.bool_]) -> tuple[int, float] | None:
    """Where the second begins in which the network is most sure of motion, and its mean log odds; None of too little.

    Args:
        log_odds: of a clip [hops].
        settled: whether they mean anything [hops]; once they do, they go on to.
    """
    first = int(np.argmax(settled)) if settled.any() else len(settled)
    if len(settled) - first < LOOK_HOPS:
        return None
    sums = np.concatenate([[0.0], np.cumsum(log_odds[first:])])
    means = (sums[LOOK_HOPS:] - sums[:-LOOK_HOPS]) / LOOK_HOPS
    at = int(np.argmax(means))
    return first + at, float(means[at])


def window_start(peak: int, hops: int) -> int:
    """Where the window of a clip of so many hops begins in whose middle that second lies, as far as its ends allow."""
    return min(max(peak + LOOK_HOPS // 2 - WINDOW_HOPS // 2, 0), max(hops - WINDOW_HOPS, 0))


def sound_of(values: NDArray[Any]) -> NDArray[np.float32]:
    """How a window [hops, FEATURES] sounds.

    Mean, standard deviation and the 10 and 90 % quantiles of each value, and how alike each Doppler band is to itself
    some hops later (autocorrelation, of its deviate).
    """
    whole = values.astype(np.float32)
    bands = whole[:, : 2 * BANDS] - whole[:, : 2 * BANDS].mean(axis=0)
    variance = (bands * bands).mean(axis=0) + _STEADY
    alike = [(bands[lag:] * bands[:-lag]).mean(axis=0) / variance for lag in _LAGS_HOPS]
    return np.concatenate(
        [whole.mean(axis=0), whole.std(axis=0), *np.quantile(whole, (0.1, 0.9), axis=0), *alike]
    ).astype(np.float32)


def choose(
    sounds: NDArray[np.float32], log_odds: NDArray[np.float64], known: NDArray[np.float32], *, count: int
) -> Choice:
    """The candidates that are told as motion and are new; none where everything is known.

    How new one is: the least of its distances to what is known, each in units of how far apart what is known lies
    there. (Plain distances take loud walkers for new, for few are as loud: compare local outlier factors, Breunig et
    al., SIGMOD 2000.)

    Args:
        sounds: how each candidate sounds [candidates, statistics].
        log_odds: of motion [candidates].
        known: how what was learned sounds [windows, statistics].
        count: how many at most.

    Raises:
        ValueError: too few are known to say what is usual.
    """
    if len(known) <= _NEIGHBOURS:
        raise ValueError(f"{len(known)} windows are known, wanted more than {_NEIGHBOURS}")
    told = np.flatnonzero(log_odds >= LEAST_LOG_ODDS)
    middle, spread = known.mean(axis=0), known.std(axis=0) + _LEAST_SPREAD
    taught = (known - middle) / spread
    whiten = _whitening(taught)
    points, taught = ((sounds[told] - middle) / spread) @ whiten, taught @ whiten
    apart = np.array([np.partition(_distances(taught, each), _NEIGHBOURS)[_NEIGHBOURS] for each in taught])
    apart = np.maximum(apart, np.median(apart) / 4.0)
    usual = [np.partition(_distances(taught, each) / apart, 1)[1] for each in taught]
    least = float(np.quantile(usual, NEW_SHARE))
    novelty = np.array([(_distances(taught, each) / apart).min() for each in points])
    index: list[int] = []
    found: list[float] = []
    while len(index) < min(count, len(told)):
        at = int(np.argmax(novelty))
        if novelty[at] <= least:
            break
        index.append(int(told[at]))
        found.append(float(novelty[at]))
        novelty = np.minimum(novelty, _distances(points, points[at]) / np.median(apart))
        novelty[at] = 0.0
    return Choice(np.array(index, np.int64), np.array(found))


def _distances(points: NDArray[np.float64], to: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(points - to, axis=1))


def _whitening(known: NDArray[np.float32]) -> NDArray[np.float64]:
    """A matrix after which what is known varies alike in all directions."""
    variance, axes = np.linalg.eigh(np.cov(known.astype(np.float64), rowvar=False))
    return np.asarray(axes / np.sqrt(np.maximum(variance, 0.0) + _RIDGE * max(variance.mean(), 1e-12)))
