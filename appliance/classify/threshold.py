"""A detector of calibrated constant false-alarm rate, which needs no training and no model.

For each Doppler band, carrier and microphone it follows the power of the quiet room, and how much that power varies.
The power of an instant, divided by the quiet one and averaged over carriers and microphones, then has a gamma
distribution of known shape, and the Wilson-Hilferty cube root turns it into a standard normal deviate. Motion is a
deviate that chance would reach no more often than `false_alarms_per_day`.
"""

import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from appliance.dsp import _core
from appliance.dsp.spectrum import independent
from appliance.errors import ModelError
from appliance.features.doppler import HOP_SAMPLES, WINDOW_SAMPLES, Doppler
from appliance.presence.motion import START_SCORE
from appliance.types import DopplerFrame, MotionClass, RangeFrame, Score

SOURCE = "threshold"

_BAND_EDGE_BINS = (3, 5, 7, 9, 12, 16, 22, 30, 41, 57, 77, 97)
"""Logarithmic bands of each sign, in bins of 9.4 Hz: 28 to 900 Hz. Slower is air, heating and drift."""

_LOOKS = 8
"""Frames that the slow test averages: 0.2 s, for motion too weak to show in one window."""

_LEARN_S = 1.5
_LEARN_AT_MOST_S = 30.0
_STATIONARY = 0.25
"""Share of a stationary noise's shape parameter below which the room is judged not to be quiet yet."""

_FOLLOW_S = 10.0
_SPREAD_S = 30.0
_DOUBT = 3.5
"""Deviate from which an instant no longer teaches the floor, and has a cause and a direction worth telling."""

_CREEP_DB_PER_S = 0.5
_CREEP_IN_MOTION_DB_PER_S = 0.1
"""The floor rises this fast under what it does not believe: a fan that is switched on is absorbed in minutes."""

_SOFTNESS = 0.7
"""Deviates per unit of the score's logit."""

_BELIEVED = 3.0
"""Deviate from which a band counts for the velocity."""

_BURST_SHARE = 0.03
"""Density of power at 3 to 4 m/s both ways, relative to the densest band, from which it is a burst: what sounds for a
few milliseconds fills every band, a body that moves so fast moves slowly as well, and far louder."""

_FAST_SHARE = 0.3
"""The same one way only."""

_MAJOR_MPS = 0.65
_MAJOR_SOFTNESS_MPS = 0.08
_ONE_SIDED = 0.35
"""Asymmetry between approach and recession from which a direction is told."""


