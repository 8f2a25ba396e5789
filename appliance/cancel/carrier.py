"""Is the tone there, and does it stand still? Everything behind this stage means nothing when it does not."""

import enum

import numpy as np
from numpy.typing import NDArray

from appliance.dsp import _core
from appliance.types import BasebandBlock


class CarrierState(enum.Enum):
    """What the carrier is doing."""

    STEADY = "steady"
    UNSTEADY = "unsteady"
    MISSING = "missing"


_STATES = (CarrierState.STEADY, CarrierState.UNSTEADY, CarrierState.MISSING)
"""In the order in which the core numbers them."""


class CarrierWatch:
    """Follows the static path of all carriers and microphones.

    A tone whose power, smoothed over 0.3 s, is not a quarter of the power around it is missing, but for the first
    0.5 s. One that changes more than any echo could make it is unsteady, and is judged anew.
    """

    def __init__(self) -> None:
        self._core = _core.CarrierWatch()
        self.reset()

    def reset(self) -> None:
        """Forget the tone."""
        self._core.reset()
        self._shape: tuple[int, ...] = (1, 1)
        self._heard = False

    @property
    def level_dbfs(self) -> NDArray[np.float32]:
        """Level of the static path, [carriers, mics]; -inf before the first block."""
        if not self._heard:
            return np.full((1, 1), -np.inf, np.float32)
        level = np.empty(self._shape, np.float32)
        self._core.level_into(level.reshape(-1))
        return level

    def process(self, block: BasebandBlock) -> CarrierState:
        """The state at the end of a block of at least one sample."""
        state = _STATES[self._core.process(np.ascontiguousarray(block.iq), block.rate_hz)]
        self._shape = block.iq.shape[:2]
        self._heard = True
        return state
