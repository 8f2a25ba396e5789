"""Static clutter: the direct path and everything in the room that does not move."""

import numpy as np

from appliance.dsp import _core
from appliance.types import BasebandBlock

TIME_CONSTANT_S = 2.0
"""Slow enough to leave motion of 28 Hz and more alone, fast enough to follow warming air."""


class ClutterCanceller:
    """Subtracts from each carrier and microphone the mean that it follows slowly.

    While `frozen`, the mean stays as it is, so that a person who comes to rest is not learned away. Within a block the
    mean moves along a straight line: a step at each block would be a tone of its own.
    """

    def __init__(self) -> None:
        self._core = _core.ClutterCanceller(time_constant_s=TIME_CONSTANT_S)

    def process(self, block: BasebandBlock, *, frozen: bool) -> BasebandBlock:
        """The block without its static part; same shape and rate."""
        if block.iq.shape[2] == 0:
            return block
        moving = np.empty(block.iq.shape, np.complex64)
        self._core.process_into(np.ascontiguousarray(block.iq), block.rate_hz, frozen, moving)
        return BasebandBlock(moving, block.first_frame, block.rate_hz, block.carriers_hz)

    def reset(self) -> None:
        """Forget the room."""
        self._core.reset()
