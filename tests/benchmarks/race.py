"""Everybody one after the other, again and again: what is slow for one is slow for its neighbour in time.

Times are the processor's, so that what else the machine does shows only in caches and clock rates, which all share.
"""

import dataclasses
import math
import time

import numpy as np
from benchmarks import peers
from reference import design_filters

PASS_FRAMES = 56 * peers.BLOCK_FRAMES
"""What one pass of csrc/peers.c takes in, and one call of SciPy."""

INPUT_BYTES = 8 * peers.BLOCK_FRAMES * 4 * peers.MICS
"""Of csrc/peers.c, over which each pass goes several times."""

STRETCH_NS = 5e6
"""Shortest time that is measured at once."""


@dataclasses.dataclass
class Runner:
    """One competitor, its nanoseconds per frame, and its ratios to ours, one of each a round."""

    name: str
    ns: list[float]
    ratios: list[float]

    def percentile(self, percent):
        """Of the ratios."""
        return float(np.percentile(self.ratios, percent))

    @property
    def median(self):
        """Of the ratios."""
        return self.percentile(50)


def race(c_peers, *, rounds, progress):
    """Every competitor between two runs of ours: of our C for those in C, of the same C called from Python for SciPy.

    Also the floor, as `floor multiply-accumulate` and `floor read`; there the ratio is floor to ours.
    """
    timers = {name: c_timer(c_peers, name) for name in [*c_peers.names, peers.MULTIPLY, peers.READ]}
    samples = np.random.default_rng(1).integers(-(2**28), 2**28, (PASS_FRAMES, peers.MICS), np.int32)
    timers |= {name: python_timer(make(samples)) for name, make in peers.PYTHON_PEERS.items()}
    reference = dict.fromkeys(timers, peers.OURS) | dict.fromkeys(peers.PYTHON_PEERS, peers.OURS_CALLED)
    runners = {name: Runner(name, [], []) for name in timers}
    for _ in progress(range(rounds)):
        for name, runner in runners.items():
            before, taken, after = (timers[each]() for each in (reference[name], name, reference[name]))
            runner.ns.append(taken)
            runner.ratios.append(taken / ((before + after) / 2))
    return runners


def c_timer(c_peers, name):
    """A function that gives nanoseconds per frame, of the floor per multiply-accumulate or frame read."""
    once_ns = c_peers.ns_per_frame(name, 1) * PASS_FRAMES
    passes = 1 if name == peers.MULTIPLY else math.ceil(STRETCH_NS / once_ns)
    return lambda: c_peers.ns_per_frame(name, passes)


def python_timer(work):
    """A function that gives nanoseconds per frame."""
    passes = math.ceil(STRETCH_NS / taken_ns(work, 1))
    return lambda: taken_ns(work, passes) / (passes * PASS_FRAMES)


def taken_ns(work, passes):
    start_ns = time.process_time_ns()
    for _ in range(passes):
        work()
    return time.process_time_ns() - start_ns


def macs_per_frame():
    """Real multiply-accumulates of the cascade for each frame of all microphones.

    Stage 1 has complex taps on real samples, its outputs are turned by a complex phasor (4), stages 2 and 3 have real
    taps on complex samples: mics * ((2 * taps_1 + 4) / 8 + 2 * taps_2 / 40 + 2 * taps_3 / 80).
    """
    cascade = design_filters.committed_cascade(peers.RATE_HZ)
    once = (2 * len(cascade.stage_1) + 4) / 8 + 2 * len(cascade.stage_2) / 40 + 2 * len(cascade.stage_3) / 80
    return peers.MICS * once


@dataclasses.dataclass(frozen=True)
class Floor:
    """What no program for this cascade can go below, in nanoseconds per frame, and how far ours is above."""

    multiply_ns: float
    read_ns: float
    times_above: tuple[float, float, float]

    @property
    def ns(self):
        """The longer of the two, since a processor reads while it multiplies."""
        return max(self.multiply_ns, self.read_ns)


def floor(runners):
    """The floor from the same rounds: the median, and the 10 and 90 percent of the ratio ours to floor."""
    macs = macs_per_frame()
    multiply, read = runners[peers.MULTIPLY], runners[peers.READ]
    shares = np.maximum(np.array(multiply.ratios) * macs, read.ratios)
    low, middle, high = (float(np.percentile(1 / shares, percent)) for percent in (10, 50, 90))
    return Floor(float(np.median(multiply.ns)) * macs, float(np.median(read.ns)), (middle, low, high))
