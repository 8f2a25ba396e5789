"""What moves at which range, from the echoes of chirps: evidence beside that of the tones.

An echo that stands still is alike from pulse to pulse. Of what is left between two pulses, the power in each gate of
half a metre is told over what is usual there, in units of its own noise, and as the strength that a body would need at
that range: spreading there and back makes echoes fall with the fourth power of range, so that a dog nearby and a person
farther away, alike to a tone, are not alike here. The arithmetic is `dsp/csrc/echoes.c`.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from appliance.dsp import _core
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


def _bin_correlation(apart: int) -> float:
    """Squared correlation of noise in bins so far apart, for a Hann window of 10 kHz in bins of 1 / 6 kHz."""
    at = (np.arange(512) + 0.5) / 512.0
    power = np.sin(np.pi * at) ** 4
    turned = np.exp(2j * np.pi * at * apart * 10.0 / 6.0)
    return float(np.abs((power * turned).sum() / power.sum()) ** 2)


class RangeEvidence:
    """Turns range frames into values; `values` [ECHO_FEATURES] float32 are those of the last pulse."""

    def __init__(self) -> None:
        self.values: NDArray[np.float32] = np.zeros(ECHO_FEATURES, np.float32)
        self._core: _core.Echoes | None = None
        self._shape: tuple[int, ...] = ()
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        if self._core is not None:
            self._core.reset()
        self._since_s = self._last_s = self._before_s = -math.inf
        self.values[:] = 0.0

    def is_known(self, t_s: float) -> bool:
        """Whether pulses come at that stream time, and what is usual is known."""
        return t_s - self._last_s < _STALE_S and self._last_s - self._since_s >= _SETTLE_S

    def process(self, frame: RangeFrame) -> None:
        """Consume the echoes of one pulse; those that are no numbers change nothing."""
        if self._core is None or self._shape != frame.echoes.shape:
            self._core = _make_core(frame)
            self._shape = frame.echoes.shape
            self._since_s = -math.inf
        period_s = frame.t_s - self._before_s
        self._before_s = frame.t_s
        comparable = 0.0 < period_s < _LONGEST_PERIOD_S
        if not self._core.process_into(frame.echoes, period_s if comparable else 0.0, self.values.reshape(2, GATES)):
            return
        if self._since_s == -math.inf:
            self._since_s = frame.t_s
        self._last_s = frame.t_s


def _make_core(frame: RangeFrame) -> _core.Echoes:
    """For echoes such as these; a gate that lies beyond them looks at their last bin."""
    mics, bins = frame.echoes.shape
    edges_m = _FIRST_M + _GATE_M * np.arange(GATES + 1)
    edges = np.searchsorted(frame.range_m, edges_m).tolist()
    gates = [(min(low, bins - 1), min(max(low + 1, high), bins)) for low, high in itertools.pairwise(edges)]
    a_gate = round(_GATE_M / float(frame.range_m[1] - frame.range_m[0]))
    return _core.Echoes(
        mics=mics,
        bins=bins,
        gates=gates,
        shape=mics * independent(a_gate, _bin_correlation),
        spread_db=(40.0 * np.log10(edges_m[:-1] + 0.5 * _GATE_M)).tolist(),
    )
