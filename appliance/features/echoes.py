"""What moves at which range, from the echoes of chirps: evidence beside that of the tones.

An echo that stands still is alike from pulse to pulse. Of what is left between two pulses, the power in each gate of
half a metre is told over what is usual there, in units of its own noise, and as the strength that a body would need at
that range: spreading there and back makes echoes fall with the fourth power of range, so that a dog nearby and a person
farther away, alike to a tone, are not alike here.
"""

import numpy as np
from numpy.typing import NDArray

from appliance.dsp.spectrum import independent
from appliance.types import RangeFrame

GATES = 12
"""Ranges that are told apart."""

ECHO_FEATURES = 2 * GATES
"""Deviates of the gates from the nearest on, then strengths."""

_FIRST_M, _GATE_M = 0.3, 0.5
_LONGEST_PERIOD_S = 0.11
"""Between pulses that may be compared; chirps come at least ten times a second."""

_SETTLE_S = 1.5
_STALE_S = 0.25

_FLOOR_SHARE, _FLOOR_DEVIATE = 0.3, -0.524400512708041
_FLOOR_DB_PER_S, _FIRST_STEP_DB = 1.0, 6.0
_MIDDLE_DB, _UNIT_DB = -45.0, 20.0
"""A person's echo is some 40 dB below the direct path, as if at 1 m."""

_SHARE_OF_FLOOR = 0.1
"""Least excess that counts, so that strengths of quiet gates stay finite and smooth."""

_LIMIT = 10.0
_SMALLEST_POWER = 1e-21


def _bin_correlation(apart: int) -> float:
    """Squared correlation of noise in bins so far apart, for a Hann window of 10 kHz in bins of 1 / 6 kHz."""
    at = (np.arange(512) + 0.5) / 512.0
    power = np.sin(np.pi * at) ** 4
    turned = np.exp(2j * np.pi * at * apart * 10.0 / 6.0)
    return float(np.abs((power * turned).sum() / power.sum()) ** 2)


class RangeEvidence:
    """Turns range frames into values; `values` [ECHO_FEATURES] float32 are those of the last pulse."""

    def __init__(self) -> None:
        self.values = np.zeros(ECHO_FEATURES, np.float32)
        self._starts = np.zeros(0, np.intp)
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        self._before: RangeFrame | None = None
        self._looks = 0
        self._since_s = self._last_s = -np.inf
        self.values[:] = 0.0

    def is_known(self, t_s: float) -> bool:
        """Whether pulses come at that stream time, and what is usual is known."""
        return t_s - self._last_s < _STALE_S and self._last_s - self._since_s >= _SETTLE_S

    def process(self, frame: RangeFrame) -> None:
        """Consume the echoes of one pulse; those that are no numbers change nothing."""
        before, self._before = self._before, frame
        if len(self._starts) == 0 or before is None or before.echoes.shape != frame.echoes.shape:
            self._cut(frame)
            return
        period_s = frame.t_s - before.t_s
        if not 0.0 < period_s < _LONGEST_PERIOD_S:
            return
        moved = frame.echoes - before.echoes
        power = np.add.reduceat((moved.real**2 + moved.imag**2).sum(axis=0, dtype=np.float64), self._starts)[:-1]
        near = frame.echoes[:, : self._starts[0]]
        direct = float((near.real**2 + near.imag**2).max(axis=1).mean(dtype=np.float64))
        if not (np.isfinite(power).all() and np.isfinite(direct)):
            self._before = None
            return
        self._judge(np.maximum(power, _SMALLEST_POWER), max(direct, _SMALLEST_POWER), period_s, frame.t_s)

    def _cut(self, frame: RangeFrame) -> None:
        """Where gates begin and end in this frame's bins; those out of reach are empty."""
        edges_m = _FIRST_M + _GATE_M * np.arange(GATES + 1)
        self._starts = np.minimum(np.searchsorted(frame.range_m, edges_m), len(frame.range_m) - 1)
        mics = frame.echoes.shape[0]
        bins = round(_GATE_M / float(frame.range_m[1] - frame.range_m[0]))
        self._shape = mics * independent(bins, _bin_correlation)
        ninth = 1.0 / (9.0 * self._shape)
        self._quantile = max(1.0 - ninth + _FLOOR_DEVIATE * np.sqrt(ninth), 0.1) ** 3
        middle_m = edges_m[:-1] + 0.5 * _GATE_M
        self._spread_db: NDArray[np.float64] = 40.0 * np.log10(middle_m)
        self._looks = 0

    def _judge(self, power: NDArray[np.float64], direct: float, period_s: float, t_s: float) -> None:
        if self._looks == 0:
            self._floor = power.copy()
            self._since_s = t_s
        step_db = max(_FLOOR_DB_PER_S * period_s, _FIRST_STEP_DB / (self._looks + 1))
        rises = power > self._floor
        self._floor *= 10.0 ** (0.1 * step_db * np.where(rises, _FLOOR_SHARE, _FLOOR_SHARE - 1.0))
        self._looks += 1
        self._last_s = t_s
        quiet = self._floor / self._quantile
        deviate = (np.cbrt(power / quiet) - 1.0 + 1.0 / (9.0 * self._shape)) * 3.0 * np.sqrt(self._shape)
        excess = np.maximum(power - quiet, _SHARE_OF_FLOOR * quiet)
        strength_db = 10.0 * np.log10(excess / direct) + self._spread_db
        self.values[:GATES] = np.clip(np.arcsinh(deviate), -_LIMIT, _LIMIT)
        self.values[GATES:] = np.clip((strength_db - _MIDDLE_DB) / _UNIT_DB, -_LIMIT, _LIMIT)
