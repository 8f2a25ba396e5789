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
        self._heard_s = 0.0
        self._steady = 0.0
        self._around = 0.0
        self._amplitude: NDArray[np.float32] | None = None

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
        self._heard_s += samples / block.rate_hz
        mean = block.iq.mean(axis=2)
        amplitude = np.abs(mean)
        share = -math.expm1(-samples / (_SMOOTHING_S * block.rate_hz))
        steady = float(np.mean(amplitude**2))
        around = float(np.mean(np.abs(block.iq - mean[..., None]) ** 2))
        self._steady += share * (steady - self._steady)
        self._around += share * (around - self._around)
        if self._amplitude is None:
            self._amplitude = amplitude
        before = self._amplitude
        ratio = float(np.sum(amplitude)) / max(float(np.sum(before)), 1e-12)
        if not 1.0 / _JUMP < ratio < _JUMP:
            self._amplitude = amplitude
            return CarrierState.UNSTEADY
        self._amplitude = (before + share * (amplitude - before)).astype(np.float32)
        if self._steady > _STEADY_SHARE * self._around:
            return CarrierState.STEADY
        return CarrierState.MISSING if self._heard_s > _SETTLE_S else CarrierState.UNSTEADY
