"""Is the tone there, and does it stand still? Everything behind this stage means nothing when it does not."""

import enum
import math

import numpy as np
from numpy.typing import NDArray

from appliance.types import BasebandBlock

_SMOOTHING_S = 0.3
_STEADY_SHARE = 0.25
"""Power of a block's mean over the power around it. Noise alone gives 0.05, a person close by still more than 1."""

_SETTLE_S = 0.5
"""After a start the tone still has to get from the buffer to the tweeter, fade in and reach the microphones."""

_JUMP = 2.0
"""Change of amplitude between blocks that no echo brings about: the tone or the gain was switched."""

_BREAK = 4.0
"""The same within a block, from sample to sample, where noise and a person close by count as well."""

_CLEAR_SHARE = 100.0
"""The tone's power over the power around it from which single samples are worth looking at."""


class CarrierState(enum.Enum):
    """What the carrier is doing."""

    STEADY = "steady"
    UNSTEADY = "unsteady"
    MISSING = "missing"


class CarrierWatch:
    """Follows the static path of all carriers and microphones."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the tone."""
        self._begin_anew()
        self._amplitude: NDArray[np.float32] | None = None

    def _begin_anew(self) -> None:
        """Judge by what comes from now on: a strong tone that is gone would count for seconds."""
        self._state = CarrierState.UNSTEADY
        self._heard_s = 0.0
        self._steady = 0.0
        self._around = 0.0

    @property
    def level_dbfs(self) -> NDArray[np.float32]:
        """Level of the static path, [carriers, mics]; -inf before the first block."""
        if self._amplitude is None:
            return np.full((1, 1), -np.inf, np.float32)
        level: NDArray[np.float32] = (20.0 * np.log10(np.maximum(self._amplitude, 1e-12))).astype(np.float32)
        return level

    def process(self, block: BasebandBlock) -> CarrierState:
        """The state at the end of a block of at least one sample."""
        samples = block.iq.shape[2]
        share = -math.expm1(-samples / (_SMOOTHING_S * block.rate_hz))
        mean = block.iq.sum(axis=2) / np.float32(samples)
        amplitude = np.abs(mean)
        before = self._amplitude
        if before is None or self._state is not CarrierState.STEADY:
            self._amplitude = amplitude
        elif self._jumps(block, amplitude, before):
            self._amplitude = amplitude
            self._begin_anew()
            return self._state
        else:
            self._amplitude = (before + share * (amplitude - before)).astype(np.float32)
        self._heard_s += samples / block.rate_hz
        around = block.iq - mean[..., None]
        self._steady += share * (float(np.vdot(mean, mean).real) / mean.size - self._steady)
        self._around += share * (float(np.vdot(around, around).real) / around.size - self._around)
        if self._steady > _STEADY_SHARE * self._around:
            self._state = CarrierState.STEADY
        else:
            self._state = CarrierState.MISSING if self._heard_s > _SETTLE_S else CarrierState.UNSTEADY
        return self._state

    def _jumps(self, block: BasebandBlock, amplitude: NDArray[np.float32], before: NDArray[np.float32]) -> bool:
        """Whether the tone changes more than any echo could make it."""
        usual = max(float(before.sum()) / before.size, 1e-12)
        if not 1.0 / _JUMP < float(amplitude.sum()) / amplitude.size / usual < _JUMP:
            return True
        if self._steady < _CLEAR_SHARE * self._around:
            return False
        # a tone that breaks off near a block's end hardly changes the block's mean, but looks like motion of any speed
        level = np.abs(block.iq).sum(axis=(0, 1)) / (before.size * usual)
        return float(level.min()) < 1.0 / _BREAK or float(level.max()) > _BREAK