class ThresholdDetector:
    """Turns Doppler frames into scores; gives None until it knows the quiet room.

    Args:
        doppler: the stage whose frames are judged; its window says how much its bins and hops have in common.
        false_alarms_per_day: how often a stationary empty room may be called moving.
    """

    failure: ModelError | None = None

    def __init__(
        self,
        *,
        doppler: Doppler,
        false_alarms_per_day: float,
    ) -> None:
        middle = WINDOW_SAMPLES // 2
        bands = [(middle - high + 1, middle - low + 1) for low, high in itertools.pairwise(_BAND_EDGE_BINS)][::-1]
        bands += [(middle + low, middle + high) for low, high in itertools.pairwise(_BAND_EDGE_BINS)]
        self._widths = [high - low for low, high in bands]
        velocity_mps = doppler.velocity_mps.mean(axis=0, dtype=np.float64)
        self._bands_mps = [float(velocity_mps[low:high].mean()) for low, high in bands]
        spectrum = doppler.spectrum
        self._looks_shape = doppler.channels * np.array(
            [independent(high - low, spectrum.bin_correlation) for low, high in bands]
        )
        self._core = _core.CfarDetector(
            rows=doppler.channels,
            bins=WINDOW_SAMPLES,
            bands=bands,
            looks=_LOOKS,
            looks_shape=self._looks_shape.tolist(),
            looks_independent=independent(_LOOKS, lambda hops: spectrum.hop_correlation(hops * HOP_SAMPLES)),
        )
        self._hop_s = doppler.hop_s
        self.tune(false_alarms_per_day=false_alarms_per_day)
        self.reset()

    def tune(self, *, false_alarms_per_day: float) -> None:
        """Judge from now on so that a stationary empty room is called moving so often; what is known of it stays."""
        tests = 2 * (len(self._looks_shape) + 1)
        chance = false_alarms_per_day * self._hop_s / (86_400.0 * tests)
        self.threshold = NormalDist().inv_cdf(1.0 - chance)

    def process_ranges(self, frame: RangeFrame) -> None:
        """Echoes of chirps tell this detector nothing."""

    def reset(self) -> None:
        """Forget the room and learn it again."""
        self._knows_room = False
        self._learned: list[NDArray[np.float64]] = []

    def process(self, frame: DopplerFrame) -> Score | None:
        """The score of one frame; None while the quiet room is being learned, and of what is not a number."""
        power_dbfs = np.ascontiguousarray(frame.power_dbfs)
        if not self._knows_room:
            self._learn(power_dbfs)
            return None
        highest = self._core.judge(power_dbfs)
        if math.isnan(highest):
            return None
        score = self._score(frame.t_s, highest)
        self._follow(highest, moving=score.motion >= START_SCORE)
        return score

    def _learn(self, power_dbfs: NDArray[np.float32]) -> None:
        power = np.empty((*power_dbfs.shape[:2], len(self._looks_shape)))
        self._core.band_power_into(power_dbfs, power)
        if not np.isfinite(power).all():
            return
        self._learned.append(power)
        wanted = math.ceil(_LEARN_S / self._hop_s)
        if len(self._learned) < wanted:
            return
        recent = np.array(self._learned[-wanted:])
        ratio = (recent / recent.mean(axis=0)).mean(axis=(1, 2))
        shape = 1.0 / np.maximum(ratio.var(axis=0), 1e-9)
        if float(np.median(shape / self._looks_shape)) > _STATIONARY:
            self._begin(recent.mean(axis=0))
        elif len(self._learned) * self._hop_s > _LEARN_AT_MOST_S:
            # never quiet: the quietest fifth is the best guess at the room without whoever is in it
            self._begin(np.quantile(np.array(self._learned), 0.2, axis=0))

    def _begin(self, floor: NDArray[np.float64]) -> None:
        self._core.begin(floor)
        self._knows_room = True
        self._learned.clear()

    def _follow(self, highest: float, *, moving: bool) -> None:
        share = self._hop_s / _FOLLOW_S
        if highest < _DOUBT:
            self._core.follow(share, self._hop_s / _SPREAD_S)
            return
        # towards the average and not towards each instant: noise that may pull down freely, but up only slowly, would
        # take the floor dB below itself, and then stand out from it for ever
        creep_db_per_s = _CREEP_IN_MOTION_DB_PER_S if moving else _CREEP_DB_PER_S
        self._core.creep(share, 10.0 ** (creep_db_per_s * self._hop_s / 10.0))

    def _score(self, t_s: float, highest: float) -> Score:
        """The score of what was judged last."""
        felt = 1.0 / (1.0 + math.exp(min(-(highest - self.threshold) / _SOFTNESS, 500.0)))
        speed_mps, radial_mps, cause, burst = 0.0, None, "", False
        if highest >= _DOUBT:
            values = np.empty((3, len(self._widths)))
            self._core.clearer_into(values)
            ratio, deviates, floor = values.tolist()
            excess = [max(over - 1.0, 0.0) * quiet for over, quiet in zip(ratio, floor, strict=True)]
            believed = [power if sure > _BELIEVED else 0.0 for power, sure in zip(excess, deviates, strict=True)]
            burst = self._is_burst(excess, believed)
            speed_mps, radial_mps = _velocity(believed, self._bands_mps)
            band = deviates.index(max(deviates))
            cause = f"{10.0 * math.log10(ratio[band]):.0f} dB above the quiet room at {self._bands_mps[band]:+.2f} m/s"
        motion = 0.0 if burst else felt
        major = 1.0 / (1.0 + math.exp(-(speed_mps - _MAJOR_MPS) / _MAJOR_SOFTNESS_MPS))
        return Score(
            probabilities={
                MotionClass.NOTHING: 1.0 - felt,
                MotionClass.MAJOR: motion * major,
                MotionClass.MINOR: motion * (1.0 - major),
                MotionClass.NUISANCE: felt - motion,
            },
            radial_mps=radial_mps,
            t_s=t_s,
            source=SOURCE,
            cause=cause,
        )

    def _is_burst(self, excess: Sequence[float], believed: Sequence[float]) -> bool:
        """Whether power above the floor, [bands], is spread as that of a click, a bat's call or jingling keys.

        Args:
            excess: of all bands.
            believed: the same, 0 where it may be chance.
        """
        density = [power / width for power, width in zip(excess, self._widths, strict=True)]
        both_ways = min(believed[0] / self._widths[0], believed[-1] / self._widths[-1])
        one_way = max(density[0], density[-1])
        densest = max(density)
        return both_ways > _BURST_SHARE * densest or one_way > _FAST_SHARE * densest


def _velocity(excess: Sequence[float], bands_mps: Sequence[float]) -> tuple[float, float | None]:
    """Mean speed, and radial velocity where one direction prevails, of the power above the floor, [bands]."""
    total = sum(excess)
    if total <= 0.0:
        return 0.0, None
    flow = [power * mps for power, mps in zip(excess, bands_mps, strict=True)]
    speed_mps = sum(map(abs, flow)) / total
    towards = sum(power for power, mps in zip(excess, bands_mps, strict=True) if mps > 0)
    asymmetry = (2.0 * towards - total) / total
    if abs(asymmetry) < _ONE_SIDED:
        return speed_mps, None
    if asymmetry > 0:
        return speed_mps, sum(mps for mps in flow if mps > 0) / towards
    return speed_mps, sum(mps for mps in flow if mps < 0) / (total - towards)
